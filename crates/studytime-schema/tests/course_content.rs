//! Content types: read liberally, written strictly.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::prelude::*;
use serde_json::{Value, json};
use studytime_schema::content::*;
use studytime_schema::{BlobId, FeedId, MessageId};

const BARE: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn parse(value: &Value) -> Parsed {
    Content::parse(&value.to_string()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

fn error(value: &Value) -> String {
    Content::parse(&value.to_string()).unwrap_err().to_string()
}

#[test]
fn the_original_designs_spellings_are_read() {
    for feed in [
        format!("{BARE}.ed25519"),
        format!("@{BARE}.ed25519"),
        format!(
            "ssb:feed/ed25519/{}",
            BARE.replace('+', "-").replace('/', "_")
        ),
    ] {
        for image in [format!("&{BARE}.sha256"), format!("%{BARE}.sha256")] {
            let parsed = parse(&json!({
                "type": "studytime_course", "feed_id": feed, "name": "Course", "image": image,
            }));
            assert!(parsed.dropped.is_empty(), "{:?}", parsed.dropped);
            let Content::Course(course) = &parsed.content else {
                panic!()
            };
            assert_eq!(course.fields.image, Patch::Set(BlobId::EMPTY));
            let written = parsed.content.to_value();
            assert_eq!(written["feed_id"], format!("{BARE}.ed25519"));
            assert_eq!(written["image"], format!("&{BARE}.sha256"));
        }
    }
}

#[test]
fn wrong_required_fields_are_named() {
    let feed = format!("@{BARE}.ed25519");
    let id = format!("%{BARE}.sha256");
    for (value, expected) in [
        (
            json!({"type": "studytime_course", "name": "x"}),
            "`feed_id`",
        ),
        (
            json!({"type": "studytime_course", "feed_id": feed}),
            "`name`",
        ),
        (
            json!({"type": "studytime_course", "feed_id": "@x.ed25519", "name": "x"}),
            "`feed_id`",
        ),
        (
            json!({"type": "studytime_course", "feed_id": feed, "name": null}),
            "`name`",
        ),
        (
            json!({"type": "studytime_course", "feed_id": feed, "name": 7}),
            "is not a text",
        ),
        (json!({"type": "studytime_course_update"}), "`feed_id`"),
        (
            json!({"type": "studytime_course_lesson", "name": "x"}),
            "`lesson_number`",
        ),
        (
            json!({"type": "studytime_course_lesson", "lesson_number": 1.5, "name": "x"}),
            "`lesson_number`",
        ),
        (
            json!({"type": "studytime_course_lesson", "lesson_number": 9_007_199_254_740_992u64, "name": "x"}),
            "`lesson_number`",
        ),
        (
            json!({"type": "studytime_course_lesson", "lesson_number": "1", "name": "x"}),
            "`lesson_number`",
        ),
        (
            json!({"type": "studytime_course_lesson_update", "name": "x"}),
            "`lesson_number`",
        ),
        (
            json!({"type": "studytime_course_lesson_update", "lesson": 1, "lesson_number": 1}),
            "`lesson`",
        ),
        (
            json!({"type": "studytime_course_lesson_video", "lesson_number": 1, "name": "x"}),
            "`sources`",
        ),
        (
            json!({"type": "studytime_course_lesson_video", "lesson_number": 1, "name": "x", "sources": []}),
            "`sources`",
        ),
        (
            json!({"type": "studytime_course_lesson_video", "lesson_number": 1, "name": "x", "sources": [{"size": 1}]}),
            "nothing usable",
        ),
        (
            json!({"type": "studytime_course_lesson_attachment", "lesson_number": 1, "name": "x", "link": "x"}),
            "`link`",
        ),
        (
            json!({"type": "studytime_course_test", "lesson_number": 1, "name": "x"}),
            "`questions`",
        ),
        (
            json!({"type": "studytime_course_test", "lesson_number": 1, "name": "x", "questions": [{"kind": "riddle", "question": "?"}]}),
            "riddle",
        ),
        (
            json!({"type": "studytime_course_item_update", "item": feed}),
            "`item`",
        ),
        (
            json!({"type": "studytime_enrolment", "feed_id": feed}),
            "`enrolled`",
        ),
        (
            json!({"type": "studytime_enrolment", "feed_id": feed, "enrolled": "yes"}),
            "`enrolled`",
        ),
        (json!({"type": "studytime_progress"}), "`entries`"),
        (
            json!({"type": "studytime_progress", "entries": [{"feed_id": feed}]}),
            "neither",
        ),
        (
            json!({"type": "studytime_test_result", "feed_id": feed, "item": id, "score": 101}),
            "`score`",
        ),
        (
            json!({"type": "studytime_note", "feed_id": feed, "text": "x", "part": 3, "parts": 2}),
            "`part`",
        ),
        (json!({"type": "studytime_catalogs"}), "`catalogs`"),
        (json!({"type": "contact", "contact": "me"}), "`contact`"),
        (
            json!({"type": "pub", "address": {"host": "x"}}),
            "`address`",
        ),
    ] {
        let error = error(&value);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(matches!(
        Content::parse("[]"),
        Err(ContentError::NotAnObject)
    ));
    assert!(matches!(Content::parse("{"), Err(ContentError::NotJson(_))));
    assert!(matches!(Content::parse("{}"), Err(ContentError::NoType)));
    assert!(matches!(
        Content::parse(&"[".repeat(100_000)),
        Err(ContentError::NotJson(_))
    ));
}

#[test]
fn wrong_optional_fields_are_dropped_and_named() {
    let parsed = parse(&json!({
        "type": "studytime_course", "feed_id": format!("{BARE}.ed25519"), "name": "x",
        "description": 4, "image": "cat.png", "keywords": ["a", 1, "", "b"], "language": "english!",
        "level": "guru", "duration_minutes": -3, "source_url": "javascript:alert(1)",
        "prerequisites": "algebra", "license": null, "something": {"else": [1]},
    }));
    let dropped: Vec<&str> = parsed.dropped.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(
        dropped,
        [
            "description",
            "image",
            "keywords[1]",
            "keywords[2]",
            "language",
            "level",
            "duration_minutes",
            "license",
            "source_url",
            "prerequisites"
        ]
    );
    let Content::Course(course) = parsed.content else {
        panic!()
    };
    let expected = CourseFields {
        keywords: Patch::Set(vec!["a".into(), "b".into()]),
        ..CourseFields::default()
    };
    assert_eq!(course.fields, expected);
    assert_eq!(
        parsed.dropped[5].to_string(),
        "`level` is none of `beginner`, `intermediate`, `advanced`: left out"
    );
}

#[test]
fn empty_clears_and_absent_keeps() {
    let parsed = parse(&json!({
        "type": "studytime_course_update", "feed_id": format!("{BARE}.ed25519"),
        "description": "", "keywords": [], "image": "", "level": "", "duration_minutes": "",
        "successor": "",
    }));
    assert!(parsed.dropped.is_empty());
    let Content::CourseUpdate(update) = &parsed.content else {
        panic!()
    };
    assert!(update.fields.description.is_clear());
    assert!(update.fields.keywords.is_clear());
    assert!(update.fields.image.is_clear());
    assert!(update.fields.level.is_clear());
    assert!(update.fields.duration_minutes.is_clear());
    assert!(update.successor.is_clear());
    assert!(update.fields.provider.is_keep());
    assert!(update.name.is_keep());
    let written = parsed.content.to_value();
    assert_eq!(parse(&written), parsed);
    assert_eq!(written["keywords"], json!([]));
    assert_eq!(written.get("provider"), None);
}

#[test]
fn lists_are_capped_and_say_so() {
    let keywords: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let parsed = parse(&json!({
        "type": "studytime_course", "feed_id": format!("{BARE}.ed25519"), "name": "x", "keywords": keywords,
    }));
    let Content::Course(course) = parsed.content else {
        panic!()
    };
    assert_eq!(course.fields.keywords.value().unwrap().len(), MAX_KEYWORDS);
    assert_eq!(parsed.dropped[0].field, "keywords");
}

#[test]
fn a_videos_sources_may_be_bare_ids() {
    let parsed = parse(&json!({
        "type": "studytime_course_lesson_video", "lesson_number": 2.0, "name": "Film",
        "sources": [
            format!("%{BARE}.sha256"),
            {"link": format!("&{BARE}.sha256"), "manifest": true, "content_type": "video/mp4; codecs=x",
             "size": 12, "duration_seconds": 3.6, "height": 720, "url": "ftp://x", "magnet": "magnet:?xt=1"},
            {"url": "https://example.org/film.mp4"},
            7,
        ],
        "captions": [format!("&{BARE}.sha256"), {"link": format!("&{BARE}.sha256"), "language": "pt_BR", "kind": "karaoke"}],
    }));
    let dropped: Vec<&str> = parsed.dropped.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(
        dropped,
        ["sources[1].url", "sources[3]", "captions[1].kind"]
    );
    let Content::Video(video) = parsed.content else {
        panic!()
    };
    assert_eq!(video.lesson_number, 2);
    assert_eq!(video.sources.len(), 3);
    assert_eq!(video.sources[1].duration_seconds, Some(4));
    assert_eq!(video.sources[1].content_type.as_deref(), Some("video/mp4"));
    assert!(!video.sources[0].manifest && video.sources[1].manifest);
    assert_eq!(video.captions[1].language.as_deref(), Some("pt-BR"));
}

#[test]
fn a_lesson_update_tells_handle_and_new_number_apart() {
    let by_number = parse(
        &json!({"type": "studytime_course_lesson_update", "lesson_number": 3, "removed": true}),
    );
    let Content::LessonUpdate(update) = by_number.content else {
        panic!()
    };
    assert_eq!(
        (update.lesson, update.lesson_number),
        (LessonHandle::Number(3), None)
    );
    let id = MessageId::from_bytes([1; 32]);
    let by_id =
        parse(&json!({"type": "studytime_course_lesson_update", "lesson": id, "lesson_number": 3}));
    let Content::LessonUpdate(update) = by_id.content else {
        panic!()
    };
    assert_eq!(
        (update.lesson, update.lesson_number),
        (LessonHandle::Id(id), Some(3))
    );
}

#[test]
fn standard_types_are_read_in_their_usual_forms() {
    let feed = FeedId::from_bytes([3; 32]);
    let about = parse(
        &json!({"type": "about", "about": feed, "name": "A", "image": {"link": BlobId::EMPTY, "size": 1}}),
    );
    let Content::About(about) = about.content else {
        panic!()
    };
    assert_eq!(about.about_feed(), Some(feed));
    assert_eq!(about.image, Patch::Set(BlobId::EMPTY));
    let parts = parse(&json!({"type": "pub", "address": {"host": "h", "port": 8008, "key": feed}}));
    assert_eq!(
        parts.content,
        Content::Pub(Pub {
            address: PubAddress::Parts {
                host: "h".into(),
                port: 8008,
                key: feed
            }
        })
    );
    let text = parse(&json!({"type": "pub", "address": "net:h:8008~shs:key"}));
    assert!(matches!(
        text.content,
        Content::Pub(Pub {
            address: PubAddress::Multiserver(_)
        })
    ));
    let post = parse(&json!({"type": "post", "text": "x"}));
    assert_eq!(
        post.content,
        Content::Unknown {
            type_name: "post".into()
        }
    );
    let contact =
        parse(&json!({"type": "contact", "contact": feed, "following": true, "blocking": 0}));
    assert_eq!(contact.dropped[0].field, "blocking");
}

#[test]
fn what_writers_leave_out() {
    let content = Content::from(Course::new(FeedId::from_bytes([1; 32]), "Name"));
    let keys: Vec<String> = content
        .to_value()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["feed_id", "name", "type"]);
    let content = Content::from(Video::new(
        1,
        "Film",
        VideoSource {
            link: Some(BlobId::EMPTY),
            ..VideoSource::default()
        },
    ));
    let value = content.to_value();
    assert_eq!(value["sources"], json!([{"link": BlobId::EMPTY}]));
    assert_eq!(value.as_object().unwrap().len(), 4);
}

#[test]
fn blobs_of_lists_are_read_like_lists() {
    let json = json!([
        {"kind": "true_false", "question": "?", "answer": true},
        {"kind": "hologram", "question": "?"},
    ]);
    let (questions, dropped) = parse_questions(&json.to_string()).unwrap();
    assert_eq!((questions.len(), dropped.len()), (1, 1));
    assert!(parse_questions("{}").is_err());
    assert!(parse_questions("[]").is_err());
    let (captions, _) = parse_captions(&json!([{"link": BlobId::EMPTY}]).to_string()).unwrap();
    assert_eq!(captions.len(), 1);
}

// Everything a writer can make reads back the same, with nothing dropped.

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Zäß文0-9 ]{0,12}[a-z]"
}

