//! Courses in an order, kept up while few of them change: to sort a hundred
//! thousand anew for each message would hold up whoever asks meanwhile.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

/// Places in an order, and the order of places.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    /// Places in the columns, first ones first.
    pub(crate) order: Vec<u32>,
    /// By place in the columns, the rank; `u32::MAX` where no course is.
    pub(crate) rank: Vec<u32>,
}

impl Ranks {
    /// The rank of a place.
    pub(crate) fn of(&self, at: u32) -> u32 {
        self.rank.get(at as usize).copied().unwrap_or(u32::MAX)
    }

    fn new(order: Vec<u32>, places: usize) -> Self {
        let mut rank = vec![u32::MAX; places];
        for (number, at) in (0..).zip(&order) {
            if let Some(slot) = rank.get_mut(*at as usize) {
                *slot = number;
            }
        }
        Self { order, rank }
    }
}

/// An order that is made when it is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    now: OnceLock<Arc<Ranks>>,
    /// The last one made, and the places that changed since.
    before: Option<Arc<Ranks>>,
    changed: Vec<u32>,
}

impl Order {
    /// One that was made before, by an earlier run.
    pub(super) fn known(order: Vec<u32>, places: usize) -> Self {
        Self {
            now: OnceLock::from(Arc::new(Ranks::new(order, places))),
            ..Self::default()
        }
    }

    /// Says that a course came, went or may stand elsewhere.
    pub(super) fn touch(&mut self, at: u32) {
        if let Some(now) = self.now.take() {
            self.before = Some(now);
            self.changed.clear();
        }
        let Some(before) = &self.before else { return };
        if self.changed.len() > before.order.len() / 16 {
            self.before = None;
            self.changed = Vec::new();
        } else {
            self.changed.push(at);
        }
    }

    /// The order of the courses at the first `places` places: of those that are
    /// `there`, by a total order.
    pub(super) fn get(
        &self,
        places: usize,
        there: impl Fn(u32) -> bool,
        compare: impl Fn(u32, u32) -> Ordering,
    ) -> Arc<Ranks> {
        let make = || {
            let order = match &self.before {
                Some(before) => merged(before, &self.changed, places, &there, &compare),
                None => {
                    let all = 0..u32::try_from(places).unwrap_or(u32::MAX);
                    let mut order: Vec<u32> = all.filter(|at| there(*at)).collect();
                    order.sort_unstable_by(|a, b| compare(*a, *b));
                    order
                }
            };
            Arc::new(Ranks::new(order, places))
        };
        self.now.get_or_init(make).clone()
    }
}

fn merged(
    before: &Ranks,
    changed: &[u32],
    places: usize,
    there: impl Fn(u32) -> bool,
    compare: impl Fn(u32, u32) -> Ordering,
) -> Vec<u32> {
    let mut moved = vec![false; places];
    for at in changed {
        if let Some(slot) = moved.get_mut(*at as usize) {
            *slot = true;
        }
    }
    let is_moved = |at: u32| moved.get(at as usize).copied().unwrap_or(true);
    let kept: Vec<u32> = before
        .order
        .iter()
        .copied()
        .filter(|at| !is_moved(*at))
        .collect();
    let mut fresh: Vec<u32> = changed.iter().copied().filter(|at| there(*at)).collect();
    fresh.sort_unstable();
    fresh.dedup();
    fresh.sort_unstable_by(|a, b| compare(*a, *b));
    let mut order = Vec::with_capacity(kept.len() + fresh.len());
    let mut rest = kept.as_slice();
    for at in fresh {
        let until = rest.partition_point(|other| compare(*other, at) == Ordering::Less);
        let (first, after) = rest.split_at(until);
        order.extend_from_slice(first);
        order.push(at);
        rest = after;
    }
    order.extend_from_slice(rest);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn kept_up_is_as_made_anew(
            start in prop::collection::vec(prop::option::of(0_u8..50), 0..60),
            changes in prop::collection::vec((0_usize..70, prop::option::of(0_u8..50), any::<bool>()), 0..40),
        ) {
            let mut values = start;
            let mut kept = Order::default();
            let asked = |order: &Order, values: &[Option<u8>]| {
                let there = |at: u32| values.get(at as usize).copied().flatten().is_some();
                let key = |at: u32| (values.get(at as usize).copied().flatten(), at);
                order.get(values.len(), there, |a, b| key(a).cmp(&key(b))).order.clone()
            };
            asked(&kept, &values);
            for (at, value, ask) in changes {
                if at >= values.len() {
                    values.resize(at + 1, None);
                }
                values[at] = value;
                kept.touch(at as u32);
                if ask {
                    prop_assert_eq!(asked(&kept, &values), asked(&Order::default(), &values));
                }
            }
            prop_assert_eq!(asked(&kept, &values), asked(&Order::default(), &values));
        }
    }
}
