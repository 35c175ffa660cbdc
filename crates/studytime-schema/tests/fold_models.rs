//! Rules 5 and 6 against models of their own: told again in the plainest way,
//! over feeds made up at random.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fold_support;

use fold_support::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use studytime_schema::MessageId;
use studytime_schema::content::Target;
use studytime_schema::fold::LearnerState;
use studytime_schema::view::LessonView;

/// One message of a course feed: what it is, the number it says, which earlier
/// message it names, and two choices more.
type Choice = (u8, u64, u8, u8, u8);

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec((0..8_u8, 0..3_u64, any::<u8>(), 0..4_u8, 0..4_u8), 0..60)
}

fn write(choices: &[Choice]) -> Author {
    let mut c = Author::new(9);
    for &(kind, number, pick, a, b) in choices {
        let named = match c.log.get(usize::from(pick) % c.log.len().max(1)) {
            Some(earlier) if pick % 9 != 0 => earlier.id,
            _ => message(pick),
        };
        let mut said = match kind {
            0 => lesson(number, ["", "A", "B", "C"][usize::from(a)], json!({})),
            1 => lesson_update(json!({"lesson_number": number})),
            2 => lesson_update(json!({"lesson": named})),
            3 => lesson_update(json!({"lesson": named, "lesson_number": number})),
            4 | 5 => attachment(number, "file", blob(pick)),
            6 => item_update(named, json!({})),
            _ => item_update(named, json!({"lesson_number": number})),
        };
        if matches!(kind, 1..=3 | 6 | 7) {
            match a {
                0 => said["removed"] = true.into(),
                1 => said["removed"] = false.into(),
                2 => said["name"] = ["", "X", "Y", "Z"][usize::from(b)].into(),
                _ => {}
            }
        }
        if matches!(kind, 0..=3) && b < 2 {
            said["section"] = ["", "S"][usize::from(b)].into();
        }
        c.say_json(said);
    }
    c
}

#[derive(Default, Clone)]
struct Thing {
    /// Every message that is it; the first is its identity.
    ids: Vec<MessageId>,
    name: String,
    section: String,
    removed: bool,
    /// Of a lesson: the number, and since which sequence it has it. Of an item:
    /// the place of its lesson, and nothing.
    at: (u64, u64),
}

/// Rule 5, sentence by sentence.
#[derive(Default)]
struct Model {
    lessons: Vec<Thing>,
    items: Vec<Thing>,
    refused: Vec<u64>,
}

impl Model {
    fn on(&self, number: u64, removed: bool) -> Option<usize> {
        (0..self.lessons.len())
            .filter(|n| self.lessons[*n].removed == removed && self.lessons[*n].at.0 == number)
            .max_by_key(|n| self.lessons[*n].at.1)
    }

    fn hold(&mut self, number: u64, msg: &Msg) -> usize {
        self.on(number, false).unwrap_or_else(|| {
            self.lessons.push(Thing {
                ids: vec![msg.id],
                at: (number, msg.sequence),
                ..Thing::default()
            });
            self.lessons.len() - 1
        })
    }

    fn take(&mut self, msg: &Msg) {
        let said: Value = serde_json::from_str(&msg.content).unwrap();
        let number = said["lesson_number"].as_u64();
        let named = |key: &str| {
            said[key]
                .as_str()
                .map(|id| id.parse::<MessageId>().unwrap())
        };
        let kind = said["type"].as_str().unwrap();
        let thing = match kind {
            "studytime_course_lesson" => {
                let at = self.hold(number.unwrap(), msg);
                self.lessons[at].ids.push(msg.id);
                Some(&mut self.lessons[at])
            }
            "studytime_course_lesson_update" => {
                let at = match named("lesson") {
                    Some(id) => self.lessons.iter().position(|l| l.ids.contains(&id)),
                    None => self
                        .on(number.unwrap(), false)
                        .or_else(|| self.on(number.unwrap(), true)),
                };
                if let Some(lesson) = at.map(|at| &mut self.lessons[at])
                    && let Some(number) = number.filter(|n| *n != lesson.at.0)
                {
                    lesson.at = (number, msg.sequence);
                }
                at.map(|at| &mut self.lessons[at])
            }
            "studytime_course_lesson_attachment" => {
                let at = self.hold(number.unwrap(), msg);
                self.items.push(Thing {
                    ids: vec![msg.id],
                    at: (at as u64, 0),
                    ..Thing::default()
                });
                self.items.last_mut()
            }
            _ => {
                let id = named("item").unwrap();
                let at = self.items.iter().position(|i| i.ids[0] == id);
                if let (Some(at), Some(number)) = (at, number) {
                    self.items[at].at.0 = self.hold(number, msg) as u64;
                }
                at.map(|at| &mut self.items[at])
            }
        };
        let Some(thing) = thing else {
            self.refused.push(msg.sequence);
            return;
        };
        match said["name"].as_str() {
            Some("") => self.refused.push(msg.sequence),
            Some(name) => thing.name = name.to_owned(),
            None => {}
        }
        if let Some(section) = said["section"].as_str() {
            thing.section = section.to_owned();
        }
        thing.removed = said["removed"].as_bool().unwrap_or(thing.removed);
    }

