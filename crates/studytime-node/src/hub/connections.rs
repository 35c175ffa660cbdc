//! The connections that are up, as seen from outside their drivers.

use super::{Errand, Hub, blob_peer};
use crate::net::{Survivor, survivor};
use std::collections::VecDeque;
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
            s.wants.connect(blob_peer(peer), PeerKind::Other, now);
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
            s.wants.set_kind(blob_peer(peer), PeerKind::StudyTime, now);
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

    /// Whether a connection to this peer is up.
    pub(crate) fn is_connected(&self, feed: &FeedId) -> bool {
        self.lock().slots.values().any(|s| s.feed == *feed)
    }
}
