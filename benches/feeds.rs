//! Feeds over EBT, beside two JavaScript peers in the same run; memory and bytes
//! with ten thousand feeds in sync.
//!
//! `cargo bench --bench feeds [-- MESSAGES...] [-- rounds=N] [-- sync]`: every
//! side is a process of its own; a figure is the median of the rounds. Without
//! `interop/node_modules` (`./scripts/setup`) only our own side is measured.

#![allow(clippy::print_stdout, reason = "a program for people")]

#[path = "../tests/javascript/author.rs"]
mod author;
#[path = "../tests/javascript/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/sides.rs"]
mod sides;
mod support;

use author::{Author, write};
use peer::{Peer, installed};
use serde_json::json;
use sides::{Cost, cpu, ours, theirs};
use std::path::Path;
use std::time::Instant;
use studytime_schema::FeedId;
use support::{cores, limits, median, report, sizes};

/// Characters of a post, so that a message has about a kilobyte.
const POST: usize = 640;
const FEEDS_IN_SYNC: usize = 10_000;

/// From the connection to the last message; the receiver dials.
async fn transfer(from: &Peer, to: &Peer, clock: &[(FeedId, u64)]) -> Cost {
    let ids: Vec<FeedId> = clock.iter().map(|(id, _)| *id).collect();
    from.request(&[to.id]).await;
    to.request(&[from.id]).await;
    to.request(&ids).await;
    let (sent, received) = (cpu(from).await, cpu(to).await);
    let started = Instant::now();
    to.ask("connect", json!({ "address": from.address })).await;
    to.reached(clock).await;
    Cost {
        wall: started.elapsed().as_secs_f64(),
        sender: cpu(from).await - sent,
        receiver: cpu(to).await - received,
    }
}

/// The sender with all messages, and receivers one after the other.
async fn round(dir: &Path, authors: &[Author], js: bool) -> [Option<Cost>; 3] {
    let clock: Vec<_> = authors.iter().map(|a| (a.id(), a.len())).collect();
    let file = write(dir, "messages", authors);
    let ids: Vec<FeedId> = clock.iter().map(|(id, _)| *id).collect();
    let (mut js_js, mut js_ours) = (None, None);
    if js {
        let sender = theirs(&dir.join("js")).await;
        sender.ask("add", json!({ "file": file })).await;
        sender.request(&ids).await;
        let receiver = theirs(&dir.join("js-to")).await;
        js_js = Some(transfer(&sender, &receiver, &clock).await);
        drop(receiver);
        let receiver = ours(&dir.join("ours-js")).await;
        js_ours = Some(transfer(&sender, &receiver, &clock).await);
    }
    let sender = ours(&dir.join("ours")).await;
    sender.ask("add", json!({ "file": file })).await;
    let receiver = ours(&dir.join("ours-to")).await;
    let ours_ours = Some(transfer(&sender, &receiver, &clock).await);
    [js_js, js_ours, ours_ours]
}

fn middle(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    median(costs.iter().map(of).collect())
}

async fn compare(what: &str, authors: &[Author], rounds: usize) {
    let count = authors.iter().map(Author::len).sum::<u64>() as f64;
    println!("{what}, median of {rounds}");
    let mut all: [Vec<Cost>; 3] = Default::default();
    for _ in 0..rounds {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let costs = round(dir.path(), authors, installed()).await;
        for (to, cost) in all.iter_mut().zip(costs) {
            to.extend(cost);
        }
    }
    // What no receiver that verifies strictly can beat.
    let bytes = authors[0].messages[0].wire().len();
    let limit = limits::strict_signatures(count as usize, bytes, cores());
    for (costs, what) in [(&all[1], "from JS"), (&all[2], "from ours")] {
        if !costs.is_empty() {
            let what = format!("our receiver {what}, per CPU s");
            let ours = count / middle(costs, |c| c.receiver);
            report(&what, "messages", ours, count / limit.cpu);
        }
    }
    let js = all[0].clone();
    for (name, costs) in ["JS to JS", "JS to ours", "ours to ours"].iter().zip(&all) {
        if costs.is_empty() {
            continue;
        }
        let rate = |costs: &[Cost], of: fn(&Cost) -> f64| count / middle(costs, of);
        let ratio = |of: fn(&Cost) -> f64| match js.is_empty() {
            true => String::new(),
            false => format!(" ({:.1} x JS)", rate(costs, of) / rate(&js, of)),
        };
        println!(
            "  {name:<13} {:>8.0}/s{}   receiver {:>8.0} per CPU s{}   sender {:>8.0} per CPU s{}",
            rate(costs, |c| c.wall),
            ratio(|c| c.wall),
            rate(costs, |c| c.receiver),
            ratio(|c| c.receiver),
            rate(costs, |c| c.sender),
            ratio(|c| c.sender),
        );
    }
}

