//! A file as the reader sees it: its size and the blobs that hold it.

use studytime_schema::{BlobId, MAX_BLOB_SIZE, Manifest};

/// A file that can be read at any position: one plain blob, or the segments of
/// a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    id: BlobId,
    size: u64,
    segment_size: u64,
    segments: Vec<BlobId>,
}

/// Why a manifest cannot be read from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaFileError {
    /// The segments cannot hold a file of that size.
    #[error(
        "the manifest {id} names {segments} segments of {segment_size} bytes for a file of {size}"
    )]
    Shape {
        /// The manifest.
        id: BlobId,
        /// Size of the file in bytes.
        size: u64,
        /// Size of a segment in bytes.
        segment_size: u64,
        /// Segments named.
        segments: usize,
    },
}

impl MediaFile {
    /// A file that is one blob.
    pub fn blob(id: BlobId, size: u64) -> Self {
        Self {
            id,
            size,
            segment_size: size.max(1),
            segments: if size == 0 { Vec::new() } else { vec![id] },
        }
    }

    /// A file cut into segments; `id` is the blob that holds the manifest.
    ///
    /// # Errors
    /// [`MediaFileError`] when the manifest contradicts itself.
    pub fn segmented(id: BlobId, manifest: &Manifest) -> Result<Self, MediaFileError> {
        let file = Self {
            id,
            size: manifest.size,
            segment_size: u64::from(manifest.segment_size),
            segments: manifest.segments.clone(),
        };
        let possible = (1..MAX_BLOB_SIZE).contains(&file.segment_size)
            && file.size.div_ceil(file.segment_size) == file.segments.len() as u64
            && !file.segments.contains(&BlobId::EMPTY);
        match possible {
            true => Ok(file),
            false => Err(MediaFileError::Shape {
                id,
                size: file.size,
                segment_size: file.segment_size,
                segments: file.segments.len(),
            }),
        }
    }

    /// The blob or the manifest; what an entity tag is made of.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Size of every segment but the last, in bytes.
    pub fn segment_size(&self) -> u64 {
        self.segment_size
    }

    /// The blobs, in order.
    pub fn segments(&self) -> &[BlobId] {
        &self.segments
    }

    /// Bytes in segment `index`; 0 when there is no such segment.
    pub fn segment_len(&self, index: usize) -> u64 {
        if index >= self.segments.len() {
            return 0;
        }
        let start = (index as u64).saturating_mul(self.segment_size);
        self.size.saturating_sub(start).min(self.segment_size)
    }

    /// The segment that holds `position` and the place in it, or `None` at and
    /// behind the end.
    pub fn locate(&self, position: u64) -> Option<(usize, u64)> {
        if position >= self.size {
            return None;
        }
        let index = usize::try_from(position / self.segment_size).ok()?;
        Some((index, position % self.segment_size))
    }
}
