//! What a store is told and what it tells.

use std::fmt;
use studytime_schema::{BlobId, FeedId};

/// Peers that must report a blob before its push is done: the number that
/// ssb-blobs uses.
pub const PUSH_COPIES: usize = 3;

/// How safe a blob must be when it is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk, file and folder synced: for own blobs, which nobody else has.
    Synced,
    /// Left to the system: for fetched blobs, which can be fetched again. They
    /// are checked against their hash after an unclean stop.
    Relaxed,
}

/// A blob that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Its id.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// False when it was here before.
    pub new: bool,
}

/// What a store knows about one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its id.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored, in milliseconds since 1970; 0 when not known.
    pub added: u64,
    /// When it was last used, in milliseconds since 1970.
    pub last_used: u64,
    /// How often it was used.
    pub uses: u64,
    /// True when somebody pins it.
    pub pinned: bool,
}

/// What looking at the bytes of one blob showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not here, and was not.
    Absent,
    /// Its bytes are its own; how many they are.
    Sound(u64),
    /// It was damaged or had vanished; what was left of it was deleted.
    Damaged,
}

/// Totals of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Blobs here.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Who keeps a blob from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pinner {
    /// The user, by hand, or because it is the user's own.
    User,
    /// A course, by the id of its feed.
    Course(FeedId),
}

impl fmt::Display for Pinner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Course(feed) => feed.fmt(f),
        }
    }
}

impl std::str::FromStr for Pinner {
    type Err = studytime_schema::ParseRefError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            feed => FeedId::from_sigil(feed).map(Self::Course),
        }
    }
}

/// To whom a push is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushScope {
    /// Only to configured seeders: for the segments of large files.
    Seeders,
    /// To every peer: for manifests, posters, texts, small attachments.
    Everyone,
}

/// A push that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The blob.
    pub id: BlobId,
    /// To whom it is announced.
    pub scope: PushScope,
    /// The distinct peers that reported it.
    pub seen: Vec<FeedId>,
}

/// A suspended download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The blob.
    pub id: BlobId,
    /// Bytes kept.
    pub bytes: u64,
    /// When it was suspended, in milliseconds since 1970; 0 when not known.
    pub suspended: u64,
}
