//! createHistoryStream, both ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod talk;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use studytime_replicate::ebt::{IngestOutcome, Priority};
use studytime_replicate::history::{ClientConfig, ClientOutput};
use studytime_replicate::ingest::{self, Verifier};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::wire::HistoryRequest;
use studytime_replicate::{FeedStore, HistoryClient, HistoryServer, MemoryStore};
use studytime_schema::{FeedId, Message};
use talk::drain;

fn store_with(feeds: &[Vec<Arc<Message>>]) -> MemoryStore {
    let store = MemoryStore::new();
    for feed in feeds {
        store.append(feed, 42).unwrap();
    }
    store
}

fn tip(store: &MemoryStore, feed: &FeedId) -> u64 {
    store.tip(feed).unwrap().map_or(0, |t| t.sequence)
}

fn serve(request: HistoryRequest, store: &MemoryStore) -> (Vec<String>, bool) {
    let mut server = HistoryServer::new(request, tip(store, &request.feed), true, usize::MAX);
    drain(&mut server, store)
}

#[test]
fn serves_what_is_asked_for() {
    let feed = chain(&keys(1), None, 600, "x");
    let id = keys(1).id();
    let store = store_with(std::slice::from_ref(&feed));
    let wires = |range: std::ops::Range<usize>| -> Vec<String> {
        feed[range].iter().map(|m| m.wire().to_owned()).collect()
    };
    let all = HistoryRequest::new(id, 0);
    assert_eq!(serve(all, &store), (wires(0..600), true));
    assert_eq!(
        serve(HistoryRequest { from: 3, ..all }, &store),
        (wires(2..600), true),
        "inclusive"
    );
    let some = HistoryRequest {
        from: 590,
        limit: Some(4),
        ..all
    };
    assert_eq!(serve(some, &store), (wires(589..593), true));
    assert_eq!(
        serve(
            HistoryRequest {
                limit: Some(0),
                ..all
            },
            &store
        ),
        (vec![], true)
    );
    assert_eq!(
        serve(HistoryRequest { from: 601, ..all }, &store),
        (vec![], true)
    );
    assert_eq!(
        serve(HistoryRequest { old: false, ..all }, &store),
        (vec![], true)
    );
    let unknown = HistoryRequest::new(keys(9).id(), 1);
    assert_eq!(
        serve(unknown, &store),
        (vec![], true),
        "an unknown feed is an empty one"
    );

    let (items, _) = serve(
        HistoryRequest {
            limit: Some(1),
            keys: true,
            ..all
        },
        &store,
    );
    let (key, value) = (feed[0].id(), feed[0].wire());
    assert_eq!(
        items,
        [format!(
            r#"{{"key":"{key}","value":{value},"timestamp":42}}"#
        )]
    );
    let ids = HistoryRequest {
        limit: Some(1),
        keys: true,
        values: false,
        ..all
    };
    assert_eq!(serve(ids, &store).0, [format!("\"{key}\"")]);

    let mut refused = HistoryServer::new(all, 600, false, usize::MAX);
    assert_eq!(
        drain(&mut refused, &store),
        (vec![], true),
        "blocked: ends without a word"
    );
}

#[test]
fn goes_on_live() {
    let feed = chain(&keys(1), None, 10, "x");
    let store = store_with(&[feed[..3].to_vec()]);
    let request = HistoryRequest {
        live: true,
        ..HistoryRequest::new(keys(1).id(), 2)
    };
    let mut server = HistoryServer::new(request, 3, true, usize::MAX);
    assert_eq!(drain(&mut server, &store).0.len(), 2);
    store.append(&feed[3..6], 1).unwrap();
    server.appended(6);
    let (items, ended) = drain(&mut server, &store);
    assert_eq!((items.len(), ended), (3, false));
    // Only news, and only so many.
    let request = HistoryRequest {
        old: false,
        limit: Some(2),
        ..request
    };
    let mut server = HistoryServer::new(request, 6, true, usize::MAX);
    assert_eq!(drain(&mut server, &store), (vec![], false));
    store.append(&feed[6..], 1).unwrap();
    server.appended(10);
    let (items, ended) = drain(&mut server, &store);
    assert_eq!(
        (items[0].as_str(), items.len(), ended),
        (feed[6].wire(), 2, true)
    );
}

