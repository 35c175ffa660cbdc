//! Feeds that write real messages, and an index that reads them.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use studytime_index::{
    BytesHere, Changes, CourseCard, CourseQuery, Facts, Index, Options, Presence, Reader,
};
use studytime_schema::private::{Randomness, seal};
use studytime_schema::{BlobId, Entry, FeedId, Keypair, LogPosition, Message, MessageId, Tip};

/// Arrival time of everything: later than any message was written.
pub(crate) const NOW: u64 = 1_800_000_000_000;

struct Feed {
    keys: Keypair,
    tip: Option<Tip>,
    clock: u64,
}

/// Feeds by name, and the log their messages went into.
#[derive(Default)]
pub(crate) struct World {
    feeds: BTreeMap<String, Feed>,
    pub(crate) log: Vec<Entry>,
}

fn keys(name: &str) -> Keypair {
    let mut seed = [0; 32];
    for (at, byte) in name.bytes().enumerate() {
        seed[at % 32] ^= byte.wrapping_add(at as u8);
    }
    Keypair::from_seed(&seed)
}

pub(crate) fn id(name: &str) -> FeedId {
    keys(name).id()
}

pub(crate) fn blob(name: &str) -> BlobId {
    BlobId::of(name.as_bytes())
}

impl World {
    fn feed(&mut self, name: &str) -> &mut Feed {
        self.feeds.entry(name.to_owned()).or_insert_with(|| Feed {
            keys: keys(name),
            tip: None,
            clock: 1_700_000_000_000,
        })
    }

    fn append(&mut self, name: &str, message: Message, opened: Option<String>) -> MessageId {
        let id = message.id();
        self.feed(name).tip = Some(message.tip());
        let position = LogPosition(self.log.len() as u64 + 1);
        self.log.push(Entry {
            position,
            received: NOW,
            message: Arc::new(message),
            opened_private: opened.map(Into::into),
            blob_text: None,
        });
        id
    }

    /// A public message of a feed.
    pub(crate) fn say(&mut self, name: &str, content: Value) -> MessageId {
        let feed = self.feed(name);
        feed.clock += 60_000;
        let message =
            Message::sign(&feed.keys, feed.tip.as_ref(), feed.clock, &content, None).unwrap();
        self.append(name, message, None)
    }

    /// A message of a feed encrypted to itself, which is opened here.
    pub(crate) fn whisper(&mut self, name: &str, content: Value) -> MessageId {
        let feed = self.feed(name);
        feed.clock += 60_000;
        let random = Randomness {
            nonce: [1; 24],
            key: [2; 32],
            onetime: [3; 32],
        };
        let text = content.to_string();
        let boxed = seal(text.as_bytes(), &[feed.keys.id()], &random).unwrap();
        let message =
            Message::sign_private(&feed.keys, feed.tip.as_ref(), feed.clock, &boxed, None).unwrap();
        self.append(name, message, Some(text))
    }

    pub(crate) fn about(&mut self, name: &str, called: &str) {
        let about = id(name).to_string();
        self.say(
            name,
            json!({"type": "about", "about": about, "name": called}),
        );
    }

    /// `list` lists a course, with more fields.
    pub(crate) fn list(
        &mut self,
        list: &str,
        course: &str,
        called: &str,
        more: Value,
    ) -> MessageId {
        let mut content =
            json!({"type": "studytime_course", "feed_id": id(course).to_bare(), "name": called});
        merge(&mut content, more);
        self.say(list, content)
    }

    pub(crate) fn update(&mut self, list: &str, course: &str, fields: Value) {
        let mut content =
            json!({"type": "studytime_course_update", "feed_id": id(course).to_bare()});
        merge(&mut content, fields);
        self.say(list, content);
    }

    pub(crate) fn lesson(
        &mut self,
        course: &str,
        number: u64,
        called: &str,
        more: Value,
    ) -> MessageId {
        let mut content =
            json!({"type": "studytime_course_lesson", "lesson_number": number, "name": called});
        merge(&mut content, more);
        self.say(course, content)
    }

    pub(crate) fn enrol(&mut self, learner: &str, course: &str, public: bool) {
        let content = json!({"type": "studytime_enrolment", "feed_id": id(course).to_bare(), "enrolled": true});
        if public {
            self.say(learner, content);
        } else {
            self.whisper(learner, content);
        }
    }
}

pub(crate) fn merge(content: &mut Value, more: Value) {
    if let (Value::Object(content), Value::Object(more)) = (content, more) {
        content.extend(more);
    }
}

