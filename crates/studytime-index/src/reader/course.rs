//! One course, one lesson, the blobs they need.

use super::{Shared, answer};
use crate::QueryError;
use crate::columns::Columns;
use crate::model::{
    CourseDetail, CourseRef, LessonDetail, LessonSummary, ListRef, NeededBlob, NoteView,
    StepProgress,
};
use crate::popularity::popularity;
use crate::store::{number_of, read};
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::Arc;
use studytime_schema::content::Target;
use studytime_schema::fold::LessonProgress;
use studytime_schema::subjects::classify;
use studytime_schema::view::{BlobRole, LessonView};
use studytime_schema::{BlobId, FeedId};

pub(super) fn course(shared: &Shared, feed: &FeedId) -> Result<Option<CourseDetail>, QueryError> {
    let columns = shared.columns();
    let conn = shared.pool.get()?;
    let Some(number) = number_of(&conn, feed)? else {
        return Ok(None);
    };
    let (record, published) = answer::record(&conn, &columns, number, *feed)?;
    let stats = read::stats_of(&conn, number)?;
    let column = columns.by_feed(feed);
    let column = column.as_deref();
    if column.is_none() && stats.is_none() && record.name.is_empty() {
        return Ok(None);
    }
    if column.is_none() && stats.is_none_or(|s| s.lessons == 0) && published == 0 {
        // A feed that is no course: a person, a list.
        return Ok(None);
    }
    let outline = read::outline(&conn, number)?;
    let (progress, folded) = answer::progress(&columns, feed, &outline);
    let about = match (&record.description, &record.description_blob) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(blob)) => read::text_of(&conn, blob)?,
        (None, None) => None,
    };
    let (category, subject) = match &column {
        Some(c) => (c.category.to_string(), c.subject.to_string()),
        None => {
            let subject = match &columns.subjects {
                Some(table) => table.classify(&record.keywords),
                None => classify(&record.keywords),
            };
            (subject.category.to_owned(), subject.subject.to_owned())
        }
    };
    let learners = match &column {
        Some(c) => c.popularity.learners,
        None => popularity(&read::enrolments_of(&conn, number)?, &columns.facts).learners,
    };
    let lists = record
        .listed_by
        .iter()
        .map(|list| list_ref(&conn, *list))
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(CourseDetail {
        category,
        subject,
        about,
        lists,
        replaced_by: column.and_then(|c| answer::replaced_by(&columns, c)),
        learners,
        published,
        updated: stats.map_or(0, |s| s.updated),
        feed_here: stats.is_some(),
        enrolled: columns.learner.is_enrolled(feed),
        progress,
        lessons: outline
            .lessons
            .iter()
            .zip(&folded.lessons)
            .map(|(lesson, progress)| summary(lesson, progress))
            .collect(),
        record,
    }))
}

fn list_ref(conn: &Connection, list: FeedId) -> rusqlite::Result<ListRef> {
    let about = match number_of(conn, &list)? {
        Some(number) => read::about(conn, number)?,
        None => None,
    };
    Ok(ListRef {
        feed_id: list,
        name: about.and_then(|a| a.name),
    })
}

fn summary(lesson: &LessonView, progress: &LessonProgress) -> LessonSummary {
    LessonSummary {
        id: lesson.id,
        lesson_number: lesson.lesson_number,
        name: lesson.name.clone(),
        section: lesson.section.clone(),
        description: lesson.description.clone(),
        has_text: lesson.has_text(),
        videos: lesson.videos.len(),
        attachments: lesson.attachments.len(),
        tests: lesson.tests.len(),
        video_seconds: lesson
            .videos
            .iter()
            .filter_map(|v| v.sources.iter().find_map(|s| s.duration_seconds))
            .fold(0, u64::saturating_add),
        percent: progress.percent,
        done: progress.done,
    }
}

