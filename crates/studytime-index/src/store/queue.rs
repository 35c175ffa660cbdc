//! The queue of rows whose document the text index has not taken yet.

use super::clamp;
use rusqlite::Connection;

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

/// The next rows of the queue with their stamps, oldest change first: those
/// that changed after one stamp and up to another.
pub(crate) fn queued(
    conn: &Connection,
    after: u64,
    upto: u64,
    most: usize,
) -> rusqlite::Result<Vec<Queued>> {
    conn.prepare_cached(
        "SELECT doc, stamp, fresh FROM queue WHERE stamp > ?1 AND stamp <= ?2
         ORDER BY stamp, doc LIMIT ?3",
    )?
    .query_map((clamp(after), clamp(upto), clamp(most as u64)), |r| {
        Ok(Queued {
            doc: r.get::<_, i64>(0)?.cast_unsigned(),
            stamp: r.get::<_, i64>(1)?.cast_unsigned(),
            fresh: r.get(2)?,
        })
    })?
    .collect()
}

/// Takes the rows off the queue that changed up to a stamp.
pub(crate) fn forget_queue_upto(conn: &Connection, stamp: u64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM queue WHERE stamp <= ?1")?
        .execute([clamp(stamp)])?;
    Ok(())
}

/// Takes rows off the queue.
pub(crate) fn forget_queue(conn: &Connection, docs: &[Queued]) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM queue WHERE doc = ?1 AND stamp = ?2")?;
    for queued in docs {
        delete.execute((queued.doc.cast_signed(), clamp(queued.stamp)))?;
    }
    Ok(())
}
