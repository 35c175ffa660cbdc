//! Names in one piece of memory, most popular first, to complete what is being
//! typed: looking through all of them takes less than a millisecond.

use super::Columns;
use crate::text::key;
use crate::word::SharedWord;
use memchr::memmem::Finder;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// With fewer courses than this, all is made anew after every change.
const FEW: usize = 2_048;

#[derive(Debug)]
pub(crate) struct Names {
    /// The comparable forms of names, a line feed before each.
    text: String,
    /// Where each begins, and the place of its course.
    starts: Vec<(u32, u32)>,
    /// Keywords that courses have, by comparable form, and how many.
    keywords: Vec<(String, SharedWord, usize)>,
}

impl Names {
    fn new(columns: &Columns) -> Self {
        let ranks = columns.ranks();
        let mut text = String::new();
        let mut starts = Vec::with_capacity(ranks.order.len());
        let mut keywords: HashMap<u32, (SharedWord, usize)> = HashMap::new();
        for at in &ranks.order {
            if columns.lean(*at).is_none_or(|lean| lean.deprecated) {
                continue;
            }
            let Ok(start) = u32::try_from(text.len()) else {
                break;
            };
            starts.push((start, *at));
            text.push('\n');
            text.push_str(columns.key(*at));
            columns.each_keyword(*at, |word| {
                let found = keywords.entry(word.id());
                found.or_insert_with(|| (word.clone(), 0)).1 += 1;
            });
        }
        let mut keywords: Vec<_> = keywords
            .into_values()
            .map(|(word, count)| (key(&word), word, count))
            .collect();
        keywords.sort_unstable_by(|a, b| (&a.0, &*a.1).cmp(&(&b.0, &*b.1)));
        text.shrink_to_fit();
        Self {
            text,
            starts,
            keywords,
        }
    }

    /// Places of courses whose name has `typed` at the start of a word: of the
    /// first one (`"\n"` before it) or a later one (`" "`); anywhere with nothing
    /// before it. Most popular first, one course maybe several times.
    pub(crate) fn with<'a>(&'a self, before: &str, typed: &str) -> impl Iterator<Item = u32> + 'a {
        let finder = Finder::new(format!("{before}{typed}").as_bytes()).into_owned();
        let mut from = 0;
        std::iter::from_fn(move || {
            let rest = self.text.as_bytes().get(from..)?;
            let found = from + finder.find(rest)?;
            from = found + 1;
            let next = self
                .starts
                .partition_point(|(start, _)| *start as usize <= found);
            let (_, at) = self.starts.get(next.checked_sub(1)?)?;
            Some(*at)
        })
    }

    /// Keywords that begin with `typed`, with how many courses have them.
    pub(crate) fn keywords(&self, typed: &str) -> impl Iterator<Item = (&SharedWord, usize)> {
        let from = self
            .keywords
            .partition_point(|(key, ..)| key.as_str() < typed);
        let rest = self.keywords.get(from..).unwrap_or_default().iter();
        let found = rest.take_while(move |(key, ..)| key.starts_with(typed));
        found.map(|(_, word, count)| (word, *count))
    }
}

/// Names as of some change, and the places of courses that changed since.
#[derive(Debug, Clone, Default)]
pub(super) struct Completions {
    names: OnceLock<Arc<Names>>,
    changed: Vec<u32>,
    /// The same, to look up.
    known: HashSet<u32>,
}

impl Completions {
    pub(super) fn touch(&mut self, at: u32, courses: usize) {
        if self.names.get().is_none() {
            return;
        }
        if courses < FEW || self.changed.len() > courses / 64 {
            *self = Self::default();
        } else if self.known.insert(at) {
            self.changed.push(at);
        }
    }

    /// The names, and which places they are no longer right for.
    pub(super) fn get(&self, columns: &Columns) -> (Arc<Names>, &[u32]) {
        let names = self.names.get_or_init(|| Arc::new(Names::new(columns)));
        (names.clone(), &self.changed)
    }
}

/// Where a name has what is being typed: at the start of which word, from 0.
///
/// Names and typed text are in their comparable form.
pub(crate) fn text_start(name: &str, typed: &str) -> Option<usize> {
    name.split(' ')
        .scan(0, |start, word| {
            let at = *start;
            *start += word.len() + 1;
            Some(at)
        })
        .position(|at| name.get(at..).is_some_and(|rest| rest.starts_with(typed)))
}
