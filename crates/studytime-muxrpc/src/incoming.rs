//! From bytes to events.

use crate::call::{Call, CallKind};
use crate::error::{End, MuxError, RemoteError, error_body};
use crate::event::Event;
use crate::mux::Mux;
use crate::packet::{Header, Item, Packet};
use crate::stream::{Frame, Inbound, Stream, StreamId};

/// Bytes of automatic refusals a peer may leave unread before the connection is given up.
const MAX_REFUSALS: usize = 1 << 20;

/// Whose event comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// The first in the inbox of the stream.
    Stream(StreamId),
    Writable(StreamId),
    Goodbye,
}

impl Mux {
    /// Takes bytes that came from the peer, cut anywhere. What follows is seen by
    /// [`poll_event`](Self::poll_event).
    ///
    /// All bytes are taken even if [`wants_bytes`](Self::wants_bytes) is false or becomes so on the
    /// way; for the memory limit to hold, hand over moderate pieces (64 KiB, say) and ask before
    /// each.
    ///
    /// # Errors
    /// [`MuxError`] if the connection cannot go on and has to be closed. All open streams have
    /// ended then, as with [`handle_close`](Self::handle_close), and every further call gives the
    /// same error.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), MuxError> {
        let result = match self.failed {
            Some(error) => Err(error),
            None => self.handle_packets(bytes),
        };
        if let (Err(error), None) = (result, self.failed) {
            self.failed = Some(error);
            self.handle_close();
        }
        result
    }

    /// Tells that the connection is gone, for whatever reason: all open streams end with
    /// [`End::ConnectionClosed`], what was not sent is dropped.
    pub fn handle_close(&mut self) {
        self.leaving = true;
        self.left = true;
        self.peer_left = true;
        self.writing = None;
        self.refusals.clear();
        self.refusals_bytes = 0;
        self.close_streams(|_| false);
    }

    /// The next event; `None` if there is none for now.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let id = match self.events.pop_front()? {
                Turn::Goodbye => return Some(Event::Goodbye),
                Turn::Writable(id) => match self.streams.get(&id) {
                    Some(stream) if !stream.local_end => return Some(Event::Writable { id }),
                    _ => continue,
                },
                Turn::Stream(id) => id,
            };
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            if stream.paused {
                stream.held += 1;
                continue;
            }
            let Some(item) = stream.inbox.pop_front() else {
                continue;
            };
            stream.inbox_bytes -= item.cost();
            self.unpolled -= item.cost();
            self.remove_if_over(id);
            return Some(match item {
                Inbound::Call(call) => Event::Call { id, call },
                Inbound::Reply(body) => Event::Reply { id, body },
                Inbound::Data(body) => Event::Data { id, body },
                Inbound::Ended(end) => Event::Ended { id, end },
            });
        }
    }

    /// Whether more should be read from the peer. False while events that were not polled, or
    /// bodies of paused streams, fill the budget [`Limits::unpolled`](crate::Limits::unpolled), and
    /// when nothing more is to come.
    pub fn wants_bytes(&self) -> bool {
        !self.peer_left && self.unpolled < self.limits.unpolled()
    }

    fn handle_packets(&mut self, mut input: &[u8]) -> Result<(), MuxError> {
        while !self.peer_left {
            let Self {
                decoder,
                streams,
                numbers,
                leaving,
                ..
            } = self;
            let wanted = |header: &Header| match StreamId::of_incoming(header.request) {
                None => false,
                Some(id) => match streams.get(&id) {
                    Some(stream) => stream.expects(id, header.end),
                    None => !*leaving && opens_call(header) && numbers.is_new(header.request),
                },
            };
            match decoder.next(&mut input, wanted)? {
                None => break,
                Some(Item::Goodbye) => self.handle_goodbye(),
                Some(Item::Packet(packet)) => self.handle_packet(packet)?,
            }
        }
        Ok(())
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), MuxError> {
        // Asked once more: the application may have acted since the header came.
        let request = packet.header.request;
        let Some(id) = StreamId::of_incoming(request) else {
            return Ok(());
        };
        match self.streams.get(&id) {
            Some(stream) if stream.expects(id, packet.header.end) => {
                if packet.header.end {
                    self.handle_end(id, packet);
                } else {
                    self.handle_data(id, packet);
                }
            }
            Some(_) => {}
            None => {
                if !self.leaving && opens_call(&packet.header) && self.numbers.insert(request) {
                    self.handle_call(id, packet)?;
                }
            }
        }
        Ok(())
    }

    fn handle_call(&mut self, id: StreamId, packet: Packet) -> Result<(), MuxError> {
        let (is_stream, refusal) = match Call::parse(packet.body.as_bytes(), packet.header.stream) {
            Err(text) => (packet.header.stream, text),
            Ok(call) if self.peer_streams >= self.limits.peer_streams() => {
                (call.kind() != CallKind::Async, "too many calls are open")
            }
            Ok(call) => {
                let mut stream = Stream::new(call.kind(), false);
                stream.refusal_name = call.name().join(",").into();
                self.streams.insert(id, stream);
                self.peer_streams += 1;
                self.push_inbound(id, Inbound::Call(call));
                return Ok(());
            }
        };
        let frame = Frame::end(is_stream, Some(error_body(refusal)));
        self.refusals_bytes += frame.cost();
        self.refusals.push_back((id, frame));
        if self.refusals_bytes > MAX_REFUSALS {
            Err(MuxError::AnswersUnread)
        } else {
            Ok(())
        }
    }

    fn handle_data(&mut self, id: StreamId, packet: Packet) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let item = if stream.is_async() {
            stream.remote_end = true;
            Inbound::Reply(packet.body)
        } else {
            Inbound::Data(packet.body)
        };
        self.push_inbound(id, item);
    }

    fn handle_end(&mut self, id: StreamId, packet: Packet) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.remote_end = true;
        let clean = packet.body.as_bytes().trim_ascii() == b"true";
        let end = match (clean, stream.is_async()) {
            (true, false) => End::Done,
            (true, true) => End::Error(RemoteError::new("the call was ended without an answer")),
            (false, _) => End::Error(RemoteError::from_body(&packet.body)),
        };
        if !(clean && stream.stays_half_open(id)) {
            // Nothing we could still send would be read. An error is answered in kind, as
            // JavaScript peers do.
            let answer = match &end {
                End::Error(error) => Some(error_body(error.message())),
                End::Done | End::ConnectionClosed => None,
            };
            self.drop_unsent(id, |frame| frame.end);
            self.finish(id, answer);
        }
        self.push_inbound(id, Inbound::Ended(end));
    }

    fn handle_goodbye(&mut self) {
        self.peer_left = true;
        self.leaving = true;
        self.refusals.clear();
        self.refusals_bytes = 0;
        // Ends that are queued still go out ahead of our goodbye; nobody reads the data.
        self.close_streams(|frame| frame.end);
        self.events.push_back(Turn::Goodbye);
    }

    fn close_streams(&mut self, keep: impl Fn(&Frame) -> bool) {
        let ids: Vec<_> = self.streams.keys().copied().collect();
        for id in ids {
            self.drop_unsent(id, &keep);
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            // A served async call has no end to come from the peer, but whoever works on the answer
            // should know.
            let served_async = stream.is_async() && !id.is_ours();
            let untold = if served_async {
                !stream.local_end
            } else {
                !stream.remote_end
            };
            stream.local_end = true;
            stream.remote_end = true;
            if untold {
                self.push_inbound(id, Inbound::Ended(End::ConnectionClosed));
            }
            self.remove_if_over(id);
        }
    }

    fn push_inbound(&mut self, id: StreamId, item: Inbound) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.inbox_bytes += item.cost();
        self.unpolled += item.cost();
        stream.inbox.push_back(item);
        self.events.push_back(Turn::Stream(id));
    }
}

/// Whether a packet of an unknown stream can be the first of a call.
fn opens_call(header: &Header) -> bool {
    header.request > 0 && !header.end
}
