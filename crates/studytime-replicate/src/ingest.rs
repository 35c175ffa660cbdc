//! From bytes to kept messages, and from contents to published ones.
//!
//! The way of a received message: some thread's [`Verifier`] parses and verifies,
//! [`InOrder`] gives it back its turn, [`append`] checks the chain and stores. A bad message names itself, costs only itself and is remembered.

mod in_order;

pub use in_order::InOrder;

use crate::store::{
    AppendAllError, Appended, FeedStore, MAX_REJECTED, MAX_REJECTED_PER_FEED, Rejected, StoreError,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use studytime_schema::{
    BadKey, FeedId, HmacKey, Keypair, LogPosition, Message, SignError, Tip, VerifyError,
    VerifyingKey,
};

/// The most decompressed keys a [`Verifier`] keeps, about 300 bytes each.
pub const MAX_CACHED_KEYS: usize = 4_096;

/// The most keys a [`Verifier`] keeps prepared, about 20 kB each.
pub const MAX_PREPARED_KEYS: usize = 256;

/// Messages that are verified together at most; bounds what is held meanwhile.
const AT_ONCE: usize = 64;

/// A key is prepared at the message of its feed that comes as this one: whoever
/// sent so many goes on, most likely.
const PREPARED_AT: u32 = 4;

/// The longest reason that is remembered of a refusal, in characters.
const MAX_REASON: usize = 300;

/// The hash a refused message is remembered by: SHA-256 of its bytes as they came.
pub fn wire_hash(wire: &[u8]) -> [u8; 32] {
    Sha256::digest(wire).into()
}

/// The refused messages that are not looked at again. Shared by the verify
/// threads; load it from [`FeedStore::rejected`].
///
/// Bounded as the store is: whoever sends rubbish in somebody's name only makes
/// us forget older rubbish.
#[derive(Debug, Clone, Default)]
pub struct RejectedSet {
    /// The hashes of each feed, oldest first.
    by_feed: HashMap<FeedId, VecDeque<[u8; 32]>>,
    /// Feeds in the order in which they came; some may be gone from above.
    feeds: VecDeque<FeedId>,
    count: usize,
}

impl RejectedSet {
    /// The set of these.
    pub fn new(rejected: &[Rejected]) -> Self {
        let mut set = Self::default();
        for r in rejected {
            set.insert(r);
        }
        set
    }

    /// Adds one. Returns whether it is new.
    pub fn insert(&mut self, rejected: &Rejected) -> bool {
        let hashes = self.by_feed.entry(rejected.feed).or_default();
        if hashes.contains(&rejected.hash) {
            return false;
        }
        if hashes.is_empty() {
            self.feeds.push_back(rejected.feed);
        }
        hashes.push_back(rejected.hash);
        self.count += 1;
        if hashes.len() > MAX_REJECTED_PER_FEED {
            hashes.pop_front();
            self.count -= 1;
        }
        while self.count > MAX_REJECTED
            && let Some(oldest) = self.feeds.pop_front()
        {
            self.forgive(&oldest);
        }
        true
    }

    /// Drops all of a feed.
    pub fn forgive(&mut self, feed: &FeedId) {
        let gone = self.by_feed.remove(feed).map_or(0, |hashes| hashes.len());
        self.count -= gone;
        self.feeds.retain(|f| f != feed);
    }

    /// Whether these bytes were refused before. Costs a hash only for feeds of
    /// which something was refused.
    pub fn contains(&self, feed: &FeedId, wire: &[u8]) -> bool {
        self.by_feed
            .get(feed)
            .is_some_and(|hashes| hashes.contains(&wire_hash(wire)))
    }
}

/// Parses and verifies messages; one per thread. Keeps the keys of the feeds it
/// has seen, prepared where a feed sends many.
///
/// One by one, never in batches: a batch equation accepts signatures, made for
/// the purpose, that every other peer refuses, and what it accepts depends on
/// what else is in the batch (see [`VerifyingKey::verify`]). Speed comes from
/// prepared keys, and from as many verifiers as there are cores.
#[derive(Debug, Default)]
pub struct Verifier {
    hmac: Option<HmacKey>,
    keys: HashMap<FeedId, Known>,
    prepared: usize,
}

#[derive(Debug)]
struct Known {
    key: VerifyingKey,
    seen: u32,
}

impl Verifier {
    /// `hmac` is the key of a network that signs with one; the main network has
    /// none.
    pub fn new(hmac: Option<HmacKey>) -> Self {
        Self {
            hmac,
            keys: HashMap::new(),
            prepared: 0,
        }
    }

    /// Parses and verifies one message that names `author`; not its place in the
    /// feed.
    ///
    /// # Errors
    /// [`VerifyError`]; see [`rejected`] for what to remember then.
    pub fn verify(&mut self, author: &FeedId, wire: &[u8]) -> Result<Arc<Message>, VerifyError> {
        self.make_room();
        self.know(author)?;
        match self.keys.get(author) {
            Some(known) => Message::verify_with(wire, &known.key, self.hmac.as_ref()).map(Arc::new),
            None => Err(BadKey { id: *author }.into()),
        }
    }

    /// Several at once, each with the author it names: the same answers as
    /// [`verify`](Self::verify) gives one by one, in their order, somewhat faster
    /// (see [`Message::verify_each`]).
    pub fn verify_each(
        &mut self,
        messages: &[(FeedId, &[u8])],
    ) -> Vec<Result<Arc<Message>, VerifyError>> {
        let mut answers = Vec::with_capacity(messages.len());
        for some in messages.chunks(AT_ONCE) {
            self.make_room();
            let bad: Vec<Option<BadKey>> = some
                .iter()
                .map(|(author, _)| self.know(author).err())
                .collect();
            let usable: Vec<(&[u8], &VerifyingKey)> = some
                .iter()
                .filter_map(|(author, wire)| Some((*wire, &self.keys.get(author)?.key)))
                .collect();
            let mut verified = Message::verify_each(&usable, self.hmac.as_ref()).into_iter();
            for ((author, _), bad) in some.iter().zip(bad) {
                let verdict = match bad {
                    None => verified.next(),
                    Some(bad) => Some(Err(bad.into())),
                };
                let verdict = verdict.unwrap_or_else(|| Err(BadKey { id: *author }.into()));
                answers.push(verdict.map(Arc::new));
            }
        }
        answers
    }

    /// Sees to it that the author's key is here, and prepared when it is worth it.
    fn know(&mut self, author: &FeedId) -> Result<(), BadKey> {
        let known = match self.keys.entry(*author) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Known {
                key: VerifyingKey::new(*author)?,
                seen: 0,
            }),
        };
        known.seen = known.seen.saturating_add(1);
        if known.seen == PREPARED_AT {
            known.key.prepare();
            self.prepared += 1;
        }
        Ok(())
    }

    /// Keeps within the limits, before some more are looked at. What is dropped is
    /// cheap to make again, and the feeds that go on will have it.
    fn make_room(&mut self) {
        if self.keys.len() + AT_ONCE > MAX_CACHED_KEYS {
            self.keys.clear();
            self.prepared = 0;
        } else if self.prepared + AT_ONCE > MAX_PREPARED_KEYS {
            for known in self.keys.values_mut() {
                known.key.forget();
                known.seen = 0;
            }
            self.prepared = 0;
        }
    }
}

