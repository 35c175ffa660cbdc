//! One machine, spoken to frame by frame.

use bytes::Bytes;
use std::collections::BTreeMap;
use studytime_replicate::clock::Heard;
use studytime_replicate::ebt::{
    Config, EbtError, FallbackReason, IngestOutcome, Payload, Priority, Want,
};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::{Ebt, FeedStore, MemoryStore, Output, PeerClock, PeerId, Role};
use studytime_schema::FeedId;

const NOW: u64 = 1_700_000_000_000;
const FETCH: Want = Want::fetch(Priority::STARTED);

fn id(n: u8) -> FeedId {
    keys(n).id()
}

fn numbered(n: u32) -> FeedId {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    FeedId::from_bytes(bytes)
}

fn peer(n: u8) -> PeerId {
    PeerId::new(id(n), u64::from(n))
}

fn outputs(ebt: &mut Ebt) -> Vec<Output> {
    std::iter::from_fn(|| ebt.poll_output()).collect()
}

/// Only what is sent, as text.
fn sent(ebt: &mut Ebt) -> Vec<String> {
    outputs(ebt)
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { payload, .. } => {
                Some(String::from_utf8(payload.as_bytes().to_vec()).unwrap())
            }
            _ => None,
        })
        .collect()
}

fn frame(ebt: &mut Ebt, from: PeerId, text: &str, now: u64) {
    ebt.handle_frame(from, &Bytes::copy_from_slice(text.as_bytes()), now)
        .unwrap();
}

fn note(feed: FeedId, number: i64) -> String {
    format!("{{\"{feed}\":{number}}}")
}

/// A node with id 1 that has opened with peer 2, which dialled.
fn accepted(wants: &[(FeedId, Want, u64)]) -> Ebt {
    let mut ebt = Ebt::new(Config::default());
    ebt.load(wants.iter().map(|(f, _, tip)| (*f, *tip)));
    ebt.load_wanted(wants.iter().map(|(f, want, _)| (*f, *want)));
    ebt.connect(peer(2), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(2), NOW).unwrap();
    ebt
}

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
        [note(id(4), 0)],
        "the peer knows of feed 3 what it must"
    );
}

/// A repetition is turned off, news from anybody is welcome.
#[test]
fn repetitions_are_turned_off() {
    let feed = id(3);
    let messages = chain(&keys(3), None, 5, "x");
    let mut ebt = accepted(&[(feed, FETCH, 2)]);
    ebt.connect(peer(4), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(4), NOW).unwrap();
    frame(&mut ebt, peer(2), &note(feed, 10), NOW);
    frame(&mut ebt, peer(4), &note(feed, 10), NOW);
    outputs(&mut ebt);
    assert_eq!(ebt.source(&feed), Some(peer(2)));
    // Peer 4 sends although it was told not to.
    frame(&mut ebt, peer(4), messages[2].wire(), NOW);
    assert!(matches!(
        outputs(&mut ebt)[..],
        [Output::Ingest { sequence: 3, .. }]
    ));
    frame(&mut ebt, peer(2), messages[2].wire(), NOW);
    assert_eq!(outputs(&mut ebt), [], "on its way already");
    // The first old message of a peer is looked at, for a fork; not the next.
    frame(&mut ebt, peer(4), messages[0].wire(), NOW);
    assert!(matches!(
        outputs(&mut ebt)[..],
        [Output::Ingest { sequence: 1, .. }]
    ));
    frame(&mut ebt, peer(4), messages[1].wire(), NOW);
    assert_eq!(outputs(&mut ebt), []);
    // The source is never told to stop for it.
    frame(&mut ebt, peer(2), messages[1].wire(), NOW);
    assert!(
        !outputs(&mut ebt)
            .iter()
            .any(|o| matches!(o, Output::Send { .. }))
    );
}

#[test]
fn bad_messages_shun_the_peer_for_that_feed_only() {
    let feed = id(3);
    let messages = chain(&keys(3), None, 5, "x");
    let mut ebt = accepted(&[(feed, FETCH, 0), (id(5), FETCH, 0)]);
    frame(
        &mut ebt,
        peer(2),
        &format!("{{\"{feed}\":10,\"{}\":4}}", id(5)),
        NOW,
    );
    outputs(&mut ebt);
    frame(&mut ebt, peer(2), messages[0].wire(), NOW);
    frame(&mut ebt, peer(2), messages[1].wire(), NOW);
    outputs(&mut ebt);
    ebt.handle_ingested(
        peer(2),
        &feed,
        2,
        1,
        IngestOutcome::Invalid { sequence: 2 },
        NOW,
    );
    let out = outputs(&mut ebt);
    assert!(out.contains(&Output::Shun {
        peer: id(2),
        feed,
        sequence: 2,
        fork: false
    }));
    assert!(out.iter().any(
        |o| matches!(o, Output::Send { payload: Payload::Notes(n), .. } if n == &note(feed, 3))
    ));
    frame(&mut ebt, peer(2), messages[2].wire(), NOW);
    assert_eq!(outputs(&mut ebt), []);
    assert_eq!(ebt.source(&id(5)), Some(peer(2)));
    // Once the feed went past it by another way, the peer may send again.
    ebt.appended(feed, 3, NOW);
    assert_eq!(ebt.source(&feed), Some(peer(2)));
    // Another branch stays another branch, until the owner says otherwise.
    ebt.handle_ingested(
        peer(2),
        &feed,
        4,
        3,
        IngestOutcome::Fork { sequence: 4 },
        NOW,
    );
    assert_eq!(ebt.source(&feed), None);
    ebt.appended(feed, 4, NOW);
    assert_eq!(ebt.source(&feed), None);
    ebt.forgive(&feed, NOW);
    assert_eq!(ebt.source(&feed), Some(peer(2)));
}

