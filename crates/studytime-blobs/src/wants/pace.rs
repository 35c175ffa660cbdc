//! How fast peers deliver, and what follows from it for what is being played: how
//! much of it one peer is asked for at a time, and when another is asked instead.

use super::types::{Mark, Output, PeerId, Priority};
use super::{Flight, Want, Wants};
use studytime_schema::BlobId;

/// Bytes of what is being played that one peer is asked for ahead, when nothing is known
/// of it: the next call is made while so much of the last one is still to come.
const DEPTH: u64 = 64 * 1024;
/// The least and the most, however short or long the way is found to be.
const MIN_DEPTH: u64 = 16 * 1024;
const MAX_DEPTH: u64 = 16 * 1024 * 1024;
/// A speed is told from so many milliseconds, or so many bytes.
const SPAN: u64 = 500;
const SPAN_BYTES: u64 = 1 << 20;
/// How often a fetch that is being watched is looked at, in milliseconds.
const LOOK_AGAIN: u64 = 1_000;

/// How fast one peer delivers, all its fetches together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Speed {
    /// Bytes per second.
    rate: Option<u64>,
    /// Milliseconds from a call to its first byte, with nothing else under way.
    round_trip: Option<u64>,
    since: u64,
    bytes: u64,
}

impl Speed {
    /// A fetch starts after a time without any.
    pub(super) fn begin(&mut self, now: u64) {
        self.since = now;
        self.bytes = 0;
    }

    /// The first byte of a fetch that had the line for itself.
    fn answered(&mut self, after: u64) {
        let slower = self.round_trip.map(|old| old.saturating_mul(5) / 4 + 1);
        self.round_trip = Some(slower.map_or(after, |old| after.min(old)));
    }

    fn received(&mut self, count: u64, now: u64) {
        self.bytes = self.bytes.saturating_add(count);
        let passed = now.saturating_sub(self.since);
        if passed < SPAN && self.bytes < SPAN_BYTES {
            return;
        }
        let rate = self.bytes.saturating_mul(1_000) / passed.max(1);
        self.rate = Some(self.rate.map_or(rate, |old| old / 2 + rate / 2));
        self.begin(now);
    }

    /// Bytes that come in the time of a round trip: the next call is answered when the
    /// last one is complete, neither sooner, sharing the line with it, nor later.
    pub(super) fn depth(&self) -> u64 {
        match (self.rate, self.round_trip) {
            (Some(rate), Some(round_trip)) => {
                let way = rate.saturating_mul(round_trip + 1) / 1_000;
                way.clamp(MIN_DEPTH, MAX_DEPTH)
            }
            _ => DEPTH,
        }
    }
}

/// What is being fetched for readers, over all peers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Playing {
    /// Something.
    pub(super) any: bool,
    /// Something that a reader waits for, and that is coming.
    pub(super) urgent: bool,
    /// The beginning of something is coming: bytes that are left of all that is played.
    pub(super) in_order: Option<u64>,
}

impl Wants {
    /// Bytes of a fetch came.
    pub fn handle_bytes(&mut self, id: PeerId, blob: &BlobId, count: u64, now: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.last_byte = peer.last_byte.max(now);
        peer.slow = false;
        peer.speed.received(count, now);
        let Some(want) = self.wants.get_mut(blob) else {
            return;
        };
        let playing = want.spec.rank.priority == Priority::Playing;
        let Some(flight) = want.flight.as_mut().filter(|f| f.is_from(&id)) else {
            return;
        };
        if flight.received == 0 && flight.alone {
            peer.speed.answered(now.saturating_sub(flight.started));
        }
        flight.last_byte = flight.last_byte.max(now);
        flight.received = flight.received.saturating_add(count);
        // The next segment may be asked for.
        self.dirty |= playing;
    }

