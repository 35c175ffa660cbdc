//! Rule 7: any order across feeds, any repetition, a rebuild, or a snapshot
//! plus tail give the same state. And rule 1 against a model of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fold_support;

use fold_support::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use studytime_schema::fold::{CourseBody, Input, LessonsTouched, Step};
use studytime_schema::{Entry, FeedId, Keypair, LogPosition, Message, Tip};

const FEEDS: u8 = 4;

/// A message to be written: what it says, and which earlier message it names.
fn content() -> impl Strategy<Value = (u8, u8, u8, u8, u8)> {
    (0..18u8, 0..FEEDS, 0..4u8, any::<u8>(), 0..4u8)
}

fn text_patch(n: u8) -> Option<&'static str> {
    [None, Some(""), Some("one"), Some("two")][usize::from(n)]
}

fn put(mut value: Value, key: &str, said: Option<impl Into<Value>>) -> Value {
    if let Some(said) = said {
        value[key] = said.into();
    }
    value
}

fn write(author: &mut Author, (kind, course_no, number, pick, patch): (u8, u8, u8, u8, u8)) {
    let c = feed(course_no);
    let number = u64::from(number);
    let named = author
        .log
        .get(usize::from(pick) % author.log.len().max(1))
        .filter(|_| pick % 7 != 0)
        .map_or(message(pick), |m| m.id);
    let text = text_patch(patch);
    let flag = [None, Some(true), Some(false), None][usize::from(patch)];
    let value = match kind {
        0 | 1 => put(
            course(c, text.unwrap_or("Name"), json!({})),
            "provider",
            text,
        ),
        2 | 3 => put(course_update(c, json!({})), "provider", text),
        4 => put(
            course_update(c, json!({"description": "d"})),
            "deprecated",
            flag,
        ),
        5 => put(
            course_update(c, json!({"successor": feed(pick % FEEDS)})),
            "removed",
            flag,
        ),
        6 | 7 => put(
            lesson(number, text.unwrap_or("Lesson"), json!({})),
            "section",
            text,
        ),
        8 => put(
            lesson_update(json!({"lesson_number": number})),
            "removed",
            flag,
        ),
        9 => put(
            lesson_update(json!({"lesson": named, "lesson_number": number})),
            "removed",
            flag,
        ),
        10 => put(
            lesson_update(json!({"lesson": named})),
            "lesson_content",
            text,
        ),
        11 => attachment(number, "File", blob(pick)),
        12 => video(number, "Film", blob(pick)),
        13 => put(
            item_update(named, json!({"lesson_number": number})),
            "removed",
            flag,
        ),
        14 => put(item_update(named, json!({"name": "Renamed"})), "path", text),
        15 => json!({"type": "studytime_progress", "entries": [
            put(json!({"feed_id": c, "lesson": message(pick % 4), "position_seconds": pick}), "done", flag)]}),
        16 => put(
            json!({"type": "studytime_note", "feed_id": c, "text": "n", "part": 1 + number.min(1), "parts": 2}),
            "note",
            (patch == 1).then(|| named.to_string()),
        ),
        _ => {
            json!({"type": "studytime_test_result", "feed_id": c, "item": message(pick % 4), "score": pick % 101})
        }
    };
    // Times go backwards now and then, as clocks do.
    author.say_at(value, u64::from(pick) * 10);
}

