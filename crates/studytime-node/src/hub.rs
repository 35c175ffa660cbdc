//! What all connections share: EBT, blob wants, open media. One mutex, no I/O
//! under it; what must be done is handed to the peers' drivers and to the
//! chores task.

use crate::clock::now_ms;
use crate::node::{Node, OpenError};
use crate::writer::{Ingested, Outcome, Received};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_blobs::media::{Media, MediaConfig, ReaderId};
use studytime_blobs::store::BlobStore;
use studytime_blobs::wants::{
    self, FetchFailure, OwnerId, PeerKind, PushSpec, WantSpec, Wants, WantsConfig,
};
use studytime_blobs::wire::WantFrame;
use studytime_replicate::ebt::{self, Config, Ebt, FallbackReason, IngestOutcome, Payload};
use studytime_replicate::store::Appended;
use studytime_replicate::{FeedStore, PeerClock, PeerId, Role, Want};
use studytime_schema::{BlobId, FeedId};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

/// The owner of everything open media readers want.
const MEDIA_OWNER: OwnerId = OwnerId(0);

/// What a peer's driver is asked to do.
#[derive(Debug)]
pub(crate) enum Errand {
    OpenEbt,
    RestartEbt,
    Ebt(Payload),
    ReadFeed {
        feed: FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    },
    Fallback(FallbackReason),
    FetchHistory {
        feed: FeedId,
        from: u64,
    },
    Wants(WantFrame),
    Fetch {
        blob: BlobId,
        max: u64,
        resume: Option<u64>,
    },
    CancelFetch {
        blob: BlobId,
    },
    /// A feed has grown, for those who follow it over a history stream.
    Appended {
        feed: FeedId,
        tip: u64,
    },
    /// What became of messages this peer sent.
    Ingested {
        feed: FeedId,
        tip: u64,
        outcome: IngestOutcome,
    },
    Close(String),
}

/// Disk work that the state machines ask for.
#[derive(Debug)]
pub(crate) enum Chore {
    SaveClock(FeedId, PeerClock),
    ForgetHeard(FeedId),
    Shun {
        peer: FeedId,
        feed: FeedId,
        sequence: u64,
        fork: bool,
    },
    NeedHave(Vec<BlobId>),
    Lookup(Vec<BlobId>),
    PushSeen {
        blob: BlobId,
        peer: FeedId,
    },
}

