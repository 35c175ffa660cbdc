//! Feeds of unsigned messages, and a catalog that routes them to states, for
//! the tests of the folding rules.
#![allow(dead_code, reason = "each test file uses a part")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use studytime_schema::content::Content;
use studytime_schema::fold::{CourseBody, Effect, Ignored, Input, LearnerState, Listing, Step};
use studytime_schema::view::CourseRecord;
use studytime_schema::{BlobId, FeedId, MessageId};

pub(crate) fn feed(n: u8) -> FeedId {
    FeedId::from_bytes([n; 32])
}

pub(crate) fn blob(n: u8) -> BlobId {
    BlobId::from_bytes([n; 32])
}

pub(crate) fn message(n: u8) -> MessageId {
    MessageId::from_bytes([n; 32])
}

/// A message as the rules see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Msg {
    pub(crate) feed: FeedId,
    pub(crate) sequence: u64,
    pub(crate) id: MessageId,
    pub(crate) time: u64,
    pub(crate) content: String,
    pub(crate) private: bool,
}

impl<'a> From<&'a Msg> for Input<'a> {
    fn from(msg: &'a Msg) -> Self {
        Input {
            feed: msg.feed,
            sequence: msg.sequence,
            id: msg.id,
            timestamp: msg.time as f64,
            content: Some(&msg.content),
            private: msg.private,
        }
    }
}

/// A feed being written.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) feed: FeedId,
    pub(crate) log: Vec<Msg>,
}

impl Author {
    pub(crate) fn new(n: u8) -> Self {
        Self {
            feed: feed(n),
            log: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self, content: impl Into<Content>) -> MessageId {
        self.say_json(content.into().to_value())
    }

    pub(crate) fn say_json(&mut self, content: Value) -> MessageId {
        let time = 1_000 * (self.log.len() as u64 + 1);
        self.say_at(content, time)
    }

    pub(crate) fn say_at(&mut self, content: Value, time: u64) -> MessageId {
        let sequence = self.log.len() as u64 + 1;
        let id = MessageId::from_bytes(
            *BlobId::of(format!("{} {sequence}", self.feed).as_bytes()).as_bytes(),
        );
        self.log.push(Msg {
            feed: self.feed,
            sequence,
            id,
            time,
            content: content.to_string(),
            private: false,
        });
        id
    }

    pub(crate) fn body(&self) -> (CourseBody, Vec<Ignored>) {
        let mut body = CourseBody::new(self.feed);
        let ignored = self.log.iter().flat_map(|m| body.apply(m)).collect();
        (body, ignored)
    }

    pub(crate) fn listing(&self, course: FeedId) -> (Listing, Vec<Ignored>) {
        let mut listing = Listing::new(self.feed, course);
        let ignored = self.log.iter().flat_map(|m| listing.apply(m)).collect();
        (listing, ignored)
    }

    pub(crate) fn learner(&self) -> (LearnerState, Vec<Ignored>) {
        let mut state = LearnerState::new();
        let ignored = self.log.iter().flat_map(|m| state.apply(m)).collect();
        (state, ignored)
    }
}

pub(crate) fn course(feed: FeedId, name: &str, more: Value) -> Value {
    typed(
        "studytime_course",
        json!({"feed_id": feed, "name": name}),
        more,
    )
}

pub(crate) fn course_update(feed: FeedId, more: Value) -> Value {
    typed("studytime_course_update", json!({"feed_id": feed}), more)
}

pub(crate) fn lesson(number: u64, name: &str, more: Value) -> Value {
    typed(
        "studytime_course_lesson",
        json!({"lesson_number": number, "name": name}),
        more,
    )
}

pub(crate) fn lesson_update(more: Value) -> Value {
    typed("studytime_course_lesson_update", json!({}), more)
}

pub(crate) fn attachment(number: u64, name: &str, link: BlobId) -> Value {
    typed(
        "studytime_course_lesson_attachment",
        json!({"lesson_number": number, "name": name, "link": link}),
        json!({}),
    )
}

pub(crate) fn video(number: u64, name: &str, link: BlobId) -> Value {
    typed(
        "studytime_course_lesson_video",
        json!({"lesson_number": number, "name": name, "sources": [link]}),
        json!({}),
    )
}

pub(crate) fn test(number: u64, name: &str, more: Value) -> Value {
    typed(
        "studytime_course_test",
        json!({"lesson_number": number, "name": name, "questions": [
            {"kind": "true_false", "question": "Is it?", "answer": true}
        ]}),
        more,
    )
}

pub(crate) fn item_update(item: MessageId, more: Value) -> Value {
    typed("studytime_course_item_update", json!({"item": item}), more)
}

pub(crate) fn typed(name: &str, mut base: Value, more: Value) -> Value {
    let map = base.as_object_mut().unwrap();
    map.insert("type".into(), name.into());
    map.extend(more.as_object().unwrap().clone());
    base
}

/// All states, routed as a catalog routes them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct World {
    pub(crate) listings: BTreeMap<(FeedId, FeedId), Listing>,
    pub(crate) bodies: BTreeMap<FeedId, CourseBody>,
    pub(crate) learner: LearnerState,
}

impl World {
    pub(crate) fn apply(&mut self, msg: &Msg) -> Vec<Ignored> {
        let step = match Step::read(msg) {
            Ok(Some(step)) => step,
            Ok(None) => return Vec::new(),
            Err(ignored) => return vec![*ignored],
        };
        match step.effect() {
            Effect::Listing { course } => self.list(&step, course),
            Effect::OwnRecord => {
                let mut reports = self.body(&step);
                reports.extend(self.list(&step, step.feed));
                reports
            }
            Effect::Body => self.body(&step),
            Effect::Learner => self.learner.apply_step(&step),
            _ => Vec::new(),
        }
    }

    fn list(&mut self, step: &Step, course: FeedId) -> Vec<Ignored> {
        self.listings
            .entry((step.feed, course))
            .or_insert_with(|| Listing::new(step.feed, course))
            .apply_step(step)
    }

    fn body(&mut self, step: &Step) -> Vec<Ignored> {
        self.bodies
            .entry(step.feed)
            .or_insert_with(|| CourseBody::new(step.feed))
            .apply_step(step)
    }

    /// Stores every state as JSON and reads it back.
    pub(crate) fn stored(&self) -> Self {
        fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
            serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
        }
        Self {
            listings: self.listings.iter().map(|(k, v)| (*k, again(v))).collect(),
            bodies: self.bodies.iter().map(|(k, v)| (*k, again(v))).collect(),
            learner: again(&self.learner),
        }
    }

    pub(crate) fn record(&self, course: FeedId, lists: &[FeedId]) -> Option<CourseRecord> {
        let rows: Vec<(FeedId, &Listing)> = lists
            .iter()
            .filter_map(|list| Some((*list, self.listings.get(&(*list, course))?)))
            .collect();
        let own = self.bodies.get(&course).and_then(CourseBody::own);
        studytime_schema::fold::merge_course(course, &rows, own)
    }
}
