//! Where the pages serve things: URL paths on the pages' address.
//!
//! The node writes these into its replies, the pages serve them, scripts fetch
//! them; this is the one place that spells them. An id in a path is its 43
//! characters of URL-safe base64 without padding; [`feed_in_path`] and
//! [`blob_in_path`] also read the sigil and `ssb:` forms.

use studytime_schema::{BlobId, FeedId, MessageId};

fn tail(uri: &str) -> String {
    let start = uri.rfind('/').map_or(0, |i| i + 1);
    uri[start..].trim_end_matches('=').to_owned()
}

/// The form of a feed id that stands in a path.
pub fn feed_segment(id: &FeedId) -> String {
    tail(&id.to_uri())
}

/// The form of a message id that stands in a path.
pub fn message_segment(id: &MessageId) -> String {
    tail(&id.to_uri())
}

/// The form of a blob id that stands in a path.
pub fn blob_segment(id: &BlobId) -> String {
    tail(&id.to_uri())
}

/// Reads a feed id out of a path.
pub fn feed_in_path(text: &str) -> Option<FeedId> {
    format!("ssb:feed/classic/{text}=")
        .parse()
        .ok()
        .or_else(|| FeedId::parse_lenient(text).ok())
}

/// Reads a message id out of a path.
pub fn message_in_path(text: &str) -> Option<MessageId> {
    format!("ssb:message/classic/{text}=")
        .parse()
        .ok()
        .or_else(|| text.parse().ok())
}

/// Reads a blob id out of a path.
pub fn blob_in_path(text: &str) -> Option<BlobId> {
    format!("ssb:blob/classic/{text}=")
        .parse()
        .ok()
        .or_else(|| BlobId::parse_lenient(text).ok())
}

/// The overview page of a course.
pub fn course_path(course: &FeedId) -> String {
    format!("/course/{}", feed_segment(course))
}

/// The page of a lesson.
pub fn lesson_path(course: &FeedId, number: u64) -> String {
    format!("/course/{}/lesson/{number}", feed_segment(course))
}

/// A picture: a plain blob whose type is found from its first bytes.
pub fn blob_path(id: &BlobId) -> String {
    format!("/blob/{}", blob_segment(id))
}

/// A caption track as WebVTT.
pub fn captions_path(id: &BlobId) -> String {
    format!("/captions/{}.vtt", blob_segment(id))
}

/// A video or file, with byte ranges: `/media/ID`, or `/media/ID?manifest=1`
/// when the link is a manifest. `seconds` is how long it plays: it decides how much is
/// fetched ahead. `content_type` is what the author said (served
/// only when it is on the pages' list of harmless types), `name` is the file
/// name a download gets.
pub fn media_path(
    link: &BlobId,
    manifest: bool,
    seconds: Option<u64>,
    content_type: Option<&str>,
    name: Option<&str>,
) -> String {
    let mut path = format!("/media/{}", blob_segment(link));
    let mut separator = '?';
    let mut add = |key: &str, value: &str| {
        path.push(separator);
        separator = '&';
        path.push_str(key);
        path.push('=');
        percent_encode(value, &mut path);
    };
    if manifest {
        add("manifest", "1");
    }
    if let Some(seconds) = seconds {
        add("seconds", &seconds.to_string());
    }
    if let Some(kind) = content_type {
        add("type", kind);
    }
    if let Some(name) = name {
        add("name", name);
    }
    path
}

/// Appends `text` to `out` so that it can stand as a value in a query.
pub fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char);
            }
            _ => {
                out.push('%');
                out.push(HEX[usize::from(byte >> 4)] as char);
                out.push(HEX[usize::from(byte & 15)] as char);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_from_paths() {
        let feed = FeedId::from_bytes([0xfb; 32]);
        assert_eq!(feed_segment(&feed).len(), 43);
        assert_eq!(feed_in_path(&feed_segment(&feed)), Some(feed));
        assert_eq!(feed_in_path(&feed.to_string()), Some(feed));
        let blob = BlobId::EMPTY;
        assert_eq!(blob_in_path(&blob_segment(&blob)), Some(blob));
        let message = MessageId::from_bytes([7; 32]);
        assert_eq!(message_in_path(&message_segment(&message)), Some(message));
        assert_eq!(feed_in_path("../../etc/passwd"), None);
    }

    #[test]
    fn media_paths_carry_type_and_name() {
        assert_eq!(
            media_path(
                &BlobId::EMPTY,
                true,
                Some(90),
                Some("video/mp4"),
                Some("a b&c.mp4")
            ),
            "/media/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU?manifest=1&seconds=90&type=video/mp4&name=a%20b%26c.mp4"
        );
    }
}
