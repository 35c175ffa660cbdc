//! Videos over BitTorrent with clients of other makers, on this machine alone: had
//! from Transmission when nobody else is there, and given to aria2 and to
//! Transmission. The tracker between them is a few lines of this test.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
#![allow(clippy::print_stdout, reason = "says what is left out")]

#[path = "../crates/studytime-node/tests/common/mod.rs"]
mod common;

use common::{connect, import, until, with_mirrors};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use studytime_node::api::*;
use studytime_node::{Handle, Node};
use studytime_schema::FeedId;

/// A tracker: who announces a torrent is told of all who did before.
struct Tracker {
    at: SocketAddr,
    /// By torrent and name of the peer, as they stand in the request.
    known: Arc<Mutex<BTreeMap<(String, String), u16>>>,
}

impl Tracker {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let known = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let all = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up gets no answer.
                let _ = stream.and_then(|s| answer(s, &all));
            }
        });
        Self { at, known }
    }

    fn url(&self) -> String {
        format!("http://{}/announce", self.at)
    }

    /// The ports of those who announced themselves under a name that begins so.
    fn ports(&self, name: &str) -> Vec<u16> {
        let known = self.known.lock().unwrap();
        let of = known.iter().filter(|((_, peer), _)| peer.starts_with(name));
        of.map(|(_, port)| *port).collect()
    }
}

fn answer(
    stream: TcpStream,
    known: &Mutex<BTreeMap<(String, String), u16>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|l| !l.is_empty()) {}
    let query = first
        .split([' ', '?'])
        .nth(2)
        .unwrap_or_default()
        .to_owned();
    let of = |key: &str| {
        let pairs = query.split('&').filter_map(|p| p.split_once('='));
        let mut found = pairs.filter(|(k, _)| *k == key);
        found.next().map_or(String::new(), |(_, v)| decoded(v))
    };
    let key = (of("info_hash"), of("peer_id"));
    let mut peers = Vec::new();
    {
        let mut known = known.lock().unwrap();
        for ((torrent, peer), port) in known.iter() {
            if *torrent == key.0 && *peer != key.1 {
                peers.extend_from_slice(&[127, 0, 0, 1]);
                peers.extend_from_slice(&port.to_be_bytes());
            }
        }
        if of("event") == "stopped" {
            known.remove(&key);
        } else if let Ok(port) = of("port").parse() {
            known.insert(key, port);
        }
    }
    let mut body = format!("d8:intervali1800e5:peers{}:", peers.len()).into_bytes();
    body.extend_from_slice(&peers);
    body.push(b'e');
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// A value of a query, its bytes as characters: clients do not agree which to escape.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap_or(0)
            }
            byte => byte,
        };
        out.push(char::from(byte));
    }
    out
}

