//! The inside of a course: its lessons and items, folded from its feed.

use super::items::{ItemState, Kind};
use super::step::apply_input;
use super::{Effect, Ignored, IgnoredReason, Input, Listing, Step};
use crate::content::{
    Content, ItemUpdate, Lesson, LessonFields, LessonHandle, LessonUpdate, Patch, blob_links,
};
use crate::refs::{FeedId, MessageId};
use crate::view::{CourseOutline, LessonView};
use serde::{Deserialize, Serialize};

/// The most lessons that are kept of one course, removed ones included.
pub const MAX_LESSONS: usize = 10_000;
/// The most items that are kept of one course, removed ones included.
pub const MAX_ITEMS: usize = 50_000;
/// The most ids by which one lesson is known.
const MAX_ALIASES: usize = 256;

/// A course feed, folded: its record of itself, its lessons and their items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourseBody {
    feed: FeedId,
    /// The last sequence taken in; earlier ones are repetitions.
    seen: u64,
    own: Listing,
    #[serde(default)]
    changed_at: u64,
    #[serde(default)]
    lessons: Vec<LessonState>,
    #[serde(default)]
    items: Vec<ItemState>,
}

/// One lesson, standing or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LessonState {
    id: MessageId,
    /// Ids of later `lesson` messages that turned out to be about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<MessageId>,
    number: u64,
    /// The sequence at which it took its number. Where several lessons stand
    /// on one number, the last to take it holds it.
    taken: u64,
    #[serde(default)]
    removed: bool,
    #[serde(default)]
    name: String,
    #[serde(default)]
    fields: LessonFields,
}

impl LessonState {
    fn is(&self, id: &MessageId) -> bool {
        self.id == *id || self.aliases.contains(id)
    }
}

impl CourseBody {
    /// A course of which nothing is known yet.
    pub fn new(feed: FeedId) -> Self {
        Self {
            feed,
            seen: 0,
            own: Listing::new(feed, feed),
            changed_at: 0,
            lessons: Vec::new(),
            items: Vec::new(),
        }
    }

    /// The course feed.
    pub const fn feed(&self) -> FeedId {
        self.feed
    }

    /// The course's record of itself, when it has published one.
    pub fn own(&self) -> Option<&Listing> {
        Some(&self.own).filter(|own| own.is_listed())
    }

    /// Whether the feed has published anything that makes it a course.
    pub fn is_course(&self) -> bool {
        self.own.place().is_some() || !self.lessons.is_empty()
    }

