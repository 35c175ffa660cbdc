//! Writing messages: strict, as every implementation has to accept them.

use super::envelope::{Envelope, SIGNATURE_CHARS};
use super::error::{SignError, VerifyError};
use super::{MAX_MESSAGE_UNITS, Message, Tip};
use crate::json::{self, StrictError};
use crate::keys::{HmacKey, Keypair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The largest time that JavaScript counts exactly.
const MAX_TIMESTAMP: u64 = (1 << 53) - 1;
/// A signature's place, filled when the text has been signed.
const NO_SIGNATURE: &str = concat!(
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    ".sig.ed25519"
);

/// How many UTF-16 units the signed form takes around its content, at most.
const ENVELOPE_UNITS: usize = {
    let id = 1 + 44 + ".ed25519".len();
    let lines =
        "{\n  \"previous\": \"\",\n  \"sequence\": ,\n  \"author\": \"\",\n  \"timestamp\": ,\n  \
                 \"hash\": \"sha256\",\n  \"content\": ,\n  \"signature\": \"\"\n}"
            .len();
    lines + 2 * id + 10 + 16 + SIGNATURE_CHARS
};

/// How long a message with this content will be in its signed form, in UTF-16
/// units: exact but for the envelope, which is counted at its longest. A draft
/// within [`MAX_MESSAGE_UNITS`] always fits.
///
/// A value nested deeper than any message counts as `usize::MAX`.
///
/// ```
/// use studytime_schema::{MAX_MESSAGE_UNITS, signed_units_of};
/// let draft = serde_json::json!({"type": "post", "text": "x".repeat(9000)});
/// assert!(signed_units_of(&draft) > MAX_MESSAGE_UNITS); // its text belongs in a blob
/// ```
pub fn signed_units_of(content: &Value) -> usize {
    json::signed_units(content, 1).saturating_add(ENVELOPE_UNITS)
}

pub(super) fn public(
    keys: &Keypair,
    tip: Option<&Tip>,
    timestamp_ms: u64,
    content: &Value,
    hmac: Option<&HmacKey>,
) -> Result<Message, SignError> {
    let map = content.as_object().ok_or(SignError::NotAnObject)?;
    let type_name = map
        .get("type")
        .and_then(Value::as_str)
        .ok_or(SignError::ContentType)?;
    // ASCII: some count bytes, some UTF-16 units.
    if !type_name.is_ascii() || !(3..=52).contains(&type_name.len()) {
        return Err(SignError::ContentType);
    }
    // Measured first: a draft that is far too long is not copied. (The other
    // limit in use, 8192 code points of the content's own text, follows from
    // this one, whose text contains it.)
    let too_long = |units| {
        let longest = map
            .iter()
            .map(|(key, value)| (json::signed_units(value, 2), key))
            .max_by_key(|(units, _)| *units);
        SignError::TooLong {
            units,
            longest: longest.map(|(_, key)| key.clone()).unwrap_or_default(),
            longest_units: longest.map(|(units, _)| units).unwrap_or_default(),
        }
    };
    let units = signed_units_of(content);
    if units != usize::MAX && units > 2 * MAX_MESSAGE_UNITS {
        return Err(too_long(units));
    }
    let text = json::compact_strict(map)?;
    sign(keys, tip, timestamp_ms, &text, hmac, || too_long(units))
}

pub(super) fn private(
    keys: &Keypair,
    tip: Option<&Tip>,
    timestamp_ms: u64,
    boxed: &str,
    hmac: Option<&HmacKey>,
) -> Result<Message, SignError> {
    let too_long = || SignError::TooLong {
        units: boxed.len() + 2 + ENVELOPE_UNITS,
        longest: "the encrypted text".to_owned(),
        longest_units: boxed.len() + 2,
    };
    if boxed.len() > MAX_MESSAGE_UNITS {
        return Err(too_long());
    }
    let base = boxed.strip_suffix(".box").filter(|base| !base.is_empty());
    if base.is_none_or(|base| STANDARD.decode(base).is_err()) {
        return Err(SignError::BoxedForm);
    }
    sign(
        keys,
        tip,
        timestamp_ms,
        &format!("\"{boxed}\""),
        hmac,
        too_long,
    )
}

fn sign(
    keys: &Keypair,
    tip: Option<&Tip>,
    timestamp_ms: u64,
    content: &str,
    hmac: Option<&HmacKey>,
    too_long: impl Fn() -> SignError,
) -> Result<Message, SignError> {
    if timestamp_ms > MAX_TIMESTAMP {
        return Err(SignError::Timestamp(timestamp_ms));
    }
    let (previous, sequence) = match tip {
        None => ("null".to_owned(), 1),
        Some(tip) => (format!("\"{}\"", tip.id), tip.sequence.saturating_add(1)),
    };
    if i32::try_from(sequence).is_err() {
        return Err(SignError::FeedFull);
    }
    let author = keys.id();
    let wire = format!(
        "{{\"previous\":{previous},\"sequence\":{sequence},\"author\":\"{author}\",\
         \"timestamp\":{timestamp_ms},\"hash\":\"sha256\",\"content\":{content},\
         \"signature\":\"{NO_SIGNATURE}\"}}"
    );
    // Own messages go through the same reading as everybody's: what it does
    // not accept is not signed.
    let mut envelope = match Envelope::read(wire.as_bytes()) {
        Ok(envelope) => envelope,
        Err(VerifyError::TooLong | VerifyError::TooManyBytes { .. }) => return Err(too_long()),
        Err(error) => return Err(SignError::Refused(Box::new(error))),
    };
    let bytes = envelope.signed_bytes();
    let signature = match hmac {
        None => keys.sign(&bytes),
        Some(hmac) => keys.sign(&hmac.authenticate(&bytes)),
    };
    envelope.put_signature(signature);
    Ok(Message::from_envelope(envelope))
}

impl From<StrictError> for SignError {
    fn from(error: StrictError) -> Self {
        match error {
            StrictError::Number { path, value } => Self::Number { path, value },
            StrictError::Key { path, key } => Self::Key { path, key },
            StrictError::TooDeep { path } => Self::TooDeep { path },
        }
    }
}
