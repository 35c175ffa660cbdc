//! Addresses of peers, in every form that people and programs write them.
//!
//! [`Address`] is a peer over TCP, [`TunnelAddress`] one behind a room, and
//! [`Multiserver`] what a text names: several ways, not all of which this node
//! can go.

pub(crate) mod grammar;
mod multiserver;
#[cfg(test)]
mod tests;
pub(crate) mod uri;

pub use multiserver::{Multiserver, Target, Transport, Way};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use studytime_schema::{FeedId, Keypair};

/// Longest address text that is read.
pub(crate) const MAX_LEN: usize = 2048;

/// Where and who a TCP peer is (multiserver `net` + `shs`).
///
/// The text form accepts several alternatives joined by `;` and takes the first
/// one it can use; raw IPv6 hosts are accepted, as real peers write them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, without brackets. Only a link-local IPv6 address
    /// keeps its zone: nobody could dial it otherwise.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The peer's key.
    pub key: FeedId,
    /// The seed of an invite's key, when the address is an invite.
    pub seed: Option<[u8; 32]>,
}

/// A peer behind a room: the room passes on what the two say to each other, and
/// understands none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelAddress {
    /// The room.
    pub portal: FeedId,
    /// The peer.
    pub target: FeedId,
}

/// Why a text is no usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address this node can use: {why} (expected net:HOST:PORT~shs:KEY)")]
pub struct ParseAddressError {
    /// The text, cut to 120 characters and without the seed of an invite.
    pub text: String,
    /// What is wrong with it, and with which part.
    pub why: String,
}

impl ParseAddressError {
    pub(crate) fn new(text: &str, why: impl Into<String>) -> Self {
        // The text is shown and logged; the seed in an invite is a secret.
        let seed = text.find("~shs:").map(|at| at + "~shs:".len());
        let seed = seed.and_then(|at| Some(at + text.get(at..)?.find(':')?));
        let seed = seed.or_else(|| {
            let at = text.find('~')?;
            (!text.get(at..)?.starts_with("~shs:")).then_some(at)
        });
        let shown = seed.and_then(|at| text.get(..at)).unwrap_or(text);
        let mut text: String = shown.chars().take(120).collect();
        if seed.is_some() {
            text.push('…');
        }
        Self {
            text,
            why: why.into(),
        }
    }
}

impl Address {
    /// The keypair of an invite address.
    pub fn invite_keys(&self) -> Option<Keypair> {
        self.seed.as_ref().map(Keypair::from_seed)
    }

    /// The same place without an invite's seed.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self {
            seed: None,
            ..self.clone()
        }
    }
}

/// A host as people write it, brought to one form: no brackets, and a zone only
/// where it is needed. `None` when it is neither a name nor an IP address.
///
/// What is answered consists of letters (of any script), digits and `.-_:%`, so
/// it can be shown, logged and written into an address as it is.
pub(crate) fn host(text: &str) -> Option<String> {
    let text = match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None => text,
    };
    let (host, zone) = match text.split_once('%') {
        Some((host, zone)) => (host, Some(zone)),
        None => (text, None),
    };
    if host.is_empty() || host.len() > 255 {
        return None;
    }
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.contains(':') {
        let ip: Ipv6Addr = host.parse().ok()?;
        let Some(zone) = zone.filter(|_| ip.is_unicast_link_local()) else {
            return Some(ip.to_string());
        };
        let fits = (1..=32).contains(&zone.len()) && zone.chars().all(part);
        return fits.then(|| format!("{ip}%{zone}"));
    }
    (zone.is_none() && host.chars().all(part)).then(|| host.to_owned())
}

/// A port as text.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "its port {:?} is not a number from 1 to 65535",
            cut(text)
        )),
        Ok(port) => Ok(port),
    }
}

/// A piece of a text, short enough to be quoted.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// 32 bytes in base64.
pub(crate) fn decode32(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A key with or without `@` and `.ed25519`. Some programs write the ending twice.
pub(crate) fn key(text: &str) -> Option<FeedId> {
    let text = text.strip_prefix('@').unwrap_or(text);
    let text = text.strip_suffix(".ed25519").unwrap_or(text);
    let text = text.strip_suffix(".ed25519").unwrap_or(text);
    decode32(text).map(FeedId::from_bytes)
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let all: Multiserver = text.parse()?;
        let tcp = all.targets().find_map(|target| match target {
            Target::Tcp(address) => Some(address),
            Target::Tunnel(_) => None,
        });
        tcp.ok_or_else(|| ParseAddressError::new(text, all.why_not()))
    }
}

/// An invite is written in the older form where the host allows it: the client
/// that most programs use (ssb-invite-client) drops the seed of the newer one.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        let key = STANDARD.encode(self.key.as_bytes());
        let seed = self.seed.map(|seed| STANDARD.encode(seed));
        match seed {
            None => write!(f, "net:{host}:{port}~shs:{key}"),
            Some(seed) if host.contains(':') || multiserver::is_protocol(host) => {
                write!(f, "net:{host}:{port}~shs:{key}:{seed}")
            }
            Some(seed) => write!(f, "{host}:{port}:@{key}.ed25519~{seed}"),
        }
    }
}

impl FromStr for TunnelAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let all: Multiserver = text.parse()?;
        let tunnel = all.targets().find_map(|target| match target {
            Target::Tunnel(address) => Some(address),
            Target::Tcp(_) => None,
        });
        tunnel.ok_or_else(|| {
            ParseAddressError::new(text, "it does not lead through a room (tunnel:@ROOM:@PEER)")
        })
    }
}

impl fmt::Display for TunnelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode(self.target.as_bytes());
        write!(f, "tunnel:{}:{}~shs:{key}", self.portal, self.target)
    }
}

/// The seed of an invite is a secret; logs do not show it.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = if self.seed.is_some() { ":(seed)" } else { "" };
        write!(
            f,
            "net:{}:{}~shs:{}{seed}",
            self.host,
            self.port,
            self.key.short()
        )
    }
}
