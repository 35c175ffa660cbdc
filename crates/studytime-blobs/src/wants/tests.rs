use super::*;
use crate::wire::{MAX_ENTRIES_SENT, Note, WantFrame};

mod laws;

fn peer(n: u8) -> PeerId {
    PeerId { feed: FeedId::from_bytes([n; 32]), connection: u64::from(n) }
}

fn id(n: u32) -> BlobId {
    BlobId::of(&n.to_le_bytes())
}

fn friend(wants: &mut Wants, n: u8) -> PeerId {
    wants.connect(peer(n), PeerKind::StudyTime, 0);
    wants.opened(peer(n), 0);
    assert!(frames(wants, 0).iter().any(|(p, _)| *p == peer(n)), "a first frame");
    peer(n)
}

fn drain(wants: &mut Wants, now: u64) -> Vec<Output> {
    std::iter::from_fn(|| wants.poll_output(now)).collect()
}

fn frames(wants: &mut Wants, now: u64) -> Vec<(PeerId, Vec<(BlobId, Note)>)> {
    let sent = drain(wants, now).into_iter().filter_map(|output| match output {
        Output::SendWants { peer, frame } => Some((peer, frame.notes)),
        _ => None,
    });
    sent.collect()
}

fn fetches(wants: &mut Wants, now: u64) -> Vec<(PeerId, BlobId)> {
    let fetches = drain(wants, now).into_iter().filter_map(|output| match output {
        Output::Fetch { peer, blob, .. } => Some((peer, blob)),
        _ => None,
    });
    fetches.collect()
}

fn says(wants: &mut Wants, peer: PeerId, notes: &[(BlobId, Note)], now: u64) {
    wants.handle_frame(peer, &WantFrame { notes: notes.to_vec() }, now);
}

fn has(wants: &mut Wants, peer: PeerId, blobs: &[BlobId], now: u64) {
    let notes: Vec<_> = blobs.iter().map(|b| (*b, Note::Has { size: 100 })).collect();
    says(wants, peer, &notes, now);
}

const MINE: OwnerId = OwnerId(1);
const WANT: Note = Note::Want { hops: 1 };

fn whole(order: u64) -> WantSpec {
    WantSpec::whole(Priority::Prefetch, order)
}

#[test]
fn the_first_frame_is_everything_even_if_it_is_nothing() {
    let mut wants = Wants::new(WantsConfig::default());
    wants.connect(peer(1), PeerKind::Other, 0);
    assert_eq!(drain(&mut wants, 0), [], "not before the peer asks");
    wants.opened(peer(1), 0);
    assert_eq!(frames(&mut wants, 0), [(peer(1), vec![])]);
    wants.want(MINE, id(1), whole(0), 0);
    assert_eq!(frames(&mut wants, 0), [(peer(1), vec![(id(1), WANT)])]);
    wants.want(MINE, id(1), whole(9), 0);
    wants.want(OwnerId(2), id(1), whole(9), 0);
    assert_eq!(frames(&mut wants, 0), [], "nothing is said twice");
    wants.connect(peer(2), PeerKind::Other, 0);
    wants.opened(peer(2), 0);
    assert_eq!(frames(&mut wants, 0), [(peer(2), vec![(id(1), WANT)])]);
    wants.opened(peer(2), 0);
    assert_eq!(frames(&mut wants, 0), [(peer(2), vec![(id(1), WANT)])], "it starts over");
}

#[test]
fn frames_are_sliced_and_announcements_bounded() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..3_000 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    let sent = frames(&mut wants, 0);
    assert!(sent.iter().all(|(_, notes)| notes.len() <= MAX_ENTRIES_SENT));
    let told: Vec<_> = sent.into_iter().flat_map(|(_, notes)| notes).collect();
    assert_eq!(told.len(), wants.config.announced_per_peer);
    assert_eq!(told[0], (id(0), WANT));
    // Something urgent has room, still.
    wants.want(MINE, id(9_999), WantSpec::playing(0, 100), 0);
    assert_eq!(frames(&mut wants, 0), [(a, vec![(id(9_999), WANT)])]);
    // Answers make room for the next in rank.
    let answered: Vec<_> = (0..600).map(id).collect();
    has(&mut wants, a, &answered, 1);
    let told: Vec<_> = frames(&mut wants, 1).into_iter().flat_map(|(_, n)| n).collect();
    assert!(told.len() >= 500, "{}", told.len());
    assert_eq!(told[0], (id(1_024), WANT));
}

