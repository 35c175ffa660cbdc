//! Many nodes in virtual time: the real `Wants`, stores, downloads and
//! uploads, joined by links that delay, break and lie as told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use studytime_blobs::store::{BlobStore, Durability, MemoryStore, Push};
use studytime_blobs::transfer::{Download, DownloadError, Start, Upload};
use studytime_blobs::wants::*;
use studytime_blobs::wire::{GetArgs, Note, WantFrame};
use studytime_schema::{BlobId, FeedId};

/// Numbers that look random and are the same in every run.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Sends other bytes, right in number.
    Liar,
    /// Begins and never ends.
    Staller,
    /// Says that it has everything and refuses to give it.
    Boaster,
}

pub struct Node {
    pub feed: FeedId,
    pub kind: PeerKind,
    pub manner: Manner,
    pub store: MemoryStore,
    pub wants: Wants,
    pub config: WantsConfig,
    downloads: HashMap<BlobId, Fetching>,
    /// When a segment was first wanted.
    segments: HashMap<BlobId, u64>,
    /// Segments told to a stranger, by connection, that are not here.
    told: HashMap<PeerId, BTreeSet<BlobId>>,
    pub got: Vec<(u64, BlobId)>,
    pub marked: Vec<FeedId>,
    pub fetched: u64,
    pub pushes_done: Vec<BlobId>,
}

struct Fetching {
    peer: PeerId,
    call: u64,
    download: Download,
}

enum Event {
    Link(usize, usize, bool),
    Opened {
        at: usize,
        peer: PeerId,
    },
    Frame {
        at: usize,
        peer: PeerId,
        bytes: Vec<u8>,
    },
    Call {
        at: usize,
        peer: PeerId,
        call: u64,
        args: GetArgs,
    },
    Chunk {
        at: usize,
        peer: PeerId,
        call: u64,
        bytes: Vec<u8>,
    },
    End {
        at: usize,
        peer: PeerId,
        call: u64,
        ok: bool,
    },
    Want {
        at: usize,
        owner: OwnerId,
        blob: BlobId,
        spec: WantSpec,
    },
    Tick(usize),
}

pub struct Sim {
    pub now: u64,
    pub nodes: Vec<Node>,
    pub dice: Dice,
    links: BTreeMap<(usize, usize), u64>,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    connections: u64,
    calls: u64,
    /// Last arrival by connection and direction: a link keeps the order.
    arrivals: HashMap<(u64, usize), u64>,
}

impl Sim {
    pub fn new(seed: u64) -> Self {
        Self {
            now: 1_000_000,
            nodes: Vec::new(),
            dice: Dice::new(seed),
            links: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            connections: 0,
            calls: 0,
            arrivals: HashMap::new(),
        }
    }

    pub fn add(&mut self, kind: PeerKind, manner: Manner, config: WantsConfig) -> usize {
        let n = self.nodes.len();
        self.nodes.push(Node {
            feed: FeedId::from_bytes([n as u8 + 1; 32]),
            kind,
            manner,
            store: MemoryStore::new(),
            wants: Wants::new(config.clone()),
            config,
            downloads: HashMap::new(),
            segments: HashMap::new(),
            told: HashMap::new(),
            got: Vec::new(),
            marked: Vec::new(),
            fetched: 0,
            pushes_done: Vec::new(),
        });
        n
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) -> BlobId {
        let node = &mut self.nodes[at];
        node.store
            .add(bytes, Durability::Relaxed, self.now)
            .unwrap()
            .id
    }

    pub fn push(
        &mut self,
        at: usize,
        bytes: &[u8],
        scope: studytime_blobs::store::PushScope,
    ) -> BlobId {
        let id = self.put(at, bytes);
        let node = &mut self.nodes[at];
        node.store.push(&[id], scope).unwrap();
        for Push { id, scope, seen } in node.store.pushes().unwrap() {
            let size = node.store.size(&id).unwrap().unwrap();
            node.wants.push(
                PushSpec {
                    id,
                    size,
                    scope,
                    seen,
                },
                self.now,
            );
        }
        self.pump(at);
        id
    }

    pub fn want_at(&mut self, time: u64, at: usize, owner: u64, blob: BlobId, spec: WantSpec) {
        let owner = OwnerId(owner);
        self.later(
            time.saturating_sub(self.now),
            Event::Want {
                at,
                owner,
                blob,
                spec,
            },
        );
    }

