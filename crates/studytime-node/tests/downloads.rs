//! Room for files: limits that hold by themselves, downloads that stop and go
//! on, damage that is mended.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{connect, import, node, until, with_mirrors};
use std::path::{Path, PathBuf};
use studytime_node::api::*;
use studytime_node::{Handle, Node};
use studytime_schema::{BlobId, FeedId};

/// Bytes of one file: six segments, which nobody is sent unasked, and a manifest,
/// which everybody is.
const SIZE: usize = 5_300_000;
const SEGMENT: u64 = 1 << 20;

fn bytes_of(name: &str, n: u8) -> Vec<u8> {
    let seed = name.bytes().fold(u32::from(n), |s, b| {
        s.wrapping_mul(31).wrapping_add(b.into())
    });
    let bytes =
        (0..SIZE as u32).map(|i| ((i ^ seed << 20).wrapping_mul(2_654_435_761) >> 24) as u8);
    [b"%PDF-1.4\n".to_vec(), bytes.collect()].concat()
}

/// A folder with so many files of `SIZE` bytes, a lesson each.
fn files(dir: &Path, name: &str, count: u8) -> PathBuf {
    let root = dir.join(name);
    std::fs::create_dir_all(&root).unwrap();
    let about = format!("name = \"{name}\"\nlanguage = \"en\"\nlicense = \"CC0-1.0\"\n");
    std::fs::write(root.join("course.toml"), about).unwrap();
    for n in 0..count {
        std::fs::write(root.join(format!("{n:02}_Part.pdf")), bytes_of(name, n)).unwrap();
    }
    root
}

async fn edit(h: &Handle, edit: DownloadsEdit) -> DownloadsReply {
    h.call(DownloadsChange { edit }).await.unwrap()
}

async fn downloads(h: &Handle) -> DownloadsReply {
    h.call(Downloads { by_class: true }).await.unwrap()
}

async fn show(h: &Handle, id: FeedId) -> CourseReply {
    h.call(CourseShow { id }).await.unwrap()
}

async fn whole(h: &Handle, id: FeedId) -> CourseReply {
    until("all of it is here", || async {
        let shown = h.call(CourseShow { id }).await.ok()?;
        let all = shown.bytes_total >= SIZE as u64
            && shown.bytes_here == shown.bytes_total
            && shown.unknown_files == 0;
        all.then_some(shown)
    })
    .await
}

struct World {
    tmp: tempfile::TempDir,
    author: Node,
    learner: Node,
    courses: Vec<FeedId>,
}

