//! What sorting, filtering and counting need, in memory: some numbers a shown
//! course, read from a file or made from the rows, and kept up by the writer. The
//! rest of a course is in that file until the course changes.

mod bytes;
mod course;
pub(crate) mod kept;
mod lean;
mod names;
mod order;
mod put;
mod tally;

pub(crate) use course::CourseColumn;
pub(crate) use lean::{Lean, Standing, Values};
pub(crate) use names::{Names, text_start};
pub(crate) use order::Ranks;
pub(crate) use tally::{Counter, Facet, Tally};

use crate::facts::Facts;
use crate::maker::Maker;
use crate::model::Sort;
use crate::text::stem::Languages;
use crate::word::SharedWord;
use kept::{Kept, Opened};
use names::Completions;
use order::Order;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use studytime_schema::fold::LearnerState;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{FeedId, LogPosition};
use tally::Tallies;

/// Where the rest of a course is.
#[derive(Debug, Clone, Default)]
enum Slot {
    /// No course is at this place.
    #[default]
    Free,
    /// In the file, under a number.
    Kept(u32),
    /// In memory: it changed since.
    Here(Arc<CourseColumn>),
}

/// All shown courses. Readers hold a snapshot of it while they answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) position: LogPosition,
    pub(crate) facts: Arc<Facts>,
    pub(crate) learner: Arc<LearnerState>,
    /// Another table of subjects than the built-in one.
    pub(crate) subjects: Option<Arc<SubjectTable>>,
    kept: Arc<Kept>,
    slots: Vec<Slot>,
    /// By place, what filters read.
    lean: Vec<Lean>,
    /// By place, what orders read.
    standings: Vec<Standing>,
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
    tallies: Tallies,
    counter: Counter,
    /// By place of a list, the courses that it names.
    listed: Vec<usize>,
    popular: Order,
    by_name: Order,
    newest: Order,
    shortest: Order,
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

    /// The courses of a file. Popularity is as of when it was written, and none
    /// is started.
    pub(crate) fn of(maker: &Maker, opened: Opened) -> Self {
        let count = opened.lean.len();
        let all = 0..u32::try_from(count).unwrap_or(u32::MAX);
        let mut new = Self {
            slots: all.clone().map(Slot::Kept).collect(),
            values: opened.values,
            counts: opened.counts,
            listed: opened.listed,
            popular: Order::known(all.clone().collect(), count),
            by_name: Order::known(opened.by_name, count),
            newest: Order::known(opened.newest, count),
            kept: Arc::new(opened.kept),
            ..Self::new(maker)
        };
        new.by_feed.reserve(count);
        new.language.reserve(count);
        for ((at, lean), standing) in all.zip(&opened.lean).zip(&opened.standings) {
            new.by_feed.insert(standing.feed, at);
            new.set_number(standing.number, at.saturating_add(1));
            new.tallies.count(lean, standing.popularity.weight, true);
            new.counter.count(lean, true);
            let language = new.values.languages.word(lean.language).cloned();
            let bit = language.map_or(0, |word| new.language_bit(&word));
            new.language.push(bit);
        }
        new.lean = opened.lean;
        new.standings = opened.standings;
        new
    }

    /// The course at a place.
    pub(crate) fn get(&self, at: u32) -> Option<Cow<'_, CourseColumn>> {
        match self.slots.get(at as usize)? {
            Slot::Free => None,
            Slot::Kept(number) => self.read(at, *number).map(Cow::Owned),
            Slot::Here(course) => Some(Cow::Borrowed(course)),
        }
    }

    /// The course at a place, from its number in the file.
    fn read(&self, at: u32, number: u32) -> Option<CourseColumn> {
        let (lean, standing) = (self.lean(at)?, self.standing(at)?);
        self.kept.course(number, &self.values, lean, standing)
    }

    /// What filters read of the course at a place.
    pub(crate) fn lean(&self, at: u32) -> Option<&Lean> {
        self.lean.get(at as usize)
    }

    /// Who the course at a place is, and how it stands.
    pub(crate) fn standing(&self, at: u32) -> Option<&Standing> {
        self.standings.get(at as usize)
    }

    /// The name of the course at a place, as it is sorted and completed by.
    pub(crate) fn key(&self, at: u32) -> &str {
        let key = match self.slots.get(at as usize) {
            Some(Slot::Kept(number)) => self.kept.key(*number),
            Some(Slot::Here(course)) => Some(course.key.as_str()),
            _ => None,
        };
        key.unwrap_or_default()
    }

    /// The keywords of the course at a place.
    pub(crate) fn each_keyword(&self, at: u32, mut each: impl FnMut(&SharedWord)) {
        match self.slots.get(at as usize) {
            Some(Slot::Kept(number)) => {
                self.kept.each_keyword(*number, each);
            }
            Some(Slot::Here(course)) => course.keywords.iter().for_each(&mut each),
            _ => {}
        }
    }

    /// The places of the lists that name the course at a place.
    pub(crate) fn lists(&self, at: u32) -> Cow<'_, [u16]> {
        match self.slots.get(at as usize) {
            Some(Slot::Kept(number)) => Cow::Owned(self.kept.lists(*number).unwrap_or_default()),
            Some(Slot::Here(course)) => Cow::Borrowed(&course.lists),
            _ => Cow::Borrowed(&[]),
        }
    }

    /// How many courses each list names, by its place in the user's order.
    pub(crate) fn listed(&self, list: usize) -> usize {
        self.listed.get(list).copied().unwrap_or(0)
    }

    /// The words behind the numbers that filters read.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn place_of(&self, feed: &FeedId) -> Option<u32> {
        self.by_feed.get(feed).copied()
    }

    pub(crate) fn by_feed(&self, feed: &FeedId) -> Option<Cow<'_, CourseColumn>> {
        self.get(self.place_of(feed)?)
    }

    pub(crate) fn by_number(&self, number: i64) -> Option<u32> {
        let at = usize::try_from(number).ok()?;
        self.by_number.get(at)?.checked_sub(1)
    }

    /// Places there are, taken or free.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Which fields count of a row of (list, course).
    pub(crate) fn counts(&self, row: i64) -> u8 {
        usize::try_from(row)
            .ok()
            .and_then(|at| self.counts.get(at).copied())
            .unwrap_or(0)
    }

    /// The same, by row.
    fn row_counts(&self) -> &[u8] {
        &self.counts
    }

    /// The languages whose words have forms that are known.
    pub(crate) fn languages(&self) -> &Languages {
        &self.languages
    }

    /// The bit of a course's language in [`languages`](Self::languages).
    pub(crate) fn language(&self, at: u32) -> u32 {
        self.language.get(at as usize).copied().unwrap_or(0)
    }

    /// The places where courses are.
    pub(crate) fn taken(&self) -> impl Iterator<Item = u32> + Clone {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| !matches!(slot, Slot::Free))
            .map(|(at, _)| at)
    }

    /// Courses shown, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Cow<'_, CourseColumn>)> {
        self.taken().filter_map(|at| Some((at, self.get(at)?)))
    }

    /// What all courses come to that are not deprecated, value by value.
    pub(crate) fn counter(&self) -> &Counter {
        &self.counter
    }

    /// Categories and subjects, and what their courses come to.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&str, &str, Tally)> {
        self.tallies.iter().map(|((category, subject), tally)| {
            let (categories, subjects) = (&self.values.categories, &self.values.subjects);
            (categories.text(category), subjects.text(subject), tally)
        })
    }

    /// All courses in an order; ends with the feed's id, so it is total.
    pub(crate) fn sorted(&self, sort: Sort) -> Arc<Ranks> {
        match sort {
            Sort::Relevance | Sort::Popular => self.ranks(),
            Sort::Newest => self.newest(),
            Sort::Shortest => self.ordered(&self.shortest, |a, b| {
                let minutes = |at| self.standing(at).map(|s| s.minutes);
                minutes(a).cmp(&minutes(b)).then(self.more_popular(a, b))
            }),
            Sort::Name => self.names(),
        }
    }

    /// The order of popularity.
    pub(crate) fn ranks(&self) -> Arc<Ranks> {
        self.ordered(&self.popular, |a, b| self.more_popular(a, b))
    }

    fn more_popular(&self, a: u32, b: u32) -> Ordering {
        let (Some(x), Some(y)) = (self.standing(a), self.standing(b)) else {
            return a.cmp(&b);
        };
        let name = || (self.key(a), x.feed).cmp(&(self.key(b), y.feed));
        x.compare(y).then_with(name)
    }

    /// The order of names.
    pub(crate) fn names(&self) -> Arc<Ranks> {
        let feed = |at| self.standing(at).map(|s| s.feed);
        self.ordered(&self.by_name, |a, b| {
            let keys = self.key(a).cmp(self.key(b));
            keys.then_with(|| feed(a).cmp(&feed(b)))
        })
    }

    /// The order of age.
    fn newest(&self) -> Arc<Ranks> {
        let since = |at| self.standing(at).map(|s| s.since);
        self.ordered(&self.newest, |a, b| {
            since(b)
                .cmp(&since(a))
                .then_with(|| self.more_popular(a, b))
        })
    }

    fn ordered(&self, order: &Order, compare: impl Fn(u32, u32) -> Ordering) -> Arc<Ranks> {
        let slot = |at: u32| self.slots.get(at as usize);
        let there = |at| !matches!(slot(at), None | Some(Slot::Free));
        order.get(self.places(), there, compare)
    }

    /// Names to complete from, and the places they are no longer right for.
    pub(crate) fn completions(&self) -> (Arc<Names>, &[u32]) {
        self.completions.get(self)
    }
}
