//! Other places where blobs may be found: web servers, object stores, torrents.
//!
//! A mirror is never trusted: whatever it gives goes through a
//! [`Download`](crate::transfer::Download), and the hash decides. This crate
//! holds only the seam and an implementation in memory; the ones that speak to
//! the network live with the network.

use crate::store::{Added, BlobStore, Durability, StoreError};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use studytime_schema::BlobId;

/// Somewhere a blob can be fetched by its hash. Blocking, like the store.
pub trait Mirror: Send + Sync {
    /// What to call it before a person, for example its address.
    fn name(&self) -> &str;

    /// Opens the blob for reading. The mirror refuses what it knows to be
    /// longer than `max` bytes; the caller reads no more than that anyway and
    /// checks the hash.
    ///
    /// # Errors
    /// [`MirrorError`], by kind.
    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError>;

    /// How many bytes the mirror says the blob has; `None` when it does not have it.
    /// Only a claim: what it has is known when it was fetched.
    ///
    /// # Errors
    /// [`MirrorError`], by kind.
    fn claims(&self, id: &BlobId) -> Result<Option<u64>, MirrorError>;

    /// Puts a blob there, whatever was there before. The caller vouches that the
    /// bytes are the blob's.
    ///
    /// # Errors
    /// [`MirrorError`]; [`MirrorError::Refused`] where nothing can be put.
    fn put(&self, id: &BlobId, bytes: &[u8]) -> Result<(), MirrorError>;
}

/// Where a blob lies below a mirror's address: as in the folder of blobs of this
/// and other Scuttlebutt programs, so that a copy of that folder is a mirror.
///
/// ```
/// use studytime_blobs::mirror::path_of;
/// use studytime_schema::BlobId;
/// assert_eq!(
///     path_of(&BlobId::of(b"x")),
///     "sha256/2d/711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
/// );
/// ```
pub fn path_of(id: &BlobId) -> String {
    use std::fmt::Write as _;
    let mut path = String::from("sha256/");
    for (i, byte) in id.as_bytes().iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(path, "{byte:02x}");
        if i == 0 {
            path.push('/');
        }
    }
    path
}

/// Why a mirror gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// It does not have the blob: ask another one.
    #[error("the mirror does not have {id}")]
    NotFound {
        /// The blob.
        id: BlobId,
    },
    /// It says the blob is longer than was asked for.
    #[error("the mirror says {id} has {size} bytes, more than {max}")]
    TooLarge {
        /// The blob.
        id: BlobId,
        /// What the mirror says.
        size: u64,
        /// What was allowed.
        max: u64,
    },
    /// It could not be reached or broke off: try again later.
    #[error("the mirror could not be read: {reason}")]
    Unreachable {
        /// For a person.
        reason: String,
        /// What the transport said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// It refuses us: trying again does not help.
    #[error("the mirror refuses: {reason}")]
    Refused {
        /// For a person.
        reason: String,
    },
}

/// Why a blob could not be taken from a mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorFetchError {
    /// The mirror gave nothing.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The mirror broke off.
    #[error("the mirror broke off after {received} bytes of {id}")]
    Broken {
        /// The blob.
        id: BlobId,
        /// Bytes that came.
        received: u64,
        /// What the transport said.
        #[source]
        source: io::Error,
    },
    /// The mirror went on beyond the allowed length.
    #[error("the mirror sent more than {max} bytes for {id}")]
    TooLong {
        /// The blob.
        id: BlobId,
        /// What was allowed.
        max: u64,
    },
    /// The store refused, for example because the bytes are not those of the blob.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes one blob from a mirror into a store; nothing is kept unless its hash
/// is right.
///
/// # Errors
/// [`MirrorFetchError`], by kind.
pub fn fetch_into(
    mirror: &dyn Mirror,
    store: &dyn BlobStore,
    id: &BlobId,
    max: u64,
    now: u64,
) -> Result<Added, MirrorFetchError> {
    let mut source = mirror.fetch(id, max)?;
    let mut writer = store.writer(now)?;
    let mut buf = vec![0; crate::transfer::CHUNK];
    loop {
        let n = match source.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(MirrorFetchError::Broken {
                    id: *id,
                    received: writer.len(),
                    source,
                });
            }
        };
        if writer.len() + n as u64 > max {
            return Err(MirrorFetchError::TooLong { id: *id, max });
        }
        writer.write(buf.get(..n).unwrap_or_default())?;
    }
    Ok(writer.commit(Some(*id), Durability::Relaxed)?)
}

/// A mirror in memory, for tests and examples.
#[derive(Debug, Default)]
pub struct MemoryMirror {
    blobs: Mutex<HashMap<BlobId, Vec<u8>>>,
}

impl MemoryMirror {
    /// A mirror that has nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a blob and returns its id.
    pub fn add(&self, bytes: &[u8]) -> BlobId {
        let id = BlobId::of(bytes);
        self.put_as(id, bytes);
        id
    }

    /// Files bytes under an id that need not be theirs: a mirror may lie.
    pub fn put_as(&self, id: BlobId, bytes: &[u8]) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(id, bytes.to_vec());
    }
}

impl Mirror for MemoryMirror {
    fn name(&self) -> &str {
        "memory"
    }

    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = blobs.get(id).ok_or(MirrorError::NotFound { id: *id })?;
        let size = bytes.len() as u64;
        if size > max {
            return Err(MirrorError::TooLarge { id: *id, size, max });
        }
        Ok(Box::new(io::Cursor::new(bytes.clone())))
    }

    fn claims(&self, id: &BlobId) -> Result<Option<u64>, MirrorError> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(blobs.get(id).map(|b| b.len() as u64))
    }

    fn put(&self, id: &BlobId, bytes: &[u8]) -> Result<(), MirrorError> {
        self.put_as(*id, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn the_hash_decides() {
        let (mirror, store) = (MemoryMirror::new(), MemoryStore::new());
        let id = mirror.add(b"a lesson");
        let added = fetch_into(&mirror, &store, &id, 100, 1).unwrap();
        assert_eq!((added.id, added.size, added.new), (id, 8, true));
        assert_eq!(store.read(&id).unwrap().unwrap(), b"a lesson");

        let wanted = BlobId::of(b"the real one");
        mirror.put_as(wanted, b"something else");
        let e = fetch_into(&mirror, &store, &wanted, 100, 1).unwrap_err();
        assert!(matches!(
            e,
            MirrorFetchError::Store(StoreError::WrongHash { .. })
        ));
        assert_eq!(store.size(&wanted).unwrap(), None);
    }

    #[test]
    fn the_cap_holds_even_when_the_mirror_does_not_know_it() {
        struct Endless;
        impl Mirror for Endless {
            fn name(&self) -> &str {
                "endless"
            }
            fn fetch(&self, _: &BlobId, _: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
                Ok(Box::new(io::repeat(7)))
            }
            fn claims(&self, _: &BlobId) -> Result<Option<u64>, MirrorError> {
                Ok(Some(1))
            }
            fn put(&self, _: &BlobId, _: &[u8]) -> Result<(), MirrorError> {
                Ok(())
            }
        }
        let id = BlobId::of(b"x");
        let e = fetch_into(&Endless, &MemoryStore::new(), &id, 1_000_000, 1).unwrap_err();
        assert!(matches!(
            e,
            MirrorFetchError::TooLong { max: 1_000_000, .. }
        ));
    }
}
