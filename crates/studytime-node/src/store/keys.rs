//! The keys of the own feeds: `keys/*.secret` in the SSB secret-file format.

use super::dir::{private_dir, private_file, sync_dir};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use studytime_schema::{FeedId, Keypair, SecretFileError};

/// Longest secret file that is read.
const MAX_SECRET_FILE: u64 = 16 * 1024;
/// Ends the name of a key file that is being written.
const UNFINISHED: &str = ".secret.new";
/// Most own feeds.
const MAX_KEYS: usize = 10_000;

/// What an own feed is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OwnKind {
    /// The person: follows, enrolments, notes.
    Main,
    /// A course list.
    List,
    /// A course.
    Course,
}

impl OwnKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::List => "list",
            Self::Course => "course",
        }
    }
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeysError {
    #[error("cannot read or write the key file {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the key file {} is damaged; restore it from a backup, do not delete it", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: SecretFileError,
    },
    #[error("no randomness from the system: {0}")]
    Random(String),
    #[error("more than {MAX_KEYS} key files in {}", .0.display())]
    TooMany(PathBuf),
}

/// An own feed: its key and what it is for.
#[derive(Debug, Clone)]
pub(crate) struct OwnFeed {
    pub(crate) keys: Keypair,
    pub(crate) kind: OwnKind,
}

/// All keys of this node.
#[derive(Debug)]
pub(crate) struct KeyRing {
    dir: PathBuf,
    main: Keypair,
    feeds: BTreeMap<FeedId, OwnFeed>,
}

impl KeyRing {
    /// Reads every key; makes the main one on a first start.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, KeysError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| KeysError::Io { path, source }
        };
        let new = !dir.is_dir();
        private_dir(&dir).map_err(io(&dir))?;
        if new && let Some(above) = dir.parent() {
            sync_dir(above).map_err(io(above))?;
        }
        let mut feeds = BTreeMap::new();
        let mut main = None;
        for file in fs::read_dir(&dir).map_err(io(&dir))? {
            let path = file.map_err(io(&dir))?.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
                continue;
            };
            let Some(stem) = name.strip_suffix(".secret") else {
                // A key that was not finished, so never used. What cannot be
                // removed now is tried again at the next start.
                if name.ends_with(UNFINISHED) {
                    let _ = fs::remove_file(&path);
                }
                continue;
            };
            if feeds.len() >= MAX_KEYS {
                return Err(KeysError::TooMany(dir));
            }
            let text = read_capped(&path).map_err(io(&path))?;
            let keys = Keypair::from_secret_file(&text).map_err(|source| KeysError::Damaged {
                path: path.clone(),
                source,
            })?;
            let kind = match stem.split('-').next() {
                Some("main") => OwnKind::Main,
                Some("list") => OwnKind::List,
                _ => OwnKind::Course,
            };
            if kind == OwnKind::Main {
                main = Some(keys.clone());
            }
            feeds.insert(keys.id(), OwnFeed { keys, kind });
        }
        if let Some(main) = main {
            return Ok(Self { dir, main, feeds });
        }
        let keys = generate()?;
        let mut ring = Self {
            dir,
            main: keys.clone(),
            feeds,
        };
        ring.keep(keys, OwnKind::Main)?;
        Ok(ring)
    }

    /// The main keypair.
    pub(crate) fn main(&self) -> &Keypair {
        &self.main
    }

    /// The own feed with this id.
    pub(crate) fn get(&self, id: &FeedId) -> Option<&OwnFeed> {
        self.feeds.get(id)
    }

    /// All own feeds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FeedId, &OwnFeed)> {
        self.feeds.iter()
    }

    /// The own feeds of one kind.
    pub(crate) fn of_kind(&self, kind: OwnKind) -> Vec<FeedId> {
        let these = self.feeds.iter().filter(|(_, f)| f.kind == kind);
        these.map(|(id, _)| *id).collect()
    }

    /// Keeps a key durably before it is used: a published feed whose key is lost
    /// can never be updated again.
    pub(crate) fn keep(&mut self, keys: Keypair, kind: OwnKind) -> Result<(), KeysError> {
        let path = self.path_of(&keys.id(), kind);
        write_secret(&path, &keys.to_secret_file())
            .map_err(|source| KeysError::Io { path, source })?;
        self.feeds.insert(keys.id(), OwnFeed { keys, kind });
        Ok(())
    }

    /// Takes back a key that nothing was published with.
    pub(crate) fn discard(&mut self, id: &FeedId) {
        if let Some(feed) = self.feeds.get(id)
            && feed.kind != OwnKind::Main
        {
            let _ = fs::remove_file(self.path_of(id, feed.kind));
            self.feeds.remove(id);
        }
    }

    fn path_of(&self, id: &FeedId, kind: OwnKind) -> PathBuf {
        let name = match kind {
            OwnKind::Main => "main.secret".to_owned(),
            _ => {
                let hex: String = id.as_bytes()[..8]
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect();
                format!("{}-{hex}.secret", kind.prefix())
            }
        };
        self.dir.join(name)
    }
}

/// A new key, not kept anywhere yet.
pub(crate) fn generate() -> Result<Keypair, KeysError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| KeysError::Random(e.to_string()))?;
    Ok(Keypair::from_seed(&seed))
}

fn read_capped(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    File::open(path)?
        .take(MAX_SECRET_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Mode 0400, never overwriting, synced with its folder. Named only when whole: a
/// stop in between must not leave half a key, which nobody could tell from a
/// damaged one.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let unfinished = path.with_extension(&UNFINISHED[1..]);
    let _ = fs::remove_file(&unfinished);
    let mut file = private_file(&unfinished, 0o400, true)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_restart_and_stay_private() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("keys");
        let mut ring = KeyRing::open(dir.clone()).unwrap();
        let main = ring.main().id();
        let mut make = |kind| {
            let keys = generate().unwrap();
            ring.keep(keys.clone(), kind).unwrap();
            keys.id()
        };
        let (course, gone) = (make(OwnKind::Course), make(OwnKind::List));
        ring.discard(&gone);
        ring.discard(&main);

        let ring = KeyRing::open(dir.clone()).unwrap();
        assert_eq!(ring.main().id(), main);
        assert_eq!(ring.get(&course).map(|f| f.kind), Some(OwnKind::Course));
        assert!(ring.get(&gone).is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.join("main.secret"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o400);
        }
    }

    /// As a kill in the middle of making a key leaves it.
    #[test]
    fn a_key_that_was_not_finished_is_not_a_damaged_one() {
        let tmp = tempfile::tempdir().unwrap();
        let main = KeyRing::open(tmp.path().to_owned()).unwrap().main().id();
        let half = tmp.path().join("course-0011223344556677.secret.new");
        fs::write(&half, "# this is your SEC").unwrap();
        assert_eq!(
            KeyRing::open(tmp.path().to_owned()).unwrap().main().id(),
            main
        );
        assert!(!half.exists());

        let taken = tmp.path().join("main.secret");
        let before = fs::read_to_string(&taken).unwrap();
        assert!(write_secret(&taken, "another").is_err());
        assert_eq!(fs::read_to_string(&taken).unwrap(), before);
    }

    #[test]
    fn a_damaged_key_is_an_error_not_a_new_identity() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("main.secret"), "{}").unwrap();
        let e = KeyRing::open(tmp.path().to_owned()).unwrap_err();
        assert!(e.to_string().contains("do not delete"), "{e}");
    }
}
