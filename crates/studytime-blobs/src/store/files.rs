//! Blobs as plain files, and a small database of what is known about them.
//!
//! ```text
//! <data>/blobs/sha256/ab/cdef…   one file a blob, as other Scuttlebutt programs lay them out
//! <data>/blobs/tmp/              what is being written, and suspended downloads
//! <data>/blobs.db                sizes, uses, pins, pushes, suspended downloads
//! ```
//!
//! The file is the truth about presence, the row is a note about it. A crash
//! between the two heals by itself, when the blob is next asked for: a file without a row is
//! hashed and noted, a row without a file is dropped. So opening takes the
//! same time however many blobs there are; [`FileStore::rescan`] compares all.
//!
//! Own blobs are synced, file and folder, before anyone is told. Fetched blobs
//! are left to the system; [`flush`](BlobStore::flush) syncs them later, and
//! those that were not synced when the program ended uncleanly are *doubtful*:
//! they are hashed before their next use, or in the background by [`FileStore::recheck`].

mod batch;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub use scan::Rescan;

use super::{
    BlobBatch, BlobInfo, BlobRead, BlobStore, BlobWriter, Partial, Pinner, Push, PushScope,
    StoreError, Usage, Verdict,
};
use rows::{Row, Rows, State};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};

/// Suspended downloads that are kept; the oldest go first.
pub const MAX_PARTIALS: usize = 64;
/// Uses that are remembered before they are written down.
const MAX_TOUCHED: usize = 1_024;
/// Threads that sync side by side: the file system then commits them together.
const SYNC_THREADS: usize = 4;

/// Keeps blobs as files. Clones share one store; a folder must not be opened
/// twice at a time.
#[derive(Debug, Clone)]
pub struct FileStore {
    inner: Arc<Inner>,
}

/// What opening a store found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// True when the program did not end properly the last time.
    pub unclean: bool,
    /// Blobs whose hash is checked before their next use.
    pub doubtful: u64,
}

#[derive(Debug)]
struct Inner {
    sha256: PathBuf,
    tmp: PathBuf,
    rows: Mutex<Rows>,
    touched: Mutex<HashMap<BlobId, (u64, u64)>>,
    downloading: Mutex<HashSet<BlobId>>,
    next: AtomicU64,
}

impl FileStore {
    /// Opens, or makes, `blobs/` and `blobs.db` in the folder `data`.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be made or read, or when a newer
    /// version of the program wrote them.
    pub fn open(data: &Path) -> Result<(Self, Opened), StoreError> {
        let blobs = data.join("blobs");
        let (sha256, tmp) = (blobs.join("sha256"), blobs.join("tmp"));
        let first_time = !sha256.is_dir();
        for dir in [&sha256, &tmp] {
            fs::create_dir_all(dir).map_err(|e| StoreError::io("make", dir, e))?;
        }
        if first_time {
            sync_folder(&blobs)?;
            sync_folder(data)?;
        }
        let mut rows = Rows::open(&data.join("blobs.db"))?;
        let unclean = rows.start()?;
        let doubtful = rows.doubtful()?;
        let store = Self {
            inner: Arc::new(Inner {
                sha256,
                tmp,
                rows: Mutex::new(rows),
                touched: Mutex::default(),
                downloading: Mutex::default(),
                next: AtomicU64::new(0),
            }),
        };
        store.tidy_tmp()?;
        Ok((store, Opened { unclean, doubtful }))
    }

    /// Syncs everything and notes that the program ended properly. Dropping
    /// the last clone does the same, but cannot tell of a failure.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be synced; the next start will
    /// check what is doubtful.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to tell; the next start finds out.
        let _ = self.close();
    }
}

