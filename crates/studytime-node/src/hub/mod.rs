//! What all connections share: EBT, blob wants, open media. One mutex, no I/O
//! under it; what must be done is handed to the peers' drivers and to the
//! chores task.

mod connections;
mod errand;
mod guard;
mod ingest;
mod outputs;

pub(crate) use connections::NewSlot;
pub(crate) use errand::{Chore, Errand};

use crate::clock::now_ms;
use crate::node::OpenError;
use connections::Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_blobs::media::{Media, MediaConfig, ReaderId};
use studytime_blobs::store::BlobStore;
use studytime_blobs::wants::{self, FetchFailure, OwnerId, PushSpec, WantSpec, Wants, WantsConfig};
use studytime_replicate::ebt::{self, Config, Ebt};
use studytime_replicate::guard::{Guard, Lock};
use studytime_replicate::store::Shunned;
use studytime_replicate::{FeedStore, PeerId, Want};
use studytime_schema::{BlobId, FeedId};
use tokio::sync::{Notify, mpsc};

/// The owner of everything open media readers want.
const MEDIA_OWNER: OwnerId = OwnerId(0);

/// The state under the mutex.
pub(crate) struct State {
    pub(crate) ebt: Ebt,
    pub(crate) wants: Wants,
    pub(crate) media: Media,
    slots: BTreeMap<u64, Slot>,
    readers: HashMap<ReaderId, Arc<Notify>>,
    blob_waiters: HashMap<BlobId, Vec<Arc<Notify>>>,
    /// Whether what is wanted was set once.
    planned: bool,
    wanted: BTreeMap<FeedId, Want>,
    blocked: BTreeSet<FeedId>,
    blocks: BTreeSet<(FeedId, FeedId)>,
    /// The last sequence of every feed in the store.
    tips: HashMap<FeedId, u64>,
    /// Which own feeds must not be published on.
    guard: Guard,
    /// Locked feeds that people were told of.
    told_locked: BTreeSet<FeedId>,
    /// Peers that the user chose.
    chosen: BTreeSet<FeedId>,
    /// Connections that use history streams.
    legacy: BTreeSet<u64>,
    /// Peers that hold whole course lists, by the word of the build.
    seeders: BTreeSet<FeedId>,
}

/// The shared part of a node.
pub(crate) struct Hub {
    state: Mutex<State>,
    chores: mpsc::UnboundedSender<Chore>,
    chores_rx: Mutex<Option<mpsc::UnboundedReceiver<Chore>>>,
    ingest: Mutex<VecDeque<ebt::Output>>,
    /// The timer must be set anew.
    pub(crate) timer: Notify,
    connections: AtomicU64,
    owners: AtomicU64,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}

impl Hub {
    /// Loads what the stores know: tips, shunned feeds, locks, unfinished pushes.
    pub(crate) fn new(
        feeds: &Arc<dyn FeedStore>,
        blobs: &Arc<dyn BlobStore>,
        locks: &[(FeedId, Lock)],
        chosen: BTreeSet<FeedId>,
    ) -> Result<Self, OpenError> {
        let now = now_ms();
        let mut ebt = Ebt::new(Config::default());
        let tips: HashMap<FeedId, u64> = feeds
            .tips()?
            .into_iter()
            .map(|(feed, tip)| (feed, tip.sequence))
            .collect();
        ebt.load(tips.iter().map(|(feed, tip)| (*feed, *tip)));
        ebt.load_shunned(&feeds.shunned()?);
        let mut wants = Wants::new(WantsConfig::default());
        for push in blobs.pushes()? {
            if let Some(size) = blobs.size(&push.id)? {
                wants.push(
                    PushSpec {
                        id: push.id,
                        size,
                        scope: push.scope,
                        seen: push.seen,
                    },
                    now,
                );
            }
        }
        let (chores, chores_rx) = mpsc::unbounded_channel();
        let mut state = State {
            ebt,
            wants,
            media: Media::new(MediaConfig::default()),
            slots: BTreeMap::new(),
            readers: HashMap::new(),
            blob_waiters: HashMap::new(),
            planned: false,
            wanted: BTreeMap::new(),
            blocked: BTreeSet::new(),
            blocks: BTreeSet::new(),
            tips,
            guard: Guard::default(),
            told_locked: BTreeSet::new(),
            chosen,
            legacy: BTreeSet::new(),
            seeders: BTreeSet::new(),
        };
        state.load_locks(locks, now);
        Ok(Self {
            state: Mutex::new(state),
            chores,
            chores_rx: Mutex::new(Some(chores_rx)),
            ingest: Mutex::default(),
            timer: Notify::new(),
            connections: AtomicU64::new(1),
            owners: AtomicU64::new(1),
        })
    }

