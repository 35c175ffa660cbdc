//! The giving side of one connection: says what the torrent holds and answers
//! requests. Bytes in and out; the caller has the socket and the file.

use super::wire::{self, Block, Fault, Message, Metadata};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// Requests that wait at most.
const MAX_WAITING: usize = 512;
/// Bytes of answers that wait at most, before more is taken in.
const MAX_OUTPUT: usize = 256 << 10;

/// One connection from somebody who wants a torrent that is whole here.
pub(super) struct Seed {
    /// The torrent's description, as it was written.
    description: Arc<[u8]>,
    pieces: u32,
    input: BytesMut,
    output: Vec<u8>,
    waiting: VecDeque<Block>,
    /// The other side's number for messages with the description.
    theirs: Option<u8>,
    unchoked: bool,
    complete: bool,
    /// It took the description, or part of it.
    described: bool,
    /// It asked for a block.
    asked: bool,
}

impl Seed {
    /// Begins after the greetings; `extended` says whether the other side
    /// understands extended messages.
    pub(super) fn new(description: Arc<[u8]>, pieces: u32, extended: bool) -> Self {
        let mut output = Vec::new();
        // Of the last byte only the bits that are pieces.
        let mut bits = vec![0xff_u8; pieces.div_ceil(8) as usize];
        if let (Some(last), 1..) = (bits.last_mut(), pieces % 8) {
            *last <<= 8 - pieces % 8;
        }
        wire::put(&mut output, &Message::Bitfield(bits.into()));
        if extended {
            let greeting = wire::extended_greeting(Some(description.len()));
            wire::put(&mut output, &greeting);
        }
        Self {
            description,
            pieces,
            input: BytesMut::new(),
            output,
            waiting: VecDeque::new(),
            theirs: None,
            unchoked: false,
            complete: false,
            described: false,
            asked: false,
        }
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether the other side has everything, too.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether it took the description and nothing else.
    pub(super) fn only_described(&self) -> bool {
        self.described && !self.asked
    }

    /// The next block to be read and [given](Self::give).
    pub(super) fn poll_block(&mut self) -> Option<Block> {
        if self.output.len() >= MAX_OUTPUT {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Answers a request.
    pub(super) fn give(&mut self, block: Block, data: Bytes) {
        let Block { piece, begin, .. } = block;
        wire::put(&mut self.output, &Message::Piece { piece, begin, data });
    }

    /// Takes in what came.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.input.extend_from_slice(bytes);
        while let Some(message) = wire::next(&mut self.input)? {
            self.message(message)?;
        }
        Ok(())
    }

    fn message(&mut self, message: Message) -> Result<(), Fault> {
        match message {
            Message::Interested if !self.unchoked => {
                self.unchoked = true;
                wire::put(&mut self.output, &Message::Unchoke);
            }
            Message::Request(block) if self.unchoked => {
                if self.waiting.len() >= MAX_WAITING {
                    return Err(Fault::Broken("it asks for too much at a time"));
                }
                if block.piece >= self.pieces {
                    return Err(Fault::Broken("it asks for a piece that cannot be"));
                }
                self.asked = true;
                self.waiting.push_back(block);
            }
            Message::Cancel(block) => self.waiting.retain(|b| *b != block),
            Message::Bitfield(bits) => {
                let has: u32 = bits.iter().map(|b| b.count_ones()).sum();
                self.complete = has >= self.pieces;
            }
            Message::Extended(0, bytes) => self.theirs = wire::read_greeting(&bytes).0,
            Message::Extended(wire::METADATA, bytes) => {
                // Some ask for all of the description at once.
                if self.output.len() >= MAX_OUTPUT + self.description.len() {
                    return Err(Fault::Broken("it asks for too much at a time"));
                }
                if let (Some(theirs), Some(Metadata::Ask(part))) =
                    (self.theirs, Metadata::read(&bytes))
                {
                    let answer = Metadata::answer(theirs, part, &self.description);
                    wire::put(&mut self.output, &answer);
                    self.described = true;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::InfoHash;
    use super::super::leech::{Event, Leech};
    use super::super::metainfo::{Info, sha1};
    use super::super::wire::{BLOCK, HANDSHAKE, Handshake};
    use super::*;

    const PIECE: u32 = 64 << 10;

    fn film() -> Vec<u8> {
        (0..200_001_u32).map(|n| (n * 7 / 3) as u8).collect()
    }

    fn description(film: &[u8]) -> Arc<[u8]> {
        let hashes: Vec<u8> = film.chunks(PIECE as usize).flat_map(sha1).collect();
        Info::write("film.mp4", film.len() as u64, PIECE, &hashes).into()
    }

    /// The two sides, joined by nothing but bytes.
    struct Pair {
        film: Vec<u8>,
        leech: Leech,
        seed: Seed,
    }

    impl Pair {
        fn new(undescribed: bool) -> Self {
            let film = film();
            let description = description(&film);
            let hash = InfoHash(sha1(&description));
            let mut leech = Leech::new(hash, [1; 20], undescribed, 0);
            let greeting = Handshake {
                hash,
                peer: [2; 20],
                extended: true,
            };
            assert_eq!(leech.take_output().len(), HANDSHAKE);
            leech.receive(&greeting.write(), 0).unwrap();
            let pieces = (film.len() as u32).div_ceil(PIECE);
            let seed = Seed::new(description, pieces, true);
            Self { film, leech, seed }
        }

        /// Carries bytes both ways, a few at a time, until nothing moves.
        fn settle(&mut self) {
            loop {
                let (to, from) = (self.leech.take_output(), self.seed.take_output());
                for part in to.chunks(1_000) {
                    self.seed.receive(part).unwrap();
                }
                for part in from.chunks(999) {
                    self.leech.receive(part, 1).unwrap();
                }
                while let Some(block) = self.seed.poll_block() {
                    let start = (block.piece * PIECE + block.begin) as usize;
                    let data = self.film[start..start + block.len as usize].to_vec();
                    self.seed.give(block, data.into());
                }
                if to.is_empty() && from.is_empty() && self.seed.output.is_empty() {
                    return;
                }
            }
        }
    }

    #[test]
    fn a_torrent_is_described_and_taken_piece_by_piece() {
        let mut pair = Pair::new(true);
        pair.settle();
        let Some(Event::Described(text)) = pair.leech.poll_event() else {
            panic!("no description");
        };
        assert_eq!(text[..], pair.seed.description[..]);
        assert!(pair.seed.only_described());
        let info = Info::read(&text, &InfoHash(sha1(&text))).unwrap();
        // The last one is shorter.
        for piece in [3, 0] {
            assert!(pair.leech.is_free() && pair.leech.has(piece));
            pair.leech.take(piece, info.piece_len(piece), 1);
            pair.settle();
            let Some(Event::Piece(number, bytes)) = pair.leech.poll_event() else {
                panic!("no piece");
            };
            assert_eq!(number, piece);
            assert!(info.proves(piece, &bytes));
        }
        assert!(!pair.leech.has(4) && !pair.seed.only_described());
        assert_eq!(pair.leech.poll_event(), None);
    }

    #[test]
    fn silence_and_refusal_end() {
        let pair = Pair::new(true);
        assert_eq!(pair.leech.overdue(20_000), None);
        assert_eq!(pair.leech.overdue(20_001), Some("it went silent"));
        let mut pair = Pair::new(false);
        assert_eq!(pair.leech.overdue(60_000), None);
        assert_eq!(pair.leech.overdue(60_001), Some("it sends us nothing"));
        pair.settle();
        assert_eq!(pair.leech.overdue(60_001), None, "it waits for work");
        pair.leech.take(0, PIECE, 70_000);
        assert_eq!(pair.leech.overdue(90_001), Some("it went silent"));
    }

    #[test]
    fn a_piece_that_is_not_needed_any_more_is_called_off() {
        let mut pair = Pair::new(false);
        pair.settle();
        pair.leech.take(0, PIECE, 1);
        pair.leech.drop_piece(1);
        assert!(!pair.leech.is_free());
        pair.leech.drop_piece(0);
        assert!(pair.leech.is_free());
        pair.settle();
        assert_eq!(pair.leech.poll_event(), None);
        // Choking gives the piece back.
        pair.leech.take(1, PIECE, 1);
        let mut choke = Vec::new();
        wire::put(&mut choke, &Message::Choke);
        pair.leech.receive(&choke, 1).unwrap();
        assert!(!pair.leech.is_free());
        wire::put(&mut choke, &Message::Unchoke);
        pair.leech.receive(&choke[5..], 1).unwrap();
        assert!(pair.leech.is_free());
    }

    #[test]
    fn hostile_peers_are_given_up() {
        fn faulty(message: &Message) -> Fault {
            let mut pair = Pair::new(true);
            pair.settle();
            pair.leech.take(0, PIECE, 1);
            let mut bytes = Vec::new();
            wire::put(&mut bytes, message);
            pair.leech.receive(&bytes, 1).unwrap_err()
        }
        let data = |begin, len: u32| Message::Piece {
            piece: 0,
            begin,
            data: vec![0; len as usize].into(),
        };
        for message in [
            data(1, BLOCK),
            data(0, BLOCK - 1),
            data(PIECE, BLOCK),
            data(u32::MAX, BLOCK),
            Message::Have(u32::MAX),
            Message::Bitfield(vec![0xff; 100_000].into()),
        ] {
            assert!(matches!(faulty(&message), Fault::Broken(_)), "{message:?}");
        }
        let huge = Message::Extended(
            0,
            Bytes::from_static(b"d1:md11:ut_metadatai1ee13:metadata_sizei99999999999ee"),
        );
        let mut leech = Leech::new(InfoHash([1; 20]), [1; 20], true, 0);
        let greeting = |hash, peer| Handshake {
            hash: InfoHash([hash; 20]),
            peer: [peer; 20],
            extended: true,
        };
        leech.receive(&greeting(1, 2).write(), 0).unwrap();
        let mut bytes = Vec::new();
        wire::put(&mut bytes, &huge);
        assert!(matches!(leech.receive(&bytes, 0), Err(Fault::Useless(_))));
        for (bytes, fault) in [
            (&b"HTTP/1.1 200 OK"[..], Fault::Foreign),
            (&greeting(9, 2).write(), Fault::OtherTorrent),
            (&greeting(1, 1).write(), Fault::Myself),
        ] {
            let mut leech = Leech::new(InfoHash([1; 20]), [1; 20], true, 0);
            assert_eq!(leech.receive(bytes, 0), Err(fault));
        }
        let mut seed = Pair::new(true).seed;
        let block = |piece| Block {
            piece,
            begin: 0,
            len: BLOCK,
        };
        let mut bytes = Vec::new();
        wire::put(&mut bytes, &Message::Request(block(0)));
        seed.receive(&bytes).unwrap();
        assert_eq!(seed.poll_block(), None, "it was not let in yet");
        wire::put(&mut bytes, &Message::Interested);
        wire::put(&mut bytes, &Message::Request(block(4)));
        assert!(matches!(seed.receive(&bytes), Err(Fault::Broken(_))));
        let mut seed = Pair::new(true).seed;
        let mut bytes = Vec::new();
        wire::put(&mut bytes, &Message::Interested);
        for _ in 0..=MAX_WAITING {
            wire::put(&mut bytes, &Message::Request(block(0)));
        }
        assert!(matches!(seed.receive(&bytes), Err(Fault::Broken(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_the_end_of_it(bytes: Vec<u8>) {
            let mut pair = Pair::new(true);
            let _ = pair.seed.receive(&bytes);
            let _ = pair.leech.receive(&bytes, 1);
        }
    }
}
