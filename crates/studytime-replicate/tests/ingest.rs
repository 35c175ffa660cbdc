//! From bytes to kept messages: order, faults, threads, publishing.

use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use studytime_replicate::ingest::{self, Draft, PublishError, RejectedSet, Verifier};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::store::{AppendAllError, Appended};
use studytime_replicate::{FeedStore, MemoryStore, SqliteStore};
use studytime_schema::{FeedId, HmacKey, LogPosition, Message, VerifyError};

#[test]
fn a_bad_message_costs_only_itself() {
    let store = MemoryStore::new();
    let feed = keys(1);
    let messages = chain(&feed, None, 5, "text");
    let mut verifier = Verifier::new(None);
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let mut wire = message.wire().to_owned();
        if i == 3 {
            wire = wire.replace("\"text\":\"text\"", "\"text\":\"forged\"");
        }
        match verifier.verify(&feed.id(), wire.as_bytes()) {
            Ok(message) => good.push(message),
            Err(error) => {
                bad.push(ingest::rejected(
                    &feed.id(),
                    i as u64 + 1,
                    wire.as_bytes(),
                    &error,
                    9,
                ));
            }
        }
    }
    let report = ingest::append(&store, &good, 1).unwrap();
    assert_eq!(report.outcomes[3], Appended::Gap { expected: 4 });
    assert_eq!((report.appended, report.tips[&feed.id()]), (3, 3));

    assert_eq!(bad.len(), 1);
    assert_eq!((bad[0].feed, bad[0].sequence), (feed.id(), 4));
    assert!(bad[0].reason.contains("signature"), "{}", bad[0].reason);
    store.reject(&bad).unwrap();
    let mut set = RejectedSet::new(&store.rejected().unwrap());
    let forged = messages[3]
        .wire()
        .replace("\"text\":\"text\"", "\"text\":\"forged\"");
    assert!(set.contains(&feed.id(), forged.as_bytes()));
    assert!(
        !set.contains(&feed.id(), messages[3].wire().as_bytes()),
        "the right one may come"
    );
    assert!(!set.contains(&keys(2).id(), forged.as_bytes()));
    set.forgive(&feed.id());
    assert!(!set.contains(&feed.id(), forged.as_bytes()));
}

#[test]
fn the_named_author_must_be_the_author() {
    let message = &chain(&keys(1), None, 1, "x")[0];
    let result = Verifier::new(None).verify(&keys(2).id(), message.wire().as_bytes());
    assert!(matches!(result, Err(VerifyError::OtherAuthor { .. })));
}

/// The signature of a message as whoever passes it on could spell it: valid to
/// everybody, and with another id.
fn respelled(message: &Message) -> Message {
    let wire = message.wire().replace("==.sig.", "AA.sig.");
    let message =
        Message::verify(wire.as_bytes(), None).expect("what follows a signature is not looked at");
    assert!(message.plain().is_some());
    message
}

#[test]
fn a_respelled_signature_cannot_fork_a_feed() {
    let messages = chain(&keys(1), None, 3, "text");
    let changed = Arc::new(respelled(&messages[1]));
    assert_ne!(changed.id(), messages[1].id());
    let append = |store: &MemoryStore, batch: &[&Arc<Message>]| {
        let batch: Vec<Arc<Message>> = batch.iter().copied().cloned().collect();
        ingest::append(store, &batch, 1).unwrap().outcomes
    };
    let kept = |store: &MemoryStore| store.tip(&keys(1).id()).unwrap();

    // Before the author's own, alone and together with the next one.
    for split in [1, 2, 3] {
        let store = MemoryStore::new();
        let all = [&messages[0], &changed, &messages[2]];
        append(&store, &all[..split]);
        append(&store, &all[split..]);
        assert_eq!(kept(&store), Some(messages[2].tip()), "{split}");
        assert_eq!(append(&store, &[&messages[1]]), [Appended::Duplicate]);
    }
    // After it: no proof of a fork.
    let store = MemoryStore::new();
    append(&store, &[&messages[0], &messages[1]]);
    assert_eq!(append(&store, &[&changed]), [Appended::Duplicate]);
    assert_eq!(kept(&store), Some(messages[1].tip()));
}

