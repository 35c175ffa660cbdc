//! Writing a backup.

use super::{CONTENTS, Contents, DATABASES, MAIN_KEY, VERSION, blob_name, failed, part};
use crate::api::{ApiError, BackupBlobs, BackupReply, BlobCount, Progress, ProgressUnit};
use crate::calls::Report;
use crate::node::Node;
use crate::store::{OwnKind, sync_dir};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use studytime_blobs::store::{Pinner, StoreError};
use studytime_schema::BlobId;

/// Which own files go with a backup, and which are left out though they are rare.
#[derive(Debug, Default)]
struct Own {
    taken: Vec<BlobId>,
    left_out: BlobCount,
}

impl Node {
    pub(crate) async fn backup(
        &self,
        path: PathBuf,
        blobs: BackupBlobs,
        report: Report<'_>,
    ) -> Result<BackupReply, ApiError> {
        report(Progress::new("Saving", ProgressUnit::Bytes, 0, 0));
        self.blocking(move |n| n.backup_blocking(&path, blobs))
            .await
    }

    fn backup_blocking(&self, path: &Path, which: BackupBlobs) -> Result<BackupReply, ApiError> {
        let exists = || {
            ApiError::refused(format!(
                "{} exists already; choose a new file name",
                path.display()
            ))
        };
        if path.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(ApiError::not_found(format!(
                "the folder {} is not there",
                folder.display()
            )));
        }
        let inner = self.inner();
        inner
            .blobs
            .flush()
            .map_err(|e| ApiError::failed("the backup failed", &e))?;
        let dir = inner.dir.path();
        let copies = part::copies(dir).map_err(|e| failed(dir, &e))?;
        for name in DATABASES {
            copy_database(&dir.join(name), &copies.path().join(name))?;
        }
        let own = self
            .own_blobs(which)
            .map_err(|e| ApiError::failed("the own files could not be listed", &e))?;
        // Under another name until it is whole.
        let part = part::part(folder).map_err(|e| failed(folder, &e))?;
        let mut pack = Pack {
            tar: tar::Builder::new(part.as_file()),
            files: 0,
        };
        let packed = self.pack(&mut pack, copies.path(), &own);
        let (keys, blobs) = packed.map_err(|e| failed(part.path(), &e))?;
        let done = pack.end().and_then(|()| part.as_file().sync_all());
        done.map_err(|e| failed(part.path(), &e))?;
        let bytes = part
            .as_file()
            .metadata()
            .map_err(|e| failed(part.path(), &e))?
            .len();
        part.persist_noclobber(path).map_err(|e| match e.error {
            e if e.kind() == io::ErrorKind::AlreadyExists => exists(),
            e => failed(path, &e),
        })?;
        sync_dir(folder).map_err(|e| failed(folder, &e))?;
        let counts = inner.feeds.counts().map_err(|e| {
            ApiError::failed("the backup was written, but could not be counted", &e)
        })?;
        Ok(BackupReply {
            messages: counts.messages,
            keys,
            bytes,
            blobs,
            left_out: own.left_out,
        })
    }

    /// Own files: what the user added, what own courses use, what is still to be
    /// pushed to others. Rare are those that not enough peers are known to have.
    fn own_blobs(&self, which: BackupBlobs) -> Result<Own, StoreError> {
        let blobs = &self.inner().blobs;
        let rare: BTreeSet<BlobId> = blobs.pushes()?.into_iter().map(|p| p.id).collect();
        let mut all = rare.clone();
        // Nobody was told of these, so nobody is known to have them.
        let added = blobs.pinned(&Pinner::User)?;
        let courses = self.keys().of_kind(OwnKind::Course);
        let mut known = BTreeSet::new();
        for course in courses {
            known.extend(blobs.pinned(&Pinner::Course(course))?);
        }
        let is_rare =
            |id: &BlobId| rare.contains(id) || (added.contains(id) && !known.contains(id));
        all.extend(&known);
        all.extend(&added);
        let mut own = Own::default();
        for id in all {
            let Some(size) = blobs.size(&id)?.filter(|_| id != BlobId::EMPTY) else {
                continue;
            };
            let take = match which {
                BackupBlobs::None => false,
                BackupBlobs::Rare => is_rare(&id),
                BackupBlobs::Own => true,
            };
            if take {
                own.taken.push(id);
            } else if is_rare(&id) {
                own.left_out.count += 1;
                own.left_out.bytes += size;
            }
        }
        Ok(own)
    }

    fn pack<W: Write>(
        &self,
        pack: &mut Pack<W>,
        copies: &Path,
        own: &Own,
    ) -> io::Result<(u64, BlobCount)> {
        let dir = self.inner().dir.path();
        let mut keys = 0;
        // The main key first: without it the rest is of little use.
        pack.file(MAIN_KEY, &dir.join(MAIN_KEY))?;
        for entry in fs::read_dir(dir.join("keys"))? {
            let name = format!("keys/{}", entry?.file_name().to_string_lossy());
            if name.ends_with(".secret") {
                keys += 1;
                if name != MAIN_KEY {
                    pack.file(&name, &dir.join(&name))?;
                }
            }
        }
        for name in DATABASES {
            pack.file(name, &copies.join(name))?;
        }
        let config = dir.join("config.toml");
        if config.exists() {
            pack.file("config.toml", &config)?;
        }
        let mut blobs = BlobCount::default();
        for id in &own.taken {
            let bytes = self.inner().blobs.read(id).map_err(io::Error::other)?;
            // Deleted meanwhile: then it was not needed.
            let Some(bytes) = bytes else { continue };
            pack.add(&blob_name(id), bytes.len() as u64, bytes.as_slice())?;
            blobs.count += 1;
            blobs.bytes += bytes.len() as u64;
        }
        Ok((keys, blobs))
    }
}

/// SQLite's own way to a consistent copy while others write.
fn copy_database(from: &Path, to: &Path) -> Result<(), ApiError> {
    let db = rusqlite::Connection::open(from).map_err(|e| failed(from, &e))?;
    let text = to
        .to_str()
        .ok_or_else(|| failed(to, &"the data directory's path is not valid Unicode"))?;
    db.execute("VACUUM INTO ?1", [text])
        .map_err(|e| failed(to, &e))?;
    Ok(())
}

/// A backup being written.
struct Pack<W: Write> {
    tar: tar::Builder<W>,
    files: u64,
}

impl<W: Write> Pack<W> {
    fn file(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        self.add(name, len, file)
    }

    fn add(&mut self, name: &str, len: u64, bytes: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_size(len);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        // Not a byte more than the header says, whatever the file does meanwhile.
        self.tar.append(&header, bytes.take(len))?;
        self.files += 1;
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        let contents = Contents {
            version: VERSION,
            files: self.files,
        };
        let text = serde_json::to_vec(&contents)?;
        self.add(CONTENTS, text.len() as u64, text.as_slice())?;
        self.tar.into_inner()?.flush()
    }
}
