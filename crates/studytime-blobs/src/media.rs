//! Playing what is still arriving: positions in, an ordered list of wanted
//! blobs out.
//!
//! [`Media`] holds all open readers. Each reader has a position; the position
//! yields a window of segments ahead of it; the windows of all readers are
//! merged into one list, nearest first. A reader that has not read yet has no window:
//! whoever opens a file only to ask for its size, or to go elsewhere first, makes
//! nobody fetch anything. A read on a segment that is not here
//! *parks*: [`Media::read`] says which blob it needs, and
//! [`Media::segment_arrived`] names the readers to wake. Seeking only moves the
//! position, closing withdraws the window; there is no streaming mode.
//!
//! No I/O happens here. Whether a segment is in the store is asked of the
//! driver ([`Media::poll_lookup`]); bytes are read by the driver from the place that
//! [`Read::Ready`] names.

use crate::wants::{Rank, WantSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use studytime_schema::{BlobId, MAX_BLOB_SIZE, Manifest};

mod file;
#[cfg(test)]
mod tests;

pub use file::{MediaFile, MediaFileError};

/// Names an open reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReaderId(u64);

/// How far to look ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaConfig {
    /// Segments ahead of the position when the bit rate is not known. Default 32.
    pub window: u32,
    /// Seconds ahead of the position when the bit rate is known. Default 60.
    pub seconds: u32,
    /// Fewest segments ahead, whatever the bit rate. Default 4.
    pub min_window: u32,
    /// Most segments ahead, whatever the bit rate. Default 64.
    pub max_window: u32,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            window: 32,
            seconds: 60,
            min_window: 4,
            max_window: 64,
        }
    }
}

/// What a read finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Read at most `len` bytes at `offset` of this blob, then call
    /// [`Media::advance`]. Never crosses a segment.
    Ready {
        /// The blob to read from.
        blob: BlobId,
        /// Where in the blob, in bytes.
        offset: u64,
        /// Bytes that may be read there, at least 1.
        len: u64,
    },
    /// The segment is not here; the reader is parked until
    /// [`Media::segment_arrived`] names it (or it seeks).
    NeedSegment {
        /// The blob that is waited for.
        blob: BlobId,
    },
    /// It is not known whether the segment is here: look it up, tell
    /// [`Media::looked_up`] and read again.
    Lookup {
        /// The blob to look up.
        blob: BlobId,
    },
    /// The end of the file.
    End,
    /// No such reader: it was closed.
    Closed,
}

#[derive(Debug)]
struct Reader {
    file: Arc<MediaFile>,
    bytes_per_second: Option<u64>,
    position: u64,
    /// The segment it was opened at or moved to.
    start: usize,
    /// It has read, or tried to.
    reads: bool,
    /// It reads no further.
    until: u64,
    parked: Option<BlobId>,
    /// The larger, the later it was last seeked or opened.
    recency: u64,
}

impl Reader {
    fn index(&self) -> usize {
        let last = self.file.segments().len();
        self.file.locate(self.position).map_or(last, |(i, _)| i)
    }

    fn window(&self, config: &MediaConfig) -> usize {
        let segments = match self.bytes_per_second {
            None => u64::from(config.window.max(1)),
            Some(rate) => {
                let (min, max) = (config.min_window.max(1), config.max_window.max(1));
                rate.saturating_mul(u64::from(config.seconds))
                    .div_ceil(self.file.segment_size())
                    .clamp(u64::from(min.min(max)), u64::from(max))
            }
        };
        usize::try_from(segments).unwrap_or(usize::MAX)
    }

    /// The segments of the window with their distance from the position.
    fn ahead(&self, config: &MediaConfig) -> impl Iterator<Item = (usize, BlobId, u64)> + '_ {
        let first = self.index();
        let end = self.until.div_ceil(self.file.segment_size());
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let window = match self.reads {
            true => self.window(config).min(end.saturating_sub(first)),
            false => 0,
        };
        let segments = self.file.segments().iter().enumerate();
        segments
            .skip(first)
            .take(window)
            .map(move |(i, id)| (i - first, *id, self.file.segment_len(i)))
    }
}

