//! Videos, files, pictures and captions over HTTP.
//!
//! All of it comes from strangers. It is served under types that a browser
//! shows without running anything, never sniffed, everything else as a download;
//! and with a policy of its own, so that a document opened directly can do
//! nothing either. A name is the hash of its content, so whatever was fetched
//! once can be kept for good, and is its own strong `ETag`.

use crate::app::App;
use crate::form::Query;
use crate::markup::escape;
use crate::page::{Problem, status_of};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use std::io::SeekFrom;
use std::time::Duration;
use studytime_node::api::{ErrorKind, path};
use studytime_node::range::{self, RangeAnswer};
use studytime_schema::BlobId;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Bytes that are read at once for a body.
const CHUNK: usize = 256 * 1024;

/// How long a picture or caption is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// Largest caption file, in bytes.
const MAX_CAPTIONS: usize = 2 * 1024 * 1024;

/// For media that may be opened as a page of its own.
const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; \
    style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'";

/// For what must not even be shown: pictures that can hold scripts, unknown files.
const STRICT: &str =
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

/// Types that are shown in the page. All of them are inert: no HTML, no XML.
const INLINE: &[&str] = &[
    "video/mp4",
    "video/webm",
    "video/ogg",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/webm",
    "audio/wav",
    "audio/flac",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "application/pdf",
    "text/plain",
    "text/vtt",
];

/// The type from the list that a claim names, if any.
fn inline(claim: &str) -> Option<&'static str> {
    let bare = claim.split(';').next().unwrap_or_default().trim();
    INLINE
        .iter()
        .find(|known| known.eq_ignore_ascii_case(bare))
        .copied()
}

/// The type of a file that begins with these bytes.
fn sniff(start: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, text: &[u8]| {
        start
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(text))
    };
    Some(match start {
        _ if at(0, b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if at(0, b"\xff\xd8\xff") => "image/jpeg",
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => "image/gif",
        _ if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        _ if at(0, b"RIFF") && at(8, b"WAVE") => "audio/wav",
        _ if at(4, b"ftypavif") => "image/avif",
        _ if at(4, b"ftyp") => "video/mp4",
        _ if at(0, b"\x1a\x45\xdf\xa3") => "video/webm",
        _ if at(0, b"OggS") => "audio/ogg",
        _ if at(0, b"fLaC") => "audio/flac",
        _ if at(0, b"ID3") => "audio/mpeg",
        _ if at(0, b"%PDF-") => "application/pdf",
        _ if at(0, b"WEBVTT") => "text/vtt",
        _ => return None,
    })
}

/// Whether a picture is SVG: shown by `<img>`, which runs nothing in it, and
/// only downloaded when opened by itself.
fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..1024).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with("<svg")
        || (text.starts_with("<?xml") || text.starts_with("<!")) && text.contains("<svg")
}

fn etag(id: &BlobId) -> String {
    format!("\"{}\"", path::blob_segment(id))
}

fn text_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the browser has it already (`If-None-Match`).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    text_header(headers, &header::IF_NONE_MATCH).is_some_and(|tags| range::none_match(tags, etag))
}

/// What to serve; only a `GET` can ask for a part.
fn wanted(method: &Method, headers: &HeaderMap, etag: &str, size: u64) -> RangeAnswer {
    if method != Method::GET {
        return RangeAnswer::Whole;
    }
    let header = |name| text_header(headers, name);
    range::answer(
        header(&header::RANGE),
        header(&header::IF_RANGE),
        etag,
        size,
    )
}

