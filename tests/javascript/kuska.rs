//! kuska-ssb, a Rust peer of other makers, reads a feed and a blob from us.

use crate::author::Author;
use crate::ours::Ours;
use crate::peer::{NETWORK, base64, interop};
use serde_json::Value;
use std::process::Command;
use studytime_node::api::BlobAdd;
use studytime_schema::Message;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs interop/kuska, which ./scripts/test builds"]
async fn kuska_reads_a_feed_and_a_blob() {
    let program = interop().join("kuska/target/debug/kuska-peer");
    assert!(
        program.is_file(),
        "not built: cargo build --locked --manifest-path interop/kuska/Cargo.toml --target-dir interop/kuska/target"
    );
    let tmp = tempfile::tempdir().unwrap();
    let ours = Ours::open(&tmp.path().join("ours")).await;
    let author = Author::with_posts(1, 250, 300);
    ours.node.ingest(author.wires()).await.unwrap();
    let data: Vec<u8> = (0..300_000u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    let path = tmp.path().join("file");
    std::fs::write(&path, &data).unwrap();
    let blob = ours.h.call(BlobAdd { path }).await.unwrap().id;
    let place = ours.status().await.listen.unwrap();
    let (key, network) = (base64(ours.id().as_bytes()), base64(&NETWORK));
    let args = [
        place,
        key,
        network,
        author.id().to_string(),
        blob.to_string(),
    ];
    let done = tokio::task::spawn_blocking(move || Command::new(program).args(args).output());
    let done = done.await.unwrap().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{error}");
    let lines: Vec<Value> = String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    // `whoami` is not for peers; the refusal is one it can read.
    let refused = lines.iter().find_map(|l| l["whoami_error"].as_str());
    assert_eq!(
        refused,
        Some("method:whoami is not in list of allowed methods")
    );
    let ids: Vec<&str> = lines.iter().filter_map(|l| l["message"].as_str()).collect();
    let signed: Vec<String> = author
        .messages
        .iter()
        .map(|m: &Message| m.id().to_string())
        .collect();
    assert_eq!(ids, signed);
    let got = lines.iter().find_map(|l| l["blob"].as_str());
    assert_eq!(got, Some(base64(&data).as_str()));
    ours.node.shutdown().await;
}
