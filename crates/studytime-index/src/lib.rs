//! The courses as one can query them: folded, searched, counted.

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

pub use changes::Changes;
pub use error::{ApplyError, OpenError, QueryError};
pub use facts::{BytesHere, Facts, Presence, Reach};
pub use index::{Index, Options, Tick};
pub use model::*;
pub use reader::Reader;
