//! Videos on their way in: resumed, changed in part, and with their index moved.
#![allow(clippy::unwrap_used)]

mod common;

use common::files::*;
use common::*;
use studytime_import::{Import, Options, ProblemKind, PublishError};
use studytime_schema::SEGMENT_SIZE;

/// Ten segments and a bit, no two alike.
fn pictures() -> Vec<u8> {
    let words = 10 * SEGMENT_SIZE / 4 + 1_000;
    (0..words)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

#[test]
fn an_import_that_was_cut_off_goes_on_where_it_was() {
    let dir = folder(&[("film.mp4", &mp4(60, 720, &pictures()))]);
    let mut feed = Feed::new();
    feed.cancel_after = Some(6);
    assert!(matches!(
        feed.publish(&mut open(dir.path())),
        Err(PublishError::Cancelled)
    ));
    assert_eq!((feed.put, feed.messages.len()), (6, 0));
    feed.cancel_after = None;
    let done = feed.publish(&mut open(dir.path())).unwrap();
    // Eleven segments and the manifest; six were there.
    assert_eq!((done.blobs, done.new_blobs, feed.put), (12, 6, 12));
}

#[test]
fn of_a_changed_video_only_what_changed_is_stored() {
    let mut bytes = mp4(60, 720, &pictures());
    let dir = folder(&[("film.mp4", &bytes)]);
    let mut feed = Feed::new();
    feed.publish(&mut open(dir.path())).unwrap();
    let before = feed.put;
    bytes[4 * SEGMENT_SIZE as usize + 77] ^= 1;
    let end = bytes.len() - 5;
    bytes[end] ^= 1;
    std::fs::write(dir.path().join("film.mp4"), &bytes).unwrap();
    feed.batches = 0;
    let done = feed.publish_into(&mut open(dir.path()), false);
    // Two segments and the manifest that names them.
    assert_eq!((done.new_blobs, feed.put - before), (3, 3));
    assert_eq!(done.messages, 1);
    let outline = feed.outline();
    let source = &outline.lessons[0].videos[0].sources[0];
    assert_eq!(feed.bytes(&source.link.unwrap(), true), bytes);
}

#[test]
fn an_index_at_the_end_is_told_of_and_moved_on_request() {
    for payload in [&b"a short film"[..], &pictures()] {
        let bytes = mp4_index_last(60, payload);
        let dir = folder(&[("film.mp4", &bytes)]);
        let told = open(dir.path());
        let problem = &told.draft().problems[0];
        assert_eq!(problem.kind, ProblemKind::IndexAtEnd);
        assert!(problem.problem.contains("--faststart"), "{problem}");

        let options = Options {
            faststart: true,
            ..licensed()
        };
        let mut import = Import::open(dir.path(), &options).unwrap();
        assert_eq!(import.draft().problems, []);
        let mut feed = Feed::new();
        feed.publish(&mut import).unwrap();
        let outline = feed.outline();
        let source = outline.lessons[0].videos[0].sources[0].clone();
        let moved = feed.bytes(&source.link.unwrap(), source.manifest);
        assert_eq!(source.size, Some(moved.len() as u64));
        assert_eq!(source.duration_seconds, Some(60));
        // The same parts in another order, and the file itself as it was.
        assert_eq!(moved.len(), bytes.len());
        assert_eq!((&moved[..24], &moved[28..32]), (&bytes[..24], &b"moov"[..]));
        assert!(moved.ends_with(payload));
        assert_eq!(std::fs::read(dir.path().join("film.mp4")).unwrap(), bytes);
        // Again, nothing is new; and it is a file that needs nothing moved.
        let mut again = Import::open(dir.path(), &options).unwrap();
        let done = feed.publish_into(&mut again, true);
        assert_eq!((done.messages, done.new_blobs), (0, 0));
        std::fs::write(dir.path().join("film.mp4"), &moved).unwrap();
        assert_eq!(open(dir.path()).draft().problems, []);
    }
}

#[test]
fn an_index_that_cannot_be_moved_stays_and_the_video_is_published() {
    let bytes = [mp4_index_last(60, b"pictures"), mp4_fragment()].concat();
    let dir = folder(&[("film.mp4", &bytes)]);
    let options = Options {
        faststart: true,
        ..licensed()
    };
    let mut import = Import::open(dir.path(), &options).unwrap();
    let problem = import.draft().problems[0].clone();
    assert_eq!(problem.kind, ProblemKind::IndexAtEnd);
    assert!(problem.problem.contains("fragments"), "{problem}");
    let mut feed = Feed::new();
    feed.publish(&mut import).unwrap();
    let outline = feed.outline();
    let source = &outline.lessons[0].videos[0].sources[0];
    assert_eq!(feed.bytes(&source.link.unwrap(), false), bytes);
}
