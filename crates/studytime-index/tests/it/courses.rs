//! Courses, lists, filters, pages, blobs.

use crate::world::*;
use serde_json::json;
use std::collections::HashMap;
use studytime_index::{CourseQuery, DurationBand, Facts, Reach, Sort, TextBlob};
use studytime_schema::content::Level;
use studytime_schema::view::BlobRole;

fn two_lists() -> World {
    let mut w = World::default();
    w.about("list one", "First list");
    w.list(
        "list one",
        "algebra",
        "Algebra",
        json!({"keywords": ["algebra"], "language": "en-GB", "level": "beginner", "duration_minutes": 90, "license": "MIT"}),
    );
    w.list(
        "list one",
        "rust",
        "Rust",
        json!({"keywords": ["programming"], "provider": "Oxide"}),
    );
    w.list(
        "list two",
        "algebra",
        "Algebra, second description",
        json!({"description": "From the second list.", "provider": "Two"}),
    );
    w.list(
        "list two",
        "physics",
        "Physics",
        json!({"keywords": ["physics"], "language": "fr"}),
    );
    w.list(
        "algebra",
        "algebra",
        "Own name",
        json!({"source_url": "https://own.example/"}),
    );
    w.lesson(
        "algebra",
        1,
        "Numbers",
        json!({"lesson_content": "Numbers **count**.", "section": "Start"}),
    );
    w.lesson(
        "algebra",
        2,
        "Letters",
        json!({"lesson_content_blob": blob("letters").to_string()}),
    );
    w
}

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
    let held = held(&w, facts(&[], &["list one"]));
    let problems = held.reader.problems(&id("algebra")).unwrap();
    assert_eq!(
        problems.iter().map(|p| p.sequence).collect::<Vec<_>>(),
        [4, 5, 6]
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
fn blobs_are_named_in_the_order_to_fetch_them() {
    let mut w = World::default();
    w.list(
        "list",
        "c",
        "C",
        json!({"image": blob("image").to_string(), "description_blob": blob("long").to_string()}),
    );
    w.lesson(
        "c",
        2,
        "Two",
        json!({"lesson_content_blob": blob("two").to_string()}),
    );
    w.lesson(
        "c",
        1,
        "One",
        json!({"lesson_content": format!("![x]({})", blob("picture"))}),
    );
    w.say("c", json!({"type": "studytime_course_lesson_video", "lesson_number": 1, "name": "V", "poster": blob("poster").to_string(),
        "sources": [{"link": blob("hd").to_string(), "manifest": true, "size": 1000}, {"link": blob("sd").to_string(), "size": 100}]}));
    w.say("c", json!({"type": "studytime_course_lesson_attachment", "lesson_number": 2, "name": "A", "link": blob("pdf").to_string(), "size": 50}));
    let mut held = held(&w, facts(&[], &["list"]));
    let needed = held.reader.needed_blobs(&id("c")).unwrap();
    let order: Vec<_> = needed.iter().map(|n| (n.blob, n.lesson_number)).collect();
    assert_eq!(
        order,
        [
            (blob("long"), None),
            (blob("image"), None),
            (blob("picture"), Some(1)),
            (blob("poster"), Some(1)),
            (blob("hd"), Some(1)),
            (blob("sd"), Some(1)),
            (blob("two"), Some(2)),
            (blob("pdf"), Some(2)),
        ]
    );
    assert_eq!(needed[4].purpose, BlobRole::Video);
    assert!(needed[4].manifest);
    assert_eq!(needed[5].purpose, BlobRole::Alternative);
    assert_eq!(
        held.reader.courses_needing(&blob("pdf")).unwrap(),
        [id("c")]
    );

    let card = &cards(&held.reader, &CourseQuery::default())[0];
    assert_eq!(
        (card.bytes_total, card.bytes_here, card.on_device),
        (1050, 0, false)
    );
    let here = ["picture", "poster", "hd", "two", "pdf"].map(blob);
    let facts = Facts {
        bytes_here: having(&here),
        ..facts(&[], &["list"])
    };
    held.index.set_facts(facts).unwrap();
    held.index.blobs_changed([blob("pdf")]);
    let changes = held.index.tick(NOW).unwrap().changes;
    assert!(changes.courses.contains(&id("c")));
    let on_device = CourseQuery {
        on_device: true,
        ..CourseQuery::default()
    };
    assert_eq!(names(&held.reader, &on_device), ["C"]);
}

#[test]
fn texts_of_blobs_come_later() {
    let mut w = two_lists();
    w.list(
        "list one",
        "blobby",
        "Blobby",
        json!({"description_blob": blob("about").to_string()}),
    );
    let mut held = held(&w, facts(&[], &["list one"]));
    let (letters, about) = (
        TextBlob {
            blob: blob("letters"),
            course: id("algebra"),
        },
        TextBlob {
            blob: blob("about"),
            course: id("blobby"),
        },
    );
    let mut needed = held.reader.text_blobs_needed().unwrap();
    needed.sort();
    let mut both = [letters, about];
    both.sort();
    assert_eq!(needed, both);
    let lesson = held.reader.lesson(&id("algebra"), 2).unwrap().unwrap();
    assert_eq!(
        (lesson.text, lesson.text_missing),
        (None, Some(blob("letters")))
    );

    let changes = held
        .index
        .apply_text(&[
            (blob("letters"), "x stands for a quantity".into()),
            (blob("about"), "All of blobs.".into()),
        ])
        .unwrap();
    assert!(changes.courses.contains(&id("blobby")) && changes.courses.contains(&id("algebra")));
    assert_eq!(changes.lessons.len(), 1);
    held.index.flush().unwrap();
    assert!(held.reader.text_blobs_needed().unwrap().is_empty());
    let lesson = held.reader.lesson(&id("algebra"), 2).unwrap().unwrap();
    assert_eq!(lesson.text.as_deref(), Some("x stands for a quantity"));
    assert_eq!(lesson.previous.unwrap().name, "Numbers");
    let found = cards(&held.reader, &CourseQuery::text("quantity"));
    assert_eq!(found[0].hit.as_ref().unwrap().lesson_number, 2);
    assert_eq!(
        held.reader
            .course(&id("blobby"))
            .unwrap()
            .unwrap()
            .about
            .as_deref(),
        Some("All of blobs.")
    );
    assert!(
        held.index
            .apply_text(&[(blob("about"), "All of blobs.".into())])
            .unwrap()
            .is_empty()
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
fn the_writer_can_move_and_readers_be_shared() {
    fn moves<T: Send>() {}
    fn shared<T: Clone + Send + Sync>() {}
    moves::<studytime_index::Index>();
    shared::<studytime_index::Reader>();
}
