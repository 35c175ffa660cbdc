//! Where the course lists that come with the program are found: their addresses
//! are offered to the scheduler as long as the user has these lists.

use super::schedule::{Candidate, Kind};
use crate::node::Node;
use crate::sample::DefaultList;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use studytime_schema::FeedId;

/// Addresses taken from the lists that come with the program.
const MAX_SEEDERS: usize = 100;

/// The addresses of those of the lists that are shown here.
fn candidates(bundled: &[DefaultList], shown: &[FeedId]) -> BTreeMap<String, Candidate> {
    let lists = bundled.iter().filter(|list| shown.contains(&list.feed));
    let all = lists.flat_map(|list| list.seeders.iter().map(move |at| (list, at)));
    all.take(MAX_SEEDERS)
        .map(|(list, at)| {
            let address = at.plain().to_string();
            let candidate = Candidate {
                kind: Kind::Seeder,
                key: at.key,
                address: address.clone(),
                source: format!("the course list {}", list.name),
                socket: None,
            };
            (address, candidate)
        })
        .collect()
}

impl Node {
    /// Offers the scheduler where the bundled lists among the shown ones are, and
    /// takes back what a list that was removed had brought.
    pub(crate) fn offer_seeders(&self, bundled: &[DefaultList], shown: &[FeedId]) {
        let found = candidates(bundled, shown);
        let inner = self.inner();
        let keys: BTreeSet<FeedId> = found.values().map(|c| c.key).collect();
        inner.hub.set_seeders(keys);
        let here: BTreeSet<String> = found.keys().cloned().collect();
        let before = {
            let offered = inner.net.seeders.lock();
            let mut offered = offered.unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *offered, here.clone())
        };
        for address in before.difference(&here) {
            self.withdraw_peer(Kind::Seeder, address);
        }
        for (address, candidate) in found {
            if !before.contains(&address) {
                self.offer_peer(candidate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Address;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    fn list(n: u8, seeders: &[u8]) -> DefaultList {
        let at = |n: &u8| Address {
            host: "192.0.2.1".into(),
            port: 8008,
            key: feed(*n),
            seed: None,
        };
        DefaultList {
            feed: feed(n),
            name: format!("List {n}"),
            seeders: seeders.iter().map(at).collect(),
        }
    }

    #[tokio::test]
    async fn seeders_are_offered_as_long_as_the_list_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let node = crate::Builder::new(dir.path())
            .default_lists(false)
            .control(false)
            .schedule(false)
            .open()
            .await
            .unwrap();
        let bundled = [list(1, &[11, 12]), list(2, &[13])];
        let offered = || {
            let all = node.standings().into_iter();
            let seeders = all.filter(|(_, s)| s.kind == Kind::Seeder);
            let mut keys: Vec<_> = seeders.map(|(_, s)| (s.key, s.source)).collect();
            keys.sort_unstable();
            keys
        };
        let of = |n: u8, list: &str| (feed(n), format!("the course list {list}"));
        node.offer_seeders(&bundled, &[feed(1), feed(3)]);
        assert_eq!(offered(), [of(11, "List 1"), of(12, "List 1")]);
        node.offer_seeders(&bundled, &[feed(2)]);
        assert_eq!(offered(), [of(13, "List 2")]);
        node.offer_seeders(&bundled, &[]);
        assert!(offered().is_empty());
        node.shutdown().await;
    }
}
