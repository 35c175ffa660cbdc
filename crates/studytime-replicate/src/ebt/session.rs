//! One peer: the state of its stream, and how it opens, breaks and ends.

use super::api::{EbtError, FallbackReason, Output, PeerId, Priority, Role};
use super::feeds::{FeedTable, Ix};
use super::peer_feed::PeerFeeds;
use super::{Config, Ebt};
use crate::clock::{Heard, Note, PeerClock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use studytime_schema::FeedId;

/// How often a stream is opened again on one connection.
const MAX_RESTARTS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The peer dialled and has not opened EBT yet.
    Waiting { until: u64 },
    /// We opened EBT and wait for the peer's first notes.
    Opening { until: u64 },
    /// Notes go both ways.
    Active,
    /// The peer is served otherwise.
    Fallen,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: PeerId,
    pub(super) role: Role,
    pub(super) known: bool,
    pub(super) state: State,
    /// Our first frame of notes went out.
    pub(super) greeted: bool,
    /// The peer was given to `createHistoryStream`.
    fell_back: bool,
    /// What the peer told, in this session and before.
    pub(super) feeds: PeerFeeds,
    /// What it told before of feeds that are not known here now.
    before: PeerClock,
    /// Feeds of which something was heard that is not saved.
    unsaved: Vec<Ix>,
    save_at: u64,
    /// Feeds it announced and did not send: not asked before this time.
    pub(super) stalled: BTreeMap<Ix, u64>,
    /// How often feeds were asked for in vain, over streams that were opened anew.
    pub(super) pressed: BTreeMap<Ix, u8>,
    /// Feeds it mentions that we do not carry.
    pub(super) foreign: BTreeMap<FeedId, Note>,
    pub(super) refusals: BTreeSet<FeedId>,
    pub(super) dirty: BTreeSet<(Priority, Ix)>,
    pub(super) push: VecDeque<Ix>,
    pub(super) reading: Option<(Ix, u64)>,
    pub(super) room: usize,
    /// Feeds with messages of this peer on their way into the store.
    pub(super) pending: BTreeSet<Ix>,
    pub(super) last_message: u64,
    pub(super) last_frame: u64,
    restarts: u8,
    /// Feeds to tell the peer our progress of, when it is quiet.
    pub(super) tell: Vec<Ix>,
    pub(super) tell_at: Option<u64>,
    pub(super) sources: usize,
}

