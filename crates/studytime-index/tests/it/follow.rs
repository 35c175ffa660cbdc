//! Views of others that follow the index by cursor, what answers while an index
//! is built anew, and the file from which many courses are opened.

use crate::world::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use studytime_index::{CourseQuery, Cursor, Facts, Index, OpenError, Options, Reach, Reader};
use studytime_schema::FeedId;

/// A view that another program might keep: names by course.
#[derive(Default)]
struct View {
    cursor: Cursor,
    names: BTreeMap<FeedId, String>,
    restarts: usize,
    told: usize,
}

impl View {
    fn follow(&mut self, reader: &Reader, most: usize) {
        loop {
            let since = reader.since(&self.cursor, most).unwrap();
            assert!(since.courses.len() <= most);
            if since.restart {
                self.names.clear();
                self.restarts += 1;
            }
            for course in since.courses {
                self.told += 1;
                match reader
                    .course(&course)
                    .unwrap()
                    .filter(|c| !c.lists.is_empty())
                {
                    Some(found) => self.names.insert(course, found.record.name),
                    None => self.names.remove(&course),
                };
            }
            // A cursor is kept as text as well as in memory.
            let kept = serde_json::to_string(&since.cursor).unwrap();
            self.cursor = serde_json::from_str(&kept).unwrap();
            if !since.more {
                return;
            }
        }
    }

    fn shown(&self) -> BTreeSet<&str> {
        self.names.values().map(String::as_str).collect()
    }
}

fn all(reader: &Reader) -> BTreeSet<String> {
    names(
        reader,
        &CourseQuery {
            limit: 1000,
            ..CourseQuery::default()
        },
    )
    .into_iter()
    .collect()
}

#[test]
fn a_view_that_follows_by_cursor_has_what_the_index_has() {
    let mut w = two_lists();
    w.about("somebody", "A person");
    let mut held = held(&w, facts(&[], &["list one"]));
    let mut view = View::default();
    view.follow(&held.reader, 1);
    assert_eq!(view.shown(), BTreeSet::from(["Algebra", "Rust"]));
    let told = view.told;
    view.follow(&held.reader, 10);
    assert_eq!(view.told, told, "nothing new is told twice");

    w.update("list one", "rust", json!({"name": "Rust, new"}));
    w.list("list one", "more", "More", json!({}));
    w.update("list one", "algebra", json!({"removed": true}));
    feed(&mut held.index, &w.log, 1);
    view.follow(&held.reader, 2);
    assert_eq!(view.shown(), BTreeSet::from(["More", "Rust, new"]));
    assert_eq!((view.told - told, view.restarts), (3, 0));

    // Other lists: the view begins again, by itself.
    held.index.set_facts(facts(&[], &["list two"])).unwrap();
    view.follow(&held.reader, 2);
    assert_eq!(
        view.shown(),
        BTreeSet::from(["Algebra, second description", "Physics"])
    );
    assert_eq!(view.restarts, 1);

    // After a stop it goes on where it was.
    let Held { index, reader, dir } = held;
    drop((index, reader));
    let mut index = open(dir.path(), facts(&[], &["list two"]));
    let told = view.told;
    view.follow(&index.reader(), 5);
    assert_eq!((view.told, view.restarts), (told, 1));
    w.list("list two", "late", "Late", json!({}));
    feed(&mut index, &w.log, 1);
    view.follow(&index.reader(), 5);
    assert!(view.shown().contains("Late"));
    assert_eq!((view.told, view.restarts), (told + 1, 1));

    // An index that was built anew is another one.
    drop(index);
    let options = Options {
        facts: facts(&[], &["list two"]),
        ..Options::default()
    };
    let mut again = Index::rebuild(dir.path(), options).unwrap();
    feed(&mut again, &w.log, 100);
    again.swap_in().unwrap();
    view.follow(&again.reader(), 5);
    assert_eq!(view.restarts, 2);
    assert_eq!(
        view.shown(),
        BTreeSet::from(["Algebra, second description", "Late", "Physics"])
    );
}

