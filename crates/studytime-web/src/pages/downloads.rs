use super::course::Holding;
use crate::app::App;
use crate::form::{Form, Query};
use crate::page::{Problem, Shell, html};
use crate::text;
use crate::view;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use studytime_index::{CourseQuery, Sort};
use studytime_node::api::{
    BlobGc, CourseList, CourseReply, CourseShow, GcReply, Settings, Status, path,
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
}

impl Course {
    fn new(reply: CourseReply) -> Self {
        let id = reply.detail.record.feed_id;
        Self {
            href: path::course_path(&id),
            name: view::named(&reply.detail.record.name),
            enrolled: reply.detail.enrolled,
            pinned: reply.pinned,
            paused: reply.paused,
            holding: Holding::new(&id, reply.bytes_here, reply.bytes_total),
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
    let (status, settings, started, others) = tokio::try_join!(
        app.node.call(Status {}),
        app.node.call(Settings {}),
        app.node.call(query(Some(true), false)),
        app.node.call(query(Some(false), true)),
    )?;
    let mut courses = Vec::new();
    for card in started.items.iter().chain(&others.items).take(MAX_COURSES) {
        // A course may go between the two questions.
        if let Ok(reply) = app.node.call(CourseShow { id: card.feed_id }).await {
            let empty = !reply.detail.enrolled && reply.bytes_total == 0;
            courses.extend((!empty).then(|| Course::new(reply)));
        }
    }
    html(&Downloads {
        shell: Shell::new(app, "downloads", "Downloads and storage").notice(done),
        courses,
        used: text::size(status.blobs.bytes),
        files: text::count(status.blobs.count, "file", "files"),
        quota: text::size(settings.blob_quota),
        percent: text::percent(status.blobs.bytes, settings.blob_quota),
        full: status.blobs.bytes >= settings.blob_quota,
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
