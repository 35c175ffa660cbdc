//! Folders and archives people already have, turned into StudyTime courses.
//!
//! [`Import::open`] reads a folder (or a zip archive, in place) and makes a
//! [`CourseDraft`] of it: sections, lessons, texts, videos with captions,
//! files, tests, and a list of [`Problem`]s. Nothing is written anywhere.
//! [`Import::publish_new`] and [`Import::publish_into`] then store the files
//! and publish the messages through a [`Sink`], which a node implements.
#![doc = include_str!("../docs/folder.md")]

mod archive;
mod assemble;
mod body;
mod captions;
mod changes;
mod coursera;
mod disk;
mod draft;
mod error;
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
mod syllabus;
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
