//! What is found, and in which order.

use crate::world::*;
use proptest::prelude::*;
use serde_json::json;
use studytime_index::{CourseQuery, Reader, Sort};

const TOPICS: [(&str, &str); 8] = [
    ("Cryptography", "ciphers keys secrets"),
    ("Database", "tables rows queries"),
    ("Algebra", "equations numbers letters"),
    ("Gardening", "soil seeds water"),
    ("Optimisation", "minimum maximum algebra"),
    ("Music theory", "scales chords rhythm"),
    ("Photography", "light lenses frames"),
    ("Machine learning", "models data training"),
];
const LANGUAGES: [(&str, &str); 3] = [("Swahili", "sw"), ("French", "fr"), ("English", "en")];
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];

/// A small corpus made by rule: topics by languages by levels, with lessons.
fn corpus() -> World {
    let mut w = World::default();
    for (t, (topic, words)) in TOPICS.iter().enumerate() {
        for (l, (language, tag)) in LANGUAGES.iter().enumerate() {
            for (v, level) in LEVELS.iter().enumerate() {
                let course = format!("c{t}{l}{v}");
                let other = TOPICS[(t + 3) % TOPICS.len()].0;
                w.list(
                    "list",
                    &course,
                    &format!("{topic} in {language}"),
                    json!({"description": format!("A {level} course with {words}; also touches {other}."), "language": tag, "keywords": [topic, level]}),
                );
                let lesson = format!(
                    "{words} lesson {}. {}",
                    v,
                    format!("plain words about {other} databases. ").repeat(3)
                );
                w.lesson(
                    &course,
                    1,
                    &format!("First steps in {topic}"),
                    json!({"lesson_content": lesson}),
                );
            }
        }
    }
    w
}

fn first(reader: &Reader, text: &str) -> Vec<String> {
    names(
        reader,
        &CourseQuery {
            limit: 9,
            ..CourseQuery::text(text)
        },
    )
}

#[test]
fn every_way_of_typing_finds_the_title_first() {
    let held = held(&corpus(), facts(&[], &["list"]));
    let reader = &held.reader;
    for (typed, title) in [
        ("cryptography", "Cryptography in"),
        ("Cryptography", "Cryptography in"),
        ("cryptogr", "Cryptography in"),
        ("cryptograhpy", "Cryptography in"),
        ("database", "Database in"),
        ("databases", "Database in"),
        ("algebra", "Algebra in"),
        ("machine learn", "Machine learning in"),
        ("lerning machine", "Machine learning in"),
        ("c", "Cryptography in"),
    ] {
        let found = first(reader, typed);
        assert!(!found.is_empty(), "{typed}: nothing");
        if typed != "databases" {
            assert!(
                found.iter().all(|n| n.starts_with(title)),
                "{typed}: {found:?}"
            );
        }
    }
    for (typed, language) in [
        ("Swahílí", "Swahili"),
        ("swahili beginner", "Swahili"),
        ("FRENCH música", "French"),
    ] {
        let found = first(reader, typed);
        assert!(
            !found.is_empty() && found.iter().all(|n| n.ends_with(language)),
            "{typed}: {found:?}"
        );
    }
    let page = reader.courses(&CourseQuery::text("cryptograhpy")).unwrap();
    assert!(page.approximate);
    assert!(
        !reader
            .courses(&CourseQuery::text("cryptography"))
            .unwrap()
            .approximate
    );
    assert!(first(reader, "zzzzqqqq").is_empty());
    // Misspelt, and not written out yet.
    for (typed, title) in [
        ("crytpogr", "Cryptography in"),
        ("photgr", "Photography in"),
        ("gardn", "Gardening in"),
        ("machine laern", "Machine learning in"),
    ] {
        let page = reader.courses(&CourseQuery::text(typed)).unwrap();
        assert!(page.approximate && page.total > 0, "{typed}");
        let named = |c: &studytime_index::CourseCard| c.name.starts_with(title);
        assert!(page.items.iter().take(9).all(named), "{typed}");
    }
}

#[test]
fn better_fields_come_first() {
    let mut w = World::default();
    w.list("list", "body", "One", json!({}));
    w.lesson(
        "body",
        1,
        "First",
        json!({"lesson_content": "a word on tectonics, tectonics, tectonics"}),
    );
    w.list("list", "lesson", "Two", json!({}));
    w.lesson("lesson", 1, "Tectonics", json!({}));
    w.list(
        "list",
        "about",
        "Three",
        json!({"description": "about tectonics"}),
    );
    w.list(
        "list",
        "keyword",
        "Four",
        json!({"keywords": ["tectonics"]}),
    );
    w.list(
        "list",
        "title",
        "A rather long title on plates and tectonics for all",
        json!({}),
    );
    w.list(
        "list",
        "all",
        "Five",
        json!({"keywords": ["tectonics"], "description": "tectonics tectonics"}),
    );
    w.lesson(
        "all",
        1,
        "Tectonics",
        json!({"lesson_content": "tectonics"}),
    );
    let held = held(&w, facts(&[], &["list"]));
    for typed in ["tectonics", "tecton"] {
        let found = first(&held.reader, typed);
        assert_eq!(
            found[0], "A rather long title on plates and tectonics for all",
            "{typed}"
        );
        assert_eq!(
            found[1..],
            ["Five", "Four", "Three", "Two", "One"],
            "{typed}"
        );
    }
}

