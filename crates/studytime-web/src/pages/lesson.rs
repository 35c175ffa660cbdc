use super::course::{Section, sections};
use super::{course_id, done_at, lesson_number};
use crate::app::App;
use crate::form::{Form, Query};
use crate::markup::{self, Heading, Kind};
use crate::page::{Problem, Shell, html, rendered};
use crate::questions::Asked;
use crate::text::{self, Moment};
use crate::view;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use studytime_node::api::{
    AttachmentInfo, Bookmark, CourseShow, LessonDone, LessonShow, NoteAdd, NoteInfo, VideoInfo,
    path,
};
use studytime_schema::content::LessonContentType;

/// Longest note that is taken, in bytes; the node splits what does not fit a message.
const MAX_NOTE: usize = 64 * 1024;

/// A video as the player needs it.
struct Video {
    item: String,
    name: String,
    description: Option<String>,
    sources: Vec<(String, Option<String>)>,
    captions: Vec<Track>,
    poster: Option<String>,
    position: u64,
    resume: Option<String>,
    size: Option<String>,
    download: String,
    waiting: Option<String>,
    done: bool,
}

struct Track {
    src: String,
    kind: String,
    lang: Option<String>,
    label: String,
    default: bool,
}

impl Video {
    fn new(video: VideoInfo) -> Self {
        let position = if video.done {
            0
        } else {
            video.position_seconds
        };
        // `#t=` lets a browser without scripts begin where the learner left off.
        let at = if position > 0 {
            format!("#t={position}")
        } else {
            String::new()
        };
        let here = video.size.filter(|size| video.bytes_here < *size);
        let captions = video.captions.into_iter().enumerate().map(|(i, track)| {
            let lang = track.caption.language.filter(|l| text::is_language_tag(l));
            let label = track
                .caption
                .label
                .or_else(|| lang.as_deref().map(text::language));
            Track {
                src: track.path,
                kind: track.caption.kind.unwrap_or_else(|| "subtitles".to_owned()),
                label: label.unwrap_or_else(|| format!("Track {}", i + 1)),
                lang,
                default: i == 0,
            }
        });
        Self {
            item: video.item.to_string(),
            sources: video
                .sources
                .iter()
                .map(|(path, kind)| (format!("{path}{at}"), kind.clone()))
                .collect(),
            captions: captions.collect(),
            poster: video.poster,
            position,
            resume: (position > 0).then(|| text::clock(position)),
            size: video.size.map(text::size),
            download: download(&video.path, &video.name, video.content_type.as_deref()),
            waiting: here.map(|size| part_here(video.bytes_here, size)),
            name: video.name,
            description: video.description,
            done: video.done,
        }
    }
}

/// How much of a file that is not all here has arrived.
fn part_here(here: u64, size: u64) -> String {
    match here {
        0 => "not here yet".to_owned(),
        _ => format!("{} of {} here", text::size(here), text::size(size)),
    }
}

/// The address of a video under a file name, for saving it.
fn download(href: &str, name: &str, kind: Option<&str>) -> String {
    let ending = match kind {
        Some("video/webm") => ".webm",
        Some("video/ogg") => ".ogv",
        _ => ".mp4",
    };
    let mut out = format!("{href}{}name=", if href.contains('?') { '&' } else { '?' });
    path::percent_encode(name, &mut out);
    if !name.ends_with(ending) {
        out.push_str(ending);
    }
    out
}

struct File {
    name: String,
    href: String,
    size: Option<String>,
    kind: &'static str,
    waiting: Option<String>,
    /// Whether the browser can show it in the page.
    viewer: bool,
    open: bool,
}

impl File {
    fn new(file: AttachmentInfo, open: bool) -> Self {
        let kind = file.content_type.as_deref().unwrap_or_default();
        let waiting = file.size.filter(|size| file.bytes_here < *size);
        Self {
            viewer: kind == "application/pdf",
            kind: kind_words(kind),
            size: file.size.map(text::size),
            waiting: waiting.map(|size| part_here(file.bytes_here, size)),
            name: file.name,
            href: file.path,
            open,
        }
    }
}

