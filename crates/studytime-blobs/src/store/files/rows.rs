//! `blobs.db`: what is known about blobs besides their bytes.
//!
//! Presence can be rebuilt from the files, so those rows are written without
//! waiting for the disk. Pins, pushes and own blobs are waited for.

use super::super::{BlobInfo, PUSH_COPIES, Partial, Pinner, Push, PushScope, StoreError, Usage};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::path::Path;
use studytime_schema::{BlobId, FeedId};

/// Raised when the tables change.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE blobs(
    id BLOB PRIMARY KEY, size INTEGER NOT NULL, added INTEGER NOT NULL,
    last_used INTEGER NOT NULL, uses INTEGER NOT NULL, state INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX unsynced ON blobs(state) WHERE state <> 0;
CREATE TABLE totals(one INTEGER PRIMARY KEY CHECK(one = 1), count INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES(1, 0, 0);
CREATE TRIGGER plus AFTER INSERT ON blobs BEGIN
    UPDATE totals SET count = count + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER minus AFTER DELETE ON blobs BEGIN
    UPDATE totals SET count = count - 1, bytes = bytes - OLD.size;
END;
CREATE TRIGGER resized AFTER UPDATE OF size ON blobs BEGIN
    UPDATE totals SET bytes = bytes - OLD.size + NEW.size;
END;
CREATE TABLE pins(who TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY(who, id)) WITHOUT ROWID;
CREATE INDEX pins_by_id ON pins(id);
CREATE TABLE pushes(id BLOB PRIMARY KEY, scope INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE push_seen(id BLOB NOT NULL, peer BLOB NOT NULL, PRIMARY KEY(id, peer)) WITHOUT ROWID;
CREATE TABLE partials(id BLOB PRIMARY KEY, bytes INTEGER NOT NULL, suspended INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE running(one INTEGER PRIMARY KEY CHECK(one = 1), running INTEGER NOT NULL);
INSERT INTO running VALUES(1, 0);
";

/// How sure it is that the file is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Synced = 0,
    Relaxed = 1,
    Doubtful = 2,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) size: u64,
    pub(super) added: u64,
    pub(super) last_used: u64,
    pub(super) uses: u64,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) struct Rows {
    db: Connection,
}

fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn id_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<BlobId> {
    row.get(column).map(BlobId::from_bytes)
}

fn reading(e: rusqlite::Error) -> StoreError {
    StoreError::database("read", e)
}

fn writing(e: rusqlite::Error) -> StoreError {
    StoreError::database("written", e)
}

impl Rows {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let opening = |e| StoreError::database("opened", e);
        let mut db = Connection::open(path).map_err(opening)?;
        db.busy_timeout(std::time::Duration::from_secs(5))
            .map_err(opening)?;
        db.pragma_update(None, "journal_mode", "WAL")
            .map_err(opening)?;
        db.pragma_update(None, "synchronous", "NORMAL")
            .map_err(opening)?;
        db.set_prepared_statement_cache_capacity(64);
        let found: i64 = db
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .map_err(opening)?;
        match found {
            VERSION => {}
            0 => {
                let tx = db.transaction().map_err(opening)?;
                tx.execute_batch(TABLES).map_err(opening)?;
                tx.pragma_update(None, "user_version", VERSION)
                    .map_err(opening)?;
                tx.commit().map_err(opening)?;
            }
            found => {
                return Err(StoreError::Newer {
                    found,
                    known: VERSION,
                });
            }
        }
        Ok(Self { db })
    }

    /// Notes that the program runs. True when it ran and did not say that it ended.
    pub(super) fn start(&mut self) -> Result<bool, StoreError> {
        self.write(true, |tx| {
            let unclean = tx.query_row("SELECT running FROM running", [], |r| r.get(0))?;
            if unclean {
                let (from, to) = (State::Relaxed as i64, State::Doubtful as i64);
                tx.execute("UPDATE blobs SET state = ?2 WHERE state = ?1", [from, to])?;
            }
            tx.execute("UPDATE running SET running = 1", [])?;
            Ok(unclean)
        })
    }

    pub(super) fn stop(&mut self) -> Result<(), StoreError> {
        // Doubtful blobs are still doubtful; their state says so itself.
        self.write(true, |tx| {
            tx.execute("UPDATE running SET running = 0", []).map(drop)
        })
    }

    /// One transaction; with `wait` it is on the disk when this returns.
    pub(super) fn write<T>(
        &mut self,
        wait: bool,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if wait {
            self.synchronous("FULL")?;
        }
        let done = self.db.transaction().and_then(|tx| {
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        });
        if wait {
            self.synchronous("NORMAL")?;
        }
        done.map_err(writing)
    }

    fn synchronous(&self, mode: &str) -> Result<(), StoreError> {
        let set = self.db.pragma_update(None, "synchronous", mode);
        set.map_err(writing)
    }

    pub(super) fn get(&self, id: &BlobId) -> Result<Option<Row>, StoreError> {
        let sql = "SELECT size, added, last_used, uses, state FROM blobs WHERE id = ?1";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let row = query.query_row([id.as_bytes()], |r| {
            Ok(Row {
                size: uint(r.get(0)?),
                added: uint(r.get(1)?),
                last_used: uint(r.get(2)?),
                uses: uint(r.get(3)?),
                state: match r.get(4)? {
                    0 => State::Synced,
                    1 => State::Relaxed,
                    _ => State::Doubtful,
                },
            })
        });
        row.optional().map_err(reading)
    }

    /// Writes rows; of one that is there, only size and state change.
    pub(super) fn put(&mut self, rows: &[(BlobId, Row)], wait: bool) -> Result<(), StoreError> {
        self.write(wait, |tx| {
            let mut put = tx.prepare_cached(
                "INSERT INTO blobs VALUES(?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT(id) DO UPDATE SET size = excluded.size, state = excluded.state",
            )?;
            for (id, row) in rows {
                put.execute(params![
                    id.as_bytes(),
                    int(row.size),
                    int(row.added),
                    int(row.last_used),
                    int(row.uses),
                    row.state as i64,
                ])?;
            }
            Ok(())
        })
    }

    pub(super) fn remove(&mut self, ids: &[BlobId]) -> Result<(), StoreError> {
        self.write(false, |tx| {
            let mut remove = tx.prepare_cached("DELETE FROM blobs WHERE id = ?1")?;
            for id in ids {
                remove.execute([id.as_bytes()])?;
            }
            Ok(())
        })
    }

    pub(super) fn in_state(&self, state: State, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        // The index is partial: the condition must be seen to imply its own.
        let sql = "SELECT id FROM blobs WHERE state <> 0 AND state = ?1 LIMIT ?2";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let limit = int(limit as u64);
        let ids = query.query_map([state as i64, limit], |r| id_at(r, 0));
        ids.and_then(Iterator::collect).map_err(reading)
    }

    pub(super) fn doubtful(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM blobs WHERE state <> 0 AND state = 2";
        let count = self.db.query_row(sql, [], |r| r.get(0));
        count.map(uint).map_err(reading)
    }

    pub(super) fn set_synced(&mut self, ids: &[BlobId]) -> Result<(), StoreError> {
        self.write(true, |tx| {
            let mut set = tx.prepare_cached("UPDATE blobs SET state = 0 WHERE id = ?1")?;
            for id in ids {
                set.execute([id.as_bytes()])?;
            }
            Ok(())
        })
    }

    pub(super) fn touch(
        &mut self,
        touched: &HashMap<BlobId, (u64, u64)>,
    ) -> Result<(), StoreError> {
        self.write(false, |tx| {
            let mut touch = tx.prepare_cached(
                "UPDATE blobs SET uses = uses + ?2, last_used = max(last_used, ?3) WHERE id = ?1",
            )?;
            for (id, (uses, last)) in touched {
                touch.execute(params![id.as_bytes(), int(*uses), int(*last)])?;
            }
            Ok(())
        })
    }

    pub(super) fn list(
        &self,
        after: Option<&BlobId>,
        limit: usize,
    ) -> Result<Vec<BlobInfo>, StoreError> {
        let sql = "SELECT id, size, added, last_used, uses,
                   EXISTS(SELECT 1 FROM pins WHERE pins.id = blobs.id)
                   FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let after: &[u8] = after.map_or(&[], |id| id.as_bytes());
        let list = query.query_map(params![after, int(limit as u64)], |r| {
            Ok(BlobInfo {
                id: id_at(r, 0)?,
                size: uint(r.get(1)?),
                added: uint(r.get(2)?),
                last_used: uint(r.get(3)?),
                uses: uint(r.get(4)?),
                pinned: r.get(5)?,
            })
        });
        list.and_then(Iterator::collect).map_err(reading)
    }

    pub(super) fn usage(&self) -> Result<Usage, StoreError> {
        let sql = "SELECT count, bytes FROM totals";
        let usage = self.db.query_row(sql, [], |r| {
            Ok(Usage {
                count: uint(r.get(0)?),
                bytes: uint(r.get(1)?),
            })
        });
        usage.map_err(reading)
    }

    pub(super) fn pin(&mut self, by: &Pinner, ids: &[BlobId]) -> Result<(), StoreError> {
        let who = by.to_string();
        self.write(true, |tx| {
            let mut pin = tx.prepare_cached("INSERT OR IGNORE INTO pins VALUES(?1, ?2)")?;
            for id in ids {
                pin.execute(params![who, id.as_bytes()])?;
            }
            Ok(())
        })
    }

    pub(super) fn unpin(&mut self, by: &Pinner, ids: Option<&[BlobId]>) -> Result<(), StoreError> {
        let who = by.to_string();
        self.write(true, |tx| match ids {
            None => tx
                .execute("DELETE FROM pins WHERE who = ?1", [&who])
                .map(drop),
            Some(ids) => {
                let sql = "DELETE FROM pins WHERE who = ?1 AND id = ?2";
                let mut unpin = tx.prepare_cached(sql)?;
                for id in ids {
                    unpin.execute(params![who, id.as_bytes()])?;
                }
                Ok(())
            }
        })
    }

    pub(super) fn pinners(&self, id: &BlobId) -> Result<Vec<Pinner>, StoreError> {
        let sql = "SELECT who FROM pins WHERE id = ?1";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let who = query.query_map([id.as_bytes()], |r| r.get::<_, String>(0));
        let who: Vec<String> = who.and_then(Iterator::collect).map_err(reading)?;
        let mut who: Vec<Pinner> = who.iter().filter_map(|w| w.parse().ok()).collect();
        who.sort_unstable();
        Ok(who)
    }

    pub(super) fn pinned(&self, by: &Pinner) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT id FROM pins WHERE who = ?1 ORDER BY id";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let ids = query.query_map([by.to_string()], |r| id_at(r, 0));
        ids.and_then(Iterator::collect).map_err(reading)
    }

    pub(super) fn push(&mut self, ids: &[BlobId], scope: PushScope) -> Result<(), StoreError> {
        self.write(true, |tx| {
            let mut push = tx.prepare_cached(
                "INSERT INTO pushes VALUES(?1, ?2)
                 ON CONFLICT(id) DO UPDATE SET scope = max(scope, excluded.scope)",
            )?;
            for id in ids.iter().filter(|id| **id != BlobId::EMPTY) {
                push.execute(params![id.as_bytes(), scope as i64])?;
            }
            Ok(())
        })
    }

    pub(super) fn push_seen(&mut self, id: &BlobId, peer: &FeedId) -> Result<bool, StoreError> {
        let id = id.as_bytes();
        self.write(false, |tx| {
            let known: bool = tx
                .prepare_cached("SELECT EXISTS(SELECT 1 FROM pushes WHERE id = ?1)")?
                .query_row([id], |r| r.get(0))?;
            if !known {
                return Ok(true);
            }
            tx.prepare_cached("INSERT OR IGNORE INTO push_seen VALUES(?1, ?2)")?
                .execute(params![id, peer.as_bytes()])?;
            let seen: i64 = tx
                .prepare_cached("SELECT count(*) FROM push_seen WHERE id = ?1")?
                .query_row([id], |r| r.get(0))?;
            let done = uint(seen) >= PUSH_COPIES as u64;
            if done {
                tx.execute("DELETE FROM pushes WHERE id = ?1", [id])?;
                tx.execute("DELETE FROM push_seen WHERE id = ?1", [id])?;
            }
            Ok(done)
        })
    }

    pub(super) fn pushes(&self) -> Result<Vec<Push>, StoreError> {
        let sql = "SELECT pushes.id, scope, peer FROM pushes
                   LEFT JOIN push_seen ON push_seen.id = pushes.id ORDER BY pushes.id, peer";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let mut rows = query.query([]).map_err(reading)?;
        let mut pushes: Vec<Push> = Vec::new();
        while let Some(row) = rows.next().map_err(reading)? {
            let id = id_at(row, 0).map_err(reading)?;
            let scope: i64 = row.get(1).map_err(reading)?;
            let peer: Option<[u8; 32]> = row.get(2).map_err(reading)?;
            if pushes.last().is_none_or(|p| p.id != id) {
                let scope = match scope {
                    0 => PushScope::Seeders,
                    _ => PushScope::Everyone,
                };
                let seen = Vec::new();
                pushes.push(Push { id, scope, seen });
            }
            if let (Some(push), Some(peer)) = (pushes.last_mut(), peer) {
                push.seen.push(FeedId::from_bytes(peer));
            }
        }
        Ok(pushes)
    }

    pub(super) fn partials(&self) -> Result<Vec<Partial>, StoreError> {
        let sql = "SELECT id, bytes, suspended FROM partials ORDER BY suspended, id";
        let mut query = self.db.prepare_cached(sql).map_err(reading)?;
        let partials = query.query_map([], |r| {
            Ok(Partial {
                id: id_at(r, 0)?,
                bytes: uint(r.get(1)?),
                suspended: uint(r.get(2)?),
            })
        });
        partials.and_then(Iterator::collect).map_err(reading)
    }

    pub(super) fn put_partial(&mut self, p: &Partial) -> Result<(), StoreError> {
        self.write(false, |tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO partials VALUES(?1, ?2, ?3)")?
                .execute(params![p.id.as_bytes(), int(p.bytes), int(p.suspended)])
                .map(drop)
        })
    }

    pub(super) fn remove_partial(&mut self, id: &BlobId) -> Result<(), StoreError> {
        self.write(false, |tx| {
            tx.prepare_cached("DELETE FROM partials WHERE id = ?1")?
                .execute([id.as_bytes()])
                .map(drop)
        })
    }
}
