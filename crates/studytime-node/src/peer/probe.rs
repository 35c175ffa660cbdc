//! A word to the peer and back: when it has answered a call, it has read what was
//! sent before.

use super::session::{Session, Use};
use crate::calls::exchange::Answered;
use std::collections::VecDeque;
use studytime_muxrpc::CallKind;
use tokio::sync::oneshot;

/// Those who wait, in the order in which they asked.
#[derive(Debug, Default)]
pub(super) struct Probes(VecDeque<oneshot::Sender<Answered>>);

impl Session {
    /// Makes a call that every peer answers, be it with a refusal.
    pub(super) fn probe(&mut self, answer: oneshot::Sender<Answered>) {
        self.probes.0.push_back(answer);
        self.open(CallKind::Async, &["manifest"], Use::Probe);
    }

    /// Such a call was answered.
    pub(super) fn probe_answered(&mut self) {
        let (by_history, feeds) = self.history_state();
        if let Some(waiting) = self.probes.0.pop_front() {
            let _ = waiting.send(Answered { by_history, feeds });
        }
    }
}
