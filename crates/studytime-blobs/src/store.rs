//! Where blobs are kept.
//!
//! [`BlobStore`] is small, object safe and **blocking on purpose**: files and
//! SQLite block anyway, a caller that lives in an async world moves the call to
//! a blocking thread once instead of at every layer, and a test needs no
//! runtime. Reads are positioned, so that any number of readers share one open
//! blob.
//!
//! Two implementations come with the crate, [`MemoryStore`] and [`FileStore`];
//! whoever writes a third runs [`conformance`] over it.
//!
//! What every store promises:
//!
//! - A blob is visible either whole and under its own hash, or not at all.
//! - The empty blob ([`BlobId::EMPTY`]) is always here and never stored.
//! - A blob is strictly smaller than [`MAX_BLOB_SIZE`].
//! - Pins and pushes live apart from presence: both may name blobs that are
//!   not here (yet).

pub mod conformance;
mod error;
#[cfg(feature = "sqlite")]
mod files;
mod memory;
mod types;

pub use error::StoreError;
#[cfg(feature = "sqlite")]
pub use files::{FileStore, MAX_PARTIALS, Opened, Rescan};
pub use memory::MemoryStore;
pub use types::{
    Added, BlobInfo, Durability, PUSH_COPIES, Partial, Pinner, Push, PushScope, Usage, Verdict,
};

use sha2::{Digest, Sha256};
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};

/// Keeps blobs. See the [module page](self) for what every store promises.
///
/// All methods block and may be called from any thread. `now` is milliseconds
/// since 1970.
pub trait BlobStore: Send + Sync {
    /// The size of a blob in bytes, or `None` when it is not here.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn size(&self, id: &BlobId) -> Result<Option<u64>, StoreError>;

    /// Opens a blob for positioned reads, or `None` when it is not here. An
    /// open blob stays readable when it is deleted meanwhile (on systems where
    /// open files can be deleted; elsewhere the deletion is skipped).
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>, StoreError>;

    /// A writer for bytes whose hash is not known yet.
    ///
    /// # Errors
    /// [`StoreError`] when no temporary file can be made.
    fn writer(&self, now: u64) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// A writer for a blob that is known by its hash. What an earlier,
    /// [suspended](BlobWriter::suspend) download left is in it already
    /// ([`BlobWriter::len`] tells). When the same blob is being written
    /// elsewhere, the writer starts empty and cannot be suspended.
    ///
    /// # Errors
    /// [`StoreError`] when no temporary file can be made.
    fn download(&self, id: &BlobId, now: u64) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// Collects many own blobs that are made durable in one pass and become
    /// visible together. Syncing each of a video's segments by itself is slow.
    ///
    /// # Errors
    /// [`StoreError`] when no temporary file can be made.
    fn batch(&self, now: u64) -> Result<Box<dyn BlobBatch>, StoreError>;

    /// Deletes blobs, pinned or not (what may go is decided by
    /// [`quota`](crate::quota)); unknown ids are skipped. Returns the bytes freed.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails; some blobs may be gone.
    fn delete(&self, ids: &[BlobId]) -> Result<u64, StoreError>;

    /// At most `limit` blobs in the order of their ids, those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobInfo>, StoreError>;

    /// How many blobs and bytes are here; does not depend on their number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn usage(&self) -> Result<Usage, StoreError>;

    /// Counts one use of each blob and moves its time of last use to `now`.
    /// Cheap; after a crash the last few may be forgotten.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn touch(&self, ids: &[BlobId], now: u64) -> Result<(), StoreError>;

    /// Pins blobs for `by`; durable when it returns. Pinning twice is once.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn pin(&self, by: &Pinner, ids: &[BlobId]) -> Result<(), StoreError>;

    /// Removes the pins of `by` on these blobs, or all its pins for `None`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn unpin(&self, by: &Pinner, ids: Option<&[BlobId]>) -> Result<(), StoreError>;

    /// Who pins a blob, in a fixed order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn pinners(&self, id: &BlobId) -> Result<Vec<Pinner>, StoreError>;

    /// What `by` pins, here or not, in the order of ids.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn pinned(&self, by: &Pinner) -> Result<Vec<BlobId>, StoreError>;

    /// Remembers that these blobs are to be pushed until [`PUSH_COPIES`]
    /// distinct peers have reported them; durable when it returns. A blob whose
    /// push is under way keeps its reports.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn push(&self, ids: &[BlobId], scope: PushScope) -> Result<(), StoreError>;

    /// Notes that `peer` reported the blob; the push is forgotten once
    /// [`PUSH_COPIES`] distinct peers have. Returns true when it is done (or
    /// was not known).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn push_seen(&self, id: &BlobId, peer: &FeedId) -> Result<bool, StoreError>;

    /// The pushes not done yet, in the order of ids.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn pushes(&self) -> Result<Vec<Push>, StoreError>;

    /// Downloads that were suspended, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    fn partials(&self) -> Result<Vec<Partial>, StoreError>;

