//! Rows about feeds: what they call themselves, what they study, what of
//! theirs was not taken.

use super::{clamp, from_json, to_json};
use crate::model::{About, Problem};
use rusqlite::{Connection, OptionalExtension};
use studytime_schema::fold::{Ignored, Input, Step};
use studytime_schema::{FeedId, MessageId};

/// Problems that are kept of one feed, at most: its first ones.
pub(crate) const MAX_PROBLEMS: i64 = 1_000;

/// What a feed says about itself.
pub(crate) fn about(conn: &Connection, feed: i64) -> rusqlite::Result<Option<About>> {
    conn.prepare_cached("SELECT row FROM about WHERE feed = ?1")?
        .query_row([feed], |r| from_json(r.get_ref(0)?.as_str()?))
        .optional()
}

/// Writes what a feed says about itself.
pub(crate) fn put_about(conn: &Connection, feed: i64, about: &About) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO about(feed, row) VALUES(?1, ?2)")?
        .execute((feed, to_json(about)?))?;
    Ok(())
}

/// Writes what a learner said in public about a course; a later word counts.
pub(crate) fn put_enrolment(
    conn: &Connection,
    course: i64,
    learner: i64,
    step: &Step,
    enrolled: bool,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO enrolment(course, learner, sequence, id, time, enrolled)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(course, learner) DO UPDATE SET sequence = ?3, id = ?4, time = ?5, enrolled = ?6
         WHERE sequence < ?3",
    )?
    .execute((
        course,
        learner,
        clamp(step.sequence),
        step.id.as_bytes(),
        clamp(step.time),
        enrolled,
    ))?;
    Ok(())
}

/// Who studies a course, as they said in public.
pub(crate) fn enrolments_of(conn: &Connection, course: i64) -> rusqlite::Result<Vec<FeedId>> {
    conn.prepare_cached(
        "SELECT f.key FROM enrolment e JOIN feed f ON f.id = e.learner
         WHERE e.course = ?1 AND e.enrolled ORDER BY f.key",
    )?
    .query_map([course], |r| r.get(0).map(FeedId::from_bytes))?
    .collect()
}

/// What these people study, as they said in public: (course, learner).
pub(crate) fn enrolments<'a>(
    conn: &Connection,
    learners: impl Iterator<Item = &'a FeedId>,
    mut each: impl FnMut(i64, FeedId),
) -> rusqlite::Result<()> {
    // One by one: strangers may have said so very much more.
    let mut statement = conn.prepare_cached(
        "SELECT e.course FROM enrolment e
         WHERE e.learner = (SELECT id FROM feed WHERE key = ?1) AND e.enrolled",
    )?;
    for learner in learners {
        let mut rows = statement.query([learner.as_bytes()])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, *learner);
        }
    }
    Ok(())
}

/// Keeps a message about learning of a feed that is, or may turn out to be, the
/// user's own.
pub(crate) fn put_learned(
    conn: &Connection,
    feed: i64,
    step: &Step,
    content: &str,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO learned(feed, sequence, id, time, private, content)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        feed,
        clamp(step.sequence),
        step.id.as_bytes(),
        clamp(step.time),
        step.private,
        content,
    ))?;
    Ok(())
}

/// Gives a feed's messages about learning, in order. What it said in public
/// before it was known to be the user's own is among them, as far as it still
/// counts.
pub(crate) fn learned(
    conn: &Connection,
    number: i64,
    feed: FeedId,
    mut each: impl FnMut(Input<'_>),
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "SELECT sequence, id, time, private, content FROM learned WHERE feed = ?1
         UNION ALL
         SELECT e.sequence, e.id, e.time, 0, f.key FROM enrolment e
         JOIN feed f ON f.id = e.course WHERE e.learner = ?1 AND NOT EXISTS(
           SELECT 1 FROM learned l WHERE l.feed = ?1 AND l.sequence = e.sequence)
         ORDER BY 1",
    )?;
    let mut rows = statement.query([number])?;
    while let Some(row) = rows.next()? {
        let value = row.get_ref(4)?;
        let enrolment;
        let content = match value {
            rusqlite::types::ValueRef::Text(_) => value.as_str()?,
            _ => {
                let course = FeedId::from_bytes(row.get(4)?);
                let enrolled = still_enrolled(conn, &course, number)?;
                enrolment = format!(
                    r#"{{"type":"studytime_enrolment","feed_id":"{}","enrolled":{enrolled}}}"#,
                    course.to_bare()
                );
                &enrolment
            }
        };
        #[allow(clippy::cast_precision_loss)]
        each(Input {
            feed,
            sequence: row.get::<_, i64>(0)?.cast_unsigned(),
            id: MessageId::from_bytes(row.get(1)?),
            timestamp: row.get::<_, i64>(2)? as f64,
            content: Some(content),
            private: row.get(3)?,
        });
    }
    Ok(())
}

fn still_enrolled(conn: &Connection, course: &FeedId, learner: i64) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT e.enrolled FROM enrolment e JOIN feed f ON f.id = e.course WHERE f.key = ?1 AND e.learner = ?2",
    )?
    .query_row((course.as_bytes(), learner), |r| r.get(0))
}

/// Keeps what was not taken, and why, while the feed has few such; says whether
/// it did.
pub(crate) fn put_problem(
    conn: &Connection,
    feed: i64,
    place: usize,
    ignored: &Ignored,
) -> rusqlite::Result<bool> {
    let kept = conn
        .prepare_cached(
            "INSERT OR REPLACE INTO problem(feed, sequence, place, id, reason)
             SELECT ?1, ?2, ?3, ?4, ?5
             WHERE (SELECT COUNT(*) FROM (SELECT 1 FROM problem WHERE feed = ?1 LIMIT ?6)) < ?6",
        )?
        .execute((
            feed,
            clamp(ignored.sequence),
            clamp(place as u64),
            ignored.id.as_bytes(),
            ignored.reason.to_string(),
            MAX_PROBLEMS,
        ))?;
    Ok(kept > 0)
}

/// What was not taken of a feed, by sequence.
pub(crate) fn problems(
    conn: &Connection,
    number: i64,
    feed: FeedId,
) -> rusqlite::Result<Vec<Problem>> {
    conn.prepare_cached(
        "SELECT sequence, id, reason FROM problem WHERE feed = ?1 ORDER BY sequence, place",
    )?
    .query_map([number], |r| {
        Ok(Problem {
            feed,
            sequence: r.get::<_, i64>(0)?.cast_unsigned(),
            id: MessageId::from_bytes(r.get(1)?),
            reason: r.get(2)?,
        })
    })?
    .collect()
}
