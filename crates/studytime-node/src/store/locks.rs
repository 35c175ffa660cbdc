//! Locks of own feeds, as `state.db` keeps them.

use super::state::{State, StateError};
use rusqlite::params;
use studytime_replicate::guard::{Cause, Lock};
use studytime_schema::FeedId;

/// The causes of locks, as they are kept.
const RESTORED: &str = "restored";
const LOST: &str = "lost";

impl State {
    /// Keeps the lock of an own feed, or removes it.
    pub(crate) fn set_lock(&self, feed: &FeedId, lock: Option<Lock>) -> Result<(), StateError> {
        let db = self.db();
        match lock {
            Some(lock) => db.execute(
                "INSERT OR REPLACE INTO lock(feed, cause, since, claimed, claimed_by) VALUES(?1, ?2, ?3, ?4, ?5)",
                params![
                    feed.as_bytes(),
                    match lock.cause {
                        Cause::Restored => RESTORED,
                        Cause::Lost => LOST,
                    },
                    lock.since,
                    lock.claimed,
                    lock.by.as_ref().map(FeedId::as_bytes),
                ],
            )?,
            None => db.execute("DELETE FROM lock WHERE feed = ?1", [feed.as_bytes()])?,
        };
        Ok(())
    }

    /// The locks of own feeds.
    pub(crate) fn locks(&self) -> Result<Vec<(FeedId, Lock)>, StateError> {
        let db = self.db();
        let mut q =
            db.prepare_cached("SELECT feed, cause, since, claimed, claimed_by FROM lock")?;
        let rows = q.query_map([], |r| {
            let cause: String = r.get(1)?;
            let by: Option<[u8; 32]> = r.get(4)?;
            let lock = Lock {
                // A word of a newer version: the stricter of the two.
                cause: match cause.as_str() {
                    LOST => Cause::Lost,
                    _ => Cause::Restored,
                },
                since: r.get(2)?,
                claimed: r.get(3)?,
                by: by.map(FeedId::from_bytes),
            };
            Ok((FeedId::from_bytes(r.get(0)?), lock))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes all locks; answers how many there were.
    pub(crate) fn unlock_all(&self) -> Result<usize, StateError> {
        Ok(self.db().execute("DELETE FROM lock", [])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    #[test]
    fn locks_come_back_as_they_were() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state.db");
        let lock = |cause, by| Lock {
            cause,
            since: 5,
            claimed: 9,
            by,
        };
        let (one, other) = (
            lock(Cause::Restored, None),
            lock(Cause::Lost, Some(feed(3))),
        );
        {
            let s = State::open(&path).unwrap();
            s.set_lock(&feed(1), Some(other)).unwrap();
            s.set_lock(&feed(1), Some(one)).unwrap();
            s.set_lock(&feed(2), Some(other)).unwrap();
        }
        let s = State::open(&path).unwrap();
        assert_eq!(s.locks().unwrap(), [(feed(1), one), (feed(2), other)]);
        s.set_lock(&feed(1), None).unwrap();
        assert_eq!(s.unlock_all().unwrap(), 1);
        assert!(s.locks().unwrap().is_empty());
    }
}
