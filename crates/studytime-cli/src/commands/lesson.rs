//! `lesson …`

use crate::args::Lesson;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Text, bytes, date};
use serde::Serialize;
use studytime_node::api::{
    AttachmentInfo, LessonDone, LessonReply, LessonShow, NoteInfo, TestInfo, VideoInfo,
};
use studytime_schema::content::LessonContentType;
use studytime_schema::{FeedId, MessageId};

pub(crate) async fn run(context: &Context, lesson: Lesson) -> Result<(), Failure> {
    match lesson {
        Lesson::Show { id, number } => {
            let reply = context.call(LessonShow { id, number }).await?;
            context
                .out
                .value(&Shape::of(&reply), |t| describe(t, &reply))
        }
        Lesson::Done { id, number, undo } => {
            let done = context
                .call(LessonDone {
                    id,
                    number,
                    done: !undo,
                })
                .await?;
            context.out.value(&done, |t| {
                t.line(match undo {
                    false => format!("Lesson {number} is done."),
                    true => format!("Lesson {number} is not done."),
                });
            })
        }
    }
}

/// A lesson as `--json` prints it: what scripts need at top level. The `path`
/// of a video or file is a URL path on the pages' address.
#[derive(Debug, Serialize)]
struct Shape<'a> {
    feed_id: FeedId,
    course_name: &'a str,
    lesson: MessageId,
    lesson_number: u64,
    name: &'a str,
    section: Option<&'a str>,
    description: Option<&'a str>,
    content: Option<&'a str>,
    content_type: LessonContentType,
    videos: &'a [VideoInfo],
    attachments: &'a [AttachmentInfo],
    tests: &'a [TestInfo],
    done: bool,
    bookmarked: bool,
    previous: Option<u64>,
    next: Option<u64>,
    notes: &'a [NoteInfo],
}

impl<'a> Shape<'a> {
    fn of(reply: &'a LessonReply) -> Self {
        let lesson = &reply.lesson;
        Self {
            feed_id: reply.feed_id,
            course_name: &reply.course_name,
            lesson: lesson.id,
            lesson_number: lesson.lesson_number,
            name: &lesson.name,
            section: lesson.section.as_deref(),
            description: lesson.description.as_deref(),
            content: reply.content.as_deref(),
            content_type: lesson.lesson_content_type,
            videos: &reply.videos,
            attachments: &reply.attachments,
            tests: &reply.tests,
            done: reply.done,
            bookmarked: reply.bookmarked,
            previous: reply.previous,
            next: reply.next,
            notes: &reply.notes,
        }
    }
}

fn describe(t: &mut Text, reply: &LessonReply) {
    let lesson = &reply.lesson;
    let done = if reply.done { "  ✓ done" } else { "" };
    t.dim(format!(
        "{}{}",
        reply.course_name,
        lesson
            .section
            .as_ref()
            .map_or_else(String::new, |s| format!(" · {s}"))
    ));
    t.heading(format!("{}  {}{done}", lesson.lesson_number, lesson.name));
    match (&reply.content, lesson.has_text()) {
        (Some(text), _) => {
            t.gap();
            t.block(text);
        }
        (None, true) => t.dim("Its text is not here yet."),
        (None, false) => {}
    }
    let here = |here: u64, size: Option<u64>| match size {
        Some(size) if here >= size => bytes(size),
        Some(size) => format!("{}, {} here", bytes(size), bytes(here)),
        None => bytes(here),
    };
    let mut items: Vec<String> = Vec::new();
    items.extend(
        reply
            .videos
            .iter()
            .map(|v| format!("video  {}  ({})", v.name, here(v.bytes_here, v.size))),
    );
    items.extend(
        reply
            .attachments
            .iter()
            .map(|a| format!("file   {}  ({})", a.name, here(a.bytes_here, a.size))),
    );
    items.extend(reply.tests.iter().map(|test| {
        let best = test
            .best_percent
            .map_or_else(String::new, |p| format!(", best {p} %"));
        format!(
            "test   {}  ({} questions, {} % to pass{best})",
            test.name,
            test.questions.len(),
            test.pass_percent
        )
    }));
    if !items.is_empty() {
        t.gap();
    }
    for item in items {
        t.line(item);
    }
    for note in &reply.notes {
        t.gap();
        t.dim(format!("note of {}", date(note.time)));
        t.block(&note.text);
    }
    if let Some(next) = reply.next {
        t.gap();
        t.dim(format!(
            "next: studytime lesson show '{}' {next}",
            reply.feed_id
        ));
    }
}
