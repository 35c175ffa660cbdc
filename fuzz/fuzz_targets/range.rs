//! Any Range and If-Range header: inside the file or refused.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_blobs::range::{RangeAnswer, answer};

fuzz_target!(|input: (&str, Option<&str>, u64)| {
    let (range, if_range, size) = input;
    if let RangeAnswer::Part(part) = answer(Some(range), if_range, "\"x\"", size) {
        assert!(part.len() > 0 && part.len() <= size);
    }
});
