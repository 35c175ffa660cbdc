//! What filters, counts and orders read of each course: numbers side by side, so
//! that all courses can be looked at in a millisecond.

use super::CourseColumn;
use crate::model::DurationBand;
use crate::popularity::Popularity;
use crate::word::Met;
use std::cmp::Ordering;
use studytime_schema::FeedId;

/// What filters and counts read. Values are numbers of words; see [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lean {
    pub(crate) category: u32,
    pub(crate) subject: u32,
    pub(crate) language: u32,
    pub(crate) tag: u32,
    pub(crate) provider: u32,
    pub(crate) license: u32,
    /// Which level or band, and one more; 0 for none.
    pub(crate) level: u8,
    pub(crate) band: u8,
    pub(crate) deprecated: bool,
    pub(crate) started: bool,
    pub(crate) on_device: bool,
}

impl Lean {
    pub(super) fn of(course: &CourseColumn) -> Self {
        Self {
            category: course.category.id(),
            subject: course.subject.id(),
            language: course.language.id(),
            tag: course.language_tag.id(),
            provider: course.provider.id(),
            license: course.license.id(),
            level: course.level.map_or(0, |l| l as u8 + 1),
            band: course.minutes.map_or(0, |m| DurationBand::of(m) as u8 + 1),
            deprecated: course.deprecated,
            started: course.started,
            on_device: course.on_device(),
        }
    }
}

/// Who a course is, and what orders are made by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    pub(crate) number: i64,
    pub(crate) feed: FeedId,
    pub(crate) popularity: Popularity,
    /// How many of the user's lists name it, and which does first.
    pub(crate) lists: u16,
    pub(crate) first: u16,
    pub(crate) place: u64,
    pub(crate) since: u64,
    /// `u64::MAX` when unknown.
    pub(crate) minutes: u64,
}

impl Standing {
    /// Of a place where no course is.
    pub(super) const NONE: Self = Self {
        number: 0,
        feed: FeedId::from_bytes([0; 32]),
        popularity: Popularity {
            weight: 0.0,
            learners: 0,
        },
        lists: 0,
        first: 0,
        place: 0,
        since: 0,
        minutes: 0,
    };

    pub(super) fn of(course: &CourseColumn) -> Self {
        Self {
            number: course.number,
            feed: course.feed,
            popularity: course.popularity,
            lists: u16::try_from(course.lists.len()).unwrap_or(u16::MAX),
            first: course.lists.first().copied().unwrap_or(u16::MAX),
            place: course.place,
            since: course.since,
            minutes: course.minutes.unwrap_or(u64::MAX),
        }
    }

    /// The order of popularity, and a newcomer's: most learned, then most
    /// listed, then its place. What is still alike goes by name, then by feed.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let weight = |s: &Self| s.popularity.weight;
        weight(other)
            .total_cmp(&weight(self))
            .then(other.lists.cmp(&self.lists))
            .then((self.first, self.place).cmp(&(other.first, other.place)))
    }
}

/// The words behind the numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) categories: Met,
    pub(crate) subjects: Met,
    pub(crate) languages: Met,
    pub(crate) tags: Met,
    pub(crate) providers: Met,
    pub(crate) licenses: Met,
}

impl Values {
    pub(super) fn kinds(&mut self) -> [&mut Met; 6] {
        [
            &mut self.categories,
            &mut self.subjects,
            &mut self.languages,
            &mut self.tags,
            &mut self.providers,
            &mut self.licenses,
        ]
    }

    pub(super) fn note(&mut self, course: &CourseColumn) {
        self.categories.note(&course.category);
        self.subjects.note(&course.subject);
        self.languages.note(&course.language);
        self.tags.note(&course.language_tag);
        self.providers.note(&course.provider);
        self.licenses.note(&course.license);
    }
}
