//! What documents are worth: one slot each, so that a posting costs one look at
//! memory. Fields and words are added up when the next one begins.

use super::documents::Documents;
use super::forms::Form;
use super::search::Budget;
use super::stem::EVERYWHERE;
use tantivy::SegmentReader;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::schema::{Field, IndexRecordOption};

/// What was found in one document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// Over all fields but the one at hand.
    total: f32,
    /// The best form of the word at hand in the field at hand.
    field: f32,
    /// Which of the words it has.
    words: u32,
    /// Which field of which word is at hand; 0 for none.
    turn: u32,
}

/// The documents of one segment.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Documents that have something: the first ones.
    touched: Vec<u32>,
    turn: u32,
}

impl Slots {
    /// Makes room for so many documents.
    pub(super) fn begin(&mut self, documents: usize) {
        self.turn = 0;
        if self.slots.len() < documents {
            self.slots.resize(documents, Slot::default());
        }
    }

    /// Of how many documents it is told which ones they are; with more, it is
    /// quicker to look at all.
    fn few(&self) -> usize {
        self.slots.len() / 8 + 16
    }

    /// Adds a field of a word to a document.
    fn add(&mut self, doc: u32, word: u32, score: f32) {
        let few = self.few();
        let Some(slot) = self.slots.get_mut(doc as usize) else {
            return;
        };
        if slot.turn == self.turn {
            slot.field = slot.field.max(score);
            return;
        }
        if slot.turn == 0 && self.touched.len() < few {
            self.touched.push(doc);
        }
        slot.total += slot.field;
        slot.field = score;
        slot.words |= word;
        slot.turn = self.turn;
    }

    /// Tells each document that has something, with its words and its score;
    /// `each` says whether to forget it. After `last` all are forgotten.
    pub(super) fn each(&mut self, last: bool, mut each: impl FnMut(u32, u32, f32) -> bool) {
        let (few, count) = (self.few(), self.slots.len());
        let slots = &mut self.slots;
        let mut one = |doc: u32| {
            if let Some(slot) = slots.get_mut(doc as usize)
                && slot.turn != 0
                && (each(doc, slot.words, slot.total + slot.field) || last)
            {
                *slot = Slot::default();
            }
        };
        if self.touched.len() < few {
            self.touched.iter().copied().for_each(&mut one);
        } else {
            (0..u32::try_from(count).unwrap_or(u32::MAX)).for_each(&mut one);
        }
        if last {
            self.touched.clear();
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
    pub(super) word: u32,
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
        let norms = self.segment.get_fieldnorms_reader(place.field)?;
        for form in forms {
            let cost = u64::from(form.info.doc_freq);
            let Some(left) = budget.postings.checked_sub(cost) else {
                // The most frequent forms say least; rarer ones may still fit.
                continue;
            };
            budget.postings = left;
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

    /// Whether a form counts in a document: the field is the one that is shown,
    /// and it is a form of the word in the course's language.
    fn fits(
        &self,
        doc: u32,
        form: &Form,
        counts: &impl Fn(u32) -> u8,
        language: &impl Fn(u32) -> u32,
    ) -> bool {
        let shown = self.place.bit == 0 || counts(self.documents.rest(doc)) & self.place.bit != 0;
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
