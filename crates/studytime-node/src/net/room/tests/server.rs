//! A room over real TCP, small but whole: presence in both generations, and bytes
//! passed on between members. It can also lie.

use crate::shs::{self, Secure};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use studytime_muxrpc::{Body, Call, CallKind, End, Event, Limits, Mux, StreamId};
use studytime_schema::{FeedId, Keypair, NetworkKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Which sort of room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    One,
    Two,
    /// Answers `room.metadata`, but has no `room.attendants`.
    TwoInNameOnly,
}

enum Tell {
    Presence(Value),
    Open {
        link: u64,
        target: FeedId,
        origin: FeedId,
    },
    Bytes {
        link: u64,
        bytes: Bytes,
    },
    End {
        link: u64,
        error: Option<String>,
    },
    HangUp,
}

#[derive(Default)]
struct Shared {
    members: BTreeMap<FeedId, UnboundedSender<Tell>>,
    /// Those who can be reached.
    present: BTreeSet<FeedId>,
    links: BTreeMap<u64, [FeedId; 2]>,
    next: u64,
    /// Says that everybody is this one.
    lie: Option<FeedId>,
    /// What was called, by whom.
    calls: Vec<(FeedId, String)>,
    /// Bytes passed on, and the longest frame.
    carried: u64,
    longest: usize,
    empty: bool,
}

/// A running room; ends with the test's runtime.
#[derive(Clone)]
pub(super) struct RoomServer {
    shared: Arc<Mutex<Shared>>,
    pub(super) id: FeedId,
    at: SocketAddr,
}

impl RoomServer {
    pub(super) async fn start(kind: Kind, network: NetworkKey, seed: u8) -> Self {
        let keys = Keypair::from_seed(&[seed; 32]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let room = Self {
            shared: Arc::default(),
            id: keys.id(),
            at: listener.local_addr().unwrap(),
        };
        let server = room.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, keys) = (server.clone(), keys.clone());
                tokio::spawn(async move { server.member(stream, &keys, network, kind).await });
            }
        });
        room
    }

    pub(super) fn address(&self) -> String {
        format!(
            "net:{}~shs:{}",
            self.at,
            self.id.to_bare().trim_end_matches(".ed25519")
        )
    }

    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        f(&mut self.shared.lock().unwrap())
    }

    pub(super) fn lie(&self, origin: FeedId) {
        self.with(|s| s.lie = Some(origin));
    }

    pub(super) fn present(&self) -> Vec<FeedId> {
        self.with(|s| s.present.iter().copied().collect())
    }

    pub(super) fn was_called(&self, method: &str) -> bool {
        self.with(|s| s.calls.iter().any(|(_, m)| m == method))
    }

    /// Bytes passed on, the longest frame, and whether one was empty.
    pub(super) fn carried(&self) -> (u64, usize, bool) {
        self.with(|s| (s.carried, s.longest, s.empty))
    }

    /// Links that are open.
    pub(super) fn links(&self) -> usize {
        self.with(|s| s.links.len())
    }

    pub(super) fn hang_up_on(&self, member: &FeedId) {
        self.tell(member, Tell::HangUp);
    }

    /// A call of `tunnel.connect` that nobody made.
    pub(super) fn offer(&self, target: FeedId, origin: FeedId) -> u64 {
        let link = self.with(|s| {
            s.next += 1;
            s.links.insert(s.next, [target, target]);
            s.next
        });
        self.tell(
            &target,
            Tell::Open {
                link,
                target,
                origin,
            },
        );
        link
    }

    fn tell(&self, member: &FeedId, what: Tell) -> bool {
        self.with(|s| s.members.get(member).is_some_and(|m| m.send(what).is_ok()))
    }

    fn show(&self, member: FeedId, kind: Kind, here: bool) {
        let everybody = self.with(|s| {
            match here {
                true => s.present.insert(member),
                false => s.present.remove(&member),
            };
            s.members.clone()
        });
        let frame = match (kind, here) {
            (Kind::Two, true) => json!({"type": "joined", "id": member}),
            (Kind::Two, false) => json!({"type": "left", "id": member}),
            _ => json!(self.present()),
        };
        for (other, tell) in everybody {
            if other != member {
                let _ = tell.send(Tell::Presence(frame.clone()));
            }
        }
    }

    async fn member(self, mut stream: TcpStream, keys: &Keypair, network: NetworkKey, kind: Kind) {
        let limit = Duration::from_secs(10);
        let Ok(secure) = shs::accept(&mut stream, keys, &network, |_| true, limit).await else {
            return;
        };
        let peer = secure.peer;
        let (tell, told) = unbounded_channel();
        self.with(|s| s.members.insert(peer, tell));
        let mut seat = Seat {
            room: self.clone(),
            kind,
            peer,
            mux: Mux::new(Limits::default()),
            presence: None,
            links: BTreeMap::new(),
        };
        seat.run(stream, secure, told).await;
        self.with(|s| s.members.remove(&peer));
        for link in seat.links.into_values() {
            self.end(peer, link, Some("the other side is gone".into()));
        }
        self.show(peer, kind, false);
    }

    fn other(&self, me: FeedId, link: u64) -> Option<FeedId> {
        let [a, b] = self.with(|s| s.links.get(&link).copied())?;
        Some(if a == me { b } else { a })
    }

    fn end(&self, me: FeedId, link: u64, error: Option<String>) {
        if let Some(other) = self.other(me, link) {
            self.with(|s| s.links.remove(&link));
            if other != me {
                self.tell(&other, Tell::End { link, error });
            }
        }
    }
}

