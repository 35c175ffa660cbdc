//! Stops at bad moments, damage, other versions.

use crate::world::*;
use serde_json::json;
use std::fs;
use studytime_index::{CourseQuery, Index, OpenError, Options};

fn world() -> World {
    let mut w = World::default();
    w.list(
        "list",
        "rust",
        "Rust",
        json!({"description": "Ownership and borrowing"}),
    );
    w.lesson(
        "rust",
        1,
        "Hello",
        json!({"lesson_content": "The first program"}),
    );
    w.list("list", "algebra", "Algebra", json!({}));
    w
}

fn reopen(dir: &std::path::Path) -> Result<Index, OpenError> {
    let options = Options {
        facts: facts(&[], &["list"]),
        ..Options::default()
    };
    Index::open(dir, options)
}

fn reason(result: Result<Index, OpenError>) -> String {
    match result {
        Err(OpenError::Rebuild { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stop_between_the_rows_and_the_text_loses_nothing() {
    let mut w = world();
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    feed(&mut index, &w.log, 10);
    w.list("list", "late", "Latecomer", json!({}));
    w.update("list", "algebra", json!({"removed": true}));
    w.update("list", "rust", json!({"description": "Lifetimes"}));
    index.apply(&w.log).unwrap();
    // Dropped without a commit of the text: as after a kill.
    drop(index);

    let mut index = reopen(dir.path()).unwrap();
    assert_eq!(index.position(), w.log.last().unwrap().position);
    let reader = index.reader();
    assert!(names(&reader, &CourseQuery::text("latecomer")).is_empty());
    index.tick(NOW).unwrap();
    assert_eq!(
        names(&reader, &CourseQuery::text("latecomer")),
        ["Latecomer"]
    );
    assert_eq!(names(&reader, &CourseQuery::text("lifetimes")), ["Rust"]);
    assert!(names(&reader, &CourseQuery::text("ownership")).is_empty());
    assert!(names(&reader, &CourseQuery::text("algebra")).is_empty());
    assert!(index.apply(&w.log).unwrap().is_empty());
}

#[test]
fn a_stop_between_the_text_and_its_receipt_repeats_work_only() {
    let w = world();
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    index.apply(&w.log).unwrap();
    let before = dir.path().join("rows before");
    copy(&dir.path().join("1"), &before);
    index.flush().unwrap();
    let text = dir.path().join("text after");
    copy(&dir.path().join("1/text"), &text);
    drop(index);
    // The rows as of before the receipt, the text as of after its commit.
    fs::remove_dir_all(dir.path().join("1")).unwrap();
    copy(&before, &dir.path().join("1"));
    fs::remove_dir_all(dir.path().join("1/text")).unwrap();
    copy(&text, &dir.path().join("1/text"));
    let mut index = reopen(dir.path()).unwrap();
    index.flush().unwrap();
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("ownership")),
        ["Rust"]
    );
    assert_eq!(
        index
            .reader()
            .courses(&CourseQuery::text("rust"))
            .unwrap()
            .total,
        1
    );
}

#[test]
fn rows_that_fell_back_behind_the_text_catch_up() {
    let mut w = world();
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    feed(&mut index, &w.log, 10);
    drop(index);
    let old = dir.path().join("old");
    copy(&dir.path().join("1"), &old);
    let at = w.log.len();
    w.list("list", "late", "Latecomer", json!({}));
    let mut index = reopen(dir.path()).unwrap();
    feed(&mut index, &w.log, 10);
    drop(index);
    // A power cut took the last transactions of the rows, not of the text.
    for file in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(dir.path().join("1").join(file));
        let _ = fs::copy(old.join(file), dir.path().join("1").join(file));
    }
    let mut index = reopen(dir.path()).unwrap();
    assert_eq!(index.position().0, at as u64);
    assert!(names(&index.reader(), &CourseQuery::text("latecomer")).is_empty());
    // Another message takes the place of the lost one, and of its rows.
    w.log.truncate(at);
    w.list("list", "other", "Somebody", json!({}));
    feed(&mut index, &w.log, 10);
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("somebody")),
        ["Somebody"]
    );
    assert!(names(&index.reader(), &CourseQuery::text("latecomer")).is_empty());
}

