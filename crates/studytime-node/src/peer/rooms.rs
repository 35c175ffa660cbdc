//! What a session has to do with rooms: finding out that the peer is one, who is
//! there, and the tunnels through it.

use super::session::{Session, Use};
use crate::net::TunnelAddress;
use crate::net::room::TunnelError;
use crate::net::room::{self, MAX_TUNNELS_PER_ROOM};
use crate::net::tunnel::{MAX_FRAME, Tunnel, TunnelStream, tunnel};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use studytime_muxrpc::{Body, Call, CallKind, End, StreamId};
use studytime_schema::FeedId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// How long the inner end of a tunnel may leave what it got lying. The whole
/// connection to the room waits meanwhile: muxrpc cannot hold back one stream.
const STALLED: Duration = Duration::from_secs(30);
/// How often we tell a room that we are alive, when it has no `gossip.ping`.
const PING_EVERY: Duration = Duration::from_secs(240);

/// Which calls a room understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// `tunnel.announce`, `tunnel.endpoints`.
    One,
    /// `room.attendants`.
    Two,
}

/// A session's part in rooms.
#[derive(Debug, Default)]
pub(super) struct RoomSide {
    /// The peer is a room of this generation.
    is_room: Option<Generation>,
    tunnels: BTreeMap<StreamId, Open>,
    ping_at: Option<Instant>,
}

/// A tunnel that is open.
#[derive(Debug)]
struct Open {
    tunnel: Tunnel,
    /// Held back since.
    held: Option<Instant>,
    /// One of the counted tunnels; given back as soon as our end has ended.
    slot: Option<OwnedSemaphorePermit>,
}

impl Session {
    /// The peer we dialled may be a room.
    pub(super) fn ask_whether_room(&mut self) {
        self.open(CallKind::Async, &["room", "metadata"], Use::RoomMetadata);
    }

    /// An answer to one of the questions of this file.
    pub(super) fn room_replied(&mut self, purpose: Use, body: &Body) {
        let (found, generation) = match purpose {
            Use::RoomMetadata => (room::metadata(body.as_bytes()), Generation::Two),
            Use::IsRoom => (room::is_room(body.as_bytes()), Generation::One),
            _ => return,
        };
        match found {
            Some(name) => self.enter_room(name, generation),
            None if purpose == Use::RoomMetadata => self.ask_the_older_way(),
            None => {}
        }
    }

    /// One of the calls of this file ended without an answer.
    pub(super) fn room_ended(&mut self, purpose: Use, end: &End) {
        match purpose {
            Use::RoomMetadata if *end != End::Done => self.ask_the_older_way(),
            // A room that calls itself one, but is of the first generation.
            Use::Attendants if matches!(end, End::Error(e) if e.is_unsupported()) => {
                self.enter_as(Generation::One);
            }
            Use::Attendants | Use::Endpoints => self.presence_lost(),
            _ => {}
        }
    }

    fn ask_the_older_way(&mut self) {
        self.open(CallKind::Async, &["tunnel", "isRoom"], Use::IsRoom);
    }

