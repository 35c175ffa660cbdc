//! Key pairs, signatures, network keys and the secret file.
//!
//! Protocol guide: "Keys and identities".

mod multiples;

use self::multiples::Multiples;
use crate::FeedId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::edwards::EdwardsPoint;
use dryoc::classic::crypto_auth::crypto_auth;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _};
use std::borrow::Cow;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// An identity that can sign: an Ed25519 key pair.
///
/// The secret half is wiped from memory when the value is dropped, and
/// `Debug` prints only the id.
///
/// ```
/// use studytime_schema::Keypair;
///
/// let keys = Keypair::from_seed(&[1; 32]); // a real seed comes from the system's generator
/// let text = keys.to_secret_file();
/// assert_eq!(Keypair::from_secret_file(&text)?.id(), keys.id());
/// # Ok::<(), studytime_schema::SecretFileError>(())
/// ```
#[derive(Clone)]
pub struct Keypair {
    signing: SigningKey,
    id: FeedId,
}

impl Keypair {
    /// Derives the key pair from its 32-byte seed, which must come from a
    /// cryptographic random generator and be kept secret.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let id = FeedId::from_bytes(signing.verifying_key().to_bytes());
        Self { signing, id }
    }

    /// The public half: the id of the feed this key writes.
    pub fn id(&self) -> FeedId {
        self.id
    }

    /// The secret half as libsodium lays it out: 32 bytes of seed, then the 32
    /// bytes of the public key. The copy handed out is the caller's to wipe.
    pub fn secret_bytes(&self) -> [u8; 64] {
        self.signing.to_keypair_bytes()
    }

    /// Signs these bytes as they are (Ed25519, deterministic).
    ///
    /// A message is signed with [`Message::sign`](crate::Message::sign), which
    /// signs its canonical text.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.signing.sign(bytes).to_bytes()
    }

    /// The text of an SSB secret file: comments for the person who opens it
    /// around one JSON object. Every SSB program reads it. Store it with mode
    /// 0400.
    pub fn to_secret_file(&self) -> String {
        let id = self.id;
        let public = id.to_bare();
        let mut bytes = Zeroizing::new(self.secret_bytes());
        let private = Zeroizing::new(STANDARD.encode(*bytes));
        bytes.zeroize();
        format!(
            "# This file is the key to one Scuttlebutt identity. Whoever has it can\n\
             # write in your name, and nobody can take that back: keep it to yourself.\n\
             #\n\
             # Use it in one program on one device. Two copies that both publish split\n\
             # the feed in two, and others will stop following it at that point.\n\
             #\n\
             {{\n  \"curve\": \"ed25519\",\n  \"public\": \"{public}\",\n  \
             \"private\": \"{private}.ed25519\",\n  \"id\": \"{id}\"\n}}\n\
             #\n\
             # This is the public part, safe to give to anybody:\n\
             #   {id}\n",
            private = private.as_str(),
        )
    }

    /// Reads the text of an SSB secret file, this program's or another's.
    ///
    /// Comments (`#` to the end of the line) are ignored, fields may come in
    /// any order, and `id` may lack its `@` or be absent.
    ///
    /// # Errors
    /// [`SecretFileError`] when there is no such object in the text, the curve
    /// is not Ed25519, or the public and private halves do not belong together.
    pub fn from_secret_file(text: &str) -> Result<Self, SecretFileError> {
        if text.len() > MAX_SECRET_FILE_BYTES {
            return Err(SecretFileError::TooLong);
        }
        let json: Zeroizing<String> = Zeroizing::new(
            text.trim_start_matches('\u{feff}')
                .lines()
                .map(|line| line.split('#').next().unwrap_or_default())
                .collect(),
        );
        let file: SecretFile<'_> =
            serde_json::from_str(&json).map_err(|source| SecretFileError::NotJson {
                // The parser's own text may quote the secret: only its place is kept.
                column: source.column(),
            })?;
        if let Some(curve) = file.curve.as_deref()
            && curve != "ed25519"
        {
            return Err(SecretFileError::Curve(curve.chars().take(40).collect()));
        }
        let base = file
            .private
            .strip_suffix(".ed25519")
            .ok_or(SecretFileError::Private)?;
        // One byte more than is wanted, as the decoder asks for room up front.
        let mut bytes = Zeroizing::new([0u8; 66]);
        let (seed, public) = match STANDARD.decode_slice(base, &mut bytes[..]) {
            Ok(64) => bytes[..64].split_at(32),
            _ => return Err(SecretFileError::Private),
        };
        let seed: &[u8; 32] = seed.try_into().map_err(|_| SecretFileError::Private)?;
        let keys = Self::from_seed(seed);
        if keys.id.as_bytes() != public {
            return Err(SecretFileError::Mismatch("private"));
        }
        for (field, value) in [("public", &file.public), ("id", &file.id)] {
            if let Some(value) = value
                && FeedId::parse_lenient(value) != Ok(keys.id)
            {
                return Err(SecretFileError::Mismatch(field));
            }
        }
        Ok(keys)
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({}, secret hidden)", self.id)
    }
}

