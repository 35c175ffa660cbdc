//! Two messages in one place: never made here, and kept as evidence when others
//! made them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod talk;

use serde_json::json;
use std::sync::Arc;
use studytime_replicate::ingest::{self, Draft, PublishError, RejectedSet, Verifier};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::store::{
    AppendAllError, Appended, MAX_FORKS_PER_FEED, MAX_REJECTED, MAX_REJECTED_PER_FEED, Rejected,
};
use studytime_replicate::wire::HistoryRequest;
use studytime_replicate::{FeedStore, HistoryServer, MemoryStore, SqliteStore};
use studytime_schema::{FeedId, Message};
use talk::drain;

fn forks(store: &dyn FeedStore) -> Vec<(u64, Arc<str>, Arc<str>)> {
    let found = store.forks().unwrap().into_iter();
    found.map(|f| (f.sequence, f.ours, f.theirs)).collect()
}

#[test]
fn evidence_is_two_valid_signatures() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), keys(1));
    let path = dir.path().join("feeds.db");
    let store = SqliteStore::open(&path).unwrap();
    let ours = chain(&feed, None, 3, "ours");
    store.append(&ours, 1).unwrap();

    // A twin that somebody else made up: same place, no valid signature.
    let made_up = ours[2].wire().replace("\"ours\"", "\"theirs\"");
    assert_ne!(made_up, ours[2].wire());
    let mut verifier = Verifier::new(None);
    assert!(verifier.verify(&feed.id(), made_up.as_bytes()).is_err());
    // The way in has no door for it: what is not verified is no `Message`.
    assert_eq!(forks(&store), []);

    let theirs = chain(&feed, Some(ours[1].tip()), 1, "theirs");
    for _ in 0..3 {
        let outcome = store.append(&theirs, 2).unwrap();
        assert_eq!(
            outcome,
            [Appended::Fork {
                sequence: 3,
                stored: ours[2].id()
            }]
        );
    }
    let expected = [(3, ours[2].wire().into(), theirs[0].wire().into())];
    assert_eq!(forks(&store), expected, "once, however often it comes");
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(forks(&store), expected);
    for evidence in store.forks().unwrap() {
        for wire in [&evidence.ours, &evidence.theirs] {
            assert!(verifier.verify(&feed.id(), wire.as_bytes()).is_ok());
        }
        assert_eq!(evidence.seen, 2, "when it was seen first");
    }
    // The first branch goes on and is read as before.
    let more = chain(&feed, Some(ours[2].tip()), 1, "ours");
    assert!(store.append(&more, 3).unwrap()[0].is_kept());
    assert_eq!(store.read(&feed.id(), 1, 10, 1 << 20).unwrap().len(), 4);
}

/// An author who signs thousands of twins costs us a few messages of room.
#[test]
fn a_forking_author_fills_no_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let stores: [Box<dyn FeedStore>; 2] = [
        Box::new(MemoryStore::new()),
        Box::new(SqliteStore::open(&path).unwrap()),
    ];
    let feed = keys(1);
    let ours = chain(&feed, None, 40, "ours");
    let twins: Vec<Arc<Message>> = (0..3_000)
        .map(|n| {
            let content = json!({ "type": "test", "text": "x".repeat(200), "twin": n });
            let tip = (n % 40 > 0).then(|| ours[n % 40 - 1].tip());
            Arc::new(Message::sign(&feed, tip.as_ref(), 1, &content, None).unwrap())
        })
        .collect();
    for store in &stores {
        store.append(&ours, 1).unwrap();
        for part in twins.chunks(500) {
            let outcomes = store.append(part, 2).unwrap();
            let fork = |o: &Appended| matches!(o, Appended::Fork { .. });
            assert!(outcomes.iter().all(fork));
        }
        assert_eq!(store.forks().unwrap().len(), MAX_FORKS_PER_FEED);
        assert_eq!(store.tip(&feed.id()).unwrap(), Some(ours[39].tip()));
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        // Another author's evidence still has room.
        let (other, twin) = (chain(&keys(2), None, 1, "a"), chain(&keys(2), None, 1, "b"));
        store.append(&[other, twin].concat(), 3).unwrap();
        assert_eq!(store.forks().unwrap().len(), MAX_FORKS_PER_FEED + 1);
    }
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |m| m.len());
    assert!(size("feeds.db") < 1 << 20, "{}", size("feeds.db"));
}

