//! Moving the index of an MP4 from its end to its front, so that it plays from the
//! first bytes on. Pictures and sound are not touched: the index is read, the places
//! in it are moved, and the file is read out in another order.

use crate::mp4::{BoxHead, Next, next_box};
use crate::source::Stream;
use crate::video::{Head, VideoFault};
use std::io::{self, Read};

/// Largest index that is moved: it is held in memory. Ten hours of video have some 10 MB.
const MAX_INDEX: u64 = 64 << 20;
/// Most parts that are looked at.
const MAX_BOXES: usize = 200_000;

/// Why an index stays where it is. Each goes on after "the index is at the end".
#[derive(Debug)]
pub(crate) enum Stays {
    Io(io::Error),
    Because(&'static str),
}

impl From<io::Error> for Stays {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<VideoFault> for Stays {
    fn from(fault: VideoFault) -> Self {
        match fault {
            VideoFault::Io(e) => Self::Io(e),
            VideoFault::Bad(..) => Self::Because("its parts do not fit together"),
        }
    }
}

/// How a file is read so that its index comes first.
#[derive(Debug)]
pub(crate) struct Moved {
    /// Where the index goes: behind the part that names the format.
    to: u64,
    /// Where it was.
    from: u64,
    end: u64,
    /// The index with its places moved.
    index: Vec<u8>,
    /// Bytes of the whole file afterwards.
    pub(crate) size: u64,
}

/// Works out how to move the index of a file of `size` bytes.
pub(crate) fn plan(stream: &mut dyn Stream, size: u64) -> Result<Moved, Stays> {
    let mut head = Head::new(stream, size);
    let (mut to, mut media, mut boxes) = (0, false, 0);
    let (from, part) = loop {
        let start = head.at;
        let part = match next_box(&mut head, size)? {
            Next::Box(part) => part,
            Next::End | Next::Junk | Next::Beyond(..) => {
                return Err(Stays::Because("its parts do not fit together"));
            }
        };
        boxes += 1;
        match &part.kind {
            _ if boxes > MAX_BOXES => return Err(Stays::Because("it has too many parts")),
            b"moov" if media => break (start, part),
            b"moov" => return Err(Stays::Because("it has been moved already")),
            b"moof" | b"sidx" | b"mfra" | b"styp" => {
                return Err(Stays::Because("the video is made of fragments"));
            }
            b"meta" => return Err(Stays::Because("it lists pictures by their places")),
            b"ftyp" if start == 0 => to = part.end,
            b"mdat" => media = true,
            _ => {}
        }
        if !head.go_to(part.end)? {
            return Err(Stays::Because("the file ends in the middle"));
        }
    };
    let BoxHead { end, .. } = part;
    if end - head.at > MAX_INDEX {
        return Err(Stays::Because("it is too large to be moved"));
    }
    let mut content = vec![0; usize::try_from(end - head.at).unwrap_or(0)];
    if !head.fill(&mut content)? {
        return Err(Stays::Because("the file ends in the middle"));
    }
    let old = end - from;
    let mut moves = Moves {
        to,
        from,
        end,
        old,
        new: 0,
        wide: false,
        too_far: false,
    };
    // The places depend on how long the new index is, which depends on whether they
    // still fit into 32 bits: its length is taken first, then the places.
    let mut index = moves.index(&content)?;
    moves.new = index.len() as u64;
    index = moves.index(&content)?;
    if moves.too_far {
        moves.wide = true;
        moves.new = moves.index(&content)?.len() as u64;
        index = moves.index(&content)?;
    }
    // Whoever follows the media may be fragments as well.
    while head.at < size {
        match next_box(&mut head, size)? {
            Next::Box(part) => match &part.kind {
                b"moof" | b"sidx" | b"mfra" | b"moov" => {
                    return Err(Stays::Because("the video is made of fragments"));
                }
                _ if !head.go_to(part.end)? => break,
                _ => {}
            },
            _ => break,
        }
    }
    Ok(Moved {
        to,
        from,
        end,
        size: size - old + moves.new,
        index,
    })
}

/// From old places in the file to new ones.
struct Moves {
    to: u64,
    from: u64,
    end: u64,
    old: u64,
    new: u64,
    /// Places are written with 64 bits.
    wide: bool,
    /// Some place does not fit into 32 bits.
    too_far: bool,
}

impl Moves {
    fn place(&mut self, old: u64) -> Result<u64, Stays> {
        let new = match old {
            old if old < self.to => old,
            old if old < self.from => old.saturating_add(self.new),
            old if old < self.end => {
                return Err(Stays::Because("it points into itself"));
            }
            old => old.saturating_add(self.new).saturating_sub(self.old),
        };
        self.too_far |= new > u64::from(u32::MAX);
        Ok(new)
    }

