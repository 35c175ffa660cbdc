//! The same messages give the same answers, however they come in.

use crate::world::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use studytime_index::{Facts, Index, Options, Reach, may_bear};
use studytime_schema::{BlobId, Entry, FeedId, LogPosition};

const LISTS: [&str; 3] = ["list a", "list b", "not a list"];
const COURSES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const PEOPLE: [&str; 3] = ["me", "friend", "stranger"];
const WORDS: [&str; 5] = ["alpha", "beta", "text", "bet", "common thing"];

fn feeds() -> Vec<FeedId> {
    LISTS
        .iter()
        .chain(&COURSES)
        .chain(&PEOPLE)
        .map(|n| id(n))
        .collect()
}

/// One message of some feed.
#[derive(Debug, Clone)]
struct Op {
    author: &'static str,
    private: bool,
    content: Value,
}

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    (0..from.len()).prop_map(move |at| from[at])
}

fn fields() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"description": "a common thing"})),
        Just(json!({"description": ""})),
        Just(json!({"description_blob": blob("about").to_string()})),
        Just(json!({"keywords": ["algebra", "beta"]})),
        Just(json!({"keywords": []})),
        Just(json!({"provider": "Common", "language": "en", "level": "beginner"})),
        Just(json!({"level": "wrong"})),
        Just(json!({"duration_minutes": 30})),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let say = |author, content| Op {
        author,
        private: false,
        content,
    };
    prop_oneof![
        (pick(&LISTS), pick(&COURSES), pick(&WORDS), fields()).prop_map(move |(list, course, name, more)| {
            let mut content = json!({"type": "studytime_course", "feed_id": id(course).to_bare(), "name": name});
            merge(&mut content, more);
            say(list, content)
        }),
        (pick(&LISTS), pick(&COURSES), fields(), 0..6).prop_map(move |(list, course, more, what)| {
            let mut content = json!({"type": "studytime_course_update", "feed_id": id(course).to_bare()});
            merge(&mut content, more);
            match what {
                0 => merge(&mut content, json!({"removed": true})),
                1 => merge(&mut content, json!({"removed": false})),
                2 => merge(&mut content, json!({"deprecated": true, "successor": id(COURSES[0]).to_bare()})),
                3 => merge(&mut content, json!({"deprecated": false})),
                _ => {}
            }
            say(list, content)
        }),
        (pick(&COURSES), pick(&WORDS), fields()).prop_map(move |(course, name, more)| {
            let mut content = json!({"type": "studytime_course", "feed_id": id(course).to_bare(), "name": name});
            merge(&mut content, more);
            say(course, content)
        }),
        (pick(&COURSES), 0..5_u64, pick(&WORDS), 0..3).prop_map(move |(course, number, name, what)| {
            let mut content = json!({"type": "studytime_course_lesson", "lesson_number": number, "name": name});
            match what {
                0 => merge(&mut content, json!({"lesson_content": "some **text** of a lesson"})),
                1 => merge(&mut content, json!({"lesson_content_blob": blob("lesson").to_string()})),
                _ => {}
            }
            say(course, content)
        }),
        (pick(&COURSES), 0..5_u64, 0..4).prop_map(move |(course, number, what)| {
            let mut content = json!({"type": "studytime_course_lesson_update", "lesson_number": number});
            merge(&mut content, match what {
                0 => json!({"removed": true}),
                1 => json!({"removed": false}),
                2 => json!({"name": "renamed"}),
                _ => json!({"lesson_content": "", "section": "S"}),
            });
            say(course, content)
        }),
        (pick(&COURSES), 0..5_u64).prop_map(move |(course, number)| say(course, json!({
            "type": "studytime_course_lesson_attachment", "lesson_number": number, "name": "file",
            "link": blob("file").to_string(), "size": 10}))),
        (pick(&PEOPLE), pick(&COURSES), any::<bool>(), any::<bool>()).prop_map(|(who, course, enrolled, private)| Op {
            author: who,
            private,
            content: json!({"type": "studytime_enrolment", "feed_id": id(course).to_bare(), "enrolled": enrolled}),
        }),
        (pick(&PEOPLE), pick(&COURSES)).prop_map(|(who, course)| Op {
            author: who,
            private: true,
            content: json!({"type": "studytime_note", "feed_id": id(course).to_bare(), "text": "a note"}),
        }),
        (pick(&LISTS), pick(&WORDS)).prop_map(move |(who, name)| say(who, json!({
            "type": "about", "about": id(who).to_string(), "name": name}))),
        (pick(&PEOPLE), pick(&PEOPLE)).prop_map(move |(who, whom)| say(who, json!({
            "type": "contact", "contact": id(whom).to_string(), "following": true}))),
        pick(&COURSES).prop_map(move |who| say(who, json!({"type": "studytime_course_lesson", "name": 3}))),
        (pick(&PEOPLE), pick(&WORDS)).prop_map(move |(who, text)| say(who, json!({"type": "post", "text": text}))),
    ]
}

fn log(ops: &[Op]) -> Vec<Entry> {
    let mut world = World::default();
    for op in ops {
        if op.private {
            world.whisper(op.author, op.content.clone());
        } else {
            world.say(op.author, op.content.clone());
        }
    }
    world.log
}

