//! Giving torrents: listening, telling trackers, answering who asks.

use super::held;
use super::seed::Seed;
use super::seeding::Seeded;
use super::source::FileReader;
use super::swarm::blocking;
use super::tracker::{self, Announce, What};
use super::wire::{Block, Fault, HANDSHAKE, Handshake};
use crate::mirror::web::Web;
use crate::node::Node;
use crate::store::LockKind;
use bytes::BytesMut;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The port, unless the user says another.
const PORT: u16 = 6881;
/// Connections of all torrents together that others made, and that we made.
pub(super) const MAX_PEERS: usize = 50;
/// Peers of one torrent that are called, of those that trackers name.
const MAX_CALLED: usize = 30;
/// Bytes that are read at a time.
const BATCH: u32 = 128 << 10;
/// How long a connection, a greeting or a send may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody may say nothing.
const SILENCE: Duration = Duration::from_secs(130);
/// How long a tracker is waited for when we leave.
const GOODBYE: Duration = Duration::from_secs(3);
/// How soon somebody is called again who began anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Listens and tells trackers, when there is something to give and this node stays.
pub(crate) async fn start(node: &Node) {
    let torrents = &node.inner().mirrors.torrents;
    let nothing = held(&torrents.seeding.all).is_empty();
    if node.inner().dir.kind() != LockKind::Serve
        || nothing
        || torrents.seeding.listening.get().is_some()
    {
        return;
    }
    match listen(node).await {
        Ok(Some(listener)) => {
            if let Ok(at) = listener.local_addr()
                && torrents.seeding.listening.set(at).is_ok()
            {
                node.inner().tasks.spawn(accept(node.clone(), listener));
            }
        }
        Ok(None) => {}
        Err(why) => node.trouble(format!("torrents are not given: {why}")),
    }
}

/// Takes up what was given before, and tells the trackers.
pub(crate) async fn resume(node: &Node) {
    start(node).await;
    let all: Vec<Arc<Seeded>> = held(&node.inner().mirrors.torrents.seeding.all)
        .values()
        .cloned()
        .collect();
    for seeded in all {
        announce(node, seeded);
    }
}

async fn listen(node: &Node) -> Result<Option<TcpListener>, String> {
    let said = node.inner().config.torrent_listen.as_deref();
    if let Some(text) = said {
        let bound = TcpListener::bind(text).await;
        return bound
            .map(Some)
            .map_err(|e| format!("`torrent_listen` = {text:?} in config.toml: {e}"));
    }
    let Some(at) = node.inner().builder.listen else {
        return Ok(None);
    };
    // A node for this machine, or with any port, is one for tests and trials.
    let free = SocketAddr::new(at.ip(), 0);
    if at.ip().is_loopback() || at.port() == 0 {
        return bind(free).await.map(Some);
    }
    match bind(SocketAddr::new(at.ip(), PORT)).await {
        Ok(listener) => Ok(Some(listener)),
        Err(_) => bind(free).await.map(Some),
    }
}

async fn bind(at: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(at).await;
    bound.map_err(|e| format!("{at}: {e}"))
}

async fn accept(node: Node, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(MAX_PEERS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = node.inner().stop.cancelled() => return,
        };
        let Ok((stream, address)) = accepted else {
            // Too many open files, for example.
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        };
        // With all places taken, another may try later.
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let guest = node.clone();
            node.inner().tasks.spawn(async move {
                let _place = place;
                if let Err(why) = guest.serve_guest(stream).await {
                    tracing::debug!("{address} who asked for a torrent: {why}");
                }
            });
        }
    }
}

