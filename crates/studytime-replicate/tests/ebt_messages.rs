//! Messages sent and received, frame by frame.

mod talk;

use studytime_replicate::ebt::{Config, IngestOutcome, Payload, Tally};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::{FeedStore, MemoryStore, Output, PeerClock, Role};
use talk::{FETCH, NOW, accepted, frame, id, note, outputs, peer, sent};

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

/// A sequence that no feed can have is no message: taken for one, three of them
/// added up to more than a number holds when the session was looked at.
#[test]
fn impossible_sequences_are_no_news() {
    let feeds = [id(3), id(5), id(7)];
    let mut ebt = accepted(&feeds.map(|feed| (feed, FETCH, 0)));
    for feed in feeds {
        frame(&mut ebt, peer(2), &note(feed, 4), NOW);
        for sequence in [i64::MAX, 1 << 53, 1 << 31] {
            let text = format!(r#"{{"author":"{feed}","sequence":{sequence},"content":""}}"#);
            frame(&mut ebt, peer(2), &text, NOW);
        }
    }
    let status = ebt.status(&peer(2)).unwrap();
    assert_eq!(status.behind, 6);
    assert_eq!(ebt.claims(&feeds[0]), [(peer(2), 2)]);
}

/// The first thing that went wrong is told, in whatever order the store answered:
/// the gap behind a refused message must not hide the refusal.
#[test]
fn a_gap_does_not_hide_what_made_it() {
    let outcomes = [
        (1, IngestOutcome::Kept),
        (3, IngestOutcome::Gap),
        (4, IngestOutcome::Gap),
        (2, IngestOutcome::Invalid { sequence: 2 }),
    ];
    for turn in 0..outcomes.len() {
        let mut tally = Tally::new();
        for at in 0..outcomes.len() {
            let (sequence, outcome) = outcomes[(turn + at) % outcomes.len()];
            tally.add(peer(2), id(3), sequence, outcome);
        }
        let words: Vec<_> = tally.into_words().collect();
        let refused = IngestOutcome::Invalid { sequence: 2 };
        assert_eq!(words, [(peer(2), id(3), 4, refused)]);
    }
}

/// A source that hangs is the only one with news at first. When another one has
/// them, too, it takes over after three seconds, not after the ten that the only
/// one is given.
#[test]
fn whoever_has_the_news_as_well_takes_over_soon() {
    let mut ebt = accepted(&[(id(3), FETCH, 1)]);
    ebt.connect(peer(4), Role::Acceptor, true, PeerClock::new(), NOW);
    ebt.handle_open(peer(4), NOW).unwrap();
    outputs(&mut ebt);
    frame(&mut ebt, peer(2), &note(id(3), 10), NOW);
    assert_eq!(ebt.source(&id(3)), Some(peer(2)));
    // The timer is set for the only one now.
    ebt.handle_timeout(NOW + 3_000);
    assert_eq!(ebt.source(&id(3)), Some(peer(2)));
    frame(&mut ebt, peer(4), &note(id(3), 10), NOW + 3_500);
    while let Some(at) = ebt.poll_timeout().filter(|at| *at <= NOW + 6_500) {
        ebt.handle_timeout(at);
    }
    assert_eq!(ebt.source(&id(3)), Some(peer(4)));
}
