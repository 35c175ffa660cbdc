//! Answers from the columns alone: completions and subjects.

use crate::columns::{Columns, CourseColumn, Lean, Tally, text_start};
use crate::model::{KeywordCount, SubjectCount, SubjectEntry, Suggestion, SuggestionKind};
use crate::text::{is_unspaced, key, plain::cut};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use studytime_schema::subjects::{GENERAL, OTHER};

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
    let typed = Typed::new(typed);
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

/// What is being typed, in its comparable form.
struct Typed {
    /// The ways in which it may be written.
    ways: Vec<String>,
    /// It is in a script without spaces, where a word may begin anywhere.
    anywhere: bool,
}

impl Typed {
    fn new(typed: String) -> Self {
        // The Arabic article is one with its word; people type it or not.
        const ARTICLE: &str = "ال";
        let arabic = |c: char| matches!(c, '\u{620}'..='\u{64a}' | '\u{671}'..='\u{6d3}');
        let other = match typed.strip_prefix(ARTICLE) {
            Some(rest) => {
                (rest.chars().take_while(|c| arabic(*c)).count() >= 3).then(|| rest.to_owned())
            }
            None => typed
                .starts_with(arabic)
                .then(|| format!("{ARTICLE}{typed}")),
        };
        Self {
            anywhere: typed.starts_with(is_unspaced),
            ways: [typed].into_iter().chain(other).collect(),
        }
    }

    /// Whether a name begins with it.
    fn begins(&self, name: &str) -> bool {
        self.ways.iter().any(|way| name.starts_with(way))
    }

    /// Whether a name has it at the start of a word.
    fn is_in(&self, name: &str) -> bool {
        let anywhere = |way: &str| self.anywhere && name.contains(way);
        let mut ways = self.ways.iter();
        ways.any(|way| text_start(name, way).is_some() || anywhere(way))
    }
}

/// The courses whose name begins with what is typed, and those in whose name a
/// later word does; each as many as are asked for, most popular first.
fn names<'a>(
    columns: &'a Columns,
    typed: &Typed,
    limit: usize,
) -> (Vec<Cow<'a, CourseColumn>>, Vec<Cow<'a, CourseColumn>>) {
    let ranks = columns.ranks();
    let (names, changed) = columns.completions();
    // Of courses that changed since the names were put together, the columns tell.
    let fresh = |later: bool| {
        changed.iter().copied().filter(move |at| {
            let shown = columns.lean(*at).is_some_and(|lean| !lean.deprecated);
            let name = columns.key(*at);
            let begins = typed.begins(name);
            shown
                && if later {
                    !begins && typed.is_in(name)
                } else {
                    begins
                }
        })
    };
    let known: HashSet<u32> = changed.iter().copied().collect();
    let mut begins: Vec<u32> = Vec::new();
    for way in &typed.ways {
        let found = names.with("\n", way).filter(|at| !known.contains(at));
        begins.extend(found.take(limit));
    }
    begins.extend(fresh(false));
    let mut later: Vec<u32> = Vec::new();
    if begins.len() < limit {
        let before = if typed.anywhere { "" } else { " " };
        for way in &typed.ways {
            let mut last = None;
            let found = names.with(before, way).filter(|at| {
                let again = last.replace(*at) == Some(*at);
                !again && !known.contains(at) && !typed.begins(columns.key(*at))
            });
            later.extend(found.take(limit));
        }
        later.extend(fresh(true));
    }
    let courses = |mut places: Vec<u32>| {
        places.sort_unstable_by_key(|at| ranks.of(*at));
        places.dedup();
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

/// Subjects of both levels and keywords. "General" and "Other" are no names that
/// anybody looks for.
fn subjects_and_keywords(columns: &Columns, typed: &Typed, limit: usize) -> Vec<Suggestion> {
    let mut categories: HashMap<&str, usize> = HashMap::new();
    let mut subjects: HashMap<&str, usize> = HashMap::new();
    for (category, subject, tally) in columns.tallies() {
        for (names, name) in [(&mut categories, category), (&mut subjects, subject)] {
            if name != OTHER && name != GENERAL && typed.is_in(&key(name)) {
                *names.entry(name).or_default() += tally.count;
            }
        }
    }
    let (names, changed) = columns.completions();
    let mut keywords: HashMap<&str, usize> = HashMap::new();
    for way in &typed.ways {
        for (word, count) in names.keywords(way) {
            *keywords.entry(word).or_default() += count;
        }
    }
    let (mut seen, mut fresh) = (HashSet::new(), Vec::new());
    for at in changed {
        columns.each_keyword(*at, |word| {
            if seen.insert(word.id()) && typed.begins(&key(word)) {
                fresh.push(word.clone());
            }
        });
    }
    for word in &fresh {
        keywords.entry(word).or_insert(1);
    }
    let mut out = Vec::new();
    for (found, kind) in [
        (categories, SuggestionKind::Category),
        (subjects, SuggestionKind::Subject),
        (keywords, SuggestionKind::Keyword),
    ] {
        let mut found: Vec<(&str, usize)> = found.into_iter().collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        for (text, _) in found.into_iter().take(limit) {
            // What says the same as one before it says nothing new.
            let same = |s: &Suggestion| key(&s.text) == key(text);
            if !out.iter().any(same) {
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
    // What is in no subject is no subject to begin with.
    categories.sort_by(|(a, (x, _)), (b, (y, _))| {
        (*a == OTHER)
            .cmp(&(*b == OTHER))
            .then_with(|| x.before(a, y, b))
    });
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
