//! What is known about one own feed.

use super::{Cause, Claim, GuardConfig, Lock, Locked, MAX_CLAIMS};
use crate::ebt::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::FeedId;

/// What one peer says, over all its connections in this run.
#[derive(Debug, Clone, Copy)]
struct Word {
    sequence: u64,
    chosen: bool,
    /// Since when it claims more than is here. A peer that comes back, or claims
    /// still more, does not get new patience.
    since: u64,
    /// When, and from which sequence on, it was last asked for our last message.
    asked: Option<(u64, u64)>,
}

/// A peer that sent a message that is in our store.
#[derive(Debug, Clone, Copy)]
struct Holder {
    sequence: u64,
    chosen: bool,
}

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) lock: Option<Lock>,
    /// Until when a mere claim is looked into.
    pub(super) checking: Option<u64>,
    pub(super) tip: u64,
    /// Until when mere claims of strangers do not lock.
    resting: u64,
    /// When the feed last grew, or was locked.
    pub(super) progress: u64,
    words: BTreeMap<FeedId, Word>,
    holders: BTreeMap<FeedId, Holder>,
    /// Peers whose word does not count.
    bad: BTreeSet<FeedId>,
    /// Since when all that is needed is there.
    calm: Option<u64>,
    /// Since when only strangers' claims stand in the way.
    held: Option<u64>,
}

