use super::*;
use crate::wire::{MAX_ENTRIES_SENT, Note, WantFrame};

mod fetching;
mod floods;
mod laws;
mod others;

fn peer(n: u8) -> PeerId {
    PeerId {
        feed: FeedId::from_bytes([n; 32]),
        connection: u64::from(n),
    }
}

fn id(n: u32) -> BlobId {
    BlobId::of(&n.to_le_bytes())
}

fn friend(wants: &mut Wants, n: u8) -> PeerId {
    wants.connect(peer(n), PeerKind::StudyTime, 0);
    wants.opened(peer(n), 0);
    assert!(
        frames(wants, 0).iter().any(|(p, _)| *p == peer(n)),
        "a first frame"
    );
    peer(n)
}

fn drain(wants: &mut Wants, now: u64) -> Vec<Output> {
    std::iter::from_fn(|| wants.poll_output(now)).collect()
}

fn frames(wants: &mut Wants, now: u64) -> Vec<(PeerId, Vec<(BlobId, Note)>)> {
    let sent = drain(wants, now)
        .into_iter()
        .filter_map(|output| match output {
            Output::SendWants { peer, frame } => Some((peer, frame.notes)),
            _ => None,
        });
    sent.collect()
}

fn fetches(wants: &mut Wants, now: u64) -> Vec<(PeerId, BlobId)> {
    let fetches = drain(wants, now)
        .into_iter()
        .filter_map(|output| match output {
            Output::Fetch { peer, blob, .. } => Some((peer, blob)),
            _ => None,
        });
    fetches.collect()
}

fn says(wants: &mut Wants, peer: PeerId, notes: &[(BlobId, Note)], now: u64) {
    wants.handle_frame(
        peer,
        &WantFrame {
            notes: notes.to_vec(),
        },
        now,
    );
}

fn has(wants: &mut Wants, peer: PeerId, blobs: &[BlobId], now: u64) {
    let notes: Vec<_> = blobs
        .iter()
        .map(|b| (*b, Note::Has { size: 100 }))
        .collect();
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
    assert_eq!(
        frames(&mut wants, 0),
        [(peer(2), vec![(id(1), WANT)])],
        "it starts over"
    );
}

#[test]
fn frames_are_sliced_and_announcements_bounded() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    for n in 0..3_000 {
        wants.want(MINE, id(n), whole(n.into()), 0);
    }
    let sent = frames(&mut wants, 0);
    assert!(
        sent.iter()
            .all(|(_, notes)| notes.len() <= MAX_ENTRIES_SENT)
    );
    let told: Vec<_> = sent.into_iter().flat_map(|(_, notes)| notes).collect();
    assert_eq!(told.len(), wants.config.announced_per_peer);
    assert_eq!(told[0], (id(0), WANT));
    // Something urgent has room, still.
    wants.want(MINE, id(9_999), WantSpec::playing(0, 100), 0);
    assert_eq!(frames(&mut wants, 0), [(a, vec![(id(9_999), WANT)])]);
    // Answers make room for the next in rank.
    let answered: Vec<_> = (0..600).map(id).collect();
    has(&mut wants, a, &answered, 1);
    let told: Vec<_> = frames(&mut wants, 1)
        .into_iter()
        .flat_map(|(_, n)| n)
        .collect();
    assert!(told.len() >= 500, "{}", told.len());
    assert_eq!(told[0], (id(1_024), WANT));
}

#[test]
fn the_empty_blob_is_here() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    assert_eq!(wants.want(MINE, BlobId::EMPTY, whole(0), 0), Wanted::Here);
    let got = Output::Got {
        blob: BlobId::EMPTY,
        size: 0,
    };
    assert_eq!(drain(&mut wants, 0), [got]);
    says(&mut wants, a, &[(BlobId::EMPTY, WANT)], 0);
    let push = PushSpec {
        id: BlobId::EMPTY,
        size: 0,
        scope: PushScope::Everyone,
        seen: vec![],
    };
    wants.push(push, 0);
    assert_eq!(drain(&mut wants, 0), []);
}

#[test]
fn a_want_that_crosses_its_arrival_is_answered() {
    let mut wants = Wants::new(WantsConfig::default());
    wants.handle_stored(id(1), 5, None, 0);
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Here);
    assert_eq!(
        drain(&mut wants, 0),
        [Output::Got {
            blob: id(1),
            size: 5
        }]
    );
    wants.handle_deleted(&id(1));
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Yes);
}

#[test]
fn without_room_nothing_is_begun_and_everything_goes_on_with_it() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.want(MINE, id(1), whole(0), 0);
    wants.want(MINE, id(2), whole(1), 0);
    wants.set_held(true);
    has(&mut wants, a, &[id(1)], 0);
    assert_eq!(fetches(&mut wants, 0), []);
    assert_eq!(wants.take_for_mirrors(5, 0, 60_000), []);
    wants.set_held(false);
    assert_eq!(fetches(&mut wants, 60_000).len(), 1);
    assert_eq!(wants.take_for_mirrors(5, 0, 60_000)[0].0, id(2));
}

