//! A store in one SQLite file.
//!
//! Write-ahead log, synced at every commit, 16 KiB pages. Nothing random is
//! written on the way in: a message's keys are its place in the log and its feed's
//! number with its sequence. One connection writes; up to four others read beside
//! it without waiting.

mod read;
mod schema;
mod side;
mod write;

use super::{
    AppendAllError, Appended, Counts, FeedStore, ForkEvidence, Rejected, Shunned, StoreError,
    StoredMessage,
};
use crate::clock::PeerClock;
use read::Readers;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::{FeedId, LogPosition, Message, Tip};
use write::Writer;

/// The newest format of the file known here (SQLite's `user_version`).
pub const FORMAT: u32 = 1;

/// What can go wrong inside, before it is told to a caller.
#[derive(Debug)]
enum Fault {
    Db(rusqlite::Error),
    Store(StoreError),
    Chain { index: usize, outcome: Appended },
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Db(error) => told(error),
            Fault::Store(error) => error,
            Fault::Chain { index, outcome } => {
                Self::Other(format!("message {index} of a batch: {outcome:?}").into())
            }
        }
    }
}

fn told(error: rusqlite::Error) -> StoreError {
    let cause = Box::new(error);
    match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(cause),
        Some(ErrorCode::DiskFull) => StoreError::DiskFull(cause),
        Some(ErrorCode::NotADatabase) => StoreError::NotAStore,
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(cause.to_string()),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::Permission(cause)
        }
        Some(ErrorCode::SystemIoFailure) => StoreError::Io(cause),
        _ => StoreError::Other(cause),
    }
}

/// Keeps feeds in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    // Dropped before the writer: the last one to close the file empties the
    // write-ahead log into it, which a reader may not.
    readers: Readers,
    writer: Mutex<Writer>,
}

