//! The user's own learning.

use crate::world::*;
use serde_json::json;
use studytime_index::CourseQuery;
use studytime_schema::content::{ProgressEntry, Target};

fn percent(held: &Held) -> u8 {
    let course = held.reader.course(&id("c")).unwrap();
    course.unwrap().progress.percent
}

#[test]
fn progress_notes_bookmarks_and_results() {
    let mut w = World::default();
    w.list("list", "c", "Course", json!({}));
    let one = w.lesson("c", 1, "One", json!({}));
    let two = w.lesson("c", 2, "Two", json!({}));
    let video = w.say("c", json!({"type": "studytime_course_lesson_video", "lesson_number": 2, "name": "V", "sources": [blob("v").to_string()]}));
    let test = w.say(
        "c",
        json!({"type": "studytime_course_test", "lesson_number": 2, "name": "T", "pass_percent": 60,
        "questions": [{"kind": "true_false", "question": "So?", "answer": true}]}),
    );
    w.enrol("me", "c", false);
    let course = id("c").to_bare();
    w.whisper("me", json!({"type": "studytime_progress", "entries": [
        {"feed_id": course, "lesson": one.to_string(), "done": true},
        {"feed_id": course, "lesson": two.to_string(), "item": video.to_string(), "position_seconds": 42, "percent": 30}]}));
    w.whisper("me", json!({"type": "studytime_test_result", "feed_id": course, "item": test.to_string(), "score": 80}));
    w.whisper("me", json!({"type": "studytime_note", "feed_id": course, "lesson": two.to_string(), "text": "Remember this."}));
    w.whisper("me", json!({"type": "studytime_bookmark", "feed_id": course, "lesson": two.to_string(), "bookmarked": true}));
    // Another one's learning is none of ours, however it came here.
    w.enrol("other", "c", true);
    w.whisper("other", json!({"type": "studytime_progress", "entries": [{"feed_id": course, "lesson": two.to_string(), "done": true}]}));
    let mut held = held(&w, facts(&["me"], &["list"]));

    let learner = held.reader.learner().unwrap();
    assert_eq!(learner.courses.len(), 1);
    let mine = &learner.courses[0];
    assert_eq!((mine.name.as_str(), mine.listed), ("Course", true));
    assert_eq!(mine.progress.lessons_done, 1);
    assert_eq!(mine.progress.percent, 75);
    let next = mine.progress.continue_at.as_ref().unwrap();
    assert_eq!((next.lesson.lesson_number, next.item), (2, Some(test)));
    assert_eq!(learner.notes[0].text, "Remember this.");
    assert_eq!(learner.notes[0].lesson_number, Some(2));
    assert_eq!(learner.bookmarks[0].lesson_name, "Two");
    assert_eq!(
        (learner.results[0].percent, learner.results[0].passed),
        (80, true)
    );

    let card = &cards(
        &held.reader,
        &CourseQuery {
            started: Some(true),
            ..CourseQuery::default()
        },
    )[0];
    assert_eq!((card.started, card.percent), (true, Some(75)));
    let lesson = held.reader.lesson(&id("c"), 2).unwrap().unwrap();
    assert_eq!(lesson.notes.len(), 1);
    assert!(lesson.bookmarked && !lesson.done);
    let step = lesson.steps.iter().find(|s| s.id == video).unwrap();
    assert_eq!(
        (step.position_seconds, step.percent, step.done),
        (42, 30, false)
    );
    assert_eq!(
        lesson
            .steps
            .iter()
            .find(|s| s.id == test)
            .unwrap()
            .best_percent,
        Some(80)
    );

    // What is not published yet shows at once, and goes when it is replaced.
    let local = ProgressEntry {
        done: Some(true),
        ..ProgressEntry::new(id("c"), Target::Item(video))
    };
    let changes = held.index.set_local_progress(&[(local, NOW)]).unwrap();
    assert!(changes.learner && changes.courses.contains(&id("c")));
    assert_eq!(percent(&held), 100);
    // Also when another own feed comes to be.
    let more = facts(&["me", "new course"], &["list"]);
    held.index.set_facts(more).unwrap();
    assert_eq!(percent(&held), 100);
    assert!(held.index.set_local_progress(&[]).unwrap().learner);
    assert_eq!(percent(&held), 75);
}