fn patch<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Patch<T>> {
    prop::option::of(prop::option::of(value)).prop_map(|p| match p {
        None => Patch::Keep,
        Some(None) => Patch::Clear,
        Some(Some(value)) => Patch::Set(value),
    })
}

fn blob() -> impl Strategy<Value = BlobId> {
    any::<[u8; 32]>().prop_map(BlobId::from_bytes)
}

fn message() -> impl Strategy<Value = MessageId> {
    any::<[u8; 32]>().prop_map(MessageId::from_bytes)
}

fn feed() -> impl Strategy<Value = FeedId> {
    any::<[u8; 32]>().prop_map(FeedId::from_bytes)
}

fn number() -> impl Strategy<Value = u64> {
    0..(1u64 << 53)
}

fn course_fields() -> impl Strategy<Value = CourseFields> {
    (
        (
            patch(text()),
            patch(blob()),
            patch(blob()),
            patch(prop::collection::vec("[a-z]{1,8}", 1..4)),
            patch(Just("pt-BR".to_owned())),
        ),
        (
            patch(prop::sample::select(&Level::ALL[..])),
            patch(number()),
            patch(text()),
            patch(text()),
            patch(Just("https://example.org/x".to_owned())),
            patch(prop::collection::vec(text(), 1..3)),
        ),
    )
        .prop_map(
            |(
                (description, description_blob, image, keywords, language),
                (level, duration_minutes, provider, license, source_url, prerequisites),
            )| CourseFields {
                description,
                description_blob,
                image,
                keywords,
                language,
                level,
                duration_minutes,
                provider,
                license,
                source_url,
                prerequisites,
            },
        )
}

