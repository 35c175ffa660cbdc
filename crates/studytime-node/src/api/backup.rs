//! What goes into a backup, and what went.

use super::reply::BlobCount;
use serde::{Deserialize, Serialize};

/// Which own files go with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupBlobs {
    /// None: they are here only, or can be fetched again.
    None,
    /// Those that not three other nodes are known to have.
    #[default]
    Rare,
    /// All of them.
    Own,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReply {
    /// Messages in it.
    pub messages: u64,
    /// Keys in it.
    pub keys: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Own files in it, as blobs.
    #[serde(default)]
    pub blobs: BlobCount,
    /// Own files that were left out although hardly anybody else is known to have
    /// them.
    #[serde(default)]
    pub left_out: BlobCount,
}