#[test]
fn a_spelling_that_the_next_message_names_is_the_authors() {
    let first = Arc::new(respelled(&chain(&keys(1), None, 1, "text")[0]));
    let next = &chain(&keys(1), Some(first.tip()), 1, "text")[0];
    let store = MemoryStore::new();
    ingest::append(&store, &[Arc::clone(next), Arc::clone(&first)], 1).unwrap();
    assert_eq!(store.tip(&keys(1).id()).unwrap(), Some(next.tip()));
    let stored = store.read(&keys(1).id(), 1, 1, 1 << 20).unwrap();
    assert_eq!(stored[0].message().unwrap().id(), first.id());
}

#[test]
fn a_network_with_a_signing_key() {
    let hmac = HmacKey::from_bytes([0x2a; 32]);
    let message = Message::sign(&keys(1), None, 1, &json!({"type": "test"}), Some(&hmac)).unwrap();
    let id = keys(1).id();
    assert!(
        Verifier::new(Some(hmac))
            .verify(&id, message.wire().as_bytes())
            .is_ok()
    );
    assert!(
        Verifier::new(None)
            .verify(&id, message.wire().as_bytes())
            .is_err()
    );
}

#[test]
fn publishing_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let store = SqliteStore::open(&path).unwrap();
    let me = keys(1);
    let post = |text: &str| Draft::Public(json!({"type": "post", "text": text}));
    let first = ingest::publish(&store, &me, &[post("a"), post("b")], None, 5).unwrap();
    assert_eq!(first[1].position, LogPosition(2));
    assert_eq!(first[1].message.previous(), Some(first[0].message.id()));

    let drafts = [
        post("c"),
        Draft::Public(json!({"type": "post", "n": 1.5})),
        post("d"),
    ];
    let error = ingest::publish(&store, &me, &drafts, None, 5).unwrap_err();
    assert!(matches!(
        error,
        PublishError::Sign {
            index: 1,
            count: 3,
            ..
        }
    ));
    assert_eq!(
        store.tip(&me.id()).unwrap().unwrap().sequence,
        2,
        "nothing was kept"
    );

    let boxed = studytime_schema::private::seal(
        br#"{"type":"note"}"#,
        &[me.id()],
        &studytime_schema::private::Randomness {
            nonce: [1; 24],
            key: [2; 32],
            onetime: [3; 32],
        },
    )
    .unwrap();
    ingest::publish(&store, &me, &[Draft::Private(boxed), post("e")], None, 6).unwrap();
    assert_eq!(ingest::publish(&store, &me, &[], None, 6).unwrap().len(), 0);

    // What was acknowledged is on disk, whatever happens to the program now.
    std::mem::forget(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.tip(&me.id()).unwrap().unwrap().sequence, 4);
    assert!(store.check().unwrap().is_empty());

    // A second program with the same key signed in between: refused, not forked.
    let stale = chain(&me, None, 1, "other");
    let error = store.append_all(&stale, 7).unwrap_err();
    assert!(matches!(error, AppendAllError::Chain { index: 0, .. }));
}

