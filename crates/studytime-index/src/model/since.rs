use serde::{Deserialize, Serialize};
use studytime_schema::FeedId;

/// How far a view of one's own has followed the courses; see
/// [`Reader::since`](crate::Reader::since). Keep it with the view, in one
/// transaction with what was made of the answer. The default is the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Cursor {
    pub(crate) generation: u64,
    pub(crate) facts: u64,
    pub(crate) change: u64,
    pub(crate) course: i64,
}

/// What changed after a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The view must be emptied first: the index was built anew, or the user
    /// chose other lists. What follows begins with the first course.
    pub restart: bool,
    /// Courses that changed, each once, oldest change first. One that
    /// [`Reader::course`](crate::Reader::course) does not know any more, or that
    /// no list names, has gone.
    pub courses: Vec<FeedId>,
    /// What to ask with the next time.
    pub cursor: Cursor,
    /// More follow at once.
    pub more: bool,
}
