//! Entries to rows: what each message changes, inside one transaction.

mod bodies;
mod documents;

pub(crate) use bodies::Bodies;
pub(crate) use documents::{Documents, Made};

use crate::changes::Changes;
use crate::facts::{BytesHere, Facts};
use crate::model::About;
use crate::store::{CourseStats, FeedNumbers, ListingRow, Row, read, write};
use memchr::memmem;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::content::{Content, CourseFields, LessonFields};
use studytime_schema::fold::{Effect, Ignored, LearnerState, Listing, Step};
use studytime_schema::view::BlobRole;
use studytime_schema::{BlobId, Entry, FeedId};

/// One transaction's worth of entries.
pub(crate) struct Batch<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) numbers: &'a mut FeedNumbers,
    pub(crate) bodies: &'a mut Bodies,
    pub(crate) facts: &'a Facts,
    /// The learner as of before; copied when something changes it.
    pub(crate) learner: &'a LearnerState,
    pub(crate) learned: Option<LearnerState>,
    /// The stamp that changed rows are queued with.
    pub(crate) stamp: u64,
    pub(crate) queued: bool,
    /// The documents of changed rows, where they are wanted at once.
    pub(crate) documents: Option<Documents>,
    pub(crate) changes: Changes,
    /// Courses to read anew, by number.
    pub(crate) touched: BTreeMap<i64, FeedId>,
    listings: BTreeMap<(i64, i64), ListingRow>,
    updated: BTreeMap<i64, u64>,
    bodies_changed: BTreeSet<i64>,
    abouts: BTreeMap<i64, About>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        conn: &'a Connection,
        numbers: &'a mut FeedNumbers,
        bodies: &'a mut Bodies,
        facts: &'a Facts,
        learner: &'a LearnerState,
        stamp: u64,
    ) -> Self {
        Self {
            conn,
            numbers,
            bodies,
            facts,
            learner,
            learned: None,
            stamp,
            queued: false,
            documents: None,
            changes: Changes::default(),
            touched: BTreeMap::new(),
            listings: BTreeMap::new(),
            updated: BTreeMap::new(),
            bodies_changed: BTreeSet::new(),
            abouts: BTreeMap::new(),
        }
    }

    /// Takes one entry in.
    pub(crate) fn take(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        if entry.opened_private.is_none() && !entry.message.content_type().is_some_and(bears_on) {
            return Ok(());
        }
        let step = match Step::read(entry) {
            Ok(Some(step)) => step,
            Ok(None) => return Ok(()),
            Err(ignored) => return self.problems(vec![*ignored]),
        };
        let content = entry.content().unwrap_or_default();
        // Nobody's clock may put a thing into the future.
        let time = step.time.min(entry.received);
        let mut ignored = match step.effect() {
            Effect::Listing { course } => self.listing(&step, course, time)?,
            Effect::OwnRecord => {
                self.updated(&step, time)?;
                self.listing(&step, step.feed, time)?
            }
            Effect::Body => {
                self.updated(&step, time)?;
                self.body(&step, content)?
            }
            Effect::Learner => self.learner(&step, content)?,
            Effect::About => {
                self.about(&step)?;
                Vec::new()
            }
            Effect::Contact => {
                self.changes.contacts.insert(step.feed);
                Vec::new()
            }
            Effect::NotPublic => {
                vec![step.ignored(studytime_schema::fold::IgnoredReason::NotPublic)]
            }
            _ => step.unknown_type().into_iter().collect(),
        };
        ignored.extend(step.dropped_fields());
        self.problems(ignored)?;
        if let Some(text) = &entry.blob_text
            && let Some(blob) = named_blob(&step.content)
        {
            self.text(&blob, text)?;
        }
        Ok(())
    }

    fn problems(&mut self, ignored: Vec<Ignored>) -> rusqlite::Result<()> {
        for (place, ignored) in ignored.iter().enumerate() {
            let feed = self.numbers.number(self.conn, &ignored.feed)?;
            if write::put_problem(self.conn, feed, place, ignored)? {
                self.changes.problems += 1;
            }
        }
        Ok(())
    }

    fn touch(&mut self, feed: FeedId) -> rusqlite::Result<i64> {
        let number = self.numbers.number(self.conn, &feed)?;
        self.touched.insert(number, feed);
        Ok(number)
    }

    fn updated(&mut self, step: &Step, time: u64) -> rusqlite::Result<()> {
        let number = self.touch(step.feed)?;
        let updated = self.updated.entry(number).or_default();
        *updated = time.max(*updated);
        Ok(())
    }

    fn listing(
        &mut self,
        step: &Step,
        course: FeedId,
        time: u64,
    ) -> rusqlite::Result<Vec<Ignored>> {
        let list = self.numbers.number(self.conn, &step.feed)?;
        let number = self.touch(course)?;
        if self.facts.lists.contains(&step.feed) {
            self.changes.lists.insert(step.feed);
        }
        use std::collections::btree_map::Entry as Slot;
        let row = match self.listings.entry((list, number)) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => {
                let known = read::listing(self.conn, list, number)?;
                slot.insert(known.unwrap_or_else(|| ListingRow {
                    id: 0,
                    course: number,
                    listing: Listing::new(step.feed, course),
                    first: (step.sequence, step.id),
                    since: 0,
                }))
            }
        };
        let fresh = row.listing.place().is_none();
        let ignored = row.listing.apply_step(step);
        if fresh && row.listing.place().is_some() {
            row.since = time;
            row.first = (step.sequence, step.id);
        }
        Ok(ignored)
    }

    fn body(&mut self, step: &Step, content: &str) -> rusqlite::Result<Vec<Ignored>> {
        let number = self.touch(step.feed)?;
        self.bodies_changed.insert(number);
        let body = self.bodies.get(self.conn, number, step.feed)?;
        Ok(body.take(step, content))
    }

    fn learner(&mut self, step: &Step, content: &str) -> rusqlite::Result<Vec<Ignored>> {
        let own = self.facts.own.contains(&step.feed);
        let author = self.numbers.number(self.conn, &step.feed)?;
        if let Content::Enrolment(enrolment) = &step.content
            && !step.private
        {
            let course = self.touch(enrolment.feed_id)?;
            write::put_enrolment(self.conn, course, author, step, enrolment.enrolled)?;
        }
        // Anybody can encrypt to the user; only the user's own feeds count, and
        // which these are may be learned later.
        if own || step.private {
            write::put_learned(self.conn, author, step, content)?;
        }
        if !own {
            return Ok(Vec::new());
        }
        self.changes.learner = true;
        match &step.content {
            Content::Enrolment(e) => {
                self.touch(e.feed_id)?;
            }
            Content::Progress(p) => {
                for entry in &p.entries {
                    self.touch(entry.feed_id)?;
                }
            }
            Content::TestResult(r) => {
                self.touch(r.feed_id)?;
            }
            _ => {}
        }
        let learned = self.learned.get_or_insert_with(|| self.learner.clone());
        Ok(learned.apply_step(step))
    }

    fn about(&mut self, step: &Step) -> rusqlite::Result<()> {
        let Content::About(said) = &step.content else {
            return Ok(());
        };
        if step.private || said.about_feed() != Some(step.feed) {
            return Ok(());
        }
        let number = self.touch(step.feed)?;
        if let std::collections::btree_map::Entry::Vacant(slot) = self.abouts.entry(number) {
            slot.insert(read::about(self.conn, number)?.unwrap_or_default());
        }
        if let Some(about) = self.abouts.get_mut(&number) {
            said.name.apply_to(&mut about.name);
            said.description.apply_to(&mut about.description);
            said.image.apply_to(&mut about.image);
        }
        self.changes.abouts.insert(step.feed);
        if self.facts.lists.contains(&step.feed) {
            self.changes.lists.insert(step.feed);
        }
        Ok(())
    }

    /// Takes the text of a blob in.
    pub(crate) fn text(&mut self, blob: &BlobId, text: &str) -> rusqlite::Result<()> {
        if !write::put_text(self.conn, blob, text)? {
            return Ok(());
        }
        for (row, course, lesson) in write::docs_naming(self.conn, blob)? {
            self.queue(row, false)?;
            self.touch(course)?;
            self.changes.courses.insert(course);
            if let Some(lesson) = lesson {
                self.changes.lessons.insert((course, lesson));
            }
        }
        Ok(())
    }

    fn queue(&mut self, row: Row, fresh: bool) -> rusqlite::Result<()> {
        self.queued = true;
        if let Some(documents) = &mut self.documents {
            documents.note(row, fresh);
        }
        write::queue(self.conn, row, self.stamp, fresh)
    }

    /// Writes the rows that the entries changed.
    pub(crate) fn finish(&mut self) -> rusqlite::Result<()> {
        for ((list, _), row) in std::mem::take(&mut self.listings) {
            let id = write::put_listing(self.conn, list, &row)?;
            self.queue(Row::Listing(id), row.id == 0)?;
            if let Some(documents) = &mut self.documents {
                documents.listing(self.conn, id, &row)?;
            }
        }
        for (number, about) in std::mem::take(&mut self.abouts) {
            write::put_about(self.conn, number, &about)?;
        }
        for number in std::mem::take(&mut self.bodies_changed) {
            let Some(feed) = self.touched.get(&number).copied() else {
                continue;
            };
            let body = self.bodies.get(self.conn, number, feed)?;
            let lessons = body.lessons_now();
            body.store(self.conn, number)?;
            let mut stats = read::stats_of(self.conn, number)?.unwrap_or(CourseStats::EMPTY);
            let mut needs = false;
            for lesson in lessons {
                let Some(changed) = write::put_lesson(self.conn, number, &lesson)? else {
                    continue;
                };
                self.queue(Row::Lesson(changed.row), changed.grown > 0)?;
                if let Some(documents) = &mut self.documents {
                    documents.lesson(self.conn, changed.row, number, lesson.view.as_ref())?;
                }
                self.changes.courses.insert(feed);
                self.changes.lessons.insert((feed, lesson.id));
                stats.lessons = stats.lessons.saturating_add_signed(changed.grown);
                needs |= changed.needs;
            }
            if needs {
                count_bytes(self.conn, number, &mut stats, &self.facts.bytes_here)?;
            }
            write::put_stats(self.conn, number, &stats)?;
        }
        for (number, time) in std::mem::take(&mut self.updated) {
            let mut stats = read::stats_of(self.conn, number)?.unwrap_or(CourseStats::EMPTY);
            stats.updated = stats.updated.max(time);
            write::put_stats(self.conn, number, &stats)?;
        }
        Ok(())
    }
}