impl Entry {
    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some() || self.checking.is_some()
    }

    /// The feed reaches to `tip` now.
    pub(super) fn grown(&mut self, tip: u64, now: u64) {
        if tip > self.tip {
            self.tip = tip;
            self.progress = now;
            self.calm = None;
            self.held = None;
            self.holders.retain(|_, h| h.sequence >= tip);
        }
    }

    pub(super) fn hear(&mut self, claim: &Claim, now: u64) {
        let peer = claim.peer.feed;
        if self.bad.contains(&peer) || claim.sequence == 0 {
            return;
        }
        let tip = self.tip;
        if let Some(word) = self.words.get_mut(&peer) {
            if word.sequence <= tip && claim.sequence > tip {
                word.since = now;
            }
            word.sequence = claim.sequence;
            word.chosen = claim.chosen;
            return;
        }
        if self.words.len() >= MAX_CLAIMS {
            // What is least worth knowing goes: a stranger that claims nothing
            // new, or whose claim has waited longest for a message.
            let strangers = self.words.iter().filter(|(_, w)| !w.chosen);
            let spare = strangers.min_by_key(|(_, w)| (w.sequence > tip, w.since));
            let Some(spare) = spare.map(|(peer, _)| *peer) else {
                return;
            };
            self.words.remove(&spare);
        }
        self.words.insert(
            peer,
            Word {
                sequence: claim.sequence,
                chosen: claim.chosen,
                since: now,
                asked: None,
            },
        );
    }

    /// A mere claim: locks for a moment, unless such claims had theirs.
    pub(super) fn check(&mut self, claim: &Claim, config: &GuardConfig, now: u64) {
        let Some(word) = self.words.get_mut(&claim.peer.feed) else {
            return;
        };
        let fresh = word.since == now || now.saturating_sub(word.since) >= config.rest;
        if !fresh || (!claim.chosen && now < self.resting) {
            return;
        }
        word.since = now;
        let patience = match claim.chosen {
            true => config.deliver_within,
            false => {
                self.resting = now.saturating_add(config.rest);
                config.grace
            }
        };
        let until = now.saturating_add(patience);
        self.checking = Some(self.checking.map_or(until, |before| before.max(until)));
    }

    /// Whether what was looked into has come to nothing.
    pub(super) fn checked(&mut self, now: u64) -> bool {
        let over = self.checking.is_some_and(|until| until <= now) || self.highest().is_none();
        if over {
            self.checking = None;
        }
        over
    }

    /// A peer sent this message, and it is ours.
    pub(super) fn holds(&mut self, peer: FeedId, chosen: bool, sequence: u64) {
        let room = self.holders.len() < MAX_CLAIMS || self.holders.contains_key(&peer);
        if sequence >= self.tip && room {
            self.holders.insert(peer, Holder { sequence, chosen });
        }
    }

    pub(super) fn forget_holders(&mut self) {
        self.holders.clear();
        self.calm = None;
        self.held = None;
    }

    pub(super) fn disown(&mut self, peer: &FeedId) {
        self.words.remove(peer);
        self.holders.remove(peer);
        self.calm = None;
        if self.bad.len() < MAX_CLAIMS {
            self.bad.insert(*peer);
        }
    }

    /// The highest claim beyond what is here.
    pub(super) fn highest(&self) -> Option<(FeedId, u64)> {
        let above = self.words.iter().filter(|(_, w)| w.sequence > self.tip);
        above
            .max_by_key(|(_, w)| w.sequence)
            .map(|(peer, w)| (*peer, w.sequence))
    }

    /// Whether a claim beyond our last message may still come true.
    fn credible(&self, word: &Word, cause: Cause, config: &GuardConfig, now: u64) -> bool {
        let patience = now.saturating_sub(word.since.max(self.progress)) < config.deliver_within;
        word.sequence > self.tip && (patience || (word.chosen && cause == Cause::Restored))
    }

    /// Whom to ask for our last message, and from where on.
    pub(super) fn ask(
        &mut self,
        claims: &[Claim],
        config: &GuardConfig,
        now: u64,
    ) -> Vec<(PeerId, u64)> {
        let from = self.tip.max(1);
        let stuck = now.saturating_sub(self.progress) >= config.settle;
        let mut asks = Vec::new();
        for claim in claims.iter().filter(|c| c.sequence >= from) {
            let peer = claim.peer.feed;
            // Who claims more is being fetched from; its first message tells.
            let due = claim.sequence == self.tip || stuck;
            let holds = self.holders.contains_key(&peer) && claim.sequence == self.tip;
            let Some(word) = self.words.get_mut(&peer).filter(|_| due && !holds) else {
                continue;
            };
            let lately = |(at, asked): (u64, u64)| {
                asked == from && now.saturating_sub(at) < config.ask_every
            };
            if !word.asked.is_some_and(lately) {
                word.asked = Some((now, from));
                asks.push((claim.peer, from));
            }
        }
        asks
    }

    fn needed(cause: Cause, config: &GuardConfig) -> usize {
        match cause {
            Cause::Restored => config.confirmations,
            Cause::Lost => 1,
        }
    }

    /// Whether the feed has been whole and quiet for long enough.
    pub(super) fn is_settled(&mut self, cause: Cause, config: &GuardConfig, now: u64) -> bool {
        let chosen = self.holders.values().any(|h| h.chosen);
        let confirmed =
            self.tip > 0 && (chosen || self.holders.len() >= Self::needed(cause, config));
        let (mut chosen_ahead, mut ahead) = (false, false);
        for word in self.words.values() {
            if self.credible(word, cause, config, now) {
                ahead = true;
                chosen_ahead |= word.chosen;
            }
        }
        if !confirmed {
            self.calm = None;
            self.held = None;
            return false;
        }
        if ahead {
            let held = now.saturating_sub(*self.held.get_or_insert(now));
            if chosen_ahead || held < config.hold_at_most {
                self.calm = None;
                return false;
            }
        }
        let calm = *self.calm.get_or_insert(now);
        now.saturating_sub(calm.max(self.progress)) >= config.settle
    }

    pub(super) fn describe(&self, config: &GuardConfig, now: u64) -> Option<Locked> {
        let until = self.checking.filter(|until| *until > now);
        if self.lock.is_none() && until.is_none() {
            return None;
        }
        let cause = self.lock.map_or(Cause::Lost, |l| l.cause);
        let credible = self
            .words
            .iter()
            .filter(|(_, w)| self.credible(w, cause, config, now));
        Some(Locked {
            lock: self.lock,
            ahead: credible
                .max_by_key(|(_, w)| w.sequence)
                .map(|(peer, w)| (*peer, w.sequence)),
            confirmed: self.holders.len(),
            needed: Self::needed(cause, config),
            until,
        })
    }
}
