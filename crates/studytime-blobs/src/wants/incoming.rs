//! What peers say: their wants, what they have, and that they go.

use super::types::{BlobKind, PeerId, Priority};
use super::{Source, Sympathy, Timer, Want, WantSpec, Wants};
use crate::wire::{Note, WantFrame};
use studytime_schema::BlobId;

/// Blobs in one [`Output::NeedHave`](super::Output::NeedHave).
pub(super) const LOOKUPS: usize = 256;
/// Blobs that may wait to be looked up, all peers together.
pub(super) const MAX_ASKED: usize = 65_536;
/// Wants of one peer that may wait to be taken up.
pub(super) const MAX_WAITING: usize = 1_024;

impl Wants {
    /// A frame came on our `createWants` call to the peer. What exceeds the
    /// peer's allowance is ignored.
    pub fn handle_frame(&mut self, peer: PeerId, frame: &WantFrame, now: u64) {
        for (blob, note) in &frame.notes {
            if *blob == BlobId::EMPTY {
                continue;
            }
            match *note {
                Note::Want { hops } => self.handle_want(peer, *blob, hops, now),
                Note::Has { size } => self.handle_has(peer, blob, size, now),
            }
        }
    }

    fn handle_want(&mut self, id: PeerId, blob: BlobId, hops: u8, now: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if !peer.spend(&self.config, now) {
            return;
        }
        if let Some(push) = self.pushes.get(&blob) {
            let size = push.size;
            return self.tell_has(id, &blob, size);
        }
        if let Some(want) = self.wants.get(&blob) {
            // Our own want of a segment, coming back from a peer who passes it
            // on: serving it would put the video on that peer's disk.
            let echo = hops > 1
                && want.spec.kind == BlobKind::Segment
                && peer.announced.contains_key(&blob);
            let others = want.owners.is_empty();
            if !echo {
                peer.remember(blob, &self.config, now);
            }
            if others {
                self.sympathise(id, blob, hops, now);
            }
            return;
        }
        let full = self.asked.len() >= MAX_ASKED;
        match self.asked.entry(blob) {
            std::collections::hash_map::Entry::Occupied(mut asked) => {
                let known = asked.get_mut().entry(id).or_insert(hops);
                *known = hops.min(*known);
            }
            std::collections::hash_map::Entry::Vacant(asked) if !full => {
                asked.insert([(id, hops)].into());
                self.lookups.push_back(blob);
            }
            std::collections::hash_map::Entry::Vacant(_) => {}
        }
    }

    /// The answer to [`Output::NeedHave`](super::Output::NeedHave): the sizes of blobs, `None` for those
    /// that are not here.
    pub fn handle_have(&mut self, have: &[(BlobId, Option<u64>)], now: u64) {
        for (blob, size) in have {
            for (id, hops) in self.asked.remove(blob).unwrap_or_default() {
                match size {
                    Some(size) => self.tell_has(id, blob, *size),
                    None => {
                        if let Some(peer) = self.peers.get_mut(&id) {
                            peer.remember(*blob, &self.config, now);
                            self.sympathise(id, *blob, hops, now);
                        }
                    }
                }
            }
        }
    }

    /// Takes up a want of somebody else, under quotas.
    fn sympathise(&mut self, from: PeerId, blob: BlobId, hops: u8, now: u64) {
        if hops > self.config.sympathy {
            return;
        }
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let room = self.sympathies < self.config.max_sympathy
            && peer.sympathies < self.config.sympathy_per_peer;
        if !room {
            if peer.waiting.len() < MAX_WAITING {
                peer.waiting.push_back((blob, hops));
            }
            return;
        }
        let hops = hops.saturating_add(1);
        let until = now.saturating_add(self.config.sympathy_expiry);
        let sympathy = Sympathy {
            from,
            until,
            hops,
            friends_only: peer.is_friend(),
        };
        let spec = WantSpec::whole(Priority::Sympathy, now);
        let want = self
            .wants
            .entry(blob)
            .or_insert_with(|| Want::new(spec, now));
        match &mut want.sympathy {
            // Wanted for somebody else, too: the closer of both counts, and
            // whoever may hear of one of them.
            Some(known) => {
                known.hops = known.hops.min(hops);
                known.friends_only &= sympathy.friends_only;
            }
            none => {
                *none = Some(sympathy);
                peer.sympathies += 1;
                self.sympathies += 1;
                self.timers.insert((until, Timer::Sympathy(blob)));
            }
        }
        self.refresh(&blob, now);
    }

