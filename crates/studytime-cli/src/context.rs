//! How a command finds the node it talks to.

use crate::args::Global;
use crate::data_dir;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::render::Out;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;
use studytime_node::api::{ApiError, Call};
use studytime_node::{Builder, Client, Handle, LockKind, Node, OpenDirError, OpenError};
use studytime_schema::NetworkKey;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a command waits for another one on the same data directory.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Between two looks whether a node that is starting answers already.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) dir: PathBuf,
    pub(crate) network: NetworkKey,
    pub(crate) out: Out,
    pub(crate) interrupt: Interrupt,
}

/// What to start when no node runs on the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Only what is here.
    Store,
    /// Other nodes: the ones known are dialled.
    Peers,
}

/// A node to talk to, for the time of one command.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) handle: Handle,
    /// The node that this command started, when none was running.
    local: Option<Node>,
    out: Out,
}

impl Session {
    /// Whether the node ends with this command.
    pub(crate) fn is_temporary(&self) -> bool {
        self.local.is_some()
    }

    /// Makes a request.
    pub(crate) async fn call<C: Call>(&self, call: C) -> Result<C::Reply, Failure> {
        Ok(self.handle.call(call).await?)
    }

    /// Makes a long request with a progress bar.
    pub(crate) async fn call_with_bar<C: Call>(&self, call: C) -> Result<C::Reply, Failure> {
        let mut bars = self.out.bars();
        Ok(self.handle.call_with(call, |p| bars.update(p)).await?)
    }
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let network = match global.network_key {
            Some(key) => key,
            None => network_from_environment()?,
        };
        let dir = data_dir::choose(global.data_dir).ok_or_else(|| {
            Failure::usage(
                "this system names no home directory; say where to keep everything with --data-dir",
            )
        })?;
        Ok(Self {
            dir: absolute(&dir)?,
            network,
            out: Out::new(global.json, global.quiet),
            interrupt: Interrupt::listen(),
        })
    }

    /// A node on the data directory that stays: the settings all ways of
    /// starting one share.
    pub(crate) fn builder(&self) -> Builder {
        Builder::new(&self.dir)
            .network(self.network)
            .utc_offset(utc_offset)
    }

    /// Makes one request to the node, whether one is running or not.
    pub(crate) async fn call<C: Call>(&self, call: C) -> Result<C::Reply, Failure> {
        self.with(Needs::Store, async |session| session.call(call).await)
            .await
    }

    /// Like [`call`](Self::call), with a progress bar.
    pub(crate) async fn call_with_bar<C: Call>(&self, call: C) -> Result<C::Reply, Failure> {
        self.with(Needs::Store, async |session| {
            session.call_with_bar(call).await
        })
        .await
    }

    /// Does `work` with the node that runs on the data directory, or else with
    /// one for this command. Ctrl-C drops the work, which cancels its request.
    pub(crate) async fn with<T>(
        &self,
        needs: Needs,
        work: impl AsyncFnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let session = tokio::select! {
            session = self.open(needs) => session?,
            () = self.interrupt.wait() => return Err(Failure::cancelled()),
        };
        let result = tokio::select! {
            result = work(&session) => result,
            () = self.interrupt.wait() => Err(Failure::cancelled()),
        };
        if let Some(node) = &session.local {
            node.shutdown().await;
        }
        result
    }

    /// Does blocking work (waiting for standard input, long reckoning) on a
    /// thread of its own, which Ctrl-C leaves behind.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (tx, rx) = oneshot::channel();
        std::thread::spawn(move || tx.send(work()));
        tokio::select! {
            done = rx => done.unwrap_or_else(|e| Err(ApiError::failed("the work was broken off", &e).into())),
            () = self.interrupt.wait() => Err(Failure::cancelled()),
        }
    }

    async fn open(&self, needs: Needs) -> Result<Session, Failure> {
        let session = |handle, local| Session {
            handle,
            local,
            out: self.out.clone(),
        };
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            if let Some(client) = Client::connect(&self.dir).await? {
                return Ok(session(Handle::Remote(client), None));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let builder = self.builder().oneshot(left).schedule(needs == Needs::Peers);
            match builder.open().await {
                Ok(node) => return Ok(session(node.handle(), Some(node))),
                // A node that runs but does not answer is starting or closing.
                Err(OpenError::Dir(OpenDirError::InUse {
                    kind: Some(LockKind::Serve),
                    ..
                })) if !left.is_zero() => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Opens a node that stays, waiting for a command on the same data
    /// directory to leave.
    pub(crate) async fn open_serving(&self, builder: Builder) -> Result<Node, Failure> {
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match builder.clone().open().await {
                Ok(node) => return Ok(node),
                Err(OpenError::Dir(OpenDirError::InUse { kind, .. }))
                    if kind != Some(LockKind::Serve) && Instant::now() < deadline =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(OpenError::Dir(
                    error @ OpenDirError::InUse {
                        kind: Some(LockKind::Serve),
                        ..
                    },
                )) => {
                    return Err(ApiError::new(studytime_node::api::ErrorKind::Failed, error.to_string())
                        .hint("commands like `studytime status` reach it; end it first, or use another --data-dir")
                        .into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How many seconds the clocks here are ahead of UTC, as the system says.
fn utc_offset(now: u64) -> i32 {
    let now = i64::try_from(now).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    jiff::tz::TimeZone::system().to_offset(at).seconds()
}

fn network_from_environment() -> Result<NetworkKey, Failure> {
    match env::var("STUDYTIME_NETWORK_KEY") {
        Ok(text) if !text.is_empty() => text.parse().map_err(|e| {
            Failure::usage(format!(
                "the environment variable STUDYTIME_NETWORK_KEY is wrong: {e}"
            ))
        }),
        _ => Ok(NetworkKey::MAIN),
    }
}

/// The path as any process would understand it.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|_| Failure::usage(format!("{:?} is no path", path.display().to_string())))
}
