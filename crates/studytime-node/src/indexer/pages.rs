//! The log as the index is fed it: a page at a time, without what no course
//! can need.

use std::sync::Arc;
use studytime_index::may_bear;
use studytime_replicate::{FeedStore, StoredMessage};
use studytime_schema::{Entry, Keypair, LogPosition, private};

/// Messages read at a time: so many that what is done once a transaction, and
/// once for each course in it, does not show; few enough to answer other jobs
/// soon, and for two pages in memory.
const PAGE: usize = 4_000;

/// Reads pages.
pub(super) struct Pages {
    pub(super) feeds: Arc<dyn FeedStore>,
    pub(super) keys: Keypair,
}

/// A page of the log.
pub(super) struct Page {
    /// What comes after this.
    pub(super) from: LogPosition,
    /// The last position on it; `from` when there is nothing.
    pub(super) reached: LogPosition,
    /// Whether more may follow.
    pub(super) more: bool,
    /// Whether the log could be read.
    pub(super) sound: bool,
    /// The messages that may bear on courses.
    pub(super) entries: Vec<Entry>,
    /// What could not be read, in words.
    pub(super) troubles: Vec<String>,
}

impl Pages {
    /// The page after a position.
    pub(super) fn read(&self, from: LogPosition) -> Page {
        let mut page = Page {
            from,
            reached: from,
            more: false,
            sound: true,
            entries: Vec::new(),
            troubles: Vec::new(),
        };
        let stored = match self.feeds.scan(from, PAGE) {
            Ok(stored) => stored,
            Err(error) => {
                let text = crate::api::ApiError::failed("the log could not be read", &error);
                page.sound = false;
                page.troubles.push(text.message);
                return page;
            }
        };
        page.more = stored.len() == PAGE;
        page.reached = stored.last().map_or(from, |last| last.position);
        for message in stored.iter().filter(|m| may_bear(&m.wire)) {
            match self.entry(message) {
                Ok(entry) => page.entries.push(entry),
                Err(trouble) => page.troubles.push(trouble),
            }
        }
        page
    }

    fn entry(&self, stored: &StoredMessage) -> Result<Entry, String> {
        let mut entry = stored.entry().map_err(|error| {
            format!(
                "message {} of {} is damaged in the store: {error}",
                stored.sequence, stored.feed
            )
        })?;
        if let Some(text) = entry.message.private_content() {
            entry.opened_private = private::open(text, &self.keys)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Into::into);
        }
        Ok(entry)
    }
}
