//! Cutting a file into segments, in constant memory.

use crate::manifest::{MAX_SEGMENTS, Manifest, SEGMENT_SIZE};
use crate::refs::BlobId;
use sha2::{Digest, Sha256};

/// Why a file cannot be cut into segments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// It has no bytes.
    #[error("an empty file has no segments; there is nothing to publish")]
    Empty,
    /// It has more bytes than a manifest can list.
    #[error("the file is larger than {max} bytes, the most that one manifest can list; split it")]
    TooLarge {
        /// The most bytes a file may have.
        max: u64,
    },
}

/// One segment and its id.
pub type Segment = (BlobId, Vec<u8>);

/// Bytes in, segments and ids out, and a [`Manifest`] at the end.
///
/// Holds at most one segment, the hash of the file and the ids so far.
///
/// ```
/// use studytime_schema::Segmenter;
/// let mut segmenter = Segmenter::new();
/// let mut kept = Vec::new();
/// for bytes in [&b"one"[..], b"two"] {
///     kept.extend(segmenter.push(bytes)?); // store each as a blob
/// }
/// let (last, manifest) = segmenter.finish("text/plain")?;
/// kept.extend(last);
/// assert_eq!(manifest.segments, [kept[0].0]);
/// assert_eq!(kept[0].1, b"onetwo");
/// # Ok::<(), studytime_schema::SegmentError>(())
/// ```
#[derive(Debug)]
pub struct Segmenter {
    segment_size: usize,
    buffer: Vec<u8>,
    size: u64,
    hash: Sha256,
    segments: Vec<BlobId>,
}

impl Default for Segmenter {
    fn default() -> Self {
        Self::new()
    }
}

impl Segmenter {
    /// A segmenter for one file, with segments of [`SEGMENT_SIZE`].
    pub fn new() -> Self {
        Self {
            segment_size: SEGMENT_SIZE as usize,
            buffer: Vec::new(),
            size: 0,
            hash: Sha256::new(),
            segments: Vec::new(),
        }
    }

    /// The bytes taken in so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes in the next bytes and returns the segments they complete.
    ///
    /// Pass at most a segment's worth at a time to stay in constant memory.
    ///
    /// # Errors
    /// [`SegmentError::TooLarge`] as soon as the file is too large for one
    /// manifest; the segmenter is of no use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Segment>, SegmentError> {
        let max = MAX_SEGMENTS as u64 * self.segment_size as u64;
        self.size = self
            .size
            .checked_add(bytes.len() as u64)
            .filter(|size| *size <= max)
            .ok_or(SegmentError::TooLarge { max })?;
        self.hash.update(bytes);
        let mut done = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer
                    .reserve_exact(self.segment_size.min(rest.len().max(64 * 1024)));
            }
            let room = self.segment_size - self.buffer.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
            if self.buffer.len() == self.segment_size {
                done.push(self.cut());
            }
        }
        Ok(done)
    }

    fn cut(&mut self) -> Segment {
        let bytes = std::mem::take(&mut self.buffer);
        let id = BlobId::of(&bytes);
        self.segments.push(id);
        (id, bytes)
    }

    /// Ends the file: the last segment, unless the file ended with a full one,
    /// and the manifest.
    ///
    /// # Errors
    /// [`SegmentError::Empty`] when nothing was taken in.
    pub fn finish(
        mut self,
        content_type: &str,
    ) -> Result<(Option<Segment>, Manifest), SegmentError> {
        if self.size == 0 {
            return Err(SegmentError::Empty);
        }
        let last = (!self.buffer.is_empty()).then(|| self.cut());
        let manifest = Manifest {
            content_type: crate::manifest::proper_type(content_type),
            size: self.size,
            segment_size: SEGMENT_SIZE,
            sha256: self.hash.finalize().into(),
            segments: self.segments,
        };
        Ok((last, manifest))
    }
}
