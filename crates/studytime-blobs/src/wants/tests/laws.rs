//! Whatever happens, in whatever order, some things stay true.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Connect(u8, u8),
    Kind(u8, u8),
    Open(u8),
    Disconnect(u8),
    Want(u8, u32, u8, bool),
    Release(u8, u32),
    Replace(u8, Vec<u32>),
    Push(u32, bool),
    Unpush(u32),
    Heard(u8, u32, i8),
    Looked(u32, bool),
    Bytes(u8, u32),
    Stored(u32, Option<u8>),
    Deleted(u32),
    Failed(u8, u32, u8),
    Mirrors(u8),
    MirrorFailed(u32),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let p = 1u8..5;
    let b = 0u32..12;
    prop_oneof![
        (p.clone(), 0u8..3).prop_map(|(p, k)| Step::Connect(p, k)),
        (p.clone(), 0u8..3).prop_map(|(p, k)| Step::Kind(p, k)),
        p.clone().prop_map(Step::Open),
        p.clone().prop_map(Step::Disconnect),
        (0u8..3, b.clone(), 0u8..4, any::<bool>()).prop_map(|(o, b, r, s)| Step::Want(o, b, r, s)),
        (0u8..3, b.clone()).prop_map(|(o, b)| Step::Release(o, b)),
        (0u8..3, proptest::collection::vec(0u32..12, 0..5)).prop_map(|(o, l)| Step::Replace(o, l)),
        (b.clone(), any::<bool>()).prop_map(|(b, s)| Step::Push(b, s)),
        b.clone().prop_map(Step::Unpush),
        (p.clone(), b.clone(), -4i8..10).prop_map(|(p, b, n)| Step::Heard(p, b, n)),
        (p.clone(), b.clone(), 1i8..10).prop_map(|(p, b, n)| Step::Heard(p, b, n)),
        (b.clone(), any::<bool>()).prop_map(|(b, h)| Step::Looked(b, h)),
        (p.clone(), b.clone()).prop_map(|(p, b)| Step::Bytes(p, b)),
        (b.clone(), proptest::option::of(p.clone())).prop_map(|(b, p)| Step::Stored(b, p)),
        b.clone().prop_map(Step::Deleted),
        (p.clone(), b.clone(), 0u8..6).prop_map(|(p, b, w)| Step::Failed(p, b, w)),
        (0u8..4).prop_map(Step::Mirrors),
        b.prop_map(Step::MirrorFailed),
        (0u32..40_000).prop_map(Step::Wait),
    ]
}

fn kind(n: u8) -> PeerKind {
    [PeerKind::Other, PeerKind::StudyTime, PeerKind::Seeder][usize::from(n) % 3]
}

fn spec(rank: u8, segment: bool) -> WantSpec {
    let priority = [
        Priority::Prefetch,
        Priority::Opened,
        Priority::Playing,
        Priority::Playing,
    ];
    let priority = priority[usize::from(rank) % 4];
    let order = u64::from(rank % 3);
    match segment {
        true => WantSpec::segment(priority, order, 5),
        false => WantSpec::whole(priority, order),
    }
}

fn apply(wants: &mut Wants, step: &Step, now: &mut u64) {
    let t = *now;
    match step {
        Step::Connect(p, k) => wants.connect(peer(*p), kind(*k), t),
        Step::Kind(p, k) => wants.set_kind(peer(*p), kind(*k), t),
        Step::Open(p) => wants.opened(peer(*p), t),
        Step::Disconnect(p) => wants.disconnect(peer(*p), t),
        Step::Want(o, b, r, s) => {
            wants.want(OwnerId((*o).into()), id(*b), spec(*r, *s), t);
        }
        Step::Release(o, b) => wants.release(OwnerId((*o).into()), &id(*b), t),
        Step::Replace(o, list) => {
            let list: Vec<_> = list
                .iter()
                .map(|b| (id(*b), spec((*b % 4) as u8, true)))
                .collect();
            wants.replace(OwnerId((*o).into()), &list, t);
        }
        Step::Push(b, seeders) => {
            let scope = if *seeders {
                PushScope::Seeders
            } else {
                PushScope::Everyone
            };
            wants.push(
                PushSpec {
                    id: id(*b),
                    size: 3,
                    scope,
                    seen: vec![],
                },
                t,
            );
        }
        Step::Unpush(b) => wants.unpush(&id(*b)),
        Step::Heard(p, b, n) => {
            let note = match *n {
                0 => return,
                n if n < 0 => Note::Want {
                    hops: n.unsigned_abs(),
                },
                n => Note::Has {
                    size: n.unsigned_abs().into(),
                },
            };
            says(wants, peer(*p), &[(id(*b), note)], t);
        }
        Step::Looked(b, here) => wants.handle_have(&[(id(*b), here.then_some(3))], t),
        Step::Bytes(p, b) => wants.handle_bytes(peer(*p), &id(*b), 30, t),
        Step::Stored(b, p) => wants.handle_stored(id(*b), 3, p.map(peer), t),
        Step::Deleted(b) => wants.handle_deleted(&id(*b)),
        Step::Failed(p, b, why) => {
            let why = match why {
                0 => FetchFailure::Refused,
                1 => FetchFailure::Broken,
                2 => FetchFailure::TooLong,
                3 => FetchFailure::WrongHash,
                4 => FetchFailure::WrongHashResumed,
                _ => FetchFailure::Local,
            };
            wants.handle_failed(peer(*p), &id(*b), why, t);
        }
        Step::Mirrors(n) => drop(wants.take_for_mirrors((*n).into(), 100, t)),
        Step::MirrorFailed(b) => wants.mirror_failed(&id(*b), t),
        Step::Wait(ms) => {
            *now += u64::from(*ms);
            // As a driver would: at every time that was asked for.
            for _ in 0..200 {
                match wants.poll_timeout().filter(|at| *at <= *now) {
                    Some(at) => wants.handle_timeout(at),
                    None => break,
                }
                drain(wants, *now);
            }
            assert!(
                wants.poll_timeout().is_none_or(|at| at > *now),
                "time stands still"
            );
        }
    }
}

