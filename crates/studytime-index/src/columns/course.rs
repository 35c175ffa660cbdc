//! A shown course, as sorting, filtering and cards need it.

use crate::popularity::Popularity;
use crate::store::CourseStats;
use crate::word::SharedWord;
use studytime_schema::FeedId;
use studytime_schema::content::Level;

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
}
