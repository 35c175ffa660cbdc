//! Lesson text to safe HTML.
//!
//! Lessons are untrusted. Whatever they are written in becomes HTML, that HTML
//! goes through an allow-list parser (`clean`), and only its output is touched
//! up (`finish`): heading ids, pictures, code colours, mathematics. Nothing a
//! lesson says can load from elsewhere, run, style the page or post a form.
//!
//! Links to blobs (`&….sha256`) become `/blob/…` paths; pictures from other
//! addresses become a link in words, so that opening a lesson tells nobody.

mod clean;
mod finish;
mod highlight;
mod math;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// Longest text that is rendered, in bytes; the rest is cut and said so.
pub const MAX_TEXT: usize = 1 << 20;

/// Deepest nesting of elements that is rendered; deeper text is shown as source.
pub const MAX_NESTING: usize = 256;

/// Deepest nesting of lists and quotes in Markdown; deeper ones are flattened.
pub const MAX_LISTS: usize = 32;

/// Most work that writing out the cleaned text may be: its bytes times the
/// characters for which the writer looks through the whole rest of the text.
const MAX_ESCAPING: usize = 50_000_000_000;

/// How to read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CommonMark with tables, footnotes, task lists and `$math$`.
    Markdown,
    /// HTML; everything outside the allow-list is dropped.
    Html,
    /// Plain text; line breaks are kept.
    Plain,
}

/// A text that is safe to put into a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The HTML. Its highest heading is `h2`.
    pub html: String,
    /// The headings of the two highest levels, in order.
    pub toc: Vec<Heading>,
    /// Whether the text was longer than [`MAX_TEXT`] and was cut.
    pub truncated: bool,
}

/// A heading that can be linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 2 or 3.
    pub level: u8,
    /// Its id in the page.
    pub id: String,
    /// Its words.
    pub text: String,
}

/// Turns lesson text into HTML that is safe to show. Never fails: what cannot
/// be rendered is shown as it is written.
pub fn render(text: &str, kind: Kind) -> Rendered {
    let (text, truncated) = cut(text, MAX_TEXT);
    let mut rendered = match kind {
        Kind::Plain => plain(text),
        Kind::Html => from_html(text, Vec::new(), true).unwrap_or_else(|| source(text)),
        Kind::Markdown => {
            let (html, formulas) = markdown(text);
            from_html(&html, formulas, false).unwrap_or_else(|| source(text))
        }
    };
    rendered.truncated = truncated;
    rendered
}

/// The first words of a text without its markup, for cards and search results.
pub fn summary(text: &str, max_chars: usize) -> String {
    let (text, _) = cut(text, 16 * 1024);
    let mut out = String::new();
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Text(t) | Event::Code(t) | Event::InlineMath(t) => out.push_str(&t),
            Event::SoftBreak | Event::HardBreak | Event::End(_) if !out.ends_with(' ') => {
                out.push(' ');
            }
            _ => {}
        }
        if out.len() > max_chars.saturating_mul(4) {
            break;
        }
    }
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    if out.chars().count() <= max_chars {
        return out;
    }
    let mut short: String = out.chars().take(max_chars).collect();
    if let Some(space) = short.rfind(' ').filter(|i| *i > short.len() / 2) {
        short.truncate(space);
    }
    short.truncate(short.trim_end_matches([' ', ',', '.', ';', ':']).len());
    short.push('…');
    short
}

/// Escapes text for HTML, attribute values included.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    escape_into(text, &mut out);
    out
}

pub(crate) fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
}

fn cut(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], true)
}

fn plain(text: &str) -> Rendered {
    let mut html = String::with_capacity(text.len() + 64);
    for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        html.push_str("<p class=\"plain\">");
        escape_into(paragraph.trim_matches(['\n', '\r']), &mut html);
        html.push_str("</p>\n");
    }
    Rendered {
        html,
        ..Rendered::default()
    }
}

/// The text as it is written, when it is too deep to render.
fn source(text: &str) -> Rendered {
    Rendered {
        html: format!("<pre class=\"source\">{}</pre>\n", escape(text)),
        ..Rendered::default()
    }
}

fn from_html(html: &str, formulas: Vec<String>, find_math: bool) -> Option<Rendered> {
    let html = clean::without_scripts(html);
    // The writer searches on to the end for each `&` and each character whose
    // UTF-8 form begins with C2.
    let rescans = html.bytes().filter(|b| matches!(b, b'&' | 0xc2)).count();
    if clean::nesting(&html) > MAX_NESTING || rescans.saturating_mul(html.len()) > MAX_ESCAPING {
        return None;
    }
    let html = clean::clean(&html);
    let (html, toc) = finish::finish(&html, &formulas, find_math);
    Some(Rendered {
        html,
        toc,
        truncated: false,
    })
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

/// Markdown to (unsafe) HTML. Formulas are taken out, as MathML, and a mark is
/// left where each stood, so that the clean-up sees text only.
fn markdown(text: &str) -> (String, Vec<String>) {
    let text = finish::without_marks(text);
    let mut formulas = Vec::new();
    let mut depth = 0usize;
    let mut alignments = Vec::new();
    let mut cell = 0usize;
    let mut in_head = false;
    let events = Parser::new_ext(&text, options()).filter_map(|event| {
        Some(match event {
            Event::InlineMath(source) => {
                formulas.push(math::to_mathml(&source, false));
                Event::Text(finish::mark(formulas.len() - 1).into())
            }
            Event::DisplayMath(source) => {
                formulas.push(math::to_mathml(&source, true));
                Event::Text(finish::mark(formulas.len() - 1).into())
            }
            Event::TaskListMarker(true) => {
                Event::InlineHtml(CowStr::Borrowed("<span class=\"task\">☑</span> "))
            }
            Event::TaskListMarker(false) => {
                Event::InlineHtml(CowStr::Borrowed("<span class=\"task\">☐</span> "))
            }
            // The renderer would write alignment as a style, which the page forbids.
            Event::Start(Tag::Table(columns)) => {
                alignments = columns.clone();
                Event::Start(Tag::Table(columns))
            }
            Event::Start(Tag::TableHead) => {
                (cell, in_head) = (0, true);
                Event::Start(Tag::TableHead)
            }
            Event::End(TagEnd::TableHead) => {
                in_head = false;
                Event::End(TagEnd::TableHead)
            }
            Event::Start(Tag::TableRow) => {
                cell = 0;
                Event::Start(Tag::TableRow)
            }
            Event::Start(Tag::TableCell) => {
                use pulldown_cmark::Alignment;
                let class = match alignments.get(cell) {
                    Some(Alignment::Center) => " class=\"center\"",
                    Some(Alignment::Right) => " class=\"right\"",
                    _ => "",
                };
                let tag = if in_head { "th" } else { "td" };
                Event::Html(format!("<{tag}{class}>").into())
            }
            Event::End(TagEnd::TableCell) => {
                cell += 1;
                Event::Html(CowStr::Borrowed(if in_head { "</th>" } else { "</td>" }))
            }
            Event::Start(tag @ (Tag::BlockQuote(_) | Tag::List(_) | Tag::Item)) => {
                depth += 1;
                if depth > MAX_LISTS {
                    return None;
                }
                Event::Start(tag)
            }
            Event::End(end @ (TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item)) => {
                depth = depth.saturating_sub(1);
                if depth >= MAX_LISTS {
                    return None;
                }
                Event::End(end)
            }
            other => other,
        })
    });
    let mut html = String::with_capacity(text.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events);
    (html, formulas)
}

#[cfg(test)]
mod tests;
