//! Lists of courses: text, filters, facets, order, page.

use super::{Shared, cards};
use crate::QueryError;
use crate::columns::{Columns, CourseColumn};
use crate::model::{CourseCard, CourseQuery, DurationBand, FacetCount, Facets, Page, Sort};
use crate::store::{Row, row_of};
use crate::text::search::{Manner, Match, Searched, by_course, search};
use crate::text::snippet::Sought;
use crate::text::{Asked, ask};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// With fewer matches than this, similar words are taken in.
const FEW: usize = 5;

/// A course that is to be listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its place in the columns.
    at: u32,
    rank: u32,
    /// Whether all words are there as typed.
    exact: bool,
    score: f32,
    /// The document of the lesson that matches best.
    pub(super) lesson: Option<u64>,
}

pub(super) fn courses(
    shared: &Shared,
    query: &CourseQuery,
) -> Result<Page<CourseCard>, QueryError> {
    let columns = shared.columns();
    let limit = query.limit.min(CourseQuery::MAX_LIMIT);
    let asked = ask(&query.text);
    let (candidates, sought, approximate) = if asked.is_empty() {
        (all(&columns), Vec::new(), false)
    } else {
        matching(shared, &columns, &asked)?
    };
    let (mut kept, facets) = filter(&columns, query, candidates);
    let total = kept.len();
    let order = order(&columns, query, !asked.is_empty());
    let end = query.offset.saturating_add(limit).min(total);
    if end < total && end > 0 {
        kept.select_nth_unstable_by(end - 1, &order);
        kept.truncate(end);
    }
    kept.sort_unstable_by(&order);
    let page = kept.get(query.offset.min(end)..end).unwrap_or_default();
    let items = page
        .iter()
        .filter_map(|c| columns.get(c.at).map(|course| (course, c.lesson)))
        .map(|(course, lesson)| cards::card(shared, &columns, course, lesson, &sought))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Page {
        items,
        total,
        offset: query.offset,
        limit,
        facets,
        approximate,
    })
}

fn all(columns: &Columns) -> Vec<Candidate> {
    let ranks = columns.ranks();
    let candidate = |at: u32| Candidate {
        at,
        rank: ranks.rank.get(at as usize).copied().unwrap_or(u32::MAX),
        exact: true,
        score: 0.0,
        lesson: None,
    };
    columns.iter().map(|(at, _)| candidate(at)).collect()
}

/// The courses that have the words, what snippets mark, and whether similar
/// words were taken in.
fn matching(
    shared: &Shared,
    columns: &Columns,
    asked: &[Asked],
) -> Result<(Vec<Candidate>, Vec<Sought>, bool), QueryError> {
    let every = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    let wanted = (1_u32 << every.min(31)) - 1;
    let counts = |doc| match row_of(doc) {
        Row::Listing(id) => columns.counts(id),
        Row::Lesson(_) => 0,
    };
    let exact = search(&shared.text, &shared.scratch, asked, Manner::Exact, counts)?;
    let mut matches = shown(columns, by_course(&exact.found, wanted, every));
    if matches.len() >= FEW {
        return Ok((
            candidates(columns, &matches, &[]),
            sought(asked, &exact),
            false,
        ));
    }
    let similar = search(
        &shared.text,
        &shared.scratch,
        asked,
        Manner::Similar,
        counts,
    )?;
    let mut more = shown(columns, by_course(&similar.found, wanted, every));
    if more.is_empty() && every > 1 {
        // No course has all of the words: then those with most of them.
        more = shown(
            columns,
            by_course(&similar.found, wanted, every.div_ceil(2)),
        );
        let most = more.iter().map(|m| m.words.count_ones()).max().unwrap_or(0);
        more.retain(|m| m.words.count_ones() == most);
    }
    let known: std::collections::HashSet<u64> = matches.iter().map(|m| m.course).collect();
    more.retain(|m| !known.contains(&m.course));
    let approximate = !more.is_empty();
    let exactly = matches.len();
    matches.extend(more);
    let (first, rest) = matches.split_at(exactly);
    Ok((
        candidates(columns, first, rest),
        sought(asked, &similar),
        approximate,
    ))
}

fn shown(columns: &Columns, matches: Vec<Match>) -> Vec<Match> {
    let number = |m: &Match| columns.by_number(m.course.cast_signed());
    matches
        .into_iter()
        .filter(|m| number(m).is_some())
        .collect()
}

