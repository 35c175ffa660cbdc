//! Feeds over one connection: EBT, and `createHistoryStream` in both roles.

use super::session::{Done, Session, Use};
use crate::clock::now_ms;
use crate::hub::Errand;
use crate::writer::{Received, Source};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use studytime_muxrpc::{Body, Call, CallKind, StreamId};
use studytime_replicate::ebt::Payload;
use studytime_replicate::history::{ClientConfig, ClientOutput, ServerOutput};
use studytime_replicate::store::Shunned;
use studytime_replicate::wire::{
    CREATE_HISTORY_STREAM, HistoryRequest, REPLICATE_ARGS, check_replicate_args,
};
use studytime_replicate::{HistoryClient, HistoryServer, StoredMessage};
use studytime_schema::FeedId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Bytes of messages given to EBT's stream at a time.
const ROOM: usize = 256 * 1024;
/// EBT gets new room when less than this waits to be sent.
const LOW: usize = 64 * 1024;

/// Who asked for messages from the store.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Ebt,
    History(StreamId),
}

/// Messages a job read.
pub(super) struct FeedRead {
    asker: Asker,
    feed: FeedId,
    messages: Vec<StoredMessage>,
}

/// The feed streams of a connection.
#[derive(Default)]
pub(super) struct Feeds {
    ebt: Option<StreamId>,
    /// What EBT gave out and the stream has not taken yet.
    unsent: VecDeque<Payload>,
    /// Bytes EBT gave out since it last got room.
    given: usize,
    /// Frames that wait for their share of the byte budget.
    frames: VecDeque<Bytes>,
    permit: Option<OwnedSemaphorePermit>,
    waiting_for_permit: bool,
    servers: HashMap<StreamId, HistoryServer>,
    client: Option<HistoryClient>,
    calls: HashMap<u64, StreamId>,
}

impl Feeds {
    /// Whether frames wait for the disk: then the socket is not read.
    pub(super) fn is_backlogged(&self) -> bool {
        !self.frames.is_empty()
    }

    pub(super) fn forget_server(&mut self, id: StreamId) {
        self.servers.remove(&id);
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let at = self.client.as_ref()?.poll_timeout()?;
        Some(Instant::now() + Duration::from_millis(at.saturating_sub(now_ms())))
    }
}

impl Session {
    pub(super) fn feed_errand(&mut self, errand: Errand) {
        match errand {
            Errand::OpenEbt => self.open_ebt(),
            Errand::RestartEbt => {
                if let Some(id) = self.feeds.ebt.take() {
                    self.uses.remove(&id);
                    self.mux.end(id);
                }
                self.feeds.unsent.clear();
            }
            Errand::Ebt(payload) => self.feeds.unsent.push_back(payload),
            Errand::ReadFeed {
                feed,
                from,
                max_count,
                max_bytes,
            } => {
                self.read_feed(Asker::Ebt, feed, from, max_count, max_bytes);
            }
            Errand::Fallback(reason) => {
                tracing::debug!(
                    "{}: {reason}; using createHistoryStream",
                    self.peer.feed.short()
                );
                let wanted = self
                    .node
                    .inner()
                    .hub
                    .act(|s, _| s.ebt.wanted().collect::<Vec<_>>());
                self.node.inner().hub.uses_history(self.peer.connection);
                let client = self
                    .feeds
                    .client
                    .get_or_insert_with(|| HistoryClient::new(ClientConfig::default()));
                for (feed, want) in wanted.iter().filter(|(_, w)| w.receive) {
                    // Of a locked own feed, also the last message that is here:
                    // a peer that sends the same one confirms it.
                    let from = self.node.inner().hub.shown(feed);
                    client.want(*feed, from, want.priority, now_ms());
                }
            }
            Errand::FetchHistory { feed, from } => {
                self.node.inner().hub.uses_history(self.peer.connection);
                let client = self
                    .feeds
                    .client
                    .get_or_insert_with(|| HistoryClient::new(ClientConfig::default()));
                client.fetch_once(feed, from.saturating_sub(1), now_ms());
            }
            Errand::Appended { feed, tip, shown } => {
                for server in self.feeds.servers.values_mut().filter(|s| s.feed() == feed) {
                    server.appended(shown);
                }
                if let Some(client) = &mut self.feeds.client {
                    client.appended(&feed, tip);
                }
            }
            Errand::Ingested { feed, tip, outcome } => {
                if let Some(client) = &mut self.feeds.client {
                    client.handle_ingested(&feed, tip, outcome, now_ms());
                }
            }
            _ => {}
        }
    }

