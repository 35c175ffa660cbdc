//! The word that what is wanted has to be worked out anew.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Asked for by many, done by one task.
#[derive(Debug, Default)]
pub(crate) struct Replan {
    notify: Notify,
    asked: AtomicU64,
    done: AtomicU64,
}

impl Replan {
    /// Something changed.
    pub(crate) fn notify_one(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_one();
    }

    /// Waits until something has changed.
    pub(crate) async fn notified(&self) {
        self.notify.notified().await;
    }

    /// All that was asked for so far: to be given to [`done`](Self::done).
    pub(crate) fn begin(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// What was asked for until [`begin`](Self::begin) is worked in.
    pub(crate) fn done(&self, begun: u64) {
        self.done.fetch_max(begun, Ordering::AcqRel);
    }

    /// Whether something changed that is not worked in yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.done.load(Ordering::Acquire) < self.asked.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_while_it_is_worked_out_is_not_taken_for_done() {
        let replan = Replan::default();
        assert!(!replan.is_pending());
        replan.notify_one();
        replan.notify_one();
        replan.notified().await;
        let begun = replan.begin();
        replan.notify_one();
        replan.done(begun);
        assert!(replan.is_pending());
        replan.notified().await;
        replan.done(replan.begin());
        assert!(!replan.is_pending());
    }
}
