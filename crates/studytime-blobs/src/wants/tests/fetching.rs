//! From whom, in which order, and what happens when it fails.

use super::*;

#[test]
fn fetches_go_by_rank_and_a_few_at_a_time() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    for n in 0..20 {
        wants.want(MINE, id(n), whole((20 - n).into()), 0);
    }
    wants.want(MINE, id(20), WantSpec::whole(Priority::Opened, 5), 0);
    let all: Vec<_> = (0..21).map(id).collect();
    has(&mut wants, a, &all, 1);
    let started = fetches(&mut wants, 1);
    let expected: Vec<_> = [20, 19, 18, 17].map(|n| (a, id(n))).into();
    assert_eq!(started, expected);
    has(&mut wants, b, &all, 1);
    let expected: Vec<_> = [16, 15, 14, 13].map(|n| (b, id(n))).into();
    assert_eq!(
        fetches(&mut wants, 1),
        expected,
        "another peer takes the next"
    );
    wants.handle_stored(id(19), 100, Some(a), 2);
    assert_eq!(fetches(&mut wants, 2), [(a, id(12))]);
    // A better rank is served first, where there is a slot.
    wants.want(OwnerId(2), id(3), WantSpec::whole(Priority::Opened, 0), 2);
    wants.handle_stored(id(16), 100, Some(b), 3);
    assert_eq!(fetches(&mut wants, 3), [(b, id(3))]);
}

#[test]
fn what_a_reader_waits_for_takes_the_line_for_itself() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..10 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    let all: Vec<_> = (0..12).map(id).collect();
    wants.want(MINE, id(11), whole(11), 0);
    has(&mut wants, a, &all, 0);
    assert_eq!(fetches(&mut wants, 0).len(), 4);
    wants.want(OwnerId(2), id(11), WantSpec::playing(0, 100), 1);
    let outputs = drain(&mut wants, 1);
    assert!(
        matches!(outputs[0], Output::Fetch { blob, .. } if blob == id(11)),
        "{outputs:?}"
    );
    let cancelled = outputs
        .iter()
        .filter(|o| matches!(o, Output::CancelFetch { .. }));
    assert_eq!(cancelled.count(), 4);
    assert_eq!(outputs.len(), 5, "and nothing lesser is started meanwhile");
    wants.handle_failed(a, &id(0), FetchFailure::Broken, 1);
    wants.handle_stored(id(11), 100, Some(a), 2);
    assert_eq!(fetches(&mut wants, 2).len(), 4, "then the others go on");
    // One that is on its way already and becomes urgent does the same.
    let (_, moving) = fetches_now(&wants)[0];
    wants.want(OwnerId(2), moving, WantSpec::playing(0, 100), 3);
    let outputs = drain(&mut wants, 3);
    assert_eq!(outputs.len(), 3);
    assert!(
        outputs
            .iter()
            .all(|o| matches!(o, Output::CancelFetch { blob, .. } if *blob != moving))
    );
}

fn fetches_now(wants: &Wants) -> Vec<(PeerId, BlobId)> {
    let peers = wants.peers.iter();
    let flights = peers.flat_map(|(id, p)| p.flights.iter().map(|b| (*id, *b)));
    flights.collect()
}

