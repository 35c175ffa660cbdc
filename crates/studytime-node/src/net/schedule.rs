//! Whom to connect to, and when: the scheduler.
//!
//! Sans-io: candidates are offered, results are told, `now` (milliseconds since
//! 1970) and a seed for jitter are passed in; [`Scheduler::poll`] says what to
//! do next. Numbers follow ssb-conn 6 where StudyTime has no reason to differ.

mod backoff;
mod candidate;
mod choose;
mod twins;
mod words;

pub(crate) use backoff::Jitter;
pub(crate) use candidate::{Candidate, Kind, Record};
pub(crate) use twins::{Survivor, survivor};
pub(crate) use words::{BLOCKED, Standing};

use candidate::{Entry, Phase};
use std::collections::{BTreeMap, HashSet};
use studytime_schema::FeedId;

/// Dials under way at a time.
pub(crate) const MAX_DIALS: usize = 8;
/// Addresses that are kept; beyond it only what the user chose is taken in.
pub(crate) const MAX_CANDIDATES: usize = 2_000;
/// Peers that are known to be rooms.
const MAX_ROOMS: usize = 1_000;
/// A connection gives its place to one that waits after this long, divided by
/// the square root of how many wait.
pub(crate) const ROTATE_MS: u64 = 2 * 3600 * 1000;
/// Never sooner than this.
pub(crate) const MIN_TURN_MS: u64 = 5 * 60 * 1000;
/// A connection on which something came so lately is not cut for rotation,
/// unless it has had twice its turn.
pub(crate) const BUSY_MS: u64 = 30_000;
/// Connections beyond a quota (the user asked for one more) are cut after this
/// long, divided by how many there are too many.
pub(crate) const SURPLUS_MS: u64 = 2 * 60 * 1000;
/// A connection that ends before this counts as a failure: somebody who always
/// hangs up is not called every few seconds.
pub(crate) const SETTLED_MS: u64 = 30_000;
/// Dials after the network came back are spread over this long.
pub(crate) const SPREAD_MS: u64 = 1_000;
/// Calls of new neighbours are spread over this long.
pub(crate) const APART_MS: u64 = 400;
/// A machine whose addresses change all the time does not call everybody each time.
const CHANGES_MS: u64 = 30_000;
/// Longest sleep: clocks jump, and what is blocked may change.
const LONGEST_SLEEP_MS: u64 = 60_000;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Dial it, then tell [`Scheduler::handle_failed`] or
    /// [`Scheduler::handle_connected`].
    Dial(Candidate),
    /// Close this connection, then tell [`Scheduler::handle_closed`].
    Drop {
        /// The connection's number.
        connection: u64,
        /// Why, for people.
        why: &'static str,
    },
    /// Nothing until then, or until something happens.
    Sleep(u64),
}

/// How an attempt that the user asked for begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Dial it now.
    Dial,
    /// It is being dialled already.
    UnderWay,
}

