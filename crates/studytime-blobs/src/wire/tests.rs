use super::*;
use proptest::prelude::*;

const EMPTY: &str = "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256";
const SEEN: &str = "&cPXd40vQahGJvmtuh/lO1hrYj1oulNA5eQP+KpkMkwI=.sha256";

#[test]
fn frames_as_a_javascript_peer_wrote_them() {
    assert_eq!(WantFrame::parse(b"{}").unwrap(), WantFrame::default());
    let id: BlobId = SEEN.parse().unwrap();
    let want = format!("{{\"{SEEN}\":-1}}");
    let frame = WantFrame::parse(want.as_bytes()).unwrap();
    assert_eq!(frame.notes, [(id, Note::Want { hops: 1 })]);
    assert_eq!(frame.to_json(), want.as_bytes());
    let has = format!("{{\"{SEEN}\":150000}}");
    let frame = WantFrame::parse(has.as_bytes()).unwrap();
    assert_eq!(frame.notes, [(id, Note::Has { size: 150_000 })]);
    assert_eq!(frame.to_json(), has.as_bytes());
}

#[test]
fn the_empty_blob_and_zero_are_never_said_or_heard() {
    let id = BlobId::of(b"x");
    let frame = WantFrame {
        notes: vec![
            (BlobId::EMPTY, Note::Want { hops: 1 }),
            (id, Note::Want { hops: 0 }),
            (id, Note::Has { size: 0 }),
        ],
    };
    let text = String::from_utf8(frame.to_json()).unwrap();
    assert_eq!(text, format!("{{\"{id}\":-1,\"{id}\":1}}"));
    let heard = format!("{{\"{EMPTY}\":-1,\"{id}\":0,\"{id}\":-0.0}}");
    assert!(WantFrame::parse(heard.as_bytes()).unwrap().notes.is_empty());
}

#[test]
fn what_means_nothing_is_skipped() {
    let id = BlobId::of(b"x");
    let heard = format!(
        r#"{{"a":1,"{id}":"1","{id}":[1,[2]],"{id}":{{"x":null}},"{id}":null,"{id}":true,
        "{id}":1.5,"{id}":1e300,"{id}":18446744073709551615,"{id}":-3e0}}"#
    );
    let frame = WantFrame::parse(heard.as_bytes()).unwrap();
    assert_eq!(frame.notes, [(id, Note::Want { hops: 3 })]);
    for bad in [
        "[]",
        "1",
        "true",
        "{",
        "",
        "{\"a\"}",
        &format!("{{\"a\":{}", "[".repeat(9_000)),
    ] {
        assert!(WantFrame::parse(bad.as_bytes()).is_err(), "{bad:.20}");
    }
    assert!(matches!(
        WantFrame::parse(&vec![b' '; MAX_FRAME + 1]),
        Err(WireError::TooLong { .. })
    ));
}

#[test]
fn far_wants_stay_far() {
    let id = BlobId::of(b"x");
    let heard = format!("{{\"{id}\":-9223372036854775808}}");
    let frame = WantFrame::parse(heard.as_bytes()).unwrap();
    assert_eq!(frame.notes, [(id, Note::Want { hops: 255 })]);
}

#[test]
fn get_arguments_in_every_dialect() {
    let id: BlobId = SEEN.parse().unwrap();
    let plain = GetArgs {
        id,
        size: None,
        max: None,
        slice: None,
    };
    for text in [
        format!(r#"["{SEEN}"]"#),
        format!(r#"[{{"key":"{SEEN}"}}]"#),
        format!(r#"[{{"hash":"{SEEN}"}}]"#),
        format!(r#"[{{"id":"{SEEN}","max":null}}]"#),
        format!(r#"["{}"]"#, id.to_uri()),
        format!(r#"["{SEEN}?unbox=abc.boxs"]"#),
    ] {
        let args: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(GetArgs::parse(&args, false).unwrap(), plain, "{text}");
    }
    let sliced: Value = serde_json::from_str(&format!(
        r#"[{{"key":"{SEEN}","start":5,"end":7.0,"max":9}}]"#
    ))
    .unwrap();
    let got = GetArgs::parse(&sliced, true).unwrap();
    assert_eq!(got.slice, Some(Slice { start: 5, end: 7 }));
    assert_eq!(got.max, Some(9));
    for text in ["[]", "{}", "[1]", r#"["&x"]"#, "[{}]", "null"] {
        let args: Value = serde_json::from_str(text).unwrap();
        assert!(GetArgs::parse(&args, false).is_err(), "{text}");
    }
    for number in ["-1", "1.5", "\"1\"", "1e300"] {
        let text = format!(r#"[{{"key":"{SEEN}","max":{number}}}]"#);
        let args: Value = serde_json::from_str(&text).unwrap();
        assert!(GetArgs::parse(&args, false).is_err(), "{text}");
    }
}

#[test]
fn the_call_a_javascript_peer_makes() {
    let id: BlobId = SEEN.parse().unwrap();
    let args = GetArgs {
        id,
        size: None,
        max: Some(5_242_880),
        slice: None,
    };
    assert_eq!(
        args.to_args().to_string(),
        format!(r#"[{{"key":"{SEEN}","max":5242880}}]"#)
    );
    assert_eq!(args.method(), ["blobs", "get"]);
}

#[test]
fn has_answers_in_the_shape_of_the_question() {
    let args: Value = serde_json::from_str(&format!(r#"["{SEEN}"]"#)).unwrap();
    assert_eq!(HasArgs::parse(&args).unwrap().answer(|_| true), true);
    let args: Value = serde_json::from_str(&format!(r#"[["{SEEN}","rubbish",3]]"#)).unwrap();
    let answer = HasArgs::parse(&args).unwrap().answer(|_| true);
    assert_eq!(answer, json!([true, false, false]));
    let many = Value::Array(vec![Value::Array(vec![Value::Null; MAX_HAS + 1])]);
    assert!(HasArgs::parse(&many).is_err());
    assert!(HasArgs::parse(&json!([])).is_err());
}

fn note() -> impl Strategy<Value = Note> {
    prop_oneof![
        (1u8..).prop_map(|hops| Note::Want { hops }),
        (1u64..1 << 53).prop_map(|size| Note::Has { size }),
    ]
}

proptest! {
    #[test]
    fn frames_read_back(notes in proptest::collection::vec((any::<[u8; 32]>(), note()), 0..20)) {
        let notes = notes.into_iter().map(|(b, n)| (BlobId::from_bytes(b), n)).collect();
        let frame = WantFrame { notes };
        prop_assert_eq!(WantFrame::parse(&frame.to_json()).unwrap(), frame);
    }

    #[test]
    fn arguments_read_back(
        bytes: [u8; 32],
        size in proptest::option::of(0u64..1 << 53),
        max in 0u64..1 << 53,
        slice in proptest::option::of((0u64..1 << 53, 0u64..1 << 53)),
    ) {
        let slice = slice.map(|(start, end)| Slice { start, end });
        let args = GetArgs { id: BlobId::from_bytes(bytes), size, max: Some(max), slice };
        prop_assert_eq!(GetArgs::parse(&args.to_args(), slice.is_some()).unwrap(), args);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let _ = WantFrame::parse(&bytes);
        let args = json!([{ "key": text }]);
        let _ = GetArgs::parse(&args, true);
        let _ = HasArgs::parse(&args);
    }
}
