use super::reply::BlobCount;
use serde::{Deserialize, Serialize};
use std::fmt;
use studytime_schema::{BlobId, FeedId};

/// Why a blob is here; the earlier ones are kept longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlobClass {
    /// Pinned, or the user's own: never deleted by itself.
    Pinned,
    /// Of started courses.
    Started,
    /// Of courses that are listed but not started.
    Friends,
    /// Of strangers, or left over.
    Strangers,
}

/// How much one class takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassUse {
    /// The class.
    pub class: BlobClass,
    /// Its blobs.
    #[serde(flatten)]
    pub count: BlobCount,
}

/// What there is no room in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// All that the user gave is taken.
    Quota,
    /// The disk has no more than what is to stay free.
    FreeSpace,
    /// The disk took no more.
    DiskFull,
}

/// Downloads have stopped for want of room. Its text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// What there is no room in.
    pub reason: StopReason,
    /// Bytes of the next file.
    pub needed: u64,
    /// Bytes of all blobs.
    pub used: u64,
    /// Bytes they may take.
    pub limit: u64,
    /// Bytes free on the disk, when the system says.
    pub free: Option<u64>,
    /// Bytes that are to stay free.
    pub free_floor: u64,
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["kB", "MB", "GB", "TB"];
        #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64;
        let mut unit = "bytes";
        for next in units {
            if value < 1000.0 {
                break;
            }
            value /= 1000.0;
            unit = next;
        }
        match unit {
            "bytes" => write!(f, "{value} {unit}"),
            _ => write!(f, "{value:.1} {unit}"),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = Size(self.free.unwrap_or(0));
        match self.reason {
            StopReason::Quota => write!(
                f,
                "downloads have stopped: files take {} of the {} they may; raise the limit, or leave or unpin a course",
                Size(self.used),
                Size(self.limit)
            ),
            StopReason::FreeSpace => write!(
                f,
                "downloads have stopped: {free} are free on the disk, and {} are to stay free; make room on the disk, and they go on by themselves",
                Size(self.free_floor)
            ),
            StopReason::DiskFull => write!(
                f,
                "downloads have stopped: the disk is full; make room on it, and they go on by themselves"
            ),
        }
    }
}

/// A limit of one course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseLimit {
    /// The course.
    pub feed_id: FeedId,
    /// Bytes a second.
    pub limit: u64,
}

/// How looking for damaged files stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScrubInfo {
    /// Whether a pass is under way.
    pub running: bool,
    /// When the last pass began, in milliseconds since 1970; 0 for never.
    pub begun: u64,
    /// When the last whole pass ended; 0 for never.
    pub ended: u64,
    /// What the last pass has looked at.
    pub checked: BlobCount,
    /// Damaged files it found.
    pub damaged: u64,
}

/// What looking at every file found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScrubReply {
    /// What was looked at.
    pub checked: BlobCount,
    /// How many were damaged; they were deleted.
    pub damaged: u64,
    /// Which, a thousand at most.
    pub blobs: Vec<BlobId>,
}

/// Downloads and the room they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadsReply {
    /// What is here.
    pub used: BlobCount,
    /// Bytes that may be.
    pub quota: u64,
    /// Bytes free on the disk, when the system says.
    pub free: Option<u64>,
    /// Bytes of the disk that are to stay free.
    pub free_floor: u64,
    /// How much each class takes; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassUse>,
    /// Why downloads stand still for want of room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Whether the user paused all of them.
    pub paused: bool,
    /// The hours at which they run, like `22:00-06:00`; absent for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// Whether they run at this moment, as far as pause and hours go.
    pub running: bool,
    /// Bytes a second that they may take; absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Courses with limits of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub courses: Vec<CourseLimit>,
    /// Looking for damaged files.
    pub scrub: ScrubInfo,
}

/// What to change of downloads; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DownloadsEdit {
    /// Pauses all, or lets all go on.
    pub paused: Option<bool>,
    /// Bytes a second; 0 for no limit.
    pub limit: Option<u64>,
    /// Hours like `22:00-06:00`; empty for always.
    pub hours: Option<String>,
    /// Courses with their bytes a second; 0 for no limit.
    pub courses: Vec<(FeedId, u64)>,
    /// Bytes that blobs may take.
    pub quota: Option<u64>,
    /// Bytes of the disk that are to stay free.
    pub free_floor: Option<u64>,
}
