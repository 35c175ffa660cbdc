//! The questions of a test.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, FieldProblem, Patch};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most questions that are read of one test or questions blob.
pub const MAX_QUESTIONS: usize = 1000;
/// The most options, items, pairs or accepted answers of one question.
pub const MAX_OPTIONS: usize = 100;
/// The most points one question may be worth.
pub const MAX_POINTS: u64 = 1000;

/// One question of a test.
///
/// Every question is an object with a `kind`, the `question` itself
/// (Markdown), and optionally an `explanation` shown after answering and the
/// `points` it is worth (1 when absent). What else it has depends on the kind:
///
/// ```json
/// {"kind":"single","question":"2 + 2?","options":["3","4"],"answer":1}
/// {"kind":"multiple","question":"Which are prime?","options":["2","3","4"],"answers":[0,1]}
/// {"kind":"true_false","question":"Water is wet.","answer":true}
/// {"kind":"numeric","question":"Pi?","answer":"3.14","tolerance":"0.01","unit":"rad"}
/// {"kind":"text","question":"Capital of France?","answers":["Paris"],"case_sensitive":false}
/// {"kind":"order","question":"Smallest first.","items":["ant","cat","cow"]}
/// {"kind":"match","question":"Match.","pairs":[{"left":"cat","right":"meow"},{"left":"dog","right":"woof"}],"extra":["moo"]}
/// ```
///
/// Indices count from 0. Decimal numbers are written as texts, because
/// messages hold whole numbers only; plain JSON numbers are read too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked, in Markdown.
    pub question: String,
    /// Shown after answering, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// What it is worth, 0 to [`MAX_POINTS`].
    #[serde(default = "one")]
    pub points: u64,
    /// What is expected.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

const fn one() -> u64 {
    1
}

/// What kind of answer a question expects, and the right one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuestionKind {
    /// One of several options.
    Single {
        /// What can be chosen, at least two.
        options: Vec<String>,
        /// The index of the right one.
        answer: usize,
    },
    /// Any number of several options.
    Multiple {
        /// What can be chosen.
        options: Vec<String>,
        /// The indices of the right ones, ascending, each once; may be empty.
        answers: Vec<usize>,
    },
    /// True or false.
    TrueFalse {
        /// Whether the statement is true.
        answer: bool,
    },
    /// A number.
    Numeric {
        /// The right number.
        #[serde(with = "decimal_text")]
        answer: f64,
        /// How far an answer may be off, in the answer's unit; 0 when absent.
        #[serde(default, with = "decimal_text")]
        tolerance: f64,
        /// Shown behind the field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
    },
    /// A short text.
    Text {
        /// Texts that are accepted. Runs of space count as one space, and
        /// space at the ends not at all.
        answers: Vec<String>,
        /// Whether `paris` differs from `Paris`; false when absent.
        #[serde(default)]
        case_sensitive: bool,
        /// Whether `cafe` is accepted for `café`; false when absent.
        #[serde(default)]
        ignore_accents: bool,
    },
    /// Things to put in order.
    Order {
        /// The things, in the right order; a page shows them shuffled.
        items: Vec<String>,
    },
    /// Pairs to find.
    Match {
        /// The right pairs; a page shows the right sides shuffled.
        pairs: Vec<Pair>,
        /// Right sides that belong to nothing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        extra: Vec<String>,
    },
}

/// A pair of a `match` question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What is asked for.
    pub left: String,
    /// What belongs to it.
    pub right: String,
}

/// An answer to a question, in the learner's words.
///
/// JSON: `{"kind":"single","choice":1}`, `{"kind":"multiple","choices":[0,2]}`,
/// `{"kind":"true_false","value":true}`, `{"kind":"numeric","value":"3,14"}`,
/// `{"kind":"text","value":"Paris"}`, `{"kind":"order","order":[2,0,1]}`,
/// `{"kind":"match","matches":[1,null]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// To a `single` question.
    Single {
        /// The index of the chosen option.
        choice: usize,
    },
    /// To a `multiple` question.
    Multiple {
        /// The indices of the chosen options.
        choices: Vec<usize>,
    },
    /// To a `true_false` question.
    TrueFalse {
        /// What was chosen.
        value: bool,
    },
    /// To a `numeric` question.
    Numeric {
        /// What was typed; a decimal comma is understood.
        value: String,
    },
    /// To a `text` question.
    Text {
        /// What was typed.
        value: String,
    },
    /// To an `order` question.
    Order {
        /// The indices into the question's `items`, in the learner's order.
        order: Vec<usize>,
    },
    /// To a `match` question.
    Match {
        /// For each left side the index of the chosen right side (those of
        /// `pairs` first, then `extra`); `null` where nothing was chosen.
        matches: Vec<Option<usize>>,
    },
    /// The question was left out.
    Skipped,
}

