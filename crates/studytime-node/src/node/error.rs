//! Why a node could not be opened.

use crate::store::{ConfigError, KeysError, OpenDirError, StateError};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory cannot be taken.
    #[error(transparent)]
    Dir(#[from] OpenDirError),
    /// `config.toml` is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys cannot be read.
    #[error("the keys cannot be used")]
    Keys(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log of messages was here and is not any more. A new one would begin
    /// the own feeds anew and so fork them for ever: nothing was made.
    #[error(
        "feeds.db, the log of all messages, is gone or empty in {}; without it your feeds must not be continued, so nothing was started",
        dir.display()
    )]
    FeedsGone {
        /// The data directory.
        dir: PathBuf,
    },
    /// The log of messages cannot be opened.
    #[error("feeds.db cannot be opened")]
    Feeds(#[from] studytime_replicate::StoreError),
    /// The blobs cannot be opened.
    #[error("the blobs cannot be opened")]
    Blobs(#[from] studytime_blobs::store::StoreError),
    /// The index cannot be opened or rebuilt.
    #[error(
        "the index cannot be opened; stop the program, delete the folder `index` and start again, it is rebuilt from the log"
    )]
    Index(#[from] studytime_index::OpenError),
    /// The node's own memory cannot be opened.
    #[error("state.db cannot be opened")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody can connect at that address.
    #[error("cannot listen on {address}: {source}{}", listen_hint(source))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The control socket cannot be opened.
    #[error("cannot open the control socket in {}", dir.display())]
    Control {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A restore that was broken off could not be finished.
    #[error("the restore in {} could not be finished", dir.display())]
    Restore {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The bundled sample is damaged: a fault of the build.
    #[error("the bundled course list cannot be used: {0}")]
    Sample(String),
}

fn listen_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            " (another program has this port; choose another with --listen, for example --listen 0.0.0.0:0)"
        }
        std::io::ErrorKind::PermissionDenied => " (ports below 1024 need special rights)",
        std::io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        _ => "",
    }
}

impl From<KeysError> for OpenError {
    fn from(e: KeysError) -> Self {
        Self::Keys(Box::new(e))
    }
}

impl From<StateError> for OpenError {
    fn from(e: StateError) -> Self {
        Self::State(Box::new(e))
    }
}
