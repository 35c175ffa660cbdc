//! What of a course's media is here, answered from memory.
//!
//! A manifest's segments are counted once, when it is first asked about, and
//! kept up as blobs come and go; so a page of course cards costs no disk reads.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_blobs::store::{BlobStore, StoreError};
use studytime_index::Presence;
use studytime_schema::{BlobId, Manifest};

/// Manifests kept parsed; beyond it the least recently asked ones go.
const MAX_MANIFESTS: usize = 4096;
/// Segments over all manifests kept parsed (36 bytes each in the reverse map).
const MAX_SEGMENTS: usize = 2_000_000;

/// With more blobs than this the store is asked about each one (16 bytes each here).
const MAX_KNOWN: u64 = 500_000;
/// Blobs listed at a time.
const PAGE: usize = 10_000;

struct Counted {
    manifest: Arc<Manifest>,
    bytes: u64,
    /// Segments that are not here; a segment that repeats counts each time.
    missing: u64,
    asked: u64,
}

#[derive(Default)]
struct Inner {
    manifests: HashMap<BlobId, Counted>,
    /// Segment -> (manifest, length of the segment, how often it stands there).
    users: HashMap<BlobId, Vec<(BlobId, u64, u32)>>,
    segments: usize,
    clock: u64,
    known: Known,
}

/// Which blobs may be here: a course that arrives is counted again and again,
/// and most of what it names is not.
#[derive(Default)]
enum Known {
    /// Not asked for yet.
    #[default]
    Unread,
    /// The beginnings of the ids of all that are here, and of some that were.
    Here(HashSet<u64>),
    /// Too many to know, or the store could not list them.
    Any,
}

fn beginning(blob: &BlobId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blob.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Known {
    fn add(&mut self, blob: &BlobId) {
        if let Self::Here(all) = self {
            all.insert(beginning(blob));
        }
    }

    fn read(store: &dyn BlobStore) -> Self {
        match Self::list(store) {
            Ok(Some(all)) => Self::Here(all),
            _ => Self::Any,
        }
    }

    fn list(store: &dyn BlobStore) -> Result<Option<HashSet<u64>>, StoreError> {
        if store.usage()?.count > MAX_KNOWN {
            return Ok(None);
        }
        let mut all = HashSet::new();
        let mut after: Option<BlobId> = None;
        loop {
            let page = store.list(after.as_ref(), PAGE)?;
            all.extend(page.iter().map(|b| beginning(&b.id)));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => return Ok(Some(all)),
            }
        }
    }
}

/// Counts of what is here.
pub(crate) struct Holdings {
    store: Arc<dyn BlobStore>,
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Holdings")
    }
}

