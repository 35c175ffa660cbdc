//! The last pass: over HTML that `clean` has written, never over the lesson's own.
//!
//! Its input has a known shape (each `<` begins an allowed tag, attributes are
//! double-quoted), so one scan is enough: headings move below the page's `h1`
//! and get ids, pictures load late or become links, code gets colours, marks
//! become formulas.

use super::clean::{ID_PREFIX, REMOTE, language_of};
use super::{Heading, escape_into, highlight, math};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Around the number of a formula; private-use characters that
/// [`without_marks`] takes out of the lesson first.
const OPEN: char = '\u{F8F0}';
const CLOSE: char = '\u{F8F1}';

/// Most headings that go into the table of contents.
const MAX_TOC: usize = 60;

/// Most formulas of an HTML lesson that are set; later ones stay source.
const MAX_FORMULAS: usize = 4_000;

/// The text that stands for formula `index` until [`finish`] sets it.
pub(super) fn mark(index: usize) -> String {
    format!("{OPEN}{index}{CLOSE}")
}

/// The text without the characters that [`mark`] uses.
pub(super) fn without_marks(text: &str) -> Cow<'_, str> {
    if text.contains([OPEN, CLOSE]) {
        Cow::Owned(text.replace([OPEN, CLOSE], ""))
    } else {
        Cow::Borrowed(text)
    }
}

struct Finisher<'a> {
    out: String,
    toc: Vec<Heading>,
    ids: HashSet<String>,
    /// For each base of an id, the number that was last put behind it.
    numbered: HashMap<String, usize>,
    formulas: &'a [String],
    find_math: bool,
    found: usize,
    demote: bool,
    heading: Option<OpenHeading>,
    in_pre: usize,
    in_code: usize,
}

/// A heading whose tag is not written yet: its id comes from its words.
struct OpenHeading {
    level: u8,
    id: Option<String>,
    /// Where its content begins in `out`.
    starts_at: usize,
    attributes: String,
}

pub(super) fn finish(html: &str, formulas: &[String], find_math: bool) -> (String, Vec<Heading>) {
    let mut finisher = Finisher {
        out: String::with_capacity(html.len() + html.len() / 8),
        toc: Vec::new(),
        ids: HashSet::new(),
        numbered: HashMap::new(),
        formulas,
        find_math,
        found: 0,
        demote: html.contains("<h1"),
        heading: None,
        in_pre: 0,
        in_code: 0,
    };
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        finisher.text(&rest[..at]);
        let end = tag_end(&rest[at..]).map_or(rest.len(), |e| at + e);
        let tag = &rest[at..end];
        rest = &rest[end..];
        if let Some(language) = finisher.tag(tag) {
            // Code that is text only, up to its end tag, can be coloured.
            let end = rest.find("</code>").unwrap_or(0);
            let code = &rest[..end];
            if !code.contains('<') {
                match highlight::highlight(&unescape(code), &language) {
                    Some(coloured) => finisher.out.push_str(&coloured),
                    None => finisher.out.push_str(code),
                }
                rest = &rest[end..];
            }
        }
    }
    finisher.text(rest);
    finisher.close_heading();
    (finisher.out, finisher.toc)
}

