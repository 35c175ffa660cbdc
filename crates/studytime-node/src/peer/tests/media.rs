//! Blobs of peers that are as they should be, and of others; readers of what is not here.

use super::foreign::{Foreign, builder};
use crate::api::{BlobAdded, BlobGet, ErrorKind, Status};
use crate::common::LIMIT;
use crate::node::Node;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use studytime_blobs::store::Durability;
use studytime_muxrpc::{Body, CallKind, End, StreamId};
use studytime_schema::{BlobId, Manifest, SEGMENT_SIZE};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// A peer with blobs, and how it gives them.
struct Seed {
    peer: Foreign,
    /// The node's wants come on this stream.
    wants: StreamId,
    told: usize,
    served: usize,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    /// The blobs the node said it wants.
    wanted: BTreeSet<BlobId>,
    /// The blobs it was asked for, in order.
    asked: Vec<BlobId>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Other bytes, right in number.
    Wrong,
    /// Fewer bytes.
    Short,
    /// More and more.
    Endless,
    /// Says that it has more bytes than a blob may have.
    Boasts,
    /// Knows `get` alone, as go-ssb does.
    NoSlices,
}

impl Seed {
    async fn dial(node: &Node, n: u8, manner: Manner, blobs: &[&[u8]]) -> Self {
        let mut peer = Foreign::dial(node, n).await;
        let calls = |p: &mut Foreign| {
            p.calls.contains_key("blobs.createWants") && p.calls.contains_key("studytime.info")
        };
        peer.until("the node's calls", calls).await;
        let (info, _) = peer.calls["studytime.info"][0];
        let answer = json!({ "version": "0", "features": [], "lists": [], "courses": [] });
        peer.mux
            .reply(info, Body::raw_json(answer.to_string()))
            .unwrap();
        let wants = peer.call(CallKind::Source, &["blobs", "createWants"], &json!([]));
        Self {
            peer,
            wants,
            told: 0,
            served: 0,
            blobs: blobs.iter().map(|b| (BlobId::of(b), b.to_vec())).collect(),
            wanted: BTreeSet::new(),
            asked: Vec::new(),
            manner,
        }
    }

    /// Answers what was wanted and asked for since the last time.
    fn work(&mut self) {
        let (out, _) = self.peer.calls["blobs.createWants"][0];
        while self.told < self.peer.received(self.wants) {
            let frame: BTreeMap<BlobId, i64> =
                serde_json::from_str(self.peer.text(self.wants, self.told)).unwrap();
            self.told += 1;
            for (blob, _) in frame.iter().filter(|(_, hops)| **hops < 0) {
                self.wanted.insert(*blob);
                if let Some(bytes) = self.blobs.get(blob) {
                    let size = match self.manner {
                        Manner::Boasts => 6 << 20,
                        _ => bytes.len(),
                    };
                    self.peer
                        .send(out, json!({ blob.to_string(): size }).to_string());
                }
            }
        }
        for method in ["blobs.get", "blobs.getSlice"] {
            let calls = self.peer.calls.remove(method).unwrap_or_default();
            for (id, call) in calls {
                let args: Value = call.args().unwrap();
                self.serve(id, method, &args[0]);
            }
        }
    }

    fn serve(&mut self, id: StreamId, method: &str, args: &Value) {
        let blob: BlobId = args["key"].as_str().unwrap().parse().unwrap();
        self.asked.push(blob);
        let slices = method == "blobs.getSlice";
        if slices && self.manner == Manner::NoSlices {
            return self
                .peer
                .mux
                .fail(id, "muxrpc: no such command: blobs.getSlice");
        }
        let mut bytes = self.blobs[&blob].clone();
        let start = args["start"].as_u64().filter(|_| slices).unwrap_or(0) as usize;
        bytes.drain(..start);
        match self.manner {
            Manner::Wrong => bytes[0] ^= 1,
            Manner::Short => bytes.truncate(bytes.len() / 2),
            Manner::Endless => bytes.resize(8 << 20, 0),
            _ => {}
        }
        for piece in bytes.chunks(64 << 10) {
            let piece = Body::Binary(Bytes::copy_from_slice(piece));
            self.peer.mux.send(id, piece).expect("room");
        }
        self.served += 1;
        if self.manner != Manner::Endless {
            self.peer.mux.end(id);
        }
    }

