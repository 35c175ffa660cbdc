//! Fetching: from whom, in which order, and what to do when it goes wrong.

use super::pace::Playing;
use super::peer::Peer;
use super::types::{FetchFailure, Mark, Output, PeerId, PeerKind, Priority, Rank};
use super::{Flight, Source, Timer, Want, Wants};
use std::cmp::Reverse;
use studytime_schema::BlobId;

impl Rank {
    /// Somebody waits for it now.
    pub(super) fn is_urgent(&self) -> bool {
        let waited_for = matches!(self.order, 0 | Self::WAITED_FOR);
        self.priority == Priority::Playing && waited_for
    }

    /// It comes after what is before it, not beside that.
    pub(super) fn is_in_order(&self) -> bool {
        self.priority == Priority::Playing && self.order <= Self::IN_ORDER
    }

    /// It gives way to what is urgent.
    fn gives_way(&self) -> bool {
        self.priority < Priority::Opened
    }
}

/// Peers whose lies are counted; beyond, only those that are banned now.
const MAX_OFFENCES: usize = 4_096;

/// How far down a slow peer's list something is looked for that others have not.
const READY_SCAN: usize = 128;

/// What a peer may be asked for next.
enum Slot {
    Free,
    /// When this fetch is cancelled.
    InPlaceOf(BlobId),
    None,
}

impl Wants {
    /// Starts fetches, in the order of ranks over all peers.
    pub(super) fn schedule(&mut self, now: u64) {
        if self.held || now < self.paused_until {
            return;
        }
        loop {
            let playing = self.playing(now);
            let peers = self.peers.iter().filter_map(|(id, peer)| {
                let left = |blob: &BlobId| self.is_left_to_others(id, blob, now);
                let mut ready = peer.ready.iter().take(READY_SCAN);
                let (rank, blob) = *ready.find(|(_, blob)| !left(blob))?;
                let slot = self.slot(id, peer, &rank, playing);
                if matches!(slot, Slot::None) {
                    return None;
                }
                let stranger = Reverse(peer.kind.min(PeerKind::StudyTime));
                let crawls = peer.crawls_until > now;
                Some((
                    (rank, crawls, peer.flights.len(), stranger, blob, *id),
                    slot,
                ))
            });
            let Some(((rank, _, _, _, blob, id), slot)) = peers.min_by_key(|(key, _)| *key) else {
                return;
            };
            if let Slot::InPlaceOf(other) = slot {
                self.cancel(&other, id, true, now);
            }
            self.start(id, blob, now);
            if rank.is_urgent() {
                self.make_way(now);
            }
        }
    }

    fn slot(&self, id: &PeerId, peer: &Peer, rank: &Rank, playing: Playing) -> Slot {
        let config = &self.config;
        let flights = peer.flights.len();
        let ranks = || {
            peer.flights
                .iter()
                .filter_map(|b| Some((self.wants.get(b)?.spec.rank, *b)))
        };
        if rank.is_urgent() {
            if flights < config.fetches_per_peer + config.urgent_fetches_per_peer {
                return Slot::Free;
            }
            let worst = ranks().max().filter(|(worst, _)| worst > rank);
            return worst.map_or(Slot::None, |(_, blob)| Slot::InPlaceOf(blob));
        }
        let limit = match (peer.slow, rank.priority) {
            (true, _) => 1,
            (false, Priority::Playing) => config.fetches_per_peer + config.urgent_fetches_per_peer,
            // The line is shared with what is being played, from wherever that comes.
            (false, _) if rank.gives_way() && playing.any => 1,
            (false, _) => config.fetches_per_peer,
        };
        let waiting = match rank.priority {
            Priority::Playing => {
                let first = playing
                    .in_order
                    .is_some_and(|left| left >= peer.speed.depth());
                first || self.is_paced(id)
            }
            _ => {
                let for_readers = |(r, _): (Rank, BlobId)| r.priority == Priority::Playing;
                rank.gives_way() && (playing.urgent || ranks().any(for_readers))
            }
        };
        match flights < limit && self.in_flight < config.max_fetches && !waiting {
            true => Slot::Free,
            false => Slot::None,
        }
    }

    fn start(&mut self, id: PeerId, blob: BlobId, now: u64) {
        let Some(want) = self.wants.get_mut(&blob) else {
            return;
        };
        for holder in want.holders.keys() {
            if let Some(peer) = self.peers.get_mut(holder) {
                peer.ready.remove(&(want.spec.rank, blob));
            }
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let alone = peer.flights.is_empty();
        if alone {
            peer.speed.begin(now);
        }
        peer.flights.insert(blob);
        self.in_flight += 1;
        want.flight = Some(Flight {
            source: Source::Peer(id),
            started: now,
            last_byte: now,
            received: 0,
            alone,
            look_at: now.saturating_add(self.config.slow_playing),
        });
        let size = want.holders.get(&id).copied();
        self.out.push_back(Output::Fetch {
            peer: id,
            blob,
            max: want.spec.max,
            resume: size.filter(|_| peer.slices),
        });
    }

    /// Takes back a fetch; the blob is free to be fetched from anyone.
    fn land(&mut self, blob: &BlobId, now: u64) {
        let Some(want) = self.wants.get_mut(blob) else {
            return;
        };
        let Some(flight) = want.flight.take() else {
            return;
        };
        self.in_flight -= 1;
        if let Source::Peer(id) = flight.source
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.flights.remove(blob);
        }
        for holder in want.holders.keys() {
            if let Some(peer) = self.peers.get_mut(holder)
                && !peer.is_denied(blob, now)
            {
                peer.ready.insert((want.spec.rank, *blob));
            }
        }
        self.dirty = true;
    }

