//! The text of a lesson: which file it is, what it is called, where its links lead.

use crate::draft::{BodyDraft, FileDraft, LinkDraft};
use crate::error::OpenError;
use crate::html::{self, RawLink};
use crate::kind::{Kind, content_type};
use crate::language;
use crate::limits::MAX_TEXT;
use crate::links::{Target, resolve};
use crate::markdown;
use crate::names::{file_name, stem, tidy};
use crate::problem::ProblemKind;
use crate::reader::Reader;
use crate::tree::{File, Tree};
use studytime_schema::MAX_BLOB_SIZE;
use studytime_schema::content::LessonContentType;

/// A lesson's text, and what it says about the lesson and its files.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) draft: Option<BodyDraft>,
    /// The file the text came from.
    pub(crate) file: Option<usize>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// The heading that was taken off the text because it is the title.
    pub(crate) heading: Option<String>,
    /// The first paragraph, as plain text.
    pub(crate) first_paragraph: Option<String>,
    /// Files the text links to, to be attached.
    pub(crate) attached: Vec<usize>,
    /// Videos the text shows.
    pub(crate) videos: Vec<usize>,
    /// Texts that cannot be read; the reason is a problem already.
    pub(crate) rejected: Vec<usize>,
    /// Files that are in the text itself, or only serve the page.
    pub(crate) used: Vec<usize>,
}

/// Orders the texts of a lesson: the first that can be read is its body.
pub(crate) fn candidates(tree: &Tree, files: &[usize], wanted: Option<&str>) -> Vec<usize> {
    let mut bodies: Vec<(u8, u8, usize)> = files
        .iter()
        .filter_map(|i| Some((*i, tree.get(*i)?)))
        .filter(|(_, f)| f.kind.is_body())
        .map(|(i, f)| {
            let sort = match f.kind {
                Kind::Markdown => 0,
                Kind::Html => 1,
                _ => 2,
            };
            (sort, language_rank(f, wanted), i)
        })
        .collect();
    bodies.sort_unstable();
    bodies.into_iter().map(|(_, _, i)| i).collect()
}

/// Transcripts come in several languages: the wanted one, none, English, others.
fn language_rank(file: &File, wanted: Option<&str>) -> u8 {
    let tag = language::split_suffix(stem(file.name())).map(|(_, tag)| tag);
    match (tag.as_deref(), wanted) {
        (Some(tag), Some(wanted)) if language::primary(tag) == language::primary(wanted) => 0,
        (None, _) => 1,
        (Some(tag), _) if language::primary(tag) == "en" => 2,
        _ => 3,
    }
}

/// Reads the body of a lesson.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    files: &[usize],
    wanted: Option<&str>,
) -> Result<Body, OpenError> {
    let mut rejected = Vec::new();
    for index in candidates(reader.tree, files, wanted) {
        if is_too_long(reader, index) {
            continue;
        }
        let mut body = read_one(reader, index)?;
        if body.draft.is_some() {
            body.rejected = rejected;
            return Ok(body);
        }
        rejected.push(index);
    }
    Ok(Body {
        rejected,
        ..Body::default()
    })
}

/// Whether a text is too long to be a lesson; it is attached then.
fn is_too_long(reader: &mut Reader<'_>, index: usize) -> bool {
    let Some(file) = reader.tree.get(index).filter(|f| f.size > MAX_TEXT) else {
        return false;
    };
    let text = format!(
        "a text of {} bytes is too long for a lesson (at most {MAX_TEXT}), so it is attached as a file; split it",
        file.size
    );
    reader
        .problems
        .warn(&file.path, ProblemKind::TooLarge, text);
    true
}

/// Reads one text file.
pub(crate) fn read_one(reader: &mut Reader<'_>, index: usize) -> Result<Body, OpenError> {
    let Some(text) = reader.text(index, MAX_TEXT)? else {
        return Ok(Body::default());
    };
    let Some(file) = reader.tree.get(index) else {
        return Ok(Body::default());
    };
    let mut body = Body {
        file: Some(index),
        ..Body::default()
    };
    let (content_type, text, links) = match file.kind {
        Kind::Markdown => {
            let document = markdown::document(&text);
            body.title = document.title;
            body.heading = document.heading;
            body.description = document.description;
            body.first_paragraph = document.first_paragraph;
            (LessonContentType::Markdown, document.body, document.links)
        }
        Kind::Html => {
            let page = html::page(&text);
            body.title = page.title;
            for target in page.plumbing {
                if let Target::Path(path) = resolve(&file.path, &target) {
                    body.used.extend(reader.tree.find(&path));
                }
            }
            (LessonContentType::Html, page.body, page.links)
        }
        _ => (LessonContentType::Plain, text.trim().to_owned(), Vec::new()),
    };
    let links = links
        .into_iter()
        .map(|link| follow(reader, file, link, &mut body))
        .collect::<Result<Vec<_>, _>>()?;
    if text.trim().is_empty() && body.title.is_none() {
        let why = "there is no text in it";
        reader
            .problems
            .left_out(&file.path, ProblemKind::Empty, why);
        return Ok(Body::default());
    }
    body.draft = Some(BodyDraft {
        path: file.path.clone(),
        content_type,
        text,
        links: links.into_iter().flatten().collect(),
    });
    Ok(body)
}

