//! Own feeds after a restore, after a silent loss, and among liars: in virtual
//! time, with the real EBT on both sides.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sim;

use sim::World;
use studytime_replicate::FeedStore;
use studytime_replicate::ebt::{Priority, Want};
use studytime_replicate::guard::Cause;
use studytime_schema::{FeedId, Keypair};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Node 0 is the owner; the others want its feed.
fn readers(seed: u64, n: usize) -> World {
    let mut w = World::new(seed, n + 1);
    w.guarded = true;
    let owner = w.id(0);
    for reader in 1..=n {
        w.want(reader, owner, Want::fetch(Priority::STARTED));
    }
    w
}

/// The first two readers get so many messages of the owner, and stay connected.
fn two_hold(w: &mut World, messages: usize) {
    w.publish(0, messages);
    two_connect(w);
    w.run(MINUTE);
}

fn two_connect(w: &mut World) {
    w.connect(1, 0);
    w.connect(2, 0);
}

/// Every connection ends.
fn part(w: &mut World) {
    for link in w.links_up() {
        w.cut(link);
    }
    w.run(10 * SECOND);
}

/// All readers get what the owner has, then every connection ends.
fn sync(w: &mut World) {
    for reader in 1..w.nodes.len() {
        w.connect(reader, 0);
    }
    w.run(MINUTE);
    part(w);
}

fn tip(w: &World, node: usize) -> u64 {
    w.tip(node, &w.id(0))
}

/// `liar` claims to have so many messages of the owner's feed, for so many
/// seconds: again and again, as its honest half takes it back. Answers for how
/// many of them the feed was locked.
fn lie(w: &mut World, liar: usize, link: u64, sequence: u64, seconds: u64) -> u64 {
    let owner: FeedId = w.id(0);
    let mut locked = 0;
    for _ in 0..seconds * 10 {
        w.forge(liar, link, &format!("{{\"{owner}\":{}}}", sequence << 1));
        locked += u64::from(w.locked(0).is_some());
        w.run(SECOND / 10);
    }
    locked / 10
}

#[test]
fn two_peers_that_hold_the_tip_free_a_restored_feed() {
    let mut w = readers(1, 2);
    w.publish(0, 7);
    sync(&mut w);
    w.restore(0, 5);
    assert_eq!(w.locked(0).unwrap().lock.unwrap().cause, Cause::Restored);

    w.connect(1, 0);
    w.run(10 * MINUTE);
    assert_eq!(tip(&w, 0), 7, "what was lost came back");
    let locked = w.locked(0).expect("one stranger is not enough");
    assert_eq!((locked.confirmed, locked.needed), (1, 2));
    assert!(w.nodes[0].freed.is_empty());

    w.connect(0, 2);
    w.run(5 * SECOND);
    assert!(w.locked(0).is_some(), "not before it is quiet");
    w.run(30 * SECOND);
    assert_eq!(w.locked(0), None);
    assert!(w.nodes[0].locks.is_empty(), "also on disk");
    w.publish(0, 1);
    w.run(10 * SECOND);
    w.assert_converged("goes on at 8");
    assert!((0..3).all(|n| w.nodes[n].store.forks().unwrap().is_empty()));
}

#[test]
fn one_peer_that_the_owner_chose_is_enough() {
    for keep in [0, 3, 7] {
        let mut w = readers(2, 1);
        w.publish(0, 7);
        sync(&mut w);
        w.restore(0, keep);
        let chosen = w.id(1);
        w.nodes[0].chosen.insert(chosen);
        w.connect(0, 1);
        w.run(MINUTE);
        assert_eq!((tip(&w, 0), w.locked(0)), (7, None), "{keep} were kept");
        assert_eq!(w.nodes[0].freed[0].1, Some(Cause::Restored));
    }
}