fn authors() -> impl Strategy<Value = Vec<Author>> {
    prop::collection::vec(prop::collection::vec(content(), 0..25), usize::from(FEEDS)).prop_map(
        |feeds| {
            (0..)
                .zip(feeds)
                .map(|(n, contents)| {
                    let mut author = Author::new(n);
                    for content in contents {
                        write(&mut author, content);
                    }
                    author
                })
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_interleaving_repetition_and_snapshot_gives_the_same(
        authors in authors(),
        choices in prop::collection::vec((0..FEEDS, 0..20u8), 0..200),
    ) {
        let mut whole = World::default();
        let mut reports = Vec::new();
        for msg in authors.iter().flat_map(|a| &a.log) {
            reports.extend(whole.apply(msg));
        }

        let mut world = World::default();
        let mut other_reports = Vec::new();
        let mut next = vec![0usize; authors.len()];
        for (who, what) in choices {
            let author = &authors[usize::from(who)];
            let at = &mut next[usize::from(who)];
            match what {
                // Store and go on from what was stored.
                0 => world = world.stored(),
                // Say again what was said already.
                1 | 2 => for msg in &author.log[..*at] {
                    prop_assert!(world.apply(msg).iter().all(|i| reports.contains(i)));
                },
                _ => if let Some(msg) = author.log.get(*at) {
                    other_reports.extend(world.apply(msg));
                    *at += 1;
                },
            }
        }
        for (author, at) in authors.iter().zip(next) {
            for msg in &author.log[at..] {
                other_reports.extend(world.apply(msg));
            }
        }
        prop_assert_eq!(&world, &whole);
        prop_assert_eq!(world.stored(), whole.clone());
        let key = |i: &studytime_schema::fold::Ignored| (i.feed, i.sequence);
        reports.sort_by_key(key);
        other_reports.sort_by_key(key);
        prop_assert_eq!(other_reports, reports);

        // A list's order changes what is shown, never what is stored.
        let lists: Vec<FeedId> = (0..FEEDS).map(feed).collect();
        for course in &lists {
            let shown = world.record(*course, &lists);
            prop_assert_eq!(&shown, &whole.record(*course, &lists));
            if let Some(record) = shown {
                let again: studytime_schema::view::CourseRecord =
                    serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
                prop_assert_eq!(again, record);
            }
        }
        for body in whole.bodies.values() {
            let outline = body.outline();
            let again: studytime_schema::view::CourseOutline =
                serde_json::from_str(&serde_json::to_string(&outline).unwrap()).unwrap();
            prop_assert_eq!(&again, &outline);
            let numbers: Vec<u64> = outline.lessons.iter().map(|l| l.lesson_number).collect();
            prop_assert!(numbers.is_sorted());
        }
    }

    /// Lessons kept one by one, by what each few messages touched, are those
    /// of the outline, in its order.
    #[test]
    fn lessons_one_by_one_are_the_outline(
        author in prop::collection::vec(content(), 0..80),
        pauses in prop::collection::vec(any::<bool>(), 80),
    ) {
        let mut writer = Author::new(1);
        for content in author {
            write(&mut writer, content);
        }
        let mut body = CourseBody::new(writer.feed);
        let mut touched = LessonsTouched::default();
        let mut kept = BTreeMap::new();
        for (msg, pause) in writer.log.iter().zip(pauses.iter().cycle()) {
            if let Ok(Some(step)) = Step::read(msg) {
                body.apply_noting(&step, &mut touched);
            }
            if *pause {
                for now in body.lessons_now(&touched) {
                    kept.insert(now.id, now);
                }
                touched.clear();
            }
        }
        for now in body.lessons_now(&touched) {
            kept.insert(now.id, now);
        }
        let mut rows: Vec<_> = kept
            .into_values()
            .filter_map(|now| Some((now.taken, now.view?)))
            .collect();
        rows.sort_by_key(|(taken, view)| (view.lesson_number, *taken));
        let lessons: Vec<_> = rows.into_iter().map(|(_, view)| view).collect();
        prop_assert_eq!(lessons, body.outline().lessons);
    }

    /// A model of rule 1 and 3 for one field: the last statement of a list
    /// that names the course, and the first list that made any.
    #[test]
    fn one_field_by_a_model(authors in authors(), order in Just((0..FEEDS).collect::<Vec<u8>>()).prop_shuffle()) {
        let mut world = World::default();
        for msg in authors.iter().flat_map(|a| &a.log) {
            world.apply(msg);
        }
        let lists: Vec<FeedId> = order.iter().map(|n| feed(*n)).collect();
        for c in (0..FEEDS).map(feed) {
            let mut said: Option<Option<String>> = None;
            let mut listed_by = Vec::new();
            let own = authors.iter().find(|a| a.feed == c).map(|a| a.feed);
            for list in lists.iter().copied().chain(own) {
                let author = authors.iter().find(|a| a.feed == list).unwrap();
                let (mut listed, mut removed, mut last) = (false, false, None);
                for msg in &author.log {
                    let value: Value = serde_json::from_str(&msg.content).unwrap();
                    if value["feed_id"] != c.to_string() {
                        continue;
                    }
                    match value["type"].as_str().unwrap() {
                        "studytime_course" => {
                            listed = true;
                            removed = false;
                        }
                        "studytime_course_update" if listed => {
                            removed = value["removed"].as_bool().unwrap_or(removed);
                        }
                        _ => continue,
                    }
                    if let Some(text) = value["provider"].as_str() {
                        last = Some(Some(text.to_owned()).filter(|t| !t.is_empty()));
                    }
                }
                if listed && !removed {
                    listed_by.push(list);
                    said = said.or(last);
                }
            }
            let record = world.record(c, &lists);
            prop_assert_eq!(record.is_some(), !listed_by.is_empty());
            if let Some(record) = record {
                prop_assert_eq!(record.provider, said.flatten());
                // The course's own record does not make it a list of its own twice.
                listed_by.dedup();
                prop_assert!(record.listed_by.iter().all(|l| listed_by.contains(l)));
            }
        }
    }

    #[test]
    fn no_content_makes_a_state_panic(content in ".{0,200}", sequence in 1..u64::MAX) {
        let msg = Msg { feed: feed(1), sequence, id: message(1), time: 0, content, private: false };
        let mut world = World::default();
        world.apply(&msg);
        Author { feed: feed(1), log: vec![msg] }.body();
    }
}

/// The same through signed messages and entries, as a log hands them over.
#[test]
fn entries_fold_as_inputs() {
    let keys = Keypair::from_seed(&[7; 32]);
    let mut tip: Option<Tip> = None;
    let mut world = World::default();
    for (n, content) in [
        course(keys.id(), "Signed", json!({})),
        lesson(1, "One", json!({"lesson_content": "Hello"})),
    ]
    .into_iter()
    .enumerate()
    {
        let message =
            Message::sign(&keys, tip.as_ref(), 1_700_000_000_000, &content, None).unwrap();
        tip = Some(message.tip());
        let entry = Entry {
            position: LogPosition(n as u64 + 1),
            received: 1,
            message: Arc::new(message),
            opened_private: None,
            blob_text: None,
        };
        let input = Input::from(&entry);
        assert_eq!(input.sequence, n as u64 + 1);
        let step = Step::read(&entry).unwrap().unwrap();
        assert_eq!(step.time, 1_700_000_000_000);
        let body = world
            .bodies
            .entry(keys.id())
            .or_insert_with(|| studytime_schema::fold::CourseBody::new(keys.id()));
        assert!(body.apply(&entry).is_empty());
    }
    let body = &world.bodies[&keys.id()];
    assert_eq!(body.own().unwrap().name(), Some("Signed"));
    assert_eq!(
        body.outline().lessons[0].lesson_content.as_deref(),
        Some("Hello")
    );
}
