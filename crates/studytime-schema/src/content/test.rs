//! `studytime_course_test`.

use super::question::{MAX_QUESTIONS, Question};
use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{BlobId, MessageId};
use serde_json::Value;

/// `studytime_course_test`: a test of a lesson. It has `questions` or a
/// `questions_blob`.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// The number of the lesson it belongs to.
    pub lesson_number: u64,
    /// Its heading.
    pub name: String,
    /// Percent of the points needed to pass; 0 when absent.
    pub pass_percent: Option<u8>,
    /// The questions, when they fit the message.
    pub questions: Vec<Question>,
    /// A blob holding the questions: a JSON array, see
    /// [`parse_questions`](super::parse_questions).
    pub questions_blob: Option<BlobId>,
    /// Where it came from in the imported folder.
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    pub replaces: Option<MessageId>,
}

impl Test {
    /// A test with its questions in the message.
    pub fn new(lesson_number: u64, name: impl Into<String>, questions: Vec<Question>) -> Self {
        Self {
            lesson_number,
            name: name.into(),
            pass_percent: None,
            questions,
            questions_blob: None,
            path: None,
            replaces: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let lesson_number = fields.required("lesson_number", read::number)?;
        let name = fields.required("name", read::text)?;
        let questions_blob = fields.optional("questions_blob", read::blob);
        let questions = if questions_blob.is_some() {
            match fields.list("questions", MAX_QUESTIONS, Question::read) {
                Patch::Set(questions) => questions,
                Patch::Keep | Patch::Clear => Vec::new(),
            }
        } else {
            fields.required_list("questions", MAX_QUESTIONS, Question::read)?
        };
        Ok(Self {
            lesson_number,
            name,
            pass_percent: fields.optional("pass_percent", read::percent),
            questions,
            questions_blob,
            path: fields.optional("path", read::text),
            replaces: fields.optional("replaces", read::message_id),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::TEST);
        w.put("lesson_number", self.lesson_number);
        w.put("name", self.name.as_str());
        w.opt("pass_percent", self.pass_percent);
        w.list(
            "questions",
            self.questions.iter().map(Question::to_value).collect(),
        );
        w.opt_id("questions_blob", self.questions_blob);
        w.opt_text("path", self.path.as_ref());
        w.opt_id("replaces", self.replaces);
        w.done()
    }
}
