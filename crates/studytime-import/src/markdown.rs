//! Markdown: titles and links, with their exact places in the text.

use crate::html::{self, RawLink};
use crate::limits::MAX_LINKS;
use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// What a Markdown text holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Document {
    /// From the front matter, or the first heading when it opens the text.
    pub(crate) title: Option<String>,
    /// From the front matter.
    pub(crate) description: Option<String>,
    /// The source of the heading that gave the title.
    pub(crate) heading: Option<String>,
    /// Without front matter and without that heading.
    pub(crate) body: String,
    /// Links in `body`, in order.
    pub(crate) links: Vec<RawLink>,
    /// The first paragraph, as plain text.
    pub(crate) first_paragraph: Option<String>,
}

pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
}

/// Reads a whole text.
pub(crate) fn document(text: &str) -> Document {
    let (front, text) = front_matter(text);
    let given = field(front, "title");
    let (heading, text) = match opening_heading(text) {
        Some((heading, end)) if given.as_ref().is_none_or(|g| *g == heading) => (
            Some((heading, text.get(..end).unwrap_or("").to_owned())),
            text.get(end..).unwrap_or("").trim_start_matches('\n'),
        ),
        _ => (None, text),
    };
    let mut document = Document {
        title: given.or_else(|| heading.as_ref().map(|(title, _)| title.clone())),
        heading: heading.map(|(_, source)| source),
        description: field(front, "description"),
        body: text.trim_end().to_owned(),
        ..Document::default()
    };
    (document.links, document.first_paragraph) = walk(&document.body);
    document
}

/// The text without the pictures among these links.
pub(crate) fn without_pictures(text: &str, links: &[crate::draft::LinkDraft]) -> String {
    let targets: Vec<usize> = links
        .iter()
        .filter(|l| l.picture)
        .map(|l| l.start)
        .collect();
    let (all, _) = walk(text);
    let mut out = String::new();
    let mut at = 0;
    for link in all.iter().filter(|l| targets.contains(&l.range.start)) {
        out.push_str(text.get(at..link.whole.start.max(at)).unwrap_or(""));
        at = link.whole.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}

/// Splits off a block between `---` lines at the very front.
fn front_matter(text: &str) -> (&str, &str) {
    let fenced = text
        .strip_prefix("---\n")
        .or_else(|| text.strip_prefix("+++\n"));
    let Some(rest) = fenced else {
        return ("", text);
    };
    // A text may also open with a rule; then no `name: value` follows.
    let first = rest.lines().next().unwrap_or("");
    let name = first.split([':', '=']).next().unwrap_or("").trim_end();
    if name.len() == first.len()
        || name.is_empty()
        || name.contains(|c: char| c.is_whitespace() || c == '#')
    {
        return ("", text);
    }
    let fence = text.get(..3).unwrap_or("---");
    let mut at = 0;
    for line in rest.split_inclusive('\n').take(200) {
        if line.trim_end() == fence {
            let after = rest.get(at + line.len()..).unwrap_or("");
            return (rest.get(..at).unwrap_or(""), after.trim_start_matches('\n'));
        }
        at += line.len();
    }
    ("", text)
}

/// A one-line value of the front matter, in YAML's or TOML's simplest form.
fn field(front: &str, name: &str) -> Option<String> {
    front.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.trim_start();
        let value = value.strip_prefix([':', '='])?.trim();
        let value = crate::names::tidy(value.trim_matches(['"', '\'']));
        (!value.is_empty() && !value.starts_with(['|', '>'])).then_some(value)
    })
}

/// The first-level heading a text opens with, and where it ends.
fn opening_heading(text: &str) -> Option<(String, usize)> {
    let mut events = Parser::new_ext(text, options()).into_offset_iter();
    let (first, range) = events.next()?;
    if !matches!(
        first,
        Event::Start(Tag::Heading {
            level: HeadingLevel::H1,
            ..
        })
    ) {
        return None;
    }
    let mut title = String::new();
    for (event, _) in events {
        match event {
            Event::End(TagEnd::Heading(_)) => break,
            Event::Text(t) | Event::Code(t) => title.push_str(&t),
            Event::SoftBreak | Event::HardBreak => title.push(' '),
            _ => {}
        }
    }
    let title = crate::names::tidy(&title);
    (!title.is_empty()).then_some((title, range.end))
}