/// Several at once get the verdicts they get alone, whatever is among them.
#[test]
fn together_or_alone_the_same_verdicts() {
    let feeds: Vec<_> = (1..=3).map(|n| chain(&keys(n), None, 50, "x")).collect();
    let nobody = FeedId::from_bytes([0; 32]);
    let mut wires: Vec<(FeedId, Vec<u8>)> = Vec::new();
    for i in 0..50 {
        for (f, feed) in feeds.iter().enumerate() {
            let message = &feed[i];
            let mut wire = message.wire().as_bytes().to_vec();
            let mut author = message.author();
            match (i * 3 + f) % 11 {
                // Another text under the signature, rubbish, another's name, no key.
                1 => {
                    let at = wire.windows(3).position(|w| w == b"\"x\"").unwrap();
                    wire[at + 1] = b'y';
                }
                4 => wire.truncate(40),
                6 => author = feeds[(f + 1) % 3][0].author(),
                9 => author = nobody,
                _ => {}
            }
            wires.push((author, wire));
        }
    }
    let some: Vec<(FeedId, &[u8])> = wires.iter().map(|(a, w)| (*a, &w[..])).collect();
    let together = Verifier::new(None).verify_each(&some);
    let mut verifier = Verifier::new(None);
    let mut refused = 0;
    for ((author, wire), together) in some.iter().zip(&together) {
        // Prepared or not.
        for alone in [
            verifier.verify(author, wire),
            Verifier::new(None).verify(author, wire),
        ] {
            assert_eq!(
                alone.as_ref().map(|m| m.id()),
                together.as_ref().map(|m| m.id())
            );
        }
        refused += usize::from(together.is_err());
    }
    assert!((40..80).contains(&refused), "{refused}");
}

/// Many threads and one store: the same as one after the other, though a later
/// thread is done first.
#[test]
fn threads_share_the_work() {
    let all: Vec<Arc<Message>> = (1..=3)
        .flat_map(|n| chain(&keys(n), None, 60, "x"))
        .collect();
    let store = MemoryStore::new();
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for (number, part) in all.chunks(16).enumerate().rev() {
            let tx = tx.clone();
            let verify = move || {
                let mut verifier = Verifier::new(None);
                let verified = part
                    .iter()
                    .map(|m| verifier.verify(&m.author(), m.wire().as_bytes()).unwrap());
                tx.send((number as u64, verified.collect::<Vec<_>>()))
                    .unwrap();
            };
            // The last part first, and each alone.
            scope.spawn(verify).join().unwrap();
        }
    });
    drop(tx);
    let mut order = ingest::InOrder::new();
    let mut parts = 0;
    for (number, verified) in rx {
        order.put(number, verified);
        for part in order.by_ref() {
            let report = ingest::append(&store, &part, 1).unwrap();
            assert_eq!(report.appended, part.len());
            parts += 1;
        }
    }
    assert_eq!((parts, order.next()), (12, None));
    assert_eq!(store.counts().unwrap().messages, 180);
    assert!(store.check().unwrap().is_empty());
    order.put(3, Vec::new());
    assert_eq!(order.next(), None, "a number comes once");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a batch is ordered and repeated, all that can be kept is kept.
    #[test]
    fn any_order_any_repetition(picks in proptest::collection::vec((0usize..3, 0usize..12), 1..80)) {
        let feeds: Vec<_> = (1..=3).map(|n| chain(&keys(n), None, 12, "x")).collect();
        let store = MemoryStore::new();
        let batch: Vec<_> = picks.iter().map(|(f, i)| feeds[*f][*i].clone()).collect();
        let report = ingest::append(&store, &batch, 1).unwrap();
        for (f, feed) in feeds.iter().enumerate() {
            let whole = (0..12).take_while(|i| picks.contains(&(f, *i))).count();
            let id = feed[0].author();
            prop_assert_eq!(store.tip(&id).unwrap().map_or(0, |t| t.sequence), whole as u64);
            if picks.iter().any(|(g, _)| *g == f) {
                prop_assert_eq!(report.tips[&id], whole as u64);
            }
            for ((g, i), outcome) in picks.iter().zip(&report.outcomes) {
                if *g == f {
                    prop_assert_eq!(outcome.is_kept(), *i < whole, "{} {:?}", i, outcome);
                }
            }
        }
        prop_assert_eq!(store.check().unwrap(), Vec::<String>::new());
        let again = ingest::append(&store, &batch, 1).unwrap();
        prop_assert_eq!(again.appended, 0);
    }
}
