//! Which courses pass, and what the others would have been.

use crate::columns::{Columns, Counter, Facet, Lean};
use crate::model::CourseQuery;
use crate::word::Met;

/// The bit of filters without a facet.
const OTHER: u16 = 1 << 15;

/// Both levels of the subjects: another category has other subjects.
const SUBJECTS: u16 = Facet::Category.bit() | Facet::Subject.bit();

/// A query's filters, made ready to compare: by number of a value, whether it
/// passes; `None` where all do.
pub(super) struct Filters<'a> {
    query: &'a CourseQuery,
    category: Passes,
    subject: Passes,
    language: Passes,
    tag: Passes,
    provider: Passes,
    license: Passes,
    level: u8,
    band: u8,
    /// The asked list's place; `Some(None)` when it is no list of the user's.
    list: Option<Option<u16>>,
}

type Passes = Option<Vec<bool>>;

fn passes(passes: &Passes, value: u32) -> bool {
    let at = |p: &Vec<bool>| p.get(value as usize).copied().unwrap_or(false);
    passes.as_ref().is_none_or(at)
}

impl<'a> Filters<'a> {
    pub(super) fn new(columns: &Columns, query: &'a CourseQuery) -> Self {
        let values = columns.values();
        let asked = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
        let lower = |text: &Option<String>| asked(text).map(|t| t.trim().to_lowercase());
        let same = |text: &Option<String>, values: &Met| {
            lower(text).map(|t| values.which(|value| value.to_lowercase() == t))
        };
        let list = query.list.map(|list| {
            let at = columns.facts.lists.iter().position(|l| *l == list);
            at.and_then(|at| u16::try_from(at).ok())
        });
        Self {
            query,
            category: same(&query.category, &values.categories),
            subject: same(&query.subject, &values.subjects),
            language: lower(&query.language).map(|t| values.languages.which(|v| v == t)),
            tag: lower(&query.language).map(|t| values.tags.which(|v| v == t)),
            provider: same(&query.provider, &values.providers),
            license: same(&query.license, &values.licenses),
            level: query.level.map_or(0, |l| l as u8 + 1),
            band: query.duration.map_or(0, |d| d as u8 + 1),
            list,
        }
    }

    /// Whether all courses pass that are not deprecated, and no others.
    pub(super) fn pass_current(&self) -> bool {
        let q = self.query;
        let values = [
            &self.category,
            &self.subject,
            &self.language,
            &self.provider,
            &self.license,
        ];
        values.iter().all(|asked| asked.is_none())
            && (self.level, self.band) == (0, 0)
            && self.list.is_none()
            && q.started.is_none()
            && !q.on_device
            && !q.include_deprecated
    }

    /// What the course at a place fails, as a set of bits.
    fn fails(&self, columns: &Columns, at: u32, course: &Lean) -> u16 {
        let q = self.query;
        let mut fails = 0;
        let mut check = |bit, passes: bool| {
            if !passes {
                fails |= bit;
            }
        };
        let value = |asked, value| passes(asked, value);
        let language = value(&self.language, course.language) || value(&self.tag, course.tag);
        // Whoever started a course keeps it.
        let kept = course.started && q.started == Some(true);
        for (facet, passes) in [
            (Facet::Category, value(&self.category, course.category)),
            (Facet::Subject, value(&self.subject, course.subject)),
            (Facet::Language, language),
            (Facet::Level, self.level == 0 || self.level == course.level),
            (Facet::Provider, value(&self.provider, course.provider)),
            (Facet::License, value(&self.license, course.license)),
            (Facet::Duration, self.band == 0 || self.band == course.band),
            (
                Facet::Started,
                q.started.is_none_or(|s| s == course.started),
            ),
            (Facet::OnDevice, !q.on_device || course.on_device),
            (
                Facet::Deprecated,
                q.include_deprecated || kept || !course.deprecated,
            ),
        ] {
            check(facet.bit(), passes);
        }
        if let Some(list) = self.list {
            let listed = |list: u16| columns.lists(at).contains(&list);
            check(OTHER, list.is_some_and(listed));
        }
        fails
    }

    /// Whether the course at a place passes. It is counted on the way: one that
    /// fails one filter only still counts for that filter's own facet, and one in
    /// another category and subject for the categories.
    pub(super) fn pass(&self, columns: &Columns, at: u32, count: &mut Counter) -> bool {
        let Some(course) = columns.lean(at) else {
            return false;
        };
        let fails = self.fails(columns, at, course);
        if self.query.facets && (fails.count_ones() <= 1 || fails & !SUBJECTS == 0) {
            count.add(course, |facet| match facet {
                Facet::Category => fails & !SUBJECTS == 0,
                facet => fails & !facet.bit() == 0,
            });
        }
        fails == 0
    }
}
