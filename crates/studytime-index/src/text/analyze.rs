//! Text to words: one splitter for what is indexed, what is asked and what is
//! marked in a snippet, so that the three always agree.

use super::fold::{Class, class, compose, push_folded};
use std::ops::Range;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Characters of a word that count; the rest of a longer one is ignored.
pub(crate) const MAX_WORD: usize = 48;

/// A word in its folded form, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Bytes of the text it came from.
    pub(crate) range: Range<usize>,
    /// Two neighbouring characters (or a lone one) of a script without spaces.
    pub(crate) unspaced: bool,
}

/// Walks over the words of a text.
///
/// Scripts without spaces give overlapping pairs of characters. `c++`, `c#` and
/// `f#` keep their signs.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
    word: Word,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            word: Word {
                text: String::new(),
                range: 0..0,
                unspaced: false,
            },
        }
    }

    /// The next word; its buffer is used again by the one after it.
    pub(crate) fn step(&mut self) -> Option<&Word> {
        self.word.text.clear();
        let rest = self.text.get(self.at..)?;
        let (start, first) = rest
            .char_indices()
            .find(|(_, c)| matches!(class(*c), Class::Letter | Class::Unspaced))?;
        let start = self.at + start;
        if !self.plain(start) {
            push_folded(&mut self.word.text, first);
            if class(first) == Class::Unspaced {
                self.pair(start, first);
            } else {
                self.spaced(start, first);
            }
        }
        Some(&self.word)
    }

    /// A word of nothing but ASCII letters and digits, as most are: byte by byte,
    /// to the same end. Says whether it is one.
    fn plain(&mut self, start: usize) -> bool {
        let bytes = self.text.as_bytes().get(start..).unwrap_or_default();
        let other = |byte: &u8| !byte.is_ascii_alphanumeric();
        let len = bytes.iter().position(other).unwrap_or(bytes.len());
        let signs = matches!(bytes.get(len), Some(b'+' | b'#'));
        let more = bytes.get(len).is_some_and(|byte| !byte.is_ascii());
        if len == 0 || more || (len <= 2 && signs) {
            return false;
        }
        let word = self.text.get(start..start + len.min(MAX_WORD));
        self.word.text.push_str(word.unwrap_or_default());
        self.word.text.make_ascii_lowercase();
        self.at = start + len;
        self.word.range = start..self.at;
        self.word.unspaced = false;
        true
    }

    fn pair(&mut self, start: usize, first: char) {
        let after = start + first.len_utf8();
        let mut rest = self.text[after..]
            .char_indices()
            .filter(|(_, c)| class(*c) != Class::Dropped);
        let second = rest.next().filter(|(_, c)| class(*c) == Class::Unspaced);
        let more = second.is_some()
            && rest
                .next()
                .is_some_and(|(_, c)| class(c) == Class::Unspaced);
        let end = match second {
            Some((offset, c)) => {
                push_folded(&mut self.word.text, c);
                after + offset + c.len_utf8()
            }
            None => after,
        };
        // The last pair of a run takes both its characters with it.
        self.at = if more { after } else { end };
        self.word.range = start..end;
        self.word.unspaced = true;
    }

    fn spaced(&mut self, start: usize, first: char) {
        let mut end = start + first.len_utf8();
        let mut count = 1;
        for c in self.text[end..].chars() {
            match class(c) {
                Class::Letter => {
                    if count < MAX_WORD {
                        push_folded(&mut self.word.text, c);
                    }
                    count += 1;
                }
                Class::Dropped => {}
                Class::Unspaced | Class::Gap => break,
            }
            end += c.len_utf8();
        }
        if count <= 2 {
            let signs = &self.text[end..];
            let sign = if signs.starts_with("++") {
                "++"
            } else if signs.starts_with('#') {
                "#"
            } else {
                ""
            };
            self.word.text.push_str(sign);
            end += sign.len();
        }
        drop_article(&mut self.word.text);
        self.at = end;
        self.word.range = start..end;
        self.word.unspaced = false;
    }
}

