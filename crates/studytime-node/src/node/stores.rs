//! The data directory and the stores in it, opened in order.

use super::OpenError;
use crate::builder::Builder;
use crate::store::{Config, DataDir, KeyRing, LockKind, OpenDirError, State};
use std::sync::Arc;
use std::time::{Duration, Instant};
use studytime_blobs::store::{BlobStore, FileStore};
use studytime_replicate::FeedStore;
use studytime_replicate::store::SqliteStore;

/// Setting: there has been a log of messages here.
const HAS_LOG: &str = "log";

pub(super) async fn take_dir(builder: &Builder) -> Result<DataDir, OpenDirError> {
    let deadline = Instant::now() + builder.lock_wait;
    loop {
        match DataDir::take(&builder.data_dir, builder.kind) {
            // A running node does not leave; another command does.
            Err(OpenDirError::InUse { kind, .. })
                if kind != Some(LockKind::Serve) && Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}

/// What stands in a data directory, opened.
pub(super) struct Stores {
    pub(super) dir: DataDir,
    pub(super) config: Config,
    pub(super) keys: KeyRing,
    pub(super) state: Arc<State>,
    pub(super) feeds: Arc<dyn FeedStore>,
    pub(super) blobs: Arc<dyn BlobStore>,
}

impl Stores {
    pub(super) fn open(dir: DataDir) -> Result<Self, OpenError> {
        crate::backup::finish(dir.path()).map_err(|source| OpenError::Restore {
            dir: dir.path().to_owned(),
            source,
        })?;
        crate::backup::remove_copies(dir.path());
        let config = Config::read(&dir.join("config.toml"))?;
        let state = Arc::new(State::open(&dir.join("state.db"))?);
        let had_key = dir.join("keys").join("main.secret").exists();
        let first_start = state.setting(HAS_LOG)?.is_none();
        let feeds: Arc<dyn FeedStore> = Arc::new(open_feeds(&dir, &state)?);
        // Last: where there is a key there was a log.
        let keys = KeyRing::open(dir.join("keys"))?;
        if first_start && had_key && feeds.last_position()?.0 == 0 {
            // Put here by hand: its feed may be long elsewhere.
            crate::guard::lock_restored(&state, &keys)?;
        }
        let (blobs, opened) = FileStore::open(dir.path())?;
        if opened.unclean {
            tracing::info!(
                "the last run did not end properly; blobs fetched then are checked before use"
            );
        }
        Ok(Self {
            dir,
            config,
            keys,
            state,
            feeds,
            blobs: Arc::new(blobs),
        })
    }
}

fn open_feeds(dir: &DataDir, state: &State) -> Result<SqliteStore, OpenError> {
    let path = dir.join("feeds.db");
    if state.setting(HAS_LOG)?.is_none() {
        let feeds = SqliteStore::open(path)?;
        state.set_setting(HAS_LOG, "1")?;
        return Ok(feeds);
    }
    match SqliteStore::open_existing(path) {
        Err(studytime_replicate::StoreError::Gone) => Err(OpenError::FeedsGone {
            dir: dir.path().to_owned(),
        }),
        other => Ok(other?),
    }
}
