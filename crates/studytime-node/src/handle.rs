//! One face for a node here and a node in another process.

use crate::api::{ApiError, Call, ErrorKind, Progress};
use crate::control::Client;
use crate::event::Events;
use crate::media::MediaStream;
use crate::node::Node;
use bytes::Bytes;
use std::time::Duration;
use studytime_schema::BlobId;

/// What a face holds: a [`Node`] in this process, or a client of one that runs
/// in another.
#[derive(Debug, Clone)]
pub enum Handle {
    /// In this process.
    Local(Node),
    /// Through the control socket.
    Remote(Client),
}

impl Handle {
    /// Makes a request and waits for its reply. Dropping the future cancels it.
    ///
    /// # Errors
    /// [`ApiError`], in words for a person.
    pub async fn call<C: Call>(&self, call: C) -> Result<C::Reply, ApiError> {
        self.call_with(call, |_| {}).await
    }

    /// Like [`call`](Self::call), telling how far it has come.
    ///
    /// # Errors
    /// [`ApiError`], in words for a person.
    pub async fn call_with<C: Call>(
        &self,
        call: C,
        on_progress: impl FnMut(Progress) + Send,
    ) -> Result<C::Reply, ApiError> {
        let reply = match self {
            Self::Local(node) => node.dispatch(call.into(), on_progress).await?,
            Self::Remote(client) => client.request(call.into(), on_progress).await?,
        };
        C::open(reply).ok_or_else(|| {
            ApiError::new(
                ErrorKind::Failed,
                "the node answered another question; are both the same version?",
            )
        })
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// [`ApiError`] when the other process is gone.
    pub async fn events(&self) -> Result<Events, ApiError> {
        match self {
            Self::Local(node) => Ok(node.events()),
            Self::Remote(client) => client.events().await,
        }
    }

    /// Opens a file of a course for reading from any place, also while it is
    /// still arriving. Only in the process of the node.
    ///
    /// # Errors
    /// [`ApiError`]: a manifest that cannot be had or is invalid.
    pub async fn media(&self, link: BlobId, manifest: bool) -> Result<MediaStream, ApiError> {
        match self {
            Self::Local(node) => node.media(link, manifest).await,
            Self::Remote(_) => Err(ApiError::new(
                ErrorKind::Failed,
                "media is served by the process that runs the node",
            )),
        }
    }

    /// One small blob whole (a picture, captions), fetched if need be; waits up
    /// to `limit`. Only in the process of the node.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nobody had it in time.
    pub async fn blob(&self, id: BlobId, limit: Duration) -> Result<Bytes, ApiError> {
        match self {
            Self::Local(node) => node.blob(id, limit).await,
            Self::Remote(_) => Err(ApiError::new(
                ErrorKind::Failed,
                "blobs are served by the process that runs the node",
            )),
        }
    }
}
