//! The folder of an index: one sub-folder a generation, and a small file that
//! names the one in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// The folder, made when it is not there.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn pointer(&self) -> PathBuf {
        self.dir.join("current")
    }

    /// Where a generation is kept.
    pub(crate) fn generation(&self, number: u64) -> PathBuf {
        self.dir.join(number.to_string())
    }

    /// The generation in use; `None` before the first one, an error text when
    /// the pointer makes no sense.
    pub(crate) fn current(&self) -> io::Result<Option<Result<u64, String>>> {
        match fs::read_to_string(self.pointer()) {
            Ok(text) => Ok(Some(
                text.trim()
                    .parse()
                    .map_err(|_| "no sound generation is named".to_owned()),
            )),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(Some(Err(
                "the file that names the generation in use is damaged".to_owned(),
            ))),
            Err(e) => Err(e),
        }
    }

    /// All generations there are.
    fn generations(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            if let Some(number) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// An empty folder for a generation beyond all others.
    pub(crate) fn begin(&self) -> io::Result<u64> {
        let last = self.generations()?.into_iter().max().unwrap_or(0);
        let named = self.current()?.and_then(Result::ok).unwrap_or(0);
        let number = last.max(named).saturating_add(1);
        fs::create_dir_all(self.generation(number))?;
        Ok(number)
    }

    /// Names none: the next start asks for a rebuild.
    pub(crate) fn condemn(&self) -> io::Result<()> {
        fs::write(self.pointer(), "unsound\n")
    }

    /// Names a generation as the one in use: whole, or not at all.
    pub(crate) fn point_to(&self, number: u64) -> io::Result<()> {
        use io::Write as _;
        let temporary = self.dir.join("current.tmp");
        let mut file = fs::File::create(&temporary)?;
        writeln!(file, "{number}")?;
        file.sync_all()?;
        fs::rename(&temporary, self.pointer())
    }

    /// Removes every generation but one. What is still in use elsewhere stays
    /// until the next time.
    pub(crate) fn keep_only(&self, number: impl Into<Option<u64>>) {
        let number = number.into();
        let others = self.generations().unwrap_or_default();
        for other in others.into_iter().filter(|n| Some(*n) != number) {
            let _ = fs::remove_dir_all(self.generation(other));
        }
    }
}
