//! What a file name says: its place, its title, its neighbours.

use crate::limits::MAX_NAME;
use std::cmp::Ordering;

/// The numbers at the front of a name, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ordered<'a> {
    /// `[1]` for `01_intro`, `[1, 2]` for `01_02_intro` and `1.2 intro`.
    pub(crate) numbers: Vec<u32>,
    /// The name without them; may be empty.
    pub(crate) rest: &'a str,
}

const SEPARATORS: &[char] = &['_', '-', '.', '@', ' '];

/// Takes the order tokens off a name.
///
/// A token is one to four digits before one of `_ - . @ space` or the end. A
/// second token counts when it has exactly two digits (`01_02_title`), or when
/// both are joined by dots (`1.2.3 title`). A date in front is one token.
pub(crate) fn split_order(name: &str) -> Ordered<'_> {
    if let Some((numbers, rest)) = date(name).or_else(|| dotted(name)) {
        return Ordered { numbers, rest };
    }
    let mut numbers = Vec::new();
    let mut rest = name;
    if let Some((number, after)) = token(rest, 1..=4) {
        numbers.push(number);
        rest = after;
        if let Some((number, after)) = token(rest, 2..=2) {
            numbers.push(number);
            rest = after;
        }
    }
    Ordered { numbers, rest }
}

fn token(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    if !digits.contains(&end) {
        return None;
    }
    let number = text.get(..end)?.parse().ok()?;
    let rest = text.get(end..)?;
    if !rest.is_empty() && !rest.starts_with(SEPARATORS) {
        return None;
    }
    Some((number, rest.trim_start_matches(SEPARATORS)))
}

/// `2024-01-31-title`.
fn date(name: &str) -> Option<(Vec<u32>, &str)> {
    let bytes = name.as_bytes();
    let shaped = bytes.len() > 10
        && bytes.iter().take(10).enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let numbers: Vec<u32> = name
        .get(..10)?
        .split('-')
        .filter_map(|n| n.parse().ok())
        .collect();
    let rest = name.get(10..)?;
    (numbers.len() == 3 && rest.starts_with(SEPARATORS))
        .then(|| (numbers, rest.trim_start_matches(SEPARATORS)))
}

/// `1.2 title`, `1.2.3_title`: at least two numbers, each of at most three digits.
fn dotted(name: &str) -> Option<(Vec<u32>, &str)> {
    let end = name
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(name.len());
    let (head, rest) = name.split_at_checked(end)?;
    let head = head.strip_suffix('.').unwrap_or(head);
    let parts: Vec<&str> = head.split('.').collect();
    let good = (2..=4).contains(&parts.len())
        && parts.iter().all(|p| (1..=3).contains(&p.len()))
        && (rest.is_empty() || rest.starts_with(SEPARATORS));
    if !good {
        return None;
    }
    let numbers = parts.iter().filter_map(|p| p.parse().ok()).collect();
    Some((numbers, rest.trim_start_matches(SEPARATORS)))
}

/// Compares texts as people count: `2` before `10`, case last.
pub(crate) fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (next_chunk(left), next_chunk(right)) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((x, after_x)), Some((y, after_y))) => {
                let order = chunk_cmp(x, y);
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (after_x, after_y);
            }
        }
    }
}

/// A run of digits, or one other character.
fn next_chunk(text: &str) -> Option<(&str, &str)> {
    let first = text.chars().next()?;
    let end = if first.is_ascii_digit() {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    } else {
        first.len_utf8()
    };
    text.split_at_checked(end)
}

