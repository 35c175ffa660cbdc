//! What a file is, by its name.

use crate::names::{extension, stem};

/// What a file can be to a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Plays in a browser: MP4 or WebM.
    Video,
    /// A video that browsers do not play; offered as a file.
    OldVideo,
    /// Sound; offered as a file.
    Audio,
    /// SubRip or WebVTT.
    Caption,
    /// Captions in a format that is not read here.
    OldCaption,
    Markdown,
    Html,
    /// Plain text: `.txt`, reStructuredText, AsciiDoc.
    Text,
    Picture,
    /// A document, slides, a notebook, data, an archive: material in itself.
    Document,
    /// Questions in the format of this crate.
    Test,
    /// What a downloader says about a video.
    Info,
    /// `.description` beside a video.
    Description,
    /// A playlist; only its titles are used.
    Playlist,
    /// What only makes pages work: scripts, styles, fonts.
    Plumbing,
    /// Told about the course itself: `course.toml`, a syllabus, a licence text.
    Course,
    /// Not for anybody: `.DS_Store` and the like.
    Junk,
    /// A download that was not finished.
    Unfinished,
    /// Anything else.
    Unknown,
}

impl Kind {
    /// A text that can be the body of a lesson.
    pub(crate) const fn is_body(self) -> bool {
        matches!(self, Self::Markdown | Self::Html | Self::Text)
    }

    /// What makes a lesson by itself.
    pub(crate) const fn is_primary(self) -> bool {
        self.is_body() || matches!(self, Self::Video | Self::Test)
    }
}

/// The kind of the file with this name.
pub(crate) fn kind_of(name: &str) -> Kind {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "thumbs.db" | "desktop.ini" | "icon\r" => return Kind::Junk,
        "course.toml" | "summary.md" => return Kind::Course,
        "test.json" | "quiz.json" => return Kind::Test,
        "readme" => return Kind::Text,
        _ => {}
    }
    if lower.starts_with('.') || lower.starts_with("~$") || lower.ends_with('~') {
        return Kind::Junk;
    }
    if lower.ends_with(".quiz.json") {
        return Kind::Test;
    }
    if lower.ends_with(".info.json") {
        return Kind::Info;
    }
    if lower.ends_with("-syllabus-parsed.json") || lower.ends_with("-syllabus-raw.json") {
        return Kind::Course;
    }
    let bare = stem(&lower);
    if matches!(
        bare,
        "license" | "licence" | "copying" | "copyright" | "notice"
    ) {
        return Kind::Course;
    }
    match extension(&lower).as_str() {
        "mp4" | "m4v" | "webm" | "mov" => Kind::Video,
        "mkv" | "avi" | "wmv" | "flv" | "mpg" | "mpeg" | "ogv" | "3gp" | "ts" | "vob" | "rm"
        | "rmvb" | "asf" | "m2ts" => Kind::OldVideo,
        "mp3" | "m4a" | "ogg" | "oga" | "opus" | "wav" | "flac" | "aac" | "wma" => Kind::Audio,
        "srt" | "vtt" => Kind::Caption,
        "ass" | "ssa" | "sub" | "sbv" | "ttml" | "dfxp" | "smi" | "lrc" => Kind::OldCaption,
        "md" | "markdown" | "mdown" | "mkd" => Kind::Markdown,
        "html" | "htm" | "xhtml" => Kind::Html,
        "txt" | "text" | "rst" | "adoc" | "asciidoc" => Kind::Text,
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "svg" => Kind::Picture,
        "pdf" | "epub" | "djvu" | "ps" | "odt" | "odp" | "ods" | "doc" | "docx" | "ppt"
        | "pptx" | "xls" | "xlsx" | "rtf" | "tex" | "ipynb" | "csv" | "tsv" | "zip" | "gz"
        | "tgz" | "bz2" | "xz" | "7z" | "rar" | "tar" | "mobi" | "key" | "pages" | "numbers" => {
            Kind::Document
        }
        "m3u" | "m3u8" => Kind::Playlist,
        "description" => Kind::Description,
        "js" | "mjs" | "css" | "map" | "woff" | "woff2" | "ttf" | "otf" | "eot" | "ico" => {
            Kind::Plumbing
        }
        "part" | "ytdl" | "crdownload" | "download" | "tmp" | "partial" => Kind::Unfinished,
        _ => Kind::Unknown,
    }
}

/// Folders that are never looked into.
pub(crate) fn is_junk_folder(name: &str) -> bool {
    name.starts_with('.') || matches!(name, "__MACOSX" | "node_modules" | "__pycache__")
}

/// The MIME type by name.
pub(crate) fn content_type(name: &str) -> &'static str {
    match extension(name).as_str() {
        "mp4" | "m4v" | "mov" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "ogv" => "video/ogg",
        "mpg" | "mpeg" => "video/mpeg",
        "wmv" => "video/x-ms-wmv",
        "flv" => "video/x-flv",
        "3gp" => "video/3gpp",
        "mp3" => "audio/mpeg",
        "m4a" | "aac" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "vtt" => "text/vtt",
        "srt" => "application/x-subrip",
        "md" | "markdown" | "mdown" | "mkd" => "text/markdown",
        "html" | "htm" | "xhtml" => "text/html",
        "txt" | "text" | "rst" | "adoc" | "asciidoc" => "text/plain",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "epub" => "application/epub+zip",
        "djvu" => "image/vnd.djvu",
        "ps" => "application/postscript",
        "odt" => "application/vnd.oasis.opendocument.text",
        "odp" => "application/vnd.oasis.opendocument.presentation",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "ppt" => "application/vnd.ms-powerpoint",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "rtf" => "application/rtf",
        "tex" => "application/x-tex",
        "ipynb" => "application/x-ipynb+json",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "json" => "application/json",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "bz2" => "application/x-bzip2",
        "xz" => "application/x-xz",
        "7z" => "application/x-7z-compressed",
        "rar" => "application/vnd.rar",
        "tar" => "application/x-tar",
        "mobi" => "application/x-mobipocket-ebook",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_name() {
        for (name, kind) in [
            ("a.MP4", Kind::Video),
            ("a.en.srt", Kind::Caption),
            ("a.quiz.json", Kind::Test),
            ("test.json", Kind::Test),
            ("a.info.json", Kind::Info),
            ("x-syllabus-raw.json", Kind::Course),
            ("data.json", Kind::Unknown),
            ("README.md", Kind::Markdown),
            ("SUMMARY.md", Kind::Course),
            ("LICENSE", Kind::Course),
            ("a.mp4.part", Kind::Unfinished),
            (".DS_Store", Kind::Junk),
            ("._a.mp4", Kind::Junk),
            ("slides.pdf", Kind::Document),
            ("noextension", Kind::Unknown),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
