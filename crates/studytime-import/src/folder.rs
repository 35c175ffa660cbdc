//! An ordinary folder: folders are sections, files that belong together are
//! lessons.

use crate::draft::Layout;
use crate::group::{Group, group};
use crate::kind::Kind;
use crate::names::{file_name, is_intro, join, place_cmp, split_order, stem, title};
use crate::problem::{ProblemKind, Problems};
use crate::syllabus::{Entry, Titles};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// How a folder's names are read.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) layout: Option<Layout>,
    /// The language wanted among translations.
    pub(crate) language: Option<String>,
    /// Readable titles by slug.
    pub(crate) titles: Titles,
    /// Readable titles by the path of a video.
    pub(crate) playlist: BTreeMap<String, String>,
    /// What downloaders put before a section's number.
    pub(crate) prefix: Option<String>,
    /// Every folder without folders is one lesson.
    pub(crate) leaf_is_lesson: bool,
}

impl Rules {
    pub(crate) fn layout(&self) -> Layout {
        self.layout.unwrap_or(Layout::Folder)
    }

    /// The title of a folder or stem; the flag says that it was given, not
    /// made from the name.
    pub(crate) fn title(&self, name: &str) -> (String, bool) {
        let name = self
            .prefix
            .as_deref()
            .and_then(|p| name.strip_prefix(p))
            .unwrap_or(name);
        // Readings and quizzes of a downloader end so, whatever they are called.
        let name = match self.layout() {
            Layout::Coursera => name.strip_suffix("_instructions").unwrap_or(name),
            Layout::Folder => name,
        };
        let slug = split_order(name).rest;
        match self.titles.get(slug) {
            Some(given) => (given.clone(), true),
            None => (title(name), false),
        }
    }
}

/// A lesson to be: which files, under which heading, by which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LessonPlan {
    pub(crate) path: String,
    pub(crate) section: Option<String>,
    pub(crate) name: String,
    /// The name goes before what the files say of themselves.
    pub(crate) name_is_given: bool,
    pub(crate) files: Vec<usize>,
}

/// A course to be.
#[derive(Debug, Default)]
pub(crate) struct CoursePlan {
    pub(crate) lessons: Vec<LessonPlan>,
    /// The text about the course.
    pub(crate) overview: Option<usize>,
    /// Files that belong to no lesson by name.
    pub(crate) loose: Vec<usize>,
    /// How many texts were left out, by language.
    pub(crate) translations: BTreeMap<String, usize>,
}

/// Stems that say less than the folder they stand in.
fn is_generic(stem: &str) -> bool {
    let rest = split_order(stem).rest.to_lowercase();
    matches!(
        rest.as_str(),
        "" | "readme"
            | "index"
            | "_index"
            | "overview"
            | "lesson"
            | "lecture"
            | "video"
            | "movie"
            | "content"
            | "main"
            | "text"
            | "page"
            | "problem"
            | "exercise"
    )
}

/// Reads a whole tree.
pub(crate) fn plan(tree: &Tree, rules: &Rules, problems: &mut Problems) -> CoursePlan {
    let mut plan = CoursePlan::default();
    walk(tree, rules, "", None, &mut plan, problems);
    take_overview(tree, &mut plan);
    let mut seen = BTreeSet::new();
    for lesson in &mut plan.lessons {
        let mut n = 2;
        let path = lesson.path.clone();
        while !seen.insert(lesson.path.clone()) {
            lesson.path = format!("{path} ({n})");
            n += 1;
        }
    }
    plan
}

enum Step {
    Lesson(Group),
    Folder(String),
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Self::Lesson(group) => &group.stem,
            Self::Folder(path) => file_name(path),
        }
    }
}

/// Reads one folder; `above` is the heading its parent stands under.
fn walk(
    tree: &Tree,
    rules: &Rules,
    path: &str,
    above: Option<&str>,
    plan: &mut CoursePlan,
    problems: &mut Problems,
) {
    let dir = tree.dir(path);
    let mut grouped = group(tree, &dir.files, rules.layout(), rules.language.as_deref());
    plan.loose.append(&mut grouped.loose);
    for (_, tag) in &grouped.translations {
        *plan.translations.entry(tag.clone()).or_default() += 1;
    }
    for (a, b) in &grouped.same_number {
        let text = format!("has the same number as {a}; they are ordered by name");
        problems.note(&join(path, b), ProblemKind::DuplicateNumber, text);
    }
    let mut groups = grouped.groups;
    let leaf = dir.dirs.is_empty() && !path.is_empty();
    let (title, title_is_given) = rules.title(file_name(path));
    if rules.leaf_is_lesson && leaf && groups.len() > 1 {
        groups = vec![all_in_one(groups)];
    }
    // A folder that holds one lesson of no name is that lesson.
    if leaf
        && let [only] = groups.as_slice()
        && (is_generic(&only.stem) || rules.leaf_is_lesson)
    {
        let listed = playlist_title(tree, rules, only);
        plan.lessons.push(LessonPlan {
            path: join(path, &only.stem),
            section: above.map(str::to_owned),
            name_is_given: title_is_given || listed.is_some(),
            name: listed.unwrap_or(title),
            files: only.files.clone(),
        });
        return;
    }
    let section = match (path.is_empty(), above) {
        (true, _) => None,
        (false, Some(above)) if last_part(above) == title => Some(above.to_owned()),
        (false, Some(above)) if above.len() < MAX_SECTION => Some(format!("{above}{JOINT}{title}")),
        (false, Some(above)) => Some(above.to_owned()),
        (false, None) => Some(title),
    };
    let mut steps: Vec<Step> = groups
        .into_iter()
        .map(Step::Lesson)
        .chain(dir.dirs.into_iter().map(Step::Folder))
        .collect();
    steps.sort_by(|a, b| place_cmp(a.name(), b.name()));
    let parts = parts(&steps);
    for (step, part) in steps.into_iter().zip(parts) {
        match step {
            Step::Lesson(group) => {
                let (name, given) = rules.title(&group.stem);
                let listed = playlist_title(tree, rules, &group);
                plan.lessons.push(LessonPlan {
                    path: join(path, &group.stem),
                    section: section.clone().or(part),
                    name_is_given: given || listed.is_some(),
                    name: listed.unwrap_or(name),
                    files: group.files,
                });
            }
            Step::Folder(inner) => walk(tree, rules, &inner, section.as_deref(), plan, problems),
        }
    }
}

