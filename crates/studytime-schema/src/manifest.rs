//! Manifests: how a file too large for one blob is listed as segments.

use crate::refs::BlobId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A blob on the network has strictly fewer bytes than this (5 MiB).
pub const MAX_BLOB_SIZE: u64 = 5 * 1024 * 1024;
/// The bytes of every segment but the last, as written here (1 MiB).
pub const SEGMENT_SIZE: u32 = 1 << 20;
/// The smallest `segment_size` that is read (64 KiB).
pub const MIN_SEGMENT_SIZE: u32 = 64 * 1024;
/// The largest `segment_size` that is read (4 MiB).
pub const MAX_SEGMENT_SIZE: u32 = 4 * 1024 * 1024;
/// The most segments in a manifest. With their ids it stays below
/// [`MAX_BLOB_SIZE`]: 65,536 ids of 55 bytes are 3.6 MB.
pub const MAX_SEGMENTS: usize = 65_536;
/// The longest `content_type` that is read.
const MAX_CONTENT_TYPE: usize = 127;

/// Whether a file of `size` bytes must be published as segments and a
/// manifest. Smaller files are plain blobs under their own hash.
pub const fn needs_manifest(size: u64) -> bool {
    size >= MAX_BLOB_SIZE
}

/// A file as a list of segments, itself a blob.
///
/// JSON: `{"type":"studytime_manifest","version":1,"content_type":"video/mp4",
/// "size":N,"segment_size":1048576,"sha256":"<base64 of the whole file's hash>",
/// "segments":["&….sha256",…]}`. A link to one says `manifest: true`; a blob is
/// never taken for a manifest by its looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// MIME type of the file; `application/octet-stream` when nothing better is known.
    pub content_type: String,
    /// Bytes of the file; more than 0.
    pub size: u64,
    /// Bytes of every segment but the last.
    pub segment_size: u32,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// The segments in order.
    pub segments: Vec<BlobId>,
}

/// Why a blob is not a manifest that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is as large as only a file can be.
    #[error("a manifest is smaller than 5 MiB, and this blob has {size} bytes")]
    TooLarge {
        /// Its bytes.
        size: u64,
    },
    /// It is not the JSON of a manifest.
    #[error("the blob is not the JSON of a manifest")]
    NotJson(#[source] serde_json::Error),
    /// `type` is another one.
    #[error("the blob says it is {0:?}, not \"studytime_manifest\"")]
    WrongType(String),
    /// `version` is not 1.
    #[error("the manifest has version {0}; this program knows version 1, so a newer one is needed")]
    Version(u64),
    /// `segment_size` is out of bounds.
    #[error("segments of {0} bytes are not allowed; they have 65536 to 4194304")]
    SegmentSize(u64),
    /// `size` is 0.
    #[error("the manifest describes an empty file, which needs none")]
    Empty,
    /// There are more than [`MAX_SEGMENTS`] segments.
    #[error("the manifest has {0} segments; 65536 are allowed")]
    TooManySegments(u64),
    /// Number of segments and sizes do not fit.
    #[error(
        "a file of {size} bytes in segments of {segment_size} has {expected} of them, and the manifest lists {listed}"
    )]
    Count {
        /// The file's bytes.
        size: u64,
        /// A segment's bytes.
        segment_size: u32,
        /// The number that would fit.
        expected: u64,
        /// The number listed.
        listed: usize,
    },
    /// The manifest names itself among its segments.
    #[error("the manifest lists itself as segment {0}")]
    ListsItself(usize),
    /// A segment is the blob of no bytes.
    #[error("segment {0} is the empty blob")]
    EmptySegment(usize),
    /// An id, the hash or the content type is not in its one spelling.
    #[error("the manifest's {field} is not in its proper form")]
    NotCanonical {
        /// The field.
        field: &'static str,
    },
}

/// The ids as they come, capped while reading.
struct Ids(Vec<BlobId>, u64);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Ids;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of blob ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ids, A::Error> {
                let mut ids = Vec::new();
                while ids.len() < MAX_SEGMENTS {
                    match seq.next_element::<std::borrow::Cow<'de, str>>()? {
                        Some(id) => ids.push(BlobId::from_sigil(&id).map_err(de::Error::custom)?),
                        None => return Ok(Ids(ids, 0)),
                    }
                }
                let mut more = 0;
                while seq.next_element::<de::IgnoredAny>()?.is_some() {
                    more += 1;
                }
                Ok(Ids(ids, more))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    type_name: String,
    version: u64,
    content_type: String,
    size: u64,
    segment_size: u64,
    sha256: String,
    segments: Ids,
}

