//! Rule 6, and the rest of what a learner's feeds say.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fold_support;

use fold_support::*;
use serde_json::{Value, json};
use studytime_schema::content::{Note, ProgressEntry, Target};
use studytime_schema::fold::{IgnoredReason, LearnerState};

fn progress(entries: Value) -> Value {
    json!({"type": "studytime_progress", "entries": entries})
}

fn result(course: u8, item: u8, score: u8) -> Value {
    json!({"type": "studytime_test_result", "feed_id": feed(course), "item": message(item), "score": score})
}

#[test]
fn done_sticks_until_undone_best_is_kept_position_is_the_last() {
    let c = feed(9);
    let item = Target::Item(message(1));
    let mut me = Author::new(1);
    me.say_json(progress(json!([{"feed_id": c, "item": message(1), "position_seconds": 50, "percent": 90, "done": true}])));
    me.say_json(progress(
        json!([{"feed_id": c, "item": message(1), "position_seconds": 10, "percent": 20}]),
    ));
    for score in [40, 90, 70] {
        me.say_json(result(9, 2, score));
    }
    let (state, ignored) = me.learner();
    assert!(ignored.is_empty());
    let mark = state.mark(&c, item);
    assert_eq!(mark.done, Some(true));
    assert_eq!(mark.position_seconds, Some(10));
    let score = state.score(&c, &message(2)).unwrap();
    assert_eq!((score.best, score.last, score.attempts), (90, 70, 3));
    me.say_json(progress(
        json!([{"feed_id": c, "item": message(1), "done": false}]),
    ));
    assert_eq!(me.learner().0.mark(&c, item).done, Some(false));
}

#[test]
fn several_own_feeds_are_merged_by_time() {
    let c = feed(9);
    let (mut a, mut b) = (Author::new(1), Author::new(2));
    a.say_at(
        json!({"type": "studytime_enrolment", "feed_id": c, "enrolled": true}),
        100,
    );
    b.say_at(
        json!({"type": "studytime_enrolment", "feed_id": c, "enrolled": false}),
        200,
    );
    a.say_at(
        progress(json!([{"feed_id": c, "lesson": message(1), "position_seconds": 7}])),
        300,
    );
    b.say_at(
        progress(
            json!([{"feed_id": c, "lesson": message(1), "position_seconds": 3, "done": true}]),
        ),
        250,
    );
    let mut orders = Vec::new();
    for order in [[&a, &b], [&b, &a]] {
        let mut state = LearnerState::new();
        for author in order {
            for msg in &author.log {
                state.apply(msg);
            }
        }
        orders.push(state);
    }
    assert_eq!(orders[0], orders[1]);
    let state = &orders[0];
    assert!(!state.is_enrolled(&c));
    let mark = state.mark(&c, Target::Lesson(message(1)));
    assert_eq!((mark.position_seconds, mark.done), (Some(7), Some(true)));
    assert_eq!(state.touched(&c).unwrap().time, 300);
}

#[test]
fn notes_are_joined_changed_and_removed() {
    let c = feed(9);
    let target = Some(Target::Lesson(message(1)));
    let mut me = Author::new(1);
    let long = Note::new(c, target, "äbcdefghij");
    let parts = long.split(4);
    assert_eq!(parts.len(), 3);
    let id = me.say(parts[0].clone());
    for part in &parts[1..] {
        me.say(Note {
            note: Some(id),
            ..part.clone()
        });
    }
    // Parts that do not name the note continue the last open one.
    let mut loose = Author::new(2);
    for part in &parts {
        loose.say(part.clone());
    }
    for author in [&me, &loose] {
        let (state, ignored) = author.learner();
        assert!(ignored.is_empty(), "{ignored:?}");
        let notes = state.notes();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].text, "äbcdefghij");
        assert!(notes[0].complete);
        assert_eq!(notes[0].lesson, Some(message(1)));
    }

    me.say(Note {
        note: Some(id),
        ..Note::new(c, None, "short now")
    });
    let notes = me.learner().0.notes();
    assert_eq!((notes[0].text.as_str(), notes[0].id), ("short now", id));
    assert_eq!(notes[0].lesson, Some(message(1)), "still about the lesson");

    me.say_json(json!({"type": "studytime_note", "feed_id": c, "note": id, "removed": true}));
    assert!(me.learner().0.notes().is_empty());

    let mut bad = Author::new(3);
    bad.say(Note {
        note: Some(id),
        ..Note::new(c, target, "not mine")
    });
    bad.say(Note {
        part: 2,
        parts: 2,
        ..Note::new(c, target, "loose")
    });
    let (state, ignored) = bad.learner();
    assert!(state.notes().is_empty());
    assert!(matches!(
        ignored[0].reason,
        IgnoredReason::UpdateBeforeTarget { .. }
    ));
    assert!(matches!(
        ignored[1].reason,
        IgnoredReason::LooseNotePart { part: 2, parts: 2 }
    ));
}

