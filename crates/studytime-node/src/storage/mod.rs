//! Room for blobs: how much there is, what goes when it is short, what is
//! damaged.
//!
//! | limit | what keeps to it |
//! |---|---|
//! | quota, and the disk's floor | downloads in the background stop before it |
//! | the quota of a class | what strangers and friends brought is deleted beyond it |
//! | half the floor | nothing is fetched at all |

mod classes;
mod keep;
mod scrub;

pub(crate) use keep::keeper;
pub(crate) use scrub::{repairer, scrubber};

use crate::api::{ApiError, Event, StopReason, Stopped};
use crate::clock::now_ms;
use crate::node::Node;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use studytime_blobs::quota::Quota;
use studytime_schema::FeedId;
use tokio::sync::Notify;

/// Setting: bytes of blobs to keep at most.
pub(crate) const BLOB_QUOTA: &str = "blob_quota";
/// Setting: bytes of the disk that stay free.
pub(crate) const FREE_FLOOR: &str = "free_floor";
/// How long a disk that refused to take more is left alone.
const FULL_FOR: u64 = 30_000;
/// With so much free a disk is not full, whatever it said before.
const NOT_FULL: u64 = 64 << 20;

/// What is known of the room for blobs between two looks.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// Courses whose next file has no room, with its size.
    lacking: Mutex<BTreeMap<FeedId, u64>>,
    /// When the disk last refused to take more, in milliseconds since 1970; 0 when it
    /// has taken something since.
    refused: AtomicU64,
    /// Whether people were told that downloads have stopped.
    told: AtomicBool,
    /// Bytes stored since the blobs were last looked through.
    stored: AtomicU64,
    /// Somebody needs room.
    wake: Notify,
    /// Damaged files were deleted.
    repair: Notify,
}

impl Storage {
    fn lacking(&self) -> MutexGuard<'_, BTreeMap<FeedId, u64>> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that bytes were stored, fetched or own.
    pub(crate) fn stored(&self, bytes: u64, fetched: bool) {
        self.stored.fetch_add(bytes, Ordering::Relaxed);
        if fetched {
            self.refused.store(0, Ordering::Relaxed);
        }
    }

    /// Notes whether a course's next file has room; `None` when it has.
    pub(crate) fn set_lacking(&self, course: FeedId, bytes: Option<u64>) {
        let mut lacking = self.lacking();
        let changed = match bytes {
            Some(bytes) => lacking.insert(course, bytes).is_none(),
            None => lacking.remove(&course).is_some(),
        };
        drop(lacking);
        if changed {
            self.wake.notify_one();
        }
    }

    /// Courses that are fetched no more lack nothing.
    pub(crate) fn retain_lacking(&self, courses: &[FeedId]) {
        self.lacking().retain(|c, _| courses.contains(c));
    }

    /// Limits or settings have changed.
    pub(crate) fn look_again(&self) {
        self.wake.notify_one();
    }

    /// The smallest file that waits for room.
    fn waiting(&self) -> Option<u64> {
        self.lacking().values().min().copied()
    }

    /// The disk refused to take more, a moment ago.
    fn disk_refused(&self, now: u64) -> bool {
        self.disk_full()
            && now
                < self
                    .refused
                    .load(Ordering::Relaxed)
                    .saturating_add(FULL_FOR)
    }

    /// The disk refused to take more, and has taken nothing since.
    fn disk_full(&self) -> bool {
        self.refused.load(Ordering::Relaxed) > 0
    }

    /// There is room on the disk again, although nothing was stored.
    fn disk_seen(&self, room: &Room) {
        let much = room
            .free
            .is_some_and(|f| f > room.quota.free_floor.max(NOT_FULL));
        if much && !room.refused {
            self.refused.store(0, Ordering::Relaxed);
        }
    }

    /// A course cannot go on for want of room.
    pub(crate) fn stands_still(&self) {
        if !self.told.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }
}