pub(super) fn lesson(
    shared: &Shared,
    feed: &FeedId,
    number: u64,
) -> Result<Option<LessonDetail>, QueryError> {
    let columns = shared.columns();
    let conn = shared.pool.get()?;
    let Some(course) = number_of(&conn, feed)? else {
        return Ok(None);
    };
    let Some((place, lesson)) = read::lesson_by_number(&conn, course, number)? else {
        return Ok(None);
    };
    let (before, after) = read::neighbours(&conn, course, place)?;
    let (mut text, mut text_missing) = (lesson.lesson_content.clone(), None);
    if text.is_none()
        && let Some(blob) = lesson.lesson_content_blob
    {
        text = read::text_of(&conn, &blob)?;
        text_missing = text.is_none().then_some(blob);
    }
    let (progress, steps) = steps(&columns, feed, &lesson);
    let name = match columns.by_feed(feed) {
        Some(column) => column.name.clone(),
        None => answer::record(&conn, &columns, course, *feed)?.0.name,
    };
    let course = CourseRef {
        feed_id: *feed,
        name,
    };
    let notes = notes_on(&columns, &course, &lesson);
    let bookmarked = columns
        .learner
        .bookmarks()
        .iter()
        .any(|b| b.feed_id == *feed && b.lesson == Some(lesson.id) && b.item.is_none());
    Ok(Some(LessonDetail {
        course,
        text,
        text_missing,
        previous: before.as_ref().map(answer::lesson_ref),
        next: after.as_ref().map(answer::lesson_ref),
        done: progress.as_ref().is_some_and(|p| p.done),
        percent: progress.map_or(0, |p| p.percent),
        steps,
        notes,
        bookmarked,
        lesson,
    }))
}

/// How far the user is in one lesson and its items.
fn steps(
    columns: &Arc<Columns>,
    feed: &FeedId,
    lesson: &LessonView,
) -> (Option<LessonProgress>, Vec<StepProgress>) {
    let outline = studytime_schema::view::CourseOutline {
        lessons: vec![lesson.clone()],
    };
    let mut folded = columns.learner.course_progress(feed, &outline);
    let Some(progress) = folded.lessons.pop() else {
        return (None, Vec::new());
    };
    let own = columns.learner.mark(feed, Target::Lesson(lesson.id));
    let mut steps = vec![StepProgress {
        id: lesson.id,
        done: progress.done,
        percent: own.percent.unwrap_or(if progress.done { 100 } else { 0 }),
        position_seconds: own.position_seconds.unwrap_or(0),
        best_percent: None,
    }];
    steps.extend(progress.items.iter().map(|item| StepProgress {
        id: item.item,
        done: item.done,
        percent: item.percent.unwrap_or(if item.done { 100 } else { 0 }),
        position_seconds: item.position_seconds.unwrap_or(0),
        best_percent: item.best_score,
    }));
    (Some(progress), steps)
}

fn notes_on(columns: &Arc<Columns>, course: &CourseRef, lesson: &LessonView) -> Vec<NoteView> {
    let items: HashSet<_> = lesson.items().map(|i| i.id()).collect();
    let mut notes: Vec<NoteView> = columns
        .learner
        .notes()
        .into_iter()
        .filter(|n| n.feed_id == course.feed_id)
        .filter(|n| n.lesson == Some(lesson.id) || n.item.is_some_and(|i| items.contains(&i)))
        .map(|n| NoteView {
            id: n.id,
            course: course.clone(),
            lesson: n.lesson,
            lesson_number: Some(lesson.lesson_number),
            item: n.item,
            position_seconds: n.position_seconds,
            text: n.text,
            time: n.changed,
        })
        .collect();
    notes.reverse();
    notes
}

pub(super) fn needed_blobs(shared: &Shared, feed: &FeedId) -> Result<Vec<NeededBlob>, QueryError> {
    let columns = shared.columns();
    let conn = shared.pool.get()?;
    let Some(number) = number_of(&conn, feed)? else {
        return Ok(Vec::new());
    };
    let (record, _) = answer::record(&conn, &columns, number, *feed)?;
    let own = [
        (record.description_blob, BlobRole::Text),
        (record.image, BlobRole::Picture),
    ];
    let mut needed: Vec<NeededBlob> = own
        .into_iter()
        .filter_map(|(blob, purpose)| {
            blob.filter(|b| *b != BlobId::EMPTY).map(|blob| NeededBlob {
                blob,
                manifest: false,
                size: None,
                purpose,
                lesson_number: None,
            })
        })
        .collect();
    read::each_need(&conn, number, |lesson, need| {
        needed.push(NeededBlob {
            blob: need.blob,
            manifest: need.manifest,
            size: need.size,
            purpose: need.role,
            lesson_number: Some(lesson),
        });
    })?;
    // A blob that several lessons need is fetched for the first of them; what
    // is some video's main encoding is no alternative.
    let main: HashSet<BlobId> = needed
        .iter()
        .filter(|n| n.purpose != BlobRole::Alternative)
        .map(|n| n.blob)
        .collect();
    let mut seen = HashSet::new();
    needed.retain(|n| {
        (n.purpose != BlobRole::Alternative || !main.contains(&n.blob)) && seen.insert(n.blob)
    });
    Ok(needed)
}
