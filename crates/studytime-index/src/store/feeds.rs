use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};
use studytime_schema::FeedId;

/// Numbers remembered at once, at most.
const REMEMBERED: usize = 20_000;

/// Feeds as small numbers, so that rows stay small.
#[derive(Debug, Default)]
pub(crate) struct FeedNumbers {
    known: HashMap<FeedId, i64>,
}

impl FeedNumbers {
    /// The feed's number, given now if it had none.
    pub(crate) fn number(&mut self, conn: &Connection, feed: &FeedId) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(feed) {
            return Ok(*number);
        }
        let number = match number_of(conn, feed)? {
            Some(number) => number,
            None => {
                conn.prepare_cached("INSERT INTO feed(key) VALUES(?1)")?
                    .execute([feed.as_bytes()])?;
                conn.last_insert_rowid()
            }
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(*feed, number);
        Ok(number)
    }

    /// Forgets all, after a transaction that was not kept.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// The feed's number, if it has one.
pub(crate) fn number_of(conn: &Connection, feed: &FeedId) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM feed WHERE key = ?1")?
        .query_row([feed.as_bytes()], |r| r.get(0))
        .optional()
}

/// Feeds that are courses or name courses.
pub(crate) fn study_feeds(conn: &Connection) -> rusqlite::Result<HashSet<FeedId>> {
    conn.prepare_cached(
        "SELECT key FROM feed WHERE id IN (SELECT id FROM course UNION SELECT list FROM listing)",
    )?
    .query_map([], |r| r.get(0).map(FeedId::from_bytes))?
    .collect()
}

/// The feed with this number.
pub(crate) fn feed_of(conn: &Connection, number: i64) -> rusqlite::Result<Option<FeedId>> {
    conn.prepare_cached("SELECT key FROM feed WHERE id = ?1")?
        .query_row([number], |r| r.get(0).map(FeedId::from_bytes))
        .optional()
}