impl Answer {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|e| format!("is not an answer: {e}"))
    }

    /// This answer as JSON.
    pub fn to_value(&self) -> Value {
        // Plain data with text keys always has a JSON form.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// A number written as JSON number or as decimal text.
fn decimal(value: &Value) -> Result<f64, String> {
    let n = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => super::grade::parse_number(text),
        _ => None,
    };
    n.ok_or_else(|| "is not a number".to_owned())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn write_decimal(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() <= read::MAX_SAFE_INTEGER as f64 {
        Value::from(n as i64)
    } else {
        Value::from(n.to_string())
    }
}

/// Decimal numbers in stored rows and replies: as in messages, so that they
/// read back to the last bit.
mod decimal_text {
    use serde::de::{self, Deserialize as _};
    use serde::{Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(n: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        super::write_decimal(*n).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        super::decimal(&value).map_err(de::Error::custom)
    }
}

fn texts(fields: &mut Fields<'_>, key: &str, least: usize) -> Result<Vec<String>, String> {
    let value = fields.get(key).ok_or(format!("has no `{key}`"))?;
    let list = value
        .as_array()
        .ok_or(format!("has `{key}` that is not a list"))?;
    if list.len() < least || list.len() > MAX_OPTIONS {
        return Err(format!(
            "needs {least} to {MAX_OPTIONS} elements in `{key}`"
        ));
    }
    // An element cannot be left out: indices would point elsewhere.
    list.iter()
        .map(|v| read::some_text(v).map_err(|e| format!("has something in `{key}` that {e}")))
        .collect()
}

fn index(value: &Value, len: usize) -> Result<usize, String> {
    read::number(value)
        .ok()
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n < len)
        .ok_or_else(|| {
            format!(
                "has an answer that is no index from 0 to {}",
                len.saturating_sub(1)
            )
        })
}

impl Question {
    /// A question worth one point, without an explanation.
    pub fn new(question: impl Into<String>, kind: QuestionKind) -> Self {
        Self {
            question: question.into(),
            explanation: None,
            points: 1,
            kind,
        }
    }

    /// What it is worth.
    pub const fn points(&self) -> u64 {
        self.points
    }

    /// Reads one question.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        place: &str,
        value: &Value,
    ) -> Result<Self, String> {
        let Value::Object(map) = value else {
            return Err("is not an object".into());
        };
        let mut inner = Fields::inside(fields.type_name(), map, place);
        let question = inner
            .required("question", read::some_text)
            .map_err(|_| "has no `question` text".to_owned())?;
        let kind = QuestionKind::read(&mut inner)?;
        let question = Self {
            question,
            explanation: inner.optional("explanation", read::text),
            points: inner
                .optional("points", |v| match read::number(v)? {
                    n if n <= MAX_POINTS => Ok(n),
                    _ => Err(format!("is more than {MAX_POINTS}")),
                })
                .unwrap_or(1),
            kind,
        };
        fields.adopt(inner.into_dropped());
        Ok(question)
    }

    /// This question as JSON, as it stands in `questions` or in a questions blob.
    pub fn to_value(&self) -> Value {
        let mut w = Writer::object();
        w.put("question", self.question.as_str());
        w.opt_text("explanation", self.explanation.as_ref());
        if self.points != 1 {
            w.put("points", self.points);
        }
        self.kind.write(&mut w);
        w.done()
    }
}

