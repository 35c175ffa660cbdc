//! The types `Ebt` speaks in: peers, wants, settings, outputs, errors.

use crate::clock::PeerClock;
use crate::store::Appended;
use crate::wire::FrameError;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use studytime_schema::FeedId;

/// One connection to one peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// Who it is.
    pub feed: FeedId,
    /// Which connection; the caller numbers them and never uses a number twice.
    pub connection: u64,
}

impl PeerId {
    /// Names a connection.
    pub const fn new(feed: FeedId, connection: u64) -> Self {
        Self { feed, connection }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.feed, self.connection)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}", self.feed, self.connection)
    }
}

/// Who dialled. The dialer opens EBT, the acceptor sends the first notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We dialled: we open EBT and wait for the peer's notes.
    Dialer,
    /// The peer dialled: it opens EBT, we send notes at once.
    Acceptor,
}

/// How urgent a feed is; lower comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// Own feeds.
    pub const OWN: Self = Self(0);
    /// Course lists the user chose.
    pub const LIST: Self = Self(10);
    /// Courses that were started.
    pub const STARTED: Self = Self(20);
    /// Courses that were opened.
    pub const OPENED: Self = Self(30);
    /// Courses that a list names.
    pub const LISTED: Self = Self(40);
    /// Friends.
    pub const FRIEND: Self = Self(50);
    /// What a pub carries for those it follows.
    pub const CARRIED: Self = Self(60);
    /// Held, not fetched.
    pub const HELD: Self = Self(200);
}

/// Which peers a feed is exchanged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every peer.
    Everyone,
    /// Only peers connected as known.
    Known,
}

/// What is wanted of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// How urgent it is, against other feeds.
    pub priority: Priority,
    /// Whether new messages are fetched; if not, the feed is only served.
    pub receive: bool,
    /// Whether it is one of our own: always noted, so that a lost log comes back.
    pub own: bool,
    /// With whom it is exchanged.
    pub audience: Audience,
}

impl Want {
    /// An own feed.
    pub const fn own() -> Self {
        Self {
            priority: Priority::OWN,
            receive: true,
            own: true,
            audience: Audience::Everyone,
        }
    }

    /// A feed to fetch and serve.
    pub const fn fetch(priority: Priority) -> Self {
        Self {
            priority,
            receive: true,
            own: false,
            audience: Audience::Everyone,
        }
    }

    /// A feed to serve but not to fetch.
    pub const fn serve(priority: Priority) -> Self {
        Self {
            priority,
            receive: false,
            own: false,
            audience: Audience::Everyone,
        }
    }

    /// The same, exchanged with known peers only.
    #[must_use]
    pub const fn known_only(mut self) -> Self {
        self.audience = Audience::Known;
        self
    }
}

/// Times and sizes. The defaults fit most; times are in milliseconds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How long a peer that dialled us may take to open EBT (5 s).
    pub open_within: u64,
    /// How long a peer we dialled may take to send its first notes (15 s).
    pub notes_within: u64,
    /// After which silence another peer takes over a feed (3 s).
    pub switch_after: u64,
    /// After which silence the only peer that has more is asked again (10 s).
    pub ask_again_after: u64,
    /// How long a peer in sync gets to deliver news that another one announces
    /// first (1 s).
    pub news_grace: u64,
    /// How long a peer is not asked for a feed it announced and never sent (5 min).
    pub stalled_for: u64,
    /// After which quiet a peer is told how far we got (1 s).
    pub tell_after: u64,
    /// How often a feed that a peer refused or had nothing of is named again (a day).
    pub retry_after: u64,
    /// How often a long session's clock is saved (5 min).
    pub save_every: u64,
    /// How many bytes a stream takes before [`Ebt::writable`](super::Ebt::writable)
    /// was ever called (256 KiB).
    pub first_room: usize,
    /// How many messages are read at once (256).
    pub read_count: usize,
    /// The most feeds a peer may mention that we do not carry (20,000); more are
    /// passed over in silence.
    pub max_foreign: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            open_within: 5_000,
            notes_within: 15_000,
            switch_after: 3_000,
            ask_again_after: 10_000,
            news_grace: 1_000,
            stalled_for: 300_000,
            tell_after: 1_000,
            retry_after: 86_400_000,
            save_every: 300_000,
            first_room: 256 * 1024,
            read_count: 256,
            max_foreign: 20_000,
        }
    }
}

/// What goes over a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A frame of notes.
    Notes(Bytes),
    /// A message.
    Message(Arc<str>),
}

impl Payload {
    /// The JSON to send.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Notes(bytes) => bytes,
            Self::Message(text) => text.as_bytes(),
        }
    }
}

/// Why a peer is served by `createHistoryStream` instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackReason {
    /// It refused or ended the EBT call before any notes.
    Refused,
    /// It never opened EBT, or never sent notes.
    Silent,
    /// Its stream broke again and again.
    Broken,
}

impl fmt::Display for FallbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the peer does not speak EBT",
            Self::Silent => "the peer did not start EBT in time",
            Self::Broken => "the peer's EBT stream keeps breaking",
        })
    }
}