    fn open_ebt(&mut self) {
        let args = serde_json::value::RawValue::from_string(REPLICATE_ARGS.to_owned());
        let called = args.ok().and_then(|args| {
            self.mux
                .call_raw(CallKind::Duplex, &["ebt", "replicate"], &args)
                .ok()
        });
        if let Some(id) = called {
            self.uses.insert(id, Use::Ebt);
            self.feeds.ebt = Some(id);
        }
    }

    pub(super) fn serve_ebt(&mut self, id: StreamId, call: &Call) {
        if let Err(error) = check_replicate_args(call.args_json()) {
            return self.mux.fail(id, &error.to_string());
        }
        let peer = self.peer;
        // A second stream replaces the first; what waited belongs to that one.
        if let Some(old) = self.feeds.ebt.take() {
            self.uses.remove(&old);
            self.mux.fail(old, "reconnected to peer");
        }
        self.feeds.unsent.clear();
        self.uses.insert(id, Use::Ebt);
        self.feeds.ebt = Some(id);
        if let Err(error) = self
            .node
            .inner()
            .hub
            .act(|s, now| s.ebt.handle_open(peer, now))
        {
            self.uses.remove(&id);
            self.feeds.ebt = None;
            self.mux.fail(id, &error.to_string());
        }
    }

    pub(super) fn ebt_frame(&mut self, frame: Bytes) {
        self.feeds.frames.push_back(frame);
    }

    pub(super) fn ebt_ended(&mut self, id: StreamId) {
        if self.feeds.ebt != Some(id) {
            return;
        }
        self.feeds.ebt = None;
        self.feeds.unsent.clear();
        let peer = self.peer;
        self.node
            .inner()
            .hub
            .act(|s, now| s.ebt.handle_closed(peer, now));
    }

    pub(super) fn permitted(&mut self, permit: Option<OwnedSemaphorePermit>) {
        if permit.is_some() {
            self.feeds.waiting_for_permit = false;
            self.feeds.permit = permit;
        }
    }

    /// Moves frames in, messages out.
    pub(super) fn drive_feeds(&mut self) {
        self.take_frames();
        self.send_ebt();
        self.drive_servers();
        self.drive_client();
    }

    /// Hands frames to EBT, each with a share of the bytes that may be between
    /// socket and disk.
    fn take_frames(&mut self) {
        while let Some(frame) = self.feeds.frames.front() {
            let size = u32::try_from(frame.len())
                .unwrap_or(u32::MAX)
                .min(crate::writer::MAX_PERMIT);
            let permit = match self.feeds.permit.take() {
                Some(permit) => permit,
                None => {
                    let budget = std::sync::Arc::clone(self.node.inner().writer.budget());
                    match std::sync::Arc::clone(&budget).try_acquire_many_owned(size) {
                        Ok(permit) => permit,
                        Err(_) => {
                            if !std::mem::replace(&mut self.feeds.waiting_for_permit, true) {
                                self.jobs.spawn(async move {
                                    Done::Permit(budget.acquire_many_owned(size).await.ok())
                                });
                            }
                            return;
                        }
                    }
                }
            };
            let Some(frame) = self.feeds.frames.pop_front() else {
                return;
            };
            let peer = self.peer;
            let taken = self
                .node
                .inner()
                .hub
                .act(|s, now| s.ebt.handle_frame(peer, &frame, now));
            self.node.ship_ingest(Some(permit));
            if let Err(error) = taken {
                self.feeds.frames.clear();
                if let Some(id) = self.feeds.ebt.take() {
                    self.uses.remove(&id);
                    self.mux.fail(id, &error.to_string());
                    self.node
                        .inner()
                        .hub
                        .act(|s, now| s.ebt.handle_closed(peer, now));
                }
            }
        }
    }

    fn send_ebt(&mut self) {
        let Some(id) = self.feeds.ebt else { return };
        while let Some(payload) = self.feeds.unsent.front() {
            let bytes = Bytes::copy_from_slice(payload.as_bytes());
            let len = bytes.len();
            if self.mux.send(id, Body::raw_json(bytes)).is_err() {
                return;
            }
            self.feeds.given += len;
            self.feeds.unsent.pop_front();
        }
        if self.feeds.given > 0 && self.mux.queued_bytes() < LOW {
            self.feeds.given = 0;
            let peer = self.peer;
            self.node.inner().hub.act(|s, _| s.ebt.writable(peer, ROOM));
        }
    }

    fn read_feed(
        &mut self,
        asker: Asker,
        feed: FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) {
        let node = self.node.clone();
        self.jobs.spawn_blocking(move || {
            let messages = node.inner().feeds.read(&feed, from, max_count, max_bytes);
            if let Err(error) = &messages {
                node.trouble(format!("the log could not be read: {error}"));
            }
            Done::Feed(FeedRead {
                asker,
                feed,
                messages: messages.unwrap_or_default(),
            })
        });
    }

