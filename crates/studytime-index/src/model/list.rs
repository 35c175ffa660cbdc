use serde::{Deserialize, Serialize};
use studytime_schema::view::BlobRole;
use studytime_schema::{BlobId, FeedId, MessageId};

/// A category with its subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectCount {
    /// The category.
    pub category: String,
    /// Courses in it.
    pub count: usize,
    /// How much the people around the user study it (see [`Sort::Popular`](crate::Sort::Popular)).
    pub popularity: f64,
    /// Its subjects, most popular first.
    pub subjects: Vec<SubjectEntry>,
}

/// A subject of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectEntry {
    /// The subject.
    pub subject: String,
    /// Courses in it.
    pub count: usize,
    /// How much the people around the user study it.
    pub popularity: f64,
}

/// What a [`Suggestion`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionKind {
    /// A course; `feed_id` is set.
    Course,
    /// A category: the upper level of the subjects.
    Category,
    /// A subject.
    Subject,
    /// A keyword of at least one course.
    Keyword,
}

/// A completion of what is being typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// What to show, and to search for.
    pub text: String,
    /// What it is.
    pub kind: SuggestionKind,
    /// The course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_id: Option<FeedId>,
}

/// A keyword that courses have, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeywordCount {
    /// The keyword, in its most frequent spelling.
    pub keyword: String,
    /// Courses that have it.
    pub courses: usize,
}

/// A course list of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListInfo {
    /// The list's feed.
    pub feed_id: FeedId,
    /// What it calls itself; `None` while unknown.
    pub name: Option<String>,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<BlobId>,
    /// Courses it names now.
    pub courses: usize,
}

/// A course as the replication policy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCourse {
    /// The course feed.
    pub feed_id: FeedId,
    /// The user's lists that name it, in the user's order; empty for a course
    /// that is only started, opened or own.
    pub lists: Vec<FeedId>,
    /// Its place in the order of popularity, from 0.
    pub rank: usize,
    /// Whether the user started it.
    pub started: bool,
    /// No longer recommended.
    pub deprecated: bool,
}

/// What a feed says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<BlobId>,
}

/// A message, or a field of one, that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The feed.
    pub feed: FeedId,
    /// The message's place in it.
    pub sequence: u64,
    /// The message.
    pub id: MessageId,
    /// Why, for a person.
    pub reason: String,
}

/// A blob that a course needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededBlob {
    /// The blob: the thing itself, or its manifest.
    pub blob: BlobId,
    /// Whether it is a manifest, whose segments are needed too.
    pub manifest: bool,
    /// Bytes of the whole thing, when the author said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What it is for.
    pub purpose: BlobRole,
    /// The lesson it belongs to; `None` for the course as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson_number: Option<u64>,
}

/// A blob whose text the index is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TextBlob {
    /// The blob.
    pub blob: BlobId,
    /// The course it belongs to.
    pub course: FeedId,
}
