//! `peer …`

use crate::args::Peer;
use crate::context::{Context, Needs, Session};
use crate::failure::Failure;
use crate::render::{Fit, Table, Text, bytes, count};
use studytime_node::api::{
    ApiError, ExchangeReply, PeerConnect, PeerExchange, PeerInfo, PeerInvite, PeerList,
    PeerNewInvite, Status,
};
use tokio::time::Instant;

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
                    let end = Instant::now() + patience.limit();
                    let peer = session.call(call).await?;
                    let came = exchange(session, &peer, end).await?;
                    Ok((peer, came))
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
                    let end = Instant::now() + limit;
                    let redeemed = tokio::time::timeout(limit, session.call(PeerInvite { code })).await;
                    let redeemed = redeemed.map_err(|_| {
                        ApiError::new(
                            studytime_node::api::ErrorKind::Failed,
                            format!("the invite was not answered within {} s", limit.as_secs()),
                        )
                        .hint("the node that gave it may be off; try again later, or wait longer with --timeout")
                    })??;
                    let came = exchange(session, &redeemed.peer, end).await?;
                    Ok((redeemed, came))
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

/// What two nodes gave each other before the command left.
struct Came {
    messages: u64,
    end: ExchangeReply,
}

/// A node for this command stays until both have what they want of each other, or
/// the time is up; one that runs anyway goes on by itself.
async fn exchange(
    session: &Session,
    peer: &PeerInfo,
    end: Instant,
) -> Result<Option<Came>, Failure> {
    let Some(id) = peer.id.filter(|_| session.is_temporary()) else {
        return Ok(None);
    };
    let before = session.call(Status {}).await?.messages;
    let left = end.saturating_duration_since(Instant::now());
    let call = PeerExchange {
        id,
        timeout_seconds: left.as_secs(),
    };
    let end = session.call(call).await?;
    let after = session.call(Status {}).await?.messages;
    Ok(Some(Came {
        messages: after.saturating_sub(before),
        end,
    }))
}

fn tell(t: &mut Text, came: Option<Came>) {
    let Some(Came { messages, end }) = came else {
        return;
    };
    let news = match messages {
        0 => "It had nothing new for you".to_owned(),
        n => format!("{} came", count(n, "message", "messages")),
    };
    if end.complete {
        return t.line(format!("{news}; `studytime serve` stays connected."));
    }
    let came = match messages {
        0 => "nothing has come".to_owned(),
        n => format!("{} came", count(n, "message", "messages")),
    };
    t.line(format!(
        "Not finished: {came}, then {}. `studytime serve` stays connected; --timeout waits longer.",
        unfinished(&end)
    ));
}

/// What two nodes still had to do.
fn unfinished(end: &ExchangeReply) -> String {
    if !end.connected {
        return "the connection ended".into();
    }
    if !end.introduced {
        return "the time was up before the other one had said what it has".into();
    }
    let open = [
        (end.messages, "message to come", "messages to come"),
        (end.feeds, "feed being asked for", "feeds being asked for"),
        (end.files, "file to come", "files to come"),
        (end.unsent, "message to send", "messages to send"),
        (
            end.index_behind,
            "message to be indexed",
            "messages to be indexed",
        ),
    ];
    let open: Vec<String> = open
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, many)| count(n, one, many))
        .collect();
    match open.is_empty() {
        true => "the time was up".into(),
        false => format!("the time was up with {}", open.join(", ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_is_named() {
        let said = |end: ExchangeReply| unfinished(&end);
        let mut end = ExchangeReply::default();
        assert!(said(end.clone()).contains("the connection ended"));
        end.connected = true;
        assert!(said(end.clone()).contains("had said what it has"));
        end.introduced = true;
        (end.messages, end.files) = (1, 2);
        assert_eq!(
            said(end),
            "the time was up with 1 message to come, 2 files to come"
        );
    }
}
