//! Words in other forms than those that were typed.

use crate::world::*;
use serde_json::json;
use studytime_index::CourseQuery;

fn found(held: &Held, typed: &str) -> Vec<String> {
    let mut names = names(&held.reader, &CourseQuery::text(typed));
    names.sort();
    names
}

#[test]
fn forms_are_those_of_the_courses_language() {
    let mut w = World::default();
    w.list("list", "en", "Database design", json!({"language": "en"}));
    w.list(
        "list",
        "en2",
        "The history of cities",
        json!({"language": "en-GB"}),
    );
    w.list("list", "de", "Alte Häuser", json!({"language": "de"}));
    w.list("list", "fr", "Il parlait", json!({"language": "fr"}));
    w.list("list", "ru", "Курсы рисования", json!({"language": "ru"}));
    w.list("list", "none", "Cities", json!({}));
    let mut held = held(&w, facts(&[], &["list"]));
    // A space after the word: it is finished, so that nothing is taken for its
    // beginning.
    for (typed, name) in [
        ("databases ", "Database design"),
        ("design ", "Database design"),
        ("designs ", "Database design"),
        ("haus ", "Alte Häuser"),
        ("parler ", "Il parlait"),
        ("курсов ", "Курсы рисования"),
    ] {
        assert_eq!(found(&held, typed), [name], "{typed}");
    }
    // A course in no known language is found by its words as they stand, or as
    // similar ones when little else is found.
    let page = held.reader.courses(&CourseQuery::text("city ")).unwrap();
    assert_eq!(page.items[0].name, "The history of cities");
    let marked: Vec<_> = cards(&held.reader, &CourseQuery::text("databases "));
    assert!(marked[0].snippet.is_none() && marked[0].hit.is_none());

    // The language becomes known later: no text is made anew for it.
    w.update("list", "none", json!({"language": "en"}));
    held.index.apply(&w.log).unwrap();
    let exact = |typed: &str| {
        let page = held.reader.courses(&CourseQuery::text(typed)).unwrap();
        page.items
            .iter()
            .filter(|c| c.name.contains("ities"))
            .count()
    };
    assert_eq!(exact("city "), 2);
}

#[test]
fn other_forms_are_marked_and_count_less_than_the_word_itself() {
    let mut w = World::default();
    for (course, text) in [
        ("a", "We speak of rivers. A river is long."),
        ("b", "Every rivers end."),
    ] {
        w.list("list", course, course, json!({"language": "en"}));
        w.lesson(course, 1, "Text", json!({"lesson_content": text}));
    }
    let held = held(&w, facts(&[], &["list"]));
    let cards = cards(&held.reader, &CourseQuery::text("river "));
    assert_eq!(
        cards.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let marks = |n: usize| -> Vec<String> {
        let parts = &cards[n].hit.as_ref().unwrap().snippet.parts;
        parts
            .iter()
            .filter(|p| p.hit)
            .map(|p| p.text.clone())
            .collect()
    };
    assert_eq!(marks(0), ["rivers", "river"]);
    assert_eq!(marks(1), ["rivers"]);
}

#[test]
fn the_arabic_article_does_not_hide_a_word() {
    let mut w = World::default();
    w.list(
        "list",
        "maths",
        "الرياضيات للمبتدئين",
        json!({"language": "ar"}),
    );
    w.list("list", "law", "مدخل إلى القانون", json!({"language": "ar"}));
    w.lesson(
        "law",
        1,
        "بالقانون",
        json!({"lesson_content": "والقانون فوق الجميع"}),
    );
    let held = held(&w, facts(&[], &["list"]));
    for typed in ["رياضيات", "الرياضيات", "والرياضيات", "رياض", "الرياض"]
    {
        assert_eq!(found(&held, typed), ["الرياضيات للمبتدئين"], "{typed}");
    }
    for typed in ["قانون", "القانون", "القَانُون"] {
        assert_eq!(found(&held, typed), ["مدخل إلى القانون"], "{typed}");
    }
}

#[test]
fn keywords_without_a_subject_are_reported() {
    let mut w = World::default();
    for n in 0..5 {
        let keywords = json!({"keywords": [if n < 3 { "Bee-keeping" } else { "bee keeping" }, format!("only {n}")]});
        w.list("list", &format!("c{n}"), "Bees", keywords);
    }
    w.list(
        "list",
        "known",
        "Algebra",
        json!({"keywords": ["algebra", "bee keeping"]}),
    );
    w.list("list", "bare", "No keywords", json!({}));
    let held = held(&w, facts(&[], &["list"]));
    let unknown = held.reader.unknown_keywords(2);
    let told: Vec<_> = unknown
        .iter()
        .map(|k| (k.keyword.as_str(), k.courses))
        .collect();
    assert_eq!(told, [("Bee-keeping", 5), ("only 0", 1)]);

    // With a table that knows it, they are in its subject, and the rest is told.
    use studytime_index::{Index, Options};
    use studytime_schema::subjects::{SubjectEntry, SubjectTable};
    let Held { index, dir, .. } = held;
    drop(index);
    let table =
        SubjectTable::builtin().with([SubjectEntry::new("Nature", "Bees", ["bee keeping"])]);
    let options = Options {
        facts: facts(&[], &["list"]),
        subjects: Some(std::sync::Arc::new(table)),
        ..Options::default()
    };
    let index = Index::open(dir.path(), options).unwrap();
    assert!(index.reader().unknown_keywords(10).is_empty());
    let nature = index
        .reader()
        .subjects()
        .into_iter()
        .find(|s| s.category == "Nature")
        .unwrap();
    assert_eq!(
        (nature.count, nature.subjects[0].subject.as_str()),
        (5, "Bees")
    );
}
