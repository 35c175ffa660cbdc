//! Subjects by keyword.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use studytime_schema::subjects::{GENERAL, OTHER, SubjectEntry, SubjectTable, classify};

fn place(keywords: &[&str]) -> (&'static str, &'static str) {
    let subject = classify(keywords);
    (subject.category, subject.subject)
}

#[test]
fn the_table_is_large_enough_and_has_no_doubles() {
    let table = SubjectTable::builtin();
    let categories: BTreeSet<&str> = table.subjects().map(|s| s.category).collect();
    assert!(categories.len() >= 12, "{}", categories.len());
    let subjects: Vec<_> = table.subjects().collect();
    assert!(subjects.len() >= 60, "{}", subjects.len());
    assert_eq!(
        subjects.iter().collect::<BTreeSet<_>>().len(),
        subjects.len()
    );
    for subject in subjects {
        assert_eq!(
            table.find(subject.subject),
            Some(subject),
            "a subject's name is a keyword"
        );
        // A category's name means all of it, not one of its subjects.
        let category = table.find(subject.category).unwrap();
        assert_eq!(
            (category.category, category.subject),
            (subject.category, GENERAL)
        );
    }
}

#[test]
fn the_first_known_keyword_decides() {
    assert_eq!(place(&["python", "biology"]).1, "Programming");
    assert_eq!(place(&["biology", "python"]).1, "Biology");
    assert_eq!(place(&["for everyone", "2024", "biology"]).1, "Biology");
    assert_eq!(place(&[]), (OTHER, OTHER));
    assert_eq!(place(&["", " - ", "xyzzy"]), (OTHER, OTHER));
    assert!(classify(&["xyzzy"]).is_other());
}

#[test]
fn a_category_as_a_whole_leaves_the_subject_to_later_keywords() {
    for keyword in ["mathematics", "Maths", "数学", "수학"] {
        assert_eq!(place(&[keyword]), ("Mathematics", GENERAL), "{keyword}");
        assert_eq!(place(&[keyword, "for all", "algebra"]).1, "Algebra");
    }
    assert_eq!(place(&["science"]), ("Science", GENERAL));
    assert_eq!(place(&["business", "small business"]).1, "Entrepreneurship");
    // A subject of another category is beside the point.
    assert_eq!(place(&["science", "photography"]), ("Science", GENERAL));
    assert_eq!(place(&["general"]), (OTHER, OTHER));
}

#[test]
fn spelling_does_not_matter() {
    for keyword in [
        "machine learning",
        "Machine-Learning",
        "MACHINE_LEARNING",
        "machinelearning",
        " machine  learning ",
    ] {
        assert_eq!(place(&[keyword]).1, "Artificial Intelligence", "{keyword}");
    }
    assert_eq!(place(&["Física"]).1, "Physics");
    assert_eq!(place(&["fisica"]).1, "Physics");
    assert_eq!(place(&["МАТЕМАТИКА"]).0, "Mathematics");
    assert_eq!(place(&["数学"]).0, "Mathematics");
    assert_eq!(place(&["गणित"]).0, "Mathematics");
    assert_eq!(place(&["تاريخ"]).1, "History");
    assert_eq!(place(&["C++"]).1, "Programming");
    assert_eq!(place(&["c#"]).1, "Programming");
    assert_eq!(place(&["Node.js"]).1, "Web Development");
}

#[test]
fn parts_of_a_keyword_are_tried_longest_first() {
    assert_eq!(
        place(&["introduction to machine learning"]).1,
        "Artificial Intelligence"
    );
    assert_eq!(place(&["Rust programming for beginners"]).1, "Programming");
    assert_eq!(place(&["how to go sailing"]).1, "Travel and Outdoors");
    assert_eq!(place(&["social sciences"]), ("Social Sciences", GENERAL));
}

#[test]
fn users_can_add_their_own() {
    let table = SubjectTable::builtin().with([
        SubjectEntry::new("Nature", "Bees", ["bee keeping", "apiculture"]),
        SubjectEntry::new("Computer Science", "Programming", ["studylang"]),
    ]);
    assert_eq!(table.classify(&["Beekeeping"]).subject, "Bees");
    assert_eq!(table.classify(&["nature"]).subject, GENERAL);
    assert_eq!(table.classify(&["StudyLang"]).subject, "Programming");
    let moved = SubjectTable::builtin().with([SubjectEntry::new("Hobby", "Games", ["chess"])]);
    assert_eq!(moved.classify(&["chess"]).category, "Hobby");
    assert!(SubjectTable::empty().classify(&["chess"]).is_other());
    // Keywords for a category as a whole, one that is there or a new one.
    let whole = SubjectTable::builtin().with([
        SubjectEntry::new("Mathematics", GENERAL, ["algebra"]),
        SubjectEntry::new("Nature", GENERAL, ["outside"]),
    ]);
    for (keyword, category) in [
        ("algebra", "Mathematics"),
        ("outside", "Nature"),
        ("nature", "Nature"),
    ] {
        let subject = whole.classify(&[keyword]);
        assert_eq!((subject.category, subject.subject), (category, GENERAL));
    }
    assert!(whole.classify(&["general"]).is_other());
    let long = "x ".repeat(100_000);
    assert!(table.find(&long).is_none());
}
