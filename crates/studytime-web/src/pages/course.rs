use super::{course_id, done_at};
use crate::app::App;
use crate::form::{Form, Query};
use crate::markup::{self, Kind};
use crate::page::{Problem, Shell, html};
use crate::text::{self, Moment};
use crate::view;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use studytime_index::{CourseDetail, LessonSummary};
use studytime_node::api::{
    Bookmark, CourseCarry, CourseLeave, CoursePause, CoursePin, CourseReply, CourseShow,
    CourseStart, ErrorKind, Learner, Settings, SettingsChange, path,
};
use studytime_schema::FeedId;

/// A section of the syllabus.
pub(crate) struct Section {
    pub(crate) name: Option<String>,
    pub(crate) done: usize,
    pub(crate) lessons: Vec<Row>,
    pub(crate) open: bool,
}

/// A lesson in the syllabus.
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) done: bool,
    pub(crate) percent: u8,
    pub(crate) current: bool,
    pub(crate) text: bool,
    pub(crate) videos: Option<String>,
    pub(crate) files: Option<String>,
    pub(crate) tests: Option<String>,
}

impl Row {
    fn new(course: &FeedId, lesson: &LessonSummary, current: Option<u64>) -> Self {
        let videos = (lesson.videos > 0).then(|| match lesson.video_seconds {
            0 => text::count(lesson.videos as u64, "video", "videos"),
            seconds => text::clock(seconds),
        });
        Self {
            number: lesson.lesson_number,
            href: path::lesson_path(course, lesson.lesson_number),
            name: view::lesson_name(&lesson.name, lesson.lesson_number),
            description: lesson.description.clone(),
            done: lesson.done,
            percent: lesson.percent,
            current: current == Some(lesson.lesson_number),
            text: lesson.has_text,
            videos,
            files: (lesson.attachments > 0)
                .then(|| text::count(lesson.attachments as u64, "file", "files")),
            tests: (lesson.tests > 0).then(|| text::count(lesson.tests as u64, "test", "tests")),
        }
    }
}

/// The syllabus, a section for each run of lessons under one heading.
pub(crate) fn sections(
    course: &FeedId,
    lessons: &[LessonSummary],
    current: Option<u64>,
) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    for lesson in lessons {
        let row = Row::new(course, lesson, current);
        match out
            .last_mut()
            .filter(|section| section.name == lesson.section)
        {
            Some(section) => section.lessons.push(row),
            None => out.push(Section {
                name: lesson.section.clone(),
                done: 0,
                lessons: vec![row],
                open: false,
            }),
        }
    }
    let here = out.iter().position(|s| s.lessons.iter().any(|l| l.current));
    let unfinished = out.iter().position(|s| s.lessons.iter().any(|l| !l.done));
    let few = lessons.len() <= 24;
    for (i, section) in out.iter_mut().enumerate() {
        section.done = section.lessons.iter().filter(|l| l.done).count();
        section.open = few || Some(i) == here.or(unfinished);
    }
    out
}

/// A line of the box of key facts.
struct Fact {
    icon: &'static str,
    label: &'static str,
    value: String,
}

/// How much of a course is here.
pub(crate) struct Holding {
    pub(crate) feed: String,
    pub(crate) here: String,
    pub(crate) total: String,
    pub(crate) percent: u8,
    pub(crate) complete: bool,
    pub(crate) known: bool,
}

impl Holding {
    /// `unknown` files come on top, of which nobody said how large they are.
    pub(crate) fn new(course: &FeedId, here: u64, total: u64, unknown: u64) -> Self {
        let mut size = text::size(total);
        if unknown > 0 {
            let files = text::count(unknown, "file", "files");
            size = match total {
                0 => format!("{files} of unknown size"),
                _ => format!("{size}, and {files} of unknown size"),
            };
        }
        let complete = total > 0 && here >= total && unknown == 0;
        Self {
            feed: course.to_string(),
            here: text::size(here.min(total)),
            total: size,
            percent: text::percent(here, total).min(if complete { 100 } else { 99 }),
            complete,
            known: total > 0 || unknown > 0,
        }
    }
}

