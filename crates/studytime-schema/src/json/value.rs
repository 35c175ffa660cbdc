//! From `serde_json` values to text, for writers: only what every
//! implementation reads alike.

use super::escape::{array_index, count_units, push_string};
use serde_json::{Map, Value};

/// A message of allowed size nests less than 64 levels, as every line is
/// indented by its depth: values nested deeper are not measured.
const MAX_DEPTH: usize = 62;
/// How many levels writers use, the content itself included. Every validator
/// reads more, but kuska-ssb (and so solar) panics at the nineteenth.
const MAX_WRITTEN_DEPTH: usize = 18;
/// The largest whole number that JavaScript counts exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Why a value cannot be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StrictError {
    Number { path: String, value: String },
    Key { path: String, key: String },
    TooDeep { path: String },
}

/// The compact text of an object, `type` first, or what in it is not allowed.
pub(crate) fn compact_strict(content: &Map<String, Value>) -> Result<String, StrictError> {
    let mut out = String::with_capacity(512);
    let mut path = Vec::new();
    write_object(&mut out, content, &mut path)?;
    Ok(out)
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn path_text(path: &[Step<'_>]) -> String {
    let mut out = String::from("content");
    for step in path {
        match step {
            Step::Key(key) => {
                out.push('.');
                out.extend(key.chars().take(60));
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

/// `type` first, as people expect to read it; then the map's own order.
fn members(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let first = map.get_key_value("type");
    first
        .into_iter()
        .chain(map.iter().filter(|(key, _)| *key != "type"))
}

fn write_object<'a>(
    out: &mut String,
    map: &'a Map<String, Value>,
    path: &mut Vec<Step<'a>>,
) -> Result<(), StrictError> {
    out.push('{');
    for (at, (key, value)) in members(map).enumerate() {
        // JavaScript moves array indices to the front, others do not; keys of
        // more digits are left out with them, as engines differ on where
        // indices end. `__proto__` gets lost when JavaScript copies an object.
        let digits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
        if digits || array_index(key).is_some() || key == "__proto__" {
            return Err(StrictError::Key {
                path: path_text(path),
                key: key.chars().take(60).collect(),
            });
        }
        if at > 0 {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        path.push(Step::Key(key));
        write(out, value, path)?;
        path.pop();
    }
    out.push('}');
    Ok(())
}

fn write<'a>(
    out: &mut String,
    value: &'a Value,
    path: &mut Vec<Step<'a>>,
) -> Result<(), StrictError> {
    if path.len() >= MAX_WRITTEN_DEPTH && (value.is_array() || value.is_object()) {
        return Err(StrictError::TooDeep {
            path: path_text(path.get(..4).unwrap_or_default()),
        });
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::String(text) => push_string(out, text),
        Value::Number(number) => {
            let safe = match (number.as_u64(), number.as_i64()) {
                (Some(n), _) => n <= MAX_SAFE_INTEGER,
                (None, Some(n)) => n.unsigned_abs() <= MAX_SAFE_INTEGER,
                (None, None) => false,
            };
            if !safe {
                return Err(StrictError::Number {
                    path: path_text(path),
                    value: number.to_string(),
                });
            }
            out.push_str(&number.to_string());
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                path.push(Step::Index(index));
                write(out, item, path)?;
                path.pop();
            }
            out.push(']');
        }
        Value::Object(map) => write_object(out, map, path)?,
    }
    Ok(())
}

/// How many UTF-16 units a value takes in the signed form, when the line it
/// begins on is indented by `depth` steps. A value nested beyond any message
/// counts as `usize::MAX`.
pub(crate) fn signed_units(value: &Value, depth: usize) -> usize {
    if depth > MAX_DEPTH + 1 {
        return usize::MAX;
    }
    // A line of its own: line end, indent, and a comma or the bracket.
    let line = |depth: usize| 2 + 2 * depth;
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => string_units(text),
        Value::Array(items) if items.is_empty() => 2,
        Value::Object(map) if map.is_empty() => 2,
        // The last element has no comma: that one unit is the opening bracket's.
        Value::Array(items) => items.iter().fold(line(depth), |sum, item| {
            sum.saturating_add(line(depth + 1))
                .saturating_add(signed_units(item, depth + 1))
        }),
        Value::Object(map) => map.iter().fold(line(depth), |sum, (key, item)| {
            sum.saturating_add(line(depth + 1) + string_units(key) + 2)
                .saturating_add(signed_units(item, depth + 1))
        }),
    }
}

/// A string with its quotes and escapes.
fn string_units(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|b| match b {
            b'"' | b'\\' | 8 | 9 | 10 | 12 | 13 => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    count_units(text) + escapes + 2
}
