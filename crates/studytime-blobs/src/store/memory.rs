//! A store in memory, for tests, examples and throw-away nodes.

use super::{
    Added, BlobBatch, BlobInfo, BlobRead, BlobStore, BlobWriter, Counted, Durability, PUSH_COPIES,
    Partial, Pinner, Push, PushScope, StoreError, Usage,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::{BlobId, FeedId};

/// Keeps everything in memory. Clones share their contents.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    blobs: BTreeMap<BlobId, Kept>,
    pins: BTreeSet<(Pinner, BlobId)>,
    pushes: BTreeMap<BlobId, (PushScope, BTreeSet<FeedId>)>,
    partials: BTreeMap<BlobId, (Vec<u8>, u64)>,
    downloading: BTreeSet<BlobId>,
}

#[derive(Debug)]
struct Kept {
    bytes: Arc<[u8]>,
    added: u64,
    last_used: u64,
    uses: u64,
}

impl Shared {
    fn insert(&mut self, id: BlobId, bytes: &[u8], now: u64) -> Added {
        let size = bytes.len() as u64;
        let new = id != BlobId::EMPTY && !self.blobs.contains_key(&id);
        if new {
            let kept = Kept {
                bytes: bytes.into(),
                added: now,
                last_used: now,
                uses: 0,
            };
            self.blobs.insert(id, kept);
        }
        self.partials.remove(&id);
        Added { id, size, new }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobStore for MemoryStore {
    fn size(&self, id: &BlobId) -> Result<Option<u64>, StoreError> {
        if *id == BlobId::EMPTY {
            return Ok(Some(0));
        }
        let shared = self.lock();
        Ok(shared.blobs.get(id).map(|k| k.bytes.len() as u64))
    }

    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>, StoreError> {
        if *id == BlobId::EMPTY {
            return Ok(Some(Box::new(Bytes(Arc::new([])))));
        }
        let shared = self.lock();
        let kept = shared.blobs.get(id);
        Ok(kept.map(|k| Box::new(Bytes(k.bytes.clone())) as Box<dyn BlobRead>))
    }

    fn writer(&self, now: u64) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(Writer::new(self, now)))
    }

    fn download(&self, id: &BlobId, now: u64) -> Result<Box<dyn BlobWriter>, StoreError> {
        let mut writer = Writer::new(self, now);
        let mut shared = self.lock();
        if shared.downloading.insert(*id) {
            writer.target = Some(*id);
            if let Some((bytes, _)) = shared.partials.remove(id) {
                writer.counted.admit(&bytes)?;
                writer.bytes = bytes;
            }
        }
        Ok(Box::new(writer))
    }

    fn batch(&self, now: u64) -> Result<Box<dyn BlobBatch>, StoreError> {
        Ok(Box::new(Batch {
            store: self.clone(),
            now,
            blobs: Vec::new(),
        }))
    }

    fn delete(&self, ids: &[BlobId]) -> Result<u64, StoreError> {
        let mut shared = self.lock();
        let gone = ids.iter().filter_map(|id| shared.blobs.remove(id));
        Ok(gone.map(|k| k.bytes.len() as u64).sum())
    }

    fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobInfo>, StoreError> {
        let shared = self.lock();
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(*id));
        let blobs = shared.blobs.range((from, Bound::Unbounded)).take(limit);
        Ok(blobs
            .map(|(id, k)| BlobInfo {
                id: *id,
                size: k.bytes.len() as u64,
                added: k.added,
                last_used: k.last_used,
                uses: k.uses,
                pinned: shared.pins.iter().any(|(_, pinned)| pinned == id),
            })
            .collect())
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let shared = self.lock();
        Ok(Usage {
            count: shared.blobs.len() as u64,
            bytes: shared.blobs.values().map(|k| k.bytes.len() as u64).sum(),
        })
    }

    fn touch(&self, ids: &[BlobId], now: u64) -> Result<(), StoreError> {
        let mut shared = self.lock();
        for id in ids {
            if let Some(kept) = shared.blobs.get_mut(id) {
                kept.uses += 1;
                kept.last_used = kept.last_used.max(now);
            }
        }
        Ok(())
    }

    fn pin(&self, by: &Pinner, ids: &[BlobId]) -> Result<(), StoreError> {
        self.lock().pins.extend(ids.iter().map(|id| (*by, *id)));
        Ok(())
    }

    fn unpin(&self, by: &Pinner, ids: Option<&[BlobId]>) -> Result<(), StoreError> {
        let gone = |id: &BlobId| ids.is_none_or(|ids| ids.contains(id));
        let mut shared = self.lock();
        shared.pins.retain(|(who, id)| who != by || !gone(id));
        Ok(())
    }

    fn pinners(&self, id: &BlobId) -> Result<Vec<Pinner>, StoreError> {
        let shared = self.lock();
        let pins = shared.pins.iter().filter(|(_, pinned)| pinned == id);
        Ok(pins.map(|(who, _)| *who).collect())
    }

    fn pinned(&self, by: &Pinner) -> Result<Vec<BlobId>, StoreError> {
        let shared = self.lock();
        let pins = shared.pins.iter().filter(|(who, _)| who == by);
        Ok(pins.map(|(_, id)| *id).collect())
    }

    fn push(&self, ids: &[BlobId], scope: PushScope) -> Result<(), StoreError> {
        let mut shared = self.lock();
        for id in ids.iter().filter(|id| **id != BlobId::EMPTY) {
            let push = shared.pushes.entry(*id).or_insert((scope, BTreeSet::new()));
            push.0 = push.0.max(scope);
        }
        Ok(())
    }

    fn push_seen(&self, id: &BlobId, peer: &FeedId) -> Result<bool, StoreError> {
        let mut shared = self.lock();
        let Some((_, seen)) = shared.pushes.get_mut(id) else {
            return Ok(true);
        };
        seen.insert(*peer);
        let done = seen.len() >= PUSH_COPIES;
        if done {
            shared.pushes.remove(id);
        }
        Ok(done)
    }

    fn pushes(&self) -> Result<Vec<Push>, StoreError> {
        let shared = self.lock();
        let pushes = shared.pushes.iter().map(|(id, (scope, seen))| Push {
            id: *id,
            scope: *scope,
            seen: seen.iter().copied().collect(),
        });
        Ok(pushes.collect())
    }

    fn partials(&self) -> Result<Vec<Partial>, StoreError> {
        let shared = self.lock();
        let partials = shared.partials.iter().map(|(id, (bytes, at))| Partial {
            id: *id,
            bytes: bytes.len() as u64,
            suspended: *at,
        });
        let mut partials: Vec<_> = partials.collect();
        partials.sort_by_key(|p| (p.suspended, p.id));
        Ok(partials)
    }

    fn drop_partials(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let mut shared = self.lock();
        for id in ids {
            shared.partials.remove(id);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Bytes(Arc<[u8]>);

impl BlobRead for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

struct Writer {
    store: MemoryStore,
    now: u64,
    target: Option<BlobId>,
    bytes: Vec<u8>,
    counted: Counted,
}

impl Writer {
    fn new(store: &MemoryStore, now: u64) -> Self {
        Self {
            store: store.clone(),
            now,
            target: None,
            bytes: Vec::new(),
            counted: Counted::default(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(id) = self.target {
            self.store.lock().downloading.remove(&id);
        }
    }
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.counted.admit(bytes)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.counted.len()
    }

    fn id(&self) -> BlobId {
        self.counted.id()
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.bytes.clear();
        self.counted = Counted::default();
        Ok(())
    }

    fn commit(
        self: Box<Self>,
        expected: Option<BlobId>,
        _durability: Durability,
    ) -> Result<Added, StoreError> {
        let got = self.id();
        match expected.filter(|e| *e != got) {
            Some(expected) => Err(StoreError::WrongHash { expected, got }),
            None => Ok(self.store.lock().insert(got, &self.bytes, self.now)),
        }
    }

    fn suspend(mut self: Box<Self>, now: u64) -> Result<(), StoreError> {
        if let Some(id) = self.target.filter(|_| !self.bytes.is_empty()) {
            let bytes = std::mem::take(&mut self.bytes);
            self.store.lock().partials.insert(id, (bytes, now));
        }
        Ok(())
    }
}

struct Batch {
    store: MemoryStore,
    now: u64,
    blobs: Vec<(BlobId, Vec<u8>)>,
}

impl BlobBatch for Batch {
    fn add(&mut self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let mut counted = Counted::default();
        counted.admit(bytes)?;
        self.blobs.push((counted.id(), bytes.to_vec()));
        Ok(counted.id())
    }

    fn count(&self) -> usize {
        self.blobs.len()
    }

    fn commit(self: Box<Self>) -> Result<Vec<Added>, StoreError> {
        let mut shared = self.store.lock();
        let blobs = self.blobs.iter();
        Ok(blobs
            .map(|(id, bytes)| shared.insert(*id, bytes, self.now))
            .collect())
    }
}
