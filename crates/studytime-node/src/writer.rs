//! The one write path: verify threads on all cores, and one writer thread with
//! group commit. Own messages and received ones go through the same door.

mod verify;

use self::verify::Checked;
use crate::clock::now_ms;
use crate::ingest::Caller;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use studytime_replicate::PeerId;
use studytime_replicate::ingest::{self, Draft, InOrder, PublishError, Published, RejectedSet};
use studytime_replicate::store::{Appended, FeedStore, Rejected};
use studytime_schema::{FeedId, HmacKey, Keypair, Message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Messages in one transaction at most: beyond it the cost of syncing no longer shows.
const GROUP: usize = 2_000;
/// How long a transaction is held open for more to come.
const GATHER: Duration = Duration::from_millis(50);
/// Rest after a failed write, so that a full disk does not spin.
const RETRY: Duration = Duration::from_secs(2);
/// Bytes of received messages that may be between socket and disk.
pub(crate) const INGEST_BYTES: usize = 16 << 20;
/// The largest share one frame takes of it.
pub(crate) const MAX_PERMIT: u32 = 1 << 20;

/// Who gave a message, and is told what became of it.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A connection.
    Peer(PeerId),
    /// A call of [`Node::ingest`](crate::Node::ingest).
    Caller(Arc<Caller>),
}

/// A message as it was given. It holds its share of the byte budget
/// until it is on disk or refused.
pub(crate) struct Received {
    pub(crate) feed: FeedId,
    pub(crate) sequence: u64,
    pub(crate) wire: bytes::Bytes,
    pub(crate) from: Source,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What became of one received message, told after it is on disk.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) from: Source,
    pub(crate) feed: FeedId,
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Append(Appended),
    Refused(String),
}

/// What the writer tells the node.
#[derive(Debug)]
pub(crate) enum WriteNews {
    /// A transaction is on disk: outcomes in order of arrival, and the new tips.
    Written {
        outcomes: Vec<Ingested>,
        tips: BTreeMap<FeedId, u64>,
    },
    /// Own messages are on disk.
    Published { feed: FeedId, sequence: u64 },
    /// Messages are kept waiting because the disk refuses them.
    Trouble(String),
}

/// One feed's part of a publication.
pub(crate) struct Batch {
    pub(crate) keys: Keypair,
    pub(crate) drafts: Vec<Draft>,
}

enum Job {
    /// Some messages, and the number of their turn.
    Checked(u64, Vec<Checked>),
    Publish(
        Box<Batch>,
        oneshot::Sender<Result<Vec<Published>, PublishError>>,
    ),
    Stop,
}

/// The node's side of the write path.
pub(crate) struct Writer {
    /// The queue of the verify threads, until the writer stops.
    received: Option<Sender<Received>>,
    jobs: Sender<Job>,
    budget: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Starts the threads.
    pub(crate) fn start(
        store: Arc<dyn FeedStore>,
        hmac: Option<HmacKey>,
        news: mpsc::UnboundedSender<WriteNews>,
    ) -> std::io::Result<Self> {
        Self::start_with(store, hmac, news, RETRY)
    }

    fn start_with(
        store: Arc<dyn FeedStore>,
        hmac: Option<HmacKey>,
        news: mpsc::UnboundedSender<WriteNews>,
        retry: Duration,
    ) -> std::io::Result<Self> {
        let rejected = store.rejected().unwrap_or_default();
        let rejected = Arc::new(RwLock::new(RejectedSet::new(&rejected)));
        let (jobs, inbox) = channel();
        let mut threads = Vec::new();
        let received = verify::start(&jobs, &rejected, hmac, &mut threads)?;
        let worker = Worker {
            store,
            hmac,
            news,
            rejected,
            retry,
        };
        threads.push(
            std::thread::Builder::new()
                .name("studytime-write".into())
                .spawn(move || worker.run(&inbox))?,
        );
        Ok(Self {
            received: Some(received),
            jobs,
            budget: Arc::new(Semaphore::new(INGEST_BYTES)),
            threads,
        })
    }

    /// The budget of bytes between sockets and disk.
    pub(crate) fn budget(&self) -> &Arc<Semaphore> {
        &self.budget
    }

    /// Takes a received message in; its outcome comes as [`WriteNews::Written`].
    pub(crate) fn ingest(&self, received: Received) {
        if let Some(queue) = &self.received {
            let _ = queue.send(received);
        }
    }

    /// Signs and keeps own messages. When it answers they are on disk.
    pub(crate) async fn publish(
        &self,
        batch: Batch,
    ) -> Option<Result<Vec<Published>, PublishError>> {
        let (tx, rx) = oneshot::channel();
        self.jobs.send(Job::Publish(Box::new(batch), tx)).ok()?;
        rx.await.ok()
    }