/// A secret file is well under 2 kB; anything longer is another file.
const MAX_SECRET_FILE_BYTES: usize = 64 * 1024;

#[derive(serde::Deserialize)]
struct SecretFile<'a> {
    #[serde(borrow)]
    curve: Option<Cow<'a, str>>,
    #[serde(borrow)]
    public: Option<Cow<'a, str>>,
    #[serde(borrow)]
    private: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

/// Why a text is not a usable secret file. No variant holds any part of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// Far longer than any secret file.
    #[error("this is not a secret file: it is longer than 64 KiB")]
    TooLong,
    /// Without its comments the text is not a JSON object with a `private` field.
    #[error(
        "this is not a secret file: without the comments it should be one JSON object with a \
         \"private\" field (reading stopped at character {column})"
    )]
    NotJson {
        /// Where reading stopped, counted in the text without comments and line ends.
        column: usize,
    },
    /// The key is of another kind.
    #[error("the key in this secret file is of kind {0:?}; only ed25519 keys can write a feed")]
    Curve(String),
    /// `private` is not 64 bytes in base64 with the suffix `.ed25519`.
    #[error(
        "\"private\" in this secret file is damaged: it should be 88 characters of base64 and then \
         .ed25519; restore the file from a backup"
    )]
    Private,
    /// The halves of the key do not belong together.
    #[error(
        "this secret file is damaged: its {0:?} belongs to another key than its secret; restore \
         the file from a backup"
    )]
    Mismatch(&'static str),
}

/// The eight points of small order, as they are spelled.
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn spelled(low: u8, all: u8, high: u8) -> [u8; 32] {
        let mut bytes = [all; 32];
        bytes[0] = low;
        bytes[31] = high;
        bytes
    }
    const fn with_sign(mut bytes: [u8; 32]) -> [u8; 32] {
        bytes[31] |= 0x80;
        bytes
    }
    const EIGHTH: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    const OTHER_EIGHTH: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    [
        spelled(1, 0, 0),
        spelled(0xec, 0xff, 0x7f),
        spelled(0, 0, 0),
        spelled(0, 0, 0x80),
        EIGHTH,
        with_sign(EIGHTH),
        OTHER_EIGHTH,
        with_sign(OTHER_EIGHTH),
    ]
};

/// A feed's public key, checked and decompressed once, for verifying many messages.
///
/// 200 bytes; [`prepare`](Self::prepare)d for a long run of one feed, 20 kB.
#[derive(Clone)]
pub struct VerifyingKey {
    key: ed25519_dalek::VerifyingKey,
    multiples: Option<Box<Multiples>>,
}

impl VerifyingKey {
    /// Decompresses the key.
    ///
    /// # Errors
    /// [`BadKey`] when the 32 bytes are not a point of the curve, are not its
    /// only spelling, or are one of the few points under which anyone can sign.
    /// No signature of such a feed verifies anywhere.
    pub fn new(id: FeedId) -> Result<Self, BadKey> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(id.as_bytes()).map_err(|_| BadKey { id })?;
        // libsodium refuses other spellings of a point; dalek takes them, so
        // that difference is closed here, once per feed.
        if key.is_weak() || key.to_edwards().compress().to_bytes() != *id.as_bytes() {
            return Err(BadKey { id });
        }
        Ok(Self {
            key,
            multiples: None,
        })
    }

    /// Works out multiples of the key: [`verify`](Self::verify) gives the same
    /// answers in half the time after it. Takes as long as one verification, so it
    /// pays from the third message of a feed on.
    pub fn prepare(&mut self) {
        if self.multiples.is_none() {
            self.multiples = Some(Box::new(Multiples::of(&self.key.to_edwards())));
        }
    }

    /// Drops what [`prepare`](Self::prepare) worked out.
    pub fn forget(&mut self) {
        self.multiples = None;
    }

    /// The feed whose key this is.
    pub fn id(&self) -> FeedId {
        FeedId::from_bytes(self.key.to_bytes())
    }

    /// Whether the signature is this key's over exactly these bytes.
    ///
    /// The verdict is that of `verify_strict` and must stay it. Verifying in
    /// batches (or cofactored, or without the strict checks) is twice as fast
    /// and gives *another verdict* on signatures that a feed's own author can
    /// craft: such a message would be valid here and invalid at every other
    /// peer, and the feed would be split for good. Batch equations do not even
    /// agree with themselves: the answer depends on what else is in the batch.
    /// To go faster, [`prepare`](Self::prepare) the key, and spread single
    /// verifications over cores.
    pub fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        match self.begin(bytes, signature) {
            Verdict::Known(verdict) => verdict,
            Verdict::Compare { point, spelling } => point.compress().as_bytes() == &spelling,
        }
    }

    /// All of a verification but, for a prepared key, the spelling of a point.
    pub(crate) fn begin(&self, bytes: &[u8], signature: &[u8; 64]) -> Verdict {
        // What `verify_strict` adds to `verify`: a weak key, which `new`
        // refused; a first half that is no point, which cannot equal the point
        // that `verify` computes and compares it with; and one of small order,
        // which has only these spellings, as that comparison is of bytes.
        // Looking at the spelling saves the decompression, a sixth of it all.
        let Some(first) = signature.first_chunk::<32>() else {
            return Verdict::Known(false);
        };
        if SMALL_ORDER.contains(first) {
            return Verdict::Known(false);
        }
        match &self.multiples {
            None => {
                let signature = Signature::from_bytes(signature);
                Verdict::Known(self.key.verify(bytes, &signature).is_ok())
            }
            Some(multiples) => match multiples.point(self.key.as_bytes(), bytes, signature) {
                None => Verdict::Known(false),
                Some(point) => Verdict::Compare {
                    point,
                    spelling: *first,
                },
            },
        }
    }
}