    async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let work = async {
            loop {
                self.work();
                if done(self) {
                    return;
                }
                assert!(!self.peer.gone, "the node hung up before: {what}");
                self.peer.pump().await;
            }
        };
        tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or_else(|_| panic!("never happened: {what}"));
    }

    /// Serves until something else is over.
    async fn during<T>(&mut self, other: impl Future<Output = T>) -> T {
        let both = async {
            tokio::pin!(other);
            loop {
                self.work();
                tokio::select! {
                    done = &mut other => return done,
                    () = self.peer.pump() => assert!(!self.peer.gone, "the node hung up"),
                }
            }
        };
        tokio::time::timeout(LIMIT, both).await.expect("it ends")
    }
}

fn get(node: &Node, id: BlobId) -> impl Future<Output = BlobAdded> + use<> {
    let handle = node.handle();
    let call = BlobGet {
        id,
        manifest: false,
        output: None,
        timeout_seconds: LIMIT.as_secs(),
    };
    async move { handle.call(call).await.expect("it comes") }
}

fn bytes(n: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 251) as u8 ^ n).collect()
}

fn has(node: &Node, id: &BlobId) -> bool {
    node.inner().blobs.size(id).unwrap().is_some()
}

/// Whatever a peer sends that is not the blob: it is not kept, and the blob comes from
/// somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_blob_is_not_kept() {
    let data = bytes(1, 300_000);
    let id = BlobId::of(&data);
    for manner in [
        Manner::Wrong,
        Manner::Short,
        Manner::Endless,
        Manner::Boasts,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let node = builder(dir.path()).open().await.unwrap();
        let mut bad = Seed::dial(&node, 2, manner, &[&data]).await;
        let wanted = tokio::spawn(get(&node, id));
        if manner == Manner::Boasts {
            // It is not asked at all.
            bad.until("it says what it has", |s| s.wanted.contains(&id))
                .await;
            bad.peer.settle().await;
            bad.work();
            assert_eq!(bad.asked, []);
        } else {
            bad.until("it is asked", |s| s.served == 1).await;
            // The node is done with it when its answer to the call is there, or ended.
            bad.peer.settle().await;
        }
        assert!(!has(&node, &id), "{manner:?}");
        let mut good = Seed::dial(&node, 3, Manner::Honest, &[&data]).await;
        let got = tokio::select! {
            got = good.during(wanted) => got.unwrap(),
            () = bad.until("never", |_| false) => unreachable!(),
        };
        assert_eq!((got.id, got.size), (id, data.len() as u64), "{manner:?}");
        assert_eq!(node.inner().blobs.read(&id).unwrap().unwrap(), data);
        assert_eq!(node.inner().blobs.partials().unwrap(), [], "{manner:?}");
        if manner == Manner::Endless {
            let told = |s: &Seed| s.peer.ends.values().any(|e| matches!(e, End::Error(_)));
            bad.until("it is told to stop", told).await;
        }
        node.shutdown().await;
    }
}

/// A download that broke off goes on at a peer that knows slices, and starts anew at
/// one that does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_rest_is_asked_for_where_that_is_possible() {
    let data = bytes(2, 400_000);
    let id = BlobId::of(&data);
    for manner in [Manner::Honest, Manner::NoSlices] {
        let dir = tempfile::tempdir().unwrap();
        let node = builder(dir.path()).open().await.unwrap();
        {
            // As an earlier run left it.
            let store = &node.inner().blobs;
            let mut writer = store.download(&id, 1).unwrap();
            writer.write(&data[..200_000]).unwrap();
            writer.suspend(1).unwrap();
        }
        let mut peer = Seed::dial(&node, 2, manner, &[&data]).await;
        let got = peer.during(get(&node, id)).await;
        assert_eq!(got.size, 400_000);
        let calls = match manner {
            Manner::NoSlices => 2,
            _ => 1,
        };
        assert_eq!(peer.asked.len(), calls, "{manner:?}");
        assert_eq!(node.inner().blobs.read(&id).unwrap().unwrap(), data);
        node.shutdown().await;
    }
}

/// A film whose manifest is here and nothing else.
fn film(node: &Node, segments: u32) -> (BlobId, Vec<Vec<u8>>) {
    let parts: Vec<Vec<u8>> = (0..segments)
        .map(|n| {
            let mut part = bytes(n as u8, SEGMENT_SIZE as usize);
            part[..4].copy_from_slice(&n.to_le_bytes());
            part
        })
        .collect();
    let manifest = Manifest {
        content_type: "video/mp4".into(),
        size: u64::from(segments) * u64::from(SEGMENT_SIZE),
        segment_size: SEGMENT_SIZE,
        sha256: [0; 32],
        segments: parts.iter().map(|p| BlobId::of(p)).collect(),
    };
    let json = manifest.to_json();
    let added = node.inner().blobs.add(&json, Durability::Relaxed, 1);
    (added.unwrap().id, parts)
}

