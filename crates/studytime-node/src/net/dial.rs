//! Dialling, and what is remembered of it.

use super::{Address, ParseAddressError};
use crate::api::{ApiError, Event, PeerInfo};
use crate::clock::now_ms;
use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs::{self, HandshakeError, Secure};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long a TCP connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// Pause after a first failure; grows with the third power of their number.
const FIRST_PAUSE_MS: u64 = 4_000;
const CUBE_MS: u64 = 10_000;
const MAX_FAILURES: u64 = 16;

/// Why nobody could be reached at an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DialError {
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    #[error("no answer from {host}:{port} within {} s: the machine is off, or a firewall drops the connection", CONNECT.as_secs())]
    Timeout { host: String, port: u16 },
    #[error("{}", connect_text(host, *port, source))]
    Connect {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("this is the address of this node itself")]
    Myself,
    #[error("you have blocked {0}")]
    Blocked(FeedId),
    #[error("the node is closing")]
    Closing,
}

fn connect_text(host: &str, port: u16, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "nobody listens at {host}:{port} (connection refused): is the other node running?"
            )
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("no route to {host}: is there a network?")
        }
        _ => format!("cannot connect to {host}:{port}: {source}"),
    }
}

/// How the last attempt at an address went.
#[derive(Debug, Clone)]
struct Attempt {
    key: FeedId,
    state: &'static str,
    reason: Option<String>,
    since: u64,
    due: u64,
}

/// All attempts of this run, by address.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_address: Mutex<BTreeMap<String, Attempt>>,
}

impl Attempt {
    /// As of now.
    fn new(key: FeedId, state: &'static str, reason: Option<String>, due: u64) -> Self {
        Self {
            key,
            state,
            reason,
            since: now_ms(),
            due,
        }
    }
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Attempt>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set(
        &self,
        address: &str,
        key: FeedId,
        state: &'static str,
        reason: Option<String>,
        due: u64,
    ) {
        let attempt = Attempt::new(key, state, reason, due);
        self.lock().insert(address.to_owned(), attempt);
    }

    /// Begins an attempt, unless one is under way or `only_due` says that it is
    /// not time yet: two connections to one peer would push each other out.
    fn claim(&self, address: &str, key: FeedId, only_due: bool) -> bool {
        let mut all = self.lock();
        if let Some(last) = all.get(address)
            && (matches!(last.state, "connecting" | "connected")
                || (only_due && last.due > now_ms()))
        {
            return false;
        }
        let attempt = Attempt::new(key, "connecting", None, u64::MAX);
        all.insert(address.to_owned(), attempt);
        true
    }

    /// How the attempt at an address ended; `None` while it is under way or up.
    fn ended(&self, address: &str) -> Option<String> {
        let all = self.lock();
        let last = all.get(address)?;
        (!matches!(last.state, "connecting" | "connected"))
            .then(|| last.reason.clone().unwrap_or_default())
    }

    /// Those that are not connections, for people.
    pub(crate) fn list(&self) -> Vec<PeerInfo> {
        let attempts = self.lock();
        let shown = attempts.iter().filter(|(_, a)| a.state != "connected");
        shown
            .map(|(address, a)| PeerInfo {
                id: Some(a.key),
                name: None,
                address: address.clone(),
                state: a.state.to_owned(),
                reason: a.reason.clone(),
                outgoing: true,
                studytime: false,
                since: a.since,
                traffic: (0, 0),
            })
            .collect()
    }
}

impl Node {
    /// Whether a feed may connect to us.
    pub(crate) fn may_connect(&self, peer: &FeedId) -> bool {
        let inner = self.inner();
        if *peer == self.id() || inner.policy.is_blocked(peer) {
            return false;
        }
        inner.builder.accept_strangers
            || self.is_known(peer)
            || inner.state.invite_open(peer).unwrap_or(false)
    }

    /// Whether a feed is more than a stranger: followed within reach, or dialled
    /// because the user typed its address.
    pub(crate) fn is_known(&self, peer: &FeedId) -> bool {
        self.inner().policy.is_friend(peer)
            || self
                .inner()
                .state
                .peers()
                .is_ok_and(|all| all.iter().any(|p| p.keep && p.key == *peer))
    }

    pub(crate) fn peer_event(&self, id: FeedId, state: &str, reason: Option<String>) {
        self.emit(Event::Peer {
            id,
            state: state.to_owned(),
            reason,
        });
    }

