//! `studytime_course_item_update`.

use super::question::{MAX_QUESTIONS, Question};
use super::read::{self, Fields};
use super::video::{Caption, MAX_CAPTIONS, MAX_SOURCES, VideoSource};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{BlobId, MessageId};
use serde_json::Value;

/// `studytime_course_item_update`: changes a video, an attachment or a test.
///
/// Fields that do not fit the item's kind are ignored when folded. Clearing a
/// field the kind requires is ignored too.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemUpdate {
    /// The id of the item's message.
    pub item: MessageId,
    /// Moves the item to the lesson that holds this number.
    pub lesson_number: Option<u64>,
    /// A new name.
    pub name: Patch<String>,
    /// Of a video.
    pub description: Patch<String>,
    /// Of a video.
    pub sources: Patch<Vec<VideoSource>>,
    /// Of a video. `captions` and `captions_blob` are two places for one
    /// thing: saying one replaces the other.
    pub captions: Patch<Vec<Caption>>,
    /// Of a video.
    pub captions_blob: Patch<BlobId>,
    /// Of a video.
    pub poster: Patch<BlobId>,
    /// Of an attachment. A new link forgets the old one's `manifest` and
    /// `size` unless they are said again.
    pub link: Patch<BlobId>,
    /// Of an attachment.
    pub manifest: Option<bool>,
    /// Of an attachment.
    pub content_type: Patch<String>,
    /// Of an attachment.
    pub size: Patch<u64>,
    /// Of a test.
    pub pass_percent: Patch<u8>,
    /// Of a test. `questions` and `questions_blob` are two places for one
    /// thing: saying one replaces the other.
    pub questions: Patch<Vec<Question>>,
    /// Of a test.
    pub questions_blob: Patch<BlobId>,
    /// Where it came from in the imported folder.
    pub path: Patch<String>,
    /// The item of another course that this one takes the place of.
    pub replaces: Patch<MessageId>,
    /// `true` takes the item out, `false` puts it back.
    pub removed: Option<bool>,
}

impl ItemUpdate {
    /// An update that changes nothing yet.
    pub fn new(item: MessageId) -> Self {
        Self {
            item,
            lesson_number: None,
            name: Patch::Keep,
            description: Patch::Keep,
            sources: Patch::Keep,
            captions: Patch::Keep,
            captions_blob: Patch::Keep,
            poster: Patch::Keep,
            link: Patch::Keep,
            manifest: None,
            content_type: Patch::Keep,
            size: Patch::Keep,
            pass_percent: Patch::Keep,
            questions: Patch::Keep,
            questions_blob: Patch::Keep,
            path: Patch::Keep,
            replaces: Patch::Keep,
            removed: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            item: fields.required("item", read::message_id)?,
            lesson_number: fields.given("lesson_number", read::number),
            name: fields.patch("name", read::text),
            description: fields.patch("description", read::text),
            sources: fields.list("sources", MAX_SOURCES, VideoSource::read),
            captions: fields.list("captions", MAX_CAPTIONS, Caption::read),
            captions_blob: fields.patch("captions_blob", read::blob),
            poster: fields.patch("poster", read::blob),
            link: fields.patch("link", read::blob),
            manifest: fields.given("manifest", read::boolean),
            content_type: fields.patch("content_type", read::mime),
            size: fields.patch("size", read::number),
            pass_percent: fields.patch("pass_percent", read::percent),
            questions: fields.list("questions", MAX_QUESTIONS, Question::read),
            questions_blob: fields.patch("questions_blob", read::blob),
            path: fields.patch("path", read::text),
            replaces: fields.patch("replaces", read::message_id),
            removed: fields.given("removed", read::boolean),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::ITEM_UPDATE);
        w.id("item", self.item);
        w.opt("lesson_number", self.lesson_number);
        w.patch_text("name", &self.name);
        w.patch_text("description", &self.description);
        w.patch_list("sources", &self.sources, VideoSource::write);
        w.patch_list("captions", &self.captions, Caption::to_value);
        w.patch_id("captions_blob", &self.captions_blob);
        w.patch_id("poster", &self.poster);
        w.patch_id("link", &self.link);
        w.opt("manifest", self.manifest);
        w.patch_text("content_type", &self.content_type);
        w.patch("size", &self.size);
        w.patch("pass_percent", &self.pass_percent);
        w.patch_list("questions", &self.questions, Question::to_value);
        w.patch_id("questions_blob", &self.questions_blob);
        w.patch_text("path", &self.path);
        w.patch_id("replaces", &self.replaces);
        w.opt("removed", self.removed);
        w.done()
    }
}
