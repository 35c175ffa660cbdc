//! Which courses pass, and what the others would have been.

use super::courses::Candidate;
use crate::columns::{Columns, CourseColumn};
use crate::model::{CourseQuery, DurationBand, FacetCount, Facets};
use crate::word::Counts;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The filters, each a bit of what a course fails.
mod fails {
    pub(super) const CATEGORY: u16 = 1;
    pub(super) const SUBJECT: u16 = 2;
    pub(super) const LANGUAGE: u16 = 4;
    pub(super) const LEVEL: u16 = 8;
    pub(super) const PROVIDER: u16 = 16;
    pub(super) const LICENSE: u16 = 32;
    pub(super) const DURATION: u16 = 64;
    pub(super) const STARTED: u16 = 128;
    pub(super) const ON_DEVICE: u16 = 256;
    pub(super) const DEPRECATED: u16 = 512;
    /// Filters without a facet.
    pub(super) const OTHER: u16 = 1024;
}

/// A query's filters, made ready to compare.
struct Filters<'a> {
    query: &'a CourseQuery,
    language: Option<String>,
    provider: Option<String>,
    license: Option<String>,
    /// The asked list's place; `Some(None)` when it is no list of the user's.
    list: Option<Option<u16>>,
}

impl<'a> Filters<'a> {
    fn new(columns: &Columns, query: &'a CourseQuery) -> Self {
        let ready = |text: &Option<String>| {
            text.as_ref()
                .map(|t| t.trim().to_lowercase())
                .filter(|t| !t.is_empty())
        };
        let list = query.list.map(|list| {
            let at = columns.facts.lists.iter().position(|l| *l == list);
            at.and_then(|at| u16::try_from(at).ok())
        });
        Self {
            query,
            language: ready(&query.language),
            provider: ready(&query.provider),
            license: ready(&query.license),
            list,
        }
    }

    fn fails(&self, course: &CourseColumn) -> u16 {
        let q = self.query;
        let mut fails = 0;
        let mut check = |bit, passes: bool| {
            if !passes {
                fails |= bit;
            }
        };
        let is = |asked: &Option<String>, has: &str| {
            asked
                .as_ref()
                .is_none_or(|a| a.trim().is_empty() || a == has)
        };
        check(fails::CATEGORY, is(&q.category, &course.category));
        check(fails::SUBJECT, is(&q.subject, &course.subject));
        check(
            fails::LANGUAGE,
            self.language
                .as_ref()
                .is_none_or(|l| *l == *course.language || *l == *course.language_tag),
        );
        check(fails::LEVEL, q.level.is_none() || q.level == course.level);
        let same = |asked: &Option<String>, has: &str| {
            asked.as_ref().is_none_or(|a| *a == has.to_lowercase())
        };
        check(fails::PROVIDER, same(&self.provider, &course.provider));
        check(fails::LICENSE, same(&self.license, &course.license));
        let band = course.minutes.map(DurationBand::of);
        check(fails::DURATION, q.duration.is_none() || q.duration == band);
        check(
            fails::STARTED,
            q.started.is_none_or(|s| s == course.started),
        );
        check(fails::ON_DEVICE, !q.on_device || course.on_device());
        // Whoever started a course keeps it.
        let kept = course.started && q.started == Some(true);
        check(
            fails::DEPRECATED,
            q.include_deprecated || kept || !course.deprecated,
        );
        let listed = |at: Option<u16>| at.is_some_and(|at| course.lists.contains(&at));
        check(fails::OTHER, self.list.is_none_or(listed));
        fails
    }
}

/// Keeps what passes, and counts facets on the way: a course that fails one
/// filter only still counts for that filter's own facet.
pub(super) fn filter(
    columns: &Columns,
    query: &CourseQuery,
    candidates: Vec<Candidate>,
) -> (Vec<Candidate>, Facets) {
    let filters = Filters::new(columns, query);
    let mut count = Counter::default();
    let mut kept = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Some(course) = columns.get(candidate.at) else {
            continue;
        };
        let fails = filters.fails(course);
        if fails.count_ones() <= 1 {
            count.course(course, fails);
        }
        if fails == 0 {
            kept.push(candidate);
        }
    }
    (kept, count.facets())
}