fn is_proper_type(text: &str) -> bool {
    let printable = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    printable && !text.trim().is_empty() && text.len() <= MAX_CONTENT_TYPE
}

/// The MIME type as a manifest may hold it.
pub(crate) fn proper_type(text: &str) -> String {
    if is_proper_type(text) {
        text.to_owned()
    } else {
        "application/octet-stream".to_owned()
    }
}

impl Manifest {
    /// Reads a manifest blob.
    ///
    /// # Errors
    /// [`ManifestError`] when it is none, or its numbers do not fit together.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let len = bytes.len() as u64;
        if len >= MAX_BLOB_SIZE {
            return Err(ManifestError::TooLarge { size: len });
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(ManifestError::NotJson)?;
        if wire.type_name != "studytime_manifest" {
            let cut = wire.type_name.chars().take(60).collect();
            return Err(ManifestError::WrongType(cut));
        }
        if wire.version != 1 {
            return Err(ManifestError::Version(wire.version));
        }
        let Ids(segments, more) = wire.segments;
        if more > 0 {
            return Err(ManifestError::TooManySegments(
                more.saturating_add(MAX_SEGMENTS as u64),
            ));
        }
        let segment_size = u32::try_from(wire.segment_size)
            .map_err(|_| ManifestError::SegmentSize(wire.segment_size))?;
        let mut sha256 = [0u8; 33];
        let sha256 = match STANDARD.decode_slice(&wire.sha256, &mut sha256) {
            Ok(32) => sha256.first_chunk::<32>().copied(),
            _ => None,
        }
        .ok_or(ManifestError::NotCanonical { field: "sha256" })?;
        let manifest = Self {
            content_type: wire.content_type,
            size: wire.size,
            segment_size,
            sha256,
            segments,
        };
        manifest.check()?;
        let own = BlobId::of(bytes);
        match manifest.segments.iter().position(|s| *s == own) {
            Some(at) => Err(ManifestError::ListsItself(at)),
            None => Ok(manifest),
        }
    }

    /// Whether the numbers fit together.
    ///
    /// # Errors
    /// [`ManifestError`] when they do not.
    pub fn check(&self) -> Result<(), ManifestError> {
        if !(MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&self.segment_size) {
            return Err(ManifestError::SegmentSize(self.segment_size.into()));
        }
        if self.size == 0 {
            return Err(ManifestError::Empty);
        }
        let expected = self.size.div_ceil(self.segment_size.into());
        if expected > MAX_SEGMENTS as u64 {
            return Err(ManifestError::TooManySegments(expected));
        }
        if expected != self.segments.len() as u64 {
            return Err(ManifestError::Count {
                size: self.size,
                segment_size: self.segment_size,
                expected,
                listed: self.segments.len(),
            });
        }
        if let Some(at) = self.segments.iter().position(|s| *s == BlobId::EMPTY) {
            return Err(ManifestError::EmptySegment(at));
        }
        if !is_proper_type(&self.content_type) {
            return Err(ManifestError::NotCanonical {
                field: "content_type",
            });
        }
        Ok(())
    }

    /// The bytes of the manifest blob: the same for the same manifest.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = String::with_capacity(256 + self.segments.len() * 55);
        // A text's JSON form always exists.
        let content_type = serde_json::to_string(&self.content_type).unwrap_or_default();
        out.push_str(&format!(
            "{{\"type\":\"studytime_manifest\",\"version\":1,\"content_type\":{content_type},\
             \"size\":{},\"segment_size\":{},\"sha256\":\"{}\",\"segments\":[",
            self.size,
            self.segment_size,
            STANDARD.encode(self.sha256),
        ));
        for (i, segment) in self.segments.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push('"');
            out.push_str(&segment.to_string());
            out.push('"');
        }
        out.push_str("]}");
        out.into_bytes()
    }

    /// Which segment holds the byte at `offset`, and where in it; `None` at or
    /// beyond the end.
    pub fn segment_at(&self, offset: u64) -> Option<(usize, u64)> {
        if offset >= self.size || self.segment_size == 0 {
            return None;
        }
        let size = u64::from(self.segment_size);
        let index = usize::try_from(offset / size).ok()?;
        Some((index, offset % size))
    }

    /// The bytes of segment `index`; `None` when there is no such segment.
    pub fn segment_len(&self, index: usize) -> Option<u64> {
        let start = self.segment_start(index)?;
        Some((self.size - start).min(self.segment_size.into()))
    }

    /// Where segment `index` starts in the file; `None` when there is no such
    /// segment.
    pub fn segment_start(&self, index: usize) -> Option<u64> {
        (index as u64)
            .checked_mul(self.segment_size.into())
            .filter(|start| *start < self.size)
    }
}
