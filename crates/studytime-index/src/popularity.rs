//! How much the people around the user study a course.
//!
//! Distinct learners who said in public that they take it count by their
//! distance in the follow graph: a friend 1, a friend's friend one half, then a
//! quarter, and so on; whoever is out of reach counts nothing. Identities that
//! can only be reached through one other, near or far, count, together with that
//! one, at most what that one alone would: making up followers of one's own gains
//! nothing, whether one friend knows their maker or many do. The number of
//! learners that is shown goes by the same rule. The user's own feeds do not
//! count: one's own choice is no advice.

use crate::facts::{Facts, Reach};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use studytime_schema::FeedId;

/// What is known of a course's learners.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Popularity {
    /// The weighed sum.
    pub(crate) weight: f64,
    /// Learners within reach; those behind one and the same count as one.
    pub(crate) learners: u32,
}

fn weight(reach: Reach) -> f64 {
    match reach.hops {
        0 => 0.0,
        hops => 0.5_f64.powi(i32::from(hops) - 1),
    }
}

/// Weighs the learners of one course. Their order does not matter.
pub(crate) fn popularity<'a>(
    learners: impl IntoIterator<Item = &'a FeedId>,
    facts: &Facts,
) -> Popularity {
    // By learner and by whom learners are behind, farthest first: the sum of what
    // they are worth and of those behind them.
    let mut sums: BTreeMap<(Reverse<u8>, FeedId), f64> = BTreeMap::new();
    let place = |feed: FeedId, reach: Reach| (Reverse(reach.hops), feed);
    for learner in learners {
        let reach = facts.reach.get(learner).copied();
        if let Some(reach) = reach.filter(|r| weight(*r) > 0.0)
            && !facts.own.contains(learner)
        {
            sums.insert(place(*learner, reach), weight(reach));
        }
    }
    let mut out = Popularity::default();
    while let Some(((Reverse(hops), feed), sum)) = sums.pop_first() {
        let Some(reach) = facts.reach.get(&feed) else {
            continue;
        };
        // Sums of halves and quarters are exact, so their order does not matter.
        let sum = sum.min(weight(*reach));
        let through = reach.only_through.filter(|through| *through != feed);
        let nearer = through.and_then(|through| {
            let reach = facts.reach.get(&through)?;
            (reach.hops < hops).then(|| place(through, *reach))
        });
        match (through, nearer) {
            (_, Some(nearer)) => *sums.entry(nearer).or_default() += sum,
            (None, None) => {
                out.weight += sum;
                out.learners = out.learners.saturating_add(1);
            }
            // Behind somebody who is not within reach.
            (Some(_), None) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    fn facts(reach: &[(u8, u8, Option<u8>)]) -> Facts {
        Facts {
            own: vec![id(0)],
            reach: reach
                .iter()
                .map(|(feed, hops, through)| {
                    let reach = Reach {
                        hops: *hops,
                        only_through: through.map(id),
                    };
                    (id(*feed), reach)
                })
                .collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn weight_falls_with_distance_and_ends() {
        let facts = facts(&[(0, 0, None), (1, 1, None), (2, 2, None), (3, 3, None)]);
        let all = [id(0), id(1), id(2), id(3), id(9)];
        assert_eq!(
            popularity(&all, &facts),
            Popularity {
                weight: 1.75,
                learners: 3
            }
        );
    }

    #[test]
    fn made_up_identities_behind_one_friend_share_its_weight() {
        let mut reach = vec![(1, 1, None), (2, 1, None)];
        reach.extend((100..200).map(|n| (n, 2, Some(1))));
        let facts = facts(&reach);
        let sybils: Vec<FeedId> = (100..200).map(id).collect();
        let of = |learners: &[FeedId]| {
            let found = popularity(learners, &facts);
            (found.weight, found.learners)
        };
        assert_eq!(of(&sybils), (1.0, 1));
        let with_friend: Vec<FeedId> = sybils.into_iter().chain([id(1)]).collect();
        assert_eq!(of(&with_friend), (1.0, 1));
        assert_eq!(of(&[id(1), id(2)]), (2.0, 2));
        assert_eq!(of(&[id(100)]), (0.5, 1));
        assert_eq!(of(&[id(100), id(100)]), (0.5, 1));
    }

    /// Their maker may have talked several friends into following it.
    #[test]
    fn made_up_identities_gain_nothing_however_many_know_their_maker() {
        let mut reach = vec![(1, 1, None), (2, 1, None), (3, 2, None), (4, 2, Some(1))];
        reach.extend((100..200).map(|n| (n, 3, Some(3))));
        reach.extend((200..250).map(|n| (n, 3, Some(4))));
        let facts = facts(&reach);
        let made_up = |ids: std::ops::Range<u8>| ids.map(id).collect::<Vec<_>>();
        let of = |learners: &[FeedId]| popularity(learners, &facts).weight;
        assert_eq!(of(&made_up(100..200)), of(&[id(3)]));
        assert_eq!(of(&made_up(200..250)), of(&[id(4)]));
        // Two makers behind one friend are that friend's.
        let more = [id(1), id(4)].into_iter().chain(made_up(200..250));
        assert_eq!(of(&more.collect::<Vec<_>>()), 1.0);
        // What was handed over wrongly ends, too.
        let odd = super::tests::facts(&[(5, 2, Some(6)), (6, 2, Some(5)), (7, 1, Some(7))]);
        assert_eq!(popularity(&[id(5), id(6)], &odd).weight, 0.0);
        assert_eq!(popularity(&[id(7)], &odd).weight, 1.0);
    }
}
