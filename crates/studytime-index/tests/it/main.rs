//! The index as a caller sees it: fed with signed messages, asked with queries.

mod courses;
mod crash;
mod laws;
mod learner;
mod search;
mod speed;
mod world;