#[test]
fn words_may_stand_in_the_course_and_in_a_lesson() {
    let mut w = World::default();
    w.list("list", "rust", "Rust", json!({"language": "en"}));
    w.lesson(
        "rust",
        1,
        "Variables",
        json!({"lesson_content": "Bindings are immutable."}),
    );
    w.lesson(
        "rust",
        7,
        "Ownership",
        json!({"lesson_content": "# Moves\n\nA [value](x) has **one owner**; borrowing lends it."}),
    );
    w.list(
        "list",
        "law",
        "Law of property",
        json!({"description": "Ownership of land"}),
    );
    let held = held(&w, facts(&[], &["list"]));
    let found = cards(&held.reader, &CourseQuery::text("rust borrowing"));
    assert_eq!(found.len(), 1);
    let hit = found[0].hit.as_ref().unwrap();
    assert_eq!((hit.lesson_number, hit.name.as_str()), (7, "Ownership"));
    let marked: Vec<_> = hit
        .snippet
        .parts
        .iter()
        .filter(|p| p.hit)
        .map(|p| p.text.as_str())
        .collect();
    assert_eq!(marked, ["borrowing"]);
    assert!(
        hit.snippet.plain().contains("A value has one owner"),
        "{}",
        hit.snippet.plain()
    );
    let law = cards(&held.reader, &CourseQuery::text("land"));
    assert!(
        law[0]
            .snippet
            .as_ref()
            .unwrap()
            .parts
            .iter()
            .any(|p| p.hit && p.text == "land")
    );
    assert!(law[0].hit.is_none());
}

#[test]
fn scripts_without_spaces_and_names_with_signs() {
    let mut w = World::default();
    w.list("list", "ml", "機械学習入門", json!({"language": "ja"}));
    w.list("list", "han", "한국어 수학", json!({"language": "ko"}));
    w.list("list", "thai", "ภาษาไทยเบื้องต้น", json!({}));
    w.list("list", "cpp", "Modern C++", json!({}));
    w.list("list", "csharp", "C# in a week", json!({}));
    w.list("list", "hindi", "हिन्दी सीखें", json!({}));
    let held = held(&w, facts(&[], &["list"]));
    for (typed, name) in [
        ("機械", "機械学習入門"),
        ("学習", "機械学習入門"),
        ("習", "機械学習入門"),
        ("수학", "한국어 수학"),
        ("ไทย", "ภาษาไทยเบื้องต้น"),
        ("c++", "Modern C++"),
        ("c#", "C# in a week"),
        ("हिन्", "हिन्दी सीखें"),
    ] {
        assert_eq!(first(&held.reader, typed), [name], "{typed}");
    }
}

#[test]
fn filters_and_orders_go_with_text() {
    let held = held(&corpus(), facts(&[], &["list"]));
    let query = CourseQuery {
        language: Some("sw".into()),
        sort: Sort::Name,
        ..CourseQuery::text("algebra")
    };
    let page = held.reader.courses(&query).unwrap();
    assert!(page.items.iter().all(|c| c.name.ends_with("Swahili")));
    assert_eq!(page.items[0].name, "Algebra in Swahili");
    let languages: usize = page.facets.languages.iter().map(|f| f.count).sum();
    assert_eq!(page.facets.languages.len(), 3);
    assert_eq!(languages, page.total * 3);
}

#[test]
fn rubbish_is_answered() {
    let held = held(&corpus(), facts(&[], &["list"]));
    let rubbish = [
        "\u{0}\u{1}\u{7f}\"*?:()[]{}~^\\/+-&|!".repeat(400),
        "a ".repeat(5_000),
        "algebra AND (NOT \"gardening) OR title:[* TO *]".to_owned(),
        "x".repeat(10_000),
        (0..3_000).map(|n| format!("w{n} ")).collect(),
        "機".repeat(4_000),
        "e\u{301}\u{302}\u{303}".repeat(2_000),
        "\u{202e}\u{feff}\u{fffd}".repeat(3_000),
    ];
    for text in rubbish {
        let page = held
            .reader
            .courses(&CourseQuery::text(text.clone()))
            .unwrap();
        assert!(page.items.len() <= 20);
        held.reader.suggest(&text, 10);
    }
}

#[test]
fn queries_run_beside_the_writer() {
    let mut w = corpus();
    let mut held = held(&w, facts(&[], &["list"]));
    let at = w.log.len();
    for n in 0..200 {
        w.list(
            "list",
            &format!("more {n}"),
            &format!("More algebra {n}"),
            json!({}),
        );
    }
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let reader = held.reader.clone();
            std::thread::spawn(move || {
                let mut last = 0;
                for _ in 0..60 {
                    let page = reader
                        .courses(&CourseQuery {
                            limit: 1000,
                            ..CourseQuery::default()
                        })
                        .unwrap();
                    assert_eq!(page.items.len(), page.total);
                    assert!(page.total >= last);
                    last = page.total;
                    reader.courses(&CourseQuery::text("algebra")).unwrap();
                }
            })
        })
        .collect();
    for (n, entry) in w.log[at..].iter().enumerate() {
        held.index.apply(std::slice::from_ref(entry)).unwrap();
        held.index.tick(NOW + n as u64 * 20).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_may_be_typed(text in "\\PC{0,60}|[a-e \"*:()機]{0,60}") {
        use std::sync::OnceLock;
        // A reader goes on when the writer is gone.
        static HELD: OnceLock<(Reader, tempfile::TempDir)> = OnceLock::new();
        let (reader, _) = HELD.get_or_init(|| {
            let held = held(&corpus(), facts(&[], &["list"]));
            (held.reader, held.dir)
        });
        let page = reader.courses(&CourseQuery::text(text.clone())).unwrap();
        prop_assert!(page.items.len() <= page.total);
        prop_assert!(reader.suggest(&text, 5).len() <= 5);
    }
}
