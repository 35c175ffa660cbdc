//! How far a learner is in a course.

use super::LearnerState;
use crate::content::{ProgressEntry, Target};
use crate::refs::{FeedId, MessageId};
use crate::view::{CourseOutline, ItemView, LessonView};
use serde::{Deserialize, Serialize};

/// How far a learner is in a course.
///
/// Every standing lesson weighs the same. A lesson that was completed counts
/// whole; otherwise the share of its completed items counts. A test is
/// completed when it was marked so or its pass mark was reached. Only what
/// stands in the course now is counted, by identity, so that no update of the
/// course loses anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CourseProgress {
    /// How much is done, 0 to 100, rounded down: 100 is all.
    pub percent: u8,
    /// Completed lessons.
    pub lessons_done: usize,
    /// Each standing lesson, in the order of the outline.
    pub lessons: Vec<LessonProgress>,
    /// The lesson to go on with: the one last worked on, or the next after it
    /// that is not done; `None` when all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<MessageId>,
}

/// How far a learner is in a lesson.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonProgress {
    /// The lesson.
    pub lesson: MessageId,
    /// Its number.
    pub lesson_number: u64,
    /// Whether it is completed: marked so, or all its items are.
    pub done: bool,
    /// How much is done, 0 to 100, rounded down.
    pub percent: u8,
    /// Its items: videos, attachments, tests.
    pub items: Vec<ItemProgress>,
}

/// How far a learner is with an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemProgress {
    /// The item.
    pub item: MessageId,
    /// Whether it is completed.
    pub done: bool,
    /// Where its video stands, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// How much was said to be done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The best score of a test, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_score: Option<u8>,
}

impl LearnerState {
    /// How far the learner is in a course.
    pub fn course_progress(&self, course: &FeedId, outline: &CourseOutline) -> CourseProgress {
        let lessons: Vec<LessonProgress> = outline
            .lessons
            .iter()
            .map(|lesson| self.lesson_progress(course, lesson))
            .collect();
        let sum: u64 = lessons.iter().map(|l| u64::from(l.share())).sum();
        let percent = sum
            .checked_div(lessons.len() as u64)
            .and_then(|share| u8::try_from(share / 100).ok())
            .unwrap_or(0);
        let last = self.touched(course).and_then(|touched| {
            let by_lesson = |id| lessons.iter().position(|l| l.lesson == id);
            let by_item = |id| {
                lessons
                    .iter()
                    .position(|l| l.items.iter().any(|i| i.item == id))
            };
            // The item knows best: it may have moved to another lesson.
            let item = touched.item.and_then(by_item);
            item.or_else(|| touched.lesson.and_then(by_lesson))
        });
        let (before, after) = lessons.split_at(last.unwrap_or(0));
        let next = after.iter().chain(before).find(|l| !l.done);
        CourseProgress {
            percent,
            lessons_done: lessons.iter().filter(|l| l.done).count(),
            next: next.map(|l| l.lesson),
            lessons,
        }
    }

    fn lesson_progress(&self, course: &FeedId, lesson: &LessonView) -> LessonProgress {
        let items: Vec<ItemProgress> = lesson
            .items()
            .map(|item| self.item_progress(course, item))
            .collect();
        let done_items = items.iter().filter(|i| i.done).count();
        let all_items = !items.is_empty() && done_items == items.len();
        let said = self.mark(course, Target::Lesson(lesson.id)).done;
        let done = said.unwrap_or(all_items);
        let percent = match (done, said) {
            (true, _) => 100,
            // Explicitly not done, although all its items may be.
            (false, Some(false)) => done_items * 100 / (items.len() + 1),
            (false, _) => done_items * 100 / items.len().max(1),
        };
        LessonProgress {
            lesson: lesson.id,
            lesson_number: lesson.lesson_number,
            done,
            percent: u8::try_from(percent).unwrap_or(100),
            items,
        }
    }

