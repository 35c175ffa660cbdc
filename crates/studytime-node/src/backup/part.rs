//! What a backup writes before it is whole, and what one that was killed left.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::{Builder, NamedTempFile, TempDir};

/// Files beside the target begin so.
const PART: &str = ".studytime-backup-";
/// The folder with copies of the databases, in the data directory, begins so.
const COPIES: &str = ".backup-";
/// A part that was touched so lately may belong to a backup that begins.
const FRESH: Duration = Duration::from_secs(60);

/// A file beside the target, locked as long as it is written, readable only by its
/// owner: it holds keys. Parts that others left behind are removed first.
pub(super) fn part(folder: &Path) -> io::Result<NamedTempFile> {
    remove_stale(folder, SystemTime::now());
    let part = Builder::new().prefix(PART).tempfile_in(folder)?;
    // Some network folders know no locks; there nothing is removed either.
    let _ = part.as_file().try_lock();
    Ok(part)
}

/// A folder for copies of the databases.
pub(super) fn copies(dir: &Path) -> io::Result<TempDir> {
    Builder::new().prefix(COPIES).tempdir_in(dir)
}

/// Removes such folders from a data directory that nobody else uses.
pub(crate) fn remove_copies(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(COPIES);
        if named && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            tell(&entry.path(), fs::remove_dir_all(entry.path()));
        }
    }
}

/// Removes parts in a folder that no running backup holds.
fn remove_stale(folder: &Path, now: SystemTime) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PART);
        // The folder may be anybody's: no link is followed, nothing but files is touched.
        let plain = entry.metadata().is_ok_and(|meta| {
            let age = meta
                .modified()
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            meta.is_file() && age.is_some_and(|age| age >= FRESH)
        });
        if named && plain && is_free(&entry.path()) {
            tell(&entry.path(), fs::remove_file(entry.path()));
        }
    }
}

/// Whether nobody writes to it; what cannot be known counts as somebody's.
fn is_free(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) | Err(_) => false,
    }
}

fn tell(path: &Path, removed: io::Result<()>) {
    let shown = path.display();
    match removed {
        Ok(()) => tracing::info!("removed {shown}, which a backup that was broken off had left"),
        Err(error) => tracing::warn!("{shown} was left by a backup and cannot be removed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            fs::write(dir.path().join(name), b"x").unwrap();
        };
        let (stale, other) = (format!("{PART}stale"), "my-backup.tar");
        make(&stale);
        make(other);
        fs::create_dir(dir.path().join(format!("{PART}folder"))).unwrap();
        let running = part(dir.path()).unwrap();
        let here = || fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(here(), 4, "all are fresh");
        remove_stale(dir.path(), SystemTime::now() + FRESH);
        assert!(!dir.path().join(&stale).exists());
        assert!(running.path().exists() && dir.path().join(other).exists());
        assert_eq!(here(), 3);

        let kept = copies(dir.path()).unwrap().keep();
        remove_copies(dir.path());
        assert!(!kept.exists());
        assert_eq!(here(), 3);
    }
}
