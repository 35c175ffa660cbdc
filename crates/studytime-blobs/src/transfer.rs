//! Moving one blob: [`Download`] on the receiving side, [`Upload`] on the
//! sending side of `blobs.get` and `blobs.getSlice`.
//!
//! The receiver streams every piece straight to a store writer, which hashes
//! on the way. Nothing is kept, shown or served before the hash of the whole
//! is right; a download that breaks off may be taken up again where it stopped
//! with peers that know `getSlice`.

use crate::store::{Added, BlobRead, BlobStore, BlobWriter, Durability, StoreError};
use crate::wire::{GetArgs, Slice};
use bytes::Bytes;
use studytime_schema::BlobId;

/// Bytes in one frame of a blob that we send: what JavaScript peers use.
pub const CHUNK: usize = 64 * 1024;

/// Downloads shorter than this are not worth keeping when they break off.
pub const MIN_KEPT: u64 = CHUNK as u64;

/// Why a download ended without a blob.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The peer sent more than was allowed.
    #[error("{id} is longer than the {max} bytes that were allowed")]
    TooLong {
        /// The blob.
        id: BlobId,
        /// The limit.
        max: u64,
    },
    /// The bytes are not those of the blob.
    #[error("{received} bytes came for {id}, but they are not its bytes")]
    WrongHash {
        /// The blob.
        id: BlobId,
        /// Bytes in all.
        received: u64,
        /// True when some of them came from an earlier download, so that this
        /// peer may be innocent.
        resumed: bool,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A download that can be asked for, or is complete already.
#[derive(Debug)]
pub enum Start {
    /// Make the call with these arguments and feed what comes.
    Call(Download, GetArgs),
    /// Nothing to ask for: the blob is here.
    Here(Added),
}

/// One blob on its way in. Dropping it keeps nothing.
pub struct Download {
    id: BlobId,
    max: u64,
    resumed: u64,
    writer: Box<dyn BlobWriter>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("id", &self.id)
            .field("max", &self.max)
            .field("received", &self.received())
            .finish()
    }
}

impl Download {
    /// Starts, or resumes, fetching `id` of at most `max` bytes. `resume` is
    /// for peers that know `getSlice`: the size they report. Then an earlier
    /// part is used when it is shorter, and the peer is asked for the rest;
    /// else the download starts at zero. (A slice that begins at the end would
    /// be answered by an empty frame, which breaks JavaScript connections.)
    ///
    /// # Errors
    /// [`DownloadError::Store`].
    pub fn start(
        store: &dyn BlobStore,
        id: &BlobId,
        max: u64,
        resume: Option<u64>,
        now: u64,
    ) -> Result<Start, DownloadError> {
        if let Some(size) = store.size(id)? {
            let id = *id;
            return Ok(Start::Here(Added {
                id,
                size,
                new: false,
            }));
        }
        let mut writer = store.download(id, now)?;
        if !writer.is_empty() {
            if writer.id() == *id {
                return Ok(Start::Here(writer.commit(Some(*id), Durability::Relaxed)?));
            }
            if writer.len() >= resume.unwrap_or(0).min(max) {
                writer.restart()?;
            }
        }
        let resumed = writer.len();
        let args = GetArgs {
            id: *id,
            size: None,
            max: Some(max),
            slice: (resumed > 0).then_some(Slice {
                start: resumed,
                end: max,
            }),
        };
        let download = Self {
            id: *id,
            max,
            resumed,
            writer,
        };
        Ok(Start::Call(download, args))
    }

    /// The blob.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Bytes here, those of an earlier download included.
    pub fn received(&self) -> u64 {
        self.writer.len()
    }