impl SqliteStore {
    /// Opens the file, or creates it. Only one process may do so at a time; the
    /// caller sees to that (a lock on the data directory).
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a file of a newer version, [`StoreError::NotAStore`]
    /// for another file, and whatever opening a file may meet.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::with(path.as_ref(), true)
    }

    /// Opens the file of a store that was there before. A feed that is begun anew
    /// because its store was lost would fork, so nothing is made here.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`StoreError::Gone`] when the file is missing
    /// or has no tables.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::with(path.as_ref(), false)
    }

    fn with(path: &Path, create: bool) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let db = schema::open(&path, create)?;
        Ok(Self {
            readers: Readers::new(&path),
            writer: Mutex::new(Writer::new(db)),
            path,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a whole, compact copy into a new file, while the store is in use.
    ///
    /// # Errors
    /// [`StoreError`], also when the file exists.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let to = to.as_ref();
        let Some(text) = to.to_str() else {
            return Err(StoreError::Other(
                "the path of the backup is not valid Unicode".into(),
            ));
        };
        if to.exists() {
            return Err(StoreError::Other(format!("{text} exists already").into()));
        }
        self.writer().backup(text)?;
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A transaction that was cut short by a panic is rolled back on its drop.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedStore for SqliteStore {
    fn append(&self, batch: &[Arc<Message>], received: u64) -> Result<Vec<Appended>, StoreError> {
        Ok(self.writer().append(batch, received)?)
    }

    fn append_all(
        &self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<LogPosition>, AppendAllError> {
        match self.writer().append_all(batch, received) {
            Ok(positions) => Ok(positions),
            Err(Fault::Chain { index, outcome }) => Err(AppendAllError::Chain { index, outcome }),
            Err(fault) => Err(AppendAllError::Store(fault.into())),
        }
    }

    fn tip(&self, feed: &FeedId) -> Result<Option<Tip>, StoreError> {
        Ok(self.readers.with(|db| read::tip(db, feed))?)
    }

    fn tips(&self) -> Result<Vec<(FeedId, Tip)>, StoreError> {
        Ok(self.readers.with(read::tips)?)
    }

    fn get(&self, feed: &FeedId, sequence: u64) -> Result<Option<StoredMessage>, StoreError> {
        let found = self
            .readers
            .with(|db| read::range(db, feed, sequence, 1, usize::MAX))?;
        Ok(found.into_iter().next().filter(|m| m.sequence == sequence))
    }

    fn read(
        &self,
        feed: &FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(self
            .readers
            .with(|db| read::range(db, feed, from, max_count, max_bytes))?)
    }

    fn scan(&self, after: LogPosition, limit: usize) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(self.readers.with(|db| read::scan(db, after, limit))?)
    }

    fn last_position(&self) -> Result<LogPosition, StoreError> {
        Ok(self.readers.with(read::last_position)?)
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.readers.with(|db| read::counts(db, None))?)
    }

    fn feed_counts(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        Ok(self.readers.with(|db| read::counts(db, Some(feed)))?)
    }

    fn sizes(&self) -> Result<Vec<(FeedId, Counts)>, StoreError> {
        Ok(self.readers.with(read::sizes)?)
    }

    fn delete(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        Ok(self.writer().delete(feed)?)
    }

    fn clock(&self, peer: &FeedId) -> Result<PeerClock, StoreError> {
        Ok(self.readers.with(|db| side::clock(db, peer))?)
    }

    fn save_clock(&self, peer: &FeedId, changes: &PeerClock) -> Result<(), StoreError> {
        Ok(self.writer().save_clock(peer, changes)?)
    }

    fn forget_clocks(&self) -> Result<(), StoreError> {
        Ok(self.writer().forget_clocks()?)
    }

    fn forget_heard(&self, feed: &FeedId) -> Result<(), StoreError> {
        Ok(self.writer().forget_heard(feed)?)
    }

    fn forks(&self) -> Result<Vec<ForkEvidence>, StoreError> {
        Ok(self.readers.with(side::forks)?)
    }

    fn reject(&self, rejected: &[Rejected]) -> Result<(), StoreError> {
        Ok(self.writer().reject(rejected)?)
    }

    fn rejected(&self) -> Result<Vec<Rejected>, StoreError> {
        Ok(self.readers.with(side::rejected)?)
    }

    fn shun(&self, shunned: &Shunned) -> Result<(), StoreError> {
        Ok(self.writer().shun(shunned)?)
    }

    fn shunned(&self) -> Result<Vec<Shunned>, StoreError> {
        Ok(self.readers.with(side::shunned)?)
    }

    fn forgive(&self, feed: &FeedId) -> Result<(), StoreError> {
        Ok(self.writer().forgive(feed)?)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut problems = self.readers.with(read::quick_check)?;
        problems.extend(super::check_chains(self)?);
        Ok(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{chain, keys};
    use super::*;
    use rusqlite::Connection;

    /// What a power cut may take is decided by these: nothing that was answered.
    #[test]
    fn every_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.db");
        for store in [SqliteStore::open(&path), SqliteStore::open_existing(&path)] {
            let store = store.unwrap();
            store.append(&chain(&keys(1), None, 1, "a"), 1).unwrap();
            let db = &store.writer().db;
            let text = |pragma| db.pragma_query_value(None, pragma, |r| r.get::<_, String>(0));
            let number = |pragma| db.pragma_query_value(None, pragma, |r| r.get::<_, i64>(0));
            assert_eq!(text("journal_mode").unwrap(), "wal");
            assert_eq!(number("synchronous").unwrap(), 2, "FULL");
        }
        // And nothing else can write.
        let reader = schema::open_reader(&path).unwrap();
        let written = reader.execute("UPDATE counter SET position = 9", []);
        assert!(written.is_err());
    }

    /// So that the one file is all of it, for those who copy files.
    #[test]
    fn a_proper_end_leaves_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("feeds.db")).unwrap();
        store.append(&chain(&keys(1), None, 3, "a"), 1).unwrap();
        assert_eq!(store.counts().unwrap().messages, 3);
        drop(store);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_store_that_is_gone_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.db");
        let gone = || matches!(SqliteStore::open_existing(&path), Err(StoreError::Gone));
        assert!(gone());
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(gone());
        std::fs::remove_file(&path).unwrap();
        drop(Connection::open(&path).map(|db| db.pragma_update(None, "journal_mode", "WAL")));
        assert!(gone());
        std::fs::remove_file(&path).unwrap();
        drop(SqliteStore::open(&path).unwrap());
        SqliteStore::open_existing(&path).unwrap();
    }

    /// A full disk costs the batch, is told as such, and is survived.
    #[test]
    fn a_full_disk_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("feeds.db")).unwrap();
        let messages = chain(&keys(1), None, 300, "some text");
        store.append(&messages[..10], 1).unwrap();
        let pages: i64 = {
            let db = &store.writer().db;
            let pages = db
                .query_row("PRAGMA page_count", [], |row| row.get(0))
                .unwrap();
            db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .unwrap();
            pages
        };
        assert!(matches!(
            store.append(&messages[10..], 1),
            Err(StoreError::DiskFull(_))
        ));
        assert!(matches!(
            store.append_all(&messages[10..], 1),
            Err(AppendAllError::Store(StoreError::DiskFull(_)))
        ));
        assert_eq!(store.tip(&keys(1).id()).unwrap(), Some(messages[9].tip()));
        assert_eq!(store.check().unwrap(), Vec::<String>::new());

        let more = format!("PRAGMA max_page_count = {}", pages * 100);
        store.writer().db.query_row(&more, [], |_| Ok(())).unwrap();
        store.append(&messages[10..], 1).unwrap();
        assert_eq!(store.counts().unwrap().messages, 300);
    }
}
