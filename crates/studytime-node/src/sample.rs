//! The course lists that come with the program: their signed messages and
//! blobs, taken in like anything else that arrives.

use crate::clock::now_ms;
use crate::net::Address;
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
    list: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    feed: String,
    name: String,
    #[serde(default)]
    addresses: Vec<String>,
}

/// A list that comes with the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DefaultList {
    pub(crate) feed: FeedId,
    /// As the file calls it; pages show what the feed says.
    pub(crate) name: String,
    /// Where nodes are that hold all of it.
    pub(crate) seeders: Vec<Address>,
}

/// The lists, in order.
pub(crate) fn lists() -> Result<Vec<DefaultList>, OpenError> {
    read(DEFAULTS).map_err(OpenError::Sample)
}

fn read(text: &str) -> Result<Vec<DefaultList>, String> {
    let defaults: Defaults = toml::from_str(text).map_err(|e| e.to_string())?;
    let row = |row: Row| {
        let named = |what: String| format!("the list {:?}: {what}", row.name);
        let addresses = row.addresses.iter().map(|a| a.parse::<Address>());
        Ok(DefaultList {
            feed: FeedId::parse_lenient(&row.feed).map_err(|e| named(e.to_string()))?,
            seeders: addresses
                .collect::<Result<_, _>>()
                .map_err(|e| named(e.to_string()))?,
            name: row.name,
        })
    };
    defaults.list.into_iter().map(row).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_file_is_sound_and_a_wrong_one_is_named() {
        assert!(!lists().unwrap().is_empty());
        let (list, peer) = (FeedId::from_bytes([1; 32]), FeedId::from_bytes([2; 32]));
        let key = peer.to_bare();
        let key = key.trim_end_matches(".ed25519");
        let file = |address: &str| {
            format!("[[list]]\nfeed = \"{list}\"\nname = \"Moss\"\naddresses = [\"{address}\"]\n")
        };
        let found = read(&file(&format!("net:seeds.example:8008~shs:{key}"))).unwrap();
        assert_eq!(found.len(), 1);
        let seeder = &found[0].seeders[0];
        assert_eq!((found[0].feed, seeder.key, seeder.port), (list, peer, 8008));
        let error = read(&file("net:seeds.example:8008")).unwrap_err();
        assert!(
            error.contains("\"Moss\"") && error.contains("~shs:"),
            "{error}"
        );
    }
}