/// What to remember of a message that did not verify. `now` is in milliseconds
/// since 1970.
pub fn rejected(
    feed: &FeedId,
    sequence: u64,
    wire: &[u8],
    error: &VerifyError,
    now: u64,
) -> Rejected {
    Rejected {
        feed: *feed,
        sequence,
        hash: wire_hash(wire),
        reason: error.to_string().chars().take(MAX_REASON).collect(),
        at: now,
    }
}

/// What [`append`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// For each message of the input, in the input's order.
    pub outcomes: Vec<Appended>,
    /// The tips of the feeds in the input, as they are now; 0 for none.
    pub tips: BTreeMap<FeedId, u64>,
    /// How many messages are new.
    pub appended: usize,
}

/// Gives messages the spelling of their signature that their author can be
/// expected to have used; see [`Message::plain`]. Otherwise anybody who passes a
/// message on could make its successor look like a fork. Only where the
/// successor is here and names the other spelling, that one is its author's.
fn spell_plainly(sorted: &mut [Arc<Message>]) {
    for i in 0..sorted.len() {
        let Some(plain) = sorted[i].plain() else {
            continue;
        };
        let (author, id) = (sorted[i].author(), sorted[i].id());
        let named = sorted
            .get(i + 1)
            .is_some_and(|next| next.author() == author && next.previous() == Some(id));
        if !named {
            sorted[i] = Arc::new(plain);
        }
    }
}

