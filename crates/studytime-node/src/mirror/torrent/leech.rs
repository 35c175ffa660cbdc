//! The asking side of one connection: learns what a torrent holds, and takes one
//! piece at a time. Bytes in and out; the caller has the socket and the clock.

use super::InfoHash;
use super::metainfo::MAX_METADATA;
use super::wire::{self, BLOCK, Block, Fault, HANDSHAKE, Handshake, Message, Metadata};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Blocks that are asked for before the first one came.
const AHEAD: u32 = 64;
/// How long the other side may say nothing while something is awaited, in milliseconds.
const SILENCE: u64 = 20_000;
/// How long it may refuse to send.
const CHOKED: u64 = 60_000;
/// Pieces of the largest torrent.
const MAX_PIECES: u32 = (MAX_METADATA / 20) as u32;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The description, its hash not looked at.
    Described(Vec<u8>),
    /// A piece, its hash not looked at.
    Piece(u32, Vec<u8>),
}

/// A piece that is being taken.
struct Taking {
    piece: u32,
    bytes: Vec<u8>,
    /// Which blocks came.
    came: Vec<bool>,
    /// The first block that was not asked for yet.
    next: u32,
    missing: u32,
}

impl Taking {
    fn block(&self, number: u32) -> Block {
        let begin = number * BLOCK;
        Block {
            piece: self.piece,
            begin,
            len: (self.bytes.len() as u32 - begin).min(BLOCK),
        }
    }
}

/// The description that is being taken.
struct Describing {
    theirs: u8,
    size: usize,
    parts: Vec<Bytes>,
}

/// One connection to a peer that may have a torrent.
pub(super) struct Leech {
    hash: InfoHash,
    me: [u8; 20],
    input: BytesMut,
    output: Vec<u8>,
    events: VecDeque<Event>,
    greeted: bool,
    /// Whether the description is wanted.
    undescribed: bool,
    describing: Option<Describing>,
    /// Bit by bit, the first piece first.
    has: Vec<u8>,
    choked: bool,
    taking: Option<Taking>,
    /// When something useful last came, or was begun.
    last: u64,
    since: u64,
}

impl Leech {
    /// Begins a conversation.
    pub(super) fn new(hash: InfoHash, me: [u8; 20], undescribed: bool, now: u64) -> Self {
        let greeting = Handshake {
            hash,
            peer: me,
            extended: true,
        };
        Self {
            hash,
            me,
            input: BytesMut::new(),
            output: greeting.write().to_vec(),
            events: VecDeque::new(),
            greeted: false,
            undescribed,
            describing: None,
            has: Vec::new(),
            choked: true,
            taking: None,
            last: now,
            since: now,
        }
    }

    /// What is to be sent.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether it says that it has a piece.
    pub(super) fn has(&self, piece: u32) -> bool {
        let byte = self.has.get(piece as usize / 8);
        byte.is_some_and(|b| b & (0x80 >> (piece % 8)) != 0)
    }

    /// Whether it would send, and sends nothing.
    pub(super) fn is_free(&self) -> bool {
        self.greeted && !self.choked && self.taking.is_none()
    }

    /// The description came from elsewhere.
    pub(super) fn described(&mut self) {
        self.undescribed = false;
        self.describing = None;
    }

    /// Takes a piece of so many bytes; called when it [is free](Self::is_free).
    pub(super) fn take(&mut self, piece: u32, len: u32, now: u64) {
        let blocks = len.div_ceil(BLOCK);
        self.taking = Some(Taking {
            piece,
            bytes: vec![0; len as usize],
            came: vec![false; blocks as usize],
            next: 0,
            missing: blocks,
        });
        self.last = now;
        self.ask_blocks();
    }

    /// Another one was quicker.
    pub(super) fn drop_piece(&mut self, piece: u32) {
        if self.taking.as_ref().is_some_and(|t| t.piece == piece) {
            self.cancel();
        }
    }

    fn cancel(&mut self) {
        let Some(taking) = self.taking.take() else {
            return;
        };
        for number in 0..taking.next {
            if !taking.came.get(number as usize).copied().unwrap_or(true) {
                let block = taking.block(number);
                wire::put(&mut self.output, &Message::Cancel(block));
            }
        }
    }

    fn ask_blocks(&mut self) {
        let Some(taking) = &mut self.taking else {
            return;
        };
        let blocks = taking.came.len() as u32;
        let came = blocks - taking.missing;
        while taking.next < blocks.min(came + AHEAD) {
            let block = taking.block(taking.next);
            wire::put(&mut self.output, &Message::Request(block));
            taking.next += 1;
        }
    }

