//! A backup is whole or not there, comes back whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::import;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use studytime_node::api::*;
use studytime_node::{Builder, Handle, Node, accept_loss, restore_backup, restore_secret};
use studytime_schema::{Keypair, NetworkKey};

async fn node(dir: &Path) -> Node {
    Builder::new(dir)
        .network(NetworkKey::from_bytes([0x5b; 32]))
        .default_lists(false)
        .open()
        .await
        .unwrap()
}

/// Ends a node so that its directory is free.
async fn end(node: Node, handle: Handle) {
    node.shutdown().await;
    drop((node, handle));
}

async fn backup(h: &Handle, path: &Path, blobs: BackupBlobs) -> Result<BackupReply, ApiError> {
    let path = path.to_owned();
    h.call(Backup { path, blobs }).await
}

/// An author with a list, a course with a small and a large file, and a note.
async fn author(dir: &Path) -> (Node, Handle, ImportReply) {
    let root = dir.join("folder");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("1 Hello.md"), "# Hello\n\nPeat.\n").unwrap();
    let mut pdf = b"%PDF-1.4\n".to_vec();
    pdf.extend((0..5_500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
    fs::write(root.join("2 Atlas.pdf"), &pdf).unwrap();
    let node = node(&dir.join("author")).await;
    let h = node.handle();
    let made = import(&h, root).await;
    (node, h, made)
}

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a backup, by name.
fn files(path: &Path) -> Files {
    let mut tar = tar::Archive::new(fs::File::open(path).unwrap());
    tar.entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

fn pack(path: &Path, files: &Files) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    let last = |name: &str| name == "backup.json";
    let (ends, firsts): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| last(name));
    for (name, bytes) in firsts.into_iter().chain(ends) {
        add(&mut tar, tar::EntryType::Regular, name, bytes);
    }
    tar.finish().unwrap();
}

