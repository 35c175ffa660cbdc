//! Identifiers: feeds, messages and blobs.
//!
//! Each is a `Copy` newtype of 32 bytes. The text form is the *sigil* form of
//! the Scuttlebutt protocol guide (`@….ed25519`, `%….sha256`, `&….sha256`) with
//! padded, canonical base64; [`FromStr`](std::str::FromStr) also accepts the
//! `ssb:` URI form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseRefError {
    /// The text, cut to 80 characters.
    pub text: String,
    /// What was expected, for a person.
    pub expected: &'static str,
}

impl ParseRefError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            expected,
        }
    }
}

/// Decodes exactly 44 characters of canonical, padded base64.
fn decode32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 44 {
        return None;
    }
    let mut out = [0u8; 33];
    match STANDARD.decode_slice(text, &mut out) {
        Ok(32) => out[..32].try_into().ok(),
        _ => None,
    }
}

/// Decodes the URL-safe spelling that `ssb:` URIs use.
fn decode32_url(text: &str) -> Option<[u8; 32]> {
    decode32(&text.replace('-', "+").replace('_', "/"))
}

fn from_uri(text: &str, kind: &str, old: &str) -> Option<[u8; 32]> {
    let rest = text.strip_prefix("ssb:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let mut parts = rest.splitn(3, [':', '/']);
    let (k, format, data) = (parts.next()?, parts.next()?, parts.next()?);
    if k != kind || (format != "classic" && format != old) {
        return None;
    }
    decode32_url(data.trim_end_matches('/'))
}

macro_rules! id_type {
    (
        $(#[$doc:meta])* $name:ident, sigil $sigil:literal, suffix $suffix:literal,
        uri $uri:literal $old:literal, expected $expected:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes; every value is accepted.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads the sigil form exactly; no URI, no surrounding space.
            ///
            /// # Errors
            /// [`ParseRefError`] when the sigil, the suffix or the base64 is wrong.
            pub fn from_sigil(text: &str) -> Result<Self, ParseRefError> {
                text.strip_prefix($sigil)
                    .and_then(|t| t.strip_suffix($suffix))
                    .and_then(decode32)
                    .map(Self)
                    .ok_or_else(|| ParseRefError::new(text, $expected))
            }

            /// The `ssb:` URI form, with URL-safe base64.
            pub fn to_uri(&self) -> String {
                let b = STANDARD.encode(self.0).replace('+', "-").replace('/', "_");
                format!("ssb:{}/classic/{b}", $uri)
            }

            /// The sigil and the first eight characters, for logs and narrow screens.
            pub fn short(&self) -> String {
                let text = self.to_string();
                text[..9].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buf = [0u8; 44];
                let n = STANDARD.encode_slice(self.0, &mut buf).map_err(|_| fmt::Error)?;
                f.write_str($sigil)?;
                f.write_str(std::str::from_utf8(&buf[..n]).map_err(|_| fmt::Error)?)?;
                f.write_str($suffix)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseRefError;
            fn from_str(text: &str) -> Result<Self, ParseRefError> {
                match from_uri(text, $uri, $old) {
                    Some(bytes) => Ok(Self(bytes)),
                    None => Self::from_sigil(text),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id_type!(
    /// The identity of a feed: an Ed25519 public key, written `@….ed25519`.
    FeedId, sigil "@", suffix ".ed25519", uri "feed" "ed25519",
    expected "a feed id like @…=.ed25519"
);
id_type!(
    /// The identity of a message: a hash of its signed text, written `%….sha256`.
    MessageId, sigil "%", suffix ".sha256", uri "message" "sha256",
    expected "a message id like %…=.sha256"
);
id_type!(
    /// The identity of a blob: the SHA-256 of its bytes, written `&….sha256`.
    BlobId, sigil "&", suffix ".sha256", uri "blob" "sha256",
    expected "a blob id like &…=.sha256"
);

impl FeedId {
    /// Reads a feed id with or without `@` (the original design writes
    /// `feed_id` without), or as URI.
    ///
    /// # Errors
    /// [`ParseRefError`] when it is neither.
    pub fn parse_lenient(text: &str) -> Result<Self, ParseRefError> {
        text.parse().or_else(|e: ParseRefError| {
            text.strip_suffix(".ed25519")
                .and_then(decode32)
                .map(Self)
                .ok_or(e)
        })
    }

    /// The form without `@`, as the content types write `feed_id`.
    pub fn to_bare(&self) -> String {
        self.to_string()[1..].to_owned()
    }
}

impl BlobId {
    /// The blob of no bytes. Every peer has it; it is never asked for.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// The id of the blob with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads a blob id written `&…` or, as in the original design's example,
    /// `%…`; or as URI.
    ///
    /// # Errors
    /// [`ParseRefError`] when it is neither.
    pub fn parse_lenient(text: &str) -> Result<Self, ParseRefError> {
        text.parse().or_else(|e: ParseRefError| {
            text.strip_prefix('%')
                .and_then(|t| t.strip_suffix(".sha256"))
                .and_then(decode32)
                .map(Self)
                .ok_or(e)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn empty_blob_is_the_hash_of_nothing() {
        assert_eq!(BlobId::of(b""), BlobId::EMPTY);
        assert_eq!(
            BlobId::EMPTY.to_string(),
            "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256"
        );
    }

    #[test]
    fn refuses_loose_spellings() {
        for text in [
            "",
            "@",
            "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1x=.ed25519",
            "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w.ed25519",
            "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.sha256",
            " @iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519",
            "ssb:feed/gabby/iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
        ] {
            assert!(text.parse::<FeedId>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_form_reads_back(bytes: [u8; 32]) {
            let feed = FeedId::from_bytes(bytes);
            prop_assert_eq!(feed.to_string().parse::<FeedId>().unwrap(), feed);
            prop_assert_eq!(feed.to_uri().parse::<FeedId>().unwrap(), feed);
            prop_assert_eq!(FeedId::parse_lenient(&feed.to_bare()).unwrap(), feed);
            let blob = BlobId::from_bytes(bytes);
            prop_assert_eq!(BlobId::parse_lenient(&blob.to_string().replace('&', "%")).unwrap(), blob);
            prop_assert!(MessageId::from_bytes(bytes).to_string().parse::<BlobId>().is_err());
        }

        #[test]
        fn never_panics(text in ".{0,70}") {
            let _ = FeedId::parse_lenient(&text);
            let _ = BlobId::parse_lenient(&text);
            let _ = text.parse::<MessageId>();
        }
    }
}
