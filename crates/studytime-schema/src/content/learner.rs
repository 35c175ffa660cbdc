//! What learners write, mostly encrypted to themselves: enrolment, progress,
//! test results, notes, bookmarks, the order of their course lists.

use super::question::{Answer, MAX_QUESTIONS};
use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{FeedId, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most entries that are read of one progress message.
pub const MAX_PROGRESS_ENTRIES: usize = 500;
/// The most course lists that are read of one catalogs message.
pub const MAX_CATALOGS: usize = 256;
/// The most parts one note may have.
pub const MAX_NOTE_PARTS: u64 = 256;

/// What in a course something is about: one of its lessons or items, by identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A lesson.
    Lesson(MessageId),
    /// A video, an attachment or a test.
    Item(MessageId),
}

/// Reads `lesson` and `item`; a wrong one is a wrong required field, because
/// the statement would otherwise be about something else.
fn read_place(fields: &Fields<'_>) -> Result<(Option<MessageId>, Option<MessageId>), ContentError> {
    let one = |key: &str| match fields.get(key) {
        None => Ok(None),
        Some(_) => fields.required(key, read::message_id).map(Some),
    };
    Ok((one("lesson")?, one("item")?))
}

/// `studytime_enrolment`: a learner starts or leaves a course. Encrypted to
/// self unless the learner shows what they study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The course feed.
    pub feed_id: FeedId,
    /// Whether the learner takes the course from now on.
    pub enrolled: bool,
}

impl Enrolment {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            feed_id: fields.required("feed_id", read::feed)?,
            enrolled: fields.required("enrolled", read::boolean)?,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::ENROLMENT);
        w.feed_id(&self.feed_id);
        w.put("enrolled", self.enrolled);
        w.done()
    }
}

/// How far a learner is in one lesson or item. At least one of `lesson` and
/// `item` is there; with both, it is about the item, and says where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressEntry {
    /// The course feed.
    pub feed_id: FeedId,
    /// The lesson's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<MessageId>,
    /// The item's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<MessageId>,
    /// Where a video stands, in seconds from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_seconds: Option<u64>,
    /// How much of it is done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// `true` completes it, `false` takes that back; absent changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
}

impl ProgressEntry {
    /// An entry about a target that says nothing yet.
    pub const fn new(feed_id: FeedId, target: Target) -> Self {
        let (lesson, item) = match target {
            Target::Lesson(id) => (Some(id), None),
            Target::Item(id) => (None, Some(id)),
        };
        Self {
            feed_id,
            lesson,
            item,
            position_seconds: None,
            percent: None,
            done: None,
        }
    }

    /// What it is about; `None` when neither id is there.
    pub fn target(&self) -> Option<Target> {
        self.item
            .map(Target::Item)
            .or(self.lesson.map(Target::Lesson))
    }

    fn read(fields: &mut Fields<'_>, place: &str, value: &Value) -> Result<Self, String> {
        let Value::Object(map) = value else {
            return Err("is not an object".into());
        };
        let mut inner = Fields::inside(fields.type_name(), map, place);
        let feed_id = match map.get("feed_id") {
            Some(feed) => read::feed(feed).map_err(|e| format!("has a `feed_id` that {e}"))?,
            None => return Err("has no `feed_id`".into()),
        };
        let (lesson, item) = read_place(&inner).map_err(|e| format!("is unusable: {e}"))?;
        if lesson.is_none() && item.is_none() {
            return Err("names neither a `lesson` nor an `item`".into());
        }
        let entry = Self {
            feed_id,
            lesson,
            item,
            position_seconds: inner.optional("position_seconds", read::rounded),
            percent: inner.optional("percent", read::percent),
            done: inner.given("done", read::boolean),
        };
        fields.adopt(inner.into_dropped());
        Ok(entry)
    }

    fn write(&self) -> Value {
        let mut w = Writer::object();
        w.feed_id(&self.feed_id);
        w.opt_id("lesson", self.lesson);
        w.opt_id("item", self.item);
        w.opt("position_seconds", self.position_seconds);
        w.opt("percent", self.percent);
        w.opt("done", self.done);
        w.done()
    }
}

