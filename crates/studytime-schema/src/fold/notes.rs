//! A learner's notes, joined from their parts.

use super::IgnoredReason;
use super::Step;
use crate::content::{Note, Target};
use crate::refs::{FeedId, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A note as its learner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnerNote {
    /// The id of its first message: its identity, for changing it.
    pub id: MessageId,
    /// The feed that wrote it; only that feed can change it.
    pub feed: FeedId,
    /// The course.
    pub feed_id: FeedId,
    /// The lesson it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// The item it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// The second of the video it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// Its text; while parts are missing, the parts there are.
    pub text: String,
    /// Whether all parts are there.
    pub complete: bool,
    /// When it was begun: milliseconds since 1970.
    pub created: u64,
    /// When it was last changed: milliseconds since 1970.
    pub changed: u64,
}

/// The notes of one feed, in the order in which they were begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Notes(Vec<NoteState>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NoteState {
    id: MessageId,
    feed_id: FeedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lesson: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position_seconds: Option<u64>,
    parts: u64,
    texts: BTreeMap<u64, String>,
    #[serde(default)]
    removed: bool,
    created: u64,
    changed: u64,
}

impl NoteState {
    fn is_complete(&self) -> bool {
        self.texts.len() as u64 >= self.parts
    }

    fn target(&self) -> Option<Target> {
        self.item
            .map(Target::Item)
            .or(self.lesson.map(Target::Lesson))
    }

    /// Begins a new text.
    fn begin(&mut self, note: &Note) {
        self.parts = note.parts;
        self.texts = BTreeMap::from([(1, note.text.clone())]);
        self.removed = note.removed || (note.parts == 1 && note.text.trim().is_empty());
        self.lesson = note.lesson.or(self.lesson);
        self.item = note.item.or(self.item);
        self.position_seconds = note.position_seconds.or(self.position_seconds);
    }
}

impl Notes {
    pub(super) fn apply(&mut self, step: &Step, note: &Note) -> Result<(), IgnoredReason> {
        let loose = || IgnoredReason::LooseNotePart {
            part: note.part,
            parts: note.parts,
        };
        let state = match note.note {
            Some(id) => self.0.iter_mut().find(|n| n.id == id).ok_or_else(|| {
                IgnoredReason::UpdateBeforeTarget {
                    target: format!("note {id}"),
                }
            })?,
            None if note.part == 1 => {
                let mut state = NoteState {
                    id: step.id,
                    feed_id: note.feed_id,
                    lesson: None,
                    item: None,
                    position_seconds: None,
                    parts: 1,
                    texts: BTreeMap::new(),
                    removed: false,
                    created: step.time,
                    changed: step.time,
                };
                state.begin(note);
                self.0.push(state);
                return Ok(());
            }
            None => {
                let target = note
                    .item
                    .map(Target::Item)
                    .or(note.lesson.map(Target::Lesson));
                let open = |n: &&mut NoteState| {
                    n.feed_id == note.feed_id && n.target() == target && !n.is_complete()
                };
                self.0.iter_mut().rev().find(open).ok_or_else(loose)?
            }
        };
        if note.removed {
            state.removed = true;
        } else if note.part == 1 {
            state.begin(note);
        } else if note.parts == state.parts && !state.texts.contains_key(&note.part) {
            state.texts.insert(note.part, note.text.clone());
        } else {
            return Err(loose());
        }
        state.changed = step.time;
        Ok(())
    }

    pub(super) fn standing(&self, feed: FeedId) -> impl Iterator<Item = LearnerNote> + '_ {
        self.0
            .iter()
            .filter(|n| !n.removed)
            .map(move |n| LearnerNote {
                id: n.id,
                feed,
                feed_id: n.feed_id,
                lesson: n.lesson,
                item: n.item,
                position_seconds: n.position_seconds,
                text: n.texts.values().map(String::as_str).collect(),
                complete: n.is_complete(),
                created: n.created,
                changed: n.changed,
            })
    }
}
