//! The content of StudyTime's messages, one type each.
//!
//! Reading is liberal: [`Content::parse`] accepts a feed id with or without
//! `@` and a blob id written `&…` or `%…`, ignores fields it does not know, drops
//! optional fields that are wrong and says so. Only a wrong required field
//! makes a message unusable. Writing is strict: [`Content::to_value`] writes
//! whole numbers, each id in one spelling, and leaves empty fields out.
//!
//! ```
//! use studytime_schema::content::{Content, Course};
//!
//! let json = r#"{"type":"studytime_course","name":"Mosses","level":"hard",
//!     "feed_id":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.ed25519"}"#;
//! let parsed = Content::parse(json)?;
//! assert!(matches!(parsed.content, Content::Course(Course { ref name, .. }) if name == "Mosses"));
//! assert_eq!(parsed.dropped[0].field, "level");
//! # Ok::<(), studytime_schema::content::ContentError>(())
//! ```

mod attachment;
mod course;
mod error;
mod grade;
mod item_update;
mod learner;
mod lesson;
mod links;
mod patch;
mod question;
mod read;
mod size;
mod social;
mod test;
mod video;
mod write;

pub use attachment::Attachment;
pub use course::{
    Course, CourseFields, CourseUpdate, Level, MAX_KEYWORDS, MAX_PREREQUISITES, ParseLevelError,
};
pub use error::{ContentError, FieldProblem};
pub use grade::{Grade, TestGrade, grade_test};
pub use item_update::ItemUpdate;
pub use learner::{
    Bookmark, Catalogs, Enrolment, MAX_CATALOGS, MAX_NOTE_PARTS, MAX_PROGRESS_ENTRIES, Note,
    Progress, ProgressEntry, Target, TestResult,
};
pub use lesson::{
    Lesson, LessonContentType, LessonFields, LessonHandle, LessonUpdate, MAX_MENTIONS, Mention,
};
pub use links::{MAX_LINKS, blob_links};
pub use patch::Patch;
pub use question::{
    Answer, MAX_OPTIONS, MAX_POINTS, MAX_QUESTIONS, Pair, Question, QuestionKind, parse_questions,
};
pub use size::TooLong;
pub use social::{About, Contact, Pub, PubAddress};
pub use test::Test;
pub use video::{Caption, MAX_CAPTIONS, MAX_SOURCES, Video, VideoSource, parse_captions};

use read::Fields;
use serde_json::{Map, Value};

/// The `type` of each content.
pub mod names {
    /// [`Course`](super::Course).
    pub const COURSE: &str = "studytime_course";
    /// [`CourseUpdate`](super::CourseUpdate).
    pub const COURSE_UPDATE: &str = "studytime_course_update";
    /// [`Lesson`](super::Lesson).
    pub const LESSON: &str = "studytime_course_lesson";
    /// [`LessonUpdate`](super::LessonUpdate).
    pub const LESSON_UPDATE: &str = "studytime_course_lesson_update";
    /// [`Video`](super::Video).
    pub const VIDEO: &str = "studytime_course_lesson_video";
    /// [`Attachment`](super::Attachment).
    pub const ATTACHMENT: &str = "studytime_course_lesson_attachment";
    /// [`Test`](super::Test).
    pub const TEST: &str = "studytime_course_test";
    /// [`ItemUpdate`](super::ItemUpdate).
    pub const ITEM_UPDATE: &str = "studytime_course_item_update";
    /// [`Enrolment`](super::Enrolment).
    pub const ENROLMENT: &str = "studytime_enrolment";
    /// [`Progress`](super::Progress).
    pub const PROGRESS: &str = "studytime_progress";
    /// [`TestResult`](super::TestResult).
    pub const TEST_RESULT: &str = "studytime_test_result";
    /// [`Note`](super::Note).
    pub const NOTE: &str = "studytime_note";
    /// [`Bookmark`](super::Bookmark).
    pub const BOOKMARK: &str = "studytime_bookmark";
    /// [`Catalogs`](super::Catalogs).
    pub const CATALOGS: &str = "studytime_catalogs";
    /// [`Contact`](super::Contact).
    pub const CONTACT: &str = "contact";
    /// [`About`](super::About).
    pub const ABOUT: &str = "about";
    /// [`Pub`](super::Pub).
    pub const PUB: &str = "pub";
}

