//! What to delete when blobs take too much room.
//!
//! A pure function: [`plan`] gets the blobs with what is known about them, the
//! rules and the state of the disk, and says which go. Nothing is deleted here.
//!
//! Order: blobs of strangers go first, then those kept for friends, then those
//! of started courses; pinned and own blobs never go. Within a class, the
//! longest unused go first, where every doubling of uses makes a blob look
//! younger; among equals the larger one goes first.

use std::collections::HashSet;
use studytime_schema::BlobId;

/// Why a blob is here. The later, the better kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Passed on for somebody we do not know, or left over from something.
    Strangers,
    /// Wanted by friends, or by courses that are listed but not started.
    Friends,
    /// Part of a started course.
    Started,
    /// Pinned by the user or by a pinned course, or the user's own: never deleted.
    Pinned,
}

/// A blob that might be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The blob.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last used (or stored), in milliseconds since 1970.
    pub last_used: u64,
    /// How often it was used.
    pub uses: u64,
    /// Why it is here.
    pub class: Class,
}

/// How much room blobs may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// All blobs together. Default 50 GiB.
    pub total: u64,
    /// Blobs of [`Class::Strangers`]. Default 1 GiB.
    pub strangers: u64,
    /// Blobs of [`Class::Friends`]. Default 10 GiB.
    pub friends: u64,
    /// Free space on the disk that must remain. Default 1 GiB.
    pub free_floor: u64,
    /// Blobs younger than this since their last use are spared, in
    /// milliseconds, unless the disk is below its floor. Default 10 minutes.
    pub grace: u64,
}

impl Default for Quota {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            total: 50 * GIB,
            strangers: GIB,
            friends: 10 * GIB,
            free_floor: GIB,
            grace: 10 * 60 * 1000,
        }
    }
}

impl Quota {
    /// True when a blob of `size` bytes and this class still fits without
    /// deleting. Ask before fetching for others.
    pub fn admits(&self, here: &Held, class: Class, size: u64) -> bool {
        let fits = |used: u64, limit: u64| used.saturating_add(size) <= limit;
        let class_fits = match class {
            Class::Strangers => fits(here.strangers, self.strangers),
            Class::Friends => fits(here.friends, self.friends),
            Class::Started | Class::Pinned => true,
        };
        let floor = self.free_floor.saturating_add(size);
        class_fits && fits(here.total, self.total) && here.free.is_none_or(|f| f >= floor)
    }
}

/// What is taken now, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// By all blobs.
    pub total: u64,
    /// By blobs of [`Class::Strangers`].
    pub strangers: u64,
    /// By blobs of [`Class::Friends`].
    pub friends: u64,
    /// Free on the disk, when known.
    pub free: Option<u64>,
}

impl Held {
    /// Adds up the blobs of a store.
    pub fn of(blobs: &[Candidate], free: Option<u64>) -> Self {
        let mut held = Self {
            free,
            ..Self::default()
        };
        for blob in blobs {
            held.total = held.total.saturating_add(blob.size);
            match blob.class {
                Class::Strangers => held.strangers = held.strangers.saturating_add(blob.size),
                Class::Friends => held.friends = held.friends.saturating_add(blob.size),
                Class::Started | Class::Pinned => {}
            }
        }
        held
    }
}

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The blobs, those that go first at the front.
    pub delete: Vec<BlobId>,
    /// Their bytes.
    pub freed: u64,
    /// Bytes that are still too many, because all that is left is pinned or
    /// too young: something to tell the user.
    pub short_by: u64,
}

/// Plans the deletions that bring `blobs` within `quota`. `free` is the free
/// space on the disk in bytes, when known.
pub fn plan(blobs: &[Candidate], quota: &Quota, free: Option<u64>, now: u64) -> Plan {
    let held = Held::of(blobs, free);
    let mut order: Vec<&Candidate> = blobs.iter().filter(|b| b.class < Class::Pinned).collect();
    order.sort_by_cached_key(|b| {
        (
            b.class,
            std::cmp::Reverse(age(b, now)),
            std::cmp::Reverse(b.size),
            b.id,
        )
    });
    let mut over = Over {
        total: held.total.saturating_sub(quota.total),
        strangers: held.strangers.saturating_sub(quota.strangers),
        friends: held.friends.saturating_sub(quota.friends),
        disk: free.map_or(0, |f| quota.free_floor.saturating_sub(f)),
    };
    let mut plan = Plan::default();
    let mut gone = HashSet::new();
    // The caps of the classes come first: what they free counts for the others.
    for spare_classes in [false, true] {
        for blob in &order {
            let young = now.saturating_sub(blob.last_used) < quota.grace;
            let class_over = match blob.class {
                Class::Strangers => over.strangers,
                Class::Friends => over.friends,
                Class::Started | Class::Pinned => 0,
            };
            let go = match spare_classes {
                false => !young && class_over > 0,
                true => over.disk > 0 || (!young && over.total > 0),
            };
            if go && gone.insert(blob.id) {
                over.take(blob);
                plan.delete.push(blob.id);
                plan.freed = plan.freed.saturating_add(blob.size);
            }
        }
    }
    plan.short_by = over.total.max(over.disk);
    plan
}

/// Bytes too many, by limit.
struct Over {
    total: u64,
    strangers: u64,
    friends: u64,
    disk: u64,
}

impl Over {
    fn take(&mut self, blob: &Candidate) {
        let class = match blob.class {
            Class::Strangers => Some(&mut self.strangers),
            Class::Friends => Some(&mut self.friends),
            Class::Started | Class::Pinned => None,
        };
        let limits = [Some(&mut self.total), Some(&mut self.disk), class];
        for over in limits.into_iter().flatten() {
            *over = over.saturating_sub(blob.size);
        }
    }
}