    fn index(&mut self, content: &[u8]) -> Result<Vec<u8>, Stays> {
        self.too_far = false;
        let mut out = Vec::with_capacity(content.len() + 8);
        let mut boxes = 0;
        self.container(*b"moov", content, &mut out, 0, &mut boxes)?;
        Ok(out)
    }

    /// A part that holds others, its header included.
    fn container(
        &mut self,
        kind: [u8; 4],
        content: &[u8],
        out: &mut Vec<u8>,
        depth: usize,
        boxes: &mut usize,
    ) -> Result<(), Stays> {
        let start = out.len();
        out.extend([0; 4]);
        out.extend(kind);
        let mut rest = content;
        // Some files end a container with four zero bytes.
        while rest.len() >= 8 {
            let (kind, inner, whole) = split(rest)?;
            *boxes += 1;
            if *boxes > MAX_BOXES {
                return Err(Stays::Because("it has too many parts"));
            }
            match &kind {
                b"trak" | b"mdia" | b"minf" | b"stbl" if depth < 5 => {
                    self.container(kind, inner, out, depth + 1, boxes)?;
                }
                b"stco" => self.places::<4>(inner, out)?,
                b"co64" => self.places::<8>(inner, out)?,
                b"cmov" => return Err(Stays::Because("it is compressed")),
                b"mvex" => return Err(Stays::Because("the video is made of fragments")),
                b"saio" | b"iloc" => {
                    return Err(Stays::Because("it has places of a kind not known here"));
                }
                _ => out.extend(rest.get(..whole).unwrap_or_default()),
            }
            rest = rest.get(whole..).unwrap_or_default();
        }
        out.extend(rest);
        patch_size(out, start)
    }

    /// A list of places of `N` bytes each.
    fn places<const N: usize>(&mut self, inner: &[u8], out: &mut Vec<u8>) -> Result<(), Stays> {
        let bad = Stays::Because("its list of places is damaged");
        let Some((flags, rest)) = inner.split_first_chunk::<4>() else {
            return Err(bad);
        };
        let Some((count, rest)) = rest.split_first_chunk::<4>() else {
            return Err(bad);
        };
        let listed = u64::from(u32::from_be_bytes(*count));
        if listed.checked_mul(N as u64) != Some(rest.len() as u64) {
            return Err(bad);
        }
        let wide = N == 8 || self.wide;
        let start = out.len();
        out.extend([0; 4]);
        out.extend(if wide { b"co64" } else { b"stco" });
        out.extend(flags);
        out.extend(count);
        for old in rest.chunks_exact(N) {
            let old = old.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
            let far = self.too_far;
            let new = self.place(old)?.to_be_bytes();
            if wide {
                // It fits, whatever it is.
                self.too_far = far;
                out.extend(new);
            } else {
                out.extend(&new[4..]);
            }
        }
        patch_size(out, start)
    }
}

/// Kind, content and whole length of the first part in `bytes`.
fn split(bytes: &[u8]) -> Result<([u8; 4], &[u8], usize), Stays> {
    let bad = || Stays::Because("its parts do not fit together");
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    let (kind, rest) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
    let (head, size) = match u32::from_be_bytes(*size) {
        0 => (8, bytes.len() as u64),
        1 => {
            let wide = rest.first_chunk::<8>().ok_or_else(bad)?;
            (16, u64::from_be_bytes(*wide))
        }
        size => (8, u64::from(size)),
    };
    let whole = usize::try_from(size).map_err(|_| bad())?;
    let content = bytes.get(head..whole).ok_or_else(bad)?;
    Ok((*kind, content, whole))
}

fn patch_size(out: &mut [u8], start: usize) -> Result<(), Stays> {
    let size = u32::try_from(out.len() - start)
        .map_err(|_| Stays::Because("it is too large to be moved"))?;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}

impl Moved {
    /// The file with its index in front. `stream` is at its start.
    pub(crate) fn read<'a>(&'a self, stream: Box<dyn Stream + 'a>) -> Reordered<'a> {
        Reordered {
            stream,
            moved: self,
            at: 0,
            written: 0,
        }
    }
}

/// A file read with its index in front.
pub(crate) struct Reordered<'a> {
    stream: Box<dyn Stream + 'a>,
    moved: &'a Moved,
    /// Where the stream is in the old file.
    at: u64,
    /// Bytes of the index that were read out.
    written: usize,
}

impl Read for Reordered<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Moved {
            to,
            from,
            end,
            index,
            ..
        } = self.moved;
        if self.at == *to && self.written < index.len() {
            let rest = index.get(self.written..).unwrap_or_default();
            let n = rest.len().min(buf.len());
            if let (Some(out), Some(part)) = (buf.get_mut(..n), rest.get(..n)) {
                out.copy_from_slice(part);
            }
            self.written += n;
            return Ok(n);
        }
        if self.at == *from {
            let gap = end - from;
            if self.stream.skip(gap)? < gap {
                return Ok(0);
            }
            self.at = *end;
        }
        let border = match self.at {
            at if at < *to => *to,
            at if at < *from => *from,
            _ => u64::MAX,
        };
        let most = usize::try_from(border - self.at)
            .unwrap_or(buf.len())
            .min(buf.len());
        let n = self.stream.read(buf.get_mut(..most).unwrap_or_default())?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::skip_by_reading;
    use proptest::prelude::*;
    use std::io::Cursor;

