//! HTML as people and programs write it, read just closely enough: titles,
//! the page's own part, and links. What is kept is sanitised when it is shown.

use crate::limits::MAX_LINKS;
use crate::tags::{Token, Tokens, decode_entities};
use std::ops::Range;

/// A link in a text, before anybody knows where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawLink {
    /// The target as written, in bytes of the text.
    pub(crate) range: Range<usize>,
    /// The whole construct around it.
    pub(crate) whole: Range<usize>,
    /// The target with entities decoded.
    pub(crate) target: String,
    /// Shown in the text, not only linked.
    pub(crate) embedded: bool,
    /// Written in HTML, where `&` must be escaped.
    pub(crate) html: bool,
}

/// What a page holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    /// Its only `<h1>`, or else its `<title>`.
    pub(crate) title: Option<String>,
    /// Its own part, without scripts, styles and comments.
    pub(crate) body: String,
    /// Links in `body`.
    pub(crate) links: Vec<RawLink>,
    /// Scripts and styles it loads, as written.
    pub(crate) plumbing: Vec<String>,
}

/// The links of a piece of HTML; `offset` is where it stands in the whole text.
pub(crate) fn links(text: &str, offset: usize) -> Vec<RawLink> {
    let mut out = Vec::new();
    for token in Tokens::new(text) {
        if out.len() >= MAX_LINKS {
            break;
        }
        let Token::Start {
            name,
            attributes,
            range,
        } = token
        else {
            continue;
        };
        for attribute in attributes {
            let embedded = match (name.as_str(), attribute.name.as_str()) {
                ("img" | "video" | "audio" | "source" | "embed", "src") | ("video", "poster") => {
                    true
                }
                ("a" | "iframe", "href" | "src") | ("object", "data") => false,
                _ => continue,
            };
            out.push(RawLink {
                range: attribute.value.start + offset..attribute.value.end + offset,
                whole: range.start + offset..range.end + offset,
                target: decode_entities(attribute.raw.trim()),
                embedded,
                html: true,
            });
        }
    }
    out
}

/// Reads a whole page.
pub(crate) fn page(text: &str) -> Page {
    let mut outline = Outline::default();
    for token in Tokens::new(text) {
        outline.take(token);
    }
    let part = outline.part(text.len());
    let mut body = String::new();
    let mut at = part.start;
    for cut in outline
        .cuts
        .iter()
        .filter(|c| c.end > part.start && c.start < part.end)
    {
        body.push_str(text.get(at..cut.start.max(at)).unwrap_or(""));
        at = cut.end.max(at).min(part.end);
    }
    body.push_str(text.get(at..part.end).unwrap_or(""));
    let body = body.trim().to_owned();
    let heading = match outline.headings.as_slice() {
        [only] => to_text(text.get(only.clone()).unwrap_or("")).replace('¶', ""),
        _ => String::new(),
    };
    let title = [heading, to_text(text.get(outline.title).unwrap_or(""))]
        .iter()
        .map(|t| crate::names::tidy(t))
        .find(|t| !t.is_empty());
    Page {
        title,
        links: links(&body, 0),
        body,
        plumbing: outline.plumbing,
    }
}

#[derive(Default)]
struct Outline {
    title: Range<usize>,
    /// Insides of `<h1>`.
    headings: Vec<Range<usize>>,
    heading_open: Option<usize>,
    body: Option<usize>,
    body_end: Option<usize>,
    main: Vec<usize>,
    main_end: Option<usize>,
    cuts: Vec<Range<usize>>,
    plumbing: Vec<String>,
}

impl Outline {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Hidden { range } => {
                if self.title.start == range.start && self.title.start > 0 {
                    self.title = range.clone();
                }
                self.cuts.push(range);
            }
            Token::Start {
                name,
                attributes,
                range,
            } => match name.as_str() {
                "title" if self.title.end == 0 => {
                    self.title = range.end..range.end;
                    self.cuts.push(range);
                }
                "h1" => self.heading_open = Some(range.end),
                "body" => self.body = self.body.or(Some(range.end)),
                "main" => self.main.push(range.end),
                "script" | "style" | "link" | "meta" | "base" => {
                    let loads = attributes.iter().filter(|a| {
                        matches!(
                            (name.as_str(), a.name.as_str()),
                            ("script", "src") | ("link", "href")
                        )
                    });
                    self.plumbing
                        .extend(loads.map(|a| decode_entities(a.raw.trim())));
                    self.cuts.push(range);
                }
                _ => {}
            },
            Token::End { name, range } => match name.as_str() {
                "h1" => {
                    if let Some(start) = self.heading_open.take() {
                        self.headings.push(start..range.start);
                    }
                }
                "body" => self.body_end = Some(range.start),
                "main" => self.main_end = Some(range.start),
                "script" | "style" | "title" => self.cuts.push(range),
                _ => {}
            },
        }
    }

    /// The only `<main>`, or the body, or everything.
    fn part(&self, len: usize) -> Range<usize> {
        let body = self.body.unwrap_or(0)..self.body_end.unwrap_or(len);
        let part = match (self.main.as_slice(), self.main_end) {
            ([start], Some(end)) => *start..end,
            _ => body,
        };
        if part.start <= part.end { part } else { 0..len }
    }
}

