//! What people, pages and other programs ask an index: any text and filters, in
//! any order, at any page. The first bytes choose filters, the rest is typed.
#![no_main]
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::sync::{Arc, OnceLock};
use studytime_fuzz::{feeds::keys, within};
use studytime_index::{CourseQuery, DurationBand, Facets, Facts, Index, Options, Reader, Sort};
use studytime_schema::content::Level;
use studytime_schema::{Entry, LogPosition, Message};

fuzz_target!(|data: &[u8]| {
    let reader = reader();
    within(64 << 20, || run(reader, data));
});

/// A small index, made once: courses in several scripts, with lessons.
fn reader() -> &'static Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    READER.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("studytime-fuzz-query-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let list = keys(200);
        let options = Options {
            facts: Facts {
                lists: vec![list.id()],
                ..Facts::default()
            },
            ..Options::default()
        };
        let mut index = Index::open(&dir, options).expect("an index");
        let mut entries = Vec::new();
        let mut add = |message: Message| {
            entries.push(Entry {
                position: LogPosition(entries.len() as u64 + 1),
                received: 1,
                message: Arc::new(message),
                opened_private: None,
                blob_text: None,
            });
        };
        let mut tip = None;
        for (n, (name, language, text)) in COURSES.iter().enumerate() {
            let course = keys(n as u8);
            let listed = json!({ "type": "studytime_course", "feed_id": course.id().to_bare(), "name": name,
                "language": language, "keywords": ["algebra", name], "description": text, "provider": "Some",
                "level": Level::ALL[n % 3].as_str(), "duration_minutes": n * 100, "license": "CC0-1.0" });
            let listed = Message::sign(&list, tip.as_ref(), 1, &listed, None).expect("a listing");
            tip = Some(listed.tip());
            add(listed);
            let lesson = json!({ "type": "studytime_course_lesson", "lesson_number": 1, "name": name,
                "lesson_content": format!("# {name}\n\n{text} [a link](x) & **{text}** <b>C++</b>") });
            add(Message::sign(&course, None, 1, &lesson, None).expect("a lesson"));
        }
        index.apply(&entries).expect("taken in");
        index.flush().expect("searchable");
        index.reader()
    })
}

const COURSES: [(&str, &str, &str); 8] = [
    (
        "Linear algebra",
        "en",
        "Vectors, matrices and their databases",
    ),
    ("Algèbre", "fr", "Des nombres et des lettres"),
    ("機械学習入門", "ja", "これは機械学習です"),
    ("الرياضيات", "ar", "مقدمة في الرياضيات والجبر"),
    ("हिन्दी सीखें", "hi", "हिन्दी के पाठ"),
    ("ภาษาไทยเบื้องต้น", "th", "เรียนภาษาไทย"),
    ("Modern C++", "de", "Zeiger, Zeichen und C#"),
    (
        "Programming, programmes, programmers",
        "",
        "aa aab aac aad aae aaf",
    ),
];

fn run(reader: &Reader, data: &[u8]) {
    let (options, text) = data.split_at(data.len().min(4));
    let option = |at: usize| options.get(at).copied().unwrap_or(0);
    let text = String::from_utf8_lossy(text).into_owned();
    let (bits, more) = (option(0), option(1));
    let asked = |on: bool| on.then(|| text.chars().take(20).collect::<String>());
    let query = CourseQuery {
        category: asked(bits & 1 != 0),
        subject: (bits & 2 != 0).then(|| "Algebra".to_owned()),
        language: asked(bits & 4 != 0),
        level: (bits & 8 != 0).then_some(Level::ALL[usize::from(more % 3)]),
        provider: asked(bits & 16 != 0),
        license: (bits & 32 != 0).then(|| "cc0-1.0".to_owned()),
        duration: (bits & 64 != 0).then_some(DurationBand::Short),
        list: (bits & 128 != 0).then(|| keys(more).id()),
        started: (more & 64 != 0).then_some(false),
        on_device: more & 128 != 0,
        include_deprecated: more & 32 != 0,
        sort: [
            Sort::Relevance,
            Sort::Popular,
            Sort::Newest,
            Sort::Shortest,
            Sort::Name,
        ][usize::from(more % 5)],
        offset: usize::from(option(2) >> 4),
        limit: usize::from(option(2) & 15),
        after: (option(3) & 2 != 0).then(|| keys(more % 16).id()),
        facets: option(3) & 1 == 0,
        text,
    };
    let page = reader.courses(&query).expect("an answer");
    assert_eq!(
        reader.courses(&query).expect("an answer"),
        page,
        "the same question"
    );
    assert!(page.items.len() <= query.limit && page.items.len() <= page.total);
    assert!(page.total <= COURSES.len());
    for facet in [
        &page.facets.subjects,
        &page.facets.languages,
        &page.facets.providers,
    ] {
        assert!(facet.len() <= Facets::MAX_VALUES && facet.iter().all(|f| f.count > 0));
    }
    let whole = CourseQuery {
        offset: 0,
        after: None,
        limit: CourseQuery::MAX_LIMIT,
        ..query.clone()
    };
    let whole = reader.courses(&whole).expect("an answer");
    assert_eq!(whole.items.len(), page.total, "what is counted is there");
    let part = whole.items.iter().skip(page.offset).take(query.limit);
    assert!(part.eq(&page.items), "pages neither overlap nor leave gaps");
    for card in &whole.items {
        let snippets = card.hit.iter().map(|hit| &hit.snippet).chain(&card.snippet);
        for snippet in snippets {
            assert!(snippet.parts.iter().all(|part| !part.text.is_empty()));
            assert!(snippet.plain().len() < 4_000, "a snippet is short");
        }
    }
    let limit = usize::from(option(3) >> 1);
    assert!(reader.suggest(&query.text, limit).len() <= limit);
    let said = serde_json::to_string(&query).expect("a query can be written");
    let read: CourseQuery = serde_json::from_str(&said).expect("and read");
    assert_eq!(read, query);
}
