//! Peers, follows.

use crate::api::{ApiError, PeerInfo, Published, Relation};
use crate::net::BLOCKED;
use crate::node::Node;
use std::time::Duration;
use studytime_schema::FeedId;
use studytime_schema::content::{Contact, Content};

/// Longest wait for a connection a caller may ask for.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(600);

impl Node {
    pub(super) async fn peer_list(&self) -> Result<Vec<PeerInfo>, ApiError> {
        let mut peers = Vec::new();
        self.inner().hub.each_slot(|_, slot| {
            peers.push(PeerInfo {
                id: Some(slot.feed),
                name: None,
                address: slot.address.clone(),
                kind: String::new(),
                source: String::new(),
                state: "connected".into(),
                reason: slot.note.clone(),
                outgoing: slot.outgoing,
                studytime: slot.studytime,
                since: slot.since,
                traffic: slot.traffic,
                failures: 0,
                last_ok: slot.since,
                next_try: None,
            });
        });
        for peer in &mut peers {
            if let Some((kind, source)) = self.inner().net.origin(&peer.address) {
                (peer.kind, peer.source) = (kind.name().into(), source);
            }
        }
        let here: Vec<Option<FeedId>> = peers.iter().map(|p| p.id).collect();
        let others = self.standings().into_iter();
        let others = others.filter(|(_, s)| !here.contains(&Some(s.key)));
        peers.extend(others.map(|(address, s)| PeerInfo {
            id: Some(s.key),
            address,
            kind: s.kind.name().into(),
            source: s.source,
            state: s.state.into(),
            reason: s.reason,
            outgoing: true,
            since: s.since,
            failures: s.failures,
            last_ok: s.last_ok,
            next_try: s.next_try,
            ..PeerInfo::default()
        }));
        self.blocking(move |n| {
            if !n.inner().builder.schedule {
                n.add_remembered(&mut peers)?;
            }
            n.list_members(&mut peers);
            let reader = n.reader();
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

    /// A node for one command dials nobody by itself, so its scheduler knows
    /// nothing: what the last run knew is told.
    fn add_remembered(&self, peers: &mut Vec<PeerInfo>) -> Result<(), ApiError> {
        let known = self.inner().state.peers();
        for peer in known.map_err(|e| super::state_error(&e))? {
            if peers.iter().any(|p| p.id == Some(peer.key)) {
                continue;
            }
            let blocked = self.inner().policy.is_blocked(&peer.key);
            let record = peer.record;
            let reason = match (blocked, record.reason, record.last_ok) {
                (true, ..) => BLOCKED.to_owned(),
                (_, Some(reason), _) => format!("{reason} (in the last run)"),
                (_, None, 0) => "never reached so far".to_owned(),
                (_, None, _) => "no node is running: `studytime serve` connects".to_owned(),
            };
            peers.push(PeerInfo {
                id: Some(peer.key),
                address: peer.address,
                kind: peer.kind.name().into(),
                source: peer.source,
                state: if blocked { "blocked" } else { "waiting" }.into(),
                reason: Some(reason),
                outgoing: true,
                since: record.last_try,
                failures: record.failures,
                last_ok: record.last_ok,
                ..PeerInfo::default()
            });
        }
        Ok(())
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
