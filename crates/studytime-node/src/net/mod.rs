//! Sockets: listening, dialling, local discovery, and deciding whom to dial.

pub(crate) mod address;
mod dial;
mod driver;
mod lan;
pub(crate) mod once;
pub(crate) mod room;
mod schedule;
pub(crate) mod tunnel;

pub use address::{Address, Multiserver, ParseAddressError, Target, Transport, TunnelAddress, Way};
pub(crate) use dial::{DialError, broken_text};
pub(crate) use driver::{Net, start};
pub use lan::Lan;
pub(crate) use schedule::{BLOCKED, Kind, Record, Survivor, survivor};

use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at a time; more are refused until one ends.
const MAX_CONNECTIONS: usize = 256;
/// Handshakes at a time: each costs a signature and may be an attack.
const MAX_HANDSHAKES: usize = 32;
/// Connections that may wait for us to accept them.
const BACKLOG: i32 = 1024;
/// A peer whose machine answers nothing for so long is gone: its cable, its
/// radio or its power. The system's own limit is a quarter of an hour.
pub(crate) const SILENT: Duration = Duration::from_secs(30);

/// Listens for peers. Answers the bound address, with the port that was picked
/// for port 0.
pub(crate) async fn listen(node: &Node, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = bind(address)?;
    let bound = listener.local_addr()?;
    let (tasks, task_node) = (node.inner().tasks.clone(), node.clone());
    tasks.spawn(async move {
        let stop = task_node.stopped();
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, from)) => {
                    let Ok(slot) = Arc::clone(&connections).try_acquire_owned() else {
                        continue;
                    };
                    let (node, handshakes) = (task_node.clone(), Arc::clone(&handshakes));
                    task_node.inner().tasks.spawn(async move {
                        incoming(&node, stream, from, &handshakes).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back.
                    tracing::warn!("cannot accept connections: {error}");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    });
    Ok(bound)
}

/// `[::]` means IPv4 as well, whatever the system thinks.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // On Windows this would let two programs have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Bytes that the system may hold unsent, beside those on their way.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;

/// Small writes go at once, and a peer that is gone is noticed.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let alive = TcpKeepalive::new()
        .with_time(SILENT / 2)
        .with_interval(SILENT / 6);
    // For what is idle; and for what waits to be confirmed.
    let _ = socket.set_tcp_keepalive(&alive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let _ = socket.set_tcp_user_timeout(Some(SILENT));
        // What the system holds unsent cannot be overtaken: on a slow line its megabytes
        // would be seconds before anything more urgent goes out.
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
    }
}

async fn incoming(node: &Node, mut stream: TcpStream, from: SocketAddr, handshakes: &Semaphore) {
    let Ok(turn) = handshakes.acquire().await else {
        return;
    };
    tune(&stream);
    let inner = node.inner();
    let keys = node.keys().main().clone();
    let allow = |peer: &studytime_schema::FeedId| node.may_connect(peer);
    let limit = inner.builder.handshake_timeout;
    let shaken = tokio::select! {
        shaken = shs::accept(&mut stream, &keys, &inner.builder.network, allow, limit) => shaken,
        () = inner.stop.cancelled() => return,
    };
    drop(turn);
    match shaken {
        Ok(secure) => {
            let peer = secure.peer;
            let invited = inner.state.invite_open(&peer).unwrap_or(false);
            let link = Link {
                stream,
                secure,
                // Not `::ffff:10.0.0.1`, which is what a socket for both calls it.
                address: SocketAddr::new(from.ip().to_canonical(), from.port()).to_string(),
                outgoing: false,
                invited,
            };
            if !invited {
                node.peer_event(peer, "connected", None);
            }
            let why = peer::drive(node, link).await;
            tracing::debug!("connection from {from} ended: {why}");
            if !invited {
                node.peer_event(peer, "disconnected", Some(why));
            }
        }
        Err(error) => tracing::debug!("{from}: {error}"),
    }
}
