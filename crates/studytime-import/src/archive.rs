//! A zip archive, read in place: nothing is unpacked to disk.
//!
//! Only what course archives use is read: stored and deflated entries, zip64.
//! The list of contents is the archive's own claim, so every size in it is
//! capped first and checked again while reading.

use crate::error::OpenError;
use crate::limits::{
    MAX_DEPTH, MAX_DIRECTORY, MAX_ENTRIES, MAX_PATH, MAX_RATIO, MAX_UNPACKED, RATIO_FROM,
};
use crate::problem::{Problem, ProblemKind, Problems, Severity};
use crate::source::{FileEntry, Source, Stream, shown, skip_by_reading, unreadable};
use crate::zip::{self, Member, ZipError};
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest link target that is looked at.
const MAX_TARGET: u64 = 4_096;

/// An open archive.
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
    size: u64,
    members: Vec<Member>,
}

impl Archive {
    pub(crate) fn new(path: &Path) -> Result<Self, OpenError> {
        let mut file = File::open(path).map_err(|e| unreadable(path, e))?;
        let size = file.metadata().map_err(|e| unreadable(path, e))?.len();
        let mut magic = [0u8; 4];
        let is_zip = match file.read_exact(&mut magic) {
            Ok(()) => &magic == b"PK\x03\x04" || &magic == b"PK\x05\x06",
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(e) => return Err(unreadable(path, e)),
        };
        if !is_zip {
            return Err(OpenError::NotACourse {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            members: Vec::new(),
        })
    }

    fn error(&self, e: ZipError) -> OpenError {
        match e {
            ZipError::Io(source) => unreadable(&self.path, source),
            ZipError::Bad(reason) => OpenError::BadArchive {
                path: self.path.clone(),
                reason,
            },
            ZipError::TooMany => OpenError::TooLarge {
                path: self.path.clone(),
                what: format!("more than {MAX_ENTRIES} files and folders"),
                limit: format!("{MAX_ENTRIES} files"),
            },
            ZipError::LongDirectory(bytes) => OpenError::TooLarge {
                path: self.path.clone(),
                what: format!("a list of contents of {bytes} bytes"),
                limit: format!("{MAX_DIRECTORY} bytes"),
            },
        }
    }

    /// Refuses archives that unpack to far more than they are.
    fn check_sizes(&self, members: &[Member]) -> Result<(), OpenError> {
        let unpacked = members
            .iter()
            .fold(0u64, |sum, m| sum.saturating_add(m.size));
        let ratio = unpacked / self.size.max(1);
        let (what, limit) = if unpacked > MAX_UNPACKED {
            (
                format!("{unpacked} bytes when unpacked"),
                format!("{MAX_UNPACKED} bytes"),
            )
        } else if unpacked > RATIO_FROM && ratio > MAX_RATIO {
            (
                format!("content {ratio} times its own size"),
                format!("{MAX_RATIO} times"),
            )
        } else {
            return Ok(());
        };
        Err(OpenError::TooLarge {
            path: self.path.clone(),
            what,
            limit,
        })
    }

    /// Where a symbolic link in the archive leads, as it is written there.
    fn link_target(&mut self, member: &Member) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.read(member)?
            .take(MAX_TARGET)
            .read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read(&mut self, member: &Member) -> io::Result<Box<dyn Stream + '_>> {
        let start = zip::data_offset(&mut self.file, member).map_err(|e| match e {
            ZipError::Io(e) => e,
            ZipError::Bad(reason) => io::Error::new(io::ErrorKind::InvalidData, reason),
            _ => io::ErrorKind::InvalidData.into(),
        })?;
        self.file.seek(SeekFrom::Start(start))?;
        let check = Check {
            crc: Crc::new(),
            expected: member.crc,
            left: member.size,
            whole: true,
        };
        if member.deflated {
            let packed = BufReader::with_capacity(64 << 10, (&self.file).take(member.packed));
            Ok(Box::new(Deflated {
                inner: DeflateDecoder::new(packed),
                check,
            }))
        } else {
            Ok(Box::new(Stored {
                file: &self.file,
                check,
            }))
        }
    }
}

/// What a member's name says about where it would be written.
enum Place {
    Inside(String),
    Outside(&'static str),
}

/// Cleans a member's name, or says why it leads out of the archive.
fn place(name: &str) -> Place {
    let name = name.replace('\\', "/");
    if name.starts_with('/') {
        return Place::Outside("an absolute path");
    }
    let mut chars = name.chars();
    if chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':') {
        return Place::Outside("a path with a drive letter");
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Place::Outside("a path with `..`"),
            part => parts.push(part),
        }
    }
    Place::Inside(parts.join("/"))
}

