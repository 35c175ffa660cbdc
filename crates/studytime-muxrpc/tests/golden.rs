//! Packets byte for byte as other peers write and expect them.

#![allow(clippy::unwrap_used)]

mod common;

use common::{GOODBYE, events, frame, packets, transmit};
use serde_json::json;
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, RemoteError, SendError};

fn mux() -> Mux {
    Mux::new(Limits::default())
}

/// The id and call of the only event.
fn called(mux: &mut Mux) -> (studytime_muxrpc::StreamId, studytime_muxrpc::Call) {
    match &events(mux)[..] {
        [Event::Call { id, call }] => (*id, call.clone()),
        other => panic!("{other:?}"),
    }
}

const CREATE_WANTS: &str = r#"{"name":["blobs","createWants"],"args":[],"type":"source"}"#;

#[test]
fn a_source_from_call_to_end() {
    let (mut alice, mut bob) = (mux(), mux());
    let wants = alice
        .call(CallKind::Source, &["blobs", "createWants"], &NO_ARGS)
        .unwrap();
    let bytes = transmit(&mut alice);
    let mut expected = vec![0x0a, 0, 0, 0, 0x3a, 0, 0, 0, 1];
    expected.extend_from_slice(CREATE_WANTS.as_bytes());
    assert_eq!(bytes, expected);

    bob.handle_bytes(&bytes).unwrap();
    let (id, call) = called(&mut bob);
    assert_eq!(
        (call.method(), call.kind(), id.number()),
        ("blobs.createWants", CallKind::Source, -1)
    );
    bob.send(id, Body::raw_json("{}")).unwrap();
    bob.end(id);
    let bytes = transmit(&mut bob);
    let end = [
        0x0e, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0x74, 0x72, 0x75, 0x65,
    ];
    assert_eq!(bytes, [frame(0x0a, -1, "{}"), end.to_vec()].concat());

    alice.handle_bytes(&bytes).unwrap();
    let ended = Event::Ended {
        id: wants,
        end: End::Done,
    };
    assert_eq!(
        events(&mut alice),
        [
            Event::Data {
                id: wants,
                body: Body::raw_json("{}")
            },
            ended
        ]
    );
    // The caller's end goes out by itself.
    let bytes = transmit(&mut alice);
    assert_eq!(bytes, frame(0x0e, 1, "true"));
    bob.handle_bytes(&bytes).unwrap();
    assert_eq!(events(&mut bob), [Event::Ended { id, end: End::Done }]);
    assert_eq!((alice.open_streams(), bob.open_streams()), (0, 0));
}

