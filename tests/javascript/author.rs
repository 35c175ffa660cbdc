//! Feeds signed here, for either side to start with.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests and a bench use a part each"
)]

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use studytime_schema::{FeedId, Keypair, Message, MessageId, Tip};

/// A feed in two figures: how many messages, and the hash of their ids in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) ids: String,
}

impl Digest {
    pub(crate) fn of(ids: impl IntoIterator<Item = MessageId>) -> Self {
        let mut hash = Sha256::new();
        let mut count = 0;
        for id in ids {
            hash.update(format!("{id}\n"));
            count += 1;
        }
        let ids = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
        Self { count, ids }
    }

    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        Self {
            count: value["count"].as_u64().unwrap(),
            ids: value["ids"].as_str().unwrap().to_owned(),
        }
    }
}

/// Somebody who signs.
pub(crate) struct Author {
    pub(crate) keys: Keypair,
    pub(crate) messages: Vec<Message>,
    tip: Option<Tip>,
}

impl Author {
    pub(crate) fn new(seed: u64) -> Self {
        let mut bytes = [0x3c; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            keys: Keypair::from_seed(&bytes),
            messages: Vec::new(),
            tip: None,
        }
    }

    /// One with so many posts of about `chars` characters.
    pub(crate) fn with_posts(seed: u64, count: usize, chars: usize) -> Self {
        let mut author = Self::new(seed);
        for n in 0..count {
            author.post(&format!("{n} {}", "spore ".repeat(chars.div_ceil(6))));
        }
        author
    }

    pub(crate) fn id(&self) -> FeedId {
        self.keys.id()
    }

    pub(crate) fn post(&mut self, text: &str) -> Message {
        self.publish(&json!({ "type": "post", "text": text }))
    }

    pub(crate) fn publish(&mut self, content: &Value) -> Message {
        let tip = self.tip.as_ref();
        let message = Message::sign(&self.keys, tip, 1_700_000_000_000, content, None).unwrap();
        self.tip = Some(message.tip());
        self.messages.push(message.clone());
        message
    }

    pub(crate) fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.messages.iter().map(Message::id))
    }

    pub(crate) fn wires(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let wires: Vec<Bytes> = self
            .messages
            .iter()
            .map(|m| Bytes::from(m.wire().to_owned()))
            .collect();
        wires.into_iter()
    }
}

/// Writes feeds for a JavaScript peer to add: a message a line.
pub(crate) fn write<'a>(
    dir: &Path,
    name: &str,
    authors: impl IntoIterator<Item = &'a Author>,
) -> PathBuf {
    let path = dir.join(name);
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for message in authors.into_iter().flat_map(|a| &a.messages) {
        writeln!(file, "{}", message.wire()).unwrap();
    }
    file.flush().unwrap();
    path
}
