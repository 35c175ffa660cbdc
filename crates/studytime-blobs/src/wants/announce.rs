//! Saying what is wanted, had and pushed, to whom and how much at a time.

use super::peer::{Announced, Peer};
use super::types::{BlobKind, Output, PeerId, PeerKind, Priority, PushSpec, Rank};
use super::{Pushing, Timer, Want, Wants, WantsConfig};
use crate::store::PushScope;
use crate::wire::{MAX_ENTRIES_SENT, Note, WantFrame};
use std::collections::HashMap;
use studytime_schema::BlobId;

/// Announced wants that are remembered of a peer, in multiples of those that
/// may be open.
const WITHDRAWN: usize = 16;
/// Answers that may wait for a peer that does not take them.
pub(super) const MAX_PENDING: usize = 65_536;
/// How far down the list strangers are considered for segments at once.
const STRANGERS_SCAN: usize = 4_096;
/// How soon they are considered again at the earliest, in milliseconds.
const STRANGERS_PAUSE: u64 = 250;

impl Wants {
    /// A peer is connected. Its kind may become known later.
    pub fn connect(&mut self, peer: PeerId, kind: PeerKind, now: u64) {
        let state = Peer::new(kind, &self.config, now);
        self.peers.entry(peer).or_insert(state);
    }

