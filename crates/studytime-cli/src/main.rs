//! The studytime program.
fn main() {}
