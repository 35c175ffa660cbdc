//! EBT: feeds exchanged with all peers at once, each from one of them.
//!
//! Protocol guide: "Epidemic broadcast trees". [`Ebt`] is one state machine for
//! the whole node, without socket, disk, clock or randomness.
//!
//! # How to drive it
//!
//! 1. Once: [`Ebt::new`], [`Ebt::load`] with the store's tips,
//!    [`Ebt::load_shunned`], [`Ebt::load_wanted`]; [`Ebt::set_blocked`] and
//!    [`Ebt::set_block`] for what the follow graph says. Later changes go through
//!    [`Ebt::set_wanted`] and [`Ebt::remove_wanted`].
//! 2. Per connection: [`Ebt::connect`]; [`Ebt::handle_open`] when the peer calls
//!    `ebt.replicate`; [`Ebt::handle_frame`] for what comes on the stream;
//!    [`Ebt::writable`] when what was sent has drained; [`Ebt::handle_closed`]
//!    when the stream ends; [`Ebt::disconnect`] at the end.
//! 3. After **every** call: [`Ebt::poll_output`] until it gives nothing; then
//!    set a timer to [`Ebt::poll_timeout`] and call [`Ebt::handle_timeout`] then.
//! 4. Answer each [`Output::Read`] with [`Ebt::handle_read`], and what was handed
//!    out by [`Output::Ingest`] with [`Ebt::handle_ingested`]. What came into the
//!    store in other ways (own messages) is told with [`Ebt::appended`], once it
//!    is on disk.
//!
//! # What it does
//!
//! Each feed is fetched from one peer; the others are told not to send. A peer
//! that is silent while another claims more is replaced after three seconds; one
//! that alone claims more is asked again, its stream opened anew, the feed fetched
//! by `createHistoryStream`, and in the end left alone for five minutes. Feeds
//! that a peer holds as far as we do, by its own word in an earlier session, are
//! not mentioned at all.

mod api;
mod feeds;
mod notes;
mod peer_feed;
mod push;
mod session;
mod source;

pub use api::{
    Audience, Config, EbtError, FallbackReason, IngestOutcome, Output, Payload, PeerId, Priority,
    Role, SessionStatus, Tally, Want,
};

