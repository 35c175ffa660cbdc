//! What is known of one feed: how far it goes, forks, refused messages, locks.

use serde::{Deserialize, Serialize};
use studytime_schema::{FeedId, MessageId};

/// What is known of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatusReply {
    /// The feed.
    pub id: FeedId,
    /// The newest sequence here; 0 when none.
    pub sequence: u64,
    /// Whether it is replicated.
    pub wanted: bool,
    /// Why it is, or is not, for a person.
    pub reason: String,
    /// Where it was seen to fork.
    pub forked_at: Option<u64>,
    /// The evidence: pairs of messages that its author should not both have
    /// signed. At most sixteen are kept.
    #[serde(default)]
    pub forks: Vec<ForkInfo>,
    /// Messages that named this feed and were refused, newest first; at most a
    /// hundred are remembered.
    #[serde(default)]
    pub refused: Vec<RefusedInfo>,
    /// Peers from which it is not fetched any more, because of what they sent.
    #[serde(default)]
    pub not_fetched_from: Vec<ShunInfo>,
    /// Why it must not be published on; `None` when it may, or is not an own one.
    #[serde(default)]
    pub locked: Option<LockInfo>,
}

/// Two messages that one author signed for one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkInfo {
    /// The sequence of the message that did not fit.
    pub sequence: u64,
    /// The message on the branch that is kept here.
    pub ours: MessageId,
    /// Its sequence: the same, or, when the other one came next, the one before,
    /// which the other one should have named as `previous`.
    pub ours_sequence: u64,
    /// The message on the other branch. Its signature is valid.
    pub theirs: MessageId,
    /// What it names as the message before it.
    pub theirs_previous: Option<MessageId>,
    /// When it was seen, in milliseconds since 1970.
    pub seen: u64,
}

/// A message that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedInfo {
    /// The sequence it names; 0 when it names none.
    pub sequence: u64,
    /// Why, for a person.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// A peer from which a feed is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShunInfo {
    /// The peer.
    pub peer: FeedId,
    /// Where it went wrong.
    pub sequence: u64,
    /// Whether it has another branch of the feed; if not, it sent an invalid
    /// message, and is asked again when another peer had the right one.
    pub fork: bool,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// Why an own feed is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LockCause {
    /// It was restored, from a backup or from a bare key.
    Restored,
    /// Messages of it that were lost here came back from a peer.
    Lost,
    /// A peer says it has more of it; that is being looked into.
    Claimed,
}

/// An own feed that must not be published on for now: a second message in a
/// place where others already have one would split it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// The feed.
    pub feed: FeedId,
    /// What it is for: `main`, `list` or `course`.
    pub kind: String,
    /// Its name, when it has one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub cause: LockCause,
    /// Since when, in milliseconds since 1970.
    pub since: Option<u64>,
    /// The last message that is here; 0 for none.
    pub sequence: u64,
    /// The last message that a peer says it has, when that is more.
    pub claimed: Option<u64>,
    /// That peer.
    pub claimed_by: Option<FeedId>,
    /// How many peers sent the same last message.
    pub confirmed: u64,
    /// How many are needed; one that the user chose is enough.
    pub needed: u64,
    /// Why, for a person.
    pub reason: String,
    /// What to do, for a person.
    pub next: String,
}
