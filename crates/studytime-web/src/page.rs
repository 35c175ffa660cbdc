//! What every page shares: the frame around it, and what is shown when it
//! cannot be made.

use crate::app::App;
use crate::markup::{self, Kind, Rendered};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use studytime_node::api::{ApiError, ErrorKind};

/// The frame of a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shell {
    /// What the window is called.
    pub(crate) title: String,
    /// Which entry of the menu is lit.
    pub(crate) nav: &'static str,
    /// The form token.
    pub(crate) token: String,
    /// Whether the bar at the top has a search field; not where the page has its own.
    pub(crate) search: bool,
    /// What was just done, for the status line.
    pub(crate) notice: Option<&'static str>,
}

impl Shell {
    pub(crate) fn new(app: &App, nav: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            nav,
            token: app.options.token.clone().unwrap_or_default(),
            search: true,
            notice: None,
        }
    }

    /// What a redirect said has been done: a word of ours, not of the address.
    pub(crate) fn notice(mut self, done: Option<&str>) -> Self {
        self.notice = done.and_then(notice);
        self
    }
}

fn notice(done: &str) -> Option<&'static str> {
    Some(match done {
        "started" => "You started this course. Its lessons are being fetched in order.",
        "carried" => {
            "You go on here. What the lessons of both courses have in common counts as before."
        }
        "carried-later" => {
            "You started this course. Its lessons are not here yet: come back to the old course later to bring along what you did."
        }
        "left" => "You left this course. Your notes and progress are kept.",
        "paused" => "Fetching is paused.",
        "resumed" => "Fetching goes on.",
        "all-paused" => "All downloads are paused.",
        "all-resumed" => "Downloads go on.",
        "limited" => "The limit on speed is set.",
        "pinned" => "All of this course is kept on this device.",
        "unpinned" => "This course is no longer pinned.",
        "mirror-added" => "The mirror is added. It is asked when no device has a file.",
        "mirror-removed" => "The mirror is asked no more. What lies there stays.",
        "lesson-done" => "Marked as done.",
        "lesson-undone" => "No longer marked as done.",
        "note" => "Your note is saved.",
        "bookmark" => "Bookmarked.",
        "unbookmark" => "The bookmark is gone.",
        "connected" => "Connected.",
        "invited" => "The invite is accepted; you are connected.",
        "follow" => "You follow this feed now.",
        "unfollow" => "You no longer follow this feed.",
        "block" => "This feed is blocked.",
        "unblock" => "This feed is no longer blocked.",
        "list-added" => "The course list is added. Its courses appear as they arrive.",
        "list-removed" => "The course list is gone. Courses you started stay.",
        "list-moved" => "The order of your course lists is changed.",
        "saved" => "Your settings are saved.",
        _ => return None,
    })
}

/// Renders a template as the answer.
pub(crate) fn html(template: &impl Template) -> Result<Response, Problem> {
    match template.render() {
        Ok(text) => Ok(Html(text).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            Err(Problem::failed("The page could not be written."))
        }
    }
}

/// Longest text that is rendered in place; longer ones would hold up other requests.
const RENDER_INLINE: usize = 32 * 1024;

/// Lesson text to safe HTML, aside from the other requests when it is long.
pub(crate) async fn rendered(text: String, kind: Kind) -> Rendered {
    if text.len() <= RENDER_INLINE {
        return markup::render(&text, kind);
    }
    let task = tokio::task::spawn_blocking(move || markup::render(&text, kind));
    task.await.unwrap_or_default()
}

/// Why a page cannot be shown; becomes a page that says so.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    text: String,
    hint: Option<String>,
}

impl Problem {
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        ApiError::not_found(text).into()
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        ApiError::usage(text).into()
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::Failed, text).into()
    }
}

/// The status of an answer that fails, and its heading.
pub(crate) fn status_of(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "Not found here"),
        ErrorKind::Usage => (StatusCode::BAD_REQUEST, "That does not fit"),
        ErrorKind::Refused => (StatusCode::UNPROCESSABLE_ENTITY, "That cannot be done"),
        ErrorKind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "Stopped"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let (status, title) = status_of(error.kind);
        if status.is_server_error() {
            tracing::warn!(message = %error.message, "a request failed");
        }
        Self {
            status,
            title,
            text: error.message,
            hint: error.hint,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        error_page(self.status, self.title, &self.text, self.hint.as_deref())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    code: u16,
    text: String,
    hint: Option<String>,
}

/// A message as a sentence of its own.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let mut out: String = chars
        .next()
        .map(|c| c.to_uppercase().chain(chars).collect())
        .unwrap_or_default();
    if out.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
        out.push('.');
    }
    out
}

/// A page that says what went wrong, why, and what to do.
pub(crate) fn error_page(
    status: StatusCode,
    title: &str,
    text: &str,
    hint: Option<&str>,
) -> Response {
    let page = ErrorPage {
        shell: Shell {
            title: title.to_owned(),
            ..Shell::default()
        },
        code: status.as_u16(),
        text: sentence(text),
        hint: hint.map(sentence),
    };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (status, format!("{title}\n{text}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("could not connect"), "Could not connect.");
        assert_eq!(sentence("Is it on?"), "Is it on?");
        assert_eq!(sentence(""), "");
    }
}
