//! What goes over the wire: arguments and frames of the `blobs.*` calls.
//!
//! | call | kind | arguments | frames |
//! |---|---|---|---|
//! | [`CREATE_WANTS`] | source | none | [`WantFrame`]: first everything we want, even if that is `{}`, then changes |
//! | [`GET`] | source | [`GetArgs`] | the bytes, in pieces, then `true` |
//! | [`GET_SLICE`] | source | [`GetArgs`] with a [`Slice`] | the bytes of the slice, in pieces, then `true` |
//! | [`HAS`] | async | [`HasArgs`] | `true`/`false`, or a list of them |
//!
//! Both sides call `createWants` on each other. Goals: speak with every peer
//! in the field, read liberally, and never send what one of them cannot take.
//! Not a goal: `blobs.changes`, `blobs.push` and the like, which peers offer
//! only to their own apps; nor *calling* `has`, which JavaScript peers take
//! for a want.
//!
//! See "Blobs" in the [protocol guide](https://ssbc.github.io/scuttlebutt-protocol-guide/#blobs).

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use studytime_schema::BlobId;

/// The name of the call that streams wants.
pub const CREATE_WANTS: &[&str] = &["blobs", "createWants"];
/// The name of the call that streams a blob.
pub const GET: &[&str] = &["blobs", "get"];
/// The name of the call that streams part of a blob. Only JavaScript peers and
/// our own know it.
pub const GET_SLICE: &[&str] = &["blobs", "getSlice"];
/// The name of the call that asks whether blobs are here. Answered, never called.
pub const HAS: &[&str] = &["blobs", "has"];

/// Entries in one frame that we send: about 30 kB.
pub const MAX_ENTRIES_SENT: usize = 450;
/// Longest want frame that is read, in bytes: about 70,000 entries.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;
/// Entries of one frame that are read; the rest is dropped.
pub const MAX_ENTRIES_READ: usize = 16_384;
/// Ids in one `has` call.
pub const MAX_HAS: usize = 1_024;

/// What one peer says about one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It is wanted. 1: by the peer itself, 2: by a peer of the peer, and so on.
    Want {
        /// The distance; at least 1.
        hops: u8,
    },
    /// The peer has it, with this size. A hint: some peers say 1 for any blob.
    Has {
        /// Bytes; at least 1.
        size: u64,
    },
}

impl Note {
    /// The number on the wire: negative is a want, positive a size. 0 and what
    /// JavaScript cannot count exactly mean nothing.
    fn from_number(n: i64) -> Option<Self> {
        match n {
            0 => None,
            1..=9_007_199_254_740_991 => u64::try_from(n).ok().map(|size| Self::Has { size }),
            i64::MIN..0 => Some(Self::Want {
                hops: u8::try_from(n.unsigned_abs()).unwrap_or(u8::MAX),
            }),
            _ => None,
        }
    }

    fn to_number(self) -> i64 {
        match self {
            Self::Want { hops } => -i64::from(hops.max(1)),
            Self::Has { size } => i64::try_from(size).unwrap_or(i64::MAX).max(1),
        }
    }
}

/// One frame of `createWants`.
///
/// One that we send never names the empty blob (every peer has it, and some
/// drop the whole frame for it) and never the number 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantFrame {
    /// What is said, in the order of the frame.
    pub notes: Vec<(BlobId, Note)>,
}

/// Why a frame or arguments were not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than is read.
    #[error("the frame has {len} bytes, more than {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Not JSON, or not of the right shape.
    #[error("not a want frame: {source}")]
    NotAFrame {
        /// What the JSON reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The arguments of a call do not name a blob, or not properly.
    #[error("bad arguments: {problem}")]
    Arguments {
        /// What is wrong, for a person; needs no JSON escapes.
        problem: &'static str,
    },
}

impl WantFrame {
    /// Reads a frame from a peer. Entries that mean nothing (not a blob id, 0,
    /// the empty blob, not a number) are skipped. An error in the frame as a
    /// whole (`{"message":…}` some peers send as their first words) is an error here.
    ///
    /// # Errors
    /// [`WireError`] when it is too long or not a JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_FRAME {
            return Err(WireError::TooLong {
                len: bytes.len(),
                max: MAX_FRAME,
            });
        }
        serde_json::from_slice(bytes).map_err(|source| WireError::NotAFrame { source })
    }

    /// The frame as JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = String::with_capacity(2 + 64 * self.notes.len());
        text.push('{');
        let said = self.notes.iter().filter(|(id, _)| *id != BlobId::EMPTY);
        for (i, (id, note)) in said.enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}\"{id}\":{}", note.to_number());
        }
        text.push('}');
        text.into_bytes()
    }
}

impl<'de> Deserialize<'de> for WantFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Frame;
        impl<'de> Visitor<'de> for Frame {
            type Value = WantFrame;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of blob ids and numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WantFrame, A::Error> {
                let mut notes = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    let Number(number) = map.next_value()?;
                    let note = number.and_then(Note::from_number);
                    let id = BlobId::from_sigil(&key).ok();
                    if let (Some(note), Some(id)) = (note, id)
                        && id != BlobId::EMPTY
                        && notes.len() < MAX_ENTRIES_READ
                    {
                        notes.push((id, note));
                    }
                }
                Ok(WantFrame { notes })
            }
        }
        deserializer.deserialize_map(Frame)
    }
}

