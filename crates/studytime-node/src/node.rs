//! The node: everything wired together, opened and closed in order.

mod error;
mod stores;

pub use error::OpenError;

use crate::api::{ApiError, Event};
use crate::builder::Builder;
use crate::event::{CAPACITY, Events};
use crate::handle::Handle;
use crate::holdings::Holdings;
use crate::hub::Hub;
use crate::indexer::{Indexer, IndexerSetup};
use crate::nearby::Nearby;
use crate::replan::Replan;
use crate::store::{Config, DataDir, KeyRing, LockKind, OwnKind, State};
use crate::writer::Writer;
use crate::{control, mirror, net, policy, prefetch, sample, storage, tasks};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use stores::{Stores, take_dir};
use studytime_blobs::store::BlobStore;
use studytime_index::Reader;
use studytime_replicate::{FeedStore, PeerId};
use studytime_schema::{BlobId, FeedId};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a single command waits for the index at its start; longer only while
/// the index is built anew.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);

/// Everything a node holds. Fields are dropped in this order: first what
/// writes, last the directory's lock.
pub(crate) struct Inner {
    pub(crate) builder: Builder,
    pub(crate) config: Config,
    pub(crate) writer: Writer,
    pub(crate) indexer: Indexer,
    pub(crate) hub: Hub,
    pub(crate) feeds: Arc<dyn FeedStore>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) state: Arc<State>,
    pub(crate) policy: policy::Policy,
    pub(crate) prefetch: prefetch::Prefetch,
    pub(crate) storage: storage::Storage,
    pub(crate) mirrors: mirror::Mirrors,
    keys: Mutex<KeyRing>,
    id: FeedId,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) listening: OnceLock<SocketAddr>,
    pub(crate) net: net::Net,
    /// What connected StudyTime nodes offer.
    pub(crate) nearby: Nearby,
    pub(crate) rooms: net::room::Rooms,
    /// One invite at a time is counted and answered with a follow.
    pub(crate) redeeming: tokio::sync::Mutex<()>,
    http: Mutex<Option<String>>,
    /// Blobs whose text the index waits for.
    texts: Mutex<BTreeSet<BlobId>>,
    blob_news: OnceLock<mpsc::UnboundedSender<prefetch::Arrival>>,
    /// Lists and courses that a call is making.
    making: Mutex<BTreeSet<FeedId>>,
    /// Courses a person looked at in this run: replicated before merely listed ones.
    opened: Mutex<BTreeSet<FeedId>>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Something changed that decides what is replicated.
    pub(crate) replan: Replan,
    pub(crate) dir: DataDir,
}

/// A running node. Cheap to clone; [`shutdown`](Node::shutdown) ends it for all.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Node").field(&self.0.id).finish()
    }
}

impl Inner {
    pub(crate) fn set_blob_news(&self, sender: mpsc::UnboundedSender<prefetch::Arrival>) {
        let _ = self.blob_news.set(sender);
    }

    /// Which texts the index waits for, from now on.
    pub(crate) fn set_texts(&self, blobs: BTreeSet<BlobId>) {
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = blobs;
    }

    /// Those of the blobs whose text was waited for; they are no longer.
    pub(crate) fn take_wanted_texts(&self, blobs: &[BlobId]) -> Vec<BlobId> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.iter().filter(|b| texts.remove(b)).copied().collect()
    }

    /// A blob is in the store, fetched or added: everybody who waits is told.
    pub(crate) fn blob_stored(&self, blob: BlobId, size: u64, from: Option<PeerId>) {
        self.blob_arrived(blob, size, from, from.is_some());
    }

    /// Like [`blob_stored`](Self::blob_stored), for one that came from a mirror.
    pub(crate) fn blob_mirrored(&self, blob: BlobId, size: u64) {
        self.blob_arrived(blob, size, None, true);
    }

    fn blob_arrived(&self, blob: BlobId, size: u64, from: Option<PeerId>, fetched: bool) {
        self.storage.stored(size, fetched);
        self.holdings.arrived(&blob);
        self.hub.stored(blob, size, from);
        if let Some(news) = self.blob_news.get() {
            let _ = news.send(prefetch::Arrival {
                blob,
                size,
                fetched,
            });
        }
    }
}