#[test]
fn releasing_cancels_when_nobody_else_wants_it() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.replace(MINE, &[(id(1), whole(0)), (id(2), whole(1))], 0);
    wants.want(OwnerId(2), id(1), WantSpec::whole(Priority::Opened, 3), 0);
    has(&mut wants, a, &[id(1), id(2)], 0);
    assert_eq!(fetches(&mut wants, 0).len(), 2);
    wants.replace(MINE, &[(id(3), whole(0))], 1);
    let outputs = drain(&mut wants, 1);
    assert_eq!(
        outputs[0],
        Output::CancelFetch {
            peer: a,
            blob: id(2),
            keep: true
        }
    );
    assert!(wants.is_wanted(&id(1)) && !wants.is_wanted(&id(2)));
    wants.replace(OwnerId(2), &[], 2);
    assert_eq!(
        drain(&mut wants, 2),
        [Output::CancelFetch {
            peer: a,
            blob: id(1),
            keep: true
        }]
    );
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
    assert_eq!(
        frames(&mut wants, 3),
        [(a, vec![(id(1), WANT)])],
        "so it answers again"
    );
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
    wants.want(
        MINE,
        id(1),
        WantSpec::segment(Priority::Prefetch, 0, 100),
        0,
    );
    wants.want(
        MINE,
        id(2),
        WantSpec::segment(Priority::Prefetch, 1, 100),
        0,
    );
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
fn too_many_wants_are_refused() {
    let mut wants = Wants::new(WantsConfig {
        max_wants: 2,
        ..WantsConfig::default()
    });
    assert_eq!(wants.want(MINE, id(1), whole(0), 0), Wanted::Yes);
    assert_eq!(wants.want(MINE, id(2), whole(0), 0), Wanted::Yes);
    assert_eq!(wants.want(MINE, id(3), whole(0), 0), Wanted::TooMany);
    assert_eq!(wants.want(MINE, id(2), whole(1), 0), Wanted::Yes);
    wants.release(MINE, &id(1), 0);
    assert_eq!(wants.want(MINE, id(3), whole(0), 0), Wanted::Yes);
}

#[test]
fn a_peer_that_is_held_hears_everything_later() {
    let mut wants = Wants::new(WantsConfig::default());
    let a = friend(&mut wants, 1);
    wants.hold(a, true);
    wants.want(MINE, id(1), whole(0), 0);
    wants.want(MINE, id(2), whole(1), 0);
    assert_eq!(drain(&mut wants, 0), []);
    wants.hold(a, false);
    assert_eq!(
        frames(&mut wants, 0),
        [(a, vec![(id(1), WANT), (id(2), WANT)])]
    );
}

#[test]
fn a_stranger_who_asks_again_gets_no_further_segments() {
    let mut wants = Wants::new(WantsConfig::default());
    wants.connect(peer(1), PeerKind::Other, 0);
    wants.opened(peer(1), 0);
    for n in 0..30 {
        let spec = WantSpec::segment(Priority::Prefetch, n.into(), 100);
        wants.want(MINE, id(n), spec, 0);
    }
    drain(&mut wants, 0);
    let mut told = std::collections::BTreeSet::new();
    for now in (5_000..100_000).step_by(5_000) {
        wants.handle_timeout(now);
        for (_, notes) in frames(&mut wants, now) {
            assert_eq!(notes.len(), 8, "all of them, each time");
            told.extend(notes.iter().map(|(blob, _)| *blob));
        }
        wants.opened(peer(1), now);
    }
    assert_eq!(told.len(), 8);
}

#[test]
fn a_friend_who_comes_late_has_its_time_to_answer() {
    let config = WantsConfig {
        announced_per_peer: 1,
        ..WantsConfig::default()
    };
    let mut wants = Wants::new(config);
    wants.connect(peer(2), PeerKind::Other, 0);
    wants.opened(peer(2), 0);
    for n in 0..2 {
        let spec = WantSpec::segment(Priority::Prefetch, n.into(), 100);
        wants.want(MINE, id(n), spec, 0);
    }
    drain(&mut wants, 0);
    wants.connect(peer(1), PeerKind::StudyTime, 4_000);
    wants.opened(peer(1), 4_000);
    assert_eq!(frames(&mut wants, 4_000), [(peer(1), vec![(id(0), WANT)])]);
    for now in (4_500..9_000).step_by(500) {
        wants.handle_timeout(now);
        assert_eq!(drain(&mut wants, now), [], "at {now}");
    }
    wants.handle_timeout(9_000);
    // What the friend has had no room to hear of waits on.
    assert_eq!(frames(&mut wants, 9_000), [(peer(2), vec![(id(0), WANT)])]);
}
