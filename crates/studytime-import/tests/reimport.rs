//! Importing into a course publishes what changed, and only that.
#![allow(clippy::unwrap_used)]

mod common;

use common::files::*;
use common::*;
use proptest::prelude::*;
use std::fs;
use studytime_import::{Change, Import, Options};
use studytime_schema::MessageId;
use studytime_schema::content::{Content, Lesson};
use studytime_schema::view::CourseOutline;

fn start() -> (tempfile::TempDir, Feed) {
    let dir = folder(&[
        ("01_a/01_one.md", b"# One\n\nText ![p](p.png)".as_slice()),
        ("01_a/p.png", PNG),
        ("01_a/02_two.mp4", &mp4(5, 90, b"pictures")),
        ("01_a/02_two.en.srt", SRT),
        ("01_a/02_two.quiz.json", QUIZ),
        ("02_b/01_three.pdf", PDF),
    ]);
    let mut feed = Feed::new();
    feed.publish(&mut open(dir.path())).unwrap();
    (dir, feed)
}

fn ids(outline: &CourseOutline) -> Vec<(String, MessageId)> {
    outline
        .lessons
        .iter()
        .map(|l| (l.path.clone().unwrap_or_default(), l.id))
        .collect()
}

/// The outline without what only a feed's history decides.
fn shape(outline: &CourseOutline) -> Vec<String> {
    outline
        .lessons
        .iter()
        .map(|l| {
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                l.name,
                l.section,
                l.path,
                l.lesson_content,
                l.videos
                    .iter()
                    .map(|v| (&v.name, &v.path, &v.sources, &v.captions, &v.poster))
                    .collect::<Vec<_>>(),
                l.attachments
                    .iter()
                    .map(|a| (&a.name, &a.path, &a.media))
                    .collect::<Vec<_>>(),
                l.tests
                    .iter()
                    .map(|t| (&t.name, &t.path, &t.questions, t.pass_percent))
                    .collect::<Vec<_>>(),
            )
        })
        .collect()
}

#[test]
fn nothing_changed_nothing_published() {
    let (dir, mut feed) = start();
    let before = feed.outline();
    let done = feed.publish_into(&mut open(dir.path()), true);
    assert_eq!((done.messages, done.new_blobs), (0, 0));
    assert!(done.changes.is_empty());
    assert_eq!(feed.outline(), before);
}

#[test]
fn each_change_is_one_message() {
    let (dir, mut feed) = start();
    let before = ids(&feed.outline());
    fs::write(dir.path().join("01_a/01_one.md"), "# One\n\nOther text").unwrap();
    fs::write(
        dir.path().join("01_a/02_two.mp4"),
        mp4(6, 90, b"better pictures"),
    )
    .unwrap();
    fs::write(
        dir.path().join("02_b/01_three.pdf"),
        [PDF, b"more"].concat(),
    )
    .unwrap();
    fs::write(dir.path().join("01_a/02_two.de.srt"), SRT).unwrap();
    let done = feed.publish_into(&mut open(dir.path()), false);
    let types: Vec<&str> = feed.messages.iter().map(Content::type_name).collect();
    assert_eq!(
        types,
        [
            "studytime_course_lesson_update",
            "studytime_course_item_update",
            "studytime_course_item_update"
        ]
    );
    assert_eq!(done.changes.len(), 3);
    let outline = feed.outline();
    assert_eq!(ids(&outline), before, "identities stay");
    let one = &outline.lessons[0];
    assert_eq!(one.lesson_content.as_deref(), Some("Other text"));
    assert!(one.mentions.is_empty(), "the picture is no longer shown");
    assert_eq!(outline.lessons[1].videos[0].captions.len(), 2);
    assert_eq!(
        outline.lessons[1].videos[0].sources[0].duration_seconds,
        Some(6)
    );
}

#[test]
fn vanished_files_stay_unless_pruned() {
    let (dir, mut feed) = start();
    fs::remove_file(dir.path().join("01_a/01_one.md")).unwrap();
    fs::remove_file(dir.path().join("01_a/02_two.quiz.json")).unwrap();
    let done = feed.publish_into(&mut open(dir.path()), false);
    assert_eq!(done.messages, 0);
    assert!(
        done.changes
            .iter()
            .all(|c| matches!(c, Change::Kept { .. })),
        "{:?}",
        done.changes
    );
    assert_eq!(done.changes.len(), 2);
    let done = feed.publish_into(&mut open(dir.path()), true);
    assert_eq!(done.messages, 2);
    let outline = feed.outline();
    assert_eq!(outline.lessons.len(), 2);
    assert!(outline.lessons[0].tests.is_empty());
    assert_eq!(feed.publish_into(&mut open(dir.path()), true).messages, 0);
}

#[test]
fn lessons_in_between_and_items_on_the_move() {
    let (dir, mut feed) = start();
    let before: std::collections::BTreeMap<String, MessageId> =
        ids(&feed.outline()).into_iter().collect();
    fs::write(dir.path().join("01_a/00_zero.md"), "# Zero\n\nNew").unwrap();
    fs::write(
        dir.path().join("01_a/015_half.md"),
        "# Half\n\n[slides](../02_b/01_three.pdf)",
    )
    .unwrap();
    feed.publish_into(&mut open(dir.path()), true);
    let outline = feed.outline();
    let names: Vec<(u64, &str)> = outline
        .lessons
        .iter()
        .map(|l| (l.lesson_number, l.name.as_str()))
        .collect();
    assert_eq!(names, [(1, "Zero"), (2, "One"), (3, "Two"), (4, "Half")]);
    for lesson in &outline.lessons {
        if let Some(id) = lesson.path.as_ref().and_then(|p| before.get(p)) {
            assert_eq!(lesson.id, *id);
        }
    }
    // The PDF was a lesson of its own and is now linked from a text.
    assert_eq!(outline.lessons[3].attachments.len(), 1);
    assert_eq!(outline.lessons[2].videos.len(), 1);
    let fresh = {
        let mut fresh = Feed::new();
        fresh.publish(&mut open(dir.path())).unwrap();
        fresh.outline()
    };
    assert_eq!(shape(&outline), shape(&fresh));
}

