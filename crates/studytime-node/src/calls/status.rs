//! Status, settings, doctor.

use super::{Report, query_error, state_error};
use crate::api::{
    ApiError, BlobCount, DoctorReply, Done, Finding, Progress, ProgressUnit, SettingsChange,
    SettingsReply, StatusReply,
};
use crate::net::Address;
use crate::node::Node;
use crate::policy::{BUDGET_BYTES, BUDGET_MESSAGES};
use crate::storage::BLOB_QUOTA;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::FeedId;

/// Setting: whether enrolments are published for others to see.
const SHARE_STUDY: &str = "share_study";
/// Most hops that can be chosen: beyond it lies nearly everybody.
const MAX_HOPS: u8 = 3;

impl Node {
    /// Whether others may see what is studied here.
    pub(crate) fn shares_study(&self) -> bool {
        self.share_choice() == Some(true)
    }

    fn share_choice(&self) -> Option<bool> {
        self.inner()
            .state
            .setting(SHARE_STUDY)
            .ok()
            .flatten()
            .map(|v| v == "true")
    }

    pub(super) async fn status(&self) -> Result<StatusReply, ApiError> {
        let peers = self.peer_list().await?;
        self.blocking(move |node| {
            let inner = node.inner();
            let failed = |e: &(dyn std::error::Error + 'static)| {
                ApiError::failed("the status could not be read", e)
            };
            let counts = inner.feeds.counts().map_err(|e| failed(&e))?;
            let usage = inner.blobs.usage().map_err(|e| failed(&e))?;
            let last = inner.feeds.last_position().map_err(|e| failed(&e))?;
            let wants = inner.hub.act(|s, _| s.wants.stats());
            Ok(StatusReply {
                id: node.id(),
                http: node.http(),
                listen: node.listening().map(|a| a.to_string()),
                address: node.own_address(),
                messages: counts.messages,
                feeds: counts.feeds,
                blobs: BlobCount {
                    count: usage.count,
                    bytes: usage.bytes,
                },
                peers,
                locked: node.lock_infos(),
                budget: inner.policy.budget(),
                index_behind: last.0.saturating_sub(inner.indexer.position().0),
                stopped: node.stopped_for_room()?,
                blobs_wanted: wants.wanted as u64,
                blobs_fetching: wants.in_flight as u64,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            })
        })
        .await
    }

    /// The address to give to others; `None` when not listening.
    pub(crate) fn own_address(&self) -> Option<String> {
        let bound = self.listening()?;
        let host = match &self.inner().config.external_host {
            Some(host) => host.clone(),
            None if bound.ip().is_unspecified() => local_ip().unwrap_or_else(|| "127.0.0.1".into()),
            None => bound.ip().to_string(),
        };
        let address = Address {
            host,
            port: bound.port(),
            key: self.id(),
            seed: None,
        };
        Some(address.to_string())
    }

    pub(super) async fn settings(&self) -> Result<SettingsReply, ApiError> {
        self.blocking(|node| {
            let budget = node.budget().limit;
            Ok(SettingsReply {
                share_study: node.share_choice(),
                blob_quota: node.quota().total,
                hops: node.hops(),
                budget_messages: budget.messages,
                budget_bytes: budget.bytes,
            })
        })
        .await
    }

    pub(super) async fn change_settings(
        &self,
        change: SettingsChange,
    ) -> Result<SettingsReply, ApiError> {
        if change.hops.is_some_and(|h| h > MAX_HOPS) {
            return Err(ApiError::refused(format!(
                "at most {MAX_HOPS} hops can be replicated"
            )));
        }
        self.blocking(move |node| {
            let set = |key, value: String| {
                node.inner()
                    .state
                    .set_setting(key, &value)
                    .map_err(|e| state_error(&e))
            };
            if let Some(share) = change.share_study {
                set(SHARE_STUDY, share.to_string())?;
            }
            if let Some(quota) = change.blob_quota {
                set(BLOB_QUOTA, quota.to_string())?;
            }
            if let Some(hops) = change.hops {
                set("hops", hops.to_string())?;
            }
            if let Some(messages) = change.budget_messages {
                set(BUDGET_MESSAGES, messages.to_string())?;
            }
            if let Some(bytes) = change.budget_bytes {
                set(BUDGET_BYTES, bytes.to_string())?;
            }
            Ok(Done {})
        })
        .await?;
        self.inner().replan.notify_one();
        self.inner().storage.look_again();
        self.settings().await
    }

    /// Looks for what is wrong: in the store, and in what the own feeds say.
    pub(super) async fn doctor(&self, report: Report<'_>) -> Result<DoctorReply, ApiError> {
        report(Progress::new(
            "Checking the store",
            ProgressUnit::Items,
            0,
            0,
        ));
        self.blocking(|node| {
            let inner = node.inner();
            let failed = |e: &(dyn std::error::Error + 'static)| ApiError::failed("the check could not be made", e);
            let mut findings: Vec<Finding> = inner
                .feeds
                .check()
                .map_err(|e| failed(&e))?
                .into_iter()
                .map(|text| Finding { place: "feeds.db".into(), text })
                .collect();
            let own: BTreeSet<FeedId> = node.keys().iter().map(|(id, _)| *id).collect();
            for lock in node.lock_infos() {
                findings.push(Finding {
                    place: lock.feed.to_string(),
                    text: format!("publishing is locked: {}. What to do: {}", lock.reason, lock.next),
                });
            }
            let mut notes = Vec::new();
            let mut forks: BTreeMap<FeedId, u64> = BTreeMap::new();
            for fork in inner.feeds.forks().map_err(|e| failed(&e))? {
                forks.entry(fork.feed).or_insert(fork.sequence);
            }
            for (feed, sequence) in forks {
                let place = feed.to_string();
                match own.contains(&feed) {
                    true => findings.push(Finding {
                        place,
                        text: format!(
                            "split in two at {sequence}: two different messages were signed with your key for that place, on two devices or after a restore. Other nodes keep the branch they saw first. The remedy is a new feed: publish again there and name it as successor with `studytime course deprecate`; see both messages with `studytime feed status`"
                        ),
                    }),
                    false => notes.push(Finding {
                        place,
                        text: format!("split in two at {sequence} by its author; the first branch is kept"),
                    }),
                }
            }
            let mut refused: BTreeMap<FeedId, (usize, String)> = BTreeMap::new();
            for r in inner.feeds.rejected().map_err(|e| failed(&e))? {
                let entry = refused.entry(r.feed).or_default();
                *entry = (entry.0 + 1, format!("message {}: {}", r.sequence, r.reason));
            }
            for (feed, (count, last)) in refused {
                notes.push(Finding {
                    place: feed.to_string(),
                    text: format!("{count} messages in its name were refused, the last one was {last}"),
                });
            }
            let unsound = node.reader().check().map_err(|e| query_error(&e))?;
            if !unsound.is_empty() {
                let text = format!(
                    "damaged ({}); it is built anew from the log now",
                    unsound.join("; ")
                );
                inner.indexer.repair(text.clone());
                findings.push(Finding { place: "index".into(), text });
            }
            for feed in own {
                for problem in node.problems_of(&feed)? {
                    findings.push(Finding {
                        place: format!("{feed} message {}", problem.sequence),
                        text: problem.reason,
                    });
                }
            }
            Ok(DoctorReply { ok: findings.is_empty(), findings, notes })
        })
        .await
    }
}

/// The address this machine has towards the network, found without sending
/// anything: a UDP socket is only told where it would send to.
fn local_ip() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // A documentation address (RFC 5737): nobody is there.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then(|| ip.to_string())
}
