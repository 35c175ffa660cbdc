//! The rules that fold messages into courses and a learner's state.
//!
//! Everything here is pure: the same messages give the same state, in
//! whatever order the feeds arrive, however often a message is repeated, and
//! whether a state is built at once or stored and continued. Within one feed
//! messages come in the order of their sequence, as a log holds them.
//!
//! - [`Step::read`] reads a message once; [`Step::effect`] says what it bears on.
//! - A [`Listing`] is what one list says about one course; [`merge_course`]
//!   makes one record of all of them, in the user's order of lists.
//! - A [`CourseBody`] holds a course's lessons and items.
//! - A [`LearnerState`] holds what a learner did, from their own feeds.
//!
//! All states serialise, and keep the last sequence they took in, so that a
//! stored state plus the rest of the log equals a rebuilt one. What does not
//! count is reported as [`Ignored`], with a reason for people.
//!
//! Text that lives in blobs is never read here: the states keep the blobs'
//! ids, so a text that arrives late changes none of them.

mod body;
mod ignored;
mod items;
mod learner;
mod listing;
mod merge;
mod notes;
mod progress;
mod step;

pub use body::{CourseBody, MAX_ITEMS, MAX_LESSONS};
pub use ignored::{Ignored, IgnoredReason};
pub use learner::{Enrolled, LearnerBookmark, LearnerState, Mark, Score, Touched};
pub use listing::Listing;
pub use merge::{MAX_SUCCESSORS, merge_course, successors};
pub use notes::LearnerNote;
pub use progress::{CourseProgress, ItemProgress, LessonProgress};
pub use step::{Effect, Input, Step};
