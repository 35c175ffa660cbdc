//! Swarms of nodes in virtual time.

#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod sim;

use sim::{Manner, Sim};
use studytime_blobs::store::{BlobStore, PushScope};
use studytime_blobs::wants::*;
use studytime_schema::BlobId;

const MINUTE: u64 = 60_000;

fn plain() -> WantsConfig {
    WantsConfig::default()
}

fn segment(n: u64, bytes: usize) -> WantSpec {
    WantSpec::segment(Priority::Prefetch, n, bytes as u64)
}

/// 3 to 10 nodes, random holdings, liars, stallers, boasters, links that break:
/// in the end everyone has everything, and the rules that the simulator asserts held.
fn swarm(seed: u64) {
    let mut sim = Sim::new(seed);
    let honest = 2 + sim.dice.below(5) as usize;
    let others = 1 + sim.dice.below(4) as usize;
    for _ in 0..honest {
        let kind = match sim.dice.below(5) {
            0 => PeerKind::Seeder,
            _ => PeerKind::StudyTime,
        };
        sim.add(kind, Manner::Honest, plain());
    }
    for _ in 0..others {
        let manner = match sim.dice.below(4) {
            0 => Manner::Liar,
            1 => Manner::Staller,
            2 => Manner::Boaster,
            _ => Manner::Honest,
        };
        let kind = match sim.dice.below(2) {
            0 => PeerKind::Other,
            _ => PeerKind::StudyTime,
        };
        sim.add(kind, manner, plain());
    }
    let count = sim.nodes.len();

    let mut blobs = Vec::new();
    for n in 0..10 + sim.dice.below(20) {
        let len = match sim.dice.below(5) {
            0 => 70_000 + sim.dice.below(150_000),
            _ => 1 + sim.dice.below(5_000),
        } as usize;
        let bytes = sim.dice.bytes(len);
        let holder = sim.dice.below(honest as u64) as usize;
        let id = sim.put(holder, &bytes);
        for at in 0..count {
            if sim.dice.below(3) == 0 {
                sim.put(at, &bytes);
            }
        }
        let spec = match sim.dice.below(2) {
            0 => segment(n, len),
            _ => WantSpec::whole(Priority::Opened, n),
        };
        blobs.push((id, spec));
    }

    // The honest ones hang together; the others hang on somewhere.
    let mut links = Vec::new();
    for at in 1..count {
        let to = sim.dice.below(at.min(honest) as u64) as usize;
        links.push((at, to));
        if sim.dice.below(2) == 0 {
            links.push((at, sim.dice.below(at as u64) as usize));
        }
    }
    for (a, b) in links {
        if a == b {
            continue;
        }
        sim.link(a, b);
        let mut time = sim.now;
        for _ in 0..sim.dice.below(4) {
            time += 100 + sim.dice.below(20_000);
            sim.link_at(time, a, b, false);
            time += 100 + sim.dice.below(20_000);
            sim.link_at(time, a, b, true);
        }
    }
    for at in 0..honest {
        for (id, spec) in &blobs {
            let time = sim.now + sim.dice.below(10_000);
            sim.want_at(time, at, 0, *id, *spec);
        }
    }

    let until = sim.now + 40 * MINUTE;
    let everyone = |sim: &Sim| (0..honest).all(|at| blobs.iter().all(|(id, _)| sim.has(at, id)));
    let done = sim.run(until, everyone);
    let missing: Vec<_> = (0..honest)
        .map(|at| blobs.iter().filter(|(id, _)| !sim.has(at, id)).count())
        .collect();
    assert!(done, "seed {seed}: still missing, by node: {missing:?}");
    for at in 0..honest {
        assert!(sim.most_told(at) <= sim.nodes[at].config.segments_per_stranger);
        // Each blob was announced to its owner once.
        let mut got: Vec<_> = sim.nodes[at].got.iter().map(|(_, id)| *id).collect();
        let all = got.len();
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), all, "seed {seed}");
        let stats = sim.nodes[at].wants.stats();
        assert_eq!((stats.wanted, stats.in_flight), (0, 0), "seed {seed}");
        for feed in &sim.nodes[at].marked {
            let liar = sim.nodes.iter().find(|n| n.feed == *feed).unwrap();
            assert_eq!(
                liar.manner,
                Manner::Liar,
                "seed {seed}: an innocent was marked"
            );
        }
    }
}

#[test]
fn swarms_converge() {
    for seed in 0..150 {
        swarm(seed);
    }
}

