//! Asking trackers who else has a torrent. Blocking calls, for threads that may wait.

use super::InfoHash;
use super::bencode::Value;
use super::magnet::escaped;
use crate::mirror::guard;
use crate::mirror::web::Web;
use reqwest::Url;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;
use studytime_blobs::mirror::MirrorError;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 64 << 10;
/// Peers taken from one answer.
const MAX_PEERS: usize = 100;
/// How long an answer over UDP is waited for, and how often it is asked.
const UDP_WAIT: Duration = Duration::from_secs(5);
const UDP_TRIES: u32 = 2;
/// How often a tracker may want to be asked.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(3_600);

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Started,
    Going,
    Stopped,
}

/// What a tracker is told of us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announce {
    pub(super) hash: InfoHash,
    pub(super) me: [u8; 20],
    pub(super) port: u16,
    /// Bytes that are missing here.
    pub(super) left: u64,
    pub(super) sent: u64,
    pub(super) what: What,
}

/// What a tracker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) peers: Vec<SocketAddr>,
    /// When it may be asked again.
    pub(super) again: Duration,
}

impl Answer {
    fn new(mut peers: Vec<SocketAddr>, seconds: u64) -> Self {
        peers.truncate(MAX_PEERS);
        Self {
            peers,
            again: Duration::from_secs(seconds).clamp(OFTEN, SELDOM),
        }
    }
}

/// Asks a tracker, by what its address begins with. What it answers was not looked
/// at yet: its peers may lie anywhere.
pub(super) fn ask(
    web: &Web,
    private: bool,
    tracker: &str,
    announce: &Announce,
) -> Result<Answer, String> {
    let url = Url::parse(tracker).map_err(|_| "a tracker's address cannot be read")?;
    match url.scheme() {
        "udp" => udp(&url, private, announce),
        "http" | "https" => http(web, url, announce),
        other => Err(format!("trackers over {other} are not understood")),
    }
}

fn http(web: &Web, mut url: Url, announce: &Announce) -> Result<Answer, String> {
    let mut query = url.query().map_or(String::new(), |q| format!("{q}&"));
    query.push_str(&format!(
        "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded=0&left={}&compact=1&numwant={MAX_PEERS}",
        escaped(&announce.hash.0),
        escaped(&announce.me),
        announce.port,
        announce.sent,
        announce.left,
    ));
    match announce.what {
        What::Started => query.push_str("&event=started"),
        What::Stopped => query.push_str("&event=stopped"),
        What::Going => {}
    }
    url.set_query(Some(&query));
    let name = crate::mirror::web::host(&url);
    let bytes = web.small(url, MAX_ANSWER);
    let bytes = bytes.map_err(|error| match error {
        MirrorError::Unreachable { reason, .. } => format!("the tracker gave nothing: {reason}"),
        MirrorError::Refused { reason } => format!("the tracker is not asked: {reason}"),
        other => format!("the tracker {name}: {}", crate::mirror::words(&other)),
    })?;
    read_http(&bytes).map_err(|why| format!("the tracker {name} {why}"))
}

fn read_http(bytes: &[u8]) -> Result<Answer, String> {
    let value = Value::read(bytes).ok_or("answers something else")?;
    if let Some(why) = value.get("failure reason").and_then(Value::bytes) {
        let why: String = String::from_utf8_lossy(why).chars().take(200).collect();
        return Err(format!("refuses: {why:?}"));
    }
    let mut peers = Vec::new();
    match value.get("peers") {
        Some(Value::Bytes(compact)) => peers.extend(compact_v4(compact)),
        Some(Value::List(list)) => {
            for peer in list.iter().take(MAX_PEERS) {
                let ip = peer.get("ip").and_then(Value::bytes);
                let ip = ip.and_then(|b| std::str::from_utf8(b).ok()?.parse::<IpAddr>().ok());
                let port = peer.get("port").and_then(Value::number);
                let port = port.and_then(|p| u16::try_from(p).ok());
                peers.extend(ip.zip(port).map(SocketAddr::from));
            }
        }
        _ => {}
    }
    if let Some(compact) = value.get("peers6").and_then(Value::bytes) {
        peers.extend(compact_v6(compact));
    }
    let seconds = value.get("interval").and_then(Value::number);
    Ok(Answer::new(peers, seconds.unwrap_or(1_800)))
}

fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<6>().0.iter().map(|[a, b, c, d, e, f]| {
        let ip = Ipv4Addr::new(*a, *b, *c, *d);
        (ip, u16::from_be_bytes([*e, *f])).into()
    })
}

fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<18>().0.iter().map(|chunk| {
        let mut ip = [0; 16];
        ip.copy_from_slice(&chunk[..16]);
        let port = u16::from_be_bytes([chunk[16], chunk[17]]);
        (Ipv6Addr::from(ip), port).into()
    })
}

/// Addresses of a name, without those that must not be asked. Blocks.
pub(super) fn resolve(place: &str, private: bool) -> Result<Vec<SocketAddr>, String> {
    let shown: String = place.chars().take(120).collect();
    let found = place.to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|e| format!("{shown:?} is not found: {e}"))?
        .take(MAX_PEERS)
        .collect();
    let may: Vec<SocketAddr> = found.iter().copied().filter(|a| may(a, private)).collect();
    match (may.is_empty(), found.is_empty()) {
        (true, false) => Err(guard::is_private(&shown)),
        (true, true) => Err(format!("{shown:?} has no address")),
        (false, _) => Ok(may),
    }
}

/// Whether an address may be asked.
pub(super) fn may(address: &SocketAddr, private: bool) -> bool {
    address.port() != 0 && (private || guard::is_public(address.ip()))
}

fn udp(url: &Url, private: bool, announce: &Announce) -> Result<Answer, String> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err("a tracker's address names no port".into());
    };
    let addresses = resolve(&format!("{host}:{port}"), private)?;
    let mut why = String::new();
    for address in addresses.iter().take(2) {
        match udp_at(*address, announce) {
            Ok(answer) => return Ok(answer),
            Err(error) => why = format!("the tracker {host}: {error}"),
        }
    }
    Err(why)
}