/// What must hold of the inside, always.
fn check(wants: &Wants, now: u64) {
    let config = &wants.config;
    let ranked: BTreeSet<_> = wants.wants.iter().map(|(b, w)| (w.spec.rank, *b)).collect();
    assert_eq!(ranked, wants.ranked);
    let owned = wants
        .wants
        .values()
        .filter(|w| !w.owners.is_empty())
        .count();
    assert_eq!(owned, wants.owned);
    let sympathies = wants
        .wants
        .values()
        .filter(|w| w.sympathy.is_some())
        .count();
    assert_eq!(sympathies, wants.sympathies);
    let flying = wants.wants.values().filter(|w| w.flight.is_some()).count();
    assert_eq!(flying, wants.in_flight);
    for (blob, want) in &wants.wants {
        assert!(
            !want.owners.is_empty() || want.sympathy.is_some(),
            "wanted by nobody"
        );
        for owner in want.owners.keys() {
            assert!(wants.owners[owner].contains(blob));
        }
        if let Some(Flight {
            source: Source::Peer(p),
            ..
        }) = want.flight
        {
            assert!(wants.peers[&p].flights.contains(blob));
        }
    }
    for (owner, blobs) in &wants.owners {
        assert!(!blobs.is_empty());
        assert!(
            blobs
                .iter()
                .all(|b| wants.wants[b].owners.contains_key(owner))
        );
    }
    for (id, peer) in &wants.peers {
        let most = config.fetches_per_peer + config.urgent_fetches_per_peer;
        assert!(peer.flights.len() <= most);
        for blob in &peer.flights {
            let flight = wants.wants[blob].flight.unwrap();
            assert_eq!(flight.source, Source::Peer(*id), "one fetch, one peer");
        }
        let held: BTreeSet<_> = wants
            .wants
            .iter()
            .filter(|(b, w)| {
                w.holders.contains_key(id) && w.flight.is_none() && !peer.is_denied(b, now)
            })
            .map(|(b, w)| (w.spec.rank, *b))
            .collect();
        assert!(peer.ready.is_subset(&held), "ready, but it cannot serve it");
        assert!(
            held.is_subset(&peer.ready),
            "it could serve it, but is not asked"
        );
        let open = peer.announced.values().filter(|a| a.open).count();
        assert_eq!(open, peer.outstanding);
        let segments = peer.announced.values().filter(|a| a.segment).count();
        assert_eq!(segments, peer.segments_out);
        assert!(peer.is_friend() || segments <= config.segments_per_stranger);
        let sympathies = wants.wants.values().filter_map(|w| w.sympathy);
        assert_eq!(
            sympathies.filter(|s| s.from == *id).count(),
            peer.sympathies
        );
        assert!(peer.remembered.len() <= config.remembered_per_peer);
        assert!(peer.push_window.len() <= config.pushes_per_peer);
    }
}

proptest! {
    #[test]
    fn the_inside_agrees_with_itself(steps in proptest::collection::vec(step(), 0..120)) {
        let config = WantsConfig {
            segments_per_stranger: 2,
            announced_per_peer: 6,
            announced_per_stranger: 3,
            pushes_per_peer: 2,
            sympathy_per_peer: 2,
            max_sympathy: 3,
            fetches_per_peer: 2,
            urgent_fetches_per_peer: 1,
            remembered_per_peer: 4,
            ..WantsConfig::default()
        };
        let mut wants = Wants::new(config);
        let mut now = 1_000;
        let mut flying: HashMap<BlobId, PeerId> = HashMap::new();
        for step in &steps {
            apply(&mut wants, step, &mut now);
            check(&wants, now);
            for output in drain(&mut wants, now) {
                match output {
                    Output::SendWants { peer, frame } => {
                        assert!(wants.peers[&peer].opened);
                        let mut named: Vec<_> = frame.notes.iter().map(|(b, _)| *b).collect();
                        named.sort_unstable();
                        named.dedup();
                        assert_eq!(named.len(), frame.notes.len());
                    }
                    Output::Fetch { peer, blob, .. } => {
                        let before = flying.insert(blob, peer);
                        let over = before.is_none_or(|p| {
                            p != peer || wants.wants[&blob].flight.is_some()
                        });
                        assert!(over);
                    }
                    _ => {}
                }
            }
            check(&wants, now);
        }
    }
}
