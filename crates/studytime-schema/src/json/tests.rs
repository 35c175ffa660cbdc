//! The two roads against each other, and both against `serde_json`.

mod mutate;

use super::*;
use proptest::prelude::*;

/// JSON text in every spelling: spaces, escapes, numbers, repeated and
/// integer-like keys.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        any_number(),
        any_string(),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), spaces())
                .prop_map(|(items, s)| format!("[{s}{}{s}]", items.join(&format!("{s},{s}")))),
            (prop::collection::vec((any_key(), inner), 0..6), spaces()).prop_map(|(members, s)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(k, v)| format!("{k}{s}:{s}{v}"))
                    .collect();
                format!("{{{s}{}{s}}}", members.join(&format!("{s},{s}")))
            }),
        ]
    })
}

fn spaces() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n\t\r ")]
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i32>().prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        1 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        1 => "-?(0|[1-9][0-9]{12,17})",
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => prop::sample::select(vec!["\"type\"", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\"", "\"__proto__\""])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\"0\"", "\"7\"", "\"42\"", "\"01\"", "\"4294967294\"", "\"4294967295\"", "\"\\u0037\""])
            .prop_map(str::to_owned),
        2 => any_string(),
    ]
}

fn any_string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 /\u{7f}]{1,6}",
        1 => Just("\u{e9}\u{2603}\u{1f600}\u{2028}".to_owned()),
        2 => prop::sample::select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\t", "\\n", "\\f", "\\r"])
            .prop_map(str::to_owned),
        1 => any::<u16>().prop_map(|u| format!("\\u{u:04x}")),
        1 => any::<u16>().prop_map(|u| format!("\\u{u:04X}")),
        1 => (0xd800u16..0xe000, 0xd800u16..0xe000).prop_map(|(a, b)| format!("\\u{a:04x}\\u{b:04x}")),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A text of the ordinary kind, which the fast road must not decline.
