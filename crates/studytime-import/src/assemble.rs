//! A whole course out of a tree: lessons, data, totals.

use crate::body::{self, file_draft};
use crate::coursera;
use crate::draft::{BodyDraft, CourseDraft, FileDraft, Layout, LessonDraft, Totals};
use crate::error::OpenError;
use crate::folder::{self, CoursePlan, Rules, is_only_material};
use crate::html;
use crate::import::Options;
use crate::kind::Kind;
use crate::language;
use crate::lesson::{self, Prepared};
use crate::limits::MAX_SIDECAR;
use crate::names::{stem, tidy, title};
use crate::problem::ProblemKind;
use crate::reader::Reader;
use crate::sidecar::{self, CourseToml};
use crate::syllabus;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::MAX_BLOB_SIZE;
use studytime_schema::content::{LessonContentType, MAX_KEYWORDS};
use studytime_schema::fold::{MAX_ITEMS, MAX_LESSONS};

/// Reads the whole tree. The flag says that a person or a text gave the
/// course its name, not the folder's own name.
pub(crate) fn assemble(
    reader: &mut Reader<'_>,
    options: &Options,
) -> Result<(CourseDraft, bool), OpenError> {
    let toml = course_toml(reader)?;
    let wanted = wanted_language(reader, options, &toml);
    let rules = rules(reader, options, wanted.clone())?;
    let mut plan = folder::plan(reader.tree, &rules, reader.problems);
    if rules.layout() == Layout::Folder {
        follow_summary(reader, &mut plan)?;
    }
    let overview = match plan.overview {
        Some(index) => body::read_one(reader, index)?,
        None => body::Body::default(),
    };
    let mut prepared = Vec::new();
    for lesson in std::mem::take(&mut plan.lessons) {
        prepared.push(lesson::prepare(reader, lesson, wanted.as_deref())?);
    }
    drop_claimed(reader, &mut prepared);
    let names = names(&prepared);
    let mut used = used_files(&prepared);
    let mut lessons = Vec::new();
    for (one, name) in prepared.into_iter().zip(names) {
        if let Some(mut lesson) = lesson::build(reader, one, name, wanted.as_deref())? {
            lesson.number = lessons.len() as u64 + 1;
            lessons.push(lesson);
        }
    }
    check_counts(reader, &lessons)?;
    let image = image(reader, &toml, overview.draft.as_ref())?;
    if let Some(image) = &image {
        used.extend(reader.tree.find(&image.path));
    }
    for lesson in &lessons {
        mark_used(reader, lesson, &mut used);
    }
    report_leftovers(reader, &plan, &used);
    let description = options
        .description
        .clone()
        .or(toml.description.clone())
        .or_else(|| overview.draft.as_ref().map(overview_text))
        .map(|d| d.trim().to_owned())
        .filter(|d| !d.is_empty());
    let name = [
        options.name.as_deref(),
        toml.name.as_deref(),
        overview.title.as_deref(),
    ]
    .into_iter()
    .flatten()
    .map(tidy)
    .find(|n| !n.is_empty());
    let name_is_given = name.is_some();
    let text = |given: &Option<String>, own: &Option<String>| {
        let trimmed = |t: &String| Some(t.trim().to_owned()).filter(|t| !t.is_empty());
        given
            .as_ref()
            .and_then(trimmed)
            .or_else(|| own.as_ref().and_then(trimmed))
    };
    let license = text(&options.license, &toml.license);
    if license.is_none() {
        reader.problems.warn(
            "",
            ProblemKind::NoLicense,
            "no licence is given, so nobody may share the course further; \
             say it with --license or in course.toml (an SPDX name like CC-BY-4.0)",
        );
    }
    let mut keywords = if options.keywords.is_empty() {
        toml.keywords
    } else {
        options.keywords.clone()
    };
    keywords = keywords
        .iter()
        .map(|k| tidy(k))
        .filter(|k| !k.is_empty())
        .collect();
    keywords.truncate(MAX_KEYWORDS);
    let totals = totals(reader, &lessons, image.as_ref());
    let draft = CourseDraft {
        layout: rules.layout(),
        name: name.unwrap_or_else(|| title(&reader.tree.name)),
        description,
        language: wanted,
        license,
        keywords,
        level: toml.level,
        duration_minutes: toml.duration_minutes,
        provider: text(&options.provider, &toml.provider),
        source_url: text(&options.source_url, &toml.source_url),
        prerequisites: toml.prerequisites,
        image,
        lessons,
        problems: Vec::new(),
        totals,
    };
    Ok((draft, name_is_given))
}

