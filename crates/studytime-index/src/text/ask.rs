//! What a person typed, as words to look for. Anything may be typed: there are
//! no operators, only words, and only so many of them.

use super::analyze::words;
use super::fold::compose;
use super::plain::cut;

/// Bytes of a query that are read.
const MAX_BYTES: usize = 1_000;
/// Words of a query that are looked for.
pub(crate) const MAX_WORDS: usize = 16;

/// A word to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) text: String,
    /// It may be unfinished: words that begin with it match too.
    pub(crate) prefix: bool,
}

impl Asked {
    /// Characters of it.
    pub(crate) fn len(&self) -> usize {
        self.text.chars().count()
    }
}

/// The words of a query; each once, the last one open to be finished when
/// nothing follows it.
pub(crate) fn ask(text: &str) -> Vec<Asked> {
    let text = compose(cut(text, MAX_BYTES));
    let found = words(&text, MAX_BYTES);
    let open = found.last().is_some_and(|w| w.range.end == text.len());
    let last = found.len().wrapping_sub(1);
    let mut asked: Vec<Asked> = Vec::new();
    for (at, word) in found.into_iter().enumerate() {
        // A lone character of an unspaced script is half of some pair.
        let lone = word.unspaced && word.text.chars().count() == 1;
        let prefix = lone || (at == last && open && !word.unspaced);
        match asked.iter_mut().find(|a| a.text == word.text) {
            Some(known) => known.prefix |= prefix,
            None => asked.push(Asked {
                text: word.text,
                prefix,
            }),
        }
    }
    if asked.len() > MAX_WORDS {
        // Of very many words the longest say most; their order means nothing.
        let open = asked.iter().position(|a| a.prefix);
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|at| {
            let length = asked.get(*at).map_or(0, Asked::len);
            (Some(*at) != open, std::cmp::Reverse(length), *at)
        });
        order.truncate(MAX_WORDS);
        order.sort_unstable();
        asked = order
            .into_iter()
            .filter_map(|at| asked.get(at).cloned())
            .collect();
    }
    asked.retain(|a| !a.text.is_empty());
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        ask(text)
            .into_iter()
            .map(|a| if a.prefix { a.text + "…" } else { a.text })
            .collect()
    }

    #[test]
    fn the_last_word_may_be_unfinished() {
        assert_eq!(shown("Machine lear"), ["machine", "lear…"]);
        assert_eq!(shown("machine lear "), ["machine", "lear"]);
        assert_eq!(shown("rust rust"), ["rust…"]);
        assert_eq!(shown("機械学"), ["機械", "械学"]);
        assert_eq!(shown("機"), ["機…"]);
        assert_eq!(
            shown("title:x AND (NOT \"y* +-"),
            ["title", "x", "and", "not", "y"]
        );
        assert!(shown(" \u{0}\u{7} \"*?~^:\\/{}[]() ").is_empty());
    }

    proptest! {
        #[test]
        fn rubbish_is_bounded(text in "\\PC{0,3000}|[\u{0}-\u{20}a-c\"*:(){}\\[\\]^~機\u{301}]{0,6000}") {
            let asked = ask(&text);
            prop_assert!(asked.len() <= MAX_WORDS);
            for word in &asked {
                prop_assert!(!word.text.is_empty());
                prop_assert!(word.text.len() <= 400);
            }
        }
    }
}
