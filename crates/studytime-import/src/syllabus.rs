//! Outlines written beside the lessons: the JSON that `coursera-dl` leaves,
//! and `SUMMARY.md`.

use crate::links::{Target, resolve};
use crate::names::tidy;
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most entries of an outline that are used.
const MAX_ENTRIES: usize = 20_000;

/// Readable titles by the slug that a folder or file is named after.
pub(crate) type Titles = BTreeMap<String, String>;

/// Collects `slug` and `name` of every element in `linked`, as the course
/// platform writes them (`…-syllabus-raw.json`).
pub(crate) fn raw_titles(text: &str) -> Option<Titles> {
    let value: Value = serde_json::from_str(text).ok()?;
    let linked = value.get("linked")?.as_object()?;
    let mut titles = Titles::new();
    for element in linked
        .values()
        .filter_map(Value::as_array)
        .flatten()
        .take(MAX_ENTRIES)
    {
        let field = |name: &str| element.get(name).and_then(Value::as_str);
        if let (Some(slug), Some(name)) = (field("slug"), field("name")) {
            let name = tidy(name);
            if !name.is_empty() {
                titles.entry(slug.to_owned()).or_insert(name);
            }
        }
    }
    Some(titles)
}

/// Names in `…-syllabus-parsed.json`: nested lists of `[name, children]`. They
/// are the slugs themselves; a name that is more than its slug is kept.
pub(crate) fn parsed_titles(text: &str) -> Option<Titles> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut titles = Titles::new();
    collect(value.as_array()?, 0, &mut titles);
    Some(titles)
}

fn collect(list: &[Value], depth: usize, titles: &mut Titles) {
    for pair in list.iter().take(MAX_ENTRIES).filter_map(Value::as_array) {
        if titles.len() >= MAX_ENTRIES {
            return;
        }
        if let Some(name) = pair.first().and_then(Value::as_str) {
            let slug = cleaned(name);
            let title = tidy(name);
            if slug != name && !title.is_empty() {
                titles.entry(slug).or_insert(title);
            }
        }
        if depth < 2
            && let Some(children) = pair.get(1).and_then(Value::as_array)
        {
            collect(children, depth + 1, titles);
        }
    }
}

/// How the downloader makes a file name out of a title.
fn cleaned(name: &str) -> String {
    name.chars()
        .filter_map(|c| match c {
            ':' | '/' | '<' | '>' | '"' | '\\' | '|' | '?' | '*' => Some('-'),
            ' ' => Some('_'),
            '(' | ')' => None,
            c if c.is_ascii() => Some(c),
            _ => None,
        })
        .collect()
}

/// One lesson of a `SUMMARY.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The file, inside the folder.
    pub(crate) path: String,
    pub(crate) title: String,
    /// The heading above, or the chapter it is nested under.
    pub(crate) section: Option<String>,
}

/// Reads the links of a `SUMMARY.md` in order.
pub(crate) fn summary(text: &str, path: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut part: Option<String> = None;
    // The title of the item that is open on each level of nesting.
    let mut chapters: Vec<Option<String>> = Vec::new();
    let mut heading: Option<String> = None;
    let mut link: Option<(String, String)> = None;
    let mut first_heading = true;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => {
                let title = heading.take().map(|t| tidy(&t)).filter(|t| !t.is_empty());
                // The file's own heading, "Summary", is no part of the course.
                if !(first_heading && level == HeadingLevel::H1 && entries.is_empty()) {
                    part = title;
                }
                first_heading = false;
            }
            Event::Start(Tag::Item) => chapters.push(None),
            Event::End(TagEnd::Item) => {
                chapters.pop();
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                link = Some((dest_url.to_string(), String::new()));
            }
            Event::End(TagEnd::Link) => {
                let Some((target, title)) = link.take() else {
                    continue;
                };
                let title = tidy(&title);
                let above = chapters.iter().rev().skip(1).flatten().last().cloned();
                if let Some(chapter) = chapters.last_mut() {
                    *chapter = Some(title.clone());
                }
                if let Target::Path(path) = resolve(path, &target)
                    && entries.len() < MAX_ENTRIES
                {
                    entries.push(Entry {
                        path,
                        title,
                        section: part.clone().or(above),
                    });
                }
            }
            Event::Text(t) | Event::Code(t) => {
                if let Some((_, title)) = &mut link {
                    title.push_str(&t);
                } else if let Some(title) = &mut heading {
                    title.push_str(&t);
                }
            }
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_the_platform() {
        let raw = r#"{"elements":[{"id":"x"}],"linked":{
            "onDemandCourseMaterialModules.v1":[{"slug":"welcome","name":"Willkommen!"}],
            "onDemandCourseMaterialItems.v2":[{"slug":"intro","name":"Einführung"},{"slug":"no-name"}]}}"#;
        let titles = raw_titles(raw).unwrap();
        assert_eq!(
            titles.get("welcome").map(String::as_str),
            Some("Willkommen!")
        );
        assert_eq!(titles.get("intro").map(String::as_str), Some("Einführung"));
        let parsed = r#"[["Week 1: Start", [["a section", [["slug", {"mp4":[]}]]]]]]"#;
        let titles = parsed_titles(parsed).unwrap();
        assert_eq!(
            titles.get("Week_1-_Start").map(String::as_str),
            Some("Week 1: Start")
        );
        assert_eq!(raw_titles("{}"), None);
        assert_eq!(parsed_titles("7"), None);
    }

    #[test]
    fn summaries() {
        let text = "# Summary\n\n[Preface](preface.md)\n\n# Basics\n\n- [One](a/one.md)\n  - [`Two` x](a/two.md)\n- [Draft]()\n\n---\n\n[End](end.md)\n";
        let all = summary(text, "src/SUMMARY.md");
        let flat: Vec<_> = all
            .iter()
            .map(|e| (e.path.as_str(), e.title.as_str(), e.section.as_deref()))
            .collect();
        assert_eq!(
            flat,
            [
                ("src/preface.md", "Preface", None),
                ("src/a/one.md", "One", Some("Basics")),
                ("src/a/two.md", "Two x", Some("Basics")),
                ("src/end.md", "End", Some("Basics")),
            ]
        );
        let nested = summary(
            "- [A](a.md)\n  - [B](b.md)\n    - [C](c.md)\n",
            "SUMMARY.md",
        );
        assert_eq!(
            nested
                .iter()
                .map(|e| e.section.as_deref())
                .collect::<Vec<_>>(),
            [None, Some("A"), Some("A")]
        );
    }
}
