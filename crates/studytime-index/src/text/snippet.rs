//! The piece of a text that shows best why it was found.

use super::analyze::Words;
use crate::model::{Snippet, SnippetPart};
use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// Columns of a snippet, about: as wide as so many Latin letters.
const LENGTH: usize = 200;
/// Characters that tell how wide a text is.
const SAMPLE: usize = 400;
/// Words of a text that are looked at.
const MAX_WORDS: usize = 60_000;
/// Hits that are weighed.
const MAX_HITS: usize = 400;

/// A word that was looked for, as snippets mark it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    /// Its folded form.
    pub(crate) text: String,
    /// Whether words that only begin with it match too.
    pub(crate) prefix: bool,
    /// Similar words that were taken in for it.
    pub(crate) similar: Vec<String>,
}

impl Sought {
    fn matches(&self, word: &str) -> bool {
        word == self.text
            || (self.prefix && word.starts_with(&self.text))
            || self.similar.iter().any(|s| s == word)
    }
}

/// The piece of `text` (as [`searchable`](super::plain::searchable) gives it)
/// around most of the words; `None` when it has none of them.
pub(crate) fn snippet(text: &str, sought: &[Sought]) -> Option<Snippet> {
    let mut hits: Vec<(Range<usize>, usize)> = Vec::new();
    let mut words = Words::new(text);
    for _ in 0..MAX_WORDS {
        let Some(word) = words.step() else { break };
        if let Some(at) = sought.iter().position(|s| s.matches(&word.text)) {
            hits.push((whole(text, word.range.clone()), at));
            if hits.len() >= MAX_HITS {
                break;
            }
        }
    }
    let length = length(text);
    let window = best_window(&hits, length)?;
    Some(cut_out(text, &hits, window, length))
}

/// Whether a character stands on the one before it: the two are one to a reader.
fn joins(before: Option<char>, c: char) -> bool {
    let joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let tone = ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    // The vowel AM of Thai and Lao stands on its letter, too.
    let vowel = matches!(c, '\u{e33}' | '\u{eb3}');
    is_combining_mark(c) || joiner(c) || tone || vowel || before == Some('\u{200d}')
}

/// The start of what is one character to a reader around a byte.
fn character_start(text: &str, at: usize) -> usize {
    let mut at = text.floor_char_boundary(at);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let before = text.get(..at).and_then(|all| all.chars().next_back());
        match before.filter(|_| joins(before, c)) {
            Some(before) => at -= before.len_utf8(),
            None => break,
        }
    }
    at
}

/// A range with all of its first and of its last character.
fn whole(text: &str, range: Range<usize>) -> Range<usize> {
    let mut end = range.end;
    let mut before = text.get(..end).and_then(|all| all.chars().next_back());
    for c in text.get(end..).unwrap_or_default().chars() {
        if !joins(before, c) {
            break;
        }
        end += c.len_utf8();
        before = Some(c);
    }
    character_start(text, range.start)..end
}

/// The bytes that a snippet of a text has, about: marks take no room, signs of
/// East Asia twice as much as letters.
fn length(text: &str) -> usize {
    let (mut bytes, mut columns) = (0_usize, 0_usize);
    for c in text.chars().take(SAMPLE) {
        bytes += c.len_utf8();
        columns += match c {
            c if joins(None, c) => 0,
            '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' => 2,
            '\u{20000}'..='\u{3ffff}' => 2,
            _ => 1,
        };
    }
    (LENGTH * bytes / columns.max(1)).clamp(LENGTH, 4 * LENGTH)
}

/// The stretch of hits that lies within a snippet's length and has most
/// different words; the first such.
fn best_window(hits: &[(Range<usize>, usize)], length: usize) -> Option<Range<usize>> {
    let mut best: Option<(u32, Range<usize>)> = None;
    for (first, (start, _)) in hits.iter().enumerate() {
        let mut seen = 0_u64;
        let mut last = first;
        for (at, (range, word)) in hits.iter().enumerate().skip(first) {
            if range.end.saturating_sub(start.start) > length {
                break;
            }
            seen |= 1 << (word & 63);
            last = at;
        }
        let count = seen.count_ones();
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            let end = hits.get(last).map_or(start.end, |(range, _)| range.end);
            best = Some((count, start.start..end));
        }
    }
    best.map(|(_, window)| window)
}

