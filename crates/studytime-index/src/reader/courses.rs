//! Lists of courses: text, filters, facets, order, page.

use super::filter::filter;
use super::{Shared, cards};
use crate::QueryError;
use crate::columns::Columns;
use crate::model::{CourseCard, CourseQuery, Page, Sort};
use crate::store::{Row, row_of};
use crate::text::gather::Match;
use crate::text::search::{self, Manner, Searched};
use crate::text::snippet::Sought;
use crate::text::{Asked, ask};

/// With fewer matches than this, similar words are taken in.
const FEW: usize = 5;

/// A course that is to be listed. The order is total, so that pages neither
/// overlap nor leave gaps: what was asked for, then popularity, which ends with
/// the feed id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// What it is sorted by, smallest first.
    sort: u64,
    rank: u32,
    /// Its place in the columns.
    pub(super) at: u32,
    /// The document of the lesson that matches best.
    pub(super) lesson: Option<u64>,
}

/// What a better match is sorted by: exact ones first, then by score. Scores
/// that are nearly alike are alike, so that popularity decides.
fn relevance(exact: bool, score: f32) -> u64 {
    let score = u64::from((score.max(0.0) * 4.0).round().to_bits());
    u64::from(!exact) << 32 | (u64::from(u32::MAX) - score)
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
    resort(&columns, query.sort, &mut kept);
    let end = query.offset.saturating_add(limit).min(total);
    if end < total && end > 0 {
        kept.select_nth_unstable(end - 1);
        kept.truncate(end);
    }
    kept.sort_unstable();
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
    let candidate = |(rank, at): (u32, &u32)| Candidate {
        sort: 0,
        rank,
        at: *at,
        lesson: None,
    };
    (0..).zip(&ranks.order).map(candidate).collect()
}

/// Sorts by something else than relevance.
fn resort(columns: &Columns, sort: Sort, candidates: &mut [Candidate]) {
    let names = (sort == Sort::Name).then(|| columns.names());
    for candidate in candidates {
        let course = columns.lean(candidate.at);
        candidate.sort = match sort {
            Sort::Relevance => return,
            Sort::Popular => 0,
            Sort::Newest => u64::MAX - course.map_or(0, |c| c.since),
            Sort::Shortest => course.map_or(u64::MAX, |c| c.minutes),
            Sort::Name => names.as_ref().map_or(0, |n| n.of(candidate.at).into()),
        };
    }
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
    let place = |course: u64| columns.by_number(course.cast_signed());
    let known = search::Courses {
        counts,
        languages: columns.languages(),
        language: |course| place(course).map_or(0, |at| columns.language(at)),
        place,
        places: columns.places(),
    };
    let find = |manner| search::search(&shared.text, &shared.scratch, asked, manner, &known);
    let gather = |matches: &[Match], least| -> Vec<Match> {
        let enough = |m: &&Match| (m.words & wanted).count_ones() >= least;
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
    let similar = find(Manner::Similar)?;
    let mut more = gather(&similar.matches, every);
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
