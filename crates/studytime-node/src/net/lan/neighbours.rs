//! Who was heard on the local network: which beacons are believed, and for how
//! long. No I/O; `now` is milliseconds since 1970.

use super::beacon::{self, Claim};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use studytime_schema::{FeedId, NetworkKey};

/// Without a beacon for so long a neighbour is forgotten.
pub(crate) const FORGET_MS: u64 = 10_000;
/// Neighbours that are kept; more are not taken in until some are forgotten.
pub(crate) const MAX_NEIGHBOURS: usize = 256;
/// Keys kept for one IP address: a machine may run several nodes.
pub(crate) const MAX_PER_IP: usize = 4;
/// Packets looked at in one second, in all and from one IP address.
pub(crate) const MAX_PACKETS: u32 = 400;
pub(crate) const MAX_PACKETS_PER_IP: u32 = 20;

/// In which form a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Sealed,
}

/// A network that one of our interfaces is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
}

impl Subnet {
    /// Whether `other` can be reached here without a router.
    pub(crate) fn contains(&self, other: IpAddr) -> bool {
        fn same(a: &[u8], b: &[u8], bits: usize) -> bool {
            let (whole, rest) = (bits / 8, bits % 8);
            a.len() == b.len()
                && a.iter().take(whole).eq(b.iter().take(whole))
                && (rest == 0
                    || a.get(whole)
                        .zip(b.get(whole))
                        .is_some_and(|(a, b)| (a ^ b) >> (8 - rest) == 0))
        }
        let bits = usize::from(self.prefix);
        match (self.ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(&a.octets(), &b.octets(), bits.min(32)),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(&a.octets(), &b.octets(), bits.min(128)),
            _ => false,
        }
    }
}

/// What changed by a packet or by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A node is there. `socket` is where to dial it; for link-local IPv6 with
    /// the interface.
    Found {
        key: FeedId,
        address: String,
        socket: SocketAddr,
    },
    /// It was not heard for [`FORGET_MS`].
    Lost { address: String },
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    key: FeedId,
    last: u64,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Neighbours {
    me: FeedId,
    network: NetworkKey,
    subnets: Vec<Subnet>,
    heard: BTreeMap<(IpAddr, String), Heard>,
    /// Packets in the present second, by sender.
    second: u64,
    packets: u32,
    by_ip: HashMap<IpAddr, u32>,
}

impl Neighbours {
    pub(crate) fn new(me: FeedId, network: NetworkKey) -> Self {
        Self {
            me,
            network,
            subnets: Vec::new(),
            heard: BTreeMap::new(),
            second: 0,
            packets: 0,
            by_ip: HashMap::new(),
        }
    }

    /// The networks we are on. Packets from elsewhere came through a router and
    /// are no beacons.
    pub(crate) fn set_subnets(&mut self, subnets: Vec<Subnet>) {
        self.subnets = subnets;
    }

