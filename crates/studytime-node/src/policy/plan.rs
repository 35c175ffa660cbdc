//! Working out what is wanted: whenever lists, enrolments, follows or settings
//! change, a peer offers something, or much has come in.

use super::graph::reach;
use super::{Budget, DEFAULT_HOPS, LISTS, MAX_FRIENDS, Plan, Reason};
use crate::api::{ApiError, BudgetReply};
use crate::indexer::bytes_here;
use crate::node::Node;
use crate::store::OwnKind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use studytime_index::{Facts, Reader};
use studytime_replicate::ebt::{Priority, Want};
use studytime_replicate::store::Counts;
use studytime_schema::FeedId;

/// Courses taken from one list that a pub carries.
const MAX_CARRIED: usize = 1_000;
/// Feeds that ask for a place in the budget, at most.
const MAX_ASKING: usize = 100_000;

/// Settings: the budget, when the user chose one.
pub(crate) const BUDGET_MESSAGES: &str = "budget_messages";
pub(crate) const BUDGET_BYTES: &str = "budget_bytes";

type Wants = BTreeMap<FeedId, (Want, Reason)>;

fn add(wants: &mut Wants, feed: FeedId, want: Want, reason: &'static str) {
    wants.entry(feed).or_insert((want, Reason(reason)));
}

/// A feed that is wanted if there is room for it.
struct Asking {
    feed: FeedId,
    want: Want,
    reason: &'static str,
}

impl Node {
    /// Hops of friends to replicate.
    pub(crate) fn hops(&self) -> u8 {
        let inner = self.inner();
        let hops = self.number("hops").or(inner.config.hops);
        hops.unwrap_or(DEFAULT_HOPS)
    }

    /// How much may be held of what nobody here asked for by name.
    pub(crate) fn budget(&self) -> Budget {
        let config = &self.inner().config;
        let mut budget = Budget::default();
        if let Some(messages) = self.number(BUDGET_MESSAGES).or(config.budget_messages) {
            budget.limit.messages = messages;
        }
        if let Some(bytes) = self.number(BUDGET_BYTES).or(config.budget_bytes) {
            budget.limit.bytes = bytes;
        }
        budget
    }

