//! The writing side.

mod change;
mod diff;
mod facts;
mod open;
mod texts;
mod upkeep;

pub(crate) use diff::counts;

use crate::catalog::Bodies;
use crate::maker::Maker;
use crate::reader::Shared;
use crate::store::{FeedNumbers, Folder};
use crate::text::TextIndex;
use crate::{Changes, Facts, Reader};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use studytime_schema::content::ProgressEntry;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{BlobId, LogPosition};
use texts::Due;

/// How an index is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The facts to begin with; none by default.
    pub facts: Facts,
    /// The table of subjects; the one of `studytime-schema` by default.
    pub subjects: Option<Arc<SubjectTable>>,
    /// Milliseconds between two commits of the text index; 250 by default.
    pub text_commit_ms: u64,
    /// Bytes the text writer may gather before it writes; 50 MB by default,
    /// which it needs only while very much comes in; 15 MB at least.
    pub text_budget: usize,
    /// Read connections kept open; 4 by default, 1 at least.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            subjects: None,
            text_commit_ms: 250,
            text_budget: 50_000_000,
            readers: 4,
        }
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

/// The writing side: takes in entries of the log, in order. There is one; it
/// belongs to one thread at a time. Queries go to its [`Reader`]s.
///
/// Methods come in three kinds: what happened (`apply`, `apply_text`,
/// `set_facts`, `set_local_progress`, `blobs_changed`), time (`tick`, `flush`),
/// and getters. All of them block on the disk; none looks at a clock.
#[derive(Debug)]
pub struct Index {
    folder: Folder,
    generation: u64,
    /// Whether the generation is the one that `open` finds.
    in_use: bool,
    conn: Connection,
    text: TextIndex,
    shared: Arc<Shared>,
    maker: Maker,
    /// Progress that is laid over what is stored.
    local: Vec<(ProgressEntry, u64)>,
    numbers: FeedNumbers,
    bodies: Bodies,
    position: LogPosition,
    stamp: u64,
    /// Counts transactions, for cursors.
    last_change: u64,
    /// How much the next one counts: the first of a run very much, so that no
    /// number comes twice when a power cut took the last transactions away.
    leap: u64,
    /// Of which of them the columns are in a file.
    saved: u64,
    /// What the text index has not got yet.
    due: Due,
    blobs: BTreeSet<BlobId>,
    text_commit_ms: u64,
    last_commit: u64,
}

impl Index {
    /// The log position that is taken in: feed what comes after it.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The querying side; clones share everything.
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }
}
