//! Pieces that several answers are made of.

use crate::columns::{Columns, CourseColumn};
use crate::maker::nameless_record;
use crate::merge::merge;
use crate::model::{ContinueAt, CourseProgress, CourseRef, LessonRef};
use crate::store::{ListingRow, read};
use rusqlite::Connection;
use std::sync::Arc;
use studytime_schema::FeedId;
use studytime_schema::fold::{self, successors};
use studytime_schema::view::{CourseOutline, CourseRecord, LessonView};

/// The user's lists at these places of the user's order.
pub(super) fn lists(columns: &Columns, places: &[u16]) -> Vec<FeedId> {
    let lists = &columns.facts.lists;
    places
        .iter()
        .filter_map(|at| lists.get(usize::from(*at)).copied())
        .collect()
}

/// A course's record from its rows, and when it was listed first.
pub(super) fn record(
    conn: &Connection,
    columns: &Columns,
    number: i64,
    feed: FeedId,
) -> rusqlite::Result<(CourseRecord, u64)> {
    let rows: Vec<ListingRow> = read::listings_of(conn, number)?;
    match merge(feed, &rows, &columns.facts.lists) {
        Some(merged) => Ok((merged.record, merged.since)),
        None => Ok((nameless_record(conn, number, feed)?, 0)),
    }
}

/// The name of a course that is shown; empty for others.
pub(super) fn course_ref(columns: &Columns, feed: FeedId) -> CourseRef {
    CourseRef {
        feed_id: feed,
        name: columns
            .by_feed(&feed)
            .map(|c| c.name.clone())
            .unwrap_or_default(),
    }
}

/// What to take instead of a course: the end of its chain of successors, as
/// far as it is known here.
pub(super) fn replaced_by(columns: &Columns, course: &CourseColumn) -> Option<CourseRef> {
    let first = course.successor?;
    let next = |feed: &FeedId| {
        if *feed == course.feed {
            return Some(first);
        }
        columns.by_feed(feed).and_then(|c| c.successor)
    };
    let chain = successors(course.feed, next);
    let known = chain
        .iter()
        .rev()
        .find(|feed| columns.place_of(feed).is_some());
    known
        .or(chain.first())
        .map(|feed| course_ref(columns, *feed))
}

/// A lesson by name.
pub(super) fn lesson_ref(lesson: &LessonView) -> LessonRef {
    LessonRef {
        lesson: lesson.id,
        lesson_number: lesson.lesson_number,
        name: lesson.name.clone(),
    }
}

/// How far the user is in a course, as pages show it.
pub(super) fn progress(
    columns: &Arc<Columns>,
    feed: &FeedId,
    outline: &CourseOutline,
) -> (CourseProgress, fold::CourseProgress) {
    let folded = columns.learner.course_progress(feed, outline);
    let touched = columns.learner.touched(feed);
    let lesson = folded.next.and_then(|id| outline.lesson(&id));
    let continue_at = lesson.map(|lesson| {
        // The item counts only where it stands in the lesson to go on with.
        let item = touched
            .and_then(|t| t.item)
            .filter(|id| lesson.items().any(|i| i.id() == *id));
        ContinueAt {
            lesson: lesson_ref(lesson),
            item,
            position_seconds: item
                .map(|id| {
                    columns
                        .learner
                        .mark(feed, studytime_schema::content::Target::Item(id))
                })
                .and_then(|mark| mark.position_seconds)
                .unwrap_or(0),
        }
    });
    let view = CourseProgress {
        percent: folded.percent,
        lessons_done: folded.lessons_done,
        lessons_total: folded.lessons.len(),
        continue_at,
        last_active: touched.map_or(0, |t| t.time),
    };
    (view, folded)
}
