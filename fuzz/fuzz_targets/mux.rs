//! Two ends of a connection, back to back, under any sequence of what
//! applications do: what one sends the other receives, in order and once; each
//! call ends once on each side; memory stays within the limits.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use studytime_fuzz::{Many, within};
use studytime_muxrpc::{Body, BodyType, CallKind, Event, Limits, Mux, SendError, StreamId};

const UNPOLLED: usize = 4096;
const BODY: usize = 100_000;
const PEER_STREAMS: usize = 6;
/// Most bytes moved at once.
const MOVE: usize = 2048;

#[derive(Arbitrary, Debug)]
struct Step {
    right: bool,
    op: Op,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Call {
        kind: u8,
        args: u16,
    },
    Send {
        stream: u8,
        sort: Sort,
        len: u16,
        times: u8,
    },
    Reply {
        stream: u8,
        sort: Sort,
        len: u16,
    },
    End(u8),
    Fail(u8),
    Refuse(u8),
    Pause(u8),
    Resume(u8),
    Goodbye,
    /// Bytes go from this side to the other.
    Move(u16),
    /// This side looks at what came.
    Poll(u8),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Sort {
    Binary,
    Text,
    Json,
}

fuzz_target!(|steps: Many<Step, 400>| {
    within(64 << 20, || {
        let mut pair = Pair::new();
        for step in &steps.0 {
            pair.step(usize::from(step.right), &step.op);
        }
        pair.finish();
    });
});

/// What one side knows of one call.
#[derive(Default)]
struct Known {
    kind: Option<CallKind>,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// The call itself was seen (by who serves it).
    called: bool,
    over: u32,
    replied: bool,
    /// This side does not want what comes any more.
    deaf: bool,
    /// An async call that was given up: no event comes.
    forgotten: bool,
    ended_well: bool,
    got_well: bool,
}

struct Side {
    mux: Mux,
    calls: BTreeMap<StreamId, Known>,
    paused: BTreeSet<StreamId>,
    goodbye: bool,
}

struct Pair {
    sides: [Side; 2],
    counter: u8,
    /// Somebody said goodbye: streams may end in the middle.
    leaving: bool,
}

impl Pair {
    fn new() -> Self {
        let limits = Limits::default()
            .with_json_body(BODY)
            .with_binary_body(BODY)
            .with_own_streams(PEER_STREAMS + 2)
            .with_peer_streams(PEER_STREAMS)
            .with_stream_queue(20_000)
            .with_total_queue(80_000)
            .with_unpolled(UNPOLLED);
        let side = || Side {
            mux: Mux::new(limits),
            calls: BTreeMap::new(),
            paused: BTreeSet::new(),
            goodbye: false,
        };
        Self {
            sides: [side(), side()],
            counter: 0,
            leaving: false,
        }
    }

    fn pick(&self, at: usize, n: u8) -> Option<StreamId> {
        let calls = &self.sides[at].calls;
        calls
            .keys()
            .nth(usize::from(n) % calls.len().max(1))
            .copied()
    }

    fn body(&mut self, sort: Sort, len: u16) -> Body {
        self.counter = self.counter.wrapping_add(1);
        let text = vec![b'a' + self.counter % 26; usize::from(len)];
        match sort {
            Sort::Binary => Body::binary(text),
            Sort::Text => Body::text(String::from_utf8(text).expect("letters")),
            Sort::Json => Body::raw_json([b"\"", text.as_slice(), b"\""].concat()),
        }
    }

    fn step(&mut self, at: usize, op: &Op) {
        let stream = match op {
            Op::Send { stream, .. } | Op::Reply { stream, .. } => self.pick(at, *stream),
            Op::End(n) | Op::Fail(n) | Op::Refuse(n) | Op::Pause(n) | Op::Resume(n) => {
                self.pick(at, *n)
            }
            _ => None,
        };
        match (op, stream) {
            (Op::Call { kind, args }, _) => self.call(at, *kind, *args),
            (
                Op::Send {
                    sort, len, times, ..
                },
                Some(id),
            ) => {
                for _ in 0..=times % 8 {
                    self.send(at, id, *sort, *len);
                }
            }
            (Op::Reply { sort, len, .. }, Some(id)) => self.reply(at, id, *sort, *len),
            (Op::Goodbye, _) => {
                self.leaving = true;
                self.sides[at].goodbye = true;
                self.sides[at].mux.goodbye();
            }
            (Op::Move(bytes), _) => self.carry(at, usize::from(*bytes) % MOVE + 1),
            (Op::Poll(times), _) => {
                for _ in 0..*times {
                    if !self.poll(at) {
                        break;
                    }
                }
            }
            (op, Some(id)) => self.control(at, id, op),
            _ => {}
        }
        let mux = &self.sides[at].mux;
        assert!(mux.open_streams() <= 2 * PEER_STREAMS + 2);
    }

