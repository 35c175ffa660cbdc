//! Commands that are killed at any moment: what they printed stands, what they
//! did not finish is not there in part, and can be done again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail anywhere, and says what it tried"
)]

mod common;

use common::{Home, arg, json_lines};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often a command is killed, unless `STUDYTIME_CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 50;
const STRANGER: &str = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";

/// Chance that can be repeated; the seed is printed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("STUDYTIME_CRASH_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
        println!("STUDYTIME_CRASH_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit.max(1)
    }
}

/// Runs a command for so long at most, then kills it (SIGKILL). Answers what it
/// printed, when that was whole, and how long it took when it was not killed.
fn run_for(home: &Home, args: &[&str], most: Duration) -> (Option<Value>, Option<Duration>) {
    let started = Instant::now();
    let mut child = home
        .command(&[args, &["--json"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ended = None;
    while started.elapsed() < most && ended.is_none() {
        ended = child
            .try_wait()
            .unwrap()
            .map(|status| (status, started.elapsed()));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert!(!err.contains("panicked"), "{args:?}: {err}");
    if let Some((status, _)) = ended {
        assert!(status.success(), "{args:?}: {err}");
    }
    // Printed to its end, so that it counts as told.
    let told = out.ends_with('\n').then(|| json_lines(&out).remove(0));
    (told, ended.map(|(_, took)| took))
}

#[test]
fn commands_killed_at_any_moment() {
    let mut random = Random::new();
    let rounds = std::env::var("STUDYTIME_CRASH_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let home = Home::new();
    let long = "Loam holds water. ".repeat(1_000);
    home.write("soil/01_intro/01_what.md", format!("# Soil\n\n{long}\n"));
    home.write(
        "soil/01_intro/02_map.pdf",
        [b"%PDF-1.4\n".as_slice(), &[7; 60_000]].concat(),
    );

    let mut took: HashMap<String, Duration> = HashMap::new();
    let (mut messages, mut blobs, mut courses) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut killed = 0;
    for round in 0..rounds {
        let name = format!("Soil {round}");
        let file = home.write("file.bin", format!("{round} ").repeat(9_000));
        let import = ["import", "soil", "--name", &name, "--catalog", "Garden"];
        let publish = ["catalog", "publish", "Garden", STRANGER, "--name", &name];
        let add = ["blob", "add", arg(&file)];
        let args: &[&str] = match random.below(4) {
            0 => &import,
            // Only when the list is surely there.
            1 if !courses.is_empty() => &publish,
            1 | 2 => &["follow", STRANGER],
            _ => &add,
        };
        let usual = took.get(args[0]).copied().unwrap_or(common::LIMIT);
        let span = usual.as_micros() as u64 * 17 / 10;
        let (told, whole) = run_for(&home, args, Duration::from_micros(random.below(span)));
        match whole {
            Some(whole) => drop(took.insert(args[0].to_owned(), whole)),
            None => killed += 1,
        }
        let Some(told) = told else { continue };
        match args[0] {
            "import" => {
                let id = told["course"].as_str().unwrap().to_owned();
                // One message is the listing.
                courses.insert(id, told["messages"].as_u64().unwrap() - 1);
            }
            "blob" => blobs.push(told["id"].as_str().unwrap().to_owned()),
            _ => messages.push(told),
        }
    }
    println!(
        "{killed} kills; {} courses, {} blobs",
        courses.len(),
        blobs.len()
    );

    // What was cut off is completed, or was never there.
    let done = home.json(&["import", "soil", "--name", "Last", "--catalog", "Garden"]);
    let whole = done["messages"].as_u64().unwrap() - 1;
    let doctor = home.json(&["doctor"]);
    assert!(!doctor.to_string().contains("feeds.db"), "{doctor}");
    let mut found = std::collections::HashSet::new();
    for list in home
        .lines(&["catalog", "list"])
        .iter()
        .filter(|l| l["own"] == true)
    {
        let log = home.lines(&[
            "feed",
            "log",
            list["id"].as_str().unwrap(),
            "--limit",
            "1000",
        ]);
        found.extend(log.iter().map(|m| m["key"].clone()));
    }
    let id = home.json(&["whoami"])["id"].as_str().unwrap().to_owned();
    let log = home.lines(&["feed", "log", &id, "--limit", "1000"]);
    found.extend(log.iter().map(|m| m["key"].clone()));
    for told in messages {
        for message in told["messages"].as_array().unwrap() {
            assert!(found.contains(message), "{message} was told and is gone");
        }
    }
    let listed = home.lines(&["course", "list", "--limit", "1000"]);
    let own: Vec<_> = listed.iter().filter(|c| c["feed_id"] != STRANGER).collect();
    for course in &own {
        let Some(id) = course["feed_id"].as_str() else {
            continue;
        };
        if !course["name"]
            .as_str()
            .is_some_and(|n| n.starts_with("Soil "))
        {
            continue;
        }
        let status = home.json(&["feed", "status", id]);
        assert_eq!(status["sequence"], whole, "{course}: published in part");
        let shown = home.json(&["course", "show", id]);
        assert_eq!(shown["bytes_here"], shown["bytes_total"], "{shown}");
    }
    for (course, length) in courses {
        assert_eq!(length, whole);
        assert!(
            own.iter().any(|c| c["feed_id"] == course.as_str()),
            "{course} is not listed"
        );
    }
    let here = home.lines(&["blob", "list"]);
    for blob in blobs {
        assert!(
            here.iter().any(|b| b["id"] == blob.as_str()),
            "{blob} is gone"
        );
    }
    let lists = home.lines(&["catalog", "list"]);
    let gardens = lists.iter().filter(|l| l["name"] == "Garden").count();
    assert_eq!(gardens, 1, "{lists:?}");
}
