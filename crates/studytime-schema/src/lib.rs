//! Scuttlebutt messages and StudyTime courses as data.

mod entry;
mod message;
mod refs;
pub mod view;

pub use entry::{Entry, LogPosition};
pub use refs::{BlobId, FeedId, MessageId, ParseRefError};
