//! Any text as a content: read or refused, and what is written reads back.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use studytime_fuzz::{content::ContentText, feeds::keys, within};
use studytime_schema::content::{
    Answer, Content, MAX_LINKS, Question, blob_links, grade_test, parse_captions, parse_questions,
};
use studytime_schema::{Message, SignError};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str),
    Made(ContentText),
    /// A blob that holds a list.
    List(&'a str),
    Text(&'a str),
}

fuzz_target!(|input: Input<'_>| {
    within(64 << 20, || match &input {
        Input::Raw(text) => check(text),
        Input::Made(ContentText(text)) => check(text),
        Input::List(text) => {
            let _ = parse_captions(text);
            if let Ok((questions, _)) = parse_questions(text) {
                grade(&questions);
            }
        }
        Input::Text(text) => {
            let links = blob_links(text);
            assert!(links.len() <= MAX_LINKS);
            let plain: Vec<String> = links.iter().map(ToString::to_string).collect();
            assert_eq!(blob_links(&plain.join(" ")), links);
        }
    });
});

fn check(text: &str) {
    let Ok(parsed) = Content::parse(text) else {
        return;
    };
    let value = parsed.content.to_value();
    let written = value.to_string();
    let again = Content::parse(&written).expect("what we write can be read");
    assert_eq!(again.content, parsed.content);
    assert_eq!(again.dropped, []);
    assert_eq!(again.content.to_value(), value);

    // A strict writer writes what every program reads alike, if it fits.
    match Message::sign(&keys(1), None, 1, &value, None) {
        Ok(_) => {}
        Err(SignError::TooLong { .. }) => assert!(parsed.content.check_size().is_err()),
        Err(SignError::ContentType) => assert!(matches!(parsed.content, Content::Unknown { .. })),
        Err(error) => panic!("{error}: {written}"),
    }
    match &parsed.content {
        Content::Test(test) => grade(&test.questions),
        Content::Note(note) => {
            let parts = note.split(100);
            let whole: String = parts.iter().map(|part| part.text.as_str()).collect();
            assert_eq!(whole, note.text);
        }
        _ => {}
    }
}

/// Grades are shares of the points, whatever is asked and answered.
fn grade(questions: &[Question]) {
    let text = |value: &str| value.to_owned();
    let answers = [
        Answer::Single { choice: 1 },
        Answer::Multiple {
            choices: vec![1, 0, 1, usize::MAX],
        },
        Answer::TrueFalse { value: true },
        Answer::Numeric {
            value: text("-1,5e3"),
        },
        Answer::Numeric { value: text("0") },
        Answer::Text {
            value: text(" E\u{301}A "),
        },
        Answer::Order {
            order: vec![0, 1, 2, 2, usize::MAX],
        },
        Answer::Match {
            matches: vec![Some(0), None, Some(usize::MAX)],
        },
        Answer::Skipped,
    ];
    let whole = grade_test(questions, &answers);
    assert!(whole.percent <= 100 && (0.0..=whole.points as f64).contains(&whole.earned));
    for question in questions {
        for answer in &answers {
            let grade = question.grade(answer);
            assert!(
                (0.0..=grade.points as f64).contains(&grade.earned),
                "{grade:?}"
            );
        }
        let mut order = question.display_order(7);
        order.sort_unstable();
        assert!(
            order.iter().enumerate().all(|(at, n)| at == *n),
            "{order:?}"
        );
    }
}
