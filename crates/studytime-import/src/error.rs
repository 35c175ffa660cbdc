//! Why a folder cannot be read as a course, or a draft not be published.

use crate::problem::Problem;
use std::error::Error;
use std::io;
use std::path::PathBuf;

/// What a [`Sink`](crate::Sink) reports when it cannot do its part.
pub type SinkError = Box<dyn Error + Send + Sync>;

/// Why no draft could be made of a path.
///
/// Trouble with single files is never an error: those files are named in
/// [`CourseDraft::problems`](crate::CourseDraft::problems) and the rest goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("{} is not there; check the path", path.display())]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// The folder or archive itself cannot be opened.
    #[error("{} cannot be read: {source}; check its permissions", path.display())]
    Unreadable {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path is a file, and not a zip archive.
    #[error(
        "{} is neither a folder nor a zip archive; put the files into a folder and import that",
        path.display()
    )]
    NotACourse {
        /// The path that was given.
        path: PathBuf,
    },
    /// The zip archive is damaged, or is packed in a way that is not read here.
    #[error(
        "{} cannot be read as a zip archive: {reason}; unpack it with another tool and import the folder",
        path.display()
    )]
    BadArchive {
        /// The path that was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive names paths outside itself. Nothing of it is used, not even
    /// the harmless part: whoever packed it meant harm or made a mistake.
    #[error(
        "{} names {} path(s) outside its own folder (the first: {}); nothing was imported",
        path.display(), problems.len(), problems.first().map_or("", |p| p.path.as_str())
    )]
    LeavesFolder {
        /// The path that was given.
        path: PathBuf,
        /// One for each such path.
        problems: Vec<Problem>,
    },
    /// A cap was passed that protects this machine.
    #[error("{} has {what}; more than {limit} is not imported, so split it into several courses", path.display())]
    TooLarge {
        /// The path that was given.
        path: PathBuf,
        /// What there is too much of, with the amount met.
        what: String,
        /// The cap, with its unit.
        limit: String,
    },
    /// Nothing is left that could be a lesson.
    #[error("{} holds nothing that can be a lesson{}", path.display(), first_reason(problems))]
    Nothing {
        /// The path that was given.
        path: PathBuf,
        /// Why each file was left out.
        problems: Vec<Problem>,
    },
    /// The watcher asked to stop.
    #[error("reading the folder was cancelled; nothing was published")]
    Cancelled,
}

impl OpenError {
    /// The problem lines that belong to the error; empty for most kinds.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::LeavesFolder { problems, .. } | Self::Nothing { problems, .. } => problems,
            _ => &[],
        }
    }
}

fn first_reason(problems: &[Problem]) -> String {
    let left_out: Vec<&Problem> = problems
        .iter()
        .filter(|p| p.severity == crate::Severity::LeftOut)
        .collect();
    match left_out.as_slice() {
        [] => "; put lessons (Markdown, HTML, text, PDF) or videos (MP4, WebM) into it".to_owned(),
        [one] => format!(" ({}: {})", one.path, one.problem),
        [one, ..] => format!(
            " ({} files were left out; {}: {})",
            left_out.len(),
            one.path,
            one.problem
        ),
    }
}

/// Why a draft was not published. In every case no message was published;
/// blobs that were stored already are recognised by the next attempt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file could not be read although it could when the draft was made.
    #[error("{path} cannot be read any more: {source}; nothing was published, try again")]
    Read {
        /// The file, inside the folder.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what it was when the draft was made.
    #[error(
        "{path} changed while it was imported ({was} bytes before, {is} bytes now); \
         nothing was published, import again when it is complete"
    )]
    Changed {
        /// The file, inside the folder.
        path: String,
        /// Its size when the draft was made, in bytes.
        was: u64,
        /// The bytes read now.
        is: u64,
    },
    /// A blob could not be stored.
    #[error("{path} could not be stored: {source}; nothing was published")]
    Store {
        /// The file, inside the folder.
        path: String,
        /// What the store said.
        #[source]
        source: SinkError,
    },
    /// One message is too long even with everything moved out that can be.
    #[error("the message for {path} does not fit {limit} characters; shorten {field}")]
    TooLong {
        /// The lesson or file.
        path: String,
        /// The field that takes most room.
        field: &'static str,
        /// The most a message may hold, in UTF-16 units of its signed form.
        limit: usize,
    },
    /// The messages could not be published.
    #[error("the course could not be published: {source}")]
    Publish {
        /// What the node said.
        #[source]
        source: SinkError,
    },
    /// [`Sink::cancelled`](crate::Sink::cancelled) said so.
    #[error("the import was cancelled; nothing was published")]
    Cancelled,
}