#[test]
fn text_that_is_lost_or_older_is_made_again() {
    let mut w = world();
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    feed(&mut index, &w.log, 10);
    drop(index);
    let old = dir.path().join("old text");
    copy(&dir.path().join("1/text"), &old);
    w.list("list", "late", "Latecomer", json!({}));
    let mut index = reopen(dir.path()).unwrap();
    feed(&mut index, &w.log, 10);
    drop(index);
    fs::remove_dir_all(dir.path().join("1/text")).unwrap();
    copy(&old, &dir.path().join("1/text"));
    let mut index = reopen(dir.path()).unwrap();
    index.flush().unwrap();
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("latecomer")),
        ["Latecomer"]
    );
    drop(index);
    fs::remove_dir_all(dir.path().join("1/text")).unwrap();
    let mut index = reopen(dir.path()).unwrap();
    index.flush().unwrap();
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("latecomer")),
        ["Latecomer"]
    );
    drop(index);
    fs::write(dir.path().join("1/text/meta.json"), "{").unwrap();
    let mut index = reopen(dir.path()).unwrap();
    index.flush().unwrap();
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("program")),
        ["Rust"]
    );
}

#[test]
fn damage_asks_for_a_rebuild_which_is_swapped_in() {
    let w = world();
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    feed(&mut index, &w.log, 10);
    drop(index);
    fs::write(
        dir.path().join("1/index.db"),
        b"not a database at all, not even nearly",
    )
    .unwrap();
    for side in ["index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(dir.path().join("1").join(side));
    }
    reason(reopen(dir.path()));

    // A rebuild that stops half way changes nothing.
    let options = || Options {
        facts: facts(&[], &["list"]),
        ..Options::default()
    };
    let mut half = Index::rebuild(dir.path(), options()).unwrap();
    half.apply(&w.log[..1]).unwrap();
    drop(half);
    reason(reopen(dir.path()));
    assert!(!dir.path().join("2").exists(), "left-overs are cleaned up");

    let mut index = Index::rebuild(dir.path(), options()).unwrap();
    assert_eq!(index.position().0, 0);
    index.apply(&w.log).unwrap();
    index.swap_in().unwrap();
    drop(index);
    let index = reopen(dir.path()).unwrap();
    assert_eq!(index.position(), w.log.last().unwrap().position);
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("ownership")),
        ["Rust"]
    );
    assert!(!dir.path().join("1").exists());
}

#[test]
fn other_versions_and_missing_parts_ask_for_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), facts(&[], &["list"])));
    let db = dir.path().join("1/index.db");
    let conn = rusqlite::Connection::open(&db).unwrap();
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    assert!(reason(reopen(dir.path())).contains("another version"));
    let conn = rusqlite::Connection::open(&db).unwrap();
    conn.pragma_update(None, "user_version", version).unwrap();
    conn.execute_batch("DROP TABLE lesson").unwrap();
    drop(conn);
    assert!(reason(reopen(dir.path())).contains("lesson"));
    fs::remove_file(&db).unwrap();
    reason(reopen(dir.path()));
    fs::write(dir.path().join("current"), "rubbish").unwrap();
    reason(reopen(dir.path()));
}

/// Enough messages to be killed in the middle of.
fn long_world() -> World {
    let mut w = World::default();
    for n in 0..120 {
        let course = format!("course {}", n % 7);
        w.list(
            "list",
            &course,
            &format!("Course {n}"),
            json!({"description": format!("number{n}")}),
        );
        w.lesson(
            &course,
            n % 5,
            &format!("Lesson {n}"),
            json!({"lesson_content": format!("text{n}")}),
        );
    }
    w
}

const VICTIM: &str = "STUDYTIME_INDEX_TEST_VICTIM";

/// Not a test of its own: the process that `killed_at_any_moment` kills.
#[test]
#[ignore = "run by killed_at_any_moment"]
fn victim() {
    let Some(dir) = std::env::var_os(VICTIM) else {
        return;
    };
    let world = long_world();
    let mut index = reopen(std::path::Path::new(&dir)).unwrap();
    for (n, entries) in world.log.chunks(2).enumerate() {
        index.apply(entries).unwrap();
        index.tick(NOW + n as u64 * 100).unwrap();
        println!("position {}", index.position().0);
    }
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn killed_at_any_moment() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let world = long_world();
    let feeds: Vec<_> = (0..7).map(|n| id(&format!("course {n}"))).collect();
    let words = ["number113", "text119", "lesson", "course"];
    let expected = everything(&held(&world, facts(&[], &["list"])).reader, &feeds, &words);
    let dir = tempfile::tempdir().unwrap();
    for more in [3_u64, 40, 90, 150] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--ignored", "--nocapture"])
            .env(VICTIM, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        for line in lines.map_while(Result::ok) {
            let position = line
                .split("position ")
                .nth(1)
                .and_then(|p| p.trim().parse().ok());
            told = position.unwrap_or(told);
            if told >= more {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(told >= more);
        let index = reopen(dir.path()).unwrap();
        assert!(
            index.position().0 >= told,
            "what was told to be taken in is there"
        );
    }
    let mut index = reopen(dir.path()).unwrap();
    feed(&mut index, &world.log, 50);
    assert_eq!(everything(&index.reader(), &feeds, &words), expected);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
