//! The two roads on texts by mutation and out of loose tokens, at the borders
//! of size, and what the quick one may decline.

use super::*;

/// Bits that stand at the borders of the grammar.
const TOKENS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\"a\"",
    "\"b\"",
    "\"type\"",
    "\"\"",
    "\"0\"",
    "\"01\"",
    "\"\\u0061\"",
    "\"\\ud800\"",
    "\"é\"",
    "\"\\/\"",
    "\"\\n\"",
    "0",
    "-0",
    "-",
    "1",
    "12",
    "1.5",
    "1e5",
    "01",
    "999999999999999",
    "1000000000000000",
    "1e400",
    "true",
    "false",
    "null",
    "nul",
    " ",
    "\n",
    "\t",
    "\u{0}",
    "\u{feff}",
    "\u{a0}",
];

fn loose_tokens() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..24).prop_map(|t| t.concat())
}

/// A piece of the text is repeated, cut out, moved, or swapped for a token.
#[derive(Debug, Clone)]
struct Edit {
    kind: u8,
    at: prop::sample::Index,
    length: usize,
    to: prop::sample::Index,
    token: &'static str,
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    let token = prop::sample::select(TOKENS.to_vec());
    (0u8..4, index(), 0usize..12, index(), token).prop_map(|(kind, at, length, to, token)| Edit {
        kind,
        at,
        length,
        to,
        token,
    })
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let from = edit.at.index(chars.len() + 1);
        let until = (from + edit.length).min(chars.len());
        let piece: Vec<char> = match edit.kind {
            0 => chars[from..until].to_vec(),
            1 | 2 => chars.drain(from..until).collect(),
            _ => {
                chars.splice(from..until, edit.token.chars());
                continue;
            }
        };
        if edit.kind != 1 {
            let to = edit.to.index(chars.len() + 1);
            chars.splice(to..to, piece);
        }
    }
    chars.into_iter().collect()
}

fn mutated() -> impl Strategy<Value = String> {
    let text = prop_oneof![ordinary_json(), any_json()];
    (text, prop::collection::vec(edit(), 1..5)).prop_map(|(text, edits)| apply(&text, &edits))
}

/// Whether the quick road has to take a text in compact form with this value.
fn is_ordinary(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(n) => n
            .as_i64()
            .is_some_and(|n| n.unsigned_abs() < 1_000_000_000_000_000),
        Value::Array(items) => items.iter().all(is_ordinary),
        Value::Object(map) => {
            let plain = |key: &String| !key.starts_with(|c: char| c.is_ascii_digit());
            map.len() <= 48 && map.keys().all(plain) && map.values().all(is_ordinary)
        }
    }
}

/// Both roads and `serde_json` on one text.
fn compare_all(text: &str) {
    compare(text);
    let ours = tree::format(text, Style::Compact, MAX_FORM_BYTES);
    let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?} {ours:?} {theirs:?}");
    let Ok(form) = ours else { return };
    // What the quick road declines, it declines for its reasons.
    if !form.contains("\\u")
        && let Ok(value) = serde_json::from_str(&form)
        && is_ordinary(&value)
    {
        for style in [Style::Compact, Style::Signed] {
            assert!(
                fast::format(&form, style, MAX_FORM_BYTES).is_some(),
                "{form:?}"
            );
        }
        assert!(fast::forms(&form, MAX_FORM_BYTES).is_some(), "{form:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn mutated_texts_are_judged_alike(text in mutated()) {
        compare_all(&text);
    }

    #[test]
    fn loose_tokens_are_judged_alike(text in loose_tokens()) {
        compare_all(&text);
    }

    /// Both end at the same byte.
    #[test]
    fn sizes_end_alike(text in prop_oneof![ordinary_json(), any_json()], off in -3isize..=3) {
        for style in [Style::Compact, Style::Signed] {
            let Ok(form) = tree::format(&text, style, MAX_FORM_BYTES) else { continue };
            let most = form.len().saturating_add_signed(off);
            let fits = form.len() <= most;
            prop_assert_eq!(tree::format(&text, style, most).is_ok(), fits);
            if fast::format(&text, style, MAX_FORM_BYTES).is_some() {
                prop_assert_eq!(fast::format(&text, style, most).is_some(), fits);
            }
        }
        if let Some(forms) = fast::forms(&text, MAX_FORM_BYTES) {
            let most = forms.signed.len().saturating_add_signed(off);
            prop_assert_eq!(fast::forms(&text, most).is_some(), tree::forms(&text, most).is_ok());
        }
    }
}
