//! The allow-list: what of a lesson's HTML may stand in a page.

use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use studytime_node::api::path;
use studytime_schema::{BlobId, FeedId};

/// Prefix of every id that a lesson sets, so that it cannot name the page's own.
pub(super) const ID_PREFIX: &str = "l-";

/// What [`clean`] writes before the address of a picture that is not a blob;
/// `finish` turns such pictures into a link.
pub(super) const REMOTE: &str = "x-elsewhere:";

const TAGS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements that go with everything in them; of other unknown ones the content stays.
const DROPPED: &[&str] = &[
    "script", "style", "template", "noscript", "iframe", "object", "embed", "applet", "svg",
    "math", "form", "select", "textarea", "title", "audio", "video", "canvas",
];

/// Classes our own renderer writes; all others go.
const CLASSES: &[&str] = &[
    "footnote-reference",
    "footnote-definition",
    "footnote-definition-label",
    "markdown-alert-note",
    "markdown-alert-tip",
    "markdown-alert-important",
    "markdown-alert-warning",
    "markdown-alert-caution",
    "task",
    "center",
    "right",
];

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    let attributes: HashMap<&str, HashSet<&str>> = [
        ("a", &["href", "class"][..]),
        ("abbr", &[]),
        ("bdo", &["dir"]),
        ("blockquote", &["cite", "class"]),
        ("code", &["class"]),
        ("col", &["span"]),
        ("colgroup", &["span"]),
        ("details", &["open"]),
        ("div", &["class"]),
        ("img", &["src", "alt", "width", "height"]),
        ("ol", &["start", "reversed", "type"]),
        ("pre", &["class"]),
        ("span", &["class"]),
        ("sup", &["class"]),
        ("td", &["colspan", "rowspan", "headers", "class"]),
        ("th", &["colspan", "rowspan", "headers", "scope", "class"]),
        ("time", &["datetime"]),
    ]
    .into_iter()
    .map(|(tag, names)| (tag, names.iter().copied().collect()))
    .collect();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(DROPPED.iter().copied().collect())
        .generic_attributes(["id", "lang", "dir", "title"].into_iter().collect())
        .tag_attributes(attributes)
        .url_schemes(["http", "https", "mailto", "ssb"].into_iter().collect())
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer nofollow"))
        .id_prefix(Some(ID_PREFIX))
        .strip_comments(true)
        .attribute_filter(attribute);
    builder
});

/// Parses `html` as a browser would and writes back only what is allowed.
/// Every `<` in the result begins a tag of the list, every attribute is
/// double-quoted.
pub(super) fn clean(html: &str) -> String {
    CLEANER.clean(html).to_string()
}

fn attribute<'u>(tag: &str, name: &str, value: &'u str) -> Option<Cow<'u, str>> {
    match (tag, name) {
        ("a", "href") => link(value),
        ("img", "src") => Some(picture(value)),
        ("blockquote", "cite") => value
            .starts_with("https://")
            .then_some(Cow::Borrowed(value)),
        (_, "class") => classes(value),
        (_, "id" | "headers") => {
            let fits = value.len() <= 200 && !value.contains(char::is_whitespace);
            fits.then_some(Cow::Borrowed(value))
        }
        ("img", "width" | "height") | (_, "colspan" | "rowspan" | "span") => value
            .parse::<u32>()
            .is_ok_and(|n| (1..=4096).contains(&n))
            .then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Where a lesson may point: a heading of its own, a blob, a feed, the web, mail.
fn link(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim();
    if let Some(id) = value.strip_prefix('#') {
        return (!id.is_empty()).then(|| format!("#{ID_PREFIX}{id}").into());
    }
    if let Ok(blob) = BlobId::parse_lenient(value) {
        return Some(path::media_path(&blob, false, None, None, None).into());
    }
    if let Ok(feed) = value.parse::<FeedId>() {
        return Some(path::course_path(&feed).into());
    }
    let lower = value.get(..8).unwrap_or(value).to_ascii_lowercase();
    let outside = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    outside.then_some(Cow::Borrowed(value))
}

fn picture(value: &str) -> Cow<'_, str> {
    match BlobId::parse_lenient(value.trim()) {
        Ok(blob) => path::blob_path(&blob).into(),
        Err(_) => format!("{REMOTE}{}", value.trim()).into(),
    }
}

fn classes(value: &str) -> Option<Cow<'_, str>> {
    let kept: Vec<&str> = value
        .split_ascii_whitespace()
        .filter(|class| CLASSES.contains(class) || language_of(class).is_some())
        .take(4)
        .collect();
    (!kept.is_empty()).then(|| kept.join(" ").into())
}

/// The language of a `language-…` class.
pub(super) fn language_of(class: &str) -> Option<&str> {
    let name = class
        .strip_prefix("language-")
        .or_else(|| class.strip_prefix("lang-"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '#' | '-' | '_' | '.');
    (!name.is_empty() && name.len() <= 24 && name.chars().all(plain)).then_some(name)
}

/// Elements that hold nothing, or whose end may be left out and that cannot
/// hold themselves.
const FLAT: &[&str] = &[
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "img", "input", "li",
    "link", "meta", "option", "p", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track",
    "wbr",
];

/// About how deep the elements of `html` nest. An end tag counts only against
/// an element of its name, so stray ones cannot hide depth. Linear, so that
/// deep input never reaches a parser whose work grows with depth.
pub(super) fn nesting(html: &str) -> usize {
    let bytes = html.as_bytes();
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut depth, mut deepest, mut at) = (0usize, 0usize, 0usize);
    while let Some(found) = bytes
        .get(at..)
        .and_then(|b| b.iter().position(|b| *b == b'<'))
    {
        at += found + 1;
        let closing = bytes.get(at) == Some(&b'/');
        let start = at + usize::from(closing);
        let name: String = bytes
            .iter()
            .skip(start)
            .take(MAX_NAME)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-')
            .map(|b| b.to_ascii_lowercase() as char)
            .collect();
        at = start + name.len();
        if name.is_empty() || FLAT.contains(&name.as_str()) {
            continue;
        }
        let count = open.entry(name).or_default();
        if !closing {
            *count += 1;
            depth += 1;
            deepest = deepest.max(depth);
        } else if *count > 0 {
            *count -= 1;
            depth -= 1;
        }
    }
    deepest
}

/// Longest element name that [`nesting`] tells apart.
const MAX_NAME: usize = 32;

/// Cuts scripts, styles and comments out of the text, so that what stands in
/// them (`a<b`) does not count as elements. What is not closed stays: the
/// allow-list deals with it.
pub(super) fn without_scripts(html: &str) -> Cow<'_, str> {
    const REGIONS: [(&str, &str); 3] = [
        ("<script", "</script"),
        ("<style", "</style"),
        ("<!--", "-->"),
    ];
    let lower = html.to_ascii_lowercase();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    let mut closes = [true; 3];
    while let Some(found) = lower[at..].find('<') {
        at += found;
        let rest = &lower[at..];
        let region = (0..3).find(|i| closes[*i] && rest.starts_with(REGIONS[*i].0));
        let Some(region) = region else {
            at += 1;
            continue;
        };
        let Some(end) = rest.find(REGIONS[region].1) else {
            closes[region] = false;
            at += 1;
            continue;
        };
        out.push_str(&html[copied..at]);
        at += end + REGIONS[region].1.len();
        if region < 2 {
            at = lower[at..].find('>').map_or(lower.len(), |i| at + i + 1);
        }
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(html);
    }
    out.push_str(&html[copied..]);
    Cow::Owned(out)
}
