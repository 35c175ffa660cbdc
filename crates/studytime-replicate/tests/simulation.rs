//! Networks of nodes in virtual time; each test is a story that real networks
//! have told.

mod sim;

use sim::{FETCH, MINUTE, Rng, World, key};
use studytime_replicate::clock::Heard;
use studytime_replicate::{FeedStore, PeerId};
use studytime_schema::{FeedId, Keypair};

/// A line of nodes, each connected to the next.
fn line(world: &mut World) -> Vec<u64> {
    (1..world.nodes.len())
        .map(|i| world.connect(i - 1, i))
        .collect()
}

#[test]
fn two_nodes_exchange_and_go_on_live() {
    let mut w = World::new(1, 2);
    w.want_all();
    w.publish(0, 300);
    w.publish(1, 7);
    w.connect(0, 1);
    w.run(MINUTE);
    w.assert_converged("first sync");
    let sent = w.sent();
    assert_eq!(sent.messages, 307, "each message travels once");
    w.publish(0, 1);
    w.run(1_000);
    w.publish(1, 2);
    w.run(1_000);
    w.assert_converged("live");
    assert_eq!(w.sent().messages, 310);
}

#[test]
fn messages_pass_through_a_line() {
    let mut w = World::new(2, 5);
    w.want_all();
    line(&mut w);
    for i in 0..5 {
        w.publish(i, 20);
    }
    w.run(MINUTE);
    w.assert_converged("line");
    assert_eq!(
        w.sent().messages,
        5 * 4 * 20,
        "in a tree nothing travels twice"
    );
}

/// Rings and meshes: the tree forms by itself, little is sent twice.
#[test]
fn loop_() {
    for seed in 0..10 {
        let mut w = World::new(seed, 6);
        w.want_all();
        for i in 0..6 {
            w.publish(i, 30);
            for j in 0..i {
                w.connect(i, j);
            }
        }
        w.run(MINUTE);
        w.assert_converged("full mesh");
        let needed = 6 * 5 * 30;
        let sent = w.sent().messages;
        assert!(
            sent <= needed * 3 / 2,
            "seed {seed}: {sent} sent, {needed} needed"
        );

        // Once the tree stands, live messages travel it once.
        for i in 0..6 {
            w.publish(i, 1);
            w.run(5_000);
        }
        w.reset_counts();
        for i in 0..6 {
            w.publish(i, 1);
            w.run(5_000);
        }
        w.assert_converged("mesh, live");
        let sent = w.sent();
        assert!(
            sent.messages <= 36,
            "seed {seed}: {sent:?} for 30 deliveries"
        );
        // Each tells each once that it has it now, or wants to hear no more.
        assert!(sent.notes <= 6 * 30, "seed {seed}: {sent:?}");
    }
}

/// A peer claims messages and never sends them; another one has them.
#[test]
fn stall() {
    let mut w = World::new(4, 3);
    w.want_all();
    let course = key(40);
    for node in 0..3 {
        w.want(node, course.id(), FETCH);
    }
    w.publish_as(0, &course, 50);
    w.connect(0, 1);
    w.run(MINUTE);
    let bad = w.connect(2, 0);
    w.mute(bad, 0, true);
    w.run(2_000);
    assert_eq!(w.tip(2, &course.id()), 0);
    w.connect(2, 1);
    w.run(10_000);
    w.assert_converged("another peer takes over");
}

/// The only peer that has the messages stalls: it is asked again, and by the
/// other protocol, and does well again later.
#[test]
fn stall_of_the_only_peer() {
    let mut w = World::new(5, 2);
    w.want_all();
    w.publish(0, 10);
    let link = w.connect(1, 0);
    w.mute(link, 0, true);
    // Asked again after ten seconds, over a new stream after twenty, and then in
    // another way.
    w.run(15_000);
    assert_eq!((w.nodes[1].restarts, w.nodes[1].fetches), (0, 0));
    let feed = w.id(0).to_string();
    let asked = |w: &World| {
        let told = w.nodes[1].told.iter();
        told.filter(|(_, text)| text.contains(&format!("\"{feed}\":0")))
            .count()
    };
    assert_eq!(asked(&w), 2);
    w.run(10_000);
    assert_eq!((w.nodes[1].restarts, w.nodes[1].fetches), (1, 0));
    assert_eq!(asked(&w), 3);
    w.run(15_000);
    w.assert_converged("fetched by createHistoryStream");
    assert_eq!((w.nodes[1].restarts, w.nodes[1].fetches), (1, 1));
    w.mute(link, 0, false);
    w.publish(0, 5);
    w.run(MINUTE);
    w.assert_converged("live again");
}

