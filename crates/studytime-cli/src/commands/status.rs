//! `whoami`, `status`, `doctor`.

use super::peer;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Text, bytes, count};
use studytime_node::api::{BudgetReply, Doctor, ErrorKind, Status, StatusReply, Whoami};

pub(crate) async fn whoami(context: &Context) -> Result<(), Failure> {
    let identity = context.call(Whoami {}).await?;
    context
        .out
        .value(&identity, |t| t.line(identity.id.to_string()))
}

pub(crate) async fn status(context: &Context) -> Result<(), Failure> {
    let status = context.call(Status {}).await?;
    context.out.value(&status, |t| describe(t, &status))
}

fn describe(t: &mut Text, status: &StatusReply) {
    let pages = status.http.clone().unwrap_or_else(|| "not served".into());
    let address = status
        .address
        .clone()
        .unwrap_or_else(|| "not listening".into());
    t.facts([
        ("id", status.id.to_string()),
        ("pages", pages),
        ("address", address),
        (
            "messages",
            format!(
                "{} in {}",
                status.messages,
                count(status.feeds, "feed", "feeds")
            ),
        ),
        (
            "files",
            format!(
                "{}, {}",
                count(status.blobs.count, "blob", "blobs"),
                bytes(status.blobs.bytes)
            ),
        ),
        (
            "downloads",
            status.stopped.map_or_else(String::new, |s| s.to_string()),
        ),
        ("of others", others(&status.budget)),
        (
            "index",
            match status.index_behind {
                0 => String::new(),
                n => format!("catching up: {} to go", count(n, "message", "messages")),
            },
        ),
        ("version", status.version.clone()),
    ]);
    for lock in &status.locked {
        t.gap();
        let name = lock.name.clone().unwrap_or_else(|| lock.feed.to_string());
        t.heading(format!("Locked for publishing: your {} {name}", lock.kind));
        t.line(format!("  {}", lock.reason));
        t.line(format!("  What to do: {}", lock.next));
    }
    if !status.peers.is_empty() {
        t.gap();
        peer::table(t, &status.peers);
    }
}

pub(crate) async fn doctor(context: &Context) -> Result<(), Failure> {
    let report = context.call_with_bar(Doctor {}).await?;
    context.out.value(&report, |t| {
        if report.ok {
            t.line("Everything is in order.");
        }
        for finding in &report.findings {
            t.heading(&finding.place);
            t.line(format!("  {}", finding.text));
        }
        if !report.notes.is_empty() {
            t.gap();
            t.dim("Worth knowing, nothing to do:");
        }
        for note in &report.notes {
            t.line(format!("  {}: {}", note.place, note.text));
        }
    })?;
    match report.ok {
        true => Ok(()),
        false => Err(Failure::Reported(ErrorKind::Failed)),
    }
}

/// What is held of feeds that were not asked for by name.
fn others(budget: &BudgetReply) -> String {
    let (used, limit) = (&budget.used, &budget.limit);
    let mut text = format!(
        "{} of {} messages, {} of {}: listed courses, and people",
        used.messages,
        limit.messages,
        bytes(used.bytes),
        bytes(limit.bytes)
    );
    if budget.left_out > 0 {
        text.push_str(&format!(
            "; {} without room",
            count(budget.left_out, "feed", "feeds")
        ));
    }
    text
}
