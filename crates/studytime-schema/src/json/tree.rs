//! The other road: reads a text into an ordered tree, as JavaScript does, and
//! prints the tree.
//!
//! Nothing here recurses, neither reading nor printing nor dropping: the nodes
//! lie in one list, and open containers on a stack of their own.

mod print;
mod read;

use super::escape::array_index;
use super::{FormError, Forms, Style};
use print::Printer;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Both forms of a text, with its outline.
pub(super) fn forms(text: &str, max_bytes: usize) -> Result<Forms<'static>, FormError> {
    let tree = Tree::read(text)?;
    let mut compact = Printer::new(&tree, Style::Compact, max_bytes);
    compact.noting = true;
    compact.print()?;
    let (compact, members) = (compact.out, compact.members);
    let mut signed = Printer::new(&tree, Style::Signed, max_bytes);
    signed.print()?;
    Ok(Forms {
        compact: Cow::Owned(compact),
        signed: signed.out,
        members,
    })
}

/// The text in the given layout.
pub(super) fn format(text: &str, style: Style, max_bytes: usize) -> Result<String, FormError> {
    let tree = Tree::read(text)?;
    let mut printer = Printer::new(&tree, style, max_bytes);
    printer.print()?;
    Ok(printer.out)
}

#[derive(Debug)]
enum Node {
    /// A string with its quotes, a number or a word, in canonical spelling, in the pool.
    Scalar(Range<usize>),
    /// A number too large for a double; `true` when negative. JavaScript
    /// prints `null`.
    Infinite(bool),
    Array(Vec<usize>),
    /// Key (in canonical spelling with its quotes, in the pool) and value.
    Object(Vec<(Range<usize>, usize)>),
}

#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
    /// The canonical spellings of all keys and scalars.
    pool: String,
}

impl Tree {
    /// Gives the members their JavaScript order: array indices first, ascending,
    /// then the others by first appearance; the last value of a repeated key counts.
    fn settle(&self, members: Vec<(Range<usize>, usize)>) -> Vec<(Range<usize>, usize)> {
        let mut place: BTreeMap<&str, usize> = BTreeMap::new();
        let mut indices: BTreeMap<u32, (Range<usize>, usize)> = BTreeMap::new();
        let mut others: Vec<(Range<usize>, usize)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            let spelling = self.pool.get(key.clone()).unwrap_or_default();
            if let Some(index) = array_index(spelling.trim_matches('"')) {
                indices.insert(index, (key, value));
            } else if let Some(other) = place.get(spelling).and_then(|&at| others.get_mut(at)) {
                other.1 = value;
            } else {
                place.insert(spelling, others.len());
                others.push((key, value));
            }
        }
        indices.into_values().chain(others).collect()
    }
}
