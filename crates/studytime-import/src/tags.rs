//! The tags of an HTML text, as tolerantly as browsers find them.

use std::ops::Range;

/// One attribute of a tag.
pub(crate) struct Attribute<'a> {
    pub(crate) name: String,
    /// Where its value stands in the text, without quotes.
    pub(crate) value: Range<usize>,
    pub(crate) raw: &'a str,
}

/// A tag, or something that is not shown.
pub(crate) enum Token<'a> {
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
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The element whose text is not HTML.
    raw_text: Option<String>,
}

/// Most attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 100;

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
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
