//! The seven fields of a message, read and checked; all but the signature itself.

use super::error::VerifyError;
use super::{MAX_MESSAGE_UNITS, MAX_WIRE_BYTES};
use crate::json::{self, Forms, Member};
use crate::keys::{HmacKey, Verdict, VerifyingKey};
use crate::{FeedId, MessageId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::ops::Range;

/// What kind of content it is, and where its type is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TypeName {
    /// The content is encrypted.
    Private,
    /// The type within the compact text.
    At(Range<u32>),
    /// A type that JSON has to escape.
    Unescaped(Box<str>),
}

/// A message before its signature has been checked.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) compact: Cow<'a, str>,
    /// The signed form, with the signature.
    signed: String,
    pub(super) author: FeedId,
    pub(super) previous: Option<MessageId>,
    pub(super) sequence: u32,
    pub(super) timestamp: f64,
    pub(super) content: Range<u32>,
    pub(super) type_name: TypeName,
    pub(super) signed_units: u32,
    signature: [u8; 64],
}

/// How the signed form ends: the signature's line and the closing brace. The
/// text that is signed is the same without that line.
pub(super) const SIGNATURE_SUFFIX: &str = ".sig.ed25519";
const SIGNATURE_BASE: usize = 88;
pub(super) const SIGNATURE_CHARS: usize = SIGNATURE_BASE + SIGNATURE_SUFFIX.len();
const SIGNED_TAIL: usize = ",\n  \"signature\": \"\"\n}".len() + SIGNATURE_CHARS;

impl<'a> Envelope<'a> {
    /// Like [`read`](Self::read), and refuses what another author signed.
    pub(super) fn by(wire: &'a [u8], key: &VerifyingKey) -> Result<Self, VerifyError> {
        let envelope = Self::read(wire)?;
        if envelope.author != key.id() {
            return Err(VerifyError::OtherAuthor {
                expected: key.id(),
                got: envelope.author,
            });
        }
        Ok(envelope)
    }

