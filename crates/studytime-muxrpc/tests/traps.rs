//! What breaks a connection with one known program or another, in the order of
//! the table in docs/protocol.md. The rest of it is tested where it lives.

#![allow(clippy::unwrap_used)]

mod common;

use common::{GOODBYE, events, frame, packets, transmit};
use serde_json::{Value, json};
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, RemoteError, StreamId};

fn mux() -> Mux {
    Mux::new(Limits::default())
}

/// A side that serves a stream, and one that made an async call of it, of each kind.
fn served(mux: &mut Mux) -> Vec<StreamId> {
    let calls = [
        (0x02, r#"{"name":["a","b"],"args":[]}"#),
        (0x0a, r#"{"name":["a","b"],"args":[],"type":"source"}"#),
        (0x0a, r#"{"name":["a","b"],"args":[],"type":"sink"}"#),
        (0x0a, r#"{"name":["a","b"],"args":[],"type":"duplex"}"#),
    ];
    for (number, (flags, call)) in (1..).zip(calls) {
        mux.handle_bytes(&frame(flags, number, call)).unwrap();
    }
    let id = |event| match event {
        Event::Call { id, .. } => id,
        other => panic!("{other:?}"),
    };
    events(mux).into_iter().map(id).collect()
}

/// JavaScript takes any packet without a body for a goodbye: none is ever written,
/// whatever the application does, but the goodbye itself.
#[test]
fn trap_1_no_packet_without_a_body() {
    let mut bob = mux();
    let ids = served(&mut bob);
    let ours = bob.call(CallKind::Duplex, &["c"], &NO_ARGS).unwrap();
    for id in ids.iter().copied().chain([ours]) {
        for body in [Body::binary(""), Body::text(""), Body::raw_json("")] {
            assert!(bob.send(id, body.clone()).is_err());
            assert!(bob.reply(id, body).is_err());
        }
    }
    bob.fail(ids[0], "");
    bob.fail(ids[1], "");
    bob.end(ids[2]);
    bob.refuse(ids[3]);
    bob.goodbye();
    let sent = packets(&mut bob);
    let (goodbye, others) = sent.split_last().unwrap();
    assert_eq!((goodbye.0, goodbye.1, goodbye.2.len()), (0, 0, 0));
    assert_eq!(
        others.len(),
        6,
        "a call, four answers, and the end of the call"
    );
    assert!(
        others.iter().all(|(_, _, body)| !body.is_empty()),
        "{others:?}"
    );
    // And one that comes is a goodbye, whatever its other fields say; but for the
    // binary one that JavaScript sends behind a blob of whole pieces.
    let mut alice = mux();
    alice.handle_bytes(&frame(0x08, 7, "")).unwrap();
    assert_eq!(events(&mut alice), []);
    for flags in [0x00, 0x02, 0x0a, 0x0e] {
        let mut alice = mux();
        alice.handle_bytes(&frame(flags, 7, "")).unwrap();
        assert_eq!(events(&mut alice), [Event::Goodbye]);
        assert_eq!(transmit(&mut alice), GOODBYE);
    }
}

/// Ends are JSON: `true`, or an error object. One program writes its errors as
/// text; that is read.
#[test]
fn trap_2_ends_and_errors_are_json() {
    for (how, body) in [("end", Some("true")), ("fail", None), ("refuse", None)] {
        let mut bob = mux();
        for id in served(&mut bob).into_iter().skip(1) {
            // Also after binary data, as at the end of a blob.
            let _ = bob.send(id, Body::binary("bytes"));
            match how {
                "end" => bob.end(id),
                "fail" => bob.fail(id, "no"),
                _ => bob.refuse(id),
            }
        }
        let sent = packets(&mut bob);
        let ends: Vec<_> = sent.iter().filter(|(flags, ..)| flags & 4 != 0).collect();
        assert_eq!(ends.len(), 3);
        for (flags, _, end) in ends {
            assert_eq!((flags & 3, flags & 8), (2, 8), "JSON, on a stream");
            match body {
                Some(body) => assert_eq!(end, body.as_bytes()),
                None => assert!(serde_json::from_slice::<Value>(end).unwrap().is_object()),
            }
        }
    }
    let mut alice = mux();
    let call = alice.call(CallKind::Source, &["a"], &NO_ARGS).unwrap();
    transmit(&mut alice);
    // 0x0d: an end on a stream, as text.
    alice.handle_bytes(&frame(0x0d, -1, "went wrong")).unwrap();
    let end = End::Error(RemoteError::new("went wrong"));
    assert_eq!(events(&mut alice), [Event::Ended { id: call, end }]);
}

/// Three strings and nothing that JSON would escape, whatever the text.
#[test]
fn trap_3_errors_have_three_plain_strings() {
    for text in [
        "plain",
        "",
        "a \"quoted\" C:\\path",
        "lines\nand\ttabs\r\u{0}\u{1f}",
        "Ünïcode \u{2028} \u{1f600}",
    ] {
        let mut bob = mux();
        let ids = served(&mut bob);
        bob.fail(ids[0], text);
        bob.fail(ids[1], text);
        for (_, _, body) in packets(&mut bob) {
            let body = String::from_utf8(body).unwrap();
            assert!(!body.contains('\\'), "{body}");
            let value: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value.as_object().unwrap().len(), 3);
            assert_eq!(
                (&value["name"], &value["stack"]),
                (&json!("Error"), &json!(""))
            );
            assert!(value["message"].is_string());
        }
    }
}

/// JavaScript finds out what a peer cannot do by the text of the refusal. We write
/// that text, and know it and the two others when we read them.
#[test]
fn trap_4_unknown_methods_are_refused_in_the_known_words() {
    let mut bob = mux();
    for id in served(&mut bob) {
        bob.refuse(id);
    }
    let sent = packets(&mut bob);
    assert_eq!(sent.len(), 4);
    for (flags, request, body) in &sent {
        let error: Value = serde_json::from_slice(body).unwrap();
        let text = "method:a,b is not in list of allowed methods";
        assert_eq!(error["message"], text);
        let expected = if *request == -1 { 0x06 } else { 0x0e };
        assert_eq!(*flags, expected);
    }
    for text in [
        "method:a,b is not in list of allowed methods",
        "no async:a,b",
        "muxrpc: no such command: a.b",
    ] {
        let mut alice = mux();
        let id = alice.call(CallKind::Async, &["a", "b"], &NO_ARGS).unwrap();
        transmit(&mut alice);
        let body = json!({"name": "Error", "message": text, "stack": ""}).to_string();
        alice.handle_bytes(&frame(0x06, -1, body)).unwrap();
        let all = events(&mut alice);
        let [
            Event::Ended {
                id: ended,
                end: End::Error(error),
            },
        ] = &all[..]
        else {
            panic!("{all:?}")
        };
        assert!(*ended == id && error.is_unsupported(), "{text}");
    }
}
