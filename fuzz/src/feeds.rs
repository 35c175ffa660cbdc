//! A few feeds with valid messages, signed once.

use std::sync::{Arc, OnceLock};
use studytime_replicate::ebt::IngestOutcome;
use studytime_replicate::store::conformance::chain;
use studytime_schema::{FeedId, Keypair, Message};

/// How many feeds there are.
pub const FEEDS: usize = 6;
/// How many messages each of them has.
pub const MESSAGES: usize = 12;

/// A key pair for any number.
pub fn keys(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

/// The feeds of the key pairs from 1 on, each in the order of its sequence.
pub fn all() -> &'static [Vec<Arc<Message>>] {
    static ONCE: OnceLock<Vec<Vec<Arc<Message>>>> = OnceLock::new();
    let feed = |n| chain(&keys(n as u8), None, MESSAGES, "x");
    ONCE.get_or_init(|| (1..=FEEDS).map(feed).collect())
}

/// The feed of an author among [`all`].
pub fn of(author: &FeedId) -> Option<&'static [Arc<Message>]> {
    let is = |chain: &&Vec<Arc<Message>>| chain.first().is_some_and(|m| m.author() == *author);
    all().iter().find(is).map(Vec::as_slice)
}

/// What may become of a message, by any number.
pub fn outcome(n: u8, sequence: u64) -> IngestOutcome {
    match n % 5 {
        0 => IngestOutcome::Kept,
        1 => IngestOutcome::Gap,
        2 => IngestOutcome::Failed,
        3 => IngestOutcome::Invalid { sequence },
        _ => IngestOutcome::Fork { sequence },
    }
}
