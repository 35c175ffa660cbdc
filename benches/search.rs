//! The index at the size of all the world's courses: how long it takes to build
//! and to open, what it holds in memory, and how fast it answers; each beside
//! what the same engines need for the bare work, in the same run.
//!
//! `cargo bench --bench search [-- COURSES LESSONS ...]`. Messages and indexes
//! are kept in the target folder's `tmp` for the next run; an index of another
//! format is built anew, and `--build` builds it anew in any case.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod support;

use rusqlite::{Connection, OpenFlags};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use studytime_index::{CourseQuery, Facts, Index, Options, Reach, Sort};
use studytime_schema::{Entry, LogPosition};
use support::catalog::{Catalog, Chance, LANGUAGES, TOPICS, VOCABULARY, word};
use support::meter::{measure, memory_mib, peak_mib, reset_peak};
use support::{asked, median};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{ReloadPolicy, Term};

const MEASURE: &str = "--measure";
const BATCH: usize = 1_000;
/// Queries of a kind.
const QUERIES: usize = 60;
/// Times each is asked.
const ROUNDS: usize = 5;
const ADDED: usize = 12;
/// Messages that are far from the end of a log: from there on a node makes texts
/// searchable every four seconds, later every 400 ms.
const FAR: u64 = 50_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|a| a == MEASURE) {
        let sizes = support::sizes(&[]);
        return measure_one(sizes[0], sizes[1]);
    }
    let again = args.iter().any(|a| a == "--build");
    let sizes = support::sizes(&[5_000, 25_000, 100_000, 0, 100_000, 1_000_000]);
    for pair in sizes.chunks_exact(2) {
        let (courses, lessons) = (pair[0], pair[1]);
        println!("{courses} courses, {lessons} lessons");
        build(&Catalog::get(tmp(), courses, lessons), again);
        // A process of its own, so that what building left does not show.
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        let sizes = [courses.to_string(), lessons.to_string()];
        let status = child.arg(MEASURE).args(sizes).status().expect("started");
        assert!(status.success(), "the measurement ended with {status}");
    }
}

fn tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn folder(catalog: &Catalog) -> PathBuf {
    tmp().join(format!("index-{}-{}", catalog.courses, catalog.lessons))
}

fn options(catalog: &Catalog) -> Options {
    let reach = |(n, feed): (usize, &_)| {
        let hops = if n % 5 == 0 { 1 } else { 2 };
        let only_through = None;
        (*feed, Reach { hops, only_through })
    };
    let mut lists = catalog.lists.clone();
    lists.push(catalog.live().id());
    Options {
        facts: Facts {
            lists,
            reach: catalog.known.iter().enumerate().map(reach).collect(),
            ..Facts::default()
        },
        ..Options::default()
    }
}

/// Builds the index as a node does, from messages that were verified before.
fn build(catalog: &Catalog, again: bool) {
    let dir = folder(catalog);
    let whole = |mut index: Index| {
        index.flush().expect("searchable");
        index.position() > LogPosition(0)
    };
    if !again && Index::open(&dir, options(catalog)).is_ok_and(whole) {
        println!("  built by an earlier run (--build builds it anew)");
        return;
    }
    let _ = std::fs::remove_dir_all(&dir);
    let (count, read) = measure(|| catalog.entries().count());
    reset_peak();
    let ((), spent) = measure(|| {
        let mut index = Index::open(&dir, options(catalog)).expect("an index");
        let mut entries = catalog.entries();
        let start = Instant::now();
        let mut ticked = 0;
        loop {
            let batch: Vec<Entry> = entries.by_ref().take(4 * BATCH).collect();
            if batch.is_empty() {
                break;
            }
            index.apply(&batch).expect("taken in");
            let far = count as u64 - index.position().0 > FAR;
            let now = 1_000_000 + start.elapsed().as_millis() as u64;
            if now >= ticked + if far { 4_000 } else { 400 } {
                ticked = now;
                index.tick(now).expect("searchable");
            }
        }
        index.flush().expect("searchable");
    });
    println!(
        "  built from {count} messages: {:.1} s of CPU, {:.1} s on the wall, memory at most {:.0} MiB",
        spent.cpu,
        spent.wall,
        peak_mib()
    );
    println!(
        "    limit: reading and formatting the messages, {:.1} s of CPU; ratio {:.2}",
        read.cpu,
        read.cpu / spent.cpu
    );
    if (catalog.courses, catalog.lessons) == (100_000, 1_000_000) {
        asked("building", spent.cpu, 60.0, "s of CPU");
    }
    println!("    on disk {:.0} MiB", size(&dir) / f64::from(1 << 20));
}

