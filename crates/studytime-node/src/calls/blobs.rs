//! Blobs: added, fetched, listed, cleaned up.

use super::Report;
use crate::api::{ApiError, BlobAdded, BlobGet, BlobInfo, Progress, ProgressUnit};
use crate::clock::now_ms;
use crate::media::{WantGuard, manifest_of};
use crate::node::Node;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use studytime_blobs::store::{Durability, Pinner};
use studytime_blobs::wants::{Priority, WantSpec};
use studytime_schema::{BlobId, Segmenter, needs_manifest};
use tokio::time::Instant;

/// Segments collected before they are made durable together.
const BATCH: usize = 64;

fn store_error(error: &studytime_blobs::store::StoreError) -> ApiError {
    ApiError::failed("the blob store failed", error)
}

fn file_error(path: &Path, error: &std::io::Error) -> ApiError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::not_found(text),
        _ => ApiError::new(crate::api::ErrorKind::Failed, text),
    }
}

impl Node {
    pub(super) async fn blob_add(
        &self,
        path: PathBuf,
        report: Report<'_>,
    ) -> Result<BlobAdded, ApiError> {
        report(Progress::new("Reading", ProgressUnit::Bytes, 0, 0));
        self.blocking(move |n| n.add_file(&path)).await
    }

    fn add_file(&self, path: &Path) -> Result<BlobAdded, ApiError> {
        let mut file = std::fs::File::open(path).map_err(|e| file_error(path, &e))?;
        let meta = file.metadata().map_err(|e| file_error(path, &e))?;
        if !meta.is_file() {
            return Err(ApiError::refused(format!(
                "{} is not a file",
                path.display()
            )));
        }
        let inner = self.inner();
        let mut added = Vec::new();
        let (id, size, manifest) = if needs_manifest(meta.len()) {
            let mut segmenter = Segmenter::new();
            let mut batch = inner.blobs.batch(now_ms()).map_err(|e| store_error(&e))?;
            let mut buffer = vec![0; 1 << 20];
            let too_large = |e: &studytime_schema::SegmentError| {
                ApiError::refused(format!("{}: {e}", path.display()))
            };
            loop {
                let n = file.read(&mut buffer).map_err(|e| file_error(path, &e))?;
                if n == 0 {
                    break;
                }
                for (_, bytes) in segmenter.push(&buffer[..n]).map_err(|e| too_large(&e))? {
                    batch.add(&bytes).map_err(|e| store_error(&e))?;
                }
                if batch.count() >= BATCH {
                    added.extend(batch.commit().map_err(|e| store_error(&e))?);
                    batch = inner.blobs.batch(now_ms()).map_err(|e| store_error(&e))?;
                }
            }
            let (last, manifest) = segmenter
                .finish("application/octet-stream")
                .map_err(|e| too_large(&e))?;
            if let Some((_, bytes)) = last {
                batch.add(&bytes).map_err(|e| store_error(&e))?;
            }
            let id = batch
                .add(&manifest.to_json())
                .map_err(|e| store_error(&e))?;
            added.extend(batch.commit().map_err(|e| store_error(&e))?);
            (id, manifest.size, true)
        } else {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)
                .map_err(|e| file_error(path, &e))?;
            let one = inner
                .blobs
                .add(&bytes, Durability::Synced, now_ms())
                .map_err(|e| store_error(&e))?;
            added.push(one);
            (one.id, one.size, false)
        };
        let ids: Vec<BlobId> = added.iter().map(|a| a.id).collect();
        inner
            .blobs
            .pin(&Pinner::User, &ids)
            .map_err(|e| store_error(&e))?;
        for blob in added {
            inner.blob_stored(blob.id, blob.size, None);
        }
        Ok(BlobAdded { id, size, manifest })
    }

    pub(super) async fn blob_get(
        &self,
        call: BlobGet,
        report: Report<'_>,
    ) -> Result<BlobAdded, ApiError> {
        let limit = Duration::from_secs(call.timeout_seconds.max(1));
        let id = call.id;
        self.fetch_blob(id, Priority::Opened, limit).await?;
        let size = if call.manifest {
            self.fetch_segments(id, limit, report).await?
        } else {
            0
        };
        let output = call.output;
        self.blocking(move |n| {
            let size = match output {
                Some(path) => n.write_out(&id, call.manifest, &path)?,
                None if call.manifest => size,
                None => n
                    .inner()
                    .blobs
                    .size(&id)
                    .map_err(|e| store_error(&e))?
                    .unwrap_or(0),
            };
            Ok(BlobAdded {
                id,
                size,
                manifest: call.manifest,
            })
        })
        .await
    }

    /// Fetches every segment of a manifest; gives up when nothing comes for `limit`.
    async fn fetch_segments(
        &self,
        id: BlobId,
        limit: Duration,
        report: Report<'_>,
    ) -> Result<u64, ApiError> {
        let manifest = self
            .blocking(move |n| manifest_of(&n.inner().holdings, &id))
            .await?;
        let wants: Vec<(BlobId, WantSpec)> = {
            let manifest = manifest.clone();
            self.blocking(move |n| {
                let missing = manifest
                    .segments
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| !n.inner().holdings.has(s));
                Ok(missing
                    .map(|(i, s)| {
                        (
                            *s,
                            WantSpec::segment(
                                Priority::Opened,
                                i as u64,
                                manifest.segment_len(i).unwrap_or(0),
                            ),
                        )
                    })
                    .collect())
            })
            .await?
        };
        let _guard = WantGuard::new(self, &wants);
        let mut last = (u64::MAX, Instant::now());
        loop {
            let here = self
                .blocking(move |n| Ok(n.inner().holdings.presence(&id, true)))
                .await?;
            report(Progress::new(
                "Fetching",
                ProgressUnit::Bytes,
                here.bytes,
                manifest.size,
            ));
            if here.complete {
                return Ok(manifest.size);
            }
            if here.bytes != last.0 {
                last = (here.bytes, Instant::now());
            }
            if last.1.elapsed() > limit {
                return Err(ApiError::not_found(format!(
                    "nothing more of {id} came within {} s; {} of {} bytes are here",
                    limit.as_secs(),
                    here.bytes,
                    manifest.size
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes a blob, or the file a manifest stands for, to a new file that gets
    /// its name only when it is whole.
    pub(super) fn write_out(
        &self,
        id: &BlobId,
        manifest: bool,
        path: &Path,
    ) -> Result<u64, ApiError> {
        let parts = match manifest {
            true => manifest_of(&self.inner().holdings, id)?.segments.clone(),
            false => vec![*id],
        };
        let part_path = path.with_extension("part");
        let mut file = std::fs::File::create(&part_path).map_err(|e| file_error(&part_path, &e))?;
        let mut size = 0;
        for part in &parts {
            let bytes = self
                .inner()
                .blobs
                .read(part)
                .map_err(|e| store_error(&e))?
                .ok_or_else(|| ApiError::not_found(format!("{part} is not here")))?;
            size += bytes.len() as u64;
            file.write_all(&bytes)
                .map_err(|e| file_error(&part_path, &e))?;
        }
        file.sync_all().map_err(|e| file_error(&part_path, &e))?;
        std::fs::rename(&part_path, path).map_err(|e| file_error(path, &e))?;
        Ok(size)
    }

    pub(super) async fn blob_list(&self) -> Result<Vec<BlobInfo>, ApiError> {
        self.blocking(|n| {
            let mut all = Vec::new();
            n.each_blob(|b| {
                all.push(BlobInfo {
                    id: b.id,
                    size: b.size,
                    pinned: b.pinned,
                })
            })?;
            Ok(all)
        })
        .await
    }
}
