//! A peer that means harm, or is broken.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Dice, events, frame, packets, transmit};
use proptest::prelude::*;
use studytime_muxrpc::{
    Body, BodyType, CallKind, End, Event, Limits, Mux, MuxError, NO_ARGS, SendError,
};

#[test]
fn a_length_above_the_limit_ends_the_connection() {
    let mut mux = Mux::new(Limits::default());
    let id = mux.call(CallKind::Source, &["a"], &NO_ARGS).unwrap();
    let error = MuxError::BodyTooLarge {
        len: u32::MAX,
        max: 8 << 20,
        body_type: BodyType::Json,
    };
    let header = [0x0a, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    assert_eq!(mux.handle_bytes(&header), Err(error));
    assert_eq!(
        events(&mut mux),
        [Event::Ended {
            id,
            end: End::ConnectionClosed
        }]
    );
    assert_eq!(mux.handle_bytes(b"more"), Err(error));
    assert!(mux.is_finished());
    assert!(!mux.has_transmit());
    assert_eq!(transmit(&mut mux), b"");
    assert_eq!(mux.open_streams(), 0);
}

#[test]
fn extreme_request_numbers_are_harmless() {
    let mut mux = Mux::new(Limits::default());
    mux.call(CallKind::Source, &["a"], &NO_ARGS).unwrap();
    transmit(&mut mux);
    for request in [0, i32::MIN, i32::MIN + 1, -2] {
        for flags in [0x02, 0x0a, 0x08, 0x0e, 0x06] {
            mux.handle_bytes(&frame(
                flags,
                request,
                r#"{"name":["a"],"args":[],"type":"source"}"#,
            ))
            .unwrap();
        }
    }
    assert_eq!(events(&mut mux), []);
    mux.handle_bytes(&frame(0x02, i32::MAX, r#"{"name":["a"],"args":[]}"#))
        .unwrap();
    let all = events(&mut mux);
    let [Event::Call { id, .. }] = all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(id.number(), -i32::MAX);
    mux.reply(id, Body::text("x")).unwrap();
    assert_eq!(packets(&mut mux), [(0x01, -i32::MAX, b"x".to_vec())]);
}

#[test]
fn no_more_calls_than_allowed() {
    let mut mux = Mux::new(Limits::default().with_peer_streams(3).with_own_streams(2));
    for number in 1..=5 {
        mux.handle_bytes(&frame(
            0x0a,
            number,
            r#"{"name":["a"],"args":[],"type":"source"}"#,
        ))
        .unwrap();
    }
    assert_eq!(events(&mut mux).len(), 3);
    let error = br#"{"name":"Error","message":"too many calls are open","stack":""}"#.to_vec();
    assert_eq!(
        packets(&mut mux),
        [(0x0e, -4, error.clone()), (0x0e, -5, error)]
    );
    // Its answers to these are for nobody; room comes back when a stream is over.
    mux.handle_bytes(&frame(0x0e, 4, "true")).unwrap();
    mux.handle_bytes(&frame(0x0e, 1, "true")).unwrap();
    assert_eq!(events(&mut mux).len(), 1);
    assert_eq!(packets(&mut mux), [(0x0e, -1, b"true".to_vec())]);
    mux.handle_bytes(&frame(0x02, 6, r#"{"name":["a"],"args":[]}"#))
        .unwrap();
    assert!(matches!(events(&mut mux)[..], [Event::Call { .. }]));

    let first = mux.call(CallKind::Async, &["a"], &NO_ARGS).unwrap();
    mux.call(CallKind::Async, &["a"], &NO_ARGS).unwrap();
    assert!(mux.call(CallKind::Async, &["a"], &NO_ARGS).is_err());
    transmit(&mut mux);
    mux.end(first);
    mux.call(CallKind::Async, &["a"], &NO_ARGS).unwrap();
    mux.handle_bytes(&frame(0x02, -1, "1")).unwrap();
    assert_eq!(events(&mut mux), [], "nobody waits for the answer any more");
}

#[test]
fn malformed_calls_are_answered() {
    let mut mux = Mux::new(Limits::default());
    mux.handle_bytes(&frame(0x02, 1, "[]")).unwrap();
    mux.handle_bytes(&frame(
        0x0a,
        2,
        r#"{"name":["a"],"args":{},"type":"source"}"#,
    ))
    .unwrap();
    mux.handle_bytes(&frame(0x08, 3, "binary")).unwrap();
    mux.handle_bytes(&frame(0x0e, 4, "true")).unwrap();
    assert_eq!(events(&mut mux), []);
    let sent = packets(&mut mux);
    assert_eq!(
        sent.iter()
            .map(|(flags, request, _)| (*flags, *request))
            .collect::<Vec<_>>(),
        [(0x06, -1), (0x0e, -2), (0x0e, -3)]
    );
    for (_, _, body) in sent {
        assert!(Body::raw_json(body).parse::<serde_json::Value>().unwrap()["message"].is_string());
    }
    // Once answered a number is used up: what follows is not answered again.
    mux.handle_bytes(&frame(0x08, 3, "binary")).unwrap();
    assert_eq!(packets(&mut mux), []);
}

#[test]
fn a_peer_that_calls_and_never_reads_is_given_up() {
    let mut mux = Mux::new(Limits::default().with_peer_streams(1));
    let error = (1..1_000_000)
        .find_map(|number| {
            let result = mux.handle_bytes(&frame(0x02, number, r#"{"name":["a"],"args":[]}"#));
            assert!(mux.queued_bytes() < 2 << 20);
            result.err()
        })
        .unwrap();
    assert_eq!(error, MuxError::AnswersUnread);
    assert_eq!(mux.queued_bytes(), 0);
}

#[test]
fn data_in_the_wrong_direction_is_ignored() {
    let mut mux = Mux::new(Limits::default());
    let sink = mux.call(CallKind::Sink, &["a"], &NO_ARGS).unwrap();
    mux.handle_bytes(&frame(0x0a, -1, "1")).unwrap();
    mux.handle_bytes(&frame(
        0x0a,
        1,
        r#"{"name":["a"],"args":[],"type":"source"}"#,
    ))
    .unwrap();
    mux.handle_bytes(&frame(0x0a, 1, "1")).unwrap();
    let all = events(&mut mux);
    let [Event::Call { id: source, .. }] = all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(
        (mux.kind(sink), mux.kind(source)),
        (Some(CallKind::Sink), Some(CallKind::Source))
    );
    let ours = mux.call(CallKind::Source, &["a"], &NO_ARGS).unwrap();
    assert_eq!(mux.send(ours, Body::text("x")), Err(SendError::WrongKind));
}

#[test]
fn an_answer_ahead_of_its_call_does_no_harm() {
    let mut mux = Mux::new(Limits::default());
    for kind in [
        CallKind::Async,
        CallKind::Source,
        CallKind::Sink,
        CallKind::Duplex,
    ] {
        mux.call(kind, &["a"], &NO_ARGS).unwrap();
    }
    for request in 1..=4 {
        mux.handle_bytes(&frame(0x0e, -request, "true")).unwrap();
    }
    assert_eq!(events(&mut mux).len(), 4);
    transmit(&mut mux);
    mux.goodbye();
    transmit(&mut mux);
    assert_eq!(mux.open_streams(), 0);
}

/// Feeds bytes as a driver does that heeds `wants_bytes` and polls now and then, and checks the
/// books.
fn feed(bytes: &[u8], seed: u64) {
    const BUDGET: usize = 10_000;
    const PIECE: usize = 512;
    let limits = Limits::default()
        .with_json_body(50_000)
        .with_binary_body(200_000)
        .with_peer_streams(4)
        .with_unpolled(BUDGET);
    let mut mux = Mux::new(limits);
    for kind in [
        CallKind::Async,
        CallKind::Source,
        CallKind::Sink,
        CallKind::Duplex,
    ] {
        mux.call(kind, &["a"], &NO_ARGS).unwrap();
    }
    let dice = &mut Dice(seed);
    let mut rest = bytes;
    let mut known = Vec::new();
    while !rest.is_empty() {
        if !mux.wants_bytes() {
            for id in known.drain(..) {
                mux.resume(id);
            }
            events(&mut mux);
        }
        let (piece, tail) = rest.split_at((1 + dice.below(PIECE)).min(rest.len()));
        rest = tail;
        if mux.handle_bytes(piece).is_err() {
            break;
        }
        // Every event needs ten bytes on the wire, and one body may have been under way.
        let most = BUDGET + PIECE / 10 * 128 + PIECE + 65_536;
        assert!(mux.unpolled_bytes() <= most, "{}", mux.unpolled_bytes());
        assert!(mux.open_streams() <= 8);
        if dice.below(3) == 0
            && let Some(Event::Call { id, .. } | Event::Data { id, .. }) = mux.poll_event()
        {
            known.push(id);
            match dice.below(6) {
                0 => mux.end(id),
                1 => mux.refuse(id),
                2 => mux.pause(id),
                3 => _ = mux.send(id, Body::binary(vec![1; 100_000])),
                4 => _ = mux.reply(id, Body::text("x")),
                _ => {}
            }
        }
        if dice.below(3) == 0 {
            mux.poll_transmit(&mut Vec::new(), dice.below(100));
        }
    }
    for id in known {
        mux.resume(id);
    }
    mux.handle_close();
    events(&mut mux);
    assert_eq!(
        (mux.open_streams(), mux.unpolled_bytes(), mux.queued_bytes()),
        (0, 0, 0)
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4000), seed: u64) {
        feed(&bytes, seed);
    }

    #[test]
    fn arbitrary_packets(
        packets in proptest::collection::vec((0..16_u8, -6..12_i32, 0..6_usize, 1..70_000_usize), 0..60),
        seed: u64,
    ) {
        let mut bytes = Vec::new();
        for (flags, request, form, len) in packets {
            let flags = if flags & 3 == 3 { flags & !1 } else { flags };
            let body = match form {
                0 => r#"{"name":["a"],"args":[],"type":"duplex"}"#.into(),
                1 => r#"{"name":["a","b"],"args":[{}],"type":"sink"}"#.into(),
                2 => r#"{"name":["a"],"args":[]}"#.into(),
                3 => "true".into(),
                4 => "1".into(),
                _ => " ".repeat(len.min(40_000)),
            };
            bytes.extend(frame(flags, request, body));
        }
        feed(&bytes, seed);
    }
}
