//! Disks that are full and folders that may not be written: said in words,
//! nothing told that is not kept, and on it goes when there is room again.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail anywhere, and says what it tried"
)]

mod common;

use common::{Home, SMALL_DISK, Serving, arg, eventually, finish, on_small_disk};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

const STRANGER: &str = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";

/// The same program and arguments, started by a shell command that ends in
/// `exec "$@"`.
fn through(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell.stdin(Stdio::null());
    shell
}

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--no-http", "--json"];

/// Publishes until it fails; answers the ids that were told, and the failure.
fn publish_until_full(home: &Home) -> (Vec<Value>, Value) {
    let long = "x".repeat(4_000);
    let mut told = Vec::new();
    for n in 0..2_000 {
        let name = format!("Course {n}");
        let args = ["catalog", "publish", "List", STRANGER, "--name", &name];
        let args = [&args[..], &["--description", &long, "--json"]].concat();
        let done = home.run(&args);
        if done.code != 0 {
            let last = done.stderr.lines().last().unwrap_or_default();
            let mut error: Value = serde_json::from_str(last).unwrap();
            return (told, error["error"].take());
        }
        let reply: Value = serde_json::from_str(done.stdout.trim()).unwrap();
        told.extend(reply["messages"].as_array().unwrap().iter().cloned());
    }
    panic!("the disk never was full");
}

/// The list's feed from end to end: every message told is there, once, in order.
fn check_list(home: &Home, list: &str, told: &[Value]) -> usize {
    let log = home.lines(&["feed", "log", list, "--limit", "100000"]);
    let sequences: Vec<u64> = log
        .iter()
        .map(|m| m["sequence"].as_u64().unwrap())
        .collect();
    assert!(
        sequences.iter().copied().eq(1..=log.len() as u64),
        "{sequences:?}"
    );
    let ids: HashSet<&Value> = log.iter().map(|m| &m["key"]).collect();
    for id in told {
        assert!(ids.contains(id), "{id} was told and is gone");
    }
    log.len()
}

fn says_why(error: &Value) {
    let text = error["message"].as_str().unwrap();
    assert!(
        ["disk", "full", "space", "large"]
            .iter()
            .any(|w| text.contains(w)),
        "not in words: {error}"
    );
}

/// Writes beyond a size fail, as on a full disk; then the limit goes.
#[test]
fn a_node_whose_files_cannot_grow_goes_on_when_they_can() {
    let home = Home::new();
    let list = home.new_list("List");
    home.write("soil/01_intro/01_what.md", "# Soil\n\nIt is alive.\n");
    home.write(
        "soil/01_intro/02_map.pdf",
        [b"%PDF-1.4\n".as_slice(), &[7; 3_000_000]].concat(),
    );

    // Without a handler the signal for too large a file ends a program.
    let command = through("trap '' XFSZ; exec \"$@\"", &home.command(&SERVE));
    let serving = Serving::start(command);
    let pid = lock_pid(&home.data_dir());
    let limit = |size: &str| {
        let size = format!("--fsize={size}:unlimited");
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &size])
            .status();
        assert!(set.expect("there is `prlimit`").success());
    };
    limit("400000");
    let (told, error) = publish_until_full(&home);
    println!("{} published, then: {error}", told.len());
    says_why(&error);
    // Other things fail in words as well, and leave nothing in part.
    let before = home.lines(&["course", "list"]).len();
    let keys = || {
        std::fs::read_dir(home.data_dir().join("keys"))
            .unwrap()
            .count()
    };
    let had = keys();
    says_why(&home.fails(1, &["import", "soil", "--name", "Soil"]));
    let big = home.write("big.bin", vec![5; 700_000]);
    says_why(&home.fails(1, &["blob", "add", arg(&big)]));
    assert_eq!(home.lines(&["course", "list"]).len(), before);
    assert_eq!(keys(), had, "the key of nothing");
    let here = check_list(&home, &list, &told);

    limit("unlimited");
    let again = ["catalog", "publish", "List", STRANGER, "--name", "Again"];
    let mut told = told;
    told.extend(
        home.json(&again)["messages"]
            .as_array()
            .unwrap()
            .iter()
            .cloned(),
    );
    assert!(check_list(&home, &list, &told) > here);
    home.json(&["blob", "add", arg(&big)]);
    let course = home.json(&["import", "soil", "--name", "Soil"]);
    assert!(course["course"].is_string());
    eventually("what was published is found", || {
        let found = home.lines(&["course", "search", "again"]);
        (!found.is_empty()).then_some(())
    });
    serving.stop();
    let doctor = home.json(&["doctor"]);
    assert!(!doctor.to_string().contains("feeds.db"), "{doctor}");
    check_list(&home, &list, &told);
}

/// The process that holds a data directory, by its own note.
fn lock_pid(data: &Path) -> String {
    let note = std::fs::read_to_string(data.join("lock")).unwrap();
    note.split_whitespace().nth(1).unwrap().to_owned()
}

