//! Receiving: which peer each feed is fetched from, what comes of its messages,
//! and what happens when it falls silent.

use super::Ebt;
use super::api::{IngestOutcome, Output, PeerId};
use super::feeds::{Ix, Mark, Source};
use super::session::Session;
use crate::clock::Note;
use bytes::Bytes;
use std::cmp::Reverse;
use studytime_schema::FeedId;

/// How often a peer is asked again after a gap before it counts as stalled.
const MAX_GAPS: u8 = 5;

/// How long to wait before asking again after a gap, in milliseconds.
const GAP_PAUSE: u64 = 1_000;

impl Ebt {
    /// What a peer says it has of a feed, if it may be asked for it at all.
    fn claim(&self, session: &Session, ix: Ix) -> Option<u64> {
        let claim = session.feeds.get(ix).claim()?;
        self.usable(session, ix).then_some(claim)
    }

    /// Whether a peer may be asked for a feed: as far as we know, it has not
    /// refused and is to be trusted with it.
    fn usable(&self, session: &Session, ix: Ix) -> bool {
        let feed = self.feeds.get(ix);
        session.is_active()
            && session.feeds.get(ix).theirs() != Some(Note::Refuse)
            && self.feeds.visible(feed, &session.peer.feed, session.known)
            && !self.feeds.is_shunned(&session.peer.feed, feed)
    }

    /// The best peer to fetch a feed from: who claims most, and of those who has
    /// least to do. Also when the first of those who stalled may be tried again.
    fn best_source(
        &self,
        ix: Ix,
        except: Option<PeerId>,
        now: u64,
    ) -> (Option<PeerId>, Option<u64>) {
        let tip = self.feeds.get(ix).tip;
        let mut best = None;
        let mut later: Option<u64> = None;
        for session in self.sessions.values() {
            // The cheapest question first: nearly all peers have nothing new.
            let claimed = session.feeds.get(ix).claim().filter(|c| *c > tip);
            let Some(claimed) =
                claimed.filter(|_| Some(session.peer) != except && self.usable(session, ix))
            else {
                continue;
            };
            let stalled = session.stalled.get(&ix).copied().unwrap_or(0);
            if stalled > now {
                later = Some(later.map_or(stalled, |l| l.min(stalled)));
            } else {
                best = best.max(Some((
                    claimed,
                    Reverse(session.sources),
                    Reverse(session.peer),
                )));
            }
        }
        (best.map(|(_, _, Reverse(peer))| peer), later)
    }

    /// Makes `peer` the one that sends a feed; the one before is told to stop.
    pub(super) fn set_source(&mut self, ix: Ix, peer: Option<PeerId>, now: u64) {
        let old = self.feeds.get(ix).source.map(|s| s.peer);
        if old == peer {
            return;
        }
        let pressed = |peer| {
            let session: Option<&Session> = self.sessions.get(&peer);
            session.and_then(|s| s.pressed.get(&ix)).copied()
        };
        let source = peer.map(|peer| Source {
            peer,
            heard: now,
            attempts: pressed(peer).unwrap_or(0),
        });
        self.feeds.get_mut(ix).source = source;
        self.feeds.get_mut(ix).gap = false;
        if let Some(old) = old
            && let Some(session) = self.sessions.get_mut(&old)
        {
            session.sources = session.sources.saturating_sub(1);
            let mine = session.feeds.get(ix).mine();
            if mine.is_some_and(Note::receive) {
                self.mark(old, ix, false);
            }
        }
        if let Some(new) = peer
            && let Some(session) = self.sessions.get_mut(&new)
        {
            session.sources += 1;
            self.mark(new, ix, false);
        }
    }

    /// Looks at who sends a feed, changes that where due, and sets the time to
    /// look again.
    pub(super) fn examine(&mut self, ix: Ix, now: u64) {
        let due = self.examine_now(ix, now);
        self.feeds.schedule(ix, due.map(|at| at.max(now + 1)));
    }

    /// Looks at a feed after a peer's note that may matter for it, but not more
    /// closely than that can make a difference: of fifty peers that all have
    /// the news, one sends them and the others have to wait anyway.
    pub(super) fn reconsider(&mut self, ix: Ix, peer: PeerId, now: u64) {
        let feed = self.feeds.get(ix);
        let source = feed.source.filter(|s| s.peer != peer);
        let busy = source.is_some_and(|s| {
            let session = self.sessions.get(&s.peer);
            session.and_then(|s| self.claim(s, ix)) > Some(feed.tip)
        });
        match (busy, feed.due()) {
            (true, Some(due)) => {
                let due = due.min(now.saturating_add(self.config.switch_after));
                self.feeds.schedule(ix, Some(due));
            }
            _ => self.examine(ix, now),
        }
    }