/// Counts a course's bytes: each blob once, other encodings of a video not.
pub(crate) fn count_bytes(
    conn: &Connection,
    course: i64,
    stats: &mut CourseStats,
    here: &BytesHere,
) -> rusqlite::Result<()> {
    (stats.bytes_total, stats.bytes_here, stats.complete) = (0, 0, true);
    let mut seen = BTreeSet::new();
    read::each_need(conn, course, |_, need| {
        if need.role == BlobRole::Alternative || !seen.insert(need.blob) {
            return;
        }
        let presence = here.get(&need.blob, need.manifest);
        let size = need.size.unwrap_or(0).max(presence.bytes);
        stats.bytes_total = stats.bytes_total.saturating_add(size);
        stats.bytes_here = stats.bytes_here.saturating_add(presence.bytes);
        stats.complete &= presence.complete;
    })
}

/// Whether a message can change anything in an index, told from its text as a log
/// keeps it ([`Message::wire`](studytime_schema::Message::wire)) without reading
/// it: one that cannot need not be handed to
/// [`Index::apply_to`](crate::Index::apply_to). Of what people write to each other,
/// most cannot. True for some that then change nothing.
pub fn may_bear(wire: &str) -> bool {
    // No escape hides these: what is kept spells each letter as itself.
    let has = |part: &str| memmem::find(wire.as_bytes(), part.as_bytes()).is_some();
    has("studytime_") || has("\"contact\"") || has("\"about\"") || has("\"content\":\"")
}

