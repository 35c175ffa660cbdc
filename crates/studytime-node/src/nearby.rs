//! What connected StudyTime nodes offer: `studytime.info`, asked of every peer.
//!
//! This is how learners on one network find each other's course lists. What a
//! peer says is its word alone: nothing is fetched for it before a person, or
//! the rule of a pub, says so.

use crate::api::{ApiError, NearbyList};
use crate::clock::now_ms;
use crate::node::Node;
use crate::store::OwnKind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use studytime_schema::FeedId;

/// Lists taken from one peer.
const MAX_LISTS: usize = 100;
/// Courses taken from one peer.
const MAX_COURSES: usize = 1_000;
/// Longest name that is shown, in characters.
const MAX_NAME: usize = 100;
/// Peers whose offers are remembered; the oldest go first.
const MAX_PEERS: usize = 1_000;

/// The answer to `studytime.info`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    /// The program's version.
    pub(crate) version: String,
    /// What it can do beyond what every SSB peer can.
    pub(crate) features: Vec<String>,
    /// Its own course lists.
    pub(crate) lists: Vec<FeedId>,
    /// Its own courses; those it studies, when the person shares that.
    pub(crate) courses: Vec<FeedId>,
    /// Names of these, as far as it knows them.
    pub(crate) names: BTreeMap<FeedId, String>,
}

impl Info {
    /// Reads an answer; `None` when the peer is no StudyTime node. What is not
    /// understood in one is left out.
    pub(crate) fn read(value: &serde_json::Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(|v| v.as_str());
        let ids = |key: &str, most: usize| -> Vec<FeedId> {
            let all = value.get(key).and_then(|v| v.as_array());
            let ids = all.into_iter().flatten().take(most);
            let ids: BTreeSet<FeedId> = ids
                .filter_map(|id| FeedId::parse_lenient(id.as_str()?).ok())
                .collect();
            ids.into_iter().collect()
        };
        let version = text("version")?.chars().take(MAX_NAME).collect();
        let (lists, courses) = (ids("lists", MAX_LISTS), ids("courses", MAX_COURSES));
        let named = value.get("names").and_then(|v| v.as_object());
        let names = named
            .into_iter()
            .flatten()
            .take(MAX_LISTS + MAX_COURSES)
            .filter_map(|(id, name)| {
                let id = FeedId::parse_lenient(id).ok()?;
                let name = one_line(name.as_str()?);
                (!name.is_empty() && (lists.contains(&id) || courses.contains(&id)))
                    .then_some((id, name))
            })
            .collect();
        Some(Self {
            version,
            features: Vec::new(),
            lists,
            courses,
            names,
        })
    }
}

impl Node {
    /// What we tell others of ourselves.
    pub(crate) fn own_info(&self) -> Info {
        let reader = self.reader();
        let mut courses = self.keys().of_kind(OwnKind::Course);
        if self.shares_study()
            && let Ok(learner) = reader.learner()
        {
            courses.extend(learner.courses.iter().map(|c| c.feed_id));
        }
        let mut seen = BTreeSet::new();
        courses.retain(|c| seen.insert(*c));
        courses.truncate(MAX_COURSES);
        let mut lists = self.keys().of_kind(OwnKind::List);
        lists.truncate(MAX_LISTS);
        let named = |feed: &FeedId| {
            let about = reader.about(feed).ok().flatten();
            let name = one_line(&about.and_then(|a| a.name)?);
            (!name.is_empty()).then_some((*feed, name))
        };
        Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: vec!["segments".to_owned()],
            names: lists.iter().chain(&courses).filter_map(named).collect(),
            lists,
            courses,
        }
    }

    /// A peer told what it offers.
    pub(crate) fn offered(&self, peer: FeedId, info: Info) {
        let inner = self.inner();
        // A pub carries the lists and courses of those it follows.
        if inner.nearby.told(peer, info, now_ms()) && inner.builder.is_pub {
            inner.replan.notify_one();
        }
    }

    /// The lists that connected peers offer, the most offered first.
    pub(crate) async fn catalog_nearby(&self) -> Result<Vec<NearbyList>, ApiError> {
        self.blocking(|node| {
            let inner = node.inner();
            let chosen = inner.policy.lists();
            let mut lists: BTreeMap<FeedId, NearbyList> = BTreeMap::new();
            inner.nearby.each(|peer, info| {
                if !inner.hub.is_connected(peer) {
                    return;
                }
                for id in info.lists.iter().filter(|l| !inner.policy.is_blocked(l)) {
                    let list = lists.entry(*id).or_insert_with(|| NearbyList {
                        id: *id,
                        name: String::new(),
                        chosen: chosen.contains(id),
                        peers: Vec::new(),
                    });
                    list.peers.push(*peer);
                    if list.name.is_empty() {
                        list.name = info.names.get(id).cloned().unwrap_or_default();
                    }
                }
            });
            let reader = node.reader();
            let mut lists: Vec<NearbyList> = lists.into_values().collect();
            for list in &mut lists {
                // What the list says of itself counts more than what a peer does.
                let about = reader.about(&list.id).ok().flatten();
                if let Some(name) = about.and_then(|a| a.name) {
                    list.name = one_line(&name);
                }
            }
            lists.sort_by(|a, b| {
                (b.peers.len(), &a.name, a.id).cmp(&(a.peers.len(), &b.name, b.id))
            });
            Ok(lists)
        })
        .await
    }
}

