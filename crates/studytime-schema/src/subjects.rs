//! Which subject a course belongs to, by its keywords.
//!
//! Subjects stand in a table of two levels: a category ("Science"), a subject
//! in it ("Physics"), and the keywords that mean it, in several languages. A
//! course belongs to the subject of its first keyword that the table knows;
//! where none is known, to [`OTHER`]. A keyword that means a category as a whole
//! (`mathematics`) leaves it to the keywords after it to say which subject of that
//! category; where none does, that is [`GENERAL`].
//!
//! Keywords are compared without case, accents, spaces, hyphens and other
//! marks, so `Machine Learning`, `machine-learning` and `machinelearning` are
//! one. A keyword of several words that is not in the table as a whole is
//! tried by its parts, longest first: `introduction to algebra` is algebra.
//!
//! ```
//! use studytime_schema::subjects::{SubjectEntry, SubjectTable, classify};
//!
//! let subject = classify(&["for everyone", "Álgebra"]);
//! assert_eq!((subject.category, subject.subject), ("Mathematics", "Algebra"));
//! assert!(classify(&["bee keeping"]).is_other());
//!
//! let table = SubjectTable::builtin().with([SubjectEntry::new("Nature", "Bees", ["bee keeping"])]);
//! assert_eq!(table.classify(&["Bee-Keeping"]).subject, "Bees");
//! ```

mod table;

use crate::text;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Category and subject of a course whose keywords tell nothing.
pub const OTHER: &str = "Other";
/// The subject of a course whose keyword names a category only.
pub const GENERAL: &str = "General";

/// The most characters of a keyword that are looked at.
const MAX_KEYWORD: usize = 200;
/// The most words of a keyword that are tried together.
const MAX_WORDS: usize = 4;
/// Keys shorter than this match only as a whole keyword: `go` is a language,
/// but not in `how to go sailing`.
const MIN_PART: usize = 3;

/// Where a course stands on the home page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Subject<'a> {
    /// The upper level.
    pub category: &'a str,
    /// The lower level.
    pub subject: &'a str,
}

impl Subject<'static> {
    /// The place of courses whose keywords tell nothing.
    pub const OTHER: Self = Self {
        category: OTHER,
        subject: OTHER,
    };
}

impl Subject<'_> {
    /// Whether the keywords told nothing.
    pub fn is_other(&self) -> bool {
        self.category == OTHER
    }
}

/// A subject with its keywords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectEntry {
    /// The upper level.
    pub category: String,
    /// The lower level; its name is a keyword too. With [`GENERAL`] the keywords
    /// mean the category as a whole.
    pub subject: String,
    /// Words and phrases that mean it.
    pub keywords: Vec<String>,
}

impl SubjectEntry {
    /// A subject with its keywords.
    pub fn new<K: Into<String>>(
        category: impl Into<String>,
        subject: impl Into<String>,
        keywords: impl IntoIterator<Item = K>,
    ) -> Self {
        Self {
            category: category.into(),
            subject: subject.into(),
            keywords: keywords.into_iter().map(Into::into).collect(),
        }
    }
}

/// Categories, subjects and their keywords.
#[derive(Debug, Clone)]
pub struct SubjectTable {
    /// (category, subject), in the order in which pages show them.
    subjects: Vec<(String, String)>,
    /// From the comparable form of a keyword to its place in `subjects`.
    keys: HashMap<String, usize>,
    /// From the comparable form of a category, or of a keyword that means it as a
    /// whole, to one of its subjects.
    categories: HashMap<String, usize>,
}

impl SubjectTable {
    /// The table that comes with this crate.
    pub fn builtin() -> Self {
        shared().clone()
    }

    /// A table without subjects.
    pub fn empty() -> Self {
        Self {
            subjects: Vec::new(),
            keys: HashMap::new(),
            categories: HashMap::new(),
        }
    }

    /// The table with more subjects, or more keywords for those it has. A
    /// keyword that it had already now means the new subject.
    #[must_use]
    pub fn with(mut self, extra: impl IntoIterator<Item = SubjectEntry>) -> Self {
        for entry in extra {
            let keywords = entry.keywords.iter().map(String::as_str);
            self.add(&entry.category, &entry.subject, keywords, true);
        }
        self
    }

