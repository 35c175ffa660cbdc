//! The settings of a [`HistoryClient`](super::HistoryClient), and what it puts out.

use crate::wire::HistoryRequest;
use bytes::Bytes;
use studytime_schema::FeedId;

/// Times and sizes; times are in milliseconds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Calls open at once for what is there already (5).
    pub concurrent: usize,
    /// Feeds whose stream stays open once they are caught up with, so that their
    /// news come at once (64); the others are asked for again and again.
    pub live: usize,
    /// Messages asked for per call (1,000).
    pub chunk: u64,
    /// After which time a feed that is not live is asked for again (5 min).
    pub poll_every: u64,
    /// After which time without anything new a call is given up (30 s).
    pub silent_for: u64,
    /// How long one call may take, and a live one bring nothing (10 min); then it is
    /// ended, and asked again from where it stands. A peer that trickles keeps no
    /// place for ever.
    pub longest: u64,
    /// How long to wait after a failed call (30 s), doubled each time up to
    /// `poll_every`.
    pub retry_after: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            concurrent: 5,
            live: 64,
            chunk: 1_000,
            poll_every: 300_000,
            silent_for: 30_000,
            longest: 600_000,
            retry_after: 30_000,
        }
    }
}

/// What the caller must do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientOutput {
    /// Call `createHistoryStream` with this request's
    /// [`to_args`](HistoryRequest::to_args); pass what comes with this number.
    Call {
        /// The number of the call.
        call: u64,
        /// What to ask for.
        request: HistoryRequest,
    },
    /// End this call; nothing of it is taken any more.
    Cancel {
        /// The number of the call.
        call: u64,
    },
    /// Verify and append this message, then say so with
    /// [`HistoryClient::handle_ingested`](super::HistoryClient::handle_ingested).
    Ingest {
        /// The feed it was asked as.
        feed: FeedId,
        /// The sequence it names.
        sequence: u64,
        /// The message as it came.
        wire: Bytes,
    },
    /// Remember that this feed is not fetched from this peer any more.
    Shun {
        /// The feed.
        feed: FeedId,
        /// Where it went wrong.
        sequence: u64,
        /// Whether it has another branch than ours.
        fork: bool,
    },
}
