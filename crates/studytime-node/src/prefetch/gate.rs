//! When downloads in the background run, and how fast.

use super::Hours;
use crate::api::{ApiError, DownloadsEdit};
use crate::calls::state_error;
use crate::clock::now_ms;
use crate::node::Node;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use studytime_blobs::pace::Pace;
use studytime_schema::FeedId;
use tokio::sync::Notify;

/// Setting: [`Rules`] as JSON.
const RULES: &str = "downloads";
/// How long the gate is left alone: the clock may be set, the machine may sleep.
const LOOK: Duration = Duration::from_secs(20);
/// Courses that may have limits of their own.
const MAX_LIMITS: usize = 1_000;

/// What the user wants of downloads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    pub(crate) paused: bool,
    /// Bytes a second of everything; 0 for no limit.
    pub(crate) limit: Option<u64>,
    pub(crate) hours: Option<Hours>,
    /// Bytes a second of one course.
    pub(crate) courses: BTreeMap<FeedId, u64>,
}

/// Why downloads do not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    Paused,
    Hours(Hours),
}

struct Inner {
    rules: Rules,
    all: Pace,
    courses: BTreeMap<FeedId, Pace>,
    /// Courses that wait for their turn.
    slow: BTreeSet<FeedId>,
}

/// Lets downloads through, or not.
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                rules: Rules::default(),
                all: Pace::new(None, 0),
                courses: BTreeMap::new(),
                slow: BTreeSet::new(),
            }),
            changed: Notify::new(),
        }
    }
}

