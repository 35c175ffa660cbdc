//! The connections that are up, as seen from outside their drivers.

use super::{Errand, Hub, State, blob_peer};
use crate::net::{Survivor, survivor};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use studytime_blobs::wants::PeerKind;
use studytime_replicate::ebt::Audience;
use studytime_replicate::{PeerClock, PeerId, Role};
use studytime_schema::FeedId;
use tokio::sync::Notify;

/// A connection, for those who look at it from outside its driver.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) feed: FeedId,
    pub(crate) address: String,
    pub(crate) outgoing: bool,
    pub(crate) studytime: bool,
    /// More than a stranger.
    pub(super) known: bool,
    pub(crate) since: u64,
    pub(crate) traffic: (u64, u64),
    pub(crate) note: Option<String>,
    pub(super) outbox: VecDeque<Errand>,
    pub(super) wake: Arc<Notify>,
}

/// What a driver tells of a new connection.
pub(crate) struct NewSlot {
    pub(crate) address: String,
    pub(crate) outgoing: bool,
    pub(crate) known: bool,
    pub(crate) clock: PeerClock,
    pub(crate) wake: Arc<Notify>,
}

/// What is open between a connected peer and this node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenWith {
    /// Notes go both ways.
    pub(crate) active: bool,
    /// Messages that it has, and that are wanted here.
    pub(crate) messages: u64,
    /// Messages that it asked for.
    pub(crate) unsent: u64,
    /// Blobs that come from it, or come next.
    pub(crate) files: u64,
}

impl Hub {
    /// A connection is up. Two connections to one peer are one too many; returns
    /// `false` when this is the one that goes.
    pub(crate) fn connect(&self, me: FeedId, peer: PeerId, slot: NewSlot) -> bool {
        self.act(|s, now| {
            let twin = s
                .slots
                .iter()
                .find(|(_, other)| other.feed == peer.feed)
                .map(|(c, other)| (*c, other.outgoing, now.saturating_sub(other.since)));
            if let Some((connection, outgoing, age)) = twin {
                match survivor(&me, &peer.feed, outgoing, age, slot.outgoing) {
                    Survivor::Old => return false,
                    Survivor::New if outgoing == slot.outgoing => s.errand(
                        connection,
                        Errand::Close("replaced by a newer connection".into()),
                    ),
                    Survivor::New => s.errand(
                        connection,
                        Errand::Close("both sides dialled; the other connection is kept".into()),
                    ),
                }
            }
            let role = if slot.outgoing {
                Role::Dialer
            } else {
                Role::Acceptor
            };
            s.slots.insert(
                peer.connection,
                Slot {
                    feed: peer.feed,
                    address: slot.address,
                    outgoing: slot.outgoing,
                    studytime: false,
                    known: slot.known,
                    since: now,
                    traffic: (0, 0),
                    note: None,
                    outbox: VecDeque::new(),
                    wake: slot.wake,
                },
            );
            s.ebt.connect(peer, role, slot.known, slot.clock, now);
            let kind = s.blob_kind(&peer.feed, false);
            s.wants.connect(blob_peer(peer), kind, now);
            true
        })
    }

    /// Who became more than a stranger while connected, or is not any more. Asks
    /// `is_known` without holding anything.
    pub(crate) fn review_known(&self, is_known: impl Fn(&FeedId) -> bool) {
        let mut slots = Vec::new();
        self.each_slot(|connection, slot| slots.push((connection, slot.feed, slot.known)));
        for (connection, feed, before) in slots {
            let known = is_known(&feed);
            if known == before {
                continue;
            }
            self.act(|s, now| {
                let Some(slot) = s.slots.get_mut(&connection) else {
                    return;
                };
                slot.known = known;
                s.ebt.set_known(PeerId::new(feed, connection), known, now);
                // What is for known peers only may be fetched from it now, or not.
                let wanted = s
                    .wanted
                    .iter()
                    .filter(|(_, w)| w.audience == Audience::Known);
                let wanted = wanted.map(|(feed, _)| *feed).collect();
                s.errand(connection, Errand::Wanted(wanted));
            });
        }
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&self, peer: PeerId) {
        self.act(|s, now| {
            s.ebt.disconnect(peer, now);
            s.wants.disconnect(blob_peer(peer), now);
            s.slots.remove(&peer.connection);
            s.legacy.remove(&peer.connection);
        });
    }

    /// Has a connection closed.
    pub(crate) fn close(&self, connection: u64, why: &str) {
        self.act(|s, _| s.errand(connection, Errand::Close(why.to_owned())));
    }

    /// What a driver has to do.
    pub(crate) fn errands(&self, connection: u64, into: &mut VecDeque<Errand>) {
        if let Some(slot) = self.lock().slots.get_mut(&connection) {
            into.append(&mut slot.outbox);
        }
    }

