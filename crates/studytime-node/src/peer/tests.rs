//! One connection, seen from the other end of a real socket.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod foreign;
mod media;

use crate::api::{Follow, PeerExchange, Relation};
use crate::common::{self, LIMIT};
use crate::net::MAX_HANDSHAKES;
use foreign::{Foreign, builder, hold};
use serde_json::json;
use std::time::Duration;
use studytime_muxrpc::{CallKind, End};
use studytime_replicate::store::conformance::{chain, keys};
use studytime_replicate::wire::HistoryRequest;
use studytime_schema::{FeedId, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn is_refused(answer: &Result<serde_json::Value, End>, name: &str) -> bool {
    let text = format!("method:{name} is not in list of allowed methods");
    matches!(answer, Err(End::Error(e)) if e.message() == text && e.is_unsupported())
}

fn note(feed: FeedId, number: i64) -> String {
    format!("{{\"{feed}\":{number}}}")
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    common::until(what, || std::future::ready(done().then_some(()))).await;
}

#[tokio::test]
async fn what_every_peer_asks_is_answered_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let mut peer = Foreign::dial(&node, 2).await;
    let manifest = peer.ask(&["manifest"], &json!([])).await.unwrap();
    assert_eq!(manifest["ebt"]["replicate"], "duplex");
    assert_eq!(manifest["createHistoryStream"], "source");
    assert_eq!(
        peer.ask(&["tunnel", "isRoom"], &json!([])).await,
        Ok(json!(false))
    );
    // Who we are is proven by the handshake; the call is for programs of one's own.
    let whoami = peer.ask(&["whoami"], &json!([])).await;
    assert!(is_refused(&whoami, "whoami"), "{whoami:?}");
    for (method, text) in [
        (&["room", "metadata"][..], "room,metadata"),
        (&["ebt", "replicateFormat"], "ebt,replicateFormat"),
        (&["publish"], "publish"),
    ] {
        let answer = peer.ask(method, &json!([{}])).await;
        assert!(is_refused(&answer, text), "{answer:?}");
    }
    // What it calls itself, as who was dialled: nothing of EBT.
    let called: Vec<&str> = peer.calls.keys().map(String::as_str).collect();
    assert_eq!(called, ["blobs.createWants", "studytime.info"]);
    node.shutdown().await;
}

/// Numbers go to and fro, and come to rest.
#[tokio::test]
async fn pings_are_answered_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let mut peer = Foreign::dial(&node, 2).await;
    let ping = peer.call(
        CallKind::Duplex,
        &["gossip", "ping"],
        &json!([{"timeout": 300_000}]),
    );
    peer.settle().await;
    assert_eq!(peer.received(ping), 0, "who calls serves first");
    peer.send(ping, "1700000000000");
    peer.until("an answer", |p| p.received(ping) == 1).await;
    peer.settle().await;
    assert_eq!(peer.received(ping), 1);
    assert!(peer.text(ping, 0).parse::<u64>().unwrap() > 1_600_000_000_000);
    drop(peer);

    // When we dial, we serve the first one and let the answer be.
    let mut peer = Foreign::accept(&node, 3).await;
    peer.until("a ping", |p| p.calls.contains_key("gossip.ping"))
        .await;
    let (ping, call) = peer.calls["gossip.ping"][0].clone();
    assert_eq!(call.kind(), CallKind::Duplex);
    peer.until("a number", |p| p.received(ping) == 1).await;
    peer.send(ping, "1700000000000");
    peer.settle().await;
    assert_eq!(peer.received(ping), 1);
    // It is the peer's turn to serve.
    peer.send(ping, "1700000000001");
    peer.until("an answer", |p| p.received(ping) == 2).await;
    node.shutdown().await;
}

/// The acceptor never opens EBT and sends notes at once; the dialer opens it and
/// sends nothing before it has read the acceptor's first frame.
#[tokio::test]
async fn trap_6_the_dialer_opens_the_acceptor_speaks_first() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let own = node.id();
    let mut peer = Foreign::dial(&node, 2).await;
    let args = json!([{"version": 3, "format": "classic"}]);
    let ebt = peer.call(CallKind::Duplex, &["ebt", "replicate"], &args);
    peer.until("the first notes", |p| p.received(ebt) == 1)
        .await;
    assert_eq!(peer.text(ebt, 0), note(own, 0));
    assert!(!peer.calls.contains_key("ebt.replicate"));
    node.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let own = node.id();
    let mut peer = Foreign::accept(&node, 3).await;
    peer.until("EBT", |p| p.calls.contains_key("ebt.replicate"))
        .await;
    let (ebt, call) = peer.calls["ebt.replicate"][0].clone();
    assert_eq!(
        (call.kind(), &call.args_json()[..]),
        (
            CallKind::Duplex,
            br#"[{"version":3,"format":"classic"}]"#.as_slice()
        )
    );
    peer.settle().await;
    assert_eq!(peer.received(ebt), 0, "nothing before our first frame");
    peer.send(ebt, "{}");
    peer.until("its notes", |p| p.received(ebt) == 1).await;
    assert_eq!(peer.text(ebt, 0), note(own, 0));
    node.shutdown().await;
}