#[test]
fn a_swarm_shares_the_work() {
    // One has everything; the others take from each other, too.
    let mut sim = Sim::new(7);
    for _ in 0..6 {
        sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    }
    let blobs: Vec<_> = (0..40)
        .map(|_| {
            let bytes = sim.dice.bytes(90_000);
            sim.put(0, &bytes)
        })
        .collect();
    for a in 0..6 {
        for b in 0..a {
            sim.link(a, b);
        }
    }
    for at in 1..6 {
        for n in 0..blobs.len() {
            // Each starts elsewhere, as readers of different lessons do.
            let blob = blobs[(n + 8 * at) % blobs.len()];
            sim.want(at, blob, segment(n as u64, 90_000));
        }
    }
    let until = sim.now + MINUTE;
    assert!(sim.run(until, |sim| {
        (1..6).all(|at| blobs.iter().all(|b| sim.has(at, b)))
    }));
    for at in 1..6 {
        assert_eq!(sim.nodes[at].fetched, 40, "each blob once");
    }
}

#[test]
fn strangers_are_asked_for_segments_only_when_nobody_else_has_them() {
    let mut sim = Sim::new(1);
    let learner = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let friend = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let stranger = sim.add(PeerKind::Other, Manner::Honest, plain());
    let rare: Vec<_> = (0..30u8).map(|n| sim.put(stranger, &[n; 100])).collect();
    let common = sim.put(friend, &[99; 100]);
    sim.put(stranger, &[99; 100]);
    let poster = sim.put(stranger, b"poster");
    sim.link(learner, friend);
    sim.link(learner, stranger);
    let start = sim.now;
    for (n, id) in rare.iter().enumerate() {
        sim.want(learner, *id, segment(n as u64, 100));
    }
    sim.want(learner, common, segment(99, 100));
    sim.want(learner, poster, WantSpec::whole(Priority::Opened, 0));
    // The simulator asserts the delay of 5 s and nothing is told twice.
    assert!(sim.run(start + MINUTE, |sim| {
        rare.iter().all(|id| sim.has(learner, id))
    }));
    let when = |id: &BlobId| {
        let got = &sim.nodes[learner].got;
        got.iter().find(|(_, b)| b == id).unwrap().0 - start
    };
    assert!(when(&poster) < 1_000, "ordinary blobs wait for nobody");
    assert!(when(&common) < 1_000);
    assert!(
        (5_000..7_000).contains(&when(&rare[0])),
        "{}",
        when(&rare[0])
    );
    assert!(when(&rare[29]) < 10_000, "{}", when(&rare[29]));
}

#[test]
fn at_most_eight_segments_hang_at_a_stranger() {
    let mut sim = Sim::new(2);
    let learner = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let stranger = sim.add(PeerKind::Other, Manner::Honest, plain());
    sim.link(learner, stranger);
    for n in 0..50u8 {
        sim.want(learner, BlobId::of(&[n]), segment(n.into(), 100));
    }
    let until = sim.now + 10 * MINUTE;
    sim.run(until, |sim| {
        assert!(sim.most_told(learner) <= 8);
        false
    });
    assert_eq!(sim.most_told(learner), 8);
}

#[test]
fn a_push_goes_on_until_three_have_it() {
    let mut sim = Sim::new(3);
    let author = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let peers: Vec<_> = (0..4)
        .map(|_| sim.add(PeerKind::Other, Manner::Honest, plain()))
        .collect();
    let id = sim.push(author, b"a syllabus", PushScope::Everyone);
    let start = sim.now;
    sim.link(author, peers[0]);
    sim.link(author, peers[1]);
    assert!(!sim.run(start + 5 * MINUTE, |sim| {
        !sim.nodes[author].pushes_done.is_empty()
    }));
    assert!(sim.has(peers[0], &id) && sim.has(peers[1], &id));
    // The same peer again does not count again.
    sim.link_at(sim.now, author, peers[0], false);
    sim.link_at(sim.now + 1_000, author, peers[0], true);
    let until = sim.now + MINUTE;
    assert!(!sim.run(until, |sim| !sim.nodes[author].pushes_done.is_empty()));
    assert_eq!(sim.nodes[author].store.pushes().unwrap()[0].seen.len(), 2);
    sim.link_at(sim.now, author, peers[2], true);
    let until = sim.now + MINUTE;
    assert!(sim.run(until, |sim| sim.nodes[author].pushes_done == [id]));
    assert!(sim.nodes[author].store.pushes().unwrap().is_empty());
    // And then it is not announced any more.
    sim.link_at(sim.now, author, peers[3], true);
    let until = sim.now + MINUTE;
    sim.run(until, |_| false);
    assert!(!sim.has(peers[3], &id));
}

