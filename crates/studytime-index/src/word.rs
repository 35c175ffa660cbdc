use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

/// A value that many courses share: one copy of it, and a small number to count
/// by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedWord {
    id: u32,
    text: Arc<str>,
}

impl Deref for SharedWord {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// The values of one kind.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<Arc<str>, u32>);

impl Words {
    /// The one copy of a value.
    pub(crate) fn share(&mut self, text: &str) -> SharedWord {
        if let Some((known, id)) = self.0.get_key_value(text) {
            return SharedWord {
                id: *id,
                text: known.clone(),
            };
        }
        let id = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.0.insert(text.clone(), id);
        SharedWord { id, text }
    }
}

/// How often the values of one kind were met.
#[derive(Debug, Default)]
pub(crate) struct Counts<'a>(Vec<(usize, Option<&'a SharedWord>)>);

impl<'a> Counts<'a> {
    pub(crate) fn add(&mut self, word: &'a SharedWord) {
        let at = word.id as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, (0, None));
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = (slot.0 + 1, Some(word));
        }
    }

    /// The values met, with how often; in no order to rely on.
    pub(crate) fn met(self) -> impl Iterator<Item = (&'a str, usize)> {
        let met = self.0.into_iter();
        met.filter_map(|(count, word)| word.map(|w| (&**w, count)))
    }
}
