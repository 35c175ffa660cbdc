//! Contents of messages: every type, with fields that are right, wrong or absent.

use crate::{Few, JsonText, feeds::keys};
use arbitrary::{Arbitrary, Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use studytime_schema::content::names;

const TYPES: &[&str] = &[
    names::COURSE,
    names::COURSE_UPDATE,
    names::LESSON,
    names::LESSON_UPDATE,
    names::VIDEO,
    names::ATTACHMENT,
    names::TEST,
    names::ITEM_UPDATE,
    names::ENROLMENT,
    names::PROGRESS,
    names::TEST_RESULT,
    names::NOTE,
    names::BOOKMARK,
    names::CATALOGS,
    names::CONTACT,
    names::ABOUT,
    names::PUB,
    "post",
];

/// What a field usually holds.
#[derive(Clone, Copy)]
enum Sort {
    Feed,
    Message,
    Blob,
    Text,
    Number,
    Flag,
    Texts,
    Feeds,
    Sources,
    Captions,
    Questions,
    Mentions,
    Entries,
    Answers,
    Address,
}
use Sort::*;

const NEEDED: &[(&str, Sort)] = &[
    ("feed_id", Feed),
    ("name", Text),
    ("lesson_number", Number),
    ("link", Blob),
    ("item", Message),
    ("sources", Sources),
    ("questions", Questions),
    ("entries", Entries),
    ("enrolled", Flag),
    ("score", Number),
    ("text", Text),
    ("lists", Feeds),
    ("contact", Feed),
    ("about", Feed),
    ("address", Address),
];

const FIELDS: &[(&str, Sort)] = &[
    ("bookmarked", Flag),
    ("description", Text),
    ("description_blob", Blob),
    ("image", Blob),
    ("keywords", Texts),
    ("language", Text),
    ("level", Text),
    ("duration_minutes", Number),
    ("provider", Text),
    ("license", Text),
    ("source_url", Text),
    ("prerequisites", Texts),
    ("deprecated", Flag),
    ("successor", Feed),
    ("deprecation_reason", Text),
    ("removed", Flag),
    ("lesson_content", Text),
    ("lesson_content_blob", Blob),
    ("lesson_content_type", Text),
    ("section", Text),
    ("path", Text),
    ("replaces", Message),
    ("captions", Captions),
    ("captions_blob", Blob),
    ("poster", Blob),
    ("lesson", Message),
    ("manifest", Flag),
    ("content_type", Text),
    ("size", Number),
    ("pass_percent", Number),
    ("questions_blob", Blob),
    ("mentions", Mentions),
    ("max_score", Number),
    ("percent", Number),
    ("passed", Flag),
    ("answers", Answers),
    ("note", Message),
    ("part", Number),
    ("parts", Number),
    ("position_seconds", Number),
    ("done", Flag),
    ("following", Flag),
    ("blocking", Flag),
];

/// A content as the text that a message would carry.
#[derive(Debug)]
pub struct ContentText(pub String);

impl<'a> Arbitrary<'a> for ContentText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut map = Map::new();
        map.insert("type".into(), (*u.choose(TYPES)?).into());
        // Most of what some type cannot do without.
        for (name, sort) in NEEDED {
            if u.ratio(7, 8)? {
                map.insert((*name).into(), value(u, *sort, 0)?);
            }
        }
        for _ in 0..u.int_in_range(0..=9)? {
            let (name, sort) = *u.choose(FIELDS)?;
            map.insert(name.into(), value(u, sort, 0)?);
        }
        Ok(Self(Value::Object(map).to_string()))
    }
}

fn id(u: &mut Unstructured<'_>, sigil: char, suffix: &str) -> Result<Value> {
    let n: u8 = u.int_in_range(0..=12)?;
    let bytes = if sigil == '@' {
        *keys(n % 4).id().as_bytes()
    } else {
        [n; 32]
    };
    Ok(format!("{sigil}{}{suffix}", STANDARD.encode(bytes)).into())
}

fn list(u: &mut Unstructured<'_>, sort: Sort, depth: usize) -> Result<Value> {
    let count = u.int_in_range(0..=4)?;
    (0..count)
        .map(|_| value(u, sort, depth))
        .collect::<Result<Vec<_>>>()
        .map(Value::Array)
}

fn object(u: &mut Unstructured<'_>, fields: &[(&str, Sort)], depth: usize) -> Result<Value> {
    let mut map = Map::new();
    for (name, sort) in fields {
        if u.ratio(3, 4)? {
            map.insert((*name).into(), value(u, *sort, depth)?);
        }
    }
    Ok(Value::Object(map))
}

