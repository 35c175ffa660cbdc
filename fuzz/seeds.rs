//! Writes the seeds of the targets whose input has a form that people know:
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//!
//! All of it is made here; nothing comes from anybody's feed or course.

use serde_json::json;
use std::fs;
use std::path::Path;
use studytime_fuzz::{feeds, zip};
use studytime_muxrpc::{Body, CallKind, Limits, Mux, NO_ARGS};
use studytime_schema::private::{Randomness, seal};
use studytime_schema::{BlobId, FeedId, Message, MessageId, Segmenter};

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn main() -> std::io::Result<()> {
    let all: [(&str, Seeds); 12] = [
        ("message", messages()),
        ("json", json_texts()),
        ("private_box", boxes()),
        ("packet", packets()),
        ("history", arguments()),
        ("manifest", manifests()),
        ("archive", archives()),
        ("content", contents()),
        ("text", texts()),
        ("beacon", beacons()),
        ("ways", ways()),
        ("query", queries()),
    ];
    let noisy = [
        ("mux", None),
        ("beacon", None),
        ("ebt", None),
        ("fold", None),
        ("message_signed", Some((0, 2))),
        ("json", Some((1, 2))),
        ("private_box", Some((3, 4))),
        ("packet", Some((1, 2))),
        ("history", Some((2, 3))),
        ("archive", Some((1, 3))),
        ("content", Some((1, 4))),
        ("ways", Some((1, 5))),
    ];
    let noisy = noisy.map(|(target, form)| (target, noise(form)));
    for (target, seeds) in all.into_iter().chain(noisy) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

/// The bytes that make `arbitrary` take variant `k` of `n`, and what it holds.
fn variant(k: u64, n: u64, rest: &[u8]) -> Vec<u8> {
    let choice = ((k << 32) + (1 << 31)) / n;
    let choice = u32::try_from(choice).expect("k is less than n");
    [&choice.to_le_bytes()[..], rest].concat()
}

fn messages() -> Seeds {
    let keys = feeds::keys(1);
    let sign = |content| {
        Message::sign(&keys, None, 1_700_000_000_000, &content, None).expect("a draft that fits")
    };
    let first = sign(json!({"type": "post", "text": "hello"}));
    let second = Message::sign(
        &keys,
        Some(&first.tip()),
        1_700_000_000_001,
        &json!({"type": "post", "text": "é☃😀\u{7f}\n\"\\"}),
        None,
    );
    let text = first.wire();
    let random = Randomness {
        nonce: [1; 24],
        key: [2; 32],
        onetime: [3; 32],
    };
    let boxed = seal(b"{\"type\":\"x\"}", &[keys.id()], &random).expect("one reader");
    let private = Message::sign_private(&keys, None, 1, &boxed, None).expect("a box");
    let nested = (0..7).fold(json!(1), |inner, _| json!({"a": [inner]}));
    let mut seeds: Seeds = vec![
        ("first", text.into()),
        ("second", second.expect("a draft that fits").wire().into()),
        ("private", private.wire().into()),
        ("nested", sign(json!({"type": "test", "deep": nested})).wire().into()),
        ("course", sign(json!({"type": "studytime_course", "feed_id": keys.id(), "name": "Knots", "keywords": ["ropes"]})).wire().into()),
        ("spaced", text.replace(',', " ,\n\t").into()),
        ("escaped", text.replace("hello", "h\\u0065llo").into()),
        ("number", text.replace("\"sequence\":1", "\"sequence\":1.0e0").into()),
        ("swapped", text.replace("\"previous\":null,", "").replace("\"author\"", "\"previous\":null,\"author\"").into()),
        ("array_previous", text.replace("null", &format!("[\"{}\"]", MessageId::from_bytes([9; 32]))).into()),
    ];
    for (name, from, to) in [
        ("surrogate", "hello", "\\ud800"),
        ("endless", "1700000000000", "1e400"),
        ("twice", "\"hash\"", "\"hash\":\"x\",\"hash\""),
        ("indexed", "\"text\"", "\"1\":0,\"0\":-0,\"text\""),
    ] {
        seeds.push((name, text.replace(from, to).into()));
    }
    seeds
}

/// Four bytes of choices, then what is typed.
fn queries() -> Seeds {
    let typed = |options: [u8; 4], text: &str| [&options[..], text.as_bytes()].concat();
    vec![
        ("words", typed([0, 0, 10, 16], "linear algebra")),
        ("unfinished", typed([0, 0, 10, 16], "prog")),
        ("misspelt", typed([0, 0, 10, 16], "algerba vectros")),
        ("plural", typed([0, 0, 10, 16], "databases")),
        ("accents", typed([4, 0, 10, 16], "Alge\u{301}bre")),
        (
            "japanese",
            typed([0, 0, 10, 16], "\u{6a5f}\u{68b0}\u{5b66}\u{7fd2}"),
        ),
        (
            "arabic",
            typed(
                [0, 0, 10, 16],
                "\u{627}\u{644}\u{631}\u{64a}\u{627}\u{636}\u{64a}\u{627}\u{62a}",
            ),
        ),
        (
            "operators",
            typed(
                [0, 0, 10, 16],
                "title:x AND (NOT \"y* +- [a TO b] ~2 ^3 \\ /re/ {",
            ),
        ),
        ("signs", typed([0, 0, 10, 16], "c++ c# \u{0}\u{7}\u{202e}")),
        ("filtered", typed([2 | 8 | 32, 4, 0x21, 1], "")),
        ("long", typed([0, 0, 10, 16], &"aa aab ".repeat(600))),
    ]
}

fn json_texts() -> Seeds {
    [
        ("plain", r#"{"a":[1,"x",{"b":null}],"c":true}"#.to_owned()),
        ("spaces", " { \"a\" :\n[ 1 ,\t2 ] } ".to_owned()),
        (
            "numbers",
            "[0,-0,1.0,1e5,1E-7,0.1,123456789012345,9007199254740993,1e21,1e400]".to_owned(),
        ),
        (
            "keys",
            r#"{"b":1,"10":2,"9":3,"b":4,"01":5,"4294967294":6,"4294967295":7}"#.to_owned(),
        ),
        (
            "escapes",
            r#""\u0041\u00e9\ud83d\ude00\ud83d\/\b\f\n\r\t\"\\""#.to_owned(),
        ),
        ("deep", format!("{}1{}", "[".repeat(80), "]".repeat(80))),
        (
            "wide",
            format!(
                "{{{}\"z\":0}}",
                (0..60)
                    .map(|n| format!("\"k{n}\":{n},"))
                    .collect::<String>()
            ),
        ),
        ("broken", r#"{"a":[1,]}"#.to_owned()),
    ]
    .map(|(name, text)| (name, variant(0, 2, text.as_bytes())))
    .into()
}

fn boxes() -> Seeds {
    let random = Randomness {
        nonce: [1; 24],
        key: [2; 32],
        onetime: [3; 32],
    };
    let sealed = |ids: &[FeedId]| seal(b"a secret", ids, &random).expect("readers");
    let one = sealed(&[feeds::keys(0).id()]);
    let three = sealed(&[1, 0, 2].map(|n| feeds::keys(n).id()));
    vec![
        ("one", variant(0, 4, one.as_bytes())),
        ("three", variant(0, 4, three.as_bytes())),
        ("shaped", variant(1, 4, &[7; 200])),
    ]
}

/// What two ends say to each other, one packet after the other.
fn packets() -> Seeds {
    let mut peer = Mux::new(Limits::default());
    for kind in [CallKind::Async, CallKind::Source, CallKind::Duplex] {
        let id = peer
            .call(kind, &["blobs", "get"], &NO_ARGS)
            .expect("a call");
        if kind == CallKind::Duplex {
            peer.send(id, Body::binary(vec![1; 300])).expect("room");
            peer.send(id, Body::raw_json("{\"a\":1}")).expect("room");
            peer.end(id);
        }
    }
    peer.goodbye();
    let mut wire = Vec::new();
    peer.poll_transmit(&mut wire, 1 << 20);
    // An answer to the call that the target makes, and its end.
    let mut answer = vec![8, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, b'a', b'b', b'c'];
    answer.extend([14, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    answer.extend(b"true");
    // Cut every five bytes.
    let whole = |rest: &[u8]| variant(0, 2, &[&[5, 0], rest].concat());
    vec![("calls", whole(&wire)), ("answer", whole(&answer))]
}

fn arguments() -> Seeds {
    let id = feeds::keys(1).id();
    [
        (
            "usual",
            json!([{"id": id, "seq": 3, "live": true, "keys": false}]),
        ),
        (
            "limited",
            json!([{"id": id, "sequence": 0, "limit": 2, "old": false, "values": false}]),
        ),
        (
            "odd",
            json!([{"id": id, "seq": 1e300, "limit": -1, "live": "yes"}, 2]),
        ),
    ]
    .map(|(name, args)| (name, variant(0, 3, args.to_string().as_bytes())))
    .into()
}

fn manifests() -> Seeds {
    let mut segmenter = Segmenter::new();
    for _ in 0..5 {
        segmenter.push(&[1; 700_000]).expect("room");
    }
    let (_, manifest) = segmenter.finish("video/mp4").expect("bytes");
    let text = String::from_utf8(manifest.to_json()).expect("JSON");
    vec![
        ("right", variant(0, 2, text.as_bytes())),
        (
            "short",
            variant(0, 2, text.replace("3500000", "35").as_bytes()),
        ),
        (
            "version",
            variant(
                0,
                2,
                text.replace("\"version\":1", "\"version\":2").as_bytes(),
            ),
        ),
    ]
}

fn archives() -> Seeds {
    let folder = zip::archive(&[
        ("knots/01_intro.md", b"# Intro\n\nSee ![a knot](img/knot.png) and [more](02_more.html).\n"),
        ("knots/02_more.html", b"<html><head><title>More</title></head><body><p>x <a href='01_intro.md'>y</a></p></body></html>"),
        ("knots/03_talk.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x08mdat"),
        ("knots/03_talk.en.srt", b"1\n00:00:01,000 --> 00:00:02,500\nhello\n"),
        ("knots/04_paper.pdf", b"%PDF-1.4\n1 0 obj<</Title (A paper)>>endobj\n"),
        ("knots/quiz.json", br#"{"questions":[{"kind":"single","question":"?","options":["a","b"],"answer":1}]}"#),
        ("knots/course.toml", b"name = \"Knots\"\nkeywords = [\"ropes\"]\nlicense = \"CC-BY-4.0\"\n"),
        ("knots/img/knot.png", b"\x89PNG\r\n\x1a\n"),
    ]);
    let escape = zip::archive(&[("../up.md", b"# up"), ("a.md", b"# a")]);
    vec![
        ("folder.zip", variant(0, 3, &folder)),
        ("escape.zip", variant(0, 3, &escape)),
        ("empty.zip", variant(0, 3, &zip::archive(&[]))),
        ("talk.srt", variant(2, 3, b"1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>hello</i> & more\r\n\r\n2\r\n00:01:00,000 --> 00:01:01,000\r\nbye\r\n")),
        ("talk.vtt", variant(2, 3, b"WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.000 align:start\nhello\n")),
    ]
}

fn contents() -> Seeds {
    let (feed, message, blob) = (
        feeds::keys(1).id(),
        MessageId::from_bytes([5; 32]),
        BlobId::of(b"x"),
    );
    let question = json!({"kind": "match", "question": "Which?", "pairs": [{"left": "a", "right": "b"}, {"left": "c", "right": "d"}], "extra": ["e"], "points": 2});
    let numeric = json!({"kind": "numeric", "question": "How long?", "answer": "2,5", "tolerance": 0.5, "unit": "m"});
    let list =
        json!([question, numeric, {"kind": "order", "question": "?", "items": ["a", "b", "c"]}]);
    let mut seeds: Seeds = [
        ("course", json!({"type": "studytime_course", "feed_id": feed, "name": "Knots", "level": "beginner", "duration_minutes": 5.0, "image": blob})),
        ("course_update", json!({"type": "studytime_course_update", "feed_id": feed, "deprecated": true, "successor": feed, "description": ""})),
        ("lesson", json!({"type": "studytime_course_lesson", "lesson_number": 1, "name": "Bowline", "lesson_content": "# x", "mentions": [{"link": blob}]})),
        ("lesson_update", json!({"type": "studytime_course_lesson_update", "lesson": message, "removed": true})),
        ("video", json!({"type": "studytime_course_lesson_video", "lesson_number": 1, "name": "v", "sources": [blob, {"link": blob, "manifest": true, "size": 9}], "captions": [{"link": blob, "language": "en"}]})),
        ("attachment", json!({"type": "studytime_course_lesson_attachment", "lesson_number": 1, "name": "p", "link": blob, "size": 3})),
        ("test", json!({"type": "studytime_course_test", "lesson_number": 1, "name": "t", "questions": list.clone(), "pass_percent": 60})),
        ("item_update", json!({"type": "studytime_course_item_update", "item": message, "name": "n"})),
        ("enrolment", json!({"type": "studytime_enrolment", "feed_id": feed, "enrolled": true})),
        ("progress", json!({"type": "studytime_progress", "entries": [{"feed_id": feed, "item": message, "position_seconds": 1.5, "done": true}]})),
        ("result", json!({"type": "studytime_test_result", "feed_id": feed, "item": message, "score": 66.6, "answers": [{"kind": "match", "matches": [1, null]}]})),
        ("note", json!({"type": "studytime_note", "feed_id": feed, "lesson": message, "text": "x", "part": 1, "parts": 2})),
        ("bookmark", json!({"type": "studytime_bookmark", "feed_id": feed, "item": message, "bookmarked": false})),
        ("catalogs", json!({"type": "studytime_catalogs", "lists": [feed, feed]})),
        ("contact", json!({"type": "contact", "contact": feed, "following": true})),
        ("about", json!({"type": "about", "about": feed, "name": "n", "image": {"link": blob}})),
        ("pub", json!({"type": "pub", "address": {"key": feed, "host": "example.org", "port": 8008}})),
    ]
    .map(|(name, content)| (name, variant(0, 4, content.to_string().as_bytes())))
    .into();
    seeds.push(("questions", variant(2, 4, list.to_string().as_bytes())));
    seeds.push((
        "captions",
        variant(
            2,
            4,
            json!([{"link": blob, "language": "en"}])
                .to_string()
                .as_bytes(),
        ),
    ));
    let links = format!(
        "![x]({blob}) &amp;{} %26{} {}",
        &blob.to_string()[1..],
        &blob.to_string()[1..],
        blob.to_uri()
    );
    seeds.push(("links", variant(3, 4, links.as_bytes())));
    seeds
}

fn ways() -> Seeds {
    let (key, room) = (feeds::keys(1).id(), feeds::keys(2).id());
    let base = |id: FeedId| id.to_bare().trim_end_matches(".ed25519").to_owned();
    let (peer, portal) = (base(key), base(room));
    let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let page =
        json!({"status": "successful", "invite": "abc", "postTo": "https://room.example/claim"});
    let alias = json!({"status": "successful", "alias": "ann", "userId": key, "roomId": room, "signature": "x", "multiserverAddress": format!("net:h:1~shs:{portal}")});
    [
        (
            "alternatives",
            0,
            format!("ws://h:8989~shs:{peer};onion:a:1~shs:{peer};net:h:1~shs:{peer}"),
        ),
        (
            "escaped",
            0,
            format!("net:!:!:1:8008~shs:{peer};unix:/run/a!;b~noauth"),
        ),
        ("tunnel", 0, format!("tunnel:{room}:{key}~shs:{peer}")),
        ("old", 0, format!("[::1]:8008:{key}~{seed}#https://h/")),
        (
            "open_room",
            0,
            format!("net:h:1~shs:{portal}:SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24="),
        ),
        (
            "address_uri",
            0,
            format!("ssb:address/multiserver?multiserverAddress=net%3Ah%3A1~shs%3A{peer}"),
        ),
        (
            "claim_uri",
            0,
            "ssb:experimental?action=claim-http-invite&invite=a%2Bb&postTo=https%3A%2F%2Fh%2F"
                .into(),
        ),
        ("link", 0, "https://room.example/join?invite=abc".into()),
        ("page", 3, page.to_string()),
        ("alias", 3, alias.to_string()),
        (
            "refusal",
            3,
            json!({"status": "failed", "error": "used"}).to_string(),
        ),
    ]
    .map(|(name, k, text)| (name, variant(k, 5, text.as_bytes())))
    .into()
}

fn texts() -> Seeds {
    let keys = feeds::keys(1);
    let (key, seed) = (
        keys.id().to_bare(),
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    );
    let base = key.trim_end_matches(".ed25519");
    let blob = BlobId::of(b"x");
    [
        ("secret", 0, keys.to_secret_file()),
        ("feed", 2, keys.id().to_string()),
        ("feed_uri", 2, keys.id().to_uri()),
        ("blob_uri", 2, blob.to_uri()),
        (
            "address",
            3,
            format!("net:example.org:8008~shs:{base};ws:x:1~shs:{base}"),
        ),
        ("address6", 3, format!("net:fe80::1%eth0:8008~shs:{base}")),
        (
            "invite",
            3,
            format!("net:example.org:8008~shs:{base}:{seed}"),
        ),
        ("invite_old", 3, format!("example.org:8008:@{key}~{seed}")),
        (
            "wants",
            5,
            json!({blob.to_string(): -1, "x": 2}).to_string(),
        ),
        (
            "get",
            6,
            json!([{"key": blob, "max": 9, "start": 1, "end": 5}]).to_string(),
        ),
        ("has", 6, json!([[blob, "x"]]).to_string()),
    ]
    .map(|(name, kind, text)| (name, variant(kind, 8, text.as_bytes())))
    .into()
}

/// Packets as others send them: the variant, then the bytes.
fn beacons() -> Seeds {
    let key = feeds::keys(1).id().to_string();
    let key = key.trim_start_matches('@').trim_end_matches(".ed25519");
    let one = format!("net:192.168.1.10:8008~shs:{key}");
    let list = format!("net:fe80::1%eth0:8008~shs:{key};{one};ws:192.168.1.10:8989~shs:{key}");
    vec![
        ("plain", variant(0, 5, one.as_bytes())),
        ("list", variant(0, 5, list.as_bytes())),
        ("sealed", variant(1, 5, &[0x5a; 164])),
        ("boxed", variant(2, 5, one.as_bytes())),
        ("claim", variant(3, 5, &[192, 168, 1, 10, 0x1f, 0x48, 1])),
    ]
}

/// Bytes for inputs that are decoded piece by piece, in one of their forms.
fn noise(form: Option<(u64, u64)>) -> Seeds {
    let mut state = 1u64;
    let mut bytes = |len: usize| {
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let noise = (0..len).map(next).collect::<Vec<u8>>();
        form.map_or_else(|| noise.clone(), |(k, n)| variant(k, n, &noise))
    };
    vec![
        ("noise_1", bytes(200)),
        ("noise_2", bytes(1000)),
        ("noise_3", bytes(2000)),
        ("noise_4", bytes(3000)),
    ]
}
