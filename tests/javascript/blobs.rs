//! Blobs both ways: the smallest, the largest, and one of several chunks.

use crate::ours::{Dialler, Ours};
use crate::peer::{LIMIT, Peer, Stack};
use base64::Engine as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use studytime_blobs::store::{BlobStore as _, FileStore};
use studytime_node::api::{BlobAdd, BlobGet};
use studytime_schema::BlobId;

/// The network's limit is 5 MiB, itself excluded. 65,536 is one chunk: behind a
/// blob of that size JavaScript sends a frame without bytes, which JavaScript takes
/// for the end of the connection.
const SIZES: [usize; 5] = [1, 65_535, 65_536, 200_001, 5 * 1024 * 1024 - 1];

fn bytes(size: usize, salt: u32) -> Vec<u8> {
    let mut state = salt.wrapping_mul(2_654_435_761) | 1;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

async fn from_them(ours: &Ours, theirs: &Peer, dir: &Path, size: usize, salt: u32) {
    let data = bytes(size, salt);
    let file = dir.join("given");
    std::fs::write(&file, &data).unwrap();
    let id: BlobId = theirs
        .ask("addBlob", json!({ "file": file }))
        .await
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(id, BlobId::of(&data));
    let output = dir.join("got");
    let get = BlobGet {
        id,
        manifest: false,
        output: Some(output.clone()),
        timeout_seconds: LIMIT.as_secs(),
    };
    assert_eq!(ours.h.call(get).await.unwrap().size, size as u64);
    assert_eq!(BlobId::of(&std::fs::read(&output).unwrap()), id);
    std::fs::remove_file(output).unwrap();
}

async fn to_them(ours: &Ours, theirs: &Peer, dir: &Path, size: usize, salt: u32) {
    let data = bytes(size, salt);
    let path = dir.join("ours");
    std::fs::write(&path, &data).unwrap();
    let added = ours.h.call(BlobAdd { path }).await.unwrap();
    assert!(!added.manifest);
    assert_eq!(added.id, BlobId::of(&data));
    let got = theirs.ask("getBlob", json!({ "blob": added.id })).await;
    let sha256 = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&data));
    assert_eq!(got, json!({ "size": size, "sha256": sha256 }));
}

async fn both_ways(stack: Stack, dialler: Dialler) {
    let tmp = tempfile::tempdir().unwrap();
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), json!({})).await;
    ours.follow(theirs.id).await;
    theirs.request(&[ours.id()]).await;
    ours.join(&theirs, dialler).await;
    let (one, other) = (tmp.path().join("a"), tmp.path().join("b"));
    std::fs::create_dir_all(&one).unwrap();
    std::fs::create_dir_all(&other).unwrap();
    for (n, size) in SIZES.into_iter().enumerate() {
        let salt = n as u32 * 2;
        // Both directions at once.
        tokio::join!(
            from_them(&ours, &theirs, &one, size, salt + 1),
            to_them(&ours, &theirs, &other, size, salt + 2),
        );
    }
    // A want from before the connection is told after it.
    ours.part(&theirs).await;
    let data = bytes(3_000, 77);
    let path = tmp.path().join("later");
    std::fs::write(&path, &data).unwrap();
    let id = BlobId::of(&data);
    let (got, ()) = tokio::join!(theirs.ask("getBlob", json!({ "blob": id })), async {
        ours.h.call(BlobAdd { path }).await.unwrap();
        ours.join(&theirs, dialler).await;
    });
    assert_eq!(got["size"], 3_000);
    theirs.close().await;
    ours.node.shutdown().await;
}

/// Half of a blob is here from an earlier run: they are asked for the rest, and serve
/// it. Both stacks know how.
async fn the_rest(stack: Stack) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("ours");
    let data = bytes(1_000_000, 5);
    let id = BlobId::of(&data);
    {
        std::fs::create_dir_all(&dir).unwrap();
        let (store, _) = FileStore::open(&dir).unwrap();
        let mut writer = store.download(&id, 1).unwrap();
        writer.write(&data[..600_000]).unwrap();
        writer.suspend(1).unwrap();
        store.flush().unwrap();
    }
    let ours = Ours::open(&dir).await;
    let theirs = Peer::javascript(stack.name(), &tmp.path().join("theirs"), json!({})).await;
    ours.follow(theirs.id).await;
    theirs.request(&[ours.id()]).await;
    ours.join(&theirs, Dialler::Us).await;
    let before = ours.traffic(theirs.id).await.0;
    from_them(&ours, &theirs, tmp.path(), data.len(), 5).await;
    let got = ours.traffic(theirs.id).await.0 - before;
    assert!((400_000..600_000).contains(&got), "{got} bytes came");
    theirs.close().await;
    ours.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_modern_serve_the_rest() {
    the_rest(Stack::Modern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_legacy_serve_the_rest() {
    the_rest(Stack::Legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_modern_we_dial() {
    both_ways(Stack::Modern, Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_modern_they_dial() {
    both_ways(Stack::Modern, Dialler::Them).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_legacy_we_dial() {
    both_ways(Stack::Legacy, Dialler::Us).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_legacy_they_dial() {
    both_ways(Stack::Legacy, Dialler::Them).await;
}
