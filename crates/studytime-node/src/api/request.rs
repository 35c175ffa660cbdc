use super::backup::{BackupBlobs, BackupReply};
use super::downloads::{DownloadsEdit, DownloadsReply, ScrubReply};
use super::feed::FeedStatusReply;
use super::mirror::{MirrorChecked, MirrorInfo, MirrorPushed, MirrorSpec};
use super::reply::*;
use super::torrent::{TorrentInfo, TorrentSeeded};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use studytime_index::{
    CourseCard, CourseQuery, Cursor, KeywordCount, LearnerView, Page, Problem, Since, SubjectCount,
    Suggestion,
};
use studytime_schema::content::Answer;
use studytime_schema::{BlobId, FeedId, MessageId};

/// A request with the type of its reply.
pub trait Call: Into<Request> + Send + 'static {
    /// What a successful call answers.
    type Reply: Send + 'static;

    /// Takes this call's reply out of the common set; `None` when it is
    /// another call's.
    fn open(reply: Reply) -> Option<Self::Reply>;
}

/// Declares every request once: its fields, its doc, its reply.
macro_rules! api {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$fdoc:meta])* $field:ident : $ty:ty ),* $(,)? } => $reply:ty;
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            pub struct $name { $( $(#[$fdoc])* pub $field: $ty, )* }

            impl From<$name> for Request {
                fn from(call: $name) -> Self {
                    Self::$name(call)
                }
            }

            impl Call for $name {
                type Reply = $reply;
                fn open(reply: Reply) -> Option<$reply> {
                    match reply {
                        Reply::$name(value) => Some(value),
                        _ => None,
                    }
                }
            }
        )*

        /// Any request.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "call", content = "with", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Request { $( $(#[$doc])* $name($name), )* }

        /// Any reply; the variant has the name of its request.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(tag = "reply", content = "value", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reply {
            $(
                #[doc = concat!("The answer to [`", stringify!($name), "`].")]
                $name($reply),
            )*
        }
    };
}

/// Fields of a course that an author or curator may set; `None` leaves a field
/// as it is, an empty string or list clears it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CourseEdit {
    /// Its name.
    pub name: Option<String>,
    /// Short text.
    pub description: Option<String>,
    /// Keywords; they decide the subject.
    pub keywords: Option<Vec<String>>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// `beginner`, `intermediate` or `advanced`.
    pub level: Option<String>,
    /// Minutes to work through it.
    pub duration_minutes: Option<u64>,
    /// Who made it.
    pub provider: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Where it came from.
    pub source_url: Option<String>,
}