/// A source that hangs loses its feeds after three seconds.
#[test]
fn timeout() {
    let mut w = World::new(6, 4);
    w.want_all();
    let links: Vec<u64> = (1..4).map(|i| w.connect(0, i)).collect();
    w.connect(1, 2);
    w.connect(2, 3);
    w.publish(3, 5);
    w.run(MINUTE);
    w.assert_converged("start");
    let feed = w.id(3);
    let source = w.nodes[0].ebt.source(&feed).unwrap();
    let hanging = (1..4).find(|i| w.id(*i) == source.feed).unwrap();
    w.mute(links[hanging - 1], hanging, true);
    w.publish(3, 5);
    w.run(20_000);
    w.assert_converged("another source");
    assert_ne!(w.nodes[0].ebt.source(&feed).unwrap(), source);
}

#[test]
fn fork() {
    let mut w = World::new(7, 6);
    w.want_all();
    line(&mut w);
    let forked = key(70);
    for node in 0..6 {
        w.want(node, forked.id(), FETCH);
    }
    // One key on two machines.
    w.publish_as(0, &forked, 3);
    w.run(MINUTE);
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    w.publish_as(0, &forked, 5);
    w.publish_as(5, &forked, 9);
    for i in 0..6 {
        w.publish(i, 5);
    }
    line(&mut w);
    w.run(10 * MINUTE);
    for node in 0..6 {
        for author in 0..6 {
            assert_eq!(w.tip(node, &w.id(author)), 5, "other feeds go on");
        }
        let tip = w.tip(node, &forked.id());
        assert!(
            tip == 8 || tip == 12,
            "node {node} keeps one whole branch, has {tip}"
        );
        assert!(w.nodes[node].store.check().unwrap().is_empty());
    }
    assert!(
        w.nodes.iter().any(|n| !n.store.forks().unwrap().is_empty()),
        "somebody has both messages as evidence"
    );
    // It is known now, and not pulled again and again, not even after a restart.
    w.reset_counts();
    w.run(60 * MINUTE);
    assert_eq!(w.sent().messages, 0);
    w.restart(2);
    w.run(1_000);
    w.connect(2, 1);
    w.connect(2, 3);
    w.run(10 * MINUTE);
    let sent = w.sent();
    assert!(sent.messages <= 2, "{sent:?}");
}

/// In sync, a reconnect says nothing but the own feeds.
#[test]
fn reconnect() {
    let mut w = World::new(8, 3);
    w.want_all();
    let feeds: Vec<Keypair> = (100..140).map(key).collect();
    for feed in &feeds {
        for node in 0..3 {
            w.want(node, feed.id(), FETCH);
        }
        w.publish_as(0, feed, 5);
    }
    for i in 0..3 {
        w.publish(i, 3);
    }
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        w.connect(a, b);
    }
    w.run(MINUTE);
    w.assert_converged("first sync");
    for round in 0..3 {
        for link in w.links_up() {
            w.cut(link);
        }
        w.run(MINUTE);
        if round == 1 {
            for node in 0..3 {
                w.restart(node);
            }
        }
        w.reset_counts();
        for (a, b) in [(1, 0), (1, 2), (2, 0)] {
            w.connect(a, b);
        }
        w.run(MINUTE);
        let own: Vec<FeedId> = (0..3).map(|i| w.id(i)).collect();
        for (node, me) in own.iter().enumerate() {
            for (peer, text) in &w.nodes[node].told {
                let (me, them) = (me.to_string(), peer.feed.to_string());
                let other = text.matches(".ed25519").count()
                    - usize::from(text.contains(&me))
                    - usize::from(text.contains(&them));
                assert_eq!(other, 0, "round {round}: node {node} told {peer}: {text}");
            }
        }
        assert_eq!(w.sent().messages, 0, "round {round}");
        assert!(w.sent().notes <= 12, "round {round}: {:?}", w.sent());
    }
    // And news still comes through.
    w.publish_as(0, &feeds[3], 2);
    w.publish(1, 1);
    w.run(MINUTE);
    w.assert_converged("after all reconnects");
}