#[test]
fn a_fetch_that_fails_goes_to_the_next_who_has_it() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b, c) = (
        friend(&mut wants, 1),
        friend(&mut wants, 2),
        friend(&mut wants, 3),
    );
    wants.want(MINE, id(1), whole(0), 0);
    for p in [a, b, c] {
        has(&mut wants, p, &[id(1)], 0);
    }
    assert_eq!(fetches(&mut wants, 0), [(a, id(1))]);
    wants.handle_failed(b, &id(1), FetchFailure::Refused, 1);
    assert_eq!(fetches(&mut wants, 1), [], "not its fetch");
    wants.handle_failed(a, &id(1), FetchFailure::Refused, 1);
    assert_eq!(fetches(&mut wants, 1), [(b, id(1))]);
    wants.handle_failed(b, &id(1), FetchFailure::WrongHash, 2);
    assert_eq!(fetches(&mut wants, 2), [(c, id(1))]);
    wants.disconnect(c, 3);
    assert_eq!(fetches(&mut wants, 3), [], "nobody is left");
    // The one who refused is asked again after a while, the liar is not.
    let retry = wants.poll_timeout().unwrap();
    assert_eq!(retry, 1 + wants.config.retry);
    wants.handle_timeout(retry);
    assert_eq!(frames(&mut wants, retry), [(a, vec![(id(1), WANT)])]);
    has(&mut wants, b, &[id(1)], retry);
    assert_eq!(fetches(&mut wants, retry), []);
    has(&mut wants, a, &[id(1)], retry);
    assert_eq!(fetches(&mut wants, retry), [(a, id(1))]);
}

#[test]
fn who_lies_three_times_is_not_asked_any_more() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..8 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    let all: Vec<_> = (0..8).map(id).collect();
    has(&mut wants, a, &all, 0);
    assert_eq!(fetches(&mut wants, 0).len(), 4);
    wants.handle_failed(a, &id(3), FetchFailure::WrongHashResumed, 1);
    wants.handle_failed(a, &id(0), FetchFailure::WrongHash, 1);
    wants.handle_failed(a, &id(1), FetchFailure::WrongHash, 1);
    drain(&mut wants, 1);
    wants.handle_failed(a, &id(2), FetchFailure::WrongHash, 2);
    let outputs = drain(&mut wants, 2);
    let mark = Output::PeerMarked {
        feed: a.feed,
        mark: Mark::Liar { times: 3 },
    };
    assert!(outputs.contains(&mark), "{outputs:?}");
    assert!(!outputs.iter().any(|o| matches!(o, Output::Fetch { .. })));
    // A new connection does not help, time does.
    wants.disconnect(a, 3);
    let again = PeerId {
        connection: 99,
        ..a
    };
    wants.connect(again, PeerKind::StudyTime, 3);
    wants.opened(again, 3);
    has(&mut wants, again, &all, 3);
    assert_eq!(fetches(&mut wants, 3), []);
    let later = 3 + wants.config.ban;
    has(&mut wants, again, &all, later);
    assert_eq!(fetches(&mut wants, later).len(), 4);
}

#[test]
fn a_silent_peer_loses_its_fetches() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    wants.want(MINE, id(1), whole(0), 0);
    has(&mut wants, a, &[id(1)], 0);
    assert_eq!(fetches(&mut wants, 0), [(a, id(1))]);
    wants.handle_bytes(a, &id(1), 10, 15_000);
    assert_eq!(wants.poll_timeout(), Some(35_000));
    wants.handle_timeout(34_999);
    assert_eq!(drain(&mut wants, 34_999), []);
    has(&mut wants, b, &[id(1)], 34_999);
    wants.handle_timeout(35_000);
    let outputs = drain(&mut wants, 35_000);
    assert_eq!(
        outputs[0],
        Output::CancelFetch {
            peer: a,
            blob: id(1),
            keep: true
        }
    );
    assert!(matches!(outputs[1], Output::Fetch { peer, .. } if peer == b));

    // What a reader waits for moves sooner, if somebody else has it.
    wants.want(MINE, id(1), WantSpec::playing(0, 100), 35_000);
    // (Its speed is looked at before; the other one is not to be asked.)
    while let Some(at) = wants.poll_timeout().filter(|at| *at < 40_000) {
        wants.handle_timeout(at);
        assert_eq!(drain(&mut wants, at), []);
    }
    assert_eq!(wants.poll_timeout(), Some(40_000));
    wants.handle_timeout(40_000);
    let outputs = drain(&mut wants, 40_000);
    assert_eq!(
        outputs[0],
        Output::CancelFetch {
            peer: b,
            blob: id(1),
            keep: true
        }
    );
    // The first has its pause, the second has just failed: wait.
    assert_eq!(outputs.len(), 1);
    wants.handle_timeout(35_000 + wants.config.retry);
    assert_eq!(fetches(&mut wants, 95_000), [(a, id(1))]);
}

