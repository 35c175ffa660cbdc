//! Keeps blobs within their limits by itself.

use super::Room;
use super::classes::by_class;
use crate::api::{ApiError, BlobCount, ClassUse, GcReply};
use crate::clock::now_ms;
use crate::node::Node;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use studytime_blobs::quota::{self, Candidate, Class, Held, Plan, Quota};
use studytime_blobs::wants::WantsConfig;
use studytime_schema::{BlobId, MAX_BLOB_SIZE};

/// How often the room is looked at; blobs that wait for room are looked after at once.
const LOOK: Duration = Duration::from_secs(20);
/// Bytes stored after which the limits of the classes are looked at.
const CLASSES_EVERY: u64 = 64 << 20;
/// After looking through all blobs in vain, they are left alone for this long.
const IN_VAIN: Duration = Duration::from_secs(120);
/// Most bytes of what nobody here asked for that give way at a time.
const MAX_RESERVE: u64 = 256 << 20;

/// What is left to those who download, at the cost of what nobody here asked for.
fn reserve(quota: &Quota) -> u64 {
    (quota.total / 10).min(MAX_RESERVE)
}

/// Looks after the room until the node stops.
pub(crate) async fn keeper(node: Node) {
    let mut in_vain: Option<Instant> = None;
    loop {
        let storage = &node.inner().storage;
        let woken = tokio::select! {
            () = storage.wake.notified() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let rested = woken || in_vain.is_none_or(|at| at.elapsed() >= IN_VAIN);
        let looked = node.blocking(move |n| n.keep_within(rested)).await;
        match looked {
            Ok(Looked::Nothing) => {}
            Ok(Looked::InVain) => in_vain = Some(Instant::now()),
            Ok(Looked::Freed) => in_vain = None,
            Err(error) => node.trouble(error.message),
        }
        node.tell_stopped().await;
        node.go_on_with_room().await;
    }
}

enum Looked {
    /// There was no need.
    Nothing,
    /// Nothing could go.
    InVain,
    Freed,
}

impl Node {
    /// Deletes what is beyond the limits, if anything is.
    fn keep_within(&self, rested: bool) -> Result<Looked, ApiError> {
        let storage = &self.inner().storage;
        let room = self.room()?;
        storage.disk_seen(&room);
        self.hold_back(&room);
        let reserve = reserve(&room.quota);
        let wanted = storage.waiting().map(|bytes| bytes.max(reserve));
        let over = room.used > room.quota.total
            || room.free.is_some_and(|f| f < room.quota.free_floor)
            || room.refused
            || wanted.is_some_and(|bytes| room.left() < bytes);
        let stored = storage.stored.load(Ordering::Relaxed);
        if !rested || !(over || stored >= CLASSES_EVERY) {
            return Ok(Looked::Nothing);
        }
        storage.stored.fetch_sub(stored, Ordering::Relaxed);
        let all = self.candidates()?;
        let mut gone = plan(&all, &room).delete;
        if let Some(bytes) = wanted {
            gone.extend(make_room(&all, &gone, &room, bytes));
        }
        if gone.is_empty() {
            return Ok(if over {
                Looked::InVain
            } else {
                Looked::Nothing
            });
        }
        let freed = self.delete_blobs(gone)?;
        tracing::info!("{freed} bytes of blobs were deleted to keep within the limits");
        self.hold_back(&self.room()?);
        Ok(Looked::Freed)
    }

    /// Takes no wants of others up where there is no room for them, and fetches
    /// nothing at all where the disk is nearly full.
    fn hold_back(&self, room: &Room) {
        let held = Held {
            total: room.used,
            free: room.free,
            ..Held::default()
        };
        let admits = room.quota.admits(&held, Class::Friends, MAX_BLOB_SIZE);
        let sympathy = WantsConfig::default().sympathy;
        let none = room.none_at_all();
        self.inner().hub.act(|s, _| {
            s.wants.set_sympathy(if admits { sympathy } else { 0 });
            s.wants.set_held(none);
        });
    }

    /// Downloads that waited for room go on when there is some.
    async fn go_on_with_room(&self) {
        let Some(bytes) = self.inner().storage.waiting() else {
            return;
        };
        let room = self.blocking(|n| n.room()).await;
        if room.is_ok_and(|room| room.left() >= bytes) {
            self.refresh_prefetch().await;
            self.tell_stopped().await;
        }
    }

    /// Deletes blobs, and tells everybody who counts them. Answers the bytes freed.
    pub(crate) fn delete_blobs(&self, gone: Vec<BlobId>) -> Result<u64, ApiError> {
        let inner = self.inner();
        let freed = inner.blobs.delete(&gone);
        self.blobs_gone(gone);
        freed.map_err(|e| ApiError::failed("blobs could not be deleted", &e))
    }

    /// Blobs are not here any more.
    pub(crate) fn blobs_gone(&self, gone: Vec<BlobId>) {
        let inner = self.inner();
        inner.holdings.removed(&gone);
        inner.hub.act(|s, _| {
            gone.iter().for_each(|b| {
                s.wants.handle_deleted(b);
                s.looked_up(b, false);
            });
        });
        inner.prefetch.gone(&gone);
        inner.indexer.blobs_changed(gone);
    }

    /// What `blob gc` does: the same, told in numbers.
    pub(crate) fn clean_up(&self, dry_run: bool) -> Result<GcReply, ApiError> {
        let room = self.room()?;
        let all = self.candidates()?;
        let plan = plan(&all, &room);
        let gone: HashSet<BlobId> = plan.delete.iter().copied().collect();
        let (out, kept): (Vec<Candidate>, Vec<Candidate>) =
            all.into_iter().partition(|c| gone.contains(&c.id));
        if !dry_run && !out.is_empty() {
            self.delete_blobs(plan.delete)?;
            self.inner().storage.look_again();
        }
        let count = |blobs: &[Candidate]| BlobCount {
            count: blobs.len() as u64,
            bytes: blobs.iter().map(|b| b.size).sum(),
        };
        Ok(GcReply {
            removed: count(&out),
            kept: count(&kept),
            by_class: by_class(&out),
            short_by: plan.short_by,
            dry_run,
        })
    }

    /// How much each class of blobs takes.
    pub(crate) fn class_uses(&self) -> Result<Vec<ClassUse>, ApiError> {
        Ok(by_class(&self.candidates()?))
    }
}

/// What is beyond the limits. For the disk's sake only goes what nobody here asked
/// for: whatever fills the disk, a started course stays.
fn plan(all: &[Candidate], room: &Room) -> Plan {
    let mut plan = quota::plan(all, &room.quota, None, now_ms());
    let gone: HashSet<&BlobId> = plan.delete.iter().collect();
    let lesser = all.iter().filter(|b| b.class < Class::Started);
    let lesser: Vec<Candidate> = lesser.filter(|b| !gone.contains(&b.id)).copied().collect();
    let free = room.free.map(|f| f.saturating_add(plan.freed));
    let for_disk = quota::plan(&lesser, &no_limits(&room.quota), free, now_ms());
    plan.delete.extend(for_disk.delete);
    plan.freed += for_disk.freed;
    plan.short_by = plan.short_by.max(for_disk.short_by);
    plan
}

/// Only the disk's floor.
fn no_limits(quota: &Quota) -> Quota {
    Quota {
        total: u64::MAX,
        strangers: u64::MAX,
        friends: u64::MAX,
        ..*quota
    }
}

/// Blobs of friends and strangers that go beside `gone`, so that `bytes` have room.
fn make_room(all: &[Candidate], gone: &[BlobId], room: &Room, bytes: u64) -> Vec<BlobId> {
    let gone: HashSet<&BlobId> = gone.iter().collect();
    let stays = all.iter().filter(|b| !gone.contains(&b.id));
    let (lesser, better): (Vec<Candidate>, Vec<Candidate>) =
        stays.copied().partition(|b| b.class < Class::Started);
    let freed: u64 = all
        .iter()
        .filter(|b| gone.contains(&b.id))
        .map(|b| b.size)
        .sum();
    let used: u64 = better.iter().map(|b| b.size).sum();
    let quota = Quota {
        total: room.quota.total.saturating_sub(used).saturating_sub(bytes),
        free_floor: room.quota.free_floor.saturating_add(bytes),
        ..room.quota
    };
    let free = room.free.map(|f| f.saturating_add(freed));
    quota::plan(&lesser, &quota, free, now_ms()).delete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::StopReason;

    fn blob(n: u8, class: Class, size: u64) -> Candidate {
        Candidate {
            id: BlobId::from_bytes([n; 32]),
            size,
            last_used: 1,
            uses: 0,
            class,
        }
    }

    fn room(used: u64, free: Option<u64>) -> Room {
        Room {
            used,
            quota: Quota {
                total: 100,
                strangers: 100,
                friends: 100,
                free_floor: 40,
                grace: 0,
            },
            free,
            refused: false,
        }
    }

    #[test]
    fn a_started_course_gets_the_room_of_what_nobody_asked_for_and_no_other() {
        let all = [
            blob(1, Class::Pinned, 40),
            blob(2, Class::Started, 30),
            blob(3, Class::Friends, 10),
            blob(4, Class::Strangers, 20),
        ];
        let names =
            |gone: Vec<BlobId>| -> Vec<u8> { gone.iter().map(|b| b.as_bytes()[0]).collect() };
        let room = room(100, None);
        assert!(plan(&all, &room).delete.is_empty());
        assert_eq!(names(make_room(&all, &[], &room, 15)), [4]);
        assert_eq!(names(make_room(&all, &[], &room, 25)), [4, 3]);
        assert_eq!(names(make_room(&all, &[], &room, 90)), [4, 3]);
        // What goes anyway counts.
        assert!(make_room(&all, &[all[3].id], &room, 15).is_empty());
    }

    #[test]
    fn a_full_disk_takes_nothing_of_a_started_course() {
        let all = [
            blob(1, Class::Started, 30),
            blob(2, Class::Friends, 5),
            blob(3, Class::Strangers, 5),
        ];
        let full = plan(&all, &room(40, Some(0)));
        assert_eq!(full.delete, [all[2].id, all[1].id]);
        assert_eq!((full.freed, full.short_by), (10, 30));
        // Beyond the user's own limit it goes, last.
        let over = plan(&all, &room(40, None));
        assert!(over.delete.is_empty());
        let mut small = room(40, None);
        small.quota.total = 20;
        assert_eq!(plan(&all, &small).delete.len(), 3);
    }

    #[test]
    fn each_limit_has_its_own_words() {
        assert_eq!(room(50, Some(1_000)).left(), 50);
        assert_eq!(room(50, Some(60)).left(), 20);
        assert!(room(50, Some(1_000)).stopped(50).is_none());
        let quota = room(50, Some(1_000)).stopped(51).unwrap();
        assert_eq!(quota.reason, StopReason::Quota);
        let floor = room(0, Some(60)).stopped(21).unwrap();
        assert_eq!(floor.reason, StopReason::FreeSpace);
        let full = Room {
            refused: true,
            ..room(0, Some(1_000))
        };
        assert_eq!(full.stopped(1).unwrap().reason, StopReason::DiskFull);
        assert!(room(0, Some(19)).none_at_all() && !room(0, Some(20)).none_at_all());
    }
}
