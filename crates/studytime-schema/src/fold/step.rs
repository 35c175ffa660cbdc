//! One message as the rules see it, and what it bears on.

use super::{Ignored, IgnoredReason};
use crate::content::{Content, FieldProblem};
use crate::entry::Entry;
use crate::refs::{FeedId, MessageId};

/// A message as it comes to the folding rules.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its author.
    pub feed: FeedId,
    /// Its place in the author's feed, from 1.
    pub sequence: u64,
    /// Its id.
    pub id: MessageId,
    /// When its author says it was written: milliseconds since 1970.
    pub timestamp: f64,
    /// The content as JSON text; `None` when it is encrypted to others.
    pub content: Option<&'a str>,
    /// Whether the content was encrypted and opened here.
    pub private: bool,
}

impl<'a> From<&'a Entry> for Input<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            feed: entry.message.author(),
            sequence: entry.message.sequence(),
            id: entry.message.id(),
            timestamp: entry.message.timestamp(),
            content: entry.content(),
            private: entry.opened_private.is_some(),
        }
    }
}

/// A message whose content was read. All states take it, so that a message is
/// read once however many states it bears on.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its author.
    pub feed: FeedId,
    /// Its place in the author's feed.
    pub sequence: u64,
    /// Its id.
    pub id: MessageId,
    /// When its author says it was written: milliseconds since 1970.
    pub time: u64,
    /// Whether the content was encrypted and opened here.
    pub private: bool,
    /// The content.
    pub content: Content,
    /// What of the content was wrong and left out.
    pub dropped: Vec<FieldProblem>,
}

/// What a message bears on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// On the listing of `course` in the author's list. It counts only where
    /// the user has added the author as a list; elsewhere it is to be reported
    /// by [`Step::not_a_list`].
    Listing {
        /// The course.
        course: FeedId,
    },
    /// On the author's record of itself as a course: for [`CourseBody`](super::CourseBody),
    /// and also a [`Listing`](super::Listing) where the user has added the author as a list.
    OwnRecord,
    /// On lessons and items of the author as a course: for [`CourseBody`](super::CourseBody).
    Body,
    /// On the author as a learner: for [`LearnerState`](super::LearnerState) when the author is
    /// the user. Public [`Content::Enrolment`]s of others tell who studies what.
    Learner,
    /// On whom the author follows or blocks: [`Content::Contact`].
    Contact,
    /// On the name of something: [`Content::About`].
    About,
    /// On where a pub is: [`Content::Pub`].
    Pub,
    /// On nothing: a course message that is not public.
    NotPublic,
    /// On nothing here: a type of other programs.
    Nothing,
}

impl Step {
    /// Reads a message. `Ok(None)` is one that is encrypted to others.
    ///
    /// # Errors
    /// [`Ignored`] when its content is unusable.
    pub fn read<'a>(input: impl Into<Input<'a>>) -> Result<Option<Self>, Box<Ignored>> {
        let input = input.into();
        let Some(content) = input.content else {
            return Ok(None);
        };
        match Content::parse(content) {
            Ok(parsed) => Ok(Some(Self {
                feed: input.feed,
                sequence: input.sequence,
                id: input.id,
                time: milliseconds(input.timestamp),
                private: input.private,
                content: parsed.content,
                dropped: parsed.dropped,
            })),
            Err(error) => Err(Box::new(Ignored {
                feed: input.feed,
                sequence: input.sequence,
                id: input.id,
                reason: error.into(),
            })),
        }
    }

    /// What the message bears on.
    pub fn effect(&self) -> Effect {
        let course = |effect| {
            if self.private {
                Effect::NotPublic
            } else {
                effect
            }
        };
        match &self.content {
            Content::Course(_) | Content::CourseUpdate(_) => course(match self.course() {
                Some(course) if course != self.feed => Effect::Listing { course },
                _ => Effect::OwnRecord,
            }),
            Content::Lesson(_)
            | Content::LessonUpdate(_)
            | Content::Video(_)
            | Content::Attachment(_)
            | Content::Test(_)
            | Content::ItemUpdate(_) => course(Effect::Body),
            Content::Enrolment(_)
            | Content::Progress(_)
            | Content::TestResult(_)
            | Content::Note(_)
            | Content::Bookmark(_)
            | Content::Catalogs(_) => Effect::Learner,
            Content::Contact(_) => Effect::Contact,
            Content::About(_) => Effect::About,
            Content::Pub(_) => Effect::Pub,
            Content::Unknown { .. } => Effect::Nothing,
        }
    }

    /// The course that a `studytime_course` or its update describes.
    pub fn course(&self) -> Option<FeedId> {
        match &self.content {
            Content::Course(course) => Some(course.feed_id),
            Content::CourseUpdate(update) => Some(update.feed_id),
            _ => None,
        }
    }

    /// The report of this message with a reason.
    pub fn ignored(&self, reason: IgnoredReason) -> Ignored {
        Ignored {
            feed: self.feed,
            sequence: self.sequence,
            id: self.id,
            reason,
        }
    }

    /// The report of a listing by a feed that the user has not added as a
    /// list; `None` when this is no listing of another course.
    pub fn not_a_list(&self) -> Option<Ignored> {
        match self.effect() {
            Effect::Listing { course } => Some(self.ignored(IgnoredReason::NotAList { course })),
            _ => None,
        }
    }

    /// The report of a message whose type begins like ours and is not known: one
    /// that is misspelt, or of a later version. `None` for all others, also of
    /// other programs.
    pub fn unknown_type(&self) -> Option<Ignored> {
        match &self.content {
            Content::Unknown { type_name } if type_name.starts_with("studytime_") => {
                let type_name = type_name.clone();
                Some(self.ignored(IgnoredReason::UnknownType { type_name }))
            }
            _ => None,
        }
    }

    /// The reports of the fields that were left out.
    pub fn dropped_fields(&self) -> impl Iterator<Item = Ignored> + '_ {
        self.dropped
            .iter()
            .map(|problem| self.ignored(IgnoredReason::Field(problem.clone())))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milliseconds(timestamp: f64) -> u64 {
    // Saturates; a NaN (which a verified message cannot have) becomes 0.
    timestamp.clamp(0.0, 9_007_199_254_740_991.0) as u64
}

/// Reads an input and hands it to `apply`; the reports of both together.
pub(super) fn apply_input<'a>(
    input: impl Into<Input<'a>>,
    seen: u64,
    apply: impl FnOnce(&Step) -> Option<Vec<Ignored>>,
) -> Vec<Ignored> {
    let input = input.into();
    if input.sequence <= seen {
        return Vec::new();
    }
    match Step::read(input) {
        Ok(None) => Vec::new(),
        Ok(Some(step)) => match apply(&step) {
            Some(mut reports) => {
                reports.extend(step.dropped_fields());
                reports
            }
            None => Vec::new(),
        },
        Err(ignored) => vec![*ignored],
    }
}