/// A message's content, typed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// `studytime_course`
    Course(Course),
    /// `studytime_course_update`
    CourseUpdate(CourseUpdate),
    /// `studytime_course_lesson`
    Lesson(Lesson),
    /// `studytime_course_lesson_update`
    LessonUpdate(LessonUpdate),
    /// `studytime_course_lesson_video`
    Video(Video),
    /// `studytime_course_lesson_attachment`
    Attachment(Attachment),
    /// `studytime_course_test`
    Test(Test),
    /// `studytime_course_item_update`
    ItemUpdate(ItemUpdate),
    /// `studytime_enrolment`
    Enrolment(Enrolment),
    /// `studytime_progress`
    Progress(Progress),
    /// `studytime_test_result`
    TestResult(TestResult),
    /// `studytime_note`
    Note(Note),
    /// `studytime_bookmark`
    Bookmark(Bookmark),
    /// `studytime_catalogs`
    Catalogs(Catalogs),
    /// `contact`
    Contact(Contact),
    /// `about`
    About(About),
    /// `pub`
    Pub(Pub),
    /// Any other type. The message keeps its fields.
    Unknown {
        /// Its `type`.
        type_name: String,
    },
}

/// A content that was read, and what had to be left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The content.
    pub content: Content,
    /// Optional fields and list elements that were wrong.
    pub dropped: Vec<FieldProblem>,
}

macro_rules! known_types {
    ($($variant:ident $name:ident),* $(,)?) => {
        impl Content {
            /// Reads a content from its JSON text.
            ///
            /// # Errors
            /// [`ContentError`], naming the field, when the content is unusable.
            pub fn parse(json: &str) -> Result<Parsed, ContentError> {
                match serde_json::from_str(json).map_err(ContentError::NotJson)? {
                    Value::Object(map) => Self::from_object(&map),
                    _ => Err(ContentError::NotAnObject),
                }
            }

            /// Reads a content from a JSON object.
            ///
            /// # Errors
            /// [`ContentError`], naming the field, when the content is unusable.
            pub fn from_object(map: &Map<String, Value>) -> Result<Parsed, ContentError> {
                let Some(Value::String(type_name)) = map.get("type") else {
                    return Err(ContentError::NoType);
                };
                match type_name.as_str() {
                    $(names::$name => {
                        let mut fields = Fields::new(names::$name, map);
                        let content = Self::$variant($variant::read(&mut fields)?);
                        Ok(Parsed { content, dropped: fields.into_dropped() })
                    })*
                    _ => Ok(Parsed {
                        content: Self::Unknown { type_name: type_name.clone() },
                        dropped: Vec::new(),
                    }),
                }
            }

            /// The content as a strict writer publishes it, with its `type`.
            /// An [`Unknown`](Self::Unknown) content yields only its type.
            pub fn to_value(&self) -> Value {
                match self {
                    $(Self::$variant(content) => content.write(),)*
                    Self::Unknown { type_name } => write::Writer::new(type_name).done(),
                }
            }

            /// The content's `type`.
            pub fn type_name(&self) -> &str {
                match self {
                    $(Self::$variant(_) => names::$name,)*
                    Self::Unknown { type_name } => type_name,
                }
            }
        }

        $(impl From<$variant> for Content {
            fn from(content: $variant) -> Self {
                Self::$variant(content)
            }
        })*
    };
}

known_types! {
    Course COURSE, CourseUpdate COURSE_UPDATE,
    Lesson LESSON, LessonUpdate LESSON_UPDATE,
    Video VIDEO, Attachment ATTACHMENT, Test TEST, ItemUpdate ITEM_UPDATE,
    Enrolment ENROLMENT, Progress PROGRESS, TestResult TEST_RESULT,
    Note NOTE, Bookmark BOOKMARK, Catalogs CATALOGS,
    Contact CONTACT, About ABOUT, Pub PUB,
}

/// Lays newer statements over a thing that has two places (a text in the
/// message, or in a blob). Saying one, and nothing about the other, replaces
/// the thing as a whole.
pub(crate) fn update_pair<A: Clone, B: Clone>(
    (a, b): (&mut Patch<A>, &mut Patch<B>),
    (newer_a, newer_b): (&Patch<A>, &Patch<B>),
) {
    a.update(newer_a);
    b.update(newer_b);
    if newer_a.value().is_some() && newer_b.is_keep() && b.value().is_some() {
        *b = Patch::Clear;
    }
    if newer_b.value().is_some() && newer_a.is_keep() && a.value().is_some() {
        *a = Patch::Clear;
    }
}

/// The most bytes of a blob that holds a list of questions or captions.
pub const MAX_LIST_BLOB: usize = 1024 * 1024;

fn parse_list_blob<T>(
    what: &'static str,
    json: &str,
    max: usize,
    read: impl FnMut(&mut Fields<'_>, &str, &Value) -> Result<T, String>,
) -> Result<(Vec<T>, Vec<FieldProblem>), ContentError> {
    // Parsed JSON takes many times its bytes.
    if json.len() > MAX_LIST_BLOB {
        return Err(ContentError::TooLarge { size: json.len() });
    }
    let list: Value = serde_json::from_str(json).map_err(ContentError::NotJson)?;
    let mut map = Map::new();
    map.insert("list".into(), list);
    let mut fields = Fields::new(what, &map);
    let list = fields.required_list("list", max, read)?;
    Ok((list, fields.into_dropped()))
}
