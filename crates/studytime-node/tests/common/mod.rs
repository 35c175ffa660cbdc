//! What several tests of a node do alike.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;
use studytime_index::CourseQuery;
use studytime_node::api::*;
use studytime_node::{Builder, Handle, Node};
use studytime_schema::{FeedId, NetworkKey};

/// For a broken test only.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A network of the tests' own.
pub(crate) fn network() -> NetworkKey {
    NetworkKey::from_bytes([0x5a; 32])
}

/// How a node of a test is set up.
pub(crate) fn builder(dir: &Path) -> Builder {
    Builder::new(dir)
        .network(network())
        .listen(Some("127.0.0.1:0".parse().unwrap()))
        .default_lists(false)
}

pub(crate) async fn node(dir: &Path) -> Node {
    builder(dir).open().await.unwrap()
}

/// A node that asks mirrors without waiting for peers first.
pub(crate) async fn with_mirrors(dir: &Path) -> Node {
    let builder = builder(dir).mirror_wait(Duration::ZERO);
    builder.open().await.unwrap()
}

pub(crate) async fn address(h: &Handle) -> String {
    h.call(Status {}).await.unwrap().address.unwrap()
}

pub(crate) async fn connect(from: &Handle, to: &Handle) {
    let address = address(to).await;
    let peer = from
        .call(PeerConnect {
            address,
            timeout_seconds: 20,
        })
        .await
        .unwrap();
    assert_eq!(peer.state, "connected");
}

/// Asks again until the answer fits; the time limit is only for a broken test.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never happened: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first course that is found by a text.
pub(crate) async fn find(h: &Handle, text: &str) -> Option<FeedId> {
    let page = h
        .call(CourseList {
            query: CourseQuery::text(text),
        })
        .await
        .unwrap();
    page.items.first().map(|c| c.feed_id)
}

/// Imports a folder as a new course on the list "Botany".
pub(crate) async fn import(h: &Handle, path: PathBuf) -> ImportReply {
    h.call(Import {
        catalog: Some("Botany".into()),
        ..Import::new(path)
    })
    .await
    .unwrap()
}
