//! Feeds over one connection: EBT, and what all feed streams share: frames that
//! wait for their share of the byte budget, and reads from the store.

use super::history::{Client, Servers};
use super::session::{Done, Session, Use};
use crate::clock::now_ms;
use crate::hub::Errand;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use studytime_muxrpc::{Body, Call, CallKind, StreamId};
use studytime_replicate::StoredMessage;
use studytime_replicate::ebt::Payload;
use studytime_replicate::wire::{REPLICATE, REPLICATE_ARGS, check_replicate_args};
use studytime_schema::FeedId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Bytes of messages given to a feed stream at a time.
pub(super) const ROOM: usize = 256 * 1024;
/// EBT gets new room when less than this waits to be sent.
const LOW: usize = 64 * 1024;

/// Who asked for messages from the store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asker {
    Ebt,
    History(StreamId),
}

/// Messages to read from the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToRead {
    pub(super) feed: FeedId,
    pub(super) from: u64,
    pub(super) max_count: usize,
    pub(super) max_bytes: usize,
}

/// Messages a job read.
pub(super) struct FeedRead {
    asker: Asker,
    feed: FeedId,
    messages: Vec<StoredMessage>,
}

/// What came on a feed stream, in the order in which it came.
#[derive(Debug)]
pub(super) enum Arrival {
    Ebt(StreamId, Bytes),
    EbtEnd(StreamId),
    /// An item of a history stream of ours, by the client's number.
    Item(u64, Bytes),
    /// Its end; whether it was a good one.
    ItemsEnd(u64, bool),
}

impl Arrival {
    fn size(&self) -> u32 {
        let len = match self {
            Self::Ebt(_, bytes) | Self::Item(_, bytes) => bytes.len(),
            Self::EbtEnd(_) | Self::ItemsEnd(..) => 0,
        };
        u32::try_from(len)
            .unwrap_or(u32::MAX)
            .min(crate::writer::MAX_PERMIT)
    }
}

/// The feed streams of a connection.
#[derive(Default)]
pub(super) struct Feeds {
    ebt: Option<StreamId>,
    /// What EBT gave out and the stream has not taken yet.
    unsent: VecDeque<Payload>,
    /// Bytes EBT gave out since it last got room.
    given: usize,
    /// What waits for its share of the byte budget.
    arrivals: VecDeque<Arrival>,
    permit: Option<OwnedSemaphorePermit>,
    waiting_for_permit: bool,
    pub(super) servers: Servers,
    pub(super) client: Client,
}

impl Feeds {
    /// Whether messages wait for the disk: then the socket is not read.
    pub(super) fn is_backlogged(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let at = self.client.poll_timeout()?;
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
                let read = ToRead {
                    feed,
                    from,
                    max_count,
                    max_bytes,
                };
                self.read_feed(Asker::Ebt, read);
            }
            history => self.history_errand(history),
        }
    }

    fn open_ebt(&mut self) {
        let args = serde_json::value::RawValue::from_string(REPLICATE_ARGS.to_owned());
        let called = args
            .ok()
            .and_then(|args| self.mux.call_raw(CallKind::Duplex, REPLICATE, &args).ok());
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

    pub(super) fn arrived(&mut self, arrival: Arrival) {
        self.feeds.arrivals.push_back(arrival);
    }

    pub(super) fn permitted(&mut self, permit: Option<OwnedSemaphorePermit>) {
        if permit.is_some() {
            self.feeds.waiting_for_permit = false;
            self.feeds.permit = permit;
        }
    }

    /// Moves frames in, messages out.
    pub(super) fn drive_feeds(&mut self) {
        self.take_arrivals();
        self.send_ebt();
        self.drive_servers();
        self.drive_client(None);
    }

    /// Hands on what came, each with a share of the bytes that may be between
    /// socket and disk.
    fn take_arrivals(&mut self) {
        while let Some(size) = self.feeds.arrivals.front().map(Arrival::size) {
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
            match self.feeds.arrivals.pop_front() {
                Some(Arrival::Ebt(id, frame)) => self.ebt_frame(id, &frame, permit),
                Some(Arrival::EbtEnd(id)) => self.ebt_ended(id),
                Some(Arrival::Item(call, item)) => self.history_item(call, &item, permit),
                Some(Arrival::ItemsEnd(call, ok)) => self.history_ended(call, ok),
                None => return,
            }
        }
    }

    fn ebt_frame(&mut self, id: StreamId, frame: &Bytes, permit: OwnedSemaphorePermit) {
        // A stream that was replaced may have left frames behind.
        if self.feeds.ebt != Some(id) {
            return;
        }
        let peer = self.peer;
        let hub = &self.node.inner().hub;
        let taken = hub.act(|s, now| s.ebt.handle_frame(peer, frame, now));
        self.node.ship_ingest(Some(permit));
        if let Err(error) = taken {
            self.uses.remove(&id);
            self.mux.fail(id, &error.to_string());
            self.ebt_ended(id);
        }
    }

    fn ebt_ended(&mut self, id: StreamId) {
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

    fn send_ebt(&mut self) {
        let Some(id) = self.feeds.ebt else { return };
        while !self.feeds.unsent.is_empty() && self.mux.writable(id) {
            let Some(payload) = self.feeds.unsent.pop_front() else {
                break;
            };
            let bytes = match payload {
                Payload::Notes(bytes) => bytes,
                Payload::Message(text) => Bytes::copy_from_slice(text.as_bytes()),
            };
            self.feeds.given += bytes.len();
            let _ = self.mux.send(id, Body::raw_json(bytes));
        }
        if self.feeds.given > 0 && self.feeds.unsent.is_empty() && self.mux.queued_bytes() < LOW {
            self.feeds.given = 0;
            let peer = self.peer;
            self.node.inner().hub.act(|s, _| s.ebt.writable(peer, ROOM));
        }
    }

    pub(super) fn read_feed(&mut self, asker: Asker, read: ToRead) {
        let node = self.node.clone();
        self.jobs.spawn_blocking(move || {
            let ToRead {
                feed,
                from,
                max_count,
                max_bytes,
            } = read;
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
            Asker::History(id) => self.history_read(id, &read.messages),
        }
    }
}