/// Whether a link at `path` to `target` leads out of the archive.
fn link_leaves(path: &str, target: &str) -> bool {
    let target = target.replace('\\', "/");
    if target.starts_with('/') || target.chars().nth(1) == Some(':') {
        return true;
    }
    let mut depth = path.split('/').count().saturating_sub(1);
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

impl Source for Archive {
    fn list(&mut self) -> Result<(Vec<FileEntry>, Problems), OpenError> {
        let members = zip::members(&mut self.file, self.size).map_err(|e| self.error(e))?;
        self.check_sizes(&members)?;
        let mut problems = Problems::default();
        let mut outside = Vec::new();
        let mut files = Vec::new();
        let mut seen = BTreeSet::new();
        let mut leaves = |path: &str, text: String| {
            if outside.len() < crate::MAX_PROBLEMS {
                outside.push(Problem {
                    path: path.to_owned(),
                    kind: ProblemKind::LeavesFolder,
                    severity: Severity::LeftOut,
                    problem: text,
                });
            }
        };
        for (handle, member) in members.iter().enumerate() {
            let (name, odd) = shown(&member.name);
            let path = match place(&name) {
                Place::Inside(path) => path,
                Place::Outside(why) => {
                    leaves(&name, format!("{why} leads out of the archive; refused"));
                    continue;
                }
            };
            if member.link {
                match self.link_target(member) {
                    Ok(target) if link_leaves(&path, &target) => {
                        leaves(
                            &path,
                            "a link that leads out of the archive; refused".into(),
                        );
                    }
                    _ => problems.left_out(
                        &path,
                        ProblemKind::Link,
                        "a link inside an archive is not followed",
                    ),
                }
                continue;
            }
            if member.folder || path.is_empty() || in_junk(&path) {
                continue;
            }
            if member.special {
                problems.left_out(&path, ProblemKind::NotAFile, "neither a file nor a folder");
            } else if path.len() > MAX_PATH {
                let short: String = path.chars().take(80).collect();
                let text = format!("the path is longer than {MAX_PATH} bytes; shorten the names");
                problems.left_out(&short, ProblemKind::OddName, text);
            } else if path.matches('/').count() > MAX_DEPTH {
                let text = format!("folders deeper than {MAX_DEPTH} are not read");
                problems.left_out(&path, ProblemKind::TooDeep, text);
            } else if let Some(reason) = member.unreadable {
                problems.left_out(&path, ProblemKind::Packed, reason);
            } else if !seen.insert(path.clone()) {
                problems.left_out(
                    &path,
                    ProblemKind::OddName,
                    "the archive holds two files of this name; the second is left out",
                );
            } else {
                if odd || member.odd_name {
                    problems.warn(
                        &path,
                        ProblemKind::OddName,
                        "the name has characters that cannot be shown; they are replaced",
                    );
                }
                files.push(FileEntry {
                    path,
                    size: member.size,
                    handle,
                });
            }
        }
        if !outside.is_empty() {
            return Err(OpenError::LeavesFolder {
                path: self.path.clone(),
                problems: outside,
            });
        }
        self.members = members;
        Ok((files, problems))
    }

    fn open(&mut self, handle: usize) -> io::Result<Box<dyn Stream + '_>> {
        let member = self
            .members
            .get(handle)
            .cloned()
            .ok_or(io::ErrorKind::NotFound)?;
        self.read(&member)
    }
}

fn in_junk(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop();
    name == Some(".DS_Store") || parts.into_iter().any(crate::kind::is_junk_folder)
}

/// Holds a member to what the list of contents said of it.
struct Check {
    crc: Crc,
    expected: u32,
    left: u64,
    /// Nothing was skipped, so that the sum can be compared at the end.
    whole: bool,
}

impl Check {
    fn took(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len() as u64;
        if n > self.left {
            return Err(damaged("it holds more than the archive says"));
        }
        self.left -= n;
        if self.whole {
            self.crc.update(bytes);
        }
        if n == 0 && self.left > 0 {
            return Err(damaged("it ends before the archive says"));
        }
        if self.left == 0 && self.whole && self.crc.sum() != self.expected {
            return Err(damaged("its checksum is wrong"));
        }
        Ok(bytes.len())
    }
}

fn damaged(text: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("damaged in the archive: {text}"),
    )
}

struct Stored<'a> {
    file: &'a File,
    check: Check,
}

impl Read for Stored<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.check.left == 0 {
            return Ok(0);
        }
        let most = usize::try_from(self.check.left)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let buf = buf.get_mut(..most).unwrap_or_default();
        let n = self.file.read(buf)?;
        self.check.took(buf.get(..n).unwrap_or_default())
    }
}

impl Stream for Stored<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let step = bytes.min(self.check.left);
        if step > 0 {
            let signed = i64::try_from(step).map_err(|_| io::ErrorKind::InvalidInput)?;
            self.file.seek(SeekFrom::Current(signed))?;
            self.check.left -= step;
            self.check.whole = false;
        }
        Ok(step)
    }
}

struct Deflated<R> {
    inner: DeflateDecoder<R>,
    check: Check,
}

impl<R: io::BufRead> Read for Deflated<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let n = self.inner.read(buf)?;
        self.check.took(buf.get(..n).unwrap_or_default())
    }
}

impl<R: io::BufRead> Stream for Deflated<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        skip_by_reading(self, bytes)
    }
}
