//! A room of JavaScript, and peers that meet in it.

use crate::ours::Ours;
use crate::peer::Peer;
use serde_json::json;
use studytime_node::api::{PeerConnect, PeerList};

/// The room and the peers in it work: what the test of our own client stands on.
#[tokio::test(flavor = "multi_thread")]
async fn two_javascript_peers_meet_in_the_room() {
    let tmp = tempfile::tempdir().unwrap();
    let room = Peer::javascript("room", &tmp.path().join("room"), json!({})).await;
    let with = json!({ "conn": true });
    let a = Peer::javascript("modern", &tmp.path().join("a"), with.clone()).await;
    let b = Peer::javascript("modern", &tmp.path().join("b"), with).await;
    let content = json!({ "type": "post", "text": "through a room" });
    a.ask("publish", json!({ "content": content })).await;
    b.request(&[a.id]).await;
    for peer in [&a, &b] {
        peer.ask("enter", json!({ "address": room.address })).await;
    }
    let address = format!("tunnel:{}:{}~shs:{}", room.id, a.id, a.id.to_bare());
    b.ask("dial", json!({ "address": address })).await;
    b.reached(&[(a.id, 1)]).await;
}

/// We and a JavaScript peer meet in a JavaScript room; whoever dials, feeds go both ways.
async fn we_meet_in_the_room(we_dial: bool) {
    let tmp = tempfile::tempdir().unwrap();
    let room = Peer::javascript("room", &tmp.path().join("room"), json!({})).await;
    let with = json!({ "conn": true });
    let theirs = Peer::javascript("modern", &tmp.path().join("theirs"), with).await;
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let content = json!({ "type": "post", "text": "through a room" });
    theirs.ask("publish", json!({ "content": content })).await;
    ours.follow(theirs.id).await;
    theirs.request(&[ours.id()]).await;

    theirs
        .ask("enter", json!({ "address": room.address }))
        .await;
    let connect = async |address: String| {
        let call = PeerConnect {
            address,
            timeout_seconds: 30,
        };
        ours.h.call(call).await.unwrap()
    };
    connect(room.address.clone()).await;
    ours.until("the room shows who is there", async || {
        let peers = ours.h.call(PeerList {}).await.unwrap();
        let there = peers.iter().find(|p| p.id == Some(theirs.id))?;
        (there.kind == "room member" || there.state == "connected").then_some(())
    })
    .await;
    let through = |id: studytime_schema::FeedId| {
        let key = id.to_bare();
        format!(
            "tunnel:{}:{id}~shs:{}",
            room.id,
            key.trim_end_matches(".ed25519")
        )
    };
    if we_dial {
        let met = connect(through(theirs.id)).await;
        assert_eq!((met.id, met.state.as_str()), (Some(theirs.id), "connected"));
    } else {
        let address = through(ours.id());
        theirs.ask("dial", json!({ "address": address })).await;
    }
    ours.reached(&[(theirs.id, 1)]).await;
    theirs.reached(&[(ours.id(), 1)]).await;
    theirs.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_dial_a_javascript_peer_in_a_javascript_room() {
    we_meet_in_the_room(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_peer_dials_us_in_a_javascript_room() {
    we_meet_in_the_room(false).await;
}
