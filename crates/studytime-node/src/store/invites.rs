//! Invites that were handed out, who used them, and which peers are rooms.

use super::state::{State, StateError};
use crate::net::Kind;
use rusqlite::{OptionalExtension as _, params};
use studytime_schema::FeedId;

/// Tables beside those of [`State`]. Older programs leave them alone, so they need
/// no newer version of the file.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS invite_term(key BLOB PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
-- A use is counted first and followed after; `done` says that the follow is published.
CREATE TABLE IF NOT EXISTS invite_use(
    key BLOB NOT NULL, feed BLOB NOT NULL, time INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(key, feed)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS room(key BLOB PRIMARY KEY) WITHOUT ROWID;
";

/// Rooms remembered at most; more are rooms only while connected.
const MAX_ROOMS: u32 = 1_000;

/// What became of the wish to use an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InviteUse {
    /// Counted now, or counted before for the same feed, which is not followed yet.
    Granted,
    /// This feed has used it, and was followed.
    Before,
    /// Its uses are used up.
    UsedUp,
    /// Its time is over.
    Expired,
    /// There is no such invite.
    Unknown,
}

impl State {
    /// Keeps a new invite: the seed that makes its key, how often it can be used,
    /// and until when (milliseconds since 1970).
    pub(crate) fn add_invite(
        &self,
        seed: &[u8; 32],
        key: &FeedId,
        uses: u32,
        now: u64,
        expires: u64,
    ) -> Result<(), StateError> {
        let mut db = self.db();
        let tx = db.transaction()?;
        tx.execute(
            "INSERT INTO invite(seed, key, uses_left, created) VALUES(?1, ?2, ?3, ?4)",
            params![seed, key.as_bytes(), uses, now],
        )?;
        tx.execute(
            "INSERT INTO invite_term(key, expires) VALUES(?1, ?2)",
            params![key.as_bytes(), expires],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Whether this is the key of an invite that was handed out here, still good or
    /// not: its holder is told what has become of it.
    pub(crate) fn invite_open(&self, key: &FeedId) -> Result<bool, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT 1 FROM invite WHERE key = ?1")?;
        Ok(q.exists([key.as_bytes()])?)
    }

    /// Counts one use of an invite for a feed, in one transaction: two at once
    /// cannot share the last use, and a use that was counted before a crash is not
    /// counted again when the feed comes back.
    pub(crate) fn use_invite(
        &self,
        key: &FeedId,
        feed: &FeedId,
        now: u64,
    ) -> Result<InviteUse, StateError> {
        let mut db = self.db();
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let invite: Option<(u32, Option<u64>)> = tx
            .query_row(
                "SELECT uses_left, expires FROM invite LEFT JOIN invite_term USING(key) WHERE key = ?1",
                [key.as_bytes()],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()?;
        let Some((left, expires)) = invite else {
            return Ok(InviteUse::Unknown);
        };
        let before: Option<bool> = tx
            .query_row(
                "SELECT done FROM invite_use WHERE key = ?1 AND feed = ?2",
                params![key.as_bytes(), feed.as_bytes()],
                |r| r.get(0),
            )
            .optional()?;
        match before {
            Some(false) => return Ok(InviteUse::Granted),
            Some(true) => return Ok(InviteUse::Before),
            None => {}
        }
        if expires.is_some_and(|at| at <= now) {
            return Ok(InviteUse::Expired);
        }
        if left == 0 {
            return Ok(InviteUse::UsedUp);
        }
        tx.execute(
            "UPDATE invite SET uses_left = uses_left - 1 WHERE key = ?1",
            [key.as_bytes()],
        )?;
        tx.execute(
            "INSERT INTO invite_use(key, feed, time) VALUES(?1, ?2, ?3)",
            params![key.as_bytes(), feed.as_bytes(), now],
        )?;
        tx.commit()?;
        Ok(InviteUse::Granted)
    }

    /// The follow that a use was counted for is published.
    pub(crate) fn invite_done(&self, key: &FeedId, feed: &FeedId) -> Result<(), StateError> {
        self.db().execute(
            "UPDATE invite_use SET done = 1 WHERE key = ?1 AND feed = ?2",
            params![key.as_bytes(), feed.as_bytes()],
        )?;
        Ok(())
    }

    /// Uses that were counted without a follow: invite and feed. Left by a crash.
    pub(crate) fn unfollowed_uses(&self) -> Result<Vec<(FeedId, FeedId)>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT key, feed FROM invite_use WHERE done = 0")?;
        let rows = q.query_map([], |r| {
            Ok((FeedId::from_bytes(r.get(0)?), FeedId::from_bytes(r.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers that a peer is a room.
    pub(crate) fn know_room(&self, room: &FeedId) -> Result<(), StateError> {
        let db = self.db();
        db.execute(
            "INSERT OR IGNORE INTO room(key) SELECT ?1 WHERE (SELECT count(*) FROM room) < ?2",
            params![room.as_bytes(), MAX_ROOMS],
        )?;
        db.execute(
            "UPDATE peer SET kind = ?2 WHERE key = ?1 AND kind != ?3",
            params![room.as_bytes(), Kind::Room.name(), Kind::Lan.name()],
        )?;
        Ok(())
    }

    /// The peers known to be rooms.
    pub(crate) fn rooms(&self) -> Result<Vec<FeedId>, StateError> {
        self.feeds_of("SELECT key FROM room")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    fn open(dir: &tempfile::TempDir) -> State {
        State::open(&dir.path().join("state.db")).unwrap()
    }

    #[test]
    fn an_invite_is_used_no_more_often_than_it_says() {
        let tmp = tempfile::tempdir().unwrap();
        let s = open(&tmp);
        s.add_invite(&[1; 32], &feed(9), 2, 0, 100).unwrap();
        assert!(s.invite_open(&feed(9)).unwrap() && !s.invite_open(&feed(8)).unwrap());
        assert_eq!(
            s.use_invite(&feed(9), &feed(1), 1).unwrap(),
            InviteUse::Granted
        );
        assert_eq!(
            s.use_invite(&feed(9), &feed(2), 1).unwrap(),
            InviteUse::Granted
        );
        assert_eq!(
            s.use_invite(&feed(9), &feed(3), 1).unwrap(),
            InviteUse::UsedUp
        );
        assert!(
            s.invite_open(&feed(9)).unwrap(),
            "its holder is still told so"
        );
        assert_eq!(
            s.use_invite(&feed(8), &feed(1), 1).unwrap(),
            InviteUse::Unknown
        );
    }

    #[test]
    fn a_use_counted_before_a_crash_is_not_lost_and_not_counted_twice() {
        let tmp = tempfile::tempdir().unwrap();
        {
            let s = open(&tmp);
            s.add_invite(&[1; 32], &feed(9), 1, 0, 100).unwrap();
            assert_eq!(
                s.use_invite(&feed(9), &feed(1), 1).unwrap(),
                InviteUse::Granted
            );
        }
        let s = open(&tmp);
        assert_eq!(s.unfollowed_uses().unwrap(), [(feed(9), feed(1))]);
        assert_eq!(
            s.use_invite(&feed(9), &feed(2), 2).unwrap(),
            InviteUse::UsedUp
        );
        // Even when its time is over meanwhile.
        assert_eq!(
            s.use_invite(&feed(9), &feed(1), 200).unwrap(),
            InviteUse::Granted
        );
        s.invite_done(&feed(9), &feed(1)).unwrap();
        assert_eq!(
            s.use_invite(&feed(9), &feed(1), 2).unwrap(),
            InviteUse::Before
        );
        assert!(s.unfollowed_uses().unwrap().is_empty());
    }

    #[test]
    fn an_invite_ends_with_its_time() {
        let tmp = tempfile::tempdir().unwrap();
        let s = open(&tmp);
        s.add_invite(&[1; 32], &feed(9), 5, 0, 100).unwrap();
        assert_eq!(
            s.use_invite(&feed(9), &feed(1), 99).unwrap(),
            InviteUse::Granted
        );
        assert_eq!(
            s.use_invite(&feed(9), &feed(2), 100).unwrap(),
            InviteUse::Expired
        );
        // One from before there were terms.
        s.db().execute("DELETE FROM invite_term", []).unwrap();
        assert_eq!(
            s.use_invite(&feed(9), &feed(2), 100).unwrap(),
            InviteUse::Granted
        );
    }

    #[test]
    fn many_at_once_get_as_many_uses_as_there_are() {
        let tmp = tempfile::tempdir().unwrap();
        let s = Arc::new(open(&tmp));
        s.add_invite(&[1; 32], &feed(9), 3, 0, 100).unwrap();
        let tries: Vec<_> = (10..30)
            .map(|n| {
                let s = Arc::clone(&s);
                std::thread::spawn(move || s.use_invite(&feed(9), &feed(n), 1).unwrap())
            })
            .collect();
        let got = tries.into_iter().map(|t| t.join().unwrap());
        assert_eq!(got.filter(|u| *u == InviteUse::Granted).count(), 3);
    }

    #[test]
    fn rooms_are_remembered() {
        let tmp = tempfile::tempdir().unwrap();
        open(&tmp).know_room(&feed(1)).unwrap();
        let s = open(&tmp);
        s.know_room(&feed(1)).unwrap();
        assert_eq!(s.rooms().unwrap(), [feed(1)]);
    }
}
