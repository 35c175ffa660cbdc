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
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use studytime_schema::content::{Course, Level};
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
    /// How much is expected of a learner.
    pub level: Option<Level>,
    /// Minutes to work through it.
    pub duration_minutes: Option<u64>,
    /// Who made it.
    pub provider: Option<String>,
    /// Where it came from: an `http` or `https` address.
    pub source_url: Option<String>,
    /// Moves the index of MP4 videos to their front where it is at the end, so that they
    /// start at once over a network. Pictures and sound stay as they are.
    pub faststart: bool,
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
pub struct Import {
    draft: CourseDraft,
    name_is_given: bool,
    source: Box<dyn Source>,
    handles: Handles,
    /// Videos whose index is moved to the front.
    faststart: BTreeSet<String>,
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
        reader.faststart = options.faststart;
        let (mut draft, name_is_given) = assemble(&mut reader, options)?;
        let faststart = reader.moved;
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
            faststart,
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

    /// [`publish_new`](Self::publish_new) of a course that takes the place of
    /// another: lessons and items from the same `path` say which of `old` they
    /// replace, so that learners who go on there keep what they did.
    ///
    /// # Errors
    /// [`PublishError`]; no message is published then.
    pub fn publish_in_place_of(
        &mut self,
        feed: FeedId,
        old: &CourseOutline,
        sink: &mut dyn Sink,
    ) -> Result<Published, PublishError> {
        self.publish(feed, sink, |ready| changes::in_place_of(ready, old))
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
        let source = self.source.as_mut();
        let mut store = Store::new(source, &self.handles, &self.faststart, sink, total);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{ProblemKind, Problems, Severity};
    use crate::source::{FileEntry, Stream, skip_by_reading};
    use std::io::{self, Cursor, Read};

    /// A source whose files can be read only as far as it says.
    struct Shaky(Vec<(&'static str, &'static [u8], Option<usize>)>);

    struct Faulty {
        bytes: Cursor<&'static [u8]>,
        until: Option<usize>,
    }

    impl Read for Faulty {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let at = usize::try_from(self.bytes.position()).unwrap();
            match self.until {
                Some(until) if at >= until => Err(io::Error::other("bad sector")),
                Some(until) => {
                    let most = buf.len().min(until - at);
                    self.bytes.read(&mut buf[..most])
                }
                None => self.bytes.read(buf),
            }
        }
    }

    impl Stream for Faulty {
        fn skip(&mut self, bytes: u64) -> io::Result<u64> {
            skip_by_reading(self, bytes)
        }
    }

    impl Source for Shaky {
        fn list(&mut self) -> Result<(Vec<FileEntry>, Problems), OpenError> {
            let entry =
                |(handle, (path, bytes, _)): (usize, &(&str, &[u8], Option<usize>))| FileEntry {
                    path: (*path).to_owned(),
                    size: bytes.len() as u64,
                    handle,
                };
            Ok((
                self.0.iter().enumerate().map(entry).collect(),
                Problems::default(),
            ))
        }

        fn open(&mut self, handle: usize) -> io::Result<Box<dyn Stream + '_>> {
            let (_, bytes, until) = self.0[handle];
            if until == Some(0) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(Box::new(Faulty {
                bytes: Cursor::new(bytes),
                until,
            }))
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let files = vec![
            ("a.md", b"text".as_slice(), None),
            ("b.md", b"text", Some(0)),
            ("c.md", b"text", Some(2)),
            ("d.pdf", b"%PDF-1.4 and more", Some(0)),
            ("e.mp4", b"\0\0\0\x10ftypisom\0\0\0\0", Some(3)),
            ("course.toml", b"name = 'x'", Some(0)),
        ];
        let source = Box::new(Shaky(files));
        let options = Options {
            license: Some("MIT".into()),
            language: Some("en".into()),
            ..Options::default()
        };
        let mut go_on = |_: Reading<'_>| ControlFlow::Continue(());
        let import = Import::read(source, Path::new("/x/mosses"), &options, &mut go_on).unwrap();
        let draft = import.draft();
        assert_eq!((draft.lessons.len(), draft.name.as_str()), (1, "Mosses"));
        let problems: Vec<_> = draft
            .problems
            .iter()
            .map(|p| (p.path.as_str(), p.kind))
            .collect();
        let expected = ["b.md", "c.md", "course.toml", "d.pdf", "e.mp4"];
        assert_eq!(
            problems,
            expected.map(|path| (path, ProblemKind::Unreadable))
        );
        assert!(
            draft
                .problems
                .iter()
                .all(|p| p.severity == Severity::LeftOut)
        );
    }
}
