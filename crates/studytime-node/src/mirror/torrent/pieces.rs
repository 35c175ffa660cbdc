//! Which pieces are wanted, who takes them, and those that came: the heart of a
//! download from a swarm, without sockets or clock.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of pieces that are kept for who comes next; several files' parts lie in
/// one piece.
const KEPT: usize = 8 << 20;
/// After this another peer may try the same piece, in milliseconds.
const SLOW: u64 = 10_000;
/// Peers that take the same piece at a time.
const AT_ONCE: usize = 2;

/// A connection, by its number.
pub(super) type PeerNo = u64;

#[derive(Default)]
struct Wanted {
    /// Who waits, by their numbers.
    waiting: Vec<u64>,
    takers: Vec<(PeerNo, u64)>,
}

/// The pieces of one torrent, as far as anybody wants them.
#[derive(Default)]
pub(super) struct Pieces {
    wanted: BTreeMap<u32, Wanted>,
    /// The latest last.
    kept: VecDeque<(u32, Bytes)>,
    /// Bytes of what was kept, over all time.
    pub(super) came: u64,
}

impl Pieces {
    /// A piece that is here; otherwise somebody waits for it from now on.
    pub(super) fn want(&mut self, piece: u32, who: u64) -> Option<Bytes> {
        let found = self.get(piece);
        if found.is_none() {
            let waiting = &mut self.wanted.entry(piece).or_default().waiting;
            if !waiting.contains(&who) {
                waiting.push(who);
            }
        }
        found
    }

    /// Somebody waits no more.
    pub(super) fn unwant(&mut self, piece: u32, who: u64) {
        if let Some(wanted) = self.wanted.get_mut(&piece) {
            wanted.waiting.retain(|w| *w != who);
            if wanted.waiting.is_empty() {
                self.wanted.remove(&piece);
            }
        }
    }

    /// Whether a piece is still wanted.
    pub(super) fn is_wanted(&self, piece: u32) -> bool {
        self.wanted.contains_key(&piece)
    }

    /// Whether nothing is.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    fn get(&self, piece: u32) -> Option<Bytes> {
        let found = self.kept.iter().find(|(p, _)| *p == piece);
        found.map(|(_, bytes)| bytes.clone())
    }

    /// A piece for a peer to take: one that nobody takes, else one that takes long.
    pub(super) fn claim(
        &mut self,
        peer: PeerNo,
        has: impl Fn(u32) -> bool,
        now: u64,
    ) -> Option<u32> {
        let mut slow = None;
        for (piece, wanted) in &mut self.wanted {
            if !has(*piece) || wanted.takers.iter().any(|(p, _)| *p == peer) {
                continue;
            }
            if wanted.takers.is_empty() {
                wanted.takers.push((peer, now));
                return Some(*piece);
            }
            let long = wanted
                .takers
                .iter()
                .all(|(_, t)| now.saturating_sub(*t) > SLOW);
            if slow.is_none() && long && wanted.takers.len() < AT_ONCE {
                slow = Some(*piece);
            }
        }
        let piece = slow?;
        self.wanted.get_mut(&piece)?.takers.push((peer, now));
        Some(piece)
    }

    /// A peer takes nothing any more.
    pub(super) fn release(&mut self, peer: PeerNo) {
        for wanted in self.wanted.values_mut() {
            wanted.takers.retain(|(p, _)| *p != peer);
        }
    }

    /// A piece came and is right.
    pub(super) fn arrived(&mut self, piece: u32, bytes: Bytes) {
        self.came += bytes.len() as u64;
        if self.wanted.remove(&piece).is_none() {
            return;
        }
        self.kept.push_back((piece, bytes));
        let mut all: usize = self.kept.iter().map(|(_, b)| b.len()).sum();
        while all > KEPT && self.kept.len() > 1 {
            all -= self.kept.pop_front().map_or(0, |(_, b)| b.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize) -> Bytes {
        vec![1; len].into()
    }

    #[test]
    fn each_piece_is_taken_by_one_and_by_another_when_it_takes_long() {
        let mut pieces = Pieces::default();
        for p in [4, 2] {
            pieces.want(p, 1);
        }
        assert_eq!(pieces.claim(1, |p| p == 4, 0), Some(4));
        assert_eq!(pieces.claim(2, |_| true, 0), Some(2));
        assert_eq!(pieces.claim(3, |_| true, SLOW), None);
        assert_eq!(pieces.claim(3, |_| true, SLOW + 1), Some(2));
        assert_eq!(
            pieces.claim(5, |p| p == 2, SLOW * 3),
            None,
            "two are enough"
        );
        pieces.release(1);
        assert_eq!(pieces.claim(3, |_| true, SLOW + 2), Some(4));
        pieces.arrived(4, piece(10));
        assert!(!pieces.is_wanted(4) && pieces.get(4).is_some());
        pieces.want(2, 7);
        pieces.unwant(2, 1);
        assert!(pieces.is_wanted(2), "another waits");
        pieces.unwant(2, 7);
        assert!(pieces.is_idle());
    }

    #[test]
    fn what_came_is_kept_for_a_while() {
        let mut pieces = Pieces::default();
        for p in 0..5 {
            pieces.want(p, 1);
            pieces.arrived(p, piece(KEPT / 3));
        }
        assert!(pieces.get(0).is_none() && pieces.get(1).is_none());
        assert!((2..5).all(|p| pieces.get(p).is_some()));
        assert!(pieces.want(4, 2).is_some());
        assert!(pieces.is_idle(), "it is here");
        // Nobody waits for it any more.
        pieces.arrived(9, piece(1));
        assert!(pieces.get(9).is_none());
        assert_eq!(pieces.came, 5 * (KEPT as u64 / 3) + 1);
    }
}
