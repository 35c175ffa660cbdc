//! One peer: the state of its stream, and how it opens, breaks and ends.

use super::api::{EbtError, FallbackReason, Output, PeerId, Priority, Role};
use super::feeds::Ix;
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

/// One peer's side of one feed, in this session.
#[derive(Debug, Default)]
pub(super) struct PeerFeed {
    /// Its last note; `None` while it has not mentioned the feed.
    pub(super) theirs: Option<Note>,
    /// Our last note; `None` while we have sent none.
    pub(super) mine: Option<Note>,
    /// The last sequence it has from us, by its note or because we sent it.
    pub(super) sent: u64,
    /// Stands in the push queue.
    pub(super) queued: bool,
    /// The next note goes out even if it says nothing new.
    pub(super) forced: bool,
    /// Not asked before this time, because it announced and did not send.
    pub(super) stalled_until: u64,
    /// A message that is not news was looked at once for a fork.
    pub(super) checked_old: bool,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: PeerId,
    pub(super) role: Role,
    pub(super) known: bool,
    pub(super) state: State,
    /// Our first frame of notes went out.
    pub(super) greeted: bool,
    /// What the peer told, in this session and before.
    pub(super) clock: PeerClock,
    changed: BTreeSet<FeedId>,
    save_at: u64,
    pub(super) feeds: BTreeMap<Ix, PeerFeed>,
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
    pub(super) tell: BTreeSet<Ix>,
    pub(super) tell_at: Option<u64>,
    pub(super) sources: usize,
}

impl Session {
    fn new(
        peer: PeerId,
        role: Role,
        known: bool,
        clock: PeerClock,
        config: &Config,
        now: u64,
    ) -> Self {
        Self {
            peer,
            role,
            known,
            state: State::Waiting {
                until: now.saturating_add(config.open_within),
            },
            greeted: false,
            clock,
            changed: BTreeSet::new(),
            save_at: now.saturating_add(config.save_every),
            feeds: BTreeMap::new(),
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
            tell: BTreeSet::new(),
            tell_at: None,
            sources: 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// The last thing known of what the peer holds: by word or by deed.
    pub(super) fn heard(&self, feed: &FeedId) -> Option<Heard> {
        self.clock.get(feed).copied()
    }

    /// The peer said what it holds; a lower number than before is true, too.
    pub(super) fn hear(&mut self, feed: FeedId, sequence: Option<u64>, now: u64) {
        self.clock.insert(feed, Heard { sequence, at: now });
        self.changed.insert(feed);
    }

    /// The peer sent a message, so it holds it.
    pub(super) fn hear_message(&mut self, feed: FeedId, sequence: u64, now: u64) {
        let before = self.heard(&feed).and_then(|h| h.sequence).unwrap_or(0);
        if sequence > before {
            self.hear(feed, Some(sequence), now);
        }
    }

    /// Puts a feed in line to tell the peer how far we got with it.
    pub(super) fn tell_later(&mut self, ix: Ix, at: u64) {
        self.tell.insert(ix);
        self.tell_at.get_or_insert(at);
    }

    fn take_changes(&mut self) -> PeerClock {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|feed| Some((feed, *self.clock.get(&feed)?)))
            .collect()
    }

    /// Forgets everything that belongs to one stream.
    fn reset_stream(&mut self, room: usize) {
        self.greeted = false;
        self.feeds.clear();
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
        let save = (!self.changed.is_empty()).then_some(self.save_at);
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
        let mut session = Session::new(peer, role, known, stored, &self.config, now);
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
        self.ready.insert(peer);
        for ix in self.feeds.indices() {
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
        let feeds: Vec<Ix> = session.feeds.keys().copied().collect();
        session.reset_stream(room);
        session.sources = 0;
        session.state = State::Fallen;
        for ix in feeds {
            let feed = self.feeds.get_mut(ix);
            if feed.is_source(peer) {
                feed.source = None;
                feed.switches = 0;
                self.examine(ix, now);
            }
        }
    }

    fn save_clock(&mut self, peer: PeerId, now: u64) {
        let every = self.config.save_every;
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.save_at = now.saturating_add(every);
            let changes = session.take_changes();
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
