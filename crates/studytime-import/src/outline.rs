//! A draft as text, for a dry run.

use crate::draft::{CourseDraft, LessonDraft};
use crate::problem::Severity;
use std::fmt;

/// Sections and lessons as a tree, a line each.
pub(crate) fn lines(draft: &CourseDraft) -> Vec<String> {
    let mut out = Vec::new();
    let mut section: Option<&str> = None;
    for lesson in &draft.lessons {
        let here = lesson.section.as_deref();
        if here != section {
            out.extend(here.map(str::to_owned));
            section = here;
        }
        let indent = if here.is_some() { "  " } else { "" };
        out.push(format!(
            "{indent}{}. {}{}",
            lesson.number,
            lesson.name,
            contents(lesson)
        ));
        for video in &lesson.videos {
            let languages: Vec<&str> = video.captions.iter().map(|c| c.language.as_str()).collect();
            let mut line = format!("{indent}   video {}", video.path);
            if let Some(first) = video.sources.first() {
                if let Some(seconds) = first.duration_seconds {
                    line.push_str(&format!(", {}:{:02}", seconds / 60, seconds % 60));
                }
                line.push_str(&format!(", {}", bytes(first.file.size)));
            }
            if !languages.is_empty() {
                line.push_str(&format!(", captions {}", languages.join(" ")));
            }
            out.push(line);
        }
        for file in &lesson.attachments {
            out.push(format!(
                "{indent}   file {}, {}",
                file.path,
                bytes(file.size)
            ));
        }
        for test in &lesson.tests {
            out.push(format!(
                "{indent}   test {}, {} questions",
                test.path,
                test.questions.len()
            ));
        }
    }
    out
}

fn contents(lesson: &LessonDraft) -> String {
    let Some(body) = &lesson.body else {
        return String::new();
    };
    let pictures = body.links.iter().filter(|l| l.picture).count();
    match pictures {
        0 => format!(" ({})", body.path),
        1 => format!(" ({}, 1 picture)", body.path),
        n => format!(" ({}, {n} pictures)", body.path),
    }
}

/// Bytes for people.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if size < 1024 {
        return format!("{size} bytes");
    }
    let mut value = size as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).unwrap_or(&"TiB"))
}

/// Everything about a draft.
pub(crate) fn write(draft: &CourseDraft, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", draft.name)?;
    let data = [
        ("language", draft.language.clone()),
        ("licence", draft.license.clone()),
        (
            "keywords",
            Some(draft.keywords.join(", ")).filter(|k| !k.is_empty()),
        ),
        ("level", draft.level.map(|l| l.to_string())),
        ("provider", draft.provider.clone()),
        ("source", draft.source_url.clone()),
        ("image", draft.image.as_ref().map(|i| i.path.clone())),
    ];
    for (name, value) in data {
        if let Some(value) = value {
            writeln!(f, "  {name}: {value}")?;
        }
    }
    writeln!(f)?;
    for line in lines(draft) {
        writeln!(f, "{line}")?;
    }
    let t = &draft.totals;
    writeln!(
        f,
        "\n{} lessons, {} videos, {} files, {} tests; {} in {} files, {} blobs",
        t.lessons,
        t.videos,
        t.attachments,
        t.tests,
        bytes(t.bytes),
        t.files,
        t.blobs
    )?;
    for problem in &draft.problems {
        let word = match problem.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::LeftOut => "left out",
        };
        writeln!(f, "{word}: {problem}")?;
    }
    Ok(())
}
