//! The order in which packets leave: who is next, and the packet being written.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes};

use crate::incoming::Turn;
use crate::mux::Mux;
use crate::packet::{GOODBYE, HEADER_LEN, Header};
use crate::stream::{Class, Frame, StreamId};

/// While bulk packets wait, one of them goes after this many bytes of control packets: a long
/// history must not stop a video for good. With pieces of 64 KiB, bulk keeps a fifth of the line.
const CONTROL_BURST: usize = 256 << 10;

/// Streams with something to send. Within a class each sends one packet in turn.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    control: VecDeque<StreamId>,
    bulk: VecDeque<StreamId>,
    /// Bytes of control packets sent since bulk last had its turn.
    burst: usize,
}

impl Turns {
    pub(crate) fn push(&mut self, id: StreamId, class: Class) {
        match class {
            Class::Control => self.control.push_back(id),
            Class::Bulk => self.bulk.push_back(id),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<StreamId> {
        let bulk_first = self.control.is_empty() || self.burst >= CONTROL_BURST;
        let id = if bulk_first {
            self.bulk.pop_front()
        } else {
            None
        };
        id.or_else(|| self.control.pop_front())
    }

    /// Tells what the popped stream sent.
    pub(crate) fn sent(&mut self, class: Class, bytes: usize) {
        match class {
            Class::Bulk => self.burst = 0,
            Class::Control if self.bulk.is_empty() => self.burst = 0,
            Class::Control => self.burst += bytes,
        }
    }
}

/// A packet partly written.
#[derive(Debug)]
pub(crate) struct Writing {
    header: [u8; HEADER_LEN],
    written: usize,
    body: Bytes,
}

impl Writing {
    pub(crate) fn frame(id: StreamId, frame: Frame) -> Self {
        let header = Header {
            stream: frame.stream,
            end: frame.end,
            body_type: frame.body.body_type(),
            // Bodies are far shorter than 4 GiB: their limits are checked when they are queued.
            len: u32::try_from(frame.body.len()).unwrap_or(u32::MAX),
            request: id.number(),
        };
        Self {
            header: header.encode(),
            written: 0,
            body: frame.body.into_bytes(),
        }
    }

    pub(crate) fn goodbye() -> Self {
        Self {
            header: GOODBYE,
            written: 0,
            body: Bytes::new(),
        }
    }

    /// Writes up to `room` bytes, returns how many.
    pub(crate) fn write(&mut self, out: &mut impl BufMut, room: usize) -> usize {
        let rest = self.header.get(self.written..).unwrap_or_default();
        let head = rest.get(..room).unwrap_or(rest);
        out.put_slice(head);
        self.written += head.len();
        let part = self.body.len().min(room - head.len());
        out.put_slice(self.body.get(..part).unwrap_or_default());
        let total = head.len() + part;
        self.body.advance(part);
        total
    }

    pub(crate) fn is_done(&self) -> bool {
        self.written == HEADER_LEN && self.body.is_empty()
    }
}

impl Mux {
    /// Writes what is to be sent, `max` bytes at most, and returns how many were written. Zero:
    /// nothing to send now.
    ///
    /// Packets with JSON go before pieces of blobs, except that blobs keep a fifth of the line;
    /// streams of a class take turns.
    pub fn poll_transmit(&mut self, out: &mut impl BufMut, max: usize) -> usize {
        let max = max.min(out.remaining_mut());
        let mut total = 0;
        while total < max {
            if self.writing.is_none() {
                self.writing = self.next_packet();
            }
            let Some(writing) = &mut self.writing else {
                break;
            };
            total += writing.write(out, max - total);
            if writing.is_done() {
                self.writing = None;
            }
        }
        if total > 0 {
            self.wake_waiters();
        }
        total
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to write.
    pub fn has_transmit(&self) -> bool {
        self.writing.is_some()
            || !self.refusals.is_empty()
            || self.queued_control + self.queued_bulk > 0
            || (self.leaving && !self.left)
    }

    pub(crate) fn enqueue(&mut self, id: StreamId, frame: Frame) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.out_bytes += frame.cost();
        match frame.class() {
            Class::Control => self.queued_control += frame.cost(),
            Class::Bulk => self.queued_bulk += frame.cost(),
        }
        stream.out.push_back(frame);
        if !stream.scheduled
            && let Some(first) = stream.out.front()
        {
            stream.scheduled = true;
            self.turns.push(id, first.class());
        }
    }

    /// Drops the queued packets of a stream, all but some.
    pub(crate) fn drop_unsent(&mut self, id: StreamId, keep: impl Fn(&Frame) -> bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.out.retain(|frame| {
            let keep = keep(frame);
            if !keep {
                stream.out_bytes -= frame.cost();
                match frame.class() {
                    Class::Control => self.queued_control -= frame.cost(),
                    Class::Bulk => self.queued_bulk -= frame.cost(),
                }
            }
            keep
        });
    }

    fn next_packet(&mut self) -> Option<Writing> {
        if let Some((id, frame)) = self.refusals.pop_front() {
            self.refusals_bytes -= frame.cost();
            return Some(Writing::frame(id, frame));
        }
        while let Some(id) = self.turns.pop() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            stream.scheduled = false;
            let Some(frame) = stream.out.pop_front() else {
                continue;
            };
            let (class, cost) = (frame.class(), frame.cost());
            stream.out_bytes -= cost;
            match class {
                Class::Control => self.queued_control -= cost,
                Class::Bulk => self.queued_bulk -= cost,
            }
            if let Some(next) = stream.out.front() {
                stream.scheduled = true;
                self.turns.push(id, next.class());
            }
            self.turns.sent(class, cost);
            self.remove_if_over(id);
            return Some(Writing::frame(id, frame));
        }
        if self.leaving && !self.left {
            self.left = true;
            return Some(Writing::goodbye());
        }
        None
    }

    /// Wakes those whose queues are half empty again, not sooner, lest they be woken for every
    /// packet.
    fn wake_waiters(&mut self) {
        let half_stream = self.limits.stream_queue() / 2;
        let quarter_total = self.limits.total_queue() / 4;
        let Self {
            waiters,
            streams,
            events,
            queued_control,
            queued_bulk,
            ..
        } = self;
        waiters.retain(|id| {
            let Some(stream) = streams.get_mut(id) else {
                return false;
            };
            if stream.local_end {
                stream.waiting = false;
                return false;
            }
            let queued = match stream.class {
                Class::Control => *queued_control,
                Class::Bulk => *queued_bulk,
            };
            if stream.out_bytes > half_stream || queued > quarter_total {
                return true;
            }
            stream.waiting = false;
            events.push_back(Turn::Writable(*id));
            false
        });
    }
}
