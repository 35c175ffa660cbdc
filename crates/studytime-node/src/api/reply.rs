use super::downloads::{ClassUse, Stopped};
use super::feed::LockInfo;
use serde::{Deserialize, Serialize};
use studytime_index::CourseDetail;
use studytime_schema::content::{Caption, Grade, Question};
use studytime_schema::view::LessonView;
use studytime_schema::{BlobId, FeedId, MessageId};

/// It is done; there is nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {}

/// A feed of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: FeedId,
}

/// Messages that were published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The feed they are in.
    pub feed: FeedId,
    /// Their ids, in order.
    pub messages: Vec<MessageId>,
}

/// What was carried over from one course to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Carried {
    /// Lessons.
    pub lessons: u64,
    /// Videos, files and tests.
    pub items: u64,
}

/// Count and size of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlobCount {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// State of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The own main feed.
    pub id: FeedId,
    /// Where the pages are; `None` when they are not served.
    pub http: Option<String>,
    /// The TCP address that is listened on; `None` when it is not.
    pub listen: Option<String>,
    /// The address to give to others (multiserver).
    pub address: Option<String>,
    /// Messages kept.
    pub messages: u64,
    /// Feeds kept.
    pub feeds: u64,
    /// Blobs kept.
    pub blobs: BlobCount,
    /// Peers that are connected, being tried or known.
    pub peers: Vec<PeerInfo>,
    /// What may be held of feeds that nobody here asked for by name.
    #[serde(default)]
    pub budget: BudgetReply,
    /// Messages the index has not taken in yet; 0 when it is up to date.
    pub index_behind: u64,
    /// Own feeds that must not be published on for now.
    #[serde(default)]
    pub locked: Vec<LockInfo>,
    /// Why downloads stand still for want of room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Blobs that are wanted here and have not come.
    #[serde(default)]
    pub blobs_wanted: u64,
    /// Blobs on their way from peers.
    #[serde(default)]
    pub blobs_fetching: u64,
    /// Version of the program.
    pub version: String,
}

/// Feeds, and what they amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// How many feeds.
    pub feeds: u64,
    /// Their messages.
    pub messages: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// How much may be held of what nobody here asked for by name: courses that the
/// lists name, friends, and what a pub carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BudgetReply {
    /// How much may be.
    pub limit: Amount,
    /// How much is, of those that are fetched.
    pub used: Amount,
    /// Feeds for which there is no room: what is here of them is kept and passed
    /// on, but they are not fetched.
    pub left_out: u64,
}

/// A peer, and how it stands, in words.
#[derive(Debug, Clone, PartialEq, Default, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Its feed id; `None` while an address was dialled that names none.
    pub id: Option<FeedId>,
    /// Its name, when a message told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address; for incoming connections the remote socket.
    pub address: String,
    /// How its address came here: `lan`, `typed`, `room`, `seeder`, `pub`,
    /// `room member`, `known`; empty when it called us.
    #[serde(default)]
    pub kind: String,
    /// The same for a person: "config.toml", "the local network".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `connected`, `connecting`, `waiting`, `failed`, `blocked`, `in room`.
    pub state: String,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether we dialled it.
    pub outgoing: bool,
    /// Whether it is a StudyTime node.
    pub studytime: bool,
    /// Milliseconds since 1970 of the last change of state.
    pub since: u64,
    /// Bytes received and sent over this connection.
    #[serde(default)]
    pub traffic: (u64, u64),
    /// Failures since it was last reached.
    #[serde(default)]
    pub failures: u32,
    /// Milliseconds since 1970 when it was last reached; 0 for never or unknown.
    #[serde(default)]
    pub last_ok: u64,
    /// Milliseconds since 1970 when it is dialled again by itself; absent when
    /// that hangs on something else, or it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
}

/// How far two nodes have come in giving each other what they have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeReply {
    /// Nothing more is expected from either side.
    pub complete: bool,
    /// Whether the connection is up.
    pub connected: bool,
    /// Whether both have said which feeds they hold, or the peer is asked feed by
    /// feed.
    pub introduced: bool,
    /// Messages that the peer has and this node wants and has not.
    pub messages: u64,
    /// Feeds that the peer is being asked for by history streams.
    pub feeds: u64,
    /// Files that come from the peer, or are to come next.
    pub files: u64,
    /// Messages that the peer asked for and has not got yet.
    pub unsent: u64,
    /// Messages that have come and that the index has not read yet.
    pub index_behind: u64,
}

