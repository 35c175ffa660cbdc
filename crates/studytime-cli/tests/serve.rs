//! A node that stays, and the commands that go to it.

#![cfg(unix)]

mod common;

use common::{Home, Serving, bare, eventually, finish, get};
use serde_json::json;
use std::net::TcpListener;

#[test]
fn the_first_line_says_where_everything_is() {
    let home = Home::new();
    let node = home.serve(&[]);
    let ready = &node.ready;
    assert!(node.id().starts_with('@'));
    assert!(node.http().starts_with("http://127.0.0.1:"));
    assert!(ready["listen"].as_str().unwrap().starts_with("127.0.0.1:"));
    let address = node.address();
    assert!(
        address.starts_with(&format!("net:{}~shs:", ready["listen"].as_str().unwrap())),
        "{address}"
    );
    for field in ["messages", "feeds"] {
        assert!(ready[field].is_u64(), "{field}: {ready}");
    }
    assert!(ready["blobs"]["count"].is_u64() && ready["blobs"]["bytes"].is_u64());
    assert!(ready["peers"].is_array());
    let page = get(node.http(), "/", &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    node.stop();
}

#[test]
fn commands_go_to_the_node_that_runs() {
    let home = Home::new();
    let node = home.serve(&["--no-lan"]);
    assert_eq!(home.json(&["whoami"])["id"], node.id());
    let status = home.json(&["status"]);
    assert_eq!(status["http"], node.http());
    assert_eq!(status["address"], node.address());
    home.json(&["catalog", "new", "While it runs"]);
    assert!(
        home.lines(&["catalog", "list"])
            .iter()
            .any(|l| l["name"] == "While it runs")
    );
    assert_eq!(
        home.fails(
            3,
            &[
                "course",
                "show",
                "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519"
            ]
        )["kind"],
        "not_found"
    );
    // A file is found from where the command is, not from where the node is.
    home.write("here/file.txt", "text");
    let mut command = home.command(&["blob", "add", "file.txt", "--json"]);
    command.current_dir(home.path("here"));
    let done = finish(command);
    assert_eq!(done.code, 0, "{done:?}");
    node.stop();
}

#[test]
fn a_directory_in_use_is_said_in_words() {
    let home = Home::new();
    let node = home.serve(&[]);
    let error = home.fails(
        1,
        &["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"],
    );
    let text = error["message"].as_str().unwrap();
    assert!(
        text.contains("in use") && text.contains("running node"),
        "{error}"
    );
    assert!(error["hint"].is_string(), "{error}");
    let error = home.fails(1, &["restore", "--accept-loss"]);
    assert!(error["hint"].is_string(), "{error}");

    // Plain `studytime` shows the pages of the one that runs.
    let told = home.json(&[]);
    assert_eq!(
        (&told["event"], &told["http"]),
        (&json!("running"), &json!(node.http()))
    );
    assert!(home.text(&[]).contains(node.http()));
    node.stop();
    assert_eq!(home.json(&["status"])["http"], json!(null));
}

#[test]
fn a_port_in_use_is_said_in_words() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, option) in [
        (
            ["serve", "--listen", &address, "--http", "127.0.0.1:0"],
            "--listen",
        ),
        (
            ["serve", "--listen", "127.0.0.1:0", "--http", &address],
            "--http",
        ),
    ] {
        let error = home.fails(1, &args);
        assert!(
            error["message"].as_str().unwrap().contains(&address),
            "{error}"
        );
        assert!(error["hint"].as_str().unwrap().contains(option), "{error}");
    }
    // The directory is free again.
    home.json(&["whoami"]);
}

#[test]
fn it_ends_in_order_on_both_signals() {
    for signal in ["INT", "TERM"] {
        let home = Home::new();
        let mut node = home.serve(&[]);
        let status = node.signal(signal);
        assert_eq!(status.code(), Some(0), "SIG{signal}: {}", node.stderr());
        assert_eq!(home.json(&["whoami"])["id"], node.id());
    }
}

#[test]
fn after_a_kill_it_starts_again() {
    let home = Home::new();
    let node = home.serve(&[]);
    let id = node.id().to_owned();
    node.kill();
    let again = home.serve(&[]);
    assert_eq!(again.id(), id);
    again.stop();
}

#[test]
fn without_pages_there_is_no_http() {
    let home = Home::new();
    let node = home.serve(&["--no-http"]);
    assert_eq!(node.ready["http"], json!(null));
    let error = home.fails(1, &[]);
    assert!(
        error["message"].as_str().unwrap().contains("without pages"),
        "{error}"
    );
    node.stop();
}

