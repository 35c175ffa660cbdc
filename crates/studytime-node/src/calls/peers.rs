//! Peers, follows.

use crate::api::{ApiError, PeerInfo, Published, Relation};
use crate::node::Node;
use std::time::Duration;
use studytime_schema::FeedId;
use studytime_schema::content::{Contact, Content};

/// Longest wait for a connection a caller may ask for.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl Node {
    pub(super) async fn peer_list(&self) -> Result<Vec<PeerInfo>, ApiError> {
        let mut peers = Vec::new();
        self.inner().hub.each_slot(|_, slot| {
            peers.push(PeerInfo {
                id: Some(slot.feed),
                name: None,
                address: slot.address.clone(),
                state: "connected".into(),
                reason: slot.note.clone(),
                outgoing: slot.outgoing,
                studytime: slot.studytime,
                since: slot.since,
                traffic: slot.traffic,
            });
        });
        let here: Vec<Option<FeedId>> = peers.iter().map(|p| p.id).collect();
        peers.extend(
            self.inner()
                .attempts
                .list()
                .into_iter()
                .filter(|p| !here.contains(&p.id)),
        );
        self.blocking(move |n| {
            let reader = n.reader();
            n.list_members(&mut peers);
            let known = n
                .inner()
                .state
                .peers()
                .map_err(|e| super::state_error(&e))?;
            for peer in known {
                if !peers.iter().any(|p| p.id == Some(peer.key)) {
                    peers.push(PeerInfo {
                        id: Some(peer.key),
                        name: None,
                        address: peer.address,
                        state: "waiting".into(),
                        reason: Some(if peer.last_ok == 0 {
                            "never reached so far".into()
                        } else {
                            "not tried in this run".into()
                        }),
                        outgoing: true,
                        studytime: false,
                        since: peer.last_try,
                        traffic: (0, 0),
                    });
                }
            }
            for peer in &mut peers {
                peer.name = peer
                    .id
                    .and_then(|id| reader.about(&id).ok().flatten())
                    .and_then(|a| a.name);
            }
            Ok(peers)
        })
        .await
    }

    pub(super) async fn peer_connect(
        &self,
        address: &str,
        timeout_seconds: u64,
    ) -> Result<PeerInfo, ApiError> {
        let limit = Duration::from_secs(timeout_seconds.max(1)).min(MAX_WAIT);
        let id = self.connect_any(address, limit).await?;
        self.peer_info(id).await
    }

    pub(crate) async fn peer_info(&self, id: FeedId) -> Result<PeerInfo, ApiError> {
        let peers = self.peer_list().await?;
        peers
            .into_iter()
            .find(|p| p.id == Some(id))
            .ok_or_else(|| ApiError::not_found(format!("{id} has disconnected already")))
    }

    pub(super) async fn follow(
        &self,
        id: FeedId,
        relation: Relation,
    ) -> Result<Published, ApiError> {
        if id == self.id() {
            return Err(ApiError::usage("this is your own feed"));
        }
        let (following, blocking) = match relation {
            Relation::Follow => (Some(true), None),
            Relation::Unfollow => (Some(false), None),
            Relation::Block => (Some(false), Some(true)),
            Relation::Unblock => (None, Some(false)),
        };
        let published = self
            .publish(
                self.id(),
                vec![Content::Contact(Contact {
                    contact: id,
                    following,
                    blocking,
                })],
            )
            .await?;
        self.settle().await;
        Ok(published)
    }
}
