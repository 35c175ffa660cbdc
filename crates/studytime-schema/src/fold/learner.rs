//! What a learner did: folded from the learner's own feeds.

use super::notes::{LearnerNote, Notes};
use super::step::apply_input;
use super::{Effect, Ignored, Input, Step};
use crate::content::{Bookmark, Content, ProgressEntry, Target, TestResult};
use crate::refs::{FeedId, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a learner did, from one or more feeds that are their own.
///
/// Each feed is folded by itself. Where several speak of one thing, the
/// statement with the later time counts, so the order in which feeds arrive
/// does not matter. Completion is sticky until it is explicitly taken back,
/// the best score is kept, and a position is the last one.
///
/// Positions that are not published yet are laid over by
/// [`set_local`](Self::set_local); they are not stored with the state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LearnerState {
    feeds: BTreeMap<FeedId, LearnerFeed>,
    #[serde(skip)]
    local: BTreeMap<FeedId, Marks>,
}

/// A statement and its time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Said<T> {
    value: T,
    time: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct LearnerFeed {
    seen: u64,
    enrolments: BTreeMap<FeedId, Said<bool>>,
    courses: BTreeMap<FeedId, Marks>,
    notes: Notes,
    bookmarks: Vec<Said<BookmarkState>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogs: Option<Said<Vec<FeedId>>>,
}

/// All marks of one feed in one course.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Marks {
    lessons: BTreeMap<MessageId, MarkState>,
    items: BTreeMap<MessageId, MarkState>,
    scores: BTreeMap<MessageId, Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched: Option<Touched>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct MarkState {
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Said<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<Said<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_seconds: Option<Said<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct BookmarkState {
    feed_id: FeedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lesson: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position_seconds: Option<u64>,
    bookmarked: bool,
}

impl BookmarkState {
    fn key(&self) -> (FeedId, Option<Target>) {
        let target = self.item.map(Target::Item);
        (self.feed_id, target.or(self.lesson.map(Target::Lesson)))
    }
}

/// A course the learner takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The course.
    pub feed_id: FeedId,
    /// When they said so last: milliseconds since 1970.
    pub time: u64,
}

/// How far a learner is with one lesson or item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Whether they completed it; `None` when they never said.
    pub done: Option<bool>,
    /// When they said that: milliseconds since 1970; 0 when never.
    pub done_time: u64,
    /// How much of it is done, 0 to 100, as said last.
    pub percent: Option<u8>,
    /// Where a video stands, in seconds, as said last.
    pub position_seconds: Option<u64>,
}

/// A learner's results in one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The best score, in percent.
    pub best: u8,
    /// When that was first reached: milliseconds since 1970.
    pub best_time: u64,
    /// The latest score, in percent.
    pub last: u8,
    /// When that was: milliseconds since 1970.
    pub last_time: u64,
    /// How often it was tried.
    pub attempts: u64,
    /// Whether any attempt said it was passed.
    pub passed: bool,
    /// When the latest of these was: milliseconds since 1970; 0 when there is none.
    #[serde(default)]
    pub passed_time: u64,
}

impl Score {
    fn merge(self, other: Self) -> Self {
        let (last, first) = if other.last_time >= self.last_time {
            (other, self)
        } else {
            (self, other)
        };
        let better = if (last.best, std::cmp::Reverse(last.best_time))
            > (first.best, std::cmp::Reverse(first.best_time))
        {
            last
        } else {
            first
        };
        Self {
            best: better.best,
            best_time: better.best_time,
            last: last.last,
            last_time: last.last_time,
            attempts: self.attempts.saturating_add(other.attempts),
            passed: self.passed || other.passed,
            passed_time: self.passed_time.max(other.passed_time),
        }
    }
}

/// Where a learner was last in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The lesson, when it was said; otherwise the item's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// Where its video stands, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// When: milliseconds since 1970.
    pub time: u64,
}

