//! Torrents of videos that are here: made, kept, told about.

use super::magnet::Magnet;
use super::metainfo::{Info, sha1};
use super::serve;
use super::source::SourceFile;
use super::{InfoHash, held};
use crate::api::{ApiError, Progress, ProgressUnit, TorrentInfo, TorrentSeeded};
use crate::calls::{Report, query_error, state_error};
use crate::node::Node;
use crate::store::{OwnKind, private_dir};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use studytime_schema::content::{Content, ItemUpdate, Patch, VideoSource};
use studytime_schema::view::VideoView;
use studytime_schema::{BlobId, FeedId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Setting: the torrents, as a JSON list.
const TORRENTS: &str = "torrents";
/// The folder with a file for each torrent, for people and other programs.
const FOLDER: &str = "torrents";
/// Torrents that are given at most.
const MAX_TORRENTS: usize = 5_000;
/// Trackers of one torrent.
const MAX_TRACKERS: usize = 8;
/// Longest address of a tracker.
const MAX_TRACKER: usize = 500;
/// Longest name of a file.
const MAX_NAME: usize = 120;

/// A torrent that is given, as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    course: FeedId,
    link: BlobId,
    manifest: bool,
    size: u64,
    name: String,
    hash: String,
    trackers: Vec<String>,
    /// Whether trackers and peers may lie in a private network.
    #[serde(default)]
    pub(super) private: bool,
}

/// A torrent that is given.
pub(super) struct Seeded {
    pub(super) spec: Spec,
    pub(super) hash: InfoHash,
    pub(super) description: Arc<[u8]>,
    pub(super) info: Info,
    pub(super) file: SourceFile,
    /// Bytes given since the start.
    pub(super) sent: AtomicU64,
    /// Who is connected.
    pub(super) peers: AtomicU64,
    pub(super) trouble: Mutex<Option<String>>,
    /// Whether its trackers are being told.
    pub(super) announced: AtomicBool,
    pub(super) stop: CancellationToken,
}

/// All that are given.
#[derive(Default)]
pub(super) struct Seeding {
    pub(super) all: Mutex<BTreeMap<InfoHash, Arc<Seeded>>>,
    /// Where others reach us.
    pub(super) listening: OnceLock<SocketAddr>,
    /// One course at a time is made to torrents.
    making: tokio::sync::Mutex<()>,
    calls: OnceLock<Semaphore>,
}

/// What the file of a video is called before other programs.
fn file_name(video: &VideoView, source: &VideoSource) -> String {
    let mut name: String = video
        .name
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(MAX_NAME)
        .collect();
    name = name.trim_matches([' ', '.']).to_owned();
    if name.is_empty() {
        name.push_str("video");
    }
    let kind = source
        .content_type
        .as_deref()
        .and_then(|t| t.split_once('/'));
    let ending = match kind {
        Some(("video", "webm")) => "webm",
        Some(("video", "ogg")) => "ogv",
        Some(("video", "quicktime")) => "mov",
        Some(("video", "x-matroska")) => "mkv",
        Some(("audio", "mpeg")) => "mp3",
        Some(("audio", "ogg")) => "ogg",
        _ => "mp4",
    };
    if !name.to_lowercase().ends_with(&format!(".{ending}")) {
        name.push('.');
        name.push_str(ending);
    }
    name
}

impl Seeding {
    /// Places for connections that we make.
    pub(super) fn calls(&self) -> &Semaphore {
        self.calls.get_or_init(|| Semaphore::new(serve::MAX_PEERS))
    }

    pub(super) fn infos(&self, node: &Node) -> Vec<TorrentInfo> {
        let all: Vec<Arc<Seeded>> = held(&self.all).values().cloned().collect();
        let mut infos: Vec<_> = all.iter().map(|s| s.info(node, self)).collect();
        infos.sort_by(|a, b| (a.course, &a.name).cmp(&(b.course, &b.name)));
        infos
    }

    fn find(&self, link: &BlobId) -> Option<Arc<Seeded>> {
        held(&self.all)
            .values()
            .find(|s| s.spec.link == *link)
            .cloned()
    }

