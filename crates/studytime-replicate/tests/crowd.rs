//! Dozens of peers: a crowd with everything going wrong, and what it costs when
//! many have the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sim;

use sim::{FETCH, MINUTE, Rng, World, key};
use std::collections::BTreeSet;
use studytime_replicate::FeedStore;
use studytime_schema::{FeedId, Keypair};

/// Forty peers, with delay, loss, stalls, restarts, slow disks and forked feeds,
/// all from a seed: in the end all honest feeds are everywhere, and of each
/// forked one everybody holds a whole branch.
#[test]
fn crowd() {
    for seed in 0..4 {
        crowd_with(seed, 40);
    }
}

fn crowd_with(seed: u64, n: usize) {
    let mut rng = Rng::new(seed ^ 0xc0_77d);
    let mut w = World::new(seed, n);
    let feeds: Vec<(usize, Keypair)> = (0..30).map(|i| (rng.index(n), key(100 + i))).collect();
    let forked: Vec<Keypair> = (0..3).map(|i| key(200 + i)).collect();
    let all = feeds.iter().map(|(_, k)| k).chain(&forked);
    for id in all.map(Keypair::id) {
        for node in 0..n {
            w.want(node, id, FETCH);
        }
    }
    let tie = |w: &mut World, rng: &mut Rng| {
        // One graph, and some more links than it needs.
        for a in 1..n {
            let b = rng.index(a);
            if !w.is_connected(a, b) {
                w.connect(a, b);
            }
        }
        for _ in 0..n {
            let (a, b) = (rng.index(n), rng.index(n));
            if a != b && !w.is_connected(a, b) {
                w.connect(a, b);
            }
        }
    };
    tie(&mut w, &mut rng);
    for (owner, feed) in &feeds {
        w.publish_as(*owner, feed, 5);
    }
    for key in &forked {
        w.publish_as(0, key, 4);
    }
    w.run(MINUTE);
    w.assert_converged(&format!("seed {seed}: before anything goes wrong"));
    // Two machines with one key, each far from the other.
    for key in &forked {
        let (a, b) = (rng.index(n / 2), n / 2 + rng.index(n / 2));
        for node in [a, b] {
            let alone: Vec<u64> = w.links_of(node);
            for link in alone {
                w.cut(link);
            }
        }
        w.publish_as(a, key, 3);
        w.publish_as(b, key, 6);
    }
    let mut muted = BTreeSet::new();
    for _ in 0..80 {
        match rng.below(16) {
            0..6 => {
                let (owner, feed) = &feeds[rng.index(feeds.len())];
                let count = 1 + rng.index(20);
                w.publish_as(*owner, feed, count);
            }
            6..9 => {
                let (a, b) = (rng.index(n), rng.index(n));
                if a != b && !w.is_connected(a, b) {
                    w.connect(a, b);
                }
            }
            9..11 => {
                let up = w.links_up();
                if !up.is_empty() {
                    w.cut(up[rng.index(up.len())]);
                }
            }
            11 => {
                let node = rng.index(n);
                w.restart(node);
            }
            12..14 => {
                let up = w.links_up();
                if !up.is_empty() {
                    let link = up[rng.index(up.len())];
                    let from = w.ends(link)[rng.index(2)];
                    w.mute(link, from, true);
                    muted.insert((link, from));
                }
            }
            14 => {
                let node = rng.index(n);
                w.nodes[node].ingest_ms = 1 + rng.below(3_000);
            }
            _ => tie(&mut w, &mut rng),
        }
        let ms = rng.below(3_000);
        w.run(ms);
    }
    assert!(!muted.is_empty(), "seed {seed}: nothing stalled");
    // Peace, and one graph again.
    for (link, from) in muted {
        w.mute(link, from, false);
    }
    for node in 0..n {
        w.nodes[node].ingest_ms = 5;
    }
    tie(&mut w, &mut rng);
    w.run(10 * MINUTE);
    for (owner, feed) in &feeds {
        let best = w.tip(*owner, &feed.id());
        for node in 0..n {
            assert_eq!(
                w.tip(node, &feed.id()),
                best,
                "seed {seed}: node {node} lacks messages"
            );
        }
    }
    for key in &forked {
        let tips: BTreeSet<u64> = (0..n).map(|node| w.tip(node, &key.id())).collect();
        assert!(
            tips.iter().all(|t| [7, 10].contains(t)),
            "seed {seed}: a branch is whole: {tips:?}"
        );
    }
    for (i, node) in w.nodes.iter().enumerate() {
        assert!(node.store.check().unwrap().is_empty(), "seed {seed}: {i}");
    }
    // At rest, nothing moves, forks or not.
    w.reset_counts();
    w.run(60 * MINUTE);
    let sent = w.sent();
    assert_eq!(
        (sent.messages, sent.frames),
        (0, 0),
        "seed {seed}: {sent:?}"
    );
}