pub(crate) fn facts(own: &[&str], lists: &[&str]) -> Facts {
    Facts {
        own: own.iter().map(|n| id(n)).collect(),
        lists: lists.iter().map(|n| id(n)).collect(),
        ..Facts::default()
    }
}

/// A look-up that has these blobs, whole, of ten bytes each.
pub(crate) fn having(blobs: &[BlobId]) -> BytesHere {
    let blobs = blobs.to_vec();
    BytesHere::new(move |blob, _| {
        let here = blobs.contains(blob);
        Presence {
            bytes: if here { 10 } else { 0 },
            complete: here,
        }
    })
}

pub(crate) fn open(dir: &Path, facts: Facts) -> Index {
    let options = Options {
        facts,
        ..Options::default()
    };
    Index::open(dir, options).unwrap()
}

/// Applies the whole log in batches, and makes it searchable.
pub(crate) fn feed(index: &mut Index, log: &[Entry], batch: usize) -> Changes {
    let mut changes = Changes::default();
    for entries in log.chunks(batch.max(1)) {
        changes.merge(index.apply(entries).unwrap());
    }
    changes.merge(index.flush().unwrap());
    changes
}

/// An index of a world, in a folder that lives as long as it.
pub(crate) struct Held {
    pub(crate) index: Index,
    pub(crate) reader: Reader,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn held(world: &World, facts: Facts) -> Held {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path(), facts);
    feed(&mut index, &world.log, 1000);
    let reader = index.reader();
    Held { index, reader, dir }
}

pub(crate) fn cards(reader: &Reader, query: &CourseQuery) -> Vec<CourseCard> {
    reader.courses(query).unwrap().items
}

pub(crate) fn names(reader: &Reader, query: &CourseQuery) -> Vec<String> {
    cards(reader, query).into_iter().map(|c| c.name).collect()
}

/// Everything a reader can tell about these feeds, as one value to compare.
pub(crate) fn everything(reader: &Reader, feeds: &[FeedId], words: &[&str]) -> Value {
    let all = CourseQuery {
        include_deprecated: true,
        limit: CourseQuery::MAX_LIMIT,
        ..CourseQuery::default()
    };
    let found: Vec<Value> = words
        .iter()
        .map(|word| {
            let query = CourseQuery {
                text: (*word).to_owned(),
                ..all.clone()
            };
            // Scores depend on how the text happens to be split in segments.
            let mut page = reader.courses(&query).unwrap();
            page.items.sort_by_key(|c| c.feed_id);
            json!(page)
        })
        .collect();
    let details: Vec<Value> = feeds
        .iter()
        .map(|feed| {
            json!({
                "course": reader.course(feed).unwrap(),
                "outline": reader.outline(feed).unwrap(),
                "lessons": (0..6).map(|n| reader.lesson(feed, n).unwrap()).collect::<Vec<_>>(),
                "needed": reader.needed_blobs(feed).unwrap(),
                "about": reader.about(feed).unwrap(),
                "problems": reader.problems(feed).unwrap(),
            })
        })
        .collect();
    let mut texts = reader.text_blobs_needed().unwrap();
    texts.sort();
    json!({
        "courses": reader.courses(&all).unwrap(),
        "current": reader.courses(&CourseQuery::default()).unwrap(),
        "found": found,
        "details": details,
        "lists": reader.lists().unwrap(),
        "listed": reader.listed_courses(),
        "subjects": reader.subjects(),
        "learner": reader.learner().unwrap(),
        "texts": texts,
        "suggest": reader.suggest("a", 10),
    })
}

/// Two lists that share a course, and the course itself.
pub(crate) fn two_lists() -> World {
    let mut w = World::default();
    w.about("list one", "First list");
    w.list(
        "list one",
        "algebra",
        "Algebra",
        json!({"keywords": ["algebra"], "language": "en-GB", "level": "beginner", "duration_minutes": 90, "license": "MIT"}),
    );
    w.list(
        "list one",
        "rust",
        "Rust",
        json!({"keywords": ["programming"], "provider": "Oxide"}),
    );
    w.list(
        "list two",
        "algebra",
        "Algebra, second description",
        json!({"description": "From the second list.", "provider": "Two"}),
    );
    w.list(
        "list two",
        "physics",
        "Physics",
        json!({"keywords": ["physics"], "language": "fr"}),
    );
    w.list(
        "algebra",
        "algebra",
        "Own name",
        json!({"source_url": "https://own.example/"}),
    );
    w.lesson(
        "algebra",
        1,
        "Numbers",
        json!({"lesson_content": "Numbers **count**.", "section": "Start"}),
    );
    w.lesson(
        "algebra",
        2,
        "Letters",
        json!({"lesson_content_blob": blob("letters").to_string()}),
    );
    w
}