/// New readers get almost everything, but what they say is only an echo.
#[test]
fn who_has_it_from_us_confirms_nothing() {
    let mut w = readers(3, 4);
    w.publish(0, 6);
    w.restore(0, 6);
    for reader in 1..=4 {
        let id = w.id(reader);
        // Even if the owner chose them.
        w.nodes[0].chosen.insert(id);
        w.connect(reader, 0);
    }
    w.connect(1, 2);
    w.run(HOUR);
    assert!(w.locked(0).is_some());
    for reader in 1..=4 {
        assert_eq!(tip(&w, reader), 5, "all but the last is passed on");
    }
    part(&mut w);
    for reader in 1..=4 {
        w.connect(0, reader);
    }
    w.run(HOUR);
    let locked = w.locked(0).unwrap();
    assert_eq!((locked.confirmed, locked.ahead), (0, None));
    // Also not after a restart, when all clocks are read back.
    w.restart(0);
    for reader in 1..=4 {
        w.connect(0, reader);
    }
    w.run(10 * MINUTE);
    assert!(w.locked(0).is_some(), "the lock outlives the program");

    // The owner knows better.
    w.nodes[0].guard.accept_loss();
    w.drive(0);
    w.run(MINUTE);
    assert!(w.nodes[0].locks.is_empty());
    w.assert_converged("the last one is passed on, too");
}

#[test]
fn a_feed_nobody_knows_stays_locked() {
    let mut w = readers(4, 3);
    w.restore(0, 0);
    for reader in 1..=3 {
        let id = w.id(reader);
        w.nodes[0].chosen.insert(id);
        w.connect(0, reader);
    }
    w.run(HOUR);
    assert_eq!(w.locked(0).unwrap().confirmed, 0);
}

#[test]
fn the_lock_stays_until_the_highest_claim_is_here() {
    let mut w = readers(5, 3);
    two_hold(&mut w, 5);
    part(&mut w);
    // Only reader 3 hears of the last ones.
    w.publish(0, 4);
    w.connect(3, 0);
    w.run(MINUTE);
    w.restore(0, 5);
    let chosen = w.id(3);
    w.nodes[0].chosen.insert(chosen);

    let hangs = w.connect(0, 3);
    w.mute(hangs, 3, true);
    w.run(2 * SECOND);
    w.connect(0, 1);
    w.connect(0, 2);
    w.run(SECOND);
    // Readers 1 and 2 alone would do; the one that claims 9 stands against it.
    let locked = w.locked(0).unwrap();
    assert_eq!(locked.ahead, Some((w.id(3), 9)));
    w.cut(hangs);
    w.run(10 * MINUTE);
    assert!(w.locked(0).is_some() || tip(&w, 0) == 9);
    w.connect(0, 3);
    w.run(2 * MINUTE);
    assert_eq!((tip(&w, 0), w.locked(0)), (9, None));
}

/// Without a restore: the last messages are gone, perhaps a disk was rolled back.
#[test]
fn a_silent_loss_locks_and_mends_itself() {
    for chosen in [false, true] {
        let mut w = readers(6, 1);
        w.publish(0, 10);
        sync(&mut w);
        w.lose_tail(0, 6);
        if chosen {
            let id = w.id(1);
            w.nodes[0].chosen.insert(id);
        }
        assert_eq!(w.locked(0), None, "nobody knows yet");
        w.nodes[0].ingest_ms = 3_000;
        let link = w.connect(0, 1);
        w.mute(link, 1, true);
        w.run(SECOND);
        let locked = w.locked(0).expect("a claim of more locks");
        assert_eq!(locked.ahead, Some((w.id(1), 10)));
        assert_eq!(locked.lock, None, "a claim alone is not kept on disk");
        w.mute(link, 1, false);
        w.run(20 * SECOND);
        let lock = w.nodes[0].locks.values().next().copied();
        if let Some(lock) = lock {
            assert_eq!((lock.cause, lock.claimed), (Cause::Lost, 10));
        }
        w.run(2 * MINUTE);
        assert_eq!((tip(&w, 0), w.locked(0)), (10, None), "freed by itself");
        assert_eq!(w.nodes[0].freed.last().unwrap().1, Some(Cause::Lost));
        w.publish(0, 1);
        w.run(10 * SECOND);
        w.assert_converged("goes on at 11");
        assert!(w.nodes[1].store.forks().unwrap().is_empty());
    }
}

/// What is proven outlives a restart in the middle of the transfer.
#[test]
fn a_proven_loss_is_kept_on_disk() {
    let mut w = readers(7, 1);
    w.publish(0, 900);
    sync(&mut w);
    w.lose_tail(0, 100);
    let link = w.connect(0, 1);
    while w.nodes[0].locks.is_empty() {
        w.run(20);
    }
    w.cut(link);
    w.run(10 * SECOND);
    let here = tip(&w, 0);
    assert!((101..900).contains(&here), "in the middle: {here}");
    w.restart(0);
    w.run(HOUR);
    let locked = w.locked(0).expect("still locked");
    assert_eq!(locked.lock.unwrap().cause, Cause::Lost);
    w.connect(0, 1);
    w.run(5 * MINUTE);
    assert_eq!((tip(&w, 0), w.locked(0)), (900, None));
}

