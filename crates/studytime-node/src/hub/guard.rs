//! Own feeds that must not be published on for now: what peers say and send of
//! them goes to the guard, what it decides goes to EBT, the drivers, the disk.

use super::{Chore, Errand, Hub, State};
use crate::writer::Outcome;
use std::collections::BTreeSet;
use studytime_replicate::PeerId;
use studytime_replicate::guard::{Arrived, Claim, GuardOutput, Lock, Locked};
use studytime_replicate::store::Appended;
use studytime_schema::FeedId;

impl Hub {
    /// Why a feed may not be published on now; `None` when it may.
    pub(crate) fn locked(&self, feed: &FeedId) -> Option<Locked> {
        self.lock().guard.locked(feed, crate::clock::now_ms())
    }

    /// All feeds that may not be published on, with the last sequence here.
    pub(crate) fn locks(&self) -> Vec<(FeedId, Locked)> {
        let state = self.lock();
        let now = crate::clock::now_ms();
        let feeds = state.guard.watched().into_iter();
        feeds
            .filter_map(|feed| Some((feed, state.guard.locked(&feed, now)?)))
            .collect()
    }

    /// The user chose this peer: what it says of own feeds weighs more.
    pub(crate) fn choose(&self, peer: FeedId) {
        self.lock().chosen.insert(peer);
    }

    /// The last sequence of a feed that is passed on; 0 for none.
    pub(crate) fn shown(&self, feed: &FeedId) -> u64 {
        self.lock().shown(feed)
    }
}

impl State {
    /// Takes in the locks that are on disk.
    pub(super) fn load_locks(&mut self, locks: &[(FeedId, Lock)], now: u64) {
        for (feed, lock) in locks {
            let tip = self.tips.get(feed).copied().unwrap_or(0);
            self.guard.lock(*feed, *lock, tip, now);
            self.ebt.set_withheld(*feed, true, now);
            self.told_locked.insert(*feed);
        }
    }

    /// The last sequence of a feed that is passed on: the last one in the store,
    /// or the one before it while the feed waits for its peers' word.
    pub(super) fn shown(&self, feed: &FeedId) -> u64 {
        let tip = self.tips.get(feed).copied().unwrap_or(0);
        tip.saturating_sub(u64::from(self.guard.withholds(feed)))
    }

    pub(super) fn own_ahead(
        &mut self,
        peer: PeerId,
        feed: FeedId,
        claimed: u64,
        here: u64,
        now: u64,
    ) {
        if self.ebt.shuns(&peer.feed, &feed) {
            return;
        }
        tracing::warn!(
            "{} has {claimed} messages of your feed {feed}, here are {here}: waiting for the rest",
            peer.feed.short()
        );
        let claim = Claim {
            peer,
            sequence: claimed,
            chosen: self.chosen.contains(&peer.feed),
        };
        self.guard.handle_ahead(claim, feed, here, now);
    }

    /// What became of a message that a peer sent, when its feed is an own one.
    pub(super) fn own_arrived(
        &mut self,
        peer: PeerId,
        feed: FeedId,
        sequence: u64,
        outcome: &Outcome,
        tip: Option<u64>,
        now: u64,
    ) {
        if !self.wanted.get(&feed).is_some_and(|w| w.own) {
            return;
        }
        let stored = self.tips.get(&feed).copied().unwrap_or(0);
        let arrived = |new| Arrived {
            sequence,
            new,
            tip: tip.unwrap_or(0).max(stored),
        };
        let chosen = self.chosen.contains(&peer.feed);
        let arrived = match outcome {
            Outcome::Append(Appended::At(_)) => arrived(true),
            Outcome::Append(Appended::Duplicate) => arrived(false),
            Outcome::Append(Appended::Gap { .. }) => return,
            Outcome::Append(Appended::Fork { .. }) | Outcome::Refused(_) => {
                return self.guard.handle_bad(&peer.feed, &feed);
            }
        };
        self.guard
            .handle_arrived(peer.feed, chosen, feed, arrived, now);
    }

    /// Looks at locked feeds again, when that is due.
    pub(crate) fn review_locks(&mut self, now: u64) {
        if self.guard.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        for feed in self.guard.watched() {
            let tip = self.tips.get(&feed).copied().unwrap_or(0);
            let claims: Vec<Claim> = self
                .ebt
                .claims(&feed)
                .into_iter()
                .filter(|(peer, _)| !self.ebt.shuns(&peer.feed, &feed))
                .map(|(peer, sequence)| Claim {
                    peer,
                    sequence,
                    chosen: self.chosen.contains(&peer.feed),
                })
                .collect();
            self.guard.review(feed, tip, &claims, now);
        }
    }

    /// Does what the guard asks for. Answers whether that was anything.
    pub(super) fn hand_out_guard(&mut self, hub: &Hub, now: u64) -> bool {
        let mut any = false;
        while let Some(output) = self.guard.poll_output() {
            any = true;
            match output {
                GuardOutput::Save { feed, lock } => {
                    self.ebt.set_withheld(feed, lock.is_some(), now);
                    if lock.is_none() {
                        // The last message may go out now.
                        self.tell_history(feed);
                    }
                    hub.chore(Chore::SaveLock(feed, lock));
                }
                GuardOutput::Ask { peer, feed, from } => {
                    self.errand(peer.connection, Errand::FetchHistory { feed, from });
                }
                _ => {}
            }
        }
        let watched: BTreeSet<FeedId> = self.guard.watched().into_iter().collect();
        if watched != self.told_locked {
            for feed in watched.symmetric_difference(&self.told_locked) {
                hub.chore(Chore::LockChanged(*feed, watched.contains(feed)));
            }
            self.told_locked = watched;
        }
        any
    }
}
