//! What happens in a node that stays, a line each.

use crate::failure::Failure;
use crate::render::{Out, Text};
use std::collections::HashMap;
use studytime_node::Events;
use studytime_node::api::Event;
use studytime_schema::FeedId;
use tokio::sync::mpsc;

/// Events that a slow reader of our output may be behind; more are left out.
const BEHIND: usize = 1024;

/// Prints until the node ends.
pub(super) async fn print(out: &Out, mut events: Events) {
    let (tx, mut rx) = mpsc::channel::<Event>(BEHIND);
    let out = out.clone();
    // On a thread of its own: a reader that stops reading must not stop the node.
    std::thread::spawn(move || {
        let mut peers = Peers::default();
        while let Some(event) = rx.blocking_recv() {
            match out.value(&event, |t| describe(t, &mut peers, &event)) {
                Ok(()) => {}
                Err(Failure::ClosedPipe | Failure::Error(_) | Failure::Reported(_)) => return,
            }
        }
    });
    while let Some(event) = events.next().await {
        // Full or gone: events are only news.
        let _ = tx.try_send(event);
    }
}

/// What was last told of each peer: news is told once.
type Peers = HashMap<FeedId, (String, Option<String>)>;

/// Most peers that are remembered; beyond that, news may be told twice.
const MAX_PEERS: usize = 10_000;

fn describe(t: &mut Text, peers: &mut Peers, event: &Event) {
    match event {
        Event::Peer { id, state, reason } => {
            if peers.len() >= MAX_PEERS {
                peers.clear();
            }
            let now = (state.clone(), reason.clone());
            if peers.insert(*id, now.clone()) == Some(now) {
                return;
            }
            let why = reason
                .as_ref()
                .map_or_else(String::new, |r| format!(": {r}"));
            t.line(format!("{state}  {id}{why}"));
        }
        Event::Lock { id, locked, reason } => {
            let state = if *locked { "locked" } else { "free" };
            let why = reason
                .as_ref()
                .map_or_else(String::new, |r| format!(": {r}"));
            t.line(format!("{state}  {id}{why}"));
        }
        Event::Problem { text } => t.line(format!("problem  {text}")),
        Event::Download {
            feed_id,
            complete: true,
            ..
        } => t.line(format!("all here  {feed_id}")),
        _ => {}
    }
}