impl World {
    /// An author with courses of so many files, and a learner who has their messages
    /// and none of their files.
    async fn new(courses: &[(&str, u8)]) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let author = node(&tmp.path().join("author")).await;
        let a = author.handle();
        let mut made = Vec::new();
        for (name, count) in courses {
            let reply = import(&a, files(tmp.path(), name, *count)).await;
            made.push(reply.course.unwrap());
        }
        let list = a.call(CatalogList {}).await.unwrap()[0].id;
        let learner = node(&tmp.path().join("learner")).await;
        let l = learner.handle();
        l.call(CatalogAdd { id: list }).await.unwrap();
        connect(&l, &a).await;
        for (id, (_, count)) in made.iter().zip(courses) {
            until("the lessons are here", || async {
                let shown = l.call(CourseShow { id: *id }).await.ok()?;
                (shown.detail.lessons.len() == usize::from(*count)).then_some(())
            })
            .await;
        }
        Self {
            tmp,
            author,
            learner,
            courses: made,
        }
    }

    async fn start(&self, n: usize) {
        let start = CourseStart {
            id: self.courses[n],
            wait: false,
        };
        self.learner.handle().call(start).await.unwrap();
    }

    async fn end(self) {
        self.learner.shutdown().await;
        self.author.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_stop_before_the_limit_and_go_on_with_a_higher_one() {
    let world = World::new(&[("Mosses", 2)]).await;
    let (l, course) = (world.learner.handle(), world.courses[0]);
    let mut events = l.events().await.unwrap();
    edit(
        &l,
        DownloadsEdit {
            quota: Some(4_000_000),
            ..DownloadsEdit::default()
        },
    )
    .await;
    // Honest before anything is fetched.
    let before = show(&l, course).await;
    assert_eq!(before.bytes_here, 0);
    assert!(
        before.bytes_total > 2 * SIZE as u64,
        "{}",
        before.bytes_total
    );
    assert_eq!(before.unknown_files, 0);
    assert!(before.bytes_room <= 4_000_000);
    world.start(0).await;
    let stopped = until("downloads stop", || async { downloads(&l).await.stopped }).await;
    assert_eq!(stopped.reason, StopReason::Quota);
    until("what was asked for is here", || async {
        let d = downloads(&l).await;
        (d.used.bytes > 2 * SEGMENT).then_some(())
    })
    .await;
    assert!(downloads(&l).await.used.bytes <= 4_000_000);
    assert!(l.call(Status {}).await.unwrap().stopped.is_some());
    let told = loop {
        if let Event::Storage { stopped: Some(s) } = events.next().await.unwrap() {
            break s;
        }
    };
    assert_eq!(told.reason, StopReason::Quota);
    // Whoever waits is told why at once.
    let wait = CourseStart {
        id: course,
        wait: true,
    };
    let error = l.call(wait).await.unwrap_err();
    assert!(error.message.contains("have stopped"), "{error}");
    // Nothing that is started went for what is missing of it.
    let now = show(&l, course).await;
    assert!(now.bytes_here >= 2 * SEGMENT && now.bytes_here < now.bytes_total);

    edit(
        &l,
        DownloadsEdit {
            quota: Some(50_000_000),
            ..DownloadsEdit::default()
        },
    )
    .await;
    let after = whole(&l, course).await;
    assert_eq!(after.bytes_total, before.bytes_total);
    until("nothing stands still", || async {
        downloads(&l).await.stopped.is_none().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_below_its_floor_takes_no_more_and_loses_what_nobody_needs() {
    let world = World::new(&[("Lichens", 1), ("Ferns", 1)]).await;
    let (l, course) = (world.learner.handle(), world.courses[0]);
    let listed = file_ids(&world.author.handle(), world.courses[1]).await[0];
    // One file of a course that is not started, and an own one.
    let get = BlobGet {
        id: listed,
        manifest: true,
        output: None,
        timeout_seconds: 30,
    };
    l.call(get).await.unwrap();
    let path = world.tmp.path().join("mine.bin");
    std::fs::write(&path, vec![9; 100_000]).unwrap();
    let mine = l.call(BlobAdd { path }).await.unwrap().id;
    let class = |d: &DownloadsReply, class| {
        let of = d.classes.iter().find(|c| c.class == class);
        of.map_or(0, |c| c.count.count)
    };
    let d = downloads(&l).await;
    assert_eq!(class(&d, BlobClass::Pinned), 1);
    assert!(class(&d, BlobClass::Friends) >= 7);

    // As if the disk were nearly full.
    edit(
        &l,
        DownloadsEdit {
            free_floor: Some(1 << 60),
            ..DownloadsEdit::default()
        },
    )
    .await;
    world.start(0).await;
    let stopped = until("downloads stop", || async { downloads(&l).await.stopped }).await;
    assert_eq!(stopped.reason, StopReason::FreeSpace);
    assert!(stopped.to_string().contains("stay free"), "{stopped}");
    until("what nobody needs is gone", || async {
        let d = downloads(&l).await;
        let lesser = class(&d, BlobClass::Friends) + class(&d, BlobClass::Strangers);
        (lesser == 0).then_some(())
    })
    .await;
    let blobs = l.call(BlobList {}).await.unwrap();
    assert!(blobs.iter().any(|b| b.id == mine && b.pinned));
    edit(
        &l,
        DownloadsEdit {
            free_floor: Some(0),
            ..DownloadsEdit::default()
        },
    )
    .await;
    whole(&l, course).await;
    let d = downloads(&l).await;
    assert_eq!(class(&d, BlobClass::Started), 7);
    let dry = l.call(BlobGc { dry_run: true }).await.unwrap();
    assert_eq!(dry.removed.count, 0);
    world.end().await;
}

/// The ids of a course's files.
async fn file_ids(h: &Handle, id: FeedId) -> Vec<BlobId> {
    let mut ids = Vec::new();
    for number in show(h, id)
        .await
        .detail
        .lessons
        .iter()
        .map(|l| l.lesson_number)
    {
        let lesson = h.call(LessonShow { id, number }).await.unwrap();
        ids.extend(lesson.lesson.attachments.iter().map(|a| a.media.link));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_the_hours_hold_over_a_restart() {
    let world = World::new(&[("Mosses", 1)]).await;
    let (l, course) = (world.learner.handle(), world.courses[0]);
    let paused = edit(
        &l,
        DownloadsEdit {
            paused: Some(true),
            limit: Some(50_000_000),
            ..DownloadsEdit::default()
        },
    )
    .await;
    assert!(paused.paused && !paused.running);
    world.start(0).await;
    let wait = CourseStart {
        id: course,
        wait: true,
    };
    let error = l.call(wait).await.unwrap_err();
    assert!(error.message.contains("paused"), "{error}");
    world.learner.shutdown().await;
    drop((world.learner, l));

    let learner = node(&world.tmp.path().join("learner")).await;
    let l = learner.handle();
    let d = downloads(&l).await;
    assert_eq!((d.paused, d.limit), (true, Some(50_000_000)));
    assert_eq!(show(&l, course).await.bytes_here, 0);
    connect(&l, &world.author.handle()).await;
    // Hours that begin in two hours, by the same clock.
    let minute = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        / 60
        % 1_440;
    let time = |m: u64| format!("{:02}:{:02}", m % 1_440 / 60, m % 60);
    let closed = format!("{}-{}", time(minute + 120), time(minute + 180));
    let d = edit(
        &l,
        DownloadsEdit {
            paused: Some(false),
            hours: Some(closed.clone()),
            ..DownloadsEdit::default()
        },
    )
    .await;
    assert_eq!((d.paused, d.running), (false, false));
    assert_eq!(d.hours, Some(closed.clone()));
    let wait = CourseStart {
        id: course,
        wait: true,
    };
    let error = l.call(wait).await.unwrap_err();
    assert!(error.message.contains(&closed), "{error}");
    assert_eq!(show(&l, course).await.bytes_here, 0);
    let wrong = DownloadsEdit {
        hours: Some("whenever".into()),
        ..DownloadsEdit::default()
    };
    let error = l.call(DownloadsChange { edit: wrong }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    // What somebody looks at is fetched all the same.
    let first = file_ids(&l, course).await[0];
    let get = BlobGet {
        id: first,
        manifest: true,
        output: None,
        timeout_seconds: 30,
    };
    l.call(get).await.unwrap();

    edit(
        &l,
        DownloadsEdit {
            hours: Some(String::new()),
            ..DownloadsEdit::default()
        },
    )
    .await;
    whole(&l, course).await;
    learner.shutdown().await;
    world.author.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_course_does_not_hold_up_another() {
    let world = World::new(&[("Slow", 1), ("Fast", 1)]).await;
    let l = world.learner.handle();
    let [slow, fast] = world.courses[..] else {
        panic!("two courses")
    };
    // A file takes more than a day at that.
    let limit = |limit| DownloadsEdit {
        courses: vec![(slow, limit)],
        ..DownloadsEdit::default()
    };
    assert_eq!(edit(&l, limit(1)).await.courses.len(), 1);
    world.start(0).await;
    world.start(1).await;
    whole(&l, fast).await;
    let held = show(&l, slow).await;
    assert!(held.bytes_here <= SEGMENT, "{}", held.bytes_here);
    assert!(edit(&l, limit(0)).await.courses.is_empty());
    whole(&l, slow).await;
    world.end().await;
}

/// Where a node keeps a blob.
fn file_of(dir: &Path, id: &BlobId) -> PathBuf {
    use std::fmt::Write as _;
    let hex = id.as_bytes().iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    });
    dir.join("blobs/sha256").join(&hex[..2]).join(&hex[2..])
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_found_and_fetched_again() {
    let world = World::new(&[("Mosses", 1)]).await;
    let (a, l, course) = (
        world.author.handle(),
        world.learner.handle(),
        world.courses[0],
    );
    // The same file, kept by hand on both sides.
    let path = world.tmp.path().join("same.bin");
    std::fs::write(&path, vec![3; 50_000]).unwrap();
    let same = a.call(BlobAdd { path: path.clone() }).await.unwrap().id;
    l.call(BlobAdd { path }).await.unwrap();
    world.start(0).await;
    whole(&l, course).await;
    let sound = l.call(BlobScrub {}).await.unwrap();
    assert_eq!((sound.damaged, sound.checked.count), (0, 8));

    let dir = world.tmp.path().join("learner");
    let ids = file_ids(&a, course).await;
    let all = l.call(BlobList {}).await.unwrap();
    let segments = all
        .iter()
        .map(|b| b.id)
        .filter(|b| *b != ids[0] && *b != same);
    let segments: Vec<BlobId> = segments.collect();
    for id in [ids[0], same, segments[0]] {
        let file = file_of(&dir, &id);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    std::fs::remove_file(file_of(&dir, &segments[1])).unwrap();
    let found = l.call(BlobScrub {}).await.unwrap();
    assert_eq!(found.damaged, 4, "{found:?}");
    let lost = [
        ("the manifest", &ids[0]),
        ("a damaged segment", &segments[0]),
        ("a deleted segment", &segments[1]),
        ("what was kept by hand", &same),
    ];
    for (what, id) in lost {
        until(what, || async {
            let bytes = std::fs::read(file_of(&dir, id)).ok()?;
            (BlobId::of(&bytes) == *id).then_some(())
        })
        .await;
    }
    whole(&l, course).await;
    assert_eq!(l.call(BlobScrub {}).await.unwrap().damaged, 0);
    assert!(downloads(&l).await.scrub.ended > 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_gets_a_course_out_of_a_folder() {
    let tmp = tempfile::tempdir().unwrap();
    let world = World::new(&[("Mosses", 1)]).await;
    let (a, l, course) = (
        world.author.handle(),
        world.learner.handle(),
        world.courses[0],
    );
    let stick = tmp.path().join("stick");
    std::fs::create_dir(&stick).unwrap();
    let mirror = MirrorSpec {
        name: "stick".into(),
        url: stick.to_str().unwrap().into(),
        ..MirrorSpec::default()
    };
    let add = MirrorAdd { mirror };
    a.call(add.clone()).await.unwrap();
    assert_eq!(
        a.call(add.clone()).await.unwrap_err().kind,
        ErrorKind::Refused
    );
    let push = MirrorPush {
        name: "stick".into(),
        course: None,
    };
    let pushed = a.call(push.clone()).await.unwrap();
    assert_eq!((pushed.sent.count, pushed.problems.len()), (7, 0));
    assert_eq!(a.call(push).await.unwrap().there.count, 7);
    let manifest = file_ids(&a, course).await[0];
    let all = a.call(BlobList {}).await.unwrap();
    let bad = all.iter().find(|b| b.id != manifest && b.size == SEGMENT);
    let bad = bad.unwrap().id;
    let sound = std::fs::read(file_of(&world.tmp.path().join("author"), &bad)).unwrap();
    let on_stick = |id: &BlobId| {
        let path = file_of(&stick, id);
        stick.join(path.strip_prefix(stick.join("blobs")).unwrap())
    };
    // One is damaged there: it is found, and never taken.
    std::fs::write(on_stick(&bad), vec![1; sound.len()]).unwrap();
    let check = |read| MirrorCheck {
        name: "stick".into(),
        course: Some(course),
        read,
    };
    assert!(a.call(check(false)).await.unwrap().problems.is_empty());
    let read = a.call(check(true)).await.unwrap();
    assert_eq!((read.there.count, read.problems.len()), (6, 1));
    assert_eq!(read.problems[0].blob, bad);
    let nowhere = MirrorRemove {
        name: "nowhere".into(),
    };
    assert_eq!(a.call(nowhere).await.unwrap_err().kind, ErrorKind::NotFound);

    world.author.shutdown().await;
    l.call(add).await.unwrap();
    world.start(0).await;
    until("what the folder has is here", || async {
        let shown = show(&l, course).await;
        (shown.bytes_here == shown.bytes_total - SEGMENT).then_some(())
    })
    .await;
    until("the wrong one is told of", || async {
        l.call(MirrorList {}).await.unwrap()[0].trouble.clone()
    })
    .await;
    let blobs = l.call(BlobList {}).await.unwrap();
    assert!(!blobs.iter().any(|b| b.id == bad));
    // The author mends it; a restart remembers the mirror.
    world.learner.shutdown().await;
    drop((world.learner, l));
    std::fs::write(on_stick(&bad), sound).unwrap();
    let learner = with_mirrors(&world.tmp.path().join("learner")).await;
    let l = learner.handle();
    whole(&l, course).await;
    assert_eq!(l.call(MirrorList {}).await.unwrap()[0].gave.count, 1);
    learner.shutdown().await;
}
