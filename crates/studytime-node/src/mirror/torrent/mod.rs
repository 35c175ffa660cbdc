//! BitTorrent: a video's magnet link as a source of last resort, and torrents of
//! own videos for others.
//!
//! | file | is |
//! |---|---|
//! | `bencode.rs`, `magnet.rs`, `metainfo.rs` | what is written in links and torrents |
//! | `wire.rs`, `leech.rs`, `seed.rs` | the peer protocol, without I/O |
//! | `tracker.rs` | asking trackers |
//! | `pieces.rs`, `swarm.rs` | taking parts of a file from those who share it |
//! | `source.rs`, `seeding.rs`, `serve.rs` | making torrents of videos that are here, and giving them |
//!
//! Only the pieces that hold a wanted part are taken, and nothing is kept but what
//! has the right hash in our own terms. Nothing is passed on over BitTorrent that
//! was not meant to be: who learns takes, who publishes gives.

mod bencode;
mod leech;
mod magnet;
mod metainfo;
mod pieces;
mod seed;
mod seeding;
mod serve;
mod source;
mod swarm;
mod tracker;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use seeding::{load, seed_course, stop_course};
pub(crate) use serve::resume;

use super::fetch::Asked;
use super::links::Part;
use super::web::Web;
use crate::api::TorrentInfo;
use crate::node::Node;
use magnet::Magnet;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use studytime_blobs::mirror::{Mirror, MirrorError};
use studytime_schema::{BlobId, NetworkKey};
use swarm::{Swarm, SwarmError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How long a torrent that gave nothing is not asked.
const PAUSE: Duration = Duration::from_secs(60);
/// Torrents remembered that are of no use, or rest.
const MAX_NOTES: usize = 4_096;
/// Torrents asked at a time.
const MAX_SWARMS: usize = 8;
/// Trackers asked at a time.
const MAX_ASKING: usize = 4;

/// A torrent's name: the SHA-1 of its description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InfoHash([u8; 20]);

impl InfoHash {
    /// Reads 40 hexadecimal digits, or 32 of base 32.
    fn read(text: &str) -> Option<Self> {
        let (bits, of): (u32, fn(char) -> Option<u32>) = match text.len() {
            40 => (4, |c| c.to_digit(16)),
            32 => (5, |c| match c.to_ascii_uppercase() {
                c @ 'A'..='Z' => Some(u32::from(c) - u32::from('A')),
                c @ '2'..='7' => Some(u32::from(c) - u32::from('2') + 26),
                _ => None,
            }),
            _ => return None,
        };
        let mut out = [0; 20];
        let mut bytes = out.iter_mut();
        let (mut held, mut count) = (0_u32, 0);
        for c in text.chars() {
            held = held << bits | of(c)?;
            count += bits;
            if count >= 8 {
                count -= 8;
                *bytes.next()? = (held >> count) as u8;
                held &= (1 << count) - 1;
            }
        }
        Some(Self(out))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The torrents that are asked, and those that are given.
#[derive(Default)]
pub(crate) struct Torrents {
    /// By their links: another author's may name other peers.
    swarms: Mutex<HashMap<String, Arc<Swarm>>>,
    /// Links that are of no use for a file, and why; never asked again.
    refused: Mutex<HashMap<(String, BlobId), String>>,
    /// Links that gave nothing a while ago.
    resting: Mutex<HashMap<String, Instant>>,
    seeding: seeding::Seeding,
    me: OnceLock<[u8; 20]>,
    gate: OnceLock<Arc<Semaphore>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Torrents {
    /// What we call ourselves before other clients; another name after each start.
    fn me(&self) -> [u8; 20] {
        *self.me.get_or_init(|| {
            let mut me = *b"-sU0100-000000000000";
            let mut random = [0; 12];
            // Without randomness two of us could not meet; that is all.
            let _ = getrandom::fill(&mut random);
            for (byte, random) in me.iter_mut().skip(8).zip(random) {
                *byte = b'a' + random % 26;
            }
            me
        })
    }

    /// So many ask trackers and resolve names at a time.
    fn gate(&self) -> &Arc<Semaphore> {
        self.gate
            .get_or_init(|| Arc::new(Semaphore::new(MAX_ASKING)))
    }

    fn refuse(&self, link: &str, file: BlobId, why: String) {
        let mut refused = held(&self.refused);
        if refused.len() >= MAX_NOTES {
            refused.clear();
        }
        tracing::warn!("the torrent of {file} is not asked again: {why}");
        refused.insert((link.to_owned(), file), why);
    }

    fn rest(&self, link: &str) {
        let mut resting = held(&self.resting);
        resting.retain(|_, until| *until > Instant::now());
        if resting.len() < MAX_NOTES {
            resting.insert(link.to_owned(), Instant::now() + PAUSE);
        }
    }

    fn rests(&self, link: &str) -> bool {
        held(&self.resting)
            .get(link)
            .is_some_and(|until| *until > Instant::now())
    }

    /// Links that were refused, and why, for tests and people.
    #[cfg(test)]
    pub(super) fn refusals(&self) -> Vec<String> {
        held(&self.refused).values().cloned().collect()
    }
}

impl Node {
    /// Whether torrents that authors name may be asked. In a network of its own
    /// only when the user said so: a swarm is the open internet.
    pub(super) fn asks_torrents(&self) -> bool {
        let main = self.inner().builder.network == NetworkKey::MAIN;
        self.inner().config.video_links.unwrap_or(main)
    }

    /// Asks those who share the torrent of a magnet link for a part of a file. Blocks.
    pub(super) fn ask_torrent(
        &self,
        link: &str,
        part: &Part,
        web: &Arc<Web>,
        blob: &BlobId,
        max: u64,
    ) -> Asked {
        let torrents = &self.inner().mirrors.torrents;
        let known = held(&torrents.refused).contains_key(&(link.to_owned(), part.file));
        if known || !self.asks_torrents() {
            return Asked::Not;
        }
        let magnet = match Magnet::read(link) {
            Ok(magnet) => magnet,
            Err(why) => {
                torrents.refuse(link, part.file, why);
                return Asked::Not;
            }
        };
        let hash = magnet.hash;
        if torrents.rests(link) {
            return Asked::Not;
        }
        let Some((swarm, runtime)) = self.swarm(link, magnet, web) else {
            return Asked::Not;
        };
        let place = Shared {
            name: format!("the torrent {hash}"),
            part,
            swarm,
            runtime,
            refused: Mutex::default(),
        };
        let asked = self.ask_place(&place, blob, max);
        let refused = held(&place.refused).take();
        match (&asked, refused) {
            (_, Some(why)) => torrents.refuse(link, part.file, why),
            (Asked::Failed { why, rest: false }, _) => torrents.refuse(
                link,
                part.file,
                format!("its bytes are not those of the video: {why}"),
            ),
            (Asked::Failed { .. }, _) => torrents.rest(link),
            _ => {}
        }
        asked
    }

    fn swarm(&self, link: &str, magnet: Magnet, web: &Arc<Web>) -> Option<(Arc<Swarm>, Handle)> {
        let runtime = Handle::try_current().ok()?;
        let torrents = &self.inner().mirrors.torrents;
        let mut swarms = held(&torrents.swarms);
        swarms.retain(|_, s| !s.is_over());
        if let Some(swarm) = swarms.get(link) {
            return Some((Arc::clone(swarm), runtime));
        }
        if swarms.len() >= MAX_SWARMS {
            // One that nobody waits for makes room.
            let idle = swarms.iter().find(|(_, s)| s.is_idle_now());
            let idle = idle.map(|(link, _)| link.clone())?;
            if let Some(swarm) = swarms.remove(&idle) {
                swarm.end();
            }
        }
        let private = self.inner().config.private_video_links == Some(true);
        let stop = &self.inner().stop;
        let swarm = Swarm::start(
            magnet,
            torrents.me(),
            private,
            Arc::clone(torrents.gate()),
            Arc::clone(web),
            stop,
            &runtime,
        );
        swarms.insert(link.to_owned(), Arc::clone(&swarm));
        Some((swarm, runtime))
    }

    /// The torrents that are given from here.
    pub(crate) fn torrent_infos(&self) -> Vec<TorrentInfo> {
        self.inner().mirrors.torrents.seeding.infos(self)
    }
}

/// A part of what a swarm shares, as a mirror that has nothing else.
struct Shared<'a> {
    name: String,
    part: &'a Part,
    swarm: Arc<Swarm>,
    runtime: Handle,
    /// Why it is of no use for good.
    refused: Mutex<Option<String>>,
}

impl Mirror for Shared<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, _: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
        let read = self.swarm.read(self.part.size, self.part.range, max);
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(Box::new(std::io::Cursor::new(bytes))),
            Err(SwarmError::Later(reason)) => Err(MirrorError::Unreachable {
                reason,
                source: None,
            }),
            Err(SwarmError::Refused(reason)) => {
                *held(&self.refused) = Some(reason.clone());
                Err(MirrorError::Refused { reason })
            }
        }
    }

    fn claims(&self, _: &BlobId) -> Result<Option<u64>, MirrorError> {
        Ok(None)
    }

    fn put(&self, _: &BlobId, _: &[u8]) -> Result<(), MirrorError> {
        Err(MirrorError::Refused {
            reason: "nothing can be put into a torrent".into(),
        })
    }
}