impl Node {
    pub(crate) async fn open(builder: Builder) -> Result<Self, OpenError> {
        let dir = take_dir(&builder).await?;
        let opened = tokio::task::spawn_blocking(move || Stores::open(dir))
            .await
            .map_err(|e| OpenError::Thread(std::io::Error::other(e)))??;
        let (write_tx, write_rx) = mpsc::unbounded_channel();
        let (index_tx, index_rx) = mpsc::unbounded_channel();
        let Stores {
            dir,
            config,
            keys,
            state,
            feeds,
            blobs,
        } = opened;
        let holdings = Arc::new(Holdings::new(Arc::clone(&blobs)));
        let policy = policy::Policy::load(&state, &feeds, &keys, &builder)?;
        let writer =
            Writer::start(Arc::clone(&feeds), builder.hmac, write_tx).map_err(OpenError::Thread)?;
        let indexer = Indexer::start(IndexerSetup {
            dir: dir.join("index"),
            feeds: Arc::clone(&feeds),
            log_end: feeds.last_position()?,
            keys: keys.main().clone(),
            facts: policy.facts(&holdings),
            subjects: config.subjects(),
            graph: policy.graph(),
            state: Arc::clone(&state),
            news: index_tx,
        })?;
        let id = keys.main().id();
        let fell_back = indexer.log_fell_back();
        if fell_back {
            crate::guard::lock_restored(&state, &keys)?;
        }
        let mut locks = state.locks()?;
        // A key that was taken out by hand locks nothing.
        locks.retain(|(feed, _)| keys.get(feed).is_some());
        let hub = Hub::new(
            &feeds,
            &blobs,
            &locks,
            crate::guard::chosen(&state, &config),
        )?;
        let (events, _) = broadcast::channel(CAPACITY);
        let node = Self(Arc::new(Inner {
            builder,
            config,
            writer,
            indexer,
            hub,
            feeds,
            blobs,
            holdings,
            state,
            policy,
            prefetch: prefetch::Prefetch::default(),
            storage: storage::Storage::default(),
            mirrors: mirror::Mirrors::default(),
            keys: Mutex::new(keys),
            id,
            events,
            listening: OnceLock::new(),
            net: net::Net::default(),
            nearby: Nearby::default(),
            rooms: net::room::Rooms::default(),
            redeeming: tokio::sync::Mutex::default(),
            http: Mutex::new(None),
            texts: Mutex::default(),
            blob_news: OnceLock::new(),
            making: Mutex::default(),
            opened: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            replan: Replan::default(),
            dir,
        }));
        if fell_back {
            node.trouble(crate::guard::FELL_BACK.to_owned());
        }
        if node.0.builder.default_lists {
            sample::install(&node).await?;
        }
        let rules = node.blocking(|n| {
            n.load_download_rules()?;
            n.load_mirrors()?;
            #[cfg(feature = "bittorrent")]
            mirror::torrent::load(n)?;
            Ok(())
        });
        if let Err(error) = rules.await {
            node.trouble(error.message);
        }
        tasks::spawn(&node, write_rx, index_rx);
        let _ = node.blocking(|n| n.show_positions()).await;
        if node.0.builder.kind == LockKind::Oneshot {
            // One command, one answer: it is to see all of the log.
            let last = node.0.feeds.last_position()?;
            node.0.indexer.reached(last, CAUGHT_UP_WITHIN).await;
        }
        node.replan_now().await;
        node.complete_unfinished().await;
        if node.0.builder.kind == LockKind::Serve {
            crate::calls::invites::complete(&node).await;
        }
        if let Some(address) = node.0.builder.listen {
            let bound = net::listen(&node, address)
                .await
                .map_err(|source| OpenError::Listen { address, source })?;
            let _ = node.0.listening.set(bound);
        }
        #[cfg(feature = "bittorrent")]
        mirror::torrent::resume(&node).await;
        if node.0.builder.schedule {
            net::start(&node).await;
        }
        if node.0.builder.control {
            control::serve(&node)
                .await
                .map_err(|source| OpenError::Control {
                    dir: node.0.dir.path().to_owned(),
                    source,
                })?;
        }
        Ok(node)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The main feed.
    pub fn id(&self) -> FeedId {
        self.0.id
    }

    /// The face of this node.
    pub fn handle(&self) -> Handle {
        Handle::Local(self.clone())
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events::follow(self.0.events.subscribe())
    }

    /// The address peers can dial; `None` when not listening.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.0.listening.get().copied()
    }

    /// Says where the pages are, for `status`.
    pub fn set_http(&self, url: Option<String>) {
        *self.0.http.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    pub(crate) fn http(&self) -> Option<String> {
        self.0
            .http
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_making(&self) -> MutexGuard<'_, BTreeSet<FeedId>> {
        self.0.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn own_kind(&self, id: &FeedId) -> Option<OwnKind> {
        self.keys().get(id).map(|f| f.kind)
    }

    /// The querying side of the index.
    pub(crate) fn reader(&self) -> Reader {
        self.0.indexer.reader()
    }

    pub(crate) fn emit(&self, event: Event) {
        // Nobody listening is fine.
        let _ = self.0.events.send(event);
    }

    /// Runs blocking work (SQLite, files, the index) off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let node = self.clone();
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .map_err(|e| ApiError::failed("a task of the node failed", &e))?
    }

    /// Remembers that a person looked at a course.
    pub(crate) fn opened(&self, course: FeedId) {
        let new = self
            .0
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(course);
        if new {
            self.0.replan.notify_one();
        }
    }

    pub(crate) fn opened_courses(&self) -> Vec<FeedId> {
        let opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().copied().collect()
    }

    /// Stops everything in order: no new work, connections said goodbye to,
    /// threads joined, stores flushed. Positions not yet published are published.
    pub async fn shutdown(&self) {
        if self.0.stop.is_cancelled() {
            return;
        }
        if self.0.dir.kind() == LockKind::Serve {
            let _ = crate::calls::learner::publish_positions(self, true).await;
        }
        self.0.stop.cancel();
        self.0.prefetch.clear();
        self.0.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.0.tasks.wait()).await;
        let node = self.clone();
        let _ = tokio::task::spawn_blocking(move || node.0.blobs.flush()).await;
        let _ = std::fs::remove_file(control::socket_path(self.0.dir.path()));
    }

    /// A token that is cancelled when the node stops.
    pub fn stopped(&self) -> CancellationToken {
        self.0.stop.clone()
    }
}
