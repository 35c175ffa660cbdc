//! Rule 5: lessons, their numbers, and their items.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fold_support;

use fold_support::*;
use serde_json::json;
use studytime_schema::content::LessonContentType;
use studytime_schema::fold::{CourseBody, IgnoredReason, Step};
use studytime_schema::view::{BlobRole, LessonView};

fn names(body: &CourseBody) -> Vec<(u64, String)> {
    body.outline()
        .lessons
        .iter()
        .map(|l| (l.lesson_number, l.name.clone()))
        .collect()
}

fn lesson_at(body: &CourseBody, number: u64) -> LessonView {
    let lessons = body.outline().lessons;
    lessons
        .into_iter()
        .find(|l| l.lesson_number == number)
        .unwrap()
}

#[test]
fn lessons_stand_by_number_and_update_in_place() {
    let mut c = Author::new(9);
    c.say_json(lesson(10, "Ten", json!({})));
    let two = c.say_json(lesson(
        2,
        "Two",
        json!({"section": "S", "description": "d"}),
    ));
    c.say_json(lesson(2, "Zwei", json!({"description": ""})));
    c.say_json(lesson_update(json!({"lesson_number": 10, "name": "Zehn"})));
    c.say_json(lesson_update(json!({"lesson": two, "section": "T"})));
    let (body, ignored) = c.body();
    assert!(ignored.is_empty(), "{ignored:?}");
    assert_eq!(names(&body), [(2, "Zwei".into()), (10, "Zehn".into())]);
    let two_now = lesson_at(&body, 2);
    assert_eq!(two_now.id, two, "the identity is the first message's");
    assert_eq!(two_now.section.as_deref(), Some("T"));
    assert_eq!(two_now.description, None);
}

#[test]
fn a_removed_number_is_a_new_lesson_and_restoring_brings_the_items_back() {
    let mut c = Author::new(9);
    let old = c.say_json(lesson(1, "Old", json!({})));
    let file = c.say_json(attachment(1, "a.pdf", blob(1)));
    c.say_json(lesson_update(json!({"lesson_number": 1, "removed": true})));
    assert!(names(&c.body().0).is_empty());

    let mut restored = c.clone();
    restored.say_json(lesson_update(json!({"lesson_number": 1, "removed": false})));
    let lesson = lesson_at(&restored.body().0, 1);
    assert_eq!((lesson.id, lesson.attachments[0].item), (old, file));

    let new = c.say_json(fold_support::lesson(1, "New", json!({})));
    let (body, _) = c.body();
    let lesson = lesson_at(&body, 1);
    assert_eq!((lesson.id, lesson.attachments.len()), (new, 0));

    // Both stand on the number then; the new one keeps the handle.
    c.say_json(lesson_update(json!({"lesson": old, "removed": false})));
    c.say_json(lesson_update(
        json!({"lesson_number": 1, "description": "of the new one"}),
    ));
    let (body, ignored) = c.body();
    assert!(ignored.is_empty());
    let lessons = body.outline().lessons;
    assert_eq!(lessons.len(), 2);
    assert_eq!(lessons[0].id, old);
    assert_eq!(lessons[0].attachments.len(), 1);
    assert_eq!(lessons[1].description.as_deref(), Some("of the new one"));
    assert_eq!(body.lesson_on(1), Some(new));
}

#[test]
fn numbers_can_be_swapped_and_items_stay_with_their_lesson() {
    let mut c = Author::new(9);
    let a = c.say_json(lesson(1, "A", json!({})));
    let b = c.say_json(lesson(2, "B", json!({})));
    c.say_json(video(1, "of A", blob(1)));
    c.say_json(lesson_update(json!({"lesson": a, "lesson_number": 2})));
    c.say_json(lesson_update(json!({"lesson": b, "lesson_number": 1})));
    c.say_json(video(1, "of B", blob(2)));
    let (body, ignored) = c.body();
    assert!(ignored.is_empty());
    assert_eq!(names(&body), [(1, "B".into()), (2, "A".into())]);
    assert_eq!(lesson_at(&body, 1).videos[0].name, "of B");
    assert_eq!(lesson_at(&body, 2).videos[0].name, "of A");
    assert_eq!(lesson_at(&body, 2).id, a);
}