/// Any JSON value; only whole numbers are kept.
struct Number(Option<i64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_i64<E>(self, v: i64) -> Result<Number, E> {
                Ok(Number(Some(v)))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Number, E> {
                Ok(Number(i64::try_from(v).ok()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Number, E> {
                // JavaScript has one kind of number; 5e0 is 5.
                let whole = v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0;
                Ok(Number(whole.then_some(v as i64)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Number, E> {
                Ok(Number(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<Number, E> {
                Ok(Number(None))
            }
            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Number, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Number(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Number(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Part of a blob, half open, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// First byte.
    pub start: u64,
    /// One past the last byte; beyond the end it is clipped, and 0 means the
    /// end of the blob, as it does in JavaScript peers.
    pub end: u64,
}

/// Arguments of `blobs.get` and `blobs.getSlice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetArgs {
    /// The blob.
    pub id: BlobId,
    /// The size it must have, or the call fails.
    pub size: Option<u64>,
    /// The size it must not exceed, or the call fails.
    pub max: Option<u64>,
    /// The part that is asked for; the whole for `None`.
    pub slice: Option<Slice>,
}

impl GetArgs {
    /// The method for these arguments: [`GET`] or [`GET_SLICE`].
    pub fn method(&self) -> &'static [&'static str] {
        match self.slice {
            None => GET,
            Some(_) => GET_SLICE,
        }
    }

    /// The `args` array as we send it. The blob is named by `key`, the only
    /// name every peer knows, and `max` is always there: without it go-ssb
    /// refuses everything.
    pub fn to_args(&self) -> Value {
        let max = self.max.unwrap_or(studytime_schema::MAX_BLOB_SIZE);
        let mut object = json!({ "key": self.id, "max": max });
        if let Some(size) = self.size {
            object["size"] = size.into();
        }
        if let Some(slice) = self.slice {
            object["start"] = slice.start.into();
            object["end"] = slice.end.into();
        }
        Value::Array(vec![object])
    }

    /// Reads the `args` array of a call: an id, or an object that names it as
    /// `key`, `hash` or `id`. With `slice`, the arguments are those of
    /// `getSlice`; a missing `start` is 0 and a missing `end` the end.
    ///
    /// # Errors
    /// [`WireError::Arguments`], with words for the peer.
    pub fn parse(args: &Value, slice: bool) -> Result<Self, WireError> {
        let problem = |problem| WireError::Arguments { problem };
        let first = args.get(0).ok_or(problem("a blob id is missing"))?;
        let named = match first {
            Value::String(text) => Some(text.as_str()),
            Value::Object(o) => ["key", "hash", "id"]
                .iter()
                .find_map(|name| o.get(*name))
                .and_then(Value::as_str),
            _ => None,
        };
        let id = named
            .and_then(read_id)
            .ok_or(problem("a blob id is missing or malformed"))?;
        let number = |name| match first.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(v) => whole(v).map(Some).ok_or(problem("a number is malformed")),
        };
        let slice = match slice {
            false => None,
            true => Some(Slice {
                start: number("start")?.unwrap_or(0),
                end: number("end")?.unwrap_or(0),
            }),
        };
        Ok(Self {
            id,
            size: number("size")?,
            max: number("max")?,
            slice,
        })
    }
}

/// Reads an id; what follows a `?` (the key of an encrypted blob) is not for us.
fn read_id(text: &str) -> Option<BlobId> {
    let text = text.split('?').next().unwrap_or(text);
    text.parse().ok()
}

/// A whole number of at least 0, written as JavaScript may write it.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let f = value.as_f64()?;
        (f.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&f)).then_some(f as u64)
    })
}

/// Arguments of `blobs.has`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HasArgs {
    /// The blobs that are asked for; an id that means nothing is `None` and is not here.
    pub ids: Vec<Option<BlobId>>,
    /// True when one id was given and not a list: the answer has the same shape.
    pub single: bool,
}

impl HasArgs {
    /// Reads the `args` array of a call.
    ///
    /// # Errors
    /// [`WireError::Arguments`], with words for the peer.
    pub fn parse(args: &Value) -> Result<Self, WireError> {
        match args.get(0) {
            Some(Value::String(text)) => Ok(Self {
                ids: vec![read_id(text)],
                single: true,
            }),
            Some(Value::Array(list)) if list.len() > MAX_HAS => Err(WireError::Arguments {
                problem: "too many blob ids in one call",
            }),
            Some(Value::Array(list)) => Ok(Self {
                ids: list.iter().map(|v| v.as_str().and_then(read_id)).collect(),
                single: false,
            }),
            _ => Err(WireError::Arguments {
                problem: "a blob id or a list of them is missing",
            }),
        }
    }

    /// The answer, given what is here.
    pub fn answer(&self, mut is_here: impl FnMut(&BlobId) -> bool) -> Value {
        let mut here = self
            .ids
            .iter()
            .map(|id| id.as_ref().is_some_and(&mut is_here));
        match self.single {
            true => Value::Bool(here.next().unwrap_or(false)),
            false => Value::Array(here.map(Value::Bool).collect()),
        }
    }
}

#[cfg(test)]
mod tests;
