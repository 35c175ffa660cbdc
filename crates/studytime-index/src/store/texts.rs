//! Texts that live in blobs, and the queue of rows whose document the text
//! index has not taken yet.

use super::lessons::lessons_with_text;
use super::{clamp, from_json};
use crate::text::{Doc, plain};
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;
use studytime_schema::content::LessonContentType;
use studytime_schema::fold::Listing;
use studytime_schema::{BlobId, FeedId, MessageId};

/// Bytes of one text that are searched; the rest of a longer one is not.
pub(crate) const MAX_SEARCHED: usize = 512 * 1024;

/// What a document is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Row {
    /// A row of (list, course).
    Listing(i64),
    /// A row of a lesson.
    Lesson(i64),
}

/// The number of a row's document.
pub(crate) fn doc_of(row: Row) -> u64 {
    match row {
        Row::Listing(id) => id.cast_unsigned() << 1,
        Row::Lesson(id) => (id.cast_unsigned() << 1) | 1,
    }
}

/// The row of a document.
pub(crate) fn row_of(doc: u64) -> Row {
    let id = (doc >> 1).cast_signed();
    if doc & 1 == 0 {
        Row::Listing(id)
    } else {
        Row::Lesson(id)
    }
}

/// A row whose document must be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) doc: u64,
    /// The stamp of its last change.
    pub(crate) stamp: u64,
    /// The text index cannot have a document of it yet, so that none needs to
    /// be looked for.
    pub(crate) fresh: bool,
}

/// Notes that a row changed, so that its document is made anew. `fresh`: the
/// row did not exist before.
pub(crate) fn queue(conn: &Connection, row: Row, stamp: u64, fresh: bool) -> rusqlite::Result<()> {
    // What waits already keeps its freshness: a new row that takes the number
    // of a deleted one is not fresh before the old document is gone.
    conn.prepare_cached(
        "INSERT INTO queue(doc, stamp, fresh) VALUES(?1, ?2, ?3)
         ON CONFLICT(doc) DO UPDATE SET stamp = excluded.stamp",
    )?
    .execute((doc_of(row).cast_signed(), clamp(stamp), fresh))?;
    Ok(())
}

/// Notes that documents may be in the text index that waiting rows call fresh.
pub(crate) fn doubt_freshness(conn: &Connection, upto: u64) -> rusqlite::Result<()> {
    conn.execute(
        "UPDATE queue SET fresh = 0 WHERE stamp <= ?1",
        [clamp(upto)],
    )?;
    Ok(())
}

/// Notes that every row's document must be made anew. `fresh`: the text index
/// is empty.
pub(crate) fn queue_all(conn: &Connection, stamp: u64, fresh: bool) -> rusqlite::Result<()> {
    // What waits may be a row that is gone: its document must still be taken away.
    conn.execute(
        "INSERT OR REPLACE INTO queue(doc, stamp, fresh) SELECT id * 2, ?1, ?2 FROM listing
         UNION ALL SELECT id * 2 + 1, ?1, ?2 FROM lesson",
        (clamp(stamp), fresh),
    )?;
    Ok(())
}

/// The next rows of the queue with their stamps, oldest change first.
pub(crate) fn queued(conn: &Connection, upto: u64, most: usize) -> rusqlite::Result<Vec<Queued>> {
    conn.prepare_cached(
        "SELECT doc, stamp, fresh FROM queue WHERE stamp <= ?1 ORDER BY stamp, doc LIMIT ?2",
    )?
    .query_map((clamp(upto), clamp(most as u64)), |r| {
        Ok(Queued {
            doc: r.get::<_, i64>(0)?.cast_unsigned(),
            stamp: r.get::<_, i64>(1)?.cast_unsigned(),
            fresh: r.get(2)?,
        })
    })?
    .collect()
}

/// Takes rows off the queue.
pub(crate) fn forget_queue(conn: &Connection, docs: &[Queued]) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM queue WHERE doc = ?1 AND stamp = ?2")?;
    for queued in docs {
        delete.execute((queued.doc.cast_signed(), clamp(queued.stamp)))?;
    }
    Ok(())
}

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
    let Some((course, listing)) = found.filter(|(_, l)| l.is_listed()) else {
        return Ok(None);
    };
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

/// Of a lesson's row, what is searched: the rest is not even read.
#[derive(Deserialize)]
struct Searched {
    lesson_number: u64,
    name: String,
    description: Option<String>,
    lesson_content: Option<String>,
    lesson_content_blob: Option<BlobId>,
    #[serde(default)]
    lesson_content_type: LessonContentType,
    #[serde(default)]
    videos: Vec<Named>,
    #[serde(default)]
    attachments: Vec<Named>,
    #[serde(default)]
    tests: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn lesson_doc(conn: &Connection, id: i64) -> rusqlite::Result<Option<Doc>> {
    let found: Option<(i64, Searched)> = conn
        .prepare_cached("SELECT course, row FROM lesson WHERE id = ?1")?
        .query_row([id], |r| {
            Ok((r.get(0)?, from_json(r.get_ref(1)?.as_str()?)?))
        })
        .optional()?;
    let Some((course, lesson)) = found else {
        return Ok(None);
    };
    let mut title = lesson.name;
    let (videos, files, tests) = (lesson.videos, lesson.attachments, lesson.tests);
    for item in videos.iter().chain(&files).chain(&tests) {
        title.push('\n');
        title.push_str(&item.name);
    }
    let mut body = String::new();
    if let Some(description) = &lesson.description {
        body.push_str(&plain::searchable(
            description,
            Some(plain::Markup::Markdown),
            MAX_SEARCHED,
        ));
        body.push('\n');
    }
    let blob_text = match &lesson.lesson_content_blob {
        Some(blob) => text_of(conn, blob)?,
        None => None,
    };
    if let Some(text) = lesson.lesson_content.as_ref().or(blob_text.as_ref()) {
        let markup = plain::Markup::of(lesson.lesson_content_type);
        body.push_str(&plain::searchable(text, markup, MAX_SEARCHED));
    }
    Ok(Some(Doc {
        doc: doc_of(Row::Lesson(id)),
        course: course.cast_unsigned(),
        number: lesson.lesson_number,
        lesson: plain::searchable(&title, None, MAX_SEARCHED),
        body,
        ..Doc::default()
    }))
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