use crate::clock::Note;
use crate::store::Shunned;
use crate::wire::{Frame, MAX_NOTE_BYTES};
use bytes::Bytes;
use feeds::{FeedTable, Mark};
use session::{Session, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use studytime_schema::FeedId;

/// The state machine; see the [module](self) for how to drive it.
#[derive(Debug, Default)]
pub struct Ebt {
    config: Config,
    feeds: FeedTable,
    sessions: BTreeMap<PeerId, Session>,
    out: VecDeque<Output>,
    /// Sessions that may have something to send.
    ready: BTreeSet<PeerId>,
    now: u64,
}

impl Ebt {
    /// An empty machine.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Takes in what the store holds: each feed with its last sequence. For the
    /// start, before any peer is connected.
    pub fn load(&mut self, tips: impl IntoIterator<Item = (FeedId, u64)>) {
        for (id, tip) in tips {
            let ix = self.feeds.ensure(id);
            self.feeds.get_mut(ix).tip = tip;
        }
    }

    /// Takes in which feeds are not fetched from whom.
    pub fn load_shunned<'a>(&mut self, shunned: impl IntoIterator<Item = &'a Shunned>) {
        for s in shunned {
            self.feeds.shun(
                s.peer,
                s.feed,
                Mark {
                    sequence: s.sequence,
                    fork: s.fork,
                },
            );
        }
    }

    /// Takes in the feeds that were wanted in the last run. For the start, before
    /// any peer is connected: peers that refused a feed lately are not asked again
    /// for it.
    pub fn load_wanted(&mut self, wanted: impl IntoIterator<Item = (FeedId, Want)>) {
        for (feed, want) in wanted {
            let ix = self.feeds.ensure(feed);
            self.feeds.get_mut(ix).want = Some(want);
        }
    }

    /// Wants a feed, or wants it otherwise than before. It is named to every peer
    /// that may have it.
    pub fn set_wanted(&mut self, feed: FeedId, want: Want, now: u64) {
        let now = self.advance_clock(now);
        let ix = self.feeds.ensure(feed);
        let before = self.feeds.get_mut(ix).want.replace(want);
        if before == Some(want) {
            return;
        }
        let was_fetched = before.is_some_and(|b| b.receive && b.audience == want.audience);
        let peers: Vec<PeerId> = self.sessions.keys().copied().collect();
        for peer in &peers {
            self.adopt_foreign(*peer, feed);
        }
        self.examine(ix, now);
        self.correct_notes(ix);
        if !was_fetched {
            self.renew(feed);
            for peer in peers {
                self.name_feed(peer, ix, now);
            }
        }
    }

    /// Peers that we refused a feed will not mention it; so that we do, what they
    /// said of it before must not count.
    fn renew(&mut self, feed: FeedId) {
        let Some(ix) = self.feeds.ix(&feed) else {
            return;
        };
        for session in self.sessions.values_mut().filter(|s| !s.is_active()) {
            session.unhear(ix, &feed);
        }
        self.out.push_back(Output::Renew { feed });
    }

    /// A feed the peer mentioned before we carried it: its word counts from now on.
    fn adopt_foreign(&mut self, peer: PeerId, feed: FeedId) {
        let Some(ix) = self.feeds.ix(&feed) else {
            return;
        };
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        session.adopt(ix, &feed);
        if let Some(note) = session.foreign.remove(&feed) {
            let answered = !session.refusals.remove(&feed);
            let peer_feed = session.feeds.get_mut(ix);
            peer_feed.set_theirs(note);
            peer_feed.set_mine(answered.then_some(Note::Refuse));
            peer_feed.sent = note.sequence().unwrap_or(0);
            session.hear(ix, note.sequence(), now);
        }
    }

    /// Names a feed that became wanted to a peer, whatever it said before.
    fn name_feed(&mut self, peer: PeerId, ix: feeds::Ix, now: u64) {
        let Some(session) = self.sessions.get(&peer).filter(|s| s.is_active()) else {
            return;
        };
        let feed = self.feeds.get(ix);
        if !self.feeds.visible(feed, &peer.feed, session.known) {
            return;
        }
        let theirs = session.feeds.get(ix).theirs();
        let may_ask = feed.tip == 0
            && feed.receives()
            && feed.source.is_none()
            && theirs != Some(Note::Refuse)
            && !self.feeds.is_shunned(&peer.feed, feed);
        let asks = theirs.is_some_and(Note::receive);
        if may_ask {
            self.set_source(ix, Some(peer), now);
        }
        // Forced: a peer may have given up on a feed that we did not want.
        self.mark(peer, ix, true);
        if asks {
            self.queue_push(peer, ix);
        }
    }

    /// Stops fetching a feed. What is here stays served; peers that were asked
    /// for it are told to stop.
    pub fn remove_wanted(&mut self, feed: &FeedId, now: u64) {
        let now = self.advance_clock(now);
        if let Some(ix) = self.feeds.ix(feed)
            && self.feeds.get_mut(ix).want.take().is_some()
        {
            self.examine(ix, now);
            self.correct_notes(ix);
        }
    }

    /// Blocks a feed: it is neither fetched nor served. Closing connections with
    /// its author is up to the caller.
    pub fn set_blocked(&mut self, feed: FeedId, blocked: bool, now: u64) {
        let now = self.advance_clock(now);
        let ix = self.feeds.ensure(feed);
        if std::mem::replace(&mut self.feeds.get_mut(ix).blocked, blocked) != blocked {
            self.visibility_changed(ix, now);
        }
    }

    /// Records that `author` blocks `target`: the author's feed is not exchanged
    /// with that peer.
    pub fn set_block(&mut self, author: FeedId, target: FeedId, blocked: bool, now: u64) {
        let now = self.advance_clock(now);
        if self.feeds.set_block(author, target, blocked)
            && let Some(ix) = self.feeds.ix(&author)
        {
            self.visibility_changed(ix, now);
        }
    }

    /// A connected peer became known, or is not any more: what is for known peers
    /// only is named or refused accordingly.
    pub fn set_known(&mut self, peer: PeerId, known: bool, now: u64) {
        let now = self.advance_clock(now);
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        if std::mem::replace(&mut session.known, known) == known {
            return;
        }
        for ix in self.feeds.indices() {
            let audience = self.feeds.get(ix).want.map(|w| w.audience);
            if audience == Some(Audience::Known) {
                self.examine(ix, now);
                self.correct_notes(ix);
                self.name_feed(peer, ix, now);
            }
        }
    }

    /// Whether this peer may have this feed from us, in whatever way it asks: we
    /// hold or want it, no block is in the way, and it is for such peers.
    pub fn may_have(&self, peer: &FeedId, known: bool, feed: &FeedId) -> bool {
        self.feeds.ix(feed).is_some_and(|ix| {
            let feed = self.feeds.get(ix);
            (feed.want.is_some() || feed.tip > 0) && self.feeds.visible(feed, peer, known)
        })
    }

    /// The last sequence to fetch a feed from, when it is to be fetched from this
    /// peer in other ways than EBT: it is wanted, no block is in the way, and the
    /// peer has not shown another branch or rubbish of it.
    pub fn may_fetch(&self, peer: PeerId, feed: &FeedId) -> Option<(Priority, u64)> {
        let session = self.sessions.get(&peer)?;
        let feed = self.feeds.get(self.feeds.ix(feed)?);
        let may = feed.receives()
            && self.feeds.visible(feed, &peer.feed, session.known)
            && !self.feeds.is_shunned(&peer.feed, feed);
        may.then(|| (feed.priority(), feed.shown()))
    }

    fn visibility_changed(&mut self, ix: feeds::Ix, now: u64) {
        self.examine(ix, now);
        self.correct_notes(ix);
        if self.feeds.get(ix).want.is_some() {
            self.renew(self.feeds.get(ix).id);
            let peers: Vec<PeerId> = self.sessions.keys().copied().collect();
            for peer in peers {
                self.name_feed(peer, ix, now);
            }
        }
    }

    /// Keeps back the last message of a feed, or passes it on again. Peers are told
    /// of, and sent, the one before it; fetching goes on. So a peer that has the
    /// last one did not get it here.
    pub fn set_withheld(&mut self, feed: FeedId, withheld: bool, now: u64) {
        let now = self.advance_clock(now);
        let ix = self.feeds.ensure(feed);
        let before = std::mem::replace(&mut self.feeds.get_mut(ix).withheld, withheld);
        if before && !withheld {
            self.spread(ix, now);
        }
    }

    /// The last sequence of a feed that is passed on; 0 for none.
    pub fn shown(&self, feed: &FeedId) -> u64 {
        self.feeds
            .ix(feed)
            .map_or(0, |ix| self.feeds.get(ix).shown())
    }

    /// Whether a feed is not fetched from this peer, because what it sent was bad.
    pub fn shuns(&self, peer: &FeedId, feed: &FeedId) -> bool {
        self.feeds
            .ix(feed)
            .is_some_and(|ix| self.feeds.is_shunned(peer, self.feeds.get(ix)))
    }

    /// Asks everybody for a feed again, whatever came of it before.
    pub fn forgive(&mut self, feed: &FeedId, now: u64) {
        let now = self.advance_clock(now);
        self.feeds.forgive(feed);
        if let Some(ix) = self.feeds.ix(feed) {
            self.examine(ix, now);
        }
    }

    /// A feed was deleted from the store. If it is still wanted, it is fetched
    /// again from the start.
    pub fn forget(&mut self, feed: &FeedId, now: u64) {
        let now = self.advance_clock(now);
        if let Some(ix) = self.feeds.ix(feed) {
            let entry = self.feeds.get_mut(ix);
            entry.tip = 0;
            entry.inflight.clear();
            self.set_source(ix, None, now);
            self.examine(ix, now);
            let told: Vec<PeerId> = self
                .sessions
                .values()
                .filter(|s| s.feeds.get(ix).mine().is_some())
                .map(|s| s.peer)
                .collect();
            for peer in told {
                self.mark(peer, ix, true);
            }
        }
    }

    /// A feed in the store has grown to `sequence` by other ways than
    /// [`Output::Ingest`]. For own messages: only when they are on disk.
    pub fn appended(&mut self, feed: FeedId, sequence: u64, now: u64) {
        let now = self.advance_clock(now);
        let ix = self.feeds.ensure(feed);
        self.grow(ix, sequence, now);
        self.examine(ix, now);
    }

    /// Takes a frame from the peer's EBT stream.
    ///
    /// # Errors
    /// [`EbtError`]: end the stream with its text, then call
    /// [`Ebt::handle_closed`].
    pub fn handle_frame(&mut self, peer: PeerId, frame: &Bytes, now: u64) -> Result<(), EbtError> {
        let now = self.advance_clock(now);
        let session = self
            .sessions
            .get_mut(&peer)
            .ok_or(EbtError::NotOpen(peer))?;
        if matches!(session.state, State::Waiting { .. })
            || (session.state == State::Fallen && session.role == Role::Acceptor)
        {
            return Err(EbtError::NotOpen(peer));
        }
        let frame = Frame::parse(frame)?;
        session.last_frame = now;
        let first = !session.is_active();
        if first {
            session.state = State::Active;
        }
        match frame {
            Frame::Notes(notes) => self.handle_notes(peer, notes, now),
            Frame::Message {
                author,
                sequence,
                wire,
            } => {
                self.handle_message(peer, author, sequence, wire, now);
            }
        }
        if first {
            // The peer's clock is read; now it may have ours.
            self.activate(peer, now);
        }
        Ok(())
    }

    /// What to do next; `None` when there is nothing to do until something
    /// happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.out.pop_front() {
                return Some(output);
            }
            let peer = *self.ready.first()?;
            let session = self.sessions.get(&peer).filter(|s| s.is_active());
            if let Some((room, greeted)) = session.map(|s| (s.room, s.greeted)) {
                if (room > MAX_NOTE_BYTES || !greeted)
                    && let Some(output) = self.notes_frame(peer, self.now)
                {
                    return Some(output);
                }
                if let Some(output) = self.next_read(peer) {
                    return Some(output);
                }
            }
            self.ready.remove(&peer);
        }
    }

    /// When to call [`Ebt::handle_timeout`], in milliseconds since 1970; `None`
    /// when nothing waits for time to pass.
    pub fn poll_timeout(&self) -> Option<u64> {
        let sessions = self
            .sessions
            .values()
            .filter_map(Session::next_timeout)
            .min();
        [self.feeds.next_due(), sessions]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: u64) {
        let now = self.advance_clock(now);
        while let Some(ix) = self.feeds.pop_due(now) {
            self.examine(ix, now);
        }
        self.session_timeouts(now);
    }

    /// The wanted feeds.
    pub fn wanted(&self) -> impl Iterator<Item = (FeedId, Want)> + '_ {
        self.feeds.iter().filter_map(|(_, f)| Some((f.id, f.want?)))
    }

    /// What connected peers say they hold of a feed, by connection.
    pub fn claims(&self, feed: &FeedId) -> Vec<(PeerId, u64)> {
        let Some(ix) = self.feeds.ix(feed) else {
            return Vec::new();
        };
        let heard = |s: &Session| {
            let peer_feed = s.feeds.get(ix);
            peer_feed.theirs()?.sequence()?;
            Some((s.peer, peer_feed.claim()?))
        };
        self.sessions.values().filter_map(heard).collect()
    }

    /// Which peer a feed is fetched from now.
    pub fn source(&self, feed: &FeedId) -> Option<PeerId> {
        self.feeds.get(self.feeds.ix(feed)?).source.map(|s| s.peer)
    }

    /// How a session is doing.
    pub fn status(&self, peer: &PeerId) -> Option<SessionStatus> {
        let session = self.sessions.get(peer)?;
        let mut status = SessionStatus {
            active: session.is_active(),
            sources: session.sources,
            ..SessionStatus::default()
        };
        for (ix, peer_feed) in session.feeds.iter() {
            let feed = self.feeds.get(ix);
            let spoken_of = peer_feed.theirs().is_some() || peer_feed.mine().is_some();
            if feed.receives() && spoken_of {
                let heard = peer_feed.heard().and_then(|h| h.sequence);
                status.behind += heard.unwrap_or(0).saturating_sub(feed.tip);
            }
            if peer_feed.asks() {
                status.ahead += feed.shown().saturating_sub(peer_feed.sent);
            }
        }
        Some(status)
    }

    /// Time never goes back in here, whatever the caller's clock does.
    fn advance_clock(&mut self, now: u64) -> u64 {
        self.now = self.now.max(now);
        self.now
    }
}
