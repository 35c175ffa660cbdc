//! Answers from the columns alone: completions and subjects.

use crate::columns::{Columns, CourseColumn};
use crate::model::{SubjectCount, SubjectEntry, Suggestion, SuggestionKind};
use crate::text::{key, plain::cut};
use crate::word::Counts;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of what is being typed that are read.
const MAX_PREFIX: usize = 200;
/// Completions given, at most.
const MAX_SUGGESTIONS: usize = 50;

/// Where a name has what is being typed: at the start of which word, from 0.
fn place(name: &str, typed: &str) -> Option<usize> {
    name.split(' ')
        .scan(0, |start, word| {
            let at = *start;
            *start += word.len() + 1;
            Some(at)
        })
        .position(|at| name.get(at..).is_some_and(|rest| rest.starts_with(typed)))
}

pub(super) fn suggest(columns: &Columns, prefix: &str, limit: usize) -> Vec<Suggestion> {
    let typed = key(cut(prefix, MAX_PREFIX));
    let limit = limit.min(MAX_SUGGESTIONS);
    if typed.is_empty() || limit == 0 {
        return Vec::new();
    }
    let ranks = columns.ranks();
    let shown = || {
        ranks
            .order
            .iter()
            .filter_map(|at| columns.get(*at))
            .filter(|c| !c.deprecated)
    };
    let mut out: Vec<Suggestion> = Vec::new();
    // Most popular first, so the first ones found are the ones to give.
    let mut later: Vec<&Arc<CourseColumn>> = Vec::new();
    for course in shown() {
        match place(&course.key, &typed) {
            Some(0) => push(
                &mut out,
                &course.name,
                SuggestionKind::Course,
                Some(course.feed),
            ),
            Some(_) if later.len() < limit => later.push(course),
            _ => {}
        }
        if out.len() >= limit {
            break;
        }
    }
    // Room for a subject and a keyword among very many courses.
    let others = subjects_and_keywords(columns, &typed, limit);
    let room = limit.saturating_sub(others.len().min(2));
    out.truncate(room.max(1));
    for course in later {
        if out.len() >= room {
            break;
        }
        push(
            &mut out,
            &course.name,
            SuggestionKind::Course,
            Some(course.feed),
        );
    }
    for other in others {
        if out.len() >= limit {
            break;
        }
        push(&mut out, &other.text, other.kind, None);
    }
    out
}

fn push(
    out: &mut Vec<Suggestion>,
    text: &str,
    kind: SuggestionKind,
    feed_id: Option<studytime_schema::FeedId>,
) {
    if !text.is_empty()
        && !out
            .iter()
            .any(|s| s.text == text && s.kind == kind && s.feed_id == feed_id)
    {
        out.push(Suggestion {
            text: text.to_owned(),
            kind,
            feed_id,
        });
    }
}

fn subjects_and_keywords(columns: &Columns, typed: &str, limit: usize) -> Vec<Suggestion> {
    let mut subjects = Counts::default();
    let mut keywords: HashMap<&str, usize> = HashMap::new();
    for (_, course) in columns.iter().filter(|(_, c)| !c.deprecated) {
        subjects.add(&course.subject);
        for (word, key) in course.keywords.iter().zip(&course.keyword_keys) {
            if key.starts_with(typed) {
                *keywords.entry(word).or_default() += 1;
            }
        }
    }
    let subjects: HashMap<&str, usize> = subjects
        .met()
        .filter(|(subject, _)| place(&key(subject), typed).is_some())
        .collect();
    let mut out = Vec::new();
    for (found, kind) in [
        (subjects, SuggestionKind::Subject),
        (keywords, SuggestionKind::Keyword),
    ] {
        let mut found: Vec<(&str, usize)> = found.into_iter().collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        for (text, _) in found.into_iter().take(limit) {
            // A keyword that is a subject's name says nothing new.
            if !out
                .iter()
                .any(|s: &Suggestion| s.text.eq_ignore_ascii_case(text))
            {
                push(&mut out, text, kind, None);
            }
        }
    }
    out
}

#[derive(Default)]
struct Tally {
    count: usize,
    weight: f64,
}

impl Tally {
    fn add(&mut self, weight: f64) {
        self.count += 1;
        self.weight += weight;
    }

    fn before(&self, name: &str, other: &Self, other_name: &str) -> Ordering {
        other
            .weight
            .total_cmp(&self.weight)
            .then(other.count.cmp(&self.count))
            .then(name.cmp(other_name))
    }
}

pub(super) fn subjects(columns: &Columns) -> Vec<SubjectCount> {
    let mut tallies: BTreeMap<&str, (Tally, BTreeMap<&str, Tally>)> = BTreeMap::new();
    for (_, course) in columns.iter().filter(|(_, c)| !c.deprecated) {
        let (all, subjects) = tallies.entry(&*course.category).or_default();
        let weight = course.popularity.weight;
        all.add(weight);
        subjects.entry(&*course.subject).or_default().add(weight);
    }
    let mut categories: Vec<_> = tallies.into_iter().collect();
    categories.sort_by(|(a, (x, _)), (b, (y, _))| x.before(a, y, b));
    categories
        .into_iter()
        .map(|(category, (all, subjects))| {
            let mut subjects: Vec<_> = subjects.into_iter().collect();
            subjects.sort_by(|(a, x), (b, y)| x.before(a, y, b));
            SubjectCount {
                category: category.to_owned(),
                count: all.count,
                popularity: all.weight,
                subjects: subjects
                    .into_iter()
                    .map(|(subject, tally)| SubjectEntry {
                        subject: subject.to_owned(),
                        count: tally.count,
                        popularity: tally.weight,
                    })
                    .collect(),
            }
        })
        .collect()
}
