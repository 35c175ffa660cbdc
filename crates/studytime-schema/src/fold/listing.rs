//! What one list says about one course.

use super::step::apply_input;
use super::{Ignored, IgnoredReason, Input, Step};
use crate::content::{Content, CourseFields, Patch};
use crate::refs::FeedId;
use serde::{Deserialize, Serialize};

/// What one list says about one course, folded field by field: a row of
/// (list, course). A course feed's record of itself is one too, with
/// `list == course`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    list: FeedId,
    course: FeedId,
    /// The last sequence taken in; earlier ones are repetitions.
    seen: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<u64>,
    #[serde(default)]
    removed: bool,
    #[serde(default)]
    listed_at: u64,
    #[serde(default)]
    changed_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default)]
    fields: CourseFields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deprecated: Option<bool>,
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    successor: Patch<FeedId>,
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    deprecation_reason: Patch<String>,
}

impl Listing {
    /// A row that says nothing yet.
    pub fn new(list: FeedId, course: FeedId) -> Self {
        Self {
            list,
            course,
            seen: 0,
            place: None,
            removed: false,
            listed_at: 0,
            changed_at: 0,
            name: None,
            fields: CourseFields::default(),
            deprecated: None,
            successor: Patch::Keep,
            deprecation_reason: Patch::Keep,
        }
    }

    /// The feed that lists.
    pub const fn list(&self) -> FeedId {
        self.list
    }

    /// The course listed.
    pub const fn course(&self) -> FeedId {
        self.course
    }

    /// Whether the list names the course now: it has, and has not removed it.
    pub const fn is_listed(&self) -> bool {
        self.place.is_some() && !self.removed
    }

    /// Its place in the list: the sequence of the first `studytime_course`.
    pub const fn place(&self) -> Option<u64> {
        self.place
    }

    /// The sequence of the last message about it that was taken in.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// When the list first named it, as its author says; milliseconds since 1970.
    pub const fn listed_at(&self) -> u64 {
        self.listed_at
    }

    /// When the list last said something about it; milliseconds since 1970.
    pub const fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// The name; `None` when only empty ones were given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The other fields: never said, cleared, or set.
    pub const fn fields(&self) -> &CourseFields {
        &self.fields
    }

    /// Whether the list says the course is deprecated; `None` when it never
    /// said either.
    pub const fn deprecated(&self) -> Option<bool> {
        self.deprecated
    }

    /// What the list names as successor.
    pub const fn successor(&self) -> &Patch<FeedId> {
        &self.successor
    }

    /// The reason the list gives for deprecation.
    pub const fn deprecation_reason(&self) -> &Patch<String> {
        &self.deprecation_reason
    }

    /// Takes in a message of the list, in the order of `sequence`. Messages
    /// about other things change nothing, nor do repetitions.
    pub fn apply<'a>(&mut self, input: impl Into<Input<'a>>) -> Vec<Ignored> {
        let input = input.into();
        if input.feed != self.list {
            return Vec::new();
        }
        let course = self.course;
        apply_input(input, self.seen, |step| {
            (step.course() == Some(course)).then(|| self.apply_step(step))
        })
    }

    /// [`apply`](Self::apply) for a message already read. Does not report
    /// [`Step::dropped_fields`].
    pub fn apply_step(&mut self, step: &Step) -> Vec<Ignored> {
        if step.feed != self.list
            || step.course() != Some(self.course)
            || step.sequence <= self.seen
        {
            return Vec::new();
        }
        self.seen = step.sequence;
        if step.private {
            return vec![step.ignored(IgnoredReason::NotPublic)];
        }
        let mut reports = Vec::new();
        match &step.content {
            Content::Course(course) => {
                if self.place.is_none() {
                    self.place = Some(step.sequence);
                    self.listed_at = step.time;
                }
                // Naming a course puts it on the list, also after a removal.
                self.removed = false;
                self.rename(&Patch::Set(course.name.clone()), step, &mut reports);
                self.fields.update(&course.fields);
                self.changed_at = step.time;
            }
            Content::CourseUpdate(update) => {
                if self.place.is_none() {
                    let target = format!("the listing of course {}", self.course);
                    return vec![step.ignored(IgnoredReason::UpdateBeforeTarget { target })];
                }
                self.rename(&update.name, step, &mut reports);
                self.fields.update(&update.fields);
                self.successor.update(&update.successor);
                self.deprecation_reason.update(&update.deprecation_reason);
                if let Some(deprecated) = update.deprecated {
                    self.deprecated = Some(deprecated);
                    if !deprecated {
                        self.successor = Patch::Clear;
                        self.deprecation_reason = Patch::Clear;
                    }
                }
                if let Some(removed) = update.removed {
                    self.removed = removed;
                }
                self.changed_at = step.time;
            }
            _ => {}
        }
        reports
    }

    fn rename(&mut self, name: &Patch<String>, step: &Step, reports: &mut Vec<Ignored>) {
        match name {
            Patch::Keep => {}
            Patch::Set(name) if !name.trim().is_empty() => self.name = Some(name.clone()),
            Patch::Set(_) | Patch::Clear => {
                reports.push(step.ignored(IgnoredReason::EmptyName));
            }
        }
    }
}