/// A MIME type in words.
fn kind_words(kind: &str) -> &'static str {
    match kind {
        "application/pdf" => "PDF",
        "application/zip" | "application/x-tar" | "application/gzip" => "Archive",
        "application/x-ipynb+json" => "Notebook",
        "application/epub+zip" => "EPUB",
        k if k.starts_with("image/") => "Picture",
        k if k.starts_with("audio/") => "Audio",
        k if k.starts_with("text/") => "Text",
        k if k.contains("presentation") || k.contains("powerpoint") => "Slides",
        k if k.contains("spreadsheet") || k.contains("excel") => "Table",
        k if k.contains("wordprocessing") || k.contains("msword") => "Document",
        _ => "File",
    }
}

/// A test, ready to be filled in.
struct Test {
    action: String,
    anchor: String,
    name: String,
    pass_percent: u8,
    best: Option<u8>,
    passed: bool,
    questions: Vec<Asked>,
}

/// A note.
pub(crate) struct Note {
    pub(crate) html: String,
    pub(crate) time: Option<Moment>,
    pub(crate) course: (String, String),
    pub(crate) lesson: Option<(String, String)>,
}

impl Note {
    pub(crate) fn new(note: NoteInfo) -> Self {
        Self {
            html: markup::render(&note.text, Kind::Markdown).html,
            time: text::moment(note.time),
            course: (
                path::course_path(&note.feed_id),
                view::named(&note.course_name),
            ),
            lesson: note
                .lesson_number
                .map(|n| (path::lesson_path(&note.feed_id, n), format!("Lesson {n}"))),
        }
    }
}

#[derive(Template)]
#[template(path = "lesson.html")]
struct Lesson {
    shell: Shell,
    course: String,
    course_href: String,
    course_name: String,
    href: String,
    number: u64,
    of: usize,
    name: String,
    section: Option<String>,
    description: Option<String>,
    dir: &'static str,
    lang: Option<String>,
    hue: u8,
    text: String,
    text_missing: bool,
    text_cut: bool,
    toc: Vec<Heading>,
    videos: Vec<Video>,
    files: Vec<File>,
    tests: Vec<Test>,
    notes: Vec<Note>,
    done: bool,
    bookmarked: bool,
    enrolled: bool,
    previous: Option<(String, String)>,
    next: Option<(String, String)>,
    sections: Vec<Section>,
    progress: u8,
    empty: bool,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let (id, number) = (course_id(&id)?, lesson_number(&number)?);
    let (reply, course) = tokio::try_join!(
        app.node.call(LessonShow { id, number }),
        app.node.call(CourseShow { id }),
    )?;
    let detail = course.detail;
    let language = detail.record.language.as_deref();
    let name = view::lesson_name(&reply.lesson.name, number);
    let kind = match reply.lesson.lesson_content_type {
        LessonContentType::Markdown => Kind::Markdown,
        LessonContentType::Html => Kind::Html,
        LessonContentType::Plain => Kind::Plain,
    };
    let source = reply.content.as_deref().unwrap_or_default();
    let rendered = rendered(without_title(source, &name, kind).to_owned(), kind).await;
    let has_text =
        reply.lesson.lesson_content.is_some() || reply.lesson.lesson_content_blob.is_some();
    let names = |n: Option<u64>| {
        let n = n?;
        let lesson = detail.lessons.iter().find(|l| l.lesson_number == n);
        let name = lesson.map(|l| l.name.as_str()).unwrap_or_default();
        Some((path::lesson_path(&id, n), view::lesson_name(name, n)))
    };
    let text_missing = has_text && reply.content.is_none();
    let only_files = rendered.html.is_empty() && reply.videos.is_empty();
    let nothing = only_files && reply.attachments.is_empty() && reply.tests.is_empty();
    html(&Lesson {
        shell: Shell::new(
            &app,
            "courses",
            format!("{name} · {}", view::named(&reply.course_name)),
        )
        .notice(query.get("done")),
        course: id.to_string(),
        course_href: path::course_path(&id),
        course_name: view::named(&reply.course_name),
        href: path::lesson_path(&id, number),
        number,
        of: detail.lessons.len(),
        section: reply.lesson.section.clone(),
        description: reply.lesson.description.clone(),
        dir: text::direction(language),
        lang: language
            .filter(|l| text::is_language_tag(l))
            .map(str::to_owned),
        hue: text::hue(&detail.category),
        text_missing,
        text_cut: rendered.truncated,
        text: rendered.html,
        toc: if rendered.toc.len() >= 3 {
            rendered.toc
        } else {
            Vec::new()
        },
        files: reply
            .attachments
            .into_iter()
            .enumerate()
            .map(|(i, file)| File::new(file, only_files && i == 0))
            .collect(),
        videos: reply.videos.into_iter().map(Video::new).collect(),
        tests: reply
            .tests
            .iter()
            .map(|test| {
                let segment = path::message_segment(&test.item);
                Test {
                    action: format!("{}/test/{segment}", path::lesson_path(&id, number)),
                    anchor: format!("test-{segment}"),
                    name: test.name.clone(),
                    pass_percent: test.pass_percent,
                    best: test.best_percent,
                    passed: test
                        .best_percent
                        .is_some_and(|best| best >= test.pass_percent),
                    questions: Asked::all(&test.item, &test.questions),
                }
            })
            .collect(),
        notes: reply.notes.into_iter().map(Note::new).collect(),
        done: reply.done,
        bookmarked: reply.bookmarked,
        enrolled: detail.enrolled,
        previous: names(reply.previous),
        next: names(reply.next),
        sections: sections(&id, &detail.lessons, Some(number)),
        progress: detail.progress.percent,
        name,
        empty: nothing && !text_missing,
    })
}