#[derive(Default)]
struct Counter<'a> {
    categories: Counts<'a>,
    subjects: Counts<'a>,
    languages: Counts<'a>,
    providers: Counts<'a>,
    licenses: Counts<'a>,
    levels: [usize; 3],
    durations: [usize; 3],
    started: usize,
    on_device: usize,
    deprecated: usize,
}

impl<'a> Counter<'a> {
    fn course(&mut self, course: &'a CourseColumn, fails: u16) {
        let only = |bit: u16| fails & !bit == 0;
        if only(fails::CATEGORY) {
            self.categories.add(&course.category);
        }
        if only(fails::SUBJECT) {
            self.subjects.add(&course.subject);
        }
        if only(fails::LANGUAGE) {
            self.languages.add(&course.language);
        }
        if only(fails::PROVIDER) {
            self.providers.add(&course.provider);
        }
        if only(fails::LICENSE) {
            self.licenses.add(&course.license);
        }
        if only(fails::LEVEL)
            && let Some(level) = course.level
            && let Some(count) = self.levels.get_mut(level as usize)
        {
            *count += 1;
        }
        if only(fails::DURATION)
            && let Some(band) = course.minutes.map(DurationBand::of)
            && let Some(count) = self.durations.get_mut(band as usize)
        {
            *count += 1;
        }
        self.started += usize::from(only(fails::STARTED) && course.started);
        self.on_device += usize::from(only(fails::ON_DEVICE) && course.on_device());
        self.deprecated += usize::from(only(fails::DEPRECATED) && course.deprecated);
    }

    fn facets(self) -> Facets {
        use studytime_schema::content::Level;
        let levels = Level::ALL.map(Level::as_str).into_iter().zip(self.levels);
        let bands = [
            DurationBand::Short,
            DurationBand::Medium,
            DurationBand::Long,
        ];
        let durations = bands
            .map(DurationBand::as_str)
            .into_iter()
            .zip(self.durations);
        let fixed = |counts: &mut dyn Iterator<Item = (&'static str, usize)>| {
            counts
                .filter(|(_, count)| *count > 0)
                .map(|(value, count)| FacetCount {
                    value: value.to_owned(),
                    count,
                })
                .collect()
        };
        Facets {
            categories: ranked(self.categories, false),
            subjects: ranked(self.subjects, false),
            languages: ranked(self.languages, false),
            levels: fixed(&mut levels.into_iter()),
            providers: ranked(self.providers, true),
            licenses: ranked(self.licenses, true),
            durations: fixed(&mut durations.into_iter()),
            started: self.started,
            on_device: self.on_device,
            deprecated: self.deprecated,
        }
    }
}

/// Most frequent first. Spellings that differ in case only are one value, told
/// in the most frequent spelling.
fn ranked(counts: Counts<'_>, fold_case: bool) -> Vec<FacetCount> {
    let mut single: Vec<(&str, usize)> = counts.met().filter(|(v, _)| !v.is_empty()).collect();
    single.sort_by(|a, b| (Reverse(a.1), a.0).cmp(&(Reverse(b.1), b.0)));
    let mut out: Vec<FacetCount> = Vec::with_capacity(single.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (value, count) in single {
        let same = if fold_case {
            value.to_lowercase()
        } else {
            value.to_owned()
        };
        let at = *places.entry(same).or_insert(out.len());
        match out.get_mut(at) {
            Some(known) => known.count += count,
            None => out.push(FacetCount {
                value: value.to_owned(),
                count,
            }),
        }
    }
    out.sort_by(|a, b| (Reverse(a.count), &a.value).cmp(&(Reverse(b.count), &b.value)));
    out.truncate(Facets::MAX_VALUES);
    out
}
