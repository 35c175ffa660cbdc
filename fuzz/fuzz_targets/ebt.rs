//! EBT under anything that peers and callers do, in any order: no end of
//! outputs or timers, never a message that was not asked for, never a word
//! that is not true, never a request to two peers or for what is here.
#![no_main]
use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use studytime_fuzz::{Few, Many, feeds, within};
use studytime_replicate::ebt::{Config, IngestOutcome, Payload, Priority, Want};
use studytime_replicate::wire::{Frame, MAX_NOTES_BYTES, check_replicate_args};
use studytime_replicate::{
    Ebt, FeedStore, Heard, MemoryStore, Note, Output, PeerClock, PeerId, Role, StoredMessage,
};
use studytime_schema::FeedId;

const NOW: u64 = 1_700_000_000_000;
const FIRST_PEER: u8 = 100;

#[derive(Arbitrary, Debug)]
enum Step {
    Notes(u8, Vec<(u8, Number)>),
    Message(u8, u8, u8),
    /// A frame that looks like a message and is none.
    Shape {
        peer: u8,
        feed: u8,
        sequence: i64,
    },
    Raw(u8, Few),
    Args(Few),
    Open(u8),
    Close(u8),
    Disconnect(u8),
    Connect {
        peer: u8,
        dial: bool,
        known: bool,
        heard: Vec<(u8, Option<u8>)>,
    },
    Known(u8, bool),
    Want(u8, u8),
    Remove(u8),
    Block(u8, bool),
    BlockedBy {
        author: u8,
        peer: u8,
        on: bool,
    },
    Forgive(u8),
    /// The feed is deleted here.
    Forget(u8),
    /// Its last message is kept back, or passed on again.
    Withhold(u8, bool),
    Append(u8),
    Room(u8, u16),
    Ingested {
        peer: u8,
        feed: u8,
        through: u8,
        outcome: u8,
    },
    Wait(u32),
}

/// A number on the wire: near what feeds have, or any.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Number {
    Near(i8),
    Any(i64),
}

impl Number {
    fn get(self) -> i64 {
        match self {
            Self::Near(n) => n.into(),
            Self::Any(n) => n,
        }
    }
}

fuzz_target!(|input: (bool, bool, Many<Step, 300>)| {
    let (slow, failing, steps) = input;
    within(64 << 20, || {
        let mut world = World::new(slow, failing);
        for step in &steps.0 {
            world.step(step);
            world.poll();
            world.look();
        }
        world.let_time_pass();
    });
});

struct World {
    ebt: Ebt,
    store: MemoryStore,
    now: u64,
    /// Feeds of which the last message is kept back.
    withheld: BTreeSet<FeedId>,
    /// Reads wait for the next step.
    slow: bool,
    /// Messages are not stored at once, and sometimes not at all.
    failing: bool,
    /// The last note of a peer about a feed, in the stream that is open.
    asked: BTreeMap<(PeerId, FeedId), Note>,
    /// The next sequence that a peer can be sent of a feed.
    reads: Vec<(PeerId, FeedId, Vec<StoredMessage>)>,
}

fn id(n: u8) -> FeedId {
    // Most are feeds; one in eight is a stranger.
    match n % 8 {
        7 => FeedId::from_bytes([n; 32]),
        n => feeds::keys(n % feeds::FEEDS as u8 + 1).id(),
    }
}

fn peer(n: u8) -> PeerId {
    let n = n % 4;
    // The last two are one peer with two connections.
    PeerId::new(feeds::keys(FIRST_PEER + n.min(2)).id(), n.into())
}

impl World {
    fn new(slow: bool, failing: bool) -> Self {
        let mut config = Config::default();
        config.max_foreign = 20;
        config.first_room = 2_000;
        let mut ebt = Ebt::new(config);
        let store = MemoryStore::new();
        for (n, chain) in feeds::all().iter().enumerate() {
            store.append(&chain[..n], 1).expect("a valid chain");
            ebt.load([(chain[0].author(), n as u64)]);
            ebt.load_wanted([(chain[0].author(), Want::fetch(Priority::STARTED))]);
        }
        for p in 0..2 {
            ebt.connect(peer(p), Role::Acceptor, true, PeerClock::new(), NOW);
            ebt.handle_open(peer(p), NOW).expect("it is connected");
        }
        Self {
            ebt,
            store,
            now: NOW,
            withheld: BTreeSet::new(),
            slow,
            failing,
            asked: BTreeMap::new(),
            reads: Vec::new(),
        }
    }

    fn tip(&self, feed: &FeedId) -> u64 {
        self.store
            .tip(feed)
            .expect("memory")
            .map_or(0, |tip| tip.sequence)
    }

    /// The last sequence that peers may know of.
    fn shown(&self, feed: &FeedId) -> u64 {
        let kept_back = u64::from(self.withheld.contains(feed));
        self.tip(feed).saturating_sub(kept_back)
    }

