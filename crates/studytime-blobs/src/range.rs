//! HTTP byte ranges: what a player sends when a person seeks.
//!
//! Pure: header text and size in, answer out. [`answer`] follows RFC 9110
//! §13.1.5 and §14: what it does not understand (another unit, several ranges,
//! a malformed or oversized header) is ignored and the whole file is sent, which is always
//! a correct answer; a range that lies beyond the end is refused with 416.

use studytime_schema::BlobId;

/// Longest `Range`, `If-Range` or `If-None-Match` header that is looked at, in
/// bytes; a longer one is treated as absent.
pub const MAX_HEADER: usize = 1024;

/// A range of bytes inside a file; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Size of the whole file.
    pub size: u64,
}

impl ByteRange {
    /// Bytes in the range; at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The `Content-Range` header of a 206 answer.
    pub fn content_range(&self) -> String {
        format!("bytes {}-{}/{}", self.start, self.end - 1, self.size)
    }
}

/// How to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeAnswer {
    /// 200 with everything.
    Whole,
    /// 206 with this part.
    Part(ByteRange),
    /// 416; [`unsatisfiable`] is its `Content-Range` header.
    Unsatisfiable,
}

/// Decides how to answer. `range` and `if_range` are the headers as they came,
/// `etag` is ours (see [`etag`]), `size` the size of the file in bytes.
pub fn answer(range: Option<&str>, if_range: Option<&str>, etag: &str, size: u64) -> RangeAnswer {
    let Some(range) = range.filter(|r| r.len() <= MAX_HEADER) else {
        return RangeAnswer::Whole;
    };
    if let Some(condition) = if_range {
        // Only a strong validator may be compared here; a date never matches,
        // because we send none.
        let same = condition.len() <= MAX_HEADER && condition.trim() == etag;
        if !same || etag.starts_with("W/") {
            return RangeAnswer::Whole;
        }
    }
    resolve(range, size)
}