#[derive(Template)]
#[template(path = "course.html")]
struct Course {
    shell: Shell,
    id: String,
    href: String,
    name: String,
    dir: &'static str,
    lang: Option<String>,
    cover: String,
    hue: u8,
    category: String,
    category_href: String,
    subject: String,
    subject_href: String,
    provider: Option<(String, String)>,
    about: String,
    about_cut: bool,
    keywords: Vec<(String, String)>,
    facts: Vec<Fact>,
    source: Option<String>,
    prerequisites: Vec<(String, Option<String>)>,
    deprecated: bool,
    reason: Option<String>,
    successor: Option<(String, String)>,
    /// The course as a form's field.
    segment: String,
    lists: Vec<(String, String)>,
    sections: Vec<Section>,
    numbered: bool,
    lessons: String,
    feed_here: bool,
    enrolled: bool,
    own: bool,
    pinned: bool,
    paused: bool,
    bookmarked: bool,
    holding: Holding,
    /// What all of it takes and what there is, when that is less.
    no_room: Option<(String, String)>,
    percent: u8,
    done: usize,
    total: usize,
    go_on: Option<(String, String, Option<String>)>,
    learners: Option<String>,
    updated: Option<Moment>,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let (reply, learner) =
        tokio::try_join!(app.node.call(CourseShow { id }), app.node.call(Learner {}),)?;
    let bookmarked = learner
        .bookmarks
        .iter()
        .any(|b| b.course.feed_id == id && b.lesson.is_none() && b.item.is_none());
    let shell = Shell::new(&app, "courses", view::named(&reply.detail.record.name))
        .notice(query.get("done"));
    html(&page(shell, reply, bookmarked))
}

fn page(shell: Shell, reply: CourseReply, bookmarked: bool) -> Course {
    let needed = reply.bytes_total.saturating_sub(reply.bytes_here);
    let no_room =
        (needed > reply.bytes_room).then(|| (text::size(needed), text::size(reply.bytes_room)));
    let detail = reply.detail;
    let id = detail.record.feed_id;
    let hue = text::hue(&detail.category);
    let about = detail
        .about
        .as_deref()
        .or(detail.record.description.as_deref());
    let about = markup::render(about.unwrap_or_default(), Kind::Markdown);
    let sections = sections(&id, &detail.lessons, None);
    let go_on = go_on(&detail);
    let facts = facts(&detail);
    let progress = &detail.progress;
    let record = &detail.record;
    Course {
        shell,
        id: id.to_string(),
        href: path::course_path(&id),
        name: view::named(&record.name),
        dir: text::direction(record.language.as_deref()),
        lang: record.language.clone().filter(|l| text::is_language_tag(l)),
        cover: view::cover(&id, record.image.as_ref(), hue),
        hue,
        category_href: view::query_path("/courses", &[("category", &detail.category)]),
        subject_href: view::query_path("/courses", &[("subject", &detail.subject)]),
        provider: record
            .provider
            .clone()
            .map(|p| (view::query_path("/courses", &[("provider", &p)]), p)),
        about: about.html,
        about_cut: about.truncated,
        keywords: record
            .keywords
            .iter()
            .take(16)
            .map(|k| (k.clone(), view::query_path("/courses", &[("q", k)])))
            .collect(),
        source: record.source_url.clone().filter(|url| is_web(url)),
        prerequisites: record
            .prerequisites
            .iter()
            .take(32)
            .map(|p| match FeedId::parse_lenient(p) {
                Ok(feed) => (
                    format!("The course {}", feed.short()),
                    Some(path::course_path(&feed)),
                ),
                Err(_) => (p.clone(), None),
            })
            .collect(),
        deprecated: record.deprecated,
        reason: record.deprecation_reason.clone(),
        successor: detail
            .replaced_by
            .as_ref()
            .map(|r| (path::course_path(&r.feed_id), view::named(&r.name)))
            .or_else(|| {
                let next = record.replaced_by()?;
                Some((path::course_path(&next), next.short()))
            }),
        segment: path::feed_segment(&id),
        lists: detail
            .lists
            .iter()
            .map(|list| {
                let name = list.name.clone().unwrap_or_else(|| list.feed_id.short());
                let segment = path::feed_segment(&list.feed_id);
                (name, view::query_path("/courses", &[("list", &segment)]))
            })
            .collect(),
        numbered: sections.len() > 1,
        sections,
        lessons: text::count(detail.lessons.len() as u64, "lesson", "lessons"),
        feed_here: detail.feed_here,
        enrolled: detail.enrolled,
        own: reply.own,
        pinned: reply.pinned,
        paused: reply.paused,
        bookmarked,
        holding: Holding::new(
            &id,
            reply.bytes_here,
            reply.bytes_total,
            reply.unknown_files,
        ),
        no_room,
        percent: progress.percent,
        done: progress.lessons_done,
        total: progress.lessons_total,
        go_on,
        learners: (detail.learners > 0)
            .then(|| text::count(detail.learners, "learner near you", "learners near you")),
        updated: text::moment(detail.updated),
        category: detail.category,
        subject: detail.subject,
        facts,
    }
}

