//! Grading answers.

use super::question::{Answer, Question, QuestionKind};
use crate::text;
use serde::{Deserialize, Serialize};

/// What an answer earned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// The points earned, from 0 to `points`.
    pub earned: f64,
    /// The points there were to earn.
    pub points: u64,
    /// Whether the answer is right as a whole.
    pub correct: bool,
}

/// What all answers to a test earned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestGrade {
    /// One grade a question, in the test's order.
    pub grades: Vec<Grade>,
    /// The points earned.
    pub earned: f64,
    /// The points there were to earn.
    pub points: u64,
    /// Percent of the points earned, rounded down: the `score` of a test result.
    pub percent: u8,
}

impl TestGrade {
    /// Whether the score reaches `pass_percent`.
    pub const fn passes(&self, pass_percent: u8) -> bool {
        self.percent >= pass_percent
    }
}

/// Grades a test. `answers` stand in the questions' order; missing ones count
/// as skipped. A test of no points is worth 100 percent.
pub fn grade_test(questions: &[Question], answers: &[Answer]) -> TestGrade {
    let grades: Vec<Grade> = questions
        .iter()
        .enumerate()
        .map(|(i, q)| q.grade(answers.get(i).unwrap_or(&Answer::Skipped)))
        .collect();
    let earned: f64 = grades.iter().map(|g| g.earned).sum();
    let points: u64 = grades.iter().map(|g| g.points).sum();
    TestGrade {
        earned,
        points,
        percent: percent(earned, points),
        grades,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn percent(earned: f64, points: u64) -> u8 {
    if points == 0 {
        return 100;
    }
    // The small term keeps 3 x 1/3 from counting as 99 percent.
    ((earned / points as f64 * 100.0 + 1e-9).floor()).clamp(0.0, 100.0) as u8
}

impl Question {
    /// Grades an answer.
    ///
    /// Partial credit, as a share of the question's points:
    ///
    /// | kind | credit |
    /// |---|---|
    /// | `single`, `true_false`, `numeric`, `text` | all or nothing |
    /// | `multiple` | (right ones chosen - wrong ones chosen) / right ones, not below 0; nothing right to choose: all or nothing |
    /// | `order` | neighbours in the right order (each directly followed by its successor) / (items - 1) |
    /// | `match` | right pairs / pairs |
    ///
    /// An answer of another kind, or with indices that do not exist, earns nothing.
    #[allow(clippy::cast_precision_loss)]
    pub fn grade(&self, answer: &Answer) -> Grade {
        let share = self.kind.share(answer).clamp(0.0, 1.0);
        Grade {
            earned: share * self.points as f64,
            points: self.points,
            correct: share >= 1.0,
        }
    }

    /// An order in which to show the `items` of an `order` question, the right
    /// sides of a `match` question (`pairs`, then `extra`), or the options of
    /// others: indices, the same for the same seed, and never the right order
    /// where there is another one.
    ///
    /// Options of `single` and `multiple` are shown as the author wrote them.
    pub fn display_order(&self, seed: u64) -> Vec<usize> {
        let len = match &self.kind {
            QuestionKind::Order { items } => items.len(),
            QuestionKind::Match { pairs, extra } => pairs.len() + extra.len(),
            QuestionKind::Single { options, .. } | QuestionKind::Multiple { options, .. } => {
                return (0..options.len()).collect();
            }
            _ => return Vec::new(),
        };
        shuffled(len, seed)
    }
}

/// A permutation of `0..len` that is not the identity when `len > 1`.
fn shuffled(len: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    let mut state = seed;
    for i in (1..len).rev() {
        // SplitMix64: small, and the same on every machine.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let j = usize::try_from(z % (i as u64 + 1)).unwrap_or(0);
        order.swap(i, j);
    }
    if len > 1 && order.iter().enumerate().all(|(i, n)| i == *n) {
        order.rotate_left(1);
    }
    order
}

impl QuestionKind {
    #[allow(clippy::cast_precision_loss)]
    fn share(&self, answer: &Answer) -> f64 {
        let all = |right: bool| if right { 1.0 } else { 0.0 };
        match (self, answer) {
            (Self::Single { answer, .. }, Answer::Single { choice }) => all(answer == choice),
            (Self::TrueFalse { answer }, Answer::TrueFalse { value }) => all(answer == value),
            (Self::Multiple { options, answers }, Answer::Multiple { choices }) => {
                let mut chosen = choices.clone();
                chosen.sort_unstable();
                chosen.dedup();
                if chosen.last().is_some_and(|last| *last >= options.len()) {
                    return 0.0;
                }
                let right = chosen.iter().filter(|c| answers.contains(c)).count();
                let wrong = chosen.len() - right;
                if answers.is_empty() {
                    all(wrong == 0)
                } else {
                    (right as f64 - wrong as f64) / answers.len() as f64
                }
            }
            (
                Self::Numeric {
                    answer, tolerance, ..
                },
                Answer::Numeric { value },
            ) => all(parse_number(value).is_some_and(|n| {
                // A hair of slack, so that 0.3 is within 0.1 of 0.2.
                let slack = 1e-12 * answer.abs().max(1.0);
                (n - answer).abs() <= tolerance.abs() + slack
            })),
            (
                Self::Text {
                    answers,
                    case_sensitive,
                    ignore_accents,
                },
                Answer::Text { value },
            ) => {
                let norm = |t: &str| text::plain(t, !case_sensitive, *ignore_accents);
                let given = norm(value);
                all(answers.iter().any(|a| norm(a) == given))
            }
            (Self::Order { items }, Answer::Order { order }) => share_in_order(items, order),
            (Self::Match { pairs, extra }, Answer::Match { matches }) => {
                let right_side = |i: usize| {
                    pairs
                        .get(i)
                        .map(|p| &p.right)
                        .or_else(|| extra.get(i.checked_sub(pairs.len())?))
                };
                let right = pairs
                    .iter()
                    .zip(matches)
                    .filter(|(pair, chosen)| {
                        chosen
                            .and_then(right_side)
                            .is_some_and(|r| *r == pair.right)
                    })
                    .count();
                right as f64 / pairs.len().max(1) as f64
            }
            _ => 0.0,
        }
    }
}

/// Equal texts may stand for each other, so texts are compared, not indices.
#[allow(clippy::cast_precision_loss)]
fn share_in_order(items: &[String], order: &[usize]) -> f64 {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.len() != items.len() || sorted.iter().enumerate().any(|(i, n)| i != *n) {
        return 0.0;
    }
    let given: Vec<&String> = order.iter().filter_map(|i| items.get(*i)).collect();
    if given.iter().copied().eq(items.iter()) {
        return 1.0;
    }
    let right = given
        .windows(2)
        .filter(|g| items.windows(2).any(|i| *g[0] == i[0] && *g[1] == i[1]))
        .count();
    let share = right as f64 / (items.len().max(2) - 1) as f64;
    // Repeated texts could make every neighbour right in a wrong order.
    share.min(0.99)
}

/// A number as people type it: spaces as thousands marks, a decimal point or
/// comma, a sign, an exponent.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let mut clean: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '_' | '\''))
        .map(|c| if c == '\u{2212}' { '-' } else { c })
        .collect();
    let commas = clean.matches(',').count();
    if commas == 1 && !clean.contains('.') {
        clean = clean.replace(',', ".");
    } else if commas > 0 {
        // "1,234.5" or "1,234,567": commas are thousands marks.
        clean.retain(|c| c != ',');
    }
    let plain = clean
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    clean.parse::<f64>().ok().filter(|n| plain && n.is_finite())
}
