//! Whole multiserver texts: what ways they name, and which of them we can go.

use super::{
    Address, MAX_LEN, ParseAddressError, TunnelAddress, cut, decode32, grammar, host, key, port,
    uri,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use studytime_schema::FeedId;

/// The ways to one peer that a text names, in its order; at least one.
///
/// Read from multiserver addresses with alternatives, from the older
/// `host:port:@key`, and from `ssb:address` URIs.
#[derive(Clone, PartialEq, Eq)]
pub struct Multiserver {
    pub(super) ways: Vec<Way>,
}

/// One way to reach a peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Way {
    /// How bytes get there.
    pub transport: Transport,
    /// Whom one meets there, when the secret handshake is spoken.
    pub key: Option<FeedId>,
    /// The seed of an invite's key.
    pub seed: Option<[u8; 32]>,
}

/// How bytes get to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Net {
        /// Host name or IP address, as in [`Address::host`].
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Through a room.
    Tunnel {
        /// The room.
        portal: FeedId,
        /// The peer.
        target: FeedId,
    },
    /// Another one, which this node cannot use: `ws`, `wss`, `onion`, `unix`, …
    Other {
        /// Its name.
        protocol: String,
        /// What follows the name.
        data: Vec<String>,
    },
}

/// A way this node can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Dial it.
    Tcp(Address),
    /// Ask a room for it.
    Tunnel(TunnelAddress),
}

impl Target {
    /// Who is to be met.
    pub fn key(&self) -> FeedId {
        match self {
            Self::Tcp(address) => address.key,
            Self::Tunnel(address) => address.target,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tunnel(address) => address.fmt(f),
        }
    }
}

impl Multiserver {
    /// All ways, in the order of the text.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// The ways this node can go, in the order of the text.
    pub fn targets(&self) -> impl Iterator<Item = Target> + '_ {
        self.ways.iter().filter_map(Way::target)
    }

    /// Why there is no way this node can go.
    pub(crate) fn why_not(&self) -> String {
        let first = self.ways.iter().find(|w| w.target().is_none());
        first.map_or_else(|| "it is empty".into(), Way::why_not)
    }
}

impl Way {
    /// The way, if this node can go it.
    pub fn target(&self) -> Option<Target> {
        let peer = self.key?;
        match &self.transport {
            Transport::Net { host, port } => Some(Target::Tcp(Address {
                host: host.clone(),
                port: *port,
                key: peer,
                seed: self.seed,
            })),
            Transport::Tunnel { portal, target } => Some(Target::Tunnel(TunnelAddress {
                portal: *portal,
                target: *target,
            })),
            Transport::Other { .. } => None,
        }
    }

