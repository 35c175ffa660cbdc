//! Two connections back to back, doing random things to each other. Whatever they do: nothing is
//! lost that was wanted, nothing is invented, the order is kept, and in the end every stream is
//! closed on both sides.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, VecDeque};

use common::Dice;
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, SendError, StreamId};

const PIECE: usize = 3000;

/// What one side knows of a stream.
#[derive(Debug, Default)]
struct Story {
    kind: Option<CallKind>,
    /// Bytes of all bodies sent.
    sent: Vec<u8>,
    /// Bytes of all bodies received.
    received: Vec<u8>,
    /// Our `end` or `reply`, or the text of our `fail`.
    said: Option<Result<(), String>>,
    /// We wanted no more, or no answer.
    gave_up: bool,
    heard: Option<End>,
    replied: bool,
    blocked: bool,
}

struct Side {
    mux: Mux,
    stories: BTreeMap<StreamId, Story>,
    wire: VecDeque<u8>,
    next: u32,
}

impl Side {
    fn new(limits: Limits) -> Self {
        Self {
            mux: Mux::new(limits),
            stories: BTreeMap::new(),
            wire: VecDeque::new(),
            next: 0,
        }
    }

    fn sends(&self, id: StreamId) -> bool {
        match self.stories[&id].kind {
            Some(CallKind::Duplex) => true,
            Some(CallKind::Source) => !id.is_ours(),
            Some(CallKind::Sink) => id.is_ours(),
            _ => false,
        }
    }

    /// A body like no other.
    fn body(&mut self, dice: &mut Dice) -> Body {
        self.next += 1;
        let mut bytes = self.next.to_be_bytes().to_vec();
        let len = [0, 1, 20, 700, 70_000][dice.below(5).min(dice.below(6)).min(4)];
        bytes.extend(std::iter::repeat_n(self.next as u8, len));
        match dice.below(3) {
            0 => Body::binary(bytes),
            1 => Body::Text(bytes.into()),
            _ => Body::raw_json(bytes),
        }
    }

    fn open(&self) -> Vec<StreamId> {
        self.stories
            .iter()
            .filter(|(_, story)| story.said.is_none())
            .map(|(id, _)| *id)
            .collect()
    }

    fn call(&mut self, dice: &mut Dice) {
        let kind = [
            CallKind::Async,
            CallKind::Source,
            CallKind::Sink,
            CallKind::Duplex,
        ][dice.below(4)];
        if let Ok(id) = self.mux.call(kind, &["some", "thing"], &NO_ARGS) {
            let story = Story {
                kind: Some(kind),
                ..Story::default()
            };
            assert!(self.stories.insert(id, story).is_none());
        }
    }