#[test]
fn the_empty_blob_is_here() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    assert_eq!(wants.want(MINE, BlobId::EMPTY, whole(0), 0), Wanted::Here);
    let got = Output::Got { blob: BlobId::EMPTY, size: 0 };
    assert_eq!(drain(&mut wants, 0), [got]);
    says(&mut wants, a, &[(BlobId::EMPTY, WANT)], 0);
    let push = PushSpec { id: BlobId::EMPTY, size: 0, scope: PushScope::Everyone, seen: vec![] };
    wants.push(push, 0);
    assert_eq!(drain(&mut wants, 0), []);
}

#[test]
fn a_want_that_crosses_its_arrival_is_answered() {
    let mut wants = Wants::new(WantsConfig::default());
    wants.handle_stored(id(1), 5, None, 0);
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Here);
    assert_eq!(drain(&mut wants, 0), [Output::Got { blob: id(1), size: 5 }]);
    wants.handle_deleted(&id(1));
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Yes);
}

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
    assert_eq!(fetches(&mut wants, 1), expected, "another peer takes the next");
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
    assert!(matches!(outputs[0], Output::Fetch { blob, .. } if blob == id(11)), "{outputs:?}");
    let cancelled = outputs.iter().filter(|o| matches!(o, Output::CancelFetch { .. }));
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
    assert!(outputs.iter().all(|o| matches!(o, Output::CancelFetch { blob, .. } if *blob != moving)));
}

fn fetches_now(wants: &Wants) -> Vec<(PeerId, BlobId)> {
    let peers = wants.peers.iter();
    let flights = peers.flat_map(|(id, p)| p.flights.iter().map(|b| (*id, *b)));
    flights.collect()
}

#[test]
fn a_fetch_that_fails_goes_to_the_next_who_has_it() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b, c) = (friend(&mut wants, 1), friend(&mut wants, 2), friend(&mut wants, 3));
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
    let mark = Output::PeerMarked { feed: a.feed, mark: Mark::Liar { times: 3 } };
    assert!(outputs.contains(&mark), "{outputs:?}");
    assert!(!outputs.iter().any(|o| matches!(o, Output::Fetch { .. })));
    // A new connection does not help, time does.
    wants.disconnect(a, 3);
    let again = PeerId { connection: 99, ..a };
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
    wants.handle_bytes(a, &id(1), 15_000);
    assert_eq!(wants.poll_timeout(), Some(35_000));
    wants.handle_timeout(34_999);
    assert_eq!(drain(&mut wants, 34_999), []);
    has(&mut wants, b, &[id(1)], 34_999);
    wants.handle_timeout(35_000);
    let outputs = drain(&mut wants, 35_000);
    assert_eq!(outputs[0], Output::CancelFetch { peer: a, blob: id(1) });
    assert!(matches!(outputs[1], Output::Fetch { peer, .. } if peer == b));

    // What a reader waits for moves sooner, if somebody else has it.
    wants.want(MINE, id(1), WantSpec::playing(0, 100), 35_000);
    assert_eq!(wants.poll_timeout(), Some(40_000));
    wants.handle_timeout(40_000);
    let outputs = drain(&mut wants, 40_000);
    assert_eq!(outputs[0], Output::CancelFetch { peer: b, blob: id(1) });
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
        wants.handle_bytes(a, &id(0), now);
        wants.handle_timeout(now);
        assert_eq!(drain(&mut wants, now), []);
    }
    wants.handle_timeout(wants.config.stall_fetch);
    let outputs = drain(&mut wants, 60_000);
    assert_eq!(outputs[0], Output::CancelFetch { peer: a, blob: id(1) });
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
fn releasing_cancels_when_nobody_else_wants_it() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.replace(MINE, &[(id(1), whole(0)), (id(2), whole(1))], 0);
    wants.want(OwnerId(2), id(1), WantSpec::playing(3, 100), 0);
    has(&mut wants, a, &[id(1), id(2)], 0);
    assert_eq!(fetches(&mut wants, 0).len(), 2);
    wants.replace(MINE, &[(id(3), whole(0))], 1);
    let outputs = drain(&mut wants, 1);
    assert_eq!(outputs[0], Output::CancelFetch { peer: a, blob: id(2) });
    assert!(wants.is_wanted(&id(1)) && !wants.is_wanted(&id(2)));
    wants.replace(OwnerId(2), &[], 2);
    assert_eq!(drain(&mut wants, 2), [Output::CancelFetch { peer: a, blob: id(1) }]);
    // Wanted again, it is announced again: the answer was for the old want.
    wants.want(MINE, id(2), whole(0), 3);
    has(&mut wants, a, &[id(2)], 3);
    assert_eq!(fetches(&mut wants, 3), [(a, id(2))]);
    assert_eq!(wants.stats().wanted, 2);
}