/// All open readers. See the [module page](self).
///
/// ```
/// use std::sync::Arc;
/// use studytime_blobs::media::{Media, MediaConfig, MediaFile, Read};
/// use studytime_schema::BlobId;
///
/// let clip = BlobId::of(b"a short clip");
/// let mut media = Media::new(MediaConfig::default());
/// let reader = media.open(Arc::new(MediaFile::blob(clip, 12)), None);
/// assert_eq!(media.read(reader), Read::Lookup { blob: clip });
/// media.looked_up(&clip, false);
/// assert_eq!(media.read(reader), Read::NeedSegment { blob: clip });
/// let wants = media.poll_wants().unwrap();
/// assert_eq!(wants.len(), 1);
/// // … fetched …
/// assert_eq!(media.segment_arrived(&clip), vec![reader]);
/// assert_eq!(media.read(reader), Read::Ready { blob: clip, offset: 0, len: 12 });
/// ```
#[derive(Debug, Default)]
pub struct Media {
    config: MediaConfig,
    opened: u64,
    readers: BTreeMap<ReaderId, Reader>,
    /// What is known of the segments in the windows: here or missing.
    here: HashMap<BlobId, bool>,
    lookups: BTreeSet<BlobId>,
    wanted: Vec<(BlobId, WantSpec)>,
    changed: bool,
}

impl Media {
    /// No readers.
    pub fn new(config: MediaConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Opens a reader at the start of `file`. `bytes_per_second` is the mean
    /// rate of the media when it is known; it sizes the window.
    pub fn open(&mut self, file: Arc<MediaFile>, bytes_per_second: Option<u64>) -> ReaderId {
        self.opened += 1;
        let id = ReaderId(self.opened);
        let reader = Reader {
            file,
            bytes_per_second,
            position: 0,
            start: 0,
            reads: false,
            until: u64::MAX,
            parked: None,
            recency: self.opened,
        };
        self.readers.insert(id, reader);
        id
    }

    /// The mean rate of the media became known; it sizes the window.
    pub fn set_rate(&mut self, reader: ReaderId, bytes_per_second: Option<u64>) {
        if let Some(r) = self.readers.get_mut(&reader) {
            r.bytes_per_second = bytes_per_second;
            self.moved();
        }
    }

    /// Nothing at or behind this position will be read: the window ends there.
    pub fn stop_at(&mut self, reader: ReaderId, position: u64) {
        if let Some(r) = self.readers.get_mut(&reader) {
            r.until = position;
            self.moved();
        }
    }

    /// Closes a reader and withdraws its window. Unknown readers are ignored.
    pub fn close(&mut self, reader: ReaderId) {
        if self.readers.remove(&reader).is_some() {
            self.moved();
        }
    }

    /// Open readers.
    pub fn readers(&self) -> impl Iterator<Item = ReaderId> + '_ {
        self.readers.keys().copied()
    }

    /// Where a reader is, in bytes.
    pub fn position(&self, reader: ReaderId) -> Option<u64> {
        self.readers.get(&reader).map(|r| r.position)
    }

    /// Moves a reader; a parked one is no longer parked. Behind the end is allowed: reads give the end.
    pub fn seek(&mut self, reader: ReaderId, position: u64) {
        self.opened += 1;
        let recency = self.opened;
        let Some(r) = self.readers.get_mut(&reader) else {
            return;
        };
        let before = r.index();
        r.position = position;
        r.start = r.index();
        r.recency = recency;
        let parked = r.parked.take();
        if r.index() != before || parked.is_some() {
            self.moved();
        }
    }

    /// Moves a reader on by `n` bytes that were read.
    pub fn advance(&mut self, reader: ReaderId, n: u64) {
        let Some(r) = self.readers.get_mut(&reader) else {
            return;
        };
        let before = r.index();
        r.position = r.position.saturating_add(n);
        if r.index() != before {
            self.moved();
        }
    }

    /// What is at a reader's position. The first read opens its window.
    pub fn read(&mut self, reader: ReaderId) -> Read {
        let Some(r) = self.readers.get_mut(&reader) else {
            return Read::Closed;
        };
        if !std::mem::replace(&mut r.reads, true) {
            self.moved();
        }
        let Some(r) = self.readers.get_mut(&reader) else {
            return Read::Closed;
        };
        let Some((index, offset)) = r.file.locate(r.position) else {
            return Read::End;
        };
        let Some(blob) = r.file.segments().get(index).copied() else {
            return Read::End;
        };
        match self.here.get(&blob) {
            Some(true) => Read::Ready {
                blob,
                offset,
                len: r.file.segment_len(index).saturating_sub(offset),
            },
            Some(false) => {
                if r.parked.replace(blob) != Some(blob) {
                    self.changed = true;
                }
                Read::NeedSegment { blob }
            }
            None => Read::Lookup { blob },
        }
    }

