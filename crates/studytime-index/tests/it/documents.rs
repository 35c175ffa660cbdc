//! Each row has one document in the text index, whichever way it came there.

use crate::world::*;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use studytime_index::{CourseQuery, Index, Reader};

/// Documents that the text index holds.
fn documents(dir: &Path) -> u64 {
    let generation = std::fs::read_to_string(dir.join("current")).unwrap();
    let text = dir.join(generation.trim()).join("text");
    let index = tantivy::Index::open_in_dir(text).unwrap();
    index.reader().unwrap().searcher().num_docs()
}

/// The numbers of the lessons that are found by a word.
fn hit(reader: &Reader, word: &str) -> Vec<u64> {
    let found = reader.courses(&CourseQuery::text(word)).unwrap();
    let hits = found.items.into_iter().filter_map(|c| c.hit);
    hits.map(|hit| hit.lesson_number).collect()
}

/// A world with one listed course of one lesson, its index with a writer at work.
fn one(dir: &Path) -> (World, Index) {
    let mut world = World::default();
    world.list("list", "course", "Knots", json!({}));
    world.lesson("course", 1, "bowline", json!({}));
    let mut index = open(dir, facts(&[], &["list"]));
    feed(&mut index, &world.log, 10);
    (world, index)
}

#[test]
fn what_changes_again_before_it_is_searchable_has_one_document() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, mut index) = one(dir.path());
    world.lesson("course", 2, "reef", json!({}));
    index.apply(&world.log).unwrap();
    world.lesson("course", 2, "sheepshank", json!({}));
    world.lesson("course", 3, "hitch", json!({}));
    index.apply(&world.log).unwrap();
    // Its row goes, and the next new one takes the number of the row.
    world.say(
        "course",
        json!({"type": "studytime_course_lesson_update", "lesson_number": 3, "removed": true}),
    );
    index.apply(&world.log).unwrap();
    world.lesson("course", 4, "splice", json!({}));
    index.apply(&world.log).unwrap();
    index.flush().unwrap();

    let reader = index.reader();
    assert!(hit(&reader, "reef").is_empty());
    assert!(hit(&reader, "hitch").is_empty());
    assert_eq!(hit(&reader, "sheepshank"), [2]);
    assert_eq!(hit(&reader, "splice"), [4]);
    assert_eq!(documents(dir.path()), 4);
}

#[test]
fn what_a_stop_took_from_the_writer_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, mut index) = one(dir.path());
    world.lesson("course", 1, "clove hitch", json!({}));
    world.lesson("course", 2, "reef", json!({}));
    index.apply(&world.log).unwrap();
    drop(index);

    let mut index = open(dir.path(), facts(&[], &["list"]));
    index.flush().unwrap();
    let reader = index.reader();
    assert!(hit(&reader, "bowline").is_empty());
    assert_eq!(hit(&reader, "clove"), [1]);
    assert_eq!(hit(&reader, "reef"), [2]);
    assert_eq!(documents(dir.path()), 3);
}

/// Sixty megabytes at once: in a few commits, each of a bounded size.
#[test]
fn very_long_texts_come_in_parts() {
    const LESSONS: u64 = 120;
    let dir = tempfile::tempdir().unwrap();
    let (mut world, mut index) = one(dir.path());
    let name = |n: u64| format!("text {n}");
    for n in 2..=LESSONS {
        let text = blob(&name(n)).to_string();
        world.lesson("course", n, "long", json!({"lesson_content_blob": text}));
    }
    feed(&mut index, &world.log, 1_000);
    let texts: Vec<_> = (2..=LESSONS)
        .map(|n| {
            let text = format!("{}word{n}x", "\n".repeat(512 * 1024 - 20));
            (blob(&name(n)), Arc::from(text))
        })
        .collect();
    index.apply_text(&texts).unwrap();
    let mut commits = 0;
    let mut now = NOW;
    loop {
        let tick = index.tick(now).unwrap();
        commits += 1;
        if tick.next != Some(now) {
            break;
        }
        now += 1;
    }
    assert!(commits > 1, "all of it in {commits} commit");
    let reader = index.reader();
    for n in 2..=LESSONS {
        assert_eq!(hit(&reader, &format!("word{n}x")), [n], "{n}");
    }
    assert_eq!(documents(dir.path()), LESSONS + 1);
}