/// Everybody carries something else.
#[test]
fn partial() {
    for seed in 0..10 {
        let mut w = World::new(seed, 8);
        let feeds: Vec<Keypair> = (100..124).map(key).collect();
        let mut rng = Rng::new(seed + 1_000);
        for (i, feed) in feeds.iter().enumerate() {
            let holder = i % 8;
            w.want(holder, feed.id(), FETCH);
            let count = rng.index(40);
            w.publish_as(holder, feed, count);
            // A way from the holder around the ring to whoever wants it.
            for step in 1..=rng.index(8) {
                w.want((holder + step) % 8, feed.id(), FETCH);
            }
        }
        for i in 0..8 {
            w.connect(i, (i + 1) % 8);
        }
        w.run(2 * MINUTE);
        w.assert_converged("partial");
        for (i, feed) in feeds.iter().enumerate() {
            for node in 0..8 {
                if !w.nodes[node].wants.contains_key(&feed.id()) {
                    assert_eq!(
                        w.tip(node, &feed.id()),
                        0,
                        "feed {i} was not wanted by {node}"
                    );
                }
            }
        }
        // Wanted later, on a running connection: named, and fetched.
        let late = feeds.iter().find(|f| {
            (0..8)
                .any(|n| w.tip(n, &f.id()) > 0 && !w.nodes[(n + 1) % 8].wants.contains_key(&f.id()))
        });
        if let Some(feed) = late {
            let id = feed.id();
            let from = (0..8)
                .find(|n| w.tip(*n, &id) > 0 && !w.nodes[(n + 1) % 8].wants.contains_key(&id));
            let to = (from.unwrap() + 1) % 8;
            w.want(to, id, FETCH);
            w.run(5_000);
            w.assert_converged("wanted later");
            // Left again: held and served, not fetched.
            w.unwant(to, &id);
            w.run(5_000);
            let held = w.tip(to, &id);
            w.publish_as(from.unwrap(), feed, 3);
            w.run(MINUTE);
            assert_eq!(w.tip(to, &id), held);
            let told = &w.nodes[to].told;
            let refused = told
                .iter()
                .any(|(_, t)| t.contains(&format!("\"{id}\":-1")) && held > 0);
            let first_refusals = told
                .iter()
                .filter(|(_, t)| t.contains(&format!("\"{id}\":-1")))
                .count();
            assert!(
                !refused || first_refusals <= 2,
                "a held feed is not refused"
            );
        }
    }
}

/// Both sides refused a feed once, and both want it now: nobody waits for the
/// other to name it first.
#[test]
fn refusals_do_not_stick() {
    let mut w = World::new(9, 3);
    let feed = key(90);
    let id = feed.id();
    w.want(0, id, FETCH);
    w.connect(0, 1);
    w.run(5_000);
    w.unwant(0, &id);
    w.want(1, id, FETCH);
    w.run(5_000);
    w.unwant(1, &id);
    w.run(5_000);
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    w.want(0, id, FETCH);
    w.want(1, id, FETCH);
    w.connect(0, 1);
    w.run(5_000);
    w.want(2, id, FETCH);
    w.publish_as(2, &feed, 3);
    w.connect(2, 1);
    w.run(5_000);
    w.assert_converged("wanted again by both");
}

#[test]
fn block() {
    let mut w = World::new(10, 3);
    w.want_all();
    let (a, x) = (w.id(0), w.id(2));
    w.publish(0, 5);
    w.publish(1, 5);
    w.publish(2, 5);
    // 0 blocks 2; 1 knows of it and must not pass 0's messages on to 2.
    let now = w.now;
    w.nodes[1].ebt.set_block(a, x, true, now);
    line(&mut w);
    w.run(MINUTE);
    assert_eq!(w.tip(2, &a), 0, "what 0 writes does not reach 2");
    assert_eq!((w.tip(1, &a), w.tip(1, &x), w.tip(2, &w.id(1))), (5, 5, 5));
    // 1 blocks 2's feed: no more of it is taken, 1's own goes on.
    let now = w.now;
    w.nodes[1].ebt.set_blocked(x, true, now);
    w.drive(1);
    w.run(1_000);
    w.publish(2, 5);
    w.publish(1, 1);
    w.run(MINUTE);
    assert_eq!((w.tip(1, &x), w.tip(2, &w.id(1))), (5, 6));
    // Nor is it served to those who ask for what is here.
    assert!(!w.nodes[1].ebt.may_have(&a, true, &x));
    let served = w.sent().messages;
    w.forge(0, 1, &format!("{{\"{x}\":0}}"));
    w.run(MINUTE);
    assert_eq!(w.sent().messages, served);
    // All is forgiven, on the running connections.
    let now = w.now;
    w.nodes[1].ebt.set_block(a, x, false, now);
    w.nodes[1].ebt.set_blocked(x, false, now);
    w.drive(1);
    w.run(MINUTE);
    w.assert_converged("unblocked");
}