    struct Bytes(Cursor<Vec<u8>>);

    impl Read for Bytes {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Stream for Bytes {
        fn skip(&mut self, bytes: u64) -> io::Result<u64> {
            skip_by_reading(self, bytes)
        }
    }

    fn stream(bytes: &[u8]) -> Bytes {
        Bytes(Cursor::new(bytes.to_vec()))
    }

    fn part(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut out = (content.len() as u32 + 8).to_be_bytes().to_vec();
        out.extend(kind);
        out.extend(content);
        out
    }

    fn stco(places: &[u32]) -> Vec<u8> {
        let mut content = vec![0; 4];
        content.extend((places.len() as u32).to_be_bytes());
        places.iter().for_each(|p| content.extend(p.to_be_bytes()));
        part(b"stco", &content)
    }

    fn co64(places: &[u64]) -> Vec<u8> {
        let mut content = vec![0; 4];
        content.extend((places.len() as u32).to_be_bytes());
        places.iter().for_each(|p| content.extend(p.to_be_bytes()));
        part(b"co64", &content)
    }

    fn moov(lists: &[Vec<u8>]) -> Vec<u8> {
        let tracks: Vec<u8> = lists
            .iter()
            .flat_map(|list| {
                let stbl = part(b"stbl", &[part(b"stsd", &[0; 8]), list.clone()].concat());
                let mdia = part(b"mdia", &part(b"minf", &stbl));
                part(b"trak", &[part(b"tkhd", &[1; 84]), mdia].concat())
            })
            .collect();
        part(
            b"moov",
            &[part(b"mvhd", &[2; 100]), tracks, vec![0; 4]].concat(),
        )
    }

    fn reordered(bytes: &[u8]) -> Result<Vec<u8>, Stays> {
        let moved = plan(&mut stream(bytes), bytes.len() as u64)?;
        let mut out = Vec::new();
        moved.read(Box::new(stream(bytes))).read_to_end(&mut out)?;
        assert_eq!(out.len() as u64, moved.size);
        Ok(out)
    }

