//! Letters made comparable: lower case, no accents, one spelling each.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use tantivy::tokenizer::{AsciiFoldingFilter, RawTokenizer, TextAnalyzer};

/// What a character is to the word splitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a word.
    Letter,
    /// Part of a word, but not of its folded form: accents, vowel points, joiners.
    Dropped,
    /// Part of a script written without spaces.
    Unspaced,
    /// Between words.
    Gap,
}

pub(super) fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() {
            Class::Letter
        } else {
            Class::Gap
        };
    }
    match c as u32 {
        // Combining accents; Cyrillic, Hebrew and Arabic points; tatweel; soft
        // hyphen; joiners.
        0x0300..=0x036F
        | 0x0483..=0x0487
        | 0x0591..=0x05BD
        | 0x05BF
        | 0x05C1..=0x05C2
        | 0x05C4..=0x05C5
        | 0x0610..=0x061A
        | 0x0640
        | 0x064B..=0x065F
        | 0x0670
        | 0x06D6..=0x06DC
        | 0x06DF..=0x06E4
        | 0x00AD
        | 0x200C..=0x200D
        | 0xFE00..=0xFE0F => Class::Dropped,
        // Signs of Indic scripts belong to the word, alphabetic or not.
        0x0964..=0x0965 | 0x0970 | 0x0DF4 => Class::Gap,
        0x0900..=0x0DFF => Class::Letter,
        // Thai, Lao, Myanmar, Khmer, kana, ideographs, hangul.
        0x0E2F | 0x0E46 | 0x0E4F | 0x0E5A..=0x0E5B | 0x104A..=0x104F | 0x17D4..=0x17DA => {
            Class::Gap
        }
        0x0E01..=0x0EFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3005..=0x3007
        | 0x3041..=0x3096
        | 0x30A1..=0x30FA
        | 0x30FC..=0x30FF
        | 0x3105..=0x312F
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFF66..=0xFF9D
        | 0x20000..=0x3FFFF => Class::Unspaced,
        _ if c.is_alphanumeric() => Class::Letter,
        _ => Class::Gap,
    }
}

/// Whether a character is of a script written without spaces.
pub(crate) fn is_unspaced(c: char) -> bool {
    class(c) == Class::Unspaced
}

/// Adds the folded form of a [`Class::Letter`] or [`Class::Unspaced`] character.
pub(super) fn push_folded(out: &mut String, c: char) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for c in c.to_lowercase() {
        match latin().get(&c) {
            Some(text) => out.push_str(text),
            None if class(c) == Class::Dropped => {}
            None => out.push(other(c)),
        }
    }
}

/// Letters outside Latin that people type in more than one way.
fn other(c: char) -> char {
    match c {
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ό' => 'ο',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'ώ' => 'ω',
        'ς' => 'σ',
        'ё' => 'е',
        'آ' | 'أ' | 'إ' | 'ٱ' => 'ا',
        'ى' | 'ی' | 'ئ' => 'ي',
        'ؤ' => 'و',
        'ة' => 'ه',
        'ک' => 'ك',
        '\u{0660}'..='\u{0669}' => digit(c, 0x0660),
        '\u{06F0}'..='\u{06F9}' => digit(c, 0x06F0),
        '\u{0966}'..='\u{096F}' => digit(c, 0x0966),
        _ => c,
    }
}

fn digit(c: char, zero: u32) -> char {
    char::from_digit(c as u32 - zero, 10).unwrap_or(c)
}

/// Accented Latin, ligatures and full-width forms, from the engine's own table:
/// read out once, so that single characters can be looked up.
fn latin() -> &'static HashMap<char, String> {
    static TABLE: OnceLock<HashMap<char, String>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut analyzer = TextAnalyzer::builder(RawTokenizer::default())
            .filter(AsciiFoldingFilter)
            .build();
        let ranges = [
            0xAA..0x250_u32,
            0x1D00..0x1F00,
            0x2C60..0x2C80,
            0xA720..0xA800,
            0xFB00..0xFB07,
            0xFF10..0xFF5B,
        ];
        let mut table = HashMap::new();
        for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
            if !c.is_alphanumeric() {
                continue;
            }
            let text = c.to_string();
            let mut stream = analyzer.token_stream(&text);
            if let Some(token) = stream.next()
                && token.text != text
            {
                table.insert(c, token.text.to_ascii_lowercase());
            }
        }
        table
    })
}

/// Puts hangul and kana that came taken apart (as some file systems do) together
/// again; other text is untouched.
pub(crate) fn compose(text: &str) -> Cow<'_, str> {
    let apart = |c: char| matches!(c as u32, 0x1161..=0x11C2 | 0x3099..=0x309A);
    if text.is_ascii() || !text.contains(apart) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let joined = match c as u32 {
            0x1161..=0x11C2 | 0x3099..=0x309A => out.chars().next_back().and_then(|b| join(b, c)),
            _ => None,
        };
        match joined {
            Some(c) => {
                out.pop();
                out.push(c);
            }
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn join(before: char, c: char) -> Option<char> {
    let (b, c) = (before as u32, c as u32);
    let code = match (b, c) {
        (0x1100..=0x1112, 0x1161..=0x1175) => 0xAC00 + ((b - 0x1100) * 21 + (c - 0x1161)) * 28,
        (0xAC00..=0xD7A3, 0x11A8..=0x11C2) if (b - 0xAC00) % 28 == 0 => b + (c - 0x11A7),
        (0x3046, 0x3099) => 0x3094,
        (0x30A6, 0x3099) => 0x30F4,
        (0x304B..=0x3062 | 0x30AB..=0x30C2, 0x3099) if b % 2 == 1 => b + 1,
        (0x3064 | 0x3066 | 0x3068 | 0x30C4 | 0x30C6 | 0x30C8, 0x3099) => b + 1,
        (0x306F..=0x307B | 0x30CF..=0x30DB, 0x3099..=0x309A) if b % 3 == 0 => b + c - 0x3098,
        _ => return None,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        for c in compose(text).chars() {
            if matches!(class(c), Class::Letter | Class::Unspaced) {
                push_folded(&mut out, c);
            }
        }
        out
    }

    #[test]
    fn one_spelling_for_what_people_type_in_several_ways() {
        assert_eq!(folded("Swahílí"), "swahili");
        assert_eq!(folded("Swahi\u{301}li\u{301}"), "swahili");
        assert_eq!(
            folded("Straße ŒUVRE Łódź Çelik İzmir"),
            "strasseoeuvrelodzcelikizmir"
        );
        assert_eq!(folded("Việt"), "viet");
        assert_eq!(folded("Ἀθήνα".trim_start_matches('Ἀ')), "θηνα");
        assert_eq!(folded("Ещё"), "еще");
        assert_eq!(folded("مُدَرِّسَة"), "مدرسه");
        assert_eq!(folded("ｆｕｌｌ１２"), "full12");
        assert_eq!(folded("٣ कि"), "3कि");
    }

    #[test]
    fn hangul_and_kana_taken_apart_come_together() {
        assert_eq!(
            compose("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            "한글"
        );
        assert_eq!(
            compose("か\u{3099}き\u{3099}は\u{309a}ふ\u{3099}ウ\u{3099}つ\u{3099}"),
            "がぎぱぶヴづ"
        );
        assert!(matches!(compose("plain"), Cow::Borrowed(_)));
    }
}
