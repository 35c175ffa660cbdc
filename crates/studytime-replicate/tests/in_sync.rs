//! What ten thousand feeds cost two peers that have met before: counted in notes
//! and bytes, on both sides.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod talk;

use bytes::Bytes;
use std::collections::BTreeMap;
use studytime_replicate::ebt::{Config, IngestOutcome, Payload, Priority, Want};
use studytime_replicate::store::StoredMessage;
use studytime_replicate::{Ebt, Output, PeerClock, PeerId, Role};
use studytime_schema::{FeedId, LogPosition};
use talk::{NOW, id, note, numbered};

const FEEDS: u32 = 10_000;

/// A machine and what it keeps on disk. Messages are only told apart by number.
struct Side {
    me: FeedId,
    peer: PeerId,
    ebt: Ebt,
    tips: BTreeMap<FeedId, u64>,
    clock: PeerClock,
    notes: Vec<String>,
    bytes: usize,
    messages: usize,
}

impl Side {
    fn new(me: u8, other: u8, connection: u64) -> Self {
        let mut side = Self {
            me: id(me),
            peer: PeerId::new(id(other), connection),
            ebt: Ebt::default(),
            tips: BTreeMap::new(),
            clock: PeerClock::new(),
            notes: Vec::new(),
            bytes: 0,
            messages: 0,
        };
        side.start();
        side
    }

    /// As after a start of the program.
    fn start(&mut self) {
        self.ebt = Ebt::new(Config::default());
        self.ebt.load(self.tips.iter().map(|(f, t)| (*f, *t)));
        self.ebt.load_wanted([(self.me, Want::own())]);
        let wanted = (0..FEEDS).map(numbered).chain([self.peer.feed]);
        let want = Want::fetch(Priority::LISTED);
        self.ebt.load_wanted(wanted.map(|f| (f, want)));
    }

    fn connect(&mut self, role: Role, connection: u64, now: u64) {
        self.peer.connection = connection;
        (self.notes, self.bytes, self.messages) = Default::default();
        self.ebt
            .connect(self.peer, role, true, self.clock.clone(), now);
    }

