//! `course …`

mod find;
mod start;

use crate::args::Course;
use crate::context::{Context, absolute};
use crate::failure::Failure;
use crate::render::{Fit, Table, Text, bytes, count};
use studytime_node::api::{
    CourseDeprecate, CourseExport, CourseLeave, CoursePause, CoursePin, CourseReply, CourseShow,
    CourseUpdate, DownloadsChange, DownloadsEdit, Problems, UnknownKeywords,
};
use studytime_schema::FeedId;

pub(crate) async fn run(context: &Context, course: Course) -> Result<(), Failure> {
    match course {
        Course::List(filter) => find::list(context, filter).await,
        Course::Search { words, filter } => find::search(context, &words.join(" "), filter).await,
        Course::Subjects => find::subjects(context).await,
        Course::Show { id, problems: true } => problems(context, id).await,
        Course::Keywords { limit } => keywords(context, limit).await,
        Course::Show { id, .. } => {
            let reply = context.call(CourseShow { id }).await?;
            context.out.value(&reply, |t| describe(t, &reply))
        }
        Course::Start {
            id,
            wait,
            from,
            patience,
        } => start::run(context, id, wait, from, patience).await,
        Course::Leave { id } => {
            let done = context.call(CourseLeave { id }).await?;
            context.out.value(&done, |t| {
                t.line("You have left the course. Your notes and results stay.")
            })
        }
        Course::Update { id, edit } => {
            let published = context
                .call(CourseUpdate {
                    id,
                    edit: edit.into(),
                })
                .await?;
            context.out.value(&published, |t| {
                t.line(format!(
                    "Published in {}.",
                    count(published.messages.len() as u64, "place", "places")
                ));
            })
        }
        Course::Deprecate {
            id,
            successor,
            reason,
            undo,
        } => {
            let published = context
                .call(CourseDeprecate {
                    id,
                    successor,
                    reason,
                    undo,
                })
                .await?;
            context.out.value(&published, |t| {
                t.line(match undo {
                    false => "The course is no longer recommended. Whoever learns it keeps it.",
                    true => "The course is recommended again.",
                });
            })
        }
        Course::Pin { id, undo } => {
            let done = context.call(CoursePin { id, pinned: !undo }).await?;
            context.out.value(&done, |t| {
                t.line(match undo {
                    false => "All of the course is kept here.",
                    true => "The course is no longer pinned.",
                });
            })
        }
        Course::Pause { id } => pause(context, id, true).await,
        Course::Resume { id } => pause(context, id, false).await,
        Course::Limit { id, rate } => limit(context, id, rate).await,
        Course::Export { id, dir } => {
            let dir = absolute(&dir)?;
            let reply = context
                .call_with_bar(CourseExport {
                    id,
                    dir: dir.clone(),
                })
                .await?;
            context.out.value(&reply, |t| {
                t.line(format!(
                    "Wrote {}, {}, to {}",
                    count(reply.files, "file", "files"),
                    bytes(reply.bytes),
                    dir.display()
                ));
                if !reply.missing.is_empty() {
                    t.gap();
                    t.heading("Not here, so missing in the folder:");
                    reply.missing.iter().for_each(|m| t.line(format!("  {m}")));
                }
            })
        }
    }
}

/// What was not taken of a course's messages.
async fn problems(context: &Context, id: FeedId) -> Result<(), Failure> {
    let problems = context.call(Problems { id }).await?;
    context.out.list(&problems, |t| {
        if problems.is_empty() {
            t.dim("All its messages that are here were understood.");
            return;
        }
        for problem in &problems {
            t.line(format!("message {}: {}", problem.sequence, problem.reason));
        }
    })
}

/// Keywords that the table of subjects does not know.
async fn keywords(context: &Context, limit: usize) -> Result<(), Failure> {
    let keywords = context.call(UnknownKeywords { limit }).await?;
    context.out.list(&keywords, |t| {
        if keywords.is_empty() {
            t.dim("Every course with keywords is in a subject.");
            return;
        }
        for word in &keywords {
            let courses = count(word.courses as u64, "course", "courses");
            t.line(format!("{}  ({courses})", word.keyword));
        }
        t.gap();
        t.dim("Give them a subject under [[subjects]] in config.toml.");
    })
}

async fn pause(context: &Context, id: FeedId, paused: bool) -> Result<(), Failure> {
    let done = context.call(CoursePause { id, paused }).await?;
    context.out.value(&done, |t| {
        t.line(match paused {
            true => "Fetching is paused: `studytime course resume` goes on.",
            false => "Fetching goes on.",
        });
    })
}