/// Adds an entry under any name, also one that no honest program would write.
fn add(tar: &mut tar::Builder<fs::File>, kind: tar::EntryType, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_entry_type(kind);
    header.set_mode(0o777);
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// Nothing of a node is in the folder.
fn assert_unused(dir: &Path) {
    let left: Vec<String> = fs::read_dir(dir)
        .map(|all| {
            let names = all.map(|e| e.unwrap().file_name().display().to_string());
            names.filter(|n| n != "lock").collect()
        })
        .unwrap_or_default();
    assert_eq!(left, Vec::<String>::new(), "{}", dir.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_precious_comes_back() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, h, made) = author(tmp.path()).await;
    let course = made.course.unwrap();
    h.call(CourseStart {
        id: course,
        wait: true,
    })
    .await
    .unwrap();
    h.call(NoteAdd {
        id: course,
        number: 1,
        text: "Only for me".into(),
    })
    .await
    .unwrap();
    fs::write(tmp.path().join("author/config.toml"), "hops = 2\n").unwrap();
    let before = h.call(Status {}).await.unwrap();
    let file = tmp.path().join("all.backup");
    let written = backup(&h, &file, BackupBlobs::Rare).await.unwrap();
    assert_eq!(written.keys, 3, "main, list, course");
    assert_eq!(written.messages, before.messages);
    // Nobody else has any of it.
    assert_eq!(written.blobs, before.blobs);
    assert_eq!(written.left_out, BlobCount::default());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let without = backup(&h, &tmp.path().join("none"), BackupBlobs::None)
        .await
        .unwrap();
    assert_eq!(without.blobs, BlobCount::default());
    assert_eq!(without.left_out, before.blobs, "it says what is at stake");
    let id = before.id;
    end(author, h).await;

    let again = tmp.path().join("again");
    let restored = {
        let (again, file) = (again.clone(), file.clone());
        tokio::task::spawn_blocking(move || restore_backup(&again, &file))
    };
    assert_eq!(restored.await.unwrap().unwrap(), id);
    let back = node(&again).await;
    let b = back.handle();
    let after = b.call(Status {}).await.unwrap();
    assert_eq!(
        (after.id, after.messages, after.feeds, after.blobs),
        (id, before.messages, before.feeds, before.blobs)
    );
    let mut locked: Vec<_> = after.locked.iter().map(|l| l.kind.as_str()).collect();
    locked.sort_unstable();
    assert_eq!(locked, ["course", "list", "main"], "every own feed");
    assert!(after.locked.iter().all(|l| l.cause == LockCause::Restored));
    // The index is not in a backup: it is made from the log meanwhile.
    while b.call(Status {}).await.unwrap().index_behind > 0 {
        tokio::task::yield_now().await;
    }
    let lesson = b
        .call(LessonShow {
            id: course,
            number: 1,
        })
        .await
        .unwrap();
    assert_eq!(lesson.notes[0].text, "Only for me");
    assert_eq!(b.call(Settings {}).await.unwrap().hops, 2);
    let shown = b.call(CourseShow { id: course }).await.unwrap();
    assert_eq!(shown.bytes_here, shown.bytes_total);

    // Every way of publishing is refused, in words, and nothing is half done.
    let edit = CourseEdit {
        name: Some("New".into()),
        ..CourseEdit::default()
    };
    let refusals = [
        b.call(CatalogNew { name: "X".into() }).await.err(),
        b.call(CourseUpdate { id: course, edit }).await.err(),
        b.call(NoteAdd {
            id: course,
            number: 1,
            text: "Too early".into(),
        })
        .await
        .err(),
    ];
    for refusal in refusals {
        let error = refusal.expect("refused");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.message.contains("locked"), "{error}");
        assert!(error.hint.unwrap().contains("--accept-loss"));
    }
    let doctor = b.call(Doctor {}).await.unwrap();
    assert_eq!(doctor.findings.len(), 3, "{:?}", doctor.findings);
    assert_eq!(b.call(Status {}).await.unwrap().messages, before.messages);
    end(back, b).await;

    // Locked still after a restart, until the owner says otherwise.
    let back = node(&again).await;
    let b = back.handle();
    assert_eq!(b.call(Status {}).await.unwrap().locked.len(), 3);
    end(back, b).await;
    accept_loss(&again).unwrap();
    let back = node(&again).await;
    let b = back.handle();
    assert!(b.call(Status {}).await.unwrap().locked.is_empty());
    b.call(CatalogNew { name: "X".into() }).await.unwrap();
    assert!(b.call(Doctor {}).await.unwrap().ok);
    end(back, b).await;
    assert!(accept_loss(&again).is_err(), "nothing is locked any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_takes_no_place_of_another_file() {
    let tmp = tempfile::tempdir().unwrap();
    let node = node(&tmp.path().join("a")).await;
    let h = node.handle();
    let theirs = tmp.path().join("theirs.tar");
    fs::write(&theirs, "precious").unwrap();
    fs::write(tmp.path().join("new.part"), "precious").unwrap();
    let error = backup(&h, &theirs, BackupBlobs::Rare).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    #[cfg(unix)]
    {
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink(tmp.path().join("nowhere"), &link).unwrap();
        assert!(backup(&h, &link, BackupBlobs::Rare).await.is_err());
    }
    backup(&h, &tmp.path().join("new.backup"), BackupBlobs::Rare)
        .await
        .unwrap();
    for name in ["theirs.tar", "new.part"] {
        assert_eq!(
            fs::read_to_string(tmp.path().join(name)).unwrap(),
            "precious"
        );
    }
    let error = backup(&h, &tmp.path().join("no/where"), BackupBlobs::Rare)
        .await
        .unwrap_err();
    assert!(error.message.contains("is not there"), "{error}");
    let names: Vec<String> = fs::read_dir(tmp.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().display().to_string())
        .filter(|n| n.starts_with('.'))
        .collect();
    assert_eq!(names, Vec::<String>::new(), "nothing half is left");
    let left: Vec<PathBuf> = fs::read_dir(tmp.path().join("a"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().display().to_string().contains("tmp"))
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    end(node, h).await;
}

/// Whatever was done to the file: refused in words, nothing restored.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_whole_backup_restores_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (author, h, _) = author(tmp.path()).await;
    let good = tmp.path().join("good");
    backup(&h, &good, BackupBlobs::Rare).await.unwrap();
    end(author, h).await;
    let whole = files(&good);
    let bytes = fs::read(&good).unwrap();

    let bad = tmp.path().join("bad");
    let dir = tmp.path().join("new");
    let refused = |what: &str| {
        let error = restore_backup(&dir, &bad).expect_err(what);
        assert_eq!(error.kind, ErrorKind::Refused, "{what}: {error}");
        assert!(
            error
                .message
                .contains("is not a backup that can be restored"),
            "{what}: {error}"
        );
        assert_unused(&dir);
    };
    // Cut off, at block borders and elsewhere.
    let blocks = bytes.len() / 512;
    let cuts = (0..40).map(|n| n * blocks / 40 * 512 + n % 3 * 7);
    for cut in cuts.chain([bytes.len() - 1_024 - 512]) {
        fs::write(&bad, &bytes[..cut]).unwrap();
        refused(&format!("cut to {cut}"));
    }
    fs::write(&bad, vec![b'x'; 4_000]).unwrap();
    refused("text");

    let changed = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        let count = files.len() - usize::from(files.contains_key("backup.json"));
        if let Some(contents) = files.get_mut("backup.json") {
            *contents = format!("{{\"version\":1,\"files\":{count}}}").into_bytes();
        }
        pack(&bad, &files);
    };
    for name in ["keys/main.secret", "feeds.db", "state.db", "blobs.db"] {
        changed(&|f| drop(f.remove(name)));
        refused(&format!("without {name}"));
        changed(&|f| drop(f.insert(name.into(), b"rubbish, not what it should be".into())));
        refused(&format!("with another {name}"));
    }
    // Pages of a database overwritten.
    changed(&|f| f.get_mut("feeds.db").unwrap()[20_000..36_000].fill(0xaa));
    refused("a damaged database");
    // Code in a database.
    let evil = tmp.path().join("evil.db");
    for name in ["feeds.db", "state.db", "blobs.db"] {
        fs::write(&evil, &whole[name]).unwrap();
        let db = rusqlite::Connection::open(&evil).unwrap();
        let table = match name {
            "feeds.db" => "log",
            "state.db" => "setting",
            _ => "pins",
        };
        db.execute_batch(&format!(
            "PRAGMA journal_mode = DELETE;
             CREATE TRIGGER evil AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END;"
        ))
        .unwrap();
        drop(db);
        let with_code = fs::read(&evil).unwrap();
        changed(&|f| drop(f.insert(name.into(), with_code.clone())));
        refused(&format!("a trigger in {name}"));
    }
    // Sizes, names, kinds.
    changed(&|f| drop(f.insert("keys/main.secret".into(), vec![b'#'; 20_000])));
    refused("a long key");
    changed(&|f| drop(f.insert("config.toml".into(), b"hops = 'x'".to_vec())));
    refused("a config that does not read");
    let blob = whole.keys().find(|n| n.starts_with("blobs/sha")).unwrap();
    changed(&|f| drop(f.insert(blob.clone(), b"other bytes".to_vec())));
    refused("a blob under another's name");
    changed(&|f| drop(f.insert(blob.clone(), vec![0; 5 << 20])));
    refused("a blob that is too long");
    changed(&|f| drop(f.insert("backup.json".into(), b"{".to_vec())));
    let mut fewer = whole.clone();
    fewer.insert(
        "backup.json".into(),
        b"{\"version\":1,\"files\":3}".to_vec(),
    );
    pack(&bad, &fewer);
    refused("more files than it says");
    fewer.insert(
        "backup.json".into(),
        b"{\"version\":9,\"files\":3}".to_vec(),
    );
    pack(&bad, &fewer);
    refused("a newer version");
    for (kind, name) in [
        (tar::EntryType::Regular, "../outside"),
        (tar::EntryType::Regular, "/tmp/outside"),
        (tar::EntryType::Regular, "keys/../../outside.secret"),
        (tar::EntryType::Regular, "lock"),
        (tar::EntryType::Regular, "keys/main.secret"),
        (tar::EntryType::Symlink, "keys/link.secret"),
        (tar::EntryType::Link, "config.toml"),
        (tar::EntryType::Directory, "keys"),
        (tar::EntryType::GNULongName, "feeds.db"),
        (tar::EntryType::GNUSparse, "feeds.db"),
        (tar::EntryType::XHeader, "x"),
    ] {
        let mut tar = tar::Builder::new(fs::File::create(&bad).unwrap());
        let main = &whole["keys/main.secret"];
        add(&mut tar, tar::EntryType::Regular, "keys/main.secret", main);
        add(&mut tar, kind, name, b"some bytes");
        for (name, bytes) in whole.iter().filter(|(n, _)| *n != "keys/main.secret") {
            add(&mut tar, tar::EntryType::Regular, name, bytes);
        }
        tar.finish().unwrap();
        drop(tar);
        refused(&format!("{kind:?} {name}"));
    }
    assert!(!tmp.path().join("outside").exists());
    // A header that promises more than any disk holds.
    let mut header = tar::Header::new_gnu();
    header.set_path("feeds.db").unwrap();
    header.set_size(1 << 60);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    fs::write(&bad, header.as_bytes()).unwrap();
    refused("a promise of an exabyte");

    // After all that, the good one goes into the same directory.
    restore_backup(&dir, &good).unwrap();
    let error = restore_backup(&dir, &good).unwrap_err();
    assert!(
        error.message.contains("already holds an identity"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_key_comes_back_locked() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let secret = tmp.path().join("secret");
    for text in ["", "no secret", "{\"curve\":\"ed25519\"}"] {
        fs::write(&secret, text).unwrap();
        let error = restore_secret(&dir, &secret).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert_unused(&dir);
    }
    fs::write(&secret, [0xff; 100]).unwrap();
    assert_eq!(
        restore_secret(&dir, &secret).unwrap_err().kind,
        ErrorKind::Refused
    );
    let keys = Keypair::from_seed(&[9; 32]);
    fs::write(&secret, keys.to_secret_file()).unwrap();
    assert_eq!(restore_secret(&dir, &secret).unwrap(), keys.id());
    let node = node(&dir).await;
    let h = node.handle();
    let status = h.call(Status {}).await.unwrap();
    assert_eq!(status.id, keys.id());
    let lock = &status.locked[0];
    assert_eq!((lock.feed, lock.sequence, lock.needed), (keys.id(), 0, 2));
    let feed = h.call(FeedStatus { id: keys.id() }).await.unwrap();
    assert_eq!(feed.locked.as_ref(), Some(lock));
    // While a node runs there, nothing is restored and nothing unlocked.
    assert!(restore_secret(&dir, &secret).is_err());
    assert!(accept_loss(&dir).is_err());
    assert_eq!(h.call(Status {}).await.unwrap().locked.len(), 1);
    end(node, h).await;
}

#[test]
fn nothing_is_accepted_where_nothing_was_restored() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    assert!(accept_loss(&dir).is_err());
    assert!(!dir.exists());
    fs::create_dir(&dir).unwrap();
    assert!(accept_loss(&dir).is_err());
    assert_unused(&dir);
}