    /// Reads and checks everything but the signature and the place in the feed.
    pub(super) fn read(wire: &'a [u8]) -> Result<Self, VerifyError> {
        if wire.len() > MAX_WIRE_BYTES {
            return Err(VerifyError::TooManyBytes { bytes: wire.len() });
        }
        let text = std::str::from_utf8(wire).map_err(|e| VerifyError::NotText {
            at: e.valid_up_to(),
        })?;
        let Forms {
            compact,
            signed,
            members,
        } = json::normalise(text)?;
        let [m0, m1, m2, m3, m4, m5, m6] = members.as_slice() else {
            return Err(VerifyError::Fields);
        };
        let key = |m: &Member| compact.get(m.key.clone()).unwrap_or_default();
        let value = |m: &Member| compact.get(m.value.clone()).unwrap_or_default();

        let (sequence, author) = match (key(m1), key(m2)) {
            ("sequence", "author") => (m1, m2),
            ("author", "sequence") => (m2, m1),
            _ => return Err(VerifyError::Fields),
        };
        let rest = [key(m0), key(m3), key(m4), key(m5), key(m6)];
        if rest != ["previous", "timestamp", "hash", "content", "signature"] {
            return Err(VerifyError::Fields);
        }

        let author = plain_string(value(author))
            .and_then(|text| FeedId::from_sigil(text).ok())
            .ok_or(VerifyError::Author)?;
        let signature = plain_string(value(m6))
            .and_then(decode_signature)
            .ok_or(VerifyError::SignatureForm)?;
        // Compact form: a whole number is spelled in digits alone.
        let sequence = value(sequence)
            .parse::<i32>()
            .ok()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|&n| n >= 1)
            .ok_or(VerifyError::Sequence)?;
        let previous = read_previous(value(m0))?;
        if previous.is_none() != (sequence == 1) {
            return Err(VerifyError::Previous);
        }
        let timestamp = value(m3).parse::<f64>();
        // Only the first message's timestamp is looked at by others; in later
        // ones anything goes.
        if sequence == 1 && timestamp.is_err() {
            return Err(VerifyError::Timestamp);
        }
        let timestamp = timestamp.ok().filter(|t| t.is_finite()).unwrap_or(0.0);
        if value(m4) != "\"sha256\"" {
            return Err(VerifyError::Hash);
        }
        let signed_units = json::count_units(&signed);
        if signed_units > MAX_MESSAGE_UNITS {
            return Err(VerifyError::TooLong);
        }
        let (content, type_name) = read_content(&compact, m5)?;
        Ok(Self {
            signed,
            author,
            previous,
            sequence,
            timestamp,
            content,
            type_name,
            // At most MAX_MESSAGE_UNITS, checked above.
            signed_units: signed_units as u32,
            signature,
            compact,
        })
    }

    /// SHA-256 over the low byte of each UTF-16 unit of the signed form: what
    /// JavaScript's `latin1` conversion leaves of it.
    pub(super) fn id(&self) -> MessageId {
        let hash = if self.signed.is_ascii() {
            Sha256::digest(self.signed.as_bytes())
        } else {
            Sha256::digest(low_bytes(&self.signed))
        };
        MessageId::from_bytes(hash.into())
    }

    /// The bytes that are signed: the signed form without its signature line.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let kept = self.signed.len().saturating_sub(SIGNED_TAIL);
        let mut bytes = Vec::with_capacity(kept + 2);
        bytes.extend_from_slice(self.signed.as_bytes().get(..kept).unwrap_or_default());
        bytes.extend_from_slice(b"\n}");
        bytes
    }

    pub(super) fn is_signed_by(&self, key: &VerifyingKey, hmac: Option<&HmacKey>) -> bool {
        Verdict::settle(&[self.begin(key, hmac)]) == [true]
    }

    /// The verification of the signature, all but its last step.
    pub(super) fn begin(&self, key: &VerifyingKey, hmac: Option<&HmacKey>) -> Verdict {
        let bytes = self.signed_bytes();
        match hmac {
            None => key.begin(&bytes, &self.signature),
            Some(hmac) => key.begin(&hmac.authenticate(&bytes), &self.signature),
        }
    }

    /// Spells the signature in its 64 bytes alone.
    pub(super) fn make_plain(&mut self) {
        self.put_signature(self.signature);
    }

    /// Puts the signature in the place that was held free for it.
    pub(super) fn put_signature(&mut self, signature: [u8; 64]) {
        let mut text = STANDARD.encode(signature);
        text.push_str(SIGNATURE_SUFFIX);
        self.signature = signature;
        let compact = self.compact.to_mut();
        let at = compact.len().saturating_sub("\"}".len() + SIGNATURE_CHARS);
        compact.truncate(at);
        compact.push_str(&text);
        compact.push_str("\"}");
        let at = self
            .signed
            .len()
            .saturating_sub("\"\n}".len() + SIGNATURE_CHARS);
        self.signed.truncate(at);
        self.signed.push_str(&text);
        self.signed.push_str("\"\n}");
    }
}

