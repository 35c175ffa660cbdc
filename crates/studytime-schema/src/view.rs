//! What folding yields: courses, lessons and a learner's state as plain data.
//!
//! These are the values that an index keeps, a page shows and `--json` prints.

use crate::content::{LessonContentType, Level, Question};
use crate::refs::{BlobId, FeedId, MessageId};
use serde::{Deserialize, Serialize};

/// A course after the folding rules: listings of all lists merged in the
/// user's order, then the course's own record (design rule 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourseRecord {
    /// The course feed; the course's identity.
    pub feed_id: FeedId,
    /// Its name; empty only when nothing has named it yet.
    pub name: String,
    /// Short text, at most what fits a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Long text, when it is kept in a blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_blob: Option<BlobId>,
    /// The picture on its card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<BlobId>,
    /// Keywords, in the author's order.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How much is expected of a learner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Minutes to work through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u64>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// Text or feed ids.
    #[serde(default)]
    pub prerequisites: Vec<String>,
    /// No longer recommended.
    #[serde(default)]
    pub deprecated: bool,
    /// What to take instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<FeedId>,
    /// Why it is deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_reason: Option<String>,
    /// The lists that name it, in the user's order.
    #[serde(default)]
    pub listed_by: Vec<FeedId>,
}

/// The inside of a course: its lessons in order (design rules 4 and 5).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CourseOutline {
    /// Standing lessons, by `lesson_number`.
    pub lessons: Vec<LessonView>,
}

/// One lesson with its items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonView {
    /// The id of its first message: its identity for ever. For a lesson that
    /// only items have mentioned so far, the first item's id stands in.
    pub id: MessageId,
    /// Its place, and the author's handle.
    pub lesson_number: u64,
    /// Empty while unnamed.
    pub name: String,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The text, when it is short enough for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_content: Option<String>,
    /// The text, when it is kept in a blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_content_blob: Option<BlobId>,
    /// How to read the text.
    #[serde(default)]
    pub lesson_content_type: LessonContentType,
    /// The heading it stands under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Where it came from in the imported folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The lesson of another course that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
    /// Pictures and other blobs the text links to (`mentions`, and links in
    /// the text), in order.
    #[serde(default)]
    pub mentions: Vec<BlobId>,
    /// Videos, in order of publication.
    #[serde(default)]
    pub videos: Vec<VideoView>,
    /// Files, in order of publication.
    #[serde(default)]
    pub attachments: Vec<AttachmentView>,
    /// Tests, in order of publication.
    #[serde(default)]
    pub tests: Vec<TestView>,
}

/// A link to media: one plain blob, or a manifest of segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaLink {
    /// The blob: the media itself, or its manifest.
    pub link: BlobId,
    /// Whether `link` is a manifest. Never sniffed.
    #[serde(default)]
    pub manifest: bool,
    /// MIME type, as the author said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the whole media, as the author said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A video item of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoView {
    /// The id of its message.
    pub item: MessageId,
    /// Shown above the player.
    pub name: String,
    /// Text under the player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The same video in one or more encodings, best first.
    pub sources: Vec<crate::content::VideoSource>,
    /// Caption tracks written in the message.
    #[serde(default)]
    pub captions: Vec<crate::content::Caption>,
    /// A blob holding more caption tracks (a JSON array of [`crate::content::Caption`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions_blob: Option<BlobId>,
    /// The picture shown before it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<BlobId>,
    /// Where it came from in the imported folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
}

/// A file that belongs to a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// The id of its message.
    pub item: MessageId,
    /// Shown as the link's text.
    pub name: String,
    /// The file.
    #[serde(flatten)]
    pub media: MediaLink,
    /// Where it came from in the imported folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
}

/// A test that belongs to a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestView {
    /// The id of its message.
    pub item: MessageId,
    /// Its heading.
    pub name: String,
    /// Percent of the points needed to pass; 0 when absent.
    #[serde(default)]
    pub pass_percent: u8,
    /// The questions, when they fit the message.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// A blob holding the questions (a JSON array).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions_blob: Option<BlobId>,
    /// Where it came from in the imported folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
}
