//! Archives: read in place, believed in nothing.
#![allow(clippy::unwrap_used)]

mod common;

use common::files::*;
use common::zips::*;
use common::*;
use proptest::prelude::*;
use std::path::PathBuf;
use studytime_import::{CourseDraft, Import, OpenError, ProblemKind};

/// Writes an archive beside nothing else.
fn archive(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mosses.zip");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn open_zip(members: &[Member]) -> Result<Import, OpenError> {
    let (_dir, path) = archive(&zip(members));
    Import::open(&path, &licensed())
}

#[test]
fn a_folder_and_its_zip_are_one_course() {
    let dir = folder(&[
        ("mosses/README.md", b"# Mosses\n\nWords.".as_slice()),
        ("mosses/01_a/01_x.md", b"# X\n\n![p](p.png) [d](d.csv)"),
        ("mosses/01_a/p.png", PNG),
        ("mosses/01_a/d.csv", b"1,2"),
        ("mosses/01_a/02_film.mp4", &mp4(5, 100, &[1; 70_000])),
        ("mosses/01_a/02_film.en.srt", SRT),
        ("mosses/02_b/01_late.mp4", &mp4_index_last(5, &[2; 90_000])),
        ("mosses/02_b/02_cut.mp4", &mp4(5, 100, &[1; 500])[..400]),
        ("mosses/02_b/03_\u{e4}\u{df}.pdf", PDF),
        ("mosses/unused.png", PNG),
        ("mosses/.DS_Store", b"x"),
    ]);
    let plain = open(&dir.path().join("mosses")).draft().clone();
    assert_eq!(plain.lessons.len(), 4);
    assert!(plain.problems.len() >= 3);
    for wrapper in ["", "mosses/", "./mosses/"] {
        let (_dir, path) = archive(&zip_folder(&dir.path().join("mosses"), wrapper));
        let mut import = open(&path);
        assert_eq!(import.draft(), &plain, "wrapped in {wrapper:?}");
        // The bytes are the same too.
        let (mut a, mut b) = (Feed::new(), Feed::new());
        a.publish(&mut import).unwrap();
        b.publish(&mut open(&dir.path().join("mosses"))).unwrap();
        assert_eq!((a.blobs, a.messages), (b.blobs, b.messages));
    }
}

#[test]
fn paths_that_leave_are_refused_with_a_line_each() {
    let good = file("a.md", b"text");
    for bad in [
        "../evil.md",
        "a/../../evil.md",
        "/etc/evil.md",
        "C:\\evil.md",
        "c:evil.md",
        "..\\evil.md",
        "x/..",
        "\\\\host\\evil",
    ] {
        match open_zip(&[good.clone(), file(bad, b"evil")]) {
            Err(e @ OpenError::LeavesFolder { .. }) => {
                assert_eq!(e.problems().len(), 1, "{bad}");
                assert_eq!(e.problems()[0].kind, ProblemKind::LeavesFolder);
                assert!(e.to_string().contains("nothing was imported"), "{e}");
            }
            other => panic!("{bad}: {other:?}"),
        }
    }
    let two = [
        good.clone(),
        file("../a", b""),
        link("b", "../../etc/passwd"),
        link("c", "/etc/passwd"),
    ];
    match open_zip(&two) {
        Err(e) => assert_eq!(e.problems().len(), 3),
        Ok(_) => panic!("accepted"),
    }
    // A link inside is not followed, and no reason to refuse the rest.
    let import = open_zip(&[good, link("sub/d.md", "../a.md")]).unwrap();
    assert_eq!(
        kinds(&import.draft().problems, "sub/d.md"),
        [ProblemKind::Link]
    );
}

#[test]
fn claims_are_checked() {
    let good = file("a.md", b"text");
    let reject = |members: &[Member], name: &str, kind| {
        let import = open_zip(members).unwrap();
        assert_eq!(kinds(&import.draft().problems, name), [kind], "{name}");
    };
    let with = |change: fn(&mut Member)| {
        let mut bad = file("b.md", b"other text, other text, other text");
        change(&mut bad);
        vec![good.clone(), bad]
    };
    reject(&with(|m| m.flags |= 1), "b.md", ProblemKind::Packed);
    reject(&with(|m| m.method = Some(12)), "b.md", ProblemKind::Packed);
    reject(&with(|m| m.crc = Some(7)), "b.md", ProblemKind::Packed);
    reject(&with(|m| m.claim = Some(3)), "b.md", ProblemKind::Packed);
    reject(&with(|m| m.claim = Some(300)), "b.md", ProblemKind::Packed);
    reject(&with(|m| m.mode = 0o020_644), "b.md", ProblemKind::NotAFile);
}

