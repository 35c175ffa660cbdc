//! Files into blobs, through a [`Sink`].

use crate::captions;
use crate::error::PublishError;
use crate::faststart::{self, Moved, Stays};
use crate::sink::{Progress, Sink, Stage};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use studytime_schema::{
    BlobId, MAX_BLOB_SIZE, SEGMENT_SIZE, SegmentError, Segmenter, needs_manifest,
};

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) link: BlobId,
    pub(crate) manifest: bool,
}

/// How much was stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    pub(crate) new_blobs: u64,
    pub(crate) new_bytes: u64,
}

/// How a file is opened: its handle, and the size it had.
pub(crate) type Handles = BTreeMap<String, (usize, u64)>;

/// Stores files once each.
pub(crate) struct Store<'a> {
    source: &'a mut dyn Source,
    handles: &'a Handles,
    /// Videos whose index is moved to the front.
    faststart: &'a BTreeSet<String>,
    out: Out<'a>,
    files: BTreeMap<String, Stored>,
    captions: BTreeMap<String, BlobId>,
}

/// The writing half, so that a file can be open while its segments are stored.
struct Out<'a> {
    sink: &'a mut dyn Sink,
    ids: BTreeSet<BlobId>,
    counts: Counts,
    done: u64,
    total: u64,
}

impl Out<'_> {
    fn tell(&mut self, path: &str, file_done: u64, file_total: u64) {
        self.sink.progress(Progress {
            stage: Stage::Storing,
            path,
            file_done,
            file_total,
            done: self.done.saturating_add(file_done),
            total: self.total,
        });
    }

    /// Stores one blob unless it is there.
    fn put(&mut self, path: &str, id: BlobId, bytes: &[u8]) -> Result<(), PublishError> {
        if self.sink.cancelled() {
            return Err(PublishError::Cancelled);
        }
        // Every peer has the empty blob.
        if id == BlobId::EMPTY || !self.ids.insert(id) {
            return Ok(());
        }
        let fault = |source| PublishError::Store {
            path: path.to_owned(),
            source,
        };
        let size = bytes.len() as u64;
        self.counts.blobs += 1;
        self.counts.bytes += size;
        if !self.sink.has_blob(&id).map_err(fault)? {
            self.sink.put_blob(id, bytes).map_err(fault)?;
            self.counts.new_blobs += 1;
            self.counts.new_bytes += size;
        }
        Ok(())
    }

    fn finish(&mut self, path: &str, size: u64) {
        self.tell(path, size, size);
        self.done = self.done.saturating_add(size);
    }
}

impl<'a> Store<'a> {
    pub(crate) fn new(
        source: &'a mut dyn Source,
        handles: &'a Handles,
        faststart: &'a BTreeSet<String>,
        sink: &'a mut dyn Sink,
        total: u64,
    ) -> Self {
        Self {
            source,
            handles,
            faststart,
            out: Out {
                sink,
                ids: BTreeSet::new(),
                counts: Counts::default(),
                done: 0,
                total,
            },
            files: BTreeMap::new(),
            captions: BTreeMap::new(),
        }
    }

    /// The sink back, and what was stored.
    pub(crate) fn done(self) -> (&'a mut dyn Sink, Counts) {
        (self.out.sink, self.out.counts)
    }

    /// Stores a text that is made here: a long lesson, a list of questions.
    /// `None` when it is too long even for a blob.
    pub(crate) fn text(&mut self, path: &str, text: &str) -> Result<Option<BlobId>, PublishError> {
        if needs_manifest(text.len() as u64) {
            return Ok(None);
        }
        let id = BlobId::of(text.as_bytes());
        self.out.put(path, id, text.as_bytes())?;
        Ok(Some(id))
    }

    /// Stores a file as it is, as one blob or as segments with a manifest.
    pub(crate) fn file(&mut self, path: &str, content_type: &str) -> Result<Stored, PublishError> {
        if let Some(stored) = self.files.get(path) {
            return Ok(*stored);
        }
        let (handle, mut size) = self.handle(path)?;
        let moved = match self.faststart.contains(path) {
            true => Some(self.moved(path, handle, size)?),
            false => None,
        };
        size = moved.as_ref().map_or(size, |m| m.size);
        self.out.tell(path, 0, size);
        let stored = if needs_manifest(size) {
            self.segments(path, handle, size, content_type, moved.as_ref())?
        } else {
            let bytes = self.whole(path, handle, size, moved.as_ref())?;
            let link = BlobId::of(&bytes);
            self.out.put(path, link, &bytes)?;
            Stored {
                link,
                manifest: false,
            }
        };
        self.out.finish(path, size);
        self.files.insert(path.to_owned(), stored);
        Ok(stored)
    }

