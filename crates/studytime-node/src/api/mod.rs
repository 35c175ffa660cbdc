//! What a face may ask of a node: one set of requests, replies and events.
//!
//! The same values go to a [`Node`](crate::Node) in this process and, as JSON
//! over the control socket, to one that runs in another. A face uses
//! [`Handle`](crate::Handle) and never needs to know which it is.

mod backup;
mod downloads;
mod error;
mod event;
mod feed;
mod mirror;
pub mod path;
mod reply;
mod request;
mod torrent;

pub use backup::{BackupBlobs, BackupReply};
pub use downloads::*;
pub use error::{ApiError, ErrorKind};
pub use event::{Event, Progress, ProgressUnit};
pub use feed::*;
pub(crate) use mirror::shown as mirror_shown;
pub use mirror::{MirrorChecked, MirrorInfo, MirrorProblem, MirrorPushed, MirrorSpec};
pub use reply::*;
pub use request::*;
pub use torrent::{TorrentInfo, TorrentSeeded};

/// The version of this set, sent when a control connection opens. A different
/// major version is refused in words.
pub const API_VERSION: u32 = 1;
