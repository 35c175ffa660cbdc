//! A folder on disk.

use crate::error::OpenError;
use crate::kind::is_junk_folder;
use crate::limits::{MAX_DEPTH, MAX_ENTRIES, MAX_PATH};
use crate::names::join;
use crate::problem::{ProblemKind, Problems};
use crate::source::{FileEntry, Source, Stream, shown, unreadable};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The files below one folder. Links are followed only to files inside it.
pub(crate) struct Disk {
    given: PathBuf,
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Disk {
    pub(crate) fn new(path: &Path) -> Result<Self, OpenError> {
        let root = fs::canonicalize(path).map_err(|e| unreadable(path, e))?;
        fs::read_dir(&root).map_err(|e| unreadable(path, e))?;
        Ok(Self {
            given: path.to_owned(),
            root,
            files: Vec::new(),
        })
    }

    /// Where a path leads, when that is inside the folder.
    fn inside(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let real = fs::canonicalize(path)?;
        Ok(real.starts_with(&self.root).then_some(real))
    }
}

struct Folder {
    real: PathBuf,
    path: String,
    depth: usize,
}

struct Walk {
    folders: Vec<Folder>,
    seen: BTreeSet<String>,
    found: Vec<FileEntry>,
    problems: Problems,
}

impl Source for Disk {
    fn list(&mut self) -> Result<(Vec<FileEntry>, Problems), OpenError> {
        let mut walk = Walk {
            folders: vec![Folder {
                real: self.root.clone(),
                path: String::new(),
                depth: 0,
            }],
            seen: BTreeSet::new(),
            found: Vec::new(),
            problems: Problems::default(),
        };
        let mut entries = 0usize;
        while let Some(folder) = walk.folders.pop() {
            let listed = match fs::read_dir(&folder.real) {
                Ok(listed) => listed,
                Err(e) => {
                    let text = format!("the folder cannot be read ({e})");
                    walk.problems
                        .left_out(&folder.path, ProblemKind::Unreadable, text);
                    continue;
                }
            };
            for entry in listed {
                entries += 1;
                if entries > MAX_ENTRIES {
                    return Err(OpenError::TooLarge {
                        path: self.given.clone(),
                        what: format!("more than {MAX_ENTRIES} files and folders"),
                        limit: format!("{MAX_ENTRIES} files"),
                    });
                }
                match entry {
                    Ok(entry) => self.visit(&entry, &folder, &mut walk),
                    Err(e) => {
                        let text = format!("an entry of the folder cannot be read ({e})");
                        walk.problems
                            .left_out(&folder.path, ProblemKind::Unreadable, text);
                    }
                }
            }
        }
        Ok((walk.found, walk.problems))
    }

    fn open(&mut self, handle: usize) -> io::Result<Box<dyn Stream + '_>> {
        let path = self.files.get(handle).ok_or(io::ErrorKind::NotFound)?;
        // Looked at again: the tree may have changed since it was listed.
        let Some(real) = self.inside(path)? else {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it leads out of the folder now",
            ));
        };
        let meta = fs::metadata(&real)?;
        if !meta.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a file any more",
            ));
        }
        Ok(Box::new(DiskFile {
            left: meta.len(),
            file: File::open(real)?,
        }))
    }
}

impl Disk {
    fn visit(&mut self, entry: &fs::DirEntry, folder: &Folder, walk: &mut Walk) {
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        if lossy == "__MACOSX" || lossy == ".DS_Store" {
            return;
        }
        let (name, replaced) = shown(&lossy);
        let path = join(&folder.path, &name);
        if path.len() > MAX_PATH {
            let text = format!("the path is longer than {MAX_PATH} bytes; shorten the names");
            let short: String = path.chars().take(80).collect();
            walk.problems.left_out(&short, ProblemKind::OddName, text);
            return;
        }
        let mut file_type = match entry.file_type() {
            Ok(file_type) => file_type,
            Err(e) => return unreadable_entry(walk, &path, &e),
        };
        let real = entry.path();
        if file_type.is_symlink() {
            match self.inside(&real) {
                Err(e) => {
                    let text = format!("a link that leads nowhere ({e})");
                    return walk.problems.left_out(&path, ProblemKind::Link, text);
                }
                Ok(None) => {
                    return walk.problems.left_out(
                        &path,
                        ProblemKind::LeavesFolder,
                        "a link that leads out of the folder; copy the file into the folder instead",
                    );
                }
                Ok(Some(target)) => match fs::metadata(&target) {
                    Ok(meta) if meta.is_dir() => {
                        return walk.problems.left_out(
                            &path,
                            ProblemKind::Link,
                            "a link to a folder is not followed",
                        );
                    }
                    Ok(meta) => file_type = meta.file_type(),
                    Err(e) => return unreadable_entry(walk, &path, &e),
                },
            }
        }
        if file_type.is_dir() {
            if is_junk_folder(&name) {
                return;
            }
            if folder.depth >= MAX_DEPTH {
                let text = format!("folders deeper than {MAX_DEPTH} are not read");
                return walk.problems.left_out(&path, ProblemKind::TooDeep, text);
            }
            walk.folders.push(Folder {
                real,
                path,
                depth: folder.depth + 1,
            });
            return;
        }
        if !file_type.is_file() {
            return walk.problems.left_out(
                &path,
                ProblemKind::NotAFile,
                "neither a file nor a folder",
            );
        }
        let size = match fs::metadata(&real) {
            Ok(meta) => meta.len(),
            Err(e) => return unreadable_entry(walk, &path, &e),
        };
        if !walk.seen.insert(path.clone()) {
            return walk.problems.left_out(
                &path,
                ProblemKind::OddName,
                "two files have this name once its unreadable characters are replaced; rename one",
            );
        }
        if replaced || matches!(lossy, std::borrow::Cow::Owned(_)) {
            walk.problems.warn(
                &path,
                ProblemKind::OddName,
                "the name has characters that cannot be shown; they are replaced",
            );
        }
        walk.found.push(FileEntry {
            path,
            size,
            handle: self.files.len(),
        });
        self.files.push(real);
    }
}

fn unreadable_entry(walk: &mut Walk, path: &str, e: &io::Error) {
    let text = format!("cannot be read ({e})");
    walk.problems.left_out(path, ProblemKind::Unreadable, text);
}

struct DiskFile {
    file: File,
    /// Bytes until the end, as far as known when it was opened.
    left: u64,
}

impl Read for DiskFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.left = self.left.saturating_sub(n as u64);
        Ok(n)
    }
}

impl Stream for DiskFile {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let step = bytes.min(self.left);
        let signed = i64::try_from(step).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.file.seek(SeekFrom::Current(signed))?;
        self.left -= step;
        Ok(step)
    }
}
