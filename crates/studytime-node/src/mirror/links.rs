//! The web addresses and magnet links that authors gave for their videos.
//!
//! A file may be had from there when no peer and no mirror has it: whole, or a
//! segment as a part of the file. Where it really leads, and what comes, is
//! held to the same rules as a mirror.

use crate::node::Node;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use studytime_schema::{BlobId, FeedId};

/// Files whose addresses are remembered.
const MAX_FILES: usize = 4_096;
/// After this, an address may have changed.
const FRESH: Duration = Duration::from_secs(300);
/// Addresses tried of one file, of each kind.
const MAX_ADDRESSES: usize = 4;

/// Addresses of files by their link: the blob itself, or its manifest.
#[derive(Default)]
pub(crate) struct Links {
    files: Mutex<HashMap<BlobId, (Instant, Vec<Address>)>>,
}

/// What an author gave, and the file's bytes by what he says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    at: Place,
    size: Option<u64>,
}

/// Where a file lies. The web is asked before those who share a torrent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// On a web server.
    Web(String),
    /// On BitTorrent.
    Magnet(String),
}

/// A blob as a part of what lies at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) at: Place,
    /// First byte and length; `None` for the whole.
    pub(super) range: Option<(u64, u64)>,
    /// The link of the file it is a part of.
    #[cfg_attr(not(feature = "bittorrent"), allow(dead_code))]
    pub(super) file: BlobId,
    /// Bytes of that file, when they are known.
    #[cfg_attr(not(feature = "bittorrent"), allow(dead_code))]
    pub(super) size: Option<u64>,
}

impl Links {
    fn known(&self, file: &BlobId) -> Option<Vec<Address>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, urls) = files.get(file)?;
        (at.elapsed() < FRESH).then(|| urls.clone())
    }

    fn note(&self, file: BlobId, urls: Vec<Address>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= MAX_FILES {
            files.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if files.len() >= MAX_FILES {
            files.clear();
        }
        files.insert(file, (Instant::now(), urls));
    }
}

impl Node {
    /// Where a blob may lie by what authors say. Blocks.
    pub(super) fn parts_of(&self, blob: &BlobId) -> Vec<Part> {
        let mut parts = Vec::new();
        for Address { at, size } in self.addresses(blob) {
            parts.push(Part {
                at,
                range: None,
                file: *blob,
                size,
            });
        }
        for file in self.inner().holdings.users(blob) {
            let Some(manifest) = self.inner().holdings.manifest(&file) else {
                continue;
            };
            let place = manifest.segments.iter().position(|s| s == blob);
            let range = place.and_then(|i| {
                let len = manifest.segment_len(i)?;
                Some((u64::from(manifest.segment_size).checked_mul(i as u64)?, len))
            });
            if range.is_none() {
                continue;
            }
            for Address { at, .. } in self.addresses(&file) {
                parts.push(Part {
                    at,
                    range,
                    file,
                    size: Some(manifest.size),
                });
            }
        }
        parts.sort_by(|a, b| a.at.cmp(&b.at));
        parts.dedup_by(|a, b| a.at == b.at && a.range == b.range);
        let (mut web, mut magnets) = (0, 0);
        parts.retain(|p| {
            let of = match p.at {
                Place::Web(_) => &mut web,
                Place::Magnet(_) => &mut magnets,
            };
            *of += 1;
            *of <= MAX_ADDRESSES
        });
        parts
    }

    /// The addresses given for a file.
    fn addresses(&self, file: &BlobId) -> Vec<Address> {
        let links = &self.inner().mirrors.links;
        if let Some(known) = links.known(file) {
            return known;
        }
        let mut courses: BTreeSet<FeedId> = self.opened_courses().into_iter().collect();
        courses.extend(self.inner().prefetch.fetched());
        let mut all = Vec::new();
        for course in courses {
            // What cannot be read has no address.
            all.extend(self.addresses_in(&course, file).unwrap_or_default());
        }
        all.dedup();
        links.note(*file, all.clone());
        all
    }

    fn addresses_in(&self, course: &FeedId, file: &BlobId) -> Option<Vec<Address>> {
        let needed = self.needed_blobs(course).ok()?;
        let need = needed.into_iter().find(|n| n.blob == *file)?;
        let lesson = self.reader().lesson(course, need.lesson_number?).ok()??;
        let sources = lesson.lesson.videos.into_iter().flat_map(|v| v.sources);
        let sources = sources.filter(|s| s.link == Some(*file) && s.manifest == need.manifest);
        let mut all = Vec::new();
        for source in sources.take(MAX_ADDRESSES) {
            let web = source.url.map(Place::Web);
            let magnet = source.magnet.map(Place::Magnet);
            for at in web.into_iter().chain(magnet) {
                let size = source.size;
                all.push(Address { at, size });
            }
        }
        Some(all)
    }
}