    /// Stores captions as WebVTT.
    pub(crate) fn caption(&mut self, path: &str) -> Result<BlobId, PublishError> {
        if let Some(link) = self.captions.get(path) {
            return Ok(*link);
        }
        let (handle, size) = self.handle(path)?;
        self.out.tell(path, 0, size);
        let bytes = self.whole(path, handle, size, None)?;
        let invalid = |e| fault(path, io::Error::new(io::ErrorKind::InvalidData, e));
        let track = captions::convert(&bytes).map_err(invalid)?;
        let link = BlobId::of(track.webvtt.as_bytes());
        self.out.put(path, link, track.webvtt.as_bytes())?;
        self.out.finish(path, size);
        self.captions.insert(path.to_owned(), link);
        Ok(link)
    }

    fn handle(&self, path: &str) -> Result<(usize, u64), PublishError> {
        self.handles
            .get(path)
            .copied()
            .ok_or_else(|| fault(path, io::ErrorKind::NotFound.into()))
    }

    /// How a video is read so that its index comes first.
    fn moved(&mut self, path: &str, handle: usize, size: u64) -> Result<Moved, PublishError> {
        let planned = self
            .source
            .open(handle)
            .map_err(Stays::Io)
            .and_then(|mut stream| faststart::plan(stream.as_mut(), size));
        planned.map_err(|stays| match stays {
            Stays::Io(e) => fault(path, e),
            // It could be moved a moment ago.
            Stays::Because(_) => changed(path, size, size),
        })
    }

    fn open<'s>(
        source: &'s mut dyn Source,
        path: &str,
        handle: usize,
        moved: Option<&'s Moved>,
    ) -> Result<Box<dyn Read + 's>, PublishError> {
        let stream = source.open(handle).map_err(|e| fault(path, e))?;
        Ok(match moved {
            Some(moved) => Box::new(moved.read(stream)),
            None => Box::new(stream),
        })
    }

    fn whole(
        &mut self,
        path: &str,
        handle: usize,
        size: u64,
        moved: Option<&Moved>,
    ) -> Result<Vec<u8>, PublishError> {
        let stream = Self::open(self.source, path, handle, moved)?;
        let room = usize::try_from(size.min(MAX_BLOB_SIZE)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(room.saturating_add(1));
        stream
            .take(MAX_BLOB_SIZE)
            .read_to_end(&mut bytes)
            .map_err(|e| fault(path, e))?;
        let is = bytes.len() as u64;
        if is != size {
            return Err(changed(path, size, is));
        }
        Ok(bytes)
    }

    fn segments(
        &mut self,
        path: &str,
        handle: usize,
        size: u64,
        content_type: &str,
        moved: Option<&Moved>,
    ) -> Result<Stored, PublishError> {
        let out = &mut self.out;
        let mut stream = Self::open(self.source, path, handle, moved)?;
        let mut segmenter = Segmenter::new();
        let mut buffer = vec![0u8; SEGMENT_SIZE as usize];
        let mut read = 0u64;
        loop {
            let n = match stream.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(fault(path, e)),
            };
            let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else {
                break;
            };
            read += n as u64;
            if read > size {
                return Err(changed(path, size, read));
            }
            for (id, bytes) in segmenter.push(piece).map_err(|e| too_large(path, e))? {
                out.put(path, id, &bytes)?;
                out.tell(path, read, size);
            }
        }
        if read != size {
            return Err(changed(path, size, read));
        }
        let (last, manifest) = segmenter
            .finish(content_type)
            .map_err(|e| too_large(path, e))?;
        if let Some((id, bytes)) = last {
            out.put(path, id, &bytes)?;
        }
        let json = manifest.to_json();
        let link = BlobId::of(&json);
        out.put(path, link, &json)?;
        Ok(Stored {
            link,
            manifest: true,
        })
    }
}

fn fault(path: &str, source: io::Error) -> PublishError {
    PublishError::Read {
        path: path.to_owned(),
        source,
    }
}

fn changed(path: &str, was: u64, is: u64) -> PublishError {
    PublishError::Changed {
        path: path.to_owned(),
        was,
        is,
    }
}

fn too_large(path: &str, e: SegmentError) -> PublishError {
    fault(path, io::Error::new(io::ErrorKind::InvalidInput, e))
}
