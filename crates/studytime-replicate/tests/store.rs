//! The stores obey their laws, and the file survives what files meet.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use studytime_replicate::store::conformance::{self, chain, keys};
use studytime_replicate::store::fault::FaultStore;
use studytime_replicate::store::{Appended, FORMAT};
use studytime_replicate::{FeedStore, MemoryStore, SqliteStore, StoreError};
use studytime_schema::LogPosition;

#[test]
fn memory_conforms() {
    conformance::run(MemoryStore::new);
}

#[test]
fn sqlite_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    conformance::run(|| {
        n += 1;
        SqliteStore::open(dir.path().join(format!("{n}.db"))).unwrap()
    });
}

#[test]
fn a_store_that_could_fail_conforms_while_it_does_not() {
    conformance::run(|| FaultStore::new(Arc::new(MemoryStore::new())));
}

#[test]
fn a_file_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let messages = chain(&keys(1), None, 10, "a");
    {
        let store = SqliteStore::open(&path).unwrap();
        store.append(&messages[..6], 7).unwrap();
        // The process dies: no destructor runs, the write-ahead log stays.
        std::mem::forget(store);
    }
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.tip(&keys(1).id()).unwrap(), Some(messages[5].tip()));
    assert_eq!(
        store.append(&messages[6..], 8).unwrap()[0],
        Appended::At(LogPosition(7))
    );
    assert!(store.check().unwrap().is_empty());
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // The write-ahead log first: like a machine that loses power between the two.
    for name in ["feeds.db-wal", "feeds.db"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// Power goes at any moment: what was acknowledged before is there, what is there
/// is right. A torn write-ahead log stands for a commit that was under way.
#[test]
fn every_moment_leaves_a_right_store() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    fs::create_dir_all(&live).unwrap();
    let store = SqliteStore::open(live.join("feeds.db")).unwrap();
    let all: Vec<_> = (1..=4)
        .map(|n| chain(&keys(n), None, 40, "some text"))
        .collect();
    for round in 0..10 {
        for messages in &all {
            store
                .append(&messages[round * 4..round * 4 + 4], 1)
                .unwrap();
        }
        let copy = dir.path().join(format!("copy{round}"));
        copy_files(&live, &copy);
        let wal = copy.join("feeds.db-wal");
        let acknowledged = (round as u64 + 1) * 4;
        // Cut the copy's log shorter and shorter, at odd places.
        let full = fs::read(&wal).unwrap_or_default();
        for (i, cut) in [0, 1, 4_099, 16_500, 50_001].into_iter().enumerate() {
            let cut_dir = copy.join(format!("cut{i}"));
            copy_files(&copy, &cut_dir);
            fs::write(
                cut_dir.join("feeds.db-wal"),
                &full[..full.len().saturating_sub(cut)],
            )
            .unwrap();
            let reopened = match SqliteStore::open(cut_dir.join("feeds.db")) {
                Ok(store) => store,
                // Cut down to nothing, before the tables were checkpointed.
                Err(e) => panic!("round {round}, cut {cut}: {e}"),
            };
            assert_eq!(
                reopened.check().unwrap(),
                Vec::<String>::new(),
                "round {round}, cut {cut}"
            );
            if cut == 0 {
                for (_, tip) in reopened.tips().unwrap() {
                    assert_eq!(tip.sequence, acknowledged);
                }
                assert_eq!(reopened.tips().unwrap().len(), 4);
            }
            // And it goes on from there.
            for messages in &all {
                let at = reopened
                    .tip(&messages[0].author())
                    .unwrap()
                    .map_or(0, |t| t.sequence);
                let outcomes = reopened.append(&messages[at as usize..], 2).unwrap();
                assert!(outcomes.iter().all(|o| matches!(o, Appended::At(_))));
            }
            assert_eq!(reopened.check().unwrap(), Vec::<String>::new());
        }
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    fs::write(
        &text,
        "just some notes, long enough to be looked at as a database header, perhaps",
    )
    .unwrap();
    assert!(matches!(
        SqliteStore::open(&text),
        Err(StoreError::NotAStore)
    ));

    let other = dir.path().join("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let before = fs::read(&other).unwrap();
    assert!(matches!(
        SqliteStore::open(&other),
        Err(StoreError::NotAStore)
    ));
    assert_eq!(fs::read(&other).unwrap(), before);

    let newer = dir.path().join("newer.db");
    drop(SqliteStore::open(&newer).unwrap());
    rusqlite::Connection::open(&newer)
        .unwrap()
        .execute_batch(&format!("PRAGMA user_version = {}", FORMAT + 1))
        .unwrap();
    let error = SqliteStore::open(&newer).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found, .. } if found == FORMAT + 1));
    assert!(error.to_string().contains("newer"), "{error}");

    assert!(matches!(
        SqliteStore::open(dir.path().join("no/such/folder/feeds.db")),
        Err(StoreError::Permission(_))
    ));
}

#[test]
fn a_busy_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let store = SqliteStore::open(&path).unwrap();
    let first = chain(&keys(1), None, 5, "a");
    store.append(&first, 1).unwrap();

    // Another program holds the file.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let next = chain(&keys(1), Some(first[4].tip()), 1, "b");
    assert!(matches!(store.append(&next, 1), Err(StoreError::Busy(_))));
    assert_eq!(store.tips().unwrap().len(), 1, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.append(&next, 1).unwrap();
}

#[test]
fn readers_do_not_wait_for_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path().join("feeds.db")).unwrap());
    let feed = keys(1);
    store.append(&chain(&feed, None, 3, "a"), 1).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, done) = (store.clone(), done.clone());
        std::thread::spawn(move || {
            let mut tip = None;
            for _ in 0..20 {
                let part = chain(&keys(2), tip, 50, "b");
                tip = Some(part[49].tip());
                store.append(&part, 1).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        })
    };
    let mut reads = 0;
    while !done.load(Ordering::SeqCst) {
        assert_eq!(store.read(&feed.id(), 1, 10, 10_000).unwrap().len(), 3);
        reads += 1;
    }
    writer.join().unwrap();
    assert!(reads > 20, "only {reads} reads beside 20 commits");
}

#[test]
fn a_backup_is_a_whole_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("feeds.db")).unwrap();
    let messages = chain(&keys(1), None, 10, "a");
    store.append(&messages, 1).unwrap();
    store.delete(&keys(1).id()).unwrap();
    store.append(&messages[..4], 1).unwrap();
    let copy = dir.path().join("copy.db");
    store.backup(&copy).unwrap();
    assert!(
        store.backup(&copy).is_err(),
        "an existing file is not written over"
    );
    let copy = SqliteStore::open(&copy).unwrap();
    assert_eq!(copy.tip(&keys(1).id()).unwrap(), Some(messages[3].tip()));
    assert_eq!(copy.last_position().unwrap(), LogPosition(14));
    assert!(copy.check().unwrap().is_empty());
}

/// A store that was tampered with says so.
#[test]
fn damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feeds.db");
    let store = SqliteStore::open(&path).unwrap();
    store.append(&chain(&keys(1), None, 10, "a"), 1).unwrap();
    store.append(&chain(&keys(2), None, 10, "b"), 1).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DELETE FROM log WHERE position = 5;
             UPDATE log SET bytes = replace(bytes, '\"b\"', '\"c\"') WHERE position = 15;",
        )
        .unwrap();
    let problems = store.check().unwrap();
    assert!(problems.len() >= 3, "{problems:#?}");
}
