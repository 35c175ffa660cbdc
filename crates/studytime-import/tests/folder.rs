//! Folders of every sort become drafts; what is wrong becomes problem lines.
#![allow(clippy::unwrap_used)]

mod common;

use common::files::*;
use common::*;
use studytime_import::{Import, OpenError, Options, ProblemKind, Severity, TrackKind};
use studytime_schema::content::{LessonContentType, Level};

#[test]
fn an_ordinary_folder() {
    let dir = folder(&[
        ("README.md", b"# Mosses of the north\n\nHow to *tell* them apart.\n\n![a moss](pics/moss.png)\n"),
        ("pics/moss.png", PNG),
        ("01 Basics/01_intro.mp4", &mp4(75, 480, b"pictures")),
        ("01 Basics/01_intro.en.srt", SRT),
        ("01 Basics/01_intro.de.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nhallo\n"),
        ("01 Basics/01_intro_slides.pdf", PDF),
        ("01 Basics/01_intro.quiz.json", QUIZ),
        ("01 Basics/02_next.md", b"# What is next\n\nSee ![x](../pics/moss.png) and [data](data.csv), [first](01_intro.mp4).\n"),
        ("01 Basics/data.csv", b"a,b\n1,2\n"),
        ("02 More/10_last.html", b"<html><head><title>The last</title></head><body><p>Hi</p></body></html>"),
        ("02 More/2_first.txt", b"Plain words.\n"),
        ("02 More/moss.pdf", PDF),
        ("LICENSE", b"words"),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(draft.name, "Mosses of the north");
    assert_eq!(
        draft.description.as_deref(),
        Some("How to *tell* them apart.")
    );
    assert_eq!(
        names(&draft),
        [
            "Basics | Intro | 01 Basics/01_intro",
            "Basics | What is next | 01 Basics/02_next",
            "More | First | 02 More/2_first",
            "More | The last | 02 More/10_last",
            "More | All about moss | 02 More/moss",
        ]
    );
    assert_eq!(draft.problems, []);
    let intro = &draft.lessons[0];
    assert_eq!(intro.videos.len(), 1);
    let video = &intro.videos[0];
    assert_eq!(
        (video.sources[0].duration_seconds, video.sources[0].height),
        (Some(75), Some(480))
    );
    let tracks: Vec<_> = video
        .captions
        .iter()
        .map(|c| (c.language.as_str(), c.label.as_str()))
        .collect();
    assert_eq!(tracks, [("de", "Deutsch"), ("en", "English")]);
    assert_eq!(intro.attachments[0].name, "Intro slides");
    assert_eq!(intro.tests[0].name, "Check");
    let next = draft.lessons[1].body.as_ref().unwrap();
    assert!(
        next.text.starts_with("See ![x]"),
        "the heading is the name: {}",
        next.text
    );
    assert_eq!(next.links.len(), 2);
    assert_eq!(draft.lessons[1].attachments[0].path, "01 Basics/data.csv");
    assert_eq!(
        draft.lessons[3].body.as_ref().unwrap().content_type,
        LessonContentType::Html
    );
    assert_eq!(draft.image.unwrap().path, "pics/moss.png");
}

#[test]
fn course_data_from_file_and_options() {
    let toml = b"name = 'By file'\ndescription = 'Words'\nlanguage = 'de'\nlicense = 'MIT'\nkeywords = ['a']\n\
        level = 'advanced'\nimage = 'x/y.png'\nsource_url = 'https://example.org'\nduration_minutes = 5\nlicence = 'x'\n";
    let files: &[(&str, &[u8])] = &[("course.toml", toml), ("x/y.png", PNG), ("a.md", b"text")];
    let dir = folder(files);
    let draft = Import::open(dir.path(), &Options::default())
        .unwrap()
        .draft()
        .clone();
    assert_eq!(
        (
            draft.name.as_str(),
            draft.language.as_deref(),
            draft.license.as_deref()
        ),
        ("By file", Some("de"), Some("MIT"))
    );
    assert_eq!(
        (draft.level, draft.duration_minutes),
        (Some(Level::Advanced), Some(5))
    );
    assert_eq!(draft.image.unwrap().path, "x/y.png");
    assert_eq!(
        kinds(&draft.problems, "course.toml"),
        [ProblemKind::CourseData]
    );
    let options = Options {
        name: Some("By hand".into()),
        keywords: vec!["b".into()],
        language: Some("nonsense!".into()),
        source_url: Some("javascript:alert(1)".into()),
        ..Options::default()
    };
    let draft = Import::open(dir.path(), &options).unwrap().draft().clone();
    assert_eq!(
        (
            draft.name.as_str(),
            draft.keywords.as_slice(),
            draft.language
        ),
        ("By hand", &["b".to_owned()][..], None)
    );
    assert_eq!(draft.source_url, None);
    assert_eq!(
        kinds(&draft.problems, ""),
        [ProblemKind::NoLanguage, ProblemKind::CourseData]
    );
}

#[test]
fn no_licence_is_said_not_guessed() {
    let dir = folder(&[("a.md", b"text"), ("LICENSE", b"MIT License")]);
    let draft = Import::open(dir.path(), &Options::default())
        .unwrap()
        .draft()
        .clone();
    assert_eq!(draft.license, None);
    assert_eq!(
        kinds(&draft.problems, ""),
        [ProblemKind::NoLicense, ProblemKind::NoLanguage]
    );
}

#[test]
fn every_fault_is_one_line_and_the_rest_goes_on() {
    let whole = mp4(10, 360, &[7; 5000]);
    let dir = folder(&[
        (
            "good.md",
            b"text [gone](nowhere.pdf) [out](../../etc/passwd) ![up](%2e%2e/x.png)",
        ),
        ("cut.mp4", &whole[..3000]),
        (
            "noindex.mp4",
            &[&whole[..24], &[0, 0, 0, 8], b"mdat"].concat(),
        ),
        ("late.mp4", &mp4_index_last(3, b"pictures")),
        ("hevc.mp4", &mp4_codec(b"hvc1")),
        ("not.mp4", b"<html>404 not found</html>"),
        ("cut.webm", &webm(3.0, 240)[..100]),
        ("matroska.webm", &{
            let mut bytes = webm(3.0, 240);
            let at = bytes.windows(4).position(|w| w == b"webm").unwrap();
            bytes[at..at + 4].copy_from_slice(b"mkvv");
            bytes
        }),
        ("old.avi", b"RIFF"),
        ("empty.md", b""),
        ("blank.md", b" \n\n"),
        ("empty.pdf", b""),
        ("fake.pdf", b"<html>login</html>"),
        ("lost.en.srt", SRT),
        ("late.en.srt", b"no captions"),
        ("late.ass", b"[Script Info]"),
        ("bad.quiz.json", b"{\"questions\": 7}"),
        ("latin.txt", b"na\xefve"),
        ("half.mp4.part", b"x"),
        ("thing.xyz", b"x"),
        ("unused.png", PNG),
        (".hidden", b"x"),
        ("__MACOSX/a.md", b"x"),
    ]);
    let draft = open(dir.path()).draft().clone();
    let all: Vec<(&str, ProblemKind, Severity)> = draft
        .problems
        .iter()
        .map(|p| (p.path.as_str(), p.kind, p.severity))
        .collect();
    use ProblemKind::*;
    use Severity::*;
    for expected in [
        ("good.md", DeadLink, Warning),
        ("cut.mp4", Truncated, LeftOut),
        ("noindex.mp4", Truncated, LeftOut),
        ("late.mp4", IndexAtEnd, Warning),
        ("hevc.mp4", Unplayable, Warning),
        ("not.mp4", NotAsNamed, LeftOut),
        ("cut.webm", Truncated, LeftOut),
        ("matroska.webm", NotAsNamed, LeftOut),
        ("old.avi", Unplayable, Warning),
        ("empty.md", Empty, LeftOut),
        ("blank.md", Empty, LeftOut),
        ("empty.pdf", Empty, LeftOut),
        ("fake.pdf", NotAsNamed, LeftOut),
        ("lost.en.srt", NoVideo, LeftOut),
        ("late.en.srt", Format, LeftOut),
        ("late.ass", Format, LeftOut),
        ("bad.quiz.json", Format, LeftOut),
        ("latin.txt", Encoding, Warning),
        ("half.mp4.part", Unfinished, LeftOut),
        ("thing.xyz", Unknown, LeftOut),
        ("unused.png", Unused, LeftOut),
    ] {
        assert!(all.contains(&expected), "{expected:?} in {all:#?}");
    }
    assert_eq!(kinds(&draft.problems, "good.md").len(), 3);
    for p in &draft.problems {
        assert!(!p.problem.is_empty() && !p.problem.contains('\n'));
    }
    assert_eq!(
        draft
            .lessons
            .iter()
            .map(|l| l.path.as_str())
            .collect::<Vec<_>>(),
        ["good", "hevc", "late", "latin", "old"]
    );
}

#[test]
fn nothing_left_is_an_error_with_reasons() {
    let dir = folder(&[("a.mp4", b"not a video"), ("b.md", b"")]);
    match Import::open(dir.path(), &licensed()) {
        Err(e @ OpenError::Nothing { .. }) => {
            assert_eq!(e.problems().len(), 2);
            assert!(e.to_string().contains("2 files were left out"), "{e}");
        }
        other => panic!("{other:?}"),
    }
    let empty = tempfile::tempdir().unwrap();
    match Import::open(empty.path(), &licensed()) {
        Err(e @ OpenError::Nothing { .. }) => assert!(e.problems().is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        Import::open(&empty.path().join("x"), &licensed()),
        Err(OpenError::NotFound { .. })
    ));
    let file = empty.path().join("file.txt");
    std::fs::write(&file, "text").unwrap();
    assert!(matches!(
        Import::open(&file, &licensed()),
        Err(OpenError::NotACourse { .. })
    ));
}

#[test]
fn readme_alone_is_a_lesson() {
    let dir = folder(&[("README.md", b"# Only\n\nThis.")]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(names(&draft), ["- | Only | README"]);
}

#[cfg(unix)]
#[test]
fn links_and_devices() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let outside = folder(&[("secret.md", b"secret")]);
    let dir = folder(&[("a.md", b"text"), ("sub/b.md", b"more")]);
    symlink(outside.path().join("secret.md"), dir.path().join("c.md")).unwrap();
    symlink(outside.path(), dir.path().join("d")).unwrap();
    symlink("sub/b.md", dir.path().join("e.md")).unwrap();
    symlink("sub", dir.path().join("f")).unwrap();
    symlink("nowhere", dir.path().join("g.md")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"h\xff\n.md");
    std::fs::write(dir.path().join(odd), "odd").unwrap();
    let fifo = dir.path().join("i.md");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .is_ok_and(|s| s.success());
    let draft = open(dir.path()).draft().clone();
    assert_eq!(kinds(&draft.problems, "c.md"), [ProblemKind::LeavesFolder]);
    assert_eq!(kinds(&draft.problems, "d"), [ProblemKind::LeavesFolder]);
    assert_eq!(kinds(&draft.problems, "f"), [ProblemKind::Link]);
    assert_eq!(kinds(&draft.problems, "g.md"), [ProblemKind::Link]);
    assert_eq!(
        kinds(&draft.problems, "h\u{fffd}\u{fffd}.md"),
        [ProblemKind::OddName]
    );
    if made {
        assert_eq!(kinds(&draft.problems, "i.md"), [ProblemKind::NotAFile]);
    }
    let paths: Vec<_> = draft.lessons.iter().map(|l| l.path.as_str()).collect();
    assert_eq!(paths, ["a", "e", "h\u{fffd}\u{fffd}", "sub/b"]);
    let json = serde_json::to_string(&draft).unwrap();
    assert!(!json.contains("secret"));
}

#[test]
fn a_downloaded_course() {
    let dir = folder(&[
        ("crypto-001-syllabus-raw.json", br#"{"linked":{"onDemandCourseMaterialModules.v1":[{"slug":"week-one","name":"Woche eins"}],
            "onDemandCourseMaterialItems.v2":[{"slug":"what-is-it","name":"Was ist Kryptographie?"}]}}"#),
        ("crypto-001/01_week-one/01_welcome/01_what-is-it.mp4", &mp4(9, 360, b"p")),
        ("crypto-001/01_week-one/01_welcome/01_what-is-it.en.srt", SRT),
        ("crypto-001/01_week-one/01_welcome/01_what-is-it.pt-BR.srt", SRT),
        ("crypto-001/01_week-one/01_welcome/01_what-is-it.en.txt", b"Hello and hi."),
        ("crypto-001/01_week-one/01_welcome/01_what-is-it_slides.pdf", PDF),
        ("crypto-001/01_week-one/01_welcome/02_read-me_instructions.html", b"<p>Read this.</p>"),
        ("crypto-001/02_week-two/01_ciphers/01_quiz-one_quiz.html", b"<h1>Quiz one</h1><p>?</p>"),
        ("crypto-001/02_week-two/01_ciphers/01_quiz-one.m3u", b"01_x.mp4\n"),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(draft.name, "Crypto 001");
    assert_eq!(
        names(&draft),
        [
            "Woche eins / Welcome | Was ist Kryptographie? | 01_week-one/01_welcome/01_what-is-it",
            "Woche eins / Welcome | Read me | 01_week-one/01_welcome/02_read-me_instructions",
            "Week two / Ciphers | Quiz one | 02_week-two/01_ciphers/01_quiz-one_quiz",
        ]
    );
    let first = &draft.lessons[0];
    assert_eq!(first.body.as_ref().unwrap().text, "Hello and hi.");
    assert_eq!(
        first.videos[0]
            .captions
            .iter()
            .map(|c| c.language.as_str())
            .collect::<Vec<_>>(),
        ["en", "pt-BR"]
    );
    assert_eq!(draft.problems, []);
}

#[test]
fn a_book_with_a_summary() {
    let dir = folder(&[
        ("book.toml", b"[book]"),
        ("src/SUMMARY.md", b"# Summary\n\n[Foreword](README.md)\n\n# Start\n\n- [Second comes first](b.md)\n- [A](a.md)\n"),
        ("src/README.md", b"Words before."),
        ("src/a.md", b"# Alpha\n\nText a."),
        ("src/b.md", b"# Beta\n\nText b."),
        ("src/c.md", b"# Gamma\n\nNot in the summary."),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(
        names(&draft),
        [
            "- | Foreword | src/README",
            "Start | Second comes first | src/b",
            "Start | A | src/a",
            "Src | Gamma | src/c",
        ]
    );
    let b = draft.lessons[1].body.as_ref().unwrap();
    assert_eq!(
        b.text, "# Beta\n\nText b.",
        "a heading that is not the name stays"
    );
}

#[test]
fn tracks_of_every_kind_and_two_encodings() {
    let dir = folder(&[
        ("film.mp4", &mp4(60, 360, b"small")),
        ("film.webm", &webm(60.2, 720)),
        (
            "film.chapters.vtt",
            b"WEBVTT\n\n00:00.000 --> 00:30.000\nOne\n",
        ),
        (
            "film.descriptions.en.vtt",
            b"WEBVTT\n\n00:00.000 --> 00:30.000\nA hill.\n",
        ),
        ("film-EN.srt", SRT),
        ("film.jpg", PNG),
        (
            "film.info.json",
            br#"{"title":"A film about hills","description":"Long ago.\n\nMore.","x":1}"#,
        ),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(names(&draft), ["- | A film about hills | film"]);
    let lesson = &draft.lessons[0];
    assert_eq!(lesson.description.as_deref(), Some("Long ago."));
    let video = &lesson.videos[0];
    let sources: Vec<_> = video
        .sources
        .iter()
        .map(|s| (s.file.path.as_str(), s.height, s.duration_seconds))
        .collect();
    assert_eq!(
        sources,
        [
            ("film.webm", Some(720), Some(61)),
            ("film.mp4", Some(360), Some(60))
        ]
    );
    assert_eq!(
        video
            .captions
            .iter()
            .map(|c| (c.kind, c.language.as_str()))
            .collect::<Vec<_>>(),
        [
            (TrackKind::Chapters, "en"),
            (TrackKind::Descriptions, "en"),
            (TrackKind::Subtitles, "en")
        ]
    );
    assert_eq!(video.poster.as_ref().unwrap().path, "film.jpg");
    assert_eq!(draft.problems, []);
}

#[test]
fn a_shared_page_title_names_nothing() {
    let page = |body: &str| {
        format!("<html><head><title>The Site</title></head><body>{body}</body></html>").into_bytes()
    };
    let dir = folder(&[("01_one.html", &page("a")), ("02_two.html", &page("b"))]);
    assert_eq!(
        names(open(dir.path()).draft()),
        ["- | One | 01_one", "- | Two | 02_two"]
    );
}

#[test]
fn reading_can_be_stopped() {
    let dir = folder(&[("a.md", b"a"), ("b.md", b"b")]);
    let mut seen = Vec::new();
    let result = Import::open_watched(dir.path(), &licensed(), &mut |reading| {
        seen.push(reading.path.to_owned());
        std::ops::ControlFlow::Break(())
    });
    assert!(matches!(result, Err(OpenError::Cancelled)));
    assert_eq!(seen, ["a.md"]);
}

/// What costs time must not grow with the square of a hostile file.
#[test]
fn hostile_texts_are_read_quickly() {
    let many = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len()).into_bytes();
    let srt = [SRT, &many("<", 1 << 20)].concat();
    let tags = [SRT, &many("{\\", 1 << 20)].concat();
    let pdf = [PDF, &many("/Title<", 1 << 20)].concat();
    let dir = folder(&[
        ("a.html", &many("<a href=x>", 3 << 20)),
        ("b.html", &many("<!--<script <", 3 << 20)),
        ("c.md", &many("![", 1 << 20)),
        ("d.md", &many("[a](b)", 3 << 20)),
        ("e.md", &many("&", 3 << 20)),
        ("f.md", &many("> - ", 1 << 20)),
        ("g.mp4", &mp4(3, 90, b"p")),
        ("g.en.srt", &srt),
        ("g.de.srt", &tags),
        ("h.pdf", &pdf),
        ("i.mp4", &many("\0\0\0\x08free", 3 << 20)),
        ("j.quiz.json", &many("[", 1 << 20)),
        ("course.toml", &many("[a.", 1 << 20)),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert!(draft.lessons.len() >= 6);
}

#[test]
fn folders_too_deep_and_paths_too_long() {
    let deep = format!("{}x.md", "d/".repeat(17));
    let long = format!("{0}/{0}/{0}/{0}/{0}/x.md", "l".repeat(230));
    let dir = folder(&[
        ("a.md", b"text"),
        (&deep, b"too deep"),
        (&long, b"too long"),
    ]);
    let draft = open(dir.path()).draft().clone();
    assert_eq!(draft.lessons.len(), 1);
    let kinds: Vec<ProblemKind> = draft.problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::TooDeep, ProblemKind::OddName]);
}

#[test]
fn a_node_can_import_on_another_thread() {
    fn sent<T: Send>() {}
    sent::<Import>();
    sent::<OpenError>();
}
