//! A StudyTime node: keys, feeds, blobs and the index of courses wired over TCP.
//! This is what another program embeds.
//!
//! [`Builder`] opens a [`Node`] on a data directory; a face talks to it through
//! a [`Handle`], which is the same for a node in this process and for one that
//! runs in another. Requests, replies and events are in [`api`].
//!
//! ```
//! use studytime_node::{Builder, api::{CatalogNew, CatalogList, Whoami}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let node = Builder::new(dir.path()).open().await?;
//! let handle = node.handle();
//! println!("I am {}", handle.call(Whoami {}).await?.id);
//!
//! handle.call(CatalogNew { name: "Evening school".into() }).await?;
//! let lists = handle.call(CatalogList {}).await?;
//! assert!(lists.iter().any(|list| list.own && list.name == "Evening school"));
//! node.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! All are off by default. `http` lets links of room servers be redeemed over HTTPS, and mirrors
//! on web servers be asked; `s3` is for mirrors that speak S3; `bittorrent` follows magnet links
//! of videos, and gives torrents of own ones.
//!
//! The crate links `kuska-handshake`, so it is under the AGPL; the crates below it are not.

// What the tests of the crate and those beside it share names it so.
#[cfg(test)]
extern crate self as studytime_node;

pub mod api;
mod backup;
mod boxes;
mod builder;
mod calls;
mod clock;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
mod control;
mod event;
mod guard;
mod handle;
mod holdings;
mod http;
mod hub;
mod indexer;
mod ingest;
mod invite;
mod media;
mod mirror;
mod nearby;
mod net;
mod node;
mod peer;
mod policy;
mod prefetch;
mod publish;
mod replan;
mod sample;
mod shs;
mod storage;
mod store;
mod tasks;
mod writer;

pub use backup::{accept_loss, restore_backup, restore_secret};
pub use builder::Builder;
pub use control::Client;
pub use event::Events;
pub use handle::Handle;
pub use ingest::{IngestReport, RefusedMessage};
pub use media::MediaStream;
pub use net::{
    Address, Lan, Multiserver, ParseAddressError, Target, Transport, TunnelAddress, Way,
};
pub use node::{Node, OpenError};
pub use prefetch::{Hours, ParseHoursError};
pub use store::{Config, ConfigError, LockKind, OpenDirError};
/// HTTP byte ranges, for faces that serve [`MediaStream`]s.
pub use studytime_blobs::range;
/// Why the log of messages cannot be used, in [`OpenError::Feeds`].
pub use studytime_replicate::StoreError;
