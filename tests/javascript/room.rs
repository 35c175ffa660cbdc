//! A room of JavaScript, and peers that meet in it.

use crate::peer::Peer;
use serde_json::json;

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
