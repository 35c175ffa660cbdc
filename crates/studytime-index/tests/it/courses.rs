//! Courses and lists, and what changes them.

use crate::world::*;
use serde_json::json;
use std::collections::BTreeSet;
use studytime_index::CourseQuery;

#[test]
fn the_first_list_describes_and_the_others_also_list() {
    let w = two_lists();
    let held = held(&w, facts(&[], &["list one", "list two"]));
    let course = held.reader.course(&id("algebra")).unwrap().unwrap();
    assert_eq!(course.record.name, "Algebra");
    assert_eq!(course.record.provider.as_deref(), Some("Two"));
    assert_eq!(
        course.record.source_url.as_deref(),
        Some("https://own.example/")
    );
    assert_eq!(course.about.as_deref(), Some("From the second list."));
    let lists: Vec<_> = course.lists.iter().map(|l| l.name.as_deref()).collect();
    assert_eq!(lists, [Some("First list"), None]);
    assert_eq!(
        (course.category.as_str(), course.subject.as_str()),
        ("Mathematics", "Algebra")
    );
    let lessons: Vec<_> = course
        .lessons
        .iter()
        .map(|l| (l.lesson_number, l.name.as_str()))
        .collect();
    assert_eq!(lessons, [(1, "Numbers"), (2, "Letters")]);
    assert_eq!(course.lessons[0].section.as_deref(), Some("Start"));
    assert!(course.feed_here && !course.enrolled);
    assert_eq!(course.published, 1_700_000_060_000, "the oldest listing");

    let lists = held.reader.lists().unwrap();
    assert_eq!(lists.iter().map(|l| l.courses).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(
        names(&held.reader, &CourseQuery::default()),
        ["Algebra", "Rust", "Physics"]
    );
    let listed = held.reader.listed_courses();
    assert_eq!(listed[0].lists, [id("list one"), id("list two")]);
    assert_eq!(listed.iter().map(|c| c.rank).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(held.reader.course(&id("list one")).unwrap().is_none());
    assert!(held.reader.course(&id("nobody")).unwrap().is_none());
}

#[test]
fn another_order_of_lists_reads_rows_only() {
    let w = two_lists();
    let mut held = held(&w, facts(&[], &["list one", "list two"]));
    let changes = held
        .index
        .set_facts(facts(&[], &["list two", "list one"]))
        .unwrap();
    assert!(changes.courses.contains(&id("algebra")));
    assert!(changes.newly_listed.is_empty() && changes.unlisted.is_empty());
    assert_eq!(
        held.reader
            .course(&id("algebra"))
            .unwrap()
            .unwrap()
            .record
            .name,
        "Algebra, second description"
    );
    // No text was written, and still only what is shown is found.
    assert_eq!(
        held.index.tick(NOW).unwrap().next,
        held.index.tick(NOW + 1).unwrap().next
    );
    assert_eq!(
        names(&held.reader, &CourseQuery::text("second description")).len(),
        1
    );
    held.index.set_facts(facts(&[], &["list one"])).unwrap();
    assert!(names(&held.reader, &CourseQuery::text("second description")).is_empty());
    assert_eq!(
        names(&held.reader, &CourseQuery::text("algebra")),
        ["Algebra"]
    );
}

#[test]
fn a_list_that_goes_takes_only_what_it_alone_listed() {
    let mut w = two_lists();
    let mut held = held(&w, facts(&[], &["list one", "list two"]));
    let changes = held.index.set_facts(facts(&[], &["list one"])).unwrap();
    assert_eq!(Vec::from_iter(changes.unlisted), [id("physics")]);
    assert_eq!(
        names(&held.reader, &CourseQuery::default()),
        ["Algebra", "Rust"]
    );
    let back = held
        .index
        .set_facts(facts(&[], &["list one", "list two"]))
        .unwrap();
    assert_eq!(Vec::from_iter(back.newly_listed), [id("physics")]);

    w.update("list one", "algebra", json!({"removed": true}));
    w.update("list one", "rust", json!({"removed": true}));
    let changes = feed(&mut held.index, &w.log, 10);
    assert_eq!(Vec::from_iter(changes.unlisted), [id("rust")]);
    let mut shown = names(&held.reader, &CourseQuery::default());
    shown.sort();
    assert_eq!(shown, ["Algebra, second description", "Physics"]);
    assert!(names(&held.reader, &CourseQuery::text("rust")).is_empty());
}

#[test]
fn only_chosen_lists_act_as_lists() {
    let mut w = two_lists();
    w.list("physics", "rust", "Rust is bad", json!({}));
    let held = held(&w, facts(&[], &["list one"]));
    assert_eq!(
        held.reader
            .course(&id("rust"))
            .unwrap()
            .unwrap()
            .record
            .name,
        "Rust"
    );
    let problems = held.reader.problems(&id("physics")).unwrap();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].reason.contains("only a course list"),
        "{}",
        problems[0].reason
    );
    assert_eq!(problems[0].sequence, 1);
    assert!(held.reader.problems(&id("list one")).unwrap().is_empty());
    assert!(
        held.reader
            .problems_as_list(&id("physics"))
            .unwrap()
            .is_empty()
    );
}