fn size(dir: &Path) -> f64 {
    let entries = std::fs::read_dir(dir).expect("a folder").flatten();
    entries
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size(&e.path()),
            Ok(m) => m.len() as f64,
            Err(_) => 0.0,
        })
        .sum()
}

/// Milliseconds that each of `count` questions takes, the best of some rounds (a
/// busy machine holds up some, and that is none of the index's doing), sorted.
fn times(rounds: usize, count: usize, mut each: impl FnMut(usize)) -> Vec<f64> {
    let mut times = vec![f64::INFINITY; count];
    for _ in 0..rounds {
        for (n, best) in times.iter_mut().enumerate() {
            let start = Instant::now();
            each(n);
            *best = best.min(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

fn at(times: &[f64], share: f64) -> f64 {
    let last = times.len().saturating_sub(1);
    times
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Prints percentiles of two measurements beside each other.
fn beside(what: &str, ours: &[f64], limit: &str, bare: &[f64]) {
    println!(
        "  {what:<30} p50 {:>7.2}  p95 {:>7.2}  max {:>7.2} ms   {limit}: p50 {:>6.2} p95 {:>6.2}   ratio {:.2}",
        at(ours, 0.5),
        at(ours, 0.95),
        at(ours, 1.0),
        at(bare, 0.5),
        at(bare, 0.95),
        at(bare, 0.95) / at(ours, 0.95)
    );
}

/// The engines alone, on the same files.
struct Bare {
    searcher: tantivy::Searcher,
    fields: Vec<tantivy::schema::Field>,
    rows: Connection,
}

impl Bare {
    fn open(dir: &Path) -> Self {
        let generation = std::fs::read_to_string(dir.join("current")).expect("an index");
        let home = dir.join(generation.trim());
        let index = tantivy::Index::open_in_dir(home.join("text")).expect("texts");
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader: tantivy::IndexReader = reader.try_into().expect("a reader");
        let schema = index.schema();
        let fields = ["title", "keywords", "provider", "about", "lesson", "body"];
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Self {
            searcher: reader.searcher(),
            fields: fields
                .iter()
                .filter_map(|f| schema.get_field(f).ok())
                .collect(),
            rows: Connection::open_with_flags(home.join("index.db"), flags).expect("rows"),
        }
    }

    /// All documents with these words, the best twenty and how many, as the text
    /// engine's own query and collectors give them.
    fn search(&self, text: &str) -> usize {
        let words: Vec<&str> = text.split(' ').collect();
        let words = words.iter().enumerate().map(|(n, word)| {
            let fields = self.fields.iter().map(|field| {
                let term = Term::from_field_text(*field, &word.to_lowercase());
                let query: Box<dyn Query> = if n + 1 == words.len() {
                    Box::new(FuzzyTermQuery::new_prefix(term, 0, true))
                } else {
                    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
                };
                (Occur::Should, query)
            });
            let any: Box<dyn Query> = Box::new(BooleanQuery::new(fields.collect()));
            (Occur::Must, any)
        });
        let query = BooleanQuery::new(words.collect());
        let found = self
            .searcher
            .search(&query, &(TopDocs::with_limit(20).order_by_score(), Count));
        found.expect("a search").1
    }

    /// The rows of so many courses.
    fn read(&self, courses: &[studytime_schema::FeedId]) {
        let mut statement = self
            .rows
            .prepare_cached(
                "SELECT row FROM listing WHERE course = (SELECT id FROM feed WHERE key = ?1)",
            )
            .expect("a statement");
        for course in courses {
            let rows = statement.query_map([course.as_bytes()], |r| r.get::<_, String>(0));
            black_box(rows.expect("rows").flatten().collect::<Vec<_>>());
        }
    }
}

/// What people type, by kind.
fn queries() -> Vec<(&'static str, Vec<String>)> {
    let mut chance = Chance(5);
    let mut some = |make: &mut dyn FnMut(&mut Chance) -> String| -> Vec<String> {
        (0..QUERIES).map(|_| make(&mut chance)).collect()
    };
    let topic = |c: &mut Chance| TOPICS[c.below(8)].1[c.below(10)];
    // Of one letter to five; frequent words as often as they stand in texts.
    let prefix =
        |c: &mut Chance, letters: usize| c.word().chars().take(letters).collect::<String>();
    vec![
        ("a topic", some(&mut |c| topic(c).to_owned())),
        (
            "a topic and a language",
            some(&mut |c| format!("{} {}", topic(c), LANGUAGES[c.below(7)].0)),
        ),
        ("a word of the texts", some(&mut |c| c.word())),
        (
            "two words of the texts",
            some(&mut |c| format!("{} {}", c.word(), c.word())),
        ),
        (
            "a word and a beginning",
            some(&mut |c| format!("{} {}", c.word(), prefix(c, 2))),
        ),
        ("1 letter", some(&mut |c| prefix(c, 1))),
        ("2 letters", some(&mut |c| prefix(c, 2))),
        ("3 letters", some(&mut |c| prefix(c, 3))),
        ("5 letters", some(&mut |c| prefix(c, 5))),
        (
            "a rare word",
            some(&mut |c| word(VOCABULARY - 1 - c.below(4_000))),
        ),
        (
            "a topic, misspelt",
            some(&mut |c| {
                let mut letters: Vec<char> = topic(c).chars().collect();
                let at = 1 + c.below(letters.len() - 2);
                letters.swap(at, at + 1);
                letters.into_iter().collect()
            }),
        ),
        (
            "nothing like it",
            some(&mut |c| format!("{}zzxq{}", c.word(), c.word())),
        ),
    ]
}

fn measure_one(courses: usize, lessons: usize) {
    let catalog = Catalog::get(tmp(), courses, lessons);
    let dir = folder(&catalog);
    reset_peak();
    let (before, _) = memory_mib();
    let start = Instant::now();
    let index = Index::open(&dir, options(&catalog)).expect("an index");
    let opened = start.elapsed().as_secs_f64() * 1e3;
    let reader = index.reader();
    let page = reader.courses(&CourseQuery::default()).expect("a page");
    let first = start.elapsed().as_secs_f64() * 1e3;
    let (held, _) = memory_mib();
    let start = Instant::now();
    let bare = Bare::open(&dir);
    let all: i64 = bare
        .rows
        .query_row("SELECT SUM(LENGTH(row)) FROM listing", [], |r| r.get(0))
        .expect("rows");
    let limit = start.elapsed().as_secs_f64() * 1e3;
    println!(
        "  open {opened:.0} ms, with the first page {first:.0} ms   limit: opening both engines and reading the {:.0} MiB of listings once, {limit:.0} ms",
        all as f64 / f64::from(1 << 20)
    );
    println!("  memory once open {held:.0} MiB (the program alone {before:.0})");
    let room = if courses <= 5_000 { 60.0 } else { 250.0 };
    asked("opening", opened, 100.0, "ms");
    assert_eq!(page.total, courses);

    let mut every = Vec::new();
    let mut every_bare = Vec::new();
    for (what, queries) in queries() {
        let mut found = Vec::new();
        let ours = times(ROUNDS, queries.len(), |n| {
            let page = reader
                .courses(&CourseQuery::text(queries[n].as_str()))
                .expect("an answer");
            found.push(page.total as f64);
        });
        let theirs = times(3, queries.len(), |n| {
            black_box(bare.search(&queries[n]));
        });
        beside(
            &format!("{what} ({:.0} courses)", median(found)),
            &ours,
            "bare tantivy",
            &theirs,
        );
        if what != "1 letter" {
            every.extend(ours);
            every_bare.extend(theirs);
        }
    }
    every.sort_by(f64::total_cmp);
    every_bare.sort_by(f64::total_cmp);
    beside(
        "all from two letters on",
        &every,
        "bare tantivy",
        &every_bare,
    );
    let most = if lessons >= 1_000_000 { 30.0 } else { 10.0 };
    asked("searching", at(&every, 0.95), most, "ms at p95");

    // Every keystroke of some names.
    let typed: Vec<String> = (0..QUERIES)
        .flat_map(|n| {
            let mut c = Chance(n as u64);
            let text = if n % 2 == 0 {
                TOPICS[c.below(8)].1[c.below(10)].to_owned()
            } else {
                c.word()
            };
            (1..=text.chars().count())
                .map(|k| text.chars().take(k).collect::<String>())
                .collect::<Vec<_>>()
        })
        .collect();
    let ours = times(ROUNDS, typed.len(), |n| {
        black_box(reader.suggest(&typed[n], 8));
    });
    let mut names: Vec<String> = Vec::new();
    for offset in (0..courses).step_by(CourseQuery::MAX_LIMIT) {
        let query = CourseQuery {
            offset,
            limit: CourseQuery::MAX_LIMIT,
            sort: Sort::Name,
            ..CourseQuery::default()
        };
        names.extend(
            reader
                .courses(&query)
                .expect("names")
                .items
                .into_iter()
                .map(|c| c.name.to_lowercase()),
        );
        if names.len() >= 20_000 {
            break;
        }
    }
    names.sort_unstable();
    let theirs = times(3, typed.len(), |n| {
        let from = names.partition_point(|name| *name < typed[n]);
        black_box(
            names
                .iter()
                .skip(from)
                .take_while(|name| name.starts_with(&typed[n]))
                .take(8)
                .count(),
        );
    });
    beside("suggestions", &ours, "sorted names", &theirs);
    asked("suggestions", at(&ours, 0.95), 5.0, "ms at p95");

    // As the page asks.
    let home = |sort| CourseQuery {
        sort,
        limit: 8,
        facets: false,
        ..CourseQuery::default()
    };
    let started = CourseQuery {
        started: Some(true),
        include_deprecated: true,
        ..home(Sort::Relevance)
    };
    let shown: Vec<_> = reader
        .courses(&home(Sort::Popular))
        .expect("a page")
        .items
        .iter()
        .map(|c| c.feed_id)
        .collect();
    let ours = times(30, 1, |_| {
        black_box(reader.subjects());
        black_box(reader.courses(&home(Sort::Popular)).expect("popular"));
        black_box(reader.courses(&home(Sort::Newest)).expect("newest"));
        black_box(reader.courses(&started).expect("started"));
        black_box(reader.learner().expect("a learner"));
        black_box(reader.lists().expect("lists"));
    });
    let theirs = times(30, 1, |_| {
        bare.read(&shown);
        bare.read(&shown);
    });
    beside("home page data", &ours, "bare rows", &theirs);
    asked("the home page's data", at(&ours, 1.0), 2.0, "ms");

    for (what, query) in [
        (
            "all, with facets, by name",
            CourseQuery {
                sort: Sort::Name,
                ..CourseQuery::default()
            },
        ),
        (
            "one subject, shortest",
            CourseQuery {
                subject: Some("Algebra".to_owned()),
                sort: Sort::Shortest,
                ..CourseQuery::default()
            },
        ),
        (
            "the hundredth page",
            CourseQuery {
                offset: 2_000,
                ..CourseQuery::default()
            },
        ),
    ] {
        let ids: Vec<_> = reader
            .courses(&query)
            .expect("a page")
            .items
            .iter()
            .map(|c| c.feed_id)
            .collect();
        let ours = times(20, 1, |_| {
            black_box(reader.courses(&query).expect("a page"));
        });
        let theirs = times(20, 1, |_| bare.read(&ids));
        beside(what, &ours, "bare rows", &theirs);
    }
    let held = memory_mib().0;
    println!(
        "  memory after all queries {held:.0} MiB   limit: names, keys and ids alone, {:.0} MiB; ratio {:.2}",
        names_mib(&names, courses),
        names_mib(&names, courses) / held
    );
    asked("memory", held, room, "MiB");
    drop(bare);
    drop(reader);
    drop(index);
    adding(&catalog, &dir);
}

/// What names, the same to sort by, and two ids a course take, in MiB, as far as
/// names are known.
fn names_mib(names: &[String], courses: usize) -> f64 {
    let known: usize = names.iter().map(String::len).sum();
    let each = known as f64 / names.len().max(1) as f64;
    courses as f64 * (2.0 * each + 40.0) / f64::from(1 << 20)
}

/// What the text engine alone needs to take in one document and show it, in
/// milliseconds.
fn bare_commit(dir: &Path) -> f64 {
    let generation = std::fs::read_to_string(dir.join("current")).expect("an index");
    let index = tantivy::Index::open_in_dir(dir.join(generation.trim()).join("text"));
    let index = index.expect("texts");
    // It must be there, though only a number is added.
    index
        .tokenizers()
        .register("studytime", tantivy::tokenizer::SimpleTokenizer::default());
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
    let reader: tantivy::IndexReader = reader.try_into().expect("a reader");
    let doc = index.schema().get_field("doc").expect("a field");
    let mut writer: tantivy::IndexWriter = index
        .writer_with_num_threads(1, 15_000_000)
        .expect("a writer");
    let spent = times(10, 1, |_| {
        let mut one = tantivy::TantivyDocument::new();
        one.add_u64(doc, u64::MAX);
        writer.add_document(one).expect("taken in");
        writer.commit().expect("kept");
        reader.reload().expect("shown");
    });
    at(&spent, 0.5)
}

/// How soon a course can be found by a word of its name, while messages stream in.
fn adding(catalog: &Catalog, dir: &Path) {
    let copy = tempfile::tempdir_in(tmp()).expect("a temporary folder");
    let done = Command::new("cp")
        .arg("-r")
        .arg(dir)
        .arg(copy.path().join("index"))
        .status();
    assert!(done.is_ok_and(|s| s.success()), "the index is copied");
    // Else the first write of the index waits for the copy to reach the disk.
    let _ = Command::new("sync").status();
    let mut index = Index::open(copy.path().join("index"), options(catalog)).expect("an index");
    let reader = index.reader();
    let mut live = catalog.live();
    let mut position = index.position().0;
    let mut entry = |message| {
        position += 1;
        Entry {
            position: LogPosition(position),
            received: 0,
            message,
            opened_private: None,
            blob_text: None,
        }
    };
    // Courses by the hundred, so that each batch touches as many.
    let names: Vec<_> = (0..ADDED * 3_000)
        .map(|n| {
            live.names(
                n,
                &format!(
                    "{} {}",
                    word(n % VOCABULARY),
                    if n % 3_000 == 1_500 {
                        format!("marked{n}")
                    } else {
                        String::new()
                    }
                ),
            )
        })
        .collect();
    let start = Instant::now();
    let clock = || 1_700_000_000_000 + start.elapsed().as_millis() as u64;
    let rows = std::sync::Mutex::new(Vec::new());
    let ended = std::sync::atomic::AtomicBool::new(false);
    let mut slowest = f64::NAN;
    std::thread::scope(|scope| {
        // Learners who search meanwhile.
        let asking = scope.spawn(|| {
            let mut times = Vec::new();
            let mut chance = Chance(8);
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let start = Instant::now();
                black_box(
                    reader
                        .courses(&CourseQuery::text(chance.word()))
                        .expect("an answer"),
                );
                times.push(start.elapsed().as_secs_f64() * 1e3);
                black_box(reader.suggest("al", 8));
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            times
        });
        let mut waiting: Vec<(usize, Instant)> = Vec::new();
        let seen = |waiting: &mut Vec<(usize, Instant)>, reader: &studytime_index::Reader| {
            waiting.retain(|(n, since)| {
                let found = reader
                    .courses(&CourseQuery::text(format!("marked{n}")))
                    .expect("an answer");
                let there = found
                    .items
                    .iter()
                    .any(|c| c.name.ends_with(&format!("marked{n}")));
                if there {
                    rows.lock()
                        .expect("whole")
                        .push(since.elapsed().as_secs_f64() * 1e3);
                }
                !there
            });
        };
        for (at, batch) in names.chunks(100).enumerate() {
            let entries: Vec<Entry> = batch.iter().cloned().map(&mut entry).collect();
            for n in at * 100..at * 100 + batch.len() {
                if n % 3_000 == 1_500 {
                    waiting.push((n, Instant::now()));
                }
            }
            index.apply(&entries).expect("taken in");
            index.tick(clock()).expect("searchable");
            seen(&mut waiting, &reader);
        }
        while !waiting.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
            index.tick(clock()).expect("searchable");
            seen(&mut waiting, &reader);
        }
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut others = asking.join().expect("asked");
        others.sort_by(f64::total_cmp);
        let mut rows = rows.lock().expect("whole").clone();
        rows.sort_by(f64::total_cmp);
        let rate = names.len() as f64 / start.elapsed().as_secs_f64();
        println!(
            "  while {rate:.0} courses a second come in: found by its name p50 {:.0}, max {:.0} ms after it came; other searches p50 {:.1}, p95 {:.1} ms",
            at(&rows, 0.5),
            at(&rows, 1.0),
            at(&others, 0.5),
            at(&others, 0.95)
        );
        slowest = at(&rows, 1.0);
    });
    // One message alone, in a quiet index.
    let mut quiet = Vec::new();
    for n in 0..20 {
        let name = live.names(1_000_000 + n, &format!("quiet{n}"));
        let one = entry(name);
        let start = Instant::now();
        index.apply(std::slice::from_ref(&one)).expect("taken in");
        quiet.push(start.elapsed().as_secs_f64() * 1e3);
    }
    quiet.sort_by(f64::total_cmp);
    println!(
        "  one message alone is in all lists after p50 {:.1}, max {:.1} ms",
        at(&quiet, 0.5),
        at(&quiet, 1.0)
    );
    drop(reader);
    drop(index);
    let limit = bare_commit(&copy.path().join("index"));
    println!(
        "    limit: the text engine alone takes in one document in {limit:.0} ms; ratio {:.2}",
        limit / slowest
    );
    asked("seeing what is added", slowest, 500.0, "ms");
}