impl Holdings {
    pub(crate) fn new(store: Arc<dyn BlobStore>) -> Self {
        Self {
            store,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a blob is here; `false` also when the store cannot be asked.
    pub(crate) fn has(&self, blob: &BlobId) -> bool {
        if *blob == BlobId::EMPTY {
            return true;
        }
        let here = matches!(self.store.size(blob), Ok(Some(_)));
        if here {
            // The store also finds files that somebody copied into its folder.
            self.lock().known.add(blob);
        }
        here
    }

    /// How much of a blob, or of what a manifest names, is here. For a manifest
    /// the manifest's own bytes are not counted.
    pub(crate) fn presence(&self, blob: &BlobId, manifest: bool) -> Presence {
        if !self.lock().may_have(blob, &*self.store) {
            return Presence::default();
        }
        if !manifest {
            return match self.store.size(blob) {
                Ok(Some(bytes)) => Presence {
                    bytes,
                    complete: true,
                },
                _ => Presence::default(),
            };
        }
        if self.manifest(blob).is_none() {
            return Presence::default();
        }
        match self.lock().manifests.get(blob) {
            Some(c) => Presence {
                bytes: c.bytes,
                complete: c.missing == 0,
            },
            None => Presence::default(),
        }
    }

    /// What is wrong with a blob that is no usable manifest, for people.
    pub(crate) fn why_no_manifest(&self, blob: &BlobId) -> String {
        match self.store.read(blob) {
            Ok(Some(bytes)) => match Manifest::from_json(&bytes) {
                Ok(_) => "it can be read now".to_owned(),
                Err(error) => error.to_string(),
            },
            Ok(None) => "it is not here".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// A manifest that is here and valid.
    pub(crate) fn manifest(&self, blob: &BlobId) -> Option<Arc<Manifest>> {
        {
            let mut inner = self.lock();
            inner.clock += 1;
            let now = inner.clock;
            if let Some(c) = inner.manifests.get_mut(blob) {
                c.asked = now;
                return Some(Arc::clone(&c.manifest));
            }
        }
        let bytes = self.store.read(blob).ok().flatten()?;
        let manifest = Arc::new(Manifest::from_json(&bytes).ok()?);
        // Counted outside the lock; a segment that arrives meanwhile is seen
        // when it is entered below, because it is asked for again there.
        let mut places: HashMap<BlobId, (u64, u32)> = HashMap::new();
        for (i, segment) in manifest.segments.iter().enumerate() {
            let place = places
                .entry(*segment)
                .or_insert((manifest.segment_len(i).unwrap_or(0), 0));
            place.1 += 1;
        }
        let mut inner = self.lock();
        inner.make_room(places.len());
        inner.clock += 1;
        let mut counted = Counted {
            manifest: Arc::clone(&manifest),
            bytes: 0,
            missing: 0,
            asked: inner.clock,
        };
        inner.segments += places.len();
        for (segment, (len, times)) in places {
            if matches!(self.store.size(&segment), Ok(Some(_))) {
                counted.bytes += len * u64::from(times);
            } else {
                counted.missing += u64::from(times);
            }
            inner
                .users
                .entry(segment)
                .or_default()
                .push((*blob, len, times));
        }
        inner.manifests.insert(*blob, counted);
        Some(manifest)
    }

    /// A blob has arrived.
    pub(crate) fn arrived(&self, blob: &BlobId) {
        let mut inner = self.lock();
        inner.known.add(blob);
        inner.change(blob, true);
    }

    /// Blobs were deleted.
    pub(crate) fn removed(&self, blobs: &[BlobId]) {
        let mut inner = self.lock();
        for blob in blobs {
            inner.change(blob, false);
            inner.forget(blob);
        }
    }

    /// The manifests that name this segment.
    pub(crate) fn users(&self, segment: &BlobId) -> Vec<BlobId> {
        let inner = self.lock();
        let users = inner
            .users
            .get(segment)
            .map(Vec::as_slice)
            .unwrap_or_default();
        users.iter().map(|(m, _, _)| *m).collect()
    }
}

impl Inner {
    /// Whether a blob may be here. What arrives while the store is listed waits
    /// for the lock, or is in the list.
    fn may_have(&mut self, blob: &BlobId, store: &dyn BlobStore) -> bool {
        if matches!(self.known, Known::Unread) {
            self.known = Known::read(store);
        }
        match &self.known {
            Known::Here(all) => all.contains(&beginning(blob)),
            _ => true,
        }
    }

    fn change(&mut self, segment: &BlobId, here: bool) {
        let Some(users) = self.users.get(segment) else {
            return;
        };
        for (manifest, len, times) in users {
            let Some(c) = self.manifests.get_mut(manifest) else {
                continue;
            };
            let (bytes, count) = (len * u64::from(*times), u64::from(*times));
            if here && c.missing >= count {
                c.bytes += bytes;
                c.missing -= count;
            } else if !here && c.bytes >= bytes {
                c.bytes -= bytes;
                c.missing += count;
            }
        }
    }

    fn forget(&mut self, manifest: &BlobId) {
        let Some(c) = self.manifests.remove(manifest) else {
            return;
        };
        for segment in &c.manifest.segments {
            if let Some(users) = self.users.get_mut(segment) {
                let before = users.len();
                users.retain(|(m, _, _)| m != manifest);
                self.segments -= before - users.len();
                if users.is_empty() {
                    self.users.remove(segment);
                }
            }
        }
    }

    fn make_room(&mut self, segments: usize) {
        while !self.manifests.is_empty()
            && (self.manifests.len() >= MAX_MANIFESTS || self.segments + segments > MAX_SEGMENTS)
        {
            let oldest = self
                .manifests
                .iter()
                .min_by_key(|(_, c)| c.asked)
                .map(|(id, _)| *id);
            match oldest {
                Some(id) => self.forget(&id),
                None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_blobs::store::{Durability, MemoryStore};
    use studytime_schema::Segmenter;

    #[test]
    fn counts_follow_blobs_as_they_come_and_go() {
        let store: Arc<dyn BlobStore> = Arc::new(MemoryStore::new());
        // Two equal segments and a short last one.
        let mut data = vec![7u8; 2 << 20];
        data.extend_from_slice(b"tail");
        let mut segmenter = Segmenter::new();
        let mut segments = segmenter.push(&data).unwrap();
        let (last, manifest) = segmenter.finish("video/mp4").unwrap();
        segments.extend(last);
        let text = manifest.to_json();
        let id = store.add(&text, Durability::Relaxed, 0).unwrap().id;

        let h = Holdings::new(Arc::clone(&store));
        assert_eq!(
            h.presence(&id, true),
            Presence {
                bytes: 0,
                complete: false
            }
        );
        for (blob, bytes) in &segments[1..] {
            store.add(bytes, Durability::Relaxed, 0).unwrap();
            h.arrived(blob);
        }
        let all = Presence {
            bytes: data.len() as u64,
            complete: true,
        };
        assert_eq!(h.presence(&id, true), all);
        assert_eq!(Holdings::new(Arc::clone(&store)).presence(&id, true), all);

        let tail = segments[2].0;
        assert_eq!(h.users(&tail), [id]);
        store.delete(&[tail]).unwrap();
        h.removed(&[tail]);
        assert_eq!(
            h.presence(&id, true),
            Presence {
                bytes: 2 << 20,
                complete: false
            }
        );
        // What was asked for in vain is seen when it comes.
        assert_eq!(h.presence(&tail, false), Presence::default());
        store.add(b"tail", Durability::Relaxed, 0).unwrap();
        h.arrived(&tail);
        assert!(h.presence(&tail, false).complete);

        h.removed(&[id]);
        store.delete(&[id]).unwrap();
        assert_eq!(h.presence(&id, true), Presence::default());
        assert!(h.users(&tail).is_empty());
    }
}