    /// Ends the threads after what they are doing.
    pub(crate) fn stop(&mut self) {
        self.received = None;
        let _ = self.jobs.send(Job::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    store: Arc<dyn FeedStore>,
    hmac: Option<HmacKey>,
    news: mpsc::UnboundedSender<WriteNews>,
    rejected: Arc<RwLock<RejectedSet>>,
    retry: Duration,
}

#[derive(Default)]
struct Group {
    messages: Vec<Arc<Message>>,
    from: Vec<Source>,
    permits: Vec<OwnedSemaphorePermit>,
    refused: Vec<(Rejected, Source)>,
}

impl Group {
    fn take(&mut self, checked: Checked) {
        match checked {
            Checked::Verified(message, from, permit) => {
                self.messages.push(message);
                self.from.push(from);
                self.permits.extend(permit);
            }
            Checked::Refused(rejected, from) => self.refused.push((*rejected, from)),
        }
    }

    fn len(&self) -> usize {
        self.messages.len() + self.refused.len()
    }
}

impl Worker {
    fn run(self, inbox: &Receiver<Job>) {
        let mut group = Group::default();
        let mut verified = InOrder::new();
        let mut deadline: Option<Instant> = None;
        // Whether the last write failed: then it is tried again at the deadline.
        let mut stuck = false;
        loop {
            let job = match deadline {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let due = match job {
                Ok(Job::Checked(number, checked)) => {
                    let refused = group.refused.len();
                    verified.put(number, checked);
                    for checked in verified.by_ref() {
                        checked.into_iter().for_each(|c| group.take(c));
                    }
                    if group.len() == 0 {
                        continue;
                    }
                    // Refusals need no disk that works.
                    let more = group.refused.len() > refused;
                    group.len() >= GROUP && (!stuck || more && group.refused.len() >= GROUP)
                }
                Ok(Job::Publish(batch, reply)) => {
                    stuck = !self.write(&mut group);
                    deadline = stuck.then(|| Instant::now() + self.retry);
                    // Whoever publishes is told of the trouble, not kept waiting.
                    let _ = reply.send(self.publish(&batch));
                    continue;
                }
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.write(&mut group);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => true,
            };
            if due {
                stuck = !self.write(&mut group);
                deadline = stuck.then(|| Instant::now() + self.retry);
            } else if deadline.is_none() {
                deadline = Some(Instant::now() + GATHER);
            }
        }
    }

    /// Writes a group. When it cannot be written now, its messages stay in the
    /// group to be tried again, for ever: what was verified is worth keeping,
    /// and the byte budget stops the sockets meanwhile.
    fn write(&self, group: &mut Group) -> bool {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut tips = BTreeMap::new();
        let mut written = true;
        if !group.messages.is_empty() {
            match ingest::append(&*self.store, &group.messages, now_ms()) {
                Ok(report) => {
                    self.tally(group, report.outcomes, &mut outcomes);
                    tips = report.tips;
                }
                Err(error) => {
                    self.trouble("messages could not be stored", &error);
                    written = false;
                }
            }
        }
        let refused = std::mem::take(&mut group.refused);
        if !refused.is_empty() {
            self.remember(&refused);
            outcomes.extend(refused.into_iter().map(|(r, from)| Ingested {
                from,
                feed: r.feed,
                sequence: r.sequence,
                outcome: Outcome::Refused(r.reason),
            }));
        }
        if !outcomes.is_empty() {
            let _ = self.news.send(WriteNews::Written { outcomes, tips });
        }
        written
    }

    /// What became of the group's messages, which are its no longer.
    fn tally(&self, group: &mut Group, appended: Vec<Appended>, outcomes: &mut Vec<Ingested>) {
        let messages = std::mem::take(&mut group.messages);
        let from = std::mem::take(&mut group.from);
        for ((message, from), outcome) in messages.iter().zip(from).zip(appended) {
            outcomes.push(Ingested {
                from,
                feed: message.author(),
                sequence: message.sequence(),
                outcome: Outcome::Append(outcome),
            });
        }
        group.permits.clear();
    }

    fn trouble(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        let text = crate::api::ApiError::failed(what, error).message;
        let _ = self.news.send(WriteNews::Trouble(text));
    }

    fn remember(&self, refused: &[(Rejected, Source)]) {
        let mut set = self
            .rejected
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // What is known already keeps the reason it was refused for at first.
        let new: Vec<Rejected> = refused
            .iter()
            .filter(|(r, _)| set.insert(r))
            .map(|(r, _)| r.clone())
            .collect();
        drop(set);
        if let Err(error) = self.store.reject(&new) {
            self.trouble("refused messages could not be noted", &error);
        }
    }

    fn publish(&self, batch: &Batch) -> Result<Vec<Published>, PublishError> {
        let published = ingest::publish(
            &*self.store,
            &batch.keys,
            &batch.drafts,
            self.hmac.as_ref(),
            now_ms(),
        );
        let feed = batch.keys.id();
        let reached = match &published {
            Ok(published) => published.last().map(|p| p.message.sequence()),
            // What a failing store may have kept all the same is passed on, too.
            Err(_) => self.store.tip(&feed).ok().flatten().map(|t| t.sequence),
        };
        if let Some(sequence) = reached {
            let _ = self.news.send(WriteNews::Published { feed, sequence });
        }
        published
    }
}

#[cfg(test)]
mod tests;
