//! What [`Wants`](super::Wants) is told and what it says.

use crate::store::PushScope;
use crate::wire::WantFrame;
use std::fmt;
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};

/// One connection to one peer. A peer may be connected twice for a moment;
/// pushes count feeds, everything else counts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId {
    /// Who it is.
    pub feed: FeedId,
    /// Which connection; never used again for another one.
    pub connection: u64,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.feed.short(), self.connection)
    }
}

/// What kind of program the peer is; it decides who is asked for segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerKind {
    /// Not (yet) known to be more than an ordinary Scuttlebutt peer.
    Other,
    /// It answered `studytime.info`.
    StudyTime,
    /// A seeder the user configured: it is asked for everything and gets
    /// pushes of segments.
    Seeder,
}

/// How urgent a want is. The later, the more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// For somebody else.
    Sympathy,
    /// Part of a started course, not looked at yet.
    Prefetch,
    /// On a page that is open.
    Opened,
    /// A reader is at it, or soon will be.
    Playing,
}

/// The place of a want among all: by priority, then by order (0 first), then
/// by id. The smaller, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rank {
    /// The class.
    pub priority: Priority,
    /// The place in the class. In [`Priority::Playing`], up to [`IN_ORDER`](Self::IN_ORDER)
    /// it is the beginning of what somebody has just opened or moved to: it comes piece
    /// after piece, so that the first one has the line for itself. 0 there, and
    /// [`WAITED_FOR`](Self::WAITED_FOR), mean that somebody waits for it now: less urgent
    /// transfers give way.
    pub order: u64,
}

impl Rank {
    /// Segments from where a reader starts that come one after the other.
    pub const IN_ORDER: u64 = 4;
    /// The place of what somebody waits for in the middle of reading.
    pub const WAITED_FOR: u64 = 5;
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.priority, self.order).cmp(&(self.priority, other.order))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Who may be asked for a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// Part of a large file: StudyTime peers and seeders first, strangers only
    /// when those fail.
    Segment,
    /// A blob of its own: everybody.
    Whole,
}

/// How a blob is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantSpec {
    /// How soon.
    pub rank: Rank,
    /// From whom.
    pub kind: BlobKind,
    /// The largest size that is taken, in bytes; its exact size when known.
    pub max: u64,
}

impl WantSpec {
    /// A blob of its own, of any size the network allows.
    pub fn whole(priority: Priority, order: u64) -> Self {
        Self {
            rank: Rank { priority, order },
            kind: BlobKind::Whole,
            max: MAX_BLOB_SIZE - 1,
        }
    }

    /// A segment of `len` bytes.
    pub fn segment(priority: Priority, order: u64, len: u64) -> Self {
        Self {
            rank: Rank { priority, order },
            kind: BlobKind::Segment,
            max: len.min(MAX_BLOB_SIZE - 1),
        }
    }

    /// A segment that a reader is coming to; see [`Media`](crate::media::Media).
    pub fn playing(order: u64, len: u64) -> Self {
        Self::segment(Priority::Playing, order, len)
    }
}

/// Who in this program wants a blob: a page, the prefetch of one course, the
/// media readers. A blob is wanted as long as one owner wants it, at the best
/// rank any of them gave. The numbers are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(pub u64);

/// What became of a want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is being looked for.
    Yes,
    /// It came in a moment ago (or is the empty blob): [`Output::Got`] follows.
    Here,
    /// There are too many wants already ([`WantsConfig::max_wants`]).
    TooMany,
}

/// Why a fetch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFailure {
    /// The peer does not have it after all, or refused.
    Refused,
    /// It does not know how to serve part of a blob: it is asked for the whole.
    NoSlices,
    /// The call broke off while the connection stayed.
    Broken,
    /// More came than was allowed.
    TooLong,
    /// Other bytes came: the peer lies or is broken.
    WrongHash,
    /// Other bytes came, but part of them stemmed from an earlier download:
    /// nobody is to blame.
    WrongHashResumed,
    /// Our own store failed; everything waits a while.
    Local,
}

/// Why a peer is no longer asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// It sent wrong bytes too often.
    Liar {
        /// How often.
        times: u32,
    },
    /// What was being played came too slowly from it, and others have it, too.
    Slow,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Liar { times } => write!(
                f,
                "sent wrong bytes {times} times: no blobs are fetched from it for an hour"
            ),
            Self::Slow => f.write_str(
                "too slow for what is being played: others are asked first for a minute",
            ),
        }
    }
}