impl Session {
    fn new(peer: PeerId, role: Role, known: bool, config: &Config, now: u64) -> Self {
        Self {
            peer,
            role,
            known,
            state: State::Waiting {
                until: now.saturating_add(config.open_within),
            },
            greeted: false,
            fell_back: false,
            feeds: PeerFeeds::default(),
            before: PeerClock::new(),
            unsaved: Vec::new(),
            save_at: now.saturating_add(config.save_every),
            stalled: BTreeMap::new(),
            pressed: BTreeMap::new(),
            foreign: BTreeMap::new(),
            refusals: BTreeSet::new(),
            dirty: BTreeSet::new(),
            push: VecDeque::new(),
            reading: None,
            room: config.first_room,
            pending: BTreeSet::new(),
            last_message: now,
            last_frame: now,
            restarts: 0,
            tell: Vec::new(),
            tell_at: None,
            sources: 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// Takes in what the peer told in earlier sessions.
    fn load(&mut self, clock: PeerClock, table: &FeedTable) {
        for (feed, heard) in clock {
            match table.ix(&feed) {
                Some(ix) => self.feeds.get_mut(ix).set_heard(Some(heard)),
                None => drop(self.before.insert(feed, heard)),
            }
        }
    }

    /// A feed is known here now: what the peer told of it before counts again.
    pub(super) fn adopt(&mut self, ix: Ix, feed: &FeedId) {
        if let Some(heard) = self.before.remove(feed) {
            self.feeds.get_mut(ix).set_heard(Some(heard));
        }
    }

    /// Forgets what the peer told of a feed.
    pub(super) fn unhear(&mut self, ix: Ix, feed: &FeedId) {
        self.before.remove(feed);
        self.feeds.get_mut(ix).set_heard(None);
    }

    /// The peer said what it holds; a lower number than before is true, too.
    pub(super) fn hear(&mut self, ix: Ix, sequence: Option<u64>, now: u64) {
        let peer_feed = self.feeds.get_mut(ix);
        peer_feed.set_heard(Some(Heard { sequence, at: now }));
        if !std::mem::replace(&mut peer_feed.unsaved, true) {
            self.unsaved.push(ix);
        }
    }

    /// The peer sent a message, so it holds it.
    pub(super) fn hear_message(&mut self, ix: Ix, sequence: u64, now: u64) {
        let heard = self.feeds.get(ix).heard();
        if sequence > heard.and_then(|h| h.sequence).unwrap_or(0) {
            self.hear(ix, Some(sequence), now);
        }
    }

    /// Puts a feed in line to tell the peer how far we got with it.
    pub(super) fn tell_later(&mut self, ix: Ix, at: u64) {
        if !std::mem::replace(&mut self.feeds.get_mut(ix).telling, true) {
            self.tell.push(ix);
        }
        self.tell_at.get_or_insert(at);
    }

    fn take_changes(&mut self, table: &FeedTable) -> PeerClock {
        let mut changes = PeerClock::new();
        for ix in std::mem::take(&mut self.unsaved) {
            let peer_feed = self.feeds.get_mut(ix);
            peer_feed.unsaved = false;
            if let Some(heard) = peer_feed.heard() {
                changes.insert(table.get(ix).id, heard);
            }
        }
        changes
    }

    /// Forgets everything that belongs to one stream.
    fn reset_stream(&mut self, room: usize) {
        self.greeted = false;
        self.feeds.end_of_stream();
        self.stalled.clear();
        self.foreign.clear();
        self.refusals.clear();
        self.dirty.clear();
        self.push.clear();
        self.reading = None;
        self.room = room;
        self.tell.clear();
        self.tell_at = None;
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        let deadline = match self.state {
            State::Waiting { until } | State::Opening { until } => Some(until),
            State::Active | State::Fallen => None,
        };
        let save = (!self.unsaved.is_empty()).then_some(self.save_at);
        [deadline, self.tell_at, save].into_iter().flatten().min()
    }
}

impl Ebt {
    /// A connection to a peer is up. `known` says whether it may have feeds that
    /// are not for everyone; `stored` is what it told in earlier sessions.
    ///
    /// A dialer's stream is opened at once ([`Output::Open`]); as acceptor, wait
    /// for the peer's call and pass it to [`Ebt::handle_open`].
    pub fn connect(&mut self, peer: PeerId, role: Role, known: bool, stored: PeerClock, now: u64) {
        let now = self.advance_clock(now);
        if self.sessions.contains_key(&peer) {
            return;
        }
        let mut session = Session::new(peer, role, known, &self.config, now);
        session.load(stored, &self.feeds);
        if role == Role::Dialer {
            session.state = State::Opening {
                until: now.saturating_add(self.config.notes_within),
            };
            self.out.push_back(Output::Open { peer });
        }
        self.sessions.insert(peer, session);
    }

    /// The peer called `ebt.replicate` (with arguments that
    /// [`check_replicate_args`](crate::wire::check_replicate_args) takes). Our
    /// notes go out at once. A stream that was open with this peer is replaced.
    ///
    /// # Errors
    /// [`EbtError`]: answer the call with its text.
    pub fn handle_open(&mut self, peer: PeerId, now: u64) -> Result<(), EbtError> {
        let now = self.advance_clock(now);
        let session = self.sessions.get(&peer).ok_or(EbtError::NotOpen(peer))?;
        match (session.role, session.state) {
            (Role::Dialer, State::Opening { .. } | State::Active) => {
                return Err(EbtError::AlreadyOpen(peer));
            }
            (_, State::Active) => self.break_stream(peer, now),
            _ => {}
        }
        self.activate(peer, now);
        Ok(())
    }

    /// The peer's EBT stream ended or failed, while the connection stands.
    pub fn handle_closed(&mut self, peer: PeerId, now: u64) {
        let now = self.advance_clock(now);
        let Some(session) = self.sessions.get(&peer) else {
            return;
        };
        let (role, restarts) = (session.role, session.restarts);
        match session.state {
            State::Opening { .. } => self.fall_back(peer, FallbackReason::Refused),
            State::Active => {
                self.save_clock(peer, now);
                self.break_stream(peer, now);
                match role {
                    Role::Acceptor => {
                        let until = now.saturating_add(self.config.open_within);
                        self.set_state(peer, State::Waiting { until });
                    }
                    Role::Dialer if restarts < MAX_RESTARTS => self.open_again(peer, now),
                    Role::Dialer => self.fall_back(peer, FallbackReason::Broken),
                }
            }
            State::Waiting { .. } | State::Fallen => {}
        }
    }

    /// The connection is gone. What the peer told is given out to be saved.
    pub fn disconnect(&mut self, peer: PeerId, now: u64) {
        let now = self.advance_clock(now);
        self.save_clock(peer, now);
        self.break_stream(peer, now);
        if let Some(session) = self.sessions.remove(&peer) {
            for ix in session.pending {
                self.feeds.get_mut(ix).inflight.retain(|(p, _)| *p != peer);
            }
        }
        self.ready.remove(&peer);
    }

    /// The stream has room for `room` more bytes. Call it whenever what was sent
    /// has drained; nothing beyond the room is given out.
    pub fn writable(&mut self, peer: PeerId, room: usize) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.room = room;
            self.ready.insert(peer);
        }
    }

