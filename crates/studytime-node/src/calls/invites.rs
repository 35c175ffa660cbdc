//! Pub invites (protocol guide "Invites"): redeemed at others, and answered.

use crate::api::ApiError;
use crate::net::{Address, once};
use crate::node::Node;
use serde_json::{Value, json};
use studytime_schema::FeedId;
use studytime_schema::content::{Contact, Content};

/// Asks a pub to follow us, then follows it.
pub(super) async fn redeem(node: &Node, address: &Address) -> Result<(), ApiError> {
    let keys = address.invite_keys().ok_or_else(|| {
        ApiError::refused("this is an address, not an invite")
            .hint("use `studytime peer connect ADDRESS`")
    })?;
    let args = json!([{ "feed": node.id() }]);
    match once::call(node, address, &keys, &["invite", "use"], &args).await {
        Ok(_) => {}
        // Redeemed before: all the better.
        Err(once::OnceError::Remote(text)) if text.contains("already following") => {}
        Err(error) => return Err(ApiError::failed("the invite could not be redeemed", &error)),
    }
    let contact = Contact {
        contact: address.key,
        following: Some(true),
        blocking: None,
    };
    node.publish(node.id(), vec![Content::Contact(contact)])
        .await?;
    Ok(())
}

/// Somebody connected with an invite's key and wants to be followed.
pub(crate) async fn redeemed(node: &Node, invite: FeedId, feed: FeedId) -> Result<Value, ApiError> {
    let following = node
        .inner()
        .policy
        .lock_graph()
        .graph
        .follows(&node.id())
        .any(|f| f == feed);
    if following {
        return Err(ApiError::refused("already following"));
    }
    let used = node
        .blocking(move |n| {
            n.inner()
                .state
                .use_invite(&invite)
                .map_err(|e| super::state_error(&e))
        })
        .await?;
    if !used {
        return Err(ApiError::refused("invite has expired"));
    }
    let contact = Content::Contact(Contact {
        contact: feed,
        following: Some(true),
        blocking: None,
    });
    let published = node.publish(node.id(), vec![contact.clone()]).await?;
    let mut value = contact.to_value();
    value["pub"] = true.into();
    Ok(
        json!({ "key": published.messages.first(), "value": { "author": node.id(), "content": value } }),
    )
}