    fn item_progress(&self, course: &FeedId, item: ItemView<'_>) -> ItemProgress {
        let id = item.id();
        let mark = self.mark(course, Target::Item(id));
        let score = self.score(course, &id);
        // When it was passed, if ever; the times are those that are known.
        let passed = match (item, score) {
            (ItemView::Test(test), Some(score)) => [
                (score.passed, score.passed_time),
                (score.best >= test.pass_percent, score.best_time),
                (score.last >= test.pass_percent, score.last_time),
            ]
            .into_iter()
            .filter_map(|(passed, time)| passed.then_some(time))
            .max(),
            _ => None,
        };
        let done = match mark.done {
            Some(true) => true,
            // Taken back; only a later success completes it again.
            Some(false) => passed.is_some_and(|time| time > mark.done_time),
            None => passed.is_some(),
        };
        ItemProgress {
            item: id,
            done,
            position_seconds: mark.position_seconds,
            percent: mark.percent,
            best_score: score.map(|s| s.best),
        }
    }

    /// What to publish so that progress in `from` goes on in its successor
    /// `to`: an entry for every lesson and item of `to` that says it
    /// `replaces` one the learner has worked on. Tests that were passed are
    /// marked done. Entries that would say nothing new are left out.
    pub fn carry_over(
        &self,
        from: &FeedId,
        to: &FeedId,
        outline: &CourseOutline,
    ) -> Vec<ProgressEntry> {
        let mut entries = Vec::new();
        let mut carry = |old: Target, new: Target, lesson: MessageId, passed: bool| {
            let (mark, there) = (self.mark(from, old), self.mark(to, new));
            let entry = ProgressEntry {
                lesson: Some(lesson),
                done: (mark.done == Some(true) || passed)
                    .then_some(true)
                    .filter(|_| there.done.is_none()),
                percent: mark.percent.filter(|_| there.percent.is_none()),
                position_seconds: mark
                    .position_seconds
                    .filter(|_| there.position_seconds.is_none()),
                ..ProgressEntry::new(*to, new)
            };
            if entry.done.is_some() || entry.percent.is_some() || entry.position_seconds.is_some() {
                entries.push(entry);
            }
        };
        for lesson in &outline.lessons {
            if let Some(old) = lesson.replaces {
                carry(
                    Target::Lesson(old),
                    Target::Lesson(lesson.id),
                    lesson.id,
                    false,
                );
            }
            for item in lesson.items() {
                let Some(old) = item.replaces() else { continue };
                let passed = match item {
                    ItemView::Test(test) => self
                        .score(from, &old)
                        .is_some_and(|s| s.passed || s.best >= test.pass_percent),
                    _ => false,
                };
                carry(
                    Target::Item(old),
                    Target::Item(item.id()),
                    lesson.id,
                    passed,
                );
            }
        }
        entries
    }
}

impl LearnerState {
    /// [`carry_over`](Self::carry_over) along a chain of courses that took each
    /// other's place, to the last of them: what it says of a lesson in any of the
    /// earlier ones counts, and what they say of each other. Each course comes
    /// with its outline; that of the first is not read.
    pub fn carry_along(&self, chain: &[(FeedId, CourseOutline)]) -> Vec<ProgressEntry> {
        let mut state = self.clone();
        let mut carried = Vec::new();
        for (at, (to, outline)) in chain.iter().enumerate() {
            carried.clear();
            let before = chain.get(..at).unwrap_or_default();
            for (from, _) in before.iter().rev().filter(|(from, _)| from != to) {
                let entries = state.carry_over(from, to, outline);
                // What the nearer course tells is known to the farther ones.
                entries.iter().for_each(|entry| state.lay_over(entry, 0));
                carried.extend(entries);
            }
        }
        carried
    }
}

impl LessonProgress {
    /// How much is done, in hundredths of a percent.
    fn share(&self) -> u32 {
        if self.done {
            return 10_000;
        }
        u32::from(self.percent) * 100
    }
}