/// Another program, until it is dropped.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Client {
    /// Starts it; what it says goes to a file, which is shown when a test fails.
    fn start(command: &mut Command, dir: &Path, name: &str) -> Option<Self> {
        let said = std::fs::File::create(dir.join(format!("{name}.log"))).unwrap();
        let both = said.try_clone().unwrap();
        let started = command
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(both)
            .spawn();
        match started {
            Ok(child) => Some(Self(child)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("left out: no {name} here; ./scripts/setup installs it");
                None
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Transmission on this machine alone: without DHT, local discovery or port mapping.
fn transmission(dir: &Path, data: &Path, torrent: &str) -> Option<Client> {
    let config = dir.join("transmission");
    std::fs::create_dir_all(&config).unwrap();
    let settings = serde_json::json!({
        "bind-address-ipv4": "127.0.0.1",
        "bind-address-ipv6": "::1",
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": false,
        "utp-enabled": false,
        "port-forwarding-enabled": false,
        "start-added-torrents": true,
    });
    std::fs::write(config.join("settings.json"), settings.to_string()).unwrap();
    let mut command = Command::new("transmission-cli");
    command
        .args(["--no-portmap", "--port", &free_port().to_string()])
        .arg("--config-dir")
        .arg(&config)
        .arg("--download-dir")
        .arg(data)
        .arg(torrent)
        .env("HOME", dir);
    Client::start(&mut command, dir, "transmission-cli")
}

fn aria2(dir: &Path, data: &Path, torrent: &str) -> Option<Client> {
    let mut command = Command::new("aria2c");
    command
        .args([
            "--no-conf",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            "--enable-peer-exchange=false",
            "--disable-ipv6=true",
            "--seed-time=0",
            "--file-allocation=none",
            "--summary-interval=0",
            "--interface=127.0.0.1",
        ])
        .arg(format!("--listen-port={}", free_port()))
        .arg(format!("--dir={}", data.display()))
        .arg(torrent)
        .env("HOME", dir);
    Client::start(&mut command, dir, "aria2c")
}

/// A port that was free a moment ago: these programs take no other wish.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn film() -> Vec<u8> {
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    // As much of a WebM file as an import looks at, then whatever.
    let head =
        b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\
        \x16\x54\xae\x6b\x80\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff";
    head.iter()
        .copied()
        .chain((0..6_400_000).map(noise))
        .collect()
}

struct Author {
    node: Node,
    handle: Handle,
    course: FeedId,
    list: FeedId,
}

/// An author with a course that has one film, in several segments.
async fn author(dir: &Path) -> Author {
    let node = with_mirrors(&dir.join("author")).await;
    let handle = node.handle();
    let root = dir.join("Soil");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("01_Film.webm"), film()).unwrap();
    let course = import(&handle, root).await.course.unwrap();
    let list = handle.call(CatalogList {}).await.unwrap()[0].id;
    Author {
        node,
        handle,
        course,
        list,
    }
}

impl Author {
    async fn seed(&self, trackers: Vec<String>, publish: bool) -> TorrentInfo {
        let call = TorrentSeed {
            course: self.course,
            trackers,
            private: true,
            publish,
        };
        let done = self.handle.call(call).await.unwrap();
        assert_eq!((done.absent, done.torrents.len()), (0, 1), "{done:?}");
        assert_eq!(done.published, u64::from(publish));
        done.torrents.into_iter().next().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_had_from_transmission_when_nobody_else_is_there() {
    let tmp = tempfile::tempdir().unwrap();
    let tracker = Tracker::start();
    let author = author(tmp.path()).await;
    let torrent = author.seed(vec![tracker.url()], true).await;
    assert!(torrent.magnet.starts_with("magnet:?xt=urn:btih:"));
    // Transmission gets the file by other means, and the torrent from the author.
    let data = tmp.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join(&torrent.name), film()).unwrap();
    let copy = tmp.path().join("film.torrent");
    std::fs::copy(&torrent.file, &copy).unwrap();
    let Some(_client) = transmission(tmp.path(), &data, copy.to_str().unwrap()) else {
        return;
    };

    // The learner has the messages and the manifest, and then the author is gone.
    let home = tmp.path().join("learner");
    std::fs::create_dir(&home).unwrap();
    let allowed = "video_links = true\nprivate_video_links = true\n";
    std::fs::write(home.join("config.toml"), allowed).unwrap();
    let learner = with_mirrors(&home).await;
    let l = learner.handle();
    l.call(CatalogAdd { id: author.list }).await.unwrap();
    connect(&l, &author.handle).await;
    let source = until("the magnet link is here", || async {
        let call = LessonShow {
            id: author.course,
            number: 1,
        };
        let shown = l.call(call).await.ok()?;
        let source = shown.lesson.videos.first()?.sources.first()?.clone();
        source.magnet.is_some().then_some(source)
    })
    .await;
    assert_eq!(source.magnet, Some(torrent.magnet));
    let link = source.link.unwrap();
    let get = |manifest, output| BlobGet {
        id: link,
        manifest,
        output,
        timeout_seconds: 60,
    };
    l.call(get(false, None)).await.unwrap();
    author.node.shutdown().await;
    until("the author is gone", || async {
        let peers = l.call(PeerList {}).await.unwrap();
        (!peers.iter().any(|p| p.state == "connected")).then_some(())
    })
    .await;
    until("Transmission is known to the tracker", || async {
        (!tracker.ports("-TR").is_empty()).then_some(())
    })
    .await;

    let id = author.course;
    l.call(CourseStart { id, wait: true }).await.unwrap();
    let output = tmp.path().join("again.webm");
    l.call(get(true, Some(output.clone()))).await.unwrap();
    assert!(std::fs::read(&output).unwrap() == film(), "another film");
    learner.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_clients_have_a_film_from_us() {
    let tmp = tempfile::tempdir().unwrap();
    let tracker = Tracker::start();
    let author = author(tmp.path()).await;
    // Nobody hears of it before there is a tracker.
    let first = author.seed(Vec::new(), false).await;
    assert!(tracker.known.lock().unwrap().is_empty());
    let magnet = format!("{}&tr={}", first.magnet, tracker.url());
    let arrived = |data: &Path| {
        let path = data.join(&first.name);
        let unfinished = path.with_extension("webm.aria2").exists();
        (!unfinished && std::fs::read(path).is_ok_and(|b| b == film())).then_some(())
    };

    // Transmission takes no address of this machine from a tracker: we call it, and
    // it learns from us what the torrent holds.
    let data = tmp.path().join("of transmission");
    std::fs::create_dir(&data).unwrap();
    if let Some(_client) = transmission(tmp.path(), &data, &magnet) {
        until("Transmission is known to the tracker", || async {
            (!tracker.ports("-TR").is_empty()).then_some(())
        })
        .await;
        let torrent = author.seed(vec![tracker.url()], false).await;
        assert_eq!(torrent.link, first.link);
        until("Transmission has the film", || async { arrived(&data) }).await;
    }

    // Another one finds us through the tracker, and calls.
    author.seed(vec![tracker.url()], false).await;
    until("we are known to the tracker", || async {
        (!tracker.ports("-sU").is_empty()).then_some(())
    })
    .await;
    let data = tmp.path().join("of aria2");
    std::fs::create_dir(&data).unwrap();
    if let Some(_client) = aria2(tmp.path(), &data, &magnet) {
        until("aria2 has the film", || async { arrived(&data) }).await;
        let listed = author.handle.call(TorrentList {}).await.unwrap();
        assert!(listed[0].sent >= film().len() as u64, "{listed:?}");
    }

    // It is taken up again after a restart, from the torrent that was kept.
    let course = author.course;
    author.node.shutdown().await;
    drop(author);
    let node = with_mirrors(&tmp.path().join("author")).await;
    let again = node.handle().call(TorrentList {}).await.unwrap();
    assert_eq!((again.len(), again[0].link), (1, first.link));
    until("we are back at the tracker", || async {
        let now: u16 = again[0]
            .listening
            .as_ref()?
            .rsplit(':')
            .next()?
            .parse()
            .ok()?;
        tracker.ports("-sU").contains(&now).then_some(())
    })
    .await;
    node.handle().call(TorrentStop { course }).await.unwrap();
    assert!(node.handle().call(TorrentList {}).await.unwrap().is_empty());
    until("the tracker is told that it is over", || async {
        tracker.ports("-sU").is_empty().then_some(())
    })
    .await;
    assert!(!again[0].file.exists());
    node.shutdown().await;
}