#[test]
fn a_trickle_is_no_progress() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..2 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    has(&mut wants, a, &[id(0), id(1)], 0);
    drain(&mut wants, 0);
    // The peer is alive, but one of its fetches never moves.
    for now in (0..wants.config.stall_fetch).step_by(10_000) {
        wants.handle_bytes(a, &id(0), 1, now);
        wants.handle_timeout(now);
        assert_eq!(drain(&mut wants, now), []);
    }
    wants.handle_timeout(wants.config.stall_fetch);
    let outputs = drain(&mut wants, 60_000);
    assert_eq!(
        outputs[0],
        Output::CancelFetch {
            peer: a,
            blob: id(1),
            keep: true
        }
    );
}

#[test]
fn our_own_trouble_stops_everything_for_a_while() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.want(MINE, id(1), whole(0), 0);
    has(&mut wants, a, &[id(1)], 0);
    drain(&mut wants, 0);
    wants.handle_failed(a, &id(1), FetchFailure::Local, 5);
    assert_eq!(fetches(&mut wants, 5), []);
    let resume = 5 + wants.config.local_pause;
    assert!(wants.poll_timeout().unwrap() <= resume);
    wants.handle_timeout(resume);
    assert_eq!(fetches(&mut wants, resume), [(a, id(1))]);
}

#[test]
fn hints_about_sizes() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    wants.want(
        MINE,
        id(1),
        WantSpec::segment(Priority::Prefetch, 0, 1_000),
        0,
    );
    says(&mut wants, a, &[(id(1), Note::Has { size: 1_001 })], 0);
    assert_eq!(fetches(&mut wants, 0), [], "too large to be it");
    says(&mut wants, b, &[(id(1), Note::Has { size: 1 })], 0);
    let outputs = drain(&mut wants, 0);
    let expected = Output::Fetch {
        peer: b,
        blob: id(1),
        max: 1_000,
        resume: Some(1),
    };
    assert_eq!(outputs, [expected], "some say 1 of any blob");
}

#[test]
fn mirrors_get_what_no_peer_can_serve() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..4 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    has(&mut wants, a, &[id(0)], 0);
    drain(&mut wants, 0);
    assert_eq!(wants.take_for_mirrors(9, 1_000, 999), []);
    let max = whole(0).max;
    assert_eq!(
        wants.take_for_mirrors(2, 1_000, 1_000),
        [(id(1), max), (id(2), max)]
    );
    // While a mirror is at it, no peer is.
    has(&mut wants, a, &[id(1)], 1_000);
    assert_eq!(fetches(&mut wants, 1_000), []);
    wants.mirror_failed(&id(1), 1_001);
    assert_eq!(fetches(&mut wants, 1_001), [(a, id(1))]);
    wants.mirror_failed(&id(2), 1_001);
    assert_eq!(
        wants.take_for_mirrors(9, 1_000, 1_002),
        [(id(3), max)],
        "the other one pauses"
    );
    wants.handle_stored(id(3), 5, None, 1_003);
    assert!(drain(&mut wants, 1_003).contains(&Output::Got {
        blob: id(3),
        size: 5
    }));
    assert_eq!(wants.stats().in_flight, 2);
}

#[test]
fn a_blob_that_came_otherwise_ends_its_fetch() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.want(MINE, id(1), whole(0), 0);
    has(&mut wants, a, &[id(1)], 0);
    drain(&mut wants, 0);
    wants.handle_stored(id(1), 100, None, 1);
    let got = Output::Got {
        blob: id(1),
        size: 100,
    };
    let cancel = Output::CancelFetch {
        peer: a,
        blob: id(1),
        keep: false,
    };
    assert_eq!(drain(&mut wants, 1), [got, cancel]);
}
