//! The way in: open a folder, look at the draft, publish it.

use crate::assemble::assemble;
use crate::changes::{self, Changes};
use crate::draft::{CourseDraft, Layout};
use crate::error::{OpenError, PublishError};
use crate::messages::{self, Ready};
use crate::reader::Reader;
use crate::sink::{Progress, Sink, Stage};
use crate::source::Source;
use crate::store::{Handles, Store};
use crate::tree::Tree;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::Path;
use studytime_schema::content::Course;
use studytime_schema::view::{CourseOutline, CourseRecord};
use studytime_schema::{FeedId, MessageId};

/// What the person importing says about the course; it goes before what the
/// folder says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The course's name.
    pub name: Option<String>,
    /// Markdown.
    pub description: Option<String>,
    /// BCP 47 tag; also chooses among translations in the folder.
    pub language: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// In order; when not empty they replace the folder's.
    pub keywords: Vec<String>,
    /// Who made it.
    pub provider: Option<String>,
    /// Where it came from.
    pub source_url: Option<String>,
    /// How to understand the folder; found out by its structure when `None`.
    pub layout: Option<Layout>,
}

/// What is being looked at while a draft is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading<'a> {
    /// The file, inside the folder.
    pub path: &'a str,
    /// Files looked at before this one.
    pub done: usize,
    /// Files in all.
    pub total: usize,
}

/// A folder or archive that has been understood, ready to be published.
///
/// ```
/// use studytime_import::{DryRun, Import, Options};
/// use studytime_schema::FeedId;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("01_hello.md"), "# Hello\n\nA first lesson.")?;
/// let mut import = Import::open(folder.path(), &Options::default())?;
/// assert_eq!(import.draft().lessons[0].name, "Hello");
///
/// let mut sink = DryRun::default();
/// let published = import.publish_new(FeedId::from_bytes([7; 32]), &mut sink)?;
/// assert_eq!(published.messages, 3); // about, course, lesson
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Import {
    draft: CourseDraft,
    name_is_given: bool,
    source: Box<dyn Source>,
    handles: Handles,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("draft", &self.draft)
            .finish_non_exhaustive()
    }
}

/// The course as it stands on its feed, for an import into it.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    /// The course's own record; `None` when it never described itself.
    pub record: Option<&'a CourseRecord>,
    /// Its lessons.
    pub outline: &'a CourseOutline,
    /// Remove lessons and items that came from a folder and are no longer in
    /// it. Without it they stay. Those without a `path` always stay.
    pub prune: bool,
}

/// What publishing did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// The course as its feed now describes it; a list can publish the same.
    pub course: Course,
    /// Messages published; 0 when nothing had changed.
    pub messages: u64,
    /// Lessons in the draft.
    pub lessons: u64,
    /// Videos, attachments and tests in the draft.
    pub items: u64,
    /// Blobs the draft consists of.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were not stored before.
    pub new_blobs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// What changed, in the order of the messages; for a new course one entry
    /// for each lesson and item.
    pub changes: Vec<Change>,
}

/// One change to a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
#[non_exhaustive]
pub enum Change {
    /// The course's own data.
    Course,
    /// A lesson or item that was not there.
    Added {
        /// Its path in the folder.
        path: String,
    },
    /// A lesson or item with other content, name or place.
    Updated {
        /// Its path in the folder.
        path: String,
        /// Its identity.
        id: MessageId,
    },
    /// A lesson or item that is gone from the folder.
    Removed {
        /// Its path in the folder.
        path: String,
        /// Its identity.
        id: MessageId,
    },
    /// A lesson or item that is gone from the folder and stays in the course,
    /// because pruning was not asked for. No message.
    Kept {
        /// Its path in the folder.
        path: String,
        /// Its identity.
        id: MessageId,
    },
}

