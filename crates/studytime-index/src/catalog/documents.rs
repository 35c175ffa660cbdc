//! Documents for the text index, made while what they are made from is at hand:
//! reading rows back a moment later costs as much as writing them did.

use crate::store::{ListingRow, Row, doc_of, write};
use crate::text::Doc;
use rusqlite::Connection;
use std::collections::BTreeMap;
use studytime_schema::view::LessonView;

/// Bytes of documents that are kept until the transaction is over, about.
const MOST: usize = 8 * 1024 * 1024;

/// The document of a row that changed.
#[derive(Debug)]
pub(crate) struct Made {
    /// Its number.
    pub(crate) doc: u64,
    /// Its row did not exist before.
    pub(crate) fresh: bool,
    /// `None` when there is nothing to find any more.
    pub(crate) now: Option<Doc>,
}

#[derive(Debug)]
struct Kept {
    fresh: bool,
    /// `None` until it is made.
    now: Option<Option<Doc>>,
}

/// The documents of one transaction's rows.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    kept: BTreeMap<u64, Kept>,
    bytes: usize,
}

impl Documents {
    /// Notes that a row changed. One that is made in the place of another, within
    /// a transaction, is not fresh.
    pub(super) fn note(&mut self, row: Row, fresh: bool) {
        let kept = self.kept.entry(doc_of(row));
        let kept = kept.or_insert(Kept { fresh, now: None });
        kept.fresh &= fresh;
        kept.now = None;
    }

    fn put(&mut self, doc: u64, now: Option<Doc>) {
        self.bytes += now.as_ref().map_or(0, Doc::bytes);
        if let Some(kept) = self.kept.get_mut(&doc) {
            kept.now = Some(now);
        }
    }

    pub(super) fn listing(
        &mut self,
        conn: &Connection,
        id: i64,
        row: &ListingRow,
    ) -> rusqlite::Result<()> {
        if self.bytes <= MOST {
            let now = write::doc_of_listing(conn, id, row.course, &row.listing)?;
            self.put(doc_of(Row::Listing(id)), now);
        }
        Ok(())
    }

    pub(super) fn lesson(
        &mut self,
        conn: &Connection,
        id: i64,
        course: i64,
        lesson: Option<&LessonView>,
    ) -> rusqlite::Result<()> {
        if self.bytes <= MOST {
            let now = lesson.map(|lesson| write::doc_of_lesson(conn, id, course, lesson));
            self.put(doc_of(Row::Lesson(id)), now.transpose()?);
        }
        Ok(())
    }

    /// All of them; `None` when they are too many bytes to be kept.
    pub(crate) fn finish(self, conn: &Connection) -> rusqlite::Result<Option<Vec<Made>>> {
        let mut bytes = self.bytes;
        let mut made = Vec::with_capacity(self.kept.len());
        for (doc, kept) in self.kept {
            let now = match kept.now {
                Some(now) => now,
                None if bytes > MOST => return Ok(None),
                None => {
                    let now = write::make_doc(conn, doc)?;
                    bytes += now.as_ref().map_or(0, Doc::bytes);
                    now
                }
            };
            let fresh = kept.fresh;
            made.push(Made { doc, fresh, now });
        }
        Ok((bytes <= MOST).then_some(made))
    }
}