/// A name as it can be shown: one line, not too long.
fn one_line(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = shown.take(MAX_NAME).collect();
    short.trim().to_owned()
}

/// What peers offer, by peer.
#[derive(Debug, Default)]
pub(crate) struct Nearby(Mutex<BTreeMap<FeedId, (u64, Info)>>);

impl Nearby {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<FeedId, (u64, Info)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer said what it offers; whether that is other than before.
    pub(crate) fn told(&self, peer: FeedId, info: Info, now: u64) -> bool {
        let mut all = self.lock();
        if all.len() >= MAX_PEERS
            && !all.contains_key(&peer)
            && let Some(oldest) = all.iter().min_by_key(|(_, (at, _))| *at).map(|(p, _)| *p)
        {
            all.remove(&oldest);
        }
        let old = all.insert(peer, (now, info));
        let new = all.get(&peer).map(|(_, info)| info);
        old.as_ref().map(|(_, info)| info) != new
    }

    /// Calls `each` with what every peer offers.
    pub(crate) fn each(&self, mut each: impl FnMut(&FeedId, &Info)) {
        for (peer, (_, info)) in &*self.lock() {
            each(peer, info);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::*;
    use serde_json::json;

    fn feed(n: u16) -> FeedId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        FeedId::from_bytes(bytes)
    }

    #[test]
    fn an_answer_is_read_as_far_as_it_makes_sense() {
        let info = Info::read(&json!({
            "version": "9.9", "features": [1],
            "lists": [feed(1).to_string(), "rubbish", 7, feed(1).to_string()],
            "courses": {"no": "list"},
            "names": {
                feed(1).to_string(): "Evening\nschool\u{7}", "rubbish": "x",
                feed(9).to_string(): "not offered",
            },
            "more": null
        }))
        .unwrap();
        assert_eq!(info.version, "9.9");
        assert_eq!(info.lists, [feed(1)]);
        assert!(info.courses.is_empty());
        let names: Vec<_> = info.names.values().map(String::as_str).collect();
        assert_eq!(names, ["Evening school"]);
        // What an ordinary peer might answer by chance.
        for other in [json!(true), json!({}), json!([]), json!({"version": 3})] {
            assert_eq!(Info::read(&other), None, "{other}");
        }
    }

    #[test]
    fn what_one_peer_says_is_bounded() {
        let many: Vec<String> = (0..2_000).map(|n| feed(n).to_string()).collect();
        let long = "x".repeat(5_000);
        let names: serde_json::Map<String, serde_json::Value> =
            many.iter().map(|id| (id.clone(), json!(long))).collect();
        let info = json!({"version": long, "lists": many, "courses": many, "names": names});
        let info = Info::read(&info).unwrap();
        assert_eq!((info.lists.len(), info.courses.len()), (100, 1_000));
        assert_eq!(info.version.len(), MAX_NAME);
        assert!(info.names.values().all(|n| n.len() == MAX_NAME));
    }

    #[test]
    fn the_oldest_offers_make_room() {
        let nearby = Nearby::default();
        let info = |n: u16| Info {
            lists: vec![feed(n)],
            ..Info::default()
        };
        for n in 0..1_200 {
            assert!(nearby.told(feed(n), info(n), u64::from(n)));
        }
        assert!(!nearby.told(feed(1_199), info(1_199), 9_999));
        let mut peers = Vec::new();
        nearby.each(|peer, _| peers.push(*peer));
        assert_eq!(peers.len(), MAX_PEERS);
        assert!(!peers.contains(&feed(0)) && peers.contains(&feed(1_199)));
    }
}