fn cut_out(
    text: &str,
    hits: &[(Range<usize>, usize)],
    window: Range<usize>,
    length: usize,
) -> Snippet {
    let spare = length.saturating_sub(window.len());
    let start = word_start(text, window.start.saturating_sub(spare / 3));
    let end = word_end(text, window.end.saturating_add(spare - spare / 3));
    let mut parts = Vec::new();
    if start > 0 {
        push(&mut parts, "… ", false);
    }
    let mut at = start;
    for (range, _) in hits
        .iter()
        .filter(|(r, _)| r.start >= start && r.end <= end)
    {
        // Pairs of characters of unspaced scripts overlap.
        let from = range.start.max(at);
        if from < range.end {
            push(&mut parts, text.get(at..from).unwrap_or_default(), false);
            push(
                &mut parts,
                text.get(from..range.end).unwrap_or_default(),
                true,
            );
            at = range.end;
        }
    }
    push(&mut parts, text.get(at..end).unwrap_or_default(), false);
    if end < text.len() {
        push(&mut parts, " …", false);
    }
    Snippet { parts }
}

/// Adds text with its white space made single; touching pieces of one kind
/// become one.
fn push(parts: &mut Vec<SnippetPart>, text: &str, hit: bool) {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_whitespace() {
            clean.push(c);
        } else if !clean.ends_with(' ') {
            clean.push(' ');
        }
    }
    if clean.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(last) if last.hit == hit => last.text.push_str(&clean),
        _ => parts.push(SnippetPart { text: clean, hit }),
    }
}

/// The start of the word around a byte, or of the character where words are long.
fn word_start(text: &str, at: usize) -> usize {
    let at = character_start(text, at);
    let before = text.get(..at).unwrap_or_default();
    let near = before
        .get(before.floor_char_boundary(at.saturating_sub(40))..)
        .unwrap_or_default();
    match near.rfind(char::is_whitespace) {
        Some(gap) => {
            at - near.len()
                + gap
                + near
                    .get(gap..)
                    .and_then(|r| r.chars().next())
                    .map_or(1, char::len_utf8)
        }
        None if near.len() == before.len() => 0,
        None => at,
    }
}

fn word_end(text: &str, at: usize) -> usize {
    let at = character_start(text, at.min(text.len()));
    let after = text.get(at..).unwrap_or_default();
    let near = super::plain::cut(after, 40);
    match near.find(char::is_whitespace) {
        Some(gap) => at + gap,
        None if near.len() == after.len() => text.len(),
        None => at,
    }
}

