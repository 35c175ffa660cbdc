//! Browsing as people do it: page after page while courses come in, one filter
//! after the other, and what is offered while they type.

use crate::world::*;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use studytime_index::{CourseQuery, FacetCount, Facts, Reach, Sort, SuggestionKind};
use studytime_schema::FeedId;

/// What was there when somebody began to turn pages is told once, whatever comes
/// in or goes meanwhile.
#[test]
fn pages_go_on_while_courses_come_and_go() {
    for (sort, text, filtered) in [
        (Sort::Newest, "", false),
        (Sort::Popular, "", false),
        (Sort::Name, "", true),
        (Sort::Shortest, "", true),
        (Sort::Relevance, "same", false),
        (Sort::Newest, "same", true),
    ] {
        let mut w = World::default();
        let more = |n: u64| json!({"duration_minutes": 50 + n % 5, "level": "beginner"});
        for n in 0..40 {
            w.list("list", &format!("c{n}"), "Same name", more(n));
        }
        let mut held = held(&w, facts(&[], &["list", "first list"]));
        let (mut seen, mut after) = (Vec::new(), None);
        for turn in 0.. {
            let query = CourseQuery {
                sort,
                text: text.to_owned(),
                level: filtered.then_some(studytime_schema::content::Level::Beginner),
                offset: seen.len(),
                after,
                limit: 7,
                ..CourseQuery::default()
            };
            let page = held.reader.courses(&query).unwrap();
            after = page.items.last().map(|card| card.feed_id);
            seen.extend(page.items.iter().map(|card| card.feed_id));
            if page.offset + page.items.len() >= page.total {
                break;
            }
            assert!(turn < 20, "{sort:?}");
            // These come first in every order.
            let at = w.log.len();
            for n in 0..3 {
                let fresh = format!("fresh {turn} {n}");
                let more = json!({"duration_minutes": 1, "level": "beginner"});
                w.list("list", &fresh, "A same", more.clone());
                w.list("first list", &fresh, "A same", more);
            }
            // One that was told is gone.
            let told = (0..40).find(|n| id(&format!("c{n}")) == seen[turn]);
            if let Some(told) = told {
                w.update("list", &format!("c{told}"), json!({"removed": true}));
            }
            feed(&mut held.index, &w.log[at..], 100);
        }
        let all: BTreeSet<FeedId> = (0..40).map(|n| id(&format!("c{n}"))).collect();
        let once: BTreeSet<FeedId> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "{sort:?} {text}: told twice");
        assert!(once.is_superset(&all), "{sort:?} {text}: left out");
    }
}

#[test]
fn a_page_after_a_course_that_is_gone_is_found_by_its_number() {
    let mut w = World::default();
    for n in 0..9 {
        w.list("list", &format!("c{n}"), &format!("Name {n}"), json!({}));
    }
    w.update("list", "c2", json!({"removed": true}));
    let held = held(&w, facts(&[], &["list"]));
    for gone in ["c2", "never heard of"] {
        let query = CourseQuery {
            sort: Sort::Name,
            offset: 2,
            after: Some(id(gone)),
            limit: 2,
            ..CourseQuery::default()
        };
        assert_eq!(names(&held.reader, &query), ["Name 3", "Name 4"]);
    }
    let last = CourseQuery {
        sort: Sort::Name,
        after: Some(id("c8")),
        ..CourseQuery::default()
    };
    let page = held.reader.courses(&last).unwrap();
    assert_eq!((page.items.len(), page.offset, page.total), (0, 8, 8));
}

fn values(facet: &[FacetCount]) -> Vec<(&str, usize)> {
    facet.iter().map(|f| (f.value.as_str(), f.count)).collect()
}

#[test]
fn whoever_is_in_a_subject_may_go_to_another_category() {
    let mut w = World::default();
    for (course, keyword, language) in [
        ("a", "algebra", "en"),
        ("b", "algebra", "fr"),
        ("c", "calculus", "en"),
        ("d", "physics", "en"),
        ("e", "mathematics", "en"),
    ] {
        let more = json!({"keywords": [keyword], "language": language});
        w.list("list", course, course, more);
    }
    let held = held(&w, facts(&[], &["list"]));
    let query = CourseQuery {
        category: Some("mathematics".into()),
        subject: Some("ALGEBRA".into()),
        language: Some("en".into()),
        ..CourseQuery::default()
    };
    let page = held.reader.courses(&query).unwrap();
    assert_eq!(page.total, 1);
    // As if neither level were chosen; the language counts.
    let categories = values(&page.facets.categories);
    assert_eq!(categories, [("Mathematics", 3), ("Science", 1)]);
    // As if only the category were.
    let subjects = values(&page.facets.subjects);
    let all = [("Algebra", 1), ("Calculus and Analysis", 1), ("General", 1)];
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    assert!(subjects.contains(&all[0]) && subjects.contains(&all[2]));
    assert_eq!(values(&page.facets.languages), [("en", 1), ("fr", 1)]);
}

