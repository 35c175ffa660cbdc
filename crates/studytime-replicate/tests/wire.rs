//! Arguments and frames, as known programs write them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use proptest::prelude::*;
use studytime_replicate::Note;
use studytime_replicate::wire::{
    ArgsError, Frame, HistoryRequest, MAX_NOTES_BYTES, NotesWriter, REPLICATE_ARGS,
    ReplicateOptions, check_replicate_args, history_item,
};
use studytime_schema::FeedId;

const A: &str = "@bNTSfPQhO6FCS5MCSd+be6L/z5FFInaCkEGkb3cCYaI=.ed25519";
const B: &str = "@mh7MPwjXH2/Ky/DTiLFv4bR3IKmW8uQz262N9FWiXak=.ed25519";

fn id(text: &str) -> FeedId {
    text.parse().unwrap()
}

fn parse(text: &str) -> Frame {
    Frame::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn notes(text: &str) -> Vec<(FeedId, i64)> {
    match parse(text) {
        Frame::Notes(notes) => notes.into_iter().map(|(f, n)| (f, n.encode())).collect(),
        other => panic!("{text} was taken for {other:?}"),
    }
}

#[test]
fn replicate_arguments() {
    for good in [
        REPLICATE_ARGS,
        r#"[{"version":3}]"#,
        r#"[{"version":3.0,"format":"classic","more":1}]"#,
    ] {
        assert_eq!(check_replicate_args(good.as_bytes()), Ok(()), "{good}");
    }
    for (bad, error) in [
        (r#"[{"version":2}]"#, ArgsError::Version),
        (r#"[{}]"#, ArgsError::Version),
        (r#"[]"#, ArgsError::Version),
        (r#"{"version":3}"#, ArgsError::Version),
        (r#"[{"version":"3"}]"#, ArgsError::Version),
        (
            r#"[{"version":3,"format":"bendybutt-v1"}]"#,
            ArgsError::Format,
        ),
        ("", ArgsError::Version),
    ] {
        assert_eq!(check_replicate_args(bad.as_bytes()), Err(error), "{bad}");
    }
    assert_eq!(
        serde_json::to_string(&[ReplicateOptions::default()]).unwrap(),
        REPLICATE_ARGS
    );
    assert_eq!(
        ArgsError::Version.to_string(),
        "expected ebt.replicate({version: 3})"
    );
}

/// Frames out of recorded conversations with JavaScript peers.
#[test]
fn recorded_frames() {
    assert_eq!(notes("{}"), []);
    let first = format!(r#"{{"{B}":2,"{A}":0}}"#);
    assert_eq!(
        notes(&first),
        [(id(B), 2), (id(A), 0)],
        "in the order they were written"
    );
    let message = format!(
        r#"{{"previous":null,"sequence":1,"author":"{A}","timestamp":1795332541929,"hash":"sha256","content":{{"type":"post","text":"one"}},"signature":"dwDx.sig.ed25519"}}"#
    );
    let wire = Bytes::from(message.clone());
    assert_eq!(
        Frame::parse(&wire).unwrap(),
        Frame::Message {
            author: id(A),
            sequence: 1,
            wire
        }
    );
}

#[test]
fn notes_or_message() {
    // Wrapped, as some programs are said to do.
    assert_eq!(
        notes(&format!(r#"{{"clock":{{"{A}":7}},"x":1}}"#)),
        [(id(A), 7)]
    );
    // Not whole, not a number, negative, beyond any feed: all mean a refusal.
    for odd in [
        "1.5",
        "\"2\"",
        "null",
        "-1",
        "-9",
        "true",
        "1e300",
        "8589934592",
        "{}",
        "[]",
    ] {
        assert_eq!(
            notes(&format!(r#"{{"{A}":{odd}}}"#)),
            [(id(A), -1)],
            "{odd}"
        );
    }
    for (spelled, number) in [("6", 6), ("6.0", 6), ("6e0", 6), ("60e-1", 6)] {
        assert_eq!(
            notes(&format!(r#"{{"{A}":{spelled}}}"#)),
            [(id(A), number)],
            "{spelled}"
        );
    }
    assert_eq!(
        notes(r#"{"@short.ed25519":2,"ssb:feed/x":1,"":0}"#),
        [],
        "no feeds"
    );
    // Escapes in keys are legal JSON.
    assert_eq!(
        notes(&format!(r#"{{"\u0040{}":2}}"#, &A[1..])),
        [(id(A), 2)]
    );
    // No message: the author is none, the sequence is none, or nothing is in it.
    for text in [
        r#"{"author":"me","sequence":1,"content":{}}"#.to_owned(),
        format!(r#"{{"author":"{A}","sequence":0,"content":{{}}}}"#),
        format!(r#"{{"author":"{A}","sequence":-1,"content":{{}}}}"#),
        format!(r#"{{"author":"{A}","sequence":1.5,"content":{{}}}}"#),
        format!(r#"{{"author":"{A}","sequence":1}}"#),
    ] {
        assert_eq!(notes(&text), [], "{text}");
    }
    for bad in ["", "[]", "1", "null", "\"x\"", "{", "{\"a\":}", "\u{0}"] {
        assert!(
            Frame::parse(&Bytes::copy_from_slice(bad.as_bytes())).is_err(),
            "{bad:?}"
        );
    }
    let deep = format!(
        "{{\"content\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let _ = Frame::parse(&Bytes::from(deep));
}

#[test]
fn notes_are_written_as_others_write_them() {
    let mut writer = NotesWriter::new();
    assert!(writer.is_empty());
    writer.push(
        &id(B),
        Note::Have {
            sequence: 1,
            receive: true,
        },
    );
    writer.push(&id(A), Note::Refuse);
    assert_eq!(writer.finish(), format!(r#"{{"{B}":2,"{A}":-1}}"#));
    assert_eq!(NotesWriter::new().finish(), "{}");
}

#[test]
fn history_arguments() {
    let request = HistoryRequest {
        limit: Some(1_000),
        ..HistoryRequest::new(id(A), 3)
    };
    assert_eq!(
        request.to_args(),
        format!(r#"[{{"id":"{A}","seq":3,"limit":1000,"live":false,"keys":false}}]"#)
    );
    assert_eq!(
        HistoryRequest::from_args(request.to_args().as_bytes()),
        Ok(request)
    );

    let read = |args: String| HistoryRequest::from_args(args.as_bytes());
    // A recorded call.
    let recorded = read(format!(
        r#"[{{"id":"{A}","seq":1,"live":true,"keys":false}}]"#
    ))
    .unwrap();
    assert_eq!(
        recorded,
        HistoryRequest {
            live: true,
            ..HistoryRequest::new(id(A), 1)
        }
    );
    // The guide's spelling, and its defaults.
    let bare = read(format!(r#"[{{"id":"{A}","sequence":5,"limit":-1}}]"#)).unwrap();
    assert_eq!(
        bare,
        HistoryRequest {
            keys: true,
            ..HistoryRequest::new(id(A), 5)
        }
    );
    assert_eq!(
        read(format!(
            r#"[{{"id":"{A}","seq":2,"sequence":9,"old":false,"values":false}}]"#
        )),
        Ok(HistoryRequest {
            keys: true,
            old: false,
            values: false,
            ..HistoryRequest::new(id(A), 2)
        })
    );
    assert_eq!(
        read(r#"[{"id":"@nobody"}]"#.into()),
        Err(ArgsError::NotAFeed("@nobody".into()))
    );
    let odd = read(r#"[{"id":"a\"b\\c\n"}]"#.into())
        .unwrap_err()
        .to_string();
    assert_eq!(odd, "abc is not a feed", "nothing that would need escapes");
    for bad in ["[]", "{}", "", "[1]", "[{\"id\":1}]"] {
        assert!(read(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn history_items_with_and_without_keys() {
    let value = format!(r#"{{"author":"{A}","sequence":1,"content":{{}}}}"#);
    let bare = Bytes::from(value.clone());
    assert_eq!(history_item(&bare).unwrap(), bare);
    let wrapped = Bytes::from(format!(r#"{{"key":"%x","value":{value},"timestamp":1}}"#));
    assert_eq!(history_item(&wrapped).unwrap(), value);
    assert!(history_item(&Bytes::from_static(b"[1]")).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let _ = Frame::parse(&bytes);
        let _ = history_item(&bytes);
        let _ = check_replicate_args(&bytes);
        let _ = HistoryRequest::from_args(&bytes);
    }

    #[test]
    fn notes_read_back(wanted: Vec<([u8; 32], u32, bool)>) {
        let mut writer = NotesWriter::new();
        let mut expected = Vec::new();
        for (key, sequence, receive) in wanted {
            let note = Note::Have { sequence: u64::from(sequence >> 1), receive };
            let feed = FeedId::from_bytes(key);
            writer.push(&feed, note);
            expected.push((feed, note));
        }
        prop_assert_eq!(Frame::parse(&writer.finish()).unwrap(), Frame::Notes(expected));
    }

    #[test]
    fn full_frames_stay_within_the_limit(seed: u8) {
        let mut writer = NotesWriter::new();
        let mut n = 0u32;
        while !writer.is_full(MAX_NOTES_BYTES) {
            let mut key = [seed; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            writer.push(&FeedId::from_bytes(key), Note::Have { sequence: 2_147_483_647, receive: false });
            n += 1;
        }
        prop_assert!(n > 3_000);
        prop_assert!(writer.finish().len() <= MAX_NOTES_BYTES);
    }
}