fn lesson_fields() -> impl Strategy<Value = LessonFields> {
    let kinds = [
        LessonContentType::Markdown,
        LessonContentType::Html,
        LessonContentType::Plain,
    ];
    (
        (
            patch(text()),
            patch(text()),
            patch(blob()),
            patch(prop::sample::select(kinds.to_vec())),
        ),
        (
            patch(text()),
            patch(text()),
            patch(message()),
            patch(prop::collection::vec(blob().prop_map(Mention::new), 1..3)),
        ),
    )
        .prop_map(
            |(
                (description, lesson_content, lesson_content_blob, lesson_content_type),
                (section, path, replaces, mentions),
            )| LessonFields {
                description,
                lesson_content,
                lesson_content_blob,
                lesson_content_type,
                section,
                path,
                replaces,
                mentions,
            },
        )
}

fn source() -> impl Strategy<Value = VideoSource> {
    (
        blob(),
        any::<bool>(),
        prop::option::of(number()),
        prop::option::of(number()),
    )
        .prop_map(|(link, manifest, size, height)| VideoSource {
            link: Some(link),
            manifest,
            content_type: Some("video/webm".into()),
            size,
            height,
            duration_seconds: size,
            url: height.map(|_| "https://example.org/v".into()),
            magnet: size.map(|_| "magnet:?xt=urn".into()),
        })
}