    fn call(&mut self, at: usize, kind: u8, args: u16) {
        use CallKind::{Async, Duplex, Sink, Source};
        let kind = [Async, Source, Sink, Duplex][usize::from(kind % 4)];
        let args = ["x".repeat(usize::from(args) % 3000)];
        let side = &mut self.sides[at];
        if let Ok(id) = side.mux.call(kind, &["some", "method"], &args) {
            let known = Known {
                kind: Some(kind),
                ..Known::default()
            };
            assert!(side.calls.insert(id, known).is_none());
        }
    }

    fn send(&mut self, at: usize, id: StreamId, sort: Sort, len: u16) {
        let body = self.body(sort, len);
        let bytes = body.as_bytes().clone();
        let side = &mut self.sides[at];
        let writable = side.mux.writable(id);
        let queued = side.mux.queued_bytes();
        match side.mux.send(id, body) {
            Ok(()) => {
                assert!(writable || !bytes.is_empty());
                side.calls.entry(id).or_default().sent.extend(&bytes);
                assert!(side.mux.queued_bytes() > queued);
            }
            Err(SendError::Empty) => assert!(bytes.is_empty()),
            Err(_) => assert_eq!(side.mux.queued_bytes(), queued),
        }
    }

    fn reply(&mut self, at: usize, id: StreamId, sort: Sort, len: u16) {
        let body = self.body(sort, len);
        let bytes = body.as_bytes().clone();
        let side = &mut self.sides[at];
        if side.mux.reply(id, body).is_ok() {
            let known = side.calls.entry(id).or_default();
            assert!(!known.replied && known.kind == Some(CallKind::Async));
            known.replied = true;
            known.sent.extend(&bytes);
        }
    }

    fn control(&mut self, at: usize, id: StreamId, op: &Op) {
        let side = &mut self.sides[at];
        let Some(kind) = side.mux.kind(id) else {
            return;
        };
        let known = side.calls.entry(id).or_default();
        let own_async = kind == CallKind::Async && id.is_ours();
        match op {
            Op::End(_) => {
                known.forgotten |= own_async;
                let receives_only = match kind {
                    CallKind::Source => id.is_ours(),
                    CallKind::Sink => !id.is_ours(),
                    CallKind::Async | CallKind::Duplex => false,
                };
                known.deaf |= receives_only;
                if receives_only {
                    side.paused.remove(&id);
                }
                known.ended_well |= kind != CallKind::Async;
                side.mux.end(id);
            }
            Op::Fail(_) | Op::Refuse(_) => {
                known.forgotten |= own_async;
                known.deaf = true;
                side.paused.remove(&id);
                match op {
                    Op::Fail(_) => side.mux.fail(id, "no \"more\""),
                    _ => side.mux.refuse(id),
                }
            }
            Op::Pause(_) => {
                side.mux.pause(id);
                side.paused.insert(id);
            }
            Op::Resume(_) => {
                side.mux.resume(id);
                side.paused.remove(&id);
            }
            _ => {}
        }
    }

    /// Moves bytes to the other side, as far as it takes them.
    fn carry(&mut self, from: usize, most: usize) {
        let to = 1 - from;
        if !self.sides[to].mux.wants_bytes() && !self.sides[to].mux.is_finished() {
            return;
        }
        let mut wire = Vec::new();
        let count = self.sides[from].mux.poll_transmit(&mut wire, most);
        assert!(count == wire.len() && count <= most);
        let other = &mut self.sides[to].mux;
        assert_eq!(other.handle_bytes(&wire), Ok(()), "we understand ourselves");
        // A piece holds at most so many packets, each counted with 128 bytes; one
        // of them may end a long body.
        let limit = UNPOLLED + BODY + MOVE + (MOVE / 9 + 1) * 128;
        let all_closed = (2 * PEER_STREAMS + 2) * 128;
        assert!(
            other.unpolled_bytes() <= limit + all_closed,
            "{}",
            other.unpolled_bytes()
        );
    }

