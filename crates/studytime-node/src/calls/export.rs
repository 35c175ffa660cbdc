//! A course as a plain folder that people can read and that can be imported again.

use super::{Report, query_error};
use crate::api::{ApiError, ExportReply, Progress, ProgressUnit};
use crate::node::Node;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use studytime_schema::content::LessonContentType;
use studytime_schema::view::{CourseRecord, LessonView};
use studytime_schema::{BlobId, FeedId};

/// Longest file name made from a title.
const MAX_FILE_NAME: usize = 80;

impl Node {
    pub(super) async fn course_export(
        &self,
        id: FeedId,
        dir: PathBuf,
        report: Report<'_>,
    ) -> Result<ExportReply, ApiError> {
        report(Progress::new("Writing", ProgressUnit::Items, 0, 0));
        self.blocking(move |n| Export::run(n, &id, &dir)).await
    }
}

struct Export<'a> {
    node: &'a Node,
    dir: &'a Path,
    reply: ExportReply,
    /// Blobs already written, with their path inside the folder.
    written: HashMap<BlobId, String>,
}

impl<'a> Export<'a> {
    fn run(node: &'a Node, id: &FeedId, dir: &'a Path) -> Result<ExportReply, ApiError> {
        let reader = node.reader();
        let detail = reader
            .course(id)
            .map_err(|e| query_error(&e))?
            .ok_or_else(|| ApiError::not_found(format!("no course {id} is known here")))?;
        let outline = reader
            .outline(id)
            .map_err(|e| query_error(&e))?
            .unwrap_or_default();
        if fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some()) {
            return Err(ApiError::refused(format!(
                "{} is not empty; choose a new folder",
                dir.display()
            )));
        }
        let mut export = Self {
            node,
            dir,
            reply: ExportReply {
                files: 0,
                bytes: 0,
                missing: Vec::new(),
            },
            written: HashMap::new(),
        };
        let image = detail
            .record
            .image
            .and_then(|i| export.blob(&i, false, &format!("cover{}", export.extension(&i))));
        export.text(
            "course.toml",
            &course_toml(&detail.record, image.as_deref()),
        )?;
        if let Some(about) = &detail.about {
            export.text("README.md", about)?;
        }
        let mut sections: Vec<String> = Vec::new();
        for lesson in &outline.lessons {
            let section = lesson.section.clone().unwrap_or_default();
            if !section.is_empty() && !sections.contains(&section) {
                sections.push(section.clone());
            }
            let folder = sections
                .iter()
                .position(|s| *s == section)
                .map_or(String::new(), |i| {
                    format!("{:02} {}/", i + 1, file_name(&section))
                });
            export.lesson(id, lesson, &folder)?;
        }
        Ok(export.reply)
    }

    fn lesson(
        &mut self,
        course: &FeedId,
        lesson: &LessonView,
        folder: &str,
    ) -> Result<(), ApiError> {
        let stem = format!(
            "{folder}{:02}_{}",
            lesson.lesson_number,
            file_name(&lesson.name)
        );
        let detail = self
            .node
            .reader()
            .lesson(course, lesson.lesson_number)
            .map_err(|e| query_error(&e))?;
        match detail.as_ref().and_then(|d| d.text.as_deref()) {
            Some(text) => {
                let mut text = text.to_owned();
                let up = if folder.is_empty() { "" } else { "../" };
                for blob in &lesson.mentions {
                    let name = format!("pictures/{}{}", short(blob), self.extension(blob));
                    if let Some(path) = self.blob(blob, false, &name) {
                        text = text.replace(&blob.to_string(), &format!("{up}{path}"));
                    }
                }
                let extension = match lesson.lesson_content_type {
                    LessonContentType::Markdown => "md",
                    LessonContentType::Html => "html",
                    LessonContentType::Plain => "txt",
                };
                self.text(&format!("{stem}.{extension}"), &text)?;
            }
            None if lesson.lesson_content_blob.is_some() => {
                self.reply.missing.push(format!("{stem}: its text"))
            }
            None => {}
        }
        for (i, video) in lesson.videos.iter().enumerate() {
            let Some(source) = video.sources.iter().find(|s| s.link.is_some()) else {
                continue;
            };
            let Some(link) = source.link else { continue };
            let base = if i == 0 {
                stem.clone()
            } else {
                format!("{stem} {}", i + 1)
            };
            let extension = match source.content_type.as_deref() {
                Some("video/webm") => "webm",
                _ => "mp4",
            };
            self.blob(&link, source.manifest, &format!("{base}.{extension}"));
            for caption in &video.captions {
                let language = caption.language.as_deref().unwrap_or("und");
                self.blob(&caption.link, false, &format!("{base}.{language}.vtt"));
            }
        }
        for attachment in &lesson.attachments {
            let name = file_name(&attachment.name);
            self.blob(
                &attachment.media.link,
                attachment.media.manifest,
                &format!("{stem} {name}"),
            );
        }
        for test in &lesson.tests {
            let questions = self.node.questions(test);
            let quiz = serde_json::json!({
                "name": test.name, "pass_percent": test.pass_percent, "questions": questions,
            });
            let text = serde_json::to_string_pretty(&quiz).unwrap_or_default();
            self.text(&format!("{stem}.quiz.json"), &text)?;
        }
        Ok(())
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), ApiError> {
        let path = self.dir.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text));
        written.map_err(|e| {
            ApiError::new(
                crate::api::ErrorKind::Failed,
                format!("{}: {e}", path.display()),
            )
        })?;
        self.reply.files += 1;
        self.reply.bytes += text.len() as u64;
        Ok(())
    }

    /// Writes a blob once; answers its path inside the folder, `None` when it is
    /// not here.
    fn blob(&mut self, id: &BlobId, manifest: bool, name: &str) -> Option<String> {
        if let Some(path) = self.written.get(id) {
            return Some(path.clone());
        }
        let path = self.dir.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .ok()
            .and_then(|()| self.node.write_out(id, manifest, &path).ok());
        match written {
            Some(bytes) => {
                self.reply.files += 1;
                self.reply.bytes += bytes;
                self.written.insert(*id, name.to_owned());
                Some(name.to_owned())
            }
            None => {
                self.reply.missing.push(name.to_owned());
                None
            }
        }
    }

    /// The extension of a picture, by its first bytes.
    fn extension(&self, id: &BlobId) -> &'static str {
        let bytes = self
            .node
            .inner()
            .blobs
            .read(id)
            .ok()
            .flatten()
            .unwrap_or_default();
        match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => ".png",
            [0xff, 0xd8, 0xff, ..] => ".jpg",
            [b'G', b'I', b'F', b'8', ..] => ".gif",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => ".webp",
            _ => "",
        }
    }
}

