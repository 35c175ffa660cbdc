//! Where files come from: a folder on disk, or a zip archive read in place.

use crate::error::OpenError;
use crate::problem::Problems;
use std::io::{self, Read};
use std::path::Path;

/// A file being read once from the front, with cheap forward jumps.
pub(crate) trait Stream: Read {
    /// Goes forward by `bytes`, or to the end. Returns how far it went.
    fn skip(&mut self, bytes: u64) -> io::Result<u64>;
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// With `/`, without `.` or `..`; safe to show.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// What [`Source::open`] takes.
    pub(crate) handle: usize,
}

/// A tree of files. Never yields anything outside itself.
pub(crate) trait Source: Send {
    /// All files, with what was refused on the way. Called once.
    fn list(&mut self) -> Result<(Vec<FileEntry>, Problems), OpenError>;

    /// Opens a file that was listed.
    fn open(&mut self, handle: usize) -> io::Result<Box<dyn Stream + '_>>;
}

/// The source for a path, by what the path is.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Source>, OpenError> {
    let meta = std::fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::NotFound {
            path: path.to_owned(),
        },
        _ => unreadable(path, source),
    })?;
    if meta.is_dir() {
        return Ok(Box::new(crate::disk::Disk::new(path)?));
    }
    if !meta.is_file() {
        return Err(OpenError::NotACourse {
            path: path.to_owned(),
        });
    }
    Ok(Box::new(crate::archive::Archive::new(path)?))
}

pub(crate) fn unreadable(path: &Path, source: io::Error) -> OpenError {
    OpenError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

/// Reads at most `cap` bytes; the flag says whether there was more.
pub(crate) fn read_capped(stream: &mut dyn Stream, cap: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    stream.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 > cap;
    if more {
        bytes.pop();
    }
    Ok((bytes, more))
}

/// Skips by reading, for streams that cannot jump.
pub(crate) fn skip_by_reading(stream: &mut dyn Read, bytes: u64) -> io::Result<u64> {
    io::copy(&mut stream.take(bytes), &mut io::sink())
}

/// A path that is safe to show: control characters become a mark. The flag
/// says whether anything was changed.
pub(crate) fn shown(text: &str) -> (String, bool) {
    let odd =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(odd) {
        (text.replace(odd, "\u{fffd}"), true)
    } else {
        (text.to_owned(), false)
    }
}
