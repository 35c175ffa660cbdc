//! Players: of a film that is here, here in part, or still elsewhere; many at once;
//! and such as ask for nonsense or go away.

use crate::site::*;
use axum::body::Body;
use axum::http::{StatusCode, header};
use std::time::Duration;
use studytime_node::api::{BlobAdd, PeerConnect, Status, path};
use studytime_node::{Builder, Node};
use studytime_schema::BlobId;

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// Twelve segments and a bit.
fn film() -> Vec<u8> {
    (0..12 * MIB as u32 / 4 + 1_000)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// A node somewhere else that has the film.
async fn author(dir: &tempfile::TempDir, film: &[u8]) -> (Node, BlobId) {
    let path = dir.path().join("film.mp4");
    std::fs::write(&path, film).unwrap();
    let node = Builder::new(dir.path().join("author"))
        .listen(Some("127.0.0.1:0".parse().unwrap()))
        .schedule(false)
        .control(false)
        .default_lists(false)
        .open()
        .await
        .unwrap();
    let added = node.handle().call(BlobAdd { path }).await.unwrap();
    assert!(added.manifest);
    (node, added.id)
}

async fn connect(site: &Site, other: &Node) {
    let status = other.handle().call(Status {}).await.unwrap();
    let call = PeerConnect {
        address: status.address.unwrap(),
        timeout_seconds: 30,
    };
    assert_eq!(site.handle().call(call).await.unwrap().state, "connected");
}

async fn wanted(site: &Site) -> u64 {
    site.handle().call(Status {}).await.unwrap().blobs_wanted
}

/// Waits until so many blobs are wanted.
async fn until_wanted(site: &Site, count: u64) {
    let work = async {
        while wanted(site).await != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, work)
        .await
        .expect("so many wants");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_from_elsewhere_and_from_here_alike() {
    let site = Site::open().await;
    let film = film();
    let (author, id) = author(&site.dir, &film).await;
    let path = path::media_path(&id, true, Some(60), Some("video/mp4"), None);
    connect(&site, &author).await;

    // Nothing of it is here: its size is known from the manifest alone.
    let head = axum::http::Request::head(&path)
        .header(header::HOST, HOST)
        .body(Body::empty())
        .unwrap();
    let head = site.send(head).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(header_of(&head, "content-length"), film.len().to_string());
    let before = site.handle().call(Status {}).await.unwrap().blobs.count;

    // From the middle, across a border of segments; then the end; then all of it.
    let (from, to) = (7 * MIB - 100, 7 * MIB + 100);
    for round in 0..2 {
        let range = format!("bytes={from}-{}", to - 1);
        let part = site.get_with(&path, header::RANGE, &range).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert!(bytes(part).await == film[from..to]);
        let part = site.get_with(&path, header::RANGE, "bytes=-1000").await;
        assert!(bytes(part).await == film[film.len() - 1000..]);
        if round == 0 {
            // Those two segments and the last one: no more.
            let now = site.handle().call(Status {}).await.unwrap().blobs.count;
            assert_eq!(now, before + 3);
        }
        let whole = site.get(&path).await;
        assert_eq!(whole.status(), StatusCode::OK);
        assert!(bytes(whole).await == film);
        if round == 0 {
            // The second time without anybody.
            author.shutdown().await;
        }
    }
    assert_eq!(wanted(&site).await, 0);
    site.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_players_at_once() {
    let site = Site::open().await;
    let film = film();
    let (author, id) = author(&site.dir, &film).await;
    connect(&site, &author).await;
    let path = path::media_path(&id, true, None, Some("video/mp4"), None);
    let players = (0..24usize).map(|n| {
        let (site, path, film) = (&site, &path, &film);
        async move {
            let from = n * 500_000;
            let to = (from + 2 * MIB + n).min(film.len());
            let range = format!("bytes={from}-{}", to - 1);
            let part = site.get_with(path, header::RANGE, &range).await;
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            assert!(bytes(part).await == film[from..to], "player {n}");
        }
    });
    tokio::time::timeout(LIMIT, futures_util::future::join_all(players))
        .await
        .expect("all play to their end");
    assert_eq!(wanted(&site).await, 0);
    author.shutdown().await;
    site.node.shutdown().await;
}

/// Who goes away takes back what was wanted for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_goes_away_wants_nothing_any_more() {
    let site = Site::open().await;
    let film = film();
    let (author, id) = author(&site.dir, &film).await;
    connect(&site, &author).await;
    let path = path::media_path(&id, true, Some(60), Some("video/mp4"), None);
    let part = site.get_with(&path, header::RANGE, "bytes=0-9").await;
    assert!(bytes(part).await == film[..10]);
    author.shutdown().await;

    // Nobody has the rest: two players wait for it, at different places.
    let mut bodies = Vec::new();
    for (from, window) in [(11 * MIB, 2), (2 * MIB, 11)] {
        let range = format!("bytes={from}-");
        let part = site.get_with(&path, header::RANGE, &range).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        let mut body = part.into_body().into_data_stream();
        let first = tokio::spawn(async move {
            use futures_util::StreamExt as _;
            body.next().await
        });
        until_wanted(&site, window).await;
        bodies.push(first);
    }
    for body in bodies {
        body.abort();
    }
    until_wanted(&site, 0).await;
    site.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_make_no_sense() {
    let site = Site::open().await;
    let data = vec![7u8; 100_000];
    let (id, _) = site.add_blob("x.mp4", &data).await;
    let path = path::media_path(&id, false, Some(u64::MAX), Some("video/mp4"), None);
    let whole = [
        "bytes=a-b".to_owned(),
        "bytes=5-4".to_owned(),
        "bytes=".to_owned(),
        "lines=0-1".to_owned(),
        "bytes=0-1,3-4".to_owned(),
        format!("bytes={}", "0-0,".repeat(10_000)),
        format!("bytes=0-{}", "9".repeat(5_000)),
    ];
    for range in whole {
        let answer = site.get_with(&path, header::RANGE, &range).await;
        let start = &range[..range.len().min(30)];
        assert_eq!(answer.status(), StatusCode::OK, "{start}");
        assert_eq!(bytes(answer).await.len(), data.len(), "{start}");
    }
    for (range, len) in [
        ("bytes=0-99999999999999999999999", 100_000),
        ("bytes=99999-18446744073709551615", 1),
        ("bytes=-18446744073709551615", 100_000),
    ] {
        let answer = site.get_with(&path, header::RANGE, range).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(bytes(answer).await.len(), len, "{range}");
    }
    for range in ["bytes=100000-", "bytes=18446744073709551615-", "bytes=-0"] {
        let answer = site.get_with(&path, header::RANGE, range).await;
        assert_eq!(
            answer.status(),
            StatusCode::RANGE_NOT_SATISFIABLE,
            "{range}"
        );
        assert_eq!(header_of(&answer, "content-range"), "bytes */100000");
    }
    site.node.shutdown().await;
}
