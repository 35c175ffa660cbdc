use super::super::{BlobStore, Durability, Pinner, PushScope, StoreError, Verdict, conformance};
use super::{FileStore, MAX_PARTIALS, Rescan, Rows, from_hex, hex};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use studytime_schema::{BlobId, FeedId};

fn open(dir: &Path) -> FileStore {
    FileStore::open(dir).unwrap().0
}

fn path_of(dir: &Path, id: &BlobId) -> PathBuf {
    let hex = hex(id);
    dir.join("blobs/sha256").join(&hex[..2]).join(&hex[2..])
}

/// As after `kill -9`: nothing of the store's own end is run.
fn crash(store: FileStore) {
    std::mem::forget(store);
}

#[test]
fn keeps_the_laws() {
    let dir = tempfile::tempdir().unwrap();
    conformance::check(&open(dir.path())).unwrap();
    conformance::check(&super::super::MemoryStore::new()).unwrap();
}

#[test]
fn damage_is_found_whatever_the_row_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let add = |bytes: &[u8]| store.add(bytes, Durability::Synced, 1).unwrap().id;
    let [flipped, short, lost, sound] =
        [b"flipped", b"cut off", b"lost me", b"sound 1"].map(|b| add(b));
    store.pin(&Pinner::User, &[flipped]).unwrap();
    fs::write(path_of(dir.path(), &flipped), b"flopped").unwrap();
    fs::write(path_of(dir.path(), &short), b"cut").unwrap();
    fs::remove_file(path_of(dir.path(), &lost)).unwrap();
    for id in [flipped, short, lost] {
        assert_eq!(store.verify(&id).unwrap(), Verdict::Damaged);
        assert_eq!(store.size(&id).unwrap(), None);
        assert!(!path_of(dir.path(), &id).exists());
        assert_eq!(store.verify(&id).unwrap(), Verdict::Absent);
    }
    assert_eq!(store.verify(&sound).unwrap(), Verdict::Sound(7));
    assert_eq!(store.usage().unwrap().count, 1);
    assert_eq!(store.pinners(&flipped).unwrap(), [Pinner::User]);
    // One that somebody copied into the folder is noted.
    let found = BlobId::of(b"copied");
    let path = path_of(dir.path(), &found);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"copied").unwrap();
    assert_eq!(store.verify(&found).unwrap(), Verdict::Sound(6));
    assert_eq!(store.usage().unwrap().count, 2);
}

#[test]
fn lies_where_other_programs_look_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.add(b"x", Durability::Synced, 1).unwrap().id;
    let path = dir
        .path()
        .join("blobs/sha256/2d/711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
    assert_eq!(path, path_of(dir.path(), &id));
    assert_eq!(fs::read(path).unwrap(), b"x");
}

#[test]
fn everything_outlives_a_proper_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let peer = FeedId::from_bytes([1; 32]);
    let id = store.add(b"kept", Durability::Relaxed, 1).unwrap().id;
    store.touch(&[id], 9).unwrap();
    store.pin(&Pinner::User, &[id]).unwrap();
    store.push(&[id], PushScope::Everyone).unwrap();
    store.push_seen(&id, &peer).unwrap();
    let later = BlobId::of(b"suspended");
    let mut writer = store.download(&later, 2).unwrap();
    writer.write(b"susp").unwrap();
    writer.suspend(3).unwrap();
    drop(store);

    let (store, opened) = FileStore::open(dir.path()).unwrap();
    assert_eq!((opened.unclean, opened.doubtful), (false, 0));
    let info = store.list(None, 10).unwrap();
    assert_eq!(info.len(), 1);
    assert_eq!(
        (info[0].uses, info[0].last_used, info[0].pinned),
        (1, 9, true)
    );
    assert_eq!(store.pushes().unwrap()[0].seen, [peer]);
    assert_eq!(store.partials().unwrap()[0].suspended, 3);
    assert_eq!(store.download(&later, 4).unwrap().len(), 4);
}

