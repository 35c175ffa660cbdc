//! Trouble with single files, as values.

use serde::Serialize;
use std::fmt;

/// The most problem lines one draft carries; what is beyond is counted.
pub const MAX_PROBLEMS: usize = 1_000;

/// How much a problem costs the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing is lost.
    Note,
    /// Published all the same, but worth a look first.
    Warning,
    /// This file is not published.
    LeftOut,
}

/// What sort of problem it is, for programs; people read [`Problem::problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// No licence was given; it is asked for, never guessed.
    NoLicense,
    /// No language was given, or something that is none.
    NoLanguage,
    /// `course.toml` says something that is not understood.
    CourseData,
    /// The path leads out of the folder or archive.
    LeavesFolder,
    /// A symbolic link that is not followed.
    Link,
    /// Neither a file nor a folder: a device, a pipe, a socket.
    NotAFile,
    /// The system does not let us read it.
    Unreadable,
    /// The name is not UTF-8, has control characters or is too long.
    OddName,
    /// Deeper in the folder than is read.
    TooDeep,
    /// Larger than can be published or read.
    TooLarge,
    /// There are no bytes in it.
    Empty,
    /// A download that was not finished.
    Unfinished,
    /// Packed in a way that is not read here, or damaged in the archive.
    Packed,
    /// The file ends before its own structure does.
    Truncated,
    /// Not what its name says.
    NotAsNamed,
    /// A browser will not play or show it.
    Unplayable,
    /// A video with its index at the end: it starts late over a network.
    IndexAtEnd,
    /// The text was not UTF-8 and was read as something else.
    Encoding,
    /// Captions or a test that do not follow their format.
    Format,
    /// Captions without a video.
    NoVideo,
    /// Two lessons with one number.
    DuplicateNumber,
    /// A link to a file that is not there.
    DeadLink,
    /// A picture or file that no lesson uses.
    Unused,
    /// Not a kind of file that a course can hold.
    Unknown,
    /// The same lesson in another language.
    Translation,
    /// More problems than are listed.
    More,
}

/// One line about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path inside the folder, with `/`; empty for the course as a whole.
    pub path: String,
    /// What sort of problem.
    pub kind: ProblemKind,
    /// What it costs.
    pub severity: Severity,
    /// What is wrong and what to do, for a person.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// Collects problems up to [`MAX_PROBLEMS`].
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    fn push(&mut self, problem: Problem) {
        if self.list.len() >= MAX_PROBLEMS {
            self.more += 1;
        } else if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    fn add(&mut self, severity: Severity, path: &str, kind: ProblemKind, text: impl Into<String>) {
        self.push(Problem {
            path: path.to_owned(),
            kind,
            severity,
            problem: text.into(),
        });
    }

    pub(crate) fn note(&mut self, path: &str, kind: ProblemKind, text: impl Into<String>) {
        self.add(Severity::Note, path, kind, text);
    }

    pub(crate) fn warn(&mut self, path: &str, kind: ProblemKind, text: impl Into<String>) {
        self.add(Severity::Warning, path, kind, text);
    }

    pub(crate) fn left_out(&mut self, path: &str, kind: ProblemKind, text: impl Into<String>) {
        self.add(Severity::LeftOut, path, kind, text);
    }

    /// Takes a wrapping folder off every path.
    pub(crate) fn strip_prefix(&mut self, prefix: &str) {
        for problem in &mut self.list {
            if let Some(rest) = problem.path.strip_prefix(prefix) {
                problem.path = rest.to_owned();
            }
        }
    }

    /// The lines, ordered by path so that every source yields the same order.
    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        self.list
            .sort_by(|a, b| a.path.cmp(&b.path).then(a.kind.cmp(&b.kind)));
        if self.more > 0 {
            self.list.push(Problem {
                path: String::new(),
                kind: ProblemKind::More,
                severity: Severity::Note,
                problem: format!("{} more problems are not listed", self.more),
            });
        }
        self.list
    }
}