/// Resolves one `Range` header against a size; see [`answer`].
fn resolve(header: &str, size: u64) -> RangeAnswer {
    let Some((unit, set)) = header.split_once('=') else {
        return RangeAnswer::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return RangeAnswer::Whole;
    }
    // Several ranges would need a multipart answer; ignoring them is allowed
    // and no player asks for them. Empty elements of a list count for nothing.
    let mut ranges = set.split(',').map(str::trim).filter(|r| !r.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return RangeAnswer::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return RangeAnswer::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let part = |start, end| RangeAnswer::Part(ByteRange { start, end, size });
    match (number(first), number(last)) {
        (Number::None, Number::Value(n)) if n.min(size) == 0 => RangeAnswer::Unsatisfiable,
        (Number::None, Number::Value(n)) => part(size.saturating_sub(n), size),
        (Number::Value(a), Number::None) => match a < size {
            true => part(a, size),
            false => RangeAnswer::Unsatisfiable,
        },
        (Number::Value(a), Number::Value(b)) if a > b => RangeAnswer::Whole,
        (Number::Value(a), Number::Value(b)) => match a < size {
            true => part(a, b.saturating_add(1).min(size)),
            false => RangeAnswer::Unsatisfiable,
        },
        _ => RangeAnswer::Whole,
    }
}

enum Number {
    None,
    Value(u64),
    Bad,
}

/// Digits only; a number beyond `u64` is as good as the largest one.
fn number(text: &str) -> Number {
    if text.is_empty() {
        return Number::None;
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Number::Bad;
    }
    Number::Value(text.parse().unwrap_or(u64::MAX))
}

/// The `Content-Range` header of a 416 answer.
pub fn unsatisfiable(size: u64) -> String {
    format!("bytes */{size}")
}

/// The strong entity tag of a blob or, by the id of its manifest, of a
/// segmented file: the id says exactly which bytes these are.
pub fn etag(id: &BlobId) -> String {
    format!("\"{}\"", id.to_string().trim_start_matches('&'))
}

/// True when an `If-None-Match` header names `etag`, so that 304 is the answer.
/// Compares weakly, as RFC 9110 §13.1.2 asks.
pub fn none_match(header: &str, etag: &str) -> bool {
    header.len() <= MAX_HEADER
        && header
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(start: u64, end: u64, size: u64) -> RangeAnswer {
        RangeAnswer::Part(ByteRange { start, end, size })
    }

    #[test]
    fn examples_of_the_rfc() {
        let cases: &[(&str, u64, RangeAnswer)] = &[
            ("bytes=0-499", 10_000, part(0, 500, 10_000)),
            ("bytes=500-999", 10_000, part(500, 1_000, 10_000)),
            ("bytes=-500", 10_000, part(9_500, 10_000, 10_000)),
            ("bytes=9500-", 10_000, part(9_500, 10_000, 10_000)),
            ("bytes=0-0", 10_000, part(0, 1, 10_000)),
            ("bytes=9999-20000", 10_000, part(9_999, 10_000, 10_000)),
            ("bytes=-20000", 10_000, part(0, 10_000, 10_000)),
            ("Bytes = 3-", 10, part(3, 10, 10)),
            ("bytes=10000-", 10_000, RangeAnswer::Unsatisfiable),
            (
                "bytes=99999999999999999999999-",
                10,
                RangeAnswer::Unsatisfiable,
            ),
            ("bytes=0-99999999999999999999999", 10, part(0, 10, 10)),
            ("bytes=-0", 10, RangeAnswer::Unsatisfiable),
            ("bytes=0-", 0, RangeAnswer::Unsatisfiable),
            ("bytes=0-0", 0, RangeAnswer::Unsatisfiable),
            ("bytes=-5", 0, RangeAnswer::Unsatisfiable),
            ("bytes=,0-1,", 10, part(0, 2, 10)),
            ("bytes=a-b", 10, RangeAnswer::Whole),
            ("bytes=1-b", 10, RangeAnswer::Whole),
            ("bytes=1--2", 10, RangeAnswer::Whole),
            ("bytes=", 10, RangeAnswer::Whole),
            ("bytes=5-4", 10, RangeAnswer::Whole),
            ("bytes=-", 10, RangeAnswer::Whole),
            ("bytes=0-1,4-5", 10, RangeAnswer::Whole),
            ("items=0-1", 10, RangeAnswer::Whole),
            ("bytes=+1-2", 10, RangeAnswer::Whole),
            ("bytes", 10, RangeAnswer::Whole),
        ];
        for (header, size, expected) in cases {
            assert_eq!(
                &answer(Some(header), None, "\"e\"", *size),
                expected,
                "{header}"
            );
        }
        assert_eq!(answer(None, None, "\"e\"", 10), RangeAnswer::Whole);
    }

    #[test]
    fn if_range_needs_the_same_strong_tag() {
        let id = BlobId::of(b"x");
        let tag = etag(&id);
        let with = |condition: &str| answer(Some("bytes=1-2"), Some(condition), &tag, 10);
        assert_eq!(with(&tag), part(1, 3, 10));
        assert_eq!(with(&format!("W/{tag}")), RangeAnswer::Whole);
        assert_eq!(with("\"other\""), RangeAnswer::Whole);
        assert_eq!(with("Sat, 29 Oct 1994 19:43:31 GMT"), RangeAnswer::Whole);
        assert_eq!(with(&"\"".repeat(MAX_HEADER + 1)), RangeAnswer::Whole);
        assert!(none_match(&format!("\"a\", W/{tag}"), &tag));
        assert!(none_match("*", &tag));
        assert!(!none_match("\"a\"", &tag));
    }

    #[test]
    fn headers() {
        let range = ByteRange {
            start: 2,
            end: 5,
            size: 9,
        };
        assert_eq!(range.content_range(), "bytes 2-4/9");
        assert_eq!(range.len(), 3);
        assert_eq!(unsatisfiable(9), "bytes */9");
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(header in "(bytes=)?[-0-9, +a-z]{0,40}", size in 0u64..2_000) {
            if let RangeAnswer::Part(r) = answer(Some(&header), None, "\"e\"", size) {
                prop_assert!(r.start < r.end && r.end <= r.size && r.size == size);
            }
        }

        #[test]
        fn every_valid_pair_is_kept(size in 1u64..u64::MAX, a: u64, b: u64) {
            let (a, b) = (a % size, b % size);
            let (a, b) = (a.min(b), a.max(b));
            let header = format!("bytes={a}-{b}");
            prop_assert_eq!(answer(Some(&header), None, "\"e\"", size), part(a, b + 1, size));
        }

        #[test]
        fn never_panics(header in any::<String>(), tag in any::<String>(), size: u64) {
            let _ = answer(Some(&header), Some(&tag), &tag, size);
            let _ = none_match(&header, &tag);
        }
    }
}