    /// Notes bytes moved, for people.
    pub(crate) fn count(&self, connection: u64, received: u64, sent: u64) {
        if let Some(slot) = self.lock().slots.get_mut(&connection) {
            slot.traffic.0 += received;
            slot.traffic.1 += sent;
        }
    }

    /// The peer said what it is.
    pub(crate) fn is_studytime(&self, peer: PeerId) {
        self.act(|s, now| {
            if let Some(slot) = s.slots.get_mut(&peer.connection) {
                slot.studytime = true;
            }
            let kind = s.blob_kind(&peer.feed, true);
            s.wants.set_kind(blob_peer(peer), kind, now);
        });
    }

    /// These peers are asked for segments first, and segments are pushed to them.
    pub(crate) fn set_seeders(&self, seeders: BTreeSet<FeedId>) {
        self.act(|s, now| {
            let before = std::mem::replace(&mut s.seeders, seeders);
            let slots = s.slots.iter().map(|(c, slot)| {
                let peer = PeerId::new(slot.feed, *c);
                (peer, slot.studytime)
            });
            for (peer, studytime) in slots.collect::<Vec<_>>() {
                if before.contains(&peer.feed) != s.seeders.contains(&peer.feed) {
                    let kind = s.blob_kind(&peer.feed, studytime);
                    s.wants.set_kind(blob_peer(peer), kind, now);
                }
            }
        });
    }

    /// Has connected StudyTime nodes asked anew what they offer.
    pub(crate) fn ask_info(&self, whom: impl Fn(&FeedId) -> bool) {
        let mut state = self.lock();
        let slots = state.slots.iter();
        let asked: Vec<u64> = slots
            .filter(|(_, slot)| slot.studytime && whom(&slot.feed))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in asked {
            state.errand(connection, Errand::AskInfo);
        }
    }

    /// Says of a connection, for people, what is at its other end.
    pub(crate) fn note(&self, connection: u64, note: Option<String>) {
        if let Some(slot) = self.lock().slots.get_mut(&connection) {
            slot.note = note;
        }
    }

    /// Gives one connection something to do; dropped when it is gone.
    pub(crate) fn ask(&self, connection: u64, errand: Errand) {
        self.act(|s, _| s.errand(connection, errand));
    }

    /// Whether nobody is connected.
    pub(crate) fn has_no_connection(&self) -> bool {
        self.lock().slots.is_empty()
    }

    /// Looks at every connection.
    pub(crate) fn each_slot(&self, mut f: impl FnMut(u64, &Slot)) {
        for (connection, slot) in &self.lock().slots {
            f(*connection, slot);
        }
    }

    /// The connection to a peer.
    pub(crate) fn connection_of(&self, feed: &FeedId) -> Option<u64> {
        let state = self.lock();
        let found = state.slots.iter().find(|(_, slot)| slot.feed == *feed);
        found.map(|(connection, _)| *connection)
    }

    /// What is open between a connected peer and this node.
    pub(crate) fn open_with(&self, feed: &FeedId) -> Option<OpenWith> {
        let state = self.lock();
        let (connection, _) = state.slots.iter().find(|(_, slot)| slot.feed == *feed)?;
        let peer = PeerId::new(*feed, *connection);
        let status = state.ebt.status(&peer).unwrap_or_default();
        // What the peer claims of feeds that are not fetched from it is never to
        // come: only what may be is counted.
        let lacking = |wanted: &FeedId| {
            state.ebt.may_fetch(peer, wanted)?;
            let here = state.tips.get(wanted).copied().unwrap_or(0);
            let claims = state.ebt.claims(wanted).into_iter();
            let claim = claims
                .filter(|(who, _)| *who == peer)
                .map(|(_, n)| n)
                .max()?;
            Some(claim.saturating_sub(here))
        };
        let messages = match status.behind {
            0 => 0,
            _ => state.wanted.keys().filter_map(lacking).sum(),
        };
        Some(OpenWith {
            active: status.active,
            messages,
            unsent: status.ahead,
            files: state.wants.fetching_from(&blob_peer(peer)) as u64,
        })
    }

    /// Whether a connection to this peer is up.
    pub(crate) fn is_connected(&self, feed: &FeedId) -> bool {
        self.lock().slots.values().any(|s| s.feed == *feed)
    }
}

impl State {
    fn blob_kind(&self, peer: &FeedId, studytime: bool) -> PeerKind {
        match studytime {
            _ if self.seeders.contains(peer) => PeerKind::Seeder,
            true => PeerKind::StudyTime,
            false => PeerKind::Other,
        }
    }
}