    pub(super) fn playing(&self, now: u64) -> Playing {
        let mut playing = Playing::default();
        let (mut left, mut in_order) = (0u64, false);
        for blob in self.peers.values().flat_map(|p| &p.flights) {
            let want = self.wants.get(blob);
            let Some((want, flight)) = want.and_then(|w| Some((w, w.flight.as_ref()?))) else {
                continue;
            };
            if want.spec.rank.priority != Priority::Playing {
                continue;
            }
            playing.any = true;
            left = left.saturating_add(want.left().unwrap_or(0));
            // One that hangs must not hold up everything else.
            let moving = flight.last_byte.saturating_add(self.config.slow_playing) > now;
            playing.urgent |= want.spec.rank.is_urgent() && moving;
            in_order |= want.spec.rank.is_in_order() && moving;
        }
        playing.in_order = in_order.then_some(left);
        playing
    }

    /// Whether a peer has as much of what is being played to deliver as it can take:
    /// more would only share the line with what is needed first.
    pub(super) fn is_paced(&self, id: &PeerId) -> bool {
        let Some(peer) = self.peers.get(id) else {
            return true;
        };
        let left: Vec<u64> = peer
            .flights
            .iter()
            .filter_map(|blob| self.wants.get(blob))
            .filter(|want| want.spec.rank.priority == Priority::Playing)
            .filter_map(Want::left)
            .collect();
        !left.is_empty() && left.iter().sum::<u64>() >= peer.speed.depth()
    }

    /// Whether a blob that is being played is left to others, because this peer has
    /// shown that it is too slow and they have not.
    pub(super) fn is_left_to_others(&self, id: &PeerId, blob: &BlobId, now: u64) -> bool {
        let (Some(peer), Some(want)) = (self.peers.get(id), self.wants.get(blob)) else {
            return false;
        };
        // The others may need a moment to say that they have it.
        let new = want.since.saturating_add(LOOK_AGAIN) > now && self.peers.len() > 1;
        peer.crawls_until > now
            && want.spec.rank.priority == Priority::Playing
            && (new || self.is_elsewhere(id, blob, want, now, |_| true))
    }

    /// Whether another peer has the blob, may be asked and is not known to be slow.
    fn is_elsewhere(
        &self,
        id: &PeerId,
        blob: &BlobId,
        want: &Want,
        now: u64,
        fits: impl Fn(Option<u64>) -> bool,
    ) -> bool {
        want.holders.keys().filter(|h| *h != id).any(|other| {
            self.peers.get(other).is_some_and(|p| {
                let willing = !p.is_denied(blob, now) && !p.slow && p.crawls_until <= now;
                willing && fits(p.speed.rate)
            })
        })
    }

    /// Whether a segment would come so late, at the speed so far, that another peer is
    /// worth its try: one that was at least twice as fast, or was never tried.
    pub(super) fn is_too_slow(&self, id: &PeerId, blob: &BlobId, now: u64) -> bool {
        let want = self.wants.get(blob);
        let Some((want, flight)) = want.and_then(|w| Some((w, w.flight.as_ref()?))) else {
            return false;
        };
        if flight.look_at > now || want.spec.rank.priority != Priority::Playing {
            return false;
        }
        let left = want.left().unwrap_or(0);
        let passed = now.saturating_sub(flight.started);
        let needed = left.saturating_mul(passed) / flight.received.max(1);
        needed > self.config.slow_playing
            && self.is_elsewhere(id, blob, want, now, |rate| {
                rate.is_none_or(|r| left.saturating_mul(2_000) / r.max(1) < needed)
            })
    }

    /// A fetch passed its inspection: the next one is in a while.
    pub(super) fn look_again(&mut self, blob: &BlobId, now: u64) {
        let flight = self.wants.get_mut(blob).and_then(|w| w.flight.as_mut());
        if let Some(flight) = flight.filter(|f| f.look_at <= now) {
            flight.look_at = now.saturating_add(LOOK_AGAIN);
        }
    }

    /// A peer was too slow: it comes last for what is being played, for a while.
    pub(super) fn mark_slow(&mut self, id: PeerId, now: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let known = peer.crawls_until > now;
        peer.crawls_until = now.saturating_add(self.config.retry);
        if !known {
            self.out.push_back(Output::PeerMarked {
                feed: id.feed,
                mark: Mark::Slow,
            });
        }
    }
}

impl Want {
    /// Bytes that its fetch still has to bring, as far as the size is known.
    fn left(&self) -> Option<u64> {
        let flight: &Flight = self.flight.as_ref()?;
        Some(self.spec.max.saturating_sub(flight.received))
    }
}
