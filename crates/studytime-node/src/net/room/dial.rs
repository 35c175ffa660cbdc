//! Meeting peers through rooms: dialling them, being dialled, and trying again.

use super::TunnelAddress;
use crate::api::{ApiError, ErrorKind};
use crate::clock::now_ms;
use crate::hub::Errand;
use crate::net::tunnel::TunnelStream;
use crate::net::{Multiserver, ParseAddressError, Target};
use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs::{self, HandshakeError, Secure};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::sync::oneshot;

/// How often it is looked whom to dial, beside whenever somebody comes.
const LOOK: Duration = Duration::from_secs(5);
/// Between somebody's coming and a dial: people come and go in bursts.
const SETTLE: Duration = Duration::from_millis(200);
/// Pause after a first failure; grows with the third power of their number.
const FIRST_PAUSE_MS: u64 = 4_000;
const CUBE_MS: u64 = 10_000;
const MAX_FAILURES: u64 = 16;
/// Tunnels begun by ourselves at a time.
const AT_ONCE: usize = 8;

/// Why nobody is met through a room.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TunnelError {
    #[error("this node is not connected to the room {0}")]
    NotInRoom(FeedId),
    #[error("too many tunnels are open; one has to end first")]
    TooMany,
    #[error("the room answered: {0}")]
    Refused(String),
    #[error("this is the id of this node itself")]
    Myself,
    #[error("you have blocked {0}")]
    Blocked(FeedId),
    #[error("{0}")]
    Handshake(String),
    #[error("the node is closing")]
    Closing,
}

/// How the last try at somebody went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Try {
    failures: u64,
    due: u64,
    /// One is under way, or up.
    busy: bool,
    pub(crate) reason: Option<String>,
}

/// Somebody who is in a room with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) address: TunnelAddress,
    /// Followed within reach, or connected to by the user: dialled without being asked.
    pub(crate) known: bool,
}

impl super::Rooms {
    fn tries(&self) -> MutexGuard<'_, BTreeMap<FeedId, Try>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a try, unless one is under way or it is not time yet.
    fn claim(&self, peer: FeedId, now: u64, only_due: bool) -> bool {
        let mut tries = self.tries();
        let last = tries.entry(peer).or_default();
        if last.busy || (only_due && last.due > now) {
            return false;
        }
        last.busy = true;
        true
    }

    fn failed(&self, peer: FeedId, now: u64, reason: String, random: u8) {
        let mut tries = self.tries();
        let last = tries.entry(peer).or_default();
        last.busy = false;
        last.failures = (last.failures + 1).min(MAX_FAILURES);
        last.reason = Some(reason);
        let pause = FIRST_PAUSE_MS + (last.failures - 1).pow(3) * CUBE_MS;
        last.due = now + pause / 2 + pause * u64::from(random) / 255;
    }

    fn ended(&self, peer: FeedId, now: u64) {
        let again = Try {
            due: now + FIRST_PAUSE_MS,
            ..Try::default()
        };
        self.tries().insert(peer, again);
    }

    /// What is remembered of people who are in no room any more is dropped.
    fn forget_absent(&self) {
        let mut here = std::collections::BTreeSet::new();
        self.each(|_, room| here.extend(room.presence.ids()));
        self.tries().retain(|peer, t| t.busy || here.contains(peer));
    }

    /// Whether a try is under way, or what it led to is up.
    fn is_busy(&self, peer: &FeedId) -> bool {
        self.tries().get(peer).is_some_and(|t| t.busy)
    }

    /// Why somebody in a room could not be met the last time.
    pub(crate) fn last_failure(&self, peer: &FeedId) -> Option<String> {
        self.tries().get(peer)?.reason.clone()
    }
}

