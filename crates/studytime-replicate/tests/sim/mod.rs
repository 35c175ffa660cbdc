//! Many peers in virtual time: links with delay and loss, stores with latency,
//! one seed for everything.

#![allow(unreachable_pub, reason = "shared by test programs")]

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use studytime_replicate::ebt::{Config, IngestOutcome, Payload};
use studytime_replicate::ingest::{self, Draft, Verifier};
use studytime_replicate::store::{Appended, Shunned};
use studytime_replicate::{Ebt, FeedStore, MemoryStore, Output, PeerId, Role, Want};
use studytime_schema::{FeedId, Keypair, Message};

/// How many bytes a link's buffer takes.
const BUFFER: usize = 64 * 1024;

/// A small generator; good enough to shake things.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug)]
enum Event {
    Opened {
        to: usize,
        link: u64,
    },
    Frame {
        to: usize,
        link: u64,
        payload: Payload,
    },
    Closed {
        to: usize,
        link: u64,
    },
    Gone {
        to: usize,
        link: u64,
    },
    Read {
        node: usize,
        life: u32,
        peer: PeerId,
        feed: FeedId,
        from: u64,
        count: usize,
        bytes: usize,
    },
    Ingest {
        node: usize,
        life: u32,
    },
    Fetched {
        node: usize,
        life: u32,
        peer: PeerId,
        feed: FeedId,
        from: u64,
    },
    Timer {
        node: usize,
        life: u32,
        at: u64,
    },
}

struct Link {
    ends: [usize; 2],
    up: bool,
    delay: u64,
    /// Per direction (to end 0, to end 1): when the last frame arrives, bytes on
    /// the way, and whether messages get lost in a stalled program.
    arrives: [u64; 2],
    queued: [usize; 2],
    mute: [bool; 2],
}

/// What a node sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub frames: usize,
    pub notes: usize,
    pub messages: usize,
}

pub struct Node {
    pub keys: Keypair,
    pub ebt: Ebt,
    pub store: Arc<MemoryStore>,
    pub wants: BTreeMap<FeedId, Want>,
    pub sent: Sent,
    pub fallbacks: usize,
    pub restarts: usize,
    pub fetches: usize,
    pub own_ahead: Vec<(u64, u64)>,
    /// The notes of every frame that was sent, by peer.
    pub told: Vec<(PeerId, String)>,
    queue: Vec<(PeerId, FeedId, u64, Bytes)>,
    ingesting: bool,
    /// How long a batch takes from socket to disk.
    pub ingest_ms: u64,
    life: u32,
    timer: Option<u64>,
}

pub struct World {
    pub now: u64,
    pub rng: Rng,
    pub nodes: Vec<Node>,
    links: BTreeMap<u64, Link>,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    last_link: u64,
    verified: HashMap<Bytes, Option<Arc<Message>>>,
}

impl World {
    /// `n` nodes, each wanting its own feed only.
    pub fn new(seed: u64, n: usize) -> Self {
        let mut world = Self {
            now: 1_700_000_000_000,
            rng: Rng::new(seed),
            nodes: Vec::new(),
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            count: 0,
            last_link: 0,
            verified: HashMap::new(),
        };
        for i in 0..n {
            let mut secret = [0; 32];
            secret[..8].copy_from_slice(&(i as u64 + 1).to_le_bytes());
            let keys = Keypair::from_seed(&secret);
            let id = keys.id();
            world.nodes.push(Node {
                keys,
                ebt: Ebt::new(Config::default()),
                store: Arc::new(MemoryStore::new()),
                wants: BTreeMap::new(),
                sent: Sent::default(),
                fallbacks: 0,
                restarts: 0,
                fetches: 0,
                own_ahead: Vec::new(),
                told: Vec::new(),
                queue: Vec::new(),
                ingesting: false,
                ingest_ms: 5,
                life: 0,
                timer: None,
            });
            world.want(i, id, Want::own());
        }
        world
    }

    pub fn id(&self, node: usize) -> FeedId {
        self.nodes[node].keys.id()
    }

