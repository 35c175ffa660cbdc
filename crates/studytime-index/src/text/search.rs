//! Finding documents: word by word, with a weight for the field a word stands
//! in. The query's words never go through a parser; the work is bounded by the
//! postings that are read.
//!
//! A course whose name has a word comes before any whose keywords, description
//! and lessons all have it; below names, better fields count more but can be
//! outweighed by several lesser ones.

use super::ask::Asked;
use super::engine::TextReader;
use std::sync::{Mutex, PoisonError};
use tantivy::query::{DfaWrapper, FuzzyTermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{SegmentReader, Term};

/// Postings read for one query, at most. Beyond, later words and rarer forms
/// are not looked at any more.
const MAX_POSTINGS: u64 = 6_000_000;
/// Words that one unfinished or misspelt word may stand for, in one field of
/// one segment.
const MAX_FORMS: usize = 4_000;
/// Similar words that are told, so that a snippet can mark them.
const MAX_TOLD: usize = 24;

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
}

/// A document that has at least one of the words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// Number of the document.
    pub(crate) doc: u64,
    /// Number of its course.
    pub(crate) course: u64,
    /// Which of the words it has.
    pub(crate) words: u32,
    pub(crate) score: f32,
    /// Of a lesson: its number.
    pub(crate) number: u64,
    /// Whether it is a lesson's document.
    pub(crate) lesson: bool,
}

/// What a search gave.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    pub(crate) found: Vec<Found>,
    /// For each word, the similar words taken in for it.
    pub(crate) similar: Vec<Vec<String>>,
}

/// Buffers of searches, kept for the next one.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<Buffers>>);

#[derive(Debug, Default)]
struct Buffers {
    /// By document of a segment: score and words over all words so far.
    total: Vec<(f32, u32)>,
    /// The same for the word at hand.
    word: Vec<f32>,
    /// The best form of the word in the field at hand.
    field: Vec<f32>,
    /// Documents that are not zero in these.
    total_touched: Vec<u32>,
    word_touched: Vec<u32>,
    field_touched: Vec<u32>,
}

impl Scratch {
    fn take(&self) -> Buffers {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    fn give(&self, buffers: Buffers) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < 4 {
            free.push(buffers);
        }
    }
}

impl Buffers {
    fn size(&mut self, documents: usize) {
        if self.total.len() < documents {
            self.total.resize(documents, (0.0, 0));
            self.word.resize(documents, 0.0);
            self.field.resize(documents, 0.0);
        }
    }
}

/// One field to look in.
struct Place {
    field: Field,
    weight: f32,
    /// Its bit for a course document; 0 for fields of lessons.
    bit: u8,
}

/// A form of a word found in a dictionary, and how good it is.
struct Form {
    info: tantivy::postings::TermInfo,
    quality: f32,
}

/// Looks for the words. `counts` tells which fields of a course document count.
pub(crate) fn search(
    text: &TextReader,
    scratch: &Scratch,
    asked: &[Asked],
    manner: Manner,
    counts: impl Fn(u64) -> u8,
) -> tantivy::Result<Searched> {
    let searcher = text.searcher();
    let f = text.fields;
    // With the qualities below, the weakest hit in a name exceeds what all other
    // fields can add up to.
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
    let documents: u64 = searcher.num_docs().max(1);
    let mut buffers = scratch.take();
    let mut budget = MAX_POSTINGS;
    let mut out = Searched {
        found: Vec::new(),
        similar: vec![Vec::new(); asked.len()],
    };
    // The weight of a rare word must be the same in all segments: count first.
    let mut rarity = Vec::with_capacity(asked.len());
    for word in asked {
        let mut most = 0_u64;
        for place in &places {
            most = most.max(searcher.doc_freq(&Term::from_field_text(place.field, &word.text))?);
        }
        #[allow(clippy::cast_precision_loss)]
        let idf = (1.0 + documents as f32 / (1.0 + most as f32)).ln().max(0.2);
        rarity.push(idf);
    }
    // Made once: for a long word, making one takes longer than using it.
    let mut automata = Vec::with_capacity(asked.len());
    for word in asked {
        automata.push(automaton(word, manner, f.title)?);
    }
    for segment in searcher.segment_readers() {
        buffers.size(segment.max_doc() as usize);
        let docs = segment.fast_fields().u64("doc")?;
        let shown = |doc: u32| counts(docs.first(doc).unwrap_or(0));
        let words = asked
            .iter()
            .zip(&automata)
            .zip(&rarity)
            .zip(&mut out.similar);
        for (at, (((word, automaton), idf), told)) in words.enumerate() {
            for place in &places {
                let forms = forms(segment, place.field, word, manner, automaton.as_ref(), told)?;
                score_field(segment, place, &forms, &mut budget, &mut buffers)?;
                close_field(segment, place, &shown, &mut buffers);
            }
            close_word(at, *idf, &mut buffers);
        }
        close_segment(segment, &mut buffers, &mut out.found)?;
    }
    scratch.give(buffers);
    Ok(out)
}

