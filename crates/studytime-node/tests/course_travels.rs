//! A course goes from its author to a learner, and from the learner on to a
//! third node, over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{address, connect, find, import, network, node, until};
use std::path::{Path, PathBuf};
use studytime_node::Builder;
use studytime_node::api::*;
use studytime_schema::NetworkKey;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A folder with texts, a picture and a file of several segments.
fn folder(dir: &Path) -> (PathBuf, Vec<u8>) {
    let root = dir.join("course");
    std::fs::create_dir_all(root.join("01 Start")).unwrap();
    std::fs::write(root.join("course.toml"), "name = \"Mosses of the north\"\nlanguage = \"en\"\nlicense = \"CC0-1.0\"\nkeywords = [\"biology\"]\n").unwrap();
    std::fs::write(
        root.join("01 Start/01_Hello.md"),
        "# Hello\n\nSphagnum holds water.\n",
    )
    .unwrap();
    std::fs::write(
        root.join("01 Start/02_Long.md"),
        format!("# Long\n\n{}", "Peat grows slowly. ".repeat(2000)),
    )
    .unwrap();
    // Not compressible into sameness: every segment differs.
    let mut pdf = b"%PDF-1.4\n".to_vec();
    pdf.extend((0..6_500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
    pdf.extend(b"\n%%EOF\n");
    std::fs::write(root.join("01 Start/03_Atlas.pdf"), &pdf).unwrap();
    (root, pdf)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_author_to_learner_to_a_third() {
    let tmp = tempfile::tempdir().unwrap();
    let (root, pdf) = folder(tmp.path());
    let author = node(&tmp.path().join("author")).await;
    let a = author.handle();
    let made = import(&a, root).await;
    let course = made.course.unwrap();
    assert_eq!(
        (made.name.as_str(), made.lessons),
        ("Mosses of the north", 3)
    );
    let list = a.call(CatalogList {}).await.unwrap()[0].id;

    let learner = node(&tmp.path().join("learner")).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: list }).await.unwrap();
    connect(&l, &a).await;
    // Found by name, and by a word that stands only in a lesson.
    assert_eq!(
        until("the course is listed", || find(&l, "mosses")).await,
        course
    );
    assert_eq!(
        until("the lesson is found", || find(&l, "sphagnum")).await,
        course
    );
    let shown = l
        .call(CourseStart {
            id: course,
            wait: true,
        })
        .await
        .unwrap();
    assert!(shown.detail.enrolled);
    assert_eq!(shown.bytes_here, shown.bytes_total);
    assert!(shown.bytes_total > 6_500_000);

    // The author leaves; a third node that knows only the learner gets it all.
    author.shutdown().await;
    let third = node(&tmp.path().join("third")).await;
    let t = third.handle();
    t.call(CatalogAdd { id: list }).await.unwrap();
    connect(&t, &l).await;
    assert_eq!(
        until("the third finds it", || find(&t, "mosses")).await,
        course
    );
    until("the course feed is there", || async {
        t.call(CourseShow { id: course })
            .await
            .ok()
            .filter(|c| c.detail.lessons.len() == 3)
    })
    .await;
    t.call(CourseStart {
        id: course,
        wait: true,
    })
    .await
    .unwrap();
    let lesson = t
        .call(LessonShow {
            id: course,
            number: 2,
        })
        .await
        .unwrap();
    assert!(lesson.content.unwrap().contains("Peat grows slowly"));

    // Byte for byte, from any place.
    let lesson = t
        .call(LessonShow {
            id: course,
            number: 3,
        })
        .await
        .unwrap();
    let media = &lesson.lesson.attachments[0].media;
    assert!(media.manifest);
    let mut stream = t.media(media.link, true).await.unwrap();
    assert_eq!(stream.size(), pdf.len() as u64);
    stream
        .seek(std::io::SeekFrom::Start(5_000_000))
        .await
        .unwrap();
    let mut tail = Vec::new();
    stream.read_to_end(&mut tail).await.unwrap();
    assert!(tail == pdf[5_000_000..]);
    stream.seek(std::io::SeekFrom::Start(0)).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert!(all == pdf);

    // What the learner did is theirs, and survives a restart without peers.
    l.call(NoteAdd {
        id: course,
        number: 1,
        text: "Look at the bog!".into(),
    })
    .await
    .unwrap();
    l.call(LessonDone {
        id: course,
        number: 1,
        done: true,
    })
    .await
    .unwrap();
    third.shutdown().await;
    learner.shutdown().await;
    drop((l, t));
    drop(learner);
    let again = until("the directory is free", || async {
        Builder::new(tmp.path().join("learner"))
            .network(network())
            .default_lists(false)
            .open()
            .await
            .ok()
    })
    .await;
    let l = again.handle();
    let lesson = l
        .call(LessonShow {
            id: course,
            number: 1,
        })
        .await
        .unwrap();
    assert!(lesson.done && lesson.content.unwrap().contains("Sphagnum"));
    assert_eq!(lesson.notes[0].text, "Look at the bog!");
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_said_in_words() {
    let tmp = tempfile::tempdir().unwrap();
    let one = node(&tmp.path().join("one")).await;
    let other = Builder::new(tmp.path().join("other"))
        .network(NetworkKey::from_bytes([1; 32]))
        .default_lists(false)
        .open()
        .await
        .unwrap();
    let o = other.handle();
    let wrong = address(&one.handle()).await;
    let e = o
        .call(PeerConnect {
            address: wrong,
            timeout_seconds: 20,
        })
        .await
        .unwrap_err();
    assert!(e.message.contains("network key"), "{e}");

    // A port where nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let dead = studytime_node::Address {
        host: "127.0.0.1".into(),
        port: free.port(),
        key: one.id(),
        seed: None,
    };
    let e = o
        .call(PeerConnect {
            address: dead.to_string(),
            timeout_seconds: 20,
        })
        .await
        .unwrap_err();
    assert!(e.message.contains("nobody listens"), "{e}");

    let e = o
        .call(PeerConnect {
            address: "net:x".into(),
            timeout_seconds: 1,
        })
        .await
        .unwrap_err();
    assert_eq!(e.kind, ErrorKind::Refused);
    let again = Builder::new(tmp.path().join("one"))
        .open()
        .await
        .unwrap_err();
    assert!(again.to_string().contains("a running node"), "{again}");
    let busy = Builder::new(tmp.path().join("two"))
        .listen(one.listening())
        .open()
        .await
        .unwrap_err();
    assert!(
        busy.to_string().contains("another program has this port"),
        "{busy}"
    );
    one.shutdown().await;
    other.shutdown().await;
}
