//! Where feeds are kept: [`FeedStore`] and its two implementations.
//!
//! A store only takes messages that were verified, and checks the chain itself,
//! inside the transaction that writes: whoever appends, two messages never stand
//! at one sequence of a feed.

pub mod conformance;
pub mod fault;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{FORMAT, SqliteStore};

use crate::clock::PeerClock;
use std::sync::Arc;
use studytime_schema::{Entry, FeedId, LogPosition, Message, MessageId, Tip, VerifyError};

/// The most forks that are kept per feed; later ones tell nothing new.
pub const MAX_FORKS_PER_FEED: usize = 16;

/// The most rejected messages that are remembered in all; the oldest go first.
pub const MAX_REJECTED: usize = 10_000;

/// The most rejected messages that are remembered of one feed, so that rubbish
/// in one name does not displace what is known of the others.
pub const MAX_REJECTED_PER_FEED: usize = 100;

/// The most pairs of peer and feed that are not exchanged any more because of
/// something bad; the oldest go first.
pub const MAX_SHUNNED: usize = 10_000;

/// A message as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the local log.
    pub position: LogPosition,
    /// When it arrived, in milliseconds since 1970.
    pub received: u64,
    /// Its author.
    pub feed: FeedId,
    /// Its place in the feed.
    pub sequence: u64,
    /// The message as compact JSON, as [`Message::wire`] gave it.
    pub wire: Arc<str>,
}

impl StoredMessage {
    /// Reads the message back. The signature is not checked again.
    ///
    /// # Errors
    /// [`VerifyError`] when the stored text is not a message: the store is damaged.
    pub fn message(&self) -> Result<Message, VerifyError> {
        Message::from_log(self.wire.as_bytes())
    }

    /// The entry a view is fed: without opened content and without blob text.
    ///
    /// # Errors
    /// As [`StoredMessage::message`].
    pub fn entry(&self) -> Result<Entry, VerifyError> {
        Ok(Entry {
            position: self.position,
            received: self.received,
            message: Arc::new(self.message()?),
            opened_private: None,
            blob_text: None,
        })
    }
}

/// What became of one message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is kept, at this place in the log.
    At(LogPosition),
    /// It was here before.
    Duplicate,
    /// Messages before it are missing.
    Gap {
        /// The sequence the feed needs next.
        expected: u64,
    },
    /// Its author signed another message in the same place. The first one stays;
    /// the evidence is kept.
    Fork {
        /// The sequence of the message that does not fit.
        sequence: u64,
        /// What is stored in its place, or just before it.
        stored: MessageId,
    },
}

impl Appended {
    /// Whether the message is in the store now.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::At(_) | Self::Duplicate)
    }
}

/// Two messages that their author should not both have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    /// The author.
    pub feed: FeedId,
    /// The sequence of the message that did not fit.
    pub sequence: u64,
    /// The message kept here: at the same sequence, or, when the other one came
    /// next, the one it should have named as `previous`.
    pub ours: Arc<str>,
    /// The message that did not fit; its signature is valid.
    pub theirs: Arc<str>,
    /// When it was seen, in milliseconds since 1970.
    pub seen: u64,
}

/// A message that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The author it names.
    pub feed: FeedId,
    /// The sequence it names; 0 when it names none.
    pub sequence: u64,
    /// SHA-256 of its bytes as they came.
    pub hash: [u8; 32],
    /// Why, for a person.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// A peer that a feed is not fetched from any more, because what it sent was bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shunned {
    /// The peer.
    pub peer: FeedId,
    /// The feed that is not fetched from it.
    pub feed: FeedId,
    /// The sequence at which it went wrong.
    pub sequence: u64,
    /// Whether its branch of the feed is another than ours; if not, the message
    /// itself was invalid.
    pub fork: bool,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Feeds with at least one message.
    pub feeds: u64,
    /// Messages.
    pub messages: u64,
    /// Bytes of their compact JSON.
    pub bytes: u64,
}

