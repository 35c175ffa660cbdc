//! The state of one connection, and what the application asks of it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::body::Body;
use crate::call::{self, CallKind};
use crate::error::{CallError, MuxError, SendError, error_body};
use crate::incoming::Turn;
use crate::limits::Limits;
use crate::numbers::Numbers;
use crate::outgoing::{Turns, Writing};
use crate::packet::{CHUNK, Decoder};
use crate::stream::{Class, Frame, Inbound, Stream, StreamId};

/// One side of a muxrpc connection: calls, streams and replies, over bytes that somebody else
/// moves.
///
/// There is no socket, clock or task in here. Both sides are alike; it does not matter who dialled.
/// The methods come in three families:
///
/// - **`handle_*`**: what came from outside: [`handle_bytes`](Self::handle_bytes) in pieces of any
///   size, [`handle_close`](Self::handle_close) when the connection is gone.
/// - **What the application wants**: [`call`](Self::call), [`send`](Self::send),
///   [`reply`](Self::reply), [`end`](Self::end), [`fail`](Self::fail), [`refuse`](Self::refuse),
///   [`pause`](Self::pause), [`goodbye`](Self::goodbye).
/// - **`poll_*`**: what has to be done now: [`poll_event`](Self::poll_event) until `None`, then
///   [`poll_transmit`](Self::poll_transmit) until it writes nothing.
///
/// A driver reads the socket while [`wants_bytes`](Self::wants_bytes) is true, hands the bytes
/// over, polls events, writes what `poll_transmit` gives, and is done when
/// [`is_finished`](Self::is_finished). It should go on writing while it does not read: two peers
/// that each wait for the other to read first would wait for ever. It should ask for some 64 to 128
/// KiB at a time: what is already taken out cannot be overtaken by something urgent any more.
///
/// The protocol: <https://ssbc.github.io/scuttlebutt-protocol-guide/#rpc-protocol>.
#[derive(Debug)]
pub struct Mux {
    pub(crate) limits: Limits,
    pub(crate) decoder: Decoder,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) own_streams: usize,
    pub(crate) peer_streams: usize,
    /// The number of our next call; `None` when they are used up.
    pub(crate) next_number: Option<i32>,
    /// The numbers of the peer's calls.
    pub(crate) numbers: Numbers,

    pub(crate) turns: Turns,
    /// Refusals of calls that never became streams.
    pub(crate) refusals: VecDeque<(StreamId, Frame)>,
    pub(crate) refusals_bytes: usize,
    pub(crate) writing: Option<Writing>,
    /// The cost of all that waits in streams, by class.
    pub(crate) queued_control: usize,
    pub(crate) queued_bulk: usize,
    /// Streams that are owed a `Writable`.
    pub(crate) waiters: VecDeque<StreamId>,

    pub(crate) events: VecDeque<Turn>,
    pub(crate) unpolled: usize,

    /// We say goodbye when all else is written, and begin nothing new.
    pub(crate) leaving: bool,
    /// Our goodbye is being written, or never will be.
    pub(crate) left: bool,
    /// Nothing more comes from the peer.
    pub(crate) peer_left: bool,
    pub(crate) failed: Option<MuxError>,
}

