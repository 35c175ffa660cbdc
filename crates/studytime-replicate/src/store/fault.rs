//! A store that fails when it is told to, for tests of what stands on a store.
//!
//! A disk that is full, or torn off, fails at any operation, and in two ways: the
//! operation was not done, or it was done and only the answer is lost. A caller
//! that is to survive both runs its work once for each operation, failing there:
//!
//! ```
//! use std::sync::Arc;
//! use studytime_replicate::ingest::{self, Draft};
//! use studytime_replicate::store::{MemoryStore, fault::{Failure, FaultStore}};
//! use studytime_replicate::FeedStore;
//! use studytime_schema::Keypair;
//!
//! let keys = Keypair::from_seed(&[1; 32]);
//! let draft = [Draft::Public(serde_json::json!({ "type": "post" }))];
//! for operation in 1..=2 {
//!     for failure in [Failure::Before, Failure::After] {
//!         let store = FaultStore::new(Arc::new(MemoryStore::new()));
//!         store.fail_at(operation, failure);
//!         let told = ingest::publish(&store, &keys, &draft, None, 1).is_ok();
//!         let kept = store.inner().tip(&keys.id())?.is_some();
//!         assert_eq!(told, kept, "what is told is kept, what is not told is not");
//!     }
//! }
//! # Ok::<(), studytime_replicate::StoreError>(())
//! ```

use super::{
    AppendAllError, Appended, Counts, FeedStore, ForkEvidence, Rejected, Shunned, StoreError,
    StoredMessage,
};
use crate::clock::PeerClock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::{FeedId, LogPosition, Message, Tip};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is not done.
    Before,
    /// It is done, but the caller is told that it failed.
    After,
}

#[derive(Debug, Default)]
struct Plan {
    done: u64,
    at: Option<(u64, Failure)>,
    all: Option<Failure>,
}

/// Passes everything on to another store, and fails where it is told to.
pub struct FaultStore {
    inner: Arc<dyn FeedStore>,
    plan: Mutex<Plan>,
}

impl std::fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultStore")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl FaultStore {
    /// Fails nowhere as yet.
    pub fn new(inner: Arc<dyn FeedStore>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
        }
    }

    /// The store underneath, which does not fail.
    pub fn inner(&self) -> &Arc<dyn FeedStore> {
        &self.inner
    }

    /// How many operations there were, failed ones included.
    pub fn operations(&self) -> u64 {
        self.plan().done
    }

    /// Has one operation fail: the `operation`th from now, from 1 on.
    pub fn fail_at(&self, operation: u64, failure: Failure) {
        let mut plan = self.plan();
        plan.at = Some((plan.done + operation, failure));
    }

    /// Has every operation fail from now on; `None` mends it.
    pub fn fail_all(&self, failure: Option<Failure>) {
        self.plan().all = failure;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&dyn FeedStore) -> Result<T, E>,
    ) -> Result<T, E> {
        let failure = {
            let mut plan = self.plan();
            plan.done += 1;
            let here = plan.at.filter(|(at, _)| *at == plan.done);
            here.map(|(_, failure)| failure).or(plan.all)
        };
        let error = || StoreError::DiskFull("a failure made for a test".into());
        match failure {
            None => work(&*self.inner),
            Some(Failure::Before) => Err(error().into()),
            Some(Failure::After) => {
                work(&*self.inner)?;
                Err(error().into())
            }
        }
    }
}

impl FeedStore for FaultStore {
    fn append(&self, batch: &[Arc<Message>], received: u64) -> Result<Vec<Appended>, StoreError> {
        self.run(|s| s.append(batch, received))
    }

    fn append_all(
        &self,
        batch: &[Arc<Message>],
        received: u64,
    ) -> Result<Vec<LogPosition>, AppendAllError> {
        self.run(|s| s.append_all(batch, received))
    }

    fn tip(&self, feed: &FeedId) -> Result<Option<Tip>, StoreError> {
        self.run(|s| s.tip(feed))
    }

    fn tips(&self) -> Result<Vec<(FeedId, Tip)>, StoreError> {
        self.run(|s| s.tips())
    }

    fn get(&self, feed: &FeedId, sequence: u64) -> Result<Option<StoredMessage>, StoreError> {
        self.run(|s| s.get(feed, sequence))
    }

    fn read(
        &self,
        feed: &FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.run(|s| s.read(feed, from, max_count, max_bytes))
    }

    fn scan(&self, after: LogPosition, limit: usize) -> Result<Vec<StoredMessage>, StoreError> {
        self.run(|s| s.scan(after, limit))
    }

    fn last_position(&self) -> Result<LogPosition, StoreError> {
        self.run(|s| s.last_position())
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        self.run(|s| s.counts())
    }

    fn feed_counts(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        self.run(|s| s.feed_counts(feed))
    }

    fn sizes(&self) -> Result<Vec<(FeedId, Counts)>, StoreError> {
        self.run(|s| s.sizes())
    }

    fn delete(&self, feed: &FeedId) -> Result<Counts, StoreError> {
        self.run(|s| s.delete(feed))
    }

    fn clock(&self, peer: &FeedId) -> Result<PeerClock, StoreError> {
        self.run(|s| s.clock(peer))
    }

    fn save_clock(&self, peer: &FeedId, changes: &PeerClock) -> Result<(), StoreError> {
        self.run(|s| s.save_clock(peer, changes))
    }

    fn forget_clocks(&self) -> Result<(), StoreError> {
        self.run(|s| s.forget_clocks())
    }

    fn forget_heard(&self, feed: &FeedId) -> Result<(), StoreError> {
        self.run(|s| s.forget_heard(feed))
    }

    fn forks(&self) -> Result<Vec<ForkEvidence>, StoreError> {
        self.run(|s| s.forks())
    }

    fn reject(&self, rejected: &[Rejected]) -> Result<(), StoreError> {
        self.run(|s| s.reject(rejected))
    }

    fn rejected(&self) -> Result<Vec<Rejected>, StoreError> {
        self.run(|s| s.rejected())
    }

    fn shun(&self, shunned: &Shunned) -> Result<(), StoreError> {
        self.run(|s| s.shun(shunned))
    }

    fn shunned(&self) -> Result<Vec<Shunned>, StoreError> {
        self.run(|s| s.shunned())
    }

    fn forgive(&self, feed: &FeedId) -> Result<(), StoreError> {
        self.run(|s| s.forgive(feed))
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.run(|s| s.check())
    }
}