/// Says goodbye to a torrent's count of peers.
struct Counted<'a>(&'a Seeded);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.peers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    /// Somebody came.
    async fn serve_guest(&self, mut stream: TcpStream) -> Result<(), String> {
        let torrents = &self.inner().mirrors.torrents;
        let greeting = greeting(&mut stream).await?;
        let seeded = held(&torrents.seeding.all).get(&greeting.hash).cloned();
        let seeded = seeded.ok_or_else(|| Fault::OtherTorrent.to_string())?;
        let me = torrents.me();
        if greeting.peer == me {
            return Err(Fault::Myself.to_string());
        }
        send(&mut stream, &ours(&seeded, me)).await?;
        self.give(stream, &seeded, greeting.extended)
            .await
            .map(drop)
    }

    /// Calls somebody whom a tracker named. Some hang up and begin anew once they
    /// know what the torrent holds: they are called a second time.
    async fn call_peer(&self, address: SocketAddr, seeded: &Seeded) -> Result<(), String> {
        if self.call_once(address, seeded).await? {
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = seeded.stop.cancelled() => return Ok(()),
            }
            self.call_once(address, seeded).await?;
        }
        Ok(())
    }

    /// Answers whether nothing but the description was taken.
    async fn call_once(&self, address: SocketAddr, seeded: &Seeded) -> Result<bool, String> {
        let me = self.inner().mirrors.torrents.me();
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
        let mut stream = stream
            .map_err(|e| e.to_string())?
            .map_err(|e| e.to_string())?;
        send(&mut stream, &ours(seeded, me)).await?;
        let greeting = greeting(&mut stream).await?;
        if greeting.hash != seeded.hash || greeting.peer == me {
            return Err(Fault::OtherTorrent.to_string());
        }
        self.give(stream, seeded, greeting.extended).await
    }

    /// Answers whether nothing but the description was taken.
    async fn give(
        &self,
        stream: TcpStream,
        seeded: &Seeded,
        extended: bool,
    ) -> Result<bool, String> {
        seeded.peers.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(seeded);
        let pieces = seeded.info.pieces();
        let mut seed = Seed::new(Arc::clone(&seeded.description), pieces, extended);
        let end = tokio::select! {
            end = self.answer_blocks(stream, seeded, &mut seed) => end,
            () = seeded.stop.cancelled() => Ok(()),
        };
        match seed.only_described() {
            // However it hung up.
            true => Ok(true),
            false => end.map(|()| false),
        }
    }

    async fn answer_blocks(
        &self,
        mut stream: TcpStream,
        seeded: &Seeded,
        seed: &mut Seed,
    ) -> Result<(), String> {
        let _ = stream.set_nodelay(true);
        let mut reader = Some(FileReader::new(self, seeded.file.clone()));
        let mut buf = BytesMut::with_capacity(16 << 10);
        loop {
            let mut blocks = Vec::new();
            let mut bytes = 0;
            while bytes < BATCH
                && let Some(block) = seed.poll_block()
            {
                bytes += block.len;
                blocks.push((place(seeded, &block)?, block));
            }
            if !blocks.is_empty() {
                let mut from = reader.take().ok_or("the file is being read")?;
                let read = tokio::task::spawn_blocking(move || {
                    let mut answers = Vec::with_capacity(blocks.len());
                    for (at, block) in blocks {
                        let mut data = vec![0; block.len as usize];
                        from.read(at, &mut data)?;
                        answers.push((block, data));
                    }
                    Ok::<_, String>((from, answers))
                });
                let read = read.await.map_err(|e| e.to_string())?;
                let (from, answers) = read.inspect_err(|why| {
                    *held(&seeded.trouble) = Some(why.clone());
                })?;
                reader = Some(from);
                for (block, data) in answers {
                    seed.give(block, data.into());
                    seeded.sent.fetch_add(block.len.into(), Ordering::Relaxed);
                }
            }
            let output = seed.take_output();
            if !output.is_empty() {
                send(&mut stream, &output).await?;
                continue;
            }
            if seed.is_complete() {
                return Ok(());
            }
            let read = timeout(SILENCE, stream.read_buf(&mut buf)).await;
            let read = read.map_err(|_| "it went silent")?;
            if read.map_err(|e| e.to_string())? == 0 {
                return Ok(());
            }
            seed.receive(&buf).map_err(|e| e.to_string())?;
            buf.clear();
        }
    }
}

fn ours(seeded: &Seeded, me: [u8; 20]) -> [u8; HANDSHAKE] {
    Handshake {
        hash: seeded.hash,
        peer: me,
        extended: true,
    }
    .write()
}

