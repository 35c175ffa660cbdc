//! `createHistoryStream`: one feed per call, for peers that do not speak EBT.
//!
//! Protocol guide: "createHistoryStream". [`HistoryServer`] answers one call,
//! [`HistoryClient`] fetches many feeds from one peer.

mod client;
mod server;

pub use client::{ClientConfig, ClientOutput, HistoryClient};
pub use server::{HistoryServer, ServerOutput};
