use super::feed_id;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use studytime_schema::FeedId;

const DOWNLOADS_EXAMPLES: &str = "\
Examples:
  studytime downloads
  studytime downloads set --limit 500k --hours 22:00-06:00
  studytime downloads set --quota 20G --keep-free 2G
  studytime downloads pause";

/// What is fetched by itself: how much room it has, when it runs and how fast
///
/// Without a further word it shows how things stand.
#[derive(Debug, Args)]
#[command(after_help = DOWNLOADS_EXAMPLES)]
pub(crate) struct Downloads {
    #[command(subcommand)]
    pub(crate) what: Option<DownloadsDo>,
}

/// `downloads …`
#[derive(Debug, Subcommand)]
pub(crate) enum DownloadsDo {
    /// Stop all downloads for now; what is watched is still fetched
    Pause,
    /// Let downloads go on
    Resume,
    /// Set limits; they hold at once and stay
    #[command(arg_required_else_help = true)]
    Set(Limits),
}

/// Limits of downloads.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Bytes a second that downloads may take, like 500k or 2M; `none` for no limit
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) limit: Option<u64>,
    /// The hours of the day at which they run, like 22:00-06:00; `always` for all
    #[arg(long, value_name = "FROM-UNTIL")]
    pub(crate) hours: Option<String>,
    /// How much room all files together may take, like 20G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) quota: Option<u64>,
    /// How much of the disk is to stay free, like 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) keep_free: Option<u64>,
}

const MIRROR_EXAMPLES: &str = "\
Examples:
  studytime mirror add school https://files.school.example/courses
  studytime mirror add store s3+https://s3.example.org/my-bucket/courses --access-key AK --secret-file ./secret
  studytime mirror add stick /media/stick/courses
  studytime mirror push store
  studytime mirror check school '@….ed25519' --read
  studytime mirror seed '@….ed25519' --tracker udp://tracker.example.org:6969/announce --publish";

/// Other places for files: web servers, S3 stores, folders, torrents
///
/// A mirror is asked for a file when no connected node has it. It is never trusted: what does
/// not have the right hash is thrown away. Authors fill mirrors so that their courses can be had
/// while nobody is online.
#[derive(Debug, Subcommand)]
#[command(after_help = MIRROR_EXAMPLES)]
pub(crate) enum Mirror {
    /// Name a mirror: it is asked from now on
    Add(MirrorAdd),
    /// List the mirrors, and what was wrong with them
    List,
    /// Ask a mirror no more; what lies there stays
    Remove {
        /// Its name
        name: String,
    },
    /// Bring files to a mirror, those that it does not have
    ///
    /// Exit code 1 when some could not be sent.
    Push {
        /// Its name
        name: String,
        /// The course; without it, all that you made
        #[arg(value_parser = feed_id)]
        course: Option<FeedId>,
    },
    /// Look whether a mirror has all files
    ///
    /// Exit code 1 when something is missing or wrong.
    Check {
        /// Its name
        name: String,
        /// The course; without it, all that you made
        #[arg(value_parser = feed_id)]
        course: Option<FeedId>,
        /// Read every file and compare its hash, instead of asking how long it is
        #[arg(long)]
        read: bool,
    },
    /// Give the videos of a course over BitTorrent, while the node runs
    ///
    /// Makes a torrent of every video that is here; the files stay where they are. Others find
    /// this node through trackers, and must be able to connect to it (`torrent_listen` in
    /// config.toml), or it to them. Exit code 1 when a video is not here.
    Seed(Seed),
    /// Give the videos of a course no more; magnet links that were published stay
    Unseed {
        /// The course
        #[arg(value_parser = feed_id)]
        course: FeedId,
    },
    /// List the torrents that are given, with their magnet links
    Torrents,
}

/// What is given over BitTorrent, and how it is found.
#[derive(Debug, Args)]
pub(crate) struct Seed {
    /// The course
    #[arg(value_parser = feed_id)]
    pub(crate) course: FeedId,
    /// A tracker, like udp://HOST:PORT/announce or https://HOST/announce; may be repeated
    #[arg(long = "tracker", value_name = "URL")]
    pub(crate) trackers: Vec<String>,
    /// Trackers and peers may lie in a private network, or on this computer
    #[arg(long)]
    pub(crate) private: bool,
    /// Publish the magnet links with the videos; of a course of yours
    #[arg(long)]
    pub(crate) publish: bool,
}

/// A mirror and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct MirrorAdd {
    /// What to call it
    pub(crate) name: String,
    /// https://HOST/FOLDER, s3+https://HOST/BUCKET/FOLDER, or a folder of this computer
    pub(crate) url: String,
    /// The region an S3 store wants to read in signatures [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The access key of an S3 store
    #[arg(long, value_name = "KEY", requires = "secret_file")]
    pub(crate) access_key: Option<String>,
    /// A file that holds the secret of the access key, and nothing else
    #[arg(long, value_name = "FILE", requires = "access_key")]
    pub(crate) secret_file: Option<PathBuf>,
    /// It may lie in a private network, or on this computer
    #[arg(long)]
    pub(crate) private: bool,
}

/// Bytes a second; `none` is 0.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    match text.trim().trim_end_matches("/s") {
        "none" => Ok(0),
        text => match size(text)? {
            0 => Err("a limit of nothing: `studytime downloads pause` stops them".into()),
            bytes => Ok(bytes),
        },
    }
}

/// Bytes, as in 500k, 2MB, 1.5 GB; thousands, not 1024.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write it like 500k, 2M or 1.5G");
    let text = text.trim().trim_end_matches(['b', 'B']);
    let (number, unit) = match text.chars().last() {
        Some('k' | 'K') => (text.split_at(text.len() - 1).0, 1e3),
        Some('m' | 'M') => (text.split_at(text.len() - 1).0, 1e6),
        Some('g' | 'G') => (text.split_at(text.len() - 1).0, 1e9),
        Some('t' | 'T') => (text.split_at(text.len() - 1).0, 1e12),
        _ => (text, 1.0),
    };
    let number: f64 = number
        .trim()
        .replace(',', ".")
        .parse()
        .map_err(|_| wrong())?;
    let bytes = number * unit;
    if !(0.0..=1e18).contains(&bytes) {
        return Err(wrong());
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "looked at above"
    )]
    Ok(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("500k"), Ok(500_000));
        assert_eq!(size("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(size("2,5M"), Ok(2_500_000));
        assert_eq!(size("12"), Ok(12));
        assert_eq!(rate("2M/s"), Ok(2_000_000));
        assert_eq!(rate("none"), Ok(0));
        for text in ["", "k", "-1", "1e30", "nan", "inf", "much"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(rate("0").is_err());
    }
}
