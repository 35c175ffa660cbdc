//! Identities that were lost, restored, used twice; peers that lie about them:
//! each seen from outside, with the program itself.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{Home, Serving, arg, eventually};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Feeds to follow; nobody's, so that a message is all they cause.
const OTHERS: [&str; 4] = [
    "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519",
    "@gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=.ed25519",
    "@7VkTbrJR3L9FQGxhUdgm7Ap2/NoAm1LKPy8Yc4wxK0g=.ed25519",
    "@ypOsFwUYcHHWezTGHxTZ9xVgRvDJ2LQLe3gRVn9zwDc=.ed25519",
];

fn serve(home: &Home) -> Serving {
    home.serve(&["--no-lan", "--no-http"])
}

/// An author with a main feed and a list, and a reader who has both.
struct Pair {
    author: Home,
    reader: Home,
    /// The author's main feed and list.
    main: String,
    list: String,
}

impl Pair {
    fn new() -> Self {
        let (author, reader) = (Home::new(), Home::new());
        let main = text(&author.json(&["whoami"])["id"]);
        let list = text(&author.json(&["catalog", "new", "Botany"])["id"]);
        reader.json(&["follow", &main]);
        reader.json(&["catalog", "add", &list]);
        Self {
            author,
            reader,
            main,
            list,
        }
    }

    /// Puts a course on the author's list.
    fn list_course(&self, id: &str, name: &str) {
        let args = ["catalog", "publish", "Botany", id, "--name", name];
        self.author.json(&args);
    }

    /// How far both feeds go in a home.
    fn tips(&self, home: &Home) -> (u64, u64) {
        (sequence(home, &self.main), sequence(home, &self.list))
    }

    /// Runs both until the reader has what the author has.
    fn sync(&self) {
        let (a, r) = (serve(&self.author), serve(&self.reader));
        self.author.json(&["peer", "connect", r.address()]);
        let want = self.tips(&self.author);
        eventually("the reader has it all", || {
            (self.tips(&self.reader) == want).then_some(())
        });
        a.stop();
        r.stop();
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn status(home: &Home, feed: &str) -> Value {
    home.json(&["feed", "status", feed])
}

fn sequence(home: &Home, feed: &str) -> u64 {
    status(home, feed)["sequence"].as_u64().expect("a number")
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            t if t.is_dir() => copy_dir(&source, &target),
            t if t.is_file() => drop(fs::copy(&source, &target).unwrap()),
            _ => {}
        }
    }
}

