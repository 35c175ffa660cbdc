//! Bencoding: what torrents and trackers write instead of JSON.

/// Deepest nesting that is read.
const MAX_DEPTH: u8 = 16;
/// Most values in one text: it bounds memory, for a value takes more than its bytes.
const MAX_VALUES: u32 = 200_000;

/// A value, borrowed from the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    List(Vec<Self>),
    Dict(Vec<Entry<'a>>),
}

/// An entry of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    key: &'a [u8],
    value: Value<'a>,
    /// The value as it was written.
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads one value that takes all of `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (value, rest) = Self::read_first(bytes)?;
        rest.is_empty().then_some(value)
    }

    /// Reads one value, and answers what follows it.
    pub(super) fn read_first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader {
            rest: bytes,
            values: 0,
        };
        let value = reader.value(0)?;
        Some((value, reader.rest))
    }

    fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        match self {
            Self::Dict(entries) => entries.iter().find(|e| e.key == key.as_bytes()),
            _ => None,
        }
    }

    /// An entry of a dictionary.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|e| &e.value)
    }

    /// An entry as it was written.
    pub(super) fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.entry(key).map(|e| e.raw)
    }

    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    values: u32,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u8) -> Option<Value<'a>> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return None;
        }
        match self.rest.first()? {
            b'i' => {
                self.take(1)?;
                let end = self.rest.iter().take(21).position(|b| *b == b'e')?;
                let digits = self.take(end)?;
                self.take(1)?;
                Some(Value::Int(std::str::from_utf8(digits).ok()?.parse().ok()?))
            }
            b'l' => {
                self.take(1)?;
                let mut list = Vec::new();
                while !self.ended()? {
                    list.push(self.value(depth + 1)?);
                }
                Some(Value::List(list))
            }
            b'd' => {
                self.take(1)?;
                let mut entries = Vec::new();
                while !self.ended()? {
                    let key = self.string()?;
                    let before = self.rest;
                    let value = self.value(depth + 1)?;
                    let raw = before.get(..before.len() - self.rest.len())?;
                    entries.push(Entry { key, value, raw });
                }
                Some(Value::Dict(entries))
            }
            b'0'..=b'9' => Some(Value::Bytes(self.string()?)),
            _ => None,
        }
    }

    fn ended(&mut self) -> Option<bool> {
        let ended = *self.rest.first()? == b'e';
        if ended {
            self.take(1)?;
        }
        Some(ended)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let colon = self.rest.iter().take(11).position(|b| *b == b':')?;
        let digits = self.take(colon)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let len = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.take(1)?;
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

/// Writes a string.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Writes a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(format!("i{number}e").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_kept_as_written() {
        let text = b"d4:infod6:lengthi12ee4:listl1:ai-3eee";
        let value = Value::read(text).unwrap();
        assert_eq!(value.raw("info"), Some(&b"d6:lengthi12ee"[..]));
        let length = value.get("info").and_then(|i| i.get("length"));
        assert_eq!(length.and_then(Value::number), Some(12));
        let list = value.get("list").and_then(Value::list).unwrap();
        assert_eq!(list, [Value::Bytes(b"a"), Value::Int(-3)]);
        assert_eq!(list[1].number(), None);
        let (first, rest) = Value::read_first(b"i1edata").unwrap();
        assert_eq!((first, rest), (Value::Int(1), &b"data"[..]));
    }

    #[test]
    fn broken_texts_are_refused() {
        for text in [
            &b""[..],
            b"i1",
            b"ie",
            b"i1x",
            b"i99999999999999999999e",
            b"5:abc",
            b"99999999999:a",
            b"+1:a",
            b"l",
            b"d1:a",
            b"di1ei2ee",
            b"i1ei2e",
            b"x",
        ] {
            assert_eq!(Value::read(text), None, "{}", text.escape_ascii());
        }
        let deep = [b"l".repeat(100), b"e".repeat(100)].concat();
        assert_eq!(Value::read(&deep), None);
        let many = [&b"l"[..], &b"le".repeat(300_000), b"e"].concat();
        assert_eq!(Value::read(&many), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_the_end_of_it(text: Vec<u8>) {
            let _ = Value::read_first(&text);
        }
    }
}
