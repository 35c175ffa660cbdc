//! One learner with a line of its own, and peers behind it, in virtual time.
//!
//! The line has a delay each way and a rate; so has what each peer sends over. A peer
//! sends its uploads in pieces of 64 KiB that take turns, as the muxrpc layer does,
//! and has a bounded number of bytes on the way. Everything above is the real thing:
//! `Wants`, `Media`, stores, downloads with their hashes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use studytime_blobs::media::{Media, MediaConfig, MediaFile, Read, ReaderId};
use studytime_blobs::store::{BlobStore, MemoryStore};
use studytime_blobs::transfer::{Download, DownloadError, Start};
use studytime_blobs::wants::*;
use studytime_blobs::wire::{GetArgs, Note, WantFrame};
use studytime_schema::{BlobId, FeedId, Manifest};

const PIECE: usize = 64 * 1024;
/// Bytes of one peer that may wait between it and the learner, in buffers and the
/// socket, beside those that the way itself holds.
const ON_THE_WAY: usize = 256 * 1024;
const MEDIA: OwnerId = OwnerId(0);

/// The bytes of a segment, from its number alone.
pub(crate) fn segment(n: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (i, word) in bytes.chunks_mut(8).enumerate() {
        let value = (n << 32 | i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
    }
    bytes
}

/// A film of so many segments, and where each of them stands.
pub(crate) struct Film {
    pub(crate) file: Arc<MediaFile>,
    len: usize,
    numbers: HashMap<BlobId, u64>,
}

impl Film {
    pub(crate) fn new(segments: u64, len: usize, salt: u64) -> Self {
        let number = |n: u64| salt << 20 | n;
        let ids: Vec<BlobId> = (0..segments)
            .map(|n| BlobId::of(&segment(number(n), len)))
            .collect();
        let manifest = Manifest {
            content_type: "video/mp4".into(),
            size: segments * len as u64,
            segment_size: len as u32,
            sha256: [0; 32],
            segments: ids.clone(),
        };
        let link = BlobId::of(&salt.to_le_bytes());
        let numbers = (0..segments).map(|n| (ids[n as usize], number(n)));
        Self {
            file: Arc::new(MediaFile::segmented(link, &manifest).unwrap()),
            len,
            numbers: numbers.collect(),
        }
    }

    fn bytes(&self, id: &BlobId) -> Option<Vec<u8>> {
        Some(segment(*self.numbers.get(id)?, self.len))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Right in number, wrong in content.
    Liar,
    /// Never ends what it sends.
    Endless,
}

struct Peer {
    id: PeerId,
    manner: Manner,
    /// Bytes per second that it can send.
    rate: u64,
    holds: BTreeSet<BlobId>,
    free_at: u64,
    on_the_way: usize,
    /// Calls being answered, in turn, with what is left of each.
    uploads: VecDeque<(u64, VecDeque<Vec<u8>>)>,
    /// Bytes of blobs it has sent.
    sent: u64,
}

enum Event {
    ToPeer(usize, ToPeer),
    Frame(usize, WantFrame),
    /// A piece, perhaps the last, comes to the learner's line.
    Line(usize, u64, Vec<u8>, bool),
    Piece(usize, u64, Vec<u8>),
    End(usize, u64),
    /// A peer may send on.
    Send(usize),
    Timer,
    Step,
}

enum ToPeer {
    Wants(WantFrame),
    Get(u64, GetArgs),
    Stop(u64),
}

/// Someone who watches, as a browser does: it reads ahead as far as it can hold.
pub(crate) struct Player {
    pub(crate) reader: ReaderId,
    /// Bytes per second that are shown.
    pub(crate) shows: u64,
    /// Bytes that it holds ahead of what is shown.
    pub(crate) buffer: u64,
    /// When the first byte came.
    pub(crate) began: Option<u64>,
    pub(crate) read: u64,
    shown: u64,
    shown_at: u64,
    /// When it had nothing to show, in microseconds.
    pub(crate) stalls: Vec<u64>,
}

/// All of it. Times are microseconds.
pub(crate) struct Line {
    pub(crate) now: u64,
    delay: u64,
    rate: u64,
    free_at: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    pub(crate) store: MemoryStore,
    pub(crate) wants: Wants,
    pub(crate) media: Media,
    films: Vec<Arc<Film>>,
    peers: Vec<Peer>,
    downloads: HashMap<BlobId, (usize, u64, Download)>,
    calls: u64,
    pub(crate) players: Vec<Player>,
    /// When each blob was announced as wanted, asked for by a call, and got.
    pub(crate) announced: Vec<(u64, BlobId)>,
    pub(crate) asked: Vec<(u64, usize, BlobId, u64)>,
    pub(crate) got: Vec<(u64, usize, BlobId)>,
    pub(crate) marks: Vec<(FeedId, Mark)>,
}

impl Line {
    /// A line of `rate` bytes per second and `delay` milliseconds each way.
    pub(crate) fn new(delay: u64, rate: u64) -> Self {
        Self {
            now: 1_000_000_000,
            delay: delay * 1_000,
            rate,
            free_at: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            store: MemoryStore::new(),
            wants: Wants::new(WantsConfig::default()),
            media: Media::new(MediaConfig::default()),
            films: Vec::new(),
            peers: Vec::new(),
            downloads: HashMap::new(),
            calls: 0,
            players: Vec::new(),
            announced: Vec::new(),
            asked: Vec::new(),
            got: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn ms(&self) -> u64 {
        self.now / 1_000
    }

    pub(crate) fn film(&mut self, film: &Arc<Film>) {
        self.films.push(Arc::clone(film));
    }

    /// A peer that sends at most `rate` bytes per second and has these films.
    pub(crate) fn peer(&mut self, rate: u64, manner: Manner, films: &[&Arc<Film>]) -> usize {
        let at = self.peers.len();
        let n = at as u8 + 1;
        let id = PeerId {
            feed: FeedId::from_bytes([n; 32]),
            connection: n.into(),
        };
        let holds = films.iter().flat_map(|f| f.numbers.keys().copied());
        self.peers.push(Peer {
            id,
            manner,
            rate,
            holds: holds.collect(),
            free_at: 0,
            on_the_way: 0,
            uploads: VecDeque::new(),
            sent: 0,
        });
        let now = self.ms();
        self.wants.connect(id, PeerKind::StudyTime, now);
        self.wants.opened(id, now);
        self.pump();
        at
    }

    pub(crate) fn feed(&self, peer: usize) -> FeedId {
        self.peers[peer].id.feed
    }

    pub(crate) fn sent(&self, peer: usize) -> u64 {
        self.peers[peer].sent
    }

    fn later(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert(self.count, event);
        self.queue.push(Reverse((at, self.count)));
    }

    /// Opens a film and plays it from the start; `shows` is its rate.
    pub(crate) fn play(&mut self, film: &Film, shows: u64) -> usize {
        let reader = self.media.open(Arc::clone(&film.file), Some(shows));
        self.players.push(Player {
            reader,
            shows,
            buffer: shows * 10,
            began: None,
            read: 0,
            shown: 0,
            shown_at: self.now,
            stalls: Vec::new(),
        });
        self.later(self.now, Event::Step);
        self.players.len() - 1
    }

    /// Goes elsewhere: what was held ahead is dropped.
    pub(crate) fn seek(&mut self, player: usize, position: u64) {
        let p = &mut self.players[player];
        self.media.seek(p.reader, position);
        (p.began, p.read, p.shown, p.shown_at) = (None, 0, 0, self.now);
        self.later(self.now, Event::Step);
        self.pump();
    }

    pub(crate) fn fetch_ahead(&mut self, owner: u64, film: &Film) {
        let list: Vec<_> = (0..)
            .zip(film.file.segments())
            .map(|(n, id)| {
                let len = film.len as u64;
                (*id, WantSpec::segment(Priority::Prefetch, n, len))
            })
            .collect();
        let now = self.ms();
        self.wants.replace(OwnerId(owner), &list, now);
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            let now = self.ms();
            if let Some(blobs) = self.media.poll_lookup() {
                for blob in blobs {
                    let here = self.store.size(&blob).unwrap().is_some();
                    self.media.looked_up(&blob, here);
                }
                continue;
            }
            if let Some(list) = self.media.poll_wants() {
                self.wants.replace(MEDIA, &list, now);
                continue;
            }
            let Some(output) = self.wants.poll_output(now) else {
                break;
            };
            match output {
                Output::SendWants { peer, frame } => {
                    let at = self.peers.iter().position(|p| p.id == peer).unwrap();
                    for (blob, note) in &frame.notes {
                        if matches!(note, Note::Want { .. }) {
                            self.announced.push((self.now, *blob));
                        }
                    }
                    self.later(
                        self.now + self.delay,
                        Event::ToPeer(at, ToPeer::Wants(frame)),
                    );
                }
                Output::Fetch {
                    peer,
                    blob,
                    max,
                    resume,
                } => self.fetch(peer, blob, max, resume),
                Output::CancelFetch { peer, blob, keep } => {
                    let at = self.peers.iter().position(|p| p.id == peer).unwrap();
                    if self
                        .downloads
                        .get(&blob)
                        .is_some_and(|(from, ..)| *from == at)
                    {
                        let (_, call, download) = self.downloads.remove(&blob).unwrap();
                        if keep {
                            download.interrupt(now).unwrap();
                        }
                        self.later(self.now + self.delay, Event::ToPeer(at, ToPeer::Stop(call)));
                    }
                }
                Output::PeerMarked { feed, mark } => self.marks.push((feed, mark)),
                Output::Got { .. } | Output::PushSeen { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
        if let Some(at) = self.wants.poll_timeout() {
            self.later((at * 1_000).max(self.now), Event::Timer);
        }
    }

    fn fetch(&mut self, peer: PeerId, blob: BlobId, max: u64, resume: Option<u64>) {
        let at = self.peers.iter().position(|p| p.id == peer).unwrap();
        assert!(!self.downloads.contains_key(&blob), "fetched twice at once");
        let now = self.ms();
        let Start::Call(download, args) =
            Download::start(&self.store, &blob, max, resume, now).unwrap()
        else {
            panic!("fetched, and here already");
        };
        self.calls += 1;
        let from = args.slice.map_or(0, |s| s.start);
        self.asked.push((self.now, at, blob, from));
        self.downloads.insert(blob, (at, self.calls, download));
        let get = ToPeer::Get(self.calls, args);
        self.later(self.now + self.delay, Event::ToPeer(at, get));
    }

    fn reached(&mut self, at: usize, what: ToPeer) {
        let peer = &mut self.peers[at];
        match what {
            ToPeer::Wants(frame) => {
                let has = frame.notes.iter().filter_map(|(blob, note)| {
                    let wanted = matches!(note, Note::Want { .. }) && peer.holds.contains(blob);
                    let len = self
                        .films
                        .iter()
                        .find_map(|f| f.numbers.contains_key(blob).then_some(f.len as u64))?;
                    wanted.then_some((*blob, Note::Has { size: len }))
                });
                let notes: Vec<_> = has.collect();
                if !notes.is_empty() {
                    let frame = WantFrame { notes };
                    self.later(self.now + self.delay, Event::Frame(at, frame));
                }
            }
            ToPeer::Get(call, args) => {
                let whole = self.films.iter().find_map(|f| f.bytes(&args.id)).unwrap();
                let start = args.slice.map_or(0, |s| s.start as usize);
                let mut rest = whole[start..].to_vec();
                match peer.manner {
                    Manner::Honest => {}
                    Manner::Liar => *rest.last_mut().unwrap() ^= 1,
                    Manner::Endless => rest.extend(vec![0; 64 << 20]),
                }
                let pieces = rest.chunks(PIECE).map(<[u8]>::to_vec).collect();
                peer.uploads.push_back((call, pieces));
                self.send(at);
            }
            ToPeer::Stop(call) => peer.uploads.retain(|(c, _)| *c != call),
        }
    }

    /// A peer sends the next pieces, as long as there is room on the way.
    fn send(&mut self, at: usize) {
        loop {
            let peer = &mut self.peers[at];
            let held = peer.rate.min(self.rate) * self.delay / 1_000_000;
            if peer.on_the_way >= ON_THE_WAY + held as usize {
                return;
            }
            let Some((call, mut pieces)) = peer.uploads.pop_front() else {
                return;
            };
            let Some(piece) = pieces.pop_front() else {
                self.later(self.now + self.delay, Event::End(at, call));
                continue;
            };
            let len = piece.len();
            peer.on_the_way += len;
            peer.sent += len as u64;
            let out = peer.free_at.max(self.now) + len as u64 * 1_000_000 / peer.rate;
            peer.free_at = out;
            let last = pieces.is_empty();
            if !last {
                peer.uploads.push_back((call, pieces));
            }
            self.later(out + self.delay, Event::Line(at, call, piece, last));
        }
    }

    fn ours(&self, call: u64) -> Option<BlobId> {
        let mut all = self.downloads.iter();
        all.find(|(_, (_, c, _))| *c == call).map(|(blob, _)| *blob)
    }

    fn handle(&mut self, event: Event) {
        let now = self.ms();
        match event {
            Event::ToPeer(at, what) => self.reached(at, what),
            Event::Frame(at, frame) => self.wants.handle_frame(self.peers[at].id, &frame, now),
            Event::Timer => {
                if self.wants.poll_timeout().is_some_and(|t| t <= now) {
                    self.wants.handle_timeout(now);
                }
            }
            Event::Send(at) => self.send(at),
            Event::Line(at, call, piece, last) => {
                // Behind what is in it.
                let len = piece.len() as u64;
                let inside = self.free_at.max(self.now) + len * 1_000_000 / self.rate;
                self.free_at = inside;
                self.later(inside, Event::Piece(at, call, piece));
                if last {
                    self.later(inside, Event::End(at, call));
                }
            }
            Event::Piece(at, call, bytes) => {
                self.peers[at].on_the_way -= bytes.len();
                self.later(self.now, Event::Send(at));
                let peer = self.peers[at].id;
                let Some(blob) = self.ours(call) else { return };
                let (_, _, download) = self.downloads.get_mut(&blob).unwrap();
                match download.chunk(&bytes) {
                    Ok(()) => {
                        self.wants
                            .handle_bytes(peer, &blob, bytes.len() as u64, now);
                    }
                    Err(DownloadError::TooLong { .. }) => {
                        self.downloads.remove(&blob);
                        self.later(self.now + self.delay, Event::ToPeer(at, ToPeer::Stop(call)));
                        let why = FetchFailure::TooLong;
                        self.wants.handle_failed(peer, &blob, why, now);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Event::End(at, call) => {
                let peer = self.peers[at].id;
                let Some(blob) = self.ours(call) else { return };
                let (_, _, download) = self.downloads.remove(&blob).unwrap();
                match download.finish() {
                    Ok(added) => {
                        self.got.push((self.now, at, blob));
                        self.wants
                            .handle_stored(added.id, added.size, Some(peer), now);
                        self.media.segment_arrived(&added.id);
                        self.step();
                    }
                    Err(DownloadError::WrongHash { resumed, .. }) => {
                        let why = match resumed {
                            true => FetchFailure::WrongHashResumed,
                            false => FetchFailure::WrongHash,
                        };
                        self.wants.handle_failed(peer, &blob, why, now);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Event::Step => {
                self.step();
                if self.players.iter().any(|p| p.shows > 0) {
                    self.later(self.now + 20_000, Event::Step);
                }
            }
        }
        self.pump();
    }

    /// Players show what they hold and read on.
    fn step(&mut self) {
        for p in &mut self.players {
            if p.began.is_some() {
                let passed = self.now - p.shown_at;
                let due = p.shown + passed * p.shows / 1_000_000;
                if due > p.read && self.media.read(p.reader) != Read::End {
                    p.stalls.push(self.now);
                }
                p.shown = due.min(p.read);
            }
            p.shown_at = self.now;
            while p.read < p.shown + p.buffer {
                match self.media.read(p.reader) {
                    Read::Ready { blob, len, .. } => {
                        assert!(self.store.size(&blob).unwrap().is_some(), "not verified");
                        let len = len.min(PIECE as u64);
                        self.media.advance(p.reader, len);
                        p.read += len;
                        p.began.get_or_insert(self.now);
                    }
                    _ => break,
                }
            }
        }
    }

    /// Goes on until `done`, or for so many milliseconds; says whether it was done.
    pub(crate) fn run(&mut self, milliseconds: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now + milliseconds * 1_000;
        while let Some(Reverse((at, n))) = self.queue.pop() {
            if at > until {
                self.queue.push(Reverse((at, n)));
                break;
            }
            self.now = self.now.max(at);
            if let Some(event) = self.events.remove(&n) {
                self.handle(event);
            }
            if done(self) {
                return true;
            }
        }
        self.now = until;
        done(self)
    }
}
