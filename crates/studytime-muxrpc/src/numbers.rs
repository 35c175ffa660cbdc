//! Which request numbers a peer has used.

/// Tells the first packet of a new call from a late packet of an old one.
///
/// Peers count up, but some hand out numbers on one thread and write on another, so a number may
/// come a little late: those within `WINDOW` of the highest are remembered one by one, older ones
/// count as used.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    highest: i32,
    /// Bit n: `highest - n` was used.
    window: u128,
}

const WINDOW: u32 = u128::BITS;

impl Numbers {
    pub(crate) fn is_new(&self, number: i32) -> bool {
        if number <= 0 {
            return false;
        }
        match u32::try_from(self.highest.saturating_sub(number)) {
            Err(_) => true,
            Ok(age) => age < WINDOW && self.window & (1 << age) == 0,
        }
    }

    /// Marks a number as used; whether it was new.
    pub(crate) fn insert(&mut self, number: i32) -> bool {
        if !self.is_new(number) {
            return false;
        }
        match u32::try_from(self.highest - number) {
            Ok(age) => self.window |= 1 << age,
            Err(_) => {
                let ahead = number.abs_diff(self.highest);
                self.window = self.window.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = number;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        let mut numbers = Numbers::default();
        for bad in [0, -1, i32::MIN] {
            assert!(!numbers.insert(bad));
        }
        assert!(numbers.insert(1));
        assert!(!numbers.insert(1));
        assert!(numbers.insert(3));
        assert!(numbers.insert(2));
        assert!(!numbers.insert(2));
        assert!(numbers.insert(i32::MAX));
        assert!(!numbers.insert(i32::MAX));
        assert!(!numbers.insert(4));
        assert!(numbers.insert(i32::MAX - 127));
        assert!(!numbers.insert(i32::MAX - 128));
    }

    proptest! {
        #[test]
        fn each_number_is_new_once(order in proptest::collection::vec(1..300_i32, 0..600)) {
            let mut numbers = Numbers::default();
            let mut seen = std::collections::BTreeSet::new();
            let mut highest = 0;
            for number in order {
                let expected = !seen.contains(&number) && highest - number < 128;
                prop_assert_eq!(numbers.insert(number), expected);
                seen.insert(number);
                highest = highest.max(number);
            }
        }
    }
}
