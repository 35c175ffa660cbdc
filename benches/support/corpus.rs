//! Signed messages to work on: course feeds with made-up text, people's posts,
//! and one list that names the courses. The same bytes in every run.

use bytes::Bytes;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use studytime_schema::{BlobId, FeedId, Keypair, Message, Tip};

/// Messages of one course.
const PER_FEED: usize = 400;
/// Feeds that arrive side by side, in runs as peers send them.
const ABREAST: usize = 16;
const RUN: usize = 25;
/// Words the texts are made of.
const WORDS: usize = 20_000;

/// What the messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Every other feed a course of lessons, films and files by turns, the
    /// others people who write posts.
    Network,
    /// Nothing but courses of lessons, each about a kilobyte of text: the most
    /// that an index can be given to do.
    Lessons,
}

impl Mix {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Network => "a network's mix",
            Self::Lessons => "lessons of text alone",
        }
    }

    fn is_course(self, feed: usize) -> bool {
        self == Self::Lessons || feed.is_multiple_of(2)
    }
}

/// Messages in a file, as they would arrive.
#[derive(Debug)]
pub(crate) struct Corpus {
    path: PathBuf,
    /// How many, the list's own included.
    pub(crate) count: usize,
    /// The list that names all courses; its messages come first.
    pub(crate) list: FeedId,
    /// Bytes of one message as it is sent, on average.
    pub(crate) mean_bytes: usize,
}

/// A small generator of reproducible numbers (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// A word, frequent ones far oftener than rare ones, as in real texts.
    fn word(&mut self) -> String {
        let spread = (self.below(1 << 20) as f64 / f64::from(1 << 20)).powi(4);
        let mut n = (spread * WORDS as f64) as usize + 1;
        let mut word = String::new();
        while n > 0 {
            const SYLLABLES: [&str; 16] = [
                "ba", "de", "ko", "lu", "mi", "na", "or", "pe", "ra", "si", "ta", "ve", "wo", "en",
                "al", "ur",
            ];
            word.push_str(SYLLABLES[n % 16]);
            n /= 16;
        }
        word
    }

    fn blob(&mut self) -> String {
        let bytes: [u8; 32] = std::array::from_fn(|_| self.below(256) as u8);
        BlobId::from_bytes(bytes).to_string()
    }

    fn text(&mut self, chars: usize) -> String {
        let mut text = String::with_capacity(chars + 16);
        while text.len() < chars {
            text.push_str(&self.word());
            text.push(if self.below(12) == 0 { '.' } else { ' ' });
        }
        text
    }
}

fn keys(feed: usize) -> Keypair {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&(feed as u64).to_le_bytes());
    Keypair::from_seed(&seed)
}

fn sign(keys: &Keypair, tip: &mut Option<Tip>, content: &Value) -> String {
    let message =
        Message::sign(keys, tip.as_ref(), 1_700_000_000_000, content, None).expect("a message");
    *tip = Some(message.tip());
    message.wire().to_owned()
}

/// One feed, posts and lessons of about a kilobyte; a course begins with its
/// record of itself.
fn feed(mix: Mix, feed: usize, count: usize) -> Vec<String> {
    let keys = keys(feed);
    let mut chance = Chance(feed as u64 * 0x9e37_79b9 + 1);
    let mut tip = None;
    (0..count)
        .map(|n| {
            let content = if !mix.is_course(feed) {
                json!({ "type": "post", "text": chance.text(760) })
            } else if n == 0 {
                json!({ "type": "studytime_course", "feed_id": keys.id().to_bare(),
                        "name": chance.text(24), "description": chance.text(300) })
            } else if mix == Mix::Lessons || n % 3 == 1 {
                json!({ "type": "studytime_course_lesson", "lesson_number": n,
                        "name": chance.text(24), "lesson_content": chance.text(720) })
            } else if n % 3 == 2 {
                let captions: Vec<_> = (0..5)
                    .map(
                        |_| json!({ "link": chance.blob(), "language": "en", "kind": "subtitles" }),
                    )
                    .collect();
                json!({ "type": "studytime_course_lesson_video", "lesson_number": n - 1,
                        "name": chance.text(24), "captions": captions,
                        "sources": [{ "link": chance.blob(), "manifest": true, "size": 7_000_000,
                                      "content_type": "video/mp4", "height": 720 }] })
            } else {
                json!({ "type": "studytime_course_lesson_attachment", "lesson_number": n - 2,
                        "name": chance.text(24), "link": chance.blob(), "size": 90_000,
                        "content_type": "application/pdf", "path": chance.text(40) })
            };
            sign(&keys, &mut tip, &content)
        })
        .collect()
}

fn list(mix: Mix, feeds: usize) -> (FeedId, Vec<String>) {
    let keys = keys(usize::MAX);
    let mut chance = Chance(3);
    let mut tip = None;
    let subjects = [
        "biology",
        "physics",
        "history",
        "programming",
        "music",
        "law",
    ];
    let lines = (0..feeds)
        .filter(|feed| mix.is_course(*feed))
        .map(|feed| {
            let content = json!({ "type": "studytime_course", "feed_id": self::keys(feed).id().to_bare(),
                "name": chance.text(24), "description": chance.text(300), "language": "en",
                "keywords": [subjects[feed % subjects.len()]] });
            sign(&keys, &mut tip, &content)
        })
        .collect();
    (keys.id(), lines)
}

impl Corpus {
    /// Signs about `count` messages into a file in `dir`.
    pub(crate) fn write(dir: &Path, count: usize, mix: Mix) -> Self {
        let feeds = count.div_ceil(PER_FEED).max(ABREAST);
        let per_feed = count.div_ceil(feeds);
        let path = dir.join("messages");
        let mut file = BufWriter::new(File::create(&path).expect("a file"));
        let (mut written, mut bytes) = (0, 0);
        let mut put = |line: &str| {
            file.write_all(&(line.len() as u32).to_le_bytes())
                .expect("space");
            file.write_all(line.as_bytes()).expect("space");
            written += 1;
            bytes += line.len();
        };
        let (list, lines) = list(mix, feeds);
        lines.iter().for_each(|line| put(line));
        let all: Vec<usize> = (0..feeds).collect();
        for group in all.chunks(ABREAST) {
            let signed: Vec<Vec<String>> = std::thread::scope(|scope| {
                let threads: Vec<_> = group
                    .iter()
                    .map(|&feed| scope.spawn(move || self::feed(mix, feed, per_feed)))
                    .collect();
                threads
                    .into_iter()
                    .map(|t| t.join().expect("signed"))
                    .collect()
            });
            for run in (0..per_feed).step_by(RUN) {
                for feed in &signed {
                    feed[run..per_feed.min(run + RUN)]
                        .iter()
                        .for_each(|line| put(line));
                }
            }
        }
        file.flush().expect("space");
        Self {
            path,
            count: written,
            list,
            mean_bytes: bytes / written,
        }
    }

    /// Reads them one by one.
    pub(crate) fn read(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.path).expect("the file"));
        std::iter::from_fn(move || {
            let mut len = [0; 4];
            file.read_exact(&mut len).ok()?;
            let mut line = vec![0; u32::from_le_bytes(len) as usize];
            file.read_exact(&mut line).expect("whole messages");
            Some(Bytes::from(line))
        })
    }

    /// The author a message names, read from its text without a parser.
    pub(crate) fn author(wire: &[u8]) -> FeedId {
        let text = std::str::from_utf8(wire).expect("text");
        let at = text.find("\"author\":\"").expect("an author") + 10;
        FeedId::from_sigil(&text[at..at + 53]).expect("an author")
    }
}