/// The low byte of each UTF-16 unit.
fn low_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| !b.is_ascii()) {
        let (ascii, other) = rest.split_at(at);
        out.extend_from_slice(ascii.as_bytes());
        let mut chars = other.chars();
        if let Some(c) = chars.next() {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|&unit| unit as u8));
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// The inside of a JSON string that needs no escapes.
fn plain_string(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// Whether a message (in compact form) spells its signature in 64 bytes alone.
pub(super) fn has_plain_signature(compact: &str) -> bool {
    compact
        .strip_suffix("\"}")
        .and_then(|text| text.strip_suffix(SIGNATURE_SUFFIX))
        .is_some_and(|text| text.ends_with("=="))
}

/// Canonical base64 of 88 characters, of which the first 64 bytes count.
///
/// 88 characters hold up to 66 bytes, and neither ssb-validate nor libsodium
/// below it looks at more than 64: what follows them is no part of the
/// signature, but of the text that is hashed. See [`Message::plain`](super::Message::plain).
fn decode_signature(text: &str) -> Option<[u8; 64]> {
    let base = text.strip_suffix(SIGNATURE_SUFFIX)?;
    if base.len() != SIGNATURE_BASE {
        return None;
    }
    let mut out = [0u8; 66];
    match STANDARD.decode_slice(base, &mut out) {
        Ok(64..=66) => out[..64].try_into().ok(),
        _ => None,
    }
}

fn read_previous(json: &str) -> Result<Option<MessageId>, VerifyError> {
    if json == "null" {
        return Ok(None);
    }
    // ssb-validate compares with `!=`, under which JavaScript takes an array of
    // one text for that text: `["%…"]` passes there, so it has to pass here.
    let text = json.trim_start_matches('[').trim_end_matches(']');
    plain_string(text)
        .and_then(|text| MessageId::from_sigil(text).ok())
        .map(Some)
        .ok_or(VerifyError::Previous)
}

fn read_content(compact: &str, member: &Member) -> Result<(Range<u32>, TypeName), VerifyError> {
    let value = compact.get(member.value.clone()).unwrap_or_default();
    let span = |range: &Range<usize>| narrow(range).ok_or(VerifyError::Content);
    if let Some(text) = plain_string(value) {
        if !is_boxed(text) {
            return Err(VerifyError::Content);
        }
        let inside = member.value.start + 1..member.value.end - 1;
        return Ok((span(&inside)?, TypeName::Private));
    }
    if !value.starts_with('{') {
        return Err(VerifyError::Content);
    }
    let range = member.type_value.as_ref().ok_or(VerifyError::ContentType)?;
    let text = compact
        .get(range.clone())
        .and_then(plain_string)
        .ok_or(VerifyError::ContentType)?;
    if !(3..=52).contains(&json::string_units(text)) {
        return Err(VerifyError::ContentType);
    }
    let name = if text.contains('\\') {
        TypeName::Unescaped(json::unescape(text).into_boxed_str())
    } else {
        TypeName::At(span(&(range.start + 1..range.end - 1))?)
    };
    Ok((span(&member.value)?, name))
}

fn narrow(range: &Range<usize>) -> Option<Range<u32>> {
    Some(u32::try_from(range.start).ok()?..u32::try_from(range.end).ok()?)
}

/// Canonical base64, `.box`, then anything but a line end (what the network's
/// validator checks with a pattern whose `.` stops at line ends).
fn is_boxed(text: &str) -> bool {
    let Some((base, suffix)) = text.split_once('.') else {
        return false;
    };
    let Some(rest) = suffix.strip_prefix("box") else {
        return false;
    };
    let line_end = ["\\n", "\\r", "\u{2028}", "\u{2029}"];
    is_canonical_base64(base) && !line_end.iter().any(|end| has_escape_or_char(rest, end))
}

/// Whether JSON string text holds this escape or character; `\\n` (a backslash,
/// then n) is not the escape `\n`.
fn has_escape_or_char(text: &str, wanted: &str) -> bool {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with(wanted) {
            return true;
        }
        let step = if first == '\\' { 2 } else { first.len_utf8() };
        rest = rest.get(step..).unwrap_or_default();
    }
    false
}

fn is_canonical_base64(text: &str) -> bool {
    // Validates without keeping: at most 8192 characters get here.
    STANDARD.decode(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn low_bytes_are_those_of_every_unit(text in "[a-z\u{e9}\u{2603}\u{1f600}\n]{0,40}|\\PC{0,40}") {
            let expected: Vec<u8> = text.encode_utf16().map(|unit| unit as u8).collect();
            prop_assert_eq!(low_bytes(&text), expected);
        }
    }
}
