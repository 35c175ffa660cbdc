//! Feeds both ways, then live, then after a reconnect; each side dials.

use crate::author::Author;
use crate::ours::{Dialler, Ours, same};
use crate::peer::{Peer, Stack};
use serde_json::json;

async fn post(peer: &Peer, text: &str) {
    let content = json!({ "type": "post", "text": text });
    peer.ask("publish", json!({ "content": content })).await;
}

/// An own message of ours: following somebody new each time.
async fn say(ours: &Ours, n: u64) {
    ours.follow(Author::new(1_000_000 + n).id()).await;
}

async fn both_ways(stack: Stack, with: serde_json::Value, dialler: Dialler) {
    let tmp = tempfile::tempdir().unwrap();
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), with).await;
    ours.follow(theirs.id).await;
    theirs.request(&[ours.id()]).await;
    for n in 0..3 {
        post(&theirs, &format!("before {n}")).await;
    }
    ours.join(&theirs, dialler).await;
    ours.reached(&[(theirs.id, 3)]).await;
    theirs.reached(&[(ours.id(), 1)]).await;

    // Live: each in turn, then both at once.
    for n in 0..3 {
        post(&theirs, &format!("live {n}, with \u{1f33f} and \"quotes\"")).await;
        ours.reached(&[(theirs.id, 4 + n)]).await;
        say(&ours, n).await;
        theirs.reached(&[(ours.id(), 2 + n)]).await;
    }
    for n in 0..5 {
        tokio::join!(post(&theirs, "at once"), say(&ours, 10 + n));
    }
    theirs.reached(&[(ours.id(), 9)]).await;
    ours.reached(&[(theirs.id, 11)]).await;
    same(&ours, &theirs, theirs.id, 11).await;
    same(&ours, &theirs, ours.id(), 9).await;

    // What was said while they were apart comes with the next connection.
    ours.part(&theirs).await;
    post(&theirs, "apart").await;
    say(&ours, 20).await;
    ours.join(&theirs, dialler).await;
    ours.reached(&[(theirs.id, 12)]).await;
    theirs.reached(&[(ours.id(), 10)]).await;
    same(&ours, &theirs, theirs.id, 12).await;
    same(&ours, &theirs, ours.id(), 10).await;

    let refused = ours.feed(theirs.id).await;
    assert!(refused.refused.is_empty() && refused.not_fetched_from.is_empty());
    theirs.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_we_dial() {
    both_ways(Stack::Modern, json!({}), Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_they_dial() {
    both_ways(Stack::Modern, json!({}), Dialler::Them).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_we_dial() {
    both_ways(Stack::Legacy, json!({}), Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_they_dial() {
    both_ways(Stack::Legacy, json!({}), Dialler::Them).await;
}

// A peer older than EBT: `createHistoryStream` alone, both ways.

#[tokio::test(flavor = "multi_thread")]
async fn without_ebt_we_dial() {
    both_ways(Stack::Legacy, json!({ "ebt": false }), Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ebt_they_dial() {
    both_ways(Stack::Legacy, json!({ "ebt": false }), Dialler::Them).await;
}
