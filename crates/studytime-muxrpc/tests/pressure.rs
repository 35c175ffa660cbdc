//! Who waits for whom: queues that fill, streams that are paused, blobs beside messages.

#![allow(clippy::unwrap_used)]

mod common;

use common::{cut, events, frame, transmit};
use studytime_muxrpc::{Body, CallKind, End, Event, Limits, Mux, NO_ARGS, SendError, StreamId};

/// A connection with streams of ours open, all written.
fn streams(limits: Limits, kind: CallKind, count: usize) -> (Mux, Vec<StreamId>) {
    let mut mux = Mux::new(limits);
    let ids = (0..count)
        .map(|_| mux.call(kind, &["a"], &NO_ARGS).unwrap())
        .collect();
    transmit(&mut mux);
    (mux, ids)
}

#[test]
fn a_full_stream_says_so_and_tells_when_it_is_not() {
    let limits = Limits::default()
        .with_stream_queue(1000)
        .with_total_queue(1 << 20);
    let (mut mux, ids) = streams(limits, CallKind::Sink, 2);
    let body = || Body::binary(vec![7; 400]);
    for _ in 0..3 {
        assert!(mux.writable(ids[0]));
        mux.send(ids[0], body()).unwrap();
    }
    assert_eq!(mux.send(ids[0], body()), Err(SendError::Full));
    assert!(!mux.writable(ids[0]));
    assert_eq!(mux.queued_bytes(), 3 * 464);
    mux.send(ids[1], body()).unwrap();

    let mut out = Vec::new();
    assert_eq!(mux.poll_transmit(&mut out, 409), 409);
    assert_eq!(mux.poll_event(), None, "still more than half full");
    mux.poll_transmit(&mut out, 900);
    assert_eq!(mux.poll_event(), Some(Event::Writable { id: ids[0] }));
    assert_eq!(mux.poll_event(), None);
    assert!(mux.writable(ids[0]));
    transmit(&mut mux);
    assert_eq!((mux.queued_bytes(), mux.poll_event()), (0, None));
}

#[test]
fn blobs_do_not_fill_the_queue_for_messages() {
    let limits = Limits::default().with_total_queue(10_000);
    let (mut mux, ids) = streams(limits, CallKind::Duplex, 3);
    while mux.send(ids[0], Body::binary(vec![7; 900])).is_ok() {}
    assert!(mux.queued_bytes() >= 5_000);
    assert_eq!(mux.send(ids[1], Body::binary("x")), Err(SendError::Full));
    mux.send(ids[1], Body::raw_json("1")).unwrap();
    mux.send(ids[2], Body::raw_json("2")).unwrap();
    transmit(&mut mux);
    // Streams 0 and 1 were turned away.
    assert_eq!(
        events(&mut mux),
        [
            Event::Writable { id: ids[0] },
            Event::Writable { id: ids[1] }
        ]
    );
}

#[test]
fn whoever_waits_and_loses_the_stream_is_told_of_the_end() {
    let (mut mux, ids) = streams(Limits::default().with_stream_queue(1), CallKind::Sink, 1);
    mux.send(ids[0], Body::raw_json("1")).unwrap();
    assert!(!mux.writable(ids[0]));
    mux.handle_bytes(&frame(0x0e, -1, "true")).unwrap();
    assert_eq!(cut(&transmit(&mut mux)), [(0x0e, 1, b"true".to_vec())]);
    assert_eq!(
        events(&mut mux),
        [Event::Ended {
            id: ids[0],
            end: End::Done
        }]
    );
    assert_eq!(mux.open_streams(), 0);
}

#[test]
fn a_message_overtakes_a_blob() {
    let (mut mux, ids) = streams(Limits::default(), CallKind::Duplex, 2);
    mux.send(ids[0], Body::binary(vec![7; 400_000])).unwrap();
    let mut out = Vec::new();
    mux.poll_transmit(&mut out, 100_000);
    mux.send(ids[1], Body::raw_json("\"note\"")).unwrap();
    out.extend(transmit(&mut mux));
    let order: Vec<_> = cut(&out)
        .into_iter()
        .map(|(_, request, body)| (request, body.len()))
        .collect();
    // Two pieces were out or begun.
    assert_eq!(order[..4], [(1, 65_536), (1, 65_536), (2, 6), (1, 65_536)]);
    assert_eq!(
        order
            .iter()
            .filter(|(request, _)| *request == 1)
            .map(|(_, len)| len)
            .sum::<usize>(),
        400_000
    );
}

#[test]
fn a_long_history_leaves_a_blob_its_share() {
    let (mut mux, ids) = streams(Limits::default(), CallKind::Duplex, 2);
    let (mut notes, mut bulk) = (0, 0);
    for _ in 0..500 {
        while mux.send(ids[0], Body::raw_json(vec![b'1'; 1000])).is_ok() {}
        while mux.send(ids[1], Body::binary(vec![7; 65_536])).is_ok() {}
        let mut out = Vec::new();
        mux.poll_transmit(&mut out, 64 << 10);
        // Counts bytes, whole packets or not: the fill tells whose they are.
        bulk += out.iter().filter(|byte| **byte == 7).count();
        notes += out.iter().filter(|byte| **byte == b'1').count();
        events(&mut mux);
    }
    let share = bulk as f64 / (bulk + notes) as f64;
    assert!((0.15..0.25).contains(&share), "{share}");
}

