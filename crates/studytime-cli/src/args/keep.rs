use super::{Patience, blob_id, feed_id, tip};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use studytime_schema::{BlobId, FeedId, HmacKey, Tip};

/// `blob …`
#[derive(Debug, Subcommand)]
pub(crate) enum Blob {
    /// Keep a file; a large one as segments with a manifest
    Add {
        /// The file
        file: PathBuf,
    },
    /// Fetch a blob, from other nodes when it is not here
    ///
    /// When no node is running, one is started for this command.
    Get {
        /// The blob
        #[arg(value_parser = blob_id)]
        id: BlobId,
        /// Where to write it; `-` writes to standard output; without it, it is only fetched
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The id is a manifest's: fetch the file it stands for
        #[arg(long)]
        manifest: bool,
        #[command(flatten)]
        patience: Patience,
    },
    /// List the blobs that are here
    List,
    /// Delete blobs that nothing keeps, when they are more than the quota
    ///
    /// A running node does so by itself.
    Gc {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every blob and compare it with its hash; damaged ones are fetched again
    ///
    /// A running node does so by itself, slowly, once a month. Exit code 1 when something was
    /// damaged.
    Scrub,
}

/// Write keys, messages and settings into one file
///
/// With them go the files of your own courses that not three other nodes are known to have.
/// Everything else can be fetched again. Keep the file private, it holds your keys.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write; it must not exist yet
    pub(crate) file: PathBuf,
    /// With all files of your own courses, whoever else has them
    #[arg(long, conflicts_with = "without_blobs")]
    pub(crate) with_blobs: bool,
    /// Without any: what nobody else has is lost with this machine
    #[arg(long)]
    pub(crate) without_blobs: bool,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  studytime --data-dir ./again restore ~/studytime.backup
  studytime --data-dir ./again restore --secret ~/.ssb/secret
  studytime --data-dir ./again restore --accept-loss

Each of your feeds stays locked for publishing until one node whose address you gave, or two others,
hold its newest message: two different messages in one place would break a feed for good.";

/// Bring back a backup, or an identity, into an unused data directory
#[derive(Debug, Args)]
#[command(after_help = RESTORE_EXAMPLES, group = ArgGroup::new("what").required(true).args(["file", "secret", "accept_loss"]))]
pub(crate) struct Restore {
    /// A file that `studytime backup` wrote
    pub(crate) file: Option<PathBuf>,
    /// Only an identity: a secret file of this or another Scuttlebutt program
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
    /// Publish again on every locked feed although messages may be missing: what was published
    /// since the backup is lost, and programs that have it will not follow you any more
    #[arg(long)]
    pub(crate) accept_loss: bool,
}

/// `feed …`
#[derive(Debug, Subcommand)]
pub(crate) enum Feed {
    /// Print a feed's messages, in order
    Log {
        /// The feed
        #[arg(value_parser = feed_id)]
        id: FeedId,
        /// From this sequence
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Show what is known of a feed: newest sequence, whether it is fetched and why, forks
    Status {
        /// The feed
        #[arg(value_parser = feed_id)]
        id: FeedId,
    },
    Check(FeedCheck),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  studytime feed check messages.jsonl
  studytime --json feed check - --tip '%….sha256,41' < next.jsonl";

/// Judge messages as every other peer would: shape, size, signature, place in the feed
///
/// The file has one message (JSON) a line. Each line is judged by itself as the next message
/// after --tip; without it, as the first message of its feed. Needs no node and no data
/// directory. Exit code 4 when one is invalid.
///
/// With --json each verdict also has a `kind`, a word for programs that stays the same.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct FeedCheck {
    /// The file; `-` reads standard input
    pub(crate) file: PathBuf,
    /// The network's signing key, as 32 bytes in base64; the main network has none
    #[arg(long, value_name = "KEY")]
    pub(crate) hmac: Option<HmacKey>,
    /// The message that each line is to follow
    #[arg(long, value_name = "ID,SEQ", value_parser = tip)]
    pub(crate) tip: Option<Tip>,
}
