//! Strict writing: integers, no empty optional fields, ids in one spelling.

use super::Patch;
use crate::refs::FeedId;
use serde_json::{Map, Value};
use std::fmt::Display;

/// Builds the JSON object of one content.
pub(crate) struct Writer(Map<String, Value>);

impl Writer {
    pub(crate) fn new(type_name: &str) -> Self {
        let mut map = Map::new();
        map.insert("type".into(), type_name.into());
        Self(map)
    }

    /// An object inside a content.
    pub(crate) fn object() -> Self {
        Self(Map::new())
    }

    pub(crate) fn done(self) -> Value {
        Value::Object(self.0)
    }

    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    /// `feed_id` is written without `@`, as in the original design.
    pub(crate) fn feed_id(&mut self, feed: &FeedId) {
        self.put("feed_id", feed.to_bare());
    }

    pub(crate) fn id(&mut self, key: &str, id: impl Display) {
        self.put(key, id.to_string());
    }

    pub(crate) fn opt_id(&mut self, key: &str, id: Option<impl Display>) {
        if let Some(id) = id {
            self.id(key, id);
        }
    }

    pub(crate) fn opt_text(&mut self, key: &str, text: Option<&String>) {
        if let Some(text) = text.filter(|t| !t.trim().is_empty()) {
            self.put(key, text.as_str());
        }
    }

    pub(crate) fn opt<T: Into<Value>>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Only `true` is worth its bytes: false is the default.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.put(key, true);
        }
    }

    pub(crate) fn list(&mut self, key: &str, list: Vec<Value>) {
        if !list.is_empty() {
            self.put(key, list);
        }
    }

    pub(crate) fn patch_text(&mut self, key: &str, text: &Patch<String>) {
        match text {
            Patch::Keep => {}
            Patch::Clear => self.put(key, ""),
            Patch::Set(text) => self.opt_text(key, Some(text)),
        }
    }

    pub(crate) fn patch_id<T: Display>(&mut self, key: &str, id: &Patch<T>) {
        match id {
            Patch::Keep => {}
            Patch::Clear => self.put(key, ""),
            Patch::Set(id) => self.id(key, id),
        }
    }

    pub(crate) fn patch<T: Clone + Into<Value>>(&mut self, key: &str, value: &Patch<T>) {
        match value {
            Patch::Keep => {}
            Patch::Clear => self.put(key, ""),
            Patch::Set(value) => self.put(key, value.clone()),
        }
    }

    pub(crate) fn patch_list<T>(
        &mut self,
        key: &str,
        list: &Patch<Vec<T>>,
        write: impl Fn(&T) -> Value,
    ) {
        match list {
            Patch::Keep => {}
            Patch::Clear => self.put(key, Value::Array(Vec::new())),
            Patch::Set(list) => self.list(key, list.iter().map(write).collect()),
        }
    }
}