    fn enter_room(&mut self, name: Option<String>, generation: Generation) {
        let (room, connection) = (self.peer.feed, self.peer.connection);
        let rooms = &self.node.inner().rooms;
        if !rooms.enter(room, connection, name.clone()) {
            return tracing::debug!("{}: in too many rooms already", room.short());
        }
        let note = match name {
            Some(name) => format!("the room {name:?}"),
            None => "a room".into(),
        };
        self.node.inner().hub.note(connection, Some(note));
        self.enter_as(generation);
        self.node.inner().net.know_room(room);
        let node = self.node.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = node.inner().state.know_room(&room) {
                tracing::warn!("a room could not be remembered: {error}");
            }
        });
    }

    fn enter_as(&mut self, generation: Generation) {
        self.room.is_room = Some(generation);
        self.room.ping_at = Some(Instant::now() + PING_EVERY);
        match generation {
            // Opening it also makes us known to the others.
            Generation::Two => {
                self.open(CallKind::Source, &["room", "attendants"], Use::Attendants);
            }
            Generation::One => {
                self.open(CallKind::Async, &["tunnel", "announce"], Use::Ignored);
                self.open(CallKind::Source, &["tunnel", "endpoints"], Use::Endpoints);
            }
        }
    }

    fn presence_lost(&mut self) {
        let (room, connection) = (self.peer.feed, self.peer.connection);
        self.node.inner().rooms.leave(&room, connection);
    }

    pub(super) fn presence(&mut self, purpose: Use, body: &Body) {
        let (room, connection) = (self.peer.feed, self.peer.connection);
        let told = self
            .node
            .inner()
            .rooms
            .tell(&room, connection, |presence| match purpose {
                Use::Attendants => presence.attendants(body.as_bytes()),
                _ => presence.endpoints(body.as_bytes()),
            });
        if let Err(error) = told {
            tracing::debug!("the room {}: {error}", room.short());
        }
    }

    /// Says goodbye to the room, before goodbye to the peer.
    pub(super) fn part_from_room(&mut self) {
        if self.room.is_room.take() == Some(Generation::One) {
            self.open(CallKind::Async, &["tunnel", "leave"], Use::Ignored);
        }
    }

    /// The connection is over: nobody is in this room any more, tunnels break.
    pub(super) fn close_room(&mut self) {
        self.presence_lost();
        self.room.tunnels.clear();
    }

    fn open_tunnels(&self) -> usize {
        self.room
            .tunnels
            .values()
            .filter(|t| t.slot.is_some())
            .count()
    }

    fn keep_tunnel(&mut self, id: StreamId, slot: OwnedSemaphorePermit) -> TunnelStream {
        let (outer, inner) = tunnel(std::sync::Arc::clone(&self.wake));
        let open = Open {
            tunnel: outer,
            held: None,
            slot: Some(slot),
        };
        self.room.tunnels.insert(id, open);
        self.uses.insert(id, Use::Tunnel);
        inner
    }

    fn tunnel_slot(&self) -> Option<OwnedSemaphorePermit> {
        let few = self.open_tunnels() < MAX_TUNNELS_PER_ROOM;
        few.then(|| self.node.inner().rooms.slot()).flatten()
    }

    /// Asks the room for a way to somebody.
    pub(super) fn open_tunnel(
        &mut self,
        target: FeedId,
        answer: oneshot::Sender<Result<TunnelStream, TunnelError>>,
    ) {
        let address = TunnelAddress {
            portal: self.peer.feed,
            target,
        };
        let opened = match self.tunnel_slot() {
            None => Err(TunnelError::TooMany),
            Some(slot) => {
                let args = json!([{ "portal": address.portal, "target": address.target }]);
                match self
                    .mux
                    .call(CallKind::Duplex, &["tunnel", "connect"], &args)
                {
                    Ok(id) => Ok(self.keep_tunnel(id, slot)),
                    Err(_) => Err(TunnelError::NotInRoom(address.portal)),
                }
            }
        };
        // If nobody waits any more the stream is dropped, and the tunnel ends.
        let _ = answer.send(opened);
    }

    /// The room says that somebody wants to talk to us.
    pub(super) fn serve_tunnel(&mut self, id: StreamId, call: &Call) {
        #[derive(serde::Deserialize)]
        struct Args {
            portal: Option<String>,
            target: String,
            origin: Option<String>,
        }
        if self.room.is_room.is_none() {
            return self.mux.refuse(id);
        }
        let Ok(Some(args)) = call.first_arg::<Args>() else {
            return self.mux.fail(id, "tunnel.connect needs a target");
        };
        let feed = |text: &str| FeedId::parse_lenient(text).ok();
        let is_portal = args.portal.is_none_or(|p| feed(&p) == Some(self.peer.feed));
        if feed(&args.target) != Some(self.node.id()) || !is_portal {
            return self.mux.fail(id, "the tunnel does not lead here");
        }
        // Older rooms do not say who it is; then the handshake tells.
        let origin = match args.origin.as_deref().map(feed) {
            Some(None) => return self.mux.fail(id, "the origin is no feed id"),
            Some(origin) => origin,
            None => None,
        };
        if origin.is_some_and(|origin| !self.node.may_meet(&origin)) {
            return self.mux.fail(id, "the origin is not welcome");
        }
        let Some(slot) = self.tunnel_slot() else {
            return self.mux.fail(id, "too many tunnels");
        };
        let stream = self.keep_tunnel(id, slot);
        let meeting = room::offered(self.node.clone(), self.peer.feed, origin, stream);
        self.node.inner().tasks.spawn(meeting);
    }

    pub(super) fn tunnel_data(&mut self, id: StreamId, body: Body) {
        let Some(open) = self.room.tunnels.get_mut(&id) else {
            return;
        };
        let bytes = body.into_bytes();
        if bytes.len() > MAX_FRAME {
            open.tunnel
                .close(Err("the room sent a frame that is too long".into()));
            open.slot = None;
            self.mux.fail(id, "the frame is too long");
        } else if !open.tunnel.push(bytes) {
            open.held.get_or_insert_with(Instant::now);
            self.mux.pause(id);
        }
    }

    pub(super) fn tunnel_ended(&mut self, id: StreamId, end: &End) {
        if let Some(open) = self.room.tunnels.remove(&id) {
            open.tunnel.close(match end {
                End::Done => Ok(()),
                End::Error(error) => Err(error.message().chars().take(300).collect()),
                _ => Err("the room ended the tunnel".into()),
            });
        }
    }

    /// Moves what waits in the tunnels. Says whether events may have come of it: a
    /// stream that is let go on has some waiting.
    pub(super) fn drive_tunnels(&mut self) -> bool {
        let now = Instant::now();
        let mut stirred = false;
        for (id, open) in &mut self.room.tunnels {
            if open.held.is_some() && open.tunnel.ready() {
                open.held = None;
                self.mux.resume(*id);
                stirred = true;
            }
            if open.slot.is_none() {
                continue;
            }
            while self.mux.writable(*id)
                && let Some(frame) = open.tunnel.pop()
            {
                let _ = self.mux.send(*id, Body::Binary(frame));
            }
            let stalled = open.held.is_some_and(|since| since + STALLED <= now);
            if open.tunnel.is_finished() {
                open.slot = None;
                // The inner end listens no more, so that nothing needs to be held for it.
                open.held = None;
                self.mux.resume(*id);
                self.mux.end(*id);
                stirred = true;
            } else if stalled {
                open.slot = None;
                open.held = None;
                stirred = true;
                open.tunnel.close(Err("this node did not keep up".into()));
                self.mux.fail(*id, "this node does not keep up");
            }
        }
        stirred
    }

    /// When [`room_timer`](Self::room_timer) is due.
    pub(super) fn next_room_timer(&self) -> Option<Instant> {
        let held = self.room.tunnels.values().filter(|t| t.slot.is_some());
        let stalled = held.filter_map(|t| t.held).min().map(|at| at + STALLED);
        [stalled, self.room.ping_at].into_iter().flatten().min()
    }

    pub(super) fn room_timer(&mut self) {
        let now = Instant::now();
        if self.room.ping_at.is_some_and(|at| at <= now) {
            self.room.ping_at = Some(now + PING_EVERY);
            if self.pings[0].is_none() {
                self.open(CallKind::Async, &["tunnel", "ping"], Use::Ignored);
            }
        }
    }
}