impl Node {
    /// Everybody in our rooms whom one could meet, those who are known first:
    /// not this node, nobody blocked, nobody connected already.
    pub(crate) fn room_candidates(&self) -> Vec<Candidate> {
        let inner = self.inner();
        let mut found = Vec::new();
        inner.rooms.each(|portal, room| {
            found.extend(room.presence.ids().map(|target| TunnelAddress {
                portal: *portal,
                target,
            }));
        });
        let chosen = inner.state.chosen_peers().unwrap_or_default();
        let mut candidates: Vec<Candidate> = found
            .into_iter()
            .filter(|a| {
                a.target != self.id()
                    && a.target != a.portal
                    && !inner.policy.is_blocked(&a.target)
                    && !inner.hub.is_connected(&a.target)
            })
            .map(|address| Candidate {
                address,
                known: chosen.contains(&address.target) || inner.policy.is_friend(&address.target),
            })
            .collect();
        candidates.sort_by_key(|c| !c.known);
        candidates
    }

    /// Asks a room for a way to somebody.
    async fn open_tunnel(&self, address: &TunnelAddress) -> Result<TunnelStream, TunnelError> {
        if address.target == self.id() {
            return Err(TunnelError::Myself);
        }
        if self.inner().policy.is_blocked(&address.target) {
            return Err(TunnelError::Blocked(address.target));
        }
        let absent = TunnelError::NotInRoom(address.portal);
        let rooms = &self.inner().rooms;
        let Some(connection) = rooms.connection(&address.portal) else {
            return Err(absent);
        };
        let (answer, opened) = oneshot::channel();
        let errand = Errand::OpenTunnel {
            target: address.target,
            answer,
        };
        self.inner().hub.ask(connection, errand);
        // The sender is dropped with the session.
        opened.await.unwrap_or(Err(absent))
    }

    /// A tunnel with the handshake inside done.
    async fn reach(&self, address: &TunnelAddress) -> Result<(TunnelStream, Secure), TunnelError> {
        let mut stream = self.open_tunnel(address).await?;
        let builder = &self.inner().builder;
        let keys = self.keys().main().clone();
        let limit = builder.handshake_timeout;
        match shs::dial(&mut stream, &keys, &builder.network, address.target, limit).await {
            Ok(secure) => Ok((stream, secure)),
            // What the room said is more to the point than that it hung up.
            Err(error) => Err(match (stream.refusal(), &error) {
                (Some(said), HandshakeError::HungUp { .. }) => TunnelError::Refused(said),
                _ => TunnelError::Handshake(error.to_string()),
            }),
        }
    }

    /// Meets somebody who was claimed, and drives the connection until it ends.
    async fn dial_tunnel(&self, address: TunnelAddress) {
        let rooms = &self.inner().rooms;
        let peer = address.target;
        let reached = tokio::select! {
            reached = self.reach(&address) => reached,
            () = self.inner().stop.cancelled() => Err(TunnelError::Closing),
        };
        match reached {
            Err(error) => {
                let reason = error.to_string();
                let mut random = [0u8; 1];
                let _ = getrandom::fill(&mut random);
                rooms.failed(peer, now_ms(), reason, random[0]);
            }
            Ok((stream, secure)) => {
                self.peer_event(peer, "connected", None);
                let link = Link {
                    stream,
                    secure,
                    address: address.to_string(),
                    outgoing: true,
                    invited: false,
                };
                let why = peer::drive(self, link).await;
                rooms.ended(peer, now_ms());
                self.peer_event(peer, "disconnected", Some(why));
            }
        }
    }

