//! Liberal reading of JSON fields: a wrong required field is an error, a wrong
//! optional one is dropped and remembered.

use super::{ContentError, FieldProblem, Patch};
use crate::refs::{BlobId, FeedId, MessageId};
use serde_json::{Map, Value};

/// The largest integer that JavaScript keeps exactly.
pub(crate) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What is wrong with a value, as the end of a sentence.
pub(crate) type Wrong = String;

/// The fields of one content, with what had to be dropped so far.
pub(crate) struct Fields<'a> {
    type_name: &'static str,
    map: &'a Map<String, Value>,
    dropped: Vec<FieldProblem>,
    prefix: String,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(type_name: &'static str, map: &'a Map<String, Value>) -> Self {
        Self {
            type_name,
            map,
            dropped: Vec::new(),
            prefix: String::new(),
        }
    }

    /// The fields of an object inside a list or field, named `prefix.…` in reports.
    pub(crate) fn inside(
        type_name: &'static str,
        map: &'a Map<String, Value>,
        prefix: &str,
    ) -> Self {
        Self {
            prefix: format!("{prefix}."),
            ..Self::new(type_name, map)
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        self.type_name
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    pub(crate) fn into_dropped(self) -> Vec<FieldProblem> {
        self.dropped
    }

    pub(crate) fn adopt(&mut self, problems: Vec<FieldProblem>) {
        self.dropped.extend(problems);
    }

    pub(crate) fn drop_field(&mut self, key: &str, problem: impl Into<String>) {
        self.dropped.push(FieldProblem {
            field: format!("{}{key}", self.prefix),
            problem: problem.into(),
        });
    }

    pub(crate) fn missing(&self, key: &str) -> ContentError {
        ContentError::Missing {
            type_name: self.type_name,
            field: format!("{}{key}", self.prefix),
        }
    }

    pub(crate) fn wrong(&self, key: &str, problem: impl Into<String>) -> ContentError {
        ContentError::Wrong {
            type_name: self.type_name,
            field: format!("{}{key}", self.prefix),
            problem: problem.into(),
        }
    }

    /// A required field.
    pub(crate) fn required<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Result<T, ContentError> {
        match self.get(key) {
            None | Some(Value::Null) => Err(self.missing(key)),
            Some(value) => read(value).map_err(|problem| self.wrong(key, problem)),
        }
    }

    /// A field that may be absent, empty or wrong.
    pub(crate) fn patch<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Patch<T> {
        match self.get(key) {
            None => Patch::Keep,
            Some(Value::String(text)) if text.trim().is_empty() => Patch::Clear,
            Some(Value::Array(list)) if list.is_empty() => Patch::Clear,
            Some(value) => match read(value) {
                Ok(value) => Patch::Set(value),
                Err(problem) => {
                    self.drop_field(key, problem);
                    Patch::Keep
                }
            },
        }
    }

    /// A field that may be absent; empty counts as absent.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.patch(key, read).into_value()
    }

    /// A field that may be absent and has no empty form: a flag, a number.
    pub(crate) fn given<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        match read(self.get(key)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.drop_field(key, problem);
                None
            }
        }
    }

    /// A list whose wrong elements are dropped one by one. A list that had
    /// elements, but no usable one, counts as absent.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        max: usize,
        mut read: impl FnMut(&mut Self, &str, &'a Value) -> Result<T, Wrong>,
    ) -> Patch<Vec<T>> {
        let elements = match self.get(key) {
            None => return Patch::Keep,
            Some(Value::String(text)) if text.trim().is_empty() => return Patch::Clear,
            Some(Value::Array(elements)) => elements,
            Some(_) => {
                self.drop_field(key, "is not a list");
                return Patch::Keep;
            }
        };
        if elements.is_empty() {
            return Patch::Clear;
        }
        let mut out = Vec::new();
        for (i, element) in elements.iter().enumerate() {
            if out.len() == max {
                self.drop_field(key, format!("has more than {max} elements, the rest"));
                break;
            }
            let place = format!("{key}[{i}]");
            match read(self, &place, element) {
                Ok(value) => out.push(value),
                Err(problem) => self.drop_field(&place, problem),
            }
        }
        if out.is_empty() {
            Patch::Keep
        } else {
            Patch::Set(out)
        }
    }

    /// A required list with at least one usable element.
    pub(crate) fn required_list<T>(
        &mut self,
        key: &str,
        max: usize,
        read: impl FnMut(&mut Self, &str, &'a Value) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, ContentError> {
        if matches!(self.get(key), None | Some(Value::Null)) {
            return Err(self.missing(key));
        }
        match self.list(key, max, read) {
            Patch::Set(list) => Ok(list),
            Patch::Clear => Err(self.wrong(key, "is empty")),
            Patch::Keep => {
                let why = self
                    .dropped
                    .last()
                    .map(|p| format!(" (the last one: {} {})", p.field, p.problem))
                    .unwrap_or_default();
                Err(self.wrong(key, format!("holds nothing usable{why}")))
            }
        }
    }
}

