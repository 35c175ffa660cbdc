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
//!
//! ```
//! use studytime_schema::fold::{CourseBody, Effect, Input, Step};
//! use studytime_schema::{FeedId, MessageId};
//!
//! let feed = FeedId::from_bytes([7; 32]);
//! let log = [
//!     r#"{"type":"studytime_course_lesson","lesson_number":1,"name":"Knots"}"#,
//!     r#"{"type":"studytime_course_lesson_update","lesson_number":1,"section":"Ropes"}"#,
//!     r#"{"type":"studytime_course_lesson_update","lesson_number":2,"name":"Too early"}"#,
//! ];
//! let mut course = CourseBody::new(feed);
//! let mut ignored = Vec::new();
//! for (content, sequence) in log.into_iter().zip(1..) {
//!     // An `Entry` of the log is an input too.
//!     let input = Input {
//!         feed,
//!         sequence,
//!         id: MessageId::from_bytes([sequence as u8; 32]),
//!         timestamp: 1_700_000_000_000.0,
//!         content: Some(content),
//!         private: false,
//!     };
//!     if let Some(step) = Step::read(input)? {
//!         assert_eq!(step.effect(), Effect::Body);
//!         ignored.extend(course.apply_step(&step));
//!     }
//! }
//! let lessons = course.outline().lessons;
//! assert_eq!((lessons[0].name.as_str(), lessons[0].section.as_deref()), ("Knots", Some("Ropes")));
//! assert!(ignored[0].to_string().contains("has not published before"));
//! # Ok::<(), Box<studytime_schema::fold::Ignored>>(())
//! ```

mod body;
mod ignored;
mod items;
mod learner;
mod listing;
mod merge;
mod notes;
mod progress;
mod step;

pub use body::{CourseBody, LessonNow, LessonsTouched, MAX_ITEMS, MAX_LESSONS};
pub use ignored::{Ignored, IgnoredReason};
pub use learner::{Enrolled, LearnerBookmark, LearnerState, Mark, Score, Touched};
pub use listing::Listing;
pub use merge::{MAX_SUCCESSORS, merge_course, successors};
pub use notes::LearnerNote;
pub use progress::{CourseProgress, ItemProgress, LessonProgress};
pub use step::{Effect, Input, Step};