/// Two nodes with ten thousand feeds, the courses of one list: what they hold in
/// memory, and what they say when they meet again with nothing new.
async fn in_sync() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut list = Author::new(1);
    let mut courses = Vec::new();
    for n in 0..FEEDS_IN_SYNC {
        let mut course = Author::new(10 + n as u64);
        let id = course.id().to_bare();
        let content =
            json!({ "type": "studytime_course", "feed_id": id, "name": format!("Course {n}") });
        list.publish(&content);
        course.publish(&content);
        courses.push(course);
    }
    courses.push(list);
    let list = courses.last().expect("the list").id();
    let file = write(dir.path(), "messages", &courses);
    let a = ours(&dir.path().join("a")).await;
    let b = ours(&dir.path().join("b")).await;
    for peer in [&a, &b] {
        peer.ask("list", json!({ "feed": list })).await;
    }
    a.ask("add", json!({ "file": file })).await;
    a.request(&[b.id]).await;
    b.request(&[a.id]).await;
    let count = FEEDS_IN_SYNC * 2;
    let started = Instant::now();
    b.ask("connect", json!({ "address": a.address })).await;
    b.ask("messages", json!({ "count": count })).await;
    println!(
        "{FEEDS_IN_SYNC} feeds, {count} messages: in sync after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    for (name, peer) in [("sender", &a), ("receiver", &b)] {
        let memory = peer.ask("memory", json!({})).await;
        println!(
            "  {name:<9} holds {:.0} MiB, at most {:.0} MiB",
            memory[0].as_f64().unwrap_or(f64::NAN),
            memory[1].as_f64().unwrap_or(f64::NAN)
        );
    }
    a.close().await;
    b.close().await;
    // Ended in the middle of their talk, they compare notes once more; then no more.
    for meeting in ["first", "second"] {
        met_again(dir.path(), meeting).await;
    }
}

/// Both are started anew and connected, until nothing moves any more.
async fn met_again(dir: &Path, meeting: &str) {
    let (a, b) = (ours(&dir.join("a")).await, ours(&dir.join("b")).await);
    b.ask("connect", json!({ "address": a.address })).await;
    // The bytes are told a second late at most.
    let mut traffic = json!(null);
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let now = b.ask("traffic", json!({ "peer": a.id })).await;
        if now == traffic && !now.is_null() {
            break;
        }
        traffic = now;
    }
    let mut holds = Vec::new();
    for peer in [&a, &b] {
        let memory = peer.ask("memory", json!({})).await;
        holds.push(memory[0].as_f64().unwrap_or(f64::NAN));
    }
    println!(
        "  {meeting} meeting after a new start: {} bytes in, {} out, greetings included; they hold {:.0} and {:.0} MiB",
        traffic[0], traffic[1], holds[0], holds[1]
    );
    a.close().await;
    b.close().await;
}

fn main() {
    if program::run_if_asked() {
        return;
    }
    if !installed() {
        println!("no JavaScript peers here (./scripts/setup): they are left out");
    }
    let args: Vec<String> = std::env::args().collect();
    let rounds = args
        .iter()
        .find_map(|a| a.strip_prefix("rounds=")?.parse().ok());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if !args.iter().any(|a| a == "sync") {
        for size in sizes(&[10_000, 50_000]) {
            let authors = [Author::with_posts(1, size, POST)];
            let bytes = authors[0].messages[size - 1].wire().len();
            let what = format!("{size} messages of {bytes} bytes, one feed");
            runtime.block_on(compare(&what, &authors, rounds.unwrap_or(1)));
        }
        let authors: Vec<Author> = (0..100)
            .map(|n| Author::with_posts(100 + n, 100, POST))
            .collect();
        let what = "100 messages of each of 100 feeds";
        runtime.block_on(compare(what, &authors, rounds.unwrap_or(1)));
    }
    runtime.block_on(in_sync());
}