    pub fn want(&mut self, at: usize, blob: BlobId, spec: WantSpec) {
        self.do_want(at, OwnerId(0), blob, spec);
    }

    pub fn link_at(&mut self, time: u64, a: usize, b: usize, up: bool) {
        let delay = time.saturating_sub(self.now);
        self.later(delay, Event::Link(a.min(b), a.max(b), up));
    }

    pub fn link(&mut self, a: usize, b: usize) {
        self.set_link(a.min(b), a.max(b), true);
    }

    fn later(&mut self, delay: u64, event: Event) {
        let n = self.events.len();
        self.events.push(Some(event));
        self.queue.push(Reverse((self.now + delay, n as u64, n)));
    }

    /// Sends over a link; in order, after a delay that varies.
    fn send(&mut self, to: usize, connection: u64, event: Event) {
        let delay = 2 + self.dice.below(40);
        let last = self.arrivals.entry((connection, to)).or_insert(0);
        *last = (self.now + delay).max(*last);
        let delay = *last - self.now;
        self.later(delay, event);
    }

    fn other(&self, peer: &PeerId) -> usize {
        self.nodes.iter().position(|n| n.feed == peer.feed).unwrap()
    }

    /// The connection as the other side names it.
    fn turn(&self, at: usize, peer: &PeerId) -> PeerId {
        PeerId {
            feed: self.nodes[at].feed,
            connection: peer.connection,
        }
    }

    fn is_up(&self, at: usize, peer: &PeerId) -> bool {
        let other = self.other(peer);
        self.links.get(&(at.min(other), at.max(other))) == Some(&peer.connection)
    }

    fn set_link(&mut self, a: usize, b: usize, up: bool) {
        if !up {
            let Some(connection) = self.links.remove(&(a, b)) else {
                return;
            };
            for (at, other) in [(a, b), (b, a)] {
                let peer = PeerId {
                    feed: self.nodes[other].feed,
                    connection,
                };
                let now = self.now;
                let node = &mut self.nodes[at];
                let cut = node.downloads.iter().filter(|(_, f)| f.peer == peer);
                for blob in cut.map(|(b, _)| *b).collect::<Vec<_>>() {
                    let fetching = node.downloads.remove(&blob).unwrap();
                    fetching.download.interrupt(now).unwrap();
                }
                node.told.remove(&peer);
                node.wants.disconnect(peer, now);
                self.pump(at);
            }
            return;
        }
        if self.links.contains_key(&(a, b)) {
            return;
        }
        self.connections += 1;
        let connection = self.connections;
        self.links.insert((a, b), connection);
        for (at, other) in [(a, b), (b, a)] {
            let peer = PeerId {
                feed: self.nodes[other].feed,
                connection,
            };
            let kind = self.nodes[other].kind;
            self.nodes[at].wants.connect(peer, kind, self.now);
            self.send(at, connection, Event::Opened { at, peer });
            self.pump(at);
        }
    }