async fn wanted(node: &Node) -> u64 {
    node.handle().call(Status {}).await.unwrap().blobs_wanted
}

/// Opening wants nothing; reading wants the window; who leaves takes it all back.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_wants_what_it_reads_and_no_longer_than_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let (link, parts) = film(&node, 60);
    let mut peer = Seed::dial(&node, 2, Manner::Honest, &[]).await;
    peer.until("the first frame", |s| s.told > 0).await;

    let mut stream = node.handle().media(link, true).await.unwrap();
    stream.set_duration(60);
    assert_eq!(stream.size(), 60 << 20);
    assert_eq!(wanted(&node).await, 0, "nobody has read yet");
    stream
        .seek(std::io::SeekFrom::Start(50 << 20))
        .await
        .unwrap();
    assert_eq!(wanted(&node).await, 0);
    let mut first = [0; 4];
    {
        let read = stream.read_exact(&mut first);
        tokio::pin!(read);
        let waits = async {
            while wanted(&node).await != 10 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = &mut read => panic!("nobody has it"),
            done = tokio::time::timeout(LIMIT, waits) => done.expect("the window is wanted"),
        }
    }
    // Only what stands there was announced, what is waited for first.
    // Be it in one frame or in several.
    let window: BTreeSet<BlobId> = parts[50..].iter().map(|p| BlobId::of(p)).collect();
    peer.until("the wants", |s| s.wanted.len() >= window.len())
        .await;
    assert_eq!(peer.wanted, window);
    let frame = peer.peer.text(peer.wants, 1);
    assert_eq!(
        frame.find(&BlobId::of(&parts[50]).to_string()),
        Some(2),
        "{frame}"
    );

    // It comes, proves itself, and is read.
    drop(peer);
    let mut peer = Seed::dial(&node, 3, Manner::Honest, &[]).await;
    peer.blobs = parts.iter().map(|p| (BlobId::of(p), p.clone())).collect();
    peer.during(stream.read_exact(&mut first)).await.unwrap();
    assert_eq!(first, 50u32.to_le_bytes());
    assert_eq!(peer.asked[0], BlobId::of(&parts[50]));

    // A few bytes want no more than the segments they are in.
    let mut few = node.handle().media(link, true).await.unwrap();
    few.stop_at((5 << 20) + 10);
    few.seek(std::io::SeekFrom::Start((5 << 20) - 10))
        .await
        .unwrap();
    let mut border = [0; 20];
    peer.during(few.read_exact(&mut border)).await.unwrap();
    assert_eq!(border[..10], parts[4][(1 << 20) - 10..]);
    assert_eq!(border[10..], parts[5][..10]);
    assert!(!peer.asked.contains(&BlobId::of(&parts[6])));

    drop((few, stream));
    assert_eq!(wanted(&node).await, 0, "nobody reads any more");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_manifests_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let node = builder(dir.path()).open().await.unwrap();
    let id = BlobId::of(b"x").to_string();
    let manifest = |size: u64, segments: Vec<&str>| {
        json!({ "type": "studytime_manifest", "version": 1, "content_type": "video/mp4",
                "size": size, "segment_size": 1 << 20,
                "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "segments": segments })
        .to_string()
    };
    let empty = BlobId::EMPTY.to_string();
    let many = vec![id.as_str(); 65_537];
    let huge = vec![id.as_str(); 80_000];
    for (text, word) in [
        (manifest(0, vec![]), "empty file"),
        (manifest(1 << 20, vec![]), "lists 0"),
        (manifest(65_537 << 20, many), "65536 are allowed"),
        (manifest(1 << 40, vec![id.as_str()]), "65536 are allowed"),
        (manifest(u64::MAX, huge), "65536 are allowed"),
        (manifest(5, vec![empty.as_str()]), "empty blob"),
        ("{}".to_owned(), "not the JSON"),
        ("[".repeat(100_000), "not the JSON"),
    ] {
        let added = node
            .inner()
            .blobs
            .add(text.as_bytes(), Durability::Relaxed, 1)
            .unwrap();
        let error = node.handle().media(added.id, true).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(word), "{}", error.message);
        assert_eq!(wanted(&node).await, 0);
    }
    node.shutdown().await;
}
