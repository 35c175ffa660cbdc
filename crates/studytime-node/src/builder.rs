//! How a node is set up.

use crate::http::HttpOptions;
use crate::net::Lan;
use crate::node::{Node, OpenError};
use crate::store::LockKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use studytime_schema::{FeedId, HmacKey, NetworkKey};

/// Sets up a [`Node`]. Every setting has a default that fits most.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use studytime_node::{Builder, api::Whoami};
/// let node = Builder::new("/tmp/my-courses").listen(None).open().await?;
/// println!("{}", node.handle().call(Whoami {}).await?.id);
/// node.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) data_dir: PathBuf,
    pub(crate) network: NetworkKey,
    pub(crate) hmac: Option<HmacKey>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) kind: LockKind,
    pub(crate) lock_wait: Duration,
    pub(crate) schedule: bool,
    pub(crate) accept_strangers: bool,
    pub(crate) is_pub: bool,
    pub(crate) seed_lists: Vec<FeedId>,
    pub(crate) default_lists: bool,
    pub(crate) control: bool,
    pub(crate) handshake_timeout: Duration,
    pub(crate) lan: Option<Lan>,
    pub(crate) http: HttpOptions,
    pub(crate) utc_offset: fn(u64) -> i32,
    pub(crate) mirror_wait: Duration,
}

impl Builder {
    /// A node that keeps everything in `data_dir`, which it makes if need be.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            network: NetworkKey::MAIN,
            hmac: None,
            listen: None,
            kind: LockKind::Serve,
            lock_wait: Duration::ZERO,
            schedule: true,
            accept_strangers: true,
            is_pub: false,
            seed_lists: Vec::new(),
            default_lists: true,
            control: true,
            handshake_timeout: Duration::from_secs(15),
            lan: None,
            http: HttpOptions::default(),
            utc_offset: |_| 0,
            mirror_wait: Duration::from_secs(10),
        }
    }

    /// The network to belong to. Default: the main Scuttlebutt network.
    #[must_use]
    pub fn network(mut self, key: NetworkKey) -> Self {
        self.network = key;
        self
    }

    /// The key that messages are signed with beside the author's. Default: none,
    /// as on the main network.
    #[must_use]
    pub fn hmac(mut self, key: Option<HmacKey>) -> Self {
        self.hmac = key;
        self
    }

    /// Where to listen for peers; port 0 picks a free one. Default: nowhere.
    #[must_use]
    pub fn listen(mut self, address: Option<SocketAddr>) -> Self {
        self.listen = address;
        self
    }

    /// A node for one command: does not listen, dial by itself or open a control
    /// socket, and waits up to `wait` for another such command to leave.
    #[must_use]
    pub fn oneshot(mut self, wait: Duration) -> Self {
        self.kind = LockKind::Oneshot;
        self.lock_wait = wait;
        self.schedule = false;
        self.control = false;
        self.listen = None;
        self.lan = None;
        self
    }

    /// Whether to dial known peers by itself. Default: yes.
    #[must_use]
    pub fn schedule(mut self, on: bool) -> Self {
        self.schedule = on;
        self
    }

    /// Whether nodes on the local network find this one and are found by it, as
    /// long as it [dials by itself](Self::schedule). Default: no.
    #[must_use]
    pub fn lan(mut self, lan: Option<Lan>) -> Self {
        self.lan = lan;
        self
    }

    /// Whether feeds nobody here follows may connect. Default: yes; they may
    /// exchange course and list feeds and their blobs, under caps.
    #[must_use]
    pub fn accept_strangers(mut self, on: bool) -> Self {
        self.accept_strangers = on;
        self
    }

    /// Whether to act as a community's pub: follow whoever redeems an invite.
    /// Default: no.
    #[must_use]
    pub fn public(mut self, on: bool) -> Self {
        self.is_pub = on;
        self
    }

    /// Lists whose courses are all kept whole. Default: none.
    #[must_use]
    pub fn seed_lists(mut self, lists: Vec<FeedId>) -> Self {
        self.seed_lists = lists;
        self
    }

    /// Whether the course lists bundled with the program are wanted as long as
    /// the user has not chosen lists. Default: yes.
    #[must_use]
    pub fn default_lists(mut self, on: bool) -> Self {
        self.default_lists = on;
        self
    }

    /// Whether to open the control socket for commands. Default: yes.
    #[must_use]
    pub fn control(mut self, on: bool) -> Self {
        self.control = on;
        self
    }

    /// How long a handshake may take. Default: 15 seconds.
    #[must_use]
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Certificates (DER) to trust in HTTPS beside those of the system, for a
    /// school's own authority. Default: none.
    #[must_use]
    pub fn trust_certificates(mut self, roots: Vec<Vec<u8>>) -> Self {
        self.http.extra_roots = roots;
        self
    }

    /// Whether links to this machine itself may be `http://`. Default: no; for
    /// tests and for room servers in development.
    #[must_use]
    pub fn plain_http_to_loopback(mut self, on: bool) -> Self {
        self.http.plain_loopback = on;
        self
    }

    /// How many seconds the clocks here are ahead of UTC at a time, in milliseconds
    /// since 1970: what the hours of downloads are reckoned in. Default: not at all.
    #[must_use]
    pub fn utc_offset(mut self, offset: fn(u64) -> i32) -> Self {
        self.utc_offset = offset;
        self
    }

    /// How long a file is looked for at peers before a mirror is asked.
    /// Default: 10 seconds.
    #[must_use]
    pub fn mirror_wait(mut self, wait: Duration) -> Self {
        self.mirror_wait = wait;
        self
    }

    /// Opens the stores and starts the node. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`OpenError`]: the directory is in use or damaged, or an address cannot
    /// be listened on.
    pub async fn open(self) -> Result<Node, OpenError> {
        Node::open(self).await
    }
}
