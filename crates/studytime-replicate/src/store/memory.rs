//! A store that forgets: for tests and simulations.

use super::{
    AppendAllError, Appended, Counts, FeedStore, ForkEvidence, MAX_FORKS_PER_FEED, MAX_REJECTED,
    MAX_REJECTED_PER_FEED, MAX_SHUNNED, Rejected, Shunned, StoreError, StoredMessage,
};
use crate::clock::PeerClock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::{FeedId, LogPosition, Message, Tip, chain, chain::ChainError};

#[derive(Debug, Default)]
struct Inner {
    log: BTreeMap<u64, StoredMessage>,
    feeds: BTreeMap<FeedId, Feed>,
    last: u64,
    clocks: BTreeMap<FeedId, PeerClock>,
    forks: BTreeMap<(FeedId, u64), ForkEvidence>,
    rejected: VecDeque<Rejected>,
    shunned: BTreeMap<(FeedId, FeedId), Shunned>,
}

#[derive(Debug, Default)]
struct Feed {
    /// Positions in the log; the message of sequence 1 comes first.
    positions: Vec<u64>,
    tip: Option<Tip>,
    bytes: u64,
}

/// Keeps feeds in memory. Obeys the same laws as
/// [`SqliteStore`](super::SqliteStore), except that nothing survives it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; if it did, the data is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn stored(&self, feed: &FeedId, sequence: u64) -> Option<&StoredMessage> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.log.get(self.feeds.get(feed)?.positions.get(index)?)
    }

    /// What would become of a message after `tip`.
    fn judge(&self, tip: Option<&Tip>, message: &Message) -> Result<Option<Appended>, StoreError> {
        let fork = |stored| Appended::Fork {
            sequence: message.sequence(),
            stored,
        };
        Ok(Some(match chain::check(tip, message) {
            Ok(()) => return Ok(None),
            Err(ChainError::Old { sequence, .. }) => {
                match self.stored(&message.author(), sequence) {
                    Some(old) if *old.wire == *message.wire() => Appended::Duplicate,
                    Some(old) => {
                        let id = super::stored_id(old)?;
                        if id == message.id() {
                            Appended::Duplicate
                        } else {
                            fork(id)
                        }
                    }
                    None => return Err(super::missing(&message.author(), sequence)),
                }
            }
            Err(ChainError::Fork { tip, .. }) => fork(tip),
            Err(ChainError::Gap { expected, .. }) => Appended::Gap { expected },
            Err(_) => Appended::Gap {
                expected: tip.map_or(0, |t| t.sequence) + 1,
            },
        }))
    }

    fn push(&mut self, message: &Message, received: u64) -> LogPosition {
        self.last += 1;
        let position = LogPosition(self.last);
        let feed = self.feeds.entry(message.author()).or_default();
        feed.positions.push(self.last);
        feed.tip = Some(message.tip());
        feed.bytes += message.wire().len() as u64;
        self.log.insert(
            self.last,
            StoredMessage {
                position,
                received,
                feed: message.author(),
                sequence: message.sequence(),
                wire: message.wire().into(),
            },
        );
        position
    }

    fn keep_fork(&mut self, message: &Message, seen: u64) {
        let (feed, sequence) = (message.author(), message.sequence());
        let kept = self.forks.range((feed, 0)..=(feed, u64::MAX)).count();
        let ours = self
            .stored(&feed, sequence)
            .or_else(|| self.stored(&feed, sequence.saturating_sub(1)))
            .map(|m| m.wire.clone());
        if let Some(ours) = ours.filter(|_| kept < MAX_FORKS_PER_FEED) {
            let theirs = message.wire().into();
            self.forks.entry((feed, sequence)).or_insert(ForkEvidence {
                feed,
                sequence,
                ours,
                theirs,
                seen,
            });
        }
    }

    fn tip(&self, feed: &FeedId) -> Option<Tip> {
        self.feeds.get(feed)?.tip
    }
}

impl FeedStore for MemoryStore {
    fn append(&self, batch: &[Arc<Message>], received: u64) -> Result<Vec<Appended>, StoreError> {
        let mut inner = self.lock();
        let mut outcomes = Vec::with_capacity(batch.len());
        for message in batch {
            let tip = inner.tip(&message.author());
            outcomes.push(match inner.judge(tip.as_ref(), message)? {
                None => Appended::At(inner.push(message, received)),
                Some(outcome) => {
                    if matches!(outcome, Appended::Fork { .. }) {
                        inner.keep_fork(message, received);
                    }
                    outcome
                }
            });
        }
        Ok(outcomes)
    }