    fn frame(&mut self, peer: PeerId, bytes: Bytes) {
        let notes = match Frame::parse(&bytes) {
            Ok(Frame::Notes(notes)) => notes,
            _ => Vec::new(),
        };
        if self.ebt.handle_frame(peer, &bytes, self.now).is_ok() {
            self.asked
                .extend(notes.into_iter().map(|(feed, note)| ((peer, feed), note)));
        }
    }

    fn new_stream(&mut self, peer: PeerId) {
        self.asked.retain(|(p, _), _| *p != peer);
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        let reads = std::mem::take(&mut self.reads);
        match step {
            Step::Notes(p, notes) => {
                let lines: Vec<String> = notes
                    .iter()
                    .map(|(f, n)| format!("\"{}\":{}", id(*f), n.get()))
                    .collect();
                self.frame(peer(*p), format!("{{{}}}", lines.join(",")).into());
            }
            Step::Message(p, feed, n) => {
                let chain = &feeds::all()[usize::from(*feed) % feeds::FEEDS];
                let wire = chain[usize::from(*n) % chain.len()].wire();
                self.frame(peer(*p), Bytes::copy_from_slice(wire.as_bytes()));
            }
            Step::Shape {
                peer: p,
                feed,
                sequence,
            } => {
                let text = format!(
                    r#"{{"author":"{}","sequence":{sequence},"content":""}}"#,
                    id(*feed)
                );
                self.frame(peer(*p), text.into());
            }
            Step::Raw(p, bytes) => self.frame(peer(*p), Bytes::copy_from_slice(&bytes.0)),
            Step::Args(bytes) => drop(check_replicate_args(&bytes.0)),
            Step::Open(p) => {
                if self.ebt.handle_open(peer(*p), now).is_ok() {
                    self.new_stream(peer(*p));
                }
            }
            Step::Close(p) => {
                self.ebt.handle_closed(peer(*p), now);
                self.new_stream(peer(*p));
            }
            Step::Disconnect(p) => {
                self.ebt.disconnect(peer(*p), now);
                self.new_stream(peer(*p));
            }
            Step::Connect {
                peer: p,
                dial,
                known,
                heard,
            } => {
                let role = if *dial { Role::Dialer } else { Role::Acceptor };
                let clock: PeerClock = heard
                    .iter()
                    .map(|(f, s)| {
                        (
                            id(*f),
                            Heard {
                                sequence: s.map(u64::from),
                                at: now - 1000,
                            },
                        )
                    })
                    .collect();
                self.ebt.connect(peer(*p), role, *known, clock, now);
            }
            Step::Known(p, known) => self.ebt.set_known(peer(*p), *known, now),
            Step::Want(f, want) => {
                let fetch = Want::fetch(Priority::STARTED);
                let wants = [
                    Want::own(),
                    fetch,
                    Want::serve(Priority::HELD),
                    fetch.known_only(),
                ];
                self.ebt
                    .set_wanted(id(*f), wants[usize::from(want % 4)], now);
            }
            Step::Remove(f) => self.ebt.remove_wanted(&id(*f), now),
            Step::Block(f, on) => self.ebt.set_blocked(id(*f), *on, now),
            Step::BlockedBy {
                author,
                peer: p,
                on,
            } => {
                self.ebt.set_block(id(*author), peer(*p).feed, *on, now);
            }
            Step::Forgive(f) => self.ebt.forgive(&id(*f), now),
            Step::Forget(f) => {
                self.store.delete(&id(*f)).expect("memory");
                self.ebt.forget(&id(*f), now);
            }
            Step::Withhold(f, on) => {
                self.ebt.set_withheld(id(*f), *on, now);
                if *on {
                    self.withheld.insert(id(*f));
                } else {
                    self.withheld.remove(&id(*f));
                }
            }
            Step::Append(f) => self.append(*f),
            Step::Room(p, room) => self.ebt.writable(peer(*p), usize::from(*room)),
            Step::Ingested {
                peer: p,
                feed,
                through,
                outcome,
            } => {
                let sequence = u64::from(*through);
                let outcome = feeds::outcome(*outcome, sequence);
                let tip = self.tip(&id(*feed));
                self.ebt
                    .handle_ingested(peer(*p), &id(*feed), sequence, tip, outcome, now);
            }
            Step::Wait(ms) => {
                self.now += u64::from(ms % 100_000_000);
                self.ebt.handle_timeout(self.now);
                assert!(
                    self.ebt.poll_timeout().is_none_or(|at| at > self.now),
                    "a timer that never rests"
                );
            }
        }
        for (peer, feed, messages) in reads {
            self.ebt.handle_read(peer, &feed, &messages);
        }
    }

    /// The author of a feed writes its next message here.
    fn append(&mut self, n: u8) {
        let chain = &feeds::all()[usize::from(n) % feeds::FEEDS];
        let feed = chain[0].author();
        let at = self.tip(&feed) as usize;
        if let Some(next) = chain.get(at) {
            self.store
                .append(std::slice::from_ref(next), 1)
                .expect("it fits");
            self.ebt.appended(feed, next.sequence(), self.now);
        }
    }

