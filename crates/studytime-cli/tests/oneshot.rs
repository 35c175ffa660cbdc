//! Commands without a running node: each opens the directory, works offline and
//! leaves.

mod common;

use common::{Home, arg};
use serde_json::json;

const STRANGER: &str = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";

#[test]
fn the_identity_is_made_once() {
    let home = Home::new();
    let id = home.json(&["whoami"])["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with('@') && id.ends_with(".ed25519"));
    assert_eq!(home.json(&["whoami"])["id"], id.as_str());
    assert_eq!(home.text(&["whoami"]), format!("{id}\n"));
    let status = home.json(&["status"]);
    assert_eq!(status["id"], id.as_str());
    assert_eq!(status["http"], json!(null));
    assert_eq!(status["listen"], json!(null));
    assert!(status["blobs"]["count"].is_u64() && status["blobs"]["bytes"].is_u64());
    assert!(status["peers"].is_array());
    assert_eq!(home.json(&["doctor"])["ok"], true);
}

#[test]
fn lists_are_made_ordered_and_left() {
    let home = Home::new();
    let own = home.new_list("Evening school");
    home.json(&["catalog", "add", STRANGER]);
    let position = |id: &str| {
        let lists = home.lines(&["catalog", "list"]);
        lists
            .iter()
            .find(|l| l["id"] == id)
            .map(|l| l["position"].as_u64().unwrap())
    };
    let all = home.lines(&["catalog", "list"]);
    assert_eq!(position(STRANGER), Some(all.len() as u64));
    let entry = all.iter().find(|l| l["id"] == own.as_str()).unwrap();
    assert_eq!(
        (&entry["name"], &entry["own"]),
        (&json!("Evening school"), &json!(true))
    );

    home.json(&["catalog", "move", STRANGER, "1"]);
    assert_eq!(position(STRANGER), Some(1));
    home.json(&["catalog", "remove", STRANGER]);
    assert_eq!(position(STRANGER), None);

    assert_eq!(
        home.fails(4, &["catalog", "new", "Evening school"])["kind"],
        "refused"
    );
    assert_eq!(
        home.fails(3, &["catalog", "remove", STRANGER])["kind"],
        "not_found"
    );
    assert_eq!(
        home.fails(2, &["catalog", "move", &own, "99"])["kind"],
        "usage"
    );
    assert!(home.text(&["catalog", "list"]).contains(&own));
}

#[test]
fn keywords_without_a_subject_are_told_and_can_be_given_one() {
    let home = Home::new();
    home.new_list("List");
    let publish = |keyword| {
        let mut args = vec!["catalog", "publish", "List", STRANGER, "--name", "Hives"];
        args.extend(["--keyword", keyword]);
        home.json(&args)
    };
    publish("bee keeping");
    assert_eq!(
        home.lines(&["course", "keywords"]),
        [json!({"keyword": "bee keeping", "courses": 1})]
    );
    assert!(home.text(&["course", "keywords"]).contains("bee keeping"));
    let config = home.data_dir().join("config.toml");
    let subjects =
        "[[subjects]]\ncategory = \"Nature\"\nsubject = \"Bees\"\nkeywords = [\"Bee-Keeping\"]\n";
    std::fs::write(config, subjects).unwrap();
    assert_eq!(
        home.lines(&["course", "keywords"]),
        [] as [serde_json::Value; 0]
    );
    let courses = home.lines(&["course", "list", "--subject", "Bees"]);
    assert_eq!(courses[0]["feed_id"], STRANGER);
    // Nothing is known of the course's own messages, and so nothing is called right.
    let error = home.fails(3, &["course", "show", STRANGER, "--problems"]);
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn courses_are_listed_by_hand_or_from_a_file() {
    let home = Home::new();
    home.json(&["catalog", "new", "List"]);
    let course = STRANGER;
    home.json(&[
        "catalog",
        "publish",
        "List",
        course,
        "--name",
        "Soil",
        "--keyword",
        "geology",
        "--language",
        "en",
    ]);
    let found = home.lines(&["course", "list"]);
    let soil = found.iter().find(|c| c["feed_id"] == course).unwrap();
    assert_eq!(soil["name"], "Soil");
    assert_eq!(soil["keywords"], json!(["geology"]));
    assert_eq!(soil["language"], "en");
    assert!(soil["subject"].is_string());

    let show = home.json(&["course", "show", course]);
    assert_eq!(show["feed_id"], course);
    assert_eq!(show["name"], "Soil");
    assert_eq!(show["enrolled"], false);
    assert!(show["bytes_here"].is_u64() && show["bytes_total"].is_u64());
    assert_eq!(show["lessons"], json!([]));

    let file = home.write("list.jsonl", "{\"feed_id\":\"not an id\",\"name\":\"x\"}\n");
    let error = home.fails(4, &["catalog", "publish", "List", "--from", arg(&file)]);
    assert!(
        error["message"].as_str().unwrap().contains("line 1"),
        "{error}"
    );

    let found = home.lines(&["course", "search", "soi"]);
    assert!(found.iter().any(|c| c["feed_id"] == course), "{found:?}");
    assert!(home.text(&["course", "list"]).contains("Soil"));
    assert_eq!(home.lines(&["course", "list", "--limit", "0"]).len(), 0);
}

#[test]
fn an_imported_folder_is_a_course() {
    let home = Home::new();
    home.write(
        "soil/01_intro/01_what.md",
        "# What soil is\n\nIt is *alive*.\n",
    );
    home.write(
        "soil/01_intro/02_layers.md",
        "# Layers\n\nThere are several.\n",
    );
    home.write(
        "soil/01_intro/02_layers.pdf",
        b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\n%%EOF\n",
    );
    let dry = home.json(&["import", "soil", "--dry-run", "--name", "Soil"]);
    assert_eq!(dry["course"], json!(null));
    assert!(
        home.lines(&["course", "list"])
            .iter()
            .all(|c| c["name"] != "Soil")
    );

    let done = home.json(&[
        "import",
        "soil",
        "--name",
        "Soil",
        "--license",
        "CC0-1.0",
        "--catalog",
        "Garden",
    ]);
    let course = done["course"].as_str().unwrap().to_owned();
    assert_eq!(done["lessons"], 2, "{done}");
    for field in ["items", "messages", "blobs", "bytes"] {
        assert!(done[field].is_u64(), "{field} in {done}");
    }
    assert!(done["problems"].is_array());

    let show = home.json(&["course", "show", &course]);
    let lessons = show["lessons"].as_array().unwrap();
    assert_eq!(lessons.len(), 2);
    assert!(lessons[0]["lesson_number"].is_u64() && lessons[0]["name"].is_string());
    assert!(lessons[0].get("section").is_some());
    let number = lessons[0]["lesson_number"].to_string();
    let lesson = home.json(&["lesson", "show", &course, &number]);
    assert_eq!(lesson["lesson_number"], lessons[0]["lesson_number"]);
    assert!(
        lesson["content"].as_str().unwrap().contains("alive"),
        "{lesson}"
    );
    for list in ["videos", "attachments", "tests"] {
        assert!(lesson[list].is_array(), "{list} in {lesson}");
    }

    home.json(&["course", "start", &course]);
    assert_eq!(home.json(&["course", "show", &course])["enrolled"], true);
    home.json(&["lesson", "done", &course, &number]);
    let progress = home.json(&["progress", &course]);
    assert_eq!(progress["lessons_done"], 1, "{progress}");
    assert_eq!(home.lines(&["progress"])[0]["feed_id"], course.as_str());
    home.json(&["note", "add", &course, &number, "-read again-"]);
    assert_eq!(home.lines(&["note", "list"])[0]["text"], "-read again-");

    let log = home.lines(&["feed", "log", &course]);
    assert_eq!(log[0]["sequence"], 1);
    assert_eq!(
        home.lines(&["feed", "log", &course, "--from", "2", "--limit", "1"])[0]["sequence"],
        2
    );
    let status = home.json(&["feed", "status", &course]);
    assert_eq!(status["sequence"], log.len() as u64);
    assert_eq!(status["forked_at"], json!(null));
    assert_eq!(status["wanted"], true);

    let out = home.path("exported");
    home.json(&["course", "export", &course, arg(&out)]);
    assert!(out.is_dir());
    home.json(&["course", "leave", &course]);
    assert_eq!(home.fails(3, &["progress", &course])["kind"], "not_found");
    // For people, everything can be shown.
    for args in [
        &["course", "show", &course][..],
        &["lesson", "show", &course, &number],
        &["feed", "log", &course],
        &["feed", "status", &course],
        &["status"],
        &["progress"],
        &["note", "list"],
        &["peer", "list"],
        &["blob", "list"],
        &["blob", "gc", "--dry-run"],
        &["import", "soil", "--dry-run"],
    ] {
        assert!(!home.text(args).is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_not_known_is_exit_code_3() {
    let home = Home::new();
    for args in [
        &["course", "show", STRANGER][..],
        &["course", "start", STRANGER],
        &["note", "add", STRANGER, "1", "text"],
        &["lesson", "show", STRANGER, "1"],
        &["feed", "log", STRANGER],
        &["import", "absent"],
        &["blob", "add", "absent"],
    ] {
        let error = home.fails(3, args);
        assert_eq!(error["kind"], "not_found", "{args:?}: {error}");
    }
    assert_eq!(
        Home::new().fails(3, &["restore", "absent"])["kind"],
        "not_found"
    );
    let done = home.run(&["course", "show", STRANGER]);
    assert!(done.stderr.starts_with("error: "), "{done:?}");
    assert!(done.stderr.contains("hint: "), "{done:?}");
}

#[test]
fn files_become_blobs_and_files_again() {
    let home = Home::new();
    let small = home.write("small.bin", vec![1_u8; 1000]);
    let large: Vec<u8> = (0..6_000_000_u32).map(|n| (n * 7 / 3) as u8).collect();
    let big = home.write("big.bin", &large);
    let added = home.json(&["blob", "add", arg(&small)]);
    assert_eq!(
        (&added["size"], &added["manifest"]),
        (&json!(1000), &json!(false))
    );
    let id = added["id"].as_str().unwrap();
    home.json(&["blob", "get", id, "--output", "copy.bin"]);
    assert_eq!(
        std::fs::read(home.path("copy.bin")).unwrap(),
        vec![1_u8; 1000]
    );
    assert!(home.lines(&["blob", "list"]).iter().any(|b| b["id"] == id));

    let added = home.json(&["blob", "add", arg(&big)]);
    assert_eq!(added["manifest"], true);
    let id = added["id"].as_str().unwrap();
    home.json(&["blob", "get", id, "--manifest", "-o", "big copy.bin"]);
    assert_eq!(std::fs::read(home.path("big copy.bin")).unwrap(), large);
    // To a pipe.
    let mut command = home.command(&["blob", "get", id, "--manifest", "-o", "-"]);
    assert_eq!(command.output().unwrap().stdout, large);
}

#[test]
fn a_blob_nobody_has_is_waited_for_and_not_found() {
    let home = Home::new();
    let id = "&AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.sha256";
    let error = home.fails(3, &["blob", "get", id, "--timeout", "1"]);
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn a_backup_comes_back_elsewhere() {
    let home = Home::new();
    let id = home.json(&["whoami"])["id"].clone();
    let backup = home.path("node.backup");
    assert!(
        home.json(&["backup", arg(&backup)])["keys"]
            .as_u64()
            .unwrap()
            >= 1
    );
    assert_eq!(home.fails(4, &["backup", arg(&backup)])["kind"], "refused");
    assert_eq!(home.fails(4, &["restore", arg(&backup)])["kind"], "refused");

    let other = Home::new();
    assert_eq!(
        other.json(&["restore", arg(&backup)]),
        json!({ "id": id, "locked": true })
    );
    assert_eq!(other.json(&["whoami"])["id"], id);
    let error = other.fails(4, &["catalog", "new", "Too early"]);
    assert_eq!(error["kind"], "refused");
    other.json(&["restore", "--accept-loss"]);
    other.json(&["catalog", "new", "Now"]);
    assert_eq!(
        other.fails(4, &["restore", "--accept-loss"])["kind"],
        "refused"
    );
}

#[test]
fn commands_at_once_wait_for_each_other() {
    let home = Home::new();
    let ids: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4)
            .map(|_| s.spawn(|| home.json(&["whoami"])["id"].clone()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn wrong_settings_are_refused_and_named() {
    let home = Home::new();
    home.write("data/config.toml", "hopps = 3\n");
    for args in [&["whoami"][..], &["serve"], &[]] {
        let error = home.fails(4, args);
        assert!(
            error["message"].as_str().unwrap().contains("hopps"),
            "{args:?}: {error}"
        );
    }
    home.write("data/config.toml", "listen = \"nowhere\"\n");
    assert_eq!(home.fails(4, &["serve"])["kind"], "refused");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = Home::new();
    let id = home.json(&["whoami"])["id"].as_str().unwrap().to_owned();
    home.json(&["catalog", "new", "One"]);
    let mut child = home
        .command(&["feed", "log", &id])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_the_log_prints_is_what_was_signed() {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        value: &'a serde_json::value::RawValue,
    }
    let home = Home::new();
    let list = home.new_list("One");
    let log = home.run(&["feed", "log", &list, "--json"]).stdout;
    let first: Line<'_> = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let file = home.write("first.jsonl", first.value.get());
    assert_eq!(home.json(&["feed", "check", arg(&file)])["valid"], true);
}

/// Who started a course hears why it is no longer recommended, and takes what was
/// done along.
#[test]
fn a_course_gives_way_to_another() {
    let home = Home::new();
    home.write("moss/1 wet.md", "# Wet\n");
    home.write("moss/2 dry.md", "# Dry\n");
    let import = |name: &str, more: &[&str]| {
        let args = ["import", "moss", "--name", name, "--catalog", "Garden"];
        let done = home.json(&[&args[..], more].concat());
        done["course"].as_str().unwrap().to_owned()
    };
    let old = import("Mosses", &[]);
    home.json(&["course", "start", &old]);
    home.json(&["lesson", "done", &old, "1"]);
    let new = import("Mosses again", &["--replaces", &old]);
    let said = [
        "course",
        "deprecate",
        &old,
        "--successor",
        &new,
        "--reason",
        "its key is lost",
    ];
    home.json(&said);
    let names = |args: &[&str]| -> Vec<String> {
        let found = home.lines(args);
        let name = |c: &serde_json::Value| c["name"].as_str().unwrap().to_owned();
        found.iter().map(name).collect()
    };
    assert!(!names(&["course", "list"]).contains(&"Mosses".to_owned()));
    assert!(names(&["course", "list", "--deprecated"]).contains(&"Mosses".to_owned()));
    for text in [home.text(&["progress"]), home.text(&["progress", &old])] {
        assert!(text.contains("its key is lost"), "{text}");
        let next = format!("course start '{new}' --from '{old}'");
        assert!(text.contains(&next), "{text}");
    }
    let text = home.text(&["course", "start", &new, "--from", &old]);
    assert!(text.contains("what you did in 1 lesson"), "{text}");
    assert!(text.contains("Go on: "), "{text}");
    assert_eq!(home.json(&["progress", &new])["lessons_done"], 1);
    let again = home.text(&["course", "start", &new, "--from", &old]);
    assert!(again.contains("Nothing was carried over"), "{again}");

    home.json(&["course", "deprecate", &old, "--undo"]);
    assert!(names(&["course", "list"]).contains(&"Mosses".to_owned()));
    assert!(!home.text(&["progress"]).contains("no longer"));
    home.json(&["catalog", "unpublish", "Garden", &new]);
    let show = home.json(&["course", "show", &new]);
    assert_eq!(show["listed_by"], json!([]));
    for (code, args) in [
        (3, &["catalog", "unpublish", "Garden", &new][..]),
        (3, &["course", "show", STRANGER, "--problems"]),
        (3, &["import", "moss", "--replaces", STRANGER]),
    ] {
        home.fails(code, args);
    }
}