    /// Connects to a peer in any way its address names, and keeps it; answers when
    /// it is up.
    pub(crate) async fn connect_any(
        &self,
        text: &str,
        limit: Duration,
    ) -> Result<FeedId, ApiError> {
        let all: Multiserver = text
            .parse()
            .map_err(|e: ParseAddressError| ApiError::refused(e.to_string()))?;
        let mut targets: Vec<Target> = all.targets().collect();
        targets.dedup();
        match targets.as_slice() {
            [] => Err(ApiError::refused(
                ParseAddressError::new(text, all.why_not()).to_string(),
            )),
            [Target::Tcp(one)] => self.connect(&one.to_string(), true, limit).await,
            [Target::Tunnel(one)] => self.connect_tunnel(one, limit).await,
            many => {
                let share = limit / u32::try_from(many.len()).unwrap_or(u32::MAX).max(1);
                let mut first = None;
                for target in many {
                    let tried = match target {
                        Target::Tcp(one) => self.connect(&one.to_string(), false, share).await,
                        Target::Tunnel(one) => self.connect_tunnel(one, share).await,
                    };
                    match (tried, target) {
                        // Up already: this only has it remembered.
                        (Ok(_), Target::Tcp(one)) => {
                            return self.connect(&one.to_string(), true, limit).await;
                        }
                        (Ok(id), Target::Tunnel(_)) => return Ok(id),
                        (Err(error), _) => first = first.or(Some(error)),
                    }
                }
                Err(first.unwrap_or_else(|| ApiError::refused("there is no way to go")))
            }
        }
    }