    pub fn tip(&self, node: usize, feed: &FeedId) -> u64 {
        self.nodes[node]
            .store
            .tip(feed)
            .unwrap()
            .map_or(0, |t| t.sequence)
    }

    pub fn want(&mut self, node: usize, feed: FeedId, want: Want) {
        let now = self.now;
        self.nodes[node].wants.insert(feed, want);
        self.nodes[node].ebt.set_wanted(feed, want, now);
        self.drive(node);
    }

    pub fn unwant(&mut self, node: usize, feed: &FeedId) {
        let now = self.now;
        self.nodes[node].wants.remove(feed);
        self.nodes[node].ebt.remove_wanted(feed, now);
        self.drive(node);
    }

    /// Everybody wants everybody's feed.
    pub fn want_all(&mut self) {
        let n = self.nodes.len();
        for node in 0..n {
            for author in (0..n).filter(|a| *a != node) {
                let id = self.id(author);
                self.want(
                    node,
                    id,
                    Want::fetch(studytime_replicate::ebt::Priority::LISTED),
                );
            }
        }
    }

    /// Publishes as this key from this node.
    pub fn publish_as(&mut self, node: usize, keys: &Keypair, count: usize) {
        let (now, text) = (self.now, self.rng.next());
        let drafts: Vec<Draft> = (0..count)
            .map(|n| {
                Draft::Public(
                    serde_json::json!({"type": "test", "n": n, "text": format!("{text}")}),
                )
            })
            .collect();
        let store = self.nodes[node].store.clone();
        let published = ingest::publish(store.as_ref(), keys, &drafts, None, now).unwrap();
        for p in &published {
            let wire = Bytes::copy_from_slice(p.message.wire().as_bytes());
            self.verified.insert(wire, Some(p.message.clone()));
        }
        let tip = self.tip(node, &keys.id());
        self.nodes[node].ebt.appended(keys.id(), tip, now);
        self.drive(node);
    }

    pub fn publish(&mut self, node: usize, count: usize) {
        let keys = self.nodes[node].keys.clone();
        self.publish_as(node, &keys, count);
    }

    pub fn connect(&mut self, dialer: usize, acceptor: usize) -> u64 {
        self.last_link += 1;
        let link = self.last_link;
        let delay = 1 + self.rng.below(60);
        self.links.insert(
            link,
            Link {
                ends: [dialer, acceptor],
                up: true,
                delay,
                arrives: [0; 2],
                queued: [0; 2],
                mute: [false; 2],
            },
        );
        for (node, other, role) in [
            (acceptor, dialer, Role::Acceptor),
            (dialer, acceptor, Role::Dialer),
        ] {
            let peer = PeerId::new(self.id(other), link);
            let clock = self.nodes[node].store.clock(&peer.feed).unwrap();
            let now = self.now;
            self.nodes[node].ebt.connect(peer, role, true, clock, now);
            self.drive(node);
        }
        link
    }

    pub fn is_connected(&self, a: usize, b: usize) -> bool {
        self.links
            .values()
            .any(|l| l.up && (l.ends == [a, b] || l.ends == [b, a]))
    }

