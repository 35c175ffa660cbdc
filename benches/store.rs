//! A node's data directory of many messages: how fast its index is rebuilt from
//! the log, and how long it takes to open, beside a small one.
//!
//! `cargo bench --bench store [-- MESSAGES...]`; run as root it opens from disk
//! and not from memory.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod support;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use studytime_node::{Builder, api};
use studytime_replicate::ingest::{Verifier, append};
use studytime_replicate::{FeedStore, SqliteStore};
use studytime_schema::{LogPosition, Message};
use support::corpus::{Corpus, Mix};
use support::meter::{Meter, measure, peak_mib, reset_peak};
use support::{caught_up, median, report, sizes};

const OPENS: usize = 7;
const GROUP: usize = 2_000;

fn builder(dir: &Path) -> Builder {
    Builder::new(dir).default_lists(false).control(false)
}

/// Fills `feeds.db` alone.
fn fill(dir: &Path, corpus: &Corpus) {
    let store = SqliteStore::open(dir.join("feeds.db")).expect("the store");
    let mut verifier = Verifier::new(None);
    let mut group: Vec<Arc<Message>> = Vec::with_capacity(GROUP);
    for wire in corpus.read() {
        let author = Corpus::author(&wire);
        group.push(verifier.verify(&author, &wire).expect("valid"));
        if group.len() == GROUP {
            append(&store, &group, 0).expect("kept");
            group.clear();
        }
    }
    append(&store, &group, 0).expect("kept");
}

/// Reading the log and putting each message into its signed form: what no
/// rebuild can do without.
fn read_log(dir: &Path) -> f64 {
    let store = SqliteStore::open(dir.join("feeds.db")).expect("the store");
    let ((), spent) = measure(|| {
        let mut after = LogPosition(0);
        loop {
            let some = store.scan(after, GROUP).expect("the log");
            let Some(last) = some.last() else { return };
            after = last.position;
            for stored in &some {
                black_box(Message::from_log(stored.wire.as_bytes()).expect("valid"));
            }
        }
    });
    spent.cpu
}

/// Makes the system forget what it holds of files; whether it could be done.
fn forget_files() -> bool {
    std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}

/// Milliseconds to open the node, the middle of several times.
async fn open(dir: &Path, cold: bool) -> f64 {
    let mut times = Vec::new();
    for _ in 0..OPENS {
        if cold {
            forget_files();
        }
        let meter = Meter::start();
        let node = builder(dir).open().await.expect("a node");
        let status = node.handle().call(api::Status {}).await.expect("a status");
        times.push(meter.spent().wall * 1e3);
        assert_eq!(status.index_behind, 0, "opened as it was left");
        node.shutdown().await;
        drop(node);
    }
    median(times)
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cold = forget_files();
    let mut first = None;
    for size in sizes(&[10_000, 100_000]) {
        let work = tempfile::tempdir().expect("a temporary folder");
        let corpus = Corpus::write(work.path(), size, Mix::Network);
        let dir = work.path().join("node");
        // A list first: only what is listed is indexed for search.
        runtime.block_on(async {
            let node = builder(&dir).open().await.expect("a node");
            let id = corpus.list;
            let added = node.handle().call(api::CatalogAdd { id }).await;
            added.expect("a list");
            node.shutdown().await;
        });
        fill(&dir, &corpus);
        let count = corpus.count as f64;
        println!("{} messages of {} bytes", corpus.count, corpus.mean_bytes);

        let read = read_log(&dir);
        std::fs::remove_dir_all(dir.join("index")).expect("the old index");
        reset_peak();
        let rebuilt = runtime.block_on(async {
            let meter = Meter::start();
            let node = builder(&dir).open().await.expect("a node");
            caught_up(&node).await;
            // The last texts become searchable when the index is flushed.
            node.shutdown().await;
            drop(node);
            meter.spent()
        });
        println!(
            "  rebuilt in {:.1} s, memory at most {:.0} MiB; the limit is reading the log and formatting it",
            rebuilt.wall,
            peak_mib()
        );
        report(
            "rebuild of the index",
            "per CPU s",
            count / rebuilt.cpu,
            count / read,
        );

        let warm = runtime.block_on(open(&dir, false));
        let from_disk = runtime.block_on(open(&dir, cold));
        let (small_warm, small_disk) = *first.get_or_insert((warm, from_disk));
        println!(
            "  open: {warm:.0} ms, from disk {from_disk:.0} ms{}; beside the smallest: {:+.0} ms, from disk {:+.0} ms",
            if cold {
                ""
            } else {
                " (files could not be forgotten: warm)"
            },
            warm - small_warm,
            from_disk - small_disk,
        );
    }
}
