//! Two connections to one peer are one too many. Both ends must close the same
//! one, without a word between them.

use super::SETTLED_MS;
use studytime_schema::FeedId;

/// Which of two connections to one peer stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survivor {
    Old,
    New,
}

/// Decides between a connection that is up for `age` milliseconds and a new one.
///
/// - The same side dialled both: the new one stays, for a dialler would not call
///   again if the old one were alive.
/// - Each side dialled one, at about the same time: the one dialled by the
///   smaller key stays. The rule names no order of arrival, as the two ends may
///   see them in different order.
/// - Each side dialled one, but the old one is up for longer than two dials can
///   cross: the peer has lost it, and this end does not know yet.
pub(crate) fn survivor(
    me: &FeedId,
    peer: &FeedId,
    old_outgoing: bool,
    age: u64,
    new_outgoing: bool,
) -> Survivor {
    if old_outgoing == new_outgoing || age >= SETTLED_MS {
        return Survivor::New;
    }
    let dialler = |outgoing: bool| if outgoing { me } else { peer };
    if dialler(new_outgoing) < dialler(old_outgoing) {
        Survivor::New
    } else {
        Survivor::Old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The connection that one end keeps, by who dialled it (`true`: a did),
    /// when it sees them in this order.
    fn kept(me: &FeedId, peer: &FeedId, order: [bool; 2], i_am_a: bool, age: u64) -> bool {
        let outgoing = |by_a: bool| by_a == i_am_a;
        match survivor(me, peer, outgoing(order[0]), age, outgoing(order[1])) {
            Survivor::Old => order[0],
            Survivor::New => order[1],
        }
    }

    proptest! {
        #[test]
        fn both_ends_keep_the_same_one(a: [u8; 32], b: [u8; 32], at_a: bool, at_b: bool, ages in (0..SETTLED_MS, 0..SETTLED_MS)) {
            prop_assume!(a != b);
            let (a, b) = (FeedId::from_bytes(a), FeedId::from_bytes(b));
            let first = kept(&a, &b, [at_a, !at_a], true, ages.0);
            let second = kept(&b, &a, [at_b, !at_b], false, ages.1);
            prop_assert_eq!(first, second);
            prop_assert_eq!(first, a < b);
        }

        #[test]
        fn who_calls_again_has_lost_the_old_one(a: [u8; 32], b: [u8; 32], outgoing: bool, age: u64) {
            let (a, b) = (FeedId::from_bytes(a), FeedId::from_bytes(b));
            prop_assert_eq!(survivor(&a, &b, outgoing, age, outgoing), Survivor::New);
            prop_assert_eq!(survivor(&a, &b, outgoing, SETTLED_MS + age / 2, !outgoing), Survivor::New);
        }
    }
}
