//! What a torrent holds: its files, and the hashes of its pieces.

use super::InfoHash;
use super::bencode::{Value, put_bytes, put_number};
use sha1::{Digest as _, Sha1};

/// Largest description that is read: some 200,000 pieces.
pub(super) const MAX_METADATA: usize = 4 << 20;
/// Longest piece: a piece is held in memory until its hash is known.
pub(super) const MAX_PIECE: u64 = 8 << 20;
/// Shortest piece but the last; the network asks for 16 KiB at a time.
const MIN_PIECE: u64 = 16 << 10;
/// Most files of one torrent.
const MAX_FILES: usize = 10_000;

/// A torrent's description, whose hash was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Info {
    /// Bytes of every piece but the last.
    pub(super) piece_length: u32,
    /// Bytes of all files.
    length: u64,
    /// SHA-1 of each piece, one after the other.
    hashes: Vec<u8>,
    /// Where each file begins, and its bytes.
    files: Vec<(u64, u64)>,
}

/// SHA-1.
pub(super) fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

impl Info {
    /// Reads a description and compares it with its hash.
    pub(super) fn read(bytes: &[u8], hash: &InfoHash) -> Result<Self, String> {
        if sha1(bytes) != hash.0 {
            return Err("the torrent's description has another hash".into());
        }
        let value = Value::read(bytes).ok_or("the torrent's description cannot be read")?;
        let number = |key| value.get(key).and_then(Value::number);
        let piece_length = number("piece length")
            .filter(|n| (MIN_PIECE..=MAX_PIECE).contains(n))
            .ok_or_else(|| {
                format!("the torrent's pieces are not of {MIN_PIECE} to {MAX_PIECE} bytes")
            })?;
        let hashes = value.get("pieces").and_then(Value::bytes);
        let hashes = hashes.ok_or("the torrent has no pieces")?;
        let files = match (value.get("files").and_then(Value::list), number("length")) {
            (None, Some(length)) => vec![(0, length)],
            (Some(list), None) => {
                if list.len() > MAX_FILES {
                    return Err(format!("the torrent has more than {MAX_FILES} files"));
                }
                let mut at = 0_u64;
                let mut files = Vec::with_capacity(list.len());
                for file in list {
                    let length = file.get("length").and_then(Value::number);
                    let end = length.and_then(|l| at.checked_add(l));
                    let (Some(length), Some(end)) = (length, end) else {
                        return Err("a file of the torrent has no length".into());
                    };
                    files.push((at, length));
                    at = end;
                }
                files
            }
            _ => return Err("the torrent has no files".into()),
        };
        let length = files.last().map_or(0, |(at, length)| at + length);
        if length == 0 || length.div_ceil(piece_length) * 20 != hashes.len() as u64 {
            return Err("the torrent's pieces do not make up its files".into());
        }
        Ok(Self {
            // It is at most MAX_PIECE.
            piece_length: piece_length as u32,
            length,
            hashes: hashes.to_vec(),
            files,
        })
    }

    /// Describes one file whose pieces have these hashes.
    pub(super) fn write(name: &str, length: u64, piece_length: u32, hashes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(hashes.len() + name.len() + 100);
        out.push(b'd');
        put_bytes(&mut out, b"length");
        put_number(&mut out, length);
        put_bytes(&mut out, b"name");
        put_bytes(&mut out, name.as_bytes());
        put_bytes(&mut out, b"piece length");
        put_number(&mut out, piece_length.into());
        put_bytes(&mut out, b"pieces");
        put_bytes(&mut out, hashes);
        out.push(b'e');
        out
    }

    pub(super) fn pieces(&self) -> u32 {
        (self.hashes.len() / 20) as u32
    }

    /// Bytes of a piece; 0 for one that does not exist.
    pub(super) fn piece_len(&self, piece: u32) -> u32 {
        let start = u64::from(piece) * u64::from(self.piece_length);
        let rest = self.length.saturating_sub(start);
        // It is at most the length of a piece.
        rest.min(self.piece_length.into()) as u32
    }

