//! Beacons of the local network: what is read of one, and who is believed.
#![no_main]
use arbitrary::Arbitrary;
use dryoc::classic::crypto_secretbox::crypto_secretbox_easy;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use studytime_fuzz::{feeds::keys, within};
use studytime_schema::NetworkKey;

// Their crate brings sockets and a runtime; these files need neither.
#[allow(dead_code)]
#[path = "../../crates/studytime-node/src/net/lan/beacon.rs"]
mod beacon;
#[allow(dead_code)]
#[path = "../../crates/studytime-node/src/net/lan/neighbours.rs"]
mod neighbours;
use beacon::{Beacon, Claim, MAX_ADDRESSES, MAX_PLAIN};
use neighbours::{Change, FORGET_MS, Form, MAX_NEIGHBOURS, Neighbours, Subnet};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Plain(&'a [u8]),
    Sealed(&'a [u8]),
    /// Whatever text, in a right box, signed or not.
    Boxed {
        text: &'a str,
        /// As the address of the JSON object, or as the whole of it.
        address: bool,
        signer: Option<u8>,
    },
    Claim {
        ip: IpAddr,
        port: u16,
        key: u8,
    },
    Table(Vec<Packet<'a>>),
}

#[derive(Arbitrary, Debug)]
struct Packet<'a> {
    from: u16,
    v6: bool,
    says: Says<'a>,
    wait: u16,
}

#[derive(Arbitrary, Debug)]
enum Says<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
    Truth { key: u8, sealed: bool },
    Lie { of: u16, key: u8, sealed: bool },
}

fuzz_target!(|input: Input<'_>| within(16 << 20, || run(input)));

fn run(input: Input<'_>) {
    let network = NetworkKey::MAIN;
    match input {
        Input::Plain(bytes) => drop(beacon::parse_plain(bytes).map(|b| {
            assert!(!b.verified, "nothing proves a plain one");
            sound(&b);
        })),
        Input::Sealed(bytes) => drop(beacon::parse_sealed(bytes, &network).map(|b| sound(&b))),
        Input::Boxed {
            text,
            address,
            signer,
        } => boxed(text, address, signer, &network),
        Input::Claim { ip, port, key } => made(ip, port, key, &network),
        Input::Table(packets) => table(&packets, network),
    }
}

/// What was read can be written, and reads the same.
fn sound(beacon: &Beacon) {
    assert!((1..=MAX_ADDRESSES).contains(&beacon.claims.len()));
    for claim in &beacon.claims {
        assert!(claim.port != 0 && !claim.ip.is_unspecified());
        let again = beacon::parse_plain(claim.text().as_bytes()).expect("our own text");
        assert_eq!(again.claims, [*claim]);
    }
}

fn boxed(text: &str, address: bool, signer: Option<u8>, network: &NetworkKey) {
    let plain = match address {
        true => serde_json::json!({ "address": text }).to_string(),
        false => text.to_owned(),
    };
    let mut nonce = [0; 24];
    nonce.copy_from_slice(&network.as_bytes()[..24]);
    let mut packet = vec![0; plain.len() + 16];
    crypto_secretbox_easy(&mut packet, plain.as_bytes(), &nonce, network.as_bytes())
        .expect("a box");
    if let Some(signer) = signer {
        let object = serde_json::json!({ "address": text });
        let signed = serde_json::to_string_pretty(&object).expect("JSON");
        packet.extend_from_slice(&keys(signer).sign(signed.as_bytes()));
    }
    if let Ok(read) = beacon::parse_sealed(&packet, network) {
        sound(&read);
        if read.verified {
            let signer = signer.expect("somebody has signed");
            let own = |c: &Claim| c.key == keys(signer).id();
            assert!(read.claims.iter().all(own), "signed by another key");
        }
    }
}

fn made(ip: IpAddr, port: u16, key: u8, network: &NetworkKey) {
    let ip = ip.to_canonical();
    if port == 0 || ip.is_unspecified() || ip.is_multicast() {
        return;
    }
    let claim = Claim {
        ip,
        port,
        key: keys(key).id(),
    };
    let plain = beacon::make_plain(&claim).expect("short enough");
    assert!(plain.len() <= MAX_PLAIN);
    let read = beacon::parse_plain(&plain).expect("our own");
    assert_eq!(read.claims, [claim]);
    let mut sealed = beacon::make_sealed(ip, port, &keys(key), network).expect("made");
    let read = beacon::parse_sealed(&sealed, network).expect("our own");
    assert!(read.verified && read.claims == [claim]);
    let last = sealed.len() - 1;
    sealed[last] ^= 0x40;
    let bent = beacon::parse_sealed(&sealed, network).expect("the box is whole");
    assert!(!bent.verified);
    assert!(beacon::parse_sealed(&sealed, &NetworkKey::from_bytes([3; 32])).is_err());
}

fn address(from: u16, v6: bool) -> IpAddr {
    match v6 {
        true => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, from).into(),
        false => Ipv4Addr::from(0x0a00_0000 + u32::from(from)).into(),
    }
}

fn table(packets: &[Packet<'_>], network: NetworkKey) {
    let me = keys(1).id();
    let mut table = Neighbours::new(me, network);
    // Half of the IPv4 addresses that come are on it.
    let subnets = [(address(1, false), 17), (address(1, true), 64)];
    let subnets = subnets.map(|(ip, prefix)| Subnet { ip, prefix });
    table.set_subnets(subnets.to_vec());
    let mut now = 1_700_000_000_000;
    let mut heard = std::collections::BTreeSet::new();
    for packet in packets {
        let ip = address(packet.from, packet.v6);
        let say = |ip, key: u8, sealed| match sealed {
            true => (
                Form::Sealed,
                beacon::make_sealed(ip, 8008, &keys(key), &network),
            ),
            false => {
                let key = keys(key).id();
                (
                    Form::Plain,
                    beacon::make_plain(&Claim {
                        ip,
                        port: 8008,
                        key,
                    }),
                )
            }
        };
        let (form, bytes) = match &packet.says {
            Says::Bytes(bytes) => (Form::Sealed, Some(bytes.to_vec())),
            Says::Text(text) => (Form::Plain, Some(text.as_bytes().to_vec())),
            Says::Truth { key, sealed } => say(ip, *key, *sealed),
            Says::Lie { of, key, sealed } => say(address(*of, packet.v6), *key, *sealed),
        };
        let from = SocketAddr::new(ip, 1234);
        for change in table.handle_packet(form, &bytes.unwrap_or_default(), from, now) {
            let Change::Found {
                key,
                address,
                socket,
            } = change
            else {
                panic!("a packet makes nobody go away");
            };
            assert!(key != me, "met ourselves");
            assert_eq!(socket.ip(), ip, "sent to a third machine");
            assert!(
                subnets.iter().any(|s| s.contains(ip)),
                "from behind a router"
            );
            heard.insert(address);
        }
        now += u64::from(packet.wait);
        for change in table.handle_timeout(now) {
            let Change::Lost { address } = change else {
                panic!("time brings nobody");
            };
            assert!(heard.remove(&address), "lost without having been found");
        }
        assert!(heard.len() <= MAX_NEIGHBOURS);
    }
    table.handle_timeout(now + FORGET_MS);
    assert_eq!(table.poll_timeout(), None);
}