    pub fn links_up(&self) -> Vec<u64> {
        self.links
            .iter()
            .filter(|(_, l)| l.up)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The link breaks; each side notices on its own time.
    pub fn cut(&mut self, link: u64) {
        let l = self.links.get_mut(&link).unwrap();
        if std::mem::replace(&mut l.up, false) {
            let ends = l.ends;
            for to in ends {
                let later = self.rng.below(3_000);
                self.at(self.now + later, Event::Gone { to, link });
            }
        }
    }

    /// From now on, messages from `from` vanish on this link, as in a program
    /// that hangs but keeps its connection.
    pub fn mute(&mut self, link: u64, from: usize, mute: bool) {
        let l = self.links.get_mut(&link).unwrap();
        let to = usize::from(l.ends[0] == from);
        l.mute[to] = mute;
    }

    /// The program of a node dies and starts again with what was on disk.
    pub fn restart(&mut self, node: usize) {
        for (link, l) in &mut self.links {
            if l.up && l.ends.contains(&node) {
                l.up = false;
                let other = if l.ends[0] == node {
                    l.ends[1]
                } else {
                    l.ends[0]
                };
                self.count += 1;
                self.events.insert(
                    (self.now + 100, self.count),
                    Event::Gone {
                        to: other,
                        link: *link,
                    },
                );
            }
        }
        let n = &mut self.nodes[node];
        n.life += 1;
        n.queue.clear();
        n.ingesting = false;
        n.timer = None;
        n.ebt = Ebt::new(Config::default());
        let tips = n.store.tips().unwrap();
        n.ebt.load(tips.into_iter().map(|(f, t)| (f, t.sequence)));
        n.ebt.load_shunned(&n.store.shunned().unwrap());
        n.ebt.load_wanted(n.wants.clone());
    }

    /// As [`World::restart`], but the disk is lost; only the key was kept.
    pub fn lose_disk(&mut self, node: usize) {
        self.nodes[node].store = Arc::new(MemoryStore::new());
        self.restart(node);
    }

    fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.insert((time, self.count), event);
    }

    fn peer(&self, node: usize, link: u64) -> (PeerId, usize) {
        let ends = self.links[&link].ends;
        let other = if ends[0] == node { ends[1] } else { ends[0] };
        (PeerId::new(self.id(other), link), other)
    }

    fn arrival(&mut self, link: u64, to: usize) -> u64 {
        let jitter = self.rng.below(10);
        let now = self.now;
        let l = self.links.get_mut(&link).unwrap();
        let side = usize::from(l.ends[1] == to);
        let time = (now + l.delay + jitter).max(l.arrives[side]);
        l.arrives[side] = time;
        time
    }

