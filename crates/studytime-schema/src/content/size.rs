//! Whether a content fits a message, and what to do when it does not.

use super::Content;
use crate::message::{MAX_MESSAGE_UNITS, signed_units_of};
use serde_json::Value;
use std::fmt;

/// The fields that can be moved to a blob, and the field that names it then.
const MOVABLE: [(&str, &str); 4] = [
    ("lesson_content", "lesson_content_blob"),
    ("questions", "questions_blob"),
    ("captions", "captions_blob"),
    ("description", "description_blob"),
];

/// A content that does not fit a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TooLong {
    /// Its `type`.
    pub type_name: String,
    /// The UTF-16 units of its signed form, at most.
    pub units: usize,
    /// The field that makes it long.
    pub field: String,
    /// The field that can name a blob with that text or list instead; `None`
    /// when it can only be made shorter.
    pub blob_field: Option<&'static str>,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            type_name,
            units,
            field,
            ..
        } = self;
        write!(
            f,
            "{type_name} takes {units} units, and a message has {MAX_MESSAGE_UNITS}; "
        )?;
        match self.blob_field {
            Some(blob) => write!(f, "move `{field}` to a blob and name that in `{blob}`"),
            None => write!(f, "shorten `{field}`"),
        }
    }
}

impl Content {
    /// Whether the content fits a message, in its signed form.
    ///
    /// # Errors
    /// [`TooLong`], which says which field to move to a blob or to shorten.
    pub fn check_size(&self) -> Result<(), TooLong> {
        let value = self.to_value();
        let units = signed_units_of(&value);
        if units <= MAX_MESSAGE_UNITS {
            return Ok(());
        }
        let Value::Object(map) = &value else {
            return Ok(());
        };
        let len = |value: &Value| value.to_string().encode_utf16().count();
        // Only the type of a course has a place for a long description.
        let has_place = |blob: &str| {
            blob != "description_blob" || matches!(self, Self::Course(_) | Self::CourseUpdate(_))
        };
        let movable = MOVABLE
            .iter()
            .filter(|(_, blob)| has_place(blob))
            .filter_map(|(field, blob)| Some((len(map.get(*field)?), *field, Some(*blob))))
            .max_by_key(|(len, ..)| *len);
        let longest = map
            .iter()
            .map(|(field, value)| (len(value), field.as_str(), None))
            .max_by_key(|(len, ..)| *len);
        // A field that can be moved is named where moving it is enough.
        let enough = |len: usize| units.saturating_sub(len) <= MAX_MESSAGE_UNITS - 128;
        let (_, field, blob_field) = match (movable, longest) {
            (Some(movable), _) if enough(movable.0) => movable,
            (_, Some(longest)) => longest,
            _ => (0, "name", None),
        };
        let moved = MOVABLE.iter().find(|(f, b)| *f == field && has_place(b));
        Err(TooLong {
            type_name: self.type_name().to_owned(),
            units,
            field: field.to_owned(),
            blob_field: blob_field.or(moved.map(|(_, blob)| *blob)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Course, Lesson, Note, Patch};
    use super::*;
    use crate::FeedId;

    #[test]
    fn the_field_to_move_is_named() {
        let mut lesson = Lesson::new(1, "L");
        lesson.fields.lesson_content = Patch::Set("a\n".repeat(3_000));
        let error = Content::from(lesson.clone()).check_size().unwrap_err();
        assert_eq!(error.blob_field, Some("lesson_content_blob"));
        assert!(error.to_string().contains("move `lesson_content`"));
        lesson.fields.lesson_content = Patch::Set("ä".repeat(7_000));
        assert!(Content::from(lesson.clone()).check_size().is_ok());
        // A lesson has no place for a long description.
        lesson.fields.description = Patch::Set("d".repeat(9_000));
        let error = Content::from(lesson).check_size().unwrap_err();
        assert_eq!(
            (error.field.as_str(), error.blob_field),
            ("description", None)
        );

        let feed = FeedId::from_bytes([1; 32]);
        let mut course = Course::new(feed, "C");
        course.fields.description = Patch::Set("d".repeat(9_000));
        let error = Content::from(course).check_size().unwrap_err();
        assert_eq!(error.blob_field, Some("description_blob"));
        let note = Content::from(Note::new(feed, None, "n".repeat(9_000)));
        assert!(
            note.check_size()
                .unwrap_err()
                .to_string()
                .ends_with("shorten `text`")
        );
    }
}