impl Import {
    /// Reads a folder or zip archive into a draft.
    ///
    /// Reads texts, headers of videos and the beginning of every other file;
    /// an archive is read in place and nothing is unpacked to disk.
    ///
    /// # Errors
    /// [`OpenError`]; trouble with single files is in
    /// [`CourseDraft::problems`] instead.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_watched(path, options, &mut |_| ControlFlow::Continue(()))
    }

    /// Like [`open`](Self::open); `watch` is told of every file and may stop it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`OpenError::Cancelled`].
    pub fn open_watched(
        path: &Path,
        options: &Options,
        watch: &mut dyn FnMut(Reading<'_>) -> ControlFlow<()>,
    ) -> Result<Self, OpenError> {
        let source = crate::source::open(path)?;
        Self::read(source, path, options, watch)
    }

    pub(crate) fn read(
        mut source: Box<dyn Source>,
        path: &Path,
        options: &Options,
        watch: &mut dyn FnMut(Reading<'_>) -> ControlFlow<()>,
    ) -> Result<Self, OpenError> {
        let (entries, mut problems) = source.list()?;
        let tree = Tree::new(entries, &folder_name(path), &mut problems);
        let mut reader = Reader::new(source.as_mut(), &tree, &mut problems, watch);
        let (mut draft, name_is_given) = assemble(&mut reader, options)?;
        let problems = problems.into_list();
        if draft.lessons.is_empty() {
            return Err(OpenError::Nothing {
                path: path.to_owned(),
                problems,
            });
        }
        draft.problems = problems;
        let handles = tree
            .files
            .into_iter()
            .map(|f| (f.path, (f.handle, f.size)))
            .collect();
        Ok(Self {
            draft,
            name_is_given,
            source,
            handles,
        })
    }

    /// What would be published.
    pub fn draft(&self) -> &CourseDraft {
        &self.draft
    }

    /// Stores every file and publishes the draft as a new course on `feed`.
    ///
    /// # Errors
    /// [`PublishError`]; no message is published then.
    pub fn publish_new(
        &mut self,
        feed: FeedId,
        sink: &mut dyn Sink,
    ) -> Result<Published, PublishError> {
        self.publish(feed, sink, changes::all)
    }

    /// Stores every file and publishes what differs from the course as it
    /// stands on `feed`. Lessons and items are matched by `path`.
    ///
    /// # Errors
    /// [`PublishError`]; no message is published then.
    pub fn publish_into(
        &mut self,
        feed: FeedId,
        current: &Current<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Published, PublishError> {
        let given = self.name_is_given;
        self.publish(feed, sink, |ready| changes::between(ready, current, given))
    }

    fn publish(
        &mut self,
        feed: FeedId,
        sink: &mut dyn Sink,
        changes: impl FnOnce(Ready) -> Changes,
    ) -> Result<Published, PublishError> {
        let total = self.draft.stored_bytes();
        let mut store = Store::new(self.source.as_mut(), &self.handles, sink, total);
        let ready = messages::ready(&self.draft, feed, &mut store)?;
        let (sink, counts) = store.done();
        let course = ready.course.clone();
        let Changes { messages, changes } = changes(ready);
        if sink.cancelled() {
            return Err(PublishError::Cancelled);
        }
        let published = Published {
            course,
            messages: messages.len() as u64,
            lessons: self.draft.totals.lessons,
            items: self.draft.items(),
            blobs: counts.blobs,
            bytes: counts.bytes,
            new_blobs: counts.new_blobs,
            new_bytes: counts.new_bytes,
            changes,
        };
        sink.progress(Progress {
            stage: Stage::Publishing,
            path: "",
            file_done: 0,
            file_total: 0,
            done: total,
            total,
        });
        sink.sync_blobs().map_err(|source| PublishError::Store {
            path: "the files of the course".to_owned(),
            source,
        })?;
        if !messages.is_empty() {
            sink.publish_all(messages)
                .map_err(|source| PublishError::Publish { source })?;
        }
        Ok(published)
    }
}

/// The name of a folder, or of an archive without its extension.
fn folder_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    if whole.is_file() {
        crate::names::stem(&name).to_owned()
    } else {
        name
    }
}
