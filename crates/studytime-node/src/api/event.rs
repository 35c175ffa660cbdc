use super::downloads::Stopped;
use serde::{Deserialize, Serialize};
use studytime_schema::FeedId;

/// What a count of [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressUnit {
    /// Bytes.
    Bytes,
    /// Messages.
    Messages,
    /// Files, blobs or steps.
    Items,
}

/// How far a long request has come. *Ephemeral*: values may be skipped, the
/// last one before the reply need not be complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, for a person ("Reading files", "Fetching").
    pub stage: String,
    /// How much is done.
    pub done: u64,
    /// How much there is; 0 while unknown.
    pub total: u64,
    /// What is counted.
    pub unit: ProgressUnit,
    /// The file or lesson being worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

impl Progress {
    /// So much is done of so much (0 while unknown), nothing named in particular.
    pub(crate) fn new(stage: &str, unit: ProgressUnit, done: u64, total: u64) -> Self {
        Self {
            stage: stage.to_owned(),
            done,
            total,
            unit,
            current: None,
        }
    }
}

/// Something happened in the node. All events are *ephemeral*: a slow
/// subscriber misses some and gets [`Event::Lagged`]; what they announce can
/// always be asked for. *Guaranteed* is what the requests answer, and what is kept
/// on disk: that a course was started, paused or pinned, the rules for downloads,
/// every file that is whole. None of it depends on anybody having seen an event.
///
/// | event | what to ask instead |
/// |---|---|
/// | [`Download`](Self::Download) | [`CourseShow`](super::CourseShow): `bytes_here`, `bytes_total` |
/// | [`DownloadsChanged`](Self::DownloadsChanged), [`Storage`](Self::Storage) | [`Downloads`](super::Downloads) |
/// | [`CatalogChanged`](Self::CatalogChanged) | [`CourseList`](super::CourseList), [`CourseShow`](super::CourseShow) |
/// | [`Peer`](Self::Peer) | [`PeerList`](super::PeerList) |
/// | [`Lock`](Self::Lock) | [`Status`](super::Status): `locked` |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Courses, lists or the learner's own state changed; pages may reload.
    CatalogChanged {
        /// The courses whose record or lessons changed.
        courses: Vec<FeedId>,
    },
    /// A course's blobs arrived.
    Download {
        /// The course.
        feed_id: FeedId,
        /// Bytes of it that are here.
        bytes_here: u64,
        /// Bytes of it in all, as far as known.
        bytes_total: u64,
        /// Whether everything is here.
        complete: bool,
    },
    /// Downloads began or ended a pause, follow other hours or limits:
    /// [`Downloads`](super::Downloads) tells.
    DownloadsChanged {},
    /// Downloads stopped for want of room, or go on.
    Storage {
        /// Why they stopped; `None` when they go on.
        stopped: Option<Stopped>,
    },
    /// A connection changed its state.
    Peer {
        /// Who.
        id: FeedId,
        /// `connected`, `disconnected`, `failed`.
        state: String,
        /// Why, for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An own feed is locked, or may be published on again.
    Lock {
        /// The feed.
        id: FeedId,
        /// Whether it is locked now.
        locked: bool,
        /// Why, for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something a person should know.
    Problem {
        /// What.
        text: String,
    },
    /// This subscriber was too slow and missed this many events.
    Lagged {
        /// How many.
        missed: u64,
    },
}
