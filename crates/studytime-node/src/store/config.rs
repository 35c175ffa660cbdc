//! `config.toml`: what the user may set; every key is optional.

use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use studytime_schema::subjects::{SubjectEntry, SubjectTable};

/// Longest file that is read.
const MAX_CONFIG: u64 = 256 * 1024;

/// The user's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to listen on for peers. Default `0.0.0.0:8008`.
    pub listen: Option<String>,
    /// Address of the pages. Default `127.0.0.1:7008`.
    pub http: Option<String>,
    /// The host name or address others reach this node by, when it is not the
    /// one it listens on.
    pub external_host: Option<String>,
    /// Peers to keep connected to (multiserver addresses).
    pub peers: Vec<String>,
    /// Whether to find, and be found by, others on the local network. Default yes.
    pub lan: Option<bool>,
    /// Bytes of blobs to keep at most. Default 50 GiB.
    pub blob_quota: Option<u64>,
    /// Bytes of the disk that downloads leave free. Default 1 GiB.
    pub free_floor: Option<u64>,
    /// Bytes a second that downloads in the background may take. Default no limit.
    pub download_limit: Option<u64>,
    /// The hours of the day at which they run, like `22:00-06:00`. Default all.
    pub download_hours: Option<crate::Hours>,
    /// Whether a video may be fetched from the web address or the torrent that its
    /// author gave, when no peer and no mirror has it. Whoever is asked sees this
    /// machine's address. Default yes; with a network key of one's own, torrents
    /// only when this says so.
    pub video_links: Option<bool>,
    /// Whether such an address, a torrent's tracker or its peers may lie in a
    /// private network. Default no.
    pub private_video_links: Option<bool>,
    /// Address to listen on for those who want own torrents. Default: port 6881
    /// beside `listen`.
    pub torrent_listen: Option<String>,
    /// Hops of friends to replicate. Default 1.
    pub hops: Option<u8>,
    /// Messages to hold at most of feeds that nobody here asked for by name:
    /// listed courses, friends, what a pub carries. Default 2,000,000.
    pub budget_messages: Option<u64>,
    /// Bytes of these. Default 4 GiB.
    pub budget_bytes: Option<u64>,
    /// More subjects, or more keywords for those there are.
    pub subjects: Vec<SubjectEntry>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not what is expected; the text names line and key.
    #[error("{} is not valid: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
}

impl Config {
    /// The built-in table of subjects with the user's additions; `None` where
    /// there are none.
    pub(crate) fn subjects(&self) -> Option<Arc<SubjectTable>> {
        let extra = self.subjects.iter().cloned();
        (!self.subjects.is_empty()).then(|| Arc::new(SubjectTable::builtin().with(extra)))
    }

    /// Reads the file; an absent one is all defaults.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        use std::io::Read as _;
        let io = |source| ConfigError::Io {
            path: path.to_owned(),
            source,
        };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(io(e)),
        };
        let mut text = String::new();
        file.take(MAX_CONFIG)
            .read_to_string(&mut text)
            .map_err(io)?;
        toml::from_str(&text).map_err(|e| ConfigError::Invalid {
            path: path.to_owned(),
            message: e.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_default_and_a_typing_error_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("config.toml");
        assert_eq!(Config::read(&path).unwrap(), Config::default());
        std::fs::write(&path, "hops = 2\npeers = []\n").unwrap();
        assert_eq!(Config::read(&path).unwrap().hops, Some(2));
        std::fs::write(&path, "hopps = 2\n").unwrap();
        assert!(
            Config::read(&path)
                .unwrap_err()
                .to_string()
                .contains("hopps")
        );
    }
}
