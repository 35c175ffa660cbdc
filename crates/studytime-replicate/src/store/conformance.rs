//! The laws of a [`FeedStore`], as a suite that any implementation can run.
//!
//! ```
//! use studytime_replicate::{MemoryStore, store::conformance};
//!
//! conformance::run(MemoryStore::new);
//! ```

use super::{
    AppendAllError, Appended, Counts, FeedStore, MAX_FORKS_PER_FEED, MAX_REJECTED,
    MAX_REJECTED_PER_FEED, Rejected, Shunned, StoredMessage,
};
use crate::clock::{Heard, PeerClock};
use serde_json::json;
use std::sync::Arc;
use studytime_schema::{FeedId, Keypair, LogPosition, Message, Tip};

/// Runs the whole suite; `make` gives a new, empty store each time.
///
/// # Panics
/// When a law is broken; the text says which.
pub fn run<S: FeedStore>(mut make: impl FnMut() -> S) {
    starts_empty(&make());
    keeps_a_chain(&make());
    tells_what_does_not_fit(&make());
    keeps_evidence_of_forks(&make());
    appends_all_or_nothing(&make());
    reads_within_limits(&make());
    deletes_a_feed(&make());
    remembers_clocks(&make());
    remembers_what_was_bad(&make());
    stands_concurrent_use(&make());
}

