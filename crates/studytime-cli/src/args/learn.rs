use super::room::rate;
use super::{Edit, Patience, feed_id};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use studytime_schema::FeedId;
use studytime_schema::content::Level;

const LIST_EXAMPLES: &str = "\
Examples:
  studytime course list
  studytime course list --category Mathematics --language de
  studytime course list --subject algebra --duration short --on-device
  studytime --json course list | jq -r .name";

/// `course …`
#[derive(Debug, Subcommand)]
pub(crate) enum Course {
    /// List the courses of your course lists, most popular first
    #[command(after_help = LIST_EXAMPLES)]
    List(CourseFilter),
    /// Search names, keywords, descriptions and lessons
    Search {
        /// Words to look for; the last one may be unfinished
        #[arg(required = true, value_name = "QUERY")]
        words: Vec<String>,
        #[command(flatten)]
        filter: CourseFilter,
    },
    /// Show one course: what it is, its lessons, how far you are
    Show {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// Instead, show which messages of its feed were not taken, and why
        #[arg(long)]
        problems: bool,
    },
    /// Show the subjects with how many courses they have, most popular first
    Subjects,
    /// Show the commonest keywords of courses that are in no subject
    Keywords {
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Start a course: all of it is fetched in the order of its lessons, and kept
    Start {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// Answer only when all of it is here
        ///
        /// When no node is running, one is started for this command.
        #[arg(long)]
        wait: bool,
        /// Carry over what you did in a course that this one takes the place of
        ///
        /// Counts for lessons and items that say which they replace. Say it again when more
        /// of the course is here: nothing is carried twice.
        #[arg(long, value_name = "COURSE", value_parser = feed_id)]
        from: Option<FeedId>,
        #[command(flatten)]
        patience: Patience,
    },
    /// Leave a course; your notes stay, its files may be deleted when room is needed
    Leave {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// Change what your course, or your list's entry of a course, says
    Update {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        #[command(flatten)]
        edit: Edit,
    },
    /// Say that a course is no longer recommended; whoever learns it keeps it
    Deprecate {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// What to take instead
        #[arg(long, value_name = "ID", value_parser = feed_id)]
        successor: Option<FeedId>,
        /// Why, for learners
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Take it back: the course is recommended again
        #[arg(long, conflicts_with_all = ["successor", "reason"])]
        undo: bool,
    },
    /// Keep all of a course here whether you learn it or not
    Pin {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// Take the pin away
        #[arg(long)]
        undo: bool,
    },
    /// Stop fetching a started course for now
    Pause {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// Go on fetching a paused course
    Resume {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// Fetch a course no faster than this
    Limit {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// Bytes a second, like 200k; `none` for no limit
        #[arg(value_parser = rate)]
        rate: u64,
    },
    /// Write a course as a plain folder that can be read, and imported again
    Export {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// The folder; must be absent or empty
        dir: PathBuf,
    },
}

/// Which courses.
#[derive(Debug, Args)]
pub(crate) struct CourseFilter {
    /// Only this category of subjects; `course subjects` shows both
    #[arg(long, value_name = "CATEGORY")]
    pub(crate) category: Option<String>,
    /// Only this subject
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// Only this language (en, de, pt-BR …)
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,
    /// Only this level
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub(crate) level: Option<Level>,
    /// Only courses of such a length
    #[arg(long, value_name = "LENGTH")]
    pub(crate) duration: Option<Duration>,
    /// Only what this school, author or publisher provides
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Only this licence (SPDX)
    #[arg(long, value_name = "SPDX")]
    pub(crate) license: Option<String>,
    /// Only what this course list of yours names
    #[arg(long, value_name = "ID", value_parser = feed_id)]
    pub(crate) catalog: Option<FeedId>,
    /// Only courses you have started
    #[arg(long)]
    pub(crate) started: bool,
    /// Only courses that are all on this computer
    #[arg(long)]
    pub(crate) on_device: bool,
    /// Also courses that are no longer recommended
    #[arg(long)]
    pub(crate) deprecated: bool,
    /// The order [default: best match for a search, else popular]
    #[arg(long, value_name = "ORDER")]
    pub(crate) sort: Option<Order>,
    /// At most this many [default: 20 for a search, else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// How long a course takes, spelled as the index spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Duration {
    /// Less than two hours
    Short,
    /// Two hours to less than ten
    Medium,
    /// Ten hours and more
    Long,
}

impl Duration {
    /// As the index spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

/// An order of courses, spelled as the index spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// Most learned by the people around you
    Popular,
    /// Newest listing first
    Newest,
    /// Fewest minutes first
    Shortest,
    /// By name
    Name,
}

impl Order {
    /// As the index spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Popular => "popular",
            Self::Newest => "newest",
            Self::Shortest => "shortest",
            Self::Name => "name",
        }
    }
}

/// `lesson …`
#[derive(Debug, Subcommand)]
pub(crate) enum Lesson {
    /// Show a lesson: its text, videos, files, tests and your notes
    Show {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// The lesson's number
        number: u64,
    },
    /// Tick a lesson off
    Done {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// The lesson's number
        number: u64,
        /// Not done after all
        #[arg(long)]
        undo: bool,
    },
}

/// `note …`
#[derive(Debug, Subcommand)]
pub(crate) enum Note {
    /// Write a note on a lesson; only you can read it
    Add {
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// The lesson's number
        number: u64,
        /// The text; `-` reads it from standard input
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: String,
    },
    /// List your notes, newest first
    List {
        /// Only notes on this course
        #[arg(value_parser = feed_id)]
        id: Option<FeedId>,
    },
}

fn level(text: &str) -> Result<Level, String> {
    text.parse()
        .map_err(|_| "say beginner, intermediate or advanced".to_owned())
}
