//! `feed check` judges like any other peer, line by line.

mod common;

use common::{Home, arg, json_lines};
use serde_json::{Value, json};
use studytime_schema::{HmacKey, Keypair, Message, Tip};

/// The first messages of a feed.
fn feed(hmac: Option<&HmacKey>) -> Vec<Message> {
    let keys = Keypair::from_seed(&[7; 32]);
    let mut messages: Vec<Message> = Vec::new();
    for n in 0..3_u64 {
        let tip: Option<Tip> = messages.last().map(Message::tip);
        let content = json!({ "type": "post", "text": format!("number {n}") });
        messages.push(
            Message::sign(&keys, tip.as_ref(), 1_700_000_000_000 + n, &content, hmac)
                .expect("the content can be signed"),
        );
    }
    messages
}

/// Exit code and lines for a file with these lines.
fn check(home: &Home, lines: &[&[u8]], options: &[&str]) -> (i32, Vec<Value>) {
    let file = home.write("messages.jsonl", lines.join(&b'\n'));
    let done = home.run(&[&["feed", "check", arg(&file), "--json"], options].concat());
    (done.code, json_lines(&done.stdout))
}

#[test]
fn without_a_tip_only_a_first_message_is_valid() {
    let home = Home::new();
    let messages = feed(None);
    let (code, lines) = check(&home, &[messages[0].wire().as_bytes()], &[]);
    assert_eq!(code, 0);
    assert_eq!(
        lines,
        [json!({ "valid": true, "id": messages[0].id(), "error": null, "kind": null })]
    );

    let (code, lines) = check(&home, &[messages[1].wire().as_bytes()], &[]);
    assert_eq!(code, 4);
    assert_eq!(lines[0]["valid"], false);
    assert_eq!(lines[0]["id"], json!(messages[1].id()));
    assert_eq!(lines[0]["kind"], "not_first");
    assert!(
        lines[0]["error"].as_str().unwrap().contains("first"),
        "{lines:?}"
    );
    assert!(!home.data_dir().exists(), "judging needs no data directory");
}

#[test]
fn with_a_tip_exactly_the_next_message_is_valid() {
    let home = Home::new();
    let messages = feed(None);
    let tip = format!("{},1", messages[0].id());
    let wires: Vec<&[u8]> = messages.iter().map(|m| m.wire().as_bytes()).collect();
    let (code, lines) = check(&home, &wires, &["--tip", &tip]);
    assert_eq!(code, 4);
    let valid: Vec<bool> = lines
        .iter()
        .map(|l| l["valid"].as_bool().unwrap())
        .collect();
    assert_eq!(valid, [false, true, false]);
    assert_eq!([&lines[0]["kind"], &lines[2]["kind"]], ["old", "gap"]);
}

#[test]
fn what_is_no_message_is_told_line_by_line() {
    let home = Home::new();
    let messages = feed(None);
    let good = messages[0].wire().as_bytes();
    let changed = messages[0].wire().replace("number 0", "number 9");
    let long = vec![b' '; (1 << 20) + 1];
    let lines: &[&[u8]] = &[
        good,
        b"",
        b"no json",
        &[0xff, 0xfe],
        changed.as_bytes(),
        &long,
        b"{}",
        good,
        b"",
    ];
    let (code, verdicts) = check(&home, lines, &[]);
    assert_eq!(code, 4);
    let valid: Vec<bool> = verdicts
        .iter()
        .map(|l| l["valid"].as_bool().unwrap())
        .collect();
    assert_eq!(
        valid,
        [true, false, false, false, false, false, false, true],
        "one a line, the last line end is none"
    );
    for verdict in verdicts.iter().filter(|v| v["valid"] == false) {
        assert!(
            verdict["error"].as_str().is_some_and(|e| !e.is_empty()),
            "{verdict}"
        );
        assert_eq!(verdict["id"], Value::Null);
    }
    let kinds: Vec<&str> = verdicts.iter().filter_map(|v| v["kind"].as_str()).collect();
    let expected = [
        "not_json",
        "not_json",
        "not_utf8",
        "wrong_signature",
        "too_many_bytes",
        "fields",
    ];
    assert_eq!(kinds, expected);
}

/// Lines of every length and kind, one of them longer than the program may keep.
#[test]
fn rubbish_gets_a_verdict_a_line() {
    let home = Home::new();
    let deep = vec![b'['; 60_000];
    let endless = vec![b'{'; 8 << 20];
    let binary: Vec<u8> = (0..=255).filter(|b| *b != b'\n').collect();
    let mut lines: Vec<&[u8]> = vec![&deep, &endless, &binary];
    lines.extend([b"x".as_slice(); 5_000]);
    let (code, verdicts) = check(&home, &lines, &[]);
    assert_eq!((code, verdicts.len()), (4, lines.len()));
    let kinds = ["not_json", "too_many_bytes", "not_utf8", "not_json"];
    for (verdict, kind) in verdicts.iter().zip(kinds) {
        assert_eq!(verdict["kind"], kind);
    }
}

#[test]
fn a_private_network_has_a_signing_key() {
    let home = Home::new();
    let key = HmacKey::from_bytes([9; 32]);
    let message = &feed(Some(&key))[0];
    let wire: &[&[u8]] = &[message.wire().as_bytes()];
    assert_eq!(check(&home, wire, &["--hmac", &key.to_string()]).0, 0);
    assert_eq!(check(&home, wire, &[]).0, 4);
}

#[test]
fn for_people_each_line_is_named() {
    let home = Home::new();
    let messages = feed(None);
    let file = home.write("m", format!("{}\nnonsense\n", messages[0].wire()));
    let done = home.run(&["feed", "check", arg(&file)]);
    assert_eq!(done.code, 4);
    assert!(
        done.stdout.starts_with(&format!(
            "line 1: valid, {}\nline 2: invalid: ",
            messages[0].id()
        )),
        "{done:?}"
    );
    assert!(done.stderr.contains("1 of 2"), "{done:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::new();
    let error = home.fails(3, &["feed", "check", "absent.jsonl"]);
    assert!(
        error["message"].as_str().unwrap().contains("absent.jsonl"),
        "{error}"
    );
    std::fs::create_dir(home.path("folder")).unwrap();
    assert_eq!(
        home.fails(4, &["feed", "check", "folder"])["kind"],
        "refused"
    );
}
