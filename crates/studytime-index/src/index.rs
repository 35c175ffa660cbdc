use crate::{ApplyError, Changes, Facts, OpenError, Reader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use studytime_schema::{BlobId, Entry, FeedId, LogPosition};

/// How an index is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The facts to begin with; none by default.
    pub facts: Facts,
    /// Milliseconds between two commits of the text index; 250 by default.
    pub text_commit_ms: u64,
    /// Bytes the text writer may gather before it writes; 20 MB by default, 15 MB at least.
    pub text_budget: usize,
    /// Read connections kept open; 4 by default, 1 at least.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            text_commit_ms: 250,
            text_budget: 20_000_000,
            readers: 4,
        }
    }
}

/// The writing side: takes in entries of the log, in order.
#[derive(Debug)]
pub struct Index {
    dir: PathBuf,
    reader: Reader,
}

impl Index {
    /// Opens the index in `dir`, or begins an empty one.
    ///
    /// # Errors
    /// [`OpenError::Rebuild`] when what is there is damaged or of another version.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let _ = options;
        Ok(Self {
            dir: dir.as_ref().to_owned(),
            reader: Reader::default(),
        })
    }

    /// Begins a new, empty generation beside what is in `dir`.
    ///
    /// # Errors
    /// [`OpenError::Folder`] when the folder cannot be written.
    pub fn rebuild(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open(dir, options)
    }

    /// Makes a rebuilt index the one that [`open`](Self::open) finds.
    ///
    /// # Errors
    /// [`ApplyError`] when it could not be completed; what was there stays.
    pub fn swap_in(&mut self) -> Result<(), ApplyError> {
        let _ = &self.dir;
        Ok(())
    }

    /// The log position that is taken in.
    pub fn position(&self) -> LogPosition {
        LogPosition(0)
    }

    /// The querying side; clones share everything.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Takes in entries.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<Changes, ApplyError> {
        let _ = entries;
        Ok(Changes::default())
    }

    /// Takes in the texts of blobs.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply_text(&mut self, texts: &[(BlobId, Arc<str>)]) -> Result<Changes, ApplyError> {
        let _ = texts;
        Ok(Changes::default())
    }

    /// Replaces the facts.
    ///
    /// # Errors
    /// [`ApplyError`] when rows could not be read.
    pub fn set_facts(&mut self, facts: Facts) -> Result<Changes, ApplyError> {
        let _ = facts;
        Ok(Changes::default())
    }

    /// Says that blobs arrived or went; the courses that need them are counted
    /// again at the next [`tick`](Self::tick) or [`flush`](Self::flush).
    pub fn blobs_changed(&mut self, blobs: &[BlobId]) {
        let _ = blobs;
    }

    /// Does what is due.
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed.
    pub fn tick(&mut self, now: u64) -> Result<Tick, ApplyError> {
        let _ = now;
        Ok(Tick::default())
    }

    /// Makes everything taken in so far searchable, now.
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed.
    pub fn flush(&mut self) -> Result<Changes, ApplyError> {
        Ok(Changes::default())
    }

    /// The courses that need any of these blobs.
    ///
    /// # Errors
    /// [`ApplyError`] when rows could not be read.
    pub fn courses_needing(&self, blobs: &[BlobId]) -> Result<Vec<FeedId>, ApplyError> {
        let _ = blobs;
        Ok(Vec::new())
    }
}

/// What [`Index::tick`] did, and when it wants to be called again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tick {
    /// What changed.
    pub changes: Changes,
    /// Milliseconds since 1970 of the next due call; `None` when nothing waits.
    pub next: Option<u64>,
}
