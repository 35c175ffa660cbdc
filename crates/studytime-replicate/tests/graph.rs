//! The follow graph: what contact messages mean, and laws of the whole.

use proptest::prelude::*;
use std::collections::BTreeMap;
use studytime_replicate::graph::{Edge, Graph, read_contact};
use studytime_schema::FeedId;

fn id(n: u8) -> FeedId {
    FeedId::from_bytes([n; 32])
}

fn contact(target: u8, rest: &str) -> String {
    format!(r#"{{"type":"contact","contact":"{}"{rest}}}"#, id(target))
}

#[test]
fn what_contact_messages_say() {
    for (rest, edge) in [
        (r#","following":true"#, Some(Edge::Follow)),
        (r#","following":false"#, Some(Edge::Unfollow)),
        (r#","blocking":true"#, Some(Edge::Block)),
        (r#","blocking":false"#, Some(Edge::Unfollow)),
        (r#","following":true,"blocking":true"#, Some(Edge::Block)),
        (r#","following":true,"blocking":false"#, Some(Edge::Follow)),
        (r#","following":false,"blocking":true"#, Some(Edge::Block)),
        (r#","flagged":{"reason":"spam"}"#, Some(Edge::Block)),
        (r#","flagged":false,"blocking":true"#, Some(Edge::Block)),
        (r#","name":"x""#, None),
        (r#","following":"yes""#, None),
    ] {
        let read = read_contact(&contact(7, rest));
        assert_eq!(read, edge.map(|e| (id(7), e)), "{rest}");
    }
    for not in [
        "{}",
        "[]",
        "",
        r#"{"type":"post","contact":"x","following":true}"#,
    ] {
        assert_eq!(read_contact(not), None, "{not}");
    }
}

#[test]
fn hops_and_blocks() {
    let mut g = Graph::new();
    for (a, b) in [(1, 2), (2, 3), (3, 4), (1, 5), (5, 4), (4, 6), (9, 1)] {
        g.set(&id(a), &id(b), Edge::Follow, 1);
    }
    let near = |g: &Graph, hops| -> Vec<(u8, u32)> {
        g.hops(&[id(1)], hops, 100)
            .into_iter()
            .map(|(f, h)| (f.as_bytes()[0], h))
            .collect()
    };
    assert_eq!(near(&g, 0), [(1, 0)]);
    assert_eq!(near(&g, 1), [(1, 0), (2, 1), (5, 1)]);
    assert_eq!(
        near(&g, 9),
        [(1, 0), (2, 1), (3, 2), (4, 2), (5, 1), (6, 3)]
    );
    // Our block beats everybody's follows, and nothing is reached through it.
    g.set(&id(1), &id(4), Edge::Block, 2);
    assert_eq!(near(&g, 9), [(1, 0), (2, 1), (3, 2), (5, 1)]);
    // A friend's block does not.
    g.set(&id(1), &id(4), Edge::Unfollow, 3);
    g.set(&id(2), &id(4), Edge::Block, 1);
    assert_eq!(near(&g, 9).len(), 6);
    assert_eq!(g.blocks().collect::<Vec<_>>(), [(id(2), id(4))]);
    assert_eq!(
        g.hops(&[id(1)], 9, 3).len(),
        3,
        "the nearest up to the limit"
    );
    assert_eq!(
        g.hops(&[id(1), id(4)], 1, 100)[&id(6)],
        1,
        "from all own feeds"
    );
    g.forget(&id(2));
    assert_eq!(g.edge(&id(2), &id(3)), None);
    assert!(
        !g.set(&id(1), &id(1), Edge::Block, 1),
        "nobody blocks himself"
    );
}

#[test]
fn the_latest_word_counts() {
    let mut g = Graph::new();
    let say = |g: &mut Graph, seq, rest: &str| g.apply(&id(1), seq, &contact(2, rest));
    assert!(say(&mut g, 5, r#","following":true"#).is_some());
    assert!(
        say(&mut g, 9, r#","following":true"#).is_none(),
        "nothing new"
    );
    assert!(say(&mut g, 7, r#","blocking":true"#).is_none(), "older");
    assert_eq!(g.edge(&id(1), &id(2)), Some(Edge::Follow));
    assert!(say(&mut g, 10, r#","following":false"#).is_some());
    assert_eq!(g.edge(&id(1), &id(2)), Some(Edge::Unfollow));
}

fn statements() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0u8..5, 0u8..5, 0u8..3), 0..60)
}

fn edge(n: u8) -> Edge {
    [Edge::Follow, Edge::Unfollow, Edge::Block][usize::from(n)]
}

proptest! {
    /// Any order, any repetition, or a snapshot and a tail: the same graph.
    #[test]
    fn order_does_not_matter(said in statements(), swaps: Vec<(usize, usize)>, cut: usize) {
        let numbered: Vec<_> = said.iter().enumerate().map(|(i, s)| (*s, i as u64 + 1)).collect();
        let build = |list: &[((u8, u8, u8), u64)], mut g: Graph| {
            for ((a, b, e), seq) in list {
                g.set(&id(*a), &id(*b), edge(*e), *seq);
            }
            g
        };
        let straight = build(&numbered, Graph::new());
        let mut shuffled = numbered.clone();
        shuffled.extend(numbered.iter().take(7));
        let n = shuffled.len();
        if n > 0 {
            for (a, b) in swaps {
                shuffled.swap(a % n, b % n);
            }
        }
        prop_assert_eq!(&build(&shuffled, Graph::new()), &straight);
        let cut = cut % (numbered.len() + 1);
        let snapshot = serde_json::to_string(&build(&numbered[..cut], Graph::new())).unwrap();
        let restored: Graph = serde_json::from_str(&snapshot).unwrap();
        prop_assert_eq!(&build(&numbered, restored), &straight);
    }

    /// Distances are those of the shortest way, however they are counted.
    #[test]
    fn hops_are_shortest_ways(said in statements()) {
        let mut g = Graph::new();
        for (i, (a, b, e)) in said.iter().enumerate() {
            g.set(&id(*a), &id(*b), edge(*e), i as u64 + 1);
        }
        let mut best: BTreeMap<FeedId, u32> = BTreeMap::from([(id(0), 0)]);
        for _ in 0..6 {
            for a in 0..5 {
                let Some(from) = best.get(&id(a)).copied() else { continue };
                for b in g.follows(&id(a)).collect::<Vec<_>>() {
                    if g.edge(&id(0), &b) != Some(Edge::Block) {
                        let d = best.entry(b).or_insert(from + 1);
                        *d = (*d).min(from + 1);
                    }
                }
            }
        }
        prop_assert_eq!(g.hops(&[id(0)], 10, 100), best);
    }
}