/// Where to go on: the lesson's address, its name, and the place in its video.
fn go_on(detail: &CourseDetail) -> Option<(String, String, Option<String>)> {
    let id = &detail.record.feed_id;
    if let Some(at) = &detail.progress.continue_at {
        let lesson = &at.lesson;
        return Some((
            path::lesson_path(id, lesson.lesson_number),
            view::lesson_name(&lesson.name, lesson.lesson_number),
            (at.position_seconds > 0).then(|| text::clock(at.position_seconds)),
        ));
    }
    let first = detail
        .lessons
        .iter()
        .find(|l| !l.done)
        .or(detail.lessons.first())?;
    Some((
        path::lesson_path(id, first.lesson_number),
        view::lesson_name(&first.name, first.lesson_number),
        None,
    ))
}

fn facts(detail: &CourseDetail) -> Vec<Fact> {
    let record = &detail.record;
    let mut facts = Vec::new();
    let mut fact = |icon, label, value: Option<String>| {
        if let Some(value) = value {
            facts.push(Fact { icon, label, value });
        }
    };
    fact(
        "level",
        "Level",
        record.level.map(|l| view::level(l).to_owned()),
    );
    fact(
        "clock",
        "Takes about",
        record.duration_minutes.map(text::minutes),
    );
    fact(
        "language",
        "Language",
        record.language.as_deref().map(text::language),
    );
    fact(
        "licence",
        "Licence",
        Some(
            record
                .license
                .as_deref()
                .map_or_else(|| "Not stated".to_owned(), text::licence),
        ),
    );
    facts
}

/// Whether a link leads to an ordinary web page.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[derive(Template)]
#[template(path = "start.html")]
struct AskToShare {
    shell: Shell,
    href: String,
    name: String,
    /// The course whose place this one takes, when what was done there goes along.
    from: Option<String>,
}

/// Starts a course. The first time ever, asks whether others may see it. What the
/// learner did in the course `from` is carried over.
pub(crate) async fn start(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let from = form.get("from").map(course_id).transpose()?;
    let share_study = match form.get("share") {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    };
    if share_study.is_some() {
        let change = SettingsChange {
            share_study,
            blob_quota: None,
            budget_messages: None,
            budget_bytes: None,
            hops: None,
        };
        app.node.call(change).await?;
    } else if app.node.call(Settings {}).await?.share_study.is_none() {
        let course = app.node.call(CourseShow { id }).await?;
        return html(&AskToShare {
            shell: Shell::new(&app, "courses", "Before you start"),
            href: path::course_path(&id),
            name: view::named(&course.detail.record.name),
            from: from.as_ref().map(path::feed_segment),
        });
    }
    app.node.call(CourseStart { id, wait: false }).await?;
    let done = match from {
        None => "started",
        Some(from) => match app.node.call(CourseCarry { id, from }).await {
            Ok(_) => "carried",
            // Its lessons may not be here yet; the old course's page offers it again.
            Err(error) if error.kind == ErrorKind::NotFound => "carried-later",
            Err(error) => return Err(error.into()),
        },
    };
    Ok(done_at(&path::course_path(&id), done))
}

pub(crate) async fn leave(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    app.node.call(CourseLeave { id }).await?;
    Ok(done_at(&path::course_path(&id), "left"))
}

pub(crate) async fn pin(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let pinned = form.ticked("set");
    app.node.call(CoursePin { id, pinned }).await?;
    Ok(done_at(
        &back(&form, &id),
        if pinned { "pinned" } else { "unpinned" },
    ))
}

pub(crate) async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let paused = form.ticked("set");
    app.node.call(CoursePause { id, paused }).await?;
    Ok(done_at(
        &back(&form, &id),
        if paused { "paused" } else { "resumed" },
    ))
}

pub(crate) async fn bookmark(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let set = form.ticked("set");
    app.node
        .call(Bookmark {
            id,
            number: None,
            set,
        })
        .await?;
    Ok(done_at(
        &path::course_path(&id),
        if set { "bookmark" } else { "unbookmark" },
    ))
}

/// The page a button was on: the downloads, or the course.
fn back(form: &crate::form::Fields, id: &FeedId) -> String {
    match form.get("from") {
        Some("downloads") => "/downloads".to_owned(),
        _ => path::course_path(id),
    }
}
