//! Finding documents: word by word, with a weight for the field a word stands
//! in. The query's words never go through a parser; the work is bounded by the
//! postings that are read.
//!
//! A course whose name has a word comes before any whose keywords, description
//! and lessons all have it; below names, better fields count more but can be
//! outweighed by several lesser ones.

use super::ask::{Asked, MAX_WORDS};
use super::documents::Known;
use super::engine::TextReader;
use super::forms::{Form, Sought, automaton, forms, may_be_begun};
use super::gather::{Address, Gathering, Match};
use super::score::{Place, Scored, Slots};
use super::stem::Languages;
use std::sync::{Mutex, PoisonError};
use tantivy::{Searcher, Term};

/// Postings read for one query, at most. Beyond, later words and rarer forms
/// are not looked at any more.
const MAX_POSTINGS: u64 = 6_000_000;
/// Words of dictionaries looked at for one query, at most.
const MAX_STEPS: u64 = 120_000;
/// Lessons that have a word in one field and are looked at one by one, in one
/// segment; with more, all count alike.
const MAX_SINGLE: u64 = 20_000;
/// Words of a query that misspellings are looked for of: its longest.
const MAX_MISSPELT: usize = 4;
/// Fields of a course document that count, as a set of bits: which of the
/// merged record's fields come from that row.
pub(crate) const NAME: u8 = 1;
pub(crate) const KEYWORDS: u8 = 2;
pub(crate) const PROVIDER: u8 = 4;
pub(crate) const ABOUT: u8 = 8;

/// How words are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As typed; the last word may be unfinished.
    Exact,
    /// Also words that are a letter or two away, and words that begin with one
    /// that was typed.
    Similar,
    /// Also words whose beginning is a letter or two away from the last word:
    /// that may be misspelt and unfinished.
    Begun,
}

/// What one search may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Budget {
    /// Postings to read.
    pub(super) postings: u64,
    /// Words of dictionaries to look at.
    pub(super) steps: u64,
    /// Lessons of a segment of which each is looked at on its own.
    pub(super) frequent: u64,
}

impl Budget {
    const WHOLE: Self = Self {
        postings: MAX_POSTINGS,
        steps: MAX_STEPS,
        frequent: MAX_SINGLE,
    };

    /// The postings of one form more; `false` when they are too many. The most
    /// frequent forms say least; rarer ones may still fit.
    pub(super) fn read(&mut self, form: &Form) -> bool {
        let left = self.postings.checked_sub(form.info.doc_freq.into());
        self.postings = left.unwrap_or(self.postings);
        left.is_some()
    }

    /// One word of a dictionary more; `false` when that is too many.
    pub(super) fn step(&mut self) -> bool {
        let left = self.steps.checked_sub(1);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }
}

/// What a search gave.
pub(crate) struct Searched {
    /// The courses that have at least one of the words, in no order.
    pub(crate) matches: Vec<Match>,
    /// For each word, the similar words taken in for it.
    pub(crate) similar: Vec<Vec<String>>,
    /// What it might still have done.
    #[cfg(test)]
    left: Budget,
}

/// Buffers of searches, kept for the next one, and what is known of documents.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    known: Known,
    free: Mutex<Vec<Buffers>>,
}

#[derive(Debug, Default)]
struct Buffers {
    /// By segment.
    slots: Vec<Slots>,
    gathering: Gathering,
}

impl Scratch {
    fn take(&self) -> Buffers {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    fn give(&self, buffers: Buffers) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < 2 {
            free.push(buffers);
        }
    }
}

/// What a search must know of the courses that documents belong to.
pub(crate) struct Courses<'a, C, L, P> {
    /// Which fields of a record count, by its row.
    pub(crate) counts: C,
    /// The languages there are.
    pub(crate) languages: &'a Languages,
    /// The bit of a course's language in these, by its number.
    pub(crate) language: L,
    /// A course's place by its number, below `places`; `None` for one that is not
    /// shown.
    pub(crate) place: P,
    pub(crate) places: usize,
}

/// A state of the text index to look into.
pub(crate) struct Texts<'a> {
    searcher: Searcher,
    reader: &'a TextReader,
    scratch: &'a Scratch,
}

impl<'a> Texts<'a> {
    /// The state as of now.
    pub(crate) fn now(reader: &'a TextReader, scratch: &'a Scratch) -> Self {
        Self {
            searcher: reader.searcher(),
            reader,
            scratch,
        }
    }

    /// The number that a document's row has ([`Doc::doc`](super::Doc)).
    pub(crate) fn doc(&self, at: Address) -> tantivy::Result<Option<u64>> {
        let segments = self.searcher.segment_readers();
        let Some(segment) = segments.get(at.segment as usize) else {
            return Ok(None);
        };
        Ok(segment.fast_fields().u64("doc")?.first(at.doc))
    }

