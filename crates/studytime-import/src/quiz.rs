//! Tests written by hand: `NAME.quiz.json`, `quiz.json`, `test.json`.

use crate::names::tidy;
use serde_json::Value;
use studytime_schema::content::{Question, parse_questions};

/// A test as its file says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quiz {
    pub(crate) name: Option<String>,
    pub(crate) pass_percent: Option<u8>,
    pub(crate) questions: Vec<Question>,
    /// Questions that could not be read, and why.
    pub(crate) dropped: Vec<String>,
}

/// Reads an object with `questions`, or a bare array of questions.
pub(crate) fn parse(text: &str) -> Result<Quiz, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("not JSON ({e})"))?;
    let (name, pass, list) = match value {
        Value::Array(_) => (None, None, value),
        Value::Object(mut map) => (
            map.get("name").and_then(Value::as_str).map(tidy),
            map.get("pass_percent").cloned(),
            map.remove("questions").ok_or("it has no `questions`")?,
        ),
        _ => return Err("neither an object with `questions` nor a list of questions".into()),
    };
    let mut dropped = Vec::new();
    let pass_percent = pass.and_then(|value| {
        let percent = value
            .as_u64()
            .and_then(|p| u8::try_from(p).ok())
            .filter(|p| *p <= 100);
        if percent.is_none() {
            dropped.push("`pass_percent` is not a whole number from 0 to 100".to_owned());
        }
        percent
    });
    let (questions, problems) = parse_questions(&list.to_string()).map_err(|e| e.to_string())?;
    dropped.extend(
        problems
            .into_iter()
            .map(|p| format!("{} {}", p.field, p.problem)),
    );
    if questions.is_empty() {
        return Err("none of its questions can be read".into());
    }
    Ok(Quiz {
        name: name.filter(|n| !n.is_empty()),
        pass_percent,
        questions,
        dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let question = r#"{"kind":"true_false","question":"Is it?","answer":true}"#;
        let quiz = parse(&format!(
            r#"{{"name":" Loops ","pass_percent":60,"questions":[{question},{{"kind":"new"}}]}}"#
        ))
        .unwrap();
        assert_eq!(quiz.name.as_deref(), Some("Loops"));
        assert_eq!(quiz.pass_percent, Some(60));
        assert_eq!((quiz.questions.len(), quiz.dropped.len()), (1, 1));
        assert_eq!(parse(&format!("[{question}]")).unwrap().questions.len(), 1);
    }

    #[test]
    fn not_a_test() {
        for text in ["", "7", "{}", "[]", "{\"questions\":7}", &"[".repeat(500)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
