//! Arguments and frames of `ebt.replicate` and `createHistoryStream`, to and
//! from bytes.
//!
//! Protocol guide: "Epidemic broadcast trees", "createHistoryStream". Reading is
//! liberal where known programs differ; writing is what all of them take.

use crate::clock::{MAX_SEQUENCE, Note};
use bytes::Bytes;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use studytime_schema::FeedId;

/// The name of the duplex call that carries EBT.
pub const REPLICATE: &[&str] = &["ebt", "replicate"];

/// The name of the source call that carries one feed.
pub const CREATE_HISTORY_STREAM: &[&str] = &["createHistoryStream"];

/// The arguments to open EBT with, as JSON; the format is said because some
/// programs insist on it. [`ReplicateOptions`] is the same as a value.
pub const REPLICATE_ARGS: &str = r#"[{"version":3,"format":"classic"}]"#;

/// The one argument to open EBT with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReplicateOptions {
    version: u32,
    format: &'static str,
}

impl Default for ReplicateOptions {
    fn default() -> Self {
        Self {
            version: 3,
            format: "classic",
        }
    }
}

/// The longest frame of notes that is sent, in bytes.
pub const MAX_NOTES_BYTES: usize = 256 * 1024;

/// The most bytes one note takes in a frame.
pub const MAX_NOTE_BYTES: usize = 80;

/// The most notes read from one frame; the rest is ignored.
pub const MAX_NOTES_PER_FRAME: usize = 200_000;

/// Why arguments of a call are refused; the text is the error to answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// Not version 3 of EBT. The wording is the one other programs know.
    #[error("expected ebt.replicate({{version: 3}})")]
    Version,
    /// A feed format other than `classic`.
    #[error("only the classic feed format is replicated here")]
    Format,
    /// The id is not a feed.
    #[error("{0} is not a feed")]
    NotAFeed(String),
    /// Not the arguments this call takes.
    #[error("cannot read the arguments of this call")]
    Malformed,
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not JSON, or not an object.
    #[error("the peer sent a frame that is neither notes nor a message")]
    Malformed(#[source] serde_json::Error),
}

/// Checks the arguments of a peer's `ebt.replicate` call: a JSON array.
///
/// # Errors
/// [`ArgsError`] with the text to answer.
pub fn check_replicate_args(args: &[u8]) -> Result<(), ArgsError> {
    #[derive(Deserialize)]
    struct Options<'a> {
        #[serde(default)]
        version: serde_json::Value,
        #[serde(borrow, default)]
        format: Option<Cow<'a, str>>,
    }
    let (options,): (Options<'_>,) =
        serde_json::from_slice(args).map_err(|_| ArgsError::Version)?;
    if options.version.as_f64() != Some(3.0) {
        return Err(ArgsError::Version);
    }
    match options.format.as_deref() {
        None | Some("classic") => Ok(()),
        Some(_) => Err(ArgsError::Format),
    }
}

/// One frame of an EBT stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Notes, in the order they were written.
    Notes(Vec<(FeedId, Note)>),
    /// A message: not verified, only its author and sequence were read.
    Message {
        /// The author it names.
        author: FeedId,
        /// The sequence it names, at least 1.
        sequence: u64,
        /// The message as it came.
        wire: Bytes,
    },
}

impl Frame {
    /// Reads a frame. An object with a valid `author`, a `sequence` that a message
    /// can have ([`MAX_SEQUENCE`] is the last) and a `content` is a message; any other object is notes, possibly wrapped in
    /// `{"clock":{…}}`. Keys that are no feed ids are passed over.
    ///
    /// # Errors
    /// [`FrameError`] when it is not a JSON object.
    pub fn parse(frame: &Bytes) -> Result<Self, FrameError> {
        let fields: Fields<'_> = serde_json::from_slice(frame).map_err(FrameError::Malformed)?;
        if let Some((author, sequence)) = fields.message() {
            return Ok(Self::Message {
                author,
                sequence,
                wire: frame.clone(),
            });
        }
        let Fields {
            mut notes, clock, ..
        } = fields;
        if let Some(clock) = clock
            && let Ok(inner) = serde_json::from_str::<Fields<'_>>(clock.get())
        {
            notes.extend(inner.notes);
            notes.truncate(MAX_NOTES_PER_FRAME);
        }
        Ok(Self::Notes(notes))
    }
}

/// The top level of a frame, read in one pass without building a tree.
#[derive(Default)]
struct Fields<'a> {
    author: Option<&'a RawValue>,
    sequence: Option<&'a RawValue>,
    content: bool,
    clock: Option<&'a RawValue>,
    /// Both only in wrapped items of a history stream.
    key: bool,
    value: Option<&'a RawValue>,
    notes: Vec<(FeedId, Note)>,
}

impl Fields<'_> {
    fn message(&self) -> Option<(FeedId, u64)> {
        if !self.content {
            return None;
        }
        let author: Cow<'_, str> = serde_json::from_str(self.author?.get()).ok()?;
        let author = FeedId::from_sigil(&author).ok()?;
        let sequence = integer(self.sequence?.get())?;
        let sequence = u64::try_from(sequence).ok()?;
        (1..=MAX_SEQUENCE)
            .contains(&sequence)
            .then_some((author, sequence))
    }
}

