//! Any messages, folded: the same state however often a message comes, in
//! whatever order feeds arrive, and after being stored and read back.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use studytime_fuzz::{Many, content::ContentText, feeds::keys, within};
use studytime_schema::fold::{CourseBody, Input, LearnerState, Listing, Step, merge_course};
use studytime_schema::{FeedId, MessageId};

#[derive(Arbitrary, Debug)]
struct Case {
    /// After which message the states are stored and read back.
    pause: u8,
    messages: Many<(u8, u32, bool, ContentText), 30>,
}

/// One message: author, sequence, claimed time, privacy, content.
struct Message<'a> {
    feed: FeedId,
    sequence: u64,
    time: f64,
    private: bool,
    text: &'a str,
}

impl Message<'_> {
    fn input(&self) -> Input<'_> {
        // Contents name ids of twelve messages, so that some of them fit.
        let n = (self.sequence % 13) as u8;
        Input {
            feed: self.feed,
            sequence: self.sequence,
            id: MessageId::from_bytes([n; 32]),
            timestamp: self.time,
            content: Some(self.text),
            private: self.private,
        }
    }
}

fuzz_target!(|case: Case| within(64 << 20, || run(&case)));

fn run(case: &Case) {
    let messages: Vec<Message<'_>> = (1..)
        .zip(&case.messages.0)
        .map(|(sequence, (author, time, private, text))| Message {
            feed: keys(author % 3).id(),
            sequence,
            time: f64::from(*time),
            private: *private,
            text: &text.0,
        })
        .collect();
    let pause = usize::from(case.pause);

    let mut bodies = Vec::new();
    let mut listings = Vec::new();
    for n in 0..3 {
        let feed = keys(n).id();
        let body = folded(CourseBody::new(feed), &messages, pause, |s, m| {
            drop(s.apply(m.input()))
        });
        let outline = body.outline();
        let steps = messages
            .iter()
            .filter_map(|m| Step::read(m.input()).ok().flatten());
        let mut by_step = CourseBody::new(feed);
        for step in steps {
            by_step.apply_step(&step);
        }
        assert_eq!(by_step.outline(), outline);
        for lesson in &outline.lessons {
            assert_eq!(body.lesson_id(&lesson.id), Some(lesson.id));
            let _ = (lesson.blobs(), lesson.needs());
        }
        bodies.push(body);
        for list in 0..3 {
            let listing = Listing::new(keys(list).id(), feed);
            listings.push(folded(listing, &messages, pause, |s, m| {
                drop(s.apply(m.input()))
            }));
        }
    }
    let mut learner = folded(LearnerState::new(), &messages, pause, |s, m| {
        drop(s.apply(m.input()))
    });
    // Feeds arrive in any order.
    let mut other = LearnerState::new();
    for n in (0..3).rev() {
        for message in messages.iter().filter(|m| m.feed == keys(n).id()) {
            other.apply(message.input());
        }
    }
    assert_eq!(other, learner);
    let mut by_step = LearnerState::new();
    let steps = messages
        .iter()
        .filter_map(|m| Step::read(m.input()).ok().flatten());
    for step in steps {
        by_step.apply_step(&step);
        by_step.apply_step(&step);
    }
    assert_eq!(by_step, learner);
    let _ = (
        learner.notes(),
        learner.bookmarks(),
        learner.catalogs(),
        learner.recent(),
    );
    for body in &bodies {
        let rows: Vec<(FeedId, &Listing)> = listings
            .iter()
            .filter(|l| l.course() == body.feed())
            .map(|l| (l.list(), l))
            .collect();
        let _ = merge_course(body.feed(), &rows, body.own());
        let progress = learner.course_progress(&body.feed(), &body.outline());
        let _ = format!("{progress:?}");
        learner.set_local([]);
    }
}

/// Folds the messages, repeats some, and stores the state in between.
fn folded<S: Serialize + DeserializeOwned + PartialEq + Debug>(
    mut state: S,
    messages: &[Message<'_>],
    pause: usize,
    apply: impl Fn(&mut S, &Message<'_>),
) -> S {
    for (at, message) in messages.iter().enumerate() {
        apply(&mut state, message);
        if at % 5 == pause % 5 {
            let stored = serde_json::to_string(&state).expect("states serialise");
            let read: S = serde_json::from_str(&stored).expect("states read back");
            assert_eq!(read, state);
            for again in &messages[..=at] {
                apply(&mut state, again);
            }
            assert_eq!(read, state, "a repetition changed something");
            state = read;
        }
    }
    state
}