/// A key for tests, the same for the same number.
pub fn keys(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

/// `count` messages that continue `tip`, each with `text` in its content.
///
/// # Panics
/// When they cannot be signed, which would be an error of this suite.
pub fn chain(keys: &Keypair, tip: Option<Tip>, count: usize, text: &str) -> Vec<Arc<Message>> {
    let mut tip = tip;
    let mut messages = Vec::with_capacity(count);
    for n in 0..count {
        let content = json!({ "type": "test", "text": text, "n": n });
        let message = Message::sign(keys, tip.as_ref(), 1_700_000_000_000, &content, None)
            .expect("an ordinary content can be signed");
        tip = Some(message.tip());
        messages.push(Arc::new(message));
    }
    messages
}

fn at(n: u64) -> Appended {
    Appended::At(LogPosition(n))
}

fn append(store: &dyn FeedStore, batch: &[Arc<Message>]) -> Vec<Appended> {
    store.append(batch, 1_000).expect("append works")
}

fn sequences(messages: &[StoredMessage]) -> Vec<u64> {
    messages.iter().map(|m| m.sequence).collect()
}

fn starts_empty(store: &dyn FeedStore) {
    let id = keys(1).id();
    assert_eq!(store.tip(&id).expect("tip"), None);
    assert_eq!(store.tips().expect("tips"), []);
    assert_eq!(store.get(&id, 1).expect("get"), None);
    assert_eq!(store.read(&id, 1, 10, 10_000).expect("read"), []);
    assert_eq!(store.scan(LogPosition(0), 10).expect("scan"), []);
    assert_eq!(
        store.last_position().expect("last position"),
        LogPosition(0)
    );
    assert_eq!(store.counts().expect("counts"), Counts::default());
    assert_eq!(store.feed_counts(&id).expect("counts"), Counts::default());
    assert_eq!(store.delete(&id).expect("delete"), Counts::default());
    assert_eq!(store.append(&[], 1).expect("an empty batch is fine"), []);
    assert_eq!(
        store.append_all(&[], 1).expect("an empty batch is fine"),
        []
    );
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
}

fn keeps_a_chain(store: &dyn FeedStore) {
    let (a, b) = (keys(1), keys(2));
    let of_a = chain(&a, None, 3, "a");
    let of_b = chain(&b, None, 2, "b");
    let mixed = [&of_a[0], &of_b[0], &of_a[1], &of_b[1]].map(Arc::clone);
    assert_eq!(append(store, &mixed), [at(1), at(2), at(3), at(4)]);
    assert_eq!(store.append(&of_a[2..], 2_000).expect("append"), [at(5)]);

    assert_eq!(store.tip(&a.id()).expect("tip"), Some(of_a[2].tip()));
    let mut tips = vec![(a.id(), of_a[2].tip()), (b.id(), of_b[1].tip())];
    tips.sort_by_key(|(id, _)| *id);
    assert_eq!(
        store.tips().expect("tips"),
        tips,
        "tips come ordered by feed id"
    );

    let got = store
        .get(&a.id(), 3)
        .expect("get")
        .expect("message 3 is there");
    assert_eq!(&*got.wire, of_a[2].wire(), "the text comes back as it was");
    assert_eq!((got.position, got.received), (LogPosition(5), 2_000));
    assert_eq!(got.message().expect("reads back"), *of_a[2]);
    assert_eq!(store.get(&a.id(), 4).expect("get"), None);
    assert_eq!(
        store.get(&a.id(), 0).expect("get"),
        None,
        "there is no sequence 0"
    );

    let all = store.scan(LogPosition(0), 10).expect("scan");
    let order: Vec<_> = all
        .iter()
        .map(|m| (m.position.0, m.feed, m.sequence))
        .collect();
    let (ia, ib) = (a.id(), b.id());
    assert_eq!(
        order,
        [(1, ia, 1), (2, ib, 1), (3, ia, 2), (4, ib, 2), (5, ia, 3)]
    );
    assert_eq!(
        store.last_position().expect("last position"),
        LogPosition(5)
    );

    let bytes: usize = of_a.iter().chain(&of_b).map(|m| m.wire().len()).sum();
    let counts = Counts {
        feeds: 2,
        messages: 5,
        bytes: bytes as u64,
    };
    assert_eq!(store.counts().expect("counts"), counts);
    assert_eq!(store.feed_counts(&b.id()).expect("counts").messages, 2);
    let each = |store: &dyn FeedStore| -> Vec<_> {
        let tips = store.tips().expect("tips").into_iter();
        tips.map(|(feed, _)| (feed, store.feed_counts(&feed).expect("counts")))
            .collect()
    };
    assert_eq!(store.sizes().expect("sizes"), each(store));
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
}

fn tells_what_does_not_fit(store: &dyn FeedStore) {
    let messages = chain(&keys(1), None, 5, "a");
    let early = append(store, &messages[1..2]);
    assert_eq!(
        early,
        [Appended::Gap { expected: 1 }],
        "a feed is kept from its start"
    );
    let batch = [0, 0, 1, 3, 2, 3].map(|i| messages[i].clone());
    let outcomes = append(store, &batch);
    let expected = [
        at(1),
        Appended::Duplicate,
        at(2),
        Appended::Gap { expected: 3 },
        at(3),
        at(4),
    ];
    assert_eq!(
        outcomes, expected,
        "a message that does not fit costs only itself"
    );
    assert_eq!(append(store, &messages[..1]), [Appended::Duplicate]);
    assert_eq!(store.counts().expect("counts").messages, 4);
}

fn keeps_evidence_of_forks(store: &dyn FeedStore) {
    let k = keys(1);
    let ours = chain(&k, None, 4, "ours");
    append(store, &ours[..3]);
    let theirs = chain(&k, Some(ours[0].tip()), 3, "theirs");
    let fork = |sequence, i: usize| Appended::Fork {
        sequence,
        stored: ours[i].id(),
    };
    assert_eq!(
        append(store, &theirs[..1]),
        [fork(2, 1)],
        "another message 2"
    );
    assert_eq!(
        append(store, &theirs[2..]),
        [fork(4, 2)],
        "a message 4 of another branch"
    );
    assert_eq!(append(store, &ours[3..]), [at(4)], "our branch goes on");
    assert_eq!(store.tip(&k.id()).expect("tip"), Some(ours[3].tip()));
    append(store, &theirs);

    let evidence = store.forks().expect("forks");
    let seen: Vec<_> = evidence
        .iter()
        .map(|e| (e.sequence, &*e.ours, &*e.theirs))
        .collect();
    assert_eq!(
        seen,
        [
            (2, ours[1].wire(), theirs[0].wire()),
            (3, ours[2].wire(), theirs[1].wire()),
            (4, ours[2].wire(), theirs[2].wire()),
        ],
        "both messages are kept, the first evidence counts"
    );
    let many = chain(&k, Some(ours[3].tip()), MAX_FORKS_PER_FEED + 10, "more");
    append(store, &many);
    append(
        store,
        &chain(&k, Some(ours[3].tip()), MAX_FORKS_PER_FEED + 10, "other"),
    );
    assert_eq!(store.forks().expect("forks").len(), MAX_FORKS_PER_FEED);
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
}

fn appends_all_or_nothing(store: &dyn FeedStore) {
    let k = keys(1);
    let messages = chain(&k, None, 4, "a");
    let positions = store.append_all(&messages[..2], 1).expect("they fit");
    assert_eq!(positions, [LogPosition(1), LogPosition(2)]);
    for (bad, at_index) in [
        (vec![messages[2].clone(), messages[2].clone()], 1),
        (vec![messages[2].clone(), messages[0].clone()], 1),
        (vec![messages[3].clone()], 0),
        (
            vec![
                messages[2].clone(),
                chain(&k, Some(messages[1].tip()), 2, "b")[1].clone(),
            ],
            1,
        ),
    ] {
        match store.append_all(&bad, 1) {
            Err(AppendAllError::Chain { index, .. }) => assert_eq!(index, at_index),
            other => panic!("a batch that does not fit must be refused, got {other:?}"),
        }
        assert_eq!(
            store.tip(&k.id()).expect("tip"),
            Some(messages[1].tip()),
            "nothing was kept"
        );
        assert_eq!(
            store.last_position().expect("last position"),
            LogPosition(2)
        );
    }
    store.append_all(&messages[2..], 1).expect("they still fit");
    assert_eq!(store.counts().expect("counts").messages, 4);
}

fn reads_within_limits(store: &dyn FeedStore) {
    let k = keys(1);
    let messages = chain(&k, None, 20, "some text");
    append(store, &messages);
    append(store, &chain(&keys(2), None, 2, "another"));
    let read =
        |from, count, bytes| sequences(&store.read(&k.id(), from, count, bytes).expect("read"));
    assert_eq!(read(5, 3, usize::MAX), [5, 6, 7]);
    assert_eq!(read(0, 2, usize::MAX), [1, 2], "from 0 is from the start");
    assert_eq!(read(19, 10, usize::MAX), [19, 20]);
    assert_eq!(read(21, 10, usize::MAX), [0; 0]);
    assert_eq!(read(u64::MAX, 10, usize::MAX), [0; 0]);
    assert_eq!(read(3, 10, 1), [3], "the first one always comes");
    assert_eq!(read(3, 0, 1_000), [0; 0]);
    let three: usize = messages[2..5].iter().map(|m| m.wire().len()).sum();
    assert_eq!(read(3, 10, three), [3, 4, 5]);
    assert_eq!(read(3, 10, three - 1), [3, 4]);
    assert_eq!(store.scan(LogPosition(18), 3).expect("scan").len(), 3);
    assert_eq!(store.scan(LogPosition(u64::MAX), 3).expect("scan"), []);
}

fn deletes_a_feed(store: &dyn FeedStore) {
    let (a, b) = (keys(1), keys(2));
    let of_a = chain(&a, None, 3, "a");
    append(store, &of_a);
    append(store, &chain(&b, None, 2, "b"));
    append(store, &chain(&a, None, 1, "fork"));
    let clock = PeerClock::from([(
        a.id(),
        Heard {
            sequence: Some(3),
            at: 1,
        },
    )]);
    store.save_clock(&b.id(), &clock).expect("save clock");

    let gone = store.delete(&a.id()).expect("delete");
    assert_eq!((gone.feeds, gone.messages), (1, 3));
    assert_eq!(store.tip(&a.id()).expect("tip"), None);
    assert_eq!(store.forks().expect("forks"), []);
    assert_eq!(store.clock(&b.id()).expect("clock"), PeerClock::new());
    assert_eq!(store.counts().expect("counts").messages, 2);
    assert_eq!(store.scan(LogPosition(0), 10).expect("scan").len(), 2);
    let last = store.last_position().expect("last position");
    assert_eq!(last, LogPosition(5), "positions are not used again");
    assert_eq!(
        append(store, &of_a),
        [at(6), at(7), at(8)],
        "it can come again"
    );
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
    store.delete(&b.id()).expect("delete");
    store.delete(&a.id()).expect("delete");
    assert_eq!(
        append(store, &of_a[..1]),
        [at(9)],
        "not even when all is gone"
    );
}

fn remembers_clocks(store: &dyn FeedStore) {
    let (p, q) = (keys(8).id(), keys(9).id());
    let (f, g) = (keys(1).id(), keys(2).id());
    let heard = |sequence, at| Heard { sequence, at };
    let first = PeerClock::from([(f, heard(Some(7), 10)), (g, heard(None, 10))]);
    store.save_clock(&p, &first).expect("save");
    store
        .save_clock(&p, &PeerClock::from([(f, heard(Some(0), 20))]))
        .expect("save");
    store
        .save_clock(&q, &PeerClock::from([(g, heard(Some(1), 30))]))
        .expect("save");
    let expected = PeerClock::from([(f, heard(Some(0), 20)), (g, heard(None, 10))]);
    assert_eq!(store.clock(&p).expect("clock"), expected);
    assert_eq!(store.clock(&f).expect("clock"), PeerClock::new());
    store.forget_heard(&g).expect("forget");
    store.forget_heard(&keys(7).id()).expect("forget");
    let expected = PeerClock::from([(f, heard(Some(0), 20))]);
    assert_eq!(store.clock(&p).expect("clock"), expected);
    assert_eq!(store.clock(&q).expect("clock"), PeerClock::new());
    store.forget_clocks().expect("forget");
    assert_eq!(store.clock(&p).expect("clock"), PeerClock::new());
    assert_eq!(store.clock(&q).expect("clock"), PeerClock::new());
}

fn remembers_what_was_bad(store: &dyn FeedStore) {
    let rejected = |feed: FeedId, n: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        Rejected {
            feed,
            sequence: u64::from(n),
            hash,
            reason: "bad".into(),
            at: 5,
        }
    };
    let (f, g, p) = (keys(1).id(), keys(2).id(), keys(3).id());
    let per_feed = MAX_REJECTED_PER_FEED as u32;
    let batch: Vec<_> = (0..per_feed + 5).map(|n| rejected(f, n)).collect();
    store.reject(&batch).expect("reject");
    let of = |feed: FeedId| -> Vec<u64> {
        let kept = store.rejected().expect("rejected");
        let of_feed = kept.into_iter().filter(|r| r.feed == feed);
        of_feed.map(|r| r.sequence).collect()
    };
    let expected: Vec<u64> = (5..u64::from(per_feed) + 5).collect();
    assert_eq!(of(f), expected, "of one feed, the oldest go");
    store
        .reject(&[rejected(f, 9), rejected(g, 1)])
        .expect("reject");
    assert_eq!(of(f).len(), MAX_REJECTED_PER_FEED);
    assert_eq!(of(f).last(), Some(&9), "once, and the newest now");
    let other = |n: usize| {
        let mut key = [7; 32];
        key[..8].copy_from_slice(&(n as u64).to_be_bytes());
        FeedId::from_bytes(key)
    };
    let flood: Vec<_> = (0..MAX_REJECTED).map(|n| rejected(other(n), 1)).collect();
    store.reject(&flood).expect("reject");
    let kept = store.rejected().expect("rejected");
    assert_eq!(kept.len(), MAX_REJECTED, "in all, the oldest go");
    assert_eq!((of(f), of(g)), (Vec::new(), Vec::new()));
    store
        .reject(&[rejected(f, 9), rejected(g, 1)])
        .expect("reject");

    let shun = |peer, feed, fork| Shunned {
        peer,
        feed,
        sequence: 3,
        fork,
        at: 6,
    };
    store.shun(&shun(p, f, false)).expect("shun");
    store.shun(&shun(p, f, true)).expect("shun");
    store.shun(&shun(p, g, true)).expect("shun");
    let mut expected = vec![shun(p, f, true), shun(p, g, true)];
    expected.sort_by_key(|s| (s.peer, s.feed));
    assert_eq!(store.shunned().expect("shunned"), expected);
    store.forgive(&f).expect("forgive");
    assert_eq!(store.shunned().expect("shunned"), [shun(p, g, true)]);
    assert_eq!((of(f), of(g)), (Vec::new(), vec![1]));
}

/// Readers see whole batches only, while others write; writers never collide.
fn stands_concurrent_use(store: &dyn FeedStore) {
    let batches: Vec<Vec<Arc<Message>>> = (1..=4).map(|n| chain(&keys(n), None, 30, "x")).collect();
    std::thread::scope(|scope| {
        for batch in &batches {
            scope.spawn(move || {
                for part in batch.chunks(10) {
                    for outcome in append(store, part) {
                        assert!(matches!(outcome, Appended::At(_)), "{outcome:?}");
                    }
                }
            });
        }
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    for (feed, tip) in store.tips().expect("tips") {
                        assert_eq!(tip.sequence % 10, 0, "half a batch is never seen");
                        let last = store.get(&feed, tip.sequence).expect("get");
                        assert!(last.is_some(), "a tip's message is there");
                    }
                }
            });
        }
    });
    let all = store.scan(LogPosition(0), 1_000).expect("scan");
    let positions: Vec<u64> = all.iter().map(|m| m.position.0).collect();
    assert_eq!(
        positions,
        (1..=120).collect::<Vec<_>>(),
        "every position is used once"
    );
    assert_eq!(store.check().expect("check"), Vec::<String>::new());
}
