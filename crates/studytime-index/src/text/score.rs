//! What documents are worth: one slot each, so that a posting costs one look at
//! memory. Fields and words are added up when the next one begins.
//!
//! A word that a good part of all lessons has says little of any one of them:
//! there a bit is kept for each lesson, not a slot, and all count alike.

use super::documents::Documents;
use super::forms::Form;
use super::search::Budget;
use super::stem::EVERYWHERE;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{InvertedIndexReader, SegmentReader};

/// A word is frequent in a field of lessons when one in so many has it, and so
/// many as the budget says.
const FREQUENT: u64 = 8;

/// What was found in one document.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Over all fields but the one at hand.
    total: f32,
    /// The best form of the word at hand in the field at hand.
    field: f32,
    /// Which of the words it has.
    words: u16,
    /// Which field of which word is at hand; 0 for none.
    turn: u16,
}

/// The documents that have a frequent word in a field.
#[derive(Debug, Default)]
struct Frequent {
    bits: Vec<u64>,
    word: u16,
    score: f32,
}

/// The documents of one segment.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Documents whose slot has something.
    touched: Vec<u64>,
    frequent: Vec<Frequent>,
    /// Bits that are not in use, none of them set.
    spare: Vec<Vec<u64>>,
    turn: u16,
}

/// The documents of 64 bits, first ones first.
fn each_bit(block: usize, mut bits: u64, mut each: impl FnMut(u32, u64)) {
    let first = u32::try_from(block * 64).unwrap_or(u32::MAX);
    while bits != 0 {
        let at = bits.trailing_zeros();
        bits &= bits - 1;
        each(first.saturating_add(at), 1 << at);
    }
}

impl Slots {
    /// Makes room for so many documents.
    pub(super) fn begin(&mut self, documents: usize) {
        self.turn = 0;
        if self.slots.len() < documents {
            self.slots.resize(documents, Slot::default());
            self.touched.resize(documents.div_ceil(64), 0);
            self.spare.clear();
        }
    }

    /// Adds a field of a word to a document.
    fn add(&mut self, doc: u32, word: u16, score: f32) {
        let Some(slot) = self.slots.get_mut(doc as usize) else {
            return;
        };
        if slot.turn == self.turn {
            slot.field = slot.field.max(score);
            return;
        }
        if slot.turn == 0
            && let Some(block) = self.touched.get_mut(doc as usize / 64)
        {
            *block |= 1 << (doc % 64);
        }
        slot.total += slot.field;
        slot.field = score;
        slot.words |= word;
        slot.turn = self.turn;
    }

    /// Empties the slots of these documents, and tells each that has something
    /// with its words and its score.
    pub(super) fn take(&mut self, some: &[u64], mut each: impl FnMut(u32, u16, f32)) {
        for (block, (touched, some)) in self.touched.iter_mut().zip(some).enumerate() {
            each_bit(block, *touched & some, |doc, _| {
                if let Some(slot) = self.slots.get_mut(doc as usize) {
                    let slot = std::mem::take(slot);
                    each(doc, slot.words, slot.total + slot.field);
                }
            });
            *touched &= !some;
        }
    }

    /// The same for all that are left, with what is frequent.
    pub(super) fn take_rest(&mut self, mut each: impl FnMut(u32, u16, f32)) {
        for (block, touched) in self.touched.iter_mut().enumerate() {
            let some = |f: &Frequent| f.bits.get(block).copied().unwrap_or(0);
            let any = self
                .frequent
                .iter()
                .fold(*touched, |bits, f| bits | some(f));
            each_bit(block, any, |doc, bit| {
                let (mut words, mut score) = (0, 0.0);
                if *touched & bit != 0
                    && let Some(slot) = self.slots.get_mut(doc as usize)
                {
                    let slot = std::mem::take(slot);
                    (words, score) = (slot.words, slot.total + slot.field);
                }
                for frequent in &self.frequent {
                    if some(frequent) & bit != 0 {
                        words |= frequent.word;
                        score += frequent.score;
                    }
                }
                each(doc, words, score);
            });
            *touched = 0;
        }
        for mut frequent in self.frequent.drain(..) {
            frequent.bits.fill(0);
            self.spare.push(frequent.bits);
        }
    }
}

/// One field to look in.
pub(super) struct Place {
    pub(super) field: Field,
    pub(super) weight: f32,
    /// Its bit for a record of a course; 0 for fields of lessons.
    pub(super) bit: u8,
}

/// The part of a segment that is scored: a field, for a word.
pub(super) struct Scored<'a> {
    pub(super) segment: &'a SegmentReader,
    pub(super) documents: &'a Documents,
    pub(super) place: &'a Place,
    /// The word's bit, and what it is worth.
    pub(super) word: u16,
    pub(super) rarity: f32,
}

