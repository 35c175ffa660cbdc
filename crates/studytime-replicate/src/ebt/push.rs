//! Sending: messages are read from the store in turns, only as fast as the
//! peer's stream drains.

use super::Ebt;
use super::api::{Output, Payload, PeerId};
use super::feeds::Ix;
use crate::store::StoredMessage;
use studytime_schema::FeedId;

/// The most bytes read for one peer in one turn.
const MAX_READ_BYTES: usize = 256 * 1024;

impl Ebt {
    /// Puts a feed in line for a peer that asked for it.
    pub(super) fn queue_push(&mut self, peer: PeerId, ix: Ix) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            let peer_feed = session.feeds.get_mut(ix);
            let being_read = session.reading.is_some_and(|(reading, _)| reading == ix);
            if !peer_feed.queued && !being_read {
                peer_feed.queued = true;
                session.push.push_back(ix);
                self.ready.insert(peer);
            }
        }
    }

    /// From which sequence on the peer is to be sent this feed; `None` when it is
    /// not, or has everything.
    fn wants_from(&self, peer: PeerId, ix: Ix) -> Option<u64> {
        let session = self.sessions.get(&peer)?;
        let peer_feed = session.feeds.get(ix);
        let feed = self.feeds.get(ix);
        let asks = peer_feed.asks() && self.feeds.visible(feed, &peer.feed, session.known);
        (asks && peer_feed.sent < feed.shown()).then(|| peer_feed.sent + 1)
    }

    /// The next read for a peer, if its stream has room.
    pub(super) fn next_read(&mut self, peer: PeerId) -> Option<Output> {
        loop {
            let session = self.sessions.get_mut(&peer)?;
            if session.reading.is_some() || session.room == 0 {
                return None;
            }
            let ix = session.push.pop_front()?;
            session.feeds.get_mut(ix).queued = false;
            let max_bytes = session.room.min(MAX_READ_BYTES);
            if let Some(from) = self.wants_from(peer, ix) {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.reading = Some((ix, from));
                }
                return Some(Output::Read {
                    peer,
                    feed: self.feeds.get(ix).id,
                    from,
                    max_count: self.config.read_count,
                    max_bytes,
                });
            }
        }
    }

    /// Takes the messages that [`Output::Read`] asked for, in order. Pass none if
    /// they could not be read; the feed then waits until it grows or the peer asks
    /// again.
    pub fn handle_read(&mut self, peer: PeerId, feed: &FeedId, messages: &[StoredMessage]) {
        let Some(ix) = self.feeds.ix(feed) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let Some((_, from)) = session.reading.take_if(|(reading, _)| *reading == ix) else {
            return;
        };
        self.ready.insert(peer);
        // The peer may have changed its mind while the store was read.
        let Some(wanted) = self.wants_from(peer, ix) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let shown = self.feeds.get(ix).shown();
        let peer_feed = session.feeds.get_mut(ix);
        for message in messages.iter().filter(|m| m.sequence <= shown) {
            if message.feed == *feed && message.sequence == peer_feed.sent + 1 {
                peer_feed.sent += 1;
                session.room = session.room.saturating_sub(message.wire.len());
                self.out.push_back(Output::Send {
                    peer,
                    payload: Payload::Message(message.wire.clone()),
                });
            }
        }
        if wanted != from || peer_feed.sent >= wanted {
            self.queue_push(peer, ix);
        }
    }
}
