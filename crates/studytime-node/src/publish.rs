//! Publishing: contents in, signed messages on disk, the index caught up.

use crate::api::{ApiError, ErrorKind, Published};
use crate::node::Node;
use crate::writer::Batch;
use std::time::Duration;
use studytime_replicate::ingest::{Draft, PublishError};
use studytime_schema::content::Content;
use studytime_schema::{FeedId, private};

/// How long a publication waits for the index to show it. Longer only when the
/// index is far behind; the messages are safe either way.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

impl Node {
    /// Publishes contents on an own feed, all or none. When it answers they
    /// are on disk and, unless the index is far behind, visible in it.
    pub(crate) async fn publish(
        &self,
        feed: FeedId,
        contents: Vec<Content>,
    ) -> Result<Published, ApiError> {
        let drafts = contents
            .iter()
            .map(|c| Draft::Public(c.to_value()))
            .collect();
        self.publish_drafts(feed, drafts).await
    }

    /// Publishes contents that have fields beyond the known ones.
    pub(crate) async fn publish_values(
        &self,
        feed: FeedId,
        contents: Vec<serde_json::Value>,
    ) -> Result<Published, ApiError> {
        let drafts = contents.into_iter().map(Draft::Public).collect();
        self.publish_drafts(feed, drafts).await
    }

    /// Publishes contents on the main feed, encrypted so that only we can read them.
    pub(crate) async fn publish_private(
        &self,
        contents: Vec<Content>,
    ) -> Result<Published, ApiError> {
        let id = self.id();
        let drafts: Result<Vec<Draft>, ApiError> = contents
            .iter()
            .map(|content| {
                let text = content.to_value().to_string();
                let mut random = private::Randomness {
                    nonce: [0; 24],
                    key: [0; 32],
                    onetime: [0; 32],
                };
                for part in [&mut random.nonce[..], &mut random.key, &mut random.onetime] {
                    getrandom::fill(part).map_err(|e| {
                        ApiError::new(ErrorKind::Failed, format!("no randomness: {e}"))
                    })?;
                }
                private::seal(text.as_bytes(), &[id], &random)
                    .map(Draft::Private)
                    .map_err(|e| ApiError::failed("could not encrypt", &e))
            })
            .collect();
        self.publish_drafts(id, drafts?).await
    }

    async fn publish_drafts(
        &self,
        feed: FeedId,
        drafts: Vec<Draft>,
    ) -> Result<Published, ApiError> {
        self.check_unlocked(&feed)?;
        let keys = self
            .keys()
            .get(&feed)
            .map(|f| f.keys.clone())
            .ok_or_else(|| ApiError::refused(format!("{feed} is not one of your feeds")))?;
        if drafts.is_empty() {
            return Ok(Published {
                feed,
                messages: Vec::new(),
            });
        }
        let published = self
            .inner()
            .writer
            .publish(Batch { keys, drafts })
            .await
            .ok_or_else(|| ApiError::new(ErrorKind::Failed, "the node is shutting down"))?
            .map_err(|e| publish_error(&e))?;
        if let Some(last) = published.last() {
            self.inner()
                .indexer
                .reached(last.position, SHOWN_WITHIN)
                .await;
        }
        Ok(Published {
            feed,
            messages: published.iter().map(|p| p.message.id()).collect(),
        })
    }

    /// Waits until the index has taken in all of the log, for what is worked out
    /// from it and published: a change made to half a picture would lose the rest.
    pub(crate) async fn caught_up(&self) -> Result<(), ApiError> {
        let inner = self.inner();
        let end = inner
            .feeds
            .last_position()
            .map_err(|e| ApiError::failed("the log could not be read", &e))?;
        inner.indexer.reached(end, SHOWN_WITHIN).await;
        let at = inner.indexer.position();
        if at >= end {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Failed,
            format!(
                "the course index is still being brought up to date: {} of {} messages",
                at.0, end.0
            ),
        )
        .hint("try again in a moment; `studytime status` says how far it is"))
    }
}

fn publish_error(error: &PublishError) -> ApiError {
    let wide = ApiError::failed("not published", error);
    match error {
        PublishError::Sign { .. } => ApiError::refused(wide.message),
        _ => wide,
    }
}
