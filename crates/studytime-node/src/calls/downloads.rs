//! Downloads: what they may take, whether they run, and why not.

use super::state_error;
use crate::api::{ApiError, BlobCount, CourseLimit, DownloadsEdit, DownloadsReply, ErrorKind};
use crate::node::Node;
use crate::prefetch::Closed;
use crate::storage::{BLOB_QUOTA, FREE_FLOOR};

/// Least room for blobs that can be chosen, in bytes.
const MIN_QUOTA: u64 = 1 << 20;

impl Node {
    pub(super) async fn downloads(&self, by_class: bool) -> Result<DownloadsReply, ApiError> {
        self.blocking(move |n| {
            let room = n.room()?;
            let usage = n.inner().blobs.usage();
            let usage =
                usage.map_err(|e| ApiError::failed("the blobs could not be counted", &e))?;
            let rules = n.inner().prefetch.gate.rules();
            Ok(DownloadsReply {
                used: BlobCount {
                    count: usage.count,
                    bytes: usage.bytes,
                },
                quota: room.quota.total,
                free: room.free,
                free_floor: room.quota.free_floor,
                classes: match by_class {
                    true => n.class_uses()?,
                    false => Vec::new(),
                },
                stopped: n.stopped_for_room()?,
                paused: rules.paused,
                hours: rules.hours.map(|h| h.to_string()),
                running: n.closed().is_none(),
                limit: rules.limit,
                courses: rules
                    .courses
                    .into_iter()
                    .map(|(feed_id, limit)| CourseLimit { feed_id, limit })
                    .collect(),
                scrub: n.scrub_info(),
            })
        })
        .await
    }

    pub(super) async fn downloads_change(
        &self,
        edit: DownloadsEdit,
    ) -> Result<DownloadsReply, ApiError> {
        if edit.quota.is_some_and(|q| q < MIN_QUOTA) {
            return Err(ApiError::refused("the limit must be at least a megabyte"));
        }
        self.blocking(move |n| {
            n.change_download_rules(&edit)?;
            for (key, value) in [(BLOB_QUOTA, edit.quota), (FREE_FLOOR, edit.free_floor)] {
                if let Some(value) = value {
                    let kept = n.inner().state.set_setting(key, &value.to_string());
                    kept.map_err(|e| state_error(&e))?;
                }
            }
            Ok(())
        })
        .await?;
        self.inner().storage.look_again();
        self.refresh_prefetch().await;
        self.downloads_changed();
        self.downloads(false).await
    }

    /// Why nothing is downloaded now, as the error of somebody who waits for it.
    /// Blocks.
    pub(super) fn standstill(&self) -> Result<Option<ApiError>, ApiError> {
        let failed = |text: String, hint: &str| {
            let error = ApiError::new(ErrorKind::Failed, text);
            Some(error.hint(hint))
        };
        Ok(match self.closed() {
            Some(Closed::Paused) => failed(
                "downloads are paused".into(),
                "`studytime downloads resume` goes on; the course stays started",
            ),
            Some(Closed::Hours(hours)) => failed(
                format!("downloads run at {hours} only"),
                "`studytime downloads set --hours always` lifts that; the course stays started",
            ),
            None => self.stopped_for_room()?.and_then(|s| {
                failed(
                    s.to_string(),
                    "`studytime downloads` shows what takes the room; the course stays started and goes on by itself",
                )
            }),
        })
    }
}
