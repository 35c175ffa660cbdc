//! `createHistoryStream`: one feed per call, for peers that do not speak EBT.
//!
//! Protocol guide: "createHistoryStream". [`HistoryServer`] answers one call,
//! [`HistoryClient`] fetches many feeds from one peer.

mod client;
mod server;
mod types;

pub use client::HistoryClient;
pub use server::{HistoryServer, ServerOutput};
pub use types::{ClientConfig, ClientOutput};