/// Finds out where a link leads, and what that means for the lesson.
fn follow(
    reader: &mut Reader<'_>,
    from: &File,
    link: RawLink,
    body: &mut Body,
) -> Result<Option<LinkDraft>, OpenError> {
    let path = match resolve(&from.path, &link.target) {
        Target::Elsewhere => return Ok(None),
        Target::Path(path) => path,
        Target::Outside => {
            let text = format!(
                "links to {}, which is outside the folder",
                tidy(&link.target)
            );
            reader
                .problems
                .warn(&from.path, ProblemKind::DeadLink, text);
            return Ok(None);
        }
    };
    let Some(index) = reader.tree.find(&path) else {
        if !is_folder_or_page(reader.tree, &path) {
            let text = format!("links to {}, which is not in the folder", tidy(&path));
            reader
                .problems
                .warn(&from.path, ProblemKind::DeadLink, text);
        }
        return Ok(None);
    };
    let Some(target) = reader.tree.get(index) else {
        return Ok(None);
    };
    match target.kind {
        // Another lesson: readers find it by its path.
        Kind::Markdown | Kind::Html | Kind::Text | Kind::Test | Kind::Course => return Ok(None),
        Kind::Junk | Kind::Unfinished | Kind::Playlist | Kind::Info | Kind::Description => {
            return Ok(None);
        }
        Kind::Plumbing => {
            body.used.push(index);
            return Ok(None);
        }
        Kind::Video => {
            if link.embedded {
                body.videos.push(index);
            }
            return Ok(None);
        }
        Kind::Caption | Kind::OldCaption => return Ok(None),
        Kind::Picture | Kind::Audio | Kind::OldVideo | Kind::Document | Kind::Unknown => {}
    }
    if !reader.check(index)? {
        return Ok(None);
    }
    let fits = target.size < MAX_BLOB_SIZE;
    let picture = target.kind == Kind::Picture && link.embedded;
    if !picture || !fits {
        if picture {
            let text = format!(
                "the picture {} is {} bytes; pictures in texts must be under {MAX_BLOB_SIZE}, so it is attached",
                target.path, target.size
            );
            reader
                .problems
                .warn(&from.path, ProblemKind::TooLarge, text);
        }
        body.attached.push(index);
    }
    if !fits {
        return Ok(None);
    }
    body.used.push(index);
    Ok(Some(LinkDraft {
        start: link.range.start,
        end: link.range.end,
        file: file_draft(target, None),
        picture,
        html: link.html,
    }))
}

/// A link to a folder, or to a page that a site generator will make, is not dead.
fn is_folder_or_page(tree: &Tree, path: &str) -> bool {
    let made = |ext: &str| {
        path.strip_suffix(".html")
            .or_else(|| path.strip_suffix(".htm"))
            .is_some_and(|base| tree.find(&format!("{base}.{ext}")).is_some())
    };
    tree.dirs.contains_key(path)
        || made("md")
        || made("rst")
        || tree.find(&format!("{path}.md")).is_some()
}

/// A file as it is published.
pub(crate) fn file_draft(file: &File, name: Option<&str>) -> FileDraft {
    let name = match name {
        Some(name) => name.to_owned(),
        None => crate::names::tidy(file_name(&file.path)),
    };
    FileDraft {
        name,
        path: file.path.clone(),
        content_type: content_type(file.name()).to_owned(),
        size: file.size,
    }
}

impl Body {
    /// Puts the heading back, for a lesson that is called something else.
    pub(crate) fn restore_heading(&mut self) {
        let (Some(heading), Some(draft)) = (self.heading.take(), self.draft.as_mut()) else {
            return;
        };
        let front = format!("{}\n\n", heading.trim_end());
        for link in &mut draft.links {
            link.start += front.len();
            link.end += front.len();
        }
        draft.text.insert_str(0, &front);
    }
}
