//! Packets: a header of nine bytes and a body. Decoding keeps nothing a header merely promises.

use bytes::Bytes;

use crate::body::{Body, BodyType};
use crate::error::MuxError;
use crate::limits::Limits;

pub(crate) const HEADER_LEN: usize = 9;
/// The packet that says goodbye.
pub(crate) const GOODBYE: [u8; HEADER_LEN] = [0; HEADER_LEN];
/// Long binary packets of a stream are cut into pieces of this many bytes, both ways.
pub(crate) const CHUNK: usize = 64 << 10;

const END: u8 = 0b0100;
const STREAM: u8 = 0b1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) stream: bool,
    pub(crate) end: bool,
    pub(crate) body_type: BodyType,
    pub(crate) len: u32,
    pub(crate) request: i32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut flags = match self.body_type {
            BodyType::Binary => 0,
            BodyType::Text => 1,
            BodyType::Json => 2,
        };
        if self.end {
            flags |= END;
        }
        if self.stream {
            flags |= STREAM;
        }
        let mut out = [flags; HEADER_LEN];
        let (len, request) = out[1..].split_at_mut(4);
        len.copy_from_slice(&self.len.to_be_bytes());
        request.copy_from_slice(&self.request.to_be_bytes());
        out
    }

    /// `None` for a goodbye. JavaScript peers take every header without a body for one, whatever
    /// else it says; yet they send such headers in the middle of a binary stream, behind the last
    /// piece of a blob whose length is a multiple of 64 KiB, and go on. Those are no goodbyes.
    fn decode(bytes: [u8; HEADER_LEN]) -> Result<Option<Self>, MuxError> {
        let [flags, l0, l1, l2, l3, r0, r1, r2, r3] = bytes;
        let len = u32::from_be_bytes([l0, l1, l2, l3]);
        let stream_data = flags & (STREAM | END | 3) == STREAM;
        let request = i32::from_be_bytes([r0, r1, r2, r3]);
        if len == 0 && !(stream_data && request != 0) {
            return Ok(None);
        }
        let body_type = match flags & 3 {
            0 => BodyType::Binary,
            1 => BodyType::Text,
            2 => BodyType::Json,
            _ => return Err(MuxError::UnknownBodyType { flags }),
        };
        Ok(Some(Self {
            stream: flags & STREAM != 0,
            end: flags & END != 0,
            body_type,
            len,
            request,
        }))
    }
}

#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) header: Header,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Item {
    Packet(Packet),
    Goodbye,
}

#[derive(Debug)]
enum State {
    Header {
        bytes: [u8; HEADER_LEN],
        have: usize,
    },
    /// Collecting `piece` bytes of a body; `rest` more bytes of the same body follow after them.
    Body {
        header: Header,
        piece: usize,
        rest: usize,
        bytes: Vec<u8>,
    },
    Skip {
        rest: usize,
    },
}

const START: State = State::Header {
    bytes: [0; HEADER_LEN],
    have: 0,
};

#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    json_body: usize,
    binary_body: usize,
}

