//! Which blobs a course needs, and texts that live in some.

use crate::world::*;
use serde_json::json;
use studytime_index::{CourseQuery, Facts, TextBlob};
use studytime_schema::view::BlobRole;

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
