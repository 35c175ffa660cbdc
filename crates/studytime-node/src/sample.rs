//! The course lists that come with the program: their signed messages and
//! blobs, taken in like anything else that arrives.

use crate::clock::now_ms;
use crate::node::{Node, OpenError};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use studytime_blobs::store::Durability;
use studytime_replicate::ingest;
use studytime_schema::{FeedId, Message};

/// Which lists, under which names, and where to find them.
const DEFAULTS: &str = include_str!("../sample/defaults.toml");
/// One signed message a line.
const MESSAGES: &str = include_str!("../sample/messages.jsonl");
/// All blobs, one after the other: a length (u32, big endian), then the bytes.
const BLOBS: &[u8] = include_bytes!("../sample/blobs.bin");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    #[serde(default)]
    list: Vec<DefaultList>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultList {
    feed: String,
    /// For people who read the file; pages show what the feed says.
    #[allow(dead_code, reason = "documents the file")]
    name: String,
    /// Addresses to find it at.
    #[serde(default)]
    #[allow(dead_code, reason = "empty for the bundled sample")]
    addresses: Vec<String>,
}

/// The lists, in order.
pub(crate) fn lists() -> Result<Vec<FeedId>, OpenError> {
    let defaults: Defaults =
        toml::from_str(DEFAULTS).map_err(|e| OpenError::Sample(e.to_string()))?;
    defaults
        .list
        .iter()
        .map(|l| FeedId::parse_lenient(&l.feed).map_err(|e| OpenError::Sample(e.to_string())))
        .collect()
}

/// Setting: which bundle was taken in.
const INSTALLED: &str = "sample";

/// Takes the bundle in, once for each version of it.
pub(crate) async fn install(node: &Node) -> Result<(), OpenError> {
    let version = bundle_version();
    if node.inner().state.setting(INSTALLED)?.as_deref() == Some(version.as_str()) {
        return Ok(());
    }
    let task_node = node.clone();
    let installed = tokio::task::spawn_blocking(move || install_blocking(&task_node))
        .await
        .map_err(|e| OpenError::Thread(std::io::Error::other(e)))?;
    let tips = installed?;
    for (feed, tip) in tips {
        node.inner().hub.appended(feed, tip);
    }
    node.inner().state.set_setting(INSTALLED, &version)?;
    node.inner().indexer.wake();
    let last = node.inner().feeds.last_position()?;
    node.inner()
        .indexer
        .reached(last, std::time::Duration::from_secs(10))
        .await;
    Ok(())
}

/// Changes whenever the bundle does.
fn bundle_version() -> String {
    let hash = ingest::wire_hash(MESSAGES.as_bytes());
    hash[..8].iter().map(|b| format!("{b:02x}")).collect()
}

fn install_blocking(node: &Node) -> Result<Vec<(FeedId, u64)>, OpenError> {
    let inner = node.inner();
    let mut rest = BLOBS;
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let len = u32::from_be_bytes(*head) as usize;
        let Some((bytes, after)) = tail.split_at_checked(len) else {
            return Err(OpenError::Sample("its blobs are cut off".into()));
        };
        let added = inner.blobs.add(bytes, Durability::Relaxed, now_ms())?;
        inner.holdings.arrived(&added.id);
        rest = after;
    }
    // Verified like a peer's: the bundle gets no privileges.
    let messages: Vec<Arc<Message>> = MESSAGES
        .lines()
        .map(|line| Message::verify(line.as_bytes(), None).map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(|e| OpenError::Sample(e.to_string()))?;
    let report = ingest::append(&*inner.feeds, &messages, now_ms())?;
    let feeds: BTreeSet<FeedId> = messages.iter().map(|m| m.author()).collect();
    Ok(feeds
        .into_iter()
        .filter_map(|f| Some((f, *report.tips.get(&f)?)))
        .collect())
}
