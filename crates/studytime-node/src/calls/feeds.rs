//! Feeds as they are.

use crate::api::{ApiError, FeedStatusReply, ForkInfo, LogMessage, RefusedInfo, ShunInfo};
use crate::node::Node;
use studytime_replicate::store::ForkEvidence;
use studytime_schema::{FeedId, Message, private};

/// Most messages in one answer.
const MAX_LOG: usize = 10_000;
/// Their bytes at most.
const MAX_LOG_BYTES: usize = 32 << 20;

impl Node {
    pub(super) async fn feed_log(
        &self,
        id: FeedId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, ApiError> {
        self.blocking(move |n| {
            let failed = |e: &(dyn std::error::Error + 'static)| {
                ApiError::failed("the log could not be read", e)
            };
            let stored = n
                .inner()
                .feeds
                .read(&id, from.max(1), limit.min(MAX_LOG), MAX_LOG_BYTES)
                .map_err(|e| failed(&e))?;
            if stored.is_empty() && from <= 1 {
                return Err(ApiError::not_found(format!("no messages of {id} are here")));
            }
            let keys = n.keys().main().clone();
            stored
                .iter()
                .map(|m| {
                    let message = m.message().map_err(|e| failed(&e))?;
                    let opened = message
                        .private_content()
                        .and_then(|text| private::open(text, &keys));
                    Ok(LogMessage {
                        key: message.id(),
                        sequence: m.sequence,
                        value: serde_json::value::RawValue::from_string(m.wire.to_string())
                            .map_err(|e| failed(&e))?,
                        opened: opened.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
                    })
                })
                .collect()
        })
        .await
    }

    pub(super) async fn feed_status(&self, id: FeedId) -> Result<FeedStatusReply, ApiError> {
        self.blocking(move |n| {
            let failed = |e: &(dyn std::error::Error + 'static)| {
                ApiError::failed("the log could not be read", e)
            };
            let tip = n.inner().feeds.tip(&id).map_err(|e| failed(&e))?;
            let evidence = n.inner().feeds.forks().map_err(|e| failed(&e))?;
            let forks: Vec<ForkInfo> = evidence
                .iter()
                .filter(|f| f.feed == id)
                .filter_map(fork_info)
                .collect();
            let refused = n.inner().feeds.rejected().map_err(|e| failed(&e))?;
            let shunned = n.inner().feeds.shunned().map_err(|e| failed(&e))?;
            let planned = n.inner().policy.reason(&id);
            let reason = match planned {
                _ if n.inner().policy.is_blocked(&id) => "blocked by you",
                Some((_, reason)) => reason.0,
                None => "not one of your feeds, lists, courses or friends",
            };
            Ok(FeedStatusReply {
                id,
                sequence: tip.map_or(0, |t| t.sequence),
                wanted: planned.is_some_and(|(want, _)| want.receive),
                reason: reason.to_owned(),
                forked_at: forks.iter().map(|f| f.sequence).min(),
                forks,
                refused: refused
                    .into_iter()
                    .rev()
                    .filter(|r| r.feed == id)
                    .map(|r| RefusedInfo {
                        sequence: r.sequence,
                        reason: r.reason,
                        at: r.at,
                    })
                    .collect(),
                not_fetched_from: shunned
                    .into_iter()
                    .filter(|s| s.feed == id)
                    .map(|s| ShunInfo {
                        peer: s.peer,
                        sequence: s.sequence,
                        fork: s.fork,
                        at: s.at,
                    })
                    .collect(),
                locked: n.lock_info(id),
            })
        })
        .await
    }
}

/// Evidence as people and scripts see it. What cannot be read back is left out:
/// the check of the store tells of that.
fn fork_info(evidence: &ForkEvidence) -> Option<ForkInfo> {
    let ours = Message::from_log(evidence.ours.as_bytes()).ok()?;
    let theirs = Message::from_log(evidence.theirs.as_bytes()).ok()?;
    Some(ForkInfo {
        sequence: evidence.sequence,
        ours: ours.id(),
        ours_sequence: ours.sequence(),
        theirs: theirs.id(),
        theirs_previous: theirs.previous(),
        seen: evidence.seen,
    })
}