#[test]
fn waits_for_room() {
    let feed = chain(&keys(1), None, 400, "x");
    let store = store_with(&[feed]);
    let mut server = HistoryServer::new(HistoryRequest::new(keys(1).id(), 1), 400, true, 10_000);
    let (first, ended) = drain(&mut server, &store);
    let bytes: usize = first.iter().map(String::len).sum();
    assert!(!ended && bytes <= 11_000, "{bytes}");
    let mut items = first.len();
    loop {
        server.writable(20_000);
        let (more, ended) = drain(&mut server, &store);
        items += more.len();
        if ended {
            break;
        }
    }
    assert_eq!(items, 400);
}

#[test]
fn a_store_that_lost_messages_ends_the_stream() {
    let request = HistoryRequest::new(keys(1).id(), 1);
    let mut server = HistoryServer::new(request, 5, true, usize::MAX);
    assert_eq!(drain(&mut server, &MemoryStore::new()), (vec![], true));
}

/// A client, the store it fills, and a peer that answers its calls in some way.
struct Fetcher {
    client: HistoryClient,
    store: MemoryStore,
    verifier: Verifier,
    calls: BTreeMap<u64, HistoryRequest>,
    live: BTreeMap<u64, HistoryRequest>,
    most_calls: usize,
    all_calls: usize,
    cancelled: usize,
    shunned: Vec<(u64, bool)>,
    now: u64,
}

impl Fetcher {
    /// One that asks again and again.
    fn new() -> Self {
        Self::following(0)
    }

    /// One that keeps so many streams open.
    fn following(live: usize) -> Self {
        let mut config = ClientConfig::default();
        config.live = live;
        Self {
            client: HistoryClient::new(config),
            store: MemoryStore::new(),
            verifier: Verifier::new(None),
            calls: BTreeMap::new(),
            live: BTreeMap::new(),
            most_calls: 0,
            all_calls: 0,
            cancelled: 0,
            shunned: Vec::new(),
            now: 1_000,
        }
    }

    fn want(&mut self, feed: FeedId, priority: Priority) {
        let tip = tip(&self.store, &feed);
        self.client.want(feed, tip, priority, self.now);
    }