    fn why_not(&self) -> String {
        let Transport::Other { protocol, .. } = &self.transport else {
            return "it names no key (~shs:KEY)".into();
        };
        match protocol.as_str() {
            "ws" | "wss" => format!(
                "not supported: {protocol} (WebSocket); ask for the net: address of the same peer, most have one on port 8008"
            ),
            "onion" => {
                "not supported: onion (Tor); ask for the net: address of the same peer, or meet in a room".into()
            }
            "unix" => {
                "not supported: unix (a socket on one machine); use the net: address of that program".into()
            }
            "bt" | "bluetooth" => {
                "not supported: bt (Bluetooth); in one network the devices find each other by themselves".into()
            }
            "dht" => "not supported: dht; ask for a net: address or meet in a room".into(),
            other => format!("not supported: the protocol {:?}", cut(other)),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let layers = grammar::split(text, '~')?;
        let (first, transforms) = layers.split_first().ok_or("it is empty")?;
        let data = grammar::split(first, ':')?;
        let (protocol, data) = data.split_first().ok_or("it is empty")?;
        if data.is_empty() {
            return Err(match *protocol {
                "" => "it is empty".into(),
                other => format!("it begins with {:?}, which is no address", cut(other)),
            });
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
        if protocol.eq_ignore_ascii_case("ssb") {
            return Err("an ssb: URI stands alone, not among alternatives".into());
        }
        if protocol.is_empty() || protocol.len() > 32 || !protocol.chars().all(is_name) {
            return Err(format!("{:?} is no name of a protocol", cut(protocol)));
        }
        let data: Vec<String> = data.iter().map(|d| grammar::unescape(d)).collect();
        let transport = match *protocol {
            "net" => net(&data)?,
            "tunnel" => tunnel(&data)?,
            other => other_transport(other, data)?,
        };
        let (mut peer, mut seed) = (None, None);
        for layer in transforms {
            let data = grammar::split(layer, ':')?;
            match data.as_slice() {
                ["shs", key, rest @ ..] => {
                    if peer.is_some() {
                        return Err("it has two keys".into());
                    }
                    (peer, seed) = shs(key, rest)?;
                }
                ["shs"] => return Err("it names no key after ~shs".into()),
                ["noauth"] => {}
                other => {
                    let name = other.first().copied().unwrap_or_default();
                    return Err(format!("not supported: the layer ~{}", cut(name)));
                }
            }
        }
        if let (Transport::Tunnel { target, .. }, Some(peer)) = (&transport, peer)
            && *target != peer
        {
            return Err("its ~shs key is not the key of the peer behind the tunnel".into());
        }
        if peer.is_none() && !matches!(transport, Transport::Other { .. }) {
            return Err("it names no key (~shs:KEY)".into());
        }
        Ok(Self {
            transport,
            key: peer,
            seed,
        })
    }

    /// The older form `host:port:@key.ed25519`, as an invite with `~seed` behind.
    fn parse_legacy(text: &str) -> Option<Result<Self, String>> {
        let (place, rest) = text.split_once(":@")?;
        if is_protocol(place.split(':').next().unwrap_or_default()) {
            return None;
        }
        let (name, seed) = match rest.split_once('~') {
            Some((name, seed)) => (name, Some(seed)),
            None => (rest, None),
        };
        // `host:port:@key~shs:key`: nobody writes it, but it is no seed.
        let parts = || {
            let (at, number) = place.rsplit_once(':').ok_or("it has no port")?;
            let host = host(at).ok_or_else(|| no_host(at))?;
            let port = port(number)?;
            let key = key(name).ok_or_else(|| no_key(name))?;
            let seed = seed.map(|s| decode32(s).ok_or(BAD_SEED)).transpose()?;
            Ok(Self {
                transport: Transport::Net { host, port },
                key: Some(key),
                seed,
            })
        };
        Some(parts())
    }
}

/// Whether a text that begins with this word and a colon is a multiserver address
/// or a URI: a host of that name cannot stand first.
pub(super) fn is_protocol(word: &str) -> bool {
    ["net", "tunnel", "ws", "wss", "onion", "unix"].contains(&word)
        || word.eq_ignore_ascii_case("ssb")
}

const BAD_SEED: &str = "the seed of its invite is damaged or cut off (44 characters of base64)";

fn no_host(text: &str) -> String {
    format!("its host {:?} is no name and no IP address", cut(text))
}

fn no_key(text: &str) -> String {
    format!("its key {:?} is no public key", cut(text))
}

/// TCP. Real peers write IPv6 addresses raw, so the last part is the port and all
/// before it the host.
fn net(data: &[String]) -> Result<Transport, String> {
    let (last, before) = data.split_last().ok_or("it has no host")?;
    if before.is_empty() {
        return Err("it has no port".into());
    }
    let name = before.join(":");
    if name.is_empty() {
        return Err("its host is empty".into());
    }
    let port = port(last)?;
    let host = host(&name).ok_or_else(|| no_host(&name))?;
    Ok(Transport::Net { host, port })
}

fn tunnel(data: &[String]) -> Result<Transport, String> {
    let [portal, target] = data else {
        return Err("a tunnel has two keys: tunnel:@ROOM:@PEER".into());
    };
    Ok(Transport::Tunnel {
        portal: key(portal).ok_or_else(|| format!("the room's key {:?} is no key", cut(portal)))?,
        target: key(target).ok_or_else(|| format!("the peer's key {:?} is no key", cut(target)))?,
    })
}

fn other_transport(name: &str, data: Vec<String>) -> Result<Transport, String> {
    let bad = data
        .iter()
        .flat_map(|d| d.chars())
        .find(|c| c.is_control() || uri::is_around(*c));
    if let Some(c) = bad {
        return Err(format!("it contains {c:?}"));
    }
    Ok(Transport::Other {
        protocol: name.to_owned(),
        data,
    })
}

type KeyAndSeed = (Option<FeedId>, Option<[u8; 32]>);

fn shs(name: &str, rest: &[&str]) -> Result<KeyAndSeed, String> {
    let peer = key(name).ok_or_else(|| no_key(name))?;
    match rest {
        [] => Ok((Some(peer), None)),
        [seed] => Ok((Some(peer), Some(decode32(seed).ok_or(BAD_SEED)?))),
        _ => Err("there is more behind its key than the seed of an invite".into()),
    }
}

impl FromStr for Multiserver {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let error = |why: String| ParseAddressError::new(text, why);
        if text.len() > MAX_LEN {
            return Err(error(format!("it is longer than {MAX_LEN} bytes")));
        }
        let pasted = uri::unquote(text);
        let inner;
        let body = match uri::address(pasted) {
            Some(address) => {
                inner = address.map_err(error)?;
                inner.as_str()
            }
            None => pasted,
        };
        // Some invites say where a browser may go afterwards.
        let body = body.split('#').next().unwrap_or_default().trim();
        let (mut ways, mut first) = (Vec::new(), None);
        for part in grammar::split(body, ';').map_err(error)? {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            match Way::parse_legacy(part).unwrap_or_else(|| Way::parse(part)) {
                Ok(way) => ways.push(way),
                // One that cannot be read does not spoil the others.
                Err(why) => first = first.or(Some(why)),
            }
        }
        if ways.is_empty() {
            return Err(error(first.unwrap_or_else(|| "it is empty".into())));
        }
        let all = Self { ways };
        // Escapes can make the written form longer than what was read.
        if all.to_string().len() > MAX_LEN {
            return Err(error(format!("it is longer than {MAX_LEN} bytes")));
        }
        Ok(all)
    }
}

impl fmt::Display for Multiserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, way) in self.ways.iter().enumerate() {
            if n > 0 {
                f.write_str(";")?;
            }
            way.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            // IPv6 stays raw: other peers do not undo escapes.
            Transport::Net { host, port } => write!(f, "net:{host}:{port}")?,
            Transport::Tunnel { portal, target } => write!(f, "tunnel:{portal}:{target}")?,
            Transport::Other { protocol, data } => {
                f.write_str(protocol)?;
                for piece in data {
                    write!(f, ":{}", grammar::escape(piece))?;
                }
            }
        }
        if let Some(peer) = self.key {
            write!(f, "~shs:{}", STANDARD.encode(peer.as_bytes()))?;
            if let Some(seed) = &self.seed {
                write!(f, ":{}", STANDARD.encode(seed))?;
            }
        }
        Ok(())
    }
}

/// Seeds are secrets; logs do not show them.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("transport", &self.transport)
            .field("key", &self.key)
            .field("seed", &self.seed.map(|_| "(hidden)"))
            .finish()
    }
}

impl fmt::Debug for Multiserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.ways).finish()
    }
}
