//! The index as a caller sees it: fed with signed messages, asked with queries.

// Helpers outside of tests may fail by panicking, like tests.
#![allow(clippy::unwrap_used)]

mod blobs;
mod browse;
mod courses;
mod crash;
mod documents;
mod follow;
mod forms;
mod laws;
mod learner;
mod quality;
mod queries;
mod search;
mod speed;
mod world;
