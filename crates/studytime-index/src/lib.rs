//! The courses as one can query them: folded, searched, counted.
//!
//! An [`Index`] is fed the entries of a log and some [`Facts`] (which feeds are
//! the user's own, which course lists they chose, who is near them), and keeps
//! what the folding rules of `studytime-schema` make of them: rows in SQLite,
//! searchable text in tantivy, and what sorting and filtering need in memory. A
//! [`Reader`] answers queries from it, from any thread, while the index goes on
//! taking in.
//!
//! All of it is a cache. It says how far it has come ([`Index::position`]), in
//! the same transaction as its rows; whoever holds the log feeds it what comes
//! after. Damaged or outdated, it is thrown away and made again from the log.
//!
//! # What it does not do
//! It reads no network, no log and no clock, and verifies nothing: an entry
//! holds a verified message. It holds no blobs: it says which ones a course
//! needs, takes in the text of some, and asks [`BytesHere`] about the rest. What
//! was encrypted to the user and opened stands in it as plain text, so its folder
//! must be as private as the user's key.
//!
//! # Feeding it
//! 1. [`Index::open`] with the facts known at that moment; on
//!    [`OpenError::Rebuild`], [`Index::rebuild`] instead.
//! 2. [`Index::apply`] with what the log holds after [`Index::position`], in
//!    order, a thousand entries at a time; [`Index::tick`] after each call and
//!    whenever [`Tick::next`] is due. After a rebuild, [`Index::swap_in`] once the
//!    end of the log is reached.
//! 3. Hand the texts of [`Reader::text_blobs_needed`], and later of
//!    [`Changes::text_blobs`], to [`Index::apply_text`] as they arrive; tell
//!    [`Index::blobs_changed`] of all blobs that come and go.
//! 4. [`Index::set_facts`] when a list is added, moved or removed, and when the
//!    follow graph changes.
//!
//! # Example
//! A file with one message a line, as other Scuttlebutt programs export them,
//! becomes a searchable list of courses.
//!
//! ```
//! use std::{fs, io::BufRead, sync::Arc};
//! use studytime_index::{CourseQuery, Facts, Index, Options};
//! use studytime_schema::{Entry, LogPosition, Message};
//! # use serde_json::json;
//! # use studytime_schema::Keypair;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let file = dir.path().join("messages.jsonl");
//! # let (curator, author) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
//! # let list = curator.id();
//! # let course = author.id().to_bare();
//! # let listed = json!({"type": "studytime_course", "feed_id": course, "name": "Knots and splices",
//! #     "keywords": ["sailing"], "language": "en"});
//! # let lesson = json!({"type": "studytime_course_lesson", "lesson_number": 1, "name": "The bowline",
//! #     "lesson_content": "Up through the hole, round the tree, down the hole again."});
//! # let listed = Message::sign(&curator, None, 1_700_000_000_000, &listed, None)?;
//! # let lesson = Message::sign(&author, None, 1_700_000_000_000, &lesson, None)?;
//! # fs::write(&file, format!("{}\n{}\n", listed.wire(), lesson.wire()))?;
//! let options = Options {
//!     facts: Facts { lists: vec![list], ..Facts::default() },
//!     ..Options::default()
//! };
//! let mut index = Index::open(dir.path().join("index"), options)?;
//!
//! let mut position = 0;
//! let mut entries = Vec::new();
//! for line in std::io::BufReader::new(fs::File::open(&file)?).lines() {
//!     position += 1;
//!     entries.push(Entry {
//!         position: LogPosition(position),
//!         received: 1_700_000_100_000,
//!         message: Arc::new(Message::verify(line?.as_bytes(), None)?),
//!         opened_private: None,
//!         blob_text: None,
//!     });
//! }
//! let changes = index.apply(&entries)?;
//! assert_eq!(changes.newly_listed.len(), 1);
//! index.flush()?;
//!
//! let found = index.reader().courses(&CourseQuery::text("knots bowl"))?;
//! assert_eq!(found.items[0].name, "Knots and splices");
//! assert_eq!(found.items[0].hit.as_ref().map(|hit| hit.lesson_number), Some(1));
//! # Ok(())
//! # }
//! ```

mod catalog;
mod changes;
mod columns;
mod error;
mod facts;
mod index;
mod maker;
mod merge;
mod model;
mod popularity;
mod reader;
mod store;
mod text;
mod word;

pub use catalog::may_bear;
pub use changes::Changes;
pub use error::{ApplyError, OpenError, QueryError};
pub use facts::{BytesHere, Facts, Presence, Reach};
pub use index::{Index, Options, Tick};
pub use model::*;
pub use reader::Reader;
