//! Bytes to text, when nobody says which encoding they are in.

use std::borrow::Cow;

/// How a text was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
    /// Nothing else fits: one byte a letter, as old Windows programs write
    /// western European text.
    Windows1252,
}

/// Letters of Windows-1252 from 0x80 to 0x9f; the holes are control characters.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Decodes a whole text, without a byte order mark and with `\n` line ends.
///
/// `cut` says that the bytes are only the beginning of the text, so that a
/// character broken at the end is no sign against UTF-8.
pub(crate) fn decode(bytes: &[u8], cut: bool) -> (String, Encoding) {
    let (text, encoding): (Cow<'_, str>, Encoding) =
        if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
            (String::from_utf8_lossy(rest), Encoding::Utf8)
        } else if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
            (utf16(rest, u16::from_le_bytes).into(), Encoding::Utf16)
        } else if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
            (utf16(rest, u16::from_be_bytes).into(), Encoding::Utf16)
        } else {
            match std::str::from_utf8(bytes) {
                // Valid UTF-8 with a zero in every other byte is UTF-16 without its mark.
                Ok(text) => match zeros(bytes) {
                    Zeros::None => (text.into(), Encoding::Utf8),
                    Zeros::Odd => (utf16(bytes, u16::from_le_bytes).into(), Encoding::Utf16),
                    Zeros::Even => (utf16(bytes, u16::from_be_bytes).into(), Encoding::Utf16),
                },
                Err(e) if cut && e.error_len().is_none() && bytes.len() - e.valid_up_to() < 4 => (
                    String::from_utf8_lossy(bytes.get(..e.valid_up_to()).unwrap_or(bytes)),
                    Encoding::Utf8,
                ),
                Err(_) => match zeros(bytes) {
                    Zeros::Odd => (utf16(bytes, u16::from_le_bytes).into(), Encoding::Utf16),
                    Zeros::Even => (utf16(bytes, u16::from_be_bytes).into(), Encoding::Utf16),
                    Zeros::None => (windows1252(bytes).into(), Encoding::Windows1252),
                },
            }
        };
    (unix_lines(text), encoding)
}

enum Zeros {
    None,
    Even,
    Odd,
}

/// Whether a good part of the even or of the odd bytes are zero, and none of the others.
fn zeros(bytes: &[u8]) -> Zeros {
    let sample = bytes.get(..4096).unwrap_or(bytes);
    if sample.len() < 8 {
        return Zeros::None;
    }
    let count = |first: usize| {
        sample
            .iter()
            .skip(first)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (count(0), count(1));
    let many = sample.len() / 8;
    match (even, odd) {
        (0, n) if n > many => Zeros::Odd,
        (n, 0) if n > many => Zeros::Even,
        _ => Zeros::None,
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(unit));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Reads one byte as one letter.
pub(crate) fn windows1252(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|b| match b {
            0x80..=0x9f => HIGH
                .get(usize::from(*b) - 0x80)
                .copied()
                .unwrap_or('\u{fffd}'),
            _ => char::from(*b),
        })
        .collect()
}

fn unix_lines(text: Cow<'_, str>) -> String {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodings() {
        assert_eq!(
            decode(b"\xef\xbb\xbfhi\r\n", false),
            ("hi\n".into(), Encoding::Utf8)
        );
        assert_eq!(
            decode("naïve".as_bytes(), false),
            ("naïve".into(), Encoding::Utf8)
        );
        assert_eq!(
            decode(b"na\xefve \x93x\x94", false),
            ("naïve “x”".into(), Encoding::Windows1252)
        );
        assert_eq!(
            decode(b"\xff\xfeh\0i\0", false),
            ("hi".into(), Encoding::Utf16)
        );
        assert_eq!(
            decode(b"\xfe\xff\0h\0i", false),
            ("hi".into(), Encoding::Utf16)
        );
        assert_eq!(
            decode(b"h\0e\0l\0l\0o\0", false),
            ("hello".into(), Encoding::Utf16)
        );
        assert_eq!(
            decode(&"na\u{ef}".as_bytes()[..3], true),
            ("na".into(), Encoding::Utf8)
        );
    }

    proptest! {
        #[test]
        fn utf8_is_never_mistaken(text in "[^\u{0}\r\u{feff}]{0,200}") {
            prop_assert_eq!(decode(text.as_bytes(), false), (text, Encoding::Utf8));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, cut: bool) {
            let _ = decode(&bytes, cut);
        }
    }
}