fn short(id: &BlobId) -> String {
    id.as_bytes()[..6]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A title as a file name that every system takes and that cannot leave its folder.
fn file_name(title: &str) -> String {
    let clean: String = title
        .chars()
        .map(|c| {
            if c.is_control() || "/\\:*?\"<>|".contains(c) {
                '-'
            } else {
                c
            }
        })
        .take(MAX_FILE_NAME)
        .collect();
    let clean = clean.trim().trim_matches('.').trim();
    if clean.is_empty() {
        "untitled".into()
    } else {
        clean.to_owned()
    }
}

fn course_toml(record: &CourseRecord, image: Option<&str>) -> String {
    let mut out = String::new();
    let mut put = |key: &str, value: toml::Value| {
        let _ = writeln!(out, "{key} = {value}");
    };
    put("name", record.name.clone().into());
    let mut text = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            put(key, value.into());
        }
    };
    text("description", record.description.as_deref());
    text("language", record.language.as_deref());
    text("license", record.license.as_deref());
    text("level", record.level.map(|l| l.as_str()));
    text("provider", record.provider.as_deref());
    text("source_url", record.source_url.as_deref());
    text("image", image);
    if let Some(minutes) = record.duration_minutes.and_then(|m| i64::try_from(m).ok()) {
        put("duration_minutes", minutes.into());
    }
    if !record.keywords.is_empty() {
        put("keywords", record.keywords.clone().into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_harmless_names() {
        assert_eq!(file_name("../../etc/passwd"), "-..-etc-passwd");
        assert_eq!(file_name(".."), "untitled");
        assert_eq!(file_name("a/b:c"), "a-b-c");
        assert_eq!(file_name(" \u{7} "), "-");
        assert_eq!(file_name(&"x".repeat(300)).len(), MAX_FILE_NAME);
    }
}
