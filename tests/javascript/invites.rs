//! Pub invites: theirs redeemed by us, ours by both stacks' clients.

use crate::ours::{Dialler, Ours, same};
use crate::peer::{Peer, Stack};
use serde_json::json;
use studytime_node::api::{PeerInvite, PeerNewInvite};

#[tokio::test(flavor = "multi_thread")]
async fn we_redeem_theirs() {
    let tmp = tempfile::tempdir().unwrap();
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let theirs = Peer::javascript("legacy", &tmp.path().join("theirs"), json!({})).await;
    let code = theirs.ask("newInvite", json!({ "uses": 1 })).await;
    let code = code.as_str().unwrap().to_owned();
    let peer = ours
        .h
        .call(PeerInvite { code: code.clone() })
        .await
        .unwrap();
    assert_eq!(peer.peer.id, Some(theirs.id));
    // It follows us and says so; we follow it: both feeds travel.
    ours.reached(&[(theirs.id, 1)]).await;
    let here = ours.sequence(ours.id()).await;
    theirs.reached(&[(ours.id(), here)]).await;
    same(&ours, &theirs, theirs.id, 1).await;
    same(&ours, &theirs, ours.id(), here).await;

    // Once only, and the refusal is told as such.
    let late = Ours::open(&tmp.path().join("late")).await;
    let error = late.h.call(PeerInvite { code }).await.unwrap_err();
    assert!(error.message.contains("invite"), "{}", error.message);
    assert_eq!(
        late.sequence(late.id()).await,
        0,
        "follows a pub that refused it"
    );
    late.node.shutdown().await;
    theirs.close().await;
    ours.node.shutdown().await;
}

async fn they_redeem_ours(stack: Stack) {
    let tmp = tempfile::tempdir().unwrap();
    let ours = Ours::open_with(&tmp.path().join("ours"), |b| b.public(true)).await;
    let code = ours
        .h
        .call(PeerNewInvite {
            uses: 1,
            days: None,
        })
        .await
        .unwrap()
        .code;
    let with = json!({ "conn": true });
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), with.clone()).await;
    let content = json!({ "type": "post", "text": "hello" });
    theirs.ask("publish", json!({ "content": content })).await;
    theirs.ask("useInvite", json!({ "code": code })).await;
    // We follow whoever used it: the feed is fetched when they come as themselves.
    theirs.request(&[ours.id()]).await;
    ours.until("they may come", async || {
        ours.feed(theirs.id).await.wanted.then_some(())
    })
    .await;
    ours.join(&theirs, Dialler::Them).await;
    // The post, the follow, the pub's address.
    ours.reached(&[(theirs.id, 3)]).await;
    theirs.reached(&[(ours.id(), 1)]).await;
    same(&ours, &theirs, theirs.id, 3).await;
    same(&ours, &theirs, ours.id(), 1).await;

    let late = Peer::javascript(stack.name(), &tmp.path().join("late"), with).await;
    assert!(
        late.try_ask("useInvite", json!({ "code": code }))
            .await
            .is_err()
    );
    assert!(!ours.feed(late.id).await.wanted);
    late.close().await;
    theirs.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_redeems_ours() {
    they_redeem_ours(Stack::Modern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_redeems_ours() {
    they_redeem_ours(Stack::Legacy).await;
}
