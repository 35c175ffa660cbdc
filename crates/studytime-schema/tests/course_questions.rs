//! Questions and their grading.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::prelude::*;
use serde_json::json;
use studytime_schema::content::{Answer, Question, QuestionKind, grade_test, parse_questions};

fn question(json: serde_json::Value) -> Question {
    let (mut questions, dropped) = parse_questions(&json!([json]).to_string()).unwrap();
    assert!(dropped.is_empty(), "{dropped:?}");
    questions.remove(0)
}

fn share(question: &Question, answer: Answer) -> f64 {
    let grade = question.grade(&answer);
    assert_eq!(grade.correct, grade.earned == question.points as f64);
    grade.earned / question.points as f64
}

fn typed(kind: &str, value: &str) -> Answer {
    let value = value.to_owned();
    if kind == "text" {
        Answer::Text { value }
    } else {
        Answer::Numeric { value }
    }
}

#[test]
fn choices() {
    let q = question(
        json!({"kind": "single", "question": "2 + 2?", "options": ["3", "4"], "answer": 1, "points": 3}),
    );
    assert_eq!(share(&q, Answer::Single { choice: 1 }), 1.0);
    assert_eq!(share(&q, Answer::Single { choice: 0 }), 0.0);
    assert_eq!(share(&q, Answer::Skipped), 0.0);
    assert_eq!(share(&q, Answer::TrueFalse { value: true }), 0.0);
    assert_eq!(q.grade(&Answer::Single { choice: 1 }).earned, 3.0);

    let q = question(
        json!({"kind": "multiple", "question": "Primes?", "options": ["2", "3", "4", "5"], "answers": [3, 0, 1, 0]}),
    );
    let pick = |choices: &[usize]| {
        share(
            &q,
            Answer::Multiple {
                choices: choices.to_vec(),
            },
        )
    };
    assert_eq!(pick(&[0, 1, 3]), 1.0);
    assert_eq!(pick(&[3, 3, 1, 0]), 1.0);
    assert!((pick(&[0, 1]) - 2.0 / 3.0).abs() < 1e-9);
    assert!((pick(&[0, 1, 2]) - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(pick(&[2]), 0.0);
    assert!(
        (pick(&[0, 1, 2, 3]) - 2.0 / 3.0).abs() < 1e-9,
        "choosing all is not right"
    );
    assert_eq!(pick(&[0, 1, 3, 9]), 0.0);

    let none =
        question(json!({"kind": "multiple", "question": "None?", "options": ["a"], "answers": []}));
    assert_eq!(share(&none, Answer::Multiple { choices: vec![] }), 1.0);
    assert_eq!(share(&none, Answer::Multiple { choices: vec![0] }), 0.0);

    let q = question(json!({"kind": "true_false", "question": "?", "answer": false}));
    assert_eq!(share(&q, Answer::TrueFalse { value: false }), 1.0);
    assert_eq!(share(&q, Answer::TrueFalse { value: true }), 0.0);
}

#[test]
fn numbers() {
    let q = question(
        json!({"kind": "numeric", "question": "Pi?", "answer": "3.14", "tolerance": "0.01"}),
    );
    for right in ["3.14", " 3,14 ", "3.15", "3.13", "314e-2", "+3.14"] {
        assert_eq!(share(&q, typed("numeric", right)), 1.0, "{right}");
    }
    for wrong in ["3.16", "", "pi", "NaN", "inf", "3.1.4", "0x3"] {
        assert_eq!(share(&q, typed("numeric", wrong)), 0.0, "{wrong}");
    }
    let q = question(json!({"kind": "numeric", "question": "?", "answer": -1234567.5}));
    for right in [
        "-1234567.5",
        "-1,234,567.5",
        "-1 234 567,5",
        "\u{2212}1'234'567.5",
    ] {
        assert_eq!(share(&q, typed("numeric", right)), 1.0, "{right}");
    }
    assert_eq!(q.to_value()["answer"], "-1234567.5");
    assert_eq!(question(q.to_value()), q);
}

#[test]
fn texts() {
    let q = question(json!({"kind": "text", "question": "?", "answers": ["New  York", "NYC"]}));
    for right in ["new york", "  NEW YORK ", "nyc", "New\u{a0}York"] {
        assert_eq!(share(&q, typed("text", right)), 1.0, "{right}");
    }
    assert_eq!(share(&q, typed("text", "newyork")), 0.0);
    let q = question(
        json!({"kind": "text", "question": "?", "answers": ["Café"], "case_sensitive": true}),
    );
    assert_eq!(
        share(&q, typed("text", "Cafe\u{301}")),
        1.0,
        "another Unicode form"
    );
    assert_eq!(share(&q, typed("text", "café")), 0.0);
    assert_eq!(share(&q, typed("text", "Cafe")), 0.0);
    let q = question(
        json!({"kind": "text", "question": "?", "answers": ["Café"], "ignore_accents": true}),
    );
    assert_eq!(share(&q, typed("text", "cafe")), 1.0);
}

#[test]
fn orders_and_pairs() {
    let q = question(json!({"kind": "order", "question": "?", "items": ["a", "b", "c", "d"]}));
    let order = |order: &[usize]| {
        share(
            &q,
            Answer::Order {
                order: order.to_vec(),
            },
        )
    };
    assert_eq!(order(&[0, 1, 2, 3]), 1.0);
    assert!((order(&[1, 2, 3, 0]) - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(order(&[3, 2, 1, 0]), 0.0);
    assert_eq!(order(&[0, 1, 2]), 0.0);
    assert_eq!(order(&[0, 1, 2, 2]), 0.0);
    assert_eq!(order(&[0, 1, 2, 9]), 0.0);
    let same = question(json!({"kind": "order", "question": "?", "items": ["a", "a", "b"]}));
    assert_eq!(
        share(
            &same,
            Answer::Order {
                order: vec![1, 0, 2]
            }
        ),
        1.0
    );

    let q = question(
        json!({"kind": "match", "question": "?", "extra": ["moo"], "pairs": [
        {"left": "cat", "right": "meow"}, {"left": "dog", "right": "woof"}]}),
    );
    let matches = |m: &[Option<usize>]| {
        share(
            &q,
            Answer::Match {
                matches: m.to_vec(),
            },
        )
    };
    assert_eq!(matches(&[Some(0), Some(1)]), 1.0);
    assert_eq!(matches(&[Some(0), Some(2)]), 0.5);
    assert_eq!(matches(&[None, Some(1)]), 0.5);
    assert_eq!(matches(&[Some(7)]), 0.0);
}

#[test]
fn a_whole_test() {
    let (questions, _) = parse_questions(
        &json!([
            {"kind": "true_false", "question": "?", "answer": true},
            {"kind": "true_false", "question": "?", "answer": true, "points": 2},
            {"kind": "true_false", "question": "?", "answer": true, "points": 0},
        ])
        .to_string(),
    )
    .unwrap();
    let yes = Answer::TrueFalse { value: true };
    let grade = grade_test(&questions, &[Answer::Skipped, yes.clone()]);
    assert_eq!((grade.earned, grade.points, grade.percent), (2.0, 3, 66));
    assert!(grade.passes(66) && !grade.passes(67));
    assert_eq!(
        grade_test(&questions, &[yes.clone(), yes.clone(), yes]).percent,
        100
    );
    assert_eq!(grade_test(&[], &[]).percent, 100);
}

#[test]
fn unusable_questions_are_left_out_with_a_reason() {
    for (json, expected) in [
        (
            json!({"kind": "single", "question": "?", "options": ["a"], "answer": 0}),
            "2 to 100",
        ),
        (
            json!({"kind": "single", "question": "?", "options": ["a", "b"], "answer": 2}),
            "no index",
        ),
        (
            json!({"kind": "single", "question": "?", "options": ["a", 1], "answer": 0}),
            "is not a text",
        ),
        (
            json!({"kind": "single", "question": "?", "options": ["a", "b"]}),
            "no `answer`",
        ),
        (
            json!({"kind": "single", "options": ["a", "b"], "answer": 0}),
            "`question`",
        ),
        (
            json!({"kind": "numeric", "question": "?", "answer": "many"}),
            "is not a number",
        ),
        (
            json!({"kind": "match", "question": "?", "pairs": [{"left": "a"}]}),
            "`left` and `right`",
        ),
        (json!({"question": "?"}), "no `kind`"),
        (json!(5), "is not an object"),
    ] {
        let error = parse_questions(&json!([json]).to_string())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

proptest! {
    #[test]
    fn display_orders_are_stable_and_never_the_answer(len in 2usize..20, seed: u64) {
        let items: Vec<String> = (0..len).map(|n| n.to_string()).collect();
        let q = Question::new("?", QuestionKind::Order { items });
        let order = q.display_order(seed);
        prop_assert_eq!(&order, &q.display_order(seed));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&sorted, &(0..len).collect::<Vec<_>>());
        prop_assert_ne!(&order, &sorted);
        let shown = q.grade(&Answer::Order { order });
        prop_assert!(!shown.correct);
    }

    #[test]
    fn grading_never_panics(numbers in prop::collection::vec(any::<usize>(), 0..6), text in ".{0,20}") {
        let all = parse_questions(&json!([
            {"kind": "single", "question": "?", "options": ["a", "b"], "answer": 1},
            {"kind": "multiple", "question": "?", "options": ["a", "b"], "answers": [1]},
            {"kind": "numeric", "question": "?", "answer": 1},
            {"kind": "text", "question": "?", "answers": ["a"]},
            {"kind": "order", "question": "?", "items": ["a", "b"]},
            {"kind": "match", "question": "?", "pairs": [{"left": "a", "right": "b"}]},
        ]).to_string()).unwrap().0;
        let answers = [
            Answer::Single { choice: numbers.first().copied().unwrap_or(0) },
            Answer::Multiple { choices: numbers.clone() },
            Answer::Numeric { value: text.clone() },
            Answer::Text { value: text },
            Answer::Order { order: numbers.clone() },
            Answer::Match { matches: numbers.into_iter().map(Some).collect() },
        ];
        for question in &all {
            for answer in &answers {
                let grade = question.grade(answer);
                prop_assert!((0.0..=1.0).contains(&grade.earned));
            }
        }
        prop_assert!(grade_test(&all, &answers).percent <= 100);
    }
}
