//! The sides of a transfer between peers, each a process of its own.

use crate::peer::Peer;
use crate::program;
use serde_json::json;
use std::path::Path;

/// What one transfer cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) sender: f64,
    pub(crate) receiver: f64,
}

/// Seconds of processor time it took so far.
pub(crate) async fn cpu(peer: &Peer) -> f64 {
    let seconds = peer.ask("cpu", json!({})).await;
    seconds.as_f64().unwrap_or(f64::NAN)
}

pub(crate) async fn ours(dir: &Path) -> Peer {
    let peer = Peer::start(&mut program::command(dir)).await;
    peer.expect("our own peer")
}

pub(crate) async fn theirs(dir: &Path) -> Peer {
    Peer::javascript("modern", dir, json!({})).await
}
