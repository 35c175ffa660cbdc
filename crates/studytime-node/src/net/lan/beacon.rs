//! The text of a beacon: what a node says of itself on the local network.
//!
//! Two forms are in use. A *plain* one is the address as text, several joined
//! by `;` (ssb-local and others, UDP 8008). An *encrypted* one is
//! `{"address":"…"}` in a secretbox under the network key, then a signature by
//! the key in the address over the same JSON with two spaces of indent
//! (ssb-lan, UDP 26830).
//!
//! No I/O and no clock. This file stands alone, so that the fuzzer can take it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dryoc::classic::crypto_secretbox::{crypto_secretbox_easy, crypto_secretbox_open_easy};
use std::net::IpAddr;
use studytime_schema::{FeedId, Keypair, NetworkKey, verify_detached};

/// Longest packet that is read. Others send up to a few hundred bytes.
pub(crate) const MAX_PACKET: usize = 1024;
/// Longest plain packet that is sent: go-ssb reads no more.
pub(crate) const MAX_PLAIN: usize = 128;
/// Addresses read from one packet.
pub(crate) const MAX_ADDRESSES: usize = 8;
/// Bytes that a secretbox adds.
const MAC: usize = 16;
const SIGNATURE: usize = 64;

/// What a beacon says: this key listens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// The address named; a host name is never taken from a beacon.
    pub(crate) ip: IpAddr,
    /// TCP port.
    pub(crate) port: u16,
    /// Whose node it is said to be; the handshake proves it.
    pub(crate) key: FeedId,
}

/// A beacon as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beacon {
    /// At least one, at most [`MAX_ADDRESSES`].
    pub(crate) claims: Vec<Claim>,
    /// Signed by the key that all its claims name.
    pub(crate) verified: bool,
}

/// Why a packet is no beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BeaconError {
    /// Longer than [`MAX_PACKET`], or empty.
    #[error("a packet of this length is no beacon")]
    Length,
    /// Not under our network key.
    #[error("the packet belongs to another network, or is damaged")]
    Sealed,
    /// Not text, or not the JSON that is expected.
    #[error("the packet is no text of a beacon")]
    Shape,
    /// No `net:IP:PORT~shs:KEY` in it.
    #[error("the packet names no address that can be used")]
    NoAddress,
}

impl Claim {
    /// `net:IP:PORT~shs:KEY`, as all peers read it; IPv6 without brackets.
    pub(crate) fn text(&self) -> String {
        let key = STANDARD.encode(self.key.as_bytes());
        format!("net:{}:{}~shs:{key}", self.ip, self.port)
    }

    fn parse(text: &str) -> Option<Self> {
        let (place, key) = text.trim().split_once("~shs:")?;
        let (ip, port) = place.strip_prefix("net:")?.rsplit_once(':')?;
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        // The zone is the sender's own name for its interface.
        let ip: IpAddr = ip.split('%').next()?.parse().ok()?;
        // A seed behind the key would be an invite: not for everybody to hear.
        let key = key.trim_start_matches('@');
        let key = key.strip_suffix(".ed25519").unwrap_or(key);
        let key: [u8; 32] = STANDARD.decode(key).ok()?.try_into().ok()?;
        let port = port.parse().ok().filter(|p| *p != 0)?;
        if ip.is_unspecified() || ip.is_multicast() {
            return None;
        }
        Some(Self {
            ip: ip.to_canonical(),
            port,
            key: FeedId::from_bytes(key),
        })
    }
}

fn claims(text: &str) -> Result<Vec<Claim>, BeaconError> {
    let mut claims = Vec::new();
    for part in text.split(';').take(MAX_ADDRESSES) {
        if let Some(claim) = Claim::parse(part)
            && !claims.contains(&claim)
        {
            claims.push(claim);
        }
    }
    if claims.is_empty() {
        return Err(BeaconError::NoAddress);
    }
    Ok(claims)
}

/// The plain form; `None` when it would be too long for some to read.
pub(crate) fn make_plain(claim: &Claim) -> Option<Vec<u8>> {
    Some(claim.text().into_bytes()).filter(|bytes| bytes.len() <= MAX_PLAIN)
}

/// Reads the plain form.
pub(crate) fn parse_plain(packet: &[u8]) -> Result<Beacon, BeaconError> {
    check_length(packet)?;
    let text = std::str::from_utf8(packet).map_err(|_| BeaconError::Shape)?;
    Ok(Beacon {
        claims: claims(text)?,
        verified: false,
    })
}

/// The encrypted form, signed by the key that the claim names.
pub(crate) fn make_sealed(
    ip: IpAddr,
    port: u16,
    keys: &Keypair,
    network: &NetworkKey,
) -> Option<Vec<u8>> {
    let claim = Claim {
        ip,
        port,
        key: keys.id(),
    };
    let address = claim.text();
    let plain = serde_json::to_string(&serde_json::json!({ "address": address })).ok()?;
    let mut packet = vec![0; plain.len() + MAC];
    crypto_secretbox_easy(
        &mut packet,
        plain.as_bytes(),
        &nonce(network),
        network.as_bytes(),
    )
    .ok()?;
    packet.extend_from_slice(&keys.sign(signed_text(&address)?.as_bytes()));
    Some(packet)
}

/// Reads the encrypted form. One without a signature, or with a wrong one, is
/// read as well but is not `verified`.
pub(crate) fn parse_sealed(packet: &[u8], network: &NetworkKey) -> Result<Beacon, BeaconError> {
    check_length(packet)?;
    let signed = packet
        .len()
        .checked_sub(SIGNATURE)
        .and_then(|at| packet.split_at_checked(at))
        .and_then(|(sealed, signature)| {
            let signature: &[u8; SIGNATURE] = signature.try_into().ok()?;
            Some((open(sealed, network)?, Some(signature)))
        });
    let (plain, signature) = match signed {
        Some(found) => found,
        None => (open(packet, network).ok_or(BeaconError::Sealed)?, None),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&plain).map_err(|_| BeaconError::Shape)?;
    let object = value.as_object().ok_or(BeaconError::Shape)?;
    let address = object
        .get("address")
        .and_then(|a| a.as_str())
        .ok_or(BeaconError::Shape)?;
    let claims = claims(address)?;
    let one_key = claims.iter().all(|c| c.key == claims[0].key);
    // More fields would be signed as well, in an order that is not known here.
    let verified = one_key
        && object.len() == 1
        && signature.is_some_and(|signature| {
            signed_text(address)
                .is_some_and(|text| verify_detached(&claims[0].key, text.as_bytes(), signature))
        });
    Ok(Beacon { claims, verified })
}

fn check_length(packet: &[u8]) -> Result<(), BeaconError> {
    if packet.is_empty() || packet.len() > MAX_PACKET {
        return Err(BeaconError::Length);
    }
    Ok(())
}

/// What the signature is made over.
fn signed_text(address: &str) -> Option<String> {
    serde_json::to_string_pretty(&serde_json::json!({ "address": address })).ok()
}

/// Always the same one, as all peers have it: whoever holds the network key can
/// read beacons anyhow, and the packets of one node are alike.
fn nonce(network: &NetworkKey) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce.copy_from_slice(&network.as_bytes()[..24]);
    nonce
}

fn open(sealed: &[u8], network: &NetworkKey) -> Option<Vec<u8>> {
    let mut plain = vec![0; sealed.len().checked_sub(MAC)?];
    crypto_secretbox_open_easy(&mut plain, sealed, &nonce(network), network.as_bytes()).ok()?;
    Some(plain)
}

#[cfg(test)]
#[path = "beacon_tests.rs"]
mod tests;
