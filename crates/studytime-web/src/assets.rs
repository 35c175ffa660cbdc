//! The style sheet, the script and the mark: part of the program, under paths
//! that change with their content, so that browsers keep them for good.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;
use studytime_node::api::path::blob_segment;
use studytime_schema::BlobId;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// `/static/HASH/name`.
    path: String,
    etag: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let hash = blob_segment(&BlobId::of(bytes));
        let short: String = hash.chars().take(16).collect();
        Self {
            name,
            kind,
            bytes,
            path: format!("/static/{short}/{name}"),
            etag: format!("\"{hash}\""),
        }
    }
}

static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "app.css",
        "text/css; charset=utf-8",
        include_bytes!("../static/app.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../static/app.js"),
    )
});
static MARK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "favicon.svg",
        "image/svg+xml",
        include_bytes!("../static/favicon.svg"),
    )
});

/// Path of the style sheet.
pub(crate) fn css() -> &'static str {
    &CSS.path
}

/// Path of the script.
pub(crate) fn script() -> &'static str {
    &SCRIPT.path
}

/// Path of the mark.
pub(crate) fn mark() -> &'static str {
    &MARK.path
}

pub(crate) async fn serve(
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = [&CSS, &SCRIPT, &MARK]
        .into_iter()
        .find(|asset| asset.name == name);
    let Some(asset) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A page of another version asks by another hash; it gets today's file, but
    // must not keep it under that name.
    let lasting = asset.path == format!("/static/{hash}/{name}");
    answer(asset, &headers, lasting)
}

/// Browsers ask for this without being told.
pub(crate) async fn favicon(headers: HeaderMap) -> Response {
    answer(&MARK, &headers, false)
}

fn answer(asset: &Asset, headers: &HeaderMap, lasting: bool) -> Response {
    let keep = if lasting {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let common = [
        (header::ETAG, asset.etag.as_str()),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_TYPE, asset.kind),
    ];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    if known.is_some_and(|tags| tags.contains(&asset.etag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, asset.bytes).into_response()
}