#[test]
fn a_late_answer_to_a_withdrawn_want_is_not_lost() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.want(MINE, id(1), whole(0), 0);
    drain(&mut wants, 0);
    wants.release(MINE, &id(1), 1);
    has(&mut wants, a, &[id(1)], 2);
    assert_eq!(drain(&mut wants, 2), []);
    wants.want(MINE, id(1), whole(0), 3);
    assert_eq!(frames(&mut wants, 3), [(a, vec![(id(1), WANT)])], "so it answers again");
}

#[test]
fn hints_about_sizes() {
    let mut wants = Wants::new(WantsConfig::default());
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    wants.want(MINE, id(1), WantSpec::segment(Priority::Prefetch, 0, 1_000), 0);
    says(&mut wants, a, &[(id(1), Note::Has { size: 1_001 })], 0);
    assert_eq!(fetches(&mut wants, 0), [], "too large to be it");
    says(&mut wants, b, &[(id(1), Note::Has { size: 1 })], 0);
    let outputs = drain(&mut wants, 0);
    let expected = Output::Fetch { peer: b, blob: id(1), max: 1_000, resume: Some(1) };
    assert_eq!(outputs, [expected], "some say 1 of any blob");
}

#[test]
fn wants_of_others_are_looked_up_answered_and_remembered() {
    let mut wants = Wants::new(WantsConfig { sympathy: 0, ..WantsConfig::default() });
    let (a, b) = (friend(&mut wants, 1), friend(&mut wants, 2));
    says(&mut wants, a, &[(id(1), WANT), (id(2), WANT)], 0);
    says(&mut wants, b, &[(id(1), Note::Want { hops: 2 })], 0);
    assert_eq!(drain(&mut wants, 0), [Output::NeedHave { blobs: vec![id(1), id(2)] }]);
    wants.handle_have(&[(id(1), Some(70)), (id(2), None), (id(3), Some(1))], 1);
    let here = vec![(id(1), Note::Has { size: 70 })];
    assert_eq!(frames(&mut wants, 1), [(a, here.clone()), (b, here)]);
    assert_eq!(wants.stats().sympathy, 0);
    wants.handle_stored(id(2), 80, None, 2);
    let here = vec![(id(2), Note::Has { size: 80 })];
    assert_eq!(frames(&mut wants, 2), [(a, here)]);
    wants.handle_stored(id(2), 80, None, 3);
    assert_eq!(frames(&mut wants, 3), [], "told once");

    // A blob that comes while it is looked up is told, too.
    says(&mut wants, b, &[(id(5), WANT)], 4);
    drain(&mut wants, 4);
    wants.handle_stored(id(5), 9, None, 4);
    assert_eq!(frames(&mut wants, 4), [(b, vec![(id(5), Note::Has { size: 9 })])]);
    wants.handle_have(&[(id(5), None)], 5);
    assert_eq!(drain(&mut wants, 5), []);
}

#[test]
fn remembered_wants_and_allowances_are_bounded() {
    let config = WantsConfig {
        burst: 100,
        entries_per_second: 10,
        remembered_per_peer: 50,
        sympathy: 0,
        ..WantsConfig::default()
    };
    let mut wants = Wants::new(config);
    let a = friend(&mut wants, 1);
    let many: Vec<_> = (0..500).map(|n| (id(n), WANT)).collect();
    says(&mut wants, a, &many, 0);
    let mut asked = Vec::new();
    while let Some(Output::NeedHave { blobs }) = wants.poll_output(0) {
        asked.extend(blobs);
    }
    assert_eq!(asked.len(), 100, "what exceeds the allowance is ignored");
    let missing: Vec<_> = asked.iter().map(|b| (*b, None)).collect();
    wants.handle_have(&missing, 0);
    assert_eq!(wants.peers[&a].remembered.len(), 50);
    says(&mut wants, a, &many[300..], 2_000);
    let Some(Output::NeedHave { blobs }) = wants.poll_output(2_000) else { panic!() };
    assert_eq!(blobs.len(), 20, "ten a second");
}

