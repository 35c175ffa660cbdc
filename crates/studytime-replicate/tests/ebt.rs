//! Sessions and notes, frame by frame.

mod talk;

use bytes::Bytes;
use std::collections::BTreeMap;
use studytime_replicate::clock::Heard;
use studytime_replicate::ebt::{Config, EbtError, FallbackReason, IngestOutcome, Priority, Want};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::{Ebt, FeedStore, MemoryStore, Output, PeerClock, Role};
use studytime_schema::FeedId;
use talk::{FETCH, NOW, accepted, frame, id, note, numbered, outputs, peer, sent};

/// The recorded conversation of two JavaScript peers, with ours in the place of
/// the listener: the same notes in the same order.
#[test]
fn as_listener_in_a_recorded_conversation() {
    let (me, other) = (id(1), id(2));
    let store = MemoryStore::new();
    let messages = chain(&keys(1), None, 2, "eins");
    store.append(&messages[..1], 1).unwrap();
    let mut ebt = accepted(&[(me, Want::own(), 1), (other, FETCH, 0)]);
    assert_eq!(sent(&mut ebt), [format!("{{\"{me}\":2,\"{other}\":0}}")]);
    frame(
        &mut ebt,
        peer(2),
        &format!("{{\"{other}\":2,\"{me}\":0}}"),
        NOW + 84,
    );
    assert_eq!(
        outputs(&mut ebt),
        [Output::Read {
            peer: peer(2),
            feed: me,
            from: 1,
            max_count: 256,
            max_bytes: 262_144 - 115 - 2
        }]
    );
    ebt.handle_read(peer(2), &me, &store.read(&me, 1, 256, 9_999).unwrap());
    assert_eq!(sent(&mut ebt), [messages[0].wire()]);
    // Their message comes.
    let theirs = &chain(&keys(2), None, 1, "one")[0];
    frame(&mut ebt, peer(2), theirs.wire(), NOW + 85);
    let ingest = outputs(&mut ebt);
    assert!(matches!(&ingest[..], [Output::Ingest { sequence: 1, feed, .. }] if *feed == other));
    ebt.handle_ingested(peer(2), &other, 1, 1, IngestOutcome::Kept, NOW + 90);
    assert_eq!(sent(&mut ebt), [""; 0]);
    // A live one of ours.
    store.append(&messages[1..], 1).unwrap();
    ebt.appended(me, 2, NOW + 900);
    assert!(matches!(
        outputs(&mut ebt)[..],
        [Output::Read { from: 2, .. }]
    ));
    ebt.handle_read(peer(2), &me, &store.read(&me, 2, 256, 9_999).unwrap());
    assert_eq!(sent(&mut ebt), [messages[1].wire()]);
    // When it is quiet, the peer is told how far we got.
    ebt.handle_timeout(NOW + 2_000);
    assert_eq!(sent(&mut ebt), [note(other, 2)]);
    ebt.disconnect(peer(2), NOW + 3_000);
    let clock = PeerClock::from([
        (
            me,
            Heard {
                sequence: Some(0),
                at: NOW + 84,
            },
        ),
        (
            other,
            Heard {
                sequence: Some(1),
                at: NOW + 84,
            },
        ),
    ]);
    assert_eq!(
        outputs(&mut ebt),
        [Output::SaveClock {
            peer: other,
            changes: clock
        }]
    );
}