/// A file name for a download, with nothing in it that could leave the header.
fn disposition(name: Option<&str>, attachment: bool) -> HeaderValue {
    let kind = if attachment { "attachment" } else { "inline" };
    let value = match name.map(file_name).filter(|name| !name.is_empty()) {
        Some(name) => {
            let ascii: String = name
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || " ._-()".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            let mut encoded = String::new();
            path::percent_encode(&name.replace('/', "_"), &mut encoded);
            format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
        }
        None => kind.to_owned(),
    };
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The last part of a path, without what no system allows in a file name.
fn file_name(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = last
        .chars()
        .filter(|c| !c.is_control() && !"<>:\"|?*".contains(*c));
    plain
        .take(150)
        .collect::<String>()
        .trim_matches(['.', ' '])
        .to_owned()
}

/// `GET`, `HEAD` `/media/ID[?manifest=1&seconds=N&type=MIME&name=FILE]`: a video or file,
/// whole or a range, also while it is still arriving. Closing the connection
/// takes back what was asked of peers.
pub(crate) async fn media(
    State(app): State<App>,
    method: Method,
    Path(id): Path<String>,
    Query(query): Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = path::blob_in_path(&id)
        .ok_or_else(|| Problem::not_found("That is not the address of a file."))?;
    let etag = etag(&id);
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let manifest = query.ticked("manifest");
    let mut media = app.node.media(id, manifest).await?;
    let size = media.size();
    if let Some(seconds) = query.get("seconds").and_then(|s| s.parse().ok()) {
        media.set_duration(seconds);
    }
    let mut kind = query
        .get("type")
        .and_then(inline)
        .or_else(|| media.content_type().and_then(inline));
    if kind.is_none() && query.get("type").is_none() && method == Method::GET && !manifest {
        kind = peek(&mut media, size).await?;
    }
    let mut response = match wanted(&method, &headers, &etag, size) {
        RangeAnswer::Unsatisfiable => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(header::CONTENT_RANGE, range::unsatisfiable(size))],
        )
            .into_response(),
        RangeAnswer::Whole => {
            let body = if method == Method::GET {
                Body::from_stream(ReaderStream::with_capacity(media.take(size), CHUNK))
            } else {
                Body::empty()
            };
            (
                StatusCode::OK,
                [(header::CONTENT_LENGTH, size.to_string())],
                body,
            )
                .into_response()
        }
        RangeAnswer::Part(part) => {
            media.stop_at(part.end);
            media
                .seek(SeekFrom::Start(part.start))
                .await
                .map_err(|error| failed(&error))?;
            let said = [
                (header::CONTENT_RANGE, part.content_range()),
                (header::CONTENT_LENGTH, part.len().to_string()),
            ];
            let body =
                Body::from_stream(ReaderStream::with_capacity(media.take(part.len()), CHUNK));
            (StatusCode::PARTIAL_CONTENT, said, body).into_response()
        }
    };
    let found = response.headers_mut();
    found.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    dress(found, &etag, kind, query.get("name"));
    Ok(response)
}

fn failed(error: &std::io::Error) -> Problem {
    Problem::failed(format!("The file could not be read: {error}."))
}

/// Looks at the first bytes and goes back to them.
async fn peek(
    media: &mut studytime_node::MediaStream,
    size: u64,
) -> Result<Option<&'static str>, Problem> {
    let mut start = [0u8; 16];
    let length = usize::try_from(size)
        .unwrap_or(start.len())
        .min(start.len());
    let read = async {
        if let Some(part) = start.get_mut(..length) {
            media.read_exact(part).await?;
        }
        media.seek(SeekFrom::Start(0)).await
    };
    read.await.map_err(|error| failed(&error))?;
    Ok(sniff(&start))
}

/// The headers of anything that is named by its hash.
fn dress(headers: &mut HeaderMap, etag: &str, kind: Option<&'static str>, name: Option<&str>) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        header::CONTENT_TYPE,
        match kind {
            Some("text/plain") => "text/plain; charset=utf-8",
            Some("text/vtt") => "text/vtt; charset=utf-8",
            Some(kind) => kind,
            None => "application/octet-stream",
        },
    );
    set(
        header::CACHE_CONTROL,
        "private, max-age=31536000, immutable",
    );
    set(
        header::CONTENT_SECURITY_POLICY,
        if kind.is_some() { POLICY } else { STRICT },
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition(name, kind.is_none()),
    );
    if let Ok(value) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, value);
    }
}

/// `GET` `/blob/ID`: a picture. One that nobody has yet is answered with a
/// drawing that says so.
pub(crate) async fn blob(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = path::blob_in_path(&id)
        .ok_or_else(|| Problem::not_found("That is not the address of a picture."))?;
    let etag = etag(&id);
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let bytes = match app.node.blob(id, WAIT).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(missing_picture()),
        Err(error) => return Err(error.into()),
    };
    let svg = is_svg(&bytes);
    let kind = sniff(&bytes);
    let mut response = Body::from(bytes).into_response();
    let found = response.headers_mut();
    dress(found, &etag, kind, None);
    if svg {
        found.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("image/svg+xml"),
        );
        found.insert(
            header::CONTENT_DISPOSITION,
            disposition(Some("picture.svg"), true),
        );
    }
    Ok(response)
}

/// A picture that says that a picture is missing; browsers show it although
/// the status says that nothing was found.
fn missing_picture() -> Response {
    const DRAWING: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 150\" width=\"480\" height=\"150\">\
        <rect x=\"1\" y=\"1\" width=\"478\" height=\"148\" rx=\"10\" fill=\"#8883\" stroke=\"#888\" stroke-dasharray=\"6 5\"/>\
        <text x=\"240\" y=\"80\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"17\" fill=\"#888\">This picture has not arrived yet</text></svg>";
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, STRICT),
    ];
    (StatusCode::NOT_FOUND, headers, DRAWING).into_response()
}

