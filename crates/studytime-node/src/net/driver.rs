//! The scheduler's driver: does what it says, tells it what happened, keeps what
//! must survive a restart.

use super::dial::Target;
use super::gate::Gate;
use super::schedule::{Action, Begin, Candidate, Kind, Record, Scheduler, Standing};
use super::{TunnelAddress, lan};
use crate::api::ApiError;
use crate::clock::now_ms;
use crate::node::Node;
use crate::store::KnownPeer;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::sync::{Notify, oneshot};

/// How often the machine's own addresses are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How an attempt ended, for those who wait for it.
pub(super) type Outcome = Result<(), String>;

/// The scheduler of a node, and who waits for its attempts.
pub(crate) struct Net {
    scheduler: Mutex<Scheduler>,
    wake: Notify,
    waiting: Mutex<HashMap<String, Vec<oneshot::Sender<Outcome>>>>,
    /// What earlier runs knew of addresses that nobody has offered yet.
    remembered: Mutex<HashMap<String, Record>>,
    /// Those who call.
    pub(crate) gate: Gate,
    /// Addresses of seeders that were offered.
    pub(super) seeders: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

impl Default for Net {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without randomness the jitter is the same each time, which is no harm.
        let _ = getrandom::fill(&mut seed);
        Self {
            scheduler: Mutex::new(Scheduler::new(u64::from_ne_bytes(seed))),
            wake: Notify::new(),
            waiting: Mutex::default(),
            remembered: Mutex::default(),
            gate: Gate::default(),
            seeders: Mutex::default(),
        }
    }
}

impl Net {
    fn lock(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing to the scheduler, and has it look at what follows.
    fn act<R>(&self, f: impl FnOnce(&mut Scheduler, u64) -> R) -> R {
        let result = f(&mut self.lock(), now_ms());
        self.wake.notify_one();
        result
    }

    fn is_seeder(&self, address: &str) -> bool {
        let seeders = self.seeders.lock();
        seeders
            .unwrap_or_else(PoisonError::into_inner)
            .contains(address)
    }

    fn take_record(&self, address: &str) -> Option<Record> {
        let remembered = self.remembered.lock();
        let mut remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        remembered.remove(address)
    }

    /// Begins an attempt that the user asked for.
    pub(super) fn begin(&self, candidate: Candidate) -> Begin {
        self.act(|s, now| s.begin(candidate, now))
    }

    /// Is told how the attempt at an address ends, or that it is up.
    pub(super) fn wait_for(&self, address: &str) -> oneshot::Receiver<Outcome> {
        let (tx, rx) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let others = waiting.entry(address.to_owned()).or_default();
        others.retain(|other| !other.is_closed());
        others.push(tx);
        rx
    }

    pub(super) fn tell_waiting(&self, address: &str, outcome: &Outcome) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for tx in waiting.remove(address).unwrap_or_default() {
            let _ = tx.send(outcome.clone());
        }
    }

    /// Both sides dialled; the other connection stays.
    pub(crate) fn twin(&self, address: &str) {
        self.act(|s, now| s.handle_twin(address, now));
        self.tell_waiting(address, &Ok(()));
    }

    /// Something came over a connection.
    pub(crate) fn traffic(&self, connection: u64) {
        self.lock().handle_traffic(connection, now_ms());
    }

    /// A peer said that it is a room.
    pub(crate) fn know_room(&self, key: FeedId) {
        self.act(|s, _| s.know_room(key));
    }

    /// How the last attempt at an address ended.
    pub(crate) fn last_reason(&self, address: &str) -> Option<String> {
        self.lock().last_reason(address)
    }

    /// By which kind and source an address is known.
    pub(crate) fn origin(&self, address: &str) -> Option<(Kind, String)> {
        self.lock().origin(address)
    }
}

impl Node {
    /// Offers an address to dial by itself.
    pub(crate) fn offer_peer(&self, candidate: Candidate) {
        if candidate.key != self.id() {
            let net = &self.inner().net;
            let record = net.take_record(&candidate.address);
            net.act(|s, now| s.offer(candidate, record, now));
        }
    }

    /// Takes such an offer back.
    pub(crate) fn withdraw_peer(&self, kind: Kind, address: &str) {
        self.inner().net.act(|s, _| s.withdraw(kind, address));
    }

    /// A connection is up; `dialled` is the address when we called.
    pub(crate) fn peer_up(&self, connection: u64, key: FeedId, dialled: Option<&str>) {
        let net = &self.inner().net;
        let (record, origin) = net.act(|s, now| {
            let record = s.handle_connected(connection, key, dialled, now);
            (record, dialled.and_then(|a| s.origin(a)))
        });
        let Some(address) = dialled else { return };
        net.tell_waiting(address, &Ok(()));
        if let (Some(record), Some((kind, source))) = (record, origin) {
            // Who was met once is remembered; who was only named is not.
            let row = KnownPeer::new(address, key, kind, source, record);
            self.remember(move |n| n.inner().state.met_peer(&row));
        }
    }

