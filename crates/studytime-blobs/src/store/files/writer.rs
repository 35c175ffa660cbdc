//! One blob on its way to the disk.

use super::super::{Added, BlobWriter, Counted, Durability, Partial, StoreError};
use super::rows::{Row, State};
use super::{Inner, MAX_PARTIALS, hex, sync_folder};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use studytime_schema::{BlobId, MAX_BLOB_SIZE};

/// Writes to a file in `tmp`; dropping it deletes the file.
#[derive(Debug)]
pub(super) struct Writer {
    store: Arc<Inner>,
    now: u64,
    /// The blob whose suspended download this is.
    target: Option<BlobId>,
    path: PathBuf,
    file: Option<File>,
    counted: Counted,
    /// False once the file has moved away or is to stay.
    delete: bool,
}

fn partial_path(store: &Inner, id: &BlobId) -> PathBuf {
    store.tmp.join(format!("p-{}", hex(id)))
}

/// Deletes a suspended download.
pub(super) fn forget_partial(store: &Inner, id: &BlobId) -> Result<(), StoreError> {
    let path = partial_path(store, id);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("delete", path, e));
        }
        _ => {}
    }
    store.rows().remove_partial(id)
}

impl Writer {
    pub(super) fn anonymous(store: &Arc<Inner>, now: u64) -> Result<Self, StoreError> {
        let path = store.new_tmp();
        let file = File::options().write(true).create_new(true).open(&path);
        let file = file.map_err(|e| StoreError::io("make", &path, e))?;
        Ok(Self {
            store: store.clone(),
            now,
            target: None,
            path,
            file: Some(file),
            counted: Counted::default(),
            delete: true,
        })
    }

    pub(super) fn download(store: &Arc<Inner>, id: &BlobId, now: u64) -> Result<Self, StoreError> {
        let first = {
            let downloading = store.downloading.lock();
            let mut downloading = downloading.unwrap_or_else(PoisonError::into_inner);
            downloading.insert(*id)
        };
        if !first {
            return Self::anonymous(store, now);
        }
        let mut writer = Self {
            store: store.clone(),
            now,
            target: Some(*id),
            path: partial_path(store, id),
            file: None,
            counted: Counted::default(),
            delete: true,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&writer.path);
        let mut file = file.map_err(|e| StoreError::io("open", &writer.path, e))?;
        let mut bytes = Vec::new();
        let read = (&mut file).take(MAX_BLOB_SIZE).read_to_end(&mut bytes);
        read.map_err(|e| StoreError::io("read", &writer.path, e))?;
        writer.file = Some(file);
        if writer.counted.admit(&bytes).is_err() {
            writer.restart()?;
        }
        Ok(writer)
    }
}

/// True when a blob that is here already is as safe as asked for.
fn is_enough(row: &Row, durability: Durability) -> bool {
    match durability {
        Durability::Relaxed => row.state != State::Doubtful,
        Durability::Synced => row.state == State::Synced,
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.file = None;
        if self.delete {
            // What stays is wiped at the next start.
            let _ = fs::remove_file(&self.path);
        }
        let Some(id) = self.target else { return };
        if self.delete {
            let _ = self.store.rows().remove_partial(&id);
        }
        let downloading = self.store.downloading.lock();
        let mut downloading = downloading.unwrap_or_else(PoisonError::into_inner);
        downloading.remove(&id);
    }
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.counted.admit(bytes)?;
        let gone = || io::Error::other("it is closed");
        let file = self.file.as_mut().ok_or_else(gone);
        file.and_then(|f| f.write_all(bytes))
            .map_err(|e| StoreError::io("write", &self.path, e))
    }

    fn len(&self) -> u64 {
        self.counted.len()
    }

    fn id(&self) -> BlobId {
        self.counted.id()
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.counted = Counted::default();
        // A file that was made anew writes at its start.
        let file = File::create(&self.path);
        self.file = Some(file.map_err(|e| StoreError::io("make", &self.path, e))?);
        Ok(())
    }

    fn commit(
        mut self: Box<Self>,
        expected: Option<BlobId>,
        durability: Durability,
    ) -> Result<Added, StoreError> {
        let (id, size) = (self.id(), self.len());
        if let Some(expected) = expected.filter(|e| *e != id) {
            return Err(StoreError::WrongHash { expected, got: id });
        }
        if id == BlobId::EMPTY {
            return Ok(Added {
                id,
                size,
                new: false,
            });
        }
        let synced = durability == Durability::Synced;
        let mut here = self.store.find(&id)?;
        if !here.is_some_and(|row| is_enough(&row, durability)) {
            if let Some(file) = self.file.take().filter(|_| synced) {
                file.sync_all()
                    .map_err(|e| StoreError::io("sync", &self.path, e))?;
            }
            // Relaxed until its folder is synced, too.
            let row = Row {
                size,
                added: self.now,
                last_used: self.now,
                uses: 0,
                state: State::Relaxed,
            };
            // Under one lock: a fetched copy must not replace an own, synced one.
            let mut rows = self.store.rows();
            let raced = rows.get(&id)?.filter(|row| is_enough(row, durability));
            if here.is_none() && raced.is_some() {
                here = raced;
            } else {
                self.store.place(&self.path, &id)?;
                self.delete = false;
                rows.put(&[(id, row)], false)?;
            }
            drop(rows);
            if synced {
                self.store.sync_folders(&[id])?;
                self.store.rows().set_synced(&[id])?;
            }
        }
        if let Some(target) = self.target {
            self.store.rows().remove_partial(&target)?;
        }
        let new = here.is_none();
        Ok(Added { id, size, new })
    }

    fn suspend(mut self: Box<Self>, now: u64) -> Result<(), StoreError> {
        let Some(id) = self.target.filter(|_| self.counted.len() > 0) else {
            return Ok(());
        };
        self.file = None;
        let mut rows = self.store.rows();
        rows.put_partial(&Partial {
            id,
            bytes: self.counted.len(),
            suspended: now,
        })?;
        let partials = rows.partials()?;
        drop(rows);
        self.delete = false;
        let surplus = partials.len().saturating_sub(MAX_PARTIALS);
        for old in partials.iter().filter(|p| p.id != id).take(surplus) {
            let downloading = self.store.downloading.lock();
            let downloading = downloading.unwrap_or_else(PoisonError::into_inner);
            if !downloading.contains(&old.id) {
                forget_partial(&self.store, &old.id)?;
            }
        }
        sync_folder(&self.store.tmp)
    }
}
