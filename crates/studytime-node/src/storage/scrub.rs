//! Looking for damaged files, and having them fetched again.
//!
//! A disk loses bytes without saying so. Every file is read and compared with
//! its hash once in a while, slowly; what is damaged is deleted and, where it
//! is pinned or belongs to a course that is fetched, fetched again.

use crate::api::{ApiError, BlobCount, Progress, ProgressUnit, ScrubInfo, ScrubReply};
use crate::calls::Report;
use crate::clock::now_ms;
use crate::media::WantGuard;
use crate::node::Node;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use studytime_blobs::pace::Pace;
use studytime_blobs::store::{Pinner, Verdict};
use studytime_blobs::wants::{Priority, WantSpec};
use studytime_schema::BlobId;

/// Setting: how far looking at all files is.
const PROGRESS: &str = "scrub";
/// Bytes read in a second in the background.
const RATE: u64 = 2 << 20;
/// Between the end of one pass and the beginning of the next, in milliseconds.
const EVERY: u64 = 30 * 24 * 3_600_000;
/// Blobs looked at before the place is noted.
const STEP: usize = 16;
/// How long a node that has just started is left alone.
const AT_FIRST: Duration = Duration::from_secs(60);
/// Damaged blobs that are named one by one.
const MAX_NAMED: usize = 1_000;

/// Where a pass is, kept in `state.db`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    /// The last blob looked at; `None` between two passes.
    after: Option<BlobId>,
    /// Begun, in milliseconds since 1970.
    begun: u64,
    /// The last whole pass ended.
    ended: u64,
    checked: u64,
    bytes: u64,
    damaged: u64,
}

/// Goes through all files slowly, again and again; a pass that was broken off
/// goes on where it was.
pub(crate) async fn scrubber(node: Node) {
    tokio::time::sleep(AT_FIRST).await;
    let mut pace = Pace::new(Some(RATE), now_ms());
    loop {
        let now = now_ms();
        let place = node.place();
        if place.after.is_none() && now < place.ended.saturating_add(EVERY) {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            continue;
        }
        if let Some(at) = pace.next_at(now) {
            tokio::time::sleep(Duration::from_millis(at.saturating_sub(now).max(100))).await;
            continue;
        }
        match node.blocking(move |n| n.scrub_step(place, STEP)).await {
            Ok((step, _)) => {
                pace.take(step.bytes, now);
                if step.damaged > 0 {
                    node.repair().await;
                }
                if step.checked == 0 {
                    // The pass is over; nothing was read.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Err(error) => {
                node.trouble(error.message);
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
        }
    }
}

/// Wants what was pinned by hand and is lost, as long as it is.
pub(crate) async fn repairer(node: Node) {
    let repairs = WantGuard::new(&node, &[]);
    loop {
        node.want_lost_pins(&repairs).await;
        node.inner().storage.repair.notified().await;
    }
}

/// What one step found.
#[derive(Debug, Default)]
struct Step {
    checked: u64,
    bytes: u64,
    damaged: u64,
    ids: Vec<BlobId>,
}

impl Node {
    fn place(&self) -> Place {
        let text = self.inner().state.setting(PROGRESS).ok().flatten();
        text.and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default()
    }

    /// Looks at the next files, and notes the place. Blocks.
    fn scrub_step(&self, mut place: Place, count: usize) -> Result<(Step, Place), ApiError> {
        let inner = self.inner();
        let failed = |e: &(dyn std::error::Error + 'static)| {
            ApiError::failed("the files could not be checked", e)
        };
        let now = now_ms();
        if place.after.is_none() {
            place = Place {
                begun: now,
                ended: place.ended,
                ..Place::default()
            };
        }
        let page = inner.blobs.list(place.after.as_ref(), count);
        let page = page.map_err(|e| failed(&e))?;
        let mut step = Step::default();
        for blob in &page {
            if inner.stop.is_cancelled() {
                break;
            }
            match inner.blobs.verify(&blob.id).map_err(|e| failed(&e))? {
                Verdict::Absent => {}
                Verdict::Sound(size) => step.bytes += size,
                Verdict::Damaged => {
                    step.bytes += blob.size;
                    step.damaged += 1;
                    step.ids.push(blob.id);
                }
            }
            step.checked += 1;
            place.after = Some(blob.id);
        }
        place.checked += step.checked;
        place.bytes += step.bytes;
        place.damaged += step.damaged;
        if page.len() < count && !inner.stop.is_cancelled() {
            place.after = None;
            place.ended = now;
        }
        if !step.ids.is_empty() {
            self.blobs_gone(step.ids.clone());
            self.trouble(format!(
                "{} of {} files were damaged on the disk; what belongs to your courses is fetched again",
                step.damaged, step.checked
            ));
        }
        let text = serde_json::to_string(&place).map_err(|e| failed(&e))?;
        let noted = inner.state.set_setting(PROGRESS, &text);
        noted.map_err(|e| failed(&e))?;
        Ok((step, place))
    }

    /// Has fetched again what was damaged.
    async fn repair(&self) {
        self.inner().storage.repair.notify_one();
        self.refresh_prefetch().await;
    }

    /// Wants what the user pinned by hand and is not here any more.
    async fn want_lost_pins(&self, repairs: &WantGuard) {
        let lost = self.blocking(|n| n.lost_pins()).await.unwrap_or_default();
        let list: Vec<(BlobId, WantSpec)> = (0..)
            .zip(lost)
            .map(|(i, blob)| (blob, WantSpec::whole(Priority::Prefetch, i)))
            .collect();
        repairs.replace(&list);
    }

    fn lost_pins(&self) -> Result<Vec<BlobId>, ApiError> {
        let inner = self.inner();
        let pinned = inner.blobs.pinned(&Pinner::User);
        let mut pinned = pinned.map_err(|e| ApiError::failed("the pins could not be read", &e))?;
        pinned.retain(|b| !inner.holdings.has(b));
        Ok(pinned)
    }

    /// How the last or present pass stands.
    pub(crate) fn scrub_info(&self) -> ScrubInfo {
        let place = self.place();
        ScrubInfo {
            running: place.after.is_some(),
            begun: place.begun,
            ended: place.ended,
            checked: BlobCount {
                count: place.checked,
                bytes: place.bytes,
            },
            damaged: place.damaged,
        }
    }

    /// Looks at every file now.
    pub(crate) async fn scrub_all(&self, report: Report<'_>) -> Result<ScrubReply, ApiError> {
        let usage = self.blocking(|n| {
            let usage = n.inner().blobs.usage();
            usage.map_err(|e| ApiError::failed("the blobs could not be counted", &e))
        });
        let total = usage.await?.bytes;
        let mut reply = ScrubReply::default();
        let ended = self.place().ended;
        let mut place = Place {
            ended,
            ..Place::default()
        };
        loop {
            let from = std::mem::take(&mut place);
            let (step, next) = self.blocking(move |n| n.scrub_step(from, STEP)).await?;
            place = next;
            reply.checked.count += step.checked;
            reply.checked.bytes += step.bytes;
            reply.damaged += step.damaged;
            let room = MAX_NAMED.saturating_sub(reply.blobs.len());
            reply.blobs.extend(step.ids.into_iter().take(room));
            report(Progress::new(
                "Checking files",
                ProgressUnit::Bytes,
                reply.checked.bytes,
                total,
            ));
            if place.after.is_none() || self.inner().stop.is_cancelled() {
                break;
            }
        }
        if reply.damaged > 0 {
            self.repair().await;
        }
        Ok(reply)
    }
}
