//! `studytime_course_lesson_video`.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, FieldProblem, Patch, names};
use crate::refs::{BlobId, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most sources that are read of one video.
pub const MAX_SOURCES: usize = 32;
/// The most caption tracks that are read of one video or captions blob.
pub const MAX_CAPTIONS: usize = 256;

/// One encoding of a video. At least one of `link`, `url` and `magnet` is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VideoSource {
    /// The blob: the video itself, or its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<BlobId>,
    /// Whether `link` is a manifest. Never sniffed.
    pub manifest: bool,
    /// MIME type, as the author said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the whole video, as the author said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Seconds it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// Picture height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The same bytes on the web: an http or https address, to be checked by hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The same bytes on BitTorrent: a magnet link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magnet: Option<String>,
}

impl VideoSource {
    pub(super) fn read(
        fields: &mut Fields<'_>,
        place: &str,
        value: &Value,
    ) -> Result<Self, String> {
        let map = match value {
            Value::String(_) => {
                return Ok(Self {
                    link: Some(read::blob(value)?),
                    ..Self::default()
                });
            }
            Value::Object(map) => map,
            _ => return Err("is neither a blob id nor an object".into()),
        };
        let mut inner = Fields::inside(fields.type_name(), map, place);
        let source = Self {
            link: inner.optional("link", read::blob),
            manifest: inner.given("manifest", read::boolean).unwrap_or(false),
            content_type: inner.optional("content_type", read::mime),
            size: inner.optional("size", read::number),
            duration_seconds: inner.optional("duration_seconds", read::rounded),
            height: inner.optional("height", read::number),
            url: inner.optional("url", read::web_url),
            magnet: inner.optional("magnet", read::magnet),
        };
        fields.adopt(inner.into_dropped());
        if source.link.is_none() && source.url.is_none() && source.magnet.is_none() {
            return Err("has no usable `link`, `url` or `magnet`".into());
        }
        Ok(source)
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::object();
        w.opt_id("link", self.link);
        w.flag("manifest", self.manifest);
        w.opt_text("content_type", self.content_type.as_ref());
        w.opt("size", self.size);
        w.opt("duration_seconds", self.duration_seconds);
        w.opt("height", self.height);
        w.opt_text("url", self.url.as_ref());
        w.opt_text("magnet", self.magnet.as_ref());
        w.done()
    }
}

/// A text track of a video: WebVTT in a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caption {
    /// The WebVTT file.
    pub link: BlobId,
    /// BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What a menu shows; the language's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `subtitles`, `captions`, `descriptions`, `chapters` or `metadata`, as in
    /// HTML's `<track>`; `subtitles` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Caption {
    pub(super) fn read(
        fields: &mut Fields<'_>,
        place: &str,
        value: &Value,
    ) -> Result<Self, String> {
        let link = read::blob(value)?;
        let Value::Object(map) = value else {
            return Ok(Self {
                link,
                language: None,
                label: None,
                kind: None,
            });
        };
        let mut inner = Fields::inside(fields.type_name(), map, place);
        let caption = Self {
            link,
            language: inner.optional("language", read::language),
            label: inner.optional("label", read::text),
            kind: inner.optional("kind", |v| {
                let kind = read::text(v)?;
                match kind.as_str() {
                    "subtitles" | "captions" | "descriptions" | "chapters" | "metadata" => Ok(kind),
                    _ => Err("is not a kind of text track".into()),
                }
            }),
        };
        fields.adopt(inner.into_dropped());
        Ok(caption)
    }

    /// This track as JSON, as it stands in `captions` or in a captions blob.
    pub fn to_value(&self) -> Value {
        let mut w = Writer::object();
        w.id("link", self.link);
        w.opt_text("language", self.language.as_ref());
        w.opt_text("label", self.label.as_ref());
        w.opt_text("kind", self.kind.as_ref());
        w.done()
    }
}

/// Reads a captions blob: a JSON array of caption tracks.
///
/// # Errors
/// [`ContentError`] when it is not such an array or has no usable track.
pub fn parse_captions(json: &str) -> Result<(Vec<Caption>, Vec<FieldProblem>), ContentError> {
    super::parse_list_blob("captions_blob", json, MAX_CAPTIONS, Caption::read)
}

/// `studytime_course_lesson_video`: a video of a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// The number of the lesson it belongs to.
    pub lesson_number: u64,
    /// Shown above the player.
    pub name: String,
    /// Text under the player.
    pub description: Option<String>,
    /// The same video in one or more encodings, preferred first; not empty.
    pub sources: Vec<VideoSource>,
    /// Caption tracks.
    pub captions: Vec<Caption>,
    /// The caption tracks, when they are too many for the message.
    pub captions_blob: Option<BlobId>,
    /// The picture shown before it plays.
    pub poster: Option<BlobId>,
    /// Where it came from in the imported folder.
    pub path: Option<String>,
    /// The item of another course that this one takes the place of.
    pub replaces: Option<MessageId>,
}

impl Video {
    /// A video with the required fields.
    pub fn new(lesson_number: u64, name: impl Into<String>, source: VideoSource) -> Self {
        Self {
            lesson_number,
            name: name.into(),
            description: None,
            sources: vec![source],
            captions: Vec::new(),
            captions_blob: None,
            poster: None,
            path: None,
            replaces: None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            lesson_number: fields.required("lesson_number", read::number)?,
            name: fields.required("name", read::text)?,
            description: fields.optional("description", read::text),
            sources: fields.required_list("sources", MAX_SOURCES, VideoSource::read)?,
            captions: match fields.list("captions", MAX_CAPTIONS, Caption::read) {
                Patch::Set(captions) => captions,
                Patch::Keep | Patch::Clear => Vec::new(),
            },
            captions_blob: fields.optional("captions_blob", read::blob),
            poster: fields.optional("poster", read::blob),
            path: fields.optional("path", read::text),
            replaces: fields.optional("replaces", read::message_id),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::VIDEO);
        w.put("lesson_number", self.lesson_number);
        w.put("name", self.name.as_str());
        w.opt_text("description", self.description.as_ref());
        w.list(
            "sources",
            self.sources.iter().map(VideoSource::write).collect(),
        );
        w.list(
            "captions",
            self.captions.iter().map(Caption::to_value).collect(),
        );
        w.opt_id("captions_blob", self.captions_blob);
        w.opt_id("poster", self.poster);
        w.opt_text("path", self.path.as_ref());
        w.opt_id("replaces", self.replaces);
        w.done()
    }
}