api! {
    /// Who this node is.
    Whoami {} => Identity;

    /// State of the node: addresses, counts, peers.
    Status {} => StatusReply;

    /// Checks the store and the own feeds; lists what an author should know.
    Doctor {} => DoctorReply;

    /// Turns a folder or archive into a course. Reports [`Progress`](super::Progress) in bytes;
    /// cancelling publishes nothing.
    Import {
        /// Absolute path of the folder or `.zip`.
        path: PathBuf,
        /// What to set, beside what the folder says.
        edit: CourseEdit,
        /// Name of an own list to put it on; made when absent.
        catalog: Option<String>,
        /// The own course to update instead of making a new one.
        into: Option<FeedId>,
        /// With `into`: remove what is no longer in the folder.
        prune: bool,
        /// Without `into`: the course whose place the new one takes. Lessons and
        /// items from the same paths say so, and learners can go on there.
        #[serde(default)]
        replaces: Option<FeedId>,
        /// Move the index of MP4 videos to their front where it is at the end.
        #[serde(default)]
        faststart: bool,
        /// Only say what would be done.
        dry_run: bool,
    } => ImportReply;

    /// Makes an own course list with a key of its own.
    CatalogNew {
        /// Its name, for people; unique among the own lists.
        name: String,
    } => Identity;

    /// The user's lists, in order.
    CatalogList {} => Vec<CatalogInfo>;

    /// The lists that connected StudyTime nodes offer.
    CatalogNearby {} => Vec<NearbyList>;

    /// Adds a list at the end.
    CatalogAdd {
        /// The list's feed.
        id: FeedId,
    } => Done;

    /// Takes a list away; courses started from it stay.
    CatalogRemove {
        /// The list's feed.
        id: FeedId,
    } => Done;

    /// Moves a list; earlier lists win where two describe one course.
    CatalogMove {
        /// The list's feed.
        id: FeedId,
        /// Its new place, from 1.
        position: usize,
    } => Done;

    /// Lists one course, anybody's, on an own list.
    CatalogPublish {
        /// The own list: its name or feed id.
        catalog: String,
        /// The course.
        course: FeedId,
        /// What to say about it; unset fields come from the course itself.
        edit: CourseEdit,
    } => Published;

    /// Lists many courses, all or none: one JSON object of `studytime_course`
    /// fields a line.
    CatalogPublishFile {
        /// The own list: its name or feed id.
        catalog: String,
        /// Absolute path of the file.
        path: PathBuf,
    } => Published;

    /// Takes a course off an own list.
    CatalogUnpublish {
        /// The own list: its name or feed id.
        catalog: String,
        /// The course.
        course: FeedId,
    } => Published;

    /// Courses by filter, text and order.
    CourseList {
        /// What is asked for.
        query: CourseQuery,
    } => Page<CourseCard>;

    /// Subjects with their counts, most popular first.
    Subjects {} => Vec<SubjectCount>;

    /// Completions of what is being typed.
    Suggest {
        /// The text so far.
        prefix: String,
        /// At most this many.
        limit: usize,
    } => Vec<Suggestion>;

    /// Courses that changed after a cursor, for a view of one's own.
    CoursesSince {
        /// What the last answer gave; the default begins.
        cursor: Cursor,
        /// At most this many.
        limit: usize,
    } => Since;

    /// The commonest keywords of courses that are in no subject.
    UnknownKeywords {
        /// At most this many.
        limit: usize,
    } => Vec<KeywordCount>;

    /// What was not taken of a feed's messages, and why.
    Problems {
        /// The feed: a course, a list.
        id: FeedId,
    } => Vec<Problem>;

    /// One course whole: record, lessons, the learner's state.
    CourseShow {
        /// The course.
        id: FeedId,
    } => CourseReply;

    /// Starts a course: keeps its feed, fetches all of it in lesson order.
    CourseStart {
        /// The course.
        id: FeedId,
        /// Answer only when everything is here; reports progress in bytes.
        wait: bool,
    } => CourseReply;

    /// Carries over what the learner did in a course to one that took its place,
    /// as far as the latter says which lessons and items replace which. Saying it
    /// again adds what could not be carried before.
    CourseCarry {
        /// The course to go on with.
        id: FeedId,
        /// The course that it took the place of, at once or over others.
        from: FeedId,
    } => Carried;

    /// Leaves a course; its content becomes evictable.
    CourseLeave {
        /// The course.
        id: FeedId,
    } => Done;

    /// Changes fields of an own course, or of its listing on own lists.
    CourseUpdate {
        /// The course.
        id: FeedId,
        /// What to change.
        edit: CourseEdit,
    } => Published;

    /// Marks a course as no longer recommended, where it is ours to say so.
    CourseDeprecate {
        /// The course.
        id: FeedId,
        /// What to take instead.
        successor: Option<FeedId>,
        /// Why.
        reason: Option<String>,
        /// Takes it back, with successor and reason.
        #[serde(default)]
        undo: bool,
    } => Published;

    /// Keeps all of a course whether started or not; never evicted.
    CoursePin {
        /// The course.
        id: FeedId,
        /// `false` takes the pin away.
        pinned: bool,
    } => Done;

    /// Pauses or resumes the fetching of a started course.
    CoursePause {
        /// The course.
        id: FeedId,
        /// Whether to pause.
        paused: bool,
    } => Done;

    /// Writes a course as a plain folder that can be imported again.
    CourseExport {
        /// The course.
        id: FeedId,
        /// Absolute path of the folder; must be absent or empty.
        dir: PathBuf,
    } => ExportReply;

    /// One lesson with its text and items.
    LessonShow {
        /// The course.
        id: FeedId,
        /// The lesson's number.
        number: u64,
    } => LessonReply;

    /// Marks a lesson as done, or not done.
    LessonDone {
        /// The course.
        id: FeedId,
        /// The lesson's number.
        number: u64,
        /// Whether it is done.
        done: bool,
    } => Done;

    /// Saves where the learner is in a video or lesson. Kept here at once;
    /// published as `studytime_progress` on pause, leave or completion, at
    /// most once in ten minutes.
    SavePosition {
        /// The course.
        id: FeedId,
        /// The lesson or item.
        item: MessageId,
        /// Seconds into it.
        position_seconds: u64,
        /// Percent of it watched or read.
        percent: u8,
        /// The learner paused or left: a moment to publish.
        settled: bool,
    } => Done;

    /// Grades a test and keeps the result.
    TestSubmit {
        /// The course.
        id: FeedId,
        /// The test item.
        item: MessageId,
        /// One answer a question, in order; `None` for no answer.
        answers: Vec<Option<Answer>>,
    } => TestReply;

    /// Writes a note, encrypted to the learner only.
    NoteAdd {
        /// The course.
        id: FeedId,
        /// The lesson's number.
        number: u64,
        /// The text.
        text: String,
    } => Published;

    /// The learner's notes, newest first.
    NoteList {
        /// Only of this course.
        id: Option<FeedId>,
    } => Vec<NoteInfo>;

    /// Sets or takes away a bookmark.
    Bookmark {
        /// The course.
        id: FeedId,
        /// The lesson's number; `None` for the course itself.
        number: Option<u64>,
        /// Whether it is set.
        set: bool,
    } => Done;

    /// The learner's courses with progress, and where they left off.
    Learner {} => LearnerView;

    /// Known peers with their state in words.
    PeerList {} => Vec<PeerInfo>;

    /// Connects to an address and waits until it is up.
    PeerConnect {
        /// A multiserver address.
        address: String,
        /// Seconds to wait at most.
        timeout_seconds: u64,
    } => PeerInfo;

    /// Waits until a connected peer has nothing more to give and has got what it
    /// asked for, as far as both have said.
    PeerExchange {
        /// The peer.
        id: FeedId,
        /// Seconds to wait at most.
        timeout_seconds: u64,
    } => ExchangeReply;

    /// Redeems an invite of a pub or a room, or meets somebody by their alias.
    PeerInvite {
        /// The code or link as pasted.
        code: String,
    } => Redeemed;

    /// The rooms this node is in, and who is there.
    RoomList {} => Vec<RoomInfo>;

    /// Makes an invite code for this node.
    PeerNewInvite {
        /// How often it can be used.
        uses: u32,
        /// For how many days; 30 when not given.
        #[serde(default)]
        days: Option<u32>,
    } => InviteCode;

    /// Publishes a follow, unfollow, block or unblock.
    Follow {
        /// Whom.
        id: FeedId,
        /// What.
        relation: Relation,
    } => Published;

    /// Keeps a file as a blob, or as segments with a manifest.
    BlobAdd {
        /// Absolute path.
        path: PathBuf,
    } => BlobAdded;

    /// Fetches a blob (or what a manifest names) and writes it to a file.
    BlobGet {
        /// The blob.
        id: BlobId,
        /// Whether it is a manifest whose file is wanted.
        manifest: bool,
        /// Absolute path to write to; `None` only fetches.
        output: Option<PathBuf>,
        /// Seconds without any progress after which it fails.
        timeout_seconds: u64,
    } => BlobAdded;

    /// Blobs that are here.
    BlobList {} => Vec<BlobInfo>;

    /// Deletes blobs that policy no longer keeps.
    BlobGc {
        /// Only say what would go.
        dry_run: bool,
    } => GcReply;

    /// Reads every blob and compares it with its hash; what is damaged is deleted
    /// and, where it is pinned or of a course that is fetched, fetched again.
    /// Reports [`Progress`](super::Progress) in bytes.
    BlobScrub {} => ScrubReply;

    /// Downloads: the room they have, whether they run, and why not.
    Downloads {
        /// With how much each class of blobs takes, which takes a moment.
        by_class: bool,
    } => DownloadsReply;

    /// Changes when downloads run, how fast, and what they may take.
    DownloadsChange {
        /// What to change.
        edit: DownloadsEdit,
    } => DownloadsReply;

    /// The mirrors: other places where files are looked for when no peer has them.
    MirrorList {} => Vec<MirrorInfo>;

    /// Names a mirror.
    MirrorAdd {
        /// Where and how.
        mirror: MirrorSpec,
    } => Done;

    /// Takes a mirror away; what lies there stays.
    MirrorRemove {
        /// Its name.
        name: String,
    } => Done;

    /// Brings files to a mirror, those that it does not have.
    MirrorPush {
        /// The mirror's name.
        name: String,
        /// The course; all own ones when none is named.
        course: Option<FeedId>,
    } => MirrorPushed;

    /// Looks at what a mirror has.
    MirrorCheck {
        /// The mirror's name.
        name: String,
        /// The course; all own ones when none is named.
        course: Option<FeedId>,
        /// Whether to read every file and compare its hash.
        read: bool,
    } => MirrorChecked;

    /// Makes torrents of the videos of a course, and gives them over BitTorrent as
    /// long as the node runs.
    TorrentSeed {
        /// The course.
        course: FeedId,
        /// Addresses of trackers, through which others find this node. Without
        /// any, torrents that were made before keep theirs.
        trackers: Vec<String>,
        /// Whether trackers and peers may lie in a private network.
        private: bool,
        /// Whether to publish the magnet links with the videos; of own courses.
        publish: bool,
    } => TorrentSeeded;

    /// The torrents that are given.
    TorrentList {} => Vec<TorrentInfo>;

    /// Gives the torrents of a course no more; what was published stays.
    TorrentStop {
        /// The course.
        course: FeedId,
    } => Done;

    /// Writes everything precious into one file.
    Backup {
        /// Absolute path; must not exist.
        path: PathBuf,
        /// Which own files go with it.
        #[serde(default)]
        blobs: BackupBlobs,
    } => BackupReply;

    /// Messages of one feed, in order.
    FeedLog {
        /// The feed.
        id: FeedId,
        /// From this sequence.
        from: u64,
        /// At most this many.
        limit: usize,
    } => Vec<LogMessage>;

    /// What is known of one feed.
    FeedStatus {
        /// The feed.
        id: FeedId,
    } => FeedStatusReply;

    /// The settings a person can change.
    Settings {} => SettingsReply;

    /// Changes settings; `None` leaves one as it is.
    SettingsChange {
        /// Whether enrolments are published for others to see.
        share_study: Option<bool>,
        /// Bytes of blobs to keep at most.
        blob_quota: Option<u64>,
        /// Hops of friends to replicate.
        hops: Option<u8>,
        /// Messages to hold at most of feeds that nobody here asked for by name.
        budget_messages: Option<u64>,
        /// Bytes of these.
        budget_bytes: Option<u64>,
    } => SettingsReply;
}

/// How one feed stands to another, as `contact` messages say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Wants its messages.
    Follow,
    /// No longer wants them.
    Unfollow,
    /// Wants nothing to do with it.
    Block,
    /// No longer blocks it.
    Unblock,
}

impl Import {
    /// A folder or archive as a new course on no list, with nothing but what it says
    /// itself.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            edit: CourseEdit::default(),
            catalog: None,
            into: None,
            prune: false,
            replaces: None,
            faststart: false,
            dry_run: false,
        }
    }
}
