//! Torrents over real sockets: honest peers, liars, and other bytes.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::magnet::Magnet;
use super::metainfo::{Info, sha1};
use super::seed::Seed;
use super::swarm::{Swarm, SwarmError};
use super::wire::{HANDSHAKE, Handshake};
use super::*;
use crate::api::*;
use crate::common::{until, with_mirrors};
use crate::http::HttpOptions;
use crate::mirror::tests::film_learner;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const PIECE: u32 = 256 << 10;

/// Somebody who shares a file.
struct Sharer {
    at: SocketAddr,
    hash: InfoHash,
    /// The pieces that were asked for, block by block.
    asked: Arc<Mutex<Vec<u32>>>,
    came: Arc<AtomicUsize>,
}

/// What is sent in answer to a request.
type Answer = fn(&[u8], usize, usize) -> Vec<u8>;

fn honest(film: &[u8], at: usize, len: usize) -> Vec<u8> {
    film[at..at + len].to_vec()
}

impl Sharer {
    async fn new(film: Vec<u8>, answer: Answer) -> Self {
        let hashes: Vec<u8> = film.chunks(PIECE as usize).flat_map(sha1).collect();
        let text = Info::write("film.mp4", film.len() as u64, PIECE, &hashes);
        Self::with(film, text, answer).await
    }

