//! Files that speak about other files: `course.toml`, playlists, `.info.json`.

use crate::names::{join, parent, tidy};
use serde::Deserialize;
use std::collections::BTreeMap;
use studytime_schema::content::Level;

/// `course.toml`: what the author says about the course. All fields are optional.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CourseToml {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) provider: Option<String>,
    pub(crate) duration_minutes: Option<u64>,
    pub(crate) source_url: Option<String>,
    /// A path in the folder.
    pub(crate) image: Option<String>,
    pub(crate) prerequisites: Vec<String>,
    /// Anything else; reported, so that a misspelt field is noticed.
    #[serde(flatten)]
    pub(crate) unknown: BTreeMap<String, toml::Value>,
}

/// Reads `course.toml`.
pub(crate) fn course_toml(text: &str) -> Result<CourseToml, String> {
    toml::from_str(text).map_err(|e| tidy(e.message()))
}

/// What a downloader noted beside a video.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct VideoNote {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) language: Option<String>,
}

/// Reads `NAME.info.json`.
pub(crate) fn info_json(text: &str) -> Result<VideoNote, String> {
    serde_json::from_str(text).map_err(|e| format!("not the JSON a downloader writes ({e})"))
}

/// The titles in a playlist, by the path of the file they belong to.
pub(crate) fn playlist(text: &str, path: &str) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    let mut title = None;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            title = info
                .split_once(',')
                .map(|(_, t)| tidy(t))
                .filter(|t| !t.is_empty());
        } else if !line.starts_with('#') {
            let file = line.replace('\\', "/");
            let file = file.trim_start_matches("./");
            if let Some(title) = title.take() {
                titles.insert(join(parent(path), file), title);
            }
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn course_data() {
        let toml = course_toml(
            "name = 'Mosses'\nlevel = 'beginner'\nkeywords = ['a', 'b']\nduration_minutes = 90\nlicence = 'x'\n",
        )
        .unwrap();
        assert_eq!(toml.name.as_deref(), Some("Mosses"));
        assert_eq!(toml.level, Some(Level::Beginner));
        assert_eq!(toml.unknown.keys().collect::<Vec<_>>(), ["licence"]);
        assert!(course_toml("name = ").is_err());
        assert!(course_toml("level = 'hard'").is_err());
        assert!(course_toml(&format!("a = {}", "[".repeat(100_000))).is_err());
    }

    #[test]
    fn playlists() {
        let titles = playlist(
            "#EXTM3U\n#EXTINF:-1,Was ist  Krypto?\n01@m/01@l/01@v/01@.mp4\nplain.mp4\n",
            "playlist.m3u",
        );
        assert_eq!(titles.len(), 1);
        assert_eq!(
            titles.get("01@m/01@l/01@v/01@.mp4").map(String::as_str),
            Some("Was ist Krypto?")
        );
    }
}
