//! A video's file in the blob store, whole or in segments, as what a torrent is made
//! of and given from.

use super::metainfo::{Info, MAX_PIECE, sha1};
use crate::mirror::words;
use crate::node::Node;
use std::sync::Arc;
use studytime_blobs::store::BlobRead;
use studytime_schema::content::VideoSource;
use studytime_schema::{BlobId, Manifest};

/// Bytes of a piece of a file that is one blob.
const SMALL_PIECE: u32 = 256 << 10;

/// A file in the store: a blob, or segments.
#[derive(Debug, Clone)]
pub(super) enum SourceFile {
    Blob(BlobId, u64),
    Segments(Arc<Manifest>),
}

/// Reads a file of the store; the blob last read from stays open.
pub(super) struct FileReader {
    node: Node,
    file: SourceFile,
    open: Option<(BlobId, Arc<dyn BlobRead>)>,
}

impl FileReader {
    pub(super) fn new(node: &Node, file: SourceFile) -> Self {
        Self {
            node: node.clone(),
            file,
            open: None,
        }
    }

    /// Fills a buffer from a place of the file. Blocks.
    pub(super) fn read(&mut self, mut at: u64, mut buf: &mut [u8]) -> Result<(), String> {
        while !buf.is_empty() {
            let (blob, offset) = match &self.file {
                SourceFile::Blob(blob, _) => (*blob, at),
                SourceFile::Segments(manifest) => {
                    let (index, offset) = manifest.segment_at(at).ok_or("the file ends before")?;
                    let blob = manifest.segments.get(index).copied();
                    (blob.ok_or("the file ends before")?, offset)
                }
            };
            let reader = match &self.open {
                Some((open, reader)) if *open == blob => Arc::clone(reader),
                _ => {
                    let found = self.node.inner().blobs.open(&blob);
                    let found = found.map_err(|e| words(&e))?;
                    let found = found.ok_or_else(|| format!("{blob} is not here any more"))?;
                    let reader: Arc<dyn BlobRead> = Arc::from(found);
                    self.open = Some((blob, Arc::clone(&reader)));
                    reader
                }
            };
            let n = reader.read_at(offset, buf).map_err(|e| words(&e))?;
            if n == 0 {
                return Err(format!("{blob} is shorter than it should be"));
            }
            at += n as u64;
            buf = buf.get_mut(n..).unwrap_or_default();
        }
        Ok(())
    }
}

impl SourceFile {
    /// The file of a source, when all of it is here. Blocks.
    pub(super) fn of(node: &Node, source: &VideoSource) -> Option<(BlobId, Self)> {
        let link = source.link?;
        if !node
            .inner()
            .holdings
            .presence(&link, source.manifest)
            .complete
        {
            return None;
        }
        let file = if source.manifest {
            Self::Segments(node.inner().holdings.manifest(&link)?)
        } else {
            Self::Blob(link, node.inner().blobs.size(&link).ok()??)
        };
        (file.len() > 0).then_some((link, file))
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Blob(_, size) => *size,
            Self::Segments(manifest) => manifest.size,
        }
    }

    /// Bytes of its pieces: those of its segments, so that a piece is one of them.
    fn piece_length(&self) -> u32 {
        match self {
            Self::Segments(m) if m.segment_size.is_power_of_two() => {
                m.segment_size.clamp(SMALL_PIECE, MAX_PIECE as u32)
            }
            _ => SMALL_PIECE,
        }
    }

    /// Reads all of it and describes it as a torrent. Blocks.
    pub(super) fn describe(self, node: &Node, name: &str) -> Result<Vec<u8>, String> {
        let (len, piece) = (self.len(), self.piece_length());
        let mut reader = FileReader::new(node, self);
        let mut buf = vec![0; piece as usize];
        let mut hashes = Vec::new();
        let mut at = 0;
        while at < len {
            if node.inner().stop.is_cancelled() {
                return Err("the node is shutting down".into());
            }
            let n = (len - at).min(piece.into());
            let part = buf.get_mut(..n as usize).unwrap_or_default();
            reader.read(at, part)?;
            hashes.extend_from_slice(&sha1(part));
            at += n;
        }
        Ok(Info::write(name, len, piece, &hashes))
    }
}