    /// What kind of program a peer is became known.
    pub fn set_kind(&mut self, peer: PeerId, kind: PeerKind, now: u64) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if state.kind == kind {
            return;
        }
        state.kind = kind;
        state.starved = true;
        state.push_starved = true;
        self.fill(peer, now);
        self.fill_pushes(peer, now);
        self.consider_strangers_at(now);
    }

    /// The peer called our `createWants`: from now on it is spoken to. A
    /// second call on one connection starts over, on the new stream; segments
    /// that a stranger was told of still count.
    pub fn opened(&mut self, peer: PeerId, now: u64) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.opened = true;
        state.greeted = false;
        state.announced.retain(|_, told| told.segment);
        state.outstanding = state.announced.values().filter(|told| told.open).count();
        state.segments_out = state.announced.len();
        state.pushed.clear();
        state.push_window.clear();
        state.pending.clear();
        for (blob, told) in state.announced.iter().filter(|(_, told)| told.open) {
            let note = Note::Want { hops: told.hops };
            state.pending.push_back((*blob, note));
        }
        self.talk.insert(peer);
        self.fill(peer, now);
        self.fill_pushes(peer, now);
        self.consider_strangers_at(now);
    }

    /// Stops speaking to a peer that takes frames too slowly (`held`), or goes
    /// on. What is to be said is collected meanwhile.
    pub fn hold(&mut self, peer: PeerId, held: bool) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.held = held;
            self.talk.insert(peer);
        }
    }

    /// A blob that is in the store is announced as wanted, to every peer that
    /// connects, until enough distinct peers report it.
    pub fn push(&mut self, push: PushSpec, now: u64) {
        if push.id == BlobId::EMPTY || push.size == 0 {
            return;
        }
        if self.wants.contains_key(&push.id) {
            self.handle_stored(push.id, push.size, None, now);
        }
        if push.seen.len() >= self.config.push_copies {
            return;
        }
        let pushing = Pushing {
            size: push.size,
            scope: push.scope,
            seen: push.seen.into_iter().collect(),
        };
        let entry = self.pushes.entry(push.id).or_insert(pushing);
        entry.scope = entry.scope.max(push.scope);
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.offer_push(peer, &push.id, now);
        }
    }

    /// A push is withdrawn.
    pub fn unpush(&mut self, blob: &BlobId) {
        if self.pushes.remove(blob).is_some() {
            for peer in self.peers.values_mut() {
                peer.push_window.remove(blob);
            }
        }
    }

    /// True when it was announced, or need not be.
    fn offer_push(&mut self, id: PeerId, blob: &BlobId, now: u64) -> bool {
        let (Some(peer), Some(push)) = (self.peers.get_mut(&id), self.pushes.get(blob)) else {
            return true;
        };
        let meant = push.scope == PushScope::Everyone || peer.kind == PeerKind::Seeder;
        if !peer.opened || !meant || push.seen.contains(&id.feed) || peer.pushed.contains(blob) {
            return true;
        }
        if peer.push_window.len() >= self.config.pushes_per_peer {
            peer.push_starved = true;
            return false;
        }
        if peer.push_window.is_empty() {
            let at = now.saturating_add(self.config.push_pause);
            self.timers.insert((at, Timer::Push(id)));
        }
        peer.push_window.insert(*blob);
        peer.pushed.insert(*blob);
        peer.pending.push_back((*blob, Note::Want { hops: 1 }));
        self.talk.insert(id);
        true
    }

    fn fill_pushes(&mut self, peer: PeerId, now: u64) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.push_starved = false;
        }
        let blobs: Vec<_> = self.pushes.keys().copied().collect();
        for blob in blobs {
            if !self.offer_push(peer, &blob, now) {
                break;
            }
        }
    }

    /// A peer had time enough for the pushes it was told of.
    pub(super) fn reopen_pushes(&mut self, peer: PeerId, now: u64) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.push_window.clear();
            if state.push_starved {
                self.fill_pushes(peer, now);
            }
        }
    }

    /// A peer reported a blob that is being pushed.
    pub(super) fn pushed_blob_seen(&mut self, id: PeerId, blob: &BlobId, now: u64) {
        let Some(push) = self.pushes.get_mut(blob) else {
            return;
        };
        if push.seen.insert(id.feed) {
            let done = push.seen.len() >= self.config.push_copies;
            self.out.push_back(Output::PushSeen {
                blob: *blob,
                peer: id.feed,
                done,
            });
            if done {
                self.unpush(blob);
            }
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.push_window.remove(blob);
        if peer.push_starved && peer.push_window.len() <= self.config.pushes_per_peer / 2 {
            self.fill_pushes(id, now);
        }
    }

    /// Tells everyone who waits for a blob that it is here.
    pub(super) fn tell_waiting(&mut self, blob: &BlobId, size: u64, now: u64) {
        let looking = self.asked.remove(blob).unwrap_or_default();
        for (id, peer) in &mut self.peers {
            if peer.recall(blob, &self.config, now) || looking.contains_key(id) {
                say_has(peer, blob, size);
                self.talk.insert(*id);
            }
        }
    }

    /// Answers one peer that a blob is here.
    pub(super) fn tell_has(&mut self, id: PeerId, blob: &BlobId, size: u64) {
        if let Some(peer) = self.peers.get_mut(&id) {
            say_has(peer, blob, size);
            self.talk.insert(id);
        }
    }

    /// Announces a want to every peer that may hear of it.
    pub(super) fn offer_to_all(&mut self, blob: &BlobId, now: u64) {
        let Some(want) = self.wants.get(blob) else {
            return;
        };
        let mut told = false;
        for (id, peer) in &mut self.peers {
            told |= offer(id, peer, blob, want, &self.config, false, now) == Offer::Told;
            if !peer.pending.is_empty() {
                self.talk.insert(*id);
            }
        }
        let alone = !self.peers.values().any(|p| p.opened && p.is_friend());
        if want.spec.kind == BlobKind::Segment && (told || alone) {
            self.consider_strangers_at(now.saturating_add(self.config.stranger_delay));
        }
    }

    /// Announces to every peer that has room again.
    pub(super) fn refill(&mut self, now: u64) {
        let hungry = |p: &Peer| p.starved && p.outstanding <= p.announce_limit(&self.config) / 2;
        let peers = self.peers.iter().filter(|(_, p)| hungry(p));
        let peers: Vec<_> = peers.map(|(id, _)| *id).collect();
        for peer in peers {
            self.fill(peer, now);
        }
        if self.strangers_full && self.peers.values().any(|p| self.is_open_stranger(p)) {
            self.consider_strangers_at(now);
        }
    }

    /// An ordinary peer that may be asked for a further segment.
    fn is_open_stranger(&self, peer: &Peer) -> bool {
        let room = peer.segments_out < self.config.segments_per_stranger;
        peer.opened && !peer.is_friend() && room
    }

    /// Announces wants to one peer, the most urgent first, until it is full.
    pub(super) fn fill(&mut self, id: PeerId, now: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.starved = false;
        let mut told = false;
        for (_, blob) in &self.ranked {
            let Some(want) = self.wants.get(blob) else {
                continue;
            };
            match offer(&id, peer, blob, want, &self.config, false, now) {
                Offer::Full => break,
                Offer::Told => told = true,
                Offer::No => {}
            }
        }
        if told {
            self.talk.insert(id);
            self.consider_strangers_at(now.saturating_add(self.config.stranger_delay));
        }
    }

    /// Has strangers considered for segments at `at`, or earlier.
    pub(super) fn consider_strangers_at(&mut self, at: u64) {
        if !self.peers.values().any(|p| p.opened && !p.is_friend()) {
            // The first one that comes asks for it.
            return;
        }
        let at = at.max(self.strangers_seen.saturating_add(STRANGERS_PAUSE));
        self.strangers_at = Some(self.strangers_at.map_or(at, |t| t.min(at)));
    }

    /// Asks strangers for segments that no StudyTime peer has had for a while.
    pub(super) fn consider_strangers(&mut self, now: u64) {
        self.strangers_at = None;
        self.strangers_seen = now;
        let strangers = self.peers.iter().filter(|(_, p)| self.is_open_stranger(p));
        let strangers: Vec<_> = strangers.map(|(id, _)| *id).collect();
        if strangers.is_empty() {
            self.strangers_full = true;
            return;
        }
        let mut next: Option<u64> = None;
        self.strangers_full = false;
        for (_, blob) in self.ranked.iter().take(STRANGERS_SCAN) {
            let Some(want) = self.wants.get(blob) else {
                continue;
            };
            if want.spec.kind != BlobKind::Segment || want.flight.is_some() {
                continue;
            }
            match self.strangers_from(blob, want, now) {
                Some(at) if at <= now => {
                    for id in &strangers {
                        if let Some(peer) = self.peers.get_mut(id) {
                            match offer(id, peer, blob, want, &self.config, true, now) {
                                Offer::Told => drop(self.talk.insert(*id)),
                                Offer::Full => self.strangers_full = true,
                                Offer::No => {}
                            }
                        }
                    }
                }
                Some(at) => next = Some(next.map_or(at, |n| n.min(at))),
                None => {}
            }
        }
        if let Some(at) = next {
            self.consider_strangers_at(at);
        }
    }

    /// From when on strangers may be asked for a segment: when every StudyTime
    /// peer has had its time to answer. `None` while one has it, or has not been asked.
    fn strangers_from(&self, blob: &BlobId, want: &Want, now: u64) -> Option<u64> {
        let mut from = want.since;
        for (id, peer) in self.peers.iter().filter(|(_, p)| p.opened && p.is_friend()) {
            let denied = peer.is_denied(blob, now) || self.is_banned(id, now);
            if want.holders.contains_key(id) && !denied {
                return None;
            }
            if !denied {
                from = from.max(peer.announced.get(blob)?.at);
            }
        }
        Some(from.saturating_add(self.config.stranger_delay))
    }

    /// The next frame that is due.
    pub(super) fn next_frame(&mut self) -> Option<Output> {
        while let Some(id) = self.talk.pop_first() {
            let peer = self.peers.get_mut(&id);
            let Some(peer) = peer.filter(|p| p.opened && !p.held) else {
                continue;
            };
            if peer.greeted && peer.pending.is_empty() {
                continue;
            }
            peer.greeted = true;
            let count = peer.pending.len().min(MAX_ENTRIES_SENT);
            let mut notes: Vec<(BlobId, Note)> = Vec::with_capacity(count);
            let mut places: HashMap<BlobId, usize> = HashMap::new();
            for (blob, note) in peer.pending.drain(..count) {
                // A blob is named once in a frame; what was said last counts.
                let place = *places.entry(blob).or_insert(notes.len());
                match notes.get_mut(place) {
                    Some(entry) => entry.1 = note,
                    None => notes.push((blob, note)),
                }
            }
            if !peer.pending.is_empty() {
                self.talk.insert(id);
            }
            let frame = WantFrame { notes };
            return Some(Output::SendWants { peer: id, frame });
        }
        None
    }
}

