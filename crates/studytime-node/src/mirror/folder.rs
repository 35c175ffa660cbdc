//! A mirror in a folder of this machine: a stick, a disk, a share.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use studytime_blobs::mirror::{Mirror, MirrorError, path_of};
use studytime_schema::BlobId;

/// Blobs below a folder, as the node itself lays them out.
pub(super) struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            name: path.to_owned(),
        }
    }

    fn failed(path: &Path, source: io::Error) -> MirrorError {
        MirrorError::Unreachable {
            reason: format!("{}: {source}", path.display()),
            source: Some(source.into()),
        }
    }

    /// The size of a blob's file; an error when the folder itself is not there.
    fn size(&self, path: &Path) -> Result<Option<u64>, MirrorError> {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // A stick that was pulled out is another thing than a missing file.
                fs::metadata(&self.path).map_err(|e| Self::failed(&self.path, e))?;
                Ok(None)
            }
            Err(e) => Err(Self::failed(path, e)),
        }
    }
}

impl Mirror for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
        let path = self.path.join(path_of(id));
        let size = self.size(&path)?.ok_or(MirrorError::NotFound { id: *id })?;
        if size > max {
            return Err(MirrorError::TooLarge { id: *id, size, max });
        }
        let file = File::open(&path).map_err(|e| Self::failed(&path, e))?;
        Ok(Box::new(file))
    }

    fn claims(&self, id: &BlobId) -> Result<Option<u64>, MirrorError> {
        self.size(&self.path.join(path_of(id)))
    }

    fn put(&self, id: &BlobId, bytes: &[u8]) -> Result<(), MirrorError> {
        let path = self.path.join(path_of(id));
        let folder = path.parent().unwrap_or(&self.path);
        // The folder itself is not made: that would fill the place where a disk
        // is not mounted.
        fs::metadata(&self.path).map_err(|e| Self::failed(&self.path, e))?;
        fs::create_dir_all(folder).map_err(|e| Self::failed(folder, e))?;
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            // Others read it, too.
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                file.as_file()
                    .set_permissions(fs::Permissions::from_mode(0o644))?;
            }
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        });
        written.map_err(|e| Self::failed(&path, e))
    }
}
