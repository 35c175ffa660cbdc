//! Room for files, downloads and mirrors, as they are typed.

mod common;

use common::{Home, SMALL_DISK, eventually, on_small_disk};
use serde_json::Value;
use std::path::Path;

/// A folder with so many files of six segments, a lesson each. Segments are sent to
/// nobody unasked.
fn course(home: &Home, name: &str, count: u32) {
    home.write(
        &format!("{name}/course.toml"),
        format!("name = \"{name}\"\n"),
    );
    for n in 0..count {
        let noise = |i: u32| ((i ^ n << 28).wrapping_mul(2_654_435_761) >> 24) as u8;
        let bytes = [b"%PDF-1.4\n".to_vec(), (0..5_300_000).map(noise).collect()];
        home.write(&format!("{name}/{n:02}_Part.pdf"), bytes.concat());
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn limits_are_set_shown_and_refused_in_words() {
    let home = Home::new();
    let shown = home.json(&["downloads"]);
    assert_eq!(shown["running"], true);
    assert_eq!(shown["quota"], 50_u64 << 30);
    assert_eq!(shown["free_floor"], 1_u64 << 30);
    assert!(shown["free"].as_u64().is_some_and(|f| f > 0));
    let set = [
        "downloads",
        "set",
        "--limit",
        "500k",
        "--hours",
        "22:00-6:30",
        "--quota",
        "20G",
        "--keep-free",
        "2.5GB",
    ];
    let set = home.json(&set);
    assert_eq!(set["limit"], 500_000);
    assert_eq!(set["hours"], "22:00-06:30");
    assert_eq!(set["quota"], 20_000_000_000_u64);
    assert_eq!(set["free_floor"], 2_500_000_000_u64);
    assert_eq!(home.json(&["downloads", "pause"])["paused"], true);
    let words = home.text(&["downloads"]);
    for word in ["paused", "22:00-06:30", "488", "most"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    let free = ["downloads", "set", "--limit", "none", "--hours", "always"];
    let free = home.json(&free);
    assert!(free["limit"].is_null() && free["hours"].is_null());
    assert_eq!(home.json(&["downloads", "resume"])["paused"], false);

    assert!(
        text(
            &home.fails(4, &["downloads", "set", "--hours", "whenever"]),
            "message"
        )
        .contains("22:00-06:00")
    );
    home.fails(4, &["downloads", "set", "--quota", "10k"]);
    for wrong in [
        ["--limit", "0"],
        ["--limit", "fast"],
        ["--quota", "-1"],
        ["--keep-free", "x"],
    ] {
        home.fails(2, &["downloads", "set", wrong[0], wrong[1]]);
    }
    // Hours in the settings file are checked as well, and what is chosen wins.
    home.write("data/config.toml", "download_hours = \"never\"\n");
    let error = home.fails(4, &["downloads"]);
    assert!(text(&error, "message").contains("22:00-06:00"), "{error}");
    home.write("data/config.toml", "free_floor = 7\ndownload_limit = 9\n");
    assert_eq!(home.json(&["downloads"])["free_floor"], 2_500_000_000_u64);
}

#[test]
fn an_author_fills_a_folder_and_it_is_checked() {
    let home = Home::new();
    course(&home, "Mosses", 1);
    let made = home.json(&["import", "Mosses", "--catalog", "Botany"]);
    let id = text(&made, "course").to_owned();
    std::fs::create_dir(home.path("stick")).expect("a folder can be made");
    assert!(home.lines(&["mirror", "list"]).is_empty());
    home.json(&["mirror", "add", "stick", "stick"]);
    let listed = &home.lines(&["mirror", "list"])[0];
    assert_eq!(
        (text(listed, "kind"), text(listed, "name")),
        ("folder", "stick")
    );
    assert!(Path::new(text(listed, "url")).is_absolute());
    let missing = home.run(&["mirror", "check", "stick", "--json"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    let pushed = home.json(&["mirror", "push", "stick", &id]);
    assert_eq!(pushed["sent"]["count"], 7);
    let checked = home.json(&["mirror", "check", "stick", "--read"]);
    assert_eq!(
        (&checked["there"]["count"], &checked["missing"]),
        (&7.into(), &0.into())
    );

    home.fails(3, &["mirror", "push", "nowhere"]);
    home.fails(4, &["mirror", "add", "stick", "stick"]);
    home.fails(
        2,
        &[
            "mirror",
            "add",
            "s3",
            "s3+https://example.org/b",
            "--access-key",
            "k",
        ],
    );
    let private = home.fails(4, &["mirror", "add", "near", "http://192.168.1.7/files"]);
    assert!(text(&private, "message").contains("--private"), "{private}");
    home.json(&[
        "mirror",
        "add",
        "near",
        "http://192.168.1.7/files",
        "--private",
    ]);
    let secret = home.write("secret", "hush\n");
    let secret = secret.to_str().expect("a name");
    let add = ["mirror", "add", "store", "s3+https://s3.example.org/b/c"];
    let keys = ["--access-key", "key", "--secret-file", secret];
    home.json(&[&add[..], &keys[..]].concat());
    let all = home.run(&["mirror", "list", "--json"]).stdout;
    assert!(
        all.contains("s3.example.org") && !all.contains("hush"),
        "{all}"
    );
    home.json(&["mirror", "remove", "near"]);
    assert_eq!(home.lines(&["mirror", "list"]).len(), 2);
}

#[test]
fn torrents_are_made_listed_and_ended() {
    let home = Home::new();
    assert!(home.lines(&["mirror", "torrents"]).is_empty());
    home.write("Soil/course.toml", "name = \"Soil\"\n");
    let head =
        b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\
        \x16\x54\xae\x6b\x80\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff";
    home.write("Soil/01_Film.webm", [&head[..], &[7; 300_000]].concat());
    let made = home.json(&["import", "Soil", "--catalog", "Botany"]);
    let id = text(&made, "course").to_owned();
    let tracker = "udp://tracker.example.org:6969/announce";
    for wrong in [
        "tracker.example.org",
        "udp://tracker.example.org/",
        "ftp://x:1",
    ] {
        let error = home.fails(2, &["mirror", "seed", &id, "--tracker", wrong]);
        assert!(text(&error, "message").contains(wrong), "{error}");
    }
    let done = home.json(&["mirror", "seed", &id, "--tracker", tracker, "--publish"]);
    assert_eq!(
        (&done["absent"], &done["published"]),
        (&0.into(), &1.into())
    );
    let magnet = text(&done["torrents"][0], "magnet").to_owned();
    let escaped = "&dn=Film.webm&tr=udp%3A%2F%2Ftracker.example.org%3A6969%2Fannounce";
    assert!(
        magnet.starts_with("magnet:?xt=urn:btih:") && magnet.ends_with(escaped),
        "{magnet}"
    );
    let lesson = home.run(&["feed", "log", &id, "--json"]).stdout;
    assert!(lesson.contains(&magnet), "{lesson}");
    // What was published is not published again.
    let again = home.json(&["mirror", "seed", &id, "--publish"]);
    assert_eq!(again["published"], 0);
    let listed = &home.lines(&["mirror", "torrents"])[0];
    assert_eq!(text(listed, "magnet"), magnet);
    let file = Path::new(text(listed, "file"));
    assert!(file.starts_with(home.data_dir()) && file.is_file());
    assert!(home.text(&["mirror", "torrents"]).contains("Film.webm"));
    home.json(&["mirror", "unseed", &id]);
    assert!(home.lines(&["mirror", "torrents"]).is_empty());
    home.fails(3, &["mirror", "unseed", &id]);
    let unknown = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";
    home.fails(3, &["mirror", "seed", unknown]);
    home.fails(4, &["mirror", "seed", unknown, "--publish"]);
}

#[test]
fn damage_is_found_by_hand() {
    let home = Home::new();
    let file = home.write("file.bin", vec![5; 9_000]);
    let added = home.json(&["blob", "add", file.to_str().expect("a name")]);
    let before = home.json(&["blob", "scrub"]);
    assert_eq!(before["damaged"], 0);
    let folders = std::fs::read_dir(home.data_dir().join("blobs/sha256")).expect("blobs");
    let path = folders
        .flat_map(|f| std::fs::read_dir(f.expect("an entry").path()).expect("a folder"))
        .map(|f| f.expect("an entry").path())
        .find(|f| std::fs::read(f).is_ok_and(|bytes| bytes == [5; 9_000]))
        .expect("its file");
    std::fs::write(path, vec![6; 9_000]).expect("files can be written");
    let found = home.run(&["blob", "scrub", "--json"]);
    assert_eq!(found.code, 1, "{found:?}");
    let found: Value = serde_json::from_str(found.stdout.trim()).expect("JSON");
    assert_eq!(found["blobs"], serde_json::json!([added["id"]]));
    let left = home.lines(&["blob", "list"]);
    assert!(!left.iter().any(|b| b["id"] == added["id"]));
}

const OUTSIDE: &str = "STUDYTIME_LARGE_DISK";

/// A learner on a real disk, very small, where the system lets an ordinary user
/// make one.
#[test]
fn downloads_onto_a_full_disk_stop_and_go_on() {
    let outside = tempfile::tempdir().expect("a folder");
    on_small_disk(20, &[(OUTSIDE, outside.path())]);
}

/// Not a test of its own: runs where the temporary folder is a small disk.
#[test]
#[ignore = "run by downloads_onto_a_full_disk_stop_and_go_on"]
fn on_a_small_disk() {
    let (Some(disk), Some(large)) = (std::env::var_os(SMALL_DISK), std::env::var_os(OUTSIDE))
    else {
        return;
    };
    let author = Home::within(Path::new(&large));
    course(&author, "Mosses", 1);
    let made = author.json(&["import", "Mosses", "--catalog", "Botany"]);
    let id = text(&made, "course").to_owned();
    let list = text(&author.lines(&["catalog", "list"])[0], "id").to_owned();
    let author_node = author.serve(&["--no-http", "--no-lan"]);

    let home = Home::new();
    home.json(&["downloads", "set", "--keep-free", "1M"]);
    let serving = home.serve(&["--no-http", "--no-lan"]);
    home.text(&["catalog", "add", &list]);
    home.text(&["peer", "connect", author_node.address()]);
    eventually("the lessons are here", || {
        let shown = home.run(&["course", "show", &id, "--json"]);
        let shown: Value = serde_json::from_str(shown.stdout.trim()).ok()?;
        (shown["lessons"].as_array()?.len() == 1).then_some(())
    });
    // Room for a few segments.
    let filler = Path::new(&disk).join("filler");
    let free = home.json(&["downloads"])["free"]
        .as_u64()
        .expect("the system says");
    let fill = usize::try_from(free.saturating_sub(4_000_000)).expect("small");
    std::fs::write(&filler, vec![1; fill]).expect("it fits");
    home.text(&["course", "start", &id]);
    let stopped = eventually("downloads stop", || {
        let status = home.json(&["status"]);
        (!status["stopped"].is_null()).then(|| status["stopped"].clone())
    });
    assert_eq!(stopped["reason"], "free_space", "{stopped}");
    let error = home.fails(1, &["course", "start", &id, "--wait"]);
    assert!(text(&error, "message").contains("stay free"), "{error}");
    let shown = home.json(&["course", "show", &id]);
    let (here, total) = (shown["bytes_here"].as_u64(), shown["bytes_total"].as_u64());
    assert!(here < total, "{shown}");
    assert!(shown["bytes_room"].as_u64() < Some(1 << 20), "{shown}");
    // Everything else goes on, and a kill loses nothing.
    home.text(&["note", "add", &id, "1", "Still here"]);
    serving.kill();
    let serving = home.serve(&["--no-http", "--no-lan"]);
    assert_eq!(
        text(&home.lines(&["note", "list"])[0], "text"),
        "Still here"
    );
    assert!(home.json(&["course", "show", &id])["bytes_here"].as_u64() >= here);
    home.text(&["peer", "connect", author_node.address()]);

    std::fs::remove_file(&filler).expect("it goes");
    let whole = eventually("they go on by themselves", || {
        let shown = home.json(&["course", "show", &id]);
        (shown["bytes_here"] == shown["bytes_total"]).then_some(shown)
    });
    assert!(whole["bytes_here"].as_u64() > Some(5_200_000), "{whole}");
    assert!(home.json(&["status"])["stopped"].is_null());
    serving.stop();
    assert_eq!(home.run(&["blob", "scrub"]).code, 0);
    author_node.stop();
}
