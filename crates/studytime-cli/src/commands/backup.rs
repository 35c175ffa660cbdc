//! `backup`, `restore`.

use crate::args::{Backup as Args, Restore};
use crate::context::{Context, absolute};
use crate::failure::Failure;
use crate::render::{bytes, count};
use serde::Serialize;
use studytime_node::api::{ApiError, Backup, BackupBlobs, ErrorKind};
use studytime_node::{Client, accept_loss, restore_backup, restore_secret};
use studytime_schema::FeedId;

pub(crate) async fn backup(context: &Context, args: Args) -> Result<(), Failure> {
    let path = absolute(&args.file)?;
    let blobs = match (args.with_blobs, args.without_blobs) {
        (true, _) => BackupBlobs::Own,
        (_, true) => BackupBlobs::None,
        _ => BackupBlobs::Rare,
    };
    let call = Backup {
        path: path.clone(),
        blobs,
    };
    let reply = context.call_with_bar(call).await?;
    context.out.value(&reply, |t| {
        t.line(format!(
            "Wrote {}, {} and {}, {}, to {}",
            count(reply.keys, "key", "keys"),
            count(reply.messages, "message", "messages"),
            count(reply.blobs.count, "file of your own", "files of your own"),
            bytes(reply.bytes),
            path.display()
        ));
        if reply.left_out.count > 0 {
            t.line(format!(
                "Left out: {} ({}) that not three other nodes are known to have.",
                count(
                    reply.left_out.count,
                    "file of your own",
                    "files of your own"
                ),
                bytes(reply.left_out.bytes)
            ));
        }
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
        t.line("Publishing stays locked until one node whose address you gave, or two others, hold your newest messages:");
        t.line("run `studytime serve` and `studytime peer connect ADDRESS`; `studytime status` tells how far it is.");
        t.line("If nobody has them any more: `studytime restore --accept-loss`.");
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|e| ApiError::failed("the work was broken off", &e))??)
}