/// What the driver is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send this frame on the `createWants` stream the peer opened.
    SendWants {
        /// To whom.
        peer: PeerId,
        /// The frame.
        frame: WantFrame,
    },
    /// Look these blobs up in the store and answer with
    /// [`handle_have`](super::Wants::handle_have).
    NeedHave {
        /// The blobs.
        blobs: Vec<BlobId>,
    },
    /// Start a [`Download`](crate::transfer::Download) from this peer. It ends
    /// with [`handle_stored`](super::Wants::handle_stored) or
    /// [`handle_failed`](super::Wants::handle_failed).
    Fetch {
        /// From whom.
        peer: PeerId,
        /// The blob.
        blob: BlobId,
        /// The largest size that is taken, in bytes.
        max: u64,
        /// The size to resume with: set unless the peer is known not to serve
        /// `getSlice`. When it refuses that call, say [`FetchFailure::NoSlices`].
        resume: Option<u64>,
    },
    /// Stop a download: end the call, and [interrupt](crate::transfer::Download::interrupt)
    /// the download or drop it. No answer is expected; a late one is ignored.
    CancelFetch {
        /// From whom.
        peer: PeerId,
        /// The blob.
        blob: BlobId,
        /// Whether what came is worth keeping; not what comes from a liar, nor when
        /// the blob is here already.
        keep: bool,
    },
    /// A blob that somebody here wanted is in the store.
    Got {
        /// The blob.
        blob: BlobId,
        /// Its size in bytes.
        size: u64,
    },
    /// A peer reported a blob that is being pushed: remember it with
    /// [`push_seen`](crate::store::BlobStore::push_seen).
    PushSeen {
        /// The blob.
        blob: BlobId,
        /// Who has it now.
        peer: FeedId,
        /// True when that was the last report that was needed.
        done: bool,
    },
    /// A peer is no longer asked for blobs; show why.
    PeerMarked {
        /// Who.
        feed: FeedId,
        /// Why.
        mark: Mark,
    },
}

/// A push as it is handed over; see [`Wants::push`](super::Wants::push).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSpec {
    /// The blob, which must be in the store.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// To whom it is announced.
    pub scope: PushScope,
    /// Who has reported it earlier.
    pub seen: Vec<FeedId>,
}

/// Limits and times. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantsConfig {
    /// Fetches at one peer at a time. Default 4.
    pub fetches_per_peer: usize,
    /// Further fetches at one peer for what a reader waits for. Default 2.
    pub urgent_fetches_per_peer: usize,
    /// Fetches at all peers together. Default 64.
    pub max_fetches: usize,
    /// Wants of our own. Default 262,144.
    pub max_wants: usize,
    /// Wants announced to one StudyTime peer or seeder that it has not
    /// answered. Default 1,024. Urgent ones (playing, opened) may double it.
    pub announced_per_peer: usize,
    /// The same for ordinary peers, who may pass wants on. Default 256.
    pub announced_per_stranger: usize,
    /// Segments announced to one ordinary peer and not here yet. Default 8.
    pub segments_per_stranger: usize,
    /// How long StudyTime peers alone are asked for a segment. Default 5,000.
    pub stranger_delay: u64,
    /// Pushes announced to one peer within [`push_pause`](Self::push_pause)
    /// that it has not reported. Default 256.
    pub pushes_per_peer: usize,
    /// After this long without a report, further pushes are announced.
    /// Default 60,000.
    pub push_pause: u64,
    /// Distinct peers that must report a pushed blob. Default 3.
    pub push_copies: usize,
    /// Hops over which wants of others are passed on: with 2, those of our
    /// peers and their peers; 0 is nobody's. Default 2.
    pub sympathy: u8,
    /// Wants of others taken up for one peer. Default 128.
    pub sympathy_per_peer: usize,
    /// Wants of others taken up in all. Default 1,024.
    pub max_sympathy: usize,
    /// How long a want of others is looked for. Default 600,000.
    pub sympathy_expiry: u64,
    /// Wants remembered of one peer, to tell it when a blob comes. Default 8,192.
    pub remembered_per_peer: usize,
    /// How long they are remembered. Default 3,600,000.
    pub remembered_expiry: u64,
    /// Entries of want frames that one peer may send at once. Default 16,384.
    pub burst: u32,
    /// Entries it may send per second in the long run. Default 200.
    pub entries_per_second: u32,
    /// Without a byte from a peer for this long, its fetches move. Default 20,000.
    pub stall: u64,
    /// The same for what a reader waits for, when another peer has it. Default 5,000.
    pub stall_playing: u64,
    /// When a segment that is being played would take so long, at its speed so far, a
    /// faster peer is asked instead. Default 3,000.
    pub slow_playing: u64,
    /// Without a byte of one fetch for this long, it moves. Default 60,000.
    pub stall_fetch: u64,
    /// How long a peer that refused, stalled or broke off is not asked for the
    /// same blob. Default 60,000.
    pub retry: u64,
    /// Wrong answers after which a peer is not asked any more. Default 3.
    pub lies: u32,
    /// For how long. Default 3,600,000.
    pub ban: u64,
    /// How long everything waits after our own store failed. Default 10,000.
    pub local_pause: u64,
}

impl Default for WantsConfig {
    fn default() -> Self {
        Self {
            fetches_per_peer: 4,
            urgent_fetches_per_peer: 2,
            max_fetches: 64,
            max_wants: 262_144,
            announced_per_peer: 1_024,
            announced_per_stranger: 256,
            segments_per_stranger: 8,
            stranger_delay: 5_000,
            pushes_per_peer: 256,
            push_pause: 60_000,
            push_copies: crate::store::PUSH_COPIES,
            sympathy: 2,
            sympathy_per_peer: 128,
            max_sympathy: 1_024,
            sympathy_expiry: 600_000,
            remembered_per_peer: 8_192,
            remembered_expiry: 3_600_000,
            burst: 16_384,
            entries_per_second: 200,
            stall: 20_000,
            stall_playing: 5_000,
            slow_playing: 3_000,
            stall_fetch: 60_000,
            retry: 60_000,
            lies: 3,
            ban: 3_600_000,
            local_pause: 10_000,
        }
    }
}
