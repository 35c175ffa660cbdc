use crate::catalog::{Batch, Bodies, count_bytes};
use crate::columns::{Columns, CourseColumn};
use crate::error::{is_damage, is_text_damage};
use crate::maker::Maker;
use crate::model::TextBlob;
use crate::reader::Shared;
use crate::store::{self, FeedNumbers, Folder, Pool, Row, Unusable, read, write};
use crate::text::TextIndex;
use crate::text::search::ABOUT;
use crate::{ApplyError, Changes, Facts, OpenError, Reader};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use studytime_schema::content::ProgressEntry;
use studytime_schema::fold::LearnerState;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{BlobId, Entry, FeedId, LogPosition};

/// Documents put into the text index between two commits, at most.
const DOCS_PER_COMMIT: usize = 4_000;
/// Milliseconds without a commit after which the text writer is put to rest.
const REST_AFTER_MS: u64 = 10_000;

/// How an index is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The facts to begin with; none by default.
    pub facts: Facts,
    /// The table of subjects; the one of `studytime-schema` by default.
    pub subjects: Option<Arc<SubjectTable>>,
    /// Milliseconds between two commits of the text index; 250 by default.
    pub text_commit_ms: u64,
    /// Bytes the text writer may gather before it writes; 20 MB by default,
    /// 15 MB at least.
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
            text_budget: 20_000_000,
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
    numbers: FeedNumbers,
    bodies: Bodies,
    position: LogPosition,
    stamp: u64,
    /// Whether rows wait for the text index.
    waiting: bool,
    blobs: BTreeSet<BlobId>,
    text_commit_ms: u64,
    last_commit: u64,
}

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
        Self::begin(dir, folder, options)
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
        conn: Connection,
        options: Options,
    ) -> Result<Self, OpenError> {
        let sql = |e| rows_error(dir, e);
        let home = folder.generation(generation);
        let text =
            TextIndex::open(&home.join("text"), generation, options.text_budget).map_err(|e| {
                if is_text_damage(&e) {
                    OpenError::Rebuild {
                        dir: dir.to_owned(),
                        reason: e.to_string(),
                    }
                } else {
                    OpenError::Text(Box::new(e))
                }
            })?;
        let position = LogPosition(store::meta(&conn, "position").map_err(sql)?);
        let mut stamp = store::meta(&conn, "stamp").map_err(sql)?;
        let handed_over = store::meta(&conn, "texted").map_err(sql)?;
        match text.stamp() {
            // Where the rows fell back behind the text (a power cut), what they
            // take in again must count as newer than what the text has.
            Some(reached) if reached >= handed_over => stamp = stamp.max(reached),
            // The text is new, or fell back: all of it is made again.
            _ => {
                stamp += 1;
                write::queue_all(&conn, stamp).map_err(sql)?;
            }
        }
        store::set_meta(&conn, "stamp", stamp).map_err(sql)?;
        let mut maker = Maker::new(options.facts, options.subjects);
        maker.learner = Arc::new(learner(&conn, &maker.facts.own).map_err(sql)?);
        let mut columns = maker.read_all(&conn).map_err(sql)?;
        columns.position = position;
        let waiting = !write::queued(&conn, stamp, 1).map_err(sql)?.is_empty();
        let pool = Pool::new(home.join("index.db"), options.readers);
        Ok(Self {
            folder,
            generation,
            in_use: false,
            shared: Arc::new(Shared::new(columns, pool, text.reader())),
            conn,
            text,
            maker,
            numbers: FeedNumbers::default(),
            bodies: Bodies::default(),
            position,
            stamp,
            waiting,
            blobs: BTreeSet::new(),
            text_commit_ms: options.text_commit_ms,
            last_commit: 0,
        })
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

    /// The log position that is taken in: feed what comes after it.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The querying side; clones share everything.
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }

    /// Takes in entries, in the order of their positions; those at or before
    /// [`position`](Self::position) are skipped. Rows can be queried when this
    /// returns, texts after the next [`tick`](Self::tick). A thousand entries a
    /// call is a good measure for a log; one is right for an own message.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing of this call was kept then.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<Changes, ApplyError> {
        let start = self.position;
        self.change(|batch| {
            let mut reached = start;
            for entry in entries {
                if entry.position > reached {
                    batch.take(entry)?;
                    reached = entry.position;
                }
            }
            Ok(reached)
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
        let position = work(&mut batch)?;
        batch.finish()?;
        let (mut changes, touched, learned, queued) =
            (batch.changes, batch.touched, batch.learned, batch.queued);
        store::set_meta(&tx, "position", position.0)?;
        if queued {
            store::set_meta(&tx, "stamp", stamp)?;
        }
        if let Some(learned) = learned {
            self.maker.learner = Arc::new(learned);
        }
        let columns = match read_touched(&tx, &mut self.maker, &touched) {
            Ok(columns) => columns,
            Err(error) => {
                self.maker.learner = before;
                return Err(error);
            }
        };
        if let Err(error) = tx.commit() {
            self.maker.learner = before;
            return Err(error);
        }
        self.position = position;
        changes.position = position;
        if queued {
            self.stamp = stamp;
            self.waiting = true;
        }
        let learner = self.maker.learner.clone();
        self.shared.update(|all| {
            all.position = position;
            all.learner = learner;
            put_columns(all, columns, &mut changes);
        });
        self.bodies.trim();
        self.missing_texts(touched.keys().copied(), &mut changes)?;
        Ok(changes)
    }

    /// Adds the blobs whose text the shown among these courses are missing.
    fn missing_texts(
        &self,
        courses: impl Iterator<Item = i64>,
        changes: &mut Changes,
    ) -> rusqlite::Result<()> {
        let columns = self.shared.columns();
        for number in courses {
            if let Some(course) = columns.by_number(number).and_then(|at| columns.get(at)) {
                read::docs_missing_text(&self.conn, Some(number), |row, _, blob| {
                    if counts(&columns, row) {
                        changes.text_blobs.insert(TextBlob {
                            blob,
                            course: course.feed,
                        });
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Replaces the facts. Only rows are read: a new order of lists costs no
    /// new text.
    ///
    /// # Errors
    /// [`ApplyError`]; the old facts stay then.
    pub fn set_facts(&mut self, facts: Facts) -> Result<Changes, ApplyError> {
        let learner = if facts.own == self.maker.facts.own {
            self.maker.learner.clone()
        } else {
            Arc::new(learner(&self.conn, &facts.own)?)
        };
        let lists_before = self.maker.facts.lists.clone();
        let old_facts = std::mem::replace(&mut self.maker.facts, Arc::new(facts));
        let old_learner = std::mem::replace(&mut self.maker.learner, learner);
        let read = self.read_all();
        let columns = match read {
            Ok(columns) => columns,
            Err(error) => {
                self.maker.facts = old_facts;
                self.maker.learner = old_learner;
                return Err(error.into());
            }
        };
        let mut changes = Changes {
            position: self.position,
            learner: old_learner != self.maker.learner,
            ..Changes::default()
        };
        if lists_before != self.maker.facts.lists {
            changes.lists.extend(&lists_before);
            changes.lists.extend(&self.maker.facts.lists);
        }
        let before = self.shared.columns();
        compare(&before, &columns, &mut changes);
        let shown: Vec<i64> = columns.iter().map(|(_, c)| c.number).collect();
        self.shared.replace(columns);
        self.missing_texts(shown.into_iter(), &mut changes)?;
        Ok(changes)
    }

    fn read_all(&mut self) -> rusqlite::Result<Columns> {
        // A course that is opened by a link needs a number before any message
        // of it is here.
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for feed in self.maker.wanted() {
            self.numbers.number(&tx, &feed)?;
        }
        let columns = self.maker.read_all(&tx);
        if tx.commit().is_err() {
            self.numbers.forget();
        }
        let mut columns = columns?;
        columns.position = self.position;
        Ok(columns)
    }

    /// Lays progress over that is kept by the node and not published yet, with
    /// its time in milliseconds since 1970, so that pages show it at once.
    /// Replaces what was laid over before; it is not stored here.
    ///
    /// # Errors
    /// [`ApplyError`] when rows could not be read.
    pub fn set_local_progress(
        &mut self,
        entries: &[(ProgressEntry, u64)],
    ) -> Result<Changes, ApplyError> {
        let mut learner = LearnerState::clone(&self.maker.learner);
        let mut courses: BTreeSet<FeedId> = learner.courses();
        learner.set_local(entries.iter().map(|(entry, time)| (entry, *time)));
        if learner == *self.maker.learner {
            return Ok(Changes {
                position: self.position,
                ..Changes::default()
            });
        }
        courses.extend(entries.iter().map(|(entry, _)| entry.feed_id));
        let mut touched = BTreeMap::new();
        let shown = self.shared.columns();
        for feed in courses {
            if let Some(course) = shown.by_feed(&feed).filter(|c| c.started) {
                touched.insert(course.number, feed);
            }
        }
        drop(shown);
        self.maker.learner = Arc::new(learner);
        let columns = read_touched(&self.conn, &mut self.maker, &touched)?;
        let mut changes = Changes {
            position: self.position,
            learner: true,
            ..Changes::default()
        };
        let learner = self.maker.learner.clone();
        self.shared.update(|all| {
            all.learner = learner;
            put_columns(all, columns, &mut changes);
        });
        Ok(changes)
    }

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
        tx.commit()?;
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
        let mut courses = BTreeSet::new();
        for blob in &self.blobs {
            courses.extend(read::courses_needing(&self.conn, blob)?);
        }
        let changes = self.recount(courses)?;
        self.blobs.clear();
        Ok(changes)
    }

    /// Does what is due at `now` (milliseconds since 1970): commits the text
    /// index, at most once per [`Options::text_commit_ms`]; counts bytes; puts
    /// an idle text writer to rest. Call it after every other call, and at
    /// [`Tick::next`].
    ///
    /// # Errors
    /// [`ApplyError`] when writing failed; it is tried again by the next call.
    pub fn tick(&mut self, now: u64) -> Result<Tick, ApplyError> {
        let mut tick = Tick::default();
        tick.changes.position = self.position;
        if self.waiting || !self.blobs.is_empty() {
            let due = self.last_commit.saturating_add(self.text_commit_ms);
            // A clock that was set back must not hold things up.
            if now < due && now >= self.last_commit {
                tick.next = Some(due);
                return Ok(tick);
            }
            self.last_commit = now;
            tick.changes.merge(self.count_blobs()?);
            self.put_texts(DOCS_PER_COMMIT)?;
        }
        if self.waiting {
            tick.next = Some(now.saturating_add(self.text_commit_ms));
        } else if self.text.is_awake() {
            let rest = self.last_commit.saturating_add(REST_AFTER_MS);
            if now >= rest {
                self.text.rest()?;
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
        while self.waiting {
            self.put_texts(DOCS_PER_COMMIT)?;
        }
        Ok(changes)
    }

    /// Puts queued rows into the text index, at most so many, and commits.
    fn put_texts(&mut self, most: usize) -> Result<(), ApplyError> {
        match self.try_put_texts(most) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.text.roll_back();
                Err(error)
            }
        }
    }

    fn try_put_texts(&mut self, most: usize) -> Result<(), ApplyError> {
        let queued = write::queued(&self.conn, self.stamp, most)?;
        let Some((_, last)) = queued.last().copied() else {
            self.waiting = false;
            return Ok(());
        };
        for (doc, _) in &queued {
            match write::make_doc(&self.conn, *doc)? {
                Some(made) => self.text.put(&made)?,
                None => self.text.remove(*doc)?,
            }
        }
        // A full batch may end within a stamp: then only those before it are
        // all in.
        let whole = queued.len() < most;
        let stamp = if whole {
            self.stamp
        } else {
            last.saturating_sub(1)
        };
        let stamp = stamp.max(self.text.stamp().unwrap_or(0));
        self.text.commit(stamp)?;
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        write::forget_queue(&tx, &queued)?;
        store::set_meta(&tx, "texted", stamp)?;
        tx.commit()?;
        self.waiting = !whole;
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
fn learner(conn: &Connection, own: &[FeedId]) -> rusqlite::Result<LearnerState> {
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

type Made = Vec<(i64, FeedId, Option<CourseColumn>)>;

fn read_touched(
    conn: &Connection,
    maker: &mut Maker,
    touched: &BTreeMap<i64, FeedId>,
) -> rusqlite::Result<Made> {
    touched
        .iter()
        .map(|(number, feed)| Ok((*number, *feed, maker.read(conn, *number, *feed)?)))
        .collect()
}

fn put_columns(all: &mut Columns, made: Made, changes: &mut Changes) {
    let mut shown: BTreeSet<FeedId> = BTreeSet::new();
    for (number, feed, column) in made {
        let new = column.clone();
        let old = all.put(number, feed, column);
        if new.is_some() || old.is_some() {
            shown.insert(feed);
        }
        note_change(feed, old.as_deref(), new.as_ref(), changes);
    }
    // What happened inside courses that are not shown is nobody's business yet.
    changes
        .courses
        .retain(|c| shown.contains(c) || all.by_feed(c).is_some());
    changes.lessons.retain(|(c, _)| all.by_feed(c).is_some());
}

/// Notes what is different between two entries of a course.
fn note_change(
    feed: FeedId,
    old: Option<&CourseColumn>,
    new: Option<&CourseColumn>,
    changes: &mut Changes,
) {
    if old != new {
        changes.courses.insert(feed);
    }
    let listed = |c: Option<&CourseColumn>| c.is_some_and(|c| !c.lists.is_empty());
    match (listed(old), listed(new)) {
        (false, true) => {
            changes.newly_listed.insert(feed);
        }
        (true, false) => {
            changes.unlisted.insert(feed);
        }
        _ => {}
    }
}

/// Notes what is different between all entries before and after.
fn compare(before: &Columns, after: &Columns, changes: &mut Changes) {
    for (_, new) in after.iter() {
        let old = before.by_feed(&new.feed).map(Arc::as_ref);
        note_change(new.feed, old, Some(new), changes);
    }
    for (_, old) in before.iter() {
        if after.by_feed(&old.feed).is_none() {
            note_change(old.feed, Some(old), None, changes);
        }
    }
}

/// Whether a row's text is shown: a lesson's always, a listing's when the
/// record takes its description from it.
pub(crate) fn counts(columns: &Columns, row: Row) -> bool {
    match row {
        Row::Lesson(_) => true,
        Row::Listing(id) => columns.counts(id) & ABOUT != 0,
    }
}