#[test]
fn two_nodes_meet_and_say_so() {
    let (ann, ben) = (Home::new(), Home::new());
    let (a, b) = (ann.serve(&[]), ben.serve(&[]));
    let peer = ben.json(&["peer", "connect", a.address()]);
    assert_eq!(
        (&peer["id"], &peer["state"]),
        (&json!(a.id()), &json!("connected"))
    );
    a.event("ben connected", |e| {
        e["event"] == "peer" && e["state"] == "connected" && e["id"] == b.id()
    });
    let peers = ann.lines(&["peer", "list"]);
    assert!(
        peers
            .iter()
            .any(|p| p["id"] == b.id() && p["state"] == "connected"),
        "{peers:?}"
    );
    let code = ann.json(&["peer", "new-invite", "--uses", "2"]);
    assert_eq!(code["uses"], 2);
    let used = ben.json(&["peer", "invite", code["code"].as_str().unwrap()]);
    assert_eq!(
        (&used["id"], &used["invite"], &used["state"]),
        (&json!(a.id()), &json!("pub"), &json!("connected"))
    );
    let id = b.id().to_owned();
    b.stop();
    a.event("ben left", |e| {
        e["event"] == "peer" && e["state"] == "disconnected" && e["id"] == id.as_str()
    });
    a.stop();
}

#[test]
fn a_command_alone_connects_and_takes_what_there_is() {
    let (ann, ben) = (Home::new(), Home::new());
    ann.json(&["catalog", "new", "Ann's list"]);
    let list = ann
        .lines(&["catalog", "list"])
        .into_iter()
        .find(|l| l["own"] == true)
        .unwrap();
    let list = list["id"].as_str().unwrap();
    ann.json(&[
        "catalog",
        "publish",
        "Ann's list",
        "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519",
        "--name",
        "Soil",
    ]);
    let a = ann.serve(&[]);
    ben.json(&["catalog", "add", list]);
    ben.json(&["peer", "connect", a.address()]);
    let courses = ben.lines(&["course", "list"]);
    assert!(courses.iter().any(|c| c["name"] == "Soil"), "{courses:?}");
    a.stop();
}

#[test]
fn a_wrong_network_and_a_dead_address_are_told_apart() {
    let ann = Home::new();
    let a = ann.serve(&[]);
    let other = Home::on_network("b3RoZXIgdGVzdCBuZXR3b3JrICAgICgzMiBieXRlcyk=");
    let wrong = other.fails(1, &["peer", "connect", a.address(), "--timeout", "10"]);
    assert!(
        wrong["message"].as_str().unwrap().contains("network"),
        "{wrong}"
    );
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let dead = a
        .address()
        .replace(a.ready["listen"].as_str().unwrap(), &free.to_string());
    let dead = other.fails(1, &["peer", "connect", &dead, "--timeout", "10"]);
    assert_ne!(wrong["message"], dead["message"]);
    assert_eq!(
        other.fails(4, &["peer", "connect", "nonsense"])["kind"],
        "refused"
    );
    a.stop();
}

#[test]
fn the_demo_shows_a_course_and_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let mut command = bare(&["demo", "--json", "--network-key", common::NETWORK_KEY]);
    command.env("TMPDIR", tmp.path());
    let demo = Serving::start(command);
    assert_eq!(get(demo.http(), "/", &[]).status, 200);
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
    demo.stop();
    eventually("the demo's directory goes", || {
        (std::fs::read_dir(tmp.path()).unwrap().count() == 0).then_some(())
    });
}

#[test]
fn for_people_the_start_names_the_pages() {
    use std::io::{BufRead as _, BufReader};
    let home = Home::new();
    let mut child = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let text: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|l| !l.starts_with("Ctrl-C"))
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = text.join("\n");
    assert!(
        text.contains("http://127.0.0.1:") && text.contains("net:127.0.0.1:"),
        "{text}"
    );
}

#[test]
fn plain_studytime_makes_do_with_other_ports() {
    // Whoever has these ports, they are taken.
    let _held = [
        TcpListener::bind("0.0.0.0:8008"),
        TcpListener::bind("127.0.0.1:7008"),
    ];
    let home = Home::new();
    let node = Serving::start(home.command(&["--json"]));
    assert!(!node.http().ends_with(":7008"), "{}", node.ready);
    assert!(!node.address().contains(":8008~"), "{}", node.ready);
    assert_eq!(get(node.http(), "/", &[]).status, 200);
    // Who asks for a port gets it or an error.
    let other = Home::new();
    assert_eq!(
        other.fails(1, &["serve", "--listen", "127.0.0.1:0"])["kind"],
        "failed"
    );
    node.stop();
}

#[test]
fn ctrl_c_ends_a_command_that_waits() {
    let home = Home::new();
    let id = "&AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.sha256";
    let child = home
        .command(&["blob", "get", id, "--timeout", "600", "--json"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lock = home.data_dir().join("lock");
    eventually("the command works on the directory", || {
        std::fs::read_to_string(&lock)
            .ok()
            .filter(|note| note.starts_with("oneshot"))
    });
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("\"cancelled\""), "{stderr}");
    home.json(&["whoami"]);
}

#[test]
fn a_node_that_cannot_be_reached_is_said_in_words() {
    let home = Home::new();
    let node = home.serve(&["--no-http"]);
    std::fs::remove_file(home.data_dir().join("control.sock")).unwrap();
    let error = home.fails(1, &["whoami"]);
    let text = error["message"].as_str().unwrap();
    assert!(
        text.contains("running node") && text.contains("does not answer"),
        "{error}"
    );
    assert!(error["hint"].is_string(), "{error}");
    node.stop();
}
