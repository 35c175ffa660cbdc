//! The JSON API: the node's own replies, for scripts and for these pages.
//!
//! Everything under `/api` is read with GET. What changes something is a POST
//! with a JSON body, the cookie and the token in `x-studytime-token`, as the
//! pages' own script sends them. Errors are `{"kind","message","hint"}`.

use crate::app::App;
use crate::form::Query;
use crate::page::status_of;
use crate::pages::Params;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use studytime_index::{Suggestion, SuggestionKind};
use studytime_node::api::{
    ApiError, Call, CourseList, CourseShow, ErrorKind, Event, Learner, LessonDone, LessonShow,
    SavePosition, Status, Subjects, Suggest, path,
};
use studytime_schema::{FeedId, MessageId};

/// Most completions that are given.
const MAX_SUGGESTIONS: usize = 20;

/// Longest text that is completed, in characters.
const MAX_PREFIX: usize = 100;

/// A failure as JSON.
pub(crate) struct Failure(ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (status_of(self.0.kind).0, Json(self.0)).into_response()
    }
}

type Answer<T> = Result<Json<T>, Failure>;

async fn ask<C: Call>(app: &App, call: C) -> Answer<C::Reply> {
    Ok(Json(app.node.call(call).await?))
}

fn bad(what: &str) -> Failure {
    Failure(ApiError::usage(what))
}

fn feed(text: &str) -> Result<FeedId, Failure> {
    path::feed_in_path(text).ok_or_else(|| bad("that is not a course id"))
}

/// `GET /api/status`
pub(crate) async fn status(State(app): State<App>) -> Answer<<Status as Call>::Reply> {
    ask(&app, Status {}).await
}

/// `GET /api/subjects`
pub(crate) async fn subjects(State(app): State<App>) -> Answer<<Subjects as Call>::Reply> {
    ask(&app, Subjects {}).await
}

/// `GET /api/courses`, with the same query as `/courses`.
pub(crate) async fn courses(
    State(app): State<App>,
    Query(query): Query,
) -> Answer<<CourseList as Call>::Reply> {
    let query = Params::read(&query).query();
    ask(&app, CourseList { query }).await
}

/// `GET /api/course/ID`
pub(crate) async fn course(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Answer<<CourseShow as Call>::Reply> {
    ask(&app, CourseShow { id: feed(&id)? }).await
}

/// `GET /api/course/ID/lesson/NUMBER`
pub(crate) async fn lesson(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
) -> Answer<<LessonShow as Call>::Reply> {
    let number = number
        .parse()
        .map_err(|_| bad("a lesson's number is a number"))?;
    ask(
        &app,
        LessonShow {
            id: feed(&id)?,
            number,
        },
    )
    .await
}

/// `GET /api/learner`
pub(crate) async fn learner(State(app): State<App>) -> Answer<<Learner as Call>::Reply> {
    ask(&app, Learner {}).await
}

/// A completion, with the page it leads to.
#[derive(Serialize)]
pub(crate) struct Completion {
    #[serde(flatten)]
    suggestion: Suggestion,
    href: String,
}

/// `GET /api/suggest?q=TEXT&limit=N`
pub(crate) async fn suggest(
    State(app): State<App>,
    Query(query): Query,
) -> Answer<Vec<Completion>> {
    let prefix: String = query
        .get("q")
        .unwrap_or_default()
        .chars()
        .take(MAX_PREFIX)
        .collect();
    if prefix.is_empty() {
        return Ok(Json(Vec::new()));
    }
    let limit = query.read("limit").unwrap_or(8).clamp(1, MAX_SUGGESTIONS);
    let found = app.node.call(Suggest { prefix, limit }).await?;
    let completions = found.into_iter().map(|suggestion| {
        let search = |name| crate::view::query_path("/courses", &[(name, &suggestion.text)]);
        let href = match (suggestion.kind, &suggestion.feed_id) {
            (SuggestionKind::Course, Some(id)) => path::course_path(id),
            (SuggestionKind::Category, _) => search("category"),
            (SuggestionKind::Subject, _) => search("subject"),
            _ => search("q"),
        };
        Completion { href, suggestion }
    });
    Ok(Json(completions.collect()))
}

/// `GET /api/events`: what happens, as server-sent events named by their kind.
pub(crate) async fn events(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Failure> {
    let events = app.node.events().await?;
    let stream = events.filter_map(|event| async move {
        let data = serde_json::to_string(&event).ok()?;
        Some(Ok(SseEvent::default().event(event_name(&event)).data(data)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))))
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::CatalogChanged { .. } => "catalog_changed",
        Event::Download { .. } => "download",
        Event::Storage { .. } => "storage",
        Event::DownloadsChanged {} => "downloads_changed",
        Event::Peer { .. } => "peer",
        Event::Lock { .. } => "lock",
        Event::Problem { .. } => "problem",
        Event::Lagged { .. } => "lagged",
        _ => "other",
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| bad(&format!("the JSON cannot be read: {error}")))
}

#[derive(Deserialize)]
struct Position {
    course: FeedId,
    item: MessageId,
    position_seconds: u64,
    #[serde(default)]
    percent: u8,
    #[serde(default)]
    settled: bool,
}

/// `POST /api/position` `{"course","item","position_seconds","percent","settled"}`:
/// where the learner is in a video.
pub(crate) async fn position(
    State(app): State<App>,
    body: Bytes,
) -> Answer<<SavePosition as Call>::Reply> {
    let at: Position = read(&body)?;
    let call = SavePosition {
        id: at.course,
        item: at.item,
        position_seconds: at.position_seconds.min(u64::from(u32::MAX)),
        percent: at.percent.min(100),
        settled: at.settled,
    };
    ask(&app, call).await
}

#[derive(Deserialize)]
struct Done {
    done: bool,
}

/// `POST /api/course/ID/lesson/NUMBER/done` `{"done"}`
pub(crate) async fn done(
    State(app): State<App>,
    Path((id, number)): Path<(String, String)>,
    body: Bytes,
) -> Answer<<LessonDone as Call>::Reply> {
    let Done { done } = read(&body)?;
    let number = number
        .parse()
        .map_err(|_| bad("a lesson's number is a number"))?;
    ask(
        &app,
        LessonDone {
            id: feed(&id)?,
            number,
            done,
        },
    )
    .await
}

/// Any other path under `/api`.
pub(crate) async fn not_found() -> Failure {
    Failure(ApiError::new(ErrorKind::NotFound, "there is no such call"))
}
