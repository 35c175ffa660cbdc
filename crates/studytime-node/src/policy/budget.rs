//! How much is held of what nobody here asked for by name: courses that lists
//! name, friends, and what a pub carries.

use crate::api::Amount;
use studytime_replicate::store::Counts;

/// The part of the budget that one feed may take: whoever writes without end
/// must not use up what is there for all.
const PART_OF_ONE: u64 = 10;

/// What may be held. Own feeds, chosen lists and courses that were started,
/// opened or pinned are outside of it and always fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) limit: Amount,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            limit: Amount {
                feeds: 20_000,
                messages: 2_000_000,
                bytes: 4 << 30,
            },
        }
    }
}

/// Who is within.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Allotment {
    /// Of each that asked, in order, whether it is fetched.
    pub(crate) fetched: Vec<bool>,
    /// What is held of those.
    pub(crate) used: Amount,
    /// How many found no room.
    pub(crate) left_out: u64,
}

impl Budget {
    /// Goes through what is held of feeds, the most wanted first. A feed is
    /// within while there is room before it; what comes of it while it is
    /// fetched may go beyond, until the plan is made anew.
    pub(crate) fn allot(&self, held: impl IntoIterator<Item = Counts>) -> Allotment {
        let mut all = Allotment::default();
        for held in held {
            let of_one = held.messages <= self.limit.messages / PART_OF_ONE
                && held.bytes <= self.limit.bytes / PART_OF_ONE;
            let within = of_one && self.room(&all.used).is_some();
            if within {
                all.used.feeds += 1;
                all.used.messages = all.used.messages.saturating_add(held.messages);
                all.used.bytes = all.used.bytes.saturating_add(held.bytes);
            } else {
                all.left_out += 1;
            }
            all.fetched.push(within);
        }
        all
    }

    /// What is left; `None` when any of it is used up.
    fn room(&self, used: &Amount) -> Option<Amount> {
        let left = |limit: u64, used: u64| limit.checked_sub(used).filter(|left| *left > 0);
        Some(Amount {
            feeds: left(self.limit.feeds, used.feeds)?,
            messages: left(self.limit.messages, used.messages)?,
            bytes: left(self.limit.bytes, used.bytes)?,
        })
    }

    /// Messages that may come in before the plan has to be made anew.
    pub(crate) fn slack(&self, used: &Amount) -> u64 {
        /// A long message, as it is kept.
        const LONG: u64 = 4 * 1024;
        let left = self
            .room(used)
            .map_or(0, |r| r.messages.min(r.bytes / LONG));
        let all = self.limit.messages.min(self.limit.bytes / LONG);
        let least = (all / 100).max(1_000);
        (left / 2).clamp(least, (all / PART_OF_ONE).max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(feeds: u64, messages: u64, bytes: u64) -> Budget {
        Budget {
            limit: Amount {
                feeds,
                messages,
                bytes,
            },
        }
    }

    fn held(messages: u64, bytes: u64) -> Counts {
        Counts {
            feeds: u64::from(messages > 0),
            messages,
            bytes,
        }
    }

    #[test]
    fn the_most_wanted_come_first_and_the_rest_waits() {
        let small = budget(10, 1_000, 1 << 20);
        let asked = [held(90, 900), held(0, 0), held(100, 1_000), held(101, 1)];
        let all = small.allot(asked);
        // The last holds more than its part alone.
        assert_eq!(all.fetched, [true, true, true, false]);
        assert_eq!((all.used.messages, all.left_out), (190, 1));
        // No room for a third.
        let all = budget(2, 1_000, 1 << 20).allot([held(1, 1); 3]);
        assert_eq!(all.fetched, [true, true, false]);
        // Nothing at all is a budget, too.
        assert_eq!(budget(0, 0, 0).allot([held(0, 0)]).fetched, [false]);
    }

    #[test]
    fn the_plan_is_looked_at_again_before_much_can_be_too_much() {
        let roomy = budget(10, 1_000_000, u64::MAX);
        assert_eq!(roomy.slack(&Amount::default()), 100_000);
        let used = Amount {
            messages: 999_000,
            ..Amount::default()
        };
        assert_eq!(roomy.slack(&used), 10_000);
        assert_eq!(budget(0, 0, 0).slack(&used), 1_000);
    }

    proptest! {
        #[test]
        fn nothing_goes_beyond_by_more_than_one_feed(
            limit in (0..20_u64, 0..500_u64, 0..5_000_u64),
            asked in prop::collection::vec((0..80_u64, 0..800_u64), 0..40),
        ) {
            let budget = budget(limit.0, limit.1, limit.2);
            let asked: Vec<Counts> = asked.iter().map(|(m, b)| held(*m, *b)).collect();
            let all = budget.allot(asked.iter().copied());
            prop_assert_eq!(all.fetched.len(), asked.len());
            prop_assert!(all.used.feeds <= limit.0);
            prop_assert!(all.used.messages <= limit.1 + limit.1 / PART_OF_ONE);
            prop_assert!(all.used.bytes <= limit.2 + limit.2 / PART_OF_ONE);
            // Nobody overtakes who was left out for want of room.
            let whole = all.used.feeds == limit.0
                || all.used.messages >= limit.1
                || all.used.bytes >= limit.2;
            let small = |held: &Counts| {
                held.messages <= limit.1 / PART_OF_ONE && held.bytes <= limit.2 / PART_OF_ONE
            };
            let waiting = asked.iter().zip(&all.fetched).any(|(held, fetched)| !fetched && small(held));
            prop_assert!(whole || !waiting);
        }
    }
}
