//! The insides of course feeds, kept from one call to the next.

use crate::store::StoredBody;
use rusqlite::Connection;
use std::collections::HashMap;
use studytime_schema::FeedId;

/// Bytes of course bodies kept in memory between calls, about.
const BODIES_KEPT: usize = 8 * 1024 * 1024;

/// Course bodies that were in use lately.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    kept: HashMap<i64, (u64, StoredBody)>,
    clock: u64,
}

impl Bodies {
    pub(super) fn get(
        &mut self,
        conn: &Connection,
        number: i64,
        feed: FeedId,
    ) -> rusqlite::Result<&mut StoredBody> {
        use std::collections::hash_map::Entry as Slot;
        self.clock += 1;
        let slot = match self.kept.entry(number) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert((0, StoredBody::load(conn, number, feed)?)),
        };
        slot.0 = self.clock;
        Ok(&mut slot.1)
    }

    /// Forgets all, after a transaction that was not kept.
    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Forgets those not used lately.
    pub(crate) fn trim(&mut self) {
        let mut weight: usize = self.kept.values().map(|(_, b)| b.weight()).sum();
        while weight > BODIES_KEPT || self.kept.len() > 64 {
            let Some(oldest) = self
                .kept
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(n, _)| *n)
            else {
                return;
            };
            if let Some((_, body)) = self.kept.remove(&oldest) {
                weight = weight.saturating_sub(body.weight());
            }
        }
    }
}
