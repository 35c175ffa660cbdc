//! `feed …`

use super::check;
use crate::args::Feed;
use crate::context::{Context, Needs};
use crate::failure::Failure;
use crate::render::Text;
use serde_json::Value;
use studytime_node::api::{FeedLog, FeedStatus, FeedStatusReply, LogMessage};
use studytime_schema::FeedId;

/// Messages asked for at a time.
const PAGE: u64 = 500;
/// Refused messages shown to people.
const REFUSED_SHOWN: usize = 10;

pub(crate) async fn run(context: &Context, feed: Feed) -> Result<(), Failure> {
    match feed {
        Feed::Log { id, from, limit } => log(context, id, from, limit.unwrap_or(u64::MAX)).await,
        Feed::Status { id } => {
            let status = context.call(FeedStatus { id }).await?;
            context.out.value(&status, |t| {
                t.facts([
                    ("id", status.id.to_string()),
                    ("messages", match status.sequence {
                        0 => "none here".into(),
                        n => n.to_string(),
                    }),
                    ("fetched", format!("{}: {}", if status.wanted { "yes" } else { "no" }, status.reason)),
                    ("forked", status.forked_at.map_or_else(String::new, |n| {
                        format!("at message {n}: its author signed two different ones; the first branch is kept")
                    })),
                    ("locked", status.locked.as_ref().map_or_else(String::new, |l| l.reason.clone())),
                    ("what to do", status.locked.as_ref().map_or_else(String::new, |l| l.next.clone())),
                ]);
                evidence(t, &status);
            })
        }
        Feed::Check(args) => check::run(context, args).await,
    }
}

/// What speaks against a feed, or against those who sent it.
fn evidence(t: &mut Text, status: &FeedStatusReply) {
    for fork in &status.forks {
        t.gap();
        t.heading(format!("Two messages for one place, {}", fork.sequence));
        t.facts([
            (
                "  kept here",
                format!("{} (message {})", fork.ours, fork.ours_sequence),
            ),
            (
                "  other branch",
                format!("{} (message {})", fork.theirs, fork.sequence),
            ),
            (
                "  which follows",
                fork.theirs_previous
                    .map_or_else(String::new, |id| id.to_string()),
            ),
        ]);
    }
    if !status.not_fetched_from.is_empty() {
        t.gap();
        t.heading("Not fetched from");
        for peer in &status.not_fetched_from {
            let why = match peer.fork {
                true => "has another branch from",
                false => "sent an invalid message",
            };
            t.line(format!("  {}  {why} {}", peer.peer, peer.sequence));
        }
    }
    if !status.refused.is_empty() {
        t.gap();
        t.heading("Refused messages in its name");
        for refused in status.refused.iter().take(REFUSED_SHOWN) {
            t.line(format!("  {}  {}", refused.sequence, refused.reason));
        }
        let more = status.refused.len().saturating_sub(REFUSED_SHOWN);
        if more > 0 {
            t.dim(format!("  and {more} more; all of them with --json"));
        }
    }
}

async fn log(context: &Context, id: FeedId, mut from: u64, mut left: u64) -> Result<(), Failure> {
    context
        .with(Needs::Store, async |session| {
            while left > 0 {
                let limit = usize::try_from(left.min(PAGE)).unwrap_or(1);
                let page = session.call(FeedLog { id, from, limit }).await?;
                let Some(last) = page.last() else { break };
                from = last.sequence.saturating_add(1);
                left -= (page.len() as u64).min(left);
                context
                    .out
                    .list(&page, |t| page.iter().for_each(|m| describe(t, m)))?;
            }
            Ok(())
        })
        .await
}

fn describe(t: &mut Text, message: &LogMessage) {
    t.dim(format!("{}  {}", message.sequence, message.key));
    let value = serde_json::to_value(&message.value).unwrap_or_default();
    match (&message.opened, &value["content"]) {
        (Some(content), _) => t.line(format!("(only you can read this) {content}")),
        (None, Value::String(_)) => t.line("(encrypted, not for you)"),
        (None, content) => t.line(content.to_string()),
    }
}
