//! Messages that come another way than over a connection: out of a file, or
//! from another client's log.

use crate::api::{ApiError, ErrorKind};
use crate::node::Node;
use crate::writer::{MAX_PERMIT, Outcome, Received, Source};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use studytime_replicate::store::Appended;
use studytime_replicate::wire::Frame;
use studytime_schema::FeedId;
use tokio::sync::oneshot;

/// Most refusals a report names; all are counted.
const NAMED: usize = 100;

/// What became of messages given to [`Node::ingest`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngestReport {
    /// New, and on disk.
    pub kept: u64,
    /// Here already.
    pub known: u64,
    /// Not taken because messages of its feed before it are missing.
    pub gaps: u64,
    /// Not valid, or of another branch of its feed than the one that is here.
    pub refused: u64,
    /// The first hundred of those, each with its reason.
    pub refusals: Vec<RefusedMessage>,
}

/// A message that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    /// The author it names; `None` when the bytes are no message at all.
    pub feed: Option<FeedId>,
    /// The sequence it names; 0 when it names none.
    pub sequence: u64,
    /// Why, in words.
    pub reason: String,
}

impl IngestReport {
    /// How many messages this tells of.
    pub fn total(&self) -> u64 {
        self.kept + self.known + self.gaps + self.refused
    }

    fn refuse(&mut self, feed: Option<FeedId>, sequence: u64, reason: String) {
        self.refused += 1;
        if self.refusals.len() < NAMED {
            self.refusals.push(RefusedMessage {
                feed,
                sequence,
                reason,
            });
        }
    }
}

/// One call of [`Node::ingest`]. Each message on its way holds it; when the last
/// one is dropped, the caller wakes.
#[derive(Debug)]
pub(crate) struct Caller {
    report: Arc<Mutex<IngestReport>>,
    _last: oneshot::Sender<()>,
}

impl Caller {
    /// Counts what became of one message.
    pub(crate) fn told(&self, feed: FeedId, sequence: u64, outcome: &Outcome) {
        let mut report = lock(&self.report);
        match outcome {
            Outcome::Append(Appended::At(_)) => report.kept += 1,
            Outcome::Append(Appended::Duplicate) => report.known += 1,
            Outcome::Append(Appended::Gap { .. }) => report.gaps += 1,
            Outcome::Append(Appended::Fork { stored, .. }) => report.refuse(
                Some(feed),
                sequence,
                format!("its feed is forked: {stored} is on the branch that is here"),
            ),
            Outcome::Refused(reason) => report.refuse(Some(feed), sequence, reason.clone()),
        }
    }
}

impl Node {
    /// Takes in signed messages that came another way than over a connection,
    /// each as its JSON text (the message alone, not wrapped in `key` and
    /// `value`). They go the way of all received messages: verified on all cores,
    /// chained, written in groups. A bad one costs only itself.
    ///
    /// A feed's messages must come in order; feeds may be mixed. Waits for the
    /// disk, so that at most 16 MiB are on their way. When it answers, all are
    /// on disk or refused; the index follows by itself.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// use studytime_schema::{Keypair, Message};
    ///
    /// let node = studytime_node::Builder::new(dir.path()).open().await?;
    /// let keys = Keypair::from_seed(&[7; 32]);
    /// let content = serde_json::json!({ "type": "post", "text": "from elsewhere" });
    /// let message = Message::sign(&keys, None, 1_700_000_000_000, &content, None)?;
    ///
    /// let report = node.ingest([message.wire().to_owned().into(), "rubbish".into()]).await?;
    /// assert_eq!((report.kept, report.refused), (1, 1));
    /// # node.shutdown().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ApiError`] when the node stops before all were dealt with.
    pub async fn ingest<I>(&self, messages: I) -> Result<IngestReport, ApiError>
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send,
    {
        let stopping = || ApiError::new(ErrorKind::Failed, "the node is shutting down");
        let report = Arc::new(Mutex::new(IngestReport::default()));
        let (last, all_told) = oneshot::channel();
        let caller = Arc::new(Caller {
            report: Arc::clone(&report),
            _last: last,
        });
        let writer = &self.inner().writer;
        let mut given = 0;
        for message in messages {
            given += 1;
            let (feed, sequence) = match Frame::parse(&message) {
                Ok(Frame::Message {
                    author, sequence, ..
                }) => (author, sequence),
                Ok(Frame::Notes(_)) => {
                    let reason = "it lacks an author, a sequence or a content".to_owned();
                    lock(&report).refuse(None, 0, reason);
                    continue;
                }
                Err(error) => {
                    lock(&report).refuse(None, 0, error.to_string());
                    continue;
                }
            };
            let bytes = u32::try_from(message.len()).map_or(MAX_PERMIT, |n| n.min(MAX_PERMIT));
            let permit = Arc::clone(writer.budget())
                .acquire_many_owned(bytes)
                .await
                .map_err(|_| stopping())?;
            writer.ingest(Received {
                feed,
                sequence,
                wire: message,
                from: Source::Caller(Arc::clone(&caller)),
                permit: Some(permit),
            });
        }
        drop(caller);
        // Resolves, with an error, when the last message has dropped its sender.
        let _ = all_told.await;
        let report = lock(&report).clone();
        if report.total() < given {
            return Err(stopping());
        }
        Ok(report)
    }
}

fn lock(report: &Mutex<IngestReport>) -> std::sync::MutexGuard<'_, IngestReport> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