/// The dialer says nothing before the listener's clock has come, then answers
/// what was left out on both sides.
#[test]
fn as_dialer_in_a_recorded_reconnect() {
    let (me, other) = (id(1), id(2));
    let mut ebt = Ebt::new(Config::default());
    ebt.load([(me, 1), (other, 2)]);
    ebt.load_wanted([(me, Want::own()), (other, FETCH)]);
    let heard = |sequence| Heard {
        sequence: Some(sequence),
        at: NOW - 9,
    };
    let clock = PeerClock::from([(me, heard(0)), (other, heard(2))]);
    ebt.connect(peer(2), Role::Dialer, true, clock, NOW);
    assert_eq!(outputs(&mut ebt), [Output::Open { peer: peer(2) }]);
    ebt.appended(me, 1, NOW);
    assert_eq!(outputs(&mut ebt), [], "nothing before their first frame");
    frame(&mut ebt, peer(2), &note(other, 4), NOW + 50);
    assert_eq!(sent(&mut ebt), [format!("{{\"{me}\":2,\"{other}\":5}}")]);
    frame(&mut ebt, peer(2), &note(me, 3), NOW + 140);
    assert_eq!(outputs(&mut ebt), []);
}

#[test]
fn the_first_frame_goes_out_even_when_empty() {
    let mut ebt = accepted(&[]);
    assert_eq!(sent(&mut ebt), ["{}"]);
    frame(&mut ebt, peer(2), "{}", NOW);
    assert_eq!(outputs(&mut ebt), []);
}

#[test]
fn unknown_feeds_are_refused_once() {
    let mut ebt = accepted(&[]);
    outputs(&mut ebt);
    frame(&mut ebt, peer(2), &note(id(7), 10), NOW);
    assert_eq!(sent(&mut ebt), [note(id(7), -1)]);
    frame(&mut ebt, peer(2), &note(id(7), 12), NOW);
    frame(&mut ebt, peer(2), &note(id(8), -1), NOW);
    assert_eq!(sent(&mut ebt), [""; 0]);
    // Wanted later: the peer's word from before counts.
    ebt.set_wanted(id(7), FETCH, NOW);
    assert_eq!(sent(&mut ebt), [note(id(7), 0)]);
    assert_eq!(ebt.source(&id(7)), Some(peer(2)));
    assert_eq!(ebt.claims(&id(7)), [(peer(2), 6)]);
    // Messages of feeds nobody asked for are dropped.
    frame(
        &mut ebt,
        peer(2),
        chain(&keys(8), None, 1, "x")[0].wire(),
        NOW,
    );
    assert_eq!(outputs(&mut ebt), []);
}