    /// Why it is given up now, when it is.
    pub(super) fn overdue(&self, now: u64) -> Option<&'static str> {
        let waiting = !self.greeted || self.taking.is_some() || self.undescribed;
        if waiting && now.saturating_sub(self.last) > SILENCE {
            return Some("it went silent");
        }
        (self.choked && now.saturating_sub(self.since) > CHOKED).then_some("it sends us nothing")
    }

    /// Takes in what came.
    pub(super) fn receive(&mut self, bytes: &[u8], now: u64) -> Result<(), Fault> {
        self.input.extend_from_slice(bytes);
        if !self.greeted {
            if !Handshake::may_begin(&self.input) {
                return Err(Fault::Foreign);
            }
            let Some(greeting) = self.input.first_chunk::<HANDSHAKE>() else {
                return Ok(());
            };
            let greeting = Handshake::read(greeting)?;
            if greeting.hash != self.hash {
                return Err(Fault::OtherTorrent);
            }
            if greeting.peer == self.me {
                return Err(Fault::Myself);
            }
            if self.undescribed && !greeting.extended {
                return Err(Fault::Useless("it cannot say what the torrent holds"));
            }
            let _ = self.input.split_to(HANDSHAKE);
            self.greeted = true;
            self.last = now;
            if greeting.extended {
                wire::put(&mut self.output, &wire::extended_greeting(None));
            }
            wire::put(&mut self.output, &Message::Interested);
        }
        while let Some(message) = wire::next(&mut self.input)? {
            self.message(message, now)?;
        }
        Ok(())
    }

    fn message(&mut self, message: Message, now: u64) -> Result<(), Fault> {
        match message {
            Message::Choke => {
                self.choked = true;
                self.since = now;
                // What was asked for will not come.
                self.taking = None;
            }
            Message::Unchoke => self.choked = false,
            Message::Have(piece) => {
                if piece >= MAX_PIECES {
                    return Err(Fault::Broken("it has a piece that cannot be"));
                }
                let at = piece as usize / 8;
                if self.has.len() <= at {
                    self.has.resize(at + 1, 0);
                }
                if let Some(byte) = self.has.get_mut(at) {
                    *byte |= 0x80 >> (piece % 8);
                }
            }
            Message::Bitfield(bits) => {
                if bits.len() > MAX_PIECES as usize / 8 + 1 {
                    return Err(Fault::Broken("it has pieces that cannot be"));
                }
                self.has = bits.to_vec();
            }
            Message::Piece { piece, begin, data } => self.block(piece, begin, &data, now)?,
            Message::Extended(0, bytes) => self.extended(&bytes, now)?,
            Message::Extended(wire::METADATA, bytes) => self.metadata(&bytes, now)?,
            _ => {}
        }
        Ok(())
    }

    fn block(&mut self, piece: u32, begin: u32, data: &[u8], now: u64) -> Result<(), Fault> {
        // One that was given up, and was on its way.
        let Some(taking) = self.taking.as_mut().filter(|t| t.piece == piece) else {
            return Ok(());
        };
        let number = begin / BLOCK;
        let expected = number < taking.next && taking.block(number).begin == begin;
        if !expected || taking.block(number).len as usize != data.len() {
            return Err(Fault::Broken("it sends what was not asked for"));
        }
        let (Some(came), Some(place)) = (
            taking.came.get_mut(number as usize),
            taking
                .bytes
                .get_mut(begin as usize..begin as usize + data.len()),
        ) else {
            return Err(Fault::Broken("it sends what was not asked for"));
        };
        if std::mem::replace(came, true) {
            return Ok(());
        }
        place.copy_from_slice(data);
        taking.missing -= 1;
        self.last = now;
        if taking.missing > 0 {
            self.ask_blocks();
        } else if let Some(taking) = self.taking.take() {
            let event = Event::Piece(taking.piece, taking.bytes);
            self.events.push_back(event);
        }
        Ok(())
    }

    fn extended(&mut self, bytes: &Bytes, now: u64) -> Result<(), Fault> {
        if !self.undescribed || self.describing.is_some() {
            return Ok(());
        }
        let (Some(theirs), Some(size)) = wire::read_greeting(bytes) else {
            return Err(Fault::Useless("it does not know what the torrent holds"));
        };
        let size = usize::try_from(size).ok();
        let size = size.filter(|s| (1..=MAX_METADATA).contains(s));
        let size = size.ok_or(Fault::Useless("the torrent's description is too long"))?;
        self.describing = Some(Describing {
            theirs,
            size,
            parts: Vec::new(),
        });
        self.last = now;
        wire::put(&mut self.output, &Metadata::ask(theirs, 0));
        Ok(())
    }

    fn metadata(&mut self, bytes: &Bytes, now: u64) -> Result<(), Fault> {
        let Some(describing) = &mut self.describing else {
            return Ok(());
        };
        match Metadata::read(bytes) {
            // Part after part: what is held was really sent.
            Some(Metadata::Data(number, part)) if number as usize == describing.parts.len() => {
                let left = describing.size - describing.parts.len() * BLOCK as usize;
                if part.len() != left.min(BLOCK as usize) {
                    return Err(Fault::Broken("a part of the description is cut"));
                }
                let done = part.len() == left;
                describing.parts.push(part);
                self.last = now;
                if done {
                    let whole = describing.parts.concat();
                    self.described();
                    self.events.push_back(Event::Described(whole));
                } else {
                    let ask = Metadata::ask(describing.theirs, number + 1);
                    wire::put(&mut self.output, &ask);
                }
                Ok(())
            }
            Some(Metadata::Reject) => Err(Fault::Useless("it does not say what the torrent holds")),
            _ => Ok(()),
        }
    }
}
