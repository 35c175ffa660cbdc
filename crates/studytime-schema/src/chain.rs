//! Where a message belongs in its feed.
//!
//! A feed is a chain: each message names the one before it and counts one up.
//! [`check`] compares a verified message with the last one accepted and tells
//! apart what a receiver must treat differently: a gap is asked for again, an
//! old message is skipped, a fork is kept as evidence.
//!
//! Protocol guide: "Feeds", validity of a message in its feed.

use crate::{FeedId, Message, MessageId, Tip};

/// Why a message cannot be appended after the given tip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The feed is empty here, and this is not its first message.
    #[error(
        "message {got} of {author} cannot be the first one here: a feed is kept from its start"
    )]
    NotFirst {
        /// The feed.
        author: FeedId,
        /// The sequence that came.
        got: u64,
    },
    /// Messages between the tip and this one are missing; ask for them.
    #[error("message {got} of {author} came before message {expected}, which is still missing")]
    Gap {
        /// The feed.
        author: FeedId,
        /// The sequence that can be appended next.
        expected: u64,
        /// The sequence that came.
        got: u64,
    },
    /// At or before the tip: a duplicate, or one side of a fork. Compare it
    /// with the stored message of that sequence: the same id is a duplicate,
    /// another id is a fork, and both messages together are its proof.
    #[error("message {sequence} of {author} is not new: the feed here already reaches {tip}")]
    Old {
        /// The feed.
        author: FeedId,
        /// The sequence that came.
        sequence: u64,
        /// The last sequence here.
        tip: u64,
    },
    /// The right sequence on another branch: the author's key has signed two
    /// different histories, and this one is not ours.
    #[error(
        "the feed of {author} is forked: its message {sequence} follows {previous}, but the message \
         before it here is {tip}"
    )]
    Fork {
        /// The feed.
        author: FeedId,
        /// The sequence that came; the branches part somewhere before it.
        sequence: u64,
        /// What the message names as its predecessor.
        previous: MessageId,
        /// What the predecessor is here.
        tip: MessageId,
    },
}

impl ChainError {
    /// A word for programs that stays the same from version to version:
    /// `not_first`, `gap`, `old` or `fork`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFirst { .. } => "not_first",
            Self::Gap { .. } => "gap",
            Self::Old { .. } => "old",
            Self::Fork { .. } => "fork",
        }
    }
}

/// Whether `message` is the next one after `tip`, the last accepted message of
/// **the same feed** (`None` while there is none).
///
/// The tip carries no author: the caller looks it up by `message.author()`.
/// Check it in the same transaction that appends.
///
/// # Errors
/// [`ChainError`] says how it does not fit.
pub fn check(tip: Option<&Tip>, message: &Message) -> Result<(), ChainError> {
    let (author, got) = (message.author(), message.sequence());
    let Some(tip) = tip else {
        return match message.previous() {
            None => Ok(()),
            Some(_) => Err(ChainError::NotFirst { author, got }),
        };
    };
    let expected = tip.sequence.saturating_add(1);
    if got < expected {
        return Err(ChainError::Old {
            author,
            sequence: got,
            tip: tip.sequence,
        });
    }
    if got > expected {
        return Err(ChainError::Gap {
            author,
            expected,
            got,
        });
    }
    match message.previous() {
        Some(previous) if previous != tip.id => Err(ChainError::Fork {
            author,
            sequence: got,
            previous,
            tip: tip.id,
        }),
        // A verified message lacks `previous` only at sequence 1, which is
        // never past a tip.
        _ => Ok(()),
    }
}
