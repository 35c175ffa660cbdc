//! How long to wait, with jitter.

use super::{Kind, MIN_TURN_MS, ROTATE_MS, Record};

/// Each failure beyond the first adds this times the third power of their number.
const CUBE_MS: u64 = 10_000;
/// Beyond so many failures the pause no longer grows.
const MAX_FAILURES: u32 = 64;
/// A peer that was never reached is waited for so much longer.
const NEVER_REACHED: u64 = 3;

/// A small generator of jitter (SplitMix64): nobody's secret hangs on it.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least 0, less than `ms`.
    pub(super) fn upto(&mut self, ms: u64) -> u64 {
        self.draw() % ms.max(1)
    }
}

/// The pause after the failures on record without jitter: cubic, and capped.
pub(super) fn bare_pause(kind: Kind, record: &Record) -> u64 {
    let beyond = u64::from(record.failures.min(MAX_FAILURES).saturating_sub(1));
    let mut pause = kind.first_pause() + beyond.pow(3) * CUBE_MS;
    if record.last_ok == 0 && record.failures > 0 && !kind.is_chosen() {
        pause *= NEVER_REACHED;
    }
    pause.min(kind.longest_pause())
}

/// The same, between half and one and a half of it.
pub(super) fn pause(kind: Kind, record: &Record, draw: u64) -> u64 {
    let bare = bare_pause(kind, record);
    bare / 2 + draw % (bare + 1)
}

/// How long a connection may stay while `waiting` others want its place.
pub(super) fn turn(waiting: usize) -> u64 {
    let share = ROTATE_MS / (waiting.max(1) as u64).isqrt().max(1);
    share.max(MIN_TURN_MS)
}
