//! Questions as form fields, and form fields as answers.
//!
//! Every kind works with native fields and without a script: putting things in
//! order is choosing a place for each, matching is choosing a partner for each.

use crate::form::Fields;
use crate::markup::{self, Kind};
use studytime_schema::MessageId;
use studytime_schema::content::{Answer, Question, QuestionKind};

/// Longest typed answer that is passed on, in characters.
const MAX_TYPED: usize = 2_000;

/// A question, ready for a form.
pub(crate) struct Asked {
    /// The name of its field, or what their names begin with.
    pub(crate) field: String,
    pub(crate) number: usize,
    pub(crate) html: String,
    pub(crate) points: u64,
    pub(crate) shape: Shape,
}

/// What fields a question has.
pub(crate) enum Shape {
    /// Radio buttons: value and text.
    One(Vec<(String, String)>),
    /// Check boxes: value and text.
    Many(Vec<(String, String)>),
    /// A field for a number, with its unit.
    Number(Option<String>),
    /// A field for words.
    Words,
    /// For each text (with its field's name) a choice among values and texts.
    Places(Vec<(String, String)>, Vec<(String, String)>),
}

impl Asked {
    /// All questions of a test.
    pub(crate) fn all(test: &MessageId, questions: &[Question]) -> Vec<Self> {
        questions
            .iter()
            .enumerate()
            .map(|(i, question)| Self::new(test, i, question))
            .collect()
    }

    fn new(test: &MessageId, index: usize, question: &Question) -> Self {
        let field = format!("q{index}");
        let shape = match &question.kind {
            QuestionKind::Single { options, .. } => Shape::One(numbered(options)),
            QuestionKind::Multiple { options, .. } => Shape::Many(numbered(options)),
            QuestionKind::TrueFalse { .. } => Shape::One(vec![
                ("true".to_owned(), "True".to_owned()),
                ("false".to_owned(), "False".to_owned()),
            ]),
            QuestionKind::Numeric { unit, .. } => Shape::Number(unit.clone()),
            QuestionKind::Order { items } => {
                let rows = shuffled(items.len(), test, index)
                    .into_iter()
                    .filter_map(|i| Some((format!("{field}_{i}"), inline(items.get(i)?))))
                    .collect();
                let places = (1..=items.len())
                    .map(|n| (n.to_string(), n.to_string()))
                    .collect();
                Shape::Places(rows, places)
            }
            QuestionKind::Match { pairs, extra } => {
                let rows = pairs
                    .iter()
                    .enumerate()
                    .map(|(i, pair)| (format!("{field}_{i}"), inline(&pair.left)))
                    .collect();
                let right: Vec<&str> = pairs
                    .iter()
                    .map(|p| p.right.as_str())
                    .chain(extra.iter().map(String::as_str))
                    .collect();
                let choices = shuffled(right.len(), test, index)
                    .into_iter()
                    .filter_map(|i| Some((i.to_string(), markup::summary(right.get(i)?, 200))))
                    .collect();
                Shape::Places(rows, choices)
            }
            _ => Shape::Words,
        };
        Self {
            field,
            number: index + 1,
            html: markup::render(&question.question, Kind::Markdown).html,
            points: question.points,
            shape,
        }
    }
}

fn numbered(options: &[String]) -> Vec<(String, String)> {
    options
        .iter()
        .enumerate()
        .map(|(i, option)| (i.to_string(), inline(option)))
        .collect()
}

/// A short text as HTML without a paragraph around it.
fn inline(text: &str) -> String {
    let html = markup::render(text, Kind::Markdown).html;
    let trimmed = html.trim();
    match trimmed
        .strip_prefix("<p>")
        .and_then(|t| t.strip_suffix("</p>"))
    {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => trimmed.to_owned(),
    }
}

/// An order that is the same each time the test is shown, and not the right
/// one when there is another.
fn shuffled(len: usize, test: &MessageId, question: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    let mut state = test
        .as_bytes()
        .iter()
        .fold(question as u64 ^ 0x9e37_79b9_7f4a_7c15, |s, b| {
            (s ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
        })
        | 1;
    for i in (1..len).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(
            i,
            usize::try_from((state >> 33) % (i as u64 + 1)).unwrap_or(0),
        );
    }
    if len > 1 && order.windows(2).all(|w| w[0] < w[1]) {
        order.rotate_left(1);
    }
    order
}