#[test]
fn a_gap_is_asked_for_again_but_not_for_ever() {
    let feed = id(3);
    let messages = chain(&keys(3), None, 9, "x");
    let mut ebt = accepted(&[(feed, FETCH, 2)]);
    frame(&mut ebt, peer(2), &note(feed, 18), NOW);
    outputs(&mut ebt);
    let mut asked = 0;
    let mut now = NOW;
    for _ in 0..200 {
        frame(&mut ebt, peer(2), messages[7].wire(), now);
        now += 100;
        ebt.handle_timeout(now);
        asked += sent(&mut ebt)
            .iter()
            .filter(|t| **t == note(feed, 4))
            .count();
    }
    assert_eq!(asked, 5);
    assert_eq!(ebt.source(&feed), None, "left alone for a while");
    // A stall is forgotten after some minutes.
    ebt.handle_timeout(now + Config::default().stalled_for);
    assert_eq!(ebt.source(&feed), Some(peer(2)));
}

#[test]
fn nothing_is_sent_without_room() {
    let feed = id(3);
    let store = MemoryStore::new();
    store.append(&chain(&keys(3), None, 50, "x"), 1).unwrap();
    let mut ebt = accepted(&[(feed, FETCH, 50)]);
    outputs(&mut ebt);
    ebt.writable(peer(2), 0);
    frame(&mut ebt, peer(2), &note(feed, 0), NOW);
    frame(&mut ebt, peer(2), &note(id(9), 0), NOW);
    assert_eq!(outputs(&mut ebt), []);
    ebt.writable(peer(2), 1_000);
    let mut messages = 0;
    let mut reads = 0;
    loop {
        let out = outputs(&mut ebt);
        if out.is_empty() {
            break;
        }
        for output in out {
            match output {
                Output::Read {
                    from,
                    max_count,
                    max_bytes,
                    ..
                } => {
                    reads += 1;
                    let found = store.read(&feed, from, max_count, max_bytes).unwrap();
                    ebt.handle_read(peer(2), &feed, &found);
                }
                Output::Send {
                    payload: Payload::Message(_),
                    ..
                } => messages += 1,
                Output::Send {
                    payload: Payload::Notes(n),
                    ..
                } => {
                    assert_eq!(n, note(id(9), -1));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        (1..=3).contains(&messages) && reads <= 3,
        "{messages} messages, {reads} reads"
    );
    assert_eq!(ebt.status(&peer(2)).unwrap().ahead, 50 - messages);
}

#[test]
fn acknowledgements_do_not_repeat_what_is_on_its_way() {
    let feed = id(3);
    let store = MemoryStore::new();
    store.append(&chain(&keys(3), None, 10, "x"), 1).unwrap();
    let mut ebt = accepted(&[(feed, FETCH, 10)]);
    frame(&mut ebt, peer(2), &note(feed, 0), NOW);
    outputs(&mut ebt);
    ebt.handle_read(peer(2), &feed, &store.read(&feed, 1, 256, 99_999).unwrap());
    assert_eq!(sent(&mut ebt).len(), 10);
    frame(&mut ebt, peer(2), &note(feed, 2 * 4), NOW);
    assert_eq!(outputs(&mut ebt), [], "progress: 4 of 10 have arrived");
    frame(&mut ebt, peer(2), &note(feed, 2 * 4), NOW);
    assert!(
        matches!(outputs(&mut ebt)[..], [Output::Read { from: 5, .. }]),
        "no progress: again from 5"
    );
    ebt.handle_read(peer(2), &feed, &[]);
    frame(&mut ebt, peer(2), &note(feed, 2 * 2), NOW);
    assert!(
        matches!(outputs(&mut ebt)[..], [Output::Read { from: 3, .. }]),
        "less than before is true"
    );
    // It turns us off while the store reads.
    frame(&mut ebt, peer(2), &note(feed, 2 * 2 + 1), NOW);
    ebt.handle_read(peer(2), &feed, &store.read(&feed, 3, 256, 99_999).unwrap());
    assert_eq!(sent(&mut ebt), [""; 0]);
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

/// A connection goes while its messages are being verified, and what becomes of
/// them is never told: another peer brings them.
#[test]
fn a_lost_connection_takes_nothing_along() {
    let feed = id(3);
    let messages = chain(&keys(3), None, 5, "x");
    let mut ebt = accepted(&[(feed, FETCH, 0)]);
    frame(&mut ebt, peer(2), &note(feed, 10), NOW);
    for message in &messages[..3] {
        frame(&mut ebt, peer(2), message.wire(), NOW);
    }
    assert_eq!(
        outputs(&mut ebt)
            .iter()
            .filter(|o| matches!(o, Output::Ingest { .. }))
            .count(),
        3
    );
    ebt.disconnect(peer(2), NOW);
    ebt.connect(peer(4), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(4), NOW).unwrap();
    frame(&mut ebt, peer(4), &note(feed, 10), NOW);
    outputs(&mut ebt);
    frame(&mut ebt, peer(4), messages[0].wire(), NOW);
    assert!(matches!(
        outputs(&mut ebt)[..],
        [Output::Ingest { sequence: 1, .. }]
    ));
    // The answer comes late, after all.
    ebt.handle_ingested(peer(2), &feed, 3, 3, IngestOutcome::Kept, NOW);
    frame(&mut ebt, peer(4), messages[3].wire(), NOW);
    assert!(
        outputs(&mut ebt)
            .iter()
            .any(|o| matches!(o, Output::Ingest { sequence: 4, .. }))
    );
}