    /// Connects to somebody through a room, which is connected to first if need be.
    pub(crate) async fn connect_tunnel(
        &self,
        address: &TunnelAddress,
        limit: Duration,
    ) -> Result<FeedId, ApiError> {
        let work = self.connect_tunnel_now(*address, limit);
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(no_way(
                address,
                &format!("not up within {} s", limit.as_secs()),
            )),
        }
    }

    async fn connect_tunnel_now(
        &self,
        address: TunnelAddress,
        limit: Duration,
    ) -> Result<FeedId, ApiError> {
        let (peer, inner) = (address.target, self.inner());
        if !inner.hub.is_connected(&peer) {
            self.enter_room(address.portal, limit).await?;
            while !inner.rooms.claim(peer, now_ms(), false) {
                // One is under way already: wait for what becomes of it.
                if inner.hub.is_connected(&peer) {
                    return Ok(peer);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let node = self.clone();
            inner
                .tasks
                .spawn(async move { node.dial_tunnel(address).await });
            while !inner.hub.is_connected(&peer) {
                if !inner.rooms.is_busy(&peer) {
                    let failure = inner.rooms.last_failure(&peer);
                    let reason = failure.unwrap_or_else(|| "the connection ended at once".into());
                    return Err(no_way(&address, &reason));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let shown = address.to_string();
        self.blocking(move |n| {
            let known = n.inner().state.know_peer(&shown, &peer, true);
            known.map_err(|e| ApiError::failed("the peer could not be remembered", &e))
        })
        .await?;
        inner.hub.choose(peer);
        Ok(peer)
    }

    /// Waits until we are in a room, and dials it when it is remembered.
    pub(crate) async fn enter_room(&self, room: FeedId, limit: Duration) -> Result<(), ApiError> {
        let inner = self.inner();
        if inner.rooms.connection(&room).is_some() {
            return Ok(());
        }
        if !inner.hub.is_connected(&room) {
            let known = self
                .blocking(move |n| {
                    let peers = n.inner().state.peers();
                    let peers = peers.map_err(|e| crate::calls::state_error(&e))?;
                    Ok(peers.into_iter().find(|p| p.key == room).map(|p| p.address))
                })
                .await?;
            let Some(known) = known else {
                return Err(
                    ApiError::refused(format!("the room {room} is not known here"))
                        .hint("connect to the room first: `studytime peer connect` with its address, or `peer invite` with its invite"),
                );
            };
            self.connect(&known, true, limit).await?;
        }
        // It has to say what it is, and that takes two or three answers.
        let deadline = tokio::time::Instant::now() + limit;
        while inner.rooms.connection(&room).is_none() {
            if tokio::time::Instant::now() >= deadline || !inner.hub.is_connected(&room) {
                return Err(ApiError::refused(format!(
                    "{room} is connected, but does not act as a room"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn no_way(address: &TunnelAddress, reason: &str) -> ApiError {
    ApiError::new(
        ErrorKind::Failed,
        format!(
            "could not meet {} in the room {}: {reason}",
            address.target, address.portal
        ),
    )
    .hint("the other one has to be connected to the same room at this moment; `studytime peer list` shows who is there")
}

/// A room says that somebody wants to talk to us. Boxed: this is called from
/// inside a connection and begins another one.
pub(crate) fn offered(
    node: Node,
    room: FeedId,
    origin: Option<FeedId>,
    mut stream: TunnelStream,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let inner = node.inner();
        let keys = node.keys().main().clone();
        // Who the room says it is, and who proves to be it, must be the same.
        let allow = |peer: &FeedId| origin.is_none_or(|o| o == *peer) && node.may_meet(peer);
        let limit = inner.builder.handshake_timeout;
        let shaken = tokio::select! {
            shaken = shs::accept(&mut stream, &keys, &inner.builder.network, allow, limit) => shaken,
            () = inner.stop.cancelled() => return,
        };
        match shaken {
            Ok(secure) => {
                let peer = secure.peer;
                let address = TunnelAddress {
                    portal: room,
                    target: peer,
                };
                let link = Link {
                    stream,
                    secure,
                    address: address.to_string(),
                    outgoing: false,
                    invited: false,
                };
                node.peer_event(peer, "connected", None);
                let why = peer::drive(&node, link).await;
                node.peer_event(peer, "disconnected", Some(why));
            }
            Err(error) => tracing::debug!("through the room {}: {error}", room.short()),
        }
    })
}

impl Node {
    /// Whether somebody may meet us through a room. Invites are not redeemed there.
    pub(crate) fn may_meet(&self, peer: &FeedId) -> bool {
        let invite = self.inner().state.invite_open(peer).unwrap_or(false);
        !invite && self.may_connect(peer)
    }
}

/// Meets known people in our rooms by itself until the node stops.
pub(crate) fn spawn(node: &Node) {
    let task_node = node.clone();
    node.inner().tasks.spawn(async move {
        let stop = task_node.stopped();
        loop {
            tokio::select! {
                () = task_node.inner().rooms.changed.notified() => {
                    tokio::time::sleep(SETTLE).await;
                }
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            dial_members(&task_node).await;
        }
    });
}

async fn dial_members(node: &Node) {
    let candidates = node.blocking(|n| Ok(n.room_candidates())).await;
    let (rooms, now) = (&node.inner().rooms, now_ms());
    rooms.forget_absent();
    let mut begun = 0;
    for candidate in candidates.unwrap_or_default() {
        if !candidate.known || begun >= AT_ONCE {
            break;
        }
        if !rooms.claim(candidate.address.target, now, true) {
            continue;
        }
        begun += 1;
        let dialler = node.clone();
        node.inner()
            .tasks
            .spawn(async move { dialler.dial_tunnel(candidate.address).await });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rooms;
    use super::*;

    #[test]
    fn a_try_waits_longer_after_each_failure() {
        let rooms = Rooms::default();
        let peer = FeedId::from_bytes([1; 32]);
        assert!(rooms.claim(peer, 0, true));
        assert!(!rooms.claim(peer, 0, false), "one at a time");
        let mut now = 0;
        let mut last = 0;
        for _ in 0..5 {
            rooms.failed(peer, now, "offline".into(), 128);
            assert!(!rooms.claim(peer, now, true));
            let due = rooms.tries()[&peer].due;
            assert!(due - now > last, "longer than before");
            last = due - now;
            assert!(rooms.claim(peer, due, true));
            now = due;
        }
        rooms.failed(peer, now, "offline".into(), 128);
        assert!(rooms.claim(peer, now, false), "a person need not wait");
        rooms.ended(peer, now);
        assert_eq!(rooms.last_failure(&peer), None);
        rooms.forget_absent();
        assert!(rooms.tries().is_empty());
    }
}
