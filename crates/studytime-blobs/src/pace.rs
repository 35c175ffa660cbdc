//! How fast is fast enough: a limit on bytes in a second.
//!
//! [`Pace`] is a token bucket in virtual time. Blobs move whole, so it lends:
//! as long as anything is left, the next blob may go, whatever its size, and
//! what it takes beyond the rest is paid back before the one after it. So the
//! average holds, however large a blob is against the limit.

/// Seconds of unused allowance that are saved up.
const SAVED_SECONDS: u64 = 2;
/// Seconds of debt that are remembered: a limit that was lowered does not
/// stop everything for days.
const MAX_DEBT_SECONDS: u64 = 600;

/// A limit on bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a second; `None` is no limit.
    limit: Option<u64>,
    /// What may be taken, in thousandths of a byte; below zero it is debt.
    left: i128,
    /// Up to when it is reckoned, in milliseconds since 1970.
    at: u64,
}

impl Pace {
    /// So many bytes in a second at most; `None` sets no limit.
    pub fn new(limit: Option<u64>, now: u64) -> Self {
        let mut pace = Self {
            limit: limit.map(|l| l.max(1)),
            left: 0,
            at: now,
        };
        pace.left = pace.most();
        pace
    }

    /// The limit in bytes a second.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Changes the limit from now on.
    pub fn set_limit(&mut self, limit: Option<u64>, now: u64) {
        let limit = limit.map(|l| l.max(1));
        if self.limit != limit {
            *self = Self::new(limit, now);
        }
    }

    fn most(&self) -> i128 {
        i128::from(self.limit.unwrap_or(0)) * i128::from(SAVED_SECONDS) * 1_000
    }

    fn refill(&mut self, now: u64) {
        let Some(limit) = self.limit else { return };
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let grown = self.left + i128::from(passed) * i128::from(limit);
        self.left = grown.min(self.most());
    }

    /// Whether another blob may be begun.
    pub fn allows(&mut self, now: u64) -> bool {
        self.refill(now);
        self.limit.is_none() || self.left > 0
    }

    /// Notes that `bytes` are taken.
    pub fn take(&mut self, bytes: u64, now: u64) {
        self.refill(now);
        let Some(limit) = self.limit else { return };
        let floor = -i128::from(limit) * i128::from(MAX_DEBT_SECONDS) * 1_000;
        // Never less than one blob's worth of debt, however low the limit is.
        let floor = floor.min(-i128::from(studytime_schema::MAX_BLOB_SIZE) * 1_000);
        self.left = (self.left - i128::from(bytes) * 1_000).max(floor);
    }

    /// When the next blob may be begun, in milliseconds since 1970; `None` for
    /// now.
    pub fn next_at(&mut self, now: u64) -> Option<u64> {
        if self.allows(now) {
            return None;
        }
        let limit = i128::from(self.limit.unwrap_or(1));
        let wait = (1 - self.left + limit - 1) / limit;
        // From where it is reckoned up to: a clock may have been set back.
        Some(
            self.at
                .saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_limit_everything_goes() {
        let mut pace = Pace::new(None, 5);
        pace.take(u64::MAX, 5);
        assert!(pace.allows(5));
        assert_eq!(pace.next_at(5), None);
    }

    #[test]
    fn a_large_blob_is_paid_back() {
        let mut pace = Pace::new(Some(1_000), 0);
        assert!(pace.allows(0));
        pace.take(12_000, 0);
        // Two seconds were saved up, ten are owed.
        assert!(!pace.allows(9_999));
        assert_eq!(pace.next_at(0), Some(10_001));
        assert!(pace.allows(10_001));
    }

    #[test]
    fn a_new_limit_holds_at_once() {
        let mut pace = Pace::new(Some(10), 0);
        pace.take(1_000_000, 0);
        assert!(!pace.allows(1_000));
        pace.set_limit(Some(1_000_000), 1_000);
        assert!(pace.allows(1_000));
        pace.set_limit(None, 1_001);
        assert!(pace.allows(1_001));
    }

    proptest! {
        /// Whoever asks before each blob stays within the limit, but for what
        /// was saved up and one blob.
        #[test]
        fn the_average_holds(limit in 1_000u64..10_000_000, sizes in proptest::collection::vec(1u64..5_000_000, 1..50)) {
            let mut pace = Pace::new(Some(limit), 0);
            let (mut now, mut sum, mut largest) = (0, 0, 0);
            for size in sizes {
                if let Some(at) = pace.next_at(now) {
                    prop_assert!(at > now);
                    now = at;
                }
                prop_assert!(pace.allows(now));
                pace.take(size, now);
                sum += size;
                largest = largest.max(size);
                // Debt beyond ten minutes is forgiven, so the bound is for less.
                if largest < limit.saturating_mul(MAX_DEBT_SECONDS) {
                    let most = limit * SAVED_SECONDS + limit * now / 1_000 + largest + limit;
                    prop_assert!(sum <= most, "{sum} of {most} at {now}");
                }
            }
        }
    }
}