fn chunk_cmp(x: &str, y: &str) -> Ordering {
    let number = |t: &str| t.starts_with(|c: char| c.is_ascii_digit());
    match (number(x), number(y)) {
        (true, true) => {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => x
            .chars()
            .flat_map(char::to_lowercase)
            .cmp(y.chars().flat_map(char::to_lowercase)),
    }
}

/// Where a name stands among its neighbours: introductions, then numbered
/// ones by number, then the rest by natural order.
pub(crate) fn place_cmp(a: &str, b: &str) -> Ordering {
    let key = |name: &str| {
        let order = split_order(name).numbers;
        (!is_intro(name), order.is_empty(), order)
    };
    key(a).cmp(&key(b)).then_with(|| natural_cmp(a, b))
}

/// Compares paths folder by folder with [`place_cmp`].
pub(crate) fn path_cmp(a: &str, b: &str) -> Ordering {
    let mut left = a.split('/');
    let mut right = b.split('/');
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => {
                let order = place_cmp(x, y);
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// Whether a file introduces its folder.
pub(crate) fn is_intro(name: &str) -> bool {
    let stem = stem(name).to_ascii_lowercase();
    matches!(stem.as_str(), "readme" | "index" | "_index" | "overview")
}

/// The name without its last extension; a name that is only an extension stays.
pub(crate) fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() && !ext.contains(' ') => stem,
        _ => name,
    }
}

/// The extension in lower case, or nothing.
pub(crate) fn extension(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() && !ext.contains(' ') => ext.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The folder of a path; empty for the course folder.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// `dir/name`, or the name alone in the course folder.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// A title for people out of a stem or folder name; never empty.
pub(crate) fn title(stem: &str) -> String {
    let rest = split_order(stem).rest;
    let rest = without_video_id(rest);
    let plain = tidy(&unslug(rest));
    if plain.is_empty() {
        let whole = tidy(stem);
        return if whole.is_empty() {
            "\u{2013}".to_owned()
        } else {
            whole
        };
    }
    plain
}

/// Drops `[id]` and the old `-id` that video downloaders append.
fn without_video_id(text: &str) -> &str {
    let trimmed = text.trim_end();
    if let Some(open) = trimmed.rfind('[') {
        let inner = trimmed
            .get(open + 1..)
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or("");
        let before = trimmed.get(..open).unwrap_or("").trim_end();
        if (6..=64).contains(&inner.len()) && inner.bytes().all(is_id_byte) && !before.is_empty() {
            return before;
        }
    }
    // Eleven characters of three sorts: words and numbers of that length do not mix so.
    let bytes = trimmed.as_bytes();
    if bytes.len() > 12 && bytes.get(bytes.len() - 12) == Some(&b'-') {
        let id = bytes.get(bytes.len() - 11..).unwrap_or(&[]);
        let mixed = id.iter().all(|b| is_id_byte(*b))
            && id.iter().any(u8::is_ascii_digit)
            && id.iter().any(u8::is_ascii_uppercase)
            && id.iter().any(u8::is_ascii_lowercase);
        if mixed {
            return trimmed.get(..bytes.len() - 12).unwrap_or(trimmed);
        }
    }
    text
}

fn is_id_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// `welcome-to-crypto` becomes `Welcome to crypto`, `intro` `Intro`;
/// `Well-known` stays.
fn unslug(text: &str) -> String {
    let slug = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    let spaced = text.replace('_', " ");
    if !slug {
        return spaced;
    }
    let spaced = spaced.replace('-', " ");
    let trimmed = spaced.trim_start();
    let mut chars = trimmed.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => spaced,
    }
}

/// One line without control characters, cut to [`MAX_NAME`].
pub(crate) fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count >= MAX_NAME {
                out.push('\u{2026}');
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

/// Marks that change how other text is drawn, so that a name could hide what it is.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{200b}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(name: &str) -> (Vec<u32>, &str) {
        let o = split_order(name);
        (o.numbers, o.rest)
    }

    #[test]
    fn order_tokens() {
        assert_eq!(order("01_intro"), (vec![1], "intro"));
        assert_eq!(order("01_02_intro"), (vec![1, 2], "intro"));
        assert_eq!(order("003 - Types"), (vec![3], "Types"));
        assert_eq!(order("1.2 Setup"), (vec![1, 2], "Setup"));
        assert_eq!(order("1.2.10-Setup"), (vec![1, 2, 10], "Setup"));
        assert_eq!(order("01@welcome"), (vec![1], "welcome"));
        assert_eq!(order("2024-01-31-news"), (vec![2024, 1, 31], "news"));
        assert_eq!(order("01"), (vec![1], ""));
        assert_eq!(order("12345_x"), (vec![], "12345_x"));
        assert_eq!(order("3d-printing"), (vec![], "3d-printing"));
        assert_eq!(order("10_3_x"), (vec![10], "3_x"));
        assert_eq!(order("Lecture 2"), (vec![], "Lecture 2"));
    }

    #[test]
    fn titles() {
        assert_eq!(title("01_welcome-to-crypto"), "Welcome to crypto");
        assert_eq!(title("02_Stream_ciphers"), "Stream ciphers");
        assert_eq!(title("Well-known facts"), "Well-known facts");
        assert_eq!(title("Intro [dQw4w9WgXcQ]"), "Intro");
        assert_eq!(title("03 - Intro-dQw4w9WgXcQ"), "Intro");
        assert_eq!(title("my-programming"), "My programming");
        assert_eq!(title("1984"), "1984");
        assert_eq!(title("a\u{7}b\u{202e}c"), "a b c");
        assert_eq!(title(""), "\u{2013}");
        assert_eq!(title(&"x".repeat(500)).chars().count(), MAX_NAME + 1);
    }

    #[test]
    fn natural_order() {
        let mut names = vec!["10_b", "2_a", "1_c", "z", "README.md", "a10", "a2", "A2"];
        names.sort_by(|a, b| place_cmp(a, b));
        assert_eq!(
            names,
            ["README.md", "1_c", "2_a", "10_b", "A2", "a2", "a10", "z"]
        );
    }

    proptest! {
        #[test]
        fn comparing_is_a_total_order(a in "[0-9a-cA-C_ .@-]{0,8}", b in "[0-9a-cA-C_ .@-]{0,8}", c in "[0-9a-cA-C_ .@-]{0,8}") {
            prop_assert_eq!(path_cmp(&a, &b), path_cmp(&b, &a).reverse());
            prop_assert_eq!(path_cmp(&a, &b) == Ordering::Equal, a == b);
            if path_cmp(&a, &b) != Ordering::Greater && path_cmp(&b, &c) != Ordering::Greater {
                prop_assert_ne!(path_cmp(&a, &c), Ordering::Greater);
            }
        }

        #[test]
        fn numbers_decide(a in 0u32..10_000, b in 0u32..10_000, sep in "[_.@ -]") {
            let (x, y) = (format!("{a}{sep}x"), format!("{b}{sep}a"));
            if a != b {
                prop_assert_eq!(place_cmp(&x, &y), a.cmp(&b));
            }
        }

        #[test]
        fn any_name_has_a_clean_title(name in any::<String>()) {
            let title = title(&name);
            prop_assert!(!title.trim().is_empty());
            prop_assert!(!title.chars().any(char::is_control));
            prop_assert!(title.chars().count() <= MAX_NAME + 1);
        }
    }
}