fn objects(u: &mut Unstructured<'_>, fields: &[(&str, Sort)], depth: usize) -> Result<Value> {
    let count = u.int_in_range(0..=3)?;
    (0..count)
        .map(|_| object(u, fields, depth))
        .collect::<Result<Vec<_>>>()
        .map(Value::Array)
}

fn value(u: &mut Unstructured<'_>, sort: Sort, depth: usize) -> Result<Value> {
    if depth > 3 || u.ratio(1, 12)? {
        let JsonText(text) = JsonText::arbitrary(u)?;
        return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
    }
    let depth = depth + 1;
    Ok(match sort {
        Feed => id(u, '@', ".ed25519")?,
        Message => id(u, '%', ".sha256")?,
        Blob => id(u, '&', ".sha256")?,
        Text => text(u)?.into(),
        Number => match u.int_in_range(0..=5)? {
            0 => u.arbitrary::<u64>()?.into(),
            1 => u.arbitrary::<i64>()?.into(),
            2 => u.arbitrary::<f64>()?.into(),
            _ => u.int_in_range(0..=9u64)?.into(),
        },
        Flag => u.arbitrary::<bool>()?.into(),
        Texts => list(u, Text, depth)?,
        Feeds => list(u, Feed, depth)?,
        Sources if u.arbitrary()? => list(u, Blob, depth)?,
        Sources => objects(
            u,
            &[
                ("link", Blob),
                ("manifest", Flag),
                ("content_type", Text),
                ("size", Number),
                ("duration_seconds", Number),
                ("height", Number),
                ("url", Text),
                ("magnet", Text),
            ],
            depth,
        )?,
        Captions => objects(
            u,
            &[
                ("link", Blob),
                ("language", Text),
                ("label", Text),
                ("kind", Text),
            ],
            depth,
        )?,
        Mentions => objects(
            u,
            &[
                ("link", Blob),
                ("name", Text),
                ("type", Text),
                ("size", Number),
            ],
            depth,
        )?,
        Entries => objects(
            u,
            &[
                ("feed_id", Feed),
                ("lesson", Message),
                ("item", Message),
                ("position_seconds", Number),
                ("percent", Number),
                ("done", Flag),
            ],
            depth,
        )?,
        Questions => {
            let count = u.int_in_range(0..=3)?;
            (0..count)
                .map(|_| question(u, depth))
                .collect::<Result<Vec<_>>>()?
                .into()
        }
        Answers => list(u, Texts, depth)?,
        Address if u.arbitrary()? => text(u)?.into(),
        Address => object(u, &[("key", Feed), ("host", Text), ("port", Number)], depth)?,
    })
}

fn question(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kind = *u.choose(&[
        "single",
        "multiple",
        "true_false",
        "numeric",
        "text",
        "order",
        "match",
        "essay",
    ])?;
    let mut question = object(
        u,
        &[
            ("question", Text),
            ("explanation", Text),
            ("options", Texts),
            ("items", Texts),
            ("extra", Texts),
            ("tolerance", Number),
            ("unit", Text),
            ("points", Number),
            ("case_sensitive", Flag),
            ("ignore_accents", Flag),
        ],
        depth,
    )?;
    let answer = match u.int_in_range(0..=4)? {
        0 => value(u, Number, depth)?,
        1 => value(u, Flag, depth)?,
        2 => value(u, Texts, depth)?,
        3 => json!([0, u.int_in_range(0..=5u8)?]),
        _ => value(u, Text, depth)?,
    };
    let name = *u.choose(&["answer", "answers"])?;
    question["kind"] = kind.into();
    question[name] = answer;
    if kind == "match" || u.ratio(1, 8)? {
        question["pairs"] = objects(u, &[("left", Text), ("right", Text)], depth)?;
    }
    Ok(question)
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=7)? {
        0 => String::from_utf8_lossy(&Few::arbitrary(u)?.0).into_owned(),
        1 => String::new(),
        2 => " \u{a0}\n".into(),
        3 => u
            .choose(&[
                "text/markdown",
                "text/html",
                "text/plain",
                "video/mp4",
                "en",
                "pt-BR",
                "beginner",
                "advanced",
                "MIT",
                "subtitles",
            ])?
            .to_string(),
        4 => u
            .choose(&[
                "https://example.org/a",
                "http://x",
                "javascript:alert(1)",
                "magnet:?xt=urn:btih:0",
                "net:h:1~shs:x",
                "../a",
                "a/b.md",
            ])?
            .to_string(),
        5 => format!(
            "![x](&{}.sha256) <img src='&x'>",
            STANDARD.encode([u.int_in_range(0..=12u8)?; 32])
        ),
        6 => "long ".repeat(u.int_in_range(0..=400)?),
        _ => u
            .choose(&["a", "b", "Ropes", "e\u{301}", "\u{1f600}"])?
            .to_string(),
    })
}
