//! How long things take with 5,000 courses: printed, never asserted.

use crate::world::*;
use serde_json::json;
use std::time::Instant;
use studytime_index::{CourseQuery, Sort};

const COURSES: usize = 5_000;

/// Words by rule: a few frequent ones, many rare ones.
fn text(mut seed: u64, words: usize) -> String {
    let mut out = String::new();
    for _ in 0..words {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let u = ((seed >> 11) as f64) / ((1_u64 << 53) as f64);
        let word = (20_000_f64.powf(u)) as u64;
        let mut n = word.wrapping_mul(2_654_435_761) % 1_000_003 + 26;
        while n > 0 {
            out.push((b'a' + (n % 26) as u8) as char);
            n /= 26;
        }
        out.push(' ');
    }
    out
}

#[test]
fn five_thousand_courses() {
    let mut w = World::default();
    for n in 0..COURSES {
        let seed = n as u64 * 7919;
        w.list(
            "list",
            &format!("course {n}"),
            &text(seed, 4),
            json!({"description": text(seed + 1, 50), "keywords": [text(seed + 2, 1).trim()], "language": (["en", "fr", "sw"][n % 3]), "duration_minutes": n % 900}),
        );
        if n % 5 == 0 {
            for lesson in 1..=4 {
                w.lesson(
                    &format!("course {n}"),
                    lesson,
                    &text(seed + lesson, 3),
                    json!({"lesson_content": text(seed + 9 + lesson, 200)}),
                );
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    for entries in w.log.chunks(1000) {
        index.apply(entries).unwrap();
    }
    let rows = start.elapsed();
    index.flush().unwrap();
    println!(
        "{} messages: rows {rows:?}, with text {:?}",
        w.log.len(),
        start.elapsed()
    );
    drop(index);

    let start = Instant::now();
    let mut index = open(dir.path(), facts(&[], &["list"]));
    let reader = index.reader();
    let page = reader.courses(&CourseQuery::default()).unwrap();
    println!("open and first page: {:?}", start.elapsed());
    assert_eq!(page.total, COURSES);

    let start = Instant::now();
    index.set_facts(facts(&[], &["list"])).unwrap();
    println!("new facts: {:?}", start.elapsed());

    let word = text(3, 1);
    let two = format!("{} {}", text(4, 1).trim(), &text(5, 1)[..3]);
    for (what, query) in [
        (
            "all, by name",
            CourseQuery {
                sort: Sort::Name,
                ..CourseQuery::default()
            },
        ),
        ("one word", CourseQuery::text(word.trim())),
        ("two words", CourseQuery::text(two)),
        ("one letter", CourseQuery::text("a")),
        ("two letters", CourseQuery::text("ab")),
        ("nothing alike", CourseQuery::text("qwzzxkjh")),
    ] {
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let start = Instant::now();
                reader.courses(&query).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        let page = reader.courses(&query).unwrap();
        let alike = if page.approximate {
            ", similar words"
        } else {
            ""
        };
        println!(
            "{what}: {:?}, slowest {:?} ({} courses{alike})",
            times[7], times[14], page.total
        );
    }
    let start = Instant::now();
    for prefix in ["a", "ab", "abc", "b", "ca"] {
        reader.suggest(prefix, 8);
    }
    println!("suggest: {:?} each", start.elapsed() / 5);
    let start = Instant::now();
    w.list("list", "one more", "One more", json!({}));
    index.apply(&w.log[w.log.len() - 1..]).unwrap();
    println!("own message: {:?}", start.elapsed());
}
