//! Taking parts of a file from those who share a torrent.

use super::held;
use super::leech::{Event, Leech};
use super::magnet::Magnet;
use super::metainfo::Info;
use super::pieces::{PeerNo, Pieces};
use super::tracker::{self, Announce, Answer, What};
use super::wire::Fault;
use crate::clock::now_ms;
use crate::mirror::web::Web;
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Peers connected at a time.
const MAX_PEERS: usize = 8;
/// Addresses remembered of one swarm.
const MAX_KNOWN: usize = 500;
/// How long a connection may take to come about, or a send.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing may come before the file is not had from here.
const STALLED: Duration = Duration::from_secs(30);
/// How long a swarm is kept that nobody asks.
const IDLE: Duration = Duration::from_secs(60);
/// How long a tracker is waited for when we leave.
const GOODBYE: Duration = Duration::from_secs(3);
/// When an address that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Trackers want a port; nobody listens at it, for what is taken here is passed on
/// through this program's own network.
const NO_PORT: u16 = 51_413;

/// Why a torrent gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SwarmError {
    /// Nobody could be reached, or nothing came: perhaps later.
    #[error("{0}")]
    Later(String),
    /// It is not what it was said to be: asking again does not help.
    #[error("{0}")]
    Refused(String),
}

/// How an address is doing.
#[derive(Debug, Clone, Copy)]
enum Known {
    Untried,
    Connected,
    Failed(Instant),
    Banned,
}

#[derive(Default)]
struct State {
    info: Option<Arc<Info>>,
    pieces: Pieces,
    known: HashMap<SocketAddr, Known>,
    /// Trackers and names that are being asked.
    asking: usize,
    /// What went wrong last.
    trouble: Option<String>,
    /// It can never be used, and why.
    refused: Option<String>,
}

/// Those who share one torrent, as far as we ask them.
pub(super) struct Swarm {
    magnet: Magnet,
    me: [u8; 20],
    private: bool,
    gate: Arc<Semaphore>,
    state: Mutex<State>,
    changed: Notify,
    stop: CancellationToken,
    /// Numbers for connections, and for who waits.
    numbers: AtomicU64,
    readers: AtomicU64,
    used: Mutex<Instant>,
}

/// Somebody reads.
struct Reading<'a>(&'a Swarm);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.use_now();
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for pieces, and no more when dropped.
struct Waiting<'a> {
    swarm: &'a Swarm,
    who: u64,
    pieces: std::ops::Range<u32>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.swarm.lock();
        for piece in self.pieces.clone() {
            state.pieces.unwant(piece, self.who);
        }
    }
}

impl Swarm {
    /// Begins to look for peers. It ends by itself when nobody asks it for a while.
    pub(super) fn start(
        magnet: Magnet,
        me: [u8; 20],
        private: bool,
        gate: Arc<Semaphore>,
        web: Arc<Web>,
        stop: &CancellationToken,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        let swarm = Arc::new(Self {
            magnet,
            me,
            private,
            gate,
            state: Mutex::default(),
            changed: Notify::new(),
            stop: stop.child_token(),
            numbers: AtomicU64::new(0),
            readers: AtomicU64::new(0),
            used: Mutex::new(Instant::now()),
        });
        // Counted before anybody waits, so that nobody gives up too soon.
        swarm.lock().asking = swarm.magnet.trackers.len() + swarm.magnet.peers.len();
        runtime.spawn(Arc::clone(&swarm).run(web));
        swarm
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        held(&self.state)
    }

    fn use_now(&self) {
        *held(&self.used) = Instant::now();
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        let used = *held(&self.used);
        used.elapsed() > IDLE && self.is_idle_now()
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }

