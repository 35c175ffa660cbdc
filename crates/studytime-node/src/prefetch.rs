//! Fetching started and pinned courses whole, in the order of their lessons.

use crate::api::{ApiError, Event};
use crate::media::WantGuard;
use crate::node::Node;
use crate::store::OwnKind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use studytime_blobs::store::Pinner;
use studytime_blobs::wants::{Priority, WantSpec};
use studytime_index::NeededBlob;
use studytime_schema::view::BlobRole;
use studytime_schema::{BlobId, FeedId};

/// Blobs of one course asked for at a time. Enough to keep every peer busy, few
/// enough that a pause takes effect at once.
const WINDOW: usize = 256;
/// Courses fetched at a time, the last started ones first.
const MAX_COURSES: usize = 64;

struct Course {
    want: WantGuard,
    /// What is asked for now.
    asked: BTreeSet<BlobId>,
    /// Whether more is missing than is asked for.
    more: bool,
}

/// What is being fetched for whom.
#[derive(Default)]
pub(crate) struct Prefetch {
    courses: Mutex<BTreeMap<FeedId, Course>>,
    /// Blob -> courses that asked for it.
    waiting: Mutex<HashMap<BlobId, BTreeSet<FeedId>>>,
}

impl std::fmt::Debug for Prefetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefetch")
    }
}

/// How much of a course is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CourseBytes {
    pub(crate) here: u64,
    pub(crate) total: u64,
    /// Nothing is missing.
    pub(crate) complete: bool,
}

impl Prefetch {
    fn courses(&self) -> MutexGuard<'_, BTreeMap<FeedId, Course>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<BlobId, BTreeSet<FeedId>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        let courses = self
            .blocking(|n| n.fetched_courses())
            .await
            .unwrap_or_default();
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
        let looked = self
            .blocking(move |n| {
                let needed = n.needed_blobs(&course)?;
                Ok((n.missing_blobs(&needed, WINDOW + 1), n.bytes_of(&needed)))
            })
            .await;
        let Ok((mut missing, bytes)) = looked else {
            return;
        };
        let more = missing.len() > WINDOW;
        missing.truncate(WINDOW);
        let asked: BTreeSet<BlobId> = missing.iter().map(|(id, _)| *id).collect();
        let inner = self.inner();
        {
            let mut waiting = inner.prefetch.waiting();
            for id in &asked {
                waiting.entry(*id).or_default().insert(course);
            }
        }
        self.ask(course, &missing, asked, more);
        self.emit_download(course, bytes);
    }

    fn ask(
        &self,
        course: FeedId,
        missing: &[(BlobId, WantSpec)],
        asked: BTreeSet<BlobId>,
        more: bool,
    ) {
        let mut courses = self.inner().prefetch.courses();
        if let Some(held) = courses.get_mut(&course) {
            if held.asked != asked {
                held.want.replace(missing);
            }
            held.asked = asked;
            held.more = more;
        } else if !asked.is_empty() {
            let want = WantGuard::new(self, missing);
            courses.insert(course, Course { want, asked, more });
        }
    }

    /// What of these is not here, in the order to fetch it, at most `limit`.
    fn missing_blobs(&self, needed: &[NeededBlob], limit: usize) -> Vec<(BlobId, WantSpec)> {
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
                missing.push((blob.blob, WantSpec::whole(Priority::Prefetch, order)));
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
                    missing.push((*segment, WantSpec::segment(Priority::Prefetch, order, len)));
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
            sum.total += if presence.complete {
                presence.bytes
            } else {
                size.max(presence.bytes)
            };
            sum.complete &= presence.complete;
        }
        sum
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
    pub(crate) async fn prefetch_arrived(&self, blobs: &[BlobId]) {
        let inner = self.inner();
        let mut touched: BTreeMap<FeedId, bool> = BTreeMap::new();
        {
            let mut waiting = inner.prefetch.waiting();
            let mut courses = inner.prefetch.courses();
            for blob in blobs {
                for course in waiting.remove(blob).unwrap_or_default() {
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
