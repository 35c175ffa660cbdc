//! Nodes that meet in a room, over real sockets on loopback.

mod registry;
mod server;

use crate::api::*;
use crate::common::{self, network, until};
use crate::{Builder, Handle, Node};
use server::{Kind, RoomServer};
use std::path::Path;
use std::time::Duration;
use studytime_schema::{FeedId, Keypair};

/// A room for the tests of other parts.
#[cfg(feature = "http")]
pub(crate) mod testing {
    use super::server::{Kind, RoomServer};
    use studytime_schema::{FeedId, NetworkKey};

    /// Starts one; answers its id and address.
    pub(crate) async fn room(network: NetworkKey, seed: u8) -> (FeedId, String) {
        let room = RoomServer::start(Kind::Two, network, seed).await;
        (room.id, room.address())
    }
}

fn builder(dir: &Path) -> Builder {
    common::builder(dir)
        .listen(None)
        .control(false)
        .plain_http_to_loopback(true)
}

async fn peers(h: &Handle) -> Vec<PeerInfo> {
    h.call(PeerList {}).await.unwrap()
}

async fn is_connected(h: &Handle, id: FeedId) -> Option<PeerInfo> {
    let all = peers(h).await;
    all.into_iter()
        .find(|p| p.id == Some(id) && p.state == "connected")
}

async fn enter(node: &Node, room: &RoomServer) -> Handle {
    let h = node.handle();
    let call = PeerConnect {
        address: room.address(),
        timeout_seconds: 30,
    };
    let peer = h.call(call).await.unwrap();
    assert_eq!((peer.id, peer.state.as_str()), (Some(room.id), "connected"));
    until("the room knows us", || async {
        room.present().contains(&node.id()).then_some(())
    })
    .await;
    h
}

fn tunnel(room: &RoomServer, target: FeedId) -> String {
    super::TunnelAddress {
        portal: room.id,
        target,
    }
    .to_string()
}

async fn meet(h: &Handle, room: &RoomServer, target: FeedId) -> Result<PeerInfo, ApiError> {
    h.call(PeerConnect {
        address: tunnel(room, target),
        timeout_seconds: 30,
    })
    .await
}