    /// When the course last changed, as its author says; milliseconds since 1970.
    pub const fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// Takes in a message of the course feed, in the order of `sequence`.
    /// Messages about other things change nothing, nor do repetitions.
    pub fn apply<'a>(&mut self, input: impl Into<Input<'a>>) -> Vec<Ignored> {
        let input = input.into();
        if input.feed != self.feed {
            return Vec::new();
        }
        apply_input(input, self.seen, |step| {
            let ours = matches!(
                step.effect(),
                Effect::OwnRecord | Effect::Body | Effect::NotPublic | Effect::Listing { .. }
            );
            ours.then(|| self.apply_step(step))
        })
    }

    /// [`apply`](Self::apply) for a message already read. Does not report
    /// [`Step::dropped_fields`]. A feed that is both a course and one of the
    /// user's lists reports its listings here as not counting; they do not
    /// count for the course.
    pub fn apply_step(&mut self, step: &Step) -> Vec<Ignored> {
        if step.feed != self.feed || step.sequence <= self.seen {
            return Vec::new();
        }
        self.seen = step.sequence;
        let reports = match step.effect() {
            Effect::NotPublic => return vec![step.ignored(IgnoredReason::NotPublic)],
            Effect::Listing { course } => {
                return vec![step.ignored(IgnoredReason::NotAList { course })];
            }
            Effect::OwnRecord => self.own.apply_step(step),
            Effect::Body => self
                .apply_body(step)
                .into_iter()
                .map(|reason| step.ignored(reason))
                .collect(),
            _ => return Vec::new(),
        };
        self.changed_at = self.changed_at.max(step.time);
        reports
    }

    fn apply_body(&mut self, step: &Step) -> Vec<IgnoredReason> {
        match &step.content {
            Content::Lesson(lesson) => self.lesson(step, lesson),
            Content::LessonUpdate(update) => self.lesson_update(step, update),
            Content::ItemUpdate(update) => self.item_update(step, update),
            content => match Kind::from_content(step.id, content) {
                Some((number, kind)) => self.item(step, number, kind),
                None => Vec::new(),
            },
        }
    }

    fn lesson(&mut self, step: &Step, lesson: &Lesson) -> Vec<IgnoredReason> {
        let at = match self.holder(lesson.lesson_number) {
            Some(at) => at,
            None => match self.add_lesson(step, lesson.lesson_number) {
                Ok(at) => at,
                Err(reason) => return vec![reason],
            },
        };
        let Some(state) = self.lessons.get_mut(at) else {
            return Vec::new();
        };
        if state.id != step.id && state.aliases.len() < MAX_ALIASES {
            state.aliases.push(step.id);
        }
        state.fields.update(&lesson.fields);
        rename(&mut state.name, &Patch::Set(lesson.name.clone()))
    }

    fn lesson_update(&mut self, step: &Step, update: &LessonUpdate) -> Vec<IgnoredReason> {
        let found = match update.lesson {
            LessonHandle::Id(id) => self.lessons.iter_mut().find(|l| l.is(&id)),
            LessonHandle::Number(number) => self
                .holder(number)
                .or_else(|| self.last_removed(number))
                .and_then(|at| self.lessons.get_mut(at)),
        };
        let Some(state) = found else {
            return vec![IgnoredReason::UpdateBeforeTarget {
                target: update.lesson.to_string(),
            }];
        };
        state.fields.update(&update.fields);
        if let Some(number) = update.lesson_number
            && number != state.number
        {
            state.number = number;
            state.taken = step.sequence;
        }
        if let Some(removed) = update.removed {
            state.removed = removed;
        }
        rename(&mut state.name, &update.name)
    }

    fn item(&mut self, step: &Step, number: u64, kind: Kind) -> Vec<IgnoredReason> {
        if self.items.len() >= MAX_ITEMS {
            return vec![too_many("items", MAX_ITEMS)];
        }
        match self.bind(step, number) {
            Ok(lesson) => {
                self.items.push(ItemState {
                    lesson,
                    removed: false,
                    kind,
                });
                Vec::new()
            }
            Err(reason) => vec![reason],
        }
    }

    fn item_update(&mut self, step: &Step, update: &ItemUpdate) -> Vec<IgnoredReason> {
        let Some(at) = self.items.iter().position(|i| *i.kind.id() == update.item) else {
            return vec![IgnoredReason::UpdateBeforeTarget {
                target: format!("item {}", update.item),
            }];
        };
        let moved = update.lesson_number.map(|number| self.bind(step, number));
        let Some(item) = self.items.get_mut(at) else {
            return Vec::new();
        };
        let mut reports = item.update(update);
        match moved {
            Some(Ok(lesson)) => item.lesson = lesson,
            Some(Err(reason)) => reports.push(reason),
            None => {}
        }
        reports
    }

    /// The standing lesson that holds a number.
    fn holder(&self, number: u64) -> Option<usize> {
        self.last_taken(|l| l.number == number && !l.removed)
    }

    /// The lesson that held a number before it was removed.
    fn last_removed(&self, number: u64) -> Option<usize> {
        self.last_taken(|l| l.number == number && l.removed)
    }

    fn last_taken(&self, which: impl Fn(&LessonState) -> bool) -> Option<usize> {
        self.lessons
            .iter()
            .enumerate()
            .filter(|(_, l)| which(l))
            .max_by_key(|(_, l)| l.taken)
            .map(|(at, _)| at)
    }

    /// The lesson that an item on this number belongs to; an unnamed one
    /// begins where no lesson stands.
    fn bind(&mut self, step: &Step, number: u64) -> Result<usize, IgnoredReason> {
        match self.holder(number) {
            Some(at) => Ok(at),
            None => self.add_lesson(step, number),
        }
    }

    fn add_lesson(&mut self, step: &Step, number: u64) -> Result<usize, IgnoredReason> {
        if self.lessons.len() >= MAX_LESSONS {
            return Err(too_many("lessons", MAX_LESSONS));
        }
        self.lessons.push(LessonState {
            id: step.id,
            aliases: Vec::new(),
            number,
            taken: step.sequence,
            removed: false,
            name: String::new(),
            fields: LessonFields::default(),
        });
        Ok(self.lessons.len() - 1)
    }

    /// The identity of the lesson known by an id: its own, or that of a later
    /// `lesson` message on its number. Removed lessons are found too.
    pub fn lesson_id(&self, id: &MessageId) -> Option<MessageId> {
        self.lessons.iter().find(|l| l.is(id)).map(|l| l.id)
    }

    /// The standing lesson that holds a number: the author's handle.
    pub fn lesson_on(&self, number: u64) -> Option<MessageId> {
        let at = self.holder(number)?;
        self.lessons.get(at).map(|l| l.id)
    }

    /// The standing lessons with their standing items, by number; on one
    /// number, in the order in which they took it. An unnamed lesson whose
    /// items are all gone is not shown.
    pub fn outline(&self) -> CourseOutline {
        let mut order: Vec<usize> = (0..self.lessons.len()).collect();
        order.sort_by_key(|at| self.lessons.get(*at).map(|l| (l.number, l.taken)));
        // Where each lesson's view stands in the outline.
        let mut places = vec![None; self.lessons.len()];
        let mut lessons: Vec<LessonView> = Vec::new();
        for at in order {
            if let Some(state) = self.lessons.get(at).filter(|l| !l.removed)
                && let Some(place) = places.get_mut(at)
            {
                *place = Some(lessons.len());
                lessons.push(state.view());
            }
        }
        for item in self.items.iter().filter(|i| !i.removed) {
            let place = places.get(item.lesson).copied().flatten();
            if let Some(lesson) = place.and_then(|place| lessons.get_mut(place)) {
                match &item.kind {
                    Kind::Video(video) => lesson.videos.push(video.clone()),
                    Kind::Attachment(file) => lesson.attachments.push(file.clone()),
                    Kind::Test(test) => lesson.tests.push(test.clone()),
                }
            }
        }
        lessons.retain(|l| !l.name.is_empty() || l.has_text() || l.items().next().is_some());
        CourseOutline { lessons }
    }
}

