//! Magnet links: which torrent, and whom to ask about it.

use super::InfoHash;
use reqwest::Url;
use std::fmt::{self, Write as _};

/// Longest link that is read.
const MAX_LINK: usize = 4_096;
/// Trackers and addresses of peers that are taken from one link, of each.
const MAX_PLACES: usize = 8;

/// A torrent by its hash, and where its peers may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Magnet {
    pub(super) hash: InfoHash,
    /// What the file is called.
    pub(super) name: Option<String>,
    /// Addresses of trackers, not looked at yet.
    pub(super) trackers: Vec<String>,
    /// `HOST:PORT` of peers, not looked at yet.
    pub(super) peers: Vec<String>,
}

impl Magnet {
    /// Reads a link; what cannot be used in it is left out.
    pub(super) fn read(link: &str) -> Result<Self, String> {
        if link.len() > MAX_LINK {
            return Err(format!("the magnet link is longer than {MAX_LINK} bytes"));
        }
        let url = Url::parse(link).ok().filter(|u| u.scheme() == "magnet");
        let url = url.ok_or("it is not a magnet link")?;
        let mut hash = None;
        let mut magnet = Self {
            hash: InfoHash([0; 20]),
            name: None,
            trackers: Vec::new(),
            peers: Vec::new(),
        };
        for (key, value) in url.query_pairs() {
            match &*key {
                "xt" => hash = hash.or(value.strip_prefix("urn:btih:").and_then(InfoHash::read)),
                "dn" => magnet.name = Some(value.into_owned()),
                "tr" if magnet.trackers.len() < MAX_PLACES => {
                    magnet.trackers.push(value.into_owned());
                }
                "x.pe" if magnet.peers.len() < MAX_PLACES => magnet.peers.push(value.into_owned()),
                _ => {}
            }
        }
        magnet.hash = hash.ok_or(
            "the magnet link names no torrent of version 1 (xt=urn:btih:…), the only one understood",
        )?;
        Ok(magnet)
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btih:{}", self.hash)?;
        let name = self.name.iter().map(|n| ("dn", n));
        let trackers = self.trackers.iter().map(|t| ("tr", t));
        let peers = self.peers.iter().map(|p| ("x.pe", p));
        for (key, value) in name.chain(trackers).chain(peers) {
            write!(f, "&{key}={}", escaped(value.as_bytes()))?;
        }
        Ok(())
    }
}

/// Bytes as they stand in a query: nothing but letters, digits and `-._~` plain.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.write_char(char::from(*byte))
            }
            _ => write!(text, "%{byte:02X}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_link_is_read_and_written() {
        let link = format!(
            "magnet:?xt=urn:btih:{HEX}&dn=A%20film%26more&tr=udp%3A%2F%2Ft.example%3A80&x.pe=%5B%3A%3A1%5D%3A5"
        );
        let magnet = Magnet::read(&link).unwrap();
        assert_eq!(magnet.name.as_deref(), Some("A film&more"));
        assert_eq!(magnet.trackers, ["udp://t.example:80"]);
        assert_eq!(magnet.peers, ["[::1]:5"]);
        assert_eq!(magnet.hash.to_string(), HEX);
        assert_eq!(magnet.to_string(), link);
        // Other clients write the hash in capitals, or in base 32.
        let capitals = format!("magnet:?xt=urn:btih:{}", HEX.to_uppercase());
        assert_eq!(Magnet::read(&capitals).unwrap().hash, magnet.hash);
        let base32 = "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH";
        assert_eq!(Magnet::read(base32).unwrap().hash, magnet.hash);
    }

    #[test]
    fn others_are_refused_in_words() {
        for link in [
            "magnet:?",
            "magnet:?xt=urn:btih:12",
            "magnet:?xt=urn:btmh:1220abcd",
            "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL!",
            "https://example.org/",
            "",
        ] {
            assert!(Magnet::read(link).is_err(), "{link}");
        }
        let long = format!("magnet:?xt=urn:btih:{HEX}&dn={}", "x".repeat(5_000));
        assert!(Magnet::read(&long).unwrap_err().contains("longer"));
        let many = format!("magnet:?xt=urn:btih:{HEX}{}", "&tr=udp://a:1".repeat(100));
        assert_eq!(Magnet::read(&many).unwrap().trackers.len(), MAX_PLACES);
    }
}
