//! Answers from the columns alone: completions and subjects.

use crate::columns::{Columns, CourseColumn, Lean, Tally, text_start};
use crate::model::{KeywordCount, SubjectCount, SubjectEntry, Suggestion, SuggestionKind};
use crate::text::{key, plain::cut};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use studytime_schema::subjects::OTHER;

/// Bytes of what is being typed that are read.
const MAX_PREFIX: usize = 200;
/// Completions given, at most.
const MAX_SUGGESTIONS: usize = 50;

pub(super) fn suggest(columns: &Columns, prefix: &str, limit: usize) -> Vec<Suggestion> {
    let typed = key(cut(prefix, MAX_PREFIX));
    let limit = limit.min(MAX_SUGGESTIONS);
    if typed.is_empty() || limit == 0 {
        return Vec::new();
    }
    let (first, later) = names(columns, &typed, limit);
    let mut out: Vec<Suggestion> = Vec::new();
    let course = |out: &mut Vec<Suggestion>, course: &CourseColumn| {
        push(out, &course.name, SuggestionKind::Course, Some(course.feed));
    };
    for found in first {
        course(&mut out, &found);
        if out.len() >= limit {
            break;
        }
    }
    // Room for a subject and a keyword among very many courses.
    let others = subjects_and_keywords(columns, &typed, limit);
    let room = limit.saturating_sub(others.len().min(2));
    out.truncate(room.max(1));
    for found in later {
        if out.len() >= room {
            break;
        }
        course(&mut out, &found);
    }
    for other in others {
        if out.len() >= limit {
            break;
        }
        push(&mut out, &other.text, other.kind, None);
    }
    out
}

/// The courses whose name begins with what is typed, and those in whose name a
/// later word does; each as many as are asked for, most popular first.
fn names<'a>(
    columns: &'a Columns,
    typed: &str,
    limit: usize,
) -> (Vec<Cow<'a, CourseColumn>>, Vec<Cow<'a, CourseColumn>>) {
    let ranks = columns.ranks();
    let (names, changed) = columns.completions();
    // Of courses that changed since the names were put together, the columns tell.
    let fresh = |later: bool| {
        changed.iter().copied().filter(move |at| {
            let shown = columns.lean(*at).is_some_and(|lean| !lean.deprecated);
            let found = text_start(columns.key(*at), typed);
            shown && found.is_some_and(|word| (word > 0) == later)
        })
    };
    let known: HashSet<u32> = changed.iter().copied().collect();
    let mut begins: Vec<u32> = names
        .with('\n', typed)
        .filter(|at| !known.contains(at))
        .take(limit)
        .collect();
    begins.extend(fresh(false));
    let mut later: Vec<u32> = Vec::new();
    if begins.len() < limit {
        let beginning = |at: u32| columns.key(at).starts_with(typed);
        for at in names.with(' ', typed) {
            if later.len() >= limit {
                break;
            }
            if !known.contains(&at) && later.last() != Some(&at) && !beginning(at) {
                later.push(at);
            }
        }
        later.extend(fresh(true));
    }
    let courses = |mut places: Vec<u32>| {
        places.sort_unstable_by_key(|at| ranks.of(*at));
        let found = places.into_iter().take(limit);
        found.filter_map(|at| columns.get(at)).collect()
    };
    (courses(begins), courses(later))
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
    let mut subjects: HashMap<&str, usize> = HashMap::new();
    for (_, subject, tally) in columns.tallies() {
        if text_start(&key(subject), typed).is_some() {
            *subjects.entry(subject).or_default() += tally.count;
        }
    }
    let (names, changed) = columns.completions();
    let mut keywords: HashMap<&str, usize> = HashMap::new();
    for (word, count) in names.keywords(typed) {
        *keywords.entry(word).or_default() += count;
    }
    let (mut seen, mut fresh) = (HashSet::new(), Vec::new());
    for at in changed {
        columns.each_keyword(*at, |word| {
            if seen.insert(word.id()) && key(word).starts_with(typed) {
                fresh.push(word.clone());
            }
        });
    }
    for word in &fresh {
        keywords.entry(word).or_insert(1);
    }
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

/// The commonest keywords of courses that are in no subject.
pub(super) fn unknown_keywords(columns: &Columns, limit: usize) -> Vec<KeywordCount> {
    // By comparable form: how many courses, and how often each spelling.
    let mut found: HashMap<String, (usize, BTreeMap<String, usize>)> = HashMap::new();
    for at in columns.taken() {
        let in_none = |lean: &&Lean| {
            columns.values().subjects.text(lean.subject) == OTHER && !lean.deprecated
        };
        if columns.lean(at).filter(in_none).is_none() {
            continue;
        }
        let mut seen = HashSet::new();
        columns.each_keyword(at, |word| {
            let key = key(word);
            if !key.is_empty() && seen.insert(key.clone()) {
                let (count, spellings) = found.entry(key).or_default();
                *count += 1;
                *spellings.entry(word.to_string()).or_default() += 1;
            }
        });
    }
    let mut found: Vec<KeywordCount> = found
        .into_values()
        .map(|(courses, spellings)| KeywordCount {
            keyword: spellings
                .into_iter()
                .rev()
                .max_by_key(|(_, count)| *count)
                .map(|(word, _)| word)
                .unwrap_or_default(),
            courses,
        })
        .collect();
    found.sort_by(|a, b| b.courses.cmp(&a.courses).then(a.keyword.cmp(&b.keyword)));
    found.truncate(limit);
    found
}

impl Tally {
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
    for (category, subject, tally) in columns.tallies() {
        let (all, subjects) = tallies.entry(category).or_default();
        all.count += tally.count;
        all.weight += tally.weight;
        subjects.insert(subject, tally);
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
