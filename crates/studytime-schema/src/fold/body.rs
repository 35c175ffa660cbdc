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
use std::collections::{BTreeMap, BTreeSet};

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

/// The lessons that messages bore on, gathered by
/// [`apply_noting`](CourseBody::apply_noting).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LessonsTouched(BTreeSet<usize>);

impl LessonsTouched {
    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// One lesson as it stands now, for those who keep lessons one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct LessonNow {
    /// Its identity.
    pub id: MessageId,
    /// The sequence at which it took its number: lessons stand in the order of
    /// their numbers, and of this on one number.
    pub taken: u64,
    /// What the outline shows of it; `None` when it shows nothing.
    pub view: Option<LessonView>,
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
        self.apply_noting(step, &mut LessonsTouched::default())
    }

    /// [`apply_step`](Self::apply_step), noting the lessons that it changes:
    /// [`lessons_now`](Self::lessons_now) then tells how they stand, without
    /// looking at the others.
    pub fn apply_noting(&mut self, step: &Step, touched: &mut LessonsTouched) -> Vec<Ignored> {
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
                .apply_body(step, &mut touched.0)
                .into_iter()
                .map(|reason| step.ignored(reason))
                .collect(),
            _ => return Vec::new(),
        };
        self.changed_at = self.changed_at.max(step.time);
        reports
    }

    fn apply_body(&mut self, step: &Step, touched: &mut BTreeSet<usize>) -> Vec<IgnoredReason> {
        match &step.content {
            Content::Lesson(lesson) => self.lesson(step, lesson, touched),
            Content::LessonUpdate(update) => self.lesson_update(step, update, touched),
            Content::ItemUpdate(update) => self.item_update(step, update, touched),
            content => match Kind::from_content(step.id, content) {
                Some((number, kind)) => self.item(step, number, kind, touched),
                None => Vec::new(),
            },
        }
    }

    fn lesson(
        &mut self,
        step: &Step,
        lesson: &Lesson,
        touched: &mut BTreeSet<usize>,
    ) -> Vec<IgnoredReason> {
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
        touched.insert(at);
        if state.id != step.id && state.aliases.len() < MAX_ALIASES {
            state.aliases.push(step.id);
        }
        state.fields.update(&lesson.fields);
        rename(&mut state.name, &Patch::Set(lesson.name.clone()))
    }

    fn lesson_update(
        &mut self,
        step: &Step,
        update: &LessonUpdate,
        touched: &mut BTreeSet<usize>,
    ) -> Vec<IgnoredReason> {
        let found = match update.lesson {
            LessonHandle::Id(id) => self.lessons.iter().position(|l| l.is(&id)),
            LessonHandle::Number(number) => {
                self.holder(number).or_else(|| self.last_removed(number))
            }
        };
        let Some((at, state)) = found.and_then(|at| Some((at, self.lessons.get_mut(at)?))) else {
            return vec![IgnoredReason::UpdateBeforeTarget {
                target: update.lesson.to_string(),
            }];
        };
        touched.insert(at);
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

    fn item(
        &mut self,
        step: &Step,
        number: u64,
        kind: Kind,
        touched: &mut BTreeSet<usize>,
    ) -> Vec<IgnoredReason> {
        if self.items.len() >= MAX_ITEMS {
            return vec![too_many("items", MAX_ITEMS)];
        }
        let unnamed = kind.name().trim().is_empty();
        match self.bind(step, number) {
            Ok(lesson) => {
                touched.insert(lesson);
                self.items.push(ItemState {
                    lesson,
                    removed: false,
                    kind,
                });
                unnamed
                    .then_some(IgnoredReason::EmptyName)
                    .into_iter()
                    .collect()
            }
            Err(reason) => vec![reason],
        }
    }

    fn item_update(
        &mut self,
        step: &Step,
        update: &ItemUpdate,
        touched: &mut BTreeSet<usize>,
    ) -> Vec<IgnoredReason> {
        let Some(at) = self.items.iter().position(|i| *i.kind.id() == update.item) else {
            return vec![IgnoredReason::UpdateBeforeTarget {
                target: format!("item {}", update.item),
            }];
        };
        let moved = update.lesson_number.map(|number| self.bind(step, number));
        let Some(item) = self.items.get_mut(at) else {
            return Vec::new();
        };
        touched.insert(item.lesson);
        let mut reports = item.update(update);
        match moved {
            Some(Ok(lesson)) => {
                touched.insert(lesson);
                item.lesson = lesson;
            }
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
                item.show_in(lesson);
            }
        }
        lessons.retain(is_shown);
        CourseOutline { lessons }
    }

    /// How these lessons stand now. The views are those of
    /// [`outline`](Self::outline).
    pub fn lessons_now(&self, touched: &LessonsTouched) -> Vec<LessonNow> {
        let mut views: BTreeMap<usize, LessonView> = BTreeMap::new();
        for &at in &touched.0 {
            if let Some(state) = self.lessons.get(at).filter(|l| !l.removed) {
                views.insert(at, state.view());
            }
        }
        if !views.is_empty() {
            for item in self.items.iter().filter(|i| !i.removed) {
                if let Some(view) = views.get_mut(&item.lesson) {
                    item.show_in(view);
                }
            }
        }
        touched
            .0
            .iter()
            .filter_map(|at| {
                let state = self.lessons.get(*at)?;
                Some(LessonNow {
                    id: state.id,
                    taken: state.taken,
                    view: views.remove(at).filter(is_shown),
                })
            })
            .collect()
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

/// An unnamed lesson whose items are all gone is not shown.
fn is_shown(lesson: &LessonView) -> bool {
    !lesson.name.is_empty() || lesson.has_text() || lesson.items().next().is_some()
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