/// A peer without EBT: its feeds are fetched by history streams, also those that
/// are wanted later; ours are served. Our first call is what makes such peers
/// pull.
#[tokio::test]
async fn a_peer_without_ebt_is_asked_by_history_streams() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let mut peer = Foreign::accept(&node, 2).await;
    peer.until("EBT", |p| p.calls.contains_key("ebt.replicate"))
        .await;
    let (ebt, _) = peer.calls["ebt.replicate"][0];
    peer.mux.refuse(ebt);
    let asked = |p: &Foreign, feed: FeedId| {
        let calls = p.calls.get("createHistoryStream");
        let mut calls = calls.into_iter().flatten().map(|(id, call)| {
            let args = call.args_json();
            (
                *id,
                HistoryRequest::from_args(args).unwrap(),
                String::from_utf8(args.to_vec()).unwrap(),
            )
        });
        calls.find(|(_, request, _)| request.feed == feed)
    };
    let own = node.id();
    peer.until("a call for its own feed", |p| asked(p, own).is_some())
        .await;
    let (stream, request, text) = asked(&peer, own).unwrap();
    assert_eq!(request.from, 1);
    assert!(
        text.contains("\"seq\":1") && text.contains("\"keys\":false"),
        "{text}"
    );
    peer.mux.end(stream);

    // Now they follow the peer: who becomes a friend is asked for its own feed.
    let theirs = chain(&keys(2), None, 120, "an older program");
    assert!(asked(&peer, peer.id()).is_none());
    let follow = Follow {
        id: peer.id(),
        relation: Relation::Follow,
    };
    node.handle().call(follow).await.unwrap();
    peer.until("a call for our feed", |p| asked(p, p.id()).is_some())
        .await;
    let (stream, ..) = asked(&peer, peer.id()).unwrap();
    for message in &theirs {
        peer.send(stream, message.wire().to_owned());
    }
    peer.mux.end(stream);
    let here = || {
        node.inner()
            .hub
            .tips([keys(2).id()])
            .values()
            .copied()
            .max()
    };
    let id = peer.id();
    peer.settle().await;
    until("all messages", || here() == Some(120)).await;

    // It pulls in turn.
    let args = json!([{"id": own.to_string(), "seq": 1, "live": true, "keys": false}]);
    let pull = peer.call(CallKind::Source, &["createHistoryStream"], &args);
    peer.until("the follow", |p| p.received(pull) == 1).await;
    assert!(peer.text(pull, 0).contains(&id.to_string()));
    node.shutdown().await;
}

/// A peer that pulls many feeds at once and reads slowly gets every message.
#[tokio::test]
async fn many_history_streams_lose_nothing() {
    const FEEDS: u8 = 24;
    const MESSAGES: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let long = "peat ".repeat(1_200);
    for n in 100..100 + FEEDS {
        hold(&node, &chain(&keys(n), None, MESSAGES, &long));
    }
    let mut peer = Foreign::dial(&node, 2).await;
    let streams: Vec<_> = (100..100 + FEEDS)
        .map(|n| {
            let args = json!([{"id": keys(n).id().to_string(), "seq": 1, "keys": false}]);
            peer.call(CallKind::Source, &["createHistoryStream"], &args)
        })
        .collect();
    let all = |p: &mut Foreign| streams.iter().all(|s| p.ends.contains_key(s));
    peer.until("the end of all streams", all).await;
    for stream in streams {
        assert_eq!(peer.ends[&stream], End::Done);
        let sequences: Vec<u64> = peer.data[&stream]
            .iter()
            .map(|item| {
                let value: serde_json::Value = serde_json::from_slice(item).unwrap();
                value["sequence"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(sequences, (1..=MESSAGES as u64).collect::<Vec<_>>());
    }
    node.shutdown().await;
}

/// What an author blocks is respected although the author is nobody of ours.
#[tokio::test]
async fn a_feed_is_not_sent_to_those_its_author_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let author = keys(100);
    let blocks = json!({
        "type": "contact", "contact": keys(2).id().to_string(), "blocking": true
    });
    // A course, which strangers may have, too.
    let course = json!({
        "type": "studytime_course", "feed_id": author.id().to_bare(), "name": "Moss"
    });
    let course = Message::sign(&author, None, 1_700_000_000_000, &course, None).unwrap();
    let tip = course.tip();
    let message = Message::sign(&author, Some(&tip), 1_700_000_000_000, &blocks, None).unwrap();
    let both = [&course, &message].map(|m| m.wire().to_owned().into());
    assert_eq!(node.ingest(both).await.unwrap().kept, 2);
    let author = author.id();
    let may = |n| {
        node.inner()
            .hub
            .act(|s, _| s.ebt.may_have(&keys(n).id(), false, &author))
    };
    until("the block", || !may(2) && may(3)).await;

    let args = json!([{"version": 3, "format": "classic"}]);
    let pull = json!([{"id": author.to_string(), "keys": false}]);
    for (n, sent) in [(2, 0), (3, 2)] {
        let mut peer = Foreign::dial(&node, n).await;
        let ebt = peer.call(CallKind::Duplex, &["ebt", "replicate"], &args);
        peer.until("the first notes", |p| p.received(ebt) == 1)
            .await;
        peer.send(ebt, note(author, 0));
        peer.until("an answer", |p| p.received(ebt) > 1).await;
        let refused = note(author, -1);
        assert_eq!(peer.text(ebt, 1) == refused, sent == 0, "{n}");
        let history = peer.call(CallKind::Source, &["createHistoryStream"], &pull);
        peer.until("the end of it", |p| p.ends.contains_key(&history))
            .await;
        assert_eq!(
            (peer.ends[&history].clone(), peer.received(history)),
            (End::Done, sent)
        );
    }
    node.shutdown().await;
}

/// A connection on which nothing comes for ten minutes is given up, not sooner.
#[tokio::test]
async fn a_silent_connection_is_given_up_after_ten_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let mut peer = Foreign::dial(&node, 2).await;
    peer.settle().await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    // Takes what comes, says nothing.
    while !peer.gone {
        peer.pump().await;
    }
    let silent = start.elapsed();
    assert!(
        silent >= Duration::from_secs(599) && silent < Duration::from_secs(700),
        "{silent:?} of virtual time"
    );
    tokio::time::resume();
    node.shutdown().await;
}

/// Who connects and does not shake hands is put out.
#[tokio::test]
async fn a_handshake_may_not_take_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(50);
    let node = builder(dir.path()).handshake_timeout(limit).open().await;
    let node = node.unwrap();
    let mut stream = tokio::net::TcpStream::connect(node.listening().unwrap())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok() && bytes.is_empty());
    node.shutdown().await;
}

