use serde::{Deserialize, Serialize};
use studytime_schema::view::{CourseRecord, LessonView};
use studytime_schema::{BlobId, FeedId, MessageId};

/// A course by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseRef {
    /// The course feed.
    pub feed_id: FeedId,
    /// Its name; empty when it is not known here.
    pub name: String,
}

/// A course list by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRef {
    /// The list's feed.
    pub feed_id: FeedId,
    /// What it calls itself; `None` while unknown.
    pub name: Option<String>,
}

/// A lesson by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonRef {
    /// The lesson's identity.
    pub lesson: MessageId,
    /// Its number.
    pub lesson_number: u64,
    /// Its name; empty while unnamed.
    pub name: String,
}

/// One course whole, but for the texts of its lessons: those are asked for one
/// by one ([`Reader::lesson`](crate::Reader::lesson)) or all at once
/// ([`Reader::outline`](crate::Reader::outline)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourseDetail {
    /// The record, merged over the user's lists. JSON: its fields stand beside
    /// the others.
    #[serde(flatten)]
    pub record: CourseRecord,
    /// Upper level of its subject.
    pub category: String,
    /// Its subject, by its keywords.
    pub subject: String,
    /// The description whole: the short text, or what its blob says once that
    /// is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The lists of the user that name it, in the user's order; the first one's
    /// description is shown, the rest is "also listed by".
    #[serde(default)]
    pub lists: Vec<ListRef>,
    /// For a deprecated course: the last of its successors that is known, and
    /// not deprecated itself where one such exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<CourseRef>,
    /// Learners around the user who said that they study it; those who are known
    /// through one and the same only count as one.
    #[serde(default)]
    pub learners: u32,
    /// Milliseconds since 1970 of its oldest listing.
    #[serde(default)]
    pub published: u64,
    /// Milliseconds since 1970 of the newest message of its feed; 0 when none is here.
    #[serde(default)]
    pub updated: u64,
    /// Whether messages of the course feed are here.
    pub feed_here: bool,
    /// Whether the user started it.
    pub enrolled: bool,
    /// How far the user is.
    #[serde(default)]
    pub progress: CourseProgress,
    /// Its lessons, in order.
    pub lessons: Vec<LessonSummary>,
}

/// How far the user is in a course.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CourseProgress {
    /// 0 to 100; lessons count alike.
    pub percent: u8,
    /// Lessons that are done.
    pub lessons_done: usize,
    /// Lessons that stand.
    pub lessons_total: usize,
    /// Where to go on; `None` before the first step, and when all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_at: Option<ContinueAt>,
    /// Milliseconds since 1970 of the last sign of learning; 0 when none.
    #[serde(default)]
    pub last_active: u64,
}

/// Where the user left off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinueAt {
    /// The lesson.
    #[serde(flatten)]
    pub lesson: LessonRef,
    /// The video, file or test in it; `None` for the lesson's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// Seconds into the video.
    #[serde(default)]
    pub position_seconds: u64,
}

/// A lesson in a syllabus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonSummary {
    /// The lesson's identity.
    pub id: MessageId,
    /// Its number.
    pub lesson_number: u64,
    /// Its name; empty while unnamed.
    pub name: String,
    /// The heading it stands under.
    #[serde(default)]
    pub section: Option<String>,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it has a text.
    #[serde(default)]
    pub has_text: bool,
    /// Videos in it.
    #[serde(default)]
    pub videos: usize,
    /// Files in it.
    #[serde(default)]
    pub attachments: usize,
    /// Tests in it.
    #[serde(default)]
    pub tests: usize,
    /// Seconds of its videos, as authors said.
    #[serde(default)]
    pub video_seconds: u64,
    /// How far the user is in it: 0 to 100.
    #[serde(default)]
    pub percent: u8,
    /// Whether the user has done it.
    #[serde(default)]
    pub done: bool,
}

/// One lesson with what the user did in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonDetail {
    /// The course it belongs to.
    pub course: CourseRef,
    /// The lesson as folded.
    pub lesson: LessonView,
    /// Its text, wherever it was kept; `None` when it has none, or while its
    /// blob is not here ([`LessonDetail::text_missing`]).
    pub text: Option<String>,
    /// The blob of its text, while that is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_missing: Option<BlobId>,
    /// The lesson before it.
    #[serde(default)]
    pub previous: Option<LessonRef>,
    /// The lesson after it.
    #[serde(default)]
    pub next: Option<LessonRef>,
    /// Whether the user has done it.
    #[serde(default)]
    pub done: bool,
    /// How far the user is in it: 0 to 100.
    #[serde(default)]
    pub percent: u8,
    /// What the user did in its text and items, by id.
    #[serde(default)]
    pub steps: Vec<StepProgress>,
    /// The user's notes on it, oldest first.
    #[serde(default)]
    pub notes: Vec<super::NoteView>,
    /// Whether the user has bookmarked it.
    #[serde(default)]
    pub bookmarked: bool,
}

/// What the user did in a lesson or one of its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepProgress {
    /// The lesson's or item's id.
    pub id: MessageId,
    /// Whether it is done.
    pub done: bool,
    /// 0 to 100.
    pub percent: u8,
    /// Seconds into the video.
    pub position_seconds: u64,
    /// For a test: the best result so far, in percent of the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_percent: Option<u8>,
}
