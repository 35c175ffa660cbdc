//! Which blobs are wanted, who has them, and who is asked for which.
//!
//! One [`Wants`] serves a whole node: it knows every connected peer, so that a
//! blob is fetched once, from the best of those who have it, and passed on to
//! those who wait for it. It is sans-io: events and `now` (milliseconds since
//! 1970) go in by `handle_*` and the commands, what is to be done comes out of
//! [`Wants::poll_output`], and [`Wants::poll_timeout`] says when to call
//! [`Wants::handle_timeout`].
//!
//! # The protocol, and what we make of it
//!
//! Each side calls the other's `blobs.createWants`; the answer is a stream of
//! frames `{blob: number}`, negative for a want (−1 mine, −2 of a peer of mine …),
//! positive for "I have it", with its size. A want cannot be taken back, so what is
//! announced is bounded: per peer, by rank, and for segments of large files
//! strictly (see [`BlobKind::Segment`]): ordinary peers pass wants on and store what
//! they find, and a video must not fill the disks of strangers.
//!
//! - **Wants** have a [`Rank`]; fetches are started in that order over all
//!   peers, a few per peer at a time. A blob is never fetched twice at once.
//! - **What is being played** comes segment by segment: a peer is asked for the next
//!   one shortly before the last one is complete, and everything that was fetched
//!   ahead gives way while a reader waits. A peer that turns out too slow for it is
//!   replaced by another one in the middle of a segment.
//! - **Failures** move a blob to the next peer that has it: refused, broken
//!   off, silent too long, wrong bytes. Who sends wrong bytes repeatedly is not asked any more.
//! - **Sympathy**: wants of others are looked for under quotas and for a limited time.
//! - **Pushes**: a blob we *have* is announced as wanted until
//!   enough distinct peers report it; that is how media reaches peers that
//!   nobody near asks.
//!
//! # The driver's part
//!
//! 1. [`connect`](Wants::connect) for each connection; call the peer's
//!    `createWants` and give every frame to [`handle_frame`](Wants::handle_frame);
//!    when the peer calls ours, [`opened`](Wants::opened).
//! 2. After each call drain [`poll_output`](Wants::poll_output) and do what it says.
//! 3. Feed [`Fetch`](Output::Fetch)es through a [`Download`](crate::transfer::Download):
//!    [`handle_bytes`](Wants::handle_bytes) as pieces come, then
//!    [`handle_stored`](Wants::handle_stored) or [`handle_failed`](Wants::handle_failed).
//!    Call `handle_stored` for blobs that came any other way, too.
//!
//! ```
//! use studytime_blobs::wants::*;
//! use studytime_blobs::wire::{Note, WantFrame};
//! use studytime_schema::{BlobId, FeedId};
//!
//! let mut wants = Wants::new(WantsConfig::default());
//! let peer = PeerId { feed: FeedId::from_bytes([1; 32]), connection: 1 };
//! wants.connect(peer, PeerKind::StudyTime, 0);
//! wants.opened(peer, 0);
//! let poster = BlobId::of(b"a poster");
//! wants.want(OwnerId(1), poster, WantSpec::whole(Priority::Opened, 0), 0);
//! let Some(Output::SendWants { frame, .. }) = wants.poll_output(0) else { panic!() };
//! assert_eq!(frame.notes, [(poster, Note::Want { hops: 1 })]);
//!
//! // The peer answers that it has it.
//! wants.handle_frame(peer, &WantFrame { notes: vec![(poster, Note::Has { size: 8 })] }, 5);
//! let Some(Output::Fetch { blob, .. }) = wants.poll_output(5) else { panic!() };
//! assert_eq!(blob, poster);
//! wants.handle_stored(poster, 8, Some(peer), 9);
//! assert_eq!(wants.poll_output(9), Some(Output::Got { blob: poster, size: 8 }));
//! assert_eq!(wants.poll_output(9), None);
//! ```

mod announce;
mod fetch;
mod incoming;
mod local;
mod pace;
mod peer;
#[cfg(test)]
mod tests;
mod types;

pub use types::{
    BlobKind, FetchFailure, Mark, Output, OwnerId, PeerId, PeerKind, Priority, PushSpec, Rank,
    WantSpec, Wanted, WantsConfig,
};

