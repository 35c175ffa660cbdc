//! Drafts become blobs and messages: everything or nothing.
#![allow(clippy::unwrap_used)]

mod common;

use common::files::*;
use common::*;
use std::io::{Seek, SeekFrom, Write};
use studytime_import::{DryRun, Import, PublishError};
use studytime_schema::content::{
    Content, LessonContentType, blob_links, parse_captions, parse_questions,
};
use studytime_schema::{BlobId, MAX_BLOB_SIZE, SEGMENT_SIZE};

fn types(feed: &Feed) -> Vec<&str> {
    feed.messages.iter().map(Content::type_name).collect()
}

#[test]
fn a_course_as_it_is_published() {
    let film = mp4(600, 720, &vec![3u8; 6 << 20]);
    let dir = folder(&[
        ("README.md", b"# Mosses\n\nHow to tell them apart."),
        ("cover.jpg", PNG),
        ("01_a/01_film.mp4", &film),
        ("01_a/01_film.en.srt", SRT),
        ("01_a/01_film.quiz.json", QUIZ),
        (
            "01_a/02_text.md",
            b"# Text\n\n![p](p.png) and <img src='p.png'> and [d](d.csv)",
        ),
        ("01_a/p.png", PNG),
        ("01_a/d.csv", b"1,2"),
    ]);
    let mut import = open(dir.path());
    let mut feed = Feed::new();
    let done = feed.publish(&mut import).unwrap();
    assert_eq!(
        types(&feed),
        [
            "about",
            "studytime_course",
            "studytime_course_lesson",
            "studytime_course_lesson_video",
            "studytime_course_test",
            "studytime_course_lesson",
            "studytime_course_lesson_attachment",
        ]
    );
    assert_eq!((done.messages, done.lessons, done.items), (7, 2, 3));
    assert_eq!(done.changes.len(), 5);
    assert_eq!(done.new_blobs as usize, feed.blobs.len());
    assert_eq!(
        done.bytes,
        feed.blobs.values().map(|b| b.len() as u64).sum::<u64>()
    );

    let record = feed.record().unwrap();
    assert_eq!(
        (record.name.as_str(), record.description.as_deref()),
        ("Mosses", Some("How to tell them apart."))
    );
    assert_eq!(record.license.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(record.image, Some(BlobId::of(PNG)));

    let outline = feed.outline();
    let video = &outline.lessons[0].videos[0];
    let source = &video.sources[0];
    assert!(source.manifest);
    assert_eq!(feed.bytes(&source.link.unwrap(), true), film);
    assert_eq!(
        (source.duration_seconds, source.height, source.size),
        (Some(600), Some(720), Some(film.len() as u64))
    );
    let caption = String::from_utf8(feed.bytes(&video.captions[0].link, false)).unwrap();
    assert!(caption.starts_with("WEBVTT") && caption.contains("Hello &amp; hi"));
    assert_eq!(video.path.as_deref(), Some("01_a/01_film.mp4"));

    let text = &outline.lessons[1];
    let picture = BlobId::of(PNG);
    let data = BlobId::of(b"1,2");
    let content = text.lesson_content.as_deref().unwrap();
    assert_eq!(
        content,
        format!(
            "![p]({picture}) and <img src='{}'> and [d]({data})",
            picture.to_string().replace('&', "&amp;")
        )
    );
    assert_eq!(blob_links(content), [picture, data]);
    assert_eq!(text.mentions, [picture, data]);
    assert_eq!(
        (text.section.as_deref(), text.path.as_deref()),
        (Some("A"), Some("01_a/02_text"))
    );

    // Progress reaches the end, and counts bytes of files.
    let (_, _, last, total) = feed.events.last().unwrap().clone();
    assert_eq!(last, total);
    assert!(feed.events.windows(2).all(|w| w[0].2 <= w[1].2));
    assert!(feed.events.iter().filter(|e| e.0.ends_with(".mp4")).count() > 5);

    // A second attempt finds everything there.
    let mut again = Feed::new();
    again.blobs.clone_from(&feed.blobs);
    let done = again.publish(&mut open(dir.path())).unwrap();
    assert_eq!((done.new_blobs, done.new_bytes, again.put), (0, 0, 0));
    assert_eq!(again.messages, feed.messages);
}

#[test]
fn what_does_not_fit_a_message_goes_to_a_blob() {
    let long = "word ".repeat(3_000);
    let almost = "w".repeat(7_000);
    let questions: Vec<String> = (0..100)
        .map(|n| {
            format!(
                r#"{{"kind":"true_false","question":"Is {n} a number? {}","answer":true}}"#,
                "x".repeat(50)
            )
        })
        .collect();
    let quiz = format!("[{}]", questions.join(","));
    let mut files: Vec<(String, Vec<u8>)> = vec![
        (
            "README.md".into(),
            format!("# Long\n\nFirst words.\n\n{long}").into_bytes(),
        ),
        ("01_long.md".into(), long.clone().into_bytes()),
        ("02_almost.txt".into(), almost.clone().into_bytes()),
        ("03_film.mp4".into(), mp4(5, 90, b"p")),
        ("03_film.quiz.json".into(), quiz.into_bytes()),
        (
            "04_pictures.md".into(),
            (0..300)
                .map(|n| format!("![p](p{n}.png)\n"))
                .collect::<String>()
                .into_bytes(),
        ),
    ];
    for tag in [
        "ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hu",
        "id", "it", "ja", "ko", "lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv",
        "sw", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh", "en-GB", "en-US", "fr-CA", "de-AT",
        "de-CH", "es-MX", "pt-PT", "zh-TW", "zh-Hans", "zh-Hant", "nb", "ca", "hr", "sr", "ka",
        "am", "bn", "kk", "pt-BR", "zh-CN", "es-419",
    ] {
        files.push((format!("03_film.{tag}.srt"), SRT.to_vec()));
    }
    for n in 0..300 {
        files.push((
            format!("p{n}.png"),
            [PNG, n.to_string().as_bytes()].concat(),
        ));
    }
    let refs: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(p, b)| (p.as_str(), b.as_slice()))
        .collect();
    let dir = folder(&refs);
    let mut feed = Feed::new();
    feed.publish(&mut open(dir.path())).unwrap();

    let record = feed.record().unwrap();
    assert_eq!(record.description, None);
    let text = feed.bytes(&record.description_blob.unwrap(), false);
    assert!(text.starts_with(b"First words."));
    let Content::About(about) = &feed.messages[0] else {
        panic!()
    };
    assert_eq!(
        about.description.value().map(String::as_str),
        Some("First words.")
    );

    let outline = feed.outline();
    let blob = outline.lessons[0].lesson_content_blob.unwrap();
    assert_eq!(feed.bytes(&blob, false), long.trim_end().as_bytes());
    assert_eq!(
        outline.lessons[1].lesson_content.as_deref(),
        Some(almost.as_str())
    );
    assert_eq!(
        outline.lessons[1].lesson_content_type,
        LessonContentType::Plain
    );
    let video = &outline.lessons[2].videos[0];
    let captions = String::from_utf8(feed.bytes(&video.captions_blob.unwrap(), false)).unwrap();
    assert_eq!(parse_captions(&captions).unwrap().0.len(), 60);
    let test = &outline.lessons[2].tests[0];
    let questions = String::from_utf8(feed.bytes(&test.questions_blob.unwrap(), false)).unwrap();
    assert_eq!(parse_questions(&questions).unwrap().0.len(), 100);
    let pictures = &outline.lessons[3];
    let text = feed.bytes(&pictures.lesson_content_blob.unwrap(), false);
    assert_eq!(blob_links(&String::from_utf8(text).unwrap()).len(), 300);
    assert!(!pictures.mentions.is_empty(), "as many mentions as fit");
}