#[test]
fn after_a_crash_fetched_blobs_are_hashed_before_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let own = store.add(b"own", Durability::Synced, 1).unwrap().id;
    let good = store.add(b"good", Durability::Relaxed, 1).unwrap().id;
    let torn = store.add(b"torn", Durability::Relaxed, 1).unwrap().id;
    let short = store.add(b"short", Durability::Relaxed, 1).unwrap().id;
    crash(store);
    // What a power failure leaves of files that were never synced.
    fs::write(path_of(dir.path(), &torn), [0; 4]).unwrap();
    fs::write(path_of(dir.path(), &short), b"").unwrap();

    let (store, opened) = FileStore::open(dir.path()).unwrap();
    assert!(opened.unclean);
    assert_eq!(opened.doubtful, 3);
    assert_eq!(store.read(&own).unwrap().unwrap(), b"own");
    assert_eq!(store.read(&good).unwrap().unwrap(), b"good");
    assert!(store.open(&torn).unwrap().is_none());
    assert_eq!(store.recheck(10).unwrap(), 0);
    assert_eq!(store.size(&short).unwrap(), None);
    assert!(!path_of(dir.path(), &torn).exists());
    let usage = store.usage().unwrap();
    assert_eq!((usage.count, usage.bytes), (2, 7));
    // They can be fetched again.
    assert!(store.add(b"torn", Durability::Relaxed, 2).unwrap().new);
    drop(store);
    assert!(!FileStore::open(dir.path()).unwrap().1.unclean);
}

#[test]
fn flushed_blobs_are_beyond_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..20u8 {
        store.add(&[n], Durability::Relaxed, 1).unwrap();
    }
    store.flush().unwrap();
    store.add(b"one more", Durability::Relaxed, 1).unwrap();
    crash(store);
    assert_eq!(FileStore::open(dir.path()).unwrap().1.doubtful, 1);
}

#[test]
fn a_crash_between_rename_and_row_heals() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = BlobId::of(b"renamed");
    let path = path_of(dir.path(), &id);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"renamed").unwrap();
    assert_eq!(store.usage().unwrap().count, 0);
    assert_eq!(store.size(&id).unwrap(), Some(7));
    assert_eq!(store.usage().unwrap().count, 1);
    // A row without a file is dropped.
    fs::remove_file(&path).unwrap();
    assert_eq!(store.size(&id).unwrap(), None);
    assert_eq!(store.usage().unwrap().count, 0);
    // A file under a name that is not its own is not believed.
    fs::write(&path, b"something else").unwrap();
    assert!(store.open(&id).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn presence_is_rebuilt_without_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ids: Vec<_> = (0..30u8)
        .map(|n| store.add(&[n; 9], Durability::Synced, 1).unwrap().id)
        .collect();
    drop(store);
    for name in ["blobs.db", "blobs.db-wal", "blobs.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
    }
    fs::write(dir.path().join("blobs/sha256/README"), b"?").unwrap();
    fs::write(path_of(dir.path(), &ids[3]), b"damaged").unwrap();
    let store = open(dir.path());
    assert_eq!(store.size(&ids[7]).unwrap(), Some(9), "even before a scan");
    let found = store.rescan(false).unwrap();
    let expected = Rescan {
        blobs: 29,
        found: 28,
        lost: 0,
        damaged: 1,
        strange: 1,
    };
    assert_eq!(found, expected);
    fs::remove_file(path_of(dir.path(), &ids[8])).unwrap();
    // Bytes that changed without the size: only hashing all finds it.
    fs::write(path_of(dir.path(), &ids[9]), [99; 9]).unwrap();
    let found = store.rescan(false).unwrap();
    assert_eq!((found.blobs, found.lost, found.damaged), (28, 1, 0));
    let found = store.rescan(true).unwrap();
    assert_eq!((found.blobs, found.lost, found.damaged), (27, 0, 1));
    assert_eq!(store.usage().unwrap().count, 27);
}

