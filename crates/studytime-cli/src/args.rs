//! What can be typed: every command with its options and help.

mod keep;
mod learn;
mod room;
mod run;
mod share;

pub(crate) use keep::{Backup, Blob, Feed, FeedCheck, Restore};
pub(crate) use learn::{Course, CourseFilter, Lesson, Note};
pub(crate) use room::{Downloads, DownloadsDo, Mirror, MirrorAdd, Seed};
pub(crate) use run::{Demo, Serve};
pub(crate) use share::{Catalog, Edit, ImportArgs, Peer};

use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;
use studytime_schema::{BlobId, FeedId, NetworkKey, Tip};

const ABOUT: &str = "\
Courses on Secure Scuttlebutt: without a server, and without internet once they are here.

Without a command it starts the node and its pages on this computer and opens them in a browser.";

const EXAMPLES: &str = "\
Examples:
  studytime                                 learn: the pages in a browser
  studytime demo                            look around on a throwaway directory
  studytime import ./my-course --name \"Soil\" --license CC-BY-4.0 --catalog Garden
  studytime serve                           share what is here with others
  studytime peer connect 'net:…~shs:…'      meet another node
  studytime course search soil              find a course
  studytime course start '@….ed25519'       keep all of it here, and learn

Ids contain characters that shells treat specially: put them in single quotes, or write
their ssb: form.

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 refused or invalid input.

Without --data-dir, everything is kept in $STUDYTIME_DATA_DIR, or where this system keeps such
things: ~/.local/share/studytime on Linux, ~/Library/Application Support/studytime on macOS,
%LOCALAPPDATA%\\studytime on Windows. A network key is 32 bytes in base64; the default is the main
Scuttlebutt network. More variables: STUDYTIME_NO_BROWSER (never open a browser), RUST_LOG
(what is logged), NO_COLOR.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "studytime",
    version,
    about = "Courses on Secure Scuttlebutt, without a server",
    long_about = ABOUT,
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 100,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where everything is kept [env: STUDYTIME_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The network to belong to, if not the main one [env: STUDYTIME_NETWORK_KEY]
    #[arg(
        long,
        global = true,
        value_name = "BASE64",
        help_heading = "Everywhere"
    )]
    pub(crate) network_key: Option<NetworkKey>,
    /// Print JSON: one value, or a line for each entry of a list
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Log more to standard error; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
    /// Only results and errors: no hints, no progress
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Everywhere"
    )]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Demo(Demo),
    /// Print the id of this node's main feed
    Whoami,
    /// Show addresses, counts and peers
    Status,
    /// Check the store and the own feeds, and say what is wrong
    ///
    /// Exit code 1 when something was found.
    Doctor,
    Import(ImportArgs),
    /// Course lists: your own, and those you follow
    #[command(subcommand, visible_alias = "catalogue")]
    Catalog(Catalog),
    /// Find, start, change and export courses
    #[command(subcommand)]
    Course(Box<Course>),
    /// Read lessons and tick them off
    #[command(subcommand)]
    Lesson(Lesson),
    /// Private notes on lessons
    #[command(subcommand)]
    Note(Note),
    /// How far you are, in all courses or in one
    Progress {
        /// Only this course, lesson by lesson
        #[arg(value_parser = feed_id)]
        id: Option<FeedId>,
    },
    /// Other nodes: who is there, how to reach them, invites
    #[command(subcommand)]
    Peer(Peer),
    /// Follow somebody: keep what they publish
    Follow {
        /// Whom
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// No longer follow somebody
    Unfollow {
        /// Whom
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    /// Have nothing to do with somebody; --undo takes it back
    Block {
        /// Whom
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// No longer block
        #[arg(long)]
        undo: bool,
    },
    /// Files as blobs: add, fetch, list, clean up
    #[command(subcommand)]
    Blob(Blob),
    Downloads(Downloads),
    #[command(subcommand)]
    Mirror(Mirror),
    Backup(Backup),
    Restore(Restore),
    /// Look into feeds, message by message
    #[command(subcommand)]
    Feed(Feed),
}

/// How long a command that needs others waits for them.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// Seconds to wait while nothing comes
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Patience {
    pub(crate) fn seconds(self) -> u64 {
        self.timeout
    }

    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// A feed id with or without `@`, or as URI.
fn feed_id(text: &str) -> Result<FeedId, String> {
    FeedId::parse_lenient(text).map_err(|e| format!("{e}; put it in single quotes"))
}

/// A blob id with `&`, or as URI.
fn blob_id(text: &str) -> Result<BlobId, String> {
    BlobId::parse_lenient(text).map_err(|e| format!("{e}; put it in single quotes"))
}

/// `ID,SEQ`.
fn tip(text: &str) -> Result<Tip, String> {
    let (id, sequence) = text
        .rsplit_once(',')
        .ok_or("expected ID,SEQ: the last message's id and its sequence")?;
    Ok(Tip {
        id: id
            .trim()
            .parse()
            .map_err(|e: studytime_schema::ParseRefError| e.to_string())?,
        sequence: sequence
            .trim()
            .parse()
            .ok()
            .filter(|s| *s > 0)
            .ok_or_else(|| format!("{sequence:?} is no sequence: they count from 1"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tips_are_read() {
        let id = "%47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256";
        assert_eq!(tip(&format!("{id},7")).unwrap().sequence, 7);
        for wrong in ["", id, &format!("{id},0"), &format!("{id},x"), "x,1"] {
            assert!(tip(wrong).is_err(), "{wrong}");
        }
    }
}
