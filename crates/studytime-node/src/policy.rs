//! What is replicated, and why: own feeds, the chosen lists, courses by
//! priority, friends. Never what is blocked.

use crate::api::ApiError;
use crate::builder::Builder;
use crate::holdings::Holdings;
use crate::indexer::bytes_here;
use crate::node::{Node, OpenError};
use crate::sample;
use crate::store::{KeyRing, OwnKind, State};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use studytime_index::{Facts, Reach};
use studytime_replicate::ebt::{Priority, Want};
use studytime_replicate::{FeedStore, Graph};
use studytime_schema::{FeedId, LogPosition};

/// Feeds of courses fetched without having been started or opened.
const MAX_LISTED: usize = 10_000;
/// Feeds reached over friends.
const MAX_FRIENDS: usize = 5_000;
/// Hops of friends when the user did not say.
pub(crate) const DEFAULT_HOPS: u8 = 1;
/// How far people count for popularity, replicated or not.
const REACH_HOPS: u32 = 3;
/// Setting: the user's lists as last known, so that a start need not wait for the index.
const LISTS: &str = "lists";
/// Settings: the follow graph and the log position it has reached.
const GRAPH: &str = "graph";
const GRAPH_POSITION: &str = "graph_position";

/// Why a feed is wanted, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) &'static str);

#[derive(Debug, Default)]
struct Plan {
    wants: BTreeMap<FeedId, (Want, Reason)>,
    lists: Vec<FeedId>,
    blocked: BTreeSet<FeedId>,
}

/// The follow graph with the position it has reached, shared with the index thread.
#[derive(Debug, Default)]
pub(crate) struct SharedGraph {
    pub(crate) graph: Graph,
    pub(crate) position: LogPosition,
    pub(crate) unsaved: bool,
    /// The position that was saved last.
    saved: LogPosition,
}

/// What this node wants to have.
#[derive(Debug)]
pub(crate) struct Policy {
    graph: Arc<Mutex<SharedGraph>>,
    plan: RwLock<Plan>,
    own: Mutex<Vec<FeedId>>,
    seeds: Vec<FeedId>,
    default_lists: Vec<FeedId>,
}

impl Policy {
    /// Loads the graph and the lists as last known.
    pub(crate) fn load(
        state: &State,
        feeds: &Arc<dyn FeedStore>,
        keys: &KeyRing,
        builder: &Builder,
    ) -> Result<Self, OpenError> {
        let graph = load_graph(state, feeds)?;
        let default_lists = if builder.default_lists {
            sample::lists()?
        } else {
            Vec::new()
        };
        let saved = state
            .setting(LISTS)?
            .and_then(|text| serde_json::from_str(&text).ok());
        let plan = Plan {
            lists: saved.unwrap_or_else(|| default_lists.clone()),
            ..Plan::default()
        };
        Ok(Self {
            graph: Arc::new(Mutex::new(graph)),
            plan: RwLock::new(plan),
            own: Mutex::new(keys.iter().map(|(id, _)| *id).collect()),
            seeds: builder.seed_lists.clone(),
            default_lists,
        })
    }

    pub(crate) fn graph(&self) -> Arc<Mutex<SharedGraph>> {
        Arc::clone(&self.graph)
    }

    pub(crate) fn lock_graph(&self) -> MutexGuard<'_, SharedGraph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user's lists, in order.
    pub(crate) fn lists(&self) -> Vec<FeedId> {
        self.read().lists.clone()
    }

    /// The lists that came with the program.
    pub(crate) fn default_lists(&self) -> &[FeedId] {
        &self.default_lists
    }

    /// Whether a list came with the program.
    pub(crate) fn is_builtin(&self, list: &FeedId) -> bool {
        self.default_lists.contains(list)
    }

    /// Whether we want nothing to do with a feed.
    pub(crate) fn is_blocked(&self, feed: &FeedId) -> bool {
        self.read().blocked.contains(feed)
    }