/// What the caller must do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Call `ebt.replicate` with [`REPLICATE_ARGS`](crate::wire::REPLICATE_ARGS).
    Open {
        /// On this connection.
        peer: PeerId,
    },
    /// Send this on the peer's EBT stream.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        payload: Payload,
    },
    /// Read messages from the store and pass them to
    /// [`Ebt::handle_read`](super::Ebt::handle_read). At most one is open per peer.
    Read {
        /// For whom.
        peer: PeerId,
        /// Which feed.
        feed: FeedId,
        /// From this sequence on.
        from: u64,
        /// At most so many messages.
        max_count: usize,
        /// At most so many bytes (the first message always fits).
        max_bytes: usize,
    },
    /// Verify and append this message, then say so with
    /// [`Ebt::handle_ingested`](super::Ebt::handle_ingested).
    Ingest {
        /// Who sent it.
        peer: PeerId,
        /// The feed it names; not verified.
        feed: FeedId,
        /// The sequence it names; not verified.
        sequence: u64,
        /// The message as it came.
        wire: Bytes,
    },
    /// Keep what a peer told (add to what is stored).
    SaveClock {
        /// Whose.
        peer: FeedId,
        /// What changed.
        changes: PeerClock,
    },
    /// Forget what all peers told of this feed in their stored clocks: it is wanted
    /// anew, after we may have refused it, and must be named to all of them.
    Renew {
        /// The feed.
        feed: FeedId,
    },
    /// Use `createHistoryStream` with this peer; a peer that opens EBT later is
    /// still welcome.
    Fallback {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: FallbackReason,
    },
    /// EBT works with this peer after all, which was given to `createHistoryStream`
    /// before ([`Output::Fallback`]): stop fetching in that way.
    Resumed {
        /// Which.
        peer: PeerId,
    },
    /// End the stream and open it again: it seems stuck. Followed by
    /// [`Output::Open`].
    Restart {
        /// On this connection.
        peer: PeerId,
    },
    /// Ask this peer for one feed by `createHistoryStream`: it says it has more,
    /// yet sends nothing. What comes is ingested as the peer's.
    Fetch {
        /// Whom.
        peer: PeerId,
        /// Which feed.
        feed: FeedId,
        /// From this sequence on.
        from: u64,
    },
    /// Remember that this feed is not fetched from this peer any more.
    Shun {
        /// The peer.
        peer: FeedId,
        /// The feed.
        feed: FeedId,
        /// Where it went wrong.
        sequence: u64,
        /// Whether it has another branch than ours; if not, it sent an invalid
        /// message.
        fork: bool,
    },
    /// A peer has messages of our own feed that we have lost: do not publish on
    /// it before they are here.
    OwnAhead {
        /// Who says so.
        peer: PeerId,
        /// Which own feed.
        feed: FeedId,
        /// The sequence it claims.
        claimed: u64,
        /// The sequence here.
        here: u64,
    },
}

/// What became of messages that were handed out by [`Output::Ingest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestOutcome {
    /// All are kept now (or were before).
    Kept,
    /// One came too early; messages before it are missing.
    Gap,
    /// The one at this sequence belongs to another branch.
    Fork {
        /// Its sequence.
        sequence: u64,
    },
    /// The one at this sequence is not valid.
    Invalid {
        /// Its sequence.
        sequence: u64,
    },
    /// They could not be stored; nothing is wrong with them.
    Failed,
}

impl From<&Appended> for IngestOutcome {
    fn from(appended: &Appended) -> Self {
        match *appended {
            Appended::At(_) | Appended::Duplicate => Self::Kept,
            Appended::Gap { .. } => Self::Gap,
            Appended::Fork { sequence, .. } => Self::Fork { sequence },
        }
    }
}

/// What became of one peer's messages of one feed.
#[derive(Debug, Clone, Copy)]
struct Word {
    through: u64,
    outcome: IngestOutcome,
    /// The sequence of the message with that outcome.
    at: u64,
}

/// Gathers what became of a batch of messages, so that
/// [`Ebt::handle_ingested`](super::Ebt::handle_ingested) is called once per peer
/// and feed: with the highest sequence, and the first thing that went wrong.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    words: BTreeMap<(PeerId, FeedId), Word>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what became of one message, in any order: a store that answers for a
    /// gap before the message that made it was refused hides nothing.
    pub fn add(&mut self, peer: PeerId, feed: FeedId, sequence: u64, outcome: IngestOutcome) {
        let word = self.words.entry((peer, feed)).or_insert(Word {
            through: sequence,
            outcome,
            at: sequence,
        });
        word.through = word.through.max(sequence);
        let wrong = outcome != IngestOutcome::Kept;
        if wrong && (word.outcome == IngestOutcome::Kept || sequence < word.at) {
            word.outcome = outcome;
            word.at = sequence;
        }
    }

    /// (peer, feed, through, outcome), once per peer and feed.
    pub fn into_words(self) -> impl Iterator<Item = (PeerId, FeedId, u64, IngestOutcome)> {
        self.words
            .into_iter()
            .map(|((peer, feed), word)| (peer, feed, word.through, word.outcome))
    }
}

/// Why an input was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EbtError {
    /// There is no session with this peer, or its stream is not open.
    #[error("no EBT stream is open with {0}")]
    NotOpen(PeerId),
    /// The stream is open already, by our own call.
    #[error("EBT is already open with {0}")]
    AlreadyOpen(PeerId),
    /// The frame cannot be read; end the stream with this text.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// How a session is doing, for people and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionStatus {
    /// Whether notes go both ways.
    pub active: bool,
    /// Feeds fetched from this peer now, whether or not it has news.
    pub sources: usize,
    /// Messages it claims to have beyond ours, over all feeds.
    pub behind: u64,
    /// Messages it lacks and asked for, over all feeds.
    pub ahead: u64,
}
