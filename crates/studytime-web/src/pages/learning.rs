use super::home::{GoingOn, started};
use super::lesson::Note;
use crate::app::App;
use crate::form::Query;
use crate::page::{Problem, Shell, html};
use crate::text::{self, Moment};
use crate::view;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use studytime_node::api::{Learner, NoteList, path};

/// Notes on the page; the rest is on the lessons' own pages.
const MAX_NOTES: usize = 100;

struct Mark {
    href: String,
    name: String,
    course: (String, String),
    time: Option<Moment>,
}

struct Outcome {
    href: Option<String>,
    name: String,
    course: (String, String),
    percent: u8,
    passed: bool,
    time: Option<Moment>,
}

#[derive(Template)]
#[template(path = "learning.html")]
struct Learning {
    shell: Shell,
    going_on: Vec<GoingOn>,
    finished: Vec<GoingOn>,
    notes: Vec<Note>,
    more_notes: usize,
    bookmarks: Vec<Mark>,
    results: Vec<Outcome>,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    let (learner, notes, started) = tokio::try_join!(
        app.node.call(Learner {}),
        app.node.call(NoteList { id: None }),
        app.node.call(started()),
    )?;
    let course =
        |c: &studytime_index::CourseRef| (path::course_path(&c.feed_id), view::named(&c.name));
    let (finished, going_on) = learner
        .courses
        .into_iter()
        .map(|course| GoingOn::new(course, &started.items))
        .partition(|course| course.finished);
    html(&Learning {
        shell: Shell::new(&app, "learning", "My learning").notice(query.get("done")),
        going_on,
        finished,
        more_notes: notes.len().saturating_sub(MAX_NOTES),
        notes: notes.into_iter().take(MAX_NOTES).map(Note::new).collect(),
        bookmarks: learner
            .bookmarks
            .iter()
            .map(|b| Mark {
                href: match b.lesson_number {
                    Some(n) => path::lesson_path(&b.course.feed_id, n),
                    None => path::course_path(&b.course.feed_id),
                },
                name: match (b.lesson, b.lesson_number) {
                    (Some(_), Some(n)) => view::lesson_name(&b.lesson_name, n),
                    (Some(_), None) => "A lesson that is gone".to_owned(),
                    (None, _) => "The whole course".to_owned(),
                },
                course: course(&b.course),
                time: text::moment(b.time),
            })
            .collect(),
        results: learner
            .results
            .iter()
            .map(|r| Outcome {
                href: r.lesson_number.map(|n| {
                    let lesson = path::lesson_path(&r.course.feed_id, n);
                    format!("{lesson}#test-{}", path::message_segment(&r.item))
                }),
                name: if r.name.is_empty() {
                    "A test".to_owned()
                } else {
                    r.name.clone()
                },
                course: course(&r.course),
                percent: r.percent,
                passed: r.passed,
                time: text::moment(r.time),
            })
            .collect(),
    })
}