pub(crate) fn text(value: &Value) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err("is not a text".into()),
    }
}

/// A text that is not empty.
pub(crate) fn some_text(value: &Value) -> Result<String, Wrong> {
    let text = text(value)?;
    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    Ok(text)
}

pub(crate) fn boolean(value: &Value) -> Result<bool, Wrong> {
    value
        .as_bool()
        .ok_or_else(|| "is not true or false".to_owned())
}

/// A whole number from 0 to 2^53 - 1, also when written `3.0`.
pub(crate) fn number(value: &Value) -> Result<u64, Wrong> {
    let n = match value.as_u64() {
        Some(n) => Some(n),
        None => value.as_f64().and_then(whole),
    };
    n.filter(|n| *n <= MAX_SAFE_INTEGER)
        .ok_or_else(|| "is not a whole number from 0 up".to_owned())
}

/// A length or duration: a number from 0 up, rounded to a whole one.
pub(crate) fn rounded(value: &Value) -> Result<u64, Wrong> {
    value
        .as_f64()
        .and_then(|n| whole(n.round()))
        .filter(|n| *n <= MAX_SAFE_INTEGER)
        .ok_or_else(|| "is not a number from 0 up".to_owned())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(n: f64) -> Option<u64> {
    // Beyond 2^53 the conversion would be inexact, and the caller refuses it.
    (n.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&n)).then_some(n as u64)
}

pub(crate) fn percent(value: &Value) -> Result<u8, Wrong> {
    rounded(value)
        .ok()
        .and_then(|n| u8::try_from(n).ok())
        .filter(|n| *n <= 100)
        .ok_or_else(|| "is not a number from 0 to 100".to_owned())
}

pub(crate) fn feed(value: &Value) -> Result<FeedId, Wrong> {
    let text = value.as_str().ok_or("is not a feed id")?;
    FeedId::parse_lenient(text.trim()).map_err(|e| format!("is wrong: {e}"))
}

pub(crate) fn message_id(value: &Value) -> Result<MessageId, Wrong> {
    let text = value.as_str().ok_or("is not a message id")?;
    text.trim().parse().map_err(|e| format!("is wrong: {e}"))
}

/// A blob id, bare or as `{"link": …}`.
pub(crate) fn blob(value: &Value) -> Result<BlobId, Wrong> {
    let text = value
        .as_str()
        .or_else(|| value.get("link").and_then(Value::as_str))
        .ok_or("is not a blob id")?;
    BlobId::parse_lenient(text.trim()).map_err(|e| format!("is wrong: {e}"))
}

/// An address that a browser may be sent to.
pub(crate) fn web_url(value: &Value) -> Result<String, Wrong> {
    let text = some_text(value)?;
    let text = text.trim();
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let rest = lower
        .strip_prefix("https://")
        .or_else(|| lower.strip_prefix("http://"));
    if rest.is_none() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("is not an http or https address".into());
    }
    Ok(text.to_owned())
}

pub(crate) fn magnet(value: &Value) -> Result<String, Wrong> {
    let text = some_text(value)?;
    if text.starts_with("magnet:?") && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(text)
    } else {
        Err("is not a magnet link".into())
    }
}

/// The shape of a BCP 47 language tag; `en_US` is read as `en-US`.
pub(crate) fn language(value: &Value) -> Result<String, Wrong> {
    let tag = some_text(value)?.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let good = (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts
            .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && tag.len() <= 35;
    if good {
        Ok(tag)
    } else {
        Err("is not a language tag like `en` or `pt-BR`".into())
    }
}

/// A MIME type like `video/mp4`, without parameters that could confuse a page.
pub(crate) fn mime(value: &Value) -> Result<String, Wrong> {
    let text = some_text(value)?.trim().to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let token = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, sub)) if token(kind) && token(sub) && essence.len() <= 127 => {
            Ok(essence.to_owned())
        }
        _ => Err("is not a MIME type like `video/mp4`".into()),
    }
}
