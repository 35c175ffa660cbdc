//! Locks on own feeds, in words: what is locked, why, what to do.

use crate::api::{ApiError, LockCause, LockInfo};
use crate::clock::now_ms;
use crate::net::Address;
use crate::node::Node;
use crate::store::{Config, KeyRing, OwnKind, State, StateError};
use std::collections::BTreeSet;
use studytime_replicate::guard::{Cause, Lock, Locked};
use studytime_schema::FeedId;

/// The peers the user chose: addresses typed or invites used, and `config.toml`.
pub(crate) fn chosen(state: &State, config: &Config) -> BTreeSet<FeedId> {
    let typed = state.chosen_peers().unwrap_or_default().into_iter();
    let configured = config.peers.iter().filter_map(|text| {
        let address: Address = text.parse().ok()?;
        Some(address.key)
    });
    typed.chain(configured).collect()
}

/// Told when the log turns out to be an older one.
pub(crate) const FELL_BACK: &str = "feeds.db is an older one than was here before, so publishing is locked: connect to nodes that have your feeds; `studytime status` says how far it is";

/// Locks every own feed, as a restore does: for what was restored by hand, key or
/// log. What is locked so already stays as it is.
pub(crate) fn lock_restored(state: &State, keys: &KeyRing) -> Result<(), StateError> {
    let locked = state.locks()?;
    let lock = Lock {
        cause: Cause::Restored,
        since: now_ms(),
        claimed: 0,
        by: None,
    };
    for (feed, _) in keys.iter() {
        let same = |(id, l): &(FeedId, Lock)| id == feed && l.cause == Cause::Restored;
        if !locked.iter().any(same) {
            state.set_lock(feed, Some(lock))?;
        }
    }
    Ok(())
}

impl Node {
    /// Refuses to publish on a feed while a second message could stand where
    /// others already have one: that would split the feed for ever.
    pub(crate) fn check_unlocked(&self, feed: &FeedId) -> Result<(), ApiError> {
        match self.inner().hub.locked(feed) {
            None => Ok(()),
            Some(locked) => {
                let info = self.describe_lock(*feed, &locked);
                let what = match (info.kind.as_str(), &info.name) {
                    ("main", _) => "your main feed".to_owned(),
                    (kind, Some(name)) => format!("your {kind} {name:?}"),
                    (kind, None) => format!("your {kind} {feed}"),
                };
                Err(
                    ApiError::refused(format!("publishing on {what} is locked: {}", info.reason))
                        .hint(info.next),
                )
            }
        }
    }

    /// All locked own feeds.
    pub(crate) fn lock_infos(&self) -> Vec<LockInfo> {
        let mut locks: Vec<LockInfo> = self
            .inner()
            .hub
            .locks()
            .iter()
            .map(|(feed, locked)| self.describe_lock(*feed, locked))
            .collect();
        locks.sort_by_key(|l| (l.kind != "main", l.kind.clone(), l.feed));
        locks
    }

    /// The lock of one feed.
    pub(crate) fn lock_info(&self, feed: FeedId) -> Option<LockInfo> {
        let locked = self.inner().hub.locked(&feed)?;
        Some(self.describe_lock(feed, &locked))
    }

    fn describe_lock(&self, feed: FeedId, locked: &Locked) -> LockInfo {
        let kind = match self.own_kind(&feed) {
            Some(OwnKind::Main) | None => "main",
            Some(OwnKind::List) => "list",
            Some(OwnKind::Course) => "course",
        };
        let here = self
            .inner()
            .hub
            .tips([feed])
            .get(&feed)
            .copied()
            .unwrap_or(0);
        let cause = match locked.lock.map(|l| l.cause) {
            Some(Cause::Restored) => LockCause::Restored,
            Some(Cause::Lost) => LockCause::Lost,
            None => LockCause::Claimed,
        };
        LockInfo {
            feed,
            kind: kind.to_owned(),
            name: self.inner().state.own_name(&feed).ok().flatten(),
            cause,
            since: locked.lock.map(|l| l.since),
            sequence: here,
            claimed: locked.ahead.map(|(_, n)| n),
            claimed_by: locked.ahead.map(|(by, _)| by),
            confirmed: locked.confirmed as u64,
            needed: locked.needed as u64,
            reason: reason(cause, locked, here),
            next: next(cause, locked, here),
        }
    }
}

fn reason(cause: LockCause, locked: &Locked, here: u64) -> String {
    let ahead = locked.ahead.map(|(by, n)| {
        format!(
            "{} says it has {n} messages of it, here are {here}",
            by.short()
        )
    });
    let why = match cause {
        LockCause::Claimed => {
            return ahead.unwrap_or_else(|| "a peer says it has more of it than is here".into());
        }
        LockCause::Restored => {
            "it was restored, and messages that were published after the backup may exist elsewhere; a second message in the place of one of them would split the feed for ever"
        }
        LockCause::Lost => {
            "messages of yours that were lost here came back from another node, and more may be missing"
        }
    };
    match ahead {
        Some(ahead) => format!("{why} ({ahead})"),
        None => why.to_owned(),
    }
}

fn next(cause: LockCause, locked: &Locked, here: u64) -> String {
    if cause == LockCause::Claimed {
        return "wait a moment: either the missing messages come, or the claim is dropped (after half a minute, or five when you chose that node)"
            .into();
    }
    let who = match (cause, here) {
        (_, 0) => {
            "nothing of it is here yet; stay connected to nodes that have it, so that it comes back whole"
        }
        (LockCause::Restored, _) => {
            "stay connected to nodes that have it: it is free when one whose address you gave, or two others, hold the same last message"
        }
        _ => "stay connected to nodes that have it: it is free when it is whole",
    };
    let so_far = match locked.confirmed {
        0 => String::new(),
        n => format!(" ({n} so far)"),
    };
    format!(
        "{who}{so_far}. If you are sure that nobody has more: end the node and run `studytime restore --accept-loss`"
    )
}
