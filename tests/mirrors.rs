//! Courses in an S3-speaking store: filled by the author, read by a learner who
//! meets nobody. The store is a real server of other makers (`interop/s3.js`).

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
#![allow(clippy::print_stdout, reason = "says what is left out")]

#[path = "../crates/studytime-node/tests/common/mod.rs"]
mod common;

use common::{connect, import, until, with_mirrors};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use studytime_node::Handle;
use studytime_node::api::*;
use studytime_schema::FeedId;

/// The server, until it is dropped.
struct Store {
    process: Child,
    port: u64,
    key: String,
    secret: String,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a store with a bucket; `None`, with a word, where it is not installed.
fn store(dir: &Path, bucket: &str) -> Option<Store> {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    if !interop.join("node_modules/s3rver").is_dir() {
        println!("left out: no S3 server here; ./scripts/setup installs it");
        return None;
    }
    let mut process = Command::new("node")
        .arg(interop.join("s3.js"))
        .arg(dir)
        .arg(bucket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = process.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    Some(Store {
        process,
        port: told["port"].as_u64().unwrap(),
        key: text("key"),
        secret: text("secret"),
    })
}

impl Store {
    fn mirror(&self, name: &str, secret: &str) -> MirrorSpec {
        MirrorSpec {
            name: name.into(),
            url: format!("s3+http://127.0.0.1:{}/courses/of/ours", self.port),
            region: String::new(),
            access_key: Some(self.key.clone()),
            secret_key: Some(secret.to_owned()),
            private: true,
        }
    }
}

/// A course with a file in one piece and one in several.
async fn course(h: &Handle, dir: &Path) -> FeedId {
    let root = dir.join("Mosses");
    std::fs::create_dir(&root).unwrap();
    let small = [b"%PDF-1.4\n".as_slice(), &[7; 100_000]].concat();
    std::fs::write(root.join("01_Small.pdf"), small).unwrap();
    let large: Vec<u8> = (0..6_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let large = [b"%PDF-1.4\n".as_slice(), &large].concat();
    std::fs::write(root.join("02_Large.pdf"), large).unwrap();
    import(h, root).await.course.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_is_had_from_an_s3_store_when_nobody_is_there() {
    let tmp = tempfile::tempdir().unwrap();
    let Some(store) = store(&tmp.path().join("s3"), "courses") else {
        return;
    };
    let author = with_mirrors(&tmp.path().join("author")).await;
    let a = author.handle();
    let id = course(&a, tmp.path()).await;
    let list = a.call(CatalogList {}).await.unwrap()[0].id;

    // The keys decide.
    let mirror = store.mirror("forged", "not the secret");
    a.call(MirrorAdd { mirror }).await.unwrap();
    let push = |name: &str| MirrorPush {
        name: name.into(),
        course: Some(id),
    };
    let refused = a.call(push("forged")).await.unwrap();
    assert_eq!(refused.sent.count, 0);
    assert!(refused.problems[0].problem.contains("403"), "{refused:?}");
    let name = "forged".to_owned();
    a.call(MirrorRemove { name }).await.unwrap();

    let mirror = store.mirror("store", &store.secret);
    a.call(MirrorAdd { mirror }).await.unwrap();
    let check = |read| MirrorCheck {
        name: "store".into(),
        course: Some(id),
        read,
    };
    let empty = a.call(check(false)).await.unwrap();
    assert_eq!(empty.there.count, 0);
    let pushed = a.call(push("store")).await.unwrap();
    // The small file, the manifest, six segments.
    assert_eq!((pushed.sent.count, pushed.absent), (8, 0), "{pushed:?}");
    assert_eq!(pushed.problems, []);
    assert_eq!(empty.missing, 8);
    let again = a.call(push("store")).await.unwrap();
    assert_eq!((again.sent.count, again.there), (0, pushed.sent));
    let read = a.call(check(true)).await.unwrap();
    assert_eq!((read.there, read.missing), (pushed.sent, 0));

    // A learner with the messages, and nobody to ask.
    let learner = with_mirrors(&tmp.path().join("learner")).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &a).await;
    until("the lessons are here", || async {
        let shown = l.call(CourseShow { id }).await.ok()?;
        (shown.detail.lessons.len() == 2).then_some(())
    })
    .await;
    author.shutdown().await;
    let mut mirror = store.mirror("store", &store.secret);
    mirror.private = false;
    let refused = l.call(MirrorAdd { mirror }).await.unwrap_err();
    assert!(refused.message.contains("private network"), "{refused}");
    let mirror = store.mirror("store", &store.secret);
    l.call(MirrorAdd { mirror }).await.unwrap();
    l.call(CourseStart { id, wait: true }).await.unwrap();
    let shown = l.call(CourseShow { id }).await.unwrap();
    assert_eq!(shown.bytes_here, shown.bytes_total);
    assert!(shown.bytes_here > 6_000_000);
    let told = l.call(MirrorList {}).await.unwrap().remove(0);
    assert_eq!(told.kind, "s3");
    // The small file and the manifest may have come from the author, unasked.
    assert!((6..=8).contains(&told.gave.count), "{told:?}");
    assert!(!format!("{told:?}").contains(&store.secret));
    learner.shutdown().await;
}
