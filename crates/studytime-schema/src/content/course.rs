//! `studytime_course` and `studytime_course_update`: what a list, or the
//! course feed itself, says about a course.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{BlobId, FeedId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// The most keywords that are read.
pub const MAX_KEYWORDS: usize = 64;
/// The most prerequisites that are read.
pub const MAX_PREREQUISITES: usize = 64;

/// How much is expected of a learner. JSON: `"beginner"`, `"intermediate"`, `"advanced"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is expected.
    Beginner,
    /// The basics are expected.
    Intermediate,
    /// A working knowledge is expected.
    Advanced,
}

impl Level {
    /// All levels, easiest first.
    pub const ALL: [Self; 3] = [Self::Beginner, Self::Intermediate, Self::Advanced];

    /// The word in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of `beginner`, `intermediate`, `advanced`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a level is `beginner`, `intermediate` or `advanced`")]
pub struct ParseLevelError;

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| text.trim().eq_ignore_ascii_case(level.as_str()))
            .ok_or(ParseLevelError)
    }
}

/// What can be said about a course beside its name; all optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CourseFields {
    /// Short text.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub description: Patch<String>,
    /// The text, when it is kept in a blob. `description` and this are two
    /// places for one thing: saying one replaces the other.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub description_blob: Patch<BlobId>,
    /// The picture on its card.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub image: Patch<BlobId>,
    /// Keywords, the most telling first: they decide the subject.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub keywords: Patch<Vec<String>>,
    /// BCP 47 tag.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub language: Patch<String>,
    /// How much is expected of a learner.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub level: Patch<Level>,
    /// Minutes to work through it.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub duration_minutes: Patch<u64>,
    /// Who made it.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub provider: Patch<String>,
    /// SPDX expression.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub license: Patch<String>,
    /// Where it came from: an http or https address.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub source_url: Patch<String>,
    /// What to know before: text, or feed ids of courses (with sigil).
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub prerequisites: Patch<Vec<String>>,
}

impl CourseFields {
    /// Lays newer statements over these, field by field.
    pub fn update(&mut self, newer: &Self) {
        super::update_pair(
            (&mut self.description, &mut self.description_blob),
            (&newer.description, &newer.description_blob),
        );
        self.image.update(&newer.image);
        self.keywords.update(&newer.keywords);
        self.language.update(&newer.language);
        self.level.update(&newer.level);
        self.duration_minutes.update(&newer.duration_minutes);
        self.provider.update(&newer.provider);
        self.license.update(&newer.license);
        self.source_url.update(&newer.source_url);
        self.prerequisites.update(&newer.prerequisites);
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            description: fields.patch("description", read::text),
            description_blob: fields.patch("description_blob", read::blob),
            image: fields.patch("image", read::blob),
            keywords: fields.list("keywords", MAX_KEYWORDS, |_, _, v| {
                read::some_text(v).map(|t| t.trim().to_owned())
            }),
            language: fields.patch("language", read::language),
            level: fields.patch("level", |v| {
                read::text(v)?
                    .parse()
                    .map_err(|_| "is none of `beginner`, `intermediate`, `advanced`".to_owned())
            }),
            duration_minutes: fields.patch("duration_minutes", read::rounded),
            provider: fields.patch("provider", read::text),
            license: fields.patch("license", read::text),
            source_url: fields.patch("source_url", read::web_url),
            prerequisites: fields.list("prerequisites", MAX_PREREQUISITES, |_, _, v| {
                let text = read::some_text(v)?;
                Ok(match FeedId::parse_lenient(text.trim()) {
                    Ok(feed) => feed.to_string(),
                    Err(_) => text,
                })
            }),
        }
    }

    fn write(&self, w: &mut Writer) {
        w.patch_text("description", &self.description);
        w.patch_id("description_blob", &self.description_blob);
        w.patch_id("image", &self.image);
        w.patch_list("keywords", &self.keywords, |k| k.as_str().into());
        w.patch_text("language", &self.language);
        w.patch_id("level", &self.level);
        w.patch("duration_minutes", &self.duration_minutes);
        w.patch_text("provider", &self.provider);
        w.patch_text("license", &self.license);
        w.patch_text("source_url", &self.source_url);
        w.patch_list("prerequisites", &self.prerequisites, |p| p.as_str().into());
    }
}

/// `studytime_course`: puts a course on a list; in the course's own feed, the
/// course's record of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The course feed.
    pub feed_id: FeedId,
    /// Its name; an empty one is read and ignored when folded.
    pub name: String,
    /// The optional fields.
    pub fields: CourseFields,
}

impl Course {
    /// A course with a name and nothing else.
    pub fn new(feed_id: FeedId, name: impl Into<String>) -> Self {
        Self {
            feed_id,
            name: name.into(),
            fields: CourseFields::default(),
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            feed_id: fields.required("feed_id", read::feed)?,
            name: fields.required("name", read::text)?,
            fields: CourseFields::read(fields),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::COURSE);
        w.feed_id(&self.feed_id);
        w.put("name", self.name.as_str());
        self.fields.write(&mut w);
        w.done()
    }
}

/// `studytime_course_update`: changes the listing of a course, only in the
/// feed that listed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseUpdate {
    /// The course feed.
    pub feed_id: FeedId,
    /// A new name; clearing it is ignored.
    pub name: Patch<String>,
    /// The other fields.
    pub fields: CourseFields,
    /// Whether the course is no longer recommended. `false` also clears
    /// `successor` and `deprecation_reason`.
    pub deprecated: Option<bool>,
    /// What to take instead.
    pub successor: Patch<FeedId>,
    /// Why.
    pub deprecation_reason: Patch<String>,
    /// `true` takes the course off this list, `false` puts it back.
    pub removed: Option<bool>,
}

impl CourseUpdate {
    /// An update that changes nothing yet.
    pub fn new(feed_id: FeedId) -> Self {
        Self {
            feed_id,
            name: Patch::Keep,
            fields: CourseFields::default(),
            deprecated: None,
            successor: Patch::Keep,
            deprecation_reason: Patch::Keep,
            removed: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let feed_id = fields.required("feed_id", read::feed)?;
        Ok(Self {
            feed_id,
            name: fields.patch("name", read::text),
            fields: CourseFields::read(fields),
            deprecated: fields.given("deprecated", read::boolean),
            successor: fields.patch("successor", |value| match read::feed(value)? {
                itself if itself == feed_id => Err("is the course itself".into()),
                other => Ok(other),
            }),
            deprecation_reason: fields.patch("deprecation_reason", read::text),
            removed: fields.given("removed", read::boolean),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::COURSE_UPDATE);
        w.feed_id(&self.feed_id);
        w.patch_text("name", &self.name);
        self.fields.write(&mut w);
        w.opt("deprecated", self.deprecated);
        w.patch_id("successor", &self.successor);
        w.patch_text("deprecation_reason", &self.deprecation_reason);
        w.opt("removed", self.removed);
        w.done()
    }
}
