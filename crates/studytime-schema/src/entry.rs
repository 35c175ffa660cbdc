//! What a log holds and what a view is fed.

use crate::message::Message;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a message stands in the local log: 1 for the first one kept here.
///
/// Positions grow by arrival and are never used twice; they mean nothing on
/// another machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogPosition(pub u64);

/// One message as a view sees it: the signed part, and what was learned beside it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the local log.
    pub position: LogPosition,
    /// When it arrived here, in milliseconds since 1970 by the local clock.
    pub received: u64,
    /// The verified message.
    pub message: Arc<Message>,
    /// The content in plain text, when it was encrypted and we could open it.
    pub opened_private: Option<Arc<str>>,
    /// The verified text of the blob that the content names for long text
    /// (`description_blob`, `lesson_content_blob`, …), once it is here.
    pub blob_text: Option<Arc<str>>,
}

impl Entry {
    /// The content as JSON text: opened when it was private; `None` when it is
    /// encrypted to somebody else.
    pub fn content(&self) -> Option<&str> {
        self.opened_private
            .as_deref()
            .or_else(|| self.message.public_content())
    }
}
