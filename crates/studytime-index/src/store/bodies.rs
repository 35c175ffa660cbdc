//! The inside of a course feed: a snapshot and the messages since, so that one
//! more message does not write a large course again. Read back together they
//! are the state.

use super::{clamp, from_json, to_json};
use rusqlite::{Connection, OptionalExtension};
use studytime_schema::fold::{CourseBody, Ignored, Input, LessonNow, LessonsTouched, Step};
use studytime_schema::{FeedId, MessageId};

/// A tail up to this many bytes is never worth a new snapshot.
const SMALL_TAIL: usize = 64 * 1024;

/// A course body with what is not stored of it yet.
#[derive(Debug)]
pub(crate) struct StoredBody {
    pub(crate) body: CourseBody,
    /// Bytes of the stored snapshot; 0 when there is none.
    snapshot: usize,
    /// Bytes of the stored tail.
    tail: usize,
    /// Messages taken in since the last store, for the tail.
    fresh: Vec<Fresh>,
    /// The bytes that they take in the tail.
    fresh_bytes: usize,
    /// The lessons they touched.
    touched: LessonsTouched,
}

#[derive(Debug)]
struct Fresh {
    sequence: u64,
    id: MessageId,
    time: u64,
    content: String,
}

impl StoredBody {
    /// The body as stored; an empty one when there is none.
    pub(crate) fn load(conn: &Connection, number: i64, feed: FeedId) -> rusqlite::Result<Self> {
        let found: Option<(String, i64)> = conn
            .prepare_cached("SELECT row, tail FROM body WHERE feed = ?1")?
            .query_row([number], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let Some((row, tail)) = found else {
            return Ok(Self {
                body: CourseBody::new(feed),
                snapshot: 0,
                tail: 0,
                fresh: Vec::new(),
                fresh_bytes: 0,
                touched: LessonsTouched::default(),
            });
        };
        let mut body: CourseBody = from_json(&row)?;
        if tail > 0 {
            let mut statement = conn.prepare_cached(
                "SELECT sequence, id, time, content FROM body_tail WHERE feed = ?1 ORDER BY sequence",
            )?;
            let mut rows = statement.query([number])?;
            while let Some(row) = rows.next()? {
                let content: String = row.get(3)?;
                #[allow(clippy::cast_precision_loss)]
                let input = Input {
                    feed,
                    sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                    id: MessageId::from_bytes(row.get(1)?),
                    timestamp: row.get::<_, i64>(2)? as f64,
                    content: Some(&content),
                    private: false,
                };
                body.apply(input);
            }
        }
        Ok(Self {
            body,
            snapshot: row.len(),
            tail: usize::try_from(tail).unwrap_or(0),
            fresh: Vec::new(),
            fresh_bytes: 0,
            touched: LessonsTouched::default(),
        })
    }

    /// Takes a message in, and remembers it for [`store`](Self::store).
    pub(crate) fn take(&mut self, step: &Step, content: &str) -> Vec<Ignored> {
        self.fresh_bytes += content.len() + 80;
        if self.fits_tail() {
            self.fresh.push(Fresh {
                sequence: step.sequence,
                id: step.id,
                time: step.time,
                content: content.to_owned(),
            });
        } else {
            // A snapshot will be written, which needs none of them.
            self.fresh.clear();
        }
        self.body.apply_noting(step, &mut self.touched)
    }

    /// Whether what is new goes after the snapshot as it is.
    fn fits_tail(&self) -> bool {
        self.snapshot > 0 && self.tail + self.fresh_bytes <= SMALL_TAIL.max(self.snapshot / 4)
    }

    /// How the lessons stand that were touched since the last store.
    pub(crate) fn lessons_now(&self) -> Vec<LessonNow> {
        self.body.lessons_now(&self.touched)
    }

    /// Writes what is new: the messages themselves while they are few, else a
    /// snapshot.
    pub(crate) fn store(&mut self, conn: &Connection, number: i64) -> rusqlite::Result<()> {
        if self.fresh_bytes == 0 {
            return Ok(());
        }
        if self.fits_tail() {
            let mut insert = conn.prepare_cached(
                "INSERT OR REPLACE INTO body_tail(feed, sequence, id, time, content)
                 VALUES(?1, ?2, ?3, ?4, ?5)",
            )?;
            for f in &self.fresh {
                insert.execute((
                    number,
                    clamp(f.sequence),
                    f.id.as_bytes(),
                    clamp(f.time),
                    &f.content,
                ))?;
            }
            self.tail += self.fresh_bytes;
            conn.prepare_cached("UPDATE body SET tail = ?2 WHERE feed = ?1")?
                .execute((number, clamp(self.tail as u64)))?;
        } else {
            let row = to_json(&self.body)?;
            if self.tail > 0 {
                conn.prepare_cached("DELETE FROM body_tail WHERE feed = ?1")?
                    .execute([number])?;
            }
            conn.prepare_cached("INSERT OR REPLACE INTO body(feed, tail, row) VALUES(?1, 0, ?2)")?
                .execute((number, &row))?;
            self.snapshot = row.len();
            self.tail = 0;
        }
        self.fresh.clear();
        self.fresh_bytes = 0;
        self.touched.clear();
        Ok(())
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.snapshot + self.tail
    }
}
