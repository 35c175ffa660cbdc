//! A catalogue to search in: courses of 80 topics in seven languages, with
//! lessons of made-up text whose words are as unevenly frequent as real ones
//! (Zipf's law), on four lists that overlap, and learners who say in public what
//! they study. The same bytes in every run; nobody's text is in it.
//!
//! Beside the topics, which are searched for by name, words come from a
//! vocabulary of [`VOCABULARY`] made-up ones: the one of rank `n` is `n` times
//! rarer than the first. So an average word of a text is in a good part of all
//! documents, which is the hard case for a search.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use studytime_schema::{Entry, FeedId, Keypair, LogPosition, Message, Tip};

/// Changes whenever the same sizes give other bytes.
const EDITION: u32 = 1;
/// Made-up words.
pub(crate) const VOCABULARY: usize = 40_000;
const LISTS: usize = 4;
/// People who study in public, and how many of them the user knows.
const LEARNERS: usize = 2_000;
pub(crate) const KNOWN: usize = 400;
const TIME: u64 = 1_700_000_000_000;

/// Subjects as their keywords name them, with their topics.
pub(crate) const TOPICS: [(&str, [&str; 10]); 8] = [
    (
        "mathematics",
        [
            "algebra",
            "geometry",
            "calculus",
            "statistics",
            "topology",
            "arithmetic",
            "trigonometry",
            "logic",
            "probability",
            "optimisation",
        ],
    ),
    (
        "computer science",
        [
            "cryptography",
            "database",
            "compilers",
            "networking",
            "algorithms",
            "rust",
            "graphics",
            "security",
            "robotics",
            "testing",
        ],
    ),
    (
        "physics",
        [
            "mechanics",
            "optics",
            "thermodynamics",
            "relativity",
            "acoustics",
            "magnetism",
            "astronomy",
            "electronics",
            "waves",
            "energy",
        ],
    ),
    (
        "biology",
        [
            "botany",
            "zoology",
            "genetics",
            "ecology",
            "anatomy",
            "evolution",
            "microbes",
            "nutrition",
            "farming",
            "forestry",
        ],
    ),
    (
        "history",
        [
            "antiquity",
            "empires",
            "revolutions",
            "archives",
            "migration",
            "trade",
            "railways",
            "printing",
            "medicine",
            "cities",
        ],
    ),
    (
        "languages",
        [
            "grammar",
            "spelling",
            "phonetics",
            "translation",
            "reading",
            "writing",
            "poetry",
            "rhetoric",
            "dialogue",
            "dictation",
        ],
    ),
    (
        "music",
        [
            "harmony",
            "rhythm",
            "guitar",
            "piano",
            "singing",
            "composition",
            "recording",
            "notation",
            "drums",
            "orchestra",
        ],
    ),
    (
        "business",
        [
            "accounting",
            "marketing",
            "finance",
            "management",
            "law",
            "insurance",
            "taxes",
            "logistics",
            "negotiation",
            "planning",
        ],
    ),
];
pub(crate) const LANGUAGES: [(&str, &str); 7] = [
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

/// Numbers by rule (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A word of the vocabulary, by Zipf's law.
    pub(crate) fn word(&mut self) -> String {
        let u = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        word((VOCABULARY as f64).powf(u) as usize)
    }

    fn text(&mut self, words: usize) -> String {
        let mut text = String::with_capacity(words * 8);
        for at in 0..words {
            if at > 0 {
                text.push_str(if self.below(14) == 0 { ". " } else { " " });
            }
            text.push_str(&self.word());
        }
        text
    }
}

/// The word of this rank: of two letters on, longer ones rarer.
pub(crate) fn word(rank: usize) -> String {
    const STARTS: [&str; 14] = [
        "b", "c", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v",
    ];
    const ENDS: [&str; 12] = [
        "a", "e", "i", "o", "u", "an", "en", "ir", "os", "ul", "at", "em",
    ];
    // Scattered, so that words of one beginning are of all frequencies.
    let mut n = rank.wrapping_mul(48_271) % 99_991 + 1;
    let mut word = String::new();
    while n > 0 {
        word.push_str(STARTS[n % 14]);
        word.push_str(ENDS[n / 14 % 12]);
        n /= 168;
    }
    word
}

fn keys(kind: u8, number: usize) -> Keypair {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Keypair::from_seed(&seed)
}

fn sign(keys: &Keypair, tip: &mut Option<Tip>, content: &Value) -> String {
    let message = Message::sign(keys, tip.as_ref(), TIME, content, None).expect("a message");
    *tip = Some(message.tip());
    message.wire().to_owned()
}

/// What a list says of the course of this number.
fn listing(number: usize, list: usize) -> Value {
    let (subject, topics) = TOPICS[number % TOPICS.len()];
    let topic = topics[number / TOPICS.len() % topics.len()];
    let (language, tag) = LANGUAGES[number / 80 % LANGUAGES.len()];
    let level = LEVELS[number / 560 % LEVELS.len()];
    let mut chance = Chance((number as u64) << 20 | list as u64);
    let mut letters = topic.chars();
    let title: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    json!({
        "type": "studytime_course", "feed_id": keys(1, number).id().to_bare(),
        "name": format!("{title} in {language}: {} {}", chance.word(), chance.word()),
        "description": format!("A {level} course on {topic}. {}", chance.text(45)),
        "keywords": [subject, topic, level], "language": tag, "level": level,
        "duration_minutes": 20 + chance.below(1_500), "provider": PROVIDERS[chance.below(6)],
        "license": (["CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"][chance.below(3)]),
    })
}

