//! Those who call: listening, and answering their handshakes.

use super::tune;
use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait for us to accept them.
const BACKLOG: i32 = 1024;

/// Listens for peers. Answers the bound address, with the port that was picked
/// for port 0.
pub(crate) async fn listen(node: &Node, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = bind(address)?;
    let bound = listener.local_addr()?;
    let (tasks, task_node) = (node.inner().tasks.clone(), node.clone());
    tasks.spawn(async move {
        let stop = task_node.stopped();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, from)) => {
                    let node = task_node.clone();
                    let call = async move { incoming(&node, stream, from).await };
                    task_node.inner().tasks.spawn(call);
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

async fn incoming(node: &Node, mut stream: TcpStream, from: SocketAddr) {
    let inner = node.inner();
    let turn = inner.net.gate.enter(from.ip());
    tune(&stream);
    let keys = node.keys().main().clone();
    let allow = |peer: &FeedId| node.may_connect(peer);
    let limit = inner.builder.handshake_timeout;
    let shaken = tokio::select! {
        shaken = shs::accept(&mut stream, &keys, &inner.builder.network, allow, limit) => shaken,
        () = turn.put_out() => return,
        () = inner.stop.cancelled() => return,
    };
    drop(turn);
    let secure = match shaken {
        Ok(secure) => secure,
        Err(error) => return tracing::debug!("{from}: {error}"),
    };
    let peer = secure.peer;
    let invited = inner.state.invite_open(&peer).unwrap_or(false);
    let _place = match inner
        .net
        .gate
        .admit(from.ip(), invited || node.is_known(&peer))
    {
        Ok(place) => place,
        Err(full) => return tracing::debug!("{from} ({}): {full}", peer.short()),
    };
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