    /// Whether nobody reads.
    pub(super) fn is_idle_now(&self) -> bool {
        self.readers.load(Ordering::Relaxed) == 0
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Bytes of a stretch of the file that has `size` bytes in all; without a size,
    /// of the torrent's only file, which may have `max` at most. `range` is first
    /// byte and length; the whole when there is none.
    pub(super) async fn read(
        &self,
        size: Option<u64>,
        range: Option<(u64, u64)>,
        max: u64,
    ) -> Result<Bytes, SwarmError> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        let _reading = Reading(self);
        let info = self.until(|s| s.info.clone()).await?;
        let size = match size {
            Some(size) => size,
            None => info.only_file().ok_or_else(|| {
                SwarmError::Refused(
                    "the torrent has several files, and the video's length is not known".into(),
                )
            })?,
        };
        let begin = info.place_of(size).map_err(SwarmError::Refused)?;
        let (start, len) = range.unwrap_or((0, size));
        if len > max || start.checked_add(len).is_none_or(|end| end > size) {
            return Err(SwarmError::Refused(format!(
                "the torrent's file has {size} bytes, which does not fit"
            )));
        }
        // Within the file, whose end is known to be a number.
        let start = begin + start;
        let pieces = info.pieces_of(start, len);
        let who = self.number();
        let waiting = Waiting {
            swarm: self,
            who,
            pieces: pieces.clone(),
        };
        {
            let mut state = self.lock();
            for piece in pieces.clone() {
                state.pieces.want(piece, who);
            }
        }
        self.changed.notify_waiters();
        let mut out = BytesMut::with_capacity(usize::try_from(len).unwrap_or(0));
        let mut at = start;
        for piece in pieces {
            // Should it have come and gone meanwhile, it is wanted again.
            let bytes = self.until(|s| s.pieces.want(piece, who)).await?;
            let first = u64::from(piece) * u64::from(info.piece_length);
            let from = usize::try_from(at - first).unwrap_or(usize::MAX);
            let to = usize::try_from(start + len - first).unwrap_or(usize::MAX);
            let part = bytes.get(from..to.min(bytes.len())).unwrap_or_default();
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        drop(waiting);
        Ok(out.freeze())
    }

    /// Waits until something is there; not for ever.
    async fn until<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> Result<T, SwarmError> {
        let mut came = 0;
        let mut last = Instant::now();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(found) = look(&mut state) {
                    return Ok(found);
                }
                if let Some(why) = &state.refused {
                    return Err(SwarmError::Refused(why.clone()));
                }
                if state.pieces.came > came {
                    came = state.pieces.came;
                    last = Instant::now();
                }
                let hope = state.asking > 0
                    || state
                        .known
                        .values()
                        .any(|k| matches!(k, Known::Untried | Known::Connected));
                let over = self.is_over();
                if over || !hope || last.elapsed() > STALLED {
                    let what = match (over, hope) {
                        (true, _) => "it was stopped",
                        (_, false) => "nobody of the torrent could be reached",
                        (_, true) => "nothing came from the torrent",
                    };
                    let why = state.trouble.as_ref();
                    let why = why.map_or(String::new(), |t| format!(": {t}"));
                    return Err(SwarmError::Later(format!("{what}{why}")));
                }
            }
            // Time passes as well.
            let _ = timeout(LOOK, changed).await;
        }
    }

    /// Looks for peers and connects to them, until nobody asks any more.
    async fn run(self: Arc<Self>, web: Arc<Web>) {
        let mut finding = JoinSet::new();
        for tracker in self.magnet.trackers.clone() {
            let (swarm, web) = (Arc::clone(&self), Arc::clone(&web));
            finding.spawn(async move { swarm.follow(web, tracker).await });
        }
        for place in self.magnet.peers.clone() {
            let swarm = Arc::clone(&self);
            finding.spawn(async move {
                let private = swarm.private;
                let found = blocking(&swarm.gate, move || tracker::resolve(&place, private)).await;
                swarm.found(found);
            });
        }
        let mut peers = JoinSet::new();
        while !self.is_over() {
            while peers.len() < MAX_PEERS
                && let Some(address) = self.next_address()
            {
                let swarm = Arc::clone(&self);
                peers.spawn(async move { swarm.peer(address).await });
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                Some(_) = peers.join_next() => {}
                () = self.stop.cancelled() => {}
            }
            if self.is_idle() {
                self.stop.cancel();
            }
        }
        self.changed.notify_waiters();
        drop(peers);
        finding.shutdown().await;
        // Others need not call us any more.
        for tracker in self.magnet.trackers.clone() {
            let gone = self.ask(&web, tracker, What::Stopped);
            let _ = timeout(GOODBYE, gone).await;
        }
    }

    async fn ask(&self, web: &Arc<Web>, tracker: String, what: What) -> Result<Answer, String> {
        let announce = Announce {
            hash: self.magnet.hash,
            me: self.me,
            port: NO_PORT,
            // How much is missing is nobody's business, but that some is.
            left: 1,
            sent: 0,
            what,
        };
        let (web, private) = (Arc::clone(web), self.private);
        let ask = move || tracker::ask(&web, private, &tracker, &announce);
        blocking(&self.gate, ask).await
    }

    fn found(&self, found: Result<Vec<SocketAddr>, String>) {
        let mut state = self.lock();
        state.asking = state.asking.saturating_sub(1);
        match found {
            Ok(addresses) => {
                for address in addresses {
                    if state.known.len() < MAX_KNOWN {
                        state.known.entry(address).or_insert(Known::Untried);
                    }
                }
            }
            Err(why) => state.trouble = Some(why),
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Asks a tracker, again and again.
    async fn follow(&self, web: Arc<Web>, address: String) {
        let mut what = What::Started;
        loop {
            let answer = self.ask(&web, address.clone(), what).await;
            let (again, found) = match answer {
                Ok(answer) => {
                    what = What::Going;
                    let mut peers = answer.peers;
                    peers.retain(|p| tracker::may(p, self.private));
                    (answer.again, Ok(peers))
                }
                Err(why) => (Duration::from_secs(60), Err(why)),
            };
            self.found(found);
            tokio::time::sleep(again).await;
            self.lock().asking += 1;
        }
    }

    fn next_address(&self) -> Option<SocketAddr> {
        let mut state = self.lock();
        let due = state.known.iter_mut().find(|(_, k)| match k {
            Known::Untried => true,
            Known::Failed(at) => at.elapsed() > AGAIN,
            Known::Connected | Known::Banned => false,
        });
        let (address, known) = due?;
        *known = Known::Connected;
        Some(*address)
    }

    /// One peer, from the first byte to the last.
    async fn peer(&self, address: SocketAddr) {
        let number = self.number();
        let end = tokio::select! {
            end = self.talk(number, address) => end,
            () = self.stop.cancelled() => return,
        };
        let mut state = self.lock();
        state.pieces.release(number);
        let (known, why) = match end {
            Ok(()) => (Known::Failed(Instant::now()), None),
            Err(TalkError::Io(why)) => (Known::Failed(Instant::now()), Some(why)),
            Err(TalkError::Fault(Fault::Useless(why))) => {
                (Known::Failed(Instant::now()), Some(why.to_owned()))
            }
            Err(TalkError::Fault(fault)) => (Known::Banned, Some(fault.to_string())),
        };
        state.known.insert(address, known);
        if let Some(why) = why {
            tracing::debug!("{address} of the torrent {}: {why}", self.magnet.hash);
            state.trouble = Some(format!("{address}: {why}"));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn talk(&self, number: PeerNo, address: SocketAddr) -> Result<(), TalkError> {
        let silent = || TalkError::Io("it does not answer".into());
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
        let mut stream = stream.map_err(|_| silent())?.map_err(TalkError::io)?;
        let _ = stream.set_nodelay(true);
        let mut info = self.lock().info.clone();
        let mut leech = Leech::new(self.magnet.hash, self.me, info.is_none(), now_ms());
        let mut taking = None;
        let mut buf = BytesMut::with_capacity(64 << 10);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if info.is_none() {
                info = self.lock().info.clone();
                if info.is_some() {
                    leech.described();
                }
            }
            let now = now_ms();
            if let Some(piece) = taking
                && !self.lock().pieces.is_wanted(piece)
            {
                leech.drop_piece(piece);
                taking = None;
            }
            if let Some(info) = &info
                && leech.is_free()
            {
                let mut state = self.lock();
                // A piece that was taken and not given.
                state.pieces.release(number);
                taking = state.pieces.claim(number, |p| leech.has(p), now);
                drop(state);
                if let Some(piece) = taking {
                    leech.take(piece, info.piece_len(piece), now);
                }
            }
            if let Some(why) = leech.overdue(now) {
                return Err(TalkError::Io(why.into()));
            }
            let output = leech.take_output();
            if !output.is_empty() {
                let sent = timeout(PATIENCE, stream.write_all(&output)).await;
                sent.map_err(|_| silent())?.map_err(TalkError::io)?;
            }
            tokio::select! {
                read = stream.read_buf(&mut buf) => {
                    if read.map_err(TalkError::io)? == 0 {
                        return Err(TalkError::Io("it hung up".into()));
                    }
                    leech.receive(&buf, now_ms()).map_err(TalkError::Fault)?;
                    buf.clear();
                }
                () = changed => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            while let Some(event) = leech.poll_event() {
                match event {
                    Event::Described(bytes) => self.described(&bytes)?,
                    Event::Piece(piece, bytes) => {
                        taking = None;
                        let Some(info) = info.clone() else { continue };
                        self.came(info, piece, bytes).await?;
                    }
                }
            }
        }
    }

    fn described(&self, bytes: &[u8]) -> Result<(), TalkError> {
        match Info::read(bytes, &self.magnet.hash) {
            Ok(info) => {
                self.lock().info.get_or_insert_with(|| Arc::new(info));
            }
            Err(_) if super::metainfo::sha1(bytes) != self.magnet.hash.0 => {
                return Err(TalkError::Fault(Fault::Wrong));
            }
            // The torrent itself cannot be used, whoever describes it.
            Err(why) => self.lock().refused = Some(why),
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn came(&self, info: Arc<Info>, piece: u32, bytes: Vec<u8>) -> Result<(), TalkError> {
        let proven = tokio::task::spawn_blocking(move || {
            info.proves(piece, &bytes).then(|| Bytes::from(bytes))
        });
        let bytes = proven.await.ok().flatten();
        let bytes = bytes.ok_or(TalkError::Fault(Fault::Wrong))?;
        self.lock().pieces.arrived(piece, bytes);
        self.changed.notify_waiters();
        Ok(())
    }
}

/// Why a conversation ended.
enum TalkError {
    Io(String),
    Fault(Fault),
}

impl TalkError {
    fn io(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Runs what waits in system calls, a few at a time: the node has only so many threads
/// for that.
pub(super) async fn blocking<T: Send + 'static>(
    gate: &Semaphore,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let _place = gate.acquire().await.map_err(|e| e.to_string())?;
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(e.to_string()))
}