    /// Every place in the index of a file, in order.
    fn places(bytes: &[u8]) -> Vec<u64> {
        let find = |kind: &[u8]| {
            let starts =
                (0..bytes.len().saturating_sub(4)).filter(|i| bytes[*i..].starts_with(kind));
            starts.collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        for (kind, len) in [(b"stco", 4), (b"co64", 8)] {
            for at in find(kind) {
                let count = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
                for i in 0..count as usize {
                    let start = at + 12 + i * len;
                    let place = &bytes[start..start + len];
                    all.push(place.iter().fold(0, |n, b| n << 8 | u64::from(*b)));
                }
            }
        }
        all
    }

    #[test]
    fn the_same_pictures_at_their_new_places() {
        let ftyp = part(b"ftyp", b"isom\0\0\x02\0isomavc1");
        let media: Vec<u8> = (0..=255).collect();
        let free = part(b"free", &[9; 5]);
        let first = (ftyp.len() + free.len() + 8) as u32;
        let index = moov(&[stco(&[first, first + 100]), co64(&[u64::from(first) + 200])]);
        let file = [&ftyp[..], &free, &part(b"mdat", &media), &index, &free].concat();
        let out = reordered(&file).unwrap();
        assert_eq!(out.len(), file.len());
        assert_eq!(&out[..ftyp.len()], &ftyp[..]);
        assert_eq!(&out[ftyp.len() + 4..ftyp.len() + 8], b"moov");
        let (before, after) = (places(&file), places(&out));
        assert_eq!(before.len(), 3);
        for (old, new) in before.iter().zip(&after) {
            let (old, new) = (*old as usize, *new as usize);
            assert_eq!(file[old..old + 10], out[new..new + 10]);
        }
        // Done once is done: nothing more to move.
        assert!(matches!(reordered(&out), Err(Stays::Because(_))));
    }

    #[test]
    fn places_beyond_four_gigabytes_get_more_room() {
        let mut moves = Moves {
            to: 20,
            from: 0xffff_fff0,
            end: 0xffff_ffff,
            old: 15,
            new: 100,
            wide: false,
            too_far: false,
        };
        let content = &moov(&[stco(&[100, 0xffff_ffe8])])[8..];
        let narrow = moves.index(content).unwrap();
        assert!(moves.too_far);
        moves.wide = true;
        let wide = moves.index(content).unwrap();
        assert!(!moves.too_far);
        assert_eq!(wide.len(), narrow.len() + 8);
        assert_eq!(places(&wide), [200, 0xffff_ffe8 + 100]);
    }

    #[test]
    fn what_cannot_be_moved_stays_and_says_why() {
        let ftyp = part(b"ftyp", b"isom\0\0\x02\0");
        let mdat = part(b"mdat", &[1; 50]);
        let with = |index: Vec<u8>| [&ftyp[..], &mdat, &index].concat();
        let short = part(b"stco", &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0]);
        for (file, word) in [
            (with(part(b"moov", &part(b"cmov", &[0; 20]))), "compressed"),
            (with(part(b"moov", &part(b"mvex", &[0; 20]))), "fragments"),
            (with(moov(&[short])), "damaged"),
            (with(moov(&[stco(&[80])])), "itself"),
            (with([part(b"moof", &[]), moov(&[])].concat()), "fragments"),
            (with([moov(&[]), part(b"moof", &[])].concat()), "fragments"),
            (with(part(b"moov", b"\0\0\xff\xfftrak")), "fit"),
            (with(vec![]), "fit"),
            (with(b"\0\0\xff\xffmoov".to_vec()), "fit"),
        ] {
            match reordered(&file) {
                Err(Stays::Because(why)) => assert!(why.contains(word), "{why}, not {word}"),
                other => panic!("{word}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_loses_nothing(
            cut in 0usize..400,
            flips in proptest::collection::vec((0usize..400, any::<u8>()), 0..6),
            lists in proptest::collection::vec(proptest::collection::vec(24u32..90, 0..5), 0..3),
        ) {
            let lists: Vec<_> = lists.iter().map(|l| stco(l)).collect();
            let mut file = [part(b"ftyp", &[0; 8]), part(b"mdat", &[7; 70]), moov(&lists)].concat();
            for (at, byte) in flips {
                if let Some(b) = file.get_mut(at) {
                    *b = byte;
                }
            }
            let len = file.len();
            file.truncate(len.max(cut) - cut.min(len) / 3);
            if let Ok(out) = reordered(&file) {
                prop_assert!(out.len() >= file.len());
            }
        }
    }
}