/// `GET` `/captions/ID.vtt`: a text track as WebVTT; SubRip is converted.
pub(crate) async fn captions(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = path::blob_in_path(id.strip_suffix(".vtt").unwrap_or(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = etag(&id);
    if is_known(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let bytes: Bytes = match app.node.blob(id, WAIT).await {
        Ok(bytes) => bytes,
        Err(error) => return (status_of(error.kind).0, error.message).into_response(),
    };
    let Some(text) = bytes.get(..bytes.len().min(MAX_CAPTIONS)).and_then(web_vtt) else {
        let text = "these captions are neither WebVTT nor SubRip";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    };
    let mut response = text.into_response();
    dress(response.headers_mut(), &etag, Some("text/vtt"), None);
    response
}

/// Captions as WebVTT, or `None` when they are something else.
fn web_vtt(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with("WEBVTT") {
        return Some(text.to_owned());
    }
    if !text.contains("-->") {
        return None;
    }
    let mut out = String::from("WEBVTT\n\n");
    for line in text.lines() {
        if line.contains("-->") {
            out.push_str(&line.replace(',', "."));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    Some(out)
}

/// `GET` `/cover/FEED-HUE.svg`: the cover of a course without a picture.
pub(crate) async fn cover(Path(name): Path<String>) -> Result<Response, Problem> {
    let parts = name
        .strip_suffix(".svg")
        .and_then(|name| name.rsplit_once('-'));
    let read = parts.and_then(|(id, hue)| Some((path::feed_in_path(id)?, hue.parse::<u8>().ok()?)));
    let (id, hue) =
        read.ok_or_else(|| Problem::not_found(format!("There is no cover {}.", escape(&name))))?;
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "private, max-age=604800"),
        (header::CONTENT_SECURITY_POLICY, STRICT),
    ];
    Ok((headers, crate::cover::svg(&id, hue)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_node::range::ByteRange;

    #[test]
    fn only_harmless_types_are_shown() {
        for claim in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/javascript",
            "",
            "video/mp4x",
            "application/pdf/x",
        ] {
            assert_eq!(inline(claim), None, "{claim}");
        }
        assert_eq!(inline("Video/MP4; codecs=\"avc1\""), Some("video/mp4"));
    }

    #[test]
    fn types_are_found_from_the_first_bytes() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(sniff(b"\0\0\0\x20ftypisom...."), Some("video/mp4"));
        assert_eq!(sniff(b"RIFF....WEBPVP8 "), Some("image/webp"));
        assert_eq!(sniff(b"<html><script>"), None);
        assert_eq!(sniff(b""), None);
        assert!(is_svg(b"\xef\xbb\xbf  <svg xmlns="));
        assert!(is_svg(b"<?xml version=\"1.0\"?><!-- a --><svg>"));
        assert!(!is_svg(b"<html><svg>"));
    }

    #[test]
    fn names_stay_inside_their_header() {
        let value = disposition(Some("../../a\r\nSet-Cookie: x=\"1\".pdf"), true);
        let text = value.to_str().unwrap();
        assert!(
            text.starts_with("attachment; filename=\"aSet-Cookie x=1.pdf\"")
                || !text.contains('\n'),
            "{text}"
        );
        assert!(
            !text.contains("..") && text.matches('"').count() == 2,
            "{text}"
        );
        let value = disposition(Some("Übung 1.pdf"), false);
        assert_eq!(
            value.to_str().unwrap(),
            "inline; filename=\"_bung 1.pdf\"; filename*=UTF-8''%C3%9Cbung%201.pdf"
        );
        assert_eq!(disposition(Some(".."), false).to_str().unwrap(), "inline");
    }

    #[test]
    fn subrip_becomes_webvtt() {
        let out =
            web_vtt(b"\xef\xbb\xbf1\r\n00:00:01,500 --> 00:00:02,000\r\nHi, you\r\n").unwrap();
        assert!(
            out.starts_with("WEBVTT\n\n1\n00:00:01.500 --> 00:00:02.000\nHi, you\n"),
            "{out}"
        );
        assert_eq!(web_vtt(b"WEBVTT - x\n").as_deref(), Some("WEBVTT - x\n"));
        assert_eq!(web_vtt(b"<html>"), None);
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::IF_NONE_MATCH,
            HeaderValue::from_static("\"x\", W/\"y\""),
        );
        assert!(is_known(&headers, "\"y\"") && !is_known(&headers, "\"z\""));
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        let part = RangeAnswer::Part(ByteRange {
            start: 0,
            end: 2,
            size: 9,
        });
        assert_eq!(wanted(&Method::GET, &headers, "\"x\"", 9), part);
        assert_eq!(
            wanted(&Method::HEAD, &headers, "\"x\"", 9),
            RangeAnswer::Whole
        );
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"x\""));
        assert_eq!(wanted(&Method::GET, &headers, "\"x\"", 9), part);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"old\""));
        assert_eq!(
            wanted(&Method::GET, &headers, "\"x\"", 9),
            RangeAnswer::Whole
        );
    }
}
