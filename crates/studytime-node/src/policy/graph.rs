//! The follow graph: kept beside the log, with the place it has reached there.

use super::MAX_FRIENDS;
use crate::node::OpenError;
use crate::store::State;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use studytime_index::Reach;
use studytime_replicate::{FeedStore, Graph};
use studytime_schema::{FeedId, LogPosition};

/// How far people count for popularity, replicated or not.
const REACH_HOPS: u32 = 3;
/// Settings: the follow graph and the log position it has reached.
const GRAPH: &str = "graph";
const GRAPH_POSITION: &str = "graph_position";

/// The follow graph with the position it has reached, shared with the index thread.
#[derive(Debug, Default)]
pub(crate) struct SharedGraph {
    pub(crate) graph: Graph,
    pub(crate) position: LogPosition,
    pub(crate) unsaved: bool,
    /// The position that was saved last.
    saved: LogPosition,
}

/// The graph as it was saved, and what the log says since.
pub(super) fn load_graph(
    state: &State,
    feeds: &Arc<dyn FeedStore>,
) -> Result<SharedGraph, OpenError> {
    let position = state.setting(GRAPH_POSITION)?.and_then(|p| p.parse().ok());
    let graph = state
        .setting(GRAPH)?
        .and_then(|g| serde_json::from_str(&g).ok());
    let mut shared = match (position, graph) {
        // A log that ends before is another one: an older copy was put back.
        (Some(position), Some(graph)) if position <= feeds.last_position()?.0 => SharedGraph {
            graph,
            position: LogPosition(position),
            unsaved: false,
            saved: LogPosition(position),
        },
        _ => SharedGraph::default(),
    };
    // The tail since the last save; after an unclean stop, or a first start
    // with this version, that may be all of the log.
    loop {
        let batch = feeds.scan(shared.position, 1000)?;
        for stored in &batch {
            if stored.wire.contains("\"contact\"")
                && let Ok(message) = stored.message()
                && let Some(content) = message.public_content()
            {
                shared.graph.apply(&stored.feed, stored.sequence, content);
                shared.unsaved = true;
            }
            shared.position = stored.position;
        }
        if batch.len() < 1000 {
            return Ok(shared);
        }
    }
}

/// Messages after which the position is saved though no edge has changed: as
/// many are read again at the next start at most.
const SAVE_AFTER: u64 = 10_000;

impl SharedGraph {
    /// Whether so much of the log was read since the last save that the next
    /// start would be slow.
    pub(crate) fn is_far_ahead(&self) -> bool {
        self.position.0.saturating_sub(self.saved.0) >= SAVE_AFTER
    }
}

/// Keeps what of the graph has changed, and the position it has reached.
pub(crate) fn save_graph(shared: &mut SharedGraph, state: &State) {
    if std::mem::take(&mut shared.unsaved) || shared.saved == LogPosition::default() {
        let text = serde_json::to_string(&shared.graph).ok();
        if text.is_none_or(|text| state.set_setting(GRAPH, &text).is_err()) {
            shared.unsaved = true;
            return;
        }
    }
    // Second: a crash between the two only reads some messages again.
    if shared.position > shared.saved
        && state
            .set_setting(GRAPH_POSITION, &shared.position.0.to_string())
            .is_ok()
    {
        shared.saved = shared.position;
    }
}

/// Who counts for popularity, with the last one that all ways to them go through.
pub(super) fn reach(graph: &Graph, own: &[FeedId]) -> HashMap<FeedId, Reach> {
    let hops = graph.hops(own, REACH_HOPS, MAX_FRIENDS);
    let mut through: HashMap<FeedId, Option<FeedId>> = HashMap::new();
    for distance in 1..=REACH_HOPS {
        let at = |wanted: u32| hops.iter().filter(move |(_, d)| **d == wanted);
        if distance == 1 {
            through.extend(at(1).map(|(feed, _)| (*feed, None)));
            continue;
        }
        for (feed, _) in at(distance - 1) {
            for target in graph.follows(feed) {
                if hops.get(&target) != Some(&distance) {
                    continue;
                }
                let all = match through.get(&target) {
                    Some(known) => common(&hops, &through, *known, Some(*feed)),
                    None => Some(*feed),
                };
                through.insert(target, all);
            }
        }
    }
    hops.iter()
        .filter(|(_, d)| **d > 0)
        .map(|(feed, d)| {
            let only_through = through.get(feed).copied().flatten();
            let hops = u8::try_from(*d).unwrap_or(u8::MAX);
            (*feed, Reach { hops, only_through })
        })
        .collect()
}

/// The last one that all ways to both go through; `None` for the user.
fn common(
    hops: &BTreeMap<FeedId, u32>,
    through: &HashMap<FeedId, Option<FeedId>>,
    mut a: Option<FeedId>,
    mut b: Option<FeedId>,
) -> Option<FeedId> {
    while a != b {
        let (x, y) = (a?, b?);
        let before = |feed| through.get(feed).copied().flatten();
        // Whoever is farther away goes one back.
        if hops.get(&x) >= hops.get(&y) {
            a = before(&x);
        } else {
            b = before(&y);
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_replicate::Edge;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    #[test]
    fn identities_hang_on_the_last_one_that_all_ways_go_through() {
        let mut graph = Graph::new();
        let edges = [
            (0, 1),
            (0, 2),
            (1, 3),
            (1, 4),
            (2, 4),
            (1, 7),
            (3, 5),
            (4, 6),
            (3, 8),
            (7, 8),
            (3, 9),
            (4, 9),
            (9, 10),
        ];
        for (from, to) in edges {
            graph.set(&feed(from), &feed(to), Edge::Follow, 1);
        }
        let reach = reach(&graph, &[feed(0)]);
        for (who, hops, through) in [
            (1, 1, None),
            (3, 2, Some(1)),
            (4, 2, None),
            (5, 3, Some(3)),
            // One maker whom two friends know.
            (6, 3, Some(4)),
            // Two makers whom one friend knows.
            (8, 3, Some(1)),
            (9, 3, None),
        ] {
            let only_through = through.map(feed);
            assert_eq!(reach[&feed(who)], Reach { hops, only_through }, "{who}");
        }
        assert!(!reach.contains_key(&feed(0)) && !reach.contains_key(&feed(10)));
    }

    /// A thousand identities that one of many friends' acquaintances invented.
    #[test]
    fn invented_identities_all_hang_on_their_maker() {
        let mut graph = Graph::new();
        let made_up = |n: u16| {
            let mut bytes = [200; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            FeedId::from_bytes(bytes)
        };
        for friend in 1..20 {
            graph.set(&feed(0), &feed(friend), Edge::Follow, 1);
            graph.set(&feed(friend), &feed(50), Edge::Follow, 1);
        }
        for n in 0..1000 {
            graph.set(&feed(50), &made_up(n), Edge::Follow, 1);
            graph.set(&made_up(n), &made_up((n + 1) % 1000), Edge::Follow, 1);
        }
        let reach = reach(&graph, &[feed(0)]);
        assert_eq!(reach[&feed(50)].only_through, None);
        for n in 0..1000 {
            assert_eq!(reach[&made_up(n)].only_through, Some(feed(50)));
        }
    }
}
