//! Which courses changed last, in order, for views that follow by cursor.

use super::clamp;
use rusqlite::Connection;
use studytime_schema::FeedId;

/// Notes that the course of this number changed. Feeds that are no course, and
/// that nobody calls one, are left out.
pub(crate) fn note_changed(conn: &Connection, course: i64, change: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO changed(course, change) SELECT ?1, ?2
         WHERE EXISTS(SELECT 1 FROM listing WHERE course = ?1)
            OR EXISTS(SELECT 1 FROM course WHERE id = ?1)",
    )?
    .execute((course, clamp(change)))?;
    Ok(())
}

/// The courses that changed after a place in that order: each with its number
/// and when, oldest change first.
pub(crate) fn changed_after(
    conn: &Connection,
    (change, course): (u64, i64),
    most: usize,
) -> rusqlite::Result<Vec<(FeedId, i64, u64)>> {
    conn.prepare_cached(
        "SELECT f.key, c.course, c.change FROM changed c JOIN feed f ON f.id = c.course
         WHERE (c.change, c.course) > (?1, ?2) ORDER BY c.change, c.course LIMIT ?3",
    )?
    .query_map((clamp(change), course, clamp(most as u64)), |r| {
        Ok((
            FeedId::from_bytes(r.get(0)?),
            r.get(1)?,
            r.get::<_, i64>(2)?.cast_unsigned(),
        ))
    })?
    .collect()
}