/// Whether messages of a type can change a row; the others are not even read.
fn bears_on(type_name: &str) -> bool {
    type_name.starts_with("studytime_") || matches!(type_name, "about" | "contact")
}

/// The blob whose text comes with a message.
fn named_blob(content: &Content) -> Option<BlobId> {
    let course = |f: &CourseFields| f.description_blob.value().copied();
    let lesson = |f: &LessonFields| f.lesson_content_blob.value().copied();
    match content {
        Content::Course(c) => course(&c.fields),
        Content::CourseUpdate(c) => course(&c.fields),
        Content::Lesson(l) => lesson(&l.fields),
        Content::LessonUpdate(l) => lesson(&l.fields),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::may_bear;
    use serde_json::json;
    use studytime_schema::{Keypair, Message};

    /// However its author spelled it: what is kept is spelled plainly.
    #[test]
    fn a_type_cannot_hide_behind_escapes() {
        let keys = Keypair::from_seed(&[7; 32]);
        for name in ["studytime_course", "about", "contact"] {
            let content = json!({"type": name});
            let message = Message::sign(&keys, None, 1, &content, None).unwrap();
            let letter = u32::from(name.as_bytes()[0]);
            let escaped = format!("\"\\u{letter:04x}{}\"", &name[1..]);
            let sent = message.wire().replace(&format!("\"{name}\""), &escaped);
            assert!(sent.contains("\\u00"), "{sent}");
            let received = Message::verify(sent.as_bytes(), None).unwrap();
            assert_eq!(received.id(), message.id());
            assert!(may_bear(received.wire()), "{}", received.wire());
        }
        let post = json!({"type": "post", "text": "about the contact"});
        let post = Message::sign(&keys, None, 1, &post, None).unwrap();
        assert!(!may_bear(post.wire()));
    }
}