#[test]
fn nothing_is_published_when_something_fails() {
    let dir = folder(&[("a.md", b"![p](p.png)"), ("p.png", PNG), ("b.pdf", PDF)]);
    let mut feed = Feed::new();
    feed.fail_after = Some(1);
    assert!(matches!(
        feed.publish(&mut open(dir.path())),
        Err(PublishError::Store { .. })
    ));
    assert!(feed.messages.is_empty());

    let mut feed = Feed::new();
    feed.cancel_after = Some(1);
    assert!(matches!(
        feed.publish(&mut open(dir.path())),
        Err(PublishError::Cancelled)
    ));
    assert!(feed.messages.is_empty());
    feed.cancel_after = None;
    let done = feed.publish(&mut open(dir.path())).unwrap();
    assert_eq!((done.blobs, done.new_blobs), (2, 1));

    let mut import = open(dir.path());
    std::fs::write(dir.path().join("b.pdf"), [PDF, b"more"].concat()).unwrap();
    let mut feed = Feed::new();
    assert!(matches!(
        feed.publish(&mut import),
        Err(PublishError::Changed { .. })
    ));
    std::fs::remove_file(dir.path().join("b.pdf")).unwrap();
    assert!(matches!(
        feed.publish(&mut import),
        Err(PublishError::Read { .. })
    ));
    assert!(feed.messages.is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_swapped_for_a_link_is_not_followed() {
    let outside = folder(&[("secret", PDF)]);
    let dir = folder(&[("a.md", b"text"), ("b.pdf", PDF)]);
    let mut import = open(dir.path());
    std::fs::remove_file(dir.path().join("b.pdf")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("b.pdf")).unwrap();
    assert!(matches!(
        Feed::new().publish(&mut import),
        Err(PublishError::Read { .. })
    ));
}

#[test]
fn sizes_around_the_limits() {
    for size in [
        1,
        MAX_BLOB_SIZE - 1,
        MAX_BLOB_SIZE,
        MAX_BLOB_SIZE + 1,
        6 * u64::from(SEGMENT_SIZE),
        6 * u64::from(SEGMENT_SIZE) + 1,
    ] {
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let dir = folder(&[("a.md", b"[x](x.bin)"), ("x.bin", &bytes)]);
        let mut import = open(dir.path());
        let blobs = import.draft().totals.blobs;
        let mut feed = Feed::new();
        feed.publish(&mut import).unwrap();
        let outline = feed.outline();
        let media = &outline.lessons[0].attachments[0].media;
        assert_eq!(media.manifest, size >= MAX_BLOB_SIZE, "{size}");
        assert_eq!(feed.bytes(&media.link, media.manifest), bytes);
        assert_eq!(feed.blobs.len() as u64, blobs, "{size}");
    }
}

/// A film far larger than memory should be is read in pieces. Its holes cost
/// no disk; what is held at one time is one segment.
#[test]
fn a_large_sparse_file_is_streamed() {
    struct Counter {
        blobs: u64,
        largest: usize,
        bytes: u64,
    }
    impl studytime_import::Sink for Counter {
        fn has_blob(&mut self, _: &BlobId) -> Result<bool, studytime_import::SinkError> {
            Ok(false)
        }
        fn put_blob(&mut self, _: BlobId, bytes: &[u8]) -> Result<(), studytime_import::SinkError> {
            self.blobs += 1;
            self.bytes += bytes.len() as u64;
            self.largest = self.largest.max(bytes.len());
            Ok(())
        }
        fn publish_all(&mut self, _: Vec<Content>) -> Result<(), studytime_import::SinkError> {
            Ok(())
        }
    }
    let size: u64 = 200 << 20;
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("film.mp4")).unwrap();
    let front = mp4_front(size);
    file.write_all(&front).unwrap();
    file.set_len(front.len() as u64 + size).unwrap();
    file.seek(SeekFrom::Start(front.len() as u64 + size / 2))
        .unwrap();
    file.write_all(b"not a hole").unwrap();
    drop(file);
    let mut import = Import::open(dir.path(), &licensed()).unwrap();
    assert_eq!(import.draft().problems, []);
    let mut counter = Counter {
        blobs: 0,
        largest: 0,
        bytes: 0,
    };
    let done = import
        .publish_new(studytime_schema::FeedId::from_bytes([1; 32]), &mut counter)
        .unwrap();
    assert_eq!(counter.largest, SEGMENT_SIZE as usize);
    // Holes are all the same segment: stored once.
    assert!(
        counter.blobs < 8 && done.blobs == counter.blobs,
        "{}",
        counter.blobs
    );
    assert!(counter.bytes < 8 << 20);
}

#[test]
fn three_gigabytes_are_looked_at_without_being_read() {
    let size: u64 = 3 << 30;
    let dir = folder(&[("a.md", b"text")]);
    for (name, len) in [("film.mp4", size), ("cut.mp4", size - 1)] {
        let mut file = std::fs::File::create(dir.path().join(name)).unwrap();
        let front = mp4_front(size);
        file.write_all(&front).unwrap();
        file.set_len(front.len() as u64 + len).unwrap();
    }
    let import = Import::open(dir.path(), &licensed()).unwrap();
    let draft = import.draft();
    assert_eq!(
        kinds(&draft.problems, "cut.mp4"),
        [studytime_import::ProblemKind::Truncated]
    );
    assert_eq!(draft.totals.videos, 1);
    assert_eq!(draft.totals.blobs, 3072 + 1 + 1);
}

#[test]
fn a_dry_run_publishes_what_a_real_run_would() {
    let dir = folder(&[("a.md", b"![p](p.png)"), ("p.png", PNG)]);
    let mut dry = DryRun::default();
    let mut feed = Feed::new();
    let would = open(dir.path()).publish_new(feed.id(), &mut dry).unwrap();
    let did = feed.publish(&mut open(dir.path())).unwrap();
    assert_eq!(would, did);
    assert_eq!(dry.messages, feed.messages);
}
