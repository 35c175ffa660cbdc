//! Two nodes that have the same meet again, after one of them was started anew:
//! what each told the other is remembered, so nothing of it is told again.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{connect, node, until};
use serde_json::json;
use std::fmt::Write as _;
use studytime_index::CourseQuery;
use studytime_node::Handle;
use studytime_node::api::*;
use studytime_schema::{FeedId, Keypair, Message};

/// Feeds that both have.
const FEEDS: u64 = 400;
/// Bytes each way that are more than enough to say hello, to name a few feeds and
/// to send some messages; naming all feeds takes twice as many.
const FEW: u64 = 12_000;

async fn listed(h: &Handle) -> u64 {
    let query = CourseQuery::default();
    let page = h.call(CourseList { query }).await.unwrap();
    page.total as u64
}

/// Bytes received and sent over the connection to a peer.
async fn traffic(h: &Handle, peer: FeedId) -> Option<(u64, u64)> {
    let peers = h.call(PeerList {}).await.unwrap();
    let peer = peers.into_iter().find(|p| p.id == Some(peer))?;
    Some(peer.traffic)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_remembered_over_a_restart() {
    let tmp = tempfile::tempdir().unwrap();
    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    let name = "Many".to_owned();
    let list = a.call(CatalogNew { name }).await.unwrap().id;
    let mut lines = String::new();
    let mut feeds = Vec::new();
    for n in 0..FEEDS {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let keys = Keypair::from_seed(&seed);
        let id = keys.id().to_bare();
        let course = json!({"type": "studytime_course", "feed_id": id, "name": format!("C{n}")});
        let message = Message::sign(&keys, None, 1_700_000_000_000, &course, None).unwrap();
        feeds.push(bytes::Bytes::copy_from_slice(message.wire().as_bytes()));
        writeln!(lines, "{}", json!({"feed_id": id, "name": format!("C{n}")})).unwrap();
    }
    let path = tmp.path().join("courses.jsonl");
    std::fs::write(&path, lines).unwrap();
    let catalog = list.to_string();
    a.call(CatalogPublishFile { catalog, path }).await.unwrap();
    let report = author.ingest(feeds.into_iter()).await.unwrap();
    assert_eq!(report.kept, FEEDS, "{report:?}");

    let dir = tmp.path().join("learner");
    let learner = node(&dir).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &a).await;
    until("all is there", || async {
        let feeds = l.call(Status {}).await.unwrap().feeds;
        // Those of the courses, the list, and the learner's own.
        (feeds > FEEDS && listed(&l).await == FEEDS).then_some(())
    })
    .await;
    learner.shutdown().await;
    drop((learner, l));

    // Left at once, the learner has not said yet how far it came: they compare
    // notes once more.
    let learner = node(&dir).await;
    let l = learner.handle();
    connect(&l, &a).await;
    until("they compared notes", || async {
        let (received, sent) = traffic(&l, author.id()).await?;
        (received > FEW && sent > FEW).then_some(())
    })
    .await;
    learner.shutdown().await;
    drop((learner, l));

    let learner = node(&dir).await;
    let l = learner.handle();
    connect(&l, &a).await;
    // Something new shows that they are at work again.
    let id = Keypair::from_seed(&[9; 32]).id();
    a.call(CatalogPublish {
        catalog: list.to_string(),
        course: id,
        edit: CourseEdit {
            name: Some("New".into()),
            ..CourseEdit::default()
        },
    })
    .await
    .unwrap();
    until("the new one is listed", || async {
        (listed(&l).await == FEEDS + 1).then_some(())
    })
    .await;
    let traffic = until("the bytes are counted", || async {
        let told = traffic(&l, author.id()).await?;
        (told.0 > 500 && told.1 > 500).then_some(told)
    })
    .await;
    assert!(
        traffic.0 < FEW && traffic.1 < FEW,
        "{traffic:?} bytes to find out that nearly nothing is new"
    );
    learner.shutdown().await;
    author.shutdown().await;
}
