//! What folding left out, and why.

use crate::content::{ContentError, FieldProblem};
use crate::refs::{FeedId, MessageId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message, or a part of one, that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// The feed that says it.
    pub feed: FeedId,
    /// Where in that feed.
    pub sequence: u64,
    /// The message.
    pub id: MessageId,
    /// Why it does not count.
    pub reason: IgnoredReason,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "message {} of {}: {}",
            self.sequence, self.feed, self.reason
        )
    }
}

impl std::error::Error for Ignored {}

/// Why a message, or a part of one, does not count. `Display` says it to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IgnoredReason {
    /// A required field is missing or wrong.
    Unusable {
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// One optional field, or one element of a list, is wrong; the rest counts.
    Field(FieldProblem),
    /// It changes something that this feed has not made before.
    UpdateBeforeTarget {
        /// What it wants to change.
        target: String,
    },
    /// A course feed, or a feed that is not one of the user's lists, describes
    /// another course.
    NotAList {
        /// The course.
        course: FeedId,
    },
    /// A course message is encrypted.
    NotPublic,
    /// The name is empty.
    EmptyName,
    /// It is of a type that begins like ours, and that this version does not know.
    UnknownType {
        /// The type.
        type_name: String,
    },
    /// The field does not belong to this kind of item.
    DoesNotFit {
        /// The field.
        field: String,
        /// The kind of item.
        kind: String,
    },
    /// The field is required and cannot be cleared.
    CannotClear {
        /// The field.
        field: String,
    },
    /// There are too many of something already.
    TooMany {
        /// Of what.
        what: String,
        /// How many there may be.
        max: usize,
    },
    /// A part of a note does not follow a first part it fits.
    LooseNotePart {
        /// Which part.
        part: u64,
        /// Of how many.
        parts: u64,
    },
}

impl From<ContentError> for IgnoredReason {
    fn from(error: ContentError) -> Self {
        let problem = match &error {
            ContentError::NotJson(source) => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        Self::Unusable { problem }
    }
}

impl fmt::Display for IgnoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { problem } => write!(f, "{problem}, so the message is left out"),
            Self::Field(problem) => problem.fmt(f),
            Self::UpdateBeforeTarget { target } => write!(
                f,
                "it changes {target}, which this feed has not published before; only a feed's own things can be changed, and only after they are there"
            ),
            Self::NotAList { course } => write!(
                f,
                "it describes the course {course}, but only a course list that the user has added, or the course itself, can do that"
            ),
            Self::NotPublic => {
                f.write_str("it is encrypted, and courses are made of public messages only")
            }
            Self::EmptyName => f.write_str(
                "its name is empty, which changes nothing: what has a name keeps it, and what has none needs one",
            ),
            Self::UnknownType { type_name } => write!(
                f,
                "it is a `{type_name}`, which this version does not know; it is misspelt, or a later version reads it"
            ),
            Self::DoesNotFit { field, kind } => write!(f, "`{field}` does not belong to {kind}"),
            Self::CannotClear { field } => {
                write!(f, "`{field}` cannot be empty, so the old value stays")
            }
            Self::TooMany { what, max } => {
                write!(f, "there are {max} {what} already, the most that are kept")
            }
            Self::LooseNotePart { part, parts } => write!(
                f,
                "it is part {part} of {parts} of a note, and does not follow a first part it fits"
            ),
        }
    }
}
