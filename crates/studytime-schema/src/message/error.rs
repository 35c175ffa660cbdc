//! What can be wrong with a message.

use super::{MAX_MESSAGE_UNITS, MAX_WIRE_BYTES};
use crate::FeedId;
use crate::json::{FormError, JsonError};
use crate::keys::BadKey;

/// Why bytes are not a valid message. None of it may be used then; peers that
/// send it are faulty, or follow other rules than the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Longer than [`MAX_WIRE_BYTES`].
    #[error("{bytes} bytes cannot be one message: the longest looked at has {MAX_WIRE_BYTES}")]
    TooManyBytes {
        /// How many came.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the message is not UTF-8 text (byte {at})")]
    NotText {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not JSON.
    #[error("the message is {0}")]
    NotJson(#[source] JsonError),
    /// Not an object with the seven fields in an allowed order.
    #[error(
        "a message has exactly the fields previous, sequence and author (in either order), \
         timestamp, hash, content, signature; this one does not"
    )]
    Fields,
    /// `author` is not a feed id.
    #[error("the author of the message is not a feed id")]
    Author,
    /// The author's id cannot be a key.
    #[error("the author of the message cannot be checked: {0}")]
    BadKey(#[from] BadKey),
    /// The message is by another feed than the caller expected.
    #[error("the message is by {got}, expected was one by {expected}")]
    OtherAuthor {
        /// Whose key was given.
        expected: FeedId,
        /// Who the message names.
        got: FeedId,
    },
    /// `sequence` is not a whole number from 1 to `i32::MAX`.
    #[error("the sequence of the message is not a whole number from 1 to 2147483647")]
    Sequence,
    /// `previous` is not a message id, or `null` elsewhere than at sequence 1, or
    /// not `null` there.
    #[error(
        "the message names no usable predecessor: `previous` is null in the first message of a \
         feed, a message id in all others"
    )]
    Previous,
    /// The first message of a feed has a `timestamp` that is not a number.
    #[error("the first message of a feed needs a number as timestamp")]
    Timestamp,
    /// `hash` is not `sha256`.
    #[error("the hash of the message is not \"sha256\"")]
    Hash,
    /// `content` is neither an object nor an encrypted text.
    #[error(
        "the content of the message is neither an object nor an encrypted text (base64 and .box)"
    )]
    Content,
    /// The content has no `type`, or one of the wrong length.
    #[error("the content of the message needs a type of 3 to 52 characters")]
    ContentType,
    /// Longer than [`MAX_MESSAGE_UNITS`].
    #[error("the message has more than {MAX_MESSAGE_UNITS} characters in its signed form")]
    TooLong,
    /// `signature` is not 64 bytes of canonical base64 with the author's suffix.
    #[error("the signature of the message is not 88 characters of base64 and .sig.ed25519")]
    SignatureForm,
    /// The signature is not the author's over this text.
    #[error(
        "the signature of message {sequence} is not by {author}: it was changed on its way, forged, \
         or made for another network key"
    )]
    WrongSignature {
        /// Who the message names.
        author: FeedId,
        /// The sequence it names.
        sequence: u64,
    },
}

impl VerifyError {
    /// A word for programs that stays the same from version to version.
    ///
    /// | kind | of |
    /// |---|---|
    /// | `too_many_bytes` | [`TooManyBytes`](Self::TooManyBytes) |
    /// | `not_utf8` | [`NotText`](Self::NotText) |
    /// | `not_json` | [`NotJson`](Self::NotJson) |
    /// | `fields` | [`Fields`](Self::Fields) |
    /// | `author` | [`Author`](Self::Author) |
    /// | `bad_key` | [`BadKey`](Self::BadKey) |
    /// | `other_author` | [`OtherAuthor`](Self::OtherAuthor) |
    /// | `sequence` | [`Sequence`](Self::Sequence) |
    /// | `previous` | [`Previous`](Self::Previous) |
    /// | `timestamp` | [`Timestamp`](Self::Timestamp) |
    /// | `hash` | [`Hash`](Self::Hash) |
    /// | `content` | [`Content`](Self::Content) |
    /// | `content_type` | [`ContentType`](Self::ContentType) |
    /// | `too_long` | [`TooLong`](Self::TooLong) |
    /// | `signature_form` | [`SignatureForm`](Self::SignatureForm) |
    /// | `wrong_signature` | [`WrongSignature`](Self::WrongSignature) |
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::NotText { .. } => "not_utf8",
            Self::NotJson(_) => "not_json",
            Self::Fields => "fields",
            Self::Author => "author",
            Self::BadKey(_) => "bad_key",
            Self::OtherAuthor { .. } => "other_author",
            Self::Sequence => "sequence",
            Self::Previous => "previous",
            Self::Timestamp => "timestamp",
            Self::Hash => "hash",
            Self::Content => "content",
            Self::ContentType => "content_type",
            Self::TooLong => "too_long",
            Self::SignatureForm => "signature_form",
            Self::WrongSignature { .. } => "wrong_signature",
        }
    }
}

/// Why a message was not written. Nothing was signed; nothing needs undoing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The content is not an object.
    #[error("a message's content must be an object with a type")]
    NotAnObject,
    /// `type` is missing or not 3 to 52 ASCII characters.
    #[error("a message's type must be a text of 3 to 52 ASCII characters")]
    ContentType,
    /// A number that implementations print differently.
    #[error(
        "{path} is {value}, but only whole numbers between -9007199254740991 and 9007199254740991 \
         mean the same to every program: round it, or write it as text"
    )]
    Number {
        /// Where in the content.
        path: String,
        /// The number.
        value: String,
    },
    /// A key that implementations order or treat differently.
    #[error(
        "{path} has a key that programs treat differently ({key:?}): keys that are only digits, and \
         __proto__, cannot be used"
    )]
    Key {
        /// Where in the content.
        path: String,
        /// The key.
        key: String,
    },
    /// Nested deeper than every program reads: 18 levels, the content included.
    #[error(
        "{path} is nested too deeply: some programs cannot read messages of more than 18 levels; \
         put it into a blob, or lay it out flat"
    )]
    TooDeep {
        /// Where in the content.
        path: String,
    },
    /// Too long.
    #[error(
        "the message would have {units} characters in its signed form, and {MAX_MESSAGE_UNITS} are \
         allowed; its longest field is {longest} with {longest_units}: shorten it or move it to a blob"
    )]
    TooLong {
        /// Its length in UTF-16 units.
        units: usize,
        /// The field of the content that takes the most room.
        longest: String,
        /// How much that field takes, in UTF-16 units.
        longest_units: usize,
    },
    /// The text for a private message is not base64 with the suffix `.box`.
    #[error("the encrypted content is not base64 with the suffix .box")]
    BoxedForm,
    /// The time is beyond what JavaScript counts exactly.
    #[error("{0} is not a time in milliseconds since 1970 that every program can read")]
    Timestamp(u64),
    /// The feed is full: no sequence is left.
    #[error("this feed has reached its last possible message; go on in a new feed")]
    FeedFull,
    /// The finished text was not accepted on reading it back. With a sound tip
    /// this does not happen.
    #[error("the message would not be accepted by others")]
    Refused(#[source] Box<VerifyError>),
}

impl From<FormError> for VerifyError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::NotJson(error) => Self::NotJson(error),
            FormError::TooLong => Self::TooLong,
        }
    }
}
