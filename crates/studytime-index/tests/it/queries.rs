//! Filters, orders, pages, popularity, completions.

use crate::world::*;
use serde_json::json;
use std::collections::HashMap;
use studytime_index::{CourseQuery, DurationBand, Facts, Reach, Sort};
use studytime_schema::content::Level;

/// What is kept of all courses is what looking at each of them gives.
#[test]
fn kept_counts_and_orders_are_those_of_a_look_at_all() {
    let mut w = World::default();
    for n in 0..60 {
        let more = json!({"keywords": [(["algebra", "botany", "strange"][n % 3])], "provider": (["One", "one", "Two"][n % 3]),
            "language": (["en", "fr"][n % 2]), "level": "beginner", "duration_minutes": (n * 7) % 50, "license": "MIT"});
        w.list(
            "list",
            &format!("c{n}"),
            &format!("Course {}", n * 37 % 60),
            more,
        );
    }
    w.enrol("me", "c5", false);
    let mut held = held(&w, facts(&["me"], &["list"]));
    let same = |held: &Held| {
        for sort in [Sort::Popular, Sort::Newest, Sort::Shortest, Sort::Name] {
            for offset in [0, 7, 55, 100] {
                let kept = CourseQuery {
                    sort,
                    offset,
                    limit: 9,
                    ..CourseQuery::default()
                };
                // A filter that all pass.
                let looked = CourseQuery {
                    list: Some(id("list")),
                    ..kept.clone()
                };
                let page = held.reader.courses(&kept).unwrap();
                assert_eq!(page, held.reader.courses(&looked).unwrap());
                assert_eq!(page.items.len(), 9.min(page.total.saturating_sub(offset)));
            }
        }
        held.reader.courses(&CourseQuery::default()).unwrap()
    };
    assert_eq!(same(&held).total, 60);
    w.update("list", "c3", json!({"deprecated": true}));
    w.update("list", "c4", json!({"removed": true}));
    w.update(
        "list",
        "c5",
        json!({"keywords": ["botany"], "name": "Aardvarks", "duration_minutes": 0}),
    );
    w.list("list", "more", "More", json!({}));
    feed(&mut held.index, &w.log, 1);
    let page = same(&held);
    assert_eq!((page.total, page.facets.deprecated), (59, 1));
    assert_eq!(page.facets.started, 1);
    let started = CourseQuery {
        started: Some(true),
        facets: false,
        ..CourseQuery::default()
    };
    let counted = CourseQuery {
        facets: true,
        ..started.clone()
    };
    assert_eq!(names(&held.reader, &started), ["Aardvarks"]);
    assert_eq!(names(&held.reader, &counted), ["Aardvarks"]);
}