    /// Whatever the description says.
    async fn with(film: Vec<u8>, text: Vec<u8>, answer: Answer) -> Self {
        let (hash, text) = (InfoHash(sha1(&text)), Arc::<[u8]>::from(text));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (asked, came) = (Arc::default(), Arc::<AtomicUsize>::default());
        let (film, noted, count) = (Arc::new(film), Arc::clone(&asked), Arc::clone(&came));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (film, text) = (Arc::clone(&film), Arc::clone(&text));
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    // The other side may hang up at any time.
                    let _ = share(stream, hash, &film, text, answer, &noted).await;
                });
            }
        });
        Self {
            at,
            hash,
            asked,
            came,
        }
    }

    fn magnet(&self, others: &[&Self]) -> Magnet {
        let all = others.iter().map(|o| o.at).chain([self.at]);
        Magnet {
            hash: self.hash,
            name: None,
            trackers: Vec::new(),
            peers: all.map(|at| at.to_string()).collect(),
        }
    }

    /// The pieces that were asked for.
    fn pieces(&self) -> Vec<u32> {
        let mut asked = held(&self.asked).clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

async fn share(
    mut stream: TcpStream,
    hash: InfoHash,
    film: &[u8],
    text: Arc<[u8]>,
    answer: Answer,
    noted: &Mutex<Vec<u32>>,
) -> std::io::Result<()> {
    let mut theirs = [0; HANDSHAKE];
    stream.read_exact(&mut theirs).await?;
    let ours = Handshake {
        hash,
        peer: [7; 20],
        extended: true,
    };
    stream.write_all(&ours.write()).await?;
    let pieces = (film.len() as u32).div_ceil(PIECE);
    let mut seed = Seed::new(text, pieces, true);
    let mut buf = [0; 16 << 10];
    loop {
        while let Some(block) = seed.poll_block() {
            held(noted).push(block.piece);
            let at = (block.piece * PIECE + block.begin) as usize;
            seed.give(block, answer(film, at, block.len as usize).into());
        }
        let output = seed.take_output();
        stream.write_all(&output).await?;
        if output.is_empty() {
            let n = stream.read(&mut buf).await?;
            if n == 0 || seed.receive(&buf[..n]).is_err() {
                return Ok(());
            }
        }
    }
}

/// Bytes that are nobody else's.
fn film(len: u32, salt: u32) -> Vec<u8> {
    (0..len)
        .map(|n| ((n ^ salt).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn swarm(magnet: Magnet, private: bool) -> Arc<Swarm> {
    let web = Web::new(private, &HttpOptions::default()).unwrap();
    Swarm::start(
        magnet,
        *b"-sU0100-abcdefghijkl",
        private,
        Arc::new(Semaphore::new(2)),
        Arc::new(web),
        &CancellationToken::new(),
        &Handle::current(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_taken_and_liars_are_left() {
    let bytes = film(2_000_001, 0);
    let lie: Answer = |_, _, len| vec![0; len];
    let liar = Sharer::new(bytes.clone(), lie).await;
    let good = Sharer::new(bytes.clone(), honest).await;
    let swarm = swarm(good.magnet(&[&liar]), true);
    let size = Some(bytes.len() as u64);
    // The last piece, which is shorter, and one in the middle that begins within a piece.
    for (start, len) in [(1_900_000_u64, 100_001_u64), (600_000, 200_000)] {
        let read = swarm.read(size, Some((start, len)), 1 << 20).await.unwrap();
        let (start, end) = (start as usize, (start + len) as usize);
        assert!(read[..] == bytes[start..end], "other bytes");
    }
    // Both parts lie in a few of the eight pieces.
    let pieces = good.pieces();
    assert!(pieces.iter().all(|p| [2, 3, 7].contains(p)), "{pieces:?}");
    assert!(
        liar.came.load(Ordering::SeqCst) <= 1,
        "a liar is not asked again"
    );
    // Once more, and nobody is asked: it was kept.
    let before = held(&good.asked).len();
    swarm.read(size, Some((700_000, 10)), 100).await.unwrap();
    assert_eq!(held(&good.asked).len(), before);

    for (size, range, max) in [
        (Some(5), None, 100),
        (size, Some((2_000_000, 2)), 100),
        (size, Some((u64::MAX, 2)), 100),
        (size, None, 1 << 20),
    ] {
        let refused = swarm.read(size, range, max).await.unwrap_err();
        assert!(matches!(refused, SwarmError::Refused(_)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_is_told_at_once() {
    // Addresses in a private network are not called without leave.
    let good = Sharer::new(film(300_000, 0), honest).await;
    let refused = swarm(good.magnet(&[]), false)
        .read(None, None, 1 << 20)
        .await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("private network"), "{why}");
    assert_eq!(good.came.load(Ordering::SeqCst), 0);
    let whole = swarm(good.magnet(&[]), true)
        .read(None, None, 1 << 20)
        .await;
    assert_eq!(whole.unwrap(), film(300_000, 0));

    // Nobody at all; an address where nobody listens; one that speaks otherwise.
    let none = Magnet {
        peers: Vec::new(),
        ..good.magnet(&[])
    };
    let why = swarm(none, true).read(None, None, 9).await.unwrap_err();
    assert!(matches!(why, SwarmError::Later(_)), "{why}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = closed.local_addr().unwrap();
    drop(closed);
    let gone = Magnet {
        peers: vec![at.to_string()],
        ..good.magnet(&[])
    };
    let why = swarm(gone, true).read(None, None, 9).await.unwrap_err();
    assert!(why.to_string().contains(&at.to_string()), "{why}");
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = web.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let other = Magnet {
        peers: vec![at.to_string()],
        ..good.magnet(&[])
    };
    let why = swarm(other, true).read(None, None, 9).await.unwrap_err();
    assert!(
        why.to_string().contains("does not speak BitTorrent"),
        "{why}"
    );
    // A torrent that cannot be: refused for good.
    let text = b"d6:lengthi9e12:piece lengthi1e6:pieces20:xxxxxxxxxxxxxxxxxxxxe";
    let odd = Sharer::with(vec![0; 9], text.to_vec(), honest).await;
    let why = swarm(odd.magnet(&[]), true).read(None, None, 9).await;
    assert!(matches!(why, Err(SwarmError::Refused(_))), "{why:?}");
}

/// A learner who has begun a course with a film on a torrent, and meets nobody.
async fn learner(dir: &Path, bytes: &[u8], magnet: &Magnet, config: &str) -> (Node, BlobAdded) {
    let magnet = serde_json::json!({ "magnet": magnet.to_string() });
    let (learner, added, course) = film_learner(dir, bytes, magnet, config).await;
    let start = CourseStart {
        id: course,
        wait: false,
    };
    learner.handle().call(start).await.unwrap();
    (learner, added)
}

const ALLOWED: &str = "video_links = true\nprivate_video_links = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_had_from_those_who_share_it() {
    let tmp = tempfile::tempdir().unwrap();
    let bytes = film(6_500_000, 3);
    let sharer = Sharer::new(bytes.clone(), honest).await;
    let (learner, added) = learner(tmp.path(), &bytes, &sharer.magnet(&[]), ALLOWED).await;
    let output = tmp.path().join("again.mp4");
    let get = BlobGet {
        id: added.id,
        manifest: true,
        output: Some(output.clone()),
        timeout_seconds: 60,
    };
    learner.handle().call(get).await.unwrap();
    assert!(std::fs::read(&output).unwrap() == bytes, "another film");
    // Each piece once; one may have been had twice by two who wanted it.
    assert_eq!(sharer.pieces().len(), 25);
    learner.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_of_something_else_is_refused_and_not_asked_again() {
    let tmp = tempfile::tempdir().unwrap();
    let bytes = film(6_500_000, 4);
    // As long as the film, and another one.
    let other = Sharer::new(film(6_500_000, 5), honest).await;
    let (learner, added) = learner(tmp.path(), &bytes, &other.magnet(&[]), ALLOWED).await;
    let torrents = &learner.inner().mirrors.torrents;
    let why = until("it is refused", || async { torrents.refusals().pop() }).await;
    assert!(why.contains("not those of the video"), "{why}");
    let manifest = learner.inner().holdings.manifest(&added.id).unwrap();
    // Those that were on their way come to an end.
    until("nobody is asked", || async {
        held(&torrents.swarms)
            .values()
            .all(|s| s.is_idle_now())
            .then_some(())
    })
    .await;
    let before = held(&other.asked).len();
    for blob in &manifest.segments {
        let (node, blob) = (learner.clone(), *blob);
        let asked = learner
            .blocking(move |_| {
                let parts = node.parts_of(&blob);
                assert_eq!(parts.len(), 1);
                let web = Arc::new(Web::new(true, &HttpOptions::default()).unwrap());
                let crate::mirror::links::Place::Magnet(link) = &parts[0].at else {
                    panic!("{parts:?}");
                };
                Ok(node.ask_torrent(link, &parts[0], &web, &blob, 1 << 20))
            })
            .await
            .unwrap();
        assert!(matches!(asked, Asked::Not));
        assert_eq!(learner.inner().blobs.size(&blob).unwrap(), None);
    }
    assert_eq!(held(&other.asked).len(), before);
    learner.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_ones_own_asks_no_swarm_unless_told_to() {
    let tmp = tempfile::tempdir().unwrap();
    for (config, asks) in [
        ("", false),
        ("video_links = false\n", false),
        ("video_links = true\n", true),
    ] {
        let home = tmp.path().join(format!("of {asks} {}", config.len()));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("config.toml"), config).unwrap();
        let node = with_mirrors(&home).await;
        assert_eq!(node.asks_torrents(), asks, "{config}");
        node.shutdown().await;
    }
    let node = crate::Builder::new(tmp.path().join("main"))
        .schedule(false)
        .default_lists(false)
        .open()
        .await
        .unwrap();
    assert!(node.asks_torrents(), "on the main network it does");
    node.shutdown().await;
}
