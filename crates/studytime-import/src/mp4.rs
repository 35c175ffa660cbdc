//! MP4 and QuickTime: boxes in boxes.

use crate::video::{Head, VideoFault, VideoInfo, not_as_named, truncated};

/// Most boxes that are looked at in one file; fragmented files have many.
const MAX_BOXES: usize = 200_000;
/// Deepest nesting that is entered: `moov/trak/mdia/minf/stbl`.
const MAX_NESTING: usize = 6;

pub(crate) struct BoxHead {
    pub(crate) kind: [u8; 4],
    /// Where its content ends.
    pub(crate) end: u64,
}

#[derive(Default)]
struct Seen {
    boxes: usize,
    brand: bool,
    index: bool,
    data: bool,
    fragments: bool,
    info: VideoInfo,
    /// Whether the track being read is a picture or a sound.
    handler: [u8; 4],
    height: Option<u32>,
}

pub(crate) enum Next {
    Box(BoxHead),
    End,
    /// The box claims to reach behind its container's end.
    Beyond([u8; 4], u64),
    Junk,
}

pub(crate) fn next_box(head: &mut Head<'_>, end: u64) -> Result<Next, VideoFault> {
    if head.at.saturating_add(8) > end {
        return Ok(Next::End);
    }
    let start = head.at;
    let mut fixed = [0u8; 8];
    if !head.fill(&mut fixed)? {
        return Ok(Next::End);
    }
    let [a, b, c, d, kind @ ..] = fixed;
    let short = u64::from(u32::from_be_bytes([a, b, c, d]));
    if !kind
        .iter()
        .all(|c| c.is_ascii_graphic() || *c == b' ' || *c == 0xa9)
    {
        return Ok(Next::Junk);
    }
    let size = match short {
        0 => end - start,
        1 => {
            let mut wide = [0u8; 8];
            if !head.fill(&mut wide)? {
                return Ok(Next::End);
            }
            u64::from_be_bytes(wide)
        }
        size => size,
    };
    if size < head.at - start {
        return Ok(Next::Junk);
    }
    match start.checked_add(size) {
        Some(stop) if stop <= end => Ok(Next::Box(BoxHead { kind, end: stop })),
        _ => Ok(Next::Beyond(kind, size)),
    }
}

pub(crate) fn inspect(head: &mut Head<'_>) -> Result<VideoInfo, VideoFault> {
    let mut seen = Seen::default();
    let size = head.size;
    loop {
        match next_box(head, size)? {
            Next::End => break,
            Next::Junk if seen.index && (seen.data || seen.fragments) => break,
            Next::Junk => return Err(not_as_named("it is not built of MP4 boxes")),
            Next::Beyond(kind, claimed) => {
                if !(seen.brand || seen.index || known(kind)) {
                    return Err(not_as_named("it is not built of MP4 boxes"));
                }
                return Err(truncated(&format!(
                    "its `{}` part of {claimed} bytes reaches behind the end of the file",
                    String::from_utf8_lossy(&kind)
                )));
            }
            Next::Box(part) => {
                if seen.boxes == 0 && !known(part.kind) {
                    return Err(not_as_named("it does not begin like an MP4 file"));
                }
                seen.count()?;
                top_level(head, &part, &mut seen)?;
                if !head.go_to(part.end)? {
                    return Err(truncated("it ends in the middle"));
                }
            }
        }
    }
    if seen.boxes == 0 {
        return Err(not_as_named("it is not built of MP4 boxes"));
    }
    if !seen.index {
        return Err(truncated("its index (`moov`) is missing"));
    }
    if !seen.data && !seen.fragments {
        return Err(truncated("it has an index but no pictures (`mdat`)"));
    }
    seen.info.content_type = "video/mp4";
    seen.info.height = seen.height;
    Ok(seen.info)
}

/// Boxes that may stand at the top of a file.
fn known(kind: [u8; 4]) -> bool {
    matches!(
        &kind,
        b"ftyp"
            | b"moov"
            | b"mdat"
            | b"free"
            | b"skip"
            | b"wide"
            | b"pnot"
            | b"uuid"
            | b"styp"
            | b"sidx"
            | b"moof"
            | b"mfra"
            | b"meta"
            | b"udta"
            | b"junk"
            | b"pdin"
    )
}

impl Seen {
    fn count(&mut self) -> Result<(), VideoFault> {
        self.boxes += 1;
        if self.boxes > MAX_BOXES {
            return Err(not_as_named("it has too many parts"));
        }
        Ok(())
    }
}

