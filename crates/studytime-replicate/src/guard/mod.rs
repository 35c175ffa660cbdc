//! Keeps own feeds from being forked by their owner: after a restore, and after
//! a loss of messages that nobody knows of.
//!
//! Whoever publishes message 5 of a feed whose real message 5 stands on other
//! machines has forked the feed, for good. [`Guard`] decides for each own feed
//! whether that danger exists. A pure state machine: no socket, disk, clock.
//!
//! # How a feed gets locked
//!
//! - **Restored.** [`Guard::lock`] with [`Cause::Restored`], for every own feed of a
//!   restored data directory.
//! - **Ahead.** A peer's note claims more than is here ([`Guard::handle_ahead`]).
//!   A number proves nothing, so this alone holds for [`GuardConfig::grace`] at
//!   most, and strangers get that only once in [`GuardConfig::rest`]: whoever
//!   lies, with however many names, costs the owner half a minute an hour. A peer
//!   that the owner chose gets [`GuardConfig::deliver_within`].
//! - **Lost.** A message signed by our own key arrives that we do not hold
//!   ([`Guard::handle_arrived`]). That cannot be a lie. The feed is locked until it
//!   is whole; this is kept on disk.
//!
//! # How it is freed
//!
//! A peer *confirms* by sending the very message that is our last one; what it
//! says in notes only decides whom to ask ([`GuardOutput::Ask`]). While a feed is
//! locked its last message is passed on to nobody
//! ([`Ebt::set_withheld`](crate::Ebt::set_withheld)), so nobody can confirm what it
//! has from us. [`GuardConfig::confirmations`] distinct peers free a restored feed,
//! or one peer that the owner chose; one peer frees a lost one. All of that only
//! while no peer credibly claims more, and after [`GuardConfig::settle`] of quiet.
//!
//! A claim beyond our last message holds the lock while it may still be delivered:
//! a stranger's for [`GuardConfig::deliver_within`] after the feed last grew, a
//! chosen peer's (of a restored feed) without end. Strangers together can hold up
//! an otherwise confirmed feed for [`GuardConfig::hold_at_most`].
//!
//! # How to drive it
//!
//! Call [`Guard::review`] for each of [`Guard::watched`] when [`Guard::poll_timeout`]
//! says so, with what connected peers claim ([`Ebt::claims`](crate::Ebt::claims));
//! poll outputs after every call.

mod feed;

use crate::ebt::PeerId;
use feed::Entry;
use std::collections::{BTreeMap, VecDeque};
use studytime_schema::FeedId;

/// The most peers whose claims on one own feed are remembered.
pub const MAX_CLAIMS: usize = 256;

/// Times and numbers; times are in milliseconds. The defaults fit most.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Distinct peers that must hold our last message before a restored feed is
    /// free (2). A peer that the owner chose counts for as many.
    pub confirmations: usize,
    /// How long nothing may change before a feed is freed (10 s).
    pub settle: u64,
    /// How long a stranger's mere claim locks (30 s).
    pub grace: u64,
    /// How long after that mere claims of strangers, or of the same peer, do not
    /// lock again (an hour).
    pub rest: u64,
    /// How long a stranger's claim holds a lock without a message coming, and how
    /// long a chosen peer's mere claim locks (5 min).
    pub deliver_within: u64,
    /// How long strangers' claims can hold up a feed that is confirmed (30 min).
    pub hold_at_most: u64,
    /// How often a peer is asked again for our last message (a minute).
    pub ask_every: u64,
    /// How often watched feeds are reviewed (1 s).
    pub review_every: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            confirmations: 2,
            settle: 10_000,
            grace: 30_000,
            rest: 3_600_000,
            deliver_within: 300_000,
            hold_at_most: 1_800_000,
            ask_every: 60_000,
            review_every: 1_000,
        }
    }
}

