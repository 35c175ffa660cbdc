//! A whole course out of a tree: lessons, data, totals.

use crate::body;
use crate::course::{course_toml, image, overview_text, rules, wanted_language, web_address};
use crate::draft::{CourseDraft, FileDraft, Layout, LessonDraft, Totals};
use crate::error::OpenError;
use crate::folder::{self, CoursePlan, is_only_material};
use crate::import::Options;
use crate::kind::Kind;
use crate::lesson::{self, Prepared};
use crate::limits::MAX_SIDECAR;
use crate::names::{tidy, title};
use crate::problem::ProblemKind;
use crate::reader::Reader;
use crate::syllabus;
use std::collections::{BTreeMap, BTreeSet};
use studytime_schema::content::{MAX_KEYWORDS, MAX_PREREQUISITES};
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
    let mut prerequisites = toml.prerequisites;
    prerequisites.retain(|p| !p.trim().is_empty());
    prerequisites.truncate(MAX_PREREQUISITES);
    let totals = totals(reader, &lessons, image.as_ref());
    let draft = CourseDraft {
        layout: rules.layout(),
        name: name.unwrap_or_else(|| title(&reader.tree.name)),
        description,
        language: wanted,
        license,
        keywords,
        level: options.level.or(toml.level),
        duration_minutes: options.duration_minutes.or(toml.duration_minutes),
        provider: text(&options.provider, &toml.provider),
        source_url: web_address(reader, text(&options.source_url, &toml.source_url)),
        prerequisites,
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

fn report_leftovers(reader: &mut Reader<'_>, plan: &CoursePlan, used: &BTreeSet<usize>) {
    let loose_files: BTreeSet<usize> = plan.loose.iter().copied().collect();
    for (index, file) in reader.tree.files.iter().enumerate() {
        if used.contains(&index) {
            continue;
        }
        let loose = loose_files.contains(&index);
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