#[test]
fn streams_take_turns() {
    let (mut mux, ids) = streams(Limits::default(), CallKind::Sink, 3);
    for id in &ids {
        for _ in 0..3 {
            mux.send(*id, Body::raw_json("1")).unwrap();
        }
        mux.end(*id);
    }
    let order: Vec<_> = cut(&transmit(&mut mux))
        .into_iter()
        .map(|(_, request, _)| request)
        .collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
}

#[test]
fn transmit_keeps_to_the_room_it_is_given() {
    let (mut mux, ids) = streams(Limits::default(), CallKind::Sink, 1);
    mux.send(ids[0], Body::raw_json("12345")).unwrap();
    mux.end(ids[0]);
    let mut out = Vec::new();
    for _ in 0..27 {
        assert_eq!(mux.poll_transmit(&mut out, 1), 1);
    }
    assert_eq!(mux.poll_transmit(&mut out, 1), 0);
    assert_eq!(
        out,
        [frame(0x0a, 1, "12345"), frame(0x0e, 1, "true")].concat()
    );
    // A buffer of fixed size is not overrun.
    mux.call(CallKind::Async, &["b"], &NO_ARGS).unwrap();
    let mut small = [0; 4];
    assert_eq!(mux.poll_transmit(&mut &mut small[..], 100), 4);
}

#[test]
fn unpolled_events_stop_the_reading() {
    let limits = Limits::default().with_unpolled(1000);
    let (mut mux, ids) = streams(limits, CallKind::Source, 2);
    assert!(mux.wants_bytes());
    for _ in 0..4 {
        mux.handle_bytes(&frame(0x08, -1, [7; 200])).unwrap();
    }
    assert!(!mux.wants_bytes());
    assert_eq!(mux.unpolled_bytes(), 4 * 328);
    mux.poll_event();
    assert!(mux.wants_bytes());
    assert_eq!(mux.unpolled_bytes_of(ids[0]), 3 * 328);
    mux.end(ids[0]);
    assert_eq!(mux.unpolled_bytes(), 0);
}

#[test]
fn a_paused_stream_is_held_back_alone_and_in_order() {
    let limits = Limits::default().with_unpolled(2000);
    let (mut mux, ids) = streams(limits, CallKind::Source, 2);
    let data = |id, text: &'static str| Event::Data {
        id,
        body: Body::raw_json(text),
    };
    mux.handle_bytes(&frame(0x0a, -1, "1")).unwrap();
    mux.pause(ids[0]);
    for text in ["2", "3"] {
        mux.handle_bytes(&frame(0x0a, -1, text)).unwrap();
        mux.handle_bytes(&frame(0x0a, -2, text)).unwrap();
    }
    assert_eq!(events(&mut mux), [data(ids[1], "2"), data(ids[1], "3")]);
    assert_eq!(mux.unpolled_bytes(), 3 * 129);
    mux.handle_bytes(&frame(0x0a, -1, vec![b' '; 2000]))
        .unwrap();
    assert!(!mux.wants_bytes(), "what a paused stream holds counts");
    mux.handle_bytes(&frame(0x0e, -1, "true")).unwrap();
    mux.resume(ids[0]);
    mux.handle_bytes(&frame(0x0a, -2, "4")).unwrap();
    let all = events(&mut mux);
    assert_eq!(
        all[..3],
        [data(ids[0], "1"), data(ids[0], "2"), data(ids[0], "3")]
    );
    assert_eq!(
        all[4..],
        [
            Event::Ended {
                id: ids[0],
                end: End::Done
            },
            data(ids[1], "4")
        ]
    );
    assert!(mux.wants_bytes());
}

#[test]
fn a_paused_stream_outlives_the_connection_until_it_is_read() {
    let (mut mux, ids) = streams(Limits::default(), CallKind::Source, 1);
    mux.pause(ids[0]);
    mux.handle_bytes(&frame(0x0a, -1, "1")).unwrap();
    mux.handle_close();
    assert_eq!(events(&mut mux), []);
    mux.resume(ids[0]);
    assert_eq!(events(&mut mux).len(), 2);
    assert_eq!(mux.open_streams(), 0);
}

#[test]
fn senders_that_only_move_when_told_all_get_through() {
    const BODIES: usize = 40;
    for (stream, total) in [(1, 1), (500, 700), (10_000, 1500), (3000, 100_000)] {
        let limits = Limits::default()
            .with_stream_queue(stream)
            .with_total_queue(total);
        let (mut mux, ids) = streams(limits, CallKind::Sink, 20);
        let mut left: std::collections::BTreeMap<_, _> =
            ids.iter().map(|id| (*id, BODIES)).collect();
        let mut awake = ids.clone();
        let mut out = Vec::new();
        loop {
            for id in awake.drain(..) {
                let Some(count) = left.get_mut(&id) else {
                    panic!("{id} was done")
                };
                while *count > 0 {
                    let odd = (*count + id.number() as usize) % 2 == 1;
                    let body = if odd {
                        Body::binary(vec![7; 300])
                    } else {
                        Body::raw_json("[7]")
                    };
                    match mux.send(id, body) {
                        Ok(()) => *count -= 1,
                        Err(error) => {
                            assert_eq!(error, SendError::Full);
                            break;
                        }
                    }
                }
                if *count == 0 {
                    left.remove(&id);
                }
            }
            if mux.poll_transmit(&mut out, 777) == 0 {
                break;
            }
            for event in events(&mut mux) {
                let Event::Writable { id } = event else {
                    panic!("{event:?}")
                };
                awake.push(id);
            }
        }
        assert!(left.is_empty(), "stuck: {left:?} with {stream}, {total}");
        assert_eq!(cut(&out).len(), 20 * BODIES);
    }
}
