//! Makes a text as small as it can be with something still wrong about it.

use std::ops::Range;

/// Rounds over the whole text; each one only shortens it.
const ROUNDS: usize = 8;
/// Bytes of candidates that are tried at once: of a long text there are many.
const AT_ONCE: usize = 4 << 20;

/// Takes parts out of `text` as long as `still` finds a candidate of which it is
/// still true. `still` is given many candidates at once and names one of them.
pub(crate) fn shrink(text: &str, mut still: impl FnMut(&[String]) -> Option<usize>) -> String {
    let mut best = text.to_owned();
    for _ in 0..ROUNDS {
        let before = best.len();
        while let Some(smaller) = pick(simpler(&best), &mut still) {
            best = smaller;
        }
        let mut size = best.chars().count() / 2;
        while size > 0 {
            match pick(without_pieces(&best, size), &mut still) {
                Some(smaller) => best = smaller,
                None => size /= 2,
            }
        }
        if best.len() == before {
            break;
        }
    }
    best
}

fn pick(
    mut candidates: Vec<String>,
    still: &mut impl FnMut(&[String]) -> Option<usize>,
) -> Option<String> {
    while !candidates.is_empty() {
        let mut bytes = 0;
        let together = candidates.iter().take_while(|c| {
            bytes += c.len();
            bytes <= AT_ONCE
        });
        let rest = candidates.split_off(together.count().max(1));
        if let Some(at) = still(&candidates) {
            return Some(candidates.swap_remove(at));
        }
        candidates = rest;
    }
    None
}

/// The text without each of its pieces of `size` characters.
fn without_pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    (0..chars.len())
        .step_by(size)
        .map(|from| {
            let to = (from + size).min(chars.len());
            chars[..from].iter().chain(&chars[to..]).collect()
        })
        .collect()
}

/// The text without each of its members and elements, and with each value
/// replaced by a plain one; and each value by itself. Every candidate is shorter.
fn simpler(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for Span { whole, value } in spans(text) {
        let rest = &text[whole.end..];
        let (before, after) = match rest.trim_start().strip_prefix(',') {
            Some(rest) => (&text[..whole.start], rest),
            None => (text[..whole.start].trim_end().trim_end_matches(','), rest),
        };
        out.push(format!("{before}{after}"));
        if value.len() < text.len() {
            out.push(text[value.clone()].to_owned());
        }
        for plain in ["0", "\"\"", "\"{SIG}.sig.ed25519\""] {
            if plain.len() < value.len() {
                out.push(format!(
                    "{}{plain}{}",
                    &text[..value.start],
                    &text[value.end..]
                ));
            }
        }
    }
    out.sort_by_key(String::len);
    out.dedup();
    out
}

/// A value, and the same with the key before it.
struct Span {
    whole: Range<usize>,
    value: Range<usize>,
}

/// Everything in the text that looks like a JSON value; the text need not be JSON.
fn spans(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut open = Vec::new();
    let mut key: Option<usize> = None;
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        at += 1;
        match bytes[from] {
            b'"' => {
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                let colon = bytes[at..].iter().position(|b| !b.is_ascii_whitespace());
                if colon.is_some_and(|n| bytes[at + n] == b':') {
                    key = Some(from);
                    continue;
                }
            }
            b'{' | b'[' => {
                open.push((key.take().unwrap_or(from), from));
                continue;
            }
            b'}' | b']' => {
                if let Some((whole, value)) = open.pop() {
                    out.push(Span {
                        whole: whole..at,
                        value: value..at,
                    });
                }
                continue;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => {
                while at < bytes.len() && !b"\"{}[],: \n\r\t".contains(&bytes[at]) {
                    at += 1;
                }
            }
        }
        out.push(Span {
            whole: key.take().unwrap_or(from)..at,
            value: from..at,
        });
    }
    // A string that is not closed may end within a character.
    out.retain(|s| {
        [s.whole.start, s.value.start, s.value.end]
            .iter()
            .all(|&i| text.is_char_boundary(i))
    });
    out
}

/// What is wrong about a text is kept, everything else goes.
#[test]
fn shrinks_to_what_matters() {
    let text = r#"{"a":[1,2,{"b":"some text"},{"c":"some \ud800 text"}],"d":{"e":1.50,"f":"😀"}}"#;
    let smallest = shrink(text, |all| {
        all.iter()
            .position(|text| text.contains("\\ud800") && text.starts_with('{'))
    });
    assert_eq!(smallest, "{\\ud800");

    // With the grammar kept, members and elements go as wholes.
    let sound = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    let smallest = shrink(text, |all| {
        all.iter()
            .position(|text| text.contains("1.50") && sound(text))
    });
    assert_eq!(smallest, "1.50");
    assert_eq!(shrink("\"😀", |_| None), "\"😀");
}
