//! What a word that is looked for stands for: itself, what it may be the
//! beginning of, its other forms in a language, and what it may be a misspelling
//! of. Each is found in the dictionary of a field.

use super::ask::Asked;
use super::search::{Budget, Manner};
use super::stem::{EVERYWHERE, Inflected};
use tantivy::postings::TermInfo;
use tantivy::query::{DfaWrapper, FuzzyTermQuery};
use tantivy::schema::Field;
use tantivy::termdict::TermDictionary;
use tantivy::{SegmentReader, Term};

/// Words that one unfinished or misspelt word may stand for, in one field of
/// one segment.
const MAX_FORMS: usize = 4_000;
/// Words of a dictionary that are tried as forms of one, in one field of one
/// segment.
const MAX_INFLECTED: usize = 1_000;
/// Similar words that are told, so that a snippet can mark them.
pub(super) const MAX_TOLD: usize = 24;

/// A form of a word found in a dictionary, and how good it is.
pub(super) struct Form {
    pub(super) info: TermInfo,
    pub(super) quality: f32,
    /// The languages in which it is one.
    pub(super) languages: u32,
}

/// A word to look for, with what recognises its other forms.
pub(super) struct Sought<'a> {
    pub(super) word: &'a Asked,
    pub(super) rarity: f32,
    pub(super) similar: Option<DfaWrapper>,
    pub(super) inflected: Option<Inflected>,
}

/// The words of a dictionary that the asked word stands for.
pub(super) fn forms(
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
    let begins = word.prefix || (manner != Manner::Exact && length >= 4);
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
        let begun = manner == Manner::Begun && may_be_begun(word);
        similar_forms(terms, word, begun, automaton, told, &mut forms, budget)?;
    }
    Ok(forms)
}

/// Words with the same stem in some language.
fn inflected_forms(
    terms: &TermDictionary,
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

/// Whether so much of an unfinished word is there that it can be told to be
/// misspelt.
pub(crate) fn may_be_begun(word: &Asked) -> bool {
    word.prefix && word.len() >= 5
}

/// What recognises words like this one, or, when it is only `begun`, words that
/// begin like it; `None` where only the word itself will do: short words, numbers.
pub(super) fn automaton(
    word: &Asked,
    begun: bool,
    field: Field,
) -> tantivy::Result<Option<DfaWrapper>> {
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
    let query = match begun {
        true => FuzzyTermQuery::new_prefix(term, distance, true),
        false => FuzzyTermQuery::new(term, distance, true),
    };
    query.automaton().map(Some)
}

fn similar_forms(
    terms: &TermDictionary,
    word: &Asked,
    begun: bool,
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
        let (near, begins) = edits(&word.text, form);
        let other = form.chars().next() != first;
        if form == word.text || (near > 1 && other) || (begun && begins == 0) {
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

/// Letters to add, drop, change or swap to make one word of the other; and to
/// make a beginning of the other of the first one.
fn edits(a: &str, b: &str) -> (usize, usize) {
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
    let least = row.iter().min().copied().unwrap_or(0);
    (row.last().copied().unwrap_or(0), least)
}