    fn pump(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Call { call, request } if request.live => {
                    self.live.insert(call, request);
                }
                ClientOutput::Call { call, request } => {
                    self.calls.insert(call, request);
                    self.all_calls += 1;
                    self.most_calls = self.most_calls.max(self.calls.len());
                }
                ClientOutput::Cancel { call } => {
                    self.calls.remove(&call);
                    self.live.remove(&call);
                    self.cancelled += 1;
                }
                ClientOutput::Ingest {
                    feed,
                    sequence,
                    wire,
                } => {
                    let outcome = match self.verifier.verify(&feed, &wire) {
                        Err(_) => IngestOutcome::Invalid { sequence },
                        Ok(m) => {
                            let report = ingest::append(&self.store, &[m], 1).unwrap();
                            match &report.outcomes[0] {
                                o if o.is_kept() => IngestOutcome::Kept,
                                studytime_replicate::store::Appended::Fork { .. } => {
                                    IngestOutcome::Fork { sequence }
                                }
                                _ => IngestOutcome::Gap,
                            }
                        }
                    };
                    let tip = tip(&self.store, &feed);
                    self.client.handle_ingested(&feed, tip, outcome, self.now);
                }
                ClientOutput::Shun { sequence, fork, .. } => self.shunned.push((sequence, fork)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Answers all open calls from a store.
    fn answer(&mut self, peer: &MemoryStore, twist: impl Fn(Vec<String>) -> Vec<String>) {
        self.pump();
        while let Some((call, request)) = self.calls.pop_first() {
            let args = request.to_args();
            let read = HistoryRequest::from_args(args.as_bytes()).unwrap();
            let (items, ended) = serve(read, peer);
            assert!(ended);
            for item in twist(items) {
                self.client.handle_item(call, &Bytes::from(item), self.now);
                self.pump();
            }
            self.client.handle_end(call, true, self.now);
            self.pump();
        }
    }
}

#[test]
fn fetches_many_feeds_a_few_at_a_time() {
    let feeds: Vec<_> = (1..=12)
        .map(|n| chain(&keys(n), None, usize::from(n) * 20, "x"))
        .collect();
    let big = chain(&keys(50), None, 2_500, "x");
    let peer = store_with(&feeds);
    peer.append(&big, 1).unwrap();
    let mut f = Fetcher::new();
    f.want(keys(50).id(), Priority::LISTED);
    for n in 1..=12 {
        f.want(keys(n).id(), Priority::LISTED);
    }
    f.answer(&peer, |items| items);
    assert_eq!(f.store.counts().unwrap(), peer.counts().unwrap());
    assert_eq!(f.most_calls, 5);
    assert_eq!(f.all_calls, 12 + 3, "chunks of 1,000");

    // Asked again after five minutes, from where it stands.
    let due = f.client.poll_timeout().unwrap();
    assert_eq!(due, 1_000 + 300_000);
    f.now = due;
    f.client.handle_timeout(due);
    peer.append(&chain(&keys(2), Some(feeds[1][39].tip()), 3, "y"), 2)
        .unwrap();
    f.answer(&peer, |items| items);
    assert_eq!(tip(&f.store, &keys(2).id()), 43);
}

#[test]
fn urgent_feeds_come_first() {
    let mut f = Fetcher::new();
    for n in 1..=9 {
        f.want(keys(n).id(), Priority::LISTED);
    }
    f.want(keys(20).id(), Priority::STARTED);
    f.pump();
    assert_eq!(f.calls.len(), 5);
    let first = *f.calls.keys().next().unwrap();
    f.calls.remove(&first);
    f.client.handle_end(first, true, f.now);
    f.pump();
    assert_eq!(f.calls.values().last().unwrap().feed, keys(20).id());
}

#[test]
fn odd_streams_are_survived() {
    let feed = chain(&keys(1), None, 30, "x");
    let peer = store_with(&[feed]);
    // Out of order and with repetitions, as one well known program sends.
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |mut items| {
        items.reverse();
        let again = items[3].clone();
        items.push(again);
        items
    });
    assert_eq!(tip(&f.store, &keys(1).id()), 30);

    // With keys although asked without, and with a marker in between.
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |items| {
        let mut odd: Vec<String> = items
            .into_iter()
            .map(|i| format!(r#"{{"key":"%x","value":{i},"timestamp":1}}"#))
            .collect();
        odd.insert(3, r#"{"sync":true}"#.into());
        odd
    });
    assert_eq!(tip(&f.store, &keys(1).id()), 30);

    // Something else than asked for: given up, and tried again later.
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |_| vec!["17".into()]);
    assert_eq!((f.cancelled, f.store.counts().unwrap().messages), (1, 0));
    assert_eq!(f.client.poll_timeout(), Some(1_000 + 30_000));
    f.now = 31_000;
    f.client.handle_timeout(31_000);
    f.answer(&peer, |items| items);
    assert_eq!(tip(&f.store, &keys(1).id()), 30);
}

#[test]
fn bad_feeds_are_not_asked_for_again() {
    let peer = store_with(&[chain(&keys(1), None, 5, "x")]);
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |mut items| {
        items[2] = items[2].replace("\"text\":\"x\"", "\"text\":\"y\"");
        items
    });
    assert_eq!(f.shunned, [(3, false)]);
    assert_eq!(tip(&f.store, &keys(1).id()), 2);
    assert!(f.client.is_empty());

    let mut f = Fetcher::new();
    f.store
        .append(&chain(&keys(1), None, 3, "ours"), 1)
        .unwrap();
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |items| items);
    assert_eq!(f.shunned, [(4, true)]);
}

