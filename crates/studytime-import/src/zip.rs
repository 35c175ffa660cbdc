//! The list of contents of a zip archive.

use crate::limits::{MAX_DIRECTORY, MAX_ENTRIES};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// One entry of the list of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// As written, decoded.
    pub(crate) name: String,
    /// The name was not UTF-8 although it had to be.
    pub(crate) odd_name: bool,
    /// Bytes when unpacked, as claimed.
    pub(crate) size: u64,
    /// Bytes in the archive, as claimed.
    pub(crate) packed: u64,
    /// CRC-32 of the unpacked bytes, as claimed.
    pub(crate) crc: u32,
    /// Deflated, not stored.
    pub(crate) deflated: bool,
    /// A folder.
    pub(crate) folder: bool,
    /// A symbolic link.
    pub(crate) link: bool,
    /// A device, pipe or socket.
    pub(crate) special: bool,
    /// Why it cannot be read.
    pub(crate) unreadable: Option<&'static str>,
    offset: u64,
}

/// Why a list of contents cannot be read.
#[derive(Debug)]
pub(crate) enum ZipError {
    Io(io::Error),
    Bad(String),
    TooMany,
    LongDirectory(u64),
}

impl From<io::Error> for ZipError {
    fn from(e: io::Error) -> Self {
        if e.kind() == io::ErrorKind::UnexpectedEof {
            bad("it ends in the middle; download or copy it again")
        } else {
            Self::Io(e)
        }
    }
}

fn bad(text: impl Into<String>) -> ZipError {
    ZipError::Bad(text.into())
}

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// The end record and the longest comment behind it.
const END_SEARCH: u64 = 22 + 65_535;

/// Little-endian fields of a fixed record; reading past it yields zero, which
/// cannot happen because every record is read at its full length.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0
            .get(at..at + N)
            .and_then(|b| b.try_into().ok())
            .unwrap_or([0; N])
    }
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}

struct Directory {
    offset: u64,
    size: u64,
    entries: u64,
    /// Bytes in front of the archive proper (a self-extracting program).
    lead: u64,
}

fn find_directory(file: &mut File, size: u64) -> Result<Directory, ZipError> {
    let from = size.saturating_sub(END_SEARCH);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(END_SEARCH).read_to_end(&mut tail)?;
    let at = tail
        .windows(4)
        .rposition(|w| w == END)
        .filter(|at| tail.len() >= at + 22)
        .ok_or_else(|| bad("its end is missing; download or copy it again"))?;
    let end = Fields(tail.get(at..).unwrap_or_default());
    if end.u16(4) != 0 && end.u16(4) != 0xffff {
        return Err(bad("it is one part of several"));
    }
    let mut found = Directory {
        entries: u64::from(end.u16(10)),
        size: u64::from(end.u32(12)),
        offset: u64::from(end.u32(16)),
        lead: 0,
    };
    let mut end_at = from + at as u64;
    let wide = found.entries == 0xffff || found.size == 0xffff_ffff || found.offset == 0xffff_ffff;
    if wide && let Some((directory, at)) = zip64(file, end_at)? {
        found = directory;
        end_at = at;
    }
    found.lead = end_at
        .checked_sub(found.size)
        .and_then(|at| at.checked_sub(found.offset))
        .ok_or_else(|| bad("its list of contents is damaged"))?;
    Ok(found)
}

fn zip64(file: &mut File, end_at: u64) -> Result<Option<(Directory, u64)>, ZipError> {
    let Some(at) = end_at.checked_sub(20) else {
        return Ok(None);
    };
    let mut locator = [0u8; 20];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut locator)?;
    if !locator.starts_with(&LOCATOR64) {
        return Ok(None);
    }
    let at = Fields(&locator).u64(8);
    let mut record = [0u8; 56];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut record)?;
    if !record.starts_with(&END64) {
        return Err(bad("its list of contents is damaged"));
    }
    let record = Fields(&record);
    let directory = Directory {
        entries: record.u64(32),
        size: record.u64(40),
        offset: record.u64(48),
        lead: 0,
    };
    Ok(Some((directory, at)))
}

/// Reads the list of contents.
pub(crate) fn members(file: &mut File, size: u64) -> Result<Vec<Member>, ZipError> {
    let directory = find_directory(file, size)?;
    if directory.entries > MAX_ENTRIES as u64 {
        return Err(ZipError::TooMany);
    }
    if directory.size > MAX_DIRECTORY {
        return Err(ZipError::LongDirectory(directory.size));
    }
    let start = directory.lead + directory.offset;
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new((&*file).take(directory.size));
    let mut members = Vec::new();
    for _ in 0..directory.entries {
        members.push(member(&mut reader, directory.lead)?);
    }
    check_overlap(&members, start)?;
    Ok(members)
}

