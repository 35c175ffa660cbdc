//! Rows of (list, course), and what is counted of a course.

use super::{clamp, from_json, to_json};
use rusqlite::{Connection, OptionalExtension, Row};
use studytime_schema::fold::Listing;
use studytime_schema::{BlobId, MessageId};

/// What one feed says about one course.
#[derive(Debug, Clone)]
pub(crate) struct ListingRow {
    /// 0 while it has no row yet.
    pub(crate) id: i64,
    /// Number of the course feed.
    pub(crate) course: i64,
    pub(crate) listing: Listing,
    /// The message that first named the course; until one did, the first one.
    pub(crate) first: (u64, MessageId),
    /// When the course was first listed here: the author's time, but never
    /// after the message arrived.
    pub(crate) since: u64,
}

const COLUMNS: &str = "id, course, row, first_sequence, first_id, since";

fn read(row: &Row<'_>) -> rusqlite::Result<ListingRow> {
    Ok(ListingRow {
        id: row.get(0)?,
        course: row.get(1)?,
        listing: from_json(row.get_ref(2)?.as_str()?)?,
        first: (
            row.get::<_, i64>(3)?.cast_unsigned(),
            MessageId::from_bytes(row.get(4)?),
        ),
        since: row.get::<_, i64>(5)?.cast_unsigned(),
    })
}

/// What `list` says about `course`.
pub(crate) fn listing(
    conn: &Connection,
    list: i64,
    course: i64,
) -> rusqlite::Result<Option<ListingRow>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM listing WHERE list = ?1 AND course = ?2"
    ))?
    .query_row((list, course), read)
    .optional()
}

/// What all feeds say about a course.
pub(crate) fn listings_of(conn: &Connection, course: i64) -> rusqlite::Result<Vec<ListingRow>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM listing WHERE course = ?1"))?
        .query_map([course], read)?
        .collect()
}

/// What all feeds say about all courses, course by course.
pub(crate) fn all_listings(
    conn: &Connection,
    mut each: impl FnMut(ListingRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM listing ORDER BY course"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(read(row)?)?;
    }
    Ok(())
}

/// What a feed says about courses other than itself, in the order in which it
/// first did.
pub(crate) fn foreign_listings(
    conn: &Connection,
    list: i64,
    most: usize,
) -> rusqlite::Result<Vec<ListingRow>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM listing WHERE list = ?1 AND course <> ?1
         ORDER BY first_sequence LIMIT ?2"
    ))?
    .query_map((list, clamp(most as u64)), read)?
    .collect()
}

/// Writes a row; gives its number.
pub(crate) fn put_listing(conn: &Connection, list: i64, row: &ListingRow) -> rusqlite::Result<i64> {
    let json = to_json(&row.listing)?;
    let blob = text_blob(&row.listing);
    let blob = blob.as_ref().map(BlobId::as_bytes);
    if row.id != 0 {
        conn.prepare_cached(
            "UPDATE listing SET row = ?2, text_blob = ?3, since = ?4, first_sequence = ?5, first_id = ?6
             WHERE id = ?1",
        )?
        .execute((
            row.id,
            &json,
            blob,
            clamp(row.since),
            clamp(row.first.0),
            row.first.1.as_bytes(),
        ))?;
        return Ok(row.id);
    }
    conn.prepare_cached(
        "INSERT INTO listing(list, course, since, first_sequence, first_id, text_blob, row)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        list,
        row.course,
        clamp(row.since),
        clamp(row.first.0),
        row.first.1.as_bytes(),
        blob,
        &json,
    ))?;
    Ok(conn.last_insert_rowid())
}

/// The blob that holds a listing's description, while it stands.
pub(crate) fn text_blob(listing: &Listing) -> Option<BlobId> {
    listing
        .is_listed()
        .then(|| listing.fields().description_blob.value().copied())
        .flatten()
}

/// What is counted of a course whose feed is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CourseStats {
    pub(crate) updated: u64,
    pub(crate) lessons: u64,
    pub(crate) bytes_total: u64,
    pub(crate) bytes_here: u64,
    pub(crate) complete: bool,
}

impl CourseStats {
    /// A course of which nothing is known: nothing of it is missing.
    pub(crate) const EMPTY: Self = Self {
        updated: 0,
        lessons: 0,
        bytes_total: 0,
        bytes_here: 0,
        complete: true,
    };
}

fn read_stats(row: &Row<'_>) -> rusqlite::Result<(i64, CourseStats)> {
    let count = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok((
        row.get(0)?,
        CourseStats {
            updated: count(1)?,
            lessons: count(2)?,
            bytes_total: count(3)?,
            bytes_here: count(4)?,
            complete: row.get(5)?,
        },
    ))
}

/// What is counted of a course; `None` while its feed is not here.
pub(crate) fn stats_of(conn: &Connection, course: i64) -> rusqlite::Result<Option<CourseStats>> {
    conn.prepare_cached(
        "SELECT id, updated, lessons, bytes_total, bytes_here, complete FROM course WHERE id = ?1",
    )?
    .query_row([course], |r| read_stats(r).map(|(_, stats)| stats))
    .optional()
}

/// What is counted of all courses.
pub(crate) fn all_stats(conn: &Connection) -> rusqlite::Result<Vec<(i64, CourseStats)>> {
    conn.prepare("SELECT id, updated, lessons, bytes_total, bytes_here, complete FROM course")?
        .query_map([], read_stats)?
        .collect()
}

/// Writes what is counted of a course.
pub(crate) fn put_stats(
    conn: &Connection,
    course: i64,
    stats: &CourseStats,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO course(id, updated, lessons, bytes_total, bytes_here, complete)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        course,
        clamp(stats.updated),
        clamp(stats.lessons),
        clamp(stats.bytes_total),
        clamp(stats.bytes_here),
        stats.complete,
    ))?;
    Ok(())
}
