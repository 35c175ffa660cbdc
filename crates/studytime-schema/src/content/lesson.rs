//! `studytime_course_lesson` and `studytime_course_lesson_update`.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{BlobId, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most mentions that are read of one lesson.
pub const MAX_MENTIONS: usize = 500;

/// How to read a lesson's text. JSON: the MIME type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum LessonContentType {
    /// `text/markdown`, which is meant when nothing is said.
    #[default]
    #[serde(rename = "text/markdown")]
    Markdown,
    /// `text/html`; untrusted, to be sanitised before it is shown.
    #[serde(rename = "text/html")]
    Html,
    /// `text/plain`.
    #[serde(rename = "text/plain")]
    Plain,
}

impl LessonContentType {
    /// The MIME type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Plain => "text/plain",
        }
    }

    fn read(value: &Value) -> Result<Self, String> {
        match read::mime(value)?.as_str() {
            "text/markdown" => Ok(Self::Markdown),
            "text/html" => Ok(Self::Html),
            "text/plain" => Ok(Self::Plain),
            _ => Err("is none of `text/markdown`, `text/html`, `text/plain`".into()),
        }
    }
}

impl std::fmt::Display for LessonContentType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A blob that a lesson's text shows, as SSB clients write it in `mentions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// The blob.
    pub link: BlobId,
    /// Its file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its MIME type; `type` in the JSON.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Mention {
    /// A mention with nothing but the blob.
    pub const fn new(link: BlobId) -> Self {
        Self {
            link,
            name: None,
            content_type: None,
            size: None,
        }
    }

    fn read(fields: &mut Fields<'_>, place: &str, value: &Value) -> Result<Self, String> {
        let link = read::blob(value)?;
        let Value::Object(map) = value else {
            return Ok(Self::new(link));
        };
        let mut inner = Fields::inside(fields.type_name(), map, place);
        let mention = Self {
            link,
            name: inner.optional("name", read::text),
            content_type: inner.optional("type", read::mime),
            size: inner.optional("size", read::number),
        };
        fields.adopt(inner.into_dropped());
        Ok(mention)
    }

    fn write(&self) -> Value {
        let mut w = Writer::object();
        w.id("link", self.link);
        w.opt_text("name", self.name.as_ref());
        w.opt_text("type", self.content_type.as_ref());
        w.opt("size", self.size);
        w.done()
    }
}

/// What can be said about a lesson beside its number and name; all optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LessonFields {
    /// One or two sentences.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub description: Patch<String>,
    /// The text.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub lesson_content: Patch<String>,
    /// The text, when it is kept in a blob. `lesson_content` and this are two
    /// places for one thing: saying one replaces the other.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub lesson_content_blob: Patch<BlobId>,
    /// How to read the text.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub lesson_content_type: Patch<LessonContentType>,
    /// The heading it stands under.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub section: Patch<String>,
    /// Where it came from in the imported folder, with `/` between parts.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub path: Patch<String>,
    /// The lesson of another course that this one takes the place of.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub replaces: Patch<MessageId>,
    /// The blobs its text shows. [`blob_links`](super::blob_links) finds them.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub mentions: Patch<Vec<Mention>>,
}

impl LessonFields {
    /// Lays newer statements over these, field by field.
    pub fn update(&mut self, newer: &Self) {
        super::update_pair(
            (&mut self.lesson_content, &mut self.lesson_content_blob),
            (&newer.lesson_content, &newer.lesson_content_blob),
        );
        self.description.update(&newer.description);
        self.lesson_content_type.update(&newer.lesson_content_type);
        self.section.update(&newer.section);
        self.path.update(&newer.path);
        self.replaces.update(&newer.replaces);
        self.mentions.update(&newer.mentions);
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            description: fields.patch("description", read::text),
            lesson_content: fields.patch("lesson_content", read::text),
            lesson_content_blob: fields.patch("lesson_content_blob", read::blob),
            lesson_content_type: fields.patch("lesson_content_type", LessonContentType::read),
            section: fields.patch("section", read::text),
            path: fields.patch("path", read::text),
            replaces: fields.patch("replaces", read::message_id),
            mentions: fields.list("mentions", MAX_MENTIONS, Mention::read),
        }
    }

    fn write(&self, w: &mut Writer) {
        w.patch_text("description", &self.description);
        w.patch_text("lesson_content", &self.lesson_content);
        w.patch_id("lesson_content_blob", &self.lesson_content_blob);
        w.patch_id("lesson_content_type", &self.lesson_content_type);
        w.patch_text("section", &self.section);
        w.patch_text("path", &self.path);
        w.patch_id("replaces", &self.replaces);
        w.patch_list("mentions", &self.mentions, Mention::write);
    }
}

/// `studytime_course_lesson`: a lesson; on a number in use, an update of the
/// lesson that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Its place in the course, and the author's handle for it.
    pub lesson_number: u64,
    /// Its name; an empty one is read and ignored when folded.
    pub name: String,
    /// The optional fields.
    pub fields: LessonFields,
}

impl Lesson {
    /// A lesson with a name and nothing else.
    pub fn new(lesson_number: u64, name: impl Into<String>) -> Self {
        Self {
            lesson_number,
            name: name.into(),
            fields: LessonFields::default(),
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            lesson_number: fields.required("lesson_number", read::number)?,
            name: fields.required("name", read::text)?,
            fields: LessonFields::read(fields),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::LESSON);
        w.put("lesson_number", self.lesson_number);
        w.put("name", self.name.as_str());
        self.fields.write(&mut w);
        w.done()
    }
}

/// Which lesson an update means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LessonHandle {
    /// The one that holds this number now. JSON: `lesson_number`.
    Number(u64),
    /// The one with this identity. JSON: `lesson`.
    Id(MessageId),
}

impl std::fmt::Display for LessonHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "lesson {number}"),
            Self::Id(id) => write!(f, "lesson {id}"),
        }
    }
}

/// `studytime_course_lesson_update`: changes a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessonUpdate {
    /// Which lesson.
    pub lesson: LessonHandle,
    /// A new place; only together with [`LessonHandle::Id`], because the JSON
    /// has one `lesson_number` for both. Not written otherwise.
    pub lesson_number: Option<u64>,
    /// A new name; clearing it is ignored.
    pub name: Patch<String>,
    /// The other fields.
    pub fields: LessonFields,
    /// `true` takes the lesson out, `false` puts it back with its items.
    pub removed: Option<bool>,
}

impl LessonUpdate {
    /// An update that changes nothing yet.
    pub fn new(lesson: LessonHandle) -> Self {
        Self {
            lesson,
            lesson_number: None,
            name: Patch::Keep,
            fields: LessonFields::default(),
            removed: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let (lesson, lesson_number) = match fields.get("lesson") {
            Some(_) => (
                LessonHandle::Id(fields.required("lesson", read::message_id)?),
                fields.given("lesson_number", read::number),
            ),
            None => (
                LessonHandle::Number(fields.required("lesson_number", read::number)?),
                None,
            ),
        };
        Ok(Self {
            lesson,
            lesson_number,
            name: fields.patch("name", read::text),
            fields: LessonFields::read(fields),
            removed: fields.given("removed", read::boolean),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::LESSON_UPDATE);
        match self.lesson {
            LessonHandle::Number(number) => w.put("lesson_number", number),
            LessonHandle::Id(id) => {
                w.id("lesson", id);
                w.opt("lesson_number", self.lesson_number);
            }
        }
        w.patch_text("name", &self.name);
        self.fields.write(&mut w);
        w.opt("removed", self.removed);
        w.done()
    }
}
