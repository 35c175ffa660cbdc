//! Words that are forms of one another: "database" and "databases".
//!
//! Which words those are depends on the language, which a query does not tell.
//! So a word that is looked for stands, in the courses of each language, for
//! whatever has the same stem there. The dictionary is asked for such words when
//! a query comes: documents need not be made anew when the language of their
//! course becomes known or changes.

use frostem::Stemmer;
use std::collections::HashMap;

/// Languages that are told apart in one search, at most: each is a bit.
pub(crate) const MAX_LANGUAGES: usize = 32;
/// Letters that all forms of a word have in common at its start, at least.
const MIN_ROOT: usize = 3;
/// Letters that a form may have more than the word.
const MAX_LONGER: usize = 8;

/// Every language, and none: what matches matches everywhere.
pub(crate) const EVERYWHERE: u32 = u32::MAX;

/// The languages of the courses there are, in the order of their bits.
#[derive(Clone, Default)]
pub(crate) struct Languages(Vec<Stemmer>);

impl std::fmt::Debug for Languages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|s| s.algorithm()))
            .finish()
    }
}

/// What knows the forms of a language's words; `None` where nothing does.
pub(crate) fn stemmer(language: &str) -> Option<Stemmer> {
    // Names of algorithms that are no language's own are no tags.
    let tag = language.len() <= 3;
    tag.then(|| Stemmer::try_from_name(language).ok()).flatten()
}

impl Languages {
    /// Takes one in; gives its bit, 0 when there is no room.
    pub(crate) fn add(&mut self, stemmer: Stemmer) -> u32 {
        let known = self
            .0
            .iter()
            .position(|s| s.algorithm() == stemmer.algorithm());
        let at = known.unwrap_or(self.0.len());
        if known.is_none() {
            if at >= MAX_LANGUAGES - 1 {
                return 0;
            }
            self.0.push(stemmer);
        }
        1 << at
    }

    /// What a word's forms are known by; `None` when no language changes it.
    pub(crate) fn forms_of(&self, word: &str) -> Option<Inflected> {
        if word.chars().any(|c| !c.is_alphabetic() && !is_mark(c)) {
            return None;
        }
        let letters = word.chars().count();
        let mut stems = Vec::new();
        for (bit, stemmer) in self.0.iter().enumerate() {
            let stem = stemmer.stem(word);
            let root = common(word, &stem);
            // English and its kin write the same ending -i- or -y: cities, city.
            let root = match root.strip_suffix('i') {
                Some(shorter) if root.len() == stem.len() => shorter,
                _ => root,
            };
            if root.chars().count() >= MIN_ROOT.min(letters) && letters >= MIN_ROOT {
                stems.push(Stem {
                    bit: 1 << bit,
                    stemmer: *stemmer,
                    root: root.to_owned(),
                    stem: stem.into_owned(),
                });
            }
        }
        let root = stems
            .iter()
            .map(|s| &s.root)
            .min_by_key(|r| r.len())?
            .clone();
        Some(Inflected {
            root,
            most: letters + MAX_LONGER,
            stems,
            known: HashMap::new(),
        })
    }
}

/// A vowel sign or the like, which some scripts write as a character of its own.
fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x0900..=0x0DFF)
}

struct Stem {
    bit: u32,
    stemmer: Stemmer,
    root: String,
    stem: String,
}

/// The forms of one word, in all languages.
pub(crate) struct Inflected {
    /// All of them begin with it.
    pub(crate) root: String,
    /// Letters of the longest.
    most: usize,
    stems: Vec<Stem>,
    /// What was found out already: the same words stand in many dictionaries.
    known: HashMap<String, u32>,
}

impl Inflected {
    /// The languages in which `other` is a form of the word.
    pub(crate) fn languages(&mut self, other: &str) -> u32 {
        if let Some(known) = self.known.get(other) {
            return *known;
        }
        let mut bits = 0;
        if other.chars().take(self.most + 1).count() <= self.most {
            for stem in &self.stems {
                if other.starts_with(&stem.root) && stem.stemmer.stem(other) == stem.stem {
                    bits |= stem.bit;
                }
            }
        }
        self.known.insert(other.to_owned(), bits);
        bits
    }
}

/// What two texts have in common at the start.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y);
    let end = same.map(|(x, _)| x.len_utf8()).sum();
    a.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(tags: &[&str]) -> Languages {
        let mut all = Languages::default();
        for tag in tags {
            all.add(stemmer(tag).unwrap());
        }
        all
    }

    #[test]
    fn forms_of_one_word_in_its_language() {
        let all = languages(&["en", "fr", "de", "ru"]);
        let bits = |word: &str, other: &str| {
            all.forms_of(word).map_or(0, |mut i| {
                if other.starts_with(&i.root) {
                    i.languages(other)
                } else {
                    0
                }
            })
        };
        assert_eq!(bits("databases", "database") & 1, 1);
        assert_eq!(bits("database", "databases") & 1, 1);
        assert_eq!(bits("cities", "city") & 1, 1);
        assert_eq!(bits("parler", "parlait") & 2, 2);
        assert_eq!(bits("parler", "parlait") & 1, 0);
        assert_eq!(bits("zahlen", "zahl") & 4, 4);
        assert_eq!(bits("курсы", "курсов") & 8, 8);
        assert_eq!(bits("algebra", "algae"), 0);
        assert!(all.forms_of("c++").is_none() && all.forms_of("mp3").is_none());
        assert!(stemmer("porter").is_none() && stemmer("xx").is_none() && stemmer("").is_none());
    }

    #[test]
    fn room_for_so_many_languages() {
        let mut all = Languages::default();
        let mut bits = 0;
        for algorithm in frostem::Algorithm::all() {
            bits |= all.add(Stemmer::new(*algorithm));
        }
        assert_eq!(bits.count_ones() as usize, MAX_LANGUAGES - 1);
    }
}