#[test]
fn filters_facets_and_orders() {
    let mut w = two_lists();
    w.list(
        "list one",
        "old",
        "Old",
        json!({"duration_minutes": 700, "language": "en", "license": "mit"}),
    );
    w.update(
        "list one",
        "old",
        json!({"deprecated": true, "successor": id("rust").to_bare()}),
    );
    let held = held(&w, facts(&[], &["list one", "list two"]));
    let ask = |query: CourseQuery| names(&held.reader, &query);
    let q = CourseQuery::default;
    assert_eq!(
        ask(CourseQuery {
            language: Some("EN".into()),
            ..q()
        }),
        ["Algebra"]
    );
    assert_eq!(
        ask(CourseQuery {
            language: Some("en-gb".into()),
            ..q()
        }),
        ["Algebra"]
    );
    assert_eq!(
        ask(CourseQuery {
            level: Some(Level::Beginner),
            ..q()
        }),
        ["Algebra"]
    );
    assert_eq!(
        ask(CourseQuery {
            provider: Some("oxide".into()),
            ..q()
        }),
        ["Rust"]
    );
    assert_eq!(
        ask(CourseQuery {
            duration: Some(DurationBand::Short),
            ..q()
        }),
        ["Algebra"]
    );
    assert_eq!(
        ask(CourseQuery {
            category: Some("Mathematics".into()),
            ..q()
        }),
        ["Algebra"]
    );
    assert_eq!(
        ask(CourseQuery {
            subject: Some("Physics".into()),
            ..q()
        }),
        ["Physics"]
    );
    assert_eq!(
        ask(CourseQuery {
            list: Some(id("list two")),
            ..q()
        }),
        ["Algebra", "Physics"]
    );
    assert!(
        ask(CourseQuery {
            list: Some(id("nobody")),
            ..q()
        })
        .is_empty()
    );
    assert!(
        ask(CourseQuery {
            started: Some(true),
            ..q()
        })
        .is_empty()
    );
    assert_eq!(
        ask(CourseQuery {
            sort: Sort::Name,
            include_deprecated: true,
            ..q()
        }),
        ["Algebra", "Old", "Physics", "Rust"]
    );
    assert_eq!(
        ask(CourseQuery {
            sort: Sort::Shortest,
            include_deprecated: true,
            ..q()
        })[..2],
        ["Algebra", "Old"]
    );
    assert_eq!(
        ask(CourseQuery {
            sort: Sort::Newest,
            ..q()
        })[0],
        "Rust"
    );

    let page = held
        .reader
        .courses(&CourseQuery {
            language: Some("fr".into()),
            ..q()
        })
        .unwrap();
    assert_eq!(page.total, 1);
    let languages: Vec<_> = page
        .facets
        .languages
        .iter()
        .map(|f| (f.value.as_str(), f.count))
        .collect();
    assert_eq!(languages, [("en", 1), ("fr", 1)]);
    assert_eq!(page.facets.levels, []);
    let page = held
        .reader
        .courses(&CourseQuery {
            include_deprecated: true,
            ..q()
        })
        .unwrap();
    assert_eq!(page.facets.licenses.len(), 1);
    assert_eq!(page.facets.licenses[0].count, 2);
    assert_eq!(page.facets.deprecated, 1);

    let old = held.reader.course(&id("old")).unwrap().unwrap();
    assert_eq!(old.replaced_by.unwrap().name, "Rust");
}

#[test]
fn pages_neither_overlap_nor_leave_gaps() {
    let mut w = World::default();
    for n in 0..57 {
        w.list(
            "list",
            &format!("course {n}"),
            "Same name",
            json!({"duration_minutes": n % 3}),
        );
    }
    let held = held(&w, facts(&[], &["list"]));
    for (sort, text) in [
        (Sort::Popular, ""),
        (Sort::Name, ""),
        (Sort::Shortest, ""),
        (Sort::Newest, ""),
        (Sort::Relevance, "same"),
    ] {
        let mut seen = std::collections::BTreeSet::new();
        for offset in (0..60).step_by(10) {
            let query = CourseQuery {
                sort,
                offset,
                limit: 10,
                text: text.to_owned(),
                ..CourseQuery::default()
            };
            let page = held.reader.courses(&query).unwrap();
            assert_eq!(page.total, 57);
            seen.extend(page.items.into_iter().map(|c| c.feed_id));
        }
        assert_eq!(seen.len(), 57, "{sort:?}");
    }
    let past = CourseQuery {
        offset: usize::MAX,
        ..CourseQuery::default()
    };
    assert!(cards(&held.reader, &past).is_empty());
}

