//! What changed between two states of the columns.

use crate::Changes;
use crate::columns::{Columns, CourseColumn};
use crate::maker::Maker;
use crate::model::TextBlob;
use crate::store::{Row, read};
use crate::text::search::ABOUT;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::{BlobId, FeedId};

/// Entries made anew: `None` for a course that is not shown.
pub(super) type Made = Vec<(i64, FeedId, Option<CourseColumn>)>;

/// Makes the entries of these courses anew.
pub(super) fn read_touched(
    conn: &Connection,
    maker: &mut Maker,
    touched: &BTreeMap<i64, FeedId>,
) -> rusqlite::Result<Made> {
    touched
        .iter()
        .map(|(number, feed)| Ok((*number, *feed, maker.read(conn, *number, *feed)?)))
        .collect()
}

/// Puts entries in their places, and notes what that changed.
pub(super) fn put_columns(all: &mut Columns, made: Made, changes: &mut Changes) {
    let mut shown: BTreeSet<FeedId> = BTreeSet::new();
    for (number, feed, column) in made {
        let new = column.clone();
        let old = all.put(number, feed, column);
        if new.is_some() || old.is_some() {
            shown.insert(feed);
        }
        note_change(feed, old.as_ref(), new.as_ref(), changes);
    }
    // What happened inside courses that are not shown is nobody's business yet.
    changes
        .courses
        .retain(|c| shown.contains(c) || all.place_of(c).is_some());
    changes.lessons.retain(|(c, _)| all.place_of(c).is_some());
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
pub(super) fn compare(before: &Columns, after: &Columns, changes: &mut Changes) {
    for (_, new) in after.iter() {
        let old = before.by_feed(&new.feed);
        note_change(new.feed, old.as_deref(), Some(&new), changes);
    }
    for (_, old) in before.iter() {
        if after.place_of(&old.feed).is_none() {
            note_change(old.feed, Some(&old), None, changes);
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

/// Rows whose text is a blob that was not handed in.
pub(super) type Missing = Vec<(Row, i64, BlobId)>;

/// The rows of these courses whose text is missing.
pub(super) fn missing_texts(
    conn: &Connection,
    courses: impl Iterator<Item = i64>,
) -> rusqlite::Result<Missing> {
    let mut missing = Missing::new();
    for number in courses {
        read::docs_missing_text(conn, Some(number), |row, course, blob| {
            missing.push((row, course, blob));
        })?;
    }
    Ok(missing)
}

/// Notes the texts that are shown and missing.
pub(super) fn note_missing(columns: &Columns, missing: &Missing, changes: &mut Changes) {
    for (row, number, blob) in missing {
        let course = columns.by_number(*number);
        let course = course.and_then(|at| columns.standing(at));
        if let Some(course) = course.filter(|_| counts(columns, *row)) {
            changes.text_blobs.insert(TextBlob {
                blob: *blob,
                course: course.feed,
            });
        }
    }
}
