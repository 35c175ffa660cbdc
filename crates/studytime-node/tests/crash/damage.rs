//! Files that are damaged, gone, or older than they should be: the index is made
//! again, the log of messages never.

use super::random::Random;
use super::view::{everything, indexed};
use super::{kill, work};
use std::fs;
use std::path::{Path, PathBuf};
use studytime_node::api::*;
use studytime_node::{Node, OpenError, StoreError};
use studytime_replicate::{FeedStore, SqliteStore};
use studytime_schema::{FeedId, LogPosition};

const WORDS: [&str; 4] = ["sphagnum", "drosera", "utricularia", "moss"];

/// A node's directory with a list, courses, notes and places, and what it shows.
async fn settled(dir: &Path) -> (PathBuf, serde_json::Value) {
    let data = dir.join("data");
    let folder = work::course_folder(dir);
    let node = work::open(&data, false).await;
    let handle = node.handle();
    for n in 0..60 {
        let edit = CourseEdit {
            name: Some(format!("Moss {n}")),
            description: Some("Bryology ".repeat(40)),
            ..CourseEdit::default()
        };
        let course = FeedId::from_bytes([n; 32]);
        let catalog = work::LIST.to_owned();
        if n == 0 {
            let name = catalog.clone();
            handle.call(CatalogNew { name }).await.unwrap();
        }
        let call = CatalogPublish {
            catalog,
            course,
            edit,
        };
        handle.call(call).await.unwrap();
    }
    for n in 0..3 {
        work::import(&handle, &folder, format!("Course {n}"))
            .await
            .unwrap();
    }
    let made = work::import(&handle, &folder, "Utricularia".into())
        .await
        .unwrap();
    let id = made.course.unwrap();
    let text = "Carnivorous".to_owned();
    handle
        .call(NoteAdd {
            id,
            number: 1,
            text,
        })
        .await
        .unwrap();
    indexed(&handle, "utricularia").await;
    let view = everything(&handle, &WORDS).await.unwrap();
    drop(handle);
    work::close(node, &data).await;
    // All rows in the one file, so that hurting it hurts.
    let rows = rusqlite::Connection::open(data.join("index/1/index.db")).unwrap();
    let emptied = rows.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| {
        r.get::<_, i64>(0)
    });
    assert_eq!(emptied.unwrap(), 0);
    (data, view)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // Keys may only be read; a copy is to be removable.
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Ways to hurt a file.
const HURTS: [&str; 6] = [
    "deleted",
    "emptied",
    "halved",
    "rubbish",
    "rubbish inside",
    "a letter",
];

fn hurt(path: &Path, how: &str, random: &mut Random) {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len();
    match how {
        "deleted" => return fs::remove_file(path).unwrap(),
        "emptied" => bytes.clear(),
        "halved" => bytes.truncate(length / 2),
        "rubbish" => bytes = work::bytes(random, length),
        "rubbish inside" => {
            let rubbish = work::bytes(random, length / 2);
            bytes[length / 4..length / 4 + rubbish.len()].copy_from_slice(&rubbish);
        }
        _ => bytes[0] ^= 0x20,
    }
    fs::write(path, bytes).unwrap();
}

fn log(data: &Path) -> Vec<String> {
    let store = SqliteStore::open_existing(data.join("feeds.db")).unwrap();
    let all = store.scan(LogPosition(0), usize::MAX).unwrap();
    all.iter().map(|m| m.wire.to_string()).collect()
}