    /// A blob was stored: returns the readers to wake, those that were parked
    /// on it. Blobs outside every window are ignored.
    pub fn segment_arrived(&mut self, blob: &BlobId) -> Vec<ReaderId> {
        self.lookups.remove(blob);
        if !self.here.contains_key(blob) && !self.is_ahead(blob) {
            return Vec::new();
        }
        if self.here.insert(*blob, true) != Some(true) {
            self.changed = true;
        }
        let mut woken = Vec::new();
        for (id, reader) in &mut self.readers {
            if reader.parked == Some(*blob) {
                reader.parked = None;
                woken.push(*id);
            }
        }
        woken
    }

    /// A blob turned out not to be in the store any more.
    pub fn segment_lost(&mut self, blob: &BlobId) {
        if self.is_ahead(blob) && self.here.insert(*blob, false) != Some(false) {
            self.changed = true;
        }
    }

    /// The answer to [`poll_lookup`](Self::poll_lookup) or [`Read::Lookup`].
    /// Returns the readers to wake. A blob that arrived after it was looked up
    /// stays here.
    pub fn looked_up(&mut self, blob: &BlobId, here: bool) -> Vec<ReaderId> {
        if here {
            return self.segment_arrived(blob);
        }
        self.lookups.remove(blob);
        if self.here.get(blob) != Some(&true) {
            self.segment_lost(blob);
        }
        Vec::new()
    }

    fn is_ahead(&self, blob: &BlobId) -> bool {
        let mut windows = self.readers.values().flat_map(|r| r.ahead(&self.config));
        windows.any(|(_, id, _)| id == *blob)
    }

    /// Blobs whose presence is not known, nearest readers' windows included;
    /// answer each with [`looked_up`](Self::looked_up).
    pub fn poll_lookup(&mut self) -> Option<Vec<BlobId>> {
        let blobs: Vec<_> = std::mem::take(&mut self.lookups).into_iter().collect();
        (!blobs.is_empty()).then_some(blobs)
    }

    /// The merged list of missing blobs, the most urgent first, when it has
    /// changed since the last call. Give it whole to
    /// [`Wants::replace`](crate::wants::Wants::replace).
    pub fn poll_wants(&mut self) -> Option<Vec<(BlobId, WantSpec)>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        // (order, newest reader first) -> blob; the first place of a blob counts.
        let mut list = BTreeMap::new();
        for reader in self.readers.values() {
            for (distance, id, len) in reader.ahead(&self.config) {
                if self.here.get(&id) != Some(&false) {
                    continue;
                }
                let parked = distance == 0 && reader.parked == Some(id);
                let place = reader.index() - reader.start.min(reader.index()) + distance;
                let starting = (place as u64) < Rank::IN_ORDER;
                let order = match (parked, starting) {
                    (true, true) => 0,
                    (true, false) => Rank::WAITED_FOR,
                    (false, true) => 1 + distance as u64,
                    (false, false) => 1 + Rank::WAITED_FOR + distance as u64,
                };
                let newest = std::cmp::Reverse(reader.recency);
                list.entry((order, newest, distance)).or_insert((id, len));
            }
        }
        let mut seen = BTreeSet::new();
        let wanted: Vec<_> = list
            .into_iter()
            .filter(|(_, (id, _))| seen.insert(*id))
            .map(|((order, _, _), (id, len))| {
                (id, WantSpec::playing(order, len.min(MAX_BLOB_SIZE - 1)))
            })
            .collect();
        if wanted == self.wanted {
            return None;
        }
        self.wanted.clone_from(&wanted);
        Some(wanted)
    }

    /// Windows moved: forget what left them, look up what entered them.
    fn moved(&mut self) {
        self.changed = true;
        let windows = self.readers.values();
        let inside: BTreeSet<BlobId> = windows
            .flat_map(|r| r.ahead(&self.config).map(|(_, id, _)| id))
            .collect();
        self.here.retain(|id, _| inside.contains(id));
        self.lookups = inside
            .into_iter()
            .filter(|id| !self.here.contains_key(id))
            .collect();
    }
}

/// Makes a [`MediaFile`] of a link: segments when there is a manifest, else
/// one blob of `size` bytes.
///
/// # Errors
/// [`MediaFileError`] when the manifest contradicts itself.
pub fn media_file(
    id: BlobId,
    size: u64,
    manifest: Option<&Manifest>,
) -> Result<MediaFile, MediaFileError> {
    match manifest {
        Some(manifest) => MediaFile::segmented(id, manifest),
        None => Ok(MediaFile::blob(id, size)),
    }
}