/// Waits until nothing is locked any more.
fn until_free(home: &Home) {
    eventually("every feed is free", || {
        home.json(&["status"])["locked"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    });
}

#[test]
fn an_old_backup_comes_back_whole_and_goes_on() {
    let pair = Pair::new();
    let backup = pair.author.path("old.backup");
    pair.author.json(&["backup", arg(&backup)]);
    let old = pair.tips(&pair.author);
    // After the backup: more on both feeds. Then the machine is lost.
    pair.author.json(&["follow", OTHERS[0]]);
    pair.list_course(OTHERS[1], "Mosses");
    let new = pair.tips(&pair.author);
    assert!(new.0 > old.0 && new.1 > old.1);
    pair.sync();

    let again = Home::new();
    let restored = again.json(&["restore", arg(&backup)]);
    assert_eq!(restored, json!({ "id": pair.main, "locked": true }));
    let locked = again.json(&["status"])["locked"].clone();
    let mut feeds: Vec<String> = locked
        .as_array()
        .unwrap()
        .iter()
        .map(|l| text(&l["feed"]))
        .collect();
    feeds.sort();
    let mut expected = vec![pair.main.clone(), pair.list.clone()];
    expected.sort();
    assert_eq!(feeds, expected);
    for (args, names) in [
        (["follow", OTHERS[2]].as_slice(), "main feed"),
        (
            &["catalog", "publish", "Botany", OTHERS[2], "--name", "Ferns"],
            "\"Botany\"",
        ),
    ] {
        let error = again.fails(4, args);
        let message = text(&error["message"]);
        assert!(message.contains(names), "{error}");
        assert!(message.contains("restored"), "{error}");
        assert!(text(&error["hint"]).contains("--accept-loss"), "{error}");
    }
    assert!(again.text(&["status"]).contains("Locked for publishing"));
    assert!(
        again
            .text(&["feed", "status", &pair.list])
            .contains("locked")
    );
    assert_eq!(again.run(&["doctor"]).code, 1);

    // One peer whose address the owner gives holds it all.
    let (mut node, reader) = (serve(&again), serve(&pair.reader));
    let error = again.fails(1, &["restore", "--accept-loss"]);
    assert!(text(&error["message"]).contains("running"), "{error}");
    again.json(&["peer", "connect", reader.address()]);
    eventually("what was lost is back", || {
        (pair.tips(&again) == new).then_some(())
    });
    until_free(&again);
    node.event("the lock is lifted", |e| {
        e["event"] == "lock" && e["locked"] == false
    });
    assert_eq!(status(&again, &pair.main)["locked"], Value::Null);
    again.json(&["follow", OTHERS[2]]);
    again.json(&["catalog", "publish", "Botany", OTHERS[2], "--name", "Ferns"]);
    let next = pair.tips(&again);
    assert_eq!(next, (new.0 + 1, new.1 + 1));
    eventually("the reader follows on", || {
        (pair.tips(&pair.reader) == next).then_some(())
    });
    for feed in [&pair.main, &pair.list] {
        assert_eq!(status(&pair.reader, feed)["forked_at"], Value::Null);
    }
    assert!(node.signal("INT").success());
    // For good.
    assert_eq!(again.json(&["status"])["locked"], json!([]));
    assert_eq!(again.json(&["doctor"])["ok"], true);
    reader.stop();
}

#[test]
fn a_bare_key_comes_back_from_a_peer() {
    let pair = Pair::new();
    pair.sync();
    let want = sequence(&pair.author, &pair.main);
    let secret = pair.author.data_dir().join("keys/main.secret");
    let again = Home::new();
    again.json(&["restore", "--secret", arg(&secret)]);
    assert_eq!(sequence(&again, &pair.main), 0);
    // A peer that has none of it frees nothing, also when it is told of it all.
    let stranger = Home::new();
    let (node, other) = (serve(&again), serve(&stranger));
    again.json(&["peer", "connect", other.address()]);
    again.fails(4, &["follow", OTHERS[0]]);
    let reader = serve(&pair.reader);
    again.json(&["peer", "connect", reader.address()]);
    eventually("the feed is back", || {
        (sequence(&again, &pair.main) == want).then_some(())
    });
    until_free(&again);
    again.json(&["follow", OTHERS[0]]);
    eventually("the reader follows on", || {
        (sequence(&pair.reader, &pair.main) == want + 1).then_some(())
    });
    assert_eq!(status(&pair.reader, &pair.main)["forked_at"], Value::Null);
    node.stop();
    other.stop();
    reader.stop();
}

/// A disk was rolled back, or a data directory copied: nobody knows, until a
/// peer says that it has more.
#[test]
fn a_loss_that_nobody_knows_of_mends_itself() {
    let pair = Pair::new();
    let rolled = Home::new();
    copy_dir(&pair.author.data_dir(), &rolled.data_dir());
    for id in &OTHERS[..3] {
        pair.author.json(&["follow", id]);
    }
    pair.sync();
    let want = sequence(&pair.author, &pair.main);
    assert_eq!(sequence(&rolled, &pair.main), want - 3);
    assert_eq!(rolled.json(&["status"])["locked"], json!([]));

    let (node, reader) = (serve(&rolled), serve(&pair.reader));
    rolled.json(&["peer", "connect", reader.address()]);
    let lock = node.event("it is locked", |e| e["event"] == "lock");
    assert_eq!(
        (&lock["id"], &lock["locked"]),
        (&json!(pair.main), &json!(true))
    );
    eventually("what was lost is back", || {
        (sequence(&rolled, &pair.main) == want).then_some(())
    });
    until_free(&rolled);
    rolled.json(&["follow", OTHERS[3]]);
    eventually("the reader follows on", || {
        (sequence(&pair.reader, &pair.main) == want + 1).then_some(())
    });
    assert_eq!(status(&pair.reader, &pair.main)["forked_at"], Value::Null);
    node.stop();
    reader.stop();
}

#[test]
fn a_key_used_twice_is_seen_and_shown() {
    let pair = Pair::new();
    let twin = Home::new();
    copy_dir(&pair.author.data_dir(), &twin.data_dir());
    pair.author.json(&["follow", OTHERS[0]]);
    pair.author.json(&["follow", OTHERS[1]]);
    pair.author.json(&["follow", OTHERS[2]]);
    pair.sync();
    let ours = sequence(&pair.author, &pair.main);
    let split = ours - 2;
    // The twin goes on from an older place, and meets who has the first branch.
    for id in OTHERS.iter().rev() {
        twin.json(&["follow", id]);
    }
    assert_eq!(sequence(&twin, &pair.main), ours + 1);
    let (node, reader) = (serve(&twin), serve(&pair.reader));
    twin.json(&["peer", "connect", reader.address()]);
    let seen = eventually("the fork is seen", || {
        let seen = status(&pair.reader, &pair.main);
        // Who is not asked any more is noted a moment after the evidence.
        let noted = seen["forked_at"] != Value::Null && seen["not_fetched_from"][0] != Value::Null;
        noted.then_some(seen)
    });
    let fork = &seen["forks"][0];
    assert!(fork["sequence"].as_u64().unwrap() >= split, "{seen}");
    let kept = fork["ours_sequence"].as_u64().unwrap();
    let log = |home: &Home| home.lines(&["feed", "log", &pair.main]);
    let on = |home: &Home, n: u64| log(home)[n as usize - 1]["key"].clone();
    assert_eq!(fork["ours"], on(&pair.author, kept), "{seen}");
    assert_eq!(
        fork["theirs"],
        on(&twin, fork["sequence"].as_u64().unwrap()),
        "{seen}"
    );
    let told = pair.reader.text(&["feed", "status", &pair.main]);
    assert!(
        told.contains("kept here") && told.contains("other branch"),
        "{told}"
    );
    assert_eq!(
        seen["not_fetched_from"][0],
        json!({ "peer": pair.main, "sequence": fork["sequence"], "fork": true,
                "at": seen["not_fetched_from"][0]["at"] })
    );
    node.stop();
    reader.stop();

    // The first branch stays, is read, and is served; the other is not pulled,
    // now or after a restart.
    let (node, reader) = (serve(&twin), serve(&pair.reader));
    twin.json(&["peer", "connect", reader.address()]);
    let third = Home::new();
    third.json(&["follow", &pair.main]);
    pair.reader
        .json(&["follow", &text(&third.json(&["whoami"])["id"])]);
    let other = serve(&third);
    third.json(&["peer", "connect", reader.address()]);
    eventually("the first branch is passed on", || {
        (sequence(&third, &pair.main) == ours).then_some(())
    });
    let keys = |home: &Home| -> Vec<Value> { log(home).iter().map(|m| m["key"].clone()).collect() };
    assert_eq!(keys(&third), keys(&pair.author));
    assert_eq!(sequence(&pair.reader, &pair.main), ours);
    assert_eq!(
        status(&pair.reader, &pair.main)["forks"],
        seen["forks"],
        "once is enough"
    );
    node.stop();
    reader.stop();
    other.stop();
    // Of others' feeds the doctor only tells.
    let report = pair.reader.json(&["doctor"]);
    assert_eq!(report["ok"], true, "{report}");
    assert!(
        report["notes"].to_string().contains("split in two"),
        "{report}"
    );
}

/// A peer whose copy of a feed is not what its author signed.
#[test]
fn a_bad_message_is_remembered_and_others_give_the_right_one() {
    let pair = Pair::new();
    pair.list_course(OTHERS[0], "Lichens");
    pair.list_course(OTHERS[1], "Mosses");
    pair.sync();
    let want = sequence(&pair.author, &pair.list);
    let bad = want - 1;
    // The reader changes a letter in the last message but one.
    let db = rusqlite::Connection::open(pair.reader.data_dir().join("feeds.db")).unwrap();
    let changed = db
        .execute(
            "UPDATE log SET bytes = replace(bytes, 'Lichens', 'Lychens') WHERE sequence = ?1
             AND bytes LIKE '%Lichens%'",
            [bad],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(db);

    let learner = Home::new();
    learner.json(&["catalog", "add", &pair.list]);
    let (node, liar) = (serve(&learner), serve(&pair.reader));
    let liar_id = liar.id().to_owned();
    learner.json(&["peer", "connect", liar.address()]);
    let seen = eventually("it is refused", || {
        let seen = status(&learner, &pair.list);
        (seen["refused"] != json!([])).then_some(seen)
    });
    let refused = &seen["refused"][0];
    assert_eq!(refused["sequence"], bad, "{seen}");
    assert!(text(&refused["reason"]).contains("signature"), "{seen}");
    let shunned = eventually("the peer is not asked again", || {
        let shunned = status(&learner, &pair.list)["not_fetched_from"][0].clone();
        (shunned != Value::Null).then_some(shunned)
    });
    assert_eq!(
        (&shunned["peer"], &shunned["fork"], &shunned["sequence"]),
        (&json!(liar_id), &json!(false), &json!(bad))
    );
    // What was good before it is here.
    assert_eq!(sequence(&learner, &pair.list), bad - 1);
    let told = learner.text(&["feed", "status", &pair.list]);
    assert!(
        told.contains("Not fetched from") && told.contains("signature"),
        "{told}"
    );
    node.stop();

    // After a restart it is neither asked for nor looked at again.
    let node = serve(&learner);
    learner.json(&["peer", "connect", liar.address()]);
    // Another feed of the same peer comes: that is how we know that they talked.
    learner.json(&["follow", &liar_id]);
    eventually("they exchange other feeds", || {
        (sequence(&learner, &liar_id) > 0).then_some(())
    });
    let again = status(&learner, &pair.list);
    assert_eq!(again["refused"], seen["refused"]);
    assert_eq!(again["sequence"], bad - 1);
    // The author gives the right one.
    let author = serve(&pair.author);
    learner.json(&["peer", "connect", author.address()]);
    eventually("the right ones come", || {
        (sequence(&learner, &pair.list) == want).then_some(())
    });
    assert_eq!(status(&learner, &pair.list)["forked_at"], Value::Null);
    node.stop();
    liar.stop();
    author.stop();
}

/// Killed at any moment, a backup is whole under its name or not there.
#[test]
fn a_backup_that_is_killed_leaves_no_half() {
    let home = Home::new();
    let big: Vec<u8> = (0..4_000_000_u32).map(|n| (n * 7 / 3) as u8).collect();
    let file = home.write("big", &big);
    home.json(&["blob", "add", arg(&file)]);
    let mut whole = 0;
    for n in 0..12 {
        let backup = home.path(&format!("{n}.backup"));
        let mut child = home
            .command(&["backup", arg(&backup), "--json"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        if n < 11 {
            // Anywhere between the start and the end; whichever it is, it must hold.
            std::thread::sleep(std::time::Duration::from_millis(n * n * 6));
            let _ = child.kill();
        }
        child.wait().unwrap();
        if !backup.exists() {
            continue;
        }
        whole += 1;
        let mode = fs::metadata(&backup).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Home::new();
        other.json(&["restore", arg(&backup)]);
        assert_eq!(other.json(&["whoami"]), home.json(&["whoami"]));
        assert_eq!(other.lines(&["blob", "list"]).len(), 1);
    }
    assert!(whole > 0, "the last one was not disturbed");
}
