//! How the bytes are cut must not matter.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Dice, GOODBYE, frame, transmit};
use proptest::prelude::*;
use serde_json::json;
use studytime_muxrpc::{CallKind, Event, Limits, Mux, MuxError, NO_ARGS};

/// A connection on which calls of ours of every kind are open.
fn mux() -> Mux {
    let mut mux = Mux::new(
        Limits::default()
            .with_json_body(100_000)
            .with_peer_streams(5),
    );
    for kind in [
        CallKind::Async,
        CallKind::Source,
        CallKind::Sink,
        CallKind::Duplex,
    ] {
        mux.call(kind, &["method"], &NO_ARGS).unwrap();
    }
    transmit(&mut mux);
    mux
}

/// Packets of all sorts, most of them reasonable.
fn conversation(seed: u64) -> Vec<u8> {
    let dice = &mut Dice(seed);
    let mut out = Vec::new();
    for _ in 0..dice.below(40) {
        let request = match dice.below(12) {
            0 => [0, i32::MIN, i32::MAX, -i32::MAX, 77][dice.below(5)],
            1..6 => -(dice.below(5) as i32),
            _ => dice.below(12) as i32,
        };
        let packet = match dice.below(8) {
            0 | 1 => {
                let kind = ["source", "sink", "duplex", "async", "odd"][dice.below(5)];
                let call = json!({"name": ["a", "b"], "args": [dice.below(9)], "type": kind});
                frame([0x0a, 0x0a, 0x02][dice.below(3)], request, call.to_string())
            }
            2 => frame(0x0e, request, "true"),
            3 => frame(
                [0x0e, 0x06, 0x0d][dice.below(3)],
                request,
                r#"{"message":"x","name":"E","stack":""}"#,
            ),
            4 => frame(
                [0x08, 0x00, 0x09][dice.below(3)],
                request,
                vec![7; 1 + dice.below(99_000)],
            ),
            _ => frame(0x0a, request, format!("[{}]", dice.below(1000))),
        };
        out.extend(packet);
    }
    match dice.below(4) {
        0 => out.extend(GOODBYE),
        1 => out.extend(frame(3, 1, "x")),
        _ => {}
    }
    out.extend((0..dice.below(30)).map(|_| 2));
    out
}

fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), MuxError>, Vec<u8>) {
    let mut mux = mux();
    let mut events = Vec::new();
    let mut result = Ok(());
    for piece in pieces {
        result = mux.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| mux.poll_event()));
        if result.is_err() {
            break;
        }
    }
    assert_eq!(mux.unpolled_bytes(), 0);
    (events, result, transmit(&mut mux))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_cut_gives_the_same_events(seed: u64, cuts in proptest::collection::vec(1..5000_usize, 1..50)) {
        let bytes = conversation(seed);
        let whole = run(std::iter::once(&bytes[..]));
        let mut rest = &bytes[..];
        let mut cuts = cuts.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let (piece, tail) = rest.split_at((*cuts.next()?).min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&run(pieces), &whole);
        if bytes.len() < 20_000 {
            prop_assert_eq!(&run(bytes.chunks(1)), &whole);
        }
    }
}
