//! What `coursera-dl` and `dl-coursera` leave on disk: found by its structure.

use crate::draft::Layout;
use crate::folder::Rules;
use crate::kind::Kind;
use crate::names::file_name;
use crate::tree::Tree;

/// Fewest lecture files that make the pattern convincing.
const MIN_LECTURES: usize = 2;

/// `NN_` or `NN@` in front, as the downloaders number from 01.
fn numbered(name: &str, mark: u8) -> bool {
    matches!(name.as_bytes(), [a, b, c, ..] if a.is_ascii_digit() && b.is_ascii_digit() && *c == mark)
}

/// `COURSE-SLUG_NN_`, which `--verbose-dirs` puts in front of sections.
fn verbose_prefix(name: &str) -> Option<&str> {
    let bytes = name.as_bytes();
    let at = bytes.windows(4).position(
        |w| matches!(w, [b'_', a, b, b'_'] if a.is_ascii_digit() && b.is_ascii_digit()),
    )?;
    let prefix = name.get(..=at)?;
    let upper = prefix
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    (upper && prefix.bytes().any(|b| b.is_ascii_uppercase())).then_some(prefix)
}

/// Reads the structure; the titles are filled in by whoever can read files.
pub(crate) fn detect(tree: &Tree) -> Option<Rules> {
    let dirs: Vec<&str> = tree
        .dirs
        .keys()
        .map(|path| file_name(path))
        .filter(|name| !name.is_empty())
        .collect();
    let lectures: Vec<&str> = tree
        .files
        .iter()
        .filter(|f| f.path.contains('/'))
        .filter(|f| f.kind.is_primary() || matches!(f.kind, Kind::Document | Kind::Caption))
        .map(|f| f.name())
        .collect();
    let syllabus = tree.files.iter().any(|f| {
        f.name().ends_with("-syllabus-parsed.json") || f.name().ends_with("-syllabus-raw.json")
    });
    if dirs.is_empty() || lectures.len() < MIN_LECTURES {
        return None;
    }
    let rules = Rules {
        layout: Some(Layout::Coursera),
        ..Rules::default()
    };
    if lectures.iter().filter(|n| numbered(n, b'@')).count() * 2 > lectures.len()
        && dirs.iter().any(|n| numbered(n, b'@'))
    {
        return Some(Rules {
            leaf_is_lesson: true,
            ..rules
        });
    }
    let prefix = dirs.iter().find_map(|name| verbose_prefix(name));
    let all_dirs = dirs
        .iter()
        .all(|n| numbered(n, b'_') || prefix.is_some_and(|p| n.starts_with(p)) || *n == "notebook");
    let most_files =
        lectures.iter().filter(|n| numbered(n, b'_')).count() * 10 >= lectures.len() * 9;
    (most_files && (all_dirs || syllabus)).then(|| Rules {
        prefix: prefix.map(str::to_owned),
        ..rules
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::plan;
    use crate::problem::Problems;
    use crate::source::FileEntry;

    fn lessons(paths: &[&str]) -> Vec<String> {
        let entries = paths
            .iter()
            .enumerate()
            .map(|(handle, path)| FileEntry {
                path: (*path).to_owned(),
                size: 1,
                handle,
            })
            .collect();
        let mut problems = Problems::default();
        let tree = Tree::new(entries, "crypto-001", &mut problems);
        let rules = detect(&tree).expect("recognised");
        plan(&tree, &rules, &mut problems)
            .lessons
            .iter()
            .map(|l| {
                format!(
                    "{} | {} | {}",
                    l.section.as_deref().unwrap_or("-"),
                    l.name,
                    l.files.len()
                )
            })
            .collect()
    }

    #[test]
    fn three_levels() {
        assert_eq!(
            lessons(&[
                "01_week-one/01_welcome/01_intro.mp4",
                "01_week-one/01_welcome/01_intro.en.srt",
                "01_week-one/01_welcome/02_read-this_instructions.html",
                "01_week-one/02_ciphers/01_what-is-it.mp4",
                "02_week-two/01_attacks/01_many-time-pad.mp4",
            ]),
            [
                "Week one / Welcome | Intro | 2",
                "Week one / Welcome | Read this | 1",
                "Week one / Ciphers | What is it | 1",
                "Week two / Attacks | Many time pad | 1",
            ]
        );
    }

    #[test]
    fn two_levels_with_verbose_names_and_combined_numbers() {
        assert_eq!(
            lessons(&[
                "CRYPTO-001_01_Course_Overview/01_01_What_is_it_10-50.mp4",
                "CRYPTO-001_01_Course_Overview/01_02_History.mp4",
                "CRYPTO-001_02_Stream_Ciphers/02_01_Pad.mp4",
            ]),
            [
                "Course Overview | What is it 10-50 | 1",
                "Course Overview | History | 1",
                "Stream Ciphers | Pad | 1",
            ]
        );
    }

    #[test]
    fn lectures_in_folders_of_their_own() {
        assert_eq!(
            lessons(&[
                "01@week/01@start/01@hello/01@.mp4",
                "01@week/01@start/01@hello/01@.en.srt",
                "01@week/01@start/01@hello/slides.pdf",
                "01@week/01@start/02@read-me/01@read-me.html",
            ]),
            ["Week / Start | Hello | 3", "Week / Start | Read me | 1"]
        );
    }

    #[test]
    fn an_ordinary_folder_is_not_taken() {
        let entries = ["Week 1/intro.md", "Week 1/02_x.md", "Week 2/a.mp4"]
            .iter()
            .map(|path| FileEntry {
                path: (*path).to_owned(),
                size: 1,
                handle: 0,
            })
            .collect();
        assert!(detect(&Tree::new(entries, "x", &mut Problems::default())).is_none());
    }
}
