//! Our store is lost, our key is not: a JavaScript peer gives our feed back, and
//! nothing is published before.

use crate::author::Author;
use crate::ours::{Dialler, Ours, same, their_digest};
use crate::peer::{Peer, Stack};
use serde_json::json;
use std::path::Path;
use studytime_node::api::{Follow, Relation};

/// Deletes everything but the keys.
fn lose_all_but_keys(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "keys" {
            continue;
        }
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

async fn recovered(stack: Stack) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("ours");
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), json!({})).await;
    let ours = Ours::open(&dir).await;
    let me = ours.id();
    theirs.request(&[me]).await;
    ours.follow(theirs.id).await;
    for n in 0..6 {
        ours.follow(Author::new(n).id()).await;
    }
    ours.join(&theirs, Dialler::Us).await;
    theirs.reached(&[(me, 7)]).await;
    let before = their_digest(&theirs, me).await;
    // Twice, so that the peer remembers how far we were and leaves us out of
    // its first notes.
    ours.part(&theirs).await;
    ours.join(&theirs, Dialler::Us).await;
    ours.part(&theirs).await;
    ours.node.shutdown().await;
    drop(ours);

    lose_all_but_keys(&dir);
    let ours = Ours::open(&dir).await;
    assert_eq!(ours.id(), me);
    assert_eq!(ours.sequence(me).await, 0);
    let refused = Follow {
        id: theirs.id,
        relation: Relation::Follow,
    };
    let error = ours.h.call(refused).await.unwrap_err();
    assert!(error.message.contains("locked"), "{}", error.message);

    // The address was typed, so this peer's word is enough.
    ours.join(&theirs, Dialler::Us).await;
    ours.reached(&[(me, 7)]).await;
    ours.until("the lock is gone", async || {
        ours.status().await.locked.is_empty().then_some(())
    })
    .await;
    assert_eq!(ours.digest(me).await, before);

    // Continued, not begun anew.
    ours.follow(Author::new(7).id()).await;
    theirs.reached(&[(me, 8)]).await;
    same(&ours, &theirs, me, 8).await;
    assert!(ours.feed(me).await.forked_at.is_none());
    theirs.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_feed_from_modern() {
    recovered(Stack::Modern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_feed_from_legacy() {
    recovered(Stack::Legacy).await;
}
