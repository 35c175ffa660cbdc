//! The JSON of messages: its *signed form* and its *compact form*.
//!
//! A message is signed, hashed and measured in one exact spelling: what
//! JavaScript's `JSON.stringify(value, null, 2)` prints after `JSON.parse` has
//! read the text. It is stored and sent in the same spelling without the
//! spaces. Reading therefore normalises: numbers are respelled, escapes too,
//! integer-like keys come first, a repeated key keeps its first place and its
//! last value.
//!
//! Two roads lead there. `fast` copies an ordinary text in one pass and
//! declines anything out of the ordinary; `tree` reads whatever JavaScript
//! reads. On what both accept they agree to the byte, which is tested.
//!
//! Protocol guide: "Message format" and "Signature" (canonical form).

mod escape;
mod fast;
mod tree;
mod value;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use escape::{count_units, string_units, unescape};
pub(crate) use value::{StrictError, compact_strict, signed_units};

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {what}")]
pub struct JsonError {
    /// Offset of the first byte that does not fit.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// No space outside strings.
    Compact,
    /// Two spaces of indent, one member a line, as it is signed.
    Signed,
}

/// One member of the outermost object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The key between its quotes, in the compact text.
    pub(crate) key: Range<usize>,
    /// The value, in the compact text.
    pub(crate) value: Range<usize>,
    /// If the value is an object: the value of its `type`, in the compact text.
    pub(crate) type_value: Option<Range<usize>>,
}

/// A text in both of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forms<'a> {
    pub(crate) compact: Cow<'a, str>,
    pub(crate) signed: String,
    /// The members of the outermost object, at most [`MAX_MEMBERS`]; empty when it is none.
    pub(crate) members: Vec<Member>,
}

/// How many outermost members are noted: a message has seven, one more tells
/// that there are too many.
pub(crate) const MAX_MEMBERS: usize = 8;

/// No signed form within a message's allowed size has more bytes: a UTF-16 unit
/// takes at most three in UTF-8.
const MAX_MESSAGE_BYTES: usize = 3 * crate::MAX_MESSAGE_UNITS;

/// The most bytes that [`signed_form`] and [`compact_form`] produce.
pub const MAX_FORM_BYTES: usize = 16 * 1024 * 1024;

/// Why a text has no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// It is not JSON.
    #[error(transparent)]
    NotJson(#[from] JsonError),
    /// The form would be longer than is allowed. A short text can have a very
    /// long signed form, as every line is indented by its depth.
    #[error("the text is too long when laid out")]
    TooLong,
}

/// Reads a message as JavaScript would and gives it back in both forms.
pub(crate) fn normalise(text: &str) -> Result<Forms<'_>, FormError> {
    match fast::forms(text, MAX_MESSAGE_BYTES) {
        Some(forms) => Ok(forms),
        None => tree::forms(text, MAX_MESSAGE_BYTES),
    }
}

/// The signed form of a JSON text: what JavaScript prints for
/// `JSON.stringify(JSON.parse(text), null, 2)`.
///
/// Deep nesting is no danger: nothing here recurses. Besides messages, some
/// other signatures of the protocol cover this form (encrypted LAN beacons).
///
/// ```
/// let signed = studytime_schema::json::signed_form(r#"{"b":1.0,"1":[]}"#)?;
/// assert_eq!(signed, "{\n  \"1\": [],\n  \"b\": 1\n}");
/// # Ok::<(), studytime_schema::json::FormError>(())
/// ```
///
/// # Errors
/// [`FormError`] when it is not JSON, or its form is longer than [`MAX_FORM_BYTES`].
pub fn signed_form(text: &str) -> Result<String, FormError> {
    reformat(text, Style::Signed)
}

/// The compact form of a JSON text: what JavaScript prints for
/// `JSON.stringify(JSON.parse(text))`.
///
/// # Errors
/// As [`signed_form`].
pub fn compact_form(text: &str) -> Result<String, FormError> {
    reformat(text, Style::Compact)
}

fn reformat(text: &str, style: Style) -> Result<String, FormError> {
    match fast::format(text, style, MAX_FORM_BYTES) {
        Some(out) => Ok(out),
        None => tree::format(text, style, MAX_FORM_BYTES),
    }
}

#[cfg(test)]
mod tests;