/// Takes the Arabic article off a word, which is written as one with it, and
/// so are some short words before it: "the", "and the", "by the", "to the".
fn drop_article(word: &mut String) {
    const ARTICLES: [&str; 6] = ["ال", "وال", "بال", "كال", "فال", "لل"];
    let longest = ARTICLES.iter().filter(|a| word.starts_with(**a));
    let article = longest.map(|a| a.len()).max();
    // What is left must be a word: of three letters on.
    if let Some(len) = article
        && word
            .get(len..)
            .is_some_and(|rest| rest.chars().count() >= 3)
    {
        word.replace_range(..len, "");
    }
}

/// The words of `text`, at most `most` of them.
pub(crate) fn words(text: &str, most: usize) -> Vec<Word> {
    let mut walk = Words::new(text);
    let mut out = Vec::new();
    while out.len() < most {
        match walk.step() {
            Some(word) => out.push(word.clone()),
            None => break,
        }
    }
    out
}

/// The folded words of `text` with one space between them: a key to sort names
/// by and to complete them from.
pub(crate) fn key(text: &str) -> String {
    let text = compose(text);
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        match class(c) {
            Class::Letter | Class::Unspaced => {
                if gap && !out.is_empty() {
                    out.push(' ');
                }
                gap = false;
                push_folded(&mut out, c);
            }
            Class::Dropped => {}
            // Signs that tell names apart ("C", "C++", "C#").
            Class::Gap if (c == '+' || c == '#') && !gap && !out.is_empty() => out.push(c),
            Class::Gap => gap = true,
        }
    }
    out
}

/// The splitter as the text engine wants it.
#[derive(Debug, Clone, Default)]
pub(super) struct Splitter;

pub(super) struct Stream<'a> {
    words: Words<'a>,
    token: Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        Stream {
            words: Words::new(text),
            token: Token::default(),
        }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.step() else {
            return false;
        };
        self.token.text.clear();
        self.token.text.push_str(&word.text);
        self.token.offset_from = word.range.start;
        self.token.offset_to = word.range.end;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        words(text, 100).into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn splits_words_of_many_scripts() {
        assert_eq!(
            texts("L'eau, c'est C++ & C# 101!"),
            ["l", "eau", "c", "est", "c++", "c#", "101"]
        );
        assert_eq!(
            texts("機械学習入門"),
            ["機械", "械学", "学習", "習入", "入門"]
        );
        assert_eq!(texts("AI入 と"), ["ai", "入", "と"]);
        assert_eq!(texts("हिन्दी सीखें।"), ["हिन्दी", "सीखें"]);
        assert_eq!(
            texts("الرياضيات والرياضيات للرياضيات الف لله"),
            ["رياضيات", "رياضيات", "رياضيات", "الف", "لله"]
        );
        assert_eq!(texts("a\u{200d}b co\u{ad}operate"), ["ab", "cooperate"]);
        assert_eq!(
            key("  Ünïted — C++: the “Basics” "),
            "united c++ the basics"
        );
    }

    #[test]
    fn a_long_word_is_cut_not_lost() {
        let long = "x".repeat(10_000);
        let words = words(&long, 10);
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].text.len(), MAX_WORD);
        assert_eq!(words[0].range, 0..10_000);
    }

    proptest! {
        /// Plain words go a shorter way, to the same end.
        #[test]
        fn plain_words_are_words_like_others(text in "[a-zA-Z0-9 +#.é-]{0,60}|[a-z]{40,60}") {
            let soft = |c: char| [Some(c), c.is_ascii_alphanumeric().then_some('\u{ad}')];
            let long_way: String = text.chars().flat_map(soft).flatten().collect();
            prop_assert_eq!(texts(&text), texts(&long_way));
        }

        #[test]
        fn ranges_are_sound_and_in_order(text in "\\PC{0,80}|[a-z機械 \u{301}\u{e31}#+]{0,60}") {
            let mut last = 0;
            for word in words(&text, 1000) {
                prop_assert!(!word.text.is_empty() || !text[word.range.clone()].is_empty());
                prop_assert!(word.range.start >= last || word.unspaced);
                last = word.range.start;
                prop_assert!(text.get(word.range).is_some());
            }
            let folded = key(&text);
            prop_assert_eq!(key(&folded), folded);
        }
    }
}
