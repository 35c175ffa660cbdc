//! Rows in SQLite: what is kept of lists, courses, lessons and people.
//!
//! All functions take a connection, so that the writer calls them inside its
//! one transaction and readers outside of any.

mod bodies;
mod changed;
mod feeds;
mod folder;
mod lessons;
mod listings;
mod needs;
mod people;
mod pool;
mod queue;
mod texts;

pub(crate) use bodies::StoredBody;
pub(crate) use feeds::{FeedNumbers, feed_of, number_of, study_feeds};
pub(crate) use folder::Folder;
pub(crate) use listings::{CourseStats, ListingRow};
pub(crate) use pool::Pool;
pub(crate) use queue::{Row, doc_of, row_of};

pub(crate) mod read {
    //! Reading rows.
    pub(crate) use super::changed::changed_after;
    pub(crate) use super::lessons::{lesson_by_number, lesson_row, neighbours, outline};
    pub(crate) use super::listings::{
        all_listings, all_stats, foreign_listings, listing, listings_of, stats_of,
    };
    pub(crate) use super::needs::{courses_near, courses_needing, each_need};
    pub(crate) use super::people::{about, enrolments, enrolments_of, learned, problems};
    pub(crate) use super::texts::{docs_missing_text, text_of};
    pub(crate) use super::unsound;
}

pub(crate) mod write {
    //! Writing rows.
    pub(crate) use super::changed::note_changed;
    pub(crate) use super::lessons::put_lesson;
    pub(crate) use super::listings::{put_listing, put_stats};
    pub(crate) use super::people::{put_about, put_enrolment, put_learned, put_problem};
    pub(crate) use super::queue::{
        doubt_freshness, forget_queue, forget_queue_upto, queue, queue_all, queued,
    };
    pub(crate) use super::texts::{doc_of_lesson, doc_of_listing, docs_naming, make_doc, put_text};
}

use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::Path;

/// Changes whenever a table or what a row means changes. An index of another
/// version is rebuilt from the log.
pub(crate) const ROWS_VERSION: i64 = 5;

/// The oldest version whose rows this one can still answer from, until they are
/// made anew: raise it when a table changes, leave it when only what folding
/// makes of a message does.
const READABLE_FROM: i64 = 3;

