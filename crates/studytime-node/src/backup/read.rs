//! Restoring: a backup, or a bare key.

use super::{
    CONTENTS, Contents, DATABASES, Kind, MAIN_KEY, MAX_FILES, MAX_KEY, VERSION, commit, failed,
};
use crate::api::ApiError;
use crate::guard::lock_restored;
use crate::store::{
    Config, DataDir, KeyRing, LockKind, State, private_dir, private_file, write_secret,
};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use studytime_blobs::store::FileStore;
use studytime_replicate::FeedStore;
use studytime_replicate::store::SqliteStore;
use studytime_schema::{FeedId, Keypair};

/// Unpacks a backup into an unused data directory and locks publishing until
/// it is safe. Must not be called while a node runs there. Nothing is restored
/// unless all is: a broken-off restore leaves the directory unused.
///
/// # Errors
/// [`ApiError`]: the directory is used, or the file is no backup.
pub fn restore_backup(data_dir: &Path, backup: &Path) -> Result<FeedId, ApiError> {
    let file = open(backup)?;
    into_unused(data_dir, |place| {
        let no_backup = |why: String| {
            ApiError::refused(format!(
                "{} is not a backup that can be restored: {why}",
                backup.display()
            ))
            .hint("nothing was restored; use another copy of it, or restore the bare key: `studytime restore --secret FILE`")
        };
        unpack(file, place).map_err(|e| match e {
            Unpack::Bad(why) => no_backup(why),
            Unpack::Io(error) => failed(place, &error),
        })?;
        for name in DATABASES {
            sound(&place.join(name)).map_err(|why| no_backup(format!("{name} {why}")))?;
        }
        // What opens here will open as a node.
        open_all(place).map_err(|e| no_backup(ApiError::failed("it does not open", &*e).message))
    })
}

/// Starts an unused data directory from a bare secret file and locks publishing
/// until the feed has come back from peers.
///
/// # Errors
/// [`ApiError`]: the directory is used, or the file is no secret file.
pub fn restore_secret(data_dir: &Path, secret: &Path) -> Result<FeedId, ApiError> {
    let mut text = String::new();
    open(secret)?
        .take(MAX_KEY)
        .read_to_string(&mut text)
        .map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => {
                ApiError::refused(format!("{} is not a secret file", secret.display()))
            }
            _ => failed(secret, &e),
        })?;
    let keys = Keypair::from_secret_file(&text)
        .map_err(|e| ApiError::refused(format!("{}: {e}", secret.display())))?;
    into_unused(data_dir, |place| {
        private_dir(&place.join("keys")).map_err(|e| failed(place, &e))?;
        let path = place.join(MAIN_KEY);
        write_secret(&path, &keys.to_secret_file()).map_err(|e| failed(&path, &e))?;
        let ring =
            KeyRing::open(place.join("keys")).map_err(|e| ApiError::failed("not restored", &e))?;
        State::open(&place.join("state.db"))
            .and_then(|state| lock_restored(&state, &ring))
            .map_err(|e| ApiError::failed("not restored", &e))?;
        Ok(keys.id())
    })
}

/// Unlocks publishing on every own feed, whatever may be missing.
///
/// # Errors
/// [`ApiError`] when nothing is locked, or the directory is in use.
pub fn accept_loss(data_dir: &Path) -> Result<(), ApiError> {
    let nothing = || ApiError::refused("nothing is locked here, so there is nothing to accept");
    if !data_dir.is_dir() {
        return Err(nothing());
    }
    let dir = DataDir::take(data_dir, LockKind::Oneshot)
        .map_err(|e| ApiError::failed("not unlocked", &e))?;
    commit::finish(dir.path()).map_err(|e| failed(dir.path(), &e))?;
    if !dir.join("state.db").exists() {
        return Err(nothing());
    }
    let unlocked = State::open(&dir.join("state.db")).and_then(|state| state.unlock_all());
    match unlocked {
        Ok(0) => Err(nothing()),
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::failed("not unlocked", &error)),
    }
}