#[test]
fn items_before_their_lesson_make_an_unnamed_one_that_keeps_its_identity() {
    let mut c = Author::new(9);
    let first = c.say_json(attachment(3, "a.pdf", blob(1)));
    let unnamed = lesson_at(&c.body().0, 3);
    assert_eq!((unnamed.id, unnamed.name.as_str()), (first, ""));
    let naming = c.say_json(lesson(3, "Three", json!({})));
    c.say_json(lesson_update(
        json!({"lesson": naming, "description": "by the naming id"}),
    ));
    let (body, ignored) = c.body();
    assert!(ignored.is_empty());
    let named = lesson_at(&body, 3);
    assert_eq!((named.id, named.name.as_str()), (first, "Three"));
    assert_eq!(named.description.as_deref(), Some("by the naming id"));
    assert_eq!(named.attachments.len(), 1);
    assert_eq!(body.lesson_id(&naming), Some(first));

    // One whose items are gone is not shown.
    let gone = c.say_json(attachment(7, "b.pdf", blob(1)));
    c.say_json(item_update(gone, json!({"removed": true})));
    assert_eq!(c.body().0.outline().lessons.len(), 1);
}

#[test]
fn item_updates_change_by_identity_even_after_removal_of_the_lesson() {
    let mut c = Author::new(9);
    c.say_json(lesson(1, "L", json!({})));
    let film = c.say_json(video(1, "Film", blob(1)));
    let file = c.say_json(attachment(1, "File", blob(2)));
    let quiz = c.say_json(test(1, "Quiz", json!({"pass_percent": 50})));
    c.say_json(lesson_update(json!({"lesson_number": 1, "removed": true})));
    c.say_json(item_update(film, json!({"name": "Movie", "poster": blob(3), "captions": [{"link": blob(4), "language": "en"}]})));
    c.say_json(item_update(
        file,
        json!({"link": blob(5), "content_type": "application/pdf"}),
    ));
    c.say_json(item_update(
        quiz,
        json!({"pass_percent": 80, "questions_blob": blob(6)}),
    ));
    c.say_json(lesson_update(json!({"lesson_number": 1, "removed": false})));
    let (body, ignored) = c.body();
    assert!(ignored.is_empty(), "{ignored:?}");
    let l = lesson_at(&body, 1);
    assert_eq!(l.videos[0].name, "Movie");
    assert_eq!(l.videos[0].poster, Some(blob(3)));
    assert_eq!(l.attachments[0].media.link, blob(5));
    assert_eq!(l.tests[0].pass_percent, 80);
    assert!(l.tests[0].questions.is_empty(), "the blob took their place");
    assert_eq!(l.tests[0].questions_blob, Some(blob(6)));

    c.say_json(item_update(film, json!({"captions_blob": blob(7)})));
    let l = lesson_at(&c.body().0, 1);
    assert!(l.videos[0].captions.is_empty());
    assert_eq!(l.videos[0].captions_blob, Some(blob(7)));
}

#[test]
fn a_new_link_forgets_what_was_true_of_the_old_file() {
    let mut c = Author::new(9);
    let file = c.say_json(typed(
        "studytime_course_lesson_attachment",
        json!({"lesson_number": 1, "name": "big", "link": blob(1), "manifest": true, "size": 9_000_000}),
        json!({}),
    ));
    c.say_json(item_update(file, json!({"link": blob(2)})));
    let media = lesson_at(&c.body().0, 1).attachments[0].media.clone();
    assert_eq!((media.manifest, media.size), (false, None));
    c.say_json(item_update(
        file,
        json!({"link": blob(3), "manifest": true, "size": 7}),
    ));
    let media = lesson_at(&c.body().0, 1).attachments[0].media.clone();
    assert_eq!((media.manifest, media.size), (true, Some(7)));
}

#[test]
fn items_move_go_and_come_back() {
    let mut c = Author::new(9);
    c.say_json(lesson(1, "One", json!({})));
    c.say_json(lesson(2, "Two", json!({})));
    let file = c.say_json(attachment(1, "a", blob(1)));
    c.say_json(item_update(file, json!({"lesson_number": 2})));
    let (body, _) = c.body();
    assert_eq!(lesson_at(&body, 1).attachments.len(), 0);
    assert_eq!(lesson_at(&body, 2).attachments.len(), 1);
    c.say_json(item_update(file, json!({"removed": true})));
    assert_eq!(lesson_at(&c.body().0, 2).attachments.len(), 0);
    c.say_json(item_update(file, json!({"removed": false})));
    assert_eq!(lesson_at(&c.body().0, 2).attachments[0].item, file);
}

