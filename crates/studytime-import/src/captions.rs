//! Captions: SubRip to WebVTT.

use crate::text::{self, Encoding};

/// Most cues of one track.
const MAX_CUES: usize = 50_000;

/// Longest tag in a caption, in characters.
const MAX_TAG: usize = 200;

/// Why captions cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptionError {
    /// No line says when something is shown.
    #[error("there is no caption in it: no line like `00:00:01,000 --> 00:00:03,000`")]
    NoCues,
    /// More than anybody reads.
    #[error("there are more than {MAX_CUES} captions in it")]
    TooMany,
}

/// Captions as they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) webvtt: String,
    pub(crate) encoding: Encoding,
    /// A time line could not be read; its text was dropped.
    pub(crate) dropped: usize,
}

/// Reads SubRip or WebVTT in UTF-8, UTF-16 or Windows-1252, and writes WebVTT.
///
/// A WebVTT text keeps all its parts. In SubRip, numbers may be missing, `.`
/// may stand for `,`, and anything but `<i>`, `<b>` and `<u>` is taken as text
/// or dropped (`<font>`, `{\an8}`).
///
/// # Errors
/// [`CaptionError`] when no cue can be read, or too many.
pub fn to_webvtt(bytes: &[u8]) -> Result<String, CaptionError> {
    convert(bytes).map(|track| track.webvtt)
}

pub(crate) fn convert(bytes: &[u8]) -> Result<Track, CaptionError> {
    let (text, encoding) = text::decode(bytes, false);
    let text = text.replace('\0', "");
    let text = text.trim_start_matches(['\u{feff}', '\n']);
    let is_webvtt = text
        .strip_prefix("WEBVTT")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']));
    let (webvtt, dropped) = if is_webvtt {
        let cues = text.lines().filter(|l| l.contains("-->")).count();
        check(cues)?;
        let mut webvtt = text.trim_end().to_owned();
        webvtt.push('\n');
        (webvtt, 0)
    } else {
        from_subrip(text)?
    };
    Ok(Track {
        webvtt,
        encoding,
        dropped,
    })
}

fn check(cues: usize) -> Result<(), CaptionError> {
    match cues {
        0 => Err(CaptionError::NoCues),
        1..=MAX_CUES => Ok(()),
        _ => Err(CaptionError::TooMany),
    }
}

/// Walks from one time line to the next; what is between is that cue's text.
fn from_subrip(text: &str) -> Result<(String, usize), CaptionError> {
    let lines: Vec<&str> = text.lines().collect();
    let times: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("-->"))
        .map(|(at, _)| at)
        .collect();
    let mut out = String::from("WEBVTT\n");
    let (mut cues, mut dropped) = (0, 0);
    for (n, &at) in times.iter().enumerate() {
        let end = times.get(n + 1).copied().unwrap_or(lines.len());
        let Some((from, to)) = lines.get(at).and_then(|line| time_line(line)) else {
            dropped += 1;
            continue;
        };
        let mut body: Vec<&str> = lines.get(at + 1..end).unwrap_or_default().to_vec();
        if n + 1 < times.len() {
            drop_next_number(&mut body);
        }
        let body: Vec<String> = body
            .iter()
            .map(|line| cue_text(line))
            .filter(|line| !line.trim().is_empty())
            .collect();
        if body.is_empty() {
            continue;
        }
        cues += 1;
        if cues > MAX_CUES {
            break;
        }
        out.push_str(&format!("\n{} --> {}\n", vtt_time(from), vtt_time(to)));
        for line in body {
            out.push_str(&line);
            out.push('\n');
        }
    }
    check(cues)?;
    Ok((out, dropped))
}

/// The counter that stands before the next time line, after an empty line.
fn drop_next_number(body: &mut Vec<&str>) {
    let is_number = |line: &str| {
        let line = line.trim();
        !line.is_empty() && line.len() <= 8 && line.bytes().all(|b| b.is_ascii_digit())
    };
    if body.last().is_some_and(|line| is_number(line))
        && body
            .len()
            .checked_sub(2)
            .is_none_or(|at| body.get(at).is_some_and(|line| line.trim().is_empty()))
    {
        body.pop();
    }
}

/// Both times of a line, in milliseconds.
fn time_line(line: &str) -> Option<(u64, u64)> {
    let (from, to) = line.split_once("-->")?;
    let to = to.split_whitespace().next()?;
    let (from, to) = (time(from.trim())?, time(to)?);
    (to >= from).then_some((from, to))
}

