//! `follow`, `unfollow`, `block`.

use crate::context::Context;
use crate::failure::Failure;
use studytime_node::api::{Follow, Relation};
use studytime_schema::FeedId;

pub(crate) async fn run(context: &Context, id: FeedId, relation: Relation) -> Result<(), Failure> {
    let published = context.call(Follow { id, relation }).await?;
    context.out.value(&published, |t| {
        t.line(match relation {
            Relation::Follow => format!("You follow {id}."),
            Relation::Unfollow => format!("You no longer follow {id}."),
            Relation::Block => {
                format!("You block {id}: its messages are neither fetched nor passed on.")
            }
            Relation::Unblock => format!("You no longer block {id}."),
        });
    })
}