/// What the check of the store found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoctorReply {
    /// Whether everything is in order.
    pub ok: bool,
    /// What is not, a line each.
    pub findings: Vec<Finding>,
    /// What is worth knowing, but needs no doing: what is wrong with the feeds of
    /// others.
    #[serde(default)]
    pub notes: Vec<Finding>,
}

/// One thing an author or owner should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Where: a feed, a message, a file.
    pub place: String,
    /// What and what to do.
    pub text: String,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportReply {
    /// The course feed; `None` on a dry run of a new course.
    pub course: Option<FeedId>,
    /// Its name.
    pub name: String,
    /// Lessons.
    pub lessons: u64,
    /// Videos, files and tests.
    pub items: u64,
    /// Messages published.
    pub messages: u64,
    /// Blobs kept for it, manifests included.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What could not be taken as it is, a line each.
    pub problems: Vec<ImportProblem>,
    /// On a dry run: the lessons as they would stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outline: Vec<String>,
}

/// One thing an import met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    /// The path inside the folder.
    pub path: String,
    /// What, in words.
    pub problem: String,
}

/// A course list of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogInfo {
    /// Its feed.
    pub id: FeedId,
    /// Its name, as its feed or the user says.
    pub name: String,
    /// How many courses it lists now.
    pub courses: u64,
    /// Whether its key is ours.
    pub own: bool,
    /// Whether it came with the program.
    pub builtin: bool,
    /// Its place, from 1.
    pub position: usize,
}

/// A course list that a connected StudyTime node offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearbyList {
    /// Its feed.
    pub id: FeedId,
    /// Its name, as its feed or the peer says; empty when nobody does.
    pub name: String,
    /// Whether it is among the user's lists.
    pub chosen: bool,
    /// Who offers it.
    pub peers: Vec<FeedId>,
}

/// A course with what the node knows beside its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourseReply {
    /// Record, lessons, enrolment, progress.
    #[serde(flatten)]
    pub detail: CourseDetail,
    /// Bytes of its content that are here.
    pub bytes_here: u64,
    /// Bytes of its content in all, as far as known.
    pub bytes_total: u64,
    /// Files that are not here and of which nobody has said how large they are: so
    /// many come on top.
    #[serde(default)]
    pub unknown_files: u64,
    /// Bytes that downloads may still take, of the user's limit and of the disk.
    #[serde(default)]
    pub bytes_room: u64,
    /// Whether all of it is pinned.
    pub pinned: bool,
    /// Whether fetching is paused.
    pub paused: bool,
    /// Whether its feed's key is ours.
    pub own: bool,
}

/// Where a course went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportReply {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was not here and is missing, a line each.
    pub missing: Vec<String>,
}

/// A lesson as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonReply {
    /// The course.
    pub feed_id: FeedId,
    /// The course's name.
    pub course_name: String,
    /// The lesson as folded, with its ids.
    pub lesson: LessonView,
    /// The text, wherever it was kept; `None` while its blob is not here.
    pub content: Option<String>,
    /// Videos with URL paths on the pages' address.
    pub videos: Vec<VideoInfo>,
    /// Files with URL paths.
    pub attachments: Vec<AttachmentInfo>,
    /// Tests with their questions; empty questions while their blob is not here.
    pub tests: Vec<TestInfo>,
    /// Whether the learner has done it.
    pub done: bool,
    /// Number of the lesson before, when there is one.
    pub previous: Option<u64>,
    /// Number of the lesson after, when there is one.
    pub next: Option<u64>,
    /// The learner's notes on it.
    pub notes: Vec<NoteInfo>,
    /// Whether it is bookmarked.
    pub bookmarked: bool,
    /// Blobs of its text (pictures) that are here.
    pub blobs_here: Vec<BlobId>,
}