    /// Whether these are the bytes of a piece.
    pub(super) fn proves(&self, piece: u32, bytes: &[u8]) -> bool {
        let start = piece as usize * 20;
        let hash = self.hashes.get(start..start + 20);
        bytes.len() == self.piece_len(piece) as usize && hash == Some(&sha1(bytes)[..])
    }

    /// Where the file begins that has so many bytes. Two of the same length cannot
    /// be told apart.
    pub(super) fn place_of(&self, size: u64) -> Result<u64, String> {
        let mut found = self.files.iter().filter(|(_, length)| *length == size);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(*at),
            (Some(_), Some(_)) => Err(format!("the torrent has several files of {size} bytes")),
            (None, _) => Err(format!("the torrent has no file of {size} bytes")),
        }
    }

    /// The only file's bytes.
    pub(super) fn only_file(&self) -> Option<u64> {
        match *self.files {
            [(_, length)] => Some(length),
            _ => None,
        }
    }

    /// The pieces that hold a stretch of bytes.
    pub(super) fn pieces_of(&self, start: u64, len: u64) -> std::ops::Range<u32> {
        let piece = u64::from(self.piece_length);
        let last = start.saturating_add(len).min(self.length).div_ceil(piece);
        // There are fewer pieces than a description has bytes.
        (start / piece).min(last) as u32..last as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Info, String> {
        Info::read(bytes, &InfoHash(sha1(bytes)))
    }

    #[test]
    fn what_is_written_is_read() {
        let film = vec![7_u8; 70_000];
        let hashes: Vec<u8> = film.chunks(32_768).flat_map(sha1).collect();
        let bytes = Info::write("film.mp4", 70_000, 32_768, &hashes);
        let info = read(&bytes).unwrap();
        assert_eq!((info.pieces(), info.piece_len(2)), (3, 70_000 - 65_536));
        assert_eq!((info.piece_len(3), info.only_file()), (0, Some(70_000)));
        assert!(info.proves(2, &film[65_536..]));
        assert!(!info.proves(1, &film[65_536..]));
        assert!(!info.proves(9, &[]));
        assert_eq!(info.place_of(70_000), Ok(0));
        assert!(info.place_of(1).unwrap_err().contains("no file of 1 bytes"));
        assert_eq!(info.pieces_of(32_767, 2), 0..2);
        assert_eq!(info.pieces_of(65_536, 999_999), 2..3);
        assert_eq!(info.pieces_of(u64::MAX, 5), 3..3);
        let other = InfoHash([0; 20]);
        assert!(Info::read(&bytes, &other).unwrap_err().contains("hash"));
    }

    #[test]
    fn a_file_among_several_is_found_by_its_length() {
        let torrent = |lengths: &[u64]| {
            let files: String = lengths
                .iter()
                .map(|n| format!("d6:lengthi{n}e4:pathl1:aee"))
                .collect();
            let pieces = lengths.iter().sum::<u64>().div_ceil(16_384) as usize * 20;
            let mut text = format!("d5:filesl{files}e12:piece lengthi16384e6:pieces{pieces}:");
            text.extend(std::iter::repeat_n('x', pieces));
            text.push('e');
            read(text.as_bytes()).unwrap()
        };
        let info = torrent(&[10, 40_000, 10]);
        assert_eq!(info.place_of(40_000), Ok(10));
        assert!(info.place_of(10).unwrap_err().contains("several"));
        assert_eq!(info.only_file(), None);
    }

    #[test]
    fn impossible_torrents_are_refused() {
        for text in [
            "",
            "le",
            "de",
            "d6:lengthi1e12:piece lengthi16384e6:pieces0:e",
            "d6:lengthi1e12:piece lengthi1e6:pieces20:xxxxxxxxxxxxxxxxxxxxe",
            "d6:lengthi1e12:piece lengthi99999999999e6:pieces20:xxxxxxxxxxxxxxxxxxxxe",
            "d6:lengthi9000000000000000000e12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxe",
            "d6:lengthi0e12:piece lengthi16384e6:pieces0:e",
            "d6:lengthi-1e12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxe",
            "d5:filesld6:lengthi9000000000000000000eed6:lengthi9000000000000000000eed6:lengthi9000000000000000000eee12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxe",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
