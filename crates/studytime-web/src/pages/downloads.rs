use super::course::Holding;
use super::settings::kilobytes;
use super::{course_id, done_at};
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html, sentence};
use crate::text;
use crate::view;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use studytime_index::{CourseQuery, Sort};
use studytime_node::api::{
    BlobGc, CourseList, CourseReply, CourseShow, DownloadsChange, DownloadsEdit, DownloadsReply,
    GcReply, Status, path,
};

/// Most courses that are listed.
const MAX_COURSES: usize = 100;

struct Course {
    href: String,
    name: String,
    enrolled: bool,
    pinned: bool,
    paused: bool,
    holding: Holding,
    /// Its own limit on speed, in thousands of bytes a second.
    limit: Option<u64>,
}

impl Course {
    fn new(reply: CourseReply, downloads: &DownloadsReply) -> Self {
        let id = reply.detail.record.feed_id;
        Self {
            href: path::course_path(&id),
            name: view::named(&reply.detail.record.name),
            enrolled: reply.detail.enrolled,
            pinned: reply.pinned,
            paused: reply.paused,
            holding: Holding::new(
                &id,
                reply.bytes_here,
                reply.bytes_total,
                reply.unknown_files,
            ),
            limit: downloads
                .courses
                .iter()
                .find(|c| c.feed_id == id)
                .map(|c| c.limit.div_ceil(1_000)),
        }
    }
}

/// What a clean-up would free, or has freed.
struct Cleaned {
    freed: String,
    files: String,
    really: bool,
    nothing: bool,
}

#[derive(Template)]
#[template(path = "downloads.html")]
struct Downloads {
    shell: Shell,
    courses: Vec<Course>,
    used: String,
    files: String,
    quota: String,
    percent: u8,
    full: bool,
    /// Free on the disk, and what is to stay free.
    disk: Option<(String, String)>,
    /// Why downloads stand still for want of room.
    stopped: Option<String>,
    paused: bool,
    /// Their hours, while they wait for them.
    waiting: Option<String>,
    /// Hours and speed, where there are limits.
    rules: Vec<String>,
    messages: String,
    feeds: String,
    cleaned: Option<Cleaned>,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    page(&app, query.get("done"), None).await
}

/// Looks for, or deletes, what no course here needs any more.
pub(crate) async fn clean(State(app): State<App>, Form(form): Form) -> Result<Response, Problem> {
    let dry_run = !form.ticked("really");
    let reply = app.node.call(BlobGc { dry_run }).await?;
    page(&app, None, Some(reply)).await
}

/// Pauses all downloads, or lets them go on.
pub(crate) async fn pause_all(
    State(app): State<App>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let paused = form.ticked("set");
    let edit = DownloadsEdit {
        paused: Some(paused),
        ..DownloadsEdit::default()
    };
    app.node.call(DownloadsChange { edit }).await?;
    let done = if paused { "all-paused" } else { "all-resumed" };
    Ok(done_at("/downloads", done))
}

/// Sets how fast one course is fetched at most.
pub(crate) async fn limit(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let id = course_id(&id)?;
    let limit = kilobytes(form.get("limit").unwrap_or_default())?;
    let edit = DownloadsEdit {
        courses: vec![(id, limit)],
        ..DownloadsEdit::default()
    };
    app.node.call(DownloadsChange { edit }).await?;
    Ok(done_at("/downloads", "limited"))
}

async fn page(
    app: &App,
    done: Option<&str>,
    cleaned: Option<GcReply>,
) -> Result<Response, Problem> {
    let query = |started, on_device| CourseList {
        query: CourseQuery {
            facets: false,
            started,
            on_device,
            include_deprecated: true,
            sort: Sort::Name,
            limit: MAX_COURSES,
            ..CourseQuery::default()
        },
    };
    let (status, downloads, started, others) = tokio::try_join!(
        app.node.call(Status {}),
        app.node
            .call(studytime_node::api::Downloads { by_class: false }),
        app.node.call(query(Some(true), false)),
        app.node.call(query(Some(false), true)),
    )?;
    let mut courses = Vec::new();
    for card in started.items.iter().chain(&others.items).take(MAX_COURSES) {
        // A course may go between the two questions.
        if let Ok(reply) = app.node.call(CourseShow { id: card.feed_id }).await {
            let empty = !reply.detail.enrolled && reply.bytes_total == 0;
            courses.extend((!empty).then(|| Course::new(reply, &downloads)));
        }
    }
    let mut rules = Vec::new();
    rules.extend(downloads.hours.as_ref().map(|h| format!("at {h}")));
    let speed = downloads.limit.map(text::size);
    rules.extend(speed.map(|s| format!("at most {s} a second")));
    let closed = !downloads.running && !downloads.paused;
    html(&Downloads {
        shell: Shell::new(app, "downloads", "Downloads and storage").notice(done),
        courses,
        used: text::size(status.blobs.bytes),
        files: text::count(status.blobs.count, "file", "files"),
        quota: text::size(downloads.quota),
        percent: text::percent(status.blobs.bytes, downloads.quota),
        full: status.blobs.bytes >= downloads.quota,
        disk: downloads
            .free
            .map(|free| (text::size(free), text::size(downloads.free_floor))),
        stopped: downloads.stopped.map(|s| sentence(&s.to_string())),
        paused: downloads.paused,
        waiting: downloads.hours.filter(|_| closed),
        rules,
        messages: text::count(status.messages, "message", "messages"),
        feeds: text::count(status.feeds, "feed", "feeds"),
        cleaned: cleaned.map(|gc| Cleaned {
            freed: text::size(gc.removed.bytes),
            files: text::count(gc.removed.count, "file", "files"),
            really: !gc.dry_run,
            nothing: gc.removed.count == 0,
        }),
    })
}