    /// Takes a packet.
    pub(crate) fn handle_packet(
        &mut self,
        form: Form,
        packet: &[u8],
        from: SocketAddr,
        now: u64,
    ) -> Vec<Change> {
        let ip = from.ip().to_canonical();
        if !self.subnets.iter().any(|s| s.contains(ip)) || !self.admit(ip, now) {
            return Vec::new();
        }
        let read = match form {
            Form::Plain => beacon::parse_plain(packet),
            Form::Sealed => beacon::parse_sealed(packet, &self.network),
        };
        let beacon = match read {
            Ok(beacon) => beacon,
            Err(why) => {
                tracing::trace!("beacon from {ip}: {why}");
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        let own: Vec<&Claim> = beacon.claims.iter().filter(|c| c.ip == ip).collect();
        if own.is_empty() && beacon.verified {
            // A machine with several interfaces that named another one of them.
            // The key has signed it, and where it came from is where it is.
            found.extend(beacon.claims.first().map(|c| Claim { ip, ..*c }));
        } else {
            // An address of some other machine would send us to a victim.
            found.extend(own.into_iter().copied());
        }
        found
            .into_iter()
            .filter_map(|claim| self.heard(claim, from, now))
            .collect()
    }

    fn heard(&mut self, claim: Claim, from: SocketAddr, now: u64) -> Option<Change> {
        if claim.key == self.me {
            return None;
        }
        let address = claim.text();
        let at = (claim.ip, address.clone());
        if let Some(known) = self.heard.get_mut(&at) {
            known.last = now;
        } else {
            let same_ip = self
                .heard
                .range((claim.ip, String::new())..)
                .take_while(|((ip, _), _)| *ip == claim.ip)
                .count();
            if same_ip >= MAX_PER_IP || self.heard.len() >= MAX_NEIGHBOURS {
                return None;
            }
            self.heard.insert(
                at,
                Heard {
                    key: claim.key,
                    last: now,
                },
            );
        }
        let mut socket = SocketAddr::new(claim.ip, claim.port);
        if let (SocketAddr::V6(socket), SocketAddr::V6(from)) = (&mut socket, from) {
            socket.set_scope_id(from.scope_id());
        }
        // Told each time: a beacon says that it is there now.
        Some(Change::Found {
            key: claim.key,
            address,
            socket,
        })
    }

    fn admit(&mut self, ip: IpAddr, now: u64) -> bool {
        if now / 1000 != self.second {
            self.second = now / 1000;
            self.packets = 0;
            self.by_ip.clear();
        }
        if self.packets >= MAX_PACKETS {
            return false;
        }
        let mine = self.by_ip.entry(ip).or_default();
        if *mine >= MAX_PACKETS_PER_IP {
            return false;
        }
        *mine += 1;
        self.packets += 1;
        true
    }

    /// Those not heard for too long.
    pub(crate) fn handle_timeout(&mut self, now: u64) -> Vec<Change> {
        let mut lost = Vec::new();
        self.heard.retain(|(_, address), heard| {
            let keep = heard.last + FORGET_MS > now;
            if !keep {
                tracing::debug!("{} is gone from the local network", heard.key.short());
                lost.push(Change::Lost {
                    address: address.clone(),
                });
            }
            keep
        });
        lost
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.heard.values().map(|h| h.last + FORGET_MS).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use studytime_schema::Keypair;

    const NOW: u64 = 1_700_000_000_000;

    fn keys(n: u8) -> Keypair {
        Keypair::from_seed(&[n; 32])
    }

    fn table() -> Neighbours {
        let mut table = Neighbours::new(keys(1).id(), NetworkKey::MAIN);
        table.set_subnets(vec![
            Subnet {
                ip: "10.0.0.1".parse().unwrap(),
                prefix: 20,
            },
            Subnet {
                ip: "fe80::1".parse().unwrap(),
                prefix: 64,
            },
        ]);
        table
    }

    fn claim(n: u8, ip: &str) -> Claim {
        Claim {
            ip: ip.parse().unwrap(),
            port: 8008,
            key: keys(n).id(),
        }
    }

    fn plain(n: u8, ip: &str) -> Vec<u8> {
        beacon::make_plain(&claim(n, ip)).unwrap()
    }

    fn from(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 8008)
    }

    #[test]
    fn heard_then_forgotten() {
        let mut t = table();
        let found = t.handle_packet(Form::Plain, &plain(2, "10.0.0.2"), from("10.0.0.2"), NOW);
        let address = claim(2, "10.0.0.2").text();
        assert_eq!(
            found,
            [Change::Found {
                key: keys(2).id(),
                address: address.clone(),
                socket: from("10.0.0.2")
            }]
        );
        assert!(t.handle_timeout(NOW + FORGET_MS - 1).is_empty());
        t.handle_packet(
            Form::Plain,
            &plain(2, "10.0.0.2"),
            from("10.0.0.2"),
            NOW + 5000,
        );
        assert_eq!(t.poll_timeout(), Some(NOW + 5000 + FORGET_MS));
        assert!(t.handle_timeout(NOW + FORGET_MS).is_empty());
        assert_eq!(
            t.handle_timeout(NOW + 5000 + FORGET_MS),
            [Change::Lost { address }]
        );
        assert_eq!(t.poll_timeout(), None);
    }

    #[test]
    fn an_address_of_another_machine_is_not_believed() {
        let mut t = table();
        let lie = plain(2, "10.0.0.9");
        assert!(
            t.handle_packet(Form::Plain, &lie, from("10.0.0.2"), NOW)
                .is_empty()
        );
        // Signed by its key, the place it came from counts.
        let c = claim(2, "10.0.0.9");
        let signed = beacon::make_sealed(c.ip, c.port, &keys(2), &NetworkKey::MAIN).unwrap();
        let found = t.handle_packet(Form::Sealed, &signed, from("10.0.0.2"), NOW);
        assert!(
            matches!(&found[..], [Change::Found { socket, .. }] if *socket == from("10.0.0.2")),
            "{found:?}"
        );
        let unsigned = &signed[..signed.len() - 64];
        assert!(
            t.handle_packet(Form::Sealed, unsigned, from("10.0.0.3"), NOW)
                .is_empty()
        );
    }

    #[test]
    fn from_behind_a_router_or_from_ourselves_is_nothing() {
        let mut t = table();
        for ip in ["8.8.8.8", "10.0.16.1", "fe81::2"] {
            let packet = plain(2, ip);
            assert!(
                t.handle_packet(Form::Plain, &packet, from(ip), NOW)
                    .is_empty(),
                "{ip}"
            );
        }
        assert!(
            t.handle_packet(Form::Plain, &plain(1, "10.0.0.1"), from("10.0.0.1"), NOW)
                .is_empty()
        );
        assert_eq!(t.poll_timeout(), None);
    }

    #[test]
    fn link_local_addresses_are_dialled_through_their_interface() {
        let mut t = table();
        let SocketAddr::V6(mut sender) = from("fe80::2") else {
            unreachable!()
        };
        sender.set_scope_id(3);
        let found = t.handle_packet(Form::Plain, &plain(2, "fe80::2"), sender.into(), NOW);
        let [
            Change::Found {
                socket: SocketAddr::V6(socket),
                ..
            },
        ] = &found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!((socket.scope_id(), socket.port()), (3, 8008));
    }

    #[test]
    fn a_flood_of_made_up_nodes_is_bounded() {
        let mut t = table();
        let mut found = 0;
        // One machine with many keys.
        for n in 2..200 {
            let packet = plain(n, "10.0.0.2");
            let now = NOW + u64::from(n) * 100;
            found += t
                .handle_packet(Form::Plain, &packet, from("10.0.0.2"), now)
                .len();
        }
        assert!(found <= MAX_PER_IP, "{found}");
        // Many machines, all in one second.
        let mut t = table();
        let mut found = 0;
        for n in 0..2000u32 {
            let ip = std::net::Ipv4Addr::from(0x0a00_0100 + n).to_string();
            let packet = plain((n % 200) as u8 + 2, &ip);
            found += t.handle_packet(Form::Plain, &packet, from(&ip), NOW).len();
        }
        assert!(found <= MAX_PACKETS as usize, "{found}");
        assert!(t.heard.len() <= MAX_NEIGHBOURS && t.by_ip.len() <= MAX_PACKETS as usize + 1);
    }

    #[test]
    fn one_sender_cannot_use_up_the_others_share() {
        let mut t = table();
        for _ in 0..10_000 {
            t.handle_packet(Form::Plain, b"rubbish", from("10.0.0.66"), NOW);
        }
        let found = t.handle_packet(Form::Plain, &plain(2, "10.0.0.2"), from("10.0.0.2"), NOW);
        assert_eq!(found.len(), 1);
    }
}
