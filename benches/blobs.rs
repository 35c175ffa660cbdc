//! Blobs from node to node, beside two JavaScript peers in the same run and beside
//! what the same bytes cost at the least: reading, sealing, copying, opening,
//! hashing and writing them.
//!
//! `cargo bench --bench blobs [-- rounds=N] [-- video=MIB]`: every side is a process
//! of its own; a figure is the median of the rounds. It needs three times the size
//! of the video on disk, below the folder for temporary files. Without
//! `interop/node_modules` (`./scripts/setup`) only our own side is measured.

#![allow(clippy::print_stdout, reason = "a program for people")]

#[path = "../tests/javascript/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/sides.rs"]
mod sides;
mod support;

use peer::{Peer, installed};
use serde_json::{Value, json};
use sides::{Cost, cpu, ours, theirs};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use support::limits::{self, Transfer};
use support::{cores, median};

/// Files of a size that fits one blob, and not a multiple of the 64 KiB after which
/// JavaScript peers cannot pass blobs to each other.
const FILES: usize = 40;
const FILE: u64 = 5_000_000;
const MIB: u64 = 1 << 20;

/// A file of bytes that no two parts have in common.
fn file(path: &Path, size: u64, salt: u64) {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).expect("a file"));
    let mut left = size;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let part = left.min(8) as usize;
        out.write_all(&bytes[..part]).expect("space on disk");
        left -= part as u64;
    }
    out.flush().expect("space on disk");
}

fn files(dir: &Path, count: usize, size: u64) -> Vec<PathBuf> {
    let name = |n: usize| dir.join(format!("file-{n}"));
    (0..count)
        .map(|n| {
            file(&name(n), size, n as u64 + 1);
            name(n)
        })
        .collect()
}

/// Puts the files into the sender's store; answers what to ask for.
async fn add(sender: &Peer, files: &[PathBuf]) -> Vec<Value> {
    let mut blobs = Vec::new();
    for file in files {
        let added = sender.ask("addBlob", json!({ "file": file })).await;
        // JavaScript peers answer with the id alone.
        blobs.push(match added {
            Value::String(id) => json!({ "blob": id, "manifest": false }),
            added => added,
        });
    }
    blobs
}

/// From the first want to the last byte, on a connection that stands.
async fn transfer(from: &Peer, to: &Peer, blobs: &[Value]) -> Cost {
    from.request(&[to.id]).await;
    to.request(&[from.id]).await;
    to.ask("connect", json!({ "address": from.address })).await;
    let (sent, received) = (cpu(from).await, cpu(to).await);
    let started = Instant::now();
    to.ask("wantBlobs", json!({ "blobs": blobs })).await;
    Cost {
        wall: started.elapsed().as_secs_f64(),
        sender: cpu(from).await - sent,
        receiver: cpu(to).await - received,
    }
}

async fn peak(peer: &Peer) -> f64 {
    let memory = peer.ask("memory", json!({})).await;
    memory[1].as_f64().unwrap_or(f64::NAN)
}

fn middle(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    median(costs.iter().map(of).collect())
}

/// Megabytes per second, beside a limit.
fn against(what: &str, mb: f64, limit: f64) {
    println!(
        "    {what:<38} {mb:>7.0} MB   limit {limit:>7.0}   ratio {:>5.2}",
        mb / limit
    );
}

fn tell(name: &str, costs: &[Cost], mb: f64, js: Option<&[Cost]>) {
    let rate = |costs: &[Cost], of: fn(&Cost) -> f64| mb / middle(costs, of);
    let beside = |of: fn(&Cost) -> f64| match js {
        Some(js) => format!(" ({:.1} x JS)", rate(costs, of) / rate(js, of)),
        None => String::new(),
    };
    let wall = |c: &Cost| c.wall;
    let (receiver, sender) = (|c: &Cost| c.receiver, |c: &Cost| c.sender);
    println!(
        "  {name:<13} {:>6.0} MB/s{}   per CPU s: receiver {:>6.0} MB{}, sender {:>6.0} MB{}, both {:>6.0} MB{}",
        rate(costs, wall),
        beside(wall),
        rate(costs, receiver),
        beside(receiver),
        rate(costs, sender),
        beside(sender),
        rate(costs, |c| c.sender + c.receiver),
        beside(|c| c.sender + c.receiver),
    );
}