    /// Looks for the words.
    pub(crate) fn search<C, L, P>(
        &self,
        asked: &[Asked],
        manner: Manner,
        courses: &Courses<'_, C, L, P>,
    ) -> tantivy::Result<Searched>
    where
        C: Fn(u32) -> u8,
        L: Fn(u64) -> u32,
        P: Fn(u64) -> Option<u32>,
    {
        self.search_within(Budget::WHOLE, asked, manner, courses)
    }

    fn search_within<C, L, P>(
        &self,
        whole: Budget,
        asked: &[Asked],
        manner: Manner,
        courses: &Courses<'_, C, L, P>,
    ) -> tantivy::Result<Searched>
    where
        C: Fn(u32) -> u8,
        L: Fn(u64) -> u32,
        P: Fn(u64) -> Option<u32>,
    {
        let segments = self.searcher.segment_readers();
        let known = self.scratch.known.of(segments)?;
        let places = self.places(asked);
        let mut sought = self.sought(asked, manner, &places, courses.languages)?;
        let mut buffers = self.scratch.take();
        let Buffers { slots, gathering } = &mut buffers;
        if slots.len() < segments.len() {
            slots.resize_with(segments.len(), Slots::default);
        }
        let language = |course: u32| (courses.language)(course.into());
        let mut budget = whole;
        let mut similar = vec![Vec::new(); asked.len()];
        for ((segment, documents), slots) in segments.iter().zip(&known).zip(slots.iter_mut()) {
            slots.begin(documents.len());
            for (at, (sought, told)) in sought.iter_mut().zip(&mut similar).enumerate() {
                for place in &places {
                    let forms = forms(segment, place.field, sought, manner, told, &mut budget)?;
                    let scored = Scored {
                        segment,
                        documents,
                        place,
                        word: 1 << (at % MAX_WORDS),
                        rarity: sought.rarity,
                    };
                    scored.add(&forms, &courses.counts, &language, &mut budget, slots)?;
                }
            }
        }
        let slots = slots.get_mut(..segments.len()).unwrap_or_default();
        let matches = gathering.by_course(segments, &known, slots, courses.places, &courses.place);
        self.scratch.give(buffers);
        Ok(Searched {
            matches,
            similar,
            #[cfg(test)]
            left: budget,
        })
    }

    /// The fields to look in, and what they weigh.
    fn places(&self, asked: &[Asked]) -> Vec<Place> {
        let f = self.reader.fields;
        // With the qualities of forms, the weakest hit in a name exceeds what all
        // other fields can add up to.
        let place = |field, weight, bit| Place { field, weight, bit };
        let mut places = vec![
            place(f.title, 64.0, NAME),
            place(f.keywords, 16.0, KEYWORDS),
            place(f.provider, 8.0, PROVIDER),
            place(f.about, 5.0, ABOUT),
            place(f.lesson, 2.5, 0),
            place(f.body, 1.0, 0),
        ];
        if let [one] = asked
            && one.prefix
            && one.len() == 1
            && one.text.is_ascii()
        {
            // A single letter would match everything: names only.
            places.truncate(1);
        }
        places
    }

    /// The words with what is known of them before any segment is looked into.
    fn sought<'b>(
        &self,
        asked: &'b [Asked],
        manner: Manner,
        places: &[Place],
        languages: &Languages,
    ) -> tantivy::Result<Vec<Sought<'b>>> {
        let documents: u64 = self.searcher.num_docs().max(1);
        let mut lengths: Vec<usize> = asked.iter().map(Asked::len).collect();
        lengths.sort_unstable_by_key(|l| std::cmp::Reverse(*l));
        let long = lengths.get(MAX_MISSPELT).map_or(0, |l| l + 1);
        let mut sought = Vec::with_capacity(asked.len());
        for word in asked {
            let misspelt = manner != Manner::Exact && word.len() >= long;
            let begun = manner == Manner::Begun && may_be_begun(word);
            // The weight of a rare word must be the same in all segments: count
            // first.
            let mut most = 0_u64;
            for place in places {
                let term = Term::from_field_text(place.field, &word.text);
                most = most.max(self.searcher.doc_freq(&term)?);
            }
            #[allow(clippy::cast_precision_loss)]
            let rarity = (1.0 + documents as f32 / (1.0 + most as f32)).ln().max(0.2);
            sought.push(Sought {
                word,
                rarity,
                // Made once: for a long word, making one takes longer than using it.
                similar: match misspelt {
                    true => automaton(word, begun, self.reader.fields.title)?,
                    false => None,
                },
                inflected: languages.forms_of(&word.text),
            });
        }
        Ok(sought)
    }
}

#[cfg(test)]
mod tests;
