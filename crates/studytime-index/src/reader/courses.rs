//! Lists of courses: text, filters, facets, order, page.

use super::filter::Filters;
use super::{Shared, cards};
use crate::QueryError;
use crate::columns::{Columns, Counter};
use crate::model::{CourseCard, CourseQuery, Facets, Page, Sort};
use crate::text::gather::{Address, Match};
use crate::text::search::{self, Manner, Searched, Texts};
use crate::text::snippet::Sought;
use crate::text::{Asked, ask, may_be_begun};

/// With fewer matches than this, similar words are taken in.
const FEW: usize = 5;

/// A course that is to be listed. The order is total, so that pages neither
/// overlap nor leave gaps: what was asked for, then popularity, which ends with
/// the feed id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// What it is sorted by, smallest first.
    sort: u64,
    rank: u32,
    /// Its place in the columns.
    at: u32,
    /// The lesson that matches best.
    lesson: Option<Address>,
}

/// What a better match is sorted by: exact ones first, then by score. Scores
/// that are nearly alike are alike, so that popularity decides.
fn relevance(exact: bool, score: f32) -> u64 {
    let score = u64::from((score.max(0.0) * 4.0).round().to_bits());
    u64::from(!exact) << 32 | (u64::from(u32::MAX) - score)
}

/// What was found of a query, without what cards show of it.
#[derive(Default)]
struct Found {
    /// Of the page: places, and the lessons that match best.
    page: Vec<(u32, Option<u64>)>,
    /// How many come before it.
    offset: usize,
    total: usize,
    facets: Facets,
    /// What snippets mark.
    sought: Vec<Sought>,
    approximate: bool,
}

pub(super) fn courses(
    shared: &Shared,
    query: &CourseQuery,
) -> Result<Page<CourseCard>, QueryError> {
    let columns = shared.columns();
    let limit = query.limit.min(CourseQuery::MAX_LIMIT);
    let asked = ask(&query.text);
    let found = match asked.as_slice() {
        [] => listed(&columns, query, limit),
        asked => matched(shared, &columns, query, asked, limit)?,
    };
    let items = found
        .page
        .iter()
        .filter_map(|(at, lesson)| Some((columns.get(*at)?, *lesson)))
        .map(|(course, lesson)| cards::card(shared, &columns, &course, lesson, &found.sought))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Page {
        items,
        total: found.total,
        offset: found.offset,
        limit,
        facets: found.facets,
        approximate: found.approximate,
    })
}

/// Without words: all courses that pass, in an order that is kept.
fn listed(columns: &Columns, query: &CourseQuery, limit: usize) -> Found {
    let filters = Filters::new(columns, query);
    let ranks = columns.sorted(query.sort);
    let after = query.after.and_then(|feed| columns.place_of(&feed));
    let mut found = Found {
        offset: query.offset,
        ..Found::default()
    };
    if filters.pass_current() {
        let current = |at: &&u32| columns.lean(**at).is_some_and(|c| !c.deprecated);
        let all = ranks.order.iter().filter(current);
        if let Some(before) = after.and_then(|after| all.clone().position(|at| *at == after)) {
            found.offset = before + 1;
        }
        let page = all.skip(found.offset).take(limit);
        found.page = page.map(|at| (*at, None)).collect();
        found.total = columns.counter().current();
        if query.facets {
            found.facets = columns.counter().facets(columns.values());
        }
        return found;
    }
    let mut counter = Counter::default();
    let mut pass = |at: &u32| filters.pass(columns, *at, &mut counter);
    let mut kept: Vec<(u32, u32)> = match query.started == Some(true) && !query.facets {
        true => started(columns)
            .filter(&mut pass)
            .map(|at| (ranks.of(at), at))
            .collect(),
        // In the order in which they lie in memory.
        false => columns
            .taken()
            .filter(&mut pass)
            .map(|at| (ranks.of(at), at))
            .collect(),
    };
    found.total = kept.len();
    if let Some(offset) = offset_after(&kept, |(_, at)| Some(*at) == after) {
        found.offset = offset;
    }
    let page = page_of(&mut kept, found.offset, limit);
    found.page = page.iter().map(|(_, at)| (*at, None)).collect();
    if query.facets {
        found.facets = counter.facets(columns.values());
    }
    found
}

/// How many come up to the one that `is` it, with that one; `None` without it.
fn offset_after<T: Ord>(kept: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    let last = kept.iter().find(|one| is(one))?;
    Some(kept.iter().filter(|one| *one <= last).count())
}