#[test]
fn what_was_made_by_hand_stays() {
    let (dir, mut feed) = start();
    // The author adds a lesson and renames the course without the folder.
    let mut more = studytime_schema::content::CourseUpdate::new(feed.id());
    more.name = studytime_schema::content::Patch::Set("By hand".into());
    studytime_import::Sink::sync_blobs(&mut feed).unwrap();
    studytime_import::Sink::publish_all(
        &mut feed,
        vec![Lesson::new(9, "Extra").into(), more.into()],
    )
    .unwrap();
    fs::write(dir.path().join("03_new.md"), "# New\n\nText").unwrap();
    feed.publish_into(&mut open(dir.path()), true);
    let outline = feed.outline();
    let names: Vec<(u64, &str)> = outline
        .lessons
        .iter()
        .map(|l| (l.lesson_number, l.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            (1, "One"),
            (2, "Two"),
            (3, "All about moss"),
            (9, "Extra"),
            (10, "New")
        ]
    );
    assert_eq!(
        feed.record().unwrap().name,
        "By hand",
        "a folder's own name does not undo it"
    );
    let options = Options {
        name: Some("Said now".into()),
        ..licensed()
    };
    feed.publish_into(&mut Import::open(dir.path(), &options).unwrap(), true);
    assert_eq!(feed.record().unwrap().name, "Said now");
    let Content::About(about) = &feed.messages[0] else {
        panic!()
    };
    assert_eq!(about.name.value().map(String::as_str), Some("Said now"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// From any folder to any other: the course is what a fresh import makes,
    /// and importing once more changes nothing.
    #[test]
    fn a_pruned_reimport_equals_a_fresh_import(
        first in prop::collection::btree_map("(0[1-3]_[ab]/)?0[1-4]_[ab](\\.en)?\\.(md|txt|srt|pdf|quiz\\.json)", 0u8..3, 1..8),
        second in prop::collection::btree_map("(0[1-3]_[ab]/)?0[1-4]_[ab](\\.en)?\\.(md|txt|srt|pdf|quiz\\.json)", 0u8..3, 1..8),
    ) {
        let make = |files: &std::collections::BTreeMap<String, u8>| {
            let dir = folder(&[("99_end.md", b"end".as_slice())]);
            for (path, n) in files {
                let bytes = match path.rsplit('.').next().unwrap() {
                    "json" => QUIZ.to_vec(),
                    "pdf" => [PDF, &[b'0' + n]].concat(),
                    "srt" => SRT.to_vec(),
                    _ => format!("text {n}").into_bytes(),
                };
                write(dir.path(), &[(path.as_str(), bytes.as_slice())]);
            }
            dir
        };
        let (one, two) = (make(&first), make(&second));
        let mut feed = Feed::new();
        feed.publish(&mut open(one.path())).unwrap();
        feed.publish_into(&mut open(two.path()), true);
        let mut fresh = Feed::new();
        fresh.publish(&mut open(two.path())).unwrap();
        let mut shapes = (shape(&feed.outline()), shape(&fresh.outline()));
        prop_assert_eq!(&mut shapes.0, &mut shapes.1);
        prop_assert_eq!(feed.publish_into(&mut open(two.path()), true).messages, 0);
    }
}

/// A course that takes another one's place says of each lesson and item, by its
/// path and kind, which it stands for; what is new says nothing.
#[test]
fn a_course_in_place_of_another_names_what_it_replaces() {
    let (dir, feed) = start();
    let old = feed.outline();
    fs::write(dir.path().join("01_a/03_new.md"), "# New").unwrap();
    fs::rename(
        dir.path().join("02_b/01_three.pdf"),
        dir.path().join("02_b/01_other.pdf"),
    )
    .unwrap();
    let mut new = Feed::new();
    let id = new.id();
    let mut import = open(dir.path());
    import.publish_in_place_of(id, &old, &mut new).unwrap();
    let mut replaced = 0;
    for lesson in new.outline().lessons {
        let path = lesson.path.clone().unwrap();
        let before = old.lessons.iter().find(|l| l.path == lesson.path);
        assert_eq!(lesson.replaces, before.map(|l| l.id), "{path}");
        let kinds = |l: &studytime_schema::view::LessonView| {
            (l.videos.len(), l.attachments.len(), l.tests.len())
        };
        for item in lesson.items() {
            let Some(before) = before else {
                assert_eq!(item.replaces(), None, "{path}");
                continue;
            };
            assert_eq!(kinds(&lesson), kinds(before));
            let same = before.items().zip(lesson.items());
            let stands_for = same
                .filter(|(_, new)| new.id() == item.id())
                .map(|(old, _)| old.id())
                .next();
            assert_eq!(item.replaces(), stands_for, "{path}");
            replaced += 1;
        }
    }
    assert_eq!(replaced, 2, "a video and its test");
    assert_eq!(new.outline().lessons.len(), 4);
}
