//! One attempt to reach a peer, and why it failed.

use super::driver::Outcome;
use super::room::{self, TunnelError};
use super::schedule::{Begin, Candidate, Kind};
use super::{Address, ParseAddressError, SILENT, TunnelAddress};
use crate::api::{ApiError, ErrorKind, Event};
use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs::{self, HandshakeError, Secure};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long a TCP connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes both ways, whatever carries them.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
/// A connection before anything is said on it.
pub(crate) type Wire = Box<dyn Duplex>;

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
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error("this is the address of this node itself")]
    Myself,
    #[error("you block this peer ({0}): unblock it first")]
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
        io::ErrorKind::HostUnreachable => {
            format!("no route to {host}: that machine is off, or in another network")
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            format!("no route to {host}: is this machine connected to that network?")
        }
        io::ErrorKind::TimedOut => format!(
            "no answer from {host}:{port}: the machine is off, or a firewall drops the connection"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{host} cannot be reached from the addresses this machine has")
        }
        // The resolver's errors have no number of the system's.
        _ if source.raw_os_error().is_none() => {
            format!("{host} is not known: is its name right, and is there a network? ({source})")
        }
        _ => format!("cannot connect to {host}:{port}: {source}"),
    }
}

/// Whom to dial, and where.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) key: FeedId,
    /// Multiserver text.
    pub(crate) address: String,
    /// Where exactly, when the text does not say all.
    pub(crate) socket: Option<SocketAddr>,
}

impl Target {
    pub(super) fn of(candidate: Candidate) -> Self {
        Self {
            key: candidate.key,
            address: candidate.address,
            socket: candidate.socket,
        }
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
        let inner = self.inner();
        inner.policy.is_friend(peer)
            || inner
                .state
                .chosen_peers()
                .is_ok_and(|chosen| chosen.contains(peer))
    }

    pub(crate) fn peer_event(&self, id: FeedId, state: &str, reason: Option<String>) {
        self.emit(Event::Peer {
            id,
            state: state.to_owned(),
            reason,
        });
    }

    /// Dials an address and keeps the connection; answers when it is up. With
    /// `keep` the address is remembered and dialled again by itself.
    pub(crate) async fn connect(
        &self,
        address: &str,
        keep: bool,
        limit: Duration,
    ) -> Result<FeedId, ApiError> {
        let address: Address = address
            .parse()
            .map_err(|e: ParseAddressError| ApiError::refused(e.to_string()))?;
        if address.seed.is_some() {
            return Err(ApiError::refused("this is an invite, not an address")
                .hint("use `studytime peer invite CODE`"));
        }
        let shown = address.to_string();
        let key = address.key;
        let inner = self.inner();
        if keep {
            let row = (shown.clone(), key);
            self.blocking(move |n| {
                let known = n.inner().state.know_peer(&row.0, &row.1, true);
                known.map_err(|e| ApiError::failed("the peer could not be remembered", &e))
            })
            .await?;
            inner.hub.choose(key);
        }
        let candidate = Candidate {
            kind: Kind::Typed,
            key,
            address: shown.clone(),
            source: "typed".into(),
            socket: None,
        };
        if inner.hub.is_connected(&key) {
            if keep {
                self.offer_peer(candidate);
            }
            return Ok(key);
        }
        let failed = |reason: String| {
            ApiError::new(ErrorKind::Failed, format!("could not connect to {shown}: {reason}"))
                .hint("check the address and that the other node runs with the same network key; `studytime peer list` keeps the reason")
        };
        self.bring_up(candidate, limit).await.map_err(failed)?;
        Ok(key)
    }

