//! What the state machines ask of others: of a peer's driver, and of the disk.

use crate::calls::exchange::Answered;
use crate::net::room::TunnelError;
use crate::net::tunnel::TunnelStream;
use studytime_blobs::wire::WantFrame;
use studytime_replicate::PeerClock;
use studytime_replicate::ebt::{FallbackReason, IngestOutcome, Payload};
use studytime_replicate::guard::Lock;
use studytime_replicate::store::Shunned;
use studytime_schema::{BlobId, FeedId};
use tokio::sync::oneshot;

/// What a peer's driver is asked to do.
#[derive(Debug)]
pub(crate) enum Errand {
    OpenEbt,
    RestartEbt,
    Ebt(Payload),
    ReadFeed {
        feed: FeedId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    },
    Fallback(FallbackReason),
    /// EBT works after all: the fallback ends.
    EbtWorks,
    /// These feeds may be wanted otherwise than before.
    Wanted(Vec<FeedId>),
    FetchHistory {
        feed: FeedId,
        from: u64,
    },
    Wants(WantFrame),
    Fetch {
        blob: BlobId,
        max: u64,
        resume: Option<u64>,
    },
    CancelFetch {
        blob: BlobId,
        keep: bool,
    },
    /// A feed has grown, for those who follow it over a history stream.
    Appended {
        feed: FeedId,
        tip: u64,
        /// Up to where it is passed on.
        shown: u64,
    },
    /// What became of messages this peer sent.
    Ingested {
        feed: FeedId,
        tip: u64,
        outcome: IngestOutcome,
    },
    /// Ask anew what the peer offers.
    AskInfo,
    /// Call the peer, and tell when it has answered.
    Probe(oneshot::Sender<Answered>),
    Close(String),
    /// Asks the room at the other end for a way to somebody.
    OpenTunnel {
        target: FeedId,
        answer: oneshot::Sender<Result<TunnelStream, TunnelError>>,
    },
}

/// Disk work that the state machines ask for.
#[derive(Debug)]
pub(crate) enum Chore {
    SaveClock(FeedId, PeerClock),
    ForgetHeard(FeedId),
    Shun(Shunned),
    /// The lock of an own feed.
    SaveLock(FeedId, Option<Lock>),
    /// An own feed is locked or free now, for people.
    LockChanged(FeedId, bool),
    NeedHave(Vec<BlobId>),
    Lookup(Vec<BlobId>),
    PushSeen {
        blob: BlobId,
        peer: FeedId,
    },
}
