//! Everything at once, from many seeds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sim;

use sim::{FETCH, MINUTE, Rng, World, key};
use studytime_replicate::FeedStore;
use studytime_schema::Keypair;

/// Everything at once, for many seeds: in the end all is everywhere.
#[test]
fn chaos() {
    for seed in 0..40 {
        chaos_with(seed);
    }
}

fn chaos_with(seed: u64) {
    let mut rng = Rng::new(seed ^ 0xc4a0);
    let n = 3 + rng.index(10);
    let mut w = World::new(seed, n);
    w.want_all();
    let feeds: Vec<(usize, Keypair)> = (0..24).map(|i| (rng.index(n), key(100 + i))).collect();
    for (owner, feed) in &feeds {
        for node in 0..n {
            if node == *owner || rng.chance(70) {
                w.want(node, feed.id(), FETCH);
            }
        }
    }
    for _ in 0..60 {
        match rng.below(20) {
            0..5 => {
                let (owner, feed) = &feeds[rng.index(feeds.len())];
                let count = 1 + rng.index(30);
                w.publish_as(*owner, feed, count);
            }
            5..8 => {
                let (node, count) = (rng.index(n), 1 + rng.index(5));
                w.publish(node, count);
            }
            8..13 => {
                let (a, b) = (rng.index(n), rng.index(n));
                if a != b && !w.is_connected(a, b) {
                    w.connect(a, b);
                }
            }
            13..15 => {
                let up = w.links_up();
                if !up.is_empty() {
                    w.cut(up[rng.index(up.len())]);
                }
            }
            15 => {
                let node = rng.index(n);
                w.restart(node);
            }
            16 => {
                let up = w.links_up();
                if !up.is_empty() {
                    let link = up[rng.index(up.len())];
                    let from = rng.index(n);
                    w.mute(link, from, rng.chance(50));
                }
            }
            17 => {
                let node = rng.index(n);
                w.nodes[node].ingest_ms = 1 + rng.below(2_000);
            }
            18 => {
                let node = rng.index(n);
                let (owner, feed) = &feeds[rng.index(feeds.len())];
                if node != *owner {
                    if w.nodes[node].wants.contains_key(&feed.id()) {
                        w.unwant(node, &feed.id());
                    } else {
                        w.want(node, feed.id(), FETCH);
                    }
                }
            }
            _ => {
                let node = rng.index(n);
                let (owner, feed) = &feeds[rng.index(feeds.len())];
                if node != *owner {
                    w.nodes[node].store.delete(&feed.id()).unwrap();
                    let now = w.now;
                    w.nodes[node].ebt.forget(&feed.id(), now);
                    w.drive(node);
                }
            }
        }
        let ms = rng.below(4_000);
        w.run(ms);
    }
    // Peace: broken programs are gone, everybody wants everything, the graph is
    // one.
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    if rng.chance(40) {
        let node = rng.index(n);
        w.lose_disk(node);
    }
    for node in 0..n {
        w.nodes[node].ingest_ms = 5;
        for (_, feed) in &feeds {
            if !w.nodes[node].wants.contains_key(&feed.id()) {
                w.want(node, feed.id(), FETCH);
            }
        }
    }
    for node in 1..n {
        let other = rng.index(node);
        w.connect(node, other);
    }
    for _ in 0..n {
        let (a, b) = (rng.index(n), rng.index(n));
        if a != b && !w.is_connected(a, b) {
            w.connect(a, b);
        }
    }
    w.run(3 * MINUTE);
    w.assert_converged(&format!("seed {seed}, {n} nodes"));
    // At rest, nothing moves.
    w.reset_counts();
    w.run(30 * MINUTE);
    let sent = w.sent();
    assert_eq!(
        (sent.messages, sent.frames),
        (0, 0),
        "seed {seed} comes to rest"
    );
}