struct Open {
    range: Range<usize>,
    /// Where what stands inside the brackets ends.
    inside: usize,
    target: String,
    embedded: bool,
    inline: bool,
}

fn walk(text: &str) -> (Vec<RawLink>, Option<String>) {
    let mut links = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut paragraph: Option<String> = None;
    let mut in_first = false;
    // Pictures that are open: what stands in them is not shown as text.
    let mut pictures = 0usize;
    let parser = Parser::new_ext(text, options());
    for (_, definition) in parser.reference_definitions().iter() {
        let span = definition.span.clone();
        let piece = text.get(span.clone()).unwrap_or("");
        if let Some(range) = piece
            .find("]:")
            .and_then(|at| destination(text, span.start + at + 2, &definition.dest))
        {
            links.push(RawLink {
                range,
                whole: span.clone(),
                target: definition.dest.to_string(),
                embedded: crate::kind::kind_of(&definition.dest) == crate::kind::Kind::Picture,
                html: false,
            });
        }
    }
    for (event, range) in parser.into_offset_iter() {
        let ends = matches!(event, Event::End(TagEnd::Link | TagEnd::Image));
        if let Some(outer) = open.last_mut().filter(|_| !ends) {
            outer.inside = outer.inside.max(range.end);
        }
        match event {
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                ..
            }) => {
                open.push(Open::new(&range, link_type, &dest_url, false));
            }
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                ..
            }) => {
                pictures += 1;
                open.push(Open::new(&range, link_type, &dest_url, true));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if let Some(link) = open.pop() {
                    pictures -= usize::from(link.embedded);
                    links.extend(link.close(text));
                    if let Some(outer) = open.last_mut() {
                        outer.inside = outer.inside.max(range.end);
                    }
                }
            }
            Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => {
                let piece = text.get(range.clone()).unwrap_or("");
                links.extend(html::links(piece, range.start));
            }
            Event::Start(Tag::Paragraph) if paragraph.is_none() => {
                in_first = true;
                paragraph = Some(String::new());
            }
            Event::End(TagEnd::Paragraph) if in_first => {
                in_first = false;
                if paragraph.as_deref().is_some_and(|p| p.trim().is_empty()) {
                    paragraph = None;
                }
            }
            Event::Text(t) | Event::Code(t) if in_first => {
                if let Some(p) = paragraph.as_mut().filter(|_| pictures == 0) {
                    p.push_str(&t);
                }
            }
            Event::SoftBreak | Event::HardBreak if in_first => {
                if let Some(p) = paragraph.as_mut() {
                    p.push(' ');
                }
            }
            _ => {}
        }
        if links.len() >= MAX_LINKS {
            break;
        }
    }
    links.sort_by_key(|link| link.range.start);
    let mut end = 0;
    links.retain(|link| {
        let apart = link.range.start >= end && !link.range.is_empty();
        if apart {
            end = link.range.end;
        }
        apart
    });
    (links, paragraph)
}

impl Open {
    fn new(range: &Range<usize>, link_type: LinkType, target: &str, embedded: bool) -> Self {
        Self {
            inside: range.start + if embedded { 2 } else { 1 },
            range: range.clone(),
            target: target.to_owned(),
            embedded,
            inline: link_type == LinkType::Inline,
        }
    }

    /// Finds the target behind `](`.
    fn close(self, text: &str) -> Option<RawLink> {
        if !self.inline {
            return None;
        }
        let piece = text.get(self.inside..self.range.end)?;
        let at = piece.find("](")?;
        Some(RawLink {
            range: destination(text, self.inside + at + 2, &self.target)?,
            whole: self.range,
            target: self.target,
            embedded: self.embedded,
            html: false,
        })
    }
}