impl Finisher<'_> {
    /// Writes a tag; returns the language when it opens a block of code.
    fn tag(&mut self, tag: &str) -> Option<String> {
        let (closing, name) = tag_name(tag);
        match (name, closing) {
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", false) => self.open_heading(tag, name),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", true) => self.close_heading(),
            ("img", _) => self.picture(tag),
            ("pre", false) => {
                self.in_pre += 1;
                self.out.push_str(tag);
            }
            ("pre", true) => {
                self.in_pre = self.in_pre.saturating_sub(1);
                self.out.push_str(tag);
            }
            ("code", false) => {
                self.in_code += 1;
                self.out.push_str(tag);
                if self.in_pre > 0 {
                    let class = attribute(tag, "class").unwrap_or_default();
                    return class.split(' ').find_map(language_of).map(str::to_owned);
                }
            }
            ("code", true) => {
                self.in_code = self.in_code.saturating_sub(1);
                self.out.push_str(tag);
            }
            _ => self.out.push_str(tag),
        }
        None
    }

    fn open_heading(&mut self, tag: &str, name: &str) {
        self.close_heading();
        let level = name.as_bytes()[1] - b'0';
        let level = if self.demote {
            (level + 1).min(6)
        } else {
            level.max(2)
        };
        self.heading = Some(OpenHeading {
            level,
            id: attribute(tag, "id").map(|id| unescape(id).into_owned()),
            starts_at: self.out.len(),
            attributes: ["lang", "dir", "title"]
                .iter()
                .filter_map(|a| attribute(tag, a).map(|value| format!(" {a}=\"{value}\"")))
                .collect(),
        });
    }

    fn close_heading(&mut self) {
        let Some(heading) = self.heading.take() else {
            return;
        };
        let content = self.out.split_off(heading.starts_at);
        let text = words(&content);
        let id = heading.id.unwrap_or_else(|| self.free_id(&text));
        self.ids.insert(id.clone());
        let level = heading.level;
        self.out.push_str(&format!("<h{level} id=\""));
        escape_into(&id, &mut self.out);
        self.out
            .push_str(&format!("\"{}>{content}</h{level}>", heading.attributes));
        if level <= 3 && !text.is_empty() && self.toc.len() < MAX_TOC {
            self.toc.push(Heading { level, id, text });
        }
    }

    fn free_id(&mut self, text: &str) -> String {
        let base = format!("{ID_PREFIX}{}", slug(text));
        let number = self.numbered.entry(base.clone()).or_default();
        loop {
            let id = match *number {
                0 => base.clone(),
                n => format!("{base}-{n}"),
            };
            *number += 1;
            if !self.ids.contains(&id) {
                return id;
            }
        }
    }

    fn picture(&mut self, tag: &str) {
        let source = attribute(tag, "src").map(unescape).unwrap_or_default();
        let alt = attribute(tag, "alt").unwrap_or_default();
        let Some(remote) = source.strip_prefix(REMOTE) else {
            if !source.is_empty() {
                self.out
                    .push_str(tag.trim_end_matches('>').trim_end_matches('/'));
                if attribute(tag, "alt").is_none() {
                    self.out.push_str(" alt=\"\"");
                }
                self.out.push_str(" loading=\"lazy\" decoding=\"async\">");
            }
            return;
        };
        self.out.push_str("<span class=\"remote-picture\">");
        let what = if alt.is_empty() { "Picture" } else { alt };
        let linkable = remote.starts_with("https://") || remote.starts_with("http://");
        if linkable {
            self.out
                .push_str("<a rel=\"noopener noreferrer nofollow\" href=\"");
            escape_into(remote, &mut self.out);
            self.out
                .push_str(&format!("\">{what}</a> (on another site, not loaded)"));
        } else {
            self.out
                .push_str(&format!("{what} (not part of this course)"));
        }
        self.out.push_str("</span>");
    }

    /// Writes text between tags, with formulas in their places.
    fn text(&mut self, text: &str) {
        if self.find_math && self.in_code == 0 && self.in_pre == 0 {
            return self.text_with_math(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            self.out.push_str(&rest[..at]);
            let after = &rest[at + OPEN.len_utf8()..];
            let Some(end) = after.find(CLOSE) else {
                rest = after;
                continue;
            };
            let formula = after[..end].parse::<usize>().ok();
            if let Some(mathml) = formula.and_then(|i| self.formulas.get(i)) {
                self.out.push_str(mathml);
            }
            rest = &after[end + CLOSE.len_utf8()..];
        }
        self.out.push_str(rest);
    }

    /// As saved pages write them: `\( … \)`, `\[ … \]`, `$$ … $$`.
    fn text_with_math(&mut self, text: &str) {
        const PAIRS: [(&str, &str, bool); 3] = [
            ("\\(", "\\)", false),
            ("\\[", "\\]", true),
            ("$$", "$$", true),
        ];
        let find = |what: &str, from: usize| text.get(from..)?.find(what).map(|at| from + at);
        // Where each kind opens next; looked for again only once it is passed.
        let mut opens = PAIRS.map(|(open, ..)| find(open, 0));
        let mut copied = 0;
        while self.found < MAX_FORMULAS {
            let first = (0..PAIRS.len()).filter_map(|i| Some((opens[i]?, i))).min();
            let Some((at, kind)) = first else {
                break;
            };
            let (open, close, block) = PAIRS[kind];
            let Some(end) = find(close, at + open.len()) else {
                opens[kind] = None;
                continue;
            };
            self.out.push_str(&text[copied..at]);
            self.out.push_str(&math::to_mathml(
                &unescape(&text[at + open.len()..end]),
                block,
            ));
            self.found += 1;
            copied = end + close.len();
            for (i, (open, ..)) in PAIRS.iter().enumerate() {
                if opens[i].is_some_and(|at| at < copied) {
                    opens[i] = find(open, copied);
                }
            }
        }
        self.out.push_str(&text[copied..]);
    }
}

/// Index after the `>` that ends the tag at the start of `text`.
fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn tag_name(tag: &str) -> (bool, &str) {
    let inner = tag.strip_prefix('<').unwrap_or(tag);
    let (closing, inner) = match inner.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let end = inner
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(inner.len());
    (closing, &inner[..end])
}

/// The raw (still escaped) value of an attribute.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = tag;
    while let Some(at) = rest.find("=\"") {
        let key = rest[..at].rsplit(' ').next().unwrap_or_default();
        let value = &rest[at + 2..];
        let end = value.find('"')?;
        if key == name {
            return Some(&value[..end]);
        }
        rest = &value[end + 1..];
    }
    None
}

/// Undoes what the serialiser escapes.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&nbsp;", "\u{a0}")
            .replace("&amp;", "&"),
    )
}

/// The text of finished HTML, without tags and formulas.
fn words(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = match rest[at..].strip_prefix("<math") {
            Some(math) => {
                let end = math.find("</math>").map_or(math.len(), |e| e + 7);
                &math[end..]
            }
            None => &rest[tag_end(&rest[at..]).map_or(rest.len(), |e| at + e)..],
        };
    }
    out.push_str(rest);
    let joined = unescape(&out)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    joined.chars().take(120).collect()
}

/// An id from a heading's words, as code forges make them.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(60) {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if (c == ' ' || c == '-' || c == '_') && !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() {
        "part".to_owned()
    } else {
        out.to_owned()
    }
}
