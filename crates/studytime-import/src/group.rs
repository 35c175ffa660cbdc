//! Which files of one folder belong together.

use crate::draft::Layout;
use crate::kind::Kind;
use crate::names::{natural_cmp, place_cmp, split_order};
use crate::suffix::{choose_language, own_stem, track_names};
use crate::tree::{File, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// Files that make one lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) stem: String,
    pub(crate) files: Vec<usize>,
}

/// The files of one folder, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Grouped {
    /// In order.
    pub(crate) groups: Vec<Group>,
    /// Belonging to no lesson by name.
    pub(crate) loose: Vec<usize>,
    /// Texts in another language than the one wanted.
    pub(crate) translations: Vec<(usize, String)>,
    /// Pairs of lessons with one number.
    pub(crate) same_number: Vec<(String, String)>,
}

/// What a file counts as when its lesson is looked for.
const fn follows(kind: Kind) -> bool {
    matches!(kind, Kind::Caption | Kind::OldCaption)
}

/// Sorts the files of one folder into lessons.
pub(crate) fn group(tree: &Tree, files: &[usize], layout: Layout, wanted: Option<&str>) -> Grouped {
    let mut out = Grouped::default();
    let usable: Vec<(usize, &File)> = files
        .iter()
        .filter_map(|i| Some((*i, tree.get(*i)?)))
        .filter(|(_, f)| {
            !matches!(
                f.kind,
                Kind::Junk | Kind::Unfinished | Kind::Course | Kind::Playlist | Kind::Plumbing
            )
        })
        .collect();
    let anchors: BTreeSet<String> = usable
        .iter()
        .filter(|(_, f)| !follows(f.kind) && f.kind != Kind::Text && f.kind != Kind::Picture)
        .map(|(_, f)| own_stem(f))
        .collect();
    let renamed = choose_language(&usable, &anchors, wanted, &mut out.translations);

    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let translated: BTreeSet<usize> = out.translations.iter().map(|(i, _)| *i).collect();
    for (index, file) in &usable {
        if translated.contains(index) {
            continue;
        }
        let own = own_stem(file);
        let key = match renamed.get(index) {
            Some(base) => base.clone(),
            None if follows(file.kind) || file.kind == Kind::Text => {
                let found = track_names(&own)
                    .into_iter()
                    .find(|t| anchors.contains(&t.base));
                match found {
                    Some(track) => track.base,
                    None if file.kind == Kind::Text => own,
                    None => {
                        out.loose.push(*index);
                        continue;
                    }
                }
            }
            None => own,
        };
        groups.entry(key).or_default().push(*index);
    }
    let groups = groups
        .into_iter()
        .map(|(stem, files)| Group { stem, files })
        .collect();
    merge(tree, groups, layout, &mut out);
    out
}

/// What a group is made of.
struct Traits {
    numbers: Vec<u32>,
    primary: bool,
    video: bool,
    body: bool,
    /// A text with links and headings, which is read better as a lesson of its
    /// own than as a file beside another.
    page: bool,
    /// Nothing but a test with a name that says no more.
    bare_test: bool,
    /// Material that can be a lesson by itself.
    material: bool,
    /// Nothing but pictures.
    pictures: bool,
}

fn traits(tree: &Tree, group: &Group) -> Traits {
    let kinds: Vec<Kind> = group
        .files
        .iter()
        .filter_map(|i| Some(tree.get(*i)?.kind))
        .collect();
    let any = |test: fn(Kind) -> bool| kinds.iter().any(|k| test(*k));
    Traits {
        numbers: split_order(&group.stem).numbers,
        primary: any(Kind::is_primary),
        video: any(|k| k == Kind::Video),
        body: any(Kind::is_body),
        page: any(|k| matches!(k, Kind::Markdown | Kind::Html)),
        bare_test: kinds.iter().all(|k| *k == Kind::Test),
        material: any(|k| matches!(k, Kind::Document | Kind::Audio | Kind::OldVideo)),
        pictures: kinds.iter().all(|k| *k == Kind::Picture),
    }
}

/// What ends a stem when a further word follows.
const SEPARATORS: [char; 5] = ['_', '-', '.', ' ', '('];

/// Whether two stems agree up to the first `_`, as a downloader names all
/// files of one lecture.
fn same_lecture(a: &str, b: &str) -> bool {
    let word = |stem: &str| {
        let rest = split_order(stem).rest.to_owned();
        rest.split('_').next().map(str::to_owned)
    };
    word(a) == word(b)
}

