//! `backup`, `restore`.

use crate::args::Restore;
use crate::context::{Context, absolute};
use crate::failure::Failure;
use crate::render::{bytes, count};
use serde::Serialize;
use std::path::Path;
use studytime_node::api::{ApiError, Backup, ErrorKind};
use studytime_node::{Client, accept_loss, restore_backup, restore_secret};
use studytime_schema::FeedId;

pub(crate) async fn backup(context: &Context, file: &Path) -> Result<(), Failure> {
    let path = absolute(file)?;
    let reply = context.call_with_bar(Backup { path: path.clone() }).await?;
    context.out.value(&reply, |t| {
        t.line(format!(
            "Wrote {} and {}, {}, to {}",
            count(reply.keys, "key", "keys"),
            count(reply.messages, "message", "messages"),
            bytes(reply.bytes),
            path.display()
        ));
        t.dim("Keep this file private: whoever has it can publish as you.");
    })
}

pub(crate) async fn restore(context: &Context, args: Restore) -> Result<(), Failure> {
    if Client::connect(&context.dir).await?.is_some() {
        return Err(ApiError::new(
            ErrorKind::Failed,
            format!("a node is running on {}", context.dir.display()),
        )
        .hint("end it first, or restore into a new directory: --data-dir DIR")
        .into());
    }
    let dir = context.dir.clone();
    if args.accept_loss {
        blocking(move || accept_loss(&dir)).await?;
        return context
            .out
            .value(&serde_json::json!({ "locked": false }), |t| {
                t.line("You can publish again.");
            });
    }
    let id = match (args.file, args.secret) {
        (Some(file), _) => {
            let file = absolute(&file)?;
            blocking(move || restore_backup(&dir, &file)).await?
        }
        (None, Some(secret)) => {
            let secret = absolute(&secret)?;
            blocking(move || restore_secret(&dir, &secret)).await?
        }
        // The parser lets nothing else through.
        (None, None) => {
            return Err(Failure::usage(
                "say what to restore: FILE, --secret FILE or --accept-loss",
            ));
        }
    };
    #[derive(Serialize)]
    struct Shape {
        id: FeedId,
        locked: bool,
    }
    context.out.value(&Shape { id, locked: true }, |t| {
        t.line(format!("Restored {id} in {}", context.dir.display()));
        t.line("Publishing stays locked until other nodes have confirmed your newest messages: connect to some with");
        t.line("`studytime serve`. If nobody has them any more: `studytime restore --accept-loss`.");
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|e| ApiError::failed("the work was broken off", &e))??)
}