/// The answers in a form, one a question; `None` where nothing was chosen.
pub(crate) fn answers(questions: &[Question], form: &Fields) -> Vec<Option<Answer>> {
    questions
        .iter()
        .enumerate()
        .map(|(i, question)| answer(&question.kind, &format!("q{i}"), form))
        .collect()
}

fn answer(kind: &QuestionKind, field: &str, form: &Fields) -> Option<Answer> {
    let typed = || Some(form.get(field)?.chars().take(MAX_TYPED).collect());
    Some(match kind {
        QuestionKind::Single { .. } => Answer::Single {
            choice: form.read(field)?,
        },
        QuestionKind::Multiple { .. } => {
            let mut choices: Vec<usize> = form.all(field).filter_map(|v| v.parse().ok()).collect();
            choices.sort_unstable();
            choices.dedup();
            if choices.is_empty() {
                return None;
            }
            Answer::Multiple { choices }
        }
        QuestionKind::TrueFalse { .. } => Answer::TrueFalse {
            value: form.get(field)? == "true",
        },
        QuestionKind::Numeric { .. } => Answer::Numeric { value: typed()? },
        QuestionKind::Order { items } => {
            let mut places: Vec<(usize, usize)> = (0..items.len())
                .filter_map(|i| Some((form.read(&format!("{field}_{i}"))?, i)))
                .collect();
            if places.len() != items.len() {
                return None;
            }
            places.sort_unstable();
            Answer::Order {
                order: places.into_iter().map(|(_, i)| i).collect(),
            }
        }
        QuestionKind::Match { pairs, .. } => {
            let matches: Vec<Option<usize>> = (0..pairs.len())
                .map(|i| form.read(&format!("{field}_{i}")))
                .collect();
            if matches.iter().all(Option::is_none) {
                return None;
            }
            Answer::Match { matches }
        }
        _ => Answer::Text { value: typed()? },
    })
}

/// What would have been right, as HTML.
pub(crate) fn solution(kind: &QuestionKind) -> String {
    let list = |tag: &str, texts: Vec<String>| {
        let items: String = texts.iter().map(|t| format!("<li>{t}</li>")).collect();
        format!("<{tag}>{items}</{tag}>")
    };
    match kind {
        QuestionKind::Single { options, answer } => {
            options.get(*answer).map(|o| inline(o)).unwrap_or_default()
        }
        QuestionKind::Multiple { answers, .. } if answers.is_empty() => "None of them".to_owned(),
        QuestionKind::Multiple { options, answers } => list(
            "ul",
            answers
                .iter()
                .filter_map(|i| options.get(*i))
                .map(|o| inline(o))
                .collect(),
        ),
        QuestionKind::TrueFalse { answer: true } => "True".to_owned(),
        QuestionKind::TrueFalse { answer: false } => "False".to_owned(),
        QuestionKind::Numeric {
            answer,
            tolerance,
            unit,
        } => {
            let unit = unit
                .as_deref()
                .map(|u| format!(" {}", markup::escape(u)))
                .unwrap_or_default();
            if *tolerance == 0.0 {
                format!("{answer}{unit}")
            } else {
                format!("{answer} ± {tolerance}{unit}")
            }
        }
        QuestionKind::Text { answers, .. } => {
            let texts: Vec<String> = answers.iter().take(5).map(|a| markup::escape(a)).collect();
            texts.join(", or ")
        }
        QuestionKind::Order { items } => list("ol", items.iter().map(|i| inline(i)).collect()),
        QuestionKind::Match { pairs, .. } => list(
            "ul",
            pairs
                .iter()
                .map(|p| format!("{} → {}", inline(&p.left), inline(&p.right)))
                .collect(),
        ),
        _ => String::new(),
    }
}

