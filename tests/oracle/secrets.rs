//! Secret files and signatures beside ssb-keys, in both directions.

use crate::ask::Oracle;
use crate::generate::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::Path;
use studytime_schema::{FeedId, HmacKey, Keypair, Message, SecretFileError, Tip, verify_detached};

/// Whose keys the oracle reads from this text; `None` when it has no use for it.
fn theirs(oracle: &mut Oracle, folder: &Path, text: &str) -> Option<String> {
    let path = folder.join("secret-to-read");
    std::fs::write(&path, text).unwrap();
    let answer = oracle.ask(&json!({ "ask": "load_secret", "path": path }));
    Some(answer["id"].as_str()?.to_owned())
}

fn ours(text: &str) -> Result<String, SecretFileError> {
    Keypair::from_secret_file(text).map(|keys| keys.id().to_string())
}

#[test]
fn their_secret_files_are_read_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start();
    for n in 0..20 {
        let path = folder.path().join(format!("secret-{n}"));
        let id = oracle.ask(&json!({ "ask": "new_secret", "path": path }));
        let text = std::fs::read_to_string(&path).unwrap();
        let keys = Keypair::from_secret_file(&text).unwrap();
        assert_eq!(id, keys.id().to_string());
        // They sign alike, so it is the same secret.
        let again = keys.to_secret_file();
        assert_eq!(
            theirs(&mut oracle, folder.path(), &again),
            Some(keys.id().to_string())
        );
        assert_eq!(
            Keypair::from_secret_file(&again).unwrap().secret_bytes(),
            keys.secret_bytes()
        );
    }
}

/// One secret file in many layouts: whatever they can use, we read as the same keys.
#[test]
fn secret_files_in_any_layout_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(3);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..300 {
        let keys = Keypair::from_seed(&rng.bytes());
        let (id, public) = (keys.id().to_string(), keys.id().to_bare());
        let private = format!("{}.ed25519", STANDARD.encode(keys.secret_bytes()));
        let mut fields = vec![
            ("curve", json!("ed25519")),
            ("public", json!(public)),
            ("private", json!(private)),
            ("id", json!(rng.pick(&[id.clone(), public.clone()]))),
        ];
        if rng.chance(20) {
            fields.push(("more", json!({ "a": [1, "x"], "private": "y" })));
        }
        if rng.chance(30) {
            let gone = rng.pick(&["curve", "id", "id"]);
            fields.retain(|(name, _)| *name != gone);
        }
        for i in (1..fields.len()).rev() {
            fields.swap(i, rng.below(i + 1));
        }
        let line_end = rng.pick(&["\n", "\n", "\r\n", "\n\n", "\n  \n", ""]);
        let comment = |rng: &mut Rng| {
            let comments = [
                "",
                "",
                "# a comment",
                " \t# {\"private\":\"x\"}",
                "#",
                "# é ☃",
                "## @x.ed25519",
            ];
            rng.pick(&comments).to_owned()
        };
        let mut text = String::new();
        for _ in 0..rng.below(3) {
            text += &comment(&mut rng);
            text.push('\n');
        }
        text.push('{');
        for (n, (name, value)) in fields.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let space = rng.pick(&["", " ", "\t", "   "]);
            text += &format!("{comma}{line_end}{space}\"{name}\"{space}:{space}{value}");
            if line_end.contains('\n') && rng.chance(20) {
                text += &comment(&mut rng);
                text.push('\n');
            }
        }
        text += &format!(
            "{line_end}}}{}",
            rng.pick(&["", "\n", "\r\n", "\n# end", " # end\n\n", "\n\n\n#"])
        );
        if rng.chance(10) {
            // Cut off.
            text.truncate(
                (0..text.len())
                    .rfind(|&i| text.is_char_boundary(i) && i <= 200)
                    .unwrap(),
            );
        }
        match (ours(&text), theirs(&mut oracle, folder.path(), &text)) {
            (Ok(ours), Some(theirs)) => {
                assert_eq!(ours, theirs, "{text}");
                assert_eq!(ours, id);
                read += 1;
            }
            (Err(error), None) => {
                assert!(error.to_string().contains("secret file"), "{error}");
                refused += 1;
            }
            (ours, theirs) => panic!("read as {ours:?} here and as {theirs:?} there: {text}"),
        }
    }
    assert!(read > 200 && refused > 10, "{read} {refused}");
}

