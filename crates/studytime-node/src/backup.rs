//! Everything precious in one file, and back.
//!
//! The file is an uncompressed tar: `keys/`, `config.toml`, and consistent
//! copies of `feeds.db`, `state.db` and `blobs.db` (pins and pushes). Blobs and the
//! index are left out: they can be fetched, or rebuilt, again.

use crate::api::{ApiError, BackupReply, ErrorKind};
use crate::node::Node;
use crate::store::{DataDir, LockKind, State, private_dir, private_file, write_secret};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use studytime_schema::{FeedId, Keypair};

/// Setting: since when publishing is locked after a restore.
pub(crate) const RESTORED: &str = "restored";

/// Databases that are copied.
const DATABASES: [&str; 3] = ["feeds.db", "state.db", "blobs.db"];
/// Most files in a backup.
const MAX_FILES: usize = 20_000;

fn failed(path: &Path, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Failed, format!("{}: {error}", path.display()))
}

impl Node {
    pub(crate) async fn backup(&self, path: PathBuf) -> Result<BackupReply, ApiError> {
        self.blocking(move |n| n.backup_blocking(&path)).await
    }

    fn backup_blocking(&self, path: &Path) -> Result<BackupReply, ApiError> {
        if path.exists() {
            return Err(ApiError::refused(format!(
                "{} exists already; choose a new file name",
                path.display()
            )));
        }
        let inner = self.inner();
        inner
            .blobs
            .flush()
            .map_err(|e| ApiError::failed("the backup failed", &e))?;
        let dir = inner.dir.path();
        let copies = tempfile::tempdir_in(dir).map_err(|e| failed(dir, &e))?;
        for name in DATABASES {
            let copy = copies.path().join(name);
            // SQLite's own way to a consistent copy while others write.
            let db = rusqlite::Connection::open(dir.join(name))
                .map_err(|e| failed(&dir.join(name), &e))?;
            db.execute("VACUUM INTO ?1", [copy.to_string_lossy()])
                .map_err(|e| failed(&copy, &e))?;
        }
        // Named only when whole, and readable only by its owner: it holds keys.
        let part = path.with_extension("part");
        let file = private_file(&part, 0o600, false).map_err(|e| failed(&part, &e))?;
        let mut tar = tar::Builder::new(file);
        let mut keys = 0;
        let packed: io::Result<File> = (|| {
            for entry in fs::read_dir(dir.join("keys"))? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().ends_with(".secret") {
                    tar.append_path_with_name(
                        entry.path(),
                        Path::new("keys").join(entry.file_name()),
                    )?;
                    keys += 1;
                }
            }
            for name in DATABASES {
                tar.append_path_with_name(copies.path().join(name), name)?;
            }
            if dir.join("config.toml").exists() {
                tar.append_path_with_name(dir.join("config.toml"), "config.toml")?;
            }
            let file = tar.into_inner()?;
            file.sync_all()?;
            Ok(file)
        })();
        let bytes = packed
            .and_then(|f| f.metadata())
            .map_err(|e| failed(&part, &e))?
            .len();
        fs::rename(&part, path).map_err(|e| failed(path, &e))?;
        let counts = inner.feeds.counts().map_err(|e| {
            ApiError::failed("the backup was written, but could not be counted", &e)
        })?;
        Ok(BackupReply {
            messages: counts.messages,
            keys,
            bytes,
        })
    }
}

/// Unpacks a backup into an unused data directory and locks publishing until
/// it is safe. Must not be called while a node runs there.
///
/// # Errors
/// [`ApiError`]: the directory is used, or the file is no backup.
pub fn restore_backup(data_dir: &Path, backup: &Path) -> Result<FeedId, ApiError> {
    let dir = take_unused(data_dir)?;
    let file = File::open(backup).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            ApiError::not_found(format!("{} is not there", backup.display()))
        }
        _ => failed(backup, &e),
    })?;
    let no_backup = |why: &dyn std::fmt::Display| {
        ApiError::refused(format!(
            "{} is not a backup of a node: {why}",
            backup.display()
        ))
    };
    let mut tar = tar::Archive::new(file);
    let (mut files, mut main) = (0, false);
    for entry in tar.entries().map_err(|e| no_backup(&e))? {
        let mut entry = entry.map_err(|e| no_backup(&e))?;
        let name = entry.path().map_err(|e| no_backup(&e))?.into_owned();
        files += 1;
        if files > MAX_FILES || !entry.header().entry_type().is_file() || !expected(&name) {
            return Err(no_backup(&format!("it holds {}", name.display())));
        }
        let target = dir.path().join(&name);
        if let Some(parent) = target.parent() {
            private_dir(parent).map_err(|e| failed(parent, &e))?;
        }
        entry.unpack(&target).map_err(|e| failed(&target, &e))?;
        main |= name == Path::new("keys/main.secret");
    }
    if !main {
        return Err(no_backup(&"it holds no main key"));
    }
    lock_publishing(&dir)?;
    read_main(&dir)
}