impl Mux {
    /// A fresh connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoder: Decoder::new(&limits),
            streams: BTreeMap::new(),
            own_streams: 0,
            peer_streams: 0,
            next_number: Some(1),
            numbers: Numbers::default(),
            turns: Turns::default(),
            refusals: VecDeque::new(),
            refusals_bytes: 0,
            writing: None,
            queued_control: 0,
            queued_bulk: 0,
            waiters: VecDeque::new(),
            events: VecDeque::new(),
            unpolled: 0,
            leaving: false,
            left: false,
            peer_left: false,
            failed: None,
        }
    }

    /// Calls a method of the peer. `args` has to serialize to a list; for no arguments pass
    /// [`NO_ARGS`](crate::NO_ARGS).
    ///
    /// The answer is a [`Reply`](crate::Event::Reply) (async) or [`Data`](crate::Event::Data) up to
    /// [`Ended`](crate::Event::Ended); failures of all sorts are `Ended` with an error.
    ///
    /// # Errors
    /// [`CallError`], and nothing is sent then.
    pub fn call(
        &mut self,
        kind: CallKind,
        name: &[&str],
        args: &(impl Serialize + ?Sized),
    ) -> Result<StreamId, CallError> {
        let args = serde_json::value::to_raw_value(args).map_err(CallError::Encode)?;
        self.call_raw(kind, name, &args)
    }

    /// As [`call`](Self::call), with the arguments as JSON text that is there already.
    ///
    /// # Errors
    /// [`CallError`], and nothing is sent then.
    pub fn call_raw(
        &mut self,
        kind: CallKind,
        name: &[&str],
        args: &RawValue,
    ) -> Result<StreamId, CallError> {
        if self.leaving || self.left {
            return Err(CallError::Closing);
        }
        if self.own_streams >= self.limits.own_streams() {
            return Err(CallError::TooManyOpen {
                max: self.limits.own_streams(),
            });
        }
        let number = self.next_number.ok_or(CallError::NumbersUsedUp)?;
        let body = call::encode(kind, name, args)?;
        if body.len() > self.limits.json_body() {
            return Err(CallError::TooLarge {
                len: body.len(),
                max: self.limits.json_body(),
            });
        }
        self.next_number = number.checked_add(1);
        let id = StreamId::ours(number);
        self.streams.insert(id, Stream::new(kind, true));
        self.own_streams += 1;
        self.enqueue(
            id,
            Frame {
                body: Body::raw_json(body),
                stream: kind != CallKind::Async,
                end: false,
            },
        );
        Ok(id)
    }

    /// Sends one body on a stream this side feeds: a source or duplex we serve, a sink or duplex we
    /// called. Binary bodies above 64 KiB go out as several packets.
    ///
    /// # Errors
    /// [`SendError`], and nothing is sent then. After [`SendError::Full`] an
    /// [`Event::Writable`](crate::Event::Writable) follows, unless the stream ends before.
    pub fn send(&mut self, id: StreamId, body: Body) -> Result<(), SendError> {
        let stream = self.streams.get_mut(&id).ok_or(SendError::Ended)?;
        if !stream.sends(id) {
            return Err(SendError::WrongKind);
        }
        if stream.local_end {
            return Err(SendError::Ended);
        }
        let (class, most) = match &body {
            // Goes out in pieces, so only the queue limits its length.
            Body::Binary(_) => (Class::Bulk, usize::MAX),
            Body::Text(_) | Body::Json(_) => (Class::Control, self.limits.json_body()),
        };
        if body.is_empty() {
            return Err(SendError::Empty);
        }
        if body.len() > most {
            return Err(SendError::TooLarge);
        }
        stream.class = class;
        if !self.writable(id) {
            return Err(SendError::Full);
        }
        match body {
            Body::Binary(mut bytes) => {
                let chunk = CHUNK.min(self.limits.binary_body());
                while !bytes.is_empty() {
                    let piece = bytes.split_to(bytes.len().min(chunk));
                    self.enqueue(
                        id,
                        Frame {
                            body: Body::Binary(piece),
                            stream: true,
                            end: false,
                        },
                    );
                }
            }
            body => self.enqueue(
                id,
                Frame {
                    body,
                    stream: true,
                    end: false,
                },
            ),
        }
        Ok(())
    }

    /// Answers an async call of the peer.
    ///
    /// # Errors
    /// [`SendError`], never `Full`. Nothing is sent then and the call is still to be answered,
    /// except after [`SendError::Ended`].
    pub fn reply(&mut self, id: StreamId, body: Body) -> Result<(), SendError> {
        let stream = self.streams.get_mut(&id).ok_or(SendError::Ended)?;
        if !stream.is_async() || id.is_ours() {
            return Err(SendError::WrongKind);
        }
        if stream.local_end {
            return Err(SendError::Ended);
        }
        let most = match &body {
            Body::Binary(_) => self.limits.binary_body(),
            Body::Text(_) | Body::Json(_) => self.limits.json_body(),
        };
        if body.is_empty() {
            return Err(SendError::Empty);
        }
        if body.len() > most {
            return Err(SendError::TooLarge);
        }
        stream.local_end = true;
        self.enqueue(
            id,
            Frame {
                body,
                stream: false,
                end: false,
            },
        );
        Ok(())
    }

    /// Ends this side of a stream in good order, after what is queued. Does nothing if it has
    /// ended.
    ///
    /// - A source we called, a sink we serve: we want no more. Data still under way is dropped;
    ///   `Ended` follows when the peer has agreed.
    /// - A duplex stream: we send no more, and go on receiving.
    /// - An async call of ours: the answer is no longer wanted. Nothing goes out, no event comes.
    /// - An async call of the peer: it is failed, for it needs an answer.
    pub fn end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        match (stream.is_async(), id.is_ours()) {
            (true, true) => self.forget(id),
            (true, false) => self.fail(id, "there is no answer to this call"),
            _ => {
                let only_receives = !stream.sends(id);
                if only_receives {
                    self.drop_data(id);
                }
                self.finish(id, None);
            }
        }
    }

    /// Ends this side of a stream with an error, after what is queued; what the peer still sends is
    /// dropped. The text is for people; quotes, backslashes and control characters in it are
    /// replaced and it is cut at 1 KiB, because some peers cannot read others. If our end has gone
    /// out already, only the dropping happens. An async call of ours is forgotten, as with
    /// [`end`](Self::end).
    pub fn fail(&mut self, id: StreamId, message: &str) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if stream.is_async() && id.is_ours() {
            self.forget(id);
        } else {
            self.drop_data(id);
            self.finish(id, Some(error_body(message)));
        }
    }

    /// Answers a call with the text by which other peers know that there is no such method here.
    pub fn refuse(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        let text = format!(
            "method:{} is not in list of allowed methods",
            stream.refusal_name
        );
        self.fail(id, &text);
    }

    /// Whether [`send`](Self::send) would take something. If not, and the stream is open,
    /// [`Event::Writable`](crate::Event::Writable) says when.
    pub fn writable(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        if stream.local_end || !stream.sends(id) {
            return false;
        }
        let share = (self.limits.total_queue() / 2).max(1);
        let queued = match stream.class {
            Class::Control => self.queued_control,
            Class::Bulk => self.queued_bulk,
        };
        if stream.out_bytes < self.limits.stream_queue() && queued < share {
            return true;
        }
        if !stream.waiting {
            stream.waiting = true;
            self.waiters.push_back(id);
        }
        false
    }

    /// Holds back all events of a stream until [`resume`](Self::resume), or until this side wants
    /// nothing more of it ([`fail`](Self::fail), or `end` where we only receive). They still count as
    /// unpolled, so a peer that sends on and on makes [`wants_bytes`](Self::wants_bytes) false for
    /// the whole connection: muxrpc cannot stop one stream alone. Keep pauses short or
    /// [`fail`](Self::fail) the stream.
    pub fn pause(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.paused = true;
        }
    }

    /// Lets the events of a paused stream come again.
    pub fn resume(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.paused = false;
            let held = std::mem::take(&mut stream.held);
            self.events
                .extend(std::iter::repeat_n(Turn::Stream(id), held));
        }
    }

    /// Ends the connection in good order. Open streams are ended: those we only receive from with a
    /// plain end, the others with an error, so that nobody takes a part for the whole. After all
    /// that is queued comes the goodbye. The connection may be closed when
    /// [`is_finished`](Self::is_finished), or when the peer takes too long over it.
    pub fn goodbye(&mut self) {
        if self.leaving || self.left {
            return;
        }
        self.leaving = true;
        let open: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.local_end)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            match self.streams.get(&id) {
                Some(stream) if stream.kind == CallKind::Source && id.is_ours() => self.end(id),
                _ => self.fail(id, "the connection is closing"),
            }
        }
    }

    /// What the call of an open stream was.
    pub fn kind(&self, id: StreamId) -> Option<CallKind> {
        self.streams.get(&id).map(|stream| stream.kind)
    }

    /// Streams and async calls not over yet, ours and the peer's. One is over when both sides have
    /// ended it, our end is written, and all its events are polled.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes that wait to be sent, with 64 for each packet.
    pub fn queued_bytes(&self) -> usize {
        self.queued_control + self.queued_bulk + self.refusals_bytes
    }

    /// Bytes received and not polled yet, with 128 for each event.
    pub fn unpolled_bytes(&self) -> usize {
        self.unpolled
    }

    /// The part of [`unpolled_bytes`](Self::unpolled_bytes) that belongs to one stream.
    pub fn unpolled_bytes_of(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.inbox_bytes)
    }

    /// Whether both sides have said goodbye and ours is written, or the connection is gone.
    pub fn is_finished(&self) -> bool {
        self.left && self.writing.is_none() && self.peer_left
    }

    /// Queues this side's end.
    pub(crate) fn finish(&mut self, id: StreamId, error: Option<String>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.local_end {
            return;
        }
        stream.local_end = true;
        let is_stream = !stream.is_async();
        self.enqueue(id, Frame::end(is_stream, error));
    }

    /// Drops what the peer sent and sends on a stream, all but its end.
    fn drop_data(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.deaf = true;
        let before = stream.inbox_bytes;
        stream
            .inbox
            .retain(|item| !matches!(item, Inbound::Data(_)));
        stream.inbox_bytes = stream.inbox.iter().map(Inbound::cost).sum();
        self.unpolled -= before - stream.inbox_bytes;
        self.resume(id);
    }

    /// Gives up an async call of ours.
    fn forget(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.remote_end = true;
            stream.inbox.clear();
            self.unpolled -= std::mem::take(&mut stream.inbox_bytes);
            self.remove_if_over(id);
        }
    }

    pub(crate) fn remove_if_over(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.streams.remove(&id);
            if id.is_ours() {
                self.own_streams -= 1;
            } else {
                self.peer_streams -= 1;
            }
        }
    }
}
