//! `blob …`

use crate::args::Blob;
use crate::context::{Context, Needs, absolute};
use crate::failure::{Failure, file_error};
use crate::render::{Fit, Table, bytes, count, put_bytes};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use studytime_node::api::{
    ApiError, BlobAdd, BlobAdded, BlobGc, BlobGet, BlobList, BlobScrub, ErrorKind,
};

pub(crate) async fn run(context: &Context, blob: Blob) -> Result<(), Failure> {
    match blob {
        Blob::Add { file } => {
            let path = absolute(&file)?;
            std::fs::metadata(&path).map_err(|e| file_error(&path, &e))?;
            let added = context.call_with_bar(BlobAdd { path }).await?;
            context.out.value(&added, |t| {
                t.line(added.id.to_string());
                if added.manifest {
                    t.dim("This is a manifest of segments: fetch it with `studytime blob get --manifest`.");
                }
            })
        }
        Blob::Get {
            id,
            output,
            manifest,
            patience,
        } => {
            let get = |output| BlobGet {
                id,
                manifest,
                output,
                timeout_seconds: patience.seconds(),
            };
            match output {
                Some(path) if path == Path::new("-") => to_stdout(context, get).await,
                output => {
                    let path = output.as_deref().map(absolute).transpose()?;
                    let got = fetch(context, get(path.clone())).await?;
                    context.out.value(&got, |t| match &path {
                        Some(path) => {
                            t.line(format!("{} written to {}", bytes(got.size), path.display()))
                        }
                        None => {
                            t.line(format!("{} here; --output FILE writes it", bytes(got.size)))
                        }
                    })
                }
            }
        }
        Blob::List => {
            let blobs = context.call(BlobList {}).await?;
            context.out.list(&blobs, |t| {
                if blobs.is_empty() {
                    t.dim("No blobs are here.");
                    return;
                }
                let mut table =
                    Table::new([("Size", Fit::Number), ("", Fit::Whole), ("Id", Fit::Whole)]);
                for blob in &blobs {
                    let pinned = if blob.pinned { "pinned" } else { "" };
                    table.row([bytes(blob.size), pinned.into(), blob.id.to_string()]);
                }
                t.table(&table);
            })
        }
        Blob::Gc { dry_run } => {
            let reply = context.call(BlobGc { dry_run }).await?;
            context.out.value(&reply, |t| {
                t.facts([
                    (
                        if reply.dry_run { "would go" } else { "deleted" },
                        format!(
                            "{}, {}",
                            count(reply.removed.count, "blob", "blobs"),
                            bytes(reply.removed.bytes)
                        ),
                    ),
                    (
                        "kept",
                        format!(
                            "{}, {}",
                            count(reply.kept.count, "blob", "blobs"),
                            bytes(reply.kept.bytes)
                        ),
                    ),
                    (
                        "too many",
                        match reply.short_by {
                            0 => String::new(),
                            n => format!(
                                "{}: all that is left is pinned, or was just used",
                                bytes(n)
                            ),
                        },
                    ),
                ]);
                if reply.removed.count > 0 {
                    t.gap();
                    super::downloads::classes(t, &reply.by_class);
                }
            })
        }
        Blob::Scrub => scrub(context).await,
    }
}

async fn scrub(context: &Context) -> Result<(), Failure> {
    let reply = context.call_with_bar(BlobScrub {}).await?;
    context.out.value(&reply, |t| {
        t.facts([(
            "looked at",
            format!(
                "{}, {}",
                count(reply.checked.count, "blob", "blobs"),
                bytes(reply.checked.bytes)
            ),
        )]);
        if reply.damaged == 0 {
            t.line("All of them are as they should be.");
            return;
        }
        t.line(format!(
            "{} damaged and deleted. What is pinned, or of your courses, is fetched again by a running node.",
            count(reply.damaged, "blob was", "blobs were")
        ));
        for blob in &reply.blobs {
            t.line(format!("  {blob}"));
        }
    })?;
    match reply.damaged {
        0 => Ok(()),
        _ => Err(Failure::Reported(ErrorKind::Failed)),
    }
}

async fn fetch(context: &Context, call: BlobGet) -> Result<BlobAdded, Failure> {
    context
        .with(Needs::Peers, async |session| {
            session.call_with_bar(call).await
        })
        .await
}

/// The node writes files, so a pipe gets a temporary one's bytes.
async fn to_stdout(
    context: &Context,
    get: impl FnOnce(Option<PathBuf>) -> BlobGet,
) -> Result<(), Failure> {
    let failed = |e: &std::io::Error| ApiError::failed("no temporary file can be written", e);
    let dir = tempfile::tempdir().map_err(|e| failed(&e))?;
    let path = dir.path().join("blob");
    fetch(context, get(Some(path.clone()))).await?;
    let mut file = std::fs::File::open(&path).map_err(|e| failed(&e))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(|e| failed(&e))? {
            0 => return Ok(()),
            n => put_bytes(buffer.get(..n).unwrap_or_default())?,
        }
    }
}