/// A liar with as many names as it likes.
#[test]
fn liars_cannot_lock_a_feed() {
    let mut w = readers(8, 6);
    w.publish(0, 3);
    let mut blocked = 0;
    for round in 0..60 {
        let liar = 1 + round % 6;
        let link = w.connect(liar, 0);
        w.run(2 * SECOND);
        blocked += lie(&mut w, liar, link, 1_000 + round as u64, 35);
        w.cut(link);
        w.run(3 * SECOND);
    }
    // 40 minutes: half a minute of them, for all liars together.
    assert!((20..=32).contains(&blocked), "{blocked} s");
    assert!(w.nodes[0].locks.is_empty());
}

/// The same liars around a restore: they delay, they do not prevent.
#[test]
fn liars_cannot_keep_a_restored_feed_locked() {
    let mut w = readers(9, 8);
    two_hold(&mut w, 5);
    w.restore(0, 5);
    two_connect(&mut w);
    w.run(5 * SECOND);
    let mut minutes = 0;
    while w.locked(0).is_some() {
        let liar = 3 + minutes % 6;
        let link = w.connect(liar, 0);
        w.run(SECOND);
        lie(&mut w, liar, link, 1_000 + minutes as u64, 59);
        w.cut(link);
        minutes += 1;
        assert!(minutes < 40, "locked for ever");
    }
    assert!(minutes >= 5, "a claim is given its time: {minutes}");
}

/// A peer's claim counts as long as it may come true, and no longer.
#[test]
fn one_liar_holds_a_restored_feed_for_a_while_only() {
    let mut w = readers(10, 3);
    two_hold(&mut w, 5);
    w.restore(0, 4);
    let link = w.connect(3, 0);
    w.run(SECOND);
    two_connect(&mut w);
    lie(&mut w, 3, link, 50, 120);
    assert_eq!(tip(&w, 0), 5);
    assert_eq!(w.locked(0).unwrap().ahead, Some((w.id(3), 50)));
    lie(&mut w, 3, link, 50, 300);
    assert_eq!(w.locked(0), None);
}

/// The key was used on two machines: the other branch is evidence, no lock.
#[test]
fn another_branch_does_not_lock() {
    let mut w = readers(11, 2);
    w.publish(0, 4);
    w.connect(1, 0);
    w.run(MINUTE);
    part(&mut w);
    // The twin writes on from message 2, and reader 2 hears only of that.
    let keys: Keypair = w.nodes[0].keys.clone();
    let owner = w.id(0);
    for m in w.nodes[0].store.read(&owner, 1, 2, usize::MAX).unwrap() {
        let message = std::sync::Arc::new(m.message().unwrap());
        w.nodes[2].store.append(&[message], 1).unwrap();
    }
    w.nodes[2].ebt.appended(owner, 2, w.now);
    w.publish_as(2, &keys, 7);
    assert_eq!(tip(&w, 2), 9);

    w.connect(0, 2);
    w.run(MINUTE);
    let forks = w.nodes[0].store.forks().unwrap();
    assert_eq!(forks.len(), 1, "seen, and not pulled on");
    assert_eq!(tip(&w, 0), 4);
    assert_eq!(w.locked(0), None);
    w.run(HOUR);
    // And it stays so after a restart, with the same peer.
    w.restart(0);
    w.connect(0, 2);
    w.run(10 * MINUTE);
    assert_eq!(w.locked(0), None);
    assert_eq!(w.nodes[0].store.forks().unwrap().len(), 1);
    w.publish(0, 1);
    w.connect(0, 1);
    w.run(MINUTE);
    assert_eq!(tip(&w, 1), 5, "our branch is served on");
}

/// What a locked feed keeps back is not given out over any way.
#[test]
fn after_it_is_freed_everybody_gets_the_last_message() {
    let mut w = readers(12, 3);
    two_hold(&mut w, 20);
    w.restore(0, 20);
    w.connect(3, 0);
    w.run(MINUTE);
    assert_eq!(tip(&w, 3), 19);
    two_connect(&mut w);
    w.run(MINUTE);
    assert_eq!(w.locked(0), None);
    assert_eq!(tip(&w, 3), 20);
    assert_eq!(w.nodes[0].store.counts().unwrap().messages, 20);
}
