//! `peer …`

use crate::args::Peer;
use crate::context::{Context, Needs, Session};
use crate::failure::Failure;
use crate::render::{Fit, Table, Text, bytes, count};
use std::time::Duration;
use studytime_node::api::{
    ApiError, PeerConnect, PeerInfo, PeerInvite, PeerList, PeerNewInvite, Status,
};
use tokio::time::Instant;

/// A connection on which nothing came for this long has told what it has.
const QUIET: Duration = Duration::from_millis(1500);
/// Between two looks at what has come.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(crate) async fn run(context: &Context, peer: Peer) -> Result<(), Failure> {
    match peer {
        Peer::List => {
            let peers = context.call(PeerList {}).await?;
            context.out.list(&peers, |t| match peers.is_empty() {
                true => t.dim("No other node is known yet: `studytime peer connect ADDRESS`"),
                false => table(t, &peers),
            })
        }
        Peer::Connect { address, patience } => {
            let call = PeerConnect {
                address,
                timeout_seconds: patience.seconds(),
            };
            let (peer, came) = context
                .with(Needs::Peers, async |session| {
                    let peer = session.call(call).await?;
                    Ok((peer, exchange(session, patience.limit()).await?))
                })
                .await?;
            context.out.value(&peer, |t| {
                t.line(format!("Connected to {}.", called(&peer)));
                tell(t, came);
            })
        }
        Peer::Invite { code, patience } => {
            let limit = patience.limit();
            let (redeemed, came) = context
                .with(Needs::Peers, async |session| {
                    let redeemed = tokio::time::timeout(limit, session.call(PeerInvite { code })).await;
                    let redeemed = redeemed.map_err(|_| {
                        ApiError::new(
                            studytime_node::api::ErrorKind::Failed,
                            format!("the invite was not answered within {} s", limit.as_secs()),
                        )
                        .hint("the node that gave it may be off; try again later, or wait longer with --timeout")
                    })??;
                    Ok((redeemed, exchange(session, limit).await?))
                })
                .await?;
            context.out.value(&redeemed, |t| {
                let peer = &redeemed.peer;
                t.line(format!("{}: {}.", sentence(&redeemed.done), called(peer)));
                match &peer.reason {
                    Some(why) if peer.state == "failed" => {
                        t.line(format!("It could not be reached again so far: {why}"));
                    }
                    _ => tell(t, came),
                }
            })
        }
        Peer::NewInvite { uses, days } => {
            let call = PeerNewInvite {
                uses,
                days: Some(days),
            };
            let invite = context.call(call).await?;
            context.out.value(&invite, |t| {
                t.line(&invite.code);
                t.dim(format!(
                    "Can be used {} within {}: studytime peer invite '…'",
                    match invite.uses {
                        1 => "once".to_owned(),
                        n => format!("{n} times"),
                    },
                    count(u64::from(days), "day", "days")
                ));
            })
        }
    }
}

/// With a capital letter in front.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

/// A node for this command stays until the other one has nothing more to tell,
/// or the time is up; one that runs anyway goes on by itself. Answers how many
/// messages came.
async fn exchange(session: &Session, limit: Duration) -> Result<Option<u64>, Failure> {
    if !session.is_temporary() {
        return Ok(None);
    }
    let end = Instant::now() + limit;
    let first = session.call(Status {}).await?;
    let traffic = |peers: &[PeerInfo]| peers.iter().map(|p| p.traffic.0).sum::<u64>();
    let mut last = (first.messages, traffic(&first.peers), Instant::now());
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = session.call(Status {}).await?;
        if (now.messages, traffic(&now.peers)) != (last.0, last.1) {
            last = (now.messages, traffic(&now.peers), Instant::now());
        }
        let connected = now.peers.iter().any(|p| p.state == "connected");
        let quiet = last.2.elapsed() >= QUIET && now.index_behind == 0;
        if quiet || !connected || Instant::now() >= end {
            return Ok(Some(now.messages.saturating_sub(first.messages)));
        }
    }
}

fn tell(t: &mut Text, came: Option<u64>) {
    match came {
        None => {}
        Some(0) => t.line("It had nothing new for you; `studytime serve` stays connected."),
        Some(n) => t.line(format!(
            "{} came; `studytime serve` stays connected.",
            count(n, "message", "messages")
        )),
    }
}

fn called(peer: &PeerInfo) -> String {
    let id = peer
        .id
        .map_or_else(|| peer.address.clone(), |id| id.to_string());
    match &peer.name {
        Some(name) => format!("{name} ({id})"),
        None => id,
    }
}

/// Peers beneath each other.
pub(super) fn table(t: &mut Text, peers: &[PeerInfo]) {
    let mut table = Table::new([
        ("State", Fit::Whole),
        ("Kind", Fit::Whole),
        ("Name", Fit::Cut),
        ("Received", Fit::Number),
        ("Sent", Fit::Number),
        ("Address", Fit::Cut),
        ("Why", Fit::Cut),
        ("Id", Fit::Whole),
    ]);
    for peer in peers {
        let size = |n| if n == 0 { String::new() } else { bytes(n) };
        table.row([
            peer.state.clone(),
            peer.kind.clone(),
            peer.name.clone().unwrap_or_default(),
            size(peer.traffic.0),
            size(peer.traffic.1),
            // Its key stands in the next column.
            peer.address
                .split("~shs:")
                .next()
                .unwrap_or_default()
                .to_owned(),
            peer.reason.clone().unwrap_or_default(),
            peer.id.map_or_else(String::new, |id| id.to_string()),
        ]);
    }
    t.table(&table);
}