/// Keys of other kinds and damaged ones are refused, and the words say which it is.
#[test]
fn other_keys_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::start();
    let keys = Keypair::from_seed(&[1; 32]);
    let public = keys.id().to_bare();
    let private = STANDARD.encode(keys.secret_bytes());
    let file = |curve: &str, public: &str, private: &str| {
        json!({ "curve": curve, "public": public, "private": private }).to_string()
    };
    let cases = [
        (
            file("k256", &public, &format!("{private}.k256")),
            "of kind \"k256\"",
        ),
        (
            file("curve25519", "AAAA.curve25519", "AAAA.curve25519"),
            "of kind \"curve25519\"",
        ),
        // An older layout: the bare secret and nothing else.
        (format!("# old\n{private}.ed25519\n"), "one JSON object"),
        (String::new(), "one JSON object"),
        (file("ed25519", &public, "AAAA.ed25519"), "is damaged"),
    ];
    for (text, words) in cases {
        let error = ours(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(theirs(&mut oracle, folder.path(), &text), None, "{text}");
    }
    // Halves that do not belong together: they would sign as nobody.
    let other = Keypair::from_seed(&[2; 32]).id().to_bare();
    let error = ours(&file("ed25519", &other, &format!("{private}.ed25519"))).unwrap_err();
    assert!(error.to_string().contains("another key"), "{error}");
}

/// What they sign verifies here, what is signed here is what they would have
/// written, to the byte.
#[test]
fn messages_are_signed_alike() {
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(4);
    for n in 0..400_u64 {
        let seed = 1 + (n % 3) as u8;
        let keys = Keypair::from_seed(&[seed; 32]);
        let hmac = rng.chance(40).then(|| HmacKey::from_bytes(rng.bytes()));
        let tip = rng.chance(70).then(|| Tip {
            id: studytime_schema::MessageId::from_bytes(rng.bytes()),
            sequence: 1 + rng.next() % 2_147_483_646,
        });
        let time = rng.next() % (1 << 53);
        let content = some_content(&mut rng);
        let ours = Message::sign(&keys, tip.as_ref(), time, &content, hmac.as_ref()).unwrap();
        let theirs = oracle.ask(&json!({
            "ask": "create", "seed": seed, "timestamp": time,
            "hmac": hmac.map(|key| key.to_string()),
            "state": tip.map(|tip| (tip.id.to_string(), tip.sequence)),
            "content": ours.public_content(),
        }));
        assert_eq!(theirs["text"], ours.wire());
        assert_eq!(theirs["id"], ours.id().to_string());
        let read = Message::verify(theirs["text"].as_str().unwrap().as_bytes(), hmac.as_ref());
        assert_eq!(read, Ok(ours));
    }
}

/// A content of the kinds that can be written.
pub(crate) fn some_content(rng: &mut Rng) -> Value {
    let texts = [
        "",
        "plain",
        "tab\tline\nquote\" back\\slash /",
        "\u{0}\u{7}\u{8}\u{b}\u{c}\u{1f}\u{7f}",
        "é ☃ 中 😀 \u{2028}\u{2029}\u{feff}\u{ffff}",
        "<b>&amp;</b>",
        "%s {} ${x} \\u0041",
    ];
    let mut some = |depth: usize| some_value(rng, &texts, depth);
    json!({
        "type": "studytime_course", "a": some(2), "Z": some(1), "é": some(0), "": some(3), "a b\"\\": some(0),
    })
}

fn some_value(rng: &mut Rng, texts: &[&str], depth: usize) -> Value {
    match rng.below(if depth > 0 { 7 } else { 5 }) {
        0 => json!(rng.pick(texts)),
        1 => json!(rng.next() as i32),
        2 => json!(rng.next() as i64 >> 11),
        3 => rng.pick(&[Value::Null, json!(true), json!(false), json!({}), json!([])]),
        4 => json!(rng.pick(&[9_007_199_254_740_991_i64, -9_007_199_254_740_991, 0, -1])),
        5 => (0..rng.below(4))
            .map(|_| some_value(rng, texts, depth - 1))
            .collect(),
        _ => {
            let member = |i| (format!("k{i}"), some_value(rng, texts, depth - 1));
            Value::Object((0..3).map(member).collect())
        }
    }
}

/// Signatures over other values than messages (as invites and beacons carry them).
#[test]
fn other_values_are_signed_alike() {
    let mut oracle = Oracle::start();
    let mut rng = Rng::new(5);
    for _ in 0..50 {
        let keys = Keypair::from_seed(&[2; 32]);
        let text = some_content(&mut rng).to_string();
        let theirs = oracle.ask(&json!({ "ask": "sign", "seed": 2, "hmac": null, "text": text }));
        let bytes = studytime_schema::json::signed_form(&text).unwrap();
        let ours = keys.sign(bytes.as_bytes());
        assert_eq!(theirs, STANDARD.encode(ours));
        let author: FeedId = keys.id();
        assert!(verify_detached(&author, bytes.as_bytes(), &ours));
    }
}