fn question() -> impl Strategy<Value = Question> {
    let options = || prop::collection::vec(text(), 2..5);
    let kind = prop_oneof![
        (options(), 0..2usize)
            .prop_map(|(options, answer)| QuestionKind::Single { options, answer }),
        options().prop_map(|options| QuestionKind::Multiple {
            options,
            answers: vec![0, 1]
        }),
        any::<bool>().prop_map(|answer| QuestionKind::TrueFalse { answer }),
        (-1e9..1e9, 0.0..10.0, prop::option::of(text())).prop_map(|(answer, tolerance, unit)| {
            QuestionKind::Numeric {
                answer,
                tolerance,
                unit,
            }
        }),
        (options(), any::<bool>(), any::<bool>()).prop_map(
            |(answers, case_sensitive, ignore_accents)| QuestionKind::Text {
                answers,
                case_sensitive,
                ignore_accents
            }
        ),
        options().prop_map(|items| QuestionKind::Order { items }),
        (text(), text(), prop::collection::vec(text(), 0..2)).prop_map(|(left, right, extra)| {
            QuestionKind::Match {
                pairs: vec![Pair { left, right }],
                extra,
            }
        }),
    ];
    (text(), prop::option::of(text()), 0..10u64, kind).prop_map(
        |(question, explanation, points, kind)| Question {
            question,
            explanation,
            points,
            kind,
        },
    )
}