#[test]
fn wants_of_others_are_taken_up_under_quotas_and_expire() {
    let config = WantsConfig {
        sympathy_per_peer: 3,
        max_sympathy: 5,
        ..WantsConfig::default()
    };
    let mut wants = Wants::new(config);
    let peers: Vec<_> = (1..=3).map(|n| friend(&mut wants, n)).collect();
    for (n, p) in (0u32..).zip(&peers) {
        let many: Vec<_> = (0..10).map(|m| (id(100 * n + m), WANT)).collect();
        says(&mut wants, *p, &many, 0);
        let far = Note::Want { hops: 3 };
        says(&mut wants, *p, &[(id(100 * n + 50), far)], 0);
    }
    while let Some(Output::NeedHave { blobs }) = wants.poll_output(0) {
        let none: Vec<_> = blobs.iter().map(|b| (*b, None)).collect();
        wants.handle_have(&none, 0);
    }
    assert_eq!(wants.stats().sympathy, 5);
    assert_eq!(wants.peers[&peers[0]].sympathies, 3);
    assert!(!wants.wants.contains_key(&id(50)), "too far away");
    // When one is done, the next is taken up.
    wants.handle_stored(id(0), 9, None, 1);
    drain(&mut wants, 1);
    assert_eq!(wants.stats().sympathy, 5);
    assert!(wants.wants.contains_key(&id(3)));
    // When a peer goes, so do the wants on its behalf.
    wants.disconnect(peers[0], 2);
    drain(&mut wants, 2);
    assert_eq!(wants.stats().sympathy, 5);
    assert!(!wants.wants.contains_key(&id(1)));
    for now in (0..40 * 600_000).step_by(600_000) {
        wants.handle_timeout(now);
        drain(&mut wants, now);
    }
    assert_eq!(wants.stats().sympathy, 0);
    assert_eq!(wants.stats().wanted, 0);
}

#[test]
fn a_peer_that_turns_out_to_be_one_of_us_hears_of_segments_at_once() {
    let mut wants = Wants::new(WantsConfig::default());
    wants.connect(peer(1), PeerKind::Other, 0);
    wants.opened(peer(1), 0);
    wants.want(MINE, id(1), WantSpec::segment(Priority::Prefetch, 0, 9), 0);
    assert_eq!(frames(&mut wants, 0), [(peer(1), vec![])]);
    wants.set_kind(peer(1), PeerKind::StudyTime, 1);
    assert_eq!(frames(&mut wants, 1), [(peer(1), vec![(id(1), WANT)])]);
}

#[test]
fn a_slow_friend_is_not_overtaken_by_strangers() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.connect(peer(2), PeerKind::Other, 0);
    wants.opened(peer(2), 0);
    drain(&mut wants, 0);
    wants.want(MINE, id(1), WantSpec::segment(Priority::Prefetch, 0, 100), 0);
    wants.want(MINE, id(2), WantSpec::segment(Priority::Prefetch, 1, 100), 0);
    has(&mut wants, a, &[id(1)], 100);
    drain(&mut wants, 100);
    wants.handle_timeout(4_000);
    assert_eq!(drain(&mut wants, 4_000), []);
    assert_eq!(wants.poll_timeout(), Some(5_000));
    wants.handle_timeout(5_000);
    assert_eq!(frames(&mut wants, 5_000), [(peer(2), vec![(id(2), WANT)])]);
    // The friend refuses the other one: then strangers may be asked.
    wants.handle_failed(a, &id(1), FetchFailure::Refused, 6_000);
    wants.handle_timeout(6_000);
    assert_eq!(frames(&mut wants, 6_000), [(peer(2), vec![(id(1), WANT)])]);
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
    assert_eq!(wants.take_for_mirrors(2, 1_000, 1_000), [(id(1), max), (id(2), max)]);
    // While a mirror is at it, no peer is.
    has(&mut wants, a, &[id(1)], 1_000);
    assert_eq!(fetches(&mut wants, 1_000), []);
    wants.mirror_failed(&id(1), 1_001);
    assert_eq!(fetches(&mut wants, 1_001), [(a, id(1))]);
    wants.mirror_failed(&id(2), 1_001);
    assert_eq!(wants.take_for_mirrors(9, 1_000, 1_002), [(id(3), max)], "the other one pauses");
    wants.handle_stored(id(3), 5, None, 1_003);
    assert!(drain(&mut wants, 1_003).contains(&Output::Got { blob: id(3), size: 5 }));
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
    let got = Output::Got { blob: id(1), size: 100 };
    let cancel = Output::CancelFetch { peer: a, blob: id(1) };
    assert_eq!(drain(&mut wants, 1), [got, cancel]);
}

#[test]
fn too_many_wants_are_refused() {
    let mut wants = Wants::new(WantsConfig { max_wants: 2, ..WantsConfig::default() });
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Yes);
    assert_eq!(wants.want(MINE, id(2), whole(0), 0), Wanted::Yes);
    assert_eq!(wants.want(MINE, id(3), whole(0), 0), Wanted::TooMany);
    assert_eq!(wants.want(MINE, id(2), whole(1), 0), Wanted::Yes);
    wants.release(MINE, &id(1), 0);
    assert_eq!(wants.want(MINE, id(3), whole(0), 0), Wanted::Yes);
}
