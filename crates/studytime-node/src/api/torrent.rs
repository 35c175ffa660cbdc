use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use studytime_schema::{BlobId, FeedId};

/// A video that is given to others over BitTorrent as long as the node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorrentInfo {
    /// The course it belongs to.
    pub course: FeedId,
    /// The file's name before other programs.
    pub name: String,
    /// The file: its blob, or its manifest.
    pub link: BlobId,
    /// Its bytes.
    pub size: u64,
    /// The magnet link, as it may stand in the video's message.
    pub magnet: String,
    /// The torrent as a file for other programs.
    pub file: PathBuf,
    /// Where others can come to; `None` while nobody can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<String>,
    /// How many are connected for it.
    pub peers: u64,
    /// Bytes given since the start.
    pub sent: u64,
    /// What last went wrong, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What was made of a course's videos.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TorrentSeeded {
    /// The torrents that are given now.
    pub torrents: Vec<TorrentInfo>,
    /// Files that are not here, or not whole.
    pub absent: u64,
    /// Videos whose magnet links were published.
    pub published: u64,
}
