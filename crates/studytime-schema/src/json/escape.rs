//! How strings are spelled: JavaScript escapes only what JSON demands, plus
//! surrogates that stand alone.
//!
//! A string *in canonical spelling* (the text between the quotes) has exactly
//! one spelling, so two of them are equal when their spellings are. That is
//! what lets keys be compared without decoding them.

use std::fmt::Write as _;

/// Appends one character in canonical spelling.
pub(super) fn push_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c if c < ' ' => push_unit(out, c as u16),
        c => out.push(c),
    }
}

/// Appends one UTF-16 unit as `\uxxxx`.
pub(super) fn push_unit(out: &mut String, unit: u16) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{unit:04x}");
}

/// Appends a string in canonical spelling, with its quotes.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if c < ' ' || c == '"' || c == '\\' {
            out.push_str(text.get(plain..at).unwrap_or_default());
            push_char(out, c);
            plain = at + c.len_utf8();
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

/// How many UTF-16 units a text has: what JavaScript calls its length.
pub(crate) fn count_units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    // One unit for every first byte of a character, one more for those of four bytes.
    text.bytes()
        .map(|b| usize::from(b & 0xc0 != 0x80) + usize::from(b >= 0xf0))
        .sum()
}

/// How many UTF-16 units a string has, given its canonical spelling.
pub(crate) fn string_units(canonical: &str) -> usize {
    let mut units = 0;
    let mut rest = canonical;
    while let Some(at) = rest.find('\\') {
        units += count_units(rest.get(..at).unwrap_or_default()) + 1;
        let escape = rest.get(at..).unwrap_or_default();
        let length = if escape.starts_with("\\u") { 6 } else { 2 };
        rest = escape.get(length..).unwrap_or_default();
    }
    units + count_units(rest)
}

/// The string that a canonical spelling stands for. Lone surrogates, which
/// Rust's strings cannot hold, become U+FFFD.
pub(crate) fn unescape(canonical: &str) -> String {
    let mut out = String::with_capacity(canonical.len());
    let mut chars = canonical.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('f') => out.push('\u{c}'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let unit = u32::from_str_radix(&hex, 16).ok();
                out.push(
                    unit.and_then(char::from_u32)
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                );
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    out
}

/// Whether JavaScript takes this key for an array index, which it moves before
/// all other keys: a number below 2^32 - 1 in its usual spelling.
pub(super) fn array_index(key: &str) -> Option<u32> {
    let plain = key == "0"
        || (matches!(key.as_bytes().first(), Some(b'1'..=b'9'))
            && key.len() <= 10
            && key.bytes().all(|b| b.is_ascii_digit()));
    if !plain {
        return None;
    }
    key.parse::<u32>().ok().filter(|&n| n != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_javascripts() {
        for text in ["", "abc", "é", "☃", "😀", "a😀é☃\u{2028}z"] {
            assert_eq!(count_units(text), text.encode_utf16().count(), "{text:?}");
        }
        assert_eq!(string_units(r#"a\n\"\\\u0007\ud800😀"#), 8);
        assert_eq!(string_units(r"\\u0007"), 6);
    }

    #[test]
    fn unescapes_what_it_escapes() {
        let text = "q\" b\\ \u{0}\u{7}\u{8}\t\n\u{c}\r\u{1f} \u{7f} é ☃ 😀 \u{2028}/";
        let mut out = String::new();
        push_string(&mut out, text);
        assert_eq!(
            out,
            "\"q\\\" b\\\\ \\u0000\\u0007\\b\\t\\n\\f\\r\\u001f \u{7f} é ☃ 😀 \u{2028}/\""
        );
        assert_eq!(unescape(out.trim_matches('"')), text);
        assert_eq!(unescape("\\ud800!"), "\u{fffd}!");
    }

    #[test]
    fn knows_array_indices() {
        for key in ["0", "1", "42", "4294967294"] {
            assert!(array_index(key).is_some(), "{key}");
        }
        for key in [
            "",
            "00",
            "01",
            "-1",
            "1.0",
            "1e3",
            "4294967295",
            "4294967296",
            "99999999999",
            "+1",
            " 1",
        ] {
            assert!(array_index(key).is_none(), "{key}");
        }
    }
}
