//! One lesson out of its files.

use crate::body::{Body, file_draft};
use crate::captions;
use crate::draft::{CaptionDraft, FileDraft, LessonDraft, TestDraft, VideoDraft, VideoFile};
use crate::error::OpenError;
use crate::folder::{LessonPlan, is_only_material};
use crate::kind::Kind;
use crate::language;
use crate::limits::{MAX_CAPTION, MAX_CAPTIONS, MAX_SIDECAR, MAX_TEST};
use crate::names::{join, natural_cmp, stem, tidy, title};
use crate::problem::ProblemKind;
use crate::quiz;
use crate::reader::Reader;
use crate::sidecar;
use crate::suffix::{TrackName, track_names};
use crate::text::Encoding;
use std::collections::{BTreeMap, BTreeSet};

/// Longest description that is taken from a video's notes, in characters.
const MAX_DESCRIPTION: usize = 500;

/// A lesson whose text has been read, with what it wants of other files.
pub(crate) struct Prepared {
    pub(crate) plan: LessonPlan,
    pub(crate) body: Body,
    /// A name found in the files themselves, and a description.
    pub(crate) found_name: Option<String>,
    pub(crate) description: Option<String>,
}

/// Reads the text and the notes of a lesson.
pub(crate) fn prepare(
    reader: &mut Reader<'_>,
    plan: LessonPlan,
    wanted: Option<&str>,
) -> Result<Prepared, OpenError> {
    let body = crate::body::read(reader, &plan.files, wanted)?;
    let mut found_name = None;
    let mut description = body.description.clone();
    for &index in &plan.files {
        if reader.kind(index) != Kind::Info {
            continue;
        }
        let Some(text) = reader.text(index, MAX_SIDECAR)? else {
            continue;
        };
        if let Ok(note) = sidecar::info_json(&text) {
            found_name = note.title.map(|t| tidy(&t)).filter(|t| !t.is_empty());
            description = description.or(note.description.and_then(|d| shorten(&d)));
        }
    }
    found_name = found_name.or_else(|| body.title.clone());
    if found_name.is_none() && is_only_material(reader.tree, &plan) && plan.files.len() == 1 {
        for &index in &plan.files {
            found_name = reader.pdf_title(index)?;
        }
    }
    Ok(Prepared {
        plan,
        body,
        found_name,
        description,
    })
}

/// The first paragraph of a note, cut to what is pleasant to read.
fn shorten(text: &str) -> Option<String> {
    let first = text.split("\n\n").map(str::trim).find(|p| !p.is_empty())?;
    let mut short: String = first.chars().take(MAX_DESCRIPTION).collect();
    if short.len() < first.len() {
        short.push('\u{2026}');
    }
    Some(short)
}

/// Builds the lesson. `None` when nothing of it can be published.
pub(crate) fn build(
    reader: &mut Reader<'_>,
    mut prepared: Prepared,
    name: String,
    course_language: Option<&str>,
) -> Result<Option<LessonDraft>, OpenError> {
    if prepared.body.title.as_deref() != Some(name.as_str()) {
        prepared.body.restore_heading();
    }
    let mut files = prepared.plan.files.clone();
    for extra in &prepared.body.videos {
        if !files.contains(extra) {
            files.push(*extra);
        }
    }
    let mut videos = videos(reader, &files, &name)?;
    add_captions(reader, &files, &mut videos, course_language)?;
    add_posters(reader, &files, &mut videos)?;
    let tests = tests(reader, &files, &name)?;
    let mut lesson = LessonDraft {
        number: 0,
        section: prepared.plan.section,
        path: prepared.plan.path,
        description: prepared.description,
        attachments: attachments(reader, &files, &prepared.body, &name)?,
        body: prepared.body.draft,
        videos,
        tests,
        name,
    };
    // An empty text under a title is still a lesson when files hang on it.
    let nothing =
        lesson.videos.is_empty() && lesson.attachments.is_empty() && lesson.tests.is_empty();
    if lesson
        .body
        .as_ref()
        .is_none_or(|b| b.text.trim().is_empty())
    {
        if nothing && lesson.body.is_none() {
            return Ok(None);
        }
        if !nothing {
            lesson.body = None;
        }
    }
    Ok(Some(lesson))
}

