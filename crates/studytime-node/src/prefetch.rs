//! Fetching started and pinned courses whole, in the order of their lessons.

mod gate;
mod hours;

pub(crate) use gate::{Closed, Gate, pacer};
pub use hours::{Hours, ParseHoursError};

use crate::api::{ApiError, Event};
use crate::clock::now_ms;
use crate::media::WantGuard;
use crate::node::Node;
use crate::storage::Room;
use crate::store::OwnKind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use studytime_blobs::store::Pinner;
use studytime_blobs::wants::{Priority, WantSpec};
use studytime_index::NeededBlob;
use studytime_schema::view::BlobRole;
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};

/// Blobs of one course asked for at a time. Enough to keep every peer busy, few
/// enough that a pause takes effect at once.
const WINDOW: usize = 256;
/// Courses fetched at a time, the last started ones first.
const MAX_COURSES: usize = 64;
/// Bytes counted for a blob whose size nobody said, until it is here.
const GUESS: u64 = 64 << 10;

struct Course {
    want: WantGuard,
    /// What is asked for now, with its size as far as known.
    asked: BTreeMap<BlobId, u64>,
    /// Whether more is missing than is asked for.
    more: bool,
}

/// What is being fetched for whom.
#[derive(Default)]
pub(crate) struct Prefetch {
    /// Locked before `waiting` where both are.
    courses: Mutex<BTreeMap<FeedId, Course>>,
    /// Blob -> courses that asked for it.
    waiting: Mutex<HashMap<BlobId, BTreeSet<FeedId>>>,
    /// Held from looking at what is missing to asking for it: who looked earlier
    /// must not be the last to ask.
    looking: tokio::sync::Mutex<()>,
    pub(crate) gate: Gate,
}

/// A blob that is not here.
struct Missing {
    blob: BlobId,
    spec: WantSpec,
    /// Its size as far as known.
    size: u64,
}

impl std::fmt::Debug for Prefetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefetch")
    }
}

/// A blob that was stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    /// Whether it came over the network.
    pub(crate) fetched: bool,
}

/// How much of a course is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CourseBytes {
    pub(crate) here: u64,
    pub(crate) total: u64,
    /// Nothing is missing.
    pub(crate) complete: bool,
    /// Files that are not here and of which nobody said how large they are.
    pub(crate) unknown: u64,
}

impl Prefetch {
    fn courses(&self) -> MutexGuard<'_, BTreeMap<FeedId, Course>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<BlobId, BTreeSet<FeedId>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The courses that are being fetched.
    #[cfg(feature = "http")]
    pub(crate) fn fetched(&self) -> Vec<FeedId> {
        self.courses().keys().copied().collect()
    }

    /// Blobs were deleted. Who looked between the deletion and this asked for
    /// what was still remembered as here: so none of them counts as asked for.
    pub(crate) fn gone(&self, blobs: &[BlobId]) {
        for held in self.courses().values_mut() {
            for blob in blobs {
                held.asked.remove(blob);
            }
        }
    }

    /// Withdraws everything, so that the node can be dropped.
    pub(crate) fn clear(&self) {
        let courses = std::mem::take(&mut *self.courses());
        drop(courses);
        self.waiting().clear();
    }
}

/// Whether a course is fetched by default: alternatives of a video that already
/// has one are fetched only when played.
fn fetched(blob: &NeededBlob) -> bool {
    blob.purpose != BlobRole::Alternative
}

impl Node {
    /// Works out which courses are fetched and what is missing of each.
    pub(crate) async fn refresh_prefetch(&self) {
        let courses = match self.closed() {
            Some(_) => Vec::new(),
            None => self
                .blocking(|n| n.fetched_courses())
                .await
                .unwrap_or_default(),
        };
        self.inner().storage.retain_lacking(&courses);
        let gone: Vec<Course> = {
            let mut held = self.inner().prefetch.courses();
            let gone: Vec<FeedId> = held
                .keys()
                .filter(|c| !courses.contains(c))
                .copied()
                .collect();
            gone.iter().filter_map(|c| held.remove(c)).collect()
        };
        // Dropped outside the lock: it tells the hub.
        drop(gone);
        for course in courses {
            self.refresh_course(course).await;
        }
    }

