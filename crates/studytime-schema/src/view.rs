//! What folding yields: courses, lessons and a learner's state as plain data.
//!
//! These are the values that an index keeps, a page shows and `--json` prints.

use crate::content::{LessonContentType, Level, Question};
use crate::refs::{BlobId, FeedId, MessageId};
use serde::{Deserialize, Serialize};

/// A course after the folding rules: listings of all lists merged in the
/// user's order, then the course's own record as [`merge_course`](crate::fold::merge_course) says.
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

/// The inside of a course: its lessons in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CourseOutline {
    /// Standing lessons, by `lesson_number`.
    pub lessons: Vec<LessonView>,
}

/// One lesson with its items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonView {
    /// The id of its first message: its identity for ever. For a lesson that
    /// an item mentioned before it was named, that is the first item's id.
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
    /// The same video in one or more encodings, in the author's order: the
    /// one to play first.
    pub sources: Vec<crate::content::VideoSource>,
    /// Caption tracks written in the message.
    #[serde(default)]
    pub captions: Vec<crate::content::Caption>,
    /// A blob holding the caption tracks, when they are too many for the
    /// message (see [`crate::content::parse_captions`]).
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
    /// A blob holding the questions (see [`crate::content::parse_questions`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions_blob: Option<BlobId>,
    /// Where it came from in the imported folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
}

impl CourseRecord {
    /// What to take instead: the successor, while the course is deprecated.
    pub fn replaced_by(&self) -> Option<FeedId> {
        self.successor.filter(|_| self.deprecated)
    }
}

/// An item of a lesson, of whichever kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ItemView<'a> {
    /// A video.
    Video(&'a VideoView),
    /// A file.
    Attachment(&'a AttachmentView),
    /// A test.
    Test(&'a TestView),
}

impl ItemView<'_> {
    /// The id of its message.
    pub const fn id(self) -> MessageId {
        match self {
            Self::Video(video) => video.item,
            Self::Attachment(file) => file.item,
            Self::Test(test) => test.item,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Video(video) => &video.name,
            Self::Attachment(file) => &file.name,
            Self::Test(test) => &test.name,
        }
    }

    /// Where it came from in the imported folder.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Video(video) => video.path.as_deref(),
            Self::Attachment(file) => file.path.as_deref(),
            Self::Test(test) => test.path.as_deref(),
        }
    }

    /// The item of another course that it takes the place of.
    pub const fn replaces(self) -> Option<MessageId> {
        match self {
            Self::Video(video) => video.replaces,
            Self::Attachment(file) => file.replaces,
            Self::Test(test) => test.replaces,
        }
    }
}

/// What a blob is to a lesson; also the order in which a lesson's blobs are
/// best fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobRole {
    /// The lesson's text.
    Text,
    /// A picture in the text.
    Picture,
    /// The questions of a test.
    Questions,
    /// The picture of a video before it plays.
    Poster,
    /// A caption track, or a list of them.
    Captions,
    /// The encoding of a video to play first.
    Video,
    /// A file.
    Attachment,
    /// Another encoding of a video, not needed to learn.
    Alternative,
}

/// A blob that a lesson needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobNeed {
    /// The blob.
    pub blob: BlobId,
    /// Whether it is a manifest, whose segments are needed then.
    pub manifest: bool,
    /// What for.
    pub role: BlobRole,
    /// Bytes of the whole, as the author said.
    pub size: Option<u64>,
}

impl LessonView {
    /// Its items: videos, then attachments, then tests.
    pub fn items(&self) -> impl Iterator<Item = ItemView<'_>> + '_ {
        let videos = self.videos.iter().map(ItemView::Video);
        let attachments = self.attachments.iter().map(ItemView::Attachment);
        let tests = self.tests.iter().map(ItemView::Test);
        videos.chain(attachments).chain(tests)
    }

    /// Whether it has a text, here or in a blob.
    pub const fn has_text(&self) -> bool {
        self.lesson_content.is_some() || self.lesson_content_blob.is_some()
    }

    /// The blobs it needs, each once, in the order in which they are best
    /// fetched (see [`BlobRole`]); the flag says whether it is a manifest.
    /// Other encodings of its videos come last; [`needs`](Self::needs) tells
    /// them apart. Blobs that only a text or list in a blob names are found by
    /// reading that.
    pub fn blobs(&self) -> Vec<(BlobId, bool)> {
        self.needs().iter().map(|n| (n.blob, n.manifest)).collect()
    }

    /// [`blobs`](Self::blobs), with what each is for.
    pub fn needs(&self) -> Vec<BlobNeed> {
        let mut needs: Vec<BlobNeed> = Vec::new();
        let mut need = |blob: Option<BlobId>, role, manifest, size| {
            if let Some(blob) = blob.filter(|b| *b != BlobId::EMPTY) {
                needs.push(BlobNeed {
                    blob,
                    manifest,
                    role,
                    size,
                });
            }
        };
        need(self.lesson_content_blob, BlobRole::Text, false, None);
        for picture in &self.mentions {
            need(Some(*picture), BlobRole::Picture, false, None);
        }
        for test in &self.tests {
            need(test.questions_blob, BlobRole::Questions, false, None);
        }
        for video in &self.videos {
            need(video.poster, BlobRole::Poster, false, None);
            need(video.captions_blob, BlobRole::Captions, false, None);
            for caption in &video.captions {
                need(Some(caption.link), BlobRole::Captions, false, None);
            }
            let mut role = BlobRole::Video;
            for source in video.sources.iter().filter(|s| s.link.is_some()) {
                need(source.link, role, source.manifest, source.size);
                role = BlobRole::Alternative;
            }
        }
        for file in &self.attachments {
            let media = &file.media;
            need(
                Some(media.link),
                BlobRole::Attachment,
                media.manifest,
                media.size,
            );
        }
        needs.sort_by_key(|n| n.role);
        let mut seen = std::collections::HashSet::new();
        needs.retain(|n| seen.insert((n.blob, n.manifest)));
        needs
    }
}

impl CourseOutline {
    /// The lesson with this identity.
    pub fn lesson(&self, id: &MessageId) -> Option<&LessonView> {
        self.lessons.iter().find(|l| l.id == *id)
    }

    /// The lesson that an item belongs to, and the item.
    pub fn item(&self, id: &MessageId) -> Option<(&LessonView, ItemView<'_>)> {
        self.lessons.iter().find_map(|lesson| {
            let item = lesson.items().find(|item| item.id() == *id)?;
            Some((lesson, item))
        })
    }
}
