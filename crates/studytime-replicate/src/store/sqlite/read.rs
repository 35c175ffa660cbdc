//! Reading, beside the writer.

use super::super::{Counts, StoreError, StoredMessage};
use super::{Fault, schema};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use studytime_schema::{FeedId, LogPosition, MessageId, Tip};

/// The most connections that read at once.
const MAX_READERS: usize = 4;

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    in_use: usize,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            pool: Mutex::new(Pool::default()),
            freed: Condvar::new(),
        }
    }

    /// Runs a short read on a connection of its own; waits when all are in use.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let lease = self.lease()?;
        match &lease.db {
            Some(db) => read(db),
            None => Err(Fault::Store(StoreError::Other(
                "a read connection was lost".into(),
            ))),
        }
    }

    fn lease(&self) -> Result<Lease<'_>, Fault> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.in_use >= MAX_READERS {
            pool = self
                .freed
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
        pool.in_use += 1;
        let idle = pool.idle.pop();
        drop(pool);
        // From here on the drop of the lease gives the place back.
        let mut lease = Lease {
            readers: self,
            db: idle,
        };
        if lease.db.is_none() {
            lease.db = Some(schema::open_reader(&self.path)?);
        }
        Ok(lease)
    }
}

struct Lease<'a> {
    readers: &'a Readers,
    db: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut pool = self
            .readers
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pool.in_use = pool.in_use.saturating_sub(1);
        pool.idle.extend(self.db.take());
        self.readers.freed.notify_one();
    }
}

pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<FeedId> {
    row.get::<_, [u8; 32]>(column).map(FeedId::from_bytes)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|n| u64::try_from(n).unwrap_or(0))
}

/// SQLite's integers are signed; no sequence or time reaches the edge.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<std::sync::Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

pub(super) fn tip(db: &Connection, feed: &FeedId) -> Result<Option<Tip>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT t.sequence, t.id FROM tips t JOIN feeds f ON f.id = t.feed WHERE f.key = ?1",
    )?;
    Ok(statement
        .query_row([feed.as_bytes()], |row| {
            Ok(Tip {
                sequence: unsigned(row, 0)?,
                id: MessageId::from_bytes(row.get(1)?),
            })
        })
        .optional()?)
}

pub(super) fn tips(db: &Connection) -> Result<Vec<(FeedId, Tip)>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT f.key, t.sequence, t.id FROM tips t JOIN feeds f ON f.id = t.feed ORDER BY f.key",
    )?;
    let rows = statement.query_map([], |row| {
        let tip = Tip {
            sequence: unsigned(row, 1)?,
            id: MessageId::from_bytes(row.get(2)?),
        };
        Ok((key(row, 0)?, tip))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn sizes(db: &Connection) -> Result<Vec<(FeedId, Counts)>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT f.key, t.sequence, t.bytes FROM tips t JOIN feeds f ON f.id = t.feed ORDER BY f.key",
    )?;
    let rows = statement.query_map([], |row| {
        let counts = Counts {
            feeds: 1,
            messages: unsigned(row, 1)?,
            bytes: unsigned(row, 2)?,
        };
        Ok((key(row, 0)?, counts))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage {
        position: LogPosition(unsigned(row, 0)?),
        feed: key(row, 1)?,
        sequence: unsigned(row, 2)?,
        received: unsigned(row, 3)?,
        wire: text(row, 4)?,
    })
}

pub(super) fn range(
    db: &Connection,
    feed: &FeedId,
    from: u64,
    max_count: usize,
    max_bytes: usize,
) -> Result<Vec<StoredMessage>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT l.position, f.key, l.sequence, l.received, l.bytes
         FROM log l JOIN feeds f ON f.id = l.feed
         WHERE f.key = ?1 AND l.sequence >= ?2 ORDER BY l.sequence LIMIT ?3",
    )?;
    let limit = i64::try_from(max_count).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![feed.as_bytes(), signed(from), limit])?;
    let mut messages: Vec<StoredMessage> = Vec::new();
    let mut bytes = 0usize;
    while let Some(row) = rows.next()? {
        let length = row
            .get_ref(4)?
            .as_str()
            .map_err(rusqlite::Error::from)?
            .len();
        bytes = bytes.saturating_add(length);
        if bytes > max_bytes && !messages.is_empty() {
            break;
        }
        messages.push(stored(row)?);
    }
    Ok(messages)
}

pub(super) fn scan(
    db: &Connection,
    after: LogPosition,
    limit: usize,
) -> Result<Vec<StoredMessage>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT l.position, f.key, l.sequence, l.received, l.bytes
         FROM log l JOIN feeds f ON f.id = l.feed
         WHERE l.position > ?1 ORDER BY l.position LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([signed(after.0), limit], stored)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn last_position(db: &Connection) -> Result<LogPosition, Fault> {
    let mut statement = db.prepare_cached("SELECT position FROM counter")?;
    Ok(LogPosition(
        statement.query_row([], |row| unsigned(row, 0))?,
    ))
}

pub(super) fn counts(db: &Connection, feed: Option<&FeedId>) -> Result<Counts, Fault> {
    // A feed is kept from its first message on without gaps, so that its last
    // sequence is its number of messages.
    let read = |row: &Row<'_>| {
        Ok(Counts {
            feeds: unsigned(row, 0)?,
            messages: unsigned(row, 1)?,
            bytes: unsigned(row, 2)?,
        })
    };
    Ok(match feed {
        None => db
            .prepare_cached(
                "SELECT count(*), coalesce(sum(sequence), 0), coalesce(sum(bytes), 0) FROM tips",
            )?
            .query_row([], read)?,
        Some(feed) => db
            .prepare_cached(
                "SELECT count(*), coalesce(sum(t.sequence), 0), coalesce(sum(t.bytes), 0)
                 FROM tips t JOIN feeds f ON f.id = t.feed WHERE f.key = ?1",
            )?
            .query_row([feed.as_bytes()], read)?,
    })
}

/// What SQLite itself finds wrong with the file.
pub(super) fn quick_check(db: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = db.prepare("PRAGMA quick_check(100)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems = rows.collect::<Result<Vec<_>, _>>()?;
    problems.retain(|p| p != "ok");
    Ok(problems)
}