/// `studytime_progress`: how far a learner is. Encrypted to self.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// One entry a lesson or item; not empty.
    pub entries: Vec<ProgressEntry>,
}

impl Progress {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            entries: fields.required_list("entries", MAX_PROGRESS_ENTRIES, ProgressEntry::read)?,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::PROGRESS);
        w.list(
            "entries",
            self.entries.iter().map(ProgressEntry::write).collect(),
        );
        w.done()
    }
}

/// `studytime_test_result`: one attempt at a test. Encrypted to self.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The course feed.
    pub feed_id: FeedId,
    /// The lesson the test stands in.
    pub lesson: Option<MessageId>,
    /// The test's identity.
    pub item: MessageId,
    /// Percent of the points reached, 0 to 100, rounded down.
    pub score: u8,
    /// Whether it was passed under the pass mark of that time.
    pub passed: Option<bool>,
    /// What was answered, one a question, in the test's order; may be empty.
    pub answers: Vec<Answer>,
}

impl TestResult {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let (lesson, item) = read_place(fields)?;
        Ok(Self {
            feed_id: fields.required("feed_id", read::feed)?,
            lesson,
            item: item.ok_or_else(|| fields.missing("item"))?,
            score: fields.required("score", read::percent)?,
            passed: fields.given("passed", read::boolean),
            answers: match fields.list("answers", MAX_QUESTIONS, |_, _, v| Answer::read(v)) {
                Patch::Set(answers) => answers,
                Patch::Keep | Patch::Clear => Vec::new(),
            },
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::TEST_RESULT);
        w.feed_id(&self.feed_id);
        w.opt_id("lesson", self.lesson);
        w.id("item", self.item);
        w.put("score", self.score);
        w.opt("passed", self.passed);
        w.list(
            "answers",
            self.answers.iter().map(Answer::to_value).collect(),
        );
        w.done()
    }
}

/// `studytime_note`: a learner's note on a course, lesson or item. Encrypted
/// to self.
///
/// A note's identity is the id of its first message. A long one is split:
/// the first message says `part: 1` and `parts: n`; the others name it in
/// `note` and say `part: 2…n`. A message with `note` and `part: 1` (or none)
/// begins a new text for that note. An empty text, or `removed: true`, takes
/// the note away. Parts without `note` continue the author's last unfinished
/// note on the same target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The course feed.
    pub feed_id: FeedId,
    /// The lesson it is about.
    pub lesson: Option<MessageId>,
    /// The item it is about.
    pub item: Option<MessageId>,
    /// The note that this message continues or replaces.
    pub note: Option<MessageId>,
    /// The text of this part.
    pub text: String,
    /// Which part this is, from 1; 1 when absent.
    pub part: u64,
    /// How many parts there are; 1 when absent.
    pub parts: u64,
    /// The second of the video it belongs to.
    pub position_seconds: Option<u64>,
    /// `true` takes the note away.
    pub removed: bool,
}

impl Note {
    /// A note of one part.
    pub fn new(feed_id: FeedId, target: Option<Target>, text: impl Into<String>) -> Self {
        let (lesson, item) = match target {
            Some(Target::Lesson(id)) => (Some(id), None),
            Some(Target::Item(id)) => (None, Some(id)),
            None => (None, None),
        };
        Self {
            feed_id,
            lesson,
            item,
            note: None,
            text: text.into(),
            part: 1,
            parts: 1,
            position_seconds: None,
            removed: false,
        }
    }

