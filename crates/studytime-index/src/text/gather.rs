//! Documents to courses: one match a course, with the lesson that shows it best.

use super::search::Found;
use std::cmp::Reverse;

/// Documents of one course put together: its own rows and its best lesson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// The course's place in the columns.
    pub(crate) at: u32,
    pub(crate) words: u32,
    pub(crate) score: f32,
    /// The document of the lesson that matches best.
    pub(crate) lesson: Option<u64>,
}

/// What was found of one course so far.
#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    words: u32,
    score: f32,
    /// Which of the documents is the best lesson, and one more; 0 for none.
    best: u32,
}

impl Gathered {
    /// How good a lesson is: the words it adds, its score, its number. Rows are
    /// numbered as they came, so they decide only among lessons on one number.
    fn worth(&self, lesson: &Found) -> (u32, f32, Reverse<u64>, Reverse<u64>) {
        let words = (lesson.words | self.words).count_ones();
        (
            words,
            lesson.score,
            Reverse(lesson.number),
            Reverse(lesson.doc),
        )
    }
}

/// One match a course: words may be found in its record and one of its lessons
/// together. `place` gives a course's place in the columns, below `places`;
/// `wanted` is the set of words to have, `least` how many of them.
pub(crate) fn by_course(
    found: &[Found],
    places: usize,
    place: impl Fn(u64) -> Option<u32>,
    wanted: u32,
    least: u32,
) -> Vec<Match> {
    let mut gathered = vec![Gathered::default(); places];
    let mut touched: Vec<u32> = Vec::new();
    let lesson = |best: u32| best.checked_sub(1).and_then(|at| found.get(at as usize));
    // Records first: which lesson is best depends on what the record has.
    for lessons in [false, true] {
        for (number, f) in (1..).zip(found).filter(|(_, f)| f.lesson == lessons) {
            let Some(at) = place(f.course) else { continue };
            let Some(course) = gathered.get_mut(at as usize) else {
                continue;
            };
            if course.words == 0 && course.best == 0 {
                touched.push(at);
            }
            if !lessons {
                course.words |= f.words;
                course.score += f.score;
            } else if lesson(course.best).is_none_or(|best| course.worth(f) > course.worth(best)) {
                course.best = number;
            }
        }
    }
    let matches = touched.into_iter().filter_map(|at| {
        let course = gathered.get(at as usize)?;
        let lesson = lesson(course.best);
        Some(Match {
            at,
            words: course.words | lesson.map_or(0, |l| l.words),
            score: course.score + lesson.map_or(0.0, |l| l.score),
            lesson: lesson.map(|l| l.doc),
        })
    });
    matches
        .filter(|m| (m.words & wanted).count_ones() >= least)
        .collect()
}
