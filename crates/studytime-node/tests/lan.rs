//! Nodes find each other by beacons, on the loopback interface and on ports of
//! the test's own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;
use studytime_node::api::{PeerInfo, PeerList};
use studytime_node::{Builder, Lan, Node};
use studytime_schema::NetworkKey;

/// Only for a broken test.
const LIMIT: Duration = Duration::from_secs(60);

/// A UDP port that nobody has. Beacons are for everybody on a port, so that two
/// tests that got the same one would meet.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.local_addr().unwrap().port()
}

async fn node(dir: &Path, name: &str, network: u8, lan: Option<Lan>) -> Node {
    Builder::new(dir.join(name))
        .network(NetworkKey::from_bytes([network; 32]))
        .listen(Some("127.0.0.1:0".parse().unwrap()))
        .default_lists(false)
        .lan(lan)
        .open()
        .await
        .unwrap()
}

fn loopback(plain: u16, encrypted: u16) -> Option<Lan> {
    let lan = Lan::default()
        .ports(plain, encrypted)
        .interval(Duration::from_millis(150))
        .interfaces(vec!["lo".into()]);
    Some(lan)
}

async fn peer(of: &Node, who: &Node, what: &str, is: impl Fn(&PeerInfo) -> bool) -> PeerInfo {
    let deadline = tokio::time::Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while tokio::time::Instant::now() < deadline {
        seen = of.handle().call(PeerList {}).await.unwrap();
        let found = seen.iter().find(|p| p.id == Some(who.id()) && is(p));
        if let Some(found) = found {
            return found.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never happened: {what}; {seen:#?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_meet_by_beacons_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let (plain, encrypted) = (free_port(), free_port());
    let one = node(tmp.path(), "one", 5, loopback(plain, encrypted)).await;
    let other = node(tmp.path(), "other", 5, loopback(plain, encrypted)).await;
    // Noise beside it, as any program on the network could make.
    let noise = UdpSocket::bind("127.0.0.9:0").unwrap();
    for n in 0..500u32 {
        for port in [plain, encrypted] {
            let _ = noise.send_to(&[n as u8; 300], ("127.0.0.1", port));
        }
    }
    let up = |p: &PeerInfo| p.state == "connected";
    let at_one = peer(&one, &other, "they meet", up).await;
    let at_other = peer(&other, &one, "they meet", up).await;
    let dialler = if at_one.outgoing { &at_one } else { &at_other };
    assert!(dialler.outgoing, "{at_one:?} {at_other:?}");
    assert_eq!(dialler.kind, "lan");
    assert_eq!(dialler.source, "the local network");
    let (goes, stays) = match at_one.outgoing {
        true => (other, one),
        false => (one, other),
    };
    goes.shutdown().await;
    // Its beacons have ended: it is forgotten, not kept as a failure.
    peer(&stays, &goes, "it is gone", |p| p.state != "connected").await;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !stays.handle().call(PeerList {}).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stays.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_of_another_network_is_refused_in_words() {
    let tmp = tempfile::tempdir().unwrap();
    let (plain, encrypted) = (free_port(), free_port());
    let one = node(tmp.path(), "one", 5, loopback(plain, encrypted)).await;
    let other = node(tmp.path(), "other", 6, loopback(plain, encrypted)).await;
    let seen = peer(&one, &other, "it is refused", |p| p.state == "failed").await;
    let reason = seen.reason.unwrap();
    assert!(reason.contains("refused: wrong network key"), "{reason}");
    assert!(reason.contains("waiting"), "{reason}");
    assert!(seen.failures >= 1 && seen.next_try.is_some());
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_beacons_alone_do_as_well() {
    let tmp = tempfile::tempdir().unwrap();
    let encrypted = free_port();
    let one = node(tmp.path(), "one", 5, loopback(free_port(), encrypted)).await;
    let other = node(tmp.path(), "other", 5, loopback(free_port(), encrypted)).await;
    peer(&one, &other, "they meet", |p| p.state == "connected").await;
    one.shutdown().await;
    other.shutdown().await;
}
