//! How an address stands, in words for people.

use super::Kind;
use super::candidate::{Entry, Phase};

/// Of peers that the user blocks.
pub(crate) const BLOCKED: &str = "you block this peer: it is not called, and may not call";

/// How an address stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) key: studytime_schema::FeedId,
    pub(crate) kind: Kind,
    pub(crate) source: String,
    /// `connecting`, `waiting`, `failed` or `blocked`.
    pub(crate) state: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) failures: u32,
    /// Milliseconds since 1970; 0 for never.
    pub(crate) last_ok: u64,
    pub(crate) since: u64,
    /// When it is dialled again; `None` when that hangs on something else.
    pub(crate) next_try: Option<u64>,
}

/// What decides beside the address itself.
pub(super) struct Seen {
    pub(super) network: bool,
    pub(super) blocked: bool,
    /// The quota of its kind is used up.
    pub(super) full: bool,
    /// It is called over the local network.
    pub(super) nearer: bool,
}

pub(super) fn standing(entry: &Entry, now: u64, seen: &Seen) -> Standing {
    let kind = entry.active_kind();
    let record = &entry.record;
    let mut next_try = None;
    let (state, reason) = if seen.blocked {
        ("blocked", Some(BLOCKED.to_owned()))
    } else if entry.phase != Phase::Idle {
        (
            "connecting",
            record
                .reason
                .as_deref()
                .map(|r| format!("again, after: {r}")),
        )
    } else if !seen.network && entry.needs_network {
        (
            "waiting",
            Some("no network: it is called as soon as this machine has one".to_owned()),
        )
    } else if seen.nearer {
        (
            "waiting",
            Some("called over the local network instead".to_owned()),
        )
    } else if entry.due > now {
        next_try = Some(entry.due);
        waiting(entry, now)
    } else if seen.full {
        (
            "waiting",
            Some(format!(
                "its turn comes: {} connections of this kind are up",
                kind.group().quota()
            )),
        )
    } else {
        next_try = Some(entry.due);
        let never = record.last_ok == 0 && record.failures == 0;
        let reason = match never {
            true => "not called yet".to_owned(),
            false => "called in a moment".to_owned(),
        };
        ("waiting", Some(reason))
    };
    Standing {
        key: entry.key,
        kind,
        source: entry.source(),
        state,
        reason,
        failures: record.failures,
        last_ok: record.last_ok,
        since: entry.since,
        next_try,
    }
}

fn waiting(entry: &Entry, now: u64) -> (&'static str, Option<String>) {
    let record = &entry.record;
    let why = record.reason.as_deref().unwrap_or("the connection ended");
    let wait = span(entry.due - now);
    match record.failures {
        0 => ("waiting", Some(format!("{why}; called again in {wait}"))),
        1 => (
            "failed",
            Some(format!("{why}; waiting {wait} after a failure")),
        ),
        n => (
            "failed",
            Some(format!("{why}; waiting {wait} after {n} failures")),
        ),
    }
}

/// A time span as people say it.
fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (ms, text) in [
            (1, "1 s"),
            (99_000, "99 s"),
            (100_000, "2 min"),
            (240_000, "4 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