/// `1:02:03,456`, `02:03.4`, `02:03`.
fn time(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once([',', '.']).unwrap_or((text, ""));
    let mut seconds = 0u64;
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for part in parts {
        let part = part.trim();
        if part.is_empty() || part.len() > 4 {
            return None;
        }
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    let digits: String = fraction.trim().chars().take(3).collect();
    let mut millis = 0;
    if !digits.is_empty() {
        millis = digits.parse::<u64>().ok()?;
        for _ in digits.len()..3 {
            millis *= 10;
        }
    }
    Some(seconds * 1_000 + millis)
}

fn vtt_time(millis: u64) -> String {
    let (s, ms) = (millis / 1_000, millis % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
}

/// Keeps `<i>`, `<b>`, `<u>`; drops other tags and `{\…}`; escapes the rest.
fn cue_text(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.trim_end();
    while let Some(first) = rest.chars().next() {
        if first == '<'
            && let Some(end) = soon(rest, '>')
        {
            let tag = rest.get(..=end).unwrap_or(rest);
            let name = tag.trim_matches(['<', '>', '/', ' ']).to_ascii_lowercase();
            match name.as_str() {
                "i" | "b" | "u" => {
                    out.push_str(&tag.to_ascii_lowercase().replace(' ', ""));
                    rest = rest.get(end + 1..).unwrap_or("");
                    continue;
                }
                _ if is_tag(&name) => {
                    rest = rest.get(end + 1..).unwrap_or("");
                    continue;
                }
                _ => {}
            }
        }
        if rest.starts_with("{\\")
            && let Some(end) = soon(rest, '}')
        {
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        match first {
            '&' if is_entity(rest) => out.push('&'),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
        rest = rest.get(first.len_utf8()..).unwrap_or("");
    }
    out
}

/// Where the end of a tag stands, when it is near enough to be one.
fn soon(text: &str, end: char) -> Option<usize> {
    let mut near = text.char_indices().take(MAX_TAG);
    near.find(|(_, c)| *c == end).map(|(at, _)| at)
}

fn is_tag(name: &str) -> bool {
    let word = name.split([' ', '=']).next().unwrap_or("");
    matches!(
        word,
        "font" | "span" | "c" | "s" | "ruby" | "rt" | "v" | "em" | "strong" | "br" | "p"
    )
}

fn is_entity(text: &str) -> bool {
    ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"]
        .iter()
        .any(|e| text.starts_with(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subrip_becomes_webvtt() {
        let srt = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i> & <font color=\"red\">you</font>\r\n\r\n\
2\r\n00:00:03,000 --> 00:00:04,000 X1:10 X2:20\r\n{\\an8}a < b\r\n1984\r\n\r\n3\n0:00:05.5 --> 00:00:06\nend\n";
        assert_eq!(
            to_webvtt(srt.as_bytes()).unwrap(),
            "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<i>Hello</i> &amp; you\n\n\
00:00:03.000 --> 00:00:04.000\na &lt; b\n1984\n\n00:00:05.500 --> 00:00:06.000\nend\n"
        );
    }

    #[test]
    fn webvtt_is_kept() {
        let vtt = "\u{feff}WEBVTT - title\r\n\r\nNOTE x\r\n\r\n00:01.000 --> 00:02.000 align:start\r\n<v Bob>hi\r\n";
        assert_eq!(
            to_webvtt(vtt.as_bytes()).unwrap(),
            "WEBVTT - title\n\nNOTE x\n\n00:01.000 --> 00:02.000 align:start\n<v Bob>hi\n"
        );
    }

    #[test]
    fn other_encodings() {
        let track = convert(b"1\n00:00:01,000 --> 00:00:02,000\nol\xe9\n").unwrap();
        assert_eq!(track.encoding, Encoding::Windows1252);
        assert!(track.webvtt.contains("olé"));
        let utf16: Vec<u8> = "\u{feff}1\n00:00:01,000 --> 00:00:02,000\nпривет\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(to_webvtt(&utf16).unwrap().contains("привет"));
    }

    #[test]
    fn nothing_to_show() {
        assert_eq!(to_webvtt(b""), Err(CaptionError::NoCues));
        assert_eq!(to_webvtt(b"WEBVTT\n"), Err(CaptionError::NoCues));
        assert_eq!(to_webvtt(b"1\nx --> y\nhi\n"), Err(CaptionError::NoCues));
    }

    proptest! {
        #[test]
        fn never_panics_and_is_stable(bytes: Vec<u8>) {
            if let Ok(vtt) = to_webvtt(&bytes) {
                prop_assert_eq!(to_webvtt(vtt.as_bytes()).unwrap(), vtt.clone());
            }
        }

        #[test]
        fn every_cue_survives(cues in prop::collection::vec(("[a-zA-Zé&<> ]{1,20}[a-z]", 0u64..10_000), 1..20)) {
            let mut srt = String::new();
            for (n, (text, at)) in cues.iter().enumerate() {
                srt.push_str(&format!("{}\n00:{:02}:{:02},000 --> 01:00:00,000\n{text}\n\n", n + 1, at / 60 % 60, at % 60));
            }
            let vtt = to_webvtt(srt.as_bytes()).unwrap();
            prop_assert_eq!(vtt.matches(" --> ").count(), cues.len());
        }
    }
}