/// A bookmark as its learner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnerBookmark {
    /// The course.
    pub feed_id: FeedId,
    /// The lesson; without lesson and item the course itself is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// The second of the video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// When it was set: milliseconds since 1970.
    pub time: u64,
}

impl Marks {
    fn enter(&mut self, entry: &ProgressEntry, time: u64) {
        let mark = match entry.target() {
            Some(Target::Lesson(id)) => self.lessons.entry(id).or_default(),
            Some(Target::Item(id)) => self.items.entry(id).or_default(),
            None => return,
        };
        let say = |value| Said { value, time };
        mark.done = entry.done.map(say).or(mark.done);
        mark.percent = entry
            .percent
            .map(|value| Said { value, time })
            .or(mark.percent);
        mark.position_seconds = entry
            .position_seconds
            .map(|value| Said { value, time })
            .or(mark.position_seconds);
        self.touched = Some(Touched {
            lesson: entry.lesson,
            item: entry.item,
            position_seconds: entry.position_seconds,
            time,
        });
    }

    fn result(&mut self, result: &TestResult, time: u64) {
        let score = Score {
            best: result.score,
            best_time: time,
            last: result.score,
            last_time: time,
            attempts: 1,
            passed: result.passed == Some(true),
            passed_time: if result.passed == Some(true) { time } else { 0 },
        };
        self.scores
            .entry(result.item)
            .and_modify(|old| {
                let best = if score.best > old.best { score } else { *old };
                *old = Score {
                    best: best.best,
                    best_time: best.best_time,
                    last: score.last,
                    last_time: score.last_time,
                    attempts: old.attempts.saturating_add(1),
                    passed: old.passed || score.passed,
                    passed_time: old.passed_time.max(score.passed_time),
                };
            })
            .or_insert(score);
        self.touched = Some(Touched {
            lesson: result.lesson,
            item: Some(result.item),
            position_seconds: None,
            time,
        });
    }
}

impl LearnerFeed {
    fn bookmark(&mut self, bookmark: &Bookmark, time: u64) {
        let said = Said {
            value: BookmarkState {
                feed_id: bookmark.feed_id,
                lesson: bookmark.lesson,
                item: bookmark.item,
                position_seconds: bookmark.position_seconds,
                bookmarked: bookmark.bookmarked,
            },
            time,
        };
        let key = said.value.key();
        match self.bookmarks.iter_mut().find(|b| b.value.key() == key) {
            Some(old) => *old = said,
            None => self.bookmarks.push(said),
        }
    }
}

/// The later of two statements; the second one where the times are equal.
fn later<T>(old: Option<Said<T>>, new: Said<T>) -> Option<Said<T>> {
    match old {
        Some(old) if old.time > new.time => Some(old),
        _ => Some(new),
    }
}