    fn examine_now(&mut self, ix: Ix, now: u64) -> Option<u64> {
        let feed = self.feeds.get(ix);
        let (tip, busy) = (feed.tip, !feed.inflight.is_empty());
        let (gap, switches) = (feed.gap, feed.switches);
        if !feed.receives() {
            self.set_source(ix, None, now);
            return None;
        }
        let Some(source) = feed.source else {
            return self.pick_source(ix, None, now);
        };
        let session = self
            .sessions
            .get(&source.peer)
            .filter(|s| self.usable(s, ix));
        let Some(session) = session else {
            return self.pick_source(ix, Some(source.peer), now);
        };
        if gap && !busy {
            let due = source.heard + GAP_PAUSE;
            if now < due {
                return Some(due);
            }
            self.close_gap(ix, now);
            return Some(now + self.config.switch_after);
        }
        let claimed = self.claim(session, ix);
        // Just asked, or sending: nothing to decide yet.
        let until = source.heard.saturating_add(self.config.switch_after);
        if now < until && !busy && claimed.is_some_and(|c| c > tip) {
            self.feeds.get_mut(ix).news_since = None;
            return Some(until);
        }
        let silent = session.pending.is_empty()
            && now.saturating_sub(session.last_message) >= self.config.switch_after;
        let (other, later) = self.best_source(ix, Some(source.peer), now);

        if claimed.is_some_and(|c| c > tip) {
            self.feeds.get_mut(ix).news_since = None;
            if busy {
                // The silence is ours: its messages are being verified or stored.
                if let Some(s) = &mut self.feeds.get_mut(ix).source {
                    s.heard = now;
                }
                return Some(now + 1_000);
            }
            // A peer that is busy sending other feeds gets more time.
            let patience = if silent { 1 } else { 10 };
            let asked = now.saturating_sub(source.heard);
            if let Some(other) = other {
                let wait = self.config.switch_after << switches.min(6);
                if asked < wait * patience {
                    return Some((source.heard + wait).max(now + self.config.switch_after));
                }
                self.feeds.get_mut(ix).switches = switches.saturating_add(1);
                self.set_source(ix, Some(other), now);
                return Some(now + wait);
            }
            let wait = self.config.ask_again_after * if source.attempts >= 3 { 3 } else { 1 };
            if asked < wait * patience {
                return Some((source.heard + wait).max(now + self.config.switch_after));
            }
            return self.press(ix, source.peer, now);
        }

        let Some(other) = other else {
            let feed = self.feeds.get_mut(ix);
            feed.news_since = None;
            feed.switches = 0;
            return later;
        };
        // Another one has news. Who is in sync with us is about to have them, too.
        let grace = if claimed == Some(tip) && tip > 0 {
            self.config.news_grace
        } else {
            0
        };
        let since = *self.feeds.get_mut(ix).news_since.get_or_insert(now);
        if now.saturating_sub(since) < grace {
            return Some(since + grace);
        }
        self.feeds.get_mut(ix).news_since = None;
        self.set_source(ix, Some(other), now);
        Some(now + self.config.switch_after)
    }

    fn pick_source(&mut self, ix: Ix, except: Option<PeerId>, now: u64) -> Option<u64> {
        let (best, later) = self.best_source(ix, except, now);
        self.feeds.get_mut(ix).news_since = None;
        self.set_source(ix, best, now);
        match best {
            Some(_) => Some(now + self.config.switch_after),
            None => later,
        }
    }

    /// The only peer that claims more keeps silent: ask again, open the stream
    /// anew, ask in another way, and in the end leave it for a while.
    fn press(&mut self, ix: Ix, peer: PeerId, now: u64) -> Option<u64> {
        let wait = self.config.ask_again_after;
        let Some(source) = &mut self.feeds.get_mut(ix).source else {
            return None;
        };
        source.heard = now;
        source.attempts = source.attempts.saturating_add(1);
        let attempts = source.attempts;
        let silent = self
            .sessions
            .get(&peer)
            .is_some_and(|s| now.saturating_sub(s.last_frame) >= 2 * wait - 1);
        match attempts {
            2 if silent && self.restart(peer, now) => Some(now + wait),
            1 | 2 => {
                self.mark(peer, ix, true);
                Some(now + wait)
            }
            3 => {
                let feed = self.feeds.get(ix);
                self.out.push_back(Output::Fetch {
                    peer,
                    feed: feed.id,
                    from: feed.tip + 1,
                });
                Some(now + 3 * wait)
            }
            _ => {
                self.stall(ix, peer, now);
                self.pick_source(ix, None, now)
            }
        }
    }

