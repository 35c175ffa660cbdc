//! Local discovery: nodes on one network find each other by beacons.
//!
//! What is sent and read is in [`beacon`], who is believed in [`neighbours`];
//! here are the tasks that send, listen and tell the scheduler.

mod beacon;
mod neighbours;
mod sockets;

use super::schedule::{Candidate, Kind};
use crate::clock::now_ms;
use crate::node::Node;
use neighbours::{Change, Form, Neighbours};
pub(super) use sockets::own_addresses;
use sockets::{Place, Receiver};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Local discovery's settings. The defaults are those of other SSB programs.
///
/// A node that listens on loopback only is not announced, and does not look
/// around, unless [`interfaces`](Self::interfaces) names where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lan {
    pub(crate) plain_port: u16,
    pub(crate) sealed_port: u16,
    pub(crate) interval: Duration,
    pub(crate) interfaces: Option<Vec<String>>,
}

impl Default for Lan {
    fn default() -> Self {
        Self {
            plain_port: 8008,
            sealed_port: 26830,
            interval: Duration::from_secs(3),
            interfaces: None,
        }
    }
}

impl Lan {
    /// UDP ports for plain and for encrypted beacons. Default: 8008 and 26830.
    #[must_use]
    pub fn ports(mut self, plain: u16, encrypted: u16) -> Self {
        (self.plain_port, self.sealed_port) = (plain, encrypted);
        self
    }

    /// How often to say that this node is here; at least a tenth of a second.
    /// Default: 3 seconds.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(100));
        self
    }

    /// Names of the network interfaces to use. Default: all that are up, but for
    /// loopback and point-to-point links.
    #[must_use]
    pub fn interfaces(mut self, names: Vec<String>) -> Self {
        self.interfaces = Some(names);
        self
    }
}

/// Starts the tasks; they end with the node.
pub(super) fn start(node: &Node) {
    let inner = node.inner();
    let Some(lan) = inner.builder.lan.clone() else {
        return;
    };
    let listening = inner.listening.get().copied();
    if lan.interfaces.is_none() && listening.is_some_and(|a| a.ip().is_loopback()) {
        return;
    }
    let table = Neighbours::new(node.id(), inner.builder.network);
    let table = Arc::new(Mutex::new(table));
    let mut receivers = Vec::new();
    for (form, port) in [
        (Form::Plain, lan.plain_port),
        (Form::Sealed, lan.sealed_port),
    ] {
        for v6 in [false, true] {
            match Receiver::bind(form, port, v6) {
                Ok(receiver) => receivers.push(Arc::new(receiver)),
                // Without IPv6 there is IPv4, without one port the other.
                Err(error) if v6 => {
                    tracing::debug!("no IPv6 beacons on UDP port {port}: {error}");
                }
                Err(error) => node.trouble(format!(
                    "cannot hear neighbours on UDP port {port} ({error}): another program may hold the port for itself"
                )),
            }
        }
    }
    for receiver in &receivers {
        let (node, table, receiver) = (node.clone(), Arc::clone(&table), Arc::clone(receiver));
        inner.tasks.spawn({
            let stop = node.stopped();
            async move {
                tokio::select! {
                    () = listen(&node, &table, &receiver) => {}
                    () = stop.cancelled() => {}
                }
            }
        });
    }
    let task_node = node.clone();
    inner.tasks.spawn(async move {
        let stop = task_node.stopped();
        tokio::select! {
            () = announce(&task_node, &lan, listening, &table, &receivers) => {}
            () = stop.cancelled() => {}
        }
    });
}

/// Says every while that we are here, and forgets who is not.
async fn announce(
    node: &Node,
    lan: &Lan,
    listening: Option<SocketAddr>,
    table: &Mutex<Neighbours>,
    receivers: &[Arc<Receiver>],
) {
    let mut joined: HashSet<u32> = HashSet::new();
    let mut failing: HashSet<String> = HashSet::new();
    loop {
        let next = Instant::now() + lan.interval;
        let places = sockets::places(lan.interfaces.as_deref());
        join(receivers, &places, &mut joined);
        let subnets = places.iter().map(|p| p.subnet).collect();
        lock(table).set_subnets(subnets);
        if let Some(listening) = listening {
            for place in places.iter().filter(|p| p.is_served_by(listening)) {
                for (port, packet) in packets(node, lan, place, listening.port()) {
                    match sockets::send(place, port, &packet).await {
                        Ok(()) => drop(failing.remove(&place.name)),
                        // Said once: an interface may be without a cable for hours.
                        Err(error) => {
                            if failing.insert(place.name.clone()) {
                                tracing::debug!("no beacon over {}: {error}", place.name);
                            }
                        }
                    }
                }
            }
        }
        while Instant::now() < next {
            let forget = lock(table).poll_timeout();
            let wait = forget.map(|at| Duration::from_millis(at.saturating_sub(now_ms()) + 1));
            let wait = wait.map_or(next, |wait| next.min(Instant::now() + wait));
            tokio::time::sleep_until(wait).await;
            let lost = lock(table).handle_timeout(now_ms());
            tell(node, lost);
        }
    }
}

fn lock(table: &Mutex<Neighbours>) -> MutexGuard<'_, Neighbours> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn packets(node: &Node, lan: &Lan, place: &Place, port: u16) -> Vec<(u16, Vec<u8>)> {
    let (ip, keys) = (place.subnet.ip, node.keys().main().clone());
    let claim = beacon::Claim {
        ip,
        port,
        key: node.id(),
    };
    let plain = beacon::make_plain(&claim).map(|p| (lan.plain_port, p));
    let sealed = beacon::make_sealed(ip, port, &keys, &node.inner().builder.network);
    let sealed = sealed.map(|p| (lan.sealed_port, p));
    plain.into_iter().chain(sealed).collect()
}

/// Joins the group on interfaces that have come.
fn join(receivers: &[Arc<Receiver>], places: &[Place], joined: &mut HashSet<u32>) {
    let here: HashSet<u32> = places.iter().filter_map(|p| p.group_interface()).collect();
    for index in here.difference(&joined.clone()) {
        for receiver in receivers {
            if let Err(error) = receiver.join(*index) {
                tracing::debug!("cannot join the group on interface {index}: {error}");
            }
        }
    }
    // An interface that went and comes back has to be joined again.
    *joined = here;
}

async fn listen(node: &Node, table: &Mutex<Neighbours>, receiver: &Receiver) {
    // One more than is read: what fills it is too long.
    let mut packet = [0; beacon::MAX_PACKET + 1];
    loop {
        match receiver.receive(&mut packet).await {
            Ok((length, from)) => {
                let bytes = packet.get(..length).unwrap_or_default();
                let found = lock(table).handle_packet(receiver.form, bytes, from, now_ms());
                tell(node, found);
            }
            Err(error) => {
                tracing::debug!("beacons: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Passes on to the scheduler who is there.
fn tell(node: &Node, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Found {
                key,
                address,
                socket,
            } => node.offer_peer(Candidate {
                kind: Kind::Lan,
                key,
                address,
                source: "the local network".into(),
                socket: Some(socket),
            }),
            Change::Lost { address } => node.withdraw_peer(Kind::Lan, &address),
        }
    }
}
