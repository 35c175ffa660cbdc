//! `progress`

use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Fit, Table, Text, date};
use serde::Serialize;
use studytime_node::api::{ApiError, CourseShow, Learner};
use studytime_schema::FeedId;

pub(crate) async fn run(context: &Context, id: Option<FeedId>) -> Result<(), Failure> {
    match id {
        Some(id) => one(context, id).await,
        None => all(context).await,
    }
}

async fn all(context: &Context) -> Result<(), Failure> {
    let learner = context.call(Learner {}).await?;
    context.out.list(&learner.courses, |t| {
        if learner.courses.is_empty() {
            t.dim("No course is started yet: `studytime course list`, then `studytime course start ID`");
            return;
        }
        let mut table = Table::new([
            ("Course", Fit::Cut),
            ("Done", Fit::Number),
            ("Lessons", Fit::Number),
            ("Go on at", Fit::Cut),
            ("Last", Fit::Whole),
            ("Id", Fit::Whole),
        ]);
        for course in &learner.courses {
            let progress = &course.progress;
            let next = progress.continue_at.as_ref();
            table.row([
                course.name.clone(),
                format!("{} %", progress.percent),
                format!("{}/{}", progress.lessons_done, progress.lessons_total),
                next.map_or_else(String::new, |c| format!("{} {}", c.lesson.lesson_number, c.lesson.name)),
                date(progress.last_active),
                course.feed_id.to_string(),
            ]);
        }
        t.table(&table);
        for course in learner.courses.iter().filter(|c| c.deprecated) {
            t.gap();
            outdated(
                t,
                &course.feed_id,
                &format!("{:?}", course.name),
                course.deprecation_reason.as_deref(),
                course.replaced_by.as_ref().map(|r| (r.name.as_str(), r.feed_id)),
            );
        }
    })
}

/// Why a course is no longer recommended, and what to do then.
fn outdated(
    t: &mut Text,
    id: &FeedId,
    name: &str,
    reason: Option<&str>,
    instead: Option<(&str, FeedId)>,
) {
    let why = reason.map_or_else(String::new, |r| format!(": {r}"));
    t.line(format!(
        "{name} is no longer recommended{why}. You keep it."
    ));
    if let Some((other, instead)) = instead {
        let other = match other {
            "" => "the course that takes its place".to_owned(),
            name => format!("{name:?}"),
        };
        t.line(format!(
            "Go on in {other}, with what you did: studytime course start '{instead}' --from '{id}'"
        ));
    }
}

async fn one(context: &Context, id: FeedId) -> Result<(), Failure> {
    let course = context.call(CourseShow { id }).await?.detail;
    if !course.enrolled {
        return Err(
            ApiError::not_found(format!("you have not started {:?}", course.record.name))
                .hint(format!("studytime course start '{id}'"))
                .into(),
        );
    }
    #[derive(Serialize)]
    struct Shape<'a, P, L> {
        feed_id: FeedId,
        name: &'a str,
        #[serde(flatten)]
        progress: &'a P,
        lessons: &'a [L],
    }
    let shape = Shape {
        feed_id: id,
        name: &course.record.name,
        progress: &course.progress,
        lessons: &course.lessons,
    };
    context.out.value(&shape, |t| {
        let progress = &course.progress;
        t.heading(format!(
            "{}: {} %, {} of {} lessons done",
            course.record.name, progress.percent, progress.lessons_done, progress.lessons_total
        ));
        let mut table = Table::new([
            ("", Fit::Whole),
            ("No", Fit::Number),
            ("Lesson", Fit::Cut),
            ("Done", Fit::Number),
        ]);
        for lesson in &course.lessons {
            table.row([
                if lesson.done {
                    "✓".into()
                } else {
                    String::new()
                },
                lesson.lesson_number.to_string(),
                lesson.name.clone(),
                format!("{} %", lesson.percent),
            ]);
        }
        t.table(&table);
        let record = &course.record;
        if record.deprecated {
            t.gap();
            let reason = record.deprecation_reason.as_deref();
            let instead = course.replaced_by.as_ref();
            let instead = instead.map(|r| (r.name.as_str(), r.feed_id));
            outdated(t, &id, "It", reason, instead);
        }
        if let Some(next) = &progress.continue_at {
            t.gap();
            t.line(format!(
                "Go on: studytime lesson show '{id}' {}",
                next.lesson.lesson_number
            ));
        }
    })
}
