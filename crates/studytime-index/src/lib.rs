//! The courses as one can query them: folded, searched, counted.

mod changes;
mod error;
mod facts;
mod index;
mod model;
mod reader;

pub use changes::Changes;
pub use error::{ApplyError, OpenError, QueryError};
pub use facts::{BytesHere, Facts, Presence, Reach};
pub use index::{Index, Options, Tick};
pub use model::*;
pub use reader::Reader;
