//! Our verdicts, ids, keys and private messages beside those of the network's
//! JavaScript modules, which run in one process (`interop/oracle.js`).
//!
//! `STUDYTIME_ORACLE_SEED=… STUDYTIME_ORACLE_CASES=…` repeats or widens the
//! generated part.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests; a seed is printed to repeat one"
)]

mod ask;
mod boxes;
mod case;
mod crafted;
mod generate;
mod messages;
mod secrets;
mod shrink;
mod writers;