/// Ann's list and a file of hers reach Ben through a room.
async fn a_room_carries_feeds_and_blobs(kind: Kind) {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(kind, network(), 90).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let ben = builder(&tmp.path().join("ben")).open().await.unwrap();
    let (a, b) = (enter(&ann, &room).await, enter(&ben, &room).await);

    let rooms = until("Ann is seen", || async {
        let rooms = b.call(RoomList {}).await.unwrap();
        rooms
            .iter()
            .any(|r| r.members.iter().any(|m| m.id == ann.id()))
            .then_some(rooms)
    })
    .await;
    assert_eq!(
        (rooms.len(), rooms[0].id, rooms[0].members.len()),
        (1, room.id, 1)
    );
    assert_eq!(rooms[0].members[0].address, tunnel(&room, ann.id()));
    let listed = peers(&b)
        .await
        .into_iter()
        .find(|p| p.id == Some(ann.id()))
        .unwrap();
    assert_eq!(listed.state, "in room");

    a.call(CatalogNew {
        name: "Mosses".into(),
    })
    .await
    .unwrap();
    let list = a.call(CatalogList {}).await.unwrap()[0].id;
    b.call(CatalogAdd { id: list }).await.unwrap();
    let file = tmp.path().join("atlas.bin");
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    std::fs::write(&file, &bytes).unwrap();
    let blob = a.call(BlobAdd { path: file }).await.unwrap();

    let met = meet(&b, &room, ann.id()).await.unwrap();
    assert_eq!(
        (met.id, met.state.as_str(), met.outgoing),
        (Some(ann.id()), "connected", true)
    );
    assert_eq!(met.address, tunnel(&room, ann.id()));
    let seen = until("Ann sees Ben", || is_connected(&a, ben.id())).await;
    assert_eq!(
        (seen.outgoing, seen.address),
        (false, tunnel(&room, ben.id()))
    );
    until("the list has come", || async {
        let status = b.call(FeedStatus { id: list }).await.unwrap();
        (status.sequence > 0).then_some(())
    })
    .await;
    let out = tmp.path().join("out.bin");
    b.call(BlobGet {
        id: blob.id,
        manifest: blob.manifest,
        output: Some(out.clone()),
        timeout_seconds: 60,
    })
    .await
    .unwrap();
    assert!(std::fs::read(&out).unwrap() == bytes, "the file came whole");

    let (carried, longest, empty) = room.carried();
    assert!(carried > 3_000_000, "it all went through the room");
    assert!(longest <= crate::net::tunnel::FRAME && !empty, "{longest}");

    // The inner connection ends; the room stays.
    ann.shutdown().await;
    until("Ann is gone", || async {
        is_connected(&b, ann.id()).await.is_none().then_some(())
    })
    .await;
    assert!(is_connected(&b, room.id).await.is_some());
    until("no link is left open", || async {
        (room.links() == 0).then_some(())
    })
    .await;
    assert_eq!(room.was_called("tunnel.leave"), kind != Kind::Two);
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_the_second_generation_carries_feeds_and_blobs() {
    a_room_carries_feeds_and_blobs(Kind::Two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_the_first_generation_carries_feeds_and_blobs() {
    a_room_carries_feeds_and_blobs(Kind::One).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_lacks_its_attendants_is_used_the_older_way() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::TwoInNameOnly, network(), 91).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let a = enter(&ann, &room).await;
    assert!(room.was_called("tunnel.announce"));
    let info = is_connected(&a, room.id).await.unwrap();
    assert_eq!(info.reason.as_deref(), Some("the room \"Mossland\""));
    ann.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_one_follows_is_met_without_being_asked_and_again_after_a_break() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 92).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let ben = builder(&tmp.path().join("ben")).open().await.unwrap();
    let eve = builder(&tmp.path().join("eve")).open().await.unwrap();
    let b = ben.handle();
    b.call(Follow {
        id: ann.id(),
        relation: Relation::Follow,
    })
    .await
    .unwrap();
    let _ = (
        enter(&ann, &room).await,
        enter(&eve, &room).await,
        enter(&ben, &room).await,
    );
    let first = until("Ben has met Ann", || is_connected(&b, ann.id())).await;
    assert!(first.address.starts_with("tunnel:"));
    assert!(
        is_connected(&b, eve.id()).await.is_none(),
        "a stranger is only met when somebody asks"
    );
    // The room drops Ben: he comes back, and meets her again.
    room.hang_up_on(&ben.id());
    until("the break is noticed", || async {
        is_connected(&b, ann.id()).await.is_none().then_some(())
    })
    .await;
    until("Ben has met Ann again", || is_connected(&b, ann.id())).await;
    for node in [ann, ben, eve] {
        node.shutdown().await;
    }
}

/// Quotas, pauses and words are those of all other peers.
#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_who_is_there_are_scheduled_like_everybody_else() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 97).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let dir = tmp.path().join("ben");
    let ben = builder(&dir).open().await.unwrap();
    let (a, b) = (enter(&ann, &room).await, enter(&ben, &room).await);
    let listed = is_connected(&b, room.id).await.unwrap();
    assert_eq!(listed.kind, "room");

    // He wants to meet her, she does not want to meet him.
    let relate = |id, relation| Follow { id, relation };
    a.call(relate(ben.id(), Relation::Block)).await.unwrap();
    b.call(relate(ann.id(), Relation::Follow)).await.unwrap();
    let waiting = until("she was called", || async {
        let all = peers(&b).await;
        all.into_iter()
            .find(|p| p.id == Some(ann.id()) && p.state == "failed")
    })
    .await;
    assert_eq!(
        (waiting.kind.as_str(), waiting.source.as_str()),
        ("room member", "the room Mossland")
    );
    let reason = waiting.reason.unwrap();
    assert!(
        reason.contains("not welcome") && reason.contains("after a failure"),
        "{reason}"
    );
    assert!(waiting.next_try.is_some() && waiting.failures == 1);

    // She changes her mind: he comes again by himself.
    a.call(relate(ben.id(), Relation::Unblock)).await.unwrap();
    until("Ben has met Ann", || is_connected(&b, ann.id())).await;
    // Who leaves is nobody's to call.
    ann.shutdown().await;
    until("Ann is not listed any more", || async {
        let all = peers(&b).await;
        (!all.iter().any(|p| p.id == Some(ann.id()))).then_some(())
    })
    .await;
    ben.shutdown().await;
    drop((b, ben));
    let ben = builder(&dir).open().await.unwrap();
    let b = ben.handle();
    let listed = until("the room is entered", || is_connected(&b, room.id)).await;
    assert_eq!(listed.kind, "room", "as the last run knew");
    ben.shutdown().await;
}

