//! What is known of one connection.

use super::pace::Speed;
use super::types::{PeerKind, Rank, WantsConfig};
use crate::wire::Note;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use studytime_schema::BlobId;

/// A want that was announced. The protocol cannot take it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    pub(super) hops: u8,
    pub(super) at: u64,
    /// Counts in [`Peer::outstanding`]: wanted, and not answered.
    pub(super) open: bool,
    /// Counts in [`Peer::segments_out`]: a segment, told to a stranger.
    pub(super) segment: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) kind: PeerKind,
    /// It called `createWants`: we may speak.
    pub(super) opened: bool,
    /// The first frame was sent.
    pub(super) greeted: bool,
    /// It takes no frames at the moment.
    pub(super) held: bool,
    pub(super) announced: HashMap<BlobId, Announced>,
    pub(super) outstanding: usize,
    pub(super) segments_out: usize,
    /// Something was not announced for want of room.
    pub(super) starved: bool,
    /// Pushes announced on this connection.
    pub(super) pushed: HashSet<BlobId>,
    /// Those of them that it has not reported, since the last pause.
    pub(super) push_window: HashSet<BlobId>,
    pub(super) push_starved: bool,
    /// What is to be said next.
    pub(super) pending: VecDeque<(BlobId, Note)>,
    /// Its wants that we could not serve, and when they came.
    pub(super) remembered: HashMap<BlobId, u64>,
    /// Wants taken up on its behalf.
    pub(super) sympathies: usize,
    /// Wants to be taken up when others are done, with their distance.
    pub(super) waiting: VecDeque<(BlobId, u8)>,
    /// Wants it can serve, none of them in flight.
    pub(super) ready: BTreeSet<(Rank, BlobId)>,
    pub(super) flights: BTreeSet<BlobId>,
    /// Blobs it is not asked for until then.
    pub(super) denied: HashMap<BlobId, u64>,
    pub(super) last_byte: u64,
    /// It stalled and has not delivered since: one fetch at a time.
    pub(super) slow: bool,
    /// How fast it delivers.
    pub(super) speed: Speed,
    /// Until then it comes last for what is being played: it was too slow.
    pub(super) crawls_until: u64,
    /// It serves parts of blobs, as far as is known.
    pub(super) slices: bool,
    /// Entries it may send, in thousandths.
    allowance: u64,
    refilled: u64,
}

impl Peer {
    pub(super) fn new(kind: PeerKind, config: &WantsConfig, now: u64) -> Self {
        Self {
            kind,
            opened: false,
            greeted: false,
            held: false,
            announced: HashMap::new(),
            outstanding: 0,
            segments_out: 0,
            starved: false,
            pushed: HashSet::new(),
            push_window: HashSet::new(),
            push_starved: false,
            pending: VecDeque::new(),
            remembered: HashMap::new(),
            sympathies: 0,
            waiting: VecDeque::new(),
            ready: BTreeSet::new(),
            flights: BTreeSet::new(),
            denied: HashMap::new(),
            last_byte: now,
            slow: false,
            speed: Speed::default(),
            crawls_until: 0,
            slices: true,
            allowance: u64::from(config.burst) * 1_000,
            refilled: now,
        }
    }

    /// StudyTime peers and seeders: those that are asked for segments.
    pub(super) fn is_friend(&self) -> bool {
        self.kind != PeerKind::Other
    }

    pub(super) fn announce_limit(&self, config: &WantsConfig) -> usize {
        match self.is_friend() {
            true => config.announced_per_peer,
            false => config.announced_per_stranger,
        }
    }

    /// Takes one entry from its allowance; false when it has none left.
    pub(super) fn spend(&mut self, config: &WantsConfig, now: u64) -> bool {
        let passed = now.saturating_sub(self.refilled);
        self.refilled = self.refilled.max(now);
        let earned = passed.saturating_mul(u64::from(config.entries_per_second));
        let full = u64::from(config.burst) * 1_000;
        self.allowance = self.allowance.saturating_add(earned).min(full);
        match self.allowance.checked_sub(1_000) {
            Some(rest) => {
                self.allowance = rest;
                true
            }
            None => false,
        }
    }

    /// Remembers that it wants a blob, within the cap.
    pub(super) fn remember(&mut self, blob: BlobId, config: &WantsConfig, now: u64) {
        if self.remembered.len() >= config.remembered_per_peer {
            let oldest = now.saturating_sub(config.remembered_expiry);
            self.remembered.retain(|_, at| *at >= oldest);
        }
        if self.remembered.len() < config.remembered_per_peer {
            self.remembered.insert(blob, now);
        }
    }

    /// True when it still waits for the blob; it is told only once.
    pub(super) fn recall(&mut self, blob: &BlobId, config: &WantsConfig, now: u64) -> bool {
        let at = self.remembered.remove(blob);
        at.is_some_and(|at| at.saturating_add(config.remembered_expiry) > now)
    }

    /// An announced want was answered, or is not wanted any more.
    pub(super) fn close(&mut self, blob: &BlobId) {
        if let Some(told) = self.announced.get_mut(blob)
            && std::mem::take(&mut told.open)
        {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    /// An announced want is fulfilled: it may be announced anew.
    pub(super) fn unannounce(&mut self, blob: &BlobId) {
        self.close(blob);
        if self.announced.remove(blob).is_some_and(|told| told.segment) {
            self.segments_out = self.segments_out.saturating_sub(1);
        }
    }

    pub(super) fn is_denied(&self, blob: &BlobId, now: u64) -> bool {
        self.denied.get(blob).is_some_and(|until| *until > now)
    }
}