#[test]
fn an_outdated_index_answers_until_the_new_one_is_whole() {
    let w = two_lists();
    let known = || facts(&[], &["list one", "list two"]);
    let held = held(&w, known());
    let before = all(&held.reader);
    let Held { index, reader, dir } = held;
    drop((index, reader));
    // As an earlier version of the program left it.
    let rows = rusqlite::Connection::open(dir.path().join("1/index.db")).unwrap();
    rows.execute_batch("DROP TABLE changed; PRAGMA user_version = 3")
        .unwrap();
    drop(rows);

    let options = || Options {
        facts: known(),
        ..Options::default()
    };
    let opened = Index::open(dir.path(), options());
    assert!(
        matches!(opened, Err(OpenError::Rebuild { .. })),
        "{opened:?}"
    );
    let old = Index::outdated(dir.path(), options()).unwrap();
    let mut new = Index::rebuild(dir.path(), options()).unwrap();
    assert!(all(&new.reader()).is_empty());
    assert_eq!(all(&old), before);
    assert_eq!(names(&old, &CourseQuery::text("physics")), ["Physics"]);
    assert!(old.course(&id("algebra")).unwrap().is_some());
    feed(&mut new, &w.log, 2);
    assert_eq!(all(&old), before);
    new.swap_in().unwrap();
    assert_eq!(all(&new.reader()), before);
    drop((old, new));
    assert_eq!(all(&open(dir.path(), known()).reader()), before);

    // One that is too old, or no index at all, answers nothing.
    let rows = rusqlite::Connection::open(dir.path().join("2/index.db")).unwrap();
    rows.execute_batch("PRAGMA user_version = 1").unwrap();
    drop(rows);
    assert!(Index::outdated(dir.path(), options()).is_none());
    assert!(Index::outdated(dir.path().join("nothing"), options()).is_none());
}

/// So many courses that their columns are kept in a file.
fn many() -> World {
    let mut w = World::default();
    for n in 0..600 {
        let more = json!({"keywords": ["algebra", format!("k{}", n % 7)], "language": (["en", "fr"][n % 2]),
            "level": (["beginner", "advanced"][n % 2]), "duration_minutes": n, "provider": format!("P{}", n % 3)});
        w.list("list", &format!("c{n}"), &format!("Course {n}"), more);
    }
    w.update(
        "list",
        "c1",
        json!({"deprecated": true, "successor": id("c2").to_bare()}),
    );
    let lesson = w.lesson("c3", 1, "One", json!({}));
    w.lesson("c3", 2, "Two", json!({}));
    w.enrol("friend", "c4", true);
    w.enrol("me", "c3", false);
    w.whisper("me", json!({"type": "studytime_progress", "entries": [{"feed_id": id("c3").to_bare(), "lesson": lesson.to_string(), "done": true}]}));
    w
}

fn near() -> Facts {
    let reach = Reach {
        hops: 1,
        only_through: None,
    };
    Facts {
        reach: [(id("friend"), reach)].into(),
        ..facts(&["me"], &["list"])
    }
}

