//! Documents to courses: one match a course, with the lesson that shows it best.

use super::documents::Documents;
use super::score::Slots;
use std::cmp::Reverse;
use std::sync::Arc;
use tantivy::SegmentReader;

/// Where a document is: segment and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) segment: u32,
    pub(crate) doc: u32,
}

/// Documents of one course put together: its own rows and its best lesson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// The course's place in the columns.
    pub(crate) at: u32,
    /// Which of the words it has.
    pub(crate) words: u16,
    pub(crate) score: f32,
    /// The lesson that matches best.
    pub(crate) lesson: Option<Address>,
}

/// What was found of one course so far.
#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    /// Of its records.
    words: u16,
    /// Of the best lesson; none for no lesson.
    lesson_words: u16,
    score: f32,
    lesson_score: f32,
    segment: u32,
    doc: u32,
}

impl Gathered {
    /// Takes a lesson in, if it shows more than the best one so far. Of those that
    /// show alike, the first one of the course is best.
    fn lesson(&mut self, words: u16, score: f32, at: Address, all: &[Arc<Documents>]) {
        let adds = |words: u16| (words | self.words).count_ones();
        let new = (adds(words), score);
        let old = (adds(self.lesson_words), self.lesson_score);
        let order = |segment: u32, doc: u32| {
            let documents = all.get(segment as usize);
            Reverse(documents.map(|documents| documents.place(doc)))
        };
        let better = self.lesson_words == 0
            || new > old
            || (new == old && order(at.segment, at.doc) > order(self.segment, self.doc));
        if better {
            (self.lesson_words, self.lesson_score) = (words, score);
            (self.segment, self.doc) = (at.segment, at.doc);
        }
    }
}

/// Buffers by course, kept for the next search.
#[derive(Debug, Default)]
pub(super) struct Gathering(Vec<Gathered>);

impl Gathering {
    /// One match a course: words may be found in its record and in one of its
    /// lessons together. Empties the slots, which are those of the segments.
    pub(super) fn by_course(
        &mut self,
        segments: &[SegmentReader],
        all: &[Arc<Documents>],
        totals: &mut [Slots],
        places: usize,
        place: &impl Fn(u64) -> Option<u32>,
    ) -> Vec<Match> {
        self.0.clear();
        self.0.resize(places, Gathered::default());
        // Documents of one course mostly follow each other.
        let mut last = (0, None);
        let mut place = |course: u32| {
            if course != last.0 || last.1.is_none() {
                last = (course, place(course.into()));
            }
            last.1
        };
        // Records first: which lesson is best depends on what the record has.
        let segments = (0..).zip(segments).zip(all);
        for (((_, reader), documents), slots) in segments.clone().zip(totals.iter_mut()) {
            let alive = reader.alive_bitset();
            slots.take(documents.records(), |doc, words, score| {
                let gone = alive.is_some_and(|alive| alive.is_deleted(doc));
                let at = place(documents.course(doc)).filter(|_| !gone);
                if let Some(found) = at.and_then(|at| self.0.get_mut(at as usize)) {
                    found.words |= words;
                    found.score += score;
                }
            });
        }
        for (((segment, reader), documents), slots) in segments.zip(totals) {
            let alive = reader.alive_bitset();
            slots.take_rest(|doc, words, score| {
                let gone = alive.is_some_and(|alive| alive.is_deleted(doc));
                let at = place(documents.course(doc)).filter(|_| !gone);
                if let Some(found) = at.and_then(|at| self.0.get_mut(at as usize)) {
                    found.lesson(words, score, Address { segment, doc }, all);
                }
            });
        }
        let found = (0..)
            .zip(&self.0)
            .filter(|(_, found)| found.words | found.lesson_words != 0);
        let matches = found.map(|(at, found)| Match {
            at,
            words: found.words | found.lesson_words,
            score: found.score + found.lesson_score,
            lesson: (found.lesson_words != 0).then_some(Address {
                segment: found.segment,
                doc: found.doc,
            }),
        });
        matches.collect()
    }
}
