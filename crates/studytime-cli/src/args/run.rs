use super::feed_id;
use clap::Args;
use studytime_schema::FeedId;

const SERVE_EXAMPLES: &str = "\
Examples:
  studytime serve
  studytime serve --listen 0.0.0.0:8008 --no-http --pub      a community's pub
  studytime serve --listen 127.0.0.1:0 --http 127.0.0.1:0    free ports; the output names them";

/// Run a node: share what is here, fetch what is wanted, show the pages
///
/// Runs until Ctrl-C. Other commands on the same data directory go to it while it runs.
/// With --json the first line is {"event":"ready",…} with the addresses; then a line for each event.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct Serve {
    /// Where others can connect; port 0 picks a free one [default: `listen` of config.toml, or
    /// 0.0.0.0:8008]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where the pages are; port 0 picks a free one [default: `http` of config.toml, or
    /// 127.0.0.1:7008]
    ///
    /// The pages have no password: whoever reaches this address learns and publishes as you.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<String>,
    /// No pages
    #[arg(long, conflicts_with = "http")]
    pub(crate) no_http: bool,
    /// Another name the pages answer to (HOST:PORT, as the browser's address line has it), for
    /// --http on an address other than this computer's own; can be repeated
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "no_http")]
    pub(crate) http_name: Vec<String>,
    /// Neither announce this node on the local network nor look for others there
    /// [default: `lan` of config.toml, or on]
    #[arg(long)]
    pub(crate) no_lan: bool,
    /// Be a community's pub: follow whoever redeems one of your invites
    #[arg(long = "pub")]
    pub(crate) is_pub: bool,
    /// Keep every course of this list whole, to seed it for others; can be repeated
    #[arg(long, value_name = "LIST", value_parser = feed_id)]
    pub(crate) seed: Vec<FeedId>,
}

/// Look around: node and pages on a throwaway directory, with the bundled course
///
/// Everything is deleted on Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the pages are; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) http: String,
    /// Where others can connect; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
}