    fn poll(&mut self) {
        let mut count = 0;
        while let Some(output) = self.ebt.poll_output() {
            count += 1;
            assert!(count < 1000, "no end of outputs");
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Read {
                peer,
                feed,
                from,
                max_count,
                max_bytes,
            } => {
                assert!(max_bytes > 0 && from >= 1 && from <= self.tip(&feed));
                let found = self
                    .store
                    .read(&feed, from, max_count, max_bytes)
                    .expect("memory");
                if self.slow {
                    self.reads.push((peer, feed, found));
                } else {
                    self.ebt.handle_read(peer, &feed, &found);
                }
            }
            Output::Ingest {
                peer,
                feed,
                sequence,
                wire,
            } => self.ingest(peer, feed, sequence, &wire),
            Output::Send {
                peer,
                payload: Payload::Message(text),
            } => {
                let message = studytime_schema::Message::from_log(text.as_bytes()).expect("ours");
                let note = self.asked.get(&(peer, message.author()));
                let Some(Note::Have {
                    sequence,
                    receive: true,
                }) = note
                else {
                    panic!("{peer} is sent what it did not ask for: {note:?}");
                };
                assert!(message.sequence() > *sequence, "{peer} is sent what it has");
                assert!(
                    message.sequence() <= self.shown(&message.author()),
                    "{peer} is sent what is kept back, or not here"
                );
            }
            Output::Send {
                peer,
                payload: Payload::Notes(bytes),
            } => {
                assert!(bytes.len() <= MAX_NOTES_BYTES);
                let Ok(Frame::Notes(notes)) = Frame::parse(&bytes) else {
                    panic!("not notes: {bytes:?}");
                };
                for (feed, note) in notes {
                    if let Note::Have { sequence, receive } = note {
                        assert_eq!(sequence, self.shown(&feed), "claims what is not here");
                        assert!(
                            !receive || self.ebt.source(&feed) == Some(peer),
                            "asks two peers"
                        );
                    }
                }
            }
            Output::Restart { peer } => self.new_stream(peer),
            Output::Fetch { feed, from, .. } => assert_eq!(from, self.tip(&feed) + 1),
            Output::OwnAhead {
                feed,
                claimed,
                here,
                ..
            } => {
                assert!(claimed > here && here == self.tip(&feed));
            }
            _ => {}
        }
    }

    fn ingest(&mut self, peer: PeerId, feed: FeedId, sequence: u64, wire: &[u8]) {
        let wanted = self.ebt.wanted().find(|(f, _)| *f == feed);
        assert!(
            wanted.is_some_and(|(_, want)| want.receive),
            "takes what is not wanted"
        );
        let real = feeds::of(&feed)
            .and_then(|chain| chain.get(usize::try_from(sequence).ok()?.checked_sub(1)?))
            .filter(|message| message.wire().as_bytes() == wire);
        let Some(message) = real else {
            let outcome = IngestOutcome::Invalid { sequence };
            return self.ebt.handle_ingested(
                peer,
                &feed,
                sequence,
                self.tip(&feed),
                outcome,
                self.now,
            );
        };
        if self.failing && sequence.is_multiple_of(3) {
            // Still on its way into the store.
            return;
        }
        let appended = self
            .store
            .append(std::slice::from_ref(message), 1)
            .expect("memory");
        let outcome = IngestOutcome::from(&appended[0]);
        if !self.failing {
            assert_eq!(outcome, IngestOutcome::Kept, "takes what does not fit");
        }
        self.ebt
            .handle_ingested(peer, &feed, sequence, self.tip(&feed), outcome, self.now);
    }

    /// What callers look at between the steps.
    fn look(&self) {
        for p in 0..4 {
            let _ = self.ebt.status(&peer(p));
        }
        for chain in feeds::all() {
            let feed = chain[0].author();
            let _ = self.ebt.claims(&feed);
            for peer in (0..4).map(peer) {
                if let Some((_, from)) = self.ebt.may_fetch(peer, &feed) {
                    assert_eq!(from, self.shown(&feed));
                    assert!(!self.ebt.shuns(&peer.feed, &feed), "asks for what was bad");
                }
            }
        }
    }

    /// And in the end there is nothing to do any more.
    fn let_time_pass(&mut self) {
        for _ in 0..40 {
            let Some(at) = self.ebt.poll_timeout() else {
                break;
            };
            assert!(at <= self.now + Config::default().retry_after);
            self.now = self.now.max(at);
            self.ebt.handle_timeout(self.now);
            assert!(
                self.ebt.poll_timeout().is_none_or(|at| at > self.now),
                "a timer that never rests"
            );
            for (peer, feed, messages) in std::mem::take(&mut self.reads) {
                self.ebt.handle_read(peer, &feed, &messages);
            }
            self.poll();
            self.look();
        }
    }
}
