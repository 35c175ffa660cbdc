//! Taking things in: one transaction a call, then the columns.

use super::Index;
use super::diff::{missing_texts, note_missing, put_columns, read_touched};
use crate::catalog::{Batch, Documents};
use crate::store;
use crate::{ApplyError, Changes};
use rusqlite::TransactionBehavior;
use std::sync::Arc;
use studytime_schema::{BlobId, Entry, LogPosition};

impl Index {
    /// Takes in entries, in the order of their positions; those at or before
    /// [`position`](Self::position) are skipped. Rows can be queried when this
    /// returns, texts after the next [`tick`](Self::tick). A thousand entries a
    /// call is a good measure for a log; one is right for an own message.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<Changes, ApplyError> {
        self.apply_to(entries, LogPosition(0))
    }

    /// [`apply`](Self::apply), and takes everything up to `reached` as taken in:
    /// what is not among the entries there bears on nothing (see
    /// [`may_bear`](crate::may_bear)).
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply_to(
        &mut self,
        entries: &[Entry],
        reached: LogPosition,
    ) -> Result<Changes, ApplyError> {
        let mut position = self.position;
        self.change(|batch| {
            for entry in entries {
                if entry.position > position {
                    batch.take(entry)?;
                    position = entry.position;
                }
            }
            Ok(position.max(reached))
        })
    }

    /// Takes in the verified texts of blobs; see [`Changes::text_blobs`] for
    /// which. Texts nobody asked for are kept too.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply_text(&mut self, texts: &[(BlobId, Arc<str>)]) -> Result<Changes, ApplyError> {
        let start = self.position;
        self.change(|batch| {
            for (blob, text) in texts {
                batch.text(blob, text)?;
            }
            Ok(start)
        })
    }

    /// Runs one transaction, then brings the columns up to it.
    fn change(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<LogPosition>,
    ) -> Result<Changes, ApplyError> {
        self.make_room()?;
        match self.try_change(work) {
            Ok(changes) => Ok(changes),
            Err(error) => {
                // Numbers and bodies may hold what the transaction did not keep.
                self.numbers.forget();
                self.bodies.forget();
                Err(error.into())
            }
        }
    }

    fn try_change(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<LogPosition>,
    ) -> rusqlite::Result<Changes> {
        let stamp = self.stamp + 1;
        let at_once = self.takes_documents();
        let facts = self.maker.facts.clone();
        let before = self.maker.learner.clone();
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(
            &tx,
            &mut self.numbers,
            &mut self.bodies,
            &facts,
            &before,
            stamp,
        );
        batch.documents = at_once.then(Documents::default);
        let position = work(&mut batch)?;
        batch.finish()?;
        let Batch {
            mut changes,
            touched,
            learned,
            queued,
            documents,
            ..
        } = batch;
        let documents = match documents {
            Some(documents) => documents.finish(&tx)?,
            None => None,
        };
        store::set_meta(&tx, "position", position.0)?;
        if queued {
            store::set_meta(&tx, "stamp", stamp)?;
        }
        let change = self.last_change + self.leap;
        for number in touched.keys() {
            store::write::note_changed(&tx, *number, change)?;
        }
        store::set_meta(&tx, "change", change)?;
        // Everything that can fail comes before the commit: after it, the
        // columns must follow.
        let missing = missing_texts(&tx, touched.keys().copied())?;
        if let Some(learned) = learned {
            self.maker.learner = Arc::new(learned);
        }
        let made = read_touched(&tx, &mut self.maker, &touched)
            .and_then(|columns| tx.commit().map(|()| columns));
        let columns = match made {
            Ok(columns) => columns,
            Err(error) => {
                self.maker.learner = before;
                return Err(error);
            }
        };
        self.position = position;
        self.last_change = change;
        self.leap = 1;
        changes.position = position;
        if queued {
            self.stamp = stamp;
            self.due.waiting = true;
            if let Some(documents) = documents {
                self.hand_over(&documents);
            }
        }
        let learner = self.maker.learner.clone();
        self.shared.update(|all| {
            all.position = position;
            all.learner = learner;
            put_columns(all, columns, &mut changes);
            note_missing(all, &missing, &mut changes);
        });
        self.bodies.trim();
        Ok(changes)
    }
}