fn udp_at(address: SocketAddr, announce: &Announce) -> io::Result<Answer> {
    let here: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((here, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(UDP_WAIT))?;
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let [a, b, c, d, e, f, g, h, key @ ..] = random;
    // Connecting: a fixed number, the action 0.
    let first = [a, b, c, d];
    let mut request = Vec::from(0x0417_2710_1980_u64.to_be_bytes());
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(&first);
    let answer = udp_ask(&socket, &request, 0, first)?;
    let connection = answer.first_chunk::<8>().ok_or_else(cut)?;
    let second = [e, f, g, h];
    let request = udp_announce(*connection, second, key, announce);
    let answer = udp_ask(&socket, &request, 1, second)?;
    let (seconds, rest) = answer.split_first_chunk::<4>().ok_or_else(cut)?;
    let compact = rest.get(8..).ok_or_else(cut)?;
    let peers = match address {
        SocketAddr::V4(_) => compact_v4(compact).collect(),
        SocketAddr::V6(_) => compact_v6(compact).collect(),
    };
    Ok(Answer::new(peers, u32::from_be_bytes(*seconds).into()))
}

fn udp_announce(connection: [u8; 8], number: [u8; 4], key: [u8; 4], a: &Announce) -> Vec<u8> {
    let event: u32 = match a.what {
        What::Going => 0,
        What::Started => 2,
        What::Stopped => 3,
    };
    let mut request = Vec::with_capacity(98);
    request.extend_from_slice(&connection);
    request.extend_from_slice(&1_u32.to_be_bytes());
    request.extend_from_slice(&number);
    request.extend_from_slice(&a.hash.0);
    request.extend_from_slice(&a.me);
    // Taken, left, given.
    for bytes in [0, a.left, a.sent] {
        request.extend_from_slice(&bytes.to_be_bytes());
    }
    request.extend_from_slice(&event.to_be_bytes());
    // Our address is the one this comes from.
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(&key);
    request.extend_from_slice(&(MAX_PEERS as u32).to_be_bytes());
    request.extend_from_slice(&a.port.to_be_bytes());
    request
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it answers something else")
}

/// Sends a request and waits for the answer that belongs to it; what follows the
/// answer's head.
fn udp_ask(
    socket: &UdpSocket,
    request: &[u8],
    action: u32,
    number: [u8; 4],
) -> io::Result<Vec<u8>> {
    let mut buf = [0; 2_048];
    for _ in 0..UDP_TRIES {
        socket.send(request)?;
        // Others' answers are passed over, a few.
        for _ in 0..8 {
            let len = match socket.recv(&mut buf) {
                Ok(len) => len,
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    break;
                }
                Err(e) => return Err(e),
            };
            let answer = buf.get(..len).unwrap_or_default();
            let (Some(kind), Some(rest)) = (answer.first_chunk::<4>(), answer.get(8..)) else {
                continue;
            };
            if answer.get(4..8) != Some(&number[..]) {
                continue;
            }
            match u32::from_be_bytes(*kind) {
                kind if kind == action => return Ok(rest.to_vec()),
                3 => {
                    let why: String = String::from_utf8_lossy(rest).chars().take(200).collect();
                    return Err(io::Error::other(format!("it refuses: {why:?}")));
                }
                _ => return Err(cut()),
            }
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "it does not answer",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn announce() -> Announce {
        Announce {
            hash: InfoHash([1; 20]),
            me: [2; 20],
            port: 6_881,
            left: 5,
            sent: 0,
            what: What::Started,
        }
    }

    #[test]
    fn answers_are_read_in_all_their_forms() {
        let compact = b"d8:intervali900e5:peers6:\x7f\0\0\x01\x1a\xe16:peers618:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x05e";
        let answer = read_http(compact).unwrap();
        assert_eq!(answer.again, Duration::from_secs(900));
        let told: Vec<String> = answer.peers.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["127.0.0.1:6881", "[::1]:5"]);
        let listed = b"d8:intervali1e5:peersld2:ip7:1.2.3.44:porti5eed2:ip1:xeee";
        let answer = read_http(listed).unwrap();
        assert_eq!(answer.again, OFTEN);
        assert_eq!(answer.peers, ["1.2.3.4:5".parse().unwrap()]);
        let refused = read_http(b"d14:failure reason4:nonee").unwrap_err();
        assert!(refused.contains("none"), "{refused}");
        assert!(read_http(b"<html>").is_err());
    }

    #[test]
    fn private_addresses_are_not_asked() {
        let why = resolve("127.0.0.1:80", false).unwrap_err();
        assert!(why.contains("private network"), "{why}");
        assert_eq!(resolve("127.0.0.1:80", true).unwrap().len(), 1);
        assert!(resolve("no port", true).is_err());
        assert!(may(&"1.1.1.1:80".parse().unwrap(), false));
        assert!(!may(&"1.1.1.1:0".parse().unwrap(), true));
        let url = Url::parse("udp://127.0.0.1:9").unwrap();
        assert!(
            udp(&url, false, &announce())
                .unwrap_err()
                .contains("private")
        );
    }

    #[test]
    fn a_tracker_over_udp_is_asked() {
        let tracker = UdpSocket::bind("127.0.0.1:0").unwrap();
        let url = format!("udp://{}/announce", tracker.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut buf = [0; 200];
            let (len, from) = tracker.recv_from(&mut buf).unwrap();
            assert_eq!(
                (len, &buf[..12]),
                (16, &b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0"[..])
            );
            // Another's answer comes first.
            tracker.send_to(&[0; 16], from).unwrap();
            let answer = [&[0; 4], &buf[12..16], &[9; 8]].concat();
            tracker.send_to(&answer, from).unwrap();
            let (len, from) = tracker.recv_from(&mut buf).unwrap();
            assert_eq!(len, 98);
            assert_eq!(&buf[..12], b"\x09\x09\x09\x09\x09\x09\x09\x09\0\0\0\x01");
            assert_eq!((&buf[16..36], buf[83]), (&[1; 20][..], 2));
            assert_eq!(&buf[96..98], 6_881_u16.to_be_bytes());
            let head = [&[0, 0, 0, 1], &buf[12..16], &[0, 0, 1, 44], &[0; 8]].concat();
            let answer = [&head[..], &[1, 2, 3, 4, 0, 80]].concat();
            tracker.send_to(&answer, from).unwrap();
        });
        let url = Url::parse(&url).unwrap();
        let answer = udp(&url, true, &announce()).unwrap();
        server.join().unwrap();
        assert_eq!(answer.peers, ["1.2.3.4:80".parse().unwrap()]);
        assert_eq!(answer.again, Duration::from_secs(300));
    }

    proptest! {
        #[test]
        fn no_answer_is_the_end_of_it(bytes: Vec<u8>) {
            let _ = read_http(&bytes);
        }
    }
}