/// Starts an unused data directory from a bare secret file and locks publishing
/// until the feed has come back from peers.
///
/// # Errors
/// [`ApiError`]: the directory is used, or the file is no secret file.
pub fn restore_secret(data_dir: &Path, secret: &Path) -> Result<FeedId, ApiError> {
    let text = fs::read_to_string(secret).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            ApiError::not_found(format!("{} is not there", secret.display()))
        }
        _ => failed(secret, &e),
    })?;
    let keys = Keypair::from_secret_file(&text)
        .map_err(|e| ApiError::refused(format!("{}: {e}", secret.display())))?;
    let dir = take_unused(data_dir)?;
    let keys_dir = dir.join("keys");
    private_dir(&keys_dir).map_err(|e| failed(&keys_dir, &e))?;
    let path = keys_dir.join("main.secret");
    write_secret(&path, &keys.to_secret_file()).map_err(|e| failed(&path, &e))?;
    lock_publishing(&dir)?;
    Ok(keys.id())
}

/// Unlocks publishing after a restore, whatever is missing.
///
/// # Errors
/// [`ApiError`] when nothing was restored, or the directory is in use.
pub fn accept_loss(data_dir: &Path) -> Result<(), ApiError> {
    let dir = DataDir::take(data_dir, LockKind::Oneshot)
        .map_err(|e| ApiError::failed("not unlocked", &e))?;
    let state =
        State::open(&dir.join("state.db")).map_err(|e| ApiError::failed("not unlocked", &e))?;
    if state.setting(RESTORED).ok().flatten().is_none() {
        return Err(ApiError::refused(
            "nothing was restored here, so nothing is locked",
        ));
    }
    state
        .remove_setting(RESTORED)
        .map_err(|e| ApiError::failed("not unlocked", &e))
}

fn take_unused(data_dir: &Path) -> Result<DataDir, ApiError> {
    let dir = DataDir::take(data_dir, LockKind::Oneshot)
        .map_err(|e| ApiError::failed("not restored", &e))?;
    if dir.join("keys").join("main.secret").exists() || dir.join("feeds.db").exists() {
        return Err(ApiError::refused(format!(
            "{} already holds an identity",
            dir.path().display()
        ))
        .hint("restore into a new directory: --data-dir DIR"));
    }
    Ok(dir)
}

fn expected(name: &Path) -> bool {
    let parts: Vec<_> = name.components().collect();
    match parts.as_slice() {
        [Component::Normal(file)] => file
            .to_str()
            .is_some_and(|f| f == "config.toml" || DATABASES.contains(&f)),
        [Component::Normal(keys), Component::Normal(file)] => {
            *keys == "keys" && file.to_string_lossy().ends_with(".secret")
        }
        _ => false,
    }
}

fn lock_publishing(dir: &DataDir) -> Result<(), ApiError> {
    let state =
        State::open(&dir.join("state.db")).map_err(|e| ApiError::failed("not restored", &e))?;
    state
        .set_setting(RESTORED, &crate::clock::now_ms().to_string())
        .map_err(|e| ApiError::failed("not restored", &e))
}

/// Locks publishing, as a restore does, unless it is locked already: for what was
/// restored by hand.
pub(crate) fn lock_restored(state: &State) -> Result<(), crate::OpenError> {
    if state.setting(RESTORED)?.is_none() {
        state.set_setting(RESTORED, &crate::clock::now_ms().to_string())?;
    }
    Ok(())
}

/// Locks publishing because the log is an older one than was here before: as
/// after a restore, what came after it may exist elsewhere.
pub(crate) fn lock_fallen_back(node: &Node) -> Result<(), crate::OpenError> {
    lock_restored(&node.inner().state)?;
    node.trouble(
        "feeds.db is an older one than was here before, so publishing is locked: \
         connect to peers that have your feeds, then run `studytime restore --accept-loss`"
            .into(),
    );
    Ok(())
}

fn read_main(dir: &DataDir) -> Result<FeedId, ApiError> {
    let path = dir.join("keys").join("main.secret");
    let text = fs::read_to_string(&path).map_err(|e| failed(&path, &e))?;
    Ok(Keypair::from_secret_file(&text)
        .map_err(|e| failed(&path, &e))?
        .id())
}