    fn send(&mut self, dice: &mut Dice) {
        let Some(id) = dice.pick(&self.open()) else {
            return;
        };
        let body = self.body(dice);
        if self.stories[&id].kind == Some(CallKind::Async) {
            if !id.is_ours() {
                let outcome = self.mux.reply(id, body.clone());
                let story = self.stories.get_mut(&id).unwrap();
                story.said = Some(Ok(()));
                match outcome {
                    Ok(()) => story.sent.extend_from_slice(body.as_bytes()),
                    Err(error) => {
                        assert_eq!((error, story.heard.is_some()), (SendError::Ended, true))
                    }
                }
            }
        } else if self.sends(id) {
            let writable = self.mux.writable(id);
            let outcome = self.mux.send(id, body.clone());
            let story = self.stories.get_mut(&id).unwrap();
            match outcome {
                Ok(()) => {
                    story.sent.extend_from_slice(body.as_bytes());
                    story.blocked = false;
                }
                Err(SendError::Full) => story.blocked = true,
                Err(SendError::Ended) => assert!(!writable),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn stop(&mut self, id: StreamId, dice: &mut Dice) {
        let sends = self.sends(id);
        let story = self.stories.get_mut(&id).unwrap();
        let is_async = story.kind == Some(CallKind::Async);
        let only_receives = !sends && (!is_async || id.is_ours());
        if dice.below(3) == 0 {
            let text = format!("reason {}", dice.below(1000));
            self.mux.fail(id, &text);
            story.said = Some(Err(text));
            story.gave_up = true;
        } else {
            self.mux.end(id);
            story.said = Some(Ok(()));
            story.gave_up |= only_receives && story.heard.is_none();
        }
    }

    fn poll(&mut self) {
        let Some(event) = self.mux.poll_event() else {
            return;
        };
        match event {
            Event::Call { id, call } => {
                assert_eq!(call.method(), "some.thing");
                let story = Story {
                    kind: Some(call.kind()),
                    ..Story::default()
                };
                assert!(
                    self.stories.insert(id, story).is_none(),
                    "the same call twice"
                );
            }
            Event::Reply { id, body } => {
                let story = self.stories.get_mut(&id).unwrap();
                assert!(!story.replied && !story.gave_up && story.heard.is_none());
                story.replied = true;
                story.said = Some(Ok(()));
                story.received.extend_from_slice(body.as_bytes());
            }
            Event::Data { id, body } => {
                let story = self.stories.get_mut(&id).unwrap();
                assert!(!story.gave_up && story.heard.is_none() && !body.is_empty());
                story.received.extend_from_slice(body.as_bytes());
            }
            Event::Ended { id, end } => {
                let story = self.stories.get_mut(&id).unwrap();
                assert!(story.heard.is_none() && !story.replied, "two ends");
                let is_async = story.kind == Some(CallKind::Async);
                assert!(!(is_async && id.is_ours() && story.gave_up));
                story.heard = Some(end);
            }
            Event::Writable { id } => self.stories.get_mut(&id).unwrap().blocked = false,
            other => panic!("{other:?}"),
        }
    }

    fn transmit(&mut self, most: usize) {
        let mut out = Vec::new();
        assert!(self.mux.poll_transmit(&mut out, most) <= most);
        self.wire.extend(out);
    }

    /// Takes bytes the other side has written.
    fn receive(&mut self, wire: &mut VecDeque<u8>, most: usize, budget: usize) {
        if self.mux.wants_bytes() {
            let bytes: Vec<u8> = wire.drain(..most.min(wire.len())).collect();
            self.mux.handle_bytes(&bytes).unwrap();
            assert!(self.mux.unpolled_bytes() <= budget + PIECE + PIECE / 10 * 128 + 80_000);
        }
    }

    fn act(&mut self, dice: &mut Dice) {
        match dice.below(20) {
            0 | 1 => self.call(dice),
            2..8 => self.send(dice),
            8 => {
                if let Some(id) = dice.pick(&self.open()) {
                    self.stop(id, dice);
                }
            }
            9 | 10 => {
                let ids: Vec<_> = self.stories.keys().copied().collect();
                if let Some(id) = dice.pick(&ids) {
                    if dice.below(3) == 0 {
                        self.mux.pause(id)
                    } else {
                        self.mux.resume(id)
                    }
                }
            }
            _ => self.poll(),
        }
    }
}

/// Compares what one side sent with what the other has.
fn check(from: &Side, to: &Side) {
    for (id, story) in &to.stories {
        let twin = from
            .stories
            .iter()
            .find(|(other, _)| other.number() == -id.number());
        let Some((_, twin)) = twin else {
            assert!(
                id.is_ours() && story.received.is_empty(),
                "a call that nobody made"
            );
            let done = story.gave_up
                || matches!(&story.heard, Some(End::Error(e)) if e.message().contains("too many"));
            assert!(done, "{id}: {story:?}");
            continue;
        };
        assert_eq!(story.kind, twin.kind);
        assert!(
            twin.sent.starts_with(&story.received),
            "{id}: not what was sent"
        );
        if !story.gave_up {
            assert_eq!(
                story.received.len(),
                twin.sent.len(),
                "{id}: lost\n{story:?}\n{twin:?}"
            );
        }
        let is_async = story.kind == Some(CallKind::Async);
        if is_async {
            assert!(!id.is_ours() || story.gave_up || story.replied || story.heard.is_some());
            continue;
        }
        let heard = story.heard.as_ref().expect("no end");
        // An end is what the other side said, or its automatic answer to what we said first.
        let as_said = |said: &Option<Result<(), String>>| match (said, heard) {
            (Some(Ok(())), End::Done) => true,
            (Some(Err(text)), End::Error(error)) => error.message() == text,
            _ => false,
        };
        assert!(
            as_said(&twin.said) || as_said(&story.said),
            "{id}\n{story:?}\n{twin:?}"
        );
    }
}

fn simulate(seed: u64) {
    let dice = &mut Dice(seed);
    const BUDGET: usize = 6000;
    let limits = Limits::default()
        .with_stream_queue(2000)
        .with_total_queue(9000)
        .with_own_streams(12)
        .with_peer_streams(7)
        .with_unpolled(BUDGET);
    let (mut a, mut b) = (Side::new(limits), Side::new(limits));
    for _ in 0..1500 {
        let (this, other) = if dice.below(2) == 0 {
            (&mut a, &mut b)
        } else {
            (&mut b, &mut a)
        };
        match dice.below(4) {
            0 => this.transmit(dice.below(PIECE)),
            1 => this.receive(&mut other.wire, dice.below(PIECE), BUDGET),
            _ => this.act(dice),
        }
    }
    // Everyone says what is left to say, until nothing moves.
    for round in 0..1000 {
        for first in [true, false] {
            let (this, other) = if first {
                (&mut a, &mut b)
            } else {
                (&mut b, &mut a)
            };
            let ids: Vec<_> = this.stories.keys().copied().collect();
            for id in &ids {
                this.mux.resume(*id);
            }
            while this.mux.unpolled_bytes() > 0 {
                this.poll();
            }
            this.poll();
            for id in this.open() {
                let served_async = this.stories[&id].kind == Some(CallKind::Async) && !id.is_ours();
                if this.sends(id) || served_async || this.stories[&id].heard.is_some() {
                    this.mux.end(id);
                    this.stories.get_mut(&id).unwrap().said = Some(Ok(()));
                }
            }
            this.transmit(PIECE);
            this.receive(&mut other.wire, PIECE, BUDGET);
        }
        let quiet = [&a, &b]
            .iter()
            .all(|s| s.wire.is_empty() && !s.mux.has_transmit() && s.mux.unpolled_bytes() == 0);
        if quiet && round > 2 {
            break;
        }
    }
    for side in [&a, &b] {
        let mux = &side.mux;
        assert_eq!(
            (mux.open_streams(), mux.queued_bytes(), mux.unpolled_bytes()),
            (0, 0, 0),
            "{mux:?}"
        );
        assert!(side.wire.is_empty());
    }
    check(&a, &b);
    check(&b, &a);
    assert!(
        a.stories.len() + b.stories.len() > 20,
        "too little happened"
    );
}

#[test]
fn random_conversations() {
    for seed in 0..300 {
        let result = std::panic::catch_unwind(|| simulate(seed));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn connections_cut_at_any_moment() {
    for seed in 1000..1100 {
        let dice = &mut Dice(seed);
        let (mut a, mut b) = (Side::new(Limits::default()), Side::new(Limits::default()));
        for _ in 0..dice.below(600) {
            let (this, other) = if dice.below(2) == 0 {
                (&mut a, &mut b)
            } else {
                (&mut b, &mut a)
            };
            match dice.below(4) {
                0 => this.transmit(dice.below(PIECE)),
                1 => this.receive(&mut other.wire, dice.below(PIECE), 4 << 20),
                _ => this.act(dice),
            }
        }
        for side in [&mut a, &mut b] {
            side.mux.handle_close();
            let ids: Vec<_> = side.stories.keys().copied().collect();
            for id in ids {
                side.mux.resume(id);
            }
            while side.mux.unpolled_bytes() > 0 {
                side.poll();
            }
            assert_eq!(
                (side.mux.open_streams(), side.mux.queued_bytes()),
                (0, 0),
                "seed {seed}"
            );
            for (id, story) in &side.stories {
                let is_async = story.kind == Some(CallKind::Async);
                let told =
                    story.heard.is_some() || story.replied || (is_async && story.said.is_some());
                assert!(told, "seed {seed}, {id}: {story:?}");
            }
        }
    }
}
