//! Why a content, or a field of one, could not be used.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a message's content is unusable. The feed goes on; the lint shows this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The text is not JSON.
    #[error("the content is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// A blob with a list is larger than [`MAX_LIST_BLOB`](super::MAX_LIST_BLOB).
    #[error("the list has {size} bytes, and 1048576 are allowed; split it into several")]
    TooLarge {
        /// Its bytes.
        size: usize,
    },
    /// The content is not an object.
    #[error("the content is not a JSON object")]
    NotAnObject,
    /// There is no `type`, or it is not a text.
    #[error("the content has no `type`, which says what kind of message it is")]
    NoType,
    /// A required field is not there.
    #[error("{type_name} needs `{field}`, and it is not there")]
    Missing {
        /// The content's `type`.
        type_name: &'static str,
        /// The field's name in the JSON.
        field: String,
    },
    /// A required field has an unusable value.
    #[error("{type_name} needs `{field}`, but it {problem}")]
    Wrong {
        /// The content's `type`.
        type_name: &'static str,
        /// The field's name in the JSON.
        field: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
}

/// Why an optional field, or one element of a list, was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field's name in the JSON, for elements with the index: `keywords[3]`.
    pub field: String,
    /// What is wrong with it, as the end of a sentence: "is not a text".
    pub problem: String,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: left out", self.field, self.problem)
    }
}