#[test]
fn bombs_and_damage() {
    let zeros = vec![0u8; 80 << 20];
    match open_zip(&[file("a.md", b"text"), file("zeros.bin", &zeros)]) {
        Err(OpenError::TooLarge { what, .. }) => {
            assert!(what.contains("times its own size"), "{what}")
        }
        other => panic!("{other:?}"),
    }
    match open_zip(&[
        file("a.md", b"text"),
        Member {
            claim: Some(u32::MAX - 1),
            ..file("b.bin", b"x")
        },
    ]) {
        Err(OpenError::TooLarge { .. }) => {}
        other => panic!("{other:?}"),
    }
    let bytes = zip(&[stored("a.md", b"text"), stored("b.md", b"more")]);
    for cut in [5, 30, 60, bytes.len() - 30, bytes.len() - 1] {
        let (_dir, path) = archive(&bytes[..cut]);
        assert!(
            matches!(
                Import::open(&path, &licensed()),
                Err(OpenError::BadArchive { .. })
            ),
            "{cut}"
        );
    }
    // Two entries that share their bytes.
    let mut twice = bytes.clone();
    let second = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == b"PK\x01\x02")
        .nth(1)
        .unwrap()
        .0;
    twice[second + 42..second + 46].copy_from_slice(&0u32.to_le_bytes());
    let (_dir, path) = archive(&twice);
    match Import::open(&path, &licensed()) {
        Err(OpenError::BadArchive { reason, .. }) => {
            assert!(reason.contains("overlap"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    // A program in front does not matter.
    let mut lead = vec![b'x'; 100];
    lead[..4].copy_from_slice(b"PK\x03\x04");
    let (_dir, path) = archive(&[lead, bytes].concat());
    assert_eq!(open(&path).draft().lessons.len(), 2);
}

#[test]
fn names_of_other_systems() {
    let mut old = file("", b"text");
    old.name = b"\x81ber.md".to_vec();
    old.flags = 0;
    let mut broken = file("", b"text");
    broken.name = b"x\xff.md".to_vec();
    let import = open_zip(&[
        old,
        broken,
        file("win\\dir.md", b"text"),
        file("a\u{7}b.md", b"text"),
        file("win/dir.md", b"again"),
    ])
    .unwrap();
    let draft: &CourseDraft = import.draft();
    let paths: Vec<_> = draft.lessons.iter().map(|l| l.path.as_str()).collect();
    assert_eq!(paths, ["a\u{fffd}b", "win/dir", "x\u{fffd}", "\u{fc}ber"]);
    assert_eq!(kinds(&draft.problems, "win/dir.md"), [ProblemKind::OddName]);
    assert_eq!(
        kinds(&draft.problems, "x\u{fffd}.md"),
        [ProblemKind::OddName]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_archives_never_panic(at in 0usize..400, value: u8, cut in 0usize..400) {
        let mut bytes = zip(&[
            file("01_a/01_x.md", b"# X\n\ntext text text text"),
            stored("01_a/02_y.mp4", &mp4(3, 90, b"pictures")),
        ]);
        let at = at % bytes.len();
        bytes[at] = value;
        if cut % 4 == 0 {
            bytes.truncate(cut);
        }
        let (_dir, path) = archive(&bytes);
        if let Ok(mut import) = Import::open(&path, &licensed()) {
            let _ = Feed::new().publish(&mut import);
        }
    }

    #[test]
    fn damaged_videos_never_panic(at in 0usize..400, value: u8, webm_too: bool) {
        let mut bytes = if webm_too { webm(3.0, 90) } else { mp4(3, 90, b"pictures") };
        let at = at % bytes.len();
        bytes[at] = value;
        let name = if webm_too { "a.webm" } else { "a.mp4" };
        let dir = folder(&[(name, &bytes), ("b.md", b"text")]);
        let import = open(dir.path());
        prop_assert!(!import.draft().lessons.is_empty());
    }
}