    /// The courses fetched whole, without those that are paused.
    pub(crate) fn fetched_courses(&self) -> Result<Vec<FeedId>, ApiError> {
        let error = |e: &(dyn std::error::Error + 'static)| {
            ApiError::failed("cannot tell what to fetch", e)
        };
        let reader = self.reader();
        let paused = self.inner().state.paused().map_err(|e| error(&e))?;
        let learner = reader.learner().map_err(|e| error(&e))?;
        let mut courses: Vec<FeedId> = learner.courses.iter().map(|c| c.feed_id).collect();
        courses.extend(self.pinned_courses()?);
        courses.extend(self.own_incomplete_courses()?);
        let seeds = &self.inner().builder.seed_lists;
        if !seeds.is_empty() {
            let listed = reader.listed_courses().into_iter();
            courses.extend(
                listed
                    .filter(|c| c.lists.iter().any(|l| seeds.contains(l)))
                    .map(|c| c.feed_id),
            );
        }
        let mut seen = BTreeSet::new();
        courses.retain(|c| seen.insert(*c) && !paused.contains(c));
        if seeds.is_empty() {
            courses.truncate(MAX_COURSES);
        }
        Ok(courses)
    }

    /// Own courses of which something is missing, as after a restore.
    fn own_incomplete_courses(&self) -> Result<Vec<FeedId>, ApiError> {
        let own = self.keys().of_kind(OwnKind::Course);
        let mut incomplete = Vec::new();
        for course in own {
            let needed = self.needed_blobs(&course)?;
            if !self.missing_blobs(&needed, 1).is_empty() {
                incomplete.push(course);
            }
        }
        Ok(incomplete)
    }

    /// Asks for the next missing blobs of one course.
    pub(crate) async fn refresh_course(&self, course: FeedId) {
        if self.closed().is_some() {
            return;
        }
        let looking = self.inner().prefetch.looking.lock().await;
        let looked = self
            .blocking(move |n| {
                let needed = n.needed_blobs(&course)?;
                let missing = n.missing_blobs(&needed, WINDOW + 1);
                Ok((missing, n.bytes_of(&needed), n.room()?))
            })
            .await;
        let Ok((missing, bytes, room)) = looked else {
            return;
        };
        self.ask(course, &missing, &room);
        drop(looking);
        self.emit_download(course, bytes);
    }

    /// Asks for as many of the missing blobs as there is room for, and as the
    /// limits on speed allow.
    fn ask(&self, course: FeedId, missing: &[Missing], room: &Room) {
        let inner = self.inner();
        let mut courses = inner.prefetch.courses();
        let others: u64 = courses
            .iter()
            .filter(|(c, _)| **c != course)
            .flat_map(|(_, held)| held.asked.values())
            .sum();
        let mut left = room.left().saturating_sub(others);
        let before = courses.get(&course).map(|c| &c.asked);
        let (mut asked, mut list, mut lacking) = (BTreeMap::new(), Vec::new(), None);
        let now = now_ms();
        for next in missing.iter().take(WINDOW) {
            if next.size > left {
                lacking = Some(next.size);
                break;
            }
            let already = before.is_some_and(|b| b.contains_key(&next.blob));
            if !already && !inner.prefetch.gate.take(course, next.size, now) {
                break;
            }
            left -= next.size;
            asked.insert(next.blob, next.size);
            list.push((next.blob, next.spec));
        }
        inner.storage.set_lacking(course, lacking);
        if lacking.is_some_and(|bytes| room.left() < bytes) {
            inner.storage.stands_still();
        }
        let more = missing.len() > list.len();
        {
            let mut waiting = inner.prefetch.waiting();
            for (id, _) in &list {
                waiting.entry(*id).or_default().insert(course);
            }
        }
        if let Some(held) = courses.get_mut(&course) {
            if !held.asked.keys().eq(asked.keys()) {
                held.want.replace(&list);
            }
            held.asked = asked;
            held.more = more;
        } else if !asked.is_empty() {
            let want = WantGuard::new(self, &list);
            courses.insert(course, Course { want, asked, more });
        }
    }

