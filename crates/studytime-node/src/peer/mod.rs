//! One connection: the driver loop that moves its bytes.
//!
//! The loop reads while there is room for what comes, always goes on writing,
//! and hands everything else to [`Session`].

mod blobs;
mod feeds;
mod history;
mod ping;
mod probe;
mod rooms;
mod serve;
mod session;

use crate::hub::NewSlot;
use crate::net::TunnelAddress;
use crate::node::Node;
use crate::shs::Secure;
use session::Session;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use studytime_replicate::PeerId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes read from the socket at a time.
const READ: usize = 128 * 1024;
/// A read of less than this, soon after the one before it, is followed by a
/// [`REST`]: a peer that sends many small frames would wake everything behind the
/// socket for each of them.
const SMALL: usize = 32 * 1024;
const SOON: Duration = Duration::from_millis(3);
const REST: Duration = Duration::from_millis(1);
/// Encrypted bytes that may wait for the socket. What is in here cannot be
/// overtaken by something more urgent.
const WRITE: usize = 128 * 1024;
/// A connection without any traffic for so long is given up (as JavaScript peers do).
const INACTIVE: Duration = Duration::from_secs(600);
/// How long a peer may take over a goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a connection is made of.
pub(crate) struct Link<S> {
    pub(crate) stream: S,
    pub(crate) secure: Secure,
    pub(crate) address: String,
    pub(crate) outgoing: bool,
    /// Connected with an invite's key: may only redeem it.
    pub(crate) invited: bool,
}

/// Why a connection ended, for a person.
pub(crate) type Farewell = String;

/// Drives a connection until it ends; says why it ended.
pub(crate) async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    node: &Node,
    link: Link<S>,
) -> Farewell {
    let inner = node.inner();
    let peer = PeerId::new(link.secure.peer, inner.hub.connection());
    let wake = Arc::new(Notify::new());
    let feed = link.secure.peer;
    let loaded = node
        .blocking(move |n| {
            let clock = n.inner().feeds.clock(&feed).unwrap_or_default();
            Ok((clock, n.is_known(&feed)))
        })
        .await;
    let Ok((clock, known)) = loaded else {
        return "the node is closing".into();
    };
    let slot = NewSlot {
        address: link.address.clone(),
        outgoing: link.outgoing,
        known,
        clock,
        wake: Arc::clone(&wake),
    };
    let dialled = link.outgoing.then_some(link.address.as_str());
    if !link.invited {
        if !inner.hub.connect(node.id(), peer, slot) {
            // There is a connection to this peer, which is what was asked for.
            if let Some(address) = dialled {
                inner.net.twin(address);
            }
            return "both sides dialled; the other connection is kept".into();
        }
        node.peer_up(peer.connection, feed, dialled);
    }
    let mut session = Session::new(
        node.clone(),
        peer,
        link.outgoing,
        link.invited,
        Arc::clone(&wake),
    );
    session.greet();
    // No room is behind another room.
    if link.outgoing && link.address.parse::<TunnelAddress>().is_err() {
        session.ask_whether_room();
    }
    let why = run(node, link.stream, link.secure, &mut session, &wake).await;
    session.close();
    if !session.is_invited() {
        inner.hub.disconnect(peer);
        node.peer_gone(peer.connection, &why);
    }
    why
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    node: &Node,
    stream: S,
    secure: Secure,
    session: &mut Session,
    wake: &Notify,
) -> Farewell {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let Secure {
        mut seal, mut open, ..
    } = secure;
    let (mut incoming, mut outgoing) = (Vec::with_capacity(READ), Vec::with_capacity(WRITE * 2));
    let mut plain = Vec::new();
    // When the peer last sent anything, or we last did not look.
    let mut last_read = Instant::now();
    let mut rest: Option<Instant> = None;
    let mut leaving: Option<(Instant, Farewell)> = None;
    let mut said_goodbye = false;
    loop {
        if let Some(why) = session.work() {
            leaving.get_or_insert_with(|| (Instant::now() + GOODBYE, why));
        }
        while outgoing.len() < WRITE {
            plain.clear();
            if session
                .mux
                .poll_transmit(&mut plain, WRITE - outgoing.len())
                == 0
            {
                break;
            }
            seal.seal(&plain, &mut outgoing);
        }
        if session.mux.is_finished() && outgoing.is_empty() {
            if said_goodbye {
                return leaving.map_or_else(|| "the peer said goodbye".into(), |(_, why)| why);
            }
            seal.goodbye(&mut outgoing);
            said_goodbye = true;
        }
        if !session.wants_bytes() {
            // It may be sending all the time: the silence is ours.
            last_read = Instant::now();
        }
        let deadline = leaving.as_ref().map_or(last_read + INACTIVE, |(at, _)| *at);
        let (timer, reads) = (
            session.next_timer(),
            session.wants_bytes() && !open.is_done() && rest.is_none(),
        );
        tokio::select! {
            read = reader.read_buf(&mut incoming), if reads => {
                match read {
                    Ok(0) => return leaving.map_or_else(|| "the peer hung up".into(), |(_, why)| why),
                    Ok(n) => {
                        let now = Instant::now();
                        if n < SMALL && now - last_read < SOON {
                            rest = Some(now + REST);
                        }
                        last_read = now;
                        session.count(n as u64, 0);
                    }
                    Err(error) => return broken(&error, leaving),
                }
                plain.clear();
                match open.open(&incoming, &mut plain) {
                    Ok(used) => drop(incoming.drain(..used)),
                    Err(error) => return error.to_string(),
                }
                if let Err(error) = session.mux.handle_bytes(&plain) {
                    return error.to_string();
                }
                if open.is_done() {
                    session.mux.handle_close();
                }
            }
            written = writer.write(&outgoing), if !outgoing.is_empty() => match written {
                Ok(0) => return broken(&io::ErrorKind::WriteZero.into(), leaving),
                Ok(n) => {
                    outgoing.drain(..n);
                    session.count(0, n as u64);
                }
                Err(error) => return broken(&error, leaving),
            },
            () = tokio::time::sleep_until(rest.unwrap_or(deadline)), if rest.is_some() => rest = None,
            () = wake.notified() => {}
            () = session.job_done() => {}
            () = tokio::time::sleep_until(deadline) => {
                return match leaving {
                    Some((_, why)) => why,
                    None => format!("went silent after {} s", INACTIVE.as_secs()),
                };
            }
            () = tokio::time::sleep_until(timer) => session.timer(),
            () = node.inner().stop.cancelled(), if leaving.is_none() => {
                session.part_from_room();
                session.mux.goodbye();
                leaving = Some((Instant::now() + GOODBYE, "this node is closing".into()));
            }
        }
    }
}

fn broken(error: &io::Error, leaving: Option<(Instant, Farewell)>) -> Farewell {
    match leaving {
        Some((_, why)) => why,
        None => crate::net::broken_text(error),
    }
}

#[cfg(test)]
mod tests;
