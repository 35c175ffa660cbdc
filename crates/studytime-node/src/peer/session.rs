//! What is going on over one connection: its streams and the jobs behind them.

use super::blobs::{Downloads, Uploads};
use super::feeds::{Arrival, Feeds};
use super::ping::{self, Ping};
use super::probe::Probes;
use super::rooms::RoomSide;
use crate::hub::{Errand, blob_peer};
use crate::nearby::Info;
use crate::node::Node;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use studytime_blobs::wire::{CREATE_WANTS, WantFrame};
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, StreamId};
use studytime_replicate::PeerId;
use studytime_schema::BlobId;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the bytes of a connection are told: at most so long are they behind.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// `ebt.replicate`, whoever called it.
    Ebt,
    /// The peer's `blobs.createWants`: we tell it what we want and have.
    WantsOut,
    /// Our `blobs.createWants`: it tells us.
    WantsIn,
    /// `gossip.ping`, ours or the peer's.
    Ping,
    /// Our `studytime.info`.
    Info,
    /// Our `blobs.get`.
    Download(BlobId),
    /// The peer's `blobs.get`.
    Upload,
    /// The peer's `createHistoryStream`.
    HistoryServe,
    /// Our `createHistoryStream`, by the client's number.
    HistoryFetch(u64),
    /// The peer's call that a job answers.
    Answer,
    /// Our `room.metadata`.
    RoomMetadata,
    /// Our `tunnel.isRoom`.
    IsRoom,
    /// Our `room.attendants`.
    Attendants,
    /// Our `tunnel.endpoints`.
    Endpoints,
    /// `tunnel.connect`, whoever called it.
    Tunnel,
    /// A call of ours whose answer says that the peer has come so far.
    Probe,
    /// A call of ours whose answer says nothing new.
    Ignored,
}

/// A job that ended: work on disk or in another part of the node.
pub(super) enum Done {
    Upload(super::blobs::Read),
    Download(super::blobs::Written),
    Feed(super::feeds::FeedRead),
    /// Room in the byte budget for a frame that waited.
    Permit(Option<tokio::sync::OwnedSemaphorePermit>),
    /// The answer to a call of the peer.
    Answer(StreamId, Result<Body, String>),
}

/// One connection's state.
pub(crate) struct Session {
    pub(super) node: Node,
    pub(super) peer: PeerId,
    pub(super) outgoing: bool,
    pub(super) invited: bool,
    pub(crate) mux: Mux,
    pub(super) uses: HashMap<StreamId, Use>,
    pub(super) jobs: JoinSet<Done>,
    finished: VecDeque<Done>,
    errands: VecDeque<Errand>,
    /// The stream on which the peer wants to hear what we want.
    pub(super) wants_out: Option<StreamId>,
    pub(super) frames_out: VecDeque<Body>,
    /// The peer is slow to take them: no more are made meanwhile.
    wants_held: bool,
    pub(super) feeds: Feeds,
    pub(super) downloads: Downloads,
    pub(super) uploads: Uploads,
    /// Pings we called for, and those the peer called for.
    pub(super) pings: [Option<Ping>; 2],
    pub(super) room: RoomSide,
    /// Who waits for the peer's answers.
    pub(super) probes: Probes,
    /// Wakes the driver of this session.
    pub(super) wake: Arc<Notify>,
    farewell: Option<String>,
    traffic: (u64, u64),
    counted: Instant,
}

