//! Any headers of a request for part of a file: inside it, or refused.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use studytime_blobs::range::{RangeAnswer, answer, none_match};
use studytime_fuzz::within;

const TAG: &str = "\"x\"";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str, Option<&'a str>, Option<u16>, u64),
    Made {
        first: Option<u64>,
        last: Option<u64>,
        size: u64,
        near: bool,
    },
}

fuzz_target!(|input: Input<'_>| {
    within(1 << 20, || match input {
        Input::Raw(range, if_range, small, size) => {
            let size = small.map_or(size, u64::from);
            check(answer(Some(range), if_range, TAG, size), size);
            check(answer(Some(range), Some(TAG), TAG, size), size);
            let header = if_range.unwrap_or(range);
            assert!(none_match(&format!("{TAG},{header}"), TAG) || header.len() > 1000);
            let _ = none_match(header, TAG);
        }
        Input::Made {
            first,
            last,
            size,
            near,
        } => {
            let squeeze = |n: u64| if near { n % 9 } else { n };
            let (first, last, size) = (first.map(squeeze), last.map(squeeze), squeeze(size));
            let text = |n: Option<u64>| n.map_or(String::new(), |n| n.to_string());
            let header = format!("bytes={}-{}", text(first), text(last));
            let got = answer(Some(&header), None, TAG, size);
            check(got, size);
            // What RFC 9110 says of one range.
            let expected = match (first, last) {
                (None, None) => None,
                (Some(a), Some(b)) if a > b => None,
                (None, Some(n)) => Some((size.saturating_sub(n), size)),
                (Some(a), b) => Some((a, b.map_or(size, |b| b.saturating_add(1).min(size)))),
            };
            match (got, expected) {
                (RangeAnswer::Whole, None) => {}
                (RangeAnswer::Part(part), Some(span)) => assert_eq!((part.start, part.end), span),
                (RangeAnswer::Unsatisfiable, Some((start, end))) => {
                    assert!(start >= size || start >= end)
                }
                other => panic!("{header} of {size}: {other:?}"),
            }
        }
    });
});

fn check(answer: RangeAnswer, size: u64) {
    if let RangeAnswer::Part(part) = answer {
        assert!(part.start < part.end && part.end <= size && part.size == size);
        assert!(part.len() > 0 && part.len() <= size);
        let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(part.content_range(), text);
    }
}
