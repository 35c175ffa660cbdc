//! Messages encrypted to a few feeds (private-box, `….box`).
//!
//! Protocol guide: "Private messages". The same nonce serves every box in one
//! message, each under another key; so nonce, key and one-time key must be
//! fresh for every message.

use crate::{FeedId, Keypair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dryoc::classic::crypto_core::{crypto_scalarmult, crypto_scalarmult_base};
use dryoc::classic::crypto_secretbox::{crypto_secretbox_easy, crypto_secretbox_open_easy};
use dryoc::classic::crypto_sign_ed25519::{
    crypto_sign_ed25519_pk_to_curve25519, crypto_sign_ed25519_sk_to_curve25519,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The most recipients one message can have: other programs try no more slots.
pub const MAX_RECIPIENTS: usize = 7;

/// What ends the text of a private-box message.
const SUFFIX: &str = ".box";
const NONCE: usize = 24;
const KEY: usize = 32;
const TAG: usize = 16;
/// One recipient's slot: a tag, the number of recipients, the key of the body.
const SLOT: usize = TAG + 1 + KEY;
const HEADER: usize = NONCE + KEY;
/// The longest base64 opened: a whole message of three-byte characters is shorter.
const MAX_BOX_BYTES: usize = 64 * 1024;

/// The random bytes one private message needs, from the system's generator.
///
/// Never use one twice, and never make it of anything predictable: two messages
/// with one key and nonce give away both texts.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Randomness {
    /// Shared by every box in the message, and public.
    pub nonce: [u8; 24],
    /// Encrypts the text.
    pub key: [u8; 32],
    /// The one-time secret that hides who may read.
    pub onetime: [u8; 32],
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness(hidden)")
    }
}

/// Why a text was not encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody could read it.
    #[error(
        "a private message needs at least one recipient; add the own feed to be able to read it"
    )]
    NoRecipient,
    /// More than [`MAX_RECIPIENTS`].
    #[error(
        "a private message can have at most {MAX_RECIPIENTS} recipients, not {0}: send it in parts"
    )]
    TooManyRecipients(usize),
    /// The recipient's id is not a usable key.
    #[error("nothing can be encrypted to {0}: it is not a usable key")]
    BadRecipient(FeedId),
    /// The text is longer than any message.
    #[error("{0} bytes do not fit in one private message: send it in parts")]
    TooLong(usize),
}

/// Encrypts `plaintext` to the recipients, whose order stays visible to nobody.
/// Name the own feed among them, or its author cannot read it.
///
/// The result is the text for [`Message::sign_private`](crate::Message::sign_private).
///
/// # Errors
/// [`SealError`] for no or too many recipients, an unusable recipient, or a
/// text beyond any message's size.
pub fn seal(
    plaintext: &[u8],
    recipients: &[FeedId],
    randomness: &Randomness,
) -> Result<String, SealError> {
    let count = match u8::try_from(recipients.len()) {
        Ok(0) => return Err(SealError::NoRecipient),
        Ok(count) if recipients.len() <= MAX_RECIPIENTS => count,
        _ => return Err(SealError::TooManyRecipients(recipients.len())),
    };
    // What is sealed here can be opened here.
    let bytes = HEADER + recipients.len() * SLOT + TAG + plaintext.len();
    if bytes.div_ceil(3) * 4 > MAX_BOX_BYTES {
        return Err(SealError::TooLong(plaintext.len()));
    }
    let nonce = &randomness.nonce;
    let mut onetime_public = [0u8; KEY];
    crypto_scalarmult_base(&mut onetime_public, &randomness.onetime);
    let mut slot_plain = Zeroizing::new([0u8; 1 + KEY]);
    slot_plain[0] = count;
    slot_plain[1..].copy_from_slice(&randomness.key);

    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(nonce);
    out.extend_from_slice(&onetime_public);
    for recipient in recipients {
        let bad = |_| SealError::BadRecipient(*recipient);
        let mut public = [0u8; KEY];
        crypto_sign_ed25519_pk_to_curve25519(&mut public, recipient.as_bytes()).map_err(bad)?;
        let mut shared = Zeroizing::new([0u8; KEY]);
        crypto_scalarmult(&mut shared, &randomness.onetime, &public).map_err(bad)?;
        let mut slot = [0u8; SLOT];
        crypto_secretbox_easy(&mut slot, &slot_plain[..], nonce, &shared).map_err(bad)?;
        out.extend_from_slice(&slot);
    }
    let mut body = vec![0u8; TAG + plaintext.len()];
    crypto_secretbox_easy(&mut body, plaintext, nonce, &randomness.key)
        .map_err(|_| SealError::TooLong(plaintext.len()))?;
    out.extend_from_slice(&body);
    let mut text = STANDARD.encode(&out);
    text.push_str(SUFFIX);
    Ok(text)
}

/// Decrypts the text of a private message; `None` when it is not for `keys`,
/// or is damaged, or is of another kind (`.box2` …).
pub fn open(text: &str, keys: &Keypair) -> Option<Vec<u8>> {
    let base = text.strip_suffix(SUFFIX)?;
    if base.len() > MAX_BOX_BYTES {
        return None;
    }
    let bytes = STANDARD.decode(base).ok()?;
    let (nonce, rest) = bytes.split_first_chunk::<NONCE>()?;
    let (onetime_public, boxes) = rest.split_first_chunk::<KEY>()?;

    let secret = Zeroizing::new(keys.secret_bytes());
    let mut exchange = Zeroizing::new([0u8; KEY]);
    crypto_sign_ed25519_sk_to_curve25519(&mut exchange, &secret);
    let mut shared = Zeroizing::new([0u8; KEY]);
    crypto_scalarmult(&mut shared, &exchange, onetime_public).ok()?;

    let mut opened = Zeroizing::new([0u8; 1 + KEY]);
    // The count of recipients is one byte, so no slot lies beyond the 255th;
    // what follows the last slot is at least the tag of the body.
    let slots = boxes
        .get(..boxes.len().checked_sub(TAG)?)?
        .chunks_exact(SLOT)
        .take(255);
    for slot in slots {
        if crypto_secretbox_open_easy(&mut opened[..], slot, nonce, &shared).is_err() {
            continue;
        }
        let (count, key) = opened.split_first()?;
        let key: Zeroizing<[u8; KEY]> = Zeroizing::new(key.try_into().ok()?);
        // The count comes from the sender: it may point past the end.
        let body = boxes.get(usize::from(*count) * SLOT..)?;
        let mut plain = vec![0u8; body.len().checked_sub(TAG)?];
        crypto_secretbox_open_easy(&mut plain, body, nonce, &key).ok()?;
        return Some(plain);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text_that_is_sealed_can_be_opened() {
        let keys = Keypair::from_seed(&[1; 32]);
        let readers = [keys.id(); MAX_RECIPIENTS];
        let randomness = Randomness {
            nonce: [1; 24],
            key: [2; 32],
            onetime: [3; 32],
        };
        for count in [1, MAX_RECIPIENTS] {
            let longest = MAX_BOX_BYTES / 4 * 3 - HEADER - count * SLOT - TAG;
            let text = vec![b'x'; longest + 1];
            let seal = |text: &[u8]| seal(text, &readers[..count], &randomness);
            assert_eq!(seal(&text), Err(SealError::TooLong(longest + 1)));
            let sealed = seal(&text[1..]).unwrap();
            assert_eq!(open(&sealed, &keys).as_deref(), Some(&text[1..]));
        }
    }
}