    /// Dials an address and keeps the connection; answers when it is up.
    pub(crate) async fn connect(
        &self,
        text: &str,
        keep: bool,
        limit: Duration,
    ) -> Result<FeedId, ApiError> {
        let address: Address = text
            .parse()
            .map_err(|e: ParseAddressError| ApiError::refused(e.to_string()))?;
        if address.seed.is_some() {
            return Err(ApiError::refused("this is an invite, not an address")
                .hint("use `studytime peer invite CODE`"));
        }
        let shown = address.to_string();
        let key = address.key;
        let connected = self.inner().hub.is_connected(&key);
        // Before the peer is known: the scheduler would dial it as well.
        let claimed = !connected && self.inner().attempts.claim(&shown, key, false);
        if keep {
            if let Err(error) = self.inner().state.know_peer(&shown, &key, true) {
                if claimed {
                    self.inner().attempts.set(&shown, key, "failed", None, 0);
                }
                return Err(ApiError::failed("the peer could not be remembered", &error));
            }
            self.inner().hub.choose(key);
        }
        if connected {
            return Ok(key);
        }
        let (up_tx, up_rx) = oneshot::channel();
        if claimed {
            let node = self.clone();
            self.inner()
                .tasks
                .spawn(async move { node.dial(&address, Some(up_tx)).await });
        }
        let failed = |reason: String| {
            ApiError::new(crate::api::ErrorKind::Failed, format!("could not connect to {shown}: {reason}"))
                .hint("check the address and that the other node runs with the same network key; `studytime peer list` keeps the reason")
        };
        let up = async {
            if claimed {
                return up_rx.await;
            }
            // The scheduler is at it: its attempt is ours.
            loop {
                if self.inner().hub.is_connected(&key) {
                    return Ok(Ok(()));
                }
                if let Some(reason) = self.inner().attempts.ended(&shown) {
                    return Ok(Err(reason));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(limit, up).await {
            Ok(Ok(Ok(()))) => Ok(key),
            Ok(Ok(Err(reason))) => Err(failed(reason)),
            Ok(Err(_)) => Err(failed("the node is closing".into())),
            Err(_) => Err(failed(format!("not up within {} s", limit.as_secs()))),
        }
    }

    /// Dials an address that was claimed, and drives the connection until it ends.
    async fn dial(&self, address: &Address, up: Option<oneshot::Sender<Result<(), String>>>) {
        let shown = address.to_string();
        let attempts = &self.inner().attempts;
        let reached = tokio::select! {
            reached = reach(self, address) => reached,
            () = self.inner().stop.cancelled() => Err(DialError::Closing),
        };
        let ok = reached.is_ok();
        let noted = shown.clone();
        let _ = self
            .blocking(move |n| {
                let _ = n.inner().state.dialled(&noted, now_ms(), ok);
                Ok(())
            })
            .await;
        match reached {
            Err(error) => {
                let reason = error.to_string();
                let due = now_ms() + pause(self, &shown);
                attempts.set(&shown, address.key, "failed", Some(reason.clone()), due);
                self.peer_event(address.key, "failed", Some(reason.clone()));
                if let Some(up) = up {
                    let _ = up.send(Err(reason));
                }
            }
            Ok((stream, secure)) => {
                attempts.set(&shown, address.key, "connected", None, u64::MAX);
                self.peer_event(address.key, "connected", None);
                let link = Link {
                    stream,
                    secure,
                    address: shown.clone(),
                    outgoing: true,
                    invited: false,
                    up,
                };
                let why = peer::drive(self, link).await;
                let due = now_ms() + FIRST_PAUSE_MS;
                attempts.set(&shown, address.key, "waiting", Some(why.clone()), due);
                self.peer_event(address.key, "disconnected", Some(why));
            }
        }
    }
}

/// TCP and handshake with our own key.
async fn reach(node: &Node, address: &Address) -> Result<(TcpStream, Secure), DialError> {
    if address.key == node.id() {
        return Err(DialError::Myself);
    }
    if node.inner().policy.is_blocked(&address.key) {
        return Err(DialError::Blocked(address.key));
    }
    let keys = node.keys().main().clone();
    let mut stream = tcp(address).await?;
    let builder = &node.inner().builder;
    let secure = shs::dial(
        &mut stream,
        &keys,
        &builder.network,
        address.key,
        builder.handshake_timeout,
    )
    .await?;
    Ok((stream, secure))
}

/// A TCP connection.
pub(super) async fn tcp(address: &Address) -> Result<TcpStream, DialError> {
    let (host, port) = (address.host.clone(), address.port);
    match tokio::time::timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(source)) => Err(DialError::Connect { host, port, source }),
        Err(_) => Err(DialError::Timeout { host, port }),
    }
}

/// Milliseconds until the next attempt, from the failures so far, with jitter.
fn pause(node: &Node, address: &str) -> u64 {
    let peers = node.inner().state.peers().unwrap_or_default();
    let failures = peers
        .iter()
        .find(|p| p.address == address)
        .map_or(1, |p| u64::from(p.failures));
    let mut random = [0u8; 1];
    let _ = getrandom::fill(&mut random);
    jitter(
        FIRST_PAUSE_MS + failures.min(MAX_FAILURES).saturating_sub(1).pow(3) * CUBE_MS,
        random[0],
    )
}

/// Between half and one and a half of `ms`.
fn jitter(ms: u64, random: u8) -> u64 {
    ms / 2 + ms * u64::from(random) / 255
}

/// Dials every remembered peer that is due.
pub(super) async fn dial_due(node: &Node) {
    let peers = node
        .blocking(|n| {
            let known = n
                .inner()
                .state
                .peers()
                .map_err(|e| ApiError::failed("state.db", &e))?;
            let mut addresses: Vec<String> = known
                .into_iter()
                .filter(|p| p.keep)
                .map(|p| p.address)
                .collect();
            addresses.extend(n.inner().config.peers.iter().cloned());
            Ok(addresses)
        })
        .await
        .unwrap_or_default();
    for text in peers {
        let Ok(address) = text.parse::<Address>() else {
            continue;
        };
        let shown = address.to_string();
        let inner = node.inner();
        if inner.hub.is_connected(&address.key)
            || address.key == node.id()
            || !inner.attempts.claim(&shown, address.key, true)
        {
            continue;
        }
        let dialler = node.clone();
        node.inner()
            .tasks
            .spawn(async move { dialler.dial(&address, None).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_half_and_one_and_a_half() {
        assert_eq!(jitter(4000, 0), 2000);
        assert_eq!(jitter(4000, 255), 6000);
    }
}
