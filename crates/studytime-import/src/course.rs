//! What is said about the course as a whole.

use crate::body::file_draft;
use crate::coursera;
use crate::draft::{BodyDraft, FileDraft, Layout};
use crate::error::OpenError;
use crate::folder::Rules;
use crate::html;
use crate::import::Options;
use crate::kind::Kind;
use crate::language;
use crate::limits::MAX_SIDECAR;
use crate::names::{stem, tidy};
use crate::problem::ProblemKind;
use crate::reader::Reader;
use crate::sidecar::{self, CourseToml};
use crate::syllabus;
use studytime_schema::MAX_BLOB_SIZE;
use studytime_schema::content::LessonContentType;

/// Reads `course.toml`, when there is one.
pub(crate) fn course_toml(reader: &mut Reader<'_>) -> Result<CourseToml, OpenError> {
    let Some(index) = reader.tree.find("course.toml") else {
        return Ok(CourseToml::default());
    };
    let Some(text) = reader.text(index, MAX_SIDECAR)? else {
        return Ok(CourseToml::default());
    };
    match sidecar::course_toml(&text) {
        Ok(toml) => {
            for key in toml.unknown.keys() {
                let text = format!(
                    "`{}` is not a field of course.toml; it is ignored",
                    tidy(key)
                );
                reader
                    .problems
                    .warn("course.toml", ProblemKind::CourseData, text);
            }
            Ok(toml)
        }
        Err(why) => {
            let text = format!("cannot be understood ({why}); nothing of it is used");
            reader
                .problems
                .left_out("course.toml", ProblemKind::CourseData, text);
            Ok(CourseToml::default())
        }
    }
}

/// The course's language, as a person or `course.toml` says it.
pub(crate) fn wanted_language(
    reader: &mut Reader<'_>,
    options: &Options,
    toml: &CourseToml,
) -> Option<String> {
    let given = options.language.as_ref().or(toml.language.as_ref());
    let Some(given) = given else {
        reader.problems.note(
            "",
            ProblemKind::NoLanguage,
            "no language is given, so learners cannot filter by it; say it with --language or in course.toml",
        );
        return None;
    };
    let tag = language::tag(given).or_else(|| language::shape(given));
    if tag.is_none() {
        let text = format!(
            "`{}` is not a language tag like `en` or `pt-BR`; it is ignored",
            tidy(given)
        );
        reader.problems.warn("", ProblemKind::NoLanguage, text);
    }
    tag
}

/// An address that readers accept; anything else is reported and left away.
pub(crate) fn web_address(reader: &mut Reader<'_>, given: Option<String>) -> Option<String> {
    let given = given?;
    let lower = given.to_ascii_lowercase();
    let web = lower.starts_with("https://") || lower.starts_with("http://");
    if web && !given.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(given);
    }
    let text = format!(
        "the source {} is not an http or https address; it is ignored",
        tidy(&given)
    );
    reader.problems.warn("", ProblemKind::CourseData, text);
    None
}

/// How names are to be read, with the titles of syllabus and playlists.
pub(crate) fn rules(
    reader: &mut Reader<'_>,
    options: &Options,
    language: Option<String>,
) -> Result<Rules, OpenError> {
    let found = match options.layout {
        Some(Layout::Folder) => None,
        Some(Layout::Coursera) => Some(coursera::detect(reader.tree).unwrap_or(Rules {
            layout: Some(Layout::Coursera),
            ..Rules::default()
        })),
        None => coursera::detect(reader.tree),
    };
    let mut rules = found.unwrap_or_default();
    rules.language = language;
    for index in 0..reader.tree.files.len() {
        let Some(file) = reader.tree.get(index) else {
            continue;
        };
        let (kind, name) = (file.kind, file.name().to_owned());
        let raw = name.ends_with("-syllabus-raw.json");
        let parsed = name.ends_with("-syllabus-parsed.json");
        if kind != Kind::Playlist && !(raw || parsed) {
            continue;
        }
        let path = file.path.clone();
        let Some(text) = reader.text(index, MAX_SIDECAR)? else {
            continue;
        };
        if kind == Kind::Playlist {
            rules.playlist.extend(sidecar::playlist(&text, &path));
            continue;
        }
        let titles = if raw {
            syllabus::raw_titles(&text)
        } else {
            syllabus::parsed_titles(&text)
        };
        match titles {
            // The platform's own names go before what was made of them.
            Some(titles) if raw => rules.titles.extend(titles),
            Some(titles) => {
                for (slug, title) in titles {
                    rules.titles.entry(slug).or_insert(title);
                }
            }
            None => reader.problems.warn(
                &path,
                ProblemKind::Format,
                "the syllabus cannot be read; titles are made from file names",
            ),
        }
    }
    Ok(rules)
}

/// The course's picture: named in `course.toml`, or found at the top.
pub(crate) fn image(
    reader: &mut Reader<'_>,
    toml: &CourseToml,
    overview: Option<&BodyDraft>,
) -> Result<Option<FileDraft>, OpenError> {
    let named = toml.image.as_deref().and_then(|path| {
        let found = reader.tree.find(path.trim_start_matches("./"));
        if found.is_none() {
            let text = format!("the image {} is not in the folder", tidy(path));
            reader
                .problems
                .warn("course.toml", ProblemKind::CourseData, text);
        }
        found
    });
    let by_name = || {
        [
            "cover",
            "course",
            "image",
            "poster",
            "thumbnail",
            "folder",
            "logo",
        ]
        .iter()
        .find_map(|name| {
            reader.tree.dir("").files.into_iter().find(|i| {
                reader.tree.get(*i).is_some_and(|f| {
                    f.kind == Kind::Picture && stem(f.name()).eq_ignore_ascii_case(name)
                })
            })
        })
    };
    let in_text = || {
        let link = overview?.links.iter().find(|l| l.picture)?;
        reader.tree.find(&link.file.path)
    };
    let Some(index) = named.or_else(by_name).or_else(in_text) else {
        return Ok(None);
    };
    let Some(file) = reader.tree.get(index) else {
        return Ok(None);
    };
    if file.kind != Kind::Picture || file.size >= MAX_BLOB_SIZE {
        reader.problems.warn(
            &file.path,
            ProblemKind::TooLarge,
            "the course's image must be a picture under 5 MiB; the course goes without",
        );
        return Ok(None);
    }
    Ok(reader.check(index)?.then(|| file_draft(file, None)))
}

/// The overview as a description. A description has no place for pictures.
pub(crate) fn overview_text(body: &BodyDraft) -> String {
    match body.content_type {
        LessonContentType::Html => html::to_text(&body.text),
        LessonContentType::Plain => body.text.clone(),
        LessonContentType::Markdown => crate::markdown::without_pictures(&body.text, &body.links),
    }
}
