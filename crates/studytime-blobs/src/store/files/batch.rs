//! Many own blobs at once: written first, then synced in one pass, then visible.

use super::super::{Added, BlobBatch, Counted, StoreError};
use super::rows::{Row, State};
use super::{Inner, sync_files};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use studytime_schema::BlobId;

#[derive(Debug)]
pub(super) struct Batch {
    store: Arc<Inner>,
    now: u64,
    /// In the order of adding, repetitions included.
    added: Vec<Added>,
    /// What was written, by blob; deleted when the batch is dropped.
    written: HashMap<BlobId, PathBuf>,
}

impl Batch {
    pub(super) fn new(store: &Arc<Inner>, now: u64) -> Self {
        Self {
            store: store.clone(),
            now,
            added: Vec::new(),
            written: HashMap::new(),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for path in self.written.values() {
            // What stays is wiped at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

impl BlobBatch for Batch {
    fn add(&mut self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let mut counted = Counted::default();
        counted.admit(bytes)?;
        let (id, size) = (counted.id(), counted.len());
        let here = match id == BlobId::EMPTY || self.written.contains_key(&id) {
            true => true,
            false => {
                let row = self.store.find(&id)?;
                let durable = row.is_some_and(|r| r.state == State::Synced);
                if !durable {
                    let path = self.store.new_tmp();
                    // Noted first, so that half a file is deleted, too.
                    self.written.insert(id, path.clone());
                    fs::write(&path, bytes).map_err(|e| {
                        self.written.remove(&id);
                        let _ = fs::remove_file(&path);
                        StoreError::io("write", &path, e)
                    })?;
                }
                row.is_some()
            }
        };
        let new = !here;
        self.added.push(Added { id, size, new });
        Ok(id)
    }

    fn count(&self) -> usize {
        self.added.len()
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<Added>, StoreError> {
        let paths: Vec<_> = self.written.values().cloned().collect();
        sync_files(&paths)?;
        let ids: Vec<_> = self.written.keys().copied().collect();
        let mut rows = HashMap::new();
        for added in self
            .added
            .iter()
            .filter(|a| self.written.contains_key(&a.id))
        {
            rows.entry(added.id).or_insert(Row {
                size: added.size,
                added: self.now,
                last_used: self.now,
                uses: 0,
                state: State::Synced,
            });
        }
        for id in &ids {
            if let Some(path) = self.written.get(id) {
                self.store.place(path, id)?;
                self.written.remove(id);
            }
        }
        // The rows last: they say that all before them is on the disk.
        self.store.sync_folders(&ids)?;
        let rows: Vec<_> = rows.into_iter().collect();
        self.store.rows().put(&rows, true)?;
        Ok(std::mem::take(&mut self.added))
    }
}