    fn add<'a>(
        &mut self,
        category: &str,
        subject: &'a str,
        keywords: impl Iterator<Item = &'a str>,
        replace: bool,
    ) {
        if subject == GENERAL {
            return self.add_general(category, keywords, replace);
        }
        let pair = (category.to_owned(), subject.to_owned());
        let at = match self.subjects.iter().position(|s| *s == pair) {
            Some(at) => at,
            None => {
                self.subjects.push(pair);
                let at = self.subjects.len() - 1;
                self.categories.entry(key(category)).or_insert(at);
                at
            }
        };
        for keyword in keywords.chain([subject]) {
            let key = key(keyword);
            if !key.is_empty() && (replace || !self.keys.contains_key(&key)) {
                self.keys.insert(key, at);
            }
        }
    }

    /// Keywords that mean a category as a whole.
    fn add_general<'a>(
        &mut self,
        category: &str,
        keywords: impl Iterator<Item = &'a str>,
        replace: bool,
    ) {
        let known = self
            .subjects
            .iter()
            .position(|(known, _)| known == category);
        let at = known.unwrap_or_else(|| {
            self.subjects
                .push((category.to_owned(), GENERAL.to_owned()));
            self.subjects.len() - 1
        });
        for key in keywords.map(key).chain([key(category)]) {
            if key.is_empty() {
                continue;
            }
            if replace {
                self.keys.remove(&key);
                self.categories.insert(key, at);
            } else {
                self.categories.entry(key).or_insert(at);
            }
        }
    }

    /// The subject of a course: that of its first keyword that is known; where
    /// that one means a category as a whole, that of the first one after it that
    /// means a subject of this category.
    pub fn classify<K: AsRef<str>>(&self, keywords: &[K]) -> Subject<'_> {
        let mut known = keywords.iter().filter_map(|k| self.find(k.as_ref()));
        let Some(first) = known.next() else {
            return Subject::OTHER;
        };
        if first.subject != GENERAL {
            return first;
        }
        let closer = |s: &Subject<'_>| s.category == first.category && s.subject != GENERAL;
        known.find(closer).unwrap_or(first)
    }

    /// The subject that a keyword means.
    pub fn find(&self, keyword: &str) -> Option<Subject<'_>> {
        let cut: String = keyword.chars().take(MAX_KEYWORD).collect();
        let plain = words(&cut);
        let words: Vec<&str> = plain.split(' ').filter(|w| !w.is_empty()).collect();
        if let Some(subject) = self.get(&words.concat()) {
            return Some(subject);
        }
        for len in (1..=words.len().min(MAX_WORDS)).rev() {
            for part in words.windows(len) {
                let part = part.concat();
                if part.chars().count() >= MIN_PART
                    && let Some(subject) = self.get(&part)
                {
                    return Some(subject);
                }
            }
        }
        None
    }

    fn get(&self, key: &str) -> Option<Subject<'_>> {
        if let Some(at) = self.keys.get(key) {
            let (category, subject) = self.subjects.get(*at)?;
            return Some(Subject { category, subject });
        }
        let (category, _) = self.subjects.get(*self.categories.get(key)?)?;
        Some(Subject {
            category,
            subject: GENERAL,
        })
    }

    /// A number that tells two tables apart: the same for the same keywords and
    /// subjects, by the same build of the program. For what is made with a table
    /// and kept.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let names = |at: &usize| self.subjects.get(*at);
        let keys = self.keys.iter().map(|(key, at)| (0, key, names(at)));
        let categories = self.categories.iter().map(|(key, at)| (1, key, names(at)));
        // In no order: a sum does not mind.
        keys.chain(categories).fold(0, |sum: u64, entry| {
            let mut hasher = DefaultHasher::new();
            entry.hash(&mut hasher);
            sum.wrapping_add(hasher.finish())
        })
    }

    /// The [`fingerprint`](Self::fingerprint) of the table that comes with this
    /// crate.
    pub fn builtin_fingerprint() -> u64 {
        shared().fingerprint()
    }

    /// All subjects in the order in which pages show them; those of one
    /// category stand together unless a user's addition says otherwise.
    pub fn subjects(&self) -> impl Iterator<Item = Subject<'_>> + '_ {
        self.subjects
            .iter()
            .map(|(category, subject)| Subject { category, subject })
    }
}

fn shared() -> &'static SubjectTable {
    static TABLE: OnceLock<SubjectTable> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = SubjectTable::empty();
        for (category, subjects) in table::TABLE {
            for (subject, keywords) in *subjects {
                table.add(category, subject, keywords.iter().copied(), false);
            }
        }
        table
    })
}

/// The subject of a course by its keywords, most telling first, in the table
/// that comes with this crate.
pub fn classify<K: AsRef<str>>(keywords: &[K]) -> Subject<'static> {
    shared().classify(keywords)
}

/// The words of a text without case, accents and marks. `+` and `#` stay,
/// because they tell C from C++ and C#.
fn words(text: &str) -> String {
    let marked: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '+' || c == '#' || !c.is_ascii() {
                c
            } else {
                ' '
            }
        })
        .collect();
    let plain = text::plain(&marked, true, true);
    plain
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '+' || c == '#' {
                c
            } else {
                ' '
            }
        })
        .collect()
}

/// The comparable form of a keyword.
fn key(keyword: &str) -> String {
    words(keyword).split(' ').collect()
}
