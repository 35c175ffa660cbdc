//! A node beside real JavaScript peers, over sockets on loopback: the stack of
//! today's programs (`ssb-db2`, `ssb-ebt` 9, `ssb-blobs` 2) and the older one of
//! most pubs (`ssb-db`, `ssb-replicate`, `ssb-ebt` 5, `ssb-blobs` 1), and one
//! that breaks the rules. `interop/peers` holds the programs.
//!
//! What arrives is compared by message ids and hashes, at the receiving side.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod author;
mod blobs;
mod feeds;
mod invites;
mod kuska;
mod many;
mod ours;
mod peer;
mod recovered;
mod rogue;
mod room;
