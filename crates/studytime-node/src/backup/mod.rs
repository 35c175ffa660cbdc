//! Everything precious in one file, and back.
//!
//! The file is an uncompressed tar: `keys/`, consistent copies of `feeds.db`,
//! `state.db` and `blobs.db` (pins and pushes), `config.toml`, own files that
//! hardly anybody else has, as `blobs/`, and at the end `backup.json`, so that a
//! file that was cut off is noticed. The index and other blobs are left out:
//! they can be made, or fetched, again.

mod commit;
mod part;
mod read;
mod write;

pub(crate) use commit::finish;
pub(crate) use part::remove_copies;
pub use read::{accept_loss, restore_backup, restore_secret};

use crate::api::{ApiError, ErrorKind};
use serde::{Deserialize, Serialize};
use std::path::Path;
use studytime_schema::{BlobId, MAX_BLOB_SIZE};

/// Databases that are copied.
const DATABASES: [&str; 3] = ["feeds.db", "state.db", "blobs.db"];
/// The key that a node cannot be without.
const MAIN_KEY: &str = "keys/main.secret";
/// The last file: what must have come before it.
const CONTENTS: &str = "backup.json";
/// Newest layout of the file known here.
const VERSION: u32 = 1;
/// Most files in a backup.
const MAX_FILES: u64 = 2_000_000;
/// Longest key file.
const MAX_KEY: u64 = 16 * 1024;
/// Longest of the other small files.
const MAX_TEXT: u64 = 256 * 1024;

/// What stands in [`CONTENTS`].
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    /// Files before this one.
    files: u64,
}

/// A file that may stand in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Database,
    Config,
    Blob,
    Contents,
}

impl Kind {
    /// What a name stands for; `None` for anything that has no place here.
    fn of(name: &str) -> Option<Self> {
        match name {
            CONTENTS => return Some(Self::Contents),
            "config.toml" => return Some(Self::Config),
            _ if DATABASES.contains(&name) => return Some(Self::Database),
            _ => {}
        }
        if let Some(stem) = name.strip_prefix("keys/") {
            let stem = stem.strip_suffix(".secret")?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            return (!stem.is_empty() && stem.len() <= 100 && stem.chars().all(plain))
                .then_some(Self::Key);
        }
        let (folder, rest) = name.strip_prefix("blobs/sha256/")?.split_once('/')?;
        let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (folder.len() == 2 && rest.len() == 62 && hex(folder) && hex(rest)).then_some(Self::Blob)
    }

    /// The most bytes of such a file; a database may be as long as the backup.
    fn limit(self) -> u64 {
        match self {
            Self::Key => MAX_KEY,
            Self::Config | Self::Contents => MAX_TEXT,
            Self::Blob => MAX_BLOB_SIZE - 1,
            Self::Database => u64::MAX,
        }
    }

    fn mode(self) -> u32 {
        match self {
            Self::Key => 0o400,
            _ => 0o600,
        }
    }
}

/// Where a blob stands in a backup, as in the data directory.
fn blob_name(id: &BlobId) -> String {
    let hex: String = id.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let (folder, rest) = hex.split_at(2);
    format!("blobs/sha256/{folder}/{rest}")
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Failed, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_place_is_taken() {
        assert_eq!(Kind::of(MAIN_KEY), Some(Kind::Key));
        assert_eq!(Kind::of("keys/course-00ff.secret"), Some(Kind::Key));
        assert_eq!(Kind::of("feeds.db"), Some(Kind::Database));
        let blob = blob_name(&BlobId::of(b"x"));
        assert_eq!(Kind::of(&blob), Some(Kind::Blob));
        assert_eq!(Kind::of(&blob.to_uppercase()), None);
        for name in [
            "",
            ".",
            "lock",
            "feeds.db-wal",
            "keys",
            "keys/",
            "keys/.secret",
            "keys/../main.secret",
            "keys/a/b.secret",
            "../keys/main.secret",
            "/etc/passwd",
            "blobs/sha256/ab/..",
            "blobs/tmp/w-1",
            "index/1/x",
        ] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
