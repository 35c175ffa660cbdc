//! Who is next, and who has to go: the decisions of the scheduler.

use super::candidate::{Entry, Phase};
use super::{Action, BUSY_MS, Kind, SURPLUS_MS, Scheduler, backoff};
use std::collections::HashSet;
use studytime_schema::FeedId;

/// What a decision looks at, worked out once for all candidates.
pub(super) struct View<'a> {
    /// Connected, or being dialled at any address.
    taken: HashSet<FeedId>,
    /// Can be reached over the local network, which is then the way to take as
    /// long as it has not failed.
    near: HashSet<FeedId>,
    blocked: &'a dyn Fn(&FeedId) -> bool,
}

impl View<'_> {
    pub(super) fn has_nearer(&self, entry: &Entry) -> bool {
        entry.kind() != Kind::Lan && self.near.contains(&entry.key)
    }
}

impl Scheduler {
    /// Cuts what is beyond the quota, or whose turn is over while others wait.
    pub(super) fn surplus(
        &mut self,
        group: Kind,
        now: u64,
        view: &View<'_>,
        wake: &mut u64,
    ) -> Option<Action> {
        let used = self.used(group);
        if used < group.quota() {
            return None;
        }
        let excess = used - group.quota();
        let waiting = self.entries.values();
        let waiting = waiting
            .filter(|e| self.may_dial(e, group, view) && e.due <= now)
            .count();
        if excess == 0 && waiting == 0 {
            return None;
        }
        let turn = backoff::turn(waiting);
        let (entries, links) = (&self.entries, &mut self.links);
        // The one that has been up longest goes first.
        let (connection, link) = links
            .iter_mut()
            .filter(|(_, l)| !l.dropped)
            .filter(|(_, l)| {
                let entry = l.address.as_ref().and_then(|a| entries.get(a));
                entry.is_some_and(|e| e.counts_for(group))
            })
            .min_by_key(|(_, l)| l.since)?;
        let mut due = u64::MAX;
        if excess > 0 {
            due = link.since + SURPLUS_MS / excess as u64;
        }
        if waiting > 0 {
            let quiet = (link.since + turn).max(link.active + BUSY_MS);
            due = due.min(quiet.min(link.since + 2 * turn));
        }
        if due > now {
            *wake = (*wake).min(due);
            return None;
        }
        link.dropped = true;
        Some(Action::Drop {
            connection: *connection,
            why: "others had to wait: its turn comes again",
        })
    }

    /// The candidate of a group whose turn it is: of those that are due the one
    /// that was tried longest ago, else the one that is due first.
    pub(super) fn next_in(&self, group: Kind, now: u64, view: &View<'_>) -> Option<(String, u64)> {
        self.entries
            .iter()
            .filter(|(_, e)| self.may_dial(e, group, view))
            .min_by_key(|(_, e)| (e.due.max(now), e.record.last_try, e.due))
            .map(|(address, e)| (address.clone(), e.due))
    }

    fn may_dial(&self, entry: &Entry, group: Kind, view: &View<'_>) -> bool {
        entry.phase == Phase::Idle
            && !entry.offers.is_empty()
            && entry.kind().group() == group
            && (self.network || !entry.needs_network)
            && !view.taken.contains(&entry.key)
            && !view.has_nearer(entry)
            && !(view.blocked)(&entry.key)
    }

    pub(super) fn view<'a>(&self, blocked: &'a dyn Fn(&FeedId) -> bool) -> View<'a> {
        let dialling = self.entries.values().filter(|e| e.is_dialling());
        let taken = dialling.map(|e| e.key);
        let taken = taken.chain(self.links.values().map(|l| l.key)).collect();
        let mut near = HashSet::new();
        if self.used(Kind::Lan) < Kind::Lan.quota() {
            let heard = self.entries.values();
            let heard = heard.filter(|e| e.offers.contains_key(&Kind::Lan));
            near.extend(heard.filter(|e| e.record.failures == 0).map(|e| e.key));
        }
        View {
            taken,
            near,
            blocked,
        }
    }

    pub(super) fn used(&self, group: Kind) -> usize {
        self.entries
            .values()
            .filter(|e| e.counts_for(group))
            .count()
    }
}