    /// Dials at once, whatever quotas and pauses say; answers when it is up, or why
    /// it is not.
    pub(super) async fn bring_up(
        &self,
        candidate: Candidate,
        limit: Duration,
    ) -> Result<(), String> {
        let inner = self.inner();
        let up = inner.net.wait_for(&candidate.address);
        match inner.net.begin(candidate.clone()) {
            Begin::Dial => self.spawn_dial(Target::of(candidate)),
            // The scheduler is at it: its attempt is ours. Or it came up just now.
            Begin::UnderWay if inner.hub.is_connected(&candidate.key) => return Ok(()),
            Begin::UnderWay => {}
        }
        match tokio::time::timeout(limit, up).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(DialError::Closing.to_string()),
            Err(_) => Err(format!("not up within {} s", limit.as_secs())),
        }
    }

    /// Dials what the scheduler has handed out, and drives the connection until
    /// it ends.
    pub(super) fn spawn_dial(&self, target: Target) {
        let node = self.clone();
        self.inner()
            .tasks
            .spawn(async move { node.dial(&target).await });
    }

    async fn dial(&self, target: &Target) {
        let (address, key) = (target.address.as_str(), target.key);
        let reached = tokio::select! {
            reached = reach(self, target) => reached,
            () = self.inner().stop.cancelled() => Err(DialError::Closing),
        };
        match reached {
            Err(DialError::Closing) => {
                let closing: Outcome = Err(DialError::Closing.to_string());
                self.inner().net.tell_waiting(address, &closing);
            }
            Err(error) => {
                let reason = error.to_string();
                self.peer_failed(address, &reason);
                self.peer_event(key, "failed", Some(reason));
            }
            Ok((stream, secure)) => {
                self.peer_event(key, "connected", None);
                let link = Link {
                    stream,
                    secure,
                    address: address.to_owned(),
                    outgoing: true,
                    invited: false,
                };
                let why = peer::drive(self, link).await;
                self.peer_event(key, "disconnected", Some(why));
            }
        }
    }
}

/// A connection and the handshake with our own key. What carries an address of
/// another kind than TCP has its branch here.
async fn reach(node: &Node, target: &Target) -> Result<(Wire, Secure), DialError> {
    if target.key == node.id() {
        return Err(DialError::Myself);
    }
    if node.inner().policy.is_blocked(&target.key) {
        return Err(DialError::Blocked(target.key));
    }
    if let Ok(tunnel) = target.address.parse::<TunnelAddress>() {
        return room::reach(node, &tunnel).await;
    }
    let address: Address = target.address.parse()?;
    let keys = node.keys().main().clone();
    let mut stream = match target.socket {
        Some(socket) => {
            let host = socket.ip().to_string();
            within(TcpStream::connect(socket), host, socket.port()).await?
        }
        None => tcp(&address).await?,
    };
    let builder = &node.inner().builder;
    let secure = shs::dial(
        &mut stream,
        &keys,
        &builder.network,
        target.key,
        builder.handshake_timeout,
    )
    .await?;
    Ok((Box::new(stream), secure))
}

/// A TCP connection.
pub(super) async fn tcp(address: &Address) -> Result<TcpStream, DialError> {
    let (host, port) = (address.host.clone(), address.port);
    let connect = TcpStream::connect((host.as_str(), port));
    within(connect, host.clone(), port).await
}

async fn within(
    connect: impl Future<Output = io::Result<TcpStream>>,
    host: String,
    port: u16,
) -> Result<TcpStream, DialError> {
    match tokio::time::timeout(CONNECT, connect).await {
        Ok(Ok(stream)) => {
            super::tune(&stream);
            Ok(stream)
        }
        Ok(Err(source)) => Err(DialError::Connect { host, port, source }),
        Err(_) => Err(DialError::Timeout { host, port }),
    }
}

/// Why a connection broke, for people.
pub(crate) fn broken_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!(
            "went silent after {} s: its machine or the network between is gone",
            SILENT.as_secs()
        ),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown => {
            "no route any more: its machine or the network between is gone".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the peer broke off the connection".to_owned()
        }
        _ => format!("the connection broke: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_say_what_to_do() {
        for (kind, words) in [
            (io::ErrorKind::ConnectionRefused, "nobody listens"),
            (io::ErrorKind::HostUnreachable, "no route to h"),
            (io::ErrorKind::NetworkUnreachable, "no route to h"),
            (io::ErrorKind::TimedOut, "no answer"),
        ] {
            let text = connect_text("h", 1, &kind.into());
            assert!(text.contains(words), "{text}");
        }
        let silent = broken_text(&io::ErrorKind::TimedOut.into());
        assert!(silent.starts_with("went silent after 30 s"), "{silent}");
    }
}
