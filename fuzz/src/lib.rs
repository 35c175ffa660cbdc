//! What the fuzz targets share: inputs with a shape, and a purse for memory.
//!
//! Not a crate to depend on. See README.md for how to run the targets.

#![deny(missing_docs)]

mod budget;
pub mod content;
pub mod envelope;
pub mod feeds;
mod json_text;
mod shape;
pub mod zip;

pub use budget::within;
pub use json_text::JsonText;
pub use shape::{Few, Many};
