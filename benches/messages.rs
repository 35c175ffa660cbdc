//! One message from bytes to verified, beside the signature alone, on one core.
//!
//! `cargo bench --bench messages`

#![allow(clippy::print_stdout, reason = "a program for people")]

mod support;

use bytes::Bytes;
use std::hint::black_box;
use studytime_replicate::ingest::Verifier;
use studytime_schema::{FeedId, Message};
use support::corpus::{Corpus, Mix};
use support::meter::measure;
use support::{limits, median, report, sizes};

const ROUNDS: usize = 9;

fn main() {
    let count = sizes(&[4_000])[0];
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = Corpus::write(dir.path(), count, Mix::Lessons);
    let messages: Vec<(FeedId, Bytes)> = corpus
        .read()
        .map(|wire| (Corpus::author(&wire), wire))
        .collect();
    let count = messages.len();
    // A respelled number: legal, but not the way the one-pass formatter goes.
    let odd: Vec<String> = messages
        .iter()
        .map(|(_, wire)| {
            let text = std::str::from_utf8(wire).expect("text");
            text.replace(":1700000000000,", ":1.7e12,")
        })
        .collect();

    let micros = |seconds: f64| seconds * 1e6 / count as f64;
    let (mut verify, mut format, mut slow, mut limit) = (vec![], vec![], vec![], vec![]);
    // Contenders in turns, so that a busy neighbour meets them all.
    for _ in 0..ROUNDS {
        limit.push(micros(
            limits::strict_signatures(count, corpus.mean_bytes, 1).wall,
        ));
        let ((), spent) = measure(|| {
            let mut verifier = Verifier::new(None);
            for some in messages.chunks(64) {
                let some: Vec<_> = some.iter().map(|(a, wire)| (*a, &wire[..])).collect();
                for message in verifier.verify_each(&some) {
                    black_box(message.expect("valid"));
                }
            }
        });
        verify.push(micros(spent.wall));
        let ((), spent) = measure(|| {
            for (_, wire) in &messages {
                black_box(Message::from_log(wire).expect("valid"));
            }
        });
        format.push(micros(spent.wall));
        let ((), spent) = measure(|| {
            for text in &odd {
                black_box(Message::from_log(text.as_bytes()).expect("valid"));
            }
        });
        slow.push(micros(spent.wall));
    }
    let strict = median(limit);
    println!(
        "{count} messages of {} bytes, medians of {ROUNDS} rounds; the limit is one strict signature",
        corpus.mean_bytes
    );
    report(
        "parse, format, hash (one pass)",
        "µs",
        median(format),
        strict,
    );
    report(
        "parse, format, hash (ordered tree)",
        "µs",
        median(slow),
        strict,
    );
    report("verify (all of it)", "µs", median(verify), strict);
}