    /// The same note in messages of at most `max_chars` characters of text
    /// each. Parts after the first still need `note`: the id of the message
    /// that published the first.
    pub fn split(&self, max_chars: usize) -> Vec<Self> {
        let mut texts = Vec::new();
        let mut part = String::new();
        for (i, c) in self.text.chars().enumerate() {
            if i > 0 && i % max_chars.max(1) == 0 {
                texts.push(std::mem::take(&mut part));
            }
            part.push(c);
        }
        texts.push(part);
        let parts = texts.len() as u64;
        (1..)
            .zip(texts)
            .map(|(part, text)| Self {
                text,
                part,
                parts,
                ..self.clone()
            })
            .collect()
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let feed_id = fields.required("feed_id", read::feed)?;
        let (lesson, item) = read_place(fields)?;
        let note = match fields.get("note") {
            None => None,
            Some(_) => Some(fields.required("note", read::message_id)?),
        };
        let removed = fields.given("removed", read::boolean).unwrap_or(false);
        let text = if removed && fields.get("text").is_none() {
            String::new()
        } else {
            fields.required("text", read::text)?
        };
        let count = |key: &str| match fields.get(key) {
            None => Ok(1),
            Some(_) => fields.required(key, |v| {
                read::number(v)
                    .ok()
                    .filter(|n| (1..=MAX_NOTE_PARTS).contains(n))
                    .ok_or_else(|| format!("is not a number from 1 to {MAX_NOTE_PARTS}"))
            }),
        };
        let (part, parts) = (count("part")?, count("parts")?);
        if part > parts {
            return Err(fields.wrong("part", format!("is beyond the {parts} there are")));
        }
        Ok(Self {
            feed_id,
            lesson,
            item,
            note,
            text,
            part,
            parts,
            position_seconds: fields.optional("position_seconds", read::rounded),
            removed,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::NOTE);
        w.feed_id(&self.feed_id);
        w.opt_id("lesson", self.lesson);
        w.opt_id("item", self.item);
        w.opt_id("note", self.note);
        w.put("text", self.text.as_str());
        if self.parts != 1 {
            w.put("part", self.part);
            w.put("parts", self.parts);
        }
        w.opt("position_seconds", self.position_seconds);
        w.flag("removed", self.removed);
        w.done()
    }
}

/// `studytime_bookmark`: marks a course, lesson or item, or takes that back.
/// Encrypted to self.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The course feed.
    pub feed_id: FeedId,
    /// The lesson.
    pub lesson: Option<MessageId>,
    /// The item.
    pub item: Option<MessageId>,
    /// Whether it is marked from now on; `true` when absent.
    pub bookmarked: bool,
    /// The second of the video it marks.
    pub position_seconds: Option<u64>,
}

impl Bookmark {
    /// What is marked; `None` is the course itself.
    pub fn target(&self) -> Option<Target> {
        self.item
            .map(Target::Item)
            .or(self.lesson.map(Target::Lesson))
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let feed_id = fields.required("feed_id", read::feed)?;
        let (lesson, item) = read_place(fields)?;
        let bookmarked = match fields.get("bookmarked") {
            None => true,
            Some(_) => fields.required("bookmarked", read::boolean)?,
        };
        Ok(Self {
            feed_id,
            lesson,
            item,
            bookmarked,
            position_seconds: fields.optional("position_seconds", read::rounded),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::BOOKMARK);
        w.feed_id(&self.feed_id);
        w.opt_id("lesson", self.lesson);
        w.opt_id("item", self.item);
        w.put("bookmarked", self.bookmarked);
        w.opt("position_seconds", self.position_seconds);
        w.done()
    }
}

/// `studytime_catalogs`: the learner's course lists, most trusted first.
/// Encrypted to self. The latest one counts; an empty one means no lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogs {
    /// The list feeds; `catalogs` in the JSON. A feed is named once.
    pub lists: Vec<FeedId>,
}

impl Catalogs {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        if matches!(fields.get("catalogs"), Some(Value::Array(list)) if list.is_empty()) {
            return Ok(Self { lists: Vec::new() });
        }
        let mut lists: Vec<FeedId> = Vec::new();
        fields.required_list("catalogs", MAX_CATALOGS, |_, _, value| {
            let feed = read::feed(value.get("feed_id").unwrap_or(value))?;
            if !lists.contains(&feed) {
                lists.push(feed);
            }
            Ok(())
        })?;
        Ok(Self { lists })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::CATALOGS);
        let lists: Vec<Value> = self.lists.iter().map(|f| f.to_string().into()).collect();
        w.put("catalogs", lists);
        w.done()
    }
}
