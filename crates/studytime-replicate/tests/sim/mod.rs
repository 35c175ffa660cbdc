//! Many peers in virtual time: links with delay and loss, stores with latency,
//! one seed for everything.

#![allow(unreachable_pub, dead_code, reason = "shared by test programs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod rng;
mod run;

pub use rng::Rng;

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use studytime_replicate::ebt::{Config, Payload, Priority};
use studytime_replicate::guard::{Cause, Guard, Lock, Locked};
use studytime_replicate::ingest::{self, Draft};
use studytime_replicate::{Ebt, FeedStore, MemoryStore, PeerId, Role, Want};
use studytime_schema::{FeedId, Keypair, Message};

/// In milliseconds.
pub const MINUTE: u64 = 60_000;
/// A feed like any other.
pub const FETCH: Want = Want::fetch(Priority::STARTED);

pub fn key(n: u8) -> Keypair {
    Keypair::from_seed(&[n; 32])
}

/// How many bytes a link's buffer takes.
const BUFFER: usize = 64 * 1024;

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
    /// The guard of own feeds wants to look again.
    Review {
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
    pub resumed: usize,
    /// Messages handed on to be stored.
    pub received: usize,
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
    /// Guards own feeds, in worlds that are guarded.
    pub guard: Guard,
    review: Option<u64>,
    /// Locks as they are on disk.
    pub locks: BTreeMap<FeedId, Lock>,
    /// What was freed, in order, and when.
    pub freed: Vec<(FeedId, Option<Cause>, u64)>,
    /// Peers that the owner chose.
    pub chosen: BTreeSet<FeedId>,
}

pub struct World {
    /// Whether nodes guard their own feeds.
    pub guarded: bool,
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
            guarded: false,
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
                resumed: 0,
                received: 0,
                restarts: 0,
                fetches: 0,
                own_ahead: Vec::new(),
                told: Vec::new(),
                queue: Vec::new(),
                ingesting: false,
                ingest_ms: 5,
                life: 0,
                timer: None,
                guard: Guard::default(),
                review: None,
                locks: BTreeMap::new(),
                freed: Vec::new(),
                chosen: BTreeSet::new(),
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

    pub fn links_of(&self, node: usize) -> Vec<u64> {
        let up = self.links.iter().filter(|(_, l)| l.up);
        up.filter(|(_, l)| l.ends.contains(&node))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Who is at the ends of a link.
    pub fn ends(&self, link: u64) -> [usize; 2] {
        self.links[&link].ends
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
        n.guard = Guard::default();
        n.review = None;
        for (feed, lock) in n.locks.clone() {
            let tip = n.store.tip(&feed).unwrap().map_or(0, |t| t.sequence);
            n.guard.lock(feed, lock, tip, self.now);
            n.ebt.set_withheld(feed, true, self.now);
        }
        self.drive(node);
    }

    /// What restoring does: the node's own feed holds its first `keep` messages
    /// only, nothing is remembered of peers, publishing is locked.
    pub fn restore(&mut self, node: usize, keep: usize) {
        let id = self.id(node);
        let old = self.nodes[node].store.clone();
        let store = MemoryStore::new();
        for m in old.read(&id, 1, keep, usize::MAX).unwrap() {
            if (m.sequence as usize) <= keep {
                store.append(&[Arc::new(m.message().unwrap())], 1).unwrap();
            }
        }
        self.nodes[node].store = Arc::new(store);
        let lock = Lock {
            cause: Cause::Restored,
            since: self.now,
            claimed: 0,
            by: None,
        };
        self.nodes[node].locks.insert(id, lock);
        self.restart(node);
    }

    /// Loses the last messages of the node's own feed, without anybody knowing.
    pub fn lose_tail(&mut self, node: usize, keep: usize) {
        self.restore(node, keep);
        let id = self.id(node);
        self.nodes[node].locks.remove(&id);
        self.restart(node);
    }

    /// Why a node's own feed may not be published on.
    pub fn locked(&self, node: usize) -> Option<Locked> {
        self.nodes[node].guard.locked(&self.id(node), self.now)
    }

    /// Sends frames as `from` would, over a link that is up.
    pub fn forge(&mut self, from: usize, link: u64, frame: &str) {
        let l = &self.links[&link];
        let to = if l.ends[0] == from {
            l.ends[1]
        } else {
            l.ends[0]
        };
        let peer = PeerId::new(self.id(from), link);
        let (now, frame) = (self.now, Bytes::copy_from_slice(frame.as_bytes()));
        self.nodes[to].ebt.handle_frame(peer, &frame, now).unwrap();
        self.drive(to);
    }

    /// As [`World::restart`], but the disk is lost; only the key was kept.
    pub fn lose_disk(&mut self, node: usize) {
        self.nodes[node].store = Arc::new(MemoryStore::new());
        self.restart(node);
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