/// Appends verified messages in one transaction, in whatever order they came:
/// each feed's are put in order first, repetitions are sorted out. A signature
/// that was spelled in a longer way is kept in its usual one (see
/// [`Message::plain`]), unless the message after it says otherwise.
///
/// # Errors
/// [`StoreError`]; nothing was kept then.
pub fn append(
    store: &dyn FeedStore,
    messages: &[Arc<Message>],
    received: u64,
) -> Result<Report, StoreError> {
    // Stable, and by first appearance: a batch in order stays as it is.
    let mut ranks: HashMap<FeedId, usize> = HashMap::new();
    for message in messages {
        let next = ranks.len();
        ranks.entry(message.author()).or_insert(next);
    }
    let rank = |m: &Message| ranks.get(&m.author()).copied().unwrap_or(usize::MAX);
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(|&i| (rank(&messages[i]), messages[i].sequence()));
    let mut sorted: Vec<Arc<Message>> = order.iter().map(|&i| messages[i].clone()).collect();
    spell_plainly(&mut sorted);

    let results = store.append(&sorted, received)?;
    let mut outcomes = vec![Appended::Duplicate; messages.len()];
    let mut report = Report::default();
    for (&i, outcome) in order.iter().zip(results) {
        let feed = messages[i].author();
        match &outcome {
            Appended::At(_) => {
                report.appended += 1;
                report.tips.insert(feed, messages[i].sequence());
            }
            Appended::Gap { expected } if !report.tips.contains_key(&feed) => {
                report.tips.insert(feed, expected.saturating_sub(1));
            }
            _ => {}
        }
        outcomes[i] = outcome;
    }
    for feed in ranks.into_keys() {
        if let std::collections::btree_map::Entry::Vacant(tip) = report.tips.entry(feed) {
            tip.insert(store.tip(&feed)?.map_or(0, |t| t.sequence));
        }
    }
    report.outcomes = outcomes;
    Ok(report)
}

/// What to publish.
#[derive(Debug, Clone, PartialEq)]
pub enum Draft {
    /// A content everybody reads: an object with a `type`.
    Public(Value),
    /// An encrypted content, as [`studytime_schema::private::seal`] gives it.
    Private(String),
}

/// An own message that is on disk.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its place in the log.
    pub position: LogPosition,
    /// The message.
    pub message: Arc<Message>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A content cannot be written as a message.
    #[error("message {index} of {count} cannot be written")]
    Sign {
        /// Which one, counted from 0.
        index: usize,
        /// Of how many.
        count: usize,
        /// Why.
        #[source]
        source: SignError,
    },
    /// The messages were not kept.
    #[error(transparent)]
    Append(#[from] AppendAllError),
    /// The store failed before.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs contents as the next messages of `keys`' feed, all claiming the time
/// `now`, and keeps them: all or none, in one transaction, synced to disk before
/// this returns. Only then may anybody be told.
///
/// # Errors
/// [`PublishError`]; nothing was kept then.
pub fn publish(
    store: &dyn FeedStore,
    keys: &Keypair,
    drafts: &[Draft],
    hmac: Option<&HmacKey>,
    now: u64,
) -> Result<Vec<Published>, PublishError> {
    let mut tip: Option<Tip> = store.tip(&keys.id())?;
    let mut messages = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let message = match draft {
            Draft::Public(content) => Message::sign(keys, tip.as_ref(), now, content, hmac),
            Draft::Private(boxed) => Message::sign_private(keys, tip.as_ref(), now, boxed, hmac),
        }
        .map_err(|source| PublishError::Sign {
            index,
            count: drafts.len(),
            source,
        })?;
        tip = Some(message.tip());
        messages.push(Arc::new(message));
    }
    let positions = match store.append_all(&messages, now) {
        Ok(positions) => positions,
        // Whether a failed store has kept something, only the store can say.
        Err(AppendAllError::Store(error)) => match kept(store, &messages) {
            Some(positions) => positions,
            None => return Err(AppendAllError::Store(error).into()),
        },
        Err(error) => return Err(error.into()),
    };
    let published = positions
        .into_iter()
        .zip(messages)
        .map(|(position, message)| Published { position, message });
    Ok(published.collect())
}

/// Where one author's messages in a row stand in the store, when they do.
fn kept(store: &dyn FeedStore, messages: &[Arc<Message>]) -> Option<Vec<LogPosition>> {
    let (first, last) = (messages.first()?, messages.last()?);
    let tip = store.tip(&first.author()).ok()??;
    if tip.sequence < last.sequence() {
        return None;
    }
    let stored = store
        .read(
            &first.author(),
            first.sequence(),
            messages.len(),
            usize::MAX,
        )
        .ok()?;
    let same = stored.len() == messages.len()
        && stored
            .iter()
            .zip(messages)
            .all(|(s, m)| s.sequence == m.sequence() && *s.wire == *m.wire());
    same.then(|| stored.iter().map(|s| s.position).collect())
}
