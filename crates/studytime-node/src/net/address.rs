//! Multiserver addresses: `net:host:port~shs:key`, alternatives joined by `;`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use studytime_schema::{FeedId, Keypair};

/// Longest address text that is read.
const MAX_LEN: usize = 2048;

/// Where and who a TCP peer is (multiserver `net` + `shs`).
///
/// The text form accepts several alternatives joined by `;` and takes the first
/// one it can use; raw IPv6 hosts are accepted, as real peers write them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, without brackets or zone.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The peer's key.
    pub key: FeedId,
    /// The seed of an invite's key, when the address is an invite.
    pub seed: Option<[u8; 32]>,
}

/// Why a text is no usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address this node can use: {why} (expected net:HOST:PORT~shs:KEY)")]
pub struct ParseAddressError {
    /// The text, cut to 120 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Address {
    /// The keypair of an invite address.
    pub fn invite_keys(&self) -> Option<Keypair> {
        self.seed.as_ref().map(Keypair::from_seed)
    }

    fn parse_one(text: &str) -> Result<Self, &'static str> {
        let (net, shs) = text.split_once("~shs:").ok_or("it names no key")?;
        let rest = net
            .strip_prefix("net:")
            .ok_or("it is no net: address (ws, tunnel and onion are not supported)")?;
        let (host, port) = rest.rsplit_once(':').ok_or("it has no port")?;
        let port: u16 = port.parse().map_err(|_| "its port is no number")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.split('%').next().unwrap_or(host);
        if host.is_empty() || port == 0 {
            return Err("its host or port is empty");
        }
        if !is_host(host) {
            return Err("its host is no name and no IP address");
        }
        let (key, seed) = match shs.split_once(':') {
            Some((key, seed)) => (
                key,
                Some(decode32(seed).ok_or("its invite seed is damaged")?),
            ),
            None => (shs, None),
        };
        let key = key.trim_start_matches('@');
        let key = key.strip_suffix(".ed25519").unwrap_or(key);
        let key = decode32(key).ok_or("its key is no public key")?;
        Ok(Self {
            host: host.to_owned(),
            port,
            key: FeedId::from_bytes(key),
            seed,
        })
    }

    /// The older invite form `host:port:@key.ed25519~seed`.
    fn parse_legacy(text: &str) -> Option<Self> {
        let (left, seed) = text.split_once('~')?;
        let (place, key) = left.split_once(":@")?;
        let (host, port) = place.rsplit_once(':')?;
        Some(Self {
            host: Some(host).filter(|h| is_host(h))?.to_owned(),
            port: port.parse().ok().filter(|p| *p != 0)?,
            key: FeedId::parse_lenient(key).ok()?,
            seed: Some(decode32(seed.split('#').next()?)?),
        })
    }
}

/// Letters (of any script), digits, and what else names and IP addresses have.
/// Such a host can be shown, logged and written into an address as it is.
fn is_host(host: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    !host.is_empty() && host.chars().all(part)
}

fn decode32(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let error = |why| ParseAddressError {
            text: text.chars().take(120).collect(),
            why,
        };
        if text.len() > MAX_LEN {
            return Err(error("it is too long"));
        }
        let text = text.trim().trim_matches(['"', '\'']).trim();
        if let Some(address) = Self::parse_legacy(text) {
            return Ok(address);
        }
        let mut first = None;
        for part in text.split(';') {
            let part = part.split('#').next().unwrap_or(part);
            match Self::parse_one(part) {
                Ok(address) => return Ok(address),
                Err(why) => first = first.or(Some(why)),
            }
        }
        Err(error(first.unwrap_or("it is empty")))
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
            Some(seed) if host.contains(':') => write!(f, "net:{host}:{port}~shs:{key}:{seed}"),
            Some(seed) => write!(f, "{host}:{port}:@{key}.ed25519~{seed}"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";

    #[test]
    fn reads_what_peers_write() {
        for (text, host, port) in [
            (
                format!("net:192.168.1.10:8008~shs:{KEY}"),
                "192.168.1.10",
                8008,
            ),
            (format!("net:fe80::1%eth0:8008~shs:{KEY}"), "fe80::1", 8008),
            (format!("net:[::1]:9~shs:@{KEY}.ed25519"), "::1", 9),
            (
                format!("ws:a:1~shs:{KEY};net:pub.example:8008~shs:{KEY}"),
                "pub.example",
                8008,
            ),
            (format!("  \"net:h:1~shs:{KEY}\"\n"), "h", 1),
        ] {
            let a: Address = text.parse().unwrap();
            assert_eq!((a.host.as_str(), a.port), (host, port), "{text}");
            assert_eq!(a.to_string().parse::<Address>().unwrap(), a);
        }
    }

    #[test]
    fn reads_both_invite_forms() {
        let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        let modern: Address = format!("net:h:8008~shs:{KEY}:{seed}").parse().unwrap();
        let legacy: Address = format!("h:8008:@{KEY}.ed25519~{seed}").parse().unwrap();
        assert_eq!(modern, legacy);
        assert_eq!(modern.seed, Some([1; 32]));
        assert_eq!(modern.to_string(), format!("h:8008:@{KEY}.ed25519~{seed}"));
        let v6 = format!("net:fe80::1:8008~shs:{KEY}:{seed}");
        assert_eq!(v6.parse::<Address>().unwrap().to_string(), v6);
        assert!(!format!("{modern:?}").contains(seed));
    }

    #[test]
    fn a_host_cannot_smuggle_in_another_address() {
        let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        for host in ["a;net:b", "a#b", "a\"", "a\u{202e}b", "", "a/b"] {
            let legacy = format!("{host}:8008:@{KEY}.ed25519~{seed}");
            assert!(legacy.parse::<Address>().is_err(), "{legacy}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("", "no key"),
            ("net:h:8008", "no key"),
            ("net:h:0~shs:x", "empty"),
            ("net:a\u{19}b:1~shs:x", "no name"),
            ("net:a b:1~shs:x", "no name"),
            ("net:h:99999~shs:x", "no number"),
            ("onion:h:1~shs:x", "not supported"),
            ("net:h:1~shs:AAAA", "no public key"),
        ] {
            let e = text.parse::<Address>().unwrap_err().to_string();
            assert!(e.contains(why), "{text}: {e}");
        }
    }
}