#[test]
fn completions_are_found_in_every_script() {
    let mut w = World::default();
    for (course, name, keyword) in [
        ("ml", "機械学習入門", "機械学習"),
        ("math", "الرياضيات للمبتدئين", "رياضيات"),
        ("law", "قانون العمل", "القانون"),
        ("rus", "Основы Ёлочки", "ёлка"),
        ("ko", "한국어 수학", "수학"),
        ("en", "Mathematics for all", "mathematics"),
        ("other", "General talk", "nobody knows this"),
    ] {
        w.list("list", course, name, json!({"keywords": [keyword]}));
    }
    let mut held = held(&w, facts(&[], &["list"]));
    let first = |held: &Held, typed: &str| -> Vec<String> {
        let all = held.reader.suggest(typed, 10).into_iter();
        all.filter(|s| s.kind == SuggestionKind::Course)
            .map(|s| s.text)
            .collect()
    };
    let check = |held: &Held| {
        for (typed, name) in [
            ("機械", "機械学習入門"),
            ("学習", "機械学習入門"),
            ("門", "機械学習入門"),
            ("رياض", "الرياضيات للمبتدئين"),
            ("الرياض", "الرياضيات للمبتدئين"),
            ("القانون", "قانون العمل"),
            ("عمل", "قانون العمل"),
            ("елоч", "Основы Ёлочки"),
            ("수학", "한국어 수학"),
        ] {
            assert_eq!(first(held, typed), [name], "{typed}");
        }
    };
    check(&held);
    // The same of courses that changed since the names were put together.
    for (course, name) in [("ml", "機械学習入門"), ("law", "قانون العمل")] {
        w.update("list", course, json!({"name": name, "level": "beginner"}));
    }
    feed(&mut held.index, &w.log, 100);
    check(&held);
    let kinds = |typed: &str| -> Vec<(SuggestionKind, String)> {
        let all = held.reader.suggest(typed, 10).into_iter();
        all.map(|s| (s.kind, s.text)).collect()
    };
    let category = (SuggestionKind::Category, "Mathematics".to_owned());
    assert!(kinds("mathem").contains(&category));
    // Names of nothing in particular are no subjects to look for.
    let course = (SuggestionKind::Course, "General talk".to_owned());
    assert_eq!(kinds("gener"), [course]);
    assert!(kinds("other").is_empty());
}

/// A thousand identities that somebody made up raise a course no higher than
/// that one alone can, and are not shown as a crowd.
#[test]
fn made_up_identities_move_no_course() {
    let mut w = World::default();
    for course in ["honest", "pushed"] {
        w.list("list", course, course, json!({}));
    }
    for who in ["friend one", "friend two"] {
        w.enrol(who, "honest", true);
    }
    let made_up: Vec<String> = (0..1_000).map(|n| format!("made up {n}")).collect();
    for who in made_up.iter().map(String::as_str).chain(["maker"]) {
        w.enrol(who, "pushed", true);
    }
    let at = |hops, through: Option<&str>| Reach {
        hops,
        only_through: through.map(id),
    };
    // Both friends follow the maker; or only one of them does.
    for makers in [None, Some("friend one")] {
        let mut reach = HashMap::from([
            (id("friend one"), at(1, None)),
            (id("friend two"), at(1, None)),
            (id("maker"), at(2, makers)),
        ]);
        reach.extend(made_up.iter().map(|who| (id(who), at(3, Some("maker")))));
        let facts = Facts {
            reach,
            ..facts(&[], &["list"])
        };
        let held = held(&w, facts);
        let found = cards(&held.reader, &CourseQuery::default());
        let shown: Vec<_> = found
            .iter()
            .map(|c| (c.name.as_str(), c.learners))
            .collect();
        assert_eq!(shown, [("honest", 2), ("pushed", 1)]);
        let listed = held.reader.subjects();
        assert_eq!(listed[0].popularity, 2.5);
    }
}

#[test]
fn courses_in_no_subject_come_last() {
    let mut w = World::default();
    for n in 0..5 {
        w.list("list", &format!("other {n}"), "Something", json!({}));
    }
    w.list("list", "a", "Sums", json!({"keywords": ["algebra"]}));
    let held = held(&w, facts(&[], &["list"]));
    let subjects = held.reader.subjects();
    let told: Vec<_> = subjects
        .iter()
        .map(|s| (s.category.as_str(), s.count))
        .collect();
    assert_eq!(told, [("Mathematics", 1), ("Other", 5)]);
}
