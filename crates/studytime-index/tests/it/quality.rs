//! Search as people do it, on a catalogue of five thousand courses: whatever
//! way a word is typed, courses are found, and those that are named so come
//! first.
//!
//! The catalogue is made here by rule, from a fixed seed: 80 topics in seven
//! languages and three levels, each course of twelve paragraphs of made-up words,
//! as unevenly frequent as real ones, and mentions of other topics. It holds
//! nobody's text and may be used like the code.

use crate::world::*;
use serde_json::json;
use std::sync::OnceLock;
use studytime_index::{CourseQuery, Reader, SuggestionKind};

/// By subject; what stands in the texts is the plural, where there is one.
const TOPICS: [[&str; 10]; 8] = [
    [
        "Algebra",
        "Geometry",
        "Calculus",
        "Statistics",
        "Topology",
        "Arithmetic",
        "Trigonometry",
        "Logic",
        "Probability",
        "Optimisation",
    ],
    [
        "Cryptography",
        "Database",
        "Compiler",
        "Network",
        "Algorithm",
        "Robotics",
        "Graphics",
        "Distributed Systems",
        "Simulation",
        "Testing",
    ],
    [
        "Mechanics",
        "Optics",
        "Thermodynamics",
        "Relativity",
        "Acoustics",
        "Magnetism",
        "Astronomy",
        "Electronics",
        "Hydraulics",
        "Energy",
    ],
    [
        "Botany",
        "Zoology",
        "Genetics",
        "Ecology",
        "Anatomy",
        "Evolution",
        "Microbes",
        "Nutrition",
        "Farming",
        "Forestry",
    ],
    [
        "Antiquity",
        "Empires",
        "Revolutions",
        "Archives",
        "Migration",
        "Trade",
        "Railways",
        "Printing",
        "Medicine",
        "Cities",
    ],
    [
        "Grammar",
        "Spelling",
        "Phonetics",
        "Translation",
        "Reading",
        "Writing",
        "Poetry",
        "Rhetoric",
        "Dialogue",
        "Dictation",
    ],
    [
        "Harmony",
        "Rhythm",
        "Guitar",
        "Piano",
        "Singing",
        "Composition",
        "Recording",
        "Notation",
        "Drumming",
        "Orchestra",
    ],
    [
        "Accounting",
        "Marketing",
        "Finance",
        "Management",
        "Law",
        "Insurance",
        "Taxation",
        "Logistics",
        "Negotiation",
        "Planning",
    ],
];
const LANGUAGES: [(&str, &str); 7] = [
    ("English", "en"),
    ("French", "fr"),
    ("Swahili", "sw"),
    ("Spanish", "es"),
    ("Portuguese", "pt"),
    ("German", "de"),
    ("Hindi", "hi"),
];
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];
const PROVIDERS: [&str; 6] = [
    "Open Campus",
    "Village School",
    "Night University",
    "Maker House",
    "Radio Academy",
    "Old Library",
];
const COURSES: usize = 5_000;

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    /// By Zipf's law: the word of rank `n` is `n` times rarer than the first.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 20] = [
            "ba", "de", "ko", "lu", "mi", "na", "or", "pe", "ra", "si", "ta", "ve", "wo", "en",
            "zu", "ur", "fi", "go", "ha", "je",
        ];
        let u = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let mut n = 20_000_f64.powf(u) as usize * 31;
        let mut word = String::new();
        while n > 0 {
            word.push_str(SYLLABLES[n % 20]);
            n /= 20;
        }
        word
    }
}

fn catalogue() -> World {
    let mut w = World::default();
    let mut chance = Chance(42);
    for n in 0..COURSES {
        let subject = n % 8;
        let topic = TOPICS[subject][n / 8 % 10];
        let (language, tag) = LANGUAGES[n / 80 % 7];
        let level = LEVELS[n / 560 % 3];
        // Optimisation is told about by way of algebra, and so on.
        let other = TOPICS[subject][(n / 8 + 1) % 10].to_lowercase();
        let course = format!("course {n}");
        let more = json!({
            "description": format!("A {level} course. It builds on {other} and on {other} again."),
            "keywords": [TOPICS[subject][0]], "language": tag, "level": level, "provider": PROVIDERS[chance.below(6)],
        });
        w.list(
            "list",
            &course,
            &format!("{topic} {} in {language}", n / 1_680 + 1),
            more,
        );
        let paragraphs: Vec<String> = (0..12)
            .map(|_| {
                let mut words: Vec<String> = (0..70).map(|_| chance.word()).collect();
                words[chance.below(70)] = format!("{}s", topic.to_lowercase());
                words[chance.below(70)] = other.clone();
                words.join(" ")
            })
            .collect();
        w.lesson(
            &course,
            1,
            "All of it",
            json!({"lesson_content": paragraphs.join("\n\n")}),
        );
    }
    w
}