/// Every file of the index, hurt in every way, one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_made_again_from_an_untouched_log() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, view) = settled(tmp.path()).await;
    let before = log(&data);
    let mut random = Random::from_env("STUDYTIME_DAMAGE_SEED");
    let mut files = Vec::new();
    below(&data.join("index"), &mut files);
    files.sort();
    let mut cases: Vec<(PathBuf, &str)> = Vec::new();
    for file in &files {
        // Lock files hold nothing.
        if fs::metadata(file).unwrap().len() == 0 {
            continue;
        }
        let inside = file.strip_prefix(&data).unwrap();
        let kind = inside.extension().map(|e| e.to_owned());
        let seen = cases.iter().any(|(f, _)| f.extension() == kind.as_deref());
        // One segment of the text stands for all.
        if !seen || kind.is_none() {
            cases.extend(HURTS.map(|how| (inside.to_owned(), how)));
        }
    }
    assert!(cases.len() > 30, "{files:?}");
    for (file, how) in cases {
        let hurt_dir = tmp.path().join("hurt");
        copy(&data, &hurt_dir);
        hurt(&hurt_dir.join(&file), how, &mut random);
        println!("{} {how}", file.display());
        let node = work::open(&hurt_dir, false).await;
        let handle = node.handle();
        kill::same(&handle, &view, &WORDS).await;
        // It is not only shown, it can also be written.
        let id = FeedId::from_bytes([200; 32]);
        let relation = Relation::Follow;
        handle.call(Follow { id, relation }).await.unwrap();
        drop(handle);
        work::close(node, &hurt_dir).await;
        let after = log(&hurt_dir);
        assert_eq!(after[..before.len()], before[..]);
        assert_eq!(after.len(), before.len() + 1);
        fs::remove_dir_all(&hurt_dir).unwrap();
    }
}

/// Makes rubbish of an index's rows, but for the first page, which says what sort
/// of file it is.
fn spoil_rows(data: &Path) {
    let mut files = Vec::new();
    below(&data.join("index"), &mut files);
    let rows = files.iter().find(|f| f.ends_with("index.db")).unwrap();
    let mut bytes = fs::read(rows).unwrap();
    let rubbish = work::bytes(&mut Random::new(3), bytes.len() - 8_192);
    bytes[8_192..].copy_from_slice(&rubbish);
    fs::write(rows, bytes).unwrap();
}

/// Pages of the rows go bad under a node that runs.
#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_query_meets_is_mended_in_the_same_run() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, view) = settled(tmp.path()).await;
    let node = work::open(&data, false).await;
    let handle = node.handle();
    let mut events = node.events();
    spoil_rows(&data);
    let id = course_named(&view, "Utricularia");
    let met = handle.call(CourseShow { id }).await.unwrap_err();
    assert_eq!(met.kind, ErrorKind::Damaged, "{met}");
    kill::same(&handle, &view, &WORDS).await;
    drop(handle);
    work::close(node, &data).await;
    let mut told = false;
    while let Some(event) = events.next().await {
        told |= matches!(event, Event::Problem { text } if text.contains("index"));
    }
    assert!(told, "nobody was told");
}

/// A single command ends before a new index is whole; the next start makes it.
#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_command_meets_is_mended_by_the_next_one() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, view) = settled(tmp.path()).await;
    let oneshot = || {
        work::builder(&data, false)
            .oneshot(std::time::Duration::ZERO)
            .open()
    };
    let node = oneshot().await.unwrap();
    spoil_rows(&data);
    let id = course_named(&view, "Utricularia");
    let met = node.handle().call(CourseShow { id }).await.unwrap_err();
    assert_eq!(met.kind, ErrorKind::Damaged, "{met}");
    work::close(node, &data).await;
    let node = oneshot().await.unwrap();
    let handle = node.handle();
    // At once: a command asks only once.
    let found = handle.call(CourseShow { id }).await.unwrap();
    assert_eq!(found.detail.lessons.len(), 3);
    kill::same(&handle, &view, &WORDS).await;
    drop(handle);
    work::close(node, &data).await;
    assert_eq!(
        fs::read_dir(data.join("index")).unwrap().count(),
        2,
        "left-overs"
    );
}