/// Of all that are kept, the page that is asked for: smallest first.
fn page_of<T: Ord>(kept: &mut Vec<T>, offset: usize, limit: usize) -> &[T] {
    let end = offset.saturating_add(limit).min(kept.len());
    if end < kept.len() && end > 0 {
        kept.select_nth_unstable(end - 1);
        kept.truncate(end);
    }
    kept.sort_unstable();
    kept.get(offset.min(end)..end).unwrap_or_default()
}

/// The places of the started courses.
fn started(columns: &Columns) -> impl Iterator<Item = u32> {
    let enrolled = columns.learner.enrolments().into_iter();
    enrolled.filter_map(|e| columns.place_of(&e.feed_id))
}

/// The courses with these words that pass.
fn matched(
    shared: &Shared,
    columns: &Columns,
    query: &CourseQuery,
    asked: &[Asked],
    limit: usize,
) -> Result<Found, QueryError> {
    let texts = Texts::now(&shared.text, &shared.scratch);
    let (mut kept, sought, approximate) = matching(&texts, columns, asked)?;
    let filters = Filters::new(columns, query);
    let mut counter = Counter::default();
    kept.retain(|candidate| filters.pass(columns, candidate.at, &mut counter));
    let total = kept.len();
    resort(columns, query.sort, &mut kept);
    let after = query.after.and_then(|feed| columns.place_of(&feed));
    let offset = offset_after(&kept, |c| Some(c.at) == after).unwrap_or(query.offset);
    let page = page_of(&mut kept, offset, limit);
    let lesson = |c: &Candidate| c.lesson.map_or(Ok(None), |at| texts.doc(at));
    let page = page.iter().map(|c| Ok((c.at, lesson(c)?)));
    Ok(Found {
        page: page.collect::<Result<_, QueryError>>()?,
        offset,
        total,
        facets: match query.facets {
            true => counter.facets(columns.values()),
            false => Facets::default(),
        },
        sought,
        approximate,
    })
}

/// Sorts by something else than relevance.
fn resort(columns: &Columns, sort: Sort, candidates: &mut [Candidate]) {
    if sort == Sort::Relevance {
        return;
    }
    let ranks = columns.sorted(sort);
    for candidate in candidates {
        candidate.sort = 0;
        candidate.rank = ranks.of(candidate.at);
    }
}

/// The courses that have the words, what snippets mark, and whether similar
/// words were taken in.
fn matching(
    texts: &Texts<'_>,
    columns: &Columns,
    asked: &[Asked],
) -> Result<(Vec<Candidate>, Vec<Sought>, bool), QueryError> {
    let every = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    let place = |course: u64| columns.by_number(course.cast_signed());
    let known = search::Courses {
        counts: |row: u32| columns.counts(row.into()),
        languages: columns.languages(),
        language: |course| place(course).map_or(0, |at| columns.language(at)),
        place,
        places: columns.places(),
    };
    let find = |manner| texts.search(asked, manner, &known);
    let gather = |matches: &[Match], least| -> Vec<Match> {
        let enough = |m: &&Match| m.words.count_ones() >= least;
        matches.iter().filter(enough).copied().collect()
    };
    let exact = find(Manner::Exact)?;
    let mut matches = gather(&exact.matches, every);
    if matches.len() >= FEW {
        return Ok((
            candidates(columns, &matches, &[]),
            sought(asked, &exact),
            false,
        ));
    }
    let mut similar = find(Manner::Similar)?;
    let mut more = gather(&similar.matches, every);
    if matches.is_empty() && more.is_empty() && asked.iter().any(may_be_begun) {
        // Somebody is still typing, and went wrong before the end.
        similar = find(Manner::Begun)?;
        more = gather(&similar.matches, every);
    }
    if more.is_empty() && every > 1 {
        // No course has all of the words: then those with most of them.
        more = gather(&similar.matches, every.div_ceil(2));
        let most = more.iter().map(|m| m.words.count_ones()).max().unwrap_or(0);
        more.retain(|m| m.words.count_ones() == most);
    }
    let had: std::collections::HashSet<u32> = matches.iter().map(|m| m.at).collect();
    more.retain(|m| !had.contains(&m.at));
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

fn candidates(columns: &Columns, exact: &[Match], similar: &[Match]) -> Vec<Candidate> {
    let ranks = columns.ranks();
    let one = |m: &Match, exact: bool| Candidate {
        sort: relevance(exact, m.score),
        rank: ranks.of(m.at),
        at: m.at,
        lesson: m.lesson,
    };
    let exact = exact.iter().map(|m| one(m, true));
    exact.chain(similar.iter().map(|m| one(m, false))).collect()
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
