//! A course before it is published: plain values, nothing stored, nothing signed.

use crate::problem::Problem;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use studytime_schema::content::{LessonContentType, Level, Question};

/// How a folder was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// Folders are sections, files are lessons.
    Folder,
    /// What `coursera-dl` and `dl-coursera` write.
    Coursera,
}

/// What would be published of a folder, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CourseDraft {
    /// How the folder was understood.
    pub layout: Layout,
    /// The course's name; never empty.
    pub name: String,
    /// Markdown; moved to a blob at publication when it is long.
    pub description: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// SPDX expression; `None` is reported as a problem, never guessed.
    pub license: Option<String>,
    /// In the author's order.
    pub keywords: Vec<String>,
    /// How much is expected of a learner.
    pub level: Option<Level>,
    /// Minutes to work through it, as the author said.
    pub duration_minutes: Option<u64>,
    /// Who made it.
    pub provider: Option<String>,
    /// Where it came from.
    pub source_url: Option<String>,
    /// Text or feed ids.
    pub prerequisites: Vec<String>,
    /// The picture on its card.
    pub image: Option<FileDraft>,
    /// Lessons in order, numbered from 1 without gaps.
    pub lessons: Vec<LessonDraft>,
    /// What was met on the way, ordered by path.
    pub problems: Vec<Problem>,
    /// Sums over what would be published.
    pub totals: Totals,
}

/// One lesson.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LessonDraft {
    /// Its place, from 1.
    pub number: u64,
    /// Never empty.
    pub name: String,
    /// The heading it stands under.
    pub section: Option<String>,
    /// Its handle for later imports: folder and stem, unique in the course.
    pub path: String,
    /// One or two sentences.
    pub description: Option<String>,
    /// The text.
    pub body: Option<BodyDraft>,
    /// Videos, in order.
    pub videos: Vec<VideoDraft>,
    /// Files, in order.
    pub attachments: Vec<FileDraft>,
    /// Tests, in order.
    pub tests: Vec<TestDraft>,
}

/// The text of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BodyDraft {
    /// The file it came from.
    pub path: String,
    /// How to read it.
    pub content_type: LessonContentType,
    /// The text, with links as the author wrote them.
    pub text: String,
    /// Links to files of the folder that become blobs; their ids take the
    /// links' place at publication. In order, never overlapping.
    pub links: Vec<LinkDraft>,
}

/// A link in a text to a file in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkDraft {
    /// Where the link's target begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The file.
    pub file: FileDraft,
    /// Shown in the text (a picture), not only linked.
    pub picture: bool,
    /// Stands in HTML, where the id's `&` is written `&amp;`.
    pub html: bool,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDraft {
    /// Shown to people; never empty.
    pub name: String,
    /// The path inside the folder, with `/`.
    pub path: String,
    /// MIME type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
}

/// A video with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoDraft {
    /// Shown above the player; never empty.
    pub name: String,
    /// Its handle for later imports: the path of the first source.
    pub path: String,
    /// The same video in one or more encodings, best first.
    pub sources: Vec<VideoFile>,
    /// Caption tracks, in order of language.
    pub captions: Vec<CaptionDraft>,
    /// The picture shown before it plays.
    pub poster: Option<FileDraft>,
}

/// One encoding of a video.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoFile {
    /// The file.
    pub file: FileDraft,
    /// Length in whole seconds, when its headers say.
    pub duration_seconds: Option<u64>,
    /// Lines of the picture, when its headers say.
    pub height: Option<u32>,
}

/// One caption track. It is published as WebVTT in UTF-8, whatever it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptionDraft {
    /// The file.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// BCP 47 tag; `und` when nothing tells.
    pub language: String,
    /// The language's own name, or the tag.
    pub label: String,
    /// What the track is for.
    pub kind: TrackKind,
}

/// What a text track is for, as in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// What is said.
    Subtitles,
    /// What is said and heard.
    Captions,
    /// Titles to jump to.
    Chapters,
    /// What is seen.
    Descriptions,
}

impl TrackKind {
    /// The word HTML uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subtitles => "subtitles",
            Self::Captions => "captions",
            Self::Chapters => "chapters",
            Self::Descriptions => "descriptions",
        }
    }
}

/// A test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestDraft {
    /// Its heading; never empty.
    pub name: String,
    /// The file.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Percent of the points needed to pass.
    pub pass_percent: Option<u8>,
    /// The questions, in order.
    pub questions: Vec<Question>,
}

/// Sums over what would be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Files of the folder that are used.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs the files become: those under 5 MiB as they are, others as
    /// segments and a manifest. Long texts add to them at publication.
    pub blobs: u64,
    /// Lessons.
    pub lessons: u64,
    /// Videos.
    pub videos: u64,
    /// Caption tracks.
    pub captions: u64,
    /// Files to download or read beside a lesson.
    pub attachments: u64,
    /// Pictures and files inside texts.
    pub linked: u64,
    /// Tests.
    pub tests: u64,
}

impl CourseDraft {
    /// Videos, attachments and tests together.
    pub fn items(&self) -> u64 {
        self.totals.videos + self.totals.attachments + self.totals.tests
    }

    /// The lessons as a tree, a line each, for a dry run on a terminal.
    pub fn outline_lines(&self) -> Vec<String> {
        crate::outline::lines(self)
    }
}

impl CourseDraft {
    /// Bytes of the files that are stored as they are, each counted once.
    pub(crate) fn stored_bytes(&self) -> u64 {
        stored_files(&self.lessons, self.image.as_ref())
            .values()
            .fold(0, |sum, size| sum.saturating_add(*size))
    }
}

/// The files that become blobs, each once, with their sizes.
pub(crate) fn stored_files<'a>(
    lessons: &'a [LessonDraft],
    image: Option<&'a FileDraft>,
) -> BTreeMap<&'a str, u64> {
    let mut all = BTreeMap::new();
    let mut add = |file: &'a FileDraft| {
        all.insert(file.path.as_str(), file.size);
    };
    image.into_iter().for_each(&mut add);
    for lesson in lessons {
        for video in &lesson.videos {
            video.sources.iter().map(|s| &s.file).for_each(&mut add);
            video.poster.iter().for_each(&mut add);
        }
        lesson.attachments.iter().for_each(&mut add);
        let links = lesson.body.iter().flat_map(|b| &b.links);
        links.map(|l| &l.file).for_each(&mut add);
    }
    let tracks = lessons
        .iter()
        .flat_map(|l| &l.videos)
        .flat_map(|v| &v.captions);
    all.extend(tracks.map(|c| (c.path.as_str(), c.size)));
    all
}

impl fmt::Display for CourseDraft {
    /// The course's data, its outline and its problems.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::outline::write(self, f)
    }
}
