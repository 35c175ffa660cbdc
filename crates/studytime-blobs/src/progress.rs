//! How far a download, a prefetch or an import of many blobs is.
//!
//! [`Tally`] counts what is here of a set of blobs and hands out
//! [`ProgressEvent`]s. It holds no task and no channel: whoever owns the runtime wraps it as a
//! handle that can be awaited (skip to the last event) or streamed (show each).
//!
//! Each event says whether it is **guaranteed** (comes exactly once, in its
//! place) or **ephemeral** (only the latest is kept; a slow reader misses
//! some). The order is always `Started`, any number of `Advanced`, and one of
//! `Finished` or `Failed`, after which nothing comes.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use studytime_schema::BlobId;

/// How much of something is here. Counts distinct blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes here.
    pub bytes_here: u64,
    /// Bytes in all, as far as sizes are known (a blob of unknown size counts
    /// once it is here).
    pub bytes_total: u64,
    /// Blobs here.
    pub blobs_here: u64,
    /// Blobs in all.
    pub blobs_total: u64,
}

impl Progress {
    /// True when every blob is here.
    pub fn is_complete(&self) -> bool {
        self.blobs_here >= self.blobs_total
    }

    /// From 0 to 100, rounded down, so that 100 means complete.
    pub fn percent(&self) -> u8 {
        let share = |here: u64, total: u64| {
            let share = u128::from(here) * 100 / u128::from(total.max(1));
            u8::try_from(share.min(100)).unwrap_or(100)
        };
        match (self.is_complete(), self.bytes_total) {
            (true, _) => 100,
            (false, 0) => share(self.blobs_here, self.blobs_total).min(99),
            (false, total) => share(self.bytes_here, total).min(99),
        }
    }
}

/// What happens on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProgressEvent {
    /// **Guaranteed**, first: where it stands at the start.
    Started(Progress),
    /// **Ephemeral**: where it stands now.
    Advanced(Progress),
    /// **Guaranteed**, last: all is here.
    Finished(Progress),
    /// **Guaranteed**, last: it ends without being complete.
    Failed {
        /// Where it stood.
        progress: Progress,
        /// Why, for a person.
        reason: String,
    },
}

impl ProgressEvent {
    /// The numbers in it.
    pub fn progress(&self) -> Progress {
        match self {
            Self::Started(p) | Self::Advanced(p) | Self::Finished(p) => *p,
            Self::Failed { progress, .. } => *progress,
        }
    }

    /// True for the event after which nothing comes.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Failed { .. })
    }
}

/// One blob of a [`Tally`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The blob.
    pub id: BlobId,
    /// Its size in bytes, when known.
    pub size: Option<u64>,
    /// True when it is here already.
    pub here: bool,
}

/// Counts the blobs of one download.
///
/// ```
/// use studytime_blobs::progress::{Item, ProgressEvent, Tally};
/// use studytime_schema::BlobId;
///
/// let id = BlobId::of(b"hello");
/// let mut tally = Tally::new([Item { id, size: Some(5), here: false }]);
/// assert!(matches!(tally.poll_event(), Some(ProgressEvent::Started(_))));
/// tally.arrived(&id, 5);
/// assert_eq!(tally.progress().percent(), 100);
/// assert!(matches!(tally.poll_event(), Some(ProgressEvent::Finished(_))));
/// assert!(tally.poll_event().is_none() && tally.is_over());
/// ```
#[derive(Debug, Clone)]
pub struct Tally {
    items: HashMap<BlobId, (Option<u64>, bool)>,
    progress: Progress,
    started: bool,
    advanced: bool,
    failed: Option<String>,
    over: bool,
}