/// Our figures beside the least that the same bytes cost.
fn tell_limit(costs: &[Cost], mb: f64, limit: &Transfer) {
    let per = |seconds: f64| limit.mb / seconds;
    against(
        "receiver, per CPU s",
        mb / middle(costs, |c| c.receiver),
        per(limit.receiver()),
    );
    against(
        "sender, per CPU s",
        mb / middle(costs, |c| c.sender),
        per(limit.sender()),
    );
    against(
        "both, per CPU s",
        mb / middle(costs, |c| c.sender + c.receiver),
        per(limit.sender() + limit.receiver()),
    );
    // At best all cores work all the time, or the receiver's opening is the narrow place.
    let best = ((limit.sender() + limit.receiver()) / cores() as f64)
        .max(limit.open)
        .max(limit.seal);
    against(
        "on the wall, if all cores were ours",
        mb / middle(costs, |c| c.wall),
        per(best),
    );
}

async fn small(rounds: usize) {
    let mb = FILES as f64 * FILE as f64 / 1e6;
    println!("{FILES} files of {FILE} bytes, median of {rounds}");
    let (mut js_js, mut ours_ours) = (Vec::new(), Vec::new());
    let mut memory = (0f64, 0f64);
    for _ in 0..rounds {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let files = files(dir.path(), FILES, FILE);
        if installed() {
            let (from, to) = (
                theirs(&dir.path().join("js")).await,
                theirs(&dir.path().join("js-to")).await,
            );
            let blobs = add(&from, &files).await;
            js_js.push(transfer(&from, &to, &blobs).await);
        }
        let (from, to) = (
            ours(&dir.path().join("ours")).await,
            ours(&dir.path().join("ours-to")).await,
        );
        let blobs = add(&from, &files).await;
        ours_ours.push(transfer(&from, &to, &blobs).await);
        memory = (
            memory.0.max(peak(&from).await),
            memory.1.max(peak(&to).await),
        );
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let limit = limits::blobs(dir.path(), FILES, FILE as usize);
    if !js_js.is_empty() {
        tell("JS to JS", &js_js, mb, None);
    }
    let js = (!js_js.is_empty()).then_some(&js_js[..]);
    tell("ours to ours", &ours_ours, mb, js);
    tell_limit(&ours_ours, mb, &limit);
    println!(
        "    memory at most: sender {:.0} MiB, receiver {:.0} MiB",
        memory.0, memory.1
    );
    limit.tell();
}

async fn video(mib: u64, rounds: usize) {
    let mb = (mib * MIB) as f64 / 1e6;
    println!("one video of {mib} MiB, median of {rounds}");
    let mut costs = Vec::new();
    let mut memory = (0f64, 0f64);
    for _ in 0..rounds {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("video");
        file(&path, mib * MIB, 99);
        let from = ours(&dir.path().join("ours")).await;
        let started = (Instant::now(), cpu(&from).await);
        let blobs = add(&from, std::slice::from_ref(&path)).await;
        let (wall, spent) = (
            started.0.elapsed().as_secs_f64(),
            cpu(&from).await - started.1,
        );
        println!(
            "  cut into segments and synced: {:.0} MB/s, {:.0} MB per CPU s; memory at most {:.0} MiB",
            mb / wall,
            mb / spent,
            peak(&from).await
        );
        std::fs::remove_file(&path).expect("removed");
        let to = ours(&dir.path().join("ours-to")).await;
        costs.push(transfer(&from, &to, &blobs).await);
        memory = (
            memory.0.max(peak(&from).await),
            memory.1.max(peak(&to).await),
        );
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let limit = limits::blobs(dir.path(), 256, MIB as usize);
    tell("ours to ours", &costs, mb, None);
    tell_limit(&costs, mb, &limit);
    println!(
        "    memory at most: sender {:.0} MiB, receiver {:.0} MiB",
        memory.0, memory.1
    );
    limit.tell();
}

fn main() {
    if program::run_if_asked() {
        return;
    }
    if !installed() {
        println!("no JavaScript peers here (./scripts/setup): they are left out");
    }
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str| args.iter().find_map(|a| a.strip_prefix(name)?.parse().ok());
    let rounds = number("rounds=").unwrap_or(1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        small(rounds as usize).await;
        video(number("video=").unwrap_or(1024), rounds as usize).await;
    });
}