    /// Takes one piece. After an error the call is to be ended and the
    /// download dropped.
    ///
    /// # Errors
    /// [`DownloadError::TooLong`] or [`DownloadError::Store`].
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        if self.writer.len() + bytes.len() as u64 > self.max {
            return Err(DownloadError::TooLong {
                id: self.id,
                max: self.max,
            });
        }
        self.writer.write(bytes).map_err(|e| match e {
            StoreError::TooLarge => DownloadError::TooLong {
                id: self.id,
                max: self.max,
            },
            e => DownloadError::Store(e),
        })
    }

    /// The peer said it was all: checks the hash and keeps the blob.
    ///
    /// # Errors
    /// [`DownloadError::WrongHash`] or [`DownloadError::Store`]; nothing is kept.
    pub fn finish(self) -> Result<Added, DownloadError> {
        let (id, received) = (self.id, self.received());
        match self.writer.commit(Some(id), Durability::Relaxed) {
            Ok(added) => Ok(added),
            Err(StoreError::WrongHash { .. }) => Err(DownloadError::WrongHash {
                id,
                received,
                resumed: self.resumed > 0,
            }),
            Err(e) => Err(DownloadError::Store(e)),
        }
    }

    /// The peer went away or fell silent, or the download was cancelled: keeps
    /// what came when it is worth it. Returns the bytes kept.
    ///
    /// # Errors
    /// [`DownloadError::Store`].
    pub fn interrupt(self, now: u64) -> Result<u64, DownloadError> {
        let len = self.received();
        if len < MIN_KEPT {
            return Ok(0);
        }
        self.writer.suspend(now)?;
        Ok(len)
    }
}

/// Why a call for a blob is refused. The text goes to the peer: it names no
/// path and needs no JSON escapes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// It is not here.
    #[error("blob not found: {id}")]
    NotFound {
        /// The blob.
        id: BlobId,
    },
    /// It is larger than the caller allows.
    #[error("blob has {size} bytes, more than the allowed {max}")]
    TooLarge {
        /// Its size.
        size: u64,
        /// What the caller allows.
        max: u64,
    },
    /// It has another size than the caller says.
    #[error("blob has {size} bytes, not {expected}")]
    WrongSize {
        /// Its size.
        size: u64,
        /// What the caller says.
        expected: u64,
    },
    /// Our store failed; the text says no more, the source does.
    #[error("blob could not be read")]
    Store(#[source] StoreError),
}

/// One blob, or part of it, on its way out.
pub struct Upload {
    blob: Box<dyn BlobRead>,
    at: u64,
    end: u64,
    buf: Vec<u8>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("at", &self.at)
            .field("end", &self.end)
            .finish()
    }
}

impl Upload {
    /// Opens what a call asks for.
    ///
    /// # Errors
    /// [`UploadError`]: answer the call with its text.
    pub fn start(store: &dyn BlobStore, args: &GetArgs) -> Result<Self, UploadError> {
        let blob = store
            .open(&args.id)
            .map_err(UploadError::Store)?
            .ok_or(UploadError::NotFound { id: args.id })?;
        let size = blob.len();
        if let Some(expected) = args.size.filter(|e| *e != size) {
            return Err(UploadError::WrongSize { size, expected });
        }
        if let Some(max) = args.max.filter(|m| *m < size) {
            return Err(UploadError::TooLarge { size, max });
        }
        let (at, end) = match args.slice {
            None => (0, size),
            Some(Slice { start, end: 0 }) => (start.min(size), size),
            Some(Slice { start, end }) => (start.min(size), end.min(size)),
        };
        Ok(Self {
            blob,
            at,
            end,
            buf: Vec::new(),
        })
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// The next frame, never empty, or `None` when the call is to be ended
    /// with `true`. (A frame of no bytes ends the whole connection with JavaScript peers.)
    ///
    /// # Errors
    /// [`UploadError::Store`]: end the call with its text.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, UploadError> {
        let wanted = usize::try_from(self.remaining())
            .unwrap_or(CHUNK)
            .min(CHUNK);
        if wanted == 0 {
            return Ok(None);
        }
        self.buf.clear();
        self.buf.resize(wanted, 0);
        let n = match self.blob.read_at(self.at, &mut self.buf) {
            Ok(0) => {
                // Shorter than when it was opened: the receiver finds out by the hash.
                self.end = self.at;
                return Ok(None);
            }
            Ok(n) => n,
            Err(e) => return Err(UploadError::Store(e)),
        };
        self.at += n as u64;
        self.buf.truncate(n);
        Ok(Some(Bytes::from(std::mem::take(&mut self.buf))))
    }
}

#[cfg(test)]
mod tests;
