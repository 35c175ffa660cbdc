//! Changing the columns: one course at a time.

use super::{Columns, CourseColumn, Lean, Slot, Standing};
use crate::text::stem::stemmer;
use crate::word::SharedWord;
use std::sync::Arc;
use studytime_schema::FeedId;

impl Columns {
    /// Puts a course in its place, or takes it away; gives what was there.
    pub(crate) fn put(
        &mut self,
        number: i64,
        feed: FeedId,
        column: Option<CourseColumn>,
    ) -> Option<CourseColumn> {
        let at = self.place_of(&feed);
        let old = at.and_then(|at| self.take(at));
        if let (Some(at), Some(old)) = (at, &old) {
            self.count(at, &old.lists, false);
            for (row, _) in &old.gave {
                self.set_counts(*row, 0);
            }
        }
        let place = match column {
            Some(column) => Some(self.place(number, at, column)),
            None => at.inspect(|at| {
                self.free.push(*at);
                self.by_feed.remove(&feed);
                self.set_number(number, 0);
            }),
        };
        if let Some(at) = place {
            self.popular.touch(at);
            self.by_name.touch(at);
            self.newest.touch(at);
            self.shortest.touch(at);
            let courses = self.by_feed.len();
            self.completions.touch(at, courses);
        }
        old
    }

    /// What is at a place, which is free then.
    fn take(&mut self, at: u32) -> Option<CourseColumn> {
        let slot = std::mem::take(self.slots.get_mut(at as usize)?);
        match slot {
            Slot::Here(course) => Some(Arc::unwrap_or_clone(course)),
            Slot::Kept(number) => self.read(at, number),
            Slot::Free => None,
        }
    }

    /// Puts a course where it was, or at a free place; gives the place.
    fn place(&mut self, number: i64, at: Option<u32>, column: CourseColumn) -> u32 {
        for (row, bits) in &column.gave {
            self.set_counts(*row, *bits);
        }
        self.values.note(&column);
        let at = at.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.lean.push(Lean::default());
            self.standings.push(Standing::NONE);
            self.language.push(0);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_feed.insert(column.feed, at);
        self.set_number(number, at.saturating_add(1));
        let language = self.language_bit(&column.language);
        if let Some(slot) = self.language.get_mut(at as usize) {
            *slot = language;
        }
        if let Some(slot) = self.lean.get_mut(at as usize) {
            *slot = Lean::of(&column);
        }
        if let Some(slot) = self.standings.get_mut(at as usize) {
            *slot = Standing::of(&column);
        }
        self.count(at, &column.lists, true);
        if let Some(slot) = self.slots.get_mut(at as usize) {
            *slot = Slot::Here(Arc::new(column));
        }
        at
    }

    /// Takes the course at a place into what is counted, or out again.
    fn count(&mut self, at: u32, lists: &[u16], more: bool) {
        let at = at as usize;
        if let (Some(lean), Some(standing)) = (self.lean.get(at), self.standings.get(at)) {
            let weight = standing.popularity.weight;
            self.tallies.count(lean, weight, more);
            self.counter.count(lean, more);
        }
        for list in lists {
            let list = usize::from(*list);
            if self.listed.len() <= list {
                self.listed.resize(list + 1, 0);
            }
            if let Some(count) = self.listed.get_mut(list) {
                *count = match more {
                    true => *count + 1,
                    false => count.saturating_sub(1),
                };
            }
        }
    }

    pub(super) fn language_bit(&mut self, language: &SharedWord) -> u32 {
        let at = language.id() as usize;
        if self.bits.len() <= at {
            self.bits.resize(at + 1, None);
        }
        let Some(known) = self.bits.get_mut(at) else {
            return 0;
        };
        *known.get_or_insert_with(|| stemmer(language).map_or(0, |s| self.languages.add(s)))
    }

    pub(super) fn set_number(&mut self, number: i64, to: u32) {
        let Ok(at) = usize::try_from(number) else {
            return;
        };
        if self.by_number.len() <= at {
            self.by_number.resize(at + at / 4 + 16, 0);
        }
        if let Some(slot) = self.by_number.get_mut(at) {
            *slot = to;
        }
    }

    fn set_counts(&mut self, row: i64, bits: u8) {
        let Ok(at) = usize::try_from(row) else { return };
        if self.counts.len() <= at {
            self.counts.resize(at + at / 4 + 16, 0);
        }
        if let Some(slot) = self.counts.get_mut(at) {
            *slot = bits;
        }
    }
}