#[test]
fn enrolments_bookmarks_and_lists() {
    let mut me = Author::new(1);
    for (course, enrolled) in [(8, true), (9, true), (8, false)] {
        me.say_json(
            json!({"type": "studytime_enrolment", "feed_id": feed(course), "enrolled": enrolled}),
        );
    }
    let marked = json!({"type": "studytime_bookmark", "feed_id": feed(9), "lesson": message(1), "position_seconds": 5});
    me.say_json(marked.clone());
    me.say_json(json!({"type": "studytime_bookmark", "feed_id": feed(8)}));
    assert_eq!(me.learner().0.bookmarks().len(), 2);
    me.say_json(typed(
        "studytime_bookmark",
        marked,
        json!({"bookmarked": false}),
    ));
    me.say_json(json!({"type": "studytime_catalogs", "catalogs": [feed(3), feed(2), feed(3)]}));
    let (state, ignored) = me.learner();
    assert!(ignored.is_empty());
    assert_eq!(state.enrolments().len(), 1);
    assert_eq!(state.enrolments()[0].feed_id, feed(9));
    assert_eq!(state.bookmarks().len(), 1);
    assert_eq!(state.catalogs(), Some(vec![feed(3), feed(2)]));
    me.say_json(json!({"type": "studytime_catalogs", "catalogs": []}));
    assert_eq!(me.learner().0.catalogs(), Some(vec![]));
    assert_eq!(LearnerState::new().catalogs(), None);
}

#[test]
fn percent_counts_what_stands_and_survives_updates() {
    let mut c = Author::new(9);
    let one = c.say_json(lesson(1, "One", json!({"lesson_content": "text"})));
    c.say_json(lesson(2, "Two", json!({})));
    let film = c.say_json(video(2, "Film", blob(1)));
    let quiz = c.say_json(test(2, "Quiz", json!({"pass_percent": 60})));
    let mut me = Author::new(1);
    me.say_json(json!({"type": "studytime_enrolment", "feed_id": c.feed, "enrolled": true}));
    let check = |me: &Author, c: &Author| {
        me.learner()
            .0
            .course_progress(&c.feed, &c.body().0.outline())
    };
    let p = check(&me, &c);
    assert_eq!((p.percent, p.next), (0, Some(one)));

    me.say_json(progress(
        json!([{"feed_id": c.feed, "lesson": one, "done": true}]),
    ));
    me.say_json(progress(
        json!([{"feed_id": c.feed, "item": film, "done": true, "position_seconds": 9}]),
    ));
    let p = check(&me, &c);
    assert_eq!((p.percent, p.lessons_done), (75, 1));
    assert_eq!(p.lessons[1].percent, 50);
    assert_eq!(p.lessons[1].items[0].position_seconds, Some(9));
    let two = p.lessons[1].lesson;
    assert_eq!(p.next, Some(two));

    me.say_json(
        json!({"type": "studytime_test_result", "feed_id": c.feed, "item": quiz, "score": 59}),
    );
    assert_eq!(check(&me, &c).percent, 75);
    me.say_json(
        json!({"type": "studytime_test_result", "feed_id": c.feed, "item": quiz, "score": 60}),
    );
    let p = check(&me, &c);
    assert_eq!((p.percent, p.lessons_done, p.next), (100, 2, None));
    assert_eq!(p.lessons[1].items[1].best_score, Some(60));

    // Renumbering, renaming and new text change nothing of that.
    c.say_json(lesson_update(
        json!({"lesson": one, "lesson_number": 7, "lesson_content": "new"}),
    ));
    c.say_json(item_update(
        film,
        json!({"name": "Movie", "sources": [blob(9)], "lesson_number": 7}),
    ));
    assert_eq!(check(&me, &c).percent, 100);
    // A new lesson is more to do; a removed one is not.
    c.say_json(lesson(8, "More", json!({})));
    assert_eq!(check(&me, &c).percent, 66);
    c.say_json(lesson_update(json!({"lesson_number": 8, "removed": true})));
    assert_eq!(check(&me, &c).percent, 100);
    // Explicitly undone.
    me.say_json(progress(
        json!([{"feed_id": c.feed, "lesson": two, "done": false}]),
    ));
    let p = check(&me, &c);
    assert_eq!((p.lessons_done, p.next), (1, Some(two)));
    assert!(p.percent < 100);
}

