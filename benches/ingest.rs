//! Messages from bytes to disk, and to disk with the index kept up, beside what
//! their signatures alone cost on the same cores in the same run.
//!
//! `cargo bench --bench ingest [-- MESSAGES...] [-- lessons]`: a network's mix,
//! or nothing but lessons of text.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod support;

use bytes::Bytes;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use studytime_node::{Builder, api};
use studytime_replicate::ingest::{InOrder, Verifier, append};
use studytime_replicate::{FeedStore, SqliteStore};
use studytime_schema::FeedId;
use support::corpus::{Corpus, Mix};
use support::meter::{Meter, Spent, measure, peak_mib, reset_peak};
use support::{caught_up, cores, limits, report, sizes};

/// Messages handed from one thread to the next at a time.
const HANDED: usize = 64;

type Queue = Mutex<(Receiver<(FeedId, Bytes)>, u64)>;

/// The next few of the queue, and their number.
fn take(queue: &Queue) -> Option<(u64, Vec<(FeedId, Bytes)>)> {
    let mut queue = queue.lock().expect("the queue");
    let first = queue.0.recv().ok()?;
    let some = std::iter::once(first).chain(queue.0.try_iter().take(HANDED - 1));
    let some = some.collect();
    queue.1 += 1;
    Some((queue.1 - 1, some))
}

/// Verify threads and one writer with group commit, over the libraries alone.
fn to_disk(corpus: &Corpus) -> Spent {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(dir.path().join("feeds.db")).expect("a new store");
    let ((), spent) = measure(|| {
        std::thread::scope(|scope| {
            // Handed on some at a time: waking the writer for each would cost
            // as much as writing it.
            let (verified, inbox) = sync_channel::<(u64, Vec<_>)>(64);
            let (to, queue) = sync_channel::<(FeedId, Bytes)>(1_024);
            let queue = Arc::new(Mutex::new((queue, 0)));
            for _ in 0..cores() {
                let (queue, verified) = (Arc::clone(&queue), verified.clone());
                scope.spawn(move || {
                    let mut verifier = Verifier::new(None);
                    while let Some((number, some)) = take(&queue) {
                        let done = some
                            .iter()
                            .map(|(author, wire)| verifier.verify(author, wire).expect("valid"));
                        verified.send((number, done.collect())).expect("the writer");
                    }
                });
            }
            drop(verified);
            let feeder = corpus.read();
            scope.spawn(move || {
                for wire in feeder {
                    to.send((Corpus::author(&wire), wire)).expect("a verifier");
                }
            });
            let (mut group, mut order) = (Vec::new(), InOrder::new());
            while let Ok((number, messages)) = inbox.recv() {
                order.put(number, messages);
                while group.len() < 2_000
                    && let Ok((number, more)) = inbox.recv_timeout(Duration::from_millis(50))
                {
                    order.put(number, more);
                    group.extend(order.by_ref().flatten());
                }
                append(&store, &group, 0).expect("kept");
                group.clear();
            }
        });
    });
    let kept = store.counts().expect("counts").messages;
    assert_eq!(kept, corpus.count as u64);
    spent
}

/// A whole node: the same, and its index following; until all can be found.
async fn with_index(corpus: &Corpus) -> Spent {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let builder = Builder::new(dir.path()).default_lists(false).control(false);
    let node = builder.open().await.expect("a node");
    let handle = node.handle();
    let id = corpus.list;
    handle.call(api::CatalogAdd { id }).await.expect("a list");
    let meter = Meter::start();
    let done = node.ingest(corpus.read()).await.expect("taken in");
    caught_up(&node).await;
    // The last texts become searchable when the index is flushed.
    node.shutdown().await;
    drop((node, handle));
    let spent = meter.spent();
    assert_eq!(done.kept, corpus.count as u64, "{done:?}");
    spent
}

fn mix() -> Mix {
    if std::env::args().any(|a| a == "lessons") {
        Mix::Lessons
    } else {
        Mix::Network
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for size in sizes(&[100_000]) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let corpus = Corpus::write(dir.path(), size, mix());
        let count = corpus.count as f64;
        println!(
            "{} messages of {} bytes ({}), {} cores; the limit is strict signatures alone",
            corpus.count,
            corpus.mean_bytes,
            mix().words(),
            cores()
        );
        // The limit before, between and after, as neighbours come and go.
        let limit = || limits::strict_signatures(corpus.count, corpus.mean_bytes, cores());
        let first = limit();
        reset_peak();
        let disk = to_disk(&corpus);
        let disk_peak = peak_mib();
        let second = limit();
        reset_peak();
        let index = runtime.block_on(with_index(&corpus));
        let index_peak = peak_mib();
        let third = limit();
        for (what, ours, peak, before, after) in [
            ("to disk", disk, disk_peak, first, second),
            ("to disk and index", index, index_peak, second, third),
        ] {
            let wall = (before.wall + after.wall) / 2.0;
            let cpu = (before.cpu + after.cpu) / 2.0;
            report(what, "messages/s", count / ours.wall, count / wall);
            report(
                "  by processor time",
                "per CPU s",
                count / ours.cpu,
                count / cpu,
            );
            println!("    memory at most {peak:.0} MiB");
        }
    }
}
