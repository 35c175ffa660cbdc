//! Classic messages. A [`Message`] only comes out of verification or signing.
//!
//! Receiving accepts exactly what the JavaScript validator that most of the
//! network runs (ssb-validate 4) accepts: a stricter or a looser receiver would
//! lose feeds that others carry, or carry feeds that others refuse. Writing is
//! stricter: only what every known implementation accepts.
//!
//! Protocol guide: "Feeds", message format, signature and message id.

mod envelope;
mod error;
mod write;

pub use error::{SignError, VerifyError};
pub use write::signed_units_of;

use crate::keys::{HmacKey, Keypair, Verdict, VerifyingKey};
use crate::{FeedId, MessageId};
use envelope::{Envelope, TypeName};
use serde_json::Value;
use std::fmt;
use std::ops::Range;

/// The longest a message may be, in UTF-16 units of its signed (indented) form,
/// signature included.
pub const MAX_MESSAGE_UNITS: usize = 8192;

/// The longest text that is looked at, in bytes.
///
/// A message in its compact form stays under 25 kB, and under 50 kB if its
/// sender escapes everything beyond ASCII. What is longer than this can only be
/// padding; JavaScript would read it, no known program writes it.
pub const MAX_WIRE_BYTES: usize = 64 * 1024;

/// The last message of a feed, as far as it is known: what the next one must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tip {
    /// The id of the last message.
    pub id: MessageId,
    /// Its sequence.
    pub sequence: u64,
}

/// A message whose shape, size and signature have been checked.
///
/// Its place in the feed has not: see [`chain::check`](crate::chain::check).
/// A clone copies the text; share it as `Arc<Message>`.
#[derive(Clone, PartialEq)]
pub struct Message {
    wire: Box<str>,
    id: MessageId,
    author: FeedId,
    previous: Option<MessageId>,
    sequence: u32,
    timestamp: f64,
    /// The content within `wire`; for an encrypted one, without its quotes.
    content: Range<u32>,
    type_name: TypeName,
    signed_units: u32,
}

impl Message {
    /// Reads and verifies a message from its JSON, as it came from a peer.
    ///
    /// Checks shape, size and signature; **not** its place in the feed.
    /// `hmac` is the network's signing key; the main network has none.
    ///
    /// # Errors
    /// [`VerifyError`]: nothing of the message may be used then.
    pub fn verify(wire: &[u8], hmac: Option<&HmacKey>) -> Result<Self, VerifyError> {
        let envelope = Envelope::read(wire)?;
        let key = VerifyingKey::new(envelope.author)?;
        let is_signed = envelope.is_signed_by(&key, hmac);
        Self::finish(envelope, is_signed)
    }

    /// Like [`verify`](Self::verify), with the author's key at hand: faster for
    /// many messages of one feed.
    ///
    /// # Errors
    /// As `verify`; and [`VerifyError::OtherAuthor`] when the message is not by that key.
    pub fn verify_with(
        wire: &[u8],
        key: &VerifyingKey,
        hmac: Option<&HmacKey>,
    ) -> Result<Self, VerifyError> {
        let envelope = Envelope::by(wire, key)?;
        // Not in batches, however tempting: see `VerifyingKey::verify`.
        let is_signed = envelope.is_signed_by(key, hmac);
        Self::finish(envelope, is_signed)
    }

    /// Verifies several messages, each with its author's key: the same answers as
    /// [`verify_with`](Self::verify_with) gives one by one, in their order, a tenth
    /// faster where keys are [prepared](VerifyingKey::prepare).
    ///
    /// Each is judged by itself. What is shared is one division, not the equation:
    /// no signature can change the verdict on another.
    pub fn verify_each(
        messages: &[(&[u8], &VerifyingKey)],
        hmac: Option<&HmacKey>,
    ) -> Vec<Result<Self, VerifyError>> {
        let read: Vec<_> = messages
            .iter()
            .map(|(wire, key)| Envelope::by(wire, key))
            .collect();
        let begun: Vec<_> = read
            .iter()
            .zip(messages)
            .filter_map(|(envelope, (_, key))| Some(envelope.as_ref().ok()?.begin(key, hmac)))
            .collect();
        let mut verdicts = Verdict::settle(&begun).into_iter();
        read.into_iter()
            .map(|envelope| {
                let envelope = envelope?;
                Self::finish(envelope, verdicts.next().unwrap_or_default())
            })
            .collect()
    }

    fn finish(envelope: Envelope<'_>, is_signed: bool) -> Result<Self, VerifyError> {
        if !is_signed {
            return Err(VerifyError::WrongSignature {
                author: envelope.author,
                sequence: u64::from(envelope.sequence),
            });
        }
        Ok(Self::from_envelope(envelope))
    }

    /// Reads a message back from our own store: checks all but the signature,
    /// which was checked before it was stored.
    ///
    /// Never use it on bytes from anywhere else.
    ///
    /// # Errors
    /// [`VerifyError`] when the stored bytes are not a message (a damaged store).
    pub fn from_log(wire: &[u8]) -> Result<Self, VerifyError> {
        Envelope::read(wire).map(Self::from_envelope)
    }

