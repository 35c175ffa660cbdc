//! Meeting peers through rooms: whom the scheduler may dial there, the way to
//! them, and being dialled.

use super::{Rooms, TunnelAddress};
use crate::api::{ApiError, ErrorKind};
use crate::hub::Errand;
use crate::net::dial::{DialError, Wire};
use crate::net::schedule::{Candidate, Kind};
use crate::net::tunnel::TunnelStream;
use crate::net::{Multiserver, ParseAddressError, Target};
use crate::node::Node;
use crate::peer::{self, Link};
use crate::shs::{self, HandshakeError, Secure};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::sync::oneshot;

/// How often it is looked who is there, beside whenever somebody comes or goes.
const LOOK: Duration = Duration::from_secs(5);
/// Between somebody's coming and a look: people come and go in bursts.
const SETTLE: Duration = Duration::from_millis(200);
/// Members of rooms that are offered to the scheduler: what rooms say of who is
/// there must not crowd out other addresses.
const MAX_OFFERED: usize = 500;

/// Why a room leads to nobody.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TunnelError {
    #[error("this node is not connected to the room {0}")]
    NotInRoom(FeedId),
    #[error("too many tunnels are open; one has to end first")]
    TooMany,
    #[error("the room answered: {0}")]
    Refused(String),
}

/// Somebody who is in a room with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) address: TunnelAddress,
    /// Followed within reach, or connected to by the user: dialled without being asked.
    pub(crate) known: bool,
}

impl Rooms {
    fn offered(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Everybody in our rooms, those who are known first: not this node, nobody
    /// blocked.
    fn room_members(&self) -> Vec<Member> {
        let inner = self.inner();
        let mut found = Vec::new();
        inner.rooms.each(|portal, room| {
            found.extend(room.presence.ids().map(|target| TunnelAddress {
                portal: *portal,
                target,
            }));
        });
        let chosen = inner.state.chosen_peers().unwrap_or_default();
        let mut members: Vec<Member> = found
            .into_iter()
            .filter(|a| {
                a.target != self.id() && a.target != a.portal && !inner.policy.is_blocked(&a.target)
            })
            .map(|address| Member {
                address,
                known: chosen.contains(&address.target) || inner.policy.is_friend(&address.target),
            })
            .collect();
        members.sort_by_key(|m| !m.known);
        members
    }

    /// Those of them whom one could meet: nobody is connected already.
    pub(crate) fn members_to_meet(&self) -> Vec<Member> {
        let mut members = self.room_members();
        members.retain(|m| !self.inner().hub.is_connected(&m.address.target));
        members
    }

    /// Those of them that are dialled without being asked.
    fn members_to_offer(&self) -> Vec<Candidate> {
        let mut names = BTreeMap::new();
        self.inner().rooms.each(|id, room| {
            let name = room.name.clone().unwrap_or_else(|| id.short());
            names.insert(*id, format!("the room {name}"));
        });
        let members = self.room_members().into_iter();
        let known = members.take_while(|m| m.known).take(MAX_OFFERED);
        known
            .map(|m| Candidate {
                kind: Kind::RoomMember,
                key: m.address.target,
                address: m.address.to_string(),
                source: names.get(&m.address.portal).cloned().unwrap_or_default(),
                socket: None,
            })
            .collect()
    }

    /// Asks a room for a way to somebody.
    async fn open_tunnel(&self, address: &TunnelAddress) -> Result<TunnelStream, TunnelError> {
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
        let shown = address.to_string();
        if !inner.hub.is_connected(&peer) {
            self.enter_room(address.portal, limit).await?;
            // Whoever is not dialled without being asked is taken back later on.
            inner.rooms.offered().insert(shown.clone());
            let candidate = Candidate {
                kind: Kind::RoomMember,
                key: peer,
                address: shown.clone(),
                source: "typed".into(),
                socket: None,
            };
            let up = self.bring_up(candidate, limit).await;
            up.map_err(|reason| no_way(&address, &reason))?;
        }
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
        let deadline = tokio::time::Instant::now() + limit * 4 / 5;
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
        // It has to say what it is, and that takes two or three answers. Before the
        // caller's own time is up, so that the reason is told.
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

/// A tunnel with the handshake inside done.
pub(in crate::net) async fn reach(
    node: &Node,
    address: &TunnelAddress,
) -> Result<(Wire, Secure), DialError> {
    let mut stream = node.open_tunnel(address).await?;
    let builder = &node.inner().builder;
    let keys = node.keys().main().clone();
    let limit = builder.handshake_timeout;
    match shs::dial(&mut stream, &keys, &builder.network, address.target, limit).await {
        Ok(secure) => Ok((Box::new(stream), secure)),
        // What the room said is more to the point than that it hung up.
        Err(error) => Err(match (stream.refusal(), &error) {
            (Some(said), HandshakeError::HungUp { .. }) => TunnelError::Refused(said).into(),
            _ => error.into(),
        }),
    }
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

/// Tells the scheduler whom it may meet in our rooms, until the node stops.
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
            offer_members(&task_node).await;
        }
    });
}

async fn offer_members(node: &Node) {
    let found = node.blocking(|n| Ok(n.members_to_offer())).await;
    let found = found.unwrap_or_default();
    let here: BTreeSet<String> = found.iter().map(|c| c.address.clone()).collect();
    let before = std::mem::replace(&mut *node.inner().rooms.offered(), here.clone());
    for address in before.difference(&here) {
        node.withdraw_peer(Kind::RoomMember, address);
    }
    for candidate in found {
        node.offer_peer(candidate);
    }
}
