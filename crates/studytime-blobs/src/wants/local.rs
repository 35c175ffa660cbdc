//! What is wanted here: owners come and go, blobs arrive.

use super::types::{Output, OwnerId, PeerId, WantSpec, Wanted};
use super::{Flight, Source, Sympathy, Want, Wants};
use std::collections::HashSet;
use studytime_schema::BlobId;

impl Wants {
    /// Wants a blob that is not in the store; look there first. Calling it
    /// again changes the rank that this owner gives it.
    pub fn want(&mut self, owner: OwnerId, blob: BlobId, spec: WantSpec, now: u64) -> Wanted {
        let here = match blob == BlobId::EMPTY {
            true => Some(0),
            false => self.recent.sizes.get(&blob).copied(),
        };
        if let Some(size) = here {
            self.out.push_back(Output::Got { blob, size });
            return Wanted::Here;
        }
        if !self.is_wanted(&blob) {
            if self.owned >= self.config.max_wants {
                return Wanted::TooMany;
            }
            self.owned += 1;
        }
        let want = self
            .wants
            .entry(blob)
            .or_insert_with(|| Want::new(spec, now));
        if want.owners.is_empty() {
            want.since = now;
        }
        want.owners.insert(owner, spec);
        self.owners.entry(owner).or_default().insert(blob);
        self.refresh(&blob, now);
        Wanted::Yes
    }

    /// An owner no longer wants a blob. Nothing can be taken back on the wire,
    /// but no fetch is started any more and one under way is cancelled.
    pub fn release(&mut self, owner: OwnerId, blob: &BlobId, now: u64) {
        if let Some(owned) = self.owners.get_mut(&owner) {
            owned.remove(blob);
            if owned.is_empty() {
                self.owners.remove(&owner);
            }
        }
        let Some(want) = self.wants.get_mut(blob) else {
            return;
        };
        if want.owners.remove(&owner).is_none() {
            return;
        }
        if want.owners.is_empty() {
            self.owned -= 1;
        }
        self.refresh(blob, now);
    }

    /// An owner wants exactly these blobs from now on; none to be forgotten.
    pub fn replace(&mut self, owner: OwnerId, list: &[(BlobId, WantSpec)], now: u64) {
        let kept: HashSet<BlobId> = list.iter().map(|(id, _)| *id).collect();
        let before = self.owners.get(&owner).into_iter().flatten();
        let mut gone: Vec<BlobId> = before.filter(|id| !kept.contains(id)).copied().collect();
        gone.sort_unstable();
        for blob in gone {
            self.release(owner, &blob, now);
        }
        for (blob, spec) in list {
            self.want(owner, *blob, *spec, now);
        }
    }

    /// A blob is in the store, wherever it came from; `from` is the peer whose
    /// fetch brought it.
    pub fn handle_stored(&mut self, blob: BlobId, size: u64, from: Option<PeerId>, now: u64) {
        self.recent.insert(blob, size);
        if let Some(peer) = from.and_then(|p| self.peers.get_mut(&p)) {
            peer.slow = false;
            peer.last_byte = peer.last_byte.max(now);
        }
        self.tell_waiting(&blob, size, now);
        if let Some(want) = self.wants.get(&blob) {
            if !want.owners.is_empty() {
                self.out.push_back(Output::Got { blob, size });
            }
            if let Some(Flight {
                source: Source::Peer(peer),
                ..
            }) = want.flight
                && from != Some(peer)
            {
                let keep = false;
                self.out.push_back(Output::CancelFetch { peer, blob, keep });
            }
            self.drop_want(&blob);
        }
        for peer in self.peers.values_mut() {
            peer.unannounce(&blob);
            peer.denied.remove(&blob);
        }
        self.refill(now);
    }

    /// A blob was deleted from the store: it may be wanted again, and is no
    /// longer pushed.
    pub fn handle_deleted(&mut self, blob: &BlobId) {
        self.recent.remove(blob);
        self.unpush(blob);
    }

    /// Brings a want in line with its owners: rank, kind, or that it is over.
    pub(super) fn refresh(&mut self, blob: &BlobId, now: u64) {
        let Some(want) = self.wants.get_mut(blob) else {
            return;
        };
        let before = (want.spec.rank, *blob);
        let Some(spec) = want.effective() else {
            if let Some(Flight {
                source: Source::Peer(peer),
                ..
            }) = want.flight
            {
                self.out.push_back(Output::CancelFetch {
                    peer,
                    blob: *blob,
                    keep: true,
                });
            }
            // Who has answered will not answer again by itself: when it is wanted
            // once more, it must be announced once more.
            let answered: Vec<PeerId> = want.holders.keys().copied().collect();
            self.drop_want(blob);
            for (id, peer) in &mut self.peers {
                match answered.contains(id) {
                    true => peer.unannounce(blob),
                    false => peer.close(blob),
                }
            }
            self.refill(now);
            return;
        };
        want.spec = spec;
        let after = (spec.rank, *blob);
        if before != after {
            self.ranked.remove(&before);
            for holder in want.holders.keys() {
                if let Some(peer) = self.peers.get_mut(holder)
                    && peer.ready.remove(&before)
                {
                    peer.ready.insert(after);
                }
            }
        }
        self.ranked.insert(after);
        self.offer_to_all(blob, now);
        self.hurry(blob, now);
        self.dirty = true;
    }

    /// Forgets a want and everything that hangs on it, but what was announced.
    pub(super) fn drop_want(&mut self, blob: &BlobId) {
        let Some(want) = self.wants.remove(blob) else {
            return;
        };
        self.dirty = true;
        self.ranked.remove(&(want.spec.rank, *blob));
        for peer in want.holders.keys() {
            if let Some(peer) = self.peers.get_mut(peer) {
                peer.ready.remove(&(want.spec.rank, *blob));
            }
        }
        if let Some(flight) = want.flight {
            self.in_flight -= 1;
            if let Source::Peer(peer) = flight.source
                && let Some(peer) = self.peers.get_mut(&peer)
            {
                peer.flights.remove(blob);
            }
        }
        for owner in want.owners.keys() {
            if let Some(owned) = self.owners.get_mut(owner) {
                owned.remove(blob);
                if owned.is_empty() {
                    self.owners.remove(owner);
                }
            }
        }
        if !want.owners.is_empty() {
            self.owned -= 1;
        }
        if let Some(sympathy) = want.sympathy {
            self.end_sympathy(&sympathy);
        }
    }

    pub(super) fn end_sympathy(&mut self, sympathy: &Sympathy) {
        self.sympathies -= 1;
        self.sympathy_ended = true;
        if let Some(peer) = self.peers.get_mut(&sympathy.from) {
            peer.sympathies = peer.sympathies.saturating_sub(1);
        }
    }
}
