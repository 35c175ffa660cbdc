//! Carries the workspace's `examples/` and `benches/`; there is nothing to use here.
//!
//! The libraries are in `crates/`: start with `studytime-node` to embed a whole
//! node, or with `studytime-schema` to read and write StudyTime messages.
