//! One data directory, one process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// A running node that others can reach through its control socket.
    Serve,
    /// One command that leaves again.
    Oneshot,
}

/// Why a data directory could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDirError {
    /// Another process has it.
    #[error("the data directory {} is in use by {}", path.display(), holder(*.kind, pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// What the other process is; `None` when its note is unreadable.
        kind: Option<LockKind>,
        /// Its process id as it wrote it, for people only.
        pid: String,
    },
    /// It cannot be made or written.
    #[error("cannot use {} as data directory", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn holder(kind: Option<LockKind>, pid: &str) -> String {
    match kind {
        Some(LockKind::Serve) => format!("a running node (process {pid})"),
        Some(LockKind::Oneshot) => format!("another command (process {pid})"),
        None => "another process".to_owned(),
    }
}

/// An exclusively held data directory. The hold is an operating-system lock, so
/// it ends with the process however that ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    // Held for its lock.
    _lock: File,
    kind: LockKind,
}

impl DataDir {
    /// Makes the directory if need be and takes it.
    ///
    /// # Errors
    /// [`OpenDirError::InUse`] when another process has it.
    pub(crate) fn take(path: &Path, kind: LockKind) -> Result<Self, OpenDirError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenDirError::Io { path, source }
        };
        private_dir(path).map_err(io(path))?;
        let path = fs::canonicalize(path).map_err(io(path))?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut note = String::new();
                let _ = Read::by_ref(&mut lock).take(64).read_to_string(&mut note);
                let mut words = note.split_whitespace();
                let kind = match words.next() {
                    Some("serve") => Some(LockKind::Serve),
                    Some("oneshot") => Some(LockKind::Oneshot),
                    _ => None,
                };
                let pid = words.next().unwrap_or("?").to_owned();
                return Err(OpenDirError::InUse { path, kind, pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(OpenDirError::Io {
                    path: lock_path,
                    source,
                });
            }
        }
        let word = match kind {
            LockKind::Serve => "serve",
            LockKind::Oneshot => "oneshot",
        };
        let note = format!("{word} {}\n", std::process::id());
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(note.as_bytes()));
        written.map_err(io(&lock_path))?;
        Ok(Self {
            path,
            _lock: lock,
            kind,
        })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What this process said it is.
    pub(crate) fn kind(&self) -> LockKind {
        self.kind
    }

    /// A file or folder in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// A folder only its owner can enter: keys and private notes live in it.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Brings a folder's list of names to disk (on systems that can).
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Opens a file that only its owner can use, readable and writable, in the mode
/// given (on systems that have modes). A `new` one must not exist yet; otherwise
/// what is there is emptied.
pub(crate) fn private_file(path: &Path, mode: u32, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match new {
        true => options.create_new(true),
        false => options.create(true).truncate(true),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_second_is_told_who() {
        let tmp = tempfile::tempdir().unwrap();
        let held = DataDir::take(&tmp.path().join("d"), LockKind::Serve).unwrap();
        let again = DataDir::take(held.path(), LockKind::Oneshot).unwrap_err();
        match &again {
            OpenDirError::InUse { kind, pid, .. } => {
                assert_eq!(*kind, Some(LockKind::Serve));
                assert_eq!(*pid, std::process::id().to_string());
            }
            other => panic!("{other}"),
        }
        assert!(again.to_string().contains("a running node"));
        let path = held.path().to_owned();
        drop(held);
        assert!(DataDir::take(&path, LockKind::Oneshot).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("f");
        fs::write(&file, "x").unwrap();
        let e = DataDir::take(&file, LockKind::Serve).unwrap_err();
        assert!(e.to_string().contains(file.to_str().unwrap()), "{e}");
    }
}