/// Everything the learner has, told without what the author may change.
fn kept(held: &Held) -> serde_json::Value {
    let learner = held.reader.learner().unwrap();
    json!({
        "done": learner.courses[0].progress.lessons_done,
        "at": learner.courses[0].progress.continue_at.as_ref().map(|at| (at.lesson.lesson, at.item, at.position_seconds)),
        "notes": learner.notes.iter().map(|n| (n.lesson, &n.text)).collect::<Vec<_>>(),
        "bookmarks": learner.bookmarks.iter().map(|b| b.lesson).collect::<Vec<_>>(),
        "results": learner.results.iter().map(|r| (r.item, r.percent, r.passed)).collect::<Vec<_>>(),
    })
}

#[test]
fn what_the_learner_has_survives_every_update_of_the_course() {
    let mut w = World::default();
    w.list("list", "c", "Course", json!({}));
    let one = w.lesson("c", 1, "One", json!({"lesson_content": "first"}));
    let two = w.lesson("c", 2, "Two", json!({}));
    let video = w.say("c", json!({"type": "studytime_course_lesson_video", "lesson_number": 2, "name": "V", "sources": [blob("v").to_string()]}));
    let test = w.say(
        "c",
        json!({"type": "studytime_course_test", "lesson_number": 2, "name": "T", "pass_percent": 60,
        "questions": [{"kind": "true_false", "question": "So?", "answer": true}]}),
    );
    w.enrol("me", "c", false);
    let course = id("c").to_bare();
    w.whisper("me", json!({"type": "studytime_test_result", "feed_id": course, "item": test.to_string(), "score": 80}));
    w.whisper("me", json!({"type": "studytime_progress", "entries": [
        {"feed_id": course, "lesson": one.to_string(), "done": true},
        {"feed_id": course, "item": test.to_string(), "done": true},
        {"feed_id": course, "lesson": two.to_string(), "item": video.to_string(), "position_seconds": 42, "percent": 30}]}));
    w.whisper("me", json!({"type": "studytime_note", "feed_id": course, "lesson": two.to_string(), "text": "Remember"}));
    w.whisper("me", json!({"type": "studytime_bookmark", "feed_id": course, "lesson": one.to_string(), "bookmarked": true}));
    let mut held = held(&w, facts(&["me"], &["list"]));
    let before = kept(&held);
    assert_eq!(before["at"], json!([two, video, 42]));
    assert_eq!(
        (before["done"].clone(), before["results"][0][1].clone()),
        (json!(1), json!(80))
    );

    // Renamed, renumbered, rewritten, moved to another section, with lessons put
    // before and between; items renamed and given other sources.
    let updates = [
        json!({"type": "studytime_course_lesson_update", "lesson_number": 2, "name": "Second", "section": "B"}),
        json!({"type": "studytime_course_lesson_update", "lesson": two.to_string(), "lesson_number": 7}),
        json!({"type": "studytime_course_lesson_update", "lesson": one.to_string(), "lesson_number": 3, "lesson_content": "other"}),
        json!({"type": "studytime_course_lesson", "lesson_number": 1, "name": "New first"}),
        json!({"type": "studytime_course_lesson", "lesson_number": 4, "name": "New in between"}),
        json!({"type": "studytime_course_item_update", "item": video.to_string(), "name": "Film", "sources": [blob("w").to_string()]}),
        json!({"type": "studytime_course_item_update", "item": test.to_string(), "name": "Exam", "pass_percent": 70}),
        json!({"type": "studytime_course_lesson", "lesson_number": 7, "name": "Again by its number"}),
    ];
    for update in updates {
        w.say("c", update.clone());
        feed(&mut held.index, &w.log, 1);
        assert_eq!(kept(&held), before, "{update}");
    }
    // Also when the course is no longer recommended, or no list names it.
    w.update("list", "c", json!({"deprecated": true}));
    feed(&mut held.index, &w.log, 1);
    assert_eq!(kept(&held), before);
    w.update("list", "c", json!({"removed": true}));
    feed(&mut held.index, &w.log, 1);
    assert_eq!(kept(&held), before);
    // What goes with a removed lesson is there again when it is.
    for removed in [true, false] {
        w.say("c", json!({"type": "studytime_course_lesson_update", "lesson": two.to_string(), "removed": removed}));
    }
    feed(&mut held.index, &w.log, 1);
    assert_eq!(kept(&held), before);
    // And an index that is built anew says the same.
    assert_eq!(kept(&self::held(&w, facts(&["me"], &["list"]))), before);
}

