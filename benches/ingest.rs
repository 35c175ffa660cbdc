//! Messages from bytes to disk, beside what the signatures alone cost on the
//! same cores in the same run.
//!
//! `cargo bench --bench ingest [-- MESSAGES]`

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;
use studytime_replicate::ingest::{Verifier, append, shard};
use studytime_replicate::{FeedStore, SqliteStore};
use studytime_schema::{FeedId, Keypair, Message, VerifyingKey};

const FEEDS: u8 = 16;

/// `count` lessons of about a kilobyte, over a few feeds, in order.
fn messages(count: usize) -> Vec<Arc<Message>> {
    let text = "Peat grows about a millimetre a year. ".repeat(20);
    let per_feed = count / usize::from(FEEDS);
    (0..FEEDS)
        .flat_map(|n| {
            let keys = Keypair::from_seed(&[n + 1; 32]);
            let mut tip = None;
            (1..=per_feed)
                .map(|i| {
                    let content = serde_json::json!({
                        "type": "studytime_course_lesson", "lesson_number": i,
                        "name": format!("Lesson {i}"), "lesson_content": text,
                    });
                    let message =
                        Message::sign(&keys, tip.as_ref(), 1_700_000_000_000, &content, None);
                    let message = message.expect("a valid message");
                    tip = Some(message.tip());
                    Arc::new(message)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Messages a second.
fn rate(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    count as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    // Cargo passes `--bench`; a number chooses the size.
    let count = std::env::args()
        .find_map(|a| a.parse().ok())
        .unwrap_or(20_000);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all = messages(count);
    let count = all.len();
    let wires: Vec<(FeedId, Vec<u8>)> = all
        .iter()
        .map(|m| (m.author(), m.wire().as_bytes().to_vec()))
        .collect();

    // The limit: strict verification of as many signatures, nothing else.
    let signed: Vec<(VerifyingKey, [u8; 64], Vec<u8>)> = (0..FEEDS)
        .map(|n| {
            let keys = Keypair::from_seed(&[n + 1; 32]);
            let bytes = vec![n; 1_100];
            (
                VerifyingKey::new(keys.id()).expect("a valid key"),
                keys.sign(&bytes),
                bytes,
            )
        })
        .collect();
    let limit = rate(count, || {
        std::thread::scope(|s| {
            for t in 0..threads {
                let signed = &signed;
                s.spawn(move || {
                    for i in (t..count).step_by(threads) {
                        let (key, signature, bytes) = &signed[i % signed.len()];
                        assert!(key.verify(bytes, signature));
                    }
                });
            }
        });
    });

    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(dir.path().join("feeds.db")).expect("a new store");
    let ours = rate(count, || {
        let (tx, rx) = channel();
        std::thread::scope(|s| {
            for t in 0..threads {
                let (tx, wires) = (tx.clone(), &wires);
                s.spawn(move || {
                    let mut verifier = Verifier::new(None);
                    for (author, wire) in wires.iter().filter(|(a, _)| shard(a, threads) == t) {
                        tx.send(verifier.verify(author, wire).expect("a valid message"))
                            .expect("the writer");
                    }
                });
            }
            drop(tx);
            let mut group = Vec::new();
            while let Ok(message) = rx.recv() {
                group.push(message);
                group.extend(rx.try_iter().take(2_000));
                append(&store, &group, 0).expect("kept");
                group.clear();
            }
        });
    });
    assert_eq!(store.counts().expect("counts").messages, count as u64);
    println!(
        "ingest to disk, {threads} threads, {count} messages of {} bytes",
        wires[0].1.len()
    );
    println!("  ours   {ours:>9.0} messages/s (parsed, verified, chained, synced)");
    println!("  limit  {limit:>9.0} messages/s (strict signatures only)");
    println!("  ratio  {:>9.2}", ours / limit);
}
