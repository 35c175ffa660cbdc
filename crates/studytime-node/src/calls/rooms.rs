//! Rooms, and who is in them.

use crate::api::{ApiError, PeerInfo, RoomInfo, RoomMember};
use crate::net::TunnelAddress;
use crate::node::Node;
use std::collections::BTreeSet;
use studytime_schema::FeedId;

/// Members of rooms that are told among the peers; `RoomList` tells all.
const MAX_LISTED: usize = 200;

impl Node {
    pub(super) async fn room_list(&self) -> Result<Vec<RoomInfo>, ApiError> {
        let mut rooms = Vec::new();
        let (me, hub) = (self.id(), &self.inner().hub);
        self.inner().rooms.each(|id, room| {
            let members = room.presence.ids().filter(|m| *m != me && m != id);
            rooms.push(RoomInfo {
                id: *id,
                name: room.name.clone(),
                members: members
                    .map(|member| RoomMember {
                        id: member,
                        name: None,
                        address: TunnelAddress {
                            portal: *id,
                            target: member,
                        }
                        .to_string(),
                        connected: false,
                    })
                    .collect(),
            });
        });
        let mut connected = BTreeSet::new();
        hub.each_slot(|_, slot| {
            connected.insert(slot.feed);
        });
        self.blocking(move |n| {
            let reader = n.reader();
            for member in rooms.iter_mut().flat_map(|r| &mut r.members) {
                member.connected = connected.contains(&member.id);
                let about = reader.about(&member.id).ok().flatten();
                member.name = about.and_then(|a| a.name);
            }
            Ok(rooms)
        })
        .await
    }

    /// Adds those who are in a room with us and not told of yet, known ones first,
    /// and says which peers that are not connected are rooms.
    pub(super) fn list_members(&self, peers: &mut Vec<PeerInfo>) {
        let told: BTreeSet<FeedId> = peers.iter().filter_map(|p| p.id).collect();
        let rooms = &self.inner().rooms;
        let mut names = std::collections::BTreeMap::new();
        rooms.each(|id, room| {
            let name = room.name.clone().unwrap_or_else(|| id.short());
            names.insert(*id, name);
        });
        let known = self.inner().state.rooms().unwrap_or_default();
        for peer in peers.iter_mut().filter(|p| p.state != "connected") {
            if peer.id.is_some_and(|id| known.contains(&id)) {
                let reason = peer.reason.take().unwrap_or_default();
                peer.reason = Some(format!("a room; {reason}"));
            }
        }
        let mut listed = BTreeSet::new();
        for member in self.members_to_meet() {
            let address = member.address;
            if listed.len() >= MAX_LISTED {
                break;
            }
            if told.contains(&address.target) || !listed.insert(address.target) {
                continue;
            }
            let place = names.get(&address.portal).map_or("?", String::as_str);
            let shown = address.to_string();
            let failure = self.inner().net.last_reason(&shown);
            peers.push(PeerInfo {
                id: Some(address.target),
                address: shown,
                kind: "room member".into(),
                source: format!("the room {place}"),
                state: "in room".into(),
                reason: Some(match failure {
                    Some(why) => format!("in room {place}; the last try failed: {why}"),
                    None => format!("in room {place}"),
                }),
                outgoing: true,
                ..PeerInfo::default()
            });
        }
    }
}