    /// The same message with its signature spelled as every program writes it;
    /// `None` when it is spelled so already (every ordinary message is).
    ///
    /// ssb-validate looks at the first 64 bytes of a signature and takes one or
    /// two more behind them, so a message has to be accepted with them. But they
    /// are hashed and not signed: whoever passes a message on could add them, and
    /// so give it another id, after which its successor no longer fits. Which id
    /// its author meant is told by the `previous` of the next message alone. Until
    /// that one is here, keep this spelling.
    pub fn plain(&self) -> Option<Self> {
        if envelope::has_plain_signature(&self.wire) {
            return None;
        }
        let mut envelope = Envelope::read(self.wire.as_bytes()).ok()?;
        envelope.make_plain();
        Some(Self::from_envelope(envelope))
    }

    fn from_envelope(envelope: Envelope<'_>) -> Self {
        Self {
            id: envelope.id(),
            author: envelope.author,
            previous: envelope.previous,
            sequence: envelope.sequence,
            timestamp: envelope.timestamp,
            content: envelope.content,
            type_name: envelope.type_name,
            signed_units: envelope.signed_units,
            wire: envelope.compact.into_owned().into_boxed_str(),
        }
    }

    /// Writes and signs the next message of `keys`' feed, after `tip` (`None`:
    /// its first message). `timestamp_ms` is the claimed time in milliseconds
    /// since 1970.
    ///
    /// `content` must be an object that every implementation reads alike:
    /// whole numbers only, no keys that look like numbers, a `type` of 3 to 52
    /// ASCII characters, at most 18 levels deep, and short enough;
    /// [`signed_units_of`] measures a draft.
    ///
    /// The result must be on disk before anybody is told of it: signing another
    /// message after the same tip forks the feed.
    ///
    /// # Errors
    /// [`SignError`] names the field at fault.
    pub fn sign(
        keys: &Keypair,
        tip: Option<&Tip>,
        timestamp_ms: u64,
        content: &Value,
        hmac: Option<&HmacKey>,
    ) -> Result<Self, SignError> {
        write::public(keys, tip, timestamp_ms, content, hmac)
    }

    /// Like [`sign`](Self::sign), for a content encrypted by
    /// [`private::seal`](crate::private::seal).
    ///
    /// # Errors
    /// [`SignError`] when the text is not strict base64 with the suffix `.box`
    /// or too long.
    pub fn sign_private(
        keys: &Keypair,
        tip: Option<&Tip>,
        timestamp_ms: u64,
        boxed: &str,
        hmac: Option<&HmacKey>,
    ) -> Result<Self, SignError> {
        write::private(keys, tip, timestamp_ms, boxed, hmac)
    }

    /// The hash over the signed form, signature included.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The feed it belongs to.
    pub fn author(&self) -> FeedId {
        self.author
    }

    /// Its place in the feed, counted from 1; at most `i32::MAX`.
    pub fn sequence(&self) -> u64 {
        u64::from(self.sequence)
    }

    /// The message before it; `None` exactly at sequence 1.
    pub fn previous(&self) -> Option<MessageId> {
        self.previous
    }

    /// When its author claims to have written it, in milliseconds since 1970.
    ///
    /// Nothing holds an author to it: it may go backwards or be negative. It is
    /// always finite; 0 when the message names no number.
    pub fn timestamp(&self) -> f64 {
        self.timestamp
    }

    /// The compact JSON to store and to send. Verifying it again gives this message.
    pub fn wire(&self) -> &str {
        &self.wire
    }

    fn content(&self) -> &str {
        let Range { start, end } = self.content;
        self.wire
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// The compact JSON text of a content that is an object.
    ///
    /// It nests less than 64 levels. Its strings may hold escaped lone
    /// surrogates, which Rust's strings cannot: reading it can fail.
    pub fn public_content(&self) -> Option<&str> {
        (!matches!(self.type_name, TypeName::Private)).then(|| self.content())
    }

    /// The text of an encrypted content: base64 and `.box`, `.box2` or
    /// whatever suffix its kind has. A suffix with escapes (none is known) is
    /// given as JSON writes it.
    pub fn private_content(&self) -> Option<&str> {
        matches!(self.type_name, TypeName::Private).then(|| self.content())
    }

    /// The `type` of a public content: 3 to 52 UTF-16 units. Lone surrogates in
    /// it are replaced.
    pub fn content_type(&self) -> Option<&str> {
        match &self.type_name {
            TypeName::Private => None,
            TypeName::At(range) => self.wire.get(range.start as usize..range.end as usize),
            TypeName::Unescaped(text) => Some(text),
        }
    }

    /// This message as the tip that the next one follows.
    pub fn tip(&self) -> Tip {
        Tip {
            id: self.id,
            sequence: self.sequence(),
        }
    }

    /// Its size as the network measures it, in UTF-16 units of the signed form;
    /// at most [`MAX_MESSAGE_UNITS`].
    pub fn signed_units(&self) -> usize {
        self.signed_units as usize
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("author", &self.author)
            .field("sequence", &self.sequence)
            .field("type", &self.content_type().unwrap_or("(private)"))
            .finish_non_exhaustive()
    }
}