/// Folders deeper than this heading, in bytes, add nothing to it.
const MAX_SECTION: usize = 400;

/// Between the titles of folders in folders.
const JOINT: &str = " / ";

fn last_part(section: &str) -> &str {
    section.rsplit_once(JOINT).map_or(section, |(_, last)| last)
}

fn playlist_title(tree: &Tree, rules: &Rules, group: &Group) -> Option<String> {
    group
        .files
        .iter()
        .filter_map(|i| rules.playlist.get(&tree.get(*i)?.path))
        .next()
        .cloned()
}

fn all_in_one(groups: Vec<Group>) -> Group {
    let stem = groups.first().map_or(String::new(), |g| g.stem.clone());
    Group {
        stem,
        files: groups.into_iter().flat_map(|g| g.files).collect(),
    }
}

/// Names like `01_02_title` in one folder: the first number is the section
/// when it is not the same for all.
fn parts(steps: &[Step]) -> Vec<Option<String>> {
    let numbers: Vec<Vec<u32>> = steps
        .iter()
        .map(|step| match step {
            Step::Lesson(group) => split_order(&group.stem).numbers,
            Step::Folder(_) => Vec::new(),
        })
        .collect();
    let first: BTreeSet<u32> = numbers
        .iter()
        .filter(|n| n.len() == 2)
        .filter_map(|n| n.first().copied())
        .collect();
    numbers
        .iter()
        .map(|n| match n.as_slice() {
            [section, _] if first.len() > 1 => Some(section.to_string()),
            _ => None,
        })
        .collect()
}

/// Takes `README` or `index` of the course folder out of the lessons, unless
/// it is all there is.
fn take_overview(tree: &Tree, plan: &mut CoursePlan) {
    let candidate = |name: &str| {
        plan.lessons.iter().position(|lesson| {
            let mut bodies = lesson.files.iter().filter_map(|i| tree.get(*i));
            lesson.files.len() == 1
                && bodies.all(|f| {
                    f.kind.is_body()
                        && f.dir().is_empty()
                        && is_intro(f.name())
                        && stem(f.name()).to_ascii_lowercase().starts_with(name)
                })
        })
    };
    let found = candidate("readme")
        .or_else(|| candidate("index"))
        .or_else(|| candidate("overview"));
    if let Some(at) = found.filter(|_| plan.lessons.len() > 1) {
        let lesson = plan.lessons.remove(at);
        plan.overview = lesson.files.first().copied();
    }
}

/// Puts lessons in the order of a `SUMMARY.md`, with its titles and headings.
/// Lessons it does not name follow in their own order.
pub(crate) fn follow_summary(tree: &Tree, plan: &mut CoursePlan, entries: &[Entry]) {
    let mut rest = std::mem::take(&mut plan.lessons);
    for entry in entries {
        let Some(index) = tree.find(&entry.path) else {
            continue;
        };
        let lesson = match rest.iter().position(|l| l.files.contains(&index)) {
            Some(at) => Some(rest.remove(at)),
            None if plan.overview == Some(index) => Some(LessonPlan {
                path: stem(&entry.path).to_owned(),
                section: None,
                name: String::new(),
                name_is_given: true,
                files: vec![index],
            }),
            None => None,
        };
        if let Some(mut lesson) = lesson {
            if !entry.title.is_empty() {
                lesson.name.clone_from(&entry.title);
                lesson.name_is_given = true;
            } else if lesson.name.is_empty() {
                lesson.name = title(file_name(&lesson.path));
            }
            lesson.section.clone_from(&entry.section);
            plan.lessons.push(lesson);
        }
    }
    plan.lessons.append(&mut rest);
}

/// Whether a lesson is nothing but material that another lesson may claim.
pub(crate) fn is_only_material(tree: &Tree, lesson: &LessonPlan) -> bool {
    lesson
        .files
        .iter()
        .filter_map(|i| tree.get(*i))
        .all(|f| !f.kind.is_primary() && f.kind != Kind::Info)
}
