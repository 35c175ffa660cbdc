//! What is done when it is due: text, counts, rest.

use super::diff::{put_columns, read_touched};
use super::{Index, Tick};
use crate::catalog::count_bytes;
use crate::store::{self, read, write};
use crate::{ApplyError, Changes};
use rusqlite::TransactionBehavior;
use std::collections::BTreeMap;
use studytime_schema::BlobId;

/// Milliseconds without a commit after which the text writer is put to rest.
const REST_AFTER_MS: u64 = 10_000;

/// The file of the columns, beside the rows.
pub(super) const SNAPSHOT: &str = "columns";
/// With fewer courses than this, reading the rows is as quick as a snapshot.
const MANY: usize = 500;

impl Index {
    /// Says that blobs arrived, grew or went (for a file in segments: its
    /// manifest). The courses that need them are counted again by the next
    /// [`tick`](Self::tick) or [`flush`](Self::flush).
    pub fn blobs_changed(&mut self, blobs: impl IntoIterator<Item = BlobId>) {
        self.blobs.extend(blobs);
    }

    /// Counts all courses' bytes again: after an unclean stop, when the store of
    /// blobs was scanned.
    ///
    /// # Errors
    /// [`ApplyError`] when rows could not be read or written.
    pub fn recount_blobs(&mut self) -> Result<Changes, ApplyError> {
        let all: Vec<i64> = read::all_stats(&self.conn)?
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        self.blobs.clear();
        self.recount(all)
    }

    fn recount(&mut self, courses: impl IntoIterator<Item = i64>) -> Result<Changes, ApplyError> {
        let mut touched = BTreeMap::new();
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for number in courses {
            let Some(old) = read::stats_of(&tx, number)? else {
                continue;
            };
            let mut stats = old;
            count_bytes(&tx, number, &mut stats, &self.maker.facts.bytes_here)?;
            if stats != old
                && let Some(feed) = store::feed_of(&tx, number)?
            {
                write::put_stats(&tx, number, &stats)?;
                touched.insert(number, feed);
            }
        }
        let columns = read_touched(&tx, &mut self.maker, &touched)?;
        let change = self.last_change + self.leap;
        for number in touched.keys() {
            write::note_changed(&tx, *number, change)?;
        }
        if !touched.is_empty() {
            store::set_meta(&tx, "change", change)?;
        }
        tx.commit()?;
        if !touched.is_empty() {
            self.last_change = change;
            self.leap = 1;
        }
        let mut changes = Changes {
            position: self.position,
            ..Changes::default()
        };
        self.shared
            .update(|all| put_columns(all, columns, &mut changes));
        Ok(changes)
    }

    fn count_blobs(&mut self) -> Result<Changes, ApplyError> {
        if self.blobs.is_empty() {
            return Ok(Changes {
                position: self.position,
                ..Changes::default()
            });
        }
        let courses = read::courses_near(&self.conn, &self.blobs)?;
        let changes = self.recount(courses)?;
        self.blobs.clear();
        Ok(changes)
    }

    /// Does what is due at `now` (milliseconds since 1970): commits the text
    /// index, at most once per [`Options::text_commit_ms`](crate::Options::text_commit_ms); counts bytes; puts
    /// an idle text writer to rest. Call it after every other call, and at
    /// [`Tick::next`].
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed; it is tried again by the next call.
    pub fn tick(&mut self, now: u64) -> Result<Tick, ApplyError> {
        let mut tick = Tick::default();
        tick.changes.position = self.position;
        if self.due.waiting || !self.blobs.is_empty() {
            let due = self.last_commit.saturating_add(self.text_commit_ms);
            // A clock that was set back must not hold things up.
            if now < due && now >= self.last_commit {
                tick.next = Some(due);
                return Ok(tick);
            }
            self.last_commit = now;
            tick.changes.merge(self.count_blobs()?);
            self.put_texts()?;
        }
        if self.due.waiting {
            // More than one batch waits: no use in resting between them.
            self.last_commit = now.saturating_sub(self.text_commit_ms);
            tick.next = Some(now);
        } else if self.text.is_awake() {
            let rest = self.last_commit.saturating_add(REST_AFTER_MS);
            if now >= rest {
                self.text.rest()?;
                self.save_columns();
            } else {
                tick.next = Some(rest);
            }
        }
        Ok(tick)
    }

    /// Makes everything taken in so far searchable and counted, now.
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed.
    pub fn flush(&mut self) -> Result<Changes, ApplyError> {
        let changes = self.count_blobs()?;
        while self.due.waiting {
            self.put_texts()?;
        }
        self.save_columns();
        Ok(changes)
    }

    /// Writes the columns to a file from which the next start reads them, when
    /// the one that is there has become too old. Without it a start takes longer,
    /// so nothing is said when it fails.
    fn save_columns(&mut self) {
        let columns = self.shared.columns();
        let places = columns.places();
        if places < MANY || (self.saved > 0 && !self.changed_much(places)) {
            return;
        }
        let Some(bytes) = self.maker.kept(&columns, self.last_change) else {
            return;
        };
        let home = self.folder.generation(self.generation);
        let temporary = home.join("columns.tmp");
        let written = std::fs::write(&temporary, bytes)
            .and_then(|()| std::fs::rename(&temporary, home.join(SNAPSHOT)));
        if written.is_ok() {
            self.saved = self.last_change;
        }
    }

    /// Whether reading what changed since the file was written would hold up the
    /// next start.
    fn changed_much(&self, courses: usize) -> bool {
        let few = courses / 100 + 50;
        let changed = read::changed_after(&self.conn, (self.saved, i64::MAX), few);
        changed.is_ok_and(|changed| changed.len() == few)
    }
}
