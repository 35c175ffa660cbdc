//! What the benches share: messages to work on, physical limits, a clock.

#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each bench uses a part, and prints for people"
)]

pub(crate) mod catalog;
pub(crate) mod corpus;
pub(crate) mod limits;
pub(crate) mod meter;

use std::time::Duration;
use studytime_node::{Node, api};

/// The numbers on the command line (cargo itself passes `--bench`), or else these.
pub(crate) fn sizes(default: &[usize]) -> Vec<usize> {
    let given: Vec<usize> = std::env::args()
        .filter_map(|a| a.replace('_', "").parse().ok())
        .collect();
    if given.is_empty() {
        default.to_vec()
    } else {
        given
    }
}

/// How many threads the machine runs at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The middle of several figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Waits until a node's index has taken in the whole log.
pub(crate) async fn caught_up(node: &Node) {
    let handle = node.handle();
    while handle
        .call(api::Status {})
        .await
        .expect("a status")
        .index_behind
        > 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Prints one figure beside its limit.
pub(crate) fn report(what: &str, unit: &str, ours: f64, limit: f64) {
    println!(
        "  {what:<34} {ours:>10.1} {unit:<11} limit {limit:>10.1}   ratio {:>5.2}",
        ours / limit
    );
}

/// Prints what is asked of a figure, and whether it is met.
pub(crate) fn asked(what: &str, figure: f64, most: f64, unit: &str) {
    let met = if figure <= most { "met" } else { "MISSED" };
    println!("    asked of {what}: at most {most} {unit}; {figure:.1}: {met}");
}
