//! Comparing the files with the rows.

use super::super::{BlobStore, Partial, StoreError};
use super::rows::State;
use super::writer::forget_partial;
use super::{FileStore, MAX_PARTIALS, from_hex};
use std::collections::HashSet;
use std::fs;
use studytime_schema::BlobId;

/// What [`FileStore::rescan`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescan {
    /// Blobs that are here and right.
    pub blobs: u64,
    /// Files without a row that were noted.
    pub found: u64,
    /// Rows without a file that were dropped.
    pub lost: u64,
    /// Files whose bytes were not theirs; they were deleted.
    pub damaged: u64,
    /// Things in the folder that are no blobs; they were left alone.
    pub strange: u64,
}

impl FileStore {
    /// Compares every file with its row and heals the differences; with
    /// `hash_all`, every file is hashed. Takes long on a large store.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    pub fn rescan(&self, hash_all: bool) -> Result<Rescan, StoreError> {
        let store = &self.inner;
        let mut found = Rescan::default();
        let folders = entries(&store.sha256)?;
        for folder in folders {
            let Some(prefix) = folder.file_name().to_str().map(str::to_owned) else {
                found.strange += 1;
                continue;
            };
            if prefix.len() != 2 || !folder.path().is_dir() {
                found.strange += 1;
                continue;
            }
            for file in entries(&folder.path())? {
                let name = file.file_name();
                let id = name
                    .to_str()
                    .and_then(|n| from_hex(&format!("{prefix}{n}")));
                let Some(id) = id else {
                    found.strange += 1;
                    continue;
                };
                let known = store.rows().get(&id)?;
                let row = match hash_all {
                    true => store.check(&id, &file.path(), known)?,
                    false => store.find(&id)?,
                };
                match (known, row) {
                    (_, None) => found.damaged += 1,
                    (None, Some(_)) => {
                        (found.found, found.blobs) = (found.found + 1, found.blobs + 1)
                    }
                    (Some(_), Some(_)) => found.blobs += 1,
                }
            }
        }
        let mut after: Option<BlobId> = None;
        loop {
            let rows = self.list(after.as_ref(), 1_000)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            for row in rows {
                if store.find(&row.id)?.is_none() {
                    found.lost += 1;
                }
            }
        }
        Ok(found)
    }

    /// Hashes at most `limit` doubtful blobs and returns how many are left;
    /// for the background after an unclean stop.
    ///
    /// # Errors
    /// [`StoreError`] when the disk or the database fails.
    pub fn recheck(&self, limit: usize) -> Result<u64, StoreError> {
        let doubtful = self.inner.rows().in_state(State::Doubtful, limit)?;
        for id in &doubtful {
            self.inner.find(id)?;
        }
        self.inner.rows().doubtful()
    }

    /// At the start: wipes unfinished files, compares suspended downloads with
    /// their rows.
    pub(super) fn tidy_tmp(&self) -> Result<(), StoreError> {
        let store = &self.inner;
        let mut files = HashSet::new();
        for file in entries(&store.tmp)? {
            let name = file.file_name();
            let id = name
                .to_str()
                .and_then(|n| n.strip_prefix("p-"))
                .and_then(from_hex);
            let len = file.metadata().map_or(0, |m| m.len());
            match id {
                Some(id) if len > 0 => {
                    files.insert((id, len));
                }
                _ => {
                    let path = file.path();
                    fs::remove_file(&path).map_err(|e| StoreError::io("delete", path, e))?;
                }
            }
        }
        let mut rows = store.rows();
        let noted = rows.partials()?;
        for partial in &noted {
            if !files.iter().any(|(id, _)| *id == partial.id) {
                rows.remove_partial(&partial.id)?;
            }
        }
        for (id, bytes) in files {
            let noted = noted.iter().find(|p| p.id == id);
            let suspended = noted.map_or(0, |p| p.suspended);
            rows.put_partial(&Partial {
                id,
                bytes,
                suspended,
            })?;
        }
        // What was under way at a kill counts, too: else a program that is killed
        // again and again fills the disk with beginnings.
        let all = rows.partials()?;
        drop(rows);
        let surplus = all.len().saturating_sub(MAX_PARTIALS);
        for old in all.iter().take(surplus) {
            forget_partial(store, &old.id)?;
        }
        Ok(())
    }
}

fn entries(folder: &std::path::Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect);
    entries.map_err(|e| StoreError::io("list", folder, e))
}
