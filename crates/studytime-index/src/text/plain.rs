//! Markdown and HTML to the words a reader sees: for searching and snippets
//! only, never for showing as markup. One pass, no nesting, any input.

use super::fold::compose;
use studytime_schema::content::LessonContentType;

/// How a text is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markup {
    /// Markdown, with HTML in it.
    Markdown,
    /// HTML.
    Html,
}

impl Markup {
    /// That of a lesson's text; `None` for plain text.
    pub(crate) fn of(kind: LessonContentType) -> Option<Self> {
        match kind {
            LessonContentType::Markdown => Some(Self::Markdown),
            LessonContentType::Html => Some(Self::Html),
            _ => None,
        }
    }
}

/// The words of a text, at most about `most` bytes of it.
pub(crate) fn searchable(text: &str, markup: Option<Markup>, most: usize) -> String {
    let text = cut(text, most);
    let words = match markup {
        None => compose(text).into_owned(),
        Some(markup) => strip(&compose(text), markup),
    };
    // A lone control character would only disturb whoever shows a snippet.
    let control = |c: char| c.is_control() && c != '\n';
    match words.contains(control) {
        true => words.replace(control, " "),
        false => words,
    }
}

/// The first bytes of a text, at most `most`, ending between characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

fn strip(text: &str, markup: Markup) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (plain, marked) = rest.split_at(plain_bytes(rest, out.ends_with(' ')));
        out.push_str(plain);
        rest = marked;
        let Some(c) = rest.chars().next() else {
            return out;
        };
        let (skip, put) = match c {
            '<' => tag(rest),
            '&' => entity(rest),
            ']' if markup == Markup::Markdown => (link_target(rest), ' '),
            '!' if markup == Markup::Markdown && rest.starts_with("![") => (1, ' '),
            '*' | '`' | '#' | '~' | '[' if markup == Markup::Markdown && !sign(&out, rest) => {
                (1, ' ')
            }
            c => (c.len_utf8(), c),
        };
        if put != ' ' || !out.ends_with(' ') {
            out.push(put);
        }
        rest = rest.get(skip..).unwrap_or_default();
    }
}

/// The bytes with which markup begins.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let bytes = b"<&]!*`#~[";
    let mut at = 0;
    while at < bytes.len() {
        marks[bytes[at] as usize] = true;
        at += 1;
    }
    marks
};

/// Bytes at the start of a text that stay as they are: no markup among them, and
/// no space after a space (`spaced`: one stands before the text).
fn plain_bytes(text: &str, mut spaced: bool) -> usize {
    let ends = |byte: u8| {
        let twice = spaced && byte == b' ';
        spaced = byte == b' ';
        twice || MARKS.get(usize::from(byte)).is_some_and(|mark| *mark)
    };
    text.bytes().position(ends).unwrap_or(text.len())
}

/// `#` of `C#`, as against `#` of a heading.
fn sign(before: &str, rest: &str) -> bool {
    rest.starts_with('#') && before.ends_with(|c: char| c.is_ascii_alphabetic())
}

/// Bytes of the tag, comment, script or style that begins here, and what
/// stands in its place; a lone `<` is itself.
fn tag(rest: &str) -> (usize, char) {
    let Some(name) = rest.get(1..) else {
        return (1, '<');
    };
    if let Some(comment) = name.strip_prefix("!--") {
        return (comment.find("-->").map_or(rest.len(), |at| at + 7), ' ');
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
        return (1, '<');
    }
    let Some(end) = rest.find('>') else {
        return (1, '<');
    };
    for hidden in ["script", "style"] {
        if name
            .get(..hidden.len())
            .is_some_and(|n| n.eq_ignore_ascii_case(hidden))
        {
            return (after_close(rest, end + 1, hidden), ' ');
        }
    }
    (end + 1, ' ')
}

/// Where the element that was opened ends: past its closing tag, or the text.
fn after_close(rest: &str, from: usize, name: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = from;
    while let Some(open) = rest.get(at..).and_then(|r| r.find("</")) {
        let start = at + open + 2;
        let end = start + name.len();
        if bytes
            .get(start..end)
            .is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        {
            return rest
                .get(end..)
                .and_then(|r| r.find('>'))
                .map_or(rest.len(), |c| end + c + 1);
        }
        at = start;
    }
    rest.len()
}

/// Bytes of the character reference that begins here, and its character.
fn entity(rest: &str) -> (usize, char) {
    for (name, c) in [
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&#39;", '\''),
        ("&apos;", '\''),
        ("&nbsp;", ' '),
    ] {
        if rest.starts_with(name) {
            return (name.len(), c);
        }
    }
    if let Some(number) = rest.strip_prefix("&#") {
        let digits = number
            .bytes()
            .take(7)
            .take_while(u8::is_ascii_digit)
            .count();
        if digits > 0 && number.as_bytes().get(digits) == Some(&b';') {
            let c = number
                .get(..digits)
                .and_then(|d| d.parse().ok())
                .and_then(char::from_u32);
            return (digits + 3, c.unwrap_or(' '));
        }
    }
    // A blob's id in the text is nothing a reader looks for.
    if let Some(id) = rest.get(1..52)
        && id.ends_with(".sha256")
    {
        return (52, ' ');
    }
    (1, '&')
}

/// Bytes of `](target)`; 1 when none follows.
fn link_target(rest: &str) -> usize {
    let Some(target) = rest.strip_prefix("](") else {
        return 1;
    };
    // Far enough for a real target; beyond, the bracket was none.
    let near = cut(target, 2_000);
    near.find([')', '\n'])
        .filter(|at| near.as_bytes().get(*at) == Some(&b')'))
        .map_or(1, |at| at + 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_a_reader_sees() {
        let words = |t, m| {
            searchable(t, Some(m), 10_000)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            words(
                "# Title\n\nSee [the **guide**](https://x.example/a_b?c) and ![a cat](&abc.sha256) in C#.",
                Markup::Markdown
            ),
            "Title See the guide and a cat in C#."
        );
        assert_eq!(
            words(
                "<p class=x>One<br>two &amp; 3 &lt; 4</p><script>var hidden = '<p>';</SCRIPT><!-- no --> end",
                Markup::Html
            ),
            "One two & 3 < 4 end"
        );
        assert_eq!(words("a < b and a<b", Markup::Markdown), "a < b and a<b");
        assert_eq!(words("&#233;t&#233;", Markup::Html), "été");
    }

    proptest! {
        #[test]
        fn any_text_goes_through(text in "\\PC{0,120}|[<>/!&;#\\[\\]()*`a-z \n-]{0,120}", most in 0_usize..100) {
            for markup in [None, Some(Markup::Markdown), Some(Markup::Html)] {
                let out = searchable(&text, markup, most);
                prop_assert!(out.len() <= text.len() * 3 + 1);
            }
        }
    }
}