impl Decoder {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            state: START,
            json_body: limits.json_body(),
            binary_body: limits.binary_body(),
        }
    }

    /// Takes bytes off the front of `input` until a packet is complete (`None`: all taken, none
    /// complete). `wanted` is asked once a header is known; the body of an unwanted packet is
    /// passed over without being stored.
    pub(crate) fn next(
        &mut self,
        input: &mut &[u8],
        mut wanted: impl FnMut(&Header) -> bool,
    ) -> Result<Option<Item>, MuxError> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    let part = take(input, HEADER_LEN - *have);
                    if let Some(target) = bytes.get_mut(*have..*have + part.len()) {
                        target.copy_from_slice(part);
                    }
                    *have += part.len();
                    if *have < HEADER_LEN {
                        return Ok(None);
                    }
                    let Some(header) = Header::decode(*bytes)? else {
                        self.state = START;
                        return Ok(Some(Item::Goodbye));
                    };
                    if header.len == 0 {
                        self.state = START;
                        continue;
                    }
                    let rest = self.checked_len(&header)?;
                    self.state = if wanted(&header) {
                        body_state(header, rest)
                    } else {
                        State::Skip { rest }
                    };
                }
                State::Skip { rest } => {
                    *rest -= take(input, *rest).len();
                    if *rest > 0 {
                        return Ok(None);
                    }
                    self.state = START;
                }
                State::Body {
                    header,
                    piece,
                    rest,
                    bytes,
                } => {
                    let part = take(input, *piece - bytes.len());
                    let body = if part.len() == *piece {
                        Bytes::copy_from_slice(part)
                    } else {
                        append(bytes, part, *piece);
                        if bytes.len() < *piece {
                            return Ok(None);
                        }
                        Bytes::from(std::mem::take(bytes))
                    };
                    let (header, rest) = (*header, *rest);
                    self.state = if rest == 0 {
                        START
                    } else {
                        body_state(header, rest)
                    };
                    let body = Body::of_type(header.body_type, body);
                    return Ok(Some(Item::Packet(Packet { header, body })));
                }
            }
        }
    }

    fn checked_len(&self, header: &Header) -> Result<usize, MuxError> {
        let max = match header.body_type {
            BodyType::Binary => self.binary_body,
            BodyType::Text | BodyType::Json => self.json_body,
        };
        match usize::try_from(header.len) {
            Ok(len) if len <= max => Ok(len),
            _ => Err(MuxError::BodyTooLarge {
                len: header.len,
                max,
                body_type: header.body_type,
            }),
        }
    }
}

fn body_state(header: Header, len: usize) -> State {
    // Cuts inside a binary stream mean nothing to anyone, so long packets need not be held whole.
    let cut = header.stream && !header.end && header.body_type == BodyType::Binary;
    let piece = if cut { len.min(CHUNK) } else { len };
    State::Body {
        header,
        piece,
        rest: len - piece,
        bytes: Vec::new(),
    }
}

fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (part, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    part
}