impl Session {
    pub(super) fn new(
        node: Node,
        peer: PeerId,
        outgoing: bool,
        invited: bool,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            node,
            peer,
            outgoing,
            invited,
            mux: Mux::new(Limits::default()),
            uses: HashMap::new(),
            jobs: JoinSet::new(),
            finished: VecDeque::new(),
            errands: VecDeque::new(),
            wants_out: None,
            frames_out: VecDeque::new(),
            wants_held: false,
            feeds: Feeds::default(),
            downloads: Downloads::default(),
            uploads: Uploads::default(),
            pings: [None; 2],
            room: RoomSide::default(),
            probes: Probes::default(),
            wake,
            farewell: None,
            traffic: (0, 0),
            counted: Instant::now(),
        }
    }

    pub(super) fn is_invited(&self) -> bool {
        self.invited
    }

    /// The calls every peer makes at once.
    pub(super) fn greet(&mut self) {
        if self.invited {
            return;
        }
        self.open(CallKind::Source, CREATE_WANTS, Use::WantsIn);
        self.ask_info();
        if self.outgoing {
            let args = [serde_json::json!({ "timeout": ping::PAUSE.as_millis() as u64 })];
            if let Ok(id) = self.mux.call(CallKind::Duplex, &["gossip", "ping"], &args) {
                self.uses.insert(id, Use::Ping);
                self.pings[0] = Some(Ping::opened(id, Instant::now()));
            }
        }
    }

    /// Asks what the peer offers, unless that is being asked already.
    fn ask_info(&mut self) {
        if !self.uses.values().any(|purpose| *purpose == Use::Info) {
            self.open(CallKind::Async, &["studytime", "info"], Use::Info);
        }
    }

    pub(super) fn open(&mut self, kind: CallKind, name: &[&str], purpose: Use) {
        if let Ok(id) = self.mux.call(kind, name, &NO_ARGS) {
            self.uses.insert(id, purpose);
        }
    }

    /// Ends everything; partial downloads are kept.
    pub(super) fn close(&mut self) {
        self.flush_count();
        self.close_room();
        self.mux.handle_close();
        let kept = std::mem::take(&mut self.downloads);
        // Not awaited: it must also happen when the runtime is busy closing.
        tokio::task::spawn_blocking(move || kept.interrupt());
        self.jobs.abort_all();
    }

    /// Handles everything that has happened. A text means: leave, and why.
    pub(super) fn work(&mut self) -> Option<String> {
        loop {
            let mut idle = true;
            while let Some(event) = self.mux.poll_event() {
                idle = false;
                self.event(event);
            }
            while let Some(done) = self.finished.pop_front() {
                idle = false;
                self.done(done);
            }
            let mut errands = std::mem::take(&mut self.errands);
            self.node
                .inner()
                .hub
                .errands(self.peer.connection, &mut errands);
            while let Some(errand) = errands.pop_front() {
                idle = false;
                self.errand(errand);
            }
            self.errands = errands;
            self.send_wants();
            self.drive_feeds();
            self.drive_downloads();
            self.drive_uploads();
            idle &= !self.drive_tunnels();
            if idle {
                return self.farewell.take();
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Call { id, call } => self.serve(id, &call),
            Event::Reply { id, body } => self.replied(id, &body),
            Event::Data { id, body } => self.data(id, body),
            Event::Ended { id, end } => self.ended(id, &end),
            Event::Writable { id } => self.feeds.servers.writable(id),
            Event::Goodbye => self.leave("the peer said goodbye"),
            _ => {}
        }
    }

    fn replied(&mut self, id: StreamId, body: &Body) {
        let Some(purpose) = self.uses.remove(&id) else {
            return;
        };
        if purpose == Use::Probe {
            return self.probe_answered();
        }
        if purpose != Use::Info {
            return self.room_replied(purpose, body);
        }
        if let Ok(answer) = body.parse::<serde_json::Value>()
            && let Some(info) = Info::read(&answer)
        {
            self.node.inner().hub.is_studytime(self.peer);
            self.node.offered(self.peer.feed, info);
        }
    }

    fn data(&mut self, id: StreamId, body: Body) {
        match self.uses.get(&id).copied() {
            Some(Use::Ebt) => self.arrived(Arrival::Ebt(id, body.into_bytes())),
            Some(Use::WantsIn) => match WantFrame::parse(body.as_bytes()) {
                Ok(frame) => {
                    let peer = blob_peer(self.peer);
                    self.node
                        .inner()
                        .hub
                        .act(|s, now| s.wants.handle_frame(peer, &frame, now));
                }
                // One bad frame says nothing about the others.
                Err(error) => tracing::debug!("{}: {error}", self.peer.feed.short()),
            },
            Some(Use::Ping) => {
                let ping = self.pings.iter_mut().flatten().find(|p| p.id == id);
                if ping.is_some_and(|p| p.heard(Instant::now())) {
                    let _ = self.mux.send(id, ping_body());
                }
            }
            Some(Use::Download(blob)) => self.download_chunk(id, blob, body.into_bytes()),
            Some(Use::HistoryFetch(call)) => {
                self.arrived(Arrival::Item(call, body.into_bytes()));
            }
            Some(purpose @ (Use::Attendants | Use::Endpoints)) => self.presence(purpose, &body),
            Some(Use::Tunnel) => self.tunnel_data(id, body),
            _ => {}
        }
    }

    fn ended(&mut self, id: StreamId, end: &End) {
        let purpose = self.uses.remove(&id);
        // Duplex streams and sinks stay open on our side until we end them too.
        self.mux.end(id);
        match purpose {
            Some(Use::Ebt) => self.arrived(Arrival::EbtEnd(id)),
            Some(Use::WantsOut) if self.wants_out == Some(id) => self.wants_out = None,
            Some(Use::Ping) => {
                for ping in &mut self.pings {
                    ping.take_if(|p| p.id == id);
                }
            }
            Some(Use::Download(blob)) => self.download_ended(id, blob, end),
            Some(Use::Upload) => self.uploads.forget(id),
            Some(Use::HistoryServe) => self.feeds.servers.remove(id),
            Some(Use::HistoryFetch(call)) => self.history_end(call, end),
            Some(Use::Tunnel) => self.tunnel_ended(id, end),
            Some(Use::Probe) => self.probe_answered(),
            Some(purpose) => self.room_ended(purpose, end),
            None => {}
        }
    }

    fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Wants(frame) => self.frames_out.push_back(Body::raw_json(frame.to_json())),
            Errand::Fetch { blob, max, resume } => self.start_download(blob, max, resume),
            Errand::CancelFetch { blob, keep } => self.cancel_download(&blob, keep),
            Errand::AskInfo => self.ask_info(),
            Errand::Probe(answer) => self.probe(answer),
            Errand::Close(why) => self.leave(&why),
            Errand::OpenTunnel { target, answer } => self.open_tunnel(target, answer),
            feeds => self.feed_errand(feeds),
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Upload(read) => self.upload_read(read),
            Done::Download(written) => self.download_written(written),
            Done::Feed(read) => self.feed_read(read),
            Done::Permit(permit) => self.permitted(permit),
            Done::Answer(id, answer) => {
                self.uses.remove(&id);
                match answer {
                    Ok(body) => drop(self.mux.reply(id, body)),
                    Err(text) => self.mux.fail(id, &text),
                }
                if self.invited {
                    self.leave("the invite was redeemed");
                }
            }
        }
    }

    /// Waits for a job to end. Safe to drop: nothing is lost then.
    pub(super) async fn job_done(&mut self) {
        match self.jobs.join_next().await {
            Some(Ok(done)) => self.finished.push_back(done),
            // Aborted, or a fault in the job: its stream ends by itself.
            Some(Err(error)) => {
                tracing::debug!("a job for {} failed: {error}", self.peer.feed.short())
            }
            None => std::future::pending().await,
        }
    }

    /// Says what we want on the stream the peer opened for it.
    fn send_wants(&mut self) {
        let Some(id) = self.wants_out else { return };
        while let Some(frame) = self.frames_out.front() {
            if self.mux.send(id, frame.clone()).is_err() {
                break;
            }
            self.frames_out.pop_front();
        }
        let held = !self.frames_out.is_empty();
        if held != std::mem::replace(&mut self.wants_held, held) {
            let peer = blob_peer(self.peer);
            let hub = &self.node.inner().hub;
            hub.act(|s, _| s.wants.hold(peer, held));
        }
    }

    pub(super) fn leave(&mut self, why: &str) {
        self.part_from_room();
        self.mux.goodbye();
        self.farewell.get_or_insert_with(|| why.to_owned());
    }

    /// Whether more should be read from the socket.
    pub(super) fn wants_bytes(&self) -> bool {
        self.mux.wants_bytes() && !self.feeds.is_backlogged()
    }

    /// Counts traffic; passed on now and then, as nobody looks at every byte.
    pub(super) fn count(&mut self, received: u64, sent: u64) {
        self.traffic.0 += received;
        self.traffic.1 += sent;
        if self.counted.elapsed() >= COUNT_EVERY {
            self.flush_count();
        }
    }

    fn flush_count(&mut self) {
        let (received, sent) = std::mem::take(&mut self.traffic);
        self.counted = Instant::now();
        self.node
            .inner()
            .hub
            .count(self.peer.connection, received, sent);
        if received > 0 {
            self.node.inner().net.traffic(self.peer.connection);
        }
    }

    /// When [`timer`](Self::timer) is due.
    pub(super) fn next_timer(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let pings = self.pings.iter().flatten().map(|p| p.due);
        let uncounted = (self.traffic != (0, 0)).then_some(self.counted + COUNT_EVERY);
        pings
            .chain(uncounted)
            .chain(self.feeds.next_timer())
            .chain(self.next_room_timer())
            .min()
            .unwrap_or(far)
    }

    pub(super) fn timer(&mut self) {
        for ping in self.pings.iter_mut().flatten() {
            if ping.serve(Instant::now()) {
                let _ = self.mux.send(ping.id, ping_body());
            }
        }
        if self.counted.elapsed() >= COUNT_EVERY {
            self.flush_count();
        }
        self.history_timer();
        self.room_timer();
    }
}

fn ping_body() -> Body {
    Body::raw_json(crate::clock::now_ms().to_string())
}
