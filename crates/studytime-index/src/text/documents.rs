//! What is read of every document that is found: in memory, side by side, as
//! reading it from the segment takes longer than all the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::SegmentReader;
use tantivy::index::SegmentId;

/// The documents of a segment. They never change; what is deleted is told
/// elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// By document: the number of its course.
    courses: Vec<u32>,
    /// By document: its row, in the table of its kind.
    rows: Vec<u32>,
    /// By document: of a lesson, its number.
    numbers: Vec<u32>,
    /// A bit for each document: whether it is a record.
    records: Vec<u64>,
}

/// What does not fit; nothing has it.
const NONE: u32 = u32::MAX;

impl Documents {
    fn of(segment: &SegmentReader) -> tantivy::Result<Self> {
        let fields = segment.fast_fields();
        let (docs, numbers) = (fields.u64("doc")?, fields.u64("number")?);
        let courses = fields.u64("course")?;
        let small = |value: Option<u64>| {
            let value = value.and_then(|v| u32::try_from(v).ok());
            value.filter(|v| *v < NONE).unwrap_or(NONE)
        };
        let mut out = Self {
            records: vec![0; (segment.max_doc() as usize).div_ceil(64)],
            ..Self::default()
        };
        for doc in 0..segment.max_doc() {
            let course = small(courses.first(doc));
            let from = docs.first(doc).unwrap_or(0);
            if from & 1 == 0
                && let Some(block) = out.records.get_mut(doc as usize / 64)
            {
                *block |= 1 << (doc % 64);
            }
            out.courses.push(course);
            out.rows.push(small(Some(from >> 1)));
            out.numbers.push(small(numbers.first(doc)));
        }
        Ok(out)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.courses.len()
    }

    /// The number of a document's course.
    pub(crate) fn course(&self, doc: u32) -> u32 {
        self.courses.get(doc as usize).copied().unwrap_or(NONE)
    }

    /// The documents that are records of courses, not lessons: a bit for each.
    pub(crate) fn records(&self) -> &[u64] {
        &self.records
    }

    /// The row of a document, in the table of its kind.
    pub(crate) fn row(&self, doc: u32) -> u32 {
        self.rows.get(doc as usize).copied().unwrap_or(NONE)
    }

    /// What decides between lessons that show alike: the number, then the row.
    pub(crate) fn place(&self, doc: u32) -> (u32, u32) {
        let number = self.numbers.get(doc as usize).copied().unwrap_or(NONE);
        (number, self.row(doc))
    }
}

/// The documents of the segments that were searched last.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<SegmentId, Arc<Documents>>>);

impl Known {
    /// The documents of these segments, in their order. Those of others are
    /// forgotten.
    pub(crate) fn of(&self, segments: &[SegmentReader]) -> tantivy::Result<Vec<Arc<Documents>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::with_capacity(segments.len());
        for segment in segments {
            let id = segment.segment_id();
            let documents = match known.get(&id) {
                Some(documents) => Arc::clone(documents),
                None => Arc::new(Documents::of(segment)?),
            };
            all.push((id, documents));
        }
        if known.len() != all.len() || all.iter().any(|(id, _)| !known.contains_key(id)) {
            *known = all.iter().cloned().collect();
        }
        Ok(all.into_iter().map(|(_, documents)| documents).collect())
    }
}