    pub(super) fn feed_read(&mut self, read: FeedRead) {
        match read.asker {
            Asker::Ebt => {
                let peer = self.peer;
                self.node
                    .inner()
                    .hub
                    .act(|s, _| s.ebt.handle_read(peer, &read.feed, &read.messages));
            }
            Asker::History(id) => {
                if let Some(server) = self.feeds.servers.get_mut(&id) {
                    server.handle_read(&read.messages);
                }
            }
        }
    }

    pub(super) fn serve_history(&mut self, id: StreamId, call: &Call) {
        let request = match HistoryRequest::from_args(call.args_json()) {
            Ok(request) => request,
            Err(error) => return self.mux.fail(id, &error.to_string()),
        };
        let tip = self.node.inner().hub.shown(&request.feed);
        let allowed = self
            .node
            .inner()
            .hub
            .may_see(&request.feed, &self.peer.feed, self.known);
        self.uses.insert(id, Use::HistoryServe);
        self.node.inner().hub.uses_history(self.peer.connection);
        self.feeds
            .servers
            .insert(id, HistoryServer::new(request, tip, allowed, ROOM));
    }

    fn drive_servers(&mut self) {
        let ids: Vec<StreamId> = self.feeds.servers.keys().copied().collect();
        for id in ids {
            if !self.mux.writable(id) {
                continue;
            }
            let Some(server) = self.feeds.servers.get_mut(&id) else {
                continue;
            };
            server.writable(ROOM);
            while let Some(output) = self
                .feeds
                .servers
                .get_mut(&id)
                .and_then(HistoryServer::poll_output)
            {
                match output {
                    ServerOutput::Send(item) => {
                        // A read is at most ROOM, half of what a stream takes.
                        let _ = self.mux.send(id, Body::raw_json(item));
                    }
                    ServerOutput::Read {
                        feed,
                        from,
                        max_count,
                        max_bytes,
                    } => {
                        self.read_feed(Asker::History(id), feed, from, max_count, max_bytes);
                    }
                    ServerOutput::End => {
                        self.mux.end(id);
                        self.feeds.servers.remove(&id);
                    }
                    _ => {}
                }
            }
        }
    }

    fn drive_client(&mut self) {
        let Some(mut client) = self.feeds.client.take() else {
            return;
        };
        while let Some(output) = client.poll_output() {
            match output {
                ClientOutput::Call { call, request } => {
                    self.call_history(call, &request, &mut client)
                }
                ClientOutput::Cancel { call } => {
                    if let Some(id) = self.feeds.calls.remove(&call) {
                        self.uses.remove(&id);
                        self.mux.end(id);
                    }
                }
                ClientOutput::Ingest {
                    feed,
                    sequence,
                    wire,
                } => self.node.inner().writer.ingest(Received {
                    feed,
                    sequence,
                    wire,
                    from: Source::Peer(self.peer),
                    permit: None,
                }),
                ClientOutput::Shun {
                    feed,
                    sequence,
                    fork,
                } => {
                    self.node.inner().hub.shun(Shunned {
                        peer: self.peer.feed,
                        feed,
                        sequence,
                        fork,
                        at: now_ms(),
                    });
                }
                _ => {}
            }
        }
        if !client.is_empty() {
            self.feeds.client = Some(client);
        }
    }

    fn call_history(&mut self, call: u64, request: &HistoryRequest, client: &mut HistoryClient) {
        let args = serde_json::value::RawValue::from_string(request.to_args());
        let called = args.ok().and_then(|args| {
            self.mux
                .call_raw(CallKind::Source, CREATE_HISTORY_STREAM, &args)
                .ok()
        });
        match called {
            Some(id) => {
                self.uses.insert(id, Use::HistoryFetch(call));
                self.feeds.calls.insert(call, id);
            }
            None => client.handle_end(call, false, now_ms()),
        }
    }

    pub(super) fn history_item(&mut self, call: u64, item: &Bytes) {
        if let Some(client) = &mut self.feeds.client {
            client.handle_item(call, item, now_ms());
        }
    }

    pub(super) fn history_ended(&mut self, call: u64, ok: bool) {
        self.feeds.calls.remove(&call);
        if let Some(client) = &mut self.feeds.client {
            client.handle_end(call, ok, now_ms());
        }
    }

    pub(super) fn history_timer(&mut self) {
        if let Some(client) = &mut self.feeds.client {
            client.handle_timeout(now_ms());
        }
    }
}