fn open(path: &Path) -> Result<File, ApiError> {
    let file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => ApiError::not_found(format!("{} is not there", path.display())),
        _ => failed(path, &e),
    })?;
    match file.metadata() {
        Ok(data) if data.is_file() => Ok(file),
        _ => Err(ApiError::refused(format!(
            "{} is not a file",
            path.display()
        ))),
    }
}

/// Puts a restore together in a folder of its own, and makes it the data
/// directory's content only when it is whole.
fn into_unused(
    data_dir: &Path,
    make: impl FnOnce(&Path) -> Result<FeedId, ApiError>,
) -> Result<FeedId, ApiError> {
    let dir = DataDir::take(data_dir, LockKind::Oneshot)
        .map_err(|e| ApiError::failed("not restored", &e))?;
    commit::finish(dir.path()).map_err(|e| failed(dir.path(), &e))?;
    if DATABASES
        .iter()
        .chain([&MAIN_KEY])
        .any(|name| dir.join(name).exists())
    {
        return Err(ApiError::refused(format!(
            "{} already holds an identity",
            dir.path().display()
        ))
        .hint("restore into a new directory: --data-dir DIR"));
    }
    let io = |e: io::Error| failed(dir.path(), &e);
    let place = commit::prepare(dir.path()).map_err(io)?;
    match make(&place) {
        Ok(id) => {
            commit::commit(dir.path()).map_err(io)?;
            Ok(id)
        }
        Err(error) => {
            // The first error tells more than one of the tidying up.
            let _ = commit::discard(dir.path());
            Err(error)
        }
    }
}

/// Why a backup was not unpacked.
enum Unpack {
    /// The file is at fault.
    Bad(String),
    /// The data directory is.
    Io(io::Error),
}

fn unpack(file: File, place: &Path) -> Result<(), Unpack> {
    let cut = |_: io::Error| Unpack::Bad("it is damaged or cut off".into());
    let mut left = file.metadata().map_err(Unpack::Io)?.len();
    let mut tar = tar::Archive::new(file);
    // Raw: no long names, links or sparse files are made sense of.
    let entries = tar.entries().map_err(cut)?.raw(true);
    let (mut files, mut contents) = (0, None);
    for entry in entries {
        let mut entry = entry.map_err(cut)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let shown: String = name.chars().take(100).collect();
        let kind = Kind::of(&name)
            .filter(|_| entry.header().entry_type() == tar::EntryType::Regular)
            .ok_or_else(|| Unpack::Bad(format!("it holds {shown:?}, which has no place in one")))?;
        let size = entry.header().entry_size().map_err(cut)?;
        if size > kind.limit() {
            return Err(Unpack::Bad(format!("{shown} in it is too long")));
        }
        // Before a byte is written: a file that was cut off fills no disk.
        left = left
            .checked_sub(size)
            .ok_or_else(|| Unpack::Bad("it is cut off".into()))?;
        if contents.is_some() || files >= MAX_FILES {
            return Err(Unpack::Bad("it holds more than it says".into()));
        }
        if kind == Kind::Contents {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(cut)?;
            contents = Some(text);
            continue;
        }
        files += 1;
        write(&mut entry, &place.join(&name), kind, size).map_err(|e| match e {
            Unpack::Io(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Unpack::Bad(format!("it holds {shown} twice"))
            }
            other => other,
        })?;
    }
    let contents: Contents = contents
        .and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or_else(|| {
            Unpack::Bad(format!(
                "it is cut off, or another program made it: {CONTENTS} is missing at its end"
            ))
        })?;
    if contents.version > VERSION {
        return Err(Unpack::Bad(
            "a newer version of this program wrote it; update this one".into(),
        ));
    }
    if contents.files != files {
        let missing = format!("it holds {files} files of {}", contents.files);
        return Err(Unpack::Bad(missing));
    }
    for name in DATABASES.iter().chain([&MAIN_KEY]) {
        if !place.join(name).exists() {
            return Err(Unpack::Bad(format!("{name} is missing in it")));
        }
    }
    Ok(())
}

