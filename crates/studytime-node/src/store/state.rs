//! `state.db`: what the node itself remembers.

use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use studytime_schema::FeedId;

/// Newest layout this code knows.
const VERSION: i64 = 3;

/// Why the node's memory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StateError {
    #[error("state.db failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("state.db cannot be made")]
    Make(#[source] std::io::Error),
    #[error("state.db was written by a newer version of this program; update it")]
    Newer,
}

/// The open database. Calls are short; a mutex is enough.
pub(crate) struct State {
    db: Mutex<Connection>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS own(feed BLOB PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position(
    course BLOB NOT NULL, item BLOB NOT NULL, seconds INTEGER NOT NULL, percent INTEGER NOT NULL,
    updated INTEGER NOT NULL, published INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(course, item)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peer(
    address TEXT PRIMARY KEY, key BLOB NOT NULL, keep INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0, last_try INTEGER NOT NULL DEFAULT 0,
    last_ok INTEGER NOT NULL DEFAULT 0,
    kind TEXT NOT NULL DEFAULT 'typed', source TEXT NOT NULL DEFAULT 'typed',
    birth INTEGER NOT NULL DEFAULT 0, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS paused(course BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invite(seed BLOB PRIMARY KEY, key BLOB NOT NULL UNIQUE, uses_left INTEGER NOT NULL,
    created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unfinished(feed BLOB PRIMARY KEY, name TEXT NOT NULL, catalog TEXT) WITHOUT ROWID;
-- Own feeds that must not be published on; since version 2.
CREATE TABLE IF NOT EXISTS lock(
    feed BLOB PRIMARY KEY, cause TEXT NOT NULL, since INTEGER NOT NULL, claimed INTEGER NOT NULL,
    claimed_by BLOB) WITHOUT ROWID;
";

/// What a file of version 1 or 2 lacks: peers were all typed then.
const PEERS_SINCE_3: &str = "
ALTER TABLE peer ADD COLUMN kind TEXT NOT NULL DEFAULT 'typed';
ALTER TABLE peer ADD COLUMN source TEXT NOT NULL DEFAULT 'typed';
ALTER TABLE peer ADD COLUMN birth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN reason TEXT;
";

/// A list or course that is being made: its key may exist, its messages may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) feed: FeedId,
    /// What the user called it.
    pub(crate) name: String,
    /// The own list it is to stand on.
    pub(crate) catalog: Option<String>,
}

/// Makes a file that only its owner can read, or makes it so.
fn owner_only(path: &Path) -> std::io::Result<()> {
    match super::private_file(path, 0o600, true) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = std::fs::metadata(path)?.permissions().mode();
                if mode & 0o077 != 0 {
                    let owner = std::fs::Permissions::from_mode(mode & 0o700);
                    // A stick may know no modes.
                    let _ = std::fs::set_permissions(path, owner);
                }
            }
            Ok(())
        }
        Err(e) => Err(e),
    }
}

impl State {
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        // It holds secrets: those of mirrors. SQLite gives its other files the same mode.
        owner_only(path).map_err(StateError::Make)?;
        let mut db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let version: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if version > VERSION {
            return Err(StateError::Newer);
        }
        let change = db.transaction()?;
        if (1..3).contains(&version) {
            change.execute_batch(PEERS_SINCE_3)?;
        }
        change.execute_batch(SCHEMA)?;
        change.execute_batch(super::invites::SCHEMA)?;
        change.pragma_update(None, "user_version", VERSION)?;
        change.commit()?;
        Ok(Self { db: Mutex::new(db) })
    }

    pub(super) fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic in another call leaves SQLite itself consistent.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the name the user gave an own feed.
    pub(crate) fn name_own(&self, feed: &FeedId, name: &str) -> Result<(), StateError> {
        self.db().execute(
            "INSERT INTO own(feed, name) VALUES(?1, ?2) ON CONFLICT(feed) DO UPDATE SET name = ?2",
            params![feed.as_bytes(), name],
        )?;
        Ok(())
    }

    pub(crate) fn own_name(&self, feed: &FeedId) -> Result<Option<String>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT name FROM own WHERE feed = ?1")?;
        Ok(q.query_row([feed.as_bytes()], |r| r.get(0)).optional()?)
    }

    /// Notes that a list or course is being made.
    pub(crate) fn begin(&self, work: &Unfinished) -> Result<(), StateError> {
        self.db().execute(
            "INSERT OR REPLACE INTO unfinished(feed, name, catalog) VALUES(?1, ?2, ?3)",
            params![work.feed.as_bytes(), work.name, work.catalog],
        )?;
        Ok(())
    }

    /// It is made, or given up.
    pub(crate) fn finished(&self, feed: &FeedId) -> Result<(), StateError> {
        self.db()
            .execute("DELETE FROM unfinished WHERE feed = ?1", [feed.as_bytes()])?;
        Ok(())
    }