    fn keep(&self, node: &Node) -> Result<(), ApiError> {
        let specs: Vec<Spec> = held(&self.all).values().map(|s| s.spec.clone()).collect();
        let text = serde_json::to_string(&specs);
        let text = text.map_err(|e| ApiError::failed("the torrents could not be written", &e))?;
        let kept = node.inner().state.set_setting(TORRENTS, &text);
        kept.map_err(|e| state_error(&e))
    }
}

impl Seeded {
    fn new(
        spec: Spec,
        description: Vec<u8>,
        file: SourceFile,
        node: &Node,
    ) -> Result<Self, String> {
        let hash = InfoHash(sha1(&description));
        Ok(Self {
            info: Info::read(&description, &hash)?,
            spec,
            hash,
            description: description.into(),
            file,
            sent: AtomicU64::new(0),
            peers: AtomicU64::new(0),
            trouble: Mutex::default(),
            announced: AtomicBool::new(false),
            stop: node.inner().stop.child_token(),
        })
    }

    pub(super) fn trackers(&self) -> &[String] {
        &self.spec.trackers
    }

    fn magnet(&self, node: &Node, seeding: &Seeding) -> String {
        let host = node.inner().config.external_host.clone();
        let peer = seeding.listening.get().and_then(|at| match host {
            Some(host) if host.contains(':') => Some(format!("[{host}]:{}", at.port())),
            Some(host) => Some(format!("{host}:{}", at.port())),
            // Nobody else can listen there, and nobody else can come.
            None => at.ip().is_loopback().then(|| at.to_string()),
        });
        Magnet {
            hash: self.hash,
            name: Some(self.spec.name.clone()),
            trackers: self.spec.trackers.clone(),
            peers: peer.into_iter().collect(),
        }
        .to_string()
    }

    fn info(&self, node: &Node, seeding: &Seeding) -> TorrentInfo {
        TorrentInfo {
            course: self.spec.course,
            name: self.spec.name.clone(),
            link: self.spec.link,
            size: self.spec.size,
            magnet: self.magnet(node, seeding),
            file: torrent_path(node, &self.spec.hash),
            listening: seeding.listening.get().map(ToString::to_string),
            peers: self.peers.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            trouble: held(&self.trouble).clone(),
        }
    }
}

fn torrent_path(node: &Node, hash: &str) -> PathBuf {
    node.inner()
        .dir
        .join(FOLDER)
        .join(format!("{hash}.torrent"))
}

/// A torrent file around a description.
fn torrent_file(description: &[u8], trackers: &[String]) -> Vec<u8> {
    use super::bencode::put_bytes;
    let mut out = vec![b'd'];
    if let Some(first) = trackers.first() {
        put_bytes(&mut out, b"announce");
        put_bytes(&mut out, first.as_bytes());
        put_bytes(&mut out, b"announce-list");
        out.push(b'l');
        for tracker in trackers {
            out.push(b'l');
            put_bytes(&mut out, tracker.as_bytes());
            out.push(b'e');
        }
        out.push(b'e');
    }
    put_bytes(&mut out, b"info");
    out.extend_from_slice(description);
    out.push(b'e');
    out
}

fn write_file(node: &Node, spec: &Spec, description: &[u8]) -> Result<(), ApiError> {
    let failed = |e: std::io::Error| ApiError::failed("the torrent file could not be written", &e);
    private_dir(&node.inner().dir.join(FOLDER)).map_err(failed)?;
    let path = torrent_path(node, &spec.hash);
    let bytes = torrent_file(description, &spec.trackers);
    let part = path.with_extension("part");
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, &path));
    written.map_err(failed)
}

/// The description out of a torrent file that was written before.
fn read_file(node: &Node, hash: &str) -> Option<Vec<u8>> {
    let file = fs::File::open(torrent_path(node, hash)).ok()?;
    let mut bytes = Vec::new();
    let max = super::metainfo::MAX_METADATA as u64 + (64 << 10);
    file.take(max).read_to_end(&mut bytes).ok()?;
    let value = super::bencode::Value::read(&bytes)?;
    let description = value.raw("info")?;
    (InfoHash(sha1(description)).to_string() == hash).then(|| description.to_vec())
}