/// How far a verification has come.
pub(crate) enum Verdict {
    Known(bool),
    /// The signature is good if this is how that point is spelled.
    Compare {
        point: EdwardsPoint,
        spelling: [u8; 32],
    },
}

impl Verdict {
    /// The verdicts, each for itself: only the division that every spelling needs
    /// is shared, which changes none of them.
    pub(crate) fn settle(all: &[Self]) -> Vec<bool> {
        let points: Vec<EdwardsPoint> = all
            .iter()
            .filter_map(|verdict| match verdict {
                Self::Compare { point, .. } => Some(*point),
                Self::Known(_) => None,
            })
            .collect();
        let mut spelled = EdwardsPoint::compress_batch_alloc(&points).into_iter();
        all.iter()
            .map(|verdict| match verdict {
                Self::Known(verdict) => *verdict,
                Self::Compare { spelling, .. } => spelled
                    .next()
                    .is_some_and(|point| point.as_bytes() == spelling),
            })
            .collect()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.id())
    }
}

/// These 32 bytes cannot be the key of a feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id} is not a usable key: no signature can be checked against it")]
pub struct BadKey {
    /// The id in question.
    pub id: FeedId,
}

/// Whether `signature` is `author`'s over exactly these bytes (see
/// [`VerifyingKey::verify`]); `false` as well when the id is no usable key.
pub fn verify_detached(author: &FeedId, bytes: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::new(*author).is_ok_and(|key| key.verify(bytes, signature))
}

/// Why a text is not a 32-byte key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} should be 44 characters of base64 (32 bytes), like 1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s="
)]
pub struct ParseKeyError {
    what: &'static str,
}

macro_rules! shared_key {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// The text form is padded, canonical base64. `Debug` hides the bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&STANDARD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseKeyError;
            fn from_str(text: &str) -> Result<Self, ParseKeyError> {
                let mut out = [0u8; 33];
                match STANDARD.decode_slice(text, &mut out) {
                    Ok(32) if text.len() == 44 => {
                        let mut bytes = [0u8; 32];
                        bytes.copy_from_slice(&out[..32]);
                        Ok(Self(bytes))
                    }
                    _ => Err(ParseKeyError { what: $what }),
                }
            }
        }
    };
}

shared_key!(
    /// Which network a connection belongs to: both ends of a secret handshake
    /// must name the same one.
    NetworkKey,
    "a network key"
);
shared_key!(
    /// The key that some private networks mix into every signature
    /// (`caps.sign`). The main network has none.
    HmacKey,
    "a signing key (HMAC)"
);

impl NetworkKey {
    /// The main Scuttlebutt network.
    pub const MAIN: Self = Self([
        0xd4, 0xa1, 0xcb, 0x88, 0xa6, 0x6f, 0x02, 0xf8, 0xdb, 0x63, 0x5c, 0xe2, 0x64, 0x41, 0xcc,
        0x5d, 0xac, 0x1b, 0x08, 0x42, 0x0c, 0xea, 0xac, 0x23, 0x08, 0x39, 0xb7, 0x55, 0x84, 0x5a,
        0x9f, 0xfb,
    ]);
}

impl HmacKey {
    /// What is signed in place of the text on a network with this key:
    /// HMAC-SHA-512 cut to 32 bytes.
    pub(crate) fn authenticate(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = [0u8; 32];
        crypto_auth(&mut mac, text, &self.0);
        mac
    }
}

#[cfg(test)]
mod tests;
