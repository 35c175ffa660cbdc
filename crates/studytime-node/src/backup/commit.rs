//! From a folder beside to the data directory itself, in one step: a restore
//! that is broken off has either not happened or is finished by the next start.

use crate::store::sync_dir;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a restore is put together. Whatever lies here was broken off.
const PREPARED: &str = "restoring";
/// Where it waits to be moved to its place. Whatever lies here is whole.
const COMPLETE: &str = "restored";

/// A place to put a restore together, empty.
pub(super) fn prepare(dir: &Path) -> io::Result<PathBuf> {
    let place = dir.join(PREPARED);
    discard(dir)?;
    crate::store::private_dir(&place)?;
    Ok(place)
}

/// Throws away what was put together.
pub(super) fn discard(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir.join(PREPARED)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Declares what was put together whole, and moves it to its place.
pub(super) fn commit(dir: &Path) -> io::Result<()> {
    let place = dir.join(PREPARED);
    sync_tree(&place)?;
    fs::rename(&place, dir.join(COMPLETE))?;
    sync_dir(dir)?;
    finish(dir)
}

/// Finishes a restore that was broken off after it was whole. Cheap when there
/// is none; to be called before a data directory is used.
pub(crate) fn finish(dir: &Path) -> io::Result<()> {
    let place = dir.join(COMPLETE);
    if !place.is_dir() {
        return Ok(());
    }
    move_into(&place, dir)?;
    sync_dir(dir)
}

/// Moves what is in one folder into another. What is there already stays: the
/// user's `config.toml`, blobs that were copied here by hand.
fn move_into(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            crate::store::private_dir(&target)?;
            move_into(&source, &target)?;
        } else if target.symlink_metadata().is_ok() {
            fs::remove_file(&source)?;
        } else {
            fs::rename(&source, &target)?;
        }
    }
    sync_dir(to)?;
    fs::remove_dir(from)
}

/// Brings every file and folder to disk.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            // Windows syncs only what is open for writing; elsewhere keys are
            // read-only already.
            let mut options = fs::File::options();
            let file = options.read(true).write(cfg!(windows)).open(entry.path())?;
            file.sync_all()?;
        }
    }
    sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_finished_wherever_it_broke_off() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path();
        let place = prepare(dir).unwrap();
        fs::create_dir_all(place.join("keys")).unwrap();
        for name in ["keys/main.secret", "feeds.db", "config.toml"] {
            fs::write(place.join(name), name).unwrap();
        }
        fs::write(dir.join("config.toml"), "mine").unwrap();
        // Broken off in the middle of moving: one file has arrived.
        fs::rename(&place, dir.join(COMPLETE)).unwrap();
        fs::rename(dir.join(COMPLETE).join("feeds.db"), dir.join("feeds.db")).unwrap();
        finish(dir).unwrap();
        finish(dir).unwrap();
        let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(text("keys/main.secret"), "keys/main.secret");
        assert_eq!(text("feeds.db"), "feeds.db");
        assert_eq!(text("config.toml"), "mine");
        assert!(!dir.join(COMPLETE).exists());
    }

    #[test]
    fn what_was_not_complete_is_thrown_away() {
        let tmp = tempfile::tempdir().unwrap();
        let place = prepare(tmp.path()).unwrap();
        fs::write(place.join("feeds.db"), "half").unwrap();
        finish(tmp.path()).unwrap();
        assert!(!tmp.path().join("feeds.db").exists());
        let again = prepare(tmp.path()).unwrap();
        assert_eq!(fs::read_dir(again).unwrap().count(), 0);
    }
}
