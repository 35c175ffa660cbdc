//! One machine, spoken to frame by frame.

#![allow(unreachable_pub, dead_code, reason = "shared by test programs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use studytime_replicate::ebt::{Config, Priority, Want};
use studytime_replicate::history::ServerOutput;
use studytime_replicate::store::conformance::keys;
use studytime_replicate::{
    Ebt, FeedStore, HistoryServer, MemoryStore, Output, PeerClock, PeerId, Role,
};
use studytime_schema::FeedId;

pub const NOW: u64 = 1_700_000_000_000;
pub const FETCH: Want = Want::fetch(Priority::STARTED);

pub fn id(n: u8) -> FeedId {
    keys(n).id()
}

pub fn numbered(n: u32) -> FeedId {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    FeedId::from_bytes(bytes)
}

pub fn peer(n: u8) -> PeerId {
    PeerId::new(id(n), u64::from(n))
}

pub fn outputs(ebt: &mut Ebt) -> Vec<Output> {
    std::iter::from_fn(|| ebt.poll_output()).collect()
}

/// Only what is sent, as text.
pub fn sent(ebt: &mut Ebt) -> Vec<String> {
    outputs(ebt)
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { payload, .. } => {
                Some(String::from_utf8(payload.as_bytes().to_vec()).unwrap())
            }
            _ => None,
        })
        .collect()
}

pub fn frame(ebt: &mut Ebt, from: PeerId, text: &str, now: u64) {
    ebt.handle_frame(from, &Bytes::copy_from_slice(text.as_bytes()), now)
        .unwrap();
}

pub fn note(feed: FeedId, number: i64) -> String {
    format!("{{\"{feed}\":{number}}}")
}

/// A node with id 1 that has opened with peer 2, which dialled.
pub fn accepted(wants: &[(FeedId, Want, u64)]) -> Ebt {
    let mut ebt = Ebt::new(Config::default());
    ebt.load(wants.iter().map(|(f, _, tip)| (*f, *tip)));
    ebt.load_wanted(wants.iter().map(|(f, want, _)| (*f, *want)));
    ebt.connect(peer(2), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    ebt
}

/// Runs a server of a history stream until it waits or ends: what it sent, and
/// whether it ended.
pub fn drain(server: &mut HistoryServer, store: &MemoryStore) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    while let Some(output) = server.poll_output() {
        match output {
            ServerOutput::Read {
                feed,
                from,
                max_count,
                max_bytes,
            } => {
                server.handle_read(&store.read(&feed, from, max_count, max_bytes).unwrap());
            }
            ServerOutput::Send(item) => items.push(String::from_utf8(item.to_vec()).unwrap()),
            ServerOutput::End => return (items, true),
            other => panic!("{other:?}"),
        }
    }
    (items, false)
}
