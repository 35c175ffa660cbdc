//! A node of ours, in this process.

use crate::author::Digest;
use crate::peer::{LIMIT, NETWORK, Peer};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use studytime_node::api::{
    FeedLog, FeedStatus, FeedStatusReply, Follow, PeerConnect, PeerInfo, PeerList, Relation,
    Status, StatusReply,
};
use studytime_node::{Builder, Handle, Node};
use studytime_schema::{FeedId, NetworkKey};

pub(crate) struct Ours {
    pub(crate) node: Node,
    pub(crate) h: Handle,
}

/// Who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialler {
    Us,
    Them,
}

impl Ours {
    /// One that dials only when it is told to.
    pub(crate) async fn open(dir: &Path) -> Self {
        Self::open_with(dir, |b| b).await
    }

    pub(crate) async fn open_with(dir: &Path, with: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = Builder::new(dir)
            .network(NetworkKey::from_bytes(NETWORK))
            .listen(Some("127.0.0.1:0".parse().unwrap()))
            .default_lists(false)
            .control(false)
            .schedule(false);
        let node = with(builder).open().await.unwrap();
        let h = node.handle();
        Self { node, h }
    }

    pub(crate) fn id(&self) -> FeedId {
        self.node.id()
    }

    pub(crate) async fn status(&self) -> StatusReply {
        self.h.call(Status {}).await.unwrap()
    }

    pub(crate) async fn address(&self) -> String {
        self.status().await.address.unwrap()
    }

    pub(crate) async fn feed(&self, id: FeedId) -> FeedStatusReply {
        self.h.call(FeedStatus { id }).await.unwrap()
    }

    pub(crate) async fn sequence(&self, id: FeedId) -> u64 {
        self.feed(id).await.sequence
    }

    pub(crate) async fn follow(&self, id: FeedId) {
        let relation = Relation::Follow;
        self.h.call(Follow { id, relation }).await.unwrap();
    }

    /// Connects us and a peer.
    pub(crate) async fn join(&self, peer: &Peer, dialler: Dialler) {
        match dialler {
            Dialler::Us => self.dial(&peer.address).await,
            Dialler::Them => {
                let address = self.address().await;
                let id = peer.ask("connect", json!({ "address": address })).await;
                assert_eq!(id, json!(self.id()));
            }
        }
    }

    pub(crate) async fn dial(&self, address: &str) {
        let call = PeerConnect {
            address: address.to_owned(),
            timeout_seconds: 30,
        };
        assert_eq!(self.h.call(call).await.unwrap().state, "connected");
    }

    /// The connection to a peer, if there is one.
    pub(crate) async fn connection(&self, id: FeedId) -> Option<PeerInfo> {
        let peers = self.h.call(PeerList {}).await.unwrap();
        peers
            .into_iter()
            .find(|p| p.id == Some(id) && p.state == "connected")
    }

    /// Bytes received and sent over the connection to a peer, once nothing moves:
    /// they are told a second late at most.
    pub(crate) async fn traffic(&self, id: FeedId) -> (u64, u64) {
        self.until("the bytes are counted", async || {
            let before = self.connection(id).await?.traffic;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let after = self.connection(id).await?.traffic;
            (before == after && after.0 > 0 && after.1 > 0).then_some(after)
        })
        .await
    }

    /// Ends the connection from the peer's side.
    pub(crate) async fn part(&self, peer: &Peer) {
        peer.ask("disconnect", json!({ "peer": self.id() })).await;
        self.until("the connection is gone", async || {
            self.connection(peer.id).await.is_none().then_some(())
        })
        .await;
    }

    pub(crate) async fn reached(&self, feeds: &[(FeedId, u64)]) {
        for (feed, sequence) in feeds {
            self.until(&format!("{feed} has come to {sequence}"), async || {
                (self.sequence(*feed).await >= *sequence).then_some(())
            })
            .await;
        }
    }

    /// A feed as it is here, which must be whole.
    pub(crate) async fn digest(&self, id: FeedId) -> Digest {
        let mut ids = Vec::new();
        loop {
            let from = ids.len() as u64 + 1;
            let limit = 10_000;
            let Ok(log) = self.h.call(FeedLog { id, from, limit }).await else {
                break;
            };
            if log.is_empty() {
                break;
            }
            for message in log {
                assert_eq!(message.sequence, ids.len() as u64 + 1);
                ids.push(message.key);
            }
        }
        Digest::of(ids)
    }

    /// Asks again until the answer fits; the limit is only for a broken test.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            if tokio::time::Instant::now() >= deadline {
                panic!("never happened: {what}; {:#?}", self.status().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A feed as a JavaScript peer has it.
pub(crate) async fn their_digest(peer: &Peer, feed: FeedId) -> Digest {
    Digest::from_json(&peer.ask("digest", json!({ "feed": feed })).await)
}

/// Both hold the same messages of a feed, so many.
pub(crate) async fn same(ours: &Ours, peer: &Peer, feed: FeedId, count: u64) {
    let (here, there) = (ours.digest(feed).await, their_digest(peer, feed).await);
    assert_eq!(here, there, "{feed}");
    assert_eq!(here.count, count, "{feed}");
}