/// Where a block lies in the file; it must lie within its piece.
fn place(seeded: &Seeded, block: &Block) -> Result<u64, String> {
    let end = block.begin.checked_add(block.len);
    if end.is_none_or(|end| end > seeded.info.piece_len(block.piece)) {
        return Err("it asks for what is not in the torrent".into());
    }
    let piece = u64::from(block.piece) * u64::from(seeded.info.piece_length);
    Ok(piece + u64::from(block.begin))
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    // Piece by piece: a slow line is not a dead one.
    for part in bytes.chunks(64 << 10) {
        let sent = timeout(PATIENCE * 3, stream.write_all(part)).await;
        sent.map_err(|_| "it does not take what it asked for")?
            .map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Reads a greeting, and gives up at the first byte that cannot belong to one:
/// other clients try encryption first and come again when that is refused.
async fn greeting(stream: &mut TcpStream) -> Result<Handshake, String> {
    let read = async {
        let mut bytes = [0; HANDSHAKE];
        let mut len = 0;
        while len < HANDSHAKE {
            let n = stream.read(bytes.get_mut(len..).unwrap_or_default()).await;
            len += match n.map_err(|e| e.to_string())? {
                0 => return Err("it hung up".to_owned()),
                n => n,
            };
            if !Handshake::may_begin(bytes.get(..len.min(20)).unwrap_or_default()) {
                return Err(Fault::Foreign.to_string());
            }
        }
        Handshake::read(&bytes).map_err(|e| e.to_string())
    };
    let read = timeout(PATIENCE, read).await;
    read.map_err(|_| "it does not say who it is".to_owned())?
}

/// Tells a torrent's trackers that it is here, as long as it is, and calls those
/// whom they name.
pub(crate) fn announce(node: &Node, seeded: Arc<Seeded>) {
    if seeded.announced.swap(true, Ordering::Relaxed)
        || node.inner().dir.kind() != LockKind::Serve
        || seeded.trackers().is_empty()
    {
        return;
    }
    let web = Web::new(seeded.spec.private, &node.inner().builder.http);
    let web = match web {
        Ok(web) => Arc::new(web),
        Err(error) => {
            *held(&seeded.trouble) = Some(crate::mirror::words(&error));
            return;
        }
    };
    for tracker in seeded.trackers().to_vec() {
        let (node, web) = (node.clone(), Arc::clone(&web));
        let seeded = Arc::clone(&seeded);
        let tasks = node.inner().tasks.clone();
        tasks.spawn(async move { follow(&node, &seeded, &web, &tracker).await });
    }
}

async fn follow(node: &Node, seeded: &Arc<Seeded>, web: &Arc<Web>, tracker: &str) {
    let torrents = &node.inner().mirrors.torrents;
    let private = seeded.spec.private;
    let ask = |what| {
        let announce = Announce {
            hash: seeded.hash,
            me: torrents.me(),
            port: torrents
                .seeding
                .listening
                .get()
                .map_or(PORT, SocketAddr::port),
            left: 0,
            sent: seeded.sent.load(Ordering::Relaxed),
            what,
        };
        let (web, tracker) = (Arc::clone(web), tracker.to_owned());
        let asked = move || tracker::ask(&web, private, &tracker, &announce);
        blocking(torrents.gate(), asked)
    };
    let mut what = What::Started;
    let mut called = HashSet::new();
    loop {
        let again = match ask(what).await {
            Ok(answer) => {
                what = What::Going;
                *held(&seeded.trouble) = None;
                for peer in answer.peers {
                    let new = tracker::may(&peer, private) && called.len() < MAX_CALLED;
                    if new && called.insert(peer) {
                        let (node, seeded) = (node.clone(), Arc::clone(seeded));
                        let tasks = node.inner().tasks.clone();
                        tasks.spawn(async move {
                            let torrents = &node.inner().mirrors.torrents;
                            // With all places taken, it may come by itself.
                            let Ok(_place) = torrents.seeding.calls().try_acquire() else {
                                return;
                            };
                            if let Err(why) = node.call_peer(peer, &seeded).await {
                                tracing::debug!("{peer} of a torrent: {why}");
                            }
                        });
                    }
                }
                answer.again
            }
            Err(why) => {
                *held(&seeded.trouble) = Some(why);
                Duration::from_secs(60)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(again) => called.clear(),
            () = seeded.stop.cancelled() => break,
        }
    }
    let _ = timeout(GOODBYE, ask(What::Stopped)).await;
}