    fn cancel(&mut self, blob: &BlobId, peer: PeerId, keep: bool, now: u64) {
        self.land(blob, now);
        let blob = *blob;
        self.out.push_back(Output::CancelFetch { peer, blob, keep });
    }

    /// Cancels what gives way to something urgent, at all peers: it may be our own line
    /// that they share. What has come of it is kept.
    fn make_way(&mut self, now: u64) {
        let lesser = |blob: &BlobId| {
            let want = self.wants.get(blob);
            want.is_some_and(|w| w.spec.rank.gives_way())
        };
        let flights = self
            .peers
            .iter()
            .flat_map(|(id, p)| p.flights.iter().map(|blob| (*id, *blob)));
        let lesser: Vec<_> = flights.filter(|(_, blob)| lesser(blob)).collect();
        for (id, blob) in lesser {
            self.cancel(&blob, id, true, now);
        }
        // Should it hang, the others go on then.
        let at = now.saturating_add(self.config.slow_playing);
        self.timers.insert((at, Timer::Resume));
    }

    /// A blob in flight has become urgent: the others give way.
    pub(super) fn hurry(&mut self, blob: &BlobId, now: u64) {
        let want = self.wants.get(blob).filter(|w| w.spec.rank.is_urgent());
        if let Some(Flight {
            source: Source::Peer(_),
            ..
        }) = want.and_then(|w| w.flight)
        {
            self.make_way(now);
        }
    }

