//! The index thread: pulls the log by cursor, never from a queue of messages.

mod pages;
mod worker;

use self::worker::Worker;
use crate::holdings::Holdings;
use crate::policy::SharedGraph;
use crate::store::State;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use studytime_index::{Changes, Facts, Index, OpenError, Options, Reader};
use studytime_replicate::FeedStore;
use studytime_schema::content::ProgressEntry;
use studytime_schema::subjects::SubjectTable;
use studytime_schema::{BlobId, Keypair, LogPosition};
use tokio::sync::{mpsc, watch};

enum Job {
    /// The log has grown.
    Wake,
    Facts(Box<Facts>),
    Texts(Vec<(BlobId, Arc<str>)>),
    Blobs(Vec<BlobId>),
    Positions(Vec<(ProgressEntry, u64)>),
    /// A query came upon damage.
    Repair(String),
    Stop,
}

/// What the index thread tells the node.
#[derive(Debug)]
pub(crate) enum IndexNews {
    /// What changed.
    Changed(Changes),
    /// It cannot go on for now, and why.
    Trouble(String),
}

/// The node's side of the index thread.
pub(crate) struct Indexer {
    jobs: Sender<Job>,
    reader: Arc<RwLock<Reader>>,
    position: watch::Receiver<LogPosition>,
    /// Whether the index cannot be written for now.
    stuck: watch::Receiver<bool>,
    log_fell_back: bool,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Indexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Indexer")
    }
}

/// What the thread works on.
pub(crate) struct IndexerSetup {
    pub(crate) dir: PathBuf,
    pub(crate) feeds: Arc<dyn FeedStore>,
    /// The last position the log has given out.
    pub(crate) log_end: LogPosition,
    pub(crate) keys: Keypair,
    pub(crate) facts: Facts,
    /// Another table of subjects than the built-in one.
    pub(crate) subjects: Option<Arc<SubjectTable>>,
    pub(crate) graph: Arc<Mutex<SharedGraph>>,
    pub(crate) state: Arc<State>,
    pub(crate) news: mpsc::UnboundedSender<IndexNews>,
}

impl Indexer {
    /// Opens the index and starts the thread. A damaged or outdated index is
    /// rebuilt from the log.
    pub(crate) fn start(setup: IndexerSetup) -> Result<Self, OpenError> {
        let options = options(&setup.facts, setup.subjects.as_ref());
        // What was known before answers until the new index is whole.
        let mut before = None;
        let (mut index, mut rebuilding) = match Index::open(&setup.dir, options.clone()) {
            Ok(index) => (index, false),
            Err(OpenError::Rebuild { reason, .. }) => {
                tracing::info!("the course index is built anew: {reason}");
                before = Index::outdated(&setup.dir, options.clone());
                (Index::rebuild(&setup.dir, options.clone())?, true)
            }
            Err(other) => return Err(other),
        };
        // An index that is ahead belongs to another log.
        let log_fell_back = index.position() > setup.log_end;
        if log_fell_back {
            index = Index::rebuild(&setup.dir, options)?;
            rebuilding = true;
            before = None;
        }
        let reader = before.unwrap_or_else(|| index.reader());
        let reader = Arc::new(RwLock::new(reader));
        let (position_tx, position) = watch::channel(index.position());
        let (stuck_tx, stuck) = watch::channel(false);
        let (jobs, inbox) = channel();
        let worker = Worker {
            index,
            feeds: setup.feeds,
            keys: setup.keys,
            graph: setup.graph,
            state: setup.state,
            news: setup.news,
            position: position_tx,
            stuck: stuck_tx,
            rebuilding,
            repairs: 0,
            begun: false,
            dir: setup.dir.clone(),
            facts: setup.facts,
            subjects: setup.subjects,
            positions: Vec::new(),
            reader: Arc::clone(&reader),
            ahead: None,
        };
        let thread = std::thread::Builder::new()
            .name("studytime-index".into())
            .spawn(move || worker.run(&inbox))
            .map_err(|source| OpenError::Folder {
                path: setup.dir,
                source,
            })?;
        let _ = jobs.send(Job::Wake);
        Ok(Self {
            jobs,
            reader,
            position,
            stuck,
            log_fell_back,
            thread: Some(thread),
        })
    }

    /// The querying side.
    pub(crate) fn reader(&self) -> Reader {
        self.reader
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The log has grown.
    pub(crate) fn wake(&self) {
        let _ = self.jobs.send(Job::Wake);
    }

    pub(crate) fn set_facts(&self, facts: Facts) {
        let _ = self.jobs.send(Job::Facts(Box::new(facts)));
    }

    pub(crate) fn texts(&self, texts: Vec<(BlobId, Arc<str>)>) {
        let _ = self.jobs.send(Job::Texts(texts));
    }

    pub(crate) fn blobs_changed(&self, blobs: Vec<BlobId>) {
        let _ = self.jobs.send(Job::Blobs(blobs));
    }

    /// Positions that are not published yet, all of them: shown at once.
    pub(crate) fn positions(&self, positions: Vec<(ProgressEntry, u64)>) {
        let _ = self.jobs.send(Job::Positions(positions));
    }

    /// A query came upon damage: the index is built anew from the log.
    pub(crate) fn repair(&self, reason: String) {
        let _ = self.jobs.send(Job::Repair(reason));
    }

    /// Whether the index, when it was opened, had taken in more than the log
    /// holds: the log is an older one than was here before.
    pub(crate) fn log_fell_back(&self) -> bool {
        self.log_fell_back
    }

    /// The log position that is taken in.
    pub(crate) fn position(&self) -> LogPosition {
        *self.position.borrow()
    }

    /// Waits until `position` is taken in, but no longer than `limit`, and not
    /// while the index cannot be written.
    pub(crate) async fn reached(&self, position: LogPosition, limit: Duration) {
        let (mut reached, mut stuck) = (self.position.clone(), self.stuck.clone());
        let _ = tokio::time::timeout(limit, async {
            tokio::select! {
                _ = reached.wait_for(|p| *p >= position) => {}
                _ = stuck.wait_for(|stuck| *stuck) => {}
            }
        })
        .await;
    }

    /// Waits until more is taken in than was when this was called.
    pub(crate) async fn moved(&self) {
        let mut position = self.position.clone();
        position.mark_unchanged();
        // An ended thread takes in nothing more; whoever waits is stopped, too.
        if position.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the thread after what it is doing.
    pub(crate) fn stop(&mut self) {
        let _ = self.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The facts' look-up of bytes that are here.
pub(crate) fn bytes_here(holdings: &Arc<Holdings>) -> studytime_index::BytesHere {
    let holdings = Arc::clone(holdings);
    studytime_index::BytesHere::new(move |blob, manifest| holdings.presence(blob, manifest))
}

fn options(facts: &Facts, subjects: Option<&Arc<SubjectTable>>) -> Options {
    Options {
        facts: facts.clone(),
        subjects: subjects.cloned(),
        ..Options::default()
    }
}
