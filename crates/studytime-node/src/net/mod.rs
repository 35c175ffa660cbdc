//! Sockets: listening, dialling, and deciding when to dial again.

pub(crate) mod address;
mod dial;
pub(crate) mod once;
pub(crate) mod room;
pub(crate) mod tunnel;

pub use address::{Address, Multiserver, ParseAddressError, Target, Transport, TunnelAddress, Way};
pub(crate) use dial::{Attempts, DialError};

use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs;
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

/// Listens for peers. Answers the bound address, with the port that was picked
/// for port 0.
pub(crate) async fn listen(node: &Node, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
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

async fn incoming(node: &Node, mut stream: TcpStream, from: SocketAddr, handshakes: &Semaphore) {
    let Ok(turn) = handshakes.acquire().await else {
        return;
    };
    let _ = stream.set_nodelay(true);
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
                address: from.to_string(),
                outgoing: false,
                invited,
                up: None,
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

/// Dials known peers by itself until the node stops.
pub(crate) fn schedule(node: &Node) {
    room::spawn(node);
    let task_node = node.clone();
    node.inner().tasks.spawn(async move {
        let stop = task_node.stopped();
        let mut tick = tokio::time::interval(Duration::from_secs(2));
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => return,
            }
            dial::dial_due(&task_node).await;
        }
    });
}