    /// A fetch failed. For one that was cancelled it is ignored.
    pub fn handle_failed(&mut self, id: PeerId, blob: &BlobId, why: FetchFailure, now: u64) {
        let want = self.wants.get_mut(blob);
        let Some(want) = want.filter(|w| w.flight.is_some_and(|f| f.source == Source::Peer(id)))
        else {
            return;
        };
        let rank = want.spec.rank;
        match why {
            FetchFailure::WrongHashResumed => {}
            FetchFailure::NoSlices => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.slices = false;
                }
            }
            FetchFailure::Local => {
                self.paused_until = now.saturating_add(self.config.local_pause);
                self.timers.insert((self.paused_until, Timer::Resume));
            }
            FetchFailure::Broken => self.deny(id, blob, self.config.retry, now),
            FetchFailure::Refused => {
                want.holders.remove(&id);
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.ready.remove(&(rank, *blob));
                    peer.unannounce(blob);
                }
                self.deny(id, blob, self.config.retry, now);
            }
            FetchFailure::TooLong | FetchFailure::WrongHash => {
                want.holders.remove(&id);
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.ready.remove(&(rank, *blob));
                    peer.denied.insert(*blob, u64::MAX);
                }
                self.offend(id, now);
            }
        }
        self.land(blob, now);
        self.consider_strangers_at(now);
    }

    /// A peer is not asked for a blob for a while.
    fn deny(&mut self, id: PeerId, blob: &BlobId, pause: u64, now: u64) {
        let (Some(peer), Some(want)) = (self.peers.get_mut(&id), self.wants.get(blob)) else {
            return;
        };
        let until = now.saturating_add(pause);
        peer.denied.insert(*blob, until);
        peer.ready.remove(&(want.spec.rank, *blob));
        self.timers.insert((until, Timer::Retry(id, *blob)));
    }

    /// A peer may be asked for a blob again.
    pub(super) fn retry(&mut self, id: PeerId, blob: &BlobId, now: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.is_denied(blob, now) {
            return;
        }
        peer.denied.remove(blob);
        let Some(want) = self.wants.get(blob) else {
            return;
        };
        if want.holders.contains_key(&id) {
            if want.flight.is_none() {
                peer.ready.insert((want.spec.rank, *blob));
                self.dirty = true;
            }
        } else {
            self.offer_to_all(blob, now);
        }
    }

    /// A peer sent wrong bytes, or more than there are.
    fn offend(&mut self, id: PeerId, now: u64) {
        if self.offences.len() >= MAX_OFFENCES {
            self.offences.retain(|_, o| o.until > now);
        }
        let offence = self.offences.entry(id.feed).or_default();
        offence.times = offence.times.saturating_add(1);
        let times = offence.times;
        if times < self.config.lies {
            return;
        }
        offence.until = now.saturating_add(self.config.ban);
        self.out.push_back(Output::PeerMarked {
            feed: id.feed,
            mark: Mark::Liar { times },
        });
        let connections = self.peers.keys().filter(|p| p.feed == id.feed);
        for connection in connections.copied().collect::<Vec<_>>() {
            let Some(peer) = self.peers.get_mut(&connection) else {
                continue;
            };
            peer.ready.clear();
            let flights: Vec<_> = peer.flights.iter().copied().collect();
            for want in self.wants.values_mut() {
                want.holders.remove(&connection);
            }
            for blob in flights {
                self.cancel(&blob, connection, false, now);
            }
        }
    }

    pub(super) fn is_banned(&self, id: &PeerId, now: u64) -> bool {
        self.offences.get(&id.feed).is_some_and(|o| o.until > now)
    }

    /// When a fetch is silent for too long.
    fn stalls_at(&self, peer: &Peer, want: &Want, flight: &Flight) -> u64 {
        let config = &self.config;
        let others = want.holders.len() > 1;
        let silence = match want.spec.rank.priority == Priority::Playing && others {
            true => config.stall_playing,
            false => config.stall,
        };
        let watched = match want.spec.rank.priority == Priority::Playing && others {
            true => flight.look_at,
            false => u64::MAX,
        };
        let peer_silent = peer.last_byte.max(flight.started).saturating_add(silence);
        let fetch_silent = flight.last_byte.saturating_add(config.stall_fetch);
        peer_silent.min(fetch_silent).min(watched)
    }

    pub(super) fn next_stall(&self) -> Option<u64> {
        let flights = self.peers.values().flat_map(|peer| {
            peer.flights.iter().filter_map(move |blob| {
                let want = self.wants.get(blob)?;
                Some(self.stalls_at(peer, want, want.flight.as_ref()?))
            })
        });
        flights.min()
    }

    /// Moves fetches that are silent for too long.
    pub(super) fn move_stalled(&mut self, now: u64) {
        let mut stalled = Vec::new();
        for (id, peer) in &self.peers {
            for blob in &peer.flights {
                let want = self.wants.get(blob);
                let flight = want.and_then(|w| Some((w, w.flight.as_ref()?)));
                if let Some((want, flight)) = flight
                    && self.stalls_at(peer, want, flight) <= now
                {
                    stalled.push((*id, *blob, want.holders.len() > 1));
                }
            }
        }
        for (id, blob, others) in stalled {
            let watched = self.wants.get(&blob).and_then(|w| w.flight);
            if watched.is_some_and(|f| f.look_at <= now) {
                let too_slow = self.is_too_slow(&id, &blob, now);
                self.look_again(&blob, now);
                let want = self.wants.get(&blob);
                let due = want.and_then(|w| Some((w, w.flight.as_ref()?, self.peers.get(&id)?)));
                let silent = due.is_some_and(|(w, f, p)| self.stalls_at(p, w, f) <= now);
                if too_slow {
                    self.deny(id, &blob, self.config.retry, now);
                    self.mark_slow(id, now);
                    self.cancel(&blob, id, true, now);
                }
                if too_slow || !silent {
                    continue;
                }
            }
            // The only one who has it is asked again soon: a new call may get
            // through where the old one hangs.
            let pause = match others {
                true => self.config.retry,
                false => self.config.stall_playing,
            };
            self.deny(id, &blob, pause, now);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.slow = true;
            }
            self.cancel(&blob, id, true, now);
        }
    }

    /// Wants of our own, the most urgent first, that have waited for `after`
    /// milliseconds and that no peer can serve, with the largest size of each:
    /// for mirrors. They count as being fetched until [`handle_stored`](Self::handle_stored)
    /// or [`mirror_failed`](Self::mirror_failed).
    pub fn take_for_mirrors(&mut self, limit: usize, after: u64, now: u64) -> Vec<(BlobId, u64)> {
        let mut taken = Vec::new();
        if self.held || now < self.paused_until {
            return taken;
        }
        for (_, blob) in &self.ranked {
            if taken.len() >= limit {
                break;
            }
            let Some(want) = self.wants.get_mut(blob) else {
                continue;
            };
            let waited = want.since.saturating_add(after) <= now && want.mirrors_after <= now;
            let served = want.holders.keys().any(|id| {
                let peer = self.peers.get(id);
                peer.is_some_and(|p| !p.is_denied(blob, now))
            });
            if want.owners.is_empty() || want.flight.is_some() || !waited || served {
                continue;
            }
            want.flight = Some(Flight {
                source: Source::Mirror,
                started: now,
                last_byte: now,
                received: 0,
                alone: false,
                look_at: u64::MAX,
            });
            self.in_flight += 1;
            taken.push((*blob, want.spec.max));
        }
        taken
    }

    /// No mirror had it: peers may be asked again, mirrors after a while.
    pub fn mirror_failed(&mut self, blob: &BlobId, now: u64) {
        let Some(want) = self.wants.get_mut(blob) else {
            return;
        };
        if want.flight.is_some_and(|f| f.source == Source::Mirror) {
            want.mirrors_after = now.saturating_add(self.config.retry);
            self.land(blob, now);
        }
    }
}