impl Tally {
    /// Counts these blobs; one that is named twice counts once.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut tally = Self {
            items: HashMap::new(),
            progress: Progress::default(),
            started: false,
            advanced: false,
            failed: None,
            over: false,
        };
        for item in items {
            tally.add(item);
        }
        tally.advanced = false;
        tally
    }

    /// Adds a blob that turned out to belong to it, for example the segments
    /// of a manifest that has just come. Add them before
    /// [`arrived`](Self::arrived) is called for the manifest: it might be the last one.
    pub fn add(&mut self, item: Item) {
        if self.items.contains_key(&item.id) {
            if item.here {
                self.arrived(&item.id, item.size.unwrap_or(0));
            }
            return;
        }
        self.items.insert(item.id, (item.size, item.here));
        self.progress.blobs_total += 1;
        let size = item.size.unwrap_or(0);
        self.progress.bytes_total = self.progress.bytes_total.saturating_add(size);
        if item.here {
            self.progress.blobs_here += 1;
            self.progress.bytes_here = self.progress.bytes_here.saturating_add(size);
        }
        self.advanced = true;
    }

    /// Notes that a blob is here with this many bytes; others are ignored.
    /// Returns true when it counted.
    pub fn arrived(&mut self, id: &BlobId, size: u64) -> bool {
        let Some((known, here)) = self.items.get_mut(id) else {
            return false;
        };
        if *here {
            return false;
        }
        *here = true;
        // A declared size may have been wrong; what came is what counts.
        let declared = known.replace(size).unwrap_or(0);
        let p = &mut self.progress;
        p.bytes_total = p.bytes_total.saturating_sub(declared).saturating_add(size);
        p.bytes_here = p.bytes_here.saturating_add(size);
        p.blobs_here += 1;
        self.advanced = true;
        true
    }

    /// Ends it with a reason; ignored when it is over or complete.
    pub fn fail(&mut self, reason: impl Into<String>) {
        if !self.over && !self.progress.is_complete() {
            self.failed.get_or_insert_with(|| reason.into());
        }
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Blobs that are not here.
    pub fn missing(&self) -> impl Iterator<Item = BlobId> + '_ {
        let missing = self.items.iter().filter(|(_, (_, here))| !here);
        missing.map(|(id, _)| *id)
    }

    /// True once the last event was handed out.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The next event, or `None` when there is no news.
    pub fn poll_event(&mut self) -> Option<ProgressEvent> {
        if self.over {
            return None;
        }
        if !self.started {
            self.started = true;
            self.advanced = false;
            return Some(ProgressEvent::Started(self.progress));
        }
        if let Some(reason) = self.failed.take() {
            self.over = true;
            let progress = self.progress;
            return Some(ProgressEvent::Failed { progress, reason });
        }
        if self.progress.is_complete() {
            self.over = true;
            return Some(ProgressEvent::Finished(self.progress));
        }
        std::mem::take(&mut self.advanced).then_some(ProgressEvent::Advanced(self.progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> BlobId {
        BlobId::from_bytes([n; 32])
    }

    #[test]
    fn nothing_to_do_is_complete_at_once() {
        let mut tally = Tally::new([]);
        assert_eq!(tally.progress().percent(), 100);
        assert!(matches!(
            tally.poll_event(),
            Some(ProgressEvent::Started(_))
        ));
        assert!(tally.poll_event().is_some_and(|e| e.is_last()));
        assert_eq!(tally.poll_event(), None);
    }

    #[test]
    fn failing_is_the_last_word() {
        let mut tally = Tally::new([Item {
            id: id(1),
            size: None,
            here: false,
        }]);
        tally.fail("nobody has it");
        tally.fail("again");
        let _ = tally.poll_event();
        let Some(ProgressEvent::Failed { reason, .. }) = tally.poll_event() else {
            panic!("expected a failure");
        };
        assert_eq!(reason, "nobody has it");
        assert!(tally.is_over());
        assert_eq!(tally.poll_event(), None);
    }

    #[test]
    fn an_event_is_readable_json() {
        let event = ProgressEvent::Advanced(Progress {
            bytes_here: 1,
            bytes_total: 2,
            blobs_here: 0,
            blobs_total: 1,
        });
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"event":"advanced","bytes_here":1,"bytes_total":2,"blobs_here":0,"blobs_total":1}"#
        );
        assert_eq!(serde_json::from_str::<ProgressEvent>(&text).unwrap(), event);
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_arrivals_do_not_matter(
            items in proptest::collection::vec((0u8..12, proptest::option::of(0u64..50), any::<bool>()), 0..20),
            arrivals in proptest::collection::vec(0u8..14, 0..60),
        ) {
            let items = items.into_iter().map(|(n, size, here)| Item { id: id(n), size, here });
            let mut tally = Tally::new(items);
            let mut last = None;
            let mut started = 0;
            for n in arrivals {
                tally.arrived(&id(n), 10);
                let p = tally.progress();
                prop_assert!(p.bytes_here <= p.bytes_total && p.blobs_here <= p.blobs_total);
                prop_assert!((p.percent() == 100) == p.is_complete());
                while let Some(event) = tally.poll_event() {
                    prop_assert!(last.is_none(), "nothing after the last");
                    started += usize::from(matches!(event, ProgressEvent::Started(_)));
                    if event.is_last() { last = Some(event); }
                }
            }
            prop_assert!(started <= 1);
            prop_assert_eq!(tally.missing().count() as u64, {
                let p = tally.progress();
                p.blobs_total - p.blobs_here
            });
        }
    }
}
