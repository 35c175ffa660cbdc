//! Ten thousand messages of one feed, a thousand feeds, and reconnects where
//! there is nothing new.

use crate::author::{Author, Digest, write};
use crate::ours::{Dialler, Ours, same, their_digest};
use crate::peer::{Peer, Stack};
use serde_json::json;
use studytime_node::api::SettingsChange;

const LONG: usize = 10_000;
const FEEDS: usize = 1_000;
/// Bytes each way that a connection with nothing new may take: greetings, notes
/// of own feeds, one small message. The notes of a thousand feeds are 59 kB.
const IN_SYNC: u64 = 6_000;

/// One feed of ten thousand messages each way at once, over one connection.
async fn ten_thousand(stack: Stack, dialler: Dialler) {
    let tmp = tempfile::tempdir().unwrap();
    let (a, b) = (
        Author::with_posts(1, LONG, 600),
        Author::with_posts(2, LONG, 600),
    );
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), json!({})).await;
    let file = write(tmp.path(), "theirs.jsonl", [&a]);
    theirs.ask("add", json!({ "file": file })).await;
    assert_eq!(ours.node.ingest(b.wires()).await.unwrap().kept, b.len());
    for feed in [theirs.id, a.id()] {
        ours.follow(feed).await;
    }
    theirs.request(&[a.id(), b.id(), ours.id()]).await;

    ours.join(&theirs, dialler).await;
    let (to_us, to_them) = ([(a.id(), a.len())], [(b.id(), b.len())]);
    tokio::join!(ours.reached(&to_us), theirs.reached(&to_them));
    assert_eq!(ours.digest(a.id()).await, a.digest());
    assert_eq!(their_digest(&theirs, b.id()).await, b.digest());

    in_sync(&ours, &theirs, dialler).await;
    theirs.close().await;
    ours.node.shutdown().await;
}

/// Parts and joins again where nothing is new; then one message each way shows
/// that the connection works, and the bytes that little else was said.
async fn in_sync(ours: &Ours, theirs: &Peer, dialler: Dialler) {
    ours.part(theirs).await;
    ours.join(theirs, dialler).await;
    still_live(ours, theirs).await;
    let traffic = ours.traffic(theirs.id).await;
    assert!(
        traffic.0 < IN_SYNC && traffic.1 < IN_SYNC,
        "{traffic:?} bytes with nothing new"
    );
}

/// A message each way.
async fn still_live(ours: &Ours, theirs: &Peer) {
    let (here, there) = (
        ours.sequence(ours.id()).await,
        ours.sequence(theirs.id).await,
    );
    let content = json!({ "type": "post", "text": "still here" });
    theirs.ask("publish", json!({ "content": content })).await;
    ours.reached(&[(theirs.id, there + 1)]).await;
    ours.follow(Author::new(2_000_000 + here).id()).await;
    theirs.reached(&[(ours.id(), here + 1)]).await;
    same(ours, theirs, theirs.id, there + 1).await;
    same(ours, theirs, ours.id(), here + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_modern() {
    ten_thousand(Stack::Modern, Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_legacy() {
    ten_thousand(Stack::Legacy, Dialler::Them).await;
}

/// A person follows a thousand others; we replicate friends of friends.
async fn thousand_feeds(stack: Stack, dialler: Dialler) {
    let tmp = tempfile::tempdir().unwrap();
    let authors: Vec<Author> = (0..FEEDS)
        .map(|n| Author::with_posts(100 + n as u64, 2, 60))
        .collect();
    let clock: Vec<_> = authors.iter().map(|a| (a.id(), a.len())).collect();
    let ids: Vec<_> = authors.iter().map(Author::id).collect();
    let theirs_dir = tmp.path().join("theirs");
    let theirs = Peer::javascript(stack.name(), &theirs_dir, json!({})).await;
    let file = write(tmp.path(), "theirs.jsonl", &authors);
    theirs.ask("add", json!({ "file": file })).await;
    for id in &ids {
        let content = json!({ "type": "contact", "contact": id, "following": true });
        theirs.ask("publish", json!({ "content": content })).await;
    }
    theirs.request(&ids).await;

    let ours = Ours::open(&tmp.path().join("ours")).await;
    let hops = SettingsChange {
        share_study: None,
        blob_quota: None,
        hops: Some(2),
        budget_messages: None,
        budget_bytes: None,
    };
    ours.h.call(hops).await.unwrap();
    ours.follow(theirs.id).await;
    theirs.request(&[ours.id()]).await;
    ours.join(&theirs, dialler).await;
    ours.reached(&[(theirs.id, FEEDS as u64)]).await;
    ours.reached(&clock).await;
    theirs.reached(&[(ours.id(), 1)]).await;
    for author in &authors {
        assert_eq!(ours.digest(author.id()).await, author.digest());
    }
    // JavaScript peers learn how far we are from notes only, not from what they
    // sent, so that the first reconnect brings all notes once more.
    ours.part(&theirs).await;
    ours.join(&theirs, dialler).await;
    ours.traffic(theirs.id).await;
    in_sync(&ours, &theirs, dialler).await;

    // And after both were started anew: that may take the notes once more.
    ours.part(&theirs).await;
    theirs.close().await;
    ours.node.shutdown().await;
    drop(ours);
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let theirs = Peer::javascript(stack.name(), &theirs_dir, json!({})).await;
    theirs.request(&ids).await;
    theirs.request(&[ours.id()]).await;
    ours.join(&theirs, dialler).await;
    still_live(&ours, &theirs).await;
    theirs.close().await;

    // On to somebody who has nothing yet.
    let fresh = Peer::javascript(stack.name(), &tmp.path().join("fresh"), json!({})).await;
    fresh.request(&ids).await;
    ours.follow(fresh.id).await;
    ours.join(&fresh, dialler).await;
    fresh.reached(&clock).await;
    let mut wrong = Vec::new();
    for author in &authors {
        let there: Digest = their_digest(&fresh, author.id()).await;
        if there != author.digest() {
            wrong.push(author.id());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    fresh.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_feeds_modern() {
    thousand_feeds(Stack::Modern, Dialler::Them).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_feeds_legacy() {
    thousand_feeds(Stack::Legacy, Dialler::Us).await;
}
