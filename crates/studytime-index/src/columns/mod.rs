//! What sorting, filtering and counting need, in memory: one small entry a
//! shown course, loaded from one snapshot of the rows and kept up by the writer.

mod lean;
mod names;
mod order;
pub(crate) mod snapshot;

pub(crate) use lean::{Lean, Values};
pub(crate) use names::{Names, text_start, word_start};
pub(crate) use order::Ranks;

use crate::facts::Facts;
use crate::maker::Maker;
use crate::popularity::Popularity;
use crate::store::CourseStats;
use crate::text::stem::{Languages, stemmer};
use crate::word::SharedWord;
use names::Completions;
use order::Order;
use std::cmp::Ordering;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use studytime_schema::content::Level;
use studytime_schema::fold::LearnerState;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{FeedId, LogPosition};

/// A shown course.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CourseColumn {
    pub(crate) number: i64,
    pub(crate) feed: FeedId,
    pub(crate) name: String,
    /// The name as it is sorted and completed by.
    pub(crate) key: String,
    pub(crate) keywords: Box<[SharedWord]>,
    pub(crate) category: SharedWord,
    pub(crate) subject: SharedWord,
    /// The primary tag, lower case; empty when unknown.
    pub(crate) language: SharedWord,
    /// The whole tag, lower case.
    pub(crate) language_tag: SharedWord,
    pub(crate) level: Option<Level>,
    pub(crate) minutes: Option<u64>,
    pub(crate) provider: SharedWord,
    pub(crate) license: SharedWord,
    pub(crate) deprecated: bool,
    pub(crate) successor: Option<FeedId>,
    /// Places of the lists that name it in the user's order.
    pub(crate) lists: Vec<u16>,
    pub(crate) place: u64,
    pub(crate) since: u64,
    pub(crate) popularity: Popularity,
    pub(crate) stats: CourseStats,
    pub(crate) feed_here: bool,
    pub(crate) started: bool,
    pub(crate) percent: u8,
    /// Row by row, the fields that count (see [`Merged::gave`](crate::merge::Merged::gave)).
    pub(crate) gave: Vec<(i64, u8)>,
    /// Fingerprint of what only cards and pages show.
    pub(crate) rest: u64,
}

impl CourseColumn {
    pub(crate) fn on_device(&self) -> bool {
        self.feed_here && self.stats.lessons > 0 && self.stats.complete
    }

    /// The order of popularity, and a newcomer's: most learned, then most
    /// listed, then its place, then its name.
    fn popular(&self) -> impl Ord + '_ {
        (
            Reverse(OrderedWeight(self.popularity.weight)),
            Reverse(self.lists.len()),
            self.lists.first().copied().unwrap_or(u16::MAX),
            self.place,
            self.key.as_str(),
            self.feed,
        )
    }
}

/// A weight that is never NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OrderedWeight(f64);

impl Eq for OrderedWeight {}

impl Ord for OrderedWeight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for OrderedWeight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What the courses of one subject come to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) weight: f64,
}

/// All shown courses. Readers hold a snapshot of it while they answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) position: LogPosition,
    pub(crate) facts: Arc<Facts>,
    pub(crate) learner: Arc<LearnerState>,
    /// Another table of subjects than the built-in one.
    pub(crate) subjects: Option<Arc<SubjectTable>>,
    courses: Vec<Option<Arc<CourseColumn>>>,
    /// By place, what filters read.
    lean: Vec<Lean>,
    values: Values,
    free: Vec<u32>,
    by_feed: HashMap<FeedId, u32>,
    /// By number of the course feed: its place, and one more; 0 for none.
    by_number: Vec<u32>,
    /// By row of (list, course): which of its fields count.
    counts: Vec<u8>,
    /// The languages whose words have forms that are known.
    languages: Languages,
    /// By place, the bit of the course's language; 0 for others.
    language: Vec<u32>,
    /// By number of a language's word, its bit.
    bits: Vec<Option<u32>>,
    /// By category and subject, the courses that are not deprecated.
    tallies: HashMap<(u32, u32), Tally>,
    popular: Order,
    by_name: Order,
    completions: Completions,
}

impl Columns {
    /// No course yet, for these facts and this learner.
    pub(crate) fn new(maker: &Maker) -> Self {
        Self {
            facts: maker.facts.clone(),
            learner: maker.learner.clone(),
            subjects: maker.subjects.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Arc<CourseColumn>> {
        self.courses.get(at as usize)?.as_ref()
    }

    /// What filters read of the course at a place.
    pub(crate) fn lean(&self, at: u32) -> Option<&Lean> {
        self.lean.get(at as usize)
    }

    /// The words behind the numbers that filters read.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn by_feed(&self, feed: &FeedId) -> Option<&Arc<CourseColumn>> {
        self.get(*self.by_feed.get(feed)?)
    }

    pub(crate) fn by_number(&self, number: i64) -> Option<u32> {
        let at = usize::try_from(number).ok()?;
        self.by_number.get(at)?.checked_sub(1)
    }

    /// Places there are, taken or free.
    pub(crate) fn places(&self) -> usize {
        self.courses.len()
    }

    /// Which fields count of a row of (list, course).
    pub(crate) fn counts(&self, row: i64) -> u8 {
        usize::try_from(row)
            .ok()
            .and_then(|at| self.counts.get(at).copied())
            .unwrap_or(0)
    }

    /// The languages whose words have forms that are known.
    pub(crate) fn languages(&self) -> &Languages {
        &self.languages
    }

    /// The bit of a course's language in [`languages`](Self::languages).
    pub(crate) fn language(&self, at: u32) -> u32 {
        self.language.get(at as usize).copied().unwrap_or(0)
    }

    /// Makes room for so many courses more.
    pub(crate) fn reserve(&mut self, courses: usize) {
        self.courses.reserve(courses);
        self.lean.reserve(courses);
        self.language.reserve(courses);
        self.by_feed.reserve(courses);
    }

    /// Courses shown, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<CourseColumn>)> + Clone {
        (0..)
            .zip(&self.courses)
            .filter_map(|(at, c)| c.as_ref().map(|c| (at, c)))
    }