use crate::store::PushScope;
use peer::Peer;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use studytime_schema::{BlobId, FeedId};

/// Blobs that came in lately and are remembered, so that a want that crosses
/// their arrival is answered at once.
const RECENT: usize = 1_024;

/// The wants of a node. See the [module page](self).
#[derive(Debug, Default)]
pub struct Wants {
    config: WantsConfig,
    peers: BTreeMap<PeerId, Peer>,
    wants: HashMap<BlobId, Want>,
    /// Every want, the most urgent first.
    ranked: BTreeSet<(Rank, BlobId)>,
    owners: HashMap<OwnerId, HashSet<BlobId>>,
    /// Wants with an owner.
    owned: usize,
    /// Wants taken up for others.
    sympathies: usize,
    pushes: BTreeMap<BlobId, Pushing>,
    /// Blobs that are being looked up, and who wants them at which distance.
    asked: HashMap<BlobId, BTreeMap<PeerId, u8>>,
    lookups: VecDeque<BlobId>,
    recent: Recent,
    offences: HashMap<FeedId, Offence>,
    in_flight: usize,
    paused_until: u64,
    /// There is no room: nothing is fetched at all.
    held: bool,
    /// When strangers are to be considered for segments next.
    strangers_at: Option<u64>,
    /// When they were considered last.
    strangers_seen: u64,
    /// Some segment was held back because strangers had no room for it.
    strangers_full: bool,
    timers: BTreeSet<(u64, Timer)>,
    /// Peers that something is to be said to.
    talk: BTreeSet<PeerId>,
    /// Wants of others that wait may be taken up.
    sympathy_ended: bool,
    /// Fetches may have become possible.
    dirty: bool,
    out: VecDeque<Output>,
}

#[derive(Debug)]
struct Want {
    owners: BTreeMap<OwnerId, WantSpec>,
    sympathy: Option<Sympathy>,
    /// The best of what the owners say.
    spec: WantSpec,
    since: u64,
    flight: Option<Flight>,
    /// Who has it, and the size each reports.
    holders: BTreeMap<PeerId, u64>,
    /// Mirrors are not asked before this.
    mirrors_after: u64,
}

/// On whose behalf a blob is wanted that nobody here wants.
#[derive(Debug, Clone, Copy)]
struct Sympathy {
    from: PeerId,
    /// Until when.
    until: u64,
    /// Our distance: one more than theirs.
    hops: u8,
    /// Passed on to StudyTime peers and seeders only: it may be a segment.
    friends_only: bool,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    source: Source,
    started: u64,
    last_byte: u64,
    received: u64,
    /// It started with nothing else under way from its peer.
    alone: bool,
    /// When its speed is looked at next.
    look_at: u64,
}

impl Flight {
    fn is_from(&self, peer: &PeerId) -> bool {
        self.source == Source::Peer(*peer)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Peer(PeerId),
    Mirror,
}

#[derive(Debug)]
struct Pushing {
    size: u64,
    scope: PushScope,
    seen: BTreeSet<FeedId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Offence {
    times: u32,
    until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A peer that failed may be asked again.
    Retry(PeerId, BlobId),
    /// A want of others has been looked for long enough.
    Sympathy(BlobId),
    /// A peer gets further pushes.
    Push(PeerId),
    /// Our store may have recovered.
    Resume,
}

#[derive(Debug, Default)]
struct Recent {
    sizes: HashMap<BlobId, u64>,
    order: VecDeque<BlobId>,
}

impl Recent {
    fn insert(&mut self, blob: BlobId, size: u64) {
        if self.sizes.insert(blob, size).is_none() {
            self.order.push_back(blob);
        }
        while self.order.len() > RECENT {
            if let Some(old) = self.order.pop_front() {
                self.sizes.remove(&old);
            }
        }
    }

