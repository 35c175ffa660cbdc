//! What a message says about one field.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a message says about one optional field.
///
/// Every StudyTime message that can follow an earlier one changes it field by
/// field. An absent field changes nothing, an empty list or string clears the
/// field, and any other value replaces it.
///
/// As a stored value (in a folded record) `Keep` reads "never set": in JSON it
/// is left out, `Clear` is `null` and `Set` is the bare value. Use
/// `#[serde(default, skip_serializing_if = "Patch::is_keep")]` on such fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Patch<T> {
    /// The field is absent: nothing changes, or nothing was ever said.
    #[default]
    Keep,
    /// The field is an empty list or string: what was there is taken away.
    Clear,
    /// The new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the field is absent.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Whether the message says anything about the field.
    pub const fn is_said(&self) -> bool {
        !self.is_keep()
    }

    /// Whether the message clears the field.
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// The value, when there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The value, when there is one.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// This field, or `later` when this one was never said. A cleared field
    /// does not fall through.
    #[must_use]
    pub const fn or<'a>(&'a self, later: &'a Self) -> &'a Self {
        match self {
            Self::Keep => later,
            Self::Clear | Self::Set(_) => self,
        }
    }

    /// Changes the value with `f`, when there is one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(f(value)),
        }
    }
}

impl<T: Clone> Patch<T> {
    /// Lays a newer statement over this one.
    pub fn update(&mut self, newer: &Self) {
        if newer.is_said() {
            self.clone_from(newer);
        }
    }

    /// Changes `value` as this statement says.
    pub fn apply_to(&self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = None,
            Self::Set(new) => *value = Some(new.clone()),
        }
    }
}

/// `None` keeps, `Some` sets.
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl From<&str> for Patch<String> {
    fn from(value: &str) -> Self {
        Self::Set(value.to_owned())
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(default, skip_serializing_if = "Patch::is_keep")]
        a: Patch<String>,
    }

    #[test]
    fn a_row_keeps_the_three_states_apart() {
        for (a, json) in [
            (Patch::Keep, "{}"),
            (Patch::Clear, r#"{"a":null}"#),
            (Patch::from("x"), r#"{"a":"x"}"#),
        ] {
            let row = Row { a };
            assert_eq!(serde_json::to_string(&row).unwrap(), json);
            assert_eq!(serde_json::from_str::<Row>(json).unwrap(), row);
        }
    }

    #[test]
    fn a_cleared_field_does_not_fall_through() {
        let set: Patch<u64> = 1.into();
        assert_eq!(Patch::Keep.or(&set), &set);
        assert_eq!(Patch::Clear.or(&set), &Patch::Clear);
        assert_eq!(Patch::Set(2).or(&set), &Patch::Set(2));
    }
}