/// Reads a JSON number that is a whole one, however it is spelled.
fn integer(text: &str) -> Option<i64> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(n);
    }
    let n: f64 = serde_json::from_str(text).ok()?;
    (n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_991.0).then_some(n as i64)
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(key) = map.next_key::<KeyText<'de>>()? {
                    let value: &'de RawValue = map.next_value()?;
                    match &*key.0 {
                        "author" => fields.author = Some(value),
                        "sequence" => fields.sequence = Some(value),
                        "content" => fields.content = true,
                        "clock" => fields.clock = Some(value),
                        "key" => fields.key = true,
                        "value" => fields.value = Some(value),
                        key if fields.notes.len() < MAX_NOTES_PER_FRAME => {
                            if let Ok(feed) = FeedId::from_sigil(key) {
                                let note = integer(value.get()).map_or(Note::Refuse, Note::decode);
                                fields.notes.push((feed, note));
                            }
                        }
                        _ => {}
                    }
                }
                Ok(fields)
            }
        }

        d.deserialize_map(FieldsVisitor)
    }
}

/// A key, borrowed where it has no escapes.
struct KeyText<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for KeyText<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = KeyText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Borrowed(v)))
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Owned(v.to_owned())))
            }
        }

        d.deserialize_str(KeyVisitor)
    }
}

/// Writes one frame of notes, up to a size.
#[derive(Debug)]
pub struct NotesWriter {
    text: String,
}

impl Default for NotesWriter {
    fn default() -> Self {
        Self {
            text: "{".to_owned(),
        }
    }
}

impl NotesWriter {
    /// An empty frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a note.
    pub fn push(&mut self, feed: &FeedId, note: Note) {
        use fmt::Write as _;
        if self.text.len() > 1 {
            self.text.push(',');
        }
        // Writing to a String cannot fail.
        let _ = write!(self.text, "\"{feed}\":{}", note.encode());
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.text.len() == 1
    }

    /// Whether another note could bring the frame over so many bytes.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.text.len() + MAX_NOTE_BYTES > bytes
    }

    /// The frame, `{}` when empty.
    pub fn finish(mut self) -> Bytes {
        self.text.push('}');
        Bytes::from(self.text)
    }
}

/// What `createHistoryStream` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRequest {
    /// Whose messages.
    pub feed: FeedId,
    /// The first sequence wanted, itself included; 0 and 1 mean all.
    pub from: u64,
    /// At most so many; `None` for no limit.
    pub limit: Option<u64>,
    /// Whether to go on with new messages as they come.
    pub live: bool,
    /// Whether to send what is there already; true by default.
    pub old: bool,
    /// Whether to wrap messages in `{"key","value","timestamp"}`; true by default.
    pub keys: bool,
    /// Whether to send messages, and not only their ids; true by default.
    pub values: bool,
}

impl HistoryRequest {
    /// Everything of a feed from a sequence on that is there now, as bare
    /// messages.
    pub fn new(feed: FeedId, from: u64) -> Self {
        Self {
            feed,
            from,
            limit: None,
            live: false,
            old: true,
            keys: false,
            values: true,
        }
    }

    /// Reads the arguments of a call: a JSON array. `seq` and `sequence` mean the
    /// same; `seq` counts when both are there.
    ///
    /// # Errors
    /// [`ArgsError`] with the text to answer.
    pub fn from_args(args: &[u8]) -> Result<Self, ArgsError> {
        use serde_json::Value;
        #[derive(Deserialize)]
        struct Options {
            #[serde(default)]
            id: Value,
            #[serde(default)]
            seq: Value,
            #[serde(default)]
            sequence: Value,
            #[serde(default)]
            limit: Value,
            #[serde(default)]
            live: Value,
            #[serde(default)]
            old: Value,
            #[serde(default)]
            keys: Value,
            #[serde(default)]
            values: Value,
        }
        let (options,): (Options,) =
            serde_json::from_slice(args).map_err(|_| ArgsError::Malformed)?;
        let id = options.id.as_str().unwrap_or("undefined");
        let feed = id.parse().map_err(|_| {
            // Some peers cannot read an error with escapes in it.
            let shown = id
                .chars()
                .filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c));
            ArgsError::NotAFeed(shown.take(80).collect())
        })?;
        let whole = |v: &Value| v.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64);
        let flag = |v: &Value, default| v.as_bool().unwrap_or(default);
        Ok(Self {
            feed,
            from: whole(&options.seq)
                .or(whole(&options.sequence))
                .unwrap_or(0),
            limit: whole(&options.limit),
            live: flag(&options.live, false),
            old: flag(&options.old, true),
            keys: flag(&options.keys, true),
            values: flag(&options.values, true),
        })
    }

    /// The arguments as a JSON array: this request, which serialises with `seq`
    /// and an explicit `keys`, as all known programs understand it.
    pub fn to_args(&self) -> String {
        // A map of texts, numbers and flags always serialises.
        serde_json::to_string(&[self]).unwrap_or_default()
    }
}

impl Serialize for HistoryRequest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("id", &self.feed)?;
        map.serialize_entry("seq", &self.from.max(1))?;
        if let Some(limit) = self.limit {
            map.serialize_entry("limit", &limit)?;
        }
        map.serialize_entry("live", &self.live)?;
        map.serialize_entry("keys", &self.keys)?;
        if !self.old {
            map.serialize_entry("old", &false)?;
        }
        if !self.values {
            map.serialize_entry("values", &false)?;
        }
        map.end()
    }
}

/// The message in an item of a history stream: the item itself, or the `value`
/// of a peer that wraps it although asked not to.
///
/// # Errors
/// [`FrameError`] when it is not a JSON object.
pub fn history_item(item: &Bytes) -> Result<Bytes, FrameError> {
    let fields: Fields<'_> = serde_json::from_slice(item).map_err(FrameError::Malformed)?;
    match fields.value {
        Some(value) if fields.key => Ok(item.slice_ref(value.get().as_bytes())),
        _ => Ok(item.clone()),
    }
}
