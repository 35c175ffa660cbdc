//! Invites of this node: made, counted, and answered with a follow.

use crate::api::{ApiError, ErrorKind, InviteCode};
use crate::clock::now_ms;
use crate::net::{Address, ParseAddressError};
use crate::node::Node;
use crate::store::InviteUse;
use serde_json::{Value, json};
use studytime_schema::{FeedId, Keypair};

/// Most uses of one invite.
const MAX_USES: u32 = 10_000;
/// Days an invite is good for, unless said otherwise.
const DEFAULT_DAYS: u32 = 30;
/// Most days an invite is good for.
const MAX_DAYS: u32 = 3_650;
const DAY_MS: u64 = 86_400_000;
/// What other programs say, and look for, when an invite is not good any more.
const EXPIRED: &str = "invite has expired";

impl Node {
    pub(crate) async fn peer_new_invite(
        &self,
        uses: u32,
        days: Option<u32>,
    ) -> Result<InviteCode, ApiError> {
        let days = days.unwrap_or(DEFAULT_DAYS);
        if uses == 0 || uses > MAX_USES {
            return Err(ApiError::usage(format!(
                "an invite can be used 1 to {MAX_USES} times"
            )));
        }
        if days == 0 || days > MAX_DAYS {
            return Err(ApiError::usage(format!(
                "an invite is good for 1 to {MAX_DAYS} days"
            )));
        }
        let address = self.own_address().ok_or_else(|| {
            ApiError::refused("this node does not listen, so nobody could use an invite")
                .hint("run `studytime serve --listen 0.0.0.0:8008`")
        })?;
        let address: Address = address
            .parse()
            .map_err(|e: ParseAddressError| ApiError::refused(e.to_string()))?;
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed)
            .map_err(|e| ApiError::new(ErrorKind::Failed, format!("no randomness: {e}")))?;
        let key = Keypair::from_seed(&seed).id();
        let now = now_ms();
        let expires = now + u64::from(days) * DAY_MS;
        self.blocking(move |n| {
            n.inner()
                .state
                .add_invite(&seed, &key, uses, now, expires)
                .map_err(|e| crate::calls::state_error(&e))
        })
        .await?;
        let code = Address {
            seed: Some(seed),
            ..address
        }
        .to_string();
        Ok(InviteCode {
            code,
            uses,
            expires,
        })
    }

    fn follows(&self, feed: &FeedId) -> bool {
        let shared = self.inner().policy.lock_graph();
        shared.graph.follows(&self.id()).any(|f| f == *feed)
    }
}

/// Somebody connected with an invite's key and wants to be followed.
pub(crate) async fn redeemed(node: &Node, invite: FeedId, feed: FeedId) -> Result<Value, ApiError> {
    if feed == node.id() || feed == invite {
        return Err(ApiError::refused("feed to follow is missing"));
    }
    if node.inner().policy.is_blocked(&feed) {
        return Err(ApiError::refused("this feed is not welcome here"));
    }
    // Before a use is counted: a use without a follow helps nobody.
    node.check_unlocked(&node.id())?;
    // One after the other: the same feed twice at once gets one follow.
    let _turn = node.inner().redeeming.lock().await;
    if node.follows(&feed) {
        mark_done(node, invite, feed).await?;
        return Err(ApiError::refused("already following"));
    }
    let used = node
        .blocking(move |n| {
            n.inner()
                .state
                .use_invite(&invite, &feed, now_ms())
                .map_err(|e| crate::calls::state_error(&e))
        })
        .await?;
    match used {
        InviteUse::Granted => follow_invited(node, invite, feed).await,
        InviteUse::Before => Err(ApiError::refused("already following")),
        InviteUse::UsedUp | InviteUse::Expired | InviteUse::Unknown => {
            Err(ApiError::refused(EXPIRED))
        }
    }
}

/// Follows whom a use was counted for.
async fn follow_invited(node: &Node, invite: FeedId, feed: FeedId) -> Result<Value, ApiError> {
    let content = json!({ "type": "contact", "contact": feed, "following": true, "pub": true });
    let published = node
        .publish_values(node.id(), vec![content.clone()])
        .await?;
    mark_done(node, invite, feed).await?;
    Ok(json!({
        "key": published.messages.first(),
        "value": { "author": node.id(), "content": content },
    }))
}

async fn mark_done(node: &Node, invite: FeedId, feed: FeedId) -> Result<(), ApiError> {
    node.blocking(move |n| {
        let done = n.inner().state.invite_done(&invite, &feed);
        done.map_err(|e| crate::calls::state_error(&e))
    })
    .await
}

/// Follows those whose use of an invite was counted when the node was stopped
/// before it could follow them.
pub(crate) async fn complete(node: &Node) {
    let left = node
        .blocking(|n| {
            let left = n.inner().state.unfollowed_uses();
            left.map_err(|e| crate::calls::state_error(&e))
        })
        .await;
    for (invite, feed) in left.unwrap_or_default() {
        let _turn = node.inner().redeeming.lock().await;
        let done = match node.follows(&feed) {
            true => mark_done(node, invite, feed).await,
            false => follow_invited(node, invite, feed).await.map(drop),
        };
        if let Err(error) = done {
            // Tried again at the next start, or when the invite is used again.
            tracing::warn!(
                "{} was invited, but is not followed yet: {error}",
                feed.short()
            );
        }
    }
}