impl Inner {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        let hex = hex(id);
        let (folder, name) = hex.split_at(2);
        self.sha256.join(folder).join(name)
    }

    fn new_tmp(&self) -> PathBuf {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.tmp.join(format!("w-{n}"))
    }

    /// The row of a blob that is truly here; heals what does not agree.
    fn find(&self, id: &BlobId) -> Result<Option<Row>, StoreError> {
        let row = self.rows().get(id)?;
        let path = self.path(id);
        let len = match fs::symlink_metadata(&path) {
            Ok(m) if m.is_file() => m.len(),
            Ok(_) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if row.is_some() {
                    self.rows().remove(&[*id])?;
                }
                return Ok(None);
            }
            Err(e) => return Err(StoreError::io("look at", path, e)),
        };
        match row {
            Some(row) if row.size == len && row.state != State::Doubtful => Ok(Some(row)),
            row => self.check(id, &path, row),
        }
    }

    /// Looks at all bytes of a blob, whatever its row says; a sound one keeps its row.
    fn verify(&self, id: &BlobId) -> Result<Verdict, StoreError> {
        let row = self.rows().get(id)?;
        let path = self.path(id);
        let checked = match hash_of(&path) {
            Ok((hash, size)) if hash == *id && row.is_some_and(|r| is_noted(&r, size)) => {
                return Ok(Verdict::Sound(size));
            }
            Ok(_) => self.check(id, &path, row)?,
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                if row.is_none() {
                    return Ok(Verdict::Absent);
                }
                self.rows().remove(&[*id])?;
                None
            }
            Err(e) => return Err(e),
        };
        Ok(checked.map_or(Verdict::Damaged, |row| Verdict::Sound(row.size)))
    }

    /// Hashes a file that is in doubt: keeps it with a row, or deletes it.
    fn check(&self, id: &BlobId, path: &Path, row: Option<Row>) -> Result<Option<Row>, StoreError> {
        let (hash, size) = hash_of(path)?;
        if size == MAX_BLOB_SIZE || hash != *id {
            fs::remove_file(path).map_err(|e| StoreError::io("delete", path, e))?;
            self.rows().remove(&[*id])?;
            return Ok(None);
        }
        let row = Row {
            size,
            state: State::Relaxed,
            ..row.unwrap_or_default()
        };
        self.rows().put(&[(*id, row)], false)?;
        Ok(Some(row))
    }

    fn write_touched(&self) -> Result<(), StoreError> {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if !touched.is_empty() {
            self.rows().touch(&touched)?;
            touched.clear();
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.write_touched()?;
        let relaxed = self.rows().in_state(State::Relaxed, usize::MAX)?;
        if relaxed.is_empty() {
            return Ok(());
        }
        let paths: Vec<_> = relaxed.iter().map(|id| self.path(id)).collect();
        sync_files(&paths)?;
        self.sync_folders(&relaxed)?;
        self.rows().set_synced(&relaxed)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.rows().stop()
    }

    /// Syncs the folders these blobs lie in, and the folder of folders.
    fn sync_folders(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let folders: HashSet<_> = ids
            .iter()
            .filter_map(|id| Some(self.path(id).parent()?.to_owned()))
            .collect();
        for folder in folders.iter().chain([&self.sha256]) {
            sync_folder(folder)?;
        }
        Ok(())
    }

    /// Moves a finished file to its place.
    fn place(&self, from: &Path, id: &BlobId) -> Result<(), StoreError> {
        let to = self.path(id);
        match fs::rename(from, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // The first blob in this folder.
                if let Some(folder) = to.parent() {
                    fs::create_dir_all(folder).map_err(|e| StoreError::io("make", folder, e))?;
                }
                fs::rename(from, &to).map_err(|e| StoreError::io("move a blob to", &to, e))
            }
            other => other.map_err(|e| StoreError::io("move a blob to", &to, e)),
        }
    }
}

/// Whether a row tells the truth about a sound file of this size.
fn is_noted(row: &Row, size: u64) -> bool {
    row.size == size && row.state != State::Doubtful
}

/// The hash and the length of a file, up to the largest size of a blob.
fn hash_of(path: &Path) -> Result<(BlobId, u64), StoreError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| StoreError::io("open", path, e))?;
    file.take(MAX_BLOB_SIZE)
        .read_to_end(&mut bytes)
        .map_err(|e| StoreError::io("read", path, e))?;
    Ok((BlobId::of(&bytes), bytes.len() as u64))
}

/// Syncs files side by side; missing ones are skipped (deleted meanwhile).
fn sync_files(paths: &[PathBuf]) -> Result<(), StoreError> {
    let sync = |part: &[PathBuf]| -> Result<(), StoreError> {
        for path in part {
            // Windows syncs only what is open for writing.
            match File::options().write(true).open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                file => file.and_then(|f| f.sync_all()),
            }
            .map_err(|e| StoreError::io("sync", path, e))?;
        }
        Ok(())
    };
    if paths.len() < 2 * SYNC_THREADS {
        return sync(paths);
    }
    std::thread::scope(|scope| {
        let parts = paths.chunks(paths.len().div_ceil(SYNC_THREADS));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || sync(part))).collect();
        threads.into_iter().try_for_each(|thread| {
            let died = || StoreError::io("sync", "", io::Error::other("a thread died"));
            thread.join().unwrap_or_else(|_| Err(died()))
        })
    })
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    // Elsewhere a folder cannot be opened, and the rename is journalled.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| StoreError::io("sync", folder, e))?;
    }
    Ok(())
}

