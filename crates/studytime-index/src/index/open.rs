//! Opening, rebuilding, swapping in.

use super::texts::Due;
use super::upkeep::SNAPSHOT;
use super::{Index, Options};
use crate::catalog::Bodies;
use crate::error::{is_damage, is_text_damage};
use crate::maker::Maker;
use crate::reader::Shared;
use crate::store::{self, FeedNumbers, Folder, Pool, Unusable, read, write};
use crate::text::TextIndex;
use crate::{ApplyError, OpenError, Reader};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use studytime_schema::fold::LearnerState;
use studytime_schema::{FeedId, LogPosition};

impl Index {
    /// Opens the index in `dir`, or begins an empty one where there is none.
    /// The text index is caught up with the rows by the first
    /// [`tick`](Self::tick).
    ///
    /// # Errors
    /// [`OpenError::Rebuild`] when what is there is damaged or of another
    /// version: call [`rebuild`](Self::rebuild). The other errors say that the
    /// folder cannot be used now.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let failed = |source| OpenError::Folder {
            path: dir.to_owned(),
            source,
        };
        let rebuild = |reason| OpenError::Rebuild {
            dir: dir.to_owned(),
            reason,
        };
        let folder = Folder::open(dir).map_err(failed)?;
        let Some(current) = folder.current().map_err(failed)? else {
            let mut index = Self::begin(dir, folder, options)?;
            index.folder.point_to(index.generation).map_err(failed)?;
            index.in_use = true;
            index.folder.keep_only(index.generation);
            return Ok(index);
        };
        let generation = current.map_err(rebuild)?;
        folder.keep_only(generation);
        let path = folder.generation(generation).join("index.db");
        if !path.exists() {
            return Err(rebuild("its rows are missing".to_owned()));
        }
        let conn = store::open(&path).map_err(|e| match e {
            Unusable::Reason(reason) => rebuild(reason),
            Unusable::Sql(e) => rows_error(dir, e),
        })?;
        let mut index = Self::with(dir, folder, generation, conn, options)?;
        index.in_use = true;
        Ok(index)
    }

    /// Begins a new, empty generation beside what is in `dir`; apply the log
    /// from its start, then [`swap_in`](Self::swap_in). Until then a crash
    /// leaves what was there. Readers of an older generation go on with it.
    ///
    /// # Errors
    /// [`OpenError`] when the folder cannot be used.
    pub fn rebuild(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let folder = Folder::open(dir).map_err(|source| OpenError::Folder {
            path: dir.to_owned(),
            source,
        })?;
        // What earlier rebuilds left that were cut off; the one that is named may
        // still be read.
        let current = folder.current().ok().flatten().and_then(Result::ok);
        folder.keep_only(current);
        Self::begin(dir, folder, options)
    }

    /// Answers from an index that [`open`](Self::open) called outdated, while a
    /// new one is built beside it: `None` where nothing can be read of it. Ask
    /// before [`rebuild`](Self::rebuild), and drop the reader after
    /// [`swap_in`](Self::swap_in).
    pub fn outdated(dir: impl AsRef<Path>, options: Options) -> Option<Reader> {
        let dir = dir.as_ref();
        let folder = Folder::open(dir).ok()?;
        let generation = folder.current().ok()??.ok()?;
        let path = folder.generation(generation).join("index.db");
        let conn = store::open_outdated(&path).ok()?;
        let index = Self::with(dir, folder, generation, conn, options).ok()?;
        Some(index.reader())
    }

    fn begin(dir: &Path, folder: Folder, options: Options) -> Result<Self, OpenError> {
        let generation = folder.begin().map_err(|source| OpenError::Folder {
            path: dir.to_owned(),
            source,
        })?;
        let path = folder.generation(generation).join("index.db");
        let conn = store::create(&path).map_err(OpenError::Rows)?;
        Self::with(dir, folder, generation, conn, options)
    }

    fn with(
        dir: &Path,
        folder: Folder,
        generation: u64,
        mut conn: Connection,
        options: Options,
    ) -> Result<Self, OpenError> {
        let sql = |e| rows_error(dir, e);
        let home = folder.generation(generation);
        let text_error = |e: tantivy::TantivyError| {
            if is_text_damage(&e) {
                OpenError::Rebuild {
                    dir: dir.to_owned(),
                    reason: e.to_string(),
                }
            } else {
                OpenError::Text(Box::new(e))
            }
        };
        let texts = home.join("text");
        let mut text =
            TextIndex::open(&texts, generation, options.text_budget).map_err(text_error)?;
        let position = LogPosition(store::meta(&conn, "position").map_err(sql)?);
        let mut stamp = store::meta(&conn, "stamp").map_err(sql)?;
        let last_change = store::meta(&conn, "change").map_err(sql)?;
        let handed_over = store::meta(&conn, "texted").map_err(sql)?;
        // Where the rows fell back behind the text (a power cut), the text has
        // documents of rows that are no more.
        if text.stamp().is_some_and(|reached| reached > stamp) {
            text = TextIndex::anew(&texts, generation, options.text_budget).map_err(text_error)?;
        }
        match text.stamp() {
            // The last rows handed over may not have been noted; and of the
            // stamp after the one reached, the text may have a part.
            Some(reached) if reached >= handed_over => {
                write::doubt_freshness(&conn, reached.saturating_add(1)).map_err(sql)?;
            }
            // The text is new, of another version, or fell back: all of it is made
            // again, and what it has answers until then.
            _ => {
                stamp += 1;
                write::queue_all(&conn, stamp, text.is_empty()).map_err(sql)?;
            }
        }
        store::set_meta(&conn, "stamp", stamp).map_err(sql)?;
        let mut maker = Maker::new(options.facts, options.subjects);
        maker.learner = Arc::new(learner(&conn, &maker.facts.own).map_err(sql)?);
        let mut numbers = FeedNumbers::default();
        number_wanted(&mut conn, &mut numbers, &maker).map_err(sql)?;
        let file = std::fs::read(home.join(SNAPSHOT)).unwrap_or_default();
        let kept = maker.read_kept(&conn, file, last_change).map_err(sql)?;
        let (mut columns, saved) = match kept {
            Some(kept) => kept,
            None => {
                // It never fits again; where there is none, all is well.
                let _ = std::fs::remove_file(home.join(SNAPSHOT));
                (maker.read_all(&conn).map_err(sql)?, 0)
            }
        };
        columns.position = position;
        let waiting = !write::queued(&conn, 0, stamp, 1).map_err(sql)?.is_empty();
        let pool = Pool::new(home.join("index.db"), options.readers);
        Ok(Self {
            folder,
            generation,
            in_use: false,
            shared: Arc::new(Shared::new(generation, columns, pool, text.reader())),
            conn,
            text,
            maker,
            local: Vec::new(),
            numbers,
            bodies: Bodies::default(),
            position,
            stamp,
            last_change,
            leap: 1 << 20,
            saved,
            due: Due::new(waiting, stamp),
            blobs: BTreeSet::new(),
            text_commit_ms: options.text_commit_ms,
            last_commit: 0,
        })
    }

    /// Says that this index was found to be damaged: whoever opens it again is
    /// asked to [`rebuild`](Self::rebuild) it.
    ///
    /// # Errors
    /// [`ApplyError`] when that could not be noted.
    pub fn condemn(&mut self) -> Result<(), ApplyError> {
        if self.in_use {
            self.folder.condemn().map_err(|source| ApplyError::Swap {
                path: self.folder.generation(self.generation),
                source,
            })?;
        }
        Ok(())
    }

    /// Makes a rebuilt index the one that [`open`](Self::open) finds, and
    /// removes older generations. Does nothing on an index that is in use.
    ///
    /// # Errors
    /// [`ApplyError`] when it could not be completed; what was there stays.
    pub fn swap_in(&mut self) -> Result<(), ApplyError> {
        if self.in_use {
            return Ok(());
        }
        self.flush()?;
        self.folder
            .point_to(self.generation)
            .map_err(|source| ApplyError::Swap {
                path: self.folder.generation(self.generation),
                source,
            })?;
        self.in_use = true;
        self.folder.keep_only(self.generation);
        Ok(())
    }
}

fn rows_error(dir: &Path, error: rusqlite::Error) -> OpenError {
    if is_damage(&error) {
        OpenError::Rebuild {
            dir: dir.to_owned(),
            reason: error.to_string(),
        }
    } else {
        OpenError::Rows(error)
    }
}

/// What the user's own feeds say about their learning.
pub(super) fn learner(conn: &Connection, own: &[FeedId]) -> rusqlite::Result<LearnerState> {
    let mut state = LearnerState::new();
    for feed in own {
        if let Some(number) = store::number_of(conn, feed)? {
            read::learned(conn, number, *feed, |input| {
                state.apply(input);
            })?;
        }
    }
    Ok(state)
}

/// Gives numbers to the courses that are shown whatever the lists say: one that
/// is opened by a link needs it before any message of it is here.
pub(super) fn number_wanted(
    conn: &mut Connection,
    numbers: &mut FeedNumbers,
    maker: &Maker,
) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for feed in maker.wanted() {
        numbers.number(&tx, &feed)?;
    }
    tx.commit()
}
