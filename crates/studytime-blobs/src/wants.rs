//! Which blobs are wanted, by whom, and who is asked for which.

mod types;

pub use types::{
    BlobKind, FetchFailure, Mark, Output, OwnerId, PeerId, PeerKind, Priority, PushSpec, Rank,
    WantSpec, Wanted, WantsConfig,
};

use crate::wire::WantFrame;
use std::collections::VecDeque;
use studytime_schema::BlobId;

/// The want protocol for all peers of a node. Sans-io.
#[derive(Debug, Default)]
pub struct Wants {
    out: VecDeque<Output>,
}

impl Wants {
    /// No peers, no wants.
    pub fn new(_config: WantsConfig) -> Self {
        Self::default()
    }
    /// A peer is connected.
    pub fn connect(&mut self, _peer: PeerId, _kind: PeerKind, _now: u64) {}
    /// What kind of program a peer is became known.
    pub fn set_kind(&mut self, _peer: PeerId, _kind: PeerKind, _now: u64) {}
    /// The peer opened `createWants` on us: frames may be sent to it.
    pub fn opened(&mut self, _peer: PeerId, _now: u64) {}
    /// The connection is gone.
    pub fn disconnect(&mut self, _peer: PeerId, _now: u64) {}
    /// Wants a blob that is not in the store.
    pub fn want(&mut self, _owner: OwnerId, _id: BlobId, _spec: WantSpec, _now: u64) -> Wanted {
        Wanted::Yes
    }
    /// An owner no longer wants a blob.
    pub fn release(&mut self, _owner: OwnerId, _id: &BlobId, _now: u64) {}
    /// An owner wants exactly these blobs from now on (none: it is gone).
    pub fn replace(&mut self, _owner: OwnerId, _list: &[(BlobId, WantSpec)], _now: u64) {}
    /// A blob we have is to be pushed until enough peers report it.
    pub fn push(&mut self, _push: PushSpec, _now: u64) {}
    /// A push is withdrawn.
    pub fn unpush(&mut self, _id: &BlobId) {}
    /// A frame came on our `createWants` call to the peer.
    pub fn handle_frame(&mut self, _peer: PeerId, _frame: &WantFrame, _now: u64) {}
    /// Answer to `Output::NeedHave`: the sizes of blobs, `None` when not here.
    pub fn handle_have(&mut self, _have: &[(BlobId, Option<u64>)], _now: u64) {}
    /// Bytes of a fetch came.
    pub fn handle_bytes(&mut self, _peer: PeerId, _blob: &BlobId, _now: u64) {}
    /// A blob is in the store, wherever it came from.
    pub fn handle_stored(&mut self, _blob: BlobId, _size: u64, _now: u64) {}
    /// A fetch failed.
    pub fn handle_failed(&mut self, _peer: PeerId, _blob: &BlobId, _why: FetchFailure, _now: u64) {}
    /// Wants that no peer can serve, for the mirrors; they count as in flight
    /// until `handle_stored` or `mirror_failed`.
    pub fn take_for_mirrors(&mut self, _limit: usize, _after: u64, _now: u64) -> Vec<(BlobId, u64)> {
        Vec::new()
    }
    /// No mirror had it.
    pub fn mirror_failed(&mut self, _blob: &BlobId, _now: u64) {}
    /// What is to be done next.
    pub fn poll_output(&mut self, _now: u64) -> Option<Output> {
        self.out.pop_front()
    }
    /// When `handle_timeout` is to be called, in milliseconds since 1970.
    pub fn poll_timeout(&self) -> Option<u64> {
        None
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, _now: u64) {}
}
