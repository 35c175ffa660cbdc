//! Which courses pass, and what the others would have been.

use super::courses::Candidate;
use crate::columns::{Columns, Lean, Values};
use crate::model::{CourseQuery, DurationBand, FacetCount, Facets};
use crate::word::{Counts, Met};
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

/// A query's filters, made ready to compare: by number of a value, whether it
/// passes; `None` where all do.
struct Filters<'a> {
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
    fn new(columns: &Columns, query: &'a CourseQuery) -> Self {
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
            category: asked(&query.category).map(|t| values.categories.which(|v| v == t)),
            subject: asked(&query.subject).map(|t| values.subjects.which(|v| v == t)),
            language: lower(&query.language).map(|t| values.languages.which(|v| v == t)),
            tag: lower(&query.language).map(|t| values.tags.which(|v| v == t)),
            provider: same(&query.provider, &values.providers),
            license: same(&query.license, &values.licenses),
            level: query.level.map_or(0, |l| l as u8 + 1),
            band: query.duration.map_or(0, |d| d as u8 + 1),
            list,
        }
    }

    fn fails(&self, columns: &Columns, at: u32, course: &Lean) -> u16 {
        let q = self.query;
        let mut fails = 0;
        let mut check = |bit, passes: bool| {
            if !passes {
                fails |= bit;
            }
        };
        check(fails::CATEGORY, passes(&self.category, course.category));
        check(fails::SUBJECT, passes(&self.subject, course.subject));
        check(
            fails::LANGUAGE,
            passes(&self.language, course.language) || passes(&self.tag, course.tag),
        );
        check(fails::LEVEL, self.level == 0 || self.level == course.level);
        check(fails::PROVIDER, passes(&self.provider, course.provider));
        check(fails::LICENSE, passes(&self.license, course.license));
        check(fails::DURATION, self.band == 0 || self.band == course.band);
        check(
            fails::STARTED,
            q.started.is_none_or(|s| s == course.started),
        );
        check(fails::ON_DEVICE, !q.on_device || course.on_device);
        // Whoever started a course keeps it.
        let kept = course.started && q.started == Some(true);
        check(
            fails::DEPRECATED,
            q.include_deprecated || kept || !course.deprecated,
        );
        if let Some(list) = self.list {
            let course = columns.get(at);
            let listed = |list: u16| course.is_some_and(|c| c.lists.contains(&list));
            check(fails::OTHER, list.is_some_and(listed));
        }
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
        let Some(course) = columns.lean(candidate.at) else {
            continue;
        };
        let fails = filters.fails(columns, candidate.at, course);
        if query.facets && fails.count_ones() <= 1 {
            count.course(course, fails);
        }
        if fails == 0 {
            kept.push(candidate);
        }
    }
    (kept, count.facets(columns.values()))
}

#[derive(Default)]
struct Counter {
    categories: Counts,
    subjects: Counts,
    languages: Counts,
    providers: Counts,
    licenses: Counts,
    levels: [usize; 3],
    durations: [usize; 3],
    started: usize,
    on_device: usize,
    deprecated: usize,
}

impl Counter {
    fn course(&mut self, course: &Lean, fails: u16) {
        let only = |bit: u16| fails & !bit == 0;
        if only(fails::CATEGORY) {
            self.categories.add(course.category);
        }
        if only(fails::SUBJECT) {
            self.subjects.add(course.subject);
        }
        if only(fails::LANGUAGE) {
            self.languages.add(course.language);
        }
        if only(fails::PROVIDER) {
            self.providers.add(course.provider);
        }
        if only(fails::LICENSE) {
            self.licenses.add(course.license);
        }
        if only(fails::LEVEL)
            && let Some(level) = course.level.checked_sub(1)
            && let Some(count) = self.levels.get_mut(usize::from(level))
        {
            *count += 1;
        }
        if only(fails::DURATION)
            && let Some(band) = course.band.checked_sub(1)
            && let Some(count) = self.durations.get_mut(usize::from(band))
        {
            *count += 1;
        }
        self.started += usize::from(only(fails::STARTED) && course.started);
        self.on_device += usize::from(only(fails::ON_DEVICE) && course.on_device);
        self.deprecated += usize::from(only(fails::DEPRECATED) && course.deprecated);
    }

    fn facets(self, values: &Values) -> Facets {
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
            categories: ranked(self.categories.met(&values.categories), false),
            subjects: ranked(self.subjects.met(&values.subjects), false),
            languages: ranked(self.languages.met(&values.languages), false),
            levels: fixed(&mut levels.into_iter()),
            providers: ranked(self.providers.met(&values.providers), true),
            licenses: ranked(self.licenses.met(&values.licenses), true),
            durations: fixed(&mut durations.into_iter()),
            started: self.started,
            on_device: self.on_device,
            deprecated: self.deprecated,
        }
    }
}

/// Most frequent first. Spellings that differ in case only are one value, told
/// in the most frequent spelling.
fn ranked<'a>(counts: impl Iterator<Item = (&'a str, usize)>, fold_case: bool) -> Vec<FacetCount> {
    let mut single: Vec<(&str, usize)> = counts.filter(|(v, _)| !v.is_empty()).collect();
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
