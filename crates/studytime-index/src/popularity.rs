//! How much the people around the user study a course.
//!
//! Distinct learners who said in public that they take it count by their
//! distance in the follow graph: a friend 1, a friend's friend one half, then a
//! quarter, and so on; whoever is out of reach counts nothing. Identities that
//! can only be reached through one friend count, together with that friend, at
//! most what the friend alone would: making up followers of one's own gains
//! nothing. The user's own feeds do not count: one's own choice is no advice.

use crate::facts::{Facts, Reach};
use std::collections::HashMap;
use studytime_schema::FeedId;

/// What is known of a course's learners.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Popularity {
    /// The weighed sum.
    pub(crate) weight: f64,
    /// Learners within reach.
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
    let mut out = Popularity::default();
    // By friend, the sum of whoever is reached through that one alone.
    let mut groups: HashMap<FeedId, f64> = HashMap::new();
    for learner in learners {
        if facts.own.contains(learner) {
            continue;
        }
        let Some(reach) = facts.reach.get(learner) else {
            continue;
        };
        let worth = weight(*reach);
        if worth == 0.0 {
            continue;
        }
        out.learners = out.learners.saturating_add(1);
        match reach.only_through {
            Some(friend) => *groups.entry(friend).or_default() += worth,
            None => out.weight += worth,
        }
    }
    // Sums of halves and quarters are exact, so their order does not matter.
    for (friend, sum) in groups {
        let most = facts.reach.get(&friend).map_or(0.0, |r| weight(*r));
        out.weight += sum.min(most);
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
        let mut reach = vec![(1, 1, Some(1)), (2, 1, Some(2))];
        reach.extend((100..200).map(|n| (n, 2, Some(1))));
        let facts = facts(&reach);
        let sybils: Vec<FeedId> = (100..200).map(id).collect();
        assert_eq!(popularity(&sybils, &facts).weight, 1.0);
        let with_friend: Vec<FeedId> = sybils.into_iter().chain([id(1)]).collect();
        assert_eq!(popularity(&with_friend, &facts).weight, 1.0);
        assert_eq!(popularity(&[id(1), id(2)], &facts).weight, 2.0);
        assert_eq!(popularity(&[id(100)], &facts).weight, 0.5);
    }
}