fn say_has(peer: &mut Peer, blob: &BlobId, size: u64) {
    if peer.opened && size > 0 && peer.pending.len() < MAX_PENDING {
        peer.pending.push_back((*blob, Note::Has { size }));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// It was announced.
    Told,
    /// It is not meant for this peer, or was announced before.
    No,
    /// There is no room for it, nor for anything less urgent.
    Full,
}

/// Announces one want to one peer, if the peer may hear of it and has room.
fn offer(
    id: &PeerId,
    peer: &mut Peer,
    blob: &BlobId,
    want: &Want,
    config: &WantsConfig,
    to_strangers: bool,
    now: u64,
) -> Offer {
    let hops = want.hops();
    let known = peer.announced.get(blob).copied();
    let closer = known.is_none_or(|a| hops < a.hops);
    let reopened = known.is_some_and(|a| !a.open) && !want.holders.contains_key(id);
    if !peer.opened || peer.is_denied(blob, now) || !(closer || reopened) {
        return Offer::No;
    }
    // (The peer we look on behalf of hears of it, too: it may be pushing the
    // blob, and waits for us to want it.)
    let for_friends = want.owners.is_empty() && want.sympathy.is_some_and(|s| s.friends_only);
    if for_friends && !peer.is_friend() {
        return Offer::No;
    }
    let segment = !peer.is_friend() && want.spec.kind == BlobKind::Segment;
    if segment && !to_strangers {
        return Offer::No;
    }
    if segment && peer.segments_out >= config.segments_per_stranger {
        return Offer::Full;
    }
    let Rank { priority, .. } = want.spec.rank;
    let limit = peer.announce_limit(config);
    let room = match priority >= Priority::Opened {
        true => limit.saturating_mul(2),
        false => limit,
    };
    if peer.outstanding >= room {
        peer.starved = true;
        return Offer::Full;
    }
    let told = known.is_some_and(|a| a.hops <= hops);
    if !known.is_some_and(|a| a.open) {
        peer.outstanding += 1;
    }
    if segment && !known.is_some_and(|a| a.segment) {
        peer.segments_out += 1;
    }
    let announced = Announced {
        hops,
        at: known.filter(|_| told).map_or(now, |a| a.at),
        open: true,
        segment: segment || known.is_some_and(|a| a.segment),
    };
    if peer.announced.len() >= limit.saturating_mul(WITHDRAWN) {
        // Withdrawn wants that it never answered: forget that they were said.
        peer.announced.retain(|_, a| a.open || a.segment);
    }
    peer.announced.insert(*blob, announced);
    if told {
        // It was said before and still stands: only counted again.
        return Offer::No;
    }
    peer.pending.push_back((*blob, Note::Want { hops }));
    Offer::Told
}