#[test]
fn silent_calls_are_given_up() {
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.pump();
    let due = f.client.poll_timeout().unwrap();
    assert_eq!(due, 31_000);
    f.client.handle_timeout(due);
    f.pump();
    assert_eq!(f.cancelled, 1);
    let again = f.client.poll_timeout().unwrap();
    assert_eq!(again, due + 30_000);
    f.client.handle_timeout(again);
    f.pump();
    let call = *f.calls.keys().next().unwrap();
    f.client.handle_end(call, false, again);
    assert_eq!(
        f.client.poll_timeout(),
        Some(again + 60_000),
        "waits longer each time"
    );
    // Items of a call that was given up go nowhere.
    f.client
        .handle_item(call, &Bytes::from_static(b"{}"), again);
    f.client.remove(&keys(1).id(), again);
    assert_eq!(f.client.poll_output(), None);
}

#[test]
fn one_fetch_is_one_fetch() {
    let peer = store_with(&[chain(&keys(1), None, 5, "x")]);
    let mut f = Fetcher::new();
    f.client.fetch_once(keys(1).id(), 0, 1_000);
    f.answer(&peer, |items| items);
    assert_eq!(tip(&f.store, &keys(1).id()), 5);
    assert!(f.client.is_empty());
    assert_eq!(f.client.poll_timeout(), None);
}