fn videos(
    reader: &mut Reader<'_>,
    files: &[usize],
    lesson_name: &str,
) -> Result<Vec<VideoDraft>, OpenError> {
    let mut by_stem: BTreeMap<String, Vec<VideoFile>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for &index in files {
        let Some(file) = reader.tree.get(index).filter(|f| f.kind == Kind::Video) else {
            continue;
        };
        let Some(info) = reader.video(index)? else {
            continue;
        };
        let key = join(file.dir(), stem(file.name()));
        if !order.contains(&key) {
            order.push(key.clone());
        }
        let mut draft = file_draft(file, None);
        draft.content_type = info.content_type.to_owned();
        draft.size = info.size;
        by_stem.entry(key).or_default().push(VideoFile {
            file: draft,
            duration_seconds: info.duration_seconds,
            height: info.height,
        });
    }
    order.sort_by(|a, b| natural_cmp(a, b));
    let several = order.len() > 1;
    let mut out = Vec::new();
    for key in order {
        let mut sources = by_stem.remove(&key).unwrap_or_default();
        sources.sort_by(|a, b| {
            b.height
                .cmp(&a.height)
                .then_with(|| a.file.content_type.cmp(&b.file.content_type))
                .then_with(|| a.file.path.cmp(&b.file.path))
        });
        let Some(first) = sources.first() else {
            continue;
        };
        out.push(VideoDraft {
            name: if several {
                title(stem(crate::names::file_name(&first.file.path)))
            } else {
                lesson_name.to_owned()
            },
            path: first.file.path.clone(),
            sources,
            captions: Vec::new(),
            poster: None,
        });
    }
    Ok(out)
}

/// The stems a video goes by, one for each source.
fn stems(video: &VideoDraft) -> BTreeSet<&str> {
    video
        .sources
        .iter()
        .map(|s| stem(crate::names::file_name(&s.file.path)))
        .collect()
}

fn add_captions(
    reader: &mut Reader<'_>,
    files: &[usize],
    videos: &mut [VideoDraft],
    course_language: Option<&str>,
) -> Result<(), OpenError> {
    for &index in files {
        let Some(file) = reader.tree.get(index) else {
            continue;
        };
        match file.kind {
            Kind::Caption => {}
            Kind::OldCaption => {
                old_captions(reader, index);
                continue;
            }
            _ => continue,
        }
        let readings = track_names(stem(file.name()));
        let by_stem = videos.iter().position(|v| {
            let stems = stems(v);
            readings.iter().any(|r| stems.contains(r.base.as_str()))
        });
        let at = by_stem.or((videos.len() == 1).then_some(0));
        let Some(video) = at.and_then(|at| videos.get_mut(at)) else {
            no_video(reader, index);
            continue;
        };
        let track = {
            let stems = stems(video);
            let exact = readings.iter().find(|r| stems.contains(r.base.as_str()));
            exact.or(readings.last()).cloned()
        };
        let Some(track) = track else { continue };
        if let Some(draft) = caption(reader, index, track, course_language)? {
            if video.captions.len() < MAX_CAPTIONS {
                video.captions.push(draft);
            } else {
                let text = format!("more than {MAX_CAPTIONS} caption tracks for one video");
                reader
                    .problems
                    .left_out(&file.path, ProblemKind::TooLarge, text);
            }
        }
    }
    for video in videos {
        video.captions.sort_by(|a, b| {
            (a.kind.as_str(), &a.language, &a.path).cmp(&(b.kind.as_str(), &b.language, &b.path))
        });
    }
    Ok(())
}

/// Says that captions are in a format that is not read.
pub(crate) fn old_captions(reader: &mut Reader<'_>, index: usize) {
    if let Some(file) = reader.tree.get(index) {
        reader.problems.left_out(
            &file.path,
            ProblemKind::Format,
            "captions in this format are not read; convert them to SubRip (.srt) or WebVTT (.vtt)",
        );
    }
}

/// Says that captions stand alone.
pub(crate) fn no_video(reader: &mut Reader<'_>, index: usize) {
    if let Some(file) = reader.tree.get(index) {
        reader.problems.left_out(
            &file.path,
            ProblemKind::NoVideo,
            "there is no video these captions belong to; name them like the video",
        );
    }
}

