//! What follows from a call on the state machines, handed to whoever does it.

use super::{Chore, Errand, Hub, MEDIA_OWNER, State};
use crate::clock::now_ms;
use std::collections::VecDeque;
use std::sync::PoisonError;
use studytime_blobs::wants;
use studytime_replicate::ebt;
use studytime_replicate::store::Shunned;

impl Hub {
    pub(super) fn drain(&self, state: &mut State, now: u64) {
        loop {
            let mut idle = true;
            while let Some(output) = state.ebt.poll_output() {
                idle = false;
                self.hand_out_ebt(state, output, now);
            }
            if state.hand_out_guard(self, now) {
                idle = false;
            }
            if let Some(blobs) = state.media.poll_lookup() {
                self.chore(Chore::Lookup(blobs));
            }
            if let Some(list) = state.media.poll_wants() {
                idle = false;
                state.wants.replace(MEDIA_OWNER, &list, now);
            }
            while let Some(output) = state.wants.poll_output(now) {
                idle = false;
                self.hand_out_wants(state, output);
            }
            if idle {
                return;
            }
        }
    }

    pub(super) fn chore(&self, chore: Chore) {
        // Closed only when the node is going down.
        let _ = self.chores.send(chore);
    }

    fn hand_out_ebt(&self, state: &mut State, output: ebt::Output, now: u64) {
        use ebt::Output;
        let (peer, errand) = match output {
            Output::Open { peer } => (peer, Errand::OpenEbt),
            Output::Restart { peer } => (peer, Errand::RestartEbt),
            Output::Send { peer, payload } => (peer, Errand::Ebt(payload)),
            Output::Read {
                peer,
                feed,
                from,
                max_count,
                max_bytes,
            } => (
                peer,
                Errand::ReadFeed {
                    feed,
                    from,
                    max_count,
                    max_bytes,
                },
            ),
            Output::Fallback { peer, reason } => (peer, Errand::Fallback(reason)),
            Output::Resumed { peer } => (peer, Errand::EbtWorks),
            Output::Fetch { peer, feed, from } => (peer, Errand::FetchHistory { feed, from }),
            Output::SaveClock { peer, changes } => {
                return self.chore(Chore::SaveClock(peer, changes));
            }
            Output::Renew { feed } => return self.chore(Chore::ForgetHeard(feed)),
            Output::Shun {
                peer,
                feed,
                sequence,
                fork,
            } => {
                return self.chore(Chore::Shun(Shunned {
                    peer,
                    feed,
                    sequence,
                    fork,
                    at: now_ms(),
                }));
            }
            Output::Ingest { .. } => {
                self.ingest
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(output);
                return;
            }
            Output::OwnAhead {
                peer,
                feed,
                claimed,
                here,
            } => {
                return state.own_ahead(peer, feed, claimed, here, now);
            }
            _ => return,
        };
        state.errand(peer.connection, errand);
    }

    fn hand_out_wants(&self, state: &mut State, output: wants::Output) {
        use wants::Output;
        match output {
            Output::SendWants { peer, frame } => {
                state.errand(peer.connection, Errand::Wants(frame))
            }
            Output::Fetch {
                peer,
                blob,
                max,
                resume,
            } => {
                state.errand(peer.connection, Errand::Fetch { blob, max, resume });
            }
            Output::CancelFetch { peer, blob, keep } => {
                state.errand(peer.connection, Errand::CancelFetch { blob, keep })
            }
            Output::NeedHave { blobs } => self.chore(Chore::NeedHave(blobs)),
            Output::PushSeen { blob, peer, .. } => self.chore(Chore::PushSeen { blob, peer }),
            Output::PeerMarked { feed, mark } => {
                for slot in state.slots.values_mut().filter(|s| s.feed == feed) {
                    slot.note = Some(mark.to_string());
                }
            }
            // Told by whoever stored it.
            Output::Got { .. } => {}
            _ => {}
        }
    }

    /// Messages that wait to be verified, each to be sent with its share of the budget.
    pub(crate) fn take_ingest(&self) -> VecDeque<ebt::Output> {
        std::mem::take(&mut *self.ingest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