/// Why a feed is locked until further notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its key, or a backup of it, was restored: newer messages may exist.
    Restored,
    /// Messages by its own key came from a peer, so some were lost here.
    Lost,
}

/// A lock as it is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Why.
    pub cause: Cause,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The highest sequence a peer claimed so far, and who; 0 when none did.
    pub claimed: u64,
    /// Who claimed it.
    pub by: Option<FeedId>,
}

/// What a connected peer says it holds of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who, over which connection.
    pub peer: PeerId,
    /// The last sequence it claims.
    pub sequence: u64,
    /// Whether the owner chose this peer (typed its address, used its invite).
    pub chosen: bool,
}

/// What the caller must do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardOutput {
    /// Keep this lock on disk; `None` removes it. Until it is written, the lock
    /// in memory holds.
    Save {
        /// The feed.
        feed: FeedId,
        /// Its lock.
        lock: Option<Lock>,
    },
    /// Ask this peer for a feed by `createHistoryStream`, from a message on that we
    /// may hold already: whether it is the same one is the question.
    Ask {
        /// Whom.
        peer: PeerId,
        /// Which feed.
        feed: FeedId,
        /// From this sequence on.
        from: u64,
    },
    /// The feed may be published on again.
    Freed {
        /// The feed.
        feed: FeedId,
        /// Why it was locked; `None` when it was for a mere claim.
        cause: Option<Cause>,
    },
}

/// Why a feed may not be published on now, and how far it is from being free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    /// The lock on disk; `None` while a peer's mere claim is looked into.
    pub lock: Option<Lock>,
    /// The highest claim beyond our last message that still counts.
    pub ahead: Option<(FeedId, u64)>,
    /// Peers that sent the message that is our last one.
    pub confirmed: usize,
    /// How many are needed; one is enough when the owner chose it.
    pub needed: usize,
    /// Until when a mere claim is looked into, in milliseconds since 1970.
    pub until: Option<u64>,
}

/// The state machine; see the [module](self).
#[derive(Debug, Default)]
pub struct Guard {
    config: GuardConfig,
    feeds: BTreeMap<FeedId, Entry>,
    out: VecDeque<GuardOutput>,
    next_review: u64,
}

