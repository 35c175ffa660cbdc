//! `studytime_course_lesson_attachment`.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, names};
use crate::refs::{BlobId, MessageId};
use serde_json::Value;

/// `studytime_course_lesson_attachment`: a PDF, slides, a notebook, an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The number of the lesson it belongs to.
    pub lesson_number: u64,
    /// Shown as the link's text.
    pub name: String,
    /// The blob: the file itself, or its manifest.
    pub link: BlobId,
    /// Whether `link` is a manifest. Never sniffed.
    pub manifest: bool,
    /// MIME type.
    pub content_type: Option<String>,
    /// Bytes of the whole file.
    pub size: Option<u64>,
    /// Where it came from in the imported folder.
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    pub replaces: Option<MessageId>,
}

impl Attachment {
    /// An attachment with the required fields.
    pub fn new(lesson_number: u64, name: impl Into<String>, link: BlobId) -> Self {
        Self {
            lesson_number,
            name: name.into(),
            link,
            manifest: false,
            content_type: None,
            size: None,
            path: None,
            replaces: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            lesson_number: fields.required("lesson_number", read::number)?,
            name: fields.required("name", read::text)?,
            link: fields.required("link", read::blob)?,
            manifest: fields.given("manifest", read::boolean).unwrap_or(false),
            content_type: fields.optional("content_type", read::mime),
            size: fields.optional("size", read::number),
            path: fields.optional("path", read::text),
            replaces: fields.optional("replaces", read::message_id),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::ATTACHMENT);
        w.put("lesson_number", self.lesson_number);
        w.put("name", self.name.as_str());
        w.id("link", self.link);
        w.flag("manifest", self.manifest);
        w.opt_text("content_type", self.content_type.as_ref());
        w.opt("size", self.size);
        w.opt_text("path", self.path.as_ref());
        w.opt_id("replaces", self.replaces);
        w.done()
    }
}
