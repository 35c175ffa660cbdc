//! Finding documents: word by word, with a weight for the field a word stands
//! in. The query's words never go through a parser; the work is bounded by the
//! postings that are read.
//!
//! A course whose name has a word comes before any whose keywords, description
//! and lessons all have it; below names, better fields count more but can be
//! outweighed by several lesser ones.

use super::ask::{Asked, MAX_WORDS};
use super::engine::TextReader;
use super::gather::{Gathering, Match, RECORD, Totals};
use super::stem::{EVERYWHERE, Inflected, Languages};
use std::sync::{Mutex, PoisonError};
use tantivy::query::{DfaWrapper, FuzzyTermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{SegmentReader, Term};

/// Postings read for one query, at most. Beyond, later words and rarer forms
/// are not looked at any more.
const MAX_POSTINGS: u64 = 6_000_000;
/// Words of dictionaries looked at for one query, at most.
const MAX_STEPS: u64 = 120_000;
/// Words that one unfinished or misspelt word may stand for, in one field of
/// one segment.
const MAX_FORMS: usize = 4_000;
/// Words of a query that misspellings are looked for of: its longest.
const MAX_MISSPELT: usize = 4;
/// Words of a dictionary that are tried as forms of one, in one field of one
/// segment.
const MAX_INFLECTED: usize = 1_000;
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

/// What one search may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Budget {
    /// Postings to read.
    postings: u64,
    /// Words of dictionaries to look at.
    steps: u64,
}

impl Budget {
    const WHOLE: Self = Self {
        postings: MAX_POSTINGS,
        steps: MAX_STEPS,
    };

    /// One word of a dictionary more; `false` when that is too many.
    fn step(&mut self) -> bool {
        let left = self.steps.checked_sub(1);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }
}

/// What a search gave.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    /// The courses that have at least one of the words, in no order.
    pub(crate) matches: Vec<Match>,
    /// For each word, the similar words taken in for it.
    pub(crate) similar: Vec<Vec<String>>,
    /// What it might still have done.
    left: Budget,
}

/// Buffers of searches, kept for the next one.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<Buffers>>);

#[derive(Debug, Default)]
struct Buffers {
    /// By document: score and words over all words so far.
    totals: Totals,
    /// By document of a segment, for the word at hand.
    word: Vec<f32>,
    /// The best form of the word in the field at hand.
    field: Vec<f32>,
    /// Documents that are not zero in these.
    word_touched: Vec<u32>,
    field_touched: Vec<u32>,
    gathering: Gathering,
}

impl Scratch {
    fn take(&self) -> Buffers {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    fn give(&self, buffers: Buffers) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < 2 {
            free.push(buffers);
        }
    }
}

