//! What the user is learning.

use super::{Shared, answer};
use crate::QueryError;
use crate::columns::Columns;
use crate::model::{BookmarkView, EnrolledCourse, LearnerView, NoteView, ResultView};
use crate::store::{number_of, read};
use std::collections::HashMap;
use std::sync::Arc;
use studytime_schema::view::{CourseOutline, ItemView, LessonView};
use studytime_schema::{FeedId, MessageId};

/// Outlines of the courses that the learner's things are about, read once.
struct Outlines<'a> {
    shared: &'a Shared,
    read: HashMap<FeedId, CourseOutline>,
}

impl Outlines<'_> {
    fn get(&mut self, feed: &FeedId) -> Result<&CourseOutline, QueryError> {
        use std::collections::hash_map::Entry;
        match self.read.entry(*feed) {
            Entry::Occupied(slot) => Ok(slot.into_mut()),
            Entry::Vacant(slot) => {
                let conn = self.shared.pool.get()?;
                let outline = match number_of(&conn, feed)? {
                    Some(number) => read::outline(&conn, number)?,
                    None => CourseOutline::default(),
                };
                Ok(slot.insert(outline))
            }
        }
    }

    /// The lesson a thing is about: by its own id, or that of an item.
    fn lesson(
        &mut self,
        feed: &FeedId,
        lesson: Option<MessageId>,
        item: Option<MessageId>,
    ) -> Result<Option<&LessonView>, QueryError> {
        let outline = self.get(feed)?;
        let by_item = item
            .and_then(|id| outline.item(&id))
            .map(|(lesson, _)| lesson);
        Ok(by_item.or_else(|| lesson.and_then(|id| outline.lesson(&id))))
    }
}

pub(super) fn learner(shared: &Shared) -> Result<LearnerView, QueryError> {
    let columns = shared.columns();
    let mut outlines = Outlines {
        shared,
        read: HashMap::new(),
    };
    Ok(LearnerView {
        courses: enrolled(shared, &columns, &mut outlines)?,
        notes: notes(&columns, &mut outlines)?,
        bookmarks: bookmarks(&columns, &mut outlines)?,
        results: results(&columns, &mut outlines)?,
        catalogs: columns.learner.catalogs(),
    })
}

fn enrolled(
    shared: &Shared,
    columns: &Arc<Columns>,
    outlines: &mut Outlines<'_>,
) -> Result<Vec<EnrolledCourse>, QueryError> {
    let mut courses = Vec::new();
    for enrolment in columns.learner.enrolments() {
        let feed = enrolment.feed_id;
        let (mut progress, _) = answer::progress(columns, &feed, outlines.get(&feed)?);
        progress.last_active = progress.last_active.max(enrolment.time);
        let column = columns.by_feed(&feed);
        let column = column.as_deref();
        let record = match column {
            Some(c) => {
                let conn = shared.pool.get()?;
                Some(answer::record(&conn, columns, c.number, feed)?.0)
            }
            None => None,
        };
        let (image, reason) = record.map_or((None, None), |r| (r.image, r.deprecation_reason));
        let deprecated = column.is_some_and(|c| c.deprecated);
        courses.push(EnrolledCourse {
            feed_id: feed,
            name: answer::course_ref(columns, feed).name,
            image,
            deprecated,
            deprecation_reason: reason.filter(|_| deprecated),
            replaced_by: column.and_then(|c| answer::replaced_by(columns, c)),
            listed: column.is_some_and(|c| !c.lists.is_empty()),
            progress,
        });
    }
    courses.sort_by_key(|c| (std::cmp::Reverse(c.progress.last_active), c.feed_id));
    Ok(courses)
}

fn notes(columns: &Arc<Columns>, outlines: &mut Outlines<'_>) -> Result<Vec<NoteView>, QueryError> {
    let notes = columns.learner.notes().into_iter();
    notes
        .map(|note| {
            let lesson = outlines.lesson(&note.feed_id, note.lesson, note.item)?;
            Ok(NoteView {
                id: note.id,
                course: answer::course_ref(columns, note.feed_id),
                lesson: note.lesson.or(lesson.map(|l| l.id)),
                lesson_number: lesson.map(|l| l.lesson_number),
                item: note.item,
                position_seconds: note.position_seconds,
                text: note.text,
                time: note.changed,
            })
        })
        .collect()
}

fn bookmarks(
    columns: &Arc<Columns>,
    outlines: &mut Outlines<'_>,
) -> Result<Vec<BookmarkView>, QueryError> {
    let bookmarks = columns.learner.bookmarks().into_iter();
    bookmarks
        .map(|bookmark| {
            let lesson = outlines.lesson(&bookmark.feed_id, bookmark.lesson, bookmark.item)?;
            Ok(BookmarkView {
                course: answer::course_ref(columns, bookmark.feed_id),
                lesson: bookmark.lesson.or(lesson.map(|l| l.id)),
                lesson_number: lesson.map(|l| l.lesson_number),
                lesson_name: lesson.map(|l| l.name.clone()).unwrap_or_default(),
                item: bookmark.item,
                time: bookmark.time,
            })
        })
        .collect()
}

fn results(
    columns: &Arc<Columns>,
    outlines: &mut Outlines<'_>,
) -> Result<Vec<ResultView>, QueryError> {
    let mut results = Vec::new();
    for feed in columns.learner.courses() {
        for (item, score) in columns.learner.scores(&feed) {
            let found = outlines.get(&feed)?.item(&item);
            let pass = match found {
                Some((_, ItemView::Test(test))) => score.best >= test.pass_percent,
                _ => false,
            };
            results.push(ResultView {
                course: answer::course_ref(columns, feed),
                item,
                name: found.map(|(_, i)| i.name().to_owned()).unwrap_or_default(),
                lesson_number: found.map(|(lesson, _)| lesson.lesson_number),
                percent: score.best,
                passed: score.passed || pass,
                time: score.best_time,
            });
        }
    }
    results.sort_by_key(|r| (std::cmp::Reverse(r.time), r.item));
    Ok(results)
}