    /// Forgets suspended downloads; unknown ids and downloads under way are skipped.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn drop_partials(&self, ids: &[BlobId]) -> Result<(), StoreError>;

    /// Brings everything that is still in memory or unsynced to disk. To be
    /// called now and then when idle, and before the program ends.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn flush(&self) -> Result<(), StoreError>;

    /// Reads all of a blob and compares it with its hash. Damaged bytes are
    /// deleted, so that the blob can be fetched again; its pins stay.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn verify(&self, id: &BlobId) -> Result<Verdict, StoreError> {
        match self.read(id) {
            Ok(None) => Ok(Verdict::Absent),
            Ok(Some(bytes)) if BlobId::of(&bytes) == *id => Ok(Verdict::Sound(bytes.len() as u64)),
            Ok(Some(_)) | Err(StoreError::Changed { .. }) => {
                self.delete(&[*id])?;
                Ok(Verdict::Damaged)
            }
            Err(e) => Err(e),
        }
    }

    /// The whole blob, or `None` when it is not here. At most
    /// [`MAX_BLOB_SIZE`] bytes are allocated.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn read(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(blob) = self.open(id)? else {
            return Ok(None);
        };
        let len = usize::try_from(blob.len().min(MAX_BLOB_SIZE)).unwrap_or(0);
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
            match blob.read_at(filled as u64, rest)? {
                0 => return Err(StoreError::Changed { id: *id }),
                n => filled += n,
            }
        }
        Ok(Some(bytes))
    }

    /// Stores one blob and returns its id.
    ///
    /// # Errors
    /// As [`BlobWriter::commit`].
    fn add(&self, bytes: &[u8], durability: Durability, now: u64) -> Result<Added, StoreError> {
        let mut writer = self.writer(now)?;
        writer.write(bytes)?;
        writer.commit(None, durability)
    }

    /// Stores many own blobs with one pass of syncing; see [`batch`](Self::batch).
    ///
    /// # Errors
    /// As [`BlobBatch::add`] and [`BlobBatch::commit`]; then none is visible.
    fn add_many(&self, blobs: &[&[u8]], now: u64) -> Result<Vec<Added>, StoreError> {
        let mut batch = self.batch(now)?;
        for bytes in blobs {
            batch.add(bytes)?;
        }
        batch.commit()
    }
}

/// A blob that is open for reading.
pub trait BlobRead: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> u64;

    /// True for the empty blob.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at `offset` into `buf`: the number of bytes read, 0 only at the
    /// end (or for an empty `buf`). May be fewer than asked for.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError>;
}

/// Bytes on their way to becoming a blob. Dropping it keeps nothing.
pub trait BlobWriter: Send {
    /// Appends bytes; they are hashed on the way.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when the blob would reach [`MAX_BLOB_SIZE`],
    /// else when the disk fails. Afterwards the writer is of no more use.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Bytes in it, those of an earlier download included.
    fn len(&self) -> u64;

    /// True when nothing is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of what was written up to now.
    fn id(&self) -> BlobId;

    /// Throws away what was written and starts at zero.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails.
    fn restart(&mut self) -> Result<(), StoreError>;

    /// Makes it a blob. With [`Durability::Synced`] it survives a power
    /// failure from the moment this returns.
    ///
    /// # Errors
    /// [`StoreError::WrongHash`] when `expected` is another id (nothing is
    /// kept), else when the disk or the database fails.
    fn commit(
        self: Box<Self>,
        expected: Option<BlobId>,
        durability: Durability,
    ) -> Result<Added, StoreError>;

    /// Keeps the bytes for a later [`BlobStore::download`] of the same blob.
    /// A writer that was not made by `download` is dropped instead.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    fn suspend(self: Box<Self>, now: u64) -> Result<(), StoreError>;
}

/// Own blobs that become durable and visible together. Dropping it keeps nothing.
pub trait BlobBatch: Send {
    /// Adds one blob; it is not visible before [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] (the batch goes on without it), else when the
    /// disk fails.
    fn add(&mut self, bytes: &[u8]) -> Result<BlobId, StoreError>;

    /// How many blobs were added.
    fn count(&self) -> usize;

    /// Syncs all of them, then makes them visible. Returns them in the order
    /// in which they were added.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails. Blobs that were
    /// already renamed stay, as complete blobs.
    fn commit(self: Box<Self>) -> Result<Vec<Added>, StoreError>;
}

/// Counts and hashes bytes on their way in, with the size limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    hash: Sha256,
    len: u64,
}

impl Counted {
    /// Admits `bytes`, or refuses the blob as too large.
    pub(crate) fn admit(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if len >= MAX_BLOB_SIZE {
            return Err(StoreError::TooLarge);
        }
        self.hash.update(bytes);
        self.len = len;
        Ok(())
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn id(&self) -> BlobId {
        BlobId::from_bytes(self.hash.clone().finalize().into())
    }
}