/// Readers of a course stop counting somewhere; what is beyond would be lost.
fn check_counts(reader: &Reader<'_>, lessons: &[LessonDraft]) -> Result<(), OpenError> {
    let items: usize = lessons
        .iter()
        .map(|l| l.videos.len() + l.attachments.len() + l.tests.len())
        .sum();
    let (what, limit) = if lessons.len() > MAX_LESSONS {
        (format!("{} lessons", lessons.len()), MAX_LESSONS)
    } else if items > MAX_ITEMS {
        (format!("{items} videos, files and tests"), MAX_ITEMS)
    } else {
        return Ok(());
    };
    Err(OpenError::TooLarge {
        path: reader.tree.name.clone().into(),
        what,
        limit: limit.to_string(),
    })
}

fn course_toml(reader: &mut Reader<'_>) -> Result<CourseToml, OpenError> {
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

fn wanted_language(
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
    let tag = language::shape(given);
    if tag.is_none() {
        let text = format!(
            "`{}` is not a language tag like `en` or `pt-BR`; it is ignored",
            tidy(given)
        );
        reader.problems.warn("", ProblemKind::NoLanguage, text);
    }
    tag
}

fn rules(
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

fn follow_summary(reader: &mut Reader<'_>, plan: &mut CoursePlan) -> Result<(), OpenError> {
    let found = ["SUMMARY.md", "src/SUMMARY.md", "summary.md"]
        .iter()
        .find_map(|path| Some((reader.tree.find(path)?, *path)));
    if let Some((index, path)) = found
        && let Some(text) = reader.text(index, MAX_SIDECAR)?
    {
        let entries = syllabus::summary(&text, path);
        folder::follow_summary(reader.tree, plan, &entries);
    }
    Ok(())
}

/// Takes out lessons that are nothing but a file another lesson's text links to.
fn drop_claimed(reader: &Reader<'_>, prepared: &mut Vec<Prepared>) {
    let mut claimed: BTreeSet<usize> = BTreeSet::new();
    for one in prepared.iter() {
        claimed.extend(&one.body.attached);
        claimed.extend(&one.body.videos);
    }
    prepared.retain(|one| {
        let material = is_only_material(reader.tree, &one.plan)
            || one
                .plan
                .files
                .iter()
                .all(|i| one.body.file.is_none() && reader.kind(*i) == Kind::Video);
        !(material && one.plan.files.iter().all(|i| claimed.contains(i)))
    });
}

/// What each lesson is called. A title that several lessons carry is that of
/// the site or the program, and names none of them.
fn names(prepared: &[Prepared]) -> Vec<String> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for name in prepared.iter().filter_map(|p| p.found_name.as_deref()) {
        *count.entry(name).or_default() += 1;
    }
    prepared
        .iter()
        .map(|p| match p.found_name.as_deref() {
            Some(name) if !p.plan.name_is_given && count.get(name) == Some(&1) => name.to_owned(),
            _ => p.plan.name.clone(),
        })
        .collect()
}

fn used_files(prepared: &[Prepared]) -> BTreeSet<usize> {
    prepared
        .iter()
        .flat_map(|p| {
            p.body
                .used
                .iter()
                .chain(&p.body.attached)
                .chain(&p.body.videos)
        })
        .copied()
        .collect()
}

fn mark_used(reader: &Reader<'_>, lesson: &LessonDraft, used: &mut BTreeSet<usize>) {
    let files = lesson
        .attachments
        .iter()
        .chain(lesson.videos.iter().filter_map(|v| v.poster.as_ref()))
        .map(|f| &f.path);
    used.extend(files.filter_map(|path| reader.tree.find(path)));
}

/// The course's picture: named in `course.toml`, or found at the top.
fn image(
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
fn overview_text(body: &BodyDraft) -> String {
    match body.content_type {
        LessonContentType::Html => html::to_text(&body.text),
        LessonContentType::Plain => body.text.clone(),
        LessonContentType::Markdown => crate::markdown::without_pictures(&body.text, &body.links),
    }
}

fn report_leftovers(reader: &mut Reader<'_>, plan: &CoursePlan, used: &BTreeSet<usize>) {
    for (index, file) in reader.tree.files.iter().enumerate() {
        if used.contains(&index) {
            continue;
        }
        let loose = plan.loose.contains(&index);
        match file.kind {
            Kind::Unfinished => reader.problems.left_out(
                &file.path,
                ProblemKind::Unfinished,
                "a download that was not finished; complete it and import again",
            ),
            Kind::Caption if loose => lesson::no_video(reader, index),
            Kind::OldCaption if loose => lesson::old_captions(reader, index),
            Kind::Picture => reader.problems.left_out(
                &file.path,
                ProblemKind::Unused,
                "no lesson shows this picture",
            ),
            Kind::Unknown if loose => reader.problems.left_out(
                &file.path,
                ProblemKind::Unknown,
                "not a lesson, and no lesson links to it; name it like a lesson to attach it",
            ),
            Kind::Plumbing => reader.problems.left_out(
                &file.path,
                ProblemKind::Unknown,
                "scripts, styles and fonts are not published",
            ),
            _ => {}
        }
    }
    if !plan.translations.is_empty() {
        let files: usize = plan.translations.values().sum();
        let tags: Vec<&str> = plan
            .translations
            .keys()
            .map(|t| {
                if t.is_empty() {
                    "the original"
                } else {
                    t.as_str()
                }
            })
            .collect();
        reader.problems.note(
            "",
            ProblemKind::Translation,
            format!(
                "{files} texts in other languages are left out ({}); import again with --language for a course in one of them",
                tags.join(", ")
            ),
        );
    }
}

fn totals(reader: &Reader<'_>, lessons: &[LessonDraft], image: Option<&FileDraft>) -> Totals {
    let mut totals = Totals {
        lessons: lessons.len() as u64,
        ..Totals::default()
    };
    for lesson in lessons {
        totals.videos += lesson.videos.len() as u64;
        totals.attachments += lesson.attachments.len() as u64;
        totals.tests += lesson.tests.len() as u64;
        totals.linked += lesson.body.as_ref().map_or(0, |b| b.links.len() as u64);
        let tracks = lesson.videos.iter().map(|v| v.captions.len() as u64);
        totals.captions += tracks.sum::<u64>();
    }
    let stored = crate::draft::stored_files(lessons, image);
    totals.blobs = stored.values().copied().map(blobs_of).sum();
    // Texts and tests become messages, but are read all the same.
    let mut all = stored;
    for lesson in lessons {
        all.extend(lesson.tests.iter().map(|t| (t.path.as_str(), t.size)));
        if let Some(body) = &lesson.body {
            let file = reader
                .tree
                .find(&body.path)
                .and_then(|i| reader.tree.get(i));
            all.insert(&body.path, file.map_or(0, |f| f.size));
        }
    }
    totals.files = all.len() as u64;
    totals.bytes = all.values().fold(0, |sum, size| sum.saturating_add(*size));
    totals
}

/// How many blobs a file of this size becomes.
pub(crate) const fn blobs_of(size: u64) -> u64 {
    if studytime_schema::needs_manifest(size) {
        size.div_ceil(studytime_schema::SEGMENT_SIZE as u64) + 1
    } else {
        1
    }
}