/// What the learner answered, as HTML; `None` when the question was left out.
pub(crate) fn given(kind: &QuestionKind, answer: Option<&Answer>) -> Option<String> {
    let join = |texts: Vec<String>| texts.join(", ");
    Some(match (kind, answer?) {
        (QuestionKind::Single { options, .. }, Answer::Single { choice }) => {
            inline(options.get(*choice)?)
        }
        (QuestionKind::Multiple { options, .. }, Answer::Multiple { choices }) => join(
            choices
                .iter()
                .filter_map(|i| options.get(*i))
                .map(|o| inline(o))
                .collect(),
        ),
        (_, Answer::TrueFalse { value }) => if *value { "True" } else { "False" }.to_owned(),
        (_, Answer::Numeric { value } | Answer::Text { value }) => markup::escape(value),
        (QuestionKind::Order { items }, Answer::Order { order }) => join(
            order
                .iter()
                .filter_map(|i| items.get(*i))
                .map(|o| inline(o))
                .collect(),
        ),
        (QuestionKind::Match { pairs, extra }, Answer::Match { matches }) => {
            let right = |i: usize| {
                pairs
                    .get(i)
                    .map(|p| &p.right)
                    .or_else(|| extra.get(i - pairs.len().min(i)))
            };
            let chosen = pairs.iter().zip(matches).map(|(pair, chosen)| {
                let chosen = chosen
                    .and_then(right)
                    .map_or_else(|| "?".to_owned(), |r| inline(r));
                format!("{} → {chosen}", inline(&pair.left))
            });
            join(chosen.collect())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_schema::content::Pair;

    fn questions() -> Vec<Question> {
        let texts = |t: &[&str]| t.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let pair = |l: &str, r: &str| Pair {
            left: l.to_owned(),
            right: r.to_owned(),
        };
        [
            QuestionKind::Single {
                options: texts(&["a", "b"]),
                answer: 1,
            },
            QuestionKind::Multiple {
                options: texts(&["a", "b", "c"]),
                answers: vec![0, 2],
            },
            QuestionKind::TrueFalse { answer: false },
            QuestionKind::Numeric {
                answer: 3.5,
                tolerance: 0.1,
                unit: Some("m".to_owned()),
            },
            QuestionKind::Text {
                answers: texts(&["Paris"]),
                case_sensitive: false,
                ignore_accents: true,
            },
            QuestionKind::Order {
                items: texts(&["x", "y", "z"]),
            },
            QuestionKind::Match {
                pairs: vec![pair("cat", "meow"), pair("dog", "woof")],
                extra: texts(&["moo"]),
            },
        ]
        .into_iter()
        .map(|kind| Question::new("Which *one*?", kind))
        .collect()
    }

    #[test]
    fn right_answers_are_read_as_such() {
        let form = Fields::parse(
            "q0=1&q1=2&q1=0&q2=false&q3=3,5&q4=+paris+&q5_0=1&q5_1=2&q5_2=3&q6_0=0&q6_1=1",
        );
        let questions = questions();
        for (question, answer) in questions.iter().zip(answers(&questions, &form)) {
            let answer = answer.unwrap_or_else(|| panic!("{question:?}"));
            assert!(question.grade(&answer).correct, "{question:?} {answer:?}");
            assert!(given(&question.kind, Some(&answer)).is_some());
            assert!(!solution(&question.kind).is_empty());
        }
    }

    #[test]
    fn empty_and_odd_forms_are_no_answers() {
        let questions = questions();
        for form in [
            "",
            "q0=x&q1=&q3=&q4=+&q5_0=1&q6_0=",
            "q1=zz&q5_0=a&q5_1=b&q5_2=c",
        ] {
            let answers = answers(&questions, &Fields::parse(form));
            assert_eq!(answers.len(), questions.len());
            for i in [1, 3, 4, 5, 6] {
                assert_eq!(answers[i], None, "{form}");
            }
        }
    }

    #[test]
    fn indices_out_of_range_are_shown_as_nothing() {
        let form = Fields::parse("q0=99&q1=99&q6_0=2&q6_1=99");
        let questions = questions();
        let answers = answers(&questions, &form);
        assert_eq!(given(&questions[0].kind, answers[0].as_ref()), None);
        assert_eq!(
            given(&questions[6].kind, answers[6].as_ref()).as_deref(),
            Some("cat → moo, dog → ?")
        );
    }

    #[test]
    fn things_to_order_never_stand_in_the_right_order() {
        for seed in 0..50u8 {
            let order = shuffled(4, &MessageId::from_bytes([seed; 32]), usize::from(seed));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            assert_ne!(order, sorted);
        }
        assert_eq!(shuffled(1, &MessageId::from_bytes([0; 32]), 0), [0]);
    }
}