    fn number<T: std::str::FromStr>(&self, setting: &str) -> Option<T> {
        let chosen = self.inner().state.setting(setting).ok().flatten();
        chosen.and_then(|v| v.parse().ok())
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

    fn replan_blocking(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
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

        let mut wants = Wants::new();
        for id in &own_ids {
            add(&mut wants, *id, Want::own(), "one of your own feeds");
        }
        for list in lists.iter().chain(&policy.seeds) {
            let want = Want::fetch(Priority::LIST);
            add(&mut wants, *list, want, "a course list of yours");
        }
        for course in &learner.courses {
            let want = Want::fetch(Priority::STARTED);
            add(&mut wants, course.feed_id, want, "a course you started");
        }
        for course in self.pinned_courses()? {
            let want = Want::fetch(Priority::STARTED);
            add(&mut wants, course, want, "a course you keep");
        }
        let opened = self.opened_courses();
        for course in &opened {
            let want = Want::fetch(Priority::OPENED);
            add(&mut wants, *course, want, "a course you opened");
        }
        let listed = reader.listed_courses();
        for course in &listed {
            if course.lists.iter().any(|l| policy.seeds.contains(l)) {
                let want = Want::fetch(Priority::STARTED);
                add(&mut wants, course.feed_id, want, "a course this node seeds");
            }
        }
        for feed in &blocked {
            wants.remove(feed);
        }

        let mut friends: Vec<(u32, FeedId)> = reached.iter().map(|(f, d)| (*d, *f)).collect();
        friends.retain(|(distance, feed)| *distance > 0 && !blocked.contains(feed));
        friends.sort_unstable();
        let followed = friends.partition_point(|(distance, _)| *distance <= 1);

        let mut asking: Vec<Asking> = Vec::new();
        let mut ask = |feed, want, reason| asking.push(Asking { feed, want, reason });
        let person = Want::fetch(Priority::FRIEND).known_only();
        // Whom the user chose to follow must not be crowded out by courses that
        // others have listed.
        for (_, feed) in friends.iter().take(followed) {
            ask(*feed, person, "followed by you");
        }
        for course in &listed {
            let want = Want::fetch(Priority::LISTED);
            ask(course.feed_id, want, "a course on one of your lists");
        }
        for (_, feed) in friends.iter().skip(followed) {
            ask(*feed, person, "followed by those you follow");
        }
        if inner.builder.is_pub {
            for feed in self.carried(&reader, &own_ids)? {
                let want = Want::fetch(Priority::CARRIED);
                ask(feed, want, "carried for somebody this pub follows");
            }
        }
        let held: HashMap<FeedId, Counts> = inner.feeds.sizes()?.into_iter().collect();
        let budget = self.admit(&mut wants, asking, &blocked, &held);
        let study = reader.study_feeds()?;
        for feed in held.keys().filter(|f| !blocked.contains(f)) {
            let mut want = Want::serve(Priority::HELD);
            if !study.contains(feed) {
                // A person's feed, which is not for strangers.
                want = want.known_only();
            }
            let reason = "kept and passed on, but no longer fetched";
            add(&mut wants, *feed, want, reason);
        }

        let _ = inner
            .state
            .set_setting(LISTS, &serde_json::to_string(&lists)?);
        inner.hub.set_wanted(&wants, &blocked, &blocks);
        *policy.own.lock().unwrap_or_else(PoisonError::into_inner) = own_ids.clone();
        let shown = policy.shown_lists(&lists);
        *policy.plan.write().unwrap_or_else(PoisonError::into_inner) = Plan {
            wants,
            lists,
            friends: friends.iter().map(|(_, feed)| *feed).collect(),
            blocked,
            budget,
        };
        let chosen = inner.state.chosen_peers().unwrap_or_default();
        let known = |peer: &FeedId| policy.is_friend(peer) || chosen.contains(peer);
        inner.hub.review_known(known);
        self.offer_seeders(policy.bundled(), &shown);
        inner.indexer.set_facts(Facts {
            own: own_ids,
            lists: shown,
            opened,
            reach: reach_map,
            bytes_here: bytes_here(&inner.holdings),
        });
        Ok(())
    }

    /// Puts in those that there is room for, the most wanted first.
    fn admit(
        &self,
        wants: &mut Wants,
        mut asking: Vec<Asking>,
        blocked: &BTreeSet<FeedId>,
        held: &HashMap<FeedId, Counts>,
    ) -> BudgetReply {
        let mut seen = BTreeSet::new();
        asking.retain(|a| {
            !blocked.contains(&a.feed) && !wants.contains_key(&a.feed) && seen.insert(a.feed)
        });
        asking.truncate(MAX_ASKING);
        let budget = self.budget();
        let counts = |a: &Asking| held.get(&a.feed).copied().unwrap_or_default();
        let all = budget.allot(asking.iter().map(counts));
        let slack = budget.slack(&all.used);
        self.inner().policy.slack.store(slack, Ordering::Relaxed);
        for (asking, _) in asking.into_iter().zip(all.fetched).filter(|(_, in_)| *in_) {
            add(wants, asking.feed, asking.want, asking.reason);
        }
        BudgetReply {
            limit: budget.limit,
            used: all.used,
            left_out: all.left_out,
        }
    }

    /// What a pub carries for those it follows: their lists and courses, and the
    /// courses on these lists. A feed that one of them follows counts as a list
    /// or course when its owner says so, or what is here of it does.
    fn carried(
        &self,
        reader: &Reader,
        own: &[FeedId],
    ) -> Result<Vec<FeedId>, Box<dyn Error + Send + Sync>> {
        let (members, followed) = {
            let shared = self.inner().policy.lock_graph();
            let members: BTreeSet<FeedId> =
                own.iter().flat_map(|id| shared.graph.follows(id)).collect();
            let followed: BTreeSet<FeedId> = members
                .iter()
                .flat_map(|member| shared.graph.follows(member))
                .collect();
            (members, followed)
        };
        let (mut lists, mut courses) = (BTreeSet::new(), BTreeSet::new());
        self.inner().nearby.each(|peer, info| {
            if members.contains(peer) {
                lists.extend(&info.lists);
                courses.extend(&info.courses);
            }
        });
        for feed in followed {
            if reader.is_course(&feed)? {
                courses.insert(feed);
            } else if !reader.named_by(&feed, 1)?.is_empty() {
                lists.insert(feed);
            }
        }
        let mut carried: Vec<FeedId> = lists.iter().copied().collect();
        carried.extend(courses);
        for list in lists {
            carried.extend(reader.named_by(&list, MAX_CARRIED)?);
        }
        Ok(carried)
    }
}