#[test]
fn where_one_left_off() {
    let mut me = Author::new(1);
    for course in [7, 8, 9] {
        me.say_json(
            json!({"type": "studytime_enrolment", "feed_id": feed(course), "enrolled": true}),
        );
    }
    me.say_json(progress(json!([{"feed_id": feed(8), "lesson": message(1), "item": message(2), "position_seconds": 30}])));
    let (mut state, _) = me.learner();
    let recent = state.recent();
    let order: Vec<_> = recent.iter().map(|(c, _)| *c).collect();
    assert_eq!(order, [feed(8), feed(9), feed(7)]);
    assert_eq!(recent[0].1.lesson, Some(message(1)));
    assert_eq!(recent[0].1.position_seconds, Some(30));

    // What is only known here counts too, and is not stored.
    let local = ProgressEntry {
        position_seconds: Some(99),
        ..ProgressEntry::new(feed(7), Target::Item(message(5)))
    };
    let before = serde_json::to_string(&state).unwrap();
    state.set_local([(&local, 9_999_999)]);
    assert_eq!(state.recent()[0].0, feed(7));
    assert_eq!(
        state
            .mark(&feed(7), Target::Item(message(5)))
            .position_seconds,
        Some(99)
    );
    assert_eq!(serde_json::to_string(&state).unwrap(), before);
}

#[test]
fn progress_follows_to_a_successor_through_replaces() {
    let (mut old, mut new) = (Author::new(8), Author::new(9));
    let l1 = old.say_json(lesson(1, "One", json!({})));
    let film = old.say_json(video(1, "Film", blob(1)));
    let quiz = old.say_json(test(1, "Quiz", json!({"pass_percent": 50})));
    let n1 = new.say_json(lesson(1, "One", json!({"replaces": l1})));
    new.say_json(typed(
        "studytime_course_lesson_video",
        video(1, "Film", blob(1)),
        json!({"replaces": film}),
    ));
    new.say_json(test(
        1,
        "Quiz",
        json!({"replaces": quiz, "pass_percent": 50}),
    ));
    new.say_json(lesson(2, "Two", json!({})));
    let mut me = Author::new(1);
    me.say_json(progress(json!([
        {"feed_id": old.feed, "lesson": l1, "done": true},
        {"feed_id": old.feed, "item": film, "position_seconds": 12, "percent": 40},
    ])));
    me.say_json(
        json!({"type": "studytime_test_result", "feed_id": old.feed, "item": quiz, "score": 55}),
    );
    let (state, _) = me.learner();
    let outline = new.body().0.outline();
    let entries = state.carry_over(&old.feed, &new.feed, &outline);
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|e| e.feed_id == new.feed && e.lesson == Some(n1))
    );
    me.say(studytime_schema::content::Progress { entries });
    let (state, _) = me.learner();
    assert_eq!(state.course_progress(&new.feed, &outline).percent, 50);
    assert!(
        state.carry_over(&old.feed, &new.feed, &outline).is_empty(),
        "nothing new to say"
    );
}