#[test]
fn a_started_course_stays_when_no_list_names_it() {
    let mut w = World::default();
    w.list("list", "c", "Listed", json!({}));
    w.list("c", "c", "Own record", json!({}));
    w.lesson("c", 1, "One", json!({}));
    w.about("bare", "Bare course");
    w.lesson("bare", 1, "Only", json!({}));
    w.enrol("me", "c", false);
    let mut held = held(&w, facts(&["me"], &["list"]));
    let changes = held.index.set_facts(facts(&["me"], &[])).unwrap();
    assert_eq!(Vec::from_iter(changes.unlisted), [id("c")]);
    assert_eq!(names(&held.reader, &CourseQuery::default()), ["Own record"]);
    assert_eq!(
        names(&held.reader, &CourseQuery::text("record")),
        ["Own record"]
    );
    assert!(!held.reader.learner().unwrap().courses[0].listed);

    // Opened by a link: a course without any record, under the name of its feed.
    assert_eq!(
        held.reader
            .course(&id("bare"))
            .unwrap()
            .unwrap()
            .record
            .name,
        "Bare course"
    );
    let mut opened = facts(&["me"], &[]);
    opened.opened = vec![id("bare"), id("not here yet")];
    held.index.set_facts(opened).unwrap();
    assert_eq!(
        names(&held.reader, &CourseQuery::text("only")),
        ["Bare course"]
    );
    assert!(held.reader.course(&id("not here yet")).unwrap().is_some());
}

#[test]
fn an_own_feed_that_becomes_known_late_counts_whole() {
    let mut w = World::default();
    w.list("list", "c", "Course", json!({}));
    w.list("list", "d", "Other", json!({}));
    let one = w.lesson("c", 1, "One", json!({}));
    w.enrol("me", "c", true);
    w.enrol("me", "d", true);
    w.whisper(
        "me",
        json!({"type": "studytime_enrolment", "feed_id": id("d").to_bare(), "enrolled": false}),
    );
    w.whisper("me", json!({"type": "studytime_progress", "entries": [{"feed_id": id("c").to_bare(), "lesson": one.to_string(), "done": true}]}));
    let early = held(&w, facts(&["me"], &["list"]));
    let mut late = held(&w, facts(&[], &["list"]));
    assert!(late.reader.learner().unwrap().courses.is_empty());
    let changes = late.index.set_facts(facts(&["me"], &["list"])).unwrap();
    assert!(changes.learner);
    assert_eq!(
        late.reader.learner().unwrap(),
        early.reader.learner().unwrap()
    );
    assert_eq!(
        late.reader.learner().unwrap().courses[0].progress.percent,
        100
    );
    assert_eq!(late.reader.learner().unwrap().courses.len(), 1);
}

#[test]
fn a_started_course_of_which_nothing_is_here_is_shown_after_a_reopen() {
    let mut w = World::default();
    w.enrol("me", "unseen", false);
    // Taken in before the feed was known to be the user's.
    let held = held(&w, facts(&[], &[]));
    assert!(names(&held.reader, &CourseQuery::default()).is_empty());
    let Held { index, dir, .. } = held;
    drop(index);
    let index = open(dir.path(), facts(&["me"], &[]));
    let shown = cards(&index.reader(), &CourseQuery::default());
    assert_eq!(shown[0].feed_id, id("unseen"));
    assert!(shown[0].started);
}
