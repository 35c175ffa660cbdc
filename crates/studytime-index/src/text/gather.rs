//! Documents to courses: one match a course, with the lesson that shows it best.

use std::cmp::Reverse;
use tantivy::SegmentReader;
use tantivy::columnar::Column;

/// Among the words of a document: it is a course's record, not a lesson.
pub(crate) const RECORD: u32 = 1 << 31;

/// Documents of one course put together: its own rows and its best lesson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// The course's place in the columns.
    pub(crate) at: u32,
    /// Which of the words it has.
    pub(crate) words: u32,
    pub(crate) score: f32,
    /// The document of the lesson that matches best.
    pub(crate) lesson: Option<u64>,
}

/// What was found in each document: score and words.
#[derive(Debug, Default)]
pub(crate) struct Totals(Vec<Segment>);

#[derive(Debug, Default)]
struct Segment {
    documents: Vec<(f32, u32)>,
    /// Documents that are not zero.
    touched: Vec<u32>,
}

impl Totals {
    /// Makes room for a segment.
    pub(crate) fn begin(&mut self, segment: usize, documents: usize) {
        if self.0.len() <= segment {
            self.0.resize_with(segment + 1, Segment::default);
        }
        if let Some(segment) = self.0.get_mut(segment)
            && segment.documents.len() < documents
        {
            segment.documents.resize(documents, (0.0, 0));
        }
    }

    /// Adds what a word is worth in a document.
    pub(crate) fn add(&mut self, segment: usize, doc: u32, score: f32, words: u32) {
        let Some(segment) = self.0.get_mut(segment) else {
            return;
        };
        if let Some((total, had)) = segment.documents.get_mut(doc as usize) {
            if *had == 0 {
                segment.touched.push(doc);
            }
            *total += score;
            *had |= words;
        }
    }
}

/// What was found of one course so far.
#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    /// Of its records.
    words: u32,
    score: f32,
    /// Of the best lesson; no words for none.
    lesson_words: u32,
    lesson_score: f32,
    segment: u32,
    doc: u32,
}

impl Gathered {
    fn is_new(&self) -> bool {
        self.words == 0 && self.lesson_words == 0
    }
}

/// Buffers by course, kept for the next search.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    courses: Vec<Gathered>,
    touched: Vec<u32>,
}

/// The columns of one segment that are read.
struct Columns {
    doc: Column<u64>,
    course: Column<u64>,
    number: Column<u64>,
}

impl Columns {
    fn of(segment: &SegmentReader) -> tantivy::Result<Self> {
        let fields = segment.fast_fields();
        Ok(Self {
            doc: fields.u64("doc")?,
            course: fields.u64("course")?,
            number: fields.u64("number")?,
        })
    }

    /// What decides among lessons that match alike: the number, then the row.
    fn order(&self, doc: u32) -> (Reverse<u64>, Reverse<u64>) {
        let first = |column: &Column<u64>| Reverse(column.first(doc).unwrap_or(0));
        (first(&self.number), first(&self.doc))
    }
}

impl Gathering {
    /// One match a course: words may be found in its record and in one of its
    /// lessons together. Empties the totals.
    pub(crate) fn by_course(
        &mut self,
        segments: &[SegmentReader],
        totals: &mut Totals,
        places: usize,
        place: &impl Fn(u64) -> Option<u32>,
    ) -> tantivy::Result<Vec<Match>> {
        if self.courses.len() < places {
            self.courses.resize(places, Gathered::default());
        }
        let columns: Vec<Columns> = segments
            .iter()
            .map(Columns::of)
            .collect::<tantivy::Result<_>>()?;
        // Records first: which lesson is best depends on what the record has.
        for records in [true, false] {
            let all = (0..).zip(&columns).zip(&mut totals.0);
            for ((segment, columns_here), totals) in all {
                let mut left = std::mem::take(&mut totals.touched);
                left.retain(|doc| {
                    let Some(slot) = totals.documents.get_mut(*doc as usize) else {
                        return false;
                    };
                    if records != (slot.1 & RECORD != 0) {
                        return true;
                    }
                    let (score, words) = std::mem::take(slot);
                    let course = columns_here.course.first(*doc).unwrap_or(0);
                    let Some(at) = place(course) else {
                        return false;
                    };
                    let Some(gathered) = self.courses.get_mut(at as usize) else {
                        return false;
                    };
                    if gathered.is_new() {
                        self.touched.push(at);
                    }
                    if records {
                        gathered.words |= words & !RECORD;
                        gathered.score += score;
                        return false;
                    }
                    let adds = |words: u32| (words | gathered.words).count_ones();
                    let (new, old) = (
                        (adds(words), score),
                        (adds(gathered.lesson_words), gathered.lesson_score),
                    );
                    let better = gathered.lesson_words == 0 || new > old || {
                        let best = columns.get(gathered.segment as usize);
                        new == old
                            && best.is_some_and(|best| {
                                columns_here.order(*doc) > best.order(gathered.doc)
                            })
                    };
                    if better {
                        (gathered.lesson_words, gathered.lesson_score) = (words, score);
                        (gathered.segment, gathered.doc) = (segment, *doc);
                    }
                    false
                });
                totals.touched = left;
            }
        }
        let matches = self.touched.drain(..).filter_map(|at| {
            let found = std::mem::take(self.courses.get_mut(at as usize)?);
            let lesson = (found.lesson_words != 0)
                .then(|| columns.get(found.segment as usize)?.doc.first(found.doc));
            Some(Match {
                at,
                words: found.words | found.lesson_words,
                score: found.score + found.lesson_score,
                lesson: lesson.flatten(),
            })
        });
        Ok(matches.collect())
    }
}
