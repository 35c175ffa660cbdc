//! Who may ask what. Runs before any route.
//!
//! Any web page a person opens can send requests to a server on their own
//! machine. So: a request must name these pages in `Host` (else a foreign name
//! that resolves to 127.0.0.1 could read everything), a request that changes
//! something must come from these pages (`Origin`, `Sec-Fetch-Site`) and carry
//! two tokens of this start, a cookie that only this browser has and a form
//! field that only these pages show. No answer ever allows another origin.

use crate::form::Fields;
use crate::options::{MAX_BODY, Options};
use crate::page::{Problem, error_page};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Longest path and query, in bytes.
pub(crate) const MAX_URI: usize = 8 * 1024;

/// Name of the cookie.
const COOKIE: &str = "studytime";

/// Header in which the pages' own script sends the form token.
const TOKEN_HEADER: &str = "x-studytime-token";

/// What the pages may load: everything from here, nothing from elsewhere, no
/// inline script or style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; media-src 'self'; connect-src 'self'; frame-src 'self'; \
    object-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The middleware: refuses, or passes on and dresses the answer.
pub(crate) async fn guard(
    State(options): State<Arc<Options>>,
    request: Request,
    next: Next,
) -> Response {
    let has_cookie = options
        .cookie
        .as_deref()
        .is_some_and(|own| cookies(request.headers()).any(|sent| same(sent, own)));
    let mut response = match admit(&options, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    dress(response.headers_mut());
    if !has_cookie
        && response.status() == StatusCode::OK
        && is_html(response.headers())
        && let Some(value) = options.cookie.as_deref()
        && let Ok(cookie) = HeaderValue::from_str(&format!(
            "{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict"
        ))
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Why a request goes no further: status, heading, what to do.
struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, title, text) = self;
        if status == StatusCode::MISDIRECTED_REQUEST {
            // In plain text: a page of ours has no business under another name.
            return (status, format!("{title}: {text}\n")).into_response();
        }
        error_page(status, title, text, None)
    }
}

async fn admit(options: &Options, request: Request) -> Result<Request, Refusal> {
    let length = request
        .uri()
        .path_and_query()
        .map_or(0, |p| p.as_str().len());
    if length > MAX_URI {
        return Err(Refusal(
            StatusCode::URI_TOO_LONG,
            "That address is too long",
            "Shorten what you search for.",
        ));
    }
    if !named_here(options, &request) {
        return Err(Refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "these pages do not answer to that name",
            "use the address that studytime printed",
        ));
    }
    let method = request.method().clone();
    if method == Method::POST {
        let posted = check_post(options, request.headers())?;
        return read_body(options, request, posted).await;
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(Refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "That cannot be done here",
            "Only GET, HEAD and POST are understood.",
        ));
    }
    if is_foreign_load(request.headers()) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "Not for other sites",
            "Another web site tried to load something from StudyTime.",
        ));
    }
    Ok(request)
}

/// Exactly one `Host`, and one of ours; the same for an absolute address.
fn named_here(options: &Options, request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let in_address = request.uri().authority().map(|a| a.as_str());
    header.is_some_and(|host| options.answers_to(host))
        && in_address.is_none_or(|host| options.answers_to(host))
}

/// A picture, script or fetch on another site's page. Following a link to here
/// is fine: it changes nothing, and the other site cannot see the answer.
fn is_foreign_load(headers: &HeaderMap) -> bool {
    let value = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let foreign = matches!(value(&SEC_FETCH_SITE), Some("cross-site" | "same-site"));
    let followed = value(&SEC_FETCH_MODE) == Some("navigate")
        && value(&SEC_FETCH_DEST).is_none_or(|dest| dest == "document");
    foreign && !followed
}

/// What kind of POST it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Posted {
    /// A form that carries the token in a field.
    Form,
    /// A form or JSON with the token in the header, which is checked already.
    Script,
}

/// Everything about a POST that its headers tell.
fn check_post(options: &Options, headers: &HeaderMap) -> Result<Posted, Refusal> {
    let text = |name: HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let foreign_site = text(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin");
    let foreign_origin = text(header::ORIGIN).is_some_and(|o| !options.is_own_origin(o));
    if foreign_site || foreign_origin {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "Not from there",
            "Only the StudyTime pages themselves may change something here.",
        ));
    }
    let (Some(cookie), Some(token)) = (&options.cookie, &options.token) else {
        return Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "Forms are switched off",
            "This system gave no random numbers, so forms cannot be told from forgeries. Restart StudyTime.",
        ));
    };
    if !cookies(headers).any(|sent| same(sent, cookie)) {
        return Err(stale());
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let in_header =
        text(HeaderName::from_static(TOKEN_HEADER)).is_some_and(|sent| same(sent, token));
    match kind {
        "application/x-www-form-urlencoded" | "application/json" if in_header => Ok(Posted::Script),
        "application/x-www-form-urlencoded" => Ok(Posted::Form),
        "application/json" => Err(stale()),
        _ => Err(Refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "That form cannot be read",
            "Send a form, or JSON with the token in its header.",
        )),
    }
}

fn stale() -> Refusal {
    Refusal(
        StatusCode::FORBIDDEN,
        "Please try once more",
        "StudyTime was restarted since this page was opened, or the browser sends no cookies. Go back, reload the page and try again.",
    )
}

/// Reads a POST's body, up to the cap; a form without its token goes no further.
async fn read_body(
    options: &Options,
    request: Request,
    posted: Posted,
) -> Result<Request, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "That is too much at once",
            "A form may hold half a megabyte. Split what you wrote into several notes.",
        ));
    };
    let fields = Fields::parse(&String::from_utf8_lossy(&bytes));
    let sent = fields.get("token").unwrap_or_default();
    if posted == Posted::Form && !options.token.as_deref().is_some_and(|own| same(sent, own)) {
        return Err(stale());
    }
    parts.extensions.insert(fields);
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The values of our cookie, however many were sent.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Equality that takes as long whether the texts differ early or late.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| v.as_bytes().starts_with(b"text/html"))
}

/// Sets what every answer carries; a route may have set a stricter policy.
fn dress(headers: &mut HeaderMap) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, POLICY);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: browsers would then send forms with `Origin: null`.
    default(header::REFERRER_POLICY, "same-origin");
    default(header::CACHE_CONTROL, "private, no-cache");
    default(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    default(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    default(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
}

/// An unknown path.
pub(crate) async fn not_found() -> Problem {
    Problem::not_found("There is no such page.")
}
