//! What a node keeps when it is stopped at the worst moment, when its disk is
//! full, and when its files are damaged. Real processes, real files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail anywhere, and says what it tried"
)]

mod damage;
mod kill;
mod ledger;
mod random;
mod victim;
mod view;
mod work;
