//! What filters and counts read of each course: numbers side by side, so that
//! all courses can be looked at in a millisecond.

use super::CourseColumn;
use crate::model::DurationBand;
use crate::word::Met;

/// One course. Values are numbers of words; see [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lean {
    pub(crate) category: u32,
    pub(crate) subject: u32,
    pub(crate) language: u32,
    pub(crate) tag: u32,
    pub(crate) provider: u32,
    pub(crate) license: u32,
    pub(crate) since: u64,
    /// `u64::MAX` when unknown.
    pub(crate) minutes: u64,
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
            since: course.since,
            minutes: course.minutes.unwrap_or(u64::MAX),
            level: course.level.map_or(0, |l| l as u8 + 1),
            band: course.minutes.map_or(0, |m| DurationBand::of(m) as u8 + 1),
            deprecated: course.deprecated,
            started: course.started,
            on_device: course.on_device(),
        }
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
    pub(super) fn note(&mut self, course: &CourseColumn) {
        self.categories.note(&course.category);
        self.subjects.note(&course.subject);
        self.languages.note(&course.language);
        self.tags.note(&course.language_tag);
        self.providers.note(&course.provider);
        self.licenses.note(&course.license);
    }
}