    fn append_all(
        &self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<LogPosition>, AppendAllError> {
        let mut inner = self.lock();
        let mut tips: BTreeMap<FeedId, Option<Tip>> = BTreeMap::new();
        for (index, message) in batch.iter().enumerate() {
            let author = message.author();
            let stored = inner.tip(&author);
            let tip = tips.entry(author).or_insert(stored);
            let within = tip.is_some_and(|t| message.sequence() <= t.sequence)
                && stored.is_none_or(|s| message.sequence() > s.sequence);
            let outcome = if within {
                Some(Appended::Duplicate)
            } else {
                inner.judge(tip.as_ref(), message)?
            };
            if let Some(outcome) = outcome {
                return Err(AppendAllError::Chain { index, outcome });
            }
            *tip = Some(message.tip());
        }
        Ok(batch.iter().map(|m| inner.push(m, received)).collect())
    }

    fn tip(&self, feed: &FeedId) -> Result<Option<Tip>, StoreError> {
        Ok(self.lock().tip(feed))
    }

    fn tips(&self) -> Result<Vec<(FeedId, Tip)>, StoreError> {
        let inner = self.lock();
        Ok(inner
            .feeds
            .iter()
            .filter_map(|(id, f)| Some((*id, f.tip?)))
            .collect())
    }

    fn get(&self, feed: &FeedId, sequence: u64) -> Result<Option<StoredMessage>, StoreError> {
        Ok(self.lock().stored(feed, sequence).cloned())
    }

    fn read(
        &self,
        feed: &FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let inner = self.lock();
        let mut messages = Vec::new();
        let mut bytes = 0;
        let mut sequence = from.max(1);
        while messages.len() < max_count
            && let Some(message) = inner.stored(feed, sequence)
        {
            bytes += message.wire.len();
            if bytes > max_bytes && !messages.is_empty() {
                break;
            }
            messages.push(message.clone());
            sequence += 1;
        }
        Ok(messages)
    }

    fn scan(&self, after: LogPosition, limit: usize) -> Result<Vec<StoredMessage>, StoreError> {
        let inner = self.lock();
        let Some(first) = after.0.checked_add(1) else {
            return Ok(Vec::new());
        };
        Ok(inner
            .log
            .range(first..)
            .take(limit)
            .map(|(_, m)| m.clone())
            .collect())
    }

    fn last_position(&self) -> Result<LogPosition, StoreError> {
        Ok(LogPosition(self.lock().last))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        let inner = self.lock();
        Ok(Counts {
            feeds: inner.feeds.len() as u64,
            messages: inner.log.len() as u64,
            bytes: inner.feeds.values().map(|f| f.bytes).sum(),
        })
    }

    fn feed_counts(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        Ok(self
            .lock()
            .feeds
            .get(feed)
            .map_or(Counts::default(), |f| Counts {
                feeds: 1,
                messages: f.positions.len() as u64,
                bytes: f.bytes,
            }))
    }

    fn sizes(&self) -> Result<Vec<(FeedId, Counts)>, StoreError> {
        let inner = self.lock();
        let all = inner.feeds.iter().map(|(feed, f)| {
            let counts = Counts {
                feeds: 1,
                messages: f.positions.len() as u64,
                bytes: f.bytes,
            };
            (*feed, counts)
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(feed, _)| *feed);
        Ok(all)
    }

    fn delete(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        let mut inner = self.lock();
        let mut gone = Counts::default();
        if let Some(entry) = inner.feeds.remove(feed) {
            gone = Counts {
                feeds: 1,
                messages: entry.positions.len() as u64,
                bytes: entry.bytes,
            };
            for position in entry.positions {
                inner.log.remove(&position);
            }
        }
        for clock in inner.clocks.values_mut() {
            clock.remove(feed);
        }
        inner.forks.retain(|(f, _), _| f != feed);
        inner.rejected.retain(|r| r.feed != *feed);
        inner.shunned.retain(|(_, f), _| f != feed);
        Ok(gone)
    }

    fn clock(&self, peer: &FeedId) -> Result<PeerClock, StoreError> {
        Ok(self.lock().clocks.get(peer).cloned().unwrap_or_default())
    }

    fn save_clock(&self, peer: &FeedId, changes: &PeerClock) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.clocks.entry(*peer).or_default().extend(changes);
        Ok(())
    }

    fn forget_clocks(&self) -> Result<(), StoreError> {
        self.lock().clocks.clear();
        Ok(())
    }

    fn forget_heard(&self, feed: &FeedId) -> Result<(), StoreError> {
        for clock in self.lock().clocks.values_mut() {
            clock.remove(feed);
        }
        Ok(())
    }

    fn forks(&self) -> Result<Vec<ForkEvidence>, StoreError> {
        Ok(self.lock().forks.values().cloned().collect())
    }

    fn reject(&self, rejected: &[Rejected]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for r in rejected {
            inner
                .rejected
                .retain(|old| (old.feed, old.hash) != (r.feed, r.hash));
            inner.rejected.push_back(r.clone());
            let of_feed = inner.rejected.iter().filter(|old| old.feed == r.feed);
            if of_feed.count() > MAX_REJECTED_PER_FEED
                && let Some(oldest) = inner.rejected.iter().position(|old| old.feed == r.feed)
            {
                inner.rejected.remove(oldest);
            }
        }
        let over = inner.rejected.len().saturating_sub(MAX_REJECTED);
        inner.rejected.drain(..over);
        Ok(())
    }

    fn rejected(&self) -> Result<Vec<Rejected>, StoreError> {
        Ok(self.lock().rejected.iter().cloned().collect())
    }

    fn shun(&self, shunned: &Shunned) -> Result<(), StoreError> {
        let all = &mut self.lock().shunned;
        all.insert((shunned.peer, shunned.feed), shunned.clone());
        if all.len() > MAX_SHUNNED
            && let Some(oldest) = all.iter().min_by_key(|(_, s)| s.at).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        Ok(())
    }

    fn shunned(&self) -> Result<Vec<Shunned>, StoreError> {
        Ok(self.lock().shunned.values().cloned().collect())
    }

    fn forgive(&self, feed: &FeedId) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.rejected.retain(|r| r.feed != *feed);
        inner.shunned.retain(|(_, f), _| f != feed);
        Ok(())
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        super::check_chains(self)
    }
}
