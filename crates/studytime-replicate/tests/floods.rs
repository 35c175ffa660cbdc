//! What a peer can make this end keep and do by talking: never more than is
//! written down.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use std::collections::BTreeSet;
use studytime_replicate::ebt::{Config, Payload};
use studytime_replicate::wire::{Frame, MAX_NOTES_BYTES, NotesWriter};
use studytime_replicate::{Ebt, Note, Output, PeerClock, PeerId, Role};
use studytime_schema::FeedId;

const ROOM: usize = 1 << 30;

fn feed(n: u32) -> FeedId {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    FeedId::from_bytes(bytes)
}

fn peer(n: u32) -> PeerId {
    PeerId::new(feed(u32::MAX - n), u64::from(n))
}

/// Frames as full as they may be, with a note for each of these feeds.
fn frames(feeds: std::ops::Range<u32>) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut frame = NotesWriter::new();
    for n in feeds {
        if frame.is_full(MAX_NOTES_BYTES) {
            all.push(std::mem::take(&mut frame).finish());
        }
        let note = Note::Have {
            sequence: 7,
            receive: true,
        };
        frame.push(&feed(n), note);
    }
    all.push(frame.finish());
    all
}

/// What goes out: notes, the largest frame, everything else.
#[derive(Default)]
struct Sent {
    refused: BTreeSet<FeedId>,
    largest: usize,
    others: Vec<Output>,
}

impl Sent {
    fn take(&mut self, ebt: &mut Ebt) {
        while let Some(output) = ebt.poll_output() {
            let Output::Send {
                payload: Payload::Notes(bytes),
                ..
            } = &output
            else {
                self.others.push(output);
                continue;
            };
            self.largest = self.largest.max(bytes.len());
            let Ok(Frame::Notes(notes)) = Frame::parse(bytes) else {
                panic!("our own notes")
            };
            let refused = notes.into_iter().filter(|(_, note)| *note == Note::Refuse);
            for (feed, _) in refused {
                assert!(self.refused.insert(feed), "refused twice");
            }
        }
    }
}

fn accept(ebt: &mut Ebt, who: PeerId, now: u64) {
    ebt.connect(who, Role::Acceptor, false, PeerClock::new(), now);
    ebt.handle_open(who, now).unwrap();
    ebt.writable(who, ROOM);
}

/// Of a million feeds that are nobody's here some are refused, the others passed
/// over in silence; whoever asks for what is here gets it meanwhile.
#[test]
fn notes_for_a_million_feeds_are_kept_for_some() {
    const MILLION: u32 = 1_000_000;
    let max = Config::default().max_foreign;
    let ours = feed(u32::MAX);
    let mut ebt = Ebt::new(Config::default());
    ebt.load([(ours, 3)]);
    let (talker, honest) = (peer(1), peer(2));
    accept(&mut ebt, talker, 0);
    let mut sent = Sent::default();
    let mut asked = false;
    for (n, frame) in frames(0..MILLION).into_iter().enumerate() {
        let now = n as u64;
        ebt.handle_frame(talker, &frame, now).unwrap();
        ebt.writable(talker, ROOM);
        sent.take(&mut ebt);
        if n == 100 {
            accept(&mut ebt, honest, now);
            sent.take(&mut ebt);
            let mut asks = NotesWriter::new();
            let note = Note::Have {
                sequence: 0,
                receive: true,
            };
            asks.push(&ours, note);
            ebt.handle_frame(honest, &asks.finish(), now).unwrap();
            sent.take(&mut ebt);
            asked = sent
                .others
                .iter()
                .any(|o| matches!(o, Output::Read { peer, feed, .. } if *peer == honest && *feed == ours));
        }
    }
    assert!(asked, "the honest peer is served in the midst of it");
    assert_eq!(sent.refused.len(), max, "refused once, and no more kept");
    assert!(sent.largest <= MAX_NOTES_BYTES, "{}", sent.largest);
    // Nothing of it is stored.
    sent.others.clear();
    ebt.disconnect(talker, 1_000_000);
    sent.take(&mut ebt);
    let saved = sent
        .others
        .iter()
        .any(|o| matches!(o, Output::SaveClock { .. }));
    assert!(!saved, "{:?}", sent.others);
    assert_eq!(ebt.wanted().count(), 0);
}

/// The same notes again and again are answered once.
#[test]
fn repeated_notes_cost_nothing() {
    let mut ebt = Ebt::new(Config::default());
    let talker = peer(1);
    accept(&mut ebt, talker, 0);
    let frame = frames(0..1_000).remove(0);
    let mut sent = Sent::default();
    for n in 0..200 {
        ebt.handle_frame(talker, &frame, n).unwrap();
        ebt.writable(talker, ROOM);
        sent.take(&mut ebt);
    }
    assert_eq!(sent.refused.len(), 1_000);
}

/// A thousand peers that all have the same feed: it is asked of one of them.
#[test]
fn a_thousand_peers_are_asked_once() {
    const PEERS: u32 = 1_000;
    let wanted = feed(1);
    let mut ebt = Ebt::new(Config::default());
    ebt.load_wanted([(
        wanted,
        studytime_replicate::Want::fetch(studytime_replicate::ebt::Priority::LISTED),
    )]);
    let mut asked = 0;
    for n in 1..=PEERS {
        let who = peer(n);
        accept(&mut ebt, who, 0);
        let mut says = NotesWriter::new();
        let note = Note::Have {
            sequence: 50,
            receive: true,
        };
        says.push(&wanted, note);
        ebt.handle_frame(who, &says.finish(), 0).unwrap();
        while let Some(output) = ebt.poll_output() {
            if let Output::Send {
                payload: Payload::Notes(bytes),
                ..
            } = output
                && let Ok(Frame::Notes(notes)) = Frame::parse(&bytes)
            {
                let receives = |note: &Note| matches!(note, Note::Have { receive: true, .. });
                asked += notes.iter().filter(|(_, n)| receives(n)).count();
            }
        }
    }
    assert_eq!(asked, 1, "of one source, whoever else has it");
    assert_eq!(ebt.claims(&wanted).len(), PEERS as usize);
    for n in 1..=PEERS {
        ebt.disconnect(peer(n), 1);
    }
    assert!(ebt.claims(&wanted).is_empty() && ebt.source(&wanted).is_none());
}