    /// What a node's driver does after every call: all outputs, then the timer.
    pub fn drive(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ebt.poll_output() {
            self.perform(node, output);
        }
        let n = &mut self.nodes[node];
        let due = n.ebt.poll_timeout();
        if n.timer != due {
            n.timer = due;
            let life = n.life;
            if let Some(at) = due {
                self.at(at.max(self.now + 1), Event::Timer { node, life, at });
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        let life = self.nodes[node].life;
        let now = self.now;
        match output {
            Output::Open { peer } => {
                let (_, to) = self.peer(node, peer.connection);
                let at = self.arrival(peer.connection, to);
                self.at(
                    at,
                    Event::Opened {
                        to,
                        link: peer.connection,
                    },
                );
            }
            Output::Send { peer, payload } => {
                let link = peer.connection;
                let (_, to) = self.peer(node, link);
                let sent = &mut self.nodes[node].sent;
                match &payload {
                    Payload::Notes(bytes) => {
                        let text = String::from_utf8(bytes.to_vec()).unwrap();
                        assert!(text.len() <= studytime_replicate::wire::MAX_NOTES_BYTES);
                        sent.frames += 1;
                        sent.notes += text.matches(".ed25519").count();
                        self.nodes[node].told.push((peer, text));
                    }
                    Payload::Message(_) => sent.messages += 1,
                }
                let at = self.arrival(link, to);
                let l = self.links.get_mut(&link).unwrap();
                let side = usize::from(l.ends[1] == to);
                l.queued[side] += payload.as_bytes().len();
                self.at(at, Event::Frame { to, link, payload });
            }
            Output::Read {
                peer,
                feed,
                from,
                max_count,
                max_bytes,
            } => {
                let at = now + self.rng.below(5);
                let event = Event::Read {
                    node,
                    life,
                    peer,
                    feed,
                    from,
                    count: max_count,
                    bytes: max_bytes,
                };
                self.at(at, event);
            }
            Output::Ingest {
                peer,
                feed,
                sequence,
                wire,
            } => {
                self.nodes[node].queue.push((peer, feed, sequence, wire));
                if !std::mem::replace(&mut self.nodes[node].ingesting, true) {
                    let at = now + 1 + self.rng.below(self.nodes[node].ingest_ms);
                    self.at(at, Event::Ingest { node, life });
                }
            }
            Output::SaveClock { peer, changes } => {
                self.nodes[node].store.save_clock(&peer, &changes).unwrap();
            }
            Output::Renew { feed } => {
                self.nodes[node].store.forget_heard(&feed).unwrap();
            }
            Output::Fallback { .. } => self.nodes[node].fallbacks += 1,
            Output::Restart { peer } => {
                self.nodes[node].restarts += 1;
                let (_, to) = self.peer(node, peer.connection);
                let at = self.arrival(peer.connection, to);
                self.at(
                    at,
                    Event::Closed {
                        to,
                        link: peer.connection,
                    },
                );
            }
            Output::Fetch { peer, feed, from } => {
                self.nodes[node].fetches += 1;
                self.at(
                    now + 500,
                    Event::Fetched {
                        node,
                        life,
                        peer,
                        feed,
                        from,
                    },
                );
            }
            Output::Shun {
                peer,
                feed,
                sequence,
                fork,
            } => {
                let shunned = Shunned {
                    peer,
                    feed,
                    sequence,
                    fork,
                    at: now,
                };
                self.nodes[node].store.shun(&shunned).unwrap();
            }
            Output::OwnAhead { claimed, here, .. } => {
                self.nodes[node].own_ahead.push((claimed, here));
            }
            other => panic!("unknown output {other:?}"),
        }
    }

    fn verify(&mut self, feed: &FeedId, wire: &Bytes) -> Option<Arc<Message>> {
        if let Some(known) = self.verified.get(wire) {
            return known.clone();
        }
        let message = Verifier::new(None).verify(feed, wire).ok();
        self.verified.insert(wire.clone(), message.clone());
        message
    }

    fn ingest(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].ingesting = false;
        let queue = std::mem::take(&mut self.nodes[node].queue);
        let mut good = Vec::new();
        let mut of = Vec::new();
        for (i, (_, feed, _, wire)) in queue.iter().enumerate() {
            if let Some(message) = self.verify(feed, wire) {
                good.push(message);
                of.push(i);
            }
        }
        let store = self.nodes[node].store.clone();
        let report = ingest::append(store.as_ref(), &good, now).unwrap();
        let mut outcomes: Vec<Option<Appended>> = vec![None; queue.len()];
        for (i, outcome) in of.into_iter().zip(report.outcomes) {
            outcomes[i] = Some(outcome);
        }
        // One word per peer and feed; the first thing that went wrong counts.
        let mut words: BTreeMap<(PeerId, FeedId), (u64, IngestOutcome)> = BTreeMap::new();
        for ((peer, feed, sequence, _), outcome) in queue.into_iter().zip(outcomes) {
            let outcome = match outcome {
                None => IngestOutcome::Invalid { sequence },
                Some(Appended::At(_) | Appended::Duplicate) => IngestOutcome::Kept,
                Some(Appended::Gap { .. }) => IngestOutcome::Gap,
                Some(Appended::Fork { sequence, .. }) => IngestOutcome::Fork { sequence },
            };
            let word = words.entry((peer, feed)).or_insert((sequence, outcome));
            word.0 = word.0.max(sequence);
            if word.1 == IngestOutcome::Kept {
                word.1 = outcome;
            }
        }
        for ((peer, feed), (through, outcome)) in words {
            let tip = self.tip(node, &feed);
            self.nodes[node]
                .ebt
                .handle_ingested(peer, &feed, through, tip, outcome, now);
        }
        self.drive(node);
    }

    /// Runs for so long, in milliseconds of virtual time.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        let mut steps = 0u64;
        while let Some(((time, n), _)) = self
            .events
            .first_key_value()
            .filter(|((t, _), _)| *t <= end)
        {
            let key = (*time, *n);
            self.now = self.now.max(key.0);
            let event = self.events.remove(&key).unwrap();
            self.handle(event);
            steps += 1;
            assert!(steps < 3_000_000, "the network never comes to rest");
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Opened { to, link } => {
                if self.links[&link].up {
                    let (peer, _) = self.peer(to, link);
                    if self.nodes[to].ebt.handle_open(peer, now).is_ok() {
                        self.drive(to);
                    }
                }
            }
            Event::Frame { to, link, payload } => {
                let (peer, from) = self.peer(to, link);
                let l = self.links.get_mut(&link).unwrap();
                let side = usize::from(l.ends[1] == to);
                l.queued[side] -= payload.as_bytes().len();
                let room = BUFFER.saturating_sub(l.queued[side]);
                let lost = l.mute[side] && matches!(payload, Payload::Message(_));
                if !l.up {
                    return;
                }
                let back = PeerId::new(self.id(to), link);
                self.nodes[from].ebt.writable(back, room);
                self.drive(from);
                if !lost {
                    let frame = Bytes::copy_from_slice(payload.as_bytes());
                    // A stream that was just closed may still hold a frame.
                    let _ = self.nodes[to].ebt.handle_frame(peer, &frame, now);
                    self.drive(to);
                }
            }
            Event::Closed { to, link } => {
                if self.links[&link].up {
                    let (peer, _) = self.peer(to, link);
                    self.nodes[to].ebt.handle_closed(peer, now);
                    self.drive(to);
                }
            }
            Event::Gone { to, link } => {
                let (peer, _) = self.peer(to, link);
                self.nodes[to].ebt.disconnect(peer, now);
                self.drive(to);
            }
            Event::Read {
                node,
                life,
                peer,
                feed,
                from,
                count,
                bytes,
            } => {
                if self.nodes[node].life == life {
                    let found = self.nodes[node]
                        .store
                        .read(&feed, from, count, bytes)
                        .unwrap();
                    self.nodes[node].ebt.handle_read(peer, &feed, &found);
                    self.drive(node);
                }
            }
            Event::Ingest { node, life } => {
                if self.nodes[node].life == life {
                    self.ingest(node);
                }
            }
            Event::Fetched {
                node,
                life,
                peer,
                feed,
                from,
            } => {
                let (_, other) = self.peer(node, peer.connection);
                if self.nodes[node].life == life && self.links[&peer.connection].up {
                    let found = self.nodes[other]
                        .store
                        .read(&feed, from, 1_000, usize::MAX)
                        .unwrap();
                    for m in found {
                        let wire = Bytes::copy_from_slice(m.wire.as_bytes());
                        self.nodes[node].queue.push((peer, feed, m.sequence, wire));
                    }
                    self.ingest(node);
                }
            }
            Event::Timer { node, life, at } => {
                if self.nodes[node].life == life && self.nodes[node].timer == Some(at) {
                    self.nodes[node].timer = None;
                    self.nodes[node].ebt.handle_timeout(now);
                    self.drive(node);
                }
            }
        }
    }

