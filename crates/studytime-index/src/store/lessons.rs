//! Rows of lessons: written one by one, as a course's messages touch them.

use super::{clamp, from_json, needs, to_json};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use studytime_schema::fold::LessonNow;
use studytime_schema::view::{CourseOutline, LessonView};
use studytime_schema::{BlobId, FeedId, MessageId};

/// What [`put_lesson`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LessonChanged {
    /// The row that is new, other than it was, or gone.
    pub(crate) row: i64,
    /// By how many the course's lessons grew: 1, 0 or -1.
    pub(crate) grown: i64,
    /// Whether blobs are needed that were not, or the other way round.
    pub(crate) needs: bool,
}

/// Makes the row of a lesson equal to what it is now; `None` when it was.
pub(crate) fn put_lesson(
    conn: &Connection,
    course: i64,
    now: &LessonNow,
) -> rusqlite::Result<Option<LessonChanged>> {
    let mut had = BTreeSet::new();
    let old: Option<(i64, i64, i64)> = conn
        .prepare_cached(
            "SELECT id, taken, hash, needs FROM lesson WHERE course = ?1 AND lesson = ?2",
        )?
        .query_row((course, now.id.as_bytes()), |r| {
            if let Some(packed) = r.get_ref(3)?.as_blob_or_null()? {
                needs::unpack(packed, |need| {
                    had.insert(need.blob);
                })?;
            }
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })
        .optional()?;
    let Some(lesson) = &now.view else {
        let Some((row, ..)) = old else {
            return Ok(None);
        };
        conn.prepare_cached("DELETE FROM lesson WHERE id = ?1")?
            .execute([row])?;
        return Ok(Some(LessonChanged {
            row,
            grown: -1,
            needs: !had.is_empty(),
        }));
    };
    let json = to_json(lesson)?;
    let (taken, hash) = (clamp(now.taken), fingerprint(&json));
    if let Some((_, t, h)) = old
        && (t, h) == (taken, hash)
    {
        return Ok(None);
    }
    let text_blob = lesson.lesson_content_blob.as_ref().map(BlobId::as_bytes);
    let number = clamp(lesson.lesson_number);
    let needs = lesson.needs();
    let packed = needs::pack(&needs);
    let (row, grown) = if let Some((row, ..)) = old {
        conn.prepare_cached(
            "UPDATE lesson SET number = ?2, taken = ?3, hash = ?4, text_blob = ?5, needs = ?6, row = ?7
             WHERE id = ?1",
        )?
        .execute((row, number, taken, hash, text_blob, packed, &json))?;
        (row, 0)
    } else {
        let row = conn
            .prepare_cached(
                "INSERT INTO lesson(course, lesson, number, taken, hash, text_blob, needs, row)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .insert((
                course,
                now.id.as_bytes(),
                number,
                taken,
                hash,
                text_blob,
                packed,
                &json,
            ))?;
        (row, 1)
    };
    needs::note(conn, course, &had, &needs)?;
    Ok(Some(LessonChanged {
        row,
        grown,
        needs: !had.is_empty() || !needs.is_empty(),
    }))
}

/// FNV-1a, by eight bytes at a time: the same on every machine, as a stored value
/// must be; another one needs another version of the rows. Nobody gains by a
/// collision in their own course.
fn fingerprint(text: &str) -> i64 {
    let start = 0xCBF2_9CE4_8422_2325_u64 ^ text.len() as u64;
    let mix = |h: u64, word: u64| {
        // Turned, so that high bits bear on low ones, too.
        (h ^ word).wrapping_mul(0x0100_0000_01B3).rotate_left(29)
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words
        .iter()
        .fold(start, |h, word| mix(h, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |h, byte| mix(h, u64::from(*byte)));
    hash.cast_signed()
}

/// All lessons of a course, in order.
pub(crate) fn outline(conn: &Connection, course: i64) -> rusqlite::Result<CourseOutline> {
    Ok(CourseOutline {
        lessons: lessons(conn, course, usize::MAX)?,
    })
}

/// The first lessons of a course, in order.
pub(crate) fn lessons(
    conn: &Connection,
    course: i64,
    most: usize,
) -> rusqlite::Result<Vec<LessonView>> {
    conn.prepare_cached("SELECT row FROM lesson WHERE course = ?1 ORDER BY number, taken LIMIT ?2")?
        .query_map((course, clamp(most as u64)), |r| {
            from_json(r.get_ref(0)?.as_str()?)
        })?
        .collect()
}

/// Where a lesson stands in its course: by its number, then by when it took it.
pub(crate) type LessonPlace = (i64, i64);

/// The lesson that holds a number, and its place.
pub(crate) fn lesson_by_number(
    conn: &Connection,
    course: i64,
    number: u64,
) -> rusqlite::Result<Option<(LessonPlace, LessonView)>> {
    // Where several stand on one number, the last to take it holds it: it is
    // the last in the outline.
    conn.prepare_cached(
        "SELECT number, taken, row FROM lesson WHERE course = ?1 AND number = ?2
         ORDER BY taken DESC LIMIT 1",
    )?
    .query_row((course, clamp(number)), |r| {
        Ok(((r.get(0)?, r.get(1)?), from_json(r.get_ref(2)?.as_str()?)?))
    })
    .optional()
}

/// The lesson of a row.
pub(crate) fn lesson_row(conn: &Connection, row: i64) -> rusqlite::Result<Option<LessonView>> {
    conn.prepare_cached("SELECT row FROM lesson WHERE id = ?1")?
        .query_row([row], |r| from_json(r.get_ref(0)?.as_str()?))
        .optional()
}

/// The lesson before and the lesson after a place.
pub(crate) fn neighbours(
    conn: &Connection,
    course: i64,
    (number, taken): LessonPlace,
) -> rusqlite::Result<(Option<LessonView>, Option<LessonView>)> {
    let one = |sql: &str| {
        conn.prepare_cached(sql)?
            .query_row((course, number, taken), |r| {
                from_json(r.get_ref(0)?.as_str()?)
            })
            .optional()
    };
    Ok((
        one(
            "SELECT row FROM lesson WHERE course = ?1 AND (number, taken) < (?2, ?3)
             ORDER BY number DESC, taken DESC LIMIT 1",
        )?,
        one(
            "SELECT row FROM lesson WHERE course = ?1 AND (number, taken) > (?2, ?3)
             ORDER BY number, taken LIMIT 1",
        )?,
    ))
}

/// The lessons whose text is a blob: course, lesson.
pub(crate) fn lessons_with_text(
    conn: &Connection,
    blob: &BlobId,
) -> rusqlite::Result<Vec<(i64, FeedId, MessageId)>> {
    conn.prepare_cached(
        "SELECT l.id, f.key, l.lesson FROM lesson l JOIN feed f ON f.id = l.course WHERE l.text_blob = ?1",
    )?
    .query_map([blob.as_bytes()], |r| {
        Ok((
            r.get(0)?,
            FeedId::from_bytes(r.get(1)?),
            MessageId::from_bytes(r.get(2)?),
        ))
    })?
    .collect()
}