#[test]
fn segments_are_pushed_to_seeders_only() {
    let mut sim = Sim::new(4);
    let author = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let seeder = sim.add(PeerKind::Seeder, Manner::Honest, plain());
    let friend = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let stranger = sim.add(PeerKind::Other, Manner::Honest, plain());
    for peer in [seeder, friend, stranger] {
        sim.link(author, peer);
    }
    sim.link(seeder, stranger);
    let ids: Vec<_> = (0..600u64)
        .map(|n| sim.push(author, &n.to_le_bytes(), PushScope::Seeders))
        .collect();
    let until = sim.now + 10 * MINUTE;
    let all = |sim: &Sim| ids.iter().all(|id| sim.has(seeder, id));
    assert!(sim.run(until, all), "all of them, a window at a time");
    assert!(
        !ids.iter()
            .any(|id| sim.has(friend, id) || sim.has(stranger, id))
    );
}

#[test]
fn sympathy_reaches_over_hops_and_no_further() {
    let mut sim = Sim::new(5);
    let chain: Vec<_> = (0..6)
        .map(|_| sim.add(PeerKind::Other, Manner::Honest, plain()))
        .collect();
    for pair in chain.windows(2) {
        sim.link(pair[0], pair[1]);
    }
    let near = sim.put(chain[3], b"three hops away");
    let far = sim.put(chain[4], b"four hops away");
    sim.want(chain[0], near, WantSpec::whole(Priority::Opened, 0));
    sim.want(chain[0], far, WantSpec::whole(Priority::Opened, 1));
    let until = sim.now + 5 * MINUTE;
    assert!(sim.run(until, |sim| sim.has(chain[0], &near)));
    let until = sim.now + 20 * MINUTE;
    sim.run(until, |_| false);
    assert!(!sim.has(chain[0], &far));
    for at in &chain[1..] {
        assert_eq!(sim.nodes[*at].wants.stats().sympathy, 0, "it expires");
    }
}

#[test]
fn segments_that_friends_ask_for_are_not_passed_on_to_strangers() {
    let mut sim = Sim::new(6);
    let learner = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let friend = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let stranger = sim.add(PeerKind::Other, Manner::Honest, plain());
    sim.link(learner, friend);
    sim.link(friend, stranger);
    let id = sim.put(stranger, b"somewhere else");
    sim.want(learner, id, segment(0, 14));
    let until = sim.now + 5 * MINUTE;
    assert!(!sim.run(until, |sim| sim.has(learner, &id)));
    assert!(!sim.has(friend, &id));
}

#[test]
fn a_stranger_who_passes_our_want_on_does_not_get_the_video() {
    let mut sim = Sim::new(8);
    let learner = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let stranger = sim.add(PeerKind::Other, Manner::Honest, plain());
    let author = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    sim.link(learner, stranger);
    let id = sim.put(author, b"a segment");
    sim.want(learner, id, segment(0, 9));
    // The stranger is asked after 5 s and passes the want on, back to us, too.
    let until = sim.now + 20_000;
    sim.run(until, |_| false);
    assert_eq!(sim.most_told(learner), 1);
    sim.link(learner, author);
    let until = sim.now + MINUTE;
    sim.run(until, |_| false);
    assert!(sim.has(learner, &id) && !sim.has(stranger, &id));
}

#[test]
fn a_seek_overtakes_a_prefetch() {
    let mut sim = Sim::new(9);
    let learner = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let author = sim.add(PeerKind::StudyTime, Manner::Honest, plain());
    let blobs: Vec<_> = (0..60)
        .map(|_| {
            let bytes = sim.dice.bytes(200_000);
            sim.put(author, &bytes)
        })
        .collect();
    sim.link(learner, author);
    for (n, id) in blobs.iter().enumerate() {
        sim.want(learner, *id, segment(n as u64, 200_000));
    }
    let until = sim.now + 400;
    sim.run(until, |_| false);
    assert!(sim.has(learner, &blobs[0]) && !sim.has(learner, &blobs[40]));
    let start = sim.now;
    sim.want(learner, blobs[59], WantSpec::playing(0, 200_000));
    assert!(sim.run(start + MINUTE, |sim| sim.has(learner, &blobs[59])));
    assert!(
        sim.now - start < 600,
        "one call and one segment, not the queue: {}",
        sim.now - start
    );
    let until = sim.now + MINUTE;
    assert!(sim.run(until, |sim| blobs.iter().all(|b| sim.has(learner, b))));
}
