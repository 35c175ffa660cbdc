//! What is replicated, and why: own feeds, the chosen lists, courses by
//! priority, friends. Never what is blocked.

mod budget;
mod graph;
mod plan;

pub(crate) use budget::Budget;
pub(crate) use graph::{SharedGraph, save_graph};
pub(crate) use plan::{BUDGET_BYTES, BUDGET_MESSAGES};

use crate::api::BudgetReply;
use crate::builder::Builder;
use crate::holdings::Holdings;
use crate::indexer::bytes_here;
use crate::node::OpenError;
use crate::sample::{self, DefaultList};
use crate::store::{KeyRing, State};
use graph::{load_graph, reach};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use studytime_index::Facts;
use studytime_replicate::FeedStore;
use studytime_replicate::ebt::Want;
use studytime_schema::FeedId;

/// Feeds reached over friends.
const MAX_FRIENDS: usize = 5_000;
/// Hops of friends when the user did not say.
pub(crate) const DEFAULT_HOPS: u8 = 1;
/// Setting: the user's lists as last known, so that a start need not wait for the index.
const LISTS: &str = "lists";
/// Why a feed is wanted, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) &'static str);

#[derive(Debug, Default)]
struct Plan {
    wants: BTreeMap<FeedId, (Want, Reason)>,
    lists: Vec<FeedId>,
    blocked: BTreeSet<FeedId>,
    /// Within the chosen hops, whether there is room for them or not.
    friends: BTreeSet<FeedId>,
    budget: BudgetReply,
}

/// What this node wants to have.
#[derive(Debug)]
pub(crate) struct Policy {
    graph: Arc<Mutex<SharedGraph>>,
    plan: RwLock<Plan>,
    own: Mutex<Vec<FeedId>>,
    seeds: Vec<FeedId>,
    default_lists: Vec<FeedId>,
    /// The same, with where to find them.
    bundled: Vec<DefaultList>,
    /// Messages that may still come in before the plan is made anew.
    slack: AtomicU64,
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
        let bundled = if builder.default_lists {
            sample::lists()?
        } else {
            Vec::new()
        };
        let default_lists: Vec<FeedId> = bundled.iter().map(|list| list.feed).collect();
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
            bundled,
            slack: AtomicU64::new(u64::MAX),
        })
    }

    /// How much may be held of what nobody asked for by name, and how much is.
    pub(crate) fn budget(&self) -> BudgetReply {
        self.read().budget
    }

    /// Messages came in; whether so many that it must be looked at anew who is
    /// within the budget.
    pub(crate) fn grown(&self, messages: u64) -> bool {
        let take = |slack: u64| (slack > 0).then(|| slack.saturating_sub(messages));
        self.slack
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok_and(|slack| slack <= messages)
    }

    /// The lists whose courses are known here: the user's, in order, then those
    /// that are seeded.
    fn shown_lists(&self, chosen: &[FeedId]) -> Vec<FeedId> {
        let mut shown = chosen.to_vec();
        shown.extend(self.seeds.iter().filter(|s| !chosen.contains(s)));
        shown
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

    /// The same, with where to find them.
    pub(crate) fn bundled(&self) -> &[DefaultList] {
        &self.bundled
    }

    /// Whether a list came with the program.
    pub(crate) fn is_builtin(&self, list: &FeedId) -> bool {
        self.default_lists.contains(list)
    }

    /// Whether we want nothing to do with a feed.
    pub(crate) fn is_blocked(&self, feed: &FeedId) -> bool {
        self.read().blocked.contains(feed)
    }

    /// Whether a feed is that of somebody within the chosen hops.
    pub(crate) fn is_friend(&self, feed: &FeedId) -> bool {
        self.read().friends.contains(feed)
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
            lists: self.shown_lists(&self.lists()),
            opened: Vec::new(),
            reach: reach(&graph.graph, &own),
            own,
            bytes_here: bytes_here(holdings),
        }
    }
}