async fn limit(context: &Context, id: FeedId, rate: u64) -> Result<(), Failure> {
    let edit = DownloadsEdit {
        courses: vec![(id, rate)],
        ..DownloadsEdit::default()
    };
    let reply = context.call(DownloadsChange { edit }).await?;
    context.out.value(&reply, |t| {
        t.line(match rate {
            0 => "It is fetched without a limit of its own.".to_owned(),
            rate => format!("It is fetched at {}/s at most.", bytes(rate)),
        });
    })
}

fn describe(t: &mut Text, reply: &CourseReply) {
    let detail = &reply.detail;
    let record = &detail.record;
    t.heading(&record.name);
    if record.deprecated {
        let why = record
            .deprecation_reason
            .as_ref()
            .map_or_else(String::new, |r| format!(": {r}"));
        t.line(format!("No longer recommended{why}"));
        if let Some(instead) = &detail.replaced_by {
            t.line(format!(
                "Take instead: {} {}",
                instead.name, instead.feed_id
            ));
        }
    }
    if let Some(about) = detail.about.as_ref().or(record.description.as_ref()) {
        t.gap();
        t.block(about);
    }
    t.gap();
    let minutes = record
        .duration_minutes
        .map_or_else(String::new, |m| match m {
            0..120 => format!("{m} minutes"),
            _ => format!("{} hours", m / 60),
        });
    let lists: Vec<String> = detail
        .lists
        .iter()
        .map(|l| l.name.clone().unwrap_or_else(|| l.feed_id.to_string()))
        .collect();
    let state = match (detail.enrolled, reply.paused) {
        (true, false) => format!("started, {} % done", detail.progress.percent),
        (true, true) => format!(
            "started, {} % done, fetching is paused",
            detail.progress.percent
        ),
        (false, _) => String::new(),
    };
    t.facts([
        ("id", record.feed_id.to_string()),
        ("subject", detail.subject.clone()),
        ("keywords", record.keywords.join(", ")),
        ("language", record.language.clone().unwrap_or_default()),
        (
            "level",
            record
                .level
                .map(|l| l.as_str().to_owned())
                .unwrap_or_default(),
        ),
        ("duration", minutes),
        ("by", record.provider.clone().unwrap_or_default()),
        ("licence", record.license.clone().unwrap_or_default()),
        ("source", record.source_url.clone().unwrap_or_default()),
        ("listed by", lists.join(", ")),
        (
            "learners",
            match detail.learners {
                0 => String::new(),
                n => n.to_string(),
            },
        ),
        ("size", size(reply)),
        ("here", amount(reply.bytes_here, reply.bytes_total)),
        ("you", state),
        (
            "pinned",
            if reply.pinned {
                "yes".into()
            } else {
                String::new()
            },
        ),
        (
            "yours",
            if reply.own {
                "yes".into()
            } else {
                String::new()
            },
        ),
    ]);
    t.gap();
    if detail.lessons.is_empty() {
        t.dim(match detail.feed_here {
            true => "It has no lessons yet.",
            false => "Its lessons are not here yet: they come from a node that has the course.",
        });
        return;
    }
    let mut table = Table::new([
        ("", Fit::Whole),
        ("No", Fit::Number),
        ("Lesson", Fit::Cut),
        ("Content", Fit::Cut),
        ("Section", Fit::Cut),
    ]);
    for lesson in &detail.lessons {
        let mut content = Vec::new();
        if lesson.has_text {
            content.push("text".to_owned());
        }
        for (n, one, many) in [
            (lesson.videos, "video", "videos"),
            (lesson.attachments, "file", "files"),
            (lesson.tests, "test", "tests"),
        ] {
            if n > 0 {
                content.push(count(n as u64, one, many));
            }
        }
        table.row([
            if lesson.done {
                "✓".into()
            } else {
                String::new()
            },
            lesson.lesson_number.to_string(),
            lesson.name.clone(),
            content.join(", "),
            lesson.section.clone().unwrap_or_default(),
        ]);
    }
    t.table(&table);
}

/// How large all of it is, as far as anybody said.
fn size(reply: &CourseReply) -> String {
    let total = match reply.bytes_total {
        0 => String::new(),
        total => bytes(total),
    };
    match (reply.bytes_total, reply.unknown_files) {
        // All of its text is in messages, and these are here.
        (0, 0) if reply.detail.feed_here => String::new(),
        (0, 0) => "not known yet".into(),
        (_, 0) => total,
        (0, n) => format!("{} of unknown size", count(n, "file", "files")),
        (_, n) => format!("{total}, and {} of unknown size", count(n, "file", "files")),
    }
}

/// How much of something is here.
fn amount(here: u64, total: u64) -> String {
    match total {
        0 => String::new(),
        total if here >= total => format!("all of it ({})", bytes(total)),
        total => format!("{} of {}", bytes(here), bytes(total)),
    }
}
