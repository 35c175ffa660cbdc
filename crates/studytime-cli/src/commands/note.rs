//! `note …`

use crate::args::Note;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::date;
use std::io::Read as _;
use studytime_node::api::{ApiError, NoteAdd, NoteList};

/// Longest note that is read from standard input.
const MAX_NOTE: u64 = 1 << 20;

pub(crate) async fn run(context: &Context, note: Note) -> Result<(), Failure> {
    match note {
        Note::Add { id, number, text } => {
            let text = match text.as_str() {
                "-" => context.aside(from_stdin).await?,
                _ => text,
            };
            let published = context.call(NoteAdd { id, number, text }).await?;
            context
                .out
                .value(&published, |t| t.line("Noted. Only you can read it."))
        }
        Note::List { id } => {
            let notes = context.call(NoteList { id }).await?;
            context.out.list(&notes, |t| {
                if notes.is_empty() {
                    t.dim("No notes yet: `studytime note add COURSE LESSON TEXT`");
                }
                for (i, note) in notes.iter().enumerate() {
                    if i > 0 {
                        t.gap();
                    }
                    let lesson = note
                        .lesson_number
                        .map_or_else(String::new, |n| format!(", lesson {n}"));
                    t.heading(format!(
                        "{}{lesson}  {}",
                        name_or_id(&note.course_name, &note.feed_id),
                        date(note.time)
                    ));
                    t.block(&note.text);
                }
            })
        }
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_NOTE)
        .read_to_string(&mut text)
        .map_err(|e| ApiError::failed("the note cannot be read from standard input", &e))?;
    Ok(text)
}

fn name_or_id(name: &str, id: &studytime_schema::FeedId) -> String {
    match name {
        "" => id.to_string(),
        name => name.to_owned(),
    }
}