/// What is taken back is done again by the next success, also by one that is no
/// better than the best.
#[test]
fn a_test_that_was_taken_back_can_be_passed_again() {
    let mut c = Author::new(9);
    let quiz = c.say_json(test(1, "Quiz", json!({"pass_percent": 60})));
    let outline = c.body().0.outline();
    let done = |me: &Author| {
        let progress = me.learner().0.course_progress(&c.feed, &outline);
        progress.lessons[0].items[0].done
    };
    let attempt = |score: u8, passed: Option<bool>| {
        let mut said = json!({"type": "studytime_test_result", "feed_id": c.feed, "item": quiz, "score": score});
        if let Some(passed) = passed {
            said["passed"] = passed.into();
        }
        said
    };
    for passed in [None, Some(true)] {
        let mut me = Author::new(1);
        me.say_json(attempt(80, passed));
        assert!(done(&me));
        me.say_json(progress(
            json!([{"feed_id": c.feed, "item": quiz, "done": false}]),
        ));
        assert!(!done(&me), "taken back");
        me.say_json(attempt(20, passed.map(|_| false)));
        assert!(!done(&me), "failed since");
        me.say_json(attempt(80, passed));
        assert!(done(&me), "passed again, no better than before: {passed:?}");
        me.say_json(attempt(10, passed.map(|_| false)));
        assert_eq!(
            done(&me),
            passed.is_some(),
            "what was said to be passed stays so"
        );
    }
}

/// Along a chain of successors, each of which names only the one before it, and
/// where the last one names the first.
#[test]
fn progress_follows_along_a_chain_of_successors() {
    let (mut a, mut b, mut c) = (Author::new(6), Author::new(7), Author::new(8));
    let (a1, a2) = (
        a.say_json(lesson(1, "One", json!({}))),
        a.say_json(lesson(2, "Two", json!({}))),
    );
    let b1 = b.say_json(lesson(1, "One", json!({"replaces": a1})));
    let c1 = c.say_json(lesson(1, "One", json!({"replaces": b1})));
    let c2 = c.say_json(lesson(2, "Two", json!({"replaces": a2})));
    c.say_json(lesson(3, "Three", json!({"replaces": message(99)})));
    let chain = [&a, &b, &c].map(|author| (author.feed, author.body().0.outline()));
    let mut me = Author::new(1);
    me.say_json(progress(json!([
        {"feed_id": a.feed, "lesson": a1, "done": true},
        {"feed_id": a.feed, "lesson": a2, "done": true},
    ])));
    let (mut state, _) = me.learner();
    // What is not published yet counts like the rest.
    let local = ProgressEntry {
        percent: Some(40),
        ..ProgressEntry::new(b.feed, Target::Lesson(b1))
    };
    state.set_local([(&local, 1)]);
    let entries = state.carry_along(&chain);
    let told: Vec<_> = entries
        .iter()
        .map(|e| (e.feed_id, e.lesson, e.done, e.percent))
        .collect();
    assert_eq!(
        told,
        [
            (c.feed, Some(c1), Some(true), Some(40)),
            (c.feed, Some(c2), Some(true), None)
        ]
    );
    // Said once, it need not be said again; nothing comes of a course alone.
    me.say(studytime_schema::content::Progress { entries });
    let (mut state, _) = me.learner();
    state.set_local([(&local, 1)]);
    assert!(state.carry_along(&chain).is_empty());
    assert!(state.carry_along(&chain[..1]).is_empty());
    assert!(state.carry_along(&[]).is_empty());
    let done = state.course_progress(&c.feed, &chain[2].1);
    assert_eq!((done.lessons_done, done.percent), (2, 66));
}
