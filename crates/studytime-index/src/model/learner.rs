use super::{CourseProgress, CourseRef};
use serde::{Deserialize, Serialize};
use studytime_schema::{BlobId, FeedId, MessageId};

/// What the user is learning. Only the user's own feeds tell it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LearnerView {
    /// Started courses, the one last worked on first.
    pub courses: Vec<EnrolledCourse>,
    /// Notes, newest first.
    pub notes: Vec<NoteView>,
    /// Bookmarks, newest first.
    pub bookmarks: Vec<BookmarkView>,
    /// Results of tests, newest first; one a test, the best.
    pub results: Vec<ResultView>,
    /// The course lists the user published as their own choice, in order;
    /// `None` when they never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogs: Option<Vec<FeedId>>,
}

/// A course the user started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrolledCourse {
    /// The course feed.
    pub feed_id: FeedId,
    /// Its name; empty while nothing has named it.
    pub name: String,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<BlobId>,
    /// No longer recommended.
    #[serde(default)]
    pub deprecated: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_reason: Option<String>,
    /// What to take instead, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<CourseRef>,
    /// Whether one of the user's lists still names it.
    #[serde(default)]
    pub listed: bool,
    /// How far the user is.
    #[serde(flatten)]
    pub progress: CourseProgress,
}

/// A note of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteView {
    /// The message that holds it (its first part).
    pub id: MessageId,
    /// The course.
    pub course: CourseRef,
    /// The lesson it is about; `None` for the course as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// That lesson's number now; `None` when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_number: Option<u64>,
    /// The item it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// Seconds into the video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// The text.
    pub text: String,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// A bookmark of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookmarkView {
    /// The course.
    pub course: CourseRef,
    /// The lesson; `None` for the course as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// That lesson's number now; `None` when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_number: Option<u64>,
    /// That lesson's name; empty when it is gone.
    #[serde(default)]
    pub lesson_name: String,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// The user's best result in a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultView {
    /// The course.
    pub course: CourseRef,
    /// The test item.
    pub item: MessageId,
    /// The test's name; empty when it is gone.
    #[serde(default)]
    pub name: String,
    /// Number of the lesson it stands in; `None` when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_number: Option<u64>,
    /// Percent of the points: 0 to 100.
    pub percent: u8,
    /// Whether it is enough.
    pub passed: bool,
    /// Milliseconds since 1970.
    pub time: u64,
}