    /// What of these is not here, in the order to fetch it, at most `limit`.
    fn missing_blobs(&self, needed: &[NeededBlob], limit: usize) -> Vec<Missing> {
        let holdings = &self.inner().holdings;
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        let mut order = 0;
        for blob in needed.iter().filter(|b| fetched(b)) {
            if missing.len() >= limit {
                break;
            }
            if seen.insert(blob.blob) && !holdings.has(&blob.blob) {
                order += 1;
                // A manifest's size is that of the file it stands for.
                let said = blob.size.filter(|_| !blob.manifest);
                missing.push(Missing {
                    blob: blob.blob,
                    spec: WantSpec::whole(Priority::Prefetch, order),
                    size: said.unwrap_or(GUESS).min(MAX_BLOB_SIZE),
                });
                continue;
            }
            if !blob.manifest || holdings.presence(&blob.blob, true).complete {
                continue;
            }
            let Some(manifest) = holdings.manifest(&blob.blob) else {
                continue;
            };
            for (i, segment) in manifest.segments.iter().enumerate() {
                if missing.len() >= limit {
                    break;
                }
                if seen.insert(*segment) && !holdings.has(segment) {
                    order += 1;
                    let len = manifest.segment_len(i).unwrap_or(0);
                    missing.push(Missing {
                        blob: *segment,
                        spec: WantSpec::segment(Priority::Prefetch, order, len),
                        size: len,
                    });
                }
            }
        }
        missing
    }

    /// How much of a course is here.
    pub(crate) fn course_bytes(&self, course: &FeedId) -> Result<CourseBytes, ApiError> {
        Ok(self.bytes_of(&self.needed_blobs(course)?))
    }

    fn bytes_of(&self, needed: &[NeededBlob]) -> CourseBytes {
        let holdings = &self.inner().holdings;
        let mut sum = CourseBytes {
            complete: true,
            ..CourseBytes::default()
        };
        let mut seen = BTreeSet::new();
        for blob in needed.iter().filter(|b| fetched(b)) {
            if !seen.insert(blob.blob) {
                continue;
            }
            let presence = holdings.presence(&blob.blob, blob.manifest);
            sum.here += presence.bytes;
            let known = blob
                .manifest
                .then(|| holdings.manifest(&blob.blob))
                .flatten()
                .map(|m| m.size);
            let size = known.or(blob.size).unwrap_or(0);
            sum.unknown += u64::from(!presence.complete && size == 0);
            sum.total += if presence.complete {
                presence.bytes
            } else {
                size.max(presence.bytes)
            };
            sum.complete &= presence.complete;
        }
        sum
    }

    /// Tells that downloads began, stopped or follow other rules.
    pub(crate) fn downloads_changed(&self) {
        self.emit(Event::DownloadsChanged {});
    }

    fn emit_download(&self, course: FeedId, bytes: CourseBytes) {
        self.emit(Event::Download {
            feed_id: course,
            bytes_here: bytes.here,
            bytes_total: bytes.total,
            complete: bytes.complete,
        });
    }

    /// Blobs have arrived: courses that waited for them go on. A segment of a
    /// manifest moves its course only when the window runs low.
    pub(crate) async fn prefetch_arrived(&self, blobs: &[Arrival]) {
        let inner = self.inner();
        let mut touched: BTreeMap<FeedId, bool> = BTreeMap::new();
        {
            // In the order in which `ask` takes them.
            let mut courses = inner.prefetch.courses();
            let mut waiting = inner.prefetch.waiting();
            for Arrival {
                blob,
                size,
                fetched,
            } in blobs
            {
                let waited = waiting.remove(blob);
                if waited.is_none() && *fetched {
                    inner.prefetch.gate.count(*size, now_ms());
                }
                for course in waited.unwrap_or_default() {
                    let Some(held) = courses.get_mut(&course) else {
                        continue;
                    };
                    held.asked.remove(blob);
                    let low = held.asked.len() < WINDOW / 2 && held.more || held.asked.is_empty();
                    let is_manifest = inner.holdings.users(blob).is_empty();
                    *touched.entry(course).or_default() |= low || is_manifest;
                }
            }
        }
        for (course, refresh) in touched {
            if refresh {
                self.refresh_course(course).await;
            } else if let Ok(bytes) = self.blocking(move |n| n.course_bytes(&course)).await {
                self.emit_download(course, bytes);
            }
        }
    }

