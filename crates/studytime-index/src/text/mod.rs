//! Text: splitting it, keeping it searchable, finding it again.

mod analyze;
mod ask;
mod documents;
mod engine;
mod fold;
mod forms;
pub(crate) mod gather;
pub(crate) mod plain;
mod score;
pub(crate) mod search;
pub(crate) mod snippet;
pub(crate) mod stem;

pub(crate) use analyze::key;
pub(crate) use ask::{Asked, ask};
pub(crate) use engine::{Doc, TextIndex, TextReader};
pub(crate) use fold::is_unspaced;
pub(crate) use forms::may_be_begun;
