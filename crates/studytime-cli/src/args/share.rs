use super::{Patience, feed_id};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use studytime_node::api::CourseEdit;
use studytime_schema::FeedId;

const IMPORT_EXAMPLES: &str = "\
Examples:
  studytime import ./soil --dry-run
  studytime import ./soil --name \"Soil science\" --license CC-BY-4.0 --language en \\
      --keyword geology --keyword gardening --catalog \"Evening school\"
  studytime import ./soil --into '@….ed25519' --prune";

/// Turn a folder or .zip of lessons into a course
///
/// Text (Markdown, HTML, plain), PDFs and other files, MP4 and WebM with captions, pictures and
/// tests; the layout is found out. The course gets a feed of its own. What cannot be taken is
/// listed; Ctrl-C publishes nothing.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The folder or .zip
    pub(crate) path: PathBuf,
    /// Put it on this list of yours; the list is made when you have none of that name
    #[arg(long, value_name = "NAME")]
    pub(crate) catalog: Option<String>,
    /// Update this course of yours: publish only what changed
    #[arg(long, value_name = "COURSE", value_parser = feed_id)]
    pub(crate) into: Option<FeedId>,
    /// With --into: take out of the course what is no longer in the folder
    #[arg(long, requires = "into")]
    pub(crate) prune: bool,
    /// Make a course that takes the place of this one, and say which lessons replace which
    ///
    /// Lessons and items are matched by their paths in the folder. Learners who go on in the new
    /// course keep what they did (`course start NEW --from OLD`).
    #[arg(long, value_name = "COURSE", value_parser = feed_id, conflicts_with = "into")]
    pub(crate) replaces: Option<FeedId>,
    /// Move the index of MP4 videos to their front, so that they start at once
    #[arg(long)]
    pub(crate) faststart: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    // Last: its heading holds for what follows it.
    #[command(flatten)]
    pub(crate) edit: Edit,
}

/// What can be said about a course; an empty value clears a field.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "About the course (an empty value clears)")]
pub(crate) struct Edit {
    /// Its name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is about, in a few sentences
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A keyword; the keywords decide the subject; can be repeated
    #[arg(long = "keyword", value_name = "WORD")]
    keywords: Option<Vec<String>>,
    /// Its language, as a tag (en, de, pt-BR …)
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// beginner, intermediate or advanced
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Minutes to work through it
    #[arg(long, value_name = "MINUTES")]
    duration_minutes: Option<u64>,
    /// Who made it
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Its licence, as an SPDX expression (CC-BY-4.0 …)
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
    /// Where it came from
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
}

impl From<Edit> for CourseEdit {
    fn from(edit: Edit) -> Self {
        Self {
            name: edit.name,
            description: edit.description,
            keywords: edit.keywords,
            language: edit.language,
            level: edit.level,
            duration_minutes: edit.duration_minutes,
            provider: edit.provider,
            license: edit.license,
            source_url: edit.source_url,
        }
    }
}

const PUBLISH_USAGE: &str = "\
studytime catalog publish [OPTIONS] <NAME> <ID>
       studytime catalog publish [OPTIONS] <NAME> --from <FILE>";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  studytime catalog publish \"Evening school\" '@….ed25519'
  studytime catalog publish \"Evening school\" --from courses.jsonl

Each line of such a file is a JSON object with \"feed_id\", \"name\" and what else can be said:
  {\"feed_id\":\"….ed25519\",\"name\":\"Soil\",\"keywords\":[\"geology\"],\"language\":\"en\"}
All lines are published, or none.";

/// `catalog …`
#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// Make a course list of your own
    New {
        /// Its name, for people
        name: String,
    },
    /// Show your lists, in order: where two describe one course, the first one wins
    List,
    /// Show the lists that connected nodes offer; follow one with `catalog add`
    Nearby,
    /// Follow a list: its courses are offered to you
    Add {
        /// The list's feed
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// No longer follow a list; courses you have started stay
    Remove {
        /// The list's feed
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// Move a list to another place
    Move {
        /// The list's feed
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// Its new place, counted from 1
        position: usize,
    },
    /// Put a course, anybody's, on a list of yours
    #[command(override_usage = PUBLISH_USAGE, after_help = PUBLISH_EXAMPLES, group = ArgGroup::new("what").required(true).args(["id", "from"]))]
    Publish {
        /// Your list: its name or feed id
        #[arg(value_name = "NAME")]
        list: String,
        /// The course
        #[arg(value_parser = feed_id)]
        id: Option<FeedId>,
        /// A file with a course a line
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        edit: Box<Edit>,
    },
    /// Take a course off a list of yours
    Unpublish {
        /// Your list: its name or feed id
        #[arg(value_name = "NAME")]
        list: String,
        /// The course
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
}

/// `peer …`
#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// Show known nodes and how they stand
    List,
    /// Connect to a node, and remember it
    ///
    /// When no node is running, one is started for this command: it exchanges messages with the
    /// other one, then leaves.
    Connect {
        /// The other node's address, as its `studytime status` shows it: net:HOST:PORT~shs:KEY;
        /// or through a room: tunnel:@ROOM:@PEER~shs:KEY
        address: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Redeem an invite of a pub or a room, or meet somebody by their alias
    ///
    /// A pub that gave a code follows you, and you follow it. A room lets you in: through it you
    /// can meet others who are there, and be met. An alias is a link to one person in a room.
    Invite {
        /// The code or link: HOST:PORT:@KEY~SEED, net:…~shs:KEY:SEED, https://…, ssb:experimental?…
        code: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Make an invite code for this node
    NewInvite {
        /// How many people can use it
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// For how many days it is good
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
}
