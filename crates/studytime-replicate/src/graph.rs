//! Who follows and who blocks whom.
//!
//! Protocol guide: "Follow graph". Fed with the contents of `contact` messages;
//! the latest one of an author about a target counts. Old messages and
//! repetitions change nothing, so that a snapshot plus a tail gives the same
//! graph as everything from the start.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::FeedId;

/// The most targets kept per author; further ones are ignored.
pub const MAX_EDGES_PER_AUTHOR: usize = 20_000;

/// What one feed says about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Follows it.
    Follow,
    /// Neither follows nor blocks it (any more).
    Unfollow,
    /// Blocks it.
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    edge: Edge,
    sequence: u64,
}

/// A `contact` content, as far as the graph reads it.
#[derive(Deserialize)]
struct Contact {
    #[serde(rename = "type")]
    kind: String,
    contact: serde_json::Value,
    #[serde(default)]
    following: serde_json::Value,
    #[serde(default)]
    blocking: serde_json::Value,
    #[serde(default)]
    flagged: serde_json::Value,
}

/// Reads an edge out of the JSON of a message's content; `None` when it is not a
/// `contact` message or says nothing.
pub fn read_contact(content: &str) -> Option<(FeedId, Edge)> {
    let contact: Contact = serde_json::from_str(content).ok()?;
    if contact.kind != "contact" {
        return None;
    }
    let target = FeedId::parse_lenient(contact.contact.as_str()?).ok()?;
    let truthy = |v: &serde_json::Value| match v {
        serde_json::Value::Bool(b) => Some(*b),
        serde_json::Value::Null => None,
        // `flagged` is also written as an object that tells why.
        _ => Some(true),
    };
    let blocks = truthy(&contact.blocking)
        .into_iter()
        .chain(truthy(&contact.flagged))
        .reduce(|a, b| a || b);
    match (blocks, contact.following.as_bool()) {
        (Some(true), _) => Some((target, Edge::Block)),
        (_, Some(true)) => Some((target, Edge::Follow)),
        (None, None) => None,
        _ => Some((target, Edge::Unfollow)),
    }
}

/// Follows and blocks among feeds. Serialise it to keep a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Graph {
    authors: BTreeMap<FeedId, BTreeMap<FeedId, Statement>>,
}

impl Graph {
    /// A graph without edges.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a content by `author` at `sequence` of its feed. Returns the edge
    /// if it changed anything.
    pub fn apply(
        &mut self,
        author: &FeedId,
        sequence: u64,
        content: &str,
    ) -> Option<(FeedId, Edge)> {
        let (target, edge) = read_contact(content)?;
        self.set(author, &target, edge, sequence)
            .then_some((target, edge))
    }

    /// Records an edge said at `sequence` of the author's feed. Returns whether
    /// it changed anything.
    pub fn set(&mut self, author: &FeedId, target: &FeedId, edge: Edge, sequence: u64) -> bool {
        if author == target {
            return false;
        }
        let edges = self.authors.entry(*author).or_default();
        let full = edges.len() >= MAX_EDGES_PER_AUTHOR;
        match edges.get_mut(target) {
            Some(old) if old.sequence >= sequence => false,
            Some(old) => {
                let changed = old.edge != edge;
                *old = Statement { edge, sequence };
                changed
            }
            None if full => false,
            None => {
                edges.insert(*target, Statement { edge, sequence });
                true
            }
        }
    }

    /// What `author` says about `target` now.
    pub fn edge(&self, author: &FeedId, target: &FeedId) -> Option<Edge> {
        self.authors.get(author)?.get(target).map(|s| s.edge)
    }

    fn targets(&self, author: &FeedId, edge: Edge) -> impl Iterator<Item = FeedId> + '_ {
        self.authors
            .get(author)
            .into_iter()
            .flatten()
            .filter(move |(_, s)| s.edge == edge)
            .map(|(target, _)| *target)
    }

    /// Whom `author` follows, ordered by id.
    pub fn follows(&self, author: &FeedId) -> impl Iterator<Item = FeedId> + '_ {
        self.targets(author, Edge::Follow)
    }

    /// Whom `author` blocks, ordered by id.
    pub fn blocked_by(&self, author: &FeedId) -> impl Iterator<Item = FeedId> + '_ {
        self.targets(author, Edge::Block)
    }

    /// Every block: (author, target).
    pub fn blocks(&self) -> impl Iterator<Item = (FeedId, FeedId)> + '_ {
        self.authors
            .keys()
            .flat_map(|author| self.blocked_by(author).map(move |target| (*author, target)))
    }

    /// Drops what `author` said, as when its feed is deleted.
    pub fn forget(&mut self, author: &FeedId) {
        self.authors.remove(author);
    }

    /// The feeds within `max_hops` follows of `own`, with their distance: 0 for
    /// own feeds, 1 for those they follow. What an own feed blocks is never
    /// reached, nor is anything through it. Stops at `max_feeds`, nearest first.
    pub fn hops(&self, own: &[FeedId], max_hops: u32, max_feeds: usize) -> BTreeMap<FeedId, u32> {
        let blocked: BTreeSet<FeedId> = own.iter().flat_map(|id| self.blocked_by(id)).collect();
        let mut reached: BTreeMap<FeedId, u32> = own.iter().map(|id| (*id, 0)).collect();
        let mut frontier: Vec<FeedId> = reached.keys().copied().collect();
        for distance in 1..=max_hops {
            let mut next = Vec::new();
            for author in &frontier {
                for target in self.follows(author) {
                    if reached.len() >= max_feeds {
                        return reached;
                    }
                    if !blocked.contains(&target) && !reached.contains_key(&target) {
                        reached.insert(target, distance);
                        next.push(target);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            frontier = next;
        }
        reached
    }
}