/// Why a store could not do it. The kinds are what a caller can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else holds the file; try again.
    #[error("the feed store is in use by another program; close it and try again")]
    Busy(#[source] Cause),
    /// No room left.
    #[error("the disk that holds the feed store is full; free some space and try again")]
    DiskFull(#[source] Cause),
    /// Written by a newer version of this software.
    #[error(
        "the feed store has format {found}, this version knows up to {supported}; \
         use a newer StudyTime, or restore a backup made with this one"
    )]
    Newer {
        /// The format of the file.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// A file, but not a feed store.
    #[error("this file is not a feed store; choose another data directory or move the file away")]
    NotAStore,
    /// There is no file, or nothing in it, where there was a store before.
    #[error("the feed store is gone, or empty; put it back, or restore a backup")]
    Gone,
    /// The content of the file contradicts itself.
    #[error("the feed store is damaged ({0}); restore a backup")]
    Corrupt(String),
    /// May not be written or read.
    #[error(
        "the feed store may not be opened for writing; check the permissions of the data directory"
    )]
    Permission(#[source] Cause),
    /// The system could not read or write the file.
    #[error("the feed store could not be read or written; check the disk and its free space")]
    Io(#[source] Cause),
    /// Anything else the database reports.
    #[error("the feed store failed")]
    Other(#[source] Cause),
}

/// The error underneath, of whatever engine the store uses.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why own messages were not published. Nothing of them was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendAllError {
    /// One of them does not continue its feed.
    #[error(
        "message {index} does not continue its feed ({outcome:?}); read the feed's tip and sign again"
    )]
    Chain {
        /// Which of the messages, counted from 0.
        index: usize,
        /// What would have become of it.
        outcome: Appended,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps feeds. Small, blocking, object safe; call it from threads that may wait.
///
/// [`conformance`] holds the laws every implementation obeys, as a suite to run.
pub trait FeedStore: Send + Sync {
    /// Appends verified messages in one transaction, synced to disk before this
    /// returns; the answer says for each, in order, what became of it.
    ///
    /// A message that does not fit costs only itself. `received` is in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch was kept then.
    fn append(&self, batch: &[Arc<Message>], received: u64) -> Result<Vec<Appended>, StoreError>;

    /// Appends all or nothing, in one transaction, synced to disk before this
    /// returns: the way for own messages.
    ///
    /// # Errors
    /// [`AppendAllError`]; nothing was kept then.
    fn append_all(
        &self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<LogPosition>, AppendAllError>;

    /// The last message of a feed; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tip(&self, feed: &FeedId) -> Result<Option<Tip>, StoreError>;

    /// The last message of every feed, ordered by feed id.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tips(&self) -> Result<Vec<(FeedId, Tip)>, StoreError>;

    /// One message by its place in its feed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, feed: &FeedId, sequence: u64) -> Result<Option<StoredMessage>, StoreError>;

    /// Messages of a feed in order, from sequence `from` on, while they are no
    /// more than `max_count` and their texts together no more than `max_bytes`;
    /// the first one always comes, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(
        &self,
        feed: &FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError>;

    /// Messages of all feeds in order of arrival, after `after`
    /// (`LogPosition(0)` for all), at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, after: LogPosition, limit: usize) -> Result<Vec<StoredMessage>, StoreError>;

    /// The highest position ever given out, also after a deletion.
    ///
    /// # Errors
    /// [`StoreError`].
    fn last_position(&self) -> Result<LogPosition, StoreError>;

    /// How much there is in all.
    ///
    /// # Errors
    /// [`StoreError`].
    fn counts(&self) -> Result<Counts, StoreError>;

    /// How much there is of one feed (`feeds` is 0 or 1).
    ///
    /// # Errors
    /// [`StoreError`].
    fn feed_counts(&self, feed: &FeedId) -> Result<Counts, StoreError>;

    /// How much there is of every feed, ordered by feed id.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sizes(&self) -> Result<Vec<(FeedId, Counts)>, StoreError>;

    /// Deletes a feed with its forks, its rejected messages and what peers told
    /// about it. Returns how much went. Positions are not used again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was deleted then.
    fn delete(&self, feed: &FeedId) -> Result<Counts, StoreError>;

    /// What a peer told in earlier sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    fn clock(&self, peer: &FeedId) -> Result<PeerClock, StoreError>;

    /// Adds to what a peer told; a feed named again is replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    fn save_clock(&self, peer: &FeedId, changes: &PeerClock) -> Result<(), StoreError>;

    /// Forgets what all peers told. Due after a restore: peers that were told of
    /// messages we have lost would otherwise not be asked.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget_clocks(&self) -> Result<(), StoreError>;

    /// Forgets what all peers told of one feed, because it is wanted anew and is
    /// to be named to them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget_heard(&self, feed: &FeedId) -> Result<(), StoreError>;

    /// The forks seen, ordered by feed and sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forks(&self) -> Result<Vec<ForkEvidence>, StoreError>;

    /// Remembers refused messages, at most [`MAX_REJECTED_PER_FEED`] of a feed and
    /// [`MAX_REJECTED`] in all.
    ///
    /// # Errors
    /// [`StoreError`].
    fn reject(&self, rejected: &[Rejected]) -> Result<(), StoreError>;

    /// The refused messages that are remembered, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn rejected(&self) -> Result<Vec<Rejected>, StoreError>;

    /// Remembers that a feed is not fetched from a peer; at most [`MAX_SHUNNED`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn shun(&self, shunned: &Shunned) -> Result<(), StoreError>;

    /// Who is shunned for what, ordered by peer and feed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn shunned(&self) -> Result<Vec<Shunned>, StoreError>;

    /// Takes back [`FeedStore::shun`], and forgets the feed's rejected messages:
    /// everybody may be asked for it again. Forks stay.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forgive(&self, feed: &FeedId) -> Result<(), StoreError>;

    /// Looks for contradictions: each one a line for a person. Reads everything;
    /// slow on a large store.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read at all.
    fn check(&self) -> Result<Vec<String>, StoreError>;
}

/// A sequence below the tip has no message: the store lost something.
fn missing(feed: &FeedId, sequence: u64) -> StoreError {
    StoreError::Corrupt(format!(
        "message {sequence} of {feed} is missing below its tip"
    ))
}

/// The id of a stored message, computed from its text.
fn stored_id(stored: &StoredMessage) -> Result<MessageId, StoreError> {
    stored.message().map(|m| m.id()).map_err(|e| {
        StoreError::Corrupt(format!(
            "message {} of {}: {e}",
            stored.sequence, stored.feed
        ))
    })
}

/// Reads every feed and follows its chain. The signatures were checked before
/// the messages came in and are not checked again.
fn check_chains(store: &dyn FeedStore) -> Result<Vec<String>, StoreError> {
    const BATCH: usize = 500;
    let mut problems = Vec::new();
    let mut total = Counts::default();
    for (feed, tip) in store.tips()? {
        let mut reached: Option<Tip> = None;
        loop {
            let from = reached.map_or(0, |t| t.sequence) + 1;
            let batch = store.read(&feed, from, BATCH, usize::MAX)?;
            if batch.is_empty() {
                break;
            }
            for stored in &batch {
                total.messages += 1;
                total.bytes += stored.wire.len() as u64;
                let at = format!("message {} of {feed}", stored.sequence);
                match stored.message() {
                    Err(e) => problems.push(format!("{at} cannot be read: {e}")),
                    Ok(m) if m.author() != feed => {
                        problems.push(format!("{at} is by {}", m.author()));
                    }
                    Ok(m) => {
                        if let Err(e) = studytime_schema::chain::check(reached.as_ref(), &m) {
                            problems.push(format!("{at} breaks the chain: {e}"));
                        }
                        reached = Some(m.tip());
                        continue;
                    }
                }
                let id = reached.map_or(MessageId::from_bytes([0; 32]), |t| t.id);
                reached = Some(Tip {
                    id,
                    sequence: stored.sequence,
                });
            }
        }
        if reached != Some(tip) {
            problems.push(format!(
                "{feed} should end at {}, but ends at {}",
                tip.sequence,
                reached.map_or(0, |t| t.sequence)
            ));
        }
        total.feeds += 1;
    }
    let counted = store.counts()?;
    if counted != total {
        problems.push(format!("the store counts {counted:?}, but holds {total:?}"));
    }
    Ok(problems)
}
