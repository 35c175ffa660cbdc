//! Invites in all their forms: what a pasted text asks for, and what servers
//! answer. No I/O in here.

pub(crate) mod alias;
pub(crate) mod answer;
#[cfg(test)]
mod tests;

use crate::net::address::uri;
use crate::net::{Address, Multiserver, ParseAddressError, Target};
use alias::{Alias, AliasError};

/// Longest invite that is read: a URI with an address and a signature in it.
const MAX_LEN: usize = 4096;
/// The seed that stands in the open invite of a room of the first generation: no
/// key is made from it, anybody may enter.
const OPEN_ROOM: [u8; 32] = [
    0x49, 0x20, 0x7e, 0x46, 0x8a, 0x26, 0xf8, 0xf4, 0x8a, 0xdd, 0x32, 0xd8, 0x0b, 0x64, 0xfc, 0xe8,
    0x41, 0xd0, 0x09, 0x41, 0xc1, 0x50, 0x70, 0x12, 0x08, 0x04, 0x84, 0xd7, 0xc2, 0x41, 0x57, 0x6e,
];

/// What a pasted text invites to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invitation {
    /// A pub follows us; every address carries the invite's seed.
    Pub(Vec<Address>),
    /// A room that anybody may enter.
    OpenRoom(Vec<Address>),
    /// A page of a room server: an invite, or somebody's alias.
    Link(String),
    /// The claim of a room's invite, as a room's page hands it to programs.
    Claim(Claim),
    /// Somebody in a room, by a name that they registered there.
    Alias(Box<Alias>),
}

/// An invite of a room, and where to hand it in (SIP 5).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) invite: String,
    pub(crate) post_to: String,
}

/// The code of an invite is a secret; logs do not show it.
impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("post_to", &self.post_to)
            .finish_non_exhaustive()
    }
}

/// Why a text is no invite.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InvitationError {
    #[error("there is no invite in this text")]
    Empty,
    #[error("an invite is not longer than {MAX_LEN} bytes")]
    TooLong,
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    #[error("this is an address, not an invite")]
    NoSeed,
    #[error("the URI lacks its {0}")]
    Missing(&'static str),
    #[error("the URI has percent signs that stand for nothing")]
    Percent,
    #[error("this ssb: URI asks for {0:?}, which is no invite and no alias")]
    Action(String),
    #[error(transparent)]
    Alias(#[from] AliasError),
}

impl Invitation {
    /// Reads an invite as people paste it: with quotes, spaces, broken lines.
    pub(crate) fn parse(text: &str) -> Result<Self, InvitationError> {
        if text.len() > MAX_LEN {
            return Err(InvitationError::TooLong);
        }
        // Mail programs break long lines; nothing in an invite has a line end.
        let joined: String = text.lines().map(str::trim).collect();
        let text = uri::unquote(&joined);
        if text.is_empty() {
            return Err(InvitationError::Empty);
        }
        if starts_with(text, "https://") || starts_with(text, "http://") {
            return Ok(Self::Link(text.to_owned()));
        }
        if let Some(rest) = uri::after_scheme(text)
            && let Some((path, parameters)) = rest.split_once('?')
            && path.trim_end_matches('/') == "experimental"
        {
            return Self::experimental(parameters);
        }
        let all: Multiserver = text.parse()?;
        let tcp: Vec<Address> = all
            .targets()
            .filter_map(|target| match target {
                Target::Tcp(address) => Some(address),
                Target::Tunnel(_) => None,
            })
            .collect();
        if tcp.is_empty() {
            return Err(ParseAddressError::new(text, all.why_not()).into());
        }
        if tcp.iter().any(|a| a.seed == Some(OPEN_ROOM)) {
            return Ok(Self::OpenRoom(tcp.iter().map(Address::plain).collect()));
        }
        let seeded: Vec<Address> = tcp.into_iter().filter(|a| a.seed.is_some()).collect();
        match seeded.is_empty() {
            true => Err(InvitationError::NoSeed),
            false => Ok(Self::Pub(seeded)),
        }
    }

    fn experimental(parameters: &str) -> Result<Self, InvitationError> {
        let all = uri::query(parameters).ok_or(InvitationError::Percent)?;
        let get = |name: &'static str| {
            let found = uri::parameter(&all, name).filter(|v| !v.is_empty());
            found.ok_or(InvitationError::Missing(name))
        };
        match get("action")? {
            "claim-http-invite" => Ok(Self::Claim(Claim {
                invite: get("invite")?.to_owned(),
                post_to: get("postTo")?.to_owned(),
            })),
            "consume-alias" => Ok(Self::Alias(Box::new(Alias::read(&alias::Fields {
                alias: get("alias")?,
                user: get("userId")?,
                room: get("roomId")?,
                signature: get("signature")?,
                address: get("multiserverAddress")?,
            })?))),
            other => Err(InvitationError::Action(other.chars().take(40).collect())),
        }
    }
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}
