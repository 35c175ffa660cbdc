use super::{course_id, lesson_number};
use crate::app::App;
use crate::form::Form;
use crate::markup::{self, Kind};
use crate::page::{Problem, Shell, html};
use crate::questions;
use crate::view;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use studytime_node::api::{LessonShow, TestSubmit, path};

/// A question with what was answered and what would have been right.
struct Graded {
    number: usize,
    html: String,
    correct: bool,
    partly: Option<String>,
    given: Option<String>,
    solution: String,
    explanation: Option<String>,
}

#[derive(Template)]
#[template(path = "test.html")]
struct TestResult {
    shell: Shell,
    course_href: String,
    course_name: String,
    href: String,
    again: String,
    name: String,
    percent: u8,
    pass_percent: u8,
    passed: bool,
    right: usize,
    questions: Vec<Graded>,
    next: Option<String>,
}

/// Grades the answers and shows what was right.
pub(crate) async fn submit(
    State(app): State<App>,
    Path((id, number, item)): Path<(String, String, String)>,
    Form(form): Form,
) -> Result<Response, Problem> {
    let (id, number) = (course_id(&id)?, lesson_number(&number)?);
    let item = path::message_in_path(&item)
        .ok_or_else(|| Problem::not_found("That is not the address of a test."))?;
    let lesson = app.node.call(LessonShow { id, number }).await?;
    let test = lesson
        .tests
        .iter()
        .find(|test| test.item == item)
        .ok_or_else(|| Problem::not_found("That test is no longer part of this lesson."))?;
    if test.questions.is_empty() {
        return Err(Problem::not_found(
            "The questions of this test have not arrived yet. Try again in a moment.",
        ));
    }
    let answers = questions::answers(&test.questions, &form);
    let reply = app
        .node
        .call(TestSubmit {
            id,
            item,
            answers: answers.clone(),
        })
        .await?;
    let graded =
        reply
            .questions
            .iter()
            .zip(&reply.grades)
            .enumerate()
            .map(|(i, (question, grade))| Graded {
                number: i + 1,
                html: markup::render(&question.question, Kind::Markdown).html,
                correct: grade.correct,
                partly: (!grade.correct && grade.earned > 0.0)
                    .then(|| format!("{:.1} of {}", grade.earned, grade.points)),
                given: questions::given(&question.kind, answers.get(i).and_then(Option::as_ref)),
                solution: questions::solution(&question.kind),
                explanation: question
                    .explanation
                    .as_deref()
                    .map(|text| markup::render(text, Kind::Markdown).html),
            });
    let href = path::lesson_path(&id, number);
    html(&TestResult {
        shell: Shell::new(&app, "courses", format!("{}: result", test.name)),
        course_href: path::course_path(&id),
        course_name: view::named(&lesson.course_name),
        again: format!("{href}#test-{}", path::message_segment(&item)),
        name: test.name.clone(),
        percent: reply.percent,
        pass_percent: test.pass_percent,
        passed: reply.passed,
        right: reply.grades.iter().filter(|g| g.correct).count(),
        questions: graded.collect(),
        next: lesson.next.map(|n| path::lesson_path(&id, n)),
        href,
    })
}
