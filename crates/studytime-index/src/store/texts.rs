//! The documents that rows become, and texts that live in blobs.

use super::from_json;
use super::lessons::lessons_with_text;
use super::queue::{Row, doc_of, row_of};
use crate::text::{Doc, plain};
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;
use std::borrow::Cow;
use studytime_schema::content::LessonContentType;
use studytime_schema::fold::Listing;
use studytime_schema::view::LessonView;
use studytime_schema::{BlobId, FeedId, MessageId};

/// Bytes of one text that are searched; the rest of a longer one is not.
pub(crate) const MAX_SEARCHED: usize = 512 * 1024;

/// The document of a row as it is now; `None` when there is nothing to find.
pub(crate) fn make_doc(conn: &Connection, doc: u64) -> rusqlite::Result<Option<Doc>> {
    match row_of(doc) {
        Row::Listing(id) => listing_doc(conn, id),
        Row::Lesson(id) => lesson_doc(conn, id),
    }
}

fn listing_doc(conn: &Connection, id: i64) -> rusqlite::Result<Option<Doc>> {
    let found: Option<(i64, Listing)> = conn
        .prepare_cached("SELECT course, row FROM listing WHERE id = ?1")?
        .query_row([id], |r| {
            Ok((r.get(0)?, from_json(r.get_ref(1)?.as_str()?)?))
        })
        .optional()?;
    match found {
        Some((course, listing)) => doc_of_listing(conn, id, course, &listing),
        None => Ok(None),
    }
}

/// The document of a row of (list, course); `None` when there is nothing to find.
pub(crate) fn doc_of_listing(
    conn: &Connection,
    id: i64,
    course: i64,
    listing: &Listing,
) -> rusqlite::Result<Option<Doc>> {
    if !listing.is_listed() {
        return Ok(None);
    }
    let fields = listing.fields();
    let mut about = fields.description.value().cloned().unwrap_or_default();
    if let Some(blob) = fields.description_blob.value()
        && let Some(text) = text_of(conn, blob)?
    {
        about.push('\n');
        about.push_str(&text);
    }
    let keywords = fields
        .keywords
        .value()
        .map(|k| k.join("\n"))
        .unwrap_or_default();
    let provider = fields.provider.value().map_or("", String::as_str);
    Ok(Some(Doc {
        doc: doc_of(Row::Listing(id)),
        course: course.cast_unsigned(),
        title: plain::searchable(listing.name().unwrap_or_default(), None, MAX_SEARCHED),
        keywords: plain::searchable(&keywords, None, MAX_SEARCHED),
        provider: plain::searchable(provider, None, MAX_SEARCHED),
        about: plain::searchable(&about, Some(plain::Markup::Markdown), MAX_SEARCHED),
        ..Doc::default()
    }))
}

/// Of a lesson, what is searched: of a row, the rest is not even read.
#[derive(Deserialize)]
struct Searched<'a> {
    lesson_number: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    description: Option<Cow<'a, str>>,
    lesson_content: Option<Cow<'a, str>>,
    lesson_content_blob: Option<BlobId>,
    #[serde(default)]
    lesson_content_type: LessonContentType,
    #[serde(default, borrow)]
    videos: Vec<Named<'a>>,
    #[serde(default, borrow)]
    attachments: Vec<Named<'a>>,
    #[serde(default, borrow)]
    tests: Vec<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'a> Searched<'a> {
    fn of(lesson: &'a LessonView) -> Self {
        fn text(text: &Option<String>) -> Option<Cow<'_, str>> {
            text.as_deref().map(Cow::Borrowed)
        }
        let named = |name: &'a String| Named {
            name: Cow::Borrowed(name),
        };
        Self {
            lesson_number: lesson.lesson_number,
            name: Cow::Borrowed(&lesson.name),
            description: text(&lesson.description),
            lesson_content: text(&lesson.lesson_content),
            lesson_content_blob: lesson.lesson_content_blob,
            lesson_content_type: lesson.lesson_content_type,
            videos: lesson.videos.iter().map(|v| named(&v.name)).collect(),
            attachments: lesson.attachments.iter().map(|a| named(&a.name)).collect(),
            tests: lesson.tests.iter().map(|t| named(&t.name)).collect(),
        }
    }

    fn doc(&self, conn: &Connection, id: i64, course: i64) -> rusqlite::Result<Doc> {
        let mut title = self.name.clone().into_owned();
        for item in [&self.videos, &self.attachments, &self.tests]
            .into_iter()
            .flatten()
        {
            title.push('\n');
            title.push_str(&item.name);
        }
        let blob_text = match &self.lesson_content_blob {
            Some(blob) => text_of(conn, blob)?,
            None => None,
        };
        let text = self.lesson_content.as_deref().or(blob_text.as_deref());
        let markup = plain::Markup::of(self.lesson_content_type);
        let text = text.map(|text| plain::searchable(text, markup, MAX_SEARCHED));
        let text = text.unwrap_or_default();
        let body = match &self.description {
            Some(description) => {
                let markup = Some(plain::Markup::Markdown);
                let mut body = plain::searchable(description, markup, MAX_SEARCHED);
                body.push('\n');
                body.push_str(&text);
                body
            }
            None => text,
        };
        Ok(Doc {
            doc: doc_of(Row::Lesson(id)),
            course: course.cast_unsigned(),
            number: self.lesson_number,
            lesson: plain::searchable(&title, None, MAX_SEARCHED),
            body,
            ..Doc::default()
        })
    }
}