impl QuestionKind {
    /// The word in the JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Single { .. } => "single",
            Self::Multiple { .. } => "multiple",
            Self::TrueFalse { .. } => "true_false",
            Self::Numeric { .. } => "numeric",
            Self::Text { .. } => "text",
            Self::Order { .. } => "order",
            Self::Match { .. } => "match",
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, String> {
        let kind = fields
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let field = |key: &str| {
            let value = fields.get(key);
            value.ok_or_else(|| format!("has no `{key}`"))
        };
        Ok(match kind {
            "single" => {
                let answer = field("answer")?;
                let options = texts(fields, "options", 2)?;
                Self::Single {
                    answer: index(answer, options.len())?,
                    options,
                }
            }
            "multiple" => {
                let list = field("answers")?
                    .as_array()
                    .ok_or("has `answers` that is not a list")?;
                let options = texts(fields, "options", 1)?;
                let mut answers = list
                    .iter()
                    .take(MAX_OPTIONS)
                    .map(|v| index(v, options.len()))
                    .collect::<Result<Vec<_>, _>>()?;
                answers.sort_unstable();
                answers.dedup();
                Self::Multiple { options, answers }
            }
            "true_false" => Self::TrueFalse {
                answer: read::boolean(field("answer")?)
                    .map_err(|e| format!("has an `answer` that {e}"))?,
            },
            "numeric" => Self::Numeric {
                answer: decimal(field("answer")?)
                    .map_err(|e| format!("has an `answer` that {e}"))?,
                tolerance: fields.optional("tolerance", decimal).map_or(0.0, f64::abs),
                unit: fields.optional("unit", read::text),
            },
            "text" => Self::Text {
                answers: texts(fields, "answers", 1)?,
                case_sensitive: fields
                    .given("case_sensitive", read::boolean)
                    .unwrap_or(false),
                ignore_accents: fields
                    .given("ignore_accents", read::boolean)
                    .unwrap_or(false),
            },
            "order" => Self::Order {
                items: texts(fields, "items", 2)?,
            },
            "match" => {
                let list = field("pairs")?
                    .as_array()
                    .ok_or("has `pairs` that is not a list")?;
                if list.is_empty() || list.len() > MAX_OPTIONS {
                    return Err(format!("needs 1 to {MAX_OPTIONS} `pairs`"));
                }
                let side = |pair: &Value, key: &str| {
                    let text = pair.get(key).ok_or("")?;
                    read::some_text(text)
                };
                let pairs = list
                    .iter()
                    .map(|pair| {
                        Ok(Pair {
                            left: side(pair, "left")?,
                            right: side(pair, "right")?,
                        })
                    })
                    .collect::<Result<_, String>>()
                    .map_err(|_| "has a pair without `left` and `right` texts".to_owned())?;
                let extra = match fields.list("extra", MAX_OPTIONS, |_, _, v| read::some_text(v)) {
                    Patch::Set(extra) => extra,
                    Patch::Keep | Patch::Clear => Vec::new(),
                };
                Self::Match { pairs, extra }
            }
            "" => return Err("has no `kind`".into()),
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(format!("is of a kind not known here: {other}"));
            }
        })
    }

    fn write(&self, w: &mut Writer) {
        let list =
            |texts: &[String]| -> Vec<Value> { texts.iter().map(|t| t.as_str().into()).collect() };
        w.put("kind", self.as_str());
        match self {
            Self::Single { options, answer } => {
                w.put("options", list(options));
                w.put("answer", *answer);
            }
            Self::Multiple { options, answers } => {
                w.put("options", list(options));
                w.put("answers", answers.clone());
            }
            Self::TrueFalse { answer } => w.put("answer", *answer),
            Self::Numeric {
                answer,
                tolerance,
                unit,
            } => {
                w.put("answer", write_decimal(*answer));
                if *tolerance != 0.0 {
                    w.put("tolerance", write_decimal(*tolerance));
                }
                w.opt_text("unit", unit.as_ref());
            }
            Self::Text {
                answers,
                case_sensitive,
                ignore_accents,
            } => {
                w.put("answers", list(answers));
                w.flag("case_sensitive", *case_sensitive);
                w.flag("ignore_accents", *ignore_accents);
            }
            Self::Order { items } => w.put("items", list(items)),
            Self::Match { pairs, extra } => {
                let pairs: Vec<Value> = pairs
                    .iter()
                    .map(|pair| {
                        let mut p = Writer::object();
                        p.put("left", pair.left.as_str());
                        p.put("right", pair.right.as_str());
                        p.done()
                    })
                    .collect();
                w.put("pairs", pairs);
                w.list("extra", list(extra));
            }
        }
    }
}

/// Reads a questions blob: a JSON array of questions. Questions of a kind not
/// known here are left out and reported.
///
/// # Errors
/// [`ContentError`] when it is not such an array or has no usable question.
pub fn parse_questions(json: &str) -> Result<(Vec<Question>, Vec<FieldProblem>), ContentError> {
    super::parse_list_blob("questions_blob", json, MAX_QUESTIONS, Question::read)
}