/// Fifty peers have the same feeds and are met at once: every message comes once,
/// whoever dialled, while one of them hangs, and live ones as well.
#[test]
fn fed_by_fifty_at_once() {
    const PEERS: usize = 50;
    const FEEDS: u8 = 40;
    for seed in 0..2 {
        let mut w = World::new(seed, PEERS + 1);
        let feeds: Vec<Keypair> = (100..100 + FEEDS).map(key).collect();
        let mut ids: Vec<FeedId> = feeds.iter().map(Keypair::id).collect();
        for feed in &feeds {
            w.publish_as(1, feed, 25);
            for node in 0..=PEERS {
                w.want(node, feed.id(), FETCH);
            }
        }
        for node in 2..=PEERS {
            let store = w.nodes[1].store.clone();
            for id in &ids {
                let all = store.read(id, 1, 1_000, usize::MAX).unwrap();
                let all: Vec<_> = all
                    .iter()
                    .map(|m| std::sync::Arc::new(m.message().unwrap()))
                    .collect();
                w.nodes[node].store.append(&all, 1).unwrap();
            }
            w.restart(node);
        }
        for node in 1..=PEERS {
            // Half of them dial us.
            if node % 2 == 0 {
                w.connect(0, node);
            } else {
                w.connect(node, 0);
            }
        }
        w.run(MINUTE);
        w.assert_converged("all came");
        let needed = 25 * usize::from(FEEDS);
        assert_eq!(w.nodes[0].received, needed, "seed {seed}: each once");
        assert_eq!(w.sent().messages, needed, "seed {seed}: none was in vain");

        // A live message of a feed that all of them hold; who has it first, sends it.
        w.publish_as(7, &feeds[3], 1);
        w.run(MINUTE);
        assert_eq!(w.nodes[0].received, needed + 1);
        assert_eq!(w.tip(0, &ids[3]), 26);

        // From everybody at once: the news of one feed from each of ten peers.
        ids.truncate(10);
        for (i, feed) in feeds.iter().take(10).enumerate().filter(|(i, _)| *i != 3) {
            w.publish_as(20 + i, feed, 2);
        }
        w.run(MINUTE);
        assert_eq!(w.nodes[0].received, needed + 1 + 9 * 2);
        // What each of the others lacks goes through us, once to each.
        let spread = (9 * 2 + 1) * (PEERS - 1);
        assert_eq!(w.sent().messages, needed + 1 + 9 * 2 + spread);
    }
}

/// The one that all feeds come from hangs: another takes over, and what came twice
/// is what was on its way.
#[test]
fn fed_by_many_while_one_hangs() {
    let mut w = World::new(9, 11);
    let feed = key(100);
    let id = feed.id();
    for node in 0..11 {
        w.want(node, id, FETCH);
    }
    w.publish_as(1, &feed, 2_000);
    let all = w.nodes[1].store.read(&id, 1, 5_000, usize::MAX).unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|m| std::sync::Arc::new(m.message().unwrap()))
        .collect();
    for node in 2..11 {
        w.nodes[node].store.append(&all, 1).unwrap();
        w.restart(node);
    }
    let links: Vec<u64> = (1..11).map(|node| w.connect(0, node)).collect();
    while w.tip(0, &id) == 0 {
        w.run(5);
    }
    let source = w.nodes[0].ebt.source(&id).unwrap().feed;
    let hanging = (1..11).find(|n| w.id(*n) == source).unwrap();
    let got = w.tip(0, &id);
    assert!(got < 2_000, "it is under way");
    w.mute(links[hanging - 1], hanging, true);
    w.run(MINUTE);
    assert_eq!(w.tip(0, &id), 2_000);
    assert_ne!(w.nodes[0].ebt.source(&id).unwrap().feed, source);
    assert!(
        w.nodes[0].received <= 2_001,
        "{} received for 2000: one is looked at for a fork",
        w.nodes[0].received
    );
}