/// One member's connection.
struct Seat {
    room: RoomServer,
    kind: Kind,
    peer: FeedId,
    mux: Mux,
    presence: Option<StreamId>,
    links: BTreeMap<StreamId, u64>,
}

impl Seat {
    async fn run(&mut self, stream: TcpStream, secure: Secure, mut told: UnboundedReceiver<Tell>) {
        let (mut reader, mut writer) = stream.into_split();
        let Secure {
            mut seal, mut open, ..
        } = secure;
        let (mut incoming, mut plain, mut out) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            while let Some(event) = self.mux.poll_event() {
                self.event(event);
            }
            plain.clear();
            out.clear();
            while self.mux.poll_transmit(&mut plain, 64 * 1024) > 0 {}
            if !plain.is_empty() {
                seal.seal(&plain, &mut out);
                if writer.write_all(&out).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                read = reader.read_buf(&mut incoming) => {
                    if !matches!(read, Ok(n) if n > 0) {
                        return;
                    }
                    plain.clear();
                    let Ok(used) = open.open(&incoming, &mut plain) else { return };
                    incoming.drain(..used);
                    if self.mux.handle_bytes(&plain).is_err() || open.is_done() {
                        return;
                    }
                }
                told = told.recv() => match told {
                    Some(Tell::HangUp) | None => return,
                    Some(told) => self.told(told),
                },
            }
        }
    }

    fn stream_of(&self, link: u64) -> Option<StreamId> {
        let found = self.links.iter().find(|(_, l)| **l == link);
        found.map(|(id, _)| *id)
    }

    fn told(&mut self, what: Tell) {
        match what {
            Tell::Presence(frame) => {
                if let Some(id) = self.presence {
                    let _ = self.mux.send(id, Body::raw_json(frame.to_string()));
                }
            }
            Tell::Open {
                link,
                target,
                origin,
            } => {
                let origin = self.room.with(|s| s.lie).unwrap_or(origin);
                let args = json!([{ "portal": self.room.id, "target": target, "origin": origin }]);
                let id = self
                    .mux
                    .call(CallKind::Duplex, &["tunnel", "connect"], &args)
                    .unwrap();
                self.links.insert(id, link);
            }
            Tell::Bytes { link, bytes } => {
                if let Some(id) = self.stream_of(link) {
                    // A test moves less than the queue holds.
                    self.mux.send(id, Body::Binary(bytes)).unwrap();
                }
            }
            Tell::End { link, error } => {
                if let Some(id) = self.stream_of(link) {
                    self.links.remove(&id);
                    match error {
                        Some(text) => self.mux.fail(id, &text),
                        None => self.mux.end(id),
                    }
                }
            }
            Tell::HangUp => {}
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Call { id, call } => self.serve(id, &call),
            Event::Data { id, body } => {
                if let Some(link) = self.links.get(&id).copied()
                    && let Some(other) = self.room.other(self.peer, link)
                {
                    let bytes = body.into_bytes();
                    self.room.with(|s| {
                        s.carried += bytes.len() as u64;
                        s.longest = s.longest.max(bytes.len());
                        s.empty |= bytes.is_empty();
                    });
                    if other != self.peer {
                        self.room.tell(&other, Tell::Bytes { link, bytes });
                    }
                }
            }
            Event::Ended { id, end } => {
                self.mux.end(id);
                if let Some(link) = self.links.remove(&id) {
                    let error = match end {
                        End::Error(e) => Some(e.message().to_owned()),
                        _ => None,
                    };
                    self.room.end(self.peer, link, error);
                }
            }
            _ => {}
        }
    }

    fn serve(&mut self, id: StreamId, call: &Call) {
        let method = call.method().to_owned();
        self.room
            .with(|s| s.calls.push((self.peer, method.clone())));
        let two = self.kind == Kind::Two;
        let json = |value: &Value| Body::raw_json(value.to_string());
        match method.as_str() {
            "room.metadata" if self.kind != Kind::One => {
                let meta = json!({"name": "Mossland", "membership": false, "features": ["tunnel", "room1", "alias"]});
                self.mux.reply(id, json(&meta)).unwrap();
            }
            "tunnel.isRoom" => self.mux.reply(id, json(&json!(true))).unwrap(),
            "tunnel.announce" if !two => {
                self.mux.reply(id, json(&json!(true))).unwrap();
                self.room.show(self.peer, self.kind, true);
            }
            "tunnel.leave" if !two => {
                // Its goodbye is here already.
                let _ = self.mux.reply(id, json(&json!(true)));
                self.room.show(self.peer, self.kind, false);
            }
            "room.attendants" if two => {
                self.presence = Some(id);
                self.room.show(self.peer, self.kind, true);
                let state = json!({"type": "state", "ids": self.room.present()});
                self.mux.send(id, json(&state)).unwrap();
            }
            "tunnel.endpoints" if !two => {
                self.presence = Some(id);
                self.mux
                    .send(id, json(&json!(self.room.present())))
                    .unwrap();
            }
            "tunnel.connect" => self.connect(id, call),
            _ => self.mux.refuse(id),
        }
    }

    fn connect(&mut self, id: StreamId, call: &Call) {
        let args: Value = call.first_arg().unwrap().unwrap();
        let target: FeedId = args["target"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            args["portal"].as_str(),
            Some(self.room.id.to_string().as_str())
        );
        if !self.room.with(|s| s.present.contains(&target)) {
            return self.mux.fail(id, &format!("could not connect to:{target}"));
        }
        let link = self.room.with(|s| {
            s.next += 1;
            s.links.insert(s.next, [self.peer, target]);
            s.next
        });
        self.links.insert(id, link);
        self.room.tell(
            &target,
            Tell::Open {
                link,
                target,
                origin: self.peer,
            },
        );
    }
}