    pub(crate) fn unfinished(&self) -> Result<Vec<Unfinished>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT feed, name, catalog FROM unfinished")?;
        let rows = q.query_map([], |r| {
            Ok(Unfinished {
                feed: FeedId::from_bytes(r.get(0)?),
                name: r.get(1)?,
                catalog: r.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn setting(&self, key: &str) -> Result<Option<String>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT value FROM setting WHERE key = ?1")?;
        Ok(q.query_row([key], |r| r.get(0)).optional()?)
    }

    pub(crate) fn set_setting(&self, key: &str, value: &str) -> Result<(), StateError> {
        self.db().execute(
            "INSERT INTO setting(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
            [key, value],
        )?;
        Ok(())
    }

    pub(crate) fn set_paused(&self, course: &FeedId, paused: bool) -> Result<(), StateError> {
        let sql = if paused {
            "INSERT OR IGNORE INTO paused(course) VALUES(?1)"
        } else {
            "DELETE FROM paused WHERE course = ?1"
        };
        self.db().execute(sql, [course.as_bytes()])?;
        Ok(())
    }

    pub(crate) fn paused(&self) -> Result<Vec<FeedId>, StateError> {
        self.feeds_of("SELECT course FROM paused")
    }

    /// The feeds that a query names.
    pub(super) fn feeds_of(&self, sql: &str) -> Result<Vec<FeedId>, StateError> {
        let db = self.db();
        let mut q = db.prepare_cached(sql)?;
        let rows = q.query_map([], |r| Ok(FeedId::from_bytes(r.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Kind, Record};

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_it_also_when_it_was_made_before() {
        use std::os::unix::fs::PermissionsExt as _;
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state.db");
        let modes = || {
            ["state.db", "state.db-wal"].map(|name| {
                let meta = std::fs::metadata(tmp.path().join(name)).unwrap();
                meta.permissions().mode() & 0o777
            })
        };
        let s = State::open(&path).unwrap();
        s.set_setting("a", "b").unwrap();
        assert_eq!(modes(), [0o600; 2]);
        drop(s);
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, open).unwrap();
        let s = State::open(&path).unwrap();
        s.set_setting("a", "c").unwrap();
        assert_eq!(modes(), [0o600; 2]);
    }

    #[test]
    fn remembers_across_a_reopen() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state.db");
        {
            let s = State::open(&path).unwrap();
            s.name_own(&feed(1), "List").unwrap();
            s.set_setting("share", "true").unwrap();
            s.know_peer("net:a", &feed(2), true).unwrap();
            s.know_peer("net:a", &feed(2), false).unwrap();
            let record = Record {
                failures: 1,
                reason: Some("nobody listens".into()),
                ..Record::new(7)
            };
            s.save_record("net:a", &record).unwrap();
            s.save_record("net:nobody", &record).unwrap();
            s.set_paused(&feed(3), true).unwrap();
        }
        let s = State::open(&path).unwrap();
        assert_eq!(s.own_name(&feed(1)).unwrap().as_deref(), Some("List"));
        assert_eq!(s.setting("share").unwrap().as_deref(), Some("true"));
        let peers = s.peers().unwrap();
        assert_eq!(peers.len(), 1, "only who was met or chosen");
        assert_eq!((peers[0].keep, peers[0].record.failures), (true, 1));
        assert_eq!(peers[0].record.reason.as_deref(), Some("nobody listens"));
        assert_eq!(s.paused().unwrap(), [feed(3)]);
    }

    #[test]
    fn a_file_of_an_older_version_opens() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state.db");
        {
            let db = Connection::open(&path).unwrap();
            db.execute_batch(
                "CREATE TABLE peer(
                    address TEXT PRIMARY KEY, key BLOB NOT NULL, keep INTEGER NOT NULL,
                    failures INTEGER NOT NULL DEFAULT 0, last_try INTEGER NOT NULL DEFAULT 0,
                    last_ok INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
                 PRAGMA user_version = 2;",
            )
            .unwrap();
            db.execute(
                "INSERT INTO peer VALUES('net:a', ?1, 1, 3, 10, 9)",
                [feed(2).as_bytes()],
            )
            .unwrap();
        }
        for _ in 0..2 {
            let s = State::open(&path).unwrap();
            let peers = s.peers().unwrap();
            let [peer] = &peers[..] else {
                panic!("{peers:?}")
            };
            assert_eq!(
                (peer.key, peer.keep, peer.kind),
                (feed(2), true, Kind::Typed)
            );
            let r = &peer.record;
            assert_eq!((r.failures, r.last_try, r.last_ok), (3, 10, 9));
        }
    }

    #[test]
    fn every_change_is_synced() {
        let tmp = tempfile::tempdir().unwrap();
        let s = State::open(&tmp.path().join("state.db")).unwrap();
        s.set_setting("share", "true").unwrap();
        let level: i64 = s
            .db()
            .pragma_query_value(None, "synchronous", |r| r.get(0))
            .unwrap();
        assert_eq!(level, 2, "FULL");
    }
}