/// The room there is at one moment, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) used: u64,
    pub(crate) quota: Quota,
    /// Free on the disk; `None` when the system does not say.
    pub(crate) free: Option<u64>,
    /// The disk refused to take more a moment ago.
    refused: bool,
}

impl Room {
    /// What downloads in the background may still take.
    pub(crate) fn left(&self) -> u64 {
        let quota = self.quota.total.saturating_sub(self.used);
        let disk = self
            .free
            .map_or(u64::MAX, |f| f.saturating_sub(self.quota.free_floor));
        if self.refused { 0 } else { quota.min(disk) }
    }

    /// Whether not even what somebody is waiting for may be fetched.
    pub(crate) fn none_at_all(&self) -> bool {
        self.free.is_some_and(|f| f < self.quota.free_floor / 2)
    }

    /// Why `bytes` more have no room; `None` when they have.
    pub(crate) fn stopped(&self, bytes: u64) -> Option<Stopped> {
        if self.left() >= bytes {
            return None;
        }
        let free = self.free.unwrap_or(0);
        let disk = free < self.quota.free_floor.saturating_add(bytes) && self.free.is_some();
        let reason = match (self.refused, disk) {
            (true, _) => StopReason::DiskFull,
            (false, true) => StopReason::FreeSpace,
            (false, false) => StopReason::Quota,
        };
        Some(Stopped {
            reason,
            needed: bytes,
            used: self.used,
            limit: self.quota.total,
            free: self.free,
            free_floor: self.quota.free_floor,
        })
    }
}

impl Node {
    /// How much room blobs may take.
    pub(crate) fn quota(&self) -> Quota {
        let inner = self.inner();
        let setting = |key| {
            let chosen = inner.state.setting(key).ok().flatten();
            chosen.and_then(|v| v.parse::<u64>().ok())
        };
        let mut quota = Quota::default();
        if let Some(total) = setting(BLOB_QUOTA).or(inner.config.blob_quota) {
            quota.total = total;
        }
        if let Some(floor) = setting(FREE_FLOOR).or(inner.config.free_floor) {
            quota.free_floor = floor;
        }
        // The classes never get more than all together.
        quota.friends = quota.friends.min(quota.total / 2);
        quota.strangers = quota.strangers.min(quota.total / 10);
        quota
    }

    /// The room there is now. Blocks.
    pub(crate) fn room(&self) -> Result<Room, ApiError> {
        let inner = self.inner();
        let usage = inner.blobs.usage();
        let usage = usage.map_err(|e| ApiError::failed("the blobs could not be counted", &e))?;
        Ok(Room {
            used: usage.bytes,
            quota: self.quota(),
            free: fs4::available_space(inner.dir.path()).ok(),
            refused: inner.storage.disk_refused(now_ms()),
        })
    }

    /// Why downloads stand still for want of room; `None` when they do not. Blocks.
    pub(crate) fn stopped_for_room(&self) -> Result<Option<Stopped>, ApiError> {
        let room = self.room()?;
        if self.inner().storage.disk_full() {
            let full = Room {
                refused: true,
                ..room
            };
            return Ok(full.stopped(1));
        }
        let waiting = self.inner().storage.waiting();
        Ok(waiting.and_then(|bytes| room.stopped(bytes)))
    }

    /// The disk took no more: downloads stop for a while, people are told once.
    pub(crate) fn disk_refused(&self) {
        let storage = &self.inner().storage;
        let now = now_ms();
        let news = !storage.disk_refused(now);
        storage.refused.store(now, Ordering::Relaxed);
        if news {
            storage.wake.notify_one();
        }
    }

    /// Tells people that downloads have stopped for want of room, or go on.
    async fn tell_stopped(&self) {
        let Ok(stopped) = self.blocking(|n| n.stopped_for_room()).await else {
            return;
        };
        let storage = &self.inner().storage;
        let before = storage.told.swap(stopped.is_some(), Ordering::Relaxed);
        if before != stopped.is_some() {
            if let Some(stopped) = &stopped {
                self.trouble(stopped.to_string());
            }
            self.emit(Event::Storage { stopped });
        }
    }
}
