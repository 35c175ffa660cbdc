//! The pages over a real node in a temporary directory, asked as a browser asks.
#![allow(clippy::unwrap_used)] // A helper that cannot go on must fail its test.

mod answers;
mod browse;
mod files;
mod mirrors;
mod players;
mod safety;
mod settings;
mod site;
mod study;