#[test]
fn columns_from_their_file_are_those_from_the_rows() {
    let mut w = many();
    let feeds: Vec<FeedId> = (0..6).map(|n| id(&format!("c{n}"))).collect();
    let told = |index: &Index| everything(&index.reader(), &feeds, &["algebra", "course"]);
    let held = held(&w, near());
    let file = held.dir.path().join("1/columns");
    assert!(file.exists());
    let before = told(&held.index);
    let Held { index, reader, dir } = held;
    drop((index, reader));
    let reopened = |facts: Facts| open(dir.path(), facts);
    assert_eq!(told(&reopened(near())), before);
    assert!(file.exists(), "it was of use");

    // Damaged in any byte, it is made again from the rows.
    let bytes = fs::read(&file).unwrap();
    for at in [0, 9, 20, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut bent = bytes.clone();
        bent[at] ^= 4;
        fs::write(&file, &bent).unwrap();
        assert_eq!(told(&reopened(near())), before, "byte {at}");
        assert!(!file.exists(), "byte {at}");
    }
    for length in [0, 10, 100, bytes.len() - 1] {
        fs::write(&file, &bytes[..length]).unwrap();
        assert_eq!(told(&reopened(near())), before, "{length} bytes");
    }

    // Other facts than it was made with, and messages after it, count.
    fs::write(&file, &bytes).unwrap();
    let unlisted = reopened(facts(&["me"], &[]));
    assert_eq!(names(&unlisted.reader(), &CourseQuery::default()).len(), 1);
    drop(unlisted);
    fs::write(&file, &bytes).unwrap();
    let stranger = reopened(facts(&["me"], &["list"]));
    let top = &cards(&stranger.reader(), &CourseQuery::default())[0];
    assert_eq!((top.name.as_str(), top.learners), ("Course 0", 0));
    drop(stranger);
    let mut index = reopened(near());
    w.update("list", "c5", json!({"name": "Renamed"}));
    index.apply(&w.log).unwrap();
    index.flush().unwrap();
    let after = told(&index);
    assert_ne!(after, before);
    drop(index);
    // The file is older than the rows, and of use: it is neither written again
    // for one message, nor thrown away.
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let index = reopened(near());
    assert_eq!(told(&index), after);
    assert!(file.exists());
    assert_eq!(
        names(&index.reader(), &CourseQuery::text("renamed")),
        ["Renamed"]
    );
    assert_eq!(
        index
            .reader()
            .course(&id("c5"))
            .unwrap()
            .unwrap()
            .record
            .name,
        "Renamed"
    );
    drop(index);

    // Much that changed is worth a new one.
    for n in 6..100 {
        w.update("list", &format!("c{n}"), json!({"level": "intermediate"}));
    }
    let mut index = reopened(near());
    index.apply(&w.log).unwrap();
    index.flush().unwrap();
    let after = told(&index);
    drop(index);
    assert_ne!(fs::read(&file).unwrap(), bytes);
    assert_eq!(told(&reopened(near())), after);
}

#[test]
fn suggestions_keep_up_with_single_changes() {
    // More courses than are looked through anew for each change.
    let mut w = World::default();
    for n in 0..2_100 {
        w.list(
            "list",
            &format!("c{n}"),
            &format!("Topic {n} of many"),
            json!({"keywords": ["plenty"]}),
        );
    }
    let mut held = held(&w, facts(&[], &["list"]));
    let texts = |held: &Held, typed: &str| -> Vec<String> {
        held.reader
            .suggest(typed, 5)
            .into_iter()
            .map(|s| s.text)
            .collect()
    };
    assert_eq!(texts(&held, "topic 77")[0], "Topic 77 of many");
    assert_eq!(texts(&held, "zebra"), Vec::<String>::new());
    w.update("list", "c77", json!({"name": "Zebras"}));
    w.list(
        "list",
        "new",
        "All about zebras",
        json!({"keywords": ["zebra crossing"]}),
    );
    held.index.apply(&w.log).unwrap();
    let found = texts(&held, "zebra");
    assert_eq!(found[..2], ["Zebras", "All about zebras"]);
    assert!(found.contains(&"zebra crossing".to_owned()));
    assert!(!texts(&held, "topic 77").contains(&"Topic 77 of many".to_owned()));
    w.update("list", "c77", json!({"removed": true}));
    held.index.apply(&w.log).unwrap();
    assert_eq!(texts(&held, "zebra")[0], "All about zebras");
    // As an index says that read all of it at once.
    let again = self::held(&w, facts(&[], &["list"]));
    for typed in ["t", "topic 1", "of", "z", "ple", "many"] {
        assert_eq!(texts(&held, typed), texts(&again, typed), "{typed}");
    }
}
