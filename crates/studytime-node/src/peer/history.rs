//! `createHistoryStream` over one connection, in both roles: for peers that do
//! not speak EBT, and for feeds that EBT could not get.

use super::feeds::{Arrival, Asker, ROOM, ToRead};
use super::session::{Session, Use};
use crate::clock::now_ms;
use crate::hub::Errand;
use crate::writer::{Received, Source};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use studytime_muxrpc::{Body, Call, CallKind, End, StreamId};
use studytime_replicate::history::{ClientConfig, ClientOutput, ServerOutput};
use studytime_replicate::store::Shunned;
use studytime_replicate::wire::{CREATE_HISTORY_STREAM, HistoryRequest};
use studytime_replicate::{HistoryClient, HistoryServer, StoredMessage};
use studytime_schema::FeedId;
use tokio::sync::OwnedSemaphorePermit;

/// Reads from the store at a time for one peer's history streams: some peers open
/// one for each feed.
const MAX_READS: usize = 4;

/// The peer's history streams.
#[derive(Default)]
pub(super) struct Servers {
    open: HashMap<StreamId, HistoryServer>,
    of: HashMap<FeedId, Vec<StreamId>>,
    /// Those that may have something to do.
    ready: BTreeSet<StreamId>,
    /// Reads that wait for their turn.
    to_read: VecDeque<(StreamId, ToRead)>,
    reading: usize,
}

impl Servers {
    fn insert(&mut self, id: StreamId, server: HistoryServer) {
        self.of.entry(server.feed()).or_default().push(id);
        self.open.insert(id, server);
        self.ready.insert(id);
    }

    pub(super) fn remove(&mut self, id: StreamId) {
        self.ready.remove(&id);
        let Some(server) = self.open.remove(&id) else {
            return;
        };
        if let Some(ids) = self.of.get_mut(&server.feed()) {
            ids.retain(|i| *i != id);
            if ids.is_empty() {
                self.of.remove(&server.feed());
            }
        }
    }

    fn appended(&mut self, feed: &FeedId, shown: u64) {
        for id in self.of.get(feed).into_iter().flatten() {
            if let Some(server) = self.open.get_mut(id) {
                server.appended(shown);
                self.ready.insert(*id);
            }
        }
    }

    /// A stream takes bytes again.
    pub(super) fn writable(&mut self, id: StreamId) {
        if self.open.contains_key(&id) {
            self.ready.insert(id);
        }
    }
}

/// Our history streams.
#[derive(Default)]
pub(super) struct Client {
    machine: Option<HistoryClient>,
    /// All that is wanted is fetched in this way.
    all: bool,
    calls: HashMap<u64, StreamId>,
}

impl Client {
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.machine.as_ref()?.poll_timeout()
    }

    fn machine(&mut self) -> &mut HistoryClient {
        self.machine
            .get_or_insert_with(|| HistoryClient::new(ClientConfig::default()))
    }
}