    /// Categories and subjects, and what their courses come to.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&str, &str, Tally)> {
        self.tallies.iter().map(|((category, subject), tally)| {
            let (categories, subjects) = (&self.values.categories, &self.values.subjects);
            (categories.text(*category), subjects.text(*subject), *tally)
        })
    }

    /// The order of popularity.
    pub(crate) fn ranks(&self) -> Arc<Ranks> {
        self.ordered(&self.popular, |a, b| a.popular().cmp(&b.popular()))
    }

    /// The order of names.
    pub(crate) fn names(&self) -> Arc<Ranks> {
        self.ordered(&self.by_name, |a, b| {
            (a.key.as_str(), a.feed).cmp(&(b.key.as_str(), b.feed))
        })
    }

    fn ordered(
        &self,
        order: &Order,
        compare: impl Fn(&CourseColumn, &CourseColumn) -> Ordering,
    ) -> Arc<Ranks> {
        let there = |at| self.get(at).is_some();
        order.get(self.places(), there, |a, b| {
            match (self.get(a), self.get(b)) {
                (Some(a), Some(b)) => compare(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        })
    }

    /// Names to complete from, and the places they are no longer right for.
    pub(crate) fn completions(&self) -> (Arc<Names>, &[u32]) {
        self.completions.get(self)
    }

    /// Puts a course in its place, or takes it away; gives what was there.
    pub(crate) fn put(
        &mut self,
        number: i64,
        feed: FeedId,
        column: Option<CourseColumn>,
    ) -> Option<Arc<CourseColumn>> {
        let at = self.by_feed.get(&feed).copied();
        let old = at.and_then(|at| self.courses.get_mut(at as usize)?.take());
        if let Some(old) = &old {
            self.tally(old, false);
            for (row, _) in &old.gave {
                self.set_counts(*row, 0);
            }
        }
        let place = match column {
            Some(column) => Some(self.place(number, at, column)),
            None => at.inspect(|at| {
                self.free.push(*at);
                self.by_feed.remove(&feed);
                self.set_number(number, 0);
            }),
        };
        if let Some(at) = place {
            self.popular.touch(at);
            self.by_name.touch(at);
            let courses = self.by_feed.len();
            self.completions.touch(at, courses);
        }
        old
    }

    /// Puts a course where it was, or at a free place; gives the place.
    fn place(&mut self, number: i64, at: Option<u32>, column: CourseColumn) -> u32 {
        for (row, bits) in &column.gave {
            self.set_counts(*row, *bits);
        }
        self.tally(&column, true);
        self.values.note(&column);
        let at = at.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.courses.push(None);
            self.lean.push(Lean::default());
            self.language.push(0);
            u32::try_from(self.courses.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_feed.insert(column.feed, at);
        self.set_number(number, at.saturating_add(1));
        let language = self.language_bit(&column.language);
        if let Some(slot) = self.language.get_mut(at as usize) {
            *slot = language;
        }
        if let Some(slot) = self.lean.get_mut(at as usize) {
            *slot = Lean::of(&column);
        }
        if let Some(slot) = self.courses.get_mut(at as usize) {
            *slot = Some(Arc::new(column));
        }
        at
    }

    fn language_bit(&mut self, language: &SharedWord) -> u32 {
        let at = language.id() as usize;
        if self.bits.len() <= at {
            self.bits.resize(at + 1, None);
        }
        let Some(known) = self.bits.get_mut(at) else {
            return 0;
        };
        *known.get_or_insert_with(|| stemmer(language).map_or(0, |s| self.languages.add(s)))
    }

    fn tally(&mut self, course: &CourseColumn, more: bool) {
        if course.deprecated {
            return;
        }
        let subject = (course.category.id(), course.subject.id());
        let tally = self.tallies.entry(subject).or_default();
        let weight = course.popularity.weight;
        if more {
            tally.count += 1;
            tally.weight += weight;
        } else {
            tally.count = tally.count.saturating_sub(1);
            // Sums of halves and quarters are exact: nothing is left over.
            tally.weight -= weight;
            if tally.count == 0 {
                self.tallies.remove(&subject);
            }
        }
    }

    fn set_number(&mut self, number: i64, to: u32) {
        let Ok(at) = usize::try_from(number) else {
            return;
        };
        if self.by_number.len() <= at {
            self.by_number.resize(at + at / 4 + 16, 0);
        }
        if let Some(slot) = self.by_number.get_mut(at) {
            *slot = to;
        }
    }

    fn set_counts(&mut self, row: i64, bits: u8) {
        let Ok(at) = usize::try_from(row) else { return };
        if self.counts.len() <= at {
            self.counts.resize(at + at / 4 + 16, 0);
        }
        if let Some(slot) = self.counts.get_mut(at) {
            *slot = bits;
        }
    }
}