/// Brings companions to their lessons: by stem, by number, by layout.
fn merge(tree: &Tree, groups: Vec<Group>, layout: Layout, out: &mut Grouped) {
    let all: Vec<(Group, Traits)> = groups
        .into_iter()
        .map(|g| {
            let t = traits(tree, &g);
            (g, t)
        })
        .collect();
    let homes = Homes::new(&all);
    let target: Vec<usize> = (0..all.len())
        .map(|at| homes.of(&all, at, layout).unwrap_or(at))
        .collect();
    let mut merged: BTreeMap<usize, Group> = BTreeMap::new();
    let own = |home: usize| all.get(home).map_or(String::new(), |(g, _)| g.stem.clone());
    for (i, (group, t)) in all.iter().enumerate() {
        let home = root(&target, i);
        if home == i && !t.primary && !t.material {
            out.loose.extend(&group.files);
            continue;
        }
        let entry = merged.entry(home).or_insert_with(|| Group {
            stem: own(home),
            files: Vec::new(),
        });
        entry.files.extend(&group.files);
        if layout == Layout::Coursera && home != i {
            entry.stem = common_stem(&entry.stem, &group.stem);
        }
    }
    // A stem that was shortened until it became another one's is not shortened.
    loop {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for group in merged.values() {
            *count.entry(group.stem.clone()).or_default() += 1;
        }
        let mut changed = false;
        for (home, group) in &mut merged {
            let stem = own(*home);
            if count.get(&group.stem).is_some_and(|n| *n > 1) && group.stem != stem {
                group.stem = stem;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let mut groups: Vec<Group> = merged.into_values().collect();
    for group in &mut groups {
        group.files.sort_by(|a, b| {
            let name = |i: &usize| tree.get(*i).map_or("", File::name);
            natural_cmp(name(a), name(b))
        });
    }
    groups.sort_by(|a, b| place_cmp(&a.stem, &b.stem));
    for pair in groups.windows(2) {
        if let [a, b] = pair {
            let numbers = split_order(&a.stem).numbers;
            let meant = layout == Layout::Coursera && same_lecture(&a.stem, &b.stem);
            if !numbers.is_empty() && numbers == split_order(&b.stem).numbers && !meant {
                out.same_number.push((a.stem.clone(), b.stem.clone()));
            }
        }
    }
    out.groups = groups;
}

/// Where companions can go, found without comparing every pair of files.
struct Homes<'a> {
    by_stem: BTreeMap<&'a str, usize>,
    by_number: BTreeMap<&'a [u32], Vec<usize>>,
    /// The only lesson of the folder.
    only: Option<usize>,
}

impl<'a> Homes<'a> {
    fn new(all: &'a [(Group, Traits)]) -> Self {
        let mut homes = Self {
            by_stem: BTreeMap::new(),
            by_number: BTreeMap::new(),
            only: None,
        };
        let lessons = all
            .iter()
            .enumerate()
            .filter(|(_, (_, t))| t.primary && !t.bare_test);
        let mut count = 0;
        for (at, (group, t)) in lessons {
            count += 1;
            homes.only = (count == 1).then_some(at);
            homes.by_stem.insert(&group.stem, at);
            if !t.numbers.is_empty() {
                homes.by_number.entry(&t.numbers).or_default().push(at);
            }
        }
        homes
    }

    /// The lesson a group belongs to, when it is another one.
    fn of(&self, all: &[(Group, Traits)], at: usize, layout: Layout) -> Option<usize> {
        let (group, t) = all.get(at)?;
        let companion = (!t.primary || t.bare_test) && !t.pictures;
        let same_number = self
            .by_number
            .get(t.numbers.as_slice())
            .map_or(&[][..], Vec::as_slice);
        let by_stem = || {
            let ends = group.stem.char_indices().rev();
            ends.filter(|(_, c)| SEPARATORS.contains(c))
                .filter_map(|(end, _)| self.by_stem.get(group.stem.get(..end)?).copied())
                .find(|home| {
                    let video_waits_for_text = all
                        .get(*home)
                        .is_some_and(|(_, home)| home.video && !home.body && t.body && !t.video);
                    *home != at && (companion || video_waits_for_text)
                })
        };
        let by_number = || match same_number {
            [home] if companion && *home != at => Some(*home),
            _ => None,
        };
        let only = || {
            self.only
                .filter(|home| t.bare_test && t.numbers.is_empty() && *home != at)
        };
        let by_layout = || {
            let earlier = same_number.iter().take_while(|home| **home < at);
            earlier.copied().find(|home| {
                layout == Layout::Coursera
                    && all.get(*home).is_some_and(|(other, o)| {
                        same_lecture(&group.stem, &other.stem) && !(t.page && o.page)
                    })
            })
        };
        by_stem()
            .or_else(by_number)
            .or_else(only)
            .or_else(by_layout)
    }
}

/// Follows companions of companions; stops in a circle.
fn root(target: &[usize], from: usize) -> usize {
    let mut at = from;
    for _ in 0..8 {
        match target.get(at) {
            Some(next) if *next != at => at = *next,
            _ => return at,
        }
    }
    from
}

/// What two stems share, up to a separator.
fn common_stem(a: &str, b: &str) -> String {
    let shared = a
        .char_indices()
        .zip(b.chars())
        .find(|((_, x), y)| x != y)
        .map_or(a.len().min(b.len()), |((at, _), _)| at);
    let head = a.get(..shared).unwrap_or(a);
    let whole = |s: &str| {
        s.len() == shared
            || s.get(shared..)
                .is_some_and(|r| r.starts_with(['_', '-', '.', ' ']))
    };
    let cut = if whole(a) && whole(b) {
        head
    } else {
        head.rfind(['_', ' '])
            .map_or(head, |at| head.get(..at).unwrap_or(head))
    };
    let cut = cut.trim_end_matches(['_', '-', '.', ' ']);
    if split_order(cut).rest.is_empty() {
        a.to_owned()
    } else {
        cut.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problems;
    use crate::source::FileEntry;
    use proptest::prelude::*;

    fn grouped(names: &[&str], layout: Layout, wanted: Option<&str>) -> (Vec<String>, Grouped) {
        let entries = names
            .iter()
            .enumerate()
            .map(|(handle, name)| FileEntry {
                path: (*name).to_owned(),
                size: 1,
                handle,
            })
            .collect();
        let tree = Tree::new(entries, "x", &mut Problems::default());
        let files: Vec<usize> = (0..tree.files.len()).collect();
        let out = group(&tree, &files, layout, wanted);
        let shown = out
            .groups
            .iter()
            .map(|g| {
                let files: Vec<&str> = g
                    .files
                    .iter()
                    .map(|i| tree.files[*i].path.as_str())
                    .collect();
                format!("{}: {}", g.stem, files.join(" "))
            })
            .collect();
        (shown, out)
    }

    #[test]
    fn one_stem_is_one_lesson() {
        let (shown, out) = grouped(
            &[
                "01_intro.mp4",
                "01_intro.en.srt",
                "01_intro.pt-BR.vtt",
                "01_intro.en.txt",
                "01_intro.pdf",
                "01_intro.quiz.json",
                "01_intro_slides.pdf",
                "01_data.csv",
                "02_next.md",
                "lost.en.srt",
                "x.png",
            ],
            Layout::Folder,
            None,
        );
        assert_eq!(
            shown,
            [
                "01_intro: 01_data.csv 01_intro.en.srt 01_intro.en.txt 01_intro.mp4 01_intro.pdf 01_intro.pt-BR.vtt 01_intro.quiz.json 01_intro_slides.pdf",
                "02_next: 02_next.md",
            ]
        );
        assert_eq!(out.loose.len(), 2);
    }

    #[test]
    fn lectures_of_a_downloader() {
        let (shown, _) = grouped(
            &[
                "01_welcome.mp4",
                "01_welcome.en.srt",
                "01_welcome_slides.pdf",
                "02_reading-list_instructions.html",
                "02_reading-list_paper.pdf",
                "03_a.mp4",
                "03_b.mp4",
            ],
            Layout::Coursera,
            None,
        );
        assert_eq!(
            shown,
            [
                "01_welcome: 01_welcome.en.srt 01_welcome.mp4 01_welcome_slides.pdf",
                "02_reading-list: 02_reading-list_instructions.html 02_reading-list_paper.pdf",
                "03_a: 03_a.mp4",
                "03_b: 03_b.mp4",
            ]
        );
    }

    #[test]
    fn one_language_of_many() {
        let names = [
            "problem.md",
            "problem_fr.md",
            "problem_zh-cn.md",
            "solution.md",
            "solution_fr.md",
        ];
        let (shown, out) = grouped(&names, Layout::Folder, Some("fr"));
        assert_eq!(
            shown,
            ["problem: problem_fr.md", "solution: solution_fr.md"]
        );
        assert_eq!(out.translations.len(), 3);
        let (shown, _) = grouped(&names, Layout::Folder, None);
        assert_eq!(shown, ["problem: problem.md", "solution: solution.md"]);
        let (shown, _) = grouped(
            &["problem.de.md", "problem.en.md", "how_to.md"],
            Layout::Folder,
            None,
        );
        assert_eq!(shown, ["how_to: how_to.md", "problem: problem.en.md"]);
    }

    #[test]
    fn two_lessons_of_one_number_are_noticed() {
        let (shown, out) = grouped(&["01_a.md", "01_b.md"], Layout::Folder, None);
        assert_eq!(shown.len(), 2);
        assert_eq!(out.same_number, [("01_a".to_owned(), "01_b".to_owned())]);
    }

    proptest! {
        #[test]
        fn no_file_is_lost_or_doubled(names in prop::collection::btree_set("(0[12][_.])?[ab](_[ab]|\\.en|-EN|\\.fr)?\\.(md|mp4|srt|pdf|txt|png|quiz\\.json|xyz)", 0..12), coursera: bool) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let layout = if coursera { Layout::Coursera } else { Layout::Folder };
            let (_, out) = grouped(&names, layout, None);
            let mut seen: Vec<usize> = out.groups.iter().flat_map(|g| g.files.clone())
                .chain(out.loose.clone())
                .chain(out.translations.iter().map(|(i, _)| *i))
                .collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..names.len()).collect::<Vec<_>>());
            let stems: BTreeSet<&String> = out.groups.iter().map(|g| &g.stem).collect();
            prop_assert_eq!(stems.len(), out.groups.len());
        }
    }
}
