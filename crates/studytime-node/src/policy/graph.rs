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

/// Who counts for popularity, with the one friend they hang on, if it is one.
pub(super) fn reach(graph: &Graph, own: &[FeedId]) -> HashMap<FeedId, Reach> {
    #[derive(Clone, Copy, PartialEq)]
    enum Through {
        One(FeedId),
        Many,
    }
    let hops = graph.hops(own, REACH_HOPS, MAX_FRIENDS);
    let mut through: BTreeMap<FeedId, Through> = BTreeMap::new();
    for distance in 1..=REACH_HOPS {
        let layer: Vec<FeedId> = hops
            .iter()
            .filter(|(_, d)| **d == distance)
            .map(|(f, _)| *f)
            .collect();
        if distance == 1 {
            through.extend(layer.into_iter().map(|f| (f, Through::One(f))));
            continue;
        }
        let before: Vec<FeedId> = hops
            .iter()
            .filter(|(_, d)| **d == distance - 1)
            .map(|(f, _)| *f)
            .collect();
        for feed in before {
            let Some(mine) = through.get(&feed).copied() else {
                continue;
            };
            for target in graph.follows(&feed) {
                if hops.get(&target) != Some(&distance) {
                    continue;
                }
                through
                    .entry(target)
                    .and_modify(|t| {
                        if *t != mine {
                            *t = Through::Many;
                        }
                    })
                    .or_insert(mine);
            }
        }
    }
    hops.iter()
        .filter(|(_, d)| **d > 0)
        .map(|(feed, d)| {
            let only_through = match through.get(feed) {
                Some(Through::One(friend)) => Some(*friend),
                _ => None,
            };
            let hops = u8::try_from(*d).unwrap_or(u8::MAX);
            (*feed, Reach { hops, only_through })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_replicate::Edge;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    #[test]
    fn identities_behind_one_friend_hang_on_that_friend() {
        let mut graph = Graph::new();
        for (from, to) in [(0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 5), (4, 6)] {
            graph.set(&feed(from), &feed(to), Edge::Follow, 1);
        }
        let reach = reach(&graph, &[feed(0)]);
        let at = |n| reach[&feed(n)];
        assert_eq!(
            at(1),
            Reach {
                hops: 1,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(3),
            Reach {
                hops: 2,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(4),
            Reach {
                hops: 2,
                only_through: None
            }
        );
        assert_eq!(
            at(5),
            Reach {
                hops: 3,
                only_through: Some(feed(1))
            }
        );
        assert_eq!(
            at(6),
            Reach {
                hops: 3,
                only_through: None
            }
        );
        assert!(!reach.contains_key(&feed(0)));
    }
}