impl Scored<'_> {
    /// Adds the best form of the word to each document that has one. `counts`
    /// tells which fields count of the record in a row, `language` the bit of the
    /// language of the course of a number.
    pub(super) fn add(
        &self,
        forms: &[Form],
        counts: &impl Fn(u32) -> u8,
        language: &impl Fn(u32) -> u32,
        budget: &mut Budget,
        slots: &mut Slots,
    ) -> tantivy::Result<()> {
        slots.turn += 1;
        if forms.is_empty() {
            return Ok(());
        }
        let place = self.place;
        let index = self.segment.inverted_index(place.field)?;
        let postings: u64 = forms.iter().map(|f| u64::from(f.info.doc_freq)).sum();
        let frequent = u64::from(self.segment.max_doc()) / FREQUENT;
        if place.bit == 0 && postings > frequent.max(budget.frequent) {
            return self.add_frequent(&index, forms, language, budget, slots);
        }
        let norms = self.segment.get_fieldnorms_reader(place.field)?;
        for form in forms {
            if !budget.read(form) {
                continue;
            }
            let worth = Worth::new(place.weight * form.quality * self.rarity);
            let mut block = index
                .read_block_postings_from_terminfo(&form.info, IndexRecordOption::WithFreqs)?;
            while block.block_len() > 0 {
                for (doc, freq) in block.docs().iter().zip(block.freqs()) {
                    let all = place.bit == 0 && form.languages == EVERYWHERE;
                    if !all && !self.fits(*doc, form, counts, language) {
                        continue;
                    }
                    let score = worth.of(norms.fieldnorm_id(*doc), *freq);
                    slots.add(*doc, self.word, score);
                }
                block.advance();
            }
        }
        Ok(())
    }

    /// The same for a word that a good part of all lessons has.
    fn add_frequent(
        &self,
        index: &InvertedIndexReader,
        forms: &[Form],
        language: &impl Fn(u32) -> u32,
        budget: &mut Budget,
        slots: &mut Slots,
    ) -> tantivy::Result<()> {
        let blocks = slots.touched.len();
        let mut bits = slots.spare.pop().unwrap_or_else(|| vec![0; blocks]);
        let mut best = 0.0_f32;
        for form in forms {
            if !budget.read(form) {
                continue;
            }
            best = best.max(form.quality);
            let mut block =
                index.read_block_postings_from_terminfo(&form.info, IndexRecordOption::Basic)?;
            while block.block_len() > 0 {
                for doc in block.docs() {
                    let fits = form.languages == EVERYWHERE
                        || language(self.documents.course(*doc)) & form.languages != 0;
                    if let Some(block) = bits.get_mut(*doc as usize / 64) {
                        *block |= u64::from(fits) << (doc % 64);
                    }
                }
                block.advance();
            }
        }
        slots.frequent.push(Frequent {
            bits,
            word: self.word,
            // As one that stands there once, in a text of some length.
            score: self.place.weight * best * self.rarity * 0.83,
        });
        Ok(())
    }

    /// Whether a form counts in a document: the field is the one that is shown,
    /// and it is a form of the word in the course's language.
    fn fits(
        &self,
        doc: u32,
        form: &Form,
        counts: &impl Fn(u32) -> u8,
        language: &impl Fn(u32) -> u32,
    ) -> bool {
        let shown = self.place.bit == 0 || counts(self.documents.row(doc)) & self.place.bit != 0;
        let course = || self.documents.course(doc);
        shown && (form.languages == EVERYWHERE || language(course()) & form.languages != 0)
    }
}

/// What an occurrence of a form is worth, by how often it stands among how many
/// words: made once, as it is asked for every posting.
struct Worth {
    often: [f32; 16],
    length: [f32; 256],
}

impl Worth {
    fn new(most: f32) -> Self {
        let mut often = [0.0; 16];
        for (freq, often) in (0_u8..).zip(&mut often) {
            *often = most * 0.12 * (1.0 - 1.0 / (1.0 + f32::from(freq)));
        }
        let mut length = [0.0; 256];
        for (id, length) in (0..=u8::MAX).zip(&mut length) {
            #[allow(clippy::cast_precision_loss)]
            let words = FieldNormReader::id_to_fieldnorm(id) as f32;
            *length = most * (0.76 + 0.12 / words.max(1.0).sqrt());
        }
        Self { often, length }
    }

    fn of(&self, length: u8, freq: u32) -> f32 {
        let often = self.often.get(freq.min(15) as usize);
        let length = self.length.get(usize::from(length));
        often.copied().unwrap_or(0.0) + length.copied().unwrap_or(0.0)
    }
}
