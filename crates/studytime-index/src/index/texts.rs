//! Bringing the text index up to the rows.
//!
//! A row that changed waits in the queue until a commit of the text index holds
//! its document. Usually the document is made with the row and handed over to the
//! writer at once, which splits it into words while more rows are written. After a
//! start, after trouble, and when one call brings very long texts, documents are
//! made from the rows that wait.

use super::Index;
use crate::ApplyError;
use crate::catalog::Made;
use crate::store::{self, write};
use crate::text::Doc;
use rusqlite::TransactionBehavior;
use std::collections::HashSet;

/// Documents made from waiting rows between two commits, at most: some tenths of
/// a second.
const DOCS_PER_COMMIT: usize = 4_000;
/// The same once more wait than that: what comes new waits for them anyway, and
/// each commit less is a merge less.
const DOCS_WHEN_BEHIND: usize = 16_000;
/// Bytes of documents between two commits, at most, but for one document: they
/// wait in memory when the writer is slower than who feeds it.
const BYTES_PER_COMMIT: usize = 48 * 1024 * 1024;

/// What is due to the text index.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Whether something is to be committed.
    pub(super) waiting: bool,
    /// Whether more rows wait than one commit takes.
    behind: bool,
    /// Whether waiting rows may be called fresh that the text index has: it was
    /// committed, and then the rows were not. Until none waits any more.
    doubtful: bool,
    /// Rows of changes up to this stamp have their documents in the text index, or
    /// with its writer.
    handed: u64,
    /// The documents with the writer.
    with_writer: HashSet<u64>,
    /// The bytes of those.
    bytes: usize,
}

impl Due {
    /// What is due when an index is opened; `waiting`: rows wait in the queue.
    pub(super) fn new(waiting: bool, stamp: u64) -> Self {
        Self {
            waiting,
            handed: if waiting { 0 } else { stamp },
            ..Self::default()
        }
    }
}

impl Index {
    /// Whether documents are wanted as their rows are written: a writer is at
    /// work, and nothing older waits that must go first.
    pub(super) fn takes_documents(&self) -> bool {
        self.text.is_awake() && self.due.handed == self.stamp && !self.due.doubtful
    }

    /// Commits when the writer has as much as it may have.
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed.
    pub(super) fn make_room(&mut self) -> Result<(), ApplyError> {
        match self.due.bytes >= BYTES_PER_COMMIT {
            true => self.put_texts(),
            false => Ok(()),
        }
    }

    /// Hands the documents of the last change over to the writer. Where that
    /// fails, their rows wait in the queue.
    pub(super) fn hand_over(&mut self, made: &[Made]) {
        for made in made {
            let new = self.due.with_writer.insert(made.doc);
            self.due.bytes += made.now.as_ref().map_or(0, Doc::bytes);
            let done = match &made.now {
                Some(doc) => self.text.put(doc, made.fresh && new),
                None if made.fresh && new => Ok(()),
                None => self.text.remove(made.doc),
            };
            if done.is_err() {
                return self.take_back();
            }
        }
        self.due.handed = self.stamp;
    }

    /// Forgets what the writer holds: it is made from the waiting rows again.
    fn take_back(&mut self) {
        self.text.roll_back();
        self.due.with_writer.clear();
        self.due.bytes = 0;
        self.due.handed = 0;
    }

    /// Puts what waits into the text index, or as much of it as one commit takes,
    /// and commits.
    pub(super) fn put_texts(&mut self) -> Result<(), ApplyError> {
        let done = self.try_put_texts();
        if done.is_err() {
            self.take_back();
        }
        done
    }

    fn try_put_texts(&mut self) -> Result<(), ApplyError> {
        let most = match self.due.behind {
            true => DOCS_WHEN_BEHIND,
            false => DOCS_PER_COMMIT,
        };
        // One transaction: each query alone would take and give back its locks.
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut queued = write::queued(&tx, self.due.handed, self.stamp, most)?;
        let mut whole = queued.len() < most;
        if queued.is_empty() && self.due.with_writer.is_empty() {
            self.due = Due::new(false, self.stamp);
            return Ok(());
        }
        let mut bytes = self.due.bytes;
        let mut taken = 0;
        for row in &queued {
            if bytes >= BYTES_PER_COMMIT {
                whole = false;
                break;
            }
            taken += 1;
            let known = self.due.doubtful || self.due.with_writer.contains(&row.doc);
            let fresh = row.fresh && !known;
            match write::make_doc(&tx, row.doc)? {
                Some(made) => {
                    bytes += made.bytes();
                    self.text.put(&made, fresh)?;
                }
                None if fresh => {}
                None => self.text.remove(row.doc)?,
            }
        }
        queued.truncate(taken);
        // A full batch may end within a stamp: then only those before it are
        // all in.
        let reached = match queued.last() {
            _ if whole => self.stamp,
            Some(last) => last.stamp.saturating_sub(1),
            None => self.due.handed,
        };
        let reached = reached.max(self.text.stamp().unwrap_or(0));
        let doubtful = std::mem::replace(&mut self.due.doubtful, true);
        self.text.commit(reached)?;
        if whole {
            write::forget_queue_upto(&tx, self.stamp)?;
        } else {
            write::forget_queue_upto(&tx, self.due.handed)?;
            write::forget_queue(&tx, &queued)?;
        }
        store::set_meta(&tx, "texted", reached)?;
        tx.commit()?;
        self.due.doubtful = doubtful && !whole;
        self.due.waiting = !whole;
        self.due.behind = !whole;
        self.due.with_writer.clear();
        self.due.bytes = 0;
        if whole {
            self.due.handed = self.stamp;
        }
        Ok(())
    }
}
