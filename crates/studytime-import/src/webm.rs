//! WebM: EBML elements.

use crate::video::{Head, VideoFault, VideoInfo, not_as_named, truncated};

/// Most elements that are looked at before the first pictures.
const MAX_ELEMENTS: usize = 10_000;
/// Largest header element that is read into memory.
const MAX_HEADER: u64 = 1 << 20;

const EBML: u64 = 0x1a45_dfa3;
const DOC_TYPE: u64 = 0x4282;
const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
const SCALE: u64 = 0x2a_d7b1;
const DURATION: u64 = 0x4489;
const TRACKS: u64 = 0x1654_ae6b;
const TRACK: u64 = 0xae;
const CODEC: u64 = 0x86;
const VIDEO: u64 = 0xe0;
const HEIGHT: u64 = 0xba;
const CLUSTER: u64 = 0x1f43_b675;

/// An element's length; `None` is "until its parent ends".
struct Element {
    id: u64,
    len: Option<u64>,
}

fn next_element(head: &mut Head<'_>) -> Result<Option<Element>, VideoFault> {
    let Some((id, _)) = number(head, 4, true)? else {
        return Ok(None);
    };
    let Some((len, unknown)) = number(head, 8, false)? else {
        return Ok(None);
    };
    Ok(Some(Element {
        id,
        len: (!unknown).then_some(len),
    }))
}

/// A variable-length number; the flag says that all its bits are set.
fn number(head: &mut Head<'_>, most: u32, marked: bool) -> Result<Option<(u64, bool)>, VideoFault> {
    let mut byte = [0u8; 1];
    if head.left() == 0 || !head.fill(&mut byte)? {
        return Ok(None);
    }
    let [first] = byte;
    let width = first.leading_zeros() + 1;
    if width > most {
        return Err(not_as_named("it is not built like a WebM file"));
    }
    let mask = 0xffu64 >> width;
    let mut value = if marked {
        u64::from(first)
    } else {
        u64::from(first) & mask
    };
    let mut full = u64::from(first) & mask == mask;
    for _ in 1..width {
        if !head.fill(&mut byte)? {
            return Ok(None);
        }
        let [next] = byte;
        value = (value << 8) | u64::from(next);
        full &= next == 0xff;
    }
    Ok(Some((value, full)))
}

fn body(head: &mut Head<'_>, len: u64) -> Result<Vec<u8>, VideoFault> {
    if len > MAX_HEADER {
        return Err(not_as_named("a header in it is too large"));
    }
    if len > head.left() {
        return Err(truncated("it ends in the middle of its headers"));
    }
    let mut bytes = vec![0u8; usize::try_from(len).unwrap_or(0)];
    if !head.fill(&mut bytes)? {
        return Err(truncated("it ends in the middle of its headers"));
    }
    Ok(bytes)
}

pub(crate) fn inspect(head: &mut Head<'_>) -> Result<VideoInfo, VideoFault> {
    let wrong = || not_as_named("it does not begin like a WebM file");
    let first = next_element(head)?
        .filter(|e| e.id == EBML)
        .ok_or_else(wrong)?;
    let header = body(head, first.len.ok_or_else(wrong)?)?;
    let doc_type = children(&header)
        .find(|(id, _)| *id == DOC_TYPE)
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default();
    if doc_type.trim_end_matches('\0') != "webm" {
        return Err(not_as_named("it is Matroska but not WebM"));
    }
    let segment = next_element(head)?
        .filter(|e| e.id == SEGMENT)
        .ok_or_else(|| truncated("nothing follows its first header"))?;
    if let Some(len) = segment.len
        && len > head.left()
    {
        return Err(truncated(&format!(
            "{} of {len} bytes are there",
            head.left()
        )));
    }
    let mut info = VideoInfo {
        content_type: "video/webm",
        ..VideoInfo::default()
    };
    let mut tracks = false;
    for _ in 0..MAX_ELEMENTS {
        let Some(element) = next_element(head)? else {
            break;
        };
        match (element.id, element.len) {
            (CLUSTER, _) if tracks => return Ok(info),
            (INFO, Some(len)) => read_info(&body(head, len)?, &mut info),
            (TRACKS, Some(len)) => {
                tracks = true;
                read_tracks(&body(head, len)?, &mut info);
            }
            (_, Some(len)) => {
                if !head.go_to(head.at.saturating_add(len))? {
                    return Err(truncated("it ends in the middle"));
                }
            }
            (_, None) => break,
        }
    }
    Err(truncated("no pictures follow its headers"))
}

fn read_info(bytes: &[u8], info: &mut VideoInfo) {
    let mut scale = 1_000_000u64;
    let mut duration = None;
    for (id, value) in children(bytes) {
        match id {
            SCALE => scale = unsigned(value),
            DURATION => duration = float(value),
            _ => {}
        }
    }
    if let Some(ticks) = duration {
        let seconds = ticks * scale as f64 / 1e9;
        if seconds.is_finite() && (0.0..1e9).contains(&seconds) {
            info.duration_seconds = Some(seconds.ceil() as u64);
        }
    }
}

fn read_tracks(bytes: &[u8], info: &mut VideoInfo) {
    for (_, track) in children(bytes).filter(|(id, _)| *id == TRACK) {
        for (id, value) in children(track) {
            match id {
                CODEC => {
                    let name = String::from_utf8_lossy(value);
                    let name = name.trim_end_matches('\0');
                    let plays = ["V_VP8", "V_VP9", "V_AV1", "A_OPUS", "A_VORBIS", "S_", "D_"]
                        .iter()
                        .any(|known| name.starts_with(known));
                    if !plays {
                        info.doubtful_codecs.push(crate::names::tidy(name));
                    }
                }
                VIDEO => {
                    let height = children(value)
                        .find(|(id, _)| *id == HEIGHT)
                        .and_then(|(_, v)| u32::try_from(unsigned(v)).ok());
                    info.height = info.height.max(height);
                }
                _ => {}
            }
        }
    }
}

/// The elements in a header; stops at the first that does not fit.
fn children(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (id, after) = slice_number(rest, 4, true)?;
        let (len, after) = slice_number(after, 8, false)?;
        let (value, after) = after.split_at_checked(usize::try_from(len).ok()?)?;
        rest = after;
        Some((id, value))
    })
}

fn slice_number(bytes: &[u8], most: u32, marked: bool) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let width = first.leading_zeros() + 1;
    if width > most {
        return None;
    }
    let (number, rest) = bytes.split_at_checked(width as usize)?;
    let value = number.iter().fold(0u64, |v, b| (v << 8) | u64::from(*b));
    let marker = 1u64 << (7 * width);
    Some((if marked { value } else { value & (marker - 1) }, rest))
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |value, b| (value << 8) | u64::from(*b))
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}
