//! The standard Scuttlebutt types that matter here: `contact`, `about`, `pub`.

use super::read::{self, Fields};
use super::write::Writer;
use super::{ContentError, Patch, names};
use crate::refs::{BlobId, FeedId};
use serde_json::Value;

/// `contact`: follows or blocks a feed. The latest statement about each of the
/// two counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Whom it is about.
    pub contact: FeedId,
    /// Whether the author follows them from now on.
    pub following: Option<bool>,
    /// Whether the author blocks them from now on.
    pub blocking: Option<bool>,
}

impl Contact {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            contact: fields.required("contact", read::feed)?,
            following: fields.given("following", read::boolean),
            blocking: fields.given("blocking", read::boolean),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::CONTACT);
        w.id("contact", self.contact);
        w.opt("following", self.following);
        w.opt("blocking", self.blocking);
        w.done()
    }
}

/// `about`: a name, picture or text for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is about: the text of a feed, message or blob id.
    pub about: String,
    /// Its name.
    pub name: Patch<String>,
    /// Its picture; in the JSON a blob id or an object with a `link`.
    pub image: Patch<BlobId>,
    /// A text about it.
    pub description: Patch<String>,
}

impl About {
    /// An `about` on a feed that says nothing yet.
    pub fn feed(feed: FeedId) -> Self {
        Self {
            about: feed.to_string(),
            name: Patch::Keep,
            image: Patch::Keep,
            description: Patch::Keep,
        }
    }

    /// The feed it is about, when it is about one.
    pub fn about_feed(&self) -> Option<FeedId> {
        self.about.parse().ok()
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            about: fields.required("about", read::some_text)?,
            name: fields.patch("name", read::text),
            image: fields.patch("image", read::blob),
            description: fields.patch("description", read::text),
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::ABOUT);
        w.put("about", self.about.as_str());
        w.patch_text("name", &self.name);
        w.patch_id("image", &self.image);
        w.patch_text("description", &self.description);
        w.done()
    }
}

/// Where a pub is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PubAddress {
    /// The older form: `{"host", "port", "key"}`.
    Parts {
        /// Host name or IP address.
        host: String,
        /// TCP port; 8008 when absent.
        port: u16,
        /// Its feed.
        key: FeedId,
    },
    /// A multiserver address text, for example `net:host:8008~shs:…`.
    Multiserver(String),
}

/// `pub`: somebody says where a pub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pub {
    /// Its address; unverified.
    pub address: PubAddress,
}

impl Pub {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ContentError> {
        let address = fields.required("address", |value| match value {
            Value::String(text) if !text.trim().is_empty() => {
                Ok(PubAddress::Multiserver(text.trim().to_owned()))
            }
            Value::Object(map) => {
                let field = |key| map.get(key).ok_or(format!("has no `{key}`"));
                Ok(PubAddress::Parts {
                    host: read::some_text(field("host")?)?,
                    port: match map.get("port") {
                        None => 8008,
                        Some(port) => read::number(port)
                            .ok()
                            .and_then(|port| u16::try_from(port).ok())
                            .ok_or("has a port that is not one")?,
                    },
                    key: read::feed(field("key")?)?,
                })
            }
            _ => Err("is neither an address text nor an object".into()),
        })?;
        Ok(Self { address })
    }

    pub(super) fn write(&self) -> Value {
        let mut w = Writer::new(names::PUB);
        match &self.address {
            PubAddress::Multiserver(text) => w.put("address", text.as_str()),
            PubAddress::Parts { host, port, key } => {
                let mut a = Writer::object();
                a.put("host", host.as_str());
                a.put("port", *port);
                a.id("key", key);
                w.put("address", a.done());
            }
        }
        w.done()
    }
}