/// A connection, for those who look at it from outside its driver.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) feed: FeedId,
    pub(crate) address: String,
    pub(crate) outgoing: bool,
    pub(crate) studytime: bool,
    pub(crate) since: u64,
    pub(crate) traffic: (u64, u64),
    pub(crate) note: Option<String>,
    outbox: VecDeque<Errand>,
    wake: Arc<Notify>,
}

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
    /// Connections that use history streams.
    legacy: BTreeSet<u64>,
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
    /// Loads what the stores know: tips, shunned feeds, unfinished pushes.
    pub(crate) fn new(
        feeds: &Arc<dyn FeedStore>,
        blobs: &Arc<dyn BlobStore>,
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
        Ok(Self {
            state: Mutex::new(State {
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
                legacy: BTreeSet::new(),
            }),
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

    fn drain(&self, state: &mut State, now: u64) {
        loop {
            let mut idle = true;
            while let Some(output) = state.ebt.poll_output() {
                idle = false;
                self.hand_out_ebt(state, output);
            }
            if let Some(blobs) = state.media.poll_lookup() {
                self.chore(Chore::Lookup(blobs));
            }
            if let Some(list) = state.media.poll_wants() {
                idle = false;
                state.wants.replace(MEDIA_OWNER, &list, now);
            }
            while let Some(output) = state.wants.poll_output(now) {
                idle = false;
                self.hand_out_wants(state, output);
            }
            if idle {
                return;
            }
        }
    }

    fn chore(&self, chore: Chore) {
        // Closed only when the node is going down.
        let _ = self.chores.send(chore);
    }

    fn hand_out_ebt(&self, state: &mut State, output: ebt::Output) {
        use ebt::Output;
        let (peer, errand) = match output {
            Output::Open { peer } => (peer, Errand::OpenEbt),
            Output::Restart { peer } => (peer, Errand::RestartEbt),
            Output::Send { peer, payload } => (peer, Errand::Ebt(payload)),
            Output::Read {
                peer,
                feed,
                from,
                max_count,
                max_bytes,
            } => (
                peer,
                Errand::ReadFeed {
                    feed,
                    from,
                    max_count,
                    max_bytes,
                },
            ),
            Output::Fallback { peer, reason } => (peer, Errand::Fallback(reason)),
            Output::Fetch { peer, feed, from } => (peer, Errand::FetchHistory { feed, from }),
            Output::SaveClock { peer, changes } => {
                return self.chore(Chore::SaveClock(peer, changes));
            }
            Output::Renew { feed } => return self.chore(Chore::ForgetHeard(feed)),
            Output::Shun {
                peer,
                feed,
                sequence,
                fork,
            } => {
                return self.chore(Chore::Shun {
                    peer,
                    feed,
                    sequence,
                    fork,
                });
            }
            Output::Ingest { .. } => {
                self.ingest
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(output);
                return;
            }
            Output::OwnAhead {
                peer,
                feed,
                claimed,
                here,
            } => {
                tracing::warn!(
                    "{} has {claimed} messages of your feed {feed}, here are {here}: waiting for the rest",
                    peer.feed.short()
                );
                return;
            }
            _ => return,
        };
        state.errand(peer.connection, errand);
    }

    fn hand_out_wants(&self, state: &mut State, output: wants::Output) {
        use wants::Output;
        match output {
            Output::SendWants { peer, frame } => {
                state.errand(peer.connection, Errand::Wants(frame))
            }
            Output::Fetch {
                peer,
                blob,
                max,
                resume,
            } => {
                state.errand(peer.connection, Errand::Fetch { blob, max, resume });
            }
            Output::CancelFetch { peer, blob } => {
                state.errand(peer.connection, Errand::CancelFetch { blob })
            }
            Output::NeedHave { blobs } => self.chore(Chore::NeedHave(blobs)),
            Output::PushSeen { blob, peer, .. } => self.chore(Chore::PushSeen { blob, peer }),
            Output::PeerMarked { feed, mark } => {
                for slot in state.slots.values_mut().filter(|s| s.feed == feed) {
                    slot.note = Some(mark.to_string());
                }
            }
            // Told by whoever stored it.
            Output::Got { .. } => {}
            _ => {}
        }
    }

    /// Messages that wait to be verified, each to be sent with its share of the budget.
    pub(crate) fn take_ingest(&self) -> VecDeque<ebt::Output> {
        std::mem::take(&mut *self.ingest.lock().unwrap_or_else(PoisonError::into_inner))
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
    pub(crate) fn may_see(&self, feed: &FeedId, peer: &FeedId, known: bool) -> bool {
        self.lock().ebt.may_have(peer, known, feed)
    }

    /// Remembers that a feed is not fetched from a peer.
    pub(crate) fn shun(&self, peer: FeedId, feed: FeedId, sequence: u64, fork: bool) {
        self.chore(Chore::Shun {
            peer,
            feed,
            sequence,
            fork,
        });
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
                }
            }
            for feed in s.wanted.keys().filter(|f| !new.contains_key(f)) {
                s.ebt.remove_wanted(feed, now);
            }
            for feed in blocked.symmetric_difference(&s.blocked) {
                s.ebt.set_blocked(*feed, blocked.contains(feed), now);
            }
            for (author, target) in blocks.symmetric_difference(&s.blocks) {
                s.ebt
                    .set_block(*author, *target, blocks.contains(&(*author, *target)), now);
            }
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

    /// A connection is up. Two connections to one peer are one too many: when
    /// both sides dialled at once, both must close the same one, so the one
    /// dialled by the greater key goes. Returns `false` when that is this one.
    pub(crate) fn connect(&self, me: FeedId, peer: PeerId, slot: NewSlot) -> bool {
        self.act(|s, now| {
            let twin = s
                .slots
                .iter()
                .find(|(_, other)| other.feed == peer.feed)
                .map(|(c, other)| (*c, other.outgoing));
            if let Some((connection, twin_outgoing)) = twin {
                let dialler = |outgoing: bool| if outgoing { me } else { peer.feed };
                let newer_goes = twin_outgoing == slot.outgoing
                    || dialler(slot.outgoing) > dialler(twin_outgoing);
                // The same direction twice: the old one is likely dead, as its
                // dialler would not dial again otherwise.
                if twin_outgoing == slot.outgoing {
                    s.errand(
                        connection,
                        Errand::Close("replaced by a newer connection".into()),
                    );
                } else if newer_goes {
                    return false;
                } else {
                    s.errand(
                        connection,
                        Errand::Close("both sides dialled; the other connection is kept".into()),
                    );
                }
            }
            let role = if slot.outgoing {
                Role::Dialer
            } else {
                Role::Acceptor
            };
            s.slots.insert(
                peer.connection,
                Slot {
                    feed: peer.feed,
                    address: slot.address,
                    outgoing: slot.outgoing,
                    studytime: false,
                    since: now,
                    traffic: (0, 0),
                    note: None,
                    outbox: VecDeque::new(),
                    wake: slot.wake,
                },
            );
            s.ebt.connect(peer, role, slot.known, slot.clock, now);
            s.wants.connect(blob_peer(peer), PeerKind::Other, now);
            true
        })
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&self, peer: PeerId) {
        self.act(|s, now| {
            s.ebt.disconnect(peer, now);
            s.wants.disconnect(blob_peer(peer), now);
            s.slots.remove(&peer.connection);
            s.legacy.remove(&peer.connection);
        });
    }

    /// What a driver has to do.
    pub(crate) fn errands(&self, connection: u64, into: &mut VecDeque<Errand>) {
        if let Some(slot) = self.lock().slots.get_mut(&connection) {
            into.append(&mut slot.outbox);
        }
    }

    /// Notes bytes moved, for people.
    pub(crate) fn count(&self, connection: u64, received: u64, sent: u64) {
        if let Some(slot) = self.lock().slots.get_mut(&connection) {
            slot.traffic.0 += received;
            slot.traffic.1 += sent;
        }
    }

    /// The peer said what it is.
    pub(crate) fn is_studytime(&self, peer: PeerId) {
        self.act(|s, now| {
            if let Some(slot) = s.slots.get_mut(&peer.connection) {
                slot.studytime = true;
            }
            s.wants.set_kind(blob_peer(peer), PeerKind::StudyTime, now);
        });
    }

    /// Looks at every connection.
    pub(crate) fn each_slot(&self, mut f: impl FnMut(u64, &Slot)) {
        for (connection, slot) in &self.lock().slots {
            f(*connection, slot);
        }
    }

    /// Whether a connection to this peer is up.
    pub(crate) fn is_connected(&self, feed: &FeedId) -> bool {
        self.lock().slots.values().any(|s| s.feed == *feed)
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
            for reader in s.media.segment_arrived(&blob) {
                s.wake_reader(reader);
            }
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

/// What a driver tells of a new connection.
pub(crate) struct NewSlot {
    pub(crate) address: String,
    pub(crate) outgoing: bool,
    pub(crate) known: bool,
    pub(crate) clock: PeerClock,
    pub(crate) wake: Arc<Notify>,
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
        let legacy: Vec<u64> = self.legacy.iter().copied().collect();
        for connection in legacy {
            self.errand(connection, Errand::Appended { feed, tip });
        }
    }

    fn next_timeout(&self) -> Option<u64> {
        [self.ebt.poll_timeout(), self.wants.poll_timeout()]
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

    pub(crate) fn wake_reader(&self, reader: ReaderId) {
        if let Some(wake) = self.readers.get(&reader) {
            wake.notify_one();
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

impl Node {
    /// Sends on to the verify threads what a peer's frame brought.
    pub(crate) fn ship_ingest(&self, mut permit: Option<OwnedSemaphorePermit>) {
        for output in self.inner().hub.take_ingest() {
            if let ebt::Output::Ingest {
                peer,
                feed,
                sequence,
                wire,
            } = output
            {
                self.inner().writer.ingest(Received {
                    feed,
                    sequence,
                    wire,
                    from: peer,
                    permit: permit.take(),
                });
            }
        }
    }

    /// Tells EBT what became of messages, in runs of one peer and feed.
    pub(crate) fn ingested(&self, outcomes: &[Ingested], tips: &BTreeMap<FeedId, u64>) {
        self.inner().hub.act(|s, now| {
            for run in outcomes.chunk_by(|a, b| {
                a.from == b.from && a.feed == b.feed && a.outcome.kept() && b.outcome.kept()
            }) {
                let Some(last) = run.last() else { continue };
                let tip = tips.get(&last.feed).copied().unwrap_or(0);
                let outcome = match &last.outcome {
                    Outcome::Append(Appended::At(_) | Appended::Duplicate) => IngestOutcome::Kept,
                    Outcome::Append(Appended::Gap { .. }) => IngestOutcome::Gap,
                    Outcome::Append(Appended::Fork { sequence, .. }) => IngestOutcome::Fork {
                        sequence: *sequence,
                    },
                    Outcome::Refused(reason) => {
                        tracing::debug!(
                            "message {} of {} refused: {reason}",
                            last.sequence,
                            last.feed
                        );
                        IngestOutcome::Invalid {
                            sequence: last.sequence,
                        }
                    }
                };
                s.ebt
                    .handle_ingested(last.from, &last.feed, last.sequence, tip, outcome, now);
                if s.legacy.contains(&last.from.connection) {
                    let feed = last.feed;
                    s.errand(
                        last.from.connection,
                        Errand::Ingested { feed, tip, outcome },
                    );
                }
            }
            for (feed, tip) in tips {
                s.grown(*feed, *tip);
            }
        });
    }
}