/// Each message that does not count is told of, and none twice.
#[test]
fn what_a_feed_that_is_no_list_says_later_is_told_too() {
    let mut w = two_lists();
    w.update("no list", "rust", json!({"name": "Before"}));
    w.list("no list", "rust", "Rust", json!({}));
    w.list("no list", "physics", "Physics", json!({}));
    w.update("no list", "rust", json!({"deprecated": true}));
    w.update("no list", "algebra", json!({"name": "Never listed"}));
    let mut held = held(&w, facts(&[], &["list one"]));
    let told = |held: &Held| -> Vec<(u64, String)> {
        let problems = held.reader.problems(&id("no list")).unwrap();
        problems
            .into_iter()
            .map(|p| (p.sequence, p.reason))
            .collect()
    };
    let problems = told(&held);
    assert_eq!(
        problems.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [1, 2, 3, 5]
    );
    assert!(problems[0].1.contains("has not published before"));
    assert!(
        problems[1].1.ends_with("up to message 4"),
        "{}",
        problems[1].1
    );
    assert!(!problems[2].1.contains("up to"), "{}", problems[2].1);
    // Taken as a list, only what is wrong by itself.
    let wrong: Vec<u64> = held
        .reader
        .problems_as_list(&id("no list"))
        .unwrap()
        .iter()
        .map(|p| p.sequence)
        .collect();
    assert_eq!(wrong, [1, 5]);
    let naming = held.reader.naming(&id("rust")).unwrap();
    assert_eq!(
        BTreeSet::from_iter(naming),
        BTreeSet::from([id("list one"), id("no list")])
    );
    w.update("no list", "rust", json!({"removed": true}));
    feed(&mut held.index, &w.log, 10);
    assert_eq!(held.reader.naming(&id("rust")).unwrap(), [id("list one")]);
    assert!(held.reader.naming(&id("nobody")).unwrap().is_empty());
    assert!(told(&held)[1].1.ends_with("up to message 6"));
    held.index.set_facts(facts(&[], &["no list"])).unwrap();
    assert_eq!(told(&held).len(), 2);
}

#[test]
fn what_is_wrong_is_told_and_the_rest_goes_on() {
    let mut w = two_lists();
    w.say(
        "algebra",
        json!({"type": "studytime_course_lesson", "lesson_number": "three"}),
    );
    w.lesson("algebra", 4, "Four", json!({"section": 7}));
    w.say(
        "algebra",
        json!({"type": "studytime_course_lesson_update", "lesson_number": 9, "name": "x"}),
    );
    w.say(
        "algebra",
        json!({"type": "studytime_course_leson", "lesson_number": 5, "name": "x"}),
    );
    w.say("algebra", json!({"type": "post", "text": "x"}));
    let held = held(&w, facts(&[], &["list one"]));
    let problems = held.reader.problems(&id("algebra")).unwrap();
    assert_eq!(
        problems.iter().map(|p| p.sequence).collect::<Vec<_>>(),
        [4, 5, 6, 7]
    );
    assert!(
        problems[3].reason.contains("studytime_course_leson"),
        "{}",
        problems[3].reason
    );
    assert_eq!(
        held.reader
            .course(&id("algebra"))
            .unwrap()
            .unwrap()
            .lessons
            .len(),
        3
    );
}

#[test]
fn own_messages_can_be_queried_when_apply_returns() {
    let mut w = two_lists();
    let mut held = held(&w, facts(&["me"], &["list one"]));
    w.list("list one", "new", "Brand new", json!({}));
    let at = w.log.len() - 1;
    let changes = held.index.apply(&w.log[at..]).unwrap();
    assert_eq!(Vec::from_iter(changes.newly_listed), [id("new")]);
    assert!(names(&held.reader, &CourseQuery::default()).contains(&"Brand new".to_owned()));
    assert!(names(&held.reader, &CourseQuery::text("brand")).is_empty());
    let tick = held.index.tick(NOW).unwrap();
    assert_eq!(
        names(&held.reader, &CourseQuery::text("brand")),
        ["Brand new"]
    );
    // At most one commit in 250 ms, and the writer rests when nothing comes.
    w.list("list one", "newer", "Brand newer", json!({}));
    held.index.apply(&w.log[at + 1..]).unwrap();
    assert_eq!(held.index.tick(NOW + 100).unwrap().next, Some(NOW + 250));
    assert_eq!(names(&held.reader, &CourseQuery::text("brand")).len(), 1);
    let tick_2 = held.index.tick(NOW + 250).unwrap();
    assert_eq!(names(&held.reader, &CourseQuery::text("brand")).len(), 2);
    assert!(tick.next.is_some() && tick_2.next == Some(NOW + 10_250));
    assert_eq!(held.index.tick(NOW + 10_250).unwrap().next, None);
}

#[test]
fn the_writer_can_move_and_readers_be_shared() {
    fn moves<T: Send>() {}
    fn shared<T: Clone + Send + Sync>() {}
    moves::<studytime_index::Index>();
    shared::<studytime_index::Reader>();
}