#[test]
fn async_call_reply_and_error() {
    let mut alice = mux();
    let first = alice.call(CallKind::Async, &["whoami"], &NO_ARGS).unwrap();
    let second = alice
        .call(
            CallKind::Async,
            &["invite", "use"],
            &[json!({"feed": "@x"})],
        )
        .unwrap();
    assert_eq!(
        packets(&mut alice),
        [
            (
                0x02,
                1,
                br#"{"name":["whoami"],"args":[],"type":"async"}"#.to_vec()
            ),
            (
                0x02,
                2,
                br#"{"name":["invite","use"],"args":[{"feed":"@x"}],"type":"async"}"#.to_vec()
            ),
        ]
    );
    let error = r#"{"message":"already \"following\"","name":"Error","stack":"at /x\n"}"#;
    alice.handle_bytes(&frame(0x06, -2, error)).unwrap();
    alice
        .handle_bytes(&frame(0x02, -1, r#"{"id":"@y"}"#))
        .unwrap();
    let refused = End::Error(RemoteError::new("already \"following\""));
    assert_eq!(
        events(&mut alice),
        [
            Event::Ended {
                id: second,
                end: refused
            },
            Event::Reply {
                id: first,
                body: Body::raw_json(r#"{"id":"@y"}"#)
            }
        ]
    );
    assert_eq!(transmit(&mut alice), b"");
    assert_eq!(alice.open_streams(), 0);
}

#[test]
fn serving_async_calls() {
    let mut bob = mux();
    for (number, tail) in [
        (1, ""),
        (2, r#","type":"async""#),
        (3, r#","type":"sync""#),
        (4, ""),
    ] {
        let call = format!(r#"{{"name":["blobs","has"],"args":["&x"]{tail}}}"#);
        bob.handle_bytes(&frame(0x02, number, call)).unwrap();
    }
    let ids: Vec<_> = events(&mut bob)
        .into_iter()
        .map(|event| match event {
            Event::Call { id, call } if call.kind() == CallKind::Async => id,
            other => panic!("{other:?}"),
        })
        .collect();
    bob.reply(ids[0], Body::json(&true).unwrap()).unwrap();
    bob.reply(ids[1], Body::binary("raw")).unwrap();
    bob.reply(ids[2], Body::text("words")).unwrap();
    bob.fail(ids[3], "no \"luck\"\n");
    assert_eq!(bob.reply(ids[3], Body::text("late")), Err(SendError::Ended));
    assert_eq!(
        packets(&mut bob),
        [
            (0x02, -1, b"true".to_vec()),
            (0x01, -3, b"words".to_vec()),
            (
                0x06,
                -4,
                br#"{"name":"Error","message":"no 'luck' ","stack":""}"#.to_vec()
            ),
            (0x00, -2, b"raw".to_vec()), // binary, so after the rest
        ]
    );
    assert_eq!(bob.open_streams(), 0);
}

#[test]
fn an_unknown_method_is_refused_in_the_known_words() {
    let mut bob = mux();
    bob.handle_bytes(&frame(0x02, 1, r#"{"name":["tunnel","isRoom"],"args":[]}"#))
        .unwrap();
    bob.handle_bytes(&frame(
        0x0a,
        2,
        r#"{"name":["room","attendants"],"args":[],"type":"source"}"#,
    ))
    .unwrap();
    for event in events(&mut bob) {
        let Event::Call { id, .. } = event else {
            panic!("{event:?}")
        };
        bob.refuse(id);
    }
    let text = |method| {
        format!(r#"{{"name":"Error","message":"method:{method} is not in list of allowed methods","stack":""}}"#)
            .into_bytes()
    };
    assert_eq!(
        packets(&mut bob),
        [
            (0x06, -1, text("tunnel,isRoom")),
            (0x0e, -2, text("room,attendants"))
        ]
    );
    // A JavaScript caller echoes the error.
    bob.handle_bytes(&frame(0x0e, 2, text("room,attendants")))
        .unwrap();
    assert!(
        matches!(&events(&mut bob)[..], [Event::Ended { end: End::Error(error), .. }] if error.is_unsupported())
    );
    assert_eq!(bob.open_streams(), 0);
}

#[test]
fn a_caller_stops_a_source_early() {
    let (mut alice, mut bob) = (mux(), mux());
    let get = alice
        .call(CallKind::Source, &["blobs", "get"], &["&x"])
        .unwrap();
    bob.handle_bytes(&transmit(&mut alice)).unwrap();
    let (id, _) = called(&mut bob);
    bob.send(id, Body::binary(vec![7; 1000])).unwrap();
    alice.handle_bytes(&transmit(&mut bob)).unwrap();
    alice.end(get);
    assert_eq!(events(&mut alice), [], "what was not polled is dropped");
    bob.send(id, Body::binary(vec![7; 2000])).unwrap();
    let abort = transmit(&mut alice);
    assert_eq!(abort, frame(0x0e, 1, "true"));
    bob.handle_bytes(&abort).unwrap();
    assert_eq!(bob.send(id, Body::binary("more")), Err(SendError::Ended));
    assert_eq!(events(&mut bob), [Event::Ended { id, end: End::Done }]);
    // What was queued is dropped, the answering end is not.
    let answer = transmit(&mut bob);
    assert_eq!(answer, frame(0x0e, -1, "true"));
    alice.handle_bytes(&answer).unwrap();
    assert_eq!(
        events(&mut alice),
        [Event::Ended {
            id: get,
            end: End::Done
        }]
    );
    assert_eq!((alice.open_streams(), bob.open_streams()), (0, 0));
}

#[test]
fn errors_on_streams_are_echoed() {
    let mut alice = mux();
    let duplex = alice
        .call(
            CallKind::Duplex,
            &["ebt", "replicate"],
            &[json!({"version": 3})],
        )
        .unwrap();
    transmit(&mut alice);
    alice.send(duplex, Body::raw_json("{}")).unwrap();
    let error = r#"{"message":"unexpected end of parent stream","name":"Error","stack":"..."}"#;
    alice.handle_bytes(&frame(0x0e, -1, error)).unwrap();
    let echo = r#"{"name":"Error","message":"unexpected end of parent stream","stack":""}"#;
    assert_eq!(packets(&mut alice), [(0x0e, 1, echo.as_bytes().to_vec())]);
    let end = End::Error(RemoteError::new("unexpected end of parent stream"));
    assert_eq!(events(&mut alice), [Event::Ended { id: duplex, end }]);
    assert_eq!(alice.open_streams(), 0);
}

#[test]
fn both_directions_of_a_duplex_end_on_their_own() {
    let (mut alice, mut bob) = (mux(), mux());
    let ours = alice
        .call(CallKind::Duplex, &["tunnel", "connect"], &[json!({})])
        .unwrap();
    alice.send(ours, Body::binary("question")).unwrap();
    alice.end(ours);
    assert_eq!(
        alice.send(ours, Body::binary("more")),
        Err(SendError::Ended)
    );
    let bytes = transmit(&mut alice);
    assert_eq!(bytes[bytes.len() - 13..], frame(0x0e, 1, "true"));
    bob.handle_bytes(&bytes).unwrap();
    let all = events(&mut bob);
    let [
        Event::Call { id, .. },
        Event::Data { .. },
        Event::Ended { end: End::Done, .. },
    ] = all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(transmit(&mut bob), b"", "it is still our turn");
    bob.send(id, Body::binary("answer")).unwrap();
    bob.end(id);
    let bytes = transmit(&mut bob);
    assert_eq!(
        bytes,
        [frame(0x08, -1, "answer"), frame(0x0e, -1, "true")].concat()
    );
    alice.handle_bytes(&bytes).unwrap();
    assert_eq!(events(&mut alice).len(), 2);
    assert_eq!((alice.open_streams(), bob.open_streams()), (0, 0));
}

#[test]
fn a_sink_is_confirmed_by_who_serves_it() {
    let (mut alice, mut bob) = (mux(), mux());
    let sink = alice.call(CallKind::Sink, &["put"], &NO_ARGS).unwrap();
    alice.send(sink, Body::binary("data")).unwrap();
    alice.end(sink);
    let bytes = transmit(&mut alice);
    let call = r#"{"name":["put"],"args":[],"type":"sink"}"#;
    assert_eq!(
        bytes,
        [
            frame(0x0a, 1, call),
            frame(0x08, 1, "data"),
            frame(0x0e, 1, "true")
        ]
        .concat()
    );
    bob.handle_bytes(&bytes).unwrap();
    let id = match &events(&mut bob)[..] {
        [
            Event::Call { id, .. },
            Event::Data { .. },
            Event::Ended { end: End::Done, .. },
        ] => *id,
        other => panic!("{other:?}"),
    };
    bob.fail(id, "disk full");
    alice.handle_bytes(&transmit(&mut bob)).unwrap();
    assert_eq!(
        events(&mut alice),
        [Event::Ended {
            id: sink,
            end: End::Error(RemoteError::new("disk full"))
        }]
    );
    assert_eq!((alice.open_streams(), bob.open_streams()), (0, 0));
}

#[test]
fn answers_without_the_stream_flag_are_data_all_the_same() {
    let mut alice = mux();
    let id = alice
        .call(
            CallKind::Duplex,
            &["ebt", "replicate"],
            &[json!({"version": 3})],
        )
        .unwrap();
    alice.handle_bytes(&frame(0x02, -1, "{}")).unwrap();
    alice.handle_bytes(&frame(0x06, -1, "true")).unwrap();
    let data = Event::Data {
        id,
        body: Body::raw_json("{}"),
    };
    assert_eq!(
        events(&mut alice),
        [data, Event::Ended { id, end: End::Done }]
    );
}

#[test]
fn goodbye_ends_streams_first_and_is_answered() {
    let (mut alice, mut bob) = (mux(), mux());
    alice
        .call(CallKind::Source, &["blobs", "createWants"], &NO_ARGS)
        .unwrap();
    alice
        .call(CallKind::Duplex, &["ebt", "replicate"], &[json!({})])
        .unwrap();
    alice.call(CallKind::Async, &["whoami"], &NO_ARGS).unwrap();
    bob.handle_bytes(&transmit(&mut alice)).unwrap();
    assert_eq!(events(&mut bob).len(), 3);
    bob.call(CallKind::Async, &["whoami"], &NO_ARGS).unwrap();
    alice.handle_bytes(&transmit(&mut bob)).unwrap();
    events(&mut alice);

    alice.goodbye();
    assert!(alice.call(CallKind::Async, &["whoami"], &NO_ARGS).is_err());
    let error = br#"{"name":"Error","message":"the connection is closing","stack":""}"#.to_vec();
    let bytes = transmit(&mut alice);
    assert_eq!(
        common::cut(&bytes),
        [
            (0x06, -1, error.clone()),
            (0x0e, 1, b"true".to_vec()),
            (0x0e, 2, error),
            (0, 0, vec![])
        ]
    );
    assert!(!alice.is_finished());

    bob.handle_bytes(&bytes).unwrap();
    let all = events(&mut bob);
    assert_eq!(
        all.iter()
            .filter(|event| matches!(event, Event::Ended { .. }))
            .count(),
        4,
        "{all:?}"
    );
    assert_eq!(all.last(), Some(&Event::Goodbye));
    let bytes = transmit(&mut bob);
    assert!(bytes.ends_with(&GOODBYE));
    assert!(bob.is_finished());
    assert!(!bob.wants_bytes());
    alice.handle_bytes(&bytes).unwrap();
    assert!(alice.is_finished());
    let all = events(&mut alice);
    assert_eq!(
        all.iter()
            .filter(|event| matches!(event, Event::Ended { .. }))
            .count(),
        3,
        "{all:?}"
    );
    assert_eq!((alice.open_streams(), bob.open_streams()), (0, 0));
    assert_eq!(transmit(&mut alice), b"");
}

#[test]
fn a_body_without_bytes_is_not_sent_and_is_a_goodbye_when_received() {
    let mut bob = mux();
    bob.handle_bytes(&frame(0x0a, 1, CREATE_WANTS)).unwrap();
    bob.handle_bytes(&frame(0x02, 2, r#"{"name":["a"],"args":[]}"#))
        .unwrap();
    let all = events(&mut bob);
    let [Event::Call { id: wants, .. }, Event::Call { id: asked, .. }] = all[..] else {
        panic!("{all:?}")
    };
    for body in [Body::binary(""), Body::text(""), Body::raw_json("")] {
        assert_eq!(bob.send(wants, body.clone()), Err(SendError::Empty));
        assert_eq!(bob.reply(asked, body), Err(SendError::Empty));
    }
    assert_eq!(bob.send(asked, Body::text("x")), Err(SendError::WrongKind));
    assert_eq!(bob.reply(wants, Body::text("x")), Err(SendError::WrongKind));
    assert!(!bob.has_transmit());
    // As JavaScript peers send it behind a blob of a multiple of 64 KiB: nothing.
    bob.handle_bytes(&frame(0x08, 1, "")).unwrap();
    assert_eq!(events(&mut bob), []);
    bob.handle_bytes(&frame(0x0a, 1, "")).unwrap();
    assert_eq!(events(&mut bob).last(), Some(&Event::Goodbye));
    assert_eq!(transmit(&mut bob), GOODBYE);
}