impl Session {
    pub(super) fn history_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Fallback(reason) => {
                tracing::debug!(
                    "{}: {reason}; using createHistoryStream",
                    self.peer.feed.short()
                );
                self.feeds.client.all = true;
                let hub = &self.node.inner().hub;
                hub.uses_history(self.peer.connection);
                let wanted = hub.act(|s, _| s.ebt.wanted().map(|(f, _)| f).collect::<Vec<_>>());
                self.history_wants(&wanted);
            }
            Errand::EbtWorks => {
                self.feeds.client.all = false;
                if let Some(client) = &mut self.feeds.client.machine {
                    client.stop(now_ms());
                }
            }
            Errand::Wanted(feeds) if self.feeds.client.all => self.history_wants(&feeds),
            Errand::FetchHistory { feed, from } => {
                self.node.inner().hub.uses_history(self.peer.connection);
                let client = self.feeds.client.machine();
                client.fetch_once(feed, from.saturating_sub(1), now_ms());
            }
            Errand::Appended { feed, tip, shown } => {
                self.feeds.servers.appended(&feed, shown);
                if let Some(client) = &mut self.feeds.client.machine {
                    client.appended(&feed, tip);
                }
            }
            Errand::Ingested { feed, tip, outcome } => {
                if let Some(client) = &mut self.feeds.client.machine {
                    client.handle_ingested(&feed, tip, outcome, now_ms());
                }
            }
            _ => {}
        }
    }

    /// Begins to fetch these feeds, or no longer does, as they are wanted now.
    fn history_wants(&mut self, feeds: &[FeedId]) {
        let peer = self.peer;
        // Of a locked own feed, also the last message that is here: a peer that
        // sends the same one confirms it.
        let wants: Vec<_> = self.node.inner().hub.act(|s, _| {
            let wants = feeds.iter().map(|f| (*f, s.ebt.may_fetch(peer, f)));
            wants.collect()
        });
        let client = self.feeds.client.machine();
        for (feed, want) in wants {
            match want {
                Some((priority, from)) => client.want(feed, from, priority, now_ms()),
                None => client.remove(&feed, now_ms()),
            }
        }
    }

    pub(super) fn serve_history(&mut self, id: StreamId, call: &Call) {
        let request = match HistoryRequest::from_args(call.args_json()) {
            Ok(request) => request,
            Err(error) => return self.mux.fail(id, &error.to_string()),
        };
        let hub = &self.node.inner().hub;
        // Before the tip is looked up: what is appended after that is told.
        hub.uses_history(self.peer.connection);
        let tip = hub.shown(&request.feed);
        let allowed = hub.may_see(&request.feed, self.peer);
        self.uses.insert(id, Use::HistoryServe);
        let server = HistoryServer::new(request, tip, allowed, ROOM);
        self.feeds.servers.insert(id, server);
    }

    pub(super) fn drive_servers(&mut self) {
        while let Some(id) = self.feeds.servers.ready.pop_first() {
            // Asked before each item: a stream that takes no more says when it
            // does again, and no item may be lost on the way.
            while self.mux.writable(id) {
                let Some(server) = self.feeds.servers.open.get_mut(&id) else {
                    break;
                };
                server.writable(ROOM);
                match server.poll_output() {
                    Some(ServerOutput::Send(item)) => {
                        let _ = self.mux.send(id, Body::raw_json(item));
                    }
                    Some(ServerOutput::Read {
                        feed,
                        from,
                        max_count,
                        max_bytes,
                    }) => {
                        let read = ToRead {
                            feed,
                            from,
                            max_count,
                            max_bytes,
                        };
                        self.feeds.servers.to_read.push_back((id, read));
                    }
                    Some(ServerOutput::End) => {
                        self.mux.end(id);
                        self.feeds.servers.remove(id);
                    }
                    _ => break,
                }
            }
        }
        while self.feeds.servers.reading < MAX_READS
            && let Some((id, read)) = self.feeds.servers.to_read.pop_front()
        {
            if self.feeds.servers.open.contains_key(&id) {
                self.feeds.servers.reading += 1;
                self.read_feed(Asker::History(id), read);
            }
        }
    }

    pub(super) fn history_read(&mut self, id: StreamId, messages: &[StoredMessage]) {
        self.feeds.servers.reading = self.feeds.servers.reading.saturating_sub(1);
        if let Some(server) = self.feeds.servers.open.get_mut(&id) {
            server.handle_read(messages);
            self.feeds.servers.ready.insert(id);
        }
    }

    /// Does what the client puts out. The first message that is handed on holds
    /// the permit.
    pub(super) fn drive_client(&mut self, mut permit: Option<OwnedSemaphorePermit>) {
        let Some(mut client) = self.feeds.client.machine.take() else {
            return;
        };
        while let Some(output) = client.poll_output() {
            match output {
                ClientOutput::Call { call, request } => {
                    self.call_history(call, &request, &mut client);
                }
                ClientOutput::Cancel { call } => {
                    if let Some(id) = self.feeds.client.calls.remove(&call) {
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
                    permit: permit.take(),
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
            self.feeds.client.machine = Some(client);
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
                self.feeds.client.calls.insert(call, id);
            }
            None => client.handle_end(call, false, now_ms()),
        }
    }

    pub(super) fn history_item(&mut self, call: u64, item: &Bytes, permit: OwnedSemaphorePermit) {
        if let Some(client) = &mut self.feeds.client.machine {
            client.handle_item(call, item, now_ms());
        }
        self.drive_client(Some(permit));
    }

    pub(super) fn history_end(&mut self, call: u64, end: &End) {
        self.arrived(Arrival::ItemsEnd(call, *end == End::Done));
    }

    pub(super) fn history_ended(&mut self, call: u64, ok: bool) {
        self.feeds.client.calls.remove(&call);
        if let Some(client) = &mut self.feeds.client.machine {
            client.handle_end(call, ok, now_ms());
        }
    }

    /// Whether all that is wanted is fetched in this way, and how many feeds are
    /// being fetched now.
    pub(super) fn history_state(&self) -> (bool, usize) {
        let client = &self.feeds.client;
        let machine = client.machine.as_ref();
        let feeds = machine.map_or(0, |m| m.outstanding(now_ms()));
        (client.all, feeds)
    }

    pub(super) fn history_timer(&mut self) {
        if let Some(client) = &mut self.feeds.client.machine {
            client.handle_timeout(now_ms());
        }
    }
}