fn hex(id: &BlobId) -> String {
    use std::fmt::Write as _;
    id.as_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The id that a hex text of 64 digits names.
fn from_hex(text: &str) -> Option<BlobId> {
    if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(BlobId::from_bytes(bytes))
}

impl BlobStore for FileStore {
    fn size(&self, id: &BlobId) -> Result<Option<u64>, StoreError> {
        if *id == BlobId::EMPTY {
            return Ok(Some(0));
        }
        Ok(self.inner.find(id)?.map(|row| row.size))
    }

    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>, StoreError> {
        if *id == BlobId::EMPTY {
            return Ok(Some(Box::new(Empty)));
        }
        let Some(row) = self.inner.find(id)? else {
            return Ok(None);
        };
        let path = self.inner.path(id);
        match File::open(&path) {
            Ok(file) => Ok(Some(Box::new(OpenBlob {
                file,
                size: row.size,
                path,
            }))),
            // Deleted a moment ago.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("open", path, e)),
        }
    }

    fn writer(&self, now: u64) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(writer::Writer::anonymous(&self.inner, now)?))
    }

    fn download(&self, id: &BlobId, now: u64) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(writer::Writer::download(&self.inner, id, now)?))
    }

    fn batch(&self, now: u64) -> Result<Box<dyn BlobBatch>, StoreError> {
        Ok(Box::new(batch::Batch::new(&self.inner, now)))
    }

    fn delete(&self, ids: &[BlobId]) -> Result<u64, StoreError> {
        let mut rows = self.inner.rows();
        let (mut freed, mut gone, mut failed) = (0, Vec::new(), None);
        for id in ids {
            let path = self.inner.path(id);
            let len = fs::symlink_metadata(&path).map(|m| m.len());
            match fs::remove_file(&path) {
                Ok(()) => {
                    freed += len.unwrap_or(0);
                    gone.push(*id);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => gone.push(*id),
                // Open elsewhere (not on Unix): the next plan will name it again.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied && cfg!(windows) => {}
                Err(e) => {
                    failed = Some(StoreError::io("delete", path, e));
                    break;
                }
            }
        }
        rows.remove(&gone)?;
        failed.map_or(Ok(freed), Err)
    }

    fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobInfo>, StoreError> {
        self.inner.write_touched()?;
        self.inner.rows().list(after, limit)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.rows().usage()
    }

    fn touch(&self, ids: &[BlobId], now: u64) -> Result<(), StoreError> {
        let many = {
            let touched = self.inner.touched.lock();
            let mut touched = touched.unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                let (uses, last) = touched.entry(*id).or_insert((0, 0));
                *uses += 1;
                *last = now.max(*last);
            }
            touched.len() >= MAX_TOUCHED
        };
        if many {
            self.inner.write_touched()
        } else {
            Ok(())
        }
    }

    fn pin(&self, by: &Pinner, ids: &[BlobId]) -> Result<(), StoreError> {
        self.inner.rows().pin(by, ids)
    }

    fn unpin(&self, by: &Pinner, ids: Option<&[BlobId]>) -> Result<(), StoreError> {
        self.inner.rows().unpin(by, ids)
    }

    fn pinners(&self, id: &BlobId) -> Result<Vec<Pinner>, StoreError> {
        self.inner.rows().pinners(id)
    }

    fn pinned(&self, by: &Pinner) -> Result<Vec<BlobId>, StoreError> {
        self.inner.rows().pinned(by)
    }

    fn push(&self, ids: &[BlobId], scope: PushScope) -> Result<(), StoreError> {
        self.inner.rows().push(ids, scope)
    }

    fn push_seen(&self, id: &BlobId, peer: &FeedId) -> Result<bool, StoreError> {
        self.inner.rows().push_seen(id, peer)
    }

    fn pushes(&self) -> Result<Vec<Push>, StoreError> {
        self.inner.rows().pushes()
    }

    fn partials(&self) -> Result<Vec<Partial>, StoreError> {
        self.inner.rows().partials()
    }

    fn drop_partials(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let downloading = self.inner.downloading.lock();
        let downloading = downloading.unwrap_or_else(PoisonError::into_inner);
        for id in ids.iter().filter(|id| !downloading.contains(id)) {
            writer::forget_partial(&self.inner, id)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn verify(&self, id: &BlobId) -> Result<Verdict, StoreError> {
        if *id == BlobId::EMPTY {
            return Ok(Verdict::Sound(0));
        }
        self.inner.verify(id)
    }
}

#[derive(Debug)]
struct OpenBlob {
    file: File,
    size: u64,
    path: PathBuf,
}

impl BlobRead for OpenBlob {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        if offset >= self.size {
            // Also keeps offsets from the system that it cannot count to.
            return Ok(0);
        }
        loop {
            #[cfg(unix)]
            let read = std::os::unix::fs::FileExt::read_at(&self.file, buf, offset);
            #[cfg(windows)]
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, buf, offset);
            match read {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|e| StoreError::io("read", &self.path, e)),
            }
        }
    }
}

#[derive(Debug)]
struct Empty;

impl BlobRead for Empty {
    fn len(&self) -> u64 {
        0
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> Result<usize, StoreError> {
        Ok(0)
    }
}
