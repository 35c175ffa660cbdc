//! Rooms: servers where peers meet that cannot reach each other directly.
//!
//! A room is a peer that answers `room.metadata` or `tunnel.isRoom`. While we are
//! connected to one it tells who else is ([`Presence`]), and passes on bytes
//! between us and them without understanding them.

mod dial;
mod presence;
#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "http"))]
pub(crate) use tests::testing;

pub(in crate::net) use dial::reach;
pub(crate) use dial::{TunnelError, offered, spawn};
pub(crate) use presence::{Presence, is_room, metadata};

use super::TunnelAddress;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use studytime_schema::FeedId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Tunnels through one room at a time, ours and those of others to us.
pub(crate) const MAX_TUNNELS_PER_ROOM: usize = 32;
/// Tunnels at a time in all.
const MAX_TUNNELS: usize = 64;
/// Rooms at a time; a connection beyond is not treated as a room.
const MAX_ROOMS: usize = 16;

/// A room we are in.
#[derive(Debug)]
pub(crate) struct Room {
    /// The connection to it.
    pub(crate) connection: u64,
    pub(crate) name: Option<String>,
    pub(crate) presence: Presence,
}

/// The rooms we are in.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: Mutex<BTreeMap<FeedId, Room>>,
    tunnels: Arc<Semaphore>,
    /// Somebody came or went.
    pub(crate) changed: Notify,
    /// Addresses of members that the scheduler was offered.
    offered: Mutex<BTreeSet<String>>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            rooms: Mutex::default(),
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
            changed: Notify::new(),
            offered: Mutex::default(),
        }
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<FeedId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection turned out to lead to a room. `false` when we are in too many.
    pub(crate) fn enter(&self, room: FeedId, connection: u64, name: Option<String>) -> bool {
        let mut rooms = self.lock();
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(&room) {
            return false;
        }
        let presence = Presence::default();
        rooms.insert(
            room,
            Room {
                connection,
                name,
                presence,
            },
        );
        drop(rooms);
        self.changed.notify_one();
        true
    }

    /// What the room told about who is there.
    pub(crate) fn tell<E>(
        &self,
        room: &FeedId,
        connection: u64,
        take: impl FnOnce(&mut Presence) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(room) = self.lock().get_mut(room)
            && room.connection == connection
        {
            take(&mut room.presence)?;
        }
        self.changed.notify_one();
        Ok(())
    }

    /// The connection is gone, and the room with it, unless a newer one leads there.
    pub(crate) fn leave(&self, room: &FeedId, connection: u64) {
        let mut rooms = self.lock();
        if rooms.get(room).is_some_and(|r| r.connection == connection) {
            rooms.remove(room);
            drop(rooms);
            self.changed.notify_one();
        }
    }

    /// The connection that leads to a room.
    pub(crate) fn connection(&self, room: &FeedId) -> Option<u64> {
        self.lock().get(room).map(|r| r.connection)
    }

    /// Looks at every room.
    pub(crate) fn each(&self, mut look: impl FnMut(&FeedId, &Room)) {
        for (id, room) in self.lock().iter() {
            look(id, room);
        }
    }

    /// Room for one more tunnel; `None` when there are enough.
    pub(crate) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.tunnels).try_acquire_owned().ok()
    }
}
