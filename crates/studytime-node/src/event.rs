//! The one event stream.

use crate::api::Event;
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{broadcast, mpsc};

/// Events a slow subscriber may be behind before it misses some.
pub(crate) const CAPACITY: usize = 256;

/// What happens in a node, from the moment of subscribing on. Ends when the
/// node does.
#[derive(Debug)]
pub struct Events {
    inner: mpsc::Receiver<Event>,
}

impl Events {
    /// Follows a broadcast; a task turns "you missed some" into an event.
    pub(crate) fn follow(mut source: broadcast::Receiver<Event>) -> Self {
        let (tx, inner) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    received = source.recv() => match received {
                        Ok(event) => event,
                        Err(broadcast::error::RecvError::Lagged(missed)) => Event::Lagged { missed },
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                    () = tx.closed() => return,
                };
                if tx.send(event).await.is_err() {
                    return;
                }
            }
        });
        Self { inner }
    }

    pub(crate) fn from_channel(inner: mpsc::Receiver<Event>) -> Self {
        Self { inner }
    }

    /// The next event; `None` when the node has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.inner.recv().await
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.inner.poll_recv(cx)
    }
}
