//! What courses come to, value by value.

use super::lean::{Lean, Values};
use crate::model::{DurationBand, FacetCount, Facets};
use crate::word::Counts;
use std::cmp::Reverse;
use std::collections::HashMap;
use studytime_schema::content::Level;

/// What the courses of one subject come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) weight: f64,
}

/// By category and subject, the courses that are not deprecated.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallies(HashMap<(u32, u32), Tally>);

impl Tallies {
    /// Takes a course in, or out again.
    pub(super) fn count(&mut self, course: &Lean, weight: f64, more: bool) {
        if course.deprecated {
            return;
        }
        let subject = (course.category, course.subject);
        let tally = self.0.entry(subject).or_default();
        if more {
            tally.count += 1;
            tally.weight += weight;
        } else {
            tally.count = tally.count.saturating_sub(1);
            // Sums of halves and quarters are exact: nothing is left over.
            tally.weight -= weight;
            if tally.count == 0 {
                self.0.remove(&subject);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ((u32, u32), Tally)> {
        self.0.iter().map(|(subject, tally)| (*subject, *tally))
    }
}

/// One kind of value that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Facet {
    Category,
    Subject,
    Language,
    Level,
    Provider,
    License,
    Duration,
    Started,
    OnDevice,
    Deprecated,
}

impl Facet {
    /// Its bit in a set of facets.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// How many courses have which value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
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
    /// Courses that are not deprecated.
    current: usize,
}

impl Counter {
    /// Takes a course in for the facets that it counts for.
    pub(crate) fn add(&mut self, course: &Lean, counts: impl Fn(Facet) -> bool) {
        self.change(course, counts, |count| *count += 1);
    }

    /// Takes a course in, or out again, that is counted among all: for all facets
    /// unless it is deprecated.
    pub(super) fn count(&mut self, course: &Lean, more: bool) {
        let counts = |facet| !course.deprecated || facet == Facet::Deprecated;
        self.change(course, counts, |count| {
            *count = match more {
                true => *count + 1,
                false => count.saturating_sub(1),
            };
        });
    }

    fn change(
        &mut self,
        course: &Lean,
        counts: impl Fn(Facet) -> bool,
        change: impl Fn(&mut usize),
    ) {
        for (facet, values, value) in [
            (Facet::Category, &mut self.categories, course.category),
            (Facet::Subject, &mut self.subjects, course.subject),
            (Facet::Language, &mut self.languages, course.language),
            (Facet::Provider, &mut self.providers, course.provider),
            (Facet::License, &mut self.licenses, course.license),
        ] {
            if counts(facet) {
                values.change(value, &change);
            }
        }
        for (facet, values, value) in [
            (Facet::Level, &mut self.levels, course.level),
            (Facet::Duration, &mut self.durations, course.band),
        ] {
            if counts(facet)
                && let Some(at) = value.checked_sub(1)
                && let Some(count) = values.get_mut(usize::from(at))
            {
                change(count);
            }
        }
        for (facet, count, has) in [
            (Facet::Started, &mut self.started, course.started),
            (Facet::OnDevice, &mut self.on_device, course.on_device),
            (Facet::Deprecated, &mut self.deprecated, course.deprecated),
        ] {
            if has && counts(facet) {
                change(count);
            }
        }
        if !course.deprecated {
            change(&mut self.current);
        }
    }

    /// Courses that are not deprecated.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// The counts with the words they are of, most frequent first.
    pub(crate) fn facets(&self, values: &Values) -> Facets {
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