/// A real disk, very small, where the system lets an ordinary user make one.
#[test]
fn a_disk_that_is_full_and_is_cleared_again() {
    on_small_disk(6, &[]);
}

/// Not a test of its own: runs where the temporary folder is a small disk.
#[test]
#[ignore = "run by a_disk_that_is_full_and_is_cleared_again"]
fn on_a_small_disk() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else {
        return;
    };
    let home = Home::new();
    let list = home.new_list("List");
    let serving = Serving::start(home.command(&SERVE));
    // All but a little.
    let filler = Path::new(&disk).join("filler");
    let mut size = 6 << 20;
    while std::fs::write(&filler, vec![1; size]).is_err() {
        size -= 64 << 10;
    }
    std::fs::File::options()
        .write(true)
        .open(&filler)
        .and_then(|f| f.set_len(size as u64 - (128 << 10)))
        .unwrap();
    let (mut told, error) = publish_until_full(&home);
    println!("{} published, then: {error}", told.len());
    says_why(&error);
    let before = check_list(&home, &list, &told);
    // As full as that, even a kill and a new start lose nothing.
    serving.kill();
    let started = home.run(&["status", "--json"]);
    println!(
        "status with a full disk: {} {}",
        started.code,
        started.stderr.trim()
    );
    assert!(!started.stderr.contains("panicked"), "{started:?}");

    std::fs::remove_file(&filler).unwrap();
    let serving = Serving::start(home.command(&SERVE));
    assert!(check_list(&home, &list, &told) >= before);
    let again = ["catalog", "publish", "List", STRANGER, "--name", "Again"];
    told.extend(
        home.json(&again)["messages"]
            .as_array()
            .unwrap()
            .iter()
            .cloned(),
    );
    check_list(&home, &list, &told);
    serving.stop();
    assert!(!home.json(&["doctor"]).to_string().contains("feeds.db"));
}

/// Whether files can be closed to us: not to an administrator, who has to give
/// that right up first.
fn without_rights(command: &Command) -> Option<Command> {
    let script = "exec setpriv --bounding-set -all --inh-caps -all \"$@\"";
    let closed = tempfile::tempdir().unwrap();
    set_mode(closed.path(), 0o500);
    let file = closed.path().join("file");
    let mut touch = Command::new("touch");
    touch.arg(&file);
    let refused = |mut c: Command| c.stderr(Stdio::null()).status().is_ok_and(|s| !s.success());
    let plain = refused(through("exec \"$@\"", &touch));
    let given_up = !plain && {
        let _ = std::fs::remove_file(&file);
        refused(through(script, &touch))
    };
    set_mode(closed.path(), 0o700);
    match (plain, given_up) {
        (true, _) => Some(through("exec \"$@\"", command)),
        (_, true) => Some(through(script, command)),
        _ => None,
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folders_that_may_not_be_written_are_named_and_nothing_is_lost() {
    let home = Home::new();
    let list = home.new_list("List");
    let data = home.data_dir();
    home.write("soil/01_intro/01_what.md", "# Soil\n\nIt is alive.\n");
    let Some(command) = without_rights(&home.command(&SERVE)) else {
        println!("left out: no folder can be closed to this user");
        return;
    };
    let serving = Serving::start(command);
    let folders = ["keys", "blobs/tmp", "blobs/sha256"].map(|f| data.join(f));
    folders.iter().for_each(|f| set_mode(f, 0o500));
    let file = home.write("file.bin", "some bytes");
    let error = home.fails(1, &["blob", "add", arg(&file)]);
    assert!(
        error["message"].as_str().unwrap().contains("blobs"),
        "{error}"
    );
    let error = home.fails(1, &["import", "soil", "--name", "Soil"]);
    assert!(
        error["message"].as_str().unwrap().contains("key"),
        "{error}"
    );
    // What is open already goes on.
    let publish = ["catalog", "publish", "List", STRANGER, "--name", "Open"];
    let told = home.json(&publish)["messages"].clone();
    folders.iter().for_each(|f| set_mode(f, 0o700));
    home.json(&["blob", "add", arg(&file)]);
    home.json(&["import", "soil", "--name", "Soil"]);
    check_list(&home, &list, told.as_array().unwrap());
    serving.stop();

    // A start on a folder that is closed says which, and changes nothing.
    let feeds = std::fs::read(data.join("feeds.db")).unwrap();
    for file in ["feeds.db", "state.db", "blobs.db", "lock"] {
        set_mode(&data.join(file), 0o400);
    }
    set_mode(&data, 0o500);
    let command = home.command(&["status", "--json"]);
    let done = finish(without_rights(&command).unwrap());
    set_mode(&data, 0o700);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("data"), "{done:?}");
    assert!(!done.stderr.contains("panicked"), "{done:?}");
    assert_eq!(std::fs::read(data.join("feeds.db")).unwrap(), feeds);
}
