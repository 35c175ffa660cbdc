//! Any bytes as a message: a verdict, the same by every way of asking. And as
//! a stream of lines: the verdict of each line, however the stream is cut.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::convert::Infallible;
use studytime_fuzz::{envelope, within};
use studytime_schema::check::{self, LineChecker};

fuzz_target!(|data: &[u8]| {
    within(32 << 20, || {
        let _ = envelope::judge(data);
        lines(data, data.len() % 61 + 1);
    });
});

fn lines(data: &[u8], step: usize) {
    let mut seen = Vec::new();
    let mut each = |line, verdict| {
        seen.push((line, verdict));
        Ok::<(), Infallible>(())
    };
    let mut checker = LineChecker::new(None, None);
    for piece in data.chunks(step) {
        let _ = checker.push(piece, &mut each);
    }
    let _ = checker.finish(&mut each);

    let mut whole: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    if whole.last().is_some_and(|line| line.is_empty()) {
        whole.pop();
    }
    let judged = whole.iter().map(|line| check::judge(line, None, None));
    assert_eq!(seen, (1..).zip(judged).collect::<Vec<_>>());
}
