//! The whole walk with real processes: a folder on one node becomes a course that
//! a learner finds, plays while it arrives, keeps when the author is gone, and
//! hands on to a third node.

mod common;

use common::{Home, Serving, arg, eventually, get};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files a learner must get unchanged: those that become media.
fn media_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            media_files(&path, into);
        } else if matches!(
            path.extension().and_then(|e| e.to_str()),
            Some("mp4" | "webm" | "pdf")
        ) {
            into.push(path);
        }
    }
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Every lesson of a course, as `lesson show` prints it.
fn lessons(home: &Home, course: &str) -> Vec<Value> {
    let shown = home.json(&["course", "show", course]);
    let numbers = shown["lessons"].as_array().expect("lessons").iter();
    numbers
        .map(|l| home.json(&["lesson", "show", course, &l["lesson_number"].to_string()]))
        .collect()
}

/// The hashes of everything that the pages serve for a course.
fn served(home: &Home, node: &Serving, course: &str) -> BTreeSet<Vec<u8>> {
    let mut hashes = BTreeSet::new();
    for lesson in lessons(home, course) {
        for kind in ["videos", "attachments"] {
            for item in lesson[kind].as_array().expect("a list") {
                let answer = get(node.http(), text(item, "path"), &[]);
                assert_eq!(answer.status, 200, "{item}");
                hashes.insert(hash(&answer.body));
            }
        }
    }
    hashes
}

fn find(home: &Home, words: &str) -> String {
    eventually("the course is found", || {
        home.lines(&["course", "search", words])
            .first()
            .map(|c| text(c, "feed_id").to_owned())
    })
}

fn walk(folder: &Path, words: &str, deep_words: &str) {
    let mut files = Vec::new();
    media_files(folder, &mut files);
    let originals: BTreeSet<Vec<u8>> = files
        .iter()
        .map(|f| hash(&std::fs::read(f).expect("a file")))
        .collect();
    let big = files
        .iter()
        .max_by_key(|f| f.metadata().map_or(0, |m| m.len()))
        .expect("a large file");
    let big = std::fs::read(big).expect("a file");
    assert!(
        big.len() > 5 << 20,
        "the walk needs a file that is cut into segments"
    );

    // The author: a dry run says what would be done and does nothing.
    let author = Home::new();
    let author_node = author.serve(&[]);
    let dry = author.json(&["import", arg(folder), "--dry-run"]);
    assert!(dry["course"].is_null() && dry["messages"] == 0, "{dry}");
    let made = author.json(&[
        "import",
        arg(folder),
        "--catalog",
        "Open courses",
        "--license",
        "CC-BY-SA-4.0",
        "--language",
        "en",
        "--keyword",
        "programming",
    ]);
    let course = text(&made, "course").to_owned();
    assert_eq!(made["lessons"], dry["lessons"]);
    let lists = author.lines(&["catalog", "list"]);
    let list = lists
        .iter()
        .find(|l| l["own"] == true)
        .expect("an own list");
    let list = text(list, "id").to_owned();

    // The learner adds the list, connects, and finds the course by its name and
    // by words that stand only inside a lesson.
    let learner = Home::new();
    let learner_node = learner.serve(&[]);
    learner.text(&["catalog", "add", &list]);
    learner.text(&["peer", "connect", author_node.address()]);
    assert_eq!(find(&learner, words), course);
    assert_eq!(find(&learner, deep_words), course);

    // Seeks into the largest file before anything of it is here.
    let shown = eventually("the lessons are here", || {
        let shown = learner.json(&["course", "show", &course]);
        (shown["lessons"].as_array().map(Vec::len) == made["lessons"].as_u64().map(|n| n as usize))
            .then_some(shown)
    });
    assert_eq!(shown["enrolled"], false);
    let item = lessons(&learner, &course)
        .into_iter()
        .flat_map(|l| [l["videos"].clone(), l["attachments"].clone()])
        .flat_map(|list| list.as_array().cloned().unwrap_or_default())
        .find(|i| i["size"].as_u64() == Some(big.len() as u64))
        .expect("the largest file is in a lesson");
    assert!(shown["bytes_here"].as_u64() < shown["bytes_total"].as_u64());
    let (from, to) = (big.len() * 2 / 3, big.len() * 2 / 3 + 100_000);
    let part = get(
        learner_node.http(),
        text(&item, "path"),
        &[("Range", &format!("bytes={from}-{}", to - 1))],
    );
    assert_eq!(part.status, 206);
    assert!(
        part.body == big[from..to],
        "the part is not what was asked for"
    );
    let after = learner.json(&["course", "show", &course]);
    assert!(
        after["bytes_here"].as_u64() < after["bytes_total"].as_u64(),
        "one seek fetched everything"
    );

    // Starts it, gets all of it, byte for byte.
    let started = learner.json(&["course", "start", &course, "--wait"]);
    assert_eq!(started["bytes_here"], started["bytes_total"]);
    assert_eq!(served(&learner, &learner_node, &course), originals);
    learner.text(&["lesson", "done", &course, "1"]);
    learner.text(&["note", "add", &course, "1", "Ask about this"]);

    // The author goes for good, the learner is killed and comes back.
    author_node.kill();
    learner_node.kill();
    let learner_node = learner.serve(&[]);
    assert_eq!(served(&learner, &learner_node, &course), originals);
    let first = learner.json(&["lesson", "show", &course, "1"]);
    assert_eq!(first["done"], true);
    assert_eq!(
        text(&learner.lines(&["note", "list"])[0], "text"),
        "Ask about this"
    );

    // A third node that knows only the learner gets the whole course from there.
    let third = Home::new();
    let third_node = third.serve(&[]);
    third.text(&["catalog", "add", &list]);
    third.text(&["peer", "connect", learner_node.address()]);
    assert_eq!(find(&third, words), course);
    eventually("the third has the lessons", || {
        let shown = third.json(&["course", "show", &course]);
        (shown["lessons"].as_array().map(Vec::len) == made["lessons"].as_u64().map(|n| n as usize))
            .then_some(())
    });
    third.text(&["course", "start", &course, "--wait"]);
    assert_eq!(served(&third, &third_node, &course), originals);
    third_node.stop();
    learner_node.stop();
}

/// A made-up course: texts, and a file of several segments.
#[test]
fn a_course_travels() {
    let home = Home::new();
    home.write(
        "course/course.toml",
        "name = \"Mosses of the north\"\nkeywords = [\"biology\"]\n",
    );
    home.write(
        "course/01 Start/01_Hello.md",
        "# Hello\n\nSphagnum holds water.\n",
    );
    home.write(
        "course/01 Start/02_Long.md",
        format!("# Long\n\n{}", "Peat grows slowly. ".repeat(2000)),
    );
    let mut pdf = b"%PDF-1.4\n".to_vec();
    pdf.extend((0..9_500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
    pdf.extend(b"\n%%EOF\n");
    home.write("course/02 Further/01_Atlas.pdf", &pdf);
    home.write(
        "course/02 Further/02_Leaflet.pdf",
        b"%PDF-1.4\nsmall\n%%EOF\n",
    );
    walk(&home.path("course"), "mosses", "sphagnum");
}

/// Open content in the layout that coursera-dl leaves, with a film of over 100 MB.
#[test]
#[ignore = "needs the folder that scripts/fixture-course makes; scripts/test runs it"]
fn an_open_course_travels() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixture-course/open-sampler");
    assert!(root.is_dir(), "run scripts/fixture-course first");
    let root = root.canonicalize().expect("a path");
    walk(&root, "open sampler", "console log");
}