fn content() -> impl Strategy<Value = Content> {
    let optional = || (prop::option::of(text()), prop::option::of(message()));
    let place = || {
        (
            feed(),
            prop::option::of(message()),
            prop::option::of(message()),
        )
    };
    prop_oneof![
        (feed(), text(), course_fields()).prop_map(|(feed_id, name, fields)| Course {
            feed_id,
            name,
            fields
        }
        .into()),
        (
            feed(),
            patch(text()),
            course_fields(),
            prop::option::of(any::<bool>()),
            patch(feed()),
            patch(text())
        )
            .prop_map(
                |(feed_id, name, fields, deprecated, successor, deprecation_reason)| CourseUpdate {
                    feed_id,
                    name,
                    fields,
                    deprecated,
                    successor,
                    deprecation_reason,
                    removed: deprecated,
                }
                .into()
            ),
        (number(), text(), lesson_fields()).prop_map(|(lesson_number, name, fields)| Lesson {
            lesson_number,
            name,
            fields
        }
        .into()),
        (
            message(),
            prop::option::of(number()),
            patch(text()),
            lesson_fields()
        )
            .prop_map(|(id, lesson_number, name, fields)| LessonUpdate {
                lesson: LessonHandle::Id(id),
                lesson_number,
                name,
                fields,
                removed: Some(true),
            }
            .into()),
        (
            number(),
            text(),
            prop::collection::vec(source(), 1..3),
            prop::option::of(blob()),
            optional()
        )
            .prop_map(
                |(lesson_number, name, sources, poster, (path, replaces))| Video {
                    lesson_number,
                    name,
                    description: path.clone(),
                    sources,
                    captions: vec![Caption {
                        link: BlobId::EMPTY,
                        language: Some("en".into()),
                        label: path.clone(),
                        kind: Some("chapters".into()),
                    }],
                    captions_blob: poster,
                    poster,
                    path,
                    replaces,
                }
                .into()
            ),
        (number(), text(), blob(), any::<bool>(), optional()).prop_map(
            |(lesson_number, name, link, manifest, (path, replaces))| Attachment {
                lesson_number,
                name,
                link,
                manifest,
                content_type: Some("application/pdf".into()),
                size: Some(lesson_number),
                path,
                replaces,
            }
            .into()
        ),
        (
            number(),
            text(),
            prop::collection::vec(question(), 1..4),
            prop::option::of(0..=100u8),
            optional()
        )
            .prop_map(
                |(lesson_number, name, questions, pass_percent, (path, replaces))| Test {
                    lesson_number,
                    name,
                    pass_percent,
                    questions,
                    questions_blob: None,
                    path,
                    replaces,
                }
                .into()
            ),
        (
            message(),
            prop::option::of(number()),
            patch(text()),
            patch(prop::collection::vec(question(), 1..3)),
            patch(blob()),
            patch(number()),
            patch(0..=100u8)
        )
            .prop_map(
                |(item, lesson_number, name, questions, link, size, pass_percent)| ItemUpdate {
                    lesson_number,
                    name: name.clone(),
                    description: name.clone(),
                    link,
                    poster: link,
                    size,
                    pass_percent,
                    questions,
                    content_type: Patch::Clear,
                    manifest: Some(false),
                    path: name,
                    ..ItemUpdate::new(item)
                }
                .into()
            ),
        (feed(), any::<bool>())
            .prop_map(|(feed_id, enrolled)| Enrolment { feed_id, enrolled }.into()),
        (
            feed(),
            message(),
            prop::option::of(number()),
            prop::option::of(0..=100u8)
        )
            .prop_map(|(feed_id, id, position_seconds, percent)| Progress {
                entries: vec![ProgressEntry {
                    position_seconds,
                    percent,
                    done: Some(true),
                    ..ProgressEntry::new(feed_id, Target::Item(id))
                }],
            }
            .into()),
        (place(), message(), 0..=100u8).prop_map(|((feed_id, lesson, _), item, score)| {
            TestResult {
                feed_id,
                lesson,
                item,
                score,
                passed: Some(score > 50),
                answers: vec![
                    Answer::Match {
                        matches: vec![Some(1), None],
                    },
                    Answer::Skipped,
                    Answer::Numeric {
                        value: "3,5".into(),
                    },
                ],
            }
            .into()
        }),
        (place(), text(), prop::option::of(message()), 1..4u64).prop_map(
            |((feed_id, lesson, item), text, note, part)| Note {
                feed_id,
                lesson,
                item,
                note,
                text,
                part,
                parts: 3,
                position_seconds: Some(part),
                removed: false,
            }
            .into()
        ),
        (place(), any::<bool>()).prop_map(|((feed_id, lesson, item), bookmarked)| Bookmark {
            feed_id,
            lesson,
            item,
            bookmarked,
            position_seconds: None
        }
        .into()),
        prop::collection::btree_set(feed(), 0..4).prop_map(|lists| Catalogs {
            lists: lists.into_iter().collect()
        }
        .into()),
        (feed(), prop::option::of(any::<bool>())).prop_map(|(contact, following)| Contact {
            contact,
            following,
            blocking: Some(true)
        }
        .into()),
        (feed(), patch(text()), patch(blob())).prop_map(|(feed, name, image)| About {
            description: name.clone(),
            name,
            image,
            ..About::feed(feed)
        }
        .into()),
    ]
}