impl LearnerState {
    /// A learner who has done nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a message of one of the learner's own feeds, in the order of
    /// that feed's `sequence`. Messages about other things change nothing, nor
    /// do repetitions. The caller sees to it that the feed is the learner's.
    pub fn apply<'a>(&mut self, input: impl Into<Input<'a>>) -> Vec<Ignored> {
        let input = input.into();
        let seen = self.feeds.get(&input.feed).map_or(0, |feed| feed.seen);
        apply_input(input, seen, |step| {
            (step.effect() == Effect::Learner).then(|| self.apply_step(step))
        })
    }

    /// [`apply`](Self::apply) for a message already read. Does not report
    /// [`Step::dropped_fields`].
    pub fn apply_step(&mut self, step: &Step) -> Vec<Ignored> {
        if step.effect() != Effect::Learner {
            return Vec::new();
        }
        let feed = self.feeds.entry(step.feed).or_default();
        if step.sequence <= feed.seen {
            return Vec::new();
        }
        feed.seen = step.sequence;
        let time = step.time;
        match &step.content {
            Content::Enrolment(enrolment) => {
                let value = enrolment.enrolled;
                feed.enrolments
                    .insert(enrolment.feed_id, Said { value, time });
            }
            Content::Progress(progress) => {
                for entry in &progress.entries {
                    feed.courses
                        .entry(entry.feed_id)
                        .or_default()
                        .enter(entry, time);
                }
            }
            Content::TestResult(result) => {
                feed.courses
                    .entry(result.feed_id)
                    .or_default()
                    .result(result, time);
            }
            Content::Note(note) => {
                if let Err(reason) = feed.notes.apply(step, note) {
                    return vec![step.ignored(reason)];
                }
            }
            Content::Bookmark(bookmark) => feed.bookmark(bookmark, time),
            Content::Catalogs(catalogs) => {
                let value = catalogs.lists.clone();
                feed.catalogs = Some(Said { value, time });
            }
            _ => {}
        }
        Vec::new()
    }

    /// Lays progress over that is kept locally and not published yet, with the
    /// time of each entry in milliseconds since 1970. Replaces what was laid
    /// over before; it is not part of the stored state.
    pub fn set_local<'a>(&mut self, entries: impl IntoIterator<Item = (&'a ProgressEntry, u64)>) {
        self.local.clear();
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(_, time)| *time);
        for (entry, time) in entries {
            self.local
                .entry(entry.feed_id)
                .or_default()
                .enter(entry, time);
        }
    }

    /// Lays one more entry over, beside those that are.
    pub(super) fn lay_over(&mut self, entry: &ProgressEntry, time: u64) {
        let marks = self.local.entry(entry.feed_id).or_default();
        marks.enter(entry, time);
    }

    /// The marks of all feeds in one course.
    fn marks<'a>(&'a self, course: &'a FeedId) -> impl Iterator<Item = &'a Marks> + 'a {
        self.feeds
            .values()
            .filter_map(|feed| feed.courses.get(course))
            .chain(self.local.get(course))
    }

    /// The courses the learner takes, the latest first.
    pub fn enrolments(&self) -> Vec<Enrolled> {
        let mut merged: BTreeMap<FeedId, Option<Said<bool>>> = BTreeMap::new();
        for feed in self.feeds.values() {
            for (course, said) in &feed.enrolments {
                let slot = merged.entry(*course).or_default();
                *slot = later(slot.take(), *said);
            }
        }
        let mut enrolled: Vec<Enrolled> = merged
            .into_iter()
            .filter_map(|(feed_id, said)| said.filter(|s| s.value).map(|s| (feed_id, s.time)))
            .map(|(feed_id, time)| Enrolled { feed_id, time })
            .collect();
        enrolled.sort_by_key(|e| (std::cmp::Reverse(e.time), e.feed_id));
        enrolled
    }

    /// Whether the learner takes a course.
    pub fn is_enrolled(&self, course: &FeedId) -> bool {
        self.feeds
            .values()
            .filter_map(|feed| feed.enrolments.get(course))
            .fold(None, |old, said| later(old, *said))
            .is_some_and(|said| said.value)
    }

    /// Every course the learner has said anything about: enrolled, marked,
    /// noted or bookmarked.
    pub fn courses(&self) -> BTreeSet<FeedId> {
        let mut courses: BTreeSet<FeedId> = self.local.keys().copied().collect();
        for (id, feed) in &self.feeds {
            courses.extend(feed.enrolments.keys());
            courses.extend(feed.courses.keys());
            courses.extend(feed.notes.standing(*id).map(|n| n.feed_id));
            courses.extend(feed.bookmarks.iter().map(|b| b.value.feed_id));
        }
        courses
    }

    /// How far the learner is with one lesson or item.
    pub fn mark(&self, course: &FeedId, target: Target) -> Mark {
        let (mut done, mut percent, mut position) = (None, None, None);
        for marks in self.marks(course) {
            let mark = match target {
                Target::Lesson(id) => marks.lessons.get(&id),
                Target::Item(id) => marks.items.get(&id),
            };
            if let Some(mark) = mark {
                done = mark.done.map_or(done, |said| later(done, said));
                percent = mark.percent.map_or(percent, |said| later(percent, said));
                position = mark
                    .position_seconds
                    .map_or(position, |said| later(position, said));
            }
        }
        Mark {
            done: done.map(|s| s.value),
            done_time: done.map_or(0, |s| s.time),
            percent: percent.map(|s| s.value),
            position_seconds: position.map(|s| s.value),
        }
    }

    /// The learner's results in one test; `None` when it was never tried.
    pub fn score(&self, course: &FeedId, test: &MessageId) -> Option<Score> {
        self.marks(course)
            .filter_map(|marks| marks.scores.get(test).copied())
            .reduce(Score::merge)
    }

    /// The learner's results in all tests of a course, by test.
    pub fn scores(&self, course: &FeedId) -> BTreeMap<MessageId, Score> {
        let mut scores: BTreeMap<MessageId, Score> = BTreeMap::new();
        for marks in self.marks(course) {
            for (test, score) in &marks.scores {
                scores
                    .entry(*test)
                    .and_modify(|old| *old = old.merge(*score))
                    .or_insert(*score);
            }
        }
        scores
    }

    /// Where the learner was last in a course.
    pub fn touched(&self, course: &FeedId) -> Option<Touched> {
        self.marks(course)
            .filter_map(|marks| marks.touched)
            .reduce(|old, new| if old.time > new.time { old } else { new })
    }

    /// The courses the learner takes, the one last worked on first, each with
    /// where they were in it. For a course not begun, the time is that of the
    /// enrolment.
    pub fn recent(&self) -> Vec<(FeedId, Touched)> {
        let mut recent: Vec<(FeedId, Touched)> = self
            .enrolments()
            .into_iter()
            .map(|enrolled| {
                let mut touched = self.touched(&enrolled.feed_id).unwrap_or(Touched {
                    lesson: None,
                    item: None,
                    position_seconds: None,
                    time: 0,
                });
                touched.time = touched.time.max(enrolled.time);
                (enrolled.feed_id, touched)
            })
            .collect();
        recent.sort_by_key(|(course, touched)| (std::cmp::Reverse(touched.time), *course));
        recent
    }

    /// All notes, the one begun last first.
    pub fn notes(&self) -> Vec<LearnerNote> {
        let mut notes: Vec<LearnerNote> = self
            .feeds
            .iter()
            .flat_map(|(id, feed)| feed.notes.standing(*id))
            .collect();
        notes.sort_by_key(|n| (std::cmp::Reverse(n.created), n.id));
        notes
    }

    /// All bookmarks, the one set last first.
    pub fn bookmarks(&self) -> Vec<LearnerBookmark> {
        let mut merged: BTreeMap<(FeedId, Option<Target>), Option<Said<BookmarkState>>> =
            BTreeMap::new();
        for said in self.feeds.values().flat_map(|feed| &feed.bookmarks) {
            let slot = merged.entry(said.value.key()).or_default();
            *slot = later(slot.take(), *said);
        }
        let mut bookmarks: Vec<LearnerBookmark> = merged
            .into_values()
            .flatten()
            .filter(|said| said.value.bookmarked)
            .map(|Said { value, time }| LearnerBookmark {
                feed_id: value.feed_id,
                lesson: value.lesson,
                item: value.item,
                position_seconds: value.position_seconds,
                time,
            })
            .collect();
        bookmarks.sort_by_key(|b| (std::cmp::Reverse(b.time), b.feed_id, b.lesson, b.item));
        bookmarks
    }

    /// The learner's course lists in their order; `None` when they never said.
    pub fn catalogs(&self) -> Option<Vec<FeedId>> {
        self.feeds
            .values()
            .filter_map(|feed| feed.catalogs.clone())
            .fold(None, later)
            .map(|said| said.value)
    }
}
