use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

/// A value that many courses share: one copy of it, and a small number to count
/// by.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SharedWord {
    id: u32,
    text: Arc<str>,
}

impl SharedWord {
    /// Its number among the values of its kind.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}

impl std::fmt::Debug for SharedWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
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

/// The values of one kind by their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met(Vec<Option<SharedWord>>);

impl Met {
    /// Takes a value in.
    pub(crate) fn note(&mut self, word: &SharedWord) {
        let at = word.id as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if let Some(slot @ None) = self.0.get_mut(at) {
            *slot = Some(word.clone());
        }
    }

    /// The one copy of the value of a number.
    pub(crate) fn word(&self, id: u32) -> Option<&SharedWord> {
        self.0.get(id as usize).and_then(Option::as_ref)
    }

    /// The value of a number.
    pub(crate) fn text(&self, id: u32) -> &str {
        self.word(id).map_or("", |word| word)
    }

    /// By number, whether the value is one of those asked for.
    pub(crate) fn which(&self, is: impl Fn(&str) -> bool) -> Vec<bool> {
        let all = self.0.iter();
        all.map(|w| w.as_ref().is_some_and(|w| is(w))).collect()
    }
}

/// How often the values of one kind were met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Vec<usize>);

impl Counts {
    /// Changes how often the value of a number was.
    pub(crate) fn change(&mut self, id: u32, change: impl Fn(&mut usize)) {
        let at = id as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0.get_mut(at).map(change);
    }

    /// The values met, with how often; in no order to rely on.
    pub(crate) fn met<'a>(&'a self, values: &'a Met) -> impl Iterator<Item = (&'a str, usize)> {
        let counts = (0..).zip(&self.0).filter(|(_, count)| **count > 0);
        counts.map(|(id, count)| (values.text(id), *count))
    }
}