/// Who takes their time over the handshake makes room for those who do not.
#[tokio::test]
async fn slow_handshakes_hold_up_nobody() {
    const MORE: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(3600);
    let node = builder(dir.path()).handshake_timeout(limit).open().await;
    let node = node.unwrap();
    let gate = &node.inner().net.gate;
    let mut slow = Vec::new();
    for _ in 0..MAX_HANDSHAKES + MORE {
        let at = node.listening().unwrap();
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        stream.write_all(&[0; 10]).await.unwrap();
        slow.push(stream);
    }
    until("all places are taken", || gate.counts().0 == MAX_HANDSHAKES).await;
    let mut peer = Foreign::dial(&node, 2).await;
    let manifest = peer.ask(&["manifest"], &json!([])).await;
    assert!(manifest.is_ok());
    // The first ones had to go, for each other and for the peer; the last stay.
    let mut last = slow.split_off(MORE + 1);
    for mut stream in slow {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "still open");
    }
    until("only they are left", || {
        gate.counts() == (MAX_HANDSHAKES - 1, 1)
    })
    .await;
    let stays = last.last_mut().unwrap();
    stays.write_all(&[0; 10]).await.unwrap();
    node.shutdown().await;
}

/// Whether all has come is known by what both have said, not by silence.
#[tokio::test]
async fn an_exchange_is_over_when_both_have_what_they_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let (own, theirs) = (node.id(), chain(&keys(2), None, 5, "moss"));
    let mut peer = Foreign::accept(&node, 2).await;
    let id = peer.id();
    let follow = Follow {
        id,
        relation: Relation::Follow,
    };
    node.handle().call(follow).await.unwrap();
    let exchange = async |timeout_seconds| {
        let call = PeerExchange {
            id,
            timeout_seconds,
        };
        node.handle().call(call).await.unwrap()
    };
    peer.until("EBT", |p| p.calls.contains_key("ebt.replicate"))
        .await;
    let (ebt, _) = peer.calls["ebt.replicate"][0].clone();
    // It has said nothing.
    let end = peer.during(exchange(1)).await;
    assert!(end.connected && !end.introduced && !end.complete, "{end:?}");

    // It has five messages, sends two, and asks for our feed.
    let notes = format!("{{\"{id}\":10,\"{own}\":0}}");
    peer.send(ebt, notes);
    for message in &theirs[..2] {
        peer.send(ebt, message.wire().to_owned());
    }
    let end = peer.during(exchange(2)).await;
    assert!(end.introduced && !end.complete, "{end:?}");
    assert_eq!((end.messages, end.unsent), (3, 0), "{end:?}");
    assert!(peer.received(ebt) >= 2, "our notes and our follow");

    for message in &theirs[2..] {
        peer.send(ebt, message.wire().to_owned());
    }
    let end = peer.during(exchange(60)).await;
    assert!(end.complete && end.messages == 0, "{end:?}");
    let tips = node.inner().hub.tips([id]);
    assert_eq!(tips[&id], 5, "and all of it is on disk");

    drop(peer);
    let end = exchange(60).await;
    assert!(!end.connected && !end.complete, "{end:?}");
    node.shutdown().await;
}