/// Grows the buffer with the bytes that have arrived, not with the length that was announced.
fn append(bytes: &mut Vec<u8>, part: &[u8], piece: usize) {
    let missing = piece - bytes.len();
    if bytes.capacity() - bytes.len() < part.len() {
        bytes.reserve_exact(part.len().max(bytes.len()).max(CHUNK).min(missing));
    }
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body_type: BodyType, len: u32) -> Header {
        Header {
            stream: true,
            end: false,
            body_type,
            len,
            request: -7,
        }
    }

    fn decode(bytes: &[u8], step: usize, limits: Limits) -> Result<Vec<Item>, MuxError> {
        let mut decoder = Decoder::new(&limits);
        let mut items = Vec::new();
        for mut input in bytes.chunks(step) {
            while let Some(item) = decoder.next(&mut input, |_| true)? {
                items.push(item);
            }
        }
        Ok(items)
    }

    #[test]
    fn flag_values() {
        let flags = |stream, end, body_type| {
            Header {
                stream,
                end,
                body_type,
                len: 1,
                request: 1,
            }
            .encode()[0]
        };
        assert_eq!(flags(false, false, BodyType::Json), 0x02);
        assert_eq!(flags(false, true, BodyType::Json), 0x06);
        assert_eq!(flags(true, false, BodyType::Json), 0x0a);
        assert_eq!(flags(true, false, BodyType::Binary), 0x08);
        assert_eq!(flags(true, true, BodyType::Json), 0x0e);
        assert_eq!(flags(false, false, BodyType::Text), 0x01);
    }

    #[test]
    fn headers_survive_a_round_trip() {
        for request in [1, -1, i32::MAX, i32::MIN, 0] {
            for body_type in [BodyType::Binary, BodyType::Text, BodyType::Json] {
                let header = Header {
                    stream: request > 0,
                    end: request < 0,
                    body_type,
                    len: 77,
                    request,
                };
                assert_eq!(Header::decode(header.encode()), Ok(Some(header)));
            }
        }
    }

    #[test]
    fn unknown_high_flags_are_ignored_and_type_three_is_an_error() {
        let mut bytes = header(BodyType::Json, 2).encode();
        bytes[0] |= 0xf0;
        assert_eq!(Header::decode(bytes), Ok(Some(header(BodyType::Json, 2))));
        bytes[0] |= 3;
        assert_eq!(
            Header::decode(bytes),
            Err(MuxError::UnknownBodyType { flags: bytes[0] })
        );
    }

    #[test]
    fn a_header_without_a_body_is_a_goodbye_except_amid_a_binary_stream() {
        for flags in [0, 0x0a, 0x0c, 0x0e, 0xff] {
            let items = decode(&[flags, 0, 0, 0, 0, 0xff, 0, 0, 3], 1, Limits::default()).unwrap();
            assert!(matches!(items[..], [Item::Goodbye]));
        }
        // Of no stream.
        let items = decode(&[0x08, 0, 0, 0, 0, 0, 0, 0, 0], 1, Limits::default()).unwrap();
        assert!(matches!(items[..], [Item::Goodbye]));
        let empty = [0x08, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe];
        let mut bytes = [empty, empty].concat();
        bytes.extend(header(BodyType::Binary, 1).encode());
        bytes.push(7);
        for split in [1, 9, 64] {
            let items = decode(&bytes, split, Limits::default()).unwrap();
            let [Item::Packet(packet)] = &items[..] else {
                panic!("{items:?}")
            };
            assert_eq!(packet.body, Body::binary(&[7][..]));
        }
    }

    #[test]
    fn a_promised_length_alone_reserves_nothing() {
        let mut decoder = Decoder::new(&Limits::default());
        let bytes = [header(BodyType::Json, 8 << 20).encode().as_slice(), b"x"].concat();
        assert!(decoder.next(&mut &bytes[..], |_| true).unwrap().is_none());
        let State::Body { bytes, .. } = &decoder.state else {
            panic!("{decoder:?}")
        };
        assert!(bytes.capacity() <= CHUNK);
    }

    #[test]
    fn lengths_above_the_limit_are_refused() {
        let limits = Limits::default().with_json_body(10).with_binary_body(20);
        assert!(decode(&header(BodyType::Json, 10).encode(), 9, limits).is_ok());
        assert!(decode(&header(BodyType::Binary, 20).encode(), 9, limits).is_ok());
        for (body_type, len, max) in [
            (BodyType::Json, 11, 10),
            (BodyType::Text, u32::MAX, 10),
            (BodyType::Binary, 21, 20),
        ] {
            let error = decode(&header(body_type, len).encode(), 9, limits).unwrap_err();
            assert_eq!(
                error,
                MuxError::BodyTooLarge {
                    len,
                    max,
                    body_type
                }
            );
        }
    }

    #[test]
    fn long_binary_packets_come_in_pieces_at_fixed_places() {
        let body: Vec<u8> = (0..150_000_u32).map(|i| i as u8).collect();
        let bytes = [&header(BodyType::Binary, 150_000).encode()[..], &body].concat();
        for step in [1, 4096, 70_000, 1 << 20] {
            let mut got = Vec::new();
            for item in decode(&bytes, step, Limits::default()).unwrap() {
                let Item::Packet(packet) = item else {
                    panic!("goodbye")
                };
                got.push(packet.body.into_bytes());
            }
            assert_eq!(
                got.iter().map(Bytes::len).collect::<Vec<_>>(),
                [CHUNK, CHUNK, 150_000 - 2 * CHUNK]
            );
            assert_eq!(got.concat(), body);
        }
    }

    #[test]
    fn json_is_never_cut() {
        let body = vec![b' '; 200_000];
        let bytes = [&header(BodyType::Json, 200_000).encode()[..], &body].concat();
        let items = decode(&bytes, 4096, Limits::default()).unwrap();
        assert!(matches!(&items[..], [Item::Packet(packet)] if packet.body.len() == 200_000));
    }

    #[test]
    fn unwanted_bodies_are_passed_over() {
        let mut bytes = [
            &header(BodyType::Binary, 100_000).encode()[..],
            &vec![7; 100_000],
        ]
        .concat();
        bytes.extend_from_slice(&header(BodyType::Json, 4).encode());
        bytes.extend_from_slice(b"true");
        let mut decoder = Decoder::new(&Limits::default());
        let mut input = &bytes[..];
        let item = decoder
            .next(&mut input, |header| header.body_type == BodyType::Json)
            .unwrap();
        assert!(
            matches!(item, Some(Item::Packet(packet)) if packet.body == Body::raw_json("true"))
        );
        assert!(input.is_empty());
    }
}