fn ordinary_json() -> impl Strategy<Value = String> {
    let text = "[a-zA-Z \u{e9}\u{2603}\u{1f600}\"\\\\\n\t]{0,12}";
    let key = "[a-z_]{0,8}";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (-999_999_999_999_999i64..=999_999_999_999_999).prop_map(serde_json::Value::from),
        text.prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

/// Compares the two roads on one text.
fn compare(text: &str) {
    for style in [Style::Compact, Style::Signed] {
        let slow = tree::format(text, style, MAX_FORM_BYTES);
        if let Some(fast) = fast::format(text, style, MAX_FORM_BYTES) {
            assert_eq!(Ok(&fast), slow.as_ref(), "{text:?}");
        }
        // A form is its own form, and both forms have the same forms.
        if let Ok(form) = slow {
            for other in [Style::Compact, Style::Signed] {
                assert_eq!(
                    tree::format(&form, other, MAX_FORM_BYTES),
                    tree::format(text, other, MAX_FORM_BYTES),
                    "{text:?}"
                );
            }
        }
    }
    if let Some(fast) = fast::forms(text, MAX_FORM_BYTES) {
        let slow = tree::forms(text, MAX_FORM_BYTES).unwrap();
        // Beyond the noted members only their number is used.
        if slow.members.len() < MAX_MEMBERS {
            assert_eq!(fast, slow, "{text:?}");
        }
        assert_eq!(fast.members.len(), slow.members.len());
    }
}

proptest! {
    #[test]
    fn both_roads_agree_on_any_json(text in any_json()) {
        prop_assert!(tree::format(&text, Style::Signed, MAX_FORM_BYTES).is_ok(), "{:?}", text);
        compare(&text);
    }

    #[test]
    fn ordinary_texts_take_the_fast_road(text in ordinary_json()) {
        let signed = fast::format(&text, Style::Signed, MAX_FORM_BYTES);
        prop_assert!(signed.is_some(), "{:?}", text);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(signed, serde_json::to_string_pretty(&value).ok());
        prop_assert!(fast::forms(&text, MAX_FORM_BYTES).is_some());
        compare(&text);
    }

    #[test]
    fn damaged_texts_are_judged_alike(text in any_json(), at in any::<prop::sample::Index>(), with in prop::sample::select(vec!["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", " ", "\n", "\u{0}", "u", "\u{e9}"])) {
        let mut damaged = text.clone();
        let at = (0..=at.index(text.len() + 1)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        damaged.insert_str(at, with);
        compare(&damaged);
        if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            damaged.replace_range(at..at + with.len() + c.len_utf8(), with);
            compare(&damaged);
        }
    }

    #[test]
    fn the_tree_judges_as_serde_json_does(text in any_json(), cut in any::<prop::sample::Index>(), with in "[\\[\\]{}:,\"0-9.eE+\\- \\\\a-z]{0,3}") {
        let at = (0..=cut.index(text.len() + 1)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let mut text = text;
        text.insert_str(at, &with);
        let ours = tree::format(&text, Style::Compact, MAX_FORM_BYTES);
        // `IgnoredAny` checks grammar and neither number ranges nor surrogates.
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?} {:?}", text, ours, theirs.err());
    }

    #[test]
    fn never_panics(text in ".{0,60}") {
        compare(&text);
    }

    #[test]
    fn measures_what_it_writes(text in ordinary_json()) {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signed = signed_form(&text).unwrap();
        prop_assert_eq!(signed_units(&value, 0), count_units(&signed), "{}", signed);
        if let Some(map) = value.as_object() {
            let compact = compact_strict(map).unwrap();
            let again: serde_json::Value = serde_json::from_str(&compact).unwrap();
            prop_assert_eq!(again, value);
        }
    }
}

#[test]
fn numbers_print_as_in_javascript() {
    for (text, printed) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e-5", "0"),
        ("1.0", "1"),
        ("1E5", "100000"),
        ("100000000000000000000", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("123456789012345680000", "123456789012345680000"),
        ("9007199254740993", "9007199254740992"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("1e400", "null"),
        ("-1e400", "null"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("-999999999999999", "-999999999999999"),
    ] {
        assert_eq!(compact_form(text).as_deref(), Ok(printed), "{text}");
    }
    for text in [
        "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "--1", "- 1",
    ] {
        assert!(compact_form(text).is_err(), "{text}");
    }
}

#[test]
fn keys_go_where_javascript_puts_them() {
    for (text, form) in [
        (
            r#"{"b":1,"a":2,"b":{"x":1,"x":2}}"#,
            r#"{"b":{"x":2},"a":2}"#,
        ),
        (
            r#"{"z":0,"10":1,"9":2,"\u0031":3,"01":4}"#,
            r#"{"1":3,"9":2,"10":1,"z":0,"01":4}"#,
        ),
        (
            r#"{"4294967295":1,"4294967294":2,"-1":3}"#,
            r#"{"4294967294":2,"4294967295":1,"-1":3}"#,
        ),
        (r#"{"5":1,"a":0,"5":[]}"#, r#"{"5":[],"a":0}"#),
        (r#"{"a\"b":1,"a\u0022b":2}"#, r#"{"a\"b":2}"#),
        (
            r#"{"__proto__":1,"\ud800":2,"\uD800":3}"#,
            r#"{"__proto__":1,"\ud800":3}"#,
        ),
        (r#"{"\"":1,"\u0022":2,"\"0\"":3}"#, r#"{"\"":2,"\"0\"":3}"#),
    ] {
        assert_eq!(compact_form(text).as_deref(), Ok(form), "{text}");
    }
}

#[test]
fn surrogates_alone_stay_escapes() {
    for (text, form) in [
        (r#""\ud83d\ude00""#, "\"\u{1f600}\""),
        (r#""\uD83D""#, r#""\ud83d""#),
        (r#""\ude00\ud83d""#, r#""\ude00\ud83d""#),
        (r#""\ud83d\ud83d\ude00""#, "\"\\ud83d\u{1f600}\""),
        (r#""\ud83dx""#, r#""\ud83dx""#),
        (r#""\ud83d\u0041""#, r#""\ud83dA""#),
        (r#""\ud83d\n""#, r#""\ud83d\n""#),
    ] {
        assert_eq!(compact_form(text).as_deref(), Ok(form), "{text}");
    }
    for text in [
        r#""\u12""#,
        r#""\u+123""#,
        r#""\ud83d\u12""#,
        r#""\u12é3""#,
        r#""\x""#,
        "\"\\",
    ] {
        assert!(compact_form(text).is_err(), "{text}");
    }
}

#[test]
fn refuses_what_is_no_json() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "nul",
        "nulll",
        "tru",
        "[1,]",
        "[,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "{} {}",
        "[}",
        "{]",
        "]",
        "'a'",
        "\u{feff}1",
        "1\u{a0}",
        "\"\n\"",
        "// x\n1",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
    ] {
        for form in [compact_form(text), signed_form(text)] {
            assert!(
                matches!(form, Err(FormError::NotJson(_))),
                "{text:?}: {form:?}"
            );
        }
    }
}

/// A short text can have a form that grows with the square of its depth.
#[test]
fn the_size_of_a_form_is_bounded() {
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    assert_eq!(signed_form(&deep), Err(FormError::TooLong));
    assert_eq!(compact_form(&deep).map(|form| form.len()), Ok(60_000));
    assert_eq!(normalise(&deep), Err(FormError::TooLong));
    // A repeated key takes the long value back out of the text.
    let undone = format!(r#"{{"a":{deep},"a":1}}"#);
    assert_eq!(
        normalise(&undone).map(|forms| forms.signed),
        Ok("{\n  \"a\": 1\n}".to_owned())
    );
}

#[test]
fn outlines_note_members_and_their_type() {
    let text = r#"{"a":{"x":{"type":1},"type":"t","y":[]},"b":[{"type":2}],"c":{"type":{"type":3}},"d":{}}"#;
    for forms in [
        fast::forms(text, 9999).unwrap(),
        tree::forms(text, 9999).unwrap(),
    ] {
        let read = |range: &Range<usize>| &forms.compact[range.clone()];
        let seen: Vec<_> = forms
            .members
            .iter()
            .map(|m| {
                (
                    read(&m.key),
                    read(&m.value),
                    m.type_value.as_ref().map(read),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a", r#"{"x":{"type":1},"type":"t","y":[]}"#, Some(r#""t""#)),
                ("b", r#"[{"type":2}]"#, None),
                ("c", r#"{"type":{"type":3}}"#, Some(r#"{"type":3}"#)),
                ("d", "{}", None),
            ]
        );
    }
}