/// A feed is deleted and fetched again.
#[test]
fn resync() {
    let mut w = World::new(11, 3);
    w.want_all();
    line(&mut w);
    for i in 0..3 {
        w.publish(i, 20);
    }
    w.run(MINUTE);
    let feed = w.id(0);
    w.nodes[2].store.delete(&feed).unwrap();
    let now = w.now;
    w.nodes[2].ebt.forget(&feed, now);
    w.drive(2);
    w.run(MINUTE);
    w.assert_converged("deleted while connected");
    // And while not connected.
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    w.nodes[1].store.delete(&feed).unwrap();
    w.restart(1);
    line(&mut w);
    w.run(MINUTE);
    w.assert_converged("deleted while alone");
}

/// Only the key survives. Peers that remember us as up to date would never
/// mention our own feed; our note brings it back.
#[test]
fn amnesia() {
    let mut w = World::new(12, 3);
    w.want_all();
    w.publish(0, 12);
    w.publish(1, 3);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        w.connect(a, b);
    }
    w.run(MINUTE);
    w.assert_converged("start");
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    w.lose_disk(0);
    w.connect(1, 0);
    w.run(MINUTE);
    w.assert_converged("the own feed is back");
    assert_eq!(
        w.nodes[0].own_ahead.first(),
        Some(&(12, 0)),
        "and publishing could be locked"
    );
    w.publish(0, 1);
    w.run(MINUTE);
    w.connect(2, 0);
    w.run(MINUTE);
    w.assert_converged("and goes on");
    assert!(w.nodes.iter().all(|n| n.store.forks().unwrap().is_empty()));
}

/// A backup with its old clocks is restored: what peers were told since is a lie
/// until the own notes correct it.
#[test]
fn old_backup() {
    let mut w = World::new(13, 2);
    w.want_all();
    w.publish(0, 5);
    w.connect(0, 1);
    w.run(MINUTE);
    // Both told each other how far they got.
    let (me, other) = (w.id(0), w.id(1));
    let clock = w.nodes[0].store.clock(&other).unwrap();
    let backup: Vec<_> = w.nodes[0]
        .store
        .scan(studytime_schema::LogPosition(0), 100)
        .unwrap()
        .iter()
        .map(|m| std::sync::Arc::new(m.message().unwrap()))
        .collect();
    w.publish(0, 5);
    w.run(MINUTE);
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(MINUTE);
    w.lose_disk(0);
    w.nodes[0].store.append(&backup, 1).unwrap();
    let old = Heard {
        sequence: Some(5),
        at: w.now,
    };
    let clock = clock.into_iter().chain([(me, old)]).collect();
    w.nodes[0].store.save_clock(&other, &clock).unwrap();
    w.restart(0);
    w.connect(0, 1);
    w.run(MINUTE);
    w.assert_converged("backup");
    assert_eq!(w.nodes[0].own_ahead.first(), Some(&(10, 5)));
}

/// Peers that dial and never open EBT, or never answer, are given up in time.
#[test]
fn silent_peers_fall_back() {
    let mut w = World::new(14, 1);
    let now = w.now;
    let stranger = key(99).id();
    let ebt = &mut w.nodes[0].ebt;
    let dialled = PeerId::new(stranger, 900);
    ebt.connect(
        dialled,
        studytime_replicate::Role::Acceptor,
        true,
        Default::default(),
        now,
    );
    assert_eq!(ebt.poll_output(), None);
    ebt.handle_timeout(now + 4_999);
    assert_eq!(ebt.poll_output(), None);
    ebt.handle_timeout(now + 5_000);
    assert!(matches!(
        ebt.poll_output(),
        Some(studytime_replicate::Output::Fallback { peer, .. }) if peer == dialled
    ));
    // Late, but welcome; and no history streams any more.
    ebt.handle_open(dialled, now + 9_000).unwrap();
    assert!(matches!(
        ebt.poll_output(),
        Some(studytime_replicate::Output::Resumed { peer }) if peer == dialled
    ));
    assert!(matches!(
        ebt.poll_output(),
        Some(studytime_replicate::Output::Send { .. })
    ));
}