/// The table itself refuses a second message at one sequence, whoever writes.
#[test]
fn the_file_refuses_a_second_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let store = SqliteStore::open(&path).unwrap();
    store.append(&chain(&keys(1), None, 2, "a"), 1).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let error = db
        .execute(
            "INSERT INTO log (position, feed, sequence, received, bytes)
             SELECT 99, feed, sequence, received, bytes FROM log WHERE sequence = 2",
            [],
        )
        .unwrap_err();
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::ConstraintViolation)
    );
}

/// Two programs that both believe they own the file: `previous` is read inside
/// the transaction that writes, so one of them is told to sign again.
#[test]
fn two_publishers_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    drop(SqliteStore::open(&path).unwrap());
    let me = keys(1);
    let published: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|who| {
                let (path, me) = (&path, &me);
                scope.spawn(move || {
                    let store = SqliteStore::open(path).unwrap();
                    let mut done = 0;
                    for n in 0..150 {
                        let text = format!("{who} {n}");
                        let drafts = [
                            Draft::Public(json!({ "type": "post", "text": text })),
                            Draft::Public(json!({ "type": "post", "text": "and" })),
                        ];
                        match ingest::publish(&store, me, &drafts, None, n) {
                            Ok(all) => done += all.len(),
                            Err(PublishError::Append(AppendAllError::Chain { .. })) => {}
                            // The other one was writing for too long.
                            Err(PublishError::Append(AppendAllError::Store(_))) => {}
                            Err(e) => panic!("{e}"),
                        }
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let store = SqliteStore::open(&path).unwrap();
    assert!(published >= 300, "{published}");
    assert_eq!(
        store.tip(&me.id()).unwrap().unwrap().sequence,
        published as u64
    );
    assert_eq!(store.counts().unwrap().messages, published as u64);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(forks(&store), [], "a refused draft is no evidence");
}

fn rejected(feed: FeedId, n: u64) -> Rejected {
    Rejected {
        feed,
        sequence: n,
        hash: ingest::wire_hash(&n.to_be_bytes()),
        reason: "bad".into(),
        at: n,
    }
}

#[test]
fn what_is_remembered_of_rubbish_is_bounded() {
    let victim = keys(1).id();
    let mut set = RejectedSet::default();
    assert!(set.insert(&rejected(victim, 0)));
    assert!(!set.insert(&rejected(victim, 0)), "it is known");
    let most = MAX_REJECTED_PER_FEED as u64;
    for n in 1..=most {
        set.insert(&rejected(victim, n));
    }
    assert!(
        !set.contains(&victim, &0u64.to_be_bytes()),
        "the oldest went"
    );
    assert!(set.contains(&victim, &most.to_be_bytes()));
    for n in 0..MAX_REJECTED as u64 {
        let mut name = [9; 32];
        name[..8].copy_from_slice(&n.to_be_bytes());
        set.insert(&rejected(FeedId::from_bytes(name), n));
    }
    assert!(!set.contains(&victim, &most.to_be_bytes()));
    // As the store remembers it, so does the set after a restart.
    let store = MemoryStore::new();
    let batch: Vec<_> = (0..most + 20).map(|n| rejected(victim, n)).collect();
    store.reject(&batch).unwrap();
    let set = RejectedSet::new(&store.rejected().unwrap());
    assert!(!set.contains(&victim, &19u64.to_be_bytes()));
    assert!(set.contains(&victim, &20u64.to_be_bytes()));
}

/// What is kept back is not read over a history stream either.
#[test]
fn a_history_stream_ends_where_the_feed_is_shown() {
    let store = MemoryStore::new();
    let feed = keys(1);
    store.append(&chain(&feed, None, 5, "x"), 1).unwrap();
    for live in [false, true] {
        let mut request = HistoryRequest::new(feed.id(), 3);
        request.live = live;
        let mut server = HistoryServer::new(request, 4, true, 1 << 20);
        let (sent, _) = drain(&mut server, &store);
        assert_eq!(sent.len(), 2, "3 and 4, live: {live}");
    }
}