    /// Why a feed is replicated; `None` when it is not.
    pub(crate) fn reason(&self, feed: &FeedId) -> Option<(Want, Reason)> {
        self.read().wants.get(feed).copied()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Plan> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> Vec<FeedId> {
        self.own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the index must know.
    pub(crate) fn facts(&self, holdings: &Arc<Holdings>) -> Facts {
        let own = self.own();
        let graph = self.lock_graph();
        Facts {
            lists: self.lists(),
            opened: Vec::new(),
            reach: reach(&graph.graph, &own),
            own,
            bytes_here: bytes_here(holdings),
        }
    }
}

fn load_graph(state: &State, feeds: &Arc<dyn FeedStore>) -> Result<SharedGraph, OpenError> {
    let position = state.setting(GRAPH_POSITION)?.and_then(|p| p.parse().ok());
    let graph = state
        .setting(GRAPH)?
        .and_then(|g| serde_json::from_str(&g).ok());
    let mut shared = match (position, graph) {
        // A log that ends before is another one: an older copy was put back.
        (Some(position), Some(graph)) if position <= feeds.last_position()?.0 => SharedGraph {
            graph,
            position: LogPosition(position),
            unsaved: false,
            saved: LogPosition(position),
        },
        _ => SharedGraph::default(),
    };
    // The tail since the last save; after an unclean stop, or a first start
    // with this version, that may be all of the log.
    loop {
        let batch = feeds.scan(shared.position, 1000)?;
        for stored in &batch {
            if stored.wire.contains("\"contact\"")
                && let Ok(message) = stored.message()
                && let Some(content) = message.public_content()
            {
                shared.graph.apply(&stored.feed, stored.sequence, content);
                shared.unsaved = true;
            }
            shared.position = stored.position;
        }
        if batch.len() < 1000 {
            return Ok(shared);
        }
    }
}

/// Messages after which the position is saved though no edge has changed: as
/// many are read again at the next start at most.
const SAVE_AFTER: u64 = 10_000;

impl SharedGraph {
    /// Whether so much of the log was read since the last save that the next
    /// start would be slow.
    pub(crate) fn is_far_ahead(&self) -> bool {
        self.position.0.saturating_sub(self.saved.0) >= SAVE_AFTER
    }
}

/// Keeps what of the graph has changed, and the position it has reached.
pub(crate) fn save_graph(shared: &mut SharedGraph, state: &State) {
    if std::mem::take(&mut shared.unsaved) || shared.saved == LogPosition::default() {
        let text = serde_json::to_string(&shared.graph).ok();
        if text.is_none_or(|text| state.set_setting(GRAPH, &text).is_err()) {
            shared.unsaved = true;
            return;
        }
    }
    // Second: a crash between the two only reads some messages again.
    if shared.position > shared.saved
        && state
            .set_setting(GRAPH_POSITION, &shared.position.0.to_string())
            .is_ok()
    {
        shared.saved = shared.position;
    }
}

/// Who counts for popularity, with the one friend they hang on, if it is one.
fn reach(graph: &Graph, own: &[FeedId]) -> HashMap<FeedId, Reach> {
    #[derive(Clone, Copy, PartialEq)]
    enum Through {
        One(FeedId),
        Many,
    }
    let hops = graph.hops(own, REACH_HOPS, MAX_FRIENDS);
    let mut through: BTreeMap<FeedId, Through> = BTreeMap::new();
    for distance in 1..=REACH_HOPS {
        let layer: Vec<FeedId> = hops
            .iter()
            .filter(|(_, d)| **d == distance)
            .map(|(f, _)| *f)
            .collect();
        if distance == 1 {
            through.extend(layer.into_iter().map(|f| (f, Through::One(f))));
            continue;
        }
        let before: Vec<FeedId> = hops
            .iter()
            .filter(|(_, d)| **d == distance - 1)
            .map(|(f, _)| *f)
            .collect();
        for feed in before {
            let Some(mine) = through.get(&feed).copied() else {
                continue;
            };
            for target in graph.follows(&feed) {
                if hops.get(&target) != Some(&distance) {
                    continue;
                }
                through
                    .entry(target)
                    .and_modify(|t| {
                        if *t != mine {
                            *t = Through::Many;
                        }
                    })
                    .or_insert(mine);
            }
        }
    }
    hops.iter()
        .filter(|(_, d)| **d > 0)
        .map(|(feed, d)| {
            let only_through = match through.get(feed) {
                Some(Through::One(friend)) => Some(*friend),
                _ => None,
            };
            let hops = u8::try_from(*d).unwrap_or(u8::MAX);
            (*feed, Reach { hops, only_through })
        })
        .collect()
}

impl Node {
    /// Hops of friends to replicate.
    pub(crate) fn hops(&self) -> u8 {
        let inner = self.inner();
        let chosen = inner
            .state
            .setting("hops")
            .ok()
            .flatten()
            .and_then(|h| h.parse().ok());
        chosen.or(inner.config.hops).unwrap_or(DEFAULT_HOPS)
    }

    /// Works out anew what is wanted and tells everybody concerned.
    pub(crate) async fn replan_now(&self) {
        let done = self
            .blocking(|node| {
                node.replan_blocking()
                    .map_err(|e| ApiError::failed("cannot work out what to replicate", &*e))
            })
            .await;
        if let Err(error) = done {
            tracing::warn!("{}", error.message);
        }
    }

    fn replan_blocking(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let inner = self.inner();
        let policy = &inner.policy;
        let reader = self.reader();
        let learner = reader.learner()?;
        let own: Vec<(FeedId, OwnKind)> = self.keys().iter().map(|(id, f)| (*id, f.kind)).collect();
        let own_ids: Vec<FeedId> = own.iter().map(|(id, _)| *id).collect();
        // An index that is behind may not know the user's choice yet.
        let behind = inner.indexer.position() < inner.feeds.last_position()?;
        let lists = match &learner.catalogs {
            Some(chosen) => chosen.clone(),
            None if behind => policy.lists(),
            None => policy.default_lists.clone(),
        };

        let (reached, blocked, blocks, reach_map) = {
            let shared = policy.lock_graph();
            let blocked: BTreeSet<FeedId> = own_ids
                .iter()
                .flat_map(|id| shared.graph.blocked_by(id))
                .collect();
            let blocks: BTreeSet<(FeedId, FeedId)> = shared.graph.blocks().collect();
            let hops = shared
                .graph
                .hops(&own_ids, u32::from(self.hops()), MAX_FRIENDS);
            (hops, blocked, blocks, reach(&shared.graph, &own_ids))
        };

        let mut wants: BTreeMap<FeedId, (Want, Reason)> = BTreeMap::new();
        let mut add = |feed: FeedId, want: Want, reason: &'static str| {
            wants.entry(feed).or_insert((want, Reason(reason)));
        };
        for id in &own_ids {
            add(*id, Want::own(), "one of your own feeds");
        }
        for list in lists.iter().chain(&policy.seeds) {
            add(*list, Want::fetch(Priority::LIST), "a course list of yours");
        }
        for course in &learner.courses {
            add(
                course.feed_id,
                Want::fetch(Priority::STARTED),
                "a course you started",
            );
        }
        for course in self.opened_courses() {
            add(course, Want::fetch(Priority::OPENED), "a course you opened");
        }
        let listed = reader.listed_courses();
        for course in listed.iter().take(MAX_LISTED) {
            let seeded = course.lists.iter().any(|l| policy.seeds.contains(l));
            let priority = if seeded {
                Priority::STARTED
            } else {
                Priority::LISTED
            };
            add(
                course.feed_id,
                Want::fetch(priority),
                "a course on one of your lists",
            );
        }
        for (feed, distance) in &reached {
            if *distance > 0 {
                add(
                    *feed,
                    Want::fetch(Priority::FRIEND).known_only(),
                    "followed by you, or by those you follow",
                );
            }
        }
        for (feed, _) in inner.feeds.tips()? {
            add(
                feed,
                Want::serve(Priority::HELD),
                "kept and passed on, but no longer fetched",
            );
        }
        for feed in &blocked {
            wants.remove(feed);
        }

        let _ = inner
            .state
            .set_setting(LISTS, &serde_json::to_string(&lists)?);
        inner.hub.set_wanted(&wants, &blocked, &blocks);
        let opened = self.opened_courses();
        *policy.own.lock().unwrap_or_else(PoisonError::into_inner) = own_ids.clone();
        *policy.plan.write().unwrap_or_else(PoisonError::into_inner) = Plan {
            wants,
            lists: lists.clone(),
            blocked,
        };
        inner.hub.review_known(|feed| self.is_known(feed));
        inner.indexer.set_facts(Facts {
            own: own_ids,
            lists,
            opened,
            reach: reach_map,
            bytes_here: bytes_here(&inner.holdings),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_replicate::Edge;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    #[test]
    fn identities_behind_one_friend_hang_on_that_friend() {
        let mut graph = Graph::new();
        for (from, to) in [(0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 5), (4, 6)] {
            graph.set(&feed(from), &feed(to), Edge::Follow, 1);
        }
        let reach = reach(&graph, &[feed(0)]);
        let at = |n| reach[&feed(n)];
        assert_eq!(
            at(1),
            Reach {
                hops: 1,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(3),
            Reach {
                hops: 2,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(4),
            Reach {
                hops: 2,
                only_through: None
            }
        );
        assert_eq!(
            at(5),
            Reach {
                hops: 3,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(6),
            Reach {
                hops: 3,
                only_through: None
            }
        );
        assert!(!reach.contains_key(&feed(0)));
    }
}
