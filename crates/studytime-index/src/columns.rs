//! What sorting, filtering and counting need, in memory: one small entry a
//! shown course, loaded from one snapshot of the rows and kept up by the writer.

use crate::facts::Facts;
use crate::maker::Maker;
use crate::popularity::Popularity;
use crate::store::CourseStats;
use crate::word::SharedWord;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use studytime_schema::content::Level;
use studytime_schema::fold::LearnerState;
use studytime_schema::{FeedId, LogPosition};

/// A shown course.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CourseColumn {
    pub(crate) number: i64,
    pub(crate) feed: FeedId,
    pub(crate) name: String,
    /// The name as it is sorted and completed by.
    pub(crate) key: String,
    pub(crate) keywords: Vec<String>,
    /// The keywords as they are completed by.
    pub(crate) keyword_keys: Vec<String>,
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

/// All shown courses. Readers hold a snapshot of it while they answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) position: LogPosition,
    pub(crate) facts: Arc<Facts>,
    pub(crate) learner: Arc<LearnerState>,
    courses: Vec<Option<Arc<CourseColumn>>>,
    free: Vec<u32>,
    by_feed: HashMap<FeedId, u32>,
    /// By number of the course feed: its place, and one more; 0 for none.
    by_number: Vec<u32>,
    /// By row of (list, course): which of its fields count.
    counts: Vec<u8>,
    ranks: OnceLock<Arc<Ranks>>,
    names: OnceLock<Arc<Vec<u32>>>,
}

/// The order of popularity.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    /// Places in the columns, most popular first.
    pub(crate) order: Vec<u32>,
    /// By place in the columns, the rank.
    pub(crate) rank: Vec<u32>,
}

impl Columns {
    /// No course yet, for these facts and this learner.
    pub(crate) fn new(maker: &Maker) -> Self {
        Self {
            facts: maker.facts.clone(),
            learner: maker.learner.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Arc<CourseColumn>> {
        self.courses.get(at as usize)?.as_ref()
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

    /// Courses shown, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<CourseColumn>)> {
        (0..)
            .zip(&self.courses)
            .filter_map(|(at, c)| c.as_ref().map(|c| (at, c)))
    }

    pub(crate) fn ranks(&self) -> Arc<Ranks> {
        self.ranks
            .get_or_init(|| {
                let mut order: Vec<(u32, &Arc<CourseColumn>)> = self.iter().collect();
                order.sort_by(|(_, a), (_, b)| a.popular().cmp(&b.popular()));
                let mut rank = vec![u32::MAX; self.courses.len()];
                for (number, (at, _)) in (0..).zip(&order) {
                    if let Some(slot) = rank.get_mut(*at as usize) {
                        *slot = number;
                    }
                }
                Arc::new(Ranks {
                    order: order.into_iter().map(|(at, _)| at).collect(),
                    rank,
                })
            })
            .clone()
    }

    /// By place in the columns, the rank by name.
    pub(crate) fn names(&self) -> Arc<Vec<u32>> {
        self.names
            .get_or_init(|| {
                let mut order: Vec<(&str, FeedId, u32)> = self
                    .iter()
                    .map(|(at, c)| (c.key.as_str(), c.feed, at))
                    .collect();
                order.sort_unstable();
                let mut rank = vec![u32::MAX; self.courses.len()];
                for (number, (.., at)) in (0..).zip(&order) {
                    if let Some(slot) = rank.get_mut(*at as usize) {
                        *slot = number;
                    }
                }
                Arc::new(rank)
            })
            .clone()
    }

    /// Puts a course in its place, or takes it away; gives what was there.
    pub(crate) fn put(
        &mut self,
        number: i64,
        feed: FeedId,
        column: Option<CourseColumn>,
    ) -> Option<Arc<CourseColumn>> {
        self.ranks = OnceLock::new();
        self.names = OnceLock::new();
        let at = self.by_feed.get(&feed).copied();
        let old = at.and_then(|at| self.courses.get_mut(at as usize)?.take());
        for (row, _) in old.iter().flat_map(|o| &o.gave) {
            self.set_counts(*row, 0);
        }
        match column {
            Some(column) => {
                for (row, bits) in &column.gave {
                    self.set_counts(*row, *bits);
                }
                let at = at.or_else(|| self.free.pop()).unwrap_or_else(|| {
                    self.courses.push(None);
                    u32::try_from(self.courses.len() - 1).unwrap_or(u32::MAX)
                });
                if let Some(slot) = self.courses.get_mut(at as usize) {
                    *slot = Some(Arc::new(column));
                }
                self.by_feed.insert(feed, at);
                self.set_number(number, at.saturating_add(1));
            }
            None => {
                if let Some(at) = at {
                    self.free.push(at);
                    self.by_feed.remove(&feed);
                    self.set_number(number, 0);
                }
            }
        }
        old
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
