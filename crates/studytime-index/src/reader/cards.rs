//! A course as a list shows it.

use super::{Shared, answer};
use crate::QueryError;
use crate::columns::{Columns, CourseColumn};
use crate::model::{CourseCard, LessonHit, Snippet};
use crate::store::{Row, read, row_of};
use crate::text::plain::{Markup, searchable};
use crate::text::snippet::{Sought, blurb, snippet};
use rusqlite::Connection;

/// Bytes of a text in which a snippet is looked for.
const LOOK_IN: usize = 256 * 1024;

pub(super) fn card(
    shared: &Shared,
    columns: &Columns,
    course: &CourseColumn,
    lesson: Option<u64>,
    sought: &[Sought],
) -> Result<CourseCard, QueryError> {
    let conn = shared.pool.get()?;
    let (record, _) = answer::record(&conn, columns, course.number, course.feed)?;
    let description = match (&record.description, &record.description_blob) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(blob)) => read::text_of(&conn, blob)?,
        (None, None) => None,
    };
    let description = description.map(|d| searchable(&d, Some(Markup::Markdown), LOOK_IN));
    let found = |text: &String| snippet(text, sought);
    let hit = match lesson {
        Some(doc) => lesson_hit(&conn, doc, sought)?,
        None => None,
    };
    Ok(CourseCard {
        feed_id: course.feed,
        name: course.name.clone(),
        snippet: description
            .as_ref()
            .filter(|_| !sought.is_empty())
            .and_then(found),
        description: description
            .map(|d| blurb(&d, CourseCard::MAX_BLURB))
            .filter(|d| !d.is_empty()),
        image: record.image,
        keywords: record.keywords,
        category: course.category.to_string(),
        subject: course.subject.to_string(),
        language: record.language,
        level: record.level,
        duration_minutes: record.duration_minutes,
        provider: record.provider,
        license: record.license,
        deprecated: course.deprecated,
        successor: course.successor,
        listed_by: answer::lists(columns, &course.lists),
        lessons: usize::try_from(course.stats.lessons).unwrap_or(usize::MAX),
        bytes_total: course.stats.bytes_total,
        bytes_here: course.stats.bytes_here,
        on_device: course.on_device(),
        learners: course.popularity.learners,
        published: course.since,
        started: course.started,
        percent: course.started.then_some(course.percent),
        hit,
    })
}

fn lesson_hit(
    conn: &Connection,
    doc: u64,
    sought: &[Sought],
) -> Result<Option<LessonHit>, QueryError> {
    let Row::Lesson(row) = row_of(doc) else {
        return Ok(None);
    };
    let Some(lesson) = read::lesson_row(conn, row)? else {
        return Ok(None);
    };
    let blob_text = match &lesson.lesson_content_blob {
        Some(blob) => read::text_of(conn, blob)?,
        None => None,
    };
    let text = lesson.lesson_content.as_ref().or(blob_text.as_ref());
    let texts = [
        text.map(|t| searchable(t, Markup::of(lesson.lesson_content_type), LOOK_IN)),
        lesson
            .description
            .as_ref()
            .map(|d| searchable(d, Some(Markup::Markdown), LOOK_IN)),
    ];
    let found = texts
        .iter()
        .flatten()
        .find_map(|text| snippet(text, sought));
    Ok(Some(LessonHit {
        lesson: lesson.id,
        lesson_number: lesson.lesson_number,
        name: lesson.name,
        snippet: found.unwrap_or_else(Snippet::default),
    }))
}
