//! Answers one `createHistoryStream` call.

use crate::store::StoredMessage;
use crate::wire::HistoryRequest;
use bytes::Bytes;
use std::collections::VecDeque;
use studytime_schema::FeedId;

/// How many messages are read at once.
const READ_COUNT: usize = 256;

/// The most bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// What to do next for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerOutput {
    /// Read from the store and pass the messages to [`HistoryServer::handle_read`].
    Read {
        /// Which feed.
        feed: FeedId,
        /// From this sequence on.
        from: u64,
        /// At most so many messages.
        max_count: usize,
        /// At most so many bytes (the first message always fits).
        max_bytes: usize,
    },
    /// Send this item (JSON).
    Send(Bytes),
    /// End the stream; the last output.
    End,
}

/// One call being answered. After each call of a method, poll until nothing comes.
#[derive(Debug)]
pub struct HistoryServer {
    request: HistoryRequest,
    next: u64,
    left: Option<u64>,
    tip: u64,
    room: usize,
    reading: bool,
    state: State,
    out: VecDeque<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    Ending,
    Ended,
}

impl HistoryServer {
    /// Starts to answer. `tip` is the last sequence of the feed in the store, 0
    /// for none; with `allowed` false (the feed's author blocks the caller, or we
    /// do not show it) the stream ends without a word. `room` is how many bytes
    /// the stream takes now.
    pub fn new(request: HistoryRequest, tip: u64, allowed: bool, room: usize) -> Self {
        let next = if request.old {
            request.from.max(1)
        } else {
            request.from.max(tip + 1)
        };
        let nothing = !allowed || request.limit == Some(0) || (!request.old && !request.live);
        Self {
            request,
            next,
            left: request.limit,
            tip,
            room,
            reading: false,
            state: if nothing {
                State::Ending
            } else {
                State::Sending
            },
            out: VecDeque::new(),
        }
    }

    /// Which feed it sends.
    pub fn feed(&self) -> FeedId {
        self.request.feed
    }

    /// Whether it goes on with new messages.
    pub fn is_live(&self) -> bool {
        self.request.live
    }

    /// The feed has grown to `tip`.
    pub fn appended(&mut self, tip: u64) {
        // Who asked for what is there is not led on by what comes meanwhile.
        if self.request.live {
            self.tip = self.tip.max(tip);
        }
    }

    /// The stream has room for `room` more bytes.
    pub fn writable(&mut self, room: usize) {
        self.room = room;
    }

    /// Takes the messages that were asked for; none if they could not be read.
    pub fn handle_read(&mut self, messages: &[StoredMessage]) {
        if !std::mem::take(&mut self.reading) {
            return;
        }
        let before = self.next;
        for message in messages {
            if message.sequence != self.next || message.feed != self.request.feed {
                continue;
            }
            if self.left == Some(0) {
                break;
            }
            if let Some(item) = self.item(message) {
                self.room = self.room.saturating_sub(item.len());
                self.out.push_back(item);
            }
            self.next += 1;
            self.left = self.left.map(|l| l - 1);
        }
        // A store that does not give what it said it has would be asked for ever.
        if self.next == before {
            self.state = State::Ending;
        }
    }

    fn item(&self, message: &StoredMessage) -> Option<Bytes> {
        let HistoryRequest { keys, values, .. } = self.request;
        if !keys && values {
            return Some(Bytes::copy_from_slice(message.wire.as_bytes()));
        }
        let id = message.message().ok()?.id();
        Some(Bytes::from(if values {
            format!(
                r#"{{"key":"{id}","value":{},"timestamp":{}}}"#,
                message.wire, message.received
            )
        } else {
            format!("\"{id}\"")
        }))
    }

    /// What to do next; `None` when there is nothing until something happens.
    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        if let Some(item) = self.out.pop_front() {
            return Some(ServerOutput::Send(item));
        }
        if self.state == State::Sending {
            let more = self.next <= self.tip && self.left != Some(0);
            if more {
                if self.reading || self.room == 0 {
                    return None;
                }
                self.reading = true;
                // Not beyond the tip as told: the store may hold more than is shown.
                let here = self.tip.saturating_add(1) - self.next;
                let count = usize::try_from(self.left.map_or(here, |l| l.min(here)));
                return Some(ServerOutput::Read {
                    feed: self.request.feed,
                    from: self.next,
                    max_count: count.unwrap_or(READ_COUNT).min(READ_COUNT),
                    max_bytes: self.room.min(READ_BYTES),
                });
            }
            if self.request.live && self.left != Some(0) {
                return None;
            }
            self.state = State::Ending;
        }
        if self.state == State::Ending {
            self.state = State::Ended;
            return Some(ServerOutput::End);
        }
        None
    }
}