    /// The chores, once: for the task that does them.
    pub(crate) fn take_chores(&self) -> Option<mpsc::UnboundedReceiver<Chore>> {
        self.chores_rx
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing to the state machines, then hands out what follows from it.
    pub(crate) fn act<R>(&self, f: impl FnOnce(&mut State, u64) -> R) -> R {
        let now = now_ms();
        let mut state = self.lock();
        let before = state.next_timeout();
        let result = f(&mut state, now);
        self.drain(&mut state, now);
        let after = state.next_timeout();
        drop(state);
        if after.is_some_and(|a| before.is_none_or(|b| a < b)) {
            self.timer.notify_one();
        }
        result
    }

    /// When something is due, in milliseconds since 1970.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.lock().next_timeout()
    }

    /// The last sequences of feeds in the store; feeds without any are left out.
    pub(crate) fn tips(&self, feeds: impl IntoIterator<Item = FeedId>) -> HashMap<FeedId, u64> {
        let state = self.lock();
        feeds
            .into_iter()
            .filter_map(|f| Some((f, *state.tips.get(&f)?)))
            .collect()
    }

    /// A connection uses history streams from now on.
    pub(crate) fn uses_history(&self, connection: u64) {
        self.lock().legacy.insert(connection);
    }

    /// Whether a feed may be shown to a peer: not what is blocked here, not to
    /// those its author blocks, and people's feeds not to strangers.
    pub(crate) fn may_see(&self, feed: &FeedId, peer: PeerId) -> bool {
        let state = self.lock();
        let known = state.slots.get(&peer.connection).is_some_and(|s| s.known);
        state.ebt.may_have(&peer.feed, known, feed)
    }

    /// Remembers that a feed is not fetched from a peer, from now on and after
    /// a restart.
    pub(crate) fn shun(&self, shunned: Shunned) {
        self.act(|s, _| s.ebt.load_shunned([&shunned]));
        self.chore(Chore::Shun(shunned));
    }

    /// A feed has grown in the store by an own message.
    pub(crate) fn appended(&self, feed: FeedId, tip: u64) {
        self.act(|s, now| {
            s.grown(feed, tip);
            s.ebt.appended(feed, tip, now);
        });
    }

    /// A number for a new connection, never used twice.
    pub(crate) fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// A new owner of wants.
    pub(crate) fn owner(&self) -> OwnerId {
        OwnerId(self.owners.fetch_add(1, Ordering::Relaxed))
    }

    /// Replaces what is wanted of feeds; only differences reach the state machine.
    pub(crate) fn set_wanted<T>(
        &self,
        wants: &BTreeMap<FeedId, (Want, T)>,
        blocked: &BTreeSet<FeedId>,
        blocks: &BTreeSet<(FeedId, FeedId)>,
    ) {
        self.act(|s, now| {
            let new: BTreeMap<FeedId, Want> = wants
                .iter()
                .map(|(feed, (want, _))| (*feed, *want))
                .collect();
            let mut changed = Vec::new();
            if !std::mem::replace(&mut s.planned, true) {
                // As in the last run: nobody has to be told anything new.
                s.ebt
                    .load_wanted(new.iter().map(|(feed, want)| (*feed, *want)));
            } else {
                for (feed, want) in new
                    .iter()
                    .filter(|(feed, want)| s.wanted.get(feed) != Some(want))
                {
                    s.ebt.set_wanted(*feed, *want, now);
                    changed.push(*feed);
                }
            }
            for feed in s.wanted.keys().filter(|f| !new.contains_key(f)) {
                s.ebt.remove_wanted(feed, now);
                changed.push(*feed);
            }
            for feed in blocked.symmetric_difference(&s.blocked) {
                s.ebt.set_blocked(*feed, blocked.contains(feed), now);
                changed.push(*feed);
            }
            for (author, target) in blocks.symmetric_difference(&s.blocks) {
                s.ebt
                    .set_block(*author, *target, blocks.contains(&(*author, *target)), now);
                changed.push(*author);
            }
            s.tell_wanted(changed);
            let cut: Vec<u64> = s
                .slots
                .iter()
                .filter(|(_, slot)| blocked.contains(&slot.feed))
                .map(|(c, _)| *c)
                .collect();
            for connection in cut {
                s.errand(connection, Errand::Close("blocked here".into()));
            }
            s.wanted = new;
            s.blocked.clone_from(blocked);
            s.blocks.clone_from(blocks);
        });
    }