    fn remove(&mut self, blob: &BlobId) {
        if self.sizes.remove(blob).is_some() {
            self.order.retain(|id| id != blob);
        }
    }
}

/// Counts, for a status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WantsStats {
    /// Blobs that somebody here wants.
    pub wanted: usize,
    /// Blobs that are looked for on behalf of others.
    pub sympathy: usize,
    /// Fetches under way, mirrors included.
    pub in_flight: usize,
    /// Pushes that are not done.
    pub pushes: usize,
}

impl Wants {
    /// No peers, no wants.
    pub fn new(config: WantsConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Counts, for a status page.
    pub fn stats(&self) -> WantsStats {
        WantsStats {
            wanted: self.owned,
            sympathy: self.sympathies,
            in_flight: self.in_flight,
            pushes: self.pushes.len(),
        }
    }

    /// True when somebody here wants the blob.
    pub fn is_wanted(&self, blob: &BlobId) -> bool {
        self.wants.get(blob).is_some_and(|w| !w.owners.is_empty())
    }

    /// Who is known to have a blob that is wanted, for people.
    pub fn holders(&self, blob: &BlobId) -> impl Iterator<Item = PeerId> + '_ {
        let want = self.wants.get(blob).into_iter();
        want.flat_map(|w| w.holders.keys().copied())
    }

    /// Blobs that come from this peer, or that it has said it has and that are to
    /// be fetched from it next.
    pub fn fetching_from(&self, peer: &PeerId) -> usize {
        let peer = self.peers.get(peer);
        peer.map_or(0, |p| p.flights.len() + p.ready.len())
    }

    /// Changes over how many hops wants of others are passed on (see
    /// [`WantsConfig::sympathy`]); 0 when there is no room for blobs of others.
    pub fn set_sympathy(&mut self, hops: u8) {
        self.config.sympathy = hops;
    }

    /// Whether to fetch nothing at all, because there is no room; what is under
    /// way goes on. What is wanted stays wanted.
    pub fn set_held(&mut self, held: bool) {
        self.held = held;
        self.dirty = true;
    }

    /// The next thing to do, or `None` until something else happens.
    pub fn poll_output(&mut self, now: u64) -> Option<Output> {
        if let Some(output) = self.out.pop_front() {
            return Some(output);
        }
        if !self.lookups.is_empty() {
            let count = self.lookups.len().min(incoming::LOOKUPS);
            let blobs = self.lookups.drain(..count).collect();
            return Some(Output::NeedHave { blobs });
        }
        if std::mem::take(&mut self.sympathy_ended) {
            self.take_up_waiting(now);
        }
        if std::mem::take(&mut self.dirty) {
            self.schedule(now);
            if let Some(output) = self.out.pop_front() {
                return Some(output);
            }
        }
        self.next_frame()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, in
    /// milliseconds since 1970.
    pub fn poll_timeout(&self) -> Option<u64> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let times = [timer, self.strangers_at, self.next_stall()];
        times.into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: u64) {
        while let Some((_, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            match timer {
                Timer::Retry(peer, blob) => self.retry(peer, &blob, now),
                Timer::Sympathy(blob) => self.expire_sympathy(&blob, now),
                Timer::Push(peer) => self.reopen_pushes(peer, now),
                Timer::Resume => self.dirty = true,
            }
        }
        self.move_stalled(now);
        if self.strangers_at.is_some_and(|at| at <= now) {
            self.consider_strangers(now);
        }
    }
}

impl Want {
    fn new(spec: WantSpec, now: u64) -> Self {
        Self {
            owners: BTreeMap::new(),
            sympathy: None,
            spec,
            since: now,
            flight: None,
            holders: BTreeMap::new(),
            mirrors_after: 0,
        }
    }

    /// What all who want it add up to; `None` when nobody does.
    fn effective(&self) -> Option<WantSpec> {
        let mut specs = self.owners.values().copied();
        let Some(first) = specs.next() else {
            // Of no owner's choosing: last, and of any size.
            return self
                .sympathy
                .map(|_| WantSpec::whole(Priority::Sympathy, self.since));
        };
        Some(specs.fold(first, |a, b| WantSpec {
            rank: a.rank.min(b.rank),
            kind: a.kind.max(b.kind),
            max: a.max.max(b.max),
        }))
    }

    /// The distance at which it is announced.
    fn hops(&self) -> u8 {
        match self.sympathy {
            Some(sympathy) if self.owners.is_empty() => sympathy.hops,
            _ => 1,
        }
    }
}