impl LessonState {
    fn view(&self) -> LessonView {
        let fields = self.fields.clone();
        let mut mentions = Vec::new();
        let listed = fields
            .mentions
            .value()
            .into_iter()
            .flatten()
            .map(|m| m.link);
        let linked = fields.lesson_content.value().map(|text| blob_links(text));
        for blob in listed.chain(linked.into_iter().flatten()) {
            if !mentions.contains(&blob) {
                mentions.push(blob);
            }
        }
        LessonView {
            id: self.id,
            lesson_number: self.number,
            name: self.name.clone(),
            description: fields.description.into_value(),
            lesson_content: fields.lesson_content.into_value(),
            lesson_content_blob: fields.lesson_content_blob.into_value(),
            lesson_content_type: fields.lesson_content_type.into_value().unwrap_or_default(),
            section: fields.section.into_value(),
            path: fields.path.into_value(),
            replaces: fields.replaces.into_value(),
            mentions,
            videos: Vec::new(),
            attachments: Vec::new(),
            tests: Vec::new(),
        }
    }
}

pub(super) fn rename(name: &mut String, new: &Patch<String>) -> Vec<IgnoredReason> {
    match new {
        Patch::Keep => Vec::new(),
        Patch::Set(new) if !new.trim().is_empty() => {
            name.clone_from(new);
            Vec::new()
        }
        Patch::Set(_) | Patch::Clear => vec![IgnoredReason::EmptyName],
    }
}

fn too_many(what: &str, max: usize) -> IgnoredReason {
    IgnoredReason::TooMany {
        what: what.to_owned(),
        max,
    }
}