    fn do_want(&mut self, at: usize, owner: OwnerId, blob: BlobId, spec: WantSpec) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.store.size(&blob).unwrap().is_some() {
            return;
        }
        if spec.kind == BlobKind::Segment {
            node.segments.entry(blob).or_insert(now);
        }
        node.wants.want(owner, blob, spec, now);
        self.pump(at);
    }

    /// The driver: does what `Wants` says.
    pub fn pump(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].wants.poll_output(self.now) {
            match output {
                Output::SendWants { peer, frame } => self.send_wants(at, peer, frame),
                Output::NeedHave { blobs } => {
                    let node = &mut self.nodes[at];
                    let size = |id: &BlobId| match node.manner {
                        Manner::Boaster => Some(1),
                        _ => node.store.size(id).unwrap(),
                    };
                    let have: Vec<_> = blobs.iter().map(|id| (*id, size(id))).collect();
                    node.wants.handle_have(&have, self.now);
                }
                Output::Fetch {
                    peer,
                    blob,
                    max,
                    resume,
                } => self.fetch(at, peer, blob, max, resume),
                Output::CancelFetch { peer, blob, keep } => {
                    let now = self.now;
                    let node = &mut self.nodes[at];
                    let ours = node.downloads.get(&blob).is_some_and(|f| f.peer == peer);
                    if ours {
                        let fetching = node.downloads.remove(&blob).unwrap();
                        if keep {
                            fetching.download.interrupt(now).unwrap();
                        }
                    }
                }
                Output::Got { blob, size } => {
                    let node = &mut self.nodes[at];
                    assert_eq!(node.store.size(&blob).unwrap(), Some(size));
                    node.got.push((self.now, blob));
                }
                Output::PushSeen { blob, peer, done } => {
                    let node = &mut self.nodes[at];
                    assert_eq!(node.store.push_seen(&blob, &peer).unwrap(), done);
                    node.pushes_done.extend(done.then_some(blob));
                }
                Output::PeerMarked { feed, .. } => self.nodes[at].marked.push(feed),
                other => panic!("unknown output {other:?}"),
            }
        }
        if let Some(time) = self.nodes[at].wants.poll_timeout() {
            self.later(time.saturating_sub(self.now), Event::Tick(at));
        }
    }

    fn send_wants(&mut self, at: usize, peer: PeerId, frame: WantFrame) {
        let other = self.other(&peer);
        let stranger = self.nodes[other].kind == PeerKind::Other;
        let node = &mut self.nodes[at];
        let mut named = BTreeSet::new();
        for (blob, note) in &frame.notes {
            assert!(named.insert(*blob), "a blob is named twice in a frame");
            assert_ne!(*blob, BlobId::EMPTY);
            if let (Note::Want { .. }, true, Some(since)) =
                (note, stranger, node.segments.get(blob))
                && node.wants.is_wanted(blob)
            {
                let waited = self.now - since;
                assert!(
                    waited >= node.config.stranger_delay,
                    "told a stranger after {waited} ms"
                );
                let told = node.told.entry(peer).or_default();
                told.retain(|id| node.store.size(id).unwrap().is_none());
                told.insert(*blob);
            }
        }
        let bytes = frame.to_json();
        let peer = self.turn(at, &peer);
        self.send(
            other,
            peer.connection,
            Event::Frame {
                at: other,
                peer,
                bytes,
            },
        );
    }

    fn fetch(&mut self, at: usize, peer: PeerId, blob: BlobId, max: u64, resume: Option<u64>) {
        let other = self.other(&peer);
        self.calls += 1;
        let call = self.calls;
        let node = &mut self.nodes[at];
        assert!(!node.downloads.contains_key(&blob), "fetched twice at once");
        let here = node.downloads.values().filter(|f| f.peer == peer).count();
        let most = node.config.fetches_per_peer + node.config.urgent_fetches_per_peer;
        assert!(here < most, "too many fetches at one peer");
        node.fetched += 1;
        match Download::start(&node.store, &blob, max, resume, self.now).unwrap() {
            Start::Here(added) => {
                node.wants
                    .handle_stored(added.id, added.size, Some(peer), self.now);
            }
            Start::Call(download, args) => {
                node.downloads.insert(
                    blob,
                    Fetching {
                        peer,
                        call,
                        download,
                    },
                );
                let peer = self.turn(at, &peer);
                self.send(
                    other,
                    peer.connection,
                    Event::Call {
                        at: other,
                        peer,
                        call,
                        args,
                    },
                );
            }
        }
    }

    fn serve(&mut self, at: usize, peer: PeerId, call: u64, args: &GetArgs) {
        let to = self.other(&peer);
        let manner = self.nodes[at].manner;
        let reply = self.turn(at, &peer);
        let connection = peer.connection;
        let upload = Upload::start(&self.nodes[at].store, args);
        let (Ok(mut upload), true) = (upload, manner != Manner::Boaster) else {
            return self.send(
                to,
                connection,
                Event::End {
                    at: to,
                    peer: reply,
                    call,
                    ok: false,
                },
            );
        };
        while let Some(chunk) = upload.next_chunk().unwrap() {
            let mut bytes = chunk.to_vec();
            if manner == Manner::Liar {
                bytes[0] ^= 1;
            }
            self.send(
                to,
                connection,
                Event::Chunk {
                    at: to,
                    peer: reply,
                    call,
                    bytes,
                },
            );
            if manner == Manner::Staller {
                return;
            }
        }
        self.send(
            to,
            connection,
            Event::End {
                at: to,
                peer: reply,
                call,
                ok: true,
            },
        );
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Link(a, b, up) => self.set_link(a, b, up),
            Event::Want {
                at,
                owner,
                blob,
                spec,
            } => self.do_want(at, owner, blob, spec),
            Event::Tick(at) => {
                self.nodes[at].wants.handle_timeout(now);
                self.pump(at);
            }
            Event::Opened { at, peer } if self.is_up(at, &peer) => {
                self.nodes[at].wants.opened(peer, now);
                self.pump(at);
            }
            Event::Frame { at, peer, bytes } if self.is_up(at, &peer) => {
                let frame = WantFrame::parse(&bytes).unwrap();
                if let Some(told) = self.nodes[at].told.get_mut(&peer) {
                    // An answer: it looks for it no more.
                    for (blob, note) in &frame.notes {
                        if matches!(note, Note::Has { .. }) {
                            told.remove(blob);
                        }
                    }
                }
                self.nodes[at].wants.handle_frame(peer, &frame, now);
                self.pump(at);
            }
            Event::Call {
                at,
                peer,
                call,
                args,
            } if self.is_up(at, &peer) => {
                let args = GetArgs::parse(&args.to_args(), args.slice.is_some()).unwrap();
                self.serve(at, peer, call, &args);
            }
            Event::Chunk {
                at,
                peer,
                call,
                bytes,
            } if self.is_up(at, &peer) => {
                let node = &mut self.nodes[at];
                let Some(blob) = ours(node, call) else { return };
                let fetching = node.downloads.get_mut(&blob).unwrap();
                match fetching.download.chunk(&bytes) {
                    Ok(()) => node
                        .wants
                        .handle_bytes(peer, &blob, bytes.len() as u64, now),
                    Err(_) => {
                        node.downloads.remove(&blob);
                        node.wants
                            .handle_failed(peer, &blob, FetchFailure::TooLong, now);
                    }
                }
                self.pump(at);
            }
            Event::End { at, peer, call, ok } if self.is_up(at, &peer) => {
                let node = &mut self.nodes[at];
                let Some(blob) = ours(node, call) else { return };
                let fetching = node.downloads.remove(&blob).unwrap();
                if !ok {
                    fetching.download.interrupt(now).unwrap();
                    node.wants
                        .handle_failed(peer, &blob, FetchFailure::Refused, now);
                } else {
                    match fetching.download.finish() {
                        Ok(added) => {
                            node.wants
                                .handle_stored(added.id, added.size, Some(peer), now)
                        }
                        Err(DownloadError::WrongHash { resumed, .. }) => {
                            let why = match resumed {
                                true => FetchFailure::WrongHashResumed,
                                false => FetchFailure::WrongHash,
                            };
                            node.wants.handle_failed(peer, &blob, why, now);
                        }
                        Err(e) => panic!("{e}"),
                    }
                }
                self.pump(at);
            }
            // The connection is gone.
            _ => {}
        }
    }

    /// Runs until `done`, or until the time is up; says whether it was done.
    pub fn run(&mut self, until: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let mut checked = self.now;
        while let Some(Reverse((time, _, n))) = self.queue.pop() {
            if time > until {
                self.queue.push(Reverse((time, n as u64, n)));
                self.now = until;
                return done(self);
            }
            if time > self.now + 100 && done(self) {
                self.queue.push(Reverse((time, n as u64, n)));
                return true;
            }
            self.now = self.now.max(time);
            let Some(event) = self.events[n].take() else {
                continue;
            };
            if let Event::Tick(at) = event {
                // Every pump leaves a tick; only those that are due do something.
                if self.nodes[at]
                    .wants
                    .poll_timeout()
                    .is_none_or(|t| t > self.now)
                {
                    continue;
                }
                self.handle(Event::Tick(at));
            } else {
                self.handle(event);
            }
            if self.now >= checked + 100 {
                checked = self.now;
                if done(self) {
                    return true;
                }
            }
        }
        done(self)
    }

    pub fn has(&self, at: usize, blob: &BlobId) -> bool {
        self.nodes[at].store.size(blob).unwrap().is_some()
    }

    pub fn most_told(&self, at: usize) -> usize {
        self.nodes[at]
            .told
            .values()
            .map(BTreeSet::len)
            .max()
            .unwrap_or(0)
    }
}

fn ours(node: &Node, call: u64) -> Option<BlobId> {
    let found = node.downloads.iter().find(|(_, f)| f.call == call);
    found.map(|(blob, _)| *blob)
}
