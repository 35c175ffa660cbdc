//! Text made comparable.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The text with runs of space as one space and none at the ends, in one
/// Unicode form; without case and accents if wished.
pub(crate) fn plain(text: &str, fold_case: bool, fold_accents: bool) -> String {
    let mut out: String = if fold_accents {
        text.nfkd()
            .filter(|c| !is_combining_mark(*c))
            .nfc()
            .collect()
    } else {
        text.nfkc().collect()
    };
    if fold_case {
        out = out.to_lowercase();
    }
    let mut words = out.split_whitespace();
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        joined.push(' ');
        joined.push_str(word);
    }
    joined
}
