//! The node's own files: the data directory and its lock, the keys, the
//! user's `config.toml`, and `state.db`.

mod config;
mod dir;
mod invites;
mod keys;
mod locks;
mod peers;
mod positions;
mod state;

pub use config::{Config, ConfigError};
pub(crate) use dir::DataDir;
pub use dir::{LockKind, OpenDirError};
pub(crate) use dir::{private_dir, private_file, sync_dir};
pub(crate) use keys::{KeyRing, KeysError, OwnKind, generate, write_secret};

pub(crate) use invites::InviteUse;
pub(crate) use peers::KnownPeer;
pub(crate) use positions::SavedPosition;
pub(crate) use state::{State, StateError, Unfinished};