fn write(from: &mut impl Read, to: &Path, kind: Kind, size: u64) -> Result<(), Unpack> {
    if let Some(parent) = to.parent() {
        private_dir(parent).map_err(Unpack::Io)?;
    }
    let mut file = private_file(to, kind.mode(), true).map_err(Unpack::Io)?;
    let mut buffer = vec![0; 128 * 1024];
    let mut done = 0;
    loop {
        let n = from
            .read(&mut buffer)
            .map_err(|_| Unpack::Bad("it is damaged or cut off".into()))?;
        if n == 0 {
            break;
        }
        done += n as u64;
        io::Write::write_all(&mut file, &buffer[..n]).map_err(Unpack::Io)?;
    }
    if done != size {
        return Err(Unpack::Bad("it is cut off".into()));
    }
    Ok(())
}

/// Looks at a database before anything runs on it: whether its pages agree, and
/// whether it brings code of its own (SQLite runs triggers and views).
fn sound(path: &Path) -> Result<(), String> {
    let damaged = |e: rusqlite::Error| format!("in it is damaged: {e}");
    let flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = rusqlite::Connection::open_with_flags(path, flags).map_err(damaged)?;
    db.pragma_update(None, "trusted_schema", false)
        .map_err(damaged)?;
    let found: String = db
        .query_row("PRAGMA quick_check(1)", [], |r| r.get(0))
        .map_err(damaged)?;
    if found != "ok" {
        return Err(format!("in it is damaged: {found}"));
    }
    let mut q = db
        .prepare("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')")
        .map_err(damaged)?;
    let code = q
        .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(damaged)?;
    let ours = own_code(path).map_err(|e| format!("cannot be compared: {e}"))?;
    match code.iter().find(|c| !ours.contains(c)) {
        Some((name, _)) => Err(format!("in it brings code of its own ({name:?})")),
        None => Ok(()),
    }
}

/// The triggers and views of a new database of the same name.
fn own_code(path: &Path) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    if path.file_name() != Some("blobs.db".as_ref()) {
        return Ok(Vec::new());
    }
    let new = tempfile::tempdir_in(path.parent().unwrap_or(path))?;
    FileStore::open(new.path())?.0.close()?;
    let db = rusqlite::Connection::open(new.path().join("blobs.db"))?;
    let mut q =
        db.prepare("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')")?;
    let code = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(code.collect::<Result<_, _>>()?)
}

/// Opens everything as a node would, and makes it what it must be after a
/// restore: locked, without memory of what peers once said, and without notes of
/// blobs that are not there.
fn open_all(place: &Path) -> Result<FeedId, Box<dyn std::error::Error>> {
    Config::read(&place.join("config.toml"))?;
    let keys = KeyRing::open(place.join("keys"))?;
    let state = State::open(&place.join("state.db"))?;
    lock_restored(&state, &keys)?;
    drop(state);
    let feeds = SqliteStore::open(place.join("feeds.db"))?;
    feeds.forget_clocks()?;
    drop(feeds);
    let (blobs, _) = FileStore::open(place)?;
    let found = blobs.rescan(true)?;
    if found.damaged > 0 {
        return Err(format!("{} files in it are damaged", found.damaged).into());
    }
    blobs.close()?;
    drop(blobs);
    for name in DATABASES {
        // Closed as they are, no log of theirs is left beside them.
        let wal = place.join(format!("{name}-wal"));
        if fs::metadata(&wal).is_ok_and(|m| m.len() > 0) {
            return Err(format!("{name} could not be closed").into());
        }
    }
    Ok(keys.main().id())
}
