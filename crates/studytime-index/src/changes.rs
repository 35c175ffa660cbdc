use crate::model::TextBlob;
use std::collections::BTreeSet;
use studytime_schema::{FeedId, LogPosition, MessageId};

/// What a call changed, so that the caller can tell pages, fetch text and
/// adjust what is replicated. Every change is told at least once; sets are
/// ordered by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The log position the index has reached.
    pub position: LogPosition,
    /// Courses that are shown and whose record, lessons, counts or visibility
    /// changed.
    pub courses: BTreeSet<FeedId>,
    /// Lists of the user whose courses or description changed.
    pub lists: BTreeSet<FeedId>,
    /// Lessons (course, identity) that came, changed or went.
    pub lessons: BTreeSet<(FeedId, MessageId)>,
    /// Whether the learner's own state changed.
    pub learner: bool,
    /// Blobs whose text is needed from now on; hand it in with
    /// [`apply_text`](crate::Index::apply_text).
    pub text_blobs: BTreeSet<TextBlob>,
    /// Courses that a list of the user now names and none did before.
    pub newly_listed: BTreeSet<FeedId>,
    /// Courses that no list of the user names any more.
    pub unlisted: BTreeSet<FeedId>,
    /// Authors of `contact` messages: the follow graph changed.
    pub contacts: BTreeSet<FeedId>,
    /// Feeds that described themselves.
    pub abouts: BTreeSet<FeedId>,
    /// Messages, or fields of them, that were not taken;
    /// [`problems`](crate::Reader::problems) tells why.
    pub problems: usize,
}

impl Changes {
    /// Whether a page could look different now.
    pub fn is_empty(&self) -> bool {
        self.courses.is_empty()
            && self.lists.is_empty()
            && self.lessons.is_empty()
            && !self.learner
            && self.text_blobs.is_empty()
            && self.newly_listed.is_empty()
            && self.unlisted.is_empty()
            && self.contacts.is_empty()
            && self.abouts.is_empty()
            && self.problems == 0
    }

    /// Takes in what another call changed.
    pub fn merge(&mut self, other: Self) {
        self.position = self.position.max(other.position);
        self.courses.extend(other.courses);
        self.lists.extend(other.lists);
        self.lessons.extend(other.lessons);
        self.learner |= other.learner;
        self.text_blobs.extend(other.text_blobs);
        self.newly_listed.extend(other.newly_listed);
        self.unlisted.extend(other.unlisted);
        self.contacts.extend(other.contacts);
        self.abouts.extend(other.abouts);
        self.problems += other.problems;
    }
}
