//! HTML as people and programs write it, read just closely enough: titles,
//! the page's own part, and links. What is kept is sanitised when it is shown.

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

struct Attribute<'a> {
    name: String,
    value: Range<usize>,
    raw: &'a str,
}

enum Token<'a> {
    Start {
        name: String,
        attributes: Vec<Attribute<'a>>,
        range: Range<usize>,
    },
    End {
        name: String,
        range: Range<usize>,
    },
    /// A comment, a declaration, or the text of a script or style.
    Hidden {
        range: Range<usize>,
    },
}

/// Walks the tags of a text. Whatever is not a tag is text.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The element whose text is not HTML.
    raw_text: Option<String>,
}

/// Most attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 100;

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            raw_text: None,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn hidden(&mut self, len: usize) -> Token<'a> {
        let start = self.at;
        self.at = (start + len).min(self.text.len());
        Token::Hidden {
            range: start..self.at,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(name) = self.raw_text.take() {
            let end = find_end_tag(self.rest(), &name).unwrap_or(self.rest().len());
            return Some(self.hidden(end));
        }
        loop {
            let open = self.rest().find('<')?;
            self.at += open;
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("<!--") {
                let len = comment.find("-->").map_or(rest.len(), |end| end + 7);
                return Some(self.hidden(len));
            }
            if rest.starts_with("<!") || rest.starts_with("<?") {
                let len = rest.find('>').map_or(rest.len(), |end| end + 1);
                return Some(self.hidden(len));
            }
            let closing = rest.starts_with("</");
            let name_at = if closing { 2 } else { 1 };
            let name: String = rest
                .get(name_at..)
                .unwrap_or("")
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == ':')
                .take(40)
                .collect::<String>()
                .to_ascii_lowercase();
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.at += 1;
                continue;
            }
            let start = self.at;
            let (attributes, end) = attributes(self.text, start + name_at + name.len());
            self.at = end;
            let range = start..end;
            if closing {
                return Some(Token::End { name, range });
            }
            if matches!(
                name.as_str(),
                "script" | "style" | "textarea" | "xmp" | "title"
            ) {
                self.raw_text = Some(name.clone());
            }
            return Some(Token::Start {
                name,
                attributes,
                range,
            });
        }
    }
}

fn find_end_tag(text: &str, name: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        text.get(at + 2..at + 2 + name.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(name))
    })
}

/// Reads attributes up to and over the `>`; returns where the tag ends.
fn attributes(text: &str, from: usize) -> (Vec<Attribute<'_>>, usize) {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = from;
    loop {
        while bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_whitespace() || *b == b'/')
        {
            at += 1;
        }
        match bytes.get(at) {
            None => return (found, text.len()),
            Some(b'>') => return (found, at + 1),
            Some(_) => {}
        }
        let name_at = at;
        while bytes
            .get(at)
            .is_some_and(|b| !b.is_ascii_whitespace() && !matches!(b, b'=' | b'>' | b'/'))
        {
            at += 1;
        }
        let name = text.get(name_at..at).unwrap_or("").to_ascii_lowercase();
        let mut value_at = at;
        while bytes.get(value_at).is_some_and(u8::is_ascii_whitespace) {
            value_at += 1;
        }
        let mut value = at..at;
        if bytes.get(value_at) == Some(&b'=') {
            value_at += 1;
            while bytes.get(value_at).is_some_and(u8::is_ascii_whitespace) {
                value_at += 1;
            }
            let quote = bytes.get(value_at).copied();
            if let Some(q @ (b'"' | b'\'')) = quote {
                let start = value_at + 1;
                let len = bytes
                    .get(start..)
                    .and_then(|rest| rest.iter().position(|b| *b == q));
                let Some(len) = len else {
                    return (found, text.len());
                };
                value = start..start + len;
                at = start + len + 1;
            } else {
                at = value_at;
                while bytes
                    .get(at)
                    .is_some_and(|b| !b.is_ascii_whitespace() && *b != b'>')
                {
                    at += 1;
                }
                value = value_at..at;
            }
        } else if at == name_at {
            // A stray `=` or other character that starts no name.
            at += 1;
            while !text.is_char_boundary(at) {
                at += 1;
            }
            continue;
        }
        if found.len() < MAX_ATTRIBUTES && !name.is_empty() {
            found.push(Attribute {
                name,
                raw: text.get(value.clone()).unwrap_or(""),
                value,
            });
        }
    }
}

/// The links of a piece of HTML; `offset` is where it stands in the whole text.
pub(crate) fn links(text: &str, offset: usize) -> Vec<RawLink> {
    let mut out = Vec::new();
    for token in Tokens::new(text) {
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

/// Decodes the entities that titles and addresses use.
pub(crate) fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or(""));
        rest = rest.get(at..).unwrap_or("");
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';');
        let decoded = end.and_then(|(end, _)| Some((entity(rest.get(1..end)?)?, end + 1)));
        match decoded {
            Some((c, len)) => {
                out.push(c);
                rest = rest.get(len..).unwrap_or("");
            }
            None => {
                out.push('&');
                rest = rest.get(1..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "copy" => '©',
        "para" => '¶',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "eacute" => 'é',
        _ => return None,
    })
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