/// Somebody who was met once because the user asked is met again after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_user_chose_in_a_room_is_met_after_a_restart() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 98).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let dir = tmp.path().join("ben");
    let ben = builder(&dir).open().await.unwrap();
    let (_a, b) = (enter(&ann, &room).await, enter(&ben, &room).await);
    meet(&b, &room, ann.id()).await.unwrap();
    ben.shutdown().await;
    drop((b, ben));
    let ben = builder(&dir).open().await.unwrap();
    let b = ben.handle();
    let met = until("Ben has met Ann", || is_connected(&b, ann.id())).await;
    assert_eq!(met.address, tunnel(&room, ann.id()));
    ann.shutdown().await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_met_who_is_away_or_not_welcome_or_not_who_the_room_says() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 93).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let ben = builder(&tmp.path().join("ben")).open().await.unwrap();
    let (a, b) = (enter(&ann, &room).await, enter(&ben, &room).await);

    let away = Keypair::from_seed(&[77; 32]).id();
    let error = meet(&b, &room, away).await.unwrap_err();
    assert!(error.message.contains("could not connect to:"), "{error}");
    assert!(error.hint.unwrap().contains("same room"));
    let error = meet(&b, &room, ben.id()).await.unwrap_err();
    assert!(error.message.contains("this node itself"), "{error}");

    // The room calls Ben somebody else: Ann checks who proves to be there.
    room.lie(away);
    let error = meet(&b, &room, ann.id()).await.unwrap_err();
    assert!(error.message.contains("hung up in phase 4"), "{error}");
    room.lie(ben.id());

    a.call(Follow {
        id: ben.id(),
        relation: Relation::Block,
    })
    .await
    .unwrap();
    let error = meet(&b, &room, ann.id()).await.unwrap_err();
    assert!(error.message.contains("not welcome"), "{error}");
    let error = meet(&a, &room, ben.id()).await.unwrap_err();
    assert!(error.message.contains("you block this peer"), "{error}");
    assert!(
        a.call(RoomList {}).await.unwrap().len() == 1,
        "the room itself is fine"
    );

    let unknown = Keypair::from_seed(&[78; 32]).id();
    let through = super::TunnelAddress {
        portal: unknown,
        target: ann.id(),
    }
    .to_string();
    let call = PeerConnect {
        address: through,
        timeout_seconds: 5,
    };
    let error = b.call(call).await.unwrap_err();
    assert!(error.message.contains("is not known here"), "{error}");
    ann.shutdown().await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_cannot_open_tunnels_without_end() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 94).await;
    let ann = builder(&tmp.path().join("ann"))
        .handshake_timeout(Duration::from_secs(300))
        .open()
        .await
        .unwrap();
    let a = enter(&ann, &room).await;
    let flood = 3 * super::MAX_TUNNELS_PER_ROOM;
    for n in 0..flood {
        let mut id = [1; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        room.offer(ann.id(), FeedId::from_bytes(id));
    }
    until("all but the first are refused", || async {
        (room.links() <= super::MAX_TUNNELS_PER_ROOM).then_some(())
    })
    .await;
    assert_eq!(room.links(), super::MAX_TUNNELS_PER_ROOM);
    assert!(is_connected(&a, room.id).await.is_some());
    ann.shutdown().await;
}

#[cfg(feature = "http")]
#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_met_by_an_alias_that_they_signed() {
    use crate::invite::alias::sign;
    use serde_json::json;
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::Two, network(), 95).await;
    let ann = builder(&tmp.path().join("ann")).open().await.unwrap();
    let ben = builder(&tmp.path().join("ben")).open().await.unwrap();
    enter(&ann, &room).await;
    let keys = ann.keys().main().clone();
    let page = |signature: String| {
        json!({
            "status": "successful", "multiserverAddress": room.address(), "roomId": room.id,
            "userId": ann.id(), "alias": "ann", "signature": signature,
        })
    };
    let good = page(sign(&keys, &room.id, "ann"));
    let forged = page(sign(&Keypair::from_seed(&[5; 32]), &room.id, "ann"));
    let router = axum::Router::new()
        .route("/ann", axum::routing::get(async move || axum::Json(good)))
        .route(
            "/forged",
            axum::routing::get(async move || axum::Json(forged)),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let b = ben.handle();
    let error = b
        .call(PeerInvite {
            code: format!("http://{at}/forged"),
        })
        .await
        .unwrap_err();
    assert!(error.message.contains("made it up"), "{error}");
    assert!(
        is_connected(&b, room.id).await.is_none(),
        "nobody was called"
    );
    let met = b
        .call(PeerInvite {
            code: format!("http://{at}/ann"),
        })
        .await
        .unwrap();
    assert_eq!(
        (met.invite.as_str(), met.peer.id),
        ("alias", Some(ann.id()))
    );
    assert!(met.done.contains("ann"));
    let a = ann.handle();
    until("Ann sees Ben", || is_connected(&a, ben.id())).await;
    ann.shutdown().await;
    ben.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_invite_of_a_room_is_entered_and_remembered() {
    let tmp = tempfile::tempdir().unwrap();
    let room = RoomServer::start(Kind::One, network(), 96).await;
    let dir = tmp.path().join("ann");
    let ann = builder(&dir).open().await.unwrap();
    let code = format!(
        "{}:SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24=",
        room.address()
    );
    let done = ann.handle().call(PeerInvite { code }).await.unwrap();
    assert_eq!(
        (done.invite.as_str(), done.peer.id),
        ("room", Some(room.id))
    );
    ann.shutdown().await;
    drop(ann);
    let ann = builder(&dir).open().await.unwrap();
    until("the room is entered again", || async {
        room.present().contains(&ann.id()).then_some(())
    })
    .await;
    ann.shutdown().await;
}
