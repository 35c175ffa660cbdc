//! The way of messages between EBT and the write path.

use super::Errand;
use crate::node::Node;
use crate::writer::{Ingested, Outcome, Received, Source};
use std::collections::{BTreeMap, BTreeSet};
use studytime_replicate::ebt::{self, IngestOutcome, Tally};
use studytime_schema::FeedId;
use tokio::sync::OwnedSemaphorePermit;

impl Node {
    /// Sends on to the verify threads what a peer's frame brought.
    pub(crate) fn ship_ingest(&self, mut permit: Option<OwnedSemaphorePermit>) {
        for output in self.inner().hub.take_ingest() {
            if let ebt::Output::Ingest {
                peer,
                feed,
                sequence,
                wire,
            } = output
            {
                self.inner().writer.ingest(Received {
                    feed,
                    sequence,
                    wire,
                    from: Source::Peer(peer),
                    permit: permit.take(),
                });
            }
        }
    }

    /// Tells EBT, and who else gave messages, what became of them.
    pub(crate) fn ingested(&self, outcomes: &[Ingested], tips: &BTreeMap<FeedId, u64>) {
        let mut tally = Tally::new();
        let mut called: BTreeSet<FeedId> = BTreeSet::new();
        for done in outcomes {
            let peer = match &done.from {
                Source::Peer(peer) => *peer,
                Source::Caller(caller) => {
                    caller.told(done.feed, done.sequence, &done.outcome);
                    called.insert(done.feed);
                    continue;
                }
            };
            let outcome = match &done.outcome {
                Outcome::Append(appended) => appended.into(),
                Outcome::Refused(reason) => {
                    let (sequence, feed) = (done.sequence, done.feed);
                    tracing::debug!("message {sequence} of {feed} refused: {reason}");
                    IngestOutcome::Invalid { sequence }
                }
            };
            tally.add(peer, done.feed, done.sequence, outcome);
        }
        self.inner().hub.act(|s, now| {
            for done in outcomes {
                if let Source::Peer(peer) = &done.from {
                    let tip = tips.get(&done.feed).copied();
                    s.own_arrived(*peer, done.feed, done.sequence, &done.outcome, tip, now);
                }
            }
            for (peer, feed, through, outcome) in tally.into_words() {
                let tip = tips.get(&feed).copied().unwrap_or(0);
                s.ebt
                    .handle_ingested(peer, &feed, through, tip, outcome, now);
                if s.legacy.contains(&peer.connection) {
                    s.errand(peer.connection, Errand::Ingested { feed, tip, outcome });
                }
            }
            for (feed, tip) in tips {
                s.grown(*feed, *tip);
                if called.contains(feed) {
                    s.ebt.appended(*feed, *tip, now);
                }
            }
        });
    }
}
