//! Byte ranges of a GET (RFC 9110 §14): one range, of a file of known size.

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything: there is no header, or one that is to be ignored (another
    /// unit, several ranges, not readable).
    Whole,
    /// These bytes: the first one and how many; never empty.
    Part {
        /// Offset of the first byte.
        start: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Bytes that the file does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes.
pub(crate) fn parse(header: Option<&str>, size: u64) -> Wanted {
    let Some(ranges) = header.and_then(unit) else {
        return Wanted::Whole;
    };
    let mut parts = ranges.split(',').map(str::trim).filter(|r| !r.is_empty());
    let (Some(range), None) = (parts.next(), parts.next()) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    let (Some(first), Some(last)) = (bound(first), bound(last)) else {
        return Wanted::Whole;
    };
    match (first, last) {
        (None, None) => Wanted::Whole,
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(start), _) if start >= size => Wanted::Unsatisfiable,
        (Some(start), last) => Wanted::Part {
            start,
            length: last.map_or(size - 1, |last| last.min(size - 1)) - start + 1,
        },
        (None, Some(count)) if count.min(size) == 0 => Wanted::Unsatisfiable,
        (None, Some(count)) => Wanted::Part {
            start: size - count.min(size),
            length: count.min(size),
        },
    }
}

fn unit(header: &str) -> Option<&str> {
    let (unit, ranges) = header.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(ranges)
}

/// One side of a range: `None` when it is no number, `Some(None)` when it is
/// left open. More digits than a `u64` holds mean its largest value.
#[allow(clippy::option_option)]
fn bound(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(start: u64, length: u64) -> Wanted {
        Wanted::Part { start, length }
    }

    #[test]
    fn the_usual_forms() {
        let cases = [
            (None, Wanted::Whole),
            (Some("bytes=0-"), part(0, 1000)),
            (Some("bytes=0-0"), part(0, 1)),
            (Some("bytes=10-19"), part(10, 10)),
            (Some("bytes=990-5000"), part(990, 10)),
            (Some("bytes=-10"), part(990, 10)),
            (Some("bytes=-5000"), part(0, 1000)),
            (Some("Bytes = 5-6"), part(5, 2)),
            (Some("bytes=999-"), part(999, 1)),
            (Some("bytes=1000-"), Wanted::Unsatisfiable),
            (Some("bytes=-0"), Wanted::Unsatisfiable),
            (
                Some("bytes=99999999999999999999999-"),
                Wanted::Unsatisfiable,
            ),
            (Some("bytes=1-99999999999999999999999"), part(1, 999)),
            (Some("bytes=5-4"), Wanted::Whole),
            (Some("bytes=0-1,5-6"), Wanted::Whole),
            (Some("bytes=,0-1,"), part(0, 2)),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=1-b"), Wanted::Whole),
            (Some("bytes=-"), Wanted::Whole),
            (Some("bytes="), Wanted::Whole),
            (Some("lines=1-2"), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
            (Some("bytes=1--2"), Wanted::Whole),
            (Some("rubbish"), Wanted::Whole),
        ];
        for (header, wanted) in cases {
            assert_eq!(parse(header, 1000), wanted, "{header:?}");
        }
    }

    #[test]
    fn an_empty_file_has_no_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(parse(Some(header), 0), Wanted::Unsatisfiable, "{header}");
        }
    }

    proptest! {
        #[test]
        fn parts_lie_inside(header in "(bytes=)?[0-9,= -]{0,24}", size in 0u64..2000) {
            if let Wanted::Part { start, length } = parse(Some(&header), size) {
                prop_assert!(length > 0 && start + length <= size);
            }
        }
    }
}