/// Milliseconds since the last use, shortened by frequent use.
fn age(blob: &Candidate, now: u64) -> u64 {
    let doublings = u64::from(64 - blob.uses.leading_zeros());
    now.saturating_sub(blob.last_used) / (1 + doublings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_000_000_000;

    fn blob(n: u8, class: Class, size: u64, idle: u64, uses: u64) -> Candidate {
        Candidate {
            id: BlobId::from_bytes([n; 32]),
            size,
            last_used: NOW - idle,
            uses,
            class,
        }
    }

    fn quota(total: u64) -> Quota {
        Quota {
            total,
            strangers: 1_000,
            friends: 1_000,
            free_floor: 0,
            grace: 100,
        }
    }

    fn names(plan: &Plan) -> Vec<u8> {
        plan.delete.iter().map(|id| id.as_bytes()[0]).collect()
    }

    #[test]
    fn strangers_go_first_and_pinned_never() {
        let blobs = [
            blob(1, Class::Pinned, 10, 900_000, 0),
            blob(2, Class::Started, 10, 900_000, 0),
            blob(3, Class::Friends, 10, 500_000, 0),
            blob(4, Class::Strangers, 10, 1_000, 0),
            blob(5, Class::Strangers, 10, 2_000, 0),
        ];
        assert_eq!(names(&plan(&blobs, &quota(50), None, NOW)), [] as [u8; 0]);
        assert_eq!(names(&plan(&blobs, &quota(45), None, NOW)), [5]);
        assert_eq!(names(&plan(&blobs, &quota(10), None, NOW)), [5, 4, 3, 2]);
        let none = plan(&blobs, &quota(0), None, NOW);
        assert_eq!((none.delete.len(), none.freed, none.short_by), (4, 40, 10));
    }

    #[test]
    fn use_keeps_a_blob_longer() {
        let blobs = [
            blob(1, Class::Friends, 10, 10_000, 0),
            blob(2, Class::Friends, 10, 12_000, 7),
        ];
        assert_eq!(names(&plan(&blobs, &quota(10), None, NOW)), [1]);
    }

    #[test]
    fn a_class_has_its_own_cap() {
        let blobs = [
            blob(1, Class::Strangers, 900, 5_000, 0),
            blob(2, Class::Strangers, 900, 9_000, 0),
            blob(3, Class::Friends, 900, 99_000, 0),
        ];
        assert_eq!(names(&plan(&blobs, &quota(1 << 20), None, NOW)), [2]);
    }

    #[test]
    fn young_blobs_are_spared_until_the_disk_is_full() {
        let blobs = [
            blob(1, Class::Strangers, 10, 50, 0),
            blob(2, Class::Friends, 10, 500, 0),
        ];
        assert_eq!(names(&plan(&blobs, &quota(15), None, NOW)), [2]);
        let full = Quota {
            free_floor: 100,
            ..quota(1_000)
        };
        assert_eq!(names(&plan(&blobs, &full, Some(95), NOW)), [1]);
    }

    #[test]
    fn admits_looks_at_every_limit() {
        let q = Quota {
            free_floor: 100,
            ..quota(2_000)
        };
        let held = |total, strangers, free| Held {
            total,
            strangers,
            friends: 0,
            free,
        };
        assert!(q.admits(&held(0, 0, None), Class::Strangers, 1_000));
        assert!(!q.admits(&held(500, 500, None), Class::Strangers, 501));
        assert!(q.admits(&held(500, 500, None), Class::Started, 1_500));
        assert!(!q.admits(&held(500, 500, None), Class::Started, 1_501));
        assert!(!q.admits(&held(0, 0, Some(150)), Class::Pinned, 51));
    }

    fn candidate() -> impl Strategy<Value = Candidate> {
        let class = prop_oneof![
            Just(Class::Strangers),
            Just(Class::Friends),
            Just(Class::Started),
            Just(Class::Pinned)
        ];
        (any::<[u8; 32]>(), class, 0u64..500, 0u64..10_000, 0u64..20).prop_map(
            |(id, class, size, idle, uses)| Candidate {
                id: BlobId::from_bytes(id),
                size,
                last_used: NOW - idle,
                uses,
                class,
            },
        )
    }

    proptest! {
        #[test]
        fn laws(blobs in proptest::collection::vec(candidate(), 0..40), total in 0u64..8_000,
                free in proptest::option::of(0u64..2_000), floor in 0u64..1_000) {
            let q = Quota { free_floor: floor, strangers: 2_000, friends: 3_000, ..quota(total) };
            let first = plan(&blobs, &q, free, NOW);
            let gone: HashSet<_> = first.delete.iter().copied().collect();
            prop_assert_eq!(gone.len(), first.delete.len(), "nothing twice");
            let freed: u64 = blobs.iter().filter(|b| gone.contains(&b.id)).map(|b| b.size).sum();
            prop_assert_eq!(freed, first.freed);
            prop_assert!(!blobs.iter().any(|b| b.class == Class::Pinned && gone.contains(&b.id)));
            // Planning again after deleting finds nothing more to do.
            let left: Vec<_> = blobs.iter().filter(|b| !gone.contains(&b.id)).copied().collect();
            let free = free.map(|f| f + freed);
            let again = plan(&left, &q, free, NOW);
            prop_assert_eq!(again.delete, Vec::new());
            prop_assert_eq!(again.short_by, first.short_by);
            // The order of the list does not matter.
            let mut turned = blobs.clone();
            turned.reverse();
            let other = plan(&turned, &q, free.map(|f| f - freed), NOW);
            prop_assert_eq!(other, first);
        }
    }
}