    /// Pins or unpins what is known of a course, and remembers it for what comes.
    pub(crate) fn set_pinned(&self, course: FeedId, pinned: bool) -> Result<(), ApiError> {
        let error = |e: &(dyn std::error::Error + 'static)| {
            ApiError::failed("the pin could not be kept", e)
        };
        let state = &self.inner().state;
        let mut all = self.pinned_courses()?;
        if pinned {
            all.insert(course);
        } else {
            all.remove(&course);
        }
        let text = serde_json::to_string(&all).map_err(|e| error(&e))?;
        state.set_setting(PINNED, &text).map_err(|e| error(&e))?;
        let by = Pinner::Course(course);
        if !pinned {
            return self.inner().blobs.unpin(&by, None).map_err(|e| error(&e));
        }
        let blobs = self.course_blobs(&course)?;
        self.inner().blobs.pin(&by, &blobs).map_err(|e| error(&e))
    }

    /// The courses the user pinned.
    pub(crate) fn pinned_courses(&self) -> Result<BTreeSet<FeedId>, ApiError> {
        let text = self
            .inner()
            .state
            .setting(PINNED)
            .map_err(|e| ApiError::failed("the pins could not be read", &e))?;
        Ok(text
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default())
    }

    /// Every blob a course needs, in the order to fetch them.
    pub(crate) fn needed_blobs(&self, course: &FeedId) -> Result<Vec<NeededBlob>, ApiError> {
        self.reader()
            .needed_blobs(course)
            .map_err(|e| crate::calls::query_error(&e))
    }

    /// Every blob of a course, segments included as far as manifests are here.
    pub(crate) fn course_blobs(&self, course: &FeedId) -> Result<Vec<BlobId>, ApiError> {
        let needed = self.needed_blobs(course)?;
        let mut blobs = BTreeSet::new();
        for blob in needed {
            blobs.insert(blob.blob);
            if blob.manifest
                && let Some(manifest) = self.inner().holdings.manifest(&blob.blob)
            {
                blobs.extend(manifest.segments.iter().copied());
            }
        }
        Ok(blobs.into_iter().collect())
    }
}

/// Setting: the courses the user pinned, as a JSON list.
const PINNED: &str = "pinned_courses";

#[cfg(test)]
mod tests {
    use crate::common;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_looked_while_a_file_was_deleted_asks_once_more() {
        let tmp = tempfile::tempdir().expect("a folder");
        let node = common::node(&tmp.path().join("node")).await;
        let folder = tmp.path().join("Soil");
        std::fs::create_dir(&folder).expect("a folder");
        let pdf = [b"%PDF-1.4\n".as_slice(), &[7; 6 << 20]].concat();
        std::fs::write(folder.join("01_Soil.pdf"), pdf).expect("a file");
        let imported = common::import(&node.handle(), folder).await;
        let course = imported.course.expect("a course");
        let blobs = node.course_blobs(&course).expect("an index");
        let lost = *blobs.first().expect("a blob");

        node.inner().blobs.delete(&[lost]).expect("a store");
        // It came a moment ago: the wants still know it.
        node.refresh_course(course).await;
        node.blobs_gone(vec![lost]);
        node.refresh_course(course).await;
        assert!(node.inner().hub.act(|s, _| s.wants.is_wanted(&lost)));
        node.shutdown().await;
    }
}
