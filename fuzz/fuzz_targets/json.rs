//! Two formatters, each the other's oracle; and a third reader for both.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;
use studytime_fuzz::{JsonText, within};
use studytime_schema::json::{FormError, compact_form, signed_form};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str),
    Text(JsonText),
}

fuzz_target!(|input: Input<'_>| {
    within(256 << 20, || match &input {
        Input::Raw(text) => check(text),
        Input::Text(JsonText(text)) => check(text),
    });
});

fn check(text: &str) {
    let (compact, signed) = (compact_form(text), signed_form(text));
    let valid = serde_json::from_str::<IgnoredAny>(text).is_ok();

    // The one-pass formatter declines the whole text for a `-0` in it, so this
    // goes the other road.
    let outer = format!("[{text},-0]");
    let (outer_compact, outer_signed) = (compact_form(&outer), signed_form(&outer));

    let Ok(compact) = compact else {
        assert!(!valid, "not read: {text:?}");
        // `1,2` is no value, but two in an array.
        return;
    };
    assert!(valid, "read: {text:?}");
    assert_eq!(outer_compact, Ok(format!("[{compact},0]")));
    assert_eq!(compact_form(&compact).as_ref(), Ok(&compact));
    match signed {
        Ok(signed) => {
            if let Ok(outer) = outer_signed {
                let deeper = signed.replace('\n', "\n  ");
                assert_eq!(outer, format!("[\n  {deeper},\n  0\n]"));
            }
            assert_eq!(signed_form(&signed).as_ref(), Ok(&signed));
            assert_eq!(signed_form(&compact).as_ref(), Ok(&signed));
            assert_eq!(compact_form(&signed).as_ref(), Ok(&compact));
        }
        Err(error) => assert_eq!(error, FormError::TooLong),
    }
    // What it means is what a reader without our code makes of it.
    if let (Ok(before), Ok(after)) = (
        serde_json::from_str::<Value>(text),
        serde_json::from_str::<Value>(&compact),
    ) {
        assert!(same(&before, &after), "{before} became {after}");
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                return false;
            };
            // This reader's last digit is a guess.
            (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
