use serde::{Deserialize, Serialize};
use studytime_schema::content::Level;
use studytime_schema::{BlobId, FeedId, MessageId};

/// A course as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourseCard {
    /// The course feed; the course's identity.
    pub feed_id: FeedId,
    /// Its name; empty while nothing has named it.
    pub name: String,
    /// The beginning of its description, at most [`CourseCard::MAX_BLURB`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<BlobId>,
    /// Keywords, in the author's order.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Upper level of its subject.
    pub category: String,
    /// Its subject, by its keywords.
    pub subject: String,
    /// BCP 47 tag.
    #[serde(default)]
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
    /// No longer recommended.
    #[serde(default)]
    pub deprecated: bool,
    /// What to take instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<FeedId>,
    /// The user's lists that name it, in the user's order.
    #[serde(default)]
    pub listed_by: Vec<FeedId>,
    /// Lessons known here; 0 while the course feed is not.
    #[serde(default)]
    pub lessons: usize,
    /// Bytes of its content, as far as authors said.
    #[serde(default)]
    pub bytes_total: u64,
    /// Bytes of it that are here.
    #[serde(default)]
    pub bytes_here: u64,
    /// Whether all of its content is here.
    #[serde(default)]
    pub on_device: bool,
    /// Learners around the user who said that they study it; those who are known
    /// through one and the same only count as one.
    #[serde(default)]
    pub learners: u32,
    /// Milliseconds since 1970 of its oldest listing.
    #[serde(default)]
    pub published: u64,
    /// Whether the user started it.
    #[serde(default)]
    pub started: bool,
    /// How far the user is, when started: 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Where the description matches, when the query had text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
    /// The lesson that matches best, when the query had text and one matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit: Option<LessonHit>,
}

impl CourseCard {
    /// Characters of [`CourseCard::description`], at most.
    pub const MAX_BLURB: usize = 400;
}

/// A lesson that matches a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonHit {
    /// The lesson's identity.
    pub lesson: MessageId,
    /// Its number.
    pub lesson_number: u64,
    /// Its name.
    pub name: String,
    /// Where its text matches; empty when only its name does.
    pub snippet: Snippet,
}

/// A piece of text with what matches marked. It is plain text: an `&` or `<`
/// in it must be escaped by whoever makes HTML of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snippet {
    /// The pieces, in order; their texts joined are the whole.
    pub parts: Vec<SnippetPart>,
}

impl Snippet {
    /// The text without marks.
    pub fn plain(&self) -> String {
        self.parts.iter().map(|p| p.text.as_str()).collect()
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// A piece of a [`Snippet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnippetPart {
    /// The text.
    pub text: String,
    /// Whether it matches the query.
    #[serde(default)]
    pub hit: bool,
}
