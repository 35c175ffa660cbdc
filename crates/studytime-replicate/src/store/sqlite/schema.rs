//! The file: its tables, its settings, its version.

use super::super::StoreError;
use super::{FORMAT, Fault};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Marks the file as a feed store (SQLite's `application_id`).
const APPLICATION: i64 = 0x5374_4664;

/// How long to wait for another connection, in milliseconds.
const BUSY_MS: u32 = 2_000;

const TABLES: &str = "
    -- Feeds and peers, by a small number.
    CREATE TABLE feeds (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE
    );
    -- Messages in order of arrival.
    CREATE TABLE log (
        position INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL REFERENCES feeds(id),
        sequence INTEGER NOT NULL,
        received INTEGER NOT NULL,
        bytes TEXT NOT NULL,
        UNIQUE (feed, sequence)
    );
    -- The last message of each feed, and how much there is of it.
    CREATE TABLE tips (
        feed INTEGER PRIMARY KEY REFERENCES feeds(id),
        sequence INTEGER NOT NULL,
        id BLOB NOT NULL,
        bytes INTEGER NOT NULL
    );
    -- What peers told of feeds; -1 for a refusal.
    CREATE TABLE clocks (
        peer INTEGER NOT NULL REFERENCES feeds(id),
        feed INTEGER NOT NULL REFERENCES feeds(id),
        sequence INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (peer, feed)
    ) WITHOUT ROWID;
    -- Two messages that one author should not both have signed.
    CREATE TABLE forks (
        feed INTEGER NOT NULL REFERENCES feeds(id),
        sequence INTEGER NOT NULL,
        ours TEXT NOT NULL,
        theirs TEXT NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (feed, sequence)
    );
    -- Messages that were refused for good.
    CREATE TABLE rejected (
        id INTEGER PRIMARY KEY,
        feed BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        hash BLOB NOT NULL,
        reason TEXT NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (feed, hash)
    );
    -- Feeds that are not fetched from a peer any more.
    CREATE TABLE shunned (
        peer BLOB NOT NULL,
        feed BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        fork INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (peer, feed)
    ) WITHOUT ROWID;
    -- The highest position ever given out: never used again, even after a deletion.
    CREATE TABLE counter (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        position INTEGER NOT NULL
    );
    INSERT INTO counter VALUES (1, 0);
";

fn number(db: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
}

/// Opens the file for writing; checks it, or makes it when it may.
pub(super) fn open(path: &Path, create: bool) -> Result<Connection, Fault> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    } else if std::fs::metadata(path).map_or(0, |m| m.len()) == 0 {
        return Err(Fault::Store(StoreError::Gone));
    }
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_millis(u64::from(BUSY_MS)))?;
    // Both must come first; they change nothing in a file that has content.
    db.execute_batch("PRAGMA page_size = 16384")?;
    check(&db)?;
    if !create && is_empty(&db)? {
        return Err(Fault::Store(StoreError::Gone));
    }
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Fault::Store(StoreError::Other(
            format!("the file system does not allow a write-ahead log (mode {mode})").into(),
        )));
    }
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    make_tables(&mut db)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// Opens the file for reading beside the writer.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_millis(u64::from(BUSY_MS)))?;
    db.execute_batch(
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096; PRAGMA query_only = ON;",
    )?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| {
        row.get(0)
    })
}

/// Refuses other files, and files of a newer version, before anything is changed.
fn check(db: &Connection) -> Result<(), Fault> {
    let application = number(db, "application_id")?;
    if application == 0 && is_empty(db)? {
        return Ok(());
    }
    if application != APPLICATION {
        return Err(Fault::Store(StoreError::NotAStore));
    }
    let found = u32::try_from(number(db, "user_version")?).unwrap_or(u32::MAX);
    if found > FORMAT {
        return Err(Fault::Store(StoreError::Newer {
            found,
            supported: FORMAT,
        }));
    }
    Ok(())
}

/// Creates the tables of a new file, all or none of them.
fn make_tables(db: &mut Connection) -> Result<(), Fault> {
    if !is_empty(db)? {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if is_empty(&tx)? {
        tx.execute_batch(TABLES)?;
        tx.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};"
        ))?;
    }
    tx.commit()?;
    Ok(())
}
