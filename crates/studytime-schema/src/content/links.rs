//! Blob links inside text.

use crate::refs::BlobId;

/// The most links that are taken from one text.
pub const MAX_LINKS: usize = 1000;

/// The length of a blob id after its sigil: base64 and `.sha256`.
const TAIL: usize = 44 + 7;

/// The blobs that a Markdown or HTML text links to, in order, each once.
///
/// Finds `&….sha256`, also written `&amp;….sha256` (HTML) or `%26…` with `%2F`,
/// `%2B` and `%3D` (percent-encoded), and `ssb:blob/classic/…`. At most
/// [`MAX_LINKS`] are returned.
///
/// ```
/// use studytime_schema::content::blob_links;
/// let text = "![a leaf](&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256)";
/// assert_eq!(blob_links(text).len(), 1);
/// ```
pub fn blob_links(text: &str) -> Vec<BlobId> {
    let mut out: Vec<BlobId> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (at, byte) in text.bytes().enumerate() {
        if !matches!(byte, b'&' | b'%' | b's') {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let found = match byte {
            b'&' => sigil(rest.strip_prefix("&amp;").or_else(|| rest.get(1..))),
            b'%' => rest
                .strip_prefix("%26")
                .and_then(|rest| sigil(Some(&decode_percent(rest)))),
            _ if rest.starts_with("ssb:") => uri(rest),
            _ => None,
        };
        if let Some(blob) = found
            && seen.insert(blob)
        {
            out.push(blob);
            if out.len() == MAX_LINKS {
                break;
            }
        }
    }
    out
}

fn sigil(tail: Option<&str>) -> Option<BlobId> {
    let tail = tail?.get(..TAIL)?;
    BlobId::from_sigil(&format!("&{tail}")).ok()
}

fn uri(rest: &str) -> Option<BlobId> {
    let after = rest
        .strip_prefix("ssb://blob/")
        .or_else(|| rest.strip_prefix("ssb:blob/"))
        .or_else(|| rest.strip_prefix("ssb:blob:"))?;
    let (format, data) = after.split_once(['/', ':'])?;
    let data = data.get(..44)?;
    (format == "classic" || format == "sha256")
        .then(|| format!("ssb:blob/classic/{data}").parse().ok())
        .flatten()
}

/// The first characters of a percent-encoded text, decoded as far as one id needs.
fn decode_percent(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while out.len() < TAIL {
        let Some(c) = rest.chars().next() else { break };
        let code = rest
            .get(1..3)
            .filter(|_| c == '%')
            .map(str::to_ascii_uppercase);
        let (decoded, used) = match code.as_deref() {
            Some("2F") => ('/', 3),
            Some("2B") => ('+', 3),
            Some("3D") => ('=', 3),
            _ => (c, c.len_utf8()),
        };
        out.push(decoded);
        rest = &rest[used..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_every_spelling_once_and_in_order() {
        let [a, b, c, d] = [1u8, 2, 3, 4].map(|n| BlobId::from_bytes([n; 32]));
        let bare = |blob: BlobId| blob.to_string()[1..].to_owned();
        let text = format!(
            "![x]({a}) <img src=\"&amp;{}\"> & co & %26{} [y]({a}) {} &nbsp; {}",
            bare(b),
            bare(c)
                .replace('+', "%2B")
                .replace('/', "%2f")
                .replace('=', "%3D"),
            d.to_uri(),
            &a.to_string()[..40],
        );
        assert_eq!(blob_links(&text), [a, b, c, d]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[&%s6F2:/ab=é. ]{0,80}") {
            blob_links(&text);
        }

        #[test]
        fn finds_any_blob_in_any_text(bytes: [u8; 32], before in ".{0,20}", after in ".{0,20}") {
            let blob = BlobId::from_bytes(bytes);
            let text = format!("{before}{blob}{after}");
            prop_assert!(blob_links(&text).contains(&blob), "{}", text);
        }
    }
}
