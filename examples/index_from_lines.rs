//! The index alone, over messages from a plain file: no node, no network, no
//! async runtime. One signed message a line, as `studytime feed log --json` and
//! most SSB tools write them.
//!
//! ```sh
//! cargo run --example index_from_lines -- crates/studytime-node/sample/messages.jsonl offline
//! ```

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::sync::Arc;
use studytime_index::{CourseQuery, Facts, Index, Options};
use studytime_schema::{Entry, FeedId, LogPosition, Message};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: index_from_lines FILE [WORDS]")?;
    let words = args.next().unwrap_or_default();
    let mut entries = Vec::new();
    for (i, line) in std::fs::read_to_string(file)?.lines().enumerate() {
        let message = Arc::new(Message::verify(line.as_bytes(), None)?);
        let position = LogPosition(i as u64 + 1);
        entries.push(Entry {
            position,
            received: 0,
            message,
            opened_private: None,
            blob_text: None,
        });
    }
    // Every feed that lists another one's course acts as a list here.
    let mut lists: Vec<FeedId> = Vec::new();
    for entry in &entries {
        let author = entry.message.author();
        let lists_one = entry.message.content_type() == Some("studytime_course");
        if lists_one && !lists.contains(&author) {
            lists.push(author);
        }
    }
    let dir = tempfile::tempdir()?;
    let options = Options {
        facts: Facts {
            lists,
            ..Facts::default()
        },
        ..Options::default()
    };
    let mut index = Index::open(dir.path(), options)?;
    index.apply(&entries)?;
    index.flush()?;
    for course in index.reader().courses(&CourseQuery::text(words))?.items {
        println!("{}  {}  [{}]", course.feed_id, course.name, course.subject);
        if let Some(hit) = course.hit {
            println!("    lesson {}: {}", hit.lesson_number, hit.snippet.plain());
        }
    }
    Ok(())
}