fn reader() -> &'static Reader {
    // A reader goes on when the writer is gone.
    static HELD: OnceLock<(Reader, tempfile::TempDir)> = OnceLock::new();
    let (reader, _) = HELD.get_or_init(|| {
        let held = held(&catalogue(), facts(&[], &["list"]));
        (held.reader, held.dir)
    });
    reader
}

/// The names of the first twenty, and how many there are in all.
fn search(text: &str) -> (Vec<String>, usize) {
    let page = reader().courses(&CourseQuery::text(text)).unwrap();
    (page.items.into_iter().map(|c| c.name).collect(), page.total)
}

#[test]
fn every_way_of_typing_a_word_finds_what_is_named_so_first() {
    // What people typed into two other programs, which found nothing for some.
    for (typed, in_name) in [
        ("cryptography", "Cryptography"),
        ("Cryptography", "Cryptography"),
        ("cryptogr", "Cryptography"),
        ("cryptograhpy", "Cryptography"),
        ("database", "Database"),
        ("databases", "Database"),
        ("swahili beginner", "Swahili"),
        ("Swahílí", "Swahili"),
        ("algebra", "Algebra"),
        ("ALGEBRA swahili", "Algebra"),
        ("cities in french", "Cities"),
        ("city", "Cities"),
        ("distributed system", "Distributed Systems"),
    ] {
        let (names, total) = search(typed);
        assert!(total > 0, "{typed}: nothing");
        let with = |name: &String| name.contains(in_name);
        let first = names.iter().take(8).all(with);
        assert!(first, "{typed}: {names:?}");
    }
}

#[test]
fn one_letter_searches_names() {
    let (names, total) = search("c");
    assert!(total > 0);
    let begins = |name: &String| name.split(' ').any(|word| word.starts_with(['C', 'c']));
    assert!(names.iter().all(begins), "{names:?}");
}

#[test]
fn texts_of_lessons_are_searched_and_lead_to_the_lesson() {
    let page = reader()
        .courses(&CourseQuery::text("cryptographys"))
        .unwrap();
    let hit = page.items.iter().find_map(|c| c.hit.as_ref()).unwrap();
    assert_eq!((hit.lesson_number, hit.name.as_str()), (1, "All of it"));
    assert!(
        hit.snippet
            .parts
            .iter()
            .any(|p| p.hit && p.text.starts_with("cryptography"))
    );
    assert!(hit.snippet.plain().len() < 400);
}

#[test]
fn facets_belong_to_the_result() {
    let page = reader().courses(&CourseQuery::text("swahili")).unwrap();
    assert!(page.total >= 600, "{}", page.total);
    let of = |facet: &[studytime_index::FacetCount]| facet.iter().map(|f| f.count).sum::<usize>();
    assert_eq!(page.facets.languages.len(), 1);
    assert_eq!(of(&page.facets.levels), page.total);
    assert_eq!(page.facets.levels.len(), 3);
    assert_eq!(of(&page.facets.providers), page.total);
}

#[test]
fn suggestions_come_with_every_letter() {
    for typed in ["c", "cr", "cryp", "cryptograph"] {
        let found = reader().suggest(typed, 8);
        assert_eq!(found.len(), 8, "{typed}");
        let starts = |text: &str| text.split(' ').any(|w| w.to_lowercase().starts_with(typed));
        assert!(found.iter().all(|s| starts(&s.text)), "{typed}: {found:?}");
    }
    let kinds: Vec<_> = reader()
        .suggest("algeb", 8)
        .into_iter()
        .map(|s| s.kind)
        .collect();
    assert!(kinds.contains(&SuggestionKind::Course) && kinds.contains(&SuggestionKind::Subject));
}