    /// A waiter that is woken when this blob is stored.
    pub(crate) fn wait_for_blob(&self, blob: BlobId) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        let mut state = self.lock();
        let waiters = state.blob_waiters.entry(blob).or_default();
        // Waiters that gave up are found by their count.
        waiters.retain(|w| Arc::strong_count(w) > 1);
        waiters.push(Arc::clone(&notify));
        notify
    }

    /// A blob is in the store.
    pub(crate) fn stored(&self, blob: BlobId, size: u64, from: Option<PeerId>) {
        self.act(|s, now| {
            s.wants.handle_stored(blob, size, from.map(blob_peer), now);
            s.looked_up(&blob, true);
            for waiter in s.blob_waiters.remove(&blob).unwrap_or_default() {
                waiter.notify_one();
            }
        });
    }

    /// A fetch failed.
    pub(crate) fn fetch_failed(&self, peer: PeerId, blob: &BlobId, why: FetchFailure) {
        self.act(|s, now| s.wants.handle_failed(blob_peer(peer), blob, why, now));
    }

    /// An owner wants exactly these blobs from now on.
    pub(crate) fn want(&self, owner: OwnerId, list: &[(BlobId, WantSpec)]) {
        self.act(|s, now| s.wants.replace(owner, list, now));
    }
}

impl State {
    fn errand(&mut self, connection: u64, errand: Errand) {
        if let Some(slot) = self.slots.get_mut(&connection) {
            slot.outbox.push_back(errand);
            slot.wake.notify_one();
        }
    }

    fn grown(&mut self, feed: FeedId, tip: u64) {
        let old = self.tips.entry(feed).or_default();
        *old = tip.max(*old);
        self.tell_history(feed);
    }

    /// Tells those who use history streams which feeds are wanted otherwise now.
    fn tell_wanted(&mut self, changed: Vec<FeedId>) {
        if changed.is_empty() {
            return;
        }
        let legacy: Vec<u64> = self.legacy.iter().copied().collect();
        for connection in legacy {
            self.errand(connection, Errand::Wanted(changed.clone()));
        }
    }

    /// Tells those who use history streams how far a feed goes.
    fn tell_history(&mut self, feed: FeedId) {
        let tip = self.tips.get(&feed).copied().unwrap_or(0);
        let shown = self.shown(&feed);
        let legacy: Vec<u64> = self.legacy.iter().copied().collect();
        for connection in legacy {
            self.errand(connection, Errand::Appended { feed, tip, shown });
        }
    }

    fn next_timeout(&self) -> Option<u64> {
        [
            self.ebt.poll_timeout(),
            self.wants.poll_timeout(),
            self.guard.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Registers the waker of a media reader.
    pub(crate) fn add_reader(&mut self, reader: ReaderId, wake: Arc<Notify>) {
        self.readers.insert(reader, wake);
    }

    pub(crate) fn drop_reader(&mut self, reader: ReaderId) {
        self.media.close(reader);
        self.readers.remove(&reader);
    }

    /// It is known now whether a blob is here; readers that waited for it go on.
    pub(crate) fn looked_up(&mut self, blob: &BlobId, here: bool) {
        for reader in self.media.looked_up(blob, here) {
            if let Some(wake) = self.readers.get(&reader) {
                wake.notify_one();
            }
        }
    }
}

/// The same connection in the words of the blobs crate.
pub(crate) fn blob_peer(peer: PeerId) -> wants::PeerId {
    wants::PeerId {
        feed: peer.feed,
        connection: peer.connection,
    }
}

#[cfg(test)]
mod tests;