impl Guard {
    /// A guard that locks nothing yet.
    pub fn new(config: GuardConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Locks a feed of which `tip` is the last sequence here: one whose lock is on
    /// disk (at the start), or one that was just restored. Nothing is put out.
    pub fn lock(&mut self, feed: FeedId, lock: Lock, tip: u64, now: u64) {
        let entry = self.feeds.entry(feed).or_default();
        entry.lock = Some(lock);
        entry.tip = tip;
        entry.progress = now;
    }

    /// A peer's note claims more of an own feed than is here.
    pub fn handle_ahead(&mut self, claim: Claim, feed: FeedId, tip: u64, now: u64) {
        let entry = self.feeds.entry(feed).or_default();
        entry.grown(tip, now);
        entry.hear(&claim, now);
        if entry.lock.is_none() {
            entry.check(&claim, &self.config, now);
        }
        self.next_review = 0;
    }

    /// A peer sent a valid message of an own feed that is in the store now. `new`
    /// says that it was not before; `tip` is the feed's last sequence now.
    pub fn handle_arrived(
        &mut self,
        peer: FeedId,
        chosen: bool,
        feed: FeedId,
        arrived: Arrived,
        now: u64,
    ) {
        if !arrived.new && !self.feeds.contains_key(&feed) {
            return;
        }
        let entry = self.feeds.entry(feed).or_default();
        let highest = entry.highest();
        entry.grown(arrived.tip, now);
        entry.holds(peer, chosen, arrived.sequence);
        if arrived.new && entry.lock.is_none() {
            // Nobody else can have signed it: we did, and do not hold it.
            let (by, claimed) = highest.unwrap_or((peer, arrived.sequence));
            let lock = Lock {
                cause: Cause::Lost,
                since: now,
                claimed: claimed.max(arrived.sequence),
                by: Some(by),
            };
            entry.lock = Some(lock);
            entry.checking = None;
            self.out.push_back(GuardOutput::Save {
                feed,
                lock: Some(lock),
            });
        }
        self.next_review = 0;
    }

    /// A peer turned out to hold another branch of an own feed, or to send what
    /// our key never signed: what it claims of it is no concern of ours any more.
    pub fn handle_bad(&mut self, peer: &FeedId, feed: &FeedId) {
        if let Some(entry) = self.feeds.get_mut(feed) {
            entry.disown(peer);
            self.next_review = 0;
        }
    }

    /// Frees every feed, because the owner accepts what may be lost.
    pub fn accept_loss(&mut self) {
        for (feed, entry) in std::mem::take(&mut self.feeds) {
            if let Some(lock) = entry.lock {
                self.free(feed, Some(lock.cause));
            }
        }
    }

    fn free(&mut self, feed: FeedId, cause: Option<Cause>) {
        if cause.is_some() {
            self.out.push_back(GuardOutput::Save { feed, lock: None });
        }
        self.out.push_back(GuardOutput::Freed { feed, cause });
    }

    /// The feeds to review.
    pub fn watched(&self) -> Vec<FeedId> {
        let watched = self.feeds.iter().filter(|(_, e)| e.is_locked());
        watched.map(|(feed, _)| *feed).collect()
    }

    /// Looks at one feed again. `tip` is its last sequence in the store, `claims`
    /// what connected peers say they hold; leave out peers whose branch is known
    /// to be another.
    pub fn review(&mut self, feed: FeedId, tip: u64, claims: &[Claim], now: u64) {
        self.next_review = now.saturating_add(self.config.review_every);
        let Some(entry) = self.feeds.get_mut(&feed) else {
            return;
        };
        entry.grown(tip, now);
        for claim in claims {
            entry.hear(claim, now);
        }
        if entry.checking.is_some() {
            if entry.checked(now) {
                self.free(feed, None);
            }
            return;
        }
        let Some(lock) = entry.lock else { return };
        let asks = entry.ask(claims, &self.config, now);
        let higher = entry.highest().filter(|(_, n)| *n > lock.claimed);
        if let (Some((by, claimed)), Some(lock)) = (higher, &mut entry.lock) {
            (lock.by, lock.claimed) = (Some(by), claimed);
            let lock = Some(*lock);
            self.out.push_back(GuardOutput::Save { feed, lock });
        }
        if entry.is_settled(lock.cause, &self.config, now) {
            entry.lock = None;
            entry.forget_holders();
            self.free(feed, Some(lock.cause));
            return;
        }
        let asks = asks.into_iter();
        self.out
            .extend(asks.map(|(peer, from)| GuardOutput::Ask { peer, feed, from }));
    }

    /// Why a feed may not be published on; `None` when it may.
    pub fn locked(&self, feed: &FeedId, now: u64) -> Option<Locked> {
        self.feeds.get(feed)?.describe(&self.config, now)
    }

    /// Whether a feed's last message is kept back: while its lock is one that
    /// peers must confirm.
    pub fn withholds(&self, feed: &FeedId) -> bool {
        self.feeds.get(feed).is_some_and(|e| e.lock.is_some())
    }

    /// What to do next; `None` when there is nothing until something happens.
    pub fn poll_output(&mut self) -> Option<GuardOutput> {
        self.out.pop_front()
    }

    /// When to review, in milliseconds since 1970; `None` while nothing is locked.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.feeds
            .values()
            .any(Entry::is_locked)
            .then_some(self.next_review)
    }
}

/// A message of an own feed that a peer sent, see [`Guard::handle_arrived`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Its sequence.
    pub sequence: u64,
    /// Whether we did not hold it before.
    pub new: bool,
    /// The last sequence of the feed in the store now.
    pub tip: u64,
}
