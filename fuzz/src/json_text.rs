//! JSON in every spelling that a reader has to know.

use arbitrary::{Arbitrary, Result, Unstructured};

/// A JSON text: valid but for rare slips, in many spellings of the same things
/// (escapes, numbers, spaces, repeated and number-like keys, deep nesting).
#[derive(Debug, Clone)]
pub struct JsonText(pub String);

/// Keys that some reader treats specially.
const KEYS: &[&str] = &[
    "type",
    "a",
    "b",
    "0",
    "1",
    "01",
    "10",
    "4294967294",
    "4294967295",
    "-1",
    "1.5",
    "__proto__",
    "constructor",
    "$serde_json::private::Number",
    "",
    "previous",
    "content",
    "text",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "10e-1",
    "1e5",
    "1E+5",
    "0.10",
    "123456789012345",
    "1234567890123456",
    "9007199254740993",
    "1e20",
    "1e21",
    "1e-6",
    "1e-7",
    "5e-324",
    "1e400",
    "-1e400",
    "1.7976931348623157e308",
    "2.5",
    "333333333.33333329",
    "4.50",
    "2e-3",
];
const WORDS: &[&str] = &["null", "true", "false"];
const SPACES: &[&str] = &["", "", "", " ", "\n", "\t", "\r\n", "  "];

impl<'a> Arbitrary<'a> for JsonText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut out = String::new();
        // Brackets around brackets, deeper than any reader should recurse.
        let nest = if u.ratio(1, 16)? {
            u.int_in_range(0..=200)?
        } else {
            0
        };
        let object = u.arbitrary()?;
        let spaced = u.ratio(1, 4)?;
        let (open, close) = if object { ("{\"a\":", "}") } else { ("[", "]") };
        out.push_str(&open.repeat(nest));
        value(u, &mut out, 0, spaced)?;
        out.push_str(&close.repeat(nest));
        Ok(Self(out))
    }
}

impl JsonText {
    /// An object with these first members (as they are) and some more.
    pub fn object_with(u: &mut Unstructured<'_>, first: &str) -> Result<Self> {
        let mut out = format!("{{{first}");
        let spaced = u.ratio(1, 8)?;
        for _ in 0..u.int_in_range(0..=5)? {
            if !out.ends_with('{') {
                out.push(',');
            }
            key(u, &mut out)?;
            out.push(':');
            value(u, &mut out, 1, spaced)?;
        }
        out.push('}');
        Ok(Self(out))
    }
}

fn space(u: &mut Unstructured<'_>, out: &mut String, spaced: bool) -> Result<()> {
    if spaced {
        out.push_str(u.choose(SPACES)?);
    }
    Ok(())
}

fn key(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    if u.ratio(3, 4)? {
        out.push('"');
        out.push_str(u.choose(KEYS)?);
        out.push('"');
        Ok(())
    } else {
        string(u, out)
    }
}

fn value(u: &mut Unstructured<'_>, out: &mut String, depth: usize, spaced: bool) -> Result<()> {
    space(u, out, spaced)?;
    let leaf = depth > 5 || u.is_empty();
    let most = if leaf { 3 } else { 6 };
    match if u.ratio(1, 50)? {
        7
    } else {
        u.int_in_range(0..=most)?
    } {
        0 => out.push_str(u.choose(WORDS)?),
        1 => out.push_str(u.choose(NUMBERS)?),
        2 => out.push_str(&u.arbitrary::<i64>()?.to_string()),
        3 => string(u, out)?,
        4 | 5 => {
            out.push('{');
            let count = u.int_in_range(0..=6)?;
            for n in 0..count {
                if n > 0 {
                    out.push(',');
                }
                space(u, out, spaced)?;
                key(u, out)?;
                space(u, out, spaced)?;
                out.push(':');
                value(u, out, depth + 1, spaced)?;
            }
            out.push('}');
        }
        6 => {
            out.push('[');
            let count = u.int_in_range(0..=6)?;
            for n in 0..count {
                if n > 0 {
                    out.push(',');
                }
                value(u, out, depth + 1, spaced)?;
            }
            out.push(']');
        }
        // A slip.
        _ => out.push_str(u.choose(&[
            "",
            "01",
            "+1",
            ".5",
            "1.",
            "'a'",
            "[,]",
            "{,}",
            "nul",
            "NaN",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a",
        ])?),
    }
    space(u, out, spaced)
}

fn string(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push('"');
    for _ in 0..u.int_in_range(0..=12)? {
        match u.int_in_range(0..=9)? {
            0..=3 => out.push(char::from(u.int_in_range(b'a'..=b'z')?)),
            4 => {
                out.push_str(u.choose(&["\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\t"])?)
            }
            5 => out.push_str(&format!("\\u{:04x}", u.arbitrary::<u16>()?)),
            6 => out.push_str(u.choose(&[
                "\\ud83d\\ude00",
                "\\uD83D",
                "\\ude00",
                "\\ud800\\ud800",
                "\\u0000",
                "\\u2028",
            ])?),
            7 => out.push_str(u.choose(&[
                "\u{e9}",
                "\u{2028}",
                "\u{1f600}",
                "\u{7f}",
                "\u{feff}",
                "e\u{301}",
            ])?),
            8 => {
                let c: char = u.arbitrary()?;
                if c >= ' ' && c != '"' && c != '\\' {
                    out.push(c);
                }
            }
            _ => out.push(' '),
        }
    }
    out.push('"');
    Ok(())
}
