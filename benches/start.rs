//! A program with thousands of courses, from its start: how soon the first page
//! is there, and what it holds in memory when nobody asks anything; beside a
//! bare program that opens the same files and sends as many bytes.
//!
//! `cargo bench --bench start [-- COURSES LESSONS ...]`. The courses are kept in the
//! target folder's `tmp` for the next run.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod support;

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use studytime_node::{Builder, api};
use support::catalog::Catalog;
use support::meter::{memory_mib, resident_mib};
use support::{asked, caught_up, median};

const SERVE: &str = "--serve";
const BARE: &str = "--bare";
const ROUNDS: usize = 7;
/// Until a program counts as idle: its text writer and its caches are put away.
const IDLE: Duration = Duration::from_secs(15);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        let at = args.iter().position(|a| a == flag)?;
        args.get(at + 1)
    };
    if let Some(dir) = after(SERVE) {
        return serve(Path::new(dir));
    }
    if let Some(dir) = after(BARE) {
        return bare(Path::new(dir));
    }
    for pair in support::sizes(&[5_000, 25_000]).chunks_exact(2) {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let catalog = Catalog::get(tmp, pair[0], pair[1]);
        println!("{} courses, {} lessons", catalog.courses, catalog.lessons);
        let dir = filled(&catalog);
        compare(&dir);
    }
}

/// A data directory in which the catalogue has been taken in.
fn filled(catalog: &Catalog) -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = tmp.join(format!("node-{}-{}", catalog.courses, catalog.lessons));
    if dir.exists() {
        return dir;
    }
    let part = dir.with_extension("part");
    let _ = std::fs::remove_dir_all(&part);
    runtime().block_on(async {
        let node = Builder::new(&part).default_lists(false).control(false);
        let node = node.open().await.expect("a node");
        for id in catalog.lists.iter().copied() {
            let done = node.handle().call(api::CatalogAdd { id }).await;
            done.expect("a list");
        }
        let wires = catalog.entries();
        let wires = wires.map(|e| Bytes::copy_from_slice(e.message.wire().as_bytes()));
        node.ingest(wires).await.expect("taken in");
        caught_up(&node).await;
        node.shutdown().await;
    });
    std::fs::rename(&part, &dir).expect("a folder");
    dir
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// The program: a node and its pages, until its input ends.
fn serve(dir: &Path) {
    runtime().block_on(async {
        let node = Builder::new(dir)
            .listen(Some("127.0.0.1:0".parse().expect("an address")))
            .default_lists(false)
            .schedule(false)
            .open()
            .await
            .expect("a node");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let options = studytime_web::Options::new(address);
        let pages = studytime_web::router(node.handle(), options);
        let pages = tokio::spawn(studytime_web::serve(listener, pages));
        println!("{address}");
        let told = tokio::task::spawn_blocking(tell_memory).await;
        told.expect("told");
        pages.abort();
        node.shutdown().await;
    });
}

/// The least that could do it: opens what the program opens, and answers with a
/// page that it finds ready.
fn bare(dir: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let index = dir.join("index");
    let generation = std::fs::read_to_string(index.join("current")).expect("an index");
    let home = index.join(generation.trim());
    let open = |path: PathBuf| {
        let file = Connection::open_with_flags(path, flags).expect("a database");
        let count = file.query_row("SELECT COUNT(*) FROM sqlite_master", [], |r| r.get(0));
        let _: i64 = count.expect("tables");
        file
    };
    let _files = [open(dir.join("feeds.db")), open(home.join("index.db"))];
    let text = tantivy::Index::open_in_dir(home.join("text")).expect("texts");
    let _reader = text.reader().expect("a reader");
    let page = std::fs::read(dir.join("page")).expect("the page");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&page);
        }
    });
    tell_memory();
}

/// Answers each line of the input with the memory held, until there is none.
fn tell_memory() {
    for _ in std::io::stdin().lock().lines() {
        println!("{:.1} {:.1}", resident_mib(), memory_mib().0);
    }
}

/// A program that was started, and when its first page was there.
struct Started {
    child: Child,
    lines: BufReader<ChildStdout>,
    page: Vec<u8>,
    took: Duration,
}

impl Started {
    fn new(flag: &str, dir: &Path) -> Self {
        let start = Instant::now();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([flag.as_ref(), dir.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut address = String::new();
        lines.read_line(&mut address).expect("its address");
        let page = first_page(address.trim());
        let took = start.elapsed();
        Self {
            child,
            lines,
            page,
            took,
        }
    }

    /// What it holds: all, and without mapped files.
    fn memory(&mut self) -> (f64, f64) {
        let input = self.child.stdin.as_mut().expect("its input");
        input.write_all(b"?\n").expect("asked");
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("an answer");
        let mut figures = line.split_whitespace().filter_map(|f| f.parse().ok());
        let mut next = || figures.next().unwrap_or(f64::NAN);
        (next(), next())
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("ended");
        assert!(status.success(), "the program ended with {status}");
    }
}

fn first_page(address: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut page = Vec::new();
    stream.read_to_end(&mut page).expect("a page");
    assert!(page.starts_with(b"HTTP/1.1 200"), "it is a page");
    page
}

fn compare(dir: &Path) {
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    // In turns, as neighbours come and go.
    for _ in 0..ROUNDS {
        let program = Started::new(SERVE, dir);
        std::fs::write(dir.join("page"), &program.page).expect("a page");
        ours.push(program.took.as_secs_f64() * 1e3);
        program.end();
        let program = Started::new(BARE, dir);
        limit.push(program.took.as_secs_f64() * 1e3);
        program.end();
    }
    let (ours, limit) = (median(ours), median(limit));
    println!(
        "  first page {ours:.0} ms after the start   limit: opening the same files and sending as many bytes, {limit:.0} ms; ratio {:.2}",
        limit / ours
    );
    asked("the first page", ours, 150.0, "ms");
    let mut program = Started::new(SERVE, dir);
    let mut bare = Started::new(BARE, dir);
    std::thread::sleep(IDLE);
    let ((all, own), (least, _)) = (program.memory(), bare.memory());
    program.end();
    bare.end();
    println!(
        "  idle {all:.0} MiB, {own:.0} of it without mapped files   limit: the bare program, {least:.0} MiB; ratio {:.2}",
        least / all
    );
    asked("memory when idle", all, 60.0, "MiB");
}
