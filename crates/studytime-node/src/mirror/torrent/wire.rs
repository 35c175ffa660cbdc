//! The peer protocol's messages: bytes in and out, no I/O.

use super::InfoHash;
use super::bencode::Value;
use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of the greeting both sides begin with.
pub(super) const HANDSHAKE: usize = 68;
/// Bytes that are asked for at a time.
pub(super) const BLOCK: u32 = 16 << 10;
/// Most that others may ask for at a time.
const MAX_BLOCK: u32 = 128 << 10;
/// Longest message: a block, or the bit field of the largest torrent.
const MAX_MESSAGE: usize = MAX_BLOCK as usize + 64;
/// Our number for messages that carry the torrent's description.
pub(super) const METADATA: u8 = 1;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// Why a connection is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It speaks something else.
    #[error("it does not speak BitTorrent, or only encrypted")]
    Foreign,
    /// Another torrent than was asked for.
    #[error("it has another torrent")]
    OtherTorrent,
    /// The two ends are one.
    #[error("it is this program itself")]
    Myself,
    /// Against the protocol.
    #[error("it broke the protocol: {0}")]
    Broken(&'static str),
    /// What it sent is not what the torrent says.
    #[error("its bytes are not those of the torrent")]
    Wrong,
    /// It knows nothing that helps.
    #[error("{0}")]
    Useless(&'static str),
}

/// The greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) hash: InfoHash,
    pub(super) peer: [u8; 20],
    /// Whether it understands extended messages.
    pub(super) extended: bool,
}

impl Handshake {
    pub(super) fn write(&self) -> [u8; HANDSHAKE] {
        let mut out = [0; HANDSHAKE];
        out[..20].copy_from_slice(PROTOCOL);
        if self.extended {
            out[25] = 0x10;
        }
        out[28..48].copy_from_slice(&self.hash.0);
        out[48..].copy_from_slice(&self.peer);
        out
    }

    pub(super) fn read(bytes: &[u8; HANDSHAKE]) -> Result<Self, Fault> {
        if !bytes.starts_with(PROTOCOL) {
            return Err(Fault::Foreign);
        }
        let (mut hash, mut peer) = ([0; 20], [0; 20]);
        hash.copy_from_slice(&bytes[28..48]);
        peer.copy_from_slice(&bytes[48..]);
        Ok(Self {
            hash: InfoHash(hash),
            peer,
            extended: bytes[25] & 0x10 != 0,
        })
    }

    /// Whether bytes that came so far can become a greeting.
    pub(super) fn may_begin(bytes: &[u8]) -> bool {
        bytes.iter().zip(PROTOCOL).all(|(a, b)| a == b)
    }
}

/// A part of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) piece: u32,
    pub(super) begin: u32,
    pub(super) len: u32,
}

/// A message after the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(Bytes),
    Request(Block),
    Piece {
        piece: u32,
        begin: u32,
        data: Bytes,
    },
    Cancel(Block),
    /// By the receiver's number for it; 0 is the extended greeting.
    Extended(u8, Bytes),
    /// One that is passed over, or a sign of life.
    Other,
}

/// Takes the next whole message out of what came.
pub(super) fn next(input: &mut BytesMut) -> Result<Option<Message>, Fault> {
    let Some(len) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*len) as usize;
    if len > MAX_MESSAGE {
        return Err(Fault::Broken("a message is too long"));
    }
    if input.len() < 4 + len {
        input.reserve(4 + len - input.len());
        return Ok(None);
    }
    input.advance(4);
    let mut body = input.split_to(len).freeze();
    if body.is_empty() {
        return Ok(Some(Message::Other));
    }
    let kind = body.get_u8();
    let short = Fault::Broken("a message is too short");
    let number = |body: &mut Bytes| body.try_get_u32().map_err(|_| short.clone());
    Ok(Some(match kind {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(number(&mut body)?),
        5 => Message::Bitfield(body),
        6 | 8 => {
            let block = Block {
                piece: number(&mut body)?,
                begin: number(&mut body)?,
                len: number(&mut body)?,
            };
            if block.len == 0 || block.len > MAX_BLOCK {
                return Err(Fault::Broken("it asks for too much at a time"));
            }
            match kind {
                6 => Message::Request(block),
                _ => Message::Cancel(block),
            }
        }
        7 => Message::Piece {
            piece: number(&mut body)?,
            begin: number(&mut body)?,
            data: body,
        },
        20 if !body.is_empty() => Message::Extended(body.get_u8(), body),
        _ => Message::Other,
    }))
}

/// Writes a message.
pub(super) fn put(out: &mut Vec<u8>, message: &Message) {
    let mut body = |kind: u8, parts: &[&[u8]]| {
        let len = 1 + parts.iter().map(|p| p.len()).sum::<usize>();
        // Nothing we write comes near 4 GiB.
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.push(kind);
        for part in parts {
            out.extend_from_slice(part);
        }
    };
    let three = |b: &Block| [b.piece, b.begin, b.len].map(u32::to_be_bytes).concat();
    match message {
        Message::Choke => body(0, &[]),
        Message::Unchoke => body(1, &[]),
        Message::Interested => body(2, &[]),
        Message::NotInterested => body(3, &[]),
        Message::Have(piece) => body(4, &[&piece.to_be_bytes()]),
        Message::Bitfield(bits) => body(5, &[bits]),
        Message::Request(block) => body(6, &[&three(block)]),
        Message::Piece { piece, begin, data } => {
            body(7, &[&piece.to_be_bytes(), &begin.to_be_bytes(), data]);
        }
        Message::Cancel(block) => body(8, &[&three(block)]),
        Message::Extended(number, bytes) => body(20, &[&[*number], bytes]),
        Message::Other => out.extend_from_slice(&[0; 4]),
    }
}