#[test]
fn what_does_not_count_is_reported() {
    let mut c = Author::new(9);
    c.say_json(lesson_update(json!({"lesson_number": 4, "name": "early"})));
    c.say_json(lesson_update(
        json!({"lesson": message(1), "name": "foreign"}),
    ));
    c.say_json(item_update(message(2), json!({"name": "foreign"})));
    let film = c.say_json(video(1, "F", blob(1)));
    let quiz = c.say_json(test(1, "T", json!({})));
    c.say_json(item_update(
        film,
        json!({"link": blob(2), "sources": [], "name": ""}),
    ));
    c.say_json(item_update(quiz, json!({"questions": []})));
    c.say_json(json!({"type": "studytime_course_lesson", "lesson_number": -1, "name": "x"}));
    c.say_json(json!({"type": "post", "text": "hello"}));
    let (body, ignored) = c.body();
    let reasons: Vec<_> = ignored.iter().map(|i| (i.sequence, &i.reason)).collect();
    assert!(
        matches!(reasons[0], (1, IgnoredReason::UpdateBeforeTarget { target }) if target == "lesson 4")
    );
    assert!(matches!(
        reasons[1],
        (2, IgnoredReason::UpdateBeforeTarget { .. })
    ));
    assert!(matches!(
        reasons[2],
        (3, IgnoredReason::UpdateBeforeTarget { .. })
    ));
    assert!(matches!(reasons[3], (6, IgnoredReason::DoesNotFit { field, .. }) if field == "link"));
    assert!(matches!(reasons[4], (6, IgnoredReason::CannotClear { field }) if field == "sources"));
    assert!(matches!(reasons[5], (6, IgnoredReason::EmptyName)));
    assert!(
        matches!(reasons[6], (7, IgnoredReason::CannotClear { field }) if field == "questions")
    );
    assert!(matches!(reasons[7], (8, IgnoredReason::Unusable { .. })));
    assert_eq!(reasons.len(), 8);
    assert!(
        c.log
            .iter()
            .all(|m| Step::read(m).map_or(true, |s| s.is_none_or(|s| s.unknown_type().is_none()))),
        "a post is none of ours"
    );
    let l = lesson_at(&body, 1);
    assert_eq!(l.videos[0].name, "F");
    assert_eq!(l.tests[0].questions.len(), 1);
}

#[test]
fn a_lessons_blobs_come_in_the_order_of_use() {
    let mut c = Author::new(9);
    let pictures = format!("![a]({}) ![b]({})", blob(2), blob(3));
    c.say_json(lesson(
        1,
        "L",
        json!({"lesson_content": pictures, "mentions": [{"link": blob(3)}]}),
    ));
    c.say_json(attachment(1, "file", blob(20)));
    c.say_json(typed(
        "studytime_course_lesson_video",
        json!({"lesson_number": 1, "name": "v", "poster": blob(4), "captions_blob": blob(5),
            "captions": [{"link": blob(6)}],
            "sources": [{"link": blob(10), "manifest": true, "size": 5}, {"link": blob(11)}, {"url": "https://example.org/x"}]}),
        json!({}),
    ));
    let l = lesson_at(&c.body().0, 1);
    assert_eq!(l.mentions, [blob(3), blob(2)]);
    assert_eq!(l.lesson_content_type, LessonContentType::Markdown);
    let order: Vec<u8> = l.blobs().iter().map(|(b, _)| b.as_bytes()[0]).collect();
    assert_eq!(order, [3, 2, 4, 5, 6, 10, 20, 11]);
    let needs = l.needs();
    assert!(needs[5].manifest && needs[5].size == Some(5));
    assert_eq!(needs[7].role, BlobRole::Alternative);
}

/// Nothing is passed over in silence: a name that is not there, a flag or number
/// that is none, a type with a slip of the pen.
#[test]
fn what_is_half_said_is_reported() {
    let mut c = Author::new(9);
    let film = c.say_json(video(1, "", blob(1)));
    c.say_json(attachment(1, " ", blob(2)));
    c.say_json(test(1, "", json!({})));
    c.say_json(lesson_update(json!({"lesson_number": 1, "removed": ""})));
    c.say_json(item_update(
        film,
        json!({"lesson_number": "", "removed": "yes"}),
    ));
    c.say_json(json!({"type": "studytime_course_leson", "lesson_number": 1, "name": "L"}));
    let (body, ignored) = c.body();
    let said: Vec<_> = ignored
        .iter()
        .map(|i| match &i.reason {
            IgnoredReason::EmptyName => (i.sequence, "name".to_owned()),
            IgnoredReason::Field(problem) => (i.sequence, problem.field.clone()),
            other => panic!("{other}"),
        })
        .collect();
    let field = |sequence: u64, name: &str| (sequence, name.to_owned());
    assert_eq!(
        said,
        [
            field(1, "name"),
            field(2, "name"),
            field(3, "name"),
            field(4, "removed"),
            field(5, "lesson_number"),
            field(5, "removed"),
        ]
    );
    assert_eq!(
        lesson_at(&body, 1).items().count(),
        3,
        "they stand all the same"
    );
    let slip = Step::read(&c.log[5])
        .unwrap()
        .unwrap()
        .unknown_type()
        .unwrap();
    assert!(
        slip.reason.to_string().contains("`studytime_course_leson`"),
        "{slip}"
    );
}