fn top_level(head: &mut Head<'_>, part: &BoxHead, seen: &mut Seen) -> Result<(), VideoFault> {
    match &part.kind {
        b"ftyp" => seen.brand = true,
        b"mdat" => seen.data = true,
        b"moof" => seen.fragments = true,
        b"moov" => {
            seen.index = true;
            seen.info.index_at_end = seen.data;
            inside(head, part.end, 1, seen)?;
        }
        _ => {}
    }
    Ok(())
}

/// Walks the index. Whatever is wrong in it is left to the player.
fn inside(head: &mut Head<'_>, end: u64, depth: usize, seen: &mut Seen) -> Result<(), VideoFault> {
    while let Next::Box(part) = next_box(head, end)? {
        seen.count()?;
        match &part.kind {
            b"trak" | b"mdia" | b"minf" | b"stbl" if depth < MAX_NESTING => {
                inside(head, part.end, depth + 1, seen)?;
            }
            b"mvhd" => seen.info.duration_seconds = duration(head, &part)?,
            b"tkhd" => track(head, &part, seen)?,
            b"hdlr" => {
                let mut fixed = [0u8; 12];
                if head.left() >= 12 && part.end - head.at >= 12 && head.fill(&mut fixed)? {
                    let [.., a, b, c, d] = fixed;
                    // A second handler inside `minf` speaks of the data, not of the track.
                    if matches!(&[a, b, c, d], b"vide" | b"soun") {
                        seen.handler = [a, b, c, d];
                    }
                }
            }
            b"stsd" => codec(head, &part, seen)?,
            _ => {}
        }
        if !head.go_to(part.end)? {
            return Err(truncated("it ends in the middle of its index"));
        }
    }
    Ok(())
}

fn duration(head: &mut Head<'_>, part: &BoxHead) -> Result<Option<u64>, VideoFault> {
    let mut bytes = [0u8; 32];
    let room = usize::try_from(part.end - head.at).unwrap_or(0).min(32);
    if !head.fill(bytes.get_mut(..room).unwrap_or_default())? {
        return Ok(None);
    }
    let (scale, ticks) = if bytes.first() == Some(&1) {
        (
            be32(&bytes, 20),
            (u64::from(be32(&bytes, 24)) << 32) | u64::from(be32(&bytes, 28)),
        )
    } else {
        (be32(&bytes, 12), u64::from(be32(&bytes, 16)))
    };
    let unknown = ticks == u64::from(u32::MAX) || ticks == u64::MAX || ticks == 0;
    if scale == 0 || unknown {
        return Ok(None);
    }
    Ok(Some(ticks.div_ceil(u64::from(scale))))
}

fn track(head: &mut Head<'_>, part: &BoxHead, seen: &mut Seen) -> Result<(), VideoFault> {
    let mut bytes = [0u8; 96];
    let room = usize::try_from(part.end - head.at).unwrap_or(0).min(96);
    if head.fill(bytes.get_mut(..room).unwrap_or_default())? {
        let at = if bytes.first() == Some(&1) { 92 } else { 80 };
        let height = be32(&bytes, at) >> 16;
        if height > 0 {
            seen.height = seen.height.max(Some(height));
        }
    }
    Ok(())
}

fn codec(head: &mut Head<'_>, part: &BoxHead, seen: &mut Seen) -> Result<(), VideoFault> {
    let mut bytes = [0u8; 16];
    if part.end - head.at < 16 || !head.fill(&mut bytes)? {
        return Ok(());
    }
    let [.., a, b, c, d] = bytes;
    let name = [a, b, c, d];
    let plays = match &seen.handler {
        b"vide" => matches!(&name, b"avc1" | b"avc3" | b"av01" | b"vp08" | b"vp09"),
        b"soun" => matches!(&name, b"mp4a" | b"Opus" | b"fLaC" | b".mp3"),
        _ => true,
    };
    if !plays {
        let name = String::from_utf8_lossy(&name).trim().to_owned();
        let name = match name.as_str() {
            "hvc1" | "hev1" => "HEVC (H.265)".to_owned(),
            "mp4v" => "MPEG-4 Part 2".to_owned(),
            "ac-3" | "ec-3" => "Dolby Digital".to_owned(),
            _ => crate::names::tidy(&name),
        };
        if !seen.info.doubtful_codecs.contains(&name) {
            seen.info.doubtful_codecs.push(name);
        }
    }
    Ok(())
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}