/// A connection that is up.
#[derive(Debug, Clone)]
struct Link {
    key: FeedId,
    /// The address that was dialled; `None` when the peer called.
    address: Option<String>,
    since: u64,
    active: u64,
    dropped: bool,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Scheduler {
    entries: BTreeMap<String, Entry>,
    links: BTreeMap<u64, Link>,
    /// Peers that are rooms.
    rooms: HashSet<FeedId>,
    jitter: Jitter,
    network: bool,
    /// When everybody was last made due by another network.
    called_all: u64,
}

impl Scheduler {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            links: BTreeMap::new(),
            rooms: HashSet::new(),
            jitter: Jitter::new(seed),
            network: true,
            called_all: 0,
        }
    }

    /// Offers an address. `record` is what an earlier run knew of it. Offering it
    /// again only renews the source; another kind is kept beside the first.
    pub(crate) fn offer(&mut self, candidate: Candidate, record: Option<Record>, now: u64) {
        if let Some(entry) = self.entries.get_mut(&candidate.address) {
            entry.offer(candidate);
            if let Some(record) = record.filter(|_| entry.record.last_try == 0) {
                let pause = backoff::pause(entry.kind(), &record, self.jitter.draw());
                entry.flaps = record.failures;
                entry.due = resumed(&record, pause, now);
                entry.record = record;
            }
            return;
        }
        if self.entries.len() >= MAX_CANDIDATES {
            self.sweep(u64::MAX);
        }
        if self.entries.len() >= MAX_CANDIDATES && candidate.kind != Kind::Typed {
            return;
        }
        let record = record.unwrap_or_else(|| Record::new(now));
        let due = if record.failures == 0 {
            // Two that hear each other are not to call in the same moment.
            let apart = if candidate.kind == Kind::Lan {
                APART_MS
            } else {
                0
            };
            now + self.jitter.upto(apart)
        } else {
            let pause = backoff::pause(candidate.kind, &record, self.jitter.draw());
            resumed(&record, pause, now)
        };
        let mut entry = Entry::new(&candidate, record, due);
        if self.rooms.contains(&candidate.key) {
            entry.set_room();
        }
        self.entries.insert(candidate.address, entry);
    }

    /// Takes an offer back. A connection that is up stays; a pause after a failure
    /// is waited out even if the same offer comes back sooner.
    pub(crate) fn withdraw(&mut self, kind: Kind, address: &str) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.offers.remove(&kind);
            self.tidy(address);
        }
    }

    /// A peer is a room: its addresses count as such from now on.
    pub(crate) fn know_room(&mut self, key: FeedId) {
        if self.rooms.len() < MAX_ROOMS && self.rooms.insert(key) {
            let its = self.entries.values_mut().filter(|e| e.key == key);
            its.for_each(Entry::set_room);
        }
    }

    /// How the last attempt at an address ended, also of one that was withdrawn.
    pub(crate) fn last_reason(&self, address: &str) -> Option<String> {
        self.entries.get(address)?.record.reason.clone()
    }

    /// Begins an attempt that the user asked for, whatever quotas and pauses say.
    pub(crate) fn begin(&mut self, candidate: Candidate, now: u64) -> Begin {
        let address = candidate.address.clone();
        let kind = candidate.kind;
        self.offer(candidate, None, now);
        match self.entries.get_mut(&address) {
            Some(entry) if entry.phase == Phase::Idle => {
                entry.dial(kind, now);
                Begin::Dial
            }
            _ => Begin::UnderWay,
        }
    }

    /// An attempt failed. Answers what is to be remembered.
    pub(crate) fn handle_failed(
        &mut self,
        address: &str,
        reason: &str,
        now: u64,
    ) -> Option<Record> {
        let network = self.network;
        let draw = self.jitter.draw();
        let entry = self.entries.get_mut(address)?;
        let kind = entry.active_kind();
        entry.phase = Phase::Idle;
        entry.since = now;
        entry.record.reason = Some(reason.to_owned());
        // Without a network it says nothing about the peer.
        if network || !entry.needs_network {
            entry.record.failures = entry.record.failures.saturating_add(1);
        }
        entry.due = now + backoff::pause(kind, &entry.record, draw);
        let record = entry.record.clone();
        self.tidy(address);
        Some(record)
    }

    /// A connection is up: over `address` when we dialled. Answers what is to be
    /// remembered.
    pub(crate) fn handle_connected(
        &mut self,
        connection: u64,
        key: FeedId,
        address: Option<&str>,
        now: u64,
    ) -> Option<Record> {
        let link = Link {
            key,
            address: address.map(str::to_owned),
            since: now,
            active: now,
            dropped: false,
        };
        self.links.insert(connection, link);
        let entry = self.entries.get_mut(address?)?;
        entry.phase = Phase::Up {
            kind: entry.active_kind(),
        };
        entry.since = now;
        entry.record.failures = 0;
        entry.record.last_ok = now;
        entry.record.reason = None;
        Some(entry.record.clone())
    }

    /// An attempt reached the peer, but another connection to it is kept.
    pub(crate) fn handle_twin(&mut self, address: &str, now: u64) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.phase = Phase::Idle;
            entry.since = now;
            entry.due = now + MIN_TWIN_PAUSE_MS + self.jitter.upto(MIN_TWIN_PAUSE_MS);
            self.tidy(address);
        }
    }

    /// A connection is gone. Answers what is to be remembered of its address.
    pub(crate) fn handle_closed(
        &mut self,
        connection: u64,
        reason: &str,
        now: u64,
    ) -> Option<(String, Record)> {
        let link = self.links.remove(&connection)?;
        let address = link.address?;
        // A newer connection over the same address goes on.
        let again = |l: &Link| l.address.as_ref() == Some(&address);
        if self.links.values().any(again) {
            return None;
        }
        let draw = self.jitter.draw();
        let entry = self.entries.get_mut(&address)?;
        let kind = entry.active_kind();
        entry.phase = Phase::Idle;
        entry.since = now;
        entry.record.reason = Some(reason.to_owned());
        let settled = now.saturating_sub(link.since) >= SETTLED_MS;
        entry.flaps = match settled || link.dropped {
            true => 0,
            false => entry.flaps.saturating_add(1),
        };
        entry.record.failures = entry.flaps;
        entry.due = now + backoff::pause(kind, &entry.record, draw);
        let record = entry.record.clone();
        self.tidy(&address);
        Some((address, record))
    }

    /// Something came over a connection.
    pub(crate) fn handle_traffic(&mut self, connection: u64, now: u64) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.active = now;
        }
    }

    /// Whether there is a network, and whether it is another one than before.
    pub(crate) fn set_network(&mut self, up: bool, changed: bool, now: u64) {
        let changed = changed && now.saturating_sub(self.called_all) >= CHANGES_MS;
        let back = up && (changed || !self.network);
        self.network = up;
        if !back {
            return;
        }
        self.called_all = now;
        for entry in self.entries.values_mut() {
            if entry.phase == Phase::Idle && entry.needs_network {
                entry.due = entry.due.min(now + self.jitter.upto(SPREAD_MS));
            }
        }
    }

    /// What to do now. Peers that `blocked` names are never dialled.
    pub(crate) fn poll(&mut self, now: u64, blocked: &dyn Fn(&FeedId) -> bool) -> Action {
        self.sweep(now);
        let mut wake = now + LONGEST_SLEEP_MS;
        let view = self.view(blocked);
        for group in Kind::GROUPS {
            if let Some(drop) = self.surplus(group, now, &view, &mut wake) {
                return drop;
            }
        }
        let dialling = self.entries.values().filter(|e| e.is_dialling()).count();
        if dialling < MAX_DIALS {
            for group in Kind::GROUPS {
                if self.used(group) >= group.quota() {
                    continue;
                }
                match self.next_in(group, now, &view) {
                    Some((address, due)) if due <= now => {
                        let Some(entry) = self.entries.get_mut(&address) else {
                            continue;
                        };
                        entry.dial(entry.kind(), now);
                        return Action::Dial(entry.candidate(&address));
                    }
                    Some((_, due)) => wake = wake.min(due),
                    None => {}
                }
            }
        }
        Action::Sleep(wake.max(now + 1))
    }

    /// Every address of those who are not connected, in words.
    pub(crate) fn standings(
        &self,
        now: u64,
        blocked: &dyn Fn(&FeedId) -> bool,
    ) -> Vec<(String, Standing)> {
        let view = self.view(blocked);
        let full = Kind::GROUPS.map(|group| self.used(group) >= group.quota());
        let up: HashSet<FeedId> = self.links.values().map(|l| l.key).collect();
        let seen = |e: &Entry| words::Seen {
            network: self.network,
            blocked: blocked(&e.key),
            nearer: view.has_nearer(e),
            full: Kind::GROUPS
                .iter()
                .zip(full)
                .any(|(group, full)| full && *group == e.kind().group()),
        };
        self.entries
            .iter()
            .filter(|(_, e)| !up.contains(&e.key) && !e.is_withdrawn())
            .map(|(address, e)| (address.clone(), words::standing(e, now, &seen(e))))
            .collect()
    }

    /// The kind and source of the address that a connection came about by.
    pub(crate) fn origin(&self, address: &str) -> Option<(Kind, String)> {
        let entry = self.entries.get(address)?;
        Some((entry.active_kind(), entry.source()))
    }

    /// Removes what nobody offers any more, unless it failed lately.
    fn tidy(&mut self, address: &str) {
        let unused = |e: &Entry| e.is_withdrawn() && e.record.failures == 0;
        if self.entries.get(address).is_some_and(unused) {
            self.entries.remove(address);
        }
    }

    /// Removes what was withdrawn and has waited out its pause.
    fn sweep(&mut self, now: u64) {
        self.entries
            .retain(|_, e| !(e.is_withdrawn() && e.due <= now));
    }
}

/// When an address that failed in an earlier run is due. A restart is no reason to
/// call a dead peer at once, nor to wait longer than the run before would have.
fn resumed(record: &Record, pause: u64, now: u64) -> u64 {
    match record.failures {
        0 => now,
        _ => (record.last_try + pause).min(now + pause),
    }
}

/// After both sides dialled: the other connection is up, or ends at once.
const MIN_TWIN_PAUSE_MS: u64 = 2_000;

#[cfg(test)]
#[path = "schedule/tests.rs"]
mod tests;
