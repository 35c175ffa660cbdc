//! Why a store could not do it.

use std::io;
use std::path::PathBuf;
use studytime_schema::{BlobId, MAX_BLOB_SIZE};

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, or the user's share of it, is full.
    #[error("the disk is full ({what}): free some space or lower the blob quota")]
    Full {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The blob reaches the size limit of the network.
    #[error(
        "a blob must be smaller than {MAX_BLOB_SIZE} bytes: larger files are cut into segments"
    )]
    TooLarge,
    /// The bytes are not those of the wanted blob.
    #[error("the bytes hash to {got}, not to {expected}: they were thrown away")]
    WrongHash {
        /// The blob that was wanted.
        expected: BlobId,
        /// What came instead.
        got: BlobId,
    },
    /// A blob became shorter while it was read.
    #[error("{id} changed on disk while it was read: it will be fetched again")]
    Changed {
        /// The blob.
        id: BlobId,
    },
    /// A file could not be read or written.
    #[error("could not {what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `blobs.db` failed.
    #[cfg(feature = "sqlite")]
    #[error("the list of blobs could not be {what}: {source}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// `blobs.db` was written by a later version of this program.
    #[error(
        "the list of blobs has version {found}, this program knows up to {known}: use a newer one"
    )]
    Newer {
        /// The version in the file.
        found: i64,
        /// The version this program writes.
        known: i64,
    },
}

impl StoreError {
    /// True when space is what is missing.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

#[cfg(feature = "sqlite")]
impl StoreError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { what, source }
            }
            _ => Self::Io {
                what,
                path: path.into(),
                source,
            },
        }
    }

    pub(crate) fn database(what: &'static str, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full {
                what: "writing the list of blobs",
                source: io::Error::new(io::ErrorKind::StorageFull, source),
            },
            _ => Self::Database { what, source },
        }
    }
}