    fn stall(&mut self, ix: Ix, peer: PeerId, now: u64) {
        let until = now.saturating_add(self.config.stalled_for);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.stalled.insert(ix, until);
            session.pressed.remove(&ix);
        }
    }

    pub(super) fn handle_message(
        &mut self,
        peer: PeerId,
        id: FeedId,
        sequence: u64,
        wire: Bytes,
        now: u64,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        session.last_message = now;
        // Nobody asked for it.
        let Some(ix) = self.feeds.ix(&id) else {
            return;
        };
        let feed = self.feeds.get(ix);
        if !feed.receives()
            || !self.feeds.visible(feed, &peer.feed, session.known)
            || self.feeds.is_shunned(&peer.feed, feed)
        {
            return;
        }
        session.hear_message(ix, sequence, now);
        let (expected, tip) = (feed.expected(), feed.tip);
        let is_source = feed.is_source(peer);
        let peer_feed = session.feeds.get_mut(ix);
        // What it sends, it need not be sent.
        peer_feed.sent = peer_feed.sent.max(sequence);
        if sequence == expected {
            session.pending.insert(ix);
            session.pressed.remove(&ix);
            let feed = self.feeds.get_mut(ix);
            match feed.inflight.iter_mut().find(|(p, _)| *p == peer) {
                Some((_, to)) => *to = sequence,
                None => feed.inflight.push((peer, sequence)),
            }
            if let Some(source) = &mut feed.source
                && is_source
            {
                source.heard = now;
                source.attempts = 0;
            }
            self.out.push_back(Output::Ingest {
                peer,
                feed: id,
                sequence,
                wire,
            });
        } else if sequence < expected {
            let look = sequence <= tip && !std::mem::replace(&mut peer_feed.checked_old, true);
            let asks_still = peer_feed.mine().is_none_or(Note::receive);
            if look {
                // Cheap when it is the same; if not, its author has forked the feed.
                self.out.push_back(Output::Ingest {
                    peer,
                    feed: id,
                    sequence,
                    wire,
                });
            }
            if !is_source && asks_still {
                self.mark(peer, ix, false);
            }
        } else if is_source && !self.feeds.get(ix).gap {
            self.feeds.get_mut(ix).gap = true;
            self.examine(ix, now);
        }
    }

    /// Messages are missing in between: says again where to go on.
    fn close_gap(&mut self, ix: Ix, now: u64) {
        let feed = self.feeds.get_mut(ix);
        feed.gap = false;
        let Some(source) = &mut feed.source else {
            return;
        };
        let peer = source.peer;
        source.heard = now;
        source.attempts = source.attempts.saturating_add(1);
        if source.attempts > MAX_GAPS {
            self.stall(ix, peer, now);
            self.set_source(ix, None, now);
        } else {
            self.mark(peer, ix, true);
        }
    }

    /// What became of the messages of a feed that this peer's
    /// [`Output::Ingest`]s handed out, up to sequence `through`. `tip` is the last
    /// sequence of the feed in the store now.
    pub fn handle_ingested(
        &mut self,
        peer: PeerId,
        feed: &FeedId,
        through: u64,
        tip: u64,
        outcome: IngestOutcome,
        now: u64,
    ) {
        let now = self.advance_clock(now);
        let Some(ix) = self.feeds.ix(feed) else {
            return;
        };
        let entry = self.feeds.get_mut(ix);
        entry.inflight.retain(|(p, to)| *p != peer || *to > through);
        if outcome != IngestOutcome::Kept {
            // What this peer sent after it cannot be appended either.
            entry.inflight.retain(|(p, _)| *p != peer);
        }
        if !entry.inflight.iter().any(|(p, _)| *p == peer)
            && let Some(session) = self.sessions.get_mut(&peer)
        {
            session.pending.remove(&ix);
        }
        self.grow(ix, tip, now);
        match outcome {
            IngestOutcome::Kept | IngestOutcome::Failed => {}
            // What a former source sent too early is no concern of the present one.
            IngestOutcome::Gap => {
                let feed = self.feeds.get_mut(ix);
                feed.gap |= feed.is_source(peer);
            }
            IngestOutcome::Fork { sequence } => self.shun(ix, peer, sequence, true),
            IngestOutcome::Invalid { sequence } => self.shun(ix, peer, sequence, false),
        }
        self.examine(ix, now);
    }

    fn shun(&mut self, ix: Ix, peer: PeerId, sequence: u64, fork: bool) {
        let id = self.feeds.get(ix).id;
        self.feeds.shun(peer.feed, id, Mark { sequence, fork });
        self.out.push_back(Output::Shun {
            peer: peer.feed,
            feed: id,
            sequence,
            fork,
        });
    }

    /// The store holds a feed up to `tip` now.
    pub(super) fn grow(&mut self, ix: Ix, tip: u64, now: u64) {
        let feed = self.feeds.get_mut(ix);
        if tip <= feed.tip {
            return;
        }
        feed.tip = tip;
        feed.grown = now;
        feed.switches = 0;
        if let Some(source) = &mut feed.source {
            source.heard = source.heard.max(now);
            source.attempts = 0;
        }
        self.spread(ix, now);
    }
}
