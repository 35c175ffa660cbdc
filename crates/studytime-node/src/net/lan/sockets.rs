//! Interfaces and UDP sockets of local discovery.

use super::beacon;
use super::neighbours::{Form, Subnet};
use if_addrs::IfAddr;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket as StdSocket};
use tokio::net::UdpSocket;

/// Where beacons go over IPv6: a transient group (RFC 4291 §2.7) of link-local
/// scope with an identifier out of the range for such use (RFC 3307 §4.3). SSB
/// names none; ports and packets are those of IPv4.
pub(super) const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0xb353, 0x5342);
/// Addresses that beacons are sent from, at most.
const MAX_PLACES: usize = 32;

/// An address of ours that beacons are sent from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) subnet: Subnet,
    to: IpAddr,
}

impl Place {
    /// Whether who dials this address reaches a listener on `listening`.
    pub(super) fn is_served_by(&self, listening: SocketAddr) -> bool {
        match (listening.ip(), self.subnet.ip) {
            (IpAddr::V4(all), IpAddr::V4(_)) if all.is_unspecified() => true,
            // Both, as `net::listen` makes it.
            (IpAddr::V6(all), _) if all.is_unspecified() => true,
            (one, mine) => one == mine,
        }
    }

    /// The interface whose IPv6 group is to be joined.
    pub(super) fn group_interface(&self) -> Option<u32> {
        (self.subnet.ip.is_ipv6() && self.index != 0).then_some(self.index)
    }
}

/// Every address to send from: one for each IPv4 network, one link-local IPv6
/// address for each interface. `only` names the interfaces to use.
pub(super) fn places(only: Option<&[String]>) -> Vec<Place> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let mut places: Vec<Place> = Vec::new();
    for interface in all {
        let wanted = match only {
            Some(names) => names.contains(&interface.name),
            None => interface.is_oper_up() && !interface.is_loopback() && !interface.is_p2p(),
        };
        if !wanted || places.len() >= MAX_PLACES {
            continue;
        }
        let index = interface.index.unwrap_or(0);
        let (ip, prefix, to) = match &interface.addr {
            IfAddr::V4(v4) => {
                let prefix = v4.prefixlen.min(32);
                let to = v4.broadcast.or_else(|| broadcast(v4.ip, prefix));
                let Some(to) = to else { continue };
                (IpAddr::V4(v4.ip), prefix, IpAddr::V4(to))
            }
            IfAddr::V6(v6) => {
                let twice = |p: &Place| p.index == index && p.subnet.ip.is_ipv6();
                if !v6.is_link_local() || places.iter().any(twice) {
                    continue;
                }
                (IpAddr::V6(v6.ip), v6.prefixlen.min(128), IpAddr::V6(GROUP))
            }
        };
        places.push(Place {
            name: interface.name,
            index,
            subnet: Subnet { ip, prefix },
            to,
        });
    }
    places
}

/// The last address of a network, where packets for all go.
fn broadcast(ip: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix))?;
    (prefix < 31).then(|| Ipv4Addr::from(u32::from(ip) | hosts))
}

/// Sends one packet to everybody on the network of a place, from its address:
/// some receivers believe a beacon only when it comes from where it points to.
pub(super) async fn send(place: &Place, port: u16, packet: &[u8]) -> io::Result<()> {
    let (from, to): (SocketAddr, SocketAddr) = match (place.subnet.ip, place.to) {
        (IpAddr::V6(from), IpAddr::V6(to)) => (
            SocketAddrV6::new(from, 0, 0, place.index).into(),
            SocketAddrV6::new(to, port, 0, place.index).into(),
        ),
        (from, to) => (SocketAddr::new(from, 0), SocketAddr::new(to, port)),
    };
    let socket = Socket::new(Domain::for_address(from), Type::DGRAM, Some(Protocol::UDP))?;
    match to {
        SocketAddr::V4(_) => socket.set_broadcast(true)?,
        SocketAddr::V6(_) => {
            socket.set_multicast_if_v6(place.index)?;
            socket.set_multicast_hops_v6(1)?;
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&from.into())?;
    let socket = UdpSocket::from_std(StdSocket::from(socket))?;
    socket.send_to(packet, to).await.map(drop)
}

/// A socket that hears beacons of one form.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) form: Form,
    socket: UdpSocket,
    v6: bool,
}

impl Receiver {
    /// Shares the port with other programs on this machine.
    pub(super) fn bind(form: Form, port: u16, v6: bool) -> io::Result<Self> {
        let (domain, any) = match v6 {
            true => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            false => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        // The others need it by this name to share a port.
        #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
        let _ = socket.set_reuse_port(true);
        if v6 {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(any, port).into())?;
        let socket = UdpSocket::from_std(StdSocket::from(socket))?;
        Ok(Self { form, socket, v6 })
    }

    /// Joins the group on an interface; nothing for IPv4.
    pub(super) fn join(&self, interface: u32) -> io::Result<()> {
        if !self.v6 {
            return Ok(());
        }
        match self.socket.join_multicast_v6(&GROUP, interface) {
            // Joined already, before the interface went down.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
            other => other,
        }
    }

    pub(super) async fn receive(
        &self,
        packet: &mut [u8; beacon::MAX_PACKET + 1],
    ) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(packet).await
    }
}

/// What tells one network from another: the addresses this machine has.
pub(in crate::net) fn own_addresses() -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let up = all.iter().filter(|i| i.is_oper_up() && !i.is_loopback());
    let mut ips: Vec<IpAddr> = up.map(|i| i.ip()).collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_of_a_network() {
        for (ip, prefix, last) in [
            ("192.168.1.10", 24, Some("192.168.1.255")),
            ("127.0.0.1", 8, Some("127.255.255.255")),
            ("10.1.2.3", 0, Some("255.255.255.255")),
            ("10.1.2.3", 31, None),
            ("10.1.2.3", 32, None),
        ] {
            let last: Option<Ipv4Addr> = last.map(|l| l.parse().unwrap());
            assert_eq!(
                broadcast(ip.parse().unwrap(), prefix),
                last,
                "{ip}/{prefix}"
            );
        }
    }

    #[test]
    fn only_what_the_listener_hears_is_announced() {
        let place = |ip: &str| Place {
            name: "x".into(),
            index: 1,
            subnet: Subnet {
                ip: ip.parse().unwrap(),
                prefix: 24,
            },
            to: Ipv4Addr::BROADCAST.into(),
        };
        let served = |ip: &str, listening: &str| place(ip).is_served_by(listening.parse().unwrap());
        assert!(served("10.0.0.1", "0.0.0.0:1"));
        assert!(!served("fe80::1", "0.0.0.0:1"));
        assert!(served("10.0.0.1", "[::]:1") && served("fe80::1", "[::]:1"));
        assert!(served("10.0.0.1", "10.0.0.1:1") && !served("10.0.0.2", "10.0.0.1:1"));
    }

    #[test]
    fn the_group_is_link_local_and_transient() {
        let [flags_and_scope, .., high, _] = GROUP.segments();
        assert_eq!(flags_and_scope, 0xff12);
        assert!(high & 0x8000 != 0);
    }
}