impl Inner {
    fn set(&mut self, rules: Rules, now: u64) {
        self.all.set_limit(rules.limit, now);
        self.courses.retain(|c, _| rules.courses.contains_key(c));
        for (course, limit) in &rules.courses {
            let pace = self.courses.entry(*course);
            let pace = pace.or_insert_with(|| Pace::new(Some(*limit), now));
            pace.set_limit(Some(*limit), now);
        }
        self.rules = rules;
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rules(&self) -> Rules {
        self.lock().rules.clone()
    }

    /// Why downloads do not run at this time; `None` when they do.
    pub(crate) fn closed(&self, now: u64, offset: i32) -> Option<Closed> {
        let inner = self.lock();
        if inner.rules.paused {
            return Some(Closed::Paused);
        }
        let hours = inner.rules.hours?;
        let open = hours.contains(Hours::minute(now, offset));
        (!open).then_some(Closed::Hours(hours))
    }

    /// Whether a course may begin another file of this size; it is then counted.
    /// When it may not, it is woken when it may.
    pub(super) fn take(&self, course: FeedId, bytes: u64, now: u64) -> bool {
        let mut inner = self.lock();
        let Inner {
            all, courses, slow, ..
        } = &mut *inner;
        let own = courses.get_mut(&course);
        let allowed = all.allows(now) && own.is_none_or(|p| p.allows(now));
        if !allowed {
            if slow.insert(course) {
                self.changed.notify_one();
            }
            return false;
        }
        all.take(bytes, now);
        if let Some(own) = courses.get_mut(&course) {
            own.take(bytes, now);
        }
        true
    }

    /// Counts what came without having been asked for here: what is watched goes
    /// first, downloads in the background give way.
    pub(super) fn count(&self, bytes: u64, now: u64) {
        self.lock().all.take(bytes, now);
    }

    /// Courses whose turn it is, and when the next one's is.
    fn due(&self, now: u64) -> (Vec<FeedId>, Option<u64>) {
        let mut inner = self.lock();
        let all = inner.all.next_at(now);
        let (mut due, mut next) = (Vec::new(), None);
        for course in std::mem::take(&mut inner.slow) {
            let own = inner.courses.get_mut(&course);
            let own = own.and_then(|p| p.next_at(now));
            match all.max(own) {
                None => due.push(course),
                Some(at) => {
                    inner.slow.insert(course);
                    next = Some(next.map_or(at, |n: u64| n.min(at)));
                }
            }
        }
        (due, next)
    }
}

/// Opens and closes the gate as time passes, and lets slow courses go on.
pub(crate) async fn pacer(node: Node) {
    let gate = &node.inner().prefetch.gate;
    let mut before = node.closed();
    loop {
        let now = now_ms();
        let closed = node.closed();
        if closed != before {
            before = closed;
            node.refresh_prefetch().await;
            node.downloads_changed();
        }
        let (due, next) = gate.due(now);
        if !due.is_empty() {
            // Some may have been left or paused meanwhile.
            let fetched = node.blocking(|n| n.fetched_courses()).await;
            let fetched = fetched.unwrap_or_default();
            for course in due.into_iter().filter(|c| fetched.contains(c)) {
                node.refresh_course(course).await;
            }
        }
        let wait = next.map_or(LOOK, |at| {
            Duration::from_millis(at.saturating_sub(now)).min(LOOK)
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gate.changed.notified() => {}
        }
    }
}

impl Node {
    /// Why downloads in the background do not run now.
    pub(crate) fn closed(&self) -> Option<Closed> {
        let now = now_ms();
        let offset = (self.inner().builder.utc_offset)(now);
        self.inner().prefetch.gate.closed(now, offset)
    }

    /// The rules that were chosen here, or else those of `config.toml`.
    pub(crate) fn load_download_rules(&self) -> Result<(), ApiError> {
        let inner = self.inner();
        let chosen = inner.state.setting(RULES).map_err(|e| state_error(&e))?;
        let rules = match chosen.and_then(|t| serde_json::from_str(&t).ok()) {
            Some(rules) => rules,
            None => Rules {
                limit: inner.config.download_limit,
                hours: inner.config.download_hours,
                ..Rules::default()
            },
        };
        inner.prefetch.gate.lock().set(rules, now_ms());
        Ok(())
    }

    /// Changes the rules, for now and after a restart. Blocks.
    pub(crate) fn change_download_rules(&self, edit: &DownloadsEdit) -> Result<(), ApiError> {
        let inner = self.inner();
        let gate = &inner.prefetch.gate;
        let mut rules = gate.rules();
        if let Some(paused) = edit.paused {
            rules.paused = paused;
        }
        if let Some(limit) = edit.limit {
            rules.limit = (limit > 0).then_some(limit);
        }
        if let Some(hours) = &edit.hours {
            rules.hours = match hours.trim() {
                "" => None,
                text => Some(
                    text.parse::<Hours>()
                        .map_err(|e| ApiError::refused(e.to_string()))?,
                ),
            };
        }
        for (course, limit) in &edit.courses {
            match *limit {
                0 => rules.courses.remove(course),
                limit => rules.courses.insert(*course, limit),
            };
        }
        if rules.courses.len() > MAX_LIMITS {
            return Err(ApiError::refused(format!(
                "at most {MAX_LIMITS} courses may have a limit of their own"
            )));
        }
        let text = serde_json::to_string(&rules);
        let text = text.map_err(|e| ApiError::failed("the rules could not be written", &e))?;
        let kept = inner.state.set_setting(RULES, &text);
        kept.map_err(|e| state_error(&e))?;
        gate.lock().set(rules, now_ms());
        gate.changed.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(n: u8) -> FeedId {
        FeedId::from_bytes([n; 32])
    }

    fn gate(rules: Rules) -> Gate {
        let gate = Gate::default();
        gate.lock().set(rules, 0);
        gate
    }

    #[test]
    fn a_course_with_a_limit_does_not_slow_the_others() {
        let gate = gate(Rules {
            courses: BTreeMap::from([(feed(1), 1_000)]),
            ..Rules::default()
        });
        assert!(gate.take(feed(1), 10_000, 0));
        assert!(!gate.take(feed(1), 1, 0));
        assert!((0..100).all(|_| gate.take(feed(2), 1 << 20, 0)));
        let (due, next) = gate.due(0);
        assert_eq!(due, []);
        let at = next.unwrap();
        assert!((8_000..9_000).contains(&at), "{at}");
        assert_eq!(gate.due(at), (vec![feed(1)], None));
        assert!(gate.take(feed(1), 1, at));
    }

    #[test]
    fn what_is_watched_counts_and_downloads_give_way() {
        let gate = gate(Rules {
            limit: Some(1_000),
            ..Rules::default()
        });
        gate.count(50_000, 0);
        assert!(!gate.take(feed(1), 1, 40_000));
        assert!(gate.take(feed(1), 1, 49_000));
        // The limit goes, and with it the waiting.
        assert!(gate.take(feed(1), 1 << 20, 49_000));
        assert!(!gate.take(feed(1), 1, 49_001));
        gate.lock().set(Rules::default(), 49_001);
        assert!(gate.take(feed(1), 1, 49_001));
        assert_eq!(gate.due(49_002), (vec![feed(1)], None));
    }

    #[test]
    fn the_gate_is_open_in_its_hours() {
        let gate = gate(Rules {
            hours: Some("22:00-06:00".parse().unwrap()),
            ..Rules::default()
        });
        let noon = 1_700_049_600_000;
        assert!(matches!(gate.closed(noon, 0), Some(Closed::Hours(_))));
        assert_eq!(gate.closed(noon, 11 * 3_600), None);
        let mut rules = gate.rules();
        rules.paused = true;
        gate.lock().set(rules, 0);
        assert_eq!(gate.closed(noon, 11 * 3_600), Some(Closed::Paused));
    }
}
