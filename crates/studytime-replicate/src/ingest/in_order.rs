//! The order in which work was given out, kept while several threads do it.

use std::collections::BTreeMap;

/// Puts what several threads bring back into the order in which it was handed out.
///
/// Work is numbered from 0 when it is taken from the queue; whoever finishes early
/// waits here. So a single long feed keeps all cores busy, and its messages still
/// come to [`append`](super::append) one after the other.
///
/// Every number must come back some time: what is behind a missing one waits for
/// ever.
///
/// ```
/// let mut order = studytime_replicate::ingest::InOrder::new();
/// order.put(1, "second");
/// assert_eq!(order.next(), None);
/// order.put(0, "first");
/// assert_eq!((order.next(), order.next(), order.next()), (Some("first"), Some("second"), None));
/// ```
#[derive(Debug, Clone)]
pub struct InOrder<T> {
    next: u64,
    early: BTreeMap<u64, T>,
}

impl<T> InOrder<T> {
    /// Nothing is here, and number 0 comes next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was handed out as `number`. A number that came before changes
    /// nothing.
    pub fn put(&mut self, number: u64, done: T) {
        if number >= self.next {
            self.early.entry(number).or_insert(done);
        }
    }
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self {
            next: 0,
            early: BTreeMap::new(),
        }
    }
}

/// What is here and next in turn. After `None` there can be more.
impl<T> Iterator for InOrder<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let done = self.early.remove(&self.next)?;
        self.next += 1;
        Some(done)
    }
}
