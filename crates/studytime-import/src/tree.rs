//! The files of a source as folders, without the wrapper around a course.

use crate::kind::{Kind, kind_of};
use crate::names::{file_name, join, parent, path_cmp, place_cmp, split_order};
use crate::problem::Problems;
use crate::source::FileEntry;
use std::collections::BTreeMap;

/// One file, understood by its name.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) handle: usize,
    pub(crate) kind: Kind,
}

impl File {
    pub(crate) fn name(&self) -> &str {
        file_name(&self.path)
    }

    pub(crate) fn dir(&self) -> &str {
        parent(&self.path)
    }
}

/// One folder: its own files by index, and its folders by path, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dir {
    pub(crate) files: Vec<usize>,
    pub(crate) dirs: Vec<String>,
}

/// All files of a course folder.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The folder's own name.
    pub(crate) name: String,
    pub(crate) files: Vec<File>,
    pub(crate) dirs: BTreeMap<String, Dir>,
    by_path: BTreeMap<String, usize>,
}

/// Names of folders that say nothing about a course.
const GENERIC: &[&str] = &[
    "content",
    "contents",
    "course",
    "data",
    "files",
    "lessons",
    "lectures",
    "material",
    "materials",
    "src",
    "source",
    "public",
    "html",
    "book",
    "docs",
];

impl Tree {
    /// Sorts files into folders. When everything stands in one folder that is
    /// no section itself, as archives are packed, that folder is the course.
    pub(crate) fn new(mut entries: Vec<FileEntry>, name: &str, problems: &mut Problems) -> Self {
        let mut name = name.to_owned();
        while let Some(wrapper) = wrapper(&entries) {
            let prefix = format!("{wrapper}/");
            for entry in &mut entries {
                if let Some(rest) = entry.path.strip_prefix(&prefix) {
                    entry.path = rest.to_owned();
                }
            }
            problems.strip_prefix(&prefix);
            if !GENERIC.contains(&wrapper.to_ascii_lowercase().as_str()) {
                name = wrapper;
            }
        }
        entries.sort_by(|a, b| path_cmp(&a.path, &b.path));
        let mut tree = Self {
            name,
            ..Self::default()
        };
        tree.dirs.insert(String::new(), Dir::default());
        for (index, entry) in entries.into_iter().enumerate() {
            tree.by_path.insert(entry.path.clone(), index);
            tree.enter(parent(&entry.path)).files.push(index);
            tree.files.push(File {
                kind: kind_of(file_name(&entry.path)),
                path: entry.path,
                size: entry.size,
                handle: entry.handle,
            });
        }
        for dir in tree.dirs.values_mut() {
            dir.dirs
                .sort_by(|a, b| place_cmp(file_name(a), file_name(b)));
        }
        tree
    }

    /// The folder at a path, made with all above it.
    fn enter(&mut self, path: &str) -> &mut Dir {
        let mut above = String::new();
        for part in path.split('/').filter(|p| !p.is_empty()) {
            let here = join(&above, part);
            if !self.dirs.contains_key(&here) {
                self.dirs.entry(above).or_default().dirs.push(here.clone());
                self.dirs.insert(here.clone(), Dir::default());
            }
            above = here;
        }
        self.dirs.entry(path.to_owned()).or_default()
    }

    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&File> {
        self.files.get(index)
    }

    /// A folder that is known to be there.
    pub(crate) fn dir(&self, path: &str) -> Dir {
        self.dirs.get(path).cloned().unwrap_or_default()
    }
}

/// The only thing at the top, when it is a folder without an order token.
/// Syllabus files may lie beside it, as downloaders leave them.
fn wrapper(entries: &[FileEntry]) -> Option<String> {
    let mut only: Option<&str> = None;
    for entry in entries {
        match entry.path.split_once('/') {
            Some((dir, _)) => match only {
                None => only = Some(dir),
                Some(seen) if seen == dir => {}
                Some(_) => return None,
            },
            None if beside_wrapper(&entry.path) => {}
            None => return None,
        }
    }
    let only = only?;
    split_order(only)
        .numbers
        .is_empty()
        .then(|| only.to_owned())
}

fn beside_wrapper(name: &str) -> bool {
    let syllabus = name.ends_with("-syllabus-parsed.json") || name.ends_with("-syllabus-raw.json");
    syllabus || matches!(kind_of(name), Kind::Junk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let entries = paths
            .iter()
            .enumerate()
            .map(|(handle, path)| FileEntry {
                path: (*path).to_owned(),
                size: 1,
                handle,
            })
            .collect();
        Tree::new(entries, "given", &mut Problems::default())
    }

    #[test]
    fn wrappers_are_taken_off() {
        let t = tree(&["mosses/a.md", "mosses/b/c.md"]);
        assert_eq!(t.name, "mosses");
        assert_eq!(t.dirs.keys().collect::<Vec<_>>(), ["", "b"]);
        assert_eq!(tree(&["src/a.md"]).name, "given");
        assert_eq!(tree(&["01_week/a.md"]).files[0].path, "01_week/a.md");
        assert_eq!(tree(&["x-syllabus-raw.json", "x/01_a/01_b.mp4"]).name, "x");
        assert_eq!(tree(&["a.md", "b/c.md"]).files.len(), 2);
    }

    #[test]
    fn folders_are_in_order() {
        let t = tree(&["10_b/x.md", "2_a/y/z.md", "README.md"]);
        assert_eq!(t.dir("").dirs, ["2_a", "10_b"]);
        assert_eq!(t.dir("2_a").dirs, ["2_a/y"]);
    }
}