    /// Does what is put out; the frames for the other side.
    fn drive(&mut self, now: u64) -> Vec<Bytes> {
        let mut frames = Vec::new();
        while let Some(output) = self.ebt.poll_output() {
            match output {
                Output::Send { payload, .. } => {
                    let bytes = Bytes::copy_from_slice(payload.as_bytes());
                    self.bytes += bytes.len();
                    match payload {
                        Payload::Notes(_) => {
                            self.notes.push(String::from_utf8(bytes.to_vec()).unwrap());
                        }
                        Payload::Message(_) => self.messages += 1,
                    }
                    frames.push(bytes);
                    self.ebt.writable(self.peer, 1 << 20);
                }
                Output::Read {
                    feed,
                    from,
                    max_count,
                    ..
                } => {
                    let last = self.tips[&feed].min(from + max_count as u64 - 1);
                    let messages: Vec<_> = (from..=last).map(|n| stored(feed, n)).collect();
                    self.ebt.handle_read(self.peer, &feed, &messages);
                }
                Output::Ingest { feed, sequence, .. } => {
                    let tip = self.tips.entry(feed).or_default();
                    assert_eq!(sequence, *tip + 1, "each once, in order");
                    *tip = sequence;
                    self.ebt.handle_ingested(
                        self.peer,
                        &feed,
                        sequence,
                        sequence,
                        IngestOutcome::Kept,
                        now,
                    );
                }
                Output::SaveClock { changes, .. } => self.clock.extend(changes),
                Output::Open { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        frames
    }

    fn feeds_noted(&self) -> usize {
        self.notes
            .iter()
            .map(|n| n.matches(".ed25519").count())
            .sum()
    }
}

fn stored(feed: FeedId, sequence: u64) -> StoredMessage {
    let wire = format!(r#"{{"author":"{feed}","sequence":{sequence},"content":{{"type":"x"}}}}"#);
    StoredMessage {
        position: LogPosition(0),
        feed,
        sequence,
        received: 1,
        wire: wire.into(),
    }
}

/// Runs a connection for a virtual minute.
fn meet(dialer: &mut Side, acceptor: &mut Side, connection: u64, start: u64) {
    acceptor.connect(Role::Acceptor, connection, start);
    dialer.connect(Role::Dialer, connection, start);
    acceptor.ebt.handle_open(acceptor.peer, start).unwrap();
    let mut now = start;
    while now < start + 60_000 {
        loop {
            let (to_dialer, to_acceptor) = (acceptor.drive(now), dialer.drive(now));
            if to_dialer.is_empty() && to_acceptor.is_empty() {
                break;
            }
            for (side, frames) in [(&mut *dialer, to_dialer), (&mut *acceptor, to_acceptor)] {
                for frame in frames {
                    side.ebt.handle_frame(side.peer, &frame, now).unwrap();
                }
            }
        }
        now += 500;
        dialer.ebt.handle_timeout(now);
        acceptor.ebt.handle_timeout(now);
    }
    for side in [dialer, acceptor] {
        side.ebt.disconnect(side.peer, now);
        side.drive(now);
    }
}

/// First everything travels, then nothing but each side's own feed is named, after
/// a restart of both, and whoever dials.
#[test]
fn a_reconnect_names_the_own_feeds_only() {
    let (mut a, mut b) = (Side::new(1, 2, 1), Side::new(2, 1, 1));
    a.tips.extend((0..FEEDS).map(|n| (numbered(n), 3)));
    a.tips.insert(a.me, 5);
    // The other one has some of it, more of some, and lacks most.
    b.tips.extend((0..1_000).map(|n| (numbered(n), 3)));
    b.tips.extend((1_000..1_100).map(|n| (numbered(n), 4)));
    b.tips.insert(b.me, 2);
    a.start();
    b.start();
    meet(&mut a, &mut b, 1, NOW);
    assert_eq!(a.messages, 8_900 * 3 + 5);
    assert_eq!(b.messages, 100 + 2);
    assert_eq!(a.tips, b.tips);
    // Each names each feed when they meet, and says once how far it has got.
    let first = FEEDS as usize + 2;
    for (side, most) in [(&a, first + 101), (&b, first + 8_901)] {
        let noted = side.feeds_noted();
        assert!((first..=most).contains(&noted), "{noted} of {most}");
    }

    for (round, restart) in [(2, false), (3, true), (4, false)] {
        if restart {
            a.start();
            b.start();
        }
        let start = NOW + round * 3_600_000;
        if round % 2 == 0 {
            meet(&mut b, &mut a, round, start);
        } else {
            meet(&mut a, &mut b, round, start);
        }
        for side in [&a, &b] {
            let other = side.peer.feed;
            assert!(
                side.notes
                    .iter()
                    .all(|n| n.contains(&side.me.to_string()) || n.contains(&other.to_string())),
                "round {round}: {:?}",
                side.notes
            );
            // One's own feed as one's own, and the other's as the answer to it.
            assert!(side.feeds_noted() <= 2, "round {round}: {:?}", side.notes);
            let two = note(side.me, 10).len() + note(other, 10).len();
            assert!(side.bytes <= two, "round {round}: {} bytes", side.bytes);
            assert_eq!(side.messages, 0);
        }
    }

    // News still come through, and cost one note or message each.
    let fresh = numbered(77);
    a.tips.insert(fresh, 4);
    a.ebt.appended(fresh, 4, NOW + 20_000_000);
    meet(&mut a, &mut b, 5, NOW + 20_000_000);
    assert_eq!(b.tips[&fresh], 4);
    assert_eq!(a.messages, 1);
    assert!(a.feeds_noted() <= 3 && b.feeds_noted() <= 4);
}