/// The text of a piece of HTML: blocks on their own lines, tags dropped.
pub(crate) fn to_text(html: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    let add = |out: &mut String, piece: &str| {
        for (n, word) in piece.split(|c: char| c.is_whitespace()).enumerate() {
            if n > 0 && !out.is_empty() && !out.ends_with([' ', '\n']) {
                out.push(' ');
            }
            out.push_str(word);
        }
    };
    for token in Tokens::new(html) {
        let (range, block) = match token {
            Token::Start { name, range, .. } | Token::End { name, range } => {
                let block = matches!(
                    name.as_str(),
                    "p" | "div"
                        | "br"
                        | "li"
                        | "ul"
                        | "ol"
                        | "tr"
                        | "table"
                        | "h1"
                        | "h2"
                        | "h3"
                        | "h4"
                        | "h5"
                        | "h6"
                        | "section"
                        | "article"
                        | "blockquote"
                        | "pre"
                        | "hr"
                        | "dt"
                        | "dd"
                );
                (range, block)
            }
            Token::Hidden { range } => (range, false),
        };
        add(&mut out, html.get(at..range.start).unwrap_or(""));
        if block {
            let len = out.trim_end().len();
            out.truncate(len);
            if !out.is_empty() {
                out.push('\n');
            }
        }
        at = range.end;
    }
    add(&mut out, html.get(at..).unwrap_or(""));
    decode_entities(out.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_stripped_to_its_part() {
        let page = page(
            "<!DOCTYPE html><html><head><TITLE>Book &amp; more</TITLE><script src='app.js'>if (a<b) {}</script>\
             <link rel=stylesheet href=\"x.css\"></head><body class=\"a>b\"><nav>menu</nav>\
             <!-- no --><p>Hi <img src=img/a.png alt=x> <a href='b.html?x=1&amp;y=2'>b</a></p><style>p{}</style></body></html>",
        );
        assert_eq!(page.title.as_deref(), Some("Book & more"));
        assert_eq!(
            page.body,
            "<nav>menu</nav><p>Hi <img src=img/a.png alt=x> <a href='b.html?x=1&amp;y=2'>b</a></p>"
        );
        let targets: Vec<_> = page
            .links
            .iter()
            .map(|l| (l.target.as_str(), l.embedded))
            .collect();
        assert_eq!(targets, [("img/a.png", true), ("b.html?x=1&y=2", false)]);
        assert_eq!(&page.body[page.links[0].range.clone()], "img/a.png");
        assert_eq!(page.plumbing, ["app.js", "x.css"]);
    }

    #[test]
    fn main_and_heading_win() {
        let page = page(
            "<title>T</title><body><h2>x</h2><main><h1><a href='#a'>Real</a> title¶</h1><p>a</main> foot",
        );
        assert_eq!(page.title.as_deref(), Some("Real title"));
        assert!(page.body.starts_with("<h1>") && page.body.ends_with("<p>a"));
    }

    #[test]
    fn fragments_are_kept() {
        assert_eq!(
            page("just <b>text</b> 1 < 2").body,
            "just <b>text</b> 1 < 2"
        );
        assert_eq!(to_text("<p>a  b</p><p>c &lt; d<br>e"), "a b\nc < d\ne");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/a-c \"'=!&;#x0-9é-]{0,80}") {
            let page = page(&text);
            for link in &page.links {
                prop_assert!(page.body.get(link.range.clone()).is_some());
            }
            let _ = to_text(&text);
        }

        #[test]
        fn ranges_hold_what_was_written(name in "[a-z]{1,8}", pad in "[ é]{0,5}") {
            let text = format!("{pad}<img alt='x' src=\"{name}.png\">");
            let found = links(&text, 3);
            prop_assert_eq!(&text[found[0].range.start - 3..found[0].range.end - 3], format!("{name}.png"));
        }
    }
}
