//! The process that is killed: a node at work from several sides at once. What
//! is finished it says on standard output, a line each, and only then.

use super::random::Random;
use super::work::{self, LIST};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use studytime_node::Handle;
use studytime_node::api::*;
use studytime_schema::FeedId;

/// What the parent tells it: a JSON object.
pub(crate) const VARIABLE: &str = "STUDYTIME_CRASH_VICTIM";

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Orders {
    pub(crate) data: PathBuf,
    /// Where files are made before they are given to the node.
    pub(crate) scratch: PathBuf,
    pub(crate) folder: PathBuf,
    /// A node with a list that grows.
    pub(crate) source: String,
    pub(crate) source_list: FeedId,
    pub(crate) seed: u64,
    /// Grows from victim to victim.
    pub(crate) round: u64,
}

/// One thing that was finished.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ack {
    /// The node is open.
    Ready,
    /// Own messages are published.
    Published(Published),
    /// So much of another's feed is here.
    Have { feed: FeedId, sequence: u64 },
    /// A file is kept.
    Blob(BlobAdded),
    /// A course is published and listed.
    Course(ImportReply),
    /// A learner's place is kept.
    Position(SavePosition),
    /// Something failed although nothing was done to the disk.
    Failed(String),
}

fn say(ack: &Ack) {
    let mut line = serde_json::to_string(ack).unwrap();
    line.insert_str(0, "ack ");
    line.push('\n');
    // In one piece: tasks speak at the same time.
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn check<T>(what: &str, done: Result<T, ApiError>) -> Option<T> {
    match done {
        Ok(value) => Some(value),
        Err(error) => {
            say(&Ack::Failed(format!("{what}: {error}")));
            None
        }
    }
}

/// Not a test of its own: the process that the harness starts and kills.
#[test]
#[ignore = "started by the kill harness"]
fn victim() {
    let Ok(orders) = std::env::var(VARIABLE) else {
        return;
    };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(orders));
}

async fn run(orders: Orders) {
    let node = work::open(&orders.data, false).await;
    say(&Ack::Ready);
    let handle = node.handle();
    let mut random = Random::new(orders.seed);
    prepare(&handle, &orders).await;
    let import = random.one_in(3);
    let (mut a, mut b, c) = (random.clone(), random.clone(), random.next());
    tokio::join!(
        publish(&handle, &mut a),
        private(&handle, orders.round),
        add_blobs(&handle, &orders, &mut b),
        receive(&handle, &orders),
        async {
            if import {
                make_course(&handle, &orders.folder, c).await;
            }
        },
    );
}

/// What must be there before anything else can go on; killed here too.
async fn prepare(handle: &Handle, orders: &Orders) {
    let lists = check("lists", handle.call(CatalogList {}).await).unwrap_or_default();
    if !lists.iter().any(|l| l.own && l.name == LIST) {
        let name = LIST.to_owned();
        check("new list", handle.call(CatalogNew { name }).await);
    }
    if !lists.iter().any(|l| l.id == orders.source_list) {
        let id = orders.source_list;
        check("add list", handle.call(CatalogAdd { id }).await);
    }
}

async fn publish(handle: &Handle, random: &mut Random) {
    loop {
        let id = FeedId::from_bytes([random.below(200) as u8; 32]);
        let done = if random.one_in(3) {
            let relation = match random.below(2) {
                0 => Relation::Follow,
                _ => Relation::Unfollow,
            };
            handle.call(Follow { id, relation }).await
        } else {
            let edit = CourseEdit {
                name: Some(format!("Moss {}", random.below(1_000))),
                description: Some("Bryology for everybody".into()),
                ..CourseEdit::default()
            };
            let catalog = LIST.to_owned();
            let course = id;
            handle
                .call(CatalogPublish {
                    catalog,
                    course,
                    edit,
                })
                .await
        };
        if let Some(published) = check("publish", done) {
            say(&Ack::Published(published));
        }
    }
}

/// Notes and places, once there is a course to take them of.
async fn private(handle: &Handle, round: u64) {
    for n in round * 100_000.. {
        let query = studytime_index::CourseQuery::text("drosera");
        let found = check("search", handle.call(CourseList { query }).await);
        let Some(id) = found.and_then(|p| p.items.first().map(|c| c.feed_id)) else {
            tokio::task::yield_now().await;
            continue;
        };
        let lesson = handle.call(LessonShow { id, number: 1 }).await;
        let Some(lesson) = check("lesson", lesson) else {
            continue;
        };
        let text = format!("note {n}");
        let note = handle
            .call(NoteAdd {
                id,
                number: 1,
                text,
            })
            .await;
        if let Some(published) = check("note", note) {
            say(&Ack::Published(published));
        }
        let place = SavePosition {
            id,
            item: lesson.lesson.id,
            position_seconds: n,
            percent: 1,
            settled: false,
        };
        if check("place", handle.call(place.clone()).await).is_some() {
            say(&Ack::Position(place));
        }
    }
}

async fn add_blobs(handle: &Handle, orders: &Orders, random: &mut Random) {
    for n in 0u64.. {
        // Now and then one that is cut into segments.
        let size = match random.below(60) {
            0 => 5_600_000,
            _ => 1 + random.below(60_000),
        };
        let path = orders.scratch.join(format!("{}-{n}", orders.seed));
        std::fs::write(&path, work::bytes(random, size as usize)).unwrap();
        let added = handle.call(BlobAdd { path: path.clone() }).await;
        if let Some(added) = check("blob", added) {
            say(&Ack::Blob(added));
        }
        let _ = std::fs::remove_file(path);
    }
}

/// Fetches the source's list and says how far it is.
async fn receive(handle: &Handle, orders: &Orders) {
    let connect = PeerConnect {
        address: orders.source.clone(),
        timeout_seconds: 60,
    };
    // A slow machine is no fault of the store.
    let _ = handle.call(connect).await;
    let told = AtomicU64::new(0);
    let feed = orders.source_list;
    loop {
        let status = handle.call(FeedStatus { id: feed }).await;
        if let Some(status) = check("status", status)
            && told.fetch_max(status.sequence, Ordering::Relaxed) < status.sequence
        {
            let sequence = status.sequence;
            say(&Ack::Have { feed, sequence });
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn make_course(handle: &Handle, folder: &Path, n: u64) {
    let done = work::import(handle, folder, format!("Course {n}")).await;
    if let Some(reply) = check("import", done) {
        say(&Ack::Course(reply));
    }
}