/// The extended greeting, with the length of the description when we have it.
pub(super) fn extended_greeting(metadata: Option<usize>) -> Message {
    let size = metadata.map_or(String::new(), |n| format!("13:metadata_sizei{n}e"));
    let text = format!("d1:md11:ut_metadatai{METADATA}ee{size}e");
    Message::Extended(0, text.into_bytes().into())
}

/// What the other side's extended greeting says: its number for messages with the
/// description, and how long that is.
pub(super) fn read_greeting(bytes: &[u8]) -> (Option<u8>, Option<u64>) {
    // Some clients pad it.
    let value = Value::read_first(bytes).map(|(value, _)| value);
    let number = |v: Option<&Value<'_>>| v.and_then(Value::number);
    let map = value.as_ref().and_then(|v| v.get("m"));
    let theirs = number(map.and_then(|m| m.get("ut_metadata")));
    let size = number(value.as_ref().and_then(|v| v.get("metadata_size")));
    let theirs = theirs.and_then(|n| u8::try_from(n).ok());
    (theirs.filter(|n| *n != 0), size)
}

/// A message about the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Metadata {
    Ask(u32),
    Data(u32, Bytes),
    Reject,
}

impl Metadata {
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let (value, rest) = Value::read_first(bytes)?;
        let number = |key| value.get(key).and_then(Value::number);
        let piece = u32::try_from(number("piece")?).ok()?;
        match number("msg_type")? {
            0 => Some(Self::Ask(piece)),
            1 => Some(Self::Data(piece, bytes.slice_ref(rest))),
            2 => Some(Self::Reject),
            _ => None,
        }
    }

    /// A question, by the other side's number.
    pub(super) fn ask(number: u8, piece: u32) -> Message {
        let text = format!("d8:msg_typei0e5:piecei{piece}ee");
        Message::Extended(number, text.into_bytes().into())
    }

    /// The answer: a part of the description, when there is such a part.
    pub(super) fn answer(number: u8, piece: u32, description: &[u8]) -> Message {
        let start = piece as usize * BLOCK as usize;
        let end = description.len().min(start.saturating_add(BLOCK as usize));
        let total = description.len();
        let text = match description.get(start..end).filter(|p| !p.is_empty()) {
            Some(part) => [
                format!("d8:msg_typei1e5:piecei{piece}e10:total_sizei{total}ee").as_bytes(),
                part,
            ]
            .concat(),
            None => format!("d8:msg_typei2e5:piecei{piece}ee").into_bytes(),
        };
        Message::Extended(number, text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_come_through_in_any_slices() {
        let block = Block {
            piece: 1,
            begin: 2,
            len: 3,
        };
        let data = Bytes::from_static(b"data");
        let all = [
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::Have(7),
            Message::Bitfield(Bytes::from_static(&[0xf0])),
            Message::Request(block),
            Message::Piece {
                piece: 1,
                begin: 2,
                data,
            },
            Message::Cancel(block),
            extended_greeting(Some(5)),
            Message::Other,
        ];
        let mut bytes = Vec::new();
        for message in &all {
            put(&mut bytes, message);
        }
        for slice in [1, 3, 1_000] {
            let mut input = BytesMut::new();
            let mut got = Vec::new();
            for part in bytes.chunks(slice) {
                input.extend_from_slice(part);
                while let Some(message) = next(&mut input).unwrap() {
                    got.push(message);
                }
            }
            assert_eq!(got, all);
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_comes() {
        for bytes in [
            &[0xff_u8; 4][..],
            &[0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0],
            &[0, 0, 0, 3, 6, 0, 0],
        ] {
            let mut input = BytesMut::from(bytes);
            assert!(matches!(next(&mut input), Err(Fault::Broken(_))));
        }
    }

    #[test]
    fn descriptions_travel_in_parts() {
        let whole = vec![9_u8; 40_000];
        let part = |n| match Metadata::answer(3, n, &whole) {
            Message::Extended(3, bytes) => Metadata::read(&bytes).unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(part(0), Metadata::Data(0, b) if b.len() == 16_384));
        assert!(matches!(part(2), Metadata::Data(2, b) if b.len() == 40_000 - 32_768));
        assert_eq!(part(3), Metadata::Reject);
        assert_eq!(part(u32::MAX), Metadata::Reject);
        let Message::Extended(_, greeting) = extended_greeting(Some(40_000)) else {
            panic!("another message");
        };
        assert_eq!(read_greeting(&greeting), (Some(METADATA), Some(40_000)));
        assert_eq!(read_greeting(b"nothing"), (None, None));
    }

    #[test]
    fn greetings_are_told_apart() {
        let handshake = Handshake {
            hash: InfoHash([1; 20]),
            peer: [2; 20],
            extended: true,
        };
        let bytes = handshake.write();
        assert_eq!(Handshake::read(&bytes), Ok(handshake));
        assert!(Handshake::may_begin(&bytes[..7]));
        assert!(!Handshake::may_begin(b"GET / HTTP/1.1"));
        assert_eq!(Handshake::read(&[7; HANDSHAKE]), Err(Fault::Foreign));
    }

    proptest! {
        #[test]
        fn no_bytes_are_the_end_of_it(bytes: Vec<u8>) {
            let mut input = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut input) {}
            let _ = read_greeting(&bytes);
            let _ = Metadata::read(&bytes.into());
        }
    }
}