    /// A connection is gone.
    pub(crate) fn peer_gone(&self, connection: u64, why: &str) {
        let net = &self.inner().net;
        if let Some((address, record)) = net.act(|s, now| s.handle_closed(connection, why, now)) {
            // Who asked for it in the moment it ended.
            net.tell_waiting(&address, &Err(why.to_owned()));
            self.save_record(address, record);
        }
    }

    /// An attempt failed.
    pub(super) fn peer_failed(&self, address: &str, why: &str) {
        let net = &self.inner().net;
        let record = net.act(|s, now| s.handle_failed(address, why, now));
        net.tell_waiting(address, &Err(why.to_owned()));
        if let Some(record) = record {
            self.save_record(address.to_owned(), record);
        }
    }

    fn save_record(&self, address: String, record: Record) {
        self.remember(move |n| n.inner().state.save_record(&address, &record));
    }

    /// Keeps something in `state.db`; nobody waits for it.
    fn remember(
        &self,
        work: impl FnOnce(&Self) -> Result<(), crate::store::StateError> + Send + 'static,
    ) {
        let node = self.clone();
        self.inner().tasks.spawn_blocking(move || {
            if let Err(error) = work(&node) {
                tracing::debug!("what is known of a peer was not kept: {error}");
            }
        });
    }

    /// Every address of those who are not connected.
    pub(crate) fn standings(&self) -> Vec<(String, Standing)> {
        let inner = self.inner();
        inner
            .net
            .lock()
            .standings(now_ms(), &|key| inner.policy.is_blocked(key))
    }
}

/// Tells the scheduler what earlier runs and the user's settings know.
async fn load(node: &Node) {
    let known = node
        .blocking(|n| {
            let known = n.inner().state.peers();
            known.map_err(|e| ApiError::failed("state.db", &e))
        })
        .await;
    let known = match known {
        Ok(known) => known,
        Err(error) => {
            node.trouble(error.message);
            Vec::new()
        }
    };
    let mut records: HashMap<String, Record> = HashMap::new();
    let mut candidates = Vec::new();
    for peer in known {
        // An address in a local network means nothing in another one: beacons
        // bring it back. Somebody in a room is offered when the room shows them.
        let in_room = peer.address.parse::<TunnelAddress>().is_ok();
        let kind = if peer.keep { Kind::Typed } else { peer.kind };
        // A seeder whose list was removed is nobody's any more.
        let stale = kind == Kind::Seeder && !node.inner().net.is_seeder(&peer.address);
        if kind != Kind::Lan && !in_room && !stale {
            candidates.push(Candidate {
                kind,
                key: peer.key,
                address: peer.address.clone(),
                source: peer.source.clone(),
                socket: None,
            });
        }
        records.insert(peer.address, peer.record);
    }
    let configured = node.inner().config.peers.iter();
    for text in configured {
        match text.parse::<super::Address>() {
            Ok(address) => candidates.push(Candidate {
                kind: Kind::Typed,
                key: address.key,
                address: address.to_string(),
                source: "config.toml".into(),
                socket: None,
            }),
            Err(error) => node.trouble(format!("`peers` in config.toml: {error}")),
        }
    }
    let me = node.id();
    let rooms = node.inner().state.rooms().unwrap_or_default();
    node.inner().net.act(|s, now| {
        rooms.into_iter().for_each(|room| s.know_room(room));
        for candidate in candidates.into_iter().filter(|c| c.key != me) {
            let record = records.remove(&candidate.address);
            s.offer(candidate, record, now);
        }
    });
    let remembered = node.inner().net.remembered.lock();
    *remembered.unwrap_or_else(PoisonError::into_inner) = records;
}

/// Dials by itself until the node stops.
pub(crate) async fn start(node: &Node) {
    load(node).await;
    let task_node = node.clone();
    node.inner().tasks.spawn(async move {
        let stop = task_node.stopped();
        tokio::select! {
            () = drive(&task_node) => {}
            () = watch_network(&task_node) => {}
            () = stop.cancelled() => {}
        }
    });
    lan::start(node);
    super::room::spawn(node);
}

async fn drive(node: &Node) {
    let inner = node.inner();
    loop {
        let now = now_ms();
        let blocked = |key: &FeedId| inner.policy.is_blocked(key);
        let action = inner.net.lock().poll(now, &blocked);
        match action {
            Action::Dial(candidate) => node.spawn_dial(Target::of(candidate)),
            Action::Drop { connection, why } => inner.hub.close(connection, why),
            Action::Sleep(until) => {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(until.saturating_sub(now))) => {}
                    () = inner.net.wake.notified() => {}
                }
            }
        }
    }
}

/// Looks whether there is a network, and which.
async fn watch_network(node: &Node) {
    let mut last = None;
    loop {
        let look = tokio::task::spawn_blocking(lan::own_addresses).await;
        if let Ok(addresses) = look {
            let changed = last.as_ref().is_some_and(|l| *l != addresses);
            if last.is_none() || changed {
                let up = !addresses.is_empty();
                node.inner()
                    .net
                    .act(|s, now| s.set_network(up, changed, now));
            }
            last = Some(addresses);
        }
        tokio::time::sleep(LOOK).await;
    }
}