/// The words of a dictionary that the asked word stands for.
fn forms(
    segment: &SegmentReader,
    field: Field,
    word: &Asked,
    manner: Manner,
    automaton: Option<&DfaWrapper>,
    told: &mut Vec<String>,
) -> tantivy::Result<Vec<Form>> {
    let index = segment.inverted_index(field)?;
    let terms = index.terms();
    let mut forms = Vec::new();
    if let Some(info) = terms.get(word.text.as_bytes())? {
        forms.push(Form { info, quality: 1.0 });
    }
    let length = word.len();
    let begins = word.prefix || (manner == Manner::Similar && length >= 4);
    if begins {
        let mut stream = terms.range().gt(word.text.as_bytes()).into_stream()?;
        while stream.advance() && stream.key().starts_with(word.text.as_bytes()) {
            if forms.len() >= MAX_FORMS {
                break;
            }
            let quality = if word.prefix { 0.85 } else { 0.6 };
            forms.push(Form {
                info: stream.value().clone(),
                quality,
            });
        }
    }
    if let Some(automaton) = automaton {
        similar_forms(terms, word, automaton, told, &mut forms)?;
    }
    Ok(forms)
}

/// What recognises words like this one; `None` where only the word itself will
/// do: short words, numbers.
fn automaton(word: &Asked, manner: Manner, field: Field) -> tantivy::Result<Option<DfaWrapper>> {
    let distance = match word.len() {
        0..=3 => return Ok(None),
        4..=7 => 1,
        _ => 2,
    };
    if manner == Manner::Exact || word.text.bytes().any(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    // Any field will do: only the text goes into the automaton.
    let term = Term::from_field_text(field, &word.text);
    FuzzyTermQuery::new(term, distance, true)
        .automaton()
        .map(Some)
}

fn similar_forms(
    terms: &tantivy::termdict::TermDictionary,
    word: &Asked,
    automaton: &DfaWrapper,
    told: &mut Vec<String>,
    forms: &mut Vec<Form>,
) -> tantivy::Result<()> {
    let mut stream = terms.search(automaton).into_stream()?;
    let first = word.text.chars().next();
    while stream.advance() {
        let Ok(form) = std::str::from_utf8(stream.key()) else {
            continue;
        };
        // Misspellings rarely begin with another letter; two letters away, such
        // a word is another word.
        let near = edits(&word.text, form);
        if form == word.text || (near > 1 && form.chars().next() != first) {
            continue;
        }
        let quality = if near <= 1 { 0.45 } else { 0.3 };
        forms.push(Form {
            info: stream.value().clone(),
            quality,
        });
        if told.len() < MAX_TOLD && !told.iter().any(|t| t == form) {
            told.push(form.to_owned());
        }
        if forms.len() >= MAX_FORMS {
            break;
        }
    }
    Ok(())
}

/// Letters to add, drop, change or swap to make one word of the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&row, j) + usize::from(x != y))
                .min(at(&row, j + 1) + 1)
                .min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

/// The best form of the word in each document's field.
fn score_field(
    segment: &SegmentReader,
    place: &Place,
    forms: &[Form],
    budget: &mut u64,
    buffers: &mut Buffers,
) -> tantivy::Result<()> {
    if forms.is_empty() {
        return Ok(());
    }
    let index = segment.inverted_index(place.field)?;
    let norms = segment.get_fieldnorms_reader(place.field)?;
    // What an occurrence is worth, by how often and among how many words.
    let mut lengths = [0.0_f32; 256];
    for (id, length) in (0..=u8::MAX).zip(&mut lengths) {
        #[allow(clippy::cast_precision_loss)]
        let words = tantivy::fieldnorm::FieldNormReader::id_to_fieldnorm(id) as f32;
        *length = 0.12 / words.max(1.0).sqrt();
    }
    for form in forms {
        let cost = u64::from(form.info.doc_freq);
        if cost > *budget {
            // The most frequent forms say least; rarer ones may still fit.
            continue;
        }
        *budget -= cost;
        let mut block =
            index.read_block_postings_from_terminfo(&form.info, IndexRecordOption::WithFreqs)?;
        while block.block_len() > 0 {
            for (doc, freq) in block.docs().iter().zip(block.freqs()) {
                #[allow(clippy::cast_precision_loss)]
                let often = 1.0 - 1.0 / (1.0 + *freq as f32);
                let length = lengths.get(usize::from(norms.fieldnorm_id(*doc))).copied();
                let quality = 0.76 + 0.12 * often + length.unwrap_or(0.0);
                let score = place.weight * form.quality * quality;
                if let Some(slot) = buffers.field.get_mut(*doc as usize) {
                    if *slot == 0.0 {
                        buffers.field_touched.push(*doc);
                    }
                    *slot = slot.max(score);
                }
            }
            block.advance();
        }
    }
    Ok(())
}

/// Adds a field's best forms to the word, where the field counts.
fn close_field(
    segment: &SegmentReader,
    place: &Place,
    shown: &impl Fn(u32) -> u8,
    buffers: &mut Buffers,
) {
    for doc in buffers.field_touched.drain(..) {
        let Some(score) = buffers.field.get_mut(doc as usize).map(std::mem::take) else {
            continue;
        };
        if segment.is_deleted(doc) || (place.bit != 0 && shown(doc) & place.bit == 0) {
            continue;
        }
        if let Some(slot) = buffers.word.get_mut(doc as usize) {
            if *slot == 0.0 {
                buffers.word_touched.push(doc);
            }
            *slot += score;
        }
    }
}

/// Adds a word to the whole.
fn close_word(at: usize, idf: f32, buffers: &mut Buffers) {
    for doc in buffers.word_touched.drain(..) {
        let Some(score) = buffers.word.get_mut(doc as usize).map(std::mem::take) else {
            continue;
        };
        if let Some((total, words)) = buffers.total.get_mut(doc as usize) {
            if *words == 0 {
                buffers.total_touched.push(doc);
            }
            *total += score * idf;
            *words |= 1 << (at & 31);
        }
    }
}

/// Gives the segment's documents, and leaves the buffers clean.
fn close_segment(
    segment: &SegmentReader,
    buffers: &mut Buffers,
    found: &mut Vec<Found>,
) -> tantivy::Result<()> {
    let fields = segment.fast_fields();
    let (docs, courses) = (fields.u64("doc")?, fields.u64("course")?);
    let numbers = fields.u64("number")?;
    for doc in buffers.total_touched.drain(..) {
        let Some((score, words)) = buffers.total.get_mut(doc as usize).map(std::mem::take) else {
            continue;
        };
        let row = docs.first(doc).unwrap_or(0);
        found.push(Found {
            doc: row,
            course: courses.first(doc).unwrap_or(0),
            words,
            score,
            number: numbers.first(doc).unwrap_or(0),
            lesson: row & 1 == 1,
        });
    }
    Ok(())
}