/// Rows of no other program: "STix".
const APPLICATION: i64 = 0x5354_6978;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE feed(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE listing(
  id INTEGER PRIMARY KEY, list INTEGER NOT NULL, course INTEGER NOT NULL,
  since INTEGER NOT NULL, first_sequence INTEGER NOT NULL, first_id BLOB NOT NULL,
  text_blob BLOB, row TEXT NOT NULL, UNIQUE(list, course));
CREATE INDEX listing_course ON listing(course);
CREATE INDEX listing_text ON listing(text_blob) WHERE text_blob IS NOT NULL;
CREATE TABLE course(
  id INTEGER PRIMARY KEY, updated INTEGER NOT NULL, lessons INTEGER NOT NULL,
  bytes_total INTEGER NOT NULL, bytes_here INTEGER NOT NULL, complete INTEGER NOT NULL);
CREATE TABLE lesson(
  id INTEGER PRIMARY KEY, course INTEGER NOT NULL, lesson BLOB NOT NULL, number INTEGER NOT NULL,
  taken INTEGER NOT NULL, hash INTEGER NOT NULL, text_blob BLOB, needs BLOB,
  row TEXT NOT NULL, UNIQUE(course, lesson));
CREATE INDEX lesson_place ON lesson(course, number, taken);
CREATE INDEX lesson_text ON lesson(text_blob) WHERE text_blob IS NOT NULL;
CREATE INDEX lesson_waits ON lesson(course, text_blob) WHERE text_blob IS NOT NULL;
CREATE TABLE need(
  blob INTEGER NOT NULL, course INTEGER NOT NULL, PRIMARY KEY(blob, course)) WITHOUT ROWID;
CREATE TABLE need_new(id INTEGER PRIMARY KEY, blob INTEGER NOT NULL, course INTEGER NOT NULL);
CREATE TABLE body(feed INTEGER PRIMARY KEY, tail INTEGER NOT NULL, row TEXT NOT NULL);
CREATE TABLE body_tail(
  feed INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL,
  content TEXT NOT NULL, PRIMARY KEY(feed, sequence)) WITHOUT ROWID;
CREATE TABLE learned(
  feed INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL,
  private INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY(feed, sequence)) WITHOUT ROWID;
CREATE TABLE blob_text(id INTEGER PRIMARY KEY, blob BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE enrolment(
  course INTEGER NOT NULL, learner INTEGER NOT NULL, sequence INTEGER NOT NULL,
  id BLOB NOT NULL, time INTEGER NOT NULL, enrolled INTEGER NOT NULL,
  PRIMARY KEY(course, learner)) WITHOUT ROWID;
CREATE INDEX enrolment_learner ON enrolment(learner);
CREATE TABLE about(feed INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE problem(
  feed INTEGER NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT NULL, id BLOB NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY(feed, sequence, place)) WITHOUT ROWID;
CREATE TABLE queue(doc INTEGER PRIMARY KEY, stamp INTEGER NOT NULL, fresh INTEGER NOT NULL);
CREATE INDEX queue_stamp ON queue(stamp);
";

/// Which version 3 did not have.
const CHANGED: &str = "
CREATE TABLE IF NOT EXISTS changed(course INTEGER PRIMARY KEY, change INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS changed_order ON changed(change, course);
";

/// Why rows cannot be used as they are.
pub(crate) enum Unusable {
    /// Another program, another version: said in words.
    Reason(String),
    /// SQLite refused.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Makes a new file with empty tables.
pub(crate) fn create(path: &Path) -> rusqlite::Result<Connection> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "page_size", 8192)?;
    tune(&conn)?;
    let tx = conn.transaction()?;
    tx.execute_batch(TABLES)?;
    tx.execute_batch(CHANGED)?;
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.pragma_update(None, "user_version", ROWS_VERSION)?;
    tx.commit()?;
    Ok(conn)
}

/// Opens an existing file for the writer.
pub(crate) fn open(path: &Path) -> Result<Connection, Unusable> {
    open_version(path, ROWS_VERSION..=ROWS_VERSION)
}

/// Opens an existing file that may be of an earlier version, to answer from.
pub(crate) fn open_outdated(path: &Path) -> Result<Connection, Unusable> {
    let conn = open_version(path, READABLE_FROM..=ROWS_VERSION)?;
    conn.execute_batch(CHANGED)?;
    Ok(conn)
}

fn open_version(path: &Path, versions: RangeInclusive<i64>) -> Result<Connection, Unusable> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let number = |name: &str| conn.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    if number("application_id")? != APPLICATION {
        return Err(Unusable::Reason(
            "the file is not a StudyTime index".to_owned(),
        ));
    }
    let version = number("user_version")?;
    if !versions.contains(&version) {
        return Err(Unusable::Reason(format!(
            "it was written by another version of the program (format {version}, this one uses {ROWS_VERSION})"
        )));
    }
    tune(&conn)?;
    // One look at each table finds a torn file now rather than in a query.
    for table in [
        "meta", "feed", "listing", "course", "lesson", "body", "queue",
    ] {
        conn.query_row(&format!("SELECT 1 FROM {table} LIMIT 1"), [], |_| Ok(()))
            .optional()?;
    }
    Ok(conn)
}

fn tune(conn: &Connection) -> rusqlite::Result<()> {
    // The index is a cache of the log: after a power cut it may fall back to an
    // earlier transaction, never to a half one.
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "cache_size", -8192)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // 48 MiB: a page that many transactions change goes into the file once for
    // all of them.
    conn.pragma_update(None, "wal_autocheckpoint", 6_144)?;
    // Else a statement is planned again whenever a value may decide whether a
    // partial index serves.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.busy_timeout(std::time::Duration::from_secs(10))
}

/// What SQLite finds wrong with the file.
pub(crate) fn unsound(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA quick_check(20)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// A number that belongs to the index as a whole; 0 when never set.
pub(crate) fn meta(conn: &Connection, key: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = conn
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |r| r.get(0))
        .optional()?;
    Ok(value.unwrap_or(0).cast_unsigned())
}

/// Sets such a number.
pub(crate) fn set_meta(conn: &Connection, key: &str, value: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
    )?
    .execute((key, value.cast_signed()))?;
    Ok(())
}

/// A row's value as it is kept.
pub(crate) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    let failed =
        |e: Box<dyn std::error::Error + Send + Sync>| rusqlite::Error::ToSqlConversionFailure(e);
    // Most rows are as long, and need not grow on the way.
    let mut out = Vec::with_capacity(1024);
    serde_json::to_writer(&mut out, value).map_err(|e| failed(e.into()))?;
    String::from_utf8(out).map_err(|e| failed(e.into()))
}

/// A row's value; one that cannot be read counts as damage.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}

/// A number from outside (a time, a size, a count) as SQLite keeps it: beyond
/// its range, the largest.
pub(crate) fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