fn lesson(course: usize, number: usize) -> Value {
    let topics = TOPICS[course % TOPICS.len()].1;
    let topic = topics[course / TOPICS.len() % topics.len()];
    let mut chance = Chance((course as u64) << 24 | (number as u64) << 4 | 9);
    json!({
        "type": "studytime_course_lesson", "lesson_number": number,
        "name": format!("{} {} {topic}", chance.word(), chance.word()),
        "lesson_content": chance.text(80),
    })
}

/// The messages in a file, and who is who.
#[derive(Debug)]
pub(crate) struct Catalog {
    path: PathBuf,
    pub(crate) courses: usize,
    pub(crate) lessons: usize,
    pub(crate) lists: Vec<FeedId>,
    /// Learners whom the user knows.
    pub(crate) known: Vec<FeedId>,
}

impl Catalog {
    /// So many courses and lessons, from a file in `dir` that an earlier run
    /// left there, or signed now.
    pub(crate) fn get(dir: &Path, courses: usize, lessons: usize) -> Self {
        let path = dir.join(format!("catalog-{EDITION}-{courses}-{lessons}"));
        if !path.exists() {
            let temporary = path.with_extension("part");
            write(&temporary, courses, lessons);
            std::fs::rename(&temporary, &path).expect("a file");
        }
        Self {
            path,
            courses,
            lessons,
            lists: (0..LISTS).map(|n| keys(2, n).id()).collect(),
            known: (0..KNOWN).map(|n| keys(3, n).id()).collect(),
        }
    }

    /// Reads the messages, as from a log that holds verified ones.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + use<> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.path).expect("the file"));
        let mut position = 0;
        std::iter::from_fn(move || {
            let mut len = [0; 4];
            file.read_exact(&mut len).ok()?;
            let mut line = vec![0; u32::from_le_bytes(len) as usize];
            file.read_exact(&mut line).expect("whole messages");
            position += 1;
            Some(Entry {
                position: LogPosition(position),
                received: TIME,
                message: Arc::new(Message::from_log(&line).expect("a message")),
                opened_private: None,
                blob_text: None,
            })
        })
    }

    /// A list of the user's whose messages are written while a bench runs.
    pub(crate) fn live(&self) -> Live {
        Live {
            keys: keys(4, 0),
            tip: None,
        }
    }
}

/// A list that writes now.
#[derive(Debug)]
pub(crate) struct Live {
    keys: Keypair,
    tip: Option<Tip>,
}

impl Live {
    pub(crate) fn id(&self) -> FeedId {
        self.keys.id()
    }

    /// Its next message: it names one more course.
    pub(crate) fn names(&mut self, number: usize, name: &str) -> Arc<Message> {
        let content = json!({ "type": "studytime_course", "feed_id": keys(5, number).id().to_bare(),
            "name": name, "keywords": ["mathematics"], "language": "en" });
        let line = sign(&self.keys, &mut self.tip, &content);
        Arc::new(Message::from_log(line.as_bytes()).expect("a message"))
    }
}

fn write(path: &Path, courses: usize, lessons: usize) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let mut put = |line: &str| {
        file.write_all(&(line.len() as u32).to_le_bytes())
            .expect("space");
        file.write_all(line.as_bytes()).expect("space");
    };
    // A list names what falls to it, and every tenth of the next one's.
    let lists: Vec<Vec<String>> = at_once(0..LISTS, |list| {
        let keys = keys(2, list);
        let mut tip = None;
        (0..courses)
            .filter(|n| {
                n % LISTS == list
                    || (n % LISTS == (list + 1) % LISTS && (n / LISTS).is_multiple_of(10))
            })
            .map(|n| sign(&keys, &mut tip, &listing(n, list)))
            .collect()
    });
    lists.iter().flatten().for_each(|line| put(line));
    let learners = at_once(0..LEARNERS, |learner| {
        let keys = keys(3, learner);
        let mut chance = Chance(learner as u64 + 77);
        let mut tip = None;
        (0..5)
            .map(|_| {
                // Some courses have very many learners, most have none.
                let u = chance.below(1 << 20) as f64 / f64::from(1 << 20);
                let course = ((courses as f64).powf(u) as usize).min(courses - 1);
                let content = json!({ "type": "studytime_enrolment", "enrolled": true,
                    "feed_id": self::keys(1, course).id().to_bare() });
                sign(&keys, &mut tip, &content)
            })
            .collect::<Vec<_>>()
    });
    learners.iter().flatten().for_each(|line| put(line));
    for some in (0..courses).step_by(1_000) {
        let feeds = at_once(some..courses.min(some + 1_000), |course| {
            let keys = keys(1, course);
            let mut tip = None;
            // Shared out evenly, the first courses one more.
            let count = lessons / courses + usize::from(course < lessons % courses);
            (1..=count)
                .map(|n| sign(&keys, &mut tip, &lesson(course, n)))
                .collect::<Vec<_>>()
        });
        feeds.iter().flatten().for_each(|line| put(line));
    }
    file.flush().expect("space");
}

/// Does all on as many threads as the machine runs; results in their order.
fn at_once<T: Send>(range: std::ops::Range<usize>, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let all: Vec<usize> = range.collect();
    let share = all.len().div_ceil(super::cores()).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = all
            .chunks(share)
            .map(|some| scope.spawn(|| some.iter().map(|n| work(*n)).collect::<Vec<T>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().expect("done"))
            .collect()
    })
}