fn course_named(view: &serde_json::Value, name: &str) -> FeedId {
    let courses = view["courses"].as_array().unwrap();
    let course = courses.iter().find(|c| c["card"]["name"] == name).unwrap();
    serde_json::from_value(course["card"]["feed_id"].clone()).unwrap()
}

async fn opened(data: &Path) -> Result<Node, OpenError> {
    work::builder(data, false).open().await
}

/// The log is never made anew: a second first message would fork every own feed.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_log_is_reported_and_left_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, _) = settled(tmp.path()).await;
    let mut random = Random::from_env("STUDYTIME_DAMAGE_SEED");
    for how in HURTS {
        let hurt_dir = tmp.path().join("hurt");
        copy(&data, &hurt_dir);
        let path = hurt_dir.join("feeds.db");
        hurt(&path, how, &mut random);
        let before = fs::read(&path).ok();
        match opened(&hurt_dir).await {
            Err(OpenError::FeedsGone { .. }) => assert!(["deleted", "emptied"].contains(&how)),
            Err(OpenError::Feeds(StoreError::NotAStore | StoreError::Corrupt(_))) => {}
            Err(other) => panic!("{how}: {other}"),
            // What is damaged lies where a start does not look.
            Ok(node) => {
                let found = node.handle().call(Doctor {}).await;
                let quiet = found.as_ref().is_ok_and(|d| d.ok);
                assert!(!quiet, "{how}: {found:?}");
                work::close(node, &hurt_dir).await;
            }
        }
        if ["deleted", "emptied", "rubbish", "a letter"].contains(&how) {
            assert_eq!(fs::read(&path).ok(), before, "{how}: it was changed");
        }
        println!("{how}: said");
        fs::remove_dir_all(&hurt_dir).unwrap();
    }
}

/// Tables that were never written back from the write-ahead log, which is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_tables_is_gone_not_new() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, _) = settled(tmp.path()).await;
    fs::remove_file(data.join("feeds.db")).unwrap();
    let empty = rusqlite::Connection::open(data.join("feeds.db")).unwrap();
    empty.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(empty);
    assert!(fs::metadata(data.join("feeds.db")).unwrap().len() > 0);
    let gone = opened(&data).await;
    assert!(matches!(gone, Err(OpenError::FeedsGone { .. })), "{gone:?}");
}

/// Somebody put an older copy of the log back: as after any restore, publishing
/// waits, and the index shows what the log has.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_locks_publishing() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, view) = settled(tmp.path()).await;
    let old = fs::read(data.join("feeds.db")).unwrap();
    let node = work::open(&data, false).await;
    let handle = node.handle();
    let id = FeedId::from_bytes([201; 32]);
    let follow = || Follow {
        id,
        relation: Relation::Follow,
    };
    handle.call(follow()).await.unwrap();
    work::import(&handle, &tmp.path().join("course"), "Later".into())
        .await
        .unwrap();
    drop(handle);
    work::close(node, &data).await;
    for side in ["feeds.db-wal", "feeds.db-shm"] {
        let _ = fs::remove_file(data.join(side));
    }
    fs::write(data.join("feeds.db"), old).unwrap();

    let node = work::open(&data, false).await;
    let handle = node.handle();
    let refused = handle.call(follow()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
    kill::same(&handle, &view, &WORDS).await;
    node.shutdown().await;
}

/// A key that somebody copied into an empty directory: its feed may be long.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_put_there_by_hand_locks_publishing() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, _) = settled(tmp.path()).await;
    let bare = tmp.path().join("bare");
    fs::create_dir_all(bare.join("keys")).unwrap();
    fs::copy(data.join("keys/main.secret"), bare.join("keys/main.secret")).unwrap();
    // The second start remembers it as well.
    for _ in 0..2 {
        let node = work::open(&bare, false).await;
        let id = FeedId::from_bytes([201; 32]);
        let relation = Relation::Follow;
        let refused = node.handle().call(Follow { id, relation }).await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused);
        work::close(node, &bare).await;
    }
}