/// Takes up the torrents that were given before. Blocks.
pub(crate) fn load(node: &Node) -> Result<(), ApiError> {
    let text = node.inner().state.setting(TORRENTS);
    let text = text.map_err(|e| state_error(&e))?;
    let specs: Vec<Spec> = text
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default();
    let seeding = &node.inner().mirrors.torrents.seeding;
    for spec in specs {
        let name = spec.name.clone();
        let source = VideoSource {
            link: Some(spec.link),
            manifest: spec.manifest,
            ..VideoSource::default()
        };
        let seeded = SourceFile::of(node, &source)
            .ok_or_else(|| "not all of it is here".to_owned())
            .and_then(|(_, file)| {
                let description = match read_file(node, &spec.hash) {
                    Some(description) => description,
                    // The file was deleted, or a backup was restored.
                    None => {
                        let made = file.clone().describe(node, &spec.name)?;
                        write_file(node, &spec, &made).map_err(|e| e.message)?;
                        made
                    }
                };
                Seeded::new(spec, description, file, node)
            });
        match seeded {
            Ok(seeded) => {
                held(&seeding.all).insert(seeded.hash, Arc::new(seeded));
            }
            Err(why) => node.trouble(format!("the torrent of {name:?} is not given: {why}")),
        }
    }
    Ok(())
}

fn check_trackers(trackers: &[String]) -> Result<(), ApiError> {
    if trackers.len() > MAX_TRACKERS {
        return Err(ApiError::usage(format!(
            "a torrent has at most {MAX_TRACKERS} trackers"
        )));
    }
    for tracker in trackers {
        let fits = tracker.len() <= MAX_TRACKER
            && reqwest::Url::parse(tracker).is_ok_and(|u| {
                let udp = u.scheme() == "udp" && u.port().is_some();
                u.has_host() && (udp || matches!(u.scheme(), "http" | "https"))
            });
        if !fits {
            let shown: String = tracker.chars().take(120).collect();
            return Err(
                ApiError::usage(format!("{shown:?} is not the address of a tracker"))
                    .hint("write it like udp://HOST:PORT/announce or https://HOST/announce"),
            );
        }
    }
    Ok(())
}

/// Makes torrents of all videos of a course that are here, and gives them as long
/// as the node runs. With `publish` the videos say so.
pub(crate) async fn seed_course(
    node: &Node,
    course: FeedId,
    trackers: Vec<String>,
    private: bool,
    publish: bool,
    report: Report<'_>,
) -> Result<TorrentSeeded, ApiError> {
    check_trackers(&trackers)?;
    if publish && node.own_kind(&course) != Some(OwnKind::Course) {
        return Err(ApiError::refused(format!(
            "{course} is not a course of yours, so nothing can be published on it"
        )));
    }
    let seeding = &node.inner().mirrors.torrents.seeding;
    let _one = seeding.making.lock().await;
    node.caught_up().await?;
    let videos = node.blocking(move |n| videos(n, &course)).await?;
    let sources: Vec<_> = videos
        .iter()
        .flat_map(|v| v.sources.iter().map(move |s| (v, s)))
        .filter(|(_, s)| s.link.is_some())
        .collect();
    if sources.is_empty() {
        return Err(ApiError::refused("the course has no videos"));
    }
    let mut reply = TorrentSeeded::default();
    let mut given = BTreeMap::new();
    let total = sources.len() as u64;
    for (done, (video, source)) in (0_u64..).zip(&sources) {
        report(Progress::new(
            "Making torrents",
            ProgressUnit::Items,
            done,
            total,
        ));
        let (name, source) = (file_name(video, source), (*source).clone());
        let trackers = trackers.clone();
        let made = node
            .blocking(move |n| make(n, course, &name, &source, trackers, private))
            .await?;
        match made {
            Some(seeded) => {
                given.insert(seeded.spec.link, seeded);
            }
            None => reply.absent += 1,
        }
    }
    let kept = node.clone();
    node.blocking(move |n| n.inner().mirrors.torrents.seeding.keep(&kept))
        .await?;
    serve::start(node).await;
    for seeded in given.values() {
        serve::announce(node, Arc::clone(seeded));
        reply.torrents.push(seeded.info(node, seeding));
    }
    if publish {
        let mut updates = Vec::new();
        for video in &videos {
            let mut sources = video.sources.clone();
            for source in &mut sources {
                if let Some(seeded) = source.link.and_then(|l| given.get(&l)) {
                    source.magnet = Some(seeded.magnet(node, seeding));
                }
            }
            if sources != video.sources {
                let mut update = ItemUpdate::new(video.item);
                update.sources = Patch::Set(sources);
                updates.push(Content::ItemUpdate(update));
            }
        }
        reply.published = updates.len() as u64;
        if !updates.is_empty() {
            node.publish(course, updates).await?;
        }
    }
    Ok(reply)
}