/// A video of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// Its message.
    pub item: MessageId,
    /// Its name.
    pub name: String,
    /// Text beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// MIME type of the first source.
    pub content_type: Option<String>,
    /// Bytes of the first source.
    pub size: Option<u64>,
    /// URL path of the first source on the pages' address.
    pub path: String,
    /// All sources, best first: URL path and MIME type.
    pub sources: Vec<(String, Option<String>)>,
    /// Caption tracks, with URL paths.
    pub captions: Vec<CaptionInfo>,
    /// URL path of the poster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
    /// Seconds to resume at.
    pub position_seconds: u64,
    /// Whether the learner has done it.
    pub done: bool,
    /// Bytes of the first source that are here.
    pub bytes_here: u64,
}

/// A caption track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptionInfo {
    /// As the author wrote it.
    #[serde(flatten)]
    pub caption: Caption,
    /// URL path on the pages' address.
    pub path: String,
}

/// A file of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachmentInfo {
    /// Its message.
    pub item: MessageId,
    /// Its name.
    pub name: String,
    /// MIME type.
    pub content_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// URL path on the pages' address.
    pub path: String,
    /// Bytes of it that are here.
    pub bytes_here: u64,
}

/// A test of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestInfo {
    /// Its message.
    pub item: MessageId,
    /// Its name.
    pub name: String,
    /// Percent needed to pass.
    pub pass_percent: u8,
    /// The questions.
    pub questions: Vec<Question>,
    /// The best result so far, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_percent: Option<u8>,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestReply {
    /// Percent of the points.
    pub percent: u8,
    /// Whether it is enough.
    pub passed: bool,
    /// A grade a question, in order.
    pub grades: Vec<Grade>,
    /// The questions, with their explanations.
    pub questions: Vec<Question>,
}

/// A note of the learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteInfo {
    /// The course.
    pub feed_id: FeedId,
    /// The course's name, when known.
    pub course_name: String,
    /// The lesson's number now; `None` when it is gone.
    pub lesson_number: Option<u64>,
    /// The text.
    pub text: String,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// An invite code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteCode {
    /// To hand out.
    pub code: String,
    /// How often it can be used.
    pub uses: u32,
    /// Until when, in milliseconds since 1970.
    #[serde(default)]
    pub expires: u64,
}

/// What became of an invite, with the peer it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// The pub, the room, or whom the alias names.
    #[serde(flatten)]
    pub peer: PeerInfo,
    /// What the invite was for: `pub`, `room` or `alias`.
    pub invite: String,
    /// What was done, for a person.
    pub done: String,
}

/// A room this node is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomInfo {
    /// Its id.
    pub id: FeedId,
    /// Its name, when it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who is there, besides this node.
    pub members: Vec<RoomMember>,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMember {
    /// Who.
    pub id: FeedId,
    /// The name, when a message told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What `peer connect` takes.
    pub address: String,
    /// Whether there is a connection, through this room or otherwise.
    pub connected: bool,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobAdded {
    /// The blob: the file, or its manifest.
    pub id: BlobId,
    /// Bytes of the file.
    pub size: u64,
    /// Whether `id` is a manifest.
    pub manifest: bool,
}

/// A blob that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInfo {
    /// Its id.
    pub id: BlobId,
    /// Its bytes.
    pub size: u64,
    /// Whether something pins it.
    pub pinned: bool,
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReply {
    /// Blobs that went, or would go.
    pub removed: BlobCount,
    /// Blobs that stay.
    pub kept: BlobCount,
    /// What went, or would go, by why it was here.
    #[serde(default)]
    pub by_class: Vec<ClassUse>,
    /// Bytes that are still too many, because all that is left is pinned or was
    /// just used.
    #[serde(default)]
    pub short_by: u64,
    /// Whether nothing was really deleted.
    pub dry_run: bool,
}

/// One message of a feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogMessage {
    /// Its id.
    pub key: MessageId,
    /// Its place in the feed.
    pub sequence: u64,
    /// The message as it travels: its text, because the order of fields is part
    /// of what was signed.
    pub value: Box<serde_json::value::RawValue>,
    /// The content, when it was encrypted and we can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<serde_json::Value>,
}

/// The settings a person can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsReply {
    /// Whether enrolments are published for others to see; `None` while the
    /// person has not been asked.
    pub share_study: Option<bool>,
    /// Bytes of blobs to keep at most.
    pub blob_quota: u64,
    /// Hops of friends to replicate.
    pub hops: u8,
    /// Messages to hold at most of feeds that nobody here asked for by name.
    pub budget_messages: u64,
    /// Bytes of these.
    pub budget_bytes: u64,
}
