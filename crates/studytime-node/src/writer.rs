//! The one write path: verify threads sharded by author, and one writer thread
//! with group commit. Own messages and received ones go through the same door.

use crate::clock::now_ms;
use crate::ingest::Caller;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use studytime_replicate::PeerId;
use studytime_replicate::ingest::{self, Draft, PublishError, Published, RejectedSet, Verifier};
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
/// Most verify threads; more than this outrun any disk.
const MAX_VERIFIERS: usize = 8;

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
    Verified(Arc<Message>, Source, Option<OwnedSemaphorePermit>),
    Refused(Box<Rejected>, Source),
    Publish(
        Box<Batch>,
        oneshot::Sender<Result<Vec<Published>, PublishError>>,
    ),
    Stop,
}

/// The node's side of the write path.
pub(crate) struct Writer {
    verifiers: Vec<Sender<Received>>,
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
        let rejected = store.rejected().unwrap_or_default();
        let rejected = Arc::new(RwLock::new(RejectedSet::new(&rejected)));
        let count = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_VERIFIERS));
        let (jobs, inbox) = channel();
        let mut threads = Vec::new();
        let mut verifiers = Vec::new();
        for i in 0..count {
            let (tx, rx) = channel();
            let (jobs, rejected, hmac) = (jobs.clone(), Arc::clone(&rejected), hmac);
            threads.push(
                std::thread::Builder::new()
                    .name(format!("studytime-verify-{i}"))
                    .spawn(move || verify(&rx, &jobs, &rejected, hmac))?,
            );
            verifiers.push(tx);
        }
        let worker = Worker {
            store,
            hmac,
            news,
            rejected,
        };
        threads.push(
            std::thread::Builder::new()
                .name("studytime-write".into())
                .spawn(move || worker.run(&inbox))?,
        );
        Ok(Self {
            verifiers,
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
        let shard = ingest::shard(&received.feed, self.verifiers.len());
        if let Some(verifier) = self.verifiers.get(shard) {
            let _ = verifier.send(received);
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
        self.verifiers.clear();
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

fn verify(
    rx: &Receiver<Received>,
    jobs: &Sender<Job>,
    rejected: &RwLock<RejectedSet>,
    hmac: Option<HmacKey>,
) {
    let mut verifier = Verifier::new(hmac);
    while let Ok(r) = rx.recv() {
        let known_bad = rejected
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&r.feed, &r.wire);
        let job = if known_bad {
            Job::Refused(
                Box::new(Rejected {
                    feed: r.feed,
                    sequence: r.sequence,
                    hash: ingest::wire_hash(&r.wire),
                    reason: "it was refused before".into(),
                    at: now_ms(),
                }),
                r.from,
            )
        } else {
            match verifier.verify(&r.feed, &r.wire) {
                Ok(message) => Job::Verified(message, r.from, r.permit),
                Err(error) => Job::Refused(
                    Box::new(ingest::rejected(
                        &r.feed,
                        r.sequence,
                        &r.wire,
                        &error,
                        now_ms(),
                    )),
                    r.from,
                ),
            }
        };
        if jobs.send(job).is_err() {
            return;
        }
    }
}

struct Worker {
    store: Arc<dyn FeedStore>,
    hmac: Option<HmacKey>,
    news: mpsc::UnboundedSender<WriteNews>,
    rejected: Arc<RwLock<RejectedSet>>,
}

#[derive(Default)]
struct Group {
    messages: Vec<Arc<Message>>,
    from: Vec<Source>,
    permits: Vec<OwnedSemaphorePermit>,
    refused: Vec<(Rejected, Source)>,
}

impl Worker {
    fn run(self, inbox: &Receiver<Job>) {
        let mut group = Group::default();
        let mut deadline: Option<Instant> = None;
        loop {
            let job = match deadline {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match job {
                Ok(Job::Verified(message, from, permit)) => {
                    group.messages.push(message);
                    group.from.push(from);
                    group.permits.extend(permit);
                }
                Ok(Job::Refused(rejected, from)) => group.refused.push((*rejected, from)),
                Ok(Job::Publish(batch, reply)) => {
                    self.write(&mut group);
                    deadline = None;
                    let _ = reply.send(self.publish(&batch));
                    continue;
                }
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.write(&mut group);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.write(&mut group);
                    deadline = None;
                    continue;
                }
            }
            if group.messages.len() + group.refused.len() >= GROUP {
                self.write(&mut group);
                deadline = None;
            } else if deadline.is_none() {
                deadline = Some(Instant::now() + GATHER);
            }
        }
    }

    fn write(&self, group: &mut Group) {
        let Group {
            messages,
            from,
            permits,
            refused,
        } = std::mem::take(group);
        let mut outcomes = Vec::with_capacity(messages.len() + refused.len());
        let mut tips = BTreeMap::new();
        if !messages.is_empty() {
            // Tried for ever: what was verified is worth keeping, and the byte
            // budget stops the sockets meanwhile.
            let report = loop {
                match ingest::append(&*self.store, &messages, now_ms()) {
                    Ok(report) => break report,
                    Err(error) => {
                        let text =
                            crate::api::ApiError::failed("messages could not be stored", &error)
                                .message;
                        if self.news.send(WriteNews::Trouble(text)).is_err() {
                            return;
                        }
                        std::thread::sleep(RETRY);
                    }
                }
            };
            for ((message, from), outcome) in messages.iter().zip(from).zip(report.outcomes) {
                outcomes.push(Ingested {
                    from,
                    feed: message.author(),
                    sequence: message.sequence(),
                    outcome: Outcome::Append(outcome),
                });
            }
            tips = report.tips;
        }
        drop(permits);
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
    }

    fn remember(&self, refused: &[(Rejected, Source)]) {
        let mut set = self
            .rejected
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let new: Vec<Rejected> = refused.iter().map(|(r, _)| r.clone()).collect();
        for r in &new {
            set.insert(r);
        }
        drop(set);
        if let Err(error) = self.store.reject(&new) {
            let text =
                crate::api::ApiError::failed("refused messages could not be noted", &error).message;
            let _ = self.news.send(WriteNews::Trouble(text));
        }
    }

    fn publish(&self, batch: &Batch) -> Result<Vec<Published>, PublishError> {
        let published = ingest::publish(
            &*self.store,
            &batch.keys,
            &batch.drafts,
            self.hmac.as_ref(),
            now_ms(),
        )?;
        if let Some(last) = published.last() {
            let _ = self.news.send(WriteNews::Published {
                feed: batch.keys.id(),
                sequence: last.message.sequence(),
            });
        }
        Ok(published)
    }
}