#[test]
fn unfinished_files_are_wiped_and_suspended_ones_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = BlobId::of(b"half and half");
    let mut half = store.download(&id, 1).unwrap();
    half.write(b"half and ").unwrap();
    let mut anonymous = store.writer(1).unwrap();
    anonymous.write(b"lost").unwrap();
    let mut batch = store.batch(1).unwrap();
    batch.add(b"lost, too").unwrap();
    std::mem::forget((half, anonymous, batch));
    crash(store);
    let store = open(dir.path());
    let names: Vec<_> = fs::read_dir(dir.path().join("blobs/tmp"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, [format!("p-{}", hex(&id))]);
    assert_eq!(store.partials().unwrap()[0].bytes, 9);
    let mut writer = store.download(&id, 2).unwrap();
    writer.write(b"half").unwrap();
    assert!(writer.commit(Some(id), Durability::Relaxed).unwrap().new);
}

#[test]
fn suspended_downloads_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..MAX_PARTIALS as u64 + 5 {
        let mut writer = store.download(&BlobId::of(&n.to_le_bytes()), n).unwrap();
        writer.write(b"some").unwrap();
        writer.suspend(n).unwrap();
    }
    let partials = store.partials().unwrap();
    assert_eq!(partials.len(), MAX_PARTIALS);
    assert_eq!(partials[0].suspended, 5);
    assert_eq!(
        fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count(),
        MAX_PARTIALS
    );
}

/// Killed again and again in the middle of downloads, each time others.
#[test]
fn beginnings_left_by_kills_are_few() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..(MAX_PARTIALS as u64 + 10) / 10 * 2 {
        let store = open(dir.path());
        let writers: Vec<_> = (0..10)
            .map(|i| {
                let id = BlobId::of(&(n * 10 + i).to_le_bytes());
                let mut writer = store.download(&id, n).unwrap();
                writer.write(b"some").unwrap();
                writer
            })
            .collect();
        std::mem::forget(writers);
        crash(store);
    }
    let store = open(dir.path());
    assert_eq!(store.partials().unwrap().len(), MAX_PARTIALS);
    let left = fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count();
    assert_eq!(left, MAX_PARTIALS);
}

/// What a power cut may take is decided by these settings: rows about presence
/// may fall back, pins and own blobs may not.
#[test]
fn writes_that_are_waited_for_are_synced() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = Rows::open(&dir.path().join("blobs.db")).unwrap();
    let (mut waited, mut not) = (0, 0);
    let level = |tx: &rusqlite::Transaction<'_>| {
        tx.pragma_query_value(None, "synchronous", |r| r.get::<_, i64>(0))
    };
    rows.write(true, |tx| {
        waited = level(tx)?;
        Ok(())
    })
    .unwrap();
    rows.write(false, |tx| {
        not = level(tx)?;
        Ok(())
    })
    .unwrap();
    assert_eq!((waited, not), (2, 1), "FULL, NORMAL");
}

#[test]
fn an_own_blob_that_was_fetched_before_is_synced_after_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.add(b"both", Durability::Relaxed, 1).unwrap().id;
    let many = store.add(b"many", Durability::Relaxed, 1).unwrap().id;
    assert!(!store.add(b"both", Durability::Synced, 1).unwrap().new);
    assert!(!store.add_many(&[b"many"], 1).unwrap()[0].new);
    crash(store);
    let (store, opened) = FileStore::open(dir.path()).unwrap();
    assert_eq!(opened.doubtful, 0);
    assert!(store.size(&id).unwrap().is_some() && store.size(&many).unwrap().is_some());
}

#[test]
fn a_newer_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let db = rusqlite::Connection::open(dir.path().join("blobs.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let refused = FileStore::open(dir.path()).unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Newer {
                found: 99,
                known: 1
            }
        ),
        "{refused}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_kind_of_its_own() {
    let source = std::io::Error::from_raw_os_error(28);
    assert!(StoreError::io("write", "x", source).is_full());
    let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None);
    assert!(StoreError::database("written", source).is_full());
    let source = std::io::Error::from_raw_os_error(13);
    assert!(!StoreError::io("write", "x", source).is_full());
}

