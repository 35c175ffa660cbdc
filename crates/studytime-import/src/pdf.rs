//! The title a PDF gives itself, when it says so in plain sight.

use crate::names::tidy;
use crate::text;

/// How much of the front and of the end of a PDF is searched.
pub(crate) const WINDOW: u64 = 64 << 10;
/// Longest title that is believed.
const MAX_TITLE: usize = 400;

/// Whether the bytes begin a PDF; some have a few bytes of something else first.
pub(crate) fn is_pdf(head: &[u8]) -> bool {
    head.get(..1024.min(head.len()))
        .unwrap_or(head)
        .windows(5)
        .any(|w| w == b"%PDF-")
}

/// Finds `/Title (…)` or `<dc:title>` in a part of a PDF.
pub(crate) fn title(part: &[u8]) -> Option<String> {
    let found = info_title(part).or_else(|| xmp_title(part))?;
    let title = tidy(&found);
    believable(&title).then_some(title)
}

fn info_title(part: &[u8]) -> Option<String> {
    let key = b"/Title";
    part.windows(key.len())
        .enumerate()
        .filter(|(_, w)| w == key)
        .find_map(|(at, _)| {
            let rest = part.get(at + key.len()..)?.trim_ascii_start();
            match rest.first()? {
                b'(' => literal(rest.get(1..)?),
                b'<' => hex(rest.get(1..)?),
                _ => None,
            }
        })
}

/// A string in parentheses, with its escapes.
fn literal(bytes: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    loop {
        let b = *bytes.get(at)?;
        at += 1;
        match b {
            b'\\' => {
                let next = *bytes.get(at)?;
                at += 1;
                match next {
                    b'n' => out.push(b'\n'),
                    b'r' | b't' | b'b' | b'f' => out.push(b' '),
                    b'0'..=b'7' => {
                        let mut code = u32::from(next - b'0');
                        for _ in 0..2 {
                            match bytes.get(at) {
                                Some(d @ b'0'..=b'7') => {
                                    code = code * 8 + u32::from(d - b'0');
                                    at += 1;
                                }
                                _ => break,
                            }
                        }
                        out.push((code & 0xff) as u8);
                    }
                    b'\n' | b'\r' => {}
                    other => out.push(other),
                }
            }
            b'(' => {
                depth += 1;
                out.push(b);
            }
            b')' if depth == 0 => return Some(decode(&out)),
            b')' => {
                depth -= 1;
                out.push(b);
            }
            _ => out.push(b),
        }
        if out.len() > MAX_TITLE * 4 {
            return None;
        }
    }
}

fn hex(bytes: &[u8]) -> Option<String> {
    let mut near = bytes.iter().take(MAX_TITLE * 8);
    let end = near.position(|b| *b == b'>')?;
    let digits: Vec<u8> = bytes
        .get(..end)?
        .iter()
        .filter_map(|b| char::from(*b).to_digit(16))
        .filter_map(|d| u8::try_from(d).ok())
        .collect();
    if digits.len() > MAX_TITLE * 4 {
        return None;
    }
    let out: Vec<u8> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => high * 16 + low,
            [high] => high * 16,
            _ => 0,
        })
        .collect();
    Some(decode(&out))
}

fn decode(bytes: &[u8]) -> String {
    if bytes.starts_with(b"\xfe\xff")
        || bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xef\xbb\xbf")
    {
        text::decode(bytes, false).0
    } else {
        text::windows1252(bytes)
    }
}

fn xmp_title(part: &[u8]) -> Option<String> {
    let at = part.windows(10).position(|w| w == b"<dc:title>")?;
    let rest =
        String::from_utf8_lossy(part.get(at..)?.get(..2_000.min(part.len() - at))?).into_owned();
    let inner = rest.get(..rest.find("</dc:title>")?)?;
    Some(crate::html::to_text(inner))
}

/// Programs write file names and "untitled" where people write nothing.
fn believable(title: &str) -> bool {
    let lower = title.to_lowercase();
    let junk = [
        "untitled",
        "microsoft ",
        "slide 1",
        "powerpoint",
        "document",
        "presentation",
        "titel",
        "title",
    ];
    let file = [
        ".doc", ".docx", ".ppt", ".pptx", ".tex", ".dvi", ".indd", ".qxd", ".pdf", ".odt", ".odp",
    ];
    title.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && title.chars().count() <= MAX_TITLE
        && !title.contains('\u{fffd}')
        && !junk.iter().any(|j| lower.starts_with(j))
        && !file.iter().any(|f| lower.ends_with(f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn titles() {
        assert_eq!(
            title(b"<< /Title (Loops \\(part 1\\)) >>").as_deref(),
            Some("Loops (part 1)")
        );
        assert_eq!(title(b"/Title(caf\\351)").as_deref(), Some("café"));
        assert_eq!(title(b"/Title <FEFF004800e9006c>").as_deref(), Some("Hél"));
        assert_eq!(title(b"/Title (Microsoft Word - a.doc)"), None);
        assert_eq!(title(b"/Title (slides.pptx)"), None);
        assert_eq!(title(b"/Title (never closed"), None);
        let xmp = b"<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">Waves &amp; light</rdf:li></rdf:Alt></dc:title>";
        assert_eq!(title(xmp).as_deref(), Some("Waves & light"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let mut part = b"/Title (".to_vec();
            part.extend(&bytes);
            let _ = title(&part);
            let mut part = b"/Title <".to_vec();
            part.extend(&bytes);
            let _ = title(&part);
        }
    }
}