fn caption(
    reader: &mut Reader<'_>,
    index: usize,
    track: TrackName,
    course_language: Option<&str>,
) -> Result<Option<CaptionDraft>, OpenError> {
    let Some(bytes) = reader.bytes(index, MAX_CAPTION)? else {
        return Ok(None);
    };
    let Some(file) = reader.tree.get(index) else {
        return Ok(None);
    };
    let converted = match captions::convert(&bytes) {
        Ok(converted) => converted,
        Err(e) => {
            reader
                .problems
                .left_out(&file.path, ProblemKind::Format, e.to_string());
            return Ok(None);
        }
    };
    if converted.encoding == Encoding::Windows1252 {
        reader.not_utf8(&file.path);
    }
    if converted.dropped > 0 {
        let text = format!(
            "{} of its time lines cannot be read; their captions are missing",
            converted.dropped
        );
        reader.problems.warn(&file.path, ProblemKind::Format, text);
    }
    let tag = track
        .language
        .or_else(|| course_language.map(str::to_owned))
        .unwrap_or_else(|| "und".to_owned());
    Ok(Some(CaptionDraft {
        path: file.path.clone(),
        size: file.size,
        label: language::label(&tag),
        language: tag,
        kind: track.kind,
    }))
}

fn add_posters(
    reader: &mut Reader<'_>,
    files: &[usize],
    videos: &mut [VideoDraft],
) -> Result<(), OpenError> {
    for &index in files {
        let Some(file) = reader.tree.get(index).filter(|f| f.kind == Kind::Picture) else {
            continue;
        };
        let own = stem(file.name());
        let Some(video) = videos
            .iter_mut()
            .find(|v| v.poster.is_none() && stems(v).contains(own))
        else {
            continue;
        };
        if file.size < studytime_schema::MAX_BLOB_SIZE && reader.check(index)? {
            video.poster = Some(file_draft(file, None));
        }
    }
    Ok(())
}

fn tests(
    reader: &mut Reader<'_>,
    files: &[usize],
    lesson_name: &str,
) -> Result<Vec<TestDraft>, OpenError> {
    let mut out = Vec::new();
    for &index in files {
        let Some(file) = reader.tree.get(index).filter(|f| f.kind == Kind::Test) else {
            continue;
        };
        let Some(text) = reader.text(index, MAX_TEST)? else {
            continue;
        };
        match quiz::parse(&text) {
            Ok(quiz) => {
                for dropped in quiz.dropped {
                    let text = format!("a part of the test cannot be used: {dropped}");
                    reader.problems.warn(&file.path, ProblemKind::Format, text);
                }
                out.push(TestDraft {
                    name: quiz.name.unwrap_or_else(|| lesson_name.to_owned()),
                    path: file.path.clone(),
                    size: file.size,
                    pass_percent: quiz.pass_percent,
                    questions: quiz.questions,
                });
            }
            Err(why) => {
                let text = format!("the test cannot be read: {why}");
                reader
                    .problems
                    .left_out(&file.path, ProblemKind::Format, text);
            }
        }
    }
    Ok(out)
}

/// Files of the lesson that are neither its text, its videos nor its tests.
fn attachments(
    reader: &mut Reader<'_>,
    files: &[usize],
    body: &Body,
    lesson_name: &str,
) -> Result<Vec<FileDraft>, OpenError> {
    let mut chosen: Vec<usize> = Vec::new();
    for &index in files.iter().chain(&body.attached) {
        let Some(file) = reader.tree.get(index) else {
            continue;
        };
        let material = match file.kind {
            Kind::Document | Kind::Audio | Kind::OldVideo | Kind::Unknown => true,
            Kind::Markdown | Kind::Html | Kind::Text => {
                body.file != Some(index) && !body.rejected.contains(&index)
            }
            Kind::Picture => body.attached.contains(&index),
            _ => false,
        };
        if material && !chosen.contains(&index) && reader.check(index)? {
            chosen.push(index);
        }
    }
    let alone = chosen.len() == 1 && files.len() == 1;
    let mut names: Vec<String> = Vec::new();
    for &index in &chosen {
        let Some(file) = reader.tree.get(index) else {
            continue;
        };
        names.push(if alone {
            lesson_name.to_owned()
        } else {
            title(stem(file.name()))
        });
        if file.kind == Kind::OldVideo {
            reader.problems.warn(
                &file.path,
                ProblemKind::Unplayable,
                "browsers do not play this kind of video, so it is offered as a file; convert it to MP4 (H.264 with AAC) or WebM",
            );
        }
    }
    let mut out = Vec::new();
    for (n, &index) in chosen.iter().enumerate() {
        let Some(file) = reader.tree.get(index) else {
            continue;
        };
        let name = names.get(n);
        let twice = names.iter().filter(|other| Some(*other) == name).count() > 1;
        out.push(file_draft(
            file,
            name.map(String::as_str).filter(|_| !twice),
        ));
    }
    Ok(out)
}