/// The same messages in another order of arrival; each feed's own order stays.
fn shuffle(log: &[Entry], seed: u64) -> Vec<Entry> {
    let mut feeds: Vec<Vec<Entry>> = Vec::new();
    for entry in log {
        match feeds
            .iter_mut()
            .find(|f| f[0].message.author() == entry.message.author())
        {
            Some(feed) => feed.push(entry.clone()),
            None => feeds.push(vec![entry.clone()]),
        }
    }
    let mut state = seed | 1;
    let mut out = Vec::new();
    while !feeds.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % feeds.len();
        let mut entry = feeds[at].remove(0);
        entry.position = LogPosition(out.len() as u64 + 1);
        out.push(entry);
        if feeds[at].is_empty() {
            feeds.remove(at);
        }
    }
    out
}

fn known() -> Facts {
    Facts {
        reach: HashMap::from([(
            id("friend"),
            Reach {
                hops: 1,
                only_through: None,
            },
        )]),
        bytes_here: having(&[blob("file")]),
        ..facts(&["me"], &["list a", "list b"])
    }
}

fn texts() -> [(BlobId, Arc<str>); 2] {
    [
        (blob("about"), "the text about it".into()),
        (blob("lesson"), "the lesson's text".into()),
    ]
}

/// All that can be asked of an index that took a log in as a whole.
fn told(log: &[Entry], facts: Facts) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts);
    feed(&mut index, log, 1000);
    index.apply_text(&texts()).unwrap();
    index.flush().unwrap();
    everything(&index.reader(), &feeds(), &WORDS)
}

/// Where two answers differ first.
fn difference(a: &Value, b: &Value, path: String) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => x
            .iter()
            .find_map(|(k, v)| difference(v, &y[k], format!("{path}.{k}"))),
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let pairs = x.iter().zip(y).enumerate();
            pairs
                .into_iter()
                .find_map(|(n, (v, w))| difference(v, w, format!("{path}[{n}]")))
        }
        _ if a == b => None,
        _ => Some(format!("{path}: {a} or {b}")),
    }
}

fn same(a: &Value, b: &Value) -> Result<(), TestCaseError> {
    match difference(a, b, String::new()) {
        None => Ok(()),
        Some(text) => Err(TestCaseError::fail(text)),
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn arrival_and_batches_do_not_matter(ops in prop::collection::vec(op(), 1..60), seed: u64, batch in 1_usize..12) {
        let log = log(&ops);
        let expected = told(&log, known());
        let shuffled = shuffle(&log, seed);
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path(), known());
        // Texts before the messages that name them, and messages twice.
        index.apply_text(&texts()).unwrap();
        for entries in shuffled.chunks(batch) {
            index.apply(entries).unwrap();
            index.apply(entries).unwrap();
            index.flush().unwrap();
        }
        same(&everything(&index.reader(), &feeds(), &WORDS), &expected)?;
    }

    #[test]
    fn a_list_that_goes_takes_what_it_alone_gave(ops in prop::collection::vec(op(), 1..60), seed: u64) {
        let log = shuffle(&log(&ops), seed);
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path(), known());
        feed(&mut index, &log, 1000);
        index.apply_text(&texts()).unwrap();
        index.flush().unwrap();
        let without = Facts { lists: vec![id("list b")], ..known() };
        index.set_facts(without.clone()).unwrap();
        let reader = index.reader();
        same(&everything(&reader, &feeds(), &WORDS), &told(&log, without))?;
        // What is still there is on the other list, or the learner's.
        for course in reader.listed_courses() {
            prop_assert!(course.started || course.lists == [id("list b")], "{:?}", course);
        }
    }

    #[test]
    fn what_cannot_bear_need_not_be_handed_in(ops in prop::collection::vec(op(), 1..60), batch in 1_usize..12) {
        let log = log(&ops);
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path(), known());
        for entries in log.chunks(batch) {
            let bearing: Vec<_> = entries
                .iter()
                .filter(|e| may_bear(e.message.wire()))
                .cloned()
                .collect();
            prop_assert!(bearing.iter().all(|e| e.message.content_type() != Some("post")));
            let last = entries[entries.len() - 1].position;
            let changes = index.apply_to(&bearing, last).unwrap();
            prop_assert_eq!((changes.position, index.position()), (last, last));
        }
        index.apply_text(&texts()).unwrap();
        index.flush().unwrap();
        same(&everything(&index.reader(), &feeds(), &WORDS), &told(&log, known()))?;
    }

    #[test]
    fn stops_snapshots_and_late_facts_do_not_matter(ops in prop::collection::vec(op(), 1..60), stop in 0_usize..60, clean: bool) {
        let log = log(&ops);
        let expected = told(&log, known());
        let dir = tempfile::tempdir().unwrap();
        let stop = stop.min(log.len());
        let mut index = open(dir.path(), facts(&[], &["list b", "not a list"]));
        index.apply(&log[..stop]).unwrap();
        if clean {
            index.flush().unwrap();
        }
        drop(index);
        let mut index = open(dir.path(), known());
        prop_assert_eq!(index.position().0, stop as u64);
        feed(&mut index, &log, 3);
        index.apply_text(&texts()).unwrap();
        index.recount_blobs().unwrap();
        index.flush().unwrap();
        same(&everything(&index.reader(), &feeds(), &WORDS), &expected)?;
        // To other facts and back is as if nothing had been.
        index.set_facts(facts(&["friend"], &["list b"])).unwrap();
        index.set_facts(known()).unwrap();
        same(&everything(&index.reader(), &feeds(), &WORDS), &expected)?;
        // So is a rebuild.
        let mut again = Index::rebuild(dir.path(), Options { facts: known(), ..Options::default() }).unwrap();
        feed(&mut again, &log, 7);
        again.apply_text(&texts()).unwrap();
        again.swap_in().unwrap();
        same(&everything(&again.reader(), &feeds(), &WORDS), &expected)?;
    }
}