/// The beginning of a text, for a card: at most `most` characters, white space
/// made single, ending between words where there are any.
pub(crate) fn blurb(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = !out.is_empty();
            continue;
        }
        if count + 2 > most {
            if !gap && joins(out.chars().next_back(), c) {
                out.truncate(character_start(&out, out.len().saturating_sub(1)));
            }
            if let Some(space) = out.rfind(' ').filter(|at| *at + 60 > out.len()) {
                out.truncate(space);
            }
            out.push('…');
            return out;
        }
        if gap {
            out.push(' ');
            count += 1;
            gap = false;
        }
        out.push(c);
        count += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sought(text: &str, prefix: bool) -> Sought {
        Sought {
            text: text.to_owned(),
            prefix,
            similar: Vec::new(),
        }
    }

    #[test]
    fn shows_where_most_words_meet() {
        let text = format!(
            "Early ownership. {} Here ownership meets\n\nborrowing. {}",
            "filler ".repeat(60),
            "more ".repeat(60)
        );
        let found = snippet(&text, &[sought("ownership", false), sought("borr", true)]).unwrap();
        let hits: Vec<&str> = found
            .parts
            .iter()
            .filter(|p| p.hit)
            .map(|p| p.text.as_str())
            .collect();
        assert_eq!(hits, ["ownership", "borrowing"]);
        let plain = found.plain();
        assert!(plain.starts_with("… ") && plain.ends_with(" …"), "{plain}");
        assert!(plain.contains("Here ownership meets borrowing."), "{plain}");
        assert!(plain.len() < 330, "{}", plain.len());
        assert!(snippet(&text, &[sought("absent", true)]).is_none());
    }

    #[test]
    fn pairs_of_an_unspaced_script_become_one_mark() {
        let found = snippet(
            "これは機械学習です",
            &[
                sought("機械", false),
                sought("械学", false),
                sought("学習", false),
            ],
        )
        .unwrap();
        let hits: Vec<&str> = found
            .parts
            .iter()
            .filter(|p| p.hit)
            .map(|p| p.text.as_str())
            .collect();
        assert_eq!(hits, ["機械学習"]);
    }

    #[test]
    fn a_blurb_ends_between_words() {
        assert_eq!(blurb("  short \n text ", 20), "short text");
        assert_eq!(blurb("one two three four", 12), "one two…");
    }

    /// A mark, a sign or a joiner belongs to the letter before it.
    #[test]
    fn no_character_is_broken() {
        let found = snippet("ที่บ้านมีน้ำดื่ม", &[sought("ที", false), sought("น้", true)]).unwrap();
        let parts: Vec<(&str, bool)> = found
            .parts
            .iter()
            .map(|p| (p.text.as_str(), p.hit))
            .collect();
        assert_eq!(parts[0], ("ที่", true));
        assert!(
            parts
                .iter()
                .all(|(text, _)| !text.starts_with(['่', '้', 'ำ'])),
            "{parts:?}"
        );
        let flag = "👩🏽\u{200d}🚀";
        assert_eq!(blurb(&format!("ab {flag}{flag} e\u{301}"), 6), "ab…");
        assert_eq!(blurb("aaaae\u{301}aaa", 6), "aaaa…");
        let long = format!("{}word{}", "नि".repeat(300), "नि".repeat(300));
        let found = snippet(&format!("{long} end"), &[sought("end", false)]).unwrap();
        let shown = found.plain();
        assert!(
            shown.starts_with("… न") && shown.ends_with(" end"),
            "{shown}"
        );
    }

    /// As much of a text is shown in every script.
    #[test]
    fn snippets_are_as_wide_in_other_scripts() {
        let wide = |word: &str, find: &str| {
            let text = format!("{}{find} {}", word.repeat(200), word.repeat(200));
            let found = snippet(&text, &[sought(find, true)]).unwrap();
            found.plain().chars().count()
        };
        assert!((180..260).contains(&wide("lesson ", "river")));
        assert!((180..260).contains(&wide("урок ", "река")));
        assert!((180..260).contains(&wide("درس ", "نهر")));
        assert!((80..140).contains(&wide("学習", "河川")));
    }

    proptest! {
        #[test]
        fn any_text_gives_sound_pieces(text in "\\PC{0,300}|[ab 機械\n]{0,600}|[ab ที่\u{301}\u{200d}👩]{0,300}", word in "[ab]|機械|a|ที") {
            if let Some(found) = snippet(&text, &[sought(&word, true)]) {
                prop_assert!(found.parts.iter().any(|p| p.hit));
                let plain: String = text.split_whitespace().collect();
                let shown = found.plain();
                let shown: String = shown.trim_matches([' ', '…']).split_whitespace().collect();
                prop_assert!(text.contains('…') || plain.contains(&shown), "{shown}");
                // Between two pieces there is the end of a character.
                for pair in found.parts.windows(2) {
                    let first = pair[1].text.chars().next().unwrap();
                    prop_assert!(!joins(pair[0].text.chars().next_back(), first), "{pair:?}");
                }
            }
            prop_assert!(blurb(&text, 30).chars().count() <= 30);
        }
    }
}