/// The text without a first heading that only repeats the lesson's name.
fn without_title<'a>(text: &'a str, name: &str, kind: Kind) -> &'a str {
    if kind != Kind::Markdown {
        return text;
    }
    let trimmed = text.trim_start();
    let (first, rest) = trimmed.split_once('\n').unwrap_or((trimmed, ""));
    match first.strip_prefix("# ") {
        Some(title) if title.trim().trim_end_matches('#').trim() == name => rest,
        _ => text,
    }
}

pub(crate) async fn done(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let (id, number) = (course_id(&id)?, lesson_number(&number)?);
    let done = form.ticked("set");
    app.node.call(LessonDone { id, number, done }).await?;
    let here = path::lesson_path(&id, number);
    if !done {
        return Ok(done_at(&here, "lesson-undone"));
    }
    let next = app.node.call(LessonShow { id, number }).await?.next;
    let to = match next {
        Some(next) if form.ticked("go_on") => path::lesson_path(&id, next),
        _ => here,
    };
    Ok(done_at(&to, "lesson-done"))
}

pub(crate) async fn note(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let (id, number) = (course_id(&id)?, lesson_number(&number)?);
    let text = form.get("text").unwrap_or_default().replace("\r\n", "\n");
    if text.is_empty() {
        return Err(Problem::usage(
            "The note was empty. Go back and write something.",
        ));
    }
    if text.len() > MAX_NOTE {
        return Err(Problem::usage(
            "The note is longer than 64 kB. Go back and split it in two.",
        ));
    }
    app.node.call(NoteAdd { id, number, text }).await?;
    Ok(done_at(
        &format!("{}#notes", path::lesson_path(&id, number)),
        "note",
    ))
}

pub(crate) async fn bookmark(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let (id, number) = (course_id(&id)?, lesson_number(&number)?);
    let set = form.ticked("set");
    app.node
        .call(Bookmark {
            id,
            number: Some(number),
            set,
        })
        .await?;
    let word = if set { "bookmark" } else { "unbookmark" };
    Ok(done_at(&path::lesson_path(&id, number), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_title_is_left_out() {
        assert_eq!(
            without_title("\n# Intro\n\ntext", "Intro", Kind::Markdown),
            "\ntext"
        );
        assert_eq!(
            without_title("# Other\ntext", "Intro", Kind::Markdown),
            "# Other\ntext"
        );
        assert_eq!(without_title("# Intro", "Intro", Kind::Plain), "# Intro");
    }
}