    /// Every node holds of every feed it wants what the best of its component
    /// holds, and every store is right.
    pub fn assert_converged(&self, what: &str) {
        for (i, node) in self.nodes.iter().enumerate() {
            for feed in node.wants.keys() {
                let best = self
                    .nodes
                    .iter()
                    .map(|n| n.store.tip(feed).unwrap())
                    .max_by_key(|t| t.map_or(0, |t| t.sequence));
                let here = node.store.tip(feed).unwrap();
                assert_eq!(
                    here.map(|t| t.sequence),
                    best.flatten().map(|t| t.sequence),
                    "{what}: node {i} lacks messages of {feed:?}; source {:?}, claims {:?}",
                    node.ebt.source(feed),
                    node.ebt.claims(feed)
                );
            }
            assert_eq!(
                node.store.check().unwrap(),
                Vec::<String>::new(),
                "{what}: node {i}"
            );
        }
    }

    pub fn sent(&self) -> Sent {
        self.nodes.iter().fold(Sent::default(), |a, n| Sent {
            frames: a.frames + n.sent.frames,
            notes: a.notes + n.sent.notes,
            messages: a.messages + n.sent.messages,
        })
    }

    pub fn reset_counts(&mut self) {
        for node in &mut self.nodes {
            node.sent = Sent::default();
            node.told.clear();
        }
    }
}