    /// Looks at one event; false when there is none.
    fn poll(&mut self, at: usize) -> bool {
        let side = &mut self.sides[at];
        let Some(event) = side.mux.poll_event() else {
            return false;
        };
        // A goodbye gives up what was paused.
        let held = |id: &StreamId| {
            assert!(self.leaving || !side.paused.contains(id), "{id} is paused");
        };
        match event {
            Event::Call { id, call } => {
                held(&id);
                let known = side.calls.entry(id).or_default();
                assert!(!id.is_ours() && !known.called);
                assert_eq!(call.method(), "some.method");
                known.called = true;
                known.kind = Some(call.kind());
            }
            Event::Data { id, body } => {
                held(&id);
                let known = side.calls.entry(id).or_default();
                assert!(!body.is_empty() && known.over == 0 && !known.deaf);
                known.received.extend(body.as_bytes());
                self.check_prefix(at, id, body.body_type());
            }
            Event::Reply { id, body } => {
                held(&id);
                let known = side.calls.entry(id).or_default();
                assert!(id.is_ours() && !known.forgotten);
                known.over += 1;
                known.got_well = true;
                known.received.extend(body.as_bytes());
                self.check_prefix(at, id, body.body_type());
            }
            Event::Ended { id, end } => {
                held(&id);
                let known = side.calls.entry(id).or_default();
                assert!(!known.forgotten);
                known.over += 1;
                known.got_well = end == studytime_muxrpc::End::Done;
            }
            Event::Writable { id } => {
                let open = side.mux.kind(id).is_some();
                assert!(open);
            }
            Event::Goodbye => assert!(self.leaving),
            _ => {}
        }
        true
    }

    /// What came is the beginning of what the other side sent.
    fn check_prefix(&self, at: usize, id: StreamId, _: BodyType) {
        let other = self.sides[1 - at]
            .calls
            .iter()
            .find(|(other, _)| other.number() == -id.number());
        let sent = other
            .map(|(_, known)| known.sent.as_slice())
            .unwrap_or_default();
        let received = &self.sides[at].calls[&id].received;
        assert!(
            sent.starts_with(received),
            "{id}: other bytes than were sent"
        );
    }

    fn drain(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            for at in 0..2 {
                while self.poll(at) {
                    busy = true;
                }
                let waiting = self.sides[at].mux.has_transmit();
                self.carry(at, MOVE);
                busy |= waiting;
            }
            if !busy {
                return;
            }
        }
        panic!("no end of bytes");
    }

    fn finish(mut self) {
        for side in &mut self.sides {
            for id in std::mem::take(&mut side.paused) {
                side.mux.resume(id);
            }
        }
        self.drain();
        for at in 0..2 {
            let mux = &self.sides[at].mux;
            assert_eq!((mux.queued_bytes(), mux.unpolled_bytes()), (0, 0));
        }
        if !self.leaving {
            self.check_whole();
        }
        self.leaving = true;
        for side in &mut self.sides {
            side.mux.goodbye();
        }
        self.drain();
        for side in &self.sides {
            assert!(side.mux.is_finished(), "a goodbye is answered");
            assert_eq!(side.mux.open_streams(), 0);
            for (id, known) in &side.calls {
                // Serving an async call ends with the answer, without an event.
                let served_async = known.kind == Some(CallKind::Async) && !id.is_ours();
                if known.forgotten {
                    assert_eq!(known.over, 0, "{id}");
                } else if served_async {
                    assert!(known.over <= 1, "{id}");
                } else {
                    assert_eq!(known.over, 1, "{id} ended {} times", known.over);
                }
            }
        }
    }

    /// Who got a good end, and did not stop listening, got everything.
    fn check_whole(&self) {
        for at in 0..2 {
            for (id, known) in &self.sides[at].calls {
                let other = self.sides[1 - at]
                    .calls
                    .iter()
                    .find(|(o, _)| o.number() == -id.number());
                let Some((_, other)) = other.filter(|_| known.got_well && !known.deaf) else {
                    continue;
                };
                // An end in answer to ours is good, too, and drops what was not sent.
                if other.ended_well
                    && !other.deaf
                    && known.kind != Some(CallKind::Async)
                    && !known.ended_well
                {
                    assert_eq!(known.received, other.sent, "{id}");
                }
            }
        }
    }
}