fn candidates(columns: &Columns, exact: &[Match], similar: &[Match]) -> Vec<Candidate> {
    let ranks = columns.ranks();
    let one = |m: &Match, exact: bool| {
        let at = columns.by_number(m.course.cast_signed())?;
        Some(Candidate {
            at,
            rank: ranks.rank.get(at as usize).copied().unwrap_or(u32::MAX),
            exact,
            score: m.score,
            lesson: m.lesson,
        })
    };
    let exact = exact.iter().filter_map(|m| one(m, true));
    exact
        .chain(similar.iter().filter_map(|m| one(m, false)))
        .collect()
}

fn sought(asked: &[Asked], searched: &Searched) -> Vec<Sought> {
    let similar = searched
        .similar
        .iter()
        .cloned()
        .chain(std::iter::repeat(Vec::new()));
    asked
        .iter()
        .zip(similar)
        .map(|(word, similar)| Sought {
            text: word.text.clone(),
            prefix: word.prefix,
            similar,
        })
        .collect()
}

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
fn filter(
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
struct Counter {
    categories: HashMap<Arc<str>, usize>,
    subjects: HashMap<Arc<str>, usize>,
    languages: HashMap<Arc<str>, usize>,
    providers: HashMap<Arc<str>, usize>,
    licenses: HashMap<Arc<str>, usize>,
    levels: [usize; 3],
    durations: [usize; 3],
    started: usize,
    on_device: usize,
    deprecated: usize,
}

impl Counter {
    fn course(&mut self, course: &CourseColumn, fails: u16) {
        let only = |bit: u16| fails & !bit == 0;
        let add = |map: &mut HashMap<Arc<str>, usize>, value: &Arc<str>| {
            if value.is_empty() {
                return;
            }
            match map.get_mut(value) {
                Some(count) => *count += 1,
                None => {
                    map.insert(value.clone(), 1);
                }
            }
        };
        if only(fails::CATEGORY) {
            add(&mut self.categories, &course.category);
        }
        if only(fails::SUBJECT) {
            add(&mut self.subjects, &course.subject);
        }
        if only(fails::LANGUAGE) {
            add(&mut self.languages, &course.language);
        }
        if only(fails::PROVIDER) {
            add(&mut self.providers, &course.provider);
        }
        if only(fails::LICENSE) {
            add(&mut self.licenses, &course.license);
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
fn ranked(counts: HashMap<Arc<str>, usize>, fold_case: bool) -> Vec<FacetCount> {
    let mut single: Vec<(Arc<str>, usize)> = counts.into_iter().collect();
    single.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    let mut out: Vec<FacetCount> = Vec::with_capacity(single.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (value, count) in single {
        let same = if fold_case {
            value.to_lowercase()
        } else {
            value.to_string()
        };
        let at = *places.entry(same).or_insert(out.len());
        match out.get_mut(at) {
            Some(known) => known.count += count,
            None => out.push(FacetCount {
                value: value.to_string(),
                count,
            }),
        }
    }
    out.sort_by(|a, b| (Reverse(a.count), &a.value).cmp(&(Reverse(b.count), &b.value)));
    out
}

/// The order asked for: total, so that pages neither overlap nor leave gaps.
fn order<'a>(
    columns: &'a Columns,
    query: &CourseQuery,
    has_text: bool,
) -> impl Fn(&Candidate, &Candidate) -> std::cmp::Ordering + 'a {
    let sort = match query.sort {
        Sort::Relevance if !has_text => Sort::Popular,
        sort => sort,
    };
    move |a, b| {
        let by = |get: &dyn Fn(&CourseColumn) -> u64| {
            let value = |c: &Candidate| columns.get(c.at).map_or(0, |c| get(c));
            value(a).cmp(&value(b))
        };
        let first = match sort {
            // Scores that are nearly alike are alike: then popularity decides.
            Sort::Relevance => (b.exact, (b.score * 4.0).round().to_bits())
                .cmp(&(a.exact, (a.score * 4.0).round().to_bits())),
            Sort::Popular => std::cmp::Ordering::Equal,
            Sort::Newest => by(&|c| u64::MAX - c.since),
            Sort::Shortest => by(&|c| c.minutes.unwrap_or(u64::MAX)),
            Sort::Name => {
                let name = |c: &Candidate| columns.get(c.at).map(|c| (&*c.key, c.feed));
                name(a).cmp(&name(b))
            }
        };
        first.then(a.rank.cmp(&b.rank)).then(a.at.cmp(&b.at))
    }
}