/// A peer that sends something all the time, and nothing of use, keeps no place.
#[test]
fn empty_talk_holds_no_call_open() {
    // Nothing but markers.
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.pump();
    let call = *f.calls.keys().next().unwrap();
    let marker = Bytes::from_static(br#"{"sync":true}"#);
    for n in 0..9 {
        f.now += 1_000;
        f.client.handle_item(call, &marker, f.now);
        f.pump();
        assert_eq!(f.cancelled, usize::from(n == 8), "after {n}");
    }

    // The same message again and again, slowly.
    let chain = chain(&keys(1), None, 3, "x");
    let item = |n: usize| Bytes::copy_from_slice(chain[n].wire().as_bytes());
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.pump();
    let call = *f.calls.keys().next().unwrap();
    for _ in 0..4 {
        f.client.handle_item(call, &item(0), f.now);
        f.client.handle_item(call, &item(2), f.now);
        f.pump();
        f.now += 10_000;
        f.client.handle_timeout(f.now);
        f.pump();
    }
    assert_eq!((f.cancelled, tip(&f.store, &keys(1).id())), (1, 1));
    assert_eq!(f.client.poll_timeout(), Some(31_000 + 30_000), "a failure");

    // From far off, where no call of this length can come.
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.pump();
    let call = *f.calls.keys().next().unwrap();
    for n in 0..4u64 {
        let far = format!(
            r#"{{"author":"{}","sequence":{},"content":""}}"#,
            keys(1).id(),
            1_000_000 + n
        );
        f.now += 10_000;
        f.client.handle_timeout(f.now);
        f.client.handle_item(call, &Bytes::from(far), f.now);
        f.pump();
    }
    assert_eq!(f.cancelled, 1);
}

/// A slow peer is as good as others, but comes to an end and goes on from there.
#[test]
fn a_trickle_is_cut_and_goes_on() {
    let chain = chain(&keys(1), None, 80, "x");
    let mut f = Fetcher::new();
    f.want(keys(1).id(), Priority::LISTED);
    f.pump();
    let first = *f.calls.keys().next().unwrap();
    for (n, message) in chain.iter().enumerate() {
        let Some((call, _)) = f.calls.first_key_value() else {
            break;
        };
        let item = Bytes::copy_from_slice(message.wire().as_bytes());
        if *call != first {
            assert_eq!(f.calls[call].from, n as u64 + 1, "from where it stood");
            return;
        }
        f.client.handle_item(first, &item, f.now);
        f.pump();
        f.now += 20_000;
        f.client.handle_timeout(f.now);
        f.pump();
        if f.cancelled == 1 {
            assert_eq!(f.now, 1_000 + 600_000);
            f.now = f.client.poll_timeout().unwrap();
            f.client.handle_timeout(f.now);
            f.pump();
        }
    }
    panic!("it was never cut");
}

#[test]
fn standing_wants_end_when_ebt_works() {
    let mut f = Fetcher::new();
    for n in 1..=9 {
        f.want(keys(n).id(), Priority::LISTED);
    }
    f.client.fetch_once(keys(20).id(), 0, f.now);
    f.pump();
    assert_eq!(f.calls.len(), 5);
    f.client.stop(f.now);
    f.pump();
    let left: Vec<FeedId> = f.calls.values().map(|r| r.feed).collect();
    assert_eq!((left, f.cancelled >= 5), (vec![keys(20).id()], true));
    assert!(!f.client.is_empty());
}

/// News of the most urgent feeds come at once; the others are asked for in turn.
#[test]
fn the_most_urgent_feeds_stay_open() {
    let all: Vec<_> = (1..=4).map(|n| chain(&keys(n), None, 20, "moss")).collect();
    let peer = store_with(&all.iter().map(|c| c[..10].to_vec()).collect::<Vec<_>>());
    let mut f = Fetcher::following(2);
    let of = |n: u8| keys(n).id();
    f.want(of(1), Priority::FRIEND);
    f.want(of(2), Priority::STARTED);
    f.want(of(3), Priority::LISTED);
    assert_eq!(f.client.outstanding(f.now), 3);
    f.answer(&peer, |items| items);
    assert_eq!(f.client.outstanding(f.now), 0);
    let live = |f: &Fetcher| -> BTreeMap<FeedId, (u64, u64)> {
        let open = f.live.iter();
        open.map(|(call, r)| (r.feed, (*call, r.from))).collect()
    };
    let open = live(&f);
    assert_eq!(open.keys().copied().collect::<Vec<_>>(), {
        let mut two = [of(2), of(3)];
        two.sort_unstable();
        two
    });
    assert!(open.values().all(|(_, from)| *from == 11));
    assert_eq!(f.client.poll_timeout(), Some(f.now + 300_000), "the third");

    // Each message is taken in as it comes, more than a chunk would hold, and what
    // comes too early is kept only when it is near.
    let (call, _) = open[&of(2)];
    let item = |n: usize| Bytes::from(all[1][n].wire().to_owned());
    for n in [10, 12, 11] {
        f.client.handle_item(call, &item(n), f.now);
        f.pump();
    }
    assert_eq!(tip(&f.store, &of(2)), 13);

    // A more urgent feed takes the place of the least urgent one.
    peer.append(&all[3][..10], 1).unwrap();
    let before = f.cancelled;
    f.want(of(4), Priority::OWN);
    f.answer(&peer, |items| items);
    let now_open = live(&f);
    assert!(now_open.contains_key(&of(4)) && now_open.contains_key(&of(2)));
    assert_eq!((now_open.len(), f.cancelled - before), (2, 1));

    // One that the peer ends is asked for after a while, and stays open then.
    f.live.remove(&call);
    f.client.handle_end(call, true, f.now);
    f.pump();
    assert!(live(&f).contains_key(&of(4)) && !live(&f).contains_key(&of(2)));
    let before = f.all_calls;
    f.now += 300_000;
    f.client.handle_timeout(f.now);
    f.answer(&peer, |items| items);
    assert_eq!(
        f.all_calls - before,
        3,
        "the two that were asked for, and it"
    );
    assert!(live(&f).contains_key(&of(2)));

    // A stream that brings nothing for long is not trusted.
    let open = live(&f);
    f.now += 600_000;
    f.client.handle_timeout(f.now);
    f.answer(&peer, |items| items);
    let again = live(&f);
    assert_eq!(again.len(), 2);
    assert!(again[&of(4)].0 != open[&of(4)].0, "another call");
    f.client.stop(f.now);
    f.pump();
    assert!(f.live.is_empty() && f.client.is_empty());
}

/// Messages that come too early are held for a call, not for ever.
#[test]
fn a_live_stream_holds_little_back() {
    let feed = chain(&keys(1), None, 200, "moss");
    let peer = store_with(&[feed[..1].to_vec()]);
    let mut f = Fetcher::following(1);
    f.want(keys(1).id(), Priority::LISTED);
    f.answer(&peer, |items| items);
    let call = *f.live.keys().next().unwrap();
    for message in &feed[2..] {
        let item = Bytes::from(message.wire().to_owned());
        f.client.handle_item(call, &item, f.now);
    }
    f.client
        .handle_item(call, &Bytes::from(feed[1].wire().to_owned()), f.now);
    f.pump();
    let came = tip(&f.store, &keys(1).id());
    assert!((2..40).contains(&came), "{came}");
}
