//! A peer that breaks the rules, with a sound handshake. Our node stays well,
//! an honest peer is served meanwhile, and what was bad is not fetched for ever.

use crate::author::Author;
use crate::ours::{Dialler, Ours, same};
use crate::peer::{LIMIT, Peer};
use serde_json::{Value, json};
use studytime_schema::FeedId;

/// A stream frame of JSON.
const STREAM_JSON: u8 = 0b1010;
/// The rogue's own call of `ebt.replicate`.
const EBT: i32 = 1;

struct Stage {
    _tmp: tempfile::TempDir,
    ours: Ours,
    honest: Peer,
    rogue: Peer,
    said: u64,
}

impl Stage {
    /// A node of ours with an honest peer connected, and a rogue that we follow,
    /// so that it is listened to.
    async fn set(feeds: &[FeedId]) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let ours = Ours::open(&tmp.path().join("ours")).await;
        let honest = Peer::javascript("modern", &tmp.path().join("honest"), json!({})).await;
        let rogue = Peer::javascript("rogue", &tmp.path().join("rogue"), json!({})).await;
        for feed in feeds.iter().chain(&[honest.id, rogue.id]) {
            ours.follow(*feed).await;
        }
        honest.request(&[ours.id()]).await;
        honest.request(feeds).await;
        ours.join(&honest, Dialler::Them).await;
        Self {
            _tmp: tmp,
            ours,
            honest,
            rogue,
            said: 0,
        }
    }

    /// The rogue connects and opens EBT with these notes.
    async fn enter(&self, notes: &Value) {
        self.ours.join(&self.rogue, Dialler::Them).await;
        let call = json!({ "name": ["ebt", "replicate"], "type": "duplex",
                           "args": [{ "version": 3, "format": "classic" }] });
        self.send(&[call.to_string(), notes.to_string()], 1).await;
    }

    /// Frames of the rogue on its EBT stream.
    async fn send(&self, bodies: &[String], times: u64) {
        let frames: Vec<Value> = bodies
            .iter()
            .map(|body| json!({ "flags": STREAM_JSON, "request": EBT, "body": body }))
            .collect();
        self.rogue
            .ask("send", json!({ "frames": frames, "times": times }))
            .await;
    }

    /// The notes the rogue has been sent about a feed, in order, until one fits.
    async fn note(&self, feed: FeedId, fits: impl Fn(i64) -> bool) -> i64 {
        let wait = async {
            loop {
                let taken = self.rogue.ask("take", json!({})).await;
                for frame in taken["frames"].as_array().unwrap() {
                    if frame["request"] != -EBT {
                        continue;
                    }
                    let body: Value =
                        serde_json::from_str(frame["body"].as_str().unwrap()).unwrap_or_default();
                    if let Some(note) = body[feed.to_string()].as_i64()
                        && fits(note)
                    {
                        return note;
                    }
                }
                assert!(taken["ended"].is_null(), "cut off: {}", taken["ended"]);
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("a note")
    }

    /// The rogue is cut off.
    async fn cut_off(&self) {
        let wait = async { while self.rogue.ask("take", json!({})).await["ended"].is_null() {} };
        tokio::time::timeout(LIMIT, wait).await.expect("cut off");
        self.ours
            .until("the rogue is gone", async || {
                self.ours
                    .connection(self.rogue.id)
                    .await
                    .is_none()
                    .then_some(())
            })
            .await;
    }

    /// An honest peer is served: a message each way, live.
    async fn all_is_well(&mut self) {
        self.said += 1;
        let before = self.ours.sequence(self.ours.id()).await;
        let content = json!({ "type": "post", "text": "well" });
        self.honest
            .ask("publish", json!({ "content": content }))
            .await;
        self.ours.reached(&[(self.honest.id, self.said)]).await;
        self.ours.follow(Author::new(3_000_000 + before).id()).await;
        self.honest.reached(&[(self.ours.id(), before + 1)]).await;
        same(&self.ours, &self.honest, self.honest.id, self.said).await;
        assert!(self.ours.connection(self.honest.id).await.is_some());
    }

    async fn end(self) {
        self.honest.close().await;
        self.ours.node.shutdown().await;
    }
}

fn wire(author: &Author, n: usize) -> String {
    author.messages[n - 1].wire().to_owned()
}

/// Have `sequence` messages, and send me what is new.
fn note(feed: FeedId, sequence: u64) -> Value {
    json!({ feed.to_string(): sequence << 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_and_gaps() {
    let author = Author::with_posts(1, 6, 200);
    let mut stage = Stage::set(&[author.id()]).await;
    stage.enter(&note(author.id(), 6)).await;
    stage.note(author.id(), |note| note == 0).await;
    // One message five thousand times, then one that leaves out another.
    stage.send(&[wire(&author, 1)], 5_000).await;
    stage.send(&[wire(&author, 3)], 3).await;
    stage.ours.reached(&[(author.id(), 1)]).await;
    stage.all_is_well().await;
    assert_eq!(stage.ours.sequence(author.id()).await, 1);
    // What was left out makes it go on, repeats or not.
    let rest: Vec<String> = (1..=6).map(|n| wire(&author, n)).collect();
    stage.rogue.ask("hangUp", json!({})).await;
    stage.cut_off().await;
    stage.enter(&note(author.id(), 6)).await;
    stage.note(author.id(), |note| note == 2).await;
    stage.send(&rest, 2).await;
    stage.ours.reached(&[(author.id(), 6)]).await;
    assert_eq!(stage.ours.digest(author.id()).await, author.digest());
    stage.honest.reached(&[(author.id(), 6)]).await;
    same(&stage.ours, &stage.honest, author.id(), 6).await;
    stage.all_is_well().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages() {
    let author = Author::with_posts(1, 6, 200);
    let mut stage = Stage::set(&[author.id()]).await;
    stage.enter(&note(author.id(), 6)).await;
    stage.note(author.id(), |note| note == 0).await;
    let forged = wire(&author, 2).replace("spore", "SPORE");
    assert_ne!(forged, wire(&author, 2));
    stage
        .send(&[wire(&author, 1), forged.clone(), wire(&author, 3)], 1)
        .await;
    stage.ours.reached(&[(author.id(), 1)]).await;
    let status = stage
        .ours
        .until("the forgery is told of", async || {
            let status = stage.ours.feed(author.id()).await;
            let told = !status.refused.is_empty() && !status.not_fetched_from.is_empty();
            told.then_some(status)
        })
        .await;
    assert_eq!(status.refused[0].sequence, 2);
    assert_eq!(status.not_fetched_from.len(), 1, "{status:?}");
    assert_eq!(status.not_fetched_from[0].peer, stage.rogue.id);
    // It is told to stop, and not asked again, now or after a reconnect.
    stage
        .note(author.id(), |note| note < 0 || note & 1 == 1)
        .await;
    stage.all_is_well().await;
    stage.rogue.ask("hangUp", json!({})).await;
    stage.cut_off().await;
    stage.enter(&note(author.id(), 6)).await;
    let asked = stage.note(author.id(), |_| true).await;
    assert!(asked < 0 || asked & 1 == 1, "asked again with {asked}");
    // An honest peer has the real one: the feed goes on from there.
    stage.honest.reached(&[(author.id(), 1)]).await;
    let file = stage._tmp.path().join("rest.jsonl");
    let rest: Vec<String> = (2..=6).map(|n| wire(&author, n)).collect();
    std::fs::write(&file, rest.join("\n")).unwrap();
    stage.honest.ask("add", json!({ "file": file })).await;
    stage.ours.reached(&[(author.id(), 6)]).await;
    assert_eq!(stage.ours.digest(author.id()).await, author.digest());
    stage.all_is_well().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_lie_about_their_length() {
    let mut stage = Stage::set(&[]).await;
    for length in [u32::MAX, 1 << 30, 64 << 20] {
        stage.ours.join(&stage.rogue, Dialler::Them).await;
        let frame = json!({ "flags": STREAM_JSON, "request": EBT, "body": "{", "length": length });
        stage.rogue.ask("send", json!({ "frames": [frame] })).await;
        stage.cut_off().await;
        stage.all_is_well().await;
    }
    // No JSON, no call, no such stream: nothing that should harm others.
    stage.ours.join(&stage.rogue, Dialler::Them).await;
    for body in ["\u{0}\u{1}", "[[[[", "{\"name\":1}", "null", "\"\""] {
        let frames: Vec<Value> = [(0b1010, 5), (0b10, 6), (0b1110, -77), (0b1001, 7)]
            .iter()
            .map(|(flags, request)| json!({ "flags": flags, "request": request, "body": body }))
            .collect();
        stage.rogue.ask("send", json!({ "frames": frames })).await;
    }
    stage.all_is_well().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow() {
    let author = Author::with_posts(1, 6, 200);
    let long = Author::with_posts(2, 20_000, 600);
    let mut stage = Stage::set(&[author.id(), long.id()]).await;
    // Silent: it claims to have a feed, is asked for it, and says nothing more.
    stage.enter(&note(author.id(), 6)).await;
    stage.note(author.id(), |note| note == 0).await;
    // Another has it, too, later: the silent one does not keep it from coming.
    let file = crate::author::write(stage._tmp.path(), "feed.jsonl", [&author]);
    stage.honest.ask("add", json!({ "file": file })).await;
    stage.ours.reached(&[(author.id(), 6)]).await;
    stage.all_is_well().await;
    // Slow: asks for twenty thousand messages and reads none of them.
    stage.ours.node.ingest(long.wires()).await.unwrap();
    stage.rogue.ask("pause", json!({})).await;
    stage.send(&[note(long.id(), 0).to_string()], 1).await;
    stage.honest.reached(&[(long.id(), long.len())]).await;
    stage.all_is_well().await;
    let (_, wrote) = stage.ours.connection(stage.rogue.id).await.unwrap().traffic;
    assert!(
        wrote < 16 << 20,
        "{wrote} bytes were taken by a peer that reads nothing"
    );
    // It wakes up, and gets everything.
    stage.rogue.ask("resume", json!({})).await;
    let mut got = 0;
    while got < long.len() {
        let taken = stage.rogue.ask("take", json!({})).await;
        assert!(taken["ended"].is_null(), "cut off: {}", taken["ended"]);
        let frames = taken["frames"].as_array().unwrap();
        let mark = format!("\"author\":\"{}\"", long.id());
        got += frames
            .iter()
            .filter(|f| f["body"].as_str().unwrap().contains(&mark))
            .count() as u64;
    }
    assert_eq!(got, long.len());
    stage.all_is_well().await;
    stage.end().await;
}
