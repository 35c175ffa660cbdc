#![doc = include_str!("../README.md")]

pub mod chain;
pub mod check;
pub mod content;
mod entry;
pub mod fold;
pub mod json;
mod keys;
mod manifest;
mod message;
pub mod private;
mod refs;
mod segment;
pub mod subjects;
mod text;
pub mod view;

pub use chain::ChainError;
pub use entry::{Entry, LogPosition};
pub use keys::{
    BadKey, HmacKey, Keypair, NetworkKey, ParseKeyError, SecretFileError, VerifyingKey,
    verify_detached,
};
pub use manifest::{
    MAX_BLOB_SIZE, MAX_SEGMENT_SIZE, MAX_SEGMENTS, MIN_SEGMENT_SIZE, Manifest, ManifestError,
    SEGMENT_SIZE, needs_manifest,
};
pub use message::{
    MAX_MESSAGE_UNITS, MAX_WIRE_BYTES, Message, SignError, Tip, VerifyError, signed_units_of,
};
pub use refs::{BlobId, FeedId, MessageId, ParseRefError};
pub use segment::{Segment, SegmentError, Segmenter};