fn videos(node: &Node, course: &FeedId) -> Result<Vec<VideoView>, ApiError> {
    let outline = node.reader().outline(course).map_err(|e| query_error(&e))?;
    let outline =
        outline.ok_or_else(|| ApiError::not_found(format!("no course {course} is known here")))?;
    Ok(outline.lessons.into_iter().flat_map(|l| l.videos).collect())
}

/// Makes one torrent, unless it is there; `None` when not all of the file is here.
fn make(
    node: &Node,
    course: FeedId,
    name: &str,
    source: &VideoSource,
    trackers: Vec<String>,
    private: bool,
) -> Result<Option<Arc<Seeded>>, ApiError> {
    let seeding = &node.inner().mirrors.torrents.seeding;
    let Some((link, file)) = SourceFile::of(node, source) else {
        return Ok(None);
    };
    let before = seeding.find(&link);
    if let Some(before) = &before
        && (before.trackers() == trackers || trackers.is_empty())
        && before.spec.private == private
    {
        return Ok(Some(Arc::clone(before)));
    }
    let failed = |why: String| {
        ApiError::new(
            crate::api::ErrorKind::Failed,
            format!("no torrent could be made of {name:?}: {why}"),
        )
    };
    let description = match &before {
        // Only its trackers are others.
        Some(before) => before.description.to_vec(),
        None => file.clone().describe(node, name).map_err(failed)?,
    };
    let spec = Spec {
        course,
        link,
        manifest: source.manifest,
        size: file.len(),
        name: before.as_ref().map_or(name, |b| &b.spec.name).to_owned(),
        hash: InfoHash(sha1(&description)).to_string(),
        trackers,
        private,
    };
    write_file(node, &spec, &description)?;
    let seeded = Arc::new(Seeded::new(spec, description, file, node).map_err(failed)?);
    let mut all = held(&seeding.all);
    if all.len() >= MAX_TORRENTS {
        return Err(ApiError::refused(format!(
            "at most {MAX_TORRENTS} torrents can be given"
        )));
    }
    if let Some(old) = all.insert(seeded.hash, Arc::clone(&seeded)) {
        old.stop.cancel();
    }
    Ok(Some(seeded))
}

/// Gives the torrents of a course no more; answers how many they were.
pub(crate) async fn stop_course(node: &Node, course: FeedId) -> Result<u64, ApiError> {
    node.blocking(move |node| {
        let seeding = &node.inner().mirrors.torrents.seeding;
        let mut gone = Vec::new();
        held(&seeding.all).retain(|_, s| {
            let stays = s.spec.course != course;
            if !stays {
                gone.push(Arc::clone(s));
            }
            stays
        });
        if gone.is_empty() {
            return Err(ApiError::not_found(format!(
                "no torrents of {course} are given from here"
            ))
            .hint("`studytime mirror torrents` lists them"));
        }
        seeding.keep(node)?;
        for seeded in &gone {
            seeded.stop.cancel();
            // Of no use any more; one that stays does no harm.
            let _ = fs::remove_file(torrent_path(node, &seeded.spec.hash));
        }
        Ok(gone.len() as u64)
    })
    .await
}
