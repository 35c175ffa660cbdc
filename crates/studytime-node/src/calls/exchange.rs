//! Whether two nodes have given each other what they have.

use super::peers::MAX_WAIT;
use crate::api::{ApiError, ExchangeReply};
use crate::hub::Errand;
use crate::node::Node;
use std::time::Duration;
use studytime_schema::FeedId;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// So many times in a row nothing may be open, each after a word to the peer and
/// back: what comes of the last message may be a want for something else.
const ROUNDS: u32 = 3;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// What the driver of a connection tells, once the peer has answered a call that
/// was made when this was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Feeds are fetched by history streams, for want of EBT.
    pub(crate) by_history: bool,
    /// Feeds of which more may come in this way now.
    pub(crate) feeds: usize,
}

impl Node {
    pub(super) async fn peer_exchange(
        &self,
        id: FeedId,
        timeout_seconds: u64,
    ) -> Result<ExchangeReply, ApiError> {
        let limit = Duration::from_secs(timeout_seconds.max(1)).min(MAX_WAIT);
        let deadline = Instant::now() + limit;
        let mut last = None;
        let mut rounds = 0;
        loop {
            let answered = self.word_and_back(id, deadline).await;
            let position = self.inner().indexer.position();
            let mut state = self
                .blocking(move |n| Ok(n.exchange_with(id, answered)))
                .await?;
            state.complete &= !self.inner().replan.is_pending();
            // What moved in between may lead to more.
            let still = last.replace(position) == Some(position);
            rounds = match state.complete && still {
                true => rounds + 1,
                false => 0,
            };
            state.complete = rounds >= ROUNDS;
            if state.complete || !state.connected || Instant::now() >= deadline {
                return Ok(state);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A call to the peer and its answer; `None` when none came in time.
    async fn word_and_back(&self, id: FeedId, deadline: Instant) -> Option<Answered> {
        let connection = self.inner().hub.connection_of(&id)?;
        let (answer, answered) = oneshot::channel();
        self.inner().hub.ask(connection, Errand::Probe(answer));
        let answered = tokio::time::timeout_at(deadline, answered).await;
        answered.ok()?.ok()
    }

    fn exchange_with(&self, id: FeedId, answered: Option<Answered>) -> ExchangeReply {
        let inner = self.inner();
        let last = inner.feeds.last_position().map_or(0, |p| p.0);
        let mut state = ExchangeReply {
            index_behind: last.saturating_sub(inner.indexer.position().0),
            ..ExchangeReply::default()
        };
        let Some(open) = inner.hub.open_with(&id) else {
            return state;
        };
        state.connected = true;
        state.introduced = open.active || answered.is_some_and(|a| a.by_history);
        state.messages = open.messages;
        state.unsent = open.unsent;
        state.files = open.files;
        state.feeds = answered.map_or(0, |a| a.feeds as u64);
        let nothing_open =
            state.messages + state.unsent + state.files + state.feeds + state.index_behind == 0;
        state.complete = answered.is_some() && state.introduced && nothing_open;
        state
    }
}
