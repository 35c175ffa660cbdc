//! One call: which sides may still send, what waits to be sent, what waits to be polled.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::body::{Body, BodyType};
use crate::call::{Call, CallKind};
use crate::error::End;

/// What an event costs on top of its body when memory is counted, in bytes.
pub(crate) const EVENT_COST: usize = 128;
/// What a queued packet costs on top of its body when memory is counted, in bytes.
pub(crate) const FRAME_COST: usize = 64;

/// Names one call of one connection, ours or the peer's.
///
/// Each side numbers its own calls from 1; what is written on the wire for a call of the peer is
/// the negated number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(i32);

impl StreamId {
    /// The id under which we write, given the number in a packet that came in. There is none for
    /// `i32::MIN`, which no peer can have opened or be answering.
    pub(crate) fn of_incoming(request: i32) -> Option<Self> {
        request
            .checked_neg()
            .filter(|number| *number != 0)
            .map(Self)
    }

    pub(crate) fn ours(number: i32) -> Self {
        Self(number)
    }

    /// Whether we made the call.
    pub fn is_ours(self) -> bool {
        self.0 > 0
    }

    /// The request number as this side writes it: positive for our calls, negative for the peer's.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which queue a packet waits in: calls, notes and messages go before pieces of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Control,
    Bulk,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) body: Body,
    pub(crate) stream: bool,
    pub(crate) end: bool,
}

impl Frame {
    pub(crate) fn class(&self) -> Class {
        match self.body.body_type() {
            BodyType::Binary => Class::Bulk,
            BodyType::Text | BodyType::Json => Class::Control,
        }
    }

    pub(crate) fn cost(&self) -> usize {
        self.body.len() + FRAME_COST
    }

    /// The end of a stream, or with `stream` unset the failure of an async call.
    pub(crate) fn end(stream: bool, error: Option<String>) -> Self {
        let body = match error {
            None => Bytes::from_static(b"true"),
            Some(error) => Bytes::from(error),
        };
        Self {
            body: Body::Json(body),
            stream,
            end: true,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Inbound {
    Call(Call),
    Reply(Body),
    Data(Body),
    Ended(End),
}

impl Inbound {
    pub(crate) fn cost(&self) -> usize {
        EVENT_COST
            + match self {
                Self::Call(call) => call.args_json().len(),
                Self::Reply(body) | Self::Data(body) => body.len(),
                Self::Ended(_) => 0,
            }
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) kind: CallKind,
    /// The method of a served call as refusals write it: its parts joined by commas.
    pub(crate) refusal_name: Box<str>,
    /// Packets to send, in order.
    pub(crate) out: VecDeque<Frame>,
    /// The cost of `out`.
    pub(crate) out_bytes: usize,
    /// Whether the scheduler has this stream in one of its queues.
    pub(crate) scheduled: bool,
    /// The class of the body sent last: a guess at what comes next.
    pub(crate) class: Class,
    /// Someone was told to wait and is owed a `Writable`.
    pub(crate) waiting: bool,
    /// Our end (or reply) is queued or sent, or there is none to send.
    pub(crate) local_end: bool,
    /// What came in and was not polled.
    pub(crate) inbox: VecDeque<Inbound>,
    pub(crate) inbox_bytes: usize,
    pub(crate) paused: bool,
    /// Turns in the event queue that came up during the pause.
    pub(crate) held: usize,
    /// The peer's end (or reply) has come, or none is to come.
    pub(crate) remote_end: bool,
    /// We gave up the stream: data that still comes is dropped.
    pub(crate) deaf: bool,
}

impl Stream {
    pub(crate) fn new(kind: CallKind, ours: bool) -> Self {
        let is_async = kind == CallKind::Async;
        Self {
            kind,
            refusal_name: "".into(),
            out: VecDeque::new(),
            out_bytes: 0,
            scheduled: false,
            class: Class::Control,
            waiting: false,
            // An async call has one packet each way, so its caller has nothing to send and its
            // callee nothing to receive.
            local_end: is_async && ours,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            paused: false,
            held: 0,
            remote_end: is_async && !ours,
            deaf: false,
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.kind == CallKind::Async
    }

    /// Whether this side passes a stream of bodies.
    pub(crate) fn sends(&self, id: StreamId) -> bool {
        match self.kind {
            CallKind::Async => false,
            CallKind::Source => !id.is_ours(),
            CallKind::Sink => id.is_ours(),
            CallKind::Duplex => true,
        }
    }

    /// Whether the peer passes a stream of bodies.
    pub(crate) fn receives(&self, id: StreamId) -> bool {
        match self.kind {
            CallKind::Async => false,
            CallKind::Source => id.is_ours(),
            CallKind::Sink => !id.is_ours(),
            CallKind::Duplex => true,
        }
    }

    /// Whether a packet of the peer still means something here.
    pub(crate) fn expects(&self, id: StreamId, end: bool) -> bool {
        !self.remote_end && (end || self.is_async() || (self.receives(id) && !self.deaf))
    }

    /// After the peer's clean end, whether what this side still has to say is worth waiting for.
    /// Otherwise the answering end is automatic.
    pub(crate) fn stays_half_open(&self, id: StreamId) -> bool {
        match self.kind {
            CallKind::Duplex => true,
            CallKind::Sink => !id.is_ours(),
            CallKind::Async | CallKind::Source => false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.local_end && self.remote_end && self.out.is_empty() && self.inbox.is_empty()
    }
}
