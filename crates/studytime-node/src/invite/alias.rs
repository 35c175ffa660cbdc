//! Room aliases: a name under which a room knows one of its members, signed by
//! that member (rooms 2.0).

use crate::net::{Multiserver, ParseAddressError, TunnelAddress};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use studytime_schema::{FeedId, verify_detached};

/// Longest alias that is read; rooms allow far less.
const MAX_ALIAS: usize = 128;

/// A member of a room, proven by the member's own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) alias: String,
    pub(crate) user: FeedId,
    pub(crate) room: FeedId,
    /// Where the room is.
    pub(crate) address: Multiserver,
}

/// The texts an alias comes in, from a URI or a server's JSON.
pub(crate) struct Fields<'a> {
    pub(crate) alias: &'a str,
    pub(crate) user: &'a str,
    pub(crate) room: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) address: &'a str,
}

/// Why an alias is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AliasError {
    #[error("the alias is empty, too long or has characters that no alias has")]
    Name,
    #[error("the {0} of the alias is no feed id")]
    Feed(&'static str),
    #[error(
        "the signature of the alias is not the user's: the room, or whoever sent the link, made it up"
    )]
    Signature,
    #[error("the room's address cannot be used")]
    Address(#[source] ParseAddressError),
    #[error("the room's address names another room")]
    OtherRoom,
}

impl Alias {
    /// Reads an alias and checks the signature.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, AliasError> {
        let name = fields.alias;
        let bad = |c: char| c.is_control() || c.is_whitespace() || c == ':';
        if name.is_empty() || name.len() > MAX_ALIAS || name.contains(bad) {
            return Err(AliasError::Name);
        }
        let user = feed(fields.user).ok_or(AliasError::Feed("user"))?;
        let room = feed(fields.room).ok_or(AliasError::Feed("room"))?;
        let signature = signature(fields.signature).ok_or(AliasError::Signature)?;
        if !verify_detached(
            &user,
            signed_text(&room, &user, name).as_bytes(),
            &signature,
        ) {
            return Err(AliasError::Signature);
        }
        let address: Multiserver = fields.address.parse().map_err(AliasError::Address)?;
        if address.targets().any(|target| target.key() != room) {
            return Err(AliasError::OtherRoom);
        }
        Ok(Self {
            alias: name.to_owned(),
            user,
            room,
            address,
        })
    }

    /// The way to the user, once the room is reached.
    pub(crate) fn tunnel(&self) -> TunnelAddress {
        TunnelAddress {
            portal: self.room,
            target: self.user,
        }
    }
}

/// What the user signed.
fn signed_text(room: &FeedId, user: &FeedId, alias: &str) -> String {
    format!("=room-alias-registration:{room}:{user}:{alias}")
}

fn feed(text: &str) -> Option<FeedId> {
    text.parse().or_else(|_| FeedId::parse_lenient(text)).ok()
}

/// 64 bytes in either alphabet of base64, with or without `.sig.ed25519`.
fn signature(text: &str) -> Option<[u8; 64]> {
    let text = text.strip_suffix(".sig.ed25519").unwrap_or(text);
    let text = text.replace('-', "+").replace('_', "/");
    let padded = match text.ends_with('=') {
        true => text,
        false => text + "==",
    };
    STANDARD.decode(padded).ok()?.try_into().ok()
}

/// What tests sign.
#[cfg(test)]
pub(crate) fn sign(keys: &studytime_schema::Keypair, room: &FeedId, alias: &str) -> String {
    let signature = keys.sign(signed_text(room, &keys.id(), alias).as_bytes());
    format!("{}.sig.ed25519", STANDARD.encode(signature))
}