/// The place of a link's target that begins at or after `from`. `None` unless
/// what stands there reads as `target`.
fn destination(text: &str, from: usize, target: &str) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let start = from + (rest.len() - rest.trim_start().len());
    let rest = text.get(start..)?;
    let (start, len) = if let Some(bracketed) = rest.strip_prefix('<') {
        (start + 1, bracketed.find('>')?)
    } else {
        let mut depth = 0usize;
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let stop = match c {
                _ if escaped => false,
                '(' => {
                    depth += 1;
                    false
                }
                ')' if depth == 0 => true,
                ')' => {
                    depth -= 1;
                    false
                }
                c => c.is_whitespace(),
            };
            escaped = !escaped && *c == '\\';
            stop
        });
        (start, end.map_or(rest.len(), |(at, _)| at))
    };
    let range = start..start + len;
    let raw = text.get(range.clone())?;
    let same = raw == target || crate::tags::decode_entities(&unescape(raw)) == target;
    same.then_some(range)
}

/// Drops the backslash before punctuation.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek().is_some_and(char::is_ascii_punctuation) {
            continue;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(String, String, bool)> {
        let document = document(text);
        document
            .links
            .iter()
            .map(|l| {
                (
                    document.body[l.range.clone()].to_owned(),
                    l.target.clone(),
                    l.embedded,
                )
            })
            .collect()
    }

    #[test]
    fn links_of_every_sort() {
        let text = "# Title `code`\n\nFirst *para*\nhere ![alt ](x](img/a.png \"t\").\n\n\
            [![in](b.png)](c.pdf) [r][ref] <https://x.org> [sp](<my file.pdf>) [p](a_(1).pdf) [e](a\\_b.pdf)\n\n\
            `[no](code.png)`\n\n<p><img src=\"d.png\"></p>\n\ntext <img src='e.png'>\n\n[ref]: f.png 'x'\n";
        let all: Vec<_> = found(text).into_iter().map(|(raw, ..)| raw).collect();
        for raw in [
            "b.png",
            "c.pdf",
            "my file.pdf",
            "a_(1).pdf",
            "a\\_b.pdf",
            "d.png",
            "e.png",
            "f.png",
        ] {
            assert!(all.contains(&raw.to_owned()), "{raw}: {all:?}");
        }
        assert!(!all.iter().any(|raw| raw.contains("code.png")));
        let document = document(text);
        assert_eq!(document.title.as_deref(), Some("Title code"));
        assert!(document.body.starts_with("First"));
    }

    #[test]
    fn front_matter_names_the_lesson() {
        let doc = document(
            "---\ntitle: \"Loops & more\"\ndescription: Short\nx: y\n---\n\n# Other\n\nText.\n",
        );
        assert_eq!(doc.title.as_deref(), Some("Loops & more"));
        assert_eq!(doc.description.as_deref(), Some("Short"));
        assert_eq!(doc.body, "# Other\n\nText.");
        assert_eq!(doc.first_paragraph.as_deref(), Some("Text."));
        let ruled = "---\n\n# Not front matter\n\nText.\n\n---";
        assert_eq!(document(ruled).body, ruled);
    }

    #[test]
    fn a_later_heading_is_no_title() {
        let doc = document("Hello.\n\n# Later\n");
        assert_eq!(doc.title, None);
        assert!(doc.body.contains("# Later"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]()!<>a-c \\\\\n#\"'`&:.é-]{0,100}") {
            let document = document(&text);
            let mut end = 0;
            for link in &document.links {
                prop_assert!(document.body.get(link.range.clone()).is_some());
                prop_assert!(link.range.start >= end);
                end = link.range.end;
            }
        }

        #[test]
        fn plain_targets_are_found(name in "[a-zA-Z0-9_%./-]{1,20}", alt in "[a-z ]{0,10}") {
            let text = format!("x ![{alt}]({name}) y");
            prop_assert_eq!(found(&text), vec![(name.clone(), name.clone(), true)]);
        }
    }
}