fn lesson_doc(conn: &Connection, id: i64) -> rusqlite::Result<Option<Doc>> {
    let mut statement = conn.prepare_cached("SELECT course, row FROM lesson WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let lesson: Searched<'_> = from_json(row.get_ref(1)?.as_str()?)?;
    lesson.doc(conn, id, row.get(0)?).map(Some)
}

/// The document of a lesson's row.
pub(crate) fn doc_of_lesson(
    conn: &Connection,
    id: i64,
    course: i64,
    lesson: &LessonView,
) -> rusqlite::Result<Doc> {
    Searched::of(lesson).doc(conn, id, course)
}

/// The text of a blob, once it was handed in.
pub(crate) fn text_of(conn: &Connection, blob: &BlobId) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT text FROM blob_text WHERE blob = ?1")?
        .query_row([blob.as_bytes()], |r| r.get(0))
        .optional()
}

/// Keeps the text of a blob; says whether it was new.
pub(crate) fn put_text(conn: &Connection, blob: &BlobId, text: &str) -> rusqlite::Result<bool> {
    let new = conn
        .prepare_cached("INSERT OR IGNORE INTO blob_text(blob, text) VALUES(?1, ?2)")?
        .execute((blob.as_bytes(), text))?;
    Ok(new > 0)
}

/// Rows whose text is a blob: the row, its course, and the lesson where it is one.
pub(crate) fn docs_naming(
    conn: &Connection,
    blob: &BlobId,
) -> rusqlite::Result<Vec<(Row, FeedId, Option<MessageId>)>> {
    let mut found: Vec<_> = conn
        .prepare_cached(
            "SELECT l.id, f.key FROM listing l JOIN feed f ON f.id = l.course WHERE l.text_blob = ?1",
        )?
        .query_map([blob.as_bytes()], |r| {
            Ok((Row::Listing(r.get(0)?), FeedId::from_bytes(r.get(1)?), None))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (id, course, lesson) in lessons_with_text(conn, blob)? {
        found.push((Row::Lesson(id), course, Some(lesson)));
    }
    Ok(found)
}

/// Texts that were named and not handed in: the row, the number of its course,
/// and the blob.
pub(crate) fn docs_missing_text(
    conn: &Connection,
    course: Option<i64>,
    mut each: impl FnMut(Row, i64, BlobId),
) -> rusqlite::Result<()> {
    let all = course.is_none();
    let course = course.unwrap_or(0);
    for (table, row) in [
        ("listing", Row::Listing as fn(i64) -> Row),
        ("lesson", Row::Lesson as fn(i64) -> Row),
    ] {
        let filter = if all { "?1 = ?1" } else { "t.course = ?1" };
        let mut statement = conn.prepare_cached(&format!(
            "SELECT t.id, t.course, t.text_blob FROM {table} t WHERE t.text_blob IS NOT NULL AND {filter}
             AND NOT EXISTS(SELECT 1 FROM blob_text b WHERE b.blob = t.text_blob)"
        ))?;
        let mut rows = statement.query([course])?;
        while let Some(found) = rows.next()? {
            each(
                row(found.get(0)?),
                found.get(1)?,
                BlobId::from_bytes(found.get(2)?),
            );
        }
    }
    Ok(())
}