#[test]
fn popularity_weighs_people_by_distance() {
    let mut w = two_lists();
    for (who, course) in [
        ("friend", "physics"),
        ("far", "rust"),
        ("stranger", "algebra"),
        ("me", "algebra"),
    ] {
        w.enrol(who, course, true);
    }
    let near = |hops| Reach {
        hops,
        only_through: None,
    };
    let with = |people: &[(&str, u8)]| Facts {
        reach: people
            .iter()
            .map(|(who, hops)| (id(who), near(*hops)))
            .collect::<HashMap<_, _>>(),
        ..facts(&["me"], &["list one", "list two"])
    };
    let mut held = held(&w, with(&[("friend", 1), ("far", 2), ("me", 0)]));
    assert_eq!(
        names(&held.reader, &CourseQuery::default()),
        ["Physics", "Rust", "Algebra"]
    );
    assert_eq!(cards(&held.reader, &CourseQuery::default())[0].learners, 1);
    assert_eq!(held.reader.subjects()[0].subjects[0].subject, "Physics");
    held.index.set_facts(with(&[])).unwrap();
    assert_eq!(
        names(&held.reader, &CourseQuery::default()),
        ["Algebra", "Rust", "Physics"]
    );
}

#[test]
fn suggestions_complete_names_subjects_and_keywords() {
    let w = two_lists();
    let held = held(&w, facts(&[], &["list one", "list two"]));
    let texts = |prefix: &str| -> Vec<String> {
        held.reader
            .suggest(prefix, 10)
            .into_iter()
            .map(|s| s.text)
            .collect()
    };
    assert_eq!(texts("ALG"), ["Algebra", "Algebra"]);
    assert_eq!(texts("Phy")[0], "Physics");
    assert!(texts("prog").contains(&"Programming".to_owned()));
    assert!(texts("").is_empty() && texts("\u{0}\"*").is_empty());
    assert_eq!(held.reader.suggest("a", 1).len(), 1);
    assert!(held.reader.suggest("a", 0).is_empty());
}

#[test]
fn answers_go_through_json_unchanged() {
    fn same<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
        value: &T,
    ) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    }
    let mut w = two_lists();
    w.enrol("me", "algebra", false);
    let held = held(&w, facts(&["me"], &["list one", "list two"]));
    let query = CourseQuery::text("numbers");
    same(&query);
    same(&held.reader.courses(&query).unwrap());
    same(&held.reader.course(&id("algebra")).unwrap());
    same(&held.reader.lesson(&id("algebra"), 1).unwrap());
    same(&held.reader.learner().unwrap());
    same(&held.reader.subjects());
    same(&held.reader.suggest("a", 5));
    same(&held.reader.lists().unwrap());
    same(&held.reader.listed_courses());
    same(&held.reader.needed_blobs(&id("algebra")).unwrap());
    let all: CourseQuery = serde_json::from_str("{}").unwrap();
    assert_eq!(all, CourseQuery::default());
}

#[test]
fn a_new_follow_reads_only_what_it_touches() {
    let mut w = two_lists();
    w.enrol("friend", "physics", true);
    let mut held = held(&w, facts(&[], &["list one", "list two"]));
    let near = Reach {
        hops: 1,
        only_through: None,
    };
    let with_friend = Facts {
        reach: HashMap::from([(id("friend"), near)]),
        ..facts(&[], &["list one", "list two"])
    };
    let changes = held.index.set_facts(with_friend.clone()).unwrap();
    assert_eq!(Vec::from_iter(changes.courses), [id("physics")]);
    assert_eq!(names(&held.reader, &CourseQuery::default())[0], "Physics");
    assert!(
        held.index
            .set_facts(with_friend.clone())
            .unwrap()
            .is_empty()
    );
    // A course opened by a link comes and goes.
    w.lesson("loose", 1, "Only", json!({}));
    feed(&mut held.index, &w.log, 10);
    let opened = Facts {
        opened: vec![id("loose")],
        ..with_friend.clone()
    };
    let changes = held.index.set_facts(opened).unwrap();
    assert_eq!(Vec::from_iter(changes.courses), [id("loose")]);
    assert_eq!(names(&held.reader, &CourseQuery::default()).len(), 4);
    held.index.set_facts(with_friend).unwrap();
    assert_eq!(names(&held.reader, &CourseQuery::default()).len(), 3);
}