fn member(reader: &mut impl Read, lead: u64) -> Result<Member, ZipError> {
    let mut fixed = [0u8; 46];
    reader.read_exact(&mut fixed)?;
    if !fixed.starts_with(&ENTRY) {
        return Err(bad("its list of contents is damaged"));
    }
    let fixed = Fields(&fixed);
    let mut name = vec![0u8; usize::from(fixed.u16(28))];
    reader.read_exact(&mut name)?;
    let mut extra = vec![0u8; usize::from(fixed.u16(30))];
    reader.read_exact(&mut extra)?;
    let mut comment = vec![0u8; usize::from(fixed.u16(32))];
    reader.read_exact(&mut comment)?;

    let (flags, method) = (fixed.u16(8), fixed.u16(10));
    let mut packed = u64::from(fixed.u32(20));
    let mut size = u64::from(fixed.u32(24));
    let mut offset = u64::from(fixed.u32(42));
    wide_fields(&extra, &mut size, &mut packed, &mut offset)?;

    let unix = matches!(fixed.u16(4) >> 8, 3 | 19);
    let attributes = fixed.u32(38);
    let sort = if unix {
        (attributes >> 16) & 0o170_000
    } else {
        0
    };
    let (name, odd_name) = decode_name(&name, flags & 0x800 != 0);
    let folder = name.ends_with(['/', '\\']) || sort == 0o040_000;
    let unreadable = if flags & 1 != 0 {
        Some("it is encrypted; unpack the archive with its password and import the folder")
    } else if method != 0 && method != 8 {
        Some(
            "it is packed with a method that is not read here; unpack the archive and import the folder",
        )
    } else if method == 0 && packed != size {
        Some("the archive contradicts itself about its size")
    } else {
        None
    };
    Ok(Member {
        name,
        odd_name,
        size,
        packed,
        crc: fixed.u32(16),
        deflated: method == 8,
        folder,
        link: sort == 0o120_000,
        special: !matches!(sort, 0 | 0o040_000 | 0o100_000 | 0o120_000),
        unreadable,
        offset: offset
            .checked_add(lead)
            .ok_or_else(|| bad("its list of contents is damaged"))?,
    })
}

/// Replaces fields that did not fit 32 bits by their 64-bit form.
fn wide_fields(
    extra: &[u8],
    size: &mut u64,
    packed: &mut u64,
    offset: &mut u64,
) -> Result<(), ZipError> {
    let mut rest = extra;
    while rest.len() >= 4 {
        let head = Fields(rest);
        let (id, len) = (head.u16(0), usize::from(head.u16(2)));
        let Some(body) = rest.get(4..4 + len) else {
            return Ok(()); // A ragged end is common and harmless.
        };
        if id == 1 {
            let wide = Fields(body);
            let mut at = 0;
            for field in [&mut *size, &mut *packed, &mut *offset] {
                if *field == 0xffff_ffff {
                    if at + 8 > body.len() {
                        return Err(bad("its list of contents is damaged"));
                    }
                    *field = wide.u64(at);
                    at += 8;
                }
            }
        }
        rest = rest.get(4 + len..).unwrap_or_default();
    }
    Ok(())
}

/// Entries that share bytes are how a small archive claims to be endless.
fn check_overlap(members: &[Member], directory: u64) -> Result<(), ZipError> {
    let mut spans: Vec<(u64, u64)> = members
        .iter()
        .map(|m| {
            (
                m.offset,
                m.offset.saturating_add(30).saturating_add(m.packed),
            )
        })
        .collect();
    spans.sort_unstable();
    let next = spans.iter().skip(1).map(|s| s.0).chain([directory]);
    for (span, next) in spans.iter().zip(next) {
        if span.1 > next {
            return Err(bad("its entries overlap"));
        }
    }
    Ok(())
}

/// Where a member's data begins.
pub(crate) fn data_offset(file: &mut File, member: &Member) -> Result<u64, ZipError> {
    let mut local = [0u8; 30];
    file.seek(SeekFrom::Start(member.offset))?;
    file.read_exact(&mut local)?;
    if !local.starts_with(&LOCAL) {
        return Err(bad("damaged in the archive"));
    }
    let local = Fields(&local);
    Ok(member.offset + 30 + u64::from(local.u16(26)) + u64::from(local.u16(28)))
}

/// The second half of the character set of early PCs, which zip names are in
/// when nothing else is said.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Decodes a name; the flag says that it was not what it claimed to be.
fn decode_name(bytes: &[u8], utf8: bool) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) if utf8 => (String::from_utf8_lossy(bytes).into_owned(), true),
        Err(_) => {
            let text = bytes
                .iter()
                .map(|b| match b {
                    0..0x80 => char::from(*b),
                    _ => CP437
                        .chars()
                        .nth(usize::from(*b) - 0x80)
                        .unwrap_or('\u{fffd}'),
                })
                .collect();
            (text, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(
            decode_name(b"\x81ber.txt", false),
            ("über.txt".into(), false)
        );
        assert_eq!(
            decode_name("über".as_bytes(), false),
            ("über".into(), false)
        );
    }
}