#[test]
fn mentions_of_strange_feeds_are_bounded() {
    let mut ebt = Ebt::new(Config::default());
    ebt.connect(peer(2), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    outputs(&mut ebt);
    let mut refused = 0;
    for round in 0..10 {
        let body: Vec<String> = (0..4_000)
            .map(|n| format!("\"{}\":2", numbered(round * 4_000 + n)))
            .collect();
        frame(&mut ebt, peer(2), &format!("{{{}}}", body.join(",")), NOW);
        refused += sent(&mut ebt)
            .iter()
            .map(|t| t.matches(":-1").count())
            .sum::<usize>();
        ebt.writable(peer(2), 1 << 20);
        refused += sent(&mut ebt)
            .iter()
            .map(|t| t.matches(":-1").count())
            .sum::<usize>();
    }
    assert_eq!(refused, 20_000);
}

/// Ten thousand feeds: in frames of at most 256 KiB, the most urgent first, as
/// fast as the peer takes them; and none at all when nothing has changed.
#[test]
fn ten_thousand_feeds() {
    let want = |n: u32| Want::fetch(Priority(10 + (n % 5) as u8));
    let load = |ebt: &mut Ebt| {
        ebt.load((0..10_000).map(|n| (numbered(n), 3)));
        ebt.load([(id(1), 1)]);
        ebt.load_wanted([(id(1), Want::own())]);
        ebt.load_wanted((0..10_000).map(|n| (numbered(n), want(n))));
    };
    let mut ebt = Ebt::new(Config::default());
    load(&mut ebt);
    ebt.connect(peer(2), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    let mut frames = sent(&mut ebt);
    assert_eq!(frames.len(), 1, "the rest waits for room");
    for _ in 0..9 {
        ebt.writable(peer(2), 100_000);
        frames.extend(sent(&mut ebt));
    }
    assert_eq!(frames[1..].iter().map(|f| f.len() / 1_000).max(), Some(99));
    assert!(frames.len() > 4 && frames.iter().all(|f| f.len() <= 256 * 1024));
    assert!(
        frames[0].starts_with(&format!("{{\"{}\":2,", id(1))),
        "own feeds first"
    );
    let mut order = Vec::new();
    for frame in &frames {
        let notes: BTreeMap<FeedId, i64> = serde_json::from_str(frame).unwrap();
        let ranks = notes.keys().filter(|f| **f != id(1)).map(|f| {
            let n = u32::from_be_bytes(f.as_bytes()[..4].try_into().unwrap());
            want(n).priority
        });
        let ranks: Vec<Priority> = ranks.collect();
        order.push((*ranks.iter().min().unwrap(), *ranks.iter().max().unwrap()));
        assert!(
            notes.values().all(|n| *n == 7 || *n == 2),
            "nothing is asked for that is not said to be there"
        );
    }
    let notes: usize = frames.iter().map(|f| f.matches(".ed25519").count()).sum();
    assert_eq!(notes, 10_001);
    assert!(order.windows(2).all(|w| w[0].1 <= w[1].0), "{order:?}");

    let mut ebt = Ebt::new(Config::default());
    load(&mut ebt);
    let clock: PeerClock = (0..10_000)
        .map(|n| {
            (
                numbered(n),
                Heard {
                    sequence: Some(3),
                    at: NOW,
                },
            )
        })
        .collect();
    ebt.connect(peer(2), Role::Acceptor, true, clock, NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    assert_eq!(sent(&mut ebt), [note(id(1), 2)]);
}

#[test]
fn refusals_and_empty_feeds_are_tried_again_after_a_day() {
    let feeds = [(id(3), FETCH, 0), (id(4), FETCH, 5), (id(5), FETCH, 0)];
    let day = Config::default().retry_after;
    let named = |age: u64| {
        let heard = |sequence| Heard {
            sequence,
            at: NOW - age,
        };
        let clock = PeerClock::from([
            (id(3), heard(None)),
            (id(4), heard(None)),
            (id(5), heard(Some(0))),
        ]);
        let mut ebt = Ebt::new(Config::default());
        ebt.load(feeds.iter().map(|(f, _, t)| (*f, *t)));
        ebt.load_wanted(feeds.iter().map(|(f, want, _)| (*f, *want)));
        ebt.connect(peer(2), Role::Acceptor, true, clock, NOW);
        ebt.handle_open(peer(2), NOW).unwrap();
        sent(&mut ebt)[0].matches(".ed25519").count()
    };
    assert_eq!(named(day - 1), 0);
    assert_eq!(named(day), 3);
}

#[test]
fn a_feed_that_leaves_gets_the_odd_note() {
    let mut ebt = accepted(&[(id(3), FETCH, 4), (id(4), FETCH, 0)]);
    outputs(&mut ebt);
    frame(
        &mut ebt,
        peer(2),
        &format!("{{\"{}\":20,\"{}\":6}}", id(3), id(4)),
        NOW,
    );
    assert_eq!(sent(&mut ebt), [format!("{{\"{}\":8}}", id(3))]);
    ebt.remove_wanted(&id(3), NOW);
    ebt.remove_wanted(&id(4), NOW);
    assert_eq!(
        sent(&mut ebt),
        [format!("{{\"{}\":9,\"{}\":-1}}", id(3), id(4))]
    );
    // Still served to whoever has less.
    frame(&mut ebt, peer(2), &note(id(3), 4), NOW);
    assert!(matches!(
        outputs(&mut ebt)[..],
        [Output::Read { from: 3, .. }]
    ));
    // And named again when it is wanted again.
    ebt.set_wanted(id(3), FETCH, NOW);
    ebt.set_wanted(id(4), FETCH, NOW);
    assert_eq!(
        sent(&mut ebt),
        [format!("{{\"{}\":9,\"{}\":0}}", id(3), id(4))],
        "also what the peer was told already: it may have given it up"
    );
}

#[test]
fn feeds_for_known_peers_only() {
    let feed = id(3);
    let mut ebt = Ebt::new(Config::default());
    ebt.load([(feed, 5)]);
    ebt.set_wanted(feed, FETCH.known_only(), NOW);
    ebt.connect(peer(2), Role::Acceptor, false, PeerClock::new(), NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    assert_eq!(sent(&mut ebt), ["{}"]);
    frame(&mut ebt, peer(2), &note(feed, 0), NOW);
    assert_eq!(sent(&mut ebt), [note(feed, -1)]);
    ebt.set_wanted(feed, FETCH, NOW);
    assert_eq!(sent(&mut ebt), [note(feed, 11)], "now for everyone");
    ebt.set_wanted(feed, FETCH.known_only(), NOW);
    assert_eq!(sent(&mut ebt), [note(feed, -1)]);
    assert!(!ebt.may_have(&id(2), false, &feed) && ebt.may_have(&id(2), true, &feed));
    ebt.set_known(peer(2), true, NOW);
    assert_eq!(sent(&mut ebt), [note(feed, 11)]);
    ebt.set_block(feed, id(2), true, NOW);
    assert_eq!(sent(&mut ebt), [note(feed, -1)]);
    assert!(!ebt.may_have(&id(2), true, &feed) && ebt.may_have(&id(4), true, &feed));
    assert!(!ebt.may_have(&id(2), true, &id(9)), "never heard of");
    assert!(matches!(outputs(&mut ebt)[..], []));
}

#[test]
fn streams_that_break() {
    let mut ebt = Ebt::new(Config::default());
    let p = peer(2);
    ebt.set_wanted(id(3), FETCH, NOW);
    // Refused before any notes.
    ebt.connect(p, Role::Dialer, true, PeerClock::new(), NOW);
    ebt.handle_closed(p, NOW);
    let out = outputs(&mut ebt);
    assert!(out.contains(&Output::Fallback {
        peer: p,
        reason: FallbackReason::Refused
    }));
    ebt.disconnect(p, NOW);
    // Broken twice: opened again; then given up.
    ebt.connect(p, Role::Dialer, true, PeerClock::new(), NOW);
    for _ in 0..2 {
        frame(&mut ebt, p, &note(id(3), 8), NOW);
        assert_eq!(ebt.source(&id(3)), Some(p));
        ebt.handle_closed(p, NOW);
        assert_eq!(ebt.source(&id(3)), None);
        assert!(outputs(&mut ebt).contains(&Output::Open { peer: p }));
    }
    frame(&mut ebt, p, &note(id(3), 8), NOW);
    ebt.handle_closed(p, NOW);
    let out = outputs(&mut ebt);
    assert!(out.contains(&Output::Fallback {
        peer: p,
        reason: FallbackReason::Broken
    }));
    // Two at once.
    ebt.connect(peer(4), Role::Dialer, true, PeerClock::new(), NOW);
    assert!(matches!(
        ebt.handle_open(peer(4), NOW),
        Err(EbtError::AlreadyOpen(_))
    ));
    // A second call by the one who dialled replaces the first.
    ebt.connect(peer(5), Role::Acceptor, true, PeerClock::new(), NOW);
    let bytes = Bytes::from_static(b"{}");
    assert!(matches!(
        ebt.handle_frame(peer(5), &bytes, NOW),
        Err(EbtError::NotOpen(_))
    ));
    ebt.handle_open(peer(5), NOW).unwrap();
    outputs(&mut ebt);
    frame(&mut ebt, peer(5), "{}", NOW);
    ebt.handle_open(peer(5), NOW).unwrap();
    assert_eq!(sent(&mut ebt), [note(id(3), 0)]);
    assert!(matches!(
        ebt.handle_frame(peer(5), &Bytes::from_static(b"oops"), NOW),
        Err(EbtError::Frame(_))
    ));
    ebt.disconnect(peer(9), NOW);
}
