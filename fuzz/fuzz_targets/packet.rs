//! A peer that sends any bytes, cut anywhere: the same events however they are
//! cut, the same packets that a plain reading of the protocol finds, and
//! memory within the limits.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use studytime_fuzz::{Few, Many, within};
use studytime_muxrpc::{BodyType, CallKind, Event, Limits, Mux, MuxError, NO_ARGS, StreamId};

const BODY: usize = 100_000;
const PEER_STREAMS: usize = 5;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(u16, &'a [u8]),
    Made(u16, Many<Packet, 100>),
}

#[derive(Arbitrary, Debug)]
struct Packet {
    flags: u8,
    request: Request,
    body: Few,
    /// Spaces after the body, and how much the header lies about its length.
    padding: u32,
    lie: Option<i8>,
}

#[derive(Arbitrary, Debug)]
enum Request {
    /// Our call's, as the peer writes it.
    Ours,
    Near(i8),
    Any(i32),
}

fuzz_target!(|input: Input<'_>| {
    let (step, bytes) = match input {
        Input::Raw(step, bytes) => (step, bytes.to_vec()),
        Input::Made(step, packets) => (step, encode(&packets.0)),
    };
    within(16 << 20, || check(&bytes, usize::from(step).max(1)));
});

fn encode(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        let request = match packet.request {
            Request::Ours => -1,
            Request::Near(n) => n.into(),
            Request::Any(n) => n,
        };
        let padding = packet.padding as usize % (BODY * 5 / 4);
        let len = (packet.body.0.len() + padding) as i64;
        let said = u32::try_from(len + i64::from(packet.lie.unwrap_or(0))).unwrap_or(u32::MAX);
        bytes.push(packet.flags);
        bytes.extend(said.to_be_bytes());
        bytes.extend(request.to_be_bytes());
        bytes.extend(&packet.body.0);
        bytes.resize(bytes.len() + padding, b' ');
        if bytes.len() > 1 << 20 {
            break;
        }
    }
    bytes
}

fn check(bytes: &[u8], step: usize) {
    let (whole, whole_id) = events(bytes, bytes.len().max(1));
    let (cut, cut_id) = events(bytes, step);
    assert_eq!(whole_id, cut_id);
    assert_eq!(whole, cut, "cut every {step} bytes");

    let (ours, error) = plain_reading(bytes);
    let data = whole.0.iter().filter_map(|event| match event {
        Event::Data { id, body } if *id == whole_id => Some(body.as_bytes().to_vec()),
        _ => None,
    });
    assert_eq!(data.collect::<Vec<_>>().concat(), ours);
    assert_eq!(whole.1, error);
}

type Seen = (Vec<Event>, Option<MuxError>);

/// What comes of the bytes when they come in pieces of `step`.
fn events(bytes: &[u8], step: usize) -> (Seen, StreamId) {
    let limits = Limits::default()
        .with_json_body(BODY)
        .with_binary_body(BODY)
        .with_peer_streams(PEER_STREAMS);
    let mut mux = Mux::new(limits);
    let id = mux
        .call(CallKind::Duplex, &["a"], &NO_ARGS)
        .expect("a first call");
    let (mut seen, mut error) = (Vec::new(), None);
    for piece in bytes.chunks(step) {
        error = error.or(mux.handle_bytes(piece).err());
        while let Some(event) = mux.poll_event() {
            seen.push(event);
        }
        assert_eq!(mux.unpolled_bytes(), 0);
        assert!(mux.open_streams() <= PEER_STREAMS + 1);
        assert!(mux.queued_bytes() <= 2 << 20, "refusals are bounded");
    }
    ((seen, error), id)
}

/// The bodies of all packets of our call up to its end, read as the protocol
/// guide says, without regard to memory.
fn plain_reading(mut bytes: &[u8]) -> (Vec<u8>, Option<MuxError>) {
    let (mut ours, mut ended) = (Vec::new(), false);
    while let Some((header, rest)) = bytes.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        let request = i32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        if len == 0 {
            // JavaScript peers leave empty pieces in binary streams; any other
            // header without a body says goodbye.
            if header[0] & 0b1111 == 0b1000 && request != 0 {
                bytes = rest;
                continue;
            }
            break;
        }
        let body_type = match header[0] & 3 {
            0 => BodyType::Binary,
            1 => BodyType::Text,
            2 => BodyType::Json,
            _ => return (ours, Some(MuxError::UnknownBodyType { flags: header[0] })),
        };
        if len as usize > BODY {
            let error = MuxError::BodyTooLarge {
                len,
                max: BODY,
                body_type,
            };
            return (ours, Some(error));
        }
        let (end, stream) = (header[0] & 4 != 0, header[0] & 8 != 0);
        let body = rest.get(..len as usize);
        if request == -1 && !ended && !end {
            // A long binary packet is handed on in pieces of 64 KiB as they come.
            let cut = stream && body_type == BodyType::Binary && body.is_none();
            let pieces = rest.len() / (64 << 10) * (64 << 10);
            ours.extend(
                body.or(rest.get(..pieces).filter(|_| cut))
                    .unwrap_or_default(),
            );
        }
        let Some(body) = body else { break };
        ended |= request == -1 && end;
        bytes = &rest[body.len()..];
    }
    (ours, None)
}
