use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How the bytes of a [`Body`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// Raw bytes: pieces of a blob, tunnelled connections.
    Binary,
    /// UTF-8 text. Rare; some peers flag their errors so.
    Text,
    /// One JSON value: calls, messages, notes, ends.
    Json,
}

/// What one packet carries.
///
/// The bytes are shared, so a clone costs nothing and a received body can be kept, sliced and
/// passed on without another copy. A JSON body is not parsed until [`parse`](Body::parse) is
/// called, and nothing else is assumed about it: a peer may flag any bytes as JSON or text.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Raw bytes.
    Binary(Bytes),
    /// Bytes flagged as UTF-8 text. Not checked when received.
    Text(Bytes),
    /// Bytes flagged as JSON. Not checked when received.
    Json(Bytes),
}

impl Body {
    /// A body of raw bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A text body.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// A JSON body made of a value.
    ///
    /// # Errors
    /// The error of `serde_json` when the value cannot be written as JSON.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self::Json(Bytes::from(serde_json::to_vec(value)?)))
    }

    /// A JSON body of text that is JSON already, such as a stored message. The text is sent as it
    /// is.
    pub fn raw_json(text: impl Into<Bytes>) -> Self {
        Self::Json(text.into())
    }

    /// Reads the value in the body. Text is taken for a string, as JavaScript peers mean it, or if
    /// `T` is none, for JSON that was flagged wrongly; everything else is read as JSON.
    ///
    /// # Errors
    /// The error of `serde_json` when the bytes are not JSON, do not fit `T`, or nest deeper than
    /// 128 levels.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        if let Self::Text(bytes) = self
            && let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(value) = serde_json::from_value(text.into())
        {
            return Ok(value);
        }
        serde_json::from_slice(self.as_bytes())
    }

    /// The type flag.
    pub fn body_type(&self) -> BodyType {
        match self {
            Self::Binary(_) => BodyType::Binary,
            Self::Text(_) => BodyType::Text,
            Self::Json(_) => BodyType::Json,
        }
    }

    /// The bytes, borrowed.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Binary(bytes) | Self::Text(bytes) | Self::Json(bytes) => bytes,
        }
    }

    /// The bytes, taken out.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Binary(bytes) | Self::Text(bytes) | Self::Json(bytes) => bytes,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are no bytes at all. Such a body cannot be sent: other peers take it for a
    /// goodbye.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    pub(crate) fn of_type(body_type: BodyType, bytes: Bytes) -> Self {
        match body_type {
            BodyType::Binary => Self::Binary(bytes),
            BodyType::Text => Self::Text(bytes),
            BodyType::Json => Self::Json(bytes),
        }
    }
}

impl std::fmt::Debug for Body {
    /// Bodies can be megabytes long: shows the first bytes only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 120;
        let bytes = self.as_bytes();
        let head = bytes.get(..SHOWN).unwrap_or(bytes);
        write!(
            f,
            "{:?}({} bytes: \"{}\"",
            self.body_type(),
            bytes.len(),
            head.escape_ascii()
        )?;
        f.write_str(if bytes.len() > SHOWN { "…)" } else { ")" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_string_unless_another_type_is_asked_for() {
        let text = Body::text("5");
        assert_eq!(text.parse::<String>().unwrap(), "5");
        assert_eq!(text.parse::<u8>().unwrap(), 5);
        assert_eq!(Body::raw_json("\"5\"").parse::<String>().unwrap(), "5");
        assert_eq!(
            Body::text("{\"a\":1}")
                .parse::<std::collections::BTreeMap<String, u8>>()
                .unwrap()["a"],
            1
        );
        assert!(Body::Text(vec![0xff].into()).parse::<String>().is_err());
        assert!(Body::raw_json("5").parse::<String>().is_err());
    }

    #[test]
    fn debug_output_is_short() {
        let shown = format!("{:?}", Body::binary(vec![0; 1 << 20]));
        assert!(
            shown.len() < 600 && shown.starts_with("Binary(1048576 bytes"),
            "{shown}"
        );
    }
}
