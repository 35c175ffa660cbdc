//! What a power cut would leave: the order in which the program writes, syncs and
//! renames, as the C library sees it, up to the moment when the user is told.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail anywhere, and says what it tried"
)]

mod common;

use common::{Home, arg, finish};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One line of the trace.
#[derive(Debug, PartialEq)]
enum Step {
    Write(PathBuf),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    /// Something stands on standard output.
    Told,
}

/// The library that notes; made by the compiler that SQLite is made by.
fn library(home: &Home) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durability/trace.c");
    let library = home.path("trace.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let made = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(
        made.is_ok_and(|s| s.success()),
        "{compiler} cannot make {source:?}"
    );
    library
}

/// Runs a command; it must succeed. Answers what it did, in order.
fn trace(home: &Home, library: &Path, args: &[&str]) -> Vec<Step> {
    let log = home.path("trace.log");
    let _ = std::fs::remove_file(&log);
    let mut command = home.command(&[args, &["--json"]].concat());
    command.env("LD_PRELOAD", library).env("TRACE_LOG", &log);
    let done = finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    let steps: Vec<Step> = text
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split('\t').collect();
            let path = |n: usize| PathBuf::from(parts[n]);
            match parts[0] {
                "write" => Step::Write(path(1)),
                "sync" => Step::Sync(path(1)),
                "rename" => Step::Rename(path(1), path(2)),
                "told" => Step::Told,
                other => panic!("{other}"),
            }
        })
        .collect();
    assert!(steps.contains(&Step::Told), "nothing was told");
    steps
}

fn first(steps: &[Step], is: impl Fn(&Step) -> bool) -> Option<usize> {
    steps.iter().position(is)
}

/// What was written and is not on the disk at that point. A renamed file counts
/// until its new folder is synced.
fn loose(steps: &[Step]) -> HashMap<PathBuf, &'static str> {
    let mut loose = HashMap::new();
    for step in steps {
        match step {
            Step::Write(path) => drop(loose.insert(path.clone(), "written")),
            Step::Sync(path) => {
                loose.remove(path);
                loose.retain(|p, what| *what != "renamed" || p.parent() != Some(path));
            }
            Step::Rename(from, to) => {
                // Noted as it is tried: it may be tried again, once the folder is there.
                let what = match loose.get(from).or_else(|| loose.get(to)) {
                    Some(&"written") => "written",
                    _ => "renamed",
                };
                loose.remove(from);
                loose.insert(to.clone(), what);
            }
            Step::Told => {}
        }
    }
    loose
}

/// Whether losing a file's last writes would lose something that cannot be made
/// again: rows about the presence of blobs and the index can.
fn is_precious(data: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(data) else {
        return false;
    };
    let name = inside.to_str().unwrap();
    let remade = ["index/", "blobs.db", "lock"];
    // Shared memory of SQLite: made anew at every start.
    !remade.iter().any(|r| name.starts_with(r)) && !name.ends_with("-shm")
}

fn assert_safe(data: &Path, steps: &[Step], when: &str) {
    let loose: Vec<_> = loose(steps)
        .into_iter()
        .filter(|(path, _)| is_precious(data, path))
        .collect();
    assert!(loose.is_empty(), "not on the disk {when}: {loose:?}");
}

#[test]
fn what_is_told_is_on_the_disk() {
    let home = Home::new();
    let library = library(&home);
    home.write(
        "soil/01_intro/01_what.md",
        format!("# Soil\n\n{}\n", "Alive. ".repeat(3_000)),
    );
    home.write(
        "soil/01_intro/02_map.pdf",
        [b"%PDF-1.4\n".as_slice(), &[7; 60_000]].concat(),
    );
    let big = home.write(
        "big.bin",
        (0..6_000_000u32)
            .map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8)
            .collect::<Vec<_>>(),
    );
    let data = home.data_dir();
    let data = {
        home.json(&["catalog", "new", "Garden"]);
        data.canonicalize().unwrap()
    };
    let feeds = data.join("feeds.db-wal");
    let import = ["import", "soil", "--name", "Soil", "--catalog", "Garden"];
    let commands: [&[&str]; 4] = [
        &[
            "follow",
            "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519",
        ],
        &["blob", "add", arg(&big)],
        &import,
        &["catalog", "new", "Shed"],
    ];
    for args in commands {
        let steps = trace(&home, &library, args);
        let told = first(&steps, |s| *s == Step::Told).unwrap();
        assert_safe(&data, &steps[..told], &format!("when {args:?} told"));
        let published = first(&steps, |s| *s == Step::Write(feeds.clone()));
        match published {
            // What messages name comes before them: keys and blobs.
            Some(published) => {
                assert_safe(
                    &data,
                    &steps[..published],
                    &format!("when {args:?} published"),
                );
                let synced = steps[published..told].contains(&Step::Sync(feeds.clone()));
                assert!(synced, "{args:?} told before its messages were on the disk");
            }
            None => assert_eq!(args[0], "blob", "{args:?} published nothing"),
        }
        let into = |folder: &str| {
            let folder = data.join(folder);
            let placed = |s: &'_ Step| match s {
                Step::Rename(_, to) if to.starts_with(&folder) => Some(to.clone()),
                _ => None,
            };
            steps
                .iter()
                .filter_map(placed)
                .collect::<HashSet<_>>()
                .len()
        };
        match args[0] {
            "blob" => assert_eq!(into("blobs/sha256"), 7, "six segments and their manifest"),
            "import" => assert!(into("blobs/sha256") >= 2 && into("keys") == 1),
            "catalog" => assert_eq!(into("keys"), 1),
            _ => {}
        }
    }
}

/// The very first start: the key is the most precious thing there is.
#[test]
fn a_new_identity_is_on_the_disk_before_it_is_told() {
    let home = Home::new();
    let library = library(&home);
    let steps = trace(&home, &library, &["whoami"]);
    let data = home.data_dir().canonicalize().unwrap();
    let told = first(&steps, |s| *s == Step::Told).unwrap();
    let kept = Step::Sync(data.join("keys"));
    assert!(steps[..told].contains(&kept), "the key could be lost");
    let key = data.join("keys/main.secret");
    let named = first(&steps, |s| matches!(s, Step::Rename(_, to) if *to == key));
    assert!(named.is_some_and(|n| n < told), "{steps:?}");
    // Own files; the bundled sample is taken in from the program again.
    let own = |p: &Path| p.starts_with(data.join("keys")) || p == data.join("feeds.db-wal");
    let loose: Vec<_> = loose(&steps[..told])
        .into_keys()
        .filter(|p| own(p))
        .collect();
    assert!(loose.is_empty(), "{loose:?}");
}