#[test]
fn hex_reads_back() {
    let id = BlobId::of(b"x");
    assert_eq!(from_hex(&hex(&id)), Some(id));
    for text in ["", "2d", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32)] {
        assert_eq!(from_hex(text), None);
    }
}

/// What a script of the property test does.
#[derive(Debug, Clone)]
enum Step {
    Add(u8, bool),
    Batch(Vec<u8>),
    Delete(u8),
    Suspend(u8, usize),
    Download(u8),
    Flush,
    Reopen(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..8, any::<bool>()).prop_map(|(n, synced)| Step::Add(n, synced)),
        proptest::collection::vec(0u8..8, 0..4).prop_map(Step::Batch),
        (0u8..8).prop_map(Step::Delete),
        (0u8..8, 0usize..40).prop_map(|(n, len)| Step::Suspend(n, len)),
        (0u8..8).prop_map(Step::Download),
        Just(Step::Flush),
        any::<bool>().prop_map(Step::Reopen),
    ]
}

fn bytes(n: u8) -> Vec<u8> {
    vec![n; 30 + usize::from(n)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever happens, crashes included: the files hold what a plain set
    /// holds, and the totals agree.
    #[test]
    fn files_agree_with_a_set(steps in proptest::collection::vec(step(), 0..25)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut model = std::collections::BTreeMap::new();
        for (now, step) in (1u64..).zip(steps) {
            match step {
                Step::Add(n, synced) => {
                    let durability = if synced { Durability::Synced } else { Durability::Relaxed };
                    let added = store.add(&bytes(n), durability, now).unwrap();
                    prop_assert_eq!(added.new, model.insert(added.id, bytes(n)).is_none());
                }
                Step::Batch(list) => {
                    let blobs: Vec<_> = list.iter().map(|n| bytes(*n)).collect();
                    let refs: Vec<_> = blobs.iter().map(Vec::as_slice).collect();
                    for (added, bytes) in store.add_many(&refs, now).unwrap().iter().zip(&blobs) {
                        model.insert(added.id, bytes.clone());
                    }
                }
                Step::Delete(n) => {
                    let id = BlobId::of(&bytes(n));
                    let freed = model.remove(&id).map_or(0, |b| b.len() as u64);
                    prop_assert_eq!(store.delete(&[id]).unwrap(), freed);
                }
                Step::Suspend(n, len) => {
                    let mut writer = store.download(&BlobId::of(&bytes(n)), now).unwrap();
                    writer.restart().unwrap();
                    writer.write(&bytes(n)[..len.min(30)]).unwrap();
                    writer.suspend(now).unwrap();
                }
                Step::Download(n) => {
                    let all = bytes(n);
                    let id = BlobId::of(&all);
                    let mut writer = store.download(&id, now).unwrap();
                    let from = writer.len() as usize;
                    writer.write(&all[from..]).unwrap();
                    writer.commit(Some(id), Durability::Relaxed).unwrap();
                    model.insert(id, all);
                }
                Step::Flush => store.flush().unwrap(),
                Step::Reopen(clean) => {
                    if clean { drop(store) } else { crash(store) }
                    store = open(dir.path());
                }
            }
        }
        for (id, bytes) in &model {
            let read = store.read(id).unwrap();
            prop_assert_eq!(read.as_ref(), Some(bytes));
        }
        let listed: Vec<_> = store.list(None, 100).unwrap().iter().map(|b| b.id).collect();
        prop_assert_eq!(listed, model.keys().copied().collect::<Vec<_>>());
        let usage = store.usage().unwrap();
        prop_assert_eq!(usage.bytes, model.values().map(|b| b.len() as u64).sum::<u64>());
    }
}
