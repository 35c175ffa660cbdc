//! Folders and archives people already have, turned into StudyTime courses.
//!
//! [`Import::open`] reads a folder (or a zip archive, in place) and makes a
//! [`CourseDraft`] of it: sections, lessons, texts, videos with captions,
//! files, tests, and a list of [`Problem`]s. Nothing is written anywhere.
//! [`Import::publish_new`] and [`Import::publish_into`] then store the files
//! and publish the messages through a [`Sink`], which a node implements.
//!
//! ```
//! use studytime_import::{DryRun, Import, Options};
//! use studytime_schema::FeedId;
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("01_hello.md"), "# Hello\n\nA first lesson.")?;
//! let mut import = Import::open(folder.path(), &Options::default())?;
//! assert_eq!(import.draft().lessons[0].name, "Hello");
//!
//! let mut sink = DryRun::default();
//! let published = import.publish_new(FeedId::from_bytes([7; 32]), &mut sink)?;
//! assert_eq!(published.messages, 3); // about, course, lesson
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("../docs/folder.md")]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod archive;
mod assemble;
mod body;
mod captions;
mod changes;
mod course;
mod coursera;
mod disk;
mod draft;
mod error;
mod faststart;
mod folder;
mod group;
mod html;
mod import;
mod items;
mod kind;
mod language;
mod lesson;
pub mod limits;
mod links;
mod markdown;
mod messages;
mod mp4;
mod names;
mod outline;
mod pdf;
mod problem;
mod quiz;
mod reader;
mod sidecar;
mod sink;
mod source;
mod store;
mod suffix;
mod syllabus;
mod tags;
mod text;
mod tree;
mod video;
mod webm;
mod zip;

pub use captions::{CaptionError, to_webvtt};
pub use draft::{
    BodyDraft, CaptionDraft, CourseDraft, FileDraft, Layout, LessonDraft, LinkDraft, TestDraft,
    Totals, TrackKind, VideoDraft, VideoFile,
};
pub use error::{OpenError, PublishError, SinkError};
pub use import::{Change, Current, Import, Options, Published, Reading};
pub use problem::{MAX_PROBLEMS, Problem, ProblemKind, Severity};
pub use sink::{DryRun, Progress, Sink, Stage};