    pub(super) fn activate(&mut self, peer: PeerId, now: u64) {
        self.set_state(peer, State::Active);
        let session = self.sessions.get_mut(&peer);
        if session.is_some_and(|s| std::mem::take(&mut s.fell_back)) {
            self.out.push_back(Output::Resumed { peer });
        }
        self.ready.insert(peer);
        let all = self.feeds.indices();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.feeds.reserve(all.len());
        }
        for ix in all {
            self.introduce(peer, ix, now);
        }
    }

    /// Ends and reopens a stream on which a dialled peer has gone silent. Returns
    /// whether that was possible.
    pub(super) fn restart(&mut self, peer: PeerId, now: u64) -> bool {
        let possible = self
            .sessions
            .get(&peer)
            .is_some_and(|s| s.role == Role::Dialer && s.is_active() && s.restarts < MAX_RESTARTS);
        if possible {
            self.out.push_back(Output::Restart { peer });
            self.save_clock(peer, now);
            self.break_stream(peer, now);
            self.open_again(peer, now);
        }
        possible
    }

    fn open_again(&mut self, peer: PeerId, now: u64) {
        let until = now.saturating_add(self.config.notes_within);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.restarts += 1;
            session.state = State::Opening { until };
            self.out.push_back(Output::Open { peer });
        }
    }

    fn fall_back(&mut self, peer: PeerId, reason: FallbackReason) {
        self.set_state(peer, State::Fallen);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.fell_back = true;
        }
        self.out.push_back(Output::Fallback { peer, reason });
    }

    fn set_state(&mut self, peer: PeerId, state: State) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.state = state;
        }
    }

    /// Drops a stream's state and finds other sources for what it brought.
    fn break_stream(&mut self, peer: PeerId, now: u64) {
        let room = self.config.first_room;
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        session.reset_stream(room);
        session.sources = 0;
        session.state = State::Fallen;
        for ix in self.feeds.indices() {
            let feed = self.feeds.get_mut(ix);
            if let Some(source) = feed.source.take_if(|s| s.peer == peer) {
                feed.switches = 0;
                if source.attempts > 0
                    && let Some(session) = self.sessions.get_mut(&peer)
                {
                    session.pressed.insert(ix, source.attempts);
                }
                self.examine(ix, now);
            }
        }
    }

    fn save_clock(&mut self, peer: PeerId, now: u64) {
        let every = self.config.save_every;
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.save_at = now.saturating_add(every);
            let changes = session.take_changes(&self.feeds);
            if !changes.is_empty() {
                self.out.push_back(Output::SaveClock {
                    peer: peer.feed,
                    changes,
                });
            }
        }
    }

    pub(super) fn session_timeouts(&mut self, now: u64) {
        let due: Vec<PeerId> = self
            .sessions
            .values()
            .filter(|s| s.next_timeout().is_some_and(|at| at <= now))
            .map(|s| s.peer)
            .collect();
        for peer in due {
            let Some(session) = self.sessions.get(&peer) else {
                continue;
            };
            match session.state {
                State::Waiting { until } | State::Opening { until } if until <= now => {
                    self.fall_back(peer, FallbackReason::Silent);
                }
                _ => {}
            }
            self.tell_progress(peer, now);
            if self.sessions.get(&peer).is_some_and(|s| s.save_at <= now) {
                self.save_clock(peer, now);
            }
        }
    }
}