    /// Number, identity, name, section and items of each lesson that is shown.
    fn shown(&self) -> Vec<(u64, MessageId, String, String, Vec<MessageId>)> {
        let mut order: Vec<usize> = (0..self.lessons.len()).collect();
        order.sort_by_key(|at| self.lessons[*at].at);
        order
            .into_iter()
            .filter(|at| !self.lessons[*at].removed)
            .map(|at| {
                let lesson = &self.lessons[at];
                let items = self
                    .items
                    .iter()
                    .filter(|i| i.at.0 == at as u64 && !i.removed);
                (
                    lesson.at.0,
                    lesson.ids[0],
                    lesson.name.clone(),
                    lesson.section.clone(),
                    items.map(|i| i.ids[0]).collect::<Vec<_>>(),
                )
            })
            .filter(|(.., name, _, items)| !name.is_empty() || !items.is_empty())
            .collect()
    }
}

fn told(lesson: &LessonView) -> (u64, MessageId, String, String, Vec<MessageId>) {
    (
        lesson.lesson_number,
        lesson.id,
        lesson.name.clone(),
        lesson.section.clone().unwrap_or_default(),
        lesson.attachments.iter().map(|a| a.item).collect(),
    )
}

/// What a learner says: whose feed, of what, and which fields.
type Word = (u8, u8, Option<bool>, Option<u64>, u64);

fn words() -> impl Strategy<Value = Vec<Word>> {
    let flag = prop_oneof![Just(None), Just(Some(true)), Just(Some(false))];
    prop::collection::vec(
        (1..4_u8, 0..3_u8, flag, any::<Option<u64>>(), 0..20_u64),
        0..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lessons_and_items_by_a_model(choices in choices()) {
        let author = write(&choices);
        let (body, ignored) = author.body();
        let mut model = Model::default();
        for msg in &author.log {
            model.take(msg);
        }
        let shown: Vec<_> = body.outline().lessons.iter().map(told).collect();
        prop_assert_eq!(shown, model.shown());
        let reported: Vec<u64> = ignored.iter().map(|i| i.sequence).collect();
        prop_assert_eq!(reported, model.refused);
    }

    /// Within a feed the last word counts, whatever the clock says; between
    /// feeds the later one. The best score is kept, and never forgotten.
    #[test]
    fn marks_and_scores_by_a_model(words in words()) {
        let course = feed(9);
        let mut feeds: Vec<Author> = (1..4).map(Author::new).collect();
        for (who, what, done, position, time) in &words {
            let author = &mut feeds[usize::from(*who) - 1];
            let mut entry = json!({"feed_id": course, "item": message(*what)});
            if let Some(done) = done {
                entry["done"] = (*done).into();
            }
            if let Some(position) = position {
                entry["position_seconds"] = (position % 1000).into();
            }
            author.say_at(json!({"type": "studytime_progress", "entries": [entry]}), *time);
            author.say_at(json!({"type": "studytime_test_result", "feed_id": course,
                "item": message(*what), "score": time * 5, "passed": *time > 15}), *time);
        }
        let mut state = LearnerState::new();
        for author in feeds.iter().rev() {
            for msg in &author.log {
                prop_assert!(state.apply(msg).is_empty());
            }
        }
        for what in 0..3 {
            let of = |who: u8| words.iter().filter(move |w| (w.0, w.1) == (who, what));
            let last = |said: &dyn Fn(&Word) -> Option<u64>| {
                (1..4)
                    .filter_map(|who| of(who).rev().find_map(|w| Some((w.4, said(w)?))))
                    .max_by_key(|(time, _)| *time)
                    .map(|(_, value)| value)
            };
            let mark = state.mark(&course, Target::Item(message(what)));
            prop_assert_eq!(mark.done, last(&|w| w.2.map(u64::from)).map(|n| n == 1));
            prop_assert_eq!(mark.position_seconds, last(&|w| w.3.map(|p| p % 1000)));
            let tries: Vec<u64> = (1..4).flat_map(of).map(|w| w.4).collect();
            let score = state.score(&course, &message(what));
            prop_assert_eq!(score.map(|s| u64::from(s.best)), tries.iter().max().map(|t| t * 5));
            prop_assert_eq!(score.map_or(0, |s| s.attempts), tries.len() as u64);
            let passed = tries.iter().filter(|t| **t > 15).max();
            prop_assert_eq!(score.map_or((false, 0), |s| (s.passed, s.passed_time)),
                (passed.is_some(), passed.copied().unwrap_or(0)));
        }
    }
}
