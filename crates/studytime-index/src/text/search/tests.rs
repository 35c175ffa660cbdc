//! The bound on a search's work.

use super::*;
use crate::text::forms::MAX_TOLD;
use crate::text::{Doc, TextIndex, ask};

/// Words that share their beginnings, so that any query stands for many.
fn word(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("aaaa{}{}{}", letter(n), letter(n / 26), letter(n / 676))
}

#[test]
fn no_query_does_more_than_so_much() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = TextIndex::open(&dir.path().join("text"), 1, 15_000_000).unwrap();
    for doc in 0..40_u64 {
        let body: Vec<String> = (0..500).map(|n| word(n * 40 + doc as usize)).collect();
        let made = Doc {
            doc: doc << 1 | 1,
            course: doc,
            lesson: body[..100].join(" "),
            body: body.join(" "),
            ..Doc::default()
        };
        text.put(&made, true).unwrap();
    }
    text.commit(1).unwrap();
    let reader = text.reader();
    let mut languages = Languages::default();
    for tag in ["en", "de", "fr", "es", "it", "pt", "nl", "ro"] {
        languages.add(crate::text::stem::stemmer(tag).unwrap());
    }
    let courses = Courses {
        counts: |_| u8::MAX,
        languages: &languages,
        language: |_| 1,
        place: |course| u32::try_from(course).ok(),
        places: 40,
    };
    let many: String = (0..900).map(|n| format!("{} ", word(n * 13))).collect();
    let short: String = ('a'..='z').map(|c| format!("aaaa{c} ")).collect();
    let small = Budget {
        postings: 700,
        steps: 300,
        frequent: 100,
    };
    let (mut found, mut spent) = (0, 0);
    for typed in [
        "aa",
        "aaaa",
        "aaaabcdefghi",
        "aaaa aaab aaac",
        &many,
        &short,
    ] {
        for open in ["", " "] {
            let asked = ask(&format!("{}{open}", typed.trim()));
            for manner in [Manner::Exact, Manner::Similar, Manner::Begun] {
                let with = |budget| {
                    let scratch = Scratch::default();
                    let texts = Texts::now(&reader, &scratch);
                    texts
                        .search_within(budget, &asked, manner, &courses)
                        .unwrap()
                };
                let searched = with(Budget::WHOLE);
                found += searched.matches.len();
                let steps = MAX_STEPS - searched.left.steps;
                let postings = MAX_POSTINGS - searched.left.postings;
                // Whatever is more than the bound is left undone.
                let bounded = with(small);
                assert!(bounded.matches.len() <= searched.matches.len());
                assert!(steps < small.steps || bounded.left.steps == 0, "{typed}");
                spent += usize::from(steps > small.steps || postings > small.postings);
                assert!(bounded.similar.iter().all(|told| told.len() <= MAX_TOLD));
            }
        }
    }
    assert!(
        found > 100 && spent > 4,
        "{found} courses, {spent} beyond the bound"
    );
}

/// Lessons that all count alike are the same lessons.
#[test]
fn frequent_words_are_found_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = TextIndex::open(&dir.path().join("text"), 1, 15_000_000).unwrap();
    for doc in 0..400_u64 {
        let (course, number) = (doc / 4, 4 - doc % 4);
        let mut body = vec!["always".to_owned()];
        body.extend((2..5).filter(|n| doc % n == 0).map(|n| format!("every{n}")));
        let kind = doc % 4;
        let made = Doc {
            doc: doc << 1 | u64::from(kind > 0),
            course,
            number,
            title: if kind == 0 {
                body.join(" ")
            } else {
                String::new()
            },
            lesson: if kind == 1 {
                body.join(" ")
            } else {
                String::new()
            },
            body: if kind > 1 {
                body.join(" ")
            } else {
                String::new()
            },
            ..Doc::default()
        };
        text.put(&made, true).unwrap();
        if doc == 250 {
            text.commit(1).unwrap();
        }
    }
    // Changed and gone: what is deleted is not found.
    text.remove(7 << 1 | 1).unwrap();
    text.commit(2).unwrap();
    let reader = text.reader();
    let mut languages = Languages::default();
    languages.add(crate::text::stem::stemmer("en").unwrap());
    let courses = Courses {
        counts: |_| u8::MAX,
        languages: &languages,
        language: |course| u32::from(course % 2 == 0),
        // Not all of them are shown.
        place: |course| u32::try_from(course).ok().filter(|c| c % 7 != 0),
        places: 100,
    };
    let scratch = Scratch::default();
    let mut found = 0;
    for typed in [
        "always",
        "alw",
        "every",
        "every2 ",
        "every2 every3 ",
        "alway ",
        "every4 always",
        "nothing",
    ] {
        let asked = ask(typed);
        let with = |frequent| {
            let budget = Budget {
                frequent,
                ..Budget::WHOLE
            };
            let texts = Texts::now(&reader, &scratch);
            let searched = texts.search_within(budget, &asked, Manner::Exact, &courses);
            let matches = searched.unwrap().matches.into_iter();
            matches
                .map(|m| (m.at, m.words, m.lesson.is_some()))
                .collect::<Vec<_>>()
        };
        let single = with(u64::MAX);
        assert_eq!(with(0), single, "{typed}");
        // Nothing of a search is left for the next one.
        assert_eq!(with(0), with(u64::MAX), "{typed}");
        found += single.len();
    }
    assert!(found > 400, "{found}");
}