impl Buffers {
    fn size(&mut self, documents: usize) {
        if self.word.len() < documents {
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
    /// The languages in which it is one.
    languages: u32,
}

/// What a search must know of the courses that documents belong to.
pub(crate) struct Courses<'a, C, L, P> {
    /// Which fields of a course document count.
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

/// A word to look for, with what recognises its other forms.
struct Sought<'a> {
    word: &'a Asked,
    rarity: f32,
    similar: Option<DfaWrapper>,
    inflected: Option<Inflected>,
}

/// Looks for the words.
pub(crate) fn search<C, L, P>(
    text: &TextReader,
    scratch: &Scratch,
    asked: &[Asked],
    manner: Manner,
    courses: &Courses<'_, C, L, P>,
) -> tantivy::Result<Searched>
where
    C: Fn(u64) -> u8,
    L: Fn(u64) -> u32,
    P: Fn(u64) -> Option<u32>,
{
    search_within(Budget::WHOLE, text, scratch, asked, manner, courses)
}

fn search_within<C, L, P>(
    whole: Budget,
    text: &TextReader,
    scratch: &Scratch,
    asked: &[Asked],
    manner: Manner,
    courses: &Courses<'_, C, L, P>,
) -> tantivy::Result<Searched>
where
    C: Fn(u64) -> u8,
    L: Fn(u64) -> u32,
    P: Fn(u64) -> Option<u32>,
{
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
    let mut budget = whole;
    let mut out = Searched {
        matches: Vec::new(),
        similar: vec![Vec::new(); asked.len()],
        left: whole,
    };
    let mut lengths: Vec<usize> = asked.iter().map(Asked::len).collect();
    lengths.sort_unstable_by_key(|l| std::cmp::Reverse(*l));
    let long = lengths.get(MAX_MISSPELT).map_or(0, |l| l + 1);
    let mut sought = Vec::with_capacity(asked.len());
    for word in asked {
        let misspelt = manner == Manner::Similar && word.len() >= long;
        // The weight of a rare word must be the same in all segments: count first.
        let mut most = 0_u64;
        for place in &places {
            most = most.max(searcher.doc_freq(&Term::from_field_text(place.field, &word.text))?);
        }
        #[allow(clippy::cast_precision_loss)]
        let rarity = (1.0 + documents as f32 / (1.0 + most as f32)).ln().max(0.2);
        sought.push(Sought {
            word,
            rarity,
            // Made once: for a long word, making one takes longer than using it.
            similar: if misspelt {
                automaton(word, f.title)?
            } else {
                None
            },
            inflected: courses.languages.forms_of(&word.text),
        });
    }
    for (number, segment) in searcher.segment_readers().iter().enumerate() {
        buffers.size(segment.max_doc() as usize);
        buffers.totals.begin(number, segment.max_doc() as usize);
        let fields = segment.fast_fields();
        let (docs, numbers) = (fields.u64("doc")?, fields.u64("course")?);
        let shown = |doc: u32| (courses.counts)(docs.first(doc).unwrap_or(0));
        let language = |doc: u32| (courses.language)(numbers.first(doc).unwrap_or(0));
        let words = sought.iter_mut().zip(&mut out.similar).enumerate();
        for (at, (sought, told)) in words {
            for place in &places {
                let forms = forms(segment, place.field, sought, manner, told, &mut budget)?;
                score_field(segment, place, &forms, &language, &mut budget, &mut buffers)?;
                close_field(segment, place, &shown, &mut buffers);
            }
            close_word(at, sought.rarity, number, &mut buffers);
        }
    }
    let Buffers {
        totals, gathering, ..
    } = &mut buffers;
    let segments = searcher.segment_readers();
    out.matches = gathering.by_course(segments, totals, courses.places, &courses.place)?;
    scratch.give(buffers);
    out.left = budget;
    Ok(out)
}

/// The words of a dictionary that the asked word stands for.
fn forms(
    segment: &SegmentReader,
    field: Field,
    sought: &mut Sought<'_>,
    manner: Manner,
    told: &mut Vec<String>,
    budget: &mut Budget,
) -> tantivy::Result<Vec<Form>> {
    let word = sought.word;
    let index = segment.inverted_index(field)?;
    let terms = index.terms();
    let mut forms = Vec::new();
    if let Some(info) = terms.get(word.text.as_bytes())? {
        forms.push(Form {
            info,
            quality: 1.0,
            languages: EVERYWHERE,
        });
    }
    let length = word.len();
    let begins = word.prefix || (manner == Manner::Similar && length >= 4);
    if let Some(inflected) = &mut sought.inflected {
        inflected_forms(terms, word, inflected, told, &mut forms, budget)?;
    }
    if begins {
        let mut stream = terms.range().gt(word.text.as_bytes()).into_stream()?;
        while stream.advance() && stream.key().starts_with(word.text.as_bytes()) {
            if forms.len() >= MAX_FORMS || !budget.step() {
                break;
            }
            let quality = if word.prefix { 0.85 } else { 0.6 };
            forms.push(Form {
                info: stream.value().clone(),
                quality,
                languages: EVERYWHERE,
            });
        }
    }
    if let Some(automaton) = &sought.similar {
        similar_forms(terms, word, automaton, told, &mut forms, budget)?;
    }
    Ok(forms)
}

/// Words with the same stem in some language.
fn inflected_forms(
    terms: &tantivy::termdict::TermDictionary,
    word: &Asked,
    inflected: &mut Inflected,
    told: &mut Vec<String>,
    forms: &mut Vec<Form>,
    budget: &mut Budget,
) -> tantivy::Result<()> {
    let root = inflected.root.clone();
    let mut stream = terms.range().ge(root.as_bytes()).into_stream()?;
    for _ in 0..MAX_INFLECTED {
        if !budget.step() || !stream.advance() || !stream.key().starts_with(root.as_bytes()) {
            break;
        }
        let Ok(form) = std::str::from_utf8(stream.key()) else {
            continue;
        };
        // What begins with an unfinished word is taken in as such.
        if form == word.text || (word.prefix && form.starts_with(&word.text)) {
            continue;
        }
        let languages = inflected.languages(form);
        if languages == 0 {
            continue;
        }
        forms.push(Form {
            info: stream.value().clone(),
            quality: 0.9,
            languages,
        });
        if told.len() < MAX_TOLD && !told.iter().any(|t| t == form) {
            told.push(form.to_owned());
        }
    }
    Ok(())
}

/// What recognises words like this one; `None` where only the word itself will
/// do: short words, numbers.
fn automaton(word: &Asked, field: Field) -> tantivy::Result<Option<DfaWrapper>> {
    let distance = match word.len() {
        0..=3 => return Ok(None),
        4..=7 => 1,
        _ => 2,
    };
    if word.text.bytes().any(|b| b.is_ascii_digit()) {
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
    budget: &mut Budget,
) -> tantivy::Result<()> {
    let mut stream = terms.search(automaton).into_stream()?;
    let first = word.text.chars().next();
    while budget.step() && stream.advance() {
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
            languages: EVERYWHERE,
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
    language: &impl Fn(u32) -> u32,
    budget: &mut Budget,
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
        let Some(left) = budget.postings.checked_sub(cost) else {
            // The most frequent forms say least; rarer ones may still fit.
            continue;
        };
        budget.postings = left;
        let mut block =
            index.read_block_postings_from_terminfo(&form.info, IndexRecordOption::WithFreqs)?;
        while block.block_len() > 0 {
            for (doc, freq) in block.docs().iter().zip(block.freqs()) {
                #[allow(clippy::cast_precision_loss)]
                let often = 1.0 - 1.0 / (1.0 + *freq as f32);
                let length = lengths.get(usize::from(norms.fieldnorm_id(*doc))).copied();
                let quality = 0.76 + 0.12 * often + length.unwrap_or(0.0);
                let score = place.weight * form.quality * quality;
                if form.languages != EVERYWHERE && language(*doc) & form.languages == 0 {
                    continue;
                }
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
    let alive = segment.alive_bitset();
    for doc in buffers.field_touched.drain(..) {
        let Some(score) = buffers.field.get_mut(doc as usize).map(std::mem::take) else {
            continue;
        };
        if alive.is_some_and(|a| a.is_deleted(doc))
            || (place.bit != 0 && shown(doc) & place.bit == 0)
        {
            continue;
        }
        if let Some(slot) = buffers.word.get_mut(doc as usize) {
            if *slot == 0.0 {
                buffers.word_touched.push(doc);
            }
            // The sign tells later what the document is of.
            *slot += if place.bit == 0 { score } else { -score };
        }
    }
}

/// Adds a word to the whole.
fn close_word(at: usize, rarity: f32, segment: usize, buffers: &mut Buffers) {
    for doc in buffers.word_touched.drain(..) {
        let Some(score) = buffers.word.get_mut(doc as usize).map(std::mem::take) else {
            continue;
        };
        let record = if score < 0.0 { RECORD } else { 0 };
        let words = 1 << (at % MAX_WORDS) | record;
        buffers
            .totals
            .add(segment, doc, score.abs() * rarity, words);
    }
}

#[cfg(test)]
mod tests;