/// Nothing in a content that JavaScript would print differently, or order
/// differently.
fn is_strict(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.as_u64().is_some_and(|n| n < 1 << 53) || n.as_i64().is_some(),
        Value::Array(list) => list.iter().all(is_strict),
        Value::Object(map) => map
            .iter()
            .all(|(k, v)| k.parse::<u64>().is_err() && is_strict(v)),
        _ => true,
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(content in content()) {
        let value = content.to_value();
        prop_assert!(is_strict(&value), "{}", value);
        let parsed = Content::parse(&value.to_string()).unwrap();
        prop_assert!(parsed.dropped.is_empty(), "{:?} in {}", parsed.dropped, value);
        prop_assert_eq!(&parsed.content, &content);
        prop_assert_eq!(value["type"].as_str(), Some(content.type_name()));
    }

    #[test]
    fn questions_keep_every_bit_in_rows(question in question()) {
        let row = serde_json::to_string(&question).unwrap();
        prop_assert_eq!(serde_json::from_str::<Question>(&row).unwrap(), question);
    }

    #[test]
    fn reading_never_panics(
        name in prop::sample::select(vec![
            names::COURSE, names::COURSE_UPDATE, names::LESSON, names::LESSON_UPDATE, names::VIDEO,
            names::ATTACHMENT, names::TEST, names::ITEM_UPDATE, names::PROGRESS, names::TEST_RESULT,
            names::NOTE, names::BOOKMARK, names::CATALOGS, names::CONTACT, names::ABOUT, names::PUB,
        ]),
        fields in prop::collection::vec((prop::sample::select(vec![
            "feed_id", "name", "lesson_number", "lesson", "sources", "captions", "questions", "entries",
            "mentions", "keywords", "answers", "catalogs", "image", "link", "item", "part", "parts", "address", "about", "text", "score",
        ]), 0..12u8, any::<f64>(), ".{0,30}"), 0..12),
    ) {
        let mut map = serde_json::Map::new();
        map.insert("type".into(), name.into());
        for (key, what, n, text) in fields {
            map.insert(key.into(), match what {
                0 => json!(n),
                1 => json!(text),
                2 => json!([text, n, null]),
                3 => json!({"link": text, "kind": "order", "feed_id": n}),
                4 => json!([{"kind": "multiple", "question": text, "options": [text], "answers": [n]}]),
                5 => json!(true),
                6 => json!(format!("{BARE}.ed25519")),
                7 => json!(format!("%{BARE}.sha256")),
                8 => json!(n as i64),
                9 => json!([{"kind": "match", "question": "q", "pairs": [text, {"left": "a", "right": "b"}]}]),
                10 => json!([{"feed_id": format!("{BARE}.ed25519"), "item": format!("%{BARE}.sha256"), "percent": n}]),
                _ => Value::Null,
            });
        }
        if let Ok(parsed) = Content::parse(&Value::Object(map).to_string()) {
            let again = Content::parse(&parsed.content.to_value().to_string()).unwrap();
            prop_assert_eq!(again.content, parsed.content);
            prop_assert!(again.dropped.is_empty(), "{:?}", again.dropped);
        }
    }
}
