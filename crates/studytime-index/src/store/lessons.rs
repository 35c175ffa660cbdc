//! Rows of lessons: written one by one, as a course's messages touch them.

use super::{clamp, from_json, to_json};
use rusqlite::{Connection, OptionalExtension};
use studytime_schema::fold::LessonNow;
use studytime_schema::view::{BlobNeed, BlobRole, CourseOutline, LessonView};
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
    let old: Option<(i64, i64, i64)> = conn
        .prepare_cached("SELECT id, taken, hash FROM lesson WHERE course = ?1 AND lesson = ?2")?
        .query_row((course, now.id.as_bytes()), |r| {
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
            needs: forget_needs(conn, row)?,
        }));
    };
    let json = to_json(lesson)?;
    let (taken, hash) = (clamp(now.taken), fingerprint(&json));
    let text_blob = lesson.lesson_content_blob.as_ref().map(BlobId::as_bytes);
    let number = clamp(lesson.lesson_number);
    let (row, grown, had_needs) = match old {
        Some((_, t, h)) if (t, h) == (taken, hash) => return Ok(None),
        Some((row, ..)) => {
            conn.prepare_cached(
                "UPDATE lesson SET number = ?2, taken = ?3, hash = ?4, text_blob = ?5, row = ?6
                 WHERE id = ?1",
            )?
            .execute((row, number, taken, hash, text_blob, &json))?;
            (row, 0, forget_needs(conn, row)?)
        }
        None => {
            let row = conn
                .prepare_cached(
                    "INSERT INTO lesson(course, lesson, number, taken, hash, text_blob, row)
                     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .insert((
                    course,
                    now.id.as_bytes(),
                    number,
                    taken,
                    hash,
                    text_blob,
                    &json,
                ))?;
            (row, 1, false)
        }
    };
    let needs = lesson.needs();
    put_needs(conn, row, &needs)?;
    Ok(Some(LessonChanged {
        row,
        grown,
        needs: had_needs || !needs.is_empty(),
    }))
}

/// Takes the needs of a lesson away; says whether there were any.
fn forget_needs(conn: &Connection, lesson: i64) -> rusqlite::Result<bool> {
    let gone = conn
        .prepare_cached("DELETE FROM need WHERE lesson = ?1")?
        .execute([lesson])?;
    Ok(gone > 0)
}

fn put_needs(conn: &Connection, lesson: i64, needs: &[BlobNeed]) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO need(lesson, place, blob, manifest, size, purpose) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (place, need) in (0_i64..).zip(needs) {
        insert.execute((
            lesson,
            place,
            need.blob.as_bytes(),
            need.manifest,
            need.size.map(clamp),
            code(need.role),
        ))?;
    }
    Ok(())
}

const ROLES: [BlobRole; 8] = [
    BlobRole::Text,
    BlobRole::Picture,
    BlobRole::Questions,
    BlobRole::Poster,
    BlobRole::Captions,
    BlobRole::Video,
    BlobRole::Attachment,
    BlobRole::Alternative,
];

fn code(role: BlobRole) -> i64 {
    (0..)
        .zip(ROLES)
        .find(|(_, r)| *r == role)
        .map_or(0, |(at, _)| at)
}

fn role(code: i64) -> BlobRole {
    usize::try_from(code)
        .ok()
        .and_then(|at| ROLES.get(at).copied())
        .unwrap_or(BlobRole::Alternative)
}

/// FNV-1a: the same on every machine and in every version, as a stored value
/// must be. Nobody gains by a collision in their own course.
fn fingerprint(text: &str) -> i64 {
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
        })
        .cast_signed()
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

/// Every blob that a course's lessons need, in order, with the lesson's number.
pub(crate) fn needs_of(conn: &Connection, course: i64) -> rusqlite::Result<Vec<(u64, BlobNeed)>> {
    conn.prepare_cached(
        "SELECT l.number, n.blob, n.manifest, n.size, n.purpose FROM lesson l
         JOIN need n ON n.lesson = l.id WHERE l.course = ?1 ORDER BY l.number, l.taken, n.place",
    )?
    .query_map([course], |r| {
        let size: Option<i64> = r.get(3)?;
        Ok((
            r.get::<_, i64>(0)?.cast_unsigned(),
            BlobNeed {
                blob: BlobId::from_bytes(r.get(1)?),
                manifest: r.get(2)?,
                role: role(r.get(4)?),
                size: size.map(i64::cast_unsigned),
            },
        ))
    })?
    .collect()
}

/// Numbers of the courses whose lessons need a blob.
pub(crate) fn courses_needing(conn: &Connection, blob: &BlobId) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached(
        "SELECT DISTINCT l.course FROM need n JOIN lesson l ON l.id = n.lesson WHERE n.blob = ?1",
    )?
    .query_map([blob.as_bytes()], |r| r.get(0))?
    .collect()
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