    /// Takes up wants that waited for room.
    pub(super) fn take_up_waiting(&mut self, now: u64) {
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for id in peers {
            while let Some(peer) = self.peers.get_mut(&id) {
                let room = self.sympathies < self.config.max_sympathy
                    && peer.sympathies < self.config.sympathy_per_peer;
                if !room {
                    break;
                }
                let Some((blob, hops)) = peer.waiting.pop_front() else {
                    break;
                };
                // It may have come, or be wanted here by now.
                if peer.remembered.contains_key(&blob) && !self.is_wanted(&blob) {
                    self.sympathise(id, blob, hops, now);
                }
            }
        }
    }

    /// A want of others has been looked for long enough, or nobody is left to
    /// look for.
    pub(super) fn expire_sympathy(&mut self, blob: &BlobId, now: u64) {
        let want = self.wants.get_mut(blob);
        let over = |s: &Sympathy| s.until <= now || !self.peers.contains_key(&s.from);
        let sympathy = want.and_then(|w| w.sympathy.take_if(|s| over(s)));
        let Some(sympathy) = sympathy else { return };
        self.end_sympathy(&sympathy);
        // Another peer that waits for it inherits the rest of the time.
        let heir = self.peers.iter_mut().find(|(_, peer)| {
            peer.remembered.contains_key(blob) && peer.sympathies < self.config.sympathy_per_peer
        });
        if sympathy.until > now
            && let Some((id, peer)) = heir
            && let Some(want) = self.wants.get_mut(blob)
        {
            want.sympathy = Some(Sympathy {
                from: *id,
                ..sympathy
            });
            peer.sympathies += 1;
            self.sympathies += 1;
        }
        self.refresh(blob, now);
    }

    fn handle_has(&mut self, id: PeerId, blob: &BlobId, size: u64, now: u64) {
        self.pushed_blob_seen(id, blob, now);
        let banned = self.is_banned(&id, now);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(want) = self.wants.get_mut(blob) else {
            // Withdrawn meanwhile: should it be wanted again, it is announced
            // again, so that the peer answers again.
            return peer.unannounce(blob);
        };
        peer.close(blob);
        if size > want.spec.max || banned {
            return;
        }
        if peer.denied.get(blob).is_some_and(|until| *until < u64::MAX) {
            peer.denied.remove(blob);
        }
        want.holders.insert(id, size);
        if peer.crawls_until > now {
            // Left to others at first: see whether it is its turn then.
            self.timers
                .insert((now.saturating_add(1_000), Timer::Resume));
        }
        if want.flight.is_none() && !peer.is_denied(blob, now) {
            peer.ready.insert((want.spec.rank, *blob));
            self.dirty = true;
        }
        self.refill(now);
    }

    /// The connection is gone. What was being fetched from it goes elsewhere.
    pub fn disconnect(&mut self, id: PeerId, now: u64) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        self.talk.remove(&id);
        self.dirty = true;
        for asked in self.asked.values_mut() {
            asked.remove(&id);
        }
        let mut orphans = Vec::new();
        for (blob, want) in &mut self.wants {
            want.holders.remove(&id);
            if want.flight.is_some_and(|f| f.source == Source::Peer(id)) {
                want.flight = None;
                self.in_flight -= 1;
                let entry = (want.spec.rank, *blob);
                for holder in want.holders.keys() {
                    if let Some(other) = self.peers.get_mut(holder)
                        && !other.is_denied(blob, now)
                    {
                        other.ready.insert(entry);
                    }
                }
            }
            if want.sympathy.is_some_and(|s| s.from == id) {
                orphans.push(*blob);
            }
        }
        orphans.sort_unstable();
        for blob in orphans {
            self.expire_sympathy(&blob, now);
        }
        if peer.is_friend() {
            self.consider_strangers_at(now);
        }
    }
}
